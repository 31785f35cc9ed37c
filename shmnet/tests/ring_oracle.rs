//! A ring behaves as a queue of frames, whatever the sizes, the wraps and the order of the two sides' steps.
#![cfg(not(loom))]

mod support;

use std::collections::VecDeque;

use isthmus_shmnet::ring::{
    CopyRoutine, Geometry, GeometryError, Limits, Metadata, Receiver, RingKey, SendError, SetupError,
    Transmitter,
};
use proptest::prelude::*;

use support::{Arenas, KEY, pattern};

#[derive(Clone, Debug)]
enum Step {
    Send { len: usize, parts: usize, checksum: bool },
    Reserve { len: usize, used: usize },
    Receive { frames: usize },
    Publish,
    Copy(Option<CopyRoutine>),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (1usize..2000, 1usize..5, any::<bool>()).prop_map(|(len, parts, checksum)| Step::Send { len, parts, checksum }),
        2 => (1usize..110).prop_map(|len| Step::Send { len, parts: 1, checksum: false }),
        2 => (1usize..900, 0usize..900).prop_map(|(len, used)| Step::Reserve { len, used }),
        4 => (1usize..6).prop_map(|frames| Step::Receive { frames }),
        1 => Just(Step::Publish),
        1 => proptest::sample::select(vec![None, Some(CopyRoutine::Cached), Some(CopyRoutine::Streaming)])
            .prop_map(Step::Copy),
    ]
}

fn split(bytes: &[u8], parts: usize) -> Vec<&[u8]> {
    bytes.chunks(bytes.len().div_ceil(parts)).collect()
}

