//! Virtual links and the areas that they lead through (RFC 2328 sections 15, 16.1 and 16.3).
//!
//! A virtual link is an edge of the backbone whose cost and first hops are those of the path through its transit area. Where
//! the summaries of a transit area show a shorter way to what the backbone reaches, that one is taken.

use std::net::Ipv4Addr;

use crate::route::{NextHop, PathType, RouteTable, limit};
use crate::types::{AreaId, InterfaceId, LS_INFINITY, RouterId};
use crate::wire::{LinkType, LsType, Lsa, LsaBody, LsaKey, RouterLink, RouterLsa};

use super::partial::Trees;
use super::{Adjacency, AreaInput, Input};

/// The path that a virtual link takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VirtualPath {
    /// The interface that it begins with.
    pub interface: InterfaceId,
    /// The address of the other router's interface that it ends with.
    pub address: Ipv4Addr,
    /// Its cost.
    pub cost: u32,
}

/// The input with virtual links as adjacencies of the backbone; `None` without any.
pub(super) fn join_backbone<'a>(input: &Input<'a>, trees: &Trees) -> Option<Input<'a>> {
    if input.virtual_links.is_empty() {
        return None;
    }
    let adjacencies = input.virtual_links.iter().flat_map(|link| {
        let (cost, next_hops) = trees
            .areas
            .get(&link.transit_area)
            .and_then(|tree| tree.path_to(link.neighbor))
            .unwrap_or_default();
        next_hops.into_iter().filter_map(move |hop| {
            let cost = u16::try_from(cost).ok()?;
            // Its neighbor has an address on every network that a path begins with, but for one that it is on itself.
            let (interface, address, via) = (hop.interface, hop.address?, hop.router);
            Some(Adjacency { interface, neighbor: link.neighbor, via, address, cost })
        })
    });
    let mut joined = input.clone();
    let backbone = joined.areas.iter_mut().find(|area| area.area.is_backbone())?;
    backbone.adjacencies.extend(adjacencies);
    Some(joined)
}

/// Section 16.3: takes the shorter ways that the summaries of transit areas show.
pub(super) fn calculate(input: &Input<'_>, trees: &Trees, table: &mut RouteTable) {
    if !input.area_border_router {
        return;
    }
    for area in input.areas.iter().filter(|area| !area.area.is_backbone()) {
        // Section 16.1 step 2: TransitCapability.
        if !trees.areas.get(&area.area).is_some_and(|tree| tree.has_virtual_link_end()) {
            continue;
        }
        table.transit_areas.insert(area.area);
        let mut summaries: Vec<&Lsa> = area.lsas.iter().copied().filter(|lsa| is_summary(lsa)).collect();
        summaries.sort_by_key(|lsa| lsa.header.key);
        for lsa in summaries {
            examine(input, area, lsa, table);
        }
    }
}

fn is_summary(lsa: &Lsa) -> bool {
    let summary = matches!(lsa.header.key.ls_type, LsType::SUMMARY_NETWORK | LsType::SUMMARY_ASBR);
    summary && !lsa.header.is_max_age()
}

fn examine(input: &Input<'_>, area: &AreaInput<'_>, lsa: &Lsa, table: &mut RouteTable) {
    let LsaKey { ls_type, id, advertising_router } = lsa.header.key;
    let Ok(LsaBody::Summary(summary)) = lsa.body() else { return };
    // Steps 1 and 2: unreachable, or our own.
    if summary.metric >= LS_INFINITY || advertising_router == input.router_id {
        return;
    }
    // Step 4: the originator is reached through the area.
    let border = table.routers.get(&area.area).and_then(|routers| routers.get(&advertising_router));
    let Some(border) = border.filter(|border| border.abr && border.path_type == PathType::IntraArea) else {
        return;
    };
    let cost = border.cost.saturating_add(summary.metric);
    let next_hops = border.next_hops.clone();
    // Step 3: only what the backbone reaches; step 5: area and type of the path stay.
    let known = match ls_type {
        LsType::SUMMARY_ASBR => {
            let backbone = table.routers.get_mut(&AreaId::BACKBONE);
            let route = backbone.and_then(|routers| routers.get_mut(&RouterId(id)));
            route.map(|route| (&mut route.cost, &mut route.next_hops))
        }
        _ => {
            let route = summary.prefix(id).and_then(|prefix| table.networks.get_mut(&prefix));
            let inside = |path_type| matches!(path_type, PathType::IntraArea | PathType::InterArea);
            let route = route.filter(|route| inside(route.path_type) && route.area == Some(AreaId::BACKBONE));
            route.map(|route| (&mut route.cost, &mut route.next_hops))
        }
    };
    let Some((known_cost, known_hops)) = known else { return };
    if cost < *known_cost {
        *known_cost = cost;
        *known_hops = next_hops;
    } else if cost == *known_cost && !is_connected(known_hops) {
        known_hops.extend(next_hops);
        limit(known_hops, input.maximum_paths);
    }
}

/// Whether the network is on an interface of this router, and reached there.
fn is_connected(next_hops: &[NextHop]) -> bool {
    next_hops.iter().any(|hop| hop.address.is_none())
}

impl Trees {
    /// The path through an area to a router whose router-LSA there is given.
    pub fn virtual_path(&self, area: AreaId, router: RouterId, lsa: &RouterLsa) -> Option<VirtualPath> {
        let tree = self.areas.get(&area)?;
        let (cost, next_hops) = tree.path_to(router)?;
        let hop = next_hops.first()?;
        // Section 16.1 step 2b: the address is the link data with which the router's own link leads back.
        let back = |link: &&RouterLink| {
            let links = matches!(link.link_type, LinkType::PointToPoint | LinkType::Transit);
            // The link data of an unnumbered link is no address.
            links && is_address(link.data) && tree.is_last_hop(router, link)
        };
        let any = |link: &&RouterLink| {
            matches!(link.link_type, LinkType::PointToPoint | LinkType::Transit) && is_address(link.data)
        };
        let adjacent = hop.address.filter(|_| hop.router == router);
        let on_path = || lsa.links.iter().find(back).map(|link| link.data);
        let elsewhere = || lsa.links.iter().find(any).map(|link| link.data);
        let address = adjacent.or_else(on_path).or_else(elsewhere)?;
        Some(VirtualPath { interface: hop.interface, address, cost })
    }
}

/// An ifIndex is in 0.0.0.0/8.
fn is_address(data: Ipv4Addr) -> bool {
    data.octets()[0] != 0
}
