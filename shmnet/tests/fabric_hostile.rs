//! Peers that break every rule: their memory is cut short, overwritten at random, their doorbell abused. The others live on.

#![cfg(not(loom))]

mod common;

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use common::{Node, Segment};

/// Not a test: the body of each node's process.
#[test]
#[ignore = "started by the other tests"]
fn child() {
    common::child();
}

/// Two honest nodes still exchange frames.
fn still_work(first: &mut Node, second: &mut Node, text: &str) {
    let ids = (first.id, second.id);
    first.await_lines("have a table with the other", |lines| {
        let last = lines.iter().rev().find(|line| line.starts_with("table"));
        last.is_some_and(|last| {
            last.split(' ').any(|word| word.starts_with(&format!("{}/", ids.1)) && word.ends_with('+'))
        })
    });
    first.say(&format!("send lsm {} {text}", ids.1));
    second.await_line("receive", |line| line == format!("rx lsm unicast {} {text}", ids.0));
    second.say(&format!("broadcast gsm {} 1", text.len()));
    first.await_line("receive", |line| line == format!("rx gsm broadcast {} n{}", ids.1, text.len()));
}

#[test]
fn a_peer_whose_file_is_cut_short_is_quarantined_and_others_live_on() {
    let segment = Segment::new();
    let mut first = Node::join(&segment, 1);
    let mut second = Node::join(&segment, 2);
    let third = Node::join(&segment, 3);
    for node in [&first, &second, &third] {
        node.await_members(&[1, 2, 3]);
    }
    OpenOptions::new().write(true).open(segment.arena(3)).unwrap().set_len(0).unwrap();
    for node in [&first, &second] {
        node.await_line("quarantine it", |line| line.contains(" 3/1 Quarantined { cause: MemoryLost"));
        node.await_line("close it", |line| line.contains(" 3/1 Failed { reason: Quarantined }"));
    }
    first.say("snapshot");
    first.await_line("remember it", |line| line.starts_with("quarantine 3/1 memory-lost "));
    still_work(&mut first, &mut second, "alive");
    // The victim noticed that its own memory was taken, and came back with a new arena.
    third.await_line("rejoin", |line| line.contains("Rejoined"));
    first.await_members(&[1, 2, 3]);
}

#[test]
fn random_scribbles_over_a_peers_arena_hurt_nobody_else() {
    let segment = Segment::new();
    let mut first = Node::join(&segment, 1);
    let mut second = Node::join(&segment, 2);
    let mut victim = Node::join(&segment, 3);
    for node in [&first, &second, &victim] {
        node.await_members(&[1, 2, 3]);
    }
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random
    };
    for round in 0..40 {
        let len = std::fs::metadata(segment.arena(3)).map_or(0, |metadata| metadata.len());
        if let Ok(arena) = OpenOptions::new().write(true).open(segment.arena(3)) {
            for _ in 0..400 {
                // Mostly in the header, its tables and the group areas; within what has memory behind it.
                let at = next() % (len.min(1 << 20) - 8);
                arena.write_all_at(&next().to_le_bytes(), at & !7).unwrap();
            }
        }
        victim.say(&format!("broadcast lsm {round} 1"));
        still_work(&mut first, &mut second, &"x".repeat(round + 1));
    }
    // The victim was closed for what it seemed to do. Restarted where nobody scribbles, it is met as any other.
    first.await_line("close the victim", |line| line.contains(" 3/1 Failed"));
    victim.kill();
    let mut again = Node::join(&segment, 3);
    for node in [&first, &second, &again] {
        node.await_members(&[1, 2, 3]);
    }
    still_work(&mut first, &mut again, "recovered");
}

#[test]
fn an_owner_that_claims_all_and_orders_nothing_does_not_stop_the_groups() {
    let segment = Segment::new();
    let mut first = Node::join(&segment, 1);
    let second = Node::join(&segment, 2);
    let third = Node::join(&segment, 3);
    for node in [&first, &second, &third] {
        node.await_members(&[1, 2, 3]);
    }
    // The claim's word in the third node's area of the LSM's multicast group: a generation that is believed, and that no other
    // node exceeds as long as the third one lives.
    let arena = OpenOptions::new().write(true).open(segment.arena(3)).unwrap();
    arena.write_all_at(&1000_u64.to_le_bytes(), 0xd000 + 86_016 + 256).unwrap();
    for round in 0..3 {
        let is_owner = |line: &str| line.starts_with("group lsm Multicast owner Some(NodeId(3))");
        let deadline = Instant::now() + Duration::from_secs(30);
        while round == 0 && !first.lines().iter().any(|line| is_owner(line)) {
            assert!(Instant::now() < deadline, "the first node does not follow the claim");
            let mark = first.mark();
            first.say("snapshot");
            first.await_line_after(mark, "show its groups", |line| line.starts_with("snapshot used"));
        }
        first.say(&format!("multicast lsm {} 2", 2 * round));
        second.await_lines("receive without an order", |_| {
            second.received("lsm", "multicast").len() >= 2 * (round + 1)
        });
    }
    let numbers: Vec<_> = (0..6).map(|number| (1, format!("n{number}"))).collect();
    assert_eq!(second.received("lsm", "multicast"), numbers, "each once and in order");
}

#[test]
fn a_node_whose_header_somebody_overwrote_comes_back_with_a_new_arena() {
    let segment = Segment::new();
    let mut first = Node::join(&segment, 1);
    let mut second = Node::join(&segment, 2);
    first.await_members(&[1, 2]);
    second.await_members(&[1, 2]);
    // Nobody but a joiner reads the identity: only the owner itself can notice.
    let arena = OpenOptions::new().write(true).open(segment.arena(2)).unwrap();
    arena.write_all_at(&[0xff; 64], 0).unwrap();
    second.await_line("rejoin", |line| line.contains("Rejoined"));
    first.await_members(&[1, 2]);
    second.await_members(&[1, 2]);
    still_work(&mut first, &mut second, "anew");
}

