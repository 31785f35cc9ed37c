//! What an area border router announces. Input: configuration and routing table. Output: summaries by area.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::time::Duration;

use ipnet::Ipv4Net;
use isthmus_ospf::abr::{Summaries, SummaryTarget, active_ranges, desired_summaries, link_state_ids};
use isthmus_ospf::config::{AreaConfig, InstanceConfig, InterfaceConfig};
use isthmus_ospf::types::{AreaId, InterfaceId, LS_INFINITY};
use isthmus_ospf::wire::{LsType, RouterFlags};
use proptest::prelude::*;

use crate::topology::{Seen, Topology, area, calculate, external, ip, net, rid};

/// The configuration of router 1 with the areas and interfaces that `seen_by` made.
fn config(areas: &[(&Topology, &Seen)]) -> InstanceConfig {
    let mut config = InstanceConfig { router_id: rid(1), maximum_paths: 8, ..InstanceConfig::default() };
    for (topology, seen) in areas {
        let settings = AreaConfig { ranges: topology.ranges.clone(), ..AreaConfig::default() };
        config.areas.insert(topology.area, settings);
        let ids = seen.adjacencies.iter().map(|adjacency| adjacency.interface);
        let ids = ids.chain(seen.local.iter().map(|local| local.interface));
        config.interfaces.extend(ids.map(|id| (id, interface(topology.area))));
    }
    config
}

pub(crate) fn interface(area: AreaId) -> InterfaceConfig {
    InterfaceConfig {
        name: "x".into(),
        area,
        address: net("192.168.0.1/24"),
        cost: 1,
        hello_interval: Duration::from_secs(1),
        dead_interval: Duration::from_secs(4),
        ..InterfaceConfig::default()
    }
}

/// Summaries of router 1, an area border router of these areas.
fn announced(areas: &[&Topology]) -> BTreeMap<AreaId, BTreeMap<String, u32>> {
    let seen: Vec<Seen> = areas.iter().map(|topology| topology.seen_by(1)).collect();
    let table =
        calculate(1, &seen.iter().collect::<Vec<_>>(), &[external(9, "40.0.0.0/16", true, 1, "0.0.0.0", 0)]);
    let config = config(&areas.iter().copied().zip(&seen).collect::<Vec<_>>());
    let attached: BTreeSet<AreaId> = areas.iter().map(|topology| topology.area).collect();
    let summaries = desired_summaries(&config, &attached, &table);
    summaries.into_iter().map(|(area, summaries)| (area, readable(summaries))).collect()
}

fn readable(summaries: Summaries) -> BTreeMap<String, u32> {
    let name = |target| match target {
        SummaryTarget::Network(prefix) => format!("{prefix}"),
        SummaryTarget::BoundaryRouter(router) => format!("asbr {router}"),
    };
    summaries.into_iter().map(|(target, metric)| (name(target), metric)).collect()
}

fn expect<const N: usize>(entries: [(&str, u32); N]) -> BTreeMap<String, u32> {
    entries.into_iter().map(|(name, metric)| (name.to_owned(), metric)).collect()
}

/// Router 1 with a backbone (9 beyond, announcing other areas) and area 1 (2 and 3 inside).
fn border() -> (Topology, Topology) {
    let mut backbone = Topology::new(0);
    backbone.link(1, 9, 10, 10).flags(9, RouterFlags::B | RouterFlags::E).stub(9, "10.0.9.0/24", 3);
    backbone.summary(9, "30.0.0.0/16", 5).boundary_summary(9, 50, 7).stub(1, "10.0.1.0/24", 1);
    let mut inner = Topology::new(1);
    inner.link(1, 2, 2, 2).link(1, 3, 4, 4).stub(2, "10.1.2.0/24", 0).stub(3, "10.1.3.0/24", 0);
    inner.stub(1, "10.1.1.1/32", 0).flags(3, RouterFlags::E);
    (backbone, inner)
}

#[test]
fn networks_and_boundary_routers_without_ranges() {
    let (backbone, inner) = border();
    let announced = announced(&[&backbone, &inner]);
    assert_eq!(
        announced[&area(0)],
        expect([("10.1.1.1/32", 0), ("10.1.2.0/24", 2), ("10.1.3.0/24", 4), ("asbr 0.0.0.3", 4)])
    );
    assert_eq!(
        announced[&area(1)],
        expect([
            ("10.0.1.0/24", 1),
            ("10.0.9.0/24", 13),
            ("30.0.0.0/16", 15),
            ("asbr 0.0.0.9", 10),
            ("asbr 0.0.0.50", 17),
        ])
    );
}

