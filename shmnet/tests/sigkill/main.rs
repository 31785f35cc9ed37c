//! SIGKILL, over and over: six nodes with traffic between all of them on both networks, of which four are killed at random
//! moments, also while they join, and started again under the same id.
//!
//! Whenever that happens, the others go on: none of them ends, hangs, or receives a frame that is corrupt, doubled, out of
//! order, lost, or of or for another life; nobody is quarantined or refused; the groups' frames reach every member; whoever comes back
//! is met by all; and nothing that belonged to the dead stays allocated, mapped, open, or in the directory.
//!
//! `ISTHMUS_KILLS=N` for more than the usual number, `ISTHMUS_KILL_SEED=N` for other moments.

#![cfg(not(loom))]
#![allow(unreachable_pub, reason = "a program of several files")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "what fails here fails the test")]

#[path = "../common/mod.rs"]
mod common;
mod frame;
mod load;
#[path = "../support/mod.rs"]
mod support;

use std::collections::BTreeSet;
use std::os::unix::process::ExitStatusExt;
use std::time::{Duration, Instant};

use common::{Node, Segment};
use support::Random;

/// Not a test: the body of each node's process.
#[test]
#[ignore = "started by the other test"]
fn child() {
    load::child();
}

/// They see it all.
const WITNESSES: [u16; 2] = [3, 6];

/// The lowest id, which owns the groups, is among them.
const VICTIMS: [u16; 4] = [1, 2, 4, 5];

/// Kills between two moments at which everybody must have met everybody.
const ROUND: u32 = 10;

/// Long enough for any machine that works at all.
const DEADLINE: Duration = Duration::from_secs(60);

struct World {
    segment: Segment,
    nodes: Vec<Node>,
    random: Random,
    counts: Counts,
}

/// What happened, for whoever runs this.
#[derive(Debug, Default)]
struct Counts {
    kills: u32,
    while_joining: u32,
    without_pause: u32,
    grown: usize,
    owners: usize,
}

impl World {
    fn start(seed: u64) -> Self {
        let mut world = Self {
            segment: Segment::new(),
            nodes: Vec::new(),
            random: Random(seed),
            counts: Counts::default(),
        };
        for id in WITNESSES.into_iter().chain(VICTIMS) {
            let node = world.spawn(id);
            world.nodes.push(node);
        }
        world
    }

    fn spawn(&mut self, id: u16) -> Node {
        let seed = self.random.next();
        Node::start(&self.segment, id, &seed.to_string())
    }

    /// Kills one victim, and starts it again.
    fn kill(&mut self) {
        let index = WITNESSES.len() + self.random.below(VICTIMS.len() as u64) as usize;
        let id = self.nodes[index].id;
        let (status, lines) = self.nodes[index].end();
        assert_eq!(status.signal(), Some(9), "node {id} ended by itself: {status}\n{}", lines.join("\n"));
        self.note(id, &lines);
        self.counts.kills += 1;
        self.counts.while_joining += u32::from(!lines.iter().any(|line| line == "joined"));
        self.nodes[index] = self.spawn(id);
    }

    fn note(&mut self, id: u16, lines: &[String]) {
        if let Some(wrong) = lines.iter().find(|line| line.starts_with("wrong")) {
            panic!("node {id}, after {:?}: {wrong}", self.counts);
        }
        self.counts.grown += lines.iter().filter(|line| *line == "grown").count();
        self.counts.owners += lines.iter().filter(|line| *line == "owner").count();
    }

    /// A number of kills, some in quick succession, others with time for the node to become a member.
    fn kill_some(&mut self, kills: u32) {
        let longest = [0, 3, 20, 60, 150][self.random.below(5) as usize];
        for _ in 0..kills {
            let pause = Duration::from_micros(self.random.below(1000 * longest + 1));
            self.counts.without_pause += u32::from(pause.is_zero());
            std::thread::sleep(pause);
            self.kill();
        }
    }

