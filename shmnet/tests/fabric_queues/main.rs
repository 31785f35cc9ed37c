//! Several queues for each pair of nodes: every node has a thread for each, which sends, receives and sleeps by itself.

#![cfg(not(loom))]
#![allow(unreachable_pub, reason = "a program of several files")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "what fails here fails the test")]

#[path = "../common/mod.rs"]
mod common;
mod worker;

use std::time::{Duration, Instant};

use common::{Node, Segment};
use isthmus_shmnet::inspect::{Value, inspect};
use isthmus_shmnet::{
    BackOff, Backing, Destination, Endpoint, Fabric, FabricConfig, Metadata, Network, Region,
};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// Not a test: the body of each node's process.
#[test]
#[ignore = "started by the other tests"]
fn child() {
    worker::child();
}

const QUEUES: [u8; 2] = [0, 1];

/// Asks for the tally of a queue until it has `count` frames of a network from a node.
fn await_tally(node: &mut Node, queue: u8, network: &str, from: u16, count: u32) {
    let wanted = format!("{network}/{from}={count}");
    let give_up = Instant::now() + Duration::from_secs(60);
    loop {
        let mark = node.mark();
        node.say("tally");
        let line = node.await_line_after(mark, "tell", |line| line.starts_with(&format!("tally {queue}")));
        if line.split(' ').any(|word| word == wanted) {
            return;
        }
        assert!(Instant::now() < give_up, "node {} by queue {queue}: {wanted} was due, {line}", node.id);
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Nothing came by another queue than it was sent by, out of order, or damaged.
fn assert_orderly(nodes: &[Node]) {
    for node in nodes {
        let wrong = ["stray", "disorder", "nonsense", "not sent"];
        let lines = node.lines();
        let found = lines.iter().find(|line| wrong.iter().any(|word| line.starts_with(word)));
        assert_eq!(found, None, "node {}", node.id);
    }
}

fn stream(from: &mut Node, network: &str, queue: u8, to: u16, count: u32) {
    from.say(&format!("stream {network} {queue} {to} {count}"));
}

fn all_pairs(options: &str) {
    let segment = Segment::new();
    let ids = [1, 2, 3];
    let mut nodes = ids.map(|id| Node::join_with(&segment, id, &format!("queues=2 {options}")));
    for node in &nodes {
        node.await_members(&ids);
    }
    // More than the first rings hold, so that some grow on the way; and then single frames to those that have fallen asleep.
    for (count, sum) in [(400, 400), (1, 401), (1, 402)] {
        for node in &mut nodes {
            let id = node.id;
            for other in ids.into_iter().filter(|other| *other != id) {
                for network in ["lsm", "gsm"] {
                    QUEUES.into_iter().for_each(|queue| stream(node, network, queue, other, count));
                }
            }
        }
        for node in &mut nodes {
            let id = node.id;
            for other in ids.into_iter().filter(|other| *other != id) {
                for network in ["lsm", "gsm"] {
                    QUEUES.into_iter().for_each(|queue| await_tally(node, queue, network, other, sum));
                }
            }
        }
    }
    assert_orderly(&nodes);
}

#[test]
fn every_pair_exchanges_frames_by_every_queue() {
    all_pairs("");
}

/// Without sockets a queue is woken by its word of an activity line.
#[test]
fn queues_are_woken_where_nothing_is_shared_but_memory() {
    all_pairs("other-kernels=134217728 max-nodes=4");
}

#[test]
fn queues_of_memory_that_is_not_coherent_have_their_own_bursts() {
    all_pairs("flush");
}

/// Two nodes of this process, whose second has gone to sleep with both queues; then a frame for its second queue.
fn a_frame_for_a_sleeper(
    adapt: impl Fn(&Segment, &mut FabricConfig),
) -> (Segment, [Fabric; 2], [Endpoint; 2]) {
    let segment = Segment::new();
    let fabrics = [1, 2].map(|id| {
        let mut config = common::config(segment.path(), id);
        config.queues = 2;
        adapt(&segment, &mut config);
        Fabric::join(config).unwrap()
    });
    let mut sender = fabrics[0].queue(Network::Gsm, 1).unwrap();
    let mut sleepers = [0, 1].map(|queue| fabrics[1].queue(Network::Gsm, queue).unwrap());
    let mut buffer = [0; 64];
    let send = |sender: &mut Endpoint| {
        let sent = sender.transmit(Destination::Node(common::node(2)), b"wake", Metadata::default());
        sender.flush();
        sent.is_ok()
    };
    // A first one goes through awake, so that all that there is to take over is taken, bells included.
    common::await_that("the nodes are connected", || {
        send(&mut sender);
        sleepers.iter_mut().any(|sleeper| sleeper.receive(&mut buffer).is_some())
    });
    common::await_that("the bells are there, and everything is quiet", || {
        let bells = fabrics
            .iter()
            .all(|fabric| fabric.snapshot().nodes.iter().all(|node| node.is_self || node.doorbell.is_some()));
        sender.flush();
        let quiet = sleepers.iter_mut().all(|sleeper| {
            while sleeper.receive(&mut buffer).is_some() {}
            sleeper.wake();
            sleeper.prepare_sleep() && !rings(sleeper)
        });
        bells && quiet
    });
    assert!(send(&mut sender));
    (segment, fabrics, sleepers)
}

/// Whether the doorbell of an endpoint rings.
fn rings(endpoint: &Endpoint) -> bool {
    let mut fds = [PollFd::from_borrowed_fd(endpoint.doorbell(), PollFlags::IN)];
    poll(&mut fds, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })).unwrap() == 1
}

