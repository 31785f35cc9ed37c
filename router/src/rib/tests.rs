//! Selection and publication.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::SystemTime;

use ipnet::Ipv4Net;

use super::*;
use crate::forward::InterfaceIndex;
use crate::forward::fib::{FibEntry, NextHop};

fn prefix(text: &str) -> Ipv4Net {
    text.parse().unwrap()
}

fn hop(interface: u16, gateway: Option<[u8; 4]>) -> NextHop {
    NextHop { interface: InterfaceIndex(interface), gateway: gateway.map(Ipv4Addr::from) }
}

fn route(preference: u8, action: Action) -> Route {
    Route { preference, metric: 0, action, ospf: None, updated: SystemTime::UNIX_EPOCH }
}

fn lookup(rib: &Rib, destination: [u8; 4]) -> Option<(Ipv4Net, FibEntry)> {
    rib.publish().lookup(Ipv4Addr::from(destination)).map(|(prefix, entry)| (prefix, entry.clone()))
}

#[test]
fn the_source_with_the_lowest_preference_is_active_and_the_next_takes_over() {
    let mut rib = Rib::default();
    let network = prefix("192.0.2.0/24");
    let (ospf, by_hand) = (hop(1, Some([10, 0, 0, 1])), hop(2, Some([10, 0, 1, 1])));
    rib.set(network, Source::Ospf, route(110, Action::Forward(vec![ospf])));
    rib.set(network, Source::Static, route(1, Action::Forward(vec![by_hand])));
    assert_eq!(lookup(&rib, [192, 0, 2, 9]), Some((network, FibEntry::Forward(vec![by_hand]))));
    assert!(rib.remove(network, Source::Static));
    assert_eq!(lookup(&rib, [192, 0, 2, 9]), Some((network, FibEntry::Forward(vec![ospf]))));
}

#[test]
fn a_static_route_can_be_made_worse_than_ospf() {
    let mut rib = Rib::default();
    let network = prefix("192.0.2.0/24");
    rib.set(network, Source::Ospf, route(110, Action::Forward(vec![hop(1, None)])));
    rib.set(network, Source::Static, route(200, Action::Discard));
    assert_eq!(rib.active(network).map(|(source, _)| source), Some(Source::Ospf));
}

#[test]
fn a_static_route_is_active_only_while_its_next_hop_is_on_a_connected_network() {
    let mut rib = Rib::default();
    rib.set(Ipv4Net::default(), Source::Static, route(1, Action::Via(Ipv4Addr::new(198, 51, 100, 1))));
    assert_eq!(lookup(&rib, [8, 8, 8, 8]), None);
    rib.set(prefix("198.51.100.0/30"), Source::Connected, route(0, Action::Forward(vec![hop(4, None)])));
    let resolved = FibEntry::Forward(vec![hop(4, Some([198, 51, 100, 1]))]);
    assert_eq!(lookup(&rib, [8, 8, 8, 8]), Some((Ipv4Net::default(), resolved)));
}

#[test]
fn a_discard_route_drops_what_no_longer_prefix_takes() {
    let mut rib = Rib::default();
    rib.set(prefix("10.77.0.0/24"), Source::Ospf, route(110, Action::Discard));
    rib.set(prefix("10.77.0.3/32"), Source::Ospf, route(110, Action::Forward(vec![hop(0, None)])));
    assert_eq!(lookup(&rib, [10, 77, 0, 9]), Some((prefix("10.77.0.0/24"), FibEntry::Discard)));
    let host = FibEntry::Forward(vec![hop(0, None)]);
    assert_eq!(lookup(&rib, [10, 77, 0, 3]), Some((prefix("10.77.0.3/32"), host)));
}

#[test]
fn replacing_a_source_removes_what_is_not_in_the_new_set_and_says_whether_anything_changed() {
    let mut rib = Rib::default();
    let one =
        |index| BTreeMap::from([(prefix("10.0.0.0/8"), route(0, Action::Forward(vec![hop(index, None)])))]);
    assert!(rib.replace(Source::Connected, one(1)));
    assert!(!rib.replace(Source::Connected, one(1)));
    assert!(rib.replace(Source::Connected, one(2)));
    assert!(rib.replace(Source::Connected, BTreeMap::new()));
    assert_eq!(rib.iter().count(), 0);
}

#[test]
fn the_time_of_a_route_is_not_a_difference() {
    let mut rib = Rib::default();
    let old = route(0, Action::Discard);
    let new = Route { updated: SystemTime::now(), ..old.clone() };
    assert!(rib.set(prefix("10.0.0.0/8"), Source::Static, old));
    assert!(!rib.set(prefix("10.0.0.0/8"), Source::Static, new));
}

#[test]
fn another_metric_makes_no_other_forwarding_table() {
    let mut rib = Rib::default();
    let first = route(110, Action::Forward(vec![hop(1, None)]));
    let mut set = |route: Route| {
        let before = rib.forwarding_generation();
        let changed = rib.set(prefix("10.0.0.0/8"), Source::Ospf, route);
        (changed, rib.forwarding_generation() != before)
    };
    assert_eq!(set(first.clone()), (true, true));
    assert_eq!(set(first.clone()), (false, false));
    assert_eq!(set(Route { metric: first.metric + 1, ..first.clone() }), (true, false));
    assert_eq!(set(Route { action: Action::Forward(vec![hop(2, None)]), ..first.clone() }), (true, true));
    assert_eq!(set(Route { preference: 20, ..first }), (true, true));
    let before = rib.forwarding_generation();
    assert!(rib.remove(prefix("10.0.0.0/8"), Source::Ospf));
    assert!(rib.forwarding_generation() != before);
}
