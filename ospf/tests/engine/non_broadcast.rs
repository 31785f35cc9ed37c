//! Networks without multicast: whom hellos go to and how often, who is not heard, and that every packet goes to the address
//! of one router (RFC 2328 sections 8.1, 9.4 step 6, 9.5, 9.5.1, 10.1 to 10.3, 13.3 step 5, 13.5).

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::Duration;

use isthmus_ospf::config::{
    AreaConfig, Authentication, InstanceConfig, InterfaceConfig, InterfaceType, Key, StaticNeighbor,
};
use isthmus_ospf::types::{AreaId, RouterId};
use isthmus_ospf::view::{InterfaceState, InterfaceTypeView, NeighborState};
use isthmus_ospf::wire::{
    Algorithm, DdFlags, Header, Hello, LinkType, LsType, LsaBody, Packet, PacketBody, auth_type,
};
use isthmus_ospf::{Notification, Output};

use crate::bench::{
    Bench, LINK, OWN, OWN_ADDRESS, PEER, PEER_ADDRESS, STRANGER, description, hello, link_config, many,
    millis, router_lsa,
};

const STRANGER_ADDRESS: Ipv4Addr = Ipv4Addr::new(172, 16, 0, 3);
/// Listed with priority 0, and never heard.
const LEAF_ADDRESS: Ipv4Addr = Ipv4Addr::new(172, 16, 0, 4);
const NOBODY: Ipv4Addr = Ipv4Addr::UNSPECIFIED;
const FAR: RouterId = RouterId(Ipv4Addr::new(10, 7, 0, 1));

const POLL: Duration = Duration::from_secs(60);

fn listed(priority: u8) -> StaticNeighbor {
    StaticNeighbor { priority, poll_interval: POLL }
}

fn config(interface_type: InterfaceType, priority: u8) -> InterfaceConfig {
    InterfaceConfig {
        interface_type,
        address: "172.16.0.1/24".parse().expect("an address"),
        priority,
        static_neighbors: BTreeMap::from([
            (PEER_ADDRESS, listed(1)),
            (STRANGER_ADDRESS, listed(1)),
            (LEAF_ADDRESS, listed(0)),
        ]),
        ..link_config()
    }
}

fn bench(interface_type: InterfaceType, priority: u8) -> Bench {
    Bench::with(config(interface_type, priority), AreaConfig::default())
}

/// A hello that hears us and names these as designated router and backup.
fn say(bench: &mut Bench, router_id: RouterId, source: Ipv4Addr, priority: u8, roles: [Ipv4Addr; 2]) {
    let hello = Hello {
        network_mask: Ipv4Addr::new(255, 255, 255, 0),
        priority,
        designated_router: roles[0],
        backup_designated_router: roles[1],
        ..hello(vec![OWN])
    };
    receive(bench, router_id, source, PacketBody::Hello(hello));
}

fn receive(bench: &mut Bench, router_id: RouterId, source: Ipv4Addr, body: PacketBody) {
    let header = Header { router_id, area_id: AreaId::BACKBONE };
    bench.receive_bytes(source, OWN_ADDRESS, &Packet { header, body }.encode());
}

/// The other, as master with an empty database, exchanges it.
fn exchange(bench: &mut Bench, router: RouterId, source: Ipv4Addr) {
    for flags in [DdFlags::all(), DdFlags::MS] {
        bench.dd_sequence += 1;
        let body = PacketBody::DatabaseDescription(description(flags, bench.dd_sequence, &[]));
        receive(bench, router, source, body);
    }
}

/// Type and destination of everything that was sent, in order.
fn sent(bench: &mut Bench) -> Vec<(u8, Ipv4Addr)> {
    let sent = std::mem::take(&mut bench.sent).into_iter();
    sent.map(|(_, transmit, packet)| (packet.type_number(), transmit.destination)).collect()
}

/// How many hellos have left for each address.
fn hellos(bench: &mut Bench) -> BTreeMap<Ipv4Addr, usize> {
    let mut count = BTreeMap::new();
    for (packet_type, destination) in sent(bench) {
        assert!(!destination.is_multicast(), "type {packet_type} to {destination}");
        if packet_type == 1 {
            *count.entry(destination).or_default() += 1;
        }
    }
    count
}

/// The state of each neighbor by address, with its router id.
fn states(bench: &Bench) -> BTreeMap<Ipv4Addr, (NeighborState, RouterId)> {
    let neighbors = bench.engine.view_neighbors(bench.now).into_iter();
    neighbors.map(|neighbor| (neighbor.address, (neighbor.state, neighbor.neighbor_router_id))).collect()
}

