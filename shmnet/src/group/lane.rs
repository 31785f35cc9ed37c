//! A source's lane: how it is written, and how everybody else reads it.

use crate::memory::{LINE, OwnSpan, PeerSpan};
use crate::sync::Ordering::{Acquire, Relaxed, Release};
use crate::sync::fence;

use super::flaw::{self, Flaw};
use super::layout::{LANE_HEAD, LANE_TAIL, LANE_WORDS};
use super::{GroupGeometry, GroupSendError};

/// The writing side of a lane, in the node's own area.
#[derive(Debug)]
pub(super) struct Lane {
    area: OwnSpan,
    geometry: GroupGeometry,
    incarnation: u64,
    /// Sequence of the oldest frame that is kept.
    tail: u64,
    /// Sequence of the next frame.
    head: u64,
    /// For each lane slot that begins a frame, how many slots the frame takes.
    pieces: Vec<u32>,
}

impl Lane {
    pub(super) fn new(area: OwnSpan, geometry: GroupGeometry, incarnation: u64) -> Self {
        for seq in 0..geometry.lane_slots() {
            area.store_u64(geometry.lane_slot(seq), 0, Relaxed);
        }
        area.store_u64(LANE_TAIL, 1, Relaxed);
        area.store_u64(LANE_HEAD, 1, Release);
        let pieces = vec![1; geometry.lane_slots() as usize];
        Self { area, geometry, incarnation, tail: 1, head: 1, pieces }
    }

    pub(super) fn head(&self) -> u64 {
        self.head
    }

    pub(super) fn tail(&self) -> u64 {
        self.tail
    }

    /// How many slots a frame takes.
    pub(super) fn pieces_for(&self, len: usize) -> Result<u32, GroupSendError> {
        if len == 0 {
            return Err(GroupSendError::Empty);
        }
        let limit = self.geometry.max_frame();
        if len > limit {
            return Err(GroupSendError::TooLong { len, limit });
        }
        Ok(len.div_ceil(self.geometry.payload()) as u32)
    }

    /// Whether a frame of so many slots fits without another one being overwritten.
    pub(super) fn has_room(&self, pieces: u32) -> bool {
        self.head + u64::from(pieces) - self.tail <= self.geometry.lane_slots()
    }

    /// Gives up the frames that end at or before `acknowledged`.
    pub(super) fn retire(&mut self, acknowledged: u64) {
        let before = self.tail;
        while self.tail < self.head && self.oldest_end() <= acknowledged {
            self.tail = self.oldest_end();
        }
        if self.tail != before {
            self.area.store_u64(LANE_TAIL, self.tail, Release);
            self.area.write_back(LANE_TAIL, 8);
            self.area.write_back_fence();
        }
    }

    /// Writes a frame for which there is room.
    pub(super) fn write(&mut self, frame: &[u8], pieces: u32) {
        for (index, bytes) in frame.chunks(self.geometry.payload()).enumerate() {
            let seq = self.head + index as u64;
            let slot = self.geometry.lane_slot(seq);
            // A reader that sees this word sees the tail that gave the slot up; one that copies meanwhile sees it change.
            self.area.store_u64(slot, 0, Release);
            self.area.write_back(slot, 8);
            self.area.write_back_fence();
            fence(Release);
            self.area.store_u64(slot + 8, self.incarnation, Relaxed);
            self.area.store_u64(
                slot + 16,
                Shape { len: frame.len() as u32, pieces, index: index as u32 }.pack(),
                Relaxed,
            );
            self.area.copy_in(slot + LANE_WORDS, bytes);
            self.area.write_back(slot + 8, LANE_WORDS - 8 + bytes.len());
            self.area.write_back_fence();
            self.area.store_u64(slot, seq, Release);
            self.area.write_back(slot, 8);
        }
        self.area.write_back_fence();
        let at = self.geometry.lane_index(self.head) as usize;
        self.pieces[at] = pieces;
        self.head += u64::from(pieces);
        // Pairs with the acquiring load in `LaneView::bounds`: every slot below the head is complete.
        self.area.store_u64(LANE_HEAD, self.head, Release);
        self.area.write_back(LANE_HEAD, 8);
        self.area.write_back_fence();
    }

    /// Where the oldest frame ends that is kept.
    pub(super) fn oldest_end(&self) -> u64 {
        self.tail + u64::from(self.pieces[self.geometry.lane_index(self.tail) as usize])
    }
}

/// Sequences stay below this, which no honest source reaches: sums with them cannot overflow.
pub(super) const SEQUENCES: u64 = 1 << 47;

/// What a lane slot says of its frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Shape {
    /// Bytes of the whole frame.
    len: u32,
    /// Slots of the whole frame.
    pieces: u32,
    /// Which of them this slot is, from 0.
    index: u32,
}

