//! Topologies by hand. Input: an area's database and the router that calculates. Output: its routes.

use isthmus_ospf::route::{NextHop, PathType, RouteChange, RouteTable};
use isthmus_ospf::types::InterfaceId;
use isthmus_ospf::wire::{LinkType, LsType, LsaBody, NetworkLsa, RouterFlags, RouterLink};

use crate::topology::{
    Topology, calculate, calculate_limited, hops, interfaces, ip, lsa, net, peer_address, rid, route,
};

/// 1 - 2 - 3 in a row.
fn row() -> Topology {
    let mut topology = Topology::new(0);
    topology.link(1, 2, 10, 10).link(2, 3, 5, 7).stub(3, "10.3.0.0/24", 1).stub(1, "10.1.0.0/24", 4);
    topology
}

#[test]
fn a_stub_two_hops_away() {
    let table = row().routes_of(1);
    let far = route(&table, "10.3.0.0/24");
    assert_eq!(
        (far.path_type, far.area, far.cost),
        (PathType::IntraArea, Some(crate::topology::area(0)), 16)
    );
    let interface = InterfaceId(1);
    let next_hop = NextHop { interface, address: Some(peer_address(2, interface)), router: rid(2) };
    assert_eq!(far.next_hops, [next_hop]);
}

#[test]
fn costs_are_those_of_the_outgoing_side() {
    assert_eq!(route(&row().routes_of(3), "10.1.0.0/24").cost, 7 + 10 + 4);
}

#[test]
fn a_local_network_has_no_next_hop_address() {
    let table = row().routes_of(1);
    let local = route(&table, "10.1.0.0/24");
    assert_eq!(local.cost, 4);
    assert_eq!(local.next_hops, [NextHop { interface: InterfaceId(2), address: None, router: rid(1) }]);
}

#[test]
fn a_link_without_its_way_back_is_none() {
    let mut topology = row();
    topology.half_link(2, 4, 1).router(4);
    topology.stub(4, "10.4.0.0/24", 1);
    assert!(!topology.routes_of(1).networks.contains_key(&net("10.4.0.0/24")));
    topology.half_link(4, 2, 1);
    assert_eq!(route(&topology.routes_of(1), "10.4.0.0/24").cost, 12);
}

#[test]
fn an_adjacency_that_the_neighbor_does_not_announce_is_not_used() {
    let mut topology = Topology::new(0);
    topology.half_link(1, 2, 1).stub(2, "10.2.0.0/24", 1);
    assert!(topology.routes_of(1).networks.is_empty());
}

#[test]
fn own_routes_need_no_router_lsa_of_ones_own() {
    let mut seen = row().seen_by(1);
    seen.lsas.retain(|lsa| lsa.header.key.advertising_router != rid(1));
    assert_eq!(calculate(1, &[&seen], &[]), row().routes_of(1));
}

/// 1 to 4 over 2 and over 3 at the same cost, and a third way that is longer.
fn diamond() -> Topology {
    let mut topology = Topology::new(0);
    topology.link(1, 2, 1, 1).link(1, 3, 1, 1).link(2, 4, 1, 1).link(3, 4, 1, 1).link(1, 4, 3, 3);
    topology.stub(4, "10.4.0.0/24", 0);
    topology
}

#[test]
fn equal_paths_are_all_kept() {
    assert_eq!(hops(&route(&diamond().routes_of(1), "10.4.0.0/24").next_hops), [2, 3]);
    let mut topology = diamond();
    topology.link(1, 4, 2, 2);
    assert_eq!(hops(&route(&topology.routes_of(1), "10.4.0.0/24").next_hops), [2, 3, 4]);
}

#[test]
fn the_limit_keeps_the_lowest() {
    let mut topology = Topology::new(0);
    for middle in 2..12 {
        topology.link(1, middle, 1, 1).link(middle, 20, 1, 1);
    }
    topology.stub(20, "10.20.0.0/24", 0);
    let seen = topology.seen_by(1);
    let limited = calculate_limited(1, &[&seen], &[], 4);
    assert_eq!(hops(&route(&limited, "10.20.0.0/24").next_hops), [2, 3, 4, 5]);
    let one = calculate_limited(1, &[&seen], &[], 0);
    assert_eq!(hops(&route(&one, "10.20.0.0/24").next_hops), [2]);
}

#[test]
fn more_than_64_first_hops() {
    let mut topology = Topology::new(0);
    for middle in 2..140 {
        topology.link(1, middle, 1, 1).link(middle, 200, 1, 1);
    }
    topology.stub(200, "10.200.0.0/24", 0);
    let table = calculate_limited(1, &[&topology.seen_by(1)], &[], 1000);
    assert_eq!(hops(&route(&table, "10.200.0.0/24").next_hops), (2..140).collect::<Vec<_>>());
}

