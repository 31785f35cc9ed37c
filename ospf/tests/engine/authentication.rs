//! Authentication of the packets of an interface (appendix D): who is believed, and what leaves.

use std::time::Duration;

use isthmus_ospf::Notification;
use isthmus_ospf::Output;
use isthmus_ospf::config::{AreaConfig, Authentication, InterfaceConfig, InterfaceType, Key};
use isthmus_ospf::types::AreaId;
use isthmus_ospf::view::NeighborState;
use isthmus_ospf::wire::{
    ALL_SPF_ROUTERS, Algorithm, DdFlags, Frame, Header, Hello, Packet, PacketBody, Seal,
};

use crate::bench::{Bench, OWN, PEER, PEER_ADDRESS, STRANGER, hello, link_config, many};

fn key(id: u8, secret: &str) -> Key {
    Key::always(id, Algorithm::Md5, secret.as_bytes())
}

fn md5(keys: &[Key]) -> Authentication {
    Authentication::Cryptographic(keys.to_vec())
}

fn bench(authentication: Authentication) -> Bench {
    let mut config = link_config();
    config.authentication = authentication;
    Bench::with(config, AreaConfig::default())
}

impl Bench {
    fn receive_sealed(&mut self, seal: Seal<'_>) {
        let body = PacketBody::Hello(hello(vec![OWN]));
        let packet = Packet { header: Header { router_id: PEER, area_id: AreaId::BACKBONE }, body };
        self.receive_bytes(PEER_ADDRESS, ALL_SPF_ROUTERS, &packet.encode_sealed(&seal));
    }

    fn receive_signed(&mut self, key_id: u8, key: &str, sequence: u32) {
        self.receive_sealed(Seal::Cryptographic {
            key_id,
            algorithm: Algorithm::Md5,
            key: key.as_bytes(),
            sequence,
        });
    }
}

#[test]
fn what_leaves_is_sealed() {
    let mut open = bench(Authentication::Simple(*b"password"));
    open.advance(Duration::from_secs(10));
    assert!(open.sent.len() >= 2);
    for (_, transmit, _) in &open.sent {
        let frame = Frame::decode(&transmit.payload).expect("what we send has a good checksum");
        assert_eq!(frame.auth.auth_type, 1);
        assert!(frame.has_password(b"password"));
    }
    let mut signed = bench(md5(&[key(5, "first"), key(6, "second")]));
    signed.advance(Duration::from_secs(10));
    for (_, transmit, _) in &signed.sent {
        let frame = Frame::decode(&transmit.payload).expect("a packet");
        assert_eq!((frame.auth.auth_type, frame.cryptographic().key_id), (2, 5), "the first key signs");
        assert!(frame.has_digest(Algorithm::Md5, b"first"));
        assert_eq!(transmit.payload[12..14], [0, 0], "there is no checksum (D.4.3)");
    }
}

#[test]
fn the_right_password_is_believed_and_no_other() {
    let mut bench = bench(Authentication::Simple(*b"password"));
    bench.receive_sealed(Seal::Simple(b"passwort"));
    assert_eq!((bench.refused("authentication_failure"), bench.state()), (1, NeighborState::Down));
    bench.receive_sealed(Seal::Null);
    assert_eq!((bench.refused("authentication_mismatch"), bench.state()), (1, NeighborState::Down));
    bench.receive_signed(1, "password", 1);
    assert_eq!((bench.refused("authentication_mismatch"), bench.state()), (2, NeighborState::Down));
    bench.receive_sealed(Seal::Simple(b"password"));
    assert_eq!(bench.state(), NeighborState::ExStart);
}

#[test]
fn every_key_verifies_and_no_other() {
    let mut bench = bench(md5(&[key(1, "old"), key(2, "new")]));
    bench.receive_signed(3, "new", 10);
    assert_eq!((bench.refused("authentication_key"), bench.state()), (1, NeighborState::Down));
    bench.receive_signed(2, "old", 10);
    assert_eq!((bench.refused("authentication_failure"), bench.state()), (1, NeighborState::Down));
    bench.receive_signed(2, "new", 10);
    assert_eq!(bench.state(), NeighborState::ExStart);
    bench.receive_signed(1, "old", 10);
    assert_eq!(bench.interface().statistics.packets.received.hello, 2);
}

