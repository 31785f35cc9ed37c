//! Facts: what a node says about itself to its peers, for the roles and the steering of packets.
//!
//! They are published in the node's arena and read by every peer; a peer's facts are what that peer
//! says, checked for form only.

use std::net::Ipv4Addr;

use crate::node::NodeId;

/// What a node publishes about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// The node's own address on the LSM.
    pub lsm_address: Ipv4Addr,
    /// The node's own address on the GSM (not the common address).
    pub gsm_address: Ipv4Addr,
    /// The node's OSPF router id.
    pub router_id: Ipv4Addr,
    /// The node is an area border router: it has a live NIC into another area.
    pub abr: bool,
    /// The node carries transit traffic between the backbone's parts.
    pub transit: bool,
    /// The node is healthy and accepts flows to the common address.
    pub accepting: bool,
    /// The node keeps its flows and accepts no new ones.
    pub draining: bool,
    /// Share of new flows, relative to other nodes' weights.
    pub weight: u16,
    /// The last steering tables that the node knows, oldest first; the newest
    /// [`Facts::MAX_EPOCHS`] are published.
    pub steering: Vec<SteeringEpoch>,
    /// The node's name; the first [`Facts::MAX_HOSTNAME`] bytes are published.
    pub hostname: String,
}

impl Facts {
    /// How many steering epochs an arena holds.
    pub const MAX_EPOCHS: usize = 8;
    /// How many bytes of a name an arena holds.
    pub const MAX_HOSTNAME: usize = 32;
}

impl Default for Facts {
    fn default() -> Self {
        Self {
            lsm_address: Ipv4Addr::UNSPECIFIED,
            gsm_address: Ipv4Addr::UNSPECIFIED,
            router_id: Ipv4Addr::UNSPECIFIED,
            abr: false,
            transit: false,
            accepting: false,
            draining: false,
            weight: 1,
            steering: Vec::new(),
            hostname: String::new(),
        }
    }
}

/// One steering table: who shared the common address from this epoch on, at equal weights.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SteeringEpoch {
    /// The number of the epoch; a later table has a higher one.
    pub number: u64,
    /// Bitmap of the members: bit `i % 64` of word `i / 64` is node `i`.
    pub members: [u64; 4],
}

impl SteeringEpoch {
    /// Whether the node is a member.
    pub fn contains(&self, node: NodeId) -> bool {
        let id = usize::from(node.get());
        self.members[id / 64] >> (id % 64) & 1 == 1
    }

    /// Makes the node a member.
    pub fn insert(&mut self, node: NodeId) {
        let id = usize::from(node.get());
        self.members[id / 64] |= 1 << (id % 64);
    }

    /// The members in the order of their ids.
    pub fn nodes(&self) -> impl Iterator<Item = NodeId> + '_ {
        (1..=NodeId::MAX).filter_map(NodeId::new).filter(|node| self.contains(*node))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn epochs_hold_every_id() {
        let mut epoch = SteeringEpoch::default();
        let chosen = [1, 63, 64, 127, 128, 254].map(|id| NodeId::new(id).unwrap());
        for node in chosen {
            assert!(!epoch.contains(node));
            epoch.insert(node);
        }
        assert_eq!(epoch.nodes().collect::<Vec<_>>(), chosen);
    }
}
