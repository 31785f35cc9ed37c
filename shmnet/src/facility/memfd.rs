//! Sealed memory files: each node makes its own arena, which has no name, and passes it to those who ask for it. A directory
//! holds only locks and sockets.
//!
//! ```text
//! node-001.lock    held (flock) by the process that is node 1; says who that is
//! node-001.sock    node 1's doorbell
//! node-001.memory  node 1's door: whoever connects is passed the arena and let go; a new socket for each incarnation
//! ```
//! The owner maps its arena and then seals it: nobody can make it shorter or longer, write to it, or map it for writing any
//! more, not even by the owner's own rights; only the owner's first mapping still writes. So a reader has neither to fear
//! that pages go away under it, nor anybody but the owner that they change. A reader believes nothing of that: it looks
//! at the seals of what it was passed.
//!
//! An arena can be in huge pages. Its length is then of whole ones, which are taken from the kernel's pool as rings need them.
//!
//! The door is a thread of its own, which waits for nobody, so that two nodes that look at each other do not wait for each other.

use std::collections::BTreeMap;
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use rustix::cmsg_space;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{
    AtFlags, Dir, MemfdFlags, Mode, SealFlags, chmod, fcntl_add_seals, fcntl_get_seals, ftruncate,
    memfd_create, renameat, statat, unlinkat,
};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketAddrUnix, SocketFlags, SocketType, accept_with, bind, connect,
    listen, recvmsg, sendmsg, socket_with,
};

use super::directory::Directory;
use super::huge::unknown_size;
use super::{Facility, HugePages, IdLock, OwnFile, PeerFile, Stamp, map_own, map_peer};
use crate::config::HugePageSize;
use crate::doorbell::Bell;
use crate::error::JoinError;
use crate::layout::{ABI_VERSION, PeerArena};
use crate::liveness::word_is_dead;
use crate::memory::Coherence;
use crate::node::NodeId;

/// See the module.
#[derive(Debug)]
pub(super) struct SealedMemory {
    directory: Directory,
    huge_pages: Option<HugePageSize>,
    state: Mutex<Own>,
}

#[derive(Debug, Default)]
struct Own {
    /// The arena that was made and is to be passed on.
    arena: Option<Arc<OwnedFd>>,
    door: Option<Door>,
    /// Doors at which nobody answered: when to knock again, and for how long not to after that.
    silent: BTreeMap<NodeId, (Instant, Duration)>,
}

impl SealedMemory {
    pub(super) fn open(path: PathBuf, huge_pages: Option<HugePageSize>) -> Result<Self, JoinError> {
        Ok(Self { directory: Directory::of_sockets(path)?, huge_pages, state: Mutex::default() })
    }

    /// The flags of a memory file, and its length in whole pages.
    fn pages(&self, len: u64) -> Result<(MemfdFlags, u64), JoinError> {
        let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
        let Some(size) = self.huge_pages else { return Ok((flags, len)) };
        let pages = HugePages::of_size(size).ok_or_else(|| unknown_size(size, len, self.place()))?;
        let size = MemfdFlags::from_bits_retain(size.bytes().trailing_zeros() << MFD_HUGE_SHIFT);
        Ok((flags | MemfdFlags::HUGETLB | size, pages.round(len)))
    }

    fn state(&self) -> MutexGuard<'_, Own> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A socket's address, by way of the open directory: the directory's own path may be longer than an address holds.
    fn address(&self, name: &str) -> io::Result<SocketAddrUnix> {
        Ok(SocketAddrUnix::new(format!("/proc/self/fd/{}/{name}", self.directory.fd.as_raw_fd()))?)
    }

    fn stamp(&self, node: NodeId) -> Option<Stamp> {
        let stat = statat(&self.directory.fd, door_name(node), AtFlags::SYMLINK_NOFOLLOW).ok()?;
        Some(Stamp { device: stat.st_dev, inode: stat.st_ino })
    }

    /// Asks a node for its arena. The wait is short: a door that works answers at once.
    fn ask(&self, node: NodeId) -> io::Result<OwnedFd> {
        let socket = new_socket()?;
        connect(&socket, &self.address(&door_name(node))?)?;
        let mut fds = [PollFd::new(&socket, PollFlags::IN)];
        let wait = Timespec { tv_sec: 0, tv_nsec: WAIT.as_nanos() as i64 };
        if poll(&mut fds, Some(&wait))? == 0 {
            return Err(io::ErrorKind::TimedOut.into());
        }
        receive(&socket, node)
    }

    /// Whether the node's process has let go of its door, or is marked dead: its lock is then about to be given back.
    fn is_dead(&self, node: NodeId) -> bool {
        match self.ask(node) {
            Err(error) => error.kind() == io::ErrorKind::ConnectionRefused,
            Ok(_) => match self.open(node) {
                Ok(Some(file)) => PeerArena::liveness_of(&file.mapping.peer()).is_some_and(word_is_dead),
                _ => false,
            },
        }
    }

