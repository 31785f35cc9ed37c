//! The instance, its areas, and the log of route calculations.

use std::collections::BTreeMap;

use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};

use crate::types::{AreaId, Instant, RouterId};

use super::database::LsaIdView;
use super::yang_enum;

/// The instance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub struct InstanceView {
    /// This router's name in the autonomous system.
    pub router_id: RouterId,
    /// Whether this router is attached to more than one area, and announces so.
    pub area_border_router: bool,
    /// Whether this router announces external destinations.
    pub as_boundary_router: bool,
    /// Whether its links are advertised with MaxLinkMetric (RFC 6987).
    pub stub_router: bool,
    /// Number of areas.
    pub area_count: u32,
    /// Number of interfaces, passive ones included.
    pub interface_count: u32,
    /// Number of neighbors in any state.
    pub neighbor_count: u32,
    /// Number of neighbors in state full.
    pub adjacency_count: u32,
    /// Largest number of equal-cost next hops of a route (`spf-control/paths`).
    pub paths: u32,
    /// Route calculation.
    pub spf: SpfView,
    /// Counters.
    pub statistics: InstanceStatisticsView,
}

/// The state of the route calculation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub struct SpfView {
    /// Calculations so far.
    pub spf_runs_count: u64,
    /// When the last one ran, in microseconds of the engine's time; absent before the first.
    pub last_run: Option<Instant>,
    /// When the next one is due, in microseconds of the engine's time; absent if none is.
    pub next_run: Option<Instant>,
    /// State of the back-off (`ietf-spf-delay/current-state`).
    pub current_state: SpfDelayState,
}

/// State of the SPF back-off algorithm (RFC 8405 section 5.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum SpfDelayState {
    /// No change for a while.
    #[default]
    Quiet,
    /// Changes that may belong to one failure.
    ShortWait,
    /// Changes do not end.
    LongWait,
}

/// Counters of the instance.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub struct InstanceStatisticsView {
    /// Instances of advertisements that this router has originated.
    pub originate_new_lsa_count: u64,
    /// New instances of advertisements received from others.
    pub rx_new_lsas_count: u64,
    /// The same by the name of their type, see [`super::lsa_type_name`].
    #[serde(default)]
    pub rx_new_lsas: BTreeMap<String, u64>,
    /// AS-scope advertisements in the database.
    pub as_scope_lsa_count: u32,
    /// Sum of their checksums.
    pub as_scope_lsa_cksum_sum: u32,
}

/// An area.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub struct AreaView {
    /// The area.
    pub area_id: AreaId,
    /// `normal-area`, `stub-area` or `nssa-area`.
    pub area_type: String,
    /// Whether its border routers announce the networks of other areas into it; absent for a normal area.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub summary: Option<bool>,
    /// What a border router announces the default route into it with; absent where it announces none.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub default_cost: Option<u32>,
    /// Whether this router translates the type 7 advertisements of a not-so-stubby area; absent for other areas.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub nssa_translator: Option<bool>,
    /// Interfaces in the area.
    pub interface_count: u32,
    /// Interfaces in the area that are up.
    pub active_interface_count: u32,
    /// Neighbors in the area in state full.
    pub adjacency_count: u32,
    /// Address ranges.
    pub ranges: Vec<RangeView>,
    /// Counters.
    pub statistics: AreaStatisticsView,
}

/// An address range of an area.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub struct RangeView {
    /// The range.
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    pub prefix: Ipv4Net,
    /// Whether it is announced to other areas; hidden if not.
    pub advertise: bool,
    /// Its fixed cost; absent if it follows its components.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub cost: Option<u32>,
    /// Whether a network inside it is reachable.
    pub active: bool,
}

/// Counters of an area.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub struct AreaStatisticsView {
    /// Shortest path tree calculations of the area.
    pub spf_runs_count: u64,
    /// Reachable area border routers.
    pub abr_count: u32,
    /// Reachable AS boundary routers.
    pub asbr_count: u32,
    /// Advertisements in the area's database.
    pub area_scope_lsa_count: u32,
    /// Sum of their checksums.
    pub area_scope_lsa_cksum_sum: u32,
}

yang_enum! {
    /// How much a route calculation recalculated.
    pub enum SpfType {
        /// Shortest path trees and everything after them.
        Full = 1 "full",
        /// Intra-area routes.
        Intra = 2 "intra",
        /// Inter-area routes.
        Inter = 3 "inter",
        /// External routes.
        External = 4 "external",
    }
}

yang_enum! {
    /// Why an instance of an advertisement came to the database (`lsa-log-reason`).
    pub enum LsaLogReason {
        /// It says what the one before said.
        Refresh = 1 "lsa-refresh",
        /// It says something else, or is the first.
        ContentChange = 2 "lsa-content-change",
        /// It is on its way out, at MaxAge.
        Purge = 3 "lsa-purge",
    }
}

/// An instance of an advertisement that came to the database.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub struct LsaLogView {
    /// Grows by one with each entry.
    pub id: u32,
    /// Which one.
    pub lsa: LsaIdView,
    /// When it was received, or made here, in microseconds of the engine's time.
    pub received_timestamp: Instant,
    /// Why it came.
    pub reason: LsaLogReason,
}

/// One calculation of routes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub struct SpfLogView {
    /// Grows by one with each entry.
    pub id: u32,
    /// What was recalculated.
    pub spf_type: SpfType,
    /// When it was asked for, in microseconds of the engine's time.
    pub schedule_timestamp: Instant,
    /// When it started, in microseconds of the engine's time.
    pub start_timestamp: Instant,
    /// When it ended, in microseconds of the engine's time.
    pub end_timestamp: Instant,
    /// Advertisements whose change asked for it.
    pub trigger_lsa: Vec<LsaIdView>,
}
