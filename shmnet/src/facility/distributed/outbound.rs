//! A session to a peer: this node's arena goes out by it.
//!
//! What was published is put together in batches in this node's own window, and written from there to the same place of the
//! peer's. The peer says how far it has read; so far the window is free again.

use std::collections::VecDeque;
use std::io::{self, Read};
use std::net::TcpStream;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

use super::arena::Arena;
use super::control::Target;
use super::engine::Endpoint;
use super::log::{HEAD, Head, Kind, RECORD, Record, UNIT, place};
use super::staging::{LONGEST, Range, Route, Staging};
use crate::memory::OwnSpan;
use crate::node::NodeId;

/// See the module. Dropping it ends the session, and tells the dialler.
pub(super) struct Outbound {
    pub(super) node: NodeId,
    /// The peer's process.
    pub(super) process: u64,
    /// There may be something to do.
    pub(super) roused: bool,
    endpoint: Endpoint,
    window: OwnSpan,
    target: Target,
    control: TcpStream,
    /// The batch that is being put together.
    open: Option<Head>,
    /// Batches that are whole, and not yet given to the engine.
    unposted: VecDeque<Head>,
    /// Where the last whole batch ends in the stream.
    written: u64,
    /// How far the peer has read.
    read: u64,
    credit: [u8; 8],
    credit_len: usize,
    stalled: Option<Instant>,
    /// When the peer last said how far it has read, or had read all.
    heard: Instant,
    carried: Option<Carried>,
    /// The arena was taken away, and the peer does not yet know.
    withdrawn: bool,
    /// How long the peer may leave the window full.
    patience: Duration,
    _ended: Ended,
}

/// The arena that the session carries, and how far that has come.
struct Carried {
    arena: Arc<Arena>,
    /// What is still to be sent of what was there when the session began to carry it.
    rest: VecDeque<(u64, u64)>,
    begun: bool,
    /// Once all was sent: the staged ranges that have to go out before peers may look.
    show_after: Option<u32>,
    shown: bool,
}

/// Tells the dialler that the session is over.
pub(super) struct Ended(pub(super) Sender<()>);

impl Drop for Ended {
    fn drop(&mut self) {
        // The dialler is gone when the facility is.
        let _ = self.0.send(());
    }
}

impl Outbound {
    pub(super) fn new(
        (node, process): (NodeId, u64),
        endpoint: Endpoint,
        window: OwnSpan,
        target: Target,
        control: TcpStream,
        patience: Duration,
        ended: Ended,
    ) -> Self {
        Self {
            node,
            process,
            roused: true,
            endpoint,
            window,
            target,
            control,
            open: None,
            unposted: VecDeque::new(),
            written: 0,
            read: 0,
            credit: [0; 8],
            credit_len: 0,
            stalled: None,
            heard: Instant::now(),
            carried: None,
            withdrawn: false,
            patience,
            _ended: ended,
        }
    }

    /// Carries another arena from here on, or none.
    pub(super) fn carry(&mut self, arena: Option<Arc<Arena>>) {
        let begun = self.carried.as_ref().is_some_and(|carried| carried.begun);
        self.withdrawn |= begun && arena.is_none();
        let rest = arena.as_ref().map_or(VecDeque::new(), |arena| arena.parts_for(self.node));
        self.carried =
            arena.map(|arena| Carried { arena, rest, begun: false, show_after: None, shown: false });
    }

