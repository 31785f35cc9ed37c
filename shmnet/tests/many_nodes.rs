//! A segment for 256 nodes, with as many of them as one process can have, and with as many as there can be in several.
//!
//! `ISTHMUS_MANY_NODES=N` for another number than 24, `ISTHMUS_MANY_PROCESSES=P` for another number of processes than 2. A node has
//! three descriptors for each other one, four threads and one more for each 127 nodes that may come, and a mapping of each other's arena.
//! So what limits the nodes of *one process* is,
//! in this order: descriptors (20,000 are 80 nodes; 256 would take 196,000), the 16,384 guarded mappings of a process (128 nodes), and the
//! kernel's `vm.max_map_count` of 65,530 (255 nodes). None of them is near where each node is a process, or a few are:
//! `ISTHMUS_MANY_NODES=256 ISTHMUS_MANY_PROCESSES=16` took 57 s on two shared cores (unoptimised build): 36 s to join, 4 s until each was
//! connected with each, 7 s for a frame from each to each, 10 s to leave. docs/architecture/memory.md has the memory that it took.

#![cfg(not(loom))]
#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

mod common;

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use common::{Segment, config, node};
use isthmus_shmnet::{Destination, Endpoint, Fabric, FabricConfig, Metadata, Network, Timing};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// The largest segment.
const ROOM: u16 = 256;
const DEADLINE: Duration = Duration::from_secs(240);
/// Bytes of a small first ring of the default geometry, in whole pages.
const SMALL_RING: u64 = 36_864;

fn await_that(what: &str, mut is_so: impl FnMut() -> bool) {
    let give_up = Instant::now() + DEADLINE;
    while !is_so() {
        assert!(Instant::now() < give_up, "in vain: {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn join(segment: &Path, id: u16) -> (Fabric, Endpoint) {
    let config = config(segment, id);
    // So many hearts share few processors here: each looks at each other one every time that it beats, 6.5 million times a second for
    // 256 nodes at the default of 10 ms.
    let heartbeat =
        if setting(NODES, 24) > 64 { Duration::from_millis(100) } else { config.timing.heartbeat };
    let timing = Timing { heartbeat, suspect: Duration::from_secs(20), failed: Duration::from_secs(60) };
    let fabric = Fabric::join(FabricConfig { max_nodes: ROOM, timing, ..config }).unwrap();
    let endpoint = fabric.endpoint(Network::Lsm).unwrap();
    drop(fabric.endpoint(Network::Gsm));
    (fabric, endpoint)
}

const NODES: &str = "ISTHMUS_MANY_NODES";
const PROCESSES: &str = "ISTHMUS_MANY_PROCESSES";
/// For a child: the segment, and which of the processes it is.
const SEGMENT: &str = "ISTHMUS_MANY_SEGMENT";
const PART: &str = "ISTHMUS_MANY_PART";

fn setting(name: &str, default: u16) -> u16 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap())
}

fn open_many_files() {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum }).unwrap();
}

/// The lowest and the highest ids, for what is laid out by id.
fn ids(number: u16) -> Vec<u16> {
    (1..=number / 2).chain(ROOM - (number - number / 2) + 1..=ROOM).collect()
}

fn await_connected(nodes: &[(Fabric, Endpoint)], all: usize) {
    for (fabric, _) in nodes {
        await_that("each is connected with all", || {
            let table = fabric.active_nodes();
            table.nodes.len() == all && table.nodes.iter().all(|node| node.connected)
        });
    }
}

/// From each of `nodes`, whose ids are `own`, a frame to each other of `ids`.
fn send_to_all(nodes: &mut [(Fabric, Endpoint)], own: &[u16], ids: &[u16]) {
    for ((_, endpoint), me) in nodes.iter_mut().zip(own) {
        for to in ids.iter().filter(|to| *to != me) {
            await_that("there is a ring", || {
                let to = Destination::Node(node(*to));
                endpoint.transmit(to, &me.to_le_bytes(), Metadata::default()).is_ok()
            });
        }
        endpoint.flush();
    }
}

/// Each of `nodes` has one frame of each other of `ids`.
fn await_all(nodes: &mut [(Fabric, Endpoint)], own: &[u16], ids: &[u16]) {
    for ((_, endpoint), me) in nodes.iter_mut().zip(own) {
        let (mut frame, mut from) = ([0; 64], Vec::new());
        await_that("a frame of each other", || {
            while let Some(received) = endpoint.receive(&mut frame) {
                assert_eq!(frame[..received.len], received.from.get().to_le_bytes());
                from.push(received.from.get());
            }
            from.len() >= ids.len() - 1
        });
        from.sort_unstable();
        let others: Vec<u16> = ids.iter().copied().filter(|id| id != me).collect();
        assert_eq!(from, others);
    }
}

