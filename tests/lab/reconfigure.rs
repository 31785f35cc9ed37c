//! A node's configuration changed while it runs: what the change does not touch is not disturbed.

use std::fs;
use std::time::Duration;

use isthmus_tests::http;
use isthmus_tests::lab::{self, BackgroundIperf, Lab, Namespace, Node, OneExit, Peer, Ping, wait};
use serde_json::{Value, json};

/// A number that must not change while the test goes on: how often the adjacency of node 1 with FRR changed its state, by
/// node 1's own events; and how long FRR has it, which must only grow.
struct Undisturbed<'a> {
    exit: &'a OneExit,
    changes: usize,
    up_time: u64,
}

impl<'a> Undisturbed<'a> {
    fn begin(exit: &'a OneExit) -> Self {
        Self { exit, changes: changes_at(&exit.n1, "up1"), up_time: frr_up_time(exit) }
    }

    fn check(&mut self, after: &str) {
        assert_eq!(changes_at(&self.exit.n1, "up1"), self.changes, "after {after}");
        let up_time = frr_up_time(self.exit);
        assert!(up_time >= self.up_time, "after {after}: {up_time} ms, {} ms before", self.up_time);
        self.up_time = up_time;
        for node in [&self.exit.n2, &self.exit.n3] {
            let up = node.list("/events/recent?type=nbr-state-change", "event").unwrap();
            let lost = up.iter().filter(|event| event["detail"]["state"] == "down").count();
            assert_eq!(lost, 0, "node {} after {after}: {up:?}", node.id());
        }
    }
}

fn changes_at(node: &Node, interface: &str) -> usize {
    let events = node.list("/events/recent?type=nbr-state-change", "event").unwrap();
    events.iter().filter(|event| event["detail"]["interface"] == interface).count()
}

/// How long FRR has the adjacency with node 1, in milliseconds.
fn frr_up_time(exit: &OneExit) -> u64 {
    let all = exit.outside.router.json("show ip ospf neighbor detail").unwrap();
    let neighbor = all.pointer("/neighbors/10.77.0.1/0").or_else(|| all.pointer("/10.77.0.1/0"));
    let neighbor = neighbor.unwrap_or_else(|| panic!("{all}"));
    neighbor["lastPrgrsvChangeMsec"].as_u64().unwrap_or_else(|| panic!("{neighbor}"))
}

fn send(node: &Node, method: &str, path: &str, body: Option<&Value>) -> (u16, Value) {
    let answer = http::request(node.socket(), method, &format!("/api/v1{path}"), body).unwrap();
    (answer.status, answer.json().unwrap_or(Value::Null))
}

/// Changes node 1's document by a merge patch.
fn patch(node: &Node, query: &str, patch: &Value) -> Value {
    let (status, answer) = send(node, "PATCH", &format!("/config{query}"), Some(patch));
    assert!(status < 300, "{status} {answer}");
    answer
}

fn nics(second: bool) -> Value {
    let ospf = json!({ "hello-interval": 1, "dead-interval": 4 });
    let mut nics = vec![json!({ "name": "up1", "address": "10.1.0.1/30", "ospf": ospf })];
    if second {
        let ospf = json!({ "passive": true });
        nics.push(json!({ "name": "up9", "address": "10.9.0.1/24", "ospf": ospf }));
    }
    Value::Array(nics)
}

/// A host on a cable to node 1 that the node does not know of yet.
fn second_network(lab: &Lab, exit: &OneExit) -> std::rc::Rc<Namespace> {
    let host = lab.namespace("x9");
    lab.cable((exit.n1.namespace(), "up9"), (&host, "eth0"));
    host.address("eth0", "10.9.0.2/24");
    host.ip(&["route", "add", "default", "via", "10.9.0.1"]);
    host
}

