//! Eight routers of three makes in a ring of two areas.
//!
//! ```text
//!            area 0.0.0.0                        area 0.0.0.1
//!   r1 ─── r2 ─── r3 ─── r4 ─── r5 ─── r6 ─── r7 ─── r8 ─── r1
//!   node   FRR    BIRD   node   FRR    BIRD   node   FRR
//!   ABR                         ABR
//! ```
//!
//! Each has a network 192.168.N.0/24 behind it, on which router 3 and router 7 have a host.

use std::rc::Rc;
use std::time::Duration;

use isthmus_tests::lab::{
    self, Bird, Capture, Frr, Lab, Namespace, Node, NodeConfig, Peer, PeerConfig, PeerInterface, Ping,
    Pinger, await_same_database, wait,
};

const BACKBONE: &str = "0.0.0.0";
const AREA: &str = "0.0.0.1";
const IDS: [&str; 8] =
    ["10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4", "10.0.0.5", "10.0.0.6", "10.0.0.7", "10.0.0.8"];
/// The areas of the link to the router before, and of the link to the one after.
const AREAS: [(&str, &str); 8] = [
    (AREA, BACKBONE),
    (BACKBONE, BACKBONE),
    (BACKBONE, BACKBONE),
    (BACKBONE, BACKBONE),
    (BACKBONE, AREA),
    (AREA, AREA),
    (AREA, AREA),
    (AREA, AREA),
];

struct Ring {
    spaces: Vec<Rc<Namespace>>,
    hosts: [Rc<Namespace>; 2],
    nodes: [Rc<Node>; 3],
    frrs: [Rc<Frr>; 3],
    birds: [Rc<Bird>; 2],
}

impl Ring {
    fn build(lab: &Lab) -> Self {
        let spaces: Vec<_> = (1..=8).map(|number| lab.namespace(&format!("r{number}"))).collect();
        for number in 0..8 {
            let next = (number + 1) % 8;
            lab.cable((&spaces[number], "next"), (&spaces[next], "last"));
        }
        let hosts = [3, 7].map(|number: usize| {
            let host = lab.namespace(&format!("h{number}"));
            lab.cable((&spaces[number - 1], "lan"), (&host, "eth0"));
            host.address("eth0", &format!("192.168.{number}.2/24"));
            host.ip(&["route", "add", "default", "via", &format!("192.168.{number}.1")]);
            host
        });
        let others = [1, 2, 4, 5, 6, 8].map(|number: usize| lab.namespace(&format!("h{number}")));
        for (number, other) in [1, 2, 4, 5, 6, 8].into_iter().zip(&others) {
            lab.cable((&spaces[number - 1], "lan"), (other, "eth0"));
        }
        for number in [2, 3, 5, 6, 8] {
            let space = &spaces[number - 1];
            space.address("last", &format!("10.{}.0.2/30", if number == 1 { 8 } else { number - 1 }));
            space.address("next", &format!("10.{number}.0.1/30"));
            space.address("lan", &format!("192.168.{number}.1/24"));
        }
        let nodes = [1, 4, 7].map(|number| lab.node(&spaces[number - 1], node(number)));
        let frrs = [2, 5, 8].map(|number| lab.frr(&spaces[number - 1], &peer(number)));
        let birds = [3, 6].map(|number| lab.bird(&spaces[number - 1], &peer(number)));
        Self { spaces, hosts, nodes, frrs, birds }
    }

    /// The routers of other makes that are in an area, with the nodes that are.
    fn await_same_databases(&self) {
        let [n1, n4, n7] = &self.nodes;
        let [f2, f5, f8] = &self.frrs;
        let [b3, b6] = &self.birds;
        await_same_database(BACKBONE, &[n1, n4], &[&**f2, &**b3, &**f5]);
        await_same_database(AREA, &[n1, n7], &[&**f5, &**b6, &**f8]);
    }