/// A process with some of the nodes. It does a step for each line that it gets, and says so.
struct Part {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Part {
    fn start(segment: &Path, number: u16, processes: u16, part: u16) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "part", "--nocapture", "--ignored", "--test-threads=1"])
            .env(SEGMENT, segment)
            .envs(
                [(NODES, number), (PROCESSES, processes), (PART, part)].map(|(key, n)| (key, n.to_string())),
            )
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let input = child.stdin.take();
        let output = BufReader::new(child.stdout.take().unwrap());
        Self { child, input, output }
    }

    fn say(&mut self, step: &str) {
        writeln!(self.input.as_mut().unwrap(), "{step}").unwrap();
    }

    /// Waits until the step is done.
    fn await_done(&mut self, step: &str) {
        let mut line = String::new();
        loop {
            line.clear();
            assert!(self.output.read_line(&mut line).unwrap() > 0, "a process has failed before: {step}");
            if line.trim_end() == format!("done {step}") {
                return;
            }
        }
    }

    /// Kilobytes of a field of `/proc/PID/smaps_rollup`.
    fn kilobytes(&self, field: &str) -> u64 {
        let text = std::fs::read_to_string(format!("/proc/{}/smaps_rollup", self.child.id())).unwrap();
        let line = text.lines().find(|line| line.starts_with(&format!("{field}:"))).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        self.input = None;
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Not a test: the body of each process.
#[test]
#[ignore = "started by the other test"]
fn part() {
    open_many_files();
    let segment = std::path::PathBuf::from(std::env::var_os(SEGMENT).unwrap());
    let (processes, part) = (usize::from(setting(PROCESSES, 0)), usize::from(setting(PART, 0)));
    let ids = ids(setting(NODES, 0));
    let own: Vec<u16> = ids.iter().copied().skip(part).step_by(processes).collect();
    let mut nodes = Vec::new();
    println!();
    for step in std::io::stdin().lines() {
        let step = step.unwrap();
        match &*step {
            "join" => nodes.extend(own.iter().map(|id| join(&segment, *id))),
            "meet" => await_connected(&nodes, ids.len()),
            "send" => send_to_all(&mut nodes, &own, &ids),
            "receive" => await_all(&mut nodes, &own, &ids),
            "leave" => nodes.clear(),
            _ => panic!("no such step: {step}"),
        }
        println!("done {step}");
    }
}

/// Memory that the processes have each for itself.
fn private_kilobytes(parts: &[Part]) -> u64 {
    parts.iter().map(|part| part.kilobytes("Private_Dirty")).sum()
}

/// Bytes behind the arenas of a segment.
fn arena_bytes(segment: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt;
    std::fs::read_dir(segment).unwrap().map(|entry| entry.unwrap().metadata().unwrap().blocks() * 512).sum()
}

#[test]
fn nodes_in_several_processes_meet_and_each_has_a_frame_of_each() {
    let (number, processes) = (setting(NODES, 24), setting(PROCESSES, 2));
    let segment = Segment::new();
    let begun = Instant::now();
    let mut parts: Vec<Part> =
        (0..processes).map(|part| Part::start(segment.path(), number, processes, part)).collect();
    for step in ["join", "meet", "send", "receive", "leave"] {
        parts.iter_mut().for_each(|part| part.say(step));
        parts.iter_mut().for_each(|part| part.await_done(step));
        // Not asserted: the machine decides how soon, and how much.
        let (arenas, own) =
            (arena_bytes(segment.path()) >> 20, private_kilobytes(&parts) / u64::from(number));
        let after = begun.elapsed().as_secs_f64();
        println!(
            "{number} nodes, {step} after {after:.1} s: arenas {arenas} MiB, {own} KiB of private memory a node"
        );
    }
    let left = std::fs::read_dir(segment.path()).unwrap().map(|entry| entry.unwrap().file_name());
    let left: Vec<_> = left.filter(|name| !name.to_str().unwrap().ends_with(".lock")).collect();
    assert!(left.is_empty(), "left behind by nodes that have left: {left:?}");
}

#[test]
fn nodes_of_a_segment_for_256_meet_and_leave_room_for_the_others() {
    let number = setting(NODES, 24);
    open_many_files();
    let segment = Segment::new();
    let ids = ids(number);
    let mut nodes: Vec<(Fabric, Endpoint)> = ids.iter().map(|id| join(segment.path(), *id)).collect();
    await_connected(&nodes, ids.len());
    send_to_all(&mut nodes, &ids, &ids);
    await_all(&mut nodes, &ids, &ids);

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
