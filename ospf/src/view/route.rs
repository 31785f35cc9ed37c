//! The local RIB and the routers that lead out of an area.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};

use crate::types::{AreaId, RouterId};

use super::yang_enum;

yang_enum! {
    /// How a destination is reached (`route-type`), from the most preferred to the least.
    pub enum RouteType {
        /// Inside an attached area.
        IntraArea = 1 "intra-area",
        /// In another area.
        InterArea = 2 "inter-area",
        /// Outside, with a metric that adds up with the cost of the way.
        External1 = 3 "external-1",
        /// Outside, with a metric that outweighs the cost of the way.
        External2 = 4 "external-2",
        /// Nowhere: what an announced address range does not reach is discarded (RFC 2328 section 12.4.3).
        Discard = 5 "discard",
        /// Outside through a not-so-stubby area, with a metric that adds up with the cost of the way.
        Nssa1 = 6 "nssa-1",
        /// Outside through a not-so-stubby area, with a metric that outweighs the cost of the way.
        Nssa2 = 7 "nssa-2",
    }
}

/// A route to a network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub struct RouteView {
    /// The destination.
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    pub prefix: Ipv4Net,
    /// Where packets go; empty for discard routes.
    pub next_hops: Vec<NextHopView>,
    /// Cost: that of the way, or of a type 2 external route its own.
    pub metric: u32,
    /// How it is reached.
    pub route_type: RouteType,
    /// The area that it was learnt through; absent for external routes, unless they are of a not-so-stubby area.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub area_id: Option<AreaId>,
    /// Tag of an external route, else 0.
    pub route_tag: u32,
}

/// One of the equal ways to a destination.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub struct NextHopView {
    /// Name of the interface.
    pub outgoing_interface: String,
    /// Address of the next router; absent if the destination is connected.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub next_hop: Option<Ipv4Addr>,
    /// The next router; absent if the destination is connected.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub neighbor_router_id: Option<RouterId>,
}

/// An area border router or AS boundary router, reachable through an area.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub struct BorderRouterView {
    /// The router.
    pub router_id: RouterId,
    /// Whether it is an area border router.
    pub abr: bool,
    /// Whether it is an AS boundary router.
    pub asbr: bool,
    /// `intra-area` or `inter-area`.
    pub route_type: RouteType,
    /// The area that it is reached through.
    pub area_id: AreaId,
    /// Cost of the way.
    pub metric: u32,
    /// Where packets for it go.
    pub next_hops: Vec<NextHopView>,
}
