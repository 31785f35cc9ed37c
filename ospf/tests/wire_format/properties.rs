//! What holds for every packet and for every sequence of bytes.

use std::net::Ipv4Addr;

use isthmus_ospf::types::{AreaId, RouterId, SeqNum};
use isthmus_ospf::wire::{
    AsExternalLsa, DatabaseDescription, DdFlags, Header, Hello, LinkType, LsType, Lsa, LsaBody, LsaHeader,
    LsaKey, NetworkLsa, Options, Packet, PacketBody, RouterFlags, RouterLink, RouterLsa, SummaryLsa,
};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::support::{lsa_checksum, packet_checksum, reseal};

fn address() -> impl Strategy<Value = Ipv4Addr> {
    any::<u32>().prop_map(Ipv4Addr::from)
}

fn router_id() -> impl Strategy<Value = RouterId> {
    address().prop_map(RouterId)
}

fn options() -> impl Strategy<Value = Options> {
    any::<u8>().prop_map(Options::from_bits_retain)
}

fn link_type() -> impl Strategy<Value = LinkType> {
    prop_oneof![
        Just(LinkType::PointToPoint),
        Just(LinkType::Transit),
        Just(LinkType::Stub),
        Just(LinkType::Virtual)
    ]
}

fn link() -> impl Strategy<Value = RouterLink> {
    (address(), address(), link_type(), any::<u16>()).prop_map(|(id, data, link_type, metric)| RouterLink {
        id,
        data,
        link_type,
        metric,
    })
}

/// A body with a type that it may travel under.
fn body() -> impl Strategy<Value = (u8, LsaBody)> {
    let metric = 0u32..=0x00ff_ffff;
    prop_oneof![
        (any::<u8>(), vec(link(), 0..20)).prop_map(|(flags, links)| {
            let flags = RouterFlags::from_bits_retain(flags);
            (1, LsaBody::Router(RouterLsa { flags, links }))
        }),
        (address(), vec(router_id(), 0..20)).prop_map(|(network_mask, attached_routers)| {
            (2, LsaBody::Network(NetworkLsa { network_mask, attached_routers }))
        }),
        (3u8..=4, address(), metric.clone()).prop_map(|(ls_type, network_mask, metric)| {
            (ls_type, LsaBody::Summary(SummaryLsa { network_mask, metric }))
        }),
        (prop_oneof![Just(5), Just(7)], address(), any::<bool>(), metric, address(), any::<u32>()).prop_map(
            |(ls_type, network_mask, e2, metric, forwarding_address, tag)| {
                let external = AsExternalLsa { network_mask, e2, metric, forwarding_address, tag };
                (ls_type, LsaBody::AsExternal(external))
            }
        ),
        (prop_oneof![Just(6), Just(8), 12u8..], vec(any::<u8>(), 0..200))
            .prop_map(|(ls_type, bytes)| (ls_type, LsaBody::Unknown(bytes))),
        (9u8..=11, vec(any::<u8>(), 0..200)).prop_map(|(ls_type, bytes)| (ls_type, LsaBody::Opaque(bytes))),
    ]
}

fn lsa() -> impl Strategy<Value = Lsa> {
    (any::<u16>(), options(), address(), router_id(), any::<i32>(), body()).prop_map(
        |(age, options, id, advertising_router, sequence, (ls_type, body))| {
            let key = LsaKey { ls_type: LsType(ls_type), id, advertising_router };
            Lsa::build(age, options, key, SeqNum(sequence), &body)
        },
    )
}

fn lsa_header() -> impl Strategy<Value = LsaHeader> {
    (lsa(), any::<u16>(), any::<u16>()).prop_map(|(lsa, checksum, length)| LsaHeader {
        checksum,
        length,
        ..lsa.header
    })
}

fn hello() -> impl Strategy<Value = Hello> {
    let times = (any::<u16>(), any::<u32>());
    (address(), times, options(), any::<u8>(), address(), address(), vec(router_id(), 0..70)).prop_map(
        |(network_mask, (hello_interval, dead_interval), options, priority, dr, bdr, neighbors)| Hello {
            network_mask,
            hello_interval,
            options,
            priority,
            dead_interval,
            designated_router: dr,
            backup_designated_router: bdr,
            neighbors,
        },
    )
}

