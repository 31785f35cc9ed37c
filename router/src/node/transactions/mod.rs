//! Changes of the configuration of the running node: one at a time, each applied whole or refused whole.
//!
//! A change goes through these steps, and whatever one of them refuses leaves everything as it was:
//!
//! 1. the source is read and passes the checks of `isthmus check` ([`candidate`]);
//! 2. it is compared with what runs: the differences, what each leads to, and whether a running node can do it;
//! 3. what can fail is done beside what runs: ports are opened, the kernel is given further addresses ([`prepare`]);
//! 4. the new text is written beside the file and brought to the disk;
//! 5. it is renamed over the file: from here on the next start takes the new configuration;
//! 6. the control loop takes over what was prepared, in one turn.
//!
//! A change that is to be confirmed leaves the file alone until it is: a node that crashes before comes back with the old
//! configuration, and one that is not told in time goes back to it by itself.

pub mod candidate;
mod confirm;
pub mod prepare;
mod publish;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex as StdMutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use isthmus_mgmt_api::model::{
    ChangeEffect, ConfigurationChange, ConfigurationDiagnostic, ConfigurationOutcome, ConfigurationSource,
    DateTime, Effect, EventType, FieldChange,
};
use isthmus_mgmt_api::{ApiError, ProblemKind};
use serde_json::json;
use tokio::sync::{Mutex, mpsc, oneshot};

use super::control::{Change, Request};
use super::current::Current;
use super::shared::Shared;
use crate::config::load::Loaded;
use crate::kernel::monitor::LinkEvent;
use crate::transaction::effects::effects;
use crate::transaction::file::{self, RealDisk, Staged};
use crate::transaction::history::{Entry, History};
use crate::transaction::{diff, document, secrets};

pub use confirm::confirm;
pub use publish::{at, configuration, history};

use candidate::Candidate;
use confirm::Pending;
use prepare::Prepared;
use publish::Published;

/// The changes of a node's configuration.
pub struct Transactions {
    turn: Mutex<Ledger>,
    published: StdMutex<Published>,
    links: mpsc::UnboundedSender<LinkEvent>,
}

/// What one transaction leaves to the next.
struct Ledger {
    path: PathBuf,
    /// Of the file's content when it was read or written last.
    digest: [u8; 32],
    history: History,
    pending: Option<Pending>,
    /// Counts those that were to be confirmed.
    tickets: u64,
}

/// Where a change comes from, which decides about the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Origin {
    /// A client: the file is written.
    Client,
    /// The file: it is as it shall be.
    File,
    /// The configuration before one that was not confirmed: the file still says it.
    Timeout,
}

impl Transactions {
    /// Those of a node that has started with the file at `path`.
    pub fn new(path: &Path, loaded: &Loaded, links: mpsc::UnboundedSender<LinkEvent>) -> Self {
        let directory = loaded.config.management.state_directory.join("history");
        let history = History::open(Some(directory));
        let published = Published::new(&history);
        let digest = file::digest(loaded.text.as_bytes());
        let ledger = Ledger { path: path.to_owned(), digest, history, pending: None, tickets: 0 };
        Self { turn: Mutex::new(ledger), published: StdMutex::new(published), links }
    }

    fn published(&self) -> MutexGuard<'_, Published> {
        self.published.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Changes the configuration. The transaction goes on to its end even if whoever asked for it goes away.
///
/// # Errors
/// It is refused; everything is as it was.
pub async fn configure(
    shared: &Arc<Shared>,
    change: ConfigurationChange,
) -> Result<ConfigurationOutcome, ApiError> {
    to_its_end(shared, async move |shared| {
        let mut ledger = shared.transactions.turn.lock().await;
        if !change.dry_run {
            ledger.refuse_if_pending()?;
        }
        perform(&shared, &mut ledger, change, Origin::Client).await
    })
    .await
}

/// Reads the configuration file again, as a transaction.
///
/// # Errors
/// It is refused; everything is as it was.
pub async fn reload(shared: &Arc<Shared>, author: &str) -> Result<ConfigurationOutcome, ApiError> {
    let author = author.to_owned();
    to_its_end(shared, async move |shared| {
        let mut ledger = shared.transactions.turn.lock().await;
        ledger.refuse_if_pending()?;
        let path = ledger.path.clone();
        let text = blocking(move || crate::config::load::read(&path)).await?;
        let text = text.map_err(|finding| candidate::invalid(&[finding], true))?;
        let change = ConfigurationChange::new(ConfigurationSource::Yaml(text), author);
        perform(&shared, &mut ledger, change, Origin::File).await
    })
    .await
}

/// Applies a configuration of the history again.
///
/// # Errors
/// There is no such entry, or it is refused; everything is as it was.
pub async fn rollback(
    shared: &Arc<Shared>,
    number: u64,
    author: String,
    dry_run: bool,
) -> Result<ConfigurationOutcome, ApiError> {
    to_its_end(shared, async move |shared| {
        let mut ledger = shared.transactions.turn.lock().await;
        let Some(entry) = ledger.history.get(number) else {
            return Err(ApiError::new(
                ProblemKind::NotFound,
                format!("the history has no number {number}"),
                "`isthmus config history` lists what it has",
            ));
        };
        let source = ConfigurationSource::Yaml(entry.text.clone());
        let comment = Some(format!("rollback to {number}"));
        let change = ConfigurationChange { dry_run, comment, ..ConfigurationChange::new(source, author) };
        perform(&shared, &mut ledger, change, Origin::Client).await
    })
    .await
}

/// Runs a transaction in a task of its own: a client that gives up must not stop it half-way.
async fn to_its_end<T: Send + 'static, F: Future<Output = Result<T, ApiError>> + Send>(
    shared: &Arc<Shared>,
    transaction: impl FnOnce(Arc<Shared>) -> F + Send + 'static,
) -> Result<T, ApiError> {
    let shared = Arc::clone(shared);
    tokio::spawn(async move { transaction(shared).await }).await.map_err(|_| ending())?
}

