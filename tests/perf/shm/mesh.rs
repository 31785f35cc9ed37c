//! Many nodes: what a packet and an idle poll cost as their number grows, how much memory they take, and how long the last
//! one of them needs from its start to traffic with all others.
//!
//! The nodes are spread over nine processes, the last of which has the last node alone. For the curves the processes take
//! turns on one core: with two cores, nodes that all ran at once would measure the scheduler. What the curves show is what
//! grows with the number of nodes on any machine: the rings that a receiver has to look at, and the memory that no longer
//! fits its caches. For the start all nodes sleep on their doorbells, as nodes without traffic do.

use std::env;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::contestant::Process;
use super::mesh_node::NODES;
use super::{Failure, Segment};
use crate::row::{Row, Target, median};

/// Numbers of nodes on the curve.
const NUMBERS: [usize; 6] = [2, 4, 8, 16, 32, NODES];
/// Processes that share the nodes but the last one.
const PROCESSES: usize = 8;
/// How long each point is measured.
const WINDOW: Duration = Duration::from_millis(400);
/// The longest time for an answer.
const PATIENCE: Duration = Duration::from_secs(90);

/// One point of the curves.
pub(crate) struct Point {
    pub(crate) nodes: usize,
    /// Nanoseconds of processor time to send and receive a frame of 64 bytes.
    pub(crate) packet: f64,
    /// Nanoseconds to find that no peer has sent anything.
    pub(crate) poll: f64,
    /// Memory of the segment, in bytes, divided by ordered pairs of nodes and by the two networks.
    pub(crate) memory_per_ring: f64,
    /// Memory of the segment in bytes, before anything but the first frames was sent.
    pub(crate) memory: u64,
    /// The same after all have sent bursts to all, and rings that were full have grown.
    pub(crate) loaded: u64,
}

impl Point {
    fn to_json(&self) -> Value {
        json!({
            "nodes": self.nodes, "packet-ns": (self.packet * 10.0).round() / 10.0,
            "idle-poll-ns": (self.poll * 10.0).round() / 10.0,
            "memory-per-ring-bytes": self.memory_per_ring.round(), "memory-bytes": self.memory,
            "memory-loaded-bytes": self.loaded,
        })
    }
}

/// The curves, and the rows that are read from them.
pub(crate) struct Mesh {
    pub(crate) points: Vec<Point>,
    pub(crate) rows: Vec<Row>,
}

impl Mesh {
    pub(crate) fn to_json(&self) -> Value {
        self.points.iter().map(Point::to_json).collect()
    }
}

/// Measures in a segment of its own.
pub(crate) fn measure(runs: usize) -> Result<Mesh, Failure> {
    let segment = Segment::new("mesh")?;
    let mut parts = Parts::start(segment.path())?;
    let mut points = Vec::new();
    for number in NUMBERS {
        parts.all(&format!("join {number}"))?;
        parts.all(&format!("meet {number}"))?;
        let idle = memory(segment.path())?;
        let packet = packet(&mut parts, number)?;
        let loaded = memory(segment.path())?;
        let poll = parts.ask(0, "poll 0")?[0];
        eprintln!("all to all: {number} nodes, {packet:.1} ns a packet, {poll:.1} ns an idle poll");
        let rings = number * (number - 1) * 2;
        points.push(Point {
            nodes: number,
            packet,
            poll,
            memory_per_ring: idle as f64 / rings as f64,
            memory: idle,
            loaded,
        });
    }
    let starts = starts(&mut parts, runs)?;
    let mut rows = vec![Row {
        name: "start-64-nodes",
        state: "all",
        unit: "ms",
        theirs: vec![1.0],
        ours: starts,
        peer: "target",
        target: Target::AtMost(50.0),
        dropped: 0,
    }];
    if let [first, .., last] = &points[..] {
        let row = |name, unit, ours, theirs, target| Row {
            name,
            state: "all",
            unit,
            ours: vec![ours],
            peer: "2 nodes",
            theirs: vec![theirs],
            target: Target::AtMost(target),
            dropped: 0,
        };
        rows.push(row("all-to-all-packet", "ns", last.packet, first.packet, 4.0));
        rows.push(row("all-to-all-idle-poll", "ns", last.poll, first.poll, 63.0));
        rows.push(row("all-to-all-memory", "bytes a ring", last.memory_per_ring, first.memory_per_ring, 1.0));
    }
    Ok(Mesh { points, rows })
}

