//! Loops of the forwarding tables, while they last.

use std::collections::BTreeSet;
use std::collections::{BTreeMap, btree_map};
use std::net::Ipv4Addr;
use std::time::Duration;

use ipnet::Ipv4Net;
use isthmus_ospf::route::PathType;
use isthmus_ospf::types::{Instant, RouterId};

use crate::network::{Network, NodeId};

/// Destinations, and since when packets to them go in circles.
#[derive(Default)]
pub(super) struct Loops {
    destinations: BTreeSet<Ipv4Net>,
    lasting: BTreeMap<Ipv4Net, Instant>,
    /// How long each loop that ended has lasted.
    pub(super) ended: Vec<Duration>,
}

impl Loops {
    /// Looks at the destinations that a change may concern.
    pub(super) fn follow(&mut self, network: &mut Network) {
        let Some(changed) = network.changed.as_mut().map(std::mem::take) else { return };
        if changed.is_empty() {
            return;
        }
        let concerned: Vec<Ipv4Net> = self
            .destinations
            .iter()
            .chain(&changed)
            .filter(|destination| changed.iter().any(|prefix| prefix.contains(*destination)))
            .copied()
            .collect::<BTreeSet<_>>()
            .into_iter()
            .collect();
        self.destinations.extend(changed);
        self.look(network, &concerned);
    }

    /// Looks at every destination, as after the end of a process.
    pub(super) fn look_at_all(&mut self, network: &Network) {
        let all: Vec<_> = self.destinations.iter().copied().collect();
        self.look(network, &all);
    }

    fn look(&mut self, network: &Network, destinations: &[Ipv4Net]) {
        let index: BTreeMap<RouterId, NodeId> =
            network.alive().map(|(id, node, _)| (node.config.router_id, id)).collect();
        for destination in destinations {
            let loops = has_loop(network, &index, *destination);
            match self.lasting.entry(*destination) {
                btree_map::Entry::Occupied(since) if !loops => {
                    self.ended.push(network.now.since(since.remove()));
                }
                btree_map::Entry::Vacant(place) if loops => drop(place.insert(network.now)),
                _ => {}
            }
        }
    }

    /// A destination to which packets go in circles now.
    pub(super) fn lasting(&self) -> Option<Ipv4Net> {
        self.lasting.keys().next().copied()
    }
}

/// Whether packets to the first address of a prefix can come back to a router that has had them.
fn has_loop(network: &Network, index: &BTreeMap<RouterId, NodeId>, destination: Ipv4Net) -> bool {
    let address = destination.hosts().next().unwrap_or(destination.addr());
    // 1 while its ways are followed, 2 when that is done.
    let mut visited = vec![0_u8; network.nodes.len()];
    index.values().any(|node| circles(network, index, address, *node, &mut visited))
}

fn circles(
    network: &Network,
    index: &BTreeMap<RouterId, NodeId>,
    address: Ipv4Addr,
    start: NodeId,
    visited: &mut [u8],
) -> bool {
    let mut stack = vec![(start, next(network, index, address, start))];
    if visited[start] != 0 {
        return false;
    }
    visited[start] = 1;
    while let Some((node, hops)) = stack.last_mut() {
        let Some(hop) = hops.pop() else {
            visited[*node] = 2;
            stack.pop();
            continue;
        };
        match visited[hop] {
            0 => {
                visited[hop] = 1;
                stack.push((hop, next(network, index, address, hop)));
            }
            1 => return true,
            _ => {}
        }
    }
    false
}

/// The routers that a router sends packets for an address to.
fn next(
    network: &Network,
    index: &BTreeMap<RouterId, NodeId>,
    address: Ipv4Addr,
    node: NodeId,
) -> Vec<NodeId> {
    let Some((prefix, route)) = longest_match(&network.nodes[node].fib, address) else { return Vec::new() };
    // What it announces from outside it has a way to that OSPF does not know.
    let externals = &network.nodes[node].externals;
    let leaves =
        longest_match(externals, address).is_some_and(|(own, _)| own.prefix_len() >= prefix.prefix_len());
    if leaves || route.path_type == PathType::Discard {
        return Vec::new();
    }
    let hops = route.next_hops.iter().filter(|hop| hop.address.is_some());
    hops.filter_map(|hop| index.get(&hop.router)).copied().filter(|hop| *hop != node).collect()
}

fn longest_match<T>(table: &BTreeMap<Ipv4Net, T>, address: Ipv4Addr) -> Option<(Ipv4Net, &T)> {
    (0..=32).rev().find_map(|length| {
        let prefix = Ipv4Net::new(address, length).ok()?.trunc();
        Some((prefix, table.get(&prefix)?))
    })
}
