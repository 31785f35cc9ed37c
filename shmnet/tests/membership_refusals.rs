//! Joins that are refused, each with both values and the remedy; and takeover.

#![cfg(not(loom))]

mod common;

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::process::Command;

use common::{Node, Segment};
use rustix::process::Signal;

/// Not a test: the body of each node's process.
#[test]
#[ignore = "started by the other tests"]
fn child() {
    common::child();
}

fn refusal(node: &Node) -> String {
    node.await_line("be refused", |line| line.starts_with("refused"))
}

#[test]
fn a_second_node_with_the_same_id_is_refused_with_the_holder_named() {
    let segment = Segment::new();
    let holder = Node::join(&segment, 1);
    let line = refusal(&Node::start(&segment, 1, ""));
    assert!(line.contains(&format!("process {}", holder.pid())), "{line}");
    assert!(line.contains("incarnation 1") && line.contains("takeover"), "{line}");
    holder.await_members(&[1]);
}

#[test]
fn takeover_replaces_a_stopped_holder_which_then_stays_out() {
    let segment = Segment::new();
    let witness = Node::join_with(&segment, 2, "fast");
    let holder = Node::join_with(&segment, 1, "fast");
    witness.await_members(&[1, 2]);
    let before = witness.incarnation_of(1);
    holder.signal(Signal::STOP);
    let new = Node::join_with(&segment, 1, "fast takeover");
    witness.await_line("meet the new one", |line| {
        line.starts_with("table") && !line.contains(&format!("1/{before}")) && line.contains("1/")
    });
    let mark = holder.mark();
    holder.signal(Signal::CONT);
    let line = holder.await_line_after(mark, "stay out", |line| line.contains("RejoinFailed"));
    assert!(line.contains("has taken node id 1"), "{line}");
    new.await_members(&[1, 2]);
    witness.await_members(&[1, 2]);
}

#[test]
fn a_peer_with_another_layout_is_refused() {
    let segment = Segment::new();
    let first = Node::join(&segment, 1);
    let arena = OpenOptions::new().write(true).open(segment.arena(1)).unwrap();
    arena.write_all_at(&77_u32.to_le_bytes(), 8).unwrap();
    let line = refusal(&Node::start(&segment, 2, ""));
    assert!(
        line.contains("layout 77") && line.contains(&format!("uses {}", isthmus_shmnet::ABI_VERSION)),
        "{line}"
    );
    arena.write_all_at(&isthmus_shmnet::ABI_VERSION.to_le_bytes(), 8).unwrap();
    let second = Node::join(&segment, 2);
    second.await_members(&[1, 2]);
    first.await_members(&[1, 2]);
}

#[test]
fn other_parameters_and_another_geometry_are_refused_with_both_values() {
    let segment = Segment::new();
    let first = Node::join(&segment, 1);
    let line = refusal(&Node::start(&segment, 2, "cost=5"));
    assert!(line.contains("node 1 has cost 2 on the lsm, this node has 5"), "{line}");
    let line = refusal(&Node::start(&segment, 2, "slots=32"));
    assert!(line.contains("node 1 has LSM ring slots 64, this node has 32"), "{line}");
    let line = refusal(&Node::start(&segment, 2, "gsm=64x4096"));
    assert!(line.contains("node 1 has GSM ring buffer bytes 2048, this node has 4096"), "{line}");
    let line = refusal(&Node::start(&segment, 2, "gsm=65536x65408"));
    assert!(line.contains("at most 64 MiB"), "{line}");
    first.await_members(&[1]);
}

#[test]
fn parameters_that_change_bind_those_who_join_and_not_those_who_are_there() {
    let segment = Segment::new();
    let (mut first, mut second) = (Node::join(&segment, 1), Node::join(&segment, 2));
    first.await_members(&[1, 2]);
    first.say("cost 5");
    second.say("cost 5");
    let cost_of = |id: u16| {
        let mut cost = [0; 2];
        File::open(segment.arena(id)).unwrap().read_exact_at(&mut cost, 266).unwrap();
        u16::from_le_bytes(cost)
    };
    while [cost_of(1), cost_of(2)] != [5, 5] {
        std::thread::yield_now();
    }
    let line = refusal(&Node::start(&segment, 3, ""));
    assert!(line.contains("has cost 5 on the lsm, this node has 2"), "{line}");
    let third = Node::join_with(&segment, 3, "cost=5");
    for node in [&first, &second, &third] {
        node.await_members(&[1, 2, 3]);
    }
}

#[test]
fn what_a_dead_node_required_binds_nobody() {
    let segment = Segment::new();
    Node::join_with(&segment, 1, "cost=5").kill();
    let second = Node::join(&segment, 2);
    second.await_members(&[2]);
    assert!(!segment.arena(1).exists(), "the arena of the dead node was to be swept");
}

#[test]
fn too_little_room_is_refused_with_needed_and_free_bytes() {
    let segment = Segment::new();
    let line = refusal(&Node::start(&segment, 1, "budget=4096"));
    assert!(line.contains("budget of 4096 bytes is less than the"), "{line}");

    // A small tmpfs of its own, in a mount namespace that ends with the node.
    let script = format!(
        "mount -t tmpfs -o size=256k none {0} && exec {1} --exact child --nocapture --ignored --test-threads=1",
        segment.path().display(),
        std::env::current_exe().unwrap().display()
    );
    let mut command = Command::new("unshare");
    command.args(["-Urm", "sh", "-c", &script]);
    let line = refusal(&Node::start_under(&mut command, segment.path(), 1, ""));
    assert!(line.contains("262144 bytes free and the arena needs"), "{line}");
}
