//! The engine: an endpoint of libfabric with one registered range of memory, from or to which it writes.
//!
//! The only place of this facility with `unsafe` code. What it relies on is the least that every provider with RMA gives:
//! when the target is told of a write ([`Arrival`]), the data of that write is there. Nothing is assumed of the order in which
//! the bytes of a write or two writes arrive.

#![allow(unsafe_code)]

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::io;
use std::net::IpAddr;
use std::os::fd::{AsFd, BorrowedFd};
use std::ptr::NonNull;
use std::sync::Arc;

use super::control::{MAX_NAME, Target};
use crate::memory::Mapping;

/// An endpoint of its own stack, so that what is registered here can be named by no other endpoint's peer.
///
/// Waiting, polling and writing are for one thread at a time, which `&mut self` sees to.
#[derive(Debug)]
pub(super) struct Endpoint {
    raw: NonNull<Raw>,
    /// Registered: it must not be unmapped before the endpoint is closed.
    memory: Arc<Mapping>,
    key: u64,
    address: u64,
    /// Not to be closed: see [`abandon`](Self::abandon).
    abandoned: bool,
}

// SAFETY: the endpoint belongs to this value alone, and libfabric's objects are not bound to the thread that made them.
unsafe impl Send for Endpoint {}

/// What an endpoint's memory is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Use {
    /// Written from.
    Source,
    /// Written to by the peer that is told the key.
    Target,
}

/// What the peer said with a write that has arrived.
pub(super) type Arrival = u32;

