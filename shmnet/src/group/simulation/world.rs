//! The nodes, what each believes of the others, and the steps that they take.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::rc::Rc;

use super::coverage::Coverage;
use super::frame::{Life, Random, frame, parse};
use super::oracle::Oracle;
use crate::group::tests::{Area, area};
use crate::group::{GroupEndpoint, GroupGeometry, Start, next_sequence};
use crate::memory::interrupt::{self, Then};
use crate::memory::simulated::Simulation;
use crate::sync::Ordering::Relaxed;

pub(super) const NODES: u16 = 5;

/// This one reads seldom.
const SLOW: u16 = 3;

pub(super) type Shared = Rc<RefCell<World>>;

pub(super) struct Node {
    area: Area,
    /// `None` while it is in the middle of an operation, or dead.
    pub(super) endpoint: Option<GroupEndpoint>,
    incarnation: u64,
    alive: bool,
    /// Some live node has closed this incarnation: what it does counts no more, and it has to return as the next.
    closed: bool,
    asleep: u64,
    /// The incarnations of others that it is attached to.
    view: HashMap<u16, u64>,
    /// The incarnations of others that it looked at when it began, and where it will begin to read them.
    looked: HashMap<u16, (u64, u64)>,
    /// The incarnations of others that it has closed.
    buried: BTreeSet<Life>,
    active: BTreeSet<u16>,
    sent: u64,
    /// For each number sent, the lane sequence at which the frame ends.
    ends: BTreeMap<u64, u64>,
    next_seq: u64,
}

impl Node {
    fn dead(area: Area, incarnation: u64, buried: BTreeSet<Life>) -> Self {
        Self {
            area,
            endpoint: None,
            incarnation,
            alive: false,
            closed: false,
            asleep: 0,
            view: HashMap::new(),
            looked: HashMap::new(),
            buried,
            active: BTreeSet::new(),
            sent: 0,
            ends: BTreeMap::new(),
            next_seq: 1,
        }
    }
}

pub(super) struct World {
    /// Memory that is not coherent, if it is not.
    memory: Option<Simulation>,
    random: Random,
    geometry: GroupGeometry,
    pub(super) nodes: Vec<Node>,
    /// A node that, until all heals, writes into its own area whatever it likes, save for its lane.
    liar: Option<u16>,
    pub(super) oracle: Oracle,
    pub(super) coverage: Coverage,
    trace: bool,
}

#[derive(Clone, Copy, Debug)]
enum Operation {
    Send { len: usize },
    Poll,
    Receive { frames: u64 },
    Sweep,
}

impl World {
    pub(super) fn new(seed: u64, trace: bool, memory: Option<Simulation>) -> Self {
        let mut random = Random(seed);
        let lane = 4 << random.below(3);
        let order = 4 << random.below(4);
        let geometry = GroupGeometry::new(8, lane, 128, order).unwrap();
        let liar = random.one_in(4).then(|| random.below(u64::from(NODES)) as u16);
        let nodes =
            (0..NODES).map(|_| Node::dead(area_in(memory.as_ref(), geometry), 0, BTreeSet::new())).collect();
        let (oracle, coverage) = (Oracle::default(), Coverage::default());
        Self { memory, random, geometry, nodes, liar, oracle, coverage, trace }
    }

    fn tell(&self, what: impl FnOnce() -> String) {
        if self.trace {
            eprintln!("{}", what());
        }
    }

    fn node(&mut self, id: u16) -> &mut Node {
        &mut self.nodes[usize::from(id)]
    }

    fn life(&self, id: u16) -> Life {
        (id, self.nodes[usize::from(id)].incarnation)
    }

    fn is_liar(&self, id: u16) -> bool {
        self.liar == Some(id)
    }

    fn kill(&mut self, id: u16) {
        self.tell(|| format!("{id} dies"));
        let life = self.life(id);
        self.node(id).alive = false;
        self.node(id).endpoint = None;
        self.oracle.release(|source, reader| source == life || reader == life);
    }

