//! What a receiver sees of the slots ahead of it in memory that is not coherent, several at a time: one fence for all words,
//! and one for all payload.

use crate::memory::PeerSpan;
use crate::sync::Ordering::Acquire;

use super::Geometry;
use super::layout::{FLAG_BUFFERED, FLAG_METADATA, FLAG_MORE, METADATA, PAYLOAD, SlotWord};
use crate::memory::LINE;

/// How many slots are looked at together, at most.
const WIDEST: usize = 32;

/// The words of published slots whose payload can be read, and how far to look next.
#[derive(Debug)]
pub(super) struct Ahead {
    words: [u64; WIDEST],
    /// Position of the first of them.
    first: u64,
    /// How many there are. Only the last may be the head of a chain.
    count: usize,
    /// How many slots to look at next: one while nothing is there.
    width: usize,
    /// Continuations before this position were dropped from the caches since their head was seen.
    links: u64,
}

impl Ahead {
    pub(super) fn new() -> Self {
        Self { words: [0; WIDEST], first: 0, count: 0, width: 1, links: 0 }
    }

    /// The word at `position`, if it was seen and the slot's payload can be read.
    #[inline(always)]
    pub(super) fn get(&self, position: u64) -> Option<u64> {
        let index = position.wrapping_sub(self.first);
        (index < self.count as u64).then(|| self.words[index as usize])
    }

    /// The word at `position`, dry or not: of the last look, or of a new one.
    #[inline(never)]
    pub(super) fn look(
        &mut self,
        slots: &PeerSpan,
        buffers: &PeerSpan,
        geometry: Geometry,
        position: u64,
    ) -> u64 {
        match self.get(position) {
            Some(word) => word,
            None => self.look_anew(slots, buffers, geometry, position),
        }
    }

    #[inline(never)]
    fn look_anew(&mut self, slots: &PeerSpan, buffers: &PeerSpan, geometry: Geometry, position: u64) -> u64 {
        let width = self.width.min(geometry.slots() as usize / 4).max(1);
        let slot = |index: usize| geometry.slot(position + index as u64);
        // The fence in front of the first line is that behind the last look: nothing was loaded of these slots since.
        for index in 0..width {
            slots.invalidate_unfenced(slot(index), METADATA);
        }
        slots.invalidate_fence();
        for index in 0..width {
            slots.prefetch(slot(index));
        }
        (self.first, self.count, self.links) = (position, 0, 0);
        let mut dry = 0;
        for index in 0..width {
            // Pairs with the transmitter's release of the word, after what the word publishes was written back.
            let word = slots.load_u64(slot(index), Acquire);
            let parts = SlotWord::unpack(word);
            if parts.lap != geometry.lap(position + index as u64) {
                dry = word;
                break;
            }
            self.words[index] = word;
            self.count += 1;
            if parts.flags & FLAG_MORE != 0 {
                break;
            }
        }
        self.width = if self.count < width { self.count.max(1) } else { (width * 2).min(WIDEST) };
        if self.count == 0 {
            return dry;
        }
        self.drop_payload(slots, buffers, geometry);
        self.words[0]
    }

    /// Drops what the caches hold of the payload: lines of it may have been fetched before the words were seen, those of the words too.
    fn drop_payload(&self, slots: &PeerSpan, buffers: &PeerSpan, geometry: Geometry) {
        slots.invalidate_fence();
        for (index, word) in self.words[..self.count].iter().enumerate() {
            let (position, word) = (self.first + index as u64, SlotWord::unpack(*word));
            drop_slot(slots, buffers, geometry, position, word);
        }
        slots.invalidate_fence();
    }

    /// Makes the word of a continuation loadable, whose head was seen.
    pub(super) fn prepare_link(&mut self, slots: &PeerSpan, geometry: Geometry, position: u64) {
        if position < self.links {
            return;
        }
        let width = LINKS.min(geometry.slots() as usize / 4) as u64;
        // There was a fence since the head was seen.
        for position in position..position + width {
            slots.invalidate_unfenced(geometry.slot(position), METADATA);
        }
        slots.invalidate_fence();
        self.links = position + width;
    }

    /// Makes the payload of a continuation readable, once the [fence](PeerSpan::invalidate_fence) has followed.
    pub(super) fn drop_link(
        &self,
        slots: &PeerSpan,
        buffers: &PeerSpan,
        geometry: Geometry,
        position: u64,
        word: SlotWord,
    ) {
        drop_slot(slots, buffers, geometry, position, word);
    }
}

/// How many continuations are looked at together.
const LINKS: usize = 4;

#[inline(always)]
fn drop_slot(slots: &PeerSpan, buffers: &PeerSpan, geometry: Geometry, position: u64, word: SlotWord) {
    // A length that is too long for its place is a fault, found later.
    if word.flags & FLAG_BUFFERED == 0 {
        let len = usize::from(word.length).min(LINE - PAYLOAD);
        slots.invalidate_unfenced(geometry.slot(position) + METADATA, PAYLOAD - METADATA + len);
        return;
    }
    if word.flags & FLAG_METADATA != 0 {
        slots.invalidate_unfenced(geometry.slot(position) + METADATA, PAYLOAD - METADATA);
    }
    let len = usize::from(word.length).min(geometry.buffer() as usize);
    buffers.invalidate_unfenced(geometry.buffer_at(position), len);
}
