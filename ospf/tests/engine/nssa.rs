//! Not-so-stubby areas (RFC 3101): bits N and P, and where type 7 advertisements are taken and made.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use isthmus_ospf::config::{AreaType, ExternalRoute, NssaConfig};
use isthmus_ospf::types::MAX_AGE;
use isthmus_ospf::view::NeighborState;
use isthmus_ospf::wire::{AsExternalLsa, LsType, Lsa, LsaBody, LsaKey, Options, PacketBody, RouterFlags};

use crate::bench::{LINK, OWN, STRANGER, millis, seq};
use crate::two_links::{AREA, INNER, OUTER_SIDE, Router, STUB, external, inner_side};

const NSSA: AreaType = AreaType::Nssa(NssaConfig {
    summary: true,
    default_route: true,
    default_cost: 6,
    translator_role: isthmus_ospf::config::TranslatorRole::Candidate,
});

/// A type 7 advertisement of the inner neighbor.
fn type_7(options: Options) -> Lsa {
    let id = Ipv4Addr::new(198, 18, 0, 0);
    let key = LsaKey { ls_type: LsType::NSSA_EXTERNAL, id, advertising_router: STRANGER };
    let body = AsExternalLsa {
        network_mask: Ipv4Addr::new(255, 255, 0, 0),
        e2: true,
        metric: 20,
        forwarding_address: Ipv4Addr::new(172, 17, 0, 2),
        tag: 0,
    };
    Lsa::build(1, options, key, seq(1), &LsaBody::AsExternal(body))
}

/// The last instances that left through the inner link since the last look.
fn sent(router: &mut Router) -> BTreeMap<LsaKey, Lsa> {
    let sent = std::mem::take(&mut router.sent);
    let of_inner = sent.into_iter().filter(|(link, _)| *link == INNER);
    let lsas = of_inner.flat_map(|(_, body)| match body {
        PacketBody::LinkStateUpdate(lsas) => lsas,
        _ => Vec::new(),
    });
    lsas.map(|lsa| (lsa.header.key, lsa)).collect()
}

fn redistribute(router: &mut Router, prefixes: &[&str]) {
    let route = ExternalRoute { metric: 7, e2: false, tag: 5, ..ExternalRoute::default() };
    let routes = prefixes.iter().map(|prefix| (prefix.parse().expect("a prefix"), route)).collect();
    router.engine.handle_redistribution(router.now, routes);
    router.collect();
}

fn own(id: [u8; 4]) -> LsaKey {
    LsaKey { ls_type: LsType::NSSA_EXTERNAL, id: id.into(), advertising_router: OWN }
}

fn external_of(lsa: &Lsa) -> AsExternalLsa {
    let Ok(LsaBody::AsExternal(body)) = lsa.body() else { panic!("{lsa:?}") };
    body
}

#[test]
fn hellos_and_descriptions_carry_bit_n() {
    let mut router = Router::new(NSSA);
    router.exchange(inner_side(NSSA), &[]);
    router.exchange(OUTER_SIDE, &[]);
    let mut seen = 0;
    for (link, body) in &router.sent {
        let options = match body {
            PacketBody::Hello(hello) => hello.options,
            PacketBody::DatabaseDescription(description) => {
                assert!(description.options.contains(Options::O));
                description.options - Options::O
            }
            _ => continue,
        };
        assert_eq!(options, if *link == LINK { Options::E } else { Options::NP });
        seen += 1;
    }
    assert!(seen >= 6, "{seen}");
    // Who takes it for a stub area is no neighbor.
    let mut router = Router::new(NSSA);
    router.hello(inner_side(STUB));
    assert_eq!(
        (router.bad(inner_side(STUB), "options_mismatch"), router.state(inner_side(STUB))),
        (1, NeighborState::Down)
    );
}

