//! The forwarding information base: longest-prefix match to a set of equal next hops.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use prefix_trie::PrefixMap;

use crate::forward::InterfaceIndex;
use crate::forward::hash::mix;

/// Where a packet goes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NextHop {
    /// The interface that it leaves by.
    pub interface: InterfaceIndex,
    /// The router that it is handed to; `None`: the destination itself is on the link.
    pub gateway: Option<Ipv4Addr>,
}

/// What is done with packets to a prefix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FibEntry {
    /// One of the next hops takes it, chosen by the hash of the flow. Never empty.
    Forward(Vec<NextHop>),
    /// Silently dropped, and counted.
    Discard,
}

/// An immutable table, published as a whole.
#[derive(Clone, Default)]
pub struct Fib {
    routes: PrefixMap<Ipv4Net, FibEntry>,
}

impl Fib {
    /// A table of the given entries. Of two entries for one prefix the later wins.
    pub fn new(entries: impl IntoIterator<Item = (Ipv4Net, FibEntry)>) -> Self {
        Self { routes: entries.into_iter().map(|(prefix, entry)| (prefix.trunc(), entry)).collect() }
    }

    /// The longest prefix that holds `destination`, and its entry.
    pub fn lookup(&self, destination: Ipv4Addr) -> Option<(Ipv4Net, &FibEntry)> {
        self.routes.get_lpm(&Ipv4Net::from(destination))
    }

    /// Number of prefixes.
    pub fn len(&self) -> usize {
        self.routes.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.routes.len() == 0
    }

    /// All entries, in order of their prefixes.
    pub fn iter(&self) -> impl Iterator<Item = (Ipv4Net, &FibEntry)> {
        self.routes.iter()
    }
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
