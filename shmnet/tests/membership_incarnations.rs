//! The lives of a node id, on each kind of memory that nodes of one kernel share: who is the node, who is it next, and that
//! nobody takes what one life has sent or was sent for another's. Each node is a process. Regions have tests of their own.

#![cfg(not(loom))]
#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

mod common;

use std::os::fd::{AsRawFd, OwnedFd};

use common::{Node, Segment};
use rustix::fs::{MemfdFlags, memfd_create};
use rustix::process::Signal;

/// Not a test: the body of each node's process.
#[test]
#[ignore = "started by the other tests"]
fn child() {
    common::child();
}

/// Where three nodes meet.
struct Place {
    segment: Segment,
    options: String,
    /// Passed to every process.
    _files: Vec<OwnedFd>,
}

impl Place {
    /// One file for each node, which each of its lives replaces by a new one.
    fn directory() -> Self {
        Self { segment: Segment::new(), options: "patient".into(), _files: Vec::new() }
    }

    /// Sealed memory, new for each life.
    fn sealed() -> Self {
        Self { segment: Segment::new(), options: "patient memfd".into(), _files: Vec::new() }
    }

    /// Files without a name that serve all lives.
    fn inherited() -> Self {
        let segment = Segment::new();
        let file = |_| memfd_create("isthmus-test", MemfdFlags::empty()).unwrap();
        let files: Vec<OwnedFd> = (0..3).map(file).collect();
        let name = segment.path().file_name().unwrap().to_string_lossy().into_owned();
        let numbers: Vec<String> = files.iter().map(|file| file.as_raw_fd().to_string()).collect();
        let options = format!("patient inherited={name}:{}", numbers.join(":"));
        Self { segment, options, _files: files }
    }

    fn join(&self, id: u16) -> Node {
        Node::join_with(&self.segment, id, &self.options)
    }

    /// Three nodes that have met.
    fn three(&self) -> [Node; 3] {
        let nodes = [1, 2, 3].map(|id| self.join(id));
        nodes.iter().for_each(|node| node.await_members(&[1, 2, 3]));
        nodes
    }
}

/// Waits until a node's table has all three, with node 2 in this incarnation.
fn await_life(node: &Node, incarnation: u64) {
    let word = format!(" 2/{incarnation}+");
    node.await_lines(&format!("see 2/{incarnation}"), |lines| {
        let last = lines.iter().rev().find(|line| line.starts_with("table"));
        last.is_some_and(|last| last.contains(&word) && last.matches('+').count() == 3)
    });
}

/// Frames in both directions on both networks, and to the group.
fn exchange(first: &mut Node, second: &mut Node, text: &str) {
    for (from, to) in [(0, 1), (1, 0)] {
        let ends = [&mut *first, &mut *second];
        let ids = ends.each_ref().map(|end| end.id);
        for network in ["lsm", "gsm"] {
            ends[from].say(&format!("send {network} {} {text}", ids[to]));
            let wanted = format!("rx {network} unicast {} {text}", ids[from]);
            ends[to].await_line("receive", |line| line == wanted);
        }
    }
    let number = text.len();
    second.say(&format!("broadcast lsm {number} 1"));
    let wanted = format!("rx lsm broadcast {} n{number}", second.id);
    first.await_line("receive", |line| line == wanted);
}

fn a_stopped_node_is_failed_and_comes_back_by_itself(place: &Place) {
    let [mut first, mut second, mut third] = place.three();
    second.signal(Signal::STOP);
    for node in [&first, &third] {
        node.await_line("fail it", |line| line.contains(" 2/1 Failed { reason: HeartbeatLost }"));
        node.await_members(&[1, 3]);
    }
    exchange(&mut first, &mut third, "meanwhile");
    first.say("send lsm 2 to-the-stopped");
    first.await_line("refuse", |line| line == "sent Err(NoSuchNode)");

    second.signal(Signal::CONT);
    second.await_line("find itself closed", |line| line.contains("SelfClosed"));
    second.await_line("come back", |line| line.contains("Rejoined"));
    // On a busy machine it may have had to come back more than once.
    second.await_members(&[1, 2, 3]);
    let incarnation = second.incarnation_of(2);
    assert!(incarnation > 1);
    for node in [&first, &third] {
        await_life(node, incarnation);
    }
    exchange(&mut first, &mut second, "again");
    exchange(&mut second, &mut third, "once-more");
    assert!(second.lines().iter().all(|line| !line.ends_with("to-the-stopped")));
}

#[test]
fn a_node_that_was_stopped_comes_back_in_a_directory() {
    a_stopped_node_is_failed_and_comes_back_by_itself(&Place::directory());
}

#[test]
fn a_node_that_was_stopped_comes_back_in_sealed_memory() {
    a_stopped_node_is_failed_and_comes_back_by_itself(&Place::sealed());
}

#[test]
fn a_node_that_was_stopped_comes_back_in_inherited_memory() {
    a_stopped_node_is_failed_and_comes_back_by_itself(&Place::inherited());
}