#[test]
fn a_packet_that_was_recorded_is_not_believed_again() {
    let mut bench = bench(md5(&[key(1, "k")]));
    bench.receive_signed(1, "k", 100);
    // Several packets may share a number.
    bench.receive_signed(1, "k", 100);
    bench.receive_signed(1, "k", 99);
    assert_eq!(bench.refused("authentication_sequence"), 1);
    bench.receive_signed(1, "k", u32::MAX);
    bench.receive_signed(1, "k", 101);
    assert_eq!((bench.refused("authentication_sequence"), bench.state()), (2, NeighborState::ExStart));
    // A neighbor that was gone may start anywhere (section D.3).
    bench.advance(Duration::from_secs(40));
    assert_eq!(bench.state(), NeighborState::Down);
    bench.receive_signed(1, "k", 5);
    assert_eq!(bench.state(), NeighborState::ExStart);
}

#[test]
fn a_forged_number_does_not_lock_the_neighbor_out() {
    let mut bench = bench(md5(&[key(1, "k")]));
    bench.receive_signed(1, "k", 100);
    bench.receive_signed(1, "guess", u32::MAX);
    bench.receive_signed(1, "k", 101);
    assert_eq!((bench.refused("authentication_failure"), bench.refused("authentication_sequence")), (1, 0));
}

fn sequences(bench: &mut Bench) -> Vec<u32> {
    let sent = std::mem::take(&mut bench.sent).into_iter();
    sent.map(|(_, transmit, _)| Frame::decode(&transmit.payload).expect("a packet").cryptographic().sequence)
        .collect()
}

#[test]
fn sequence_numbers_follow_the_clock_of_the_world_and_never_decrease() {
    let mut bench = bench(md5(&[key(1, "k")]));
    bench.sent.clear();
    bench.engine.set_wall_clock(bench.now, 1_700_000_000);
    bench.advance(Duration::from_secs(35));
    assert_eq!(sequences(&mut bench), [1_700_000_010, 1_700_000_020, 1_700_000_030]);
    // The clock of the world was set back.
    bench.engine.set_wall_clock(bench.now, 1_600_000_000);
    bench.advance(Duration::from_secs(10));
    assert_eq!(sequences(&mut bench), [1_700_000_030]);
}

#[test]
fn the_digest_has_its_room_in_the_mtu() {
    let fill = |authentication: Authentication| {
        let mut config = link_config();
        config.authentication = authentication;
        config.mtu = 576;
        let mut bench = Bench::with(config, AreaConfig::default());
        bench.engine.set_wall_clock(bench.now, 1);
        bench
    };
    let mut bench = fill(md5(&[key(1, "k")]));
    let seal = Seal::Cryptographic { key_id: 1, algorithm: Algorithm::Md5, key: b"k", sequence: 7 };
    let packet = |body| {
        let header = Header { router_id: PEER, area_id: AreaId::BACKBONE };
        Packet { header, body }.encode_sealed(&seal)
    };
    let lsas = many(100);
    let names: Vec<_> = lsas.iter().map(|lsa| lsa.header.key).collect();
    let description = |flags, sequence, lsas: &[_]| {
        let mut description = crate::bench::description(flags, sequence, lsas);
        description.interface_mtu = 576;
        PacketBody::DatabaseDescription(description)
    };
    for body in [
        PacketBody::Hello(hello(vec![OWN])),
        description(DdFlags::all(), 1, &[]),
        description(DdFlags::MS, 2, &lsas),
        PacketBody::LinkStateUpdate(lsas),
        PacketBody::LinkStateRequest(names),
    ] {
        bench.receive_bytes(PEER_ADDRESS, ALL_SPF_ROUTERS, &packet(body));
    }
    bench.advance(Duration::from_secs(6));
    assert_eq!(bench.state(), NeighborState::Full);
    let longest = |packet_type: u8| {
        let of_type = bench.sent.iter().filter(|(_, _, packet)| packet.type_number() == packet_type);
        of_type.map(|(_, transmit, _)| transmit.payload.len() + 20).max().unwrap_or_default()
    };
    // Requests (12 bytes each), updates (36 each, router-LSAs with one link) and acknowledgments (20 each) are as
    // long as they can be with the digest inside.
    assert_eq!((longest(3), longest(4), longest(5)), (576, 568, 560));
    assert!(bench.engine.view_database(bench.now, Some(AreaId::BACKBONE)).len() > 100);
}

