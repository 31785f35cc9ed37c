//! Flooding, acknowledgments and retransmission (sections 13, 13.5, 13.6, 13.7, 14), with the engine in the middle.

use std::net::Ipv4Addr;
use std::time::Duration;

use isthmus_ospf::config::AreaConfig;
use isthmus_ospf::types::{MAX_AGE, RouterId, SeqNum};
use isthmus_ospf::view::LsaLogReason;
use isthmus_ospf::wire::{Lsa, LsaBody, Options, PacketBody, RouterFlags, RouterLsa};

use crate::bench::{
    Bench, OWN, PEER, STRANGER, link_config, many, millis, router_key, router_lsa, seq, stub_lsa,
};

#[test]
fn acknowledgments_wait_a_little_for_company() {
    let mut bench = Bench::full(&[]);
    let start = bench.now;
    let lsas = many(3);
    for lsa in &lsas {
        bench.update(std::slice::from_ref(lsa));
        bench.advance(millis(10));
    }
    assert!(bench.take_acks().is_empty());
    bench.advance(millis(200));
    let acks = bench.take_acks();
    assert_eq!(acks.len(), 1, "one packet for all");
    assert_eq!(acks[0].1, lsas.iter().map(|lsa| lsa.header.key).collect::<Vec<_>>());
    assert_eq!(acks[0].0.since(start), millis(100));
}

#[test]
fn a_duplicate_is_acknowledged_at_once() {
    let lsa = router_lsa(STRANGER, 1, 1);
    let mut bench = Bench::full(std::slice::from_ref(&lsa));
    bench.update(&[lsa]);
    let acks = bench.take_acks();
    assert_eq!(acks.len(), 1);
    assert_eq!(acks[0].0, bench.now);
}

#[test]
fn a_copy_of_what_we_wait_for_is_an_acknowledgment_and_gets_none() {
    let mut bench = Bench::full(&[]);
    bench.reconfigure(|link| link.cost = 11);
    let updates = bench.take_updates();
    assert_eq!((updates.len(), bench.waiting_for_acks()), (1, 1));
    bench.update(&updates[0].1);
    assert_eq!(bench.waiting_for_acks(), 0);
    bench.advance(millis(500));
    assert!(bench.take_acks().is_empty());
}

#[test]
fn an_unacknowledged_instance_of_ours_is_sent_again_after_min_ls_arrival_and_then_every_interval() {
    let mut bench = Bench::full(&[]);
    let start = bench.now;
    bench.reconfigure(|link| link.cost = 11);
    bench.advance(Duration::from_secs(12));
    let times: Vec<_> = bench.take_updates().iter().map(|(at, _)| at.since(start).as_millis()).collect();
    assert_eq!(times, [0, 1050, 6050, 11050]);
    let latest = bench.engine.view_database(bench.now, Some(isthmus_ospf::types::AreaId::BACKBONE));
    assert_eq!(latest.len(), 1);
    assert_eq!(bench.interface().statistics.retransmission_count, 3);
}

#[test]
fn the_first_retransmission_follows_a_configured_min_ls_arrival() {
    // Peers acknowledge up to 100 ms later, so that nothing is sent again before that.
    for (arrival, first) in [(Duration::ZERO, 150), (millis(10), 150), (millis(400), 450)] {
        let area = AreaConfig {
            min_ls_interval: Some(millis(10)),
            min_ls_arrival: Some(arrival),
            ..AreaConfig::default()
        };
        let mut bench = Bench::with(link_config(), area);
        bench.become_full(&[]);
        let start = bench.now;
        bench.reconfigure(|link| link.cost = 11);
        bench.advance(Duration::from_secs(6));
        let times: Vec<_> = bench.take_updates().iter().map(|(at, _)| at.since(start).as_millis()).collect();
        assert_eq!(times, [0, first, first + 5000], "MinLSArrival {arrival:?}");
    }
}

