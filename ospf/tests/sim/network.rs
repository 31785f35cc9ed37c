//! The simulated network: routers, segments between them, and the events that virtual time brings.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::time::Duration;

use ipnet::Ipv4Net;
use isthmus_ospf::config::{AreaConfig, ExternalRoute, InstanceConfig, InterfaceConfig, InterfaceType};
use isthmus_ospf::route::{Route, RouteChange};
use isthmus_ospf::types::{AreaId, Instant, InterfaceId, RouterId};
use isthmus_ospf::view::{InterfaceView, NeighborState};
use isthmus_ospf::{Instance, Output, Transmit};

use crate::random::Random;

/// Index of a router.
pub(crate) type NodeId = usize;
/// Index of a segment.
pub(crate) type SegmentId = usize;

/// One router: its configuration outlives its process.
pub(crate) struct Node {
    pub(crate) config: InstanceConfig,
    pub(crate) instance: Option<Instance>,
    /// What it announces from outside OSPF, in its next life as well.
    pub(crate) externals: BTreeMap<Ipv4Net, ExternalRoute>,
    /// What the router would have in its forwarding table.
    pub(crate) fib: BTreeMap<Ipv4Net, Route>,
    /// How far its clock is ahead of the network's.
    pub(crate) ahead: Duration,
    /// Lives so far; packets to an earlier life are lost.
    life: u64,
    wake: Option<Instant>,
}

/// What connects interfaces.
pub(crate) struct Segment {
    pub(crate) members: Vec<(NodeId, InterfaceId)>,
    /// Whether the members see a link.
    pub(crate) up: bool,
    /// Packets vanish although the link is up.
    pub(crate) silent: bool,
}

/// How packets fare.
#[derive(Clone, Copy)]
pub(crate) struct Quality {
    pub(crate) delay: Duration,
    /// Up to this much more, drawn for each packet: packets overtake each other.
    pub(crate) jitter: Duration,
    pub(crate) loss_percent: u64,
    pub(crate) duplicate_percent: u64,
}

impl Quality {
    pub(crate) const GOOD: Self = Self {
        delay: Duration::from_micros(100),
        jitter: Duration::ZERO,
        loss_percent: 0,
        duplicate_percent: 0,
    };
    pub(crate) const BAD: Self = Self {
        delay: Duration::from_millis(1),
        jitter: Duration::from_millis(5),
        loss_percent: 10,
        duplicate_percent: 5,
    };
}

enum Event {
    Deliver { node: NodeId, life: u64, interface: InterfaceId, packet: Transmit },
    Wake(NodeId),
}

pub(crate) struct Network {
    pub(crate) now: Instant,
    pub(crate) nodes: Vec<Node>,
    pub(crate) segments: Vec<Segment>,
    pub(crate) quality: Quality,
    /// A digest of everything that every router has said, if the test asks for one.
    pub(crate) transcript: Option<Transcript>,
    pub(crate) packets: u64,
    /// Prefixes whose routes have changed somewhere, if the test asks for them.
    pub(crate) changed: Option<BTreeSet<Ipv4Net>>,
    /// Where each interface was attached last.
    attached: BTreeMap<(NodeId, InterfaceId), SegmentId>,
    events: BTreeMap<(Instant, u64), Event>,
    event_number: u64,
    cuts: BTreeSet<(NodeId, NodeId)>,
    random: Random,
    next_subnet: u32,
}

pub(crate) const BACKBONE: AreaId = AreaId::BACKBONE;
pub(crate) const CLUSTER: AreaId = AreaId(Ipv4Addr::new(0, 0, 0, 51));

/// The seeds of a test: `count` of them, or as many times more as ISTHMUS_SIM_FACTOR says.
pub(crate) fn seeds(count: u64) -> std::ops::Range<u64> {
    let factor = std::env::var("ISTHMUS_SIM_FACTOR").ok().and_then(|factor| factor.parse().ok());
    0..count * factor.unwrap_or(1)
}

pub(crate) fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

