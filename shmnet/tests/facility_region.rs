//! Regions: one stretch of memory for all nodes, with and without the help of a common kernel. Each node is a process.

#![cfg(not(loom))]
#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

mod common;

use std::io::{Seek, SeekFrom, Write};
use std::time::Duration;

use common::{Node, Segment};
use rustix::process::Signal;

/// Not a test: the body of each node's process.
#[test]
#[ignore = "started by the other tests"]
fn child() {
    common::child();
}

/// Three nodes of a region of 8 meet, talk, lose one, and meet it again.
fn meet_part_and_meet_again(options: &str, death: &[&str]) {
    let segment = Segment::new();
    // What was there before means nothing, whatever it is.
    let file = segment.path().join("region");
    let mut garbage = std::fs::File::create(&file).unwrap();
    for arena in 0..8 {
        garbage.seek(SeekFrom::Start(arena * (8 << 20))).unwrap();
        garbage.write_all(&[0xa5; 1 << 20]).unwrap();
    }
    garbage.set_len(64 << 20).unwrap();

    let mut first = Node::join_with(&segment, 1, options);
    let second = Node::join_with(&segment, 2, options);
    let mut third = Node::join_with(&segment, 3, options);
    for node in [&first, &second, &third] {
        node.await_members(&[1, 2, 3]);
    }
    first.say("send lsm 3 unicast");
    third.await_line("receive", |line| line == "rx lsm unicast 1 unicast");
    third.say("broadcast gsm 0 10");
    for node in [&first, &second] {
        node.await_lines("receive", |_| node.received("gsm", "broadcast").len() == 10);
    }
    first.say("flood lsm 3 2000");
    third.await_lines("receive all", |_| third.received("lsm", "unicast").len() == 2001);

    second.kill();
    for node in [&first, &third] {
        let line = node.await_line("see the death", |line| line.contains(" 2/1 Failed"));
        assert!(death.iter().any(|how| line.contains(how)), "{line}");
        node.await_members(&[1, 3]);
    }
    // One that was not there when the node died has to close its last incarnation all the same.
    let fourth = Node::join_with(&segment, 4, options);
    fourth.await_members(&[1, 3, 4]);
    let mut again = Node::join_with(&segment, 2, options);
    for node in [&first, &again, &third, &fourth] {
        node.await_members(&[1, 2, 3, 4]);
    }
    assert_eq!(first.incarnation_of(2), 2);
    again.say("send gsm 4 back");
    fourth.await_line("receive", |line| line == "rx gsm unicast 2 back");

    // Leaving is seen as such, and the next incarnation need not wait for a failure.
    again.say("leave");
    first.await_line("see it leave", |line| line.ends_with(" 2/2 Left"));
    drop(again);
    let last = Node::join_with(&segment, 2, options);
    last.await_members(&[1, 2, 3, 4]);
    assert_eq!(first.incarnation_of(2), 3);
}

#[test]
fn a_file_for_all_on_one_kernel_has_doorbells_and_sees_deaths_at_once() {
    meet_part_and_meet_again("one-kernel=67108864 max-nodes=8 patient", &["ProcessDeath", "HungUp"]);
}

#[test]
fn a_file_for_all_works_by_memory_alone() {
    meet_part_and_meet_again("other-kernels=67108864 max-nodes=8 patient", &["HeartbeatLost"]);
}

#[test]
fn a_dax_file_works_by_memory_alone_and_flushes() {
    meet_part_and_meet_again("dax=67108864 max-nodes=8 flush patient", &["HeartbeatLost"]);
}

/// Input: two nodes without traffic that share nothing but memory. Expected: nothing, for the machine decides; printed is what each of
/// the first one's threads takes of a core, and how often it wakes.
#[test]
#[ignore = "a measurement"]
fn what_a_node_without_traffic_takes_is_printed() {
    let segment = Segment::new();
    let nodes = [1, 2].map(|id| Node::join_with(&segment, id, "other-kernels=67108864 max-nodes=64"));
    for node in &nodes {
        node.await_members(&[1, 2]);
    }
    common::print_idle("a region by memory alone", &nodes[0], Duration::from_secs(3));
}

