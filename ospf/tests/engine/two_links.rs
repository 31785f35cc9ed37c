//! One router with a link in the backbone and one in another area, Full with a neighbor on each: what does not get into a
//! stub area (sections 3.6, 10.3, 10.6, 10.7, 13), and which adjacencies a change of the configuration leaves alone.

use std::net::Ipv4Addr;
use std::time::Duration;

use isthmus_ospf::config::{
    AreaConfig, AreaRange, AreaType, Authentication, InstanceConfig, InterfaceConfig, Key,
};
use isthmus_ospf::types::{AreaId, InterfaceId, RouterId};
use isthmus_ospf::view::NeighborState;
use isthmus_ospf::wire::{
    ALL_SPF_ROUTERS, Algorithm, AsExternalLsa, DdFlags, Header, LsType, Lsa, LsaBody, LsaKey, Options,
    Packet, PacketBody,
};
use isthmus_ospf::{Instance, Output};

use crate::bench::{LINK, OWN, PEER, PEER_ADDRESS, STRANGER, description, hello, link_config, millis, seq};

pub(crate) const INNER: InterfaceId = InterfaceId(8);
const INNER_PEER_ADDRESS: Ipv4Addr = Ipv4Addr::new(172, 17, 0, 2);
pub(crate) const AREA: AreaId = AreaId(Ipv4Addr::new(0, 0, 0, 9));
pub(crate) const STUB: AreaType = AreaType::Stub { default_cost: 5, summary: true };

/// A link and the neighbor on it.
#[derive(Clone, Copy)]
pub(crate) struct Side {
    pub(crate) link: InterfaceId,
    pub(crate) area: AreaId,
    pub(crate) router: RouterId,
    pub(crate) source: Ipv4Addr,
    pub(crate) options: Options,
}

pub(crate) const OUTER_SIDE: Side =
    Side { link: LINK, area: AreaId::BACKBONE, router: PEER, source: PEER_ADDRESS, options: Options::E };

pub(crate) fn inner_side(area_type: AreaType) -> Side {
    let options = match area_type {
        AreaType::Normal => Options::E,
        AreaType::Stub { .. } => Options::empty(),
        AreaType::Nssa(_) => Options::NP,
    };
    Side { link: INNER, area: AREA, router: STRANGER, source: INNER_PEER_ADDRESS, options }
}

pub(crate) struct Router {
    pub(crate) engine: Instance,
    pub(crate) config: InstanceConfig,
    pub(crate) now: isthmus_ospf::types::Instant,
    pub(crate) sent: Vec<(InterfaceId, PacketBody)>,
    pub(crate) sequence: u32,
}

impl Router {
    pub(crate) fn new(area_type: AreaType) -> Self {
        let inner = InterfaceConfig {
            name: "inner".to_owned(),
            area: AREA,
            address: "172.17.0.1/30".parse().expect("an address"),
            ..link_config()
        };
        let config = InstanceConfig {
            router_id: OWN,
            areas: [
                (AreaId::BACKBONE, AreaConfig::default()),
                (AREA, AreaConfig { area_type, ..AreaConfig::default() }),
            ]
            .into(),
            interfaces: [(LINK, link_config()), (INNER, inner)].into(),
            maximum_paths: 4,
            ..InstanceConfig::default()
        };
        let now = isthmus_ospf::types::Instant(1_000_000_000);
        let mut router = Self {
            engine: Instance::new(now, config.clone(), 1),
            config,
            now,
            sent: Vec::new(),
            sequence: 1,
        };
        for link in [LINK, INNER] {
            router.engine.handle_link(now, link, true);
        }
        router.collect();
        router
    }

    /// Full with both.
    pub(crate) fn full(area_type: AreaType) -> Self {
        let mut router = Self::new(area_type);
        for side in [OUTER_SIDE, inner_side(area_type)] {
            router.exchange(side, &[]);
            assert_eq!(router.state(side), NeighborState::Full);
        }
        for _ in 0..6 {
            router.advance(millis(1000));
            router.acknowledge_all(area_type);
        }
        router.sent.clear();
        router
    }

    pub(crate) fn collect(&mut self) {
        while let Some(output) = self.engine.poll_output() {
            if let Output::Transmit(transmit) = output {
                let (packet, _) = Packet::decode(&transmit.payload).expect("what we send can be decoded");
                self.sent.push((transmit.interface, packet.body));
            }
        }
    }

    pub(crate) fn receive(&mut self, side: Side, body: PacketBody) {
        let payload = Packet { header: Header { router_id: side.router, area_id: side.area }, body }.encode();
        self.engine.handle_packet(self.now, side.link, side.source, ALL_SPF_ROUTERS, &payload);
        self.collect();
    }

    pub(crate) fn hello(&mut self, side: Side) {
        let mut hello = hello(vec![OWN]);
        hello.options = side.options;
        self.receive(side, PacketBody::Hello(hello));
    }

    pub(crate) fn exchange(&mut self, side: Side, lsas: &[Lsa]) {
        self.exchange_with(side, side.options, lsas);
    }

