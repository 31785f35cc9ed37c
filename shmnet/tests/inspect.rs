//! Reading a segment without being in it, while its nodes live and when they are dead; and clearing it.

#![cfg(not(loom))]
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests, whose way to fail it is")]

mod common;

use std::path::Path;

use common::{Node, Segment};
use isthmus_shmnet::format::{FormatError, Formatted, format};
use isthmus_shmnet::inspect::{InspectError, InspectedArena, Inspection, Value, inspect};

/// Not a test: the body of each node's process.
#[test]
#[ignore = "started by the other tests"]
fn child() {
    common::child();
}

/// What a field of an arena says.
fn value(inspection: &Inspection, node: u16, section: &str, field: &str) -> Value {
    let arena = arena(inspection, node);
    let found = arena.sections.iter().find(|found| found.name == section);
    let found = found.unwrap_or_else(|| panic!("no section {section} in {arena:?}"));
    let field = found.fields.iter().find(|found| found.name == field);
    field.unwrap_or_else(|| panic!("no such field in {found:?}")).value.clone()
}

fn arena(inspection: &Inspection, node: u16) -> &InspectedArena {
    inspection.arenas.iter().find(|arena| arena.node == node).unwrap()
}

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

fn inspected(path: &Path) -> Inspection {
    let inspection = inspect(path).unwrap();
    for arena in &inspection.arenas {
        assert_eq!(arena.problems, Vec::<String>::new(), "{}", arena.place);
    }
    inspection
}

/// Sends frames one after the other: the pointers are published when a burst ends.
fn exchange(from: &mut Node, to: &Node, count: usize) {
    for number in 0..count {
        let frame = format!("frame-{number}");
        from.say(&format!("send lsm {} {frame}", to.id));
        to.await_line("receive", |line| line == format!("rx lsm unicast {} {frame}", from.id));
    }
}

