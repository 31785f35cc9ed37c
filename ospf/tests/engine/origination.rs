//! When our own advertisements change (sections 12.4, 12.4.1, 14.1, appendix B).

use std::net::Ipv4Addr;
use std::time::Duration;

use ipnet::Ipv4Net;
use isthmus_ospf::config::{AreaConfig, InterfaceConfig, InterfaceType};
use isthmus_ospf::types::{AreaId, InterfaceId};
use isthmus_ospf::view::{LsaBodyView, NeighborState, RouterLinkView};

use crate::bench::{Bench, LINK, OWN, OWN_ADDRESS, PEER, link_config, millis, router_key};

fn links(bench: &Bench) -> Vec<(String, Ipv4Addr, Ipv4Addr, u16)> {
    let database = bench.engine.view_database(bench.now, Some(AreaId::BACKBONE));
    let own = database.into_iter().find(|entry| entry.header.adv_router == OWN).expect("our router-LSA");
    let Some(LsaBodyView::Router(router)) = own.body else { panic!("{own:?}") };
    let link = |link: RouterLinkView| (link.link_type, link.link_id, link.link_data, link.metric);
    router.links.into_iter().map(link).collect()
}

fn full_with(link: InterfaceConfig) -> Bench {
    let mut bench = Bench::with(link, AreaConfig::default());
    bench.become_full(&[]);
    bench
}

fn to_peer(data: Ipv4Addr, metric: u16) -> (String, Ipv4Addr, Ipv4Addr, u16) {
    ("point-to-point-link".to_owned(), PEER.0, data, metric)
}

fn stub(id: [u8; 4], mask: [u8; 4], metric: u16) -> (String, Ipv4Addr, Ipv4Addr, u16) {
    ("stub-network-link".to_owned(), id.into(), mask.into(), metric)
}

#[test]
fn a_numbered_link_is_a_link_and_its_subnet() {
    let bench = full_with(link_config());
    assert_eq!(links(&bench), [to_peer(OWN_ADDRESS, 10), stub([172, 16, 0, 0], [255, 255, 255, 252], 10)]);
}

/// Output: the link at the dearest cost and the subnet at its own; and as it was when that is over.
#[test]
fn a_stub_router_is_no_way_to_others() {
    let mut bench = full_with(link_config());
    bench.advance_alive(Duration::from_secs(15));
    let subnet = stub([172, 16, 0, 0], [255, 255, 255, 252], 10);
    for (stub_router, metric) in [(true, 65535), (false, 10)] {
        bench.config.stub_router = stub_router;
        bench.engine.handle_config(bench.now, bench.config.clone());
        bench.collect();
        assert_eq!(links(&bench), [to_peer(OWN_ADDRESS, metric), subnet.clone()]);
        assert_eq!(bench.engine.view_instance(bench.now).stub_router, stub_router);
        bench.acknowledge_all();
        bench.advance_alive(Duration::from_secs(15));
    }
    assert_eq!(bench.state(), NeighborState::Full);
}

/// RFC 6860 section 2.1: the subnet is not advertised, what is on the router besides is, and a passive interface is.
#[test]
fn a_suppressed_network_is_only_the_link() {
    let suppressed = || InterfaceConfig {
        prefix_suppression: true,
        stub_prefixes: vec![("10.255.0.1/32".parse().expect("a prefix"), 3)],
        ..link_config()
    };
    let further = stub([10, 255, 0, 1], [255; 4], 3);
    let mut bench = full_with(suppressed());
    assert_eq!(links(&bench), [to_peer(OWN_ADDRESS, 10), further.clone()]);
    bench.advance_alive(Duration::from_secs(15));
    bench.reconfigure(|link| link.prefix_suppression = false);
    let subnet = stub([172, 16, 0, 0], [255, 255, 255, 252], 10);
    assert_eq!(links(&bench), [to_peer(OWN_ADDRESS, 10), subnet.clone(), further.clone()]);
    assert_eq!(bench.state(), NeighborState::Full);

    let mut bench = Bench::with(InterfaceConfig { passive: true, ..suppressed() }, AreaConfig::default());
    bench.advance(Duration::from_secs(2));
    assert_eq!(links(&bench), [subnet, further]);
}

/// RFC 3021: both addresses of a 31-bit prefix are hosts, and the prefix is a network as any other.
#[test]
fn a_link_of_two_addresses_is_its_subnet() {
    let address = "172.16.0.1/31".parse().expect("an address");
    let bench = full_with(InterfaceConfig { address, ..link_config() });
    assert_eq!(links(&bench), [to_peer(OWN_ADDRESS, 10), stub([172, 16, 0, 0], [255, 255, 255, 254], 10)]);
}

#[test]
fn an_unnumbered_link_carries_the_number_of_the_interface() {
    let bench = full_with(InterfaceConfig { unnumbered: true, ..link_config() });
    assert_eq!(links(&bench), [to_peer(Ipv4Addr::from(LINK.0), 10)]);
}

