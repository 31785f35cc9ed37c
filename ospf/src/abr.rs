//! What an area border router announces into each of its areas: summary-LSAs (RFC 2328 section 12.4.3)
//! and the address ranges that condense them (section 3.5).
//!
//! Everything here follows from the routing table and the configuration; when to originate, refresh and flush
//! is the business of the originator.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

use crate::config::{AreaRange, AreaType, InstanceConfig};
use crate::route::{NextHop, PathType, Route, RouteTable};
use crate::types::{AreaId, LS_INFINITY, RouterId};
use crate::wire::LsType;

/// What a summary-LSA describes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum SummaryTarget {
    /// A network: type 3.
    Network(Ipv4Net),
    /// An AS boundary router: type 4.
    BoundaryRouter(RouterId),
}

impl SummaryTarget {
    /// The link state type that carries it.
    pub fn ls_type(&self) -> LsType {
        match self {
            Self::Network(_) => LsType::SUMMARY_NETWORK,
            Self::BoundaryRouter(_) => LsType::SUMMARY_ASBR,
        }
    }
}

/// The summaries of one area, with their metrics.
pub type Summaries = BTreeMap<SummaryTarget, u32>;

/// An address range that holds at least one network reachable inside its area.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ActiveRange<'a> {
    /// The configured range.
    pub range: &'a AreaRange,
    /// What it is announced with: its fixed cost, or the largest cost of its components.
    pub cost: u32,
}

/// The summaries that this router should announce into each of `attached`, the areas that it is attached to.
/// Every attached area has an entry; all are empty unless this router is an area border router, which is
/// the caller's to know.
pub fn desired_summaries(
    config: &InstanceConfig,
    attached: &BTreeSet<AreaId>,
    table: &RouteTable,
) -> BTreeMap<AreaId, Summaries> {
    let active: Vec<(AreaId, ActiveRange<'_>)> = config
        .areas
        .iter()
        .flat_map(|(area, settings)| {
            active_ranges(*area, &settings.ranges, table).into_iter().map(|active| (*area, active))
        })
        .collect();
    let into = |area: AreaId| {
        let mut summaries = Summaries::new();
        let transit = table.transit_areas.contains(&area);
        // Section 12.4.3: what the backbone has is announced one by one into an area that virtual links lead through.
        let ranges = active.iter().filter(|(of, _)| !(transit && of.is_backbone()));
        add_ranges(ranges, area, &mut summaries);
        add_networks(config, area, table, &mut summaries);
        add_boundary_routers(config, area, table, &mut summaries);
        fit_into(config.area_type(area), &mut summaries);
        summaries
    };
    attached.iter().map(|area| (*area, into(*area))).collect()
}

/// The active ones among an area's ranges, in their order. A network counts for the most specific range that
/// holds it.
pub fn active_ranges<'a>(area: AreaId, ranges: &'a [AreaRange], table: &RouteTable) -> Vec<ActiveRange<'a>> {
    let mut largest: BTreeMap<Ipv4Net, u32> = BTreeMap::new();
    for (prefix, route) in intra_area_routes(area, table) {
        if let Some(range) = range_of(ranges, prefix) {
            let cost = largest.entry(range.prefix).or_default();
            *cost = route.cost.max(*cost);
        }
    }
    let active = ranges.iter().filter_map(|range| {
        let cost = *largest.get(&range.prefix)?;
        Some(ActiveRange { range, cost: range.cost.unwrap_or(cost) })
    });
    active.collect()
}

/// Link state ids for the networks of one router's type 3 (or type 5) advertisements in one area
/// (appendix E): the network number, or for all but one of several networks with that number, the number
/// with host bits set.
///
/// Hosts take their own address, which is the only id that they can have. Of the others the least specific
/// takes the number, the next the last address of the network, as appendix E does, and whoever finds that
/// taken the first address that is free. A network none of whose addresses is free gets no id: each of its
/// addresses is then announced by something more specific or equal in id.
pub fn link_state_ids(networks: impl IntoIterator<Item = Ipv4Net>) -> BTreeMap<Ipv4Net, Ipv4Addr> {
    let networks: BTreeSet<Ipv4Net> = networks.into_iter().map(|network| network.trunc()).collect();
    let (hosts, others): (Vec<_>, Vec<_>) = networks.into_iter().partition(|net| net.prefix_len() == 32);
    let mut ids: BTreeMap<Ipv4Net, Ipv4Addr> = hosts.iter().map(|host| (*host, host.addr())).collect();
    let mut taken: BTreeSet<Ipv4Addr> = ids.values().copied().collect();
    let mut others = others;
    others.sort_by_key(|network| network.prefix_len());
    for network in others {
        let range = u32::from(network.network())..=u32::from(network.broadcast());
        let first_choices = [network.network(), network.broadcast()].into_iter();
        let id = first_choices.chain(range.map(Ipv4Addr::from)).find(|id| !taken.contains(id));
        if let Some(id) = id {
            taken.insert(id);
            ids.insert(network, id);
        }
    }
    ids
}

