//! Chaos: nodes whose arenas somebody overwrites, cuts short and punches holes into, while three others have traffic.
//!
//! Whatever is written, the honest nodes' frames to each other arrive, each once and in order; none of them ends, hangs, or
//! takes ever more memory or descriptors; and what cannot be an honest node's is quarantined, by each of them, with its cause.
//!
//! First every field by itself, as [`cases`] lists them, then random words at random places: `ISTHMUS_CHAOS_SEEDS=N` for more.

#![cfg(not(loom))]
#![allow(unreachable_pub, reason = "a program of several files")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "what fails here fails the test")]

mod arena;
mod cases;
#[path = "../common/mod.rs"]
mod common;
#[path = "../support/mod.rs"]
mod support;

use std::time::{Duration, Instant};

use arena::{Arena, CLOSED};
use cases::{CASES, Case, Outcome};
use common::{Node, Segment};
use rustix::process::Signal;
use support::Random;

/// Not a test: the body of each node's process.
#[test]
#[ignore = "started by the other tests"]
fn child() {
    common::child();
}

/// Above all hostile ones: it is for one of those to own the group rings.
const HONEST: [u16; 3] = [41, 42, 43];

/// Hostile nodes at a time.
const BATCH: usize = 12;

const OPTIONS: &str = "tally failed=50";

const PATIENCE: Duration = Duration::from_secs(20);

struct Honest {
    nodes: Vec<Node>,
    rounds: u64,
}

impl Honest {
    fn join(segment: &Segment) -> Self {
        let nodes: Vec<Node> = HONEST.iter().map(|id| Node::join_with(segment, *id, OPTIONS)).collect();
        nodes.iter().for_each(|node| node.await_members(&HONEST));
        Self { nodes, rounds: 0 }
    }

    /// All three send to each other and to the hostile ones, and everything that they sent to each other arrives.
    fn round(&mut self, hostile: &[u16]) {
        self.rounds += 1;
        for node in &mut self.nodes {
            for network in ["lsm", "gsm"] {
                let me = node.id;
                for to in HONEST.iter().filter(|to| **to != me) {
                    node.say(&format!("stream {network} {to} 10"));
                }
                node.say(&format!("stream {network} broadcast 1"));
                node.say(&format!("stream {network} multicast 1"));
            }
            for to in hostile {
                node.say(&format!("try lsm {to} 2"));
            }
        }
        for index in 0..self.nodes.len() {
            let mut expected = Vec::new();
            for from in HONEST.iter().filter(|from| **from != self.nodes[index].id) {
                for network in ["lsm", "gsm"] {
                    expected.push(format!("{network}/Unicast/{from}={}", 10 * self.rounds));
                    expected.push(format!("{network}/Broadcast/{from}={}", self.rounds));
                    expected.push(format!("{network}/Multicast/{from}={}", self.rounds));
                }
            }
            self.await_tally(index, &expected);
        }
    }

    /// Waits until a node has received so much.
    fn await_tally(&mut self, index: usize, expected: &[String]) {
        let node = &mut self.nodes[index];
        let give_up = Instant::now() + PATIENCE;
        loop {
            let mark = node.mark();
            node.say("tally");
            let tally = node.await_line_after(mark, "tell its tally", |line| line.starts_with("tally"));
            let words: Vec<&str> = tally.split(' ').collect();
            if expected.iter().all(|wanted| words.contains(&wanted.as_str())) {
                return;
            }
            if Instant::now() >= give_up {
                node.say("snapshot");
                node.await_line_after(mark, "end its snapshot", |line| line.starts_with("snapshot used"));
                let lines = node.lines();
                let groups: Vec<_> = lines[mark..].iter().filter(|line| line.starts_with("group")).collect();
                panic!("node {}: {expected:?} is not in {tally}\n{groups:#?}", node.id);
            }
        }
    }

    /// Nothing of each other's was lost, doubled, out of order or refused.
    fn check(&self) {
        for node in &self.nodes {
            for line in node.lines() {
                let concerns_honest =
                    HONEST.iter().any(|id| line.ends_with(&format!(" {id}"))) || line.ends_with("cast");
                let bad = line.starts_with("disorder") || line.starts_with("not sent");
                assert!(!(bad && concerns_honest), "node {}: {line}", node.id);
                assert!(!line.ends_with(" Rejoined"), "node {}: {line}", node.id);
            }
        }
    }

    /// Descriptors and KiB of memory of each.
    fn resources(&mut self) -> Vec<(u64, u64)> {
        let ask = |node: &mut Node| {
            let mark = node.mark();
            node.say("resources");
            let line = node.await_line_after(mark, "tell what it uses", |line| line.starts_with("resources"));
            let mut numbers = line.split(' ').skip(1).map(|word| word.parse().unwrap());
            (numbers.next().unwrap(), numbers.next().unwrap())
        };
        self.nodes.iter_mut().map(ask).collect()
    }

