//! Logging: to standard error, as text or JSON, as much as the environment asks for.

use std::io::{self, IsTerminal};
use std::sync::atomic::{AtomicU64, Ordering};

use tracing::{Event, Level, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;

/// The variable that says what is logged, in the language of `tracing_subscriber`: `info,isthmus_ospf=debug`.
pub const FILTER_VARIABLE: &str = "ISTHMUS_LOG";
/// The variable that says how: `text` (the default) or `json`.
pub const FORMAT_VARIABLE: &str = "ISTHMUS_LOG_FORMAT";

/// The form of log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// A JSON object for each line, for collectors.
    Json,
}

/// Why logging cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The filter does not parse.
    #[error("{FILTER_VARIABLE}: {0}: write for example info,isthmus_ospf=debug")]
    Filter(String),
    /// The form is unknown.
    #[error("{FORMAT_VARIABLE} is `{0}`: write text or json")]
    Format(String),
    /// It is set up already.
    #[error("logging is set up already")]
    Twice,
}

/// Sets up logging for the process as its environment asks for: `info` and above, as text, by default.
///
/// # Errors
/// A variable makes no sense, or logging is set up already.
pub fn init() -> Result<(), LogError> {
    let read = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    let filter = filter(read(FILTER_VARIABLE).as_deref())?;
    let format = format(read(FORMAT_VARIABLE).as_deref())?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        // What cannot be written (a full disk, a closed pipe) is lost: to say so on the same standard error panics.
        .log_internal_errors(false);
    match format {
        LogFormat::Text => builder.with_ansi(io::stderr().is_terminal()).finish().with(CountLines).try_init(),
        LogFormat::Json => builder.json().flatten_event(true).finish().with(CountLines).try_init(),
    }
    .map_err(|_| LogError::Twice)
}

/// Counts the lines that are logged, by their level.
struct CountLines;

static ERRORS: AtomicU64 = AtomicU64::new(0);
static WARNINGS: AtomicU64 = AtomicU64::new(0);
static OTHERS: AtomicU64 = AtomicU64::new(0);

impl<S: Subscriber> Layer<S> for CountLines {
    fn on_event(&self, event: &Event<'_>, _context: Context<'_, S>) {
        let counter = match *event.metadata().level() {
            Level::ERROR => &ERRORS,
            Level::WARN => &WARNINGS,
            _ => &OTHERS,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

/// The lines logged since the process began, by level.
pub fn counts() -> [(&'static str, u64); 3] {
    [("error", &ERRORS), ("warning", &WARNINGS), ("other", &OTHERS)]
        .map(|(level, counter)| (level, counter.load(Ordering::Relaxed)))
}

fn filter(text: Option<&str>) -> Result<EnvFilter, LogError> {
    EnvFilter::try_new(text.unwrap_or("info")).map_err(|error| LogError::Filter(error.to_string()))
}

fn format(text: Option<&str>) -> Result<LogFormat, LogError> {
    match text {
        None | Some("text") => Ok(LogFormat::Text),
        Some("json") => Ok(LogFormat::Json),
        Some(other) => Err(LogError::Format(other.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_is_information_as_text() {
        assert_eq!(filter(None).unwrap().to_string(), "info");
        assert_eq!(format(None).unwrap(), LogFormat::Text);
        assert_eq!(format(Some("json")).unwrap(), LogFormat::Json);
    }

    #[test]
    fn lines_are_counted_by_their_level() {
        let before = counts();
        let subscriber = tracing_subscriber::fmt().with_writer(io::sink).finish().with(CountLines);
        tracing::subscriber::with_default(subscriber, || {
            tracing::error!("one");
            tracing::warn!("two");
            tracing::warn!("three");
        });
        let more = |at: usize| counts()[at].1 - before[at].1;
        assert_eq!((more(0), more(1)), (1, 2));
    }

    #[test]
    fn nonsense_is_refused_with_an_example() {
        let refused = filter(Some("info,=loud=")).unwrap_err().to_string();
        assert!(refused.starts_with("ISTHMUS_LOG: ") && refused.contains("isthmus_ospf=debug"), "{refused}");
        assert_eq!(
            format(Some("xml")).unwrap_err().to_string(),
            "ISTHMUS_LOG_FORMAT is `xml`: write text or json"
        );
    }
}
