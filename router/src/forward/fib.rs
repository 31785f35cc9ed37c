//! The forwarding information base: longest-prefix match to a set of equal next hops.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use prefix_trie::PrefixMap;

use crate::forward::InterfaceIndex;

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
