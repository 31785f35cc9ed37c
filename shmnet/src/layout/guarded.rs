//! Records of several words that a reader must see whole: a sequence word in front, odd while the owner writes.
//!
//! The owner never waits. A reader tries a bounded number of times; an owner that died while writing leaves the
//! record unreadable, and readers keep what they read before.

use crate::memory::{OwnSpan, PeerSpan};
use crate::sync::{Ordering, fence};

/// Bytes in front of a guarded record.
pub(crate) const GUARD: usize = 8;

/// Replaces the record behind the guard at `offset`.
pub(crate) fn write(span: &OwnSpan, offset: usize, record: &[u8]) {
    let sequence = span.load_u64(offset, Ordering::Relaxed) & !1;
    span.store_u64(offset, sequence.wrapping_add(1), Ordering::Relaxed);
    // Whoever sees a byte of the new record also sees the odd word: pairs with the fence in `read`. So it is in memory before any of
    // them can be, where memory is not coherent.
    span.write_back(offset, GUARD);
    span.write_back_fence();
    fence(Ordering::Release);
    span.copy_in(offset + GUARD, record);
    span.write_back(offset + GUARD, record.len());
    span.write_back_fence();
    span.store_u64(offset, sequence.wrapping_add(2), Ordering::Release);
    // It gets there before anything that is stored after the next fence.
    span.write_back(offset, GUARD);
}

/// Copies the record behind the guard at `offset`; returns its sequence, or `None` if it did not hold still.
pub(crate) fn read(span: &PeerSpan, offset: usize, record: &mut [u8]) -> Option<u64> {
    for _ in 0..ATTEMPTS {
        span.invalidate(offset, GUARD);
        let before = span.load_u64(offset, Ordering::Acquire);
        if before & 1 == 0 {
            span.invalidate(offset + GUARD, record.len());
            span.copy_out(offset + GUARD, record);
            fence(Ordering::Acquire);
            span.invalidate(offset, GUARD);
            if span.load_u64(offset, Ordering::Relaxed) == before {
                return Some(before);
            }
        }
        std::hint::spin_loop();
    }
    None
}

/// A record is at most a few kilobytes: an owner that is alive is done long before.
const ATTEMPTS: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::interrupt::{self, Then};
    use crate::memory::simulated::{Random, Simulation, Skip, seeds, sensitive_places};

    const WORDS: usize = 20;

    fn record(number: u64) -> Vec<u8> {
        (0..WORDS as u64).flat_map(|word| (number * 1000 + word).to_le_bytes()).collect()
    }

    /// An owner that writes and a peer that reads, each in the middle of the other's doing.
    fn run(seed: u64, skip: Option<Skip>, memory: &Simulation) -> Result<(), String> {
        memory.skip(skip);
        let mut random = Random::new(!seed);
        let offset = random.below(16) as usize * 8;
        let arena = memory.arena(512);
        let (own, peer) = (arena.own().unwrap(), memory.peer(&arena).peer());
        let (mut written, mut last) = (0, 0);
        let mut judge = |found: Option<u64>, bytes: &[u8], newest: u64| {
            let Some(sequence) = found.filter(|sequence| *sequence > 0) else { return Ok(()) };
            let number = sequence / 2;
            if bytes != record(number) || number < last || number > newest {
                return Err(format!("record {number} is read as {bytes:?} after {last}"));
            }
            last = number;
            Ok(())
        };
        for _ in 0..60 {
            let accesses = random.below(12);
            let mut bytes = vec![0; WORDS * 8];
            if random.one_in(2) {
                written += 1;
                let found = std::rc::Rc::new(std::cell::RefCell::new((None, bytes)));
                let (reader, into) = (peer.clone(), std::rc::Rc::clone(&found));
                let action = move || {
                    let (found, bytes) = &mut *into.borrow_mut();
                    *found = read(&reader, offset, bytes);
                    Then::GoOn
                };
                interrupt::during(accesses, Box::new(action), || write(&own, offset, &record(written)));
                let (found, bytes) = &*found.borrow();
                judge(*found, bytes, written)?;
            } else {
                let times = random.below(3);
                let (owner, first) = (own.clone(), written + 1);
                let action = move || {
                    (first..first + times).for_each(|number| write(&owner, offset, &record(number)));
                    Then::GoOn
                };
                let (found, _) =
                    interrupt::during(accesses, Box::new(action), || read(&peer, offset, &mut bytes));
                // The action may not have had its turn: what is there says.
                written = own.load_u64(offset, Ordering::Relaxed) / 2;
                judge(found, &bytes, written)?;
            }
        }
        memory.calm();
        let mut bytes = vec![0; WORDS * 8];
        if written > 0 && read(&peer, offset, &mut bytes) != Some(written * 2) {
            return Err(format!("record {written} never arrives"));
        }
        Ok(())
    }

    #[test]
    fn a_record_is_read_whole_without_coherence() {
        for seed in seeds(2000) {
            run(seed, None, &Simulation::new(seed)).unwrap_or_else(|why| panic!("seed {seed}: {why}"));
        }
    }

    #[test]
    fn each_write_back_and_invalidation_is_needed() {
        sensitive_places(1000, run, &[]);
    }
}
