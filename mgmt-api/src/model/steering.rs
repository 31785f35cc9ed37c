//! Who serves the common address.

use std::net::Ipv4Addr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::time::DateTime;

/// `/steering`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Steering {
    /// The addresses to which all nodes answer.
    pub common_address: Vec<Ipv4Addr>,
    /// The epoch in force on this node.
    pub epoch: u64,
    /// Slots of the table.
    pub slots: u32,
    /// The nodes that take flows, in the order of their ids.
    pub member: Vec<SteeringMember>,
    /// Packets to a common address that were dropped because no node takes flows.
    pub no_active_node: u64,
    /// Earlier epochs that are still known, the newest first.
    pub history: Vec<SteeringEpoch>,
}

/// A node that takes flows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct SteeringMember {
    /// The node.
    pub node_id: u16,
    /// Its weight.
    pub weight: u32,
    /// Slots of the table that name it.
    pub slots: u32,
    /// Its part of all slots, 0 to 1.
    pub share: f64,
    /// Packets that this node has steered to it, itself included.
    pub steered_packets: u64,
    /// Octets of them.
    pub steered_octets: u64,
}

/// A table that was in force.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct SteeringEpoch {
    /// Its number.
    pub epoch: u64,
    /// Who was in it.
    pub member: Vec<u16>,
    /// When this node adopted it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<DateTime>,
}
