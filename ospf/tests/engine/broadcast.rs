//! One router on a network with a designated router, packet by packet: waiting, roles, where packets go, who
//! acknowledges what (table 19), and what is said of the network (sections 9.3, 10.5, 12.4.1.2, 12.4.2, 13.3, 13.5).

use std::net::Ipv4Addr;
use std::time::Duration;

use isthmus_ospf::config::{AreaConfig, InterfaceType};
use isthmus_ospf::types::{AreaId, RouterId};
use isthmus_ospf::view::{InterfaceState, LsaBodyView, NeighborState};
use isthmus_ospf::wire::opaque::{self, GRACE, Grace, RestartReason};
use isthmus_ospf::wire::{
    ALL_D_ROUTERS, ALL_SPF_ROUTERS, DdFlags, Header, Hello, LsType, Lsa, LsaBody, LsaKey, Options, Packet,
    PacketBody,
};

use crate::bench::{
    Bench, LINK, OWN, OWN_ADDRESS, PEER, PEER_ADDRESS, STRANGER, description, hello, link_config, millis,
    router_key, router_lsa, seq,
};

const STRANGER_ADDRESS: Ipv4Addr = Ipv4Addr::new(172, 16, 0, 3);
const NOBODY: Ipv4Addr = Ipv4Addr::UNSPECIFIED;
const FAR: RouterId = RouterId(Ipv4Addr::new(10, 7, 0, 1));

/// What both others say in their hellos.
#[derive(Clone, Copy)]
struct Say {
    designated: Ipv4Addr,
    backup: Ipv4Addr,
}

struct Lan {
    bench: Bench,
    say: Say,
    sequence: u32,
}

impl Lan {
    fn new(priority: u8) -> Self {
        let mut config = link_config();
        config.interface_type = InterfaceType::Broadcast;
        config.address = "172.16.0.1/24".parse().expect("an address");
        config.priority = priority;
        let bench = Bench::with(config, AreaConfig::default());
        Self { bench, say: Say { designated: NOBODY, backup: NOBODY }, sequence: 100 }
    }

    /// Full with all that it should be Full with, in that role; everything is acknowledged and forgotten.
    fn with_role(role: InterfaceState) -> Self {
        let mut lan = match role {
            InterfaceState::Dr => {
                let mut lan = Self::new(9);
                lan.hellos();
                for _ in 0..4 {
                    lan.bench.advance(Duration::from_secs(10));
                    lan.hellos();
                }
                lan
            }
            _ => Self::new(1),
        };
        lan.say = match role {
            InterfaceState::Dr => Say { designated: OWN_ADDRESS, backup: STRANGER_ADDRESS },
            InterfaceState::Bdr => Say { designated: PEER_ADDRESS, backup: NOBODY },
            _ => Say { designated: PEER_ADDRESS, backup: STRANGER_ADDRESS },
        };
        lan.hellos();
        if role == InterfaceState::Bdr {
            lan.say.backup = OWN_ADDRESS;
            lan.hellos();
        }
        lan.exchange(PEER, PEER_ADDRESS);
        lan.exchange(STRANGER, STRANGER_ADDRESS);
        for _ in 0..6 {
            lan.bench.advance(Duration::from_secs(1));
            lan.acknowledge_all();
        }
        lan.hellos();
        assert_eq!(lan.bench.interface().state, role);
        assert!(lan.bench.engine.view_neighbors(lan.bench.now).iter().all(|neighbor| {
            neighbor.state == NeighborState::Full && neighbor.statistics.nbr_retrans_qlen == 0
        }));
        lan.bench.sent.clear();
        lan.bench.said.clear();
        lan
    }

    fn receive(&mut self, router_id: RouterId, source: Ipv4Addr, destination: Ipv4Addr, body: PacketBody) {
        let header = Header { router_id, area_id: AreaId::BACKBONE };
        self.bench.receive_bytes(source, destination, &Packet { header, body }.encode());
    }