#[test]
fn inter_area_routes_go_to_every_other_area_but_not_back() {
    let (backbone, inner) = border();
    let mut second = Topology::new(2);
    second.stub(1, "10.2.0.0/24", 6);
    let announced = announced(&[&backbone, &inner, &second]);
    assert_eq!(announced[&area(2)]["30.0.0.0/16"], 15);
    assert_eq!(announced[&area(2)]["10.1.2.0/24"], 2);
    assert_eq!(announced[&area(1)]["10.2.0.0/24"], 6);
    assert_eq!(announced[&area(0)]["10.2.0.0/24"], 6);
    assert!(!announced[&area(0)].contains_key("30.0.0.0/16"));
    assert!(!announced[&area(2)].contains_key("10.2.0.0/24"));
    assert!(announced.values().all(|summaries| !summaries.contains_key("40.0.0.0/16")));
}

#[test]
fn ranges_take_the_largest_cost_or_a_fixed_one() {
    let (backbone, mut inner) = border();
    inner.range("10.1.0.0/16", true, None);
    let largest = announced(&[&backbone, &inner]);
    assert_eq!(largest[&area(0)], expect([("10.1.0.0/16", 4), ("asbr 0.0.0.3", 4)]));
    inner.ranges[0].cost = Some(77);
    assert_eq!(announced(&[&backbone, &inner])[&area(0)]["10.1.0.0/16"], 77);
    // The way out is not changed by ranges of the area that it leads into.
    assert_eq!(announced(&[&backbone, &inner])[&area(1)], largest[&area(1)]);
}

#[test]
fn a_hidden_range_hides_what_it_holds() {
    let (backbone, mut inner) = border();
    inner.range("10.1.2.0/23", false, Some(5));
    assert_eq!(announced(&[&backbone, &inner])[&area(0)], expect([("10.1.1.1/32", 0), ("asbr 0.0.0.3", 4)]));
}

#[test]
fn the_most_specific_range_counts() {
    let (backbone, mut inner) = border();
    inner.range("10.1.0.0/16", true, None).range("10.1.3.0/24", false, None);
    assert_eq!(announced(&[&backbone, &inner])[&area(0)], expect([("10.1.0.0/16", 2), ("asbr 0.0.0.3", 4)]));
}

#[test]
fn a_range_without_a_reachable_network_is_not_announced() {
    let (backbone, mut inner) = border();
    inner.range("10.77.0.0/16", true, Some(1));
    assert!(!announced(&[&backbone, &inner])[&area(0)].contains_key("10.77.0.0/16"));
}

/// The common address: a /32 on every node, announced at one fixed cost by every border router.
#[test]
fn a_host_can_be_a_range() {
    let (backbone, mut inner) = border();
    inner.stub(2, "192.0.2.1/32", 3).stub(3, "192.0.2.1/32", 3).range("192.0.2.1/32", true, Some(20));
    assert_eq!(announced(&[&backbone, &inner])[&area(0)]["192.0.2.1/32"], 20);
}

#[test]
fn ranges_of_the_backbone_condense_for_other_areas() {
    let (mut backbone, inner) = border();
    backbone.range("10.0.0.0/16", true, None);
    let announced = announced(&[&backbone, &inner]);
    assert_eq!(announced[&area(1)]["10.0.0.0/16"], 13);
    assert!(!announced[&area(1)].contains_key("10.0.9.0/24"));
}

/// An inter-area network inside a range of an attached area is not condensed into it.
#[test]
fn only_intra_area_routes_are_condensed() {
    let (mut backbone, mut inner) = border();
    let mut second = Topology::new(2);
    second.stub(1, "10.2.0.0/24", 6);
    backbone.summary(9, "10.1.99.0/24", 500);
    inner.range("10.1.0.0/16", true, None);
    let announced = announced(&[&backbone, &inner, &second]);
    assert_eq!(announced[&area(2)]["10.1.0.0/16"], 4);
    assert_eq!(announced[&area(2)]["10.1.99.0/24"], 510);
}

/// RFC 3509: what was learnt through another area while the backbone is out of reach stays where it is.
#[test]
fn routes_through_another_area_are_not_announced_again() {
    let (backbone, mut inner) = border();
    inner.flags(2, RouterFlags::B).summary(2, "60.0.0.0/16", 1);
    let mut second = Topology::new(2);
    second.stub(1, "10.2.0.0/24", 6);
    let mut cut_off = backbone.seen_by(1);
    cut_off.adjacencies.clear();
    let (seen, third) = (inner.seen_by(1), second.seen_by(1));
    let table = calculate(1, &[&cut_off, &seen, &third], &[]);
    assert!(table.networks.contains_key(&net("60.0.0.0/16")));
    let config = config(&[(&backbone, &cut_off), (&inner, &seen), (&second, &third)]);
    let summaries = desired_summaries(&config, &BTreeSet::from([area(0), area(1), area(2)]), &table);
    let target = SummaryTarget::Network(net("60.0.0.0/16"));
    assert!(summaries.values().all(|summaries| !summaries.contains_key(&target)));
}

