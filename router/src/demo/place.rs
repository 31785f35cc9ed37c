//! Where the demo puts its segment: memory-backed space that needs no installation and no root.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, MemfdFlags, flock, memfd_create, statfs};

/// Memory that the demo needs at most, in bytes.
pub const NEEDED: u64 = 32 << 20;
/// What statfs(2) says of a tmpfs.
const TMPFS_MAGIC: i64 = 0x0102_1994;
/// Directories of the demo start with this, and the process id follows.
const PREFIX: &str = "isthmus-demo-";
/// Held locked while the demo that made the directory lives.
const LOCK: &str = "lock";

/// The demo's own directory, removed when dropped.
#[derive(Debug)]
pub struct Place {
    directory: PathBuf,
    _lock: File,
    /// Where the arenas are.
    pub memory: Memory,
    /// Directories of killed earlier runs that were removed.
    pub swept: Vec<PathBuf>,
}

/// What the arenas are in.
#[derive(Debug)]
pub enum Memory {
    /// Files in the demo's directory, which is on a tmpfs.
    Tmpfs,
    /// Memory files that the nodes inherit, because no tmpfs has room: one for each node id from 1.
    Inherited {
        /// The memory files.
        arenas: Vec<OwnedFd>,
        /// Why no directory was taken, one reason for each candidate.
        reasons: Vec<String>,
    },
}

impl Place {
    /// Finds the space and makes the directory. `nodes` is how many arenas are needed.
    ///
    /// # Errors
    /// No directory at all is writable, or the system has no memory files.
    pub fn find(nodes: u8) -> io::Result<Self> {
        let mut reasons = Vec::new();
        let mut swept = Vec::new();
        for candidate in candidates() {
            swept.extend(sweep(&candidate));
            match has_room(&candidate).and_then(|()| create(&candidate)) {
                Ok((directory, lock)) => {
                    return Ok(Self { directory, _lock: lock, memory: Memory::Tmpfs, swept });
                }
                Err(error) => reasons.push(format!("{}: {error}", candidate.display())),
            }
        }
        let (directory, lock) = control_directory(&mut swept)?;
        let arenas = (1..=nodes).map(memory_file).collect::<io::Result<_>>()?;
        Ok(Self { directory, _lock: lock, memory: Memory::Inherited { arenas, reasons }, swept })
    }

    /// The demo's directory: sockets, configurations and logs; with [`Memory::Tmpfs`] also the segment.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// One line for the user.
    pub fn describe(&self) -> String {
        match &self.memory {
            Memory::Tmpfs => format!("segment in {} (tmpfs)", self.directory.display()),
            Memory::Inherited { reasons, .. } => {
                format!("segment in memory files inherited by the nodes ({})", reasons.join("; "))
            }
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // What cannot be removed now is swept by the next run.
        let _ = fs::remove_dir_all(&self.directory);
    }
}

fn candidates() -> Vec<PathBuf> {
    let from_env = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let mut all: Vec<PathBuf> = [from_env("XDG_RUNTIME_DIR"), Some("/dev/shm".into()), from_env("TMPDIR")]
        .into_iter()
        .flatten()
        .collect();
    all.dedup();
    all
}

fn has_room(directory: &Path) -> io::Result<()> {
    let about = statfs(directory)?;
    // The type of the field differs between platforms; the value fits.
    #[allow(clippy::unnecessary_cast, reason = "the field's type differs between platforms")]
    let kind = about.f_type as i64;
    if kind != TMPFS_MAGIC {
        return Err(io::Error::other("not a tmpfs"));
    }
    #[allow(clippy::unnecessary_cast, reason = "the field's type differs between platforms")]
    let free = (about.f_bavail as u64).saturating_mul(about.f_bsize as u64);
    if free < NEEDED {
        return Err(io::Error::other(format!("{} MiB free, {} MiB needed", free >> 20, NEEDED >> 20)));
    }
    Ok(())
}

fn create(parent: &Path) -> io::Result<(PathBuf, File)> {
    let directory = parent.join(format!("{PREFIX}{}", std::process::id()));
    fs::DirBuilder::new().mode(0o700).create(&directory)?;
    let lock = OpenOptions::new().create_new(true).write(true).mode(0o600).open(directory.join(LOCK))?;
    flock(&lock, FlockOperation::NonBlockingLockExclusive)?;
    Ok((directory, lock))
}

/// Sockets, configurations and logs need a directory too, of any kind.
fn control_directory(swept: &mut Vec<PathBuf>) -> io::Result<(PathBuf, File)> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, "no directory to try");
    for parent in candidates().into_iter().chain([std::env::temp_dir(), PathBuf::from("/var/tmp")]) {
        swept.extend(sweep(&parent));
        match create(&parent) {
            Ok(created) => return Ok(created),
            Err(error) => {
                last = io::Error::new(error.kind(), format!("cannot write in {}: {error}", parent.display()));
            }
        }
    }
    Err(last)
}

/// A memory file that the nodes inherit: not closed on exec.
fn memory_file(node: u8) -> io::Result<OwnedFd> {
    Ok(memfd_create(format!("isthmus-node-{node}"), MemfdFlags::ALLOW_SEALING)?)
}

/// Removes the directories of demos that were killed: nobody holds their lock.
fn sweep(parent: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(parent) else { return Vec::new() };
    entries
        .flatten()
        .filter(|entry| entry.file_name().to_string_lossy().starts_with(PREFIX))
        .map(|entry| entry.path())
        .filter(|directory| is_abandoned(directory) && fs::remove_dir_all(directory).is_ok())
        .collect()
}

fn is_abandoned(directory: &Path) -> bool {
    let own = directory.ends_with(format!("{PREFIX}{}", std::process::id()));
    match File::open(directory.join(LOCK)) {
        Ok(lock) => !own && flock(&lock, FlockOperation::NonBlockingLockExclusive).is_ok(),
        // Killed between making the directory and locking it, or not ours to read.
        Err(error) => error.kind() == io::ErrorKind::NotFound && is_old(directory),
    }
}

fn is_old(directory: &Path) -> bool {
    const SETTLED: std::time::Duration = std::time::Duration::from_secs(60);
    let modified = fs::metadata(directory).and_then(|about| about.modified());
    modified.is_ok_and(|modified| modified.elapsed().is_ok_and(|age| age > SETTLED))
}

/// The number of a memory file's descriptor, the same in the nodes.
pub fn descriptor(arena: &OwnedFd) -> i32 {
    arena.as_raw_fd()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_without_a_living_demo_is_swept_and_a_living_one_is_kept() {
        let parent = std::env::temp_dir().join(format!("isthmus-place-test-{}", std::process::id()));
        fs::create_dir_all(&parent).unwrap();
        let dead = parent.join(format!("{PREFIX}1"));
        let alive = parent.join(format!("{PREFIX}2"));
        for directory in [&dead, &alive] {
            fs::create_dir(directory).unwrap();
            File::create(directory.join(LOCK)).unwrap();
        }
        let lock = File::open(alive.join(LOCK)).unwrap();
        flock(&lock, FlockOperation::NonBlockingLockExclusive).unwrap();
        assert_eq!(sweep(&parent), vec![dead.clone()]);
        assert!(!dead.exists() && alive.exists());
        fs::remove_dir_all(&parent).unwrap();
    }

    #[test]
    fn a_filesystem_that_is_not_in_memory_is_refused_with_the_reason() {
        let error = has_room(Path::new("/proc")).unwrap_err();
        assert!(error.to_string().contains("not a tmpfs"), "{error}");
    }
}