    fn hello(&mut self, router: RouterId, source: Ipv4Addr, change: impl FnOnce(&mut Hello)) {
        let mut hello = Hello {
            network_mask: Ipv4Addr::new(255, 255, 255, 0),
            designated_router: self.say.designated,
            backup_designated_router: self.say.backup,
            ..hello(vec![OWN, PEER, STRANGER])
        };
        change(&mut hello);
        self.receive(router, source, ALL_SPF_ROUTERS, PacketBody::Hello(hello));
    }

    fn hellos(&mut self) {
        self.hello(PEER, PEER_ADDRESS, |_| {});
        self.hello(STRANGER, STRANGER_ADDRESS, |_| {});
    }

    /// The other, as master with an empty database, exchanges it.
    fn exchange(&mut self, router: RouterId, source: Ipv4Addr) {
        for flags in [DdFlags::all(), DdFlags::MS] {
            self.sequence += 1;
            let body = PacketBody::DatabaseDescription(description(flags, self.sequence, &[]));
            self.receive(router, source, OWN_ADDRESS, body);
        }
        self.sequence += 10;
    }

    fn acknowledge_all(&mut self) {
        let sent = std::mem::take(&mut self.bench.sent);
        for (_, _, packet) in sent {
            if let PacketBody::LinkStateUpdate(lsas) = packet.body {
                let headers: Vec<_> = lsas.iter().map(|lsa| lsa.header).collect();
                for (router, source) in [(PEER, PEER_ADDRESS), (STRANGER, STRANGER_ADDRESS)] {
                    let body = PacketBody::LinkStateAck(headers.clone());
                    self.receive(router, source, ALL_SPF_ROUTERS, body);
                }
            }
        }
    }

    fn update(&mut self, router: RouterId, source: Ipv4Addr, destination: Ipv4Addr) {
        let lsa = router_lsa(FAR, 1, 1);
        self.receive(router, source, destination, PacketBody::LinkStateUpdate(vec![lsa]));
    }

    /// Type and destination of the updates and acknowledgments that leave within a moment.
    fn answers(&mut self) -> Vec<(u8, Ipv4Addr)> {
        self.bench.advance(millis(200));
        let sent = std::mem::take(&mut self.bench.sent).into_iter();
        sent.map(|(_, transmit, packet)| (packet.type_number(), transmit.destination))
            .filter(|(packet_type, _)| *packet_type >= 4)
            .collect()
    }

    fn network_lsa(&self) -> Option<(u32, u16)> {
        let key = LsaKey { ls_type: LsType::NETWORK, id: OWN_ADDRESS, advertising_router: OWN };
        self.bench.stored(key)
    }

    /// Type, id, data and metric of the links of our router-LSA.
    fn links(&self) -> Vec<(String, Ipv4Addr, Ipv4Addr, u16)> {
        let database = self.bench.engine.view_database(self.bench.now, Some(AreaId::BACKBONE));
        let own = database.into_iter().find(|e| e.header.type_number == 1 && e.header.adv_router == OWN);
        let Some(LsaBodyView::Router(router)) = own.and_then(|entry| entry.body) else {
            panic!("no router-LSA")
        };
        router
            .links
            .into_iter()
            .map(|link| (link.link_type.to_owned(), link.link_id, link.link_data, link.metric))
            .collect()
    }
}

const FLOODED: u8 = 4;
const ACKNOWLEDGED: u8 = 5;

#[test]
fn it_waits_for_the_dead_interval_and_says_so() {
    let mut lan = Lan::new(1);
    assert_eq!(
        (lan.bench.interface().state, lan.bench.interface().wait_timer),
        (InterfaceState::Waiting, Some(40))
    );
    lan.hellos();
    lan.bench.advance(Duration::from_secs(39));
    lan.hellos();
    let view = lan.bench.interface();
    assert_eq!((view.state, view.wait_timer, view.dr_ip_addr), (InterfaceState::Waiting, Some(1), None));
    assert!(lan.bench.engine.view_neighbors(lan.bench.now).iter().all(|n| n.state == NeighborState::TwoWay));
    lan.bench.advance(Duration::from_secs(1));
    let view = lan.bench.interface();
    assert_eq!((view.state, view.wait_timer), (InterfaceState::DrOther, None));
    assert_eq!((view.dr_ip_addr, view.dr_router_id), (Some(STRANGER_ADDRESS), Some(STRANGER)));
    assert_eq!((view.bdr_ip_addr, view.bdr_router_id), (Some(STRANGER_ADDRESS), Some(STRANGER)));
}

