//! Ours: two members of a segment, each a process, that exchange frames as the workers of two nodes do.

use std::env;
use std::net::Ipv4Addr;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use isthmus_shmnet::{
    BackOff, Backing, CoherenceMode, DEFAULT_GEOMETRY, Destination, Endpoint, Fabric, FabricConfig, Facts,
    FrameSink, Metadata, Network, NetworkParameters, NodeId, Received, Region, Timing,
};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::Failure;
use super::probe::pin;
use super::worker::{self, Wire};

/// Room for rings as large as they grow.
const BUDGET: u64 = 64 << 20;
/// How long the members wait for each other.
const PATIENCE: Duration = Duration::from_secs(10);
/// The longest frame that is received.
const LONGEST: usize = 1 << 16;
/// The longest sleep: nobody rings when a group's owner withholds the order.
const LONGEST_SLEEP: Timespec = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };

/// `near CORE CORE SEGMENT MODE`, or the same with `far`. MODE: `hardware`; `reserve`, the same with frames that are made in the ring
/// (`Endpoint::reserve`) instead of copied to it; `flush`, as on memory without coherent caches; or `activity`, as between kernels
/// that have only memory in common, and so no doorbells.
pub(crate) fn run(words: &[&str]) -> Result<(), Failure> {
    let [end, near, far, segment, mode] = words else { return Err("not a member's arguments".into()) };
    if *end == "far" {
        let mut member = Member::join(Path::new(segment), [2, 1], mode)?;
        pin(far.parse()?)?;
        return worker::far(&mut member);
    }
    let mut member = Member::join(Path::new(segment), [1, 2], mode)?;
    pin(near.parse()?)?;
    let mut command = Command::new(env::current_exe()?);
    worker::near(&mut member, command.args(["shm-worker", "fabric", "far", near, far, segment, mode]))
}

/// One end of a pair.
pub(crate) struct Member {
    fabric: Fabric,
    endpoint: Endpoint,
    peer: NodeId,
    room: Vec<u8>,
    /// Frames are made in the ring.
    reserves: bool,
}

impl Member {
    /// Joins as the first of two nodes; frames go to the second.
    pub(crate) fn join(segment: &Path, [me, peer]: [usize; 2], mode: &str) -> Result<Self, Failure> {
        let coherence = if mode == "flush" { CoherenceMode::Flush } else { CoherenceMode::Hardware };
        let mut config = config(segment, me, 2, coherence)?;
        if mode == "activity" {
            let path = segment.join("region");
            let file = Region::File { path, size: Some(4 * BUDGET), other_kernels: true };
            config.backing = Backing::Region(file, BackOff::default());
        }
        let fabric = Fabric::join(config)?;
        let endpoint = fabric.endpoint(Network::Lsm).ok_or("no endpoint")?;
        // Group rings wait for both networks' endpoints; nothing is sent on this one.
        drop(fabric.endpoint(Network::Gsm));
        Ok(Self { fabric, endpoint, peer: node(peer)?, room: vec![0; LONGEST], reserves: mode == "reserve" })
    }
}

impl Wire for Member {
    #[inline]
    fn send(&mut self, frame: &[u8]) -> bool {
        self.endpoint.transmit(Destination::Node(self.peer), frame, Metadata::default()).is_ok()
    }

    #[inline]
    fn receive(&mut self) -> Option<usize> {
        self.endpoint.receive(&mut self.room).map(|received| received.len)
    }

    #[inline]
    fn send_burst(&mut self, frame: &[u8], times: usize) -> usize {
        if self.reserves {
            return (0..times).take_while(|_| self.make(frame.len(), frame[0])).count();
        }
        let frames = std::iter::repeat_n(frame, times);
        self.endpoint.transmit_burst(self.peer, frames).unwrap_or(0)
    }

    #[inline]
    fn receive_burst(&mut self, limit: usize) -> (usize, usize) {
        let mut sink = Sink { room: &mut self.room, last: 0 };
        let frames = self.endpoint.receive_burst(limit, &mut sink);
        (frames, sink.last)
    }

