//! What the control thread hands to the data thread, and what the data thread says back.
//!
//! The data thread never waits for either: it looks at one flag, and takes what is there.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};

use crate::doorbell::attention::{Sleeper, Waker};
use crate::doorbell::{Bell, PeerBell};
use crate::facility::Claim;
use crate::group::{GroupEndpoint, Start};
use crate::memory::PeerSpan;
use crate::multicast::MulticastFilter;
use crate::node::NodeId;
use crate::quarantine::QuarantineCause;
use crate::ring;

/// From the control thread to an endpoint.
pub(crate) enum Handover {
    /// This node has a new incarnation: everything before is void.
    Begin(Box<Beginning>),
    /// This node is not a member any more: everything before is void.
    End,
    /// A peer was met.
    Meet(Box<Meeting>),
    /// A ring to send to a peer, or its replacement by a larger one.
    Transmitter {
        node: NodeId,
        incarnation: u64,
        epoch: u32,
        ring: Box<ring::Transmitter>,
        gauge: Arc<RingGauge>,
    },
    /// A ring to receive from a peer, or its replacement by a larger one.
    Receiver { node: NodeId, incarnation: u64, ring: Box<ring::Receiver>, gauge: Arc<RingGauge> },
    /// The bell of a peer.
    Bell { node: NodeId, incarnation: u64, bell: Arc<PeerBell> },
    /// The members of the network's groups, by their numbers there, and the multicast frames that any of them takes.
    Members { members: Vec<u16>, wanted: MulticastFilter },
    /// The multicast frames that this node takes.
    Takes(MulticastFilter),
    /// A peer's incarnation was closed.
    Forget { node: NodeId, incarnation: u64 },
}

/// This node's part of a channel, for an incarnation.
pub(crate) struct Beginning {
    pub(crate) incarnation: u64,
    pub(crate) sleeper: Sleeper,
    /// To be looked at when this node was late, where another process may have become the node meanwhile.
    pub(crate) claim: Option<Claim>,
    /// Broadcast and multicast, of the queue that has them.
    pub(crate) groups: Option<[(GroupEndpoint, Arc<GroupGauge>); 2]>,
}

/// A peer's part of a channel, for an incarnation.
pub(crate) struct Meeting {
    pub(crate) node: NodeId,
    pub(crate) incarnation: u64,
    pub(crate) waker: Waker,
    /// The word that tells which incarnation of this node the peer has closed.
    pub(crate) closed: PeerSpan,
    /// Broadcast and multicast, for the queue that has them.
    pub(crate) groups: [PeerSpan; 2],
    /// Where to begin in each.
    pub(crate) starts: [Start; 2],
}

/// From an endpoint to the control thread.
#[derive(Debug)]
pub(crate) enum Reply {
    /// A peer broke the rules of a ring.
    Broken { node: NodeId, incarnation: u64, cause: QuarantineCause, why: String },
    /// The ring to a peer stays full.
    Full { node: NodeId, incarnation: u64, epoch: u32 },
    /// A replaced ring was read to its end: its memory is free.
    Drained { node: NodeId, incarnation: u64, epoch: u32 },
    /// Nothing of a closed incarnation is in use any more.
    Forgotten { node: NodeId, incarnation: u64 },
    /// Peers have closed this node's incarnation.
    ClosedUs { by: NodeId, incarnation: u64 },
    /// Another node owns a group ring.
    Owner { kind: usize, owner: NodeId, generation: u64 },
}

/// A way from the control thread to an endpoint.
#[derive(Debug)]
pub(crate) struct Giver {
    sender: Sender<Handover>,
    news: Arc<AtomicBool>,
    bell: Arc<Bell>,
}

impl Giver {
    /// A giver and its taker; `bell` is rung for the first handover since any were taken.
    pub(crate) fn new(bell: Arc<Bell>) -> (Self, Taker) {
        let (sender, receiver) = mpsc::channel();
        let news = Arc::new(AtomicBool::new(false));
        (Self { sender, news: Arc::clone(&news), bell }, Taker { receiver, news })
    }

