//! AS-external advertisements of ours (sections 12.4.1, 12.4.4, 14.1, appendix E).

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::Duration;

use ipnet::Ipv4Net;
use isthmus_ospf::config::{AreaType, ExternalRoute};
use isthmus_ospf::types::{AreaId, MAX_AGE, RouterId};
use isthmus_ospf::view::NeighborState;
use isthmus_ospf::wire::{AsExternalLsa, LsType, Lsa, LsaBody, LsaKey, Options, RouterFlags};

use crate::bench::{Bench, OWN, router_key, seq};

fn net(text: &str) -> Ipv4Net {
    text.parse().expect("a prefix")
}

fn external(metric: u32, e2: bool, tag: u32) -> ExternalRoute {
    ExternalRoute { metric, e2, tag, ..ExternalRoute::default() }
}

fn redistribute(bench: &mut Bench, routes: &[(&str, ExternalRoute)]) {
    let routes: BTreeMap<_, _> = routes.iter().map(|(prefix, route)| (net(prefix), *route)).collect();
    bench.engine.handle_redistribution(bench.now, routes);
    bench.collect();
}

fn key(router: RouterId, id: [u8; 4]) -> LsaKey {
    LsaKey { ls_type: LsType::AS_EXTERNAL, id: id.into(), advertising_router: router }
}

/// The last instances that left in updates since the last look, acknowledged.
fn sent(bench: &mut Bench) -> BTreeMap<LsaKey, Lsa> {
    bench.acknowledge_all();
    let lsas = bench.take_updates().into_iter().flat_map(|(_, lsas)| lsas);
    lsas.map(|lsa| (lsa.header.key, lsa)).collect()
}

fn body(lsa: &Lsa) -> AsExternalLsa {
    let Ok(LsaBody::AsExternal(body)) = lsa.body() else { panic!("{lsa:?}") };
    body
}

fn flags(lsa: &Lsa) -> RouterFlags {
    let Ok(LsaBody::Router(body)) = lsa.body() else { panic!("{lsa:?}") };
    body.flags
}

/// The link state ids in the database, and whether each is being flushed.
fn stored(bench: &Bench) -> Vec<(Ipv4Addr, bool)> {
    let database = bench.engine.view_database(bench.now, None);
    database.into_iter().map(|entry| (entry.header.lsa_id, entry.header.age >= MAX_AGE)).collect()
}

/// Full for so long that nothing has to wait for MinLSInterval.
fn settled() -> Bench {
    let mut bench = Bench::full(&[]);
    bench.advance_alive(Duration::from_secs(15));
    bench.sent.clear();
    bench
}

#[test]
fn an_external_route_is_flooded_as_it_was_given_and_makes_a_boundary_router() {
    let mut bench = settled();
    redistribute(
        &mut bench,
        &[("198.18.0.0/16", external(7, false, 42)), ("0.0.0.0/0", external(9, true, 0))],
    );
    let lsas = sent(&mut bench);
    let lsa = &lsas[&key(OWN, [198, 18, 0, 0])];
    let expected = AsExternalLsa {
        network_mask: [255, 255, 0, 0].into(),
        e2: false,
        metric: 7,
        forwarding_address: Ipv4Addr::UNSPECIFIED,
        tag: 42,
    };
    assert_eq!((body(lsa), lsa.header.options), (expected, Options::E));
    let default = body(&lsas[&key(OWN, [0; 4])]);
    assert_eq!((default.network_mask, default.e2, default.metric), (Ipv4Addr::UNSPECIFIED, true, 9));
    assert_eq!(flags(&lsas[&router_key(OWN)]), RouterFlags::E);
}

#[test]
fn only_what_differs_is_sent_and_the_rest_is_left_alone() {
    let mut bench = settled();
    let (one, two) = (external(7, true, 1), external(8, true, 2));
    redistribute(&mut bench, &[("198.18.0.0/24", one), ("198.18.1.0/24", one)]);
    sent(&mut bench);
    redistribute(&mut bench, &[("198.18.0.0/24", one), ("198.18.1.0/24", one)]);
    assert!(sent(&mut bench).is_empty(), "the same again");
    bench.advance_alive(Duration::from_secs(15));
    sent(&mut bench);
    redistribute(&mut bench, &[("198.18.0.0/24", two), ("198.18.1.0/24", one)]);
    let lsas = sent(&mut bench);
    assert_eq!(lsas.keys().copied().collect::<Vec<_>>(), [key(OWN, [198, 18, 0, 0])]);
    let changed = &lsas[&key(OWN, [198, 18, 0, 0])];
    assert_eq!((body(changed).metric, body(changed).tag, changed.header.sequence), (8, 2, seq(2)));
}

