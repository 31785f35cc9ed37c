//! The node in each process: it sends to all others on both networks, and checks all that it receives.
//!
//! On its standard output it says, with the mark `@`:
//!
//! * `joined`, once;
//! * `wrong ...`, for whatever must not be;
//! * to `report`: `peer ID/INCARNATION+ FRAMES...` for each in its table, the frames received from that incarnation (unicast,
//!   broadcast, multicast of the LSM, then of the GSM), then `reported`;
//! * to `resources`: `resources DESCRIPTORS MAPPINGS KIB`, and what the arena's heap holds;
//! * to `leave`: `left`.

use std::collections::BTreeMap;
use std::os::fd::AsFd;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::Receiver;

use isthmus_shmnet::{
    ActiveNodes, Destination, Endpoint, Event, EventKind, Fabric, FailureReason, Geometry, Metadata, Network,
    NodeId, Received, Timing, TransmitError,
};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::common;
use super::frame::{Frame, kind};
use super::support::Random;

/// Frames of a group that were sent and that a member has not yet said to have: far from filling a lane.
const WINDOW: u64 = 6;

/// Until the next turn of a node to which nothing comes.
const PAUSE: Timespec = Timespec { tv_sec: 0, tv_nsec: 2_000_000 };

pub struct Load {
    me: NodeId,
    incarnation: u64,
    fabric: Fabric,
    endpoints: [Endpoint; 2],
    events: Receiver<Event>,
    random: Random,
    /// By network, kind and sender.
    received: BTreeMap<(usize, u16, NodeId), Last>,
    /// By network and receiver: the last frame, and whom it was certainly for.
    unicast: BTreeMap<(usize, NodeId), (u64, u64)>,
    /// By network and kind, less one: the last frame.
    cast: [[u64; 2]; 2],
    /// By network and member: its incarnation, and what it has, or need not have, of the group frames.
    members: BTreeMap<(usize, NodeId), (u64, [u64; 2])>,
    /// By network and sender: its incarnation, and its group frames when it knew this node already.
    known: BTreeMap<(usize, NodeId), (u64, [u64; 2])>,
    input: String,
}

/// The last frame of a stream, and how many there were of the sender's incarnation.
#[derive(Clone, Copy, Debug, Default)]
struct Last {
    frame: Frame,
    count: u64,
}

/// The body of a process.
pub fn child() {
    let Ok(directory) = std::env::var("ISTHMUS_TEST_DIRECTORY") else { return };
    let id: u16 = std::env::var("ISTHMUS_TEST_NODE").unwrap().parse().unwrap();
    let seed: u64 = std::env::var("ISTHMUS_TEST_OPTIONS").unwrap().parse().unwrap();
    let mut config = common::config(Path::new(&directory), id);
    config.max_nodes = 8;
    config.budget = Some(4 << 20);
    // Small enough to be full now and then, and to be replaced.
    config.geometry = [Geometry::new(8, 512).unwrap(), Geometry::new(16, 256).unwrap()];
    // Nobody is late in this test, whatever else the machine does: deaths are seen by the kernel's mark.
    config.timing = Timing { failed: std::time::Duration::from_secs(40), ..Timing::default() };
    match Fabric::join(config) {
        Ok(fabric) => Load::new(fabric, seed).run(),
        Err(error) => println!("@ wrong: refused, {error}"),
    }
}

impl Load {
    fn new(fabric: Fabric, seed: u64) -> Self {
        println!("@ joined");
        let endpoints = Network::ALL.map(|network| fabric.endpoint(network).unwrap());
        let me = fabric.node();
        let incarnation = fabric.active_nodes().get(me).map_or(0, |node| node.incarnation);
        Self {
            me,
            incarnation,
            endpoints,
            events: fabric.events(),
            fabric,
            random: Random(seed),
            received: BTreeMap::new(),
            unicast: BTreeMap::new(),
            cast: [[0; 2]; 2],
            members: BTreeMap::new(),
            known: BTreeMap::new(),
            input: String::new(),
        }
    }

    fn run(mut self) {
        let mut bytes = vec![0; 1 << 16];
        loop {
            self.listen();
            self.receive(&mut bytes);
            let table = self.fabric.active_nodes();
            for network in 0..2 {
                self.send_to_each(network, &table);
                self.send_to_all(network, &table);
                self.endpoints[network].flush();
            }
            if !self.wait() {
                return;
            }
        }
    }

