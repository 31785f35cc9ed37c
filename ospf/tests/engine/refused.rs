//! Packets that are malformed or refused while the adjacency is Full: each is counted by its reason, and nothing
//! else happens (sections 8.2, 10.5, 10.6, 13).

use std::net::Ipv4Addr;

use isthmus_ospf::config::{AreaConfig, InterfaceType};
use isthmus_ospf::types::{AreaId, RouterId};
use isthmus_ospf::view::NeighborState;
use isthmus_ospf::wire::{
    ALL_D_ROUTERS, ALL_SPF_ROUTERS, DdFlags, Header, Hello, LsType, Lsa, LsaKey, Options, Packet, PacketBody,
};
use isthmus_ospf::{Notification, Output};

use crate::bench::{
    Bench, LINK, OWN, OWN_ADDRESS, PEER, PEER_ADDRESS, STRANGER, description, hello, link_config, router_key,
    router_lsa, stub_lsa,
};

struct Case {
    name: &'static str,
    reason: &'static str,
    source: Ipv4Addr,
    destination: Ipv4Addr,
    payload: Vec<u8>,
}

fn encode(router_id: RouterId, area_id: AreaId, body: PacketBody) -> Vec<u8> {
    Packet { header: Header { router_id, area_id }, body }.encode()
}

fn from_peer(body: PacketBody) -> Vec<u8> {
    encode(PEER, AreaId::BACKBONE, body)
}

fn case(name: &'static str, reason: &'static str, payload: Vec<u8>) -> Case {
    Case { name, reason, source: PEER_ADDRESS, destination: ALL_SPF_ROUTERS, payload }
}

/// Writes the right checksum into a packet that was changed.
pub(crate) fn with_checksum(mut payload: Vec<u8>) -> Vec<u8> {
    payload[12..14].fill(0);
    let covered: Vec<u8> = payload[..16].iter().chain(&payload[24..]).copied().collect();
    let mut sum: u32 = 0;
    for pair in covered.chunks(2) {
        sum += u32::from(pair[0]) << 8 | u32::from(pair.get(1).copied().unwrap_or_default());
    }
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    payload[12..14].copy_from_slice(&(!(sum as u16)).to_be_bytes());
    payload
}

/// The packet with bytes replaced and the checksum right.
fn patched(payload: &[u8], at: usize, bytes: &[u8]) -> Vec<u8> {
    let mut payload = payload.to_vec();
    payload[at..at + bytes.len()].copy_from_slice(bytes);
    with_checksum(payload)
}

/// The packet with another length, in its length field too.
fn resized(payload: &[u8], length: usize) -> Vec<u8> {
    let mut payload = payload.to_vec();
    payload.resize(length, 0);
    payload[2..4].copy_from_slice(&(length as u16).to_be_bytes());
    with_checksum(payload)
}

fn good_hello() -> Vec<u8> {
    from_peer(PacketBody::Hello(hello(vec![OWN])))
}

fn hello_with(change: impl FnOnce(&mut Hello)) -> Vec<u8> {
    let mut changed = hello(vec![OWN]);
    change(&mut changed);
    from_peer(PacketBody::Hello(changed))
}

fn good_description() -> Vec<u8> {
    from_peer(PacketBody::DatabaseDescription(description(DdFlags::MS, 1, &[router_lsa(STRANGER, 1, 1)])))
}

fn good_request() -> Vec<u8> {
    from_peer(PacketBody::LinkStateRequest(vec![router_key(OWN)]))
}

fn update(lsa: Lsa) -> Vec<u8> {
    from_peer(PacketBody::LinkStateUpdate(vec![lsa]))
}

fn good_update() -> Vec<u8> {
    update(router_lsa(STRANGER, 1, 1))
}

fn good_ack() -> Vec<u8> {
    from_peer(PacketBody::LinkStateAck(vec![router_lsa(STRANGER, 1, 1).header]))
}

