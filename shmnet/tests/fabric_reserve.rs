//! Frames that are written straight into the ring of a peer, among those that are copied there.

#![cfg(not(loom))]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant};

use common::{Segment, config, node};
use isthmus_shmnet::{Destination, Endpoint, Fabric, Geometry, Metadata, Network, TransmitError};

const DEADLINE: Duration = Duration::from_secs(30);
const SLOTS: u32 = 16;
const BUFFER: u32 = 2048;
/// Where a node's arena has its read pointer of the ring from node 1 on the LSM.
const READ_POINTER: u64 = 0x6c00;

fn await_that(what: &str, mut is_so: impl FnMut() -> bool) {
    let give_up = Instant::now() + DEADLINE;
    while !is_so() {
        assert!(Instant::now() < give_up, "in vain: {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Two members; a ring of few slots from the first to the second, which is empty.
struct Pair {
    segment: Segment,
    fabrics: [Option<Fabric>; 2],
    one: Endpoint,
    two: Endpoint,
}

impl Pair {
    fn new() -> Self {
        let segment = Segment::new();
        let fabrics = [1, 2].map(|id| {
            let mut config = config(segment.path(), id);
            config.geometry = [Geometry::new(SLOTS, BUFFER).unwrap(); 2];
            Fabric::join(config).unwrap()
        });
        let [one, two] = fabrics.each_ref().map(|fabric| fabric.endpoint(Network::Lsm).unwrap());
        let mut pair = Self { segment, fabrics: fabrics.map(Some), one, two };
        await_that("there is a ring", || pair.one.reserve(node(2), 64).is_ok());
        await_that("the other one reads it", || {
            let _ = pair.send(b"hello");
            pair.receive().is_some()
        });
        while pair.receive().is_some() {}
        pair
    }

    fn send(&mut self, frame: &[u8]) -> Result<(), TransmitError> {
        let sent = self.one.transmit(Destination::Node(node(2)), frame, Metadata::default());
        self.one.flush();
        sent
    }

    /// Writes a frame into the ring, by pieces of so many bytes.
    fn write(&mut self, frame: &[u8], piece: usize) -> Result<(), TransmitError> {
        // What was refused before is told to the control thread.
        self.one.flush();
        let mut room = self.one.reserve(node(2), frame.len())?;
        for (number, bytes) in frame.chunks(piece).enumerate() {
            room.copy_in(number * piece, bytes).unwrap();
        }
        let sent = room.commit(frame.len(), Metadata::default());
        self.one.flush();
        sent
    }

    fn receive(&mut self) -> Option<Vec<u8>> {
        let mut room = vec![0; 65_536];
        let received = self.two.receive(&mut room)?;
        self.two.flush();
        room.truncate(received.len);
        Some(room)
    }

    /// The number of the ring that the first node sends by, as its control thread knows it.
    fn epoch(&self) -> u32 {
        let rings = self.fabrics[0].as_ref().unwrap().snapshot().rings;
        let mut ours =
            rings.iter().filter(|ring| ring.network == Network::Lsm && ring.transmitter == node(1));
        ours.next().unwrap().epoch
    }
}

fn frame(number: usize, len: usize) -> Vec<u8> {
    (0..len).map(|at| (number * 31 + at * 7) as u8).collect()
}

#[test]
fn frames_of_all_lengths_arrive_as_they_were_written_among_those_that_were_copied() {
    let mut pair = Pair::new();
    let buffer = BUFFER as usize;
    let lengths = [1, 104, 105, buffer, buffer + 1, 3 * buffer + 5, 8 * buffer];
    let mut went_round = 0;
    for number in 0..40 * lengths.len() {
        let frame = frame(number, lengths[number % lengths.len()]);
        if number % 3 == 0 {
            pair.send(&frame).unwrap();
        } else {
            let mut room = pair.one.reserve(node(2), frame.len()).unwrap();
            assert_eq!(room.capacity(), frame.len());
            let [head, tail] = room.slices_mut();
            assert_eq!(head.len() + tail.len(), frame.len());
            assert!(frame.len() > buffer || tail.is_empty(), "a short frame is in one piece");
            went_round += usize::from(!tail.is_empty());
            pair.write(&frame, 1 + number * 97 % 5000).unwrap();
        }
        assert_eq!(pair.receive(), Some(frame), "frame {number}");
    }
    assert!(went_round > 10, "{went_round} frames went round the end of the ring");
    assert_eq!(pair.receive(), None);
}

#[test]
fn a_frame_carries_its_metadata_and_may_be_shorter_than_what_was_reserved() {
    let mut pair = Pair::new();
    let metadata = Metadata { steer_epoch: 7, steer_hops: 2, ..Metadata::default() };
    let mut room = pair.one.reserve(node(2), 9000).unwrap();
    room.copy_in(0, b"short").unwrap();
    room.commit(5, metadata).unwrap();
    pair.one.flush();
    let mut into = [0; 64];
    let received = pair.two.receive(&mut into).unwrap();
    assert_eq!((&into[..received.len], received.metadata), (&b"short"[..], metadata));
    // And one that lies in its slot, beside the metadata.
    let mut room = pair.one.reserve(node(2), 104).unwrap();
    room.copy_in(0, &[7; 104]).unwrap();
    room.commit(103, metadata).unwrap();
    pair.one.flush();
    let mut into = [0; 200];
    let received = pair.two.receive(&mut into).unwrap();
    assert_eq!((&into[..received.len], received.metadata), (&[7; 103][..], metadata));
}

#[test]
fn what_is_abandoned_or_refused_is_never_seen_and_takes_no_room() {
    let mut pair = Pair::new();
    for number in 0..10 * SLOTS {
        let mut room = pair.one.reserve(node(2), 3000).unwrap();
        room.copy_in(0, &[number as u8; 3000]).unwrap();
        assert_eq!(room.copy_in(2999, b"no"), Err(TransmitError::TooLong));
        assert_eq!(room.copy_in(usize::MAX, b"no"), Err(TransmitError::TooLong));
        match number % 4 {
            0 => room.abandon(),
            1 => {
                let _dropped = room;
            }
            2 => assert_eq!(room.commit(3001, Metadata::default()), Err(TransmitError::TooLong)),
            _ => assert_eq!(room.commit(0, Metadata::default()), Err(TransmitError::Empty)),
        }
        pair.one.flush();
    }
    assert_eq!(pair.receive(), None);
    assert_eq!(pair.one.reserve(node(2), 0).err(), Some(TransmitError::Empty));
    assert_eq!(pair.one.reserve(node(1), 1).err(), Some(TransmitError::NoSuchNode));
    assert_eq!(pair.one.reserve(node(3), 1).err(), Some(TransmitError::NoSuchNode));
    pair.write(&frame(0, 3000), 3000).unwrap();
    assert_eq!(pair.receive(), Some(frame(0, 3000)));
}

#[test]
fn a_full_ring_refuses_and_a_frame_too_long_for_it_makes_it_grow() {
    let mut pair = Pair::new();
    let mut sent = 0;
    while pair.write(&frame(sent, 500), 500).is_ok() {
        sent += 1;
    }
    assert_eq!(sent, SLOTS as usize);
    assert_eq!(pair.one.reserve(node(2), 500).err(), Some(TransmitError::RingFull));
    for number in 0..sent {
        assert_eq!(pair.receive(), Some(frame(number, 500)));
    }
    let long = frame(1, BUFFER as usize * (SLOTS as usize / 2) + 1);
    assert_eq!(pair.write(&long, 4000), Err(TransmitError::TooLong));
    await_that("the ring has grown", || pair.write(&long, 4000).is_ok());
    // The receiver is given the new ring by its control thread.
    let mut received = None;
    await_that("the other one reads the new ring", || {
        received = pair.receive();
        received.is_some()
    });
    assert!(received == Some(long), "another frame than the one that was sent");
}

/// Input: a frame is reserved; before it is committed the node's control thread replaces the ring. Output: that frame, then those
/// of the new ring.
#[test]
fn a_frame_reserved_in_a_ring_that_is_being_replaced_arrives_before_those_of_the_next_one() {
    let mut pair = Pair::new();
    let before = pair.epoch();
    // Asks for a larger ring; the endpoint, which is borrowed below, cannot take it over.
    assert_eq!(pair.send(&vec![0; 40_000]), Err(TransmitError::TooLong));
    let fabric = pair.fabrics[0].clone().unwrap();
    let mut room = pair.one.reserve(node(2), 5000).unwrap();
    await_that("a larger ring is there", || {
        let rings = fabric.snapshot().rings;
        rings
            .iter()
            .any(|ring| ring.network == Network::Lsm && ring.transmitter == node(1) && ring.epoch > before)
    });
    room.copy_in(0, &frame(1, 5000)).unwrap();
    room.commit(5000, Metadata::default()).unwrap();
    let long = frame(2, 40_000);
    await_that("the larger ring is taken over", || pair.write(&long, 3000).is_ok());
    let mut got = Vec::new();
    await_that("both arrive", || {
        got.extend(pair.receive());
        got.len() == 2
    });
    assert_eq!(got, [frame(1, 5000), long]);
}

#[test]
fn a_frame_for_a_peer_that_has_left_meanwhile_is_lost_and_nothing_else() {
    let mut pair = Pair::new();
    let fabric = pair.fabrics[0].clone().unwrap();
    let mut room = pair.one.reserve(node(2), 5000).unwrap();
    drop(pair.fabrics[1].take());
    await_that("the peer is gone", || fabric.active_nodes().nodes.len() == 1);
    room.copy_in(0, &frame(1, 5000)).unwrap();
    room.commit(5000, Metadata::default()).unwrap();
    pair.one.flush();
    await_that("it is noticed", || {
        pair.one.flush();
        pair.one.reserve(node(2), 1).err() == Some(TransmitError::NoSuchNode)
    });
}

/// Input: while a frame is reserved, the peer's read pointer is moved past all that was ever written. Output: no panic, the ring
/// is used no more, and the peer's incarnation is closed.
#[test]
fn a_peer_that_breaks_the_rules_meanwhile_is_quarantined() {
    let mut pair = Pair::new();
    let mut room = pair.one.reserve(node(2), 5000).unwrap();
    let arena = OpenOptions::new().read(true).write(true).open(pair.segment.arena(2)).unwrap();
    let mut word = [0; 8];
    arena.read_exact_at(&mut word, READ_POINTER).unwrap();
    let beyond = u64::from_le_bytes(word) + 100_000;
    arena.write_all_at(&beyond.to_le_bytes(), READ_POINTER).unwrap();
    room.copy_in(0, &frame(1, 5000)).unwrap();
    room.commit(5000, Metadata::default()).unwrap();
    let mut refusals = Vec::new();
    await_that("the ring is given up", || {
        refusals.extend(pair.one.reserve(node(2), 5000).err());
        pair.one.flush();
        refusals.last() == Some(&TransmitError::NoSuchNode)
    });
    assert_eq!(refusals[0], TransmitError::Quarantined);
    let fabric = pair.fabrics[0].as_ref().unwrap();
    assert!(fabric.snapshot().quarantines.iter().any(|one| one.node == node(2)));
}
