//! What follows from a configuration and a situation: roles, layout, addresses, routes.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use isthmus_ospf::route::{NextHop as OspfNextHop, PathType, Route as OspfRoute, RouteChange};
use isthmus_ospf::types::{AreaId, RouterId};
use isthmus_shmnet::Network;

use super::layout::Layout;
use super::snapshot::{self, Dynamic};
use super::{roles, routes};
use crate::config::model::StackConfig;
use crate::config::{Config, parse_str};
use crate::forward::InterfaceIndex;
use crate::forward::fib::{FibEntry, NextHop};
use crate::forward::state::{InterfaceKind, LocalOwner};
use crate::ospf_driver::{FabricAddresses, plan};
use crate::rib::Rib;

const BORDER: &str = "\
node-id: 1
segment: /dev/shm/test
interfaces:
  - { name: eth1, address: 192.0.2.1/30 }
  - { name: eth2, address: 198.51.100.1/24, ospf: { area-id: 0.0.0.1 } }
static-routes:
  - { destination-prefix: 203.0.113.0/24, next-hop: 198.51.100.9 }
";

fn config(text: &str) -> Config {
    parse_str(text).unwrap()
}

fn kernel_stack(config: &Config) -> StackConfig {
    StackConfig::Kernel(config.fabric.as_ref().unwrap().kernel_stack.clone())
}

fn layout(config: &Config, stack: &StackConfig) -> Layout {
    Layout::new(config, Some(stack), &vec![1500; config.interfaces.len()])
}

fn prefix(text: &str) -> Ipv4Net {
    text.parse().unwrap()
}

fn address(text: &str) -> Ipv4Addr {
    text.parse().unwrap()
}

#[test]
fn a_node_is_a_border_router_while_a_nic_outside_the_fabrics_area_is_up() {
    let config = config(BORDER);
    let up = roles::role(&config, &[true, true]);
    assert!(up.area_border_router && up.on_backbone, "{}", up.reason);
    assert!(up.reason.contains("eth1"), "{}", up.reason);
    let down = roles::role(&config, &[false, true]);
    assert!(!down.area_border_router && !down.on_backbone, "{}", down.reason);
    assert_eq!(down.reason, "NIC eth1 in area 0.0.0.0 is down");
}

/// Input: a NIC in an area of its own beside one in the backbone. Output: the areas meet while the backbone is there.
#[test]
fn a_nic_in_an_area_of_its_own_makes_a_border_router_only_with_the_backbone() {
    let config = config(
        "\
node-id: 1
segment: /dev/shm/test
interfaces:
  - { name: eth1, address: 192.0.2.1/30 }
  - { name: eth2, address: 198.51.100.1/24, ospf: { area-id: 0.0.0.7 } }
",
    );
    assert!(roles::role(&config, &[true, true]).area_border_router);
    let alone = roles::role(&config, &[false, true]);
    assert!(!alone.area_border_router && !alone.on_backbone);
    assert_eq!(alone.reason, "no NIC in the backbone is up");
}

#[test]
fn a_node_without_a_nic_is_internal_and_says_why() {
    let role = roles::role(&config("node-id: 3\nsegment: /dev/shm/test\n"), &[]);
    assert!(!role.area_border_router);
    assert_eq!(role.reason, "the node has no NIC");
}

#[test]
fn a_router_without_a_fabric_is_a_border_router_by_its_areas() {
    let text = "\
router-id: 192.0.2.9
interfaces:
  - { name: eth1, address: 192.0.2.1/30 }
  - { name: eth2, address: 198.51.100.1/24, ospf: { area-id: 0.0.0.7 } }
";
    let text = text.replace("router-id: 192.0.2.9\n", "ospf: { router-id: 192.0.2.9 }\n");
    let config = config(&text);
    assert!(roles::role(&config, &[true, true]).area_border_router);
    assert!(!roles::role(&config, &[true, false]).area_border_router);
}

#[test]
fn ports_are_the_fabric_then_the_nics_then_the_kernels_devices() {
    let config = config(BORDER);
    let layout = layout(&config, &kernel_stack(&config));
    let kinds: Vec<InterfaceKind> = layout.interfaces.iter().map(|interface| interface.kind).collect();
    assert_eq!(
        kinds,
        [
            InterfaceKind::Fabric(Network::Lsm),
            InterfaceKind::Fabric(Network::Gsm),
            InterfaceKind::Nic,
            InterfaceKind::Nic,
            InterfaceKind::Kernel(Network::Lsm),
            InterfaceKind::Kernel(Network::Gsm),
        ]
    );
    assert_eq!(layout.find("gsm0"), Some(InterfaceIndex(1)));
    assert_eq!(layout.find("eth2"), Some(InterfaceIndex(3)));
    assert_eq!(layout.find("gsm9"), None);
    assert_eq!(layout.node(address("10.77.1.9")), Some(9));
    assert_eq!(layout.port(address("10.77.0.9")), Some(InterfaceIndex(0)));
    assert_eq!(layout.port(address("192.0.2.2")), None, "a NIC's network is not the fabric's");
}

