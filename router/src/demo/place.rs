//! Where the demo puts its segment: memory-backed space that needs no installation and no root.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, MemfdFlags, flock, fstat, memfd_create, statfs};

use super::sweep::{LOCK, PREFIX, sweep};

/// Memory that the demo needs at most, in bytes.
pub const NEEDED: u64 = 32 << 20;
/// Bytes for configurations and logs, where the segment is not.
const CONTROL: u64 = 1 << 20;
/// What statfs(2) says of a tmpfs.
const TMPFS_MAGIC: i64 = 0x0102_1994;
/// Demos of processes with the same number, in containers that share the directory.
const NAMESAKES: u32 = 8;
/// Of one block of stat(2).
const BLOCK: u64 = 512;

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
    /// Sweeps what killed demos left, finds the space and makes the directory. `nodes` is how many arenas are needed.
    ///
    /// # Errors
    /// No directory at all is writable, or the system has no memory files.
    pub fn find(nodes: u8) -> io::Result<Self> {
        let any_kind = control_candidates();
        let swept = any_kind.iter().flat_map(|parent| sweep(parent)).collect();
        let mut reasons = Vec::new();
        for candidate in candidates() {
            match is_tmpfs(&candidate)
                .and_then(|()| has_room(&candidate, NEEDED))
                .and_then(|()| create(&candidate))
            {
                Ok((directory, lock)) => {
                    return Ok(Self { directory, _lock: lock, memory: Memory::Tmpfs, swept });
                }
                Err(error) => reasons.push(format!("{}: {error}", candidate.display())),
            }
        }
        let (directory, lock) = control_directory(&any_kind)?;
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
            Memory::Tmpfs => format!("in {}, a tmpfs", self.directory.display()),
            Memory::Inherited { reasons, .. } => format!(
                "in memory files that the nodes inherit ({}); sockets and logs in {}",
                reasons.join("; "),
                self.directory.display()
            ),
        }
    }

    /// Bytes of memory-backed space in use.
    ///
    /// # Errors
    /// What the system says.
    pub fn used(&self) -> io::Result<u64> {
        match &self.memory {
            Memory::Tmpfs => used_below(&self.directory),
            Memory::Inherited { arenas, .. } => {
                arenas.iter().map(|arena| Ok(fstat(arena)?.st_blocks as u64 * BLOCK)).sum()
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

/// Where the segment may be.
fn candidates() -> Vec<PathBuf> {
    let from_env = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    distinct([from_env("XDG_RUNTIME_DIR"), Some("/dev/shm".into()), from_env("TMPDIR")].into_iter().flatten())
}

/// Where sockets, configurations and logs may be, if the segment is nowhere.
fn control_candidates() -> Vec<PathBuf> {
    distinct(candidates().into_iter().chain([std::env::temp_dir(), "/tmp".into(), "/var/tmp".into()]))
}

fn distinct(paths: impl Iterator<Item = PathBuf>) -> Vec<PathBuf> {
    let mut all = Vec::new();
    for path in paths {
        if !all.contains(&path) {
            all.push(path);
        }
    }
    all
}

fn is_tmpfs(directory: &Path) -> io::Result<()> {
    // The type of the field differs between platforms; the value fits.
    #[allow(clippy::unnecessary_cast, reason = "the field's type differs between platforms")]
    let kind = statfs(directory)?.f_type as i64;
    if kind == TMPFS_MAGIC { Ok(()) } else { Err(io::Error::other("not a tmpfs")) }
}

fn has_room(directory: &Path, needed: u64) -> io::Result<()> {
    let about = statfs(directory)?;
    #[allow(clippy::unnecessary_cast, reason = "the field's type differs between platforms")]
    let free = (about.f_bavail as u64).saturating_mul(about.f_bsize as u64);
    // A tmpfs without a limit of its own says that it has no blocks at all.
    if about.f_blocks != 0 && free < needed {
        return Err(io::Error::other(format!("{} MiB free, {} MiB needed", free >> 20, needed >> 20)));
    }
    Ok(())
}

fn create(parent: &Path) -> io::Result<(PathBuf, File)> {
    let mut last = io::Error::from(io::ErrorKind::AlreadyExists);
    for namesake in 0..NAMESAKES {
        let number = std::process::id();
        let suffix = if namesake == 0 { String::new() } else { format!("-{namesake}") };
        match create_as(&parent.join(format!("{PREFIX}{number}{suffix}"))) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => last = error,
            result => return result,
        }
    }
    Err(last)
}

fn create_as(directory: &Path) -> io::Result<(PathBuf, File)> {
    fs::DirBuilder::new().mode(0o700).create(directory)?;
    let lock = || -> io::Result<File> {
        let lock = OpenOptions::new().create_new(true).write(true).mode(0o600).open(directory.join(LOCK))?;
        flock(&lock, FlockOperation::NonBlockingLockExclusive)?;
        Ok(lock)
    };
    match lock() {
        Ok(lock) => Ok((directory.to_owned(), lock)),
        Err(error) => {
            // The reason is what counts; an empty directory in the way is swept later.
            let _ = fs::remove_dir_all(directory);
            Err(error)
        }
    }
}

/// Sockets, configurations and logs need a directory too, of any kind.
fn control_directory(parents: &[PathBuf]) -> io::Result<(PathBuf, File)> {
    let mut reasons = Vec::new();
    for parent in parents {
        match has_room(parent, CONTROL).and_then(|()| create(parent)) {
            Ok(created) => return Ok(created),
            Err(error) => reasons.push(format!("{}: {error}", parent.display())),
        }
    }
    Err(io::Error::other(format!("no directory for sockets and logs: {}", reasons.join("; "))))
}

fn used_below(directory: &Path) -> io::Result<u64> {
    let mut used = 0;
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        used += match entry.metadata() {
            Ok(about) if about.is_dir() => used_below(&entry.path())?,
            Ok(about) => about.blocks() * BLOCK,
            // Removed meanwhile by the node that it belongs to.
            Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
            Err(error) => return Err(error),
        };
    }
    Ok(used)
}

/// A memory file that the nodes inherit: not closed on exec.
fn memory_file(node: u8) -> io::Result<OwnedFd> {
    Ok(memfd_create(format!("isthmus-node-{node}"), MemfdFlags::ALLOW_SEALING)?)
}

/// The number of a memory file's descriptor, the same in the nodes.
pub fn descriptor(arena: &OwnedFd) -> i32 {
    arena.as_raw_fd()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filesystem_that_is_not_in_memory_is_refused_with_the_reason() {
        let error = is_tmpfs(Path::new("/proc")).unwrap_err();
        assert!(error.to_string().contains("not a tmpfs"), "{error}");
    }

    #[test]
    fn a_lack_of_room_is_refused_with_both_figures() {
        let error = has_room(Path::new("/"), 1 << 60).unwrap_err();
        assert!(error.to_string().contains("1099511627776 MiB needed"), "{error}");
    }

    #[test]
    fn demos_with_the_same_number_have_directories_of_their_own() {
        let parent = std::env::temp_dir().join(format!("isthmus-place-test-{}", std::process::id()));
        fs::create_dir_all(&parent).unwrap();
        let (first, _lock) = create(&parent).unwrap();
        let (second, _other) = create(&parent).unwrap();
        assert_ne!(first, second);
        assert!(sweep(&parent).is_empty(), "both are alive");
        assert_eq!(used_below(&parent).unwrap(), 0);
        fs::remove_dir_all(&parent).unwrap();
    }
}
