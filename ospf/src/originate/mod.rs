//! Originating advertisements (RFC 2328 section 12.4): when a new instance may leave, with which sequence number,
//! and how an old one is taken back.
//!
//! The parts of the engine say what an advertisement should say ([`Instance::originate`]) or that it should be
//! gone ([`Instance::withdraw`]), as often as they like. This module compares that with the database and
//! makes a new instance only if the contents differ, no sooner than MinLSInterval allows.

mod external;
mod network;
mod nssa;
mod router;
mod router_information;
mod summary;

pub(crate) use router::interface_prefixes;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::time::Duration;

use crate::Instance;
use crate::lsdb::{Provenance, Scope};
use crate::timer::TimerId;
use crate::types::{Instant, LS_REFRESH_TIME, MAX_AGE, SeqNum};
use crate::wire::{LsType, Lsa, LsaBody, LsaKey, Options};

/// How long the first router-LSA of an area waits for a Full neighbor. A deviation: section 12.4 originates it
/// as soon as an interface is up. A neighbor would load that instance during the exchange, and then drop the
/// one that lists the adjacency, since it comes within MinLSArrival; one that has never seen ours takes it at once.
pub(crate) const FIRST_ROUTER_LSA_DELAY: Duration = Duration::from_secs(2);

/// How long advertisements of an earlier life wait for being claimed again while exchanges are under way.
const STALE_GRACE: Duration = Duration::from_secs(10);

/// Where MinLSInterval is not configured: the second instance comes no sooner than this after the first,
/// just past the MinLSArrival of any other router,
const FIRST_HOLD: Duration = Duration::from_millis(1050);
/// and while changes go on the interval doubles up to MinLSInterval itself (appendix B).
const LONGEST_HOLD: Duration = Duration::from_secs(5);

/// One advertisement that we originate, or have originated.
#[derive(Debug, Default)]
pub(crate) struct Origination {
    /// What it should say; `None`: it should be gone.
    wanted: Option<(Options, LsaBody)>,
    /// When the last instance was made.
    last: Option<Instant>,
    /// The least time from the last instance to the next.
    hold: Duration,
    /// The sequence number of the last instance. It goes on from there even if the instance was flushed and has left the
    /// database: another router may keep the flushed one for a minute (FRR does), or for longer behind a link that is
    /// down, and would take a first sequence number for older than that.
    sequence: Option<SeqNum>,
}

impl Origination {
    /// Whether it should say something.
    fn is_wanted(&self) -> bool {
        self.wanted.is_some()
    }

    /// From when on it makes no difference whether an instance was ever made: nobody has it any more.
    fn forgotten_at(&self) -> Option<Instant> {
        let everywhere_gone = Duration::from_secs(u64::from(MAX_AGE));
        self.last.map(|last| last + everywhere_gone.max(self.hold * 2))
    }

    /// When the next instance may be made.
    fn ready_at(&self) -> Option<Instant> {
        self.last.map(|last| last + self.hold)
    }

    /// The sequence number of the next instance, above the last one and the one in the database; `None`: the sequence is at its
    /// end, and the last instance has to leave the database first (section 12.1.6).
    fn next_sequence(&self, current: Option<SeqNum>) -> Option<SeqNum> {
        match (self.sequence.max(current), current) {
            (_, Some(SeqNum::MAX)) => None,
            (None | Some(SeqNum::MAX), _) => Some(SeqNum::INITIAL),
            (Some(SeqNum(last)), _) => Some(SeqNum(last + 1)),
        }
    }

    /// Notes that an instance was made, and how long the next one has to wait.
    fn made(&mut self, now: Instant, sequence: SeqNum, configured: Option<Duration>) {
        self.sequence = Some(sequence);
        self.hold = match (configured, self.last) {
            (Some(interval), _) => interval,
            // Still changing: back off.
            (None, Some(last)) if now.since(last) < self.hold * 2 => (self.hold * 2).min(LONGEST_HOLD),
            (None, _) => FIRST_HOLD,
        };
        self.last = Some(now);
    }
}

