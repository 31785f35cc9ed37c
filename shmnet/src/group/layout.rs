//! Where everything lies in a group area, and how its words are packed.
//!
//! ```text
//! line 0        header: magic, geometry hash, incarnation
//! line 1        lane: tail, head
//! line 2        claim: generation claimed; claim followed {generation 48 bits, owner 16 bits}; order ring's head
//! then          acknowledgements: one word for each node, then the order ring position of this reader
//! then          order ring: slots of 32 bytes {publication, source and lane index, incarnation, sequence}
//! then          lane slots: {sequence, incarnation, length and piece} and payload
//! ```
//! All words are little-endian.

use crate::memory::LINE;

/// "ISTHGRP" and the version of the layout, as the little-endian word at offset 0.
pub(super) const MAGIC: u64 = u64::from_le_bytes(*b"ISTHGRP\x01");

pub(super) const HEADER_GEOMETRY: usize = 8;
pub(super) const HEADER_INCARNATION: usize = 16;
pub(super) const LANE_TAIL: usize = LINE;
pub(super) const LANE_HEAD: usize = LINE + 8;
pub(super) const CLAIM: usize = 2 * LINE;
pub(super) const KNOWN: usize = 2 * LINE + 8;
pub(super) const ORDER_HEAD: usize = 2 * LINE + 16;
pub(super) const ACKS: usize = 3 * LINE;

/// Bytes of a slot of the order ring.
pub(super) const REFERENCE: usize = 32;
/// Bytes of words in front of the payload of a lane slot.
pub(super) const LANE_WORDS: usize = 24;

/// The sizes of a group area; the same in every node of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct GroupGeometry {
    nodes: u16,
    lane_slots: u32,
    slot_bytes: u32,
    order_slots: u32,
}

/// A geometry that no group can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GroupGeometryError {
    /// The number of nodes is not from 1 to 256.
    #[error("{0} nodes: not from 1 to 256")]
    Nodes(u16),
    /// The number of lane slots is not a power of two from 2 to 4096.
    #[error("{0} lane slots: not a power of two from 2 to 4096")]
    LaneSlots(u32),
    /// The size of a lane slot is not a multiple of 128 from 128 to 65536 bytes.
    #[error("lane slots of {0} bytes: not a multiple of 128 from 128 to 65536")]
    SlotBytes(u32),
    /// The number of slots of the order ring is not a power of two from 4 to 65536.
    #[error("{0} order slots: not a power of two from 4 to 65536")]
    OrderSlots(u32),
}

impl Default for GroupGeometry {
    /// 64 nodes, lanes of 32 slots of 2 KiB, 512 references: 81 KiB.
    fn default() -> Self {
        Self { nodes: 64, lane_slots: 32, slot_bytes: 2048, order_slots: 512 }
    }
}

impl GroupGeometry {
    /// A group of up to `nodes` nodes (1 to 256), with lanes of `lane_slots` slots (a power of two from 2 to 4096) of
    /// `slot_bytes` bytes each (a multiple of 128 up to 64 KiB), and `order_slots` references (a power of two from 4 to 65536).
    ///
    /// # Errors
    /// The value that is out of range.
    pub const fn new(
        nodes: u16,
        lane_slots: u32,
        slot_bytes: u32,
        order_slots: u32,
    ) -> Result<Self, GroupGeometryError> {
        if nodes == 0 || nodes > 256 {
            return Err(GroupGeometryError::Nodes(nodes));
        }
        if !lane_slots.is_power_of_two() || lane_slots < 2 || lane_slots > 4096 {
            return Err(GroupGeometryError::LaneSlots(lane_slots));
        }
        if slot_bytes == 0 || !slot_bytes.is_multiple_of(LINE as u32) || slot_bytes > 65536 {
            return Err(GroupGeometryError::SlotBytes(slot_bytes));
        }
        if !order_slots.is_power_of_two() || order_slots < 4 || order_slots > 65536 {
            return Err(GroupGeometryError::OrderSlots(order_slots));
        }
        Ok(Self { nodes, lane_slots, slot_bytes, order_slots })
    }

    /// Memory that a group area takes, in bytes: a multiple of [`LINE`].
    #[must_use]
    pub const fn bytes(self) -> usize {
        self.lane_offset() + self.lane_slots as usize * self.slot_bytes as usize
    }

    /// The number of nodes: ids are below it.
    #[must_use]
    pub const fn nodes(self) -> u16 {
        self.nodes
    }

    /// The longest frame that can be sent, in bytes: half of a lane.
    #[must_use]
    pub const fn max_frame(self) -> usize {
        self.max_pieces() as usize * self.payload()
    }

    /// A number that differs between geometries.
    pub(super) fn hash(self) -> u64 {
        u64::from(self.nodes) << 48
            | u64::from(self.lane_slots.trailing_zeros()) << 40
            | u64::from(self.order_slots.trailing_zeros()) << 32
            | u64::from(self.slot_bytes)
    }

    /// Slots of a source's lane.
    #[must_use]
    pub const fn lane_slots(self) -> u64 {
        self.lane_slots as u64
    }

    /// Bytes of a lane slot, its words included.
    #[must_use]
    pub const fn slot_bytes(self) -> u32 {
        self.slot_bytes
    }

    pub(super) const fn order_slots(self) -> u64 {
        self.order_slots as u64
    }

    pub(super) const fn max_pieces(self) -> u32 {
        self.lane_slots / 2
    }

    pub(super) const fn payload(self) -> usize {
        self.slot_bytes as usize - LANE_WORDS
    }

    /// Offset of the word in which a reader publishes its position in the order ring.
    pub(super) const fn reader_position(self) -> usize {
        ACKS + self.nodes as usize * 8
    }

    pub(super) const fn order_offset(self) -> usize {
        (self.reader_position() + 8).next_multiple_of(LINE)
    }

    pub(super) const fn lane_offset(self) -> usize {
        (self.order_offset() + self.order_slots as usize * REFERENCE).next_multiple_of(LINE)
    }

    /// Offset of the lane slot that holds sequence `seq`.
    pub(super) const fn lane_slot(self, seq: u64) -> usize {
        self.lane_offset() + self.lane_index(seq) as usize * self.slot_bytes as usize
    }

    pub(super) const fn lane_index(self, seq: u64) -> u32 {
        (seq & (self.lane_slots as u64 - 1)) as u32
    }

    /// Offset of the order slot of `position`.
    pub(super) const fn order_slot(self, position: u64) -> usize {
        self.order_offset() + (position & (self.order_slots as u64 - 1)) as usize * REFERENCE
    }
}

pub(super) const LOW_48: u64 = (1 << 48) - 1;

/// A word of 48 bits, and 16 bits that tell what it belongs to.
pub(super) fn tagged(tag: u64, value: u64) -> u64 {
    tag << 48 | value & LOW_48
}

/// The 48 bits of a word, if it carries `tag`.
pub(super) fn untag(tag: u64, word: u64) -> Option<u64> {
    (word >> 48 == tag & 0xffff).then_some(word & LOW_48)
}
