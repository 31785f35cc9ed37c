//! The engine under test on one point-to-point link, and the neighbor that the test plays.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::Duration;

use isthmus_ospf::config::{AreaConfig, InstanceConfig, InterfaceConfig};
use isthmus_ospf::types::{AreaId, Instant, InterfaceId, RouterId, SeqNum};
use isthmus_ospf::view::{InterfaceView, NeighborState};
use isthmus_ospf::wire::{
    ALL_SPF_ROUTERS, DatabaseDescription, DdFlags, Header, Hello, LinkType, LsType, Lsa, LsaBody, LsaKey,
    Options, Packet, PacketBody, RouterFlags, RouterLink, RouterLsa,
};
use isthmus_ospf::{Instance, Output, Transmit};

pub(crate) const LINK: InterfaceId = InterfaceId(7);
pub(crate) const OWN_ADDRESS: Ipv4Addr = Ipv4Addr::new(172, 16, 0, 1);
pub(crate) const PEER_ADDRESS: Ipv4Addr = Ipv4Addr::new(172, 16, 0, 2);
pub(crate) const OWN: RouterId = RouterId(Ipv4Addr::new(10, 0, 0, 1));
/// Larger than ours: the peer is master.
pub(crate) const PEER: RouterId = RouterId(Ipv4Addr::new(10, 0, 0, 2));
pub(crate) const STRANGER: RouterId = RouterId(Ipv4Addr::new(10, 0, 0, 3));

pub(crate) struct Bench {
    pub(crate) now: Instant,
    pub(crate) engine: Instance,
    pub(crate) config: InstanceConfig,
    /// What the engine has sent and nobody has looked at.
    pub(crate) sent: Vec<(Instant, Transmit, Packet)>,
    /// Other outputs than packets.
    pub(crate) said: Vec<Output>,
    /// Sequence number of the next database description of the peer.
    pub(crate) dd_sequence: u32,
}

pub(crate) fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

pub(crate) fn link_config() -> InterfaceConfig {
    InterfaceConfig {
        name: "link".to_owned(),
        area: AreaId::BACKBONE,
        address: "172.16.0.1/30".parse().expect("an address"),
        cost: 10,
        ..InterfaceConfig::default()
    }
}

impl Bench {
    /// The link is up, nobody was heard.
    pub(crate) fn new() -> Self {
        Self::with(link_config(), AreaConfig::default())
    }

    pub(crate) fn with(link: InterfaceConfig, area: AreaConfig) -> Self {
        let config = InstanceConfig {
            router_id: OWN,
            areas: BTreeMap::from([(AreaId::BACKBONE, area)]),
            interfaces: BTreeMap::from([(LINK, link)]),
            maximum_paths: 4,
            ..InstanceConfig::default()
        };
        let now = Instant(1_000_000_000);
        let engine = Instance::new(now, config.clone(), 1);
        let mut bench = Self { now, engine, config, sent: Vec::new(), said: Vec::new(), dd_sequence: 5000 };
        bench.engine.handle_link(now, LINK, true);
        bench.collect();
        bench
    }

    /// The adjacency is Full, the peer's database held `lsas`, and all is acknowledged.
    pub(crate) fn full(lsas: &[Lsa]) -> Self {
        let mut bench = Self::new();
        bench.become_full(lsas);
        bench
    }

    pub(crate) fn become_full(&mut self, lsas: &[Lsa]) {
        self.hello();
        self.describe(DdFlags::I | DdFlags::M | DdFlags::MS, &[]);
        self.describe(DdFlags::MS, lsas);
        if !lsas.is_empty() {
            self.update(lsas);
        }
        assert_eq!(self.state(), NeighborState::Full);
        self.acknowledge_all();
        self.advance(Duration::from_secs(2));
        self.acknowledge_all();
        self.sent.clear();
        self.said.clear();
    }

