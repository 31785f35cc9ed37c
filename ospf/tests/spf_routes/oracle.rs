//! Random areas against an independent calculation: distances of all pairs by Floyd and Warshall, and a first
//! hop belongs to a destination exactly if the first link and the rest of the way add up to the distance.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use isthmus_ospf::route::{NextHop, RouteTable};
use isthmus_ospf::wire::{LinkType, RouterLink};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::topology::{Seen, Topology, calculate_limited, rid};

/// What a random area is made of. Router and network numbers are taken modulo those that exist.
#[derive(Clone, Debug)]
struct Recipe {
    routers: u32,
    /// Two routers and the cost of each direction; a missing direction is a link not announced there.
    links: Vec<(u32, u32, Option<u16>, Option<u16>)>,
    /// Members of transit networks with their costs; the first is the designated router.
    networks: Vec<Vec<(u32, u16)>>,
    /// Which members the network-LSA leaves out.
    unlisted: Vec<(usize, usize)>,
    stubs: Vec<(u32, u32, u16)>,
    excluded: Option<u32>,
}

fn recipe() -> impl Strategy<Value = Recipe> {
    // Small costs make equal paths frequent.
    let cost = || 1u16..5;
    let direction = || prop_oneof![9 => cost().prop_map(Some), 1 => Just(None)];
    (
        2u32..10,
        vec((any::<u32>(), any::<u32>(), direction(), direction()), 0..24),
        vec(vec((any::<u32>(), cost()), 1..5), 0..4),
        vec((any::<usize>(), any::<usize>()), 0..2),
        vec((any::<u32>(), 0u32..12, 0u16..4), 0..16),
        prop::option::weighted(0.3, any::<u32>()),
    )
        .prop_map(|(routers, links, networks, unlisted, stubs, excluded)| Recipe {
            routers,
            links,
            networks,
            unlisted,
            stubs,
            excluded,
        })
}

/// Routers are 1 to n, network k has the vertex n + 1 + k.
struct World {
    topology: Topology,
    /// Cheapest announced cost of each direction, networks included.
    announced: Links,
    prefixes: Vec<(Ipv4Net, usize, u32)>,
    vertices: usize,
    excluded: Option<usize>,
    /// Address of a router on a network.
    addresses: BTreeMap<(usize, usize), Ipv4Addr>,
}

fn build(recipe: &Recipe) -> World {
    let n = recipe.routers;
    let router = |number: u32| number % n + 1;
    let mut world = World {
        topology: Topology::new(0),
        announced: BTreeMap::new(),
        prefixes: Vec::new(),
        vertices: n as usize + 1 + recipe.networks.len(),
        excluded: recipe.excluded.map(|number| router(number) as usize).filter(|number| *number != 1),
        addresses: BTreeMap::new(),
    };
    for number in 1..=n {
        world.topology.router(number);
    }
    for (a, b, there, back) in &recipe.links {
        let (a, b) = (router(*a), router(*b));
        for (from, to, cost) in [(a, b, there), (b, a, back)] {
            if let Some(cost) = cost.filter(|_| a != b) {
                world.topology.half_link(from, to, cost);
                announce(&mut world.announced, from as usize, to as usize, u32::from(cost));
            }
        }
    }
    for (k, members) in recipe.networks.iter().enumerate() {
        add_network(&mut world, recipe, k, members, n);
    }
    for (number, prefix, metric) in &recipe.stubs {
        let prefix = Ipv4Net::new(Ipv4Addr::from(0x0a00_0000 + (prefix << 8)), 24).unwrap();
        world.topology.stub(router(*number), &prefix.to_string(), *metric);
        world.prefixes.push((prefix, router(*number) as usize, u32::from(*metric)));
    }
    world.topology.excluded.extend(world.excluded.map(|number| rid(number as u32)));
    world
}

fn announce(announced: &mut Links, from: usize, to: usize, cost: u32) {
    let present = announced.entry((from, to)).or_insert(cost);
    *present = cost.min(*present);
}

fn add_network(world: &mut World, recipe: &Recipe, k: usize, members: &[(u32, u16)], n: u32) {
    let vertex = n as usize + 1 + k;
    let mut joined = BTreeSet::new();
    let members: Vec<(u32, u16)> = members
        .iter()
        .map(|(number, cost)| (number % n + 1, *cost))
        .filter(|(number, _)| joined.insert(*number))
        .collect();
    let address = |number: u32| Ipv4Addr::from(0xc0a8_0000 | (k as u32) << 8 | number);
    let designated = address(members[0].0);
    let unlisted: BTreeSet<usize> = recipe
        .unlisted
        .iter()
        .filter(|(network, _)| network % recipe.networks.len() == k)
        .map(|(_, member)| member % members.len())
        .filter(|member| *member != 0)
        .collect();
    let mut listed = Vec::new();
    for (index, (number, cost)) in members.iter().enumerate() {
        let link = RouterLink {
            id: designated,
            data: address(*number),
            link_type: LinkType::Transit,
            metric: *cost,
        };
        world.topology.router(*number).links.push(link);
        announce(&mut world.announced, *number as usize, vertex, u32::from(*cost));
        world.addresses.insert((*number as usize, vertex), address(*number));
        if !unlisted.contains(&index) {
            listed.push(rid(*number));
            announce(&mut world.announced, vertex, *number as usize, 0);
        }
    }
    let body = isthmus_ospf::wire::LsaBody::Network(isthmus_ospf::wire::NetworkLsa {
        network_mask: Ipv4Addr::new(255, 255, 255, 0),
        attached_routers: listed,
    });
    let ls_type = isthmus_ospf::wire::LsType::NETWORK;
    world.topology.others.push(crate::topology::lsa(ls_type, designated, members[0].0, &body));
    let prefix = Ipv4Net::new(designated, 24).unwrap().trunc();
    // A network whose designated router is excluded has lost its advertisement.
    if Some(members[0].0 as usize) == world.excluded {
        world.announced.retain(|(from, to), _| *from != vertex && *to != vertex);
    } else {
        world.prefixes.push((prefix, vertex, 0));
    }
}

