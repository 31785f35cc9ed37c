//! A port to another process on this host, over a connected pair of Unix sockets that keep message boundaries
//! (`SOCK_SEQPACKET`): one message is one frame. It needs no privileges.
//!
//! Both processes are given the same path. Whoever comes first listens there, the other connects; when
//! either dies the other loses its carrier at once and tries again for ever, at a bounded rate and without
//! blocking. The listener holds a lock on `PATH.lock` for as long as it listens, so a socket file whose lock
//! is free was left behind by a process that died, and may be replaced. A third process at the path is
//! turned away: its carrier comes and goes.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, epoll};
use rustix::fs::FlockOperation;
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketAddrUnix, SocketFlags, SocketType, accept_with, bind, connect,
    listen, recv, send, socket_with, sockopt,
};
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, timerfd_create, timerfd_settime,
};

use super::{CarrierFlag, ETHERNET_HEADER, OpenError, Port, PortInfo, PortStatistics, derived_mac};
use crate::forward::DropReason;
use crate::packet::{PacketBuffer, Pool};

/// How a socket port is made.
#[derive(Clone, Debug)]
pub struct SocketConfig {
    /// The port's name.
    pub name: String,
    /// Where the two processes meet.
    pub path: PathBuf,
    /// Ethernet address; `None`: one that follows from the path and the port's name.
    pub mac: Option<[u8; 6]>,
    /// Largest IP datagram, at most [`MAX_MTU`].
    pub mtu: u16,
}

/// The largest datagram that a socket port carries.
pub const MAX_MTU: u16 = 9000;
/// The usual largest datagram.
pub const DEFAULT_MTU: u16 = 1500;

/// Time between two attempts to find the other process.
const RETRY: Duration = Duration::from_millis(100);
/// Kernel buffer of each direction: a burst of frames of the largest size.
const BUFFER: usize = 1 << 20;

/// A port to another process, by a Unix socket.
pub struct SocketPort {
    info: PortInfo,
    meeting: MeetingPoint,
    connection: Option<OwnedFd>,
    listener: Option<Listener>,
    /// Holds the timer and whatever of listener and connection exists.
    epoll: OwnedFd,
    timer: OwnedFd,
    next_check: Instant,
    carrier: CarrierFlag,
    statistics: PortStatistics,
}

impl SocketPort {
    /// Opens the port, and makes the first attempt to find the other process.
    ///
    /// # Errors
    /// The path cannot be a socket's, or the process is out of descriptors. That the other process is not
    /// there is none.
    pub fn open(config: SocketConfig) -> Result<Self, OpenError> {
        let system = |source: Errno| OpenError::system(&config.name, "make a socket", "none", source);
        let meeting = MeetingPoint::new(&config.path)?;
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC).map_err(system)?;
        let timer = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK)
            .map_err(system)?;
        epoll::add(&epoll, &timer, epoll::EventData::new_u64(0), epoll::EventFlags::IN).map_err(system)?;
        let seed = format!("{} {}", config.path.display(), config.name);
        let mut port = Self {
            info: PortInfo {
                name: config.name.clone(),
                driver: "socket",
                mac: config.mac.unwrap_or_else(|| derived_mac(&seed)),
                mtu: config.mtu.min(MAX_MTU),
            },
            meeting,
            connection: None,
            listener: None,
            epoll,
            timer,
            next_check: Instant::now(),
            carrier: CarrierFlag::new(false),
            statistics: PortStatistics::default(),
        };
        match port.find_peer() {
            Ok(()) => {}
            Err(Refusal::Permanent(reason)) => return Err(OpenError::BadPath { path: config.path, reason }),
            Err(Refusal::Later) => {}
        }
        port.set_timer(port.connection.is_none() && port.listener.is_none());
        Ok(port)
    }

    /// The carrier, for other threads.
    pub fn carrier_flag(&self) -> CarrierFlag {
        self.carrier.clone()
    }

    /// Whether this side is the one that listens.
    pub fn is_listener(&self) -> bool {
        self.listener.is_some()
    }

    /// Accepts, refuses or looks for the other process. At most once in [`RETRY`], unless a sleep ended.
    fn maintain(&mut self) {
        self.next_check = Instant::now() + RETRY;
        // Only to make the timer unreadable; that it has not run out is no failure.
        let _ = rustix::io::read(&self.timer, &mut [0u8; 8]);
        if self.listener.is_some() {
            self.accept_waiting();
        } else if self.connection.is_none() {
            // Both refusals are temporary here: the path was usable when the port was opened.
            let _ = self.find_peer();
            self.set_timer(self.connection.is_none() && self.listener.is_none());
        }
    }

    fn accept_waiting(&mut self) {
        while let Some(listener) = &self.listener {
            let Ok(newcomer) = accept_with(&listener.socket, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK)
            else {
                return;
            };
            if self.connection.as_ref().is_some_and(is_connected) {
                // There is a peer: the newcomer learns from the hang-up that it is a third.
                drop(newcomer);
            } else {
                self.adopt(newcomer);
            }
        }
    }

    /// Connects to the one who listens, or becomes the one who listens.
    fn find_peer(&mut self) -> Result<(), Refusal> {
        match self.meeting.connect()? {
            Some(connection) => self.adopt(connection),
            None => {
                let Some(lock) = self.meeting.lock()? else { return Err(Refusal::Later) };
                // Another may have listened and gone between the attempt and the lock, or listen without it.
                match self.meeting.connect()? {
                    Some(connection) => self.adopt(connection),
                    None => {
                        let listener = self.meeting.listen(lock)?;
                        self.watch(&listener.socket, 1);
                        self.listener = Some(listener);
                    }
                }
            }
        }
        Ok(())
    }

    fn adopt(&mut self, connection: OwnedFd) {
        // Smaller buffers than asked for only mean earlier loss.
        let _ = sockopt::set_socket_send_buffer_size(&connection, BUFFER);
        self.watch(&connection, 2);
        self.connection = Some(connection);
        self.carrier.set(true);
    }

    /// Without it the port still works, by the check that [`Self::maintain`] makes from time to time.
    fn watch(&self, descriptor: &OwnedFd, key: u64) {
        let flags = epoll::EventFlags::IN | epoll::EventFlags::RDHUP;
        let _ = epoll::add(&self.epoll, descriptor, epoll::EventData::new_u64(key), flags);
    }

    fn hang_up(&mut self) {
        self.connection = None;
        self.carrier.set(false);
        self.next_check = Instant::now() + if self.listener.is_some() { Duration::ZERO } else { RETRY };
        self.set_timer(self.listener.is_none());
    }

    /// A running timer wakes the worker for the next attempt.
    fn set_timer(&self, run: bool) {
        let period = if run { RETRY } else { Duration::ZERO };
        let period = Timespec { tv_sec: 0, tv_nsec: period.subsec_nanos().into() };
        let value = Itimerspec { it_interval: period, it_value: period };
        // A valid timer and a valid period: it cannot fail.
        let _ = timerfd_settime(&self.timer, TimerfdTimerFlags::empty(), &value);
    }
}

