//! One incarnation of this node: its arena, and the threads that keep it alive.

use std::sync::Arc;

use super::agree::Requirements;
use super::notice::{Notice, Notifier};
use super::room;
use crate::channel::Channel;
use crate::config::{NetworkParameters, Timing};
use crate::doorbell::link::Listener;
use crate::error::JoinError;
use crate::facility::{Claim, Facility, Liveness, OwnFile, Wakes};
use crate::facts::Facts;
use crate::group::GroupEndpoint;
use crate::layout::{Chunk, Heap, Identity, Layout, OwnArena, PAGE, PeerArena, State, StateWord};
use crate::liveness::heartbeat::{BeatClock, Beating, Heartbeat};
use crate::liveness::holder::Holder;
use crate::liveness::roster::Roster;
use crate::liveness::watcher::Watcher;
use crate::liveness::word_is_held;
use crate::memory::{Coherence, Mapping, OwnSpan};
use crate::node::{Network, NodeId};
use crate::ring::Geometry;
use crate::sigbus;

/// What stays the same over all incarnations.
#[derive(Debug)]
pub(super) struct Setup {
    pub(super) me: NodeId,
    pub(super) facility: Arc<dyn Facility>,
    pub(super) layout: Layout,
    /// Of the LSM's and the GSM's first rings.
    pub(super) geometry: [Geometry; 2],
    pub(super) requirements: Requirements,
    pub(super) timing: Timing,
    pub(super) cpu_quota: bool,
    pub(super) hostname: String,
    pub(super) budget: Option<u64>,
    pub(super) notifier: Notifier,
    pub(super) clock: Arc<BeatClock>,
}

/// See the module. The threads end in the order of the fields: the heart first, the liveness word last.
#[derive(Debug)]
pub(super) struct Life {
    _heartbeat: Option<Heartbeat>,
    _watcher: Option<Watcher>,
    holder: Option<Holder>,
    pub(super) incarnation: u64,
    pub(super) arena: OwnArena,
    pub(super) roster: Arc<Roster>,
    /// Where callers are heard, if the backing has sockets.
    pub(super) listener: Option<Listener>,
    pub(super) file: OwnFile,
    heap: Heap,
    /// This node's ends of each network's groups, until the endpoints have them.
    pub(super) groups: [Option<[GroupEndpoint; 2]>; 2],
    identity: Identity,
    /// Peers can find the arena.
    pub(super) shown: bool,
}

impl Setup {
    /// The least memory of the first rings to one peer.
    fn least_pair(&self) -> u64 {
        room::least_pair(self.geometry, self.mtu()) * u64::from(self.layout.queues)
    }

    fn mtu(&self) -> [u16; 2] {
        self.requirements.parameters.map(|parameters| parameters.mtu)
    }

    /// Whether a liveness word says that its node lives, or says nothing at all.
    pub(super) fn may_live(&self, word: u32) -> bool {
        self.facility.liveness() == Liveness::Heartbeat || word_is_held(word)
    }

    /// The code of the segment's coherence, of which a peer's arena is mapped here: what a facility keeps a copy of is
    /// ordinary memory to its readers.
    pub(super) fn coherence_of(&self, peer: &Mapping) -> u8 {
        if self.facility.is_reflected() { Coherence::REFLECTED } else { peer.coherence().code() }
    }
}