fn ending() -> ApiError {
    ApiError::new(ProblemKind::Unavailable, "the node is ending", "start it again")
}

/// Does what waits for the disk on a thread that may wait.
async fn blocking<T: Send + 'static>(act: impl FnOnce() -> T + Send + 'static) -> Result<T, ApiError> {
    tokio::task::spawn_blocking(act).await.map_err(|_| ending())
}

/// What a change comes to, before anything is done about it.
struct Plan {
    changes: Vec<FieldChange>,
    effects: Vec<ChangeEffect>,
}

impl Plan {
    fn new(current: &Current, candidate: &Candidate) -> Self {
        let new = &candidate.loaded.document;
        let changes = diff::changes(&with_fabric(&current.document), &with_fabric(new));
        let mut effects = effects(&changes);
        let (before, after) = (&current.config.ospf.router_id, &candidate.loaded.config.ospf.router_id);
        if before != after && !changes.iter().any(|change| change.path == "ospf.router-id") {
            let what = format!(
                "the router id follows from the first address and becomes {after}: all adjacencies are formed anew"
            );
            let path = "ospf.router-id".to_owned();
            effects.insert(0, ChangeEffect { path, effect: Effect::AdjacencyRestart, what });
            effects.sort_by_key(|effect| std::cmp::Reverse(effect.effect));
        }
        let changes = changes.into_iter().map(masked).collect();
        Self { changes, effects }
    }

    /// Refuses what only a start of the node brings.
    fn refuse_restart(&self) -> Result<(), ApiError> {
        let keys: Vec<&str> = self
            .effects
            .iter()
            .filter(|effect| effect.effect == Effect::NodeRestart)
            .map(|effect| effect.path.as_str())
            .collect();
        if keys.is_empty() {
            return Ok(());
        }
        Err(ApiError::new(
            ProblemKind::NotChangeable,
            format!("{} cannot be changed while the node runs; nothing was changed", keys.join(", ")),
            "leave these keys as they are, or edit the configuration file and restart the node",
        ))
    }
}

/// A node without the key `fabric` has one of defaults.
fn with_fabric(document: &serde_json::Value) -> serde_json::Value {
    let mut document = document.clone();
    if document["fabric"].is_null() && !document["node-id"].is_null() {
        let fabric = crate::config::raw::RawFabric::default();
        document["fabric"] = serde_json::to_value(fabric).unwrap_or_default();
    }
    document
}

fn masked(change: FieldChange) -> FieldChange {
    let key = crate::transaction::effects::key(&change.path);
    let mask = |value: Option<serde_json::Value>| value.map(|value| secrets::masked_at(&key, value));
    FieldChange { path: change.path, old: mask(change.old), new: mask(change.new) }
}

async fn perform(
    shared: &Arc<Shared>,
    ledger: &mut Ledger,
    change: ConfigurationChange,
    origin: Origin,
) -> Result<ConfigurationOutcome, ApiError> {
    let result = attempt(shared, ledger, &change, origin).await;
    if let Err(error) = &result
        && !change.dry_run
    {
        let author = &change.author;
        shared.events.record(
            EventType::ConfigRefused,
            format!("a configuration of {author} is refused: {}", error.detail),
            json!({ "author": author, "reason": error.detail }),
        );
    }
    result
}

