//! Multicast subscriptions: a frame goes to the nodes that take its address, and is not sent where nobody does.

#![cfg(not(loom))]

mod common;

use common::{Node, Segment};

/// Not a test: the body of each node's process.
#[test]
#[ignore = "started by the other tests"]
fn child() {
    common::child();
}

/// Addresses of six letters, of which the first is a multicast address's: an odd one.
const ALPHA: &str = "alpha-";
const MIKE: &str = "mike--";

fn numbers(mac: &str, range: std::ops::Range<u32>) -> Vec<(u16, String)> {
    range.map(|number| (1, format!("{mac} n{number}"))).collect()
}

#[test]
fn a_multicast_frame_reaches_those_who_take_it_and_is_not_sent_where_nobody_does() {
    let segment = Segment::new();
    let mut nodes = [1, 2, 3].map(|id| Node::join(&segment, id));
    for node in &nodes {
        node.await_members(&[1, 2, 3]);
    }
    nodes[0].say("takes lsm");
    nodes[1].say(&format!("takes lsm {ALPHA}"));
    nodes[2].say("takes lsm");
    for expected in ["takes 2 lsm [alpha-] gsm [all]", "takes 3 lsm [] gsm [all]"] {
        nodes[0].await_snapshot("learn what the others take", |line| line == expected);
    }
    let [sender, member, stranger] = &mut nodes;

    sender.say(&format!("group lsm {ALPHA} 0 20"));
    member.await_lines("receive its group", |_| member.received("lsm", "multicast").len() >= 20);
    let filtered = "group lsm Multicast";
    stranger.await_snapshot("count what it does not take", |line| {
        line.starts_with(filtered) && line.contains("lost 0 filtered 20 ")
    });

    // Nobody takes this one.
    sender.say(&format!("group lsm {MIKE} 0 5"));
    sender.await_lines("refuse", |lines| {
        lines.iter().filter(|line| *line == "sent Err(NoListener) to mike--").count() == 5
    });
    sender.await_snapshot("count what nobody takes", |line| {
        line.starts_with(filtered) && line.ends_with("unwanted 5")
    });

    // Now both take it, and each gets it once; broadcast goes to everybody anyway.
    stranger.say(&format!("takes lsm {MIKE} {ALPHA}"));
    member.say(&format!("takes lsm {MIKE}"));
    for expected in ["takes 2 lsm [mike--] gsm [all]", "takes 3 lsm [alpha- mike--] gsm [all]"] {
        sender.await_snapshot("learn of the new groups", |line| line == expected);
    }
    sender.say(&format!("group lsm {MIKE} 5 15"));
    sender.say("broadcast lsm 0 5");
    for node in [&*member, &*stranger] {
        node.await_lines("receive the group", |_| {
            let got = node.received("lsm", "multicast");
            got.iter().filter(|(_, text)| text.starts_with(MIKE)).count() >= 15
        });
        node.await_lines("receive broadcast", |_| node.received("lsm", "broadcast").len() >= 5);
    }
    let both = [numbers(ALPHA, 0..20), numbers(MIKE, 5..20)].concat();
    assert_eq!(member.received("lsm", "multicast"), both, "each exactly once");
    assert_eq!(stranger.received("lsm", "multicast"), numbers(MIKE, 5..20), "only what it took");
}

#[test]
fn a_dead_listener_is_one_no_more() {
    let segment = Segment::new();
    let mut sender = Node::join(&segment, 1);
    let mut member = Node::join(&segment, 2);
    let mut other = Node::join(&segment, 3);
    sender.await_members(&[1, 2, 3]);
    member.say(&format!("takes gsm {ALPHA}"));
    other.say("takes gsm");
    for expected in ["takes 2 lsm [all] gsm [alpha-]", "takes 3 lsm [all] gsm []"] {
        sender.await_snapshot("learn what the others take", |line| line == expected);
    }
    sender.say(&format!("group gsm {ALPHA} 0 1"));
    member.await_lines("receive its group", |_| member.received("gsm", "multicast").len() == 1);
    member.kill();
    sender.await_members(&[1, 3]);
    sender.say(&format!("group gsm {ALPHA} 1 1"));
    sender.await_line("refuse", |line| line == "sent Err(NoListener) to alpha-");

    // One that joins takes everything until it says what it takes.
    let joiner = Node::join(&segment, 2);
    sender.await_members(&[1, 2, 3]);
    sender.say(&format!("group gsm {ALPHA} 2 1"));
    joiner.await_lines("receive it", |_| joiner.received("gsm", "multicast") == numbers(ALPHA, 2..3));
}
