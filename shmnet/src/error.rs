//! Errors: why a node cannot join a segment, and why a frame was not taken.
//!
//! A refusal names both values of what disagrees and ends with the remedy.

use std::io;
use std::path::PathBuf;

use crate::node::{Network, NodeId};

/// Why a node could not join the segment.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JoinError {
    /// Another live process has this node's id.
    #[error(
        "node id {node} is in use by process {pid} on {hostname} (incarnation {incarnation}); \
         stop it, choose another node id, or let this one take its place (takeover)"
    )]
    IdInUse {
        /// The id.
        node: NodeId,
        /// The holder's process id, as the holder sees it.
        pid: u32,
        /// The holder's host name.
        hostname: String,
        /// The holder's incarnation.
        incarnation: u64,
    },
    /// The holder of this id cannot be replaced on this backing.
    #[error(
        "node id {node} is held by process {pid} and cannot be taken over: inherited memory keeps one \
         arena per id for good; end that process first"
    )]
    TakeoverImpossible {
        /// The id.
        node: NodeId,
        /// The holder's process id.
        pid: u32,
    },
    /// A live peer runs another version of the segment's layout.
    #[error(
        "node {peer} uses segment layout {theirs}, this program uses {ours}; run the same version on all nodes"
    )]
    AbiMismatch {
        /// The peer.
        peer: NodeId,
        /// Our version.
        ours: u32,
        /// The peer's version.
        theirs: u32,
    },
    /// A live peer has other sizes of rings, buffers or tables.
    #[error(
        "node {peer} has {field} {theirs}, this node has {ours}; give all nodes of the segment the same geometry"
    )]
    GeometryMismatch {
        /// The peer.
        peer: NodeId,
        /// The value that differs.
        field: &'static str,
        /// Our value.
        ours: u64,
        /// The peer's value.
        theirs: u64,
    },
    /// A live peer's writes reach the others in another way.
    #[error(
        "node {peer} has coherence {theirs}, this node has {ours}; give all nodes of the segment the same value"
    )]
    CoherenceMismatch {
        /// The peer.
        peer: NodeId,
        /// Our value.
        ours: &'static str,
        /// The peer's value.
        theirs: &'static str,
    },
    /// A live peer has another area, timer, cost or prefix on a network.
    #[error(
        "node {peer} has {field} {theirs} on the {network}, this node has {ours}; \
         give all nodes of the segment the same value"
    )]
    ParametersMismatch {
        /// The network.
        network: Network,
        /// The parameter that differs, by its name in the configuration.
        field: &'static str,
        /// Our value.
        ours: String,
        /// The peer's value.
        theirs: String,
        /// The peer.
        peer: NodeId,
    },
    /// The backing memory has too little room.
    #[error("{place} has {free} bytes free and the arena needs {needed}; enlarge it or remove what fills it")]
    NoRoom {
        /// The backing.
        place: String,
        /// Bytes that the arena needs at once.
        needed: u64,
        /// Bytes that are free.
        free: u64,
    },
    /// Another process claims this node's id at the same moment.
    #[error(
        "node id {node} is claimed by another process at this moment; choose another node id, or try again"
    )]
    IdClaimed {
        /// The id.
        node: NodeId,
    },
    /// The memory of a region cannot be used.
    #[error("{place}: {reason}; {remedy}")]
    Region {
        /// The file or device.
        place: String,
        /// What is wrong with it.
        reason: String,
        /// What to do.
        remedy: &'static str,
    },
    /// The memory is divided into arenas that are too small.
    #[error(
        "{place} gives each node {room} bytes and an arena needs {needed}; enlarge the memory or lower max-nodes"
    )]
    ArenaTooSmall {
        /// The backing.
        place: String,
        /// Bytes that the arena needs at once.
        needed: u64,
        /// Bytes that each arena has.
        room: u64,
    },
    /// The budget is less than a node needs to begin.
    #[error("a budget of {budget} bytes is less than the {needed} bytes that an arena needs; raise it")]
    BudgetTooSmall {
        /// The configured budget.
        budget: u64,
        /// The least that works.
        needed: u64,
    },
    /// The node id does not fit the segment.
    #[error(
        "node id {node} is above max-nodes {max_nodes}; raise max-nodes on all nodes or choose a lower id"
    )]
    IdOutOfRange {
        /// The id.
        node: NodeId,
        /// The configured number of nodes.
        max_nodes: u16,
    },
    /// A configured value is unusable.
    #[error("{field} {value} is out of range ({allowed})")]
    BadValue {
        /// Its name in the configuration.
        field: &'static str,
        /// The value.
        value: String,
        /// What is allowed.
        allowed: &'static str,
    },
    /// The segment directory cannot be used.
    #[error("segment directory {}: {error}; it must exist and be writable by this user", path.display())]
    Directory {
        /// The directory.
        path: PathBuf,
        /// What the kernel said.
        error: io::Error,
    },
    /// There are too few huge pages.
    #[error("{place} has {free} huge pages of {page} free and {needed} are needed; {remedy}")]
    NoHugePages {
        /// The backing.
        place: String,
        /// Pages that the arena needs at once.
        needed: u64,
        /// Pages that are free.
        free: u64,
        /// The size of one, in words.
        page: String,
        /// What to do.
        remedy: &'static str,
    },
    /// The program was built without a facility.
    #[error("this program was built without {what}; build it with `--features {feature}`")]
    NotBuilt {
        /// The facility.
        what: &'static str,
        /// The cargo feature that it takes.
        feature: &'static str,
    },
    /// The inherited memory has no file for a node.
    #[error("no inherited memory for node {node}; the parent must pass one file per node id")]
    NotInherited {
        /// The node.
        node: NodeId,
    },
    /// A previous incarnation on the same memory is still open at a live peer.
    #[error("node {peer} has not yet closed incarnation {incarnation} of this node; try again")]
    StillOpen {
        /// The peer.
        peer: NodeId,
        /// The incarnation that it holds open.
        incarnation: u64,
    },
    /// A system call failed.
    #[error("{what}: {error}")]
    System {
        /// What was being done.
        what: &'static str,
        /// What the kernel said.
        error: io::Error,
    },
}