#[test]
fn other_authentication_is_told_with_both_values_and_no_secret() {
    let mut bench = bench(md5(&[key(1, "secret-1")]));
    bench.said.clear();
    bench.receive_sealed(Seal::Simple(b"hunter22"));
    bench.receive_signed(9, "secret-9", 1);
    let told: Vec<_> = bench
        .said
        .iter()
        .filter_map(|output| match output {
            Output::Notification(Notification::InterfaceConfigError { error, packet_type, .. }) => {
                Some((*packet_type, error.mismatch().expect("a mismatch")))
            }
            _ => None,
        })
        .map(|(packet_type, mismatch)| (packet_type, mismatch.error, mismatch.own, mismatch.theirs))
        .collect();
    let expected = |error, own: &str, theirs: &str| (1, error, own.to_owned(), theirs.to_owned());
    assert_eq!(
        told,
        [
            expected("auth-type-mismatch", "cryptographic", "simple"),
            expected("auth-failure", "key id 1", "key id 9"),
        ]
    );
    let everything = format!("{:?} {:?} {:?}", bench.said, bench.interface(), bench.config);
    assert!(!everything.contains("secret") && !everything.contains("hunter22"), "{everything}");
}

#[test]
fn another_key_is_used_at_once_and_the_adjacency_stays() {
    let mut bench = bench(md5(&[key(1, "k")]));
    bench.receive_signed(1, "k", 100);
    assert_eq!(bench.state(), NeighborState::ExStart);
    bench.sent.clear();
    bench.reconfigure(|link| link.authentication = md5(&[key(2, "next"), key(1, "k")]));
    assert_eq!(bench.state(), NeighborState::ExStart);
    bench.receive_signed(1, "k", 101);
    bench.advance(Duration::from_secs(10));
    assert!(!bench.sent.is_empty());
    for (_, transmit, _) in &bench.sent {
        assert!(Frame::decode(&transmit.payload).expect("a packet").has_digest(Algorithm::Md5, b"next"));
    }
}

#[test]
fn a_second_router_with_the_id_of_a_neighbor_does_not_advance_its_number() {
    let config = InterfaceConfig {
        interface_type: InterfaceType::Broadcast,
        address: "172.16.0.1/29".parse().expect("an address"),
        authentication: md5(&[key(1, "k")]),
        ..link_config()
    };
    let mut bench = Bench::with(config, AreaConfig::default());
    let receive = |bench: &mut Bench, host: u8, sequence| {
        let mask = std::net::Ipv4Addr::new(255, 255, 255, 248);
        let hello = Hello { network_mask: mask, ..hello(vec![OWN]) };
        let packet = Packet {
            header: Header { router_id: PEER, area_id: AreaId::BACKBONE },
            body: PacketBody::Hello(hello),
        };
        let seal = Seal::Cryptographic { key_id: 1, algorithm: Algorithm::Md5, key: b"k", sequence };
        let source = std::net::Ipv4Addr::new(172, 16, 0, host);
        bench.receive_bytes(source, ALL_SPF_ROUTERS, &packet.encode_sealed(&seal));
    };
    receive(&mut bench, 2, 100);
    // The neighbor's own packet, played back from elsewhere by somebody who has no key; then one who has.
    receive(&mut bench, 3, 100);
    receive(&mut bench, 3, 5000);
    receive(&mut bench, 2, 101);
    assert_eq!((bench.refused("duplicate_router_id"), bench.refused("authentication_sequence")), (2, 0));
    let neighbors = bench.engine.view_neighbors(bench.now);
    assert_eq!((neighbors.len(), neighbors[0].address), (1, PEER_ADDRESS));
    assert_eq!(neighbors[0].state, NeighborState::TwoWay);
}

#[test]
fn what_another_router_has_sent_once_does_not_replace_the_neighbor_at_its_address() {
    for interface_type in [InterfaceType::PointToPoint, InterfaceType::Broadcast] {
        let config = InterfaceConfig { interface_type, authentication: md5(&[key(1, "k")]), ..link_config() };
        let mut bench = Bench::with(config, AreaConfig::default());
        bench.receive_signed(1, "k", 1000);
        let before = bench.state();
        let play = |bench: &mut Bench, sequence| {
            let header = Header { router_id: STRANGER, area_id: AreaId::BACKBONE };
            let packet = Packet { header, body: PacketBody::Hello(hello(vec![OWN])) };
            let seal = Seal::Cryptographic { key_id: 1, algorithm: Algorithm::Md5, key: b"k", sequence };
            bench.receive_bytes(PEER_ADDRESS, ALL_SPF_ROUTERS, &packet.encode_sealed(&seal));
            let neighbors = bench.engine.view_neighbors(bench.now);
            assert_eq!(neighbors.len(), 1);
            neighbors[0].neighbor_router_id
        };
        // A router that was once on this network was recorded, and is played back from the neighbor's address.
        assert_eq!((play(&mut bench, 999), bench.state()), (PEER, before));
        assert_eq!(bench.refused("authentication_sequence"), 1);
        // Whoever takes its place and knows the time is believed.
        assert_eq!(play(&mut bench, 1001), STRANGER);
    }
}
