use crate::memory::{Mapping, OwnSpan, PeerSpan};
use std::sync::atomic::Ordering::Relaxed;

use super::*;

pub(super) struct Area {
    pub(super) own: OwnSpan,
    pub(super) peer: PeerSpan,
}

pub(super) fn area(geometry: GroupGeometry) -> Area {
    let (own, peer) = Mapping::anonymous(geometry.bytes()).unwrap();
    Area { own: own.own().unwrap(), peer: peer.peer() }
}

fn small() -> GroupGeometry {
    GroupGeometry::new(8, 8, 128, 16).unwrap()
}

/// `count` nodes of incarnation 1 that know one another.
fn group(geometry: GroupGeometry, count: u16) -> (Vec<Area>, Vec<GroupEndpoint>) {
    let areas: Vec<Area> = (0..count).map(|_| area(geometry)).collect();
    let mut nodes: Vec<GroupEndpoint> = (0..count)
        .map(|id| GroupEndpoint::new(areas[usize::from(id)].own.clone(), id, 1, geometry).unwrap())
        .collect();
    let ids: Vec<u16> = (0..count).collect();
    for node in 0..count {
        for peer in ids.iter().copied().filter(|id| *id != node) {
            let area = areas[usize::from(peer)].peer.clone();
            nodes[usize::from(node)].attach_peer(peer, 1, area, Start::Next).unwrap();
        }
        nodes[usize::from(node)].set_active(&ids);
    }
    (areas, nodes)
}

fn drain(node: &mut GroupEndpoint) -> Vec<(u16, Vec<u8>)> {
    let mut into = [0; 4096];
    std::iter::from_fn(|| node.receive(&mut into).map(|got| (got.source, into[..got.len].to_vec()))).collect()
}

fn poll(nodes: &mut [GroupEndpoint]) {
    for _ in 0..2 {
        for node in nodes.iter_mut() {
            node.poll_owner_duties();
        }
    }
}

#[test]
fn all_members_deliver_in_one_order() {
    let (_areas, mut nodes) = group(small(), 4);
    poll(&mut nodes);
    assert!(nodes.iter().all(|node| node.owner() == Some(0) && node.generation() == 1));
    for round in 0u8..50 {
        for id in [2u8, 0, 3, 1] {
            nodes[usize::from(id)].send(&[id, round]).unwrap();
            nodes[0].poll_owner_duties();
        }
        let got: Vec<_> = nodes.iter_mut().map(drain).collect();
        for (id, got) in got.iter().enumerate() {
            let expected: Vec<_> = [2u8, 0, 3, 1]
                .iter()
                .filter(|s| usize::from(**s) != id)
                .map(|s| (u16::from(*s), vec![*s, round]))
                .collect();
            assert_eq!(got, &expected);
        }
    }
    assert_eq!(nodes[0].counters().overwritten, 0);
    assert_eq!(nodes[3].counters().received.lost, 0);
}

#[test]
fn frames_longer_than_a_slot_arrive_whole() {
    let geometry = GroupGeometry::new(4, 16, 256, 16).unwrap();
    let (_areas, mut nodes) = group(geometry, 2);
    poll(&mut nodes);
    for len in 1..=geometry.max_frame() {
        let frame: Vec<u8> = (0..len).map(|at| (at * 7 + len) as u8).collect();
        nodes[1].send(&frame).unwrap();
        poll(&mut nodes);
        assert_eq!(drain(&mut nodes[0]), vec![(1, frame)]);
    }
    let limit = geometry.max_frame();
    assert_eq!(limit, 8 * 232);
    assert_eq!(nodes[1].send(&vec![0; limit + 1]), Err(GroupSendError::TooLong { len: limit + 1, limit }));
    assert_eq!(nodes[1].send(&[]), Err(GroupSendError::Empty));
    let counters = nodes[1].counters();
    assert_eq!((counters.refused, counters.overwritten), (2, 0));
}