impl Instance {
    /// Says what an advertisement of ours should say.
    pub(crate) fn originate(
        &mut self,
        now: Instant,
        scope: Scope,
        name: LsaKey,
        options: Options,
        body: LsaBody,
    ) {
        let Some(originations) = self.originations_mut(scope) else { return };
        originations.entry(name).or_default().wanted = Some((options, body));
        self.advance_origination(now, scope, name);
    }

    /// Says that an advertisement of ours should be gone.
    pub(crate) fn withdraw(&mut self, now: Instant, scope: Scope, name: LsaKey) {
        if let Some(origination) = self.originations_mut(scope).and_then(|all| all.get_mut(&name)) {
            origination.wanted = None;
        }
        self.timers.cancel(TimerId::Originate(scope, name));
        self.flush(now, scope, name);
        self.forget_origination(now, scope, name);
    }

    /// Forgets an advertisement that is not wanted any more, once it has left the database and a next instance would
    /// not have to wait on account of the last.
    fn forget_origination(&mut self, now: Instant, scope: Scope, name: LsaKey) {
        let Some(area) = self.area_of(scope) else { return };
        let Some(origination) = area.originations.get(&name) else { return };
        if origination.is_wanted() || area.lsdb.get(&name).is_some() {
            return;
        }
        match origination.forgotten_at() {
            Some(at) if at > now => self.timers.arm(TimerId::Originate(scope, name), at),
            _ => {
                if let Some(originations) = self.originations_mut(scope) {
                    originations.remove(&name);
                }
            }
        }
    }

    /// Makes the next instance of an advertisement if it should say something else than the database's, now or when
    /// MinLSInterval is over.
    pub(crate) fn advance_origination(&mut self, now: Instant, scope: Scope, name: LsaKey) {
        let Some(area) = self.area_of(scope) else { return };
        let Some(origination) = area.originations.get(&name) else { return };
        let Some((options, body)) = &origination.wanted else {
            return self.forget_origination(now, scope, name);
        };
        let ready_at = origination.ready_at();
        let current = area.lsdb.get(&name);
        let is_current = current.is_some_and(|entry| {
            entry.provenance == Provenance::Own
                && !entry.is_max_age(now)
                && entry.lsa.header.options == *options
                && entry.body == *body
        });
        let timer = TimerId::Originate(scope, name);
        if is_current {
            return self.timers.cancel(timer);
        }
        match ready_at {
            Some(at) if at > now => self.timers.arm(timer, at),
            _ => self.make_instance(now, scope, name),
        }
    }

    /// An instance of ours is LSRefreshTime old (section 12.4 (1)): the same contents once more.
    pub(crate) fn refresh(&mut self, now: Instant, scope: Scope, name: LsaKey) {
        let area = self.area_of(scope);
        let wanted = area.and_then(|area| area.originations.get(&name)).is_some_and(Origination::is_wanted);
        if wanted {
            self.make_instance(now, scope, name);
        }
    }

    /// Makes, installs and floods the next instance.
    fn make_instance(&mut self, now: Instant, scope: Scope, name: LsaKey) {
        let min_ls_interval = self.min_ls_interval(scope);
        let current =
            self.lsdb(scope).and_then(|lsdb| lsdb.get(&name)).map(|entry| entry.lsa.header.sequence);
        let Some(origination) = self.originations_mut(scope).and_then(|all| all.get_mut(&name)) else {
            return;
        };
        let Some(sequence) = origination.next_sequence(current) else {
            // `remove_flushed` comes back here when it is gone.
            return self.flush(now, scope, name);
        };
        let Some((options, body)) = origination.wanted.clone() else { return };
        origination.made(now, sequence, min_ls_interval);
        self.timers.cancel(TimerId::Originate(scope, name));
        let lsa = Lsa::build(0, options, name, sequence, &body);
        self.statistics.originated_lsas += 1;
        self.install(now, scope, lsa, body, Provenance::Own);
        self.flood(now, scope, name, None);
    }

