//! The nodes, driven by hand, and the book that is kept of what they send to each other.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::Duration;

use crate::channel::{Channel, PerChannel};
use crate::config::{Backing, CoherenceMode, FabricConfig, NetworkParameters, Timing};
use crate::doorbell::Bell;
use crate::error::TransmitError;
use crate::event::{Event, EventKind, FailureReason};
use crate::fabric::endpoint::{Destination, Endpoint, Parts};
use crate::fabric::handover::{Giver, Reply};
use crate::facility::simulated::Simulated;
use crate::facts::Facts;
use crate::layout::PAGE;
use crate::liveness::word_is_held;
use crate::membership::control::{Control, Seams};
use crate::membership::notice::{Notice, Notifier};
use crate::membership::shared::Shared;
use crate::memory::interrupt::{self, Then};
use crate::node::{Cast, Network, NodeId};
use crate::ring::{Geometry, Metadata};

/// Room for as many nodes as any of the cases has.
pub(super) const MAX_NODES: u16 = 6;

/// In the slot, in the slot's buffer, and a chain of buffers.
pub(super) const LENGTHS: [usize; 3] = [60, 200, 900];

/// A node id and an incarnation.
pub(super) type Life = (u16, u64);

/// Nodes and their incarnations, if they are connected.
type Table = Vec<(u16, Option<u64>)>;

/// Frames that are numbered together: by network, kind (0 unicast, 1 broadcast, 2 multicast), sender, and receiver if there is
/// one.
type Stream = (usize, u8, Life, Option<Life>);

/// A node.
pub(super) struct Node {
    pub(super) control: Control,
    pub(super) endpoints: [Endpoint; 2],
    shared: Arc<Shared>,
    events: Receiver<Event>,
}

pub(super) type World = Rc<RefCell<State>>;

/// All nodes but the one in the middle of an operation.
pub(super) struct State {
    facility: Arc<Simulated>,
    pub(super) nodes: BTreeMap<u16, Node>,
    /// The last number sent in each stream, and received in it by each life.
    sent: BTreeMap<Stream, u64>,
    received: BTreeMap<(Stream, Life), u64>,
    /// Nobody has died: nobody is to be taken for dead.
    pub(super) all_live: bool,
    /// The dead of whom the others were not told.
    untold: Vec<u16>,
    /// How often whoever joins now has waited for the others.
    waited: u32,
    /// The node that a case is about.
    pub(super) concerned: u16,
}

pub(super) fn id(node: u16) -> NodeId {
    NodeId::new(node).unwrap()
}

fn config(node: u16) -> FabricConfig {
    let parameters = NetworkParameters {
        area_id: 1,
        network_type: 3,
        hello_interval: 1,
        dead_interval: 4,
        cost: 2,
        mtu: 9000,
        prefix: [10, 77, 1, 0].into(),
        prefix_len: 24,
    };
    FabricConfig {
        node_id: id(node),
        // Not looked at: the facility is given.
        backing: Backing::Directory("/".into()),
        coherence: CoherenceMode::Hardware,
        max_nodes: MAX_NODES,
        queues: 1,
        geometry: [Geometry::new(8, 256).unwrap(), Geometry::new(16, 256).unwrap()],
        timing: Timing { failed: Duration::from_secs(60), ..Timing::default() },
        parameters: [parameters; 2],
        facts: Facts::default(),
        takeover: false,
        budget: None,
    }
}

impl Node {
    /// Joins the segment.
    pub(super) fn join(facility: &Arc<Simulated>, node: u16) -> Self {
        let bell = Arc::new(Bell::new().unwrap());
        let waker = Arc::new(Bell::new().unwrap());
        let (notifier, notices) = Notifier::new(Arc::clone(&waker));
        let shared = Arc::new(Shared::default());
        let mut takers = PerChannel::new(1, |_| None);
        let givers = PerChannel::new(1, |channel| {
            let (giver, taker) = Giver::new(Arc::clone(&bell));
            takers[channel] = Some(taker);
            giver
        });
        let seams = Seams {
            shared: Arc::clone(&shared),
            bells: vec![Arc::clone(&bell)],
            waker,
            notifier: notifier.clone(),
            notices,
            givers,
        };
        let made = Arc::clone(facility);
        let control = Control::join_by(|_, _| Ok(made), config(node), seams).unwrap();
        let endpoints = Network::ALL.map(|network| {
            let channel = Channel { network, queue: 0 };
            Endpoint::new(Parts {
                channel,
                me: id(node),
                max_nodes: usize::from(MAX_NODES),
                taker: takers[channel].take().unwrap(),
                notifier: notifier.clone(),
                clock: control.clock(),
                bell: Arc::clone(&bell),
                lookout: None,
                failed: control.timing().failed,
            })
        });
        let events = shared.log.listen();
        Self { control, endpoints, shared, events }
    }