#[test]
fn a_new_owner_loses_and_doubles_nothing() {
    let (_areas, mut nodes) = group(small(), 3);
    poll(&mut nodes);
    nodes[1].send(b"ordered").unwrap();
    nodes[0].poll_owner_duties();
    assert_eq!(drain(&mut nodes[2]).len(), 1);
    nodes[1].send(b"not ordered").unwrap();
    nodes[2].send(b"neither").unwrap();

    for node in &mut nodes[1..] {
        node.set_active(&[1, 2]);
    }
    poll(&mut nodes[1..]);
    assert!(nodes[1..].iter().all(|node| node.owner() == Some(1) && node.generation() == 2));
    assert_eq!(drain(&mut nodes[2]), vec![(1, b"not ordered".to_vec())]);
    assert_eq!(drain(&mut nodes[1]), vec![(2, b"neither".to_vec())]);

    assert_eq!(
        nodes[0].poll_owner_duties(),
        GroupRole::Member,
        "the old owner wakes, sees the claim and steps down"
    );
    assert_eq!(nodes[0].owner(), Some(1));
    let mut late = drain(&mut nodes[0]);
    late.sort();
    assert_eq!(late, vec![(1, b"not ordered".to_vec()), (1, b"ordered".to_vec()), (2, b"neither".to_vec())]);
}

#[test]
fn a_laggard_loses_what_is_overwritten_and_no_more() {
    let (_areas, mut nodes) = group(small(), 3);
    poll(&mut nodes);
    for number in 0u8..20 {
        nodes[1].send(&[number]).unwrap();
        nodes[0].poll_owner_duties();
        assert_eq!(drain(&mut nodes[0]).len(), 1);
    }
    assert_eq!(nodes[1].counters().overwritten, 12);
    let lag: Vec<Lag> = nodes[1].lag().collect();
    assert_eq!((lag[0].reader, lag[0].lane_slots, lag[0].lost_frames), (0, 0, 0));
    assert_eq!((lag[1].reader, lag[1].lane_slots, lag[1].lost_frames), (2, 8, 12));
    let got: Vec<u8> = drain(&mut nodes[2]).iter().map(|(_, frame)| frame[0]).collect();
    assert_eq!(got, (12..20).collect::<Vec<u8>>());
    assert_eq!(nodes[2].counters().received.lost, 12);
}

/// Node 2 reads nothing while nodes 0 and 1 send: every member sees it fall behind by every reference, and the source
/// whose lane runs over counts what it loses. When it reads again it is behind by nothing.
#[test]
fn the_lag_of_a_reader_that_stops_grows_and_returns_to_zero() {
    let (_areas, mut nodes) = group(GroupGeometry::new(8, 16, 128, 64).unwrap(), 3);
    poll(&mut nodes);
    nodes.iter_mut().for_each(|node| assert!(drain(node).is_empty()));
    let lag_of = |node: &GroupEndpoint, reader| node.lag().find(|lag| lag.reader == reader).unwrap();
    assert_eq!(lag_of(&nodes[1], 2).references, Some(0));
    for sent in 1..=20_u64 {
        nodes[1].send(b"one").unwrap();
        nodes[0].send(b"two").unwrap();
        nodes[0].poll_owner_duties();
        nodes[..2].iter_mut().for_each(|node| assert_eq!(drain(node).len(), 1));
        for watcher in [0, 1] {
            assert_eq!(nodes[watcher].position(), 2 * sent);
            let lag = lag_of(&nodes[watcher], 2);
            assert_eq!((lag.references, lag.lost_frames), (Some(2 * sent), sent.saturating_sub(16)));
            let other = lag_of(&nodes[watcher], 1 - watcher as u16);
            assert_eq!((other.references, other.lost_frames), (Some(0), 0));
        }
    }
    assert_eq!(drain(&mut nodes[2]).len(), 32);
    for node in &nodes[..2] {
        let lag = lag_of(node, 2);
        assert_eq!((lag.references, lag.lane_slots, lag.lost_frames), (Some(0), 0, 4));
    }
}

#[test]
fn a_reader_that_the_order_ring_laps_reads_the_lanes() {
    let (_areas, mut nodes) = group(GroupGeometry::new(8, 64, 128, 16).unwrap(), 3);
    poll(&mut nodes);
    for number in 0u8..60 {
        nodes[usize::from(number % 2)].send(&[number]).unwrap();
        nodes[0].poll_owner_duties();
    }
    let mut got: Vec<u8> = drain(&mut nodes[2]).iter().map(|(_, frame)| frame[0]).collect();
    got.sort_unstable();
    assert_eq!(got, (0..60).collect::<Vec<u8>>());
    let received = nodes[2].counters().received;
    assert_eq!((received.laps, received.lost), (1, 0));
}