impl Endpoint {
    /// Opens an endpoint at a local address and registers all of a writable mapping with it. `key` is asked for where the
    /// provider lets one choose.
    pub(super) fn open(
        provider: &str,
        local: IpAddr,
        memory: Arc<Mapping>,
        purpose: Use,
        key: u64,
    ) -> io::Result<Self> {
        let provider = CString::new(provider)?;
        let local = CString::new(local.to_string())?;
        let mut raw = std::ptr::null_mut();
        let mut what: *const c_char = c"".as_ptr();
        // SAFETY: both strings end with a zero byte and outlive the call, which writes to `raw` and `what` only.
        let status =
            unsafe { isthmus_ofi_open(provider.as_ptr(), local.as_ptr(), &raw mut raw, &raw mut what) };
        let Some(raw) = NonNull::new(raw).filter(|_| status == 0) else {
            // SAFETY: `what` points to one of the C side's string literals, or to our own.
            let what = unsafe { CStr::from_ptr(what) }.to_string_lossy().into_owned();
            return Err(failure(&what, status));
        };
        let mut endpoint = Self { raw, memory, key: 0, address: 0, abandoned: false };
        if !endpoint.memory.is_writable() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "memory that is read-only"));
        }
        let target = c_int::from(purpose == Use::Target);
        let base = endpoint.memory.base().cast_mut().cast::<c_void>();
        // SAFETY: the mapping is writable, as long as it says, and outlives the registration: `drop` closes the endpoint,
        // and the fields go after it.
        let status = unsafe {
            isthmus_ofi_register(
                raw.as_ptr(),
                base,
                endpoint.memory.len(),
                target,
                key,
                &raw mut endpoint.key,
                &raw mut endpoint.address,
            )
        };
        if status == 0 { Ok(endpoint) } else { Err(failure("registering memory", status)) }
    }

    /// The registered memory, as a peer has to name it.
    pub(super) fn target(&self) -> io::Result<Target> {
        let mut name = [0; MAX_NAME];
        let mut len = name.len();
        // SAFETY: `name` has room for `len` bytes.
        let status = unsafe { isthmus_ofi_name(self.raw.as_ptr(), name.as_mut_ptr().cast(), &raw mut len) };
        if status != 0 || len > name.len() {
            return Err(failure("asking for the endpoint's address", status));
        }
        let window = u32::try_from(self.memory.len()).map_err(io::Error::other)?;
        Ok(Target { key: self.key, address: self.address, window, name, name_len: len })
    }

    /// Names the endpoint that will be written to.
    pub(super) fn connect(&mut self, target: &Target) -> io::Result<()> {
        // SAFETY: the endpoint is open.
        let expected = unsafe { isthmus_ofi_address_len(self.raw.as_ptr()) };
        if target.name_len != expected || expected > target.name.len() {
            let what = format!("the peer's endpoint has an address of {} bytes", target.name_len);
            return Err(io::Error::new(io::ErrorKind::InvalidData, what));
        }
        // SAFETY: the address is as long as those of this endpoint.
        let status = unsafe { isthmus_ofi_connect(self.raw.as_ptr(), target.name.as_ptr().cast()) };
        if status == 0 { Ok(()) } else { Err(failure("naming the peer's endpoint", status)) }
    }

    /// Begins to write `len` bytes at `offset` of the registered memory to the same place of the target; `false` if there is
    /// no room for it at the moment. The bytes must hold still until the peer is known to have them.
    pub(super) fn write(
        &mut self,
        target: &Target,
        offset: usize,
        len: usize,
        say: Arrival,
    ) -> io::Result<bool> {
        let within = |whole: usize| offset <= whole && len <= whole - offset;
        if !within(self.memory.len()) || !within(target.window as usize) {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "a write outside of the window"));
        }
        let from = self.memory.base().wrapping_add(offset).cast::<c_void>();
        let address = target.address.wrapping_add(offset as u64);
        // SAFETY: the range lies within the registered mapping, as just checked. What the target does with it is not
        // this process's memory.
        let status =
            unsafe { isthmus_ofi_write(self.raw.as_ptr(), from, len, u64::from(say), address, target.key) };
        match status {
            0 => Ok(true),
            AGAIN => Ok(false),
            _ => Err(failure("writing to the peer", status)),
        }
    }

    /// Makes progress and calls `arrived` for each write of the peer that is complete; whether there was anything.
    pub(super) fn poll(&mut self, mut arrived: impl FnMut(Arrival)) -> io::Result<bool> {
        let mut events = [Event::default(); EVENTS];
        let mut any = false;
        loop {
            // SAFETY: `events` has room for as many as is said.
            let count = unsafe { isthmus_ofi_poll(self.raw.as_ptr(), events.as_mut_ptr(), EVENTS) };
            let Ok(count) = usize::try_from(count) else {
                return Err(failure("moving data", count));
            };
            for event in events.iter().take(count).filter(|event| event.kind == ARRIVED) {
                // Some providers carry 64 bits; 32 were given.
                arrived(event.data as u32);
            }
            any |= count > 0;
            if count < EVENTS {
                return Ok(any);
            }
        }
    }

    /// Whether one may wait for the endpoint's descriptor: otherwise there is something to do already.
    pub(super) fn may_wait(&mut self) -> bool {
        // SAFETY: the endpoint is open.
        unsafe { isthmus_ofi_may_wait(self.raw.as_ptr()) == 0 }
    }
}

impl Endpoint {
    /// Leaves the endpoint and its memory as they are until the process ends, when this value is dropped.
    ///
    /// libfabric 1.17 touches freed memory when an endpoint is closed whose connection was lost without a word, as when a
    /// cable is cut.
    pub(super) fn abandon(&mut self) {
        self.abandoned = true;
    }
}

impl AsFd for Endpoint {
    fn as_fd(&self) -> BorrowedFd<'_> {
        // SAFETY: the descriptor belongs to the completion queue, which is open as long as this value lives.
        unsafe { BorrowedFd::borrow_raw(isthmus_ofi_wait_fd(self.raw.as_ptr())) }
    }
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        if self.abandoned {
            // What is registered stays mapped: a late write still has its place.
            std::mem::forget(Arc::clone(&self.memory));
            return;
        }
        // SAFETY: made by `isthmus_ofi_open`, and not used after this.
        unsafe { isthmus_ofi_close(self.raw.as_ptr()) };
    }
}

