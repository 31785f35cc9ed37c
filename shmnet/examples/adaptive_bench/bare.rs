//! The limit: a ring of the same design and geometry with nothing checked and nothing counted.
//!
//! A word {lap, length} in each slot's line, short frames beside it and others in the slot's buffer, the read pointer published
//! every 32 slots. It trusts the other side in everything, and is good for measuring only.

#![allow(unsafe_code)]

use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use isthmus_shmnet::ring::Geometry;

use crate::measure::{Sink, Source};

const LINE: usize = 128;
const PAYLOAD: usize = 24;
const INLINE: usize = LINE - PAYLOAD;
const CACHE_LINE: usize = 64;

struct Memory {
    slots: *mut u8,
    buffers: *mut u8,
    shift: u32,
    mask: u64,
    buffer: usize,
    read: crossbeam_utils::CachePadded<AtomicU64>,
    layouts: [Layout; 2],
}

// SAFETY: the two ends keep to the ring's protocol: a slot is written by the source until its word is released, and read by the
// sink until the read pointer is.
unsafe impl Send for Memory {}
// SAFETY: as above.
unsafe impl Sync for Memory {}

impl Memory {
    fn new(geometry: Geometry) -> Option<Self> {
        let (slots, buffer) = (geometry.slots() as usize, geometry.buffer() as usize);
        let layouts = [
            Layout::from_size_align(slots * LINE, 4096).ok()?,
            Layout::from_size_align(slots * buffer, 4096).ok()?,
        ];
        // SAFETY: neither size is zero.
        let [slots, buffers] = layouts.map(|layout| unsafe { alloc_zeroed(layout) });
        let (shift, mask) = (geometry.slots().trailing_zeros(), u64::from(geometry.slots()) - 1);
        Some(Self { slots, buffers, shift, mask, buffer, read: AtomicU64::new(0).into(), layouts })
    }

    fn word(&self, position: u64) -> &AtomicU64 {
        // SAFETY: the masked position is below the number of slots, and a slot begins with a word.
        unsafe { AtomicU64::from_ptr(self.slots.add((position & self.mask) as usize * LINE).cast()) }
    }

    fn place(&self, position: u64, len: usize) -> *mut u8 {
        let slot = (position & self.mask) as usize;
        // SAFETY: as in `word`, and for the buffers, of which there are as many.
        unsafe {
            if len <= INLINE {
                self.slots.add(slot * LINE + PAYLOAD)
            } else {
                self.buffers.add(slot * self.buffer)
            }
        }
    }

    fn lap(&self, position: u64) -> u64 {
        ((position >> self.shift) + 1) << 32
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        for (place, layout) in [self.slots, self.buffers].into_iter().zip(self.layouts) {
            // SAFETY: allocated with this layout, and nobody has it any more.
            unsafe { dealloc(place, layout) };
        }
    }
}

pub(crate) struct BareSource {
    memory: Arc<Memory>,
    written: u64,
    read: u64,
}

pub(crate) struct BareSink {
    memory: Arc<Memory>,
    read: u64,
}

pub(crate) fn ring(geometry: Geometry) -> Option<(BareSource, BareSink)> {
    let memory = Arc::new(Memory::new(geometry)?);
    Some((BareSource { memory: Arc::clone(&memory), written: 0, read: 0 }, BareSink { memory, read: 0 }))
}

impl Source for BareSource {
    #[inline(always)]
    fn send(&mut self, frame: &[u8]) -> bool {
        let memory = &*self.memory;
        if self.written - self.read > memory.mask {
            self.read = memory.read.load(Ordering::Acquire);
            if self.written - self.read > memory.mask {
                return false;
            }
        }
        // SAFETY: the frames of the benchmark are no longer than a buffer, and the slot is free.
        unsafe {
            let to = memory.place(self.written, frame.len());
            std::ptr::copy_nonoverlapping(frame.as_ptr(), to, frame.len());
        }
        let word = memory.lap(self.written) | frame.len() as u64;
        memory.word(self.written).store(word, Ordering::Release);
        self.written += 1;
        let ahead = memory.word(self.written + 8).as_ptr().cast::<u8>();
        prefetch_write(ahead);
        prefetch_write(ahead.wrapping_add(CACHE_LINE));
        if frame.len() > INLINE {
            let next = memory.place(self.written, frame.len());
            (0..frame.len()).step_by(CACHE_LINE).for_each(|at| prefetch_write(next.wrapping_add(at)));
        }
        true
    }

    fn flush(&mut self) {}
}

impl Sink for BareSink {
    #[inline(always)]
    fn receive(&mut self, into: &mut [u8]) -> Option<usize> {
        let memory = &*self.memory;
        prefetch_read(memory.word(self.read).as_ptr().cast::<u8>().wrapping_add(CACHE_LINE));
        let word = memory.word(self.read).load(Ordering::Acquire);
        if word >> 32 != memory.lap(self.read) >> 32 {
            memory.read.store(self.read, Ordering::Release);
            return None;
        }
        let len = word as u32 as usize;
        if len > INLINE {
            let next = memory.word(self.read + 1).load(Ordering::Relaxed);
            if next >> 32 == memory.lap(self.read + 1) >> 32 {
                let from = memory.place(self.read + 1, len);
                (0..len).step_by(CACHE_LINE).for_each(|at| prefetch_read(from.wrapping_add(at)));
            }
        }
        // SAFETY: the source is trusted: its frames are no longer than the room.
        unsafe { std::ptr::copy_nonoverlapping(memory.place(self.read, len), into.as_mut_ptr(), len) };
        self.read += 1;
        if self.read.is_multiple_of(32) {
            memory.read.store(self.read, Ordering::Release);
        }
        Some(len)
    }

    fn flush(&mut self) {}
}

fn prefetch_read(at: *const u8) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a prefetch does not fault, whatever the address.
    unsafe {
        std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T0 }>(at.cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = at;
}

fn prefetch_write(at: *const u8) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a prefetch does not fault, whatever the address.
    unsafe {
        std::arch::asm!("prefetchw [{0}]", in(reg) at, options(nostack, preserves_flags, readonly));
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = at;
}
