//! Routes inside one area: to the networks and border routers that the shortest path tree reaches
//! (RFC 2328 section 16.1 steps 4 and 6).

use std::collections::{BTreeMap, BTreeSet};

use ipnet::Ipv4Net;

use crate::route::{NextHop, PathType, Route, RouterRoute, limit};
use crate::types::{AreaId, RouterId};
use crate::wire::{LinkType, RouterFlags, RouterLink};

use super::AreaInput;
use super::graph::{Graph, Stub, Vertex};
use super::tree::Tree;

/// What one area yields.
pub(super) struct IntraRoutes {
    pub(super) networks: Vec<(Ipv4Net, Route)>,
    pub(super) routers: BTreeMap<RouterId, RouterRoute>,
}

/// The shortest paths of one area, kept for what changes without changing them.
#[derive(Debug)]
pub(super) struct AreaTree {
    pub(super) graph: Graph,
    tree: Tree,
}

/// A way to a network.
struct Path {
    prefix: Ipv4Net,
    cost: u32,
    through: Through,
}

#[derive(Clone, Copy)]
enum Through {
    /// The network is on an interface of this router.
    Local(NextHop),
    Vertex(Vertex),
}

impl AreaTree {
    /// Cost and first hops of the shortest paths to a router.
    pub(super) fn path_to(&self, router: RouterId) -> Option<(u32, Vec<NextHop>)> {
        let vertex = self.graph.router(router).filter(|vertex| *vertex != self.graph.root)?;
        let cost = self.tree.distance(vertex)?;
        Some((cost, next_hops(std::iter::once(Through::Vertex(vertex)), &self.tree, usize::MAX)))
    }

    /// Whether a router that is reached, or this one, is an end of a virtual link through the area.
    pub(super) fn has_virtual_link_end(&self) -> bool {
        let mut ends = self.graph.routers().filter(|(_, router)| router.flags.contains(RouterFlags::V));
        ends.any(|(vertex, _)| self.tree.distance(vertex).is_some())
    }

    /// Whether a link of a router leads back over the last hop of a shortest path to it.
    pub(super) fn is_last_hop(&self, router: RouterId, link: &RouterLink) -> bool {
        let before = match link.link_type {
            LinkType::PointToPoint => self.graph.router(RouterId(link.id)),
            LinkType::Transit => self.graph.network(link.id),
            LinkType::Virtual | LinkType::Stub => None,
        };
        let (Some(before), Some(vertex)) = (before, self.graph.router(router)) else { return false };
        let mut edges = self.graph.edges(before).filter(|edge| edge.to() == vertex);
        let distance = |vertex| self.tree.distance(vertex);
        edges.any(|edge| distance(before).map(|cost| cost.saturating_add(edge.cost())) == distance(vertex))
    }
}

/// The shortest path tree of an area's graph and what it reaches.
pub(super) fn calculate(
    router_id: RouterId,
    area: &AreaInput<'_>,
    graph: Graph,
    maximum_paths: usize,
) -> (AreaTree, IntraRoutes) {
    let tree = Tree::new(&graph, router_id, area);
    let local = local_paths(router_id, area);
    let networks =
        graph.networks().filter_map(|(vertex, network)| network_path(&tree, vertex, network.prefix?));
    let stubs = graph.stubs.iter().filter_map(|stub| stub_path(&tree, stub));
    let paths = local.chain(networks).chain(stubs).collect();
    let routes = IntraRoutes {
        networks: cheapest_routes(paths, area.area, &tree, maximum_paths),
        routers: border_routers(&graph, &tree, maximum_paths),
    };
    (AreaTree { graph, tree }, routes)
}

/// The routes to some networks, by a tree that is there.
pub(super) fn routes_to(
    prefixes: &BTreeSet<Ipv4Net>,
    router_id: RouterId,
    area: &AreaInput<'_>,
    known: &AreaTree,
    maximum_paths: usize,
) -> Vec<(Ipv4Net, Route)> {
    let AreaTree { graph, tree } = known;
    let local = local_paths(router_id, area).filter(|path| prefixes.contains(&path.prefix));
    let networks = graph.networks().filter_map(|(vertex, network)| {
        let prefix = network.prefix.filter(|prefix| prefixes.contains(prefix))?;
        network_path(tree, vertex, prefix)
    });
    let stubs = prefixes.iter().flat_map(|prefix| graph.stubs_of(*prefix));
    let stubs = stubs.filter_map(|stub| stub_path(tree, stub));
    cheapest_routes(local.chain(networks).chain(stubs).collect(), area.area, tree, maximum_paths)
}

/// The networks on this router's own interfaces.
fn local_paths(router_id: RouterId, area: &AreaInput<'_>) -> impl Iterator<Item = Path> {
    area.local.iter().map(move |local| Path {
        prefix: local.prefix.trunc(),
        cost: u32::from(local.cost),
        through: Through::Local(NextHop { interface: local.interface, address: None, router: router_id }),
    })
}

fn network_path(tree: &Tree, vertex: Vertex, prefix: Ipv4Net) -> Option<Path> {
    Some(Path { prefix, cost: tree.distance(vertex)?, through: Through::Vertex(vertex) })
}

fn stub_path(tree: &Tree, stub: &Stub) -> Option<Path> {
    let cost = tree.distance(stub.router)?.saturating_add(stub.cost);
    Some(Path { prefix: stub.prefix, cost, through: Through::Vertex(stub.router) })
}

/// Of the ways to each network the cheapest.
fn cheapest_routes(
    mut paths: Vec<Path>,
    area: AreaId,
    tree: &Tree,
    maximum_paths: usize,
) -> Vec<(Ipv4Net, Route)> {
    paths.sort_by_key(|path| (path.prefix, path.cost));
    let groups = paths.chunk_by(|a, b| a.prefix == b.prefix);
    let routes = groups.filter_map(|group| {
        let Path { prefix, cost, .. } = *group.first()?;
        let equal = group.iter().take_while(|path| path.cost == cost);
        let next_hops = next_hops(equal.map(|path| path.through), tree, maximum_paths);
        let area = Some(area);
        Some((prefix, Route { path_type: PathType::IntraArea, area, cost, cost2: 0, next_hops, tag: 0 }))
    });
    routes.collect()
}

/// The union of all first hops. A network on an own interface is reached there and not through somebody who
/// announces it at the same cost.
fn next_hops(equal: impl Iterator<Item = Through>, tree: &Tree, maximum_paths: usize) -> Vec<NextHop> {
    let (mut local, mut remote) = (Vec::new(), Vec::new());
    for through in equal {
        match through {
            Through::Local(next_hop) => local.push(next_hop),
            Through::Vertex(vertex) => tree.add_next_hops(vertex, &mut remote),
        }
    }
    let mut next_hops = if local.is_empty() { remote } else { local };
    limit(&mut next_hops, maximum_paths);
    next_hops
}

fn border_routers(graph: &Graph, tree: &Tree, maximum_paths: usize) -> BTreeMap<RouterId, RouterRoute> {
    let reachable = graph.routers().filter_map(|(vertex, router)| {
        let abr = router.flags.contains(RouterFlags::B);
        let asbr = router.flags.contains(RouterFlags::E);
        let translator = router.flags.contains(RouterFlags::NT);
        if vertex == graph.root || !(abr || asbr) {
            return None;
        }
        let cost = tree.distance(vertex)?;
        let next_hops = next_hops(std::iter::once(Through::Vertex(vertex)), tree, maximum_paths);
        Some((
            router.id,
            RouterRoute { path_type: PathType::IntraArea, abr, asbr, translator, cost, next_hops },
        ))
    });
    reachable.collect()
}
