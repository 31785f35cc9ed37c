//! The directories of shared memory that a measurement makes, and who removes them however it ends.

use std::env;
use std::fs;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio, id};
use std::thread;
use std::time::Duration;

use super::Failure;

/// A directory on the memory file system, removed at the end.
pub(crate) struct Segment {
    path: PathBuf,
}

const MEMORY: &str = "/dev/shm";
const PREFIX: &str = "isthmus-perf-";

impl Segment {
    pub(crate) fn new(name: &str) -> Result<Self, Failure> {
        let path = Path::new(MEMORY).join(format!("{PREFIX}{}-{name}", id()));
        fs::create_dir(&path)?;
        Ok(Self { path })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Segment {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.path);
    }
}

/// A process that sweeps when this one is over, however it ends: asked to by a signal it has no chance to.
pub(super) struct Keeper {
    process: Child,
}

/// The word by which this program is started as a keeper.
pub(crate) const KEEPER: &str = "shm-keeper";

impl Keeper {
    pub(super) fn start() -> Result<Self, Failure> {
        // A group of its own: a signal to ours does not end it.
        let process = Command::new(env::current_exe()?)
            .args([KEEPER, &id().to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .process_group(0)
            .spawn()?;
        Ok(Self { process })
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The body of the keeper of a process, which holds the other end of the input.
pub(crate) fn keep(mut input: impl io::Read, process: &str) {
    let _ = io::copy(&mut input, &mut io::sink());
    // The end of its input is early in the end of a process.
    while Path::new("/proc").join(process).exists() {
        thread::sleep(Duration::from_millis(10));
    }
    sweep();
}

/// What the names of segments begin with, before the process that made them: ours, and those of the examples that are run.
const PREFIXES: [&str; 4] = [PREFIX, "isthmus-death-", "isthmus-queues-", "isthmus-adaptive-"];

/// Removes the segments of runs that were killed.
pub(super) fn sweep() {
    for entry in fs::read_dir(MEMORY).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let rest = PREFIXES.iter().find_map(|prefix| name.strip_prefix(prefix));
        let process = rest.and_then(|rest| rest.split('-').next());
        if process.is_some_and(|process| !Path::new("/proc").join(process).exists()) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    /// The id of a process that has ended.
    fn ended() -> u32 {
        let mut child = Command::new("true").spawn().unwrap();
        child.wait().unwrap();
        child.id()
    }

    fn segment_of(process: u32) -> PathBuf {
        let path = Path::new(MEMORY).join(format!("{PREFIX}{process}-test"));
        fs::create_dir(&path).unwrap();
        path
    }

    #[test]
    fn a_keeper_waits_for_its_process_and_removes_what_that_left() {
        let mut process = Command::new("sleep").arg("600").spawn().unwrap();
        let (mine, left) = (segment_of(process.id()), segment_of(ended()));
        let (read, mut write) = io::pipe().unwrap();
        let id = process.id().to_string();
        let keeper = thread::spawn(move || keep(read, &id));
        write.write_all(b"x").unwrap();
        drop(write);
        thread::sleep(Duration::from_millis(50));
        assert!(!keeper.is_finished() && mine.exists(), "the process still lives");
        process.kill().unwrap();
        process.wait().unwrap();
        keeper.join().unwrap();
        assert!(!mine.exists() && !left.exists());
    }

    #[test]
    fn segments_of_processes_that_live_are_left_alone() {
        let mine = segment_of(id());
        sweep();
        assert!(mine.exists());
        fs::remove_dir(&mine).unwrap();
    }
}
