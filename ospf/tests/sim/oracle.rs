//! What everybody should know when nothing changes any more, computed from the ground truth: the
//! configurations, the processes that run and the segments that carry packets. No code of the engine takes part.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::rc::Rc;
use std::time::Duration;

use ipnet::Ipv4Net;
use isthmus_ospf::config::{AreaType, InterfaceConfig, InterfaceType, NssaConfig};
use isthmus_ospf::route::PathType;
use isthmus_ospf::types::{AreaId, InterfaceId, MAX_AGE};

use crate::network::{BACKBONE, Network, NodeId, Segment, seconds};

type Hop = (InterfaceId, Option<Ipv4Addr>);

/// A way to a router or network.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Way {
    cost: u32,
    hops: BTreeSet<Hop>,
}

impl Way {
    /// Keeps the cheaper of two ways, both if they cost the same.
    fn improve(slot: &mut Option<Self>, other: Self) {
        match slot {
            Some(present) if present.cost < other.cost => {}
            Some(present) if present.cost == other.cost => present.hops.extend(other.hops),
            _ => *slot = Some(other),
        }
    }
}

struct Edge {
    to: NodeId,
    cost: u32,
    hop: Hop,
}

/// A prefix of a router, its cost, and where it is.
type Announced = (Ipv4Net, u32, InterfaceId);
type Routes = BTreeMap<Ipv4Net, Way>;

/// The ground truth of one moment.
struct Truth<'a> {
    network: &'a Network,
    /// By area: every router's edges.
    edges: BTreeMap<AreaId, BTreeMap<NodeId, Vec<Edge>>>,
    /// By area and router: what it announces.
    prefixes: BTreeMap<AreaId, BTreeMap<NodeId, Vec<Announced>>>,
    /// What was computed once.
    memory: RefCell<Memory>,
}

type Ways = BTreeMap<NodeId, Way>;
/// Routes inside areas, with the area that each belongs to.
type IntraRoutes = BTreeMap<Ipv4Net, (AreaId, Way)>;
/// Which way to the outside is preferred, the least one first: type 2, its metric, not inside another area than the backbone, cost.
type Rank = (bool, u32, bool, u32);

/// What is asked for again and again.
#[derive(Default)]
struct Memory {
    ways: BTreeMap<(AreaId, NodeId), Rc<Ways>>,
    intra: BTreeMap<NodeId, Rc<IntraRoutes>>,
    over_backbone: BTreeMap<NodeId, Rc<Routes>>,
}

impl Network {
    /// Lets time pass until every router knows the truth, and fails with a difference after `limit`.
    pub(crate) fn converge(&mut self, limit: Duration) -> Duration {
        let start = self.now;
        loop {
            let found = self.check();
            match found {
                Ok(()) => return self.now.since(start),
                Err(what) if self.now.since(start) > limit => {
                    panic!("not within {limit:?}: {what}\n{}", self.describe())
                }
                Err(_) => self.run_for(seconds(1)),
            }
        }
    }

    /// The same in steps of 5 ms, for networks where no timer is needed.
    pub(crate) fn converge_fast(&mut self, limit: Duration) -> Duration {
        let start = self.now;
        while let Err(what) = self.check() {
            assert!(self.now.since(start) <= limit, "not within {limit:?}: {what}\n{}", self.describe());
            self.run_for(Duration::from_millis(5));
        }
        self.now.since(start)
    }

    /// Whether all databases of an area are equal, nothing is left to do, and all routes are right.
    pub(crate) fn check(&self) -> Result<(), String> {
        let truth = Truth::new(self);
        truth.check_databases()?;
        truth.check_routes()
    }
}

impl<'a> Truth<'a> {
    fn new(network: &'a Network) -> Self {
        let mut truth =
            Self { network, edges: BTreeMap::new(), prefixes: BTreeMap::new(), memory: RefCell::default() };
        for (node, _, _) in network.alive() {
            for area in truth.attached(node) {
                let prefixes = truth.prefixes_of(node, area);
                truth.prefixes.entry(area).or_default().insert(node, prefixes);
                let edges = truth.edges_of(node, area);
                truth.edges.entry(area).or_default().insert(node, edges);
            }
        }
        truth
    }

    /// Ways of a router to all routers of an area.
    fn ways(&self, area: AreaId, node: NodeId) -> Rc<Ways> {
        let known = self.memory.borrow().ways.get(&(area, node)).cloned();
        known.unwrap_or_else(|| {
            let ways = Rc::new(shortest_ways(&self.edges[&area], node));
            self.memory.borrow_mut().ways.insert((area, node), Rc::clone(&ways));
            ways
        })
    }

