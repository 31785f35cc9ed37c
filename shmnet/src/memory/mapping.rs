//! A range of addresses backed by a file: made once, shared by every span cut from it, unmapped with the last one.

use std::io;
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use memmap2::{MmapOptions, MmapRaw};

use super::coherence::Upkeep;
use super::pages::{dax_page_of, huge_page_of};
#[cfg(test)]
use super::simulated::Cache;
use super::{Coherence, OwnSpan, PeerSpan, SpanError, Window};

/// A shared mapping of a file descriptor (`MAP_SHARED`), read-only or read-write.
///
/// A file of huge pages is mapped without a reservation: what its pages are given for is for the caller to allocate. Offset and
/// length are then multiples of its pages.
///
/// Accesses may fault with SIGBUS if the file is shorter than the mapping. [`base`](Self::base) and [`len`](Self::len) tell a
/// handler of that signal which mapping an address belongs to; what it then marks with
/// [`quarantine`](Self::quarantine) is a mapping whose content is not to be used any more.
pub struct Mapping {
    /// In front of the map, since it ends before the bytes are gone.
    #[cfg(test)]
    simulated: Option<Cache>,
    map: MmapRaw,
    writable: bool,
    page: usize,
    coherence: Coherence,
    upkeep: Upkeep,
    quarantined: AtomicBool,
    /// Its place among those whose faults are mended.
    guarded: OnceLock<usize>,
}

impl Mapping {
    /// Maps `len` bytes of `fd` from `file_offset` (a multiple of the file's page size) for reading and writing.
    ///
    /// # Errors
    /// What `mmap` returns, or `InvalidInput` for a length of zero, or one that is not of whole huge pages.
    pub fn read_write(fd: impl AsFd, file_offset: u64, len: usize) -> io::Result<Arc<Self>> {
        Self::read_write_with(fd, file_offset, len, Coherence::Hardware)
    }

    /// As [`read_write`](Self::read_write), for memory of the given coherence.
    ///
    /// # Errors
    /// As [`read_write`](Self::read_write); `Unsupported` on a processor that cannot [flush](super::NoFlush).
    pub fn read_write_with(
        fd: impl AsFd,
        file_offset: u64,
        len: usize,
        coherence: Coherence,
    ) -> io::Result<Arc<Self>> {
        let (options, page) = options(&fd, file_offset, len)?;
        Self::new(options.map_raw(&fd.as_fd())?, true, page, coherence)
    }

    /// Maps `len` bytes of `fd` from `file_offset` (a multiple of the file's page size) for reading only.
    ///
    /// # Errors
    /// As [`read_write`](Self::read_write).
    pub fn read_only(fd: impl AsFd, file_offset: u64, len: usize) -> io::Result<Arc<Self>> {
        Self::read_only_with(fd, file_offset, len, Coherence::Hardware)
    }

    /// As [`read_only`](Self::read_only), for memory of the given coherence.
    ///
    /// # Errors
    /// As [`read_only`](Self::read_only); `Unsupported` on a processor that cannot [flush](super::NoFlush).
    pub fn read_only_with(
        fd: impl AsFd,
        file_offset: u64,
        len: usize,
        coherence: Coherence,
    ) -> io::Result<Arc<Self>> {
        let (options, page) = options(&fd, file_offset, len)?;
        Self::new(options.map_raw_read_only(&fd.as_fd())?, false, page, coherence)
    }

    fn new(map: MmapRaw, writable: bool, page: usize, coherence: Coherence) -> io::Result<Arc<Self>> {
        let upkeep =
            coherence.upkeep().map_err(|refused| io::Error::new(io::ErrorKind::Unsupported, refused))?;
        Ok(Arc::new(Self {
            map,
            writable,
            page,
            coherence,
            upkeep,
            #[cfg(test)]
            simulated: None,
            quarantined: AtomicBool::new(false),
            guarded: OnceLock::new(),
        }))
    }

    /// A node's cache of an arena of simulated memory; its content is what that node sees.
    #[cfg(test)]
    pub(super) fn simulated(len: usize, writable: bool, cache: Cache) -> io::Result<Arc<Self>> {
        let map = MmapOptions::new().len(len).map_anon()?.into();
        Ok(Arc::new(Self {
            map,
            writable,
            page: rustix::param::page_size(),
            coherence: Coherence::Flush,
            upkeep: Upkeep::Simulate,
            simulated: Some(cache),
            quarantined: AtomicBool::new(false),
            guarded: OnceLock::new(),
        }))
    }

    #[cfg(test)]
    pub(super) fn cache(&self) -> Option<&Cache> {
        self.simulated.as_ref()
    }

