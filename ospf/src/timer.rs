//! The timers of one instance, ordered by when they are due.
//!
//! Nothing here reads a clock: the caller asks for [`Timers::next`], sleeps however it likes, and hands
//! the time back. Each timer exists at most once, so that arming it again moves it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use crate::lsdb::Scope;
use crate::neighbor::NeighborKey;
use crate::types::{AreaId, Instant, InterfaceId};
use crate::wire::LsaKey;

/// What a timer is for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum TimerId {
    /// The next hello of an interface (RFC 2328 section 9.5).
    Hello(InterfaceId),
    /// Nobody has said for RouterDeadInterval who the designated router is (section 9.2, WaitTimer).
    Wait(InterfaceId),
    /// A listed neighbor on a network without multicast: it was not heard for RouterDeadInterval, or it is polled (sections
    /// 9.5.1, 10.2).
    SilentNeighbor(InterfaceId, Ipv4Addr),
    /// Delayed acknowledgments of an interface (section 13.5).
    DelayedAck(InterfaceId),
    /// A neighbor was not heard for RouterDeadInterval (section 10.2, InactivityTimer).
    Inactivity(NeighborKey),
    /// A database description packet was not answered (section 10.8).
    DdRetransmit(NeighborKey),
    /// A link state request was not answered (section 10.9).
    RequestRetransmit(NeighborKey),
    /// Advertisements were not acknowledged (section 13.6).
    UpdateRetransmit(NeighborKey),
    /// An advertisement of ours wants to be refreshed, one of another router has reached MaxAge (section 14).
    LsaAge(Scope, LsaKey),
    /// MinLSInterval of an advertisement that has changed meanwhile is over (section 12.4).
    Originate(Scope, LsaKey),
    /// The router-LSA of an area is originated although no neighbor is Full.
    FirstRouterLsa(AreaId),
    /// Advertisements of an earlier life that nobody has claimed again are flushed (section 13.4).
    Stale(Scope),
    /// A translator of a not-so-stubby area that is not elected any more stops (RFC 3101 section 3.1).
    Translator(AreaId),
    /// A neighbor that restarts is helped no longer (RFC 3623 section 3.2).
    GracePeriod(NeighborKey),
    /// The routing table is calculated.
    Spf,
}

/// The timers that are armed.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    due: BTreeSet<(Instant, TimerId)>,
    armed: BTreeMap<TimerId, Instant>,
}

impl Timers {
    /// Arms `id` for `at`, wherever it was before.
    pub(crate) fn arm(&mut self, id: TimerId, at: Instant) {
        self.cancel(id);
        self.armed.insert(id, at);
        self.due.insert((at, id));
    }

    /// Arms `id` for `at` unless it is due earlier already.
    pub(crate) fn arm_no_later(&mut self, id: TimerId, at: Instant) {
        if self.armed.get(&id).is_none_or(|armed| *armed > at) {
            self.arm(id, at);
        }
    }

    /// Forgets `id`.
    pub(crate) fn cancel(&mut self, id: TimerId) {
        if let Some(at) = self.armed.remove(&id) {
            self.due.remove(&(at, id));
        }
    }

    /// Forgets everything.
    pub(crate) fn clear(&mut self) {
        self.due.clear();
        self.armed.clear();
    }

    /// When `id` is due, if it is armed.
    pub(crate) fn at(&self, id: TimerId) -> Option<Instant> {
        self.armed.get(&id).copied()
    }

    /// When the first timer is due.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.due.first().map(|(at, _)| *at)
    }

    /// Takes the first timer that is due at `now`.
    pub(crate) fn take_due(&mut self, now: Instant) -> Option<TimerId> {
        let (at, id) = *self.due.first()?;
        if at > now {
            return None;
        }
        self.cancel(id);
        Some(id)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const A: TimerId = TimerId::Hello(InterfaceId(1));
    const B: TimerId = TimerId::Spf;

    #[test]
    fn timers_fire_in_order_and_once() {
        let mut timers = Timers::default();
        let start = Instant(0);
        timers.arm(A, start + Duration::from_secs(2));
        timers.arm(B, start + Duration::from_secs(1));
        assert_eq!(timers.next(), Some(start + Duration::from_secs(1)));
        let late = start + Duration::from_secs(3);
        assert_eq!(timers.take_due(late), Some(B));
        assert_eq!(timers.take_due(late), Some(A));
        assert_eq!(timers.take_due(late), None);
        assert_eq!(timers.next(), None);
    }

    #[test]
    fn arming_again_moves_a_timer_and_arm_no_later_only_forward() {
        let mut timers = Timers::default();
        timers.arm(A, Instant(10));
        timers.arm(A, Instant(20));
        assert_eq!(timers.take_due(Instant(15)), None);
        timers.arm_no_later(A, Instant(30));
        assert_eq!(timers.at(A), Some(Instant(20)));
        timers.arm_no_later(A, Instant(5));
        assert_eq!(timers.at(A), Some(Instant(5)));
        timers.cancel(A);
        assert_eq!(timers.take_due(Instant(100)), None);
    }
}
