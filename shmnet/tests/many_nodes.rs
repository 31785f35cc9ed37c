//! A segment for 256 nodes, with as many of them as one process can have.
//!
//! `ISTHMUS_MANY_NODES=N` for another number than 24: a node has three descriptors for each other one, and five threads.

#![cfg(not(loom))]
#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

mod common;

use std::time::{Duration, Instant};

use common::{Segment, config, node};
use isthmus_shmnet::{Destination, Endpoint, Fabric, FabricConfig, Metadata, Network, Timing};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// The largest segment.
const ROOM: u16 = 256;
const DEADLINE: Duration = Duration::from_secs(120);
/// Bytes of a small first ring of the default geometry, in whole pages.
const SMALL_RING: u64 = 36_864;

fn await_that(what: &str, mut is_so: impl FnMut() -> bool) {
    let give_up = Instant::now() + DEADLINE;
    while !is_so() {
        assert!(Instant::now() < give_up, "in vain: {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn join(segment: &Segment, id: u16) -> (Fabric, Endpoint) {
    let config = config(segment.path(), id);
    // So many hearts share few processors here.
    let timing =
        Timing { suspect: Duration::from_secs(20), failed: Duration::from_secs(60), ..config.timing };
    let fabric = Fabric::join(FabricConfig { max_nodes: ROOM, timing, ..config }).unwrap();
    let endpoint = fabric.endpoint(Network::Lsm).unwrap();
    drop(fabric.endpoint(Network::Gsm));
    (fabric, endpoint)
}

#[test]
fn nodes_of_a_segment_for_256_meet_and_leave_room_for_the_others() {
    let number: u16 = std::env::var("ISTHMUS_MANY_NODES").map_or(24, |text| text.parse().unwrap());
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum }).unwrap();
    let segment = Segment::new();
    // The lowest and the highest ids, for what is laid out by id.
    let ids: Vec<u16> = (1..=number / 2).chain(ROOM - (number - number / 2) + 1..=ROOM).collect();
    let mut nodes: Vec<(Fabric, Endpoint)> = ids.iter().map(|id| join(&segment, *id)).collect();
    for (fabric, _) in &nodes {
        await_that("each is connected with all", || {
            let table = fabric.active_nodes();
            table.nodes.len() == ids.len() && table.nodes.iter().all(|node| node.connected)
        });
    }

    // Each has a frame of each.
    for index in 0..nodes.len() {
        for to in &ids {
            if *to != ids[index] {
                let endpoint = &mut nodes[index].1;
                await_that("there is a ring", || {
                    endpoint
                        .transmit(
                            Destination::Node(node(*to)),
                            &ids[index].to_le_bytes(),
                            Metadata::default(),
                        )
                        .is_ok()
                });
            }
        }
        nodes[index].1.flush();
    }
    for (index, (_, endpoint)) in nodes.iter_mut().enumerate() {
        let (mut frame, mut from) = ([0; 64], Vec::new());
        await_that("a frame of each other", || {
            while let Some(received) = endpoint.receive(&mut frame) {
                assert_eq!(frame[..received.len], received.from.get().to_le_bytes());
                from.push(received.from.get());
            }
            from.len() >= ids.len() - 1
        });
        from.sort_unstable();
        let others: Vec<u16> = ids.iter().copied().filter(|id| *id != ids[index]).collect();
        assert_eq!(from, others);
    }

    // What is left of the default budget holds the first rings to all who may still come, with room for half as much again.
    for (fabric, _) in &nodes {
        let snapshot = fabric.snapshot();
        let more = u64::from(ROOM - number) * 2 * SMALL_RING;
        let (used, budget) = (snapshot.bytes_used, snapshot.bytes_budget);
        if budget == 64 << 20 {
            assert!(used + more + more / 2 <= budget, "{used} bytes used, {more} more needed of {budget}");
        }
        let slots: Vec<u32> = snapshot.rings.iter().map(|ring| ring.slots).collect();
        assert!(slots.iter().all(|slots| [16, 64].contains(slots)), "{slots:?}");
    }
    if number >= 24 {
        let rings = nodes[0].0.snapshot().rings;
        assert!(rings.iter().any(|ring| ring.transmitter.get() == 1 && ring.slots == 16));
    }
}
