//! How much of its arena a node gives to rings: to the first one of a pair, and to one that replaces a ring that stays full.
//!
//! The rings of a segment are as many as pairs of nodes, and most pairs have little to say to each other. So the first rings are of
//! the configured size only while few of them are in use, and small after that, as those of all queues but the first always are;
//! those that have traffic grow. Whatever grows
//! leaves room for the first rings to the nodes that may still come.

use crate::config::{DEFAULT_GEOMETRY, MAX_RING_SLOTS};
use crate::layout::{Layout, PAGE};
use crate::ring::Geometry;

/// The geometry of the first ring to a peer, when `used` bytes of an arena of `arena` bytes are rings.
pub(super) fn first(configured: Geometry, mtu: u16, used: u64, arena: u64) -> Geometry {
    // Who configures large rings wants large rings.
    let wanted = configured.bytes() > DEFAULT_GEOMETRY.bytes();
    if wanted || used < arena / PLENTY { configured } else { least(configured, mtu) }
}

/// A ring with the configured buffers and no more slots than frames of the network's MTU need, but at least a burst's.
fn least(configured: Geometry, mtu: u16) -> Geometry {
    // A frame takes at most half of a ring.
    let slots = (2 * (u32::from(mtu) + FRAMING).div_ceil(configured.buffer())).next_power_of_two();
    let slots = slots.clamp(FEW_SLOTS, MAX_RING_SLOTS).min(configured.slots());
    Geometry::new(slots, configured.buffer()).unwrap_or(configured)
}

/// The memory of the first rings to one peer that must be there: on both networks.
pub(super) fn least_pair(configured: [Geometry; 2], mtu: [u16; 2]) -> u64 {
    let least = |network: usize| {
        let ring = configured[network];
        // Those that are wanted large are not made smaller.
        if ring.bytes() > DEFAULT_GEOMETRY.bytes() { ring } else { least(ring, mtu[network]) }
    };
    [0, 1].map(|network| least(network).bytes().next_multiple_of(PAGE) as u64).iter().sum()
}

/// The least bytes of a node's arena in which it has rings to so many peers: what is below it refuses to start, or to meet all of
/// them. `queues`, `geometry` and `mtu` (of the LSM and of the GSM) are those of the segment. `None` if there can be no such
/// number of nodes or of queues.
#[must_use]
pub fn arena_bytes(
    max_nodes: u16,
    queues: u8,
    geometry: [Geometry; 2],
    mtu: [u16; 2],
    peers: u16,
) -> Option<u64> {
    let layout = Layout::new(max_nodes, queues)?;
    let pair = least_pair(geometry, mtu) * u64::from(queues);
    Some((layout.heap as u64 + pair * u64::from(peers)).next_multiple_of(PAGE as u64))
}

/// The geometry of the ring that replaces one that stays full, if there is a larger one.
pub(super) fn larger(geometry: Geometry) -> Option<Geometry> {
    let slots = geometry.slots().saturating_mul(4).min(MAX_RING_SLOTS);
    Geometry::new(slots, geometry.buffer()).ok().filter(|larger| larger.slots() > geometry.slots())
}

/// Whether rings may take `bytes` more of a heap of which `free` of `heap` bytes are free, while `unmet` nodes may still come whose
/// first rings take `pair` bytes each.
pub(super) fn leaves_room(bytes: u64, free: u64, heap: u64, unmet: u64, pair: u64) -> bool {
    // In a heap that was never large enough for all, half of it is for those that are there.
    let kept = unmet.saturating_mul(pair).min(heap / 2);
    free.saturating_sub(bytes) >= kept && free >= bytes
}

/// First rings are of the configured size until they take this part of the arena.
const PLENTY: u64 = 32;

/// The slots of a small ring: half of a burst is in it while the other half is read.
const FEW_SLOTS: u32 = 16;

