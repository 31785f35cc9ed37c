//! Floods of what nobody has asked for, and the memory that an engine takes meanwhile: counted by the allocator of this process.

#![allow(clippy::expect_used, clippy::panic, reason = "a failed expectation is a failed test")]

use std::alloc::System;
use std::net::Ipv4Addr;
use std::time::Duration;

use cap::Cap;
use isthmus_ospf::config::{AreaConfig, InstanceConfig, InterfaceConfig, InterfaceType};
use isthmus_ospf::types::{AreaId, Instant, InterfaceId, MAX_AGE, RouterId, SeqNum};
use isthmus_ospf::view::NeighborState;
use isthmus_ospf::wire::{
    ALL_SPF_ROUTERS, Header, Hello, LsType, Lsa, LsaBody, LsaHeader, LsaKey, Options, Packet, PacketBody,
    RouterFlags, RouterLsa,
};
use isthmus_ospf::{Instance, Output};

#[global_allocator]
static ALLOCATOR: Cap<System> = Cap::new(System, usize::MAX);

const LAN: InterfaceId = InterfaceId(1);
const FLOOD: u32 = 30_000;

fn config(host: u8) -> InstanceConfig {
    let interface = InterfaceConfig {
        name: "lan".to_owned(),
        interface_type: InterfaceType::Broadcast,
        address: format!("10.0.0.{host}/8").parse().expect("an address"),
        hello_interval: Duration::from_secs(1),
        dead_interval: Duration::from_secs(4),
        ..InterfaceConfig::default()
    };
    InstanceConfig {
        router_id: RouterId([host; 4].into()),
        areas: [(AreaId::BACKBONE, AreaConfig::default())].into(),
        interfaces: [(LAN, interface)].into(),
        ..InstanceConfig::default()
    }
}

/// The engine under test and an honest neighbor, Full.
struct Pair {
    now: Instant,
    routers: [Instance; 2],
}

impl Pair {
    fn new() -> Self {
        let now = Instant(1_000_000);
        let mut routers = [1, 2].map(|host| Instance::new(now, config(host), host.into()));
        routers.iter_mut().for_each(|router| router.handle_link(now, LAN, true));
        let mut pair = Self { now, routers };
        pair.pass(Duration::from_secs(12));
        assert!(pair.is_full());
        pair
    }

    fn is_full(&self) -> bool {
        let peer = RouterId([2; 4].into());
        let views = self.routers[0].view_neighbors(self.now);
        views.iter().any(|view| view.neighbor_router_id == peer && view.state == NeighborState::Full)
    }

    /// Lets both speak with each other for so long.
    fn pass(&mut self, duration: Duration) {
        let end = self.now + duration;
        loop {
            self.exchange();
            let next = self.routers.iter().filter_map(Instance::poll_timeout).min();
            let Some(next) = next.filter(|next| *next <= end) else { break };
            self.now = self.now.max(next);
            self.routers.iter_mut().for_each(|router| router.handle_timeout(self.now));
        }
        self.now = end;
    }

    fn exchange(&mut self) {
        for _ in 0..50 {
            let mut spoken = false;
            for from in 0..2 {
                while let Some(output) = self.routers[from].poll_output() {
                    if let Output::Transmit(packet) = output {
                        let (source, destination) = (packet.source, packet.destination);
                        self.routers[1 - from].handle_packet(
                            self.now,
                            LAN,
                            source,
                            destination,
                            &packet.payload,
                        );
                        spoken = true;
                    }
                }
            }
            if !spoken {
                return;
            }
        }
    }

    /// Packets for the engine under test; what it says to them goes nowhere.
    fn flood(&mut self, what: &str, packet: impl Fn(u32) -> (Ipv4Addr, RouterId, PacketBody)) {
        let before = ALLOCATOR.allocated();
        let mut most = 0;
        for number in 0..FLOOD {
            let (source, router_id, body) = packet(number);
            let payload = Packet { header: Header { router_id, area_id: AreaId::BACKBONE }, body }.encode();
            self.routers[0].handle_packet(self.now, LAN, source, ALL_SPF_ROUTERS, &payload);
            if number % 100 == 99 {
                // Some time, in which timers fire.
                self.pass(Duration::from_millis(10));
            }
            while self.routers[0].poll_output().is_some() {}
            most = most.max(ALLOCATOR.allocated().saturating_sub(before));
        }
        println!("{what}: {FLOOD} packets, at most {} KiB more", most >> 10);
        assert!(most < 512 << 10, "{what}: {most} bytes more");
        self.pass(Duration::from_secs(30));
        assert!(self.is_full(), "{what}: the honest neighbor is there");
        let after = ALLOCATOR.allocated().saturating_sub(before);
        assert!(after < 256 << 10, "{what}: {after} bytes stay");
    }
}

