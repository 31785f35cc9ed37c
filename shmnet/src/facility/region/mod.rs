//! A region: one stretch of memory that all nodes map, divided into arenas of equal length.
//!
//! ```text
//! arena of node 1 | arena of node 2 | ... | arena of node max-nodes | rest
//! stride = length / max-nodes, in whole pages (on DAX, in whole units of its alignment)
//! ```
//! Nothing else is in it: no common header that somebody would have to write, so that memory of zeroes is a segment in which
//! no node has ever been. [`medium`] finds the memory (a file, a PCI BAR, a DAX device), [`claim`] decides who is a
//! node where no lock works, and [`cost`] measures what an access takes.
//!
//! Everybody who may map the region may write all of it. A node maps the others' arenas read-only all the same: what
//! protects it from its own mistakes costs nothing.

mod claim;
mod cost;
mod medium;

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::sync::{Arc, Mutex, PoisonError};

use rustix::fs::{AtFlags, Mode, OFlags, unlinkat};
use rustix::net::SocketAddrUnix;

pub(crate) use self::claim::Claim;
use self::medium::Medium;
pub(crate) use self::medium::{bytes as region_bytes, unit as region_unit};
use super::{Facility, IdLock, Liveness, OwnFile, PeerFile, Room, Stamp, Terms, Wakes};
use crate::config::{MappingCost, Region as Config};
use crate::error::JoinError;
use crate::layout::{Identity, PAGE, PeerArena, State};
use crate::memory::{Coherence, Mapping};
use crate::node::NodeId;
use crate::sigbus;

/// See the module.
#[derive(Debug)]
pub(super) struct Region {
    name: &'static str,
    medium: Medium,
    terms: Terms,
    coherence: Coherence,
    /// Bytes of each arena.
    stride: u64,
    /// All nodes run on this kernel.
    one_kernel: bool,
    /// Where doorbell sockets are, on one kernel.
    sockets: Option<OwnedFd>,
    /// Mappings of the peers' arenas, by index: made when first looked at.
    peers: Mutex<Vec<Option<Arc<Mapping>>>>,
    cost: Mutex<Option<MappingCost>>,
}

impl Region {
    pub(super) fn open(config: &Config, terms: Terms) -> Result<Self, JoinError> {
        let medium = Medium::open(config, terms.coherence)?;
        let unit = medium.alignment.max(PAGE as u64);
        let stride = (medium.len / u64::from(terms.max_nodes.max(1))) / unit * unit;
        if stride == 0 {
            return Err(JoinError::ArenaTooSmall { place: medium.place, needed: unit, room: 0 });
        }
        let one_kernel = matches!(config, Config::File { other_kernels: false, .. });
        let sockets = one_kernel.then(|| medium.socket_directory()).transpose()?;
        let name = match config {
            Config::File { .. } => "single-file",
            Config::Pci { .. } => "pci",
            Config::Dax { .. } => "dax",
        };
        Ok(Self {
            name,
            coherence: terms.coherence(),
            medium,
            terms,
            stride,
            one_kernel,
            sockets,
            peers: Mutex::new(vec![None; usize::from(terms.max_nodes)]),
            cost: Mutex::new(None),
        })
    }

    fn begin(&self, node: NodeId) -> u64 {
        node.index() as u64 * self.stride
    }

    fn map_own(&self, node: NodeId) -> io::Result<Arc<Mapping>> {
        let len = usize::try_from(self.stride).map_err(io::Error::other)?;
        let fd = self.medium.writable()?;
        Mapping::read_write_with(fd, self.begin(node), len, self.coherence.clone())
    }

    /// A node's arena, mapped read-only.
    fn peer(&self, node: NodeId) -> io::Result<Option<Arc<Mapping>>> {
        let mut peers = self.peers.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(place) = peers.get_mut(node.index()) else { return Ok(None) };
        if let Some(known) = place.as_ref().filter(|mapping| !mapping.is_quarantined()) {
            return Ok(Some(Arc::clone(known)));
        }
        let len = usize::try_from(self.stride).map_err(io::Error::other)?;
        let fd = self.medium.readable();
        let mapping = Mapping::read_only_with(fd, self.begin(node), len, self.coherence.clone())?;
        sigbus::guard(&mapping)?;
        *place = Some(Arc::clone(&mapping));
        Ok(Some(mapping))
    }

    /// Whether the region has an arena of a living node where ours has none: then the nodes disagree on the number of nodes,
    /// and to write here would be to write in somebody else's arena.
    fn check_division(&self) -> Result<(), JoinError> {
        let len = usize::try_from(self.medium.len).map_err(|error| JoinError::System {
            what: "mapping the region",
            error: io::Error::other(error),
        })?;
        let whole = Mapping::read_only_with(self.medium.readable(), 0, len, self.coherence.clone())
            .map_err(JoinError::system("mapping the region"))?;
        sigbus::guard(&whole).map_err(JoinError::system("guarding memory"))?;
        let unit = self.medium.alignment.max(PAGE as u64);
        let span = whole.peer();
        let mut suspects = Vec::new();
        for offset in (0..self.medium.len).step_by(unit as usize) {
            let Ok(arena) = span.sub(offset as usize, unit as usize) else { break };
            let Ok(identity) = PeerArena::identity_of(&arena) else { continue };
            let ours = u64::from(self.terms.max_nodes);
            let theirs = identity.geometry[0];
            let state = PeerArena::state_of(&arena).map(|word| word.state);
            let elsewhere =
                theirs != ours && theirs != 0 && offset == elsewhere(&identity, self.medium.len, unit);
            if elsewhere && matches!(state, Some(State::Joining | State::Active)) {
                suspects.push((identity, arena));
            }
        }
        for (identity, arena) in suspects {
            if claim::beats(&arena, self.terms.timing.failed.max(identity.timing.failed.min(claim::PATIENCE)))
            {
                return Err(JoinError::GeometryMismatch {
                    peer: identity.node,
                    field: "max-nodes",
                    ours: self.terms.max_nodes.into(),
                    theirs: identity.geometry[0],
                });
            }
        }
        Ok(())
    }
}