/// Input: iperf3 between node 3's kernel and the host behind FRR; meanwhile node 1 gets a second NIC, an area range, a
/// static route and other costs, one after the other, and loses all of them again. Output: each change works (the second
/// network is reached from node 3 and from the host, the range is known, the route is there); FRR's adjacency never
/// resets, nor does any in the cluster; data flows in every second.
#[test]
fn interfaces_ranges_routes_and_costs_come_and_go_under_traffic() {
    lab::run("reconfigure", |lab| {
        let exit = OneExit::build(lab);
        let host = second_network(lab, &exit);
        let n1 = &exit.n1;
        let mut undisturbed = Undisturbed::begin(&exit);
        let iperf =
            BackgroundIperf::start(exit.n3.namespace(), &exit.outside.host, &exit.outside.host_address, 40);

        let dry = patch(n1, "?dry-run=true", &json!({ "interfaces": nics(true) }));
        assert_eq!(dry["applied"], false, "{dry}");
        assert_eq!(dry.pointer("/changes/0/path").unwrap(), "interfaces[up9]", "{dry}");
        assert_eq!(dry.pointer("/effects/0/effect").unwrap(), "immediate", "{dry}");

        let file = fs::read_to_string(n1.config()).unwrap();
        patch(n1, "", &json!({ "interfaces": nics(true) }));
        assert_ne!(fs::read_to_string(n1.config()).unwrap(), file, "the file says it too");
        Ping::await_answer(exit.n3.namespace(), "10.9.0.2");
        Ping::await_answer(&exit.outside.host, "10.9.0.2");
        Ping::await_answer(&host, "10.77.0.3");
        undisturbed.check("a NIC was added");

        let range = json!([{ "area-id": "0.0.0.0", "ranges": [{ "prefix": "10.8.0.0/15" }] }]);
        patch(n1, "", &json!({ "ospf": { "areas": range } }));
        exit.n3.await_way("10.8.0.1", "lsm0", "10.77.0.1");
        assert!(exit.n3.ospf_routes().unwrap().contains_key("10.8.0.0/15"));
        let route = json!([{ "destination-prefix": "198.18.0.0/15", "next-hop": "10.9.0.2" }]);
        patch(n1, "", &json!({ "static-routes": route }));
        n1.await_way("198.18.0.1", "up9", "10.9.0.2");
        let costs = json!({ "lsm": { "ospf": { "cost": 4 } }, "gsm": { "ospf": { "cost": 6 } } });
        patch(n1, "", &json!({ "fabric": costs }));
        wait("node 1's way over the LSM costs 4", Duration::from_secs(30), || {
            let routes = n1.ospf_routes()?;
            let route = routes.get("10.77.0.3/32").ok_or("no route")?;
            if route["metric"] == 4 { Ok(()) } else { Err(route.to_string()) }
        });
        undisturbed.check("a range, a route and costs were changed");

        patch(n1, "", &json!({ "static-routes": null, "ospf": null, "fabric": null }));
        assert!(n1.way("198.18.0.1").is_err());
        patch(n1, "", &json!({ "interfaces": nics(false) }));
        wait("the second network has gone", Duration::from_secs(30), || {
            let interfaces = n1.list("/interfaces", "interface")?;
            let there = interfaces.iter().any(|interface| interface["name"] == "up9");
            let known = exit.n3.ospf_routes()?.contains_key("10.9.0.0/24");
            if there || known { Err(format!("{there} {known}")) } else { Ok(()) }
        });
        undisturbed.check("all was taken back");

        // Its device is free again.
        patch(n1, "", &json!({ "interfaces": nics(true) }));
        Ping::await_answer(exit.n3.namespace(), "10.9.0.2");
        undisturbed.check("the NIC was added once more");

        let seconds = iperf.octets_of_each_second();
        assert!(seconds.len() >= 40 && seconds.iter().all(|&octets| octets > 0), "{seconds:?}");
        assert!(send(n1, "GET", "/config/history", None).1["entry"].as_array().unwrap().len() > 5);
    });
}

