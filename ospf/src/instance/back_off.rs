//! The SPF back-off algorithm (RFC 8405): the first change after a quiet time is calculated soon, what follows waits for
//! company, and where changes do not end it waits longer.
//!
//! The timers of section 5.2 need no clock of their own: at each change the machine looks which of them would have expired.

use std::time::Duration;

use crate::config::SpfDelay;
use crate::types::Instant;
use crate::view::SpfDelayState;

/// The state machine of section 5.1.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct BackOff {
    /// When LEARN_TIMER and HOLDDOWN_TIMER expire; `None` in state QUIET.
    timers: Option<Timers>,
}

#[derive(Clone, Copy, Debug)]
struct Timers {
    learn: Instant,
    hold_down: Instant,
}

impl BackOff {
    /// The state at a time (section 5.3, transitions 2, 5 and 6).
    pub(crate) fn state(&self, now: Instant) -> SpfDelayState {
        match self.timers {
            Some(timers) if timers.hold_down > now && timers.learn > now => SpfDelayState::ShortWait,
            Some(timers) if timers.hold_down > now => SpfDelayState::LongWait,
            _ => SpfDelayState::Quiet,
        }
    }

    /// A change (transitions 1, 3 and 4). Returns how long the calculation waits, if none is due already.
    pub(crate) fn event(&mut self, now: Instant, delay: &SpfDelay) -> Duration {
        let hold_down = now + delay.hold_down;
        match (self.state(now), &mut self.timers) {
            (SpfDelayState::ShortWait, Some(timers)) => {
                timers.hold_down = hold_down;
                delay.short
            }
            (SpfDelayState::LongWait, Some(timers)) => {
                timers.hold_down = hold_down;
                delay.long
            }
            _ => {
                self.timers = Some(Timers { learn: now + delay.time_to_learn, hold_down });
                delay.initial
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DELAY: SpfDelay = SpfDelay {
        initial: Duration::from_millis(1),
        short: Duration::from_millis(10),
        long: Duration::from_millis(200),
        time_to_learn: Duration::from_millis(500),
        hold_down: Duration::from_millis(2000),
    };

    fn at(millis: u64) -> Instant {
        Instant(1_000_000 + millis * 1000)
    }

    /// Input: times of changes. Output: the delays.
    fn delays(times: &[u64]) -> Vec<u128> {
        let mut back_off = BackOff::default();
        times.iter().map(|time| back_off.event(at(*time), &DELAY).as_millis()).collect()
    }

    #[test]
    fn a_failure_is_learned_of_in_a_short_time_and_a_storm_is_waited_out() {
        assert_eq!(delays(&[0, 5, 499, 500, 800]), [1, 10, 10, 200, 200]);
        // Quiet again after HOLDDOWN_INTERVAL since the last change, whichever state it was.
        assert_eq!(delays(&[0, 2000]), [1, 1]);
        assert_eq!(delays(&[0, 1999, 3998, 5998]), [1, 200, 200, 1]);
        assert_eq!(delays(&[0, 400, 2400, 2410]), [1, 10, 1, 10], "and learns anew");
    }

    #[test]
    fn the_state_follows_the_time() {
        let mut back_off = BackOff::default();
        assert_eq!(back_off.state(at(0)), SpfDelayState::Quiet);
        back_off.event(at(0), &DELAY);
        for (time, state) in [
            (0, SpfDelayState::ShortWait),
            (499, SpfDelayState::ShortWait),
            (500, SpfDelayState::LongWait),
            (1999, SpfDelayState::LongWait),
            (2000, SpfDelayState::Quiet),
        ] {
            assert_eq!(back_off.state(at(time)), state, "{time}");
        }
    }

    #[test]
    fn without_delays_nothing_waits() {
        let mut back_off = BackOff::default();
        for time in [0, 0, 1, 500] {
            assert_eq!(back_off.event(at(time), &SpfDelay::default()), Duration::ZERO);
            assert_eq!(back_off.state(at(time)), SpfDelayState::Quiet);
        }
    }
}