    /// A node goes, and all others are told.
    fn leave(&mut self, id: u16) {
        self.coverage.leaves += 1;
        self.kill(id);
        for other in (0..NODES).filter(|other| *other != id) {
            if self.node(other).endpoint.is_some() {
                self.close(other, id);
            }
        }
    }

    /// A node brings its view of another up to date.
    fn observe(&mut self, id: u16, peer: u16) {
        let (now, alive, closed) =
            (self.node(peer).incarnation, self.node(peer).alive, self.node(peer).closed);
        let known = self.node(id).view.get(&peer).copied();
        if known.is_some() && (known != Some(now) || !alive) {
            self.close(id, peer);
        }
        if !alive
            || closed
            || self.node(id).view.contains_key(&peer)
            || self.node(id).buried.contains(&(peer, now))
        {
            return;
        }
        let start = match self.node(id).looked.remove(&peer) {
            Some((incarnation, next)) if incarnation == now => Start::At(next),
            _ if self.random.one_in(2) => Start::Next,
            _ => Start::Oldest,
        };
        self.coverage.joined_at += u64::from(matches!(start, Start::At(_)));
        self.tell(|| format!("{id} attaches to {peer}/{now} at {start:?}"));
        let area = match &self.memory {
            None => self.nodes[usize::from(peer)].area.peer.clone(),
            // Each reader has a cache of its own.
            Some(memory) => memory.peer(self.nodes[usize::from(peer)].area.own.mapping()).peer(),
        };
        let node = self.node(id);
        let Some(endpoint) = node.endpoint.as_mut() else { return };
        endpoint.attach_peer(peer, now, area, start).unwrap();
        node.view.insert(peer, now);
        self.include(id, peer);
    }

    /// A node reads another's present incarnation no more.
    fn close(&mut self, id: u16, peer: u16) {
        let Some(incarnation) = self.node(id).view.remove(&peer) else { return };
        self.tell(|| format!("{id} closes {peer}/{incarnation}"));
        let Some(endpoint) = self.node(id).endpoint.as_mut() else { return };
        endpoint.detach_peer(peer);
        self.node(id).buried.insert((peer, incarnation));
        self.node(id).active.remove(&peer);
        let (own, closed) = (self.life(id), (peer, incarnation));
        self.oracle
            .release(|source, reader| (source, reader) == (own, closed) || (source, reader) == (closed, own));
        let peer = self.node(peer);
        if peer.incarnation == incarnation {
            peer.closed = true;
            self.oracle.release(|source, reader| source == closed || reader == closed);
        }
    }

    fn include(&mut self, id: u16, peer: u16) {
        self.node(id).active.insert(peer);
        self.apply_active(id);
    }

    /// A node takes another for suspect: it waits no more for its acknowledgements.
    fn exclude(&mut self, id: u16, peer: u16) {
        self.tell(|| format!("{id} suspects {peer}"));
        self.node(id).active.remove(&peer);
        self.apply_active(id);
        let (own, life) = (self.life(id), self.life(peer));
        self.oracle.release(|source, reader| source == own && reader == life);
    }

    fn apply_active(&mut self, id: u16) {
        let node = self.node(id);
        let ids: Vec<u16> = node.active.iter().copied().collect();
        if let Some(endpoint) = node.endpoint.as_mut() {
            endpoint.set_active(&ids);
        }
    }

    /// Notes who has to deliver the next frame of `id`, and gives its number.
    fn owe(&mut self, id: u16, len: usize) -> u64 {
        let source = self.life(id);
        let node = self.node(id);
        node.sent += 1;
        node.next_seq += len.div_ceil(128 - 24) as u64;
        let (number, end) = (node.sent, node.next_seq);
        node.ends.insert(number, end);
        for reader in 0..NODES {
            let sender = &self.nodes[usize::from(id)];
            let other = &self.nodes[usize::from(reader)];
            // One that has looked at this source, and will attach where it looked, is owed what is sent from then on.
            let reads = other.view.get(&id) == Some(&source.1)
                || other.looked.get(&id).is_some_and(|(incarnation, _)| *incarnation == source.1);
            let mutual = sender.active.contains(&reader)
                && sender.view.get(&reader) == Some(&other.incarnation)
                && reads
                && other.alive
                && !other.closed
                && !sender.closed;
            let incarnation = other.incarnation;
            if mutual && !self.is_liar(id) && !self.is_liar(reader) {
                self.oracle.owe(source, (reader, incarnation), number);
            }
        }
        number
    }

