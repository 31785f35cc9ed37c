//! What outlives a process, and what time alone does: restarts, refresh, the end of the sequence numbers.

use std::net::Ipv4Addr;

use isthmus_ospf::types::{RouterId, SeqNum};
use isthmus_ospf::wire::{
    ALL_SPF_ROUTERS, AsExternalLsa, Header, LinkType, LsType, Lsa, LsaBody, LsaKey, Options, Packet,
    PacketBody, RouterFlags, RouterLink, RouterLsa, SummaryLsa,
};

use crate::network::{BACKBONE, CLUSTER, Network, NodeId, Quality, seconds, seeds};

fn line(seed: u64) -> (Network, Vec<NodeId>) {
    let mut network = Network::new(seed);
    let nodes = network.routers(4);
    for pair in nodes.windows(2) {
        network.link(pair[0], pair[1], BACKBONE, 10);
    }
    for node in &nodes {
        network.stub(*node, BACKBONE, &format!("172.20.{node}.0/24"), 1);
    }
    (network, nodes)
}

/// Sequence number of a router's router-LSA as another router has it.
fn sequence(network: &Network, reader: NodeId, router: RouterId) -> Option<u32> {
    let database = network.nodes[reader].instance.as_ref()?.view_database(network.now, Some(BACKBONE));
    let entry = database.into_iter().find(|e| e.header.adv_router == router && e.header.type_number == 1)?;
    Some(entry.header.seq_num)
}

/// Delivers an update to `to` as if `from` had sent it.
fn inject(network: &mut Network, from: NodeId, to: NodeId, lsa: Lsa) {
    let find = |network: &Network| {
        network.segments.iter().find_map(|segment| {
            let at = |node| segment.members.iter().find(|(member, _)| *member == node).map(|(_, id)| *id);
            Some((at(from)?, at(to)?))
        })
    };
    let (from_interface, to_interface) = find(network).expect("a link between the two");
    let source = network.nodes[from].config.interfaces[&from_interface].address.addr();
    let header = Header { router_id: network.router_id(from), area_id: BACKBONE };
    let payload = Packet { header, body: PacketBody::LinkStateUpdate(vec![lsa]) }.encode();
    network.with(to, |instance, now| {
        instance.handle_packet(now, to_interface, source, ALL_SPF_ROUTERS, &payload)
    });
}

#[test]
fn a_restarted_router_takes_over_what_its_earlier_life_has_said() {
    for seed in seeds(20) {
        let (mut network, nodes) = line(seed);
        network.quality = if seed == 0 { Quality::GOOD } else { Quality::BAD };
        network.start_all();
        network.converge(seconds(300));
        for _ in 0..5 {
            let cost = 10 + network.now.0 as u16 % 7;
            network.reconfigure(nodes[1], |config| {
                config.interfaces.values_mut().for_each(|interface| interface.cost = cost);
            });
            network.run_for(seconds(6));
        }
        network.converge(seconds(300));
        let before = sequence(&network, nodes[3], network.router_id(nodes[1])).expect("a router-LSA");
        network.kill(nodes[1]);
        network.run_for(seconds(u64::from(seed as u32 % 3) * 3));
        network.start(nodes[1]);
        network.run_for(seconds(3));
        network.converge(seconds(300));
        let after = sequence(&network, nodes[3], network.router_id(nodes[1])).expect("a router-LSA");
        assert!(after as i32 > before as i32, "{before:#x} {after:#x}");
    }
}

#[test]
fn a_restarted_router_flushes_what_it_does_not_say_any_more() {
    let (mut network, nodes) = line(1);
    network.start_all();
    network.converge(seconds(20));
    // An earlier life of the first router was a border router.
    let router = network.router_id(nodes[0]);
    let key = LsaKey {
        ls_type: LsType::SUMMARY_NETWORK,
        id: Ipv4Addr::new(9, 0, 0, 0),
        advertising_router: router,
    };
    let body = LsaBody::Summary(SummaryLsa { network_mask: Ipv4Addr::new(255, 0, 0, 0), metric: 5 });
    let lsa = Lsa::build(100, Options::E, key, SeqNum(SeqNum::INITIAL.0 + 9), &body);
    inject(&mut network, nodes[2], nodes[1], lsa);
    network.run_for(seconds(1));
    let has_it = |network: &Network, node: NodeId| {
        let instance = network.nodes[node].instance.as_ref().expect("it runs");
        instance.view_database(network.now, Some(BACKBONE)).iter().any(|entry| entry.header.type_number == 3)
    };
    network.converge(seconds(20));
    assert!(nodes.iter().all(|node| !has_it(&network, *node)));
}

#[test]
fn an_hour_of_refresh_changes_no_route_and_loses_nothing() {
    let (mut network, nodes) = line(2);
    network.start_all();
    network.converge(seconds(20));
    let runs = |network: &Network| -> u64 {
        network.alive().map(|(_, _, instance)| instance.view_instance(network.now).spf.spf_runs_count).sum()
    };
    let (first, runs_before) = (sequence(&network, nodes[3], network.router_id(nodes[0])), runs(&network));
    network.run_for(seconds(3600));
    network.converge(seconds(1));
    assert_eq!(runs(&network), runs_before, "a refresh says nothing new");
    let last = sequence(&network, nodes[3], network.router_id(nodes[0]));
    assert_eq!(last.zip(first).map(|(last, first)| last - first), Some(2), "two refreshes an hour");
}