#[test]
fn an_advertisement_of_another_router_waits_for_the_whole_interval() {
    let mut bench = Bench::full(&[router_lsa(STRANGER, 5, MAX_AGE - 5)]);
    bench.advance(Duration::from_secs(10));
    let times: Vec<_> = bench.take_updates().iter().map(|(at, _)| *at).collect();
    assert_eq!(times.len(), 2);
    assert_eq!(times[1].since(times[0]), Duration::from_secs(5));
}

/// An advertisement of another router says something that only its own router understands.
#[test]
fn an_odd_body_of_another_router_is_stored_flooded_on_and_acknowledged() {
    for (what, body) in odd_bodies() {
        let odd = Lsa::build(1, Options::E, router_key(STRANGER), seq(1), &LsaBody::Unknown(body));
        // In the exchange: the adjacency becomes Full, which `full` asserts,
        let mut bench = Bench::full(std::slice::from_ref(&odd));
        assert!(bench.stored(router_key(STRANGER)).is_some(), "{what}");
        bench.receive(PacketBody::LinkStateRequest(vec![router_key(STRANGER)]));
        let updates = bench.take_updates();
        assert_eq!(updates[0].1[0].bytes[2..], odd.bytes[2..], "{what}: handed on but for the age");
        // and later.
        let mut bench = Bench::full(&[]);
        bench.update(std::slice::from_ref(&odd));
        assert!(bench.stored(router_key(STRANGER)).is_some(), "{what}");
        bench.advance(millis(200));
        assert_eq!(bench.take_acks().len(), 1, "{what}");
    }
}

fn odd_bodies() -> Vec<(&'static str, Vec<u8>)> {
    let stub = [192, 0, 2, 0, 255, 255, 255, 0, 3, 0, 0, 1];
    let undefined = [192, 0, 2, 0, 255, 255, 255, 0, 9, 0, 0, 1];
    vec![
        ("an undefined link", [&[0, 0, 0, 2][..], &stub, &undefined].concat()),
        ("bytes after the links", [&[0, 0, 0, 1][..], &stub, &[1, 2, 3]].concat()),
        ("more links announced than there are", [&[0, 0, 255, 255][..], &stub].concat()),
        ("nothing", Vec::new()),
    ]
}

#[test]
fn an_acknowledgment_of_another_instance_does_not_count() {
    let mut bench = Bench::full(&[]);
    bench.reconfigure(|link| link.cost = 11);
    let (_, lsas) = bench.take_updates().remove(0);
    let mut older = lsas[0].header;
    older.sequence.0 -= 1;
    bench.receive(PacketBody::LinkStateAck(vec![older]));
    assert_eq!((bench.waiting_for_acks(), bench.ignored("bad_ack")), (1, 1));
    bench.receive(PacketBody::LinkStateAck(vec![lsas[0].header]));
    assert_eq!(bench.waiting_for_acks(), 0);
    bench.advance(Duration::from_secs(8));
    assert!(bench.take_updates().is_empty());
}

#[test]
fn a_second_instance_within_min_ls_arrival_is_dropped_without_a_word() {
    let mut bench = Bench::full(&[]);
    bench.update(&[stub_lsa(STRANGER, 1, 1, 1)]);
    bench.advance(millis(900));
    bench.sent.clear();
    bench.update(&[stub_lsa(STRANGER, 2, 1, 2)]);
    bench.advance(millis(99));
    assert!(bench.sent.is_empty());
    assert_eq!(bench.ignored("lsa_too_soon"), 1);
    bench.advance(millis(1));
    bench.update(&[stub_lsa(STRANGER, 2, 1, 2)]);
    assert_eq!(bench.stored(router_key(STRANGER)).map(|(sequence, _)| sequence), Some(0x8000_0002));
}