    /// Until something comes, or for a short while; `false` at the end of the input.
    fn wait(&mut self) -> bool {
        let idle = self.endpoints[0].prepare_sleep() & self.endpoints[1].prepare_sleep();
        let pause = if idle { PAUSE } else { Timespec { tv_sec: 0, tv_nsec: 0 } };
        let stdin = std::io::stdin();
        let mut fds = [
            PollFd::from_borrowed_fd(stdin.as_fd(), PollFlags::IN),
            PollFd::from_borrowed_fd(self.fabric.doorbell(), PollFlags::IN),
        ];
        let _ = poll(&mut fds, Some(&pause));
        let readable = !fds[0].revents().is_empty();
        self.endpoints.iter_mut().for_each(Endpoint::wake);
        !readable || self.obey()
    }

    fn receive(&mut self, bytes: &mut [u8]) {
        for network in 0..2 {
            while let Some(received) = self.endpoints[network].receive(bytes) {
                self.check(network, received, &bytes[..received.len]);
            }
            self.endpoints[network].flush();
        }
    }

    fn check(&mut self, network: usize, received: Received, bytes: &[u8]) {
        let from = received.from;
        let Some(frame) = Frame::decode(bytes) else {
            println!("@ wrong: a corrupt frame of {} bytes, {received:?}", bytes.len());
            return;
        };
        let stream = self.received.entry((network, kind(received.cast), from)).or_default();
        let before = stream.frame;
        let wrong = |what: &str| println!("@ wrong: {what} on {network}: {frame:?} after {before:?}");
        if frame.from != from.get() || frame.kind != kind(received.cast) {
            wrong("not from there");
        }
        if frame.incarnation < before.incarnation {
            wrong("from a former life of its sender");
        }
        if frame.kind == 0 && frame.to > self.incarnation {
            wrong("to a life to come");
        }
        if frame.incarnation == before.incarnation {
            // A joiner hears the groups before all know it, and until then nobody waits for it.
            let known = self.known.get(&(network, from)).filter(|known| known.0 == frame.incarnation);
            let is_early = frame.kind > 0
                && frame.number > before.number
                && known.is_none_or(|known| frame.number <= known.1[usize::from(frame.kind) - 1] + 1);
            if frame.number != before.number + 1 && !is_early {
                wrong("out of order, doubled or lost");
            }
            // What was certainly put into the ring of another life of this node, was read there.
            if frame.kind == 0 && frame.to_before != 0 && frame.to_before != self.incarnation {
                wrong("the one before was for a former life of this node");
            }
            stream.count += 1;
        } else {
            stream.count = 1;
        }
        stream.frame = frame;
        if frame.kind == 0
            && self.known.get(&(network, from)).is_none_or(|known| known.0 != frame.incarnation)
        {
            self.known.insert((network, from), (frame.incarnation, frame.cast_numbers));
        }
        if frame.heard == self.incarnation
            && let Some((incarnation, has)) = self.members.get_mut(&(network, from))
            && *incarnation == frame.incarnation
        {
            for (has, heard) in has.iter_mut().zip(frame.heard_numbers) {
                *has = heard.max(*has);
            }
        }
    }

    fn send_to_each(&mut self, network: usize, table: &ActiveNodes) {
        for other in table.nodes.iter().filter(|other| !other.is_self && other.connected) {
            // Sometimes more than there is room for, so that rings are full and replaced.
            let frames = if self.random.chance(16) { 100 } else { 1 + self.random.below(3) };
            for _ in 0..frames {
                if !self.send(network, other.id, other.incarnation) {
                    break;
                }
            }
        }
    }

    fn send(&mut self, network: usize, to: NodeId, incarnation: u64) -> bool {
        let (number, to_before) = self.unicast.get(&(network, to)).copied().unwrap_or_default();
        let last = [1, 2].map(|kind| self.received.get(&(network, kind, to)).copied().unwrap_or_default());
        // Both groups: what was heard of a former life is no news for this one.
        let heard = last.iter().map(|last| last.frame.incarnation).max().unwrap_or(0);
        let number_of = |last: Last| if last.frame.incarnation == heard { last.frame.number } else { 0 };
        let frame = Frame {
            from: self.me.get(),
            incarnation: self.incarnation,
            kind: 0,
            number: number + 1,
            to: incarnation,
            to_before,
            heard,
            heard_numbers: last.map(number_of),
            cast_numbers: self.cast[network],
        };
        let filling = self.random.below(700) as usize;
        match self.endpoints[network].transmit(
            Destination::Node(to),
            &frame.encode(filling),
            Metadata::default(),
        ) {
            Ok(()) => {
                let now = self.fabric.active_nodes().get(to).map_or(0, |node| node.incarnation);
                let certain = if now == incarnation { incarnation } else { 0 };
                self.unicast.insert((network, to), (number + 1, certain));
                true
            }
            // It may have died, or live again, since the table was read.
            Err(TransmitError::RingFull | TransmitError::NoSuchNode) => false,
            Err(error) => {
                println!("@ wrong: not sent to {to}/{incarnation}, {error}");
                false
            }
        }
    }

