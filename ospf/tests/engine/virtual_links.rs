//! A virtual link (RFC 2328 section 15) through area 9, to the router at the other end of the only link there: what its
//! packets look like, and which are taken.

use std::net::Ipv4Addr;

use isthmus_ospf::config::{AreaConfig, AreaType, InterfaceConfig, InterfaceType};
use isthmus_ospf::types::{AreaId, InterfaceId, RouterId};
use isthmus_ospf::view::{InterfaceState, InterfaceTypeView, InterfaceView, NeighborState};
use isthmus_ospf::wire::{
    ALL_SPF_ROUTERS, AsExternalLsa, DatabaseDescription, DdFlags, Header, Hello, LinkType, LsType, Lsa,
    LsaBody, LsaKey, Options, Packet, PacketBody, RouterFlags, RouterLink, RouterLsa,
};
use isthmus_ospf::{Instance, Output, Transmit};

use crate::bench::{
    LINK, OWN, OWN_ADDRESS, PEER, PEER_ADDRESS, STRANGER, description, hello, link_config, router_key, seq,
};

const AREA: AreaId = AreaId(Ipv4Addr::new(0, 0, 0, 9));
const VIRTUAL: InterfaceId = InterfaceId(99);
/// Where the virtual link's packets come in by.
const AFAR: Ipv4Addr = Ipv4Addr::new(172, 31, 0, 2);

struct Router {
    engine: Instance,
    config: isthmus_ospf::config::InstanceConfig,
    now: isthmus_ospf::types::Instant,
    sent: Vec<(Transmit, Packet)>,
    sequence: u32,
}

fn external() -> Lsa {
    let key = LsaKey {
        ls_type: LsType::AS_EXTERNAL,
        id: Ipv4Addr::new(198, 51, 100, 0),
        advertising_router: STRANGER,
    };
    let body = LsaBody::AsExternal(AsExternalLsa {
        network_mask: Ipv4Addr::new(255, 255, 255, 0),
        e2: true,
        metric: 5,
        forwarding_address: Ipv4Addr::UNSPECIFIED,
        tag: 0,
    });
    Lsa::build(1, Options::E, key, seq(1), &body)
}

/// What the other end says in the transit area: a link to us, on which its address is the one of our neighbor.
fn transit_lsa(metric: u16, n: i32) -> Lsa {
    let link = RouterLink { id: OWN.0, data: PEER_ADDRESS, link_type: LinkType::PointToPoint, metric };
    let body = LsaBody::Router(RouterLsa { flags: RouterFlags::B, links: vec![link] });
    Lsa::build(1, Options::E, router_key(PEER), seq(n), &body)
}

impl Router {
    fn new(area_type: AreaType) -> Self {
        let real = InterfaceConfig { area: AREA, ttl_security: Some(1), ..link_config() };
        let interface_type = InterfaceType::VirtualLink { transit_area: AREA, router_id: PEER };
        let name = "virtual".to_owned();
        let link = InterfaceConfig { name, interface_type, mtu: 9000, ..InterfaceConfig::default() };
        let config = isthmus_ospf::config::InstanceConfig {
            router_id: OWN,
            areas: [
                (AreaId::BACKBONE, AreaConfig::default()),
                (AREA, AreaConfig { area_type, ..AreaConfig::default() }),
            ]
            .into(),
            interfaces: [(LINK, real), (VIRTUAL, link)].into(),
            ..Default::default()
        };
        let now = isthmus_ospf::types::Instant(1_000_000_000);
        let engine = Instance::new(now, config.clone(), 1);
        let mut router = Self { engine, config, now, sent: Vec::new(), sequence: 7 };
        // The second has no effect: virtual links come with their paths.
        router.engine.handle_link(now, LINK, true);
        router.engine.handle_link(now, VIRTUAL, true);
        router.collect();
        router
    }

    /// The neighbor in the transit area is Full, and has said that it is there.
    fn with_path() -> Self {
        let mut router = Self::new(AreaType::Normal);
        router.become_full(AREA, PEER_ADDRESS, &[transit_lsa(3, 1), external()]);
        router
    }

    fn collect(&mut self) {
        while let Some(output) = self.engine.poll_output() {
            if let Output::Transmit(transmit) = output {
                let (packet, _) = Packet::decode(&transmit.payload).expect("what we send can be decoded");
                self.sent.push((transmit, packet));
            }
        }
    }

    fn advance(&mut self, seconds: u64) {
        let end = self.now + std::time::Duration::from_secs(seconds);
        while let Some(at) = self.engine.poll_timeout().filter(|at| *at <= end) {
            self.now = at.max(self.now);
            self.engine.handle_timeout(self.now);
            self.collect();
        }
        self.now = end;
    }

