//! The two kinds of shared memory: what this node writes, and what a peer writes.
//!
//! All words are little-endian. Word accesses and copies panic on an offset outside of the span or not aligned to the
//! word, as indexing a slice does: offsets are local and checked when a span is cut, never taken from a peer as they are.

use super::{Line, Mapping, SpanError, Ticks, Window};
use crate::sync::{Arc, Ordering};

macro_rules! reading {
    ($span:ident) => {
        impl $span {
            pub(super) fn new(window: Window) -> Self {
                Self { window }
            }

            /// Cuts `len` bytes at `offset`.
            ///
            /// # Errors
            /// [`SpanError::OutOfBounds`] if they do not lie within this span.
            pub fn sub(&self, offset: usize, len: usize) -> Result<Self, SpanError> {
                Ok(Self { window: self.window.sub(offset, len)? })
            }

            /// Cuts `len` bytes at `offset`, which must begin on an address that is a multiple of `align`.
            ///
            /// # Errors
            /// [`SpanError::OutOfBounds`] or [`SpanError::Misaligned`].
            pub fn sub_aligned(&self, offset: usize, len: usize, align: usize) -> Result<Self, SpanError> {
                let span = self.sub(offset, len)?;
                if span.window.is_aligned(align) {
                    Ok(span)
                } else {
                    Err(SpanError::Misaligned { offset, align })
                }
            }

            /// The number of bytes.
            #[must_use]
            pub fn len(&self) -> usize {
                self.window.len()
            }

            /// Whether the span holds no byte.
            #[must_use]
            pub fn is_empty(&self) -> bool {
                self.len() == 0
            }

            /// Whether the hardware keeps the memory coherent, so that nothing has to be written back or invalidated.
            #[inline(always)]
            #[must_use]
            pub fn is_coherent(&self) -> bool {
                self.window.is_coherent()
            }

            /// The mapping that the span was cut from.
            #[must_use]
            pub fn mapping(&self) -> &Arc<Mapping> {
                self.window.mapping()
            }

            /// Whether the mapping's content was marked as not to be used any more.
            #[must_use]
            pub fn is_quarantined(&self) -> bool {
                self.window.mapping().is_quarantined()
            }

            /// Loads the 64-bit word at `offset`.
            #[inline(always)]
            #[must_use]
            pub fn load_u64(&self, offset: usize, order: Ordering) -> u64 {
                self.window.load_u64(offset, order)
            }

            /// Loads the 32-bit word at `offset`.
            #[inline(always)]
            #[must_use]
            pub fn load_u32(&self, offset: usize, order: Ordering) -> u32 {
                self.window.load_u32(offset, order)
            }

            /// Copies the bytes at `offset` to local memory. They may change meanwhile; they are read once.
            #[inline]
            pub fn copy_out(&self, offset: usize, into: &mut [u8]) {
                self.window.copy_out(offset, into);
            }

            /// Asks the cache for the line at `offset`. A hint: any offset will do.
            #[inline(always)]
            pub fn prefetch(&self, offset: usize) {
                self.window.prefetch_read(offset);
            }
        }

        impl std::fmt::Debug for $span {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_struct(stringify!($span)).field("len", &self.len()).finish_non_exhaustive()
            }
        }
    };
}

/// Memory that this node writes. Cloning is cheap; keeping to one writer per line is the caller's care.
#[derive(Clone)]
pub struct OwnSpan {
    window: Window,
}

/// Memory that a peer writes: it can only be loaded from, and nothing in it is to be trusted.
#[derive(Clone)]
pub struct PeerSpan {
    window: Window,
}

reading!(OwnSpan);
reading!(PeerSpan);

impl OwnSpan {
    /// Stores the 64-bit word at `offset`.
    #[inline(always)]
    pub fn store_u64(&self, offset: usize, value: u64, order: Ordering) {
        self.window.store_u64(offset, value, order);
    }

    /// Stores the 32-bit word at `offset`.
    #[inline(always)]
    pub fn store_u32(&self, offset: usize, value: u32, order: Ordering) {
        self.window.store_u32(offset, value, order);
    }

