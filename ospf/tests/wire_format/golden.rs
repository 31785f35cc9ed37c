//! Packets and advertisements byte for byte. Most come from public captures ("ospf.cap" of the Wireshark
//! samples, "OSPF_LSA_types.cap"), so their checksums were computed by other implementations; those that
//! are written here are checked against the slow methods in `support`.

use std::cmp::Ordering;
use std::net::Ipv4Addr;

use crate::support::{hex, lsa_checksum, packet_checksum, reseal};
use isthmus_ospf::types::{AreaId, RouterId, SeqNum};
use isthmus_ospf::wire::{
    AsExternalLsa, AuthInfo, DatabaseDescription, DdFlags, Header, Hello, LinkType, LsType, Lsa, LsaBody,
    LsaHeader, LsaKey, NetworkLsa, Options, Packet, PacketBody, RouterFlags, RouterLink, RouterLsa,
    SummaryLsa,
};

const HELLO: &str = "
    02 01 00 2c c0 a8 aa 08 00 00 00 01 27 3b 00 00 00 00 00 00 00 00 00 00
    ff ff ff 00 00 0a 02 01 00 00 00 28 c0 a8 aa 08 00 00 00 00";
const HELLO_WITH_NEIGHBORS: &str = "
    02 01 00 34 0a 00 00 01 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00
    ff ff ff fc 00 01 02 01 00 00 00 04 00 00 00 00 00 00 00 00 0a 00 00 02 0a 00 00 03";
const DD: &str = "
    02 02 00 ac c0 a8 aa 03 00 00 00 01 f0 67 00 00 00 00 00 00 00 00 00 00
    05 dc 02 02 41 77 a9 7e
    00 01 02 01 c0 a8 aa 03 c0 a8 aa 03 80 00 00 01 3a 9c 00 30
    00 02 02 05 50 d4 10 00 c0 a8 aa 02 80 00 00 01 2a 49 00 24
    00 02 02 05 94 79 ab 00 c0 a8 aa 02 80 00 00 01 34 a5 00 24
    00 02 02 05 c0 82 78 00 c0 a8 aa 02 80 00 00 01 d3 19 00 24
    00 02 02 05 c0 a8 00 00 c0 a8 aa 02 80 00 00 01 37 08 00 24
    00 02 02 05 c0 a8 01 00 c0 a8 aa 02 80 00 00 01 2c 12 00 24
    00 02 02 05 c0 a8 ac 00 c0 a8 aa 02 80 00 00 01 33 41 00 24";
const DD_INITIAL: &str = "
    02 02 00 20 c0 a8 aa 08 00 00 00 01 a0 52 00 00 00 00 00 00 00 00 00 00
    05 dc 02 07 41 77 a9 7e";
const REQUEST: &str = "
    02 03 00 6c c0 a8 aa 08 00 00 00 01 75 95 00 00 00 00 00 00 00 00 00 00
    00 00 00 01 c0 a8 aa 03 c0 a8 aa 03 00 00 00 05 50 d4 10 00 c0 a8 aa 02
    00 00 00 05 94 79 ab 00 c0 a8 aa 02 00 00 00 05 c0 82 78 00 c0 a8 aa 02
    00 00 00 05 c0 a8 00 00 c0 a8 aa 02 00 00 00 05 c0 a8 01 00 c0 a8 aa 02
    00 00 00 05 c0 a8 ac 00 c0 a8 aa 02";
const UPDATE: &str = "
    02 04 01 24 c0 a8 aa 03 00 00 00 01 36 6b 00 00 00 00 00 00 00 00 00 00
    00 00 00 07
    00 02 02 01 c0 a8 aa 03 c0 a8 aa 03 80 00 00 01 3a 9c 00 30
    02 00 00 02 c0 a8 aa 00 ff ff ff 00 03 00 00 0a c0 a8 aa 00 ff ff ff 00 03 00 00 0a
    00 03 02 05 50 d4 10 00 c0 a8 aa 02 80 00 00 01 2a 49 00 24
    ff ff ff ff 80 00 00 14 00 00 00 00 00 00 00 00
    00 03 02 05 94 79 ab 00 c0 a8 aa 02 80 00 00 01 34 a5 00 24
    ff ff ff 00 80 00 00 14 c0 a8 aa 01 00 00 00 00
    00 03 02 05 c0 82 78 00 c0 a8 aa 02 80 00 00 01 d3 19 00 24
    ff ff ff 00 80 00 00 14 00 00 00 00 00 00 00 00
    00 03 02 05 c0 a8 00 00 c0 a8 aa 02 80 00 00 01 37 08 00 24
    ff ff ff 00 80 00 00 14 00 00 00 00 00 00 00 00
    00 03 02 05 c0 a8 01 00 c0 a8 aa 02 80 00 00 01 2c 12 00 24
    ff ff ff 00 80 00 00 14 00 00 00 00 00 00 00 00
    00 03 02 05 c0 a8 ac 00 c0 a8 aa 02 80 00 00 01 33 41 00 24
    ff ff ff 00 80 00 00 14 c0 a8 aa 0a 00 00 00 00";
