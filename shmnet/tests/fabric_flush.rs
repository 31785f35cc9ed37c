//! Real processes whose caches are kept coherent by the program: every line written back and invalidated by the processor's own
//! instructions. That they are needed is shown on simulated memory; here, that nothing is in their way.

#![cfg(not(loom))]

mod common;

use common::{Node, Segment};

/// Not a test: the body of each node's process.
#[test]
#[ignore = "started by the other tests"]
fn child() {
    common::child();
}

#[test]
fn nodes_that_flush_exchange_frames_of_every_kind() {
    let segment = Segment::new();
    let mut nodes = [1, 2, 3].map(|id| Node::join_with(&segment, id, "flush slots=16"));
    for node in &nodes {
        node.await_members(&[1, 2, 3]);
    }
    nodes[0].say("send lsm 2 hello");
    nodes[1].await_line("receive a frame", |line| line == "rx lsm unicast 1 hello");
    nodes[0].say("big gsm 3 9014");
    nodes[2].await_line("receive a jumbo frame", |line| {
        line.strip_prefix("rx gsm unicast 1 ").is_some_and(|text| text == "x".repeat(9014))
    });
    for node in &mut nodes {
        node.say("broadcast lsm 0 20");
    }
    for node in &nodes {
        node.await_lines("receive all", |_| node.received("lsm", "broadcast").len() >= 40);
    }
    // More than the first rings hold, so that they are replaced.
    nodes[0].say("flood lsm 2 3000");
    nodes[1].await_lines("receive all", |_| nodes[1].received("lsm", "unicast").len() >= 3001);
    let numbers: Vec<u32> = nodes[1].received("lsm", "unicast")[1..]
        .iter()
        .map(|(_, text)| text.split(' ').next().unwrap().parse().unwrap())
        .collect();
    assert_eq!(numbers, (0..3000).collect::<Vec<_>>());
    nodes[0].await_line("grow", |line| line.contains("Allocated { network: Lsm, epoch: 2"));
}

#[test]
fn a_joiner_of_another_coherence_is_refused_with_both_values() {
    let segment = Segment::new();
    let _first = Node::join_with(&segment, 1, "flush");
    let second = Node::start(&segment, 2, "");
    let line = second.await_line("be refused", |line| line.starts_with("refused"));
    assert!(line.contains("node 1 has coherence flush, this node has hardware"), "{line}");
}
