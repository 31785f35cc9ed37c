use std::net::Ipv4Addr;
use std::time::Duration;

use proptest::prelude::*;
use zerocopy::{FromZeros, IntoBytes};

use super::wire::{FactsWire, SteeringWire};
use super::*;
use crate::config::{DEFAULT_GEOMETRY, NetworkParameters, Timing};
use crate::facts::{Facts, SteeringEpoch};
use crate::memory::Mapping;
use crate::multicast::MulticastFilter;

pub(super) fn layout() -> Layout {
    Layout::new(64, 1).unwrap()
}

/// The first queue.
pub(super) fn channel(network: Network) -> Channel {
    Channel { network, queue: 0 }
}

pub(super) fn identity() -> Identity {
    let parameters = NetworkParameters {
        area_id: 1,
        network_type: 2,
        hello_interval: 3,
        dead_interval: 4,
        cost: 5,
        mtu: 6,
        prefix: Ipv4Addr::new(10, 0, 0, 0),
        prefix_len: 8,
    };
    Identity {
        node: NodeId::new(7).unwrap(),
        incarnation: 9,
        nonce: 0,
        coherence: 1,
        arena_len: 1 << 20,
        pid: 1234,
        timing: Timing { failed: Duration::from_millis(500), ..Timing::default() },
        hostname: "host".into(),
        geometry: layout().geometry_words([DEFAULT_GEOMETRY; 2]),
        parameters: [parameters, NetworkParameters { cost: 50, ..parameters }],
    }
}

fn arenas() -> (OwnArena, PeerArena) {
    let (own, peer) = Mapping::anonymous(layout().heap).unwrap();
    let own = OwnArena::new(own.own().unwrap(), layout()).unwrap();
    (own, PeerArena::new(peer.peer(), layout()).unwrap())
}

#[test]
fn a_peer_reads_what_the_owner_published() {
    let (mapping, view) = Mapping::anonymous(layout().heap).unwrap();
    let own = OwnArena::new(mapping.own().unwrap(), layout()).unwrap();
    let peer = PeerArena::new(view.peer(), layout()).unwrap();
    let mut facts = Facts { hostname: "grün".into(), weight: 3, abr: true, ..Facts::default() };
    for number in 1..=10 {
        let member = |id: u16, weight| (NodeId::new(id).unwrap(), weight);
        let members = [member(number as u16 + 60, 1), member(256, 100 * number as u16), member(1, 7)];
        facts.steering.push(SteeringEpoch::new(number, members));
    }
    own.initialise(&identity(), &facts);
    assert_eq!(peer.state(), StateWord { incarnation: 0, state: State::Empty });
    own.set_state(9, State::Joining);
    assert_eq!(PeerArena::identity_of(&view.peer()), Ok(identity()));
    assert_eq!(peer.state(), StateWord { incarnation: 9, state: State::Joining });
    // The newest eight epochs are kept.
    facts.steering.drain(..2);
    assert_eq!(peer.facts().unwrap().1, facts);

    let node = NodeId::new(64).unwrap();
    let entry = DirectoryEntry { tx_incarnation: 9, rx_incarnation: 4, offset: 8192, len: 4096, epoch: 2 };
    own.set_directory(node, channel(Network::Gsm), entry);
    assert_eq!(peer.directory(node, channel(Network::Gsm)), Some(entry));
    assert_eq!(peer.directory(node, channel(Network::Lsm)), Some(DirectoryEntry::default()));
    own.clear_directory(node);
    assert_eq!(peer.directory(node, channel(Network::Gsm)), Some(DirectoryEntry::default()));
    own.close(node, 77);
    assert_eq!(peer.closed(node), 77);
    own.beat();
    own.changed();
    assert_eq!((peer.heartbeat(), peer.changes()), (1, 1));
    assert_eq!(peer.multicast(Network::Lsm), Some(MulticastFilter::all()), "until the node says otherwise");
    let mdns = MulticastFilter::of([[1, 0, 0x5e, 0, 0, 251], [1, 0, 0x5e, 0, 0, 5]]);
    own.publish_multicast(Network::Gsm, &mdns);
    assert_eq!(peer.multicast(Network::Lsm), Some(MulticastFilter::all()));
    assert_eq!(peer.multicast(Network::Gsm), Some(mdns));
    let group = |last| [1, 0, 0x5e, 0, 1, last];
    let most = MulticastFilter::of((0..MulticastFilter::MAX_PUBLISHED as u8).map(group));
    own.publish_multicast(Network::Gsm, &most);
    assert_eq!(peer.multicast(Network::Gsm), Some(most));
    let more = MulticastFilter::of((0..=MulticastFilter::MAX_PUBLISHED as u8).map(group));
    own.publish_multicast(Network::Gsm, &more);
    assert_eq!(peer.multicast(Network::Gsm), Some(MulticastFilter::all()), "more than there is room for");
    own.set_subscriptions(2);
    assert!(!peer.is_subscribed(Network::Lsm) && peer.is_subscribed(Network::Gsm));
}