/// What is wrong with the bytes (appendix A, section D.4).
fn malformed() -> Vec<Case> {
    let hello = good_hello();
    // Offsets: 24 bytes of header; an update then has 4 bytes of count and 20 of advertisement header.
    vec![
        case("nothing", "truncated_header", Vec::new()),
        case("ten bytes", "truncated_header", hello[..10].to_vec()),
        case("header only, cut", "truncated_header", hello[..23].to_vec()),
        case("version 1", "version", patched(&hello, 0, &[1])),
        case("version 3", "version", patched(&hello, 0, &[3])),
        case("type 0", "packet_type", patched(&hello, 1, &[0])),
        case("type 6", "packet_type", patched(&hello, 1, &[6])),
        case("length below the header", "packet_length_too_small", patched(&hello, 2, &[0, 23])),
        case("length beyond the end", "packet_length_too_large", patched(&hello, 2, &[4, 0])),
        case("wrong checksum", "packet_checksum", {
            let mut payload = hello.clone();
            payload[12] ^= 0x55;
            payload
        }),
        case("hello without its end", "truncated_hello", resized(&hello, 40)),
        case("half a neighbor in a hello", "trailing_hello", resized(&hello, hello.len() + 2)),
        case("description without its end", "truncated_dd", resized(&good_description(), 28)),
        case("half a header in a description", "trailing_dd", resized(&good_description(), 24 + 8 + 30)),
        case("half a request", "trailing_lsr", resized(&good_request(), 24 + 18)),
        case("request of type 256", "request_ls_type", patched(&good_request(), 24, &[0, 0, 1, 0])),
        case("update without a count", "truncated_lsu", resized(&good_update(), 26)),
        case("update that counts too many", "lsu_count", patched(&good_update(), 24, &[0, 0, 1, 0])),
        case("bytes after an update", "trailing_lsu", resized(&good_update(), good_update().len() + 8)),
        case("advertisement of 19 bytes", "lsa_length_too_small", patched(&good_update(), 28 + 18, &[0, 19])),
        case(
            "advertisement beyond the end",
            "lsa_length_too_large",
            patched(&good_update(), 28 + 18, &[1, 0]),
        ),
        case("half an acknowledgment", "trailing_lsack", resized(&good_ack(), 24 + 30)),
    ]
}

/// What section 8.2 refuses.
fn refused_by_header() -> Vec<Case> {
    let body = || PacketBody::Hello(hello(vec![OWN]));
    let area = AreaId(Ipv4Addr::new(0, 0, 0, 1));
    let mut cases = vec![
        case("simple password", "authentication_mismatch", patched(&good_hello(), 14, &[0, 1])),
        case("cryptographic", "authentication_mismatch", patched(&good_hello(), 14, &[0, 2])),
        case("another area", "area_mismatch", encode(PEER, area, body())),
        case("our own router id", "duplicate_router_id", encode(OWN, AreaId::BACKBONE, body())),
        case(
            "no router id",
            "zero_router_id",
            encode(RouterId(Ipv4Addr::UNSPECIFIED), AreaId::BACKBONE, body()),
        ),
    ];
    cases.push(Case { source: OWN_ADDRESS, ..case("our own address", "own_address", good_hello()) });
    cases.push(Case { destination: ALL_D_ROUTERS, ..case("AllDRouters", "wrong_destination", good_hello()) });
    let elsewhere = Ipv4Addr::new(172, 16, 0, 3);
    cases.push(Case { destination: elsewhere, ..case("somebody else", "wrong_destination", good_hello()) });
    let bodies = [
        ("description of a stranger", PacketBody::DatabaseDescription(description(DdFlags::MS, 1, &[]))),
        ("request of a stranger", PacketBody::LinkStateRequest(vec![router_key(OWN)])),
        ("update of a stranger", PacketBody::LinkStateUpdate(vec![router_lsa(STRANGER, 1, 1)])),
        ("acknowledgment of a stranger", PacketBody::LinkStateAck(vec![router_lsa(STRANGER, 1, 1).header])),
    ];
    for (name, body) in bodies {
        cases.push(case(name, "unknown_neighbor", encode(STRANGER, AreaId::BACKBONE, body)));
    }
    cases
}

