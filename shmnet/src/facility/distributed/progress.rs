//! The progress thread: it alone moves data, in both directions.
//!
//! The engine makes progress only when it is called, so this thread calls it: all the time while there is traffic; else it
//! sleeps on the descriptors of the endpoints and control connections and on the bell of the staging queue. Heartbeats and what else
//! is written in headers are no traffic: nothing follows them at once that a look would find sooner than the descriptors tell of it.

use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::arena::Arena;
use super::inbound::{Inbound, News};
use super::outbound::Outbound;
use super::staging::Staging;
use crate::doorbell::Bell;

/// What the thread is asked for.
pub(super) enum Command {
    /// A session to a peer.
    Outbound(Box<Outbound>),
    /// A session from a peer.
    Inbound(Box<Inbound>),
    /// This node's arena, or that it has none any more.
    Carry(Option<Arc<Arena>>),
    /// Answer when what was staged so far was taken over by all sessions.
    Drain(Sender<()>),
    /// Answer when the peers have read all that they were sent.
    Deliver(Sender<()>),
}

/// Whom to ring for what arrives.
#[derive(Debug, Default)]
pub(super) struct Bells {
    /// The data threads', for frames.
    pub(super) data: Vec<Arc<Bell>>,
    /// The control thread's, for members.
    pub(super) control: Option<Arc<Bell>>,
}

/// See the module.
pub(super) struct Progress {
    staging: Arc<Staging>,
    commands: Receiver<Command>,
    stop: Arc<AtomicBool>,
    bells: Bells,
    /// Nodes have come or gone since membership last looked.
    news: Arc<AtomicBool>,
    /// The offset in an arena from which on there are frames.
    frames_from: u64,
    inbound: Vec<Inbound>,
    outbound: Vec<Outbound>,
    arena: Option<Arc<Arena>>,
    draining: Vec<(u32, Sender<()>)>,
    delivering: Vec<Sender<()>>,
    /// When all sessions were last driven, whether or not their descriptors told of anything.
    all_driven: Instant,
}

impl Progress {
    pub(super) fn new(
        staging: Arc<Staging>,
        commands: Receiver<Command>,
        stop: Arc<AtomicBool>,
        bells: Bells,
        news: Arc<AtomicBool>,
        frames_from: u64,
    ) -> Self {
        Self {
            staging,
            commands,
            stop,
            bells,
            news,
            frames_from,
            inbound: Vec::new(),
            outbound: Vec::new(),
            arena: None,
            draining: Vec::new(),
            delivering: Vec::new(),
            all_driven: Instant::now(),
        }
    }

    /// Runs until it is told to stop.
    pub(super) fn run(mut self) {
        // The last round that moved frames, or anything that a peer waits for.
        let mut last_traffic: Option<Instant> = None;
        let mut idle = true;
        // The control connections are looked at when this thread has slept, and now and then.
        let mut round = 0_u32;
        while !self.stop.load(Ordering::Relaxed) {
            let hear = idle || round.is_multiple_of(HEAR_EVERY);
            round = round.wrapping_add(1);
            self.obey();
            let work = self.receive(hear).max(self.drain()).max(self.transmit(hear));
            self.answer();
            idle = work != Work::Traffic;
            match work {
                Work::Traffic => {
                    last_traffic = Some(Instant::now());
                    // While it does not sleep, no descriptor tells of the others.
                    self.rouse_all();
                }
                _ if last_traffic.is_some_and(|last| last.elapsed() < SPIN) => std::hint::spin_loop(),
                // If there is more to do, it does not sleep.
                Work::Little | Work::None => {
                    last_traffic = None;
                    self.sleep();
                }
            }
        }
    }

