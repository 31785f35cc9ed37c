//! A whole OSPF engine, to which a script gives packets, time, links, configurations and routes from outside.
//!
//! The first byte of a script says what the router is like ([`config`]), each step what it is given ([`Engine::step`]). Packets are
//! given as they are, or with lengths and checksums mended ([`mend`]), so that what was changed in them is looked at.

pub mod conversation;
mod mend;

pub use mend::mend;

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::Duration;

use ipnet::Ipv4Net;
use isthmus_ospf::config::{
    AreaConfig, AreaRange, AreaType, Authentication, ExternalRoute, InstanceConfig, InterfaceConfig,
    InterfaceType,
};
use isthmus_ospf::route::{Route, RouteChange};
use isthmus_ospf::types::{AreaId, Instant, InterfaceId, RouterId};
use isthmus_ospf::wire::Packet;
use isthmus_ospf::{Instance, Output};

use crate::Script;

/// The interface to a network of several routers in the backbone, 10.0.1.0/24.
pub const NETWORK: InterfaceId = InterfaceId(1);
/// The interface to one router in area 0.0.0.51, 10.0.2.0/30.
pub const LINK: InterfaceId = InterfaceId(2);
/// The area of [`LINK`].
pub const AREA: AreaId = AreaId(Ipv4Addr::new(0, 0, 0, 51));

/// Source addresses that a script can name, the router's own and strangers' among them.
const SOURCES: [Ipv4Addr; 8] = [
    Ipv4Addr::new(10, 0, 1, 2),
    Ipv4Addr::new(10, 0, 1, 3),
    Ipv4Addr::new(10, 0, 2, 2),
    Ipv4Addr::new(10, 0, 1, 1),
    Ipv4Addr::new(10, 0, 1, 77),
    Ipv4Addr::new(172, 16, 9, 9),
    Ipv4Addr::UNSPECIFIED,
    Ipv4Addr::BROADCAST,
];

/// Destination addresses that a script can name.
const DESTINATIONS: [Ipv4Addr; 6] = [
    Ipv4Addr::new(224, 0, 0, 5),
    Ipv4Addr::new(224, 0, 0, 6),
    Ipv4Addr::new(10, 0, 1, 1),
    Ipv4Addr::new(10, 0, 2, 1),
    Ipv4Addr::new(10, 0, 1, 2),
    Ipv4Addr::new(224, 0, 0, 9),
];

/// What a script's packets and a conversation's routers are called.
pub fn router_id(host: u8) -> RouterId {
    RouterId(Ipv4Addr::new(10, 255, 0, host))
}

/// The type of network at [`NETWORK`], the authentication, and whether [`AREA`] is a stub area, of the shape in the first byte.
pub fn config(shape: u8, host: u8) -> InstanceConfig {
    let interface_type = match shape & 3 {
        0 => InterfaceType::PointToPoint,
        1 => InterfaceType::PointToMultipoint,
        _ => InterfaceType::Broadcast,
    };
    let authentication = match shape & 4 {
        0 => Authentication::Null,
        _ => Authentication::Simple(*b"password"),
    };
    let area_type = match shape & 8 {
        0 => AreaType::Normal,
        _ => AreaType::Stub { default_cost: 3, summary: shape & 16 != 0 },
    };
    let base = InterfaceConfig {
        hello_interval: Duration::from_secs(1),
        dead_interval: Duration::from_secs(4),
        authentication,
        ..InterfaceConfig::default()
    };
    let network = InterfaceConfig {
        name: "network".to_owned(),
        interface_type,
        address: net(Ipv4Addr::new(10, 0, 1, host), 24),
        stub_prefixes: vec![(net(Ipv4Addr::new(172, 20, host, 0), 24), 1)],
        ..base.clone()
    };
    let link = InterfaceConfig {
        name: "link".to_owned(),
        area: AREA,
        address: net(Ipv4Addr::new(10, 0, 2, host), 30),
        ..base
    };
    let range =
        AreaRange { prefix: net(Ipv4Addr::new(10, 0, 2, 0), 24), advertise: shape & 32 == 0, cost: None };
    let area = AreaConfig { area_type, ranges: vec![range], ..AreaConfig::default() };
    InstanceConfig {
        router_id: router_id(host),
        areas: [(AreaId::BACKBONE, AreaConfig::default()), (AREA, area)].into(),
        interfaces: [(NETWORK, network), (LINK, link)].into(),
        ..InstanceConfig::default()
    }
}