    #[inline]
    fn turn(&mut self) {
        self.endpoint.flush();
    }

    fn sleep(&mut self) {
        if self.endpoint.prepare_sleep() {
            let mut doorbell = [PollFd::from_borrowed_fd(self.fabric.doorbell(), PollFlags::IN)];
            // Interrupted or timed out: the caller looks again in any case.
            let _ = poll(&mut doorbell, Some(&LONGEST_SLEEP));
            self.endpoint.wake();
        }
    }
}

impl Member {
    /// Makes a frame of `len` times the same byte in the peer's ring, as a producer that needs no memory of its own for it.
    #[inline]
    fn make(&mut self, len: usize, byte: u8) -> bool {
        let Ok(mut room) = self.endpoint.reserve(self.peer, len) else { return false };
        room.slices_mut().into_iter().for_each(|slice| slice.fill(byte));
        room.commit(len, Metadata::default()).is_ok()
    }
}

/// The same room for every frame.
struct Sink<'a> {
    room: &'a mut [u8],
    /// Length of the last frame.
    last: usize,
}

impl FrameSink for Sink<'_> {
    #[inline]
    fn room(&mut self) -> Option<&mut [u8]> {
        Some(self.room)
    }

    #[inline]
    fn received(&mut self, frame: Received) {
        self.last = frame.len;
    }
}

/// A node by its number.
pub(crate) fn node(number: usize) -> Result<NodeId, Failure> {
    Ok(NodeId::new(number.try_into()?).ok_or("a node's number")?)
}

/// The configuration of a member of a segment of `max_nodes`.
pub(crate) fn config(
    segment: &Path,
    me: usize,
    max_nodes: u16,
    coherence: CoherenceMode,
) -> Result<FabricConfig, Failure> {
    let parameters = |third| NetworkParameters {
        area_id: 1,
        network_type: 0,
        hello_interval: 1,
        dead_interval: 4,
        cost: 1,
        mtu: 9000,
        prefix: Ipv4Addr::new(192, 0, third, 0),
        prefix_len: 24,
    };
    Ok(FabricConfig {
        node_id: node(me)?,
        backing: Backing::Directory(segment.to_owned()),
        coherence,
        max_nodes,
        queues: 1,
        geometry: [DEFAULT_GEOMETRY; 2],
        // Workers that poll leave the other threads of a small machine little time.
        timing: Timing { failed: PATIENCE, ..Timing::default() },
        parameters: [parameters(2), parameters(3)],
        facts: Facts::default(),
        takeover: false,
        budget: Some(BUDGET),
    })
}

/// For the profile: one thread that sends 32 frames of 64 bytes and receives them, `bursts` times, on two members of its own.
pub(crate) fn profile(segment: &Path, bursts: usize) -> Result<(), Failure> {
    let mut from = Member::join(segment, [1, 2], "hardware")?;
    let mut to = Member::join(segment, [2, 1], "hardware")?;
    let limit = Instant::now() + PATIENCE;
    while !(from.send(&[0x5a; 64]) && to.receive().is_some()) {
        from.turn();
        to.turn();
        if Instant::now() > limit {
            return Err("the members do not meet".into());
        }
        thread::sleep(Duration::from_millis(1));
    }
    // Rings grow, members settle.
    profiled_bursts(&mut from, &mut to, 10);
    let frames = profiled_bursts(&mut from, &mut to, bursts);
    println!("{frames}");
    Ok(())
}

/// What the profiler looks for by its name.
#[inline(never)]
pub(crate) fn profiled_bursts(from: &mut Member, to: &mut Member, bursts: usize) -> usize {
    let frame = [0x5a; 64];
    let mut frames = 0;
    for _ in 0..bursts {
        from.send_burst(&frame, 32);
        from.turn();
        frames += to.receive_burst(32).0;
        to.turn();
    }
    frames
}
