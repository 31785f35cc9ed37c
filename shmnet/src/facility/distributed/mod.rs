//! Reflective memory between hosts that share none, over libfabric.
//!
//! Each node keeps its own arena, and a copy of each peer's. What it writes to its own is carried to the others' copies of
//! it by a progress thread on each side:
//!
//! ```text
//! packet path, heartbeat, control                       progress thread
//! write_back(range) → Publisher ([`arena`]) → queue ([`staging`]) → batches ([`outbound`]) ── RMA write ──┐
//!                                                                                                          │
//! membership, rings  ←  copy of the peer's arena  ←  records, one by one ([`inbound`], [`log`])  ←  window ┘
//! ```
//!
//! What is relied on is that the target is told of a write when its data is there, and nothing else: neither the order of the
//! bytes of a write nor that of writes; `tcp` may well cut a word in two. So writes go to a *window*, a log, and the target's
//! progress thread applies its records in order, words whole. That keeps what readers need: an aligned 8-byte word arrives
//! whole, and after what was published before it.
//!
//! * [`engine`] is libfabric; all else is free of unsafe code.
//! * [`control`], [`meeting`]: who calls whom, and what is said before the first write.
//! * [`copies`]: what is known of the peers.
//! * [`progress`]: the thread.
//!
//! A peer can write to the window that it was given, and nowhere else: each has an endpoint, a protection domain and a key of
//! its own, and what the window says is checked record by record against that peer's copy. A session that breaks takes its
//! copy with it: the peer falls silent, and membership closes it.

mod arena;
mod control;
mod copies;
mod engine;
mod inbound;
mod log;
mod meeting;
mod outbound;
mod progress;
mod staging;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use rustix::fs::{MemfdFlags, ftruncate, memfd_create};
use rustix::net::SocketAddrUnix;

use self::arena::{Arena, Publisher};
use self::control::Holder;
use self::copies::Copies;
use self::engine::{Endpoint, Use};
use self::meeting::{Outcome, Outcomes, Switchboard, Taken};
use self::progress::{Bells, Command, Progress};
use self::staging::{Route, Staging};
use super::{Facility, IdLock, Liveness, OwnFile, PeerFile, Stamp, Terms, Wakes, map_own};
use crate::config::ReflectedMemory;
use crate::doorbell::Bell;
use crate::error::JoinError;
use crate::layout::{Layout, PAGE};
use crate::memory::{Coherence, Mapping};
use crate::node::NodeId;

/// See the module.
#[derive(Debug)]
pub(super) struct Distributed {
    config: ReflectedMemory,
    terms: Terms,
    staging: Arc<Staging>,
    bells: Mutex<Bells>,
    news: Arc<AtomicBool>,
    running: OnceLock<Running>,
    arenas: AtomicU32,
    /// This node's arena, shown or not.
    arena: Mutex<Option<Arc<Arena>>>,
}

