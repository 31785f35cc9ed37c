//! The side that reads a ring in a peer's memory and moves the read pointer in its own.

use crate::memory::{LINE, OwnSpan, PeerSpan};
use crate::sync::Ordering::{Acquire, Relaxed, Release};

use super::ahead::Ahead;
use super::layout::{
    CACHE_LINE, FETCH_LIMIT, FLAG_BUFFERED, FLAG_CONTINUATION, FLAG_METADATA, FLAG_MORE, FLAGS, INLINE,
    METADATA, PAYLOAD, SLOTS, SlotWord, pointer_word, read_header,
};
use super::{Geometry, Limits, Metadata, RingKey, SetupError};

/// The receiving end of a ring.
// In lines of its own, as the transmitting end.
#[derive(Debug)]
#[repr(align(128))]
pub struct Receiver {
    slots: PeerSpan,
    buffers: PeerSpan,
    read_pointer: OwnSpan,
    tag: u32,
    geometry: Geometry,
    /// Position of the next slot to read.
    read: u64,
    /// The read pointer as last published.
    published: u64,
    /// What was seen of the next slots; only where memory is not coherent.
    ahead: Option<Box<Ahead>>,
    fault: Option<RingFault>,
    counters: ReceiverCounters,
}

/// What a receiver has done since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReceiverCounters {
    /// Frames delivered.
    pub frames: u64,
    /// Bytes of these frames.
    pub bytes: u64,
    /// Frames dropped since they were longer than the room that the caller gave.
    pub too_long: u64,
    /// Faults of the transmitter: 0 or 1.
    pub faults: u64,
}

/// A frame was copied out of the ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Received {
    /// Its length in bytes.
    pub len: usize,
    /// What came with it. Its offsets lie within the frame.
    pub metadata: Metadata,
}

/// What a transmitter did that no honest one does. The ring is not read any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RingFault {
    /// A slot is neither of the lap expected nor of the one before.
    #[error("slot {position} is of lap {found}, expected {expected}")]
    Lap {
        /// Position of the slot.
        position: u64,
        /// The lap in its word.
        found: u32,
        /// The lap of its position.
        expected: u32,
    },
    /// A slot's length is zero or does not fit where its bytes are said to lie.
    #[error("slot {position} says that it holds {length} bytes")]
    Length {
        /// Position of the slot.
        position: u64,
        /// The length in its word.
        length: u16,
    },
    /// A slot has unknown flags, or flags that it cannot have in its place.
    #[error("slot {position} has the flags {flags:#06x}")]
    Flags {
        /// Position of the slot.
        position: u64,
        /// The flags in its word.
        flags: u16,
    },
    /// A chain takes more than half of the ring.
    #[error("the chain at slot {position} is longer than half of the ring")]
    Chain {
        /// Position of its head.
        position: u64,
    },
    /// The offload metadata does not fit the frame.
    #[error("the metadata of slot {position} does not fit its frame")]
    Metadata {
        /// Position of the slot.
        position: u64,
    },
    /// The peer's memory was taken away.
    #[error("the peer's memory is quarantined")]
    Quarantined,
}

impl Receiver {
    /// Attaches to the ring in a peer's memory that was announced under `key`.
    ///
    /// `read_pointer` is the word in this node's arena that belongs to the ring, 8 bytes long.
    ///
    /// # Errors
    /// [`SetupError`] for a header that is not that of the ring expected, or whose geometry does not fit the memory or
    /// `limits`.
    pub fn new(
        peer: PeerSpan,
        read_pointer: OwnSpan,
        key: RingKey,
        limits: Limits,
    ) -> Result<Self, SetupError> {
        let geometry = read_header(&peer, key, limits)?;
        let slots = peer.sub(SLOTS, geometry.slots() as usize * LINE)?;
        let buffers =
            peer.sub(geometry.buffers_offset(), geometry.slots() as usize * geometry.buffer() as usize)?;
        let read_pointer = read_pointer.sub_aligned(0, 8, 8)?;
        let tag = key.tag();
        read_pointer.store_u64(0, pointer_word(tag, 0), Release);
        read_pointer.write_back(0, 8);
        let ahead = (!slots.is_coherent()).then(|| Box::new(Ahead::new()));
        Ok(Self {
            slots,
            buffers,
            read_pointer,
            tag,
            geometry,
            read: 0,
            published: 0,
            ahead,
            fault: None,
            counters: ReceiverCounters::default(),
        })
    }