    /// Waits until everybody has had frames of every kind from every other's present life.
    fn settle(&mut self) {
        let give_up = Instant::now() + DEADLINE;
        for node in &self.nodes {
            node.await_line("join", |line| line == "joined");
        }
        // Of each other's last lives there are frames enough that no kind can be missing by chance.
        for index in 0..self.nodes.len() {
            loop {
                let node = &mut self.nodes[index];
                let mark = node.mark();
                node.say("report");
                node.await_line_after(mark, "report", |line| line == "reported");
                let lines = node.lines();
                let id = node.id;
                if let Some(wrong) = lines.iter().find(|line| line.starts_with("wrong")) {
                    panic!("node {id}, after {:?}: {wrong}", self.counts);
                }
                let report: Vec<&String> =
                    lines[mark..].iter().filter(|line| line.starts_with("peer")).collect();
                let settled = report.iter().filter(|line| {
                    let words: Vec<&str> = line.split(' ').collect();
                    words[1].ends_with('+') && words[2..].iter().all(|count| *count != "0")
                });
                if settled.count() == self.nodes.len() - 1 {
                    break;
                }
                let told = &lines[lines.len().saturating_sub(40)..];
                assert!(Instant::now() < give_up, "node {id}, after {:?}: {told:#?}", self.counts);
                std::thread::sleep(Duration::from_millis(5));
            }
        }
    }

    /// There is nothing of the dead left in the directory.
    fn check_directory(&self) {
        let mut expected = BTreeSet::new();
        for node in &self.nodes {
            expected.extend(["arena", "lock", "sock"].map(|end| format!("node-{:03}.{end}", node.id)));
        }
        let entries = std::fs::read_dir(self.segment.path()).unwrap();
        let names: BTreeSet<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        assert_eq!(names, expected);
    }

    /// What the witnesses hold: descriptors, mappings and KiB of memory of their own; and their arenas hold the rings that are shown,
    /// and nothing else.
    fn resources(&mut self) -> Vec<[u64; 3]> {
        let ask = |node: &mut Node| {
            let give_up = Instant::now() + DEADLINE;
            loop {
                let mark = node.mark();
                node.say("resources");
                let line =
                    node.await_line_after(mark, "tell what it holds", |line| line.starts_with("resources"));
                let numbers: Vec<u64> = line.split(' ').skip(1).map(|word| word.parse().unwrap()).collect();
                // For a moment there is also the ring that was replaced.
                if numbers[3] == header() + numbers[4] {
                    return [numbers[0], numbers[1], numbers[2]];
                }
                assert!(
                    Instant::now() < give_up,
                    "node {}: the heap holds more than the rings, {line}",
                    node.id
                );
            }
        };
        self.nodes[..WITNESSES.len()].iter_mut().map(ask).collect()
    }

    /// All leave, one after the other.
    fn leave(mut self) -> Counts {
        let nodes = std::mem::take(&mut self.nodes);
        for mut node in nodes {
            node.say("leave");
            node.await_line("leave", |line| line == "left");
            let lines = node.lines();
            self.note(node.id, &lines);
        }
        self.counts
    }
}

/// Bytes of an arena before its heap, by `docs/architecture/segment.md`, of a segment for 8 nodes.
fn header() -> u64 {
    let groups = (0x2c00_u64 + 8 * (256 + 256 + 128) + 256).next_multiple_of(4096);
    let group = isthmus_shmnet::group::GroupGeometry::new(8, 32, 2048, 512).unwrap().bytes() as u64;
    groups + 4 * group.next_multiple_of(4096)
}

#[test]
fn the_survivors_of_a_thousand_kills_go_on() {
    let number = |name, usual: u64| std::env::var(name).map_or(usual, |text| text.parse().unwrap());
    let kills = number("ISTHMUS_KILLS", 1000) as u32;
    let mut world = World::start(number("ISTHMUS_KILL_SEED", 1));
    world.settle();
    let mut first = None;
    while world.counts.kills < kills {
        world.kill_some(ROUND.min(kills - world.counts.kills));
        world.settle();
        world.check_directory();
        let now = world.resources();
        // After some rounds all that is ever used has been used once.
        if world.counts.kills >= 50 {
            let first = first.get_or_insert_with(|| now.clone());
            for (now, first) in now.iter().zip(first.iter()) {
                let [descriptors, mappings, kib] = [0, 1, 2].map(|at| now[at].saturating_sub(first[at]));
                let leaks = descriptors > 16 || mappings > 64 || kib > 32 << 10;
                assert!(!leaks, "after {:?}: {first:?}, then {now:?}", world.counts);
            }
        }
    }
    let counts = world.leave();
    println!("{counts:?}");
    if counts.kills >= 200 {
        assert!(
            counts.while_joining > counts.kills / 20 && counts.while_joining < counts.kills,
            "{counts:?}"
        );
        assert!(counts.grown > 0 && counts.owners > 0, "{counts:?}");
    }
}