    fn interfaces(&self, node: NodeId) -> impl Iterator<Item = (InterfaceId, &'a InterfaceConfig)> {
        let network = self.network;
        let config = &network.nodes[node].config;
        config
            .interfaces
            .iter()
            .map(|(id, config)| (*id, config))
            .filter(move |(id, _)| network.segment_of(node, *id).is_some_and(|segment| segment.up))
    }

    fn attached(&self, node: NodeId) -> BTreeSet<AreaId> {
        self.interfaces(node).map(|(_, config)| config.area).collect()
    }

    fn is_border_router(&self, node: NodeId) -> bool {
        let attached = self.attached(node);
        attached.contains(&BACKBONE) && attached.len() > 1
    }

    /// Whether packets pass and lead to adjacencies: on a broadcast network somebody must be eligible to speak for it.
    fn carries(&self, segment: &Segment) -> bool {
        let is_eligible = |(node, id): &(NodeId, InterfaceId)| {
            let config = &self.network.nodes[*node].config.interfaces[id];
            let runs = self.network.nodes[*node].instance.is_some();
            let has_designated_router =
                matches!(config.interface_type, InterfaceType::Broadcast | InterfaceType::NonBroadcast);
            !has_designated_router || (runs && config.priority > 0)
        };
        !segment.silent && segment.members.iter().any(is_eligible)
    }

    fn edges_of(&self, node: NodeId, area: AreaId) -> Vec<Edge> {
        let mut edges = Vec::new();
        for (id, config) in self.interfaces(node).filter(|(_, config)| config.area == area && !config.passive)
        {
            if let Some(segment) = self.network.segment_of(node, id).filter(|segment| self.carries(segment)) {
                for (other, other_id) in &segment.members {
                    let other_config = &self.network.nodes[*other].config.interfaces[other_id];
                    if *other == node || other_config.area != area {
                        continue;
                    }
                    let is_peer = match (config.unicast_to, other_config.unicast_to) {
                        (None, None) => true,
                        (Some(to), Some(from)) => {
                            to == other_config.address.addr() && from == config.address.addr()
                        }
                        _ => false,
                    };
                    let runs = self.network.nodes[*other].instance.is_some();
                    let cut = self.network.is_cut(node, *other);
                    if runs && !cut && is_peer {
                        let hop = (id, Some(other_config.address.addr()));
                        edges.push(Edge { to: *other, cost: u32::from(config.cost), hop });
                    }
                }
            }
        }
        edges
    }

    /// The prefixes that a router announces into an area.
    fn prefixes_of(&self, node: NodeId, area: AreaId) -> Vec<Announced> {
        let mut prefixes = Vec::new();
        for (id, config) in self.interfaces(node).filter(|(_, config)| config.area == area) {
            if !config.unnumbered {
                prefixes.push(match config.interface_type {
                    InterfaceType::PointToMultipoint if !config.passive => {
                        (Ipv4Net::from(config.address.addr()), 0, id)
                    }
                    _ => (config.address.trunc(), u32::from(config.cost), id),
                });
            }
            prefixes
                .extend(config.stub_prefixes.iter().map(|(prefix, cost)| (*prefix, u32::from(*cost), id)));
        }
        prefixes
    }

    fn intra(&self, node: NodeId, area: AreaId) -> Routes {
        let mut routes: BTreeMap<Ipv4Net, Option<Way>> = BTreeMap::new();
        for (prefix, cost, id) in &self.prefixes[&area][&node] {
            let way = Way { cost: *cost, hops: BTreeSet::from([(*id, None)]) };
            Way::improve(routes.entry(*prefix).or_default(), way);
        }
        let local = routes.clone();
        for (other, way) in self.ways(area, node).iter().filter(|(other, _)| **other != node) {
            for (prefix, cost, _) in &self.prefixes[&area][other] {
                let way = Way { cost: way.cost + cost, hops: way.hops.clone() };
                Way::improve(routes.entry(*prefix).or_default(), way);
            }
        }
        // What is on an own interface is reached there, and not through somebody who announces it at the same cost.
        for (prefix, way) in local {
            if way.as_ref().map(|way| way.cost) == routes[&prefix].as_ref().map(|way| way.cost) {
                routes.insert(prefix, way);
            }
        }
        routes.into_iter().filter_map(|(prefix, way)| Some((prefix, way?))).collect()
    }

