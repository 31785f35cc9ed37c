//! Who calls whom: a thread that takes calls, and one for each peer that calls it until there is a session.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::Builder;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, socket_with};

use super::control::{Answer, Hello, Holder};
use super::copies::Copies;
use super::engine::{Endpoint, Use};
use super::inbound::Inbound;
use super::outbound::{Ended, Outbound};
use super::progress::Command;
use super::staging::Staging;
use crate::config::ReflectedMemory;
use crate::memory::Mapping;
use crate::node::NodeId;

/// Why this process cannot take calls.
pub(super) enum Taken {
    /// Another process on this host is the same node.
    By(Holder, u64),
    /// Anything else.
    Error(io::Error),
}

impl From<io::Error> for Taken {
    fn from(error: io::Error) -> Self {
        Self::Error(error)
    }
}

/// What the threads have in common.
#[derive(Debug)]
pub(super) struct Switchboard {
    pub(super) config: ReflectedMemory,
    pub(super) me: NodeId,
    pub(super) takeover: AtomicBool,
    /// This process is the node: whoever is found to have its id later has taken it over.
    pub(super) held: AtomicBool,
    /// The incarnation, for those who want this node's id.
    pub(super) incarnation: AtomicU64,
    pub(super) lost: AtomicBool,
    /// Tells this process from others that were or will be this node.
    pub(super) process: u64,
    pub(super) copies: Arc<Copies>,
    pub(super) staging: Arc<Staging>,
    pub(super) commands: Sender<Command>,
    /// How long a peer may leave its window full.
    pub(super) patience: Duration,
    pub(super) stop: Arc<AtomicBool>,
    pub(super) outcomes: Outcomes,
    /// To the threads that call: "call now".
    pub(super) kicks: Mutex<BTreeMap<NodeId, Sender<()>>>,
    pub(super) calls: AtomicUsize,
}

/// What the latest call to each peer came to.
#[derive(Debug, Default)]
pub(super) struct Outcomes {
    latest: Mutex<BTreeMap<NodeId, Outcome>>,
    changed: Condvar,
}

/// What a call came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// A session. The peer has seen this incarnation of this node.
    Welcome(u64),
    /// Somebody else has this node's id.
    InUse(Holder, u64),
    /// Nothing.
    Failed,
}

impl Outcomes {
    fn set(&self, node: NodeId, outcome: Outcome) {
        self.latest.lock().unwrap_or_else(PoisonError::into_inner).insert(node, outcome);
        self.changed.notify_all();
    }

