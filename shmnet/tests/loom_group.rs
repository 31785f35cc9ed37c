//! The publication of lanes and of the order ring under the interleavings and reorderings that the memory model allows.
//!
//! `RUSTFLAGS="--cfg loom" cargo test -p isthmus-shmnet --release --test loom_group`
#![cfg(loom)]

use isthmus_shmnet::group::{GroupEndpoint, GroupGeometry, Start};
use isthmus_shmnet::memory::Mapping;

fn model(preemptions: usize, body: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.check(body);
}

/// Two nodes that are attached to each other; node 0 is the owner that both follow.
fn pair(lane_slots: u32) -> [GroupEndpoint; 2] {
    let geometry = GroupGeometry::new(2, lane_slots, 128, 4).unwrap();
    let maps: [_; 2] = std::array::from_fn(|_| Mapping::anonymous(geometry.bytes()).unwrap());
    let mut nodes: [_; 2] = std::array::from_fn(|id| {
        GroupEndpoint::new(maps[id].0.own().unwrap(), id as u16, 1, geometry).unwrap()
    });
    for id in 0..2 {
        nodes[id].attach_peer(1 - id as u16, 1, maps[1 - id].1.peer(), Start::Next).unwrap();
        nodes[id].set_active(&[0, 1]);
    }
    for node in &mut nodes {
        node.poll_owner_duties();
        assert_eq!(node.owner(), Some(0));
    }
    nodes
}

fn frame(number: u64) -> [u8; 16] {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&number.to_le_bytes());
    bytes[8..].copy_from_slice(&number.to_le_bytes());
    bytes
}

fn number(bytes: &[u8]) -> u64 {
    let number = u64::from_le_bytes(bytes[..8].try_into().unwrap());
    assert_eq!(bytes, frame(number), "old and new bytes are never mixed");
    number
}

#[test]
fn a_lane_that_goes_round_never_tears_a_frame() {
    model(2, || {
        let [mut reader, mut source] = pair(2);
        source.send(&frame(1)).unwrap();
        let sender = loom::thread::spawn(move || {
            for number in 2..4 {
                source.send(&frame(number)).unwrap();
            }
        });
        let (mut last, mut into) = (0, [0; 64]);
        for _ in 0..2 {
            reader.sweep();
            while let Some(got) = reader.receive(&mut into) {
                let number = number(&into[..got.len]);
                assert!(number > last);
                last = number;
            }
        }
        sender.join().unwrap();
    });
}

#[test]
fn who_sees_a_reference_sees_the_frame() {
    model(2, || {
        let [mut owner, mut reader] = pair(4);
        let orders = loom::thread::spawn(move || {
            for number in 1..3 {
                owner.send(&frame(number)).unwrap();
                owner.poll_owner_duties();
            }
        });
        let (mut next, mut into) = (1, [0; 64]);
        while next < 3 {
            match reader.receive(&mut into) {
                Some(got) => {
                    assert_eq!(number(&into[..got.len]), next);
                    next += 1;
                }
                None => loom::thread::yield_now(),
            }
        }
        assert_eq!(reader.counters().received.lost, 0);
        orders.join().unwrap();
    });
}
