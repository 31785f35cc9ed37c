//! A process of the mesh: some nodes, all of whose endpoints one thread works for.
//!
//! ```text
//! join N        all nodes of this process up to N are members                     ->  0
//! meet N        every node here has had a frame of every other one up to N        ->  0
//! send N        each node here sends a burst to each other one up to N            ->  nanoseconds, frames
//! receive N     each node here receives all that has come                         ->  nanoseconds, frames
//! poll N        one receive of the first node here that finds nothing             ->  nanoseconds
//! serve N       sleeps and answers frames of node N until `rest`                  ->  0, after `rest`
//! forget N      no node here can send to node N                                   ->  0
//! leave N       node N of this process leaves                                     ->  0
//! start N       node N of this process joins, and has an answer of all below N    ->  milliseconds
//! ```

use std::io::{self, BufRead, BufReader, Stdin, Write};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use isthmus_shmnet::{CoherenceMode, Destination, Endpoint, Fabric, Metadata, Network, NodeId};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::Failure;
use super::fabric::{config, node};
use super::probe::{CORES, pin, unpin};
use crate::row::median;

/// The most nodes of the mesh.
pub(crate) const NODES: usize = 64;
/// Frames to each peer in a burst.
const BURST: usize = 32;
/// How long nodes may take to meet.
const PATIENCE: Duration = Duration::from_secs(60);
/// The longest sleep.
const LONGEST_SLEEP: Timespec = Timespec { tv_sec: 0, tv_nsec: 50_000_000 };
const FRAME: [u8; 64] = [0x5a; 64];

/// `SEGMENT FIRST STEP`: the nodes FIRST, FIRST + STEP and so on.
pub(crate) fn run(words: &[&str]) -> Result<(), Failure> {
    let [segment, first, step] = words else { return Err("not a mesh's arguments".into()) };
    // Each pair of nodes has sockets, files and mappings.
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum })?;
    let mut part = Part {
        segment: PathBuf::from(segment),
        next: first.parse()?,
        step: step.parse()?,
        members: Vec::new(),
    };
    let mut input = BufReader::new(io::stdin());
    let mut line = String::new();
    while input.read_line(&mut line)? > 0 {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [what, number] = words[..] else { return Err(format!("not a command: {line}").into()) };
        let answer = part.obey(what, number.parse()?, &mut input)?;
        println!("{}", answer.iter().map(f64::to_string).collect::<Vec<_>>().join(" "));
        io::stdout().flush()?;
        line.clear();
    }
    Ok(())
}

/// The nodes of this process.
struct Part {
    segment: PathBuf,
    next: usize,
    step: usize,
    members: Vec<Member>,
}

/// One of them.
struct Member {
    id: NodeId,
    number: usize,
    endpoint: Endpoint,
    fabric: Fabric,
    /// Peers that an answer is due to.
    due: Vec<NodeId>,
}

impl Member {
    fn join(segment: &Path, number: usize) -> Result<Self, Failure> {
        let mut config = config(segment, number, NODES as u16, CoherenceMode::Hardware)?;
        config.budget = None;
        let fabric = Fabric::join(config)?;
        let endpoint = fabric.endpoint(Network::Lsm).ok_or("no endpoint")?;
        // Group rings wait for both networks' endpoints; nothing is sent on this one.
        drop(fabric.endpoint(Network::Gsm));
        Ok(Self { id: node(number)?, number, endpoint, fabric, due: Vec::new() })
    }

    fn send(&mut self, to: NodeId) -> bool {
        self.endpoint.transmit(Destination::Node(to), &FRAME, Metadata::default()).is_ok()
    }

    fn drain(&mut self) -> u32 {
        let (mut into, mut frames) = ([0; 2048], 0);
        while self.endpoint.receive(&mut into).is_some() {
            frames += 1;
        }
        frames
    }

    /// Sends a frame to each of `peers` and receives until each of them has sent one.
    fn meet(&mut self, peers: &[NodeId], heard: &mut [bool], sent: &mut [bool]) {
        let mut into = [0; 2048];
        for (sent, peer) in sent.iter_mut().zip(peers) {
            *sent = *sent || self.send(*peer);
        }
        while let Some(received) = self.endpoint.receive(&mut into) {
            if let Some(from) = peers.iter().position(|peer| *peer == received.from) {
                heard[from] = true;
            }
        }
        self.endpoint.flush();
    }
}

impl Part {
    fn obey(&mut self, what: &str, number: usize, input: &mut BufReader<Stdin>) -> Result<Vec<f64>, Failure> {
        let timed = |begun: Instant, frames: u32| vec![begun.elapsed().as_nanos() as f64, f64::from(frames)];
        match what {
            "join" => {
                // The last node has a process of its own.
                while self.next <= number && (self.next < NODES || self.step == NODES) {
                    self.members.push(Member::join(&self.segment, self.next)?);
                    self.next += self.step;
                }
                Ok(vec![0.0])
            }
            "meet" => self.meet(number),
            "send" => {
                pin(CORES[0])?;
                let begun = Instant::now();
                let frames = self.send(number)?;
                Ok(timed(begun, frames))
            }
            "receive" => {
                let (begun, mut frames) = (Instant::now(), 0);
                for member in &mut self.members {
                    frames += member.drain();
                    member.endpoint.flush();
                }
                Ok(timed(begun, frames))
            }
            "poll" => Ok(vec![self.idle_poll()?]),
            "serve" => {
                unpin()?;
                self.serve(node(number)?, input)
            }
            "forget" => self.forget(node(number)?),
            "leave" => {
                self.members.retain(|member| member.number != number);
                Ok(vec![0.0])
            }
            "start" => {
                // As the threads of a node run that has just been started: on any core.
                unpin()?;
                self.start(number)
            }
            _ => Err(format!("not a command: {what}").into()),
        }
    }

