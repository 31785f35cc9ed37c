//! Two hosts without shared memory, which are two network namespaces: their nodes meet over libfabric, exchange frames of
//! all kinds and sizes, and one is killed and comes back.
//!
//! Takes the feature `libfabric`, and root for the namespaces.

#![cfg(all(feature = "libfabric", not(loom)))]
#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

mod common;

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use common::Node;

/// Not a test: the body of each node's process.
#[test]
#[ignore = "started by the other tests"]
fn child() {
    common::child();
}

/// Two network namespaces joined by a virtual cable; gone at the end.
struct Hosts {
    names: [String; 2],
}

impl Hosts {
    /// `None`, and a word about it, for who may not make namespaces.
    fn new(test: &str) -> Option<Self> {
        if !rustix::process::geteuid().is_root() {
            let required = std::env::var_os("ISTHMUS_LAB").is_some_and(|value| value == "required");
            assert!(!required, "{test}: network namespaces need root");
            eprintln!("SKIPPED {test}: network namespaces need root");
            return None;
        }
        let names = [1, 2].map(|id| format!("isthmus-{test}-{}-{id}", std::process::id()));
        for name in &names {
            run(&["ip", "netns", "add", name]);
        }
        let hosts = Self { names };
        let [one, two] = &hosts.names;
        run(&[
            "ip", "-n", one, "link", "add", "cable", "type", "veth", "peer", "name", "cable", "netns", two,
        ]);
        for (name, id) in hosts.names.iter().zip([1, 2]) {
            run(&["ip", "-n", name, "link", "set", "lo", "up"]);
            run(&["ip", "-n", name, "address", "add", &format!("{}/24", address(id)), "dev", "cable"]);
            run(&["ip", "-n", name, "link", "set", "cable", "up"]);
        }
        Some(hosts)
    }

    fn start(&self, id: u16, options: &str) -> Node {
        let program = std::env::current_exe().unwrap();
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.names[usize::from(id) - 1]]).arg(program);
        command.args(["--exact", "child", "--nocapture", "--ignored", "--test-threads=1"]);
        let peers = [1, 2].map(|id| format!("{id}@{}:7471", address(id))).join(",");
        let options = format!("reflected={id},{peers} {options}");
        Node::start_under(&mut command, Path::new("/"), id, &options)
    }

    fn join(&self, id: u16) -> Node {
        let node = self.start(id, "");
        node.await_line("to join", |line| line.starts_with("joined"));
        node
    }
}

impl Drop for Hosts {
    fn drop(&mut self) {
        for name in &self.names {
            let _ = Command::new("ip").args(["netns", "delete", name]).status();
        }
    }
}

fn address(id: u16) -> String {
    format!("10.77.0.{id}")
}

fn run(words: &[&str]) {
    let status = Command::new(words[0]).args(&words[1..]).status().unwrap();
    assert!(status.success(), "{words:?}");
}

#[test]
fn nodes_on_two_hosts_exchange_frames_of_all_kinds_and_sizes() {
    let Some(hosts) = Hosts::new("frames") else { return };
    let mut nodes = [1, 2].map(|id| hosts.join(id));
    for node in &nodes {
        node.await_members(&[1, 2]);
    }
    for (from, to) in [(0, 1), (1, 0)] {
        for network in ["lsm", "gsm"] {
            for len in [64, 104, 105, 1500, 2048, 2049, 9014, 40_000, 65_536] {
                let (to_id, from_id) = (nodes[to].id, nodes[from].id);
                nodes[from].say(&format!("big {network} {to_id} {len}"));
                let expected = format!("rx {network} unicast {from_id} {}", "x".repeat(len));
                nodes[to].await_line(&format!("receive {len} bytes"), |line| line == expected);
            }
        }
    }
    for kind in ["broadcast", "multicast"] {
        for node in &mut nodes {
            node.say(&format!("{kind} lsm 0 20"));
        }
        let numbers: Vec<String> = (0..20).map(|number| format!("n{number}")).collect();
        for node in &nodes {
            node.await_lines("receive all", |_| node.received("lsm", kind).len() >= 20);
            let got: Vec<String> = node.received("lsm", kind).into_iter().map(|(_, text)| text).collect();
            assert_eq!(got, numbers, "{kind} at {}", node.id);
        }
    }
    // More than the rings hold, so that they are replaced by larger ones on the way.
    let before = nodes[1].received("gsm", "unicast").len();
    nodes[0].say("flood gsm 2 20000");
    nodes[0].await_line("send all", |line| line.starts_with("flooded"));
    let receiver = &nodes[1];
    receiver
        .await_lines("receive the flood", |_| receiver.received("gsm", "unicast").len() >= before + 20_000);
    let texts: Vec<String> =
        receiver.received("gsm", "unicast").into_iter().skip(before).map(|(_, text)| text).collect();
    let expected: Vec<String> = (0..20_000).map(|number| format!("{number} {}", "-".repeat(1000))).collect();
    assert!(texts == expected, "the flood came in another order, or twice");
}