    pub(super) fn life(&self) -> Life {
        (self.control.setup.me.get(), self.control.life.as_ref().map_or(0, |life| life.incarnation))
    }

    /// The control thread's part of a turn: what it was told, and a look at everybody.
    pub(super) fn control(&mut self) {
        while let Ok(notice) = self.control.seams.notices.try_recv() {
            self.control.handle(notice);
        }
        // What a heartbeat thread would tell: changes of the others, and that they have closed this node.
        let known: Vec<NodeId> = self.control.peers.keys().copied().collect();
        known.into_iter().for_each(|node| self.control.look(node));
        self.control.look_at_segment();
        let (me, incarnation) = (self.control.setup.me, self.life().1);
        let accusers = self.control.peers.values().filter(|peer| peer.arena.closed(me) >= incarnation);
        let accusers: Vec<NodeId> = accusers.map(|peer| peer.node).collect();
        accusers.into_iter().for_each(|by| self.control.on_accused(by));
        self.control.stale.peers |= self.control.unpublished.is_some();
        self.control.settle();
    }

    /// Its watcher tells of a death, if it sees one.
    pub(super) fn hear_of_death(&mut self, dead: u16) {
        // It looks at the memory of the life that it knows.
        let known = self.control.peers.get(&id(dead));
        let ended = known.filter(|peer| !word_is_held(peer.arena.liveness_word()));
        if let Some(incarnation) = ended.map(|peer| peer.incarnation) {
            self.control.handle(Notice::Gone(id(dead), incarnation));
        }
    }

    /// Whether its endpoints have asked for a larger ring. To be asked when nothing else is to be told.
    pub(super) fn wants_larger_ring(&self) -> bool {
        let mut wants = false;
        let notices: Vec<Notice> = self.control.seams.notices.try_iter().collect();
        for notice in notices {
            wants |= matches!(notice, Notice::Reply(_, Reply::Full { .. }));
            self.control.seams.notifier.tell(notice);
        }
        wants
    }

    /// The owner of the LSM's broadcast group as it sees it.
    pub(super) fn owner(&self) -> Option<u16> {
        self.control.snapshot().groups.first()?.owner.map(NodeId::get)
    }

    /// What happened to it was meant to happen.
    pub(super) fn forget_events(&self) {
        self.events.try_iter().for_each(drop);
    }

    /// The data threads' part: everything that has come.
    pub(super) fn receive(&mut self, book: &RefCell<State>) {
        let mut bytes = [0; 4096];
        for network in 0..2 {
            while let Some(received) = self.endpoints[network].receive(&mut bytes) {
                let kind = match received.cast {
                    Cast::Unicast => 0,
                    Cast::Broadcast => 1,
                    Cast::Multicast => 2,
                };
                let frame = &bytes[..received.len];
                book.borrow_mut().delivered(self.life(), network, kind, received.from.get(), frame);
            }
            self.endpoints[network].flush();
        }
    }

    pub(super) fn turn(&mut self, book: &RefCell<State>) {
        // What a watcher would tell: whose word is not held any more.
        let untold = book.borrow().untold.clone();
        let known: Vec<u16> = self.control.peers.keys().map(|node| node.get()).collect();
        known.into_iter().filter(|node| !untold.contains(node)).for_each(|node| self.hear_of_death(node));
        self.control();
        self.receive(book);
    }

