//! Several areas: border routers, ranges, and a backbone that is whole only through the cluster.

use isthmus_ospf::config::{AreaConfig, AreaRange};
use isthmus_ospf::route::PathType;

use crate::mesh::fast;
use crate::network::{BACKBONE, CLUSTER, Network, NodeId, Quality, seconds, seeds};

struct Site {
    network: Network,
    outside: Vec<NodeId>,
    borders: Vec<NodeId>,
    inner: Vec<NodeId>,
}

/// The cluster's area with its range, announced at a fixed cost.
fn cluster_area() -> AreaConfig {
    let range =
        AreaRange { prefix: "192.168.0.0/16".parse().expect("a prefix"), advertise: true, cost: Some(20) };
    AreaConfig { ranges: vec![range], ..fast() }
}

/// A cluster of four with two border routers, each with an outside router behind a link of its own. If `joined`,
/// the outside routers have a link, else they are islands.
fn site(seed: u64, joined: bool) -> Site {
    let mut network = Network::new(seed);
    let outside = network.routers(2);
    let borders = network.routers(2);
    let inner = network.routers(2);
    let members: Vec<_> = borders.iter().chain(&inner).copied().collect();
    for node in &members {
        network.area(*node, CLUSTER, cluster_area());
        network.stub(*node, CLUSTER, "10.255.0.1/32", 1);
    }
    let mesh = network.mesh(&members, CLUSTER, 2);
    for (outer, border) in outside.iter().zip(&borders) {
        network.link(*outer, *border, BACKBONE, 10);
        network.stub(*outer, BACKBONE, &format!("172.20.{outer}.0/24"), 1);
    }
    network.multi_area(mesh, borders[0], borders[1], 2);
    if joined {
        network.link(outside[0], outside[1], BACKBONE, 10);
    }
    Site { network, outside, borders, inner }
}

#[test]
fn two_border_routers_announce_ranges_at_their_fixed_cost() {
    let Site { mut network, outside, borders, inner } = site(1, true);
    network.start_all();
    network.converge(seconds(20));
    let range = "192.168.0.0/16".parse().expect("a prefix");
    for outer in &outside {
        let route = &network.nodes[*outer].fib[&range];
        assert_eq!((route.path_type, route.cost), (PathType::InterArea, 30));
        // Members are hidden by the range; the common address, which is in no range, is not.
        let hosts = network.nodes[*outer].fib.keys().filter(|prefix| range.contains(*prefix)).count();
        assert_eq!(hosts, 1);
        assert!(network.nodes[*outer].fib.contains_key(&"10.255.0.1/32".parse().expect("a prefix")));
    }
    assert_eq!(network.nodes[borders[0]].fib[&range].path_type, PathType::Discard);
    assert_eq!(network.nodes[inner[0]].fib[&"172.20.0.0/24".parse().expect("a prefix")].cost, 2 + 10 + 1);
}

#[test]
fn the_second_border_router_takes_over_from_the_first() {
    for seed in seeds(5) {
        let Site { mut network, borders, .. } = site(seed, true);
        network.quality = if seed == 0 { Quality::GOOD } else { Quality::BAD };
        network.start_all();
        network.converge(seconds(300));
        network.kill(borders[0]);
        network.run_for(seconds(5));
        network.converge(seconds(300));
        network.start(borders[0]);
        network.converge(seconds(300));
        network.shut_down(borders[1]);
        network.converge(seconds(300));
    }
}

#[test]
fn islands_of_the_backbone_reach_each_other_over_the_cluster() {
    for seed in seeds(5) {
        let Site { mut network, outside, borders, .. } = site(seed, false);
        network.quality = if seed == 0 { Quality::GOOD } else { Quality::BAD };
        network.start_all();
        network.converge(seconds(300));
        let far = format!("172.20.{}.0/24", outside[1]).parse().expect("a prefix");
        let route = &network.nodes[outside[0]].fib[&far];
        // Inside the backbone: 10 to the border router, 2 over the adjacency, 10 and 1.
        assert_eq!((route.path_type, route.cost), (PathType::IntraArea, 23));
        let hop = network.nodes[borders[0]].fib[&far].next_hops[0];
        assert_eq!(hop.router, network.router_id(borders[1]));
        assert!(hop.address.is_some_and(|address| address.octets()[0] == 192));
    }
}

#[test]
fn a_border_router_whose_outside_fails_becomes_an_internal_one() {
    let Site { mut network, outside, borders, inner } = site(1, true);
    network.start_all();
    network.converge(seconds(20));
    // As the driver does: without a NIC there is no adjacency between border routers either.
    let link = network
        .segments
        .iter()
        .position(|s| {
            s.members.iter().any(|(node, _)| *node == outside[0])
                && s.members.iter().any(|(node, _)| *node == borders[0])
        })
        .expect("a link");
    network.set_link(link, false);
    for border in &borders {
        network.remove_interfaces(*border, |interface| interface.unicast_to.is_some());
    }
    network.converge(seconds(20));
    let instance = network.nodes[borders[0]].instance.as_ref().expect("it runs");
    assert!(!instance.view_instance(network.now).area_border_router);
    let own = network.router_id(borders[0]);
    let reader = network.nodes[inner[0]].instance.as_ref().expect("it runs");
    let summaries = reader
        .view_database(network.now, Some(CLUSTER))
        .into_iter()
        .filter(|entry| entry.header.adv_router == own && entry.header.type_number == 3);
    assert_eq!(summaries.count(), 0, "its summaries are flushed");
}

#[test]
fn a_border_router_without_a_backbone_neighbor_still_reaches_the_outside() {
    let Site { mut network, outside, borders, .. } = site(1, true);
    network.start_all();
    network.converge(seconds(20));
    // The router outside dies with its carrier up: the border router stays one, alone (RFC 3509).
    for border in &borders {
        network.remove_interfaces(*border, |interface| interface.unicast_to.is_some());
    }
    network.kill(outside[0]);
    network.run_for(seconds(5));
    network.converge(seconds(20));
    let far = format!("172.20.{}.0/24", outside[1]).parse().expect("a prefix");
    assert!(network.nodes[borders[0]].fib.contains_key(&far));
}

#[test]
fn an_area_that_leaves_the_configuration_and_comes_back() {
    let Site { mut network, outside, borders, .. } = site(3, true);
    network.start_all();
    network.converge(seconds(20));
    network.run_for(seconds(10));
    let configs: Vec<_> = borders.iter().map(|border| network.nodes[*border].config.clone()).collect();
    let members: Vec<_> = network.segments.iter().map(|segment| segment.members.clone()).collect();

    network.remove_interfaces(borders[1], |interface| interface.unicast_to.is_some());
    network.remove_area(borders[0], BACKBONE);
    let took = network.converge_fast(seconds(20));
    assert!(took < seconds(3), "nobody waits for a dead interval: {took:?}");
    let gone = network.router_id(borders[0]);
    let outer = network.nodes[outside[1]].instance.as_ref().expect("it runs");
    assert!(
        outer.view_database(network.now, Some(BACKBONE)).iter().all(|entry| entry.header.adv_router != gone)
    );

    for (segment, members) in network.segments.iter_mut().zip(members) {
        segment.members = members;
    }
    for (border, config) in borders.iter().zip(configs) {
        network.reconfigure(*border, |present| *present = config);
        for id in network.nodes[*border].config.interfaces.keys().copied().collect::<Vec<_>>() {
            network.with(*border, |instance, now| instance.handle_link(now, id, true));
        }
    }
    network.converge(seconds(30));
}
