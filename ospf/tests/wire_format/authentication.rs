//! Packets with authentication (RFC 2328 appendix D). The golden bytes were computed with Python's `hashlib.md5` and
//! `struct` over fields written by hand: `md5(packet + b"secret".ljust(16, b"\0"))`.

use isthmus_ospf::types::{AreaId, RouterId};
use isthmus_ospf::wire::{Frame, Header, Hello, MD5_LEN, Options, Packet, PacketBody, Seal};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::properties::packet;
use crate::support::{hex, packet_checksum};

const SIGNED: &str = "
    02 01 00 30 0a 00 00 01 00 00 00 00 00 00 00 02 00 00 07 10 69 22 03 b1
    ff ff ff 00 00 0a 02 01 00 00 00 28 c0 00 02 01 c0 00 02 02 0a 00 00 02
    08 b4 8f 0f 3d aa 13 e9 57 0d 00 d8 74 d0 1a 60";
const WITH_PASSWORD: &str = "
    02 01 00 30 0a 00 00 01 00 00 00 00 64 92 00 01 70 61 73 73 77 6f 72 64
    ff ff ff 00 00 0a 02 01 00 00 00 28 c0 00 02 01 c0 00 02 02 0a 00 00 02";

fn hello() -> Packet {
    let body = PacketBody::Hello(Hello {
        network_mask: "255.255.255.0".parse().unwrap(),
        hello_interval: 10,
        options: Options::E,
        priority: 1,
        dead_interval: 40,
        designated_router: "192.0.2.1".parse().unwrap(),
        backup_designated_router: "192.0.2.2".parse().unwrap(),
        neighbors: vec!["10.0.0.2".parse().unwrap()],
    });
    let router_id: RouterId = "10.0.0.1".parse().unwrap();
    Packet { header: Header { router_id, area_id: AreaId::BACKBONE }, body }
}

#[test]
fn a_signed_packet_byte_for_byte() {
    let bytes = hello().encode_sealed(&Seal::Md5 { key_id: 7, key: b"secret", sequence: 0x6922_03b1 });
    assert_eq!(bytes, hex(SIGNED));
    let frame = Frame::decode(&bytes).unwrap();
    let fields = frame.cryptographic();
    assert_eq!((fields.key_id, fields.digest_len, fields.sequence), (7, 16, 0x6922_03b1));
    assert!(frame.has_md5_digest(b"secret"));
    // A key is padded with zeros: writing them out makes no other key.
    assert!(frame.has_md5_digest(b"secret\0\0\0\0\0\0\0\0\0\0"));
    assert!(!frame.has_md5_digest(b"secreT"));
    assert!(!frame.has_md5_digest(b""));
    assert_eq!(Packet::from_frame(&frame), Ok(hello()));
}

#[test]
fn a_packet_with_a_password_byte_for_byte() {
    let bytes = hello().encode_sealed(&Seal::Simple(b"password"));
    assert_eq!(bytes, hex(WITH_PASSWORD));
    let frame = Frame::decode(&bytes).unwrap();
    assert!(frame.has_password(b"password"));
    assert!(!frame.has_password(b"passwore"));
    // The checksum leaves the password out.
    assert_eq!(packet_checksum(&bytes), 0x6492);
}

#[test]
fn link_local_signalling_may_follow_the_digest_and_less_than_a_digest_is_none() {
    let signed = hex(SIGNED);
    let mut longer = signed.clone();
    longer.extend_from_slice(&[0xff; 12]);
    assert!(Frame::decode(&longer).unwrap().has_md5_digest(b"secret"));
    for missing in 1..=MD5_LEN {
        let frame = Frame::decode(&signed[..signed.len() - missing]).unwrap();
        assert!(!frame.has_md5_digest(b"secret"), "{missing} bytes are missing");
    }
}

#[test]
fn another_length_of_the_digest_is_another_algorithm() {
    for length in (0..=255).filter(|length| usize::from(*length) != MD5_LEN) {
        // Signed with that length in the field, as a peer with another algorithm would.
        let mut bytes = hex(SIGNED);
        bytes[19] = length;
        assert!(!Frame::decode(&bytes).unwrap().has_md5_digest(b"secret"));
    }
}

proptest! {
    #[test]
    fn signed_packets_survive_the_wire(
        packet in packet(), key in vec(any::<u8>(), 1..=16), key_id: u8, sequence: u32,
    ) {
        let bytes = packet.encode_sealed(&Seal::Md5 { key_id, key: &key, sequence });
        prop_assert_eq!(bytes.len(), packet.encoded_len() + MD5_LEN);
        let frame = Frame::decode(&bytes).unwrap();
        prop_assert!(frame.has_md5_digest(&key));
        prop_assert_eq!((frame.cryptographic().key_id, frame.cryptographic().sequence), (key_id, sequence));
        prop_assert_eq!(Packet::from_frame(&frame), Ok(packet));
    }

    #[test]
    fn one_changed_byte_breaks_the_signature(packet in packet(), at: prop::sample::Index, flip in 1u8..) {
        let mut bytes = packet.encode_sealed(&Seal::Md5 { key_id: 1, key: b"k", sequence: 9 });
        let at = at.index(bytes.len());
        bytes[at] ^= flip;
        if let Ok(frame) = Frame::decode(&bytes) {
            prop_assert!(!frame.has_md5_digest(b"k"), "byte {at}");
        }
    }

    #[test]
    fn hostile_trailers_and_lengths_are_no_digest_and_no_panic(
        packet in packet(), length: u16, digest_len: u8, trailer in vec(any::<u8>(), 0..64), auth_type in 0u16..4,
    ) {
        let mut bytes = packet.encode_sealed(&Seal::Md5 { key_id: 1, key: b"k", sequence: 9 });
        bytes.truncate(packet.encoded_len());
        bytes.extend_from_slice(&trailer);
        bytes[2..4].copy_from_slice(&length.to_be_bytes());
        bytes[14..16].copy_from_slice(&auth_type.to_be_bytes());
        bytes[19] = digest_len;
        if let Ok(frame) = Frame::decode(&bytes) {
            prop_assert!(!frame.has_md5_digest(b"k"));
            let _either = Packet::from_frame(&frame);
        }
    }
}
