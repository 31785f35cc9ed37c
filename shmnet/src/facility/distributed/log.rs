//! What goes over the wire: the ranges that a node published, as records of a log, in batches.
//!
//! ```text
//! batch   at a multiple of 64 bytes of the window, never across its end
//!   0  begin of this batch in the stream, in bytes (u64)
//!   8  end of the batch before (u64)
//!  16  length with this header (u32), magic (u32)
//!  24  records
//! record  at a multiple of 8 bytes
//!   0  kind (u32), length of the data (u32, a multiple of 8)
//!   8  offset in the arena, or the arena's length (u64)
//!  16  data
//! ```
//! All is little-endian. The window is written by the peer alone and at any time: what is read there is loaded once, checked
//! and then used, as with all that peers write.

use std::sync::atomic::{Ordering, fence};

use crate::memory::{LINE, OwnSpan, PeerSpan};

/// What a record is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Bytes of the arena.
    Data,
    /// Another arena begins, of this length, all zero.
    Begin,
    /// The arena is as its owner has it: peers may look at it from here on.
    Shown,
    /// The owner has taken its arena away.
    Gone,
}

impl Kind {
    fn from_word(word: u32) -> Option<Self> {
        [Self::Data, Self::Begin, Self::Shown, Self::Gone].into_iter().find(|kind| kind.word() == word)
    }

    fn word(self) -> u32 {
        match self {
            Self::Data => 1,
            Self::Begin => 2,
            Self::Shown => 3,
            Self::Gone => 4,
        }
    }
}

/// The head of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    /// Where it begins in the stream of all bytes ever written to the window.
    pub(super) begin: u64,
    /// Where the batch before it ended.
    pub(super) follows: u64,
    /// Its length.
    pub(super) len: usize,
}

impl Head {
    pub(super) fn write(&self, window: &OwnSpan) {
        let at = place(self.begin, window.len());
        window.store_u64(at, self.begin, Ordering::Relaxed);
        window.store_u64(at + 8, self.follows, Ordering::Relaxed);
        window.store_u64(at + 16, self.len as u64 | u64::from(MAGIC) << 32, Ordering::Relaxed);
    }

    /// The head at a place of the window that a peer named; `None` if there is none that could be.
    pub(super) fn read(window: &PeerSpan, at: usize) -> Option<Self> {
        if !at.is_multiple_of(UNIT) || window.len().checked_sub(at)? < HEAD {
            return None;
        }
        let begin = window.load_u64(at, Ordering::Relaxed);
        let follows = window.load_u64(at + 8, Ordering::Relaxed);
        let word = window.load_u64(at + 16, Ordering::Relaxed);
        let len = word as u32 as usize;
        let fits = (HEAD..=window.len() - at).contains(&len) && len.is_multiple_of(8);
        let follows_well = begin >= follows && begin - follows < window.len() as u64;
        let sound = (word >> 32) as u32 == MAGIC && place(begin, window.len()) == at && fits && follows_well;
        sound.then_some(Self { begin, follows, len })
    }

    /// Where the batch ends in the stream.
    pub(super) fn end(&self) -> u64 {
        self.begin + self.len as u64
    }
}

/// A record whose data follows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) kind: Kind,
    pub(super) offset: u64,
    pub(super) len: usize,
}

impl Record {
    /// Bytes that it takes with its data.
    pub(super) fn bytes(&self) -> usize {
        RECORD + self.len
    }

    pub(super) fn write(&self, window: &OwnSpan, at: usize) {
        let word = u64::from(self.kind.word()) | (self.len as u64) << 32;
        window.store_u64(at, word, Ordering::Relaxed);
        window.store_u64(at + 8, self.offset, Ordering::Relaxed);
    }

    /// The record at a place of a batch that has `room` bytes left; `None` if there is none that could be.
    pub(super) fn read(window: &PeerSpan, at: usize, room: usize) -> Option<Self> {
        if room < RECORD {
            return None;
        }
        let word = window.load_u64(at, Ordering::Relaxed);
        let offset = window.load_u64(at + 8, Ordering::Relaxed);
        let record = Self { kind: Kind::from_word(word as u32)?, offset, len: (word >> 32) as usize };
        let fits = record.len <= room - RECORD && record.len.is_multiple_of(8) && offset.is_multiple_of(8);
        fits.then_some(record)
    }
}