/// Where the arena of a node lies by its own number of nodes.
fn elsewhere(identity: &Identity, len: u64, unit: u64) -> u64 {
    len / identity.geometry[0] / unit * unit * identity.node.index() as u64
}

impl Facility for Region {
    fn name(&self) -> &'static str {
        self.name
    }

    fn place(&self) -> String {
        self.medium.place.clone()
    }

    fn free(&self) -> io::Result<u64> {
        Ok(self.medium.free().unwrap_or(self.stride))
    }

    fn lock(&self, node: NodeId, takeover: bool) -> Result<Box<dyn IdLock>, JoinError> {
        self.check_division()?;
        let own = self.map_own(node).map_err(JoinError::system("mapping the arena"))?;
        sigbus::guard(&own).map_err(JoinError::system("guarding memory"))?;
        // The page that the claim is written to has to have memory behind it.
        if let Some(fd) = self.medium.allocates() {
            let fd = fd.map_err(JoinError::system("opening the region"))?;
            OwnFile {
                room: Room::File { fd, begin: self.begin(node) },
                place: self.place(),
                len: self.stride,
                mapping: Arc::clone(&own),
            }
            .allocate(0, PAGE as u64)
            .map_err(|no_room| no_room.into_join_error(self))?;
        }
        let claim = claim::take(&own, node, takeover, &self.terms, self.one_kernel)?;
        Ok(Box::new(claim))
    }

    fn create(&self, node: NodeId, len: u64, allocate: u64) -> Result<OwnFile, JoinError> {
        let mapping = self.map_own(node).map_err(JoinError::system("mapping the arena"))?;
        let room = match self.medium.allocates() {
            Some(fd) => Room::File {
                fd: fd.map_err(JoinError::system("opening the region"))?,
                begin: self.begin(node),
            },
            None => Room::Fixed,
        };
        let file = OwnFile { room, place: self.place(), mapping, len: len.min(self.stride) };
        file.allocate(0, allocate).map_err(|no_room| no_room.into_join_error(self))?;
        sigbus::guard(&file.mapping).map_err(JoinError::system("guarding memory"))?;
        let mut cost = self.cost.lock().unwrap_or_else(PoisonError::into_inner);
        if cost.is_none() {
            *cost = cost::measure(&file.mapping, allocate, self.name, &self.medium.place);
        }
        Ok(file)
    }

    fn show(&self, _node: NodeId) -> Result<(), JoinError> {
        Ok(())
    }

    fn remove(&self, node: NodeId) {
        self.clear_doorbell(node);
    }

    fn sweep(&self, _me: NodeId) {}

    fn present(&self) -> io::Result<Vec<(NodeId, Stamp)>> {
        let mut found = Vec::new();
        for index in 0..usize::from(self.terms.max_nodes) {
            let Some(node) = NodeId::from_index(index) else { break };
            let Some(mapping) = self.peer(node)? else { break };
            // An empty one that tells of an incarnation is between two of them.
            let word = PeerArena::state_of(&mapping.peer());
            if word.is_some_and(|word| word.state != State::Empty || word.incarnation != 0) {
                found.push((node, Stamp { device: 0, inode: index as u64 }));
            }
        }
        Ok(found)
    }

    fn open(&self, node: NodeId) -> io::Result<Option<PeerFile>> {
        let stamp = Stamp { device: 0, inode: node.index() as u64 };
        Ok(self.peer(node)?.map(|mapping| PeerFile { mapping, stamp }))
    }

    fn doorbell(&self, node: NodeId) -> io::Result<SocketAddrUnix> {
        let Some(directory) = &self.sockets else { return Err(io::ErrorKind::Unsupported.into()) };
        // By way of the open directory: its own path may be longer than a socket address holds.
        let path = format!("/proc/self/fd/{}/{}", directory.as_raw_fd(), socket_name(node));
        Ok(SocketAddrUnix::new(path)?)
    }

    fn clear_doorbell(&self, node: NodeId) {
        if let Some(directory) = &self.sockets {
            let _ = unlinkat(directory, socket_name(node), AtFlags::empty());
        }
    }

    fn reuses_memory(&self) -> bool {
        true
    }

    fn wakes(&self) -> Wakes {
        if self.one_kernel { Wakes::Sockets } else { Wakes::Activity }
    }

    fn liveness(&self) -> Liveness {
        if self.one_kernel { Liveness::Futex } else { Liveness::Heartbeat }
    }

    fn arena_room(&self) -> Option<u64> {
        Some(self.stride)
    }

    fn cost(&self) -> Option<MappingCost> {
        *self.cost.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn socket_name(node: NodeId) -> String {
    format!("node-{:03}.sock", node.get())
}

/// Opens a directory, and makes it if it is not there.
fn directory(path: &std::path::Path) -> io::Result<OwnedFd> {
    match rustix::fs::mkdir(path, Mode::RWXU | Mode::RWXG) {
        Ok(()) | Err(rustix::io::Errno::EXIST) => {}
        Err(errno) => return Err(errno.into()),
    }
    Ok(rustix::fs::open(path, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?)
}

/// The same open file once more.
fn duplicate(fd: impl AsFd) -> io::Result<OwnedFd> {
    fd.as_fd().try_clone_to_owned()
}
