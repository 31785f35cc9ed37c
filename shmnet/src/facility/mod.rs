//! Facilities: where arenas come from, how a node id is held, and where a node's doorbell is found.
//!
//! [`directory`] keeps one file per node in a directory; [`inherited`] uses files that a parent process passed; [`memfd`] has
//! each node seal its own and pass it on; [`region`]
//! divides one file, PCI BAR or DAX device among all nodes; `distributed`, where it was built in, carries the arenas between
//! hosts that share no memory.

mod directory;
#[cfg(feature = "libfabric")]
mod distributed;
mod holder;
mod huge;
mod inherited;
mod memfd;
mod region;
#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a simulation fails by panicking")]
pub(crate) mod simulated;

pub(crate) use self::directory::Directory;

use std::fmt::Debug;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use rustix::fs::{FallocateFlags, fallocate, fstat};
use rustix::io::{Errno, retry_on_intr};
use rustix::net::SocketAddrUnix;

pub(crate) use self::huge::HugePages;
use self::huge::Shortage;
pub(crate) use self::region::{Claim, region_bytes, region_unit};
use crate::config::{Backing, CoherenceMode, MappingCost, Timing};
use crate::doorbell::Bell;
use crate::error::JoinError;
use crate::memory::{Coherence, Mapping};
use crate::node::NodeId;

/// Where the memory of a segment comes from.
pub(crate) trait Facility: Debug + Send + Sync {
    /// The kind of memory, by the word that the router's configuration has for it.
    fn name(&self) -> &'static str;

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

    /// How a node that sleeps is woken.
    fn wakes(&self) -> Wakes {
        Wakes::Sockets
    }

    /// How the death of a node's process is noticed.
    fn liveness(&self) -> Liveness {
        Liveness::Futex
    }

    /// Says that a part of this node's arena, in whole pages, is about to be written: a ring for the peer that reads it, or
    /// what all peers read.
    fn reserve(&self, _offset: u64, _len: u64, _reader: Option<NodeId>) {}

    /// The bells of this node's data threads and of its control thread, before anything else is asked: for a facility that knows by
    /// itself when something has come.
    fn bells(&self, _data: &[Arc<Bell>], _control: &Arc<Bell>) {}

    /// Whether the arenas of others are copies here, which an engine keeps.
    fn is_reflected(&self) -> bool {
        false
    }

    /// What an access to the memory takes, where that was measured.
    fn cost(&self) -> Option<MappingCost> {
        None
    }

    /// Lets others go on for a while.
    fn pause(&self, time: Duration) {
        std::thread::sleep(time);
    }

    /// Whether nodes have come or gone since this was last asked, as far as the facility knows by itself.
    fn has_news(&self) -> bool {
        false
    }

    /// Whether the process that showed this arena of a node has ended, as far as the facility knows by itself.
    fn has_ended(&self, _node: NodeId, _arena: Stamp) -> bool {
        false
    }

    /// The bytes of every arena, where it is not for the nodes to choose.
    fn arena_room(&self) -> Option<u64> {
        None
    }
}

/// How a node that sleeps is woken: what the backing has besides memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wakes {
    /// By an eventfd that was passed over a socket: all nodes are on one host.
    Sockets,
    /// By nothing but memory: transmitters raise their activity lines, and the sleeper looks at them.
    Activity,
    /// By the facility, which rings this node's own bells whenever something has come.
    #[cfg_attr(not(feature = "libfabric"), allow(dead_code, reason = "reflected memory alone can"))]
    Arrival,
}

/// How the death of a node's process is noticed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Liveness {
    /// The kernel marks the robust futex in its arena: all nodes run on one kernel. The heartbeat counts too.
    Futex,
    /// By its heartbeat alone. The liveness word of an arena means nothing, and nobody waits on it.
    Heartbeat,
    /// By the liveness word, which a simulation marks in the kernel's place; no thread beats, holds or watches.
    #[cfg(test)]
    Simulated,
}

/// What a facility has to know of the node that uses it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms {
    /// How many node ids the segment has room for.
    pub(crate) max_nodes: u16,
    /// How many queues each network has.
    #[cfg_attr(not(feature = "libfabric"), allow(dead_code, reason = "reflected memory alone asks"))]
    pub(crate) queues: u8,
    /// This node's heartbeat and timeouts.
    pub(crate) timing: Timing,
    /// What was configured for the coherence of the memory.
    pub(crate) coherence: CoherenceMode,
}

impl Terms {
    /// The coherence of mappings of memory that all nodes reach by themselves.
    fn coherence(&self) -> Coherence {
        match self.coherence {
            CoherenceMode::Hardware => Coherence::Hardware,
            CoherenceMode::Flush => Coherence::Flush,
        }
    }
}

/// A node id held by this process; given back when dropped.
pub(crate) trait IdLock: Debug + Send {
    /// The incarnation of the last holder, 0 if there was none.
    fn previous(&self) -> u64;

