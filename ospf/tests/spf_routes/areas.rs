//! Several areas. Input: the databases of a router's areas. Output: its inter-area routes.

use isthmus_ospf::config::RouteRules;
use isthmus_ospf::route::PathType;
use isthmus_ospf::types::LS_INFINITY;
use isthmus_ospf::wire::RouterFlags;

use crate::topology::{Topology, area, calculate, hops, net, rid, route};

/// Area 1: router 1 inside, border routers 2 and 3.
fn inside() -> Topology {
    let mut topology = Topology::new(1);
    topology.link(1, 2, 5, 5).link(1, 3, 5, 5).flags(2, RouterFlags::B).flags(3, RouterFlags::B);
    topology
}

#[test]
fn summaries_of_two_borders_with_equal_paths() {
    let mut topology = inside();
    topology.summary(2, "20.0.0.0/16", 10).summary(3, "20.0.0.0/16", 10);
    topology.summary(2, "20.1.0.0/16", 10).summary(3, "20.1.0.0/16", 9);
    let table = topology.routes_of(1);
    let equal = route(&table, "20.0.0.0/16");
    assert_eq!((equal.path_type, equal.area, equal.cost), (PathType::InterArea, Some(area(1)), 15));
    assert_eq!(hops(&equal.next_hops), [2, 3]);
    assert_eq!(
        (route(&table, "20.1.0.0/16").cost, hops(&route(&table, "20.1.0.0/16").next_hops)),
        (14, vec![3])
    );
}

#[test]
fn summaries_that_do_not_count() {
    let mut topology = inside();
    topology
        .summary(2, "20.0.0.0/16", LS_INFINITY)
        // Router 4 is not reachable, router 1 is the calculating one, 5 is no area border router.
        .flags(4, RouterFlags::B)
        .summary(4, "20.1.0.0/16", 1)
        .summary(1, "20.2.0.0/16", 1)
        .link(1, 5, 1, 1)
        .summary(5, "20.3.0.0/16", 1);
    assert!(topology.routes_of(1).networks.is_empty());
    topology.flags(5, RouterFlags::B);
    assert_eq!(topology.routes_of(1).networks.keys().copied().collect::<Vec<_>>(), [net("20.3.0.0/16")]);
}

#[test]
fn a_flushed_summary_does_not_count() {
    let mut topology = inside();
    topology.summary(2, "20.0.0.0/16", 1);
    let mut seen = topology.seen_by(1);
    seen.lsas[0] = seen.lsas[0].with_age(3600);
    assert!(calculate(1, &[&seen], &[]).networks.is_empty());
}

#[test]
fn intra_area_paths_win_at_any_cost() {
    let mut topology = inside();
    topology.stub(3, "20.0.0.0/16", 60000).summary(2, "20.0.0.0/16", 1);
    let table = topology.routes_of(1);
    assert_eq!(route(&table, "20.0.0.0/16").path_type, PathType::IntraArea);
    assert_eq!(route(&table, "20.0.0.0/16").cost, 60005);
}

#[test]
fn host_bits_of_a_link_state_id_are_not_part_of_the_network() {
    let mut topology = inside();
    topology.summary(2, "20.0.255.255/16", 1);
    assert_eq!(route(&topology.routes_of(1), "20.0.0.0/16").cost, 6);
}

/// Router 1 between the backbone (router 9 beyond) and area 1 (border router 2).
fn border() -> (Topology, Topology) {
    let mut backbone = Topology::new(0);
    backbone.link(1, 9, 10, 10).flags(1, RouterFlags::B).flags(9, RouterFlags::B);
    backbone.link(2, 9, 10, 10).flags(2, RouterFlags::B);
    let mut inner = Topology::new(1);
    inner.link(1, 2, 2, 2).flags(1, RouterFlags::B).flags(2, RouterFlags::B).stub(2, "10.1.2.0/24", 0);
    (backbone, inner)
}

#[test]
fn a_border_router_examines_the_backbone_only() {
    let (mut backbone, mut inner) = border();
    backbone.summary(9, "30.0.0.0/16", 100);
    inner.summary(2, "30.0.0.0/16", 1).summary(2, "30.1.0.0/16", 1);
    let table = calculate(1, &[&backbone.seen_by(1), &inner.seen_by(1)], &[]);
    let only = route(&table, "30.0.0.0/16");
    assert_eq!((only.cost, only.area, hops(&only.next_hops)), (110, Some(area(0)), vec![9]));
    assert!(!table.networks.contains_key(&net("30.1.0.0/16")));
}

/// RFC 3509: router 1 has lost its last adjacency in the backbone; router 2 still leads there.
#[test]
fn a_border_router_without_a_backbone_adjacency_examines_its_other_areas() {
    let (mut backbone, mut inner) = border();
    backbone.summary(9, "30.0.0.0/16", 100);
    inner.summary(2, "30.0.0.0/16", 110).summary(2, "30.1.0.0/16", 1);
    let mut seen = backbone.seen_by(1);
    seen.adjacencies.clear();
    let table = calculate(1, &[&seen, &inner.seen_by(1)], &[]);
    let detour = route(&table, "30.0.0.0/16");
    assert_eq!((detour.cost, detour.area, hops(&detour.next_hops)), (112, Some(area(1)), vec![2]));
    assert_eq!(route(&table, "30.1.0.0/16").cost, 3);
}

