//! The engine alone, in this process and in virtual time: what it keeps on the heap, counted by the allocator, and the processor time
//! of its calculations without everything that surrounds them in a router.

use std::collections::BTreeMap;
use std::time::Duration;

use isthmus_ospf::config::{AreaConfig, InstanceConfig, InterfaceConfig};
use isthmus_ospf::types::{AreaId, Instant, InterfaceId, RouterId};
use isthmus_ospf::wire::{
    ALL_SPF_ROUTERS, DatabaseDescription, DdFlags, Header, Hello, Lsa, LsaKey, Options, Packet, PacketBody,
};
use isthmus_ospf::{Instance, Output};
use rustix::time::{ClockId, clock_gettime};
use serde_json::{Map, Value, json};

use super::database::Database;
use super::{INJECTOR_ADDRESS, INJECTOR_ID, NETWORK_MASK, ROUTER_ADDRESS, ROUTER_ID, Size};
use crate::ALLOCATOR;
use crate::row::{Row, Target, median};

const LINK: InterfaceId = InterfaceId(1);
/// What fits into a packet, in advertisements of a grid's routers.
const PER_PACKET: usize = 12;
/// Between two changes: longer than MinLSArrival and than the longest delay of a calculation.
const BETWEEN: Duration = Duration::from_secs(12);

/// What an engine alone did with one network.
#[derive(Debug)]
pub(super) struct Figures {
    size: &'static str,
    /// Bytes on the heap with everything in place, in MiB.
    heap: f64,
    /// The most at any time until then, in MiB.
    most: f64,
    /// Processor time of each change of a kind, in milliseconds.
    changes: Vec<(&'static str, Vec<f64>)>,
}

/// Fills an engine and changes the network.
pub(super) fn measure(size: Size, changes: usize) -> Figures {
    let mut database = Database::new(size.routers, size.outside);
    let lsas: Vec<Lsa> = database.lsas().values().cloned().collect();
    let empty = ALLOCATOR.allocated();
    let mut engine = Engine::new();
    let mut most = 0;
    engine.become_full(&lsas, || most = most.max(ALLOCATOR.allocated() - empty));
    let heap = ALLOCATOR.allocated() - empty;
    let measured = size.changes.iter().map(|&(kind, percent)| {
        let count = (changes * percent / 100).max(3);
        let costs = (0..count as u32).map(|number| {
            let place = number * 7919 + 17;
            let keys = match kind {
                "host" => database.change_host(place),
                "entry" => database.change_entry(),
                "link" => database.change_link(place),
                _ => database.change_outside(place),
            };
            engine.change(&database, &keys)
        });
        (kind, costs.collect())
    });
    Figures { size: size.name, heap: mebibytes(heap), most: mebibytes(most), changes: measured.collect() }
}

/// The rows of an engine's own figures. The peer of a heap is the bound that it is to keep, the peer of another link's calculation the
/// calculation of everything.
pub(super) fn rows(engines: &[Figures]) -> Vec<Row> {
    let heaps = engines.iter().map(|figures| {
        let (name, bound) = match figures.size {
            "routers" => ("heap-routers", 12.0),
            _ => ("heap-externals", 25.0),
        };
        let (ours, theirs, target) = (vec![figures.heap], vec![bound], Target::AtMost(1.0));
        Row { name, state: "all", unit: "MiB", ours, peer: "bound", theirs, target, dropped: 0 }
    });
    let links = engines.iter().filter(|figures| figures.size == "routers").map(|figures| {
        let (name, ours, theirs) = ("link-in-engine", figures.changes("link"), figures.changes("entry"));
        let (unit, peer, target) = ("ms of CPU", "full", Target::AtMost(0.1));
        Row { name, state: "all", unit, ours, peer, theirs, target, dropped: 0 }
    });
    heaps.chain(links).collect()
}

impl Figures {
    pub(super) fn to_json(&self) -> Value {
        let changes: Map<String, Value> = self
            .changes
            .iter()
            .map(|(kind, costs)| ((*kind).to_owned(), json!({ "median-ms": median(costs), "all-ms": costs })))
            .collect();
        json!({ "network": self.size, "heap-mib": self.heap, "most-heap-mib": self.most, "changes": changes })
    }

