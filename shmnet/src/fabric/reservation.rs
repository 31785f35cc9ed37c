//! Room in a peer's ring, to be written by whoever makes the frame: it is then in place without a copy.

use crate::error::TransmitError;
use crate::ring::{self, Metadata, SendError};

/// Room for one frame to a node, from [`Endpoint::reserve`](crate::Endpoint::reserve). Nobody sees the frame before
/// [`commit`](Self::commit); dropping this abandons it and gives the room back.
///
/// The endpoint is borrowed meanwhile, so a peer that dies, breaks the rules, or gets a larger ring is noticed by the endpoint's
/// next call only: the frame goes to the ring that it was reserved in, which the peer reads before a larger one, and nobody if it
/// is gone.
#[derive(Debug)]
pub struct FrameReservation<'a> {
    room: ring::Reservation<'a>,
}

impl<'a> FrameReservation<'a> {
    pub(super) fn new(room: ring::Reservation<'a>) -> Self {
        Self { room }
    }

    /// How many bytes were reserved.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.room.capacity()
    }

    /// The bytes to write the frame to, in two stretches, the second of which is empty unless the frame goes round the end of the
    /// ring. A frame that fits one buffer of the ring never does. They hold parts of older frames to the same node: write all that
    /// is to be committed.
    pub fn slices_mut(&mut self) -> [&mut [u8]; 2] {
        self.room.slices_mut()
    }

    /// Copies `bytes` to the place `at` of the frame.
    ///
    /// # Errors
    /// [`TransmitError::TooLong`] if they do not lie within what was reserved; then nothing is written.
    pub fn copy_in(&mut self, at: usize, bytes: &[u8]) -> Result<(), TransmitError> {
        self.room.copy_in(at, bytes).map_err(transmit_error)
    }

    /// Sends the first `len` bytes as a frame, as [`Endpoint::transmit`](crate::Endpoint::transmit) would: a receiver that sleeps is
    /// woken by the next [`flush`](crate::Endpoint::flush).
    ///
    /// # Errors
    /// [`TransmitError::TooLong`] for more than was reserved, [`TransmitError::Empty`], [`TransmitError::BadMetadata`], and
    /// [`TransmitError::Quarantined`] if the peer was found to break the rules. The room is given back.
    pub fn commit(self, len: usize, metadata: Metadata) -> Result<(), TransmitError> {
        self.room.commit(len, metadata).map_err(transmit_error)
    }

    /// Sends nothing, and gives the room back, as dropping does.
    pub fn abandon(self) {}
}

/// What a ring's refusal is to those who send.
#[cold]
pub(super) fn transmit_error(error: SendError) -> TransmitError {
    match error {
        SendError::Full => TransmitError::RingFull,
        SendError::TooLong { .. } => TransmitError::TooLong,
        SendError::Empty => TransmitError::Empty,
        SendError::Metadata => TransmitError::BadMetadata,
        SendError::Quarantined(_) => TransmitError::Quarantined,
    }
}
