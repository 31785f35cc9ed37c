//! OSPF of the whole router and of its areas.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{RawDefaultInformation, RawRedistribute, RawVirtualLink, yes};

/// OSPF of the whole router.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct RawOspf {
    /// The router's name in OSPF. Default: the node's address on the local network; without a fabric the address
    /// of the first NIC.
    pub router_id: Option<String>,
    /// Equal-cost next hops kept for a route.
    #[schemars(range(min = 1, max = 64))]
    pub maximum_paths: i64,
    /// How long the calculation of routes waits after a change (RFC 8405). What changes at this router itself waits for
    /// `initial-delay` alone.
    pub ietf_spf_delay: RawSpfDelay,
    /// Compares of the ways to the outside only the costs, and not whether they stay inside an area (RFC 2328 section
    /// 16.4.1). The same on all routers.
    pub rfc1583_compatibility: bool,
    /// This router is the edge of a provider's network: it follows no advertisement with bit DN (RFC 4576), which comes from
    /// another edge.
    pub provider_edge: bool,
    /// When other routers' traffic shall go around this one (RFC 6987).
    pub stub_router: RawStubRouter,
    /// What is done for neighbors that restart and go on forwarding meanwhile (RFC 3623).
    pub graceful_restart: RawGracefulRestart,
    /// Which routes from outside OSPF this router announces in it, as an AS boundary router.
    pub redistribute: RawRedistribute,
    /// Announces the default route in OSPF. Default: not at all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_information_originate: Option<RawDefaultInformation>,
    /// Areas with what is set for them. Areas of which nothing is set need not be listed.
    pub areas: Vec<RawArea>,
}

/// How long the calculation of routes waits after a change, in milliseconds (RFC 8405).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct RawSpfDelay {
    /// After the first change in a quiet network; 0 calculates at once.
    #[schemars(range(min = 0, max = 60000))]
    pub initial_delay: i64,
    /// After a change that follows within `time-to-learn`.
    #[schemars(range(min = 0, max = 60000))]
    pub short_delay: i64,
    /// After a change that comes later, while the network is not quiet.
    #[schemars(range(min = 0, max = 60000))]
    pub long_delay: i64,
    /// For so long after the first change others may belong to the same failure.
    #[schemars(range(min = 0, max = 60000))]
    pub time_to_learn: i64,
    /// After so long without a change the network is quiet.
    #[schemars(range(min = 0, max = 60000))]
    pub hold_down: i64,
}

/// When a router advertises its links with the largest metric, so that other routers' traffic goes around it where it can;
/// its own networks are reached as before (RFC 6987).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct RawStubRouter {
    /// As long as this is set.
    pub always: bool,
    /// Seconds after the start of the node.
    #[schemars(range(min = 0, max = 86400))]
    pub on_startup: i64,
    /// Seconds that a node which is told to stop still forwards, before it takes leave. Whoever stops it must wait longer than
    /// that before it kills the process: systemd is asked to, Kubernetes knows it by `terminationGracePeriodSeconds`. A second signal ends
    /// the wait.
    #[schemars(range(min = 0, max = 3600))]
    pub on_shutdown: i64,
}

/// What is set for an area.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct RawArea {
    /// Which area.
    pub area_id: String,
    /// Whether it takes external routes. The same on all routers of the area.
    #[serde(default)]
    pub area_type: RawAreaType,
    /// Whether this router, as a border router of a `stub-area` or `nssa-area`, announces the networks of other areas in
    /// it; with `false` only the default route. Default: `true`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub summary: Option<bool>,
    /// Cost of the default route that this router, as a border router, announces in a `stub-area` or `nssa-area`. Default: 1.
    #[schemars(range(min = 0, max = 16777214))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_cost: Option<i64>,
    /// Whether this router, as a border router of an `nssa-area` with summaries, announces a default route in it all the
    /// same. Default: `true`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_route: Option<bool>,
    /// When this router, as a border router of an `nssa-area`, translates its external routes for the other areas.
    /// Default: `candidate`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub translator_role: Option<RawTranslatorRole>,
    /// Ranges of the external routes of an `nssa-area`, which its translator condenses.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub nssa_ranges: Vec<RawNssaRange>,
    /// Its ranges, which an area border router condenses toward the other areas. Those of the cluster are added by
    /// the router itself.
    #[serde(default)]
    pub ranges: Vec<RawRange>,
    /// Virtual links of this router that lead through it. It is a normal area then, and none of them needs an interface in
    /// the backbone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub virtual_links: Vec<RawVirtualLink>,
}

/// What is done for neighbors that restart (RFC 3623).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct RawGracefulRestart {
    /// They are announced and used as before, for as long as they ask for (their grace period).
    pub helper_enabled: bool,
    /// The help ends when the topology changes: the neighbor may not know of it, and packets could go in circles.
    pub helper_strict_lsa_checking: bool,
}

impl Default for RawGracefulRestart {
    fn default() -> Self {
        Self { helper_enabled: true, helper_strict_lsa_checking: true }
    }
}

/// Whether an area takes external routes (RFC 2328 section 3.6).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RawAreaType {
    /// It takes everything.
    #[default]
    NormalArea,
    /// It takes no external routes: its border routers announce a default route instead.
    StubArea,
    /// As a stub area; but its routers may announce routes from outside in it, which its border routers translate for the
    /// other areas (RFC 3101).
    NssaArea,
}

/// When a border router translates the external routes of an `nssa-area` (RFC 3101 section 3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RawTranslatorRole {
    /// If no other border router of the area has a larger router id, or translates always.
    Candidate,
    /// Whoever else does.
    Always,
}

/// A range of the external routes of an `nssa-area` (RFC 3101 section 2.2).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct RawNssaRange {
    /// Routes inside this prefix are translated into one to it.
    pub prefix: String,
    /// `false`: they are not translated at all.
    #[serde(default = "yes")]
    pub advertise: bool,
    /// Tag of the route to the range.
    #[schemars(range(min = 0, max = 4294967295_i64))]
    #[serde(default)]
    pub tag: i64,
}

/// A range of an area (RFC 2328 section 12.4.3).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct RawRange {
    /// Networks inside this prefix are condensed into it.
    pub prefix: String,
    /// `false` hides the range and everything inside it.
    #[serde(default = "yes")]
    pub advertise: bool,
    /// A fixed cost. Default: the largest cost of the networks inside.
    #[schemars(range(min = 0, max = 16777214))]
    pub cost: Option<i64>,
}

impl Default for RawSpfDelay {
    fn default() -> Self {
        Self { initial_delay: 0, short_delay: 10, long_delay: 200, time_to_learn: 500, hold_down: 10_000 }
    }
}

impl Default for RawOspf {
    fn default() -> Self {
        Self {
            router_id: None,
            maximum_paths: 16,
            ietf_spf_delay: RawSpfDelay::default(),
            rfc1583_compatibility: false,
            provider_edge: false,
            stub_router: RawStubRouter::default(),
            graceful_restart: RawGracefulRestart::default(),
            redistribute: RawRedistribute::default(),
            default_information_originate: None,
            areas: Vec::new(),
        }
    }
}
