//! Records of several words that a reader must see whole: a sequence word in front, odd while the owner writes.
//!
//! The owner never waits. A reader tries a bounded number of times; an owner that died while writing leaves the
//! record unreadable, and readers keep what they read before.

use crate::memory::{OwnSpan, PeerSpan};
use crate::sync::{Ordering, fence};

/// Bytes in front of a guarded record.
pub(crate) const GUARD: usize = 8;

/// Replaces the record behind the guard at `offset`.
pub(crate) fn write(span: &OwnSpan, offset: usize, record: &[u8]) {
    let sequence = span.load_u64(offset, Ordering::Relaxed) & !1;
    span.store_u64(offset, sequence.wrapping_add(1), Ordering::Relaxed);
    // Whoever sees a byte of the new record also sees the odd word: pairs with the fence in `read`.
    fence(Ordering::Release);
    span.copy_in(offset + GUARD, record);
    span.store_u64(offset, sequence.wrapping_add(2), Ordering::Release);
}

/// Copies the record behind the guard at `offset`; returns its sequence, or `None` if it did not hold still.
pub(crate) fn read(span: &PeerSpan, offset: usize, record: &mut [u8]) -> Option<u64> {
    for _ in 0..ATTEMPTS {
        let before = span.load_u64(offset, Ordering::Acquire);
        if before & 1 == 0 {
            span.copy_out(offset + GUARD, record);
            fence(Ordering::Acquire);
            if span.load_u64(offset, Ordering::Relaxed) == before {
                return Some(before);
            }
        }
        std::hint::spin_loop();
    }
    None
}

/// A record is at most a few kilobytes: an owner that is alive is done long before.
const ATTEMPTS: usize = 64;
