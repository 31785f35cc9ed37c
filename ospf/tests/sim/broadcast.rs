//! Networks with a designated router: who is elected, what becomes of the network when it goes, and that every router
//! knows the truth (the oracle knows nothing of designated routers).

use isthmus_ospf::types::RouterId;
use isthmus_ospf::view::{InterfaceState, NeighborState};

use crate::network::{BACKBONE, Network, NodeId, Quality, SegmentId, seconds, seeds};

/// The designated router and its backup, on which all members that run agree.
fn roles(network: &Network, lan: SegmentId) -> Option<(RouterId, Option<RouterId>)> {
    let members = network.segments[lan].members.iter().map(|(node, _)| *node);
    let running = members.filter(|node| network.nodes[*node].instance.is_some());
    let mut seen = running.map(|node| {
        let view = network.view_on(lan, node);
        view.dr_router_id.map(|designated| (designated, view.bdr_router_id))
    });
    let first = seen.next()??;
    seen.all(|other| other == Some(first)).then_some(first)
}

fn are_roles(network: &Network, lan: SegmentId, designated: NodeId, backup: NodeId) -> bool {
    roles(network, lan) == Some((network.router_id(designated), Some(network.router_id(backup))))
}

/// A network of some routers, each with a stub behind it.
fn lan_of(seed: u64, count: usize) -> (Network, SegmentId, Vec<NodeId>) {
    let mut network = Network::new(seed);
    let nodes = network.routers(count);
    let lan = network.lan(&nodes, BACKBONE, 10);
    for node in &nodes {
        network.stub(*node, BACKBONE, &format!("172.20.{node}.0/24"), 1);
    }
    (network, lan, nodes)
}

#[test]
fn a_cold_start_waits_and_then_elects_the_highest_router_id() {
    let (mut network, lan, nodes) = lan_of(1, 5);
    network.start_all();
    let took = network.run_until("elected", seconds(10), |network| are_roles(network, lan, 4, 3));
    // The dead interval is 4 s.
    assert_eq!(took.as_secs(), 4, "{took:?}");
    network.converge(seconds(20));
    for node in nodes {
        let view = network.view_on(lan, node);
        let (state, adjacent) = match node {
            4 => (InterfaceState::Dr, 4),
            3 => (InterfaceState::Bdr, 4),
            _ => (InterfaceState::DrOther, 2),
        };
        assert_eq!((view.state, view.adjacency_count, view.neighbor_count), (state, adjacent, 4), "{node}");
    }
    assert_eq!(network.neighbor_state(0, 1), NeighborState::TwoWay);
}

#[test]
fn nobody_waits_where_somebody_is_designated_already() {
    let (mut network, lan, _) = lan_of(2, 4);
    network.interface_on(lan, 3).priority = 255;
    for node in 0..3 {
        network.start(node);
    }
    network.run_until("elected", seconds(10), |network| are_roles(network, lan, 2, 1));
    network.converge(seconds(20));
    // A better one comes later: it takes nothing over, and does not wait either.
    network.start(3);
    let took = network.run_until("heard", seconds(3), |network| are_roles(network, lan, 2, 1));
    assert!(took < seconds(2), "{took:?}");
    network.converge(seconds(10));
    assert!(are_roles(&network, lan, 2, 1));
}

/// The member that has a router id.
fn node_of(network: &Network, router: RouterId) -> NodeId {
    network.nodes.iter().position(|node| node.config.router_id == router).expect("a router")
}

#[test]
fn the_backup_takes_over_from_a_dead_designated_router() {
    let (mut network, lan, _) = lan_of(1, 5);
    network.start_all();
    network.converge(seconds(30));
    assert!(are_roles(&network, lan, 4, 3));
    network.kill(4);
    let took = network.run_until("taken over", seconds(100), |network| are_roles(network, lan, 3, 2));
    assert!(took <= seconds(5), "{took:?}");
    network.converge(seconds(20));
    // The old one comes back, and stays behind; what it has said of the network is gone.
    network.start(4);
    network.converge(seconds(20));
    assert!(are_roles(&network, lan, 3, 2));
}