#[test]
fn what_is_gone_is_flushed_and_without_any_we_are_no_boundary_router() {
    let mut bench = settled();
    let route = external(7, true, 0);
    redistribute(&mut bench, &[("198.18.0.0/24", route), ("198.18.1.0/24", route)]);
    bench.advance_alive(Duration::from_secs(15));
    sent(&mut bench);
    redistribute(&mut bench, &[("198.18.1.0/24", route)]);
    let lsas = sent(&mut bench);
    assert_eq!(lsas.len(), 1, "{lsas:?}");
    assert_eq!(lsas[&key(OWN, [198, 18, 0, 0])].header.age, MAX_AGE);
    assert!(bench.engine.view_instance(bench.now).as_boundary_router);
    redistribute(&mut bench, &[]);
    let lsas = sent(&mut bench);
    assert_eq!(lsas[&key(OWN, [198, 18, 1, 0])].header.age, MAX_AGE);
    assert_eq!(flags(&lsas[&router_key(OWN)]), RouterFlags::empty());
    assert!(!bench.engine.view_instance(bench.now).as_boundary_router);
    assert_eq!(stored(&bench), [], "acknowledged, and gone from the database");
    assert_eq!(bench.state(), NeighborState::Full);
}

#[test]
fn networks_that_differ_only_in_their_masks_share_no_link_state_id() {
    let mut bench = settled();
    let route = external(7, true, 0);
    redistribute(&mut bench, &[("10.0.0.0/8", route), ("10.0.0.0/16", route), ("10.0.0.0/24", route)]);
    let lsas = sent(&mut bench);
    let masks: Vec<_> = [[10, 0, 0, 0], [10, 0, 255, 255], [10, 0, 0, 255]]
        .map(|id| body(&lsas[&key(OWN, id)]).network_mask.octets())
        .into();
    assert_eq!(masks, [[255, 0, 0, 0], [255, 255, 0, 0], [255, 255, 255, 0]]);
}

#[test]
fn another_router_id_announces_the_same_and_takes_back_the_old() {
    let mut bench = settled();
    redistribute(&mut bench, &[("198.18.0.0/24", external(7, true, 5))]);
    bench.advance_alive(Duration::from_secs(15));
    sent(&mut bench);
    let other = RouterId(Ipv4Addr::new(10, 0, 0, 99));
    bench.config.router_id = other;
    bench.engine.handle_config(bench.now, bench.config.clone());
    bench.collect();
    let updates = bench.take_updates();
    let lsas: Vec<_> = updates.iter().flat_map(|(_, lsas)| lsas).collect();
    let old = lsas.iter().find(|lsa| lsa.header.key == key(OWN, [198, 18, 0, 0])).expect("taken back");
    assert_eq!(old.header.age, MAX_AGE);
    let database = bench.engine.view_database(bench.now, None);
    let names: Vec<_> = database.iter().map(|entry| (entry.header.lsa_id, entry.header.adv_router)).collect();
    assert_eq!(names, [(Ipv4Addr::new(198, 18, 0, 0), other)]);
}

#[test]
fn what_an_earlier_life_announced_is_continued_or_flushed() {
    let earlier = |id: [u8; 4]| {
        let body = AsExternalLsa {
            network_mask: [255, 255, 255, 0].into(),
            e2: true,
            metric: 7,
            forwarding_address: Ipv4Addr::UNSPECIFIED,
            tag: 0,
        };
        Lsa::build(30, Options::E, key(OWN, id), seq(9), &LsaBody::AsExternal(body))
    };
    let mut bench = Bench::new();
    redistribute(&mut bench, &[("198.18.0.0/24", external(7, true, 0))]);
    bench.become_full(&[earlier([198, 18, 0, 0]), earlier([198, 18, 1, 0])]);
    bench.advance_alive(Duration::from_secs(15));
    sent(&mut bench);
    bench.advance_alive(Duration::from_secs(5));
    let database = bench.engine.view_database(bench.now, None);
    let held: Vec<_> = database.iter().map(|entry| (entry.header.lsa_id, entry.header.seq_num)).collect();
    assert_eq!(held, [(Ipv4Addr::new(198, 18, 0, 0), seq(10).0 as u32)]);
}

#[test]
fn a_router_in_stub_areas_alone_announces_nothing_until_an_area_takes_it() {
    let mut bench = settled();
    redistribute(&mut bench, &[("198.18.0.0/24", external(7, true, 0))]);
    let (backbone, stub) = (AreaId::BACKBONE, AreaId(Ipv4Addr::new(0, 0, 0, 9)));
    let normal = bench.config.clone();
    let mut area = bench.config.areas[&backbone].clone();
    area.area_type = AreaType::Stub { default_cost: 1, summary: true };
    bench.config.areas = BTreeMap::from([(stub, area)]);
    for interface in bench.config.interfaces.values_mut() {
        interface.area = stub;
    }
    bench.engine.handle_config(bench.now, bench.config.clone());
    bench.collect();
    assert_eq!(stored(&bench), []);
    bench.engine.handle_config(bench.now, normal);
    bench.collect();
    assert_eq!(stored(&bench), [(Ipv4Addr::new(198, 18, 0, 0), false)]);
}