    /// Sends what was there before the session carried the arena, as far as there is room; whether anything was done.
    pub(super) fn catch_up(&mut self, staging: &Staging) -> bool {
        if self.withdrawn {
            self.withdrawn = !self.say(Kind::Gone, 0);
            return !self.withdrawn;
        }
        let Some(carried) = &mut self.carried else { return false };
        if carried.shown {
            return false;
        }
        let len = carried.arena.memory.len() as u64;
        if !carried.begun {
            let said = self.say(Kind::Begin, len);
            if let Some(carried) = &mut self.carried {
                carried.begun = said;
            }
            return said;
        }
        if let Some((offset, len)) = carried.rest.front().copied() {
            let arena = Arc::clone(&carried.arena);
            let piece = len.min(PIECE);
            if !self.send_piece(&arena, offset, piece as usize) {
                return false;
            }
            if let Some(carried) = &mut self.carried {
                carried.rest.pop_front();
                if piece < len {
                    carried.rest.push_front((offset + piece, len - piece));
                }
            }
            return true;
        }
        let after = *carried.show_after.get_or_insert_with(|| staging.taken());
        // Those that were staged before are out once as many were given back; both counts wrap.
        if staging.given().wrapping_sub(after) as i32 >= 0 && self.say(Kind::Shown, 0) {
            if let Some(carried) = &mut self.carried {
                carried.shown = true;
            }
            return true;
        }
        false
    }

    /// A piece of the arena as it is now, unless it is as zero as the peer's copy is.
    fn send_piece(&mut self, arena: &Arena, offset: u64, len: usize) -> bool {
        let mut bytes = [0; PIECE as usize];
        let bytes = &mut bytes[..len];
        arena.memory.copy_out(offset as usize, bytes);
        if bytes.iter().all(|byte| *byte == 0) {
            return true;
        }
        self.append(Record { kind: Kind::Data, offset, len }, |window, at| window.copy_in(at, bytes))
    }

    /// Whether there is room for a staged range, if it concerns this peer at all.
    pub(super) fn has_room(&mut self, range: Range) -> bool {
        !self.wants(range) || self.room_for(RECORD + range.len).is_some() || {
            self.stalled.get_or_insert_with(Instant::now);
            false
        }
    }

    /// Takes the oldest staged range over, after [`has_room`](Self::has_room).
    pub(super) fn take(&mut self, range: Range, staging: &Staging) {
        let Some(carried) = self.carried.as_ref().filter(|_| self.wants(range)) else { return };
        let mut bytes = [0; LONGEST];
        let bytes = &mut bytes[..range.len];
        match range.route {
            Route::All => staging.copy_out(bytes),
            Route::Peer(_) => carried.arena.memory.copy_out(range.offset as usize, bytes),
        }
        let record = Record { kind: Kind::Data, offset: range.offset, len: range.len };
        self.append(record, |window, at| window.copy_in(at, bytes));
    }

    /// Whether a range goes to this peer: a ring only to its receiver.
    fn wants(&self, range: Range) -> bool {
        let ours = match range.route {
            Route::All => true,
            Route::Peer(id) => id == self.node.get(),
        };
        ours && self.carried.as_ref().is_some_and(|it| it.begun && it.arena.number == range.arena)
    }

    fn say(&mut self, kind: Kind, offset: u64) -> bool {
        self.append(Record { kind, offset, len: 0 }, |_, _| {})
    }

    /// Adds a record to the open batch, or to a new one; `false` if the window is full.
    fn append(&mut self, record: Record, fill: impl FnOnce(&OwnSpan, usize)) -> bool {
        let Some(mut head) = self.room_for(record.bytes()) else {
            self.stalled.get_or_insert_with(Instant::now);
            return false;
        };
        let at = place(head.begin, self.window.len()) + head.len;
        record.write(&self.window, at);
        fill(&self.window, at + RECORD);
        head.len += record.bytes();
        self.open = Some(head);
        true
    }

    /// The batch that has room for a record.
    fn room_for(&mut self, bytes: usize) -> Option<Head> {
        let window = self.window.len();
        if let Some(head) = self.open {
            let end = head.end() + bytes as u64;
            if head.len + bytes <= BATCH
                && place(head.begin, window) + head.len + bytes <= window
                && end - self.read <= window as u64
            {
                return Some(head);
            }
            self.close();
        }
        let mut begin = self.written.next_multiple_of(UNIT as u64);
        if place(begin, window) + HEAD + bytes > window {
            begin = begin.next_multiple_of(window as u64);
        }
        let fits = begin + (HEAD + bytes) as u64 - self.read <= window as u64;
        fits.then_some(Head { begin, follows: self.written, len: HEAD })
    }

