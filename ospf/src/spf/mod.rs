//! The route calculation of RFC 2328 section 16: a pure function from databases and adjacencies to the
//! routing table.
//!
//! ```text
//!  AreaInput ──► graph ──► tree ──► intra ─┐      per area: sections 16.1, 16.1.1
//!  AreaInput ──► graph ──► tree ──► intra ─┼─► inter ──► transit ──► ranges ──► external ──► RouteTable
//!                                          │   16.2      16.3        11.1       16.4
//! ```
//!
//! What this router itself contributes to the graph does not come from its own router-LSA but from its
//! interfaces: the adjacencies, transit links and local prefixes of [`AreaInput`]. A route is therefore as
//! fresh as the state of the neighbors, even while MinLSInterval holds a new router-LSA back.
//!
//! | module | subject |
//! |---|---|
//! | `graph` | router-LSAs and network-LSAs as vertices and two-way edges |
//! | `tree` | Dijkstra's algorithm with the first hops of all shortest paths |
//! | `intra` | routes to the networks and border routers of one area |
//! | `inter` | routes to other areas from summary-LSAs |
//! | `transit` | shorter paths through the areas of virtual links, and these links themselves |
//! | `external` | routes to the outside from AS-external-LSAs |
//! | `partial` | the routes to some networks again, where no path to a router has changed |

mod external;
mod graph;
mod inter;
mod intra;
mod partial;
mod transit;
mod tree;

pub use external::Translatable;
pub(crate) use partial::Graphs;
pub use partial::{Affected, Trees};
pub use transit::VirtualPath;

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

use crate::abr;
use crate::config::{AreaRange, AreaType, NssaRange, RouteRules};
use crate::nssa;
use crate::route::{PathType, Route, RouteTable};
use crate::types::{AreaId, InterfaceId, RouterId};
use crate::wire::Lsa;
use graph::Graph;

/// Everything that routes depend on.
#[derive(Clone, Debug)]
pub struct Input<'a> {
    /// This router.
    pub router_id: RouterId,
    /// Whether this router is an area border router: attached to several areas, the backbone among them.
    pub area_border_router: bool,
    /// The largest number of equal next hops kept for a route; at least one is.
    pub maximum_paths: usize,
    /// Which rules the calculation goes by.
    pub rules: RouteRules,
    /// The areas that this router is attached to.
    pub areas: Vec<AreaInput<'a>>,
    /// Virtual links whose neighbor is in state full.
    pub virtual_links: Vec<VirtualLink>,
    /// AS-external-LSAs with an age below MaxAge.
    pub externals: Vec<&'a Lsa>,
}

/// What routes depend on in one area.
#[derive(Clone, Debug)]
pub struct AreaInput<'a> {
    /// The area.
    pub area: AreaId,
    /// Its router-, network-, summary-LSAs and those of type 7 with an age below MaxAge.
    pub lsas: Vec<&'a Lsa>,
    /// Neighbors in state full on point-to-point and point-to-multipoint interfaces.
    pub adjacencies: Vec<Adjacency>,
    /// Transit networks that this router is attached to.
    pub transits: Vec<TransitLink>,
    /// Networks and hosts on this router's own interfaces.
    pub local: Vec<LocalPrefix>,
    /// Routers known to be dead though their advertisements live on: left out of the graph.
    pub excluded: &'a BTreeSet<RouterId>,
    /// The area's address ranges.
    pub ranges: &'a [AreaRange],
    /// The area's type.
    pub area_type: AreaType,
    /// What this router condenses external routes of a not-so-stubby area into, as long as it translates them.
    pub nssa_ranges: &'a [NssaRange],
}

/// A neighbor in state full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Adjacency {
    /// The interface that it is on.
    pub interface: InterfaceId,
    /// The neighbor.
    pub neighbor: RouterId,
    /// The router that the way to it begins with: the neighbor itself, but on a virtual link.
    pub via: RouterId,
    /// The next hop: the source of its packets.
    pub address: Ipv4Addr,
    /// The interface's output cost.
    pub cost: u16,
}

/// A virtual link with a neighbor in state full (section 15).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VirtualLink {
    /// The area that it leads through.
    pub transit_area: AreaId,
    /// The neighbor.
    pub neighbor: RouterId,
}

/// An interface on a transit network: a network with a designated router to which it is adjacent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TransitLink {
    /// The interface.
    pub interface: InterfaceId,
    /// Address of the designated router, which names the network.
    pub designated_router: Ipv4Addr,
    /// The interface's output cost.
    pub cost: u16,
}

/// A network or host on an interface of this router.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LocalPrefix {
    /// The interface.
    pub interface: InterfaceId,
    /// The network or host.
    pub prefix: Ipv4Net,
    /// The cost that this router announces for it.
    pub cost: u16,
}

