//! A network and what befalls it, as data: drawn from a seed, written down, made smaller.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use isthmus_ospf::config::{
    AreaConfig, AreaRange, AreaType, Authentication, ExternalRoute, InterfaceType, Key, StaticNeighbor,
};
use isthmus_ospf::types::AreaId;
use isthmus_ospf::wire::Algorithm;
use serde::{Deserialize, Serialize};

use crate::network::{Network, Quality, interface_config};
use crate::random::Random;

/// A network and its events. Routers and segments keep their numbers when others are taken away.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Scenario {
    pub(super) seed: u64,
    /// Links lose, duplicate and reorder packets.
    pub(super) bad: bool,
    /// Area 0 is the backbone.
    pub(super) areas: Vec<Area>,
    pub(super) routers: Vec<Router>,
    pub(super) segments: Vec<Segment>,
    /// With the milliseconds since the event before.
    pub(super) events: Vec<(u64, Event)>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Area {
    /// Stub, with or without summaries.
    pub(super) stub: Option<bool>,
    /// A range over all of the area's links: advertised, at a fixed cost.
    pub(super) range: Option<(bool, Option<u32>)>,
    /// Packets are signed.
    pub(super) signed: bool,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Router {
    pub(super) present: bool,
    /// The area of its address.
    pub(super) area: usize,
    /// What it announces from outside: which prefix, metric, type 2.
    pub(super) externals: Vec<(u8, u32, bool)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Kind {
    Link,
    Lan,
    Mesh,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Segment {
    pub(super) kind: Kind,
    pub(super) area: usize,
    /// Router, cost and priority.
    pub(super) members: Vec<(usize, u16, u8)>,
}

/// What befalls a network. What names something that is not there does nothing.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) enum Event {
    /// The carrier of a segment.
    Carrier(usize, bool),
    /// Packets vanish although the carrier is there.
    Silent(usize, bool),
    Kill(usize),
    ShutDown(usize),
    Start(usize),
    /// A router's clock jumps ahead by seconds.
    Jump(usize, u64),
    /// The cost of a router's interface on a segment.
    Cost(usize, usize, u16),
    /// Its priority there.
    Priority(usize, usize, u8),
    /// Another prefix there, or none.
    Stub(usize, usize, bool),
    /// An area's border routers hide its range, advertise it, or have none.
    Range(usize, Option<(bool, Option<u32>)>),
    /// An area becomes stub or normal at all of its routers.
    AreaType(usize, Option<bool>),
    /// A router announces other routes from outside.
    Externals(usize, Vec<(u8, u32, bool)>),
    /// The delay of a router's calculations in milliseconds.
    SpfDelay(usize, u64),
    /// All segments between the routers with an even number and those with an odd one, silent or not.
    Partition(bool),
}

impl Scenario {
    /// A network of several areas with so many routers, and so many events.
    pub(super) fn draw(seed: u64, routers: usize, events: usize) -> Self {
        let mut random = Random::new(seed ^ 0x5eed);
        let mut scenario = Self::topology(seed, routers, &mut random);
        scenario.bad = seed.is_multiple_of(3);
        for _ in 0..events {
            let pause = [50, 400, 1_500, 6_000][random.below(4) as usize];
            let event = scenario.event(&mut random);
            scenario.events.push((random.below(pause), event));
        }
        scenario
    }

    /// A network of areas of 4 to 100 routers around a backbone, each with one or two border routers.
    pub(super) fn topology(seed: u64, count: usize, random: &mut Random) -> Self {
        let size = if count > 200 { 60 } else { 6 + random.below(6) as usize };
        let areas = 1 + (count / size).min(count / 3);
        let backbone = (count / areas).max(2).min(count);
        let mut scenario = Self {
            seed,
            bad: false,
            areas: (0..areas).map(|area| Area::draw(area, random)).collect(),
            routers: (0..count)
                .map(|router| {
                    let area = if router < backbone { 0 } else { 1 + router % (areas - 1).max(1) };
                    Router { present: true, area, externals: Vec::new() }
                })
                .collect(),
            segments: Vec::new(),
            events: Vec::new(),
        };
        if areas == 1 {
            scenario.routers.iter_mut().for_each(|router| router.area = 0);
        }
        for area in 0..areas {
            let mut routers: Vec<usize> =
                (0..count).filter(|it| scenario.routers[*it].area == area).collect();
            if area > 0 {
                // Border routers are of the backbone.
                for _ in 0..1 + random.below(2) {
                    let border = random.below(backbone as u64) as usize;
                    if !routers.contains(&border) {
                        routers.insert(0, border);
                    }
                }
            }
            scenario.connect(area, &routers, random);
        }
        for router in 0..count {
            if random.chance(15) && scenario.may_announce(router) {
                scenario.routers[router].externals = externals(random);
            }
        }
        scenario
    }

    /// Joins the routers of an area: each to one before it, and some more.
    fn connect(&mut self, area: usize, routers: &[usize], random: &mut Random) {
        let member = |router: usize, random: &mut Random| {
            let priority = [0, 1, 1, 200][random.below(4) as usize];
            (router, 1 + random.below(6) as u16, priority)
        };
        let mut next = 1;
        while next < routers.len() {
            let before = routers[random.below(next as u64) as usize];
            let mut members = vec![member(before, random), member(routers[next], random)];
            let kind = match random.below(10) {
                0 => Kind::Lan,
                1 => Kind::Mesh,
                _ => Kind::Link,
            };
            next += 1;
            while kind != Kind::Link && members.len() < 5 && next < routers.len() {
                members.push(member(routers[next], random));
                next += 1;
            }
            // Somebody speaks for the network.
            members[0].2 = members[0].2.max(1);
            self.segments.push(Segment { kind, area, members });
        }
        for _ in 0..routers.len() / 2 {
            let a = routers[random.below(routers.len() as u64) as usize];
            let b = routers[random.below(routers.len() as u64) as usize];
            if a != b {
                let members = vec![member(a, random), member(b, random)];
                self.segments.push(Segment { kind: Kind::Link, area, members });
            }
        }
    }

    /// Whether a router is in one area only, which takes externals, as the oracle has it.
    fn may_announce(&self, router: usize) -> bool {
        let area = self.routers[router].area;
        let other = |segment: &Segment| {
            segment.area != area && segment.members.iter().any(|(member, _, _)| *member == router)
        };
        self.areas[area].stub.is_none() && !self.segments.iter().any(other)
    }

    fn event(&self, random: &mut Random) -> Event {
        let segment = random.below(self.segments.len().max(1) as u64) as usize;
        let router = random.below(self.routers.len() as u64) as usize;
        let area = random.below(self.areas.len() as u64) as usize;
        let members = self.segments.get(segment).map_or(&[][..], |segment| &segment.members);
        let member = members.get(random.below(members.len().max(1) as u64) as usize).map_or(0, |it| it.0);
        match random.below(24) {
            0..4 => Event::Carrier(segment, random.chance(50)),
            4..7 => Event::Silent(segment, random.chance(50)),
            7 | 8 => Event::Kill(router),
            9 => Event::ShutDown(router),
            10..14 => Event::Start(router),
            14 => Event::Jump(router, [1, 3, 10, 2_000, 4_000][random.below(5) as usize]),
            15 | 16 => Event::Cost(member, segment, 1 + random.below(6) as u16),
            17 => Event::Priority(member, segment, random.below(3) as u8),
            18 => Event::Stub(member, segment, random.chance(60)),
            19 => Event::Range(area, draw_range(random)),
            20 if area > 0 && self.routers.iter().all(|it| it.area != area || it.externals.is_empty()) => {
                Event::AreaType(area, [None, Some(true), Some(false)][random.below(3) as usize])
            }
            21 if self.may_announce(router) => Event::Externals(router, externals(random)),
            22 => Event::SpfDelay(router, [0, 10, 200][random.below(3) as usize]),
            _ => Event::Partition(random.chance(40)),
        }
    }

    /// The network, with nobody started.
    pub(super) fn build(&self) -> Network {
        let mut network = Network::new(self.seed);
        // Not so bad that some adjacency of fifty always is just being lost.
        let bad = Quality { loss_percent: 4, ..Quality::BAD };
        network.quality = if self.bad { bad } else { Quality::GOOD };
        network.routers(self.routers.len());
        for (number, segment) in self.segments.iter().enumerate() {
            let id = network.segment();
            for (place, (router, cost, priority)) in segment.members.iter().enumerate() {
                if !self.routers[*router].present {
                    continue;
                }
                let (interface_type, length) = match segment.kind {
                    Kind::Link => (InterfaceType::PointToPoint, 30),
                    // Every other network has no multicast.
                    Kind::Lan if number % 2 == 1 => (InterfaceType::NonBroadcast, 29),
                    Kind::Lan => (InterfaceType::Broadcast, 29),
                    Kind::Mesh => (InterfaceType::PointToMultipoint, 29),
                };
                let address = address(segment.area, number, place, length);
                let mut config = interface_config(area_id(segment.area), address, *cost, interface_type);
                config.priority = *priority;
                if segment.kind != Kind::Link && number % 2 == 1 {
                    let poll_interval = config.dead_interval;
                    let listed = StaticNeighbor { priority: 1, poll_interval };
                    let others = (0..segment.members.len()).filter(|other| *other != place);
                    let at = |other| self::address(segment.area, number, other, length).addr();
                    config.static_neighbors = others.map(|other| (at(other), listed)).collect();
                }
                if self.areas[segment.area].signed {
                    let keys = vec![Key::always(1, Algorithm::Md5, b"chaos")];
                    config.authentication = Authentication::Cryptographic(keys);
                }
                network.attach(id, *router, config);
            }
        }
        for (number, router) in self.routers.iter().enumerate().filter(|(_, router)| router.present) {
            // Outside of all ranges: the oracle follows it to where externals come from.
            let host = format!("{}/32", network.router_id(number).0);
            network.stub(number, area_id(router.area), &host, 0);
            network.nodes[number].externals = routes(&router.externals);
            network.nodes[number].config.maximum_paths = 64;
        }
        for (number, area) in self.areas.iter().enumerate() {
            let config = area.config(number);
            for node in &mut network.nodes {
                node.config.areas.entry(area_id(number)).and_modify(|there| *there = config.clone());
            }
        }
        network
    }
}

impl Area {
    fn draw(number: usize, random: &mut Random) -> Self {
        let stub = [None, None, Some(true), Some(false)][random.below(4) as usize].filter(|_| number > 0);
        Self { stub, range: draw_range(random), signed: random.chance(20) }
    }

    /// The configuration of the area with this number.
    pub(super) fn config(&self, number: usize) -> AreaConfig {
        let area_type = match self.stub {
            None => AreaType::Normal,
            Some(summary) => AreaType::Stub { default_cost: 5, summary },
        };
        let ranges = self.range.iter().map(|(advertise, cost)| AreaRange {
            prefix: prefix(number),
            advertise: *advertise,
            cost: *cost,
        });
        AreaConfig { area_type, ranges: ranges.collect(), ..AreaConfig::default() }
    }
}

fn draw_range(random: &mut Random) -> Option<(bool, Option<u32>)> {
    [None, None, Some((true, None)), Some((true, Some(30))), Some((false, None))][random.below(5) as usize]
}

fn externals(random: &mut Random) -> Vec<(u8, u32, bool)> {
    (0..random.below(3))
        .map(|_| (random.below(4) as u8, random.below(50) as u32, random.chance(50)))
        .collect()
}

/// What a router announces from outside.
pub(super) fn routes(externals: &[(u8, u32, bool)]) -> std::collections::BTreeMap<Ipv4Net, ExternalRoute> {
    let net = |number: u8| Ipv4Net::new(Ipv4Addr::new(198, 18, number, 0), 24).expect("a prefix length");
    let route = |metric, e2| ExternalRoute { metric, e2, ..ExternalRoute::default() };
    externals.iter().map(|(number, metric, e2)| (net(*number), route(*metric, *e2))).collect()
}

/// The name of an area.
pub(super) fn area_id(number: usize) -> AreaId {
    AreaId(Ipv4Addr::from(number as u32))
}

/// All addresses of an area's links: 2^17 of them, from 32.0.0.0 on.
fn prefix(area: usize) -> Ipv4Net {
    Ipv4Net::new(Ipv4Addr::from(0x2000_0000 + ((area as u32) << 17)), 15).expect("a prefix length")
}

fn address(area: usize, segment: usize, place: usize, length: u8) -> Ipv4Net {
    let base = u32::from(prefix(area).addr()) + segment as u32 * 8;
    Ipv4Net::new(Ipv4Addr::from(base + 1 + place as u32), length).expect("a prefix length")
}