fn state_at(bench: &Bench, address: Ipv4Addr) -> Option<NeighborState> {
    states(bench).get(&address).map(|(state, _)| *state)
}

/// The backup of an NBMA network whose designated router is the peer, Full with it and the other.
fn backup() -> Bench {
    let mut bench = bench(InterfaceType::NonBroadcast, 1);
    for roles in [[PEER_ADDRESS, NOBODY], [PEER_ADDRESS, OWN_ADDRESS]] {
        say(&mut bench, PEER, PEER_ADDRESS, 9, roles);
        say(&mut bench, STRANGER, STRANGER_ADDRESS, 0, roles);
    }
    assert_eq!(bench.interface().state, InterfaceState::Bdr);
    exchange(&mut bench, PEER, PEER_ADDRESS);
    exchange(&mut bench, STRANGER, STRANGER_ADDRESS);
    assert_eq!(bench.interface().adjacency_count, 2);
    bench.sent.clear();
    bench
}

#[test]
fn who_may_become_designated_asks_the_others_until_the_dead_interval_is_over_and_then_polls() {
    let mut bench = bench(InterfaceType::NonBroadcast, 1);
    assert_eq!(bench.interface().interface_type, InterfaceTypeView::NonBroadcast);
    let nobody = RouterId(NOBODY);
    let expected = |asked| {
        BTreeMap::from([
            (PEER_ADDRESS, (asked, nobody)),
            (STRANGER_ADDRESS, (asked, nobody)),
            (LEAF_ADDRESS, (NeighborState::Down, nobody)),
        ])
    };
    assert_eq!(states(&bench), expected(NeighborState::Attempt));
    bench.advance(Duration::from_secs(39));
    // One when the interface comes up, and one each HelloInterval.
    assert_eq!(hellos(&mut bench), BTreeMap::from([(PEER_ADDRESS, 4), (STRANGER_ADDRESS, 4)]));
    let attempt = bench.engine.view_neighbors(bench.now).into_iter().find(|n| n.address == PEER_ADDRESS);
    assert_eq!(attempt.and_then(|neighbor| neighbor.dead_timer), Some(1));

    // RouterDeadInterval is over, for the attempts as for the waiting: this router is designated, and asks the third
    // (section 9.4 step 6).
    bench.advance(Duration::from_secs(1));
    assert_eq!(bench.interface().state, InterfaceState::Dr);
    let mut there = expected(NeighborState::Down);
    there.insert(LEAF_ADDRESS, (NeighborState::Attempt, nobody));
    assert_eq!(states(&bench), there);
    bench.sent.clear();
    bench.advance(Duration::from_secs(35));
    assert_eq!(hellos(&mut bench), BTreeMap::from([(LEAF_ADDRESS, 3)]));
    bench.advance(Duration::from_secs(5));
    assert_eq!(states(&bench), expected(NeighborState::Down));

    // All are Down: one hello each PollInterval, at most.
    bench.sent.clear();
    bench.advance(POLL * 3);
    let polls = hellos(&mut bench);
    assert_eq!(polls, BTreeMap::from([(PEER_ADDRESS, 3), (STRANGER_ADDRESS, 3), (LEAF_ADDRESS, 3)]));
}

#[test]
fn attempts_are_told() {
    let mut bench = bench(InterfaceType::NonBroadcast, 1);
    bench.advance(Duration::from_secs(41));
    let told: Vec<_> = std::mem::take(&mut bench.said)
        .into_iter()
        .filter_map(|output| match output {
            Output::Notification(Notification::NeighborStateChange { address, state, router_id, .. }) => {
                assert_eq!(router_id, RouterId(NOBODY));
                (address == PEER_ADDRESS).then_some(state)
            }
            _ => None,
        })
        .collect();
    assert_eq!(told, [NeighborState::Attempt, NeighborState::Down]);
}

