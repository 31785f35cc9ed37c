//! What a group area says that no honest node's does, found by looking at it from time to time.
//!
//! Data threads clamp whatever they read and go on; this tells whose area it was. Only words that contradict themselves or
//! what this node has written count: what can follow from another node's lie, or from reading in the midst of a change, does not.

use crate::memory::PeerSpan;
use crate::sync::Ordering::Acquire;

use super::GroupGeometry;
use super::lane::SEQUENCES;
use super::layout::{
    ACKS, CLAIM, HEADER_GEOMETRY, HEADER_INCARNATION, KNOWN, LANE_HEAD, LANE_TAIL, MAGIC, untag,
};
use super::order::GENERATIONS;

/// The node that looks: what it has sent bounds what may be acknowledged.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Onlooker<'a> {
    /// Its node number.
    pub(crate) id: u16,
    /// Its incarnation.
    pub(crate) incarnation: u64,
    /// Its own area of the group.
    pub(crate) area: &'a PeerSpan,
}

/// The contradiction in the area of a peer's incarnation, in words.
pub(crate) fn contradiction(
    area: &PeerSpan,
    incarnation: u64,
    geometry: GroupGeometry,
    onlooker: Onlooker<'_>,
) -> Option<String> {
    area.invalidate(0, geometry.reader_position());
    header(area, incarnation, geometry)
        .or_else(|| lane(area, geometry))
        .or_else(|| claims(area, geometry))
        .or_else(|| acknowledgement(area, onlooker))
}

fn header(area: &PeerSpan, incarnation: u64, geometry: GroupGeometry) -> Option<String> {
    let words = [
        ("magic", 0, MAGIC),
        ("geometry", HEADER_GEOMETRY, geometry.hash()),
        ("incarnation", HEADER_INCARNATION, incarnation),
    ];
    words.into_iter().find_map(|(name, offset, expected)| {
        let found = area.load_u64(offset, Acquire);
        (found != expected).then(|| format!("its {name} is {found:#x}, and was {expected:#x}"))
    })
}

fn lane(area: &PeerSpan, geometry: GroupGeometry) -> Option<String> {
    // Both only rise, and the tail is stored first: an older tail is not above the head, a newer one not far below it.
    let load = |offset| {
        // Each anew: what came together may be of different ages.
        area.invalidate(offset, 8);
        area.load_u64(offset, Acquire)
    };
    let (before, head, after) = (load(LANE_TAIL), load(LANE_HEAD), load(LANE_TAIL));
    let broken = head > SEQUENCES || before > head || head.saturating_sub(after) > geometry.lane_slots();
    broken.then(|| format!("its lane is from {before} to {head}, of {} slots", geometry.lane_slots()))
}

fn claims(area: &PeerSpan, geometry: GroupGeometry) -> Option<String> {
    let claimed = area.load_u64(CLAIM, Acquire);
    if claimed >= GENERATIONS {
        return Some(format!("it claims generation {claimed:#x}"));
    }
    let known = area.load_u64(KNOWN, Acquire);
    let (generation, owner) = (known >> 16, known as u16);
    (generation >= GENERATIONS || owner >= geometry.nodes())
        .then(|| format!("it follows node {owner} in generation {generation:#x}"))
}

fn acknowledgement(area: &PeerSpan, onlooker: Onlooker<'_>) -> Option<String> {
    let word = area.load_u64(ACKS + usize::from(onlooker.id) * 8, Acquire);
    // Loaded afterwards: it covers all that the peer can have read.
    let head = onlooker.area.load_u64(LANE_HEAD, Acquire);
    let next = untag(onlooker.incarnation, word)?;
    (next > head).then(|| format!("it acknowledges {next}, and {head} is the next frame"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::group::{GroupEndpoint, Start};
    use crate::memory::{Mapping, OwnSpan};
    use crate::sync::Ordering::Relaxed;

    struct Pair {
        geometry: GroupGeometry,
        own: [OwnSpan; 2],
        seen: [PeerSpan; 2],
    }

    /// Two nodes, 1 and 2, with frames sent and received both ways.
    fn pair() -> Pair {
        let geometry = GroupGeometry::new(3, 4, 128, 8).unwrap();
        let maps = [1, 2].map(|_| Mapping::anonymous(geometry.bytes()).unwrap());
        let own = [&maps[0], &maps[1]].map(|(own, _)| own.own().unwrap());
        let seen = [&maps[0], &maps[1]].map(|(_, seen)| seen.peer());
        let mut ends = [1_u16, 2].map(|id| {
            GroupEndpoint::new(own[usize::from(id) - 1].clone(), id, 7 + u64::from(id), geometry).unwrap()
        });
        ends[0].attach_peer(2, 9, seen[1].clone(), Start::Oldest).unwrap();
        ends[1].attach_peer(1, 8, seen[0].clone(), Start::Oldest).unwrap();
        ends[0].set_active(&[1, 2]);
        ends[1].set_active(&[1, 2]);
        for _ in 0..20 {
            for end in &mut ends {
                end.send(b"a frame").unwrap();
            }
            for end in &mut ends {
                end.poll_owner_duties();
                while end.receive(&mut [0; 256]).is_some() {}
            }
        }
        Pair { geometry, own, seen }
    }

    impl Pair {
        /// What node 1 finds in the area of node 2.
        fn found(&self) -> Option<String> {
            let onlooker = Onlooker { id: 1, incarnation: 8, area: &self.seen[0] };
            contradiction(&self.seen[1], 9, self.geometry, onlooker)
        }
    }

    #[test]
    fn an_honest_area_does_not_contradict_itself() {
        assert_eq!(pair().found(), None);
    }

    #[test]
    fn every_word_that_cannot_be_is_found() {
        let cases = [
            (0, 0, "magic"),
            (HEADER_GEOMETRY, 1, "geometry"),
            (HEADER_INCARNATION, 10, "incarnation"),
            (LANE_HEAD, u64::MAX, "lane"),
            (LANE_HEAD, 1, "lane"),
            (LANE_TAIL, 1 << 40, "lane"),
            (LANE_TAIL, 1, "lane"),
            (CLAIM, GENERATIONS, "claims"),
            (CLAIM, u64::MAX, "claims"),
            (KNOWN, GENERATIONS << 16 | 1, "follows"),
            (KNOWN, 5 << 16 | 3, "follows"),
            (ACKS + 8, 8 << 48 | 1000, "acknowledges"),
        ];
        for (offset, word, expected) in cases {
            let pair = pair();
            pair.own[1].store_u64(offset, word, Relaxed);
            let found = pair.found().unwrap_or_default();
            assert!(found.contains(expected), "{offset:#x} {word:#x}: {found}");
        }
        // A word for another incarnation of this node says nothing.
        let pair = pair();
        pair.own[1].store_u64(ACKS + 8, 7 << 48 | 1000, Relaxed);
        assert_eq!(pair.found(), None);
    }
}
