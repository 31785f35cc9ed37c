//! The clock of the machine beside the engine's own, which no one sets.

use std::time::{Duration, SystemTime};

/// A difference that is a clock that was set, and not one that is slowly kept right.
const STEP: Duration = Duration::from_secs(1);

/// What the machine's clock showed at the origin of the engine's, since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct WallClock(Duration);

impl WallClock {
    /// Looks at the clock, `elapsed` after the origin.
    pub(super) fn read(elapsed: Duration) -> Self {
        Self::at(SystemTime::now(), elapsed)
    }

    fn at(time: SystemTime, elapsed: Duration) -> Self {
        let since_epoch = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Self(since_epoch.saturating_sub(elapsed))
    }

    /// Seconds since 1970, `elapsed` after the origin.
    pub(super) fn seconds(self, elapsed: Duration) -> u32 {
        u32::try_from((self.0 + elapsed).as_secs()).unwrap_or(u32::MAX)
    }

    /// Whether the clock was set between the two looks.
    pub(super) fn differs(self, earlier: Self) -> bool {
        self.0.abs_diff(earlier.0) > STEP
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_runs_is_the_same_and_one_that_was_set_differs() {
        let begin = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        let hour = Duration::from_secs(3600);
        let first = WallClock::at(begin, Duration::ZERO);
        assert_eq!((first.seconds(Duration::ZERO), first.seconds(hour)), (1_800_000_000, 1_800_003_600));
        let drifted = WallClock::at(begin + hour + Duration::from_millis(900), hour);
        let set = [begin + hour * 2, begin, SystemTime::UNIX_EPOCH].map(|time| WallClock::at(time, hour));
        assert!(!drifted.differs(first));
        assert!(set.iter().all(|clock| clock.differs(first)));
        assert_eq!(set[0].seconds(hour), 1_800_007_200);
    }
}
