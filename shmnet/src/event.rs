//! Events: what membership saw, in order, for logs and for those who react to it.

use std::time::SystemTime;

use crate::node::{Cast, Network, NodeId};
use crate::quarantine::QuarantineCause;

/// Something that happened to a node of the segment, as this node saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Counts this node's events from 1 without a gap.
    pub number: u64,
    /// The wall-clock time at which it was seen.
    pub at: SystemTime,
    /// The node that it happened to.
    pub node: NodeId,
    /// That node's incarnation.
    pub incarnation: u64,
    /// What happened.
    pub kind: EventKind,
}

/// What can happen to a node.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EventKind {
    /// The node's arena was found or its announcement received.
    Announced,
    /// This node attached to the ring that the node allocated for it.
    Connected {
        /// The network of the ring.
        network: Network,
        /// Its queue, from 0.
        queue: u8,
    },
    /// This node allocated its ring for the node, or replaced it by a larger one.
    Allocated {
        /// The network of the ring.
        network: Network,
        /// 1 for the first ring of the pair of incarnations, and one more for each replacement.
        epoch: u32,
        /// The size of the ring in bytes.
        bytes: u64,
        /// Its queue, from 0.
        queue: u8,
    },
    /// The node's heartbeat is late: packets are steered away from it, nothing is closed.
    Suspected,
    /// A suspected node's heartbeat is back.
    Recovered,
    /// The node is dead; its incarnation is closed and never read again.
    Failed {
        /// How it was found.
        reason: FailureReason,
    },
    /// What the node wrote cannot be: its incarnation is not believed any more, and fails at once.
    Quarantined {
        /// The kind of evidence.
        cause: QuarantineCause,
        /// What exactly was found.
        why: String,
    },
    /// The node left by its own will.
    Left,
    /// The node published other facts.
    FactsChanged,
    /// Another node owns a broadcast or multicast ring.
    OwnerChanged {
        /// The network of the ring.
        network: Network,
        /// Broadcast or multicast.
        cast: Cast,
        /// The generation of the new owner's claim.
        generation: u64,
    },
    /// The node cannot be met: its arena contradicts ours or itself.
    Refused {
        /// What is wrong with it, both values included.
        why: String,
    },
    /// Peers closed this node's own incarnation, since it was late, or as they say; it rejoins.
    SelfClosed {
        /// The peer whose arena says so.
        by: NodeId,
    },
    /// This node is a member again, under its next incarnation.
    Rejoined,
    /// This node could not become a member again; it has left the segment for good.
    RejoinFailed {
        /// Why.
        why: String,
    },
}

/// How a failure was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureReason {
    /// The kernel marked the node's liveness word at its death.
    ProcessDeath,
    /// No heartbeat for the failure timeout.
    HeartbeatLost,
    /// The node hung up: its doorbell connection, and its liveness word is free; or, over reflected memory, the connection of its session.
    HungUp,
    /// A newer incarnation of the same node took its place.
    Replaced,
    /// Its memory could not be read, or it broke the protocol.
    Quarantined,
    /// It has closed this node's incarnation, though this node was not silent.
    ClosedUs,
}

impl FailureReason {
    /// A short name for metrics and tables.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ProcessDeath => "process-death",
            Self::HeartbeatLost => "heartbeat-lost",
            Self::HungUp => "hung-up",
            Self::Replaced => "replaced",
            Self::Quarantined => "quarantined",
            Self::ClosedUs => "closed-us",
        }
    }
}
