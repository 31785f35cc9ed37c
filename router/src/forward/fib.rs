//! The forwarding information base: longest-prefix match to a set of equal next hops.

use std::collections::HashMap;
use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

use crate::forward::InterfaceIndex;
use crate::forward::hash::mix;
use crate::forward::lookup::LookupTable;

/// Where a packet goes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NextHop {
    /// The interface that it leaves by.
    pub interface: InterfaceIndex,
    /// The router that it is handed to; `None`: the destination itself is on the link.
    pub gateway: Option<Ipv4Addr>,
}

/// What is done with packets to a prefix.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum FibEntry {
    /// One of the next hops takes it, chosen by the hash of the flow. Never empty.
    Forward(Vec<NextHop>),
    /// Silently dropped, and counted.
    Discard,
}

/// An immutable table, published as a whole.
#[derive(Clone, Default)]
pub struct Fib {
    table: LookupTable,
    /// By prefix; the number is the place in `entries`.
    prefixes: Vec<(Ipv4Net, u32)>,
    /// Each once: thousands of prefixes lead to a few sets of next hops, which then stay in the cache.
    entries: Vec<FibEntry>,
}

impl Fib {
    /// A table of the given entries. Of two entries for one prefix the later wins.
    pub fn new(entries: impl IntoIterator<Item = (Ipv4Net, FibEntry)>) -> Self {
        let mut places: HashMap<FibEntry, u32> = HashMap::new();
        let mut fib = Self::default();
        for (prefix, entry) in entries {
            let place = *places.entry(entry).or_insert_with_key(|entry| {
                fib.entries.push(entry.clone());
                fib.entries.len() as u32 - 1
            });
            fib.prefixes.push((prefix.trunc(), place));
        }
        // Stable: of equal ones the last stays the last. What comes from the routing table is in order already.
        fib.prefixes.sort_by_key(|(prefix, _)| *prefix);
        let followed_by_another = |pair: &[(Ipv4Net, u32)]| pair[0].0 == pair[1].0;
        if fib.prefixes.windows(2).any(followed_by_another) {
            fib.prefixes.reverse();
            fib.prefixes.dedup_by_key(|(prefix, _)| *prefix);
            fib.prefixes.reverse();
        }
        fib.prefixes.shrink_to_fit();
        let values = fib.prefixes.iter().map(|&(prefix, place)| (prefix, pack(place, prefix.prefix_len())));
        fib.table = LookupTable::new(values);
        fib
    }

    /// The longest prefix that holds `destination`, and its entry.
    pub fn lookup(&self, destination: Ipv4Addr) -> Option<(Ipv4Net, &FibEntry)> {
        let (place, length) = unpack(self.table.lookup(destination)?);
        let prefix = Ipv4Net::new(destination, length).ok()?.trunc();
        Some((prefix, self.entries.get(place)?))
    }

    /// Number of prefixes.
    pub fn len(&self) -> usize {
        self.prefixes.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.prefixes.is_empty()
    }

    /// All entries, in order of their prefixes.
    pub fn iter(&self) -> impl Iterator<Item = (Ipv4Net, &FibEntry)> {
        self.prefixes.iter().filter_map(|&(prefix, place)| Some((prefix, self.entries.get(place as usize)?)))
    }
}

/// The place of an entry and the length of a prefix as one number: 25 bits for the place, 6 for the length.
const fn pack(place: u32, length: u8) -> u32 {
    place << 6 | length as u32
}

const fn unpack(value: u32) -> (usize, u8) {
    ((value >> 6) as usize, (value & 0x3f) as u8)
}

/// Which of several equal next hops takes a flow. A flow whose next hop is not usable moves to another one; all
/// other flows stay where they are. `None`: none is usable.
pub fn choose(
    next_hops: &[NextHop],
    hash: impl FnOnce() -> u64,
    mut usable: impl FnMut(&NextHop) -> bool,
) -> Option<NextHop> {
    if let [only] = next_hops {
        return Some(*only).filter(|next_hop| usable(next_hop));
    }
    let hash = hash();
    let first = next_hops.get(share(hash, next_hops.len()))?;
    if usable(first) {
        return Some(*first);
    }
    let left = next_hops.iter().filter(|next_hop| usable(next_hop)).count();
    // Other bits than for the first choice: it was the same for all flows that come here.
    let second = share(mix(hash), left);
    next_hops.iter().filter(|next_hop| usable(next_hop)).nth(second).copied()
}

/// A number below `count` (0 for 0), each as likely.
fn share(hash: u64, count: usize) -> usize {
    (((hash >> 32) * count as u64) >> 32) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prefix(text: &str) -> Ipv4Net {
        text.parse().unwrap()
    }

    fn via(interface: u16) -> FibEntry {
        FibEntry::Forward(vec![NextHop { interface: InterfaceIndex(interface), gateway: None }])
    }

    #[test]
    fn the_longest_prefix_is_found_with_its_entry() {
        let fib = Fib::new([
            (prefix("0.0.0.0/0"), via(1)),
            (prefix("10.0.0.0/8"), via(2)),
            (prefix("10.1.2.0/24"), FibEntry::Discard),
            (prefix("10.1.2.3/32"), via(1)),
        ]);
        let found =
            |address: [u8; 4]| fib.lookup(address.into()).map(|(prefix, entry)| (prefix.to_string(), entry));
        assert_eq!(found([9, 9, 9, 9]), Some(("0.0.0.0/0".to_owned(), &via(1))));
        assert_eq!(found([10, 9, 9, 9]), Some(("10.0.0.0/8".to_owned(), &via(2))));
        assert_eq!(found([10, 1, 2, 4]), Some(("10.1.2.0/24".to_owned(), &FibEntry::Discard)));
        assert_eq!(found([10, 1, 2, 3]), Some(("10.1.2.3/32".to_owned(), &via(1))));
        assert_eq!((fib.len(), fib.entries.len()), (4, 3), "equal entries are kept once");
    }

    #[test]
    fn of_two_entries_for_a_prefix_the_later_wins_and_all_are_listed_in_order() {
        let fib = Fib::new([
            (prefix("10.0.0.0/8"), via(1)),
            (prefix("9.0.0.0/8"), via(3)),
            (prefix("10.1.0.0/8"), via(2)),
        ]);
        let listed: Vec<_> = fib.iter().map(|(prefix, entry)| (prefix.to_string(), entry.clone())).collect();
        assert_eq!(listed, [("9.0.0.0/8".to_owned(), via(3)), ("10.0.0.0/8".to_owned(), via(2))]);
    }

    #[test]
    fn a_choice_among_equals_is_even_and_moves_only_what_must() {
        let next_hops: Vec<_> =
            (0..4).map(|number| NextHop { interface: InterfaceIndex(number), gateway: None }).collect();
        let mut counts = [0; 4];
        for flow in 0..4000 {
            let chosen = choose(&next_hops, || mix(flow), |_| true).unwrap();
            counts[usize::from(chosen.interface.0)] += 1;
            let without = choose(&next_hops, || mix(flow), |hop| hop.interface.0 != 2).unwrap();
            assert!(without == chosen || chosen.interface.0 == 2);
            assert_ne!(without.interface.0, 2);
        }
        assert!(counts.iter().all(|count| (850..1150).contains(count)), "{counts:?}");
        assert_eq!(choose(&next_hops, || 7, |_| false), None);
        assert_eq!(choose(&[], || 7, |_| true), None);
    }
}
