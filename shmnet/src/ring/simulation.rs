//! A ring on simulated memory that is not coherent, with a plain queue as oracle: every frame arrives once, in order and whole, with
//! its metadata, through growth by new epochs, while each end is interrupted by the other at any access.
//!
//! `FLUSH_SEEDS=n` runs that many seeds instead of 1,500, `FLUSH_SEED=s` only one.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use super::{Geometry, Limits, Metadata, Receiver, RingKey, SendError, Transmitter};
use crate::doorbell::attention::{self, Sleeper, Waker};
use crate::memory::interrupt::{self, Then};
use crate::memory::simulated::{Random, Simulation, Skip, seeds, sensitive_places};
use crate::memory::{LINE, OwnSpan, PeerSpan};

const STEPS: usize = 120;
/// Rings of one run, each in a place of its own: a place is used again for the next but one.
const PLACES: usize = 2;

#[derive(Clone)]
struct Ends {
    own: OwnSpan,
    peer: PeerSpan,
    read_own: OwnSpan,
    read_peer: PeerSpan,
    epoch: u32,
    stride: usize,
}

/// The transmitting node.
struct Sending {
    ring: Transmitter,
    retiring: Option<Transmitter>,
    waker: Waker,
    /// Whether the present ring has published a frame.
    used: bool,
    /// Whether there were frames since the last burst ended.
    dirty: bool,
}

/// The receiving node.
struct Receiving {
    rings: VecDeque<Receiver>,
    sleeper: Sleeper,
    asleep: bool,
}

/// What both see by other ways than the memory under test: the oracle, the announcements of rings, the doorbell.
struct World {
    random: Random,
    favourite: u64,
    ends: Ends,
    oracle: VecDeque<(Vec<u8>, Metadata)>,
    announced: VecDeque<(RingKey, usize)>,
    rung: bool,
    received: u64,
    sent: u64,
    sender: Option<Box<Sending>>,
    receiver: Option<Box<Receiving>>,
    violation: Option<String>,
}

type Shared = Rc<RefCell<World>>;

fn key(epoch: u32) -> RingKey {
    RingKey { tx_incarnation: 3, rx_incarnation: 5, epoch }
}

impl Ends {
    fn transmitter(&self, geometry: Geometry) -> Transmitter {
        let at = self.epoch as usize % PLACES * self.stride;
        let own = self.own.sub(at, geometry.bytes()).unwrap();
        let line = self.read_peer.sub(at / self.stride * LINE, 8).unwrap();
        Transmitter::new(own, line, key(self.epoch), geometry).unwrap()
    }

    fn receiver(&self, key: RingKey, at: usize) -> Result<Receiver, String> {
        let line = self.read_own.sub(at / self.stride * LINE, 8).unwrap();
        Receiver::new(self.peer.sub(at, self.stride).unwrap(), line, key, Limits::default())
            .map_err(|error| format!("cannot attach: {error}"))
    }
}

impl World {
    fn new(simulation: &Simulation, seed: u64) -> Result<Shared, String> {
        let mut random = Random::new(!seed);
        let stride = Geometry::new(16, 256).unwrap().bytes();
        let (sender, receiver) = (simulation.arena(PLACES * stride), simulation.arena((PLACES + 1) * LINE));
        let read_peer = simulation.peer(&receiver).peer();
        let read_own = receiver.own().unwrap();
        let ends = Ends {
            own: sender.own().unwrap(),
            peer: simulation.peer(&sender).peer(),
            read_own: read_own.clone(),
            read_peer: read_peer.clone(),
            epoch: 1,
            stride,
        };
        let ring = ends.transmitter(geometry(&mut random));
        let rings = VecDeque::from([ends.receiver(key(1), stride)?]);
        let sender = Sending {
            ring,
            retiring: None,
            waker: Waker::new(read_peer.sub(PLACES * LINE, LINE).unwrap()),
            used: false,
            dirty: false,
        };
        let receiver = Receiving {
            rings,
            sleeper: Sleeper::new(read_own.sub(PLACES * LINE, LINE).unwrap()),
            asleep: false,
        };
        let favourite = random.below(3);
        Ok(Rc::new(RefCell::new(Self {
            random,
            favourite,
            ends,
            oracle: VecDeque::new(),
            announced: VecDeque::new(),
            rung: false,
            received: 0,
            sent: 0,
            sender: Some(Box::new(sender)),
            receiver: Some(Box::new(receiver)),
            violation: None,
        })))
    }

    fn violate(&mut self, what: String) {
        self.violation.get_or_insert(what);
    }
}

fn geometry(random: &mut Random) -> Geometry {
    Geometry::new(4 << random.below(3), 128 << random.below(2)).unwrap()
}

fn frame(number: u64, len: usize) -> Vec<u8> {
    (0..len).map(|at| (number.wrapping_mul(31) as usize + at * 7) as u8 | 1).collect()
}