fn metadata(checksum: bool, len: usize) -> Metadata {
    if checksum && len >= 60 {
        Metadata { flags: 1, csum_start: 34, csum_offset: 16, steer_epoch: len as u32, ..Metadata::default() }
    } else {
        Metadata::default()
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn frames_arrive_whole_and_in_order(
        slots in 2u32..7, buffer in 1u32..4, steps in proptest::collection::vec(step(), 1..300)
    ) {
        let geometry = Geometry::new(1 << slots, buffer * 128).unwrap();
        let (mut transmitter, mut receiver) = Arenas::new(geometry).ring(geometry, KEY);
        let mut oracle = VecDeque::new();
        let mut into = vec![0; 4096];
        for (number, step) in steps.into_iter().enumerate() {
            match step {
                Step::Send { len, parts, checksum } => {
                    let bytes = pattern(number as u64, len);
                    let metadata = metadata(checksum, len);
                    match transmitter.send(&split(&bytes, parts), metadata) {
                        Ok(()) => oracle.push_back((bytes, metadata)),
                        Err(SendError::TooLong { limit, .. }) => prop_assert!(len > limit),
                        Err(error) => {
                            prop_assert_eq!(error, SendError::Full);
                            prop_assert!(!oracle.is_empty() || transmitter.refresh().unwrap() < geometry.slots());
                        }
                    }
                }
                Step::Reserve { len, used } => {
                    let bytes = pattern(number as u64, used.clamp(1, len));
                    match transmitter.reserve(len) {
                        Ok(mut room) => {
                            room.copy_in(0, &bytes).unwrap();
                            if used > 0 {
                                room.commit(bytes.len(), Metadata::default()).unwrap();
                                oracle.push_back((bytes, Metadata::default()));
                            }
                        }
                        Err(SendError::TooLong { limit, .. }) => prop_assert!(len > limit),
                        Err(error) => prop_assert_eq!(error, SendError::Full),
                    }
                }
                Step::Receive { frames } => {
                    for _ in 0..frames {
                        let received = receiver.receive(&mut into).unwrap();
                        let expected = oracle.pop_front();
                        let got = received.map(|frame| (into[..frame.len].to_vec(), frame.metadata));
                        prop_assert_eq!(got, expected);
                    }
                }
                Step::Copy(routine) => transmitter.fix_copy_routine(routine),
                Step::Publish => {
                    transmitter.publish();
                    receiver.publish();
                }
            }
        }
        while let Some(received) = receiver.receive(&mut into).unwrap() {
            let (bytes, metadata) = oracle.pop_front().unwrap();
            prop_assert_eq!(&into[..received.len], &bytes[..]);
            prop_assert_eq!(received.metadata, metadata);
        }
        prop_assert!(oracle.is_empty());
        prop_assert_eq!(transmitter.counters().frames, receiver.counters().frames);
        prop_assert_eq!(transmitter.counters().bytes, receiver.counters().bytes);
        prop_assert_eq!(transmitter.occupancy().unwrap().used, 0);
        prop_assert!(transmitter.is_drained());
    }
}

#[test]
fn two_threads_pass_many_frames() {
    const FRAMES: u64 = 200_000;
    let geometry = Geometry::new(64, 256).unwrap();
    let (mut transmitter, mut receiver) = Arenas::new(geometry).ring(geometry, KEY);
    let sender = std::thread::spawn(move || {
        for number in 0..FRAMES {
            let len = 8 + (number % 1000) as usize;
            let mut frame = vec![number as u8; len];
            frame[..8].copy_from_slice(&number.to_le_bytes());
            while let Err(error) = transmitter.send(&[&frame], Metadata::default()) {
                assert_eq!(error, SendError::Full);
                std::thread::yield_now();
            }
        }
    });
    let mut into = [0; 2048];
    for number in 0..FRAMES {
        let received = loop {
            match receiver.receive(&mut into).unwrap() {
                Some(received) => break received,
                None => std::thread::yield_now(),
            }
        };
        assert_eq!(received.len, 8 + (number % 1000) as usize);
        assert_eq!(into[..8], number.to_le_bytes());
        assert!(into[8..received.len].iter().all(|byte| *byte == number as u8));
    }
    sender.join().unwrap();
    assert_eq!(receiver.receive(&mut into), Ok(None));
}

#[test]
fn refusals_are_counted() {
    let geometry = Geometry::new(4, 128).unwrap();
    let (mut transmitter, mut receiver) = Arenas::new(geometry).ring(geometry, KEY);
    assert_eq!(
        transmitter.send(&[&[0; 257]], Metadata::default()),
        Err(SendError::TooLong { len: 257, limit: 256 })
    );
    assert_eq!(transmitter.send(&[], Metadata::default()), Err(SendError::Empty));
    let outside = Metadata { flags: 1, csum_start: 60, ..Metadata::default() };
    assert_eq!(transmitter.send(&[&[0; 60]], outside), Err(SendError::Metadata));
    for _ in 0..4 {
        transmitter.send(&[&[7; 60]], Metadata::default()).unwrap();
    }
    assert_eq!(transmitter.send(&[&[7; 60]], Metadata::default()), Err(SendError::Full));
    let counters = transmitter.counters();
    assert_eq!((counters.frames, counters.too_long, counters.invalid, counters.full), (4, 1, 2, 1));
    let occupancy = transmitter.occupancy().unwrap();
    assert_eq!((occupancy.slots, occupancy.used, occupancy.high_water), (4, 4, 4));
    assert_eq!(transmitter.take_high_water(), 4);

    assert_eq!(receiver.receive(&mut [0; 59]), Ok(None), "all four are longer than the room");
    assert_eq!(receiver.counters().too_long, 4);
    receiver.publish();
    assert_eq!(transmitter.refresh(), Ok(4));
}

#[test]
fn the_read_pointer_of_another_ring_is_ignored() {
    let geometry = Geometry::new(4, 128).unwrap();
    let arenas = Arenas::new(geometry);
    let (mut old, mut receiver) = arenas.ring(geometry, KEY);
    for _ in 0..3 {
        old.send(&[b"old"], Metadata::default()).unwrap();
    }
    let mut into = [0; 128];
    while receiver.receive(&mut into).unwrap().is_some() {}
    assert_eq!(old.refresh(), Ok(4));

    for key in [
        RingKey { epoch: 2, ..KEY },
        RingKey { tx_incarnation: 4, ..KEY },
        RingKey { rx_incarnation: 6, ..KEY },
    ] {
        let mut new = Transmitter::new(arenas.tx_own.clone(), arenas.rx_peer.clone(), key, geometry).unwrap();
        new.send(&[b"new"], Metadata::default()).unwrap();
        assert_eq!(new.refresh(), Ok(3), "three slots read in the old ring are none in the new one");
        assert_eq!(new.fault(), None);
    }
}

#[test]
fn a_receiver_attaches_only_to_the_ring_that_was_announced() {
    let geometry = Geometry::new(8, 256).unwrap();
    let arenas = Arenas::new(geometry);
    let attach = |key, limits| Receiver::new(arenas.tx_peer.clone(), arenas.rx_own.clone(), key, limits);
    assert!(matches!(attach(KEY, Limits::default()), Err(SetupError::Magic { found: 0 })));

    let mut transmitter =
        Transmitter::new(arenas.tx_own.clone(), arenas.rx_peer.clone(), KEY, geometry).unwrap();
    assert_eq!(attach(KEY, Limits::default()).unwrap().geometry(), geometry);
    let other = RingKey { epoch: 2, ..KEY };
    assert!(matches!(attach(other, Limits::default()), Err(SetupError::Key { found: KEY, .. })));
    let small = Limits { max_bytes: geometry.bytes() - 1 };
    assert!(matches!(attach(KEY, small), Err(SetupError::Geometry(GeometryError::TooLarge { .. }))));
    let truncated = arenas.tx_peer.sub(0, geometry.bytes() - 1).unwrap();
    assert!(matches!(
        Receiver::new(truncated, arenas.rx_own.clone(), KEY, Limits::default()),
        Err(SetupError::Span(_))
    ));

    let relaxed = std::sync::atomic::Ordering::Relaxed;
    let word = arenas.tx_own.load_u64(8, relaxed);
    arenas.tx_own.store_u64(8, word << 1, relaxed);
    assert!(matches!(attach(KEY, Limits::default()), Err(SetupError::Hash { .. })));
    arenas.tx_own.store_u64(8, word, relaxed);
    transmitter.send(&[b"late"], Metadata::default()).unwrap();
    let mut into = [0; 16];
    assert_eq!(attach(KEY, Limits::default()).unwrap().receive(&mut into).unwrap().unwrap().len, 4);
}

#[test]
fn geometries_are_checked() {
    assert_eq!(Geometry::new(48, 128), Err(GeometryError::Slots(48)));
    assert_eq!(Geometry::new(2, 128), Err(GeometryError::Slots(2)));
    assert_eq!(Geometry::new(1 << 17, 128), Err(GeometryError::Slots(1 << 17)));
    assert_eq!(Geometry::new(4, 100), Err(GeometryError::Buffer(100)));
    assert_eq!(Geometry::new(4, 65536), Err(GeometryError::Buffer(65536)));
    let fitting = Geometry::fitting(144 << 10, 2048).unwrap();
    assert_eq!((fitting.slots(), fitting.bytes()), (64, 10240 + 64 * 2048));
    assert_eq!(fitting.max_frame(), 65536);
    assert!(Geometry::fitting(4096, 2048).is_err());
}
