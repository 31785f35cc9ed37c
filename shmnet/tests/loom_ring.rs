//! The ring's publication protocol under every interleaving and every reordering that the memory model allows.
//!
//! `RUSTFLAGS="--cfg loom" cargo test -p isthmus-shmnet --release --test loom_ring`
#![cfg(loom)]

use isthmus_shmnet::memory::Mapping;
use isthmus_shmnet::ring::{Geometry, Limits, Metadata, Receiver, RingKey, SendError, Transmitter};

const KEY: RingKey = RingKey { tx_incarnation: 1, rx_incarnation: 1, epoch: 1 };

fn ring() -> (Transmitter, Receiver) {
    let geometry = Geometry::new(4, 128).unwrap();
    let (tx, tx_view) = Mapping::anonymous(geometry.bytes()).unwrap();
    let (rx, rx_view) = Mapping::anonymous(8).unwrap();
    let transmitter = Transmitter::new(tx.own().unwrap(), rx_view.peer(), KEY, geometry).unwrap();
    let receiver = Receiver::new(tx_view.peer(), rx.own().unwrap(), KEY, Limits::default()).unwrap();
    (transmitter, receiver)
}

fn model(preemptions: usize, body: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.check(body);
}

/// Receives until `count` frames came, each of the words `first`, `first + 1`, ...; gives up its turn when there is none.
fn drain(receiver: &mut Receiver, first: u64, count: u64) {
    let mut into = [0; 8];
    let mut next = first;
    while next < first + count {
        match receiver.receive(&mut into).unwrap() {
            Some(received) => {
                assert_eq!(received.len, 8);
                assert_eq!(u64::from_le_bytes(into), next);
                next += 1;
            }
            None => loom::thread::yield_now(),
        }
    }
}

#[test]
fn a_frame_is_visible_with_its_word() {
    model(3, || {
        let (mut transmitter, mut receiver) = ring();
        let sender = loom::thread::spawn(move || {
            for word in 1u64..3 {
                transmitter.send(&[&word.to_le_bytes()], Metadata::default()).unwrap();
            }
        });
        drain(&mut receiver, 1, 2);
        sender.join().unwrap();
    });
}

#[test]
fn a_slot_is_not_written_again_before_it_was_copied() {
    model(2, || {
        let (mut transmitter, mut receiver) = ring();
        // Two laps of which the first is written before the threads part: the second overwrites what is being read.
        for word in 1u64..5 {
            transmitter.send(&[&word.to_le_bytes()], Metadata::default()).unwrap();
        }
        let sender = loom::thread::spawn(move || {
            for word in 5u64..7 {
                while let Err(error) = transmitter.send(&[&word.to_le_bytes()], Metadata::default()) {
                    assert_eq!(error, SendError::Full);
                    loom::thread::yield_now();
                }
            }
        });
        drain(&mut receiver, 1, 6);
        sender.join().unwrap();
    });
}

#[test]
fn a_chain_is_seen_whole_or_not_at_all() {
    model(3, || {
        let (mut transmitter, mut receiver) = ring();
        let frame: Vec<u8> = (0..136).collect();
        let sent = frame.clone();
        let sender = loom::thread::spawn(move || {
            transmitter.send(&[&sent], Metadata::default()).unwrap();
        });
        let mut into = [0; 256];
        let received = loop {
            match receiver.receive(&mut into).unwrap() {
                Some(received) => break received,
                None => loom::thread::yield_now(),
            }
        };
        assert_eq!(into[..received.len], frame);
        sender.join().unwrap();
    });
}
