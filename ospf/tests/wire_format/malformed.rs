//! Malformed packets, each with the reason under which it is counted.

use isthmus_ospf::wire::{Lsa, Packet};

use crate::support::{hex, reseal, seal};

/// A packet of one type with this body, its length and checksum right.
fn packet(packet_type: u8, body: &str) -> Vec<u8> {
    let mut bytes = vec![2, packet_type, 0, 0, 10, 0, 0, 1, 0, 0, 0, 0];
    bytes.resize(24, 0);
    bytes.extend(hex(body));
    seal(bytes)
}

/// The same with bytes changed afterwards, and the checksum right again.
fn patched(packet_type: u8, body: &str, changes: &[(usize, u8)]) -> Vec<u8> {
    let mut bytes = packet(packet_type, body);
    for (at, value) in changes {
        bytes[*at] = *value;
    }
    reseal(bytes)
}

fn without_seal(mut bytes: Vec<u8>, at: usize, value: u8) -> Vec<u8> {
    bytes[at] = value;
    bytes
}

const HELLO: &str = "ff ff ff fc 00 01 02 01 00 00 00 04 00 00 00 00 00 00 00 00 0a 00 00 02";
const DD: &str = "05 dc 02 02 41 77 a9 7e 00 01 02 01 c0 a8 aa 03 c0 a8 aa 03 80 00 00 01 3a 9c 00 30";
const REQUEST: &str = "00 00 00 01 c0 a8 aa 03 c0 a8 aa 03";
const UPDATE: &str = "00 00 00 01 00 0b 22 03 c0 a8 0a 00 04 04 04 04 80 00 00 01 1e 7d 00 1c
    ff ff ff 00 00 00 00 1e";
const ACK: &str = "00 01 02 01 c0 a8 aa 03 c0 a8 aa 03 80 00 00 02 38 9d 00 30";
/// Where the first advertisement of an update starts.
const FIRST_LSA: usize = 28;

#[test]
fn the_unchanged_packets_are_valid() {
    for (packet_type, body) in [(1, HELLO), (2, DD), (3, REQUEST), (4, UPDATE), (5, ACK)] {
        assert!(Packet::decode(&packet(packet_type, body)).is_ok(), "type {packet_type}");
    }
}

