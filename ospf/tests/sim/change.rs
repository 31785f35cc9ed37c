//! Reconfiguration while the network runs, and partitions.

use std::time::Duration;

use isthmus_ospf::view::NeighborState;

use crate::mesh::fast;
use crate::network::{BACKBONE, CLUSTER, Network, NodeId, seconds, seeds};

fn pair(seed: u64) -> (Network, NodeId, NodeId) {
    let mut network = Network::new(seed);
    let (a, b) = (network.router(), network.router());
    network.link(a, b, BACKBONE, 10);
    network.stub(a, BACKBONE, "172.20.1.0/24", 1);
    (network, a, b)
}

/// How often neighbors have changed their state: an adjacency that survives changes nothing.
fn neighbor_events(network: &Network) -> u64 {
    let neighbors = network.alive().flat_map(|(_, _, instance)| instance.view_neighbors(network.now));
    neighbors.map(|neighbor| neighbor.statistics.nbr_event_count).sum()
}

#[test]
fn changes_that_do_not_concern_an_adjacency_leave_it_full() {
    let (mut network, a, b) = pair(1);
    network.start_all();
    network.converge(seconds(10));
    let events = neighbor_events(&network);

    network.reconfigure(a, |config| config.interfaces.values_mut().for_each(|i| i.cost += 7));
    network.converge(seconds(10));
    network.reconfigure(b, |config| {
        let stub = ("10.77.0.0/16".parse().expect("a prefix"), 3);
        config.interfaces.values_mut().for_each(|i| i.stub_prefixes.push(stub));
    });
    network.converge(seconds(10));
    network.reconfigure(a, |config| config.interfaces.values_mut().for_each(|i| i.priority = 9));
    network.reconfigure(a, |config| {
        config.interfaces.values_mut().for_each(|i| i.retransmit_interval = seconds(2))
    });
    network.reconfigure(a, |config| config.interfaces.values_mut().for_each(|i| i.mtu = 9000));
    network.reconfigure(a, |config| config.maximum_paths = 4);
    network.converge(seconds(10));
    network.stub(b, BACKBONE, "172.21.1.0/24", 1);
    network.reconfigure(b, |_| {});
    let (id, _) = network.nodes[b].config.interfaces.last_key_value().expect("an interface");
    let id = *id;
    network.with(b, |instance, now| instance.handle_link(now, id, true));
    network.converge(seconds(10));
    assert!(network.nodes[a].fib.contains_key(&"172.21.1.0/24".parse().expect("a prefix")));
    assert_eq!(neighbor_events(&network), events);
}

#[test]
fn the_address_of_a_link_changes_under_a_full_adjacency() {
    let (mut network, a, b) = pair(2);
    network.start_all();
    network.converge(seconds(10));
    let events = neighbor_events(&network);
    for (node, address) in [(a, "172.30.0.1/30"), (b, "172.30.0.2/30")] {
        network.reconfigure(node, |config| {
            let link = config.interfaces.values_mut().find(|interface| !interface.passive).expect("the link");
            link.address = address.parse().expect("an address");
        });
    }
    network.converge(seconds(10));
    assert_eq!(neighbor_events(&network), events);
}

#[test]
fn an_adjacency_moves_to_another_path_under_full() {
    let mut network = Network::new(3);
    let nodes = network.routers(2);
    let mesh = network.mesh(&nodes, CLUSTER, 2);
    network.multi_area(mesh, nodes[0], nodes[1], 2);
    for node in &nodes {
        network.area(*node, CLUSTER, fast());
        network.stub(*node, BACKBONE, &format!("172.20.{node}.0/24"), 1);
    }
    network.start_all();
    network.converge(seconds(10));
    let events = neighbor_events(&network);
    for node in &nodes {
        network.reconfigure(*node, |config| {
            config.interfaces.values_mut().filter(|i| i.unicast_to.is_some()).for_each(|i| i.cost = 3);
        });
    }
    network.converge(seconds(10));
    assert_eq!(network.nodes[nodes[0]].fib[&"172.20.1.0/24".parse().expect("a prefix")].cost, 4);
    assert_eq!(neighbor_events(&network), events);
}