#[test]
fn who_cannot_become_designated_answers_and_then_speaks_to_the_designated_routers() {
    let mut bench = bench(InterfaceType::NonBroadcast, 0);
    bench.advance(POLL * 2);
    assert_eq!(hellos(&mut bench), BTreeMap::new());
    assert!(states(&bench).values().all(|(state, _)| *state == NeighborState::Down));

    // Those who may become designated router are answered; the only two of them are it, and its backup.
    say(&mut bench, PEER, PEER_ADDRESS, 1, [NOBODY; 2]);
    assert_eq!(hellos(&mut bench), BTreeMap::from([(PEER_ADDRESS, 1)]));
    let roles = [PEER_ADDRESS, STRANGER_ADDRESS];
    say(&mut bench, STRANGER, STRANGER_ADDRESS, 1, roles);
    say(&mut bench, PEER, PEER_ADDRESS, 1, roles);
    assert_eq!(bench.interface().state, InterfaceState::DrOther);
    bench.sent.clear();
    say(&mut bench, PEER, PEER_ADDRESS, 1, roles);
    say(&mut bench, STRANGER, STRANGER_ADDRESS, 1, roles);
    assert_eq!(hellos(&mut bench), BTreeMap::new());
    bench.advance(Duration::from_secs(30));
    assert_eq!(hellos(&mut bench), BTreeMap::from([(PEER_ADDRESS, 3), (STRANGER_ADDRESS, 3)]));

    // A third one gets an answer to each of its hellos and nothing else.
    let (third, address) = (RouterId(Ipv4Addr::new(10, 0, 0, 9)), Ipv4Addr::new(172, 16, 0, 9));
    for _ in 0..2 {
        say(&mut bench, third, address, 1, roles);
        assert_eq!(hellos(&mut bench), BTreeMap::from([(address, 1)]));
    }
    bench.advance(Duration::from_secs(5));
    // Of somebody who cannot become one either only the first hello is answered, as everywhere.
    bench.sent.clear();
    let leaf = RouterId(Ipv4Addr::new(10, 0, 0, 4));
    for expected in [Some(&1), None] {
        say(&mut bench, leaf, LEAF_ADDRESS, 0, roles);
        assert_eq!(hellos(&mut bench).get(&LEAF_ADDRESS), expected);
    }
}

#[test]
fn who_is_neither_designated_nor_backup_greets_those_who_may_be() {
    let mut bench = bench(InterfaceType::NonBroadcast, 1);
    let roles = [PEER_ADDRESS, STRANGER_ADDRESS];
    say(&mut bench, PEER, PEER_ADDRESS, 9, roles);
    say(&mut bench, STRANGER, STRANGER_ADDRESS, 8, roles);
    let leaf = RouterId(Ipv4Addr::new(10, 0, 0, 4));
    say(&mut bench, leaf, LEAF_ADDRESS, 0, roles);
    assert_eq!(bench.interface().state, InterfaceState::DrOther);
    bench.sent.clear();
    bench.advance(Duration::from_secs(20));
    assert_eq!(hellos(&mut bench), BTreeMap::from([(PEER_ADDRESS, 2), (STRANGER_ADDRESS, 2)]));
    // A farewell is for all who were heard.
    bench.engine.shutdown(bench.now);
    bench.collect();
    let empty: Vec<_> = std::mem::take(&mut bench.sent)
        .into_iter()
        .filter(
            |(_, _, packet)| matches!(&packet.body, PacketBody::Hello(hello) if hello.neighbors.is_empty()),
        )
        .map(|(_, transmit, _)| transmit.destination)
        .collect();
    assert_eq!(empty, [PEER_ADDRESS, STRANGER_ADDRESS, LEAF_ADDRESS]);
}

#[test]
fn every_packet_of_an_adjacency_goes_to_one_address() {
    for interface_type in [InterfaceType::NonBroadcast, InterfaceType::PointToMultipoint] {
        let mut bench = bench(interface_type, 1);
        say(&mut bench, PEER, PEER_ADDRESS, 9, [PEER_ADDRESS, NOBODY]);
        let lsas = many(2);
        bench.describe(DdFlags::all(), &[]);
        bench.describe(DdFlags::MS, &lsas);
        bench.update(&lsas);
        bench.advance(millis(2000));
        bench.update(&lsas[..1]);
        bench.update(&[router_lsa(FAR, 1, 1)]);
        bench.advance(millis(200));
        let sent = sent(&mut bench);
        let types: std::collections::BTreeSet<_> = sent.iter().map(|(packet_type, _)| *packet_type).collect();
        assert_eq!(types, (1..=5).collect(), "{interface_type:?}");
        assert!(sent.iter().all(|(_, to)| !to.is_multicast()), "{interface_type:?}: {sent:?}");
        let beyond_hellos = sent.iter().filter(|(packet_type, _)| *packet_type > 1);
        assert!(beyond_hellos.clone().all(|(_, to)| *to == PEER_ADDRESS), "{interface_type:?}: {sent:?}");
    }
}