#[test]
fn an_announcement_waits_for_members_that_have_not_attached_yet() {
    let (areas, mut nodes) = group(small(), 2);
    poll(&mut nodes);
    let joiner_area = area(small());
    let mut joiner = GroupEndpoint::new(joiner_area.own.clone(), 2, 1, small()).unwrap();
    for peer in 0..2 {
        joiner.attach_peer(peer, 1, areas[usize::from(peer)].peer.clone(), Start::Next).unwrap();
    }
    joiner.set_active(&[0, 1, 2]);
    joiner.send(b"here I am").unwrap();
    assert_eq!(joiner.poll_owner_duties(), GroupRole::Member);
    for node in &mut nodes {
        node.attach_peer(2, 1, joiner_area.peer.clone(), Start::Oldest).unwrap();
        node.set_active(&[0, 1, 2]);
    }
    poll(&mut nodes);
    for node in &mut nodes {
        assert_eq!(drain(node), vec![(2, b"here I am".to_vec())]);
    }
}

#[test]
fn a_source_that_is_attached_again_goes_on_where_it_was_left() {
    let (areas, mut nodes) = group(small(), 2);
    poll(&mut nodes);
    nodes[1].send(b"once").unwrap();
    poll(&mut nodes);
    assert_eq!(drain(&mut nodes[0]).len(), 1);
    nodes[0].detach_peer(1);
    nodes[1].send(b"meanwhile").unwrap();
    nodes[0].attach_peer(1, 1, areas[1].peer.clone(), Start::Oldest).unwrap();
    nodes[0].sweep();
    assert_eq!(drain(&mut nodes[0]), vec![(1, b"meanwhile".to_vec())]);
    poll(&mut nodes);
    assert!(drain(&mut nodes[0]).is_empty());
}

#[test]
fn sweeping_delivers_without_an_owner_and_never_twice() {
    let (_areas, mut nodes) = group(small(), 3);
    poll(&mut nodes);
    nodes[2].send(b"stuck").unwrap();
    assert!(drain(&mut nodes[1]).is_empty(), "the owner has not ordered it");
    assert!(nodes[1].has_unread() && !nodes[1].is_ready());
    nodes[1].sweep();
    assert!(nodes[1].is_ready());
    assert_eq!(drain(&mut nodes[1]), vec![(2, b"stuck".to_vec())]);
    assert!(nodes[0].is_ready(), "the owner has something to order");
    poll(&mut nodes);
    assert!(drain(&mut nodes[1]).is_empty());
    assert!(!nodes[1].has_unread());
    assert_eq!(nodes[1].counters().received.duplicates, 1);
}

#[test]
fn what_an_owner_does_not_order_is_overdue_even_if_it_orders_its_own() {
    let (areas, mut nodes) = group(small(), 4);
    poll(&mut nodes);
    // Node 3 claims a higher generation and then does nothing for the others.
    areas[3].own.store_u64(256, 1000, Relaxed);
    poll(&mut nodes[..3]);
    assert!(nodes[..3].iter().all(|node| node.owner() == Some(3)));
    nodes[2].send(b"stuck").unwrap();
    poll(&mut nodes[..3]);
    assert!(drain(&mut nodes[1]).is_empty());
    assert!(!nodes[1].is_overdue(), "it may just have been sent");
    assert!(nodes[1].is_overdue());
    nodes[1].sweep();
    assert_eq!(drain(&mut nodes[1]), vec![(2, b"stuck".to_vec())]);
    nodes[2].send(b"next").unwrap();
    assert!(!nodes[1].is_overdue());
}