    /// Lets time pass, with the peer's hellos in it.
    pub(crate) fn advance(&mut self, duration: Duration) {
        let end = self.now + duration;
        while let Some(at) = self.engine.poll_timeout().filter(|at| *at <= end) {
            self.now = at.max(self.now);
            self.engine.handle_timeout(self.now);
            self.collect();
        }
        self.now = end;
    }

    /// The same, and the neighbor is heard every ten seconds.
    pub(crate) fn advance_alive(&mut self, duration: Duration) {
        let end = self.now + duration;
        while self.now < end {
            self.hello();
            self.advance(end.since(self.now).min(Duration::from_secs(10)));
        }
    }

    pub(crate) fn collect(&mut self) {
        while let Some(output) = self.engine.poll_output() {
            match output {
                Output::Transmit(transmit) => {
                    let (packet, _) = Packet::decode(&transmit.payload).expect("what we send can be decoded");
                    self.sent.push((self.now, transmit, packet));
                }
                other => self.said.push(other),
            }
        }
    }

    /// Takes what was sent since the last look.
    pub(crate) fn take(&mut self) -> Vec<PacketBody> {
        std::mem::take(&mut self.sent).into_iter().map(|(_, _, packet)| packet.body).collect()
    }

    /// Takes the advertisements that were sent in updates, with the time.
    pub(crate) fn take_updates(&mut self) -> Vec<(Instant, Vec<Lsa>)> {
        let sent = std::mem::take(&mut self.sent).into_iter();
        sent.filter_map(|(at, _, packet)| match packet.body {
            PacketBody::LinkStateUpdate(lsas) => Some((at, lsas)),
            _ => None,
        })
        .collect()
    }

    /// Takes the acknowledgments that were sent, with the time.
    pub(crate) fn take_acks(&mut self) -> Vec<(Instant, Vec<LsaKey>)> {
        let sent = std::mem::take(&mut self.sent).into_iter();
        sent.filter_map(|(at, _, packet)| match packet.body {
            PacketBody::LinkStateAck(headers) => {
                Some((at, headers.iter().map(|header| header.key).collect()))
            }
            _ => None,
        })
        .collect()
    }

    pub(crate) fn receive(&mut self, body: PacketBody) {
        let packet = Packet { header: Header { router_id: PEER, area_id: AreaId::BACKBONE }, body };
        self.receive_bytes(PEER_ADDRESS, ALL_SPF_ROUTERS, &packet.encode());
    }

    pub(crate) fn receive_bytes(&mut self, source: Ipv4Addr, destination: Ipv4Addr, payload: &[u8]) {
        self.engine.handle_packet(self.now, LINK, source, destination, payload);
        self.collect();
    }

    pub(crate) fn hello(&mut self) {
        let network_mask = self.config.interfaces[&LINK].address.netmask();
        self.receive(PacketBody::Hello(Hello { network_mask, ..hello(vec![OWN]) }));
    }

    /// The peer, as master, describes.
    pub(crate) fn describe(&mut self, flags: DdFlags, lsas: &[Lsa]) {
        if !flags.contains(DdFlags::I) {
            self.dd_sequence += 1;
        }
        self.receive(PacketBody::DatabaseDescription(description(flags, self.dd_sequence, lsas)));
    }

    pub(crate) fn update(&mut self, lsas: &[Lsa]) {
        self.receive(PacketBody::LinkStateUpdate(lsas.to_vec()));
    }

    /// Acknowledges every advertisement of the updates that were sent and not looked at.
    pub(crate) fn acknowledge_all(&mut self) {
        let headers: Vec<_> = self
            .sent
            .iter()
            .filter_map(|(_, _, packet)| match &packet.body {
                PacketBody::LinkStateUpdate(lsas) => {
                    Some(lsas.iter().map(|lsa| lsa.header).collect::<Vec<_>>())
                }
                _ => None,
            })
            .flatten()
            .collect();
        if !headers.is_empty() {
            self.receive(PacketBody::LinkStateAck(headers));
        }
    }

