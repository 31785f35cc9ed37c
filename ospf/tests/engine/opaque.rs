//! Opaque advertisements (RFC 5250): how far they travel, and to whom; router information (RFC 7770) with the host name in it (RFC 5642).

use std::net::Ipv4Addr;

use isthmus_ospf::config::AreaType;
use isthmus_ospf::types::{AreaId, RouterId};
use isthmus_ospf::view::{DatabaseEntryView, LsaBodyView, NeighborState};
use isthmus_ospf::wire::opaque::{self, Capabilities, ROUTER_INFORMATION, RouterInformation};
use isthmus_ospf::wire::{LsType, Lsa, LsaBody, LsaKey, Options, PacketBody};

use crate::bench::{LINK, OWN, PEER, STRANGER, millis, seq};
use crate::two_links::{AREA, INNER, OUTER_SIDE, Router, STUB, Side, inner_side};

/// Full with both neighbors, of whom those take opaque advertisements that describe with bit O.
fn full(area_type: AreaType, outer: Options, inner: Options) -> Router {
    let mut router = Router::new(area_type);
    for (side, extra) in [(OUTER_SIDE, outer), (inner_side(area_type), inner)] {
        router.exchange_with(side, side.options | extra, &[]);
        assert_eq!(router.state(side), NeighborState::Full);
    }
    for _ in 0..6 {
        router.advance(millis(1000));
        router.acknowledge_all(area_type);
    }
    router.sent.clear();
    router
}

fn lsa(ls_type: LsType, originator: RouterId, sequence: i32) -> Lsa {
    let key = LsaKey { ls_type, id: opaque::id(200, 7), advertising_router: originator };
    Lsa::build(1, Options::E, key, seq(sequence), &LsaBody::Opaque(vec![0, 1, 0, 1, 9, 0, 0, 0]))
}

fn receive(router: &mut Router, side: Side, lsa: &Lsa) {
    router.receive(side, PacketBody::LinkStateUpdate(vec![lsa.clone()]));
}

fn on_links(router: &Router) -> Vec<(Option<String>, Ipv4Addr)> {
    let database = router.engine.view_link_databases(router.now);
    database.into_iter().map(|entry| (entry.interface, entry.header.lsa_id)).collect()
}

/// Section 3: type 9 stays on the link, type 10 in the area, type 11 goes everywhere; each as it came.
#[test]
fn each_type_travels_as_far_as_it_says() {
    for (ls_type, reaches) in
        [(LsType::OPAQUE_LINK, false), (LsType::OPAQUE_AREA, false), (LsType::OPAQUE_AS, true)]
    {
        let mut router = full(AreaType::Normal, Options::O, Options::O);
        let lsa = lsa(ls_type, PEER, 1);
        receive(&mut router, OUTER_SIDE, &lsa);
        assert_eq!(router.said_to(INNER).contains(&lsa.header.key), reaches, "{ls_type:?}");
        let carried = router.sent.iter().find_map(|(to, body)| match body {
            PacketBody::LinkStateUpdate(lsas) if *to == INNER => lsas.first(),
            _ => None,
        });
        assert_eq!(carried.map(|lsa| lsa.body_bytes()), reaches.then_some(lsa.body_bytes()));
        // It is acknowledged, and kept where it belongs.
        router.advance(millis(200));
        let acknowledged = router.sent.iter().any(|(to, body)| {
            *to == LINK
                && matches!(body, PacketBody::LinkStateAck(headers) if headers.iter().any(|h| h.key == lsa.header.key))
        });
        assert!(acknowledged, "{ls_type:?}");
        let kept = |area| router.engine.view_database(router.now, area).iter().any(is_opaque);
        assert_eq!(
            (on_links(&router).len(), kept(Some(AreaId::BACKBONE)), kept(Some(AREA)), kept(None)),
            match ls_type {
                LsType::OPAQUE_LINK => (1, false, false, false),
                LsType::OPAQUE_AREA => (0, true, false, false),
                _ => (0, false, false, true),
            }
        );
    }
}

