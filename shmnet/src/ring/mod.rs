//! A ring: one direction between one pair of nodes on one network.
//!
//! The transmitter's arena holds the ring: a header, a slot of one line for each position, a fixed-size *scribble buffer*
//! for each slot, and the write pointer. The receiver's arena holds one word, the read pointer. Each side writes only what
//! is its own, so no atomic read-modify-write ever crosses between the two.
//!
//! # Publication
//!
//! A slot begins with a 64-bit word {lap, length, flags}. The transmitter writes the payload, and then releases that word:
//! this alone makes a frame visible, and no index is shared on the way. The lap counts how often the ring has gone round,
//! beginning with 1, so that a word left from the lap before is told from a new one, and zeroed memory holds no frame. Frames
//! of up to [`INLINE`] bytes lie in the slot itself, beside the word; others lie in the slot's buffer. A frame that is longer
//! than a buffer is a *chain* of consecutive slots, of which the continuations are published first and the head last.
//!
//! Both pointers are published lazily: the write pointer for statistics and recovery only, the read pointer every
//! few slots and whenever the receiver runs dry. The read pointer word carries a tag of the ring's key, so that a word that was
//! written for another ring is ignored.
//!
//! # Memory that is not coherent
//!
//! The transmitter sends what it writes on its way to memory at once, but keeps the words of frames until the end of a burst: one
//! fence, then the words of all. The receiver drops the lines of several slots at a time from its caches and loads their words;
//! then it drops the lines of the payload of those that are published, which may have been fetched, stale, at any time before, and
//! reads them (`ahead`). Where memory is coherent none of this happens.
//!
//! # Near and far
//!
//! Between processors that share a cache, payload is copied by usual stores and the receiver fetches it from the transmitter's cache; between
//! others it is copied by stores that go past the caches. The transmitter measures the distance in passing and chooses for each peer
//! (`distance`).
//!
//! # Distrust
//!
//! The receiver copies the geometry once and checks everything else that it loads: lap, length, flags, every link of a chain,
//! the offload metadata. The transmitter checks that the read pointer only advances, and never past what was written. A
//! violation is a fault that sticks: the ring is not used again, and a new one takes its place.

mod ahead;
mod distance;
mod layout;
mod metadata;
mod receiver;
#[cfg(not(loom))]
mod reservation;
mod transmitter;

pub use self::distance::CopyRoutine;
pub use self::layout::{Geometry, GeometryError, INLINE, Limits, RingKey};
pub use self::metadata::{
    GSO_ECN, GSO_NONE, GSO_TCPV4, GSO_TCPV6, GSO_UDP, GSO_UDP_L4, HDR_DATA_VALID, HDR_NEEDS_CSUM, Metadata,
};
pub use self::receiver::{Received, Receiver, ReceiverCounters, RingFault};
#[cfg(not(loom))]
pub use self::reservation::Reservation;
pub use self::transmitter::{Occupancy, ReadPointerFault, SendError, Transmitter, TransmitterCounters};

#[cfg(not(loom))]
use crate::memory::PeerSpan;
use crate::memory::SpanError;
#[cfg(not(loom))]
use crate::sync::Ordering;

/// The write pointer that a ring's owner has published, in slots modulo 2^40.
#[cfg(not(loom))]
pub(crate) fn write_pointer(ring: &PeerSpan) -> u64 {
    if ring.len() < layout::SLOTS {
        return 0;
    }
    ring.invalidate(layout::WRITE_POINTER, 8);
    layout::pointer_parts(ring.load_u64(layout::WRITE_POINTER, Ordering::Relaxed)).1
}

/// The tag and the position of a pointer word.
#[cfg(not(loom))]
pub(crate) fn pointer_parts(word: u64) -> (u32, u64) {
    layout::pointer_parts(word)
}

/// The geometry of the ring of a key, from its header, if it is one within limits.
#[cfg(not(loom))]
pub(crate) fn geometry(ring: &PeerSpan, key: RingKey, limits: Limits) -> Result<Geometry, SetupError> {
    layout::read_header(ring, key, limits)
}

/// The read pointer that a receiver has published in its line, in slots modulo 2^40.
#[cfg(not(loom))]
pub(crate) fn read_pointer(line: &PeerSpan) -> u64 {
    line.invalidate(0, 8);
    layout::pointer_parts(line.load_u64(0, Ordering::Relaxed)).1
}

/// Why a ring could not be set up in the memory that was given for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SetupError {
    /// The memory is too small or misaligned.
    #[error("ring memory: {0}")]
    Span(#[from] SpanError),
    /// The header does not begin as a ring's does.
    #[error("no ring header: found magic {found:#018x}")]
    Magic {
        /// The word found.
        found: u64,
    },
    /// The header was written for other incarnations or another epoch than the ring's directory says.
    #[error("the ring is keyed {found:?}, expected {expected:?}")]
    Key {
        /// The key in the header.
        found: RingKey,
        /// The key expected.
        expected: RingKey,
    },
    /// The header's words do not agree with their hash.
    #[error("the hash of the ring header is {found:#018x}, expected {expected:#018x}")]
    Hash {
        /// The hash in the header.
        found: u64,
        /// The hash of the words as loaded.
        expected: u64,
    },
    /// The geometry is impossible, or larger than the receiver allows.
    #[error("ring geometry: {0}")]
    Geometry(#[from] GeometryError),
}

#[cfg(all(test, not(loom)))]
#[allow(clippy::unwrap_used, reason = "a test helper fails by panicking")]
mod crash;
#[cfg(all(test, not(loom)))]
#[allow(clippy::unwrap_used, reason = "a simulation fails by panicking")]
mod simulation;
