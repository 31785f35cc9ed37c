//! What was heard last under RFC 7474: sequence numbers that a packet must exceed, also of neighbors that are gone.
//!
//! Sequence numbers never come again in the deployed life of a router. So the numbers are remembered for as long as the key is in use: what
//! was recorded of an earlier adjacency begins no new one.

use std::collections::BTreeMap;

use crate::config::Authentication;
use crate::types::RouterId;

/// Routers remembered, each with each of its keys. Only who has a key gets in here.
const KEPT: usize = 4096;

/// The last sequence number of each type of packet, by the router that has sent it and the key that has signed it.
#[derive(Clone, Debug, Default)]
pub(crate) struct ReplayWindows(BTreeMap<(RouterId, u8), [u64; 5]>);

impl ReplayWindows {
    /// Whether a packet may be believed: each type has its own numbers, as packets of different types may overtake each
    /// other (RFC 7474 section 2).
    pub(crate) fn is_new(&self, router: RouterId, key: u8, packet_type: u8, sequence: u64) -> bool {
        let last = self.0.get(&(router, key)).and_then(|last| last.get(slot(packet_type)));
        last.is_none_or(|last| sequence > *last)
    }

    /// A packet was believed.
    pub(crate) fn note(&mut self, router: RouterId, key: u8, packet_type: u8, sequence: u64) {
        if self.0.len() >= KEPT && !self.0.contains_key(&(router, key)) {
            self.0.pop_first();
        }
        if let Some(last) = self.0.entry((router, key)).or_default().get_mut(slot(packet_type)) {
            *last = sequence;
        }
    }

    /// Forgets what keys have signed that are there no more, or are others under the same number: nobody believes that any longer
    /// (RFC 7474 section 8: whoever has lost its boot count gets new keys).
    pub(crate) fn keep(&mut self, old: &Authentication, new: &Authentication) {
        let find = |of: &Authentication, id| of.keys().iter().find(|key| key.id == id).cloned();
        let is_same = |id| {
            let (old, new) = (find(old, id), find(new, id));
            old.zip(new).is_some_and(|(old, new)| old.secret == new.secret && old.algorithm == new.algorithm)
        };
        self.0.retain(|(_, id), _| is_same(*id));
    }
}

/// The place of a type of packet, 1 to 5.
fn slot(packet_type: u8) -> usize {
    usize::from(packet_type).saturating_sub(1)
}
