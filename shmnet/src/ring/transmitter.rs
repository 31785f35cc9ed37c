//! The side that owns the ring: it writes slots and buffers and moves the write pointer.

use crate::memory::{LINE, OwnSpan, PeerSpan, Ticks};
use crate::sync::Ordering::{Acquire, Relaxed, Release};

use super::distance::{CopyRoutine, Distance};
use super::layout::{
    CACHE_LINE, FETCH_LIMIT, FLAG_BUFFERED, FLAG_CONTINUATION, FLAG_METADATA, FLAG_MORE, INLINE, METADATA,
    PAYLOAD, POSITION_MASK, SLOTS, SlotWord, WRITE_POINTER, pointer_parts, pointer_word, write_header,
};
use super::{Geometry, Metadata, RingKey, SetupError};

/// How many slots ahead the transmitter asks for a slot's line in a state to be written.
const PREFETCH_AHEAD: u64 = 8;

/// The transmitting end of a ring.
// In lines of its own: the other end, or another worker's, may be in the same process, and these are written for every frame.
#[derive(Debug)]
#[repr(align(128))]
pub struct Transmitter {
    header: OwnSpan,
    slots: OwnSpan,
    buffers: OwnSpan,
    read_pointer: PeerSpan,
    tag: u32,
    geometry: Geometry,
    /// Position of the next slot to write.
    written: u64,
    /// How far the receiver is known to have read.
    read: u64,
    /// The slots before this position are known to be free, and the ring is without a fault.
    open_until: u64,
    /// The write pointer as last published.
    published: u64,
    /// Publication words that wait for the end of the burst, with the offsets of their slots; only where memory is not coherent.
    burst: Option<Burst>,
    distance: Distance,
    fault: Option<ReadPointerFault>,
    counters: TransmitterCounters,
    high_water: u32,
}

/// The heads of frames that were written and sent on their way, but not published.
type Burst = Vec<(usize, u64)>;

/// What a transmitter has done since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TransmitterCounters {
    /// Frames published.
    pub frames: u64,
    /// Bytes of these frames.
    pub bytes: u64,
    /// Frames refused for want of free slots.
    pub full: u64,
    /// Frames refused since they need more than half of the ring.
    pub too_long: u64,
    /// Frames refused for being empty or for metadata that does not fit them.
    pub invalid: u64,
    /// Faults of the read pointer: 0 or 1.
    pub faults: u64,
}

/// How full a ring is. Decides on its replacement by a larger one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Occupancy {
    /// Slots in all.
    pub slots: u32,
    /// Slots written and not yet read.
    pub used: u32,
    /// The most slots that were seen in use since the high water was last taken.
    pub high_water: u32,
}

/// A frame was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// Not enough free slots at the moment.
    #[error("the ring is full")]
    Full,
    /// The frame would take more than half of the ring.
    #[error("a frame of {len} bytes is longer than half of the ring ({limit} bytes)")]
    TooLong {
        /// Length of the frame.
        len: usize,
        /// The longest frame that the ring takes.
        limit: usize,
    },
    /// The frame holds no bytes.
    #[error("an empty frame")]
    Empty,
    /// The metadata points outside of the frame, or is of an unknown kind.
    #[error("the metadata does not fit the frame")]
    Metadata,
    /// The receiver violated the protocol; the ring is not used any more.
    #[error("the ring is quarantined: {0}")]
    Quarantined(ReadPointerFault),
}

/// What a receiver did to its read pointer that no honest one does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadPointerFault {
    /// It went back.
    #[error("the read pointer went back from {from} to {to}")]
    Regress {
        /// The position known before, modulo 2^40.
        from: u64,
        /// The position found, modulo 2^40.
        to: u64,
    },
    /// It went past what was written.
    #[error("the read pointer is at {to}, beyond the write pointer at {written}")]
    Overrun {
        /// The position found, modulo 2^40.
        to: u64,
        /// The write pointer, modulo 2^40.
        written: u64,
    },
}

