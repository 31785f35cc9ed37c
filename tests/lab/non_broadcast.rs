//! Networks without multicast, with FRR and BIRD: routers that are listed to each other (RFC 2328 section 9.5.1).

use serde_json::json;
use std::rc::Rc;
use std::time::Duration;

use isthmus_tests::http;
use isthmus_tests::lab::{
    self, Capture, Direction, Lab, Lan, Namespace, NodeConfig, Peer, PeerConfig, PeerInterface, Ping,
    await_same_database, wait,
};

use crate::lan::{Make, Medium, life_of_a_lan};

/// Input: a LAN without multicast; the node alone until it is designated router, then FRR, then BIRD; the node dies and
/// returns. Output: as on a LAN with multicast.
#[test]
fn the_node_is_designated_router_of_a_network_without_multicast() {
    lab::run("nbma-isthmus", |lab| {
        life_of_a_lan(lab, Medium::NonBroadcast, [Make::Isthmus, Make::Frr, Make::Bird]);
    });
}

/// The same with BIRD designated and the node as backup, which takes over.
#[test]
fn the_node_takes_over_a_network_without_multicast_from_bird() {
    lab::run("nbma-bird", |lab| {
        life_of_a_lan(lab, Medium::NonBroadcast, [Make::Bird, Make::Isthmus, Make::Frr]);
    });
}

/// A namespace on the LAN.
fn space(lab: &Lab, lan: &Lan, name: &str, address: &str) -> Rc<Namespace> {
    let space = lab.namespace(name);
    lan.attach(lab, &space, "lan");
    if !address.is_empty() {
        space.address("lan", address);
    }
    space
}

/// A node on the LAN as 10.50.0.9, with a host on a network of its own behind it.
fn node_config(ospf: &str) -> NodeConfig {
    NodeConfig::router(format!(
        "ospf: {{router-id: 10.255.0.9}}
interfaces:
  - {{name: lan, address: 10.50.0.9/24, ospf: {{{ospf}, hello-interval: 1, dead-interval: 4}}}}
  - {{name: own, address: 192.168.9.1/24, ospf: {{passive: true}}}}
"
    ))
}

/// Gives a namespace a host behind it, 192.168.N.2.
fn host(lab: &Lab, space: &Namespace, number: u8) -> Rc<Namespace> {
    let host = lab.namespace(&format!("h{number}"));
    lab.cable((space, "own"), (&host, "eth0"));
    host.address("eth0", &format!("192.168.{number}.2/24"));
    host.ip(&["route", "add", "default", "via", &format!("192.168.{number}.1")]);
    host
}

/// Input: FRR designated and BIRD its backup on a LAN without multicast; a node of priority 0 that has nobody listed, and that
/// both have listed as such. Output: it waits to be asked, is Full with both, says nothing by multicast, and stays Full with
/// the one when the other dies.
#[test]
fn a_node_that_cannot_be_designated_is_asked_by_frr_and_bird() {
    lab::run("nbma-leaf", |lab| {
        let lan = Lan::without_multicast(lab);
        let [frr, bird, leaf] = [("r1", "10.50.0.1/24"), ("r2", "10.50.0.2/24"), ("n9", "")]
            .map(|(name, address)| space(lab, &lan, name, address));
        let behind = host(lab, &leaf, 9);
        let interface = |priority, neighbors| PeerInterface::non_broadcast("lan", 10, priority, neighbors);
        let dr = lab.frr(
            &frr,
            &PeerConfig::new("10.255.0.1", vec![interface(200, &[("10.50.0.2", 1), ("10.50.0.9", 0)])]),
        );
        let bdr = lab.bird(
            &bird,
            &PeerConfig::new("10.255.0.2", vec![interface(100, &[("10.50.0.1", 1), ("10.50.0.9", 0)])]),
        );
        let capture = Capture::with(lab, &leaf, "lan", "proto 89 and src 10.50.0.9", Direction::Both);
        let node = lab.node(&leaf, node_config("interface-type: non-broadcast, priority: 0"));
        for peer in [&*dr as &dyn Peer, &*bdr] {
            peer.await_full("10.255.0.9");
            peer.await_route("192.168.9.0/24");
            Ping::await_answer(peer.namespace(), "192.168.9.2");
        }
        let shown = node.cli(&["show", "ospf", "neighbor"]);
        let has =
            |id: &str, state: &str| shown.lines().any(|line| line.starts_with(id) && line.contains(state));
        assert!(has("10.255.0.1", "Full/DR ") && has("10.255.0.2", "Full/Backup "), "{shown}");
        let view = node.ospf_interface("lan").unwrap();
        assert_eq!((&view["interface-type"], &view["state"]), (&"non-broadcast".into(), &"dr-other".into()));
        await_same_database("0.0.0.0", &[&node], &[&*dr, &*bdr]);
        Ping::await_answer(&behind, "10.50.0.1");

        dr.kill_daemon();
        wait("BIRD is designated", Duration::from_secs(60), || {
            let shown = node.ospf_interface("lan")?;
            let right = shown["dr-router-id"] == "10.255.0.2" && shown["adjacency-count"] == 1;
            if right { Ok(()) } else { Err(shown.to_string()) }
        });
        Ping::await_answer(bdr.namespace(), "192.168.9.2");
        dr.start_daemon();
        node.await_full("lan", "10.255.0.1");
        let packets = capture.stop();
        assert!(!packets.matching("ospf").is_empty());
        assert_eq!(packets.matching("ip.dst >= 224.0.0.0"), [""; 0], "nothing is multicast");
    });
}