#[test]
fn a_hello_of_a_designated_router_without_a_backup_or_of_a_backup_ends_the_waiting() {
    let mut lan = Lan::new(1);
    // A designated router that names a backup: we are to hear that one.
    lan.say = Say { designated: PEER_ADDRESS, backup: STRANGER_ADDRESS };
    lan.hello(PEER, PEER_ADDRESS, |_| {});
    assert_eq!(lan.bench.interface().state, InterfaceState::Waiting);
    // Whoever does not hear us says nothing yet (section 10.5, end).
    lan.hello(STRANGER, STRANGER_ADDRESS, |hello| hello.neighbors.clear());
    assert_eq!(lan.bench.interface().state, InterfaceState::Waiting);
    lan.hello(STRANGER, STRANGER_ADDRESS, |_| {});
    assert_eq!(lan.bench.interface().state, InterfaceState::DrOther);

    let mut lan = Lan::new(1);
    lan.say = Say { designated: PEER_ADDRESS, backup: NOBODY };
    lan.hello(PEER, PEER_ADDRESS, |_| {});
    assert_eq!(lan.bench.interface().state, InterfaceState::Bdr);
    // A hello says it.
    let sent = lan.bench.take();
    let Some(PacketBody::Hello(last)) = sent.iter().rev().find(|body| matches!(body, PacketBody::Hello(_)))
    else {
        panic!("{sent:?}")
    };
    assert_eq!((last.designated_router, last.backup_designated_router), (PEER_ADDRESS, OWN_ADDRESS));
    assert_eq!(last.neighbors, [PEER]);
}

#[test]
fn priority_zero_does_not_wait() {
    assert_eq!(Lan::new(0).bench.interface().state, InterfaceState::DrOther);
}

#[test]
fn others_are_no_adjacency_and_their_descriptions_are_passed_over() {
    let mut lan = Lan::new(0);
    lan.say = Say { designated: PEER_ADDRESS, backup: NOBODY };
    lan.hello(PEER, PEER_ADDRESS, |_| {});
    lan.hello(STRANGER, STRANGER_ADDRESS, |hello| hello.priority = 0);
    let states: Vec<_> = lan.bench.engine.view_neighbors(lan.bench.now).iter().map(|n| n.state).collect();
    assert_eq!(states, [NeighborState::ExStart, NeighborState::TwoWay]);
    lan.exchange(STRANGER, STRANGER_ADDRESS);
    assert_eq!(lan.bench.ignored("neighbor_state"), 2);
    // The stranger becomes backup, and with that adjacent; then it is none any more.
    lan.say.backup = STRANGER_ADDRESS;
    lan.hello(STRANGER, STRANGER_ADDRESS, |_| {});
    lan.exchange(STRANGER, STRANGER_ADDRESS);
    assert_eq!(lan.bench.engine.view_neighbors(lan.bench.now)[1].state, NeighborState::Full);
    lan.hello(STRANGER, STRANGER_ADDRESS, |hello| {
        hello.backup_designated_router = NOBODY;
        hello.priority = 0;
    });
    assert_eq!(lan.bench.engine.view_neighbors(lan.bench.now)[1].state, NeighborState::TwoWay);
}