#[test]
fn other_borders_copies_of_an_active_range_are_ignored() {
    let (mut backbone, mut inner) = border();
    inner.range("10.1.0.0/16", true, Some(20));
    // The range itself is known better here; a network inside it that this router does not reach is not.
    backbone.summary(2, "10.1.0.0/16", 20).summary(2, "10.1.7.0/24", 5);
    let table = calculate(1, &[&backbone.seen_by(1), &inner.seen_by(1)], &[]);
    let discard = route(&table, "10.1.0.0/16");
    assert_eq!((discard.path_type, discard.area, discard.cost), (PathType::Discard, Some(area(1)), 20));
    assert!(discard.next_hops.is_empty());
    assert_eq!(route(&table, "10.1.7.0/24").path_type, PathType::InterArea);

    // Nothing inside is reachable: the range is not active, and the others' copy is the way.
    let mut cut_off = inner.seen_by(1);
    cut_off.adjacencies.clear();
    let table = calculate(1, &[&backbone.seen_by(1), &cut_off], &[]);
    assert_eq!(route(&table, "10.1.0.0/16").path_type, PathType::InterArea);
}

#[test]
fn no_discard_route_for_hosts_for_internal_routers_or_over_a_real_route() {
    let (backbone, mut inner) = border();
    inner.stub(2, "192.0.2.1/32", 0).range("192.0.2.1/32", true, Some(5)).range("10.1.2.0/24", true, None);
    let table = calculate(1, &[&backbone.seen_by(1), &inner.seen_by(1)], &[]);
    assert_eq!(route(&table, "192.0.2.1/32").path_type, PathType::IntraArea);
    assert_eq!(route(&table, "10.1.2.0/24").path_type, PathType::IntraArea);

    inner.range("10.0.0.0/8", true, None);
    let table = calculate(1, &[&backbone.seen_by(1), &inner.seen_by(1)], &[]);
    assert!(!table.networks.contains_key(&net("10.0.0.0/8")), "its only network counts for 10.1.2.0/24");
    inner.stub(2, "10.200.0.0/24", 0);
    let table = calculate(1, &[&backbone.seen_by(1), &inner.seen_by(1)], &[]);
    assert_eq!(route(&table, "10.0.0.0/8").path_type, PathType::Discard);
    let internal = calculate(1, &[&inner.seen_by(1)], &[]);
    assert!(!internal.networks.contains_key(&net("10.0.0.0/8")));
}

#[test]
fn a_hidden_range_is_discarded_too() {
    let (backbone, mut inner) = border();
    inner.range("10.1.0.0/16", false, None);
    let table = calculate(1, &[&backbone.seen_by(1), &inner.seen_by(1)], &[]);
    assert_eq!(route(&table, "10.1.0.0/16").path_type, PathType::Discard);
}

#[test]
fn a_network_in_two_areas_takes_the_cheaper() {
    let (mut backbone, mut inner) = border();
    backbone.stub(9, "10.5.0.0/24", 0);
    inner.stub(2, "10.5.0.0/24", 0);
    let table = calculate(1, &[&backbone.seen_by(1), &inner.seen_by(1)], &[]);
    assert_eq!((route(&table, "10.5.0.0/24").area, route(&table, "10.5.0.0/24").cost), (Some(area(1)), 2));
    inner.stub(2, "10.6.0.0/24", 8);
    backbone.stub(9, "10.6.0.0/24", 0);
    let table = calculate(1, &[&backbone.seen_by(1), &inner.seen_by(1)], &[]);
    assert_eq!(route(&table, "10.6.0.0/24").area, Some(area(0)));
}

#[test]
fn an_excluded_border_takes_its_summaries_along() {
    let mut topology = inside();
    topology.summary(2, "20.0.0.0/16", 1).summary(3, "20.0.0.0/16", 100);
    topology.excluded.insert(rid(2));
    let table = topology.routes_of(1);
    assert_eq!(
        (route(&table, "20.0.0.0/16").cost, hops(&route(&table, "20.0.0.0/16").next_hops)),
        (105, vec![3])
    );
}

#[test]
fn boundary_routers_of_other_areas() {
    let mut topology = inside();
    topology.boundary_summary(2, 50, 10).boundary_summary(3, 50, 10).boundary_summary(2, 51, LS_INFINITY);
    let table = topology.routes_of(1);
    let (through, route) = table.boundary_router(rid(50), RouteRules::default()).unwrap();
    assert_eq!((through, route.path_type, route.cost), (area(1), PathType::InterArea, 15));
    assert!(route.asbr && !route.abr);
    assert_eq!(hops(&route.next_hops), [2, 3]);
    assert_eq!(table.boundary_router(rid(51), RouteRules::default()), None);
    assert_eq!(table.boundary_routers().into_iter().collect::<Vec<_>>(), [rid(50)]);
}
