//! Packets with authentication (RFC 2328 appendix D). The golden bytes were computed with Python's `hashlib.md5` and
//! `struct` over fields written by hand: `md5(packet + b"secret".ljust(16, b"\0"))`; those of RFC 5709 with
//! `hmac.new(key, packet + bytes.fromhex("878fe1f3") * (L // 4), name)`, a key of more than L bytes hashed first.

use isthmus_ospf::types::{AreaId, RouterId};
use isthmus_ospf::wire::{
    Algorithm, Extended, Frame, Header, Hello, MD5_LEN, Options, Packet, PacketBody, Seal,
};
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
    let bytes = hello().encode_sealed(&Seal::Cryptographic {
        key_id: 7,
        algorithm: Algorithm::Md5,
        key: b"secret",
        sequence: 0x6922_03b1,
    });
    assert_eq!(bytes, hex(SIGNED));
    let frame = Frame::decode(&bytes).unwrap();
    let fields = frame.cryptographic();
    assert_eq!((fields.key_id, fields.digest_len, fields.sequence), (7, 16, 0x6922_03b1));
    assert!(frame.has_digest(Algorithm::Md5, b"secret"));
    // A key is padded with zeros: writing them out makes no other key.
    assert!(frame.has_digest(Algorithm::Md5, b"secret\0\0\0\0\0\0\0\0\0\0"));
    assert!(!frame.has_digest(Algorithm::Md5, b"secreT"));
    assert!(!frame.has_digest(Algorithm::Md5, b""));
    assert_eq!(Packet::from_frame(&frame), Ok(hello()));
}

/// Algorithm, digest with the key `secret`, digest with a key of `k`s that is 9 bytes longer than the digest.
const DIGESTS: [(Algorithm, &str, &str); 4] = [
    (
        Algorithm::HmacSha1,
        "7145f12ec4b1a4984c3137c911c585173bf55f31",
        "efd4914428903ccce288f4f1b1908cfe14cf97cf",
    ),
    (
        Algorithm::HmacSha256,
        "b7d142f8e9eefecf85832716dae3e3d9d4a465588d6fb978618925e772a00a90",
        "cd62c82097aa6dd4e8e3d1edbd7dc49f5e4011af323e57a56a35e8ba070ac2d5",
    ),
    (
        Algorithm::HmacSha384,
        "df002d378e8d2a6303402a5375482a26a84c75a8957e5f549fa7f41a4b516a1463af038aefd4d0550fa42ad11d68f63f",
        "37623c46c0ac351d089ffb8550ae824a71d01303249aa55c635660448635bb78f9416899f38f90f0243f89cb2cb4d4a2",
    ),
    (
        Algorithm::HmacSha512,
        "2af532fa40143df27e621112a80fa009c46ea616f80d184284cd0313c1f1dd3e\
         5b2781a434201e036c6e59947cdf516d88ca24f73c7fe1fe8438a63cfb469a6e",
        "45d1978fc3c0a732ad7c4c8b848407e6e721f0ab8ca286be8b98620027e8524f\
         5d0d7f50c693630b5d50baae71f4f7fd57e508979468267223ad9408b9041d34",
    ),
];

#[test]
fn packets_signed_with_hmac_byte_for_byte() {
    for (algorithm, short, long) in DIGESTS {
        let length = algorithm.digest_len();
        let mut expected = hex(SIGNED)[..48].to_vec();
        expected[19] = length as u8;
        let long_key = vec![b'k'; length + 9];
        for (key, digest) in [(&b"secret"[..], short), (&long_key, long)] {
            let seal = Seal::Cryptographic { key_id: 7, algorithm, key, sequence: 0x6922_03b1 };
            let bytes = hello().encode_sealed(&seal);
            assert_eq!(seal.trailer_len(), length);
            assert_eq!((&bytes[..48], &bytes[48..]), (&expected[..], &hex(digest)[..]), "{algorithm:?}");
            let frame = Frame::decode(&bytes).unwrap();
            assert!(frame.has_digest(algorithm, key));
            assert!(!frame.has_digest(algorithm, b"another"));
            let others = Algorithm::ALL.into_iter().filter(|other| *other != algorithm);
            others.for_each(|other| assert!(!frame.has_digest(other, key), "{other:?}"));
            for missing in 1..=length {
                let frame = Frame::decode(&bytes[..bytes.len() - missing]).unwrap();
                assert!(!frame.has_digest(algorithm, key), "{missing} bytes are missing");
            }
        }
    }
}