/// The two networks of the fabric: the cheap one carries all, and the other takes over.
#[test]
fn of_parallel_links_the_cheapest_carry() {
    let mut topology = Topology::new(0);
    topology.link(1, 2, 2, 2).link(1, 2, 3, 3).stub(2, "10.2.0.0/24", 0);
    assert_eq!(interfaces(&route(&topology.routes_of(1), "10.2.0.0/24").next_hops), [1]);
    topology.link(1, 2, 2, 9);
    assert_eq!(interfaces(&route(&topology.routes_of(1), "10.2.0.0/24").next_hops), [1, 3]);

    let mut seen = topology.seen_by(1);
    seen.adjacencies.retain(|adjacency| adjacency.cost != 2);
    let table = calculate(1, &[&seen], &[]);
    assert_eq!(interfaces(&route(&table, "10.2.0.0/24").next_hops), [2]);
    assert_eq!(route(&table, "10.2.0.0/24").cost, 3);
}

#[test]
fn an_anycast_prefix_follows_the_nearest() {
    let mut topology = row();
    topology.stub(2, "192.0.2.1/32", 5).stub(3, "192.0.2.1/32", 0);
    // 10 + 5 against 10 + 5 + 0: equal cost, one next hop.
    let table = topology.routes_of(1);
    assert_eq!(
        (route(&table, "192.0.2.1/32").cost, hops(&route(&table, "192.0.2.1/32").next_hops)),
        (15, vec![2])
    );
    // Its own copy wins over the others', also at equal cost.
    topology.stub(1, "192.0.2.1/32", 15);
    let table = topology.routes_of(1);
    assert_eq!(route(&table, "192.0.2.1/32").next_hops[0].address, None);
    assert_eq!(route(&table, "192.0.2.1/32").next_hops.len(), 1);
}

#[test]
fn an_excluded_router_is_not_there() {
    let mut topology = diamond();
    topology.excluded.insert(rid(2));
    topology.stub(2, "10.2.0.0/24", 0);
    let table = topology.routes_of(1);
    assert_eq!(hops(&route(&table, "10.4.0.0/24").next_hops), [3]);
    assert!(!table.networks.contains_key(&net("10.2.0.0/24")));
    // Not even while its neighbor is still in state full here.
    topology.excluded.extend([rid(3), rid(4)]);
    assert!(topology.routes_of(1).networks.is_empty());
}

/// 1 and 2 on a network whose designated router is 2; 3 behind 2, 4 behind 1's other neighbor.
fn lan() -> Topology {
    let mut topology = Topology::new(0);
    topology.transit("10.9.0.0/24", &[(2, "10.9.0.2", 10), (1, "10.9.0.1", 10), (3, "10.9.0.3", 10)]);
    topology.stub(2, "10.2.0.0/24", 1).stub(3, "10.3.0.0/24", 1);
    topology
}

#[test]
fn a_connected_transit_network() {
    let table = lan().routes_of(1);
    let own = route(&table, "10.9.0.0/24");
    let interface = InterfaceId(1);
    assert_eq!(own.cost, 10);
    assert_eq!(own.next_hops, [NextHop { interface, address: None, router: rid(1) }]);
    // No cost from the network to its routers; the next hop is the router's own address on it.
    let behind = route(&table, "10.3.0.0/24");
    assert_eq!(behind.cost, 11);
    assert_eq!(behind.next_hops, [NextHop { interface, address: Some(ip("10.9.0.3")), router: rid(3) }]);
}

#[test]
fn a_transit_network_further_away() {
    let mut topology = lan();
    topology.link(5, 1, 4, 4);
    let table = topology.routes_of(5);
    assert_eq!(
        (route(&table, "10.9.0.0/24").cost, hops(&route(&table, "10.9.0.0/24").next_hops)),
        (14, vec![1])
    );
    assert_eq!(
        (route(&table, "10.3.0.0/24").cost, hops(&route(&table, "10.3.0.0/24").next_hops)),
        (15, vec![1])
    );
}

#[test]
fn a_router_that_its_network_does_not_list_is_not_on_it() {
    let mut topology = lan();
    let link =
        RouterLink { id: ip("10.9.0.2"), data: ip("10.9.0.4"), link_type: LinkType::Transit, metric: 1 };
    topology.router(4).links.push(link);
    topology.stub(4, "10.4.0.0/24", 1);
    assert!(!topology.routes_of(1).networks.contains_key(&net("10.4.0.0/24")));
    assert!(topology.routes_of(4).networks.len() == 1, "nothing but its own stub");
}

#[test]
fn two_routers_on_two_shared_networks_have_equal_paths() {
    let mut topology = Topology::new(0);
    topology.transit("10.8.0.0/24", &[(1, "10.8.0.1", 5), (2, "10.8.0.2", 5)]);
    topology.transit("10.9.0.0/24", &[(2, "10.9.0.2", 5), (1, "10.9.0.1", 5)]);
    topology.stub(2, "10.2.0.0/24", 1);
    let table = topology.routes_of(1);
    let addresses: Vec<_> = route(&table, "10.2.0.0/24").next_hops.iter().map(|hop| hop.address).collect();
    assert_eq!(addresses, [Some(ip("10.8.0.2")), Some(ip("10.9.0.2"))]);
}

