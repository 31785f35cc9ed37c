//! The words of a group area, for those who look at it from outside.

use super::layout::{ACKS, CLAIM, HEADER_INCARNATION, KNOWN, LANE_HEAD, LANE_TAIL, MAGIC, ORDER_HEAD};
use super::{Claim, GroupGeometry};
use crate::memory::PeerSpan;
use crate::sync::Ordering::Acquire;

/// Where the words are, in bytes from the beginning of the area.
pub(crate) mod offset {
    pub(crate) const INCARNATION: usize = super::HEADER_INCARNATION;
    pub(crate) const LANE_TAIL: usize = super::LANE_TAIL;
    pub(crate) const LANE_HEAD: usize = super::LANE_HEAD;
    pub(crate) const CLAIM: usize = super::CLAIM;
    pub(crate) const FOLLOWED: usize = super::KNOWN;
    pub(crate) const ORDER_HEAD: usize = super::ORDER_HEAD;
    pub(crate) const ACKNOWLEDGED: usize = super::ACKS;
}

/// What an area says, each word loaded once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AreaWords {
    pub(crate) incarnation: u64,
    pub(crate) lane_tail: u64,
    pub(crate) lane_head: u64,
    pub(crate) claimed: u64,
    pub(crate) followed: Option<Claim>,
    /// References written by the owner of the area, if it orders the group's frames.
    pub(crate) order_head: u64,
    /// For each source that was ever acknowledged, the next sequence that the node wants.
    pub(crate) acknowledged: Vec<(u16, u64)>,
}

impl AreaWords {
    /// `None` for memory that is no group area of the geometry.
    pub(crate) fn load(area: &PeerSpan, geometry: GroupGeometry) -> Option<Self> {
        area.invalidate(0, ACKS + usize::from(geometry.nodes()) * 8);
        let load = |offset| area.load_u64(offset, Acquire);
        if area.len() < geometry.bytes() || load(0) != MAGIC || load(8) != geometry.hash() {
            return None;
        }
        let word = load(KNOWN);
        let followed = (word != 0).then_some(Claim { generation: word >> 16, owner: word as u16 });
        let acknowledged = (0..geometry.nodes()).filter_map(|source| {
            let word = load(ACKS + usize::from(source) * 8);
            (word != 0).then_some((source, word & super::layout::LOW_48))
        });
        Some(Self {
            incarnation: load(HEADER_INCARNATION),
            lane_tail: load(LANE_TAIL),
            lane_head: load(LANE_HEAD),
            claimed: load(CLAIM),
            followed,
            order_head: load(ORDER_HEAD) & super::layout::LOW_48,
            acknowledged: acknowledged.collect(),
        })
    }
}