fn send(world: &Shared, sending: &mut Sending) {
    let (len, metadata, number, reserve, publish) = {
        let mut w = world.borrow_mut();
        let max = sending.ring.geometry().max_frame() as u64;
        // Each run has its favourites, so that what needs several of a kind happens.
        let kind = if w.random.one_in(2) { w.favourite } else { w.random.below(3) };
        let limit = [105, max.min(300), max][kind as usize];
        let len = 1 + w.random.below(limit) as usize;
        let metadata = match w.random.one_in(3) || w.favourite == 1 {
            true => Metadata { steer_epoch: w.random.next() as u32, steer_hops: 3, ..Metadata::default() },
            false => Metadata::default(),
        };
        (len, metadata, w.sent, w.random.one_in(5), w.random.one_in(3))
    };
    let bytes = frame(number, len);
    // Before it is sent: the receiver may interrupt the sender as soon as the frame is there.
    world.borrow_mut().oracle.push_back((bytes.clone(), metadata));
    let outcome = match reserve {
        true => sending.ring.reserve(len).and_then(|mut reservation| {
            reservation.copy_in(0, &bytes)?;
            reservation.commit(len, metadata)
        }),
        false => sending.ring.send(&[&bytes], metadata),
    };
    match outcome {
        Ok(()) => {
            world.borrow_mut().sent += 1;
            (sending.used, sending.dirty) = (true, true);
        }
        Err(SendError::Full) => {
            world.borrow_mut().oracle.pop_back();
        }
        Err(error) => world.borrow_mut().violate(format!("not sent: {error}")),
    }
    if publish {
        end_burst(world, sending);
    }
}

fn end_burst(world: &Shared, sending: &mut Sending) {
    sending.dirty = false;
    sending.ring.publish();
    attention::published();
    if sending.waker.must_ring() {
        world.borrow_mut().rung = true;
    }
}

/// A larger, or any other, ring takes the place of the present one.
fn replace(world: &Shared, sending: &mut Sending) {
    if let Some(old) = &mut sending.retiring {
        // The memory of a ring is used again once it was read to its end and the receiver reads the next one.
        let _ = old.refresh();
        if !old.is_drained() || !sending.used || !sending.ring.is_drained() && sending.ring.refresh().is_err()
        {
            return;
        }
        let free = sending.ring.refresh().unwrap_or(0);
        if free != sending.ring.geometry().slots() {
            return;
        }
        sending.retiring = None;
    }
    end_burst(world, sending);
    let (ring, announcement) = {
        let mut w = world.borrow_mut();
        w.ends.epoch += 1;
        let geometry = geometry(&mut w.random);
        let (epoch, at) = (w.ends.epoch, w.ends.epoch as usize % PLACES * w.ends.stride);
        let ends = w.ends.clone();
        drop(w);
        (ends.transmitter(geometry), (key(epoch), at))
    };
    world.borrow_mut().announced.push_back(announcement);
    sending.retiring = Some(std::mem::replace(&mut sending.ring, ring));
    sending.used = false;
}

/// Receives up to so many frames, and judges them.
fn receive(world: &Shared, receiving: &mut Receiving, frames: u64) {
    take_announced(world, receiving);
    let mut into = [0; 4096];
    for _ in 0..frames {
        let Some((len, metadata)) = next(world, receiving, &mut into) else { return };
        let mut w = world.borrow_mut();
        let expected = w.oracle.pop_front();
        if expected.as_ref() != Some(&(into[..len].to_vec(), metadata)) {
            let number = w.received;
            w.violate(format!("frame {number} arrived as another one, of {len} bytes, or none was sent"));
        }
        w.received += 1;
    }
}

fn take_announced(world: &Shared, receiving: &mut Receiving) {
    loop {
        let Some((key, at)) = world.borrow_mut().announced.pop_front() else { return };
        let ends = world.borrow().ends.clone();
        match ends.receiver(key, at) {
            Ok(ring) => receiving.rings.push_back(ring),
            Err(error) => world.borrow_mut().violate(error),
        }
    }
}

/// The next frame of the oldest ring; the next ring takes over when the one before is dry for good, as in the fabric's ends.
fn next(world: &Shared, receiving: &mut Receiving, into: &mut [u8]) -> Option<(usize, Metadata)> {
    loop {
        let ring = receiving.rings.front_mut()?;
        match ring.receive(into) {
            Ok(Some(received)) => return Some((received.len, received.metadata)),
            Ok(None) => {}
            Err(fault) => {
                world.borrow_mut().violate(format!("the receiver finds a fault: {fault}"));
                return None;
            }
        }
        let next_ready = receiving.rings.get(1).is_some_and(Receiver::is_ready);
        if !next_ready || receiving.rings[0].is_ready() {
            return None;
        }
        receiving.rings.pop_front();
    }
}

