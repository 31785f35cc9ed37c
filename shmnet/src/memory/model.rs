//! The stand-in for mapped memory under the loom model checker: an array of modelled words.
//!
//! Byte copies become relaxed word accesses, which is what they are allowed to look like to another processor.

use super::{OwnSpan, PeerSpan, SpanError};
use crate::sync::{Arc, AtomicU64, Ordering};

/// Modelled shared memory; the owner's and the peer's handle are the same.
#[derive(Debug)]
pub struct Mapping {
    words: Vec<AtomicU64>,
}

impl Mapping {
    /// Makes `len` bytes (a multiple of 8) of zeroed memory and two handles to it.
    ///
    /// # Errors
    /// Never; the signature is that of the real mapping.
    pub fn anonymous(len: usize) -> std::io::Result<(Arc<Self>, Arc<Self>)> {
        let mapping = Arc::new(Self { words: (0..len.div_ceil(8)).map(|_| AtomicU64::new(0)).collect() });
        Ok((Arc::clone(&mapping), mapping))
    }

    /// Never: the modelled memory cannot be taken away.
    #[must_use]
    pub fn is_quarantined(&self) -> bool {
        false
    }

    /// The whole memory as what this node writes.
    ///
    /// # Errors
    /// Never; the signature is that of the real mapping.
    pub fn own(self: &Arc<Self>) -> Result<OwnSpan, SpanError> {
        Ok(OwnSpan::new(Window::whole(Arc::clone(self))))
    }

    /// The whole memory as what a peer writes.
    #[must_use]
    pub fn peer(self: &Arc<Self>) -> PeerSpan {
        PeerSpan::new(Window::whole(Arc::clone(self)))
    }
}

#[derive(Clone)]
pub(super) struct Window {
    mapping: Arc<Mapping>,
    base: usize,
    len: usize,
}

impl Window {
    fn whole(mapping: Arc<Mapping>) -> Self {
        let len = mapping.words.len() * 8;
        Self { mapping, base: 0, len }
    }

    pub(super) fn sub(&self, offset: usize, len: usize) -> Result<Self, SpanError> {
        if offset > self.len || len > self.len - offset {
            return Err(SpanError::OutOfBounds { offset, len, limit: self.len });
        }
        Ok(Self { mapping: Arc::clone(&self.mapping), base: self.base + offset, len })
    }

    pub(super) fn mapping(&self) -> &Arc<Mapping> {
        &self.mapping
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn is_aligned(&self, align: usize) -> bool {
        self.base.is_multiple_of(align)
    }

    pub(super) fn load_u64(&self, offset: usize, order: Ordering) -> u64 {
        self.word(offset).load(order)
    }

    pub(super) fn load_u32(&self, offset: usize, order: Ordering) -> u32 {
        let shift = (self.base + offset) % 8 * 8;
        (self.word(offset & !7).load(order) >> shift) as u32
    }

    pub(super) fn store_u64(&self, offset: usize, value: u64, order: Ordering) {
        self.word(offset).store(value, order);
    }

    pub(super) fn store_u32(&self, offset: usize, value: u32, order: Ordering) {
        let shift = (self.base + offset) % 8 * 8;
        let word = self.word(offset & !7);
        let rest = word.load(Ordering::Relaxed) & !(u64::from(u32::MAX) << shift);
        word.store(rest | u64::from(value) << shift, order);
    }

    pub(super) fn copy_in(&self, offset: usize, from: &[u8]) {
        for (index, chunk) in from.chunks(8).enumerate() {
            let mut bytes = [0; 8];
            bytes[..chunk.len()].copy_from_slice(chunk);
            self.word(offset + index * 8).store(u64::from_le_bytes(bytes), Ordering::Relaxed);
        }
    }

    pub(super) fn copy_in_streaming(&self, offset: usize, from: &[u8]) {
        self.copy_in(offset, from);
    }

    pub(super) fn streaming_fence(&self) {}

    pub(super) fn copy_out(&self, offset: usize, into: &mut [u8]) {
        for (index, chunk) in into.chunks_mut(8).enumerate() {
            let bytes = self.word(offset + index * 8).load(Ordering::Relaxed).to_le_bytes();
            chunk.copy_from_slice(&bytes[..chunk.len()]);
        }
    }

    pub(super) fn zero(&self, offset: usize, len: usize) {
        for at in (offset..offset + len).step_by(8) {
            self.word(at).store(0, Ordering::Relaxed);
        }
    }

    pub(super) fn prefetch_read(&self, _offset: usize) {}

    pub(super) fn prefetch_write(&self, _offset: usize) {}

    pub(super) fn write_back(&self, _offset: usize, _len: usize) {}

    pub(super) fn write_back_fence(&self) {}

    pub(super) fn invalidate(&self, _offset: usize, _len: usize) {}

    pub(super) fn invalidate_unfenced(&self, _offset: usize, _len: usize) {}

    pub(super) fn invalidate_fence(&self) {}

    /// Modelled memory is coherent.
    pub(super) fn is_coherent(&self) -> bool {
        true
    }

    pub(super) fn line(&self, offset: usize) -> Line<'_> {
        Line { window: self, offset }
    }

    fn word(&self, offset: usize) -> &AtomicU64 {
        assert!(offset + 8 <= self.len.next_multiple_of(8), "access outside of a span");
        &self.mapping.words[(self.base + offset) / 8]
    }
}

pub(super) struct Line<'a> {
    window: &'a Window,
    offset: usize,
}

impl Line<'_> {
    pub(super) fn load_word(&self, order: Ordering) -> u64 {
        self.window.load_u64(self.offset, order)
    }

    pub(super) fn store_word(&self, value: u64, order: Ordering) {
        self.window.store_u64(self.offset, value, order);
    }

    pub(super) fn copy_in(&self, at: usize, from: &[u8]) {
        self.window.copy_in(self.offset + at, from);
    }

    pub(super) fn copy_out(&self, at: usize, into: &mut [u8]) {
        self.window.copy_out(self.offset + at, into);
    }

    pub(super) fn prefetch_second_half(&self) {}
}
