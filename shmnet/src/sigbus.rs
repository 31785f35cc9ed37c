//! Surviving memory that goes away: a peer takes it, or it fails.
//!
//! Touching a mapped page that its file no longer has raises SIGBUS, which ends a process. A peer that cuts its arena
//! short, a memory file system that cannot give the page, or memory that has failed, must not end ours. So a process-wide
//! handler looks whether the page belongs to a guarded mapping; if so it puts an empty page in its place (as much empty
//! memory, for a huge page or a DAX device) and marks the mapping, whose content is then not used any more. Any other SIGBUS
//! goes to whoever handled it before.
//!
//! The kernel also tells of memory that has failed before anybody touches it (`BUS_MCEERR_AO`, to any thread that does not
//! block it). No access is under way then that would keep the mapping alive, so nothing is done to it: its place is marked,
//! and [`is_lost`] finds that when the mapping's user next looks.

#![allow(unsafe_code)]

use std::io;
use std::mem::MaybeUninit;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicUsize, Ordering};
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
    entry.has_failed.store(false, Ordering::SeqCst);
    entry.mapping.store(Arc::as_ptr(mapping).cast_mut(), Ordering::SeqCst);
    entry.len.store(mapping.len(), Ordering::SeqCst);
    entry.base.store(mapping.base().addr(), Ordering::SeqCst);
    Ok(())
}

/// Whether the content of a mapping is not to be used any more, by a fault or by what the kernel has told of its memory.
pub(crate) fn is_lost(mapping: &Mapping) -> bool {
    let failed = |place: &usize| PLACES[*place].has_failed.load(Ordering::SeqCst);
    if mapping.guarded().get().is_some_and(failed) {
        mapping.quarantine();
    }
    mapping.is_quarantined()
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
    /// The kernel has told that some of the memory has failed.
    has_failed: AtomicBool,
}

/// As many as 128 nodes of one process have of each other and of their own.
static PLACES: [Place; 16_384] = [const {
    Place {
        base: AtomicUsize::new(0),
        len: AtomicUsize::new(0),
        mapping: AtomicPtr::new(ptr::null_mut()),
        has_failed: AtomicBool::new(false),
    }
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
    let (code, address) = unsafe { ((*info).si_code, (*info).si_addr().addr()) };
    // SAFETY: the thread's error number, which the interrupted code may be about to read.
    let errno = unsafe { *libc::__errno_location() };
    let is_mended = match code {
        libc::BUS_ADRERR | libc::BUS_MCEERR_AR => mend(address),
        libc::BUS_MCEERR_AO => note_failure(address),
        // A process has sent it, or an access was misaligned: the address says nothing about mappings.
        _ => false,
    };
    if !is_mended {
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

/// Marks the place of the guarded mapping around an address, which may be about to be unmapped.
fn note_failure(address: usize) -> bool {
    let around = PLACES.iter().find(|place| {
        let base = place.base.load(Ordering::SeqCst);
        base != 0 && address >= base && address - base < place.len.load(Ordering::SeqCst)
    });
    if let Some(place) = around {
        place.has_failed.store(true, Ordering::SeqCst);
    }
    around.is_some()
}

/// Does what would have been done without us.
fn pass_on(signal: libc::c_int, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    let action = FORMER.get().map_or(libc::SIG_DFL, |former| former.0.sa_sigaction);
    let with_info = FORMER.get().is_some_and(|former| former.0.sa_flags & libc::SA_SIGINFO != 0);
    // SAFETY: the kernel passes a valid description of the signal.
    let is_sent = unsafe { (*info).si_code } <= 0;
    if action == libc::SIG_IGN && is_sent {
        // It can be ignored, unlike a fault.
    } else if action == libc::SIG_DFL || action == libc::SIG_IGN {
        // SAFETY: restores the default, which ends the process: now, or when the access is repeated after the return.
        unsafe {
            libc::signal(signal, libc::SIG_DFL);
            libc::raise(signal);
        }
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

    /// The signal as the kernel sends it, to this thread: only to itself may a process claim to be the kernel.
    fn tell(code: libc::c_int, address: *const u8) {
        // SAFETY: all bytes zero is a valid value of this plain C structure.
        let mut info: libc::siginfo_t = unsafe { std::mem::zeroed() };
        info.si_signo = libc::SIGBUS;
        info.si_code = code;
        // The address is the first of the fields that differ, which begin at 16 bytes.
        // SAFETY: the structure has 128 bytes, and is aligned for a pointer.
        unsafe { (&raw mut info).cast::<*const u8>().add(2).write(address) };
        // SAFETY: sends a signal that is handled to the calling thread.
        let sent = unsafe {
            libc::syscall(
                libc::SYS_rt_tgsigqueueinfo,
                libc::getpid(),
                libc::gettid(),
                libc::SIGBUS,
                &raw const info,
            )
        };
        assert_eq!(sent, 0, "{}", io::Error::last_os_error());
    }

    #[test]
    fn memory_that_the_kernel_tells_to_have_failed_is_lost_but_not_replaced() {
        let (own, peer) = Mapping::anonymous(16384).unwrap();
        guard(&own).unwrap();
        guard(&peer).unwrap();
        own.own().unwrap().store_u64(8192, 7, Ordering::SeqCst);
        tell(libc::BUS_MCEERR_AO, peer.base().wrapping_add(12_000));
        assert!(!is_lost(&own) && !peer.is_quarantined());
        assert!(is_lost(&peer) && peer.is_quarantined());
        assert_eq!(peer.peer().load_u64(8192, Ordering::SeqCst), 7, "it is still what was mapped");

        // At an access the page is replaced; what follows it is not.
        tell(libc::BUS_MCEERR_AR, own.base().wrapping_add(8200));
        assert!(own.is_quarantined());
        assert_eq!(own.own().unwrap().as_peer().load_u64(8192, Ordering::SeqCst), 0);

        // The place that a lost mapping had is as good as any.
        drop((own, peer));
        let others: Vec<_> = (0..4).map(|_| Mapping::anonymous(4096).unwrap().1).collect();
        for other in &others {
            guard(other).unwrap();
            assert!(!is_lost(other));
        }
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
