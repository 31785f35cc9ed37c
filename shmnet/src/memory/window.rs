//! A checked range of a mapping, and the raw accesses to it that both kinds of spans are made of.

#![allow(unsafe_code)]

use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use super::coherence::Upkeep;
#[cfg(test)]
use super::simulated::Kind;
use super::{Coherence, LINE, Mapping, SpanError, copy, flush};

/// `len` bytes from `base`, which lie within `mapping` for as long as this lives.
#[derive(Clone)]
pub(super) struct Window {
    mapping: Arc<Mapping>,
    base: NonNull<u8>,
    len: usize,
    /// The mapping's, at hand.
    upkeep: Upkeep,
}

// SAFETY: `base` points into `mapping`, which is kept alive and is itself `Send`; no access depends on the thread.
unsafe impl Send for Window {}
// SAFETY: all accesses through `&self` are atomic words or raw copies of bytes that may race by design.
unsafe impl Sync for Window {}

impl Window {
    pub(super) fn whole(mapping: Arc<Mapping>) -> Self {
        let base = NonNull::new(mapping.as_mut_ptr()).unwrap_or(NonNull::dangling());
        let (len, upkeep) = (mapping.len(), mapping.upkeep());
        Self { mapping, base, len, upkeep }
    }

    pub(super) fn sub(&self, offset: usize, len: usize) -> Result<Self, SpanError> {
        if offset > self.len || len > self.len - offset {
            return Err(SpanError::OutOfBounds { offset, len, limit: self.len });
        }
        // SAFETY: `offset` is at most the length of the window, so the result is in it or one past its end.
        let base = unsafe { self.base.add(offset) };
        Ok(Self { mapping: Arc::clone(&self.mapping), base, len, upkeep: self.upkeep })
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
        self.before_load(offset, 8);
        let word = self.at(offset, 8, 8).cast::<u64>();
        // SAFETY: `at` checked bounds and alignment; the mapping outlives the call; other writers use atomic stores or
        // are other processes.
        u64::from_le(unsafe { AtomicU64::from_ptr(word) }.load(order))
    }

    #[inline(always)]
    pub(super) fn load_u32(&self, offset: usize, order: Ordering) -> u32 {
        #[cfg(test)]
        self.before_load(offset, 4);
        let word = self.at(offset, 4, 4).cast::<u32>();
        // SAFETY: as in `load_u64`.
        u32::from_le(unsafe { AtomicU32::from_ptr(word) }.load(order))
    }

