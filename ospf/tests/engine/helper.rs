//! Helping a neighbor that restarts (RFC 3623 section 3).

use std::time::Duration;

use isthmus_ospf::view::{LsaBodyView, NeighborState, RestartExitReason};
use isthmus_ospf::wire::opaque::{self, GRACE, Grace, RestartReason};
use isthmus_ospf::wire::{DdFlags, LsType, Lsa, LsaBody, LsaKey, Options, PacketBody};
use isthmus_ospf::{Notification, Output};

use crate::bench::{Bench, OWN, PEER, STRANGER, hello, router_key, router_lsa, seq, stub_lsa};

const PERIOD: u64 = 120;

fn grace(sequence: i32, age: u16) -> Lsa {
    let key = LsaKey { ls_type: LsType::OPAQUE_LINK, id: opaque::id(GRACE, 0), advertising_router: PEER };
    let said = Grace { period: PERIOD as u32, reason: RestartReason::SoftwareRestart, address: None };
    Lsa::build(age, Options::E, key, seq(sequence), &LsaBody::Opaque(said.encode()))
}

/// Full, and the peer has announced its restart.
fn restarting() -> Bench {
    let mut bench = Bench::full(&[router_lsa(PEER, 1, 10), router_lsa(STRANGER, 1, 10)]);
    bench.update(&[grace(1, 0)]);
    assert_eq!(helped(&bench), Some(PERIOD));
    bench.sent.clear();
    bench.said.clear();
    bench
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// For how long the peer is still helped.
fn helped(bench: &Bench) -> Option<u64> {
    bench.engine.view_neighbors(bench.now).first().and_then(|neighbor| neighbor.restart_helper_age)
}

/// Whether our router-LSA has a link to the peer.
fn announces_peer(bench: &Bench) -> bool {
    let database = bench.engine.view_database(bench.now, Some(isthmus_ospf::types::AreaId::BACKBONE));
    let own = database.iter().find(|entry| entry.header.type_number == 1 && entry.header.adv_router == OWN);
    let Some(LsaBodyView::Router(router)) = own.and_then(|entry| entry.body.as_ref()) else {
        panic!("{database:?}")
    };
    router.links.iter().any(|link| link.link_type == "point-to-point-link" && link.link_id == PEER.0)
}

/// The ends of help that were told.
fn exits(bench: &mut Bench) -> Vec<RestartExitReason> {
    let said = std::mem::take(&mut bench.said).into_iter();
    said.filter_map(|output| match output {
        Output::Notification(Notification::NeighborRestartHelperStatusChange {
            age: None,
            exit_reason,
            ..
        }) => Some(exit_reason),
        _ => None,
    })
    .collect()
}

/// The peer's new process: it knows nobody, and exchanges databases anew.
fn comes_back(bench: &mut Bench) {
    bench.receive(PacketBody::Hello(hello(Vec::new())));
    assert_eq!(bench.state(), NeighborState::Full, "it is not down for that");
    bench.hello();
    bench.describe(DdFlags::I | DdFlags::M | DdFlags::MS, &[]);
    assert_eq!(bench.state(), NeighborState::ExStart);
    bench.describe(DdFlags::I | DdFlags::M | DdFlags::MS, &[]);
    bench.describe(DdFlags::MS, &[]);
    assert_eq!(bench.state(), NeighborState::Full);
}

#[test]
fn a_neighbor_that_restarts_is_announced_as_before_until_it_is_back() {
    let mut bench = restarting();
    let before = bench.stored(router_key(OWN)).map(|(sequence, _)| sequence);
    // Longer than RouterDeadInterval.
    bench.advance(seconds(60));
    assert_eq!(
        (bench.state(), announces_peer(&bench), helped(&bench)),
        (NeighborState::Full, true, Some(60))
    );
    comes_back(&mut bench);
    assert!(announces_peer(&bench));
    bench.update(&[grace(1, 3_600)]);
    assert_eq!((helped(&bench), exits(&mut bench)), (None, vec![RestartExitReason::Completed]));
    bench.advance_alive(seconds(30));
    assert_eq!((bench.state(), announces_peer(&bench)), (NeighborState::Full, true));
    assert_eq!(
        bench.stored(router_key(OWN)).map(|(sequence, _)| sequence),
        before,
        "nobody was told anything"
    );
    // From now on its silence counts again.
    bench.advance(seconds(41));
    assert_eq!((bench.state(), announces_peer(&bench)), (NeighborState::Down, false));
}

#[test]
fn after_the_grace_period_a_silent_neighbor_is_down() {
    let mut bench = restarting();
    bench.advance(seconds(PERIOD - 1));
    assert!(announces_peer(&bench));
    bench.advance(seconds(1));
    assert_eq!((bench.state(), exits(&mut bench)), (NeighborState::Down, vec![RestartExitReason::TimedOut]));
    bench.advance(seconds(6));
    assert!(!announces_peer(&bench));
}

#[test]
fn one_that_was_back_without_saying_so_stays_after_the_grace_period() {
    let mut bench = restarting();
    bench.advance(seconds(20));
    comes_back(&mut bench);
    bench.advance_alive(seconds(PERIOD));
    assert_eq!((bench.state(), exits(&mut bench)), (NeighborState::Full, vec![RestartExitReason::TimedOut]));
    assert!(announces_peer(&bench));
}

/// Section 3.2 (3): what it does not know of could lead packets in circles.
#[test]
fn a_change_of_the_topology_ends_the_help_if_it_is_strict() {
    for strict in [true, false] {
        let mut bench = Bench::full(&[router_lsa(PEER, 1, 10)]);
        bench.config.graceful_restart.helper_strict_lsa_checking = strict;
        bench.reconfigure(|_| {});
        bench.update(&[grace(1, 0)]);
        bench.advance(seconds(50));
        bench.said.clear();
        assert!(announces_peer(&bench));
        // A network of ours comes.
        bench.reconfigure(|link| link.stub_prefixes = vec![("192.0.2.0/24".parse().unwrap(), 1)]);
        let expected = match strict {
            true => (NeighborState::Down, vec![RestartExitReason::TopologyChanged]),
            false => (NeighborState::Full, Vec::new()),
        };
        assert_eq!((bench.state(), exits(&mut bench)), expected);
    }
}

/// An advertisement that says what it said before is a refresh, and ends nothing; another one of a third router does.
#[test]
fn a_refresh_is_no_change() {
    let mut bench = Bench::full(&[router_lsa(PEER, 1, 10), stub_lsa(STRANGER, 1, 10, 7)]);
    bench.update(&[grace(1, 0)]);
    bench.advance(seconds(2));
    bench.update(&[stub_lsa(STRANGER, 2, 1, 7)]);
    assert_eq!(helped(&bench), Some(PERIOD - 2));
    bench.advance(seconds(2));
    bench.update(&[stub_lsa(STRANGER, 3, 1, 8)]);
    assert_eq!(helped(&bench), None);
}

#[test]
fn who_is_not_full_or_not_to_be_helped_is_not() {
    let mut bench = Bench::full(&[router_lsa(PEER, 1, 10)]);
    bench.config.graceful_restart.helper_enabled = false;
    bench.reconfigure(|_| {});
    bench.update(&[grace(1, 0)]);
    assert_eq!(helped(&bench), None);
    bench.advance(seconds(41));
    assert_eq!(bench.state(), NeighborState::Down);

    // One that is old is over.
    let mut bench = Bench::full(&[router_lsa(PEER, 1, 10)]);
    bench.update(&[grace(1, PERIOD as u16)]);
    assert_eq!(helped(&bench), None);
    // Help can be taken back.
    bench.advance(seconds(2));
    bench.update(&[grace(2, 10)]);
    assert_eq!(helped(&bench), Some(PERIOD - 10));
    bench.config.graceful_restart.helper_enabled = false;
    bench.reconfigure(|_| {});
    assert_eq!((helped(&bench), bench.state()), (None, NeighborState::Full));
}

#[test]
fn a_grace_lsa_about_another_router_or_nonsense_helps_nobody() {
    let mut bench = Bench::full(&[router_lsa(PEER, 1, 10)]);
    let of = |router, body: Vec<u8>| {
        let key =
            LsaKey { ls_type: LsType::OPAQUE_LINK, id: opaque::id(GRACE, 0), advertising_router: router };
        Lsa::build(0, Options::E, key, seq(1), &LsaBody::Opaque(body))
    };
    bench.update(&[of(STRANGER, grace(1, 0).body_bytes().to_vec())]);
    bench.update(&[of(PEER, vec![0, 1, 0, 4, 0, 0])]);
    assert_eq!(helped(&bench), None);
}

/// A link that goes down is no restart.
#[test]
fn a_link_that_goes_down_ends_it() {
    let mut bench = restarting();
    bench.engine.handle_link(bench.now, crate::bench::LINK, false);
    bench.collect();
    assert_eq!(bench.state(), NeighborState::Down);
    bench.engine.handle_link(bench.now, crate::bench::LINK, true);
    bench.collect();
    bench.hello();
    assert_eq!(helped(&bench), None);
}
