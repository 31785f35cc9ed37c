//! Writing a frame straight into the ring's scribble buffers, without a copy in between.

#![allow(unsafe_code)]

use super::layout::FLAG_METADATA;
use super::{Metadata, SendError, Transmitter};

/// Room in the ring for one frame that is not yet visible. Dropping it gives the room back.
#[derive(Debug)]
pub struct Reservation<'a> {
    ring: &'a mut Transmitter,
    len: usize,
}

impl Transmitter {
    /// Reserves contiguous buffers for a frame of up to `len` bytes.
    ///
    /// # Errors
    /// As [`send`](Self::send); and [`SendError::NotContiguous`] if the frame needs several buffers and they would wrap around
    /// the end of the ring, when a copy has to be sent instead.
    pub fn reserve(&mut self, len: usize) -> Result<Reservation<'_>, SendError> {
        self.admit(len, Metadata::default())?;
        let links = self.links(len)?;
        self.claim(links)?;
        if self.buffer(self.written()) + len > self.buffers().len() {
            return Err(SendError::NotContiguous);
        }
        Ok(Reservation { ring: self, len })
    }
}

impl Reservation<'_> {
    /// The bytes to write the frame to. They hold what was left there, which may be parts of older frames of this ring.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        let address = self.ring.buffers().address(self.ring.buffer(self.ring.written()), self.len);
        // SAFETY: `address` checked the range. It lies in this node's own memory, in buffers between the write pointer
        // and the read pointer: no slot that refers to them is published, so that no honest process reads them, and
        // only this node maps them for writing. Within this node the exclusive borrow of the transmitter, which alone
        // hands out references to its buffers, makes the slice unique.
        unsafe { std::slice::from_raw_parts_mut(address, self.len) }
    }

    /// Publishes the first `len` bytes as a frame.
    ///
    /// # Errors
    /// [`SendError::TooLong`] for more than was reserved, [`SendError::Empty`], [`SendError::Metadata`].
    pub fn commit(self, len: usize, metadata: Metadata) -> Result<(), SendError> {
        if len > self.len {
            return Err(SendError::TooLong { len, limit: self.len });
        }
        let flags = self.ring.admit(len, metadata)? & FLAG_METADATA;
        let links = self.ring.links(len)?;
        self.ring.release_chain(links, len, flags);
        Ok(())
    }
}
