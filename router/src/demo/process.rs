//! The demo's node processes: started, watched, and ended whatever happens.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::node::EXIT_WITH_PARENT;

/// Bytes that the shown end of a log is looked for in.
const LOG_TAIL: u64 = 4096;
/// Lines of a log that are shown when something fails.
const LOG_LINES: usize = 12;

/// A running node. Dropping it ends it.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Writes `config` into `directory` and starts `isthmus run` on it. It ends with the *thread* that called this, by
    /// SIGKILL if it must: call it from one that lives as long as the demo.
    ///
    /// # Errors
    /// The files could not be written, or the process not be started.
    pub fn start(directory: &Path, name: &str, config: &str) -> io::Result<Self> {
        let file = directory.join(format!("{name}.yaml"));
        let log = directory.join(format!("{name}.log"));
        std::fs::write(&file, config)?;
        let child = Command::new(program()?)
            .args(["run", "-c"])
            .arg(&file)
            .env(EXIT_WITH_PARENT, std::process::id().to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(OpenOptions::new().create(true).append(true).open(&log)?)
            .spawn()?;
        Ok(Self { name: name.to_owned(), child, log })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends it SIGKILL, as a crash would end it. It takes the system a while to tear down a process with much memory:
    /// this does not wait for it.
    ///
    /// # Errors
    /// The signal could not be sent.
    pub fn kill(&mut self) -> io::Result<()> {
        self.child.kill()
    }

    fn kill_and_reap(&mut self) {
        // An error says that it was reaped before.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// How it has ended, if it has.
    pub fn ended(&mut self) -> Option<String> {
        match self.child.try_wait() {
            Ok(None) => None,
            Ok(Some(status)) => Some(format!("has ended: {status}")),
            Err(error) => Some(format!("is lost: {error}")),
        }
    }

    fn is_running(&mut self) -> bool {
        self.ended().is_none()
    }

    /// The last lines of its log.
    pub fn log_tail(&self) -> String {
        let tail = || -> io::Result<String> {
            let mut file = File::open(&self.log)?;
            let start = file.metadata()?.len().saturating_sub(LOG_TAIL);
            file.seek(SeekFrom::Start(start))?;
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes)?;
            let text = String::from_utf8_lossy(&bytes);
            let lines: Vec<&str> = text.lines().filter(|line| !line.is_empty()).collect();
            Ok(lines[lines.len().saturating_sub(LOG_LINES)..].join("\n"))
        };
        tail().unwrap_or_else(|error| format!("(no log: {error})"))
    }

    fn terminate(&mut self) {
        if let Some(pid) = i32::try_from(self.child.id()).ok().and_then(rustix::process::Pid::from_raw)
            && self.is_running()
        {
            // A process that has just ended takes no signal.
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        }
    }
}

/// This program. If its file has been replaced since it was started, what runs is still to be had.
fn program() -> io::Result<PathBuf> {
    let file = std::env::current_exe()?;
    Ok(if file.exists() { file } else { "/proc/self/exe".into() })
}

/// Asks all processes to end, and ends those that do not.
pub fn end_all(mut processes: Vec<Process>) {
    const PATIENCE: Duration = Duration::from_secs(3);
    for process in &mut processes {
        process.terminate();
    }
    let deadline = Instant::now() + PATIENCE;
    for process in &mut processes {
        while process.is_running() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(5));
        }
        // Whether it has ended by itself or not, it is reaped.
        process.kill_and_reap();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill_and_reap();
    }
}
