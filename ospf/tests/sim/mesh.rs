//! A point-to-multipoint network as in the cluster: many members, each pair its own link.

use std::time::Duration;

use isthmus_ospf::config::AreaConfig;
use isthmus_ospf::view::NeighborState;

use crate::network::{CLUSTER, Network, NodeId, Quality, seconds};

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
    let took = network.run_until("converged", seconds(5), |network| network.check().is_ok());
    assert!(took < Duration::from_millis(300), "{took:?}");
}

#[test]
fn a_mesh_of_8_converges_over_bad_links() {
    for seed in 0..5 {
        let (mut network, _) = cluster(seed, 8);
        network.quality = Quality::BAD;
        network.start_all();
        network.converge(seconds(60));
    }
}

#[test]
fn a_member_that_falls_silent_is_gone_after_the_dead_interval() {
    let (mut network, nodes) = cluster(2, 8);
    network.start_all();
    network.converge(seconds(10));
    network.kill(nodes[3]);
    let took = network.run_until("gone", seconds(6), |network| network.check().is_ok());
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
    let took = network.run_until("gone", seconds(1), |network| network.check().is_ok());
    assert!(took < Duration::from_millis(300), "{took:?}");

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