async fn attempt(
    shared: &Arc<Shared>,
    ledger: &mut Ledger,
    change: &ConfigurationChange,
    origin: Origin,
) -> Result<ConfigurationOutcome, ApiError> {
    let current = shared.current();
    let previous_revision = document::revision(&current.written);
    check_revision(change, &previous_revision)?;
    let candidate = Candidate::read(&change.source, &current.written, &change.author)?;
    let plan = Plan::new(&current, &candidate);
    let mut outcome = ConfigurationOutcome {
        revision: document::revision(&candidate.written),
        previous_revision,
        changes: plan.changes.clone(),
        effects: plan.effects.clone(),
        warnings: candidate.warnings.clone(),
        applied: false,
        confirm_deadline: None,
    };
    if change.dry_run {
        prepare::look(&current, &candidate.loaded.config).await?;
        if let Err(error) = ledger.check_file().await {
            outcome.warnings.push(candidate::warning("edited-file", &error.detail, &error.remedy));
        }
        return Ok(outcome);
    }
    plan.refuse_restart()?;
    if origin == Origin::Client && !change.force {
        ledger.check_file().await?;
    }
    let confirm = change.confirm.map(confirm::limited).transpose()?;
    let prepared = Prepared::new(shared, &current, &candidate.loaded.config).await?;
    let staged = match origin {
        Origin::Client if confirm.is_none() => match ledger.stage(&candidate.text).await {
            Ok(staged) => Some(staged),
            Err(error) => {
                prepared.abandon().await;
                return Err(error);
            }
        },
        _ => None,
    };
    if let Some(staged) = staged
        && let Err(error) = ledger.commit(staged, &candidate.text).await
    {
        prepared.abandon().await;
        return Err(error);
    }
    let new = candidate.loaded.config.clone();
    let Prepared { opened, layout, kernel, access } = prepared;
    let written = candidate.written.clone();
    let next = Change { loaded: candidate.loaded, layout, opened };
    apply(shared, next).await?;
    shared.access.adopt(access);
    kernel.finish(&new).await;
    outcome.applied = true;
    match (origin, confirm) {
        (Origin::Timeout, _) => {}
        (_, Some(time)) => {
            outcome.warnings.extend(ledger.remember_start(&current));
            outcome.confirm_deadline = Some(ledger.wait_for_confirmation(shared, &current, time, change));
        }
        (_, None) => {
            if origin == Origin::File {
                ledger.digest = file::digest(candidate.text.as_bytes());
            }
            // One that waits to be confirmed is given up, and was never committed.
            let committed = ledger.pending.take().map_or(current, |pending| pending.before);
            let note = Note { author: &change.author, comment: change.comment.as_deref() };
            outcome.warnings.extend(ledger.remember(&committed, &written, &candidate.text, note));
        }
    }
    ledger.tell(shared, change, &outcome, origin);
    Ok(outcome)
}

/// Hands what was prepared to the control loop, and waits until it runs.
async fn apply(shared: &Shared, change: Change) -> Result<(), ApiError> {
    let (done, when_done) = oneshot::channel();
    let request = Request::Apply { change: Box::new(change), done };
    shared.requests.send(request).await.map_err(|_| ending())?;
    when_done.await.map_err(|_| ending())
}

fn check_revision(change: &ConfigurationChange, running: &str) -> Result<(), ApiError> {
    match &change.if_revision {
        Some(wanted) if wanted != running => Err(ApiError::new(
            ProblemKind::PreconditionFailed,
            format!("the configuration is revision {running}, not {wanted}: somebody has changed it"),
            "read it again, make the change on what is there now, and send it with the new revision",
        )),
        _ => Ok(()),
    }
}

/// Who commits, and why.
#[derive(Clone, Copy)]
struct Note<'a> {
    author: &'a str,
    comment: Option<&'a str>,
}

impl Ledger {
    /// Refuses if the file was edited since the node read or wrote it: the edit would be lost.
    async fn check_file(&self) -> Result<(), ApiError> {
        let path = self.path.clone();
        let found = blocking(move || std::fs::read(path)).await?;
        match found {
            Ok(text) if file::digest(&text) == self.digest => Ok(()),
            // A file that has gone is written anew.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
            Ok(_) => Err(ApiError::new(
                ProblemKind::Conflict,
                format!("{} was edited since the node read it", self.path.display()),
                format!(
                    "see the edits with `isthmus config diff {0}`, then apply them with `isthmus config apply {0}`, or \
                     force the change, which overwrites them",
                    self.path.display()
                ),
            )),
            Err(error) => Err(self.unwritable(&error)),
        }
    }