fn net(address: Ipv4Addr, length: u8) -> Ipv4Net {
    Ipv4Net::new(address, length).unwrap_or_default()
}

/// Kinds of steps.
pub mod step {
    /// Packet with its lengths and checksums mended: interface, source, destination, length in two bytes, payload.
    pub const PACKET: u8 = 0;
    /// The same as it is.
    pub const PACKET_AS_IS: u8 = 1;
    /// Milliseconds, two bytes.
    pub const MILLISECONDS: u8 = 2;
    /// Sixteenths of a second, two bytes: up to beyond MaxAge.
    pub const LONG: u8 = 3;
    /// Interface and state of its link.
    pub const LINK: u8 = 4;
    /// Which router is declared dead.
    pub const DEAD: u8 = 5;
    /// What is configured otherwise, and how.
    pub const CONFIG: u8 = 6;
    /// Routes from outside: which of eight, their metric.
    pub const EXTERNALS: u8 = 7;
}

/// The engine, and what its caller keeps beside it.
pub struct Engine {
    instance: Instance,
    now: Instant,
    config: InstanceConfig,
    /// How much time may pass yet: a script that does nothing but wait is not worth the waiting.
    left: Duration,
    /// What would be in the forwarding table.
    routes: BTreeMap<Ipv4Net, Route>,
}

impl Engine {
    /// The router of a shape, with both links up.
    pub fn new(shape: u8) -> Self {
        let (now, config) = (Instant(1_000_000), config(shape, 1));
        let instance = Instance::new(now, config.clone(), 1);
        let left = Duration::from_secs(8_000);
        let mut engine = Self { instance, now, config, left, routes: BTreeMap::new() };
        for interface in [NETWORK, LINK] {
            engine.instance.handle_link(now, interface, true);
            engine.take_outputs();
        }
        engine
    }

    /// Takes the script's next step; `None` at its end.
    pub fn step(&mut self, script: &mut Script<'_>) -> Option<()> {
        let now = self.now;
        match script.byte()? % 8 {
            kind @ (step::PACKET | step::PACKET_AS_IS) => {
                let interface = InterfaceId(1 + u32::from(script.byte()? & 1));
                let source = SOURCES[usize::from(script.byte()?) % SOURCES.len()];
                let destination = DESTINATIONS[usize::from(script.byte()?) % DESTINATIONS.len()];
                let length = script.short()?;
                let mut payload = script.bytes(usize::from(length))?.to_vec();
                if kind == step::PACKET {
                    mend(&mut payload);
                }
                self.instance.handle_packet(now, interface, source, destination, &payload);
            }
            step::MILLISECONDS => {
                let pause = Duration::from_millis(u64::from(script.short()?));
                self.pass(pause);
            }
            step::LONG => {
                let pause = Duration::from_millis(u64::from(script.short()?) * 1000 / 16);
                self.pass(pause);
            }
            step::LINK => {
                let interface = InterfaceId(1 + u32::from(script.byte()? & 1));
                self.instance.handle_link(now, interface, script.byte()? & 1 == 1);
            }
            step::DEAD => self.instance.handle_neighbor_dead(now, router_id(script.byte()? % 8)),
            step::CONFIG => {
                let (what, how) = (script.byte()?, script.byte()?);
                change(&mut self.config, what, how);
                self.instance.handle_config(now, self.config.clone());
            }
            _ => {
                let (which, metric) = (script.byte()?, script.short()?);
                let route = |bit: u8| {
                    let prefix = net(Ipv4Addr::new(198, 18, bit, 0), 24 + (bit & 1));
                    let route =
                        ExternalRoute { metric: metric.into(), e2: bit & 2 == 0, ..ExternalRoute::default() };
                    (which >> bit & 1 == 1).then_some((prefix, route))
                };
                self.instance.handle_redistribution(now, (0..8).filter_map(route).collect());
            }
        }
        self.take_outputs();
        Some(())
    }

