//! Where everything lies in a ring's memory, and how its words are packed.
//!
//! ```text
//! offset 0      header line     magic, geometry, tx incarnation, rx incarnation, epoch, hash   (6 words)
//!        128    pointer line    write pointer word
//!        256    slots           slots x 128 bytes: publication word, 2 metadata words, 104 bytes inline
//!        ...    buffers         slots x buffer bytes, aligned to the buffer size up to a page where that is a power of two
//! ```
//! All words are little-endian.

use crate::memory::{LINE, OwnSpan, PeerSpan};
use crate::sync::Ordering::Relaxed;

use super::SetupError;

/// Bytes of a frame that fit the slot's own line, beside its words.
pub const INLINE: usize = LINE - PAYLOAD;

/// Offset in a slot of the two metadata words.
pub(super) const METADATA: usize = 8;
/// Offset in a slot of the inline payload.
pub(super) const PAYLOAD: usize = 24;

/// Offset of the word that holds the write pointer.
pub(super) const WRITE_POINTER: usize = LINE;
/// Offset of the first slot.
pub(super) const SLOTS: usize = 2 * LINE;

/// How often a pointer is published while there is work, in slots.
pub(super) const PUBLISH_EVERY: u64 = 32;

/// What one prefetch brings, in bytes.
pub(super) const CACHE_LINE: usize = 64;
/// How much of the next buffer is asked for while the present one is copied, in bytes.
pub(super) const FETCH_LIMIT: usize = 2048;

/// "ISTHRNG" and the version of the layout, as the little-endian word at offset 0.
const MAGIC: u64 = u64::from_le_bytes(*b"ISTHRNG\x01");
const HEADER_WORDS: usize = 6;

const _: () = assert!(INLINE == 104 && PAYLOAD == METADATA + 16 && HEADER_WORDS * 8 <= LINE);

/// The two incarnations that a ring connects, and the number of the ring between them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RingKey {
    /// Incarnation of the transmitter.
    pub tx_incarnation: u64,
    /// Incarnation of the receiver.
    pub rx_incarnation: u64,
    /// Counts the rings between these two incarnations.
    pub epoch: u32,
}

impl RingKey {
    /// What a pointer word carries of the key: 24 bits, never zero.
    ///
    /// It has to differ from the tags of the rings before, of which a word may be left; eight bits of each counter do.
    pub(super) fn tag(self) -> u32 {
        let byte = |value: u64| (value & 0xff) as u32;
        byte(self.tx_incarnation) << 16 | byte(self.rx_incarnation) << 8 | (self.epoch % 255 + 1)
    }
}

/// A pointer word: a tag of the ring's key in the upper 24 bits, a position modulo 2^40 in the lower ones.
pub(super) fn pointer_word(tag: u32, position: u64) -> u64 {
    u64::from(tag) << 40 | position & POSITION_MASK
}

/// The tag and the position of a pointer word.
pub(super) fn pointer_parts(word: u64) -> (u32, u64) {
    ((word >> 40) as u32, word & POSITION_MASK)
}

/// Positions in pointer words wrap here; far more than any ring has slots.
pub(super) const POSITION_MASK: u64 = (1 << 40) - 1;

/// How many slots a ring has and how large its buffers are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Geometry {
    slots: u32,
    buffer: u32,
}

/// A geometry that no ring can have, or that a receiver does not accept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GeometryError {
    /// The number of slots is not a power of two from 4 to 65536.
    #[error("{0} slots: not a power of two from 4 to 65536")]
    Slots(u32),
    /// The buffer size is not a multiple of 128 from 128 to 65408 bytes.
    #[error("buffers of {0} bytes: not a multiple of 128 from 128 to 65408")]
    Buffer(u32),
    /// The ring is larger than the receiver allows.
    #[error("a ring of {bytes} bytes: at most {limit} are accepted")]
    TooLarge {
        /// Size of the ring in bytes.
        bytes: usize,
        /// The most that is accepted.
        limit: usize,
    },
}

impl Geometry {
    /// A ring of `slots` slots (a power of two from 4 to 65536) with buffers of `buffer` bytes (a multiple of 128, up to
    /// 65408).
    ///
    /// # Errors
    /// The value that is out of range.
    pub const fn new(slots: u32, buffer: u32) -> Result<Self, GeometryError> {
        if !slots.is_power_of_two() || slots < 4 || slots > 1 << 16 {
            return Err(GeometryError::Slots(slots));
        }
        if buffer == 0 || !buffer.is_multiple_of(LINE as u32) || buffer > 65408 {
            return Err(GeometryError::Buffer(buffer));
        }
        Ok(Self { slots, buffer })
    }

    /// The ring with the most slots whose memory is at most `bytes`, with buffers of `buffer` bytes.
    ///
    /// # Errors
    /// [`GeometryError`] if the buffer size is out of range or not even four slots fit.
    pub fn fitting(bytes: usize, buffer: u32) -> Result<Self, GeometryError> {
        let mut best = Self::new(4, buffer)?;
        if best.bytes() > bytes {
            return Err(GeometryError::TooLarge { bytes: best.bytes(), limit: bytes });
        }
        while let Ok(next) = Self::new(best.slots * 2, buffer) {
            if next.bytes() > bytes {
                break;
            }
            best = next;
        }
        Ok(best)
    }

    /// Number of slots.
    #[must_use]
    pub const fn slots(self) -> u32 {
        self.slots
    }