impl Transmitter {
    /// Makes a new, empty ring in `own`, which must be aligned to a line and hold at least [`Geometry::bytes`].
    ///
    /// `read_pointer` is the word of the receiver's arena that belongs to this ring, 8 bytes long. The ring may be
    /// announced to the receiver (by a release store) once this returns.
    ///
    /// # Errors
    /// [`SetupError::Span`] if the memory is too small or misaligned.
    pub fn new(
        own: OwnSpan,
        read_pointer: PeerSpan,
        key: RingKey,
        geometry: Geometry,
    ) -> Result<Self, SetupError> {
        let header = own.sub_aligned(0, SLOTS, LINE)?;
        let slots = own.sub(SLOTS, geometry.slots() as usize * LINE)?;
        let buffers =
            own.sub(geometry.buffers_offset(), geometry.slots() as usize * geometry.buffer() as usize)?;
        let read_pointer = read_pointer.sub_aligned(0, 8, 8)?;
        for slot in 0..geometry.slots() as usize {
            slots.store_u64(slot * LINE, 0, Relaxed);
        }
        let tag = key.tag();
        header.store_u64(WRITE_POINTER, pointer_word(tag, 0), Relaxed);
        write_header(&header, key, geometry);
        // The ring is announced by a word that is stored after this.
        own.write_back(0, SLOTS + slots.len());
        own.write_back_fence();
        let burst = (!own.is_coherent()).then(|| Burst::with_capacity(geometry.publish_every() as usize));
        // The clock is set up here, and not when the first frames are sent.
        let _ = Ticks::now();
        Ok(Self {
            header,
            slots,
            buffers,
            read_pointer,
            tag,
            geometry,
            written: 0,
            read: 0,
            open_until: geometry.slots().into(),
            published: 0,
            burst,
            distance: Distance::new(),
            fault: None,
            counters: TransmitterCounters::default(),
            high_water: 0,
        })
    }

    /// Sends one frame, given in parts that follow one another.
    ///
    /// It is visible to the receiver when this returns, and [`publish`](Self::publish) is only for the write pointer; but where the
    /// memory is not coherent, it becomes visible with up to 31 others, when that is called or they are 32.
    ///
    /// # Errors
    /// See [`SendError`]; each refusal is counted.
    #[inline(always)]
    pub fn send(&mut self, parts: &[&[u8]], metadata: Metadata) -> Result<(), SendError> {
        if let [frame] = parts
            && self.send_short(frame, metadata)
        {
            return Ok(());
        }
        self.send_parts(parts, metadata)
    }

    /// The short way, of frames that lie in their slot and have no metadata, into a slot that is known to be free. `false` if the
    /// frame has to go the long way.
    #[inline(always)]
    fn send_short(&mut self, frame: &[u8], metadata: Metadata) -> bool {
        let len = frame.len();
        if len.wrapping_sub(1) >= INLINE || self.written >= self.open_until || !metadata.is_none() {
            return false;
        }
        let slot = self.slot(self.written);
        let line = self.slots.line(slot);
        line.copy_in(PAYLOAD, frame);
        let word = SlotWord { lap: self.geometry.lap(self.written), length: len as u16, flags: 0 }.pack();
        if let Some(burst) = &mut self.burst {
            self.slots.write_back(slot + PAYLOAD, len);
            burst.push((slot, word));
        } else {
            // Pairs with the receiver's acquiring load of the word: the payload is visible with it.
            line.store_word(word, Release);
        }
        self.advance(1, len);
        true
    }

    #[inline(never)]
    fn send_parts(&mut self, parts: &[&[u8]], metadata: Metadata) -> Result<(), SendError> {
        let len = match parts {
            [one] => one.len(),
            _ => parts.iter().map(|part| part.len()).sum(),
        };
        let flags = self.admit(len, metadata)?;
        if len <= INLINE {
            self.claim(1)?;
            let slot = self.slot(self.written);
            let mut at = slot + PAYLOAD;
            for part in parts {
                self.slots.copy_in(at, part);
                at += part.len();
            }
            self.release(self.written, len, flags);
            self.advance(1, len);
            return Ok(());
        }
        let links = self.links(len)?;
        self.claim(links)?;
        self.fill(parts);
        self.release_chain(links, len, flags);
        Ok(())
    }