/// What sections 10.5, 10.6 and 13 refuse.
fn refused_by_content() -> Vec<Case> {
    let mut broken = router_lsa(STRANGER, 1, 1);
    let mut bytes = broken.bytes.to_vec();
    bytes[30] ^= 1;
    broken.bytes = bytes.into();
    let mut large = description(DdFlags::MS, 1, &[]);
    large.interface_mtu = 1501;
    // Group membership (RFC 1584).
    let unknown = LsaKey { ls_type: LsType(6), id: Ipv4Addr::new(1, 0, 0, 0), advertising_router: STRANGER };
    let unknown = Lsa::build(1, Options::E, unknown, crate::bench::seq(1), &unknown_body());
    vec![
        case("HelloInterval", "hello_interval_mismatch", hello_with(|hello| hello.hello_interval = 9)),
        case("RouterDeadInterval", "dead_interval_mismatch", hello_with(|hello| hello.dead_interval = 41)),
        case("no E bit", "options_mismatch", hello_with(|hello| hello.options = Options::empty())),
        case("N bit", "options_mismatch", hello_with(|hello| hello.options |= Options::NP)),
        case("larger MTU", "mtu_mismatch", from_peer(PacketBody::DatabaseDescription(large))),
        case("checksum of an advertisement", "lsa_checksum", update(broken)),
        case("advertisement of another type", "lsa_unknown_type", update(unknown)),
        case("second instance within MinLSArrival", "lsa_too_soon", update(stub_lsa(PEER, 3, 1, 9))),
        case("older instance", "lsa_older", update(router_lsa(PEER, 1, 1))),
    ]
}

fn unknown_body() -> isthmus_ospf::wire::LsaBody {
    isthmus_ospf::wire::LsaBody::Unknown(vec![0; 8])
}

/// What belongs to a healthy network and is no bad packet.
const NORMAL: [&str; 3] = ["lsa_older", "lsa_too_soon", "unknown_neighbor"];

#[test]
fn what_is_refused_is_counted_and_changes_nothing() {
    let cases: Vec<_> =
        malformed().into_iter().chain(refused_by_header()).chain(refused_by_content()).collect();
    assert!(cases.len() >= 40, "{}", cases.len());
    for case in cases {
        let mut bench = Bench::full(&[router_lsa(PEER, 1, 1)]);
        // So that the database has an instance that was just received by flooding.
        bench.update(&[stub_lsa(PEER, 2, 1, 11)]);
        bench.advance(std::time::Duration::from_millis(200));
        bench.sent.clear();
        bench.said.clear();
        let database = bench.engine.view_database(bench.now, Some(AreaId::BACKBONE));
        let before = bench.interface().statistics;
        assert!(before.bad_packets.is_empty() && before.ignored_packets.is_empty(), "{before:?}");

        bench.receive_bytes(case.source, case.destination, &case.payload);

        let after = bench.interface().statistics;
        let (counted, other) = match NORMAL.contains(&case.reason) {
            true => (after.ignored_packets, after.bad_packets),
            false => (after.bad_packets, after.ignored_packets),
        };
        assert_eq!(counted.into_iter().collect::<Vec<_>>(), [(case.reason.to_owned(), 1)], "{}", case.name);
        assert!(other.is_empty(), "{}: {other:?}", case.name);
        assert_eq!(bench.state(), NeighborState::Full, "{}", case.name);
        assert_eq!(bench.engine.view_neighbors(bench.now).len(), 1, "{}", case.name);
        assert_eq!(bench.engine.view_database(bench.now, Some(AreaId::BACKBONE)), database, "{}", case.name);
        let quiet = bench.said.iter().all(|output| matches!(output, Output::Notification(_)));
        assert!(quiet, "{}: {:?}", case.name, bench.said);
        assert!(bench.sent.is_empty() || case.reason == "lsa_older", "{}: {:?}", case.name, bench.sent);
    }
}

#[test]
fn a_difference_of_configurations_and_a_bad_packet_are_notified() {
    let mut bench = Bench::full(&[]);
    bench.receive_bytes(PEER_ADDRESS, ALL_SPF_ROUTERS, &hello_with(|hello| hello.dead_interval = 41));
    assert!(matches!(
        bench.said[..],
        [Output::Notification(Notification::InterfaceConfigError {
            interface: LINK,
            source: PEER_ADDRESS,
            ..
        })]
    ));
    bench.said.clear();
    bench.receive_bytes(PEER_ADDRESS, ALL_SPF_ROUTERS, &[2, 1]);
    assert!(matches!(
        bench.said[..],
        [Output::Notification(Notification::InterfaceRxBadPacket {
            interface: LINK,
            source: PEER_ADDRESS,
            ..
        })]
    ));
}

#[test]
fn nothing_is_taken_by_an_interface_that_is_down_or_passive() {
    let mut bench = Bench::full(&[]);
    bench.engine.handle_link(bench.now, LINK, false);
    bench.hello();
    assert_eq!((bench.ignored("interface_down"), bench.state()), (1, NeighborState::Down));

    let mut passive = link_config();
    passive.passive = true;
    let mut bench = Bench::with(passive, AreaConfig::default());
    assert!(bench.sent.is_empty(), "no hello leaves either");
    bench.hello();
    assert_eq!((bench.ignored("interface_passive"), bench.state()), (1, NeighborState::Down));
}