const FAR: u32 = 1_000_000;

/// Cost of each direction of a link.
type Links = BTreeMap<(usize, usize), u32>;
/// Cost and first hops of each prefix.
type Routes = BTreeMap<Ipv4Net, (u32, BTreeSet<NextHop>)>;

/// The two-way links and the distances of all pairs.
fn distances(world: &World) -> (Links, Vec<Vec<u32>>) {
    let here = |vertex: usize| Some(vertex) != world.excluded;
    let links: Links = world
        .announced
        .iter()
        .filter(|((from, to), _)| here(*from) && here(*to) && world.announced.contains_key(&(*to, *from)))
        .map(|(ends, cost)| (*ends, *cost))
        .collect();
    let size = world.vertices;
    let mut distance = vec![vec![FAR; size]; size];
    for (at, row) in distance.iter_mut().enumerate() {
        row[at] = 0;
    }
    for ((from, to), cost) in &links {
        distance[*from][*to] = distance[*from][*to].min(*cost);
    }
    for middle in 0..size {
        for from in 0..size {
            for to in 0..size {
                let through = distance[from][middle] + distance[middle][to];
                distance[from][to] = distance[from][to].min(through);
            }
        }
    }
    (links, distance)
}

/// All first hops of shortest paths from router 1 to a vertex.
fn first_hops(
    world: &World,
    seen: &Seen,
    links: &Links,
    distance: &[Vec<u32>],
    to: usize,
) -> BTreeSet<NextHop> {
    let mut hops = BTreeSet::new();
    let total = distance[1][to];
    for adjacency in &seen.adjacencies {
        let neighbor = u32::from(adjacency.neighbor.0) as usize;
        if links.contains_key(&(1, neighbor)) && u32::from(adjacency.cost) + distance[neighbor][to] == total {
            let (interface, router) = (adjacency.interface, adjacency.neighbor);
            hops.insert(NextHop { interface, address: Some(adjacency.address), router });
        }
    }
    for transit in &seen.transits {
        let network = (u32::from(transit.designated_router) >> 8 & 0xff) as usize;
        let network = world.topology.routers.len() + 1 + network;
        if !links.contains_key(&(1, network)) {
            continue;
        }
        let cost = u32::from(transit.cost);
        let connected = NextHop { interface: transit.interface, address: None, router: rid(1) };
        if to == network && cost == total {
            hops.insert(connected);
        }
        for (router, onward) in distance.iter().enumerate().take(world.topology.routers.len() + 1).skip(2) {
            if links.contains_key(&(network, router)) && cost + onward[to] == total {
                let address = Some(world.addresses[&(router, network)]);
                hops.insert(NextHop { address, router: rid(router as u32), ..connected });
            }
        }
    }
    hops
}

fn expected(world: &World, seen: &Seen) -> Routes {
    let (links, distance) = distances(world);
    let mut routes: Routes = BTreeMap::new();
    let mut local: Routes = BTreeMap::new();
    for prefix in &seen.local {
        let hop = NextHop { interface: prefix.interface, address: None, router: rid(1) };
        offer(&mut local, prefix.prefix, u32::from(prefix.cost), BTreeSet::from([hop]));
    }
    for (prefix, vertex, metric) in world.prefixes.iter().filter(|(_, vertex, _)| *vertex != 1) {
        if distance[1][*vertex] < FAR {
            let hops = first_hops(world, seen, &links, &distance, *vertex);
            offer(&mut routes, *prefix, distance[1][*vertex] + metric, hops);
        }
    }
    for (prefix, (cost, hops)) in local {
        match routes.get(&prefix) {
            Some((other, _)) if *other < cost => {}
            _ => {
                routes.insert(prefix, (cost, hops));
            }
        }
    }
    routes
}

fn offer(routes: &mut Routes, prefix: Ipv4Net, cost: u32, hops: BTreeSet<NextHop>) {
    let entry = routes.entry(prefix).or_insert_with(|| (cost, BTreeSet::new()));
    if cost < entry.0 {
        *entry = (cost, hops);
    } else if cost == entry.0 {
        entry.1.extend(hops);
    }
}

fn actual(table: &RouteTable) -> Routes {
    let routes = table.networks.iter();
    routes.map(|(prefix, route)| (*prefix, (route.cost, route.next_hops.iter().copied().collect()))).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn routes_are_those_of_the_oracle(recipe in recipe()) {
        let world = build(&recipe);
        let seen = world.topology.seen_by(1);
        let table = calculate_limited(1, &[&seen], &[], 1000);
        prop_assert_eq!(actual(&table), expected(&world, &seen));
    }

    #[test]
    fn the_order_of_advertisements_and_adjacencies_does_not_matter(
        recipe in recipe(),
        maximum_paths in 1usize..4,
        by in any::<usize>(),
    ) {
        let seen = build(&recipe).topology.seen_by(1);
        let mut turned = build(&recipe).topology.seen_by(1);
        let by = by % turned.lsas.len();
        turned.lsas.rotate_left(by);
        turned.adjacencies.reverse();
        turned.transits.reverse();
        turned.local.reverse();
        let straight = calculate_limited(1, &[&seen], &[], maximum_paths);
        prop_assert_eq!(calculate_limited(1, &[&turned], &[], maximum_paths), straight);
    }
}
