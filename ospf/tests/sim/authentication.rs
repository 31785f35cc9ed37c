//! Routers that authenticate: right, wrong, and from one key to the next without losing an adjacency.

use isthmus_ospf::config::{Authentication, Key, Lifetime};
use isthmus_ospf::view::NeighborState;
use isthmus_ospf::wire::Algorithm;

use crate::network::{BACKBONE, Network, NodeId, Quality, SegmentId, seconds, seeds};

fn keys(keys: &[(u8, &str)]) -> Authentication {
    Authentication::Cryptographic(
        keys.iter().map(|(id, key)| Key::always(*id, Algorithm::Md5, key.as_bytes())).collect(),
    )
}

fn set(network: &mut Network, lan: SegmentId, node: NodeId, authentication: Authentication) {
    let id = network.interface_id_on(lan, node);
    network.reconfigure(node, |config| {
        config.interfaces.get_mut(&id).expect("an interface").authentication = authentication;
    });
}

/// The shortest time for which an adjacency of the network has been Full.
fn youngest(network: &Network) -> u64 {
    let neighbors = network.alive().flat_map(|(_, _, instance)| instance.view_neighbors(network.now));
    neighbors
        .filter(|neighbor| neighbor.state == NeighborState::Full)
        .filter_map(|n| n.up_time)
        .min()
        .unwrap_or_default()
}

#[test]
fn a_network_that_authenticates_converges() {
    for seed in seeds(6) {
        let mut network = Network::new(seed);
        // Also where packets overtake each other: their numbers must not.
        network.quality = if seed == 0 { Quality::GOOD } else { Quality::BAD };
        let nodes = network.routers(5);
        let lan = network.lan(&nodes, BACKBONE, 10);
        let authentication = match seed % 2 {
            0 => keys(&[(1, "a key")]),
            _ => Authentication::Simple(*b"password"),
        };
        for node in &nodes {
            network.interface_on(lan, *node).authentication = authentication.clone();
        }
        network.start_all();
        network.converge(seconds(300));
        // A router that has restarted is believed.
        network.kill(nodes[0]);
        network.start(nodes[0]);
        network.run_for(seconds(1));
        network.converge(seconds(300));
        if seed == 0 {
            for node in nodes {
                let bad = network.view_on(lan, node).statistics.bad_packets;
                assert!(bad.is_empty(), "{node}: {bad:?}");
            }
        }
    }
}

#[test]
fn whoever_has_another_key_stays_outside_and_shows_it() {
    let mut network = Network::new(1);
    let nodes = network.routers(4);
    let lan = network.lan(&nodes, BACKBONE, 10);
    for node in &nodes[..3] {
        network.interface_on(lan, *node).authentication = keys(&[(1, "a key")]);
    }
    network.interface_on(lan, nodes[3]).authentication = keys(&[(1, "a kez")]);
    network.start_all();
    network.run_for(seconds(20));
    for node in &nodes[..3] {
        let view = network.view_on(lan, *node);
        assert_eq!((view.neighbor_count, view.dr_router_id), (2, Some(network.router_id(nodes[2]))));
        assert_eq!(view.mismatches.len(), 1);
        assert_eq!(view.mismatches[0].error, "auth-failure");
        assert!(view.statistics.bad_packets["authentication_failure"] >= 20);
    }
    assert_eq!(network.view_on(lan, nodes[3]).neighbor_count, 0);
    set(&mut network, lan, nodes[3], keys(&[(1, "a key")]));
    network.run_for(seconds(5));
    network.converge(seconds(30));
    assert!(network.view_on(lan, nodes[0]).mismatches.is_empty());
}

#[test]
fn keys_are_rolled_over_without_losing_an_adjacency() {
    let mut network = Network::new(2);
    let nodes = network.routers(4);
    let lan = network.lan(&nodes, BACKBONE, 10);
    for node in &nodes {
        network.interface_on(lan, *node).authentication = keys(&[(1, "old")]);
    }
    network.start_all();
    network.converge(seconds(30));
    // Routes do not wait for the adjacencies to the backup.
    network.run_for(seconds(10));
    let since = (youngest(&network), network.now);
    // All learn the new key, all sign with it, all forget the old one: one router after the other.
    for step in [keys(&[(1, "old"), (2, "new")]), keys(&[(2, "new"), (1, "old")]), keys(&[(2, "new")])] {
        for node in &nodes {
            set(&mut network, lan, *node, step.clone());
            network.run_for(seconds(3));
        }
    }
    network.converge(seconds(10));
    assert!(youngest(&network) >= since.0 + network.now.since(since.1).as_secs() - 1);
    for node in nodes {
        let bad = network.view_on(lan, node).statistics.bad_packets;
        assert!(bad.is_empty(), "{node}: {bad:?}");
    }
}

#[test]
fn lifetimes_change_key_and_algorithm_in_the_whole_network_and_no_adjacency_ends() {
    let mut network = Network::new(3);
    let nodes = network.routers(4);
    let lan = network.lan(&nodes, BACKBONE, 10);
    let start = u32::try_from(network.now.0 / 1_000_000).expect("virtual time");
    let key = |id, algorithm, from: u32, until: Option<u32>| {
        let send = Lifetime { start: start + from, end: until.map(|until| start + until) };
        // Believed a little earlier and later than it signs: clocks differ.
        let accept = Lifetime { start: send.start.saturating_sub(10), end: send.end.map(|end| end + 10) };
        Key { send, accept, ..Key::always(id, algorithm, &[id; 16]) }
    };
    let chain = Authentication::Cryptographic(vec![
        key(1, Algorithm::Md5, 0, Some(60)),
        key(2, Algorithm::HmacSha1, 60, Some(120)),
        key(3, Algorithm::HmacSha512, 120, Some(180)),
    ]);
    for node in &nodes {
        network.interface_on(lan, *node).authentication = chain.clone();
    }
    network.start_all();
    network.converge(seconds(30));
    network.run_for(seconds(10));
    let since = (youngest(&network), network.now);
    // Also beyond the end of the last key.
    for sending in [1, 2, 3, 3] {
        for node in &nodes {
            let keys = network.view_on(lan, *node).authentication.keys;
            let signs: Vec<_> = keys.iter().filter(|key| key.sending).map(|key| key.key_id).collect();
            assert_eq!(signs, [sending]);
        }
        network.run_for(seconds(60));
    }
    assert!(youngest(&network) >= since.0 + network.now.since(since.1).as_secs() - 1);
    for node in nodes {
        let bad = network.view_on(lan, node).statistics.bad_packets;
        assert!(bad.is_empty(), "{node}: {bad:?}");
    }
}
