//! The copies of the peers' arenas, and who writes to them.

use std::collections::BTreeMap;
use std::io;
use std::net::{Shutdown, TcpStream};
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::fs::{MemfdFlags, ftruncate, memfd_create};

use super::control::Holder;
use crate::facility::{PeerFile, Stamp};
use crate::layout::{PAGE, PeerArena};
use crate::memory::{Mapping, OwnSpan};
use crate::node::NodeId;

/// Memory that a peer's writes are applied to.
pub(super) struct Copy {
    pub(super) memory: OwnSpan,
    file: Arc<OwnedFd>,
    stamp: Stamp,
}

impl Copy {
    /// A copy of an arena of a length that a peer gave.
    pub(super) fn new(len: u64) -> io::Result<Self> {
        static STAMPS: AtomicU64 = AtomicU64::new(1);
        if len == 0 || len > LONGEST || !len.is_multiple_of(PAGE as u64) {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "an arena of a length that cannot be"));
        }
        let file = memfd_create("isthmus-copy", MemfdFlags::CLOEXEC)?;
        ftruncate(&file, len)?;
        let mapping = Mapping::read_write(&file, 0, len as usize)?;
        let memory = mapping.own().map_err(io::Error::other)?;
        let stamp = Stamp { device: 0, inode: STAMPS.fetch_add(1, Ordering::Relaxed) };
        Ok(Self { memory, file: Arc::new(file), stamp })
    }
}

/// What is known of each peer, by those who take calls, by the progress thread and by membership.
#[derive(Debug, Default)]
pub(super) struct Copies {
    peers: Mutex<BTreeMap<NodeId, Known>>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Known {
    /// The highest incarnation that was seen.
    incarnation: u64,
    sessions: u64,
    session: Option<Session>,
    shown: Option<(Arc<OwnedFd>, Stamp)>,
    /// What was shown when its process hung up.
    ended: Option<Stamp>,
}

#[derive(Debug)]
struct Session {
    number: u64,
    process: u64,
    holder: Holder,
    control: TcpStream,
    heard: Instant,
}

impl Copies {
    /// Lets a process speak for a node, in the place of one that has fallen silent or is to be taken over; or says who has
    /// the node's id. Returns the number of the session and the last incarnation seen.
    pub(super) fn admit(
        &self,
        node: NodeId,
        process: u64,
        holder: Holder,
        takeover: bool,
        control: TcpStream,
    ) -> Result<(u64, u64), (Holder, u64)> {
        let mut peers = self.lock();
        let known = peers.entry(node).or_default();
        known.note();
        if let Some(session) = &known.session
            && session.process != process
            && session.heard.elapsed() < if known.shown.is_some() { SILENT } else { JOINING }
            && !takeover
        {
            return Err((session.holder.clone(), known.incarnation));
        }
        if let Some(former) = known.session.take() {
            // The progress thread then ends it.
            let _ = former.control.shutdown(Shutdown::Both);
        }
        known.shown = None;
        known.sessions += 1;
        known.session =
            Some(Session { number: known.sessions, process, holder, control, heard: Instant::now() });
        Ok((known.sessions, known.incarnation))
    }

    /// A session's peer has written something.
    pub(super) fn heard(&self, node: NodeId, session: u64) {
        self.with(node, session, |known| {
            if let Some(session) = &mut known.session {
                session.heard = Instant::now();
            }
        });
    }

    pub(super) fn show(&self, node: NodeId, session: u64, copy: &Copy) {
        self.with(node, session, |known| known.shown = Some((Arc::clone(&copy.file), copy.stamp)));
        self.changed.notify_all();
    }

    pub(super) fn hide(&self, node: NodeId, session: u64) {
        self.with(node, session, |known| {
            known.note();
            known.shown = None;
        });
    }

    /// A session is over.
    pub(super) fn end(&self, node: NodeId, session: u64) {
        self.with(node, session, |known| {
            known.note();
            known.shown = None;
            known.session = None;
        });
    }

    /// A session's peer has hung up: its process has ended, or does without this session.
    pub(super) fn hang_up(&self, node: NodeId, session: u64) {
        self.with(node, session, |known| {
            known.ended = known.shown.as_ref().map(|(_, stamp)| *stamp);
        });
    }

    /// Whether the process that showed this arena has hung up.
    pub(super) fn has_ended(&self, node: NodeId, arena: Stamp) -> bool {
        self.lock().get(&node).is_some_and(|known| known.ended == Some(arena))
    }

    /// Those whose arenas can be looked at.
    pub(super) fn present(&self) -> Vec<(NodeId, Stamp)> {
        self.lock().iter().filter_map(|(node, known)| Some((*node, known.shown.as_ref()?.1))).collect()
    }

    /// Maps a node's copy for reading.
    pub(super) fn open(&self, node: NodeId) -> io::Result<Option<PeerFile>> {
        let Some((file, stamp)) = self.lock().get(&node).and_then(|known| known.shown.clone()) else {
            return Ok(None);
        };
        let len = usize::try_from(rustix::fs::fstat(&*file)?.st_size).map_err(io::Error::other)?;
        Ok(Some(PeerFile { mapping: Mapping::read_only(&*file, 0, len)?, stamp }))
    }

    /// Waits, a little while at most, until the arenas of all these can be looked at.
    pub(super) fn await_shown(&self, nodes: &[NodeId], until: Instant) {
        let mut peers = self.lock();
        while nodes.iter().any(|node| peers.get(node).is_none_or(|known| known.shown.is_none())) {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            peers = self.changed.wait_timeout(peers, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn with(&self, node: NodeId, session: u64, change: impl FnOnce(&mut Known)) {
        let mut peers = self.lock();
        let current = |known: &&mut Known| known.session.as_ref().is_some_and(|it| it.number == session);
        // A session whose place another has taken changes nothing any more.
        if let Some(known) = peers.get_mut(&node).filter(current) {
            change(known);
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<NodeId, Known>> {
        self.peers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    /// Remembers the incarnation of what is shown.
    fn note(&mut self) {
        let Some((file, _)) = &self.shown else { return };
        let state = Mapping::read_only(&**file, 0, PAGE).ok().and_then(|it| PeerArena::state_of(&it.peer()));
        self.incarnation = self.incarnation.max(state.map_or(0, |state| state.incarnation));
    }
}

/// The longest copy: the memory behind it comes as the peer writes to it.
const LONGEST: u64 = 1 << 30;

/// A process that has written nothing for this long, not even a heartbeat, holds its node id no more.
pub(super) const SILENT: Duration = Duration::from_secs(1);

/// The same for one that has not yet shown an arena.
const JOINING: Duration = Duration::from_secs(5);