#[test]
fn sources_outside_the_network_are_refused_where_many_can_be() {
    let mut config = link_config();
    config.interface_type = InterfaceType::PointToMultipoint;
    config.address = "172.16.0.1/24".parse().expect("an address");
    let mut bench = Bench::with(config, AreaConfig::default());
    let elsewhere = Ipv4Addr::new(172, 17, 0, 2);
    bench.receive_bytes(elsewhere, ALL_SPF_ROUTERS, &good_hello());
    assert_eq!((bench.refused("foreign_source"), bench.state()), (1, NeighborState::Down));
    // Neither is another idea of the network's size (section 10.5); two of them make no neighbors.
    let payload = hello_with(|hello| hello.network_mask = Ipv4Addr::new(255, 255, 0, 0));
    bench.receive_bytes(PEER_ADDRESS, ALL_SPF_ROUTERS, &payload);
    assert_eq!((bench.refused("network_mask_mismatch"), bench.state()), (1, NeighborState::Down));
    // On a point-to-point link the other end may be numbered apart, and masks are not compared.
    let mut bench = Bench::new();
    let payload = hello_with(|hello| hello.network_mask = Ipv4Addr::new(255, 0, 0, 0));
    bench.receive_bytes(elsewhere, ALL_SPF_ROUTERS, &payload);
    assert_eq!(bench.state(), NeighborState::ExStart);
}

#[test]
fn a_neighbor_is_known_by_its_address_where_many_can_be() {
    let mut config = link_config();
    config.interface_type = InterfaceType::PointToMultipoint;
    config.address = "172.16.0.1/24".parse().expect("an address");
    let mut bench = Bench::with(config, AreaConfig::default());
    bench.become_full(&[]);
    let forged = from_peer(PacketBody::LinkStateRequest(vec![router_key(STRANGER)]));
    bench.receive_bytes(Ipv4Addr::new(172, 16, 0, 9), OWN_ADDRESS, &forged);
    assert_eq!((bench.ignored("unknown_neighbor"), bench.state()), (1, NeighborState::Full));
}

#[test]
fn the_rest_of_an_update_is_taken_when_one_advertisement_is_not() {
    let mut bench = Bench::full(&[]);
    let mut broken = router_lsa(STRANGER, 1, 1);
    broken.bytes = {
        let mut bytes = broken.bytes.to_vec();
        bytes[30] ^= 1;
        bytes.into()
    };
    bench.update(&[broken, router_lsa(PEER, 1, 1)]);
    assert_eq!(bench.refused("lsa_checksum"), 1);
    assert!(bench.stored(router_key(PEER)).is_some());
    assert!(bench.stored(router_key(STRANGER)).is_none());
}

#[test]
fn what_a_healthy_adjacency_passes_over_is_no_bad_packet() {
    let mut bench = Bench::new();
    // The peer speaks before it was heard, is too quick, and has not heard of everything yet.
    bench.receive(PacketBody::LinkStateAck(Vec::new()));
    bench.hello();
    bench.receive(PacketBody::LinkStateUpdate(vec![router_lsa(STRANGER, 1, 1)]));
    bench.become_full(&[router_lsa(PEER, 2, 1)]);
    bench.update(&[router_lsa(PEER, 1, 1)]);
    bench.sent.clear();
    bench.reconfigure(|link| link.cost = 12);
    let mut crossed = bench.take_updates().remove(0).1[0].header;
    crossed.sequence.0 -= 1;
    bench.receive(PacketBody::LinkStateAck(vec![crossed]));
    let statistics = bench.interface().statistics;
    let ignored: Vec<_> = statistics.ignored_packets.keys().map(String::as_str).collect();
    assert_eq!(ignored, ["bad_ack", "lsa_older", "neighbor_state", "unknown_neighbor"]);
    assert!(statistics.bad_packets.is_empty(), "{:?}", statistics.bad_packets);
    assert!(bench.said.iter().all(|output| !matches!(
        output,
        Output::Notification(
            Notification::InterfaceRxBadPacket { .. } | Notification::InterfaceConfigError { .. }
        )
    )));
}