#[test]
fn of_two_instances_in_one_update_the_newer_counts() {
    for order in [[1, 2], [2, 1]] {
        let mut bench = Bench::full(&[]);
        bench.update(&order.map(|n| stub_lsa(STRANGER, n, 1, 5)));
        assert_eq!(bench.stored(router_key(STRANGER)).map(|(sequence, _)| sequence), Some(0x8000_0002));
        bench.advance(millis(200));
        let acks = bench.take_acks();
        assert_eq!(acks.len(), 1, "{acks:?}");
        assert_eq!((bench.ignored("lsa_too_soon"), bench.ignored("lsa_older")), (0, 0));
    }
    // A damaged one is none.
    let mut damaged = stub_lsa(STRANGER, 2, 1, 5);
    let mut bytes = damaged.bytes.to_vec();
    bytes[30] ^= 1;
    damaged.bytes = bytes.into();
    let right = stub_lsa(STRANGER, 1, 1, 5);
    for lsas in [[right.clone(), damaged.clone()], [damaged, right]] {
        let mut bench = Bench::full(&[]);
        bench.update(&lsas);
        assert_eq!(bench.stored(router_key(STRANGER)).map(|(sequence, _)| sequence), Some(0x8000_0001));
        assert_eq!(bench.refused("lsa_checksum"), 1);
    }
}

#[test]
fn a_neighbor_that_asks_for_its_own_instance_of_an_earlier_life_gets_it_twice() {
    // It has just made another one, and drops ours within its MinLSArrival.
    let mut bench = Bench::full(&[router_lsa(PEER, 7, 10), router_lsa(STRANGER, 7, 10)]);
    let times = |bench: &mut Bench| -> Vec<_> {
        let start = bench.now;
        bench.receive(PacketBody::LinkStateRequest(vec![router_key(PEER), router_key(STRANGER)]));
        bench.advance(Duration::from_secs(3));
        let updates = bench.take_updates();
        updates.iter().map(|(at, lsas)| (at.since(start).as_millis(), lsas.len())).collect()
    };
    assert_eq!(times(&mut bench), [(0, 2), (1050, 1)]);
    // What it makes of it ends that.
    bench.update(&[router_lsa(PEER, 8, 1)]);
    assert_eq!(bench.waiting_for_acks(), 0);
    bench.advance(Duration::from_secs(6));
    assert!(bench.take_updates().is_empty());
}

#[test]
fn what_the_exchange_has_brought_may_be_followed_at_once() {
    // A neighbor originates the instance that lists us as soon as it is Full: milliseconds after the first.
    let mut bench = Bench::new();
    bench.hello();
    bench.describe(isthmus_ospf::wire::DdFlags::all(), &[]);
    let first = stub_lsa(PEER, 1, 1, 1);
    bench.describe(isthmus_ospf::wire::DdFlags::MS, std::slice::from_ref(&first));
    bench.update(&[first]);
    bench.advance(millis(1));
    bench.update(&[stub_lsa(PEER, 2, 1, 2)]);
    assert_eq!(bench.stored(router_key(PEER)).map(|(sequence, _)| sequence), Some(0x8000_0002));
}

#[test]
fn an_older_instance_is_answered_with_ours_but_not_in_a_storm() {
    let mut bench = Bench::full(&[router_lsa(STRANGER, 5, 1)]);
    for _ in 0..3 {
        bench.update(&[router_lsa(STRANGER, 4, 1)]);
    }
    let updates = bench.take_updates();
    assert_eq!(updates.len(), 1, "once within MinLSArrival");
    assert_eq!(updates[0].1[0].header.key, router_key(STRANGER));
    assert_eq!(updates[0].1[0].header.sequence, crate::bench::seq(5));
    bench.advance(millis(1000));
    bench.update(&[router_lsa(STRANGER, 4, 1)]);
    assert_eq!(bench.take_updates().len(), 1);
    assert!(bench.take_acks().is_empty());
}