fn packet_body() -> impl Strategy<Value = PacketBody> {
    let headers = || vec(lsa_header(), 0..10);
    let key = (any::<u8>(), address(), router_id()).prop_map(|(ls_type, id, advertising_router)| LsaKey {
        ls_type: LsType(ls_type),
        id,
        advertising_router,
    });
    let dd = (any::<u16>(), options(), any::<u8>(), any::<u32>(), headers()).prop_map(
        |(interface_mtu, options, flags, sequence, headers)| DatabaseDescription {
            interface_mtu,
            options,
            flags: DdFlags::from_bits_truncate(flags),
            sequence,
            headers,
        },
    );
    prop_oneof![
        hello().prop_map(PacketBody::Hello),
        dd.prop_map(PacketBody::DatabaseDescription),
        vec(key, 0..20).prop_map(PacketBody::LinkStateRequest),
        vec(lsa(), 0..8).prop_map(PacketBody::LinkStateUpdate),
        headers().prop_map(PacketBody::LinkStateAck),
    ]
}

pub(crate) fn packet() -> impl Strategy<Value = Packet> {
    (router_id(), address(), packet_body()).prop_map(|(router_id, area, body)| Packet {
        header: Header { router_id, area_id: AreaId(area) },
        body,
    })
}

/// Everything that decoding offers, on bytes of any kind.
fn exercise(bytes: &[u8]) {
    if let Err(error) = Lsa::decode(bytes).and_then(|lsa| lsa.body()) {
        assert!(!error.reason().is_empty());
    }
    match Packet::decode(bytes) {
        Ok((packet, _)) => {
            if let PacketBody::LinkStateUpdate(lsas) = &packet.body {
                for lsa in lsas {
                    lsa.checksum_is_valid();
                    let _either = lsa.body();
                }
            }
            let again = Packet::decode(&packet.encode()).map(|(packet, _)| packet);
            assert_eq!(again, Ok(packet));
        }
        Err(error) => assert!(error.reason().bytes().all(|b| b == b'_' || b.is_ascii_lowercase())),
    }
}

proptest! {
    #[test]
    fn packets_survive_the_wire(packet in packet()) {
        let bytes = packet.encode();
        prop_assert_eq!(bytes.len(), packet.encoded_len());
        prop_assert_eq!(packet_checksum(&bytes), u16::from_be_bytes([bytes[12], bytes[13]]));
        prop_assert_eq!(Packet::decode(&bytes).map(|(packet, _)| packet), Ok(packet));
    }

    #[test]
    fn advertisements_survive_the_wire((ls_type, body) in body(), age: u16, sequence: i32) {
        let key = LsaKey {
            ls_type: LsType(ls_type),
            id: Ipv4Addr::LOCALHOST,
            advertising_router: RouterId(Ipv4Addr::BROADCAST),
        };
        let lsa = Lsa::build(age, Options::E, key, SeqNum(sequence), &body);
        prop_assert!(lsa.checksum_is_valid());
        prop_assert_eq!(lsa.header.checksum, lsa_checksum(&lsa.bytes));
        prop_assert_eq!(lsa.encoded_len(), 20 + body.encoded_len());
        prop_assert_eq!(Lsa::decode(&lsa.to_bytes()), Ok(lsa.clone()));
        prop_assert_eq!(lsa.body(), Ok(body));
    }

    #[test]
    fn one_changed_byte_breaks_the_fletcher_checksum(lsa in lsa(), at: prop::sample::Index, flip in 1u8..) {
        let mut bytes = lsa.to_bytes();
        let at = 2 + at.index(bytes.len() - 2);
        // 0x00 and 0xff are the same number modulo 255.
        prop_assume!((bytes[at], bytes[at] ^ flip) != (0, 255) && (bytes[at], bytes[at] ^ flip) != (255, 0));
        bytes[at] ^= flip;
        // A change of the length field may make it no advertisement at all, or a shorter one.
        prop_assume!(!(18..20).contains(&at));
        prop_assert!(!Lsa::decode(&bytes).unwrap().checksum_is_valid());
    }

    #[test]
    fn newer_is_antisymmetric(a in lsa_header(), b in lsa_header()) {
        prop_assert_eq!(a.compare(&b), b.compare(&a).reverse());
    }

    #[test]
    fn any_bytes_decode_or_fail(bytes in vec(any::<u8>(), 0..300)) {
        exercise(&bytes);
    }

    #[test]
    fn nearly_valid_bytes_decode_or_fail(
        packet in packet(),
        changes in vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut: prop::sample::Index,
    ) {
        let mut bytes = packet.encode();
        for (at, value) in changes {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        exercise(&bytes);
        let mut bytes = reseal(bytes);
        exercise(&bytes);
        bytes.truncate(cut.index(bytes.len() + 1));
        exercise(&bytes);
    }
}
