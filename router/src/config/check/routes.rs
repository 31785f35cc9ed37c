//! Routes by hand.

use ipnet::Ipv4Net;

use super::super::Code;
use super::super::model::{FabricConfig, StaticRoute};
use super::super::raw::{RawConfig, RawStaticRoute};
use super::Entry;
use super::findings::Findings;

/// The static routes that pass.
pub(super) fn static_routes(
    raw: &RawConfig,
    fabric: Option<&FabricConfig>,
    interfaces: &[Entry],
    findings: &mut Findings,
) -> Vec<StaticRoute> {
    // With a finding against an interface its network is unknown: then no next hop is called unreachable.
    let complete = interfaces.len() == raw.interfaces.len() && (fabric.is_some() || raw.node_id.is_none());
    let networks: Vec<Ipv4Net> = fabric
        .iter()
        .flat_map(|fabric| [fabric.lsm.prefix, fabric.gsm.prefix])
        .chain(interfaces.iter().map(|entry| entry.nic.address.trunc()))
        .collect();
    let own: Vec<_> = fabric
        .iter()
        .flat_map(|fabric| [fabric.lsm.address.addr(), fabric.gsm.address.addr()])
        .chain(interfaces.iter().map(|entry| entry.nic.address.addr()))
        .collect();
    let mut routes: Vec<StaticRoute> = Vec::new();
    for (index, raw) in raw.static_routes.iter().enumerate() {
        let path = format!("static-routes[{index}]");
        let Some(route) = route(&path, raw, findings) else { continue };
        if let Some(next_hop) = route.next_hop {
            let hop_path = format!("{path}.next-hop");
            if own.contains(&next_hop) {
                let reason = format!("{next_hop} is an address of this router");
                findings.error(
                    Code::UnreachableNextHop,
                    hop_path,
                    reason,
                    "name the neighbor that the packets go to",
                );
            } else if complete && !networks.iter().any(|network| network.contains(&next_hop)) {
                findings.error(
                    Code::UnreachableNextHop,
                    hop_path,
                    format!("{next_hop} is in no network of this router"),
                    "use a neighbor's address in a network of one of the interfaces",
                );
            }
        }
        let same = |other: &StaticRoute| other.prefix == route.prefix && other.next_hop == route.next_hop;
        if routes.iter().any(same) {
            let reason = format!("the route to {} stands twice", route.prefix);
            findings.error(
                Code::DuplicateRoute,
                format!("{path}.destination-prefix"),
                reason,
                "remove one of them",
            );
        }
        routes.push(route);
    }
    routes
}

fn route(path: &str, raw: &RawStaticRoute, findings: &mut Findings) -> Option<StaticRoute> {
    let prefix = findings.prefix(&format!("{path}.destination-prefix"), &raw.destination_prefix);
    let next_hop = match raw.next_hop.as_str() {
        "blackhole" => Some(None),
        text => findings.address(&format!("{path}.next-hop"), text).map(Some),
    };
    let distance = findings.number(format!("{path}.distance"), raw.distance, 1..=255_u8, "");
    Some(StaticRoute { prefix: prefix?, next_hop: next_hop?, distance: distance? })
}
