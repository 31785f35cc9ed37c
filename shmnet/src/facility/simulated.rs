//! For simulations: a segment within this process, whose nodes are driven by hand and die in the middle of what they do.
//!
//! Two kinds, as there are two kinds of backing: each incarnation gets new memory, which is shown when it is complete, as in a
//! directory; or all incarnations of a node use the same memory, which everybody sees all the time, as in a region.

use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::net::SocketAddrUnix;

use super::{Facility, IdLock, Liveness, OwnFile, PeerFile, Room, Stamp, Wakes};
use crate::error::JoinError;
use crate::layout::{Layout, OwnArena, PeerArena, State};
use crate::liveness::{OWNER_DIED, WAITERS, word_is_held};
use crate::memory::{Mapping, interrupt};
use crate::node::NodeId;
use crate::sync::Ordering::SeqCst;

/// See the module.
#[derive(Debug)]
pub(crate) struct Simulated {
    reuses_memory: bool,
    layout: Layout,
    nodes: Nodes,
    stamps: AtomicU64,
}

type Nodes = Arc<Mutex<BTreeMap<NodeId, Place>>>;

/// What there is of a node.
#[derive(Debug, Default)]
struct Place {
    shown: Option<Arena>,
    /// Not yet shown.
    next: Option<Arena>,
    held: bool,
    /// The last incarnation that was written down.
    recorded: u64,
}

#[derive(Clone, Debug)]
struct Arena {
    own: Arc<Mapping>,
    seen: Arc<Mapping>,
    stamp: Stamp,
}

/// Of every arena.
const BYTES: usize = 2 << 20;

impl Simulated {
    /// A segment for so many nodes.
    pub(crate) fn new(max_nodes: u16, reuses_memory: bool) -> Arc<Self> {
        let layout = Layout::new(max_nodes, 1).unwrap();
        Arc::new(Self { reuses_memory, layout, nodes: Nodes::default(), stamps: AtomicU64::new(1) })
    }

    fn nodes(&self) -> MutexGuard<'_, BTreeMap<NodeId, Place>> {
        locked(&self.nodes)
    }

    /// Changes something outside of the memory, unless the node that does it has died.
    fn change(&self, node: NodeId, change: impl FnOnce(&mut Place)) {
        if !interrupt::is_dead() {
            change(self.nodes().entry(node).or_default());
        }
    }

    /// What the kernel does at the death of a node's process.
    pub(crate) fn bury(&self, node: NodeId) {
        let mut nodes = self.nodes();
        let place = nodes.entry(node).or_default();
        place.held = false;
        for arena in place.shown.iter().chain(&place.next) {
            let own = OwnArena::new(arena.own.own().unwrap(), self.layout).unwrap();
            let word = PeerArena::liveness_of(&arena.seen.peer()).unwrap();
            // Only what a living thread holds is marked.
            if word_is_held(word) {
                own.liveness().unwrap().store_u32(0, OWNER_DIED | WAITERS, SeqCst);
            }
        }
    }

    fn arena(&self) -> Arena {
        let (own, seen) = Mapping::anonymous(BYTES).unwrap();
        Arena { own, seen, stamp: Stamp { device: 0, inode: self.stamps.fetch_add(1, Relaxed) } }
    }
}

fn locked(nodes: &Nodes) -> MutexGuard<'_, BTreeMap<NodeId, Place>> {
    nodes.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A node id that is held until its node is [buried](Simulated::bury), or leaves.
#[derive(Debug)]
struct Lock {
    nodes: Nodes,
    node: NodeId,
}

impl IdLock for Lock {
    fn previous(&self) -> u64 {
        locked(&self.nodes).get(&self.node).map_or(0, |place| place.recorded)
    }

    fn still_held(&self) -> bool {
        true
    }

    fn record(&mut self, incarnation: u64, _hostname: &str) {
        if !interrupt::is_dead()
            && let Some(place) = locked(&self.nodes).get_mut(&self.node)
        {
            place.recorded = incarnation;
        }
    }
}

impl Facility for Simulated {
    fn name(&self) -> &'static str {
        "simulated"
    }

    fn place(&self) -> String {
        "a simulation".into()
    }

    fn free(&self) -> io::Result<u64> {
        Ok(1 << 30)
    }

    fn lock(&self, node: NodeId, _takeover: bool) -> Result<Box<dyn IdLock>, JoinError> {
        self.change(node, |place| {
            assert!(!place.held, "node {node} is held");
            place.held = true;
        });
        Ok(Box::new(Lock { nodes: Arc::clone(&self.nodes), node }))
    }

    fn create(&self, node: NodeId, _len: u64, _allocate: u64) -> Result<OwnFile, JoinError> {
        let known = self.nodes().get(&node).and_then(|place| place.shown.clone());
        let arena = match known {
            Some(arena) if self.reuses_memory => arena,
            _ => {
                let arena = self.arena();
                let made = arena.clone();
                self.change(node, |place| {
                    *(if self.reuses_memory { &mut place.shown } else { &mut place.next }) = Some(made);
                });
                arena
            }
        };
        Ok(OwnFile { room: Room::Fixed, place: self.place(), mapping: arena.own, len: BYTES as u64 })
    }

    fn show(&self, node: NodeId) -> Result<(), JoinError> {
        self.change(node, |place| {
            if let Some(next) = place.next.take() {
                place.shown = Some(next);
            }
        });
        Ok(())
    }

    fn remove(&self, node: NodeId) {
        if !self.reuses_memory {
            self.change(node, |place| (place.shown, place.next) = (None, None));
        }
    }

    fn sweep(&self, me: NodeId) {
        let dead: Vec<NodeId> =
            self.nodes().iter().filter(|(_, place)| !place.held).map(|(id, _)| *id).collect();
        dead.into_iter().filter(|node| *node != me).for_each(|node| self.remove(node));
    }

    fn present(&self) -> io::Result<Vec<(NodeId, Stamp)>> {
        let nodes = self.nodes();
        let is_there = |arena: &&Arena| {
            let word = PeerArena::state_of(&arena.seen.peer());
            word.is_some_and(|word| word.state != State::Empty || word.incarnation != 0)
        };
        let present = nodes
            .iter()
            .filter_map(|(node, place)| Some((*node, place.shown.as_ref().filter(is_there)?.stamp)));
        Ok(present.collect())
    }

    fn open(&self, node: NodeId) -> io::Result<Option<PeerFile>> {
        let nodes = self.nodes();
        let arena = nodes.get(&node).and_then(|place| place.shown.as_ref());
        Ok(arena.map(|arena| PeerFile { mapping: Arc::clone(&arena.seen), stamp: arena.stamp }))
    }

    fn doorbell(&self, _node: NodeId) -> io::Result<SocketAddrUnix> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn clear_doorbell(&self, _node: NodeId) {}

    fn reuses_memory(&self) -> bool {
        self.reuses_memory
    }

    fn wakes(&self) -> Wakes {
        // Whoever drives the nodes lets each have its turn.
        Wakes::Arrival
    }

    fn liveness(&self) -> Liveness {
        Liveness::Simulated
    }

    fn pause(&self, _time: Duration) {
        interrupt::pause();
    }

    fn arena_room(&self) -> Option<u64> {
        Some(BYTES as u64)
    }
}
