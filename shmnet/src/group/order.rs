//! The claim to be a group's owner, and the ring of references that the owner writes.

use crate::memory::{OwnSpan, PeerSpan};
use crate::sync::Ordering::{Acquire, Relaxed, Release};
use crate::sync::fence;

use super::GroupGeometry;
use super::layout::{CLAIM, KNOWN, ORDER_HEAD, REFERENCE, tagged, untag};

/// Who orders a group's frames, and the how-manieth owner it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Claim {
    /// Counts the owners; a higher one wins.
    pub generation: u64,
    /// The owner's id; among equal generations the lower one wins.
    pub owner: u16,
}

/// Generations stay below this: a peer that claims more is not followed, since nobody could ever claim more.
pub(super) const GENERATIONS: u64 = 1 << 40;

/// How far a claim may be ahead of the least that anybody tells of, to be followed: more owners than there are while one node does
/// not look. A liar's claim is not followed by anybody who hears of an honest one; and when all follow a lie, since nobody
/// knew better, the first honest claim after it ends it.
pub(super) const LEAP: u64 = 1 << 20;

impl Claim {
    pub(super) fn beats(self, other: Option<Self>) -> bool {
        other.is_none_or(|other| {
            (self.generation, std::cmp::Reverse(self.owner))
                > (other.generation, std::cmp::Reverse(other.owner))
        })
    }

    /// The claim in a peer's area, if there is a plausible one.
    pub(super) fn load(area: &PeerSpan, owner: u16) -> Option<Self> {
        area.invalidate(CLAIM, 8);
        let generation = area.load_u64(CLAIM, Acquire);
        (generation != 0 && generation < GENERATIONS).then_some(Self { generation, owner })
    }

    /// The claim that a peer follows, if it is a plausible one. Its owner may be long gone.
    pub(super) fn hearsay(area: &PeerSpan, geometry: GroupGeometry) -> Option<Self> {
        area.invalidate(KNOWN, 8);
        let word = area.load_u64(KNOWN, Acquire);
        let claim = Self { generation: word >> 16, owner: word as u16 };
        (claim.generation != 0 && claim.generation < GENERATIONS && claim.owner < geometry.nodes())
            .then_some(claim)
    }

    fn tag(self) -> u64 {
        self.generation & 0xffff
    }
}

/// A reference to a frame in a source's lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Reference {
    pub(super) source: u16,
    pub(super) lane_index: u32,
    pub(super) incarnation: u64,
    pub(super) seq: u64,
}

/// The writing side of the order ring, in the node's own area.
#[derive(Debug)]
pub(super) struct OrderRing {
    area: OwnSpan,
    geometry: GroupGeometry,
    claim: Option<Claim>,
    /// Position of the next reference.
    head: u64,
}

impl OrderRing {
    pub(super) fn new(area: OwnSpan, geometry: GroupGeometry) -> Self {
        area.store_u64(CLAIM, 0, Relaxed);
        area.store_u64(KNOWN, 0, Relaxed);
        area.store_u64(ORDER_HEAD, 0, Relaxed);
        let ring = Self { area, geometry, claim: None, head: 0 };
        ring.clear();
        ring
    }

    /// The claim that is upheld.
    pub(super) fn claim(&self) -> Option<Claim> {
        self.claim
    }

    /// Claims to be the owner, with an empty ring.
    pub(super) fn claim_as(&mut self, claim: Claim) {
        self.clear();
        self.head = 0;
        self.claim = Some(claim);
        self.area.store_u64(ORDER_HEAD, tagged(claim.tag(), 0), Relaxed);
        self.area.write_back(ORDER_HEAD, 8);
        self.area.write_back_fence();
        // Pairs with the acquiring load in `Claim::load`: who follows the claim sees the ring emptied.
        self.area.store_u64(CLAIM, claim.generation, Release);
        self.area.write_back(CLAIM, 8);
    }

    /// Writes no more references. The claim's word stays: it tells of the generation.
    pub(super) fn step_down(&mut self) {
        self.claim = None;
    }

    /// Publishes the claim that this node follows.
    pub(super) fn publish_known(&self, claim: Claim) {
        self.area.store_u64(KNOWN, claim.generation << 16 | u64::from(claim.owner), Release);
        self.area.write_back(KNOWN, 8);
    }

