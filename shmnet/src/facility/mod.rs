//! Facilities: where arenas come from, how a node id is held, and where a node's doorbell is found.
//!
//! [`directory`] keeps one file per node in a directory; [`inherited`] uses files that a parent process passed.

mod directory;
mod inherited;

use std::fmt::Debug;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use rustix::fs::{FallocateFlags, fallocate, fstat};
use rustix::io::Errno;
use rustix::net::SocketAddrUnix;

use crate::config::Backing;
use crate::error::JoinError;
use crate::memory::Mapping;
use crate::node::NodeId;

/// Where the memory of a segment comes from.
pub(crate) trait Facility: Debug + Send + Sync {
    /// The backing in words, for diagnostics.
    fn place(&self) -> String;

    /// Bytes free in the backing.
    fn free(&self) -> io::Result<u64>;

    /// Takes a node id for this process, or says who has it.
    fn lock(&self, node: NodeId, takeover: bool) -> Result<Box<dyn IdLock>, JoinError>;

    /// Makes an arena of about `len` bytes with the first `allocate` bytes allocated; peers do not see it yet.
    fn create(&self, node: NodeId, len: u64, allocate: u64) -> Result<OwnFile, JoinError>;

    /// Shows the arena to peers.
    fn show(&self, node: NodeId) -> Result<(), JoinError>;

    /// Removes what the node leaves behind when it leaves, as far as the backing can.
    fn remove(&self, node: NodeId);

    /// Removes what dead nodes left; called by a node that found no live peer.
    fn sweep(&self, me: NodeId);

    /// The nodes that have an arena, with a stamp that differs for another arena of the same node.
    fn present(&self) -> io::Result<Vec<(NodeId, Stamp)>>;

    /// Maps a node's arena read-only.
    fn open(&self, node: NodeId) -> io::Result<Option<PeerFile>>;

    /// The address of a node's doorbell socket.
    fn doorbell(&self, node: NodeId) -> io::Result<SocketAddrUnix>;

    /// Makes way for this node's doorbell socket, before it is bound.
    fn clear_doorbell(&self, node: NodeId);

    /// Whether the next incarnation of a node writes to the same memory as the one before.
    fn reuses_memory(&self) -> bool;
}

/// A node id held by this process; given back when dropped.
pub(crate) trait IdLock: Debug + Send {
    /// The incarnation of the last holder, 0 if there was none.
    fn previous(&self) -> u64;

    /// Whether the id is still held: another process may have taken it over.
    fn still_held(&self) -> bool;

    /// Writes down who holds the id, for those who are refused and for the next holder.
    fn record(&mut self, incarnation: u64, hostname: &str);
}

/// Tells one arena of a node from the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    device: u64,
    inode: u64,
}

/// This node's arena file.
#[derive(Debug)]
pub(crate) struct OwnFile {
    fd: OwnedFd,
    place: String,
    pub(crate) mapping: Arc<Mapping>,
    pub(crate) len: u64,
}

impl OwnFile {
    /// Makes sure that a range has memory behind it.
    pub(crate) fn allocate(&self, offset: u64, len: u64) -> Result<(), NoRoom> {
        match fallocate(&self.fd, FallocateFlags::empty(), offset, len) {
            Ok(()) => Ok(()),
            // A file system that cannot allocate ahead; it is not memory-backed, and was warned about.
            Err(Errno::OPNOTSUPP) => Ok(()),
            Err(errno) => Err(NoRoom { needed: len, error: errno.into() }),
        }
    }

    /// What the file lies on, in words.
    pub(crate) fn place(&self) -> &str {
        &self.place
    }
}

/// The backing could not give the memory.
#[derive(Debug)]
pub(crate) struct NoRoom {
    pub(crate) needed: u64,
    pub(crate) error: io::Error,
}

impl NoRoom {
    pub(crate) fn into_join_error(self, facility: &dyn Facility) -> JoinError {
        if self.error.raw_os_error() == Some(Errno::NOSPC.raw_os_error()) {
            let free = facility.free().unwrap_or(0);
            JoinError::NoRoom { place: facility.place(), needed: self.needed, free }
        } else {
            JoinError::System { what: "allocating the arena", error: self.error }
        }
    }
}

/// A peer's arena file.
#[derive(Debug)]
pub(crate) struct PeerFile {
    pub(crate) mapping: Arc<Mapping>,
    pub(crate) stamp: Stamp,
}

/// Makes the facility for a backing.
pub(crate) fn facility(backing: Backing) -> Result<Arc<dyn Facility>, JoinError> {
    Ok(match backing {
        Backing::Directory(path) => Arc::new(directory::Directory::open(path)?),
        Backing::Inherited { arenas, name } => Arc::new(inherited::Inherited::new(arenas, name)),
    })
}

/// The largest arena that is mapped: a file that claims more is not an arena of ours.
const MAX_ARENA: u64 = 64 << 30;

/// Maps a peer's arena as long as its file is now.
fn map_peer(fd: OwnedFd) -> io::Result<Option<PeerFile>> {
    let stat = fstat(&fd)?;
    let len = u64::try_from(stat.st_size).unwrap_or(0);
    if len == 0 || len > MAX_ARENA || !rustix::fs::FileType::from_raw_mode(stat.st_mode).is_file() {
        return Ok(None);
    }
    let len = usize::try_from(len).map_err(io::Error::other)?;
    let mapping = Mapping::read_only(&fd, 0, len)?;
    Ok(Some(PeerFile { mapping, stamp: Stamp { device: stat.st_dev, inode: stat.st_ino } }))
}

/// Maps this node's arena after its length is set and its beginning allocated.
fn map_own(fd: OwnedFd, len: u64, allocate: u64, facility: &dyn Facility) -> Result<OwnFile, JoinError> {
    // The file is as long as the arena may ever grow, so that peers map it once; memory is behind it only where it was allocated.
    let mapped = usize::try_from(len)
        .map_err(io::Error::other)
        .and_then(|len| Mapping::read_write(&fd, 0, len))
        .map_err(JoinError::system("mapping the arena"))?;
    let file = OwnFile { fd, place: facility.place(), mapping: mapped, len };
    file.allocate(0, allocate).map_err(|no_room| no_room.into_join_error(facility))?;
    Ok(file)
}
