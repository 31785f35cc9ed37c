//! Dijkstra's algorithm (RFC 2328 section 16.1), keeping the first hops of all shortest paths (16.1.1).
//!
//! Every first hop that can occur has a bit; the first hops of a vertex are a set of bits, and inheriting
//! them along an edge is an `or`. Bits are in the order of [`NextHop`], so that the lowest bits are the ones
//! that a limit on equal paths keeps.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};

use crate::route::NextHop;
use crate::types::RouterId;

use super::AreaInput;
use super::graph::{Graph, Vertex};

/// The shortest paths from this router to every vertex.
#[derive(Debug)]
pub(super) struct Tree {
    distances: Vec<u32>,
    /// `words` words of bits for each vertex.
    first_hops: Vec<u64>,
    words: usize,
    /// What each bit means.
    slots: Vec<NextHop>,
}

/// A distance that no path has.
const UNREACHABLE: u32 = u32::MAX;

impl Tree {
    pub(super) fn new(graph: &Graph, router_id: RouterId, area: &AreaInput<'_>) -> Self {
        let first_links = FirstLinks::new(graph, router_id, area);
        let words = first_links.slots.len().div_ceil(64).max(1);
        let mut tree = Self {
            distances: vec![UNREACHABLE; graph.len()],
            first_hops: vec![0; graph.len() * words],
            words,
            slots: Vec::new(),
        };
        tree.grow(graph, &first_links);
        tree.slots = first_links.slots;
        tree
    }

    /// Cost of the shortest path; `None` if there is none.
    pub(super) fn distance(&self, vertex: Vertex) -> Option<u32> {
        Some(self.distances[vertex]).filter(|distance| *distance != UNREACHABLE)
    }

    /// Adds the first hops of a vertex to a list.
    pub(super) fn add_next_hops(&self, vertex: Vertex, next_hops: &mut Vec<NextHop>) {
        for (word, bits) in self.bits(vertex).iter().enumerate() {
            let mut bits = *bits;
            while bits != 0 {
                next_hops.push(self.slots[word * 64 + bits.trailing_zeros() as usize]);
                bits &= bits - 1;
            }
        }
    }

    fn bits(&self, vertex: Vertex) -> &[u64] {
        &self.first_hops[vertex * self.words..][..self.words]
    }

    fn grow(&mut self, graph: &Graph, first_links: &FirstLinks) {
        self.distances[graph.root] = 0;
        // Distance and vertex: at equal distances networks, which have the lower indices, come first.
        let mut candidates = BinaryHeap::new();
        let mut done = vec![false; graph.len()];
        done[graph.root] = true;
        let mut inherited = vec![0; self.words];
        for link in &first_links.links {
            inherited.fill(0);
            set_bit(&mut inherited, link.slot);
            if self.offer(link.to, link.cost, &inherited) {
                candidates.push(Reverse((link.cost, link.to)));
            }
        }
        while let Some(Reverse((distance, vertex))) = candidates.pop() {
            if std::mem::replace(&mut done[vertex], true) {
                continue;
            }
            for edge in graph.edges(vertex).filter(|edge| !done[edge.to()]) {
                inherited.copy_from_slice(self.bits(vertex));
                first_links.enter_router(vertex, edge.to(), &mut inherited);
                let distance = distance.saturating_add(edge.cost());
                if self.offer(edge.to(), distance, &inherited) {
                    candidates.push(Reverse((distance, edge.to())));
                }
            }
        }
    }

    /// Takes a path to a vertex if it is shorter than those known (then the vertex must be looked at again:
    /// `true`) or as short (then its first hops are added).
    fn offer(&mut self, vertex: Vertex, distance: u32, first_hops: &[u64]) -> bool {
        let known = self.distances[vertex];
        if distance > known || distance == UNREACHABLE {
            return false;
        }
        let bits = &mut self.first_hops[vertex * self.words..][..self.words];
        if distance < known {
            self.distances[vertex] = distance;
            bits.copy_from_slice(first_hops);
            return true;
        }
        bits.iter_mut().zip(first_hops).for_each(|(bits, more)| *bits |= more);
        false
    }
}

/// The edges out of this router, and the meaning of each bit.
struct FirstLinks {
    links: Vec<FirstLink>,
    slots: Vec<NextHop>,
    /// Bits of "on this network itself" by network.
    connected: BTreeMap<Vertex, Vec<usize>>,
    /// The bits that "on this network itself" turns into when the path goes on to a router on it.
    across: BTreeMap<(usize, Vertex), Vec<usize>>,
}

struct FirstLink {
    to: Vertex,
    cost: u32,
    slot: usize,
}

impl FirstLinks {
    fn new(graph: &Graph, router_id: RouterId, area: &AreaInput<'_>) -> Self {
        let mut links: Vec<(Vertex, u16, NextHop)> = Vec::new();
        for adjacency in &area.adjacencies {
            let address = Some(adjacency.address);
            let next_hop = NextHop { interface: adjacency.interface, address, router: adjacency.via };
            let to = graph.router(adjacency.neighbor).filter(|to| graph.has_edge(*to, graph.root));
            links.extend(to.map(|to| (to, adjacency.cost, next_hop)));
        }
        let mut across: Vec<(NextHop, Vertex, NextHop)> = Vec::new();
        for transit in &area.transits {
            let Some(network) = graph.network(transit.designated_router) else { continue };
            if !graph.has_edge(network, graph.root) {
                continue;
            }
            let connected = NextHop { interface: transit.interface, address: None, router: router_id };
            links.push((network, transit.cost, connected));
            for (vertex, address) in graph.attached(network).filter(|(vertex, _)| *vertex != graph.root) {
                let Some(router) = graph.router_id(vertex) else { continue };
                across.push((connected, vertex, NextHop { address: Some(address), router, ..connected }));
            }
        }

        let occurring: BTreeSet<NextHop> =
            links.iter().map(|link| link.2).chain(across.iter().map(|across| across.2)).collect();
        let slots: Vec<NextHop> = occurring.into_iter().collect();
        let slot = |next_hop: &NextHop| slots.binary_search(next_hop).unwrap_or_default();
        let mut this = Self {
            links: Vec::new(),
            connected: BTreeMap::new(),
            across: BTreeMap::new(),
            slots: Vec::new(),
        };
        for (to, cost, next_hop) in &links {
            this.links.push(FirstLink { to: *to, cost: u32::from(*cost), slot: slot(next_hop) });
            if next_hop.address.is_none() {
                this.connected.entry(*to).or_default().push(slot(next_hop));
            }
        }
        for (connected, vertex, next_hop) in &across {
            this.across.entry((slot(connected), *vertex)).or_default().push(slot(next_hop));
        }
        this.slots = slots;
        this
    }

    /// Section 16.1.1: from a directly attached network the path goes to a router on it, so the first hop is
    /// that router's address there instead of the network itself.
    fn enter_router(&self, network: Vertex, router: Vertex, first_hops: &mut [u64]) {
        for connected in self.connected.get(&network).into_iter().flatten() {
            if !take_bit(first_hops, *connected) {
                continue;
            }
            for slot in self.across.get(&(*connected, router)).into_iter().flatten() {
                set_bit(first_hops, *slot);
            }
        }
    }
}

fn set_bit(bits: &mut [u64], bit: usize) {
    bits[bit / 64] |= 1 << (bit % 64);
}

fn take_bit(bits: &mut [u64], bit: usize) -> bool {
    let (word, mask) = (bit / 64, 1 << (bit % 64));
    let was_set = bits[word] & mask != 0;
    bits[word] &= !mask;
    was_set
}