#[test]
fn an_id_in_use_is_refused_with_its_holders_name_and_can_be_taken_over() {
    let segment = Segment::new();
    for kind in ["one-kernel=67108864", "other-kernels"] {
        let options = format!("{kind} max-nodes=8 patient");
        let first = Node::join_with(&segment, 1, &options);
        let holder = Node::join_with(&segment, 2, &options);
        first.await_members(&[1, 2]);
        let refused = Node::start(&segment, 2, &options);
        let line = refused.await_line("be refused", |line| line.starts_with("refused"));
        assert!(line.contains("node id 2 is in use") && line.contains(&format!("process {}", holder.pid())));
        assert!(line.contains("takeover"), "{line}");
        let before = first.incarnation_of(2);

        let other = Node::join_with(&segment, 2, &format!("{options} takeover"));
        holder.await_line("find that it is replaced", |line| {
            line.contains("RejoinFailed") && line.contains("another process has taken node id 2")
        });
        first.await_members(&[1, 2]);
        other.await_members(&[1, 2]);
        assert!(first.incarnation_of(2) > before);
        // The end of the former holder is no matter to anybody.
        holder.kill();
        let mark = first.mark();
        first.await_members(&[1, 2]);
        assert_eq!(first.mark(), mark);
    }
}

/// A process that was stopped for so long that another one has its id finds that out before it writes anything.
#[test]
fn a_former_owner_that_wakes_up_writes_nothing_any_more() {
    let segment = Segment::new();
    let options = "other-kernels=67108864 max-nodes=8 patient";
    let mut first = Node::join_with(&segment, 1, options);
    let mut former = Node::join_with(&segment, 2, options);
    first.await_members(&[1, 2]);
    former.await_members(&[1, 2]);
    former.signal(Signal::STOP);
    first.await_line("close it", |line| line.contains(" 2/1 Failed { reason: HeartbeatLost }"));
    let mut next = Node::join_with(&segment, 2, options);
    first.await_members(&[1, 2]);
    assert_eq!(first.incarnation_of(2), 2);
    let mark = first.mark();
    former.say("send lsm 1 from-the-dead");
    former.say("broadcast lsm 0 5");
    former.signal(Signal::CONT);
    former
        .await_line("find that it is replaced", |line| line.contains("another process has taken node id 2"));
    former.await_line("send nothing", |line| line == "sent broadcast");
    for number in 0..20 {
        next.say(&format!("send lsm 1 n{number}"));
        first.await_line_after(mark, "receive", |line| line == format!("rx lsm unicast 2 n{number}"));
        first.say(&format!("send gsm 2 m{number}"));
        next.await_line("receive", |line| line == format!("rx gsm unicast 1 m{number}"));
    }
    let lines = first.lines();
    assert!(!lines.iter().any(|line| line.contains("from-the-dead") || line.starts_with("rx lsm broadcast")));
    assert!(!lines[mark..].iter().any(|line| line.contains("Failed")), "{:?}", &lines[mark..]);
}

#[test]
fn a_region_that_is_divided_otherwise_is_refused_and_not_written_to() {
    let segment = Segment::new();
    let _first = Node::join_with(&segment, 3, "other-kernels=67108864 max-nodes=8 patient");
    let other = Node::start(&segment, 2, "other-kernels max-nodes=4 patient");
    let line = other.await_line("be refused", |line| line.starts_with("refused"));
    assert!(line.contains("node 3 has max-nodes 8, this node has 4"), "{line}");
    let other = Node::start(&segment, 2, "other-kernels max-nodes=64 patient");
    let line = other.await_line("be refused", |line| line.starts_with("refused"));
    assert!(line.contains("max-nodes"), "{line}");
}

#[test]
fn a_region_that_is_too_small_or_of_another_size_is_refused_with_both_numbers() {
    let segment = Segment::new();
    let small = Node::start(&segment, 2, "one-kernel=1048576 max-nodes=8");
    let line = small.await_line("be refused", |line| line.starts_with("refused"));
    assert!(line.contains("131072 bytes") && line.contains("max-nodes"), "{line}");
    let other = Node::start(&segment, 2, "one-kernel=2097152 max-nodes=8");
    let line = other.await_line("be refused", |line| line.starts_with("refused"));
    assert!(line.contains("1048576") && line.contains("2097152"), "{line}");
}

#[test]
fn many_join_a_region_at_once() {
    let segment = Segment::new();
    let nodes: Vec<Node> =
        (1..=5).map(|id| Node::start(&segment, id, "other-kernels=67108864 max-nodes=8 patient")).collect();
    for node in &nodes {
        node.await_members(&[1, 2, 3, 4, 5]);
    }
}