    /// Routes inside the attached areas, with the area that each belongs to.
    fn all_intra(&self, node: NodeId) -> Rc<IntraRoutes> {
        if let Some(known) = self.memory.borrow().intra.get(&node) {
            return Rc::clone(known);
        }
        let mut routes: BTreeMap<Ipv4Net, (AreaId, Way)> = BTreeMap::new();
        for area in self.attached(node) {
            for (prefix, way) in self.intra(node, area) {
                match routes.get(&prefix) {
                    Some((_, present)) if present.cost <= way.cost => {}
                    _ => {
                        routes.insert(prefix, (area, way));
                    }
                }
            }
        }
        let routes = Rc::new(routes);
        self.memory.borrow_mut().intra.insert(node, Rc::clone(&routes));
        routes
    }

    /// The active ranges of a border router and their costs.
    fn ranges(&self, node: NodeId) -> BTreeMap<Ipv4Net, (AreaId, Option<u32>)> {
        let mut active = BTreeMap::new();
        if !self.is_border_router(node) {
            return active;
        }
        let intra = self.all_intra(node);
        for (area, config) in &self.network.nodes[node].config.areas {
            for range in &config.ranges {
                let inside = intra.iter().filter(|(p, (of, _))| of == area && range.prefix.contains(*p));
                if let Some(largest) = inside.map(|(_, (_, way))| way.cost).max() {
                    let cost = range.advertise.then(|| range.cost.unwrap_or(largest));
                    active.insert(range.prefix, (*area, cost));
                }
            }
        }
        active
    }

    /// What a border router announces into an area, leaving out what it has learnt over the backbone.
    fn summaries_of_intra(&self, node: NodeId, into: AreaId) -> BTreeMap<Ipv4Net, u32> {
        let mut summaries = BTreeMap::new();
        let ranges = self.ranges(node);
        for (prefix, (area, way)) in self.all_intra(node).iter() {
            let condensed = ranges.iter().any(|(range, (of, _))| of == area && range.contains(prefix));
            if *area != into && !condensed {
                summaries.insert(*prefix, way.cost);
            }
        }
        for (range, (area, cost)) in ranges {
            if let Some(cost) = cost.filter(|_| area != into) {
                summaries.insert(range, cost);
            }
        }
        summaries
    }

    /// Routes from the summaries of one area's border routers.
    fn inter(&self, node: NodeId, area: AreaId, routes: &mut BTreeMap<Ipv4Net, Option<Way>>) {
        let own_ranges = self.ranges(node);
        for (border, way) in self.ways(area, node).iter() {
            if *border == node || !self.is_border_router(*border) {
                continue;
            }
            let mut summaries = self.summaries_of_intra(*border, area);
            if area != BACKBONE {
                for (prefix, way) in self.over_backbone(*border).iter() {
                    summaries.entry(*prefix).or_insert(way.cost);
                }
            }
            // A stub area takes a default route of each border router, which these do not follow themselves.
            let settings = &self.network.nodes[*border].config.areas[&area];
            if let AreaType::Stub { default_cost, summary } = settings.area_type {
                if !summary {
                    summaries.clear();
                }
                if !self.is_border_router(node) {
                    summaries.insert(Ipv4Net::default(), default_cost);
                }
            }
            // Of a not-so-stubby area the same holds without summaries (RFC 3101 section 2.7).
            if let Some(nssa) = settings.area_type.nssa().filter(|nssa| !nssa.summary) {
                summaries.clear();
                if !self.is_border_router(node) {
                    summaries.insert(Ipv4Net::default(), nssa.default_cost);
                }
            }
            for (prefix, cost) in summaries {
                if !own_ranges.contains_key(&prefix) {
                    let way = Way { cost: way.cost + cost, hops: way.hops.clone() };
                    Way::improve(routes.entry(prefix).or_default(), way);
                }
            }
        }
    }

    /// Inter-area routes of a border router over the backbone.
    fn over_backbone(&self, node: NodeId) -> Rc<Routes> {
        if let Some(known) = self.memory.borrow().over_backbone.get(&node) {
            return Rc::clone(known);
        }
        let mut routes = BTreeMap::new();
        self.inter(node, BACKBONE, &mut routes);
        let intra = self.all_intra(node);
        let routes = routes.into_iter().filter(|(prefix, _)| !intra.contains_key(prefix));
        let routes: Rc<Routes> = Rc::new(routes.filter_map(|(prefix, way)| Some((prefix, way?))).collect());
        self.memory.borrow_mut().over_backbone.insert(node, Rc::clone(&routes));
        routes
    }