#[test]
fn a_record_that_is_being_written_is_not_read() {
    let (own, peer) = arenas();
    own.initialise(&identity(), &Facts::default());
    let (mapping, view) = Mapping::anonymous(4096).unwrap();
    mapping.own().unwrap().store_u64(0, 3, crate::sync::Ordering::Release);
    assert_eq!(guarded::read(&view.peer(), 0, &mut [0; 64]), None);
    guarded::write(&mapping.own().unwrap(), 0, b"whole");
    let mut record = [0; 5];
    assert_eq!(guarded::read(&view.peer(), 0, &mut record), Some(4));
    assert_eq!(&record, b"whole");
    assert!(peer.facts().is_some());
}

#[test]
fn zeroed_memory_is_an_empty_segment() {
    let (_, peer) = Mapping::anonymous(layout().heap).unwrap();
    assert_eq!(PeerArena::identity_of(&peer.peer()), Err(Malformed::NotAnArena));
    assert_eq!(PeerArena::state_of(&peer.peer()).unwrap().state, State::Empty);
}

#[test]
fn a_ring_must_lie_in_the_heap() {
    let layout = layout();
    let (_, view) = Mapping::anonymous(layout.heap + 8192).unwrap();
    let peer = PeerArena::new(view.peer(), layout).unwrap();
    let entry = |offset: u64, len: u64| DirectoryEntry { offset, len, ..DirectoryEntry::default() };
    let heap = layout.heap as u64;
    assert!(peer.heap(&entry(heap, 8192)).is_some());
    for (offset, len) in [
        (heap - 128, 128),
        (heap + 1, 128),
        (heap, 8193),
        (0, 128),
        (u64::MAX, 128),
        (heap, u64::MAX),
        (heap + 9000, 0),
    ] {
        assert!(peer.heap(&entry(offset, len)).is_none(), "{offset} {len}");
    }
}

#[test]
fn sections_do_not_overlap_for_any_number_of_nodes() {
    for (max_nodes, queues) in (1..=256).flat_map(|nodes| [1, 2, 5, 8].map(|queues| (nodes, queues))) {
        let layout = Layout::new(max_nodes, queues).unwrap();
        let last = NodeId::new(max_nodes).unwrap();
        let channel = layout.channels().last().unwrap();
        assert_eq!(channel, Channel { network: Network::Gsm, queue: queues - 1 });
        assert!(Layout::closed(last) + 8 <= at::STEERING);
        assert_eq!(layout.directory_entry(last, channel) + DIRECTORY_STRIDE, layout.pointers);
        assert_eq!(layout.read_pointer(last, channel) + POINTER_STRIDE, layout.activity);
        assert_eq!(layout.activity_line(last) + ACTIVITY_STRIDE, layout.attention);
        assert!(layout.attention_line(channel) + ATTENTION_STRIDE <= layout.groups);
        assert!(layout.group(Network::Gsm, 1) + layout.group_len <= layout.heap);
        assert!(layout.groups.is_multiple_of(PAGE) && layout.heap.is_multiple_of(PAGE));
    }
}

#[test]
fn every_queue_has_entries_of_its_own() {
    let layout = Layout::new(3, 4).unwrap();
    let nodes = [1, 2, 3].map(|id| NodeId::new(id).unwrap());
    let pairs: Vec<_> =
        nodes.iter().flat_map(|node| layout.channels().map(|channel| (*node, channel))).collect();
    for (place, (node, channel)) in pairs.into_iter().enumerate() {
        let wanted = ((node.index() * 2) + channel.network.index()) * 4 + usize::from(channel.queue);
        assert_eq!(place, wanted);
        assert_eq!(layout.directory_entry(node, channel), layout.directory + place * LINE);
        assert_eq!(layout.read_pointer(node, channel), layout.pointers + place * LINE);
    }
    assert_eq!(Layout::new(3, 0), None);
    assert_eq!(Layout::new(3, 9), None);
}

/// The page that describes the segment byte by byte says what the code does.
#[test]
fn the_documented_offsets_are_those_of_the_code() {
    let page = include_str!("../../../docs/architecture/segment.md");
    let layout = layout();
    let rows = [
        (at::IDENTITY, "identity"),
        (at::STATE, "state"),
        (at::HEARTBEAT, "heartbeat"),
        (at::LIVENESS, "liveness"),
        (at::SUBSCRIPTIONS, "subscriptions"),
        (at::CHANGES, "changes"),
        (at::MULTICAST, "multicast LSM"),
        (at::MULTICAST + MULTICAST_STRIDE, "multicast GSM"),
        (at::FACTS, "facts"),
        (at::CLOSED, "closed"),
        (at::STEERING, "steering"),
        (layout.directory, "directory"),
        (layout.pointers, "read pointers"),
        (layout.activity, "activity"),
        (layout.attention, "attention"),
        (layout.groups, "group areas"),
        (layout.heap, "heap"),
    ];
    for (offset, name) in rows {
        let row = format!("| `0x{offset:05x}` | {name} |");
        assert!(page.contains(&row), "the page lacks the row {row}");
    }
    assert!(page.contains(&format!("{} bytes each", layout.group_len)));
    assert!(page.contains(&format!("ABI version {ABI_VERSION}")));
    for (number, field) in GEOMETRY_FIELDS.iter().enumerate() {
        assert!(page.contains(&format!("| {} | {field} |", number * 8 + 128)), "{field}");
    }
}

