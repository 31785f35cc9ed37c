//! The bell itself: an eventfd, one's own or a peer's copy.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use rustix::event::{EventfdFlags, eventfd};

/// An eventfd: readable once rung, until it is silenced.
#[derive(Debug)]
pub(crate) struct Bell {
    fd: OwnedFd,
    /// Of one's own bell: somebody waits for it.
    waiting: AtomicBool,
    waits: AtomicU64,
    heard: AtomicU64,
}

impl Bell {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self::of(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?))
    }

    fn of(fd: OwnedFd) -> Self {
        Self { fd, waiting: AtomicBool::new(false), waits: AtomicU64::new(0), heard: AtomicU64::new(0) }
    }

    /// A bell that a peer passed, if it is one: writing to anything else could block or do harm.
    pub(crate) fn from_peer(fd: OwnedFd) -> io::Result<Self> {
        let kind = std::fs::read_link(format!("/proc/self/fd/{}", fd.as_raw_fd()))?;
        if kind.as_os_str() != "anon_inode:[eventfd]" {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a doorbell that is not an eventfd"));
        }
        let flags = rustix::fs::fcntl_getfl(&fd)?;
        rustix::fs::fcntl_setfl(&fd, flags | rustix::fs::OFlags::NONBLOCK)?;
        Ok(Self::of(fd))
    }

    /// Makes it readable.
    pub(crate) fn ring(&self) {
        // It fails only when it has been rung 2^64 times and not silenced, and is readable then.
        let _ = rustix::io::write(&self.fd, &1_u64.to_ne_bytes());
    }

    /// Somebody is going to wait for it. Both networks' endpoints of a queue say so; until it is silenced they count as one.
    pub(crate) fn expect(&self) {
        // The endpoints of a queue are in one thread. Nothing is ordered by these: they are looked at only.
        if !self.waiting.swap(true, Ordering::Relaxed) {
            self.waits.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Makes it unreadable until it is rung again.
    pub(crate) fn silence(&self) {
        self.waiting.store(false, Ordering::Relaxed);
        // It fails when it was not rung.
        if rustix::io::read(&self.fd, &mut [0; 8]).is_ok() {
            self.heard.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// How often somebody was going to wait for it.
    pub(crate) fn waits(&self) -> u64 {
        self.waits.load(Ordering::Relaxed)
    }

    /// How often it had been rung when it was silenced.
    pub(crate) fn heard(&self) -> u64 {
        self.heard.load(Ordering::Relaxed)
    }
}

impl AsFd for Bell {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};

    use super::*;

    fn readable(bell: &Bell) -> bool {
        poll(&mut [PollFd::new(bell, PollFlags::IN)], Some(&Timespec { tv_sec: 0, tv_nsec: 0 })).unwrap() == 1
    }

    #[test]
    fn a_bell_is_readable_from_ringing_to_silencing() {
        let bell = Bell::new().unwrap();
        assert!(!readable(&bell));
        bell.ring();
        bell.ring();
        assert!(readable(&bell));
        bell.silence();
        assert!(!readable(&bell));
        bell.silence();
        assert_eq!((bell.waits(), bell.heard()), (0, 1), "two rings before it was silenced are heard as one");
    }

    #[test]
    fn the_two_endpoints_of_a_queue_wait_as_one() {
        let bell = Bell::new().unwrap();
        for round in 1..=3 {
            bell.expect();
            bell.expect();
            bell.silence();
            bell.silence();
            assert_eq!((bell.waits(), bell.heard()), (round, 0));
        }
    }

    #[test]
    fn only_an_eventfd_is_taken_for_a_peers_bell() {
        let bell = Bell::new().unwrap();
        assert!(Bell::from_peer(bell.fd).is_ok());
        let (_read, write) = std::io::pipe().unwrap();
        assert!(Bell::from_peer(write.into()).is_err());
    }
}