#[test]
fn the_kernel_answers_for_the_nodes_addresses_and_the_embedded_stack_for_the_routers() {
    let config = config(BORDER);
    let layout = layout(&config, &kernel_stack(&config));
    let state = snapshot::forwarding_state(&config, &layout, &Dynamic::default());
    assert_eq!(state.local[&address("10.77.0.1")], LocalOwner::Kernel(InterfaceIndex(4)));
    assert_eq!(state.local[&address("10.77.1.1")], LocalOwner::Kernel(InterfaceIndex(5)));
    assert_eq!(state.local[&address("10.77.3.1")], LocalOwner::Host(Network::Gsm));
    assert_eq!(state.local[&address("192.0.2.1")], LocalOwner::Host(Network::Gsm));
    assert_eq!(state.common[&address("10.77.2.1")], LocalOwner::Kernel(InterfaceIndex(5)));
    assert!(!state.local.contains_key(&address("10.77.2.1")), "common addresses are steered first");
    assert_eq!(state.router_address, Some(address("10.77.3.1")), "the kernel takes no error from itself");
    let down = Dynamic { lsm_device_is_down: true, ..Dynamic::default() };
    let state = snapshot::forwarding_state(&config, &layout, &down);
    assert_eq!(state.local[&address("10.77.0.1")], LocalOwner::Kernel(InterfaceIndex(5)));
}

#[test]
fn without_the_kernel_the_embedded_stack_answers_for_all() {
    let config = config(BORDER);
    let layout = layout(&config, &StackConfig::Embedded);
    let state = snapshot::forwarding_state(&config, &layout, &Dynamic::default());
    assert_eq!(state.local[&address("10.77.0.1")], LocalOwner::Host(Network::Lsm));
    assert_eq!(state.common[&address("10.77.2.1")], LocalOwner::Host(Network::Gsm));
    assert_eq!(layout.kernel, None);
}

#[test]
fn routes_of_interfaces_that_are_down_are_not_there() {
    let config = config(BORDER);
    let layout = layout(&config, &StackConfig::Embedded);
    let mut rib = Rib::default();
    routes::set_connected(&mut rib, &config, &layout, &[true, true, true, true], &[true, true]);
    let fib = rib.publish();
    let by_hand = NextHop { interface: InterfaceIndex(3), gateway: Some(address("198.51.100.9")) };
    assert_eq!(
        fib.lookup(address("203.0.113.5")),
        Some((prefix("203.0.113.0/24"), &FibEntry::Forward(vec![by_hand])))
    );
    routes::set_connected(&mut rib, &config, &layout, &[false, true, true, true], &[true, false]);
    let fib = rib.publish();
    assert_eq!(fib.lookup(address("10.77.0.2")), None, "lsm0 is down");
    assert_eq!(fib.lookup(address("203.0.113.5")), None, "its next hop is behind a NIC that is down");
    assert!(fib.lookup(address("10.77.1.2")).is_some() && fib.lookup(address("192.0.2.2")).is_some());
}

fn install(interface: isthmus_ospf::types::InterfaceId, gateway: Option<&str>) -> RouteChange {
    let next_hop =
        OspfNextHop { interface, address: gateway.map(address), router: RouterId(address("10.77.0.2")) };
    let route = OspfRoute {
        path_type: PathType::InterArea,
        area: Some(AreaId::BACKBONE),
        cost: 12,
        cost2: 0,
        next_hops: vec![next_hop],
        tag: 0,
    };
    RouteChange::Install { prefix: prefix("203.0.113.0/24"), route }
}

#[test]
fn a_next_hop_of_a_backbone_adjacency_leaves_by_the_network_of_its_address() {
    let config = config(BORDER);
    let layout = layout(&config, &StackConfig::Embedded);
    let mut rib = Rib::default();
    for (gateway, interface) in [("10.77.0.2", InterfaceIndex(0)), ("10.77.1.2", InterfaceIndex(1))] {
        routes::apply(&mut rib, &install(plan::backbone_interface(2), Some(gateway)), &layout);
        let hop = NextHop { interface, gateway: Some(address(gateway)) };
        let fib = rib.publish();
        let found = fib.lookup(address("203.0.113.1")).map(|(_, entry)| entry.clone());
        assert_eq!(found, Some(FibEntry::Forward(vec![hop])));
    }
}

#[test]
fn a_route_to_this_router_itself_is_none_and_a_withdrawn_one_is_gone() {
    let config = config(BORDER);
    let layout = layout(&config, &StackConfig::Embedded);
    let mut rib = Rib::default();
    routes::apply(&mut rib, &install(plan::LSM, Some("10.77.0.2")), &layout);
    assert_eq!(rib.iter().count(), 1);
    routes::apply(&mut rib, &install(plan::LSM, None), &layout);
    assert_eq!(rib.iter().count(), 0, "no next hop: the local addresses cover it");
    routes::apply(&mut rib, &install(plan::LSM, Some("10.77.0.2")), &layout);
    routes::apply(&mut rib, &RouteChange::Withdraw { prefix: prefix("203.0.113.0/24") }, &layout);
    assert_eq!(rib.iter().count(), 0);
}