#[test]
fn what_the_order_named_before_its_source_was_attached_is_delivered_when_it_is() {
    let (areas, mut nodes) = group(small(), 2);
    poll(&mut nodes);
    let late_area = area(small());
    let mut late = GroupEndpoint::new(late_area.own.clone(), 2, 1, small()).unwrap();
    let start = Start::At(next_sequence(&areas[1].peer, small()));
    late.attach_peer(0, 1, areas[0].peer.clone(), Start::Next).unwrap();
    late.set_active(&[0, 2]);
    for node in &mut nodes {
        node.attach_peer(2, 1, late_area.peer.clone(), Start::Oldest).unwrap();
        node.set_active(&[0, 1, 2]);
    }
    nodes[1].send(b"early").unwrap();
    poll(&mut nodes);
    late.poll_owner_duties();
    assert!(drain(&mut late).is_empty(), "the source is not known yet");
    late.attach_peer(1, 1, areas[1].peer.clone(), start).unwrap();
    assert_eq!(drain(&mut late), vec![(1, b"early".to_vec())]);
}

#[test]
fn the_order_of_a_closed_owner_is_read_no_more() {
    let (_areas, mut nodes) = group(small(), 3);
    poll(&mut nodes);
    nodes[2].send(b"ordered").unwrap();
    poll(&mut nodes);
    assert!(nodes[1].is_ready());
    nodes[1].detach_peer(0);
    assert!(!nodes[1].is_ready() && drain(&mut nodes[1]).is_empty());
    nodes[1].set_active(&[1, 2]);
    nodes[1].poll_owner_duties();
    assert_eq!((nodes[1].owner(), nodes[1].generation()), (Some(1), 2));
    assert_eq!(
        drain(&mut nodes[1]),
        vec![(2, b"ordered".to_vec())],
        "the next owner, itself, orders it again"
    );
}

#[test]
fn sequences_at_the_end_of_their_range_are_survived() {
    let (areas, mut nodes) = group(small(), 2);
    poll(&mut nodes);
    for base in [u64::MAX, 1 << 47, (1 << 47) + 8] {
        for seq in base - 4..=base - 1 {
            let slot = small().lane_slot(seq);
            areas[1].own.store_u64(slot, seq, Relaxed);
            areas[1].own.store_u64(slot + 8, 1, Relaxed);
            areas[1].own.store_u64(slot + 16, 300 << 32 | 3 << 16, Relaxed);
        }
        areas[1].own.store_u64(136, base, Relaxed);
        areas[1].own.store_u64(128, base - 4, Relaxed);
        nodes[0].attach_peer(1, 1, areas[1].peer.clone(), Start::Oldest).unwrap();
        nodes[0].sweep();
        assert!(drain(&mut nodes[0]).is_empty());
        poll(&mut nodes[..1]);
    }
}

#[test]
fn a_peer_that_is_not_the_one_expected_is_refused() {
    let (areas, mut nodes) = group(small(), 2);
    let node = &mut nodes[0];
    let peer = areas[1].peer.clone();
    assert_eq!(node.attach_peer(0, 1, peer.clone(), Start::Next), Err(GroupError::Own(0)));
    assert_eq!(node.attach_peer(8, 1, peer.clone(), Start::Next), Err(GroupError::Node { id: 8, nodes: 8 }));
    assert_eq!(
        node.attach_peer(1, 2, peer.clone(), Start::Next),
        Err(GroupError::Incarnation { found: 1, expected: 2 })
    );
    assert!(matches!(
        node.attach_peer(1, 1, peer.sub(0, 512).unwrap(), Start::Next),
        Err(GroupError::Span(_))
    ));
    areas[1].own.store_u64(8, 7, Relaxed);
    assert!(matches!(
        node.attach_peer(1, 1, peer.clone(), Start::Next),
        Err(GroupError::Geometry { found: 7, .. })
    ));
    areas[1].own.store_u64(0, 7, Relaxed);
    assert_eq!(node.attach_peer(1, 1, peer, Start::Next), Err(GroupError::Magic(7)));
}