    /// Size of a scribble buffer in bytes.
    #[must_use]
    pub const fn buffer(self) -> u32 {
        self.buffer
    }

    /// Memory that the ring takes, in bytes: a multiple of [`LINE`].
    #[must_use]
    pub const fn bytes(self) -> usize {
        self.buffers_offset() + self.slots as usize * self.buffer as usize
    }

    /// The most slots that one frame may take: half of the ring.
    #[must_use]
    pub const fn chain_limit(self) -> u32 {
        self.slots / 2
    }

    /// The longest frame that the ring carries, in bytes.
    #[must_use]
    pub const fn max_frame(self) -> usize {
        self.chain_limit() as usize * self.buffer as usize
    }

    pub(super) const fn shift(self) -> u32 {
        self.slots.trailing_zeros()
    }

    pub(super) const fn mask(self) -> u64 {
        self.slots as u64 - 1
    }

    pub(super) const fn buffers_offset(self) -> usize {
        let align =
            if self.buffer.is_power_of_two() && self.buffer <= 4096 { self.buffer as usize } else { LINE };
        (SLOTS + self.slots as usize * LINE).next_multiple_of(align)
    }

    pub(super) const fn publish_every(self) -> u64 {
        let quarter = self.slots as u64 / 4;
        if quarter < PUBLISH_EVERY { quarter } else { PUBLISH_EVERY }
    }

    /// Offset of a position's slot among the slots.
    #[inline(always)]
    pub(super) const fn slot(self, position: u64) -> usize {
        (position & self.mask()) as usize * LINE
    }

    /// Offset of a position's buffer among the buffers.
    #[inline(always)]
    pub(super) const fn buffer_at(self, position: u64) -> usize {
        (position & self.mask()) as usize * self.buffer as usize
    }

    /// The lap of a position.
    #[inline(always)]
    pub(super) const fn lap(self, position: u64) -> u32 {
        ((position >> self.shift()) + 1) as u32
    }

    fn word(self) -> u64 {
        u64::from(self.slots) << 32 | u64::from(self.buffer)
    }
}

/// The largest ring that a receiver attaches to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of memory, at most.
    pub max_bytes: usize,
}

impl Default for Limits {
    /// 64 MiB: far above what is configured in practice, and bounded.
    fn default() -> Self {
        Self { max_bytes: 64 << 20 }
    }
}

/// Writes the header of a new ring.
pub(super) fn write_header(own: &OwnSpan, key: RingKey, geometry: Geometry) {
    let words = [MAGIC, geometry.word(), key.tx_incarnation, key.rx_incarnation, u64::from(key.epoch)];
    for (index, word) in words.iter().enumerate() {
        own.store_u64(index * 8, *word, Relaxed);
    }
    own.store_u64(words.len() * 8, hash(&words), Relaxed);
}

/// Loads a ring's header once and checks it.
pub(super) fn read_header(peer: &PeerSpan, key: RingKey, limits: Limits) -> Result<Geometry, SetupError> {
    let header = peer.sub_aligned(0, SLOTS, LINE)?;
    header.invalidate(0, SLOTS);
    let words: [u64; HEADER_WORDS] = std::array::from_fn(|index| header.load_u64(index * 8, Relaxed));
    let [magic, geometry, tx_incarnation, rx_incarnation, epoch, found] = words;
    if magic != MAGIC {
        return Err(SetupError::Magic { found: magic });
    }
    let expected = hash(&words[..HEADER_WORDS - 1]);
    if found != expected {
        return Err(SetupError::Hash { found, expected });
    }
    let found = RingKey { tx_incarnation, rx_incarnation, epoch: epoch as u32 };
    if found != key {
        return Err(SetupError::Key { found, expected: key });
    }
    let geometry = Geometry::new((geometry >> 32) as u32, geometry as u32)?;
    if geometry.bytes() > limits.max_bytes {
        return Err(GeometryError::TooLarge { bytes: geometry.bytes(), limit: limits.max_bytes }.into());
    }
    Ok(geometry)
}

/// FNV-1a over the bytes of the words, little-endian.
fn hash(words: &[u64]) -> u64 {
    words.iter().flat_map(|word| word.to_le_bytes()).fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

/// The publication word of a slot, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SlotWord {
    /// How often the ring has gone round, from 1, modulo 2^32.
    pub(super) lap: u32,
    /// Bytes of the frame in this slot.
    pub(super) length: u16,
    /// `FLAG_*`.
    pub(super) flags: u16,
}

/// The frame goes on in the next slot.
pub(super) const FLAG_MORE: u16 = 1;
/// The slot continues a frame.
pub(super) const FLAG_CONTINUATION: u16 = 2;
/// The bytes lie in the slot's buffer, not in its line.
pub(super) const FLAG_BUFFERED: u16 = 4;
/// The metadata words are set; without this flag they are not to be read. Only in a head.
pub(super) const FLAG_METADATA: u16 = 8;
/// All flags that there are.
pub(super) const FLAGS: u16 = FLAG_MORE | FLAG_CONTINUATION | FLAG_BUFFERED | FLAG_METADATA;

impl SlotWord {
    #[inline(always)]
    pub(super) fn pack(self) -> u64 {
        u64::from(self.lap) << 32 | u64::from(self.length) << 16 | u64::from(self.flags)
    }

    #[inline(always)]
    pub(super) fn unpack(word: u64) -> Self {
        Self { lap: (word >> 32) as u32, length: (word >> 16) as u16, flags: word as u16 }
    }
}