    /// Copies the next frame to the beginning of `into`; `None` if there is none, in which case the read pointer is published.
    ///
    /// A frame longer than `into` is dropped and counted, and the next one is looked at.
    ///
    /// # Errors
    /// [`RingFault`] if the transmitter violated the protocol, now or before.
    #[inline(always)]
    pub fn receive(&mut self, into: &mut [u8]) -> Result<Option<Received>, RingFault> {
        if let Some(received) = self.receive_short(into) {
            return Ok(Some(received));
        }
        self.receive_any(into)
    }

    /// The short way, of frames that lie in their slot and have no metadata. `None` if there is none of this kind: then the long
    /// way has to say what there is.
    #[inline(always)]
    fn receive_short(&mut self, into: &mut [u8]) -> Option<Received> {
        if self.fault.is_some() {
            return None;
        }
        let line = self.slots.line(self.slot(self.read));
        let word = match &self.ahead {
            None => {
                line.prefetch_second_half();
                // Pairs with the transmitter's release of the word: what it wrote before is visible with it.
                line.load_word(Acquire)
            }
            Some(ahead) => ahead.get(self.read)?,
        };
        let bare = SlotWord { lap: self.lap(self.read), length: 0, flags: 0 }.pack();
        // Of another lap, with a flag, or with any other bit: then this is more than any length.
        let len = (word ^ bare).rotate_right(16) as usize;
        if len.wrapping_sub(1) >= INLINE {
            return None;
        }
        line.copy_out(PAYLOAD, into.get_mut(..len)?);
        self.counters.frames += 1;
        self.counters.bytes += len as u64;
        self.advance(1);
        Some(Received { len, metadata: Metadata::default() })
    }

    #[inline(never)]
    fn receive_any(&mut self, into: &mut [u8]) -> Result<Option<Received>, RingFault> {
        // A transmitter that keeps sending frames that are too long must not keep the caller here for ever.
        for _ in 0..self.geometry.slots() {
            let Some(head) = self.head()? else {
                self.publish();
                return Ok(None);
            };
            if let Some(received) = self.take(head, into)? {
                return Ok(Some(received));
            }
        }
        Ok(None)
    }

    /// Asks the cache for the next `slots` slots, if all of them are published: their lines then travel together, and not each when
    /// its frame is read. Asking for a slot that is still to be written would take its line from the transmitter.
    #[inline]
    pub fn fetch_burst(&self, slots: u32) {
        let slots = u64::from(slots.min(self.geometry.slots() / 2));
        if self.ahead.is_some() || slots < 2 {
            return;
        }
        let is_published = |position| {
            SlotWord::unpack(self.slots.load_u64(self.slot(position), Relaxed)).lap == self.lap(position)
        };
        // The first one is looked at in any case; of a ring without traffic no other line is.
        let last = self.read + slots - 1;
        if is_published(self.read) && is_published(last) {
            for position in self.read..last {
                let slot = self.slot(position);
                self.slots.prefetch(slot);
                self.slots.prefetch(slot + CACHE_LINE);
            }
        }
    }