/// What runs from the time when a node takes its id.
#[derive(Debug)]
struct Running {
    board: Arc<Switchboard>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Distributed {
    pub(super) fn open(config: ReflectedMemory, terms: Terms) -> Result<Self, JoinError> {
        let wrong = |field, value: String, allowed| Err(JoinError::BadValue { field, value, allowed });
        if config.listen.ip().is_unspecified() {
            let value = config.listen.to_string();
            return wrong("listen", value, "the address of this host that the peers reach it by");
        }
        let window = config.window;
        if !window.is_power_of_two() || !(control::MIN_WINDOW..=control::MAX_WINDOW).contains(&window) {
            return wrong("window", window.to_string(), "a power of two from 256 KiB to 64 MiB");
        }
        let bell = Bell::new().map_err(JoinError::system("making a doorbell"))?;
        Ok(Self {
            config,
            terms,
            staging: Arc::new(Staging::new(bell)),
            bells: Mutex::default(),
            news: Arc::default(),
            running: OnceLock::new(),
            arenas: AtomicU32::new(0),
            arena: Mutex::new(None),
        })
    }

    /// Starts the threads.
    fn start(&self, me: NodeId, takeover: bool) -> Result<Running, JoinError> {
        // A provider that does not work here is found now, and not when the first peer calls.
        Mapping::anonymous(PAGE)
            .and_then(|(probe, _)| {
                Endpoint::open(&self.config.provider, self.config.listen.ip(), probe, Use::Target, 0)
            })
            .map_err(JoinError::system("opening an endpoint of the libfabric provider"))?;
        let (commands, received) = channel();
        let stop = Arc::new(AtomicBool::new(false));
        let board = Arc::new(Switchboard {
            config: self.config.clone(),
            me,
            takeover: AtomicBool::new(takeover),
            held: AtomicBool::new(false),
            incarnation: AtomicU64::new(0),
            lost: AtomicBool::new(false),
            process: meeting::random().map_err(JoinError::system("asking for a random number"))?,
            copies: Arc::new(Copies::default()),
            staging: Arc::clone(&self.staging),
            commands,
            // Before the peers take this node, which waits, for dead.
            patience: self.terms.timing.failed * 3 / 4,
            stop: Arc::clone(&stop),
            outcomes: Outcomes::default(),
            kicks: Mutex::default(),
            calls: AtomicUsize::new(0),
        });
        let frames_from = Layout::new(self.terms.max_nodes, self.terms.queues);
        let frames_from = frames_from.map_or(0, |layout| layout.groups as u64);
        let bells = std::mem::take(&mut *self.bells.lock().unwrap_or_else(PoisonError::into_inner));
        let news = Arc::clone(&self.news);
        let progress = Progress::new(Arc::clone(&self.staging), received, stop, bells, news, frames_from);
        let thread = Builder::new()
            .name("shm-progress".into())
            .spawn(move || progress.run())
            .map_err(JoinError::system("starting the progress thread"))?;
        let running = Running { board, thread: Mutex::new(Some(thread)) };
        match meeting::start(&running.board) {
            Ok(()) => Ok(running),
            Err(Taken::By(Holder { pid, hostname }, incarnation)) => {
                Err(JoinError::IdInUse { node: me, pid, hostname, incarnation })
            }
            Err(Taken::Error(error)) => Err(JoinError::System { what: "listening for peers", error }),
        }
    }

    /// Asks the progress thread for something, and waits a while for the answer.
    fn ask(&self, command: impl FnOnce(Sender<()>) -> Command) {
        if let Some(running) = self.running.get() {
            let (answer, answered) = channel();
            self.tell(command(answer));
            if answered.recv_timeout(ANSWER).is_err() {
                tracing::debug!(node = running.board.me.get(), "the progress thread is behind");
            }
        }
    }

    fn tell(&self, command: Command) {
        if let Some(running) = self.running.get() {
            // It ends with this value only.
            let _ = running.board.commands.send(command);
            self.staging.wake();
        }
    }

    fn copies(&self) -> Option<&Copies> {
        self.running.get().map(|running| &*running.board.copies)
    }

    fn current(&self) -> Option<Arc<Arena>> {
        self.arena.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Facility for Distributed {
    fn name(&self) -> &'static str {
        "distributed"
    }

    fn place(&self) -> String {
        format!("reflected memory at {}", self.config.listen)
    }

    fn free(&self) -> io::Result<u64> {
        let info = rustix::system::sysinfo();
        Ok((info.freeram as u64 + info.bufferram as u64).saturating_mul(info.mem_unit.into()))
    }

    fn lock(&self, node: NodeId, takeover: bool) -> Result<Box<dyn IdLock>, JoinError> {
        let running = self.start(node, takeover)?;
        let board = Arc::clone(&running.board);
        let count = board.peers().count();
        let begun = Instant::now();
        let mut outcomes = board.outcomes.wait(count, begun + FIRST_CALLS);
        while let Some((holder, incarnation)) = in_use(&outcomes) {
            // One that died without a word holds the id until it has been silent for long enough.
            if begun.elapsed() > copies::SILENT + FIRST_CALLS {
                return Err(JoinError::IdInUse {
                    node,
                    pid: holder.pid,
                    hostname: holder.hostname,
                    incarnation,
                });
            }
            std::thread::sleep(Duration::from_millis(50));
            outcomes = board.outcomes.now();
        }
        board.held.store(true, Ordering::Relaxed);
        // Once this process has the id, it does not take it again from one that came after it.
        board.takeover.store(false, Ordering::Relaxed);
        let seen = |outcome: &Outcome| if let Outcome::Welcome(seen) = outcome { Some(*seen) } else { None };
        let previous = outcomes.values().filter_map(seen).max().unwrap_or(0);
        let met: Vec<NodeId> =
            outcomes.iter().filter(|(_, outcome)| seen(outcome).is_some()).map(|(node, _)| *node).collect();
        // Those who are members are to be found by who joins now.
        board.copies.await_shown(&met, Instant::now() + FIRST_COPIES);
        let _ = self.running.set(running);
        Ok(Box::new(Lock { board, previous }))
    }

    fn create(&self, _node: NodeId, len: u64, allocate: u64) -> Result<OwnFile, JoinError> {
        let made = || -> io::Result<_> {
            let fd = memfd_create("isthmus-arena", MemfdFlags::CLOEXEC)?;
            ftruncate(&fd, len)?;
            let length = usize::try_from(len).map_err(io::Error::other)?;
            let reading = Mapping::read_only(&fd, 0, length)?;
            Ok((fd, reading))
        };
        let (fd, reading) = made().map_err(JoinError::system("making the arena"))?;
        let number = self.arenas.fetch_add(1, Ordering::Relaxed) + 1;
        let arena = Arc::new(Arena::new(number, reading.peer()));
        let layout = Layout::new(self.terms.max_nodes, self.terms.queues);
        let unhurried = layout.map_or(0..0, |layout| layout.attention..layout.groups);
        let publisher =
            Publisher { arena: Arc::clone(&arena), staging: Arc::clone(&self.staging), unhurried };
        let file = map_own(fd, len, allocate, Coherence::Reflected(Arc::new(publisher)), self)?;
        *self.arena.lock().unwrap_or_else(PoisonError::into_inner) = Some(arena);
        Ok(file)
    }

    fn reserve(&self, offset: u64, len: u64, reader: Option<NodeId>) {
        let Some(arena) = self.current() else { return };
        let route = reader.map_or(Route::All, |node| Route::Peer(node.get()));
        if !arena.is_fresh(offset, len) {
            // It was another ring's: what is still to go out of that one must not go to, or come from, the new one.
            self.ask(Command::Drain);
        }
        arena.reserve(offset, len, route);
    }

    fn show(&self, _node: NodeId) -> Result<(), JoinError> {
        self.tell(Command::Carry(self.current()));
        Ok(())
    }

    fn remove(&self, _node: NodeId) {
        let arena = self.arena.lock().unwrap_or_else(PoisonError::into_inner).take();
        if arena.is_some() {
            // The last words first.
            self.ask(Command::Drain);
            self.tell(Command::Carry(None));
            self.ask(Command::Deliver);
        }
    }

    fn sweep(&self, _me: NodeId) {}

    fn present(&self) -> io::Result<Vec<(NodeId, Stamp)>> {
        Ok(self.copies().map_or(Vec::new(), Copies::present))
    }

    fn open(&self, node: NodeId) -> io::Result<Option<PeerFile>> {
        self.copies().map_or(Ok(None), |copies| copies.open(node))
    }

    fn doorbell(&self, _node: NodeId) -> io::Result<SocketAddrUnix> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn clear_doorbell(&self, _node: NodeId) {}

    fn reuses_memory(&self) -> bool {
        false
    }

    fn wakes(&self) -> Wakes {
        Wakes::Arrival
    }

    fn is_reflected(&self) -> bool {
        true
    }

    fn liveness(&self) -> Liveness {
        Liveness::Heartbeat
    }

    fn bells(&self, data: &[Arc<Bell>], control: &Arc<Bell>) {
        let bells = Bells { data: data.to_vec(), control: Some(Arc::clone(control)) };
        *self.bells.lock().unwrap_or_else(PoisonError::into_inner) = bells;
    }

    fn has_ended(&self, node: NodeId, arena: Stamp) -> bool {
        self.copies().is_some_and(|copies| copies.has_ended(node, arena))
    }

    fn has_news(&self) -> bool {
        // Pairs with the release by the progress thread: what it has shown is found.
        self.news.swap(false, Ordering::Acquire)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.board.stop.store(true, Ordering::Relaxed);
        self.board.staging.wake();
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            let _ = thread.join();
        }
    }
}

/// Who else has this node's id, if a peer says so.
fn in_use(outcomes: &BTreeMap<NodeId, Outcome>) -> Option<(Holder, u64)> {
    outcomes.values().find_map(|outcome| match outcome {
        Outcome::InUse(holder, incarnation) => Some((holder.clone(), *incarnation)),
        _ => None,
    })
}

/// The id is held as long as the peers take no other process for this node.
#[derive(Debug)]
struct Lock {
    board: Arc<Switchboard>,
    previous: u64,
}

impl IdLock for Lock {
    fn previous(&self) -> u64 {
        self.previous
    }

    fn still_held(&self) -> bool {
        !self.board.lost.load(Ordering::Relaxed)
    }

    fn record(&mut self, incarnation: u64, _hostname: &str) {
        self.previous = incarnation;
        self.board.incarnation.store(incarnation, Ordering::Relaxed);
    }
}

/// How long a joiner waits for its first calls to be answered.
const FIRST_CALLS: Duration = Duration::from_millis(1500);

/// How long a joiner waits for the arenas of the peers that answered; they may be joining themselves.
const FIRST_COPIES: Duration = Duration::from_millis(1500);

/// How long the progress thread is waited for.
const ANSWER: Duration = Duration::from_millis(300);
