//! How busy a worker is: the time of the turns that found work, and their part of each second.

use std::time::Duration;

use crate::forward::counters::Counters;

/// Over how long the part is measured.
const WINDOW: Duration = Duration::from_secs(1);

/// Measures the turns by the time that each is told anyway: it looks at no clock.
#[derive(Default)]
pub(super) struct LoadMeter {
    /// When the turn began that found work, and has not been counted yet.
    working_since: Option<Duration>,
    busy: Duration,
    window_began: Duration,
    busy_at_window: Duration,
}

impl LoadMeter {
    /// A turn begins, and the one before it has ended. `now` is the time since the worker began.
    pub(super) fn turn(&mut self, now: Duration, counters: &Counters) {
        let load = &counters.load;
        load.turned_at.set(nanoseconds(now));
        if let Some(since) = self.working_since.take() {
            self.busy += now.saturating_sub(since);
            load.busy.set(nanoseconds(self.busy));
        }
        let window = now.saturating_sub(self.window_began);
        if window >= WINDOW {
            let part = (self.busy - self.busy_at_window).as_secs_f64() / window.as_secs_f64();
            load.recent.set((part * 1e6) as u64);
            self.window_began = now;
            self.busy_at_window = self.busy;
        }
    }

    /// The turn that began at `now` has found work.
    pub(super) fn worked(&mut self, now: Duration) {
        self.working_since = Some(now);
    }
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_that_find_work_are_counted_whole_and_the_others_not() {
        let (mut meter, counters) = (LoadMeter::default(), Counters::new());
        let at = Duration::from_millis;
        meter.turn(at(0), &counters);
        meter.worked(at(0));
        meter.turn(at(300), &counters);
        assert_eq!(counters.load().busy, at(300));
        // From here on it finds nothing.
        meter.turn(at(900), &counters);
        assert_eq!((counters.load().busy, counters.load().turned_at), (at(300), at(900)));
        assert_eq!(counters.load().recent, 0.0, "no second is over");
        meter.turn(at(1200), &counters);
        assert_eq!(counters.load().recent, 0.25);
        meter.turn(at(2300), &counters);
        assert_eq!(counters.load().recent, 0.0);
        assert_eq!(counters.load().busy, at(300));
    }
}
