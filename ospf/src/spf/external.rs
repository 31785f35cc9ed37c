//! Routes to the outside from AS-external-LSAs (RFC 2328 section 16.4).

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

use crate::route::{NextHop, PathType, Route, RouteTable, internal_preference};
use crate::types::{LS_INFINITY, RouterId};
use crate::wire::{AsExternalLsa, Lsa, LsaBody, Options};

use super::Input;

/// Adds external routes to the networks that no path inside the autonomous system reaches. Says which networks somebody
/// reaches by a forwarding address, so that they depend on the route to that.
pub(super) fn calculate(input: &Input<'_>, table: &mut RouteTable) -> BTreeSet<Ipv4Net> {
    let mut lsas = input.externals.clone();
    lsas.sort_by_key(|lsa| lsa.header.key);
    let mut routes: BTreeMap<Ipv4Net, (Rank, Route)> = BTreeMap::new();
    let mut forwarded = BTreeSet::new();
    for lsa in lsas {
        let Ok(LsaBody::AsExternal(external)) = lsa.body() else { continue };
        if external.forwarding_address != Ipv4Addr::UNSPECIFIED {
            forwarded.extend(external.prefix(lsa.header.key.id));
        }
        let Some((prefix, rank, route)) = candidate(input, lsa, &external, table) else { continue };
        match routes.get_mut(&prefix) {
            Some((best, present)) if *best == rank => {
                present.add_next_hops(&route.next_hops, input.maximum_paths);
            }
            Some((best, _)) if *best < rank => {}
            _ => {
                routes.insert(prefix, (rank, route));
            }
        }
    }
    table.networks.extend(routes.into_iter().map(|(prefix, (_, route))| (prefix, route)));
    forwarded
}

/// What step 6 compares, in its order: type 1 before type 2, and of these the smaller metric (b); the preference of the path
/// inside the autonomous system (c); then the cost, of type 1 with the metric, of type 2 to the boundary router or
/// forwarding address (d).
type Rank = (PathType, u32, u8, u32);

/// The path inside the autonomous system that leads to the outside.
struct Inside {
    preference: u8,
    cost: u32,
    next_hops: Vec<NextHop>,
}

fn candidate(
    input: &Input<'_>,
    lsa: &Lsa,
    external: &AsExternalLsa,
    table: &RouteTable,
) -> Option<(Ipv4Net, Rank, Route)> {
    let key = lsa.header.key;
    // Steps 1 and 2: unreachable, flushed, or our own.
    if external.metric >= LS_INFINITY || lsa.header.is_max_age() || key.advertising_router == input.router_id
    {
        return None;
    }
    // RFC 4576 section 4: it would go around between the edges of a provider's network.
    if input.rules.provider_edge && lsa.header.options.contains(Options::DN) {
        return None;
    }
    let prefix = external.prefix(key.id)?;
    // Step 6a: paths inside the autonomous system are always preferred; so is the discard entry of an active
    // range (section 11.1).
    if table.networks.contains_key(&prefix) {
        return None;
    }
    let inside = inside(input, key.advertising_router, external, table)?;
    let sum = inside.cost.saturating_add(external.metric);
    let (rank, cost, cost2) = if external.e2 {
        ((PathType::External2, external.metric, inside.preference, inside.cost), inside.cost, external.metric)
    } else {
        ((PathType::External1, 0, inside.preference, sum), sum, 0)
    };
    let next_hops = inside.next_hops;
    Some((prefix, rank, Route { path_type: rank.0, area: None, cost, cost2, next_hops, tag: external.tag }))
}

/// Step 3: the path to the originator, or to the forwarding address if there is one. The originator must be
/// a reachable AS boundary router either way.
fn inside(
    input: &Input<'_>,
    originator: RouterId,
    external: &AsExternalLsa,
    table: &RouteTable,
) -> Option<Inside> {
    let (area, route) = table.boundary_router(originator, input.rules)?;
    if external.forwarding_address == Ipv4Addr::UNSPECIFIED {
        return Some(Inside {
            preference: internal_preference(route.path_type, area, input.rules),
            cost: route.cost,
            next_hops: route.next_hops.clone(),
        });
    }
    let address = external.forwarding_address;
    let (_, route) = table.lookup_inside(address)?;
    if !matches!(route.path_type, PathType::IntraArea | PathType::InterArea) {
        return None;
    }
    // On a connected network the forwarding address is itself the next hop.
    let direct = |hop: &NextHop| match hop.address {
        Some(_) => *hop,
        None => NextHop { interface: hop.interface, address: Some(address), router: originator },
    };
    let mut next_hops: Vec<NextHop> = route.next_hops.iter().map(direct).collect();
    crate::route::limit(&mut next_hops, input.maximum_paths);
    Some(Inside {
        preference: internal_preference(route.path_type, route.area?, input.rules),
        cost: route.cost,
        next_hops,
    })
}
