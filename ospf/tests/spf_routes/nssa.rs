//! Type 7 advertisements (RFC 3101 section 2.5). Input: a not-so-stubby area with boundary routers. Output: routes.

use isthmus_ospf::config::{AreaType, NssaConfig};
use isthmus_ospf::route::PathType;
use isthmus_ospf::types::SeqNum;
use isthmus_ospf::wire::{LsType, Lsa, LsaKey, Options, RouterFlags};

use crate::topology::{Topology, area, calculate, external, hops, net, route};

const NONE: &str = "0.0.0.0";

/// Router 1 in a not-so-stubby area with boundary routers 2 at cost 10 and 3 at cost 20, which have a network each.
fn nssa(config: NssaConfig) -> Topology {
    let mut topology = Topology::new(9);
    topology.area_type = AreaType::Nssa(config);
    topology.link(1, 2, 10, 10).link(1, 3, 20, 20).flags(2, RouterFlags::E).flags(3, RouterFlags::E);
    topology.stub(2, "10.2.0.0/24", 1).stub(3, "10.3.0.0/24", 1);
    topology
}

/// A backbone in which router 1 has neighbor 7, a boundary router.
fn backbone() -> Topology {
    let mut topology = Topology::new(0);
    topology.link(1, 7, 5, 5).flags(7, RouterFlags::E | RouterFlags::B).stub(7, "10.7.0.0/24", 1);
    topology
}

fn type_7(from: u32, prefix: &str, metric: u32, forwarding: &str, options: Options) -> Lsa {
    let lsa = external(from, prefix, true, metric, forwarding, from);
    let key = LsaKey { ls_type: LsType::NSSA_EXTERNAL, ..lsa.header.key };
    Lsa::build(1, options, key, SeqNum::INITIAL, &lsa.body().unwrap())
}

#[test]
fn a_type_7_route_leads_through_its_area_alone() {
    let mut topology = nssa(NssaConfig::default());
    topology.others = vec![
        type_7(2, "40.0.0.0/16", 7, NONE, Options::empty()),
        type_7(3, "40.1.0.0/16", 7, "10.2.0.9", Options::NP),
        // A forwarding address in another area, and an originator that is none of this area.
        type_7(3, "40.2.0.0/16", 7, "10.7.0.9", Options::NP),
        type_7(7, "40.3.0.0/16", 7, NONE, Options::NP),
    ];
    let table = calculate(1, &[&backbone().seen_by(1), &topology.seen_by(1)], &[]);
    let found = route(&table, "40.0.0.0/16");
    assert_eq!(
        (found.path_type, found.area, found.cost, found.cost2),
        (PathType::External2, Some(area(9)), 10, 7)
    );
    let found = route(&table, "40.1.0.0/16");
    assert_eq!((hops(&found.next_hops), found.cost, found.tag), (vec![2], 11, 3));
    for prefix in ["40.2.0.0/16", "40.3.0.0/16"] {
        assert!(!table.networks.contains_key(&net(prefix)), "{prefix}");
    }
}

#[test]
fn type_7_means_nothing_in_another_area() {
    for area_type in [AreaType::Normal, AreaType::Stub { default_cost: 1, summary: true }] {
        let mut topology = nssa(NssaConfig::default());
        topology.area_type = area_type;
        topology.others = vec![type_7(2, "40.0.0.0/16", 7, NONE, Options::NP)];
        assert!(!topology.routes_of(1).networks.contains_key(&net("40.0.0.0/16")));
    }
}

#[test]
fn of_the_same_route_type_7_with_bit_p_comes_first() {
    for (options, of_area) in [(Options::NP, Some(area(9))), (Options::empty(), None)] {
        let mut topology = nssa(NssaConfig::default());
        topology.others = vec![type_7(2, "40.0.0.0/16", 7, "10.2.0.9", options)];
        // The same in a type 5 advertisement of the backbone's boundary router, which has translated it.
        let translated = external(7, "40.0.0.0/16", true, 7, "10.2.0.9", 0);
        let table = calculate(1, &[&backbone().seen_by(1), &topology.seen_by(1)], &[translated]);
        let found = route(&table, "40.0.0.0/16");
        assert_eq!((found.area, hops(&found.next_hops)), (of_area, vec![2]), "{options:?}");
    }
}

#[test]
fn type_5_does_not_lead_through_a_not_so_stubby_area() {
    // Router 2 is a boundary router of the area only: its type 5 advertisement comes from nowhere.
    let topology = nssa(NssaConfig::default());
    let stray = external(2, "40.0.0.0/16", true, 7, NONE, 0);
    let table = calculate(1, &[&backbone().seen_by(1), &topology.seen_by(1)], &[stray]);
    assert!(!table.networks.contains_key(&net("40.0.0.0/16")));
}

#[test]
fn a_border_router_does_not_follow_a_default_route_without_bit_p() {
    let followed = |summary, options, border: bool| {
        let mut topology = nssa(NssaConfig { summary, ..NssaConfig::default() });
        topology.others = vec![type_7(2, "0.0.0.0/0", 1, "10.2.0.9", options)];
        let (backbone, inside) = (backbone().seen_by(1), topology.seen_by(1));
        let areas = if border { vec![&backbone, &inside] } else { vec![&inside] };
        calculate(1, &areas, &[]).networks.contains_key(&net("0.0.0.0/0"))
    };
    assert!(followed(true, Options::empty(), false) && followed(false, Options::NP, false));
    assert!(followed(true, Options::NP, true));
    assert!(!followed(true, Options::empty(), true) && !followed(false, Options::NP, true));
}