const ACK: &str = "
    02 05 00 2c c0 a8 aa 08 00 00 00 01 02 f2 00 00 00 00 00 00 00 00 00 00
    00 01 02 01 c0 a8 aa 03 c0 a8 aa 03 80 00 00 02 38 9d 00 30";

const ROUTER_LSA: &str = "
    03 e2 02 01 c0 a8 aa 08 c0 a8 aa 08 80 00 0d c3 25 06 00 24
    02 00 00 01 c0 a8 aa 00 ff ff ff 00 03 00 00 0a";
const SUMMARY_LSA: &str = "
    00 0b 22 03 c0 a8 0a 00 04 04 04 04 80 00 00 01 1e 7d 00 1c
    ff ff ff 00 00 00 00 1e";

fn ip(text: &str) -> Ipv4Addr {
    text.parse().unwrap()
}

fn router(text: &str) -> RouterId {
    text.parse().unwrap()
}

fn key(ls_type: LsType, id: &str, advertising_router: &str) -> LsaKey {
    LsaKey { ls_type, id: ip(id), advertising_router: router(advertising_router) }
}

/// Decodes, checks that encoding gives the same bytes, and returns the packet.
fn same_both_ways(text: &str) -> Packet {
    let bytes = hex(text);
    let (packet, auth) = Packet::decode(&bytes).unwrap();
    assert_eq!(auth, AuthInfo { auth_type: 0, data: [0; 8] });
    assert_eq!(packet.encode(), bytes);
    assert_eq!(packet.encoded_len(), bytes.len());
    packet
}

#[test]
fn hello_without_neighbors() {
    let packet = same_both_ways(HELLO);
    assert_eq!(
        packet,
        Packet {
            header: Header { router_id: router("192.168.170.8"), area_id: AreaId(ip("0.0.0.1")) },
            body: PacketBody::Hello(Hello {
                network_mask: ip("255.255.255.0"),
                hello_interval: 10,
                options: Options::E,
                priority: 1,
                dead_interval: 40,
                designated_router: ip("192.168.170.8"),
                backup_designated_router: ip("0.0.0.0"),
                neighbors: vec![],
            }),
        }
    );
}

#[test]
fn hello_with_neighbors() {
    let bytes = reseal(hex(HELLO_WITH_NEIGHBORS));
    let (packet, _) = Packet::decode(&bytes).unwrap();
    assert_eq!(packet.encode(), bytes);
    let PacketBody::Hello(hello) = packet.body else { panic!("a hello") };
    assert_eq!(hello.neighbors, [router("10.0.0.2"), router("10.0.0.3")]);
    assert_eq!(hello.network_mask, ip("255.255.255.252"));
    assert_eq!((hello.hello_interval, hello.dead_interval), (1, 4));
}

#[test]
fn database_description() {
    let packet = same_both_ways(DD);
    let PacketBody::DatabaseDescription(dd) = packet.body else { panic!("a database description") };
    assert_eq!(dd.interface_mtu, 1500);
    assert_eq!(dd.flags, DdFlags::M);
    assert_eq!(dd.sequence, 0x4177_a97e);
    assert_eq!(dd.headers.len(), 7);
    assert_eq!(
        dd.headers[0],
        LsaHeader {
            age: 1,
            options: Options::E,
            key: key(LsType::ROUTER, "192.168.170.3", "192.168.170.3"),
            sequence: SeqNum::INITIAL,
            checksum: 0x3a9c,
            length: 48,
        }
    );
    assert_eq!(dd.headers[6].key, key(LsType::AS_EXTERNAL, "192.168.172.0", "192.168.170.2"));
}

#[test]
fn first_database_description_is_empty_with_all_flags() {
    let PacketBody::DatabaseDescription(dd) = same_both_ways(DD_INITIAL).body else {
        panic!("a database description")
    };
    assert_eq!(
        dd,
        DatabaseDescription {
            interface_mtu: 1500,
            options: Options::E,
            flags: DdFlags::all(),
            sequence: 0x4177_a97e,
            headers: vec![],
        }
    );
}