#[test]
fn what_others_flood_the_designated_router_passes_on_to_all() {
    let mut lan = Lan::with_role(InterfaceState::Dr);
    lan.update(PEER, PEER_ADDRESS, ALL_D_ROUTERS);
    assert_eq!(lan.answers(), [(FLOODED, ALL_SPF_ROUTERS)], "which is the acknowledgment, too");
    // From the backup it has reached all.
    let mut lan = Lan::with_role(InterfaceState::Dr);
    lan.update(STRANGER, STRANGER_ADDRESS, ALL_SPF_ROUTERS);
    assert_eq!(lan.answers(), [(ACKNOWLEDGED, ALL_SPF_ROUTERS)]);
    lan.update(STRANGER, STRANGER_ADDRESS, ALL_SPF_ROUTERS);
    assert_eq!(lan.answers(), [(ACKNOWLEDGED, STRANGER_ADDRESS)], "a duplicate is acknowledged at once");
}

#[test]
fn the_backup_leaves_flooding_and_answering_to_the_designated_router() {
    let mut lan = Lan::with_role(InterfaceState::Bdr);
    lan.update(STRANGER, STRANGER_ADDRESS, ALL_D_ROUTERS);
    assert_eq!(lan.answers(), []);
    lan.update(PEER, PEER_ADDRESS, ALL_SPF_ROUTERS);
    assert_eq!(lan.answers(), [(ACKNOWLEDGED, ALL_SPF_ROUTERS)]);
    // Whoever does not answer the designated router's flooding is sent it by the backup as well.
    lan.bench.advance(Duration::from_secs(5));
    let again: Vec<_> = std::mem::take(&mut lan.bench.sent)
        .into_iter()
        .filter(|(_, _, packet)| packet.type_number() == FLOODED)
        .map(|(_, transmit, _)| transmit.destination)
        .collect();
    assert!(again.is_empty(), "the stranger has sent it, and the peer, too");

    let mut lan = Lan::with_role(InterfaceState::Bdr);
    lan.update(PEER, PEER_ADDRESS, ALL_SPF_ROUTERS);
    assert_eq!(lan.answers(), [(ACKNOWLEDGED, ALL_SPF_ROUTERS)]);
    lan.bench.advance(Duration::from_secs(5));
    let again: Vec<_> = std::mem::take(&mut lan.bench.sent)
        .into_iter()
        .filter(|(_, _, packet)| packet.type_number() == FLOODED)
        .map(|(_, transmit, _)| transmit.destination)
        .collect();
    assert_eq!(again, [STRANGER_ADDRESS]);
}

#[test]
fn everybody_else_speaks_to_the_designated_routers() {
    let mut lan = Lan::with_role(InterfaceState::DrOther);
    lan.update(PEER, PEER_ADDRESS, ALL_SPF_ROUTERS);
    assert_eq!(lan.answers(), [(ACKNOWLEDGED, ALL_D_ROUTERS)]);
    lan.bench.reconfigure(|link| link.cost = 33);
    assert_eq!(lan.answers(), [(FLOODED, ALL_D_ROUTERS)]);
    // And does not listen to what is for these.
    let before = lan.bench.interface().statistics.packets.received.total();
    lan.update(PEER, PEER_ADDRESS, ALL_D_ROUTERS);
    assert_eq!(lan.bench.ignored("not_designated"), 1);
    assert_eq!(lan.bench.interface().statistics.packets.received.total(), before);
}