impl Shape {
    fn pack(self) -> u64 {
        u64::from(self.len) << 32 | u64::from(self.pieces & 0xffff) << 16 | u64::from(self.index & 0xffff)
    }

    fn unpack(word: u64) -> Self {
        Self { len: (word >> 32) as u32, pieces: (word >> 16) as u32 & 0xffff, index: word as u32 & 0xffff }
    }
}

/// The reading side of a lane, of a peer or of this node itself. Nothing in it is trusted.
#[derive(Clone, Debug)]
pub(super) struct LaneView {
    area: PeerSpan,
    geometry: GroupGeometry,
    incarnation: u64,
}

/// What was found at a sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fetched {
    /// A whole frame, which was copied.
    Frame { len: usize, pieces: u32 },
    /// A whole frame, longer than the room for it.
    TooLong { pieces: u32 },
    /// No frame, or not any more.
    Gone,
}

impl LaneView {
    pub(super) fn new(area: PeerSpan, geometry: GroupGeometry, incarnation: u64) -> Self {
        Self { area, geometry, incarnation }
    }

    /// The lane's tail and head, made plausible: never further apart than the lane is long, in the right order.
    pub(super) fn bounds(&self) -> (u64, u64) {
        self.area.invalidate(LANE_TAIL, 16);
        let head = self.area.load_u64(LANE_HEAD, Acquire).min(SEQUENCES);
        let tail = self.area.load_u64(LANE_TAIL, Acquire);
        (tail.clamp(head.saturating_sub(self.geometry.lane_slots()), head), head)
    }

    /// The number of slots of the frame that begins at `seq`.
    pub(super) fn pieces(&self, seq: u64) -> Option<u32> {
        let shape = self.shape(seq, 0)?;
        self.holds(seq, shape.pieces).then_some(shape.pieces)
    }

    /// Copies the frame that begins at `seq`, if it is there, whole and unchanged afterwards.
    pub(super) fn copy(&self, seq: u64, into: &mut [u8]) -> Fetched {
        let Some(head) = self.shape(seq, 0) else { return Fetched::Gone };
        let len = head.len as usize;
        if len > into.len() {
            return match self.holds(seq, head.pieces) {
                true => Fetched::TooLong { pieces: head.pieces },
                false => Fetched::Gone,
            };
        }
        for (index, bytes) in into[..len].chunks_mut(self.geometry.payload()).enumerate() {
            if index > 0
                && self.shape(seq + index as u64, index as u32) != Some(Shape { index: index as u32, ..head })
            {
                return Fetched::Gone;
            }
            let payload = self.geometry.lane_slot(seq + index as u64) + LANE_WORDS;
            self.area.invalidate(payload, bytes.len());
            self.area.copy_out(payload, bytes);
        }
        match self.holds(seq, head.pieces) {
            true => Fetched::Frame { len, pieces: head.pieces },
            false => Fetched::Gone,
        }
    }

    /// The checked shape of the frame that slot `seq` is piece `index` of.
    fn shape(&self, seq: u64, index: u32) -> Option<Shape> {
        let slot = self.geometry.lane_slot(seq);
        // Pairs with the release of the word in `Lane::write`.
        if !(1..SEQUENCES).contains(&seq) {
            return None;
        }
        self.area.invalidate(slot, 8);
        if self.area.load_u64(slot, Acquire) != seq {
            return None;
        }
        self.area.invalidate(slot + 8, LANE_WORDS - 8);
        let incarnation = self.area.load_u64(slot + 8, Relaxed);
        let shape = Shape::unpack(self.area.load_u64(slot + 16, Relaxed));
        let payload = self.geometry.payload();
        let plausible = shape.len > 0
            && shape.pieces <= self.geometry.max_pieces()
            && shape.pieces as usize == (shape.len as usize).div_ceil(payload)
            && shape.index == index;
        let ours = incarnation == self.incarnation || flaw::has(Flaw::ReaderTakesAnyIncarnation);
        (plausible && ours).then_some(shape)
    }

    /// Whether the slots still hold what they held when they were copied.
    fn holds(&self, seq: u64, pieces: u32) -> bool {
        // Pairs with the fence in `Lane::write`: if any of the bytes copied was newer, so is the word.
        fence(Acquire);
        if flaw::has(Flaw::ReaderDoesNotLookTwice) {
            return true;
        }
        (seq..seq + u64::from(pieces)).all(|seq| {
            let slot = self.geometry.lane_slot(seq);
            self.area.invalidate(slot, 8);
            self.area.load_u64(slot, Relaxed) == seq
        })
    }
}

const _: () = assert!(LANE_WORDS < LINE);