/// Processes of the mesh.
struct Parts {
    processes: Vec<Process>,
}

impl Parts {
    fn start(segment: &Path) -> Result<Self, Failure> {
        let program = env::current_exe()?;
        let part = |first: usize, step: usize| {
            let mut command = Command::new(&program);
            command.args(["shm-worker", "mesh"]).arg(segment);
            Process::start(command.args([first.to_string(), step.to_string()]))
        };
        let mut processes =
            (1..=PROCESSES).map(|first| part(first, PROCESSES)).collect::<Result<Vec<_>, _>>()?;
        processes.push(part(NODES, NODES)?);
        Ok(Self { processes })
    }

    fn say(&mut self, part: usize, command: &str) -> Result<(), Failure> {
        self.processes[part].say(command)
    }

    fn hear(&self, part: usize) -> Result<Vec<f64>, Failure> {
        self.processes[part].await_line(PATIENCE, |line| {
            line.split_whitespace().map(|word| word.parse().ok()).collect::<Option<Vec<f64>>>()
        })
    }

    fn ask(&mut self, part: usize, command: &str) -> Result<Vec<f64>, Failure> {
        self.say(part, command)?;
        self.hear(part)
    }

    /// All at once.
    fn all(&mut self, command: &str) -> Result<(), Failure> {
        for part in 0..self.processes.len() {
            self.say(part, command)?;
        }
        for part in 0..self.processes.len() {
            self.hear(part)?;
        }
        Ok(())
    }
}

/// Each node sends to each, then each receives all; nanoseconds of the core for each frame that was received.
fn packet(parts: &mut Parts, number: usize) -> Result<f64, Failure> {
    let mut rounds = Vec::new();
    let begin = Instant::now();
    while begin.elapsed() < WINDOW || rounds.len() < 5 {
        let (mut nanoseconds, mut frames) = (0.0, 0.0);
        for part in 0..parts.processes.len() {
            nanoseconds += parts.ask(part, &format!("send {number}"))?[0];
        }
        for part in 0..parts.processes.len() {
            let received = parts.ask(part, &format!("receive {number}"))?;
            nanoseconds += received[0];
            frames += received[1];
        }
        rounds.push(nanoseconds / f64::max(frames, 1.0));
    }
    Ok(median(&rounds))
}

/// What the segment's files take.
fn memory(segment: &Path) -> Result<u64, Failure> {
    let mut bytes = 0;
    for entry in fs::read_dir(segment)? {
        bytes += entry?.metadata()?.blocks() * 512;
    }
    Ok(bytes)
}

/// Milliseconds from the start of the last node to an answer from each other one, `runs` times.
fn starts(parts: &mut Parts, runs: usize) -> Result<Vec<f64>, Failure> {
    let last = parts.processes.len() - 1;
    let mut milliseconds = Vec::new();
    for _ in 0..runs {
        parts.ask(last, &format!("leave {NODES}"))?;
        parts.all(&format!("forget {NODES}"))?;
        for part in 0..last {
            parts.say(part, &format!("serve {NODES}"))?;
        }
        milliseconds.push(parts.ask(last, &format!("start {NODES}"))?[0]);
        eprintln!("start of node {NODES}: {:.1} ms", milliseconds.last().unwrap_or(&0.0));
        for part in 0..last {
            parts.say(part, "rest 0")?;
        }
        for part in 0..last {
            parts.hear(part)?;
        }
    }
    Ok(milliseconds)
}
