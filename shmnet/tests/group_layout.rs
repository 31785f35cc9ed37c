//! The bytes of a group area, as `docs/architecture/rings.md` writes them down for implementations in other languages.
#![cfg(not(loom))]

use isthmus_shmnet::group::{GroupEndpoint, GroupGeometry, Start};
use isthmus_shmnet::memory::{Mapping, PeerSpan};

fn bytes<const N: usize>(area: &PeerSpan, offset: usize) -> [u8; N] {
    let mut bytes = [0; N];
    area.copy_out(offset, &mut bytes);
    bytes
}

#[test]
fn a_group_area_is_written_as_documented() {
    let geometry = GroupGeometry::new(20, 4, 256, 8).unwrap();
    let maps: [_; 2] = std::array::from_fn(|_| Mapping::anonymous(geometry.bytes()).unwrap());
    let mut nodes: [_; 2] = std::array::from_fn(|id| {
        GroupEndpoint::new(maps[id].0.own().unwrap(), id as u16, 0x1_02 + id as u64, geometry).unwrap()
    });
    for id in 0..2 {
        let incarnation = 0x1_02 + (1 - id) as u64;
        nodes[id].attach_peer(1 - id as u16, incarnation, maps[1 - id].1.peer(), Start::Next).unwrap();
        nodes[id].set_active(&[0, 1]);
    }
    for node in &mut nodes {
        node.poll_owner_duties();
        assert_eq!(node.owner(), Some(0));
    }
    nodes[1].send(&[0xcc; 300]).unwrap();
    nodes[0].poll_owner_duties();

    // Offsets: acknowledgements 384, reader position 544, order ring 640, lane 896.
    let (owner, source) = (maps[0].1.peer(), maps[1].1.peer());
    assert_eq!(geometry.bytes(), 896 + 4 * 256);
    assert_eq!(&bytes::<8>(&source, 0), b"ISTHGRP\x01");
    assert_eq!(
        bytes(&source, 8),
        [0, 1, 0, 0, 3, 2, 20, 0],
        "slot bytes, order and lane slots as powers of two, nodes"
    );
    assert_eq!(bytes(&source, 16), [3, 1, 0, 0, 0, 0, 0, 0]);
    assert_eq!(bytes(&source, 128), [1, 0, 0, 0, 0, 0, 0, 0], "tail");
    assert_eq!(bytes(&source, 136), [3, 0, 0, 0, 0, 0, 0, 0], "head: the frame took two slots");
    assert_eq!(bytes(&source, 264), [0, 0, 1, 0, 0, 0, 0, 0], "follows owner 0 of generation 1");

    assert_eq!(bytes(&owner, 256), [1, 0, 0, 0, 0, 0, 0, 0], "claims generation 1");
    assert_eq!(bytes(&owner, 272), [1, 0, 0, 0, 0, 0, 1, 0], "one reference of generation 1");
    assert_eq!(bytes(&owner, 640), [1, 0, 0, 0, 0, 0, 1, 0]);
    assert_eq!(bytes(&owner, 648), [1, 0, 0, 0, 1, 0, 0, 0], "lane index 1, source 1");
    assert_eq!(bytes(&owner, 656), [3, 1, 0, 0, 0, 0, 0, 0], "incarnation");
    assert_eq!(bytes(&owner, 664), [1, 0, 0, 0, 0, 0, 0, 0], "sequence");

    for (seq, piece) in [(1u8, 0u8), (2, 1)] {
        let slot = 896 + usize::from(seq) * 256;
        assert_eq!(bytes(&source, slot), [seq, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(bytes(&source, slot + 8), [3, 1, 0, 0, 0, 0, 0, 0]);
        assert_eq!(bytes(&source, slot + 16), [piece, 0, 2, 0, 44, 1, 0, 0], "piece, of two, 300 bytes");
        assert_eq!(bytes(&source, slot + 24), [0xcc; 68]);
    }
    assert_eq!(nodes[0].receive(&mut [0; 512]).map(|got| got.len), Some(300));
    assert_eq!(nodes[0].receive(&mut [0; 512]), None);
    assert_eq!(bytes(&owner, 384 + 8), [3, 0, 0, 0, 0, 0, 3, 1], "wants sequence 3 of node 1's incarnation");
    assert_eq!(bytes(&owner, 544), [1, 0, 0, 0, 0, 0, 1, 0], "has taken one reference");
}
