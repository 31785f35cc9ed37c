//! What the protocol promises, kept book of: who is owed which frame, what was delivered, and in which order.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::frame::Life;
use crate::group::Claim;

/// An owner's order: its claim, and the incarnation of the owner.
pub(super) type Order = (Claim, u64);

/// What each reader delivered, in its order: sources and numbers.
type Deliveries = BTreeMap<Life, Vec<(Life, u64)>>;

#[derive(Default)]
pub(super) struct Oracle {
    /// The last number that a reader delivered of a source.
    last: HashMap<(Life, Life), u64>,
    /// The numbers of a source that a reader has yet to deliver.
    required: HashMap<(Life, Life), BTreeSet<u64>>,
    /// Numbers that were passed over; each must turn out to be overwritten, and counted.
    pub(super) passed: Vec<(Life, Life, u64)>,
    /// What each reader delivered by an owner's order.
    ordered: BTreeMap<(u64, u16, u64), Deliveries>,
}

impl Oracle {
    /// `reader` has to deliver number `number` of `source`.
    pub(super) fn owe(&mut self, source: Life, reader: Life, number: u64) {
        self.required.entry((source, reader)).or_default().insert(number);
    }

    /// What matches, given a source and a reader, is owed no more.
    pub(super) fn release(&mut self, matches: impl Fn(Life, Life) -> bool) {
        self.required.retain(|(source, reader), _| !matches(*source, *reader));
    }

    /// A frame was delivered, by the order or without.
    pub(super) fn delivered(&mut self, source: Life, reader: Life, number: u64, order: Option<Order>) {
        let key = (source, reader);
        let before = self.last.insert(key, number).unwrap_or(0);
        assert!(number > before, "{key:?}: {number} after {before}");
        if let Some(required) = self.required.get_mut(&key) {
            let later = required.split_off(&number);
            let passed = std::mem::replace(required, later);
            required.remove(&number);
            self.passed.extend(passed.into_iter().map(|number| (source, reader, number)));
        }
        if let Some((claim, incarnation)) = order {
            let order = self.ordered.entry((claim.generation, claim.owner, incarnation)).or_default();
            order.entry(reader).or_default().push((source, number));
        }
    }

    /// Nothing is owed any more.
    pub(super) fn assert_settled(&self) {
        let owed: Vec<_> = self.required.iter().filter(|(_, numbers)| !numbers.is_empty()).collect();
        assert!(owed.is_empty(), "not delivered: {owed:?}");
    }

    /// Any two readers have what both delivered by one owner's order in the same order. Returns how many frames were compared.
    pub(super) fn assert_one_order(&self) -> u64 {
        let mut compared = 0;
        for (order, readers) in &self.ordered {
            let readers: Vec<_> = readers.iter().collect();
            for (at, (first, of_first)) in readers.iter().enumerate() {
                let places: HashMap<_, _> =
                    of_first.iter().enumerate().map(|(at, frame)| (frame, at)).collect();
                for (second, of_second) in &readers[at + 1..] {
                    let common: Vec<_> = of_second.iter().filter_map(|frame| places.get(frame)).collect();
                    compared += common.len() as u64;
                    assert!(
                        common.is_sorted(),
                        "{order:?}: {first:?} delivered {of_first:?} and {second:?} {of_second:?}"
                    );
                }
            }
        }
        compared
    }
}
