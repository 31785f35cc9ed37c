//! A group of four nodes on four threads: every frame reaches all the others once and in order, while the owner dies.
#![cfg(not(loom))]
#![allow(clippy::unwrap_used, reason = "a test's threads fail by panicking")]

use std::sync::atomic::{AtomicBool, AtomicU16, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Barrier};

use isthmus_shmnet::group::{GroupEndpoint, GroupGeometry, GroupRole, Start};
use isthmus_shmnet::memory::Mapping;

const NODES: u16 = 4;
const FRAMES: u32 = 3000;

/// Node 0, the first owner, dies when it has sent so many frames.
const LIFETIME: u32 = 1000;

struct Shared {
    start: Barrier,
    /// Bit per node that lives.
    active: AtomicU16,
    /// Nodes that have delivered everything.
    done: AtomicUsize,
    failed: AtomicBool,
}

/// Tells the other threads not to wait for one that has panicked.
struct Alarm<'a>(&'a AtomicBool);

impl Drop for Alarm<'_> {
    fn drop(&mut self) {
        self.0.fetch_or(std::thread::panicking(), SeqCst);
    }
}

fn length(number: u32) -> usize {
    8 + (number as usize * 13) % 300
}

fn send(id: u16, node: &mut GroupEndpoint, number: u32) {
    let mut frame = vec![id as u8; length(number)];
    frame[..4].copy_from_slice(&number.to_le_bytes());
    node.send(&frame).unwrap();
}

fn receive(id: u16, node: &mut GroupEndpoint, next: &mut [u32]) {
    let mut into = [0; 1024];
    while let Some(got) = node.receive(&mut into) {
        let expected = &mut next[usize::from(got.source)];
        let number = u32::from_le_bytes(into[..4].try_into().unwrap());
        assert_eq!(number, *expected, "of node {} at node {id}", got.source);
        assert_eq!(got.len, length(number));
        assert!(into[4..got.len].iter().all(|byte| *byte == got.source as u8));
        *expected += 1;
    }
}

fn run(id: u16, mut node: GroupEndpoint, shared: &Shared) -> u64 {
    let _alarm = Alarm(&shared.failed);
    let mut next = [0u32; NODES as usize];
    let (mut sent, mut complete) = (0, false);
    while shared.done.load(SeqCst) < usize::from(NODES) - 1 && !shared.failed.load(SeqCst) {
        let mask = shared.active.load(SeqCst);
        node.set_active(&(0..NODES).filter(|id| mask >> id & 1 == 1).collect::<Vec<_>>());
        node.poll_owner_duties();
        let waiting = node.lag().filter(|lag| mask >> lag.reader & 1 == 1).map(|lag| lag.lane_slots).max();
        if sent < FRAMES && waiting.unwrap_or(0) + 4 <= 16 {
            send(id, &mut node, sent);
            sent += 1;
        }
        receive(id, &mut node, &mut next);
        if id == 0 && sent == LIFETIME {
            shared.active.fetch_and(!1, SeqCst);
            return node.generation();
        }
        let all = (1..NODES).all(|source| source == id || next[usize::from(source)] == FRAMES);
        if !complete && all && sent == FRAMES {
            complete = true;
            shared.done.fetch_add(1, SeqCst);
        }
        std::thread::yield_now();
    }
    assert_eq!(node.counters().received.lost, 0, "at node {id}");
    assert_eq!(node.lag().filter(|lag| lag.reader != 0).map(|lag| lag.lost_frames).sum::<u64>(), 0);
    node.generation()
}

#[test]
fn nothing_is_lost_or_doubled_when_the_owner_dies() {
    let geometry = GroupGeometry::new(NODES, 16, 128, 32).unwrap();
    let maps: Vec<_> = (0..NODES).map(|_| Mapping::anonymous(geometry.bytes()).unwrap()).collect();
    let shared = Arc::new(Shared {
        start: Barrier::new(usize::from(NODES)),
        active: AtomicU16::new((1 << NODES) - 1),
        done: AtomicUsize::new(0),
        failed: AtomicBool::new(false),
    });
    let nodes: Vec<_> = (0..NODES)
        .map(|id| GroupEndpoint::new(maps[usize::from(id)].0.own().unwrap(), id, 1, geometry).unwrap())
        .collect();
    let threads: Vec<_> = nodes
        .into_iter()
        .zip(0..)
        .map(|(mut node, id)| {
            for peer in (0..NODES).filter(|peer| *peer != id) {
                node.attach_peer(peer, 1, maps[usize::from(peer)].1.peer(), Start::Oldest).unwrap();
            }
            let shared = Arc::clone(&shared);
            std::thread::spawn(move || {
                shared.start.wait();
                run(id, node, &shared)
            })
        })
        .collect();
    let generations: Vec<u64> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
    assert_eq!(generations, [1, 2, 2, 2], "one owner until its death, and one after it");
}

#[test]
fn a_node_alone_is_its_own_owner() {
    let geometry = GroupGeometry::new(2, 16, 128, 32).unwrap();
    let (own, _) = Mapping::anonymous(geometry.bytes()).unwrap();
    let mut alone = GroupEndpoint::new(own.own().unwrap(), 1, 9, geometry).unwrap();
    assert_eq!(alone.owner(), None);
    assert_eq!(alone.poll_owner_duties(), GroupRole::Owner);
    assert_eq!((alone.owner(), alone.generation(), alone.incarnation()), (Some(1), 1, 9));
    alone.send(b"to nobody").unwrap();
    assert_eq!(alone.poll_owner_duties(), GroupRole::Owner);
    assert_eq!(alone.receive(&mut [0; 64]), None);
    assert_eq!(alone.counters().ordered, 0, "a frame that no member waits for is retired at once");
}