#[test]
fn what_is_flooded_and_delayed_acknowledgments_go_to_each_adjacent_router() {
    let mut bench = backup();
    bench.advance(Duration::from_secs(2));
    bench.sent.clear();
    // From the designated router: the backup acknowledges, to all with whom it exchanges databases.
    receive(&mut bench, PEER, PEER_ADDRESS, PacketBody::LinkStateUpdate(vec![router_lsa(FAR, 1, 1)]));
    bench.advance(millis(200));
    assert_eq!(sent(&mut bench), [(5, PEER_ADDRESS), (5, STRANGER_ADDRESS)]);

    // Another cost of ours is flooded to each.
    bench.reconfigure(|link| link.cost = 77);
    let updates: Vec<_> = sent(&mut bench).into_iter().filter(|(packet_type, _)| *packet_type == 4).collect();
    assert_eq!(updates, [(4, PEER_ADDRESS), (4, STRANGER_ADDRESS)]);
}

#[test]
fn each_copy_has_a_sequence_number_of_its_own() {
    let key = Key::always(1, Algorithm::HmacSha256, b"one for each");
    let link = InterfaceConfig {
        authentication: Authentication::Extended(vec![key]),
        ..config(InterfaceType::NonBroadcast, 1)
    };
    let bench = Bench::with(link, AreaConfig::default());
    let numbers: Vec<_> = bench
        .sent
        .iter()
        .map(|(_, transmit, _)| {
            let frame = isthmus_ospf::wire::Frame::decode(&transmit.payload).expect("a packet");
            assert_eq!(frame.auth.auth_type, auth_type::EXTENDED);
            frame.extended().expect("extended authentication").sequence
        })
        .collect();
    assert_eq!(numbers, [1, 2]);
}

#[test]
fn a_neighbor_that_falls_silent_is_polled_and_comes_back() {
    let mut bench = backup();
    for _ in 0..6 {
        bench.advance(Duration::from_secs(10));
        say(&mut bench, PEER, PEER_ADDRESS, 9, [PEER_ADDRESS, OWN_ADDRESS]);
    }
    // The other was not heard for RouterDeadInterval.
    assert_eq!(states(&bench)[&STRANGER_ADDRESS], (NeighborState::Down, RouterId(NOBODY)));
    assert_eq!(state_at(&bench, PEER_ADDRESS), Some(NeighborState::Full));
    bench.sent.clear();
    bench.advance(Duration::from_secs(39));
    assert!(hellos(&mut bench).get(&STRANGER_ADDRESS).is_none_or(|count| *count <= 1));
    say(&mut bench, STRANGER, STRANGER_ADDRESS, 0, [PEER_ADDRESS, OWN_ADDRESS]);
    assert_eq!(states(&bench)[&STRANGER_ADDRESS], (NeighborState::ExStart, STRANGER));
    exchange(&mut bench, STRANGER, STRANGER_ADDRESS);
    assert_eq!(state_at(&bench, STRANGER_ADDRESS), Some(NeighborState::Full));
}

#[test]
fn who_is_not_listed_becomes_a_neighbor_when_it_is_heard() {
    let mut bench = bench(InterfaceType::NonBroadcast, 1);
    let address = Ipv4Addr::new(172, 16, 0, 9);
    let router = RouterId(Ipv4Addr::new(10, 0, 0, 9));
    say(&mut bench, router, address, 1, [NOBODY; 2]);
    assert_eq!(states(&bench)[&address], (NeighborState::TwoWay, router));
    bench.sent.clear();
    bench.advance(Duration::from_secs(10));
    assert_eq!(hellos(&mut bench).get(&address), Some(&1));
    // Nobody asks for it once it is gone.
    bench.advance(Duration::from_secs(60));
    assert_eq!(state_at(&bench, address), None);
    bench.sent.clear();
    bench.advance(POLL * 2);
    assert_eq!(hellos(&mut bench).get(&address), None);
}

#[test]
fn listed_neighbors_of_a_multipoint_network_are_greeted_each_hello_interval() {
    let mut bench = bench(InterfaceType::PointToMultipoint, 0);
    assert!(states(&bench).values().all(|(state, _)| *state == NeighborState::Down));
    bench.advance(Duration::from_secs(99));
    let each = [PEER_ADDRESS, STRANGER_ADDRESS, LEAF_ADDRESS].map(|address| (address, 10));
    assert_eq!(hellos(&mut bench), BTreeMap::from(each));
    say(&mut bench, PEER, PEER_ADDRESS, 0, [NOBODY; 2]);
    exchange(&mut bench, PEER, PEER_ADDRESS);
    assert_eq!(state_at(&bench, PEER_ADDRESS), Some(NeighborState::Full));
    // Section 12.4.1.4, as on any such network.
    let own = own_links(&bench);
    assert_eq!(own, [(LinkType::PointToPoint, PEER.0), (LinkType::Stub, OWN_ADDRESS)]);
}

