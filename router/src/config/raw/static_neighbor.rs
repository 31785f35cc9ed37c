//! Routers on a network without multicast.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A router on a network without multicast (RFC 2328 appendices C.5 and C.6).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct RawStaticNeighbor {
    /// Its address on the network.
    pub identifier: String,
    /// Its router priority, as it is set there: 0 is asked by designated routers only. Without meaning on a
    /// point-to-multipoint network.
    #[serde(default = "priority")]
    #[schemars(range(min = 0, max = 255))]
    pub priority: i64,
    /// Seconds between hellos to it while it is down. On a point-to-multipoint network `hello-interval` counts.
    #[serde(default = "poll_interval")]
    #[schemars(range(min = 1, max = 65535))]
    pub poll_interval: i64,
}

fn priority() -> i64 {
    1
}

fn poll_interval() -> i64 {
    120
}
