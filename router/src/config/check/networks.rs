//! The networks of the router among each other: no two may have addresses in common.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

use super::super::Code;
use super::super::model::FabricConfig;
use super::Entry;
use super::findings::Findings;

/// A network of the router, or one of its addresses as a network of one.
struct Network {
    /// The key that names it.
    path: String,
    /// What it is, for people.
    what: String,
    prefix: Ipv4Net,
    /// The router's own address in it.
    address: Option<Ipv4Addr>,
}

/// Compares every network with those before it.
pub(super) fn check(fabric: Option<&FabricConfig>, interfaces: &[Entry], findings: &mut Findings) {
    let mut networks = fabric.map(fabric_networks).unwrap_or_default();
    networks.extend(interfaces.iter().map(|entry| Network {
        path: entry.path("address"),
        what: format!("interface `{}`", entry.nic.name),
        prefix: entry.nic.address.trunc(),
        address: Some(entry.nic.address.addr()),
    }));
    for (index, network) in networks.iter().enumerate() {
        for earlier in &networks[..index] {
            compare(earlier, network, findings);
        }
    }
}

fn fabric_networks(fabric: &FabricConfig) -> Vec<Network> {
    let mut networks = vec![
        Network {
            path: "fabric.lsm.prefix".to_owned(),
            what: "the local network".to_owned(),
            prefix: fabric.lsm.prefix,
            address: Some(fabric.lsm.address.addr()),
        },
        Network {
            path: "fabric.gsm.prefix".to_owned(),
            what: "the global network".to_owned(),
            prefix: fabric.gsm.prefix,
            address: Some(fabric.gsm.address.addr()),
        },
        Network {
            path: "fabric.loopback-prefix".to_owned(),
            what: "the loopback prefix".to_owned(),
            prefix: fabric.kernel_stack.loopback_prefix,
            address: Some(fabric.kernel_stack.loopback),
        },
    ];
    networks.extend(fabric.common_addresses.iter().enumerate().map(|(index, address)| Network {
        path: format!("fabric.common-addresses[{index}]"),
        what: "the common address".to_owned(),
        prefix: Ipv4Net::from(*address),
        address: None,
    }));
    networks
}

fn compare(earlier: &Network, later: &Network, findings: &mut Findings) {
    if !earlier.prefix.contains(&later.prefix) && !later.prefix.contains(&earlier.prefix) {
        return;
    }
    if let (Some(address), Some(other)) = (later.address, earlier.address)
        && address == other
    {
        findings.error(
            Code::DuplicateAddress,
            &later.path,
            format!("{address} is the address of {} and of {}", earlier.what, later.what),
            "give each network of the router its own prefix",
        );
        return;
    }
    findings.error(
        Code::OverlappingPrefixes,
        &later.path,
        format!("{} of {} overlaps {} of {}", later.prefix, later.what, earlier.prefix, earlier.what),
        "change one of the two so that no address is in both",
    );
}
