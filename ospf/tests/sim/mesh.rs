//! A point-to-multipoint network as in the cluster: many members, each pair its own link.

use std::time::Duration;

use isthmus_ospf::config::AreaConfig;
use isthmus_ospf::view::NeighborState;

use crate::network::{CLUSTER, Network, NodeId, Quality, seconds, seeds};

/// The timers of an area where all routers are ours.
pub(crate) fn fast() -> AreaConfig {
    AreaConfig {
        min_ls_interval: Some(Duration::ZERO),
        min_ls_arrival: Some(Duration::ZERO),
        ..AreaConfig::default()
    }
}

fn cluster(seed: u64, count: usize) -> (Network, Vec<NodeId>) {
    let mut network = Network::new(seed);
    let nodes = network.routers(count);
    for node in &nodes {
        network.area(*node, CLUSTER, fast());
        network.stub(*node, CLUSTER, "10.255.0.1/32", 1);
    }
    network.mesh(&nodes, CLUSTER, 2);
    (network, nodes)
}

#[test]
fn a_mesh_of_8_converges_in_milliseconds() {
    let (mut network, _) = cluster(1, 8);
    network.start_all();
    network.converge_fast(Duration::from_millis(300));
}

#[test]
fn a_mesh_of_8_converges_over_bad_links() {
    for seed in seeds(5) {
        let (mut network, _) = cluster(seed, 8);
        network.quality = Quality::BAD;
        network.start_all();
        network.converge(seconds(300));
    }
}

#[test]
fn a_member_that_falls_silent_is_gone_after_the_dead_interval() {
    let (mut network, nodes) = cluster(2, 8);
    network.start_all();
    network.converge(seconds(10));
    network.kill(nodes[3]);
    let took = network.converge_fast(seconds(6));
    assert!(took > seconds(2) && took <= seconds(5), "{took:?}");
    network.start(nodes[3]);
    network.converge(seconds(10));
}

#[test]
fn a_member_declared_dead_is_gone_at_once() {
    let (mut network, nodes) = cluster(3, 8);
    network.start_all();
    network.converge(seconds(10));
    let dead = nodes[5];
    let router = network.router_id(dead);
    network.kill(dead);

    // The first one to be told already routes around it, although the databases of all still list it.
    network.with(nodes[0], |instance, now| instance.handle_neighbor_dead(now, router));
    let via_dead = |network: &Network, node: NodeId| {
        network.nodes[node].fib.values().any(|route| route.next_hops.iter().any(|hop| hop.router == router))
    };
    assert!(!via_dead(&network, nodes[0]));
    assert!(via_dead(&network, nodes[1]));

    for node in nodes.iter().filter(|node| **node != dead) {
        network.with(*node, |instance, now| instance.handle_neighbor_dead(now, router));
    }
    network.converge_fast(Duration::from_millis(300));

    // It is taken back when it is heard again.
    network.start(dead);
    network.converge(seconds(10));
    assert_eq!(network.neighbor_state(nodes[0], dead), NeighborState::Full);
}

#[test]
fn a_pair_that_cannot_talk_goes_through_a_third() {
    let (mut network, nodes) = cluster(4, 4);
    network.start_all();
    network.converge(seconds(10));
    network.set_cut(nodes[0], nodes[1], true);
    network.run_for(seconds(5));
    network.converge(seconds(10));
    let to = format!("192.168.{}.{}/32", network.segments.len() - 1, 2);
    let route = &network.nodes[nodes[0]].fib[&to.parse().expect("a prefix")];
    assert_eq!((route.cost, route.next_hops.len()), (4, 2));
    network.set_cut(nodes[0], nodes[1], false);
    network.converge(seconds(10));
}

/// The cluster as it is: every member on both networks, its local address announced on both.
fn two_networks(seed: u64, count: usize) -> (Network, Vec<NodeId>, [usize; 2]) {
    let mut network = Network::new(seed);
    let nodes = network.routers(count);
    let networks = [network.mesh(&nodes, CLUSTER, 2), network.mesh(&nodes, CLUSTER, 3)];
    for node in &nodes {
        network.area(*node, CLUSTER, fast());
        let local =
            network.nodes[*node].config.interfaces.values().next().map(|interface| interface.address.addr());
        let local = local.expect("an interface");
        for interface in network.nodes[*node].config.interfaces.values_mut() {
            interface.stub_prefixes.push((local.into(), 0));
        }
    }
    (network, nodes, networks)
}

#[test]
fn traffic_moves_to_the_second_network_when_the_first_fails_and_back() {
    for seed in seeds(3) {
        let (mut network, nodes, [lsm, gsm]) = two_networks(seed, 5);
        network.quality = if seed == 0 { Quality::GOOD } else { Quality::BAD };
        network.start_all();
        network.converge(seconds(300));
        let to = "192.168.0.2/32".parse().expect("a prefix");
        let cost = |network: &Network| network.nodes[nodes[0]].fib[&to].cost;
        assert_eq!(cost(&network), 2);
        network.set_link(lsm, false);
        network.converge(seconds(300));
        assert_eq!(cost(&network), 3);
        network.set_link(lsm, true);
        network.converge(seconds(300));
        assert_eq!(cost(&network), 2);
        network.segments[gsm].silent = true;
        network.run_for(seconds(5));
        network.converge(seconds(300));
        assert_eq!(cost(&network), 2);
    }
}

#[test]
fn a_member_that_restarts_before_anybody_has_noticed_is_back_in_milliseconds() {
    let (mut network, nodes, _) = two_networks(7, 5);
    network.start_all();
    network.converge(seconds(10));
    network.run_for(seconds(5));
    network.kill(nodes[2]);
    network.start(nodes[2]);
    network.run_for(Duration::from_millis(1));
    network.converge_fast(Duration::from_millis(300));
    assert_eq!(network.neighbor_state(nodes[2], nodes[0]), NeighborState::Full);
}

#[test]
fn members_that_come_and_go_in_any_order_leave_everybody_right() {
    for seed in seeds(4) {
        let (mut network, nodes, _) = two_networks(seed, 6);
        network.quality = Quality::BAD;
        let mut random = crate::random::Random::new(seed + 100);
        network.start_all();
        for _ in 0..12 {
            let node = nodes[random.below(nodes.len() as u64) as usize];
            if network.nodes[node].instance.is_none() {
                network.start(node);
            } else if random.chance(50) {
                network.kill(node);
            } else {
                network.shut_down(node);
            }
            network.run_for(Duration::from_millis(random.below(3000)));
        }
        network.run_for(seconds(5));
        network.converge(seconds(300));
    }
}