    /// Whether the id is still held: another process may have taken it over.
    fn still_held(&self) -> bool;

    /// Writes down who holds the id, for those who are refused and for the next holder.
    fn record(&mut self, incarnation: u64, hostname: &str);

    /// The claim by which it is held, where no lock works: to be looked at before anything is written.
    fn claim(&self) -> Option<Claim> {
        None
    }
}

/// Tells one arena of a node from the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    device: u64,
    inode: u64,
}

/// This node's arena: a file, or a part of one.
#[derive(Debug)]
pub(crate) struct OwnFile {
    room: Room,
    place: String,
    pub(crate) mapping: Arc<Mapping>,
    pub(crate) len: u64,
}

/// What is behind the pages of an arena.
#[derive(Debug)]
pub(crate) enum Room {
    /// Memory that a file system gives when it is asked for it. The arena begins at an offset of the file.
    File { fd: OwnedFd, begin: u64 },
    /// Memory that is there.
    Fixed,
}

impl OwnFile {
    /// Makes sure that a range has memory behind it.
    pub(crate) fn allocate(&self, offset: u64, len: u64) -> Result<(), NoRoom> {
        let Room::File { fd, begin } = &self.room else { return Ok(()) };
        let (offset, len) = (begin + offset, len);
        // Looked at before, since pages are given as far as there are any.
        let shortage = HugePages::of(fd).map(|pages| pages.shortage(fd, offset, len));
        match retry_on_intr(|| fallocate(fd, FallocateFlags::empty(), offset, len)) {
            Ok(()) => Ok(()),
            // A file system that cannot allocate ahead; it is not memory-backed, and was warned about.
            Err(Errno::OPNOTSUPP) => Ok(()),
            Err(errno) => Err(NoRoom { needed: len, error: errno.into(), shortage }),
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
    /// What there is of huge pages, if they are what is lacking.
    shortage: Option<Shortage>,
}

impl NoRoom {
    pub(crate) fn into_join_error(self, facility: &dyn Facility) -> JoinError {
        if self.error.raw_os_error() == Some(Errno::NOSPC.raw_os_error()) {
            if let Some(shortage) = self.shortage {
                return shortage.into_join_error(facility.place());
            }
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
pub(crate) fn facility(backing: Backing, terms: Terms) -> Result<Arc<dyn Facility>, JoinError> {
    Ok(match backing {
        Backing::Directory(path) => Arc::new(directory::Directory::open(path, terms.coherence())?),
        Backing::Inherited { arenas, name } => {
            Arc::new(inherited::Inherited::new(arenas, name, terms.coherence()))
        }
        Backing::SealedMemory { directory, huge_pages } => {
            Arc::new(memfd::SealedMemory::open(directory, huge_pages)?)
        }
        Backing::Region(region, _) => Arc::new(region::Region::open(&region, terms)?),
        #[cfg(feature = "libfabric")]
        Backing::Reflected(memory) => Arc::new(distributed::Distributed::open(memory, terms)?),
        #[cfg(not(feature = "libfabric"))]
        Backing::Reflected(_) => {
            return Err(JoinError::NotBuilt { what: "reflected memory", feature: "libfabric" });
        }
    })
}

/// The largest arena that is mapped: a file that claims more is not an arena of ours.
const MAX_ARENA: u64 = 64 << 30;

/// Maps a peer's arena as long as its file is now.
fn map_peer(fd: OwnedFd, coherence: Coherence) -> io::Result<Option<PeerFile>> {
    let stat = fstat(&fd)?;
    let len = u64::try_from(stat.st_size).unwrap_or(0);
    if len == 0 || len > MAX_ARENA || !rustix::fs::FileType::from_raw_mode(stat.st_mode).is_file() {
        return Ok(None);
    }
    let len = usize::try_from(len).map_err(io::Error::other)?;
    let mapping = Mapping::read_only_with(&fd, 0, len, coherence)?;
    Ok(Some(PeerFile { mapping, stamp: Stamp { device: stat.st_dev, inode: stat.st_ino } }))
}

/// Maps this node's arena after its length is set and its beginning allocated.
fn map_own(
    fd: OwnedFd,
    len: u64,
    allocate: u64,
    coherence: Coherence,
    facility: &dyn Facility,
) -> Result<OwnFile, JoinError> {
    // The file is as long as the arena may ever grow, so that peers map it once; memory is behind it only where it was allocated.
    let mapped = usize::try_from(len)
        .map_err(io::Error::other)
        .and_then(|len| Mapping::read_write_with(&fd, 0, len, coherence))
        .map_err(JoinError::system("mapping the arena"))?;
    let room = Room::File { fd, begin: 0 };
    let file = OwnFile { room, place: facility.place(), mapping: mapped, len };
    file.allocate(0, allocate).map_err(|no_room| no_room.into_join_error(facility))?;
    Ok(file)
}
