//! The outside. Input: an area with boundary routers, and AS-external-LSAs. Output: external routes.

use isthmus_ospf::config::RouteRules;
use isthmus_ospf::route::{NextHop, PathType};
use isthmus_ospf::types::{InterfaceId, LS_INFINITY};
use isthmus_ospf::wire::{Lsa, Options, RouterFlags};

use crate::topology::{Topology, area, calculate, calculate_by, external, hops, ip, net, rid, route};

const NONE: &str = "0.0.0.0";

/// Router 1 with boundary routers 2 at cost 10 and 3 at cost 20.
fn boundaries() -> Topology {
    let mut topology = Topology::new(0);
    topology.link(1, 2, 10, 10).link(1, 3, 20, 20).flags(2, RouterFlags::E).flags(3, RouterFlags::E);
    topology
}

#[test]
fn type_1_adds_up_and_type_2_does_not() {
    let seen = boundaries().seen_by(1);
    let externals = [
        external(2, "40.0.0.0/16", false, 25, NONE, 7),
        external(3, "40.0.0.0/16", false, 10, NONE, 8),
        external(2, "40.1.0.0/16", true, 25, NONE, 0),
        external(3, "40.1.0.0/16", true, 10, NONE, 9),
        // Equal type 2 metrics: the nearer boundary router.
        external(2, "40.2.0.0/16", true, 10, NONE, 0),
        external(3, "40.2.0.0/16", true, 10, NONE, 0),
        // Type 1 before type 2.
        external(2, "40.3.0.0/16", true, 1, NONE, 0),
        external(3, "40.3.0.0/16", false, 1000, NONE, 0),
    ];
    let table = calculate(1, &[&seen], &externals);
    let summary = |prefix| {
        let route = route(&table, prefix);
        (route.path_type, route.cost, route.cost2, route.metric(), route.tag, hops(&route.next_hops))
    };
    assert_eq!(summary("40.0.0.0/16"), (PathType::External1, 30, 0, 30, 8, vec![3]));
    assert_eq!(summary("40.1.0.0/16"), (PathType::External2, 20, 10, 10, 9, vec![3]));
    assert_eq!(summary("40.2.0.0/16"), (PathType::External2, 10, 10, 10, 0, vec![2]));
    assert_eq!(summary("40.3.0.0/16"), (PathType::External1, 1020, 0, 1020, 0, vec![3]));
    assert_eq!(route(&table, "40.0.0.0/16").area, None);
}

#[test]
fn equal_external_paths_are_all_kept() {
    let mut topology = boundaries();
    topology.link(1, 4, 10, 10).flags(4, RouterFlags::E);
    let externals =
        [external(2, "40.0.0.0/16", true, 5, NONE, 0), external(4, "40.0.0.0/16", true, 5, NONE, 0)];
    let table = calculate(1, &[&topology.seen_by(1)], &externals);
    assert_eq!(hops(&route(&table, "40.0.0.0/16").next_hops), [2, 4]);
}

#[test]
fn externals_that_do_not_count() {
    let mut topology = boundaries();
    topology.link(1, 5, 1, 1).stub(2, "40.4.0.0/16", 1);
    let externals = [
        external(2, "40.0.0.0/16", true, LS_INFINITY, NONE, 0),
        external(1, "40.1.0.0/16", true, 1, NONE, 0),
        // Unknown, and known but no boundary router.
        external(9, "40.2.0.0/16", true, 1, NONE, 0),
        external(5, "40.3.0.0/16", true, 1, NONE, 0),
        // Inside the autonomous system.
        external(3, "40.4.0.0/16", false, 1, NONE, 0),
        external(2, "40.5.0.0/16", true, 1, NONE, 0).with_age(3600),
    ];
    let table = calculate(1, &[&topology.seen_by(1)], &externals);
    assert_eq!(table.networks.keys().copied().collect::<Vec<_>>(), [net("40.4.0.0/16")]);
    assert_eq!(route(&table, "40.4.0.0/16").path_type, PathType::IntraArea);
}