/// Section 13 step 8: what is flushed is said again to whoever has an older instance, unless its number is about to wrap.
#[test]
fn what_is_flushed_answers_an_older_instance_but_not_at_the_last_number() {
    let at = |sequence: SeqNum, age: u16| {
        let Lsa { header, .. } = router_lsa(STRANGER, 5, age);
        let body = LsaBody::Router(RouterLsa { flags: RouterFlags::empty(), links: Vec::new() });
        Lsa::build(age, header.options, header.key, sequence, &body)
    };
    for (sequence, answers) in [(SeqNum(77), 1), (SeqNum::MAX, 0)] {
        let mut bench = Bench::full(&[at(sequence, MAX_AGE - 10)]);
        // Nobody acknowledges the flush, so that it stays.
        bench.advance(Duration::from_secs(10));
        assert_eq!(bench.stored(router_key(STRANGER)).map(|(_, age)| age), Some(MAX_AGE));
        bench.advance(millis(1_500));
        bench.take();
        bench.update(&[at(SeqNum(70), 1)]);
        assert_eq!(bench.take_updates().len(), answers, "{sequence:?}");
    }
}

#[test]
fn max_age_without_a_copy_is_acknowledged_and_not_kept() {
    let mut bench = Bench::full(&[]);
    bench.update(&[router_lsa(STRANGER, 5, MAX_AGE)]);
    let acks = bench.take_acks();
    assert_eq!((acks.len(), acks[0].0), (1, bench.now));
    assert_eq!(bench.stored(router_key(STRANGER)), None);
}

#[test]
fn max_age_of_a_copy_flushes_it() {
    let mut bench = Bench::full(&[router_lsa(STRANGER, 5, 1)]);
    bench.update(&[router_lsa(STRANGER, 5, MAX_AGE)]);
    // Nobody but the sender needs to hear of it.
    assert_eq!(bench.stored(router_key(STRANGER)), None);
    bench.advance(millis(200));
    assert_eq!(bench.take_acks().len(), 1);
}

/// On a network that reorders packets the flush of an advertisement may come before the advertisement itself.
#[test]
fn a_copy_that_its_flush_has_overtaken_is_not_new() {
    let (copy, flushed) = (router_lsa(STRANGER, 5, 1), router_lsa(STRANGER, 5, MAX_AGE));
    // The flush first, and nothing there before.
    let mut bench = Bench::full(&[]);
    bench.update(std::slice::from_ref(&flushed));
    bench.advance(millis(5));
    bench.update(std::slice::from_ref(&copy));
    assert_eq!(bench.stored(router_key(STRANGER)), None);
    // A duplicate of what was there.
    let mut bench = Bench::full(std::slice::from_ref(&copy));
    bench.update(std::slice::from_ref(&flushed));
    bench.advance(millis(5));
    bench.update(std::slice::from_ref(&copy));
    assert_eq!(bench.stored(router_key(STRANGER)), None);
    // What is newer is new, and so is what is not late but said again.
    bench.update(&[router_lsa(STRANGER, 6, 1)]);
    assert_eq!(bench.stored(router_key(STRANGER)), Some((0x8000_0006, 1)));
    let mut bench = Bench::full(&[]);
    bench.update(&[flushed]);
    bench.advance(millis(300));
    bench.update(&[copy]);
    assert_eq!(bench.stored(router_key(STRANGER)), Some((0x8000_0005, 1)));
}

#[test]
fn an_advertisement_that_reaches_max_age_is_flooded_and_leaves_when_acknowledged() {
    let mut bench = Bench::full(&[router_lsa(STRANGER, 5, MAX_AGE - 5)]);
    bench.advance(Duration::from_secs(5));
    let updates = bench.take_updates();
    let [(_, lsas)] = &updates[..] else { panic!("{updates:?}") };
    assert_eq!((lsas[0].header.key, lsas[0].header.age), (router_key(STRANGER), MAX_AGE));
    assert!(bench.stored(router_key(STRANGER)).is_some(), "until it is acknowledged");
    bench.receive(PacketBody::LinkStateAck(vec![lsas[0].header]));
    assert_eq!(bench.stored(router_key(STRANGER)), None);
}

#[test]
fn the_age_grows_while_stored_and_by_the_transmit_delay_when_sent() {
    let mut bench = Bench::full(&[router_lsa(STRANGER, 5, 100)]);
    bench.advance(Duration::from_secs(30));
    // Two seconds have passed in `full`.
    assert_eq!(bench.stored(router_key(STRANGER)).map(|(_, age)| age), Some(132));
    bench.sent.clear();
    bench.receive(PacketBody::LinkStateRequest(vec![router_key(STRANGER)]));
    assert_eq!(bench.take_updates()[0].1[0].header.age, 133);
}

