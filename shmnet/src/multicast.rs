//! Which multicast frames a node takes: what it publishes in its arena, and what others send it by.

use std::fmt;

/// An Ethernet address.
type Mac = [u8; 6];

/// The multicast addresses that a node takes on a network, as an Ethernet card's filter does: a list, or all of them.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct MulticastFilter {
    all: bool,
    /// Sorted, each once.
    groups: Vec<Mac>,
}

impl MulticastFilter {
    /// How many addresses are published one by one. A node that takes more is sent every multicast frame, and drops itself
    /// what it does not take.
    pub const MAX_PUBLISHED: usize = 40;

    /// Takes no multicast frame.
    pub const fn none() -> Self {
        Self { all: false, groups: Vec::new() }
    }

    /// Takes every multicast frame.
    pub const fn all() -> Self {
        Self { all: true, groups: Vec::new() }
    }

    /// Takes the frames to these addresses. What is no multicast address is left out.
    pub fn of(groups: impl IntoIterator<Item = Mac>) -> Self {
        let mut groups: Vec<Mac> = groups.into_iter().filter(|mac| mac[0] & 1 == 1).collect();
        groups.sort_unstable();
        groups.dedup();
        Self { all: false, groups }
    }

    /// Takes what any of the filters takes.
    pub(crate) fn union<'a>(filters: impl IntoIterator<Item = &'a Self>) -> Self {
        let mut union = Self::none();
        for filter in filters {
            union.all |= filter.all;
            union.groups.extend_from_slice(&filter.groups);
        }
        if union.all { Self::all() } else { Self::of(union.groups) }
    }

    /// Whether every multicast frame is taken.
    pub fn takes_all(&self) -> bool {
        self.all
    }

    /// The addresses that are taken, in their order; none if [all](Self::takes_all) are.
    pub fn groups(&self) -> &[[u8; 6]] {
        &self.groups
    }

    /// Whether a frame is taken. One that is too short for an address is taken only with all others.
    #[inline]
    pub fn takes(&self, frame: &[u8]) -> bool {
        self.all || frame.first_chunk::<6>().is_some_and(|mac| self.groups.binary_search(mac).is_ok())
    }
}

impl fmt::Debug for MulticastFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.all {
            return f.write_str("all");
        }
        let text = |mac: &Mac| mac.map(|byte| format!("{byte:02x}")).join(":");
        f.debug_list().entries(self.groups.iter().map(text)).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OSPF: Mac = [1, 0, 0x5e, 0, 0, 5];
    const DNS: Mac = [1, 0, 0x5e, 0, 0, 251];

    fn frame(to: Mac) -> Vec<u8> {
        [&to[..], &[0; 54]].concat()
    }

    #[test]
    fn a_filter_takes_what_it_lists() {
        let filter = MulticastFilter::of([DNS, OSPF, DNS, [2, 0x49, 0x53, 0, 0, 1]]);
        assert_eq!(filter.groups(), [OSPF, DNS], "sorted, each once, and no station");
        assert!(filter.takes(&frame(OSPF)) && filter.takes(&frame(DNS)));
        assert!(!filter.takes(&frame([1, 0, 0x5e, 0, 0, 6])));
        assert!(!filter.takes(&OSPF[..5]) && !filter.takes(&[]));
        assert!(!MulticastFilter::none().takes(&frame(OSPF)));
        assert!(MulticastFilter::all().takes(&frame(OSPF)) && MulticastFilter::all().takes(&[]));
    }

    #[test]
    fn a_union_takes_what_any_takes() {
        let [ospf, dns] = [OSPF, DNS].map(|mac| MulticastFilter::of([mac]));
        let both = MulticastFilter::union([&ospf, &dns, &ospf]);
        assert_eq!(both.groups(), [OSPF, DNS]);
        assert!(!both.takes_all());
        assert!(MulticastFilter::union([&ospf, &MulticastFilter::all()]).takes_all());
        assert_eq!(MulticastFilter::union([]), MulticastFilter::none());
    }
}