#[test]
fn what_nodes_write_is_read_without_joining() {
    let segment = Segment::new();
    let mut nodes = [1, 2].map(|id| Node::join(&segment, id));
    for node in &nodes {
        node.await_members(&[1, 2]);
    }
    let [one, two] = &mut nodes;
    exchange(one, two, 5);
    one.say("accept");
    let read = || inspected(segment.path());
    common::await_that("the facts are published", || {
        value(&read(), 1, "facts", "flags") == text("accepting")
    });
    common::await_that("the reader publishes how far it is, once it has found nothing more", || {
        let position = value(&read(), 2, "read pointers", "lsm from node 1");
        matches!(position, Value::Text(position) if position.starts_with("position 5,"))
    });
    let inspection = read();
    assert_eq!(inspection.kind, "directory");
    assert_eq!(inspection.arenas.iter().map(|arena| arena.node).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(value(&inspection, 1, "state", "state"), text("active"));
    assert_eq!(value(&inspection, 1, "liveness", "meaning"), text("held"));
    assert_eq!(value(&inspection, 2, "identity", "incarnation"), Value::Number(1));
    assert_eq!(value(&inspection, 1, "facts", "weight"), Value::Number(7));
    assert_eq!(value(&inspection, 1, "ring lsm to node 2", "slots"), Value::Number(64));
    assert_eq!(value(&inspection, 1, "ring lsm to node 2", "write pointer"), Value::Number(5));
    // One of the two owns the groups, and the other follows it.
    assert_eq!(
        value(&inspection, 1, "lsm broadcast", "claim followed"),
        value(&inspection, 2, "lsm broadcast", "claim followed")
    );
    assert!(arena(&read(), 1).heartbeats() > Some(0));
}

#[test]
fn a_copy_of_a_dead_nodes_arena_tells_how_it_ended() {
    let segment = Segment::new();
    let mut one = Node::join(&segment, 1);
    let two = Node::join(&segment, 2);
    one.await_members(&[1, 2]);
    exchange(&mut one, &two, 3);
    one.kill();
    two.await_line("see it die", |line| line.contains("Failed"));
    let copy = segment.path().join("copy");
    std::fs::copy(segment.arena(1), &copy).unwrap();
    let inspection = inspected(&copy);
    assert_eq!(inspection.kind, "arena");
    assert_eq!(value(&inspection, 1, "liveness", "meaning"), text("its holder died"));
    assert_eq!(value(&inspection, 1, "ring lsm to node 2", "write pointer"), Value::Number(3));
    // What its peer remembers of it.
    let inspection = inspected(segment.path());
    assert_eq!(value(&inspection, 2, "closed", "node 1, incarnation"), Value::Number(1));
}

#[test]
fn what_is_no_arena_or_a_damaged_one_is_named() {
    let segment = Segment::new();
    assert!(matches!(inspect(segment.path()), Err(InspectError::NoArena(_))));
    assert!(matches!(inspect(&segment.path().join("none")), Err(InspectError::Unreadable { .. })));
    let file = segment.path().join("file");
    std::fs::write(&file, [7; 8192]).unwrap();
    assert!(matches!(inspect(&file), Err(InspectError::NoArena(_))));
    let node = Node::join(&segment, 1);
    drop(node);
    let whole = std::fs::read(segment.arena(1)).unwrap();
    let problems = |bytes: &[u8]| {
        std::fs::write(segment.arena(1), bytes).unwrap();
        inspect(segment.path()).unwrap().arenas[0].problems.join("; ")
    };
    let changed = |offset: usize, byte: u8| {
        let mut bytes = whole[..1 << 20].to_vec();
        bytes[offset] = byte;
        bytes
    };
    assert_eq!(problems(&whole[..1 << 20]), "");
    assert!(problems(&changed(8, 99)).contains("layout version 99"));
    assert!(problems(&changed(130, 1)).contains("contradicts itself"));
    assert!(problems(&changed(0, b'J')).contains("no arena"));
    assert!(problems(&[0; 8192]).contains("empty"));
    assert!(problems(&whole[..8192]).contains("shorter than its tables"));
    // Every byte of the fixed part, one after the other: whatever it says, reading ends.
    for offset in (0..0x2c00).step_by(7) {
        problems(&changed(offset, 0xff));
    }
}

#[test]
fn a_directory_is_cleared_when_nobody_lives_in_it() {
    let segment = Segment::new();
    let new = segment.path().join("new");
    assert_eq!(format(&new, None, false).unwrap(), Formatted::Directory { removed: 0 });
    let node = Node::join(&segment, 7);
    let refused = format(segment.path(), None, false);
    assert!(matches!(refused, Err(FormatError::InUse { node: 7, .. })), "{refused:?}");
    node.kill();
    assert_eq!(format(segment.path(), None, false).unwrap(), Formatted::Directory { removed: 1 });
    assert!(matches!(inspect(segment.path()), Err(InspectError::NoArena(_))));
    // Incarnations go on rising.
    let node = Node::join(&segment, 7);
    node.await_line("be the next incarnation", |line| line == "table 7/2+");
}

#[test]
fn one_file_for_all_is_made_and_cleared() {
    let segment = Segment::new();
    let file = segment.path().join("file");
    assert_eq!(format(&file, Some(5000), false).unwrap(), Formatted::Region { bytes: 8192 });
    assert_eq!(std::fs::read(&file).unwrap(), [0; 8192]);
    std::fs::write(&file, [1; 8192]).unwrap();
    let refused = format(&file, None, false);
    assert!(matches!(refused, Err(FormatError::NoSegment { .. })), "{refused:?}");
    assert_eq!(format(&file, None, true).unwrap(), Formatted::Region { bytes: 8192 });
    assert_eq!(std::fs::read(&file).unwrap(), [0; 8192]);
    let refused = format(Path::new("/dev/null"), None, false);
    assert!(refused.is_err(), "{refused:?}");
}