impl Network {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            now: Instant(1_000_000),
            nodes: Vec::new(),
            segments: Vec::new(),
            quality: Quality::GOOD,
            transcript: None,
            cuts: BTreeSet::new(),
            packets: 0,
            changed: None,
            attached: BTreeMap::new(),
            events: BTreeMap::new(),
            event_number: 0,
            random: Random::new(seed),
            next_subnet: 0,
        }
    }

    /// Adds routers with router ids 10.0.x.y and the areas' default timers.
    pub(crate) fn routers(&mut self, count: usize) -> Vec<NodeId> {
        (0..count).map(|_| self.router()).collect()
    }

    pub(crate) fn router(&mut self) -> NodeId {
        let id = self.nodes.len();
        let router_id = RouterId(Ipv4Addr::from(0x0a00_0001 + id as u32));
        let config = InstanceConfig { router_id, ..InstanceConfig::default() };
        self.nodes.push(Node {
            config,
            instance: None,
            externals: BTreeMap::new(),
            fib: BTreeMap::new(),
            ahead: Duration::ZERO,
            life: 0,
            wake: None,
        });
        id
    }

    pub(crate) fn router_id(&self, node: NodeId) -> RouterId {
        self.nodes[node].config.router_id
    }

    pub(crate) fn area(&mut self, node: NodeId, area: AreaId, config: AreaConfig) {
        self.nodes[node].config.areas.insert(area, config);
    }

    /// Joins two routers by a numbered link with a /30 of its own.
    pub(crate) fn link(&mut self, a: NodeId, b: NodeId, area: AreaId, cost: u16) -> SegmentId {
        let base = 0xac10_0000 + self.next_subnet * 4;
        self.next_subnet += 1;
        let segment = self.segment();
        for (node, host) in [(a, 1), (b, 2)] {
            let address = Ipv4Net::new(Ipv4Addr::from(base + host), 30).expect("a prefix length");
            self.attach(segment, node, interface_config(area, address, cost, InterfaceType::PointToPoint));
        }
        segment
    }

    /// Joins routers by one point-to-multipoint network, 192.168.x.0/24.
    pub(crate) fn mesh(&mut self, nodes: &[NodeId], area: AreaId, cost: u16) -> SegmentId {
        let segment = self.segment();
        for node in nodes {
            let host = self.nodes[*node].config.router_id.0.octets()[3];
            let address =
                Ipv4Net::new(Ipv4Addr::new(192, 168, segment as u8, host), 24).expect("a prefix length");
            self.attach(
                segment,
                *node,
                interface_config(area, address, cost, InterfaceType::PointToMultipoint),
            );
        }
        segment
    }

    /// Joins routers by one broadcast network, 192.168.x.0/24, which takes no longer than any other to hear of a router.
    pub(crate) fn lan(&mut self, nodes: &[NodeId], area: AreaId, cost: u16) -> SegmentId {
        let segment = self.segment();
        for node in nodes {
            self.join_lan(segment, *node, area, cost);
        }
        segment
    }

    /// Adds a router to a broadcast network.
    pub(crate) fn join_lan(
        &mut self,
        segment: SegmentId,
        node: NodeId,
        area: AreaId,
        cost: u16,
    ) -> InterfaceId {
        let host = self.nodes[node].config.router_id.0.octets()[3];
        let address =
            Ipv4Net::new(Ipv4Addr::new(192, 168, segment as u8, host), 24).expect("a prefix length");
        self.attach(segment, node, interface_config(area, address, cost, InterfaceType::Broadcast))
    }

    /// The configuration of the interface that a router has on a segment, before it starts.
    pub(crate) fn interface_on(&mut self, segment: SegmentId, node: NodeId) -> &mut InterfaceConfig {
        let id = self.interface_id_on(segment, node);
        self.nodes[node].config.interfaces.get_mut(&id).expect("an interface")
    }

    /// What a router shows of its interface on a segment.
    pub(crate) fn view_on(&self, segment: SegmentId, node: NodeId) -> InterfaceView {
        let id = self.interface_id_on(segment, node);
        let instance = self.nodes[node].instance.as_ref().expect("it runs");
        let mut views = instance.view_interfaces(self.now).into_iter();
        views.find(|view| view.interface_id == id).expect("an interface")
    }

    pub(crate) fn interface_id_on(&self, segment: SegmentId, node: NodeId) -> InterfaceId {
        let members = &self.segments[segment].members;
        members.iter().find(|(member, _)| *member == node).expect("a member").1
    }

    /// A backbone adjacency between two members of a mesh, over that mesh.
    pub(crate) fn multi_area(&mut self, mesh: SegmentId, a: NodeId, b: NodeId, cost: u16) {
        let address_of = |network: &Self, node: NodeId| {
            let (_, id) =
                *network.segments[mesh].members.iter().find(|(member, _)| *member == node).expect("a member");
            network.nodes[node].config.interfaces[&id].address
        };
        let (address_a, address_b) = (address_of(self, a), address_of(self, b));
        for (node, own, peer) in [(a, address_a, address_b), (b, address_b, address_a)] {
            let mut config = interface_config(BACKBONE, own, cost, InterfaceType::PointToPoint);
            config.unnumbered = true;
            config.unicast_to = Some(peer.addr());
            self.attach(mesh, node, config);
        }
    }

    /// Joins two border routers by a virtual link through an area.
    pub(crate) fn virtual_link(&mut self, a: NodeId, b: NodeId, transit_area: AreaId) {
        for (node, other) in [(a, b), (b, a)] {
            let router_id = self.router_id(other);
            let kind = InterfaceType::VirtualLink { transit_area, router_id };
            let segment = self.segment();
            self.attach(segment, node, interface_config(BACKBONE, Ipv4Net::default(), 1, kind));
        }
    }

    /// A passive interface with a prefix of its own.
    pub(crate) fn stub(&mut self, node: NodeId, area: AreaId, prefix: &str, cost: u16) -> InterfaceId {
        let segment = self.segment();
        let address = prefix.parse().expect("a prefix");
        let mut config = interface_config(area, address, cost, InterfaceType::PointToPoint);
        config.passive = true;
        self.attach(segment, node, config)
    }

    /// A segment without members.
    pub(crate) fn segment(&mut self) -> SegmentId {
        self.segments.push(Segment { members: Vec::new(), up: true, silent: false });
        self.segments.len() - 1
    }

    /// Gives a router another interface, on a segment.
    pub(crate) fn attach(
        &mut self,
        segment: SegmentId,
        node: NodeId,
        mut config: InterfaceConfig,
    ) -> InterfaceId {
        let instance = &mut self.nodes[node].config;
        let id = InterfaceId(instance.interfaces.len() as u32 + 1);
        config.name = format!("if{}", id.0);
        instance.areas.entry(config.area).or_default();
        instance.interfaces.insert(id, config);
        self.segments[segment].members.push((node, id));
        self.attached.insert((node, id), segment);
        id
    }

    /// The segment of an interface.
    pub(crate) fn segment_of(&self, node: NodeId, interface: InterfaceId) -> Option<&Segment> {
        // A test may have taken the interface away from where it was attached.
        let segment = self.segments.get(*self.attached.get(&(node, interface))?)?;
        segment.members.contains(&(node, interface)).then_some(segment)
    }

    /// The time by a router's own clock.
    pub(crate) fn local(&self, node: NodeId) -> Instant {
        self.now + self.nodes[node].ahead
    }

    /// A router's clock jumps ahead.
    pub(crate) fn jump(&mut self, node: NodeId, by: Duration) {
        self.nodes[node].ahead += by;
        self.with(node, |instance, now| instance.handle_timeout(now));
    }

    pub(crate) fn start_all(&mut self) {
        for node in 0..self.nodes.len() {
            self.start(node);
        }
    }

    /// Starts the process of a router, with all links that are up.
    pub(crate) fn start(&mut self, node: NodeId) {
        let seed = self.random.next();
        let state = &mut self.nodes[node];
        state.life += 1;
        state.fib = BTreeMap::new();
        state.wake = None;
        state.instance = Some(Instance::new(self.now + state.ahead, state.config.clone(), seed));
        let mut links: Vec<_> = self.nodes[node].config.interfaces.keys().copied().collect();
        links.retain(|id| self.segment_of(node, *id).is_some_and(|segment| segment.up));
        let externals = self.nodes[node].externals.clone();
        if !externals.is_empty() {
            self.with(node, |instance, now| instance.handle_redistribution(now, externals));
        }
        for interface in links {
            self.with(node, |instance, now| instance.handle_link(now, interface, true));
        }
    }

    /// Gives a router all that it is to announce from outside OSPF.
    pub(crate) fn redistribute(&mut self, node: NodeId, externals: &[(&str, ExternalRoute)]) {
        let prefix = |text: &str| text.parse().expect("a prefix");
        let externals: BTreeMap<_, _> = externals.iter().map(|(p, route)| (prefix(p), *route)).collect();
        self.nodes[node].externals = externals.clone();
        self.with(node, |instance, now| instance.handle_redistribution(now, externals));
    }

    /// Ends the process of a router without a word.
    pub(crate) fn kill(&mut self, node: NodeId) {
        self.nodes[node].instance = None;
        self.nodes[node].fib = BTreeMap::new();
    }

    /// Ends it in order.
    pub(crate) fn shut_down(&mut self, node: NodeId) {
        self.with(node, |instance, now| instance.shutdown(now));
        self.kill(node);
    }

    /// Takes the link away at all members, or gives it back.
    pub(crate) fn set_link(&mut self, segment: SegmentId, up: bool) {
        self.segments[segment].up = up;
        for (node, interface) in self.segments[segment].members.clone() {
            self.with(node, |instance, now| instance.handle_link(now, interface, up));
        }
    }

    /// Changes the configuration of a router that runs.
    pub(crate) fn reconfigure(&mut self, node: NodeId, change: impl FnOnce(&mut InstanceConfig)) {
        change(&mut self.nodes[node].config);
        let config = self.nodes[node].config.clone();
        self.with(node, |instance, now| instance.handle_config(now, config));
    }

    /// Takes interfaces away from a router that runs.
    pub(crate) fn remove_interfaces(&mut self, node: NodeId, which: impl Fn(&InterfaceConfig) -> bool) {
        self.reconfigure(node, |config| config.interfaces.retain(|_, interface| !which(interface)));
        self.forget_removed_interfaces();
    }

    /// Takes one interface away from a router that runs.
    pub(crate) fn remove_interface(&mut self, node: NodeId, id: InterfaceId) {
        self.reconfigure(node, |config| config.interfaces.retain(|other, _| *other != id));
        self.forget_removed_interfaces();
    }

    /// Takes an area and its interfaces away from a router that runs.
    pub(crate) fn remove_area(&mut self, node: NodeId, area: AreaId) {
        self.reconfigure(node, |config| {
            config.interfaces.retain(|_, interface| interface.area != area);
            config.areas.remove(&area);
        });
        self.forget_removed_interfaces();
    }

    fn forget_removed_interfaces(&mut self) {
        for segment in &mut self.segments {
            segment.members.retain(|(node, id)| self.nodes[*node].config.interfaces.contains_key(id));
        }
    }

    /// Calls an entry point of a router, and does what the router says.
    pub(crate) fn with(&mut self, node: NodeId, call: impl FnOnce(&mut Instance, Instant)) {
        let now = self.local(node);
        let state = &mut self.nodes[node];
        let Some(instance) = &mut state.instance else { return };
        call(instance, now);
        let mut transmits = Vec::new();
        while let Some(output) = instance.poll_output() {
            if let Some(transcript) = &mut self.transcript {
                transcript.add(&(now, node, &output));
            }
            match output {
                Output::Transmit(packet) => transmits.push(packet),
                Output::Routes(changes) => {
                    if let Some(changed) = &mut self.changed {
                        changed.extend(changes.iter().map(|change| match change {
                            RouteChange::Install { prefix, .. } | RouteChange::Withdraw { prefix } => *prefix,
                        }));
                    }
                    apply(&mut state.fib, changes);
                }
                Output::Notification(_) => {}
            }
        }
        for packet in transmits {
            self.transmit(node, packet);
        }
        self.arm(node);
    }

    /// Hands a packet to its receivers on the segment, as its quality has it.
    fn transmit(&mut self, node: NodeId, packet: Transmit) {
        self.packets += 1;
        if self.nodes[node].config.interfaces.get(&packet.interface).is_some_and(is_virtual) {
            return self.transmit_routed(node, &packet);
        }
        let Some(segment) = self.segment_of(node, packet.interface) else { return };
        if !segment.up || segment.silent {
            return;
        }
        let mut receivers = segment.members.clone();
        receivers.retain(|(member, _)| *member != node && !self.is_cut(node, *member));
        let area = AreaId(Ipv4Addr::new(
            packet.payload[8],
            packet.payload[9],
            packet.payload[10],
            packet.payload[11],
        ));
        receivers.retain(|(member, id)| {
            let Some(config) = self.nodes[*member].config.interfaces.get(id) else { return false };
            // A network card may take more groups than it was asked for.
            let is_for = packet.destination.is_multicast() || packet.destination == config.address.addr();
            // As the driver does: the interface of a multi-area adjacency takes what its peer sends in its area.
            is_for
                && config
                    .unicast_to
                    .map_or(config.area == area, |peer| config.area == area && peer == packet.source)
        });
        for (node, interface) in receivers {
            self.deliver(node, interface, &packet);
        }
    }

    /// Hands a packet to its receiver as the routes of the routers in between have it.
    fn transmit_routed(&mut self, node: NodeId, packet: &Transmit) {
        if let Some((receiver, arrival)) = self.way(node, packet.destination).last().copied() {
            self.deliver(receiver, arrival, packet);
        }
    }

    /// The routers that a datagram to an address passes after `node`, and where it comes in there; empty if it does not
    /// arrive. An address is that of an interface, up or not.
    pub(crate) fn way(&self, node: NodeId, destination: Ipv4Addr) -> Vec<(NodeId, InterfaceId)> {
        let mut way = Vec::new();
        let mut at = node;
        while !self.has_address(at, destination) {
            let next = self.next_hop(at, destination).filter(|_| way.len() < 64);
            let Some((next, arrival)) = next else { return Vec::new() };
            way.push((next, arrival));
            at = next;
        }
        way
    }

    fn has_address(&self, node: NodeId, address: Ipv4Addr) -> bool {
        self.nodes[node].config.interfaces.values().any(|config| config.address.addr() == address)
    }

    fn next_hop(&self, node: NodeId, destination: Ipv4Addr) -> Option<(NodeId, InterfaceId)> {
        let routes = self.nodes[node].fib.iter().filter(|(prefix, _)| prefix.contains(&destination));
        let (_, route) = routes.max_by_key(|(prefix, _)| prefix.prefix_len())?;
        let hop = route.next_hops.first()?;
        let mut segments = self.segments.iter().filter(|segment| segment.up && !segment.silent);
        let segment = segments.find(|segment| segment.members.contains(&(node, hop.interface)))?;
        let address = hop.address.unwrap_or(destination);
        let mut members = segment.members.iter().copied();
        members.find(|(member, id)| {
            let is_there = self.nodes[*member].instance.is_some() && !self.is_cut(node, *member);
            let config = self.nodes[*member].config.interfaces.get(id);
            *member != node && is_there && config.is_some_and(|config| config.address.addr() == address)
        })
    }

    fn deliver(&mut self, node: NodeId, interface: InterfaceId, packet: &Transmit) {
        let quality = self.quality;
        if self.random.chance(quality.loss_percent) {
            return;
        }
        let copies = if self.random.chance(quality.duplicate_percent) { 2 } else { 1 };
        for _ in 0..copies {
            let jitter = Duration::from_micros(self.random.below(quality.jitter.as_micros() as u64 + 1));
            let life = self.nodes[node].life;
            let event = Event::Deliver { node, life, interface, packet: packet.clone() };
            self.push(self.now + quality.delay + jitter, event);
        }
    }

    /// Separates two routers, or joins them again, without any link noticing.
    pub(crate) fn set_cut(&mut self, a: NodeId, b: NodeId, cut: bool) {
        for pair in [(a, b), (b, a)] {
            if cut {
                self.cuts.insert(pair)
            } else {
                self.cuts.remove(&pair)
            };
        }
    }

    pub(crate) fn is_cut(&self, a: NodeId, b: NodeId) -> bool {
        self.cuts.contains(&(a, b))
    }

    fn arm(&mut self, node: NodeId) {
        let ahead = self.nodes[node].ahead.as_micros() as u64;
        let wake = self.nodes[node].instance.as_ref().and_then(Instance::poll_timeout);
        let wake = wake.map(|at| Instant(at.0.saturating_sub(ahead)));
        if self.nodes[node].wake == wake {
            return;
        }
        self.nodes[node].wake = wake;
        if let Some(at) = wake {
            self.push(at.max(self.now), Event::Wake(node));
        }
    }

    fn push(&mut self, at: Instant, event: Event) {
        self.event_number += 1;
        self.events.insert((at, self.event_number), event);
    }

    /// Lets time pass.
    pub(crate) fn run_for(&mut self, duration: Duration) {
        let end = self.now + duration;
        while self.events.first_key_value().is_some_and(|((at, _), _)| *at <= end) {
            self.step();
        }
        self.now = end;
    }

    /// Lets time pass until something is so, and says how long that took. Fails after `limit`.
    pub(crate) fn run_until(
        &mut self,
        what: &str,
        limit: Duration,
        condition: impl Fn(&Self) -> bool,
    ) -> Duration {
        let start = self.now;
        while !condition(self) {
            assert!(self.now.since(start) <= limit, "not within {limit:?}: {what}\n{}", self.describe());
            self.step();
        }
        self.now.since(start)
    }

    /// When the next event is.
    pub(crate) fn next_event(&self) -> Option<Instant> {
        self.events.first_key_value().map(|((at, _), _)| *at)
    }

    pub(crate) fn step(&mut self) {
        let Some(((at, _), event)) = self.events.pop_first() else {
            panic!("nothing will ever happen again")
        };
        self.now = at;
        match event {
            Event::Wake(node) => {
                if self.nodes[node].wake.is_some_and(|wake| wake <= at) {
                    self.nodes[node].wake = None;
                    self.with(node, |instance, now| instance.handle_timeout(now));
                }
            }
            Event::Deliver { node, life, interface, packet } => {
                if self.nodes[node].life == life {
                    self.with(node, |instance, now| {
                        instance.handle_packet(
                            now,
                            interface,
                            packet.source,
                            packet.destination,
                            &packet.payload,
                        );
                    });
                }
            }
        }
    }

    /// The routers whose process runs.
    pub(crate) fn alive(&self) -> impl Iterator<Item = (NodeId, &Node, &Instance)> {
        self.nodes.iter().enumerate().filter_map(|(id, node)| Some((id, node, node.instance.as_ref()?)))
    }

    /// The state in which a router sees another, the furthest one if they meet more than once.
    pub(crate) fn neighbor_state(&self, node: NodeId, other: NodeId) -> NeighborState {
        let other = self.router_id(other);
        let instance = self.nodes[node].instance.as_ref();
        instance
            .into_iter()
            .flat_map(|instance| instance.view_neighbors(self.local(node)))
            .filter(|neighbor| neighbor.neighbor_router_id == other)
            .map(|neighbor| neighbor.state)
            .max()
            .unwrap_or(NeighborState::Down)
    }

    /// What went on, for messages of failed tests.
    pub(crate) fn describe(&self) -> String {
        let mut text = format!("at {:?}\n", self.now);
        for (id, node, instance) in self.alive() {
            text.push_str(&format!("{:?}:", node.config.router_id));
            for neighbor in instance.view_neighbors(self.local(id)) {
                text.push_str(&format!(
                    " {}@{}={}/{}r{}q",
                    neighbor.neighbor_router_id,
                    neighbor.interface,
                    neighbor.state,
                    neighbor.statistics.nbr_retrans_qlen,
                    neighbor.statistics.nbr_request_qlen,
                ));
            }
            for view in instance.view_interfaces(self.local(id)) {
                if let Some(designated) = view.dr_router_id {
                    text.push_str(&format!(" {}:dr={designated},bdr={:?}", view.name, view.bdr_router_id));
                }
            }
            text.push('\n');
        }
        text
    }
}

/// A digest of a sequence of things.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Transcript(u64);

impl Default for Transcript {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Transcript {
    fn add(&mut self, what: &impl std::fmt::Debug) {
        for byte in format!("{what:?}").bytes() {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
}

fn apply(fib: &mut BTreeMap<Ipv4Net, Route>, changes: Vec<RouteChange>) {
    for change in changes {
        match change {
            RouteChange::Install { prefix, route } => {
                assert_ne!(fib.get(&prefix), Some(&route), "a change that changes nothing");
                fib.insert(prefix, route);
            }
            RouteChange::Withdraw { prefix } => {
                assert!(fib.remove(&prefix).is_some(), "{prefix} was not there");
            }
        }
    }
}

pub(crate) fn interface_config(
    area: AreaId,
    address: Ipv4Net,
    cost: u16,
    interface_type: InterfaceType,
) -> InterfaceConfig {
    InterfaceConfig {
        name: String::new(),
        area,
        interface_type,
        address,
        cost,
        hello_interval: seconds(1),
        dead_interval: seconds(4),
        ..InterfaceConfig::default()
    }
}

fn is_virtual(config: &InterfaceConfig) -> bool {
    config.interface_type.virtual_link().is_some()
}