#[test]
fn the_network_is_a_stub_until_there_is_an_adjacency_on_it() {
    let stub = |cost| {
        ("stub-network-link".to_owned(), Ipv4Addr::new(172, 16, 0, 0), Ipv4Addr::new(255, 255, 255, 0), cost)
    };
    let transit = |designated, cost| ("transit-network-link".to_owned(), designated, OWN_ADDRESS, cost);
    let mut lan = Lan::new(1);
    lan.bench.advance(Duration::from_secs(3));
    assert_eq!(lan.links(), [stub(10)], "while waiting");
    lan.bench.advance(Duration::from_secs(40));
    assert_eq!(lan.bench.interface().state, InterfaceState::Dr, "alone");
    assert_eq!((lan.links(), lan.network_lsa()), (vec![stub(10)], None));

    let lan = Lan::with_role(InterfaceState::DrOther);
    assert_eq!((lan.links(), lan.network_lsa()), (vec![transit(PEER_ADDRESS, 10)], None));

    let mut lan = Lan::with_role(InterfaceState::Dr);
    assert_eq!(lan.links(), [transit(OWN_ADDRESS, 10)]);
    let key = LsaKey { ls_type: LsType::NETWORK, id: OWN_ADDRESS, advertising_router: OWN };
    assert!(lan.bench.stored(key).is_some());
    let database = lan.bench.engine.view_database(lan.bench.now, Some(AreaId::BACKBONE));
    let network = database.into_iter().find(|entry| entry.header.type_number == 2).expect("a network-LSA");
    let Some(LsaBodyView::Network(body)) = network.body else { panic!("{:?}", network.body) };
    assert_eq!(body.network_mask, Ipv4Addr::new(255, 255, 255, 0));
    assert_eq!(body.attached_routers, [OWN, PEER, STRANGER]);

    // They go, one after the other.
    lan.hello(STRANGER, STRANGER_ADDRESS, |hello| hello.neighbors.clear());
    lan.bench.advance(Duration::from_secs(6));
    assert_eq!(lan.links(), [transit(OWN_ADDRESS, 10)]);
    lan.hello(PEER, PEER_ADDRESS, |hello| hello.neighbors.clear());
    lan.bench.advance(Duration::from_secs(6));
    assert_eq!((lan.links(), lan.network_lsa()), (vec![stub(10)], None));
}

/// RFC 6860 sections 2.2 and 2.3: no stub while it is alone, and the mask of a host when it speaks for the network.
#[test]
fn a_suppressed_network_has_no_prefix() {
    let mut lan = Lan::new(1);
    lan.bench.reconfigure(|link| link.prefix_suppression = true);
    lan.bench.advance(Duration::from_secs(45));
    assert_eq!(lan.bench.interface().state, InterfaceState::Dr, "alone");
    assert_eq!((lan.links(), lan.network_lsa()), (vec![], None));

    let mut lan = Lan::with_role(InterfaceState::Dr);
    lan.hellos();
    lan.bench.reconfigure(|link| link.prefix_suppression = true);
    lan.bench.advance(Duration::from_secs(6));
    let database = lan.bench.engine.view_database(lan.bench.now, Some(AreaId::BACKBONE));
    let network = database.into_iter().find(|entry| entry.header.type_number == 2).expect("a network-LSA");
    let Some(LsaBodyView::Network(body)) = network.body else { panic!("{:?}", network.body) };
    assert_eq!((body.network_mask, body.attached_routers.len()), (Ipv4Addr::BROADCAST, 3));
}

#[test]
fn a_designated_router_that_is_none_any_more_takes_back_what_it_has_said() {
    let mut lan = Lan::with_role(InterfaceState::Dr);
    assert!(lan.network_lsa().is_some());
    lan.bench.reconfigure(|link| link.priority = 0);
    assert_eq!(lan.bench.interface().state, InterfaceState::DrOther);
    assert_eq!(lan.bench.interface().dr_ip_addr, Some(STRANGER_ADDRESS));
    assert_eq!(lan.network_lsa().map(|(_, age)| age), Some(3600));
    let states: Vec<_> = lan.bench.engine.view_neighbors(lan.bench.now).iter().map(|n| n.state).collect();
    assert_eq!(states[1], NeighborState::Full, "the adjacency to the one that takes over stays");
    lan.acknowledge_all();
    assert_eq!(lan.network_lsa(), None);
}

#[test]
fn passive_is_a_stub_without_hellos_and_both_ways_live() {
    let mut lan = Lan::with_role(InterfaceState::DrOther);
    lan.bench.reconfigure(|link| link.passive = true);
    lan.bench.sent.clear();
    lan.bench.advance(Duration::from_secs(100));
    assert!(lan.bench.sent.is_empty());
    assert_eq!(lan.bench.interface().state, InterfaceState::DrOther);
    assert_eq!((lan.links().len(), lan.links()[0].0.as_str()), (1, "stub-network-link"));
    lan.bench.reconfigure(|link| link.passive = false);
    assert_eq!(lan.bench.interface().state, InterfaceState::Waiting);
    lan.hellos();
    assert_eq!(lan.bench.interface().state, InterfaceState::DrOther);
}