    /// Whether a frame can be received; also `true` if the ring has a fault to report. Only a look at the next slot's word.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        if self.ahead.as_ref().is_some_and(|ahead| ahead.get(self.read).is_some()) {
            return true;
        }
        self.slots.invalidate(self.slot(self.read), METADATA);
        let lap = SlotWord::unpack(self.slots.load_u64(self.slot(self.read), Acquire)).lap;
        lap != self.lap(self.read).wrapping_sub(1)
    }

    /// Publishes the read pointer: slots that were read are free again. To be called before going to sleep.
    pub fn publish(&mut self) {
        if self.published != self.read {
            self.published = self.read;
            // Pairs with the transmitter's acquiring load: the copies out of these slots are done.
            self.read_pointer.store_u64(0, pointer_word(self.tag, self.read), Release);
            self.read_pointer.write_back(0, 8);
        }
    }

    /// What was received and dropped.
    #[must_use]
    pub fn counters(&self) -> ReceiverCounters {
        self.counters
    }

    /// The ring's geometry, as it was when this end attached.
    #[must_use]
    pub fn geometry(&self) -> Geometry {
        self.geometry
    }

    /// The transmitter's violation of the protocol, if there was one.
    #[must_use]
    pub fn fault(&self) -> Option<RingFault> {
        self.fault
    }

    /// The checked publication word at the read position, or `None` if nothing new is there.
    #[inline(always)]
    fn head(&mut self) -> Result<Option<SlotWord>, RingFault> {
        if let Some(fault) = self.fault {
            return Err(fault);
        }
        let word = SlotWord::unpack(self.word());
        let lap = self.lap(self.read);
        if word.lap != lap {
            if word.lap == lap.wrapping_sub(1) {
                return self.dry();
            }
            return Err(self.fail(RingFault::Lap { position: self.read, found: word.lap, expected: lap }));
        }
        if word.flags & FLAG_CONTINUATION != 0 {
            return Err(self.fail(RingFault::Flags { position: self.read, flags: word.flags }));
        }
        self.check(self.read, word)?;
        Ok(Some(word))
    }

    /// The publication word at the read position.
    #[inline(always)]
    fn word(&mut self) -> u64 {
        if let Some(ahead) = &mut self.ahead {
            return ahead.look(&self.slots, &self.buffers, self.geometry, self.read);
        }
        // The second half of the line travels beside the first, not after it.
        self.slots.prefetch(self.slot(self.read) + CACHE_LINE);
        // Pairs with the transmitter's release of the word: what it wrote before is visible with it.
        self.slots.load_u64(self.slot(self.read), Acquire)
    }

    fn dry(&mut self) -> Result<Option<SlotWord>, RingFault> {
        if self.slots.is_quarantined() {
            return Err(self.fail(RingFault::Quarantined));
        }
        Ok(None)
    }

    /// Copies the frame whose head was checked, or drops it if `into` is too short for it.
    #[inline(always)]
    fn take(&mut self, head: SlotWord, into: &mut [u8]) -> Result<Option<Received>, RingFault> {
        let (links, len) =
            if head.flags & FLAG_MORE == 0 { (1, usize::from(head.length)) } else { self.walk(head)? };
        let metadata =
            if head.flags & FLAG_METADATA == 0 { Metadata::default() } else { self.metadata(len)? };
        if len > into.len() {
            self.counters.too_long += 1;
            self.advance(links);
            return Ok(None);
        }
        if links == 1 {
            self.copy(self.read, head, &mut into[..len]);
        } else {
            self.copy_chain(links, head, &mut into[..len])?;
        }
        self.counters.frames += 1;
        self.counters.bytes += len as u64;
        self.advance(links);
        Ok(Some(Received { len, metadata }))
    }

    /// Counts the links and bytes of a chain; every link is checked, and there are at most half as many as slots.
    fn walk(&mut self, head: SlotWord) -> Result<(u64, usize), RingFault> {
        let mut links = 1;
        let mut len = usize::from(head.length);
        let mut word = head;
        while word.flags & FLAG_MORE != 0 {
            if links == u64::from(self.geometry.chain_limit()) {
                return Err(self.fail(RingFault::Chain { position: self.read }));
            }
            let position = self.read + links;
            if let Some(ahead) = &mut self.ahead {
                ahead.prepare_link(&self.slots, self.geometry, position);
            }
            word = self.link(position)?;
            if let Some(ahead) = &self.ahead {
                ahead.drop_link(&self.slots, &self.buffers, self.geometry, position, word);
            }
            len += usize::from(word.length);
            links += 1;
        }
        // What was dropped is fetched anew from here on.
        self.slots.invalidate_fence();
        Ok((links, len))
    }

    /// The checked word of a continuation.
    fn link(&mut self, position: u64) -> Result<SlotWord, RingFault> {
        let word = SlotWord::unpack(self.slots.load_u64(self.slot(position), Acquire));
        let lap = self.lap(position);
        if word.lap != lap {
            return Err(self.fail(RingFault::Lap { position, found: word.lap, expected: lap }));
        }
        if word.flags & (FLAG_CONTINUATION | FLAG_METADATA) != FLAG_CONTINUATION {
            return Err(self.fail(RingFault::Flags { position, flags: word.flags }));
        }
        self.check(position, word)?;
        Ok(word)
    }

    /// Copies a chain that was walked. Its words are loaded again, so that what does not add up any more is a fault.
    fn copy_chain(&mut self, links: u64, head: SlotWord, into: &mut [u8]) -> Result<(), RingFault> {
        let mut rest = into;
        let mut word = head;
        for link in 0..links {
            let position = self.read + link;
            if link > 0 {
                word = self.link(position)?;
            }
            let Some((piece, after)) = rest.split_at_mut_checked(usize::from(word.length)) else {
                return Err(self.fail(RingFault::Length { position, length: word.length }));
            };
            self.copy(position, word, piece);
            rest = after;
        }
        if rest.is_empty() {
            return Ok(());
        }
        Err(self.fail(RingFault::Length { position: self.read + links - 1, length: word.length }))
    }

    /// Copies the bytes of one slot, whose word was checked.
    #[inline(always)]
    fn copy(&self, position: u64, word: SlotWord, into: &mut [u8]) {
        if word.flags & FLAG_BUFFERED != 0 {
            self.fetch_buffer(position + 1);
            self.buffers.copy_out(self.buffer(position), into);
        } else {
            self.slots.copy_out(self.slot(position) + PAYLOAD, into);
        }
    }

    /// Fetches a slot's buffer if it is published: earlier, it would only take the lines from the transmitter.
    #[inline(always)]
    fn fetch_buffer(&self, position: u64) {
        let word = match &self.ahead {
            None => self.slots.load_u64(self.slot(position), Relaxed),
            Some(ahead) => ahead.get(position).unwrap_or_default(),
        };
        let word = SlotWord::unpack(word);
        if word.lap == self.lap(position) && word.flags & FLAG_BUFFERED != 0 {
            let len = usize::from(word.length).min(FETCH_LIMIT);
            for at in (0..len).step_by(CACHE_LINE) {
                self.buffers.prefetch(self.buffer(position) + at);
            }
        }
    }

    #[inline(always)]
    fn check(&mut self, position: u64, word: SlotWord) -> Result<(), RingFault> {
        let room = if word.flags & FLAG_BUFFERED != 0 { self.geometry.buffer() as usize } else { INLINE };
        if word.length == 0 || usize::from(word.length) > room {
            return Err(self.fail(RingFault::Length { position, length: word.length }));
        }
        if word.flags & !FLAGS != 0 {
            return Err(self.fail(RingFault::Flags { position, flags: word.flags }));
        }
        Ok(())
    }

    fn metadata(&mut self, len: usize) -> Result<Metadata, RingFault> {
        let at = self.slot(self.read) + METADATA;
        let metadata =
            Metadata::unpack([self.slots.load_u64(at, Relaxed), self.slots.load_u64(at + 8, Relaxed)]);
        if metadata.fits(len) {
            return Ok(metadata);
        }
        Err(self.fail(RingFault::Metadata { position: self.read }))
    }

    #[inline(always)]
    fn advance(&mut self, links: u64) {
        self.read += links;
        if self.read - self.published >= self.geometry.publish_every() {
            self.publish();
        }
    }

    #[inline(always)]
    fn lap(&self, position: u64) -> u32 {
        ((position >> self.geometry.shift()) + 1) as u32
    }

    #[inline(always)]
    fn slot(&self, position: u64) -> usize {
        (position & self.geometry.mask()) as usize * LINE
    }

    #[inline(always)]
    fn buffer(&self, position: u64) -> usize {
        (position & self.geometry.mask()) as usize * self.geometry.buffer() as usize
    }

    #[cold]
    fn fail(&mut self, fault: RingFault) -> RingFault {
        self.fault = Some(fault);
        self.counters.faults += 1;
        fault
    }
}
