//! Waiting on raw descriptors: the one system call that the workers sleep in.
#![allow(unsafe_code)]

use std::io;
use std::os::fd::RawFd;
use std::time::Duration;

/// Descriptors to wait on. Reused, so that going to sleep does not allocate.
#[derive(Default)]
pub struct PollSet {
    entries: Vec<libc::pollfd>,
}

impl PollSet {
    /// An empty set.
    pub const fn new() -> Self {
        Self { entries: Vec::new() }
    }

    /// Removes all descriptors.
    pub fn clear(&mut self) {
        self.entries.clear();
    }

    /// Adds a descriptor, to wait until it is readable. Twice is as good as once.
    pub fn add(&mut self, descriptor: RawFd) {
        if self.entries.iter().all(|entry| entry.fd != descriptor) {
            self.entries.push(libc::pollfd { fd: descriptor, events: libc::POLLIN, revents: 0 });
        }
    }

    /// Waits until a descriptor is readable or the time, rounded up to milliseconds, is over. Returns whether
    /// one is readable. Descriptors that are closed or broken do not count, and are waited on no more until the
    /// set is cleared: they would be "ready" for ever.
    ///
    /// # Errors
    /// The system call failed; to be interrupted by a signal is not a failure.
    pub fn wait(&mut self, timeout: Duration) -> io::Result<bool> {
        let milliseconds = timeout.as_micros().div_ceil(1000);
        let milliseconds = libc::c_int::try_from(milliseconds).unwrap_or(libc::c_int::MAX);
        let count = self.entries.len() as libc::nfds_t;
        // SAFETY: `entries` is a live, exclusively borrowed array of `count` initialised `pollfd`s, which
        // the kernel reads and writes only during the call. Any number is allowed as a descriptor.
        let ready = unsafe { libc::poll(self.entries.as_mut_ptr(), count, milliseconds) };
        if ready < 0 {
            let error = io::Error::last_os_error();
            return if error.kind() == io::ErrorKind::Interrupted { Ok(false) } else { Err(error) };
        }
        let readable = self.entries.iter().any(|entry| entry.revents & libc::POLLIN != 0);
        self.entries.retain(|entry| entry.revents & !libc::POLLIN == 0);
        Ok(readable)
    }

    /// Number of descriptors that are waited on.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsRawFd;

    use super::*;
    use crate::forward::link::Bell;

    #[test]
    fn a_rung_bell_is_readable_and_a_silent_one_is_not() {
        let bell = Bell::new().unwrap();
        let mut set = PollSet::new();
        set.add(bell.as_raw_fd());
        set.add(bell.as_raw_fd());
        assert_eq!(set.len(), 1);
        assert!(!set.wait(Duration::ZERO).unwrap());
        bell.ring();
        assert!(set.wait(Duration::from_secs(60)).unwrap());
        bell.silence();
        assert!(!set.wait(Duration::ZERO).unwrap());
    }

    #[test]
    fn a_descriptor_that_is_not_open_is_left_out() {
        let mut set = PollSet::new();
        set.add(RawFd::MAX);
        assert!(!set.wait(Duration::from_secs(60)).unwrap());
        assert!(set.is_empty());
    }
}
