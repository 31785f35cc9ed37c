//! Hearing what peers say at the doorbells' sockets.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use rustix::buffer::spare_capacity;
use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};

use super::control::Control;
use crate::doorbell::Bell;
use crate::doorbell::link::{Link, Listener, Said, Speaker};
use crate::node::NodeId;

/// What this thread listens to. What it costs to wait does not depend on how many there are.
#[derive(Debug)]
pub(super) struct Ears {
    epoll: OwnedFd,
    callers: BTreeMap<u64, Caller>,
    /// Counts the callers.
    last: u64,
}

/// Someone who connected to our doorbell.
#[derive(Debug)]
struct Caller {
    link: Link,
    node: Option<NodeId>,
}

/// Who has something to say.
#[derive(Debug, Default)]
pub(super) struct Ready {
    /// Somebody, or this node's own threads.
    pub(super) anybody: bool,
    listener: bool,
    peers: Vec<NodeId>,
    callers: Vec<u64>,
}

impl Ears {
    /// Hears the waker alone.
    pub(super) fn new(waker: &Bell) -> io::Result<Self> {
        let ears = Self { epoll: epoll::create(CreateFlags::CLOEXEC)?, callers: BTreeMap::new(), last: 0 };
        ears.hear(waker, WAKER)?;
        Ok(ears)
    }

    /// Listens for calls.
    pub(super) fn hear_listener(&self, listener: &Listener) -> io::Result<()> {
        self.hear(listener, LISTENER)
    }

    /// Hears a peer that was called.
    pub(super) fn hear_peer(&self, node: NodeId, link: &Link) -> io::Result<()> {
        self.hear(link, PEERS + u64::from(node.get()))
    }

    /// Hangs up on all callers.
    pub(super) fn hang_up(&mut self) {
        self.callers.clear();
    }

    fn hear_caller(&mut self, link: Link) -> io::Result<()> {
        self.last += 1;
        self.hear(&link, CALLERS + self.last)?;
        self.callers.insert(self.last, Caller { link, node: None });
        Ok(())
    }

    /// Until the descriptor is closed; nobody has a copy of it.
    fn hear(&self, what: impl AsFd, token: u64) -> io::Result<()> {
        Ok(epoll::add(&self.epoll, what, EventData::new_u64(token), EventFlags::IN)?)
    }

    /// Waits until somebody has something to say.
    fn wait(&self, timeout: Duration) -> Ready {
        let timeout =
            Timespec { tv_sec: timeout.as_secs() as i64, tv_nsec: i64::from(timeout.subsec_nanos()) };
        let (mut events, mut ready) = (Vec::with_capacity(AT_ONCE), Ready::default());
        // Interrupted or not: whoever is not heard now has something to say still.
        let _ = epoll::wait(&self.epoll, spare_capacity(&mut events), Some(&timeout));
        ready.anybody = !events.is_empty();
        for event in events {
            match event.data.u64() {
                WAKER => {}
                LISTENER => ready.listener = true,
                peer @ PEERS..CALLERS => {
                    ready.peers.extend(u16::try_from(peer - PEERS).ok().and_then(NodeId::new));
                }
                caller => ready.callers.push(caller - CALLERS),
            }
        }
        ready
    }
}

impl Control {
    /// Waits for anything to happen; who has something to say.
    pub(super) fn wait(&self, timeout: Duration) -> Ready {
        self.ears.wait(timeout)
    }

    /// Takes the calls that have come, and hears what was said.
    pub(super) fn hear(&mut self, ready: Ready) {
        if ready.listener {
            self.accept_callers();
        }
        self.hear_callers(&ready.callers);
        self.hear_peers(&ready.peers);
    }

    fn accept_callers(&mut self) {
        let Some(life) = &self.life else { return };
        let me = Speaker { node: self.setup.me, incarnation: life.incarnation };
        while let Some(link) = life.listener.as_ref().and_then(Listener::accept) {
            if self.ears.callers.len() < MAX_CALLERS
                && link.pass(me, &self.seams.bells).is_ok()
                && let Err(error) = self.ears.hear_caller(link)
            {
                tracing::warn!(%error, "cannot hear a caller");
            }
        }
    }

    fn hear_callers(&mut self, ready: &[u64]) {
        let mut heard = Vec::new();
        for number in ready {
            let Some(caller) = self.ears.callers.get_mut(number) else { continue };
            for _ in 0..HEAR_AT_ONCE {
                match caller.link.hear() {
                    Said::Hello(speaker) => {
                        caller.node = Some(speaker.node);
                        heard.push(speaker.node);
                    }
                    Said::Look => heard.extend(caller.node),
                    Said::Nothing => break,
                    // Bells are not taken from callers.
                    Said::Bells(..) | Said::Gone => {
                        heard.extend(caller.node);
                        self.ears.callers.remove(number);
                        break;
                    }
                }
            }
        }
        heard.sort_unstable();
        heard.dedup();
        for node in heard {
            self.look(node);
        }
    }

    fn hear_peers(&mut self, ready: &[NodeId]) {
        for node in ready.iter().copied() {
            for _ in 0..HEAR_AT_ONCE {
                let Some(link) = self.peers.get(&node).and_then(|peer| peer.link.as_ref()) else { break };
                match link.hear() {
                    Said::Bells(speaker, bells) => self.take_bells(node, speaker, bells),
                    Said::Nothing => break,
                    Said::Hello(_) | Said::Look => {}
                    Said::Gone => {
                        self.hung_up(node);
                        break;
                    }
                }
            }
        }
    }
}

/// Connections to our doorbell: two for each possible node.
const MAX_CALLERS: usize = 512;

/// Messages heard from one connection before the others are heard.
const HEAR_AT_ONCE: usize = 16;

/// How many are heard in one turn.
const AT_ONCE: usize = 64;

/// What the events are marked with: a peer's id is added to [`PEERS`], a caller's number to [`CALLERS`].
const WAKER: u64 = 0;
const LISTENER: u64 = 1;
const PEERS: u64 = 1 << 16;
const CALLERS: u64 = 1 << 32;