impl Life {
    /// Prepares an arena for an incarnation and brings it to life. Peers do not see it yet.
    pub(super) fn begin(
        setup: &Setup,
        incarnation: u64,
        peers: usize,
        facts: &Facts,
        claim: Option<Claim>,
    ) -> Result<Self, JoinError> {
        let Setup { me, facility, layout, .. } = setup;
        let rings = setup.least_pair() * peers.max(1) as u64;
        let needed = layout.heap as u64 + rings;
        let len = arena_len(setup, needed)?;
        let file = facility.create(*me, len, needed)?;
        facility.reserve(0, layout.heap as u64, None);
        let span = |error: crate::memory::SpanError| JoinError::System {
            what: "laying out the arena",
            error: std::io::Error::other(error),
        };
        sigbus::guard(&file.mapping).map_err(JoinError::system("guarding memory"))?;
        let arena = OwnArena::new(file.mapping.own().map_err(span)?, *layout).map_err(span)?;
        let identity = Identity {
            node: *me,
            incarnation,
            coherence: file.mapping.coherence().code(),
            nonce: claim.as_ref().map_or(0, Claim::nonce),
            arena_len: file.len,
            pid: std::process::id(),
            timing: setup.timing,
            hostname: setup.hostname.clone(),
            geometry: setup.requirements.geometry,
            parameters: setup.requirements.parameters,
        };
        arena.initialise(&identity, facts);
        let groups = lay_out_groups(setup, &arena, incarnation)?;

        let by_futex = facility.liveness() == Liveness::Futex;
        let line = arena.liveness().map_err(span)?;
        let holder = hold(setup, &file, line).map_err(JoinError::system("holding the liveness word"))?;
        let roster = Arc::new(Roster::default());
        let heartbeat = (!is_simulated(setup))
            .then(|| start_heartbeat(setup, incarnation, &arena, &roster, claim))
            .transpose()?;
        let watcher = by_futex.then(|| start_watcher(setup, &roster)).transpose()?;
        let listener = (facility.wakes() == Wakes::Sockets).then(|| listen(setup)).transpose()?;
        let heap = Heap::new(layout.heap as u64, file.len);
        // Whoever sees this in memory that serves all incarnations takes a word that is not held for a death, and attaches to the
        // groups' areas.
        arena.set_state(incarnation, State::Joining);
        Ok(Self {
            groups,
            _heartbeat: heartbeat,
            _watcher: watcher,
            holder,
            incarnation,
            arena,
            roster,
            listener,
            file,
            heap,
            identity,
            shown: false,
        })
    }

    /// Memory for a ring that a peer will read, with pages behind it.
    pub(super) fn take(
        &mut self,
        setup: &Setup,
        bytes: usize,
        reader: NodeId,
    ) -> Result<(Chunk, OwnSpan), JoinError> {
        let Some(chunk) = self.heap.take(bytes as u64) else {
            return Err(JoinError::NoRoom {
                place: format!("the arena in {}", self.file.place()),
                needed: bytes as u64,
                free: self.file.len.saturating_sub(setup.layout.heap as u64 + self.heap.used()),
            });
        };
        let taken = self
            .file
            .allocate(chunk.offset, chunk.len)
            .map_err(|no_room| no_room.into_join_error(&*setup.facility))
            .and_then(|()| {
                self.arena.heap(chunk.offset, chunk.len).map_err(|error| JoinError::System {
                    what: "laying out a ring",
                    error: std::io::Error::other(error),
                })
            });
        match taken {
            Ok(span) => {
                setup.facility.reserve(chunk.offset, chunk.len, Some(reader));
                Ok((chunk, span))
            }
            Err(error) => {
                self.heap.give(chunk);
                Err(error)
            }
        }
    }

    /// The geometry of the first ring to a peer on a channel.
    pub(super) fn first_ring(&self, setup: &Setup, channel: Channel) -> Geometry {
        let network = channel.network.index();
        // Whether anybody sends by another queue than the first is not known.
        let used = if channel.queue == 0 { self.heap.used() } else { u64::MAX };
        room::first(setup.geometry[network], setup.mtu()[network], used, self.file.len)
    }

    /// Whether a ring may grow by taking so many bytes, while there are so many peers.
    pub(super) fn has_room_to_grow(&self, setup: &Setup, bytes: usize, peers: usize) -> bool {
        let unmet = setup.layout.max_nodes.saturating_sub(1 + peers) as u64;
        let free = self.heap.free();
        room::leaves_room(bytes as u64, free, free + self.heap.used(), unmet, setup.least_pair())
    }

    /// Memory of a ring that nobody uses any more.
    pub(super) fn give(&mut self, chunk: Chunk) {
        self.heap.give(chunk);
    }

    /// Writes other parameters into the header.
    pub(super) fn require(&mut self, parameters: [NetworkParameters; 2]) {
        self.identity.parameters = parameters;
        self.arena.require(&self.identity);
    }

    /// Whether the header is what this node made it: nobody else is to write here, but whoever may write the file can.
    pub(super) fn is_intact(&self) -> bool {
        let span = self.file.mapping.peer();
        let held = |word| self.holder.is_none() || word_is_held(word);
        let state = StateWord { incarnation: self.incarnation, state: State::Active };
        !sigbus::is_lost(&self.file.mapping)
            && PeerArena::identity_of(&span).as_ref() == Ok(&self.identity)
            && PeerArena::state_of(&span) == Some(state)
            && PeerArena::liveness_of(&span).is_some_and(held)
    }