    /// Changes the configuration.
    pub(crate) fn reconfigure(&mut self, change: impl FnOnce(&mut InterfaceConfig)) {
        change(self.config.interfaces.get_mut(&LINK).expect("the link"));
        self.engine.handle_config(self.now, self.config.clone());
        self.collect();
    }

    pub(crate) fn state(&self) -> NeighborState {
        let neighbors = self.engine.view_neighbors(self.now);
        neighbors.first().map_or(NeighborState::Down, |neighbor| neighbor.state)
    }

    pub(crate) fn waiting_for_acks(&self) -> u32 {
        self.engine.view_neighbors(self.now)[0].statistics.nbr_retrans_qlen
    }

    pub(crate) fn interface(&self) -> InterfaceView {
        self.engine.view_interfaces(self.now).remove(0)
    }

    /// How often something was refused for that reason.
    pub(crate) fn refused(&self, reason: &str) -> u64 {
        self.interface().statistics.bad_packets.get(reason).copied().unwrap_or_default()
    }

    /// How often something was passed over for that reason.
    pub(crate) fn ignored(&self, reason: &str) -> u64 {
        self.interface().statistics.ignored_packets.get(reason).copied().unwrap_or_default()
    }

    /// Sequence number and age of an advertisement in the database.
    pub(crate) fn stored(&self, key: LsaKey) -> Option<(u32, u16)> {
        let database = self.engine.view_database(self.now, Some(AreaId::BACKBONE));
        let entry = database.into_iter().find(|entry| {
            entry.header.type_number == key.ls_type.0
                && entry.header.lsa_id == key.id
                && entry.header.adv_router == key.advertising_router
        })?;
        Some((entry.header.seq_num, entry.header.age))
    }
}

pub(crate) fn hello(neighbors: Vec<RouterId>) -> Hello {
    Hello {
        network_mask: Ipv4Addr::new(255, 255, 255, 252),
        hello_interval: 10,
        options: Options::E,
        priority: 1,
        dead_interval: 40,
        designated_router: Ipv4Addr::UNSPECIFIED,
        backup_designated_router: Ipv4Addr::UNSPECIFIED,
        neighbors,
    }
}

pub(crate) fn description(flags: DdFlags, sequence: u32, lsas: &[Lsa]) -> DatabaseDescription {
    let headers = lsas.iter().map(|lsa| lsa.header).collect();
    DatabaseDescription { interface_mtu: 1500, options: Options::E, flags, sequence, headers }
}

pub(crate) fn router_key(router: RouterId) -> LsaKey {
    LsaKey { ls_type: LsType::ROUTER, id: router.0, advertising_router: router }
}

/// A router-LSA with one stub network.
pub(crate) fn router_lsa(router: RouterId, sequence: i32, age: u16) -> Lsa {
    stub_lsa(router, sequence, age, 10)
}

pub(crate) fn stub_lsa(router: RouterId, sequence: i32, age: u16, metric: u16) -> Lsa {
    let link = RouterLink {
        id: Ipv4Addr::new(192, 0, 2, 0),
        data: Ipv4Addr::new(255, 255, 255, 0),
        link_type: LinkType::Stub,
        metric,
    };
    let body = LsaBody::Router(RouterLsa { flags: RouterFlags::empty(), links: vec![link] });
    Lsa::build(age, Options::E, router_key(router), seq(sequence), &body)
}

/// The n-th sequence number.
pub(crate) fn seq(n: i32) -> SeqNum {
    SeqNum(SeqNum::INITIAL.0 + n - 1)
}

/// Many different advertisements.
pub(crate) fn many(count: u8) -> Vec<Lsa> {
    (0..count).map(|n| router_lsa(RouterId(Ipv4Addr::new(10, 1, 0, n)), 1, 10)).collect()
}
