//! An MD5 key is changed over REST while traffic crosses the node, between FRR and BIRD, and the neighbors notice nothing.

use std::time::Duration;

use isthmus_tests::http;
use isthmus_tests::lab::{
    self, BackgroundIperf, Frr, Node, NodeConfig, Outside, Peer, Ping, await_cluster, await_same_database,
    wait,
};
use serde_json::{Value, json};

const OLD_KEY: &str = "the-first-key";
const NEW_KEY: &str = "the-second-key";

/// Changes a resource; the node's answer.
fn patch(node: &Node, path: &str, body: &Value) -> Value {
    let path = format!("/api/v1{path}");
    let answer = http::request(node.socket(), "PATCH", &path, Some(body)).expect("the node answers");
    assert!(answer.status < 300, "PATCH {path} {body}: {} {}", answer.status, answer.body);
    let shown = answer.body.clone();
    assert!(!shown.contains(OLD_KEY) && !shown.contains(NEW_KEY), "a secret in {shown}");
    answer.json().expect("an outcome")
}

/// Changes of OSPF neighbors that the node has told of so far.
fn neighbor_changes(node: &Node) -> usize {
    let events = node.list("/events/recent", "event").unwrap();
    events.iter().filter(|event| event["type"] == "nbr-state-change").count()
}

/// The metric of the node's link to FRR in FRR's database.
fn metric_at(frr: &Frr) -> Result<u64, String> {
    let database = frr.json("show ip ospf database router 10.77.0.1")?;
    let areas =
        database.get("routerLinkStates").and_then(|all| all.get("areas")).ok_or(database.to_string())?;
    let lsa = &areas["0.0.0.0"][0];
    let links = lsa["routerLinks"].as_object().ok_or_else(|| database.to_string())?;
    let link = links.values().find(|link| {
        link["linkType"].as_str().is_some_and(|kind| kind.contains("point-to-point"))
            && link["neighborRouterId"] == "10.255.0.1"
    });
    link.and_then(|link| link["tos0Metric"].as_u64()).ok_or_else(|| lsa.to_string())
}

/// Input: TCP from a host behind FRR to a host behind BIRD, through two nodes; meanwhile over REST at node 1: the cost of
/// the NIC, a range of an area, the equal paths, the delay of the calculation, and a new MD5 key, brought in on both sides in three
/// steps. Output: each change is in force, the connection lives, no adjacency changes its state, no answer has a key.
#[test]
fn a_key_is_changed_on_both_sides_under_load_and_nobody_notices() {
    lab::run("keys", |lab| {
        let spaces = [1, 2].map(|number| lab.namespace(&format!("n{number}")));
        let frr = Outside::build(lab, 1, &spaces[0], 1);
        let bird = Outside::build_bird(lab, 2, &spaces[1]);
        let key = |id: u8, key: &str| format!("ip ospf message-digest-key {id} md5 {key}");
        frr.router.configure(&["interface core", "ip ospf authentication message-digest", &key(1, OLD_KEY)]);
        let mut first = NodeConfig::border(1, "up1", "10.1.0.1/30");
        let keys = format!("{{authentication: {{type: md5, keys: [{{key-id: 1, key: {OLD_KEY}}}]}}, hello");
        first.yaml = first.yaml.replace("{hello", &keys);
        let n1 = lab.node(&spaces[0], first);
        let n2 = lab.node(&spaces[1], NodeConfig::border(2, "up2", "10.2.0.1/30"));
        await_cluster(&[&n1, &n2]);
        n1.await_full("up1", "10.255.0.1");
        n2.await_full("up2", "10.255.0.2");
        frr.router.await_full("10.77.0.1");
        Ping::await_answer(&frr.host, &bird.host_address);
        await_same_database("0.0.0.0", &[&n1, &n2], &[&*frr.router, &*bird.router]);
        let changes = neighbor_changes(&n1);
        let load = BackgroundIperf::start(&frr.host, &bird.host, &bird.host_address, 15);

        let interface = "/ospf/areas/0.0.0.0/interfaces/up1";
        let outcome = patch(&n1, interface, &json!({ "cost": 77 }));
        assert_eq!(outcome["applied"], true, "{outcome}");
        wait("FRR knows the new cost", Duration::from_secs(30), || {
            let metric = metric_at(&frr.router)?;
            if metric == 77 { Ok(()) } else { Err(metric.to_string()) }
        });
        patch(&n1, "/ospf", &json!({ "maximum-paths": 4, "ietf-spf-delay": { "initial-delay": 10 } }));
        patch(&n1, "/ospf/areas/0.0.0.1", &json!({ "ranges": [{ "prefix": "10.77.128.0/17" }] }));

        // Both keys are taken; the new one signs on both sides; the old one goes. The mask stands for the old key.
        let keys = |keys: Value| patch(&n1, interface, &json!({ "authentication": { "keys": keys } }));
        keys(json!([{ "key-id": 1, "key": "********" }, { "key-id": 2, "key": NEW_KEY }]));
        frr.router.configure(&["interface core", &key(2, NEW_KEY)]);
        keys(json!([{ "key-id": 2, "key": "********" }, { "key-id": 1, "key": "********" }]));
        frr.router.configure(&["interface core", "no ip ospf message-digest-key 1"]);
        keys(json!([{ "key-id": 2, "key": "********" }]));
        assert!(load.is_running(), "the changes were made under load");

        let octets = load.octets_of_each_second();
        assert!(octets.iter().sum::<u64>() > 1_000_000, "{octets:?}");
        assert_eq!(neighbor_changes(&n1), changes, "{}", n1.cli(&["show", "events"]));
        n1.await_full("up1", "10.255.0.1");
        assert_eq!(n1.ospf_interface("up1").unwrap().get("mismatch"), None);
        await_same_database("0.0.0.0", &[&n1, &n2], &[&*frr.router, &*bird.router]);
        let shown = n1.get("/config").unwrap().to_string();
        assert!(!shown.contains(OLD_KEY) && !shown.contains(NEW_KEY), "{shown}");
        // What was changed is in the file: a restart keeps it.
        let file = std::fs::read_to_string(n1.config()).unwrap();
        assert!(file.contains("77") && file.contains(NEW_KEY) && !file.contains(OLD_KEY), "{file}");
    });
}
