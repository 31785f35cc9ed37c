//! Interfaces (RFC 8343), their addresses and their neighbors (RFC 8344).

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::time::DateTime;

/// `/interfaces`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Interfaces {
    /// In the order of the router's interface numbers.
    pub interface: Vec<Interface>,
}

/// `/interfaces/{name}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Interface {
    /// Its name, unique in the router.
    pub name: String,
    /// What it is.
    #[serde(rename = "type")]
    pub interface_type: InterfaceType,
    /// How frames get in and out: `shm`, `packet`, `tap`, `socket`.
    pub driver: String,
    /// What the configuration, or a change at run time, asks for.
    pub enabled: bool,
    /// What is in force.
    pub admin_status: AdminStatus,
    /// Whether packets pass.
    pub oper_status: OperStatus,
    /// When `oper-status` last changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_change: Option<DateTime>,
    /// Its Ethernet address, `02:00:00:00:00:01`.
    pub phys_address: String,
    /// The largest IP datagram, in octets.
    pub mtu: u32,
    /// The router's addresses on it.
    pub address: Vec<InterfaceAddress>,
    /// What passed and what did not.
    pub statistics: InterfaceStatistics,
}

/// What an interface is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum InterfaceType {
    /// The local shared-memory network.
    Lsm,
    /// The global shared-memory network.
    Gsm,
    /// A NIC to the outside.
    Ethernet,
    /// The device by which the node's kernel takes part in a shared-memory network.
    Kernel,
}

impl InterfaceType {
    /// The word in JSON and in metrics.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Lsm => "lsm",
            Self::Gsm => "gsm",
            Self::Ethernet => "ethernet",
            Self::Kernel => "kernel",
        }
    }
}

/// RFC 8343 `admin-status`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum AdminStatus {
    /// Asked to pass packets.
    Up,
    /// Asked not to.
    Down,
}

/// RFC 8343 `oper-status`, as far as the router has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum OperStatus {
    /// Passes packets.
    Up,
    /// Does not, because it was told not to.
    Down,
    /// Does not, because the medium below has no carrier.
    LowerLayerDown,
    /// Does not, because the device is gone.
    NotPresent,
}

/// An address on an interface (RFC 8344 `ipv4/address`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct InterfaceAddress {
    /// The address.
    pub ip: Ipv4Addr,
    /// The length of its network's prefix.
    pub prefix_length: u8,
    /// Who answers for it.
    pub owner: AddressOwner,
}

/// Who answers for an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum AddressOwner {
    /// The router's embedded stack.
    Router,
    /// The node's kernel.
    Kernel,
    /// All nodes: a common address.
    Common,
}

/// `/interfaces/{name}/statistics` (RFC 8343 `statistics`), with the drops by their reason.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", default)]
pub struct InterfaceStatistics {
    /// When the counters were zero.
    pub discontinuity_time: DateTime,
    /// Octets received, Ethernet header included.
    pub in_octets: u64,
    /// Packets received for one receiver.
    pub in_unicast_pkts: u64,
    /// Packets received for all.
    pub in_broadcast_pkts: u64,
    /// Packets received for a group.
    pub in_multicast_pkts: u64,
    /// Packets received without error, and dropped.
    pub in_discards: u64,
    /// Packets received damaged.
    pub in_errors: u64,
    /// Octets sent.
    pub out_octets: u64,
    /// Packets sent to one receiver.
    pub out_unicast_pkts: u64,
    /// Packets sent to all.
    pub out_broadcast_pkts: u64,
    /// Packets sent to a group.
    pub out_multicast_pkts: u64,
    /// Packets to be sent, and dropped.
    pub out_discards: u64,
    /// Packets that the medium refused.
    pub out_errors: u64,
    /// All drops on the interface by reason; reasons that did not occur may be absent.
    pub drops: BTreeMap<String, u64>,
}

/// The part of a merge patch for `/interfaces/{name}` that takes an interface up or down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct InterfacePatch {
    /// Whether the interface passes packets.
    pub enabled: bool,
}

/// `/interfaces/{name}/neighbors`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Neighbors {
    /// In the order of their addresses.
    pub neighbor: Vec<Neighbor>,
}

/// A station on the link (RFC 8344 `neighbor`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Neighbor {
    /// Its address.
    pub ip: Ipv4Addr,
    /// Its Ethernet address, once known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link_layer_address: Option<String>,
    /// The interface.
    pub interface: String,
    /// How it came to be known.
    pub origin: NeighborOrigin,
    /// Whether the Ethernet address can be used.
    pub state: NeighborState,
    /// Seconds since it was last confirmed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub age: Option<f64>,
}

/// How a neighbor came to be known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum NeighborOrigin {
    /// By hand.
    Static,
    /// By ARP.
    Dynamic,
    /// By the membership of the fabric.
    Fabric,
}

/// Whether a neighbor's Ethernet address can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum NeighborState {
    /// Asked for, not answered yet.
    Incomplete,
    /// Known, and confirmed lately.
    Reachable,
    /// Known, and due for confirmation.
    Stale,
    /// Asked for in vain.
    Failed,
}

impl NeighborState {
    /// The word in JSON and in metrics.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Incomplete => "incomplete",
            Self::Reachable => "reachable",
            Self::Stale => "stale",
            Self::Failed => "failed",
        }
    }
}
