//! A change that must be confirmed: applied, but not written to the file until it is.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use isthmus_mgmt_api::model::{Configuration, ConfigurationChange, ConfigurationSource, DateTime, EventType};
use isthmus_mgmt_api::{ApiError, ProblemKind};
use serde_json::json;

use super::{LONGEST_CONFIRM, Ledger, Note, Origin, perform, publish, to_its_end};
use crate::node::current::Current;
use crate::node::shared::Shared;

/// A change that waits to be confirmed.
pub(super) struct Pending {
    ticket: u64,
    /// What ran before it, and runs again if nobody confirms.
    pub(super) before: Arc<Current>,
    deadline: DateTime,
    author: String,
    comment: Option<String>,
}

/// The time from one attempt to go back to the next, if the machine does not permit it at once.
const TRY_AGAIN: Duration = Duration::from_secs(5);

/// The time to confirm, if it is one.
pub(super) fn limited(time: Duration) -> Result<Duration, ApiError> {
    if (Duration::from_secs(1)..=LONGEST_CONFIRM).contains(&time) {
        return Ok(time);
    }
    Err(ApiError::new(
        ProblemKind::BadRequest,
        format!("{} s are no time to confirm a change in", time.as_secs_f64()),
        format!("name a time from 1 to {} s", LONGEST_CONFIRM.as_secs()),
    ))
}

/// Keeps the configuration that waits to be confirmed, and writes it to the file.
///
/// # Errors
/// None waits, or the file cannot be written; then it goes on waiting.
pub async fn confirm(shared: &Arc<Shared>, author: String) -> Result<Configuration, ApiError> {
    to_its_end(shared, async move |shared| {
        let mut ledger = shared.transactions.turn.lock().await;
        let Some(pending) = &ledger.pending else {
            return Err(ApiError::new(
                ProblemKind::Conflict,
                "no change waits to be confirmed",
                "if its time ran out, the configuration before it runs again: apply the change anew",
            ));
        };
        let (before, comment) = (Arc::clone(&pending.before), pending.comment.clone());
        let by = pending.author.clone();
        let current = shared.current();
        ledger.check_file().await?;
        let staged = ledger.stage(&current.text).await?;
        ledger.commit(staged, &current.text).await?;
        ledger.pending = None;
        let note = Note { author: &by, comment: comment.as_deref() };
        // The warning is in the log.
        let _ = ledger.remember(&before, &current.written, &current.text, note);
        shared.transactions.published().update(&ledger.history, true, None);
        let configuration = publish::configuration(&shared);
        let mut detail = json!({ "author": by, "revision": configuration.revision });
        if let Some(newest) = ledger.history.newest() {
            detail["number"] = json!(newest.number);
        }
        shared.events.record(
            EventType::ConfigCommit,
            format!("{author} has confirmed the change of {by}"),
            detail,
        );
        Ok(configuration)
    })
    .await
}

impl Ledger {
    /// Until when the change that waits must be confirmed.
    pub(super) fn deadline(&self) -> Option<DateTime> {
        self.pending.as_ref().map(|pending| pending.deadline)
    }

    /// Refuses while a change waits to be confirmed.
    pub(super) fn refuse_if_pending(&self) -> Result<(), ApiError> {
        let Some(pending) = &self.pending else { return Ok(()) };
        Err(ApiError::new(
            ProblemKind::Conflict,
            format!("the change of {} waits to be confirmed until {}", pending.author, pending.deadline),
            "keep it with `isthmus config confirm`, or go back with `isthmus config rollback`",
        ))
    }

    /// Waits for the confirmation of what was just applied; `before` ran until then. Returns until when.
    pub(super) fn wait_for_confirmation(
        &mut self,
        shared: &Arc<Shared>,
        before: &Arc<Current>,
        time: Duration,
        change: &ConfigurationChange,
    ) -> DateTime {
        self.tickets += 1;
        let (ticket, deadline) = (self.tickets, DateTime::from(SystemTime::now() + time));
        self.pending = Some(Pending {
            ticket,
            before: Arc::clone(before),
            deadline,
            author: change.author.clone(),
            comment: change.comment.clone(),
        });
        let shared = Arc::downgrade(shared);
        tokio::spawn(async move {
            let mut wait = time;
            loop {
                tokio::time::sleep(wait).await;
                let Some(shared) = shared.upgrade() else { return };
                if go_back(&shared, ticket).await {
                    return;
                }
                wait = TRY_AGAIN;
            }
        });
        deadline
    }
}

/// Applies the configuration before the change with this ticket, if that still waits. `false`: the machine does not permit
/// it now.
async fn go_back(shared: &Arc<Shared>, ticket: u64) -> bool {
    let mut ledger = shared.transactions.turn.lock().await;
    let Some(pending) = ledger.pending.take_if(|pending| pending.ticket == ticket) else { return true };
    let source = ConfigurationSource::Yaml(pending.before.text.clone());
    let change = ConfigurationChange::new(source, pending.author.clone());
    match perform(shared, &mut ledger, change, Origin::Timeout).await {
        Ok(_) => true,
        Err(error) => {
            tracing::error!(
                "the configuration before the change could not be applied: {error}; trying again"
            );
            ledger.pending = Some(pending);
            false
        }
    }
}