    /// Whether a node that did not answer is to be left alone for now.
    fn is_silent(&self, node: NodeId) -> bool {
        self.state().silent.get(&node).is_some_and(|(until, _)| Instant::now() < *until)
    }

    fn note_silence(&self, node: NodeId) {
        let mut state = self.state();
        let pause = state.silent.get(&node).map_or(FIRST_PAUSE, |(_, pause)| (*pause * 2).min(LAST_PAUSE));
        state.silent.insert(node, (Instant::now() + pause, pause));
    }

    fn system(&self, errno: impl Into<io::Error>) -> JoinError {
        JoinError::Directory { path: self.directory.path.clone(), error: errno.into() }
    }
}

impl Facility for SealedMemory {
    fn name(&self) -> &'static str {
        "memfd"
    }

    fn place(&self) -> String {
        format!("sealed memory, met in {}", self.directory.path.display())
    }

    fn free(&self) -> io::Result<u64> {
        if let Some(pages) = self.huge_pages.and_then(HugePages::of_size) {
            return pages.free_of_mounts();
        }
        let info = rustix::system::sysinfo();
        Ok((info.freeram as u64 + info.bufferram as u64).saturating_mul(info.mem_unit.into()))
    }

    fn lock(&self, node: NodeId, takeover: bool) -> Result<Box<dyn IdLock>, JoinError> {
        let give_up = Instant::now() + LOCK_RELEASE;
        loop {
            match self.directory.lock(node, takeover) {
                Err(JoinError::IdInUse { .. }) if self.is_dead(node) && Instant::now() < give_up => {
                    std::thread::sleep(Duration::from_millis(5));
                }
                done => return done,
            }
        }
    }

    fn create(&self, _node: NodeId, len: u64, allocate: u64) -> Result<OwnFile, JoinError> {
        let what = "making sealed memory";
        let (flags, len) = self.pages(len)?;
        let fd = memfd_create("isthmus-arena", flags).map_err(JoinError::system(what))?;
        ftruncate(&fd, len).map_err(JoinError::system(what))?;
        let passed = fd.try_clone().map_err(JoinError::system(what))?;
        let file = map_own(fd, len, allocate, Coherence::Hardware, self)?;
        fcntl_add_seals(&passed, SEALS).map_err(JoinError::system("sealing memory"))?;
        self.state().arena = Some(Arc::new(passed));
        Ok(file)
    }

    fn show(&self, node: NodeId) -> Result<(), JoinError> {
        let (name, new) = (door_name(node), format!("{}.new", door_name(node)));
        let _ = unlinkat(&self.directory.fd, &new, AtFlags::empty());
        let Some(arena) = self.state().arena.clone() else { return Ok(()) };
        let address = self.address(&new).map_err(|error| self.system(error))?;
        let door = Door::open(&address, node, arena).map_err(|error| self.system(error))?;
        renameat(&self.directory.fd, &new, &self.directory.fd, &name).map_err(|errno| self.system(errno))?;
        self.state().door = Some(door);
        Ok(())
    }

    fn remove(&self, node: NodeId) {
        self.directory.remove(node);
        let _ = unlinkat(&self.directory.fd, door_name(node), AtFlags::empty());
        // Only the node itself has an arena to pass.
        let mut state = self.state();
        if state.door.as_ref().is_some_and(|door| door.node == node) {
            *state = Own::default();
        }
    }

    fn sweep(&self, me: NodeId) {
        for (node, _) in self.present().unwrap_or_default() {
            // Whoever can be locked out is dead. The lock file stays: it knows the last incarnation.
            if node != me
                && let Ok(Some(_lock)) = self.directory.try_lock(node)
            {
                self.remove(node);
            }
        }
    }

    fn present(&self) -> io::Result<Vec<(NodeId, Stamp)>> {
        let mut found = Vec::new();
        for entry in Dir::read_from(&self.directory.fd)? {
            let entry = entry?;
            let Some(node) = entry.file_name().to_str().ok().and_then(node_of_name) else { continue };
            found.extend(self.stamp(node).map(|stamp| (node, stamp)));
        }
        found.sort_by_key(|(node, _)| *node);
        Ok(found)
    }

    fn open(&self, node: NodeId) -> io::Result<Option<PeerFile>> {
        let Some(stamp) = self.stamp(node) else { return Ok(None) };
        if self.is_silent(node) {
            return Ok(None);
        }
        let fd = match self.ask(node) {
            Ok(fd) => fd,
            // Nobody is behind that door any more.
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => return Ok(None),
            Err(error) => {
                self.note_silence(node);
                return Err(error);
            }
        };
        self.state().silent.remove(&node);
        // Another incarnation's door may have taken its place meanwhile.
        if self.stamp(node) != Some(stamp) {
            return Ok(None);
        }
        // Asked of the kernel, not of the node. What is no memory file has no seals at all.
        let seals = fcntl_get_seals(&fd)?;
        if !seals.contains(SEALS) {
            return Err(io::Error::other("the memory that was passed is not sealed"));
        }
        Ok(map_peer(fd, Coherence::Hardware)?.map(|file| PeerFile { stamp, ..file }))
    }

    fn doorbell(&self, node: NodeId) -> io::Result<SocketAddrUnix> {
        self.directory.doorbell(node)
    }

    fn clear_doorbell(&self, node: NodeId) {
        self.directory.clear_doorbell(node);
    }

    fn reuses_memory(&self) -> bool {
        false
    }
}

