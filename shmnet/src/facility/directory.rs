//! A directory on a memory-backed file system, with one arena file per node.
//!
//! ```text
//! node-001.arena   written by node 1 only; replaced by a new file for each incarnation
//! node-001.lock    held (flock) by the process that is node 1; says who that is
//! node-001.sock    node 1's doorbell
//! ```
//! On hugetlbfs files are of whole huge pages, and are mapped but not written: there the name of an empty file says who holds the lock
//! ([`holder`](super::holder)), and lengths are rounded up.
//!
//! A new arena is prepared under another name and then renamed over the old one, so that what a former process still
//! writes goes to a file that nobody reads any more.

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use rustix::fs::{
    AtFlags, Dir, FlockOperation, Mode, OFlags, StatFs, flock, fstat, fstatfs, fstatvfs, ftruncate, openat,
    renameat, statat, unlinkat,
};
use rustix::io::Errno;
use rustix::net::SocketAddrUnix;

use super::holder::{Holder, Records};
use super::{Facility, HugePages, IdLock, OwnFile, PeerFile, Stamp, map_own, map_peer};
use crate::error::JoinError;
use crate::layout::PeerArena;
use crate::liveness::word_is_dead;
use crate::memory::Coherence;
use crate::node::NodeId;

/// See the module.
#[derive(Debug)]
pub(crate) struct Directory {
    pub(super) path: PathBuf,
    pub(super) fd: OwnedFd,
    coherence: Coherence,
    /// Its files are of huge pages.
    huge: Option<HugePages>,
}

impl Directory {
    pub(crate) fn open(path: PathBuf, coherence: Coherence) -> Result<Self, JoinError> {
        let directory = Self { coherence, ..Self::of_sockets(path)? };
        let is_memory = |stat: StatFs| MEMORY.contains(&(stat.f_type as u64 & 0xffff_ffff));
        if directory.huge.is_none() && fstatfs(&directory.fd).is_ok_and(|stat| !is_memory(stat)) {
            tracing::warn!(
                path = %directory.path.display(),
                "the segment directory is not on tmpfs; its pages may be written to a disk"
            );
        }
        Ok(directory)
    }

    /// A directory without arenas: of locks and sockets alone.
    pub(super) fn of_sockets(path: PathBuf) -> Result<Self, JoinError> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        match rustix::fs::open(&path, flags, Mode::empty()) {
            Ok(fd) => Ok(Self { huge: HugePages::of(&fd), path, fd, coherence: Coherence::Hardware }),
            Err(errno) => Err(JoinError::Directory { path, error: errno.into() }),
        }
    }

    fn error(&self, errno: Errno) -> JoinError {
        JoinError::Directory { path: self.path.clone(), error: errno.into() }
    }

    /// Opens and locks the lock file; `Ok(None)` if another process holds it.
    pub(super) fn try_lock(&self, node: NodeId) -> Result<Option<File>, JoinError> {
        let name = lock_name(node);
        loop {
            let flags = OFlags::RDWR | OFlags::CREATE | OFlags::CLOEXEC | OFlags::NOFOLLOW;
            let fd = openat(&self.fd, &name, flags, MODE).map_err(|errno| self.error(errno))?;
            match flock(&fd, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => {}
                Err(Errno::WOULDBLOCK) => return Ok(None),
                Err(errno) => return Err(self.error(errno)),
            }
            if self.names(&name, &fd) {
                return Ok(Some(File::from(fd)));
            }
            // It was replaced between the opening and the lock: the new one counts.
        }
    }

    /// Whether the name still leads to this open file.
    fn names(&self, name: &str, fd: &OwnedFd) -> bool {
        same_file(&self.fd, name, fd)
    }

    /// Puts a new lock file, locked, in the place of the one that another process holds.
    fn replace_lock(&self, node: NodeId, former: &Holder) -> Result<File, JoinError> {
        let name = lock_name(node);
        let new = format!("{name}.new");
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::TRUNC | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let _ = unlinkat(&self.fd, &new, AtFlags::empty());
        let fd = openat(&self.fd, &new, flags, MODE).map_err(|errno| self.error(errno))?;
        flock(&fd, FlockOperation::NonBlockingLockExclusive).map_err(|errno| self.error(errno))?;
        let file = File::from(fd);
        self.records().write(&self.fd, node, &file, former);
        renameat(&self.fd, &new, &self.fd, &name).map_err(|errno| self.error(errno))?;
        Ok(file)
    }

    fn holder(&self, node: NodeId) -> Holder {
        openat(&self.fd, lock_name(node), OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW, Mode::empty())
            .map(|fd| self.records().read(&self.fd, node, &File::from(fd)))
            .unwrap_or_default()
    }

    fn records(&self) -> Records {
        if self.huge.is_some() { Records::Name } else { Records::Content }
    }

    /// The ids with an arena whose holders live.
    pub(crate) fn held_ids(&self) -> io::Result<Vec<NodeId>> {
        let present = self.present()?.into_iter().map(|(node, _)| node);
        Ok(present.filter(|node| matches!(self.try_lock(*node), Ok(None))).collect())
    }

    /// Removes all arenas; returns how many there were. The lock files stay: they know the last incarnations.
    pub(crate) fn clear(&self) -> io::Result<usize> {
        let present = self.present()?;
        for (node, _) in &present {
            self.remove(*node);
        }
        Ok(present.len())
    }

    /// Whether the kernel has marked the node's process dead; its lock is then about to be given back.
    fn is_dead(&self, node: NodeId) -> bool {
        let Ok(Some(file)) = self.open(node) else { return false };
        PeerArena::liveness_of(&file.mapping.peer()).is_some_and(word_is_dead)
    }
}