    /// Lets time pass; every timer that is due leads on.
    fn pass(&mut self, pause: Duration) {
        let pause = pause.min(self.left);
        self.left -= pause;
        let end = self.now + pause;
        for _ in 0..100_000 {
            let Some(due) = self.instance.poll_timeout().filter(|due| *due <= end) else {
                self.now = end;
                return;
            };
            self.now = self.now.max(due);
            self.instance.handle_timeout(self.now);
            self.take_outputs();
            let next = self.instance.poll_timeout();
            assert!(next.is_none_or(|next| next > self.now), "{next:?} is still due at {:?}", self.now);
        }
        panic!("timers fire for ever");
    }

    /// Takes what the engine says: packets that can be read and fit, changes of routes that change something.
    fn take_outputs(&mut self) {
        let mut packets = 0;
        while let Some(output) = self.instance.poll_output() {
            match output {
                Output::Transmit(packet) => {
                    packets += 1;
                    assert!(Packet::decode(&packet.payload).is_ok(), "{:?}", Packet::decode(&packet.payload));
                }
                Output::Routes(changes) => changes.into_iter().for_each(|change| self.route(change)),
                Output::Notification(_) => {}
            }
        }
        assert!(packets < 5_000, "{packets} packets in answer to one input");
    }

    fn route(&mut self, change: RouteChange) {
        match change {
            RouteChange::Install { prefix, route } => {
                let before = self.routes.insert(prefix, route.clone());
                assert_ne!(before, Some(route), "{prefix}: a change that changes nothing");
            }
            RouteChange::Withdraw { prefix } => {
                assert!(self.routes.remove(&prefix).is_some(), "{prefix} was not there");
            }
        }
    }

    /// Looks at everything there is to see, at the end of a script.
    pub fn look(&self) {
        let now = self.now;
        let shown = [
            format!("{:?}", self.instance.view_instance(now)),
            format!("{:?}", self.instance.view_areas(now)),
            format!("{:?}", self.instance.view_interfaces(now)),
            format!("{:?}", self.instance.view_neighbors(now)),
            format!("{:?}", self.instance.view_database(now, None)),
            format!("{:?}", self.instance.view_database(now, Some(AreaId::BACKBONE))),
            format!("{:?}", self.instance.view_database(now, Some(AREA))),
            format!("{:?}", self.instance.view_local_rib()),
            format!("{:?}", self.instance.view_border_routers()),
        ];
        assert!(shown.iter().all(|view| !view.is_empty()));
        assert_eq!(self.instance.view_local_rib().len(), self.routes.len(), "what is shown is what was told");
    }
}

/// Changes one thing of a configuration.
fn change(config: &mut InstanceConfig, what: u8, how: u8) {
    let id = InterfaceId(1 + u32::from(how & 1));
    match what % 12 {
        0 => config.maximum_paths = 1 + usize::from(how % 16),
        1 => config.spf_delay.initial = Duration::from_millis(u64::from(how)),
        2 => config.router_id = router_id(1 + how % 4),
        3 => {
            // An interface that leaves, or comes back as it was in the first shape.
            if config.interfaces.remove(&id).is_none() {
                let there = self::config(how, 1).interfaces.remove(&id);
                config.interfaces.extend(there.map(|there| (id, there)));
            }
        }
        4 => {
            if let Some(area) = config.areas.get_mut(&AREA) {
                area.area_type = match how & 3 {
                    0 => AreaType::Normal,
                    bits => AreaType::Stub { default_cost: how.into(), summary: bits & 1 == 1 },
                };
            }
        }
        5 => {
            if let Some(area) = config.areas.get_mut(&AREA) {
                let prefix = net(Ipv4Addr::new(10, 0, how, 0), 8 + how % 25).trunc();
                area.ranges = vec![AreaRange { prefix, advertise: how & 1 == 0, cost: Some(how.into()) }];
            }
        }
        kind => {
            let Some(interface) = config.interfaces.get_mut(&id) else { return };
            match kind {
                6 => interface.cost = 1 + u16::from(how),
                7 => interface.priority = how >> 1,
                8 => interface.mtu = 576 + 16 * u16::from(how),
                9 => interface.passive = how & 2 == 2,
                10 => {
                    interface.interface_type = self::config(how >> 1, 1).interfaces[&NETWORK].interface_type
                }
                _ => interface.stub_prefixes = vec![(net(Ipv4Addr::new(172, 20, how, 0), 24), how.into())],
            }
        }
    }
}