/// Input: a node and two BIRDs on a LAN without multicast, point-to-multipoint: the node lists both, which list the node alone.
/// Output: two adjacencies, and the BIRDs' routes to each other lead through the node. A third that is listed while all runs,
/// and that lists nobody, becomes Full, and the other adjacencies stay.
#[test]
fn a_multipoint_hub_without_multicast_joins_birds_that_know_only_the_hub() {
    lab::run("ptmp", |lab| {
        let lan = Lan::without_multicast(lab);
        let [one, two, three, hub] =
            [("r1", "10.50.0.1/24"), ("r2", "10.50.0.2/24"), ("r3", "10.50.0.3/24"), ("n9", "")]
                .map(|(name, address)| space(lab, &lan, name, address));
        host(lab, &hub, 9);
        let config = |id, neighbors| {
            PeerConfig::new(id, vec![PeerInterface::point_to_multipoint("lan", 10, neighbors)])
        };
        let first = lab.bird(&one, &config("10.255.0.1", &["10.50.0.9"]));
        let second = lab.bird(&two, &config("10.255.0.2", &["10.50.0.9"]));
        let third = lab.bird(&three, &config("10.255.0.3", &[]));
        let listed = |addresses: &[&str]| {
            let listed: Vec<_> =
                addresses.iter().map(|address| format!("{{identifier: {address}}}")).collect();
            let listed = listed.join(", ");
            node_config(&format!("interface-type: point-to-multipoint, static-neighbors: [{listed}]"))
        };
        let node = lab.node(&hub, listed(&["10.50.0.1", "10.50.0.2"]));
        for (peer, other) in [(&first, "10.50.0.2/32"), (&second, "10.50.0.1/32")] {
            peer.await_full("10.255.0.9");
            peer.await_route("192.168.9.0/24");
            wait("the way to the other through the hub", Duration::from_secs(60), || {
                let routes = peer.kernel_routes(other);
                if routes.contains("via 10.50.0.9") { Ok(()) } else { Err(routes) }
            });
        }
        let view = node.ospf_interface("lan").unwrap();
        assert_eq!(
            (&view["interface-type"], &view["state"]),
            (&"point-to-multipoint".into(), &"point-to-point".into())
        );

        let mut interfaces = node.get("/config").unwrap()["interfaces"].clone();
        let added =
            ["10.50.0.1", "10.50.0.2", "10.50.0.3", "10.50.0.4"].map(|it| json!({ "identifier": it }));
        interfaces[0]["ospf"]["static-neighbors"] = json!(added);
        let patch = json!({ "interfaces": interfaces });
        let answer = http::request(node.socket(), "PATCH", "/api/v1/config", Some(&patch)).unwrap();
        assert!(answer.status < 300, "{} {:?}", answer.status, answer.json());
        third.await_full("10.255.0.9");
        node.await_full("lan", "10.255.0.3");
        Ping::await_answer(third.namespace(), "192.168.9.2");
        await_same_database("0.0.0.0", &[&node], &[&*first, &*second, &*third]);
        let neighbors = node.list("/ospf/neighbors", "neighbor").unwrap();
        let state_of = |address: &str| {
            let found = neighbors.iter().find(|neighbor| neighbor["address"] == address);
            found.map(|neighbor| (neighbor["state"].clone(), neighbor["neighbor-router-id"].clone()))
        };
        assert_eq!(state_of("10.50.0.4"), Some(("down".into(), "0.0.0.0".into())), "{neighbors:?}");
        for router in ["10.255.0.1", "10.255.0.2"] {
            let lost =
                node.log().lines().filter(|line| line.contains(&format!("{router} on lan is down"))).count();
            assert_eq!(lost, 0, "{}", node.log());
        }
    });
}

/// Input: FRR, which multicasts hellos on a point-to-multipoint network and takes any, and a node that lists it. Output: Full
/// on both sides, one database, traffic.
#[test]
fn a_multipoint_network_with_frr_whose_hellos_are_multicast() {
    lab::run("ptmp-frr", |lab| {
        let lan = Lan::new(lab);
        let [one, hub] =
            [("r1", "10.50.0.1/24"), ("n9", "")].map(|(name, address)| space(lab, &lan, name, address));
        host(lab, &hub, 9);
        let interface = PeerInterface::point_to_multipoint("lan", 10, &[]);
        let frr = lab.frr(&one, &PeerConfig::new("10.255.0.1", vec![interface]));
        let node = lab.node(
            &hub,
            node_config("interface-type: point-to-multipoint, static-neighbors: [{identifier: 10.50.0.1}]"),
        );
        frr.await_full("10.255.0.9");
        node.await_full("lan", "10.255.0.1");
        frr.await_route("192.168.9.0/24");
        Ping::await_answer(frr.namespace(), "192.168.9.2");
        await_same_database("0.0.0.0", &[&node], &[&*frr]);
    });
}
