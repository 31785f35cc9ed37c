//! Writing a frame straight into the ring's scribble buffers, without a copy in between.

#![allow(unsafe_code)]

use super::layout::{FLAG_METADATA, INLINE, PAYLOAD};
use super::{Metadata, SendError, Transmitter};

/// Room in the ring for one frame that is not yet visible. Dropping it gives the room back.
#[derive(Debug)]
pub struct Reservation<'a> {
    ring: &'a mut Transmitter,
    len: usize,
}

impl Transmitter {
    /// Reserves room for a frame of up to `len` bytes: in its slot, if it fits there, else in buffers.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    #[inline]
    pub fn reserve(&mut self, len: usize) -> Result<Reservation<'_>, SendError> {
        self.admit(len, Metadata::default())?;
        let links = self.links(len)?;
        self.claim(links)?;
        Ok(Reservation { ring: self, len })
    }
}

impl Reservation<'_> {
    /// The bytes to write the frame to, in two stretches: the second is empty unless the frame goes round the end of the ring, which
    /// one of a single buffer never does. They hold what was left there, which may be parts of older frames of this ring.
    #[inline]
    pub fn slices_mut(&mut self) -> [&mut [u8]; 2] {
        let (first, [head, tail]) = if self.len <= INLINE {
            let at = self.ring.slot(self.ring.written()) + PAYLOAD;
            (self.len, [self.ring.slots().address(at, self.len), self.ring.slots().address(at, 0)])
        } else {
            let buffers = self.ring.buffers();
            let begin = self.ring.buffer(self.ring.written());
            let first = self.len.min(buffers.len() - begin);
            (first, [buffers.address(begin, first), buffers.address(0, self.len - first)])
        };
        // SAFETY: `address` checked both ranges, which do not overlap: a frame takes at most half of the ring. They lie in
        // this node's own memory, in a slot's payload or in buffers between the write pointer and the read pointer: no word that
        // makes them a frame is published, so that no honest process reads them, and only this node maps them for writing. Within
        // this node the exclusive borrow of the transmitter, which alone hands out references to its payload, makes the slices
        // unique; metadata and word, which `commit` writes, lie beside them.
        unsafe {
            [
                std::slice::from_raw_parts_mut(head, first),
                std::slice::from_raw_parts_mut(tail, self.len - first),
            ]
        }
    }

    /// Copies `bytes` to the place `at` of the frame, wherever in the ring that is.
    ///
    /// # Errors
    /// [`SendError::TooLong`] if they do not lie within what was reserved; then nothing is written.
    pub fn copy_in(&mut self, at: usize, bytes: &[u8]) -> Result<(), SendError> {
        let limit = self.len;
        if at.checked_add(bytes.len()).is_none_or(|end| end > limit) {
            return Err(SendError::TooLong { len: at.saturating_add(bytes.len()), limit });
        }
        let [head, tail] = self.slices_mut();
        let in_head = head.len().saturating_sub(at).min(bytes.len());
        let (first, rest) = bytes.split_at(in_head);
        if !first.is_empty() {
            head[at..at + in_head].copy_from_slice(first);
        }
        if !rest.is_empty() {
            let at = at + in_head - head.len();
            tail[at..at + rest.len()].copy_from_slice(rest);
        }
        Ok(())
    }

    /// How many bytes were reserved.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.len
    }

    /// Publishes the first `len` bytes as a frame.
    ///
    /// # Errors
    /// [`SendError::TooLong`] for more than was reserved, [`SendError::Empty`], [`SendError::Metadata`].
    #[inline]
    pub fn commit(self, len: usize, metadata: Metadata) -> Result<(), SendError> {
        if len > self.len {
            return Err(SendError::TooLong { len, limit: self.len });
        }
        let flags = self.ring.admit(len, metadata)? & FLAG_METADATA;
        if self.len <= INLINE {
            self.ring.release(self.ring.written(), len, flags);
            self.ring.advance(1, len);
            return Ok(());
        }
        let links = self.ring.links(len)?;
        self.ring.release_chain(links, len, flags);
        Ok(())
    }
}