    /// Everything comes in by the one real interface.
    fn receive_from(
        &mut self,
        from: RouterId,
        area: AreaId,
        (source, to): (Ipv4Addr, Ipv4Addr),
        body: PacketBody,
    ) {
        let payload = Packet { header: Header { router_id: from, area_id: area }, body }.encode();
        self.engine.handle_packet(self.now, LINK, source, to, &payload);
        self.collect();
    }

    fn receive(&mut self, area: AreaId, source: Ipv4Addr, body: PacketBody) {
        let to = if area.is_backbone() { OWN_ADDRESS } else { ALL_SPF_ROUTERS };
        self.receive_from(PEER, area, (source, to), body);
    }

    fn hello(&mut self, area: AreaId, source: Ipv4Addr) {
        let mask = if area.is_backbone() { Ipv4Addr::UNSPECIFIED } else { Ipv4Addr::new(255, 255, 255, 252) };
        self.receive(area, source, PacketBody::Hello(Hello { network_mask: mask, ..hello(vec![OWN]) }));
    }

    fn become_full(&mut self, area: AreaId, source: Ipv4Addr, lsas: &[Lsa]) {
        self.hello(area, source);
        for (flags, described) in [(DdFlags::all(), &[][..]), (DdFlags::MS, lsas)] {
            self.sequence += 1;
            // Section 10.6: an MTU that would not do elsewhere.
            let interface_mtu = if area.is_backbone() { 65535 } else { 1500 };
            let packet =
                DatabaseDescription { interface_mtu, ..description(flags, self.sequence, described) };
            self.receive(area, source, PacketBody::DatabaseDescription(packet));
        }
        if !lsas.is_empty() {
            self.receive(area, source, PacketBody::LinkStateUpdate(lsas.to_vec()));
        }
    }

    fn link(&self) -> InterfaceView {
        let views = self.engine.view_interfaces(self.now);
        views.into_iter().find(|view| view.interface_id == VIRTUAL).expect("the virtual link")
    }

    fn state(&self) -> Option<NeighborState> {
        let neighbors = self.engine.view_neighbors(self.now).into_iter();
        neighbors.filter(|n| n.interface == "virtual").map(|n| n.state).next()
    }