#[test]
fn a_multipoint_network_is_our_address_and_a_link_for_each_neighbor() {
    let mut config = link_config();
    config.interface_type = InterfaceType::PointToMultipoint;
    config.address = "172.16.0.1/24".parse().expect("an address");
    config.stub_prefixes = vec![("10.255.0.1/32".parse().expect("a prefix"), 3)];
    let bench = full_with(config);
    let expected =
        [to_peer(OWN_ADDRESS, 10), stub([172, 16, 0, 1], [255; 4], 0), stub([10, 255, 0, 1], [255; 4], 3)];
    assert_eq!(links(&bench), expected);
}

#[test]
fn a_passive_interface_is_its_subnet() {
    let mut bench = Bench::with(InterfaceConfig { passive: true, ..link_config() }, AreaConfig::default());
    bench.advance(Duration::from_secs(2));
    assert_eq!(links(&bench), [stub([172, 16, 0, 0], [255, 255, 255, 252], 10)]);
}

#[test]
fn the_first_router_lsa_waits_for_full_but_not_for_long() {
    let mut bench = Bench::new();
    bench.advance(Duration::from_secs(2) - millis(1));
    assert_eq!(bench.stored(router_key(OWN)), None);
    bench.advance(millis(1));
    assert!(bench.stored(router_key(OWN)).is_some());

    let mut bench = Bench::new();
    bench.hello();
    bench.describe(isthmus_ospf::wire::DdFlags::all(), &[]);
    assert_eq!(bench.stored(router_key(OWN)), None);
    bench.describe(isthmus_ospf::wire::DdFlags::MS, &[]);
    // Full, and the neighbor has it already, with the link.
    assert_eq!(bench.take_updates().len(), 1);
    assert_eq!(links(&bench).len(), 2);
}

/// Changes the cost every 100 ms, and says when new instances left.
fn times_of_changes(area: AreaConfig, changes: u16) -> Vec<u128> {
    let mut bench = Bench::with(link_config(), area);
    bench.become_full(&[]);
    bench.advance_alive(Duration::from_secs(30));
    bench.sent.clear();
    let start = bench.now;
    let mut seen = std::collections::BTreeMap::new();
    for step in 0..changes {
        bench.reconfigure(|link| link.cost = 20 + step);
        bench.acknowledge_all();
        bench.advance(millis(100));
        bench.acknowledge_all();
        for (at, lsas) in bench.take_updates() {
            seen.entry(lsas[0].header.sequence).or_insert(at.since(start).as_millis());
        }
    }
    seen.into_values().collect()
}

#[test]
fn the_first_change_leaves_at_once_and_further_ones_back_off() {
    assert_eq!(times_of_changes(AreaConfig::default(), 150), [0, 1050, 3150, 7350, 12350]);
}

#[test]
fn a_configured_min_ls_interval_is_kept() {
    let area = AreaConfig { min_ls_interval: Some(millis(300)), ..AreaConfig::default() };
    assert_eq!(times_of_changes(area, 10), [0, 300, 600, 900]);
    let area = AreaConfig { min_ls_interval: Some(Duration::ZERO), ..AreaConfig::default() };
    assert_eq!(times_of_changes(area, 4), [0, 100, 200, 300]);
}

#[test]
fn what_says_the_same_is_not_originated_again() {
    let mut bench = Bench::full(&[]);
    let before = bench.stored(router_key(OWN)).map(|(sequence, _)| sequence);
    bench.reconfigure(|link| link.priority = 5);
    bench.reconfigure(|link| link.retransmit_interval = Duration::from_secs(7));
    bench.advance(Duration::from_secs(3));
    assert!(bench.take_updates().is_empty());
    assert_eq!(bench.stored(router_key(OWN)).map(|(sequence, _)| sequence), before);
}

#[test]
fn a_neighbor_that_is_lost_is_taken_out_at_once() {
    let mut bench = Bench::full(&[]);
    bench.advance_alive(Duration::from_secs(10));
    bench.engine.handle_neighbor_dead(bench.now, PEER);
    bench.collect();
    assert_eq!(links(&bench), [stub([172, 16, 0, 0], [255, 255, 255, 252], 10)]);
}

/// The backbone with the peer, and an area with one interface that announces `prefixes`.
fn border(bench: &mut Bench, prefixes: u8) {
    let area = AreaId(Ipv4Addr::new(0, 0, 0, 51));
    let id = InterfaceId(9);
    let prefix = |n: u8| (Ipv4Net::from(Ipv4Addr::new(10, 200, 0, n)), 0);
    let config = InterfaceConfig {
        name: "inside".to_owned(),
        area,
        address: "172.18.0.1/24".parse().expect("an address"),
        passive: true,
        stub_prefixes: (0..prefixes).map(prefix).collect(),
        ..link_config()
    };
    bench.config.areas.entry(area).or_default();
    bench.config.interfaces.insert(id, config);
    bench.engine.handle_config(bench.now, bench.config.clone());
    bench.engine.handle_link(bench.now, id, true);
    bench.collect();
    bench.acknowledge_all();
}

#[test]
fn a_summary_that_is_withdrawn_costs_one_calculation() {
    let mut bench = Bench::full(&[]);
    border(&mut bench, 2);
    bench.advance(Duration::from_secs(15));
    bench.acknowledge_all();
    bench.advance(Duration::from_secs(5));
    let before = bench.engine.spf_runs();
    border(&mut bench, 1);
    bench.sent.clear();
    assert_eq!(bench.engine.spf_runs() - before, 1, "the configuration's own");
}
