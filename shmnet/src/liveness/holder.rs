//! The thread that holds this node's liveness word.
//!
//! A robust futex is a word that the kernel marks when the thread that holds it ends. The thread registers a list of
//! such words; ours has one entry, which lies in private memory and whose offset leads to the word in the arena. The kernel
//! walks the list early in the death of a process, before it tears down memory and files, so peers learn of it a
//! hundred times sooner than from a closed socket.
//!
//! The C library registers a list of its own for each thread, for its robust mutexes. Replacing it is safe here since this
//! thread runs nothing but the code below and can never hold such a mutex; the former list is put back before
//! the thread ends in order.

#![allow(unsafe_code)]

use std::io;
use std::ptr;
use std::sync::Arc;
use std::sync::mpsc::{self, Sender};
use std::thread::{Builder, JoinHandle};

use super::scheduling::become_real_time;
use super::{WAITERS, futex};
use crate::memory::{Mapping, OwnSpan};
use crate::sync::Ordering;

/// Holds the word until dropped.
#[derive(Debug)]
pub(crate) struct Holder {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
    /// Where no thread holds the word.
    #[cfg(test)]
    simulated: Option<OwnSpan>,
}

impl Holder {
    /// Starts the thread and waits until it holds the word in `line`, which is that of the arena mapped by `arena`.
    pub(crate) fn start(arena: Arc<Mapping>, line: OwnSpan) -> io::Result<Self> {
        let (stop, stopped) = mpsc::channel::<()>();
        let (ready, held) = mpsc::channel();
        let thread = Builder::new().name("shm-alive".into()).stack_size(STACK).spawn(move || {
            // Or the word would be marked only when this thread has had its turn to die, after others on a busy core.
            become_real_time();
            let _ = ready.send(hold(
                &arena,
                &line,
                || {
                    // Ends when the holder is dropped.
                    let _ = stopped.recv();
                },
                &ready,
            ));
        })?;
        held.recv().map_err(io::Error::other)??;
        Ok(Self {
            stop: Some(stop),
            thread: Some(thread),
            #[cfg(test)]
            simulated: None,
        })
    }

    /// Holds the word in `line` without a thread, so that the kernel does not mark it.
    #[cfg(test)]
    pub(crate) fn simulated(line: OwnSpan) -> Self {
        line.store_u32(0, SIMULATED, Ordering::SeqCst);
        Self { stop: None, thread: None, simulated: Some(line) }
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        #[cfg(test)]
        if let Some(line) = &self.simulated
            && line.load_u32(0, Ordering::SeqCst) == SIMULATED
        {
            line.store_u32(0, 0, Ordering::SeqCst);
        }
        self.stop = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Held by a thread that is none.
#[cfg(test)]
const SIMULATED: u32 = WAITERS | 1;

/// Takes the word, says so through `ready`, waits, and gives the word back.
fn hold(
    arena: &Mapping,
    line: &OwnSpan,
    wait: impl FnOnce(),
    ready: &Sender<io::Result<()>>,
) -> io::Result<()> {
    let mut entry = Entry { next: ptr::null_mut() };
    let mut head = Head { first: ptr::null_mut(), futex_offset: 0, pending: ptr::null_mut() };
    let entry_at = &raw mut entry;
    let head_at = &raw mut head;
    // SAFETY: both places are locals of this function, which ends only after the former list is back.
    unsafe {
        // The list is circular: its last entry points at the head, which begins with such a pointer.
        (*entry_at).next = head_at.cast();
        (*head_at).first = entry_at;
        (*head_at).futex_offset = (futex::liveness_address(arena).addr() as isize)
            .wrapping_sub(entry_at.addr() as isize) as libc::c_long;
    }

    let mut former: *mut Head = ptr::null_mut();
    let mut former_len: libc::size_t = 0;
    // SAFETY: both places are valid for the results; 0 means this thread.
    let got = unsafe { libc::syscall(libc::SYS_get_robust_list, 0, &raw mut former, &raw mut former_len) };
    // SAFETY: the head is well formed and stays in place until it is replaced below, or until the process has died, when the
    // kernel reads it before it takes the stack away. This thread holds no robust mutex of the C library.
    let set = unsafe { libc::syscall(libc::SYS_set_robust_list, head_at, size_of::<Head>()) };
    if set != 0 {
        return Err(io::Error::last_os_error());
    }
    // With WAITERS set the kernel wakes a waiter in any case; the thread id is what it compares with.
    let word = rustix::thread::gettid().as_raw_nonzero().get() as u32 | WAITERS;
    line.store_u32(0, word, Ordering::SeqCst);
    let _ = ready.send(Ok(()));
    wait();

    // In memory that serves all incarnations another process may hold the word by now: then it is not ours to give back.
    if line.load_u32(0, Ordering::SeqCst) == word {
        line.store_u32(0, 0, Ordering::SeqCst);
        futex::wake_liveness(arena);
    }
    let (list, len) = if got == 0 { (former, former_len) } else { (ptr::null_mut(), size_of::<Head>()) };
    // SAFETY: puts back what the C library registered, which it keeps for the thread's life, or no list at all.
    unsafe { libc::syscall(libc::SYS_set_robust_list, list, len) };
    Ok(())
}

/// `struct robust_list` of the kernel.
#[repr(C)]
struct Entry {
    next: *mut Self,
}

/// `struct robust_list_head` of the kernel.
#[repr(C)]
struct Head {
    first: *mut Entry,
    futex_offset: libc::c_long,
    pending: *mut Entry,
}

/// The thread only waits.
const STACK: usize = 64 << 10;