/// What a frame has beyond the network's MTU: the Ethernet header with a VLAN tag.
const FRAMING: u32 = 18;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::Heap;
    use crate::membership::life::DEFAULT_BUDGET;

    const MTU: u16 = 9000;

    /// What a node of a segment for `nodes` takes when all are there and nothing is sent: the arena's bytes in use, and the heap.
    fn idle(nodes: u16) -> (u64, Heap) {
        let layout = Layout::new(nodes, 1).unwrap();
        let mut heap = Heap::new(layout.heap as u64, DEFAULT_BUDGET);
        for _ in 0..2 * (nodes - 1) {
            let ring = first(DEFAULT_GEOMETRY, MTU, heap.used(), DEFAULT_BUDGET);
            heap.take(ring.bytes() as u64).expect("room for every first ring");
        }
        (layout.heap as u64 + heap.used(), heap)
    }

    #[test]
    fn first_rings_to_256_nodes_fit_the_default_budget_and_most_of_it_is_left_to_those_that_grow() {
        let bytes = [2, 16, 64, 256].map(|nodes| idle(nodes).0);
        // The numbers of docs/architecture/memory.md.
        assert_eq!(bytes.map(|bytes| bytes >> 10), [632, 3000, 6484, 20428]);
        let (_, heap) = idle(256);
        assert!(DEFAULT_BUDGET - idle(256).0 > DEFAULT_BUDGET / 2, "{} used", heap.used());
    }

    #[test]
    fn a_small_ring_takes_a_frame_of_the_mtu_and_grows_to_the_largest() {
        let small = first(DEFAULT_GEOMETRY, MTU, 32 << 20, DEFAULT_BUDGET);
        assert_eq!((small.slots(), small.buffer()), (16, 2048));
        assert!(small.slots() / 2 * small.buffer() >= u32::from(MTU) + FRAMING);
        let mut grown = vec![small.slots()];
        let mut ring = small;
        while let Some(next) = larger(ring) {
            ring = next;
            grown.push(ring.slots());
        }
        assert_eq!(grown, [16, 64, 256, 1024]);
        // A large MTU takes more slots, and no ring has more than were configured.
        assert_eq!(first(DEFAULT_GEOMETRY, 60_000, 32 << 20, DEFAULT_BUDGET).slots(), 64);
        let narrow = Geometry::new(8, 2048).unwrap();
        assert_eq!(first(narrow, MTU, 32 << 20, DEFAULT_BUDGET), narrow);
        let large = Geometry::new(256, 2048).unwrap();
        assert_eq!(first(large, MTU, 32 << 20, DEFAULT_BUDGET), large);
    }

    #[test]
    fn growth_leaves_room_for_the_nodes_that_may_still_come() {
        let pair = least_pair([DEFAULT_GEOMETRY; 2], [MTU; 2]);
        assert_eq!(pair, 2 * 36_864);
        // The first of 256 nodes that come: their rings grow, as long as all the others have room.
        let layout = Layout::new(256, 1).unwrap();
        let mut heap = Heap::new(layout.heap as u64, DEFAULT_BUDGET);
        let size = heap.used() + heap.free();
        let largest = Geometry::new(MAX_RING_SLOTS, 2048).unwrap().bytes() as u64;
        let mut grown = 0;
        while leaves_room(largest, heap.free(), size, 253, pair) {
            heap.take(largest).unwrap();
            grown += 1;
        }
        assert!(grown >= 16, "{grown}");
        for _ in 0..253 {
            for _ in 0..2 {
                let ring = first(DEFAULT_GEOMETRY, MTU, heap.used(), DEFAULT_BUDGET);
                heap.take(ring.bytes() as u64).expect("room for the first rings of every node that comes");
            }
        }
        // A heap that is too small for all is still for those that are there.
        assert!(leaves_room(1 << 20, 4 << 20, 4 << 20, 253, pair));
        assert!(!leaves_room(3 << 20, 4 << 20, 4 << 20, 253, pair));
        assert!(!leaves_room(2, 1, 4 << 20, 0, pair));
    }
}
