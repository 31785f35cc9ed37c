//! A recording given to an instance again.

use std::collections::VecDeque;
use std::io::BufRead;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Input;
use super::lines::{FORMAT, Head, VERSION};
use crate::Instance;
use crate::types::Instant;

/// What was replayed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Summary {
    /// Inputs given.
    pub inputs: u64,
    /// Outputs compared.
    pub outputs: u64,
    /// Microseconds from the first input to the last.
    pub duration: u64,
    /// Why the recording ends where it does; `None` if whoever wrote it was interrupted.
    pub end: Option<String>,
    /// The first output that differs, if one does. Nothing after it was compared.
    pub difference: Option<Difference>,
}

/// An output that differs from the recorded one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Difference {
    /// The line of the recording: that of the recorded output, or of the input after which there is one more now.
    pub line: u64,
    /// When, in microseconds of the instance's clock.
    pub time: u64,
    /// What the instance was given.
    pub input: Value,
    /// What it said when it was recorded; `None` for nothing.
    pub recorded: Option<Value>,
    /// What it says now; `None` for nothing.
    pub replayed: Option<Value>,
}

/// Why a recording cannot be replayed.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// The source of the lines has failed.
    #[error("cannot read the recording: {0}")]
    Read(#[from] std::io::Error),
    /// The first line does not say that this is a recording.
    #[error(
        "the first line does not name a recording of OSPF: {{\"format\":\"{FORMAT}\",\"version\":{VERSION}}}"
    )]
    NotARecording,
    /// A version that this engine does not know.
    #[error("version {0} of the format; this program reads version {VERSION}")]
    Version(u32),
    /// A line that is no line of a recording.
    #[error("line {line}: {reason}")]
    Line {
        /// Its number, from 1.
        line: u64,
        /// What is wrong with it.
        reason: String,
    },
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Line {
    Input { time: Instant, input: Value },
    Output { output: Value },
    End { end: String },
}

/// The input at hand, and what the instance has said to it that was not compared yet.
struct Step {
    line: u64,
    time: Instant,
    input: Value,
    outputs: VecDeque<Value>,
}

/// Gives a recording to an instance again, and compares what it says. Stops at the first difference.
///
/// A last line without an end was cut off by an interruption of the writer: it and what would have followed are not missed.
///
/// # Errors
/// The lines cannot be read, or are no recording.
pub fn replay(mut reader: impl BufRead) -> Result<Summary, ReplayError> {
    let mut text = String::new();
    reader.read_line(&mut text)?;
    let head: Head = serde_json::from_str(&text).map_err(|_| ReplayError::NotARecording)?;
    if head.format != FORMAT {
        return Err(ReplayError::NotARecording);
    }
    if head.version != VERSION {
        return Err(ReplayError::Version(head.version));
    }
    let mut replay = Replay { instance: None, step: None, started: None, summary: Summary::default() };
    for number in 2.. {
        text.clear();
        // A line without an end was being written when the writer was interrupted.
        if reader.read_line(&mut text)? == 0 || !text.ends_with('\n') {
            break;
        }
        let wrong = |reason: String| ReplayError::Line { line: number, reason };
        let line = serde_json::from_str(&text).map_err(|error| wrong(error.to_string()))?;
        if !replay.take(number, line).map_err(wrong)? {
            break;
        }
    }
    Ok(replay.summary)
}

struct Replay {
    instance: Option<Instance>,
    step: Option<Step>,
    started: Option<Instant>,
    summary: Summary,
}

impl Replay {
    /// Takes a line. Says whether to go on.
    fn take(&mut self, line: u64, content: Line) -> Result<bool, String> {
        match content {
            Line::Output { output } => {
                let Some(step) = &mut self.step else { return Err("an output before any input".to_owned()) };
                let replayed = step.outputs.pop_front();
                if replayed.as_ref() != Some(&output) {
                    self.summary.difference = Some(step.difference(line, Some(output), replayed));
                    return Ok(false);
                }
                self.summary.outputs += 1;
                Ok(true)
            }
            Line::Input { time, input } => {
                if self.has_surplus() {
                    return Ok(false);
                }
                self.give(line, time, input)?;
                Ok(true)
            }
            Line::End { end } => {
                // The limit may have cut off outputs of the last input.
                self.summary.end = Some(end);
                Ok(false)
            }
        }
    }

    /// Whether the instance says more to the last input than was recorded.
    fn has_surplus(&mut self) -> bool {
        let Some(step) = &mut self.step else { return false };
        let Some(output) = step.outputs.pop_front() else { return false };
        self.summary.difference = Some(step.difference(step.line, None, Some(output)));
        true
    }

    fn give(&mut self, line: u64, time: Instant, input: Value) -> Result<(), String> {
        let parsed = Input::deserialize(&input).map_err(|error| error.to_string())?;
        parsed.apply(&mut self.instance, time)?;
        let mut outputs = VecDeque::new();
        while let Some(output) = self.instance.as_mut().and_then(Instance::poll_output) {
            outputs.push_back(serde_json::to_value(&output).map_err(|error| error.to_string())?);
        }
        let started = *self.started.get_or_insert(time);
        self.summary.inputs += 1;
        self.summary.duration = u64::try_from(time.since(started).as_micros()).unwrap_or(u64::MAX);
        self.step = Some(Step { line, time, input, outputs });
        Ok(())
    }
}

impl Step {
    fn difference(&self, line: u64, recorded: Option<Value>, replayed: Option<Value>) -> Difference {
        Difference { line, time: self.time.0, input: self.input.clone(), recorded, replayed }
    }
}