    /// Ends a burst: publishes the frames that are not visible yet, and the write pointer, for statistics and recovery.
    pub fn publish(&mut self) {
        if self.published != self.written {
            self.published = self.written;
            if self.burst.is_some() {
                return self.release_burst();
            }
            self.header.store_u64(WRITE_POINTER, pointer_word(self.tag, self.written), Release);
        }
    }

    /// Loads the receiver's read pointer and returns the number of free slots.
    ///
    /// # Errors
    /// [`SendError::Quarantined`] if the receiver violated the protocol, now or before.
    pub fn refresh(&mut self) -> Result<u32, SendError> {
        if let Some(fault) = self.fault {
            return Err(SendError::Quarantined(fault));
        }
        self.read_pointer.invalidate(0, 8);
        // Pairs with the receiver's release of the word: its copies out of the slots it gives back are done.
        let (word, took) = self.read_pointer.load_u64_timed(0, Acquire);
        let (tag, position) = pointer_parts(word);
        if tag == self.tag {
            let step = position.wrapping_sub(self.read) & POSITION_MASK;
            if step > self.written - self.read {
                return Err(SendError::Quarantined(self.quarantine(position, step)));
            }
            self.read += step;
            // Where the memory is not coherent, the load was of memory, wherever the receiver is.
            if let Some(took) = took
                && step > 0
                && self.burst.is_none()
            {
                self.distance.note(took);
            }
        }
        self.open_until = self.read + u64::from(self.geometry.slots());
        let used = self.used();
        self.high_water = self.high_water.max(used);
        Ok(self.geometry.slots() - used)
    }

    /// How full the ring is, after a look at the receiver's read pointer.
    ///
    /// # Errors
    /// [`SendError::Quarantined`] if the receiver violated the protocol, now or before.
    pub fn occupancy(&mut self) -> Result<Occupancy, SendError> {
        let free = self.refresh()?;
        let slots = self.geometry.slots();
        Ok(Occupancy { slots, used: slots - free, high_water: self.high_water })
    }

    /// Returns the high water of [`occupancy`](Self::occupancy) and begins a new one.
    pub fn take_high_water(&mut self) -> u32 {
        std::mem::take(&mut self.high_water)
    }

    /// Whether the receiver is known to have read everything. Does not look at its read pointer.
    #[must_use]
    pub fn is_drained(&self) -> bool {
        self.read == self.written
    }

    /// What was sent and refused.
    #[must_use]
    pub fn counters(&self) -> TransmitterCounters {
        self.counters
    }

    /// The ring's geometry.
    #[must_use]
    pub fn geometry(&self) -> Geometry {
        self.geometry
    }

    /// How long a line takes from the receiver's processor to this one, in nanoseconds, once it was measured.
    #[must_use]
    pub fn distance(&self) -> Option<u32> {
        self.distance.nanos()
    }

    /// The routine by which payload is copied to the buffers at present.
    #[must_use]
    pub fn copy_routine(&self) -> CopyRoutine {
        self.distance.copy()
    }

    /// Copies by one routine whatever the distance, to compare them; `None` chooses by the distance, as at first.
    pub fn fix_copy_routine(&mut self, copy: Option<CopyRoutine>) {
        self.distance.fix(copy);
    }

    /// The receiver's violation of the protocol, if there was one.
    #[must_use]
    pub fn fault(&self) -> Option<ReadPointerFault> {
        self.fault
    }

    /// Checks a frame before anything is written, and gives the flags of its head.
    #[inline(always)]
    pub(super) fn admit(&mut self, len: usize, metadata: Metadata) -> Result<u16, SendError> {
        if len == 0 {
            self.counters.invalid += 1;
            return Err(SendError::Empty);
        }
        if metadata.is_none() {
            return Ok(0);
        }
        self.admit_metadata(len, metadata)
    }