fn intra_area_routes(area: AreaId, table: &RouteTable) -> impl Iterator<Item = (Ipv4Net, &Route)> {
    table
        .networks
        .iter()
        .filter(move |(_, route)| route.path_type == PathType::IntraArea && route.area == Some(area))
        .map(|(prefix, route)| (*prefix, route))
}

/// The most specific range that holds a network.
fn range_of(ranges: &[AreaRange], network: Ipv4Net) -> Option<&AreaRange> {
    ranges
        .iter()
        .filter(|range| range.prefix.contains(&network))
        .max_by_key(|range| range.prefix.prefix_len())
}

fn add_ranges<'a>(
    active: impl Iterator<Item = &'a (AreaId, ActiveRange<'a>)>,
    into: AreaId,
    summaries: &mut Summaries,
) {
    for (_, active) in active.filter(|(area, active)| *area != into && active.range.advertise) {
        add(summaries, SummaryTarget::Network(active.range.prefix.trunc()), active.cost);
    }
}

fn add_networks(config: &InstanceConfig, into: AreaId, table: &RouteTable, summaries: &mut Summaries) {
    for (prefix, route) in &table.networks {
        let Some(area) = route.area.filter(|area| *area != into) else { continue };
        let announced = match route.path_type {
            // Only networks inside an area are condensed; a hidden range hides them.
            PathType::IntraArea => {
                let ranges = config.areas.get(&area).map_or(&[][..], |area| &area.ranges);
                let through = area.is_backbone() && table.transit_areas.contains(&into);
                through || range_of(ranges, *prefix).is_none()
            }
            // Everything between areas goes over the backbone, and never back into it.
            PathType::InterArea => area.is_backbone() && !into.is_backbone(),
            PathType::Discard | PathType::External1 | PathType::External2 => false,
        };
        if announced && !leads_into(config, into, &route.next_hops) {
            add(summaries, SummaryTarget::Network(*prefix), route.cost);
        }
    }
}

fn add_boundary_routers(
    config: &InstanceConfig,
    into: AreaId,
    table: &RouteTable,
    summaries: &mut Summaries,
) {
    for router in table.boundary_routers() {
        // Only the preferred path to the router is announced.
        // RFC 3101 section 2.5: who announces type 7 advertisements only is unknown outside of its area.
        let takes = |area| config.area_type(area).takes_externals();
        let Some((area, route)) = table.boundary_router_through(router, config.route_rules, takes) else {
            continue;
        };
        let announced = match route.path_type {
            PathType::IntraArea => area != into,
            _ => area.is_backbone() && !into.is_backbone(),
        };
        if announced && !leads_into(config, into, &route.next_hops) {
            add(summaries, SummaryTarget::BoundaryRouter(router), route.cost);
        }
    }
}

/// Whether packets would enter the area that the summary would be announced into: its routers know better.
fn leads_into(config: &InstanceConfig, area: AreaId, next_hops: &[NextHop]) -> bool {
    next_hops.iter().any(|hop| config.interfaces.get(&hop.interface).is_some_and(|at| at.area == area))
}

/// What a stub or not-so-stubby area takes (section 12.4.3.1): a default route, no AS boundary routers, and the networks of other areas
/// only if it is configured so.
fn fit_into(area_type: AreaType, summaries: &mut Summaries) {
    let (summary, default_cost) = match area_type {
        AreaType::Normal => return,
        AreaType::Stub { default_cost, summary } => (summary, Some(default_cost)),
        // RFC 3101 section 2.7: with summaries the default route is in a type 7 advertisement.
        AreaType::Nssa(nssa) => (nssa.summary, (!nssa.summary).then_some(nssa.default_cost)),
    };
    let default = SummaryTarget::Network(Ipv4Net::default());
    summaries.retain(|target, _| summary && matches!(target, SummaryTarget::Network(_)));
    summaries.remove(&default);
    if let Some(cost) = default_cost {
        add(summaries, default, cost);
    }
}

/// Paths that cost LSInfinity are not announced; of two that describe one destination the cheaper is.
fn add(summaries: &mut Summaries, target: SummaryTarget, metric: u32) {
    if metric >= LS_INFINITY {
        return;
    }
    summaries.entry(target).and_modify(|present| *present = metric.min(*present)).or_insert(metric);
}