    /// Sends the next frame of a stream; whether there was room, and somebody to have it.
    pub(super) fn send(&mut self, book: &RefCell<State>, network: usize, to: To, len: usize) -> bool {
        let life = self.life();
        let (kind, receiver, destination) = match to {
            To::Node(to) => {
                let incarnation = self.shared.active.load().get(id(to)).map(|node| node.incarnation);
                let Some(incarnation) = incarnation else { return false };
                (0, Some((to, incarnation)), Destination::Node(id(to)))
            }
            To::Broadcast => (1, None, Destination::Broadcast),
            To::Multicast => (2, None, Destination::Multicast),
        };
        let stream = (network, kind, life, receiver);
        let number = book.borrow().sent.get(&stream).copied().unwrap_or(0) + 1;
        let frame = encode(stream, number, len);
        let sent = self.endpoints[network].transmit(destination, &frame, Metadata::default());
        match sent {
            // What the dead send is not sent.
            Ok(()) if interrupt::is_dead() => true,
            Ok(()) => {
                book.borrow_mut().sent.insert(stream, number);
                true
            }
            Err(
                TransmitError::RingFull
                | TransmitError::NoSuchNode
                | TransmitError::NoListener
                | TransmitError::NotMember,
            ) => false,
            Err(error) => panic!("{stream:?}: {error}"),
        }
    }

    /// A frame of each length and kind to everybody, as far as there is room.
    pub(super) fn send_all(&mut self, book: &RefCell<State>) {
        for network in 0..2 {
            for len in LENGTHS {
                for to in 1..=MAX_NODES {
                    self.send(book, network, To::Node(to), len);
                }
                self.send(book, network, To::Broadcast, len);
                self.send(book, network, To::Multicast, len);
            }
            self.endpoints[network].flush();
        }
    }

    /// The others as it sees them; `None` for one that is not connected.
    fn table(&self) -> Table {
        let table = self.shared.active.load();
        let entry = |node: &crate::membership::active::ActiveNode| {
            (node.id.get(), (node.connected || node.is_self).then_some(node.incarnation))
        };
        table.nodes.iter().map(entry).collect()
    }

    /// What it holds in its arena beyond the rings that are in use.
    fn check_heap(&self) {
        assert!(self.control.unforgotten.is_empty(), "{:?} has let go of what it closed", self.life());
        let rings =
            self.control.peers.values().flat_map(|peer| peer.to.iter()).filter_map(|(_, to)| to.as_ref());
        let in_use: u64 = rings
            .map(|to| to.chunk.len + to.former.map_or(0, |(_, former)| former.len))
            .inspect(|len| assert_eq!(len % PAGE as u64, 0))
            .sum();
        let held = self.control.life.as_ref().map_or(0, |life| life.heap_used());
        assert_eq!(held, in_use, "{:?} holds rings that nobody uses", self.life());
    }

    /// Nobody was taken for anything but what it is.
    fn check_events(&self, all_live: bool) {
        for event in self.events.try_iter() {
            let fine = match &event.kind {
                EventKind::Failed { reason } => {
                    !all_live && matches!(reason, FailureReason::ProcessDeath | FailureReason::Replaced)
                }
                EventKind::Quarantined { .. }
                | EventKind::Refused { .. }
                | EventKind::SelfClosed { .. }
                | EventKind::Rejoined
                | EventKind::RejoinFailed { .. } => false,
                _ => true,
            };
            assert!(fine, "{:?} saw of {}/{}: {:?}", self.life(), event.node, event.incarnation, event.kind);
        }
    }
}

/// Where a frame goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum To {
    Node(u16),
    Broadcast,
    Multicast,
}

impl State {
    pub(super) fn new(reuses_memory: bool) -> World {
        let world = Rc::new(RefCell::new(Self {
            facility: Simulated::new(MAX_NODES, reuses_memory),
            nodes: BTreeMap::new(),
            sent: BTreeMap::new(),
            received: BTreeMap::new(),
            all_live: true,
            untold: Vec::new(),
            waited: 0,
            concerned: 0,
        }));
        let_others_go_on(&world);
        world
    }

    pub(super) fn facility(&self) -> Arc<Simulated> {
        Arc::clone(&self.facility)
    }

    /// What a reader may be given: whole frames of lives that it knows, to this life of its own, each once and in order.
    fn delivered(&mut self, reader: Life, network: usize, kind: u8, from: u16, frame: &[u8]) {
        let (stream, number) = decode(frame);
        let what = || format!("{reader:?} was given number {number} of {stream:?}, from {from}");
        assert_eq!(frame, encode(stream, number, frame.len()), "{}", what());
        assert_eq!((stream.0, stream.1, stream.2.0), (network, kind, from), "{}", what());
        assert!(stream.3.is_none_or(|to| to == reader), "{}", what());
        let newer = self.received.keys().any(|((n, k, life, _), by)| {
            *by == reader && (*n, *k, life.0) == (network, kind, from) && life.1 > stream.2.1
        });
        assert!(!newer, "{}, after its next life", what());
        let last = self.received.insert((stream, reader), number);
        match last {
            Some(last) => assert_eq!(number, last + 1, "{}", what()),
            // Of a group's frames those before it was a member are not for it.
            None => assert!(number == 1 || kind != 0, "{}", what()),
        }
    }

