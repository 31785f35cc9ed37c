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

/// Two rings of one pair, of which the second replaces the first, and the word that is the read pointer of both.
struct Epochs {
    old: (Transmitter, Receiver),
    new: Transmitter,
    /// What the receiver attaches to the new ring with.
    attach: Box<dyn FnOnce() -> Receiver + Send>,
}

fn epochs() -> Epochs {
    let geometry = Geometry::new(4, 128).unwrap();
    let (rx, rx_view) = Mapping::anonymous(8).unwrap();
    let mut rings = [1, 2].map(|epoch| {
        let key = RingKey { epoch, ..KEY };
        let (tx, tx_view) = Mapping::anonymous(geometry.bytes()).unwrap();
        let (rx, rx_view) = (rx.clone(), rx_view.clone());
        let transmitter = Transmitter::new(tx.own().unwrap(), rx_view.peer(), key, geometry).unwrap();
        let attach =
            move || Receiver::new(tx_view.peer(), rx.own().unwrap(), key, Limits::default()).unwrap();
        Some((transmitter, attach))
    });
    let (old, attach_old) = rings[0].take().unwrap();
    let (new, attach) = rings[1].take().unwrap();
    Epochs { old: (old, attach_old()), new, attach: Box::new(attach) }
}

fn send(transmitter: &mut Transmitter, word: u64) {
    while let Err(error) = transmitter.send(&[&word.to_le_bytes()], Metadata::default()) {
        assert_eq!(error, SendError::Full);
        loom::thread::yield_now();
    }
}

/// What the receiver has read of the ring before, and has said so in the word that is now the new ring's, frees nothing in the
/// new ring: its fifth frame would lie over the first one.
#[test]
fn a_read_pointer_of_a_former_epoch_frees_no_slot() {
    model(2, || {
        let Epochs { old: (mut old, mut old_receiver), mut new, attach } = epochs();
        for word in 1..4 {
            send(&mut old, word);
        }
        drain(&mut old_receiver, 1, 3);
        old_receiver.publish();
        for word in 4..8 {
            send(&mut new, word);
        }
        let sender = loom::thread::spawn(move || {
            send(&mut new, 8);
            assert_eq!(new.fault(), None);
        });
        drain(&mut attach(), 4, 5);
        sender.join().unwrap();
    });
}

/// The receiver empties the old ring while the transmitter goes over to the new one, by the rule of the endpoint: go on when the
/// new ring has a frame and the old one, looked at again after that, has none.
#[test]
fn a_ring_is_replaced_while_it_is_read() {
    model(2, || {
        let Epochs { old: (mut old, mut old_receiver), mut new, attach } = epochs();
        let sender = loom::thread::spawn(move || {
            send(&mut old, 1);
            send(&mut old, 2);
            send(&mut new, 3);
            assert!(old.refresh().is_ok() && new.refresh().is_ok(), "words of the other epoch are no fault");
        });
        // The control thread attaches while the data thread still reads the old ring.
        let mut new_receiver = attach();
        let (mut into, mut next) = ([0; 8], 1);
        loop {
            if old_receiver.receive(&mut into).unwrap().is_some() {
                assert_eq!(u64::from_le_bytes(into), next);
                next += 1;
            } else if new_receiver.is_ready() && !old_receiver.is_ready() {
                break;
            } else {
                loom::thread::yield_now();
            }
        }
        drain(&mut new_receiver, next, 4 - next);
        assert_eq!(next, 3, "nothing of the old ring was left behind");
        sender.join().unwrap();
    });
}