#[test]
fn link_state_request() {
    let PacketBody::LinkStateRequest(keys) = same_both_ways(REQUEST).body else { panic!("a request") };
    assert_eq!(keys.len(), 7);
    assert_eq!(keys[0], key(LsType::ROUTER, "192.168.170.3", "192.168.170.3"));
    assert_eq!(keys[2], key(LsType::AS_EXTERNAL, "148.121.171.0", "192.168.170.2"));
}

#[test]
fn link_state_update_with_valid_checksums() {
    let PacketBody::LinkStateUpdate(lsas) = same_both_ways(UPDATE).body else { panic!("an update") };
    assert_eq!(lsas.len(), 7);
    for lsa in &lsas {
        assert!(lsa.checksum_is_valid(), "{:?}", lsa.header);
        assert_eq!(lsa.header.checksum, lsa_checksum(&lsa.bytes));
    }
    let stub = RouterLink {
        id: ip("192.168.170.0"),
        data: ip("255.255.255.0"),
        link_type: LinkType::Stub,
        metric: 10,
    };
    assert_eq!(
        lsas[0].body().unwrap(),
        LsaBody::Router(RouterLsa { flags: RouterFlags::E, links: vec![stub, stub] })
    );
}

#[test]
fn link_state_ack() {
    let PacketBody::LinkStateAck(headers) = same_both_ways(ACK).body else { panic!("an ack") };
    assert_eq!(headers.len(), 1);
    assert_eq!(headers[0].sequence, SeqNum(SeqNum::INITIAL.0 + 1));
}

/// Builds an advertisement and expects exactly these bytes.
fn built(text: &str, age: u16, options: Options, key: LsaKey, sequence: u32, body: &LsaBody) {
    let bytes = hex(text);
    let lsa = Lsa::build(age, options, key, SeqNum(sequence as i32), body);
    assert_eq!(lsa.to_bytes(), bytes);
    assert_eq!(lsa.header.checksum, lsa_checksum(&bytes));
    let decoded = Lsa::decode(&bytes).unwrap();
    assert_eq!(decoded, lsa);
    assert!(decoded.checksum_is_valid());
    assert_eq!(&decoded.body().unwrap(), body);
}

#[test]
fn router_lsa() {
    let link = RouterLink {
        id: ip("192.168.170.0"),
        data: ip("255.255.255.0"),
        link_type: LinkType::Stub,
        metric: 10,
    };
    let body = LsaBody::Router(RouterLsa { flags: RouterFlags::E, links: vec![link] });
    let key = key(LsType::ROUTER, "192.168.170.8", "192.168.170.8");
    built(ROUTER_LSA, 0x3e2, Options::E, key, 0x8000_0dc3, &body);
}

/// As a Cisco router on a transit network writes it; the checksum is by the slow method.
#[test]
fn network_lsa() {
    let text = "
        00 01 22 02 c0 a8 01 02 02 02 02 02 80 00 00 05 00 00 00 20
        ff ff ff 00 02 02 02 02 01 01 01 01";
    let mut bytes = hex(text);
    let checksum = lsa_checksum(&bytes);
    bytes[16..18].copy_from_slice(&checksum.to_be_bytes());
    let text: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let body = LsaBody::Network(NetworkLsa {
        network_mask: ip("255.255.255.0"),
        attached_routers: vec![router("2.2.2.2"), router("1.1.1.1")],
    });
    let key = key(LsType::NETWORK, "192.168.1.2", "2.2.2.2");
    built(&text, 1, Options::E | Options::DC, key, 0x8000_0005, &body);
}

#[test]
fn summary_lsa() {
    let summary = SummaryLsa { network_mask: ip("255.255.255.0"), metric: 30 };
    assert_eq!(summary.prefix(ip("192.168.10.77")), Some("192.168.10.0/24".parse().unwrap()));
    let key = key(LsType::SUMMARY_NETWORK, "192.168.10.0", "4.4.4.4");
    built(SUMMARY_LSA, 11, Options::E | Options::DC, key, 0x8000_0001, &LsaBody::Summary(summary));
}

