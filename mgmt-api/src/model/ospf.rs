//! OSPF: the engine's views (RFC 9129), gathered into resources.

use isthmus_ospf::types::AreaId;
use isthmus_ospf::view::{
    AreaView, BorderRouterView, DatabaseEntryView, InstanceView, InterfaceView, LsaIdView, LsaLogReason,
    LsaLogView, NeighborView, RouteView, SpfLogView, SpfType, WhatIfView,
};
use isthmus_ospf::what_if::Change;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use std::net::Ipv4Addr;

use super::histogram::Histogram;
use super::time::DateTime;

/// All of the engine but its database, at one moment: what the node hands over, and what most resources under `/ospf`
/// are parts of.
#[derive(Clone, Debug)]
pub struct OspfSnapshot {
    /// The instance.
    pub instance: InstanceView,
    /// Its areas.
    pub areas: Vec<AreaView>,
    /// The interfaces of all areas.
    pub interfaces: Vec<InterfaceView>,
    /// The neighbors on all interfaces.
    pub neighbors: Vec<NeighborView>,
    /// OSPF's own routes.
    pub local_rib: Vec<RouteView>,
    /// Reachable border routers.
    pub border_routers: Vec<BorderRouterView>,
    /// The calculations that are still remembered, the oldest first.
    pub spf_log: Vec<SpfLogView>,
    /// The instances of advertisements that are still remembered, the oldest first.
    pub lsa_log: Vec<LsaLogView>,
    /// How long calculations took, measured outside the engine, which has no clock.
    pub spf_durations: Histogram,
    /// The moment that is zero in the engine's time.
    pub time_origin: DateTime,
}

/// `/ospf`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Ospf {
    /// The instance.
    #[serde(flatten)]
    pub instance: InstanceView,
    /// When routes were last calculated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_spf: Option<DateTime>,
    /// Its areas.
    pub area: Vec<AreaView>,
}

/// `/ospf/areas`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct OspfAreas {
    /// In the order of their ids.
    pub area: Vec<AreaView>,
}

/// The body of a request to `/ospf/what-if`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct OspfWhatIfRequest {
    /// The changes that are supposed, all together. At least one, at most 1000.
    #[schemars(length(min = 1, max = 1000))]
    pub change: Vec<Change>,
}

/// `/ospf/what-if`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct OspfWhatIf {
    /// Which routes would be others.
    #[serde(flatten)]
    pub what_if: WhatIfView,
}

/// `/ospf/areas/{area-id}/interfaces` and `/ospf/interfaces`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct OspfInterfaces {
    /// In the engine's order.
    pub interface: Vec<OspfInterface>,
}

/// `/ospf/areas/{area-id}/interfaces/{name}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct OspfInterface {
    /// The engine's view of it, but for the differences.
    #[serde(flatten)]
    pub view: InterfaceView,
    /// What routers on the network are configured differently, by what was heard of them last.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mismatch: Vec<OspfMismatch>,
}

/// A difference between this router and another one on the network, for which its packets are refused. Gone when it is
/// heard without it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct OspfMismatch {
    /// The other router: the source of its packets.
    pub packet_source: Ipv4Addr,
    /// What differs, as `error` of RFC 9129's notification `if-config-error` spells it.
    pub error: String,
    /// The value here.
    pub own: String,
    /// The value there.
    pub theirs: String,
    /// Packets that have shown it.
    pub count: u64,
    /// When the last of them came.
    pub last: DateTime,
}

/// `/ospf/neighbors` and `/ospf/areas/{area-id}/interfaces/{name}/neighbors`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct OspfNeighbors {
    /// In the order of their router ids.
    pub neighbor: Vec<NeighborView>,
}

/// `/ospf/database` and `/ospf/areas/{area-id}/database`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct OspfDatabase {
    /// In the order of area, type, originator, id.
    pub lsa: Vec<DatabaseEntryView>,
}