impl JoinError {
    /// For `map_err` at a system call.
    pub(crate) fn system<E: Into<io::Error>>(what: &'static str) -> impl FnOnce(E) -> Self {
        move |error| Self::System { what, error: error.into() }
    }
}

/// Why a frame was not taken for transmission; each is a counted drop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum TransmitError {
    /// There is no such node, or no ring to it yet.
    #[error("no such node")]
    NoSuchNode,
    /// The ring to the node is full.
    #[error("ring full")]
    RingFull,
    /// A multicast frame that no other member takes.
    #[error("no member takes this multicast address")]
    NoListener,
    /// The frame is longer than the ring or the group's slots carry.
    #[error("frame too long")]
    TooLong,
    /// The frame is empty.
    #[error("empty frame")]
    Empty,
    /// The offload metadata points outside of the frame or is of an unknown kind.
    #[error("metadata does not fit the frame")]
    BadMetadata,
    /// The node broke the rules of the ring; it is being closed.
    #[error("ring quarantined")]
    Quarantined,
    /// A broadcast or multicast frame on another queue than the first, which alone carries them.
    #[error("broadcast and multicast frames go by queue 0")]
    NoGroupQueue,
    /// This node is not a member at the moment: peers closed it and it has not yet rejoined.
    #[error("not a member of the segment")]
    NotMember,
}

impl TransmitError {
    /// A short name for metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::NoSuchNode => "no-such-node",
            Self::RingFull => "ring-full",
            Self::NoListener => "multicast-no-listener",
            Self::TooLong => "too-long",
            Self::Empty => "empty",
            Self::BadMetadata => "bad-metadata",
            Self::Quarantined => "quarantined",
            Self::NoGroupQueue => "no-group-queue",
            Self::NotMember => "not-member",
        }
    }
}
