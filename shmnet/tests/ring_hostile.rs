//! Whatever the other side writes, an end of a ring answers with a frame, with nothing, or with a fault that sticks.
#![cfg(not(loom))]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use isthmus_shmnet::ring::{Geometry, Metadata, ReadPointerFault, RingFault, SendError};

use support::{Arenas, KEY, Random};

/// A word that is sometimes nearly right: random words alone would be refused for their lap.
fn plausible_word(random: &mut Random, lap: u64) -> u64 {
    let lap = lap + random.below(2);
    let length = if random.chance(4) { random.below(1 << 16) } else { random.below(200) };
    let flags = if random.chance(8) { random.below(1 << 16) } else { random.below(16) };
    lap << 32 | length << 16 | flags
}

#[test]
fn a_hostile_transmitter_cannot_harm_the_receiver() {
    let geometry = Geometry::new(8, 128).unwrap();
    let (mut frames, mut faults) = (0, 0);
    for seed in 0..3000 {
        let arenas = Arenas::new(geometry);
        let (mut transmitter, mut receiver) = arenas.ring(geometry, KEY);
        let mut random = Random(seed);
        let mut into = [0; 512];
        for step in 0..200 {
            match random.below(4) {
                0 => {
                    let _ =
                        transmitter.send(&[&vec![1; 1 + random.below(300) as usize]], Metadata::default());
                }
                1 => {
                    let slot = random.below(8) as usize;
                    let word = plausible_word(&mut random, 1 + step / 8);
                    arenas.tx_own.store_u64(256 + slot * 128, word, Relaxed);
                }
                2 if random.chance(10) => {
                    let at = random.below(geometry.bytes() as u64 / 8) as usize * 8;
                    arenas.tx_own.store_u64(at, random.next(), Relaxed);
                }
                _ => match receiver.receive(&mut into) {
                    Ok(Some(received)) => {
                        assert!(received.len >= 1 && received.len <= into.len());
                        assert!(received.metadata.fits(received.len));
                        frames += 1;
                    }
                    Ok(None) => {}
                    Err(fault) => {
                        assert_eq!(receiver.receive(&mut into), Err(fault), "a fault sticks");
                        assert_eq!(receiver.fault(), Some(fault));
                        assert_eq!(receiver.counters().faults, 1);
                        faults += 1;
                        break;
                    }
                },
            }
        }
    }
    assert!(
        frames > 5000 && faults > 1000,
        "the test reaches both outcomes: {frames} frames, {faults} faults"
    );
}

#[test]
fn words_that_change_while_a_chain_is_read_are_survived() {
    let geometry = Geometry::new(16, 128).unwrap();
    for seed in 0..20 {
        let arenas = Arenas::new(geometry);
        let (mut transmitter, mut receiver) = arenas.ring(geometry, KEY);
        let stop = Arc::new(AtomicBool::new(false));
        let scribbler = {
            let (own, stop) = (arenas.tx_own.clone(), Arc::clone(&stop));
            std::thread::spawn(move || {
                let mut random = Random(seed);
                while !stop.load(Relaxed) {
                    let slot = random.below(16) as usize;
                    own.store_u64(256 + slot * 128, plausible_word(&mut random, 1), Relaxed);
                }
            })
        };
        let mut into = [0; 2048];
        for _ in 0..2000 {
            let _ = transmitter.send(&[&[9; 500]], Metadata::default());
            match receiver.receive(&mut into) {
                Ok(Some(received)) => assert!(received.len <= geometry.max_frame()),
                Ok(None) => {}
                Err(fault) => {
                    assert_eq!(receiver.fault(), Some(fault));
                    break;
                }
            }
        }
        stop.store(true, Relaxed);
        scribbler.join().unwrap();
    }
}

