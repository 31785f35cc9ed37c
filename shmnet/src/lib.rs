//! A packet fabric in shared memory.
//!
//! Every node of a segment owns one *arena*, a piece of shared memory that it alone writes and all others only
//! read. Rings in the arenas carry Ethernet frames between nodes on two networks, the LSM and the GSM.
//!
//! ```text
//!              Fabric, Endpoint                 fabric/     the API: join, send, receive, look, leave
//!        ______|______________|_____
//!   membership/               ring/ group/      who is there; frames of a pair; broadcast and multicast
//!    |      |     |               |
//! liveness/ doorbell/ facility/   |             death and lateness; waking; where the memory comes from
//!    |______|_____|_______________|
//!          layout/ memory/ sync                 what is where in an arena; checked access; atomics or their model
//! ```
//!
//! [`inspect`] reads a segment without being in it.
//!
//! Two rules make it work. Every 128-byte line of the segment has exactly one writer, so a crash leaves nothing half
//! done in anyone else's memory and no atomic read-modify-write between nodes is needed. And nothing that is read from a
//! peer's arena is trusted: it is loaded once, checked, then used; a hostile peer can lose its own packets and nothing
//! else.

pub mod group;
pub mod memory;
pub mod ring;
pub mod sync;

// The model checker sees only the protocols between nodes; the rest needs the operating system.
#[cfg(not(loom))]
mod channel;
#[cfg(not(loom))]
mod config;
#[cfg(any(not(loom), test))]
mod doorbell;
#[cfg(not(loom))]
mod error;
#[cfg(not(loom))]
mod event;
#[cfg(not(loom))]
mod fabric;
#[cfg(not(loom))]
mod facility;
#[cfg(not(loom))]
mod facts;
#[cfg(not(loom))]
pub mod format;
#[cfg(fuzzing)]
pub mod fuzzing;
#[cfg(not(loom))]
pub mod inspect;
#[cfg(not(loom))]
mod layout;
#[cfg(not(loom))]
mod liveness;
#[cfg(not(loom))]
mod membership;
#[cfg(not(loom))]
mod multicast;
#[cfg(not(loom))]
mod node;
#[cfg(not(loom))]
mod quarantine;
#[cfg(not(loom))]
mod sigbus;

#[cfg(not(loom))]
pub use crate::config::{
    BackOff, Backing, CoherenceMode, DEFAULT_GEOMETRY, DEFAULT_WINDOW, FabricConfig, HugePageSize,
    MAX_QUEUES, MAX_RING_SLOTS, MappingCost, NetworkParameters, ReflectedMemory, Region, Timing,
};
#[cfg(not(loom))]
pub use crate::error::{JoinError, TransmitError};
#[cfg(not(loom))]
pub use crate::event::{Event, EventKind, FailureReason};
#[cfg(not(loom))]
pub use crate::fabric::Fabric;
#[cfg(not(loom))]
pub use crate::fabric::endpoint::{Destination, Endpoint};
#[cfg(not(loom))]
pub use crate::fabric::reservation::FrameReservation;
#[cfg(not(loom))]
pub use crate::fabric::sink::{FrameSink, Received};
#[cfg(not(loom))]
pub use crate::fabric::snapshot::{
    BellSnapshot, DoorbellKind, DoorbellSnapshot, GroupLag, GroupSnapshot, NodeSnapshot, RingSnapshot,
    Snapshot,
};
#[cfg(not(loom))]
pub use crate::facts::{Facts, SteeringEpoch};
#[cfg(not(loom))]
pub use crate::layout::ABI_VERSION;
#[cfg(not(loom))]
pub use crate::membership::active::{ActiveNode, ActiveNodes, NodeState};
#[cfg(not(loom))]
pub use crate::membership::room::arena_bytes;
#[cfg(not(loom))]
pub use crate::multicast::MulticastFilter;
#[cfg(not(loom))]
pub use crate::node::{Cast, Network, NodeId, mac_address, node_of_mac};
#[cfg(not(loom))]
pub use crate::quarantine::{Quarantine, QuarantineCause};
#[cfg(not(loom))]
pub use crate::ring::{CopyRoutine, Geometry, Metadata};
