//! Configuration: what a node brings to a segment, and what it wants of it.

use std::net::Ipv4Addr;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::time::Duration;

use crate::node::NodeId;

/// Where the shared memory is.
#[derive(Debug)]
pub enum Backing {
    /// A directory, best on a memory-backed file system; one arena file per node.
    Directory(PathBuf),
    /// Files passed by a parent process, one per node id that may join.
    Inherited {
        /// One file per node, usually a memfd; each is read and written by its node and read by all.
        arenas: Vec<(NodeId, OwnedFd)>,
        /// Distinguishes this segment from others in the names of its doorbell sockets.
        name: String,
    },
}

/// How soon a silent node is noticed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// The time between two heartbeats.
    pub heartbeat: Duration,
    /// Silence after which packets are steered away from a node; reversible.
    pub suspect: Duration,
    /// Silence after which a node is dead and its incarnation closed.
    pub failed: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            heartbeat: Duration::from_millis(10),
            suspect: Duration::from_millis(20),
            failed: Duration::from_millis(100),
        }
    }
}

/// What all nodes must agree on for a network, so that OSPF forms adjacencies on it.
///
/// It is published in every arena; a joiner that disagrees with a live peer is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NetworkParameters {
    /// OSPF area of the network.
    pub area_id: u32,
    /// OSPF network type, as the number that the engine uses for it.
    pub network_type: u8,
    /// OSPF hello interval in seconds.
    pub hello_interval: u16,
    /// OSPF dead interval in seconds.
    pub dead_interval: u32,
    /// OSPF cost of the network.
    pub cost: u16,
    /// Largest IP packet in bytes.
    pub mtu: u16,
    /// The network's prefix, from which its nodes have their addresses.
    pub prefix: Ipv4Addr,
    /// Length of the prefix in bits.
    pub prefix_len: u8,
}
