//! Databases that no correct router would fill: whatever they hold, the calculation ends, and what it says
//! is well-formed.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use isthmus_ospf::config::{AreaType, RouteRules};
use isthmus_ospf::route::PathType;
use isthmus_ospf::spf::{self, Adjacency, AreaInput, Input, LocalPrefix, TransitLink, VirtualLink};
use isthmus_ospf::types::{InterfaceId, RouterId};
use isthmus_ospf::wire::{
    AsExternalLsa, LinkType, LsType, Lsa, LsaBody, NetworkLsa, RouterFlags, RouterLink, RouterLsa, SummaryLsa,
};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::topology::{area, lsa, rid};

/// Few values, so that they meet.
fn address() -> impl Strategy<Value = Ipv4Addr> {
    prop_oneof![8 => (0u32..6).prop_map(Ipv4Addr::from), 1 => any::<u32>().prop_map(Ipv4Addr::from)]
}

fn mask() -> impl Strategy<Value = Ipv4Addr> {
    prop_oneof![
        4 => (0u32..=32).prop_map(|length| Ipv4Addr::from(u32::MAX.checked_shl(32 - length).unwrap_or(0))),
        1 => any::<u32>().prop_map(Ipv4Addr::from),
    ]
}

fn metric() -> impl Strategy<Value = u16> {
    prop_oneof![Just(0), 1u16..4, Just(u16::MAX)]
}

fn link() -> impl Strategy<Value = RouterLink> {
    let link_type = prop_oneof![
        4 => Just(LinkType::PointToPoint),
        2 => Just(LinkType::Transit),
        2 => Just(LinkType::Stub),
        1 => Just(LinkType::Virtual),
    ];
    (address(), prop_oneof![address(), mask()], link_type, metric())
        .prop_map(|(id, data, link_type, metric)| RouterLink { id, data, link_type, metric })
}

fn advertisement() -> impl Strategy<Value = Lsa> {
    let body = prop_oneof![
        4 => (any::<u8>(), vec(link(), 0..8)).prop_map(|(flags, links)| {
            (1, LsaBody::Router(RouterLsa { flags: RouterFlags::from_bits_retain(flags), links }))
        }),
        2 => (mask(), vec(address().prop_map(RouterId), 0..6)).prop_map(|(network_mask, attached_routers)| {
            (2, LsaBody::Network(NetworkLsa { network_mask, attached_routers }))
        }),
        2 => (3u8..=4, mask(), 0u32..0x0100_0000).prop_map(|(ls_type, network_mask, metric)| {
            (ls_type, LsaBody::Summary(SummaryLsa { network_mask, metric }))
        }),
        1 => (mask(), any::<bool>(), 0u32..0x0100_0000, address()).prop_map(
            |(network_mask, e2, metric, forwarding_address)| {
                (5, LsaBody::AsExternal(AsExternalLsa { network_mask, e2, metric, forwarding_address, tag: 1 }))
            }
        ),
        1 => (1u8..=6, vec(any::<u8>(), 0..30)).prop_map(|(ls_type, bytes)| (ls_type, LsaBody::Unknown(bytes))),
    ];
    (body, address(), 0u32..6, any::<bool>()).prop_map(|((ls_type, body), id, from, own_id)| {
        let id = if ls_type == 1 && own_id { rid(from).0 } else { id };
        lsa(LsType(ls_type), id, from, &body)
    })
}

fn adjacency() -> impl Strategy<Value = Adjacency> {
    (0u32..3, address(), address(), metric()).prop_map(|(interface, neighbor, address, cost)| Adjacency {
        interface: InterfaceId(interface),
        neighbor: RouterId(neighbor),
        via: RouterId(neighbor),
        address,
        cost,
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn any_database_gives_a_well_formed_table(
        first in vec(advertisement(), 0..24),
        second in vec(advertisement(), 0..12),
        adjacencies in vec(adjacency(), 0..6),
        designated in vec((address(), metric()), 0..3),
        excluded in vec(address().prop_map(RouterId), 0..2),
        maximum_paths in 0usize..4,
        area_border_router: bool,
    ) {
        let excluded: BTreeSet<RouterId> = excluded.into_iter().collect();
        let transits: Vec<TransitLink> = (10..)
            .map(InterfaceId)
            .zip(designated)
            .map(|(interface, (designated_router, cost))| TransitLink { interface, designated_router, cost })
            .collect();
        let local = LocalPrefix { interface: InterfaceId(0), prefix: "10.0.0.1/8".parse().unwrap(), cost: 1 };
        let input = |number, lsas: &[Lsa]| AreaInput {
            area: area(number),
            lsas: Vec::new(),
            adjacencies: adjacencies.clone(),
            transits: if lsas.is_empty() { Vec::new() } else { transits.clone() },
            local: vec![local],
            excluded: &excluded,
            ranges: &[],
            area_type: AreaType::Normal,
            nssa_ranges: &[],
        };
        let table = spf::calculate(&Input {
            router_id: rid(1),
            area_border_router,
            maximum_paths,
            rules: RouteRules::default(),
            virtual_links: vec![VirtualLink { transit_area: area(1), neighbor: rid(2) }],
            areas: vec![
                AreaInput { lsas: first.iter().collect(), ..input(0, &first) },
                AreaInput { lsas: second.iter().collect(), ..input(1, &second) },
            ],
            externals: first.iter().chain(&second).filter(|lsa| lsa.header.key.ls_type.0 == 5).collect(),
        });
        for (prefix, route) in &table.networks {
            prop_assert_eq!(*prefix, prefix.trunc());
            prop_assert_eq!(route.next_hops.is_empty(), route.path_type == PathType::Discard);
            prop_assert!(route.next_hops.len() <= maximum_paths.max(1));
            prop_assert!(route.next_hops.is_sorted());
        }
        for routers in table.routers.values() {
            prop_assert!(routers.values().all(|route| !route.next_hops.is_empty()));
            prop_assert!(routers.keys().all(|router| !excluded.contains(router) || routers[router].path_type == PathType::InterArea));
        }
    }
}
