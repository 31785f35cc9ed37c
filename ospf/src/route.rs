//! The routing table of RFC 2328 section 11: what the route calculation yields, and how one result
//! differs from the next.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use serde::Serialize;

use crate::config::RouteRules;
use crate::types::{AreaId, InterfaceId, RouterId};

/// How a destination is reached, from the most preferred to the least (section 11).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum PathType {
    /// Inside an attached area.
    IntraArea,
    /// In another area.
    InterArea,
    /// Not at all: what an active address range of this area border router does not reach is dropped
    /// here and not sent along a less specific route (section 11.1). Ranks with inter-area paths.
    Discard,
    /// Outside, type 1 metric.
    External1,
    /// Outside, type 2 metric.
    External2,
}

/// One of the equal ways to a destination. Ordered so that a limit on their number always keeps the
/// same ones.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct NextHop {
    /// Interface that packets leave by.
    pub interface: InterfaceId,
    /// The next router's address; `None` if the destination itself is on the interface's network.
    pub address: Option<Ipv4Addr>,
    /// The next router; this router itself if the destination is connected; the originator of the external
    /// route if that names a forwarding address on a connected network.
    pub router: RouterId,
}

/// A route to a network.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Route {
    /// How the network is reached.
    pub path_type: PathType,
    /// The area that the path was learnt through; `None` for external paths, unless they are of a not-so-stubby area.
    pub area: Option<AreaId>,
    /// Cost of the path. On type 2 external paths: the cost to the boundary router or forwarding address.
    pub cost: u32,
    /// Type 2 metric of a type 2 external path, else 0.
    pub cost2: u32,
    /// Equal ways, sorted, at most as many as configured; empty on discard entries only.
    pub next_hops: Vec<NextHop>,
    /// Tag of an external path, else 0.
    pub tag: u32,
}

impl Route {
    /// What administrators call the metric: the type 2 metric of a type 2 external path, else the cost.
    pub fn metric(&self) -> u32 {
        if self.path_type == PathType::External2 { self.cost2 } else { self.cost }
    }

    /// Adds equal ways and keeps the lowest `maximum_paths`.
    pub(crate) fn add_next_hops(&mut self, more: &[NextHop], maximum_paths: usize) {
        self.next_hops.extend_from_slice(more);
        limit(&mut self.next_hops, maximum_paths);
    }
}

/// Sorts, removes duplicates and keeps the lowest `maximum_paths` (at least one).
pub(crate) fn limit(next_hops: &mut Vec<NextHop>, maximum_paths: usize) {
    next_hops.sort_unstable();
    next_hops.dedup();
    next_hops.truncate(maximum_paths.max(1));
}

/// A route to an area border router or AS boundary router through one area.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RouterRoute {
    /// Intra-area or inter-area.
    pub path_type: PathType,
    /// Whether it is an area border router.
    pub abr: bool,
    /// Whether it is an AS boundary router.
    pub asbr: bool,
    /// Whether it always translates type 7 advertisements (bit Nt).
    pub translator: bool,
    /// Cost of the path.
    pub cost: u32,
    /// Equal ways, sorted.
    pub next_hops: Vec<NextHop>,
}

/// The routing table.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct RouteTable {
    /// Routes to networks.
    pub networks: BTreeMap<Ipv4Net, Route>,
    /// Routes to border routers: an entry for each area that they are reached through.
    pub routers: BTreeMap<AreaId, BTreeMap<RouterId, RouterRoute>>,
    /// Areas with TransitCapability (section 16.1): virtual links lead through them.
    pub transit_areas: BTreeSet<AreaId>,
}

/// What to do to the previous table to make it the present one.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum RouteChange {
    /// A route that is new or differs from the one before.
    Install {
        /// The destination.
        prefix: Ipv4Net,
        /// Its route.
        route: Route,
    },
    /// A route that is gone.
    Withdraw {
        /// The destination.
        prefix: Ipv4Net,
    },
}

impl RouteTable {
    /// The changes of networks from `old` to `new`, in the order of prefixes.
    pub fn diff(old: &Self, new: &Self) -> Vec<RouteChange> {
        let (mut before, mut after) = (old.networks.iter().peekable(), new.networks.iter().peekable());
        let mut changes = Vec::new();
        // Side by side: both are in order.
        loop {
            let next = |first: Option<&(&Ipv4Net, &Route)>| first.map(|(prefix, _)| **prefix);
            let (gone, come) = (next(before.peek()), next(after.peek()));
            let Some(prefix) = gone.into_iter().chain(come).min() else { return changes };
            let former = before.next_if(|(passed, _)| **passed == prefix);
            match after.next_if(|(passed, _)| **passed == prefix) {
                Some((_, route)) if former.is_none_or(|(_, former)| former != route) => {
                    changes.push(RouteChange::Install { prefix, route: route.clone() });
                }
                Some(_) => {}
                None => changes.push(RouteChange::Withdraw { prefix }),
            }
        }
    }

    /// The preferred path to an AS boundary router and the area that it leads through (section 16.4 step 3):
    /// among those that section 16.4.1 leaves, the cheapest, then that of the largest area.
    pub fn boundary_router(&self, router: RouterId, rules: RouteRules) -> Option<(AreaId, &RouterRoute)> {
        self.boundary_router_through(router, rules, |_| true)
    }

    /// The preferred path among those through some areas.
    pub(crate) fn boundary_router_through(
        &self,
        router: RouterId,
        rules: RouteRules,
        areas: impl Fn(AreaId) -> bool,
    ) -> Option<(AreaId, &RouterRoute)> {
        self.routers
            .iter()
            .filter(|(area, _)| areas(**area))
            .filter_map(|(area, routers)| Some((*area, routers.get(&router).filter(|route| route.asbr)?)))
            .min_by_key(|(area, route)| {
                (internal_preference(route.path_type, *area, rules), route.cost, std::cmp::Reverse(*area))
            })
    }

    /// Every AS boundary router that is reachable.
    pub fn boundary_routers(&self) -> std::collections::BTreeSet<RouterId> {
        let all = self.routers.values().flatten();
        all.filter(|(_, route)| route.asbr).map(|(router, _)| *router).collect()
    }

    /// The most specific entry that holds `address`.
    pub fn lookup(&self, address: Ipv4Addr) -> Option<(Ipv4Net, &Route)> {
        self.most_specific(address, |_| true)
    }

    /// The most specific entry of the autonomous system itself that holds `address`: external routes do not lead to a
    /// forwarding address (section 16.4 step 3).
    pub(crate) fn lookup_inside(&self, address: Ipv4Addr) -> Option<(Ipv4Net, &Route)> {
        self.most_specific(address, |route| route.path_type < PathType::External1)
    }

    fn most_specific(&self, address: Ipv4Addr, counts: impl Fn(&Route) -> bool) -> Option<(Ipv4Net, &Route)> {
        (0..=32u8).rev().find_map(|length| {
            let prefix = Ipv4Net::new(address, length).ok()?.trunc();
            self.networks.get(&prefix).filter(|route| counts(route)).map(|route| (prefix, route))
        })
    }
}

/// Preference among paths inside the autonomous system that lead to an AS boundary router or a forwarding
/// address (section 16.4.1): with RFC1583Compatibility all are alike; without, intra-area paths through areas other than
/// the backbone come first. Lower is better.
pub(crate) fn internal_preference(path_type: PathType, area: AreaId, rules: RouteRules) -> u8 {
    let comes_first = path_type == PathType::IntraArea && !area.is_backbone();
    u8::from(!rules.rfc1583_compatibility && !comes_first)
}