    fn changes(&self, kind: &str) -> Vec<f64> {
        let found = self.changes.iter().find(|(name, _)| *name == kind);
        found.map(|(_, costs)| costs.clone()).unwrap_or_default()
    }
}

fn mebibytes(bytes: usize) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

/// The engine, and the time that it believes in.
struct Engine {
    instance: Instance,
    now: Instant,
}

impl Engine {
    fn new() -> Self {
        let interface = InterfaceConfig {
            name: "wire".to_owned(),
            address: ipnet::Ipv4Net::with_netmask(ROUTER_ADDRESS, NETWORK_MASK).expect("a mask"),
            hello_interval: Duration::from_secs(1),
            // Nobody says hello while the engine is at work.
            dead_interval: Duration::from_secs(60_000),
            ..InterfaceConfig::default()
        };
        let config = InstanceConfig {
            router_id: RouterId(ROUTER_ID),
            areas: BTreeMap::from([(AreaId::BACKBONE, AreaConfig::default())]),
            interfaces: BTreeMap::from([(LINK, interface)]),
            ..InstanceConfig::default()
        };
        let now = Instant(1_000_000_000);
        let mut engine = Self { instance: Instance::new(now, config, 1), now };
        engine.instance.handle_link(now, LINK, true);
        engine.drain();
        engine
    }

    /// The neighbor, as master, describes everything and hands it over.
    fn become_full(&mut self, lsas: &[Lsa], mut look: impl FnMut()) {
        self.receive(PacketBody::Hello(Hello {
            network_mask: NETWORK_MASK,
            hello_interval: 1,
            options: Options::E,
            priority: 1,
            dead_interval: 60_000,
            designated_router: std::net::Ipv4Addr::UNSPECIFIED,
            backup_designated_router: std::net::Ipv4Addr::UNSPECIFIED,
            neighbors: vec![RouterId(ROUTER_ID)],
        }));
        let mut sequence = 1;
        self.describe(DdFlags::I | DdFlags::M | DdFlags::MS, sequence, &[]);
        let last = lsas.len().div_ceil(60);
        for (number, described) in (1..).zip(lsas.chunks(60)) {
            sequence += 1;
            let more = if number == last { DdFlags::empty() } else { DdFlags::M };
            self.describe(DdFlags::MS | more, sequence, described);
        }
        for packet in lsas.chunks(PER_PACKET) {
            self.now = self.now + Duration::from_micros(100);
            self.receive(PacketBody::LinkStateUpdate(packet.to_vec()));
            look();
        }
        self.advance(BETWEEN);
        look();
    }

    fn describe(&mut self, flags: DdFlags, sequence: u32, lsas: &[Lsa]) {
        let headers = lsas.iter().map(|lsa| lsa.header).collect();
        let options = Options::E;
        let body = DatabaseDescription { interface_mtu: 1500, options, flags, sequence, headers };
        self.receive(PacketBody::DatabaseDescription(body));
    }

    /// Floods a change; the processor time until its routes are there, in milliseconds.
    fn change(&mut self, database: &Database, keys: &[LsaKey]) -> f64 {
        self.advance(BETWEEN);
        let lsas = keys.iter().filter_map(|key| database.lsas().get(key).cloned()).collect();
        let before = processor_time();
        self.receive(PacketBody::LinkStateUpdate(lsas));
        self.advance(Duration::from_millis(20));
        (processor_time() - before).as_secs_f64() * 1e3
    }

    fn receive(&mut self, body: PacketBody) {
        let packet =
            Packet { header: Header { router_id: RouterId(INJECTOR_ID), area_id: AreaId::BACKBONE }, body };
        self.instance.handle_packet(self.now, LINK, INJECTOR_ADDRESS, ALL_SPF_ROUTERS, &packet.encode());
        self.drain();
    }

    fn advance(&mut self, duration: Duration) {
        let end = self.now + duration;
        while let Some(at) = self.instance.poll_timeout().filter(|at| *at <= end) {
            self.now = at.max(self.now);
            self.instance.handle_timeout(self.now);
            self.drain();
        }
        self.now = end;
    }

    /// Our own advertisements are acknowledged, so that nothing is sent again.
    fn drain(&mut self) {
        let mut acknowledged = Vec::new();
        while let Some(output) = self.instance.poll_output() {
            if let Output::Transmit(transmit) = output
                && let Ok((packet, _)) = Packet::decode(&transmit.payload)
                && let PacketBody::LinkStateUpdate(lsas) = packet.body
            {
                acknowledged.extend(lsas.iter().map(|lsa| lsa.header));
            }
        }
        if !acknowledged.is_empty() {
            self.receive(PacketBody::LinkStateAck(acknowledged));
        }
    }
}

fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}
