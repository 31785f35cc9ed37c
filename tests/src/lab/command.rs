//! Commands that run to their end, within a limit of time.

use std::process::{Command, Stdio};

/// What a command left.
#[derive(Clone, Debug)]
pub struct Output {
    /// Its exit code; none if a signal ended it.
    pub code: Option<i32>,
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
}

impl Output {
    /// Whether it ended well.
    pub fn ok(&self) -> bool {
        self.code == Some(0)
    }

    /// Both outputs, for messages.
    pub fn text(&self) -> String {
        format!("exit {:?}\n{}{}", self.code, self.stdout, self.stderr)
    }
}

/// Runs a command; it is ended after a minute.
pub fn try_run(words: &[&str]) -> Output {
    let output = Command::new("timeout")
        .args(["--kill-after=1", "60"])
        .args(words)
        .stdin(Stdio::null())
        .output()
        .expect("timeout(1) of coreutils");
    Output {
        code: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// Runs a command that must end well, and returns its standard output.
///
/// # Panics
/// If it does not.
pub fn run(words: &[&str]) -> String {
    let output = try_run(words);
    assert!(output.ok(), "`{}`: {}", words.join(" "), output.text());
    output.stdout
}
