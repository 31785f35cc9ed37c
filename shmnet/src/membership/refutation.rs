//! Whether to believe a peer that has closed this node's incarnation.
//!
//! A peer closes an incarnation that was silent for the failure timeout, and the node then has to begin its next one. But
//! the word costs nothing to write: a peer that writes it without cause must not make a node leave the others again and again.
//! So a node asks its own record first. If it was silent, the peer is right. If it was not, the peer gets a strike: for the first
//! few the node still begins the next incarnation, since an honest peer that erred can meet it only there, but each time later
//! than before; after that the peer's word counts no more, and it has lost its own packets only. `docs/decisions/closed-by-a-peer.md`
//! has the reasons.
//!
//! There is no clock in here, so that tests can let hours pass.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::config::Timing;
use crate::node::NodeId;

/// What speaks for and against the peer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Evidence {
    /// The longest time without a heartbeat by this node's own record, of late.
    pub(super) silence: Duration,
    /// The silence that the peer takes for death: see [`believable_timeout`].
    pub(super) timeout: Duration,
    /// How many live peers have closed this incarnation, and how many there are.
    pub(super) accusers: usize,
    pub(super) peers: usize,
}

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Begin the next incarnation at once.
    Rejoin,
    /// Break with the peer. If it still lives at this time, begin the next incarnation.
    RejoinAt(Instant),
    /// Break with the peer.
    Ignore,
}

/// What is held against the peers, over all incarnations of both sides.
#[derive(Debug, Default)]
pub(super) struct Refutations {
    strikes: BTreeMap<NodeId, Tally>,
    /// The times that this node began a new incarnation, or is about to, for no reason of its own.
    rejoins: Tally,
    rejoin_at: Option<Instant>,
}

impl Refutations {
    /// Weighs a peer's word that this node's incarnation is closed. To be called once for each time.
    pub(super) fn judge(&mut self, now: Instant, by: NodeId, evidence: Evidence) -> Verdict {
        if evidence.silence >= evidence.timeout {
            return Verdict::Rejoin;
        }
        let strikes = self.strikes.entry(by).or_default().add(now);
        if strikes > FORGIVEN && !is_majority(evidence.accusers, evidence.peers) {
            return Verdict::Ignore;
        }
        if let Some(at) = self.rejoin_at {
            return Verdict::RejoinAt(at);
        }
        match back_off(self.rejoins.add(now)) {
            Duration::ZERO => Verdict::Rejoin,
            wait => {
                let at = now + wait;
                self.rejoin_at = Some(at);
                Verdict::RejoinAt(at)
            }
        }
    }

    /// Whether to begin the next incarnation for those of so many peers that still say that this one is closed.
    pub(super) fn is_worth_it(&mut self, now: Instant, accusers: &[NodeId], peers: usize) -> bool {
        is_majority(accusers.len(), peers) || accusers.iter().any(|node| self.strikes(now, *node) <= FORGIVEN)
    }

    fn strikes(&mut self, now: Instant, node: NodeId) -> u32 {
        self.strikes.get_mut(&node).map_or(0, |strikes| strikes.at(now))
    }

    /// Whether the node may be met: its strikes are forgiven, or the last one is long ago. Until then its incarnations and
    /// calls make no work.
    pub(super) fn may_be_met(&mut self, now: Instant, node: NodeId) -> bool {
        self.strikes.get_mut(&node).is_none_or(|strikes| {
            let quarantine = QUARANTINE * strikes.at(now).saturating_sub(FORGIVEN);
            strikes.last.is_none_or(|last| now.saturating_duration_since(last) >= quarantine)
        })
    }

    /// When to begin the next incarnation for those that were broken with.
    pub(super) fn rejoin_at(&self) -> Option<Instant> {
        self.rejoin_at
    }

    /// The next incarnation begins, or need not begin any more.
    pub(super) fn settled(&mut self) {
        self.rejoin_at = None;
    }
}

/// The only peer there is, is not one.
fn is_majority(accusers: usize, peers: usize) -> bool {
    peers >= 2 && 2 * accusers > peers
}

/// The silence after which a peer may take this node for dead: what the peer says, within limits, since a hostile one could
/// say that it has no patience at all.
pub(super) fn believable_timeout(ours: Timing, theirs: Timing) -> Duration {
    let least = ours.failed.min(Timing::default().failed);
    theirs.failed.clamp(least, ours.failed)
}

/// A count that loses one in each [`FORGET`].
#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    count: u32,
    since: Option<Instant>,
    last: Option<Instant>,
}

impl Tally {
    fn at(&mut self, now: Instant) -> u32 {
        while self.count > 0
            && let Some(since) = self.since
            && now.saturating_duration_since(since) >= FORGET
        {
            self.count -= 1;
            self.since = Some(since + FORGET);
        }
        self.count
    }

    fn add(&mut self, now: Instant) -> u32 {
        if self.at(now) == 0 {
            self.since = Some(now);
        }
        self.last = Some(now);
        // The bound keeps the loop above short, and the memory of a node's misdeeds below a day.
        self.count = (self.count + 1).min(WORST);
        self.count
    }
}

/// The wait before the next incarnation, for the number of those that began without a reason of this node's own.
fn back_off(rejoins: u32) -> Duration {
    match rejoins {
        0 | 1 => Duration::ZERO,
        more => LONGEST.min(Duration::from_secs(1 << (more - 2).min(16))),
    }
}

/// So many strikes of a peer are taken for errors.
const FORGIVEN: u32 = 3;

/// One strike, and one rejoin, is forgotten in each of these.
const FORGET: Duration = Duration::from_secs(600);

/// For each strike beyond those forgiven, the time for which a node is not met.
const QUARANTINE: Duration = Duration::from_secs(10);