    /// Appends a reference, over the oldest one if need be. Only for an owner.
    pub(super) fn append(&mut self, reference: Reference) {
        let Some(claim) = self.claim else { return };
        let slot = self.geometry.order_slot(self.head);
        self.area.store_u64(slot, 0, Relaxed);
        self.area.write_back(slot, 8);
        self.area.write_back_fence();
        fence(Release);
        let place = u64::from(reference.source) << 32 | u64::from(reference.lane_index);
        self.area.store_u64(slot + 8, place, Relaxed);
        self.area.store_u64(slot + 16, reference.incarnation, Relaxed);
        self.area.store_u64(slot + 24, reference.seq, Relaxed);
        self.area.write_back(slot + 8, REFERENCE - 8);
        self.area.write_back_fence();
        self.head += 1;
        // Pairs with the acquiring load in `OrderView::load`; the owner has acquired the lane's head, so that who sees the
        // reference sees the frame.
        self.area.store_u64(slot, tagged(claim.tag(), self.head), Release);
        self.area.write_back(slot, 8);
        self.area.store_u64(ORDER_HEAD, tagged(claim.tag(), self.head), Release);
        self.area.write_back(ORDER_HEAD, 8);
    }

    fn clear(&self) {
        for position in 0..self.geometry.order_slots() {
            self.area.store_u64(self.geometry.order_slot(position), 0, Relaxed);
        }
        self.area.write_back(self.geometry.order_offset(), self.geometry.order_slots() as usize * REFERENCE);
    }
}

/// The reading side of an owner's order ring, from the claim's first reference on.
#[derive(Clone, Debug)]
pub(super) struct OrderView {
    area: PeerSpan,
    geometry: GroupGeometry,
    claim: Claim,
    position: u64,
}

/// What is at a reader's position of the order ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ordered {
    /// The next reference.
    Reference(Reference),
    /// Nothing yet.
    Nothing,
    /// References were overwritten before they were read; the position was moved to the oldest ones left.
    Lapped,
}

impl OrderView {
    pub(super) fn new(area: PeerSpan, geometry: GroupGeometry, claim: Claim) -> Self {
        Self { area, geometry, claim, position: 0 }
    }

    pub(super) fn claim(&self) -> Claim {
        self.claim
    }

    pub(super) fn position(&self) -> u64 {
        self.position
    }

    /// Whether [`next`](Self::next) has something to tell.
    pub(super) fn is_ready(&self) -> bool {
        let slot = self.geometry.order_slot(self.position);
        self.area.invalidate(slot, 8);
        let word = self.area.load_u64(slot, Acquire);
        untag(self.claim.tag(), word).is_some_and(|found| found > self.position)
    }

    /// Looks at the current position and moves on if there is a reference.
    pub(super) fn next(&mut self) -> Ordered {
        let slot = self.geometry.order_slot(self.position);
        self.area.invalidate(slot, 8);
        let word = self.area.load_u64(slot, Acquire);
        let expected = tagged(self.claim.tag(), self.position + 1);
        if word != expected {
            return match untag(self.claim.tag(), word) {
                Some(found) if found > self.position + 1 => self.lapped(),
                _ => Ordered::Nothing,
            };
        }
        self.area.invalidate(slot + 8, REFERENCE - 8);
        let place = self.area.load_u64(slot + 8, Relaxed);
        let incarnation = self.area.load_u64(slot + 16, Relaxed);
        let seq = self.area.load_u64(slot + 24, Relaxed);
        // Pairs with the fence in `OrderRing::append`: if any of these words was newer, so is the first.
        fence(Acquire);
        self.area.invalidate(slot, 8);
        if self.area.load_u64(slot, Relaxed) != expected {
            return self.lapped();
        }
        self.position += 1;
        Ordered::Reference(Reference {
            source: (place >> 32) as u16,
            lane_index: place as u32,
            incarnation,
            seq,
        })
    }

    /// Moves to where at least half of the ring is left before the owner laps this reader again.
    fn lapped(&mut self) -> Ordered {
        self.area.invalidate(ORDER_HEAD, 8);
        let head = untag(self.claim.tag(), self.area.load_u64(ORDER_HEAD, Acquire)).unwrap_or(0);
        let oldest = head.saturating_sub(self.geometry.order_slots() / 2);
        self.position = oldest.max(self.position + 1);
        Ordered::Lapped
    }
}