#[test]
fn the_network_gets_over_the_death_of_its_designated_router_where_packets_are_lost() {
    for seed in seeds(10) {
        let (mut network, lan, _) = lan_of(seed, 5);
        network.quality = Quality::BAD;
        network.start_all();
        network.run_for(seconds(10));
        network.converge(seconds(200));
        network.run_until("agreed", seconds(100), |network| roles(network, lan).is_some());
        // Who that is depends on whose hellos were lost meanwhile.
        let (designated, _) = roles(&network, lan).expect("they agree");
        let dead = node_of(&network, designated);
        network.kill(dead);
        network.run_until("another one", seconds(100), |network| {
            roles(network, lan).is_some_and(|(another, backup)| another != designated && backup.is_some())
        });
        network.converge(seconds(200));
        network.start(dead);
        network.run_for(seconds(2));
        network.converge(seconds(200));
    }
}

#[test]
fn a_designated_router_that_leaves_in_order_is_replaced_at_once() {
    let (mut network, lan, _) = lan_of(3, 5);
    network.start_all();
    network.converge(seconds(30));
    network.shut_down(4);
    let took = network.run_until("taken over", seconds(1), |network| are_roles(network, lan, 3, 2));
    assert!(took.as_millis() < 50, "{took:?}");
    network.converge(seconds(20));
}

#[test]
fn priority_decides_and_zero_is_never_elected() {
    let (mut network, lan, nodes) = lan_of(4, 5);
    for (node, priority) in [(0, 7), (1, 5), (2, 0), (3, 0), (4, 0)] {
        network.interface_on(lan, node).priority = priority;
    }
    network.start_all();
    network.run_until("elected", seconds(10), |network| are_roles(network, lan, 0, 1));
    network.converge(seconds(20));
    network.kill(0);
    network.kill(1);
    network.run_for(seconds(10));
    for node in [2, 3, 4] {
        let view = network.view_on(lan, node);
        assert_eq!((view.state, view.dr_router_id), (InterfaceState::DrOther, None));
        assert_eq!((view.adjacency_count, view.neighbor_count), (0, 2));
    }
    // Only the network itself and what is behind each router can be reached then.
    assert_eq!(network.nodes[nodes[2]].fib.len(), 2);
    network.start(1);
    network.run_for(seconds(10));
    network.converge(seconds(20));
}

#[test]
fn twenty_routers_on_one_network() {
    let (mut network, lan, nodes) = lan_of(5, 20);
    network.start_all();
    network.run_until("elected", seconds(10), |network| are_roles(network, lan, 19, 18));
    network.converge(seconds(20));
    network.run_for(seconds(10));
    let adjacencies: u32 = nodes.iter().map(|node| network.view_on(lan, *node).adjacency_count).sum();
    // Two with all others, and everybody else with these two.
    assert_eq!(adjacencies, 2 * 19 + 18 * 2);
    for node in nodes {
        let bad = network.view_on(lan, node).statistics.bad_packets;
        assert!(bad.is_empty(), "{node}: {bad:?}");
    }
    // One change is flooded twice, up and down, and acknowledged by each once.
    network.packets = 0;
    let stub = network.interface_id_on(1, 0);
    network.reconfigure(0, |config| {
        config.interfaces.get_mut(&stub).expect("a stub").cost = 77;
    });
    network.run_for(std::time::Duration::from_millis(500));
    assert!(network.packets <= 2 + 19, "{} packets", network.packets);
    network.converge(seconds(5));
}

#[test]
fn twenty_routers_on_one_bad_network() {
    let (mut network, lan, _) = lan_of(6, 20);
    network.quality = Quality::BAD;
    network.start_all();
    network.converge(seconds(300));
    let (designated, _) = roles(&network, lan).expect("they agree");
    network.kill(node_of(&network, designated));
    network.converge(seconds(300));
}

