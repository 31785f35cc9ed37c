//! Virtual links of an area.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{RawAuthentication, RawInterfaceOspf};

/// A virtual link through an area (RFC 2328 section 15): joins the backbone with the area border router at its other end, which
/// is told the same of this router.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct RawVirtualLink {
    /// The router id of the other end.
    pub router_id: String,
    /// Seconds between hellos.
    #[serde(default = "hello_interval")]
    #[schemars(range(min = 1, max = 65535))]
    pub hello_interval: i64,
    /// Seconds without a hello after which the other end is down; more than `hello-interval`.
    #[serde(default = "dead_interval")]
    #[schemars(range(min = 2, max = 65535))]
    pub dead_interval: i64,
    /// Seconds between retransmissions: more than a packet takes there and back.
    #[serde(default = "retransmit_interval")]
    #[schemars(range(min = 1, max = 3600))]
    pub retransmit_interval: i64,
    /// Seconds added to the age of an advertisement that is sent here.
    #[serde(default = "transmit_delay")]
    #[schemars(range(min = 1, max = 3600))]
    pub transmit_delay: i64,
    /// How packets prove where they come from.
    #[serde(default)]
    pub authentication: RawAuthentication,
}

fn hello_interval() -> i64 {
    RawInterfaceOspf::default().hello_interval
}

fn dead_interval() -> i64 {
    RawInterfaceOspf::default().dead_interval
}

fn retransmit_interval() -> i64 {
    RawInterfaceOspf::default().retransmit_interval
}

fn transmit_delay() -> i64 {
    RawInterfaceOspf::default().transmit_delay
}
