//! Neighbors that restart gracefully (RFC 3623).

use std::fs;
use std::thread;
use std::time::Duration;

use isthmus_tests::lab::{self, Lab, Node, NodeConfig, Peer, PeerConfig, PeerInterface, wait};
use serde_json::Value;

const NODE: &str = "ospf: { router-id: 10.255.0.9 }
interfaces:
  - { name: up1, address: 10.1.0.1/30, ospf: { hello-interval: 1, dead-interval: 4 } }
";

/// FRR needs the capability for opaque advertisements, and both again in its next life.
const GRACEFUL: &str = "router ospf\n capability opaque\n graceful-restart grace-period 60\n";

const LAN: &str = "192.168.1.0/24";

/// What ospfd remembers of a restart that it has prepared, at a place that is compiled into it.
struct Remembered {
    made_directory: bool,
}

const REMEMBERED: &str = "/run/frr/ospfd-gr.json";

impl Remembered {
    fn new() -> Self {
        let made_directory = fs::create_dir("/run/frr").is_ok();
        if made_directory {
            lab::run_command(&["chown", "frr:frr", "/run/frr"]);
        }
        let _ = fs::remove_file(REMEMBERED);
        Self { made_directory }
    }
}

impl Drop for Remembered {
    fn drop(&mut self) {
        let _ = fs::remove_file(REMEMBERED);
        if self.made_directory {
            let _ = fs::remove_dir("/run/frr");
        }
    }
}

fn events(node: &Node, kind: &str) -> Vec<Value> {
    node.list(&format!("/events/recent?type={kind}"), "event").unwrap()
}

fn downs(node: &Node) -> usize {
    events(node, "nbr-state-change").iter().filter(|event| event["detail"]["state"] == "down").count()
}

fn build(lab: &Lab) -> (std::rc::Rc<lab::Frr>, std::rc::Rc<Node>) {
    let [space, r1] = ["node", "r1"].map(|name| lab.namespace(name));
    lab.cable((&space, "up1"), (&r1, "core"));
    lab.cable((&r1, "lan"), (&r1, "lan-end"));
    r1.address("core", "10.1.0.2/30");
    r1.address("lan", "192.168.1.1/24");
    let interfaces = vec![PeerInterface::point_to_point("core", 10), PeerInterface::passive("lan", 10)];
    let frr = lab.frr(&r1, &PeerConfig::new("10.255.0.1", interfaces));
    frr.configure(&["router ospf", "capability opaque", "graceful-restart grace-period 60"]);
    frr.configure_next_start(GRACEFUL);
    let node = lab.node(&space, NodeConfig::router(NODE.to_owned()));
    node.await_ready();
    node.await_full("up1", "10.255.0.1");
    // Who has not acknowledged a change of the topology is not helped.
    wait("the route, and FRR knows all", Duration::from_secs(30), || {
        let neighbors = node.list("/ospf/neighbors", "neighbor")?;
        let waits = neighbors.iter().any(|neighbor| neighbor["statistics"]["nbr-retrans-qlen"] != 0);
        let has_route = node.ospf_routes()?.contains_key(LAN);
        if has_route && !waits {
            Ok(())
        } else {
            Err(format!(
                "{neighbors:?}\n{}\n{}",
                node.cli(&["show", "ospf", "database", "-o", "wide"]),
                frr.state()
            ))
        }
    });
    (frr, node)
}

/// Input: FRR prepares a restart, its ospfd is killed, and started again after twice RouterDeadInterval. Output: the node helps: the
/// neighbor is never down, the route to the network behind it stays, and packets reach it all the time; when FRR has its adjacency
/// again it says so, and the help is completed.
#[test]
fn frr_restarts_and_nobody_loses_a_route() {
    lab::run("helper", |lab| {
        let _remembered = Remembered::new();
        let (frr, node) = build(lab);
        let prepared = frr.show("graceful-restart prepare ip ospf");
        wait("the node helps", Duration::from_secs(30), || {
            let neighbors = node.list("/ospf/neighbors", "neighbor")?;
            let helped = neighbors.iter().any(|neighbor| neighbor["restart-helper-age"].as_u64().is_some());
            let said = node.cli(&["show", "ospf", "database", "opaque-link", "-o", "wide"]);
            if helped { Ok(()) } else { Err(format!("{prepared} {said} {neighbors:?}")) }
        });
        frr.kill_daemon();
        for _ in 0..8 {
            thread::sleep(Duration::from_secs(1));
            assert!(node.ospf_routes().unwrap().contains_key(LAN));
            let ping = node.cli(&["ping", "192.168.1.1", "--count", "1"]);
            assert!(ping.contains(" octets from "), "{ping}");
        }
        frr.start_daemon();
        wait("the help is completed", Duration::from_secs(60), || {
            let told = events(&node, "nbr-restart-helper-status-change");
            match told.last() {
                Some(last) if last["detail"]["exit-reason"] == "completed" => Ok(()),
                _ => Err(format!("{told:?}\n{}", frr.state())),
            }
        });
        node.await_full("up1", "10.255.0.1");
        assert!(node.ospf_routes().unwrap().contains_key(LAN));
        assert_eq!(downs(&node), 0, "{}", node.cli(&["show", "events"]));
        frr.await_full("10.255.0.9");
    });
}

/// Input: the same, and the node's topology changes meanwhile; then help is forbidden. Output: the help ends by the change, and the
/// silent neighbor is down; it comes back; without help it is down after RouterDeadInterval.
#[test]
fn a_change_ends_the_help_and_an_operator_can_forbid_it() {
    lab::run("helper-ends", |lab| {
        let _remembered = Remembered::new();
        let (frr, node) = build(lab);
        let with_lan =
            format!("{NODE}  - {{ name: lan9, address: 172.16.9.1/24, ospf: {{ passive: true }} }}\n");
        lab.cable((node.shared_namespace(), "lan9"), (node.shared_namespace(), "lan9-end"));
        let prepare = || {
            frr.show("graceful-restart prepare ip ospf");
            thread::sleep(Duration::from_secs(1));
            frr.kill_daemon();
        };
        prepare();
        thread::sleep(Duration::from_secs(6));
        assert_eq!(downs(&node), 0);
        node.configure(&with_lan);
        node.hang_up();
        wait("the neighbor is down", Duration::from_secs(30), || {
            if downs(&node) == 1 { Ok(()) } else { Err(node.cli(&["show", "events"])) }
        });
        let told = events(&node, "nbr-restart-helper-status-change");
        assert_eq!(told.last().unwrap()["detail"]["exit-reason"], "topology-changed");
        frr.start_daemon();
        node.await_full("up1", "10.255.0.1");
        frr.await_route("172.16.9.0/24");

        let forbidden = with_lan.replace(
            "router-id: 10.255.0.9",
            "router-id: 10.255.0.9, graceful-restart: { helper-enabled: false }",
        );
        node.configure(&forbidden);
        node.hang_up();
        wait("the configuration", Duration::from_secs(30), || {
            let shown = node.cli(&["show", "config"]);
            if shown.contains("helper-enabled: false") { Ok(()) } else { Err(shown) }
        });
        prepare();
        wait("the neighbor is down", Duration::from_secs(30), || {
            if downs(&node) == 2 { Ok(()) } else { Err(node.cli(&["show", "events"])) }
        });
        assert_eq!(events(&node, "nbr-restart-helper-status-change").len(), told.len());
    });
}
