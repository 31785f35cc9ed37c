//! Which routers are fully adjacent over the fabric, as the engine's notifications tell it: the road of the backbone
//! adjacencies follows from it.

use std::collections::BTreeSet;

use isthmus_ospf::event::Notification;
use isthmus_ospf::types::{InterfaceId, RouterId};
use isthmus_ospf::view::NeighborState;
use isthmus_shmnet::Network;

use crate::ospf_driver::plan;

/// The full adjacencies over the fabric.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FabricNeighbors(BTreeSet<(InterfaceId, RouterId)>);

impl FabricNeighbors {
    /// Takes note of a notification. Returns whether anything has changed.
    pub fn note(&mut self, notification: &Notification) -> bool {
        let Notification::NeighborStateChange { interface, router_id, state, .. } = notification else {
            return false;
        };
        if *interface != plan::LSM && *interface != plan::GSM {
            return false;
        }
        match state {
            NeighborState::Full => self.0.insert((*interface, *router_id)),
            _ => self.0.remove(&(*interface, *router_id)),
        }
    }

    /// The preferred network on which a router is fully adjacent.
    pub fn network(&self, router: RouterId) -> Option<Network> {
        [(plan::LSM, Network::Lsm), (plan::GSM, Network::Gsm)]
            .into_iter()
            .find_map(|(interface, network)| self.0.contains(&(interface, router)).then_some(network))
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn change(interface: InterfaceId, state: NeighborState) -> Notification {
        let router_id = RouterId(Ipv4Addr::new(10, 77, 0, 2));
        Notification::NeighborStateChange { interface, router_id, address: router_id.0, state }
    }

    #[test]
    fn the_local_network_is_preferred_and_the_global_one_is_the_reserve() {
        let router = RouterId(Ipv4Addr::new(10, 77, 0, 2));
        let mut neighbors = FabricNeighbors::default();
        assert_eq!(neighbors.network(router), None);
        assert!(neighbors.note(&change(plan::GSM, NeighborState::Full)));
        assert_eq!(neighbors.network(router), Some(Network::Gsm));
        assert!(neighbors.note(&change(plan::LSM, NeighborState::Full)));
        assert_eq!(neighbors.network(router), Some(Network::Lsm));
        assert!(!neighbors.note(&change(plan::LSM, NeighborState::Full)), "nothing new");
        assert!(neighbors.note(&change(plan::LSM, NeighborState::Down)));
        assert_eq!(neighbors.network(router), Some(Network::Gsm));
        assert!(!neighbors.note(&change(plan::nic_interface(0), NeighborState::Full)), "not the fabric");
    }
}
