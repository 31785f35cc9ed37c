//! Facts: what a node says about itself to its peers, for the roles and the steering of packets.
//!
//! They are published in the node's arena and read by every peer; a peer's facts are what that peer
//! says, checked for form only.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::Arc;

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
    /// The last steering tables that the node knows, oldest first and with rising numbers; the newest
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

/// One steering table: who shares the common address from this epoch on, and in which parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SteeringEpoch {
    /// The number of the epoch, from 1; a later table has a higher one.
    pub number: u64,
    members: Arc<[(NodeId, u16)]>,
}

impl SteeringEpoch {
    /// The highest weight of a member.
    pub const MAX_WEIGHT: u16 = 1000;

    /// An epoch of these nodes and weights. A node of weight 0 is no member, a weight above [`Self::MAX_WEIGHT`] is taken
    /// for that, and of two entries for one node the heavier counts.
    pub fn new(number: u64, members: impl IntoIterator<Item = (NodeId, u16)>) -> Self {
        let mut weights = BTreeMap::new();
        for (node, weight) in members {
            let kept: &mut u16 = weights.entry(node).or_default();
            *kept = weight.min(Self::MAX_WEIGHT).max(*kept);
        }
        let members = weights.into_iter().filter(|(_, weight)| *weight > 0).collect();
        Self { number, members }
    }

    /// The members with their weights, from 1 to [`Self::MAX_WEIGHT`], in the order of their ids.
    pub fn members(&self) -> &[(NodeId, u16)] {
        &self.members
    }

    /// The weight of a member.
    pub fn weight(&self, node: NodeId) -> Option<u16> {
        let index = self.members.binary_search_by_key(&node, |(member, _)| *member).ok()?;
        Some(self.members[index].1)
    }

    /// Whether the node is a member.
    pub fn contains(&self, node: NodeId) -> bool {
        self.weight(node).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn epochs_hold_every_id_once_with_a_weight_that_counts() {
        let node = |id| NodeId::new(id).unwrap();
        let given = [(254, 9), (1, 1), (64, 0), (63, 2), (254, 3), (128, u16::MAX)];
        let epoch = SteeringEpoch::new(7, given.map(|(id, weight)| (node(id), weight)));
        let kept = [(1, 1), (63, 2), (128, 1000), (254, 9)].map(|(id, weight)| (node(id), weight));
        assert_eq!(epoch.members(), kept);
        assert_eq!((epoch.weight(node(254)), epoch.weight(node(64))), (Some(9), None));
        assert!(epoch.contains(node(1)) && !epoch.contains(node(2)));
    }
}
