//! Opaque advertisements (RFC 5250) between real routers: the node carries what it does not read, and its own says who it is.

use std::rc::Rc;
use std::time::Duration;

use isthmus_tests::lab::{self, Lab, NodeConfig, Peer, PeerConfig, PeerInterface, wait};
use serde_json::Value;

/// The node between two others.
const NODE: &str = "ospf: { router-id: 10.255.0.9 }
interfaces:
  - { name: up1, address: 10.1.0.1/30, ospf: { hello-interval: 1, dead-interval: 4 } }
  - { name: up2, address: 10.2.0.1/30, ospf: { hello-interval: 1, dead-interval: 4 } }
";

fn cables(lab: &Lab) -> [Rc<lab::Namespace>; 3] {
    let [node, r1, r2] = ["node", "r1", "r2"].map(|name| lab.namespace(name));
    for (number, router) in [(1, &r1), (2, &r2)] {
        lab.cable((&node, &format!("up{number}")), (router, "core"));
        router.address("core", &format!("10.{number}.0.2/30"));
        lab.cable((router, "lan"), (router, "lan-end"));
        router.address("lan", &format!("192.168.{number}.1/24"));
    }
    [node, r1, r2]
}

fn config(router_id: &'static str) -> PeerConfig {
    let interfaces = vec![PeerInterface::point_to_point("core", 10), PeerInterface::passive("lan", 10)];
    PeerConfig::new(router_id, interfaces)
}

fn await_shown(what: &str, shown: impl Fn() -> String, wanted: &[&str]) {
    wait(what, Duration::from_secs(60), || match shown() {
        text if wanted.iter().all(|words| text.contains(words)) => Ok(()),
        text => Err(text),
    });
}

/// Input: two FRR, the second of which gets the capability later, which know each other by the node alone; the first announces router information for the area. Output: the second has the first's advertisement as it was sent, by checksum, and the node's
/// own with the node's name in its bytes; the node shows both, and routes are as before. An FRR without the capability has none of
/// them, and is Full all the same.
#[test]
fn opaque_advertisements_pass_from_one_frr_to_another() {
    lab::run("opaque", |lab| {
        let [space, r1, r2] = cables(lab);
        let first = lab.frr(&r1, &config("10.255.0.1"));
        let second = lab.frr(&r2, &config("10.255.0.2"));
        first.configure(&["router ospf", "capability opaque", "router-info area 0.0.0.0"]);
        let node = lab.node(&space, NodeConfig::router(NODE.to_owned()));
        node.await_ready();
        node.await_full("up1", "10.255.0.1");
        node.await_full("up2", "10.255.0.2");

        let database = || second.show("show ip ospf database opaque-area");
        // Without the capability: nothing of it, and everything else.
        second.await_route("192.168.1.0/24");
        let own = node.list("/ospf/database?lsa-type=opaque-area", "lsa").unwrap();
        assert!(!own.is_empty() && !database().contains("4.0.0.0"), "{}", database());
        second.configure(&["router ospf", "capability opaque"]);
        node.await_full("up2", "10.255.0.2");

        await_shown(
            "the first's information at the second",
            database,
            &["4.0.0.0", "10.255.0.1", "10.255.0.9"],
        );
        let checksum = |text: &str, router: &str| {
            let of_router =
                text.split("LS age:").find(|part| part.contains(&format!("Advertising Router: {router}")));
            let line = of_router?.lines().find(|line| line.contains("Checksum:"))?.trim().to_owned();
            Some(line)
        };
        let (sent, kept) = (first.show("show ip ospf database opaque-area"), database());
        for router in ["10.255.0.1", "10.255.0.9"] {
            assert!(checksum(&sent, router).is_some(), "{sent}");
            assert_eq!(checksum(&sent, router), checksum(&kept, router), "{router}");
        }

        let entries = node.list("/ospf/database?lsa-type=opaque-area", "lsa").unwrap();
        let of = |router: &str| {
            let found = entries.iter().find(|entry| entry["header"]["adv-router"] == *router);
            found.unwrap_or_else(|| panic!("{entries:?}"))["body"]["opaque"].clone()
        };
        assert_eq!(of("10.255.0.9")["router-information"]["hostname"], Value::from("node"));
        assert_eq!(of("10.255.0.1")["opaque-type"], Value::from(4));
        let shown = node.cli(&["show", "ospf", "database", "-o", "wide"]);
        assert!(
            shown.contains("opaque type 4, id 0, host node, graceful-restart-helper, stub-router"),
            "{shown}"
        );
        second.await_route("192.168.1.0/24");
    });
}

/// Input: FRR with the capability, and BIRD. Output: BIRD has FRR's and the node's router information; two nodes know each other by name.
#[test]
fn bird_takes_them_and_nodes_know_each_other_by_name() {
    lab::run("opaque-bird", |lab| {
        let [space, r1, r2] = cables(lab);
        let frr = lab.frr(&r1, &config("10.255.0.1"));
        frr.configure(&["router ospf", "capability opaque", "router-info area 0.0.0.0"]);
        let bird = lab.bird(&r2, &config("10.255.0.2"));
        let node = lab.node(&space, NodeConfig::router(NODE.to_owned()));
        node.await_ready();
        node.await_full("up1", "10.255.0.1");
        node.await_full("up2", "10.255.0.2");
        await_shown(
            "the database of BIRD",
            || bird.show("ospf lsadb"),
            &["000a", "4.0.0.0", "10.255.0.1", "10.255.0.9"],
        );

        let other = lab.namespace("other");
        lab.cable((&space, "up3"), (&other, "up1"));
        other.address("up1", "10.3.0.2/30");
        space.address("up3", "10.3.0.1/30");
        let text = "ospf: { router-id: 10.255.0.8 }\ninterfaces:\n  - { name: up1, address: 10.3.0.2/30, ospf: { hello-interval: 1, dead-interval: 4 } }\n";
        let far = lab.node(&other, NodeConfig::router(text.to_owned()));
        far.await_ready();
        let more = "  - { name: up3, address: 10.3.0.1/30, ospf: { hello-interval: 1, dead-interval: 4 } }\n";
        node.configure(&format!("{NODE}{more}"));
        node.hang_up();
        node.await_full("up3", "10.255.0.8");
        for (node, router, name) in [(&node, "10.255.0.8", "other"), (&far, "10.255.0.9", "node")] {
            wait(&format!("{router} is {name}"), Duration::from_secs(30), || {
                let neighbors = node.list("/ospf/neighbors", "neighbor")?;
                let found = neighbors.iter().any(|neighbor| {
                    neighbor["neighbor-router-id"] == *router && neighbor["hostname"] == *name
                });
                if found { Ok(()) } else { Err(format!("{neighbors:?}")) }
            });
        }
    });
}