fn sleep(receiving: &mut Receiving) {
    for ring in &mut receiving.rings {
        ring.publish();
    }
    receiving.sleeper.lie_down();
    receiving.asleep = !receiving.rings.iter().any(Receiver::is_ready);
    if !receiving.asleep {
        receiving.sleeper.get_up();
    }
}

/// One random step of one end; the other may run in the middle of it.
fn step(world: &Shared, inside: Option<bool>) {
    let sends = match inside {
        Some(sends) => !sends,
        None => world.borrow_mut().random.one_in(2),
    };
    let (accesses, what, frames) = {
        let mut w = world.borrow_mut();
        (w.random.below(40), w.random.below(16), 1 + w.random.below(6))
    };
    if sends {
        let Some(mut sending) = world.borrow_mut().sender.take() else { return };
        interrupted(world, accesses, inside.is_none(), true, || match what {
            0 => end_burst(world, &mut sending),
            1 => replace(world, &mut sending),
            _ => send(world, &mut sending),
        });
        world.borrow_mut().sender = Some(sending);
    } else {
        let Some(mut receiving) = world.borrow_mut().receiver.take() else { return };
        if receiving.asleep && std::mem::take(&mut world.borrow_mut().rung) {
            receiving.asleep = false;
            receiving.sleeper.get_up();
        }
        if !receiving.asleep {
            interrupted(world, accesses, inside.is_none(), false, || match what {
                0 => {
                    // What is announced while the node sleeps wakes it by other ways.
                    take_announced(world, &mut receiving);
                    world.borrow_mut().rung = false;
                    sleep(&mut receiving);
                }
                _ => receive(world, &mut receiving, frames),
            });
        }
        world.borrow_mut().receiver = Some(receiving);
    }
}

fn interrupted(world: &Shared, accesses: u64, outermost: bool, sends: bool, operation: impl FnOnce()) {
    if !outermost {
        return operation();
    }
    let other = Rc::clone(world);
    let action = move || {
        let steps = other.borrow_mut().random.below(5);
        for _ in 0..steps {
            step(&other, Some(sends));
        }
        Then::GoOn
    };
    interrupt::during(accesses, Box::new(action), operation);
}

/// Nothing happens by itself any more: all that was sent has to arrive, and nobody may sleep through it.
fn settle(world: &Shared, simulation: &Simulation) {
    simulation.calm();
    let mut sending = world.borrow_mut().sender.take().unwrap();
    let mut receiving = world.borrow_mut().receiver.take().unwrap();
    if sending.dirty {
        end_burst(world, &mut sending);
    }
    if receiving.asleep
        && !world.borrow().rung
        && world.borrow().announced.is_empty()
        && !world.borrow().oracle.is_empty()
    {
        world.borrow_mut().violate("the receiver sleeps, and nobody rang".into());
    }
    receive(world, &mut receiving, u64::MAX);
    let left = world.borrow().oracle.len();
    if left > 0 {
        world.borrow_mut().violate(format!("{left} frames never arrive"));
    }
    for ring in &mut receiving.rings {
        ring.publish();
    }
    match sending.ring.refresh() {
        Ok(free) if free == sending.ring.geometry().slots() => {}
        outcome => world.borrow_mut().violate(format!("the read pointer does not arrive: {outcome:?}")),
    }
}

/// Runs a seed; gives what went wrong, or how many frames passed.
fn run(seed: u64, skip: Option<Skip>, simulation: &Simulation) -> Result<u64, String> {
    simulation.skip(skip);
    let world = World::new(simulation, seed)?;
    for _ in 0..STEPS {
        step(&world, None);
        if world.borrow().violation.is_some() {
            break;
        }
    }
    if world.borrow().violation.is_none() {
        settle(&world, simulation);
    }
    let w = world.borrow();
    w.violation.clone().map_or(Ok(w.received), Err)
}

#[test]
fn every_frame_arrives_once_in_order_and_whole() {
    let mut frames = 0;
    for seed in seeds(1500) {
        let outcome = run(seed, None, &Simulation::new(seed));
        frames += outcome.unwrap_or_else(|why| panic!("seed {seed}: {why}; FLUSH_SEED={seed} runs it alone"));
    }
    assert!(frames > 0);
}

#[test]
fn each_write_back_and_invalidation_is_needed() {
    let harmless = [
        // Said again by the next word, and nobody waits for it.
        ("attention.rs", "self.line.write_back(0, 8);"),
        ("receiver.rs", "read_pointer.write_back(0, 8);"),
        ("transmitter.rs", "self.header.write_back(WRITE_POINTER, 8);"),
    ];
    sensitive_places(1000, |seed, skip, simulation| run(seed, skip, simulation).map(drop), &harmless);
}