    fn routes(&self, node: NodeId) -> Routes {
        let mut by_area: Vec<(AreaId, Routes)> = Vec::new();
        for area in self.attached(node) {
            // RFC 2328 section 16.2, and RFC 3509 for a border router without a neighbor in the backbone.
            let lonely = self.edges.get(&BACKBONE).and_then(|all| all.get(&node)).is_some_and(Vec::is_empty);
            if !self.is_border_router(node) || area == BACKBONE || lonely {
                let mut routes = BTreeMap::new();
                self.inter(node, area, &mut routes);
                let found = routes.into_iter().filter_map(|(prefix, way)| Some((prefix, way?)));
                by_area.push((area, found.collect()));
            }
        }
        // Equal paths are of one area (section 16.8): the lower one for networks, the larger one for who announces routes from
        // outside (section 16.4, step 3).
        let (mut routes, mut to_announcers) = (Routes::new(), Routes::new());
        for (prefix, way) in by_area.into_iter().flat_map(|(_, routes)| routes) {
            if routes.get(&prefix).is_none_or(|present| way.cost < present.cost) {
                routes.insert(prefix, way.clone());
            }
            if to_announcers.get(&prefix).is_none_or(|present| way.cost <= present.cost) {
                to_announcers.insert(prefix, way);
            }
        }
        for routes in [&mut routes, &mut to_announcers] {
            routes.extend(self.all_intra(node).iter().map(|(prefix, (_, way))| (*prefix, way.clone())));
        }
        for (prefix, way) in self.external(node, &to_announcers) {
            routes.entry(prefix).or_insert(way);
        }
        routes
    }

    /// Routes to the outside: to whoever announces it, as far as the host prefix that a test gives every such router, and
    /// with the metric added if it is of type 1. Of several routers type 1 wins, of type 2 the lower metric, then who is reached
    /// inside another area than the backbone (section 16.4.1), then the nearer. Who announces is in one area only.
    fn external(&self, node: NodeId, routes: &Routes) -> Routes {
        let mut best: BTreeMap<Ipv4Net, (Rank, Way)> = BTreeMap::new();
        let takes = |area: &AreaId| {
            let areas = &self.network.nodes[node].config.areas;
            areas.get(area).is_none_or(|area| area.area_type == AreaType::Normal)
        };
        let has_type_5 = self.attached(node).iter().any(takes);
        let nssas: Vec<AreaId> =
            self.attached(node).into_iter().filter(|area| self.nssa(node, *area).is_some()).collect();
        for (id, other, _) in self.network.alive().filter(|(id, _, _)| *id != node) {
            let meets = |area: &AreaId| self.attached(id).contains(area);
            if !has_type_5 && !nssas.iter().any(meets) {
                continue;
            }
            let host = Ipv4Net::from(self.network.router_id(id).0);
            let Some(way) = routes.get(&host) else { continue };
            let intra = self.all_intra(node);
            let is_less_preferred = intra.get(&host).is_none_or(|(area, _)| *area == BACKBONE);
            for (prefix, route) in &other.externals {
                let (cost, rank) = match route.e2 {
                    true => (way.cost, (true, route.metric, is_less_preferred, way.cost)),
                    false => {
                        (way.cost + route.metric, (false, 0, is_less_preferred, way.cost + route.metric))
                    }
                };
                let candidate = Way { cost, hops: way.hops.clone() };
                match best.get_mut(prefix) {
                    Some((present, _)) if *present < rank => {}
                    Some((present, way)) if *present == rank => way.hops.extend(candidate.hops),
                    _ => drop(best.insert(*prefix, (rank, candidate))),
                }
            }
        }
        let mut routes: Routes = best.into_iter().map(|(prefix, (_, way))| (prefix, way)).collect();
        if let Some(way) = self.nssa_default(node, &nssas) {
            routes.insert(Ipv4Net::default(), way);
        }
        routes
    }

    fn nssa(&self, node: NodeId, area: AreaId) -> Option<NssaConfig> {
        self.network.nodes[node].config.area_type(area).nssa()
    }