    /// What the first of them told of the hostile nodes of some cases.
    fn told(&self, cases: &[&Case], hostile: &[Hostile], names: &[&str]) -> String {
        let concerned = cases.iter().zip(hostile).filter(|(case, _)| names.contains(&case.name));
        let wanted: Vec<String> =
            concerned.map(|(_, one)| format!(" {}/{} ", one.node.id, one.incarnation)).collect();
        let lines = self.nodes[0].lines();
        let told = lines
            .iter()
            .filter(|line| line.starts_with("event") && wanted.iter().any(|id| line.contains(id)));
        told.cloned().collect::<Vec<_>>().join("\n")
    }

    fn saw(&self, hostile: &Hostile, what: &str) -> bool {
        let wanted = format!(" {}/{} {what}", hostile.node.id, hostile.incarnation);
        self.nodes.iter().all(|node| node.lines().iter().any(|line| line.contains(&wanted)))
    }
}

/// A node that somebody writes to.
struct Hostile {
    node: Node,
    arena: Arena,
    incarnation: u64,
}

impl Hostile {
    fn join(segment: &Segment, id: u16) -> Self {
        let node = Node::join_with(segment, id, OPTIONS);
        let arena = Arena::open(segment, id);
        let incarnation = arena.incarnation();
        Self { node, arena, incarnation }
    }
}

/// Whether no thread of a process runs any more: a signal is only on its way when it was sent.
fn is_stopped(pid: i32) -> bool {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    tasks.map_while(Result::ok).all(|task| {
        let stat = std::fs::read_to_string(task.path().join("stat")).unwrap_or_default();
        stat.rsplit(") ").next().is_some_and(|rest| rest.starts_with('T'))
    })
}

/// Whether the honest nodes have done about a hostile one what they should.
fn is_done(honest: &Honest, case: &Case, hostile: &Hostile) -> bool {
    match case.outcome {
        Outcome::Quarantine(causes) => {
            causes.iter().any(|cause| honest.saw(hostile, &format!("Quarantined {{ cause: {cause},")))
                || causes.len() > 1 && honest.saw(hostile, "Quarantined {")
        }
        Outcome::Death => honest.saw(hostile, "Failed { reason: ProcessDeath }"),
        Outcome::Nothing => true,
    }
}

/// The `number`th batch, from 1.
fn batch(segment: &Segment, honest: &mut Honest, number: usize, cases: &[&Case]) {
    let mut hostile: Vec<Hostile> = (1..).zip(cases).map(|(id, _)| Hostile::join(segment, id)).collect();
    let ids: Vec<u16> = hostile.iter().map(|one| one.node.id).collect();
    let everybody: Vec<u16> = ids.iter().chain(&HONEST).copied().collect();
    honest.nodes.iter().for_each(|node| node.await_members(&everybody));
    hostile.iter().for_each(|one| one.node.await_members(&everybody));

    // Traffic with all of them, so that rings and pointers have moved.
    for one in &mut hostile {
        HONEST.iter().for_each(|to| one.node.say(&format!("stream lsm {to} 3")));
        one.node.say("stream lsm broadcast 1");
    }
    honest.round(&ids);
    for index in 0..HONEST.len() {
        let all: Vec<String> = ids.iter().map(|id| format!("lsm/Unicast/{id}={}", 3 * number)).collect();
        honest.await_tally(index, &all);
    }
    let arenas: Vec<Arena> = HONEST.iter().map(|id| Arena::open(segment, *id)).collect();
    common::await_that("the read pointers are published", || {
        hostile.iter().all(|one| {
            arenas.iter().all(|arena| {
                let read = |reader: &Arena, from: u16| reader.get(reader.read_pointer(from)) << 24 >> 24;
                read(arena, one.node.id) == 3 && read(&one.arena, arena.id) >= 1
            })
        })
    });

    for (case, one) in cases.iter().zip(&hostile) {
        if case.stopped {
            one.node.signal(Signal::STOP);
            common::await_that("every thread stands still", || is_stopped(one.node.pid()));
        }
        (case.act)(&one.arena, &arenas);
    }
    let give_up = Instant::now() + PATIENCE;
    loop {
        honest.round(&ids);
        let open: Vec<&str> = cases
            .iter()
            .zip(&hostile)
            .filter(|(case, one)| !is_done(honest, case, one))
            .map(|(case, _)| case.name)
            .collect();
        if open.is_empty() {
            break;
        }
        assert!(Instant::now() < give_up, "not noticed: {open:?}\n{}", honest.told(cases, &hostile, &open));
    }
    // They die, in whatever state; those that were quarantined are gone already.
    hostile.into_iter().for_each(|one| one.node.kill());
    honest.round(&ids);
    honest.check();
}

/// The cases whose names contain `ISTHMUS_CHAOS_CASES`.
fn wanted() -> Vec<&'static Case> {
    let text = std::env::var("ISTHMUS_CHAOS_CASES").unwrap_or_default();
    CASES.iter().filter(|case| case.name.contains(&text)).collect()
}

