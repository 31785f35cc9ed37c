//! Not-so-stubby areas behind two border routers (RFC 3101): what comes out of them, who translates, and what comes in.

use isthmus_ospf::config::{AreaConfig, AreaType, ExternalRoute, NssaConfig, NssaRange, TranslatorRole};
use isthmus_ospf::route::PathType;
use isthmus_ospf::types::AreaId;
use isthmus_ospf::view::{DatabaseEntryView, LsaBodyView, NeighborState};

use crate::network::{BACKBONE, CLUSTER, Network, NodeId, Quality, seconds, seeds};

const NSSA: AreaId = AreaId(std::net::Ipv4Addr::new(0, 0, 0, 9));
const INSIDE: &str = "198.18.0.0/16";
const OUTSIDE: &str = "198.19.0.0/16";
const DEFAULT: &str = "0.0.0.0/0";

struct Site {
    network: Network,
    outside: NodeId,
    borders: [NodeId; 2],
    inside: [NodeId; 2],
    elsewhere: NodeId,
}

fn nssa(config: NssaConfig) -> AreaConfig {
    AreaConfig { area_type: AreaType::Nssa(config), ..AreaConfig::default() }
}

/// A router of the backbone, two border routers, a not-so-stubby area of two more, and a normal area. The backbone's router
/// and the farther one of the not-so-stubby area have hosts of their own, and announce routes.
fn site(seed: u64, config: NssaConfig) -> Site {
    let mut network = Network::new(seed);
    let outside = network.router();
    let borders = [network.router(), network.router()];
    let inside = [network.router(), network.router()];
    let elsewhere = network.router();
    for node in borders.into_iter().chain(inside) {
        network.area(node, NSSA, nssa(config));
    }
    for (border, cost) in borders.into_iter().zip([10, 11]) {
        network.link(outside, border, BACKBONE, cost);
    }
    network.lan(&[borders[0], borders[1], inside[0]], NSSA, 5);
    network.link(inside[0], inside[1], NSSA, 3);
    network.link(borders[0], elsewhere, CLUSTER, 4);
    for (node, area) in [(outside, BACKBONE), (inside[1], NSSA), (elsewhere, CLUSTER)] {
        let host = format!("{}/32", network.router_id(node).0);
        network.stub(node, area, &host, 0);
    }
    Site { network, outside, borders, inside, elsewhere }
}

fn route(metric: u32, e2: bool) -> ExternalRoute {
    ExternalRoute { metric, e2, tag: 42, ..ExternalRoute::default() }
}

fn has(network: &Network, node: NodeId, prefix: &str) -> bool {
    network.nodes[node].fib.contains_key(&prefix.parse().expect("a prefix"))
}

/// What is not being flushed of a type in a router's database of an area, or of type 5.
fn stored(network: &Network, node: NodeId, area: Option<AreaId>, number: u8) -> Vec<DatabaseEntryView> {
    let instance = network.nodes[node].instance.as_ref().expect("it runs");
    let mut entries = instance.view_database(network.now, area);
    entries.retain(|entry| entry.header.type_number == number && entry.header.age < 3600);
    entries
}

/// Who has type 5 advertisements of something.
fn originators(network: &Network, node: NodeId) -> Vec<NodeId> {
    let of = |entry: DatabaseEntryView| {
        let by = |node: &NodeId| network.router_id(*node) == entry.header.adv_router;
        (0..network.nodes.len()).find(by).expect("a router")
    };
    stored(network, node, None, 5).into_iter().map(of).collect()
}

#[test]
fn what_a_not_so_stubby_area_announces_is_translated_and_nothing_comes_in_but_a_default_route() {
    for (seed, summary) in seeds(6).zip([true, false].into_iter().cycle()) {
        let config = NssaConfig { summary, default_cost: 7, ..NssaConfig::default() };
        let Site { mut network, outside, borders, inside, elsewhere } = site(seed, config);
        network.quality = if seed < 2 { Quality::GOOD } else { Quality::BAD };
        network.start_all();
        network.redistribute(outside, &[(OUTSIDE, route(7, false))]);
        network.redistribute(inside[1], &[(INSIDE, route(9, seed % 2 == 0))]);
        // The oracle knows of not-so-stubby areas.
        network.converge(seconds(300));
        // A lost adjacency makes a candidate of everybody for a while.
        network.quality = Quality::GOOD;
        network.run_for(seconds(150));
        network.converge(seconds(300));
        for node in [outside, elsewhere, borders[0], borders[1], inside[0]] {
            assert!(has(&network, node, INSIDE), "{node}");
        }
        assert!(!has(&network, inside[0], OUTSIDE) && has(&network, inside[0], DEFAULT));
        assert_eq!(stored(&network, inside[0], None, 5), []);
        assert_eq!(stored(&network, inside[0], Some(NSSA), 4), []);
        // Section 3.1: the border router with the larger id, and no other.
        let mut translators = originators(&network, elsewhere);
        translators.retain(|node| *node != outside);
        assert_eq!(translators, [borders[1]], "seed {seed}");
        // It goes, and the other does it; then the route goes.
        network.kill(borders[1]);
        network.run_for(seconds(60));
        network.converge(seconds(300));
        assert!(originators(&network, elsewhere).contains(&borders[0]));
        assert!(has(&network, elsewhere, INSIDE));
        network.redistribute(inside[1], &[]);
        network.run_for(seconds(5));
        network.converge(seconds(300));
        assert!(!has(&network, elsewhere, INSIDE) && !has(&network, borders[0], INSIDE));
    }
}

