//! What is remembered about advertisements of our own.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::Duration;

use ipnet::Ipv4Net;

use crate::Instance;
use crate::config::{AreaConfig, InstanceConfig, InterfaceConfig};
use crate::types::{AreaId, Instant, InterfaceId, RouterId, SeqNum};

const INSIDE: InterfaceId = InterfaceId(2);

fn interface(area: AreaId, address: &str) -> InterfaceConfig {
    InterfaceConfig {
        name: address.to_owned(),
        area,
        address: address.parse().unwrap(),
        cost: 1,
        hello_interval: Duration::from_secs(1),
        dead_interval: Duration::from_secs(4),
        ..InterfaceConfig::default()
    }
}

/// An area border router without neighbors.
fn border_router(now: Instant) -> (Instance, InstanceConfig) {
    let area = AreaId(Ipv4Addr::new(0, 0, 0, 51));
    let config = InstanceConfig {
        router_id: RouterId(Ipv4Addr::new(10, 0, 0, 1)),
        areas: BTreeMap::from([(AreaId::BACKBONE, AreaConfig::default()), (area, AreaConfig::default())]),
        interfaces: BTreeMap::from([
            (InterfaceId(1), interface(AreaId::BACKBONE, "172.16.0.1/30")),
            (INSIDE, interface(area, "172.17.0.1/30")),
        ]),
        maximum_paths: 1,
        ..InstanceConfig::default()
    };
    let mut engine = Instance::new(now, config.clone(), 1);
    for id in config.interfaces.keys() {
        engine.handle_link(now, *id, true);
    }
    (engine, config)
}

fn advance(engine: &mut Instance, from: Instant, duration: Duration) -> Instant {
    let end = from + duration;
    while let Some(at) = engine.poll_timeout().filter(|at| *at <= end) {
        engine.handle_timeout(at);
    }
    while engine.poll_output().is_some() {}
    end
}

#[test]
fn a_border_router_forgets_the_prefixes_of_the_past() {
    let mut now = Instant(1_000_000);
    let (mut engine, mut config) = border_router(now);
    let remembered = |engine: &Instance| engine.areas[&AreaId::BACKBONE].originations.len();
    now = advance(&mut engine, now, Duration::from_secs(20));
    let before = remembered(&engine);
    for n in 0..50 {
        let prefix = Ipv4Net::from(Ipv4Addr::new(10, 200, 0, n));
        config.interfaces.get_mut(&INSIDE).unwrap().stub_prefixes = vec![(prefix, 0)];
        engine.handle_config(now, config.clone());
        assert!(remembered(&engine) > before, "{n}");
        now = advance(&mut engine, now, Duration::from_secs(1));
    }
    // While another router may have an instance, its sequence number is remembered,
    assert_eq!(remembered(&engine), before + 50);
    config.interfaces.get_mut(&INSIDE).unwrap().stub_prefixes = Vec::new();
    engine.handle_config(now, config.clone());
    // and not for ever.
    advance(&mut engine, now, Duration::from_secs(3700));
    assert_eq!(remembered(&engine), before);
}

#[test]
fn what_was_flushed_comes_back_with_the_next_sequence_number() {
    let mut now = Instant(1_000_000);
    let (mut engine, mut config) = border_router(now);
    let prefix = Ipv4Net::from(Ipv4Addr::new(10, 200, 0, 1));
    let summary = |engine: &Instance| {
        let lsdb = &engine.areas[&AreaId::BACKBONE].lsdb;
        lsdb.iter().find(|(name, _)| name.id == prefix.addr()).map(|(_, entry)| entry.lsa.header.sequence)
    };
    for round in 0..3 {
        config.interfaces.get_mut(&INSIDE).unwrap().stub_prefixes = vec![(prefix, 0)];
        engine.handle_config(now, config.clone());
        now = advance(&mut engine, now, Duration::from_secs(10));
        assert_eq!(summary(&engine), Some(SeqNum(SeqNum::INITIAL.0 + round)));
        config.interfaces.get_mut(&INSIDE).unwrap().stub_prefixes = Vec::new();
        engine.handle_config(now, config.clone());
        now = advance(&mut engine, now, Duration::from_secs(60));
        assert_eq!(summary(&engine), None);
    }
}

#[test]
fn a_prefix_that_comes_and_goes_is_held_back_all_the_same() {
    let mut now = Instant(1_000_000);
    let (mut engine, mut config) = border_router(now);
    now = advance(&mut engine, now, Duration::from_secs(20));
    let before = engine.statistics.originated_lsas;
    let flaps = 20;
    for _ in 0..flaps {
        for prefixes in [vec![(Ipv4Net::from(Ipv4Addr::new(10, 200, 0, 1)), 0)], Vec::new()] {
            config.interfaces.get_mut(&INSIDE).unwrap().stub_prefixes = prefixes;
            engine.handle_config(now, config.clone());
            now = advance(&mut engine, now, Duration::from_millis(50));
        }
    }
    // Two seconds: the summary at 0 and 1.05 s, and the router-LSA of its area the same.
    assert!(
        engine.statistics.originated_lsas - before <= 5,
        "{}",
        engine.statistics.originated_lsas - before
    );
}