#[test]
fn forwarding_addresses() {
    let mut topology = boundaries();
    topology.stub(3, "10.30.0.0/24", 1).stub(1, "10.10.0.0/24", 5);
    let externals = [
        // Through 3 though 2 announces it: 20 + 1 to the forwarding address.
        external(2, "40.0.0.0/16", false, 100, "10.30.0.9", 0),
        // On a connected network the forwarding address is the next hop.
        external(2, "40.1.0.0/16", true, 100, "10.10.0.9", 0),
        // Not reachable, and reachable by an external path only.
        external(2, "40.2.0.0/16", true, 100, "99.0.0.1", 0),
        external(2, "50.0.0.0/16", true, 100, NONE, 0),
        external(2, "40.3.0.0/16", true, 100, "50.0.0.1", 0),
    ];
    let table = calculate(1, &[&topology.seen_by(1)], &externals);
    let far = route(&table, "40.0.0.0/16");
    assert_eq!((far.cost, hops(&far.next_hops)), (121, vec![3]));
    let near = route(&table, "40.1.0.0/16");
    let next_hop = NextHop { interface: InterfaceId(3), address: Some(ip("10.10.0.9")), router: rid(2) };
    assert_eq!((near.cost, near.cost2, near.next_hops.as_slice()), (5, 100, &[next_hop][..]));
    assert!(!table.networks.contains_key(&net("40.2.0.0/16")));
    assert!(!table.networks.contains_key(&net("40.3.0.0/16")));
}

#[test]
fn a_boundary_router_in_another_area() {
    let mut topology = Topology::new(1);
    topology.link(1, 2, 4, 4).flags(2, RouterFlags::B).boundary_summary(2, 50, 6);
    let externals = [external(50, "40.0.0.0/16", false, 1, NONE, 0)];
    let table = calculate(1, &[&topology.seen_by(1)], &externals);
    assert_eq!(
        (route(&table, "40.0.0.0/16").cost, hops(&route(&table, "40.0.0.0/16").next_hops)),
        (11, vec![2])
    );
}

/// Section 16.4.1: a boundary router inside a non-backbone area is preferred over one at less cost through
/// the backbone.
#[test]
fn paths_through_other_areas_than_the_backbone_are_preferred() {
    let mut backbone = Topology::new(0);
    backbone.link(1, 2, 1, 1).flags(2, RouterFlags::E);
    let mut inner = Topology::new(1);
    inner.link(1, 3, 50, 50).flags(3, RouterFlags::E);
    let (backbone, inner) = (backbone.seen_by(1), inner.seen_by(1));
    let externals =
        [external(2, "40.0.0.0/16", false, 1, NONE, 0), external(3, "40.0.0.0/16", false, 1, NONE, 0)];
    let table = calculate(1, &[&backbone, &inner], &externals);
    assert_eq!(hops(&route(&table, "40.0.0.0/16").next_hops), [3]);

    // Of type 2 only where the metrics are equal.
    let of_type_2 = |metric| {
        [external(2, "40.0.0.0/16", true, 5, NONE, 0), external(3, "40.0.0.0/16", true, metric, NONE, 0)]
    };
    for (metric, expected) in [(5, 3), (4, 3), (6, 2)] {
        let table = calculate(1, &[&backbone, &inner], &of_type_2(metric));
        assert_eq!(hops(&route(&table, "40.0.0.0/16").next_hops), [expected], "{metric}");
    }

    // The same boundary router in both areas: the path in area 1, for the same reason.
    let mut inner = Topology::new(1);
    inner.link(1, 2, 50, 50).flags(2, RouterFlags::E);
    let table = calculate(1, &[&backbone, &inner.seen_by(1)], &externals);
    assert_eq!(table.boundary_router(rid(2), RouteRules::default()).unwrap().0, area(1));
    assert_eq!(route(&table, "40.0.0.0/16").cost, 51);
}

