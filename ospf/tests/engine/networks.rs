//! Where packets go on each type of network (sections 8.1, 13.3, 13.5, 13.6; RFC 5185), and what changes of the
//! path do.

use std::net::Ipv4Addr;

use isthmus_ospf::Output;
use isthmus_ospf::config::{AreaConfig, InterfaceConfig, InterfaceType};
use isthmus_ospf::route::RouteChange;
use isthmus_ospf::view::NeighborState;
use isthmus_ospf::wire::{
    ALL_SPF_ROUTERS, DdFlags, LinkType, Lsa, LsaBody, Options, PacketBody, RouterFlags, RouterLink, RouterLsa,
};

use crate::bench::{
    Bench, LINK, OWN, OWN_ADDRESS, PEER, PEER_ADDRESS, STRANGER, hello, link_config, many, millis,
    router_key, router_lsa, seq,
};

/// The type and destination of everything that was sent.
fn destinations(bench: &mut Bench) -> Vec<(u8, Ipv4Addr)> {
    let sent = std::mem::take(&mut bench.sent).into_iter();
    sent.map(|(_, transmit, packet)| (packet.type_number(), transmit.destination)).collect()
}

/// Everything that an adjacency can say: exchange, requests, answers, flooding, acknowledgments, retransmission.
fn conversation(config: InterfaceConfig) -> Vec<(u8, Ipv4Addr)> {
    let mut bench = Bench::with(config, AreaConfig::default());
    let lsas = many(2);
    bench.receive(PacketBody::Hello(hello(Vec::new())));
    bench.hello();
    bench.describe(DdFlags::all(), &[]);
    bench.describe(DdFlags::MS, &lsas);
    bench.update(&lsas);
    assert_eq!(bench.state(), NeighborState::Full);
    bench.advance(millis(2000));
    // A duplicate, a new one, a request.
    bench.update(&lsas[..1]);
    bench.update(&[router_lsa(STRANGER, 1, 1)]);
    bench.receive(PacketBody::LinkStateRequest(vec![router_key(STRANGER)]));
    bench.advance(millis(200));
    let mut all = destinations(&mut bench);
    all.sort_unstable();
    all.dedup();
    all
}

#[test]
fn everything_is_multicast_on_a_point_to_point_link() {
    let expected: Vec<_> = (1..=5).map(|packet_type| (packet_type, ALL_SPF_ROUTERS)).collect();
    assert_eq!(conversation(link_config()), expected);
}

#[test]
fn what_is_for_one_neighbor_goes_to_its_address_on_a_multipoint_network() {
    let mut config = link_config();
    config.interface_type = InterfaceType::PointToMultipoint;
    config.address = "172.16.0.1/24".parse().expect("an address");
    let expected = [
        // The periodic hello, and the answer to one who did not know us.
        (1, PEER_ADDRESS),
        (1, ALL_SPF_ROUTERS),
        (2, PEER_ADDRESS),
        (3, PEER_ADDRESS),
        // Retransmissions and answers, and flooding.
        (4, PEER_ADDRESS),
        (4, ALL_SPF_ROUTERS),
        // Direct acknowledgments, and delayed ones.
        (5, PEER_ADDRESS),
        (5, ALL_SPF_ROUTERS),
    ];
    assert_eq!(conversation(config), expected);
}

#[test]
fn everything_goes_to_the_neighbor_of_a_multi_area_adjacency() {
    let config = InterfaceConfig { unnumbered: true, unicast_to: Some(PEER_ADDRESS), ..link_config() };
    let expected: Vec<_> = (1..=5).map(|packet_type| (packet_type, PEER_ADDRESS)).collect();
    assert_eq!(conversation(config), expected);
}

/// The peer's router-LSA with a link to us and a network behind it.
fn linked_lsa() -> Lsa {
    let to_us = RouterLink { id: OWN.0, data: PEER_ADDRESS, link_type: LinkType::PointToPoint, metric: 4 };
    let stub = RouterLink {
        id: Ipv4Addr::new(192, 0, 2, 0),
        data: Ipv4Addr::new(255, 255, 255, 0),
        link_type: LinkType::Stub,
        metric: 1,
    };
    let body = LsaBody::Router(RouterLsa { flags: RouterFlags::empty(), links: vec![to_us, stub] });
    Lsa::build(1, Options::E, router_key(PEER), seq(1), &body)
}

