//! Processes in the background, that end with the lab.

use std::cell::RefCell;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use super::leftovers;

/// Processor time that the threads of a process have used, to the nanosecond: the clock ticks of `/proc/PID/stat` are too
/// coarse. Zero if there is no such process.
pub fn processor_time(process: u32) -> Duration {
    let tasks = fs::read_dir(format!("/proc/{process}/task")).into_iter().flatten().flatten();
    let nanoseconds = tasks.map(|task| {
        let statistics = fs::read_to_string(task.path().join("schedstat")).unwrap_or_default();
        statistics.split(' ').next().and_then(|used| used.parse::<u64>().ok()).unwrap_or_default()
    });
    Duration::from_nanos(nanoseconds.sum())
}

/// A process whose outputs go to a file.
pub struct Process {
    name: String,
    log: PathBuf,
    child: RefCell<Option<Child>>,
}

impl Process {
    /// Starts a command. It dies with this thread, unless it changes its user; the lab's directory remembers its id
    /// for the next lab, should this process be killed.
    pub(super) fn start(directory: &Path, name: &str, words: &[&str], log: PathBuf) -> Self {
        let output = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&log)
            .unwrap_or_else(|e| panic!("{}: {e}", log.display()));
        let error: File = output.try_clone().expect("a second descriptor of the log");
        let child = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "--"])
            .args(words)
            .stdin(Stdio::null())
            .stdout(output)
            .stderr(error)
            .spawn()
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        leftovers::note_process(directory, child.id());
        Self { name: name.to_owned(), log, child: RefCell::new(Some(child)) }
    }

    /// Its id, while it was not waited for.
    pub fn pid(&self) -> Option<u32> {
        self.child.borrow().as_ref().map(Child::id)
    }

    /// Whether it runs.
    pub fn is_running(&self) -> bool {
        matches!(self.child.borrow_mut().as_mut().map(Child::try_wait), Some(Ok(None)))
    }

    /// Its exit status, once it has ended by itself.
    pub fn status(&self) -> Option<ExitStatus> {
        self.child.borrow_mut().as_mut().and_then(|child| child.try_wait().ok().flatten())
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        let child = self.child.borrow();
        if let Some(pid) = child.as_ref().and_then(|child| Pid::from_raw(child.id().cast_signed())) {
            let _ = kill_process(pid, signal);
        }
    }

    /// Ends it with SIGKILL and waits for it.
    pub fn kill(&self) {
        if let Some(mut child) = self.child.borrow_mut().take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Asks it to end with SIGTERM and waits for that; after ten seconds SIGKILL. Whether it ended by itself, well.
    pub fn terminate(&self) -> bool {
        self.signal(Signal::TERM);
        for _ in 0..200 {
            if let Some(status) = self.status() {
                self.child.borrow_mut().take();
                return status.success() && status.signal().is_none();
            }
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        self.kill();
        false
    }

    /// What it wrote.
    pub fn output(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// The end of what it wrote, under its name.
    pub fn dump(&self, lines: usize) -> String {
        let output = self.output();
        let all: Vec<&str> = output.lines().collect();
        let mut text = format!(
            "---- {} ({}running), last lines\n",
            self.name,
            if self.is_running() { "" } else { "not " }
        );
        for line in &all[all.len().saturating_sub(lines)..] {
            let _ = writeln_to(&mut text, line);
        }
        text
    }
}

fn writeln_to(text: &mut String, line: &str) -> std::fmt::Result {
    use std::fmt::Write as _;
    writeln!(text, "{line}")
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
        let _ = std::io::stderr().flush();
    }
}