/// The thread that passes an arena to whoever connects.
#[derive(Debug)]
struct Door {
    node: NodeId,
    stop: Arc<Bell>,
    thread: Option<JoinHandle<()>>,
}

impl Door {
    fn open(address: &SocketAddrUnix, node: NodeId, arena: Arc<OwnedFd>) -> io::Result<Self> {
        let socket = new_socket()?;
        bind(&socket, address)?;
        if let Some(path) = address.path() {
            // Connecting takes the permission to write. Group members take part in the segment.
            chmod(path, Mode::RUSR | Mode::WUSR | Mode::RGRP | Mode::WGRP)?;
        }
        listen(&socket, 255)?;
        let stop = Arc::new(Bell::new()?);
        let stopped = Arc::clone(&stop);
        let thread = Builder::new().name("shm-door".into()).spawn(move || {
            loop {
                let mut fds = [
                    PollFd::from_borrowed_fd(stopped.as_fd(), PollFlags::IN),
                    PollFd::new(&socket, PollFlags::IN),
                ];
                let _ = poll(&mut fds, None);
                if !fds[0].revents().is_empty() {
                    return;
                }
                match accept_with(&socket, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK) {
                    // Who cannot be sent to has gone.
                    Ok(caller) => drop(send(&caller, node, &arena)),
                    Err(Errno::AGAIN | Errno::INTR | Errno::CONNABORTED) => {}
                    // Out of descriptors, perhaps: not for ever.
                    Err(_) => std::thread::sleep(Duration::from_millis(10)),
                }
            }
        })?;
        Ok(Self { node, stop, thread: Some(thread) })
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        self.stop.ring();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn send(caller: &OwnedFd, node: NodeId, arena: &OwnedFd) -> rustix::io::Result<()> {
    let fds = [arena.as_fd()];
    let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(1))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    ancillary.push(SendAncillaryMessage::ScmRights(&fds));
    let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
    sendmsg(caller, &[IoSlice::new(&message(node))], &mut ancillary, flags).map(drop)
}

fn receive(socket: &OwnedFd, node: NodeId) -> io::Result<OwnedFd> {
    let mut bytes = [0; MESSAGE + 1];
    let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(1))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let mut buffers = [IoSliceMut::new(&mut bytes)];
    let flags = RecvFlags::DONTWAIT | RecvFlags::CMSG_CLOEXEC;
    let len = recvmsg(socket, &mut buffers, &mut ancillary, flags)?.bytes;
    // All descriptors are taken out, so that those not wanted are closed.
    let mut passed = None;
    for message in ancillary.drain() {
        if let RecvAncillaryMessage::ScmRights(fds) = message {
            passed = fds.last();
        }
    }
    let refused = || io::Error::other("what came through the door is no arena");
    if bytes.get(..len) != Some(&message(node)[..]) {
        return Err(refused());
    }
    passed.ok_or_else(refused)
}

/// `"ISTHDOOR"`, layout version (4), node id (2), zero (2).
fn message(node: NodeId) -> [u8; MESSAGE] {
    let mut bytes = [0; MESSAGE];
    bytes[..8].copy_from_slice(b"ISTHDOOR");
    bytes[8..12].copy_from_slice(&ABI_VERSION.to_le_bytes());
    bytes[12..14].copy_from_slice(&node.get().to_le_bytes());
    bytes
}

fn new_socket() -> io::Result<OwnedFd> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    Ok(socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)?)
}

fn door_name(node: NodeId) -> String {
    format!("node-{:03}.memory", node.get())
}

fn node_of_name(name: &str) -> Option<NodeId> {
    let digits = name.strip_prefix("node-")?.strip_suffix(".memory")?;
    NodeId::new(digits.parse().ok()?).filter(|node| door_name(*node) == name)
}

/// Nobody changes the length, nobody writes but through the mapping that there is, and no seal is added.
const SEALS: SealFlags =
    SealFlags::SHRINK.union(SealFlags::GROW).union(SealFlags::FUTURE_WRITE).union(SealFlags::SEAL);

/// Where the flags of `memfd_create` say the size of huge pages, by its exponent.
const MFD_HUGE_SHIFT: u32 = 26;

const MESSAGE: usize = 16;

/// How long a door may take to answer.
const WAIT: Duration = Duration::from_millis(100);

/// How long it is left alone if it did not: at first, and at most.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LAST_PAUSE: Duration = Duration::from_secs(30);

/// How long the files of a process may stay open after its door was closed.
const LOCK_RELEASE: Duration = Duration::from_secs(2);