/// Calculates all routes.
pub fn calculate(input: &Input<'_>) -> RouteTable {
    calculate_and_keep(input, Graphs::default()).0
}

/// Calculates all routes, and keeps the shortest path trees for [`Trees::recalculate`] and the next calculation.
///
/// For an area whose graph is among `graphs` the router-LSAs and network-LSAs of the input are not read.
pub(crate) fn calculate_and_keep(input: &Input<'_>, mut graphs: Graphs) -> (RouteTable, Trees) {
    let mut table = RouteTable::default();
    let mut trees = Trees::default();
    let graphs = &mut graphs;
    let is_transit = |area: &&AreaInput<'_>| input.virtual_links.iter().any(|v| v.transit_area == area.area);
    for area in input.areas.iter().filter(is_transit) {
        calculate_area(input, area, graphs, &mut table, &mut trees);
    }
    // Section 16.1: the cost of a virtual link, and where it begins, is that of the path through its transit area.
    let joined = transit::join_backbone(input, &trees);
    let input = joined.as_ref().unwrap_or(input);
    for area in input.areas.iter().filter(|area| !is_transit(area)) {
        calculate_area(input, area, graphs, &mut table, &mut trees);
    }
    let active = active_ranges(input, &table);
    inter::calculate(input, &active, &mut table);
    transit::calculate(input, &trees, &mut table);
    insert_discard_routes(&active, &mut table);
    let outside = external::calculate(input, &mut table);
    insert_nssa_discard_routes(input, &outside.translatable, &mut table);
    trees.forwarded = outside.forwarded;
    trees.translatable = outside.translatable;
    (table, trees)
}

fn calculate_area(
    input: &Input<'_>,
    area: &AreaInput<'_>,
    graphs: &mut Graphs,
    table: &mut RouteTable,
    trees: &mut Trees,
) {
    let graph = graphs.take(area.area).unwrap_or_else(|| Graph::new(input.router_id, area));
    let (tree, intra) = intra::calculate(input.router_id, area, graph, input.maximum_paths);
    if table.networks.is_empty() {
        // They are in order: nothing has to be looked for.
        table.networks = intra.networks.into_iter().collect();
    } else {
        for (prefix, route) in intra.networks {
            merge_intra(&mut table.networks, prefix, route);
        }
    }
    table.routers.insert(area.area, intra.routers);
    trees.areas.insert(area.area, tree);
}

/// A network that is in two areas belongs to the one with the cheaper path, then to the lower area.
fn merge_intra(networks: &mut BTreeMap<Ipv4Net, Route>, prefix: Ipv4Net, route: Route) {
    match networks.get_mut(&prefix) {
        Some(present) if (present.cost, present.area) <= (route.cost, route.area) => {}
        Some(present) => *present = route,
        None => {
            networks.insert(prefix, route);
        }
    }
}

/// Ranges of this area border router that hold a network reachable inside their area, with their area and
/// the cost that they are announced with.
fn active_ranges(input: &Input<'_>, table: &RouteTable) -> BTreeMap<Ipv4Net, (AreaId, u32)> {
    if !input.area_border_router {
        return BTreeMap::new();
    }
    let areas = input.areas.iter().map(|area| (area.area, area.ranges));
    areas
        .flat_map(|(area, ranges)| {
            abr::active_ranges(area, ranges, table)
                .into_iter()
                .map(move |active| (active.range.prefix.trunc(), (area, active.cost)))
        })
        .collect()
}

/// Section 11.1: each active range is a destination of its own, so that packets to those of its addresses
/// that nobody has do not follow a default route out and come back. A host has no such addresses.
fn insert_discard_routes(active: &BTreeMap<Ipv4Net, (AreaId, u32)>, table: &mut RouteTable) {
    for (&prefix, &(area, cost)) in active.iter().filter(|(prefix, _)| prefix.prefix_len() < 32) {
        table.networks.entry(prefix).or_insert(Route {
            path_type: PathType::Discard,
            area: Some(area),
            cost,
            cost2: 0,
            next_hops: Vec::new(),
            tag: 0,
        });
    }
}

/// What this router announces for a range of a not-so-stubby area leads here: what none of its networks holds does not
/// follow a default route back.
fn insert_nssa_discard_routes(
    input: &Input<'_>,
    translatable: &BTreeMap<Ipv4Net, Translatable>,
    table: &mut RouteTable,
) {
    for area in &input.areas {
        let routes = translatable.iter().filter(|(_, route)| route.area == area.area);
        for range in nssa::condensed_ranges(area.nssa_ranges, routes.map(|(prefix, _)| *prefix)) {
            table.networks.entry(range).or_insert(Route {
                path_type: PathType::Discard,
                area: Some(area.area),
                cost: 0,
                cost2: 0,
                next_hops: Vec::new(),
                tag: 0,
            });
        }
    }
}
