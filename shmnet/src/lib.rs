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
//! Two rules make it work. Every 128-byte line of the segment has exactly one writer, so a crash leaves nothing half
//! done in anyone else's memory and no atomic read-modify-write between nodes is needed. And nothing that is read from a
//! peer's arena is trusted: it is loaded once, checked, then used; a hostile peer can lose its own packets and nothing
//! else.

mod config;
mod error;
mod event;
mod facts;
mod node;

pub mod group;
pub mod memory;
pub mod ring;
pub mod sync;

pub use crate::config::{Backing, NetworkParameters, Timing};
pub use crate::error::{JoinError, TransmitError};
pub use crate::event::{Event, EventKind, FailureReason};
pub use crate::facts::{Facts, SteeringEpoch};
pub use crate::node::{Cast, Network, NodeId, mac_address, node_of_mac};