    #[cold]
    fn admit_metadata(&mut self, len: usize, metadata: Metadata) -> Result<u16, SendError> {
        if !metadata.fits(len) {
            self.counters.invalid += 1;
            return Err(SendError::Metadata);
        }
        // Only the slot at the write pointer is written, and it is free or the frame will be refused below.
        self.claim(1)?;
        let slot = self.slot(self.written);
        let [offload, steering] = metadata.pack();
        self.slots.store_u64(slot + METADATA, offload, Relaxed);
        self.slots.store_u64(slot + METADATA + 8, steering, Relaxed);
        Ok(FLAG_METADATA)
    }

    /// How many slots a frame takes that does not lie in a slot's line.
    #[inline]
    pub(super) fn links(&mut self, len: usize) -> Result<u32, SendError> {
        let limit = self.geometry.max_frame();
        if len > limit {
            self.counters.too_long += 1;
            return Err(SendError::TooLong { len, limit });
        }
        Ok(len.div_ceil(self.geometry.buffer() as usize) as u32)
    }

    /// Makes sure that `links` slots are free.
    #[inline(always)]
    pub(super) fn claim(&mut self, links: u32) -> Result<(), SendError> {
        if self.fault.is_none() && self.geometry.slots() - self.used() >= links {
            return Ok(());
        }
        self.claim_anew(links)
    }

    #[cold]
    fn claim_anew(&mut self, links: u32) -> Result<(), SendError> {
        if self.refresh()? >= links {
            return Ok(());
        }
        self.counters.full += 1;
        self.publish();
        Err(SendError::Full)
    }

    /// Publishes a frame that lies in the buffers of `links` slots: continuations first, the head last.
    pub(super) fn release_chain(&mut self, links: u32, len: usize, head_flags: u16) {
        let buffer = self.geometry.buffer() as usize;
        for link in (0..links).rev() {
            let first = link as usize * buffer;
            let piece = buffer.min(len - first);
            let more = if link + 1 < links { FLAG_MORE } else { 0 };
            let role = if link == 0 { head_flags } else { FLAG_CONTINUATION };
            self.release(self.written + u64::from(link), piece, FLAG_BUFFERED | more | role);
        }
        self.advance(links, len);
    }

    /// Copies the parts into the buffers from the write pointer on, which were claimed.
    #[inline(always)]
    fn fill(&mut self, parts: &[&[u8]]) {
        match (parts, self.distance.copy()) {
            ([one], CopyRoutine::Cached) if one.len() <= self.geometry.buffer() as usize => {
                self.buffers.copy_in(self.buffer(self.written), one);
            }
            (_, CopyRoutine::Cached) => self.scatter(parts, OwnSpan::copy_in),
            (_, CopyRoutine::Streaming) => {
                self.scatter(parts, OwnSpan::copy_in_streaming);
                // The words are released by usual stores.
                self.buffers.streaming_fence();
            }
        }
    }

    /// Copies parts of any number and length over as many buffers as they take.
    fn scatter(&self, parts: &[&[u8]], copy_in: impl Fn(&OwnSpan, usize, &[u8])) {
        let buffer = self.geometry.buffer() as usize;
        let (mut position, mut room_at) = (self.written, 0);
        for part in parts {
            let mut rest = *part;
            while !rest.is_empty() {
                if room_at == buffer {
                    position += 1;
                    room_at = 0;
                }
                let (piece, after) = rest.split_at(rest.len().min(buffer - room_at));
                copy_in(&self.buffers, self.buffer(position) + room_at, piece);
                room_at += piece.len();
                rest = after;
            }
        }
    }

    /// Stores a slot's publication word: the frame or its link is visible from here on, or at the end of the burst.
    #[inline(always)]
    pub(super) fn release(&mut self, position: u64, len: usize, flags: u16) {
        let lap = ((position >> self.geometry.shift()) + 1) as u32;
        let word = SlotWord { lap, length: len as u16, flags }.pack();
        if self.burst.is_some() {
            return self.defer(position, word);
        }
        // Pairs with the receiver's acquiring load of the word: payload and metadata are visible with it.
        self.slots.store_u64(self.slot(position), word, Release);
    }

