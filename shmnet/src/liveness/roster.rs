//! The peers that the heartbeat thread and the watcher look after, replaced whole by the control thread.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use arc_swap::ArcSwap;

use super::futex;
use crate::layout::PeerArena;
use crate::memory::Mapping;
use crate::node::NodeId;

/// One peer, in one incarnation.
#[derive(Clone, Debug)]
pub(crate) struct Watched {
    pub(crate) node: NodeId,
    pub(crate) incarnation: u64,
    pub(crate) arena: PeerArena,
    pub(crate) mapping: Arc<Mapping>,
    /// How long the peer has been silent, in microseconds, as the heartbeat thread counts it.
    pub(crate) silence: Arc<AtomicU64>,
}

/// The peers, and a word that changes with them.
#[derive(Debug, Default)]
pub(crate) struct Roster {
    peers: ArcSwap<Vec<Watched>>,
    version: AtomicU32,
}

impl Roster {
    pub(crate) fn replace(&self, peers: Vec<Watched>) {
        self.peers.store(Arc::new(peers));
        self.touch();
    }

    /// Wakes the watcher.
    pub(crate) fn touch(&self) {
        self.version.fetch_add(1, Ordering::Release);
        futex::wake_private(&self.version);
    }

    pub(crate) fn peers(&self) -> Arc<Vec<Watched>> {
        self.peers.load_full()
    }

    pub(super) fn version(&self) -> &AtomicU32 {
        &self.version
    }
}
