//! Which of several rules the calculation of routes goes by.

use serde::{Deserialize, Serialize};

/// Switches of the calculation of routes; all off by default.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct RouteRules {
    /// RFC1583Compatibility (RFC 2328 section 16.4.1): of the ways to an AS boundary router or forwarding address only the
    /// costs are compared, and not whether they stay inside an area. The same on all routers, or packets may circle.
    pub rfc1583_compatibility: bool,
    /// This router is the edge of a provider's network (RFC 4577): what carries bit DN comes from another edge, and no
    /// route follows from it (RFC 4576 section 4).
    pub provider_edge: bool,
}