/// Input: a change of the common address with a time to confirm it in, not confirmed; then another one, confirmed; then a
/// third, and the node is killed before its time. Output: the first is in force, the file is the old one, and after the
/// time it is in force no more; another change meanwhile is refused; one that is rolled back by hand goes at once; the one
/// that is confirmed is in the file; after the crash the node starts with that.
#[test]
fn what_is_not_confirmed_does_not_stay() {
    lab::run("confirm", |lab| {
        let exit = OneExit::build(lab);
        let n1 = &exit.n1;
        let common =
            |last: u8| json!({ "fabric": { "common-addresses": ["10.77.2.1", format!("10.77.2.{last}")] } });
        let answers = |last: u8| {
            let addresses = n1.get("/system").unwrap()["common-address"].clone();
            addresses.as_array().unwrap().contains(&json!(format!("10.77.2.{last}")))
        };
        let kernel_has = |last: u8| {
            n1.namespace()
                .ip(&["-4", "address", "show", "dev", "gsm0"])
                .contains(&format!("10.77.2.{last}/32"))
        };
        let file = || fs::read_to_string(n1.config()).unwrap();
        let before = file();
        let mut undisturbed = Undisturbed::begin(&exit);

        patch(n1, "?confirm=3", &common(7));
        assert!(answers(7) && kernel_has(7));
        exit.outside.router.await_route("10.77.2.7/32");
        assert_eq!(file(), before);
        let (status, refused) = send(n1, "PATCH", "/config", Some(&json!({ "hostname": "other" })));
        assert_eq!(status, 409, "{refused}");
        wait("back to the configuration before", Duration::from_secs(60), || {
            if answers(7) || kernel_has(7) { Err("it is still there".to_owned()) } else { Ok(()) }
        });
        exit.outside.router.await_no_route("10.77.2.7/32");
        assert_eq!(n1.list("/events/recent?type=config-rollback", "event").unwrap().len(), 1);
        assert_eq!(file(), before);

        patch(n1, "?confirm=600", &common(6));
        assert!(answers(6) && kernel_has(6));
        n1.cli(&["config", "rollback"]);
        assert!(!answers(6) && !kernel_has(6));
        assert_eq!(
            (file(), n1.get("/config/status").unwrap()["saved"].clone()),
            (before.clone(), json!(true))
        );

        patch(n1, "?confirm=600", &common(8));
        let (status, confirmed) = send(n1, "POST", "/config/confirm", None);
        assert_eq!((status, &confirmed["saved"]), (200, &json!(true)), "{confirmed}");
        assert!(file().contains("10.77.2.8") && answers(8) && kernel_has(8));

        patch(n1, "?confirm=600", &common(9));
        assert!(answers(9) && kernel_has(9));
        undisturbed.check("four changes");
        n1.kill();
        assert!(file().contains("10.77.2.8") && !file().contains("10.77.2.9"));
        n1.start();
        n1.await_ready();
        assert!(answers(8) && !answers(9) && kernel_has(8) && !kernel_has(9));
    });
}

/// Input: the file edited by hand; a change over REST, which would overwrite the edit; SIGHUP; then a file that is wrong, and
/// SIGHUP; then a NIC that this machine does not have. Output: the change is refused; the edit is taken over with its
/// comments; the wrong file and the missing NIC are refused with their reasons, and nothing has changed.
#[test]
fn a_file_that_was_edited_is_read_again_and_never_overwritten() {
    lab::run("reload", |lab| {
        let exit = OneExit::build(lab);
        let n1 = &exit.n1;
        let mut undisturbed = Undisturbed::begin(&exit);
        let good =
            fs::read_to_string(n1.config()).unwrap().replace("hostname: n1", "# by hand\nhostname: edited");
        fs::write(n1.config(), &good).unwrap();
        let (status, refused) = send(n1, "PATCH", "/config", Some(&json!({ "hostname": "other" })));
        assert_eq!(status, 409, "{refused}");
        assert_eq!(fs::read_to_string(n1.config()).unwrap(), good);
        let hostname = |wanted: &str| {
            wait(&format!("hostname {wanted}"), Duration::from_secs(30), || {
                let system = n1.get("/system")?;
                if system["hostname"] == wanted { Ok(()) } else { Err(system["hostname"].to_string()) }
            });
        };
        n1.hang_up();
        hostname("edited");
        assert_eq!(fs::read_to_string(n1.config()).unwrap(), good);

        fs::write(n1.config(), good.replace("edited", "not a name")).unwrap();
        n1.hang_up();
        wait("the file is refused", Duration::from_secs(30), || {
            let refused = n1.list("/events/recent?type=config-refused", "event")?;
            // The first one is that of the change that would have overwritten the edit.
            if refused.len() >= 2 { Ok(()) } else { Err(format!("{refused:?}")) }
        });
        hostname("edited");

        fs::write(n1.config(), &good).unwrap();
        let missing = json!([
            { "name": "up1", "address": "10.1.0.1/30", "ospf": { "hello-interval": 1, "dead-interval": 4 } },
            { "name": "up8", "address": "10.8.0.1/24" },
        ]);
        let (status, refused) =
            send(n1, "PATCH", "/config", Some(&json!({ "hostname": "other", "interfaces": missing })));
        assert_eq!(status, 422, "{refused}");
        assert_eq!(refused.pointer("/diagnostics/0/code").unwrap(), "unknown-interface", "{refused}");
        assert_eq!(refused.pointer("/diagnostics/0/path").unwrap(), "interfaces[1].name", "{refused}");
        let (status, refused) = send(n1, "PATCH", "/config", Some(&json!({ "fabric": { "max-nodes": 9 } })));
        assert_eq!(status, 422, "{refused}");
        assert_eq!(refused["type"], "urn:isthmus:problem:not-changeable", "{refused}");
        hostname("edited");
        assert_eq!(fs::read_to_string(n1.config()).unwrap(), good);
        undisturbed.check("refusals");
    });
}
