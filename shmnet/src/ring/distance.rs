//! How far away the receiver is, and which copy routine that calls for.
//!
//! The transmitter has to load the receiver's read pointer now and then anyway. When the word has changed, its line was in
//! the cache of the processor that the receiver runs on, and the load took as long as a line takes from there to here: about 100 ns
//! between cores that share a last-level cache, 300 ns and more between others. So the distance is measured in passing, without a
//! probe of its own, at least once for each lap of the ring; and it follows the threads when they move to other processors.

use crate::memory::{HAS_STREAMING, Ticks};

/// How payload gets into the ring's buffers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CopyRoutine {
    /// By stores into this processor's cache, from which the receiver fetches them: the best for a receiver that is near.
    #[default]
    Cached,
    /// By stores that go past the caches: the best for a receiver that is far.
    Streaming,
}

/// The routine and the last measurements.
#[derive(Debug)]
pub(super) struct Distance {
    copy: CopyRoutine,
    /// The routine was fixed, and does not follow the distance.
    fixed: bool,
    /// Nanoseconds; 0 until it is known.
    nanos: u32,
    samples: [u32; SAMPLES],
    taken: usize,
}

/// So many measurements make a distance: their median, as a thread that was interrupted measures anything.
const SAMPLES: usize = 15;

/// From here on a receiver is far, in nanoseconds for one line.
const FAR: u32 = 250;
/// Up to here it is near. In between it stays what it was.
const NEAR: u32 = 180;

impl Distance {
    pub(super) fn new() -> Self {
        Self { copy: CopyRoutine::Cached, fixed: false, nanos: 0, samples: [0; SAMPLES], taken: 0 }
    }

    /// The routine to be used.
    #[inline(always)]
    pub(super) fn copy(&self) -> CopyRoutine {
        self.copy
    }

    /// Uses one routine whatever the distance, or again that which the distance calls for.
    pub(super) fn fix(&mut self, copy: Option<CopyRoutine>) {
        self.fixed = copy.is_some();
        self.copy = copy.unwrap_or_default();
        self.decide();
    }

    /// The distance in nanoseconds, once it is known.
    pub(super) fn nanos(&self) -> Option<u32> {
        (self.nanos > 0).then_some(self.nanos)
    }

    /// Takes the time of a load that brought a line which the receiver had written.
    pub(super) fn note(&mut self, took: Ticks) {
        self.sample(u32::try_from(took.as_nanos()).unwrap_or(u32::MAX));
    }

    fn sample(&mut self, nanos: u32) {
        self.samples[self.taken] = nanos;
        self.taken += 1;
        if self.taken == SAMPLES {
            self.taken = 0;
            self.samples.sort_unstable();
            self.nanos = self.samples[SAMPLES / 2].max(1);
            self.decide();
        }
    }

    fn decide(&mut self) {
        if self.fixed || !HAS_STREAMING || self.nanos == 0 {
            return;
        }
        if self.nanos >= FAR {
            self.copy = CopyRoutine::Streaming;
        } else if self.nanos <= NEAR {
            self.copy = CopyRoutine::Cached;
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn measured(distance: &mut Distance, nanos: u32) -> CopyRoutine {
        for _ in 0..SAMPLES {
            distance.sample(nanos);
        }
        distance.copy()
    }

    #[test]
    fn the_routine_follows_the_distance_and_does_not_flutter() {
        if !HAS_STREAMING {
            return;
        }
        let mut distance = Distance::new();
        assert_eq!((distance.copy(), distance.nanos()), (CopyRoutine::Cached, None));
        assert_eq!(measured(&mut distance, FAR - 1), CopyRoutine::Cached, "not yet far");
        assert_eq!(measured(&mut distance, FAR), CopyRoutine::Streaming);
        assert_eq!(measured(&mut distance, NEAR + 1), CopyRoutine::Streaming, "not yet near");
        assert_eq!(measured(&mut distance, NEAR), CopyRoutine::Cached);
        assert_eq!(distance.nanos(), Some(NEAR));
    }

    #[test]
    fn interrupted_measurements_do_not_count() {
        let mut distance = Distance::new();
        for number in 0..SAMPLES as u32 {
            distance.sample(if number.is_multiple_of(3) { 1_000_000 } else { 100 });
        }
        assert_eq!((distance.copy(), distance.nanos()), (CopyRoutine::Cached, Some(100)));
    }

    #[test]
    fn a_fixed_routine_stays() {
        let mut distance = Distance::new();
        distance.fix(Some(CopyRoutine::Cached));
        assert_eq!(measured(&mut distance, 800), CopyRoutine::Cached);
        distance.fix(Some(CopyRoutine::Streaming));
        assert_eq!(measured(&mut distance, 100), CopyRoutine::Streaming);
        distance.fix(None);
        assert_eq!(distance.copy(), CopyRoutine::Cached, "as the last distance says");
    }
}