    /// The line at `offset`, to be written by one check of its bounds.
    ///
    /// Panics if [`LINE`](super::LINE) bytes there do not lie within the span, or its words are not aligned.
    #[inline(always)]
    #[must_use]
    pub fn line(&self, offset: usize) -> OwnLine<'_> {
        OwnLine(self.window.line(offset))
    }

    /// Copies local bytes to `offset`. A reader may see them in any order until a word is released after them.
    #[inline]
    pub fn copy_in(&self, offset: usize, from: &[u8]) {
        self.window.copy_in(offset, from);
    }

    /// As [`copy_in`](Self::copy_in), by stores that leave the bytes in memory instead of this processor's caches. A word that
    /// is released after it needs a [`streaming_fence`](Self::streaming_fence) before.
    #[inline]
    pub fn copy_in_streaming(&self, offset: usize, from: &[u8]) {
        self.window.copy_in_streaming(offset, from);
    }

    /// Orders what was [copied past the caches](Self::copy_in_streaming) before what is stored from here on.
    #[inline(always)]
    pub fn streaming_fence(&self) {
        self.window.streaming_fence();
    }

    /// Sets `len` bytes at `offset` to zero.
    pub fn zero(&self, offset: usize, len: usize) {
        self.window.zero(offset, len);
    }

    /// Sends `len` bytes at `offset`, which this node has stored, on their way to the other nodes, in the way that the memory's
    /// [`Coherence`](super::Coherence) asks for. They are there before anything that is stored after the next
    /// [`write_back_fence`](Self::write_back_fence).
    #[inline(always)]
    #[cfg_attr(test, track_caller)]
    pub fn write_back(&self, offset: usize, len: usize) {
        self.window.write_back(offset, len);
    }

    /// Orders what was [written back](Self::write_back) before what is stored from here on.
    #[inline(always)]
    #[cfg_attr(test, track_caller)]
    pub fn write_back_fence(&self) {
        self.window.write_back_fence();
    }

    /// Asks the cache for the line at `offset` in a state to be written. A hint: any offset will do.
    #[inline(always)]
    pub fn prefetch_for_write(&self, offset: usize) {
        self.window.prefetch_write(offset);
    }

    /// The same memory as a peer in this process would see it: to read back what this node itself published.
    #[must_use]
    pub fn as_peer(&self) -> PeerSpan {
        PeerSpan { window: self.window.clone() }
    }

    /// The address of `len` bytes at `offset`, for the ring's scribble buffers.
    ///
    /// Panics if they do not lie within the span.
    #[cfg(not(loom))]
    #[inline]
    pub(crate) fn address(&self, offset: usize, len: usize) -> *mut u8 {
        self.window.address(offset, len)
    }
}

impl PeerSpan {
    /// The line at `offset`, to be read by one check of its bounds.
    ///
    /// Panics if [`LINE`](super::LINE) bytes there do not lie within the span, or its words are not aligned.
    #[inline(always)]
    #[must_use]
    pub fn line(&self, offset: usize) -> PeerLine<'_> {
        PeerLine(self.window.line(offset))
    }

    /// Loads the 64-bit word at `offset`, and tells how long that took, in units of [`Ticks`](super::Ticks); `None` where there is
    /// no clock for so short a time.
    #[inline]
    #[must_use]
    pub fn load_u64_timed(&self, offset: usize, order: Ordering) -> (u64, Option<Ticks>) {
        let start = Ticks::now();
        let word = self.load_u64(offset, order);
        (word, start.and_then(Ticks::elapsed))
    }

    /// Drops what this node's caches hold of `len` bytes at `offset`, where the memory's [`Coherence`](super::Coherence) asks for
    /// it, so that what is loaded from here on is what the peer has written back. It is done after all loads before.
    #[inline(always)]
    #[cfg_attr(test, track_caller)]
    pub fn invalidate(&self, offset: usize, len: usize) {
        self.window.invalidate(offset, len);
    }

    /// As [`invalidate`](Self::invalidate), for one of several ranges: with an [`invalidate_fence`](Self::invalidate_fence) before
    /// the first, and one after the last, before which nothing of them is to be loaded.
    #[inline(always)]
    #[cfg_attr(test, track_caller)]
    pub fn invalidate_unfenced(&self, offset: usize, len: usize) {
        self.window.invalidate_unfenced(offset, len);
    }

    /// Orders invalidations after the loads before, and before the loads from here on.
    #[inline(always)]
    #[cfg_attr(test, track_caller)]
    pub fn invalidate_fence(&self) {
        self.window.invalidate_fence();
    }
}

/// A line of memory that this node writes, as a ring's slot is: a word, and bytes behind it.
pub struct OwnLine<'a>(Line<'a>);

impl OwnLine<'_> {
    /// Stores the first word.
    #[inline(always)]
    pub fn store_word(&self, value: u64, order: Ordering) {
        self.0.store_word(value, order);
    }

    /// Copies local bytes to the line from `at` on. Panics if they do not fit.
    #[inline(always)]
    pub fn copy_in(&self, at: usize, from: &[u8]) {
        self.0.copy_in(at, from);
    }
}

/// A line of memory that a peer writes.
pub struct PeerLine<'a>(Line<'a>);

impl PeerLine<'_> {
    /// Loads the first word.
    #[inline(always)]
    #[must_use]
    pub fn load_word(&self, order: Ordering) -> u64 {
        self.0.load_word(order)
    }

    /// Copies the bytes from `at` on to local memory. They may change meanwhile; they are read once. Panics if the line has not
    /// so many.
    #[inline(always)]
    pub fn copy_out(&self, at: usize, into: &mut [u8]) {
        self.0.copy_out(at, into);
    }

    /// Asks the cache for the second half of the line, which then travels beside the first.
    #[inline(always)]
    pub fn prefetch_second_half(&self) {
        self.0.prefetch_second_half();
    }
}
