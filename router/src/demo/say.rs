//! Progress, line by line.

use std::io::{self, Write};
use std::time::Instant;

/// Says what happens. With `--json` on standard error, so that standard output holds the document alone.
#[derive(Clone, Debug)]
pub struct Say {
    to_stderr: bool,
    started: Instant,
}

impl Say {
    /// A voice whose clock starts now.
    pub fn new(to_stderr: bool) -> Self {
        Self { to_stderr, started: Instant::now() }
    }

    /// Something that holds.
    pub fn line(&self, subject: &str, what: &str) {
        self.print(&format!("{:>7.3}s  {subject:<14} {what}", self.started.elapsed().as_secs_f64()));
    }

    /// Something that does not hold.
    pub fn failure(&self, subject: &str, what: &str) {
        self.print(&format!("{:>7.3}s  {subject:<14} FAILED: {what}", self.started.elapsed().as_secs_f64()));
    }

    /// A line as it is.
    pub fn print(&self, line: &str) {
        // A reader that has gone away (a closed pipe) must not end the demo before it has cleaned up.
        let _ = if self.to_stderr {
            writeln!(io::stderr().lock(), "{line}")
        } else {
            writeln!(io::stdout().lock(), "{line}").and_then(|()| io::stdout().flush())
        };
    }
}