#[test]
fn every_field_of_a_live_peer_can_be_overwritten_and_only_that_peer_is_lost() {
    let segment = Segment::new();
    let mut honest = Honest::join(&segment);
    let mut first = None;
    for (number, cases) in (1..).zip(wanted().chunks(BATCH)) {
        batch(&segment, &mut honest, number, cases);
        let now = honest.resources();
        let first = first.get_or_insert_with(|| now.clone());
        for ((fds, kib), (fds_first, kib_first)) in now.iter().zip(first.iter()) {
            assert!(fds <= &(fds_first + 2 * BATCH as u64), "descriptors: {first:?}, then {now:?}");
            assert!(kib <= &(kib_first + (128 << 10)), "memory: {first:?}, then {now:?}");
        }
    }
    // It is all there to be shown.
    let mark = honest.nodes[0].mark();
    honest.nodes[0].say("snapshot");
    honest.nodes[0].await_line_after(mark, "end its snapshot", |line| line.starts_with("snapshot used"));
    let lines = honest.nodes[0].lines();
    let shown = lines[mark..].iter().filter(|line| line.starts_with("quarantine ")).count();
    let quarantines = wanted().iter().filter(|case| matches!(case.outcome, Outcome::Quarantine(_))).count();
    assert!(shown >= quarantines.min(40), "{shown} quarantines are shown");
}

#[test]
fn what_lies_in_an_arenas_place_harms_nobody() {
    let segment = Segment::new();
    let mut honest = Honest::join(&segment);
    let path = |id| segment.arena(id);
    std::fs::write(path(1), vec![0xff; 1 << 20]).unwrap();
    std::fs::write(path(2), b"short").unwrap();
    std::fs::File::create(path(3)).unwrap().set_len(1 << 45).unwrap();
    std::fs::create_dir(path(4)).unwrap();
    std::os::unix::fs::symlink(path(41), path(5)).unwrap();
    std::os::unix::fs::symlink("/dev/zero", path(6)).unwrap();
    rustix::fs::mknodat(rustix::fs::CWD, path(7), rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    // Another node's arena under one's own name.
    std::fs::copy(path(42), path(8)).unwrap();
    std::fs::hard_link(path(43), path(9)).unwrap();
    // A live node's arena is replaced by such things, too.
    let victims: Vec<Node> = (11..14).map(|id| Node::join(&segment, id)).collect();
    for node in &honest.nodes {
        node.await_members(&[11, 12, 13, 41, 42, 43]);
    }
    for (victim, thing) in victims.iter().zip([1, 3, 8]) {
        std::fs::rename(path(thing), path(victim.id)).unwrap();
    }
    for node in &honest.nodes {
        for victim in &victims {
            node.await_line("close it", |line| line.contains(&format!(" {}/1 Failed", victim.id)));
        }
    }
    for _ in 0..5 {
        honest.round(&[]);
    }
    honest.check();
}

#[test]
fn random_words_at_random_places_harm_nobody_else() {
    let seeds = std::env::var("ISTHMUS_CHAOS_SEEDS").map_or(6, |seeds| seeds.parse().unwrap());
    let segment = Segment::new();
    let mut honest = Honest::join(&segment);
    for seed in 0..seeds {
        println!("seed {seed}");
        let mut random = Random(seed);
        let mut hostile = Hostile::join(&segment, 1);
        honest.nodes.iter().for_each(|node| {
            node.await_lines("meet the hostile one", |lines| {
                let table = lines.iter().rev().find(|line| line.starts_with("table"));
                table.is_some_and(|table| table.contains(&format!(" 1/{}+", hostile.incarnation)))
            });
        });
        for _ in 0..8 {
            scribble(&hostile.arena, &mut random);
            for to in HONEST {
                hostile.node.say(&format!("try lsm {to} 4"));
            }
            hostile.node.say("try gsm broadcast 4");
            honest.round(&[1]);
        }
        hostile.node.kill();
        honest.round(&[1]);
    }
    honest.check();
}

/// Overwrites words of the arena: mostly where something is.
fn scribble(arena: &Arena, random: &mut Random) {
    // It may have been written over: what is in use is known without it.
    let (tables, groups, len) = (0x2c00, 0x61000, arena.len().min(2 << 20));
    for _ in 0..60 {
        let within = match random.below(4) {
            0 => 0..tables,
            1 => tables..groups.min(len),
            _ => 0..len,
        };
        if within.is_empty() {
            continue;
        }
        let at = (within.start + random.below(within.end - within.start)) & !7;
        // That one may close others at will has its own test: they are then to begin anew.
        if CLOSED.contains(&at) || at + 8 > len {
            continue;
        }
        let word = arena.get(at);
        let word = match random.below(8) {
            0 => random.next(),
            1 => 0,
            2 => u64::MAX,
            3 => word.wrapping_add(1),
            4 => word.wrapping_sub(1),
            5 => word ^ 1 << random.below(64),
            6 => 1 << random.below(64),
            _ => random.below(1 << 16),
        };
        arena.put(at, word);
    }
}
