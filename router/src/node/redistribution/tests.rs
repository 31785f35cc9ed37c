#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::time::SystemTime;

use super::*;
use crate::config::parse_str;
use crate::forward::InterfaceIndex;
use crate::forward::fib::NextHop;

/// `eth0` runs OSPF as a network of many, `eth1` and `eth2` run none.
const ROUTER: &str = "
interfaces:
  - { name: eth0, address: 192.0.2.1/24, ospf: { interface-type: broadcast } }
  - { name: eth1, address: 198.51.100.1/24, ospf: { enabled: false } }
  - { name: eth2, address: 203.0.113.1/25, ospf: { enabled: false } }
static-routes:
  - { destination-prefix: 10.1.0.0/16, next-hop: 192.0.2.9 }
  - { destination-prefix: 10.2.0.0/24, next-hop: 198.51.100.9 }
  - { destination-prefix: 0.0.0.0/0, next-hop: 198.51.100.9 }
";

fn config(ospf: &str) -> Config {
    parse_str(&format!("{ROUTER}ospf: {{ {ospf} }}\n")).unwrap()
}

fn route(preference: u8, action: Action) -> Route {
    Route { preference, metric: 0, action, ospf: None, updated: SystemTime::UNIX_EPOCH }
}

/// The table with `eth0` and `eth1` up and `eth2` down.
fn rib(config: &Config) -> Rib {
    let mut rib = Rib::default();
    for (index, nic) in config.interfaces.iter().take(2).enumerate() {
        let hop = NextHop { interface: InterfaceIndex(index as u16), gateway: None };
        rib.set(nic.address.trunc(), Source::Connected, route(0, Action::Forward(vec![hop])));
    }
    for by_hand in &config.static_routes {
        let action = by_hand.next_hop.map_or(Action::Discard, Action::Via);
        rib.set(by_hand.prefix, Source::Static, route(by_hand.distance, action));
    }
    rib
}

fn announced(ospf: &str) -> Vec<String> {
    let config = config(ospf);
    let shown = |(prefix, route): (Ipv4Net, ExternalRoute)| {
        let kind = if route.e2 { 2 } else { 1 };
        format!("{prefix} {}/{kind} tag {} by {}", route.metric, route.tag, route.forwarding_address)
    };
    routes(&rib(&config), &config).into_iter().map(shown).collect()
}

#[test]
fn nothing_is_announced_unless_the_configuration_says_so() {
    assert_eq!(announced(""), [""; 0]);
}

#[test]
fn connected_networks_are_those_that_are_up_and_without_ospf() {
    assert_eq!(announced("redistribute: { connected: {} }"), ["198.51.100.0/24 20/2 tag 0 by 0.0.0.0"]);
}

#[test]
fn routes_by_hand_name_the_next_hop_that_the_network_reaches_itself() {
    assert_eq!(
        announced("redistribute: { static: { metric: 7, metric-type: 1, tag: 300 } }"),
        ["10.1.0.0/16 7/1 tag 300 by 192.0.2.9", "10.2.0.0/24 7/1 tag 300 by 0.0.0.0"]
    );
}

#[test]
fn the_first_rule_that_fits_decides() {
    let filter = "[{ action: deny, ip-prefix: 10.2.0.0/16, mask-length-upper: 32 }, { ip-prefix: 10.0.0.0/8, mask-length-lower: 16 }]";
    assert_eq!(
        announced(&format!("redistribute: {{ static: {{ filter: {filter} }} }}")),
        ["10.1.0.0/16 20/2 tag 0 by 192.0.2.9"]
    );
    let none_fits = "[{ ip-prefix: 10.0.0.0/8 }]";
    assert_eq!(announced(&format!("redistribute: {{ static: {{ filter: {none_fits} }} }}")), [""; 0]);
}

#[test]
fn the_default_route_is_announced_while_there_is_one_or_always() {
    let from_table = "default-information-originate: { metric: 5 }";
    assert_eq!(announced(from_table), ["0.0.0.0/0 5/2 tag 0 by 0.0.0.0"]);
    let config = config("default-information-originate: { always: true }");
    let mut rib = rib(&config);
    let default = Ipv4Net::default();
    rib.remove(default, Source::Static);
    assert!(routes(&rib, &config).contains_key(&default), "always");
    assert!(routes(&rib, &self::config(from_table)).is_empty(), "none in the table");
}

#[test]
fn what_ospf_knows_better_or_nobody_forwards_by_is_not_announced() {
    let config = config("redistribute: { static: {} }");
    let mut rib = rib(&config);
    let prefix: Ipv4Net = "10.1.0.0/16".parse().unwrap();
    let hop = NextHop { interface: InterfaceIndex(0), gateway: Some(Ipv4Addr::new(192, 0, 2, 7)) };
    rib.set(prefix, Source::Static, route(200, Action::Via(Ipv4Addr::new(192, 0, 2, 9))));
    rib.set(prefix, Source::Ospf, route(110, Action::Forward(vec![hop])));
    rib.remove("198.51.100.0/24".parse().unwrap(), Source::Connected);
    assert!(routes(&rib, &config).is_empty(), "one is OSPF's, the other's next hop is in no network");
}