    /// Only for windows of writable mappings.
    #[inline(always)]
    pub(super) fn store_u64(&self, offset: usize, value: u64, order: Ordering) {
        #[cfg(test)]
        if !self.before_store(offset, 8) {
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
        if !self.before_store(offset, 4) {
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
        if !self.before_store(offset, from.len()) {
            return;
        }
        let to = self.at(offset, from.len(), 1);
        // SAFETY: `at` checked the destination; `from` is local memory, which no mapping of shared memory overlaps.
        unsafe { copy::copy(from.as_ptr(), to, from.len()) };
    }

    /// As [`copy_in`](Self::copy_in), past the caches; see [`copy::copy_streaming`].
    #[inline]
    pub(super) fn copy_in_streaming(&self, offset: usize, from: &[u8]) {
        #[cfg(test)]
        if !self.before_store(offset, from.len()) {
            return;
        }
        let to = self.at(offset, from.len(), 1);
        // SAFETY: as in `copy_in`.
        unsafe { copy::copy_streaming(from.as_ptr(), to, from.len()) };
    }

    #[inline(always)]
    pub(super) fn streaming_fence(&self) {
        copy::streaming_fence();
    }

    #[inline]
    pub(super) fn copy_out(&self, offset: usize, into: &mut [u8]) {
        #[cfg(test)]
        self.before_load(offset, into.len());
        let from = self.at(offset, into.len(), 1);
        // SAFETY: `at` checked the source; `into` is local memory, which no mapping of shared memory overlaps.
        unsafe { copy::copy(from, into.as_mut_ptr(), into.len()) };
    }

    /// Only for windows of writable mappings.
    pub(super) fn zero(&self, offset: usize, len: usize) {
        #[cfg(test)]
        if !self.before_store(offset, len) {
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

    /// Whether the hardware keeps the memory coherent.
    #[inline(always)]
    pub(super) fn is_coherent(&self) -> bool {
        self.upkeep == Upkeep::None
    }

    #[inline(always)]
    #[cfg_attr(test, track_caller)]
    pub(super) fn write_back(&self, offset: usize, len: usize) {
        match self.upkeep {
            Upkeep::None => {}
            // SAFETY: `at` checked that the bytes lie in the window, which is mapped.
            Upkeep::Flush(flusher) => unsafe { flusher.write_back(self.at(offset, len, 1), len) },
            Upkeep::Reflect => self.reflect(offset, len),
            #[cfg(test)]
            Upkeep::Simulate => {
                self.simulate(Kind::WriteBack, |cache| cache.write_back(self.place(offset), len))
            }
        }
    }

    #[cold]
    fn reflect(&self, offset: usize, len: usize) {
        let place = self.at(offset, len, 1).addr() - self.mapping.base().addr();
        if let Coherence::Reflected(reflector) = self.mapping.coherence() {
            reflector.publish(place, len);
        }
    }

    #[inline(always)]
    #[cfg_attr(test, track_caller)]
    pub(super) fn write_back_fence(&self) {
        match self.upkeep {
            // A reflector keeps the order in which it is given ranges.
            Upkeep::None | Upkeep::Reflect => {}
            Upkeep::Flush(_) => flush::write_back_fence(),
            #[cfg(test)]
            Upkeep::Simulate => self.simulate(Kind::WriteBackFence, |cache| cache.write_back_fence()),
        }
    }

    #[inline(always)]
    #[cfg_attr(test, track_caller)]
    pub(super) fn invalidate_unfenced(&self, offset: usize, len: usize) {
        match self.upkeep {
            // What a reflector's engine writes here it writes to coherent memory.
            Upkeep::None | Upkeep::Reflect => {}
            // SAFETY: `at` checked that the bytes lie in the window, which is mapped.
            Upkeep::Flush(flusher) => unsafe { flusher.drop(self.at(offset, len, 1), len) },
            #[cfg(test)]
            Upkeep::Simulate => {
                self.simulate(Kind::Invalidate, |cache| cache.invalidate(self.place(offset), len))
            }
        }
    }

    #[inline(always)]
    #[cfg_attr(test, track_caller)]
    pub(super) fn invalidate_fence(&self) {
        match self.upkeep {
            Upkeep::None | Upkeep::Reflect => {}
            Upkeep::Flush(_) => flush::drop_fence(),
            #[cfg(test)]
            Upkeep::Simulate => self.simulate(Kind::InvalidateFence, |cache| cache.invalidate_fence()),
        }
    }

    #[inline(always)]
    #[cfg_attr(test, track_caller)]
    pub(super) fn invalidate(&self, offset: usize, len: usize) {
        if !self.is_coherent() {
            self.invalidate_fence();
            self.invalidate_unfenced(offset, len);
            self.invalidate_fence();
        }
    }

    /// The line at `offset`: bounds and alignment are checked here, once for all accesses to it.
    #[inline(always)]
    pub(super) fn line(&self, offset: usize) -> Line<'_> {
        Line { at: self.at(offset, LINE, 8), window: self, offset }
    }

    /// The address of `len` bytes at `offset`, which the caller is going to write to without telling when.
    ///
    /// Only for windows of writable mappings.
    #[inline]
    pub(super) fn address(&self, offset: usize, len: usize) -> *mut u8 {
        let address = self.at(offset, len, 1);
        #[cfg(test)]
        if let Some(cache) = self.mapping.cache() {
            cache.lend(self.place(offset), len);
        }
        address
    }

    #[cfg(test)]
    fn before_load(&self, offset: usize, len: usize) {
        super::interrupt::load();
        self.at(offset, len, 1);
        if let Some(cache) = self.mapping.cache() {
            cache.before_load(self.place(offset), len);
        }
    }

    /// `false` if the store is not to happen.
    #[cfg(test)]
    fn before_store(&self, offset: usize, len: usize) -> bool {
        if super::interrupt::access() {
            return false;
        }
        self.at(offset, len, 1);
        if let Some(cache) = self.mapping.cache() {
            cache.before_store(self.place(offset), len);
        }
        true
    }

    /// Upkeep of simulated memory, before which others may run. A dead node writes nothing back.
    #[cfg(test)]
    #[track_caller]
    fn simulate(&self, kind: Kind, upkeep: impl FnOnce(&super::simulated::Cache)) {
        let dead = super::interrupt::access();
        let writes = matches!(kind, Kind::WriteBack | Kind::WriteBackFence);
        if let Some(cache) = self.mapping.cache()
            && !(dead && writes)
            && !cache.skips(kind, std::panic::Location::caller())
        {
            upkeep(cache);
        }
    }

    /// An offset of the window as one of the mapping.
    #[cfg(test)]
    fn place(&self, offset: usize) -> usize {
        self.base.as_ptr().addr() - self.mapping.base().addr() + offset
    }

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

/// [`LINE`] bytes of a window, aligned for words.
pub(super) struct Line<'a> {
    at: *mut u8,
    /// Keeps the mapping; tests look at it, and at the offset.
    #[cfg_attr(not(test), expect(dead_code, reason = "a borrow, and for tests"))]
    window: &'a Window,
    #[cfg_attr(not(test), expect(dead_code, reason = "for tests"))]
    offset: usize,
}

impl Line<'_> {
    /// The first word.
    #[inline(always)]
    pub(super) fn load_word(&self, order: Ordering) -> u64 {
        #[cfg(test)]
        self.window.before_load(self.offset, 8);
        // SAFETY: `Window::line` checked bounds and alignment; the borrowed window keeps the mapping.
        u64::from_le(unsafe { AtomicU64::from_ptr(self.at.cast()) }.load(order))
    }

    /// Stores the first word. Only for lines of writable mappings.
    #[inline(always)]
    pub(super) fn store_word(&self, value: u64, order: Ordering) {
        #[cfg(test)]
        if !self.window.before_store(self.offset, 8) {
            return;
        }
        // SAFETY: as in `load_word`; only an `OwnSpan`, cut from a writable mapping, gets here.
        unsafe { AtomicU64::from_ptr(self.at.cast()) }.store(value.to_le(), order);
    }

    /// Copies bytes to the line from `at` on. Only for lines of writable mappings.
    #[inline(always)]
    pub(super) fn copy_in(&self, at: usize, from: &[u8]) {
        assert!(at <= LINE && from.len() <= LINE - at, "access outside of a line");
        #[cfg(test)]
        if !self.window.before_store(self.offset + at, from.len()) {
            return;
        }
        // SAFETY: just checked; `from` is local memory, which no mapping of shared memory overlaps.
        unsafe { copy::copy_short(from.as_ptr(), self.at.add(at), from.len()) };
    }

    /// Copies the bytes from `at` on out of the line.
    #[inline(always)]
    pub(super) fn copy_out(&self, at: usize, into: &mut [u8]) {
        assert!(at <= LINE && into.len() <= LINE - at, "access outside of a line");
        #[cfg(test)]
        self.window.before_load(self.offset + at, into.len());
        // SAFETY: just checked; `into` is local memory, which no mapping of shared memory overlaps.
        unsafe { copy::copy_short(self.at.add(at), into.as_mut_ptr(), into.len()) };
    }

    /// Asks the cache for the line's second half, which then travels beside the first and not after it.
    #[inline(always)]
    pub(super) fn prefetch_second_half(&self) {
        copy::prefetch_read(self.at.wrapping_add(LINE / 2));
    }
}
