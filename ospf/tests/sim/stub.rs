//! Stub areas behind two border routers: what is announced into them, and what a change of the type restarts.

use isthmus_ospf::config::{AreaConfig, AreaType};
use isthmus_ospf::types::AreaId;
use isthmus_ospf::view::NeighborState;

use crate::network::{BACKBONE, CLUSTER, Network, NodeId, Quality, seconds, seeds};

const STUB: AreaId = AreaId(std::net::Ipv4Addr::new(0, 0, 0, 9));

struct Site {
    network: Network,
    outside: NodeId,
    borders: Vec<NodeId>,
    inside: Vec<NodeId>,
}

fn stub(default_cost: u32, summary: bool) -> AreaConfig {
    AreaConfig { area_type: AreaType::Stub { default_cost, summary }, ..AreaConfig::default() }
}

/// A router of the backbone, two border routers, and a stub area of two more: a broadcast network and a link. A third,
/// normal area hangs on the first border router.
fn site(seed: u64, costs: [u32; 2], summary: bool) -> Site {
    let mut network = Network::new(seed);
    let outside = network.router();
    let borders = network.routers(2);
    let inside = network.routers(2);
    let elsewhere = network.router();
    for (border, cost) in borders.iter().zip(costs) {
        network.area(*border, STUB, stub(cost, summary));
        network.link(outside, *border, BACKBONE, 10);
    }
    for node in &inside {
        network.area(*node, STUB, stub(1, true));
        network.stub(*node, STUB, &format!("172.20.{node}.0/24"), 1);
    }
    network.lan(&[borders[0], borders[1], inside[0]], STUB, 5);
    network.link(inside[0], inside[1], STUB, 3);
    network.link(borders[0], elsewhere, CLUSTER, 4);
    network.stub(outside, BACKBONE, "172.21.0.0/24", 1);
    network.stub(elsewhere, CLUSTER, "172.22.0.0/24", 1);
    Site { network, outside, borders, inside }
}

fn route_cost(network: &Network, node: NodeId, prefix: &str) -> Option<u32> {
    network.nodes[node].fib.get(&prefix.parse().expect("a prefix")).map(|route| route.cost)
}

#[test]
fn a_stub_area_has_a_default_route_beside_the_summaries() {
    let Site { mut network, inside, .. } = site(1, [7, 9], true);
    network.start_all();
    network.converge(seconds(30));
    // Over the link (3), the network (5) and the first border router (7).
    assert_eq!(route_cost(&network, inside[1], "0.0.0.0/0"), Some(3 + 5 + 7));
    assert_eq!(route_cost(&network, inside[1], "172.21.0.0/24"), Some(3 + 5 + 10 + 1));
    // The default cost changes live, and the other one is nearer.
    network.reconfigure(1, |config| {
        config.areas.insert(STUB, stub(70, true));
    });
    network.converge(seconds(10));
    assert_eq!(route_cost(&network, inside[1], "0.0.0.0/0"), Some(3 + 5 + 9));
}

#[test]
fn a_totally_stubby_area_has_nothing_else() {
    for seed in seeds(5) {
        let Site { mut network, inside, borders, outside } = site(seed, [5, 5], false);
        network.quality = if seed == 0 { Quality::GOOD } else { Quality::BAD };
        network.start_all();
        network.converge(seconds(300));
        let reader = network.nodes[inside[1]].instance.as_ref().expect("it runs");
        let database = reader.view_database(network.now, Some(STUB));
        let summaries = database.iter().filter(|entry| entry.header.type_number >= 3);
        let ids: Vec<_> = summaries.map(|entry| entry.header.lsa_id.to_string()).collect();
        assert_eq!(ids, ["0.0.0.0", "0.0.0.0"], "one of each border router");
        assert!(route_cost(&network, inside[1], "172.21.0.0/24").is_none());
        // Both are equally near: packets go both ways.
        let default = &network.nodes[inside[0]].fib[&"0.0.0.0/0".parse().expect("a prefix")];
        assert_eq!(default.next_hops.len(), 2);
        // The area itself is known outside, and no border router follows the other's default route.
        assert!(route_cost(&network, outside, "172.20.4.0/24").is_some());
        for border in &borders {
            assert_eq!(route_cost(&network, *border, "0.0.0.0/0"), None);
        }
        network.kill(borders[0]);
        network.run_for(seconds(5));
        network.converge(seconds(300));
    }
}

