//! A recording as lines of JSON, written to wherever the caller wants them, with a limit.

use std::io::Write;

use serde::{Deserialize, Serialize};

use super::{Input, Recorder};
use crate::event::Output;
use crate::types::Instant;

/// What the first line says: which kind of file this is.
pub(super) const FORMAT: &str = "isthmus-ospf-recording";
/// The version of the format.
pub(super) const VERSION: u32 = 1;

/// The first line.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Head {
    pub(super) format: String,
    pub(super) version: u32,
}

#[derive(Serialize)]
struct InputLine<'a> {
    time: Instant,
    input: &'a Input<'a>,
}

#[derive(Serialize)]
struct OutputLine<'a> {
    output: &'a Output,
}

#[derive(Serialize)]
struct EndLine<'a> {
    end: &'a str,
}

/// Writes a recording as lines of JSON. Each line is one call of the writer's `write_all`.
///
/// What is written is bounded: where the next line would not fit, a last one says so and nothing follows. A writer that
/// fails is not tried again. The beginning is never dropped in favour of the end: without it nothing can be replayed.
pub struct JsonLines<W: Write + Send> {
    writer: Option<W>,
    line: Vec<u8>,
    left: u64,
}

impl<W: Write + Send> JsonLines<W> {
    /// A recording of at most `limit` bytes, beside its last line.
    pub fn new(writer: W, limit: u64) -> Self {
        let mut lines = Self { writer: Some(writer), line: Vec::new(), left: limit };
        lines.write(&Head { format: FORMAT.to_owned(), version: VERSION });
        lines
    }

    fn write(&mut self, value: &impl Serialize) {
        let Some(writer) = &mut self.writer else { return };
        self.line.clear();
        let made = serde_json::to_writer(&mut self.line, value);
        self.line.push(b'\n');
        let length = self.line.len() as u64;
        let fits = length <= self.left;
        if made.is_err() || !fits {
            self.finish(if fits { "a value that cannot be written" } else { "the limit is reached" });
        } else if writer.write_all(&self.line).is_err() {
            self.writer = None;
        } else {
            self.left -= length;
        }
    }

    /// Writes the last line.
    fn finish(&mut self, end: &str) {
        let Some(mut writer) = self.writer.take() else { return };
        if let Ok(mut line) = serde_json::to_vec(&EndLine { end }) {
            line.push(b'\n');
            // There is nobody to tell, and nothing follows in either case.
            let _ = writer.write_all(&line).and_then(|()| writer.flush());
        }
    }
}

impl<W: Write + Send> Recorder for JsonLines<W> {
    fn input(&mut self, now: Instant, input: &Input<'_>) {
        self.write(&InputLine { time: now, input });
    }

    fn output(&mut self, output: &Output) {
        self.write(&OutputLine { output });
    }
}

impl<W: Write + Send> Drop for JsonLines<W> {
    fn drop(&mut self) {
        self.finish("the recorder has ended");
    }
}