    fn obey(&mut self) {
        while let Ok(command) = self.commands.try_recv() {
            self.rouse_all();
            match command {
                Command::Outbound(mut session) => {
                    tracing::info!(node = session.node.get(), "this node's memory is reflected to a peer");
                    session.carry(self.arena.clone());
                    self.outbound.retain_mut(|other| {
                        let stays = other.node != session.node;
                        if !stays {
                            other.abandon();
                        }
                        stays
                    });
                    self.outbound.push(*session);
                }
                Command::Inbound(session) => {
                    tracing::info!(node = session.node.get(), "a peer reflects its memory to this node");
                    self.inbound.retain_mut(|other| {
                        let stays = other.node != session.node;
                        if !stays {
                            other.abandon();
                        }
                        stays
                    });
                    // What went to another process of the node leads nowhere.
                    self.outbound.retain_mut(|other| {
                        let stays = other.node != session.node || other.process == session.process;
                        if !stays {
                            other.abandon();
                        }
                        stays
                    });
                    self.inbound.push(*session);
                }
                Command::Carry(arena) => {
                    self.outbound.iter_mut().for_each(|session| session.carry(arena.clone()));
                    self.arena = arena;
                }
                Command::Drain(answer) => self.draining.push((self.staging.taken(), answer)),
                Command::Deliver(answer) => self.delivering.push(answer),
            }
        }
    }

    fn answer(&mut self) {
        let given = self.staging.given();
        self.draining.retain(|(until, answer)| {
            // Both counts wrap.
            let done = given.wrapping_sub(*until) as i32 >= 0;
            if done {
                // Whoever asked may have given up waiting.
                let _ = answer.send(());
            }
            !done
        });
        if self.outbound.iter().all(|session| session.is_delivered()) {
            for answer in self.delivering.drain(..) {
                let _ = answer.send(());
            }
        }
    }

    /// Applies what the peers have written.
    fn receive(&mut self, hear: bool) -> Work {
        let mut news = News::default();
        self.inbound.retain_mut(|session| {
            if !session.roused {
                return true;
            }
            match session.drive(hear, self.frames_from) {
                Ok(found) => {
                    news.add(found);
                    true
                }
                Err(error) => {
                    tracing::info!(node = session.node.get(), %error, "a peer's memory is reflected no more");
                    news.membership = true;
                    if has_hung_up(&error) {
                        session.note_hang_up();
                    } else {
                        session.abandon();
                    }
                    false
                }
            }
        });
        if news.frames {
            // By which queue they came is not looked at: who wakes for nothing sleeps again.
            self.bells.data.iter().for_each(|bell| bell.ring());
        }
        if news.membership {
            self.news.store(true, Ordering::Release);
            if let Some(bell) = &self.bells.control {
                bell.ring();
            }
        }
        match news {
            News { frames: true, .. } | News { membership: true, .. } => Work::Traffic,
            News { any: true, .. } => Work::Little,
            _ => Work::None,
        }
    }

    /// Hands staged ranges to the sessions, until there are no more or one has no room.
    fn drain(&mut self) -> Work {
        let mut work = Work::None;
        for _ in 0..AT_ONCE {
            let Some(range) = self.staging.peek() else { return work };
            // All or none: a range must not go to one peer twice.
            if !self.outbound.iter_mut().fold(true, |all, session| session.has_room(range) & all) {
                return work;
            }
            self.outbound.iter_mut().for_each(|session| session.take(range, &self.staging));
            self.staging.pop(range);
            work = work.max(if range.offset < self.frames_from { Work::Little } else { Work::Traffic });
        }
        work
    }

    fn transmit(&mut self, hear: bool) -> Work {
        let mut work = Work::None;
        let staging = &self.staging;
        self.outbound.retain_mut(|session| {
            session.roused |= session.is_pressing() || session.has_to_say();
            if !session.roused {
                return true;
            }
            for _ in 0..PIECES {
                if !session.catch_up(staging) {
                    break;
                }
                work = Work::Traffic;
            }
            match session.drive(hear) {
                Ok(moved) => {
                    work = work.max(if moved { Work::Little } else { Work::None });
                    true
                }
                Err(error) => {
                    tracing::info!(node = session.node.get(), %error, "this node's memory is reflected to a peer no more");
                    if !has_hung_up(&error) {
                        session.abandon();
                    }
                    false
                }
            }
        });
        work
    }

