//! The bytes of a ring, as `docs/architecture/rings.md` writes them down for implementations in other languages.
#![cfg(not(loom))]

mod support;

use std::sync::atomic::Ordering::Relaxed;

use isthmus_shmnet::ring::{GSO_TCPV4, Geometry, HDR_NEEDS_CSUM, Metadata, RingKey};

use support::Arenas;

const KEY: RingKey = RingKey { tx_incarnation: 0x1_02, rx_incarnation: 0x3_04, epoch: 5 };

fn bytes(arenas: &Arenas, offset: usize, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    arenas.tx_peer.copy_out(offset, &mut bytes);
    bytes
}

#[test]
fn the_header_is_written_as_documented() {
    let geometry = Geometry::new(8, 256).unwrap();
    let arenas = Arenas::new(geometry);
    let _ring = arenas.ring(geometry, KEY);
    assert_eq!(bytes(&arenas, 0, 8), b"ISTHRNG\x01");
    assert_eq!(bytes(&arenas, 8, 8), [0, 1, 0, 0, 8, 0, 0, 0], "buffer size, slots");
    assert_eq!(bytes(&arenas, 16, 8), [2, 1, 0, 0, 0, 0, 0, 0]);
    assert_eq!(bytes(&arenas, 24, 8), [4, 3, 0, 0, 0, 0, 0, 0]);
    assert_eq!(bytes(&arenas, 32, 8), [5, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(arenas.tx_peer.load_u64(40, Relaxed), 0x0161_4139_7ac7_c21f, "FNV-1a of the 40 bytes before");
    assert_eq!(arenas.rx_peer.load_u64(0, Relaxed), 0x02_04_06 << 40, "the tag of the key, position 0");
    assert_eq!(geometry.bytes(), 1280 + 8 * 256);
}

#[test]
fn slots_are_written_as_documented() {
    let geometry = Geometry::new(8, 256).unwrap();
    let arenas = Arenas::new(geometry);
    let (mut transmitter, mut receiver) = arenas.ring(geometry, KEY);
    let metadata = Metadata {
        flags: HDR_NEEDS_CSUM,
        gso_type: GSO_TCPV4,
        header_len: 54,
        gso_size: 1448,
        csum_start: 34,
        csum_offset: 16,
        steer_hops: 2,
        steer_epoch: 7,
    };
    transmitter.send(&[&[0xaa; 60]], metadata).unwrap();
    transmitter.send(&[&[0xbb; 300]], Metadata::default()).unwrap();
    transmitter.publish();

    assert_eq!(bytes(&arenas, 256, 8), [8, 0, 60, 0, 1, 0, 0, 0], "metadata, 60 bytes, lap 1");
    assert_eq!(bytes(&arenas, 264, 8), [1, 1, 54, 0, 0xa8, 0x05, 34, 0]);
    assert_eq!(bytes(&arenas, 272, 8), [16, 0, 2, 0, 7, 0, 0, 0]);
    assert_eq!(bytes(&arenas, 280, 60), [0xaa; 60]);
    assert_eq!(bytes(&arenas, 384, 8), [4 | 1, 0, 0, 1, 1, 0, 0, 0], "buffered, more, 256 bytes");
    assert_eq!(bytes(&arenas, 512, 8), [4 | 2, 0, 44, 0, 1, 0, 0, 0], "buffered, continuation, 44 bytes");
    assert_eq!(bytes(&arenas, 1280 + 256, 300), [0xbb; 300]);
    assert_eq!(bytes(&arenas, 128, 8), [3, 0, 0, 0, 0, 6, 4, 2], "three slots written, tag of the key");

    let mut into = [0; 512];
    while receiver.receive(&mut into).unwrap().is_some() {}
    assert_eq!(arenas.rx_peer.load_u64(0, Relaxed), 0x02_04_06 << 40 | 3);
    for _ in 0..6 {
        transmitter.send(&[&[1]], Metadata::default()).unwrap();
    }
    assert_eq!(bytes(&arenas, 256, 8), [0, 0, 1, 0, 2, 0, 0, 0], "lap 2");
}
