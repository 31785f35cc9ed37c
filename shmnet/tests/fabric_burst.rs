//! Frames sent and received in bursts are those that single calls would send and receive, in their order.

#![cfg(not(loom))]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::time::{Duration, Instant};

use common::{Segment, config, node};
use isthmus_shmnet::{
    Cast, Destination, Endpoint, Fabric, FrameSink, Metadata, Network, Received, TransmitError,
};

const DEADLINE: Duration = Duration::from_secs(30);

/// Keeps frames, as many as it has room for, of any length up to that of the room.
struct Kept {
    rooms: usize,
    room: Vec<u8>,
    frames: Vec<(Received, Vec<u8>)>,
}

impl Kept {
    fn new(rooms: usize, longest: usize) -> Self {
        Self { rooms, room: vec![0; longest], frames: Vec::new() }
    }

    fn texts(&self) -> Vec<&[u8]> {
        self.frames.iter().map(|(_, bytes)| &bytes[..]).collect()
    }
}

impl FrameSink for Kept {
    fn room(&mut self) -> Option<&mut [u8]> {
        (self.frames.len() < self.rooms).then_some(&mut self.room[..])
    }

    fn received(&mut self, frame: Received) {
        self.frames.push((frame, self.room[..frame.len].to_vec()));
    }
}

/// Three members whose rings to the second are there and empty, and whose groups have an owner.
fn members(segment: &Segment) -> ([Fabric; 3], [Endpoint; 3]) {
    let fabrics = [1, 2, 3].map(|id| Fabric::join(config(segment.path(), id)).unwrap());
    let mut endpoints = fabrics.each_ref().map(|fabric| fabric.endpoint(Network::Lsm).unwrap());
    let deadline = Instant::now() + DEADLINE;
    let mut met = [false; 3];
    while met != [true; 3] {
        assert!(Instant::now() < deadline, "the nodes do not meet: {met:?}");
        let [one, two, three] = &mut endpoints;
        for sender in [&mut *one, three] {
            let _ = sender.transmit(Destination::Node(node(2)), b"hello", Metadata::default());
        }
        let _ = one.transmit(Destination::Broadcast, b"hello", Metadata::default());
        let mut kept = Kept::new(64, 64);
        two.receive_burst(64, &mut kept);
        for (received, _) in kept.frames {
            let place = if received.cast == Cast::Broadcast { 2 } else { received.from.index() / 2 };
            met[place] = true;
        }
        endpoints.iter_mut().for_each(Endpoint::flush);
    }
    // Until nothing is on its way any more.
    let mut quiet = 0;
    while quiet < 100 {
        endpoints.iter_mut().for_each(Endpoint::flush);
        let heard = endpoints.iter_mut().filter_map(|endpoint| endpoint.receive(&mut [0; 64])).count();
        quiet = if heard == 0 { quiet + 1 } else { 0 };
    }
    (fabrics, endpoints)
}

#[test]
fn a_burst_arrives_whole_and_in_order_whatever_the_lengths() {
    let segment = Segment::new();
    let (_fabrics, [mut one, mut two, _three]) = members(&segment);
    // In the slot, at its limit, in a buffer, in a chain of buffers.
    let lengths = [1, 60, 104, 105, 1500, 9000, 64, 3];
    let frames: Vec<Vec<u8>> = (0_u8..).zip(lengths).map(|(mark, len)| vec![mark + 1; len]).collect();
    assert_eq!(one.transmit_burst(node(2), frames.iter().map(Vec::as_slice)), Ok(frames.len()));
    let mut kept = Kept::new(100, 16384);
    assert_eq!(two.receive_burst(5, &mut kept), 5, "no more than asked for");
    assert_eq!(two.receive_burst(100, &mut kept), frames.len() - 5);
    assert_eq!(kept.texts(), frames);
    assert!(
        kept.frames.iter().all(|(received, _)| received.from == node(1) && received.cast == Cast::Unicast)
    );
}

#[test]
fn a_sink_without_room_loses_nothing() {
    let segment = Segment::new();
    let (_fabrics, [mut one, mut two, _three]) = members(&segment);
    let frames: Vec<[u8; 4]> = (0..50_u32).map(u32::to_le_bytes).collect();
    assert_eq!(one.transmit_burst(node(2), frames.iter().map(|frame| &frame[..])), Ok(50));
    let mut kept = Kept::new(0, 64);
    assert_eq!(two.receive_burst(10, &mut kept), 0);
    let mut all = Vec::new();
    while all.len() < 50 {
        let mut kept = Kept::new(7, 64);
        let taken = two.receive_burst(10, &mut kept);
        assert_eq!(taken, kept.frames.len());
        assert!(taken > 0, "{} of 50 frames", all.len());
        all.extend(kept.frames.into_iter().map(|(_, bytes)| bytes));
    }
    assert_eq!(all, frames);
}

#[test]
fn frames_longer_than_the_room_are_passed_over() {
    let segment = Segment::new();
    let (_fabrics, [mut one, mut two, _three]) = members(&segment);
    let (short, long, longer) = ([1; 64], [2; 65], [3; 3000]);
    assert_eq!(one.transmit_burst(node(2), [&short[..], &long, &longer, &short]), Ok(4));
    let mut kept = Kept::new(10, 64);
    assert_eq!(two.receive_burst(10, &mut kept), 2);
    assert_eq!(kept.texts(), [&short[..], &short]);
}

#[test]
fn a_burst_ends_at_the_first_frame_that_is_refused() {
    let segment = Segment::new();
    let (_fabrics, [mut one, mut two, _three]) = members(&segment);
    assert_eq!(one.transmit_burst(node(2), [&b"first"[..], b"", b"third"]), Ok(1));
    assert_eq!(one.transmit_burst(node(2), [&b""[..], b"second"]), Err(TransmitError::Empty));
    assert_eq!(one.transmit_burst(node(4), [&b"nobody"[..]]), Err(TransmitError::NoSuchNode));
    let mut kept = Kept::new(10, 64);
    two.receive_burst(10, &mut kept);
    assert_eq!(kept.texts(), [b"first"]);
}

#[test]
fn bursts_of_two_peers_and_broadcast_frames_take_turns() {
    let segment = Segment::new();
    let (_fabrics, [mut one, mut two, mut three]) = members(&segment);
    let burst = |mark: &'static [u8]| std::iter::repeat_n(mark, 60);
    assert_eq!(one.transmit_burst(node(2), burst(b"1")), Ok(60));
    assert_eq!(three.transmit_burst(node(2), burst(b"3")), Ok(60));
    one.transmit(Destination::Broadcast, b"all", Metadata::default()).unwrap();
    // Node 1 owns the group, and orders its frame.
    for endpoint in [&mut one, &mut three, &mut two] {
        endpoint.flush();
    }
    let mut kept = Kept::new(300, 64);
    let deadline = Instant::now() + DEADLINE;
    while kept.frames.len() < 121 {
        assert!(Instant::now() < deadline, "{} of 121 frames", kept.frames.len());
        two.receive_burst(300, &mut kept);
        two.flush();
    }
    let first = |mark: &[u8]| kept.texts().iter().position(|text| *text == mark).unwrap();
    assert!(first(b"1").max(first(b"3")) <= 33, "the second peer's turn comes after one burst of the first");
    assert!(first(b"all") <= 33, "the groups' turn comes after a burst of the peers");
}