    fn close(&mut self) {
        if let Some(head) = self.open.take() {
            head.write(&self.window);
            self.written = head.end();
            self.unposted.push_back(head);
        }
    }

    /// Gives what was put together to the engine, makes it move, and hears what the peer says.
    ///
    /// An error ends the session.
    pub(super) fn drive(&mut self, hear: bool) -> io::Result<bool> {
        self.close();
        let mut any = false;
        while let Some(head) = self.unposted.front() {
            let say = (head.begin / UNIT as u64) as u32 & SAY_MASK;
            if !self.endpoint.write(&self.target, place(head.begin, self.window.len()), head.len, say)? {
                break;
            }
            self.unposted.pop_front();
            any = true;
        }
        let mut broken = false;
        any |= self.endpoint.poll(|_| broken = true)?;
        if broken {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "a write to memory that is only read from",
            ));
        }
        if hear || self.stalled.is_some() || self.written - self.read > self.window.len() as u64 / 2 {
            any |= self.hear()?;
        }
        if self.read == self.written {
            self.heard = Instant::now();
        } else if self.heard.elapsed() > SILENT {
            return Err(io::Error::new(io::ErrorKind::TimedOut, "the peer answers no more"));
        }
        if self.stalled.is_some_and(|since| since.elapsed() > self.patience) {
            return Err(io::Error::new(io::ErrorKind::TimedOut, "the peer reads too slowly, or not at all"));
        }
        Ok(any)
    }

    /// How far the peer has read.
    fn hear(&mut self) -> io::Result<bool> {
        let mut any = false;
        loop {
            match (&self.control).read(&mut self.credit[self.credit_len..]) {
                Ok(0) => return Err(io::Error::new(io::ErrorKind::ConnectionAborted, "the peer hung up")),
                Ok(count) => self.credit_len += count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(any),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            }
            if self.credit_len == self.credit.len() {
                self.credit_len = 0;
                let read = u64::from_le_bytes(self.credit);
                if read < self.read || read > self.written {
                    return Err(io::Error::new(
                        io::ErrorKind::InvalidData,
                        "the peer has read what was never written",
                    ));
                }
                self.read = read;
                self.stalled = None;
                self.heard = Instant::now();
                any = true;
            }
        }
    }

    /// Whether all that was taken over was read by the peer.
    pub(super) fn is_delivered(&self) -> bool {
        !self.withdrawn && self.open.is_none() && self.unposted.is_empty() && self.read == self.written
    }

    /// Whether there is something that only another look can bring on.
    pub(super) fn is_pressing(&self) -> bool {
        !self.unposted.is_empty() || self.stalled.is_some()
    }

    /// Whether something was taken over that is not yet on its way, or the peer does not yet know of the arena as it is.
    pub(super) fn has_to_say(&self) -> bool {
        self.open.is_some() || self.withdrawn || self.carried.as_ref().is_some_and(|carried| !carried.shown)
    }

    /// Does without closing the endpoint in order: see [`Endpoint::abandon`].
    pub(super) fn abandon(&mut self) {
        self.endpoint.abandon();
    }

    pub(super) fn may_wait(&mut self) -> bool {
        self.endpoint.may_wait()
    }

    /// What to wait for.
    pub(super) fn fds(&self) -> [BorrowedFd<'_>; 2] {
        [self.endpoint.as_fd(), self.control.as_fd()]
    }
}

/// The most bytes of a batch.
const BATCH: usize = 64 << 10;

/// Bytes sent at once of what was there before.
const PIECE: u64 = 4096;

/// How much of a batch's place goes with a write: the least that every provider carries, less one bit.
const SAY_MASK: u32 = 0x7fff_ffff;

/// How long a peer may read without a word.
const SILENT: Duration = Duration::from_secs(3);
