//! Broadcast and multicast: one group of nodes on one network, in which a frame that one sends reaches all the others.
//!
//! Every node owns one *group area*, in which it alone writes:
//!
//! * its **lane**: the frames that it sends, numbered from 1, in slots of fixed size, with a tail and a head;
//! * its **order ring**, in use while it is the group's *owner*: references to frames in the lanes of all sources, in the
//!   order in which all members deliver them;
//! * its **claim** to be the owner, and the claim that it follows;
//! * its **acknowledgements**: for each source, the number of the next frame that it wants.
//!
//! # Protocol
//!
//! 1. The owner's references name {position, source, incarnation, sequence, lane index}. It cannot forge the frames of others.
//! 2. A claimant takes the generation 1 + the highest that any area tells of. Readers follow the highest generation, and
//!    the lowest id among equals; an owner that sees a better claim steps down. The active node with the lowest id claims
//!    when the owner that it follows is not active; a node that others follow without its claiming claims at once. No safety
//!    rests on there being one owner only.
//! 3. A new owner sequences every lane again from its tail. It never looks at the ring of the owner before.
//!    Nor does a reader look at the order of an owner that it has closed.
//! 4. A reader keeps the next sequence of each source: it delivers exactly that, drops what is lower, and on a gap or a lap
//!    reads the lanes themselves before it counts a loss. It re-reads the words of a slot after it has copied it.
//! 5. A source retires a frame when every active member has acknowledged it; when its lane is full it overwrites the
//!    oldest frame, which is the laggard's loss and counted.
//!
//! The simulation (`simulation/`) has this as its oracle, and shows that it finds each of eight ways to get it wrong.
//!
//! The outcome: per source in order and exactly once, for live sources and readers that keep up, across any change of owner;
//! a dead source's last frames at most once; one order for all within a generation, save for readers that were lapped.
//!
//! # Distrust
//!
//! Nothing in a peer's area is believed: bounds are clamped, shapes checked, and no call does more than a bounded number of
//! steps. A hostile owner can withhold the order; members then [sweep](GroupEndpoint::sweep) the lanes and go without. A claim far
//! ahead of what any other tells is not followed, and the highest possible one is not the last. Nobody can forge, alter, double or
//! reorder another's frames.
//!
//! Sequences number lane slots, not frames: a frame that is longer than a slot takes consecutive ones.
//!
//! There is no clock in here: [`GroupEndpoint::poll_owner_duties`] and [`GroupEndpoint::receive`] are called by a worker.

mod endpoint;
mod flaw;
#[cfg(not(loom))]
mod inspection;
mod lane;
mod layout;
mod order;
mod reader;
#[cfg(not(loom))]
mod words;

pub use self::endpoint::{GroupCounters, GroupEndpoint, GroupRole, Lag, Start, next_sequence};
#[cfg(not(loom))]
pub(crate) use self::inspection::{Onlooker, contradiction};
pub use self::layout::{GroupGeometry, GroupGeometryError};
pub use self::order::Claim;
pub use self::reader::{Delivered, ReaderCounters};
#[cfg(not(loom))]
pub(crate) use self::words::{AreaWords, offset};

use crate::memory::SpanError;

/// Why a group area could not be set up or attached to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GroupError {
    /// The memory is too small or misaligned.
    #[error("group memory: {0}")]
    Span(#[from] SpanError),
    /// A node id is not below the number of nodes of the geometry.
    #[error("node {id} in a group of {nodes} nodes")]
    Node {
        /// The id.
        id: u16,
        /// The number of nodes.
        nodes: u16,
    },
    /// A node cannot be its own peer.
    #[error("node {0} cannot attach to its own group area")]
    Own(u16),
    /// The header does not begin as a group area's does.
    #[error("no group area: found magic {0:#018x}")]
    Magic(u64),
    /// The peer's area has another geometry.
    #[error("the peer's group area has the geometry {found:#018x}, expected {expected:#018x}")]
    Geometry {
        /// Hash of the peer's geometry.
        found: u64,
        /// Hash of this node's geometry.
        expected: u64,
    },
    /// The area was set up by another incarnation.
    #[error("the group area belongs to incarnation {found}, expected {expected}")]
    Incarnation {
        /// The incarnation in the header.
        found: u64,
        /// The incarnation expected.
        expected: u64,
    },
}

/// A frame was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GroupSendError {
    /// The frame holds no bytes.
    #[error("an empty frame")]
    Empty,
    /// The frame would take more than half of the lane.
    #[error("a frame of {len} bytes is longer than half of the lane ({limit} bytes)")]
    TooLong {
        /// Length of the frame.
        len: usize,
        /// The longest frame that the lane takes.
        limit: usize,
    },
}

#[cfg(all(test, not(loom)))]
#[allow(clippy::unwrap_used, reason = "a simulation fails by panicking")]
mod simulation;
#[cfg(all(test, not(loom)))]
#[allow(clippy::unwrap_used, reason = "a test helper fails by panicking")]
mod tests;