fn is_opaque(entry: &DatabaseEntryView) -> bool {
    LsType(entry.header.type_number).is_opaque()
}

/// Section 3.1: neither flooded nor described to a neighbor whose descriptions have no bit O; ours have it, and no other packet has.
#[test]
fn a_neighbor_without_the_capability_is_told_nothing() {
    let mut router = full(AreaType::Normal, Options::O, Options::empty());
    let lsa = lsa(LsType::OPAQUE_AS, PEER, 1);
    receive(&mut router, OUTER_SIDE, &lsa);
    assert!(!router.said_to(INNER).contains(&lsa.header.key));
    // It comes back, as it was and then with the capability.
    for (extra, told) in [(Options::empty(), false), (Options::O, true)] {
        let side = inner_side(AreaType::Normal);
        router.sent.clear();
        router.receive(side, PacketBody::Hello(crate::bench::hello(Vec::new())));
        router.exchange_with(side, side.options | extra, &[]);
        assert_eq!(router.state(side), NeighborState::Full);
        assert_eq!(router.said_to(INNER).contains(&lsa.header.key), told);
        for (_, body) in &router.sent {
            match body {
                PacketBody::DatabaseDescription(dd) => assert!(dd.options.contains(Options::O)),
                PacketBody::Hello(hello) => assert!(!hello.options.contains(Options::O)),
                _ => {}
            }
        }
    }
}

/// Section 3: type 11 is no more for stub areas than type 5 is.
#[test]
fn a_stub_area_takes_none_for_the_whole_system() {
    let mut router = full(STUB, Options::O, Options::O);
    let lsa_of_outside = lsa(LsType::OPAQUE_AS, PEER, 1);
    receive(&mut router, OUTER_SIDE, &lsa_of_outside);
    assert!(!router.said_to(INNER).contains(&lsa_of_outside.header.key));
    receive(&mut router, inner_side(STUB), &lsa(LsType::OPAQUE_AS, STRANGER, 1));
    assert_eq!(router.bad(inner_side(STUB), "lsa_external_in_stub"), 1);
    assert_eq!(router.engine.view_database(router.now, None).len(), 1);
    // Those of the area and the link it takes.
    for ls_type in [LsType::OPAQUE_AREA, LsType::OPAQUE_LINK] {
        receive(&mut router, inner_side(STUB), &lsa(ls_type, STRANGER, 1));
    }
    assert_eq!(on_links(&router), [(Some("inner".to_owned()), opaque::id(200, 7))]);
}

/// One name on two links is two advertisements, and a link that goes down takes its own with it.
#[test]
fn links_do_not_share_names() {
    let mut router = full(AreaType::Normal, Options::O, Options::O);
    receive(&mut router, OUTER_SIDE, &lsa(LsType::OPAQUE_LINK, PEER, 5));
    receive(&mut router, inner_side(AreaType::Normal), &lsa(LsType::OPAQUE_LINK, PEER, 3));
    assert_eq!(router.bad(inner_side(AreaType::Normal), "lsa_older"), 0);
    let sequences: Vec<_> = router
        .engine
        .view_link_databases(router.now)
        .iter()
        .map(|entry| entry.header.seq_num & 0xff)
        .collect();
    assert_eq!((on_links(&router).len(), sequences), (2, vec![5, 3]));
    router.engine.handle_link(router.now, LINK, false);
    router.collect();
    assert_eq!(on_links(&router), [(Some("inner".to_owned()), opaque::id(200, 7))]);
    router.reconfigure(|config| {
        config.interfaces.remove(&INNER);
    });
    assert_eq!(on_links(&router), []);
    assert_eq!(router.engine.poll_timeout().map(|at| at > router.now), Some(true));
}

/// What is on a link ages there, and is flushed to its neighbors.
#[test]
fn what_stays_on_a_link_ages_too() {
    let mut router = full(AreaType::Normal, Options::O, Options::O);
    receive(&mut router, OUTER_SIDE, &lsa(LsType::OPAQUE_LINK, STRANGER, 1));
    for _ in 0..3_600 / 10 + 1 {
        for side in [OUTER_SIDE, inner_side(AreaType::Normal)] {
            router.hello(side);
        }
        router.advance(millis(10_000));
        router.acknowledge_all(AreaType::Normal);
    }
    assert_eq!(on_links(&router), []);
}