#[test]
fn a_difference_of_mtus_stops_in_exstart_and_a_change_of_configuration_lifts_it() {
    for smaller in 0..2 {
        let (mut network, a, b) = pair(4);
        let small = [a, b][smaller];
        let large = [a, b][1 - smaller];
        network.nodes[large].config.interfaces.values_mut().for_each(|i| i.mtu = 9000);
        network.start_all();
        network.run_for(seconds(30));
        assert_eq!(network.neighbor_state(small, large), NeighborState::ExStart);
        assert!(network.neighbor_state(large, small) < NeighborState::Full);
        let instance = network.nodes[small].instance.as_ref().expect("it runs");
        let interfaces = instance.view_interfaces(network.now);
        assert!(interfaces.iter().any(|i| i.statistics.bad_packets.contains_key("mtu_mismatch")));

        network.reconfigure(large, |config| config.interfaces.values_mut().for_each(|i| i.mtu = 1500));
        network.run_until("full", seconds(10), |network| {
            network.neighbor_state(a, b) == NeighborState::Full
                && network.neighbor_state(b, a) == NeighborState::Full
        });
        network.converge(seconds(10));
    }
}

#[test]
fn mtu_ignore_lifts_it_too() {
    let (mut network, a, b) = pair(5);
    network.nodes[b].config.interfaces.values_mut().for_each(|i| i.mtu = 9000);
    network.start_all();
    network.run_for(seconds(10));
    assert_eq!(network.neighbor_state(a, b), NeighborState::ExStart);
    network.reconfigure(a, |config| config.interfaces.values_mut().for_each(|i| i.mtu_ignore = true));
    network.converge(seconds(20));
}

#[test]
fn a_partition_heals_and_changes_on_both_sides_arrive() {
    for seed in seeds(5) {
        let mut network = Network::new(seed);
        let nodes = network.routers(8);
        let links: Vec<_> =
            (0..8).map(|i| network.link(nodes[i], nodes[(i + 1) % 8], BACKBONE, 10)).collect();
        network.start_all();
        network.converge(seconds(30));
        for cut in [links[1], links[5]] {
            network.segments[cut].silent = true;
        }
        network.run_for(seconds(6));
        network.converge(seconds(30));
        for (node, prefix) in [(nodes[0], "172.20.0.0/24"), (nodes[4], "172.20.4.0/24")] {
            network.reconfigure(node, |config| {
                let interface = config.interfaces.values_mut().next().expect("an interface");
                interface.stub_prefixes.push((prefix.parse().expect("a prefix"), 1));
            });
        }
        network.converge(seconds(30));
        for cut in [links[1], links[5]] {
            network.segments[cut].silent = false;
        }
        network.converge(seconds(30));
        assert!(network.nodes[nodes[0]].fib.contains_key(&"172.20.4.0/24".parse().expect("a prefix")));
    }
}

#[test]
fn a_delayed_calculation_collects_changes() {
    let (mut network, a, b) = pair(6);
    network.nodes[b].config.spf_delay.initial = Duration::from_millis(50);
    network.start_all();
    network.converge(seconds(10));
    network.run_for(seconds(10));
    let runs = |network: &Network| {
        let instance = network.nodes[b].instance.as_ref().expect("it runs");
        instance.view_instance(network.now).spf.spf_runs_count
    };
    let before = runs(&network);
    network.reconfigure(a, |config| config.interfaces.values_mut().for_each(|i| i.cost += 1));
    network.reconfigure(b, |config| config.interfaces.values_mut().for_each(|i| i.cost += 1));
    network.run_for(seconds(1));
    assert_eq!(runs(&network), before + 1);
}
