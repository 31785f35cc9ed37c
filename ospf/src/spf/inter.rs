//! Routes to other areas from the summary-LSAs of area border routers (RFC 2328 section 16.2).

use std::collections::BTreeMap;

use ipnet::Ipv4Net;

use crate::route::{PathType, Route, RouteTable, RouterRoute, limit};
use crate::types::{AreaId, LS_INFINITY, RouterId};
use crate::wire::{LsType, Lsa, LsaBody, LsaKey, Options, SummaryLsa};

use super::{AreaInput, Input};

/// Active address ranges of this router, with area and cost.
type ActiveRanges = BTreeMap<Ipv4Net, (AreaId, u32)>;

/// Adds inter-area routes to networks and AS boundary routers.
pub(super) fn calculate(input: &Input<'_>, active: &ActiveRanges, table: &mut RouteTable) {
    for area in input.areas.iter().filter(|area| is_examined(input, area)) {
        let mut summaries: Vec<&Lsa> = area.lsas.iter().copied().filter(|lsa| is_summary(lsa)).collect();
        summaries.sort_by_key(|lsa| lsa.header.key);
        for lsa in summaries {
            examine(input, area.area, active, lsa, table);
        }
    }
}

/// An area border router examines the summaries of the backbone only, or those of all its areas while it has
/// no adjacency in the backbone (RFC 3509 section 2.2): it would be cut off from everything else otherwise.
fn is_examined(input: &Input<'_>, area: &AreaInput<'_>) -> bool {
    !input.area_border_router || area.area.is_backbone() || !has_backbone_adjacency(input)
}

fn has_backbone_adjacency(input: &Input<'_>) -> bool {
    let mut backbone = input.areas.iter().filter(|area| area.area.is_backbone());
    backbone.any(|area| !area.adjacencies.is_empty() || !area.transits.is_empty())
}

fn is_summary(lsa: &Lsa) -> bool {
    let summary = matches!(lsa.header.key.ls_type, LsType::SUMMARY_NETWORK | LsType::SUMMARY_ASBR);
    summary && !lsa.header.is_max_age()
}

fn examine(input: &Input<'_>, area: AreaId, active: &ActiveRanges, lsa: &Lsa, table: &mut RouteTable) {
    let LsaKey { ls_type, id, advertising_router } = lsa.header.key;
    let Ok(LsaBody::Summary(summary)) = lsa.body() else { return };
    // Steps 1 and 2: unreachable, or our own.
    if summary.metric >= LS_INFINITY || advertising_router == input.router_id {
        return;
    }
    // Step 4: the originator must be an area border router that is reachable in the area.
    let Some(border) = table.routers.get(&area).and_then(|routers| routers.get(&advertising_router)) else {
        return;
    };
    if !border.abr || border.path_type != PathType::IntraArea {
        return;
    }
    let cost = border.cost.saturating_add(summary.metric);
    let next_hops = border.next_hops.clone();
    if ls_type == LsType::SUMMARY_ASBR {
        let route = RouterRoute {
            path_type: PathType::InterArea,
            abr: false,
            asbr: true,
            translator: false,
            cost,
            next_hops,
        };
        return add_boundary_router(input, area, RouterId(id), route, table);
    }
    // RFC 4576 section 4.
    if input.rules.provider_edge && lsa.header.options.contains(Options::DN) {
        return;
    }
    let Some(prefix) = destination(&summary, lsa, active) else { return };
    let route = Route { path_type: PathType::InterArea, area: Some(area), cost, cost2: 0, next_hops, tag: 0 };
    add_network(input, prefix, route, table);
}

/// The network of a type 3 advertisement, unless it equals an active range of this router (step 3): other
/// area border routers of the same area announce the same range, and this router is inside the area.
fn destination(summary: &SummaryLsa, lsa: &Lsa, active: &ActiveRanges) -> Option<Ipv4Net> {
    summary.prefix(lsa.header.key.id).filter(|prefix| !active.contains_key(prefix))
}

/// Steps 5 and 6 for networks.
fn add_network(input: &Input<'_>, prefix: Ipv4Net, route: Route, table: &mut RouteTable) {
    match table.networks.get_mut(&prefix) {
        None => {
            table.networks.insert(prefix, route);
        }
        Some(present) if present.path_type != PathType::InterArea => {}
        Some(present) if (present.cost, present.area) == (route.cost, route.area) => {
            present.add_next_hops(&route.next_hops, input.maximum_paths);
        }
        Some(present) if (present.cost, present.area) < (route.cost, route.area) => {}
        Some(present) => *present = route,
    }
}

/// Steps 5 and 6 for AS boundary routers, each area having its own entry.
fn add_boundary_router(
    input: &Input<'_>,
    area: AreaId,
    router: RouterId,
    route: RouterRoute,
    table: &mut RouteTable,
) {
    if router == input.router_id {
        return;
    }
    let routers = table.routers.entry(area).or_default();
    match routers.get_mut(&router) {
        None => {
            routers.insert(router, route);
        }
        // An area border router without the E bit here that the summary makes a boundary router elsewhere
        // stays what it is: summaries are looked up through it.
        Some(present) if present.path_type == PathType::IntraArea => {}
        Some(present) if present.cost == route.cost => {
            present.next_hops.extend_from_slice(&route.next_hops);
            limit(&mut present.next_hops, input.maximum_paths);
        }
        Some(present) if present.cost < route.cost => {}
        Some(present) => *present = route,
    }
}
