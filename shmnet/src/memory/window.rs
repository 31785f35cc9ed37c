//! A checked range of a mapping, and the raw accesses to it that both kinds of spans are made of.

#![allow(unsafe_code)]

use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use super::{Mapping, SpanError, copy};

/// `len` bytes from `base`, which lie within `mapping` for as long as this lives.
#[derive(Clone)]
pub(super) struct Window {
    mapping: Arc<Mapping>,
    base: NonNull<u8>,
    len: usize,
}

// SAFETY: `base` points into `mapping`, which is kept alive and is itself `Send`; no access depends on the thread.
unsafe impl Send for Window {}
// SAFETY: all accesses through `&self` are atomic words or raw copies of bytes that may race by design.
unsafe impl Sync for Window {}

impl Window {
    pub(super) fn whole(mapping: Arc<Mapping>) -> Self {
        let base = NonNull::new(mapping.as_mut_ptr()).unwrap_or(NonNull::dangling());
        let len = mapping.len();
        Self { mapping, base, len }
    }

    pub(super) fn sub(&self, offset: usize, len: usize) -> Result<Self, SpanError> {
        if offset > self.len || len > self.len - offset {
            return Err(SpanError::OutOfBounds { offset, len, limit: self.len });
        }
        // SAFETY: `offset` is at most the length of the window, so the result is in it or one past its end.
        let base = unsafe { self.base.add(offset) };
        Ok(Self { mapping: Arc::clone(&self.mapping), base, len })
    }

    pub(super) fn mapping(&self) -> &Arc<Mapping> {
        &self.mapping
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn is_aligned(&self, align: usize) -> bool {
        self.base.as_ptr().addr().is_multiple_of(align)
    }

    #[inline(always)]
    pub(super) fn load_u64(&self, offset: usize, order: Ordering) -> u64 {
        #[cfg(test)]
        super::interrupt::access();
        let word = self.at(offset, 8, 8).cast::<u64>();
        // SAFETY: `at` checked bounds and alignment; the mapping outlives the call; other writers use atomic stores or
        // are other processes.
        u64::from_le(unsafe { AtomicU64::from_ptr(word) }.load(order))
    }

    #[inline(always)]
    pub(super) fn load_u32(&self, offset: usize, order: Ordering) -> u32 {
        #[cfg(test)]
        super::interrupt::access();
        let word = self.at(offset, 4, 4).cast::<u32>();
        // SAFETY: as in `load_u64`.
        u32::from_le(unsafe { AtomicU32::from_ptr(word) }.load(order))
    }

    /// Only for windows of writable mappings.
    #[inline(always)]
    pub(super) fn store_u64(&self, offset: usize, value: u64, order: Ordering) {
        #[cfg(test)]
        if super::interrupt::access() {
            return;
        }
        let word = self.at(offset, 8, 8).cast::<u64>();
        // SAFETY: `at` checked bounds and alignment; only an `OwnSpan`, cut from a writable mapping, gets here.
        unsafe { AtomicU64::from_ptr(word) }.store(value.to_le(), order);
    }

    /// Only for windows of writable mappings.
    #[inline(always)]
    pub(super) fn store_u32(&self, offset: usize, value: u32, order: Ordering) {
        #[cfg(test)]
        if super::interrupt::access() {
            return;
        }
        let word = self.at(offset, 4, 4).cast::<u32>();
        // SAFETY: as in `store_u64`.
        unsafe { AtomicU32::from_ptr(word) }.store(value.to_le(), order);
    }

    /// Only for windows of writable mappings.
    #[inline]
    pub(super) fn copy_in(&self, offset: usize, from: &[u8]) {
        #[cfg(test)]
        if super::interrupt::access() {
            return;
        }
        let to = self.at(offset, from.len(), 1);
        // SAFETY: `at` checked the destination; `from` is local memory, which no mapping of shared memory overlaps.
        unsafe { copy::copy(from.as_ptr(), to, from.len()) };
    }

    #[inline]
    pub(super) fn copy_out(&self, offset: usize, into: &mut [u8]) {
        #[cfg(test)]
        super::interrupt::access();
        let from = self.at(offset, into.len(), 1);
        // SAFETY: `at` checked the source; `into` is local memory, which no mapping of shared memory overlaps.
        unsafe { copy::copy(from, into.as_mut_ptr(), into.len()) };
    }

    /// Only for windows of writable mappings.
    pub(super) fn zero(&self, offset: usize, len: usize) {
        #[cfg(test)]
        if super::interrupt::access() {
            return;
        }
        let to = self.at(offset, len, 1);
        // SAFETY: `at` checked the destination, and zero is valid for bytes.
        unsafe { std::ptr::write_bytes(to, 0, len) };
    }

    #[inline(always)]
    pub(super) fn prefetch_read(&self, offset: usize) {
        copy::prefetch_read(self.base.as_ptr().wrapping_add(offset));
    }

    #[inline(always)]
    pub(super) fn prefetch_write(&self, offset: usize) {
        copy::prefetch_write(self.base.as_ptr().wrapping_add(offset));
    }

    #[inline(always)]
    pub(super) fn write_back(&self, _offset: usize, _len: usize) {}

    #[inline(always)]
    pub(super) fn write_back_fence(&self) {}

    #[inline(always)]
    pub(super) fn invalidate(&self, _offset: usize, _len: usize) {}

    /// The address of `len` bytes at `offset`, checked against the window and `align` (a power of two).
    #[inline(always)]
    pub(super) fn at(&self, offset: usize, len: usize, align: usize) -> *mut u8 {
        assert!(offset <= self.len && len <= self.len - offset, "access outside of a span");
        // SAFETY: just checked to lie within the window.
        let at = unsafe { self.base.add(offset) }.as_ptr();
        assert!(at.addr() & (align - 1) == 0, "misaligned access to a span");
        at
    }
}