impl Facility for Directory {
    fn name(&self) -> &'static str {
        "file"
    }

    fn place(&self) -> String {
        self.path.display().to_string()
    }

    fn free(&self) -> io::Result<u64> {
        if let Some(pages) = self.huge {
            return pages.free(&self.fd);
        }
        let stat = fstatvfs(&self.fd)?;
        Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
    }

    fn lock(&self, node: NodeId, takeover: bool) -> Result<Box<dyn IdLock>, JoinError> {
        let give_up = Instant::now() + LOCK_RELEASE;
        let file = loop {
            if let Some(file) = self.try_lock(node)? {
                break file;
            }
            if self.is_dead(node) && Instant::now() < give_up {
                // The kernel marks the liveness word before it has closed the files of a process.
                std::thread::sleep(Duration::from_millis(5));
                continue;
            }
            let holder = self.holder(node);
            if takeover {
                break self.replace_lock(node, &holder)?;
            }
            let Holder { pid, hostname, incarnation } = holder;
            return Err(JoinError::IdInUse { node, pid, hostname, incarnation });
        };
        let directory = self.fd.try_clone().map_err(JoinError::system("duplicating a descriptor"))?;
        let records = self.records();
        let former = records.read(&directory, node, &file);
        Ok(Box::new(Lock { file, directory, node, records, former }))
    }

    fn create(&self, node: NodeId, len: u64, allocate: u64) -> Result<OwnFile, JoinError> {
        let name = new_name(node);
        // Left by a process that died here.
        let _ = unlinkat(&self.fd, &name, AtFlags::empty());
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let fd = openat(&self.fd, &name, flags, MODE).map_err(|errno| self.error(errno))?;
        let len = self.huge.map_or(len, |pages| pages.round(len));
        let made = ftruncate(&fd, len)
            .map_err(|errno| self.error(errno))
            .and_then(|()| map_own(fd, len, allocate, self.coherence.clone(), self));
        if made.is_err() {
            let _ = unlinkat(&self.fd, &name, AtFlags::empty());
        }
        made
    }

    fn show(&self, node: NodeId) -> Result<(), JoinError> {
        renameat(&self.fd, new_name(node), &self.fd, arena_name(node)).map_err(|errno| self.error(errno))
    }

    fn remove(&self, node: NodeId) {
        for name in [new_name(node), arena_name(node), socket_name(node)] {
            let _ = unlinkat(&self.fd, name, AtFlags::empty());
        }
    }

    fn sweep(&self, me: NodeId) {
        for (node, _) in self.present().unwrap_or_default() {
            // Whoever can be locked out is dead. The lock file stays: it knows the last incarnation.
            if node != me
                && let Ok(Some(_lock)) = self.try_lock(node)
            {
                tracing::info!(node = node.get(), "removing the arena that a dead node left");
                self.remove(node);
            }
        }
    }

    fn present(&self) -> io::Result<Vec<(NodeId, Stamp)>> {
        let mut found = Vec::new();
        for entry in Dir::read_from(&self.fd)? {
            let entry = entry?;
            let Some(node) = entry.file_name().to_str().ok().and_then(node_of_name) else { continue };
            if let Ok(stat) = statat(&self.fd, entry.file_name(), AtFlags::SYMLINK_NOFOLLOW) {
                found.push((node, Stamp { device: stat.st_dev, inode: stat.st_ino }));
            }
        }
        found.sort_by_key(|(node, _)| *node);
        Ok(found)
    }

    fn open(&self, node: NodeId) -> io::Result<Option<PeerFile>> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
        match openat(&self.fd, arena_name(node), flags, Mode::empty()) {
            Ok(fd) => map_peer(fd, self.coherence.clone()),
            Err(Errno::NOENT) => Ok(None),
            Err(errno) => Err(errno.into()),
        }
    }

    fn doorbell(&self, node: NodeId) -> io::Result<SocketAddrUnix> {
        // By way of the open directory: the directory's own path may be longer than a socket address holds.
        let path = format!("/proc/self/fd/{}/{}", self.fd.as_raw_fd(), socket_name(node));
        Ok(SocketAddrUnix::new(path)?)
    }

    fn clear_doorbell(&self, node: NodeId) {
        let _ = unlinkat(&self.fd, socket_name(node), AtFlags::empty());
    }

    fn reuses_memory(&self) -> bool {
        false
    }
}

