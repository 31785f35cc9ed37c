//! Surviving a peer that takes its memory away.
//!
//! Touching a mapped page that its file no longer has raises SIGBUS, which ends a process. A peer that cuts its arena
//! short, or a memory file system that cannot give the page, must not end ours. So a process-wide handler
//! looks whether the page belongs to a guarded mapping; if so it puts an empty page in its place (as much empty memory, for a
//! huge page) and marks the mapping, whose
//! content is then not used any more. Any other SIGBUS goes to whoever handled it before.

#![allow(unsafe_code)]

use std::io;
use std::mem::MaybeUninit;
use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use crate::memory::Mapping;

/// Guards a mapping until it is unmapped, which [`release`]s it.
pub(crate) fn guard(mapping: &Arc<Mapping>) -> io::Result<()> {
    install()?;
    let mut free = FREE.lock().unwrap_or_else(PoisonError::into_inner);
    if mapping.guarded().get().is_some() {
        return Ok(());
    }
    let place = free.take().ok_or_else(|| io::Error::other("too many mapped arenas in one process"))?;
    // Only ever set here, under the lock.
    let _ = mapping.guarded().set(place);
    let entry = &PLACES[place];
    entry.mapping.store(Arc::as_ptr(mapping).cast_mut(), Ordering::SeqCst);
    entry.len.store(mapping.len(), Ordering::SeqCst);
    entry.base.store(mapping.base().addr(), Ordering::SeqCst);
    Ok(())
}

/// Gives a place back, of a mapping that nobody can reach any more, before it is unmapped: no access to it can be under way.
pub(crate) fn release(place: usize) {
    PLACES[place].base.store(0, Ordering::SeqCst);
    FREE.lock().unwrap_or_else(PoisonError::into_inner).given.push(place);
}

/// The places that no mapping has.
struct Free {
    /// All from here on.
    never_taken: usize,
    given: Vec<usize>,
}

impl Free {
    fn take(&mut self) -> Option<usize> {
        if let Some(place) = self.given.pop() {
            return Some(place);
        }
        (self.never_taken < PLACES.len()).then(|| {
            self.never_taken += 1;
            self.never_taken - 1
        })
    }
}

static FREE: Mutex<Free> = Mutex::new(Free { never_taken: 0, given: Vec::new() });

/// What the handler may read at any time: plain atomics in a fixed place.
struct Place {
    base: AtomicUsize,
    len: AtomicUsize,
    mapping: AtomicPtr<Mapping>,
}

/// As many as 128 nodes of one process have of each other and of their own.
static PLACES: [Place; 16_384] = [const {
    Place { base: AtomicUsize::new(0), len: AtomicUsize::new(0), mapping: AtomicPtr::new(ptr::null_mut()) }
}; 16_384];

/// The action that was set before ours.
static FORMER: OnceLock<Former> = OnceLock::new();

struct Former(libc::sigaction);

// SAFETY: plain data and function addresses, never changed after they were stored.
unsafe impl Send for Former {}
// SAFETY: as above.
unsafe impl Sync for Former {}

fn install() -> io::Result<()> {
    static INSTALLED: Mutex<bool> = Mutex::new(false);
    let mut installed = INSTALLED.lock().unwrap_or_else(PoisonError::into_inner);
    if *installed {
        return Ok(());
    }
    let mut former = MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: asks only; the place is valid for the result.
    if unsafe { libc::sigaction(libc::SIGBUS, ptr::null(), former.as_mut_ptr()) } != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the call above has filled it.
    let _ = FORMER.set(Former(unsafe { former.assume_init() }));
    // SAFETY: all bytes zero is a valid value of this plain C structure.
    let mut ours: libc::sigaction = unsafe { std::mem::zeroed() };
    let handler: extern "C" fn(libc::c_int, *mut libc::siginfo_t, *mut libc::c_void) = on_sigbus;
    ours.sa_sigaction = handler as libc::sighandler_t;
    ours.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK | libc::SA_NODEFER;
    // SAFETY: the structure is complete, and the handler does only what a signal handler may.
    if unsafe { libc::sigaction(libc::SIGBUS, &raw const ours, ptr::null_mut()) } != 0 {
        return Err(io::Error::last_os_error());
    }
    *installed = true;
    Ok(())
}