    fn deliver(&mut self, id: u16, from: u16, bytes: &[u8], order: Option<crate::group::Claim>) {
        let (source, number) = parse(bytes);
        self.tell(|| format!("{id} delivers {number} of {source:?}"));
        assert_eq!(source.0, from, "a frame is from where it is said to be from");
        assert_ne!(from, id, "nobody delivers its own frames");
        let known = self.nodes[usize::from(id)].view.get(&from);
        assert_eq!(
            known,
            Some(&source.1),
            "node {id} delivers frames of incarnations that it is attached to"
        );
        let reader = self.life(id);
        let order = order.filter(|claim| !self.is_liar(claim.owner)).and_then(|claim| {
            let incarnation = match claim.owner == id {
                true => reader.1,
                false => *self.nodes[usize::from(id)].view.get(&claim.owner)?,
            };
            Some((claim, incarnation))
        });
        self.oracle.delivered(source, reader, number, order);
        self.coverage.delivered += 1;
    }

    /// Every number that was passed over was overwritten by its source, which has counted it; and nobody reads what it closed.
    fn settle(&mut self) {
        for (source, reader, number) in std::mem::take(&mut self.oracle.passed) {
            let node = &self.nodes[usize::from(source.0)];
            if node.incarnation != source.1 || !node.alive || node.closed {
                continue;
            }
            let endpoint = node.endpoint.as_ref().unwrap();
            assert!(
                node.ends[&number] <= endpoint.lane_tail(),
                "{source:?} -> {reader:?}: {number} was lost"
            );
            let lost = endpoint.lag().find(|lag| lag.reader == reader.0).map_or(0, |lag| lag.lost_frames);
            assert!(lost > 0, "{source:?} -> {reader:?}: the loss of {number} was not counted");
            self.coverage.overwritten += 1;
        }
        let mut owners = 0;
        for (id, node) in self.nodes.iter().enumerate() {
            let Some(endpoint) = &node.endpoint else { continue };
            owners += u64::from(endpoint.is_owner());
            if let Some(claim) = endpoint.following() {
                let reads = usize::from(claim.owner) == id || node.view.contains_key(&claim.owner);
                assert!(reads, "node {id} reads the order of {}, which it has closed", claim.owner);
            }
        }
        self.coverage.rival_owners += u64::from(owners > 1);
    }

    /// A liar writes a word of its own area.
    fn lie(&mut self, id: u16) {
        let (claim, known, head, acknowledgements, order) = (256, 264, 272, 384, self.geometry.order_slot(0));
        let random = &mut self.random;
        let generation = match random.below(4) {
            0 => random.below(1 << 5),
            1 => (1 << 40) - 1 - random.below(2),
            2 => random.below(1 << 40),
            _ => random.next(),
        };
        let tag = random.below(4) << 48;
        let (offset, word) = match random.below(6) {
            0 | 1 => (claim, generation),
            2 => (known, generation << 16 | random.below(u64::from(NODES) + 1)),
            3 => (head, tag | random.below(100)),
            4 => (acknowledgements + 8 * random.below(9) as usize, tag | random.below(100)),
            _ => (
                order + 8 * random.below(16) as usize,
                [tag, 1 << 32][random.below(2) as usize] | random.below(40),
            ),
        };
        self.coverage.lies += 1;
        self.tell(|| format!("{id} writes {word:#x} at {offset}"));
        self.node(id).area.own.store_u64(offset, word, Relaxed);
    }