/// Type 4: the mask is zero and the link state id a router.
#[test]
fn asbr_summary_lsa() {
    let mut bytes = hex("00 10 22 04 03 03 03 03 04 04 04 04 80 00 00 01 00 00 00 1c
         00 00 00 00 00 00 00 14");
    let checksum = lsa_checksum(&bytes);
    bytes[16..18].copy_from_slice(&checksum.to_be_bytes());
    let text: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let body = LsaBody::Summary(SummaryLsa { network_mask: ip("0.0.0.0"), metric: 20 });
    let key = key(LsType::SUMMARY_ASBR, "3.3.3.3", "4.4.4.4");
    built(&text, 16, Options::E | Options::DC, key, 0x8000_0001, &body);
}

#[test]
fn external_lsa() {
    let text = "
        00 03 02 05 94 79 ab 00 c0 a8 aa 02 80 00 00 01 34 a5 00 24
        ff ff ff 00 80 00 00 14 c0 a8 aa 01 00 00 00 00";
    let body = LsaBody::AsExternal(AsExternalLsa {
        network_mask: ip("255.255.255.0"),
        e2: true,
        metric: 20,
        forwarding_address: ip("192.168.170.1"),
        tag: 0,
    });
    let key = key(LsType::AS_EXTERNAL, "148.121.171.0", "192.168.170.2");
    built(text, 3, Options::E, key, 0x8000_0001, &body);
}

#[test]
fn nssa_external_lsa() {
    // With bit P.
    let text = "
        00 03 08 07 94 79 ab 00 c0 a8 aa 02 80 00 00 01 31 65 00 24
        ff ff ff 00 80 00 00 14 c0 a8 aa 01 de ad be ef";
    let body = LsaBody::AsExternal(AsExternalLsa {
        network_mask: ip("255.255.255.0"),
        e2: true,
        metric: 20,
        forwarding_address: ip("192.168.170.1"),
        tag: 0xdead_beef,
    });
    let key = key(LsType::NSSA_EXTERNAL, "148.121.171.0", "192.168.170.2");
    built(text, 3, Options::NP, key, 0x8000_0001, &body);
}

#[test]
fn unknown_types_keep_their_bytes() {
    let bytes = hex("00 01 00 04 0a 00 00 01");
    for (ls_type, body) in [(10, LsaBody::Opaque(bytes.clone())), (12, LsaBody::Unknown(bytes.clone()))] {
        let key = key(LsType(ls_type), "1.0.0.0", "4.4.4.4");
        let lsa = Lsa::build(1, Options::O, key, SeqNum::INITIAL, &body);
        let decoded = Lsa::decode(&lsa.to_bytes()).unwrap();
        assert_eq!(decoded.body().unwrap(), body);
        assert!(decoded.checksum_is_valid());
    }
}

#[test]
fn tos_metrics_are_skipped() {
    // Two links, the first with two TOS metrics.
    let mut bytes = hex("00 01 02 01 01 01 01 01 01 01 01 01 80 00 00 01 00 00 00 38
         00 00 00 02
         02 02 02 02 0a 00 00 01 01 02 00 07 04 00 00 63 08 00 00 64
         0a 00 00 00 ff ff ff 00 03 00 00 09");
    bytes[19] = bytes.len() as u8;
    let LsaBody::Router(router) = Lsa::decode(&bytes).unwrap().body().unwrap() else { panic!("type 1") };
    let metrics: Vec<_> = router.links.iter().map(|link| (link.link_type, link.metric)).collect();
    assert_eq!(metrics, [(LinkType::PointToPoint, 7), (LinkType::Stub, 9)]);
}

#[test]
fn a_bad_fletcher_checksum_costs_only_its_advertisement() {
    let mut bytes = hex(UPDATE);
    bytes[24 + 4 + 48 + 20] ^= 0x01;
    let (packet, _) = Packet::decode(&reseal(bytes)).unwrap();
    let PacketBody::LinkStateUpdate(lsas) = packet.body else { panic!("an update") };
    let valid: Vec<_> = lsas.iter().map(Lsa::checksum_is_valid).collect();
    assert_eq!(valid, [true, false, true, true, true, true, true]);
}

#[test]
fn a_zero_fletcher_checksum_is_a_failure() {
    // All sums of this one are zero without a checksum.
    let mut bytes = vec![0; 28];
    bytes[19] = 28;
    bytes[3] = 3;
    bytes[20..24].copy_from_slice(&[0xff; 4]);
    let mut lsa = Lsa::decode(&bytes).unwrap();
    assert!(!lsa.checksum_is_valid());
    let checksum = lsa_checksum(&bytes);
    bytes[16..18].copy_from_slice(&checksum.to_be_bytes());
    lsa = Lsa::decode(&bytes).unwrap();
    assert!(lsa.checksum_is_valid());
}

#[test]
fn bytes_after_the_length_field_are_tolerated() {
    let mut bytes = hex(HELLO);
    bytes.extend_from_slice(&hex("ff f6 00 03 00 01 00 04 00 00 00 01"));
    let (with_lls, _) = Packet::decode(&bytes).unwrap();
    assert_eq!(with_lls, Packet::decode(&hex(HELLO)).unwrap().0);
}

#[test]
fn authentication_data_is_outside_the_checksum() {
    let mut bytes = hex(HELLO);
    bytes[15] = 1;
    bytes[16..24].copy_from_slice(b"password");
    let (_, auth) = Packet::decode(&reseal(bytes.clone())).unwrap();
    assert_eq!(auth, AuthInfo { auth_type: 1, data: *b"password" });

    // With cryptographic authentication the checksum field is zero and not looked at.
    bytes[15] = 2;
    bytes[12..14].copy_from_slice(&[0, 0]);
    bytes.extend_from_slice(&[0xaa; 16]);
    let (_, auth) = Packet::decode(&bytes).unwrap();
    assert_eq!(auth.auth_type, 2);
}

#[test]
fn ages_change_without_the_rest() {
    let lsa = Lsa::decode(&hex(ROUTER_LSA)).unwrap();
    let older = lsa.with_age(1234);
    assert!(older.checksum_is_valid());
    let bytes = older.to_bytes();
    assert_eq!(bytes[..2], 1234u16.to_be_bytes());
    assert_eq!(bytes[2..], lsa.bytes[2..]);
    let update = Packet {
        header: Header { router_id: router("1.1.1.1"), area_id: AreaId::BACKBONE },
        body: PacketBody::LinkStateUpdate(vec![older.clone()]),
    };
    let sent = update.encode();
    assert_eq!(packet_checksum(&sent), u16::from_be_bytes([sent[12], sent[13]]));
    let PacketBody::LinkStateUpdate(received) = Packet::decode(&sent).unwrap().0.body else {
        panic!("an update")
    };
    assert_eq!(received[0].header, older.header);
}

#[test]
fn newer_instances() {
    let base = Lsa::decode(&hex(ROUTER_LSA)).unwrap().header;
    let with = |age, sequence, checksum| LsaHeader { age, sequence: SeqNum(sequence), checksum, ..base };
    let cases = [
        // Sequence numbers are signed.
        (with(0, -5, 9), with(0, -6, 10), Ordering::Greater),
        (with(0, 1, 9), with(0, -1, 9), Ordering::Greater),
        (with(0, SeqNum::MAX.0, 9), with(0, SeqNum::INITIAL.0, 9), Ordering::Greater),
        // Then the larger checksum, unsigned.
        (with(0, 7, 0xffff), with(0, 7, 0x0001), Ordering::Greater),
        // Then MaxAge, also beyond it.
        (with(3600, 7, 9), with(3599, 7, 9), Ordering::Greater),
        (with(3600, 7, 9), with(0, 7, 9), Ordering::Greater),
        (with(0xffff, 7, 9), with(3600, 7, 9), Ordering::Equal),
        // Then the younger, if they differ by more than MaxAgeDiff.
        (with(0, 7, 9), with(901, 7, 9), Ordering::Greater),
        (with(0, 7, 9), with(900, 7, 9), Ordering::Equal),
        (with(5, 7, 9), with(5, 7, 9), Ordering::Equal),
    ];
    for (a, b, expected) in cases {
        assert_eq!(a.compare(&b), expected, "{a:?} against {b:?}");
        assert_eq!(b.compare(&a), expected.reverse(), "{b:?} against {a:?}");
    }
}

#[test]
fn a_body_too_long_for_its_length_field_keeps_whole_links() {
    let link =
        RouterLink { id: ip("2.2.2.2"), data: ip("10.0.0.1"), link_type: LinkType::PointToPoint, metric: 1 };
    let body = LsaBody::Router(RouterLsa { flags: RouterFlags::B, links: vec![link; 6000] });
    let lsa = Lsa::build(0, Options::E, key(LsType::ROUTER, "1.1.1.1", "1.1.1.1"), SeqNum::INITIAL, &body);
    assert!(lsa.checksum_is_valid());
    let LsaBody::Router(router) = lsa.body().unwrap() else { panic!("type 1") };
    assert_eq!(router.links.len(), 5459);
}