    /// Sends what a slot holds on its way to memory, and keeps its word for the end of the burst.
    ///
    /// The words of continuations go with the payload: nobody looks at them before the head.
    #[inline(never)]
    fn defer(&mut self, position: u64, word: u64) {
        let slot = self.slot(position);
        let SlotWord { length, flags, .. } = SlotWord::unpack(word);
        if flags & FLAG_BUFFERED == 0 {
            self.slots.write_back(slot + METADATA, PAYLOAD - METADATA + usize::from(length));
        } else {
            self.buffers.write_back(self.buffer(position), length.into());
            if flags & FLAG_METADATA != 0 {
                self.slots.write_back(slot + METADATA, PAYLOAD - METADATA);
            }
        }
        if flags & FLAG_CONTINUATION != 0 {
            self.slots.store_u64(slot, word, Relaxed);
            self.slots.write_back(slot, METADATA);
        } else if let Some(burst) = &mut self.burst {
            burst.push((slot, word));
        }
    }

    /// Publishes the frames of a burst, and the write pointer.
    #[inline(never)]
    fn release_burst(&mut self) {
        let Some(burst) = &mut self.burst else { return };
        // All that the slots hold is in memory before any of the words that publish them.
        self.slots.write_back_fence();
        for (slot, word) in burst.drain(..) {
            self.slots.store_u64(slot, word, Release);
            self.slots.write_back(slot, METADATA);
        }
        self.header.store_u64(WRITE_POINTER, pointer_word(self.tag, self.written), Release);
        self.header.write_back(WRITE_POINTER, 8);
        // Who looks now whether the receiver sleeps looks after the words are there.
        self.header.write_back_fence();
    }

    #[inline(always)]
    pub(super) fn advance(&mut self, links: u32, len: usize) {
        self.written += u64::from(links);
        self.counters.frames += 1;
        self.counters.bytes += len as u64;
        let ahead = self.slot(self.written + PREFETCH_AHEAD);
        self.slots.prefetch_for_write(ahead);
        self.slots.prefetch_for_write(ahead + CACHE_LINE);
        if len > INLINE && self.distance.copy() == CopyRoutine::Cached {
            // The next frame is likely to be as long as this one.
            for at in (0..len.min(FETCH_LIMIT).min(self.geometry.buffer() as usize)).step_by(CACHE_LINE) {
                self.buffers.prefetch_for_write(self.buffer(self.written) + at);
            }
        }
        if self.written - self.published >= self.geometry.publish_every() {
            self.publish();
        }
    }

    #[inline(always)]
    fn used(&self) -> u32 {
        (self.written - self.read) as u32
    }

    #[inline(always)]
    pub(super) fn slot(&self, position: u64) -> usize {
        (position & self.geometry.mask()) as usize * LINE
    }

    #[inline(always)]
    pub(super) fn buffer(&self, position: u64) -> usize {
        (position & self.geometry.mask()) as usize * self.geometry.buffer() as usize
    }

    #[cfg(not(loom))]
    pub(super) fn slots(&self) -> &OwnSpan {
        &self.slots
    }

    #[cfg(not(loom))]
    pub(super) fn buffers(&self) -> &OwnSpan {
        &self.buffers
    }

    #[cfg(not(loom))]
    pub(super) fn written(&self) -> u64 {
        self.written
    }

    #[cold]
    fn quarantine(&mut self, to: u64, step: u64) -> ReadPointerFault {
        let fault = if step > POSITION_MASK / 2 {
            ReadPointerFault::Regress { from: self.read & POSITION_MASK, to }
        } else {
            ReadPointerFault::Overrun { to, written: self.written & POSITION_MASK }
        };
        self.fault = Some(fault);
        self.open_until = 0;
        self.counters.faults += 1;
        fault
    }
}