/// The first queue's thread wakes for a reason of its own, and silences its bell: the second's goes on ringing.
fn only_its_own_bell(adapt: impl Fn(&Segment, &mut FabricConfig)) {
    let (_segment, _fabrics, mut sleepers) = a_frame_for_a_sleeper(adapt);
    common::await_that("the second queue is woken", || rings(&sleepers[1]));
    assert!(!rings(&sleepers[0]), "nothing came for the first queue");
    sleepers[0].wake();
    assert!(rings(&sleepers[1]));
    assert_eq!(sleepers[1].receive(&mut [0; 64]).unwrap().len, 4);
}

#[test]
fn a_thread_that_wakes_does_not_silence_another_queue() {
    only_its_own_bell(|_, _| {});
}

#[test]
fn a_queue_has_its_own_word_of_an_activity_line() {
    only_its_own_bell(|segment, config| {
        let region =
            Region::File { path: segment.path().join("region"), size: Some(64 << 20), other_kernels: true };
        config.backing = Backing::Region(region, BackOff::default());
        config.max_nodes = 2;
    });
}

/// The rings of node 1's snapshot to node 2 on the LSM, by queue: the rest of each line.
fn shown(node: &mut Node) -> [String; 2] {
    let mark = node.mark();
    node.say("snapshot");
    node.await_line_after(mark, "show a snapshot", |line| line.starts_with("snapshot of 2 queues"));
    let lines = node.lines();
    QUEUES.map(|queue| {
        let prefix = format!("ring lsm 1>2 queue {queue} ");
        lines[mark..].iter().find_map(|line| line.strip_prefix(&prefix)).unwrap().to_owned()
    })
}

#[test]
fn one_queue_grows_and_the_other_stays_as_it_is() {
    let segment = Segment::new();
    let mut nodes = [1, 2].map(|id| Node::join_with(&segment, id, "queues=2 slots=16"));
    for node in &nodes {
        node.await_members(&[1, 2]);
    }
    stream(&mut nodes[0], "lsm", 0, 2, 3);
    await_tally(&mut nodes[1], 0, "lsm", 1, 3);
    let [calm, before] = shown(&mut nodes[0]);
    assert!(before.starts_with("epoch 1 slots 16 "), "{before}");
    stream(&mut nodes[0], "lsm", 1, 2, 5000);
    await_tally(&mut nodes[1], 1, "lsm", 1, 5000);
    let [still, after] = shown(&mut nodes[0]);
    assert_eq!(still, calm, "nothing of queue 0 has changed");
    assert!(!after.starts_with("epoch 1 "), "queue 1 was full for long: {after}");
    stream(&mut nodes[0], "lsm", 0, 2, 2);
    await_tally(&mut nodes[1], 0, "lsm", 1, 5);
    assert_orderly(&nodes);
}

