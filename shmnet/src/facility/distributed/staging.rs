//! Where the threads that write the arena leave word of it for the progress thread: a bounded queue of ranges.
//!
//! Most ranges come with their bytes. A guarded record or a group's slot may be written again before the progress thread gets
//! to it, and what goes out must be what was there when it was published, in the order of publishing; else a reader elsewhere
//! could find a record's old guard around its new content. The ranges of a pair's ring need no copy: nobody writes there again
//! until the receiver has read it.
//!
//! A writer takes an entry and room for its bytes in one step, a compare-and-swap on both positions in one word, fills them
//! in and releases the entry. When there is no room it waits for the progress thread: no range is ever left out.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering, fence};

use crossbeam_utils::CachePadded;

use crate::doorbell::Bell;
use crate::memory::PeerSpan;

/// A range of an arena that was published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Range {
    /// Which of this node's arenas it is in, counted from 1.
    pub(super) arena: u32,
    /// Whom it goes to.
    pub(super) route: Route,
    /// In bytes from the beginning of the arena, a multiple of 8.
    pub(super) offset: u64,
    /// In bytes, a multiple of 8.
    pub(super) len: usize,
}

/// Whom a part of the arena is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Route {
    /// Every peer; it may be written again at any time.
    All,
    /// The one peer with this id that a ring is for.
    Peer(u16),
}

impl Route {
    /// As a word; 0 is for all.
    pub(super) fn to_word(self) -> u16 {
        match self {
            Self::All => 0,
            Self::Peer(id) => id,
        }
    }

    pub(super) fn from_word(word: u16) -> Self {
        if word == 0 { Self::All } else { Self::Peer(word) }
    }
}

/// See the module.
#[derive(Debug)]
pub(super) struct Staging {
    /// Of the next entry (upper half) and the next word (lower half) to be taken, both counted without end.
    head: CachePadded<AtomicU64>,
    /// The same of what was given back.
    tail: CachePadded<AtomicU64>,
    entries: Box<[Entry]>,
    words: Box<[AtomicU64]>,
    asleep: CachePadded<AtomicBool>,
    bell: Bell,
}

#[derive(Debug, Default)]
struct Entry {
    /// The entry's number plus one, once it is filled in.
    ready: AtomicU32,
    arena: AtomicU32,
    offset: AtomicU64,
    /// The first of its words (upper half), and their number.
    words: AtomicU64,
    route: AtomicU32,
}

impl Staging {
    pub(super) fn new(bell: Bell) -> Self {
        Self {
            head: CachePadded::new(AtomicU64::new(0)),
            tail: CachePadded::new(AtomicU64::new(0)),
            entries: (0..ENTRIES).map(|_| Entry::default()).collect(),
            words: (0..WORDS).map(|_| AtomicU64::new(0)).collect(),
            asleep: CachePadded::new(AtomicBool::new(false)),
            bell,
        }
    }

    /// Leaves a range of `arena`'s memory, of at most [`LONGEST`] bytes if it goes to all. The progress thread finds it when it looks the
    /// next time: [`wake`](Self::wake) makes it.
    pub(super) fn push(&self, range: Range, memory: &PeerSpan) {
        let count = (range.len / 8) as u32;
        let taken = if range.route == Route::All { count } else { 0 };
        let (number, first) = self.take(taken);
        for index in 0..taken {
            let word = memory.load_u64(range.offset as usize + index as usize * 8, Ordering::Relaxed);
            self.words[(first.wrapping_add(index) % WORDS) as usize].store(word, Ordering::Relaxed);
        }
        let entry = &self.entries[(number % ENTRIES) as usize];
        entry.arena.store(range.arena, Ordering::Relaxed);
        entry.offset.store(range.offset, Ordering::Relaxed);
        entry.words.store(u64::from(first) << 32 | u64::from(count), Ordering::Relaxed);
        entry.route.store(range.route.to_word().into(), Ordering::Relaxed);
        // Pairs with the acquiring load in `peek`: the entry, its words, and for a ring the arena's memory are there.
        entry.ready.store(number.wrapping_add(1), Ordering::Release);
    }

    /// Makes the progress thread look, if it sleeps.
    pub(super) fn wake(&self) {
        // Pairs with the fence in `lie_down`: either it sees what was left, or it is seen asleep here.
        fence(Ordering::SeqCst);
        if self.asleep.load(Ordering::Relaxed) && self.asleep.swap(false, Ordering::Relaxed) {
            self.bell.ring();
        }
    }

    /// Takes the next entry and room for words; waits for room.
    fn take(&self, words: u32) -> (u32, u32) {
        let mut spins = 0_u32;
        let mut head = self.head.load(Ordering::Relaxed);
        loop {
            // Pairs with the release in `pop`: what was given back is not read any more.
            let tail = self.tail.load(Ordering::Acquire);
            let (number, first) = halves(head);
            let (oldest, oldest_word) = halves(tail);
            let room =
                number.wrapping_sub(oldest) < ENTRIES && first.wrapping_sub(oldest_word) <= WORDS - words;
            if room {
                let next = whole(number.wrapping_add(1), first.wrapping_add(words));
                match self.head.compare_exchange_weak(head, next, Ordering::Relaxed, Ordering::Relaxed) {
                    Ok(_) => return (number, first),
                    Err(now) => head = now,
                }
                continue;
            }
            spins += 1;
            if spins.is_multiple_of(64) {
                self.wake();
                std::thread::yield_now();
            }
            std::hint::spin_loop();
            head = self.head.load(Ordering::Relaxed);
        }
    }

    /// How many entries were ever taken, modulo 2^32.
    pub(super) fn taken(&self) -> u32 {
        halves(self.head.load(Ordering::SeqCst)).0
    }

