//! Names: which node, which network, which kind of delivery, and the Ethernet addresses made from them.

use std::fmt;

/// The number of a node in its segment: 1 to 256.
///
/// It chooses the arena (`node-NNN.arena`), the host part of the node's default addresses and the
/// node's Ethernet addresses, and stays the same over restarts.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(u16);

impl NodeId {
    /// The highest number that a node can have.
    pub const MAX: u16 = 256;

    /// A node id, or `None` for a number that no node has.
    pub const fn new(id: u16) -> Option<Self> {
        match id {
            1..=Self::MAX => Some(Self(id)),
            _ => None,
        }
    }

    /// The number itself, 1 to 256.
    pub const fn get(self) -> u16 {
        self.0
    }

    /// The place of this node in tables that have one entry per possible node, from 0.
    pub const fn index(self) -> usize {
        self.0 as usize - 1
    }

    /// The number of this node in the broadcast and multicast groups: they count from 0.
    pub(crate) const fn group_number(self) -> u16 {
        self.0 - 1
    }

    /// The node that has a number in the groups, if there can be one.
    pub(crate) fn from_group_number(number: u16) -> Option<Self> {
        Self::from_index(number.into())
    }

    /// The node whose place in such a table is `index`, if there is one.
    pub fn from_index(index: usize) -> Option<Self> {
        u16::try_from(index).ok()?.checked_add(1).and_then(Self::new)
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NodeId({})", self.0)
    }
}

/// One of the two networks that every node has over the shared memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Network {
    /// The local shared-memory network: each node answers to its own address.
    Lsm,
    /// The global shared-memory network: all nodes also answer to one common address.
    Gsm,
}

impl Network {
    /// Both networks, in the order of their index.
    pub const ALL: [Self; 2] = [Self::Lsm, Self::Gsm];

    /// 0 for the LSM, 1 for the GSM: the order of every table in the segment.
    pub const fn index(self) -> usize {
        self as usize
    }

    /// The lower-case name, as in the adapters' names.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Lsm => "lsm",
            Self::Gsm => "gsm",
        }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How a frame came: by the ring of a pair, or by one of the two group rings of the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Cast {
    /// Through the ring from its sender to this node.
    Unicast,
    /// Through the broadcast ring.
    Broadcast,
    /// Through the multicast ring.
    Multicast,
}

/// The Ethernet address of a node on a network: locally administered, unicast, `02:49:53:HH:NN:LL`,
/// NN being 0 for the LSM and 1 for the GSM, and HH and LL the upper and the lower byte of the node id.
pub const fn mac_address(network: Network, node: NodeId) -> [u8; 6] {
    let [high, low] = node.0.to_be_bytes();
    [MAC_PREFIX[0], MAC_PREFIX[1], MAC_PREFIX[2], high, network as u8, low]
}

/// The network and node that an Ethernet address names, or `None` if it is not one of ours.
pub fn node_of_mac(mac: [u8; 6]) -> Option<(Network, NodeId)> {
    if mac[..3] != MAC_PREFIX {
        return None;
    }
    let network = *Network::ALL.get(usize::from(mac[4]))?;
    Some((network, NodeId::new(u16::from_be_bytes([mac[3], mac[5]]))?))
}

/// "IS" under the locally administered bit.
const MAC_PREFIX: [u8; 3] = [0x02, 0x49, 0x53];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_from_1_to_256() {
        assert_eq!(NodeId::new(0), None);
        assert_eq!(NodeId::new(257), None);
        for id in 1..=256 {
            let node = NodeId::new(id).unwrap();
            assert_eq!(NodeId::from_index(node.index()), Some(node));
        }
        assert_eq!(NodeId::from_index(256), None);
        assert_eq!(NodeId::from_index(100_000), None);
    }

    #[test]
    fn mac_addresses_are_local_unicast_and_reversible() {
        for network in Network::ALL {
            for id in 1..=256 {
                let node = NodeId::new(id).unwrap();
                let mac = mac_address(network, node);
                assert_eq!(mac[0] & 0x03, 0x02);
                assert_eq!(node_of_mac(mac), Some((network, node)));
            }
        }
        let last = NodeId::new(256).unwrap();
        assert_eq!(mac_address(Network::Gsm, last), [0x02, 0x49, 0x53, 1, 1, 0]);
        assert_eq!(node_of_mac([0x02, 0x49, 0x53, 0, 2, 1]), None);
        assert_eq!(node_of_mac([0x02, 0x49, 0x53, 1, 0, 1]), None);
        assert_eq!(node_of_mac([0x02, 0x49, 0x53, 0, 0, 0]), None);
        assert_eq!(node_of_mac([0xff; 6]), None);
    }
}