#[test]
fn a_liar_about_generations_does_not_stop_the_others() {
    let (areas, mut nodes) = group(small(), 3);
    poll(&mut nodes);
    // Node 2 claims a generation that nobody could exceed, and says that node 1 owns a high one.
    areas[2].own.store_u64(256, u64::MAX, Relaxed);
    areas[2].own.store_u64(264, 1000 << 16 | 1, Relaxed);
    poll(&mut nodes[..2]);
    assert!(nodes[..2].iter().all(|node| node.owner() == Some(1) && node.generation() == 1001));
    nodes[0].send(b"still").unwrap();
    poll(&mut nodes[..2]);
    assert_eq!(drain(&mut nodes[1]), vec![(0, b"still".to_vec())]);
}

#[test]
fn a_claim_far_ahead_of_what_others_tell_is_not_followed() {
    let (areas, mut nodes) = group(small(), 3);
    poll(&mut nodes);
    areas[2].own.store_u64(256, (1 << 40) - 1, Relaxed);
    poll(&mut nodes[..2]);
    assert!(nodes[..2].iter().all(|node| (node.owner(), node.generation()) == (Some(0), 1)));
    // Nor if it says that another has made it.
    areas[2].own.store_u64(264, ((1 << 40) - 2) << 16 | 1, Relaxed);
    poll(&mut nodes[..2]);
    assert!(nodes[..2].iter().all(|node| (node.owner(), node.generation()) == (Some(0), 1)));
}

#[test]
fn the_last_generation_is_not_the_last_owner() {
    let (areas, mut nodes) = group(small(), 3);
    // Nobody has told of any other.
    areas[2].own.store_u64(256, (1 << 40) - 1, Relaxed);
    poll(&mut nodes[..2]);
    assert!(nodes[..2].iter().all(|node| node.owner() == Some(2)));
    for node in &mut nodes[..2] {
        node.detach_peer(2);
        node.set_active(&[0, 1]);
    }
    poll(&mut nodes[..2]);
    assert!(nodes[..2].iter().all(|node| (node.owner(), node.generation()) == (Some(0), 1)));
    nodes[1].send(b"in order").unwrap();
    poll(&mut nodes[..2]);
    assert_eq!(drain(&mut nodes[0]), vec![(1, b"in order".to_vec())]);
    assert_eq!(nodes[0].counters().received.unordered, 0);
}

#[test]
fn random_words_in_peers_areas_are_survived() {
    let geometry = small();
    let mut state = 7u64;
    let mut random = move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state >> 20
    };
    for _ in 0..500 {
        let (areas, mut nodes) = group(geometry, 3);
        poll(&mut nodes);
        let mut into = [0; 600];
        for _ in 0..100 {
            let at = (random() as usize % (geometry.bytes() / 8)) * 8;
            let word = if random() % 2 == 0 { random() % 32 } else { random() << 24 };
            areas[1 + random() as usize % 2].own.store_u64(
                if random() % 3 == 0 { at % 1024 } else { at },
                word,
                Relaxed,
            );
            nodes[0].poll_owner_duties();
            nodes[0].send(&[1; 100]).unwrap();
            while let Some(got) = nodes[0].receive(&mut into) {
                assert!(got.len <= into.len() && got.source > 0 && got.source < 3);
            }
            let _ = nodes[1].send(&[2; 200]);
            assert!(nodes[0].lag().all(|lag| lag.lane_slots <= 8));
        }
    }
}

#[test]
fn geometries_are_checked() {
    assert_eq!(GroupGeometry::new(0, 8, 128, 16), Err(GroupGeometryError::Nodes(0)));
    assert_eq!(GroupGeometry::new(257, 8, 128, 16), Err(GroupGeometryError::Nodes(257)));
    assert_eq!(GroupGeometry::new(64, 9, 128, 16), Err(GroupGeometryError::LaneSlots(9)));
    assert_eq!(GroupGeometry::new(64, 8, 100, 16), Err(GroupGeometryError::SlotBytes(100)));
    assert_eq!(GroupGeometry::new(64, 8, 128, 2), Err(GroupGeometryError::OrderSlots(2)));
    let default = GroupGeometry::default();
    assert_eq!(GroupGeometry::new(64, 32, 2048, 512), Ok(default));
    assert_eq!(default.bytes(), 82_944);
    assert!(default.max_frame() >= 9014 + 4);
    let large = GroupGeometry::new(256, 32, 2048, 512).unwrap();
    assert_ne!(large.hash(), default.hash());
}