/// The longest wait before the next incarnation.
const LONGEST: Duration = Duration::from_secs(600);

/// The highest count.
const WORST: u32 = 100;

#[cfg(test)]
mod tests {
    use super::*;

    fn node(id: u16) -> NodeId {
        NodeId::new(id).unwrap()
    }

    /// One of four peers says so, and this node was late by a heartbeat only.
    const ALONE: Evidence = Evidence {
        silence: Duration::from_millis(12),
        timeout: Duration::from_millis(100),
        accusers: 1,
        peers: 4,
    };

    #[test]
    fn a_node_that_was_silent_believes_it_whoever_says_so_and_however_often() {
        let mut refutations = Refutations::default();
        let late = Evidence { silence: Duration::from_millis(100), ..ALONE };
        for _ in 0..100 {
            assert_eq!(refutations.judge(Instant::now(), node(9), late), Verdict::Rejoin);
        }
        assert!(refutations.may_be_met(Instant::now(), node(9)));
    }

    #[test]
    fn a_peer_without_cause_is_believed_less_each_time_and_then_not_at_all() {
        let mut refutations = Refutations::default();
        let start = Instant::now();
        assert_eq!(refutations.judge(start, node(9), ALONE), Verdict::Rejoin);
        let later = start + Duration::from_secs(1);
        let at = later + Duration::from_secs(1);
        assert_eq!(refutations.judge(later, node(9), ALONE), Verdict::RejoinAt(at));
        assert_eq!(refutations.rejoin_at(), Some(at));
        // A second one while the node waits does not put it off.
        assert_eq!(refutations.judge(later, node(8), ALONE), Verdict::RejoinAt(at));
        refutations.settled();
        let third = refutations.judge(at, node(9), ALONE);
        assert_eq!(third, Verdict::RejoinAt(at + Duration::from_secs(2)));
        refutations.settled();
        assert!(refutations.may_be_met(at, node(9)));
        assert_eq!(refutations.judge(at, node(9), ALONE), Verdict::Ignore);
        assert!(!refutations.may_be_met(at, node(9)));
        assert!(refutations.may_be_met(at, node(8)));
        // It may have been repaired, and is met again. The next time it is not believed either, and waits twice as long.
        let met = at + QUARANTINE;
        assert!(refutations.may_be_met(met, node(9)));
        assert_eq!(refutations.judge(met, node(9), ALONE), Verdict::Ignore);
        assert!(!refutations.may_be_met(met + QUARANTINE, node(9)));
        assert!(refutations.may_be_met(met + 2 * QUARANTINE, node(9)));
        // Strikes are forgotten one by one.
        assert_eq!(refutations.judge(start + 4 * FORGET, node(9), ALONE), Verdict::Rejoin);
    }

    #[test]
    fn a_majority_is_believed_though_not_at_once_each_time() {
        let mut refutations = Refutations::default();
        let mut now = Instant::now();
        let many = Evidence { accusers: 3, ..ALONE };
        for round in 0..20 {
            match refutations.judge(now, node(1 + round % 3), many) {
                Verdict::Rejoin => assert_eq!(round, 0),
                Verdict::RejoinAt(at) => now = at,
                Verdict::Ignore => panic!("a majority is not ignored"),
            }
            refutations.settled();
        }
        assert!(now >= Instant::now() + Duration::from_secs(512));
        // The only peer there is, is no majority.
        let only = Evidence { accusers: 1, peers: 1, ..ALONE };
        for _ in 0..FORGIVEN {
            refutations.judge(now, node(7), only);
        }
        assert_eq!(refutations.judge(now, node(7), only), Verdict::Ignore);
    }

    #[test]
    fn patience_is_what_the_peer_says_within_limits() {
        let failed = |millis| Timing { failed: Duration::from_millis(millis), ..Timing::default() };
        let believed = |ours, theirs| believable_timeout(failed(ours), failed(theirs)).as_millis();
        assert_eq!(believed(500, 100), 100);
        assert_eq!(believed(500, 0), 100);
        assert_eq!(believed(500, 60_000), 500);
        assert_eq!(believed(50, 1), 50);
    }

    /// A day under attack, for many seeds: hostile peers accuse as soon as they are met, in any number and under any ids, and
    /// honest ones err now and then.
    #[test]
    fn the_rejoins_of_a_day_are_bounded_whatever_the_peers_do() {
        for seed in 1..=200_u64 {
            let mut random = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
            let mut next = |below: u64| {
                random ^= random << 13;
                random ^= random >> 7;
                random ^= random << 17;
                random % below
            };
            let hostile = 1 + next(253);
            let peers = hostile as usize + next(20) as usize;
            let mut refutations = Refutations::default();
            let start = Instant::now();
            let (mut now, end) = (start, start + Duration::from_secs(86_400));
            let mut rejoins = 0_u32;
            while now < end {
                if refutations.rejoin_at().is_some_and(|at| at <= now) {
                    refutations.settled();
                    rejoins += 1;
                }
                let by = node(1 + next(hostile) as u16);
                if refutations.may_be_met(now, by) {
                    let accusers = 1 + next(hostile) as usize;
                    let verdict = refutations.judge(now, by, Evidence { accusers, peers, ..ALONE });
                    rejoins += u32::from(verdict == Verdict::Rejoin);
                }
                now += Duration::from_millis(1 + next(20_000));
            }
            // A rejoin that is forgotten makes room for the next: one in FORGET, and the first ones.
            assert!(rejoins <= 86_400 / 600 + 12, "seed {seed}: {rejoins}");
            // A lone hostile peer gets what is forgiven, and one more for each strike forgotten.
            if hostile == 1 && peers > 2 {
                assert!(rejoins <= 86_400 / 600 + FORGIVEN, "seed {seed}: {rejoins}");
            }
        }
    }
}