    async fn stage(&self, text: &str) -> Result<Staged, ApiError> {
        let (path, text) = (self.path.clone(), text.to_owned());
        let staged = blocking(move || file::stage(&mut RealDisk, &path, text.as_bytes())).await?;
        staged.map_err(|error| self.unwritable(&error))
    }

    async fn commit(&mut self, staged: Staged, text: &str) -> Result<(), ApiError> {
        let committed = blocking(move || staged.commit(&mut RealDisk)).await?;
        committed.map_err(|error| self.unwritable(&error))?;
        self.digest = file::digest(text.as_bytes());
        Ok(())
    }

    fn unwritable(&self, error: &std::io::Error) -> ApiError {
        let remedy = match error.kind() {
            std::io::ErrorKind::ResourceBusy => {
                "the file is a mount of its own, which cannot be replaced: mount its directory instead"
            }
            std::io::ErrorKind::StorageFull => "make room on the file system",
            _ => {
                "let the router's user write the file's directory, or change the file by hand and send SIGHUP"
            }
        };
        ApiError::new(
            ProblemKind::Conflict,
            format!("{} cannot be written: {error}; nothing was changed", self.path.display()),
            remedy,
        )
    }

    /// Adds to the history what was committed, and before it what the node ran until now. A history that cannot be written is
    /// no reason to refuse.
    fn remember(
        &mut self,
        before: &Current,
        written: &serde_json::Value,
        text: &str,
        note: Note<'_>,
    ) -> Option<ConfigurationDiagnostic> {
        let failed_before = self.remember_start(before);
        let failed = self.history.add(entry(written, text, note)).err().map(|error| in_memory(&error));
        failed.or(failed_before)
    }

    /// Adds what the node ran until now, if the history does not have that: there is always something to go back to.
    fn remember_start(&mut self, before: &Current) -> Option<ConfigurationDiagnostic> {
        if self.history.newest().is_some_and(|newest| newest.document == before.written) {
            return None;
        }
        let note = Note { author: "the configuration file", comment: Some("as the node found it") };
        let added = self.history.add(entry(&before.written, &before.text, note));
        added.err().map(|error| in_memory(&error))
    }

    /// Publishes what has changed, and says so.
    fn tell(
        &self,
        shared: &Shared,
        change: &ConfigurationChange,
        outcome: &ConfigurationOutcome,
        origin: Origin,
    ) {
        let saved = self.pending.is_none();
        shared.transactions.published().update(&self.history, saved, self.deadline());
        let author = &change.author;
        let keys: Vec<&str> = outcome.changes.iter().map(|change| change.path.as_str()).collect();
        let what = if keys.is_empty() { "no key".to_owned() } else { keys.join(", ") };
        let (event, message) = match (origin, outcome.confirm_deadline) {
            (Origin::Timeout, _) => (
                EventType::ConfigRollback,
                format!("no confirmation came in time: back to the configuration before ({what})"),
            ),
            (_, Some(deadline)) => (
                EventType::ConfigApply,
                format!("{author} has changed {what}; to be confirmed until {deadline}"),
            ),
            (Origin::File, None) => (
                EventType::ConfigCommit,
                format!("{author}: the file was read again, which has changed {what}"),
            ),
            (Origin::Client, None) => (EventType::ConfigCommit, format!("{author} has changed {what}")),
        };
        let mut detail = json!({
            "author": author, "revision": outcome.revision, "previous-revision": outcome.previous_revision,
            "changes": keys,
        });
        if let Some(comment) = &change.comment {
            detail["comment"] = json!(comment);
        }
        if event == EventType::ConfigCommit
            && let Some(newest) = self.history.newest()
        {
            detail["number"] = json!(newest.number);
        }
        if let Some(deadline) = outcome.confirm_deadline {
            detail["confirm-deadline"] = json!(deadline);
        }
        shared.events.record(event, message, detail);
    }
}

fn in_memory(error: &std::io::Error) -> ConfigurationDiagnostic {
    let what = format!("the history is kept in memory only: {error}");
    tracing::warn!("{what}");
    candidate::warning("state-directory", &what, "let the router's user write `management.state-directory`")
}

fn entry(document: &serde_json::Value, text: &str, note: Note<'_>) -> Entry {
    Entry {
        number: 0,
        time: DateTime::from(SystemTime::now()),
        author: note.author.to_owned(),
        comment: note.comment.map(str::to_owned),
        text: text.to_owned(),
        document: document.clone(),
    }
}

/// The longest time that a change may wait to be confirmed.
pub const LONGEST_CONFIRM: Duration = Duration::from_secs(3600);