/// The network-LSA of a designated router that lost the address must not hide that of the present one.
#[test]
fn a_leftover_network_of_the_same_address_is_ignored() {
    let mut topology = lan();
    let body =
        LsaBody::Network(NetworkLsa { network_mask: ip("255.255.255.0"), attached_routers: vec![rid(1)] });
    // Router 0 sorts before the present designated router 2.
    topology.others.insert(0, lsa(LsType::NETWORK, ip("10.9.0.2"), 0, &body));
    topology.router(0);
    assert_eq!(route(&topology.routes_of(1), "10.3.0.0/24").cost, 11);
}

#[test]
fn flushed_and_malformed_advertisements_are_ignored() {
    let mut topology = row();
    topology.others.push(lsa(LsType::ROUTER, rid(9).0, 9, &LsaBody::Unknown(vec![1, 2, 3])));
    topology.others.push(lsa(LsType::ROUTER, rid(8).0, 9, &LsaBody::Router(topology.routers[&3].clone())));
    let mut seen = topology.seen_by(1);
    assert_eq!(calculate(1, &[&seen], &[]), row().routes_of(1));
    for lsa in seen.lsas.iter_mut().filter(|lsa| lsa.header.key.advertising_router == rid(3)) {
        *lsa = lsa.with_age(3600);
    }
    let table = calculate(1, &[&seen], &[]);
    assert!(!table.networks.contains_key(&net("10.3.0.0/24")));
}

#[test]
fn a_mask_with_holes_costs_only_its_own_link() {
    let mut topology = row();
    let link =
        RouterLink { id: ip("10.7.0.0"), data: ip("255.0.255.0"), link_type: LinkType::Stub, metric: 1 };
    topology.router(3).links.insert(0, link);
    assert_eq!(topology.routes_of(1), row().routes_of(1));
}

#[test]
fn border_routers_are_listed_with_their_ways() {
    let mut topology = row();
    topology.flags(2, RouterFlags::B).flags(3, RouterFlags::E).flags(1, RouterFlags::B);
    let table = topology.routes_of(1);
    let routers = &table.routers[&crate::topology::area(0)];
    assert_eq!(routers.keys().copied().collect::<Vec<_>>(), [rid(2), rid(3)]);
    assert_eq!((routers[&rid(2)].abr, routers[&rid(2)].asbr, routers[&rid(2)].cost), (true, false, 10));
    assert_eq!((routers[&rid(3)].abr, routers[&rid(3)].asbr, routers[&rid(3)].cost), (false, true, 15));
}

#[test]
fn differences_are_what_changes_the_old_table_into_the_new() {
    let old = diamond().routes_of(1);
    assert_eq!(RouteTable::diff(&old, &old), []);
    let mut topology = diamond();
    topology.excluded.insert(rid(3));
    topology.stub(2, "10.2.0.0/24", 0);
    topology.stub(2, "10.0.0.0/24", 0);
    let new = topology.routes_of(1);
    let changes = RouteTable::diff(&old, &new);
    let prefixes: Vec<_> = changes
        .iter()
        .map(|change| match change {
            RouteChange::Install { prefix, route } => {
                assert_eq!(new.networks[prefix], *route);
                *prefix
            }
            RouteChange::Withdraw { prefix } => panic!("{prefix} is still there"),
        })
        .collect();
    assert_eq!(prefixes, [net("10.0.0.0/24"), net("10.2.0.0/24"), net("10.4.0.0/24")]);
    let back = RouteTable::diff(&new, &RouteTable::default());
    assert_eq!(back[0], RouteChange::Withdraw { prefix: net("10.0.0.0/24") });
    assert_eq!(back.len(), 3);
}

/// A full mesh of 64 nodes with two parallel networks, the size of a large cluster.
#[test]
fn a_full_mesh_of_64_nodes() {
    let mut topology = Topology::new(1);
    for a in 1..=64 {
        for b in (1..=64).filter(|b| *b != a) {
            topology.half_link(a, b, 2).half_link(a, b, 3);
        }
        topology.stub(a, &format!("10.64.0.{a}/32"), 0);
    }
    let table = topology.routes_of(7);
    assert_eq!(table.networks.len(), 64);
    for n in (1..=64).filter(|n| *n != 7) {
        let route = route(&table, &format!("10.64.0.{n}/32"));
        assert_eq!((route.cost, hops(&route.next_hops)), (2, vec![n]));
    }
}

/// RFC 6860 section 2.3. Output: what is behind the network is reached, the network and its routers' addresses are not.
#[test]
fn a_network_with_the_mask_of_a_host_is_no_route() {
    let mut topology = Topology::new(0);
    topology.transit("10.9.0.2/32", &[(2, "10.9.0.2", 10), (1, "10.9.0.1", 10), (3, "10.9.0.3", 10)]);
    topology.stub(3, "10.3.0.0/24", 1);
    let table = topology.routes_of(1);
    assert_eq!(table.networks.keys().map(ToString::to_string).collect::<Vec<_>>(), ["10.3.0.0/24"]);
}
