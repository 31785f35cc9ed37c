//! Extended sequence numbers (RFC 7474): they never come again, and what was recorded is not believed.

use std::net::Ipv4Addr;
use std::time::Duration;

use isthmus_ospf::config::{AreaConfig, Authentication, Key};
use isthmus_ospf::types::{AreaId, RouterId};
use isthmus_ospf::view::NeighborState;
use isthmus_ospf::wire::{ALL_SPF_ROUTERS, Algorithm, DdFlags, Frame, Header, Packet, PacketBody, Seal};

use crate::bench::{Bench, OWN, PEER, PEER_ADDRESS, STRANGER, description, hello, link_config};

const ALGORITHM: Algorithm = Algorithm::HmacSha384;
const BOOTS: u64 = 9 << 32;

fn keys(ids: &[u8]) -> Authentication {
    let key = |id: &u8| Key::always(*id, ALGORITHM, &[b'k', *id]);
    Authentication::Extended(ids.iter().map(key).collect())
}

fn bench() -> Bench {
    let mut config = link_config();
    config.authentication = keys(&[1]);
    Bench::with(config, AreaConfig::default())
}

fn sealed(router_id: RouterId, source: Ipv4Addr, key: u8, sequence: u64, body: PacketBody) -> Vec<u8> {
    let packet = Packet { header: Header { router_id, area_id: AreaId::BACKBONE }, body };
    let secret = [b'k', key];
    let seal = Seal::Extended { key_id: key.into(), algorithm: ALGORITHM, key: &secret, sequence, source };
    packet.encode_sealed(&seal)
}

fn a_hello(key: u8, sequence: u64) -> Vec<u8> {
    sealed(PEER, PEER_ADDRESS, key, sequence, PacketBody::Hello(hello(vec![OWN])))
}

impl Bench {
    fn hear(&mut self, bytes: &[u8]) -> NeighborState {
        self.receive_bytes(PEER_ADDRESS, ALL_SPF_ROUTERS, bytes);
        self.state()
    }

    /// The numbers of what was sent since the last look, all of it signed by a key.
    fn sequences(&mut self, key: u8) -> Vec<u64> {
        let sent = std::mem::take(&mut self.sent);
        let sequence = |payload: &[u8]| {
            let frame = Frame::decode(payload).expect("a packet");
            let source = crate::bench::OWN_ADDRESS;
            assert!(frame.has_extended_digest(ALGORITHM, &[b'k', key], source) && frame.auth.auth_type == 3);
            frame.extended().expect("room for a number").sequence
        };
        sent.iter().map(|(_, transmit, _)| sequence(&transmit.payload)).collect()
    }
}

#[test]
fn every_packet_has_the_next_number_of_this_life() {
    let mut bench = bench();
    bench.engine.set_boot_count(bench.now, 9);
    bench.sent.clear();
    bench.hear(&a_hello(1, BOOTS));
    bench.advance(Duration::from_secs(35));
    let sequences = bench.sequences(1);
    let expected: Vec<u64> = (1..).map(|number| BOOTS + number).take(sequences.len()).collect();
    assert!(sequences.len() > 5);
    assert_eq!(sequences, expected);
    // Whatever is told later, it does not go back.
    bench.engine.set_boot_count(bench.now, 3);
    bench.advance(Duration::from_secs(10));
    assert!(bench.sequences(1)[0] > expected[0]);
    assert_eq!(bench.interface().authentication.auth_type, "extended");
}

#[test]
fn a_number_counts_for_its_type_of_packet_and_must_rise() {
    let mut bench = bench();
    assert_eq!(bench.hear(&a_hello(1, BOOTS + 10)), NeighborState::ExStart);
    for again in [BOOTS + 10, BOOTS + 9, 0] {
        bench.hear(&a_hello(1, again));
    }
    assert_eq!(bench.refused("authentication_sequence"), 3);
    // Another type of packet has overtaken the hello.
    let flags = DdFlags::I | DdFlags::M | DdFlags::MS;
    let begin = PacketBody::DatabaseDescription(description(flags, 1, &[]));
    let begin = sealed(PEER, PEER_ADDRESS, 1, BOOTS + 5, begin);
    assert_eq!(bench.hear(&begin), NeighborState::Exchange);
    bench.hear(&begin);
    assert_eq!(bench.refused("authentication_sequence"), 4);
    assert_eq!(bench.hear(&a_hello(1, BOOTS + 11)), NeighborState::Exchange);
}

#[test]
fn what_was_recorded_of_an_earlier_adjacency_begins_no_new_one() {
    let mut bench = bench();
    bench.hear(&a_hello(1, BOOTS + 10));
    bench.advance(Duration::from_secs(40));
    assert_eq!(bench.state(), NeighborState::Down);
    assert_eq!(bench.hear(&a_hello(1, BOOTS + 10)), NeighborState::Down);
    assert_eq!(bench.refused("authentication_sequence"), 1);
    // The neighbor has started again.
    assert_eq!(bench.hear(&a_hello(1, BOOTS + (1 << 32))), NeighborState::ExStart);
}

#[test]
fn a_packet_from_another_address_is_not_believed() {
    let mut bench = bench();
    let elsewhere = Ipv4Addr::new(172, 16, 0, 3);
    let body = PacketBody::Hello(hello(vec![OWN]));
    assert_eq!(bench.hear(&sealed(STRANGER, elsewhere, 1, BOOTS, body)), NeighborState::Down);
    assert_eq!(bench.refused("authentication_failure"), 1);
}

#[test]
fn the_form_of_rfc_5709_is_another_type_of_authentication() {
    let mut bench = bench();
    let packet = Packet {
        header: Header { router_id: PEER, area_id: AreaId::BACKBONE },
        body: PacketBody::Hello(hello(vec![OWN])),
    };
    let seal = Seal::Cryptographic { key_id: 1, algorithm: ALGORITHM, key: b"k\x01", sequence: 7 };
    assert_eq!(bench.hear(&packet.encode_sealed(&seal)), NeighborState::Down);
    let mismatch = bench.interface().mismatches.remove(0);
    assert_eq!((mismatch.own.as_str(), mismatch.theirs.as_str()), ("extended", "cryptographic"));
}

#[test]
fn numbers_are_kept_over_a_change_of_keys_and_forgotten_with_their_key() {
    let mut bench = bench();
    bench.hear(&a_hello(1, BOOTS + 10));
    bench.reconfigure(|link| link.authentication = keys(&[2, 1]));
    assert_eq!(bench.hear(&a_hello(1, BOOTS + 10)), NeighborState::ExStart);
    assert_eq!(bench.refused("authentication_sequence"), 1);
    bench.hear(&a_hello(2, BOOTS + 11));
    bench.sent.clear();
    bench.advance(Duration::from_secs(10));
    assert!(!bench.sequences(2).is_empty());
    // The neighbor has lost its boot count, and all have got another key (section 8).
    bench.reconfigure(|link| link.authentication = keys(&[3]));
    assert_eq!(bench.hear(&a_hello(3, 1)), NeighborState::ExStart);
    assert_eq!(bench.refused("authentication_sequence"), 1);
}
