//! The scheduling of the threads that tell who lives: each works for microseconds at a time, and what it says is worth less the later it
//! comes.

#![allow(unsafe_code)]

/// Asks for real-time scheduling of the calling thread. Whether it has it: that takes `CAP_SYS_NICE` or a limit (`RLIMIT_RTPRIO`).
pub(super) fn become_real_time() -> bool {
    // SAFETY: all bytes zero is a valid value of this plain C structure.
    let mut parameters: libc::sched_param = unsafe { std::mem::zeroed() };
    parameters.sched_priority = PRIORITY;
    // SAFETY: the parameters outlive the call; 0 means the calling thread.
    unsafe {
        libc::sched_setscheduler(0, libc::SCHED_FIFO | libc::SCHED_RESET_ON_FORK, &raw const parameters) == 0
    }
}

/// Above ordinary threads, below what an administrator puts above it.
const PRIORITY: libc::c_int = 10;