#[test]
fn updates_are_packed_up_to_the_mtu() {
    let lsas = many(100);
    let mut bench = Bench::full(&lsas);
    bench.receive(PacketBody::LinkStateRequest(lsas.iter().map(|lsa| lsa.header.key).collect()));
    let sizes: Vec<_> = bench.sent.iter().map(|(_, transmit, _)| transmit.payload.len() + 20).collect();
    let updates = bench.take_updates();
    assert_eq!(updates.iter().map(|(_, lsas)| lsas.len()).sum::<usize>(), 100);
    // 36 bytes each, 40 to a packet.
    assert_eq!((updates.len(), updates[0].1.len()), (3, 40));
    assert!(sizes.iter().all(|size| *size <= 1500), "{sizes:?}");
}

/// A second copy of the same instance, which is dropped as older, must not pass for acknowledged by that: its sender would
/// keep it.
#[test]
fn what_was_replaced_since_is_not_acknowledged_any_more() {
    let mut bench = Bench::full(&[]);
    bench.advance(Duration::from_secs(5));
    bench.take();
    bench.update(&[stub_lsa(OWN, 40, 1, 77), router_lsa(STRANGER, 5, 1)]);
    assert_eq!(bench.stored(router_key(OWN)).map(|(sequence, _)| sequence), Some(0x8000_0029));
    bench.advance(millis(200));
    let acks: Vec<_> = bench.take_acks().into_iter().flat_map(|(_, keys)| keys).collect();
    assert_eq!(acks, [router_key(STRANGER)]);
}

#[test]
fn our_own_newer_instance_from_an_earlier_life_is_overtaken() {
    let mut bench = Bench::full(&[]);
    bench.advance(Duration::from_secs(5));
    bench.update(&[stub_lsa(OWN, 40, 1, 77)]);
    let updates = bench.take_updates();
    let own: Vec<_> = updates.iter().flat_map(|(_, lsas)| lsas).map(|lsa| lsa.header).collect();
    assert_eq!(own.last().map(|header| header.sequence), Some(crate::bench::seq(41)));
    assert_eq!(bench.stored(router_key(OWN)).map(|(sequence, _)| sequence), Some(0x8000_0029));
}

/// The log of RFC 9129: what came, when, and why.
#[test]
fn the_log_says_what_came_to_the_database_and_why() {
    let mut bench = Bench::full(&[router_lsa(PEER, 1, 10)]);
    let before = bench.engine.view_lsa_log().last().map_or(0, |event| event.id);
    bench.advance(millis(2_000));
    let began = bench.now;
    bench.update(&[stub_lsa(STRANGER, 1, 10, 7)]);
    bench.advance(millis(2_000));
    bench.update(&[stub_lsa(STRANGER, 2, 1, 7)]);
    bench.advance(millis(2_000));
    bench.update(&[stub_lsa(STRANGER, 3, 3_600, 7)]);
    let log: Vec<_> = bench.engine.view_lsa_log().into_iter().filter(|event| event.id > before).collect();
    let said: Vec<_> = log.iter().map(|event| (event.lsa.seq_num & 0xff, event.reason)).collect();
    assert_eq!(
        said,
        [(1, LsaLogReason::ContentChange), (2, LsaLogReason::Refresh), (3, LsaLogReason::Purge)]
    );
    assert!(log.iter().all(|event| event.lsa.adv_router == STRANGER && event.received_timestamp >= began));
    // It is bounded.
    for number in 0..300 {
        bench.update(&[stub_lsa(
            RouterId(Ipv4Addr::new(10, 9, (number >> 8) as u8, number as u8)),
            1,
            10,
            7,
        )]);
    }
    let log = bench.engine.view_lsa_log();
    assert_eq!(
        (log.len(), log.last().map(|event| event.lsa.adv_router)),
        (256, Some(RouterId(Ipv4Addr::new(10, 9, 1, 43))))
    );
}
