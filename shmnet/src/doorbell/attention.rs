//! Going to sleep without missing a frame: the protocol between a receiver that wants to sleep and a transmitter that
//! has just published.
//!
//! ```text
//! receiver                      transmitter
//!   word := odd ("asleep")        publish the frame in its slot
//!   full fence                    full fence
//!   look at the rings again       look at the word: odd? ring
//! ```
//! Each side first says what it did, and then looks at what the other said. With a full fence in between, at least one
//! of them sees the other: the receiver finds the frame, or the transmitter finds it asleep. Acquire and release alone
//! would allow both to miss.
//!
//! The word counts: it is raised by one at each change, so a transmitter rings once for each sleep and not
//! again for each frame until the sleeper is up.

use crate::memory::{OwnSpan, PeerSpan};
use crate::sync::{Ordering, fence};

/// The receiver's side: the first word of its attention line.
#[derive(Debug)]
pub(crate) struct Sleeper {
    line: OwnSpan,
    count: u64,
}

impl Sleeper {
    pub(crate) fn new(line: OwnSpan) -> Self {
        let count = line.load_u64(0, Ordering::Relaxed);
        Self { line, count }
    }

    /// Says "asleep". After it returns, look at the rings once more, and sleep only if they are dry.
    pub(crate) fn lie_down(&mut self) {
        self.count |= 1;
        self.line.store_u64(0, self.count, Ordering::Relaxed);
        // Where memory is not coherent: the word is in memory before the rings are looked at.
        self.line.write_back(0, 8);
        self.line.write_back_fence();
        fence(Ordering::SeqCst);
    }

    /// Says "awake".
    pub(crate) fn get_up(&mut self) {
        if self.count & 1 == 1 {
            self.count = self.count.wrapping_add(1);
            self.line.store_u64(0, self.count, Ordering::Relaxed);
            self.line.write_back(0, 8);
        }
    }
}

/// The transmitter's side of the same word.
#[derive(Debug)]
pub(crate) struct Waker {
    line: PeerSpan,
    rung: u64,
}

impl Waker {
    pub(crate) fn new(line: PeerSpan) -> Self {
        Self { line, rung: 0 }
    }

    /// To be called after publishing and a full fence ([`published`]): whether the peer must be rung now.
    pub(crate) fn must_ring(&mut self) -> bool {
        self.line.invalidate(0, 8);
        let count = self.line.load_u64(0, Ordering::Relaxed);
        if count & 1 == 0 || count == self.rung {
            return false;
        }
        self.rung = count;
        true
    }
}

/// The transmitter's fence, once for any number of peers.
pub(crate) fn published() {
    fence(Ordering::SeqCst);
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::memory::Mapping;

    #[test]
    fn a_sleeper_is_rung_once_for_each_sleep() {
        let (own, peer) = Mapping::anonymous(4096).unwrap();
        let mut sleeper = Sleeper::new(own.own().unwrap());
        let mut waker = Waker::new(peer.peer());
        assert!(!waker.must_ring());
        for _ in 0..3 {
            sleeper.lie_down();
            assert!(waker.must_ring());
            assert!(!waker.must_ring());
            sleeper.get_up();
            assert!(!waker.must_ring());
        }
    }
}

#[cfg(all(test, loom))]
mod tests {
    use super::*;
    use crate::memory::Mapping;

    /// A frame published while its receiver lies down is either found by the receiver or rung for.
    #[test]
    fn no_wake_up_is_lost() {
        loom::model(|| {
            let (sleeper_line, waker_line) = Mapping::anonymous(8).unwrap();
            let (slot, slot_peer) = Mapping::anonymous(8).unwrap();
            let transmitter = loom::thread::spawn(move || {
                let mut waker = Waker::new(waker_line.peer());
                slot.own().unwrap().store_u64(0, 1, Ordering::Release);
                published();
                waker.must_ring()
            });
            let mut sleeper = Sleeper::new(sleeper_line.own().unwrap());
            sleeper.lie_down();
            let found = slot_peer.peer().load_u64(0, Ordering::Acquire) == 1;
            let rung = transmitter.join().unwrap();
            sleeper.get_up();
            assert!(found || rung, "the receiver sleeps and nobody rings");
        });
    }
}