/// Runs at the fault. Only loads atomics and makes one system call.
extern "C" fn on_sigbus(signal: libc::c_int, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    // SAFETY: the kernel passes a valid description of the signal.
    let address = unsafe { (*info).si_addr() }.addr();
    // SAFETY: the thread's error number, which the interrupted code may be about to read.
    let errno = unsafe { *libc::__errno_location() };
    if !mend(address) {
        pass_on(signal, info, context);
    }
    // SAFETY: as above.
    unsafe { *libc::__errno_location() = errno };
}

/// Puts an empty page under the address if it lies in a guarded mapping.
fn mend(address: usize) -> bool {
    for place in &PLACES {
        let base = place.base.load(Ordering::SeqCst);
        let len = place.len.load(Ordering::SeqCst);
        if base == 0 || address < base || address - base >= len {
            continue;
        }
        let mapping = place.mapping.load(Ordering::SeqCst);
        if place.base.load(Ordering::SeqCst) != base || mapping.is_null() {
            continue;
        }
        // SAFETY: the access that faulted uses the mapping, so it is alive and its place is not being given away: a mapping gives
        // its place back when it is dropped, and is in an `Arc`, where it does not move.
        let mapping = unsafe { &*mapping };
        mapping.quarantine();
        // All of a huge page: a part of one cannot be replaced.
        let page = mapping.page();
        let protection =
            if mapping.is_writable() { libc::PROT_READ | libc::PROT_WRITE } else { libc::PROT_READ };
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE | libc::MAP_FIXED;
        let at = mapping.base().wrapping_add((address - base) / page * page);
        // SAFETY: replaces one page within the mapping, which the mapping's own unmapping also covers.
        let mapped = unsafe { libc::mmap(at.cast_mut().cast(), page, protection, flags, -1, 0) };
        return mapped != libc::MAP_FAILED;
    }
    false
}

/// Does what would have been done without us.
fn pass_on(signal: libc::c_int, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    let action = FORMER.get().map_or(libc::SIG_DFL, |former| former.0.sa_sigaction);
    let with_info = FORMER.get().is_some_and(|former| former.0.sa_flags & libc::SA_SIGINFO != 0);
    if action == libc::SIG_DFL || action == libc::SIG_IGN {
        // SAFETY: restores the default; the access is repeated after the return and ends the process.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
    } else if with_info {
        type WithInfo = extern "C" fn(libc::c_int, *mut libc::siginfo_t, *mut libc::c_void);
        // SAFETY: SA_SIGINFO says that the address is that of such a function.
        let action = unsafe { std::mem::transmute::<libc::sighandler_t, WithInfo>(action) };
        action(signal, info, context);
    } else {
        // SAFETY: without SA_SIGINFO the address is that of such a function.
        let action = unsafe { std::mem::transmute::<libc::sighandler_t, extern "C" fn(libc::c_int)>(action) };
        action(signal);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_truncated_mapping_reads_as_zeros_and_is_marked() {
        let fd = rustix::fs::memfd_create("isthmus-sigbus", rustix::fs::MemfdFlags::CLOEXEC).unwrap();
        rustix::fs::ftruncate(&fd, 16384).unwrap();
        let own = Mapping::read_write(&fd, 0, 16384).unwrap();
        let peer = Mapping::read_only(&fd, 0, 16384).unwrap();
        guard(&own).unwrap();
        guard(&peer).unwrap();
        own.own().unwrap().store_u64(8192, 7, Ordering::SeqCst);
        assert_eq!(peer.peer().load_u64(8192, Ordering::SeqCst), 7);
        rustix::fs::ftruncate(&fd, 4096).unwrap();
        assert_eq!(peer.peer().load_u64(8192, Ordering::SeqCst), 0);
        assert!(peer.is_quarantined());
        assert!(!own.is_quarantined());
        own.own().unwrap().store_u64(8192, 9, Ordering::SeqCst);
        assert!(own.is_quarantined());
        let mut across = [1; 8192];
        peer.peer().copy_out(6000, &mut across);
        assert!(across[..].iter().all(|byte| *byte == 0));
    }

    #[test]
    fn a_place_is_given_back_with_its_mapping() {
        // More than there are places.
        for round in 0..PLACES.len() + 10 {
            let (_own, peer) = Mapping::anonymous(4096).unwrap();
            guard(&peer).unwrap_or_else(|error| panic!("round {round}: {error}"));
            guard(&peer).unwrap();
        }
    }
}