/// Section 16.4.1: with RFC1583Compatibility the cheaper way counts, wherever it leads.
#[test]
fn with_rfc1583_compatibility_only_the_costs_are_compared() {
    let mut backbone = Topology::new(0);
    backbone.link(1, 2, 1, 1).flags(2, RouterFlags::E);
    let mut inner = Topology::new(1);
    inner.link(1, 3, 50, 50).flags(3, RouterFlags::E).link(1, 2, 60, 60).flags(2, RouterFlags::E);
    let (backbone, inner) = (backbone.seen_by(1), inner.seen_by(1));
    let externals =
        [external(2, "40.0.0.0/16", false, 1, NONE, 0), external(3, "40.0.0.0/16", false, 1, NONE, 0)];
    let rules = RouteRules { rfc1583_compatibility: true, ..RouteRules::default() };
    for (rules, area_of_2, next_hop) in [(rules, 0, 2), (RouteRules::default(), 1, 3)] {
        let table = calculate_by(1, &[&backbone, &inner], &externals, rules);
        assert_eq!(table.boundary_router(rid(2), rules).unwrap().0, area(area_of_2));
        assert_eq!(hops(&route(&table, "40.0.0.0/16").next_hops), [next_hop]);
    }
}

/// RFC 4576 section 4: bit DN counts at the edge of a provider's network, and nowhere else.
#[test]
fn a_provider_edge_follows_nothing_that_came_from_another() {
    let mut topology = boundaries();
    topology.flags(2, RouterFlags::B).summary(2, "30.0.0.0/16", 5).summary(2, "30.1.0.0/16", 5);
    let mut seen = topology.seen_by(1);
    let mut externals =
        vec![external(2, "40.0.0.0/16", true, 1, NONE, 0), external(2, "40.1.0.0/16", true, 1, NONE, 0)];
    let marked = |lsa: &&mut Lsa| [ip("30.0.0.0"), ip("40.0.0.0")].contains(&lsa.header.key.id);
    for lsa in seen.lsas.iter_mut().chain(&mut externals).filter(marked) {
        lsa.header.options |= Options::DN;
    }
    for (provider_edge, expected) in [(false, [true; 4]), (true, [false, true, false, true])] {
        let rules = RouteRules { provider_edge, ..RouteRules::default() };
        let table = calculate_by(1, &[&seen], &externals, rules);
        let is_there = |prefix| table.networks.contains_key(&net(prefix));
        let found = ["30.0.0.0/16", "30.1.0.0/16", "40.0.0.0/16", "40.1.0.0/16"].map(is_there);
        assert_eq!(found, expected, "{provider_edge}");
    }
}

#[test]
fn an_active_range_is_not_reached_through_the_outside() {
    let mut backbone = Topology::new(0);
    backbone.link(1, 2, 1, 1).flags(2, RouterFlags::E);
    let mut inner = Topology::new(1);
    inner.stub(1, "10.1.0.0/24", 1).range("10.1.0.0/16", true, None);
    let externals = [
        external(2, "10.1.0.0/16", true, 1, NONE, 0),
        external(2, "40.0.0.0/16", true, 1, "10.1.9.9", 0),
        external(2, "0.0.0.0/0", true, 1, NONE, 0),
    ];
    let table = calculate(1, &[&backbone.seen_by(1), &inner.seen_by(1)], &externals);
    assert_eq!(route(&table, "10.1.0.0/16").path_type, PathType::Discard);
    assert!(!table.networks.contains_key(&net("40.0.0.0/16")), "its forwarding address is discarded");
    assert_eq!(table.lookup(ip("10.1.9.9")).unwrap().1.path_type, PathType::Discard);
    assert_eq!(table.lookup(ip("10.2.9.9")).unwrap().0, net("0.0.0.0/0"));
}
