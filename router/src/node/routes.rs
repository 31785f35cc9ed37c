//! Routes into the table: OSPF's changes, the connected networks, the static routes; and out of it: the prefixes
//! that the kernel routes by `gsm0`.

use std::collections::BTreeMap;
use std::time::SystemTime;

use ipnet::Ipv4Net;
use isthmus_ospf::route::{NextHop as OspfNextHop, PathType, Route as OspfRoute, RouteChange};

use super::layout::Layout;
use crate::config::Config;
use crate::forward::InterfaceIndex;
use crate::forward::fib::{Fib, NextHop};
use crate::forward::state::InterfaceKind;
use crate::ospf_driver::FabricAddresses;
use crate::rib::{Action, OspfAttributes, Rib, Route, Source};

/// Applies a change of OSPF's routes.
pub fn apply(rib: &mut Rib, change: &RouteChange, layout: &Layout) {
    match change {
        RouteChange::Withdraw { prefix } => {
            rib.remove(*prefix, Source::Ospf);
        }
        RouteChange::Install { prefix, route } => match action(route, layout) {
            Some(action) => {
                let attributes =
                    OspfAttributes { path_type: route.path_type, area: route.area, tag: route.tag };
                let route = Route {
                    preference: Source::Ospf.preference(),
                    metric: route.metric(),
                    action,
                    ospf: Some(attributes),
                    updated: SystemTime::now(),
                };
                rib.set(*prefix, Source::Ospf, route);
            }
            None => {
                rib.remove(*prefix, Source::Ospf);
            }
        },
    }
}

/// `None`: the route leads to this router itself, which the local addresses and connected networks cover.
fn action(route: &OspfRoute, layout: &Layout) -> Option<Action> {
    if route.path_type == PathType::Discard {
        return Some(Action::Discard);
    }
    let next_hops: Vec<NextHop> = route.next_hops.iter().filter_map(|hop| next_hop(hop, layout)).collect();
    (!next_hops.is_empty()).then_some(Action::Forward(next_hops))
}

/// A next hop without an address is a network of this router's own.
fn next_hop(hop: &OspfNextHop, layout: &Layout) -> Option<NextHop> {
    let gateway = hop.address?;
    // A backbone adjacency over the fabric has no port of its own: the neighbor's address tells the network.
    let interface = layout.map.port(hop.interface).or_else(|| layout.port(gateway))?;
    Some(NextHop { interface, gateway: Some(gateway) })
}

/// Sets the routes of the interfaces that are up, and the static ones.
pub fn set_connected(rib: &mut Rib, config: &Config, layout: &Layout, enabled: &[bool], nic_is_up: &[bool]) {
    let mut connected = BTreeMap::new();
    for (position, interface) in layout.interfaces.iter().enumerate() {
        let index = InterfaceIndex(position as u16);
        let nic = layout.map.nics.iter().position(|&nic| nic == index);
        let up = match (interface.kind, nic) {
            (InterfaceKind::Fabric(_), _) => enabled.get(position).copied().unwrap_or(false),
            (InterfaceKind::Nic, Some(nic)) => nic_is_up.get(nic).copied().unwrap_or(false),
            _ => false,
        };
        if let Some(address) = interface.address.filter(|_| up) {
            let action = Action::Forward(vec![NextHop { interface: index, gateway: None }]);
            connected.insert(address.trunc(), route(Source::Connected.preference(), action));
        }
    }
    rib.replace(Source::Connected, connected);
    let by_hand = config.static_routes.iter().map(|configured| {
        let action = configured.next_hop.map_or(Action::Discard, Action::Via);
        (configured.prefix.trunc(), route(configured.distance, action))
    });
    rib.replace(Source::Static, by_hand.collect());
}

fn route(preference: u8, action: Action) -> Route {
    Route { preference, metric: 0, action, ospf: None, updated: SystemTime::now() }
}

/// The prefixes that the kernel of this node routes by `gsm0`: everything that the router knows but the networks
/// that the kernel has on its own devices, and the router's own address, from which its ICMP errors come. While the
/// device on the local network is down, that network's members are routed too.
pub fn routed_prefixes(fib: &Fib, config: &Config, lsm_device_is_down: bool) -> Vec<Ipv4Net> {
    let Some(fabric) = &config.fabric else { return Vec::new() };
    let on_device = |prefix: &Ipv4Net| {
        fabric.gsm.prefix.contains(prefix) || (!lsm_device_is_down && fabric.lsm.prefix.contains(prefix))
    };
    let own = Ipv4Net::from(fabric.lsm.address.addr());
    let common =
        |prefix: &Ipv4Net| prefix.prefix_len() == 32 && fabric.common_addresses.contains(&prefix.network());
    let routed = fib.iter().map(|(prefix, _)| prefix);
    let routed = routed.filter(|prefix| !on_device(prefix) && !common(prefix) && *prefix != own);
    std::iter::once(Ipv4Net::from(fabric.kernel_stack.loopback)).chain(routed).collect()
}
