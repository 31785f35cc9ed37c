//! Routes (RFC 8349), the forwarding table, and how one destination fares in it.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use isthmus_ospf::view::RouteType;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::time::DateTime;

/// `/routing/ribs/{name}/routes`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Routes {
    /// In the order of their prefixes; routes to one prefix by preference.
    pub route: Vec<Route>,
}

/// A route (RFC 8349 `route`, with what RFC 9129 adds).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Route {
    /// Where to.
    #[schemars(with = "String")]
    pub destination_prefix: Ipv4Net,
    /// Who knows it.
    pub source_protocol: SourceProtocol,
    /// Preference among sources; lower wins.
    pub route_preference: u32,
    /// Whether it is the one in use for its prefix.
    pub active: bool,
    /// Cost within its source.
    pub metric: u32,
    /// OSPF's kind of path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub route_type: Option<RouteType>,
    /// OSPF's tag of external routes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tag: Option<u32>,
    /// The area that an OSPF path was found in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub area_id: Option<Ipv4Addr>,
    /// Equal next hops. Empty with a special next hop.
    pub next_hops: Vec<NextHop>,
    /// What is done instead of forwarding.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub special_next_hop: Option<SpecialNextHop>,
    /// When it last changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_updated: Option<DateTime>,
}

/// Who knows a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SourceProtocol {
    /// The network of an interface.
    Direct,
    /// By hand.
    Static,
    /// OSPF.
    Ospf,
}

impl SourceProtocol {
    /// The word in JSON and in metrics.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Static => "static",
            Self::Ospf => "ospf",
        }
    }
}

/// A next hop.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct NextHop {
    /// The interface that packets leave by.
    pub outgoing_interface: String,
    /// The router that they are handed to; absent where the destination itself is on the link.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_hop: Option<Ipv4Addr>,
}

/// What is done instead of forwarding (RFC 8349 `special-next-hop`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SpecialNextHop {
    /// Dropped without a word, and counted.
    Blackhole,
    /// Taken by the node itself.
    Receive,
}

/// `/routing/fib`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Fib {
    /// How often the table was replaced since the start.
    pub generation: u64,
    /// In the order of their prefixes.
    pub entry: Vec<FibEntry>,
}

/// What the workers do with packets to a prefix.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct FibEntry {
    /// The prefix.
    #[schemars(with = "String")]
    pub destination_prefix: Ipv4Net,
    /// Equal next hops. Empty with a special next hop.
    pub next_hops: Vec<NextHop>,
    /// What is done instead of forwarding.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub special_next_hop: Option<SpecialNextHop>,
}

/// `/routing/fib/lookup?dst=`: what the router does with a packet that it sends to the destination.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct FibLookup {
    /// The destination asked for.
    pub destination: Ipv4Addr,
    /// What becomes of the packet.
    pub verdict: LookupVerdict,
    /// The longest prefix that holds the destination.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entry: Option<FibEntry>,
    /// The route that the entry was made from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub route: Option<Route>,
    /// With `explain`: each step that led to the verdict.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub explanation: Vec<ExplainStep>,
}

/// What becomes of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum LookupVerdict {
    /// Handed to a next hop.
    Forward,
    /// Taken by the node itself.
    Local,
    /// Handed to a node by the steering table: the destination is a common address.
    Steer,
    /// Dropped by a discard route.
    Discard,
    /// Dropped, because no route holds the destination.
    NoRoute,
    /// Dropped, because no next hop of the route, or no node, can take it.
    Unreachable,
}

/// A step of an explanation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct ExplainStep {
    /// What was asked: `local-address`, `steering`, `longest-prefix`, `route`, `ospf-path`, `alternative`, `neighbor`.
    pub step: String,
    /// What came out, as a sentence.
    pub detail: String,
}