/// Type and id of the links that we announce.
fn own_links(bench: &Bench) -> Vec<(LinkType, Ipv4Addr)> {
    let updates = bench.sent.iter().rev().find_map(|(_, _, packet)| match &packet.body {
        PacketBody::LinkStateUpdate(lsas) => {
            lsas.iter().find(|lsa| lsa.header.key.ls_type == LsType::ROUTER).cloned()
        }
        _ => None,
    });
    match updates.expect("our router-LSA").body().expect("a body") {
        LsaBody::Router(router) => router.links.iter().map(|link| (link.link_type, link.id)).collect(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_designated_router_of_a_network_without_multicast_speaks_for_it() {
    let mut bench = bench(InterfaceType::NonBroadcast, 9);
    bench.advance(Duration::from_secs(40));
    say(&mut bench, PEER, PEER_ADDRESS, 1, [OWN_ADDRESS, PEER_ADDRESS]);
    exchange(&mut bench, PEER, PEER_ADDRESS);
    bench.advance(Duration::from_secs(3));
    assert_eq!(own_links(&bench), [(LinkType::Transit, OWN_ADDRESS)]);
    let database = bench.engine.view_database(bench.now, Some(AreaId::BACKBONE));
    let network = database.iter().find(|entry| entry.header.type_number == LsType::NETWORK.0);
    assert_eq!(network.map(|entry| entry.header.lsa_id), Some(OWN_ADDRESS));
}

#[test]
fn another_list_asks_whom_it_adds_and_ends_no_adjacency() {
    let mut bench = backup();
    let added = Ipv4Addr::new(172, 16, 0, 8);
    bench.reconfigure(|link| {
        link.static_neighbors.insert(added, listed(1));
        link.static_neighbors.remove(&LEAF_ADDRESS);
        link.static_neighbors.remove(&STRANGER_ADDRESS);
    });
    assert_eq!(hellos(&mut bench).get(&added), Some(&1));
    assert_eq!(state_at(&bench, added), Some(NeighborState::Attempt));
    assert_eq!(state_at(&bench, LEAF_ADDRESS), None);
    assert_eq!(state_at(&bench, PEER_ADDRESS), Some(NeighborState::Full));
    // Who is heard stays, until it is not.
    assert_eq!(state_at(&bench, STRANGER_ADDRESS), Some(NeighborState::Full));
    bench.advance(Duration::from_secs(41));
    assert_eq!(state_at(&bench, STRANGER_ADDRESS), None);
    assert_eq!(state_at(&bench, PEER_ADDRESS), Some(NeighborState::Down));
    bench.engine.handle_link(bench.now, LINK, false);
    bench.collect();
    bench.sent.clear();
    bench.advance(POLL * 2);
    assert_eq!((states(&bench).len(), bench.sent.len()), (0, 0));
}

#[test]
fn a_priority_from_now_on_makes_a_router_ask() {
    let mut bench = bench(InterfaceType::NonBroadcast, 0);
    bench.sent.clear();
    bench.reconfigure(|link| link.priority = 1);
    assert!(hellos(&mut bench).contains_key(&PEER_ADDRESS));
    // Alone among those that may be designated, it is, and asks everybody.
    let states: Vec<_> = states(&bench).into_values().map(|(state, _)| state).collect();
    assert_eq!((bench.interface().state, states), (InterfaceState::Dr, vec![NeighborState::Attempt; 3]));
}

#[test]
fn a_shorter_poll_interval_counts_at_once() {
    let mut bench = bench(InterfaceType::NonBroadcast, 1);
    bench.advance(Duration::from_secs(85));
    let short = Duration::from_secs(5);
    bench.reconfigure(|link| {
        link.priority = 0;
        link.static_neighbors.values_mut().for_each(|listed| listed.poll_interval = short);
    });
    bench.reconfigure(|link| link.priority = 1);
    // Whoever may become designated asks anew: let these attempts end.
    bench.advance(Duration::from_secs(45));
    bench.sent.clear();
    bench.advance(short * 4);
    assert_eq!(hellos(&mut bench).get(&STRANGER_ADDRESS), Some(&4));
}

#[test]
fn the_list_survives_a_recording() {
    let interfaces = BTreeMap::from([(LINK, config(InterfaceType::NonBroadcast, 1))]);
    let config = InstanceConfig { interfaces, ..InstanceConfig::default() };
    let text = serde_json::to_string(&config).expect("JSON");
    assert!(text.contains(r#""172.16.0.4":{"priority":0,"poll-interval":"#), "{text}");
    assert_eq!(serde_json::from_str::<InstanceConfig>(&text).expect("a configuration"), config);
}
