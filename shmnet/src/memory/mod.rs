//! Access to memory that other processes share: mappings, and the two kinds of spans cut from them.
//!
//! A [`Mapping`] is a range of addresses backed by a file descriptor. What may be done with a part of it depends on who
//! writes it, and every 128-byte line of a segment has exactly one writer:
//!
//! * an [`OwnSpan`] is memory that this node writes (its own arena);
//! * a [`PeerSpan`] is memory that a peer writes; it can only be loaded from.
//!
//! # Why no slice is ever formed over a peer's memory
//!
//! A `&[u8]` promises the compiler that the bytes do not change while it lives. A peer breaks that promise at will: the
//! compiler may load a length twice and see two values, the first checked and the second used. So a peer's memory is
//! read in two ways only:
//!
//! * as atomic 32- or 64-bit words with an explicit ordering, loaded once into a local;
//! * as a raw copy into local memory, behind an opaque barrier, so that the compiler cannot forward later loads of the
//!   local copy to the shared source. The copy itself may race with the peer's stores; what arrives is then some mixture
//!   of old and new bytes, which is what a receiver of hostile bytes has to survive anyway. Protocols that must not
//!   deliver a mixture re-check a word after the copy.
//!
//! The Rust memory model calls the second a data race if both sides are in one process, as in the tests. The racing bytes
//! are plain integers, never interpreted as anything with a validity requirement, and the barrier pins the accesses to
//! the place where they are written; the machine code is a `memcpy`.
//!
//! # Bounds
//!
//! Cutting a span returns a `Result`: that is where offsets that came from a peer are checked. The accessors of a span
//! check their offset against its length as slices do, and panic on a mistake of the caller; rings check the peer's
//! geometry once and derive every later offset from local, masked positions.

mod span;
mod ticks;

#[cfg(not(loom))]
mod coherence;
#[cfg(not(loom))]
mod copy;
#[cfg(not(loom))]
mod flush;
#[cfg(all(test, not(loom)))]
pub(crate) mod interrupt;
#[cfg(not(loom))]
mod mapping;
#[cfg(loom)]
mod model;
#[cfg(not(loom))]
mod pages;
#[cfg(all(test, not(loom)))]
pub(crate) mod simulated;
#[cfg(not(loom))]
mod window;

#[cfg(not(loom))]
pub use self::coherence::{Coherence, NoFlush, Reflector};
#[cfg(not(loom))]
pub use self::mapping::Mapping;
#[cfg(loom)]
pub use self::model::Mapping;
#[cfg(not(loom))]
pub(crate) use self::pages::huge_page_of;
pub use self::span::{OwnLine, OwnSpan, PeerLine, PeerSpan};
pub use self::ticks::Ticks;

#[cfg(loom)]
use self::model::{Line, Window};
#[cfg(not(loom))]
use self::window::{Line, Window};

/// The unit of ownership, in bytes: every line of a segment has exactly one writer.
///
/// Two 64-byte cache lines, because the processors that matter here fetch lines in adjacent pairs.
pub const LINE: usize = 128;

/// Whether [`OwnSpan::copy_in_streaming`] is another routine than [`OwnSpan::copy_in`] on this processor.
#[cfg(not(loom))]
pub const HAS_STREAMING: bool = copy::HAS_STREAMING;
/// The model has one way to copy.
#[cfg(loom)]
pub const HAS_STREAMING: bool = false;

/// Rounds `bytes` up to whole lines; `None` if that does not fit a `usize`.
#[must_use]
pub const fn lines(bytes: usize) -> Option<usize> {
    match bytes.checked_add(LINE - 1) {
        Some(sum) => Some(sum / LINE * LINE),
        None => None,
    }
}

/// A part of a mapping was asked for that is not there, or not writable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SpanError {
    /// The range does not lie within the span that it was to be cut from.
    #[error("{len} bytes at offset {offset} are outside of a span of {limit} bytes")]
    OutOfBounds {
        /// Offset of the first byte asked for.
        offset: usize,
        /// Number of bytes asked for.
        len: usize,
        /// Length of the span.
        limit: usize,
    },
    /// The range does not begin at a multiple of the alignment that its content needs.
    #[error("offset {offset} is not a multiple of {align}")]
    Misaligned {
        /// Offset of the first byte asked for.
        offset: usize,
        /// The alignment needed.
        align: usize,
    },
    /// Memory to be written was asked for from a mapping that is read-only.
    #[error("the mapping is read-only")]
    ReadOnly,
}

#[cfg(all(test, not(loom)))]
mod protection;
#[cfg(all(test, not(loom)))]
mod tests;
