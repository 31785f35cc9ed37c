//! Interfaces with their counters, and the stations on their links.

use std::time::SystemTime;

use isthmus_mgmt_api::model::{
    AddressOwner, AdminStatus, DateTime, Interface, InterfaceAddress, InterfaceStatistics, InterfaceType,
    Interfaces, Neighbor, NeighborOrigin, NeighborState, Neighbors, OperStatus,
};
use isthmus_shmnet::Network;

use super::super::shared::Shared;
use crate::config::model::StackConfig;
use crate::forward::InterfaceIndex;
use crate::forward::neighbor;
use crate::forward::state::{self, InterfaceKind};

/// The interfaces in force, with their index.
pub(super) fn indexed(shared: &Shared) -> Vec<(InterfaceIndex, state::Interface)> {
    let state = shared.worker.state.load();
    state
        .interfaces
        .iter()
        .enumerate()
        .filter(|(_, interface)| !interface.is_vacant())
        .map(|(at, interface)| (InterfaceIndex(at as u16), interface.clone()))
        .collect()
}

/// All interfaces.
pub(super) fn interfaces(shared: &Shared) -> Interfaces {
    let interface = indexed(shared).iter().map(|(index, interface)| one(shared, *index, interface)).collect();
    Interfaces { interface }
}

fn one(shared: &Shared, index: InterfaceIndex, interface: &state::Interface) -> Interface {
    let carrier = shared.worker.counters.carrier(index);
    let current = shared.current();
    let port = current.ports.get(usize::from(index.0));
    Interface {
        name: interface.name.clone(),
        interface_type: match interface.kind {
            InterfaceKind::Fabric(Network::Lsm) => InterfaceType::Lsm,
            InterfaceKind::Fabric(Network::Gsm) => InterfaceType::Gsm,
            InterfaceKind::Nic => InterfaceType::Ethernet,
            InterfaceKind::Kernel(_) => InterfaceType::Kernel,
        },
        driver: port.map_or("none", |port| port.driver).to_owned(),
        enabled: interface.enabled,
        admin_status: if interface.enabled { AdminStatus::Up } else { AdminStatus::Down },
        oper_status: match (interface.enabled, carrier) {
            (true, true) => OperStatus::Up,
            (false, _) => OperStatus::Down,
            (true, false) => OperStatus::LowerLayerDown,
        },
        last_change: None,
        phys_address: port.map_or_else(String::new, |port| mac(port.mac)),
        mtu: u32::from(interface.mtu),
        address: addresses(shared, interface),
        statistics: statistics(shared, index),
    }
}

fn addresses(shared: &Shared, interface: &state::Interface) -> Vec<InterfaceAddress> {
    let kernel = matches!(shared.stack.as_ref().map(|stack| &stack.stack), Some(StackConfig::Kernel(_)));
    let fabric = matches!(interface.kind, InterfaceKind::Fabric(_));
    let owner = if kernel && fabric { AddressOwner::Kernel } else { AddressOwner::Router };
    let own = interface.address.map(|address| InterfaceAddress {
        ip: address.addr(),
        prefix_length: address.prefix_len(),
        owner,
    });
    let config = shared.config();
    let common = match (interface.kind, &config.fabric) {
        (InterfaceKind::Fabric(Network::Gsm), Some(fabric)) => fabric.common_addresses.as_slice(),
        _ => &[],
    };
    let common =
        common.iter().map(|&ip| InterfaceAddress { ip, prefix_length: 32, owner: AddressOwner::Common });
    own.into_iter().chain(common).collect()
}

/// The worker counts on while its counters are read one after the other: a sum may be older than its parts.
fn unicast(all: u64, broadcast: u64, multicast: u64) -> u64 {
    all.saturating_sub(broadcast).saturating_sub(multicast)
}

fn statistics(shared: &Shared, index: InterfaceIndex) -> InterfaceStatistics {
    let counts = shared.worker.counters.interface_counts(index);
    let out: u64 =
        counts.drops.iter().filter(|(reason, _)| reason.is_outbound()).map(|(_, packets)| packets).sum();
    InterfaceStatistics {
        discontinuity_time: DateTime::from(SystemTime::now() - shared.started_at.elapsed()),
        in_octets: counts.received_bytes,
        in_unicast_pkts: unicast(counts.received, counts.received_broadcast, counts.received_multicast),
        in_broadcast_pkts: counts.received_broadcast,
        in_multicast_pkts: counts.received_multicast,
        in_discards: (counts.port.receive_drops + counts.drops.total()).saturating_sub(out),
        in_errors: counts.port.receive_errors,
        out_octets: counts.sent_bytes,
        out_unicast_pkts: unicast(counts.sent, counts.sent_broadcast, counts.sent_multicast),
        out_broadcast_pkts: counts.sent_broadcast,
        out_multicast_pkts: counts.sent_multicast,
        out_discards: out,
        out_errors: counts.drops.count(crate::forward::DropReason::TransmitError),
        drops: counts
            .drops
            .iter()
            .filter(|(_, packets)| *packets > 0)
            .map(|(reason, packets)| (reason.label().to_owned(), packets))
            .collect(),
    }
}

/// The stations on the link of an interface: learned by ARP on a NIC, derived from membership on the fabric.
pub(super) fn neighbors(shared: &Shared, name: &str) -> Option<Neighbors> {
    let (index, interface) = indexed(shared).into_iter().find(|(_, interface)| interface.name == name)?;
    let mut list: Vec<Neighbor> = match interface.kind {
        InterfaceKind::Fabric(network) => fabric_neighbors(shared, network, name),
        InterfaceKind::Nic | InterfaceKind::Kernel(_) => {
            let learned = shared.worker.neighbors.load();
            let of_interface = learned.iter().filter(|neighbor| neighbor.interface == index);
            of_interface.map(|neighbor| learned_neighbor(neighbor, name)).collect()
        }
    };
    list.sort_by_key(|neighbor| neighbor.ip);
    Some(Neighbors { neighbor: list })
}

fn fabric_neighbors(shared: &Shared, network: Network, name: &str) -> Vec<Neighbor> {
    let Some(fabric) = &shared.fabric else { return Vec::new() };
    let active = fabric.active_nodes();
    let peers = active.nodes.iter().filter(|node| !node.is_self);
    peers
        .map(|peer| Neighbor {
            ip: match network {
                Network::Lsm => peer.facts.lsm_address,
                Network::Gsm => peer.facts.gsm_address,
            },
            link_layer_address: Some(mac(isthmus_shmnet::mac_address(network, peer.id))),
            interface: name.to_owned(),
            origin: NeighborOrigin::Fabric,
            state: NeighborState::Reachable,
            age: None,
        })
        .collect()
}

fn learned_neighbor(neighbor: &neighbor::Neighbor, name: &str) -> Neighbor {
    Neighbor {
        ip: neighbor.address,
        link_layer_address: neighbor.mac.map(mac),
        interface: name.to_owned(),
        origin: NeighborOrigin::Dynamic,
        state: match neighbor.state {
            neighbor::NeighborState::Incomplete => NeighborState::Incomplete,
            neighbor::NeighborState::Reachable => NeighborState::Reachable,
            neighbor::NeighborState::Probe => NeighborState::Stale,
            neighbor::NeighborState::Failed => NeighborState::Failed,
        },
        age: None,
    }
}

fn mac(mac: [u8; 6]) -> String {
    mac.map(|byte| format!("{byte:02x}")).join(":")
}