    fn random_sleep(&mut self) -> u64 {
        let longest = if self.random.one_in(4) { 40 } else { 6 };
        self.random.below(longest)
    }
}

/// An area, in memory that is not coherent if there is such.
fn area_in(memory: Option<&Simulation>, geometry: GroupGeometry) -> Area {
    let Some(memory) = memory else { return area(geometry) };
    let own = memory.arena(geometry.bytes());
    Area { own: own.own().unwrap(), peer: memory.peer(&own).peer() }
}

/// A node begins its next life, in new memory or in that of the life before, perhaps not for long.
pub(super) fn start(world: &Shared, id: u16) {
    let (own, incarnation, geometry) = {
        let mut w = world.borrow_mut();
        let geometry = w.geometry;
        let reused = w.random.one_in(2);
        let incarnation = w.node(id).incarnation + 1;
        w.tell(|| format!("{id}/{incarnation} starts, in memory that it had before: {reused}"));
        let buried = std::mem::take(&mut w.node(id).buried);
        let new = area_in(w.memory.as_ref(), geometry);
        let none = area_in(None, geometry);
        let before = std::mem::replace(w.node(id), Node::dead(none, incarnation, buried));
        w.node(id).area = if reused { before.area } else { new };
        w.coverage.reused += u64::from(reused && incarnation > 1);
        (w.node(id).area.own.clone(), incarnation, geometry)
    };
    let new = || GroupEndpoint::new(own.clone(), id, incarnation, geometry).unwrap();
    let (endpoint, dead) = interrupted(world, id, new);
    world.borrow_mut().settle();
    if dead {
        return;
    }
    let mut w = world.borrow_mut();
    w.node(id).endpoint = Some(endpoint);
    w.node(id).alive = true;
    for peer in (0..NODES).filter(|peer| *peer != id) {
        if w.node(peer).alive && w.random.one_in(2) {
            let next = next_sequence(&w.node(peer).area.peer, geometry);
            let incarnation = w.node(peer).incarnation;
            w.node(id).looked.insert(peer, (incarnation, next));
        }
        if !w.random.one_in(4) {
            w.observe(id, peer);
        }
    }
}

/// Does something, perhaps with others running in the middle of it, perhaps with the node's death there.
fn interrupted<T>(world: &Shared, id: u16, operation: impl FnOnce() -> T) -> (T, bool) {
    let (accesses, dies) = {
        let mut world = world.borrow_mut();
        // Most operations are short.
        let most = 1 << (2 + world.random.below(8));
        (world.random.below(most), world.random.one_in(40))
    };
    let others = Rc::clone(world);
    let action = Box::new(move || {
        let steps = {
            let mut world = others.borrow_mut();
            world.coverage.interrupted += 1;
            world.coverage.died_within += u64::from(dies);
            world.tell(|| format!("  {id} is interrupted before access {accesses}, and dies there: {dies}"));
            world.random.below(12)
        };
        for _ in 0..steps {
            step(&others, Some(id));
        }
        if dies { Then::Die } else { Then::GoOn }
    });
    interrupt::during(accesses, action, operation)
}

fn operate(world: &Shared, id: u16, operation: Operation, nested: bool) {
    let Some(mut endpoint) = world.borrow_mut().node(id).endpoint.take() else { return };
    world.borrow().tell(|| format!("{id} does {operation:?}"));
    let dead = match nested {
        true => {
            perform(world, id, operation, &mut endpoint);
            false
        }
        false => interrupted(world, id, || perform(world, id, operation, &mut endpoint)).1,
    };
    let mut world = world.borrow_mut();
    let received = endpoint.counters().received;
    world.coverage.note(&received);
    world.node(id).endpoint = Some(endpoint);
    if dead {
        world.kill(id);
    }
    if !nested {
        world.settle();
    }
}