#[test]
fn the_kernel_routes_everything_but_its_own_networks_and_the_common_address() {
    let config = config(BORDER);
    let layout = layout(&config, &StackConfig::Embedded);
    let mut rib = Rib::default();
    routes::set_connected(&mut rib, &config, &layout, &[true, true, true, true], &[true, true]);
    let mut host = install(plan::LSM, Some("10.77.0.2"));
    for text in ["10.77.0.2/32", "10.77.1.2/32", "10.77.2.1/32", "10.77.3.2/32", "203.0.113.0/24"] {
        if let RouteChange::Install { prefix: of, .. } = &mut host {
            *of = prefix(text);
        }
        routes::apply(&mut rib, &host, &layout);
    }
    let routed = routes::routed_prefixes(&rib.publish(), &config, false);
    let expected =
        ["10.77.3.1/32", "10.77.3.2/32", "192.0.2.0/30", "198.51.100.0/24", "203.0.113.0/24"].map(prefix);
    assert_eq!(routed, expected);
    let routed = routes::routed_prefixes(&rib.publish(), &config, true);
    assert!(
        routed.contains(&prefix("10.77.0.2/32")),
        "the members of a network whose device is down: {routed:?}"
    );
}

fn changed(layout: &Layout, config: &Config, reopened: &[&str], renumbered: &[&str]) -> Layout {
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    layout.changed(config, |_| 1500, &names(reopened), &names(renumbered)).unwrap()
}

fn places(layout: &Layout) -> Vec<(&str, u16, u32)> {
    let nics = layout.map.nics.iter().zip(&layout.map.nic_interfaces);
    nics.map(|(&index, number)| (layout.name(index), index.0, number.0)).collect()
}

#[test]
fn a_nic_keeps_its_place_and_its_number_while_others_come_and_go() {
    let before = config(BORDER);
    let first = layout(&before, &kernel_stack(&before));
    assert_eq!(places(&first), [("eth1", 2, 16), ("eth2", 3, 17)]);
    let eth1 = "  - { name: eth1, address: 192.0.2.1/30 }\n";
    let eth2 = "  - { name: eth2, address: 198.51.100.1/24, ospf: { area-id: 0.0.0.1 } }\n";
    let eth3 = "  - { name: eth3, address: 203.0.114.1/24 }\n";
    let of = |nics: &[&str]| {
        config(&format!("node-id: 1\nsegment: /dev/shm/test\ninterfaces:\n{}", nics.concat()))
    };

    let without = changed(&first, &of(&[eth2]), &[], &[]);
    assert_eq!(places(&without), [("eth2", 3, 17)]);
    assert!(without.interfaces[2].is_vacant() && without.find("eth1").is_none());
    assert_eq!(without.kernel, first.kernel);

    let with = changed(&without, &of(&[eth3, eth2]), &[], &[]);
    assert_eq!(places(&with), [("eth3", 6, 18), ("eth2", 3, 17)], "a new place and a new number");
    let again = changed(&with, &of(&[eth1, eth2, eth3]), &[], &["eth2"]);
    assert_eq!(places(&again), [("eth1", 7, 19), ("eth2", 3, 20), ("eth3", 6, 18)]);
    let reopened = changed(&again, &of(&[eth1, eth2, eth3]), &["eth3"], &[]);
    assert_eq!(places(&reopened), [("eth1", 7, 19), ("eth2", 3, 20), ("eth3", 8, 21)]);
    assert!(reopened.interfaces[6].is_vacant());

    let both = again.ports_of_both(&reopened);
    let port = |number| both.port(isthmus_ospf::types::InterfaceId(number)).map(|index| index.0);
    assert_eq!([18, 19, 20, 21].map(port), [Some(6), Some(7), Some(3), Some(8)]);
}

#[test]
fn places_are_used_again_when_there_are_no_others_and_there_are_no_more_than_the_worker_has() {
    let nic = |name: usize| format!("  - {{ name: e{name}, address: 10.{name}.0.1/30 }}\n");
    let of = |names: std::ops::Range<usize>| {
        let nics: String = names.map(nic).collect();
        config(&format!(
            "node-id: 1\nsegment: /dev/shm/test\nfabric: {{ lsm: {{ prefix: 172.16.0.0/24 }}, gsm: {{ prefix: 172.16.1.0/24 }}, common-addresses: [], loopback-prefix: 172.16.3.0/24 }}\ninterfaces:\n{nics}"
        ))
    };
    let before = of(1..60);
    let full = layout(&before, &kernel_stack(&before));
    assert_eq!(full.interfaces.len(), 63);
    let moved = changed(&full, &of(2..62), &[], &[]);
    let new: Vec<_> = places(&moved).into_iter().filter(|(name, ..)| ["e60", "e61"].contains(name)).collect();
    assert_eq!(new, [("e60", 63, 75), ("e61", 2, 76)], "the last new place, then the one of e1");
    let names = std::collections::BTreeSet::new();
    assert!(moved.changed(&of(1..62), |_| 1500, &names, &names).is_none());
}
