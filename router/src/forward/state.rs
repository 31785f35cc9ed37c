//! What control tells the workers: one immutable snapshot, replaced as a whole.

use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::sync::Arc;

use ipnet::Ipv4Net;
use isthmus_shmnet::NodeId;

use crate::forward::fib::Fib;
use crate::forward::hash::mix;

/// An interface in the tables of a worker: the position of its port.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct InterfaceIndex(pub u16);

impl InterfaceIndex {
    /// No interface.
    pub const NONE: Self = Self(u16::MAX);
}

/// What an interface is to the forwarding path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InterfaceKind {
    /// A network over the shared memory. Neighbors' Ethernet addresses follow from their node id (no ARP).
    Fabric(isthmus_shmnet::Network),
    /// A NIC to the outside, with ARP.
    Nic,
    /// The device by which this node's kernel takes part in the network.
    Kernel(isthmus_shmnet::Network),
}

/// An interface as the workers see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    /// Its name.
    pub name: String,
    /// What it is.
    pub kind: InterfaceKind,
    /// The router's address on it, with the prefix of its network. `None` on kernel interfaces.
    pub address: Option<Ipv4Net>,
    /// Largest IP datagram.
    pub mtu: u16,
    /// Administrative state.
    pub enabled: bool,
    /// Whether OSPF packets on it go to the engine.
    pub ospf: bool,
}

impl Interface {
    /// The place of an interface that has gone: nothing comes in or goes out there.
    pub fn vacant() -> Self {
        Self {
            name: String::new(),
            kind: InterfaceKind::Nic,
            address: None,
            mtu: 0,
            enabled: false,
            ospf: false,
        }
    }

    /// Whether it is only a place. An interface has a name.
    pub fn is_vacant(&self) -> bool {
        self.name.is_empty()
    }

    /// The node that has `address` on this network of the fabric: the host part is its id.
    pub fn node_of(&self, address: Ipv4Addr) -> Option<u16> {
        let own = self.address.filter(|own| own.contains(&address) && address != own.broadcast())?;
        let id = u16::try_from(address.to_bits() - own.network().to_bits()).ok()?;
        NodeId::new(id).map(NodeId::get)
    }
}

/// Who answers for an address of this node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LocalOwner {
    /// The embedded stack, by its adapter for this network.
    Host(isthmus_shmnet::Network),
    /// This node's kernel, behind this kernel interface.
    Kernel(InterfaceIndex),
}

/// Which node serves which share of the flows to the common address: a Maglev table over node ids.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct SteeringTable {
    /// The number of the epoch that this table was built from.
    pub epoch: u64,
    /// For each slot the node id less one, so that 256 nodes fit a byte; a prime number of slots; empty while no node accepts.
    pub(super) places: Vec<u8>,
}

impl SteeringTable {
    /// The node that serves the flow with this hash; `None` while no node accepts.
    pub fn node_for(&self, hash: u64) -> Option<u16> {
        let slot = hash.checked_rem(self.places.len() as u64)?;
        self.places.get(slot as usize).map(|place| u16::from(*place) + 1)
    }

    /// The node id of each slot, in their order.
    pub fn nodes(&self) -> impl ExactSizeIterator<Item = u16> + '_ {
        self.places.iter().map(|place| u16::from(*place) + 1)
    }
}

/// Everything that a worker asks on the packet path.
#[derive(Clone, Default)]
pub struct ForwardingState {
    /// Interfaces by [`InterfaceIndex`]; the same order as the worker's ports.
    pub interfaces: Vec<Interface>,
    /// Routes.
    pub fib: Arc<Fib>,
    /// This node's own addresses, the common ones excepted.
    pub local: HashMap<Ipv4Addr, LocalOwner>,
    /// Addresses to which all nodes answer, with who answers for them on this node.
    pub common: HashMap<Ipv4Addr, LocalOwner>,
    /// Packets to a common address that come in on a NIC are handed to the node that this table names.
    pub steering: SteeringTable,
    /// This node's id in the fabric; 0 without a fabric.
    pub node_id: u16,
    /// Source address of ICMP errors where the incoming interface has none.
    pub router_address: Option<Ipv4Addr>,
}

impl ForwardingState {
    /// Mixed into the hash by which equal paths are shared, so that routers in a row, which all hash alike,
    /// do not all make the same choice. It stays as long as the node and its address do.
    pub fn path_salt(&self) -> u64 {
        let address = self.router_address.map_or(0, Ipv4Addr::to_bits);
        mix(u64::from(address) << 16 | u64::from(self.node_id))
    }
}