fn failure(what: &str, status: c_int) -> io::Error {
    // SAFETY: returns a string that lives as long as the program.
    let text = unsafe { CStr::from_ptr(isthmus_ofi_error(status.saturating_abs())) };
    io::Error::other(format!("{what}: {}", text.to_string_lossy()))
}

/// The C side's endpoint.
#[repr(C)]
struct Raw {
    _opaque: [u8; 0],
}

/// As in the C side.
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct Event {
    kind: u32,
    _reserved: u32,
    data: u64,
}

const ARRIVED: u32 = 1;

/// Events taken at once.
const EVENTS: usize = 64;

/// `-FI_EAGAIN`.
const AGAIN: c_int = -libc::EAGAIN;

// SAFETY: the declarations are those of `engine.c`, which is compiled with this crate.
unsafe extern "C" {
    fn isthmus_ofi_open(
        provider: *const c_char,
        node: *const c_char,
        out: *mut *mut Raw,
        what: *mut *const c_char,
    ) -> c_int;
    fn isthmus_ofi_close(endpoint: *mut Raw);
    fn isthmus_ofi_name(endpoint: *mut Raw, name: *mut c_void, len: *mut usize) -> c_int;
    fn isthmus_ofi_register(
        endpoint: *mut Raw,
        base: *mut c_void,
        len: usize,
        target: c_int,
        wanted_key: u64,
        key: *mut u64,
        address: *mut u64,
    ) -> c_int;
    fn isthmus_ofi_address_len(endpoint: *mut Raw) -> usize;
    fn isthmus_ofi_connect(endpoint: *mut Raw, address: *const c_void) -> c_int;
    fn isthmus_ofi_write(
        endpoint: *mut Raw,
        from: *const c_void,
        len: usize,
        data: u64,
        address: u64,
        key: u64,
    ) -> c_int;
    fn isthmus_ofi_poll(endpoint: *mut Raw, events: *mut Event, room: usize) -> c_int;
    fn isthmus_ofi_wait_fd(endpoint: *mut Raw) -> c_int;
    fn isthmus_ofi_may_wait(endpoint: *mut Raw) -> c_int;
    fn isthmus_ofi_error(number: c_int) -> *const c_char;
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    #[test]
    fn a_write_arrives_with_its_data() {
        let local: IpAddr = [127, 0, 0, 1].into();
        let (landing, landing_read) = Mapping::anonymous(1 << 20).unwrap();
        let (source, _) = Mapping::anonymous(1 << 20).unwrap();
        let mut target = Endpoint::open("tcp", local, landing, Use::Target, 0x1234_5678_9abc_def0).unwrap();
        let mut writer = Endpoint::open("tcp", local, Arc::clone(&source), Use::Source, 1).unwrap();
        let description = target.target().unwrap();
        writer.connect(&description).unwrap();
        source.own().unwrap().copy_in(4096, &[7; 5000]);
        source.own().unwrap().copy_in(300_000, &[9; 100_000]);

        let mut arrivals = Vec::new();
        let mut begun = 0;
        let give_up = Instant::now() + Duration::from_secs(20);
        let writes = [(4096, 5000, 11), (300_000, 100_000, 0x7fff_ffff)];
        while arrivals.len() < 2 {
            if let Some((offset, len, say)) = writes.get(begun)
                && writer.write(&description, *offset, *len, *say).unwrap()
            {
                begun += 1;
            }
            writer.poll(|_| panic!("nobody writes here")).unwrap();
            target.poll(|said| arrivals.push(said)).unwrap();
            assert!(Instant::now() < give_up, "no arrival");
        }
        assert_eq!(arrivals, [11, 0x7fff_ffff]);
        let mut bytes = [0; 100_002];
        landing_read.peer().copy_out(299_999, &mut bytes);
        assert_eq!((bytes[0], bytes[1], bytes[100_000], bytes[100_001]), (0, 9, 9, 0));
        assert!(writer.write(&description, (1 << 20) - 4, 8, 0).is_err());
    }
}
