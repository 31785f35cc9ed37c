//! Routes to the outside from AS-external-LSAs (RFC 2328 section 16.4) and the type 7 LSAs of not-so-stubby areas (RFC 3101
//! section 2.5).

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

use crate::route::{NextHop, PathType, Route, RouteTable, internal_preference};
use crate::types::{AreaId, LS_INFINITY, RouterId};
use crate::wire::{AsExternalLsa, LsType, Lsa, LsaBody, Options};

use super::{AreaInput, Input};

/// An external route of a not-so-stubby area that its border routers may translate: the type 7 advertisement has bit P and a
/// forwarding address, and is what the route follows from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Translatable {
    /// The not-so-stubby area.
    pub area: AreaId,
    /// What the advertisement says.
    pub external: AsExternalLsa,
    /// Cost of the route.
    pub cost: u32,
}

/// What the outside yields beside the routes.
#[derive(Debug, Default)]
pub(super) struct Outside {
    /// Networks that somebody reaches by a forwarding address, so that they depend on the route to that.
    pub(super) forwarded: BTreeSet<Ipv4Net>,
    pub(super) translatable: BTreeMap<Ipv4Net, Translatable>,
}

/// An advertisement and the not-so-stubby area that it is of, if it is of one.
type Source<'a> = (Option<&'a AreaInput<'a>>, &'a Lsa);

/// Adds external routes to the networks that no path inside the autonomous system reaches.
pub(super) fn calculate(input: &Input<'_>, table: &mut RouteTable) -> Outside {
    let mut routes: BTreeMap<Ipv4Net, (Rank, Route)> = BTreeMap::new();
    let mut outside = Outside::default();
    for (nssa, lsa) in sources(input) {
        let Ok(LsaBody::AsExternal(external)) = lsa.body() else { continue };
        let is_forwarded = external.forwarding_address != Ipv4Addr::UNSPECIFIED;
        if is_forwarded {
            outside.forwarded.extend(external.prefix(lsa.header.key.id));
        }
        let Some((prefix, rank, route)) = candidate(input, nssa, lsa, &external, table) else { continue };
        let is_better = routes.get(&prefix).is_none_or(|(best, _)| rank < *best);
        if is_better {
            outside.translatable.remove(&prefix);
            if let Some(area) = nssa.filter(|_| is_forwarded && lsa.header.options.contains(Options::NP)) {
                let translatable = Translatable { area: area.area, external, cost: route.cost };
                outside.translatable.insert(prefix, translatable);
            }
        }
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
    outside
}

/// All advertisements in the order of RFC 3101 section 2.5 (6e), which is that of preference among those that are alike
/// otherwise: type 7 with bit P, type 5, type 7 without; and of type 7 that of the larger router id.
fn sources<'a>(input: &'a Input<'_>) -> Vec<Source<'a>> {
    let nssas = input.areas.iter().filter(|area| area.area_type.nssa().is_some());
    let mut of_nssas: Vec<Source<'_>> = nssas
        .flat_map(|area| {
            let lsas = area.lsas.iter().filter(|lsa| lsa.header.key.ls_type == LsType::NSSA_EXTERNAL);
            lsas.map(move |lsa| (Some(area), *lsa))
        })
        .collect();
    of_nssas.sort_by_key(|(_, lsa)| std::cmp::Reverse(lsa.header.key.advertising_router));
    let mut externals: Vec<Source<'_>> = input.externals.iter().map(|lsa| (None, *lsa)).collect();
    externals.sort_by_key(|(_, lsa)| lsa.header.key);
    let (mut all, others): (Vec<_>, Vec<_>) =
        of_nssas.into_iter().partition(|(_, lsa)| lsa.header.options.contains(Options::NP));
    all.append(&mut externals);
    all.extend(others);
    all
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
    nssa: Option<&AreaInput<'_>>,
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
    if nssa.is_some_and(|area| prefix.prefix_len() == 0 && !follows_default(input, area, lsa)) {
        return None;
    }
    // Step 6a: paths inside the autonomous system are always preferred; so is the discard entry of an active
    // range (section 11.1).
    if table.networks.contains_key(&prefix) {
        return None;
    }
    let inside = inside(input, nssa, key.advertising_router, external, table)?;
    let sum = inside.cost.saturating_add(external.metric);
    let (rank, cost, cost2) = if external.e2 {
        ((PathType::External2, external.metric, inside.preference, inside.cost), inside.cost, external.metric)
    } else {
        ((PathType::External1, 0, inside.preference, sum), sum, 0)
    };
    let next_hops = inside.next_hops;
    let area = nssa.map(|area| area.area);
    Some((prefix, rank, Route { path_type: rank.0, area, cost, cost2, next_hops, tag: external.tag }))
}

/// RFC 3101 section 2.5 step 3: a border router does not follow a default route of another one, which is without bit P, nor any
/// where it announces one in place of the summaries.
fn follows_default(input: &Input<'_>, area: &AreaInput<'_>, lsa: &Lsa) -> bool {
    let summary = area.area_type.nssa().is_some_and(|nssa| nssa.summary);
    !input.area_border_router || (summary && lsa.header.options.contains(Options::NP))
}

/// Step 3: the path to the originator, or to the forwarding address if there is one. The originator must be
/// a reachable AS boundary router either way: of a type 7 advertisement in its area, of a type 5 one where such are flooded
/// (RFC 3101 section 2.5 step 3).
fn inside(
    input: &Input<'_>,
    nssa: Option<&AreaInput<'_>>,
    originator: RouterId,
    external: &AsExternalLsa,
    table: &RouteTable,
) -> Option<Inside> {
    let counts = |id: AreaId| match nssa {
        Some(nssa) => nssa.area == id,
        None => input.areas.iter().any(|area| area.area == id && area.area_type.takes_externals()),
    };
    let (area, route) = table.boundary_router_through(originator, input.rules, counts)?;
    // Another area's summary says nothing of who is in this one.
    if nssa.is_some() && route.path_type != PathType::IntraArea {
        return None;
    }
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
    if nssa.is_some_and(|nssa| route.path_type != PathType::IntraArea || route.area != Some(nssa.area)) {
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
