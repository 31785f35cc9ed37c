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