    /// A node's process has ended, and the kernel has marked its word.
    pub(super) fn bury(&mut self, node: u16) {
        self.waited = 0;
        self.all_live = false;
        self.facility.bury(id(node));
        self.untold.push(node);
    }

    /// The watchers of the others tell of the deaths.
    pub(super) fn tell_of_deaths(&mut self) {
        for dead in std::mem::take(&mut self.untold) {
            self.nodes.values_mut().for_each(|node| node.hear_of_death(dead));
        }
    }
}

/// Takes a node out of the world while it does something.
pub(super) fn with<T>(world: &World, node: u16, operation: impl FnOnce(&mut Node) -> T) -> T {
    let mut taken = world.borrow_mut().nodes.remove(&node).unwrap();
    let result = operation(&mut taken);
    world.borrow_mut().nodes.insert(node, taken);
    result
}

/// Everybody has a turn, whoever is in the middle of something.
pub(super) fn turns(world: &World) {
    interrupt::aside(|| {
        let ids: Vec<u16> = world.borrow().nodes.keys().copied().collect();
        for node in ids {
            with(world, node, |node| node.turn(world));
        }
    });
}

/// While somebody waits, the others hear of the deaths and have their turns.
fn let_others_go_on(world: &World) {
    let others = Rc::downgrade(world);
    interrupt::on_pause(move || {
        if let Some(others) = others.upgrade() {
            interrupt::aside(|| others.borrow_mut().tell_of_deaths());
            turns(&others);
            let waited = others.borrow().waited + 1;
            others.borrow_mut().waited = waited;
            assert!(waited < TURNS, "a joiner waits in vain: {:#?}", state_of_all(&others));
        }
    });
}

/// A node joins.
pub(super) fn join(world: &World, node: u16) {
    let facility = world.borrow().facility();
    let joined = Node::join(&facility, node);
    insert(world, node, joined);
}

fn insert(world: &World, node: u16, new: Node) {
    let mut state = world.borrow_mut();
    state.untold.retain(|dead| *dead != node);
    state.waited = 0;
    state.nodes.insert(node, new);
}

/// How many stores something takes, if nothing happens in it.
pub(super) fn stores_of(
    world: &World,
    node: u16,
    operation: &dyn Fn(&World, Option<Node>) -> Option<Node>,
) -> u64 {
    interrupt::count_stores(|| {
        let taken = world.borrow_mut().nodes.remove(&node);
        match operation(world, taken) {
            Some(taken) => insert(world, node, taken),
            None => interrupt::aside(|| world.borrow_mut().bury(node)),
        }
    })
}

/// Does something with a node, with the others' turns before the store that follows `stores` others, after which it is dead or
/// goes on; whether there was such a store. One that has died is gone.
pub(super) fn interrupted(
    world: &World,
    node: u16,
    stores: u64,
    then: Then,
    operation: &dyn Fn(&World, Option<Node>) -> Option<Node>,
) -> bool {
    let reached = Rc::new(Cell::new(false));
    let (others, noted) = (Rc::clone(world), Rc::clone(&reached));
    let action = Box::new(move || {
        noted.set(true);
        if then == Then::GoOn {
            // What they store is theirs.
            turns(&others);
            turns(&others);
        }
        then
    });
    let taken = world.borrow_mut().nodes.remove(&node);
    let (taken, _) = interrupt::during_stores(stores, action, || {
        // What it does at its end it does not do at its death.
        catch_unwind(AssertUnwindSafe(|| operation(world, taken).filter(|_| !interrupt::is_dead())))
            .unwrap_or_else(|panic| if interrupt::is_dead() { None } else { resume_unwind(panic) })
    });
    match taken {
        Some(taken) => insert(world, node, taken),
        // It has died, or left.
        None => world.borrow_mut().bury(node),
    }
    reached.get()
}

