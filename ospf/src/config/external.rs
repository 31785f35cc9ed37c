//! What an AS boundary router announces from outside OSPF.

use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

/// A route from outside OSPF, as its AS-external-LSA describes it (RFC 2328 section A.4.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct ExternalRoute {
    /// Its cost, 0 to 16777214. What is more counts as LSInfinity: nobody uses it.
    pub metric: u32,
    /// Whether the metric is of type 2: larger than any way inside the autonomous system. Else of type 1, in the same
    /// units as the cost of interfaces.
    pub e2: bool,
    /// Carried for other AS boundary routers; OSPF itself does not look at it.
    pub tag: u32,
    /// Where packets for it are to go; 0.0.0.0 for this router.
    pub forwarding_address: Ipv4Addr,
}

impl Default for ExternalRoute {
    /// Type 2, metric 20, no tag, through this router.
    fn default() -> Self {
        Self { metric: 20, e2: true, tag: 0, forwarding_address: Ipv4Addr::UNSPECIFIED }
    }
}