#[test]
fn garbage_files_and_doorbells_are_passed_over() {
    let segment = Segment::new();
    std::fs::write(segment.arena(7), b"not an arena").unwrap();
    std::fs::write(segment.arena(8), vec![0xff; 1 << 20]).unwrap();
    std::fs::write(segment.arena(9), vec![0; 1 << 20]).unwrap();
    std::fs::create_dir(segment.arena(10)).unwrap();
    std::os::unix::fs::symlink("/dev/zero", segment.arena(11)).unwrap();
    let mut first = Node::join(&segment, 1);
    let mut second = Node::join(&segment, 2);
    first.await_members(&[1, 2]);
    // A stream socket cannot even connect to a doorbell.
    assert!(UnixStream::connect(segment.path().join("node-001.sock")).is_err());
    still_work(&mut first, &mut second, "fine");
}

/// Says in one node's arena, again and again, that the present incarnations of others are closed.
struct Accuser {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Accuser {
    fn start(segment: &Segment, hostile: u16, victims: &[u16]) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let arena = segment.arena(hostile);
        let victims: Vec<(u16, PathBuf)> = victims.iter().map(|id| (*id, segment.arena(*id))).collect();
        let thread = std::thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                for (id, victim) in &victims {
                    accuse(&arena, *id, victim);
                }
                std::thread::sleep(Duration::from_millis(2));
            }
        });
        Self { stop, thread: Some(thread) }
    }
}

/// Writes the incarnation of `victim` into the words of closed incarnations of `arena`. Either may be between two files.
fn accuse(arena: &PathBuf, id: u16, victim: &PathBuf) {
    let mut state = [0; 8];
    let read = File::open(victim).and_then(|file| file.read_exact_at(&mut state, 0x200));
    if let (Ok(()), Ok(arena)) = (read, OpenOptions::new().write(true).open(arena)) {
        let incarnation = u64::from_le_bytes(state) >> 8;
        let _ = arena.write_all_at(&incarnation.to_le_bytes(), 0x1000 + 8 * u64::from(id - 1));
    }
}

impl Drop for Accuser {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn rejoins(lines: &[String]) -> usize {
    lines.iter().filter(|line| line.ends_with("Rejoined")).count()
}

#[test]
fn a_peer_that_closes_others_without_cause_soon_loses_only_its_own_packets() {
    let segment = Segment::new();
    let mut first = Node::join(&segment, 1);
    let mut second = Node::join(&segment, 2);
    let hostile = Node::join(&segment, 3);
    for node in [&first, &second, &hostile] {
        node.await_members(&[1, 2, 3]);
    }
    let accuser = Accuser::start(&segment, 3, &[1, 2]);
    // It could be an error: they give it a chance three times at most. Then they break with it.
    for node in [&first, &second] {
        node.await_line("break with it", |line| line.contains("Refused") && line.contains("without cause"));
    }
    first.await_members(&[1, 2]);
    second.await_members(&[1, 2]);
    let before = [&first, &second].map(|node| rejoins(&node.lines()));
    assert!(before.iter().all(|count| (1..=3).contains(count)), "{before:?}");
    for round in 0..40 {
        still_work(&mut first, &mut second, &"x".repeat(round + 1));
    }
    first.say("flood gsm 2 500");
    second.await_lines("receive all", |_| second.received("gsm", "unicast").len() >= 500);
    let flood = second.received("gsm", "unicast");
    for (number, (from, text)) in flood.iter().enumerate() {
        assert_eq!((*from, text.split(' ').next().unwrap()), (1, number.to_string().as_str()));
    }
    let after = [&first, &second].map(|node| rejoins(&node.lines()));
    assert_eq!(before, after, "no further rejoin");
    // Restarted where nobody writes such things, it is met again, without any rejoin.
    drop(accuser);
    hostile.kill();
    let mut again = Node::join(&segment, 3);
    for node in [&first, &second, &again] {
        node.await_members(&[1, 2, 3]);
    }
    still_work(&mut first, &mut again, "repaired");
    let after = [&first, &second].map(|node| rejoins(&node.lines()));
    assert_eq!(before, after, "no further rejoin");
}

#[test]
fn a_peer_that_closes_another_by_error_meets_it_again() {
    let segment = Segment::new();
    let mut first = Node::join(&segment, 1);
    let mut second = Node::join(&segment, 2);
    let third = Node::join(&segment, 3);
    for node in [&first, &second, &third] {
        node.await_members(&[1, 2, 3]);
    }
    accuse(&segment.arena(2), 1, &segment.arena(1));
    first.await_lines("rejoin", |lines| rejoins(lines) == 1);
    for node in [&first, &second, &third] {
        node.await_members(&[1, 2, 3]);
    }
    still_work(&mut first, &mut second, "again");
    // The second time only the two are apart for a while.
    accuse(&segment.arena(2), 1, &segment.arena(1));
    first.await_line("break with it", |line| line.contains("ClosedUs"));
    first.await_line("meet its next incarnation", |line| line.starts_with("table") && line.contains(" 2/2+"));
    for node in [&first, &second, &third] {
        node.await_members(&[1, 2, 3]);
    }
    still_work(&mut first, &mut second, "once-more");
    assert_eq!(rejoins(&third.lines()), 0);
}
