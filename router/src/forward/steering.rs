//! Which node serves which share of the flows to a common address: tables in the manner of Maglev
//! (Eisenbud et al., NSDI 2016, section 3.4), with weights.
//!
//! The table depends on the members and weights alone, not on their order, the node or the version, since all
//! border routers must send a flow to the same node without talking about it.

use isthmus_shmnet::NodeId;

use crate::forward::hash::mix;
use crate::forward::state::SteeringTable;

/// Slots of a table. Prime, so that every skip visits every slot; 256 slots for each of 256 members, so that
/// shares are even to about one percent; 64 KiB of one byte each, so that it stays in a core's second-level cache.
pub const SLOTS: u32 = 65_537;

/// Builds the table of an epoch from its members: node id and weight. Weight 0 takes no flows; of two entries
/// for one node the heavier counts.
pub fn build(epoch: u64, members: &[(u16, u16)]) -> SteeringTable {
    let mut weights = [0u16; NodeId::MAX as usize];
    for &(node, weight) in members {
        if let Some(node) = NodeId::new(node) {
            let kept = &mut weights[node.index()];
            *kept = weight.max(*kept);
        }
    }
    let heaviest = u32::from(weights.iter().copied().max().unwrap_or(0));
    let mut turns: Vec<Turns> =
        (0..=u8::MAX).zip(weights).filter(|(_, weight)| *weight > 0).map(Turns::new).collect();
    if turns.is_empty() {
        return SteeringTable { epoch, places: Vec::new() };
    }
    let mut slots: Vec<Option<u8>> = vec![None; SLOTS as usize];
    let mut free = SLOTS;
    while free > 0 {
        for member in &mut turns {
            // A member of half the weight takes a slot in every other round.
            member.credit += u32::from(member.weight);
            if member.credit < heaviest || free == 0 {
                continue;
            }
            member.credit -= heaviest;
            member.take(&mut slots);
            free -= 1;
        }
    }
    SteeringTable { epoch, places: slots.into_iter().flatten().collect() }
}

/// A member's walk over the slots in its own order.
struct Turns {
    /// The node id less one, so that it is a byte.
    place: u8,
    weight: u16,
    credit: u32,
    next: u32,
    skip: u32,
}

impl Turns {
    fn new((place, weight): (u8, u16)) -> Self {
        let bits = mix(mix(SEED ^ (u64::from(place) + 1)));
        let next = (bits >> 32) % u64::from(SLOTS);
        let skip = (bits & 0xffff_ffff) % u64::from(SLOTS - 1) + 1;
        Self { place, weight, credit: 0, next: next as u32, skip: skip as u32 }
    }

    /// Takes its most preferred slot that is free. The caller knows that there is one.
    fn take(&mut self, slots: &mut [Option<u8>]) {
        for _ in 0..SLOTS {
            let slot = &mut slots[self.next as usize];
            self.next = (self.next + self.skip) % SLOTS;
            if slot.is_none() {
                *slot = Some(self.place);
                return;
            }
        }
    }
}

/// "maglev\0\0" as a big-endian number.
const SEED: u64 = 0x6d61_676c_6576_0000;

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    fn nodes(table: &SteeringTable) -> Vec<u16> {
        table.nodes().collect()
    }

    fn shares(table: &SteeringTable) -> HashMap<u16, usize> {
        let mut shares = HashMap::new();
        for node in table.nodes() {
            *shares.entry(node).or_default() += 1;
        }
        shares
    }

    #[test]
    fn no_member_no_slot() {
        assert!(nodes(&build(1, &[])).is_empty());
        assert!(nodes(&build(1, &[(3, 0), (0, 1), (257, 1)])).is_empty());
        assert_eq!(nodes(&build(7, &[(3, 1)])), vec![3; SLOTS as usize]);
        assert_eq!(build(7, &[(3, 1)]).epoch, 7);
    }

    #[test]
    fn the_table_of_three_never_changes() {
        let table = build(1, &[(1, 1), (2, 1), (3, 1)]);
        let digest = table.nodes().fold(0u64, |digest, node| mix(digest ^ u64::from(node)));
        assert_eq!(digest, DIGEST_OF_THREE);
    }

    #[test]
    fn weights_are_shares() {
        let shares = shares(&build(1, &[(1, 1), (2, 2), (3, 4)]));
        let part = |node| shares[&node] as f64 / f64::from(SLOTS);
        assert!((part(1) - 1.0 / 7.0).abs() < 0.005);
        assert!((part(2) - 2.0 / 7.0).abs() < 0.005);
        assert!((part(3) - 4.0 / 7.0).abs() < 0.005);
    }

    #[test]
    fn a_full_segment_is_even() {
        let members: Vec<_> = (1..=256).map(|node| (node, 1)).collect();
        let shares = shares(&build(1, &members));
        assert_eq!(shares.len(), 256);
        assert!(shares.values().all(|&count| (254..=258).contains(&count)), "{shares:?}");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn order_does_not_matter(members in proptest::collection::hash_map(1u16..=256, 1u16..5, 1..12), seed: u64) {
            let mut one: Vec<_> = members.into_iter().collect();
            one.sort();
            let mut other = one.clone();
            other.sort_by_key(|&(node, _)| mix(seed ^ u64::from(node)));
            prop_assert_eq!(build(1, &one), build(1, &other));
        }

        #[test]
        fn a_member_that_leaves_moves_few_other_flows(members in proptest::collection::hash_set(1u16..=256, 2..16)) {
            let before: Vec<_> = members.iter().map(|&node| (node, 1)).collect();
            let gone = before[0].0;
            let old = nodes(&build(1, &before));
            let new = nodes(&build(2, &before[1..]));
            let moved = old.iter().zip(&new).filter(|&(&a, &b)| a != gone && a != b).count();
            prop_assert!(new.iter().all(|&node| node != gone));
            // Maglev is not perfectly minimal; the paper's figure for tables of this size is a few percent.
            prop_assert!(moved < SLOTS as usize / 10, "{} moved", moved);
        }

        #[test]
        fn equal_members_get_equal_shares(members in proptest::collection::hash_set(1u16..=256, 1..32)) {
            let table = build(1, &members.iter().map(|&node| (node, 3)).collect::<Vec<_>>());
            let shares = shares(&table);
            let (least, most) = (shares.values().min().unwrap(), shares.values().max().unwrap());
            prop_assert!(most - least <= 1);
        }
    }

    const DIGEST_OF_THREE: u64 = 0xbf5d_4e84_1111_9760;
}