impl Port for SocketPort {
    fn info(&self) -> &PortInfo {
        &self.info
    }

    fn receive(&mut self, batch: &mut Vec<PacketBuffer>, pool: &mut Pool, limit: usize) -> usize {
        if Instant::now() >= self.next_check {
            self.maintain();
        }
        let mut count = 0;
        while count < limit {
            let Some(connection) = &self.connection else { break };
            let Some(mut buffer) = pool.take() else { break };
            let space = buffer.space_mut();
            let room = space.len();
            match recv(connection, space, RecvFlags::DONTWAIT | RecvFlags::TRUNC) {
                Ok((_, len)) if len > 0 && len <= room => {
                    buffer.set_len(len);
                    batch.push(buffer);
                    count += 1;
                    continue;
                }
                Ok((_, 0)) => self.hang_up(),
                Ok(_) => self.statistics.receive_errors += 1,
                Err(Errno::AGAIN) => {
                    pool.give(buffer);
                    break;
                }
                Err(Errno::INTR) => {}
                Err(_) => self.hang_up(),
            }
            pool.give(buffer);
        }
        count
    }

    fn transmit(&mut self, frame: &[u8]) -> Result<(), DropReason> {
        if frame.len() < ETHERNET_HEADER {
            return Err(DropReason::BadFrame);
        }
        if frame.len() > usize::from(self.info.mtu) + ETHERNET_HEADER {
            return Err(DropReason::TooLong);
        }
        let Some(connection) = &self.connection else { return Err(DropReason::NoCarrier) };
        match send(connection, frame, SendFlags::DONTWAIT | SendFlags::NOSIGNAL) {
            Ok(_) => Ok(()),
            Err(Errno::AGAIN | Errno::NOBUFS | Errno::NOMEM | Errno::INTR) => Err(DropReason::TransmitError),
            Err(Errno::MSGSIZE) => Err(DropReason::TooLong),
            Err(_) => {
                self.hang_up();
                Err(DropReason::NoCarrier)
            }
        }
    }

    fn flush(&mut self) {
        if self.connection.is_none() && Instant::now() >= self.next_check {
            self.maintain();
        }
    }

    fn carrier(&self) -> bool {
        self.connection.is_some()
    }

    fn poll_descriptors(&self, out: &mut Vec<RawFd>) {
        out.push(self.epoll.as_raw_fd());
    }

    fn wake(&mut self) {
        self.next_check = Instant::now();
    }

    fn statistics(&self) -> PortStatistics {
        self.statistics
    }
}

