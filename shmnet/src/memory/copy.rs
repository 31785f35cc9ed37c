//! Copies between shared and local memory, and hints to the cache. The one place where the copy routine is chosen.

#![allow(unsafe_code)]

use std::arch::asm;

/// Copies `len` bytes from shared memory to local memory or the other way round.
///
/// # Safety
/// `from` must be readable and `to` writable for `len` bytes, and the two must not overlap. One of the two may be
/// written by another process meanwhile; the content that arrives is then unspecified, but it is read only once.
#[inline]
pub(super) unsafe fn copy(from: *const u8, to: *mut u8, len: usize) {
    // SAFETY: the caller vouches for both ranges.
    unsafe { std::ptr::copy_nonoverlapping(from, to, len) };
    settle(from, to);
}

/// As [`copy`], for what fits a line: without the call of a function, which takes as long as copying 64 bytes.
///
/// # Safety
/// As for [`copy`].
#[inline(always)]
pub(super) unsafe fn copy_short(from: *const u8, to: *mut u8, len: usize) {
    // SAFETY: the caller vouches for both ranges; every part lies within the first `len` bytes, as the condition before it says.
    unsafe {
        match len {
            32.. => {
                part::<32>(from, to, 0);
                if len > 64 {
                    part::<32>(from, to, 32);
                    let mut at = 64;
                    while at + 32 < len {
                        part::<32>(from, to, at);
                        at += 32;
                    }
                }
                part::<32>(from, to, len - 32);
            }
            16.. => {
                part::<16>(from, to, 0);
                part::<16>(from, to, len - 16);
            }
            8.. => {
                part::<8>(from, to, 0);
                part::<8>(from, to, len - 8);
            }
            _ => std::ptr::copy_nonoverlapping(from, to, len),
        }
    }
    settle(from, to);
}

/// Copies `LEN` bytes at `at`. The last part of a copy overlaps the one before.
///
/// # Safety
/// As for [`copy`], of `at + LEN` bytes.
#[inline(always)]
unsafe fn part<const LEN: usize>(from: *const u8, to: *mut u8, at: usize) {
    // SAFETY: the caller vouches for both ranges; bytes have no alignment and no invalid values.
    unsafe { to.add(at).cast::<[u8; LEN]>().write(from.add(at).cast::<[u8; LEN]>().read()) }
}

/// Copies `len` bytes from local to shared memory by stores that go past the caches, where the processor has them; what lies in
/// lines that are not filled whole goes by the usual stores. Nothing of it is ordered before a later store without
/// [`streaming_fence`].
///
/// # Safety
/// As for [`copy`], with a local source that nobody else writes.
#[inline]
pub(super) unsafe fn copy_streaming(from: *const u8, to: *mut u8, len: usize) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: the caller vouches for both ranges.
    unsafe {
        streaming::copy(from, to, len);
    }
    #[cfg(not(target_arch = "x86_64"))]
    // SAFETY: the caller vouches for both ranges.
    unsafe {
        std::ptr::copy_nonoverlapping(from, to, len);
    }
    settle(from, to);
}

/// Whether [`copy_streaming`] is another routine than [`copy`] on this processor.
pub(super) const HAS_STREAMING: bool = cfg!(target_arch = "x86_64");

/// Orders what [`copy_streaming`] wrote before every store from here on.
#[inline(always)]
pub(super) fn streaming_fence() {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: the instruction has no operands, and is there on every processor of this kind.
    unsafe {
        std::arch::x86_64::_mm_sfence();
    }
}

#[cfg(target_arch = "x86_64")]
mod streaming {
    use std::arch::x86_64::{__m128i, _mm_loadu_si128, _mm_stream_si128};

    /// What a processor of this kind writes at once, in bytes.
    const LINE: usize = 64;

    /// # Safety
    /// As for [`super::copy_streaming`].
    #[inline(always)]
    pub(super) unsafe fn copy(from: *const u8, to: *mut u8, len: usize) {
        let head = to.align_offset(LINE).min(len);
        let lines = (len - head) / LINE;
        let tail = head + lines * LINE;
        // SAFETY: all offsets are at most `len`, for which the caller vouches; within the loop `to` is a multiple of a line.
        unsafe {
            std::ptr::copy_nonoverlapping(from, to, head);
            for line in 0..lines {
                let (from, to) = (from.add(head + line * LINE), to.add(head + line * LINE));
                for part in 0..LINE / 16 {
                    let bytes = _mm_loadu_si128(from.cast::<__m128i>().add(part));
                    _mm_stream_si128(to.cast::<__m128i>().add(part), bytes);
                }
            }
            std::ptr::copy_nonoverlapping(from.add(tail), to.add(tail), len - tail);
        }
    }
}

/// Tells the compiler that the memory behind both pointers may have been read and changed here.
///
/// Without it the compiler may replace a later load of the local copy by a second load of the shared source, since it
/// takes the source for unchanged: a value could then differ between its check and its use.
#[inline(always)]
fn settle(from: *const u8, to: *mut u8) {
    // SAFETY: no instruction is emitted; the statement only clobbers memory in the eyes of the compiler.
    unsafe { asm!("/* {0} {1} */", in(reg) from, in(reg) to, options(nostack, preserves_flags)) };
}

/// Asks for the line at `at` to be fetched for reading. A hint: any address will do.
#[inline(always)]
pub(super) fn prefetch_read(at: *const u8) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a prefetch does not fault, whatever the address.
    unsafe {
        std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T0 }>(at.cast());
    }
    #[cfg(target_arch = "aarch64")]
    // SAFETY: a prefetch does not fault, whatever the address.
    unsafe {
        asm!("prfm pldl1keep, [{0}]", in(reg) at, options(nostack, preserves_flags, readonly));
    }
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    let _ = at;
}

/// Asks for the line at `at` to be fetched for writing. A hint: any address will do.
#[inline(always)]
pub(super) fn prefetch_write(at: *const u8) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a prefetch does not fault, whatever the address; processors without the instruction treat it as a no-op.
    unsafe {
        asm!("prefetchw [{0}]", in(reg) at, options(nostack, preserves_flags, readonly));
    }
    #[cfg(target_arch = "aarch64")]
    // SAFETY: a prefetch does not fault, whatever the address.
    unsafe {
        asm!("prfm pstl1keep, [{0}]", in(reg) at, options(nostack, preserves_flags, readonly));
    }
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    let _ = at;
}
