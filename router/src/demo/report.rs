//! What the demo found out, as one JSON document.

use serde::Serialize;

/// The document that `isthmus demo --json` prints.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Report {
    /// The nodes of the cluster.
    pub nodes: Vec<NodeReport>,
    /// OSPF adjacencies in state Full, each counted once at each end, over the cluster and the outside router.
    pub adjacencies_full: u32,
    /// Nodes that are area border routers, as the outside router sees them.
    pub abrs: Vec<u8>,
    /// The node without a NIC reached the outside host.
    pub ping_ok: bool,
    /// The node that served each connection from outside to the common address.
    pub common_address_served_by: Vec<u8>,
    /// Payload from node to node over the memory, in Gbit/s, as received, with datagrams of 8900 bytes.
    pub throughput_gbps: f64,
    /// Packets from node to node over the memory, in millions a second, as received, with datagrams of 64 bytes.
    pub throughput_mpps: f64,
    /// The longest time without an answer from the node without a NIC at the outside host, while the border
    /// router that carried the traffic was killed, in milliseconds.
    pub failover_interruption_ms: f64,
    /// Every step held.
    pub ok: bool,
}

/// One node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct NodeReport {
    /// Its id.
    pub id: u8,
    /// Its process.
    pub pid: u32,
    /// Where its REST API listens.
    pub api: String,
}
