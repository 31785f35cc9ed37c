//! One end of a ring dies before each of its accesses to shared memory in turn: when a ring is made, at a frame of each kind, and
//! while frames are received. The other end must find nothing torn, doubled or forged, and no fault, and the next incarnation must
//! work in the same memory.

use std::sync::Arc;

use super::{Geometry, Limits, Metadata, Received, Receiver, RingKey, Transmitter};
use crate::memory::interrupt::{self, Then};
use crate::memory::{LINE, Mapping};

/// Memory for a ring and its read pointer, which all incarnations use.
struct Memory {
    ring: (Arc<Mapping>, Arc<Mapping>),
    pointer: (Arc<Mapping>, Arc<Mapping>),
}

impl Memory {
    /// In which a former incarnation has left a ring that went round more than once.
    fn used() -> Self {
        let memory = Self {
            ring: Mapping::anonymous(geometry().bytes()).unwrap(),
            pointer: Mapping::anonymous(LINE).unwrap(),
        };
        memory.carries_frames(1);
        memory
    }

    fn transmitter(&self, incarnation: u64) -> Transmitter {
        let pointer = self.pointer.1.peer().sub(0, 8).unwrap();
        Transmitter::new(self.ring.0.own().unwrap(), pointer, key(incarnation), geometry()).unwrap()
    }

    fn receiver(&self, incarnation: u64) -> Option<Receiver> {
        let pointer = self.pointer.0.own().unwrap().sub(0, 8).unwrap();
        Receiver::new(self.ring.1.peer(), pointer, key(incarnation), Limits::default()).ok()
    }

    /// An incarnation meets, and its frames of every length arrive, for more than two laps.
    fn carries_frames(&self, incarnation: u64) {
        let mut transmitter = self.transmitter(incarnation);
        let mut receiver = self.receiver(incarnation).unwrap();
        for number in 0..40 {
            let sent = frame(number, LENGTHS[number as usize % LENGTHS.len()]);
            transmitter.send(&[&sent], Metadata::default()).unwrap();
            assert_eq!(drain(&mut receiver), [sent]);
        }
    }
}

fn geometry() -> Geometry {
    Geometry::new(16, 256).unwrap()
}

fn key(incarnation: u64) -> RingKey {
    RingKey { tx_incarnation: incarnation, rx_incarnation: 5, epoch: 1 }
}

/// In the slot, in the slot's buffer, and a chain of buffers.
const LENGTHS: [usize; 3] = [60, 200, 1000];

fn frame(number: u8, len: usize) -> Vec<u8> {
    (0..len).map(|at| number.wrapping_mul(31).wrapping_add(at as u8)).collect()
}

fn drain(receiver: &mut Receiver) -> Vec<Vec<u8>> {
    let mut into = [0; 4096];
    let mut frames = Vec::new();
    while let Some(Received { len, .. }) = receiver.receive(&mut into).unwrap() {
        frames.push(into[..len].to_vec());
    }
    frames
}

/// Runs a case for a death before each access, until the operation gets through. The case returns whether it was cut off.
fn at_every_access(operation: &str, case: impl Fn(u64) -> bool) {
    let points = (0..).take_while(|access| case(*access)).count();
    println!("{operation}: died before each of {points} accesses");
    assert!(points > 0);
}

fn dying<T>(access: u64, operation: impl FnOnce() -> T) -> (T, bool) {
    interrupt::during(access, Box::new(|| Then::Die), operation)
}

#[test]
fn a_ring_whose_maker_dies_is_empty_or_none() {
    at_every_access("ring allocation", |access| {
        let memory = Memory::used();
        let (_, died) = dying(access, || memory.transmitter(2));
        // Nobody was told of it; but whoever looks finds no frame.
        if let Some(mut receiver) = memory.receiver(2) {
            assert_eq!(drain(&mut receiver), Vec::<Vec<u8>>::new());
        }
        memory.carries_frames(3);
        died
    });
}

/// Three frames, and a fourth within which the transmitter dies.
fn transmission(operation: &str, len: usize, send: impl Fn(&mut Transmitter, &[u8])) {
    at_every_access(operation, |access| {
        let memory = Memory::used();
        let mut transmitter = memory.transmitter(2);
        let mut receiver = memory.receiver(2).unwrap();
        let frames: Vec<_> = (0..4).map(|number| frame(number, len)).collect();
        for frame in &frames[..3] {
            send(&mut transmitter, frame);
        }
        let ((), died) = dying(access, || send(&mut transmitter, &frames[3]));
        let got = drain(&mut receiver);
        assert!(
            got == frames || died && got == frames[..3],
            "{operation}, access {access}: {} frames",
            got.len()
        );
        assert_eq!(drain(&mut receiver), Vec::<Vec<u8>>::new());
        memory.carries_frames(3);
        died
    });
}

#[test]
fn a_frame_whose_sender_dies_arrives_whole_or_not() {
    let send = |ring: &mut Transmitter, frame: &[u8]| {
        ring.send(&[frame], Metadata::default()).unwrap();
        ring.publish();
    };
    transmission("transmit, in the slot", LENGTHS[0], send);
    transmission("transmit, in a buffer", LENGTHS[1], send);
    transmission("transmit, a chain", LENGTHS[2], send);
    transmission("reserve and commit", LENGTHS[1], |ring, frame| {
        let mut reservation = ring.reserve(frame.len()).unwrap();
        reservation.copy_in(0, frame).unwrap();
        reservation.commit(frame.len(), Metadata::default()).unwrap();
    });
}

#[test]
fn a_receiver_that_dies_leaves_its_transmitter_without_fault() {
    for len in LENGTHS {
        at_every_access(&format!("receive, {len} bytes"), |access| {
            let memory = Memory::used();
            let mut transmitter = memory.transmitter(2);
            let mut receiver = memory.receiver(2).unwrap();
            let frames: Vec<_> = (0..3).map(|number| frame(number, len)).collect();
            for frame in &frames {
                transmitter.send(&[frame], Metadata::default()).unwrap();
            }
            let (got, died) = dying(access, || drain(&mut receiver));
            assert_eq!(got, frames, "what it has read is whole");
            // It fills up, as nobody reads; that is all.
            while transmitter.send(&[&frames[0]], Metadata::default()).is_ok() {}
            assert!(transmitter.refresh().is_ok() && transmitter.fault().is_none());
            memory.carries_frames(3);
            died
        });
    }
}