#[test]
fn malformed_packets_have_their_reasons() {
    let cases: Vec<(&str, Vec<u8>, &str)> = vec![
        ("nothing", vec![], "truncated_header"),
        ("one byte", vec![2], "truncated_header"),
        ("23 bytes", packet(1, HELLO)[..23].to_vec(), "truncated_header"),
        ("version 0", patched(1, HELLO, &[(0, 0)]), "version"),
        ("version 3", patched(1, HELLO, &[(0, 3)]), "version"),
        ("version 255", patched(4, UPDATE, &[(0, 255)]), "version"),
        ("type 0", patched(0, HELLO, &[]), "packet_type"),
        ("type 6", patched(6, HELLO, &[]), "packet_type"),
        ("type 255", patched(255, HELLO, &[]), "packet_type"),
        ("length 0", patched(1, HELLO, &[(2, 0), (3, 0)]), "packet_length_too_small"),
        ("length 23", patched(1, HELLO, &[(2, 0), (3, 23)]), "packet_length_too_small"),
        ("length one too large", patched(1, HELLO, &[(3, 49)]), "packet_length_too_large"),
        ("length 65535", patched(1, HELLO, &[(2, 255), (3, 255)]), "packet_length_too_large"),
        ("cut by one byte", packet(1, HELLO)[..47].to_vec(), "packet_length_too_large"),
        ("checksum, high byte", without_seal(packet(1, HELLO), 12, 0x5a), "packet_checksum"),
        ("checksum, low byte", without_seal(packet(1, HELLO), 13, 0x5a), "packet_checksum"),
        ("router id changed", without_seal(packet(1, HELLO), 7, 9), "packet_checksum"),
        ("body changed", without_seal(packet(4, UPDATE), 40, 9), "packet_checksum"),
        ("last byte changed", without_seal(packet(5, ACK), 43, 9), "packet_checksum"),
        ("simple password, bad checksum", without_seal(packet(1, HELLO), 15, 1), "packet_checksum"),
        ("hello without body", packet(1, ""), "truncated_hello"),
        ("hello of a mask", packet(1, "ff ff ff 00"), "truncated_hello"),
        ("hello without backup", patched(1, HELLO, &[(3, 40)]), "truncated_hello"),
        ("hello, three bytes of dead interval", patched(1, HELLO, &[(3, 35)]), "truncated_hello"),
        ("hello, one byte of a neighbor", patched(1, HELLO, &[(3, 45)]), "trailing_hello"),
        ("hello, three bytes of a neighbor", patched(1, HELLO, &[(3, 47)]), "trailing_hello"),
        ("description without body", packet(2, ""), "truncated_dd"),
        ("description without sequence", packet(2, "05 dc 02 07"), "truncated_dd"),
        ("description, seven bytes", packet(2, "05 dc 02 07 41 77 a9"), "truncated_dd"),
        ("description, one byte of a header", patched(2, DD, &[(3, 33)]), "trailing_dd"),
        ("description, 19 bytes of a header", patched(2, DD, &[(3, 51)]), "trailing_dd"),
        ("request, one byte", patched(3, REQUEST, &[(3, 25)]), "trailing_lsr"),
        ("request, eleven bytes", patched(3, REQUEST, &[(3, 35)]), "trailing_lsr"),
        ("request for type 256", patched(3, REQUEST, &[(26, 1)]), "request_ls_type"),
        ("request for type 2^31", patched(3, REQUEST, &[(24, 0x80)]), "request_ls_type"),
        ("ack, one byte", patched(5, ACK, &[(3, 25)]), "trailing_lsack"),
        ("ack, 19 bytes", patched(5, ACK, &[(3, 43)]), "trailing_lsack"),
        ("update without count", packet(4, ""), "truncated_lsu"),
        ("update, three bytes of count", packet(4, "00 00 00"), "truncated_lsu"),
        ("update announces one, has none", packet(4, "00 00 00 01"), "lsu_count"),
        ("update announces two, has one", patched(4, UPDATE, &[(27, 2)]), "lsu_count"),
        ("update announces 2^32 - 1", packet(4, "ff ff ff ff"), "lsu_count"),
        ("update announces 2^31", patched(4, UPDATE, &[(24, 0x80)]), "lsu_count"),
        ("update announces none, has one", patched(4, UPDATE, &[(27, 0)]), "trailing_lsu"),
        ("update, one byte too many", packet(4, &format!("{UPDATE} 00")), "trailing_lsu"),
        ("update of half a header", packet(4, "00 00 00 01 00 0b 22 03 c0 a8 0a 00"), "lsu_count"),
        ("LSA length 0", patched(4, UPDATE, &[(FIRST_LSA + 19, 0)]), "lsa_length_too_small"),
        ("LSA length 19", patched(4, UPDATE, &[(FIRST_LSA + 19, 19)]), "lsa_length_too_small"),
        ("LSA length 29 of 28", patched(4, UPDATE, &[(FIRST_LSA + 19, 29)]), "lsa_length_too_large"),
        ("LSA length 65535", patched(4, UPDATE, &[(FIRST_LSA + 18, 255)]), "lsa_length_too_large"),
        ("LSA length below its bytes", patched(4, UPDATE, &[(FIRST_LSA + 19, 24)]), "trailing_lsu"),
        (
            "second LSA inside the first one's rest",
            patched(4, &format!("{UPDATE} {}", &UPDATE[12..]), &[(27, 2), (FIRST_LSA + 19, 27)]),
            "lsa_length_too_large",
        ),
    ];
    assert!(cases.len() >= 40);
    for (name, bytes, reason) in cases {
        match Packet::decode(&bytes) {
            Err(error) => assert_eq!(error.reason(), reason, "{name}: {error}"),
            Ok((packet, _)) => panic!("{name}: decoded as {packet:?}"),
        }
    }
}

/// An advertisement of one type with this body and a right length.
fn lsa(ls_type: u8, body: &str) -> Vec<u8> {
    let mut bytes = vec![0, 1, 2, ls_type, 10, 0, 0, 1, 10, 0, 0, 1, 0x80, 0, 0, 1, 0, 0, 0, 0];
    bytes.extend(hex(body));
    let length = bytes.len() as u16;
    bytes[18..20].copy_from_slice(&length.to_be_bytes());
    bytes
}

const LINK: &str = "02 02 02 02 0a 00 00 01 01 00 00 07";