/// Cost and next hop of the route to the network behind the peer that was installed last.
fn installed(bench: &mut Bench) -> Option<(u32, Option<Ipv4Addr>)> {
    let changes = std::mem::take(&mut bench.said).into_iter().filter_map(|output| match output {
        Output::Routes(changes) => Some(changes),
        _ => None,
    });
    changes
        .flatten()
        .filter_map(|change| match change {
            RouteChange::Install { prefix, route } if prefix.addr() == Ipv4Addr::new(192, 0, 2, 0) => {
                Some((route.cost, route.next_hops.first().and_then(|hop| hop.address)))
            }
            _ => None,
        })
        .next_back()
}

#[test]
fn a_multi_area_adjacency_moves_to_another_network_under_full() {
    let config = InterfaceConfig { unnumbered: true, unicast_to: Some(PEER_ADDRESS), ..link_config() };
    let mut bench = Bench::with(config, AreaConfig::default());
    bench.hello();
    bench.describe(DdFlags::all(), &[]);
    bench.describe(DdFlags::MS, &[linked_lsa()]);
    bench.update(&[linked_lsa()]);
    bench.acknowledge_all();
    assert_eq!(installed(&mut bench), Some((11, Some(PEER_ADDRESS))));

    let (own, peer) = (Ipv4Addr::new(172, 17, 0, 1), Ipv4Addr::new(172, 17, 0, 2));
    bench.reconfigure(|link| {
        link.address = "172.17.0.1/24".parse().expect("an address");
        link.unicast_to = Some(peer);
        link.cost = 15;
    });
    assert_eq!(bench.state(), NeighborState::Full);
    assert_eq!(installed(&mut bench), Some((16, Some(peer))));
    bench.sent.clear();
    bench.advance(millis(12_000));
    assert!(!bench.sent.is_empty());
    assert!(bench.sent.iter().all(|(_, transmit, _)| (transmit.source, transmit.destination) == (own, peer)));

    // The peer moves a little later: its last packet from the old address still counts.
    bench.receive_bytes(PEER_ADDRESS, own, &hello_bytes());
    bench.receive_bytes(peer, own, &hello_bytes());
    assert_eq!((bench.state(), installed(&mut bench)), (NeighborState::Full, None));
}

fn hello_bytes() -> Vec<u8> {
    let header =
        isthmus_ospf::wire::Header { router_id: PEER, area_id: isthmus_ospf::types::AreaId::BACKBONE };
    isthmus_ospf::wire::Packet { header, body: PacketBody::Hello(hello(vec![OWN])) }.encode()
}

#[test]
fn the_next_hop_follows_the_address_of_a_point_to_point_neighbor() {
    let mut bench = Bench::full(&[linked_lsa()]);
    let elsewhere = Ipv4Addr::new(172, 30, 0, 2);
    bench.receive_bytes(elsewhere, ALL_SPF_ROUTERS, &hello_bytes());
    assert_eq!((bench.state(), installed(&mut bench)), (NeighborState::Full, Some((11, Some(elsewhere)))));
}

#[test]
fn another_router_at_the_same_address_replaces_the_one_before() {
    let mut bench = Bench::full(&[]);
    let header =
        isthmus_ospf::wire::Header { router_id: STRANGER, area_id: isthmus_ospf::types::AreaId::BACKBONE };
    let payload = isthmus_ospf::wire::Packet { header, body: PacketBody::Hello(hello(vec![OWN])) }.encode();
    bench.receive_bytes(PEER_ADDRESS, ALL_SPF_ROUTERS, &payload);
    let neighbors = bench.engine.view_neighbors(bench.now);
    assert_eq!(neighbors.len(), 1);
    assert_eq!((neighbors[0].neighbor_router_id, neighbors[0].state), (STRANGER, NeighborState::ExStart));
}

#[test]
fn the_networks_of_an_interface_are_routed_as_soon_as_it_is_up() {
    let bench = Bench::new();
    let routes: Vec<_> = bench.engine.view_local_rib().iter().map(|route| route.prefix.to_string()).collect();
    assert_eq!(routes, ["172.16.0.0/30"]);
}

#[test]
fn routes_are_withdrawn_with_the_link() {
    let mut bench = Bench::full(&[linked_lsa()]);
    bench.engine.handle_link(bench.now, LINK, false);
    bench.collect();
    let withdrawn: Vec<_> = std::mem::take(&mut bench.said)
        .into_iter()
        .filter_map(|output| match output {
            Output::Routes(changes) => Some(changes),
            _ => None,
        })
        .flatten()
        .map(|change| match change {
            RouteChange::Withdraw { prefix } => prefix.to_string(),
            RouteChange::Install { prefix, .. } => panic!("{prefix} installed"),
        })
        .collect();
    assert_eq!(withdrawn, ["172.16.0.0/30", "192.0.2.0/24"]);
    assert!(bench.engine.view_local_rib().is_empty());
    assert_eq!(OWN_ADDRESS, bench.interface().address.addr());
}