fn hello(number: u32) -> PacketBody {
    PacketBody::Hello(Hello {
        network_mask: Ipv4Addr::new(255, 0, 0, 0),
        hello_interval: 1,
        options: Options::E,
        priority: number as u8,
        dead_interval: 4,
        designated_router: Ipv4Addr::UNSPECIFIED,
        backup_designated_router: Ipv4Addr::UNSPECIFIED,
        neighbors: vec![RouterId([1; 4].into())],
    })
}

fn lsa(ls_type: LsType, number: u32, age: u16) -> Lsa {
    let body = LsaBody::Router(RouterLsa { flags: RouterFlags::empty(), links: Vec::new() });
    let key = LsaKey { ls_type, id: number.into(), advertising_router: RouterId(number.into()) };
    Lsa::build(age, Options::E, key, SeqNum(5), &body)
}

/// A header of what nobody has.
fn header(number: u32) -> LsaHeader {
    lsa(LsType::ROUTER, number, 1).header
}

fn stranger(number: u32) -> (Ipv4Addr, RouterId) {
    (Ipv4Addr::from(0x0a01_0000 + number), RouterId(Ipv4Addr::from(0x0b00_0000 + number)))
}

#[test]
fn floods_of_bogus_neighbors_advertisements_and_acknowledgments_leave_memory_bounded() {
    let honest = (Ipv4Addr::new(10, 0, 0, 2), RouterId([2; 4].into()));
    let mut pair = Pair::new();
    pair.flood("neighbors that hear us", |number| {
        let (address, router) = stranger(number);
        (address, router, hello(number))
    });
    pair.flood("advertisements of strangers", |number| {
        let (address, router) = stranger(number);
        let lsas = (0..10).map(|each| lsa(LsType::ROUTER, number * 10 + each, 1)).collect();
        (address, router, PacketBody::LinkStateUpdate(lsas))
    });
    pair.flood("advertisements of a neighbor that are flushed", |number| {
        let lsas = (0..10).map(|each| lsa(LsType::ROUTER, number * 10 + each, MAX_AGE)).collect();
        (honest.0, honest.1, PacketBody::LinkStateUpdate(lsas))
    });
    pair.flood("advertisements of unknown types", |number| {
        let lsas = (0..10).map(|each| lsa(LsType(200), number * 10 + each, 1)).collect();
        (honest.0, honest.1, PacketBody::LinkStateUpdate(lsas))
    });
    pair.flood("instances of one advertisement, too soon", |number| {
        (honest.0, honest.1, PacketBody::LinkStateUpdate(vec![sequence(number)]))
    });
    pair.flood("acknowledgments of a neighbor", |number| {
        let headers = (0..20).map(|each| header(number * 20 + each)).collect();
        (honest.0, honest.1, PacketBody::LinkStateAck(headers))
    });
    pair.flood("requests and acknowledgments of strangers", |number| {
        let (address, router) = stranger(number);
        let body = match number % 2 {
            0 => PacketBody::LinkStateRequest((0..20).map(|each| header(number * 20 + each).key).collect()),
            _ => PacketBody::LinkStateAck((0..20).map(|each| header(number * 20 + each)).collect()),
        };
        (address, router, body)
    });
}

fn sequence(number: u32) -> Lsa {
    let body = LsaBody::Router(RouterLsa { flags: RouterFlags::empty(), links: Vec::new() });
    let router = RouterId([77; 4].into());
    let key = LsaKey { ls_type: LsType::ROUTER, id: router.0, advertising_router: router };
    Lsa::build(1, Options::E, key, SeqNum(5 + number as i32), &body)
}