#[test]
fn unreachable_costs_are_not_announced() {
    let (backbone, mut inner) = border();
    inner.range("10.1.0.0/16", true, Some(LS_INFINITY));
    assert_eq!(announced(&[&backbone, &inner])[&area(0)], expect([("asbr 0.0.0.3", 4)]));
}

/// A route whose packets would enter an area is not announced there, whichever area it belongs to.
#[test]
fn next_hops_in_the_area_are_not_announced_into_it() {
    let (backbone, inner) = border();
    let (outer, seen) = (backbone.seen_by(1), inner.seen_by(1));
    let mut table = calculate(1, &[&outer, &seen], &[]);
    let config = config(&[(&backbone, &outer), (&inner, &seen)]);
    let inside = seen.adjacencies[0].interface;
    if let Some(route) = table.networks.get_mut(&net("30.0.0.0/16")) {
        route.next_hops[0].interface = inside;
    }
    let summaries = desired_summaries(&config, &BTreeSet::from([area(0), area(1)]), &table);
    assert!(!summaries[&area(1)].contains_key(&SummaryTarget::Network(net("30.0.0.0/16"))));
    assert_ne!(inside, InterfaceId(1));
}

#[test]
fn active_ranges_keep_their_order_and_costs() {
    let (backbone, mut inner) = border();
    inner.range("10.1.3.0/24", true, None).range("10.1.0.0/16", false, Some(9)).range(
        "11.0.0.0/8",
        true,
        None,
    );
    let table = calculate(1, &[&backbone.seen_by(1), &inner.seen_by(1)], &[]);
    let active = active_ranges(area(1), &inner.ranges, &table);
    let found: Vec<_> = active.iter().map(|active| (active.range.prefix, active.cost)).collect();
    assert_eq!(found, [(net("10.1.3.0/24"), 4), (net("10.1.0.0/16"), 9)]);
}

#[test]
fn types_of_summaries() {
    assert_eq!(SummaryTarget::Network(net("10.0.0.0/8")).ls_type(), LsType::SUMMARY_NETWORK);
    assert_eq!(SummaryTarget::BoundaryRouter(rid(1)).ls_type(), LsType::SUMMARY_ASBR);
}

/// The example of appendix E, and hosts in the way.
#[test]
fn link_state_ids_of_networks_with_one_number() {
    let ids = |networks: &[&str]| -> Vec<String> {
        let networks: Vec<Ipv4Net> = networks.iter().map(|text| net(text)).collect();
        let ids = link_state_ids(networks.iter().copied());
        networks.iter().map(|network| ids.get(network).map_or("-".into(), ToString::to_string)).collect()
    };
    assert_eq!(
        ids(&["10.0.0.0/8", "10.0.0.0/16", "10.0.0.0/24"]),
        ["10.0.0.0", "10.0.255.255", "10.0.0.255"]
    );
    assert_eq!(ids(&["10.0.0.0/24", "10.0.0.0/32"]), ["10.0.0.255", "10.0.0.0"]);
    assert_eq!(ids(&["10.0.0.0/24", "10.0.0.0/32", "10.0.0.255/32"]), ["10.0.0.1", "10.0.0.0", "10.0.0.255"]);
    assert_eq!(ids(&["10.0.0.0/31", "10.0.0.0/32", "10.0.0.1/32"]), ["-", "10.0.0.0", "10.0.0.1"]);
    assert_eq!(ids(&["0.0.0.0/0", "0.0.0.0/32"]), ["255.255.255.255", "0.0.0.0"]);
    assert_eq!(link_state_ids([net("10.1.2.3/16")]), BTreeMap::from([(net("10.1.0.0/16"), ip("10.1.0.0"))]));
}

proptest! {
    #[test]
    fn link_state_ids_are_unique_and_inside_their_networks(
        networks in prop::collection::btree_set((0u32..64, 24u8..=32), 0..40),
    ) {
        let networks: BTreeSet<Ipv4Net> = networks
            .into_iter()
            .map(|(low, length)| Ipv4Net::new((0x0a00_0000 + low).into(), length).unwrap().trunc())
            .collect();
        let ids = link_state_ids(networks.iter().copied());
        let distinct: BTreeSet<_> = ids.values().collect();
        prop_assert_eq!(distinct.len(), ids.len());
        for (network, id) in &ids {
            prop_assert!(network.contains(id));
        }
        // Whoever has none finds all its addresses taken.
        for network in networks.iter().filter(|network| !ids.contains_key(network)) {
            prop_assert!(network.prefix_len() >= 24);
            let range = u32::from(network.network())..=u32::from(network.broadcast());
            prop_assert!(range.into_iter().all(|address| distinct.contains(&Ipv4Addr::from(address))));
        }
    }
}