#[test]
fn networks_and_links_together() {
    for seed in seeds(10) {
        let mut network = Network::new(seed);
        network.quality = if seed % 2 == 0 { Quality::GOOD } else { Quality::BAD };
        let nodes = network.routers(9);
        // Two networks with one router on both, and one router of each joined by a link, with rings of links beside.
        let first = network.lan(&nodes[..5], BACKBONE, 10);
        let second = network.lan(&nodes[4..8], BACKBONE, 7);
        network.link(nodes[0], nodes[7], BACKBONE, 12);
        network.link(nodes[1], nodes[8], BACKBONE, 3);
        network.link(nodes[8], nodes[6], BACKBONE, 3);
        for node in &nodes {
            network.stub(*node, BACKBONE, &format!("172.20.{node}.0/24"), 1);
        }
        network.start_all();
        network.converge(seconds(300));
        // The router on both, which is the way between them and designated on one.
        network.kill(nodes[4]);
        network.converge(seconds(300));
        network.set_link(second, false);
        network.converge(seconds(300));
        network.start(nodes[4]);
        network.set_link(second, true);
        network.run_for(seconds(6));
        network.converge(seconds(300));
        network.segments[first].silent = true;
        network.run_for(seconds(6));
        network.converge(seconds(300));
        network.segments[first].silent = false;
        network.run_for(seconds(10));
        network.converge(seconds(300));
    }
}

#[test]
fn two_halves_of_a_network_come_together_again() {
    for seed in seeds(5) {
        let (mut network, lan, nodes) = lan_of(seed, 6);
        for a in &nodes[..3] {
            for b in &nodes[3..] {
                network.set_cut(*a, *b, true);
            }
        }
        network.start_all();
        network.run_for(seconds(20));
        assert!(network.view_on(lan, 0).dr_router_id != network.view_on(lan, 5).dr_router_id);
        for a in &nodes[..3] {
            for b in &nodes[3..] {
                network.set_cut(*a, *b, false);
            }
        }
        network.run_for(seconds(5));
        network.converge(seconds(100));
        assert!(roles(&network, lan).is_some());
    }
}

#[test]
fn a_designated_router_that_takes_another_router_id_takes_back_what_it_has_said() {
    let (mut network, lan, _) = lan_of(8, 4);
    network.start_all();
    network.converge(seconds(30));
    assert!(are_roles(&network, lan, 3, 2));
    // Section 13.4: the network-LSA has our address and somebody else's router id.
    network.reconfigure(3, |config| config.router_id = RouterId("10.9.9.9".parse().expect("an address")));
    network.run_for(seconds(15));
    network.converge(seconds(60));
    let reader = network.nodes[0].instance.as_ref().expect("it runs");
    let database = reader.view_database(network.now, Some(BACKBONE));
    let address = network.view_on(lan, 3).address.addr();
    assert!(database.iter().all(|entry| entry.header.type_number != 2 || entry.header.lsa_id != address));
}

#[test]
fn a_priority_that_changes_drops_no_adjacency() {
    let (mut network, lan, _) = lan_of(9, 4);
    network.start_all();
    network.converge(seconds(30));
    let id = network.interface_id_on(lan, 1);
    let full = |network: &Network| (0..4).map(|n| network.view_on(lan, n).adjacency_count).sum::<u32>();
    let before = full(&network);
    let since = |network: &Network| {
        let instance = network.nodes[0].instance.as_ref().expect("it runs");
        let neighbors = instance.view_neighbors(network.now).into_iter();
        neighbors.filter(|neighbor| neighbor.state == NeighborState::Full).map(|n| n.up_time).min().flatten()
    };
    network.run_for(seconds(20));
    let age = since(&network);
    network.reconfigure(1, |config| config.interfaces.get_mut(&id).expect("it").priority = 200);
    network.run_for(seconds(10));
    assert!(are_roles(&network, lan, 3, 2), "nobody is replaced while it is there");
    assert_eq!((full(&network), since(&network)), (before, age.map(|age| age + 10)));
    // The designated router gives its role back.
    let id = network.interface_id_on(lan, 3);
    network.reconfigure(3, |config| config.interfaces.get_mut(&id).expect("it").priority = 0);
    network.run_until("handed over", seconds(2), |network| are_roles(network, lan, 2, 1));
    network.converge(seconds(20));
    assert_eq!(network.neighbor_state(0, 2), NeighborState::Full);
    assert_eq!(network.neighbor_state(0, 3), NeighborState::TwoWay);
}