#[test]
fn a_translation_carries_metric_tag_and_forwarding_address() {
    let Site { mut network, inside, elsewhere, borders, .. } = site(1, NssaConfig::default());
    network.start_all();
    network.redistribute(inside[1], &[(INSIDE, route(9, true))]);
    network.converge(seconds(60));
    let type_7 = &stored(&network, inside[0], Some(NSSA), 7);
    let of_inside = type_7.iter().find(|entry| entry.header.adv_router == network.router_id(inside[1]));
    let Some(LsaBodyView::External(said)) = of_inside.and_then(|entry| entry.body.clone()) else {
        panic!("{type_7:?}")
    };
    assert_eq!(
        said.forwarding_address,
        network.router_id(inside[1]).0,
        "its host, up as long as any interface"
    );
    assert_eq!((said.metric, said.flags.as_str(), said.external_route_tag), (9, "E", 42));
    let type_5 = stored(&network, elsewhere, None, 5);
    assert_eq!(type_5.len(), 1, "default routes of the area stay inside: {type_5:?}");
    assert_eq!(type_5[0].body, Some(LsaBodyView::External(said)));
    // Routers that know of the area's translator but not of its routers follow the forwarding address.
    let found = &network.nodes[elsewhere].fib[&INSIDE.parse().expect("a prefix")];
    assert_eq!(
        (found.path_type, found.cost, found.cost2, found.tag),
        (PathType::External2, 4 + 5 + 3, 9, 42)
    );
    assert!(has(&network, borders[0], INSIDE));
}

#[test]
fn a_router_that_always_translates_relieves_the_other_after_a_while() {
    let Site { mut network, inside, elsewhere, borders, .. } = site(1, NssaConfig::default());
    network.start_all();
    network.redistribute(inside[1], &[(INSIDE, route(9, true))]);
    network.converge(seconds(60));
    assert_eq!(originators(&network, elsewhere), [borders[1]]);
    network.reconfigure(borders[0], |config| {
        let always = NssaConfig { translator_role: TranslatorRole::Always, ..NssaConfig::default() };
        config.areas.insert(NSSA, nssa(always));
    });
    network.run_for(seconds(60));
    network.converge(seconds(60));
    assert_eq!(originators(&network, elsewhere), [borders[0]]);
    assert_eq!(network.neighbor_state(borders[0], inside[0]), NeighborState::Full, "no adjacency has gone");
    let router = stored(&network, inside[0], Some(NSSA), 1);
    let router = router.iter().find(|entry| entry.header.adv_router == network.router_id(borders[0]));
    let Some(LsaBodyView::Router(router)) = router.and_then(|entry| entry.body.clone()) else { panic!() };
    assert_eq!(router.rtr_lsa_bits, ["abr-bit", "asbr-bit", "nssa-bit"]);
}

#[test]
fn ranges_condense_or_hide_what_is_translated() {
    let Site { mut network, inside, elsewhere, borders, .. } = site(1, NssaConfig::default());
    for border in borders {
        let range = |prefix: &str, advertise| NssaRange {
            prefix: prefix.parse().expect("a prefix"),
            advertise,
            tag: 5,
        };
        let ranges = vec![range("198.18.0.0/15", true), range("203.0.113.0/24", false)];
        let config = AreaConfig { nssa_ranges: ranges, ..nssa(NssaConfig::default()) };
        network.area(border, NSSA, config);
    }
    network.start_all();
    let routes = [
        ("198.18.4.0/24", route(9, true)),
        ("198.19.4.0/24", route(3, true)),
        ("203.0.113.0/25", route(1, true)),
    ];
    network.redistribute(inside[1], &routes);
    network.run_for(seconds(60));
    let type_5 = stored(&network, elsewhere, None, 5);
    assert_eq!(type_5.len(), 1, "{type_5:?}");
    let Some(LsaBodyView::External(said)) = &type_5[0].body else { panic!("{type_5:?}") };
    assert_eq!(
        (said.network_mask.octets(), said.metric, said.external_route_tag, said.forwarding_address.octets()),
        ([255, 254, 0, 0], 10, 5, [0; 4])
    );
    let fib = |node: NodeId| &network.nodes[node].fib;
    assert!(fib(elsewhere).contains_key(&"198.18.0.0/15".parse().expect("a prefix")));
    // The translator discards what none of the networks holds.
    assert_eq!(fib(borders[1])[&"198.18.0.0/15".parse().expect("a prefix")].path_type, PathType::Discard);
}

#[test]
fn a_change_of_the_type_restarts_the_area_and_takes_its_advertisements_along() {
    let Site { mut network, outside, inside, elsewhere, borders } = site(1, NssaConfig::default());
    network.start_all();
    network.redistribute(inside[1], &[(INSIDE, route(9, true))]);
    network.converge(seconds(60));
    let changed_before = network.neighbor_state(outside, borders[0]);
    for node in borders.into_iter().chain(inside) {
        network.reconfigure(node, |config| {
            config.areas.insert(NSSA, AreaConfig::default());
        });
    }
    network.run_for(seconds(60));
    network.converge(seconds(60));
    assert_eq!(stored(&network, inside[0], Some(NSSA), 7), []);
    assert_eq!(originators(&network, elsewhere), [inside[1]]);
    assert_eq!(
        (changed_before, network.neighbor_state(outside, borders[0])),
        (NeighborState::Full, NeighborState::Full)
    );
}