    /// The newest router-LSA of ours that was sent into an area.
    fn said(&self, area: AreaId) -> RouterLsa {
        let updates = self.sent.iter().filter(|(_, packet)| packet.header.area_id == area);
        let lsas = updates.filter_map(|(_, packet)| match &packet.body {
            PacketBody::LinkStateUpdate(lsas) => Some(lsas),
            _ => None,
        });
        let mut own = lsas.flatten().filter(|lsa| lsa.header.key == router_key(OWN));
        match own.next_back().expect("a router-LSA").body() {
            Ok(LsaBody::Router(body)) => body,
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn it_is_down_without_a_path_and_then_has_the_cost_and_the_ends_of_the_path() {
    let router = Router::new(AreaType::Normal);
    let view = router.link();
    assert_eq!(view.state, InterfaceState::Down);
    assert_eq!((view.transit_area_id, view.virtual_router_id), (Some(AREA), Some(PEER)));
    assert_eq!(view.interface_type, InterfaceTypeView::VirtualLink);

    let router = Router::with_path();
    let view = router.link();
    assert_eq!((view.state, view.cost), (InterfaceState::PointToPoint, 10));
    assert_eq!(view.address.addr(), OWN_ADDRESS);
    assert!(router.engine.view_instance(router.now).area_border_router);
}

#[test]
fn packets_go_to_the_other_end_with_a_time_to_live_a_mask_of_zero_and_no_mtu() {
    let mut router = Router::with_path();
    router.become_full(AreaId::BACKBONE, AFAR, &[]);
    assert_eq!(router.state(), Some(NeighborState::Full));
    let over: Vec<_> = router.sent.iter().filter(|(transmit, _)| transmit.interface == VIRTUAL).collect();
    assert!(over.len() >= 3, "{over:?}");
    for (transmit, packet) in over {
        assert_eq!((transmit.source, transmit.destination), (OWN_ADDRESS, PEER_ADDRESS));
        assert_eq!((transmit.ttl, packet.header.area_id), (255, AreaId::BACKBONE));
        match &packet.body {
            PacketBody::Hello(hello) => assert_eq!(hello.network_mask, Ipv4Addr::UNSPECIFIED),
            PacketBody::DatabaseDescription(description) => {
                assert_eq!(description.interface_mtu, 0);
                // Section 10.3.
                let externals = description.headers.iter();
                assert_eq!(externals.filter(|h| h.key.ls_type == LsType::AS_EXTERNAL).count(), 0);
            }
            PacketBody::LinkStateUpdate(lsas) => {
                assert!(lsas.iter().all(|lsa| lsa.header.key.ls_type != LsType::AS_EXTERNAL));
            }
            _ => {}
        }
    }
}

#[test]
fn the_backbone_is_told_of_the_link_and_the_transit_area_of_its_end() {
    let mut router = Router::with_path();
    assert!(!router.said(AREA).flags.contains(RouterFlags::V));
    router.become_full(AreaId::BACKBONE, AFAR, &[]);
    router.advance(2);
    let backbone = router.said(AreaId::BACKBONE);
    let link = RouterLink { id: PEER.0, data: OWN_ADDRESS, link_type: LinkType::Virtual, metric: 10 };
    assert_eq!(backbone.links, [link]);
    assert!(!backbone.flags.contains(RouterFlags::V));
    assert!(router.said(AREA).flags.contains(RouterFlags::V | RouterFlags::B));
}

#[test]
fn another_cost_of_the_path_is_another_cost_of_the_link() {
    let mut router = Router::with_path();
    router.become_full(AreaId::BACKBONE, AFAR, &[]);
    router.advance(2);
    router.config.interfaces.get_mut(&LINK).expect("the link").cost = 25;
    router.engine.handle_config(router.now, router.config.clone());
    router.collect();
    assert_eq!((router.link().cost, router.state()), (25, Some(NeighborState::Full)));
    router.advance(6);
    assert_eq!(router.said(AreaId::BACKBONE).links[0].metric, 25);
}

#[test]
fn it_goes_with_its_path_and_with_an_area_that_becomes_a_stub() {
    let mut router = Router::with_path();
    router.become_full(AreaId::BACKBONE, AFAR, &[]);
    router.engine.handle_link(router.now, LINK, false);
    assert_eq!((router.link().state, router.state()), (InterfaceState::Down, None));
    assert!(!router.engine.view_instance(router.now).area_border_router);

    let stub = AreaType::Stub { default_cost: 1, summary: true };
    let mut router = Router::with_path();
    router.config.areas.get_mut(&AREA).expect("the area").area_type = stub;
    router.engine.handle_config(router.now, router.config.clone());
    assert_eq!(router.link().state, InterfaceState::Down);
    let mut router = Router::new(stub);
    let mut lsa = transit_lsa(3, 1);
    lsa = Lsa::build(1, Options::empty(), lsa.header.key, seq(1), &lsa.body().expect("a body"));
    let mut greeting = hello(vec![OWN]);
    greeting.options = Options::empty();
    router.receive(AREA, PEER_ADDRESS, PacketBody::Hello(greeting));
    for (flags, described) in [(DdFlags::all(), &[][..]), (DdFlags::MS, std::slice::from_ref(&lsa))] {
        router.sequence += 1;
        let options = Options::empty();
        let packet = DatabaseDescription { options, ..description(flags, router.sequence, described) };
        router.receive(AREA, PEER_ADDRESS, PacketBody::DatabaseDescription(packet));
    }
    router.receive(AREA, PEER_ADDRESS, PacketBody::LinkStateUpdate(vec![lsa]));
    let full = router.engine.view_neighbors(router.now);
    assert_eq!(full[0].state, NeighborState::Full);
    assert_eq!(router.link().state, InterfaceState::Down);
}

/// Section 8.2; and RFC 5082 on the interface that they come in by does not hold for them.
#[test]
fn only_packets_of_the_other_end_to_an_address_of_ours_are_taken() {
    let mut router = Router::with_path();
    let packet = |from, area| {
        let greeting = Hello { network_mask: Ipv4Addr::UNSPECIFIED, ..hello(Vec::new()) };
        let header = Header { router_id: from, area_id: area };
        Packet { header, body: PacketBody::Hello(greeting) }
    };
    let bytes = packet(PEER, AreaId::BACKBONE).encode();
    assert!(router.engine.accepts_ttl(LINK, 3, &bytes));
    assert!(!router.engine.accepts_ttl(LINK, 3, &packet(PEER, AREA).encode()));
    assert!(!router.engine.accepts_ttl(LINK, 3, &packet(STRANGER, AreaId::BACKBONE).encode()));
    for (from, source, to) in [
        (STRANGER, AFAR, OWN_ADDRESS),
        (PEER, AFAR, ALL_SPF_ROUTERS),
        (PEER, AFAR, PEER_ADDRESS),
        (PEER, OWN_ADDRESS, OWN_ADDRESS),
    ] {
        let body = packet(from, AreaId::BACKBONE).body;
        router.receive_from(from, AreaId::BACKBONE, (source, to), body);
        assert_eq!(router.state(), None, "{from} {source} {to}");
    }
    let refused = router.link().statistics;
    let count = |reason: &str| {
        refused.bad_packets.get(reason).or(refused.ignored_packets.get(reason)).copied().unwrap_or_default()
    };
    assert_eq!((count("wrong_destination"), count("own_address")), (2, 1), "{refused:?}");
    router.hello(AreaId::BACKBONE, AFAR);
    assert!(router.state().is_some());
    // Without a path, whoever claims to be the other end is nobody.
    router.engine.handle_link(router.now, LINK, false);
    router.engine.handle_link(router.now, LINK, true);
    router.hello(AreaId::BACKBONE, AFAR);
    assert_eq!(router.state(), None);
}