/// The nodes end, without a word.
pub(super) fn end(world: &World) {
    world.borrow_mut().nodes.clear();
}

/// Waits until all agree on who is there, and until what each sends to each has come; then nothing is left of the dead. Gives up
/// after more turns than anything can honestly take.
pub(super) fn settle(world: &World) {
    let mut patience = TURNS;
    while !agree(world) {
        turns(world);
        patience -= 1;
        assert!(patience > 0, "no agreement: {:#?}", state_of_all(world));
    }
    let ids: Vec<u16> = world.borrow().nodes.keys().copied().collect();
    for node in &ids {
        with(world, *node, |node| node.send_all(world));
    }
    let mut patience = TURNS;
    while let Some(missing) = missing(world) {
        turns(world);
        patience -= 1;
        assert!(patience > 0, "not delivered: {missing:?}, {:?}", tables(world));
    }
    turns(world);
    for node in &ids {
        with(world, *node, |node| {
            node.control.survey();
            node.turn(world);
            node.check_heap();
        });
    }
    let mut state = world.borrow_mut();
    let all_live = state.all_live;
    state.nodes.values().for_each(|node| node.check_events(all_live));
    // Those of the dead are not needed any more.
    let lives: Vec<Life> = state.nodes.values().map(Node::life).collect();
    let live = |life: &Life| lives.contains(life);
    state.sent.retain(|(_, _, from, to), _| live(from) && to.as_ref().is_none_or(live));
    state.received.retain(|((_, _, from, _), by), _| live(from) && live(by));
    state.all_live = true;
}

/// More than anything takes: an order that nobody ever gives would be swept at some time, and that is not soon enough.
const TURNS: u32 = 60;

fn tables(world: &World) -> Vec<(Life, Table)> {
    world.borrow().nodes.values().map(|node| (node.life(), node.table())).collect()
}

/// What each knows, for whoever looks for a fault.
fn state_of_all(world: &World) -> Vec<String> {
    let state = world.borrow();
    let tell = |node: &Node| {
        let closed: Vec<_> = node.control.closed.iter().map(|(node, life)| (node.get(), *life)).collect();
        let accusers = &node.control.accusers;
        format!("{:?} sees {:?}, has closed {closed:?}, broke with {accusers:?}", node.life(), node.table())
    };
    state.nodes.values().map(tell).collect()
}

fn agree(world: &World) -> bool {
    let tables = tables(world);
    let expected: Vec<_> = tables.iter().map(|((node, life), _)| (*node, Some(*life))).collect();
    tables.iter().all(|(_, table)| *table == expected)
}

/// A stream of which a live member has not yet had the last frame.
fn missing(world: &World) -> Option<(Stream, Life)> {
    let state = world.borrow();
    let lives: Vec<Life> = state.nodes.values().map(Node::life).collect();
    for (stream, last) in state.sent.iter().filter(|(stream, _)| lives.contains(&stream.2)) {
        for reader in lives.iter().filter(|reader| **reader != stream.2) {
            let concerned = stream.3.is_none_or(|to| to == *reader);
            if concerned && state.received.get(&(*stream, *reader)) != Some(last) {
                return Some((*stream, *reader));
            }
        }
    }
    None
}

const WORDS: usize = 7;

/// A frame: what it is in words, and a filling that depends on them.
fn encode((network, kind, from, to): Stream, number: u64, len: usize) -> Vec<u8> {
    let to = to.unwrap_or((0, 0));
    let words = [network as u64, kind.into(), from.0.into(), from.1, to.0.into(), to.1, number];
    let mut bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    let seed = words.iter().fold(len as u64, |sum, word| sum.wrapping_mul(31).wrapping_add(*word));
    bytes.extend((bytes.len()..len).map(|at| (seed as u8).wrapping_mul(7).wrapping_add(at as u8)));
    bytes
}

fn decode(bytes: &[u8]) -> (Stream, u64) {
    let word = |index: usize| u64::from_le_bytes(bytes[8 * index..8 * index + 8].try_into().unwrap());
    assert!(bytes.len() >= 8 * WORDS, "a frame of {} bytes", bytes.len());
    let to = (word(4) as u16, word(5));
    let stream = (word(0) as usize, word(1) as u8, (word(2) as u16, word(3)), (to.0 != 0).then_some(to));
    (stream, word(6))
}
