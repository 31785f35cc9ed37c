//! Both ends of a ring, whose other sides' memory the script writes: every answer is a frame, nothing, or a fault that sticks.
#![no_main]

use isthmus_fuzz::Script;
use isthmus_shmnet::memory::{Mapping, OwnSpan, PeerSpan};
use isthmus_shmnet::ring::{Geometry, Limits, Metadata, Receiver, RingKey, SendError, Transmitter};
use libfuzzer_sys::fuzz_target;
use std::sync::atomic::Ordering::Relaxed;

fuzz_target!(|bytes: &[u8]| {
    let mut script = Script(bytes);
    let Some(mut ring) = script.byte().and_then(Ring::new) else { return };
    while ring.step(&mut script).is_some() {}
});

const KEY: RingKey = RingKey { tx_incarnation: 3, rx_incarnation: 5, epoch: 1 };

struct Ring {
    geometry: Geometry,
    memory: OwnSpan,
    seen: PeerSpan,
    pointer: OwnSpan,
    transmitter: Transmitter,
    receiver: Receiver,
}

impl Ring {
    fn new(shape: u8) -> Option<Self> {
        let geometry = Geometry::new(4 << (shape & 3), 128 * (1 + u32::from(shape >> 2 & 3))).ok()?;
        let (memory, seen) = Mapping::anonymous(geometry.bytes()).ok()?;
        let (pointer, pointer_seen) = Mapping::anonymous(128).ok()?;
        let (memory, pointer) = (memory.own().ok()?, pointer.own().ok()?);
        let transmitter = Transmitter::new(memory.clone(), pointer_seen.peer(), KEY, geometry).ok()?;
        let receiver = Receiver::new(seen.peer(), pointer.clone(), KEY, Limits::default()).ok()?;
        Some(Self { geometry, memory, seen: seen.peer(), pointer, transmitter, receiver })
    }

    fn step(&mut self, script: &mut Script<'_>) -> Option<()> {
        match script.byte()? % 8 {
            0 => {
                let words = self.memory.len() / 8;
                let (at, word) = (script.int()? as usize % words * 8, script.word()?);
                self.memory.store_u64(at, word, Relaxed);
            }
            1 => {
                // Nearly right: random words alone are refused for their lap.
                let slot = usize::from(script.byte()?) % self.geometry.slots() as usize;
                let (lap, length, flags) = (script.byte()?, script.short()?, script.byte()?);
                let word = u64::from(lap) << 32 | u64::from(length) << 16 | u64::from(flags);
                self.memory.store_u64(256 + slot * 128, word, Relaxed);
            }
            2 => self.send(usize::from(script.short()?)),
            3 => self.receive(usize::from(script.short()?)),
            4 => {
                let word = script.word()?;
                self.pointer.store_u64(0, word, Relaxed);
            }
            5 => {
                let honest = self.pointer.load_u64(0, Relaxed);
                let by = i8::from_le_bytes([script.byte()?]);
                self.pointer.store_u64(0, honest.wrapping_add_signed(i64::from(by)), Relaxed);
            }
            6 => {
                self.transmitter.publish();
                self.receiver.publish();
                let _ = self.transmitter.refresh();
            }
            _ => {
                let key = RingKey { epoch: u32::from(script.byte()?), ..KEY };
                if let Ok(receiver) =
                    Receiver::new(self.seen.clone(), self.pointer.clone(), key, Limits::default())
                {
                    assert!(receiver.geometry().bytes() <= self.memory.len());
                    self.receiver = receiver;
                }
            }
        }
        Some(())
    }

    fn send(&mut self, len: usize) {
        match self.transmitter.send(&[&vec![7; len]], Metadata::default()) {
            Ok(()) => assert!(len > 0 && len <= self.geometry.max_frame()),
            Err(error @ SendError::Quarantined(fault)) => {
                assert_eq!(self.transmitter.fault(), Some(fault));
                assert_eq!(self.transmitter.refresh(), Err(error), "a fault sticks");
            }
            Err(_) => {}
        }
    }

    fn receive(&mut self, room: usize) {
        let mut into = vec![0; room];
        match self.receiver.receive(&mut into) {
            Ok(Some(received)) => {
                assert!(received.len >= 1 && received.len <= room);
                assert!(received.metadata.fits(received.len));
            }
            Ok(None) => {}
            Err(fault) => {
                assert_eq!(self.receiver.fault(), Some(fault));
                assert_eq!(self.receiver.receive(&mut into), Err(fault), "a fault sticks");
                assert_eq!(self.receiver.counters().faults, 1);
            }
        }
    }
}