    /// The neighbor describes its database with these options.
    pub(crate) fn exchange_with(&mut self, side: Side, options: Options, lsas: &[Lsa]) {
        self.hello(side);
        for (flags, lsas) in [(DdFlags::all(), &[][..]), (DdFlags::MS, lsas)] {
            self.sequence += 1;
            let mut description = description(flags, self.sequence, lsas);
            description.options = options;
            self.receive(side, PacketBody::DatabaseDescription(description));
        }
    }

    pub(crate) fn advance(&mut self, duration: Duration) {
        let end = self.now + duration;
        while let Some(at) = self.engine.poll_timeout().filter(|at| *at <= end) {
            self.now = at.max(self.now);
            self.engine.handle_timeout(self.now);
            self.collect();
        }
        self.now = end;
    }

    pub(crate) fn acknowledge_all(&mut self, area_type: AreaType) {
        for (link, body) in std::mem::take(&mut self.sent) {
            if let PacketBody::LinkStateUpdate(lsas) = body {
                let side = if link == LINK { OUTER_SIDE } else { inner_side(area_type) };
                self.receive(side, PacketBody::LinkStateAck(lsas.iter().map(|lsa| lsa.header).collect()));
            }
        }
    }

    pub(crate) fn state(&self, side: Side) -> NeighborState {
        let mut neighbors = self.engine.view_neighbors(self.now).into_iter();
        let found = neighbors.find(|neighbor| neighbor.neighbor_router_id == side.router);
        found.map_or(NeighborState::Down, |neighbor| neighbor.state)
    }

    pub(crate) fn states(&self) -> (NeighborState, NeighborState) {
        (self.state(OUTER_SIDE), self.state(inner_side(STUB)))
    }

    /// The advertisements that left through a link in updates or descriptions.
    pub(crate) fn said_to(&self, link: InterfaceId) -> Vec<LsaKey> {
        let of_link = self.sent.iter().filter(|(to, _)| *to == link);
        of_link
            .flat_map(|(_, body)| match body {
                PacketBody::LinkStateUpdate(lsas) => lsas.iter().map(|lsa| lsa.header.key).collect(),
                PacketBody::DatabaseDescription(dd) => dd.headers.iter().map(|header| header.key).collect(),
                _ => Vec::new(),
            })
            .collect()
    }

    pub(crate) fn bad(&self, side: Side, reason: &str) -> u64 {
        let mut views = self.engine.view_interfaces(self.now).into_iter();
        let view = views.find(|view| view.interface_id == side.link).expect("an interface");
        view.statistics.bad_packets.get(reason).copied().unwrap_or_default()
    }

    pub(crate) fn reconfigure(&mut self, change: impl FnOnce(&mut InstanceConfig)) {
        change(&mut self.config);
        self.engine.handle_config(self.now, self.config.clone());
        self.collect();
    }
}

pub(crate) fn external() -> Lsa {
    let key =
        LsaKey { ls_type: LsType::AS_EXTERNAL, id: Ipv4Addr::new(203, 0, 113, 0), advertising_router: PEER };
    let body = LsaBody::AsExternal(AsExternalLsa {
        network_mask: Ipv4Addr::new(255, 255, 255, 0),
        e2: true,
        metric: 20,
        forwarding_address: Ipv4Addr::UNSPECIFIED,
        tag: 0,
    });
    Lsa::build(1, Options::E, key, seq(1), &body)
}

#[test]
fn external_advertisements_are_flooded_into_normal_areas_only() {
    for (area_type, reaches) in [(AreaType::Normal, true), (STUB, false)] {
        let mut router = Router::full(area_type);
        router.receive(OUTER_SIDE, PacketBody::LinkStateUpdate(vec![external()]));
        assert_eq!(router.said_to(INNER).contains(&external().header.key), reaches);
        assert_eq!(router.engine.view_database(router.now, None).len(), 1);
        // Neither are they described to who comes later, nor sent to who asks for them.
        router.sent.clear();
        let side = inner_side(area_type);
        let mut unheard = hello(Vec::new());
        unheard.options = side.options;
        router.receive(side, PacketBody::Hello(unheard));
        router.exchange(side, &[]);
        assert_eq!(router.state(side), NeighborState::Full);
        assert_eq!(router.said_to(INNER).contains(&external().header.key), reaches);
        router.receive(side, PacketBody::LinkStateRequest(vec![external().header.key]));
        assert_eq!(
            (router.bad(side, "bad_request"), router.state(side)),
            match reaches {
                true => (0, NeighborState::Full),
                false => (1, NeighborState::ExStart),
            }
        );
    }
}

#[test]
fn external_advertisements_are_not_taken_from_a_stub_area() {
    let mut router = Router::full(STUB);
    let side = inner_side(STUB);
    router.receive(side, PacketBody::LinkStateUpdate(vec![external()]));
    assert_eq!((router.bad(side, "lsa_external_in_stub"), router.state(side)), (1, NeighborState::Full));
    assert!(router.engine.view_database(router.now, None).is_empty());
    let mut router = Router::new(STUB);
    router.exchange(side, &[external()]);
    assert_eq!((router.bad(side, "lsa_external_in_stub"), router.state(side)), (1, NeighborState::ExStart));
}

