//! Arena files that a parent process passed to each node, usually memfds: nothing of the segment has a name in a
//! file system, and it is gone with the last process.
//!
//! A node writes its arena through its own opening of the file, and opens those of its peers for reading only. The same
//! file serves all incarnations of a node, so a restart waits until all live peers have closed the one before.

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, Mode, OFlags, flock, fstat, ftruncate};
use rustix::io::Errno;
use rustix::net::SocketAddrUnix;

use super::directory::LOCK_RELEASE;
use super::{Facility, HugePages, IdLock, OwnFile, PeerFile, Stamp, map_own, map_peer};
use crate::error::JoinError;
use crate::layout::PeerArena;
use crate::liveness::word_is_dead;
use crate::memory::Coherence;
use crate::node::NodeId;

/// See the module.
#[derive(Debug)]
pub(super) struct Inherited {
    arenas: Vec<(NodeId, OwnedFd)>,
    name: String,
    coherence: Coherence,
}

impl Inherited {
    pub(super) fn new(arenas: Vec<(NodeId, OwnedFd)>, name: String, coherence: Coherence) -> Self {
        Self { arenas, name, coherence }
    }

    fn arena(&self, node: NodeId) -> Option<&OwnedFd> {
        self.arenas.iter().find(|(id, _)| *id == node).map(|(_, fd)| fd)
    }

    /// Opens a node's file anew: with its own mode, and with its own lock.
    fn reopen(&self, node: NodeId, flags: OFlags) -> Result<OwnedFd, JoinError> {
        let fd = self.arena(node).ok_or(JoinError::NotInherited { node })?;
        let path = format!("/proc/self/fd/{}", fd.as_raw_fd());
        rustix::fs::open(path, flags | OFlags::CLOEXEC, Mode::empty())
            .map_err(JoinError::system("opening inherited memory"))
    }

    /// Whether the kernel has marked the node's process dead; its lock is then about to be given back.
    fn is_dead(&self, node: NodeId) -> bool {
        let Ok(Some(file)) = self.open(node) else { return false };
        PeerArena::liveness_of(&file.mapping.peer()).is_some_and(word_is_dead)
    }

    fn last(&self, node: NodeId) -> (u32, String, u64) {
        let nobody = || (0, "an unknown host".to_owned(), 0);
        let Ok(Some(file)) = self.open(node) else { return nobody() };
        let peer = file.mapping.peer();
        match (PeerArena::identity_of(&peer), PeerArena::state_of(&peer)) {
            (Ok(identity), Some(state)) => (identity.pid, identity.hostname, state.incarnation),
            _ => nobody(),
        }
    }
}

impl Facility for Inherited {
    fn name(&self) -> &'static str {
        "inherited"
    }

    fn place(&self) -> String {
        format!("inherited memory {}", self.name)
    }

    fn free(&self) -> io::Result<u64> {
        let info = rustix::system::sysinfo();
        Ok((info.freeram as u64 + info.bufferram as u64).saturating_mul(info.mem_unit.into()))
    }

    fn lock(&self, node: NodeId, takeover: bool) -> Result<Box<dyn IdLock>, JoinError> {
        let fd = self.reopen(node, OFlags::RDWR)?;
        let (pid, hostname, incarnation) = self.last(node);
        let give_up = Instant::now() + LOCK_RELEASE;
        let locked = loop {
            match flock(&fd, FlockOperation::NonBlockingLockExclusive) {
                Err(Errno::WOULDBLOCK) if self.is_dead(node) && Instant::now() < give_up => {
                    // The kernel marks the liveness word before it has closed the files of a process.
                    std::thread::sleep(Duration::from_millis(5));
                }
                locked => break locked,
            }
        };
        match locked {
            Ok(()) => Ok(Box::new(Lock { _file: File::from(fd), previous: incarnation })),
            Err(Errno::WOULDBLOCK) if takeover => Err(JoinError::TakeoverImpossible { node, pid }),
            Err(Errno::WOULDBLOCK) => Err(JoinError::IdInUse { node, pid, hostname, incarnation }),
            Err(errno) => Err(JoinError::System { what: "locking inherited memory", error: errno.into() }),
        }
    }

    fn create(&self, node: NodeId, len: u64, allocate: u64) -> Result<OwnFile, JoinError> {
        let fd = self.reopen(node, OFlags::RDWR)?;
        let size = fstat(&fd).map_err(JoinError::system("inherited memory"))?.st_size;
        let len = match u64::try_from(size).unwrap_or(0) {
            0 => {
                let len = HugePages::of(&fd).map_or(len, |pages| pages.round(len));
                ftruncate(&fd, len).map_err(JoinError::system("sizing inherited memory"))?;
                len
            }
            size if size < allocate => {
                return Err(JoinError::NoRoom { place: self.place(), needed: allocate, free: size });
            }
            size => size,
        };
        map_own(fd, len, allocate, self.coherence.clone(), self)
    }

    fn show(&self, _node: NodeId) -> Result<(), JoinError> {
        Ok(())
    }

    fn remove(&self, _node: NodeId) {}

    fn sweep(&self, _me: NodeId) {}

    fn present(&self) -> io::Result<Vec<(NodeId, Stamp)>> {
        let mut found = Vec::new();
        for (node, fd) in &self.arenas {
            let stat = fstat(fd)?;
            if stat.st_size > 0 {
                found.push((*node, Stamp { device: stat.st_dev, inode: stat.st_ino }));
            }
        }
        Ok(found)
    }

    fn open(&self, node: NodeId) -> io::Result<Option<PeerFile>> {
        match self.reopen(node, OFlags::RDONLY) {
            Ok(fd) => map_peer(fd, self.coherence.clone()),
            Err(JoinError::System { error, .. }) => Err(error),
            Err(_) => Ok(None),
        }
    }

    fn doorbell(&self, node: NodeId) -> io::Result<SocketAddrUnix> {
        let name = format!("isthmus/{}/{}", self.name, node.get());
        Ok(SocketAddrUnix::new_abstract_name(name.as_bytes())?)
    }

    fn clear_doorbell(&self, _node: NodeId) {}

    fn reuses_memory(&self) -> bool {
        true
    }
}

/// The lock is the open file: it ends with the descriptor.
#[derive(Debug)]
struct Lock {
    _file: File,
    previous: u64,
}

impl IdLock for Lock {
    fn previous(&self) -> u64 {
        self.previous
    }

    fn still_held(&self) -> bool {
        true
    }

    /// The arena's header, which lives as long as the file, says it already.
    fn record(&mut self, incarnation: u64, _hostname: &str) {
        self.previous = incarnation;
    }
}