impl Drop for SocketPort {
    fn drop(&mut self) {
        self.carrier.set(false);
    }
}

/// Why there is no connection and no listener.
enum Refusal {
    /// A later attempt may succeed.
    Later,
    /// Whoever configured the path has to act.
    Permanent(String),
}

impl Refusal {
    fn from_errno(errno: Errno) -> Self {
        match errno {
            Errno::AGAIN | Errno::INTR | Errno::NOBUFS | Errno::NOMEM | Errno::MFILE | Errno::NFILE => {
                Self::Later
            }
            other => Self::Permanent(io::Error::from(other).to_string()),
        }
    }
}

/// The path at which the processes meet, and its lock.
struct MeetingPoint {
    path: PathBuf,
    lock_path: PathBuf,
    address: SocketAddrUnix,
}

impl MeetingPoint {
    fn new(path: &Path) -> Result<Self, OpenError> {
        let bad = |reason: &str| OpenError::BadPath { path: path.to_owned(), reason: reason.to_owned() };
        let address =
            SocketAddrUnix::new(path).map_err(|_| bad("longer than 107 bytes, or holds a zero byte"))?;
        let Some(name) = path.file_name() else { return Err(bad("it names no file")) };
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        if !folder.is_dir() {
            return Err(bad("its folder does not exist"));
        }
        let mut lock_name = name.to_owned();
        lock_name.push(".lock");
        Ok(Self { path: path.to_owned(), lock_path: path.with_file_name(lock_name), address })
    }

    fn socket() -> Result<OwnedFd, Refusal> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None).map_err(Refusal::from_errno)
    }

    /// `None`: nobody listens.
    fn connect(&self) -> Result<Option<OwnedFd>, Refusal> {
        let socket = Self::socket()?;
        match connect(&socket, &self.address) {
            Ok(()) => Ok(Some(socket)),
            Err(Errno::NOENT | Errno::CONNREFUSED) => Ok(None),
            Err(Errno::PROTOTYPE) => {
                Err(Refusal::Permanent("a socket of another kind listens there".to_owned()))
            }
            Err(errno) => Err(Refusal::from_errno(errno)),
        }
    }

    /// `None`: another process holds it.
    fn lock(&self) -> Result<Option<File>, Refusal> {
        let permanent = |error: io::Error| Refusal::Permanent(error.to_string());
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .custom_flags(libc::O_NOFOLLOW)
            .open(&self.lock_path)
            .map_err(permanent)?;
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(Errno::WOULDBLOCK | Errno::INTR) => return Ok(None),
            Err(errno) => return Err(Refusal::from_errno(errno)),
        }
        // The holder removes the file when it goes: a lock on a removed file is none.
        let mine = file.metadata().map_err(permanent)?;
        let current = std::fs::symlink_metadata(&self.lock_path);
        let same = current.is_ok_and(|current| current.ino() == mine.ino() && current.dev() == mine.dev());
        Ok(same.then_some(file))
    }

    /// Listens, in place of whatever socket file a dead process left.
    fn listen(&self, lock: File) -> Result<Listener, Refusal> {
        use std::os::unix::fs::FileTypeExt;
        match std::fs::symlink_metadata(&self.path) {
            Ok(found) if found.file_type().is_socket() => {
                std::fs::remove_file(&self.path).map_err(|error| Refusal::Permanent(error.to_string()))?;
            }
            Ok(_) => return Err(Refusal::Permanent("a file that is not a socket is there".to_owned())),
            Err(_) => {}
        }
        let socket = Self::socket()?;
        bind(&socket, &self.address).map_err(Refusal::from_errno)?;
        let listener =
            Listener { socket, path: self.path.clone(), lock_path: self.lock_path.clone(), _lock: lock };
        listen(&listener.socket, 4).map_err(Refusal::from_errno)?;
        Ok(listener)
    }
}

/// A listening socket, its file and the lock; all go together, the lock last.
struct Listener {
    socket: OwnedFd,
    path: PathBuf,
    lock_path: PathBuf,
    _lock: File,
}

impl Drop for Listener {
    fn drop(&mut self) {
        // Someone may have removed them already; nothing is left to do then.
        let _ = std::fs::remove_file(&self.path);
        let _ = std::fs::remove_file(&self.lock_path);
    }
}

/// Whether the other end is still open.
fn is_connected(connection: &OwnedFd) -> bool {
    let mut descriptors = [PollFd::new(connection, PollFlags::RDHUP)];
    let none = Timespec { tv_sec: 0, tv_nsec: 0 };
    let gone = PollFlags::HUP | PollFlags::RDHUP | PollFlags::ERR;
    rustix::event::poll(&mut descriptors, Some(&none)).is_ok() && !descriptors[0].revents().intersects(gone)
}

#[cfg(test)]
mod tests;