#[test]
fn hellos_and_descriptions_carry_the_options_of_their_area() {
    let router = {
        let mut router = Router::new(STUB);
        router.exchange(inner_side(STUB), &[]);
        router.exchange(OUTER_SIDE, &[]);
        router
    };
    let mut seen = 0;
    for (link, body) in &router.sent {
        let options = match body {
            PacketBody::Hello(hello) => hello.options,
            PacketBody::DatabaseDescription(description) => {
                assert!(description.options.contains(Options::O));
                description.options - Options::O
            }
            _ => continue,
        };
        assert_eq!(options, if *link == LINK { Options::E } else { Options::empty() });
        seen += 1;
    }
    assert!(seen >= 6, "{seen}");
}

#[test]
fn the_last_normal_area_takes_the_external_advertisements_with_it() {
    let mut router = Router::full(STUB);
    router.receive(OUTER_SIDE, PacketBody::LinkStateUpdate(vec![external()]));
    assert_eq!(router.engine.view_database(router.now, None).len(), 1);
    router.reconfigure(|config| {
        config.interfaces.remove(&LINK);
        config.areas.remove(&AreaId::BACKBONE);
    });
    assert!(router.engine.view_database(router.now, None).is_empty());
    assert_eq!(router.states().1, NeighborState::Full);
    router.advance(Duration::from_secs(30));
}

/// A change of the configuration.
type Change = fn(&mut InstanceConfig);

fn inner(config: &mut InstanceConfig) -> &mut InterfaceConfig {
    config.interfaces.get_mut(&INNER).expect("the link")
}

fn area(config: &mut InstanceConfig) -> &mut AreaConfig {
    config.areas.get_mut(&AREA).expect("the area")
}

/// The table of `instance::config`: what leaves both adjacencies Full, and what restarts the one and not the other.
#[test]
fn a_change_restarts_no_adjacency_that_it_does_not_touch() {
    use NeighborState::{Down, Full};

    let both: &[(&str, Change)] = &[
        ("name", |config| inner(config).name = "other".to_owned()),
        ("priority", |config| inner(config).priority = 0),
        ("hello interval", |config| inner(config).hello_interval = Duration::from_secs(5)),
        ("dead interval", |config| inner(config).dead_interval = Duration::from_secs(20)),
        ("retransmit interval", |config| inner(config).retransmit_interval = Duration::from_secs(7)),
        ("transmit delay", |config| inner(config).transmit_delay = 3),
        ("password", |config| inner(config).authentication = Authentication::Simple(*b"password")),
        ("keys", |config| {
            inner(config).authentication =
                Authentication::Cryptographic(vec![Key::always(1, Algorithm::Md5, b"k")]);
        }),
        ("cost", |config| inner(config).cost = 77),
        ("MTU", |config| inner(config).mtu = 9000),
        ("check of the MTU", |config| inner(config).mtu_ignore = true),
        ("further prefixes", |config| {
            inner(config).stub_prefixes.push(("198.51.100.0/24".parse().expect("a prefix"), 1));
        }),
        ("address of a point-to-point link", |config| {
            inner(config).address = "172.17.0.5/30".parse().expect("an address");
        }),
        ("ranges", |config| {
            let prefix = "172.16.0.0/12".parse().expect("a prefix");
            area(config).ranges.push(AreaRange { prefix, advertise: true, cost: None });
        }),
        ("default cost", |config| {
            area(config).area_type = AreaType::Stub { default_cost: 99, summary: true }
        }),
        ("summaries", |config| area(config).area_type = AreaType::Stub { default_cost: 5, summary: false }),
        ("intervals of advertisements", |config| area(config).min_ls_arrival = Some(Duration::ZERO)),
        ("paths", |config| config.maximum_paths = 1),
        ("delay of the calculation", |config| config.spf_delay.initial = Duration::from_millis(50)),
    ];
    let of_one: &[(&str, Change)] = &[
        ("type of the area", |config| area(config).area_type = AreaType::Normal),
        ("passive", |config| inner(config).passive = true),
        ("area", |config| inner(config).area = AreaId::BACKBONE),
        ("type of the network", |config| {
            inner(config).interface_type = isthmus_ospf::config::InterfaceType::Broadcast;
        }),
        ("no interface any more", |config| drop(config.interfaces.remove(&INNER))),
    ];
    let cases =
        both.iter().map(|case| (case, (Full, Full))).chain(of_one.iter().map(|case| (case, (Full, Down))));
    for ((name, change), expected) in cases {
        let mut router = Router::full(STUB);
        router.reconfigure(change);
        assert_eq!(router.states(), expected, "{name}");
        // And it lasts for as long as nobody is heard.
        router.advance(Duration::from_secs(9));
        assert_eq!(router.states(), expected, "{name}");
    }
}