/// The held lock file.
#[derive(Debug)]
struct Lock {
    file: File,
    directory: OwnedFd,
    node: NodeId,
    records: Records,
    former: Holder,
}

impl IdLock for Lock {
    fn previous(&self) -> u64 {
        self.former.incarnation
    }

    fn still_held(&self) -> bool {
        same_file(&self.directory, &lock_name(self.node), &self.file)
    }

    fn record(&mut self, incarnation: u64, hostname: &str) {
        self.former = Holder { pid: std::process::id(), hostname: hostname.to_owned(), incarnation };
        self.records.write(&self.directory, self.node, &self.file, &self.former);
    }
}

fn same_file(directory: &OwnedFd, name: &str, fd: impl std::os::fd::AsFd) -> bool {
    match (statat(directory, name, AtFlags::SYMLINK_NOFOLLOW), fstat(fd)) {
        (Ok(named), Ok(open)) => named.st_ino == open.st_ino && named.st_dev == open.st_dev,
        _ => false,
    }
}

fn arena_name(node: NodeId) -> String {
    format!("node-{:03}.arena", node.get())
}

fn new_name(node: NodeId) -> String {
    format!("node-{:03}.arena.new", node.get())
}

fn lock_name(node: NodeId) -> String {
    format!("node-{:03}.lock", node.get())
}

fn socket_name(node: NodeId) -> String {
    format!("node-{:03}.sock", node.get())
}

fn node_of_name(name: &str) -> Option<NodeId> {
    let digits = name.strip_prefix("node-")?.strip_suffix(".arena")?;
    NodeId::new(digits.parse().ok()?).filter(|node| arena_name(*node) == name)
}

/// Owner and group may use the segment.
const MODE: Mode = Mode::RUSR.union(Mode::WUSR).union(Mode::RGRP);

/// How long the files of a process may stay open after the kernel has marked it dead.
pub(super) const LOCK_RELEASE: Duration = Duration::from_secs(2);

/// Magic numbers of file systems that are memory: tmpfs and ramfs.
const MEMORY: [u64; 2] = [0x0102_1994, 0x8584_58f6];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_arena_names_name_nodes() {
        assert_eq!(node_of_name("node-007.arena"), NodeId::new(7));
        assert_eq!(node_of_name("node-256.arena"), NodeId::new(256));
        for other in
            ["node-7.arena", "node-000.arena", "node-257.arena", "node-007.lock", "node-+07.arena", ""]
        {
            assert_eq!(node_of_name(other), None, "{other}");
        }
    }
}