fn information(router: &Router, area: AreaId) -> Option<RouterInformation> {
    let database = router.engine.view_database(router.now, Some(area));
    let entry = database.iter().find(|entry| {
        entry.header.lsa_id == opaque::id(ROUTER_INFORMATION, 0) && entry.header.adv_router == OWN
    })?;
    assert!(entry.decode_completed || entry.header.age == 3_600);
    let Some(LsaBodyView::Opaque(body)) = &entry.body else { panic!("{entry:?}") };
    assert_eq!((body.opaque_type, body.opaque_id), (ROUTER_INFORMATION, 0));
    let said = body.router_information.as_ref()?;
    assert_eq!(said.informational_capabilities, ["graceful-restart-helper", "stub-router"]);
    let alive = (entry.header.age < 3_600).then(|| said.hostname.clone())?;
    Some(RouterInformation { capabilities: Some(Capabilities::STUB_ROUTER), hostname: alive })
}

#[test]
fn a_router_with_a_name_says_so_in_each_area_and_takes_it_back() {
    let mut router = full(AreaType::Normal, Options::O, Options::O);
    assert_eq!(information(&router, AREA), None);
    for name in ["node-1", "node-one"] {
        router.reconfigure(|config| config.hostname = Some(name.to_owned()));
        for _ in 0..6 {
            router.advance(millis(1000));
            router.acknowledge_all(AreaType::Normal);
        }
        for area in [AreaId::BACKBONE, AREA] {
            let said = information(&router, area).expect("router information");
            assert_eq!(said.hostname.as_deref(), Some(name));
        }
        assert_eq!(router.state(OUTER_SIDE), NeighborState::Full);
    }
    router.reconfigure(|config| config.hostname = None);
    assert_eq!((information(&router, AreaId::BACKBONE), information(&router, AREA)), (None, None));
}

#[test]
fn a_neighbor_is_shown_by_its_name() {
    let mut router = full(AreaType::Normal, Options::O, Options::O);
    let key = LsaKey {
        ls_type: LsType::OPAQUE_AREA,
        id: opaque::id(ROUTER_INFORMATION, 0),
        advertising_router: PEER,
    };
    let said = RouterInformation { capabilities: None, hostname: Some("frr-1".to_owned()) };
    let lsa = Lsa::build(1, Options::E, key, seq(1), &LsaBody::Opaque(said.encode()));
    receive(&mut router, OUTER_SIDE, &lsa);
    let names: Vec<_> =
        router.engine.view_neighbors(router.now).into_iter().map(|neighbor| neighbor.hostname).collect();
    assert_eq!(names, [Some("frr-1".to_owned()), None]);
    // A body that cannot be read names nobody, and is carried all the same.
    let lsa = Lsa::build(1, Options::E, key, seq(2), &LsaBody::Opaque(vec![0, 7, 0xff, 0xff, 1]));
    router.advance(millis(1_100));
    router.sent.clear();
    receive(&mut router, OUTER_SIDE, &lsa);
    assert!(router.engine.view_neighbors(router.now).iter().all(|neighbor| neighbor.hostname.is_none()));
}

/// Routes do not depend on them: no calculation follows.
#[test]
fn no_routes_are_calculated_for_them() {
    let mut router = full(AreaType::Normal, Options::O, Options::O);
    let runs = |router: &Router| router.engine.view_spf_log().last().map(|run| run.id);
    let before = runs(&router);
    for ls_type in [LsType::OPAQUE_LINK, LsType::OPAQUE_AREA, LsType::OPAQUE_AS] {
        receive(&mut router, OUTER_SIDE, &lsa(ls_type, PEER, 1));
    }
    router.advance(millis(10_000));
    assert_eq!(runs(&router), before);
}
