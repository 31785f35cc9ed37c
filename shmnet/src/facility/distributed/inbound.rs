//! A session from a peer: it writes to a window here, and what it writes there is applied to the copy of its arena.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::copies::{Copies, Copy};
use super::engine::Endpoint;
use super::log::{HEAD, Head, Kind, RECORD, Record, UNIT, apply, place};
use super::staging::LONGEST;
use crate::memory::PeerSpan;
use crate::node::NodeId;

/// See the module. Dropping it ends the session; the copy is then found no more.
pub(super) struct Inbound {
    pub(super) node: NodeId,
    /// The peer's process.
    pub(super) process: u64,
    /// There may be something to do.
    pub(super) roused: bool,
    endpoint: Endpoint,
    window: PeerSpan,
    control: TcpStream,
    copies: Arc<Copies>,
    /// Which of the node's sessions this is.
    session: u64,
    copy: Option<Copy>,
    /// Where the next batch begins to count.
    next: u64,
    /// Batches that came before their time, by the end of the batch that they follow.
    early: BTreeMap<u64, Head>,
    /// How far the peer was told that this node has read, and what of that is not yet under way.
    told: u64,
    told_at: Instant,
    unsent: Vec<u8>,
    arrivals: Vec<u32>,
    bounce: Box<[u8]>,
}

/// What a look at a session brought.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct News {
    /// Anything at all.
    pub(super) any: bool,
    /// Something beyond the lines of the header: perhaps a frame.
    pub(super) frames: bool,
    /// A node came or went.
    pub(super) membership: bool,
}

impl News {
    pub(super) fn add(&mut self, other: Self) {
        self.any |= other.any;
        self.frames |= other.frames;
        self.membership |= other.membership;
    }
}

impl Inbound {
    pub(super) fn new(
        (node, process): (NodeId, u64),
        endpoint: Endpoint,
        window: PeerSpan,
        control: TcpStream,
        copies: Arc<Copies>,
        session: u64,
    ) -> Self {
        Self {
            node,
            process,
            roused: true,
            endpoint,
            window,
            control,
            copies,
            session,
            copy: None,
            next: 0,
            early: BTreeMap::new(),
            told: 0,
            told_at: Instant::now(),
            unsent: Vec::new(),
            arrivals: Vec::new(),
            bounce: vec![0; LONGEST].into_boxed_slice(),
        }
    }

    /// Applies what has arrived. `frames_from` is the offset in an arena from which on there are frames.
    ///
    /// An error ends the session.
    pub(super) fn drive(&mut self, hear: bool, frames_from: u64) -> io::Result<News> {
        let Self { endpoint, arrivals, .. } = self;
        let mut news = News { any: endpoint.poll(|say| arrivals.push(say))?, ..News::default() };
        for say in std::mem::take(&mut self.arrivals) {
            let at = place(u64::from(say) * UNIT as u64, self.window.len());
            let Some(head) = Head::read(&self.window, at) else {
                return Err(nonsense("a batch that cannot be"));
            };
            if head.follows < self.next || head.follows - self.next > self.window.len() as u64 {
                return Err(nonsense("a batch out of the window"));
            }
            self.early.insert(head.follows, head);
        }
        while let Some(head) = self.early.remove(&self.next) {
            news.add(self.read_batch(head, frames_from)?);
            self.next = head.end();
        }
        let unsaid = self.next - self.told;
        let due =
            unsaid >= self.window.len() as u64 / 8 || news.membership || self.told_at.elapsed() > REPORT;
        if unsaid > 0 && due {
            self.told = self.next;
            self.told_at = Instant::now();
            self.unsent.extend_from_slice(&self.next.to_le_bytes());
        }
        self.tell()?;
        if hear {
            self.hear()?;
        }
        if news.any {
            self.copies.heard(self.node, self.session);
        }
        Ok(news)
    }

    fn read_batch(&mut self, head: Head, frames_from: u64) -> io::Result<News> {
        let mut news = News::default();
        let begin = place(head.begin, self.window.len());
        let mut at = HEAD;
        while at < head.len {
            let Some(record) = Record::read(&self.window, begin + at, head.len - at) else {
                return Err(nonsense("a record that cannot be"));
            };
            match record.kind {
                Kind::Data => {
                    let data = self.window.sub(begin + at + RECORD, record.len).map_err(io::Error::other)?;
                    let copy = self.copy.as_ref().ok_or_else(|| nonsense("data of no arena"))?;
                    let Some(changed) = apply(&data, &copy.memory, record.offset, &mut self.bounce) else {
                        return Err(nonsense("data beyond the arena"));
                    };
                    // A word stored anew with its old value wakes nobody: else two sleepers could keep each other awake.
                    news.frames |= changed && record.offset >= frames_from;
                }
                Kind::Begin => {
                    self.copies.hide(self.node, self.session);
                    self.copy = Some(Copy::new(record.offset)?);
                    news.membership = true;
                }
                Kind::Shown => {
                    let copy = self.copy.as_ref().ok_or_else(|| nonsense("an arena that never began"))?;
                    self.copies.show(self.node, self.session, copy);
                    news.membership = true;
                }
                Kind::Gone => {
                    self.copies.hide(self.node, self.session);
                    self.copy = None;
                    news.membership = true;
                }
            }
            at += record.bytes();
        }
        Ok(news)
    }

    /// Tells the peer how far its window was read.
    fn tell(&mut self) -> io::Result<()> {
        while !self.unsent.is_empty() {
            match (&self.control).write(&self.unsent) {
                Ok(count) => {
                    self.unsent.drain(..count);
                }
                // A peer that does not listen fills its own window and nothing else; this is bounded by that.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// The peer says nothing; but it may hang up.
    fn hear(&mut self) -> io::Result<()> {
        match (&self.control).read(&mut [0; 8]) {
            Ok(0) => Err(io::Error::new(io::ErrorKind::ConnectionAborted, "the peer hung up")),
            Ok(_) => Err(nonsense("words where none belong")),
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    /// Notes that the peer has hung up, which ends the session.
    pub(super) fn note_hang_up(&self) {
        self.copies.hang_up(self.node, self.session);
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

impl Drop for Inbound {
    fn drop(&mut self) {
        self.copies.end(self.node, self.session);
    }
}

fn nonsense(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

/// The peer hears how far its window was read, however little that is, after this time.
const REPORT: Duration = Duration::from_millis(200);