#[test]
fn a_border_router_that_has_lost_the_backbone_does_not_follow_a_default_route_in_circles() {
    let Site { mut network, borders, outside, inside } = site(2, [1, 1], true);
    network.start_all();
    network.converge(seconds(30));
    let link = network
        .segments
        .iter()
        .position(|s| [outside, borders[0]].iter().all(|n| s.members.iter().any(|(m, _)| m == n)))
        .expect("a link");
    // The carrier stays up: it remains a border router, alone (RFC 3509).
    network.segments[link].silent = true;
    network.run_for(seconds(6));
    network.converge(seconds(30));
    assert_eq!(route_cost(&network, borders[0], "0.0.0.0/0"), None);
    assert!(route_cost(&network, borders[0], "172.21.0.0/24").is_some(), "by the other's summaries");
    assert!(route_cost(&network, inside[0], "0.0.0.0/0").is_some());
}

#[test]
fn a_change_of_the_type_restarts_the_adjacencies_of_that_area_alone() {
    let Site { mut network, borders, inside, outside } = site(3, [1, 1], true);
    network.start_all();
    network.converge(seconds(30));
    network.run_for(seconds(30));
    let up_times = |network: &Network| {
        let instance = network.nodes[borders[0]].instance.as_ref().expect("it runs");
        instance.view_neighbors(network.now).into_iter().map(|n| (n.area_id, n.up_time)).collect::<Vec<_>>()
    };
    let before = up_times(&network);
    let area = |network: &mut Network, node: NodeId, config: AreaConfig| {
        network.reconfigure(node, |present| {
            present.areas.insert(STUB, config);
        });
    };
    // One router of the area after the other becomes normal: those that differ refuse each other, and say why.
    area(&mut network, borders[0], AreaConfig::default());
    network.run_for(seconds(3));
    assert!(network.neighbor_state(inside[0], borders[0]) <= NeighborState::Init);
    let told: Vec<_> = network.nodes[borders[0]]
        .instance
        .as_ref()
        .expect("it runs")
        .view_interfaces(network.now)
        .into_iter()
        .flat_map(|view| view.mismatches)
        .map(|mismatch| (mismatch.error, mismatch.own, mismatch.theirs))
        .collect();
    let expected = ("option-mismatch".to_owned(), "normal (E-bit)".to_owned(), "stub (no E-bit)".to_owned());
    assert_eq!(told, [expected.clone(), expected]);
    for node in [borders[1], inside[0], inside[1]] {
        area(&mut network, node, AreaConfig::default());
    }
    network.run_for(seconds(10));
    network.converge(seconds(60));
    assert_eq!(route_cost(&network, inside[1], "0.0.0.0/0"), None);
    let elapsed = up_times(&network).iter().find(|(area, _)| *area == BACKBONE).and_then(|(_, up)| *up);
    assert!(elapsed >= Some(43), "{elapsed:?} {before:?}");
    let other = up_times(&network).iter().find(|(area, _)| *area == CLUSTER).and_then(|(_, up)| *up);
    assert!(other >= Some(43), "{other:?}");
    // And back.
    for node in [borders[0], borders[1], inside[0], inside[1]] {
        area(&mut network, node, stub(4, false));
    }
    network.run_for(seconds(10));
    network.converge(seconds(60));
    assert_eq!(route_cost(&network, inside[0], "0.0.0.0/0"), Some(5 + 4));
    assert!(route_cost(&network, outside, "172.20.3.0/24").is_some());
}