#[test]
fn malformed_advertisements_have_their_reasons() {
    let cases: Vec<(&str, Vec<u8>, &str)> = vec![
        ("nothing", vec![], "truncated_lsa_header"),
        ("19 bytes", lsa(1, "")[..19].to_vec(), "truncated_lsa_header"),
        ("router, no body", lsa(1, ""), "truncated_router_lsa"),
        ("router, three bytes", lsa(1, "00 00 00"), "truncated_router_lsa"),
        ("router, one link announced", lsa(1, "00 00 00 01"), "router_link_count"),
        ("router, 65535 links announced", lsa(1, &format!("00 00 ff ff {LINK}")), "router_link_count"),
        (
            "router, eleven bytes of a link",
            lsa(1, &format!("00 00 00 01 {}", &LINK[3..])),
            "router_link_count",
        ),
        (
            "router, TOS metrics beyond the end",
            lsa(1, "00 00 00 01 02 02 02 02 0a 00 00 01 01 01 00 07"),
            "truncated_router_lsa",
        ),
        (
            "router, 255 TOS metrics swallow the next link",
            lsa(1, &format!("00 00 00 02 02 02 02 02 0a 00 00 01 01 ff 00 07 {LINK}")),
            "truncated_router_lsa",
        ),
        (
            "router, TOS metrics eat into the next link",
            lsa(1, &format!("00 00 00 02 02 02 02 02 0a 00 00 01 01 01 00 07 {LINK}")),
            "truncated_router_lsa",
        ),
        ("network, no body", lsa(2, ""), "truncated_network_lsa"),
        ("network, three bytes", lsa(2, "ff ff ff"), "truncated_network_lsa"),
        ("summary, no body", lsa(3, ""), "truncated_summary_lsa"),
        ("summary without metric", lsa(3, "ff ff ff 00"), "truncated_summary_lsa"),
        ("summary, seven bytes", lsa(3, "ff ff ff 00 00 00 00"), "truncated_summary_lsa"),
        ("boundary router, no body", lsa(4, ""), "truncated_summary_lsa"),
        ("external, no body", lsa(5, ""), "truncated_external_lsa"),
        ("external without tag", lsa(5, "ff ff ff 00 80 00 00 14 00 00 00 00"), "truncated_external_lsa"),
    ];
    for (name, bytes, reason) in cases {
        match Lsa::decode(&bytes).and_then(|lsa| lsa.body()) {
            Err(error) => assert_eq!(error.reason(), reason, "{name}: {error}"),
            Ok(body) => panic!("{name}: decoded as {body:?}"),
        }
    }
}

/// What a body says beside what this version of the protocol defines is passed over.
#[test]
fn odd_bodies_say_what_can_be_understood() {
    let odd = "02 02 02 02 0a 00 00 01 05 00 00 07";
    let cases = [
        (
            "more links than announced",
            lsa(1, &format!("00 00 00 01 {LINK} {LINK}")),
            lsa(1, &format!("00 00 00 01 {LINK}")),
        ),
        (
            "a byte after the links",
            lsa(1, &format!("00 00 00 01 {LINK} 00")),
            lsa(1, &format!("00 00 00 01 {LINK}")),
        ),
        ("link type 0", lsa(1, "00 00 00 01 02 02 02 02 0a 00 00 01 00 00 00 07"), lsa(1, "00 00 00 00")),
        (
            "link type 5 between others",
            lsa(1, &format!("00 00 00 03 {LINK} {odd} {LINK}")),
            lsa(1, &format!("00 00 00 02 {LINK} {LINK}")),
        ),
        ("half a router", lsa(2, "ff ff ff 00 01 01"), lsa(2, "ff ff ff 00")),
        ("half a TOS metric", lsa(3, "ff ff ff 00 00 00 00 01 00 00"), lsa(3, "ff ff ff 00 00 00 00 01")),
        (
            "a byte after a boundary router",
            lsa(4, "00 00 00 00 00 00 00 01 00"),
            lsa(4, "00 00 00 00 00 00 00 01"),
        ),
        (
            "half a TOS route",
            lsa(5, "ff ff ff 00 80 00 00 14 00 00 00 00 00 00 00 00 00 00 00 00"),
            lsa(5, "ff ff ff 00 80 00 00 14 00 00 00 00 00 00 00 00"),
        ),
    ];
    for (name, odd, plain) in cases {
        assert_eq!(Lsa::decode(&odd).unwrap().body(), Lsa::decode(&plain).unwrap().body(), "{name}");
        assert!(Lsa::decode(&odd).unwrap().body().is_ok(), "{name}");
    }
}

/// A malformed body does not cost the update that carries it.
#[test]
fn an_update_with_a_malformed_body_is_still_a_packet() {
    let body = format!("00 00 00 02 {} {}", to_hex(&lsa(1, "00 00 00 09")), &UPDATE[12..]);
    let (packet, _) = Packet::decode(&packet(4, &body)).unwrap();
    let isthmus_ospf::wire::PacketBody::LinkStateUpdate(lsas) = packet.body else { panic!("an update") };
    assert_eq!(lsas[0].body().unwrap_err().reason(), "router_link_count");
    assert!(lsas[1].body().is_ok());
}

fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
