//! `segment: {facility: distributed, ...}`: memory between hosts that share none.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Memory that is carried between hosts by libfabric.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct RawReflected {
    /// Where the memory comes from.
    pub facility: RawReflectedFacility,
    /// The libfabric provider: `tcp` anywhere, `verbs` with RDMA hardware.
    #[serde(default = "tcp")]
    pub provider: String,
    /// Address and port of this host that the other nodes call, and whose network the data goes by: `10.0.0.1:7471`.
    pub listen: String,
    /// Where the other nodes listen, by node id. This node may be among them, so that all hosts can have the same list.
    pub peers: BTreeMap<String, String>,
    /// Bytes of the window that each peer writes to: a power of two. Twice as much is taken for each peer.
    #[serde(default = "window")]
    #[schemars(range(min = 262_144, max = 67_108_864))]
    pub window: i64,
}

/// The one facility that this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RawReflectedFacility {
    /// Each host has a copy of each node's memory.
    Distributed,
}

pub(super) fn tcp() -> String {
    "tcp".to_owned()
}

pub(super) fn window() -> i64 {
    4 << 20
}
