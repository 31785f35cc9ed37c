//! What a peer can do to memory that it may only read: nothing, tried for real.

#![allow(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use rustix::fs::{MemfdFlags, Mode, OFlags, SealFlags};

use super::Mapping;

const LEN: usize = 8192;

/// A file that only its owner may write, on tmpfs, and an opening as a peer makes it.
fn arena(name: &str) -> (File, File) {
    let path = PathBuf::from(format!("/dev/shm/isthmus-protection-{}-{name}", std::process::id()));
    let own = OpenOptions::new().read(true).write(true).create_new(true).mode(0o640).open(&path).unwrap();
    own.set_len(LEN as u64).unwrap();
    let peers = File::open(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    (own, peers)
}

/// What a child process makes of `act`: the number that it returns, or the signal that ends it.
fn in_child(act: impl FnOnce() -> i32) -> Result<i32, i32> {
    // SAFETY: the child makes system calls and ends; it takes no lock and allocates nothing.
    let child = unsafe { libc::fork() };
    assert!(child >= 0);
    if child == 0 {
        let code = act();
        // SAFETY: ends the child without running anything of the parent's.
        unsafe { libc::_exit(code) };
    }
    let mut status = 0;
    // SAFETY: waits for the child that was just made.
    assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
    if libc::WIFSIGNALED(status) { Err(libc::WTERMSIG(status)) } else { Ok(libc::WEXITSTATUS(status)) }
}

/// The error number of opening a descriptor of this process anew for writing; 0 if it can be.
fn reopen(path: &std::ffi::CStr) -> i32 {
    // SAFETY: the path is a C string; the descriptor is closed with the process.
    let fd = unsafe { libc::open(path.as_ptr(), libc::O_RDWR) };
    if fd >= 0 { 0 } else { io::Error::last_os_error().raw_os_error().unwrap_or(-1) }
}

fn make_writable(mapping: &Mapping) -> io::Result<()> {
    let protection = libc::PROT_READ | libc::PROT_WRITE;
    // SAFETY: changes the protection of a mapping of ours, which nobody reads at the same time.
    match unsafe { libc::mprotect(mapping.base().cast_mut().cast(), LEN, protection) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

#[test]
fn a_store_through_a_peers_map_ends_the_process_that_tries() {
    let (_own, peers) = arena("store");
    let mapping = Mapping::read_only(&peers, 0, LEN).unwrap();
    let died = in_child(|| {
        // SAFETY: a sanitizer's handler would report the fault instead of dying of it.
        unsafe { libc::signal(libc::SIGSEGV, libc::SIG_DFL) };
        // SAFETY: it is the point that this store is not allowed; the child dies of it.
        unsafe { mapping.base().cast_mut().write_volatile(1) };
        0
    });
    assert_eq!(died, Err(libc::SIGSEGV));
    assert_eq!(mapping.peer().load_u64(0, crate::sync::Ordering::SeqCst), 0);
}

#[test]
fn a_peers_map_cannot_be_made_writable() {
    let (own, peers) = arena("upgrade");
    let mapping = Mapping::read_only(&peers, 0, LEN).unwrap();
    assert_eq!(make_writable(&mapping).unwrap_err().raw_os_error(), Some(libc::EACCES));
    assert!(Mapping::read_write(&peers, 0, LEN).is_err(), "nor can another one be made");
    // It is how the file was opened that prevents it, not how it was mapped.
    let careless = Mapping::read_only(&own, 0, LEN).unwrap();
    make_writable(&careless).unwrap();
}

#[test]
fn another_user_cannot_open_a_peers_file_anew_for_writing() {
    let (_own, peers) = arena("reopen");
    let path = std::ffi::CString::new(format!("/proc/self/fd/{}", peers.as_raw_fd())).unwrap();
    // The same user can: peers that distrust each other have users of their own.
    assert_eq!(in_child(|| reopen(&path)), Ok(0));
    if !rustix::process::geteuid().is_root() {
        eprintln!("SKIPPED in part: only root can try it as another user");
        return;
    }
    const NOBODY: libc::uid_t = 65_534;
    let refused = in_child(|| {
        // SAFETY: the child alone gives up its rights.
        let dropped = unsafe {
            libc::setgroups(0, std::ptr::null()) == 0
                && libc::setresgid(NOBODY, NOBODY, NOBODY) == 0
                && libc::setresuid(NOBODY, NOBODY, NOBODY) == 0
        };
        if dropped { reopen(&path) } else { 99 }
    });
    assert_eq!(refused, Ok(libc::EACCES));
}

#[test]
fn a_sealed_memfd_can_be_written_by_its_first_map_alone_and_never_cut_short() {
    let fd: OwnedFd =
        rustix::fs::memfd_create("isthmus-sealed", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING).unwrap();
    rustix::fs::ftruncate(&fd, LEN as u64).unwrap();
    let own = Mapping::read_write(&fd, 0, LEN).unwrap();
    let seals = SealFlags::SHRINK | SealFlags::GROW | SealFlags::FUTURE_WRITE | SealFlags::SEAL;
    rustix::fs::fcntl_add_seals(&fd, seals).unwrap();

    // Even its owner, and whoever opens it anew for writing.
    let path = format!("/proc/self/fd/{}", fd.as_raw_fd());
    let anew = rustix::fs::open(path, OFlags::RDWR | OFlags::CLOEXEC, Mode::empty()).unwrap();
    for fd in [&fd, &anew] {
        assert_eq!(rustix::fs::ftruncate(fd, 0), Err(rustix::io::Errno::PERM));
        assert_eq!(rustix::fs::ftruncate(fd, 2 * LEN as u64), Err(rustix::io::Errno::PERM));
        assert_eq!(rustix::io::pwrite(fd, b"x", 0), Err(rustix::io::Errno::PERM));
        assert_eq!(Mapping::read_write(fd, 0, LEN).unwrap_err().raw_os_error(), Some(libc::EPERM));
        let mapping = Mapping::read_only(fd, 0, LEN).unwrap();
        assert_eq!(make_writable(&mapping).unwrap_err().raw_os_error(), Some(libc::EACCES));
        let more = rustix::fs::fcntl_add_seals(fd, SealFlags::WRITE);
        assert!(more.is_err(), "no seal is added any more");
        let hole = rustix::fs::FallocateFlags::PUNCH_HOLE | rustix::fs::FallocateFlags::KEEP_SIZE;
        assert_eq!(rustix::fs::fallocate(fd, hole, 0, 4096), Err(rustix::io::Errno::PERM));
    }
    own.own().unwrap().store_u64(0, 7, crate::sync::Ordering::SeqCst);
    let seen = Mapping::read_only(&anew, 0, LEN).unwrap();
    assert_eq!(seen.peer().load_u64(0, crate::sync::Ordering::SeqCst), 7);
}