#[test]
fn the_interface_forgets_its_roles_when_it_goes_down() {
    let mut lan = Lan::with_role(InterfaceState::Dr);
    lan.bench.engine.handle_link(lan.bench.now, LINK, false);
    lan.bench.collect();
    let view = lan.bench.interface();
    assert_eq!((view.state, view.dr_ip_addr, view.bdr_ip_addr), (InterfaceState::Down, None, None));
    lan.bench.engine.handle_link(lan.bench.now, LINK, true);
    lan.bench.collect();
    assert_eq!(lan.bench.interface().state, InterfaceState::Waiting);
}

#[test]
fn there_are_no_more_neighbors_than_a_hello_can_list() {
    let mut config = link_config();
    config.interface_type = InterfaceType::Broadcast;
    config.address = "172.16.0.1/16".parse().expect("an address");
    config.mtu = 576;
    let mut lan = Lan { bench: Bench::with(config, AreaConfig::default()), ..Lan::new(1) };
    let claim = |lan: &mut Lan, n: u16| {
        let [high, low] = n.to_be_bytes();
        let router = RouterId(Ipv4Addr::new(10, 9, high, low));
        lan.hello(router, Ipv4Addr::new(172, 16, high, low), |hello| {
            hello.network_mask = Ipv4Addr::new(255, 255, 0, 0);
        });
    };
    for n in 2..1000 {
        claim(&mut lan, n);
    }
    // 20 bytes of IP, 24 of OSPF, 20 of hello, and 4 for each.
    assert_eq!(lan.bench.interface().neighbor_count, (576 - 64) / 4);
    assert_eq!(lan.bench.refused("too_many_neighbors"), 998 - 128);
    lan.bench.sent.clear();
    lan.bench.advance(Duration::from_secs(10));
    let longest = lan.bench.sent.iter().map(|(_, transmit, _)| transmit.payload.len() + 20).max();
    assert_eq!(longest, Some(576));
    // Who is there stays, and when the others are gone there is room again.
    lan.bench.advance(Duration::from_secs(25));
    claim(&mut lan, 2);
    lan.bench.advance(Duration::from_secs(10));
    assert_eq!(lan.bench.interface().neighbor_count, 1);
    claim(&mut lan, 999);
    assert_eq!(lan.bench.interface().neighbor_count, 2);
}

#[test]
fn hellos_with_another_mask_or_from_elsewhere_make_no_neighbors() {
    let mut lan = Lan::new(1);
    lan.hello(PEER, PEER_ADDRESS, |hello| hello.network_mask = Ipv4Addr::new(255, 255, 255, 128));
    lan.hello(PEER, Ipv4Addr::new(172, 17, 0, 2), |_| {});
    assert_eq!((lan.bench.refused("network_mask_mismatch"), lan.bench.refused("foreign_source")), (1, 1));
    assert_eq!(lan.bench.interface().neighbor_count, 0);
    assert!(lan.bench.stored(router_key(PEER)).is_none());
}