    /// The default routes in type 7 advertisements of not-so-stubby areas' border routers, which they do not follow themselves.
    fn nssa_default(&self, node: NodeId, nssas: &[AreaId]) -> Option<Way> {
        let mut best = None;
        if self.is_border_router(node) {
            return None;
        }
        for area in nssas {
            for (border, way) in self.ways(*area, node).iter() {
                let nssa = self.nssa(*border, *area).filter(|nssa| nssa.summary && nssa.default_route);
                if let Some(nssa) = nssa.filter(|_| self.is_border_router(*border)) {
                    let way = Way { cost: way.cost + nssa.default_cost, hops: way.hops.clone() };
                    Way::improve(&mut best, way);
                }
            }
        }
        best
    }

    fn check_routes(&self) -> Result<(), String> {
        for (id, node, _) in self.network.alive() {
            let expected = self.routes(id);
            let ranges = self.ranges(id);
            let mut actual = Routes::new();
            for (prefix, route) in &node.fib {
                if route.path_type == PathType::Discard {
                    if !ranges.contains_key(prefix) {
                        return Err(format!("{}: {prefix} is discarded", node.config.router_id));
                    }
                    continue;
                }
                let hops = route.next_hops.iter().map(|hop| (hop.interface, hop.address)).collect();
                actual.insert(*prefix, Way { cost: route.cost, hops });
            }
            for prefix in expected.keys().chain(actual.keys()) {
                if expected.get(prefix) != actual.get(prefix) {
                    return Err(format!(
                        "{}: route to {prefix} should be {:?}, is {:?}",
                        node.config.router_id,
                        expected.get(prefix),
                        actual.get(prefix)
                    ));
                }
            }
        }
        Ok(())
    }

    fn check_databases(&self) -> Result<(), String> {
        for (area, edges) in &self.edges {
            let mut seen = BTreeSet::new();
            for first in edges.keys() {
                if seen.contains(first) {
                    continue;
                }
                // All who can reach each other.
                let database = self.database(*first, *area)?;
                let mut waiting = vec![*first];
                while let Some(node) = waiting.pop() {
                    if !seen.insert(node) {
                        continue;
                    }
                    let other = self.database(node, *area)?;
                    if database != other {
                        let (more, less): (Vec<_>, Vec<_>) =
                            (database.difference(&other).collect(), other.difference(&database).collect());
                        return Err(format!("in {area} {first} alone has {more:?}, {node} alone {less:?}"));
                    }
                    waiting.extend(edges[&node].iter().map(|edge| edge.to));
                }
            }
        }
        for (id, _, instance) in self.network.alive() {
            for neighbor in instance.view_neighbors(self.network.local(id)) {
                let statistics = neighbor.statistics;
                if statistics.nbr_retrans_qlen + statistics.nbr_request_qlen > 0 {
                    return Err(format!("{id} is not done with {}", neighbor.neighbor_router_id));
                }
            }
        }
        Ok(())
    }

    fn database(&self, node: NodeId, area: AreaId) -> Result<BTreeSet<(String, u32, String)>, String> {
        let Some(instance) = &self.network.nodes[node].instance else { return Ok(BTreeSet::new()) };
        let mut database = BTreeSet::new();
        for entry in instance.view_database(self.network.local(node), Some(area)) {
            let header = entry.header;
            if header.age >= MAX_AGE {
                return Err(format!("{node} still flushes {header:?}"));
            }
            let name = format!("{} {} of {}", header.lsa_type, header.lsa_id, header.adv_router);
            database.insert((name, header.seq_num, header.checksum));
        }
        Ok(database)
    }
}

/// Dijkstra, with the first hops of all shortest ways. Costs are more than zero: whoever is nearest is settled.
fn shortest_ways(edges: &BTreeMap<NodeId, Vec<Edge>>, root: NodeId) -> Ways {
    let mut ways: BTreeMap<NodeId, Option<Way>> = BTreeMap::new();
    ways.insert(root, Some(Way { cost: 0, hops: BTreeSet::new() }));
    let mut waiting = BTreeSet::from([(0, root)]);
    while let Some((cost, from)) = waiting.pop_first() {
        let Some(Some(way)) = ways.get(&from).cloned() else { continue };
        if way.cost < cost {
            continue;
        }
        for edge in edges.get(&from).into_iter().flatten().filter(|edge| edge.to != root) {
            let hops = if from == root { BTreeSet::from([edge.hop]) } else { way.hops.clone() };
            let cost = cost + edge.cost;
            Way::improve(ways.entry(edge.to).or_default(), Way { cost, hops });
            waiting.insert((cost, edge.to));
        }
    }
    ways.into_iter().filter_map(|(node, way)| Some((node, way?))).collect()
}