/// `/ospf/local-rib`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct OspfLocalRib {
    /// In the order of their prefixes.
    pub route: Vec<RouteView>,
}

/// `/ospf/border-routers`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct OspfBorderRouters {
    /// In the order of their router ids.
    pub border_router: Vec<BorderRouterView>,
}

/// `/ospf/spf-log`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct OspfSpfLog {
    /// The oldest first.
    pub event: Vec<OspfSpfEvent>,
}

/// One calculation of routes (RFC 9129 `spf-log/event`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct OspfSpfEvent {
    /// Grows by one with each entry.
    pub id: u32,
    /// What was recalculated.
    pub spf_type: SpfType,
    /// When it was asked for.
    pub schedule_timestamp: DateTime,
    /// When it started.
    pub start_timestamp: DateTime,
    /// When it ended.
    pub end_timestamp: DateTime,
    /// The advertisements whose change asked for it.
    pub trigger_lsa: Vec<LsaIdView>,
}

/// `/ospf/lsa-log`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct OspfLsaLog {
    /// The oldest first.
    pub event: Vec<OspfLsaEvent>,
}

/// An instance of an advertisement that came to the database (RFC 9129 `lsa-log/event`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct OspfLsaEvent {
    /// Grows by one with each entry.
    pub id: u32,
    /// Which one.
    pub lsa: LsaIdView,
    /// When it was received, or made here.
    pub received_timestamp: DateTime,
    /// Why it came.
    pub reason: LsaLogReason,
}

impl OspfSnapshot {
    /// The whole instance.
    pub fn ospf(self) -> Ospf {
        let last_spf = self.instance.spf.last_run.map(|at| moment(self.time_origin, at.0));
        Ospf { instance: self.instance, last_spf, area: self.areas }
    }

    /// The interfaces of all areas.
    pub fn interfaces(self) -> OspfInterfaces {
        let origin = self.time_origin;
        let interfaces = self.interfaces.into_iter();
        OspfInterfaces { interface: interfaces.map(|view| OspfInterface::new(view, origin)).collect() }
    }

    /// The interfaces of one area.
    pub fn interfaces_of(mut self, area: AreaId) -> OspfInterfaces {
        self.interfaces.retain(|interface| interface.area_id == area);
        self.interfaces()
    }

    /// The log, with its times by the calendar.
    pub fn spf_log(self) -> OspfSpfLog {
        let origin = self.time_origin;
        let event = self.spf_log.into_iter().map(|entry| OspfSpfEvent {
            id: entry.id,
            spf_type: entry.spf_type,
            schedule_timestamp: moment(origin, entry.schedule_timestamp.0),
            start_timestamp: moment(origin, entry.start_timestamp.0),
            end_timestamp: moment(origin, entry.end_timestamp.0),
            trigger_lsa: entry.trigger_lsa,
        });
        OspfSpfLog { event: event.collect() }
    }

    /// The log of advertisements, with its times by the calendar.
    pub fn lsa_log(self) -> OspfLsaLog {
        let origin = self.time_origin;
        let event = self.lsa_log.into_iter().map(|entry| OspfLsaEvent {
            id: entry.id,
            lsa: entry.lsa,
            received_timestamp: moment(origin, entry.received_timestamp.0),
            reason: entry.reason,
        });
        OspfLsaLog { event: event.collect() }
    }
}

impl OspfInterface {
    /// From the engine's view, whose clock starts at `origin`.
    pub fn new(mut view: InterfaceView, origin: DateTime) -> Self {
        let mismatches = std::mem::take(&mut view.mismatches);
        let mismatch = mismatches.into_iter().map(|seen| OspfMismatch {
            packet_source: seen.packet_source,
            error: seen.error,
            own: seen.own,
            theirs: seen.theirs,
            count: seen.count,
            last: moment(origin, seen.last.0),
        });
        Self { view, mismatch: mismatch.collect() }
    }
}

fn moment(origin: DateTime, micros: u64) -> DateTime {
    DateTime(origin.0.saturating_add(micros))
}