    /// Bytes of the heap in use.
    pub(super) fn heap_used(&self) -> u64 {
        self.heap.used()
    }
}

/// Holds the liveness word, where it says anything.
fn hold(setup: &Setup, file: &OwnFile, line: OwnSpan) -> std::io::Result<Option<Holder>> {
    match setup.facility.liveness() {
        Liveness::Futex => Holder::start(Arc::clone(&file.mapping), line).map(Some),
        Liveness::Heartbeat => Ok(None),
        #[cfg(test)]
        Liveness::Simulated => Ok(Some(Holder::simulated(line))),
    }
}

#[cfg(test)]
fn is_simulated(setup: &Setup) -> bool {
    setup.facility.liveness() == Liveness::Simulated
}

#[cfg(not(test))]
const fn is_simulated(_: &Setup) -> bool {
    false
}

/// How long the arena may grow.
fn arena_len(setup: &Setup, needed: u64) -> Result<u64, JoinError> {
    let room = setup.facility.arena_room();
    if let Some(free) = room.filter(|room| *room < needed) {
        return Err(JoinError::ArenaTooSmall { place: setup.facility.place(), needed, room: free });
    }
    let len = match (setup.budget, room) {
        (Some(budget), _) if budget < needed => return Err(JoinError::BudgetTooSmall { budget, needed }),
        (Some(budget), Some(room)) => return Ok(budget.next_multiple_of(PAGE as u64).min(room)),
        (Some(budget), None) => budget,
        (None, Some(room)) => return Ok(room),
        (None, None) => {
            let free = setup.facility.free().map_err(JoinError::system("asking for free memory"))?;
            (free / 8).min(DEFAULT_BUDGET).max(needed)
        }
    };
    Ok(len.next_multiple_of(PAGE as u64))
}

fn listen(setup: &Setup) -> Result<Listener, JoinError> {
    setup.facility.clear_doorbell(setup.me);
    setup
        .facility
        .doorbell(setup.me)
        .and_then(|address| Listener::bind(&address))
        .map_err(JoinError::system("listening for doorbells"))
}

fn lay_out_groups(
    setup: &Setup,
    arena: &OwnArena,
    incarnation: u64,
) -> Result<[Option<[GroupEndpoint; 2]>; 2], JoinError> {
    let group = |network, kind| {
        let area = arena.group(network, kind).map_err(std::io::Error::other);
        area.and_then(|area| {
            GroupEndpoint::new(area, setup.me.group_number(), incarnation, setup.layout.group)
                .map_err(std::io::Error::other)
        })
        .map_err(JoinError::system("laying out the arena"))
    };
    let groups = |network| Ok::<_, JoinError>(Some([group(network, 0)?, group(network, 1)?]));
    Ok([groups(Network::Lsm)?, groups(Network::Gsm)?])
}

fn start_heartbeat(
    setup: &Setup,
    incarnation: u64,
    arena: &OwnArena,
    roster: &Arc<Roster>,
    claim: Option<Claim>,
) -> Result<Heartbeat, JoinError> {
    let notifier = setup.notifier.clone();
    let beating = Beating {
        me: setup.me,
        incarnation,
        arena: arena.clone(),
        claim,
        timing: setup.timing,
        roster: Arc::clone(roster),
        clock: Arc::clone(&setup.clock),
    };
    Heartbeat::start(beating, move |node, incarnation, pulse| {
        notifier.tell(Notice::Pulse(node, incarnation, pulse));
    })
    .map_err(JoinError::system("starting the heartbeat"))
}

fn start_watcher(setup: &Setup, roster: &Arc<Roster>) -> Result<Watcher, JoinError> {
    let notifier = setup.notifier.clone();
    let most = setup.layout.max_nodes - 1;
    Watcher::start(Arc::clone(roster), most, setup.timing.heartbeat, move |node, incarnation| {
        notifier.tell(Notice::Gone(node, incarnation));
    })
    .map_err(JoinError::system("starting the watcher"))
}

/// The most that an arena takes unless configured.
pub(super) const DEFAULT_BUDGET: u64 = 64 << 20;