    /// Everybody has a route to every network behind a router.
    fn await_all_networks(&self) {
        let prefixes: Vec<String> = (1..=8).map(|number| format!("192.168.{number}.0/24")).collect();
        for (node, own) in self.nodes.iter().zip([1, 4, 7]) {
            wait(&format!("node of r{own}: all networks"), Duration::from_secs(60), || {
                let routes = node.ospf_routes()?;
                let missing: Vec<_> =
                    prefixes.iter().filter(|prefix| !routes.contains_key(*prefix)).collect();
                if missing.is_empty() { Ok(()) } else { Err(format!("{missing:?}")) }
            });
        }
        let frrs = self.frrs.iter().map(|frr| &**frr as &dyn Peer).zip([2, 5, 8]);
        let birds = self.birds.iter().map(|bird| &**bird as &dyn Peer).zip([3, 6]);
        for (peer, own) in frrs.chain(birds) {
            for (number, prefix) in (1..).zip(&prefixes) {
                if number != own {
                    peer.await_route(prefix);
                }
            }
        }
    }
}

/// A router's two links and the network behind it.
fn links(number: usize) -> [(&'static str, &'static str, String); 3] {
    let (before, after) = AREAS[number - 1];
    let last = if number == 1 { 8 } else { number - 1 };
    [
        ("last", before, format!("10.{last}.0.2/30")),
        ("next", after, format!("10.{number}.0.1/30")),
        ("lan", after, format!("192.168.{number}.1/24")),
    ]
}

fn node(number: usize) -> NodeConfig {
    let mut yaml = format!("ospf: {{router-id: {}}}\ninterfaces:\n", IDS[number - 1]);
    for (name, area, address) in links(number) {
        let passive = if name == "lan" { ", passive: true" } else { "" };
        yaml.push_str(&format!(
            "  - name: {name}\n    address: {address}\n    ospf: {{area-id: {area}, cost: 10, hello-interval: 1, dead-interval: 4{passive}}}\n"
        ));
    }
    NodeConfig::router(yaml)
}

fn peer(number: usize) -> PeerConfig {
    let interfaces = links(number).map(|(name, area, _)| match name {
        "lan" => PeerInterface::passive(name, 10).in_area(area),
        _ => PeerInterface::point_to_point(name, 10).in_area(area),
    });
    PeerConfig::new(IDS[number - 1], interfaces.to_vec())
}

/// Input: the ring; then a cut link of area 1, the link back, a dead router there, the router back.
/// Output: equal databases in each area, every network at every router, and two hosts that reach each other across both
/// border routers, each time; tshark has nothing to say about any packet of OSPF.
#[test]
fn a_ring_of_three_makes_in_two_areas_survives_a_cut_link_and_a_dead_router() {
    lab::run("ring", |lab| {
        let ring = Ring::build(lab);
        let captures = [("last", 0), ("next", 3), ("next", 5)]
            .map(|(device, router)| Capture::start(lab, &ring.spaces[router], device, "proto 89"));
        ring.await_all_networks();
        ring.await_same_databases();
        let [near, _] = &ring.hosts;
        Ping::await_answer(near, "192.168.7.2");

        let pings = Pinger::start(near, "192.168.7.2");
        // Both halves of the area are still joined by the backbone; a backbone would not be by the area.
        ring.spaces[6].ip(&["link", "set", "last", "down"]);
        wait("router 5 goes by router 4", Duration::from_secs(60), || {
            let route = ring.spaces[4].ip(&["route", "get", "192.168.7.1"]);
            if route.contains("dev last") { Ok(()) } else { Err(route) }
        });
        Ping::await_answer(near, "192.168.7.2");
        pings.await_more(3);
        ring.await_all_networks();
        ring.spaces[6].ip(&["link", "set", "last", "up"]);
        ring.nodes[2].await_full("last", IDS[5]);
        ring.await_same_databases();

        let dead = &ring.frrs[2];
        dead.kill_daemon();
        wait("the node of r7 has lost router 8", Duration::from_secs(60), || {
            let full = ring.nodes[2].full()?;
            if full.iter().any(|(_, id)| id == IDS[7]) { Err(format!("{full:?}")) } else { Ok(()) }
        });
        Ping::await_answer(near, "192.168.7.2");
        dead.start_daemon();
        ring.nodes[2].await_full("next", IDS[7]);
        ring.nodes[0].await_full("last", IDS[7]);
        ring.await_all_networks();
        ring.await_same_databases();
        pings.await_more(3);
        drop(pings);
        for packets in captures.map(Capture::stop) {
            assert!(!packets.matching("ospf.msg == 4").is_empty());
            assert_eq!(packets.wrong(), [""; 0]);
        }
    });
}