#[test]
fn what_a_dead_router_has_said_leaves_the_databases_at_max_age() {
    let (mut network, nodes) = line(2);
    network.start_all();
    network.converge(seconds(20));
    let dead = network.router_id(nodes[0]);
    network.kill(nodes[0]);
    network.run_for(seconds(1700));
    assert!(sequence(&network, nodes[3], dead).is_some());
    network.run_for(seconds(2000));
    assert_eq!(sequence(&network, nodes[3], dead), None);
    network.converge(seconds(10));
}

#[test]
fn the_end_of_the_sequence_numbers_starts_them_again() {
    for distance in [0, 1, 3] {
        let (mut network, nodes) = line(3);
        network.start_all();
        network.converge(seconds(20));
        // Somebody has an instance of the first router's that is nearly as new as one can be.
        let router = network.router_id(nodes[0]);
        let key = LsaKey { ls_type: LsType::ROUTER, id: router.0, advertising_router: router };
        let link = RouterLink {
            id: Ipv4Addr::new(9, 9, 9, 0),
            data: Ipv4Addr::new(255, 255, 255, 0),
            link_type: LinkType::Stub,
            metric: 1,
        };
        let body = LsaBody::Router(RouterLsa { flags: RouterFlags::empty(), links: vec![link] });
        let lsa = Lsa::build(1, Options::E, key, SeqNum(SeqNum::MAX.0 - distance), &body);
        network.run_for(seconds(2));
        inject(&mut network, nodes[2], nodes[1], lsa);
        network.converge(seconds(30));
        for _ in 0..distance + 1 {
            network.run_for(seconds(1800));
        }
        network.converge(seconds(30));
        let sequence = sequence(&network, nodes[3], router).expect("a router-LSA") as i32;
        assert!(sequence < SeqNum::INITIAL.0 + 20, "{sequence:#x}");
    }
}

#[test]
fn a_router_that_shuts_down_is_gone_at_once() {
    let (mut network, nodes) = line(4);
    network.start_all();
    network.converge(seconds(20));
    network.run_for(seconds(10));
    let router = network.router_id(nodes[3]);
    network.shut_down(nodes[3]);
    let took = network.run_until("gone", seconds(1), |network| {
        network.nodes[nodes[2]]
            .fib
            .values()
            .all(|route| route.next_hops.iter().all(|hop| hop.router != router))
    });
    assert!(took.as_millis() < 10, "{took:?}");
    network.converge(seconds(20));
    assert_eq!(sequence(&network, nodes[0], router), None, "its advertisement is flushed");
}

#[test]
fn another_router_id_is_another_router() {
    let (mut network, nodes) = line(5);
    network.start_all();
    network.converge(seconds(20));
    let old = network.router_id(nodes[1]);
    network.run_for(seconds(10));
    network.reconfigure(nodes[1], |config| config.router_id = RouterId(Ipv4Addr::new(10, 9, 9, 9)));
    network.converge(seconds(30));
    assert_eq!(sequence(&network, nodes[3], old), None);
    assert!(sequence(&network, nodes[3], RouterId(Ipv4Addr::new(10, 9, 9, 9))).is_some());
}

#[test]
fn as_external_advertisements_cross_areas_and_leave_when_flushed() {
    let mut network = Network::new(6);
    let nodes = network.routers(3);
    network.link(nodes[0], nodes[1], BACKBONE, 10);
    network.link(nodes[1], nodes[2], CLUSTER, 10);
    network.start_all();
    network.converge(seconds(20));
    let asbr = RouterId(Ipv4Addr::new(10, 7, 7, 7));
    let key =
        LsaKey { ls_type: LsType::AS_EXTERNAL, id: Ipv4Addr::new(198, 51, 100, 0), advertising_router: asbr };
    let external = AsExternalLsa {
        network_mask: Ipv4Addr::new(255, 255, 255, 0),
        e2: true,
        metric: 20,
        forwarding_address: Ipv4Addr::UNSPECIFIED,
        tag: 7,
    };
    let body = LsaBody::AsExternal(external);
    inject(&mut network, nodes[0], nodes[1], Lsa::build(1, Options::E, key, SeqNum::INITIAL, &body));
    network.run_for(seconds(1));
    let externals = |network: &Network, node: NodeId| {
        network.nodes[node].instance.as_ref().map(|instance| instance.view_database(network.now, None).len())
    };
    assert_eq!(externals(&network, nodes[2]), Some(1));
    network.run_for(seconds(2));
    inject(&mut network, nodes[0], nodes[1], Lsa::build(3600, Options::E, key, SeqNum::INITIAL, &body));
    network.run_for(seconds(10));
    assert_eq!((externals(&network, nodes[1]), externals(&network, nodes[2])), (Some(0), Some(0)));
}
