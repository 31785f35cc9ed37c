//! Futex calls on words of shared memory.

#![allow(unsafe_code)]

use std::io;
use std::ptr;
use std::sync::atomic::AtomicU32;
use std::time::Duration;

use crate::layout::at;
use crate::memory::Mapping;

/// A word to wait on: where, and the value that it must still have.
#[derive(Clone, Copy, Debug)]
pub(super) struct Expected {
    address: *const u32,
    value: u32,
    private: bool,
}

impl Expected {
    /// The liveness word of a mapped arena. The caller keeps the mapping for as long as it waits.
    pub(super) fn liveness(arena: &Mapping, value: u32) -> Self {
        Self { address: liveness_address(arena), value, private: false }
    }

    /// A word of this process.
    pub(super) fn private(word: &AtomicU32, value: u32) -> Self {
        Self { address: ptr::from_ref(word).cast(), value, private: true }
    }
}

/// Waits until one of at most [`MAX_WAIT`] words is woken or differs from its value, or the time is over.
///
/// `Err` only if the kernel cannot do it, or a word cannot be read.
pub(super) fn wait_any(words: &[Expected], timeout: Duration) -> io::Result<()> {
    let waiters: Vec<Waiter> = words
        .iter()
        .map(|word| Waiter {
            value: word.value.into(),
            address: word.address as u64,
            flags: FUTEX_32 | if word.private { libc::FUTEX_PRIVATE_FLAG as u32 } else { 0 },
            reserved: 0,
        })
        .collect();
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `now` is a valid place for the result.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut now) };
    let nanos = now.tv_nsec as u64 + u64::from(timeout.subsec_nanos());
    let until = libc::timespec {
        tv_sec: now.tv_sec + timeout.as_secs() as libc::time_t + (nanos / 1_000_000_000) as libc::time_t,
        tv_nsec: (nanos % 1_000_000_000) as libc::c_long,
    };
    // SAFETY: the array and the time outlive the call; the kernel only reads the words, and answers an address
    // that cannot be read with an error.
    let result = unsafe {
        libc::syscall(
            SYS_FUTEX_WAITV,
            waiters.as_ptr(),
            waiters.len() as libc::c_uint,
            0 as libc::c_uint,
            &raw const until,
            libc::CLOCK_MONOTONIC,
        )
    };
    if result >= 0 {
        return Ok(());
    }
    let error = io::Error::last_os_error();
    match error.raw_os_error() {
        Some(libc::EAGAIN | libc::EINTR | libc::ETIMEDOUT) => Ok(()),
        _ => Err(error),
    }
}

/// Wakes all who wait on the liveness word of a mapped arena.
pub(super) fn wake_liveness(arena: &Mapping) {
    // SAFETY: the address lies in the mapping; waking reads nothing of it, and a read-only mapping is enough.
    unsafe {
        libc::syscall(libc::SYS_futex, liveness_address(arena), libc::FUTEX_WAKE, libc::c_int::MAX);
    }
}

/// Wakes those in this process who wait on the word.
pub(super) fn wake_private(word: &AtomicU32) {
    let operation = libc::FUTEX_WAKE | libc::FUTEX_PRIVATE_FLAG;
    // SAFETY: the word is alive, and waking reads nothing of it.
    unsafe {
        libc::syscall(libc::SYS_futex, ptr::from_ref(word), operation, libc::c_int::MAX);
    }
}

/// The address of the liveness word in a mapped arena, whose header was checked to be mapped whole.
pub(super) fn liveness_address(arena: &Mapping) -> *const u32 {
    arena.base().wrapping_add(at::LIVENESS).cast()
}

/// The most words that one call waits on.
pub(super) const MAX_WAIT: usize = 128;

/// `struct futex_waitv` of the kernel.
#[repr(C)]
struct Waiter {
    value: u64,
    address: u64,
    flags: u32,
    reserved: u32,
}

/// The words are of 32 bits.
const FUTEX_32: u32 = 2;

/// The same number on all architectures (Linux 5.16).
const SYS_FUTEX_WAITV: libc::c_long = 449;