/// A record of two epochs, changed somewhere.
fn epochs_with(change: impl FnOnce(&mut SteeringWire)) -> Vec<SteeringEpoch> {
    let (own, peer) = arenas();
    let member = |id: u16, weight| (NodeId::new(id).unwrap(), weight);
    let steering = vec![
        SteeringEpoch::new(3, [member(1, 10), member(200, 1000)]),
        SteeringEpoch::new(4, [member(1, 20)]),
    ];
    own.initialise(&identity(), &Facts { steering: steering.clone(), ..Facts::default() });
    let mut wire = SteeringWire::from_epochs(&steering);
    change(&mut wire);
    own.scribble(at::STEERING + guarded::GUARD, wire.as_bytes());
    peer.facts().unwrap().1.steering
}

#[test]
fn epochs_that_contradict_themselves_are_not_believed() {
    let numbers = |epochs: Vec<SteeringEpoch>| epochs.iter().map(|e| e.number).collect::<Vec<_>>();
    assert_eq!(numbers(epochs_with(|_| {})), [3, 4]);
    // A weight of a node that is no member, a member without weight, a weight that there cannot be.
    assert!(epochs_with(|wire| wire.epochs[0].weights[2] = 1.into()).is_empty());
    assert!(epochs_with(|wire| wire.epochs[1].weights[0] = 0.into()).is_empty());
    assert!(epochs_with(|wire| wire.epochs[0].weights[199] = 1001.into()).is_empty());
    assert!(epochs_with(|wire| wire.epochs[0].members[3] = (1 << 63).into()).is_empty());
    // Numbers that do not rise.
    assert!(epochs_with(|wire| wire.epochs[0].number = 4.into()).is_empty());
    assert!(epochs_with(|wire| wire.epochs[0].number = u64::MAX.into()).is_empty());
    // An epoch in which nobody serves is one; what follows the last is not read.
    let empty = epochs_with(|wire| {
        wire.epochs[1] = SteeringWire::from_epochs(&[SteeringEpoch::new(9, [])]).epochs[0];
        wire.epochs[3].number = 1.into();
    });
    assert_eq!(numbers(empty), [3, 9]);
}

#[test]
fn epochs_that_never_hold_still_are_given_up() {
    let (own, peer) = arenas();
    own.initialise(&identity(), &Facts::default());
    assert!(peer.facts().is_some());
    own.scribble(at::STEERING, &7_u64.to_le_bytes());
    assert!(peer.facts().is_none(), "its writer died, or never ends");
}

proptest! {
    #[test]
    fn any_epochs_are_refused_or_make_sense(bytes in proptest::collection::vec(any::<u8>(), 8 * 552), sparse: bool) {
        let mut wire = SteeringWire::new_zeroed();
        wire.as_mut_bytes().copy_from_slice(&bytes);
        if sparse {
            wire.epochs[1].number = 0.into();
            wire.epochs[0].members = [0.into(); 4];
            wire.epochs[0].weights = [0.into(); 256];
            wire.epochs[0].weights[usize::from(bytes[0])] = u16::from(bytes[1]).into();
            wire.epochs[0].members[usize::from(bytes[0]) / 64] = (1 << (bytes[0] % 64)).into();
        }
        let epochs = wire.epochs();
        prop_assert!(epochs.len() <= Facts::MAX_EPOCHS);
        prop_assert!(epochs.windows(2).all(|pair| pair[0].number < pair[1].number));
        let weights = epochs.iter().flat_map(|epoch| epoch.members()).map(|(_, weight)| *weight);
        prop_assert!(weights.into_iter().all(|weight| (1..=SteeringEpoch::MAX_WEIGHT).contains(&weight)));
        prop_assert_eq!(SteeringWire::from_epochs(&epochs).epochs(), epochs);
    }

    #[test]
    fn no_bytes_make_parsing_fail(bytes in proptest::collection::vec(any::<u8>(), 512)) {
        let (own, peer) = Mapping::anonymous(4096).unwrap();
        own.own().unwrap().copy_in(0, &bytes);
        let _ = PeerArena::identity_of(&peer.peer());
        own.own().unwrap().copy_in(0, b"ISTHMUS\0\x04\0\0\0\x07\0");
        let _ = PeerArena::identity_of(&peer.peer());
        let mut wire = FactsWire::new_zeroed();
        let len = wire.as_bytes().len();
        wire.as_mut_bytes().copy_from_slice(&bytes[..len]);
        let facts = wire.to_facts();
        prop_assert!(!facts.hostname.chars().any(char::is_control));
    }
}
