//! The type of a NIC's network, and who is on it where there is no multicast.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use isthmus_ospf::config::{InterfaceType, StaticNeighbor};

use super::super::Code;
use super::super::raw::{RawInterfaceOspf, RawInterfaceType, RawStaticNeighbor};
use super::findings::Findings;

/// The type of the network. `path` is that of OSPF on the NIC.
pub(super) fn interface_type(
    path: &str,
    raw: &RawInterfaceOspf,
    address: Option<Ipv4Net>,
    findings: &mut Findings,
) -> Option<InterfaceType> {
    let interface_type = match raw.interface_type {
        RawInterfaceType::PointToPoint => return Some(InterfaceType::PointToPoint),
        RawInterfaceType::Broadcast => InterfaceType::Broadcast,
        RawInterfaceType::NonBroadcast => InterfaceType::NonBroadcast,
        RawInterfaceType::PointToMultipoint => InterfaceType::PointToMultipoint,
    };
    match address {
        Some(address) if address.prefix_len() > 30 => {
            findings.error(
                Code::ConflictingKeys,
                format!("{path}.interface-type"),
                format!(
                    "{address} is on a network of two addresses (RFC 3021), which is a point-to-point network"
                ),
                "leave `interface-type` out, or correct the prefix length of the address",
            );
            None
        }
        _ => Some(interface_type),
    }
}

/// Who is on the network, by address.
pub(super) fn static_neighbors(
    path: &str,
    raw: &RawInterfaceOspf,
    address: Option<Ipv4Net>,
    findings: &mut Findings,
) -> Option<BTreeMap<Ipv4Addr, StaticNeighbor>> {
    let path = format!("{path}.static-neighbors");
    let has_multicast =
        matches!(raw.interface_type, RawInterfaceType::PointToPoint | RawInterfaceType::Broadcast);
    if has_multicast && !raw.static_neighbors.is_empty() {
        findings.error(
            Code::ConflictingKeys,
            path,
            "on a network of this type neighbors find each other",
            "set `interface-type` to `non-broadcast` or `point-to-multipoint`, or leave `static-neighbors` out",
        );
        return None;
    }
    let mut neighbors = BTreeMap::new();
    for (index, raw) in raw.static_neighbors.iter().enumerate() {
        let path = format!("{path}[{index}]");
        let (identifier, neighbor) = static_neighbor(&path, raw, address, findings)?;
        if neighbors.insert(identifier, neighbor).is_some() {
            findings.error(
                Code::DuplicateName,
                format!("{path}.identifier"),
                format!("{identifier} stands twice"),
                "remove one of them",
            );
            return None;
        }
    }
    Some(neighbors)
}

fn static_neighbor(
    path: &str,
    raw: &RawStaticNeighbor,
    address: Option<Ipv4Net>,
    findings: &mut Findings,
) -> Option<(Ipv4Addr, StaticNeighbor)> {
    let identifier = findings.address(&format!("{path}.identifier"), &raw.identifier);
    let priority = findings.number(format!("{path}.priority"), raw.priority, 0..=255_u8, "");
    let poll_interval = findings.seconds(format!("{path}.poll-interval"), raw.poll_interval, 1..=65_535);
    let identifier = identifier?;
    let why_not = address.and_then(|own| match () {
        () if identifier == own.addr() => Some(format!("{identifier} is the address of this router")),
        () if !own.contains(&identifier) => {
            Some(format!("{identifier} is not on the network {}", own.trunc()))
        }
        () if [own.network(), own.broadcast()].contains(&identifier) => {
            Some(format!("{identifier} is no address of a router on the network {}", own.trunc()))
        }
        () => None,
    });
    if let Some(reason) = why_not {
        let remedy = "write the address that the other router has on this network";
        findings.error(Code::BadAddress, format!("{path}.identifier"), reason, remedy);
        return None;
    }
    Some((identifier, StaticNeighbor { priority: priority?, poll_interval: poll_interval? }))
}