    /// What is known now.
    pub(super) fn now(&self) -> BTreeMap<NodeId, Outcome> {
        self.latest.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until so many peers were called, a little while at most.
    pub(super) fn wait(&self, count: usize, until: Instant) -> BTreeMap<NodeId, Outcome> {
        let mut latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let left = until.saturating_duration_since(Instant::now());
            if latest.len() >= count || left.is_zero() {
                return latest.clone();
            }
            latest = self.changed.wait_timeout(latest, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

/// Starts the threads.
pub(super) fn start(switchboard: &Arc<Switchboard>) -> Result<(), Taken> {
    let listener =
        TcpListener::bind(switchboard.config.listen).map_err(|error| switchboard.occupied(error))?;
    listener.set_nonblocking(true)?;
    let board = Arc::clone(switchboard);
    Builder::new().name("shm-listen".into()).spawn(move || listen(&board, &listener))?;
    for (node, address) in switchboard.peers() {
        let (kick, kicked) = channel();
        switchboard.kicks.lock().unwrap_or_else(PoisonError::into_inner).insert(node, kick.clone());
        let board = Arc::clone(switchboard);
        Builder::new()
            .name(format!("shm-call-{node}"))
            .spawn(move || board.keep_calling(node, address, &kick, &kicked))?;
    }
    Ok(())
}

impl Switchboard {
    /// All but this node.
    pub(super) fn peers(&self) -> impl Iterator<Item = (NodeId, SocketAddr)> {
        self.config
            .peers
            .iter()
            .filter(|(node, _)| **node != self.me)
            .map(|(node, address)| (*node, *address))
    }

    /// Who listens where this process cannot.
    fn occupied(&self, error: io::Error) -> Taken {
        if error.kind() != io::ErrorKind::AddrInUse {
            return Taken::Error(error);
        }
        let local = self.config.listen;
        let asked = connect(local.ip(), local).and_then(|control| {
            prepare(&control)?;
            self.hello(self.me).send(&control)?;
            Answer::receive(&control)
        });
        match asked {
            Ok(Answer::InUse { holder, incarnation }) => Taken::By(holder, incarnation),
            _ => Taken::Error(error),
        }
    }

    fn hello(&self, to: NodeId) -> Hello {
        Hello {
            from: self.me,
            to,
            process: self.process,
            takeover: self.takeover.load(Ordering::Relaxed),
            holder: Holder::here(),
        }
    }

    fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Calls a peer whenever there is no session to it.
    fn keep_calling(
        self: Arc<Self>,
        node: NodeId,
        address: SocketAddr,
        kick: &Sender<()>,
        kicked: &Receiver<()>,
    ) {
        let mut pause = FIRST_PAUSE;
        while !self.stopped() && !self.lost.load(Ordering::Relaxed) {
            let (ended, over) = channel();
            match self.call(node, address, Ended(ended)) {
                Ok(outcome) => {
                    let session = matches!(outcome, Outcome::Welcome(_));
                    if matches!(outcome, Outcome::InUse(..)) && self.held.load(Ordering::Relaxed) {
                        self.lost.store(true, Ordering::Relaxed);
                    }
                    self.outcomes.set(node, outcome);
                    if session {
                        pause = FIRST_PAUSE;
                        // However often it was kicked meanwhile, the session is what counts.
                        while over.recv_timeout(LOOK).is_err_and(|error| error == RecvTimeoutError::Timeout) {
                            if self.stopped() {
                                return;
                            }
                        }
                        while kicked.try_recv().is_ok() {}
                        continue;
                    }
                }
                Err(error) => {
                    tracing::debug!(node = node.get(), %address, %error, "cannot reach a peer");
                    self.outcomes.set(node, Outcome::Failed);
                }
            }
            let waited = Instant::now();
            while waited.elapsed() < pause && !self.stopped() {
                let rest = pause.saturating_sub(waited.elapsed()).min(LOOK);
                if kicked.recv_timeout(rest).is_ok() {
                    break;
                }
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
        // Held to the end, so that `kicked` never hears that nobody is there.
        let _ = kick;
    }

    /// One call: a session, or why there is none.
    fn call(&self, node: NodeId, address: SocketAddr, ended: Ended) -> io::Result<Outcome> {
        let control = connect(self.config.listen.ip(), address)?;
        prepare(&control)?;
        self.hello(node).send(&control)?;
        let (target, incarnation, process) = match Answer::receive(&control)? {
            Answer::Welcome { target, incarnation, process } => (target, incarnation, process),
            Answer::InUse { holder, incarnation } => return Ok(Outcome::InUse(holder, incarnation)),
            Answer::Stranger => {
                tracing::warn!(
                    node = node.get(), %address,
                    "the host at a peer's address does not know this node by this address, or is another node"
                );
                return Ok(Outcome::Failed);
            }
            Answer::Busy => return Ok(Outcome::Failed),
        };
        let (memory, _) = Mapping::anonymous(target.window as usize)?;
        let window = memory.own().map_err(io::Error::other)?;
        let local = self.config.listen.ip();
        let mut endpoint = Endpoint::open(&self.config.provider, local, memory, Use::Source, random()?)?;
        endpoint.connect(&target)?;
        control.set_nonblocking(true)?;
        let session = Outbound::new((node, process), endpoint, window, target, control, self.patience, ended);
        self.command(Command::Outbound(Box::new(session)));
        Ok(Outcome::Welcome(incarnation))
    }

    fn command(&self, command: Command) {
        // The progress thread is gone only when all of this is about to be.
        let _ = self.commands.send(command);
        self.staging.wake();
    }

    /// One caller: checks who it is, and gives it a window.
    fn take_call(&self, control: &TcpStream, from: IpAddr) -> io::Result<()> {
        control.set_nonblocking(false)?;
        prepare(control)?;
        let hello = Hello::receive(control)?;
        let node = hello.from;
        if hello.to == self.me && node == self.me && from == self.config.listen.ip() {
            // A second process on this host that cannot listen, since this one does.
            let incarnation = self.incarnation.load(Ordering::Relaxed);
            return Answer::InUse { holder: Holder::here(), incarnation }.send(control);
        }
        let known = self.config.peers.get(&node).is_some_and(|address| address.ip() == from);
        if !known || hello.to != self.me || node == self.me {
            tracing::warn!(node = node.get(), %from, to = hello.to.get(), "a stranger called");
            return Answer::Stranger.send(control);
        }
        let kept = control.try_clone()?;
        let (session, incarnation) =
            match self.copies.admit(node, hello.process, hello.holder, hello.takeover, kept) {
                Ok(admitted) => admitted,
                Err((holder, incarnation)) => return Answer::InUse { holder, incarnation }.send(control),
            };
        match self.welcome((node, hello.process), session, incarnation, control) {
            Ok(()) => {
                let kicks = self.kicks.lock().unwrap_or_else(PoisonError::into_inner);
                // Whoever calls is there to be called.
                kicks.get(&node).map(|kick| kick.send(()));
                Ok(())
            }
            Err(error) => {
                self.copies.end(node, session);
                tracing::warn!(node = node.get(), %error, "cannot give a peer a window");
                Answer::Busy.send(control)
            }
        }
    }

    fn welcome(
        &self,
        (node, process): (NodeId, u64),
        session: u64,
        incarnation: u64,
        control: &TcpStream,
    ) -> io::Result<()> {
        let (memory, reading) = Mapping::anonymous(self.config.window as usize)?;
        let local = self.config.listen.ip();
        let endpoint = Endpoint::open(&self.config.provider, local, memory, Use::Target, random()?)?;
        let answer = Answer::Welcome { target: endpoint.target()?, incarnation, process: self.process };
        let stream = control.try_clone()?;
        let copies = Arc::clone(&self.copies);
        let inbound = Inbound::new((node, process), endpoint, reading.peer(), stream, copies, session);
        answer.send(control)?;
        control.set_nonblocking(true)?;
        self.command(Command::Inbound(Box::new(inbound)));
        Ok(())
    }
}

/// Takes calls until told to stop.
fn listen(board: &Arc<Switchboard>, listener: &TcpListener) {
    while !board.stopped() {
        let mut fds = [PollFd::from_borrowed_fd(listener.as_fd(), PollFlags::IN)];
        let time = Timespec { tv_sec: 0, tv_nsec: LOOK.as_nanos() as i64 };
        let _ = poll(&mut fds, Some(&time));
        let Ok((control, from)) = listener.accept() else { continue };
        if board.calls.fetch_add(1, Ordering::Relaxed) >= CALLS {
            board.calls.fetch_sub(1, Ordering::Relaxed);
            continue;
        }
        let taking = Arc::clone(board);
        let started = Builder::new().name("shm-answer".into()).spawn(move || {
            if let Err(error) = taking.take_call(&control, from.ip()) {
                tracing::debug!(%from, %error, "a call that came to nothing");
            }
            taking.calls.fetch_sub(1, Ordering::Relaxed);
        });
        if started.is_err() {
            board.calls.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

/// Connects from this host's configured address, by which the peer knows it.
fn connect(local: IpAddr, to: SocketAddr) -> io::Result<TcpStream> {
    let family = if to.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(family, SocketType::STREAM, flags, None)?;
    bind(&socket, &SocketAddr::new(local, 0))?;
    match rustix::net::connect(&socket, &to) {
        Ok(()) | Err(Errno::INPROGRESS) => {}
        Err(errno) => return Err(errno.into()),
    }
    let time = Timespec { tv_sec: PATIENCE.as_secs() as i64, tv_nsec: 0 };
    if poll(&mut [PollFd::new(&socket, PollFlags::OUT)], Some(&time))? == 0 {
        return Err(io::ErrorKind::TimedOut.into());
    }
    rustix::net::sockopt::socket_error(&socket)??;
    let stream = TcpStream::from(socket);
    stream.set_nonblocking(false)?;
    Ok(stream)
}

fn prepare(control: &TcpStream) -> io::Result<()> {
    control.set_nodelay(true)?;
    control.set_read_timeout(Some(PATIENCE))?;
    control.set_write_timeout(Some(PATIENCE))
}

/// A number that nobody can guess.
pub(super) fn random() -> io::Result<u64> {
    let mut bytes = [0; 8];
    rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty())?;
    Ok(u64::from_le_bytes(bytes))
}

/// How long a word of the other side may take.
const PATIENCE: Duration = Duration::from_secs(1);

/// The pauses between calls that come to nothing.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// How soon a thread notices that it is to stop.
const LOOK: Duration = Duration::from_millis(100);

/// Callers that are listened to at a time.
const CALLS: usize = 64;
