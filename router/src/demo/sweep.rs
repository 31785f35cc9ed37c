//! What a demo that was killed left: its directory. Its processes have ended with it.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};

/// Directories of the demo start with this, and the process id follows.
pub const PREFIX: &str = "isthmus-demo-";
/// Held locked while the demo that made the directory lives.
pub const LOCK: &str = "lock";

/// Removes the directories in `parent` of this user's demos that were killed: nobody holds their lock. Returns them.
pub fn sweep(parent: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(parent) else { return Vec::new() };
    entries
        .flatten()
        .filter(|entry| entry.file_name().to_string_lossy().starts_with(PREFIX))
        .map(|entry| entry.path())
        .filter(|directory| is_ours(directory) && is_abandoned(directory))
        .filter(|directory| fs::remove_dir_all(directory).is_ok())
        .collect()
}

/// A directory, no link to one, of this user: in a directory that all may write to others may make anything.
fn is_ours(directory: &Path) -> bool {
    let own = rustix::process::geteuid().as_raw();
    fs::symlink_metadata(directory).is_ok_and(|about| about.is_dir() && about.uid() == own)
}

fn is_abandoned(directory: &Path) -> bool {
    match open_lock(directory) {
        Ok(lock) => flock(&lock, FlockOperation::NonBlockingLockExclusive).is_ok(),
        // Killed between making the directory and its lock.
        Err(error) => error.kind() == io::ErrorKind::NotFound && is_old(directory),
    }
}

fn open_lock(directory: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK).open(directory.join(LOCK))
}

fn is_old(directory: &Path) -> bool {
    const SETTLED: Duration = Duration::from_secs(60);
    let modified = fs::metadata(directory).and_then(|about| about.modified());
    modified.is_ok_and(|modified| modified.elapsed().is_ok_and(|age| age > SETTLED))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_directory_without_a_living_demo_is_swept_and_others_are_kept() {
        let parent = std::env::temp_dir().join(format!("isthmus-sweep-test-{}", std::process::id()));
        fs::create_dir_all(&parent).unwrap();
        let dead = parent.join(format!("{PREFIX}1"));
        let alive = parent.join(format!("{PREFIX}2"));
        let starting = parent.join(format!("{PREFIX}3"));
        let elsewhere = parent.join("elsewhere");
        for directory in [&dead, &alive, &starting, &elsewhere] {
            fs::create_dir(directory).unwrap();
        }
        for directory in [&dead, &alive, &elsewhere] {
            File::create(directory.join(LOCK)).unwrap();
        }
        let link = parent.join(format!("{PREFIX}4"));
        symlink(&elsewhere, &link).unwrap();
        let lock = File::open(alive.join(LOCK)).unwrap();
        flock(&lock, FlockOperation::NonBlockingLockExclusive).unwrap();
        assert_eq!(sweep(&parent), vec![dead.clone()]);
        assert!(!dead.exists());
        assert!(alive.exists() && starting.exists() && elsewhere.exists() && link.exists());
        fs::remove_dir_all(&parent).unwrap();
    }
}
