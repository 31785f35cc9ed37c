//! A link between a worker and another thread of the process (host stack, OSPF driver): a ring each way,
//! and an event descriptor each way to wake the other side.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::sync::Arc;

use rtrb::{Consumer, Producer, RingBuffer};
use rustix::event::{EventfdFlags, eventfd};
use tokio::io::unix::AsyncFd;

use crate::packet::{PacketBuffer, Pool};

/// An event descriptor that several threads may ring.
#[derive(Clone, Debug)]
pub struct Bell(Arc<OwnedFd>);

impl Bell {
    /// A new bell, not rung.
    ///
    /// # Errors
    /// The process is out of descriptors.
    pub fn new() -> io::Result<Self> {
        Ok(Self(Arc::new(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?)))
    }

    /// Makes the descriptor readable.
    pub fn ring(&self) {
        // The only failure of a valid eventfd is a counter that is full: then it is readable already.
        let _ = rustix::io::write(&*self.0, &1u64.to_ne_bytes());
    }

    /// Makes the descriptor unreadable until the next ring.
    pub fn silence(&self) {
        let _ = rustix::io::read(&*self.0, &mut [0u8; 8]);
    }
}

/// A bell that a task waits for.
pub struct AsyncBell(AsyncFd<OwnedFd>);

impl AsyncBell {
    /// Watches a bell from the current runtime.
    ///
    /// # Errors
    /// The process is out of descriptors.
    #[allow(
        deprecated,
        reason = "the constructor is deprecated for descriptors that may close while they are \
        registered; an owned one stays open as long as the value lives"
    )]
    pub fn new(bell: &Bell) -> io::Result<Self> {
        Ok(Self(AsyncFd::new(bell.0.try_clone()?)?))
    }

    /// Waits for the next ring, and silences the bell.
    pub async fn rung(&self) {
        if let Ok(mut ready) = self.0.readable().await {
            // The descriptor is not blocking: nothing to read means that it is silent already.
            let _ = rustix::io::read(self.0.get_ref(), &mut [0u8; 8]);
            ready.clear_ready();
        }
    }
}

impl AsFd for Bell {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl AsRawFd for Bell {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

/// One side of a link. Buffers that a side has used up go home by [`LinkEnd::give_back`]: each pool
/// keeps its own, however one-sided the traffic is.
pub struct LinkEnd {
    outgoing: Producer<PacketBuffer>,
    incoming: Consumer<PacketBuffer>,
    spent_out: Producer<PacketBuffer>,
    spent_in: Consumer<PacketBuffer>,
    other: Bell,
    mine: Bell,
}

impl LinkEnd {
    /// Hands a buffer to the other side.
    ///
    /// # Errors
    /// Gives the buffer back if the ring is full.
    pub fn push(&mut self, buffer: PacketBuffer) -> Result<(), PacketBuffer> {
        self.outgoing.push(buffer).map_err(|rtrb::PushError::Full(buffer)| buffer)
    }

    /// Takes a buffer that the other side handed over; return it with [`Self::give_back`].
    pub fn pop(&mut self) -> Option<PacketBuffer> {
        self.incoming.pop().ok()
    }

    /// Returns a buffer of the other side that is used up. The ring for it holds all that can be in flight.
    pub fn give_back(&mut self, buffer: PacketBuffer) {
        // A full ring means a buffer that did not come from the other side; it is freed here.
        drop(self.spent_out.push(buffer));
    }

    /// Whether the other side has taken everything that was handed to it.
    pub fn is_drained(&self) -> bool {
        self.outgoing.slots() == self.outgoing.buffer().capacity()
    }

    /// Puts this side's used buffers back into its pool.
    pub fn reclaim(&mut self, pool: &mut Pool) {
        while let Ok(buffer) = self.spent_in.pop() {
            pool.give(buffer);
        }
    }

    /// Whether a buffer waits.
    pub fn has_incoming(&self) -> bool {
        !self.incoming.is_empty()
    }

    /// Wakes the other side, after a burst of [`Self::push`].
    pub fn notify(&self) {
        self.other.ring();
    }

    /// The bell that the other side rings.
    pub fn bell(&self) -> &Bell {
        &self.mine
    }
}

/// A pair of connected ends, each ring with room for `capacity` buffers. `left` and `right` are the bells
/// by which each side is woken.
pub fn link(capacity: usize, left: Bell, right: Bell) -> (LinkEnd, LinkEnd) {
    let (to_right, from_left) = RingBuffer::new(capacity);
    let (to_left, from_right) = RingBuffer::new(capacity);
    // Twice the capacity: as many may be in the other side's hands as wait in its ring.
    let (spent_to_right, spent_from_left) = RingBuffer::new(2 * capacity);
    let (spent_to_left, spent_from_right) = RingBuffer::new(2 * capacity);
    (
        LinkEnd {
            outgoing: to_right,
            incoming: from_right,
            spent_out: spent_to_right,
            spent_in: spent_from_right,
            other: right.clone(),
            mine: left.clone(),
        },
        LinkEnd {
            outgoing: to_left,
            incoming: from_left,
            spent_out: spent_to_left,
            spent_in: spent_from_left,
            other: left,
            mine: right,
        },
    )
}