    /// Sleeps until anything can be done.
    fn sleep(&mut self) {
        let pressing = self.outbound.iter().any(|session| session.is_pressing())
            || !self.draining.is_empty()
            || !self.delivering.is_empty();
        // The others have not been touched since they might wait.
        let may_wait = self.inbound.iter_mut().all(|session| !session.roused || session.may_wait())
            && self.outbound.iter_mut().all(|session| !session.roused || session.may_wait())
            && self.staging.lie_down();
        if !may_wait || self.stop.load(Ordering::Relaxed) {
            self.staging.get_up();
            return;
        }
        let mut fds = vec![PollFd::from_borrowed_fd(self.staging.bell().as_fd(), PollFlags::IN)];
        for fd in self.inbound.iter().flat_map(|session| session.fds()) {
            fds.push(PollFd::from_borrowed_fd(fd, PollFlags::IN));
        }
        for fd in self.outbound.iter().flat_map(|session| session.fds()) {
            fds.push(PollFd::from_borrowed_fd(fd, PollFlags::IN));
        }
        let time = if pressing { PRESSING } else { LONGEST_SLEEP };
        let time = Timespec { tv_sec: 0, tv_nsec: time.as_nanos() as i64 };
        let found = poll(&mut fds, Some(&time));
        let told: Vec<bool> = fds.iter().map(|fd| !fd.revents().is_empty()).collect();
        // Of each session the endpoint and the control connection.
        let mut sessions = told.get(1..).unwrap_or_default().chunks_exact(2).map(|told| told.contains(&true));
        for roused in self.inbound.iter_mut().map(|session| &mut session.roused) {
            *roused = sessions.next().unwrap_or(true);
        }
        for roused in self.outbound.iter_mut().map(|session| &mut session.roused) {
            *roused = sessions.next().unwrap_or(true);
        }
        self.staging.get_up();
        // Interrupted or too late, everything is looked at next.
        if !matches!(found, Ok(1..)) || self.all_driven.elapsed() >= ALL_DRIVEN {
            self.rouse_all();
        }
    }

    /// Has all sessions driven in the next round.
    fn rouse_all(&mut self) {
        self.all_driven = Instant::now();
        self.inbound.iter_mut().for_each(|session| session.roused = true);
        self.outbound.iter_mut().for_each(|session| session.roused = true);
    }
}

/// What a round has done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Work {
    None,
    /// Heartbeats and the like, or what is left to do after frames have gone.
    Little,
    /// More is likely to follow.
    Traffic,
}

/// How long the thread looks again and again after the last traffic before it sleeps.
const SPIN: Duration = Duration::from_micros(20);

/// A look at the control connections every so many rounds.
const HEAR_EVERY: u32 = 256;

/// Staged ranges handed over before anything else is looked at.
const AT_ONCE: usize = 512;

/// Pieces of what was there before, sent before anything else is looked at.
const PIECES: usize = 64;

/// How long it sleeps while the engine has no room.
const PRESSING: Duration = Duration::from_micros(200);

/// How long a session may be left alone of which nothing is told: its timeouts are counted when it is driven.
const ALL_DRIVEN: Duration = Duration::from_millis(200);

/// How long it sleeps at most; nothing that matters waits for it.
const LONGEST_SLEEP: Duration = Duration::from_millis(500);

/// Whether a session ended as one whose peer's process has ended: its connections are closed.
fn has_hung_up(error: &std::io::Error) -> bool {
    use std::io::ErrorKind;
    // The control connections' own ends; a failure of a transfer is of another kind.
    matches!(
        error.kind(),
        ErrorKind::ConnectionAborted
            | ErrorKind::ConnectionReset
            | ErrorKind::BrokenPipe
            | ErrorKind::UnexpectedEof
    )
}
