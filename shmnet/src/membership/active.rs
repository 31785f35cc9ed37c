//! The table of active nodes in this node's local memory, which everything else asks.

use crate::facts::Facts;
use crate::node::NodeId;

/// The nodes of the segment as this node sees them, itself included, in the order of their ids.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ActiveNodes {
    /// One entry per node.
    pub nodes: Vec<ActiveNode>,
}

/// One node that takes part in the segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActiveNode {
    /// Its number.
    pub id: NodeId,
    /// Which of its lives this is; a restart raises it.
    pub incarnation: u64,
    /// How it does.
    pub state: NodeState,
    /// This node itself.
    pub is_self: bool,
    /// Rings in both directions exist on both networks, so that frames can be exchanged.
    pub connected: bool,
    /// What it says about itself.
    pub facts: Facts,
}

/// How a member does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NodeState {
    /// Its heart beats.
    Active,
    /// Its heartbeat is late: steer and forward away from it.
    Suspect,
}

impl ActiveNodes {
    /// The entry of a node.
    pub fn get(&self, node: NodeId) -> Option<&ActiveNode> {
        self.nodes.binary_search_by_key(&node, |entry| entry.id).ok().map(|index| &self.nodes[index])
    }

    /// Whether the node is there and not suspected.
    pub fn is_active(&self, node: NodeId) -> bool {
        self.get(node).is_some_and(|entry| entry.state == NodeState::Active)
    }
}