    /// A broadcast and a multicast frame, if all members are near to the last ones.
    fn send_to_all(&mut self, network: usize, table: &ActiveNodes) {
        let sent = self.cast[network];
        let mut slowest = sent;
        for other in table.nodes.iter().filter(|other| !other.is_self) {
            let member = self.members.entry((network, other.id)).or_default();
            if member.0 != other.incarnation {
                *member = (other.incarnation, sent);
            }
            slowest = [0, 1].map(|cast| slowest[cast].min(member.1[cast]));
        }
        for (cast, to) in [Destination::Broadcast, Destination::Multicast].into_iter().enumerate() {
            if sent[cast] - slowest[cast] >= WINDOW {
                continue;
            }
            let frame = Frame {
                from: self.me.get(),
                incarnation: self.incarnation,
                kind: 1 + cast as u16,
                number: sent[cast] + 1,
                ..Frame::default()
            };
            let bytes = frame.encode(self.random.below(3000) as usize);
            match self.endpoints[network].transmit(to, &bytes, Metadata::default()) {
                Ok(()) => self.cast[network][cast] += 1,
                // Nobody is there.
                Err(TransmitError::NoListener) => {}
                Err(error) => println!("@ wrong: not sent to all, {error}"),
            }
        }
    }

    fn listen(&self) {
        for event in self.events.try_iter() {
            let is_honest = match &event.kind {
                EventKind::Quarantined { .. }
                | EventKind::Refused { .. }
                | EventKind::SelfClosed { .. }
                | EventKind::Rejoined
                | EventKind::RejoinFailed { .. } => false,
                EventKind::Failed { reason } => matches!(
                    reason,
                    FailureReason::ProcessDeath | FailureReason::HungUp | FailureReason::Replaced
                ),
                EventKind::Allocated { epoch, .. } if *epoch > 1 => {
                    println!("@ grown");
                    true
                }
                EventKind::OwnerChanged { .. } => {
                    println!("@ owner");
                    true
                }
                _ => true,
            };
            if !is_honest {
                println!(
                    "@ wrong: event {} of {}/{}, {:?}",
                    event.number, event.node, event.incarnation, event.kind
                );
            }
        }
    }

    /// `false` when the node is to end.
    fn obey(&mut self) -> bool {
        let mut chunk = [0; 256];
        match rustix::io::read(std::io::stdin().as_fd(), &mut chunk) {
            Ok(0) => return false,
            Ok(len) => self.input.push_str(&String::from_utf8_lossy(&chunk[..len])),
            Err(_) => {}
        }
        while let Some((line, rest)) = self.input.split_once('\n') {
            let line = line.to_owned();
            self.input = rest.to_owned();
            match line.as_str() {
                "report" => self.report(&self.fabric.active_nodes()),
                "resources" => self.tell_resources(),
                "leave" => {
                    self.fabric.leave();
                    println!("@ left");
                    return false;
                }
                other => panic!("unknown command {other}"),
            }
        }
        true
    }

    fn report(&self, table: &Arc<ActiveNodes>) {
        for node in table.nodes.iter().filter(|node| !node.is_self) {
            let counts = [0, 1].map(|network| {
                [0, 1, 2].map(|kind| {
                    let last = self.received.get(&(network, kind, node.id)).copied().unwrap_or_default();
                    let current = last.frame.incarnation == node.incarnation;
                    if current { last.count.to_string() } else { "0".to_owned() }
                })
            });
            let sign = if node.connected { '+' } else { '-' };
            println!("@ peer {}/{}{sign} {}", node.id, node.incarnation, counts.concat().join(" "));
        }
        println!("@ reported");
    }

    fn tell_resources(&self) {
        let fds = std::fs::read_dir("/proc/self/fd").unwrap().count();
        let mappings = std::fs::read_to_string("/proc/self/maps").unwrap().lines().count();
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let anonymous = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
        let kib = anonymous.trim().trim_end_matches(" kB");
        let snapshot = self.fabric.snapshot();
        let mine = snapshot.rings.iter().filter(|ring| ring.transmitter == self.me);
        let rings: u64 = mine.map(|ring| ring.bytes.next_multiple_of(4096)).sum();
        println!("@ resources {fds} {mappings} {kib} {} {rings}", snapshot.bytes_used);
    }
}