/// The id goes from one process to the next, by a leave and by a kill in turn; each is a new incarnation, and gets nothing that
/// was sent to the one before.
fn an_id_is_used_again(place: &Place) {
    let [mut first, mut second, third] = place.three();
    for incarnation in 1..=4 {
        exchange(&mut first, &mut second, &format!("to-life-{incarnation}"));
        let kills = incarnation % 2 == 0;
        if kills {
            // It has no time to take these out of its ring.
            second.signal(Signal::STOP);
            for network in ["lsm", "gsm"] {
                first.say(&format!("send {network} 2 unread-{incarnation}"));
            }
            let sent = format!("rx lsm unicast 1 sent-{incarnation}");
            first.say(&format!("send lsm 3 sent-{incarnation}"));
            third.await_line("receive", |line| line == sent);
            second.kill();
        } else {
            second.say("leave");
            second.await_line("have left", |line| line == "left");
            drop(second);
        }
        let end = format!(" 2/{incarnation} {}", if kills { "Failed" } else { "Left" });
        for node in [&first, &third] {
            node.await_line("see its end", |line| line.contains(&end));
        }
        second = place.join(2);
        for node in [&first, &second, &third] {
            await_life(node, incarnation + 1);
        }
        assert!(second.lines().iter().all(|line| !line.starts_with("rx ")), "{:?}", second.lines());
    }
}

#[test]
fn an_id_is_used_again_in_a_directory() {
    an_id_is_used_again(&Place::directory());
}

#[test]
fn an_id_is_used_again_in_sealed_memory() {
    an_id_is_used_again(&Place::sealed());
}

#[test]
fn an_id_is_used_again_in_inherited_memory() {
    an_id_is_used_again(&Place::inherited());
}

/// While its holder is stopped another process becomes the node; what the holder sends when it wakes up reaches nobody, and
/// what was sent to it does not reach its successor.
fn a_stopped_holder_is_taken_over(place: &Place) {
    let [mut first, mut former, third] = place.three();
    former.signal(Signal::STOP);
    first.say("send lsm 2 to-the-former");
    let takeover = format!("{} takeover", place.options);
    let mut next = Node::join_with(&place.segment, 2, &takeover);
    for node in [&first, &next, &third] {
        await_life(node, 2);
    }
    let mark = first.mark();
    former.say("send lsm 1 from-the-dead");
    former.say("send gsm 1 from-the-dead");
    former.say("broadcast lsm 900 5");
    former.signal(Signal::CONT);
    former.await_line("stay out", |line| line.contains("another process has taken node id 2"));
    former.await_line("send nothing", |line| line == "sent broadcast");
    for number in 0..20 {
        exchange(&mut first, &mut next, &format!("{number}-{}", "x".repeat(number)));
    }
    // Its end is no matter to anybody.
    former.kill();
    exchange(&mut first, &mut next, "after-the-end-of-the-former");
    for node in [&first, &third] {
        let ghosts = |line: &String| line.contains("from-the-dead") || line.contains(" n90");
        assert!(!node.lines().iter().any(ghosts), "{:?}", node.lines());
    }
    assert!(!first.lines()[mark..].iter().any(|line| line.contains("Failed")), "{:?}", first.lines());
    assert!(!next.lines().iter().any(|line| line.ends_with("to-the-former")), "{:?}", next.lines());
}

#[test]
fn a_stopped_holder_is_taken_over_in_a_directory() {
    a_stopped_holder_is_taken_over(&Place::directory());
}

#[test]
fn a_stopped_holder_is_taken_over_in_sealed_memory() {
    a_stopped_holder_is_taken_over(&Place::sealed());
}

#[test]
fn a_second_process_with_an_id_is_refused_with_the_first_ones_name() {
    for place in [Place::directory(), Place::sealed(), Place::inherited()] {
        let [first, second, _third] = place.three();
        let refused = Node::start(&place.segment, 2, &place.options);
        let line = refused.await_line("be refused", |line| line.starts_with("refused"));
        let holder = format!("node id 2 is in use by process {} on ", second.pid());
        assert!(line.contains(&holder) && line.contains("(incarnation 1)"), "{line}");
        assert!(line.contains("choose another node id"), "{line}");
        first.await_members(&[1, 2, 3]);
        assert_eq!(first.incarnation_of(2), 1);
    }
}

/// The memory of an id is one file for good: as long as its holder could wake up and write there, nobody else may.
#[test]
fn inherited_memory_cannot_be_taken_over_while_its_holder_lives() {
    let place = Place::inherited();
    let [first, second, third] = place.three();
    second.signal(Signal::STOP);
    let takeover = format!("{} takeover", place.options);
    let refused = Node::start(&place.segment, 2, &takeover);
    let line = refused.await_line("be refused", |line| line.starts_with("refused"));
    assert!(line.contains(&format!("held by process {} and cannot be taken over", second.pid())), "{line}");
    second.kill();
    let next = Node::join_with(&place.segment, 2, &takeover);
    for node in [&first, &next, &third] {
        await_life(node, 2);
    }
}