#[test]
fn a_node_dies_and_comes_back_on_all_its_queues() {
    let segment = Segment::new();
    let [mut one, two, mut three] = [1, 2, 3].map(|id| Node::join_with(&segment, id, "queues=2"));
    for node in [&one, &two, &three] {
        node.await_members(&[1, 2, 3]);
    }
    // To the one that dies more than it will ever read, and among the others at the same time.
    for queue in QUEUES {
        stream(&mut one, "lsm", queue, 2, 60_000);
        stream(&mut three, "gsm", queue, 2, 60_000);
        stream(&mut one, "gsm", queue, 3, 2000);
    }
    two.kill();
    for node in [&one, &three] {
        node.await_members(&[1, 3]);
    }
    QUEUES.into_iter().for_each(|queue| await_tally(&mut three, queue, "gsm", 1, 2000));
    let two = Node::join_with(&segment, 2, "queues=2");
    let mut nodes = [one, two, three];
    for node in &nodes {
        node.await_members(&[1, 2, 3]);
    }
    // It hears the rest of the streams, and is heard, by every queue.
    for queue in QUEUES {
        nodes[0].await_line("end the stream", |line| line == format!("streamed {queue} lsm 2"));
        nodes[2].await_line("end the stream", |line| line == format!("streamed {queue} gsm 2"));
        for network in ["lsm", "gsm"] {
            stream(&mut nodes[1], network, queue, 1, 300);
            await_tally(&mut nodes[0], queue, network, 2, 300);
        }
    }
    assert_orderly(&nodes);
}

#[test]
fn a_joiner_with_another_number_of_queues_is_refused_with_both() {
    let segment = Segment::new();
    let _first = Node::join_with(&segment, 1, "queues=2");
    let second = Node::start(&segment, 2, "queues=3");
    let line = second.await_line("be refused", |line| line.starts_with("refused"));
    assert!(line.contains("node 1 has queues 2, this node has 3"), "{line}");
    for queues in ["0", "9"] {
        let none = Node::start(&segment, 2, &format!("queues={queues}"));
        let line = none.await_line("be refused", |line| line.starts_with("refused"));
        assert!(line.contains("queues") && line.contains(queues) && line.contains("1 to 8"), "{line}");
    }
}

#[test]
fn only_the_first_queue_has_the_groups() {
    let segment = Segment::new();
    let mut nodes = [1, 2].map(|id| Node::join_with(&segment, id, "queues=2"));
    for node in &nodes {
        node.await_members(&[1, 2]);
    }
    nodes[0].say("broadcast gsm 1");
    nodes[0].await_line("refuse", |line| line == "broadcast Err(NoGroupQueue)");
    nodes[0].say("broadcast gsm 0");
    nodes[0].await_line("send", |line| line == "broadcast Ok(())");
    nodes[1].await_line("receive", |line| line == "nonsense by queue 0: \"all\"");
}

#[test]
fn the_rings_of_all_queues_are_seen_from_outside() {
    let segment = Segment::new();
    let mut nodes = [1, 2].map(|id| Node::join_with(&segment, id, "queues=3"));
    for node in &nodes {
        node.await_members(&[1, 2]);
    }
    for (queue, count) in [(0, 2), (2, 7)] {
        stream(&mut nodes[0], "gsm", queue, 2, count);
        await_tally(&mut nodes[1], queue, "gsm", 1, count);
    }
    let inspection = inspect(segment.path()).unwrap();
    let arena = &inspection.arenas[0];
    assert_eq!(arena.problems, Vec::<String>::new());
    let written = |ring: &str| {
        let section = arena.sections.iter().find(|section| section.name == ring).unwrap();
        let field = section.fields.iter().find(|field| field.name == "write pointer");
        field.unwrap().value.clone()
    };
    assert_eq!(written("ring gsm to node 2"), Value::Number(2));
    assert_eq!(written("ring gsm queue 1 to node 2"), Value::Number(0));
    assert_eq!(written("ring gsm queue 2 to node 2"), Value::Number(7));
    assert_eq!(written("ring lsm queue 2 to node 2"), Value::Number(0));
}