    fn meet(&mut self, number: usize) -> Result<Vec<f64>, Failure> {
        let limit = Instant::now() + PATIENCE;
        let all: Vec<NodeId> = (1..=number).map(node).collect::<Result<_, _>>()?;
        let mut states: Vec<_> = self
            .members
            .iter()
            .map(|member| {
                let peers: Vec<NodeId> = all.iter().copied().filter(|id| *id != member.id).collect();
                let flags = vec![false; peers.len()];
                (peers, flags.clone(), flags)
            })
            .collect();
        while states.iter().any(|(_, heard, sent)| heard.contains(&false) || sent.contains(&false)) {
            for (member, (peers, heard, sent)) in self.members.iter_mut().zip(&mut states) {
                member.meet(peers, heard, sent);
            }
            if Instant::now() > limit {
                return Err(format!("{number} nodes do not meet within {PATIENCE:?}").into());
            }
            // The fabrics' own threads need the cores too.
            thread::sleep(Duration::from_millis(1));
        }
        Ok(vec![0.0])
    }

    fn send(&mut self, number: usize) -> Result<u32, Failure> {
        let mut frames = 0;
        for member in &mut self.members {
            let me = member.number;
            for peer in (1..=number).filter(|peer| *peer != me) {
                let peer = node(peer)?;
                for _ in 0..BURST {
                    frames += u32::from(member.send(peer));
                }
            }
            member.endpoint.flush();
        }
        Ok(frames)
    }

    fn idle_poll(&mut self) -> Result<f64, Failure> {
        const POLLS: u32 = 1000;
        let member = self.members.first_mut().ok_or("no node")?;
        let mut into = [0; 2048];
        let mut parts = Vec::new();
        for _ in 0..20 {
            member.drain();
            let begun = Instant::now();
            for _ in 0..POLLS {
                std::hint::black_box(member.endpoint.receive(&mut into));
            }
            parts.push(begun.elapsed().as_nanos() as f64 / f64::from(POLLS));
        }
        Ok(median(&parts))
    }

    /// As a node's worker does: receives, answers, and sleeps when there is nothing.
    fn serve(&mut self, newcomer: NodeId, input: &mut BufReader<Stdin>) -> Result<Vec<f64>, Failure> {
        loop {
            let mut frames = 0;
            let mut into = [0; 2048];
            for member in &mut self.members {
                while let Some(received) = member.endpoint.receive(&mut into) {
                    frames += 1;
                    if received.from == newcomer {
                        member.due.push(newcomer);
                    }
                }
                // The newcomer may have a ring to here before there is one back.
                while member.due.last().is_some_and(|peer| {
                    member.endpoint.transmit(Destination::Node(*peer), &FRAME, Metadata::default()).is_ok()
                }) {
                    member.due.pop();
                }
                member.endpoint.flush();
            }
            if frames == 0 && self.sleep(input)? {
                let mut line = String::new();
                input.read_line(&mut line)?;
                self.members.iter_mut().for_each(|member| member.due.clear());
                return Ok(vec![0.0]);
            }
        }
    }

    /// Sleeps until a doorbell rings; whether there is a command.
    fn sleep(&mut self, input: &BufReader<Stdin>) -> Result<bool, Failure> {
        if !input.buffer().is_empty() {
            return Ok(true);
        }
        let asleep = self.members.iter_mut().all(|member| member.endpoint.prepare_sleep());
        let mut ready = false;
        if asleep {
            let doorbells = self.members.iter().map(|member| member.fabric.doorbell());
            let mut all: Vec<PollFd<'_>> =
                doorbells.map(|bell| PollFd::from_borrowed_fd(bell, PollFlags::IN)).collect();
            all.push(PollFd::new(input.get_ref(), PollFlags::IN));
            // Interrupted or timed out: the caller looks again in any case.
            let _ = poll(&mut all, Some(&LONGEST_SLEEP));
            ready = all.last().is_some_and(|input| !input.revents().is_empty());
        }
        for member in &mut self.members {
            member.endpoint.wake();
        }
        Ok(ready)
    }

    fn forget(&mut self, gone: NodeId) -> Result<Vec<f64>, Failure> {
        let limit = Instant::now() + PATIENCE;
        while self.members.iter_mut().any(|member| member.id != gone && member.send(gone)) {
            self.members.iter_mut().for_each(|member| {
                member.drain();
                member.endpoint.flush();
            });
            if Instant::now() > limit {
                return Err("a node that left is not forgotten".into());
            }
            thread::sleep(Duration::from_millis(1));
        }
        Ok(vec![0.0])
    }

    fn start(&mut self, number: usize) -> Result<Vec<f64>, Failure> {
        let peers: Vec<NodeId> = (1..number).map(node).collect::<Result<_, _>>()?;
        let (mut heard, mut sent) = (vec![false; peers.len()], vec![false; peers.len()]);
        let begun = Instant::now();
        let mut newcomer = Member::join(&self.segment, number)?;
        while heard.contains(&false) {
            newcomer.meet(&peers, &mut heard, &mut sent);
            if begun.elapsed() > PATIENCE {
                return Err(
                    format!("node {number} has no traffic with all others within {PATIENCE:?}").into()
                );
            }
            thread::yield_now();
        }
        let took = begun.elapsed().as_secs_f64() * 1e3;
        self.members.push(newcomer);
        Ok(vec![took])
    }
}
