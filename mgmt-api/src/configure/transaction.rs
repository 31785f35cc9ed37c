//! Read, edit, hand back.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::backend::Backend;
use crate::error::{ApiError, ProblemKind};
use crate::extract::{Flag, flag};
use crate::model::{ConfigurationChange, ConfigurationOutcome, ConfigurationSource};

use super::conditions::{IfMatch, changed};
use super::part::Documents;

/// What every change takes in its query.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub(crate) struct WriteQuery {
    /// Only say what the change would do.
    #[serde(deserialize_with = "flag")]
    #[schemars(with = "Flag", example = true)]
    dry_run: bool,
    /// Take the change back after so many seconds, unless `POST /api/v1/config/confirm` comes before.
    #[schemars(range(min = 1, max = 3600), example = 60)]
    confirm: Option<u32>,
    /// Why, for the history.
    #[schemars(length(max = 200))]
    comment: Option<String>,
    /// Overwrite a file that was edited since the node read or wrote it.
    #[serde(deserialize_with = "flag")]
    #[schemars(with = "Flag")]
    force: bool,
}

impl WriteQuery {
    /// Whether nothing is to be changed.
    pub(crate) fn is_dry_run(&self) -> bool {
        self.dry_run
    }

    /// The change that is asked for.
    ///
    /// # Errors
    /// A parameter is out of its range.
    pub(crate) fn change(
        &self,
        source: ConfigurationSource,
        author: String,
    ) -> Result<ConfigurationChange, ApiError> {
        let mut change = ConfigurationChange::new(source, author);
        change.confirm = self.confirm.map(within_an_hour).transpose()?;
        change.comment = self.comment.clone();
        if self.comment.as_ref().is_some_and(|comment| comment.chars().count() > LONGEST_COMMENT) {
            return Err(ApiError::new(
                ProblemKind::BadRequest,
                format!("`comment` is longer than {LONGEST_COMMENT} characters"),
                "say it in fewer words",
            ));
        }
        change.dry_run = self.dry_run;
        change.force = self.force;
        Ok(change)
    }
}

fn within_an_hour(seconds: u32) -> Result<Duration, ApiError> {
    if (1..=3600).contains(&seconds) {
        return Ok(Duration::from_secs(seconds.into()));
    }
    Err(ApiError::new(
        ProblemKind::BadRequest,
        format!("`confirm` is {seconds}"),
        "it must be from 1 to 3600 seconds",
    ))
}

/// Applies an edit to the running configuration. Without a condition the edit is made again if another change came in
/// between; the edit itself is refused as soon as it cannot be made.
///
/// # Errors
/// The condition does not hold, the edit cannot be made, or the node refuses the result.
pub(crate) async fn edit<B: Backend, T>(
    backend: &B,
    condition: &IfMatch,
    query: &WriteQuery,
    author: &str,
    edit: impl Fn(&mut Documents) -> Result<T, ApiError>,
) -> Result<(T, ConfigurationOutcome), ApiError> {
    let mut attempts = ATTEMPTS;
    loop {
        let running = backend.configuration();
        condition.check(&running.revision)?;
        let mut documents = Documents { written: running.document, effective: backend.config() };
        let made = edit(&mut documents)?;
        let source = ConfigurationSource::Document(documents.written);
        let mut change = query.change(source, author.to_owned())?;
        change.if_revision = Some(running.revision);
        attempts -= 1;
        match backend.configure(change).await {
            Ok(outcome) => return Ok((made, outcome)),
            Err(refusal) if refusal.kind != ProblemKind::PreconditionFailed => return Err(refusal),
            // The client has said which revision it means, and that is gone.
            Err(_) if matches!(condition, IfMatch::Revisions(_)) => {
                return Err(changed(&backend.configuration().revision));
            }
            Err(refusal) if attempts == 0 => return Err(refusal),
            Err(_) => {}
        }
    }
}

/// How often an edit is made before it is given up: others' changes come faster than ours get through.
const ATTEMPTS: u32 = 16;
const LONGEST_COMMENT: usize = 200;