#[test]
fn type_7_is_taken_in_a_not_so_stubby_area_only() {
    for (area_type, taken) in [(NSSA, true), (STUB, false), (AreaType::Normal, false)] {
        let side = inner_side(area_type);
        let mut router = Router::full(area_type);
        router.receive(side, PacketBody::LinkStateUpdate(vec![type_7(Options::empty())]));
        let database = router.engine.view_database(router.now, Some(AREA));
        let is_there = database.iter().any(|e| e.header.type_number == 7 && e.header.adv_router == STRANGER);
        assert_eq!((is_there, router.bad(side, "lsa_nssa_elsewhere")), (taken, u64::from(!taken)));
        assert!(!router.said_to(LINK).contains(&type_7(Options::empty()).header.key), "it stays inside");
        let mut router = Router::new(area_type);
        router.exchange(side, &[type_7(Options::empty())]);
        assert_eq!(router.bad(side, "lsa_nssa_elsewhere"), u64::from(!taken), "described");
    }
    let mut router = Router::full(NSSA);
    router.receive(inner_side(NSSA), PacketBody::LinkStateUpdate(vec![external()]));
    assert_eq!(router.bad(inner_side(NSSA), "lsa_external_in_stub"), 1);
}

#[test]
fn an_internal_router_sets_bit_p_and_a_border_router_does_not() {
    let mut router = Router::full(NSSA);
    redistribute(&mut router, &["198.19.0.0/16"]);
    let lsas = sent(&mut router);
    let lsa = &lsas[&own([198, 19, 0, 0])];
    let body = external_of(lsa);
    assert_eq!((lsa.header.options, body.forwarding_address), (Options::empty(), Ipv4Addr::UNSPECIFIED));
    assert_eq!((body.metric, body.e2, body.tag), (7, false, 5));
    // The backbone goes: nobody knows of a type 5 advertisement any more.
    router.engine.handle_link(router.now, LINK, false);
    router.collect();
    router.advance(millis(6000));
    let lsas = sent(&mut router);
    let lsa = &lsas[&own([198, 19, 0, 0])];
    assert_eq!(
        (lsa.header.options, external_of(lsa).forwarding_address),
        (Options::NP, Ipv4Addr::new(172, 17, 0, 1))
    );
    // The default route of a border router goes with its role.
    assert_eq!(lsas[&own([0; 4])].header.age, MAX_AGE);
    redistribute(&mut router, &[]);
    assert_eq!(sent(&mut router)[&own([198, 19, 0, 0])].header.age, MAX_AGE);
}

#[test]
fn a_border_router_announces_a_default_route_of_type_7_and_is_a_boundary_router() {
    let mut router = Router::full(NSSA);
    let database = router.engine.view_database(router.now, Some(AREA));
    let of_type = |number| {
        database.iter().filter(move |e| e.header.type_number == number && e.header.adv_router == OWN)
    };
    let defaults: Vec<_> = of_type(7).map(|e| (e.header.lsa_id, e.raw_data.clone())).collect();
    assert_eq!(defaults.len(), 1, "{defaults:?}");
    assert!(defaults[0].1.contains(":00:00:00:00:00:00:00:06:00:00:00:00:00:00:00:00"), "{defaults:?}");
    assert_eq!(of_type(3).filter(|e| e.header.lsa_id.is_unspecified()).count(), 0);
    router.reconfigure(|config| {
        let nssa = NssaConfig { summary: false, default_cost: 6, ..NssaConfig::default() };
        config.areas.get_mut(&AREA).expect("the area").area_type = AreaType::Nssa(nssa);
    });
    router.advance(millis(6000));
    let lsas = sent(&mut router);
    assert_eq!(lsas[&own([0; 4])].header.age, MAX_AGE);
    let summary = LsaKey { ls_type: LsType::SUMMARY_NETWORK, ..own([0; 4]) };
    assert_eq!(lsas[&summary].header.options, Options::empty());
    assert_eq!(router.state(inner_side(NSSA)), NeighborState::Full, "no adjacency was lost");
    let database = router.engine.view_database(router.now, Some(AREA));
    let of_own = database.iter().find(|e| e.header.type_number == 1 && e.header.adv_router == OWN);
    let flags = of_own.expect("our router-LSA").raw_data.split(':').nth(20).map(str::to_owned);
    assert_eq!(flags, Some(format!("{:02x}", (RouterFlags::B | RouterFlags::E).bits())));
}
