//! What the control thread knows of a peer, for one incarnation.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use crate::channel::PerChannel;
use crate::doorbell::PeerBell;
use crate::doorbell::activity;
use crate::doorbell::link::Link;
use crate::fabric::handover::RingGauge;
use crate::facility::Stamp;
use crate::facts::Facts;
use crate::layout::{Chunk, DirectoryEntry, Identity, PeerArena};
use crate::liveness::roster::Watched;
use crate::memory::Mapping;
use crate::multicast::MulticastFilter;
use crate::node::NodeId;
use crate::ring::Geometry;

/// A peer that was met.
#[derive(Debug)]
pub(super) struct Peer {
    pub(super) node: NodeId,
    pub(super) incarnation: u64,
    pub(super) arena: PeerArena,
    pub(super) mapping: Arc<Mapping>,
    pub(super) stamp: Stamp,
    pub(super) identity: Identity,
    pub(super) silence: Arc<AtomicU64>,
    pub(super) suspect: bool,
    pub(super) facts: Facts,
    pub(super) facts_sequence: [u64; 2],
    /// See [`PeerArena::sequences`]; of the last look.
    pub(super) sequences: [u64; 4],
    pub(super) subscribed: [bool; 2],
    /// The multicast addresses that it takes.
    pub(super) multicast: [MulticastFilter; 2],
    /// Our rings to the peer, by channel.
    pub(super) to: PerChannel<Option<RingTo>>,
    /// The peer's rings to us, by channel.
    pub(super) from: PerChannel<Option<RingFrom>>,
    /// Our connection to the peer's doorbell, and what there is to wake its queues with.
    pub(super) link: Option<Link>,
    pub(super) bells: Vec<Arc<PeerBell>>,
    /// The line by which the peer wakes this node, where there are no doorbells.
    pub(super) line: Option<Arc<activity::Watched>>,
    /// The ring that could not be allocated was complained about.
    pub(super) complained: bool,
    /// How many looks in a row have found a guarded record unreadable.
    pub(super) unreadable: u32,
}

/// A ring of ours.
#[derive(Debug)]
pub(super) struct RingTo {
    pub(super) epoch: u32,
    pub(super) chunk: Chunk,
    pub(super) geometry: Geometry,
    pub(super) gauge: Arc<RingGauge>,
    /// The ring before, until the peer has read it to its end.
    pub(super) former: Option<(u32, Chunk)>,
}

/// A ring of the peer's.
#[derive(Debug)]
pub(super) struct RingFrom {
    pub(super) entry: DirectoryEntry,
    pub(super) geometry: Geometry,
    pub(super) gauge: Arc<RingGauge>,
}

impl Peer {
    pub(super) fn watched(&self) -> Watched {
        Watched {
            node: self.node,
            incarnation: self.incarnation,
            arena: self.arena.clone(),
            mapping: Arc::clone(&self.mapping),
            silence: Arc::clone(&self.silence),
        }
    }

    /// Whether frames can be exchanged on both networks, by all their queues.
    pub(super) fn is_connected(&self) -> bool {
        self.to.iter().all(|(_, to)| to.is_some()) && self.from.iter().all(|(_, from)| from.is_some())
    }
}
