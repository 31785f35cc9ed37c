//! Coming and going of real processes: announcement, death, restart, leaving, being stopped.

#![cfg(not(loom))]

mod common;

use common::{Node, Segment};
use rustix::process::Signal;

/// Not a test: the body of each node's process.
#[test]
#[ignore = "started by the other tests"]
fn child() {
    common::child();
}

#[test]
fn a_member_hears_the_announcement_connects_and_allocates_in_this_order() {
    let segment = Segment::new();
    let first = Node::join(&segment, 1);
    let second = Node::join(&segment, 2);
    first.await_members(&[1, 2]);
    second.await_members(&[1, 2]);
    // The members are met as soon as the first ring is there; the others' follow.
    let mut kinds = Vec::new();
    first.await_lines("hear of both networks' rings", |lines| {
        let events = lines.iter().filter(|line| line.starts_with("event") && line.contains(" 2/1 "));
        kinds = events.filter_map(|line| line.split(' ').nth(3)).map(str::to_owned).collect();
        kinds.len() >= 5
    });
    assert_eq!(kinds[..5], ["Announced", "Connected", "Connected", "Allocated", "Allocated"], "{kinds:?}");
}

#[test]
fn the_picture_follows_the_members_and_is_empty_after_leaving() {
    let segment = Segment::new();
    let mut first = Node::join(&segment, 1);
    let second = Node::join(&segment, 2);
    for node in [&first, &second] {
        node.await_members(&[1, 2]);
    }
    let picture = |of: &mut Node, wanted: &str| {
        for _ in 0..500 {
            let mark = of.lines().len();
            of.say("picture");
            let line = of.await_line_after(mark, "show its picture", |line| line.starts_with("picture"));
            if line == format!("picture {wanted}") {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        panic!("no picture {wanted}");
    };
    picture(&mut first, "[1, 2] rings 4");
    second.kill();
    picture(&mut first, "[1] rings 0");
    first.say("leave");
    picture(&mut first, "[] rings 0");
}

#[test]
fn a_killed_node_is_closed_and_met_again_as_the_next_incarnation() {
    let segment = Segment::new();
    let mut first = Node::join(&segment, 1);
    let second = Node::join(&segment, 2);
    let third = Node::join(&segment, 3);
    for node in [&first, &second, &third] {
        node.await_members(&[1, 2, 3]);
    }
    second.kill();
    for node in [&first, &third] {
        let line = node.await_line("see the death", |line| line.contains(" 2/1 Failed"));
        // The kernel's mark, or where it came first the hang-up of the socket: never the five seconds of silence.
        assert!(line.contains("ProcessDeath") || line.contains("HungUp"), "{line}");
        node.await_members(&[1, 3]);
    }
    first.say("send lsm 2 late");
    first.await_line("refuse", |line| line == "sent Err(NoSuchNode)");

    let mut again = Node::join(&segment, 2);
    for node in [&first, &again, &third] {
        node.await_members(&[1, 2, 3]);
    }
    assert_eq!(first.incarnation_of(2), 2);
    again.say("send gsm 1 back");
    first.await_line("receive", |line| line == "rx gsm unicast 2 back");
    first.say("send lsm 2 welcome");
    again.await_line("receive", |line| line == "rx lsm unicast 1 welcome");
}

#[test]
fn the_group_rings_move_to_another_owner_when_theirs_is_killed_and_lose_nothing() {
    let segment = Segment::new();
    let owner = Node::join(&segment, 1);
    let mut second = Node::join(&segment, 2);
    let mut third = Node::join(&segment, 3);
    for node in [&owner, &second, &third] {
        node.await_members(&[1, 2, 3]);
    }
    second.say("broadcast lsm 0 10");
    third.await_lines("receive", |_| third.received("lsm", "broadcast").len() == 10);
    owner.kill();
    second.say("broadcast lsm 10 10");
    third.say("broadcast lsm 100 10");
    second.await_line("be the owner", |line| {
        line.contains(" 2/1 OwnerChanged { network: Lsm, cast: Broadcast")
    });
    third.await_lines("receive the rest", |_| third.received("lsm", "broadcast").len() >= 20);
    second.await_lines("receive", |_| second.received("lsm", "broadcast").len() >= 10);
    let texts =
        |node: &Node| node.received("lsm", "broadcast").into_iter().map(|(_, text)| text).collect::<Vec<_>>();
    assert_eq!(texts(&third), (0..20).map(|number| format!("n{number}")).collect::<Vec<_>>());
    assert_eq!(texts(&second), (100..110).map(|number| format!("n{number}")).collect::<Vec<_>>());
}

/// Two nodes broadcast as fast as the others read, while the owner of the ring, a third, is killed in the middle of it.
#[test]
fn under_load_the_death_of_a_group_rings_owner_loses_and_doubles_nothing() {
    const FRAMES: u32 = 400;
    let segment = Segment::new();
    let owner = Node::join(&segment, 1);
    let mut sources = [2, 3].map(|id| Node::join(&segment, id));
    let reader = Node::join(&segment, 4);
    for node in [&owner, &sources[0], &sources[1], &reader] {
        node.await_members(&[1, 2, 3, 4]);
    }
    for source in &mut sources {
        source.say(&format!("load lsm {FRAMES}"));
    }
    reader.await_lines("be in the middle", |_| reader.received("lsm", "broadcast").len() > 60);
    owner.kill();
    for source in &sources {
        source.await_line("send all", |line| line == "loaded");
    }
    sources[0].await_line("be the owner", |line| {
        line.contains(" 2/1 OwnerChanged { network: Lsm, cast: Broadcast")
    });
    let all: Vec<String> = (0..FRAMES).map(|number| format!("n{number}")).collect();
    for (node, senders) in [(&reader, &[2, 3][..]), (&sources[0], &[3]), (&sources[1], &[2])] {
        let expected = senders.len() * all.len();
        node.await_lines("receive all", |_| node.received("lsm", "broadcast").len() >= expected);
        for sender in senders {
            let got = node.received("lsm", "broadcast").into_iter().filter(|(from, _)| from == sender);
            assert_eq!(got.map(|(_, text)| text).collect::<Vec<_>>(), all, "{sender} at {}", node.id);
        }
    }
}

#[test]
fn a_leaver_is_seen_to_leave_and_takes_its_memory_with_it() {
    let segment = Segment::new();
    let first = Node::join(&segment, 1);
    let mut second = Node::join(&segment, 2);
    first.await_members(&[1, 2]);
    second.say("leave");
    first.await_line("see it leave", |line| line.ends_with(" 2/1 Left"));
    second.await_line("have left", |line| line == "left");
    assert!(!segment.arena(2).exists());
    assert!(!first.lines().iter().any(|line| line.contains(" 2/1 Failed")));
    let again = Node::join(&segment, 2);
    again.await_members(&[1, 2]);
    first.await_members(&[1, 2]);
    assert_eq!(first.incarnation_of(2), 2);
}

#[test]
fn facts_reach_the_peers() {
    let segment = Segment::new();
    let first = Node::join(&segment, 1);
    let mut second = Node::join(&segment, 2);
    first.await_members(&[1, 2]);
    second.say("accept");
    first.await_line("see the facts", |line| line.ends_with(" 2/1 FactsChanged"));
}

#[test]
fn a_stopped_node_is_closed_and_comes_back_as_its_next_incarnation_by_itself() {
    let segment = Segment::new();
    let first = Node::join_with(&segment, 1, "fast");
    let mut second = Node::join_with(&segment, 2, "fast");
    first.await_members(&[1, 2]);
    second.await_members(&[1, 2]);
    let before = first.incarnation_of(2);
    second.signal(Signal::STOP);
    first.await_line("close it", |line| {
        line.contains(&format!(" 2/{before} Failed {{ reason: HeartbeatLost }}"))
    });
    second.signal(Signal::CONT);
    second.await_line("see itself closed", |line| line.contains("SelfClosed"));
    first.await_members(&[1, 2]);
    second.await_members(&[1, 2]);
    assert!(first.incarnation_of(2) > before);
    second.say("send lsm 1 again");
    first.await_line("receive", |line| line == "rx lsm unicast 2 again");
}

#[test]
fn simultaneous_joiners_all_meet() {
    let segment = Segment::new();
    let nodes: Vec<Node> = (1..=5).map(|id| Node::start(&segment, id, "")).collect();
    for node in &nodes {
        node.await_members(&[1, 2, 3, 4, 5]);
    }
    assert_eq!(nodes[0].incarnation_of(5), 1);
}