#[test]
fn a_router_with_the_id_of_a_neighbor_that_is_there_does_not_push_it_out() {
    let mut lan = Lan::with_role(InterfaceState::Dr);
    let elsewhere = Ipv4Addr::new(172, 16, 0, 99);
    let state = |lan: &Lan| {
        let neighbors = lan.bench.engine.view_neighbors(lan.bench.now);
        let peers: Vec<_> = neighbors.iter().filter(|n| n.neighbor_router_id == PEER).collect();
        assert!(peers.len() <= 1);
        peers.first().map(|peer| (peer.address, peer.state))
    };
    lan.bench.sent.clear();
    lan.hello(PEER, elsewhere, |_| {});
    assert_eq!(state(&lan), Some((PEER_ADDRESS, NeighborState::Full)));
    assert_eq!(lan.bench.refused("duplicate_router_id"), 1);
    assert!(lan.bench.sent.is_empty(), "nobody answers");
    let shown = lan.bench.interface().mismatches;
    assert_eq!(shown.len(), 1);
    assert_eq!((shown[0].error.as_str(), shown[0].packet_source), ("duplicate-router-id", elsewhere));
    assert_eq!(shown[0].own, "10.0.0.2 at 172.16.0.2");
    assert_eq!(shown[0].theirs, "10.0.0.2 at 172.16.0.99");
    // A neighbor that takes leave and comes back elsewhere is the same router with another address.
    lan.hello(PEER, PEER_ADDRESS, |hello| hello.neighbors.clear());
    lan.hello(PEER, elsewhere, |_| {});
    assert_eq!(state(&lan), Some((elsewhere, NeighborState::ExStart)));
    assert!(lan.bench.interface().mismatches.is_empty());
    // So is one that was not heard for RouterDeadInterval.
    lan.hello(PEER, PEER_ADDRESS, |_| {});
    assert_eq!(state(&lan), Some((elsewhere, NeighborState::ExStart)));
    lan.bench.advance(Duration::from_secs(40));
    lan.hello(PEER, PEER_ADDRESS, |_| {});
    assert_eq!(state(&lan).map(|(address, _)| address), Some(PEER_ADDRESS));
}

/// RFC 3623 section 3: a designated router that restarts stays the designated router for those who help it, whatever its new process says
/// at first. On such networks a grace-LSA names the address of who restarts.
#[test]
fn a_designated_router_that_restarts_keeps_its_role() {
    let mut lan = Lan::with_role(InterfaceState::DrOther);
    let grace = |address, sequence| {
        let said = Grace { period: 120, reason: RestartReason::SoftwareReload, address: Some(address) };
        let key = LsaKey { ls_type: LsType::OPAQUE_LINK, id: opaque::id(GRACE, 0), advertising_router: PEER };
        let lsa = Lsa::build(0, Options::E, key, seq(sequence), &LsaBody::Opaque(said.encode()));
        PacketBody::LinkStateUpdate(vec![lsa])
    };
    let helped = |lan: &Lan| {
        let neighbors = lan.bench.engine.view_neighbors(lan.bench.now);
        neighbors.iter().filter(|neighbor| neighbor.restart_helper_age.is_some()).count()
    };
    lan.receive(PEER, PEER_ADDRESS, ALL_SPF_ROUTERS, grace(STRANGER_ADDRESS, 1));
    assert_eq!(helped(&lan), 0, "it is about another address");
    lan.bench.advance(Duration::from_secs(2));
    lan.receive(PEER, PEER_ADDRESS, ALL_SPF_ROUTERS, grace(PEER_ADDRESS, 2));
    assert_eq!(helped(&lan), 1);
    let links = lan.links();
    for _ in 0..6 {
        lan.bench.advance(Duration::from_secs(10));
        lan.hello(STRANGER, STRANGER_ADDRESS, |_| {});
    }
    lan.hello(PEER, PEER_ADDRESS, |hello| {
        hello.designated_router = NOBODY;
        hello.backup_designated_router = NOBODY;
        hello.neighbors.clear();
    });
    let view = lan.bench.interface();
    assert_eq!((view.state, view.dr_ip_addr), (InterfaceState::DrOther, Some(PEER_ADDRESS)));
    assert_eq!((lan.links(), helped(&lan)), (links, 1));
    // It does not come further, and the time is over: the backup takes its place.
    for _ in 0..6 {
        lan.bench.advance(Duration::from_secs(10));
        lan.hello(STRANGER, STRANGER_ADDRESS, |hello| hello.designated_router = STRANGER_ADDRESS);
    }
    lan.bench.advance(Duration::from_secs(1));
    assert_eq!((helped(&lan), lan.bench.interface().dr_ip_addr), (0, Some(STRANGER_ADDRESS)));
}