    pub(crate) fn give(&self, handover: Handover) {
        // An endpoint that was dropped needs nothing any more.
        // Whoever has not yet taken what it was rung for finds this too: it begins by clearing the flag, which pairs with this, and
        // does not sleep while the flag is set.
        if self.sender.send(handover).is_ok() && !self.news.swap(true, Ordering::AcqRel) {
            self.bell.ring();
        }
    }
}

/// An endpoint's side.
#[derive(Debug)]
pub(crate) struct Taker {
    receiver: Receiver<Handover>,
    news: Arc<AtomicBool>,
}

impl Taker {
    /// Whether something was handed over.
    #[inline]
    pub(crate) fn has_news(&self) -> bool {
        self.news.load(Ordering::Relaxed)
    }

    /// To be called before the handovers are taken.
    pub(crate) fn begin(&self) {
        self.news.swap(false, Ordering::AcqRel);
    }

    pub(crate) fn take(&self) -> Option<Handover> {
        self.receiver.try_recv().ok()
    }
}

/// What a ring's end counts, for those who look at it from other threads.
#[derive(Debug, Default)]
pub(crate) struct RingGauge {
    pub(crate) frames: AtomicU64,
    pub(crate) bytes: AtomicU64,
    pub(crate) full: AtomicU64,
    pub(crate) too_long: AtomicU64,
    pub(crate) faults: AtomicU64,
    /// Nanoseconds that a line takes from the receiver; 0 if that is not known.
    pub(crate) distance: AtomicU32,
    /// Frames are copied past the caches.
    pub(crate) streaming: AtomicBool,
}

/// What an endpoint knows of a group ring, for those who look at it from other threads.
#[derive(Debug)]
pub(crate) struct GroupGauge {
    /// Node id of the owner, 0 if there is none.
    pub(crate) owner: AtomicU32,
    pub(crate) generation: AtomicU64,
    pub(crate) sent: AtomicU64,
    pub(crate) received: AtomicU64,
    pub(crate) ordered: AtomicU64,
    pub(crate) lost: AtomicU64,
    pub(crate) overwritten: AtomicU64,
    /// Frames that came and that this node does not take.
    pub(crate) filtered: AtomicU64,
    /// Frames that were not sent since nobody takes them.
    pub(crate) unwanted: AtomicU64,
    /// Frames that were received without regard to the owner's order.
    pub(crate) unordered: AtomicU64,
    /// Position of the owner's next reference, as this node sees it.
    pub(crate) position: AtomicU64,
    /// For each reader by node index.
    pub(crate) lag: Box<[LagGauge]>,
}

/// How far a reader of a group ring is behind.
#[derive(Debug, Default)]
pub(crate) struct LagGauge {
    /// Lane slots of this node not yet acknowledged, plus one; 0 if the reader is not attached.
    pub(crate) lane_slots: AtomicU64,
    /// References not taken, plus one; 0 if the reader follows another owner.
    pub(crate) references: AtomicU64,
    /// Frames of this node that it lost.
    pub(crate) lost_frames: AtomicU64,
}

impl GroupGauge {
    pub(crate) fn new(max_nodes: usize) -> Self {
        Self {
            owner: AtomicU32::new(0),
            generation: AtomicU64::new(0),
            sent: AtomicU64::new(0),
            received: AtomicU64::new(0),
            ordered: AtomicU64::new(0),
            lost: AtomicU64::new(0),
            overwritten: AtomicU64::new(0),
            filtered: AtomicU64::new(0),
            unwanted: AtomicU64::new(0),
            unordered: AtomicU64::new(0),
            position: AtomicU64::new(0),
            lag: (0..max_nodes).map(|_| LagGauge::default()).collect(),
        }
    }
}