    /// How many entries were ever given back. For the progress thread.
    pub(super) fn given(&self) -> u32 {
        halves(self.tail.load(Ordering::Relaxed)).0
    }

    /// The oldest range, if it is filled in. For the progress thread.
    pub(super) fn peek(&self) -> Option<Range> {
        let number = self.given();
        let entry = &self.entries[(number % ENTRIES) as usize];
        if entry.ready.load(Ordering::Acquire) != number.wrapping_add(1) {
            return None;
        }
        let (_, count) = halves(entry.words.load(Ordering::Relaxed));
        Some(Range {
            arena: entry.arena.load(Ordering::Relaxed),
            route: Route::from_word(entry.route.load(Ordering::Relaxed) as u16),
            offset: entry.offset.load(Ordering::Relaxed),
            len: count as usize * 8,
        })
    }

    /// Copies the bytes of the oldest range, if it came with them.
    pub(super) fn copy_out(&self, into: &mut [u8]) {
        let entry = &self.entries[(self.given() % ENTRIES) as usize];
        let (first, _) = halves(entry.words.load(Ordering::Relaxed));
        for (index, bytes) in (0_u32..).zip(into.chunks_exact_mut(8)) {
            let word = self.words[(first.wrapping_add(index) % WORDS) as usize].load(Ordering::Relaxed);
            bytes.copy_from_slice(&word.to_le_bytes());
        }
    }

    /// Gives the oldest range back.
    pub(super) fn pop(&self, range: Range) {
        let (number, _) = halves(self.tail.load(Ordering::Relaxed));
        let entry = &self.entries[(number % ENTRIES) as usize];
        let (first, _) = halves(entry.words.load(Ordering::Relaxed));
        let words = if range.route == Route::All { (range.len / 8) as u32 } else { 0 };
        self.tail.store(whole(number.wrapping_add(1), first.wrapping_add(words)), Ordering::Release);
    }

    /// Says that the progress thread is about to sleep; `false` if something was left meanwhile.
    pub(super) fn lie_down(&self) -> bool {
        self.asleep.store(true, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        self.peek().is_none()
    }

    /// Says that it is awake, and silences the bell if it was rung. One that is being rung at this moment ends the next sleep at once.
    pub(super) fn get_up(&self) {
        if !self.asleep.swap(false, Ordering::Relaxed) {
            self.bell.silence();
        }
    }

    /// What the progress thread sleeps on.
    pub(super) fn bell(&self) -> &Bell {
        &self.bell
    }
}

fn halves(word: u64) -> (u32, u32) {
    ((word >> 32) as u32, word as u32)
}

fn whole(upper: u32, lower: u32) -> u64 {
    u64::from(upper) << 32 | u64::from(lower)
}

/// Both powers of two, as the counts wrap.
const ENTRIES: u32 = 8192;
const WORDS: u32 = 1 << 17;

/// The most bytes that are left at once.
pub(super) const LONGEST: usize = 16 << 10;

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::memory::Mapping;

    #[test]
    fn what_goes_to_all_is_as_it_was_when_it_was_published() {
        let staging = Staging::new(Bell::new().unwrap());
        let (own, peer) = Mapping::anonymous(4096).unwrap();
        let (own, peer) = (own.own().unwrap(), peer.peer());
        let all = Range { arena: 1, route: Route::All, offset: 128, len: 16 };
        let ring = Range { arena: 1, route: Route::Peer(300), offset: 256, len: 64 };
        own.copy_in(128, &[1; 16]);
        staging.push(all, &peer);
        own.copy_in(128, &[2; 16]);
        staging.push(ring, &peer);
        assert_eq!(staging.peek(), Some(all));
        let mut bytes = [0; 16];
        staging.copy_out(&mut bytes);
        assert_eq!(bytes, [1; 16]);
        assert!(!staging.lie_down());
        staging.pop(all);
        assert_eq!(staging.peek(), Some(ring));
        staging.pop(ring);
        assert_eq!(staging.peek(), None);
        assert!(staging.lie_down());
    }

    /// Several writers push many times what there is room for; each one's ranges come out whole and in its order.
    #[test]
    fn no_range_is_lost_or_torn_or_out_of_order() {
        const WRITERS: usize = 3;
        const RANGES: u64 = 40_000;
        let staging = Arc::new(Staging::new(Bell::new().unwrap()));
        let threads: Vec<_> = (0..WRITERS)
            .map(|writer| {
                let staging = Arc::clone(&staging);
                std::thread::spawn(move || {
                    let (own, peer) = Mapping::anonymous(4096).unwrap();
                    let (own, peer) = (own.own().unwrap(), peer.peer());
                    for count in 0..RANGES {
                        let len = 8 + 8 * (count as usize % 100);
                        for at in (0..len).step_by(8) {
                            own.store_u64(at, count, Ordering::Relaxed);
                        }
                        let range = Range { arena: writer as u32, route: Route::All, offset: 0, len };
                        staging.push(range, &peer);
                    }
                })
            })
            .collect();
        let mut next = [0; WRITERS];
        let mut bytes = [0; 1024];
        while next.iter().any(|count| *count < RANGES) {
            let Some(range) = staging.peek() else {
                std::thread::yield_now();
                continue;
            };
            let bytes = &mut bytes[..range.len];
            staging.copy_out(bytes);
            let expected = &mut next[range.arena as usize];
            assert_eq!(range.len, 8 + 8 * (*expected as usize % 100));
            assert!(bytes.chunks_exact(8).all(|word| word == expected.to_le_bytes()));
            *expected += 1;
            staging.pop(range);
        }
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        assert_eq!(staging.taken(), staging.given());
    }
}
