//! Peers that are not believed any more: why, and what is remembered of it.
//!
//! A quarantine is of one incarnation: it is closed as a dead one is, and the node can be met again in a higher one.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::node::NodeId;

/// The kind of evidence by which a peer is not believed any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum QuarantineCause {
    /// Its file was cut short under the mapping, or the memory behind it could not be had.
    MemoryLost,
    /// Its state word says what no state word says after this.
    State,
    /// Its identity is another than at the meeting.
    Identity,
    /// A guarded record stayed unreadable: its owner holds the guard, or never lets it rest.
    Record,
    /// Its directory leads to where no ring can be, or takes a ring back.
    Directory,
    /// The header of its ring contradicts the directory.
    RingHeader,
    /// A slot of its ring contradicts the protocol.
    Slot,
    /// Its read pointer went back, or past what was written.
    ReadPointer,
    /// Its area of a group ring contradicts itself or the protocol.
    Group,
    /// It closed this node's incarnation without cause.
    Accusation,
}

impl QuarantineCause {
    /// All causes, in the order of tables and metrics.
    pub const ALL: [Self; 10] = [
        Self::MemoryLost,
        Self::State,
        Self::Identity,
        Self::Record,
        Self::Directory,
        Self::RingHeader,
        Self::Slot,
        Self::ReadPointer,
        Self::Group,
        Self::Accusation,
    ];

    /// A short name for tables and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::MemoryLost => "memory-lost",
            Self::State => "state",
            Self::Identity => "identity",
            Self::Record => "record",
            Self::Directory => "directory",
            Self::RingHeader => "ring-header",
            Self::Slot => "slot",
            Self::ReadPointer => "read-pointer",
            Self::Group => "group",
            Self::Accusation => "accusation",
        }
    }
}

/// One peer's incarnation that was put into quarantine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quarantine {
    /// The node.
    pub node: NodeId,
    /// Its incarnation: higher ones are met like any other node's.
    pub incarnation: u64,
    /// The kind of evidence.
    pub cause: QuarantineCause,
    /// What exactly was found.
    pub why: String,
    /// How long ago.
    pub age: Duration,
}

/// The recent quarantines, and a count of all.
#[derive(Debug, Default)]
pub(crate) struct Quarantines {
    recent: VecDeque<(Instant, Quarantine)>,
    counts: [u64; QuarantineCause::ALL.len()],
}

impl Quarantines {
    pub(crate) fn add(&mut self, node: NodeId, incarnation: u64, cause: QuarantineCause, why: String) {
        if self.recent.len() == RECENT {
            self.recent.pop_front();
        }
        let quarantine = Quarantine { node, incarnation, cause, why, age: Duration::ZERO };
        self.recent.push_back((Instant::now(), quarantine));
        self.counts[cause as usize] += 1;
    }

    /// The recent ones, the oldest first.
    pub(crate) fn recent(&self) -> Vec<Quarantine> {
        let aged = |(since, one): &(Instant, Quarantine)| Quarantine { age: since.elapsed(), ..one.clone() };
        self.recent.iter().map(aged).collect()
    }

    /// How many there were since the start, by [`QuarantineCause::ALL`].
    pub(crate) fn counts(&self) -> Vec<(QuarantineCause, u64)> {
        QuarantineCause::ALL.into_iter().zip(self.counts).collect()
    }
}

/// How many are remembered: whoever is quarantined again and again takes no more memory than that.
const RECENT: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_remembered_is_bounded_and_what_is_counted_is_not() {
        let mut quarantines = Quarantines::default();
        let node = NodeId::new(3).unwrap();
        for incarnation in 1..=100 {
            quarantines.add(node, incarnation, QuarantineCause::Slot, format!("number {incarnation}"));
        }
        quarantines.add(node, 101, QuarantineCause::MemoryLost, "cut short".into());
        let recent = quarantines.recent();
        assert_eq!((recent.len(), recent[0].incarnation, recent[63].incarnation), (RECENT, 38, 101));
        let counts = quarantines.counts();
        assert!(counts.contains(&(QuarantineCause::Slot, 100)));
        assert!(counts.contains(&(QuarantineCause::MemoryLost, 1)));
    }

    #[test]
    fn every_cause_has_its_place_and_a_name_of_its_own() {
        for (place, cause) in QuarantineCause::ALL.into_iter().enumerate() {
            assert_eq!(cause as usize, place);
            assert_eq!(QuarantineCause::ALL.iter().filter(|other| other.name() == cause.name()).count(), 1);
        }
    }
}