fn perform(world: &Shared, id: u16, operation: Operation, endpoint: &mut GroupEndpoint) {
    match operation {
        Operation::Send { len } => {
            let (life, number) = {
                let mut world = world.borrow_mut();
                (world.life(id), world.owe(id, len))
            };
            endpoint.send(&frame(life, number, len)).unwrap();
        }
        Operation::Poll => {
            let _ = endpoint.poll_owner_duties();
        }
        Operation::Receive { frames } => {
            let mut into = [0; 1024];
            for _ in 0..frames {
                let before = endpoint.counters().received.unordered;
                let Some(got) = endpoint.receive(&mut into) else { break };
                let by_order = endpoint.counters().received.unordered == before;
                let order = endpoint.following().filter(|_| by_order);
                world.borrow_mut().deliver(id, got.source, &into[..got.len], order);
            }
        }
        Operation::Sweep => endpoint.sweep(),
    }
}

/// One random step of one random node, other than the one in the middle of whose operation it happens.
pub(super) fn step(world: &Shared, inside: Option<u16>) {
    let mut w = world.borrow_mut();
    let id = w.random.below(u64::from(NODES)) as u16;
    if inside == Some(id) {
        return;
    }
    if !w.node(id).alive {
        if inside.is_none() && w.random.one_in(6) {
            drop(w);
            start(world, id);
        }
        return;
    }
    if w.node(id).asleep > 0 {
        w.node(id).asleep -= 1;
        return;
    }
    if w.node(id).closed && w.random.one_in(8) && inside.is_none() {
        w.kill(id);
        return;
    }
    if w.is_liar(id) && w.random.one_in(4) {
        w.lie(id);
        return;
    }
    let peer = (u64::from(id) + 1 + w.random.below(u64::from(NODES) - 1)) as u16 % NODES;
    let max = w.geometry.max_frame() as u64;
    let operation = match w.random.below(40) {
        0..12 => Operation::Send { len: (18 + w.random.below(max.min(300) - 18)) as usize },
        12..22 => Operation::Poll,
        22..33 if id == SLOW && !w.random.one_in(4) => return,
        22..33 => Operation::Receive { frames: 1 + w.random.below(12) },
        33 => Operation::Sweep,
        34 | 35 => return w.observe(id, peer),
        _ if inside.is_some() => return,
        36 if w.random.one_in(6) => return w.leave(id),
        36 if w.random.one_in(3) => return w.kill(id),
        37 => {
            let turns = 1 + w.random_sleep();
            w.node(id).asleep = turns;
            return;
        }
        38 if w.node(id).view.contains_key(&peer) => {
            return if w.random.one_in(12) { w.close(id, peer) } else { w.exclude(id, peer) };
        }
        39 if w.node(id).view.contains_key(&peer) => return w.include(id, peer),
        _ => return,
    };
    drop(w);
    operate(world, id, operation, inside.is_some());
}

/// All wake up; who was closed, dead or a liar returns; all see all; and everything owed is delivered.
pub(super) fn heal(world: &Shared) {
    if let Some(memory) = &world.borrow().memory {
        memory.calm();
    }
    world.borrow().tell(|| "all heals".into());
    for id in 0..NODES {
        let mut w = world.borrow_mut();
        w.node(id).asleep = 0;
        if w.node(id).alive && (w.node(id).closed || w.is_liar(id)) {
            w.kill(id);
        }
    }
    world.borrow_mut().liar = None;
    for _ in 0..2 {
        for id in 0..NODES {
            // It may die in its first moments.
            while !world.borrow_mut().node(id).alive {
                start(world, id);
            }
            let mut w = world.borrow_mut();
            w.node(id).buried.clear();
            for peer in (0..NODES).filter(|peer| *peer != id) {
                w.observe(id, peer);
            }
        }
    }
    for id in 0..NODES {
        for peer in (0..NODES).filter(|peer| *peer != id) {
            world.borrow_mut().include(id, peer);
        }
    }
    for _ in 0..8 {
        for id in 0..NODES {
            operate(world, id, Operation::Poll, true);
        }
        for id in 0..NODES {
            operate(world, id, Operation::Receive { frames: 1000 }, true);
        }
        world.borrow_mut().settle();
    }
}
