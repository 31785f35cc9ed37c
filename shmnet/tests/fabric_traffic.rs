//! Frames between real processes: unicast on both networks, broadcast and multicast exactly once, rings that grow.

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
fn three_nodes_exchange_unicast_frames_on_both_networks() {
    let segment = Segment::new();
    let mut nodes = [1, 2, 3].map(|id| Node::join(&segment, id));
    for node in &nodes {
        node.await_members(&[1, 2, 3]);
    }
    for (from, to) in [(0, 1), (1, 2), (2, 0), (0, 2)] {
        for network in ["lsm", "gsm"] {
            let text = format!("{from}-{to}-{network}");
            let to_id = nodes[to].id;
            nodes[from].say(&format!("send {network} {to_id} {text}"));
            let expected = format!("rx {network} unicast {} {text}", nodes[from].id);
            nodes[to].await_line("receive a frame", |line| line == expected);
        }
    }
    nodes[0].say("send lsm 9 nobody");
    nodes[0].await_line("refuse", |line| line == "sent Err(NoSuchNode)");
    nodes[0].say("big lsm 2 9014");
    nodes[1].await_line("receive a jumbo frame", |line| {
        line.strip_prefix("rx lsm unicast 1 ").is_some_and(|text| text == "x".repeat(9014))
    });
}

#[test]
fn broadcast_and_multicast_reach_every_member_exactly_once_and_in_order() {
    let segment = Segment::new();
    let mut nodes = [1, 2, 3].map(|id| Node::join(&segment, id));
    for node in &nodes {
        node.await_members(&[1, 2, 3]);
    }
    for kind in ["broadcast", "multicast"] {
        for network in ["lsm", "gsm"] {
            for node in &mut nodes {
                node.say(&format!("{kind} {network} 0 20"));
            }
        }
    }
    let numbers: Vec<String> = (0..20).map(|number| format!("n{number}")).collect();
    for node in &nodes {
        for kind in ["broadcast", "multicast"] {
            for network in ["lsm", "gsm"] {
                node.await_lines("receive all", |_| node.received(network, kind).len() >= 40);
                for other in [1, 2, 3].into_iter().filter(|other| *other != node.id) {
                    let got: Vec<String> = node
                        .received(network, kind)
                        .into_iter()
                        .filter(|(from, _)| *from == other)
                        .map(|(_, text)| text)
                        .collect();
                    assert_eq!(got, numbers, "{kind} on {network} from {other} at {}", node.id);
                }
            }
        }
    }
}

#[test]
fn a_ring_that_stays_full_is_replaced_by_a_larger_one_without_loss() {
    let segment = Segment::new();
    let mut sender = Node::join_with(&segment, 1, "slots=16");
    let receiver = Node::join_with(&segment, 2, "slots=16");
    sender.await_members(&[1, 2]);
    sender.say("flood lsm 2 3000");
    sender.await_line("send all", |line| line.starts_with("flooded"));
    receiver.await_lines("receive all", |_| receiver.received("lsm", "unicast").len() >= 3000);
    let numbers: Vec<u32> = receiver
        .received("lsm", "unicast")
        .iter()
        .map(|(_, text)| text.split(' ').next().unwrap().parse().unwrap())
        .collect();
    assert_eq!(numbers, (0..3000).collect::<Vec<_>>());
    sender.await_line("grow", |line| line.contains("Allocated { network: Lsm, epoch: 2"));
    receiver.await_lines("connect again", |lines| {
        lines.iter().filter(|line| line.contains("Connected { network: Lsm,")).count() >= 2
    });
}

#[test]
fn each_network_has_rings_of_its_own_size() {
    let segment = Segment::new();
    let mut first = Node::join_with(&segment, 1, "slots=32 gsm=16x4096");
    let second = Node::join_with(&segment, 2, "slots=32 gsm=16x4096");
    first.await_members(&[1, 2]);
    second.await_members(&[1, 2]);
    first.say("big gsm 2 30000");
    second.await_lines("receive it", |_| {
        second.received("gsm", "unicast").iter().any(|(from, text)| *from == 1 && text.len() == 30_000)
    });
    first.say("snapshot");
    first.await_line("show its ring", |line| line.starts_with("ring lsm 1>2 epoch 1 slots 32 "));
    first.await_line("show its ring", |line| line.starts_with("ring gsm 1>2 epoch 1 slots 16 w 8 "));
}