#[test]
fn a_node_that_is_killed_is_closed_and_comes_back_as_its_next_incarnation() {
    let Some(hosts) = Hosts::new("return") else { return };
    // Silence alone would tell of a death after ten seconds.
    let mut one = hosts.start(1, "failed=10");
    let two = hosts.start(2, "failed=10");
    for node in [&one, &two] {
        node.await_members(&[1, 2]);
    }
    let former = one.incarnation_of(2);
    // A second process of a node that lives is told who has its id.
    let second = hosts.start(2, "");
    let refusal = second.await_line("be refused", |line| line.starts_with("refused"));
    assert!(refusal.contains("node id 2"), "{refusal}");
    drop(second);
    two.kill();
    one.await_line("hear that it hung up", |line| line.contains(" Failed { reason: HungUp }"));
    one.await_members(&[1]);
    let mut two = hosts.start(2, "failed=10");
    for node in [&one, &two] {
        node.await_members(&[1, 2]);
    }
    assert!(one.incarnation_of(2) > former);
    for (from, to, network) in [(1, 2, "lsm"), (2, 1, "gsm")] {
        let (sender, receiver) = if from == 1 { (&mut one, &two) } else { (&mut two, &one) };
        sender.say(&format!("send {network} {to} again"));
        let expected = format!("rx {network} unicast {from} again");
        receiver.await_line("receive a frame", |line| line == expected);
    }
    // One that leaves says so.
    two.say("leave");
    one.await_line("hear that it left", |line| line.contains("Left"));
    one.await_members(&[1]);
}

/// Input: two nodes without traffic. Expected: nothing, for the machine decides; printed is what each of the first one's threads takes
/// of a core, with all that wakes it.
#[test]
#[ignore = "a measurement"]
fn what_a_node_without_traffic_takes_is_printed() {
    let Some(hosts) = Hosts::new("idle") else { return };
    for heartbeat in [10, 20, 50] {
        let nodes = [1, 2].map(|id| hosts.start(id, &format!("heartbeat={heartbeat}")));
        for node in &nodes {
            node.await_members(&[1, 2]);
        }
        common::print_idle(
            &format!("reflected memory, with a heartbeat every {heartbeat} ms"),
            &nodes[0],
            Duration::from_secs(3),
        );
    }
}

#[test]
fn a_cut_cable_is_a_silent_peer_and_a_mended_one_a_new_meeting() {
    let Some(hosts) = Hosts::new("cable") else { return };
    let nodes = [1, 2].map(|id| hosts.join(id));
    for node in &nodes {
        node.await_members(&[1, 2]);
    }
    run(&["ip", "-n", &hosts.names[0], "link", "set", "cable", "down"]);
    nodes[0].await_members(&[1]);
    nodes[1].await_members(&[2]);
    let former = nodes[0].incarnation_of(1);
    run(&["ip", "-n", &hosts.names[0], "link", "set", "cable", "up"]);
    let begun = Instant::now();
    for node in &nodes {
        node.await_members(&[1, 2]);
    }
    println!("met again {:?} after the cable was mended", begun.elapsed());
    assert!(nodes[1].incarnation_of(1) >= former);
}