/// Copies a record's data to its place in the copy of an arena; `None` if that does not lie in it, else whether the first word of
/// a line has changed: nothing is made known otherwise.
///
/// Words arrive whole, each line's first word after the rest of the line, and the lines from the last to the first: a
/// publication word or a guard is always the first of its line.
pub(super) fn apply(data: &PeerSpan, copy: &OwnSpan, offset: u64, bounce: &mut [u8]) -> Option<bool> {
    let len = data.len();
    let offset = usize::try_from(offset).ok()?;
    if offset > copy.len() || len > copy.len() - offset || len > bounce.len() {
        return None;
    }
    let bytes = &mut bounce[..len];
    data.copy_out(0, bytes);
    let mut news = false;
    let mut end = len;
    while end > 0 {
        // The line that the range's last bytes lie in, as far as it belongs to the range.
        let begin = ((offset + end - 1) / LINE * LINE).saturating_sub(offset);
        let (first, rest) = bytes[begin..end].split_at(8);
        if !rest.is_empty() {
            copy.copy_in(offset + begin + 8, rest);
        }
        let word = first.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte));
        let at_line = (offset + begin).is_multiple_of(LINE);
        news |= at_line && copy.load_u64(offset + begin, Ordering::Relaxed) != word;
        // Pairs with the acquiring loads of the readers of this copy, who find the rest of the line and all before it.
        copy.store_u64(offset + begin, word, Ordering::Release);
        end = begin;
    }
    // A guard that was made odd is seen before what is written under it.
    fence(Ordering::Release);
    Some(news)
}

/// Where a position of the stream lies in a window.
pub(super) fn place(position: u64, window: usize) -> usize {
    (position % window as u64) as usize
}

/// Batches begin at multiples of this.
pub(super) const UNIT: usize = 64;
/// Bytes of a batch's head.
pub(super) const HEAD: usize = 24;
/// Bytes of a record's head.
pub(super) const RECORD: usize = 16;
const MAGIC: u32 = 0x1574_4d05;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::memory::Mapping;

    fn pair(len: usize) -> (OwnSpan, PeerSpan) {
        let (own, peer) = Mapping::anonymous(len).unwrap();
        (own.own().unwrap(), peer.peer())
    }

    #[test]
    fn heads_and_records_are_read_as_written() {
        let (own, peer) = pair(4096);
        let head = Head { begin: 4096 * 7 + 128, follows: 4096 * 7 + 100, len: 64 };
        head.write(&own);
        assert_eq!(Head::read(&peer, 128), Some(head));
        let record = Record { kind: Kind::Shown, offset: 1 << 40, len: 24 };
        record.write(&own, 128 + HEAD);
        assert_eq!(Record::read(&peer, 128 + HEAD, 40), Some(record));
        assert_eq!(Record::read(&peer, 128 + HEAD, 32), None);
    }

    #[test]
    fn a_head_that_cannot_be_is_refused() {
        let (own, peer) = pair(4096);
        let good = Head { begin: 128, follows: 100, len: 64 };
        for bad in [
            Head { begin: 64, ..good },
            Head { follows: 136, ..good },
            Head { begin: 128 + 8192, follows: 0, ..good },
            Head { len: 16, ..good },
            Head { len: 4096, ..good },
            Head { len: 61, ..good },
        ] {
            own.store_u64(128, bad.begin, Ordering::Relaxed);
            own.store_u64(136, bad.follows, Ordering::Relaxed);
            own.store_u64(144, bad.len as u64 | u64::from(MAGIC) << 32, Ordering::Relaxed);
            assert_eq!(Head::read(&peer, 128), None, "{bad:?}");
        }
        for at in [8, 4096, 1 << 40, 4080] {
            assert_eq!(Head::read(&peer, at), None, "{at}");
        }
    }

    proptest! {
        #[test]
        fn data_comes_to_its_place_and_nowhere_else(offset in 0_usize..80, words in 1_usize..80) {
            let (window, window_read) = pair(8192);
            let (copy, copy_read) = pair(1024);
            let bytes: Vec<u8> = (0..words * 8).map(|index| (index % 251) as u8 + 1).collect();
            window.copy_in(64, &bytes);
            let data = window_read.sub(64, words * 8).unwrap();
            let fits = offset * 8 + words * 8 <= 1024;
            let applied = apply(&data, &copy, offset as u64 * 8, &mut [0; 4096]);
            prop_assert_eq!(applied.is_some(), fits);
            // The same once more is no news.
            if fits {
                prop_assert_eq!(apply(&data, &copy, offset as u64 * 8, &mut [0; 4096]), Some(false));
            }
            let mut found = [0; 1024];
            copy_read.copy_out(0, &mut found);
            for (index, byte) in found.iter().enumerate() {
                let inside = fits && (offset * 8..offset * 8 + words * 8).contains(&index);
                prop_assert_eq!(*byte, if inside { bytes[index - offset * 8] } else { 0 });
            }
        }

        #[test]
        fn hostile_words_are_refused_or_lie_within(word: u64, offset: u64, room in 0_usize..200) {
            let (window, window_read) = pair(4096);
            window.store_u64(0, word, Ordering::Relaxed);
            window.store_u64(8, offset, Ordering::Relaxed);
            window.store_u64(16, word, Ordering::Relaxed);
            if let Some(record) = Record::read(&window_read, 0, room) {
                prop_assert!(record.bytes() <= room);
            }
            if let Some(head) = Head::read(&window_read, 0) {
                prop_assert!(head.len <= 4096 && head.begin >= head.follows);
            }
        }
    }
}