    pub(super) fn upkeep(&self) -> Upkeep {
        self.upkeep
    }

    /// Makes `len` bytes of zeroed memory without a name and maps them twice: once for their owner, who may write,
    /// and once read-only, as a peer would.
    ///
    /// # Errors
    /// What `memfd_create`, `ftruncate` or `mmap` return.
    pub fn anonymous(len: usize) -> io::Result<(Arc<Self>, Arc<Self>)> {
        Self::anonymous_with(len, Coherence::Hardware)
    }

    /// As [`anonymous`](Self::anonymous), for memory of the given coherence.
    ///
    /// # Errors
    /// As [`anonymous`](Self::anonymous); `Unsupported` on a processor that cannot [flush](super::NoFlush).
    pub fn anonymous_with(len: usize, coherence: Coherence) -> io::Result<(Arc<Self>, Arc<Self>)> {
        let fd = rustix::fs::memfd_create("isthmus-anonymous", rustix::fs::MemfdFlags::CLOEXEC)?;
        rustix::fs::ftruncate(&fd, len as u64)?;
        Ok((
            Self::read_write_with(&fd, 0, len, coherence.clone())?,
            Self::read_only_with(&fd, 0, len, coherence)?,
        ))
    }

    /// The address of the first byte.
    #[must_use]
    pub fn base(&self) -> *const u8 {
        self.map.as_ptr()
    }

    /// The number of bytes mapped.
    #[must_use]
    pub fn len(&self) -> usize {
        self.map.len()
    }

    /// Whether nothing is mapped; never the case, since a mapping of zero bytes is refused.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The size of the file's pages, or what a DAX device is aligned to: the least that can be mapped anew.
    pub(crate) fn page(&self) -> usize {
        self.page
    }

    /// How writes here become visible to other nodes.
    #[must_use]
    pub fn coherence(&self) -> &Coherence {
        &self.coherence
    }

    /// Whether this node may write here.
    #[must_use]
    pub fn is_writable(&self) -> bool {
        self.writable
    }

    /// Marks the content as not to be used any more. Callable from a signal handler.
    pub fn quarantine(&self) {
        self.quarantined.store(true, Ordering::Release);
    }

    /// Whether the content was marked as not to be used any more.
    #[must_use]
    pub fn is_quarantined(&self) -> bool {
        self.quarantined.load(Ordering::Acquire)
    }

    /// Where [`sigbus`](crate::sigbus) notes its place.
    pub(crate) fn guarded(&self) -> &OnceLock<usize> {
        &self.guarded
    }

    /// The whole mapping as memory that this node writes.
    ///
    /// # Errors
    /// [`SpanError::ReadOnly`] for a mapping that is read-only.
    pub fn own(self: &Arc<Self>) -> Result<OwnSpan, SpanError> {
        if self.writable { Ok(OwnSpan::new(self.window())) } else { Err(SpanError::ReadOnly) }
    }

    /// The whole mapping as memory that a peer writes.
    #[must_use]
    pub fn peer(self: &Arc<Self>) -> PeerSpan {
        PeerSpan::new(self.window())
    }

    fn window(self: &Arc<Self>) -> Window {
        Window::whole(Arc::clone(self))
    }

    pub(super) fn as_mut_ptr(&self) -> *mut u8 {
        self.map.as_mut_ptr()
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        if let Some(place) = self.guarded.get() {
            crate::sigbus::release(*place);
        }
    }
}

impl std::fmt::Debug for Mapping {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Mapping")
            .field("len", &self.len())
            .field("writable", &self.writable)
            .field("quarantined", &self.is_quarantined())
            .finish_non_exhaustive()
    }
}

/// How to map a part of a file, and the size of its pages.
fn options(file: impl AsFd, file_offset: u64, len: usize) -> io::Result<(MmapOptions, usize)> {
    let refuse = |reason: &str| Err(io::Error::new(io::ErrorKind::InvalidInput, reason));
    if len == 0 {
        return refuse("a mapping of zero bytes");
    }
    let mut options = MmapOptions::new();
    options.offset(file_offset).len(len);
    let huge = huge_page_of(&file);
    let Some(page) = huge.or_else(|| dax_page_of(&file)) else {
        return Ok((options, rustix::param::page_size()));
    };
    let page = usize::try_from(page).map_err(io::Error::other)?;
    if !len.is_multiple_of(page) {
        return refuse("a mapping of a part of a huge page, or of what a DAX device is aligned to");
    }
    if huge.is_some() {
        // Or the whole length, of which most may never be used, would be taken from the pool at once.
        options.no_reserve_swap();
    }
    Ok((options, page))
}