    /// Section 13.4: whether an advertisement counts as ours.
    pub(crate) fn is_self_originated(&self, name: &LsaKey) -> bool {
        let is_own_address = |id| self.interfaces.values().any(|interface| interface.address() == id);
        name.advertising_router == self.config.router_id
            || (name.ls_type == LsType::NETWORK && is_own_address(name.id))
    }

    /// Section 13.4: somebody has an instance of ours that is newer than ours: of an earlier life, mostly. What we
    /// still want to say goes above it. The rest is flushed, but not before routes have told what we want to say.
    pub(crate) fn received_self_originated(&mut self, now: Instant, scope: Scope, name: LsaKey) {
        self.advance_origination(now, scope, name);
        self.pending.stale = true;
        if self.timers.at(TimerId::Stale(scope)).is_none() {
            self.timers.arm(TimerId::Stale(scope), now + STALE_GRACE);
        }
    }

    /// Flushes what an earlier life has left and this one does not want, once no exchange is under way in its scope
    /// or `regardless` of that.
    pub(crate) fn flush_stale(&mut self, now: Instant, scope: Scope, regardless: bool) {
        let exchanging = self
            .interfaces
            .iter()
            .filter(|(id, interface)| self.is_flooded_through(scope, **id, interface))
            .flat_map(|(_, interface)| interface.neighbors.values())
            .any(|neighbor| neighbor.is_exchanging());
        if exchanging && !regardless {
            return;
        }
        let Some(lsdb) = self.lsdb(scope) else { return };
        let names: Vec<_> = lsdb
            .iter()
            .filter(|(name, entry)| {
                entry.provenance != Provenance::Own && !entry.is_max_age(now) && self.is_self_originated(name)
            })
            .map(|(name, _)| *name)
            .collect();
        for name in names {
            if !self.is_wanted(scope, &name) {
                self.flush(now, scope, name);
            }
        }
    }

    /// Whether we want to say something under that name, now or soon.
    fn is_wanted(&self, scope: Scope, name: &LsaKey) -> bool {
        let Some(area) = self.area_of(scope) else { return false };
        let awaits_first = name.ls_type == LsType::ROUTER && !area.router_lsa_started;
        let is_own = name.advertising_router == self.config.router_id;
        is_own && (awaits_first || area.originations.get(name).is_some_and(Origination::is_wanted))
    }

    /// Takes back everything that we originate in a scope.
    pub(crate) fn withdraw_all(&mut self, now: Instant, scope: Scope) {
        let own = self.config.router_id;
        let Some(lsdb) = self.lsdb(scope) else { return };
        let names: Vec<_> =
            lsdb.iter().map(|(name, _)| *name).filter(|n| n.advertising_router == own).collect();
        for name in names {
            self.withdraw(now, scope, name);
        }
    }

    /// What of some types we want announced, or have announced and not taken back.
    fn own_advertisements(&self, scope: Scope, types: &[LsType]) -> BTreeSet<LsaKey> {
        let Some(area) = self.area_of(scope) else { return BTreeSet::new() };
        let wanted = area.originations.iter().filter(|(_, origination)| origination.is_wanted());
        let names = area.lsdb.own().chain(wanted.map(|(name, _)| name));
        names.filter(|name| types.contains(&name.ls_type)).copied().collect()
    }

    fn min_ls_interval(&self, scope: Scope) -> Option<Duration> {
        match scope {
            Scope::Area(area) => self.config.areas.get(&area).and_then(|area| area.min_ls_interval),
            Scope::As | Scope::Link(_) => None,
        }
    }

    /// LSRefreshTime less a random part of up to a twentieth, so that what was originated together does not stay
    /// together.
    pub(crate) fn refresh_interval(&mut self) -> Duration {
        let longest = Duration::from_secs(u64::from(LS_REFRESH_TIME));
        let spread = (longest / 20).as_micros() as u64;
        longest - Duration::from_micros(self.random.below(spread))
    }
}
