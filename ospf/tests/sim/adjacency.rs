//! Two routers meet: how soon, and what stands in their way.

use isthmus_ospf::view::NeighborState;

use crate::network::{BACKBONE, Network, Quality, Transcript, seconds, seeds};

fn are_full(network: &Network, a: usize, b: usize) -> bool {
    network.neighbor_state(a, b) == NeighborState::Full && network.neighbor_state(b, a) == NeighborState::Full
}

#[test]
fn two_routers_become_full_in_milliseconds() {
    let mut network = Network::new(1);
    let (a, b) = (network.router(), network.router());
    network.link(a, b, BACKBONE, 10);
    network.start_all();
    let took = network.run_until("full", seconds(1), |network| are_full(network, a, b));
    // A few round trips of 0.2 ms of virtual time, no timer.
    assert!(took.as_millis() < 10, "{took:?}");
}

#[test]
fn two_routers_become_full_over_a_bad_link() {
    for seed in seeds(50) {
        let mut network = Network::new(seed);
        network.quality = Quality { loss_percent: 30, ..Quality::BAD };
        let (a, b) = (network.router(), network.router());
        network.link(a, b, BACKBONE, 10);
        network.start_all();
        network.run_until("full", seconds(600), |network| are_full(network, a, b));
    }
}

#[test]
fn a_healthy_network_has_no_bad_packet() {
    let mut network = Network::new(3);
    let nodes = network.routers(6);
    for pair in nodes.windows(2) {
        network.link(pair[0], pair[1], BACKBONE, 10);
    }
    network.link(nodes[0], nodes[5], BACKBONE, 10);
    network.start_all();
    network.run_for(seconds(120));
    for (id, _, engine) in network.alive() {
        for interface in engine.view_interfaces(network.now) {
            let bad = &interface.statistics.bad_packets;
            assert!(bad.is_empty(), "{id:?} {}: {bad:?}", interface.name);
            assert_eq!(interface.adjacency_count, 1);
        }
    }
}

#[test]
fn the_same_inputs_give_the_same_outputs() {
    let run = |seed| {
        let mut network = Network::new(seed);
        network.transcript = Some(Transcript::default());
        network.quality = Quality::BAD;
        let nodes = network.routers(5);
        for pair in nodes.windows(2) {
            network.link(pair[0], pair[1], BACKBONE, 10);
        }
        network.start_all();
        network.run_for(seconds(30));
        (network.transcript, network.packets)
    };
    assert_eq!(run(7), run(7));
    assert_ne!(run(7), run(8));
}