#[test]
fn a_packet_with_an_extended_sequence_number_byte_for_byte() {
    // hmac.new(key + b"\0\3", packet + sequence + source + bytes.fromhex("878fe1f3") * 7, "sha256"); with the two bytes of the
    // protocol the second key is longer than the digest and hashed first.
    let packet = "02 01 00 30 0a 00 00 01 00 00 00 00 00 00 00 03 00 00 00 20 00 00 00 07
        ff ff ff 00 00 0a 02 01 00 00 00 28 c0 00 02 01 c0 00 02 02 0a 00 00 02
        69 22 00 00 00 00 00 05";
    let source = "192.0.2.1".parse().unwrap();
    let algorithm = Algorithm::HmacSha256;
    for (key, digest) in [
        (&b"secret"[..], "628d75423a81b3f9436ba6bab4012ace1a6a3fd64d23b1b064ded99782f0d215"),
        (&[b'k'; 31], "2432fd3fc95d10092a2535e03d1fb8fd4b4a92b577c608ff3604680c567dd2fc"),
    ] {
        let sequence = 0x6922_0000_0000_0005;
        let seal = Seal::Extended { key_id: 7, algorithm, key, sequence, source };
        let bytes = hello().encode_sealed(&seal);
        assert_eq!(bytes, [hex(packet), hex(digest)].concat());
        assert_eq!(bytes.len(), hello().encoded_len() + seal.trailer_len());
        let frame = Frame::decode(&bytes).unwrap();
        assert_eq!(frame.extended(), Some(Extended { key_id: 7, digest_len: 32, sequence }));
        assert!(frame.has_extended_digest(algorithm, key, source));
        assert!(!frame.has_extended_digest(algorithm, key, "192.0.2.2".parse().unwrap()));
        assert!(!frame.has_extended_digest(algorithm, b"another", source));
        assert!(!frame.has_extended_digest(Algorithm::HmacSha1, key, source));
        for missing in 1..=40 {
            let frame = Frame::decode(&bytes[..bytes.len() - missing]).unwrap();
            assert!(!frame.has_extended_digest(algorithm, key, source), "{missing} bytes are missing");
            assert_eq!(frame.extended().is_some(), missing <= 32);
        }
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            let is_right = |frame: Frame<'_>| frame.has_extended_digest(algorithm, key, source);
            assert!(!Frame::decode(&changed).is_ok_and(is_right), "byte {at}");
        }
    }
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
    assert!(Frame::decode(&longer).unwrap().has_digest(Algorithm::Md5, b"secret"));
    for missing in 1..=MD5_LEN {
        let frame = Frame::decode(&signed[..signed.len() - missing]).unwrap();
        assert!(!frame.has_digest(Algorithm::Md5, b"secret"), "{missing} bytes are missing");
    }
}

#[test]
fn another_length_of_the_digest_is_another_algorithm() {
    for length in (0..=255).filter(|length| usize::from(*length) != MD5_LEN) {
        // Signed with that length in the field, as a peer with another algorithm would.
        let mut bytes = hex(SIGNED);
        bytes[19] = length;
        assert!(!Frame::decode(&bytes).unwrap().has_digest(Algorithm::Md5, b"secret"));
    }
}

proptest! {
    #[test]
    fn signed_packets_survive_the_wire(
        packet in packet(), key in vec(any::<u8>(), 1..=16), key_id: u8, sequence: u32,
        algorithm in prop::sample::select(&Algorithm::ALL[..]),
    ) {
        let bytes = packet.encode_sealed(&Seal::Cryptographic { key_id, algorithm, key: &key, sequence });
        prop_assert_eq!(bytes.len(), packet.encoded_len() + algorithm.digest_len());
        let frame = Frame::decode(&bytes).unwrap();
        prop_assert!(frame.has_digest(algorithm, &key));
        prop_assert_eq!((frame.cryptographic().key_id, frame.cryptographic().sequence), (key_id, sequence));
        prop_assert_eq!(Packet::from_frame(&frame), Ok(packet));
    }

    #[test]
    fn one_changed_byte_breaks_the_signature(
        packet in packet(), at: prop::sample::Index, flip in 1u8..,
        algorithm in prop::sample::select(&Algorithm::ALL[..]),
    ) {
        let mut bytes =
            packet.encode_sealed(&Seal::Cryptographic { key_id: 1, algorithm, key: b"k", sequence: 9 });
        let at = at.index(bytes.len());
        bytes[at] ^= flip;
        if let Ok(frame) = Frame::decode(&bytes) {
            prop_assert!(!frame.has_digest(algorithm, b"k"), "byte {at}");
        }
    }

    #[test]
    fn hostile_trailers_and_lengths_are_no_digest_and_no_panic(
        packet in packet(), length: u16, digest_len: u8, trailer in vec(any::<u8>(), 0..96), auth_type in 0u16..4,
    ) {
        let mut bytes = packet.encode_sealed(&Seal::Cryptographic { key_id: 1, algorithm: Algorithm::Md5, key: b"k", sequence: 9 });
        bytes.truncate(packet.encoded_len());
        bytes.extend_from_slice(&trailer);
        bytes[2..4].copy_from_slice(&length.to_be_bytes());
        bytes[14..16].copy_from_slice(&auth_type.to_be_bytes());
        bytes[19] = digest_len;
        if let Ok(frame) = Frame::decode(&bytes) {
            for algorithm in Algorithm::ALL {
                prop_assert!(!frame.has_digest(algorithm, b"k"));
                prop_assert!(!frame.has_extended_digest(algorithm, b"k", std::net::Ipv4Addr::LOCALHOST));
            }
            let _either = Packet::from_frame(&frame);
        }
    }
}