#[test]
fn each_kind_of_bad_slot_has_its_fault() {
    const MORE: u64 = 1;
    const CONTINUATION: u64 = 2;
    const BUFFERED: u64 = 4;
    const METADATA: u64 = 8;
    let geometry = Geometry::new(8, 128).unwrap();
    let word = |lap: u64, length: u64, flags: u64| lap << 32 | length << 16 | flags;
    let link = word(1, 128, CONTINUATION | MORE | BUFFERED);
    type Expected = fn(RingFault) -> bool;
    let cases: [(&str, Vec<u64>, Expected); 12] = [
        ("lap far ahead", vec![word(7, 60, 0)], |f| {
            matches!(f, RingFault::Lap { position: 0, found: 7, expected: 1 })
        }),
        ("garbage of no lap", vec![word(u64::from(u32::MAX), 60, 0)], |f| matches!(f, RingFault::Lap { .. })),
        ("no bytes", vec![word(1, 0, 0)], |f| matches!(f, RingFault::Length { length: 0, .. })),
        ("more than a line", vec![word(1, 105, 0)], |f| matches!(f, RingFault::Length { length: 105, .. })),
        ("more than a buffer", vec![word(1, 129, BUFFERED)], |f| {
            matches!(f, RingFault::Length { length: 129, .. })
        }),
        ("unknown flag", vec![word(1, 60, 16)], |f| matches!(f, RingFault::Flags { flags: 16, .. })),
        ("continuation as head", vec![word(1, 60, CONTINUATION)], |f| matches!(f, RingFault::Flags { .. })),
        ("chain without a next link", vec![word(1, 128, MORE | BUFFERED), 0], |f| {
            matches!(f, RingFault::Lap { position: 1, found: 0, .. })
        }),
        ("chain into a head", vec![word(1, 128, MORE | BUFFERED), word(1, 60, 0)], |f| {
            matches!(f, RingFault::Flags { position: 1, .. })
        }),
        (
            "metadata in a link",
            vec![word(1, 128, MORE | BUFFERED), word(1, 60, CONTINUATION | METADATA)],
            |f| matches!(f, RingFault::Flags { position: 1, .. }),
        ),
        ("chain without an end", [vec![word(1, 128, MORE | BUFFERED)], vec![link; 7]].concat(), |f| {
            matches!(f, RingFault::Chain { position: 0 })
        }),
        ("metadata outside of the frame", vec![word(1, 60, METADATA)], |f| {
            matches!(f, RingFault::Metadata { position: 0 })
        }),
    ];
    for (name, words, expected) in cases {
        let arenas = Arenas::new(geometry);
        let (_transmitter, mut receiver) = arenas.ring(geometry, KEY);
        for (slot, word) in words.iter().enumerate() {
            arenas.tx_own.store_u64(256 + slot * 128, *word, Relaxed);
        }
        arenas.tx_own.store_u64(256 + 8, 1 | 60 << 48, Relaxed);
        assert!(receiver.is_ready(), "{name}");
        let fault = receiver.receive(&mut [0; 2048]).expect_err(name);
        assert!(expected(fault), "{name}: {fault}");
    }
}

#[test]
fn memory_that_was_taken_away_is_a_fault() {
    let geometry = Geometry::new(8, 128).unwrap();
    let arenas = Arenas::new(geometry);
    let (_transmitter, mut receiver) = arenas.ring(geometry, KEY);
    assert_eq!(receiver.receive(&mut [0; 64]), Ok(None));
    arenas.tx_peer.mapping().quarantine();
    assert_eq!(receiver.receive(&mut [0; 64]), Err(RingFault::Quarantined));
}

#[test]
fn a_hostile_receiver_cannot_harm_the_transmitter() {
    let geometry = Geometry::new(8, 128).unwrap();
    let (mut sent, mut faults) = (0, 0);
    for seed in 0..5000 {
        let arenas = Arenas::new(geometry);
        let (mut transmitter, _receiver) = arenas.ring(geometry, KEY);
        let honest = arenas.rx_own.load_u64(0, Relaxed);
        let mut random = Random(seed);
        for _ in 0..100 {
            if random.chance(3) {
                let word = match random.below(8) {
                    0 => random.next(),
                    1 => honest | random.below(1 << 40),
                    _ => honest | random.below(24),
                };
                arenas.rx_own.store_u64(0, word, Relaxed);
            }
            match transmitter.send(&[&vec![1; 1 + random.below(200) as usize]], Metadata::default()) {
                Ok(()) => sent += 1,
                Err(SendError::Full) => {}
                Err(error) => {
                    let fault = transmitter.fault().expect("only a quarantine is left");
                    assert_eq!(error, SendError::Quarantined(fault));
                    assert_eq!(transmitter.refresh(), Err(error), "a fault sticks");
                    assert_eq!(transmitter.send(&[b"x"], Metadata::default()), Err(error));
                    faults += 1;
                    break;
                }
            }
        }
    }
    assert!(sent > 10_000 && faults > 1000, "the test reaches both outcomes: {sent} frames, {faults} faults");
}

#[test]
fn regress_and_overrun_are_told_apart() {
    let geometry = Geometry::new(8, 128).unwrap();
    let setup = || {
        let arenas = Arenas::new(geometry);
        let (mut transmitter, mut receiver) = arenas.ring(geometry, KEY);
        for _ in 0..3 {
            transmitter.send(&[b"frame"], Metadata::default()).unwrap();
        }
        let mut into = [0; 16];
        while receiver.receive(&mut into).unwrap().is_some() {}
        assert_eq!(transmitter.refresh(), Ok(8));
        let word = arenas.rx_own.load_u64(0, Relaxed);
        (arenas, transmitter, word)
    };
    let (arenas, mut transmitter, word) = setup();
    arenas.rx_own.store_u64(0, word - 1, Relaxed);
    assert_eq!(
        transmitter.refresh(),
        Err(SendError::Quarantined(ReadPointerFault::Regress { from: 3, to: 2 }))
    );
    let (arenas, mut transmitter, word) = setup();
    arenas.rx_own.store_u64(0, word + 1, Relaxed);
    assert_eq!(
        transmitter.refresh(),
        Err(SendError::Quarantined(ReadPointerFault::Overrun { to: 4, written: 3 }))
    );
}
