//! Epochs of the steering table: which nodes share the common address.
//!
//! Every node derives the table from the list of accepting nodes alone, so that all border routers pick the
//! same node without telling each other. The epoch's number only orders tables in time; nodes that publish the
//! same members adopt each other's number.

use std::collections::BTreeSet;

use isthmus_shmnet::{Facts, NodeId, SteeringEpoch};

/// Numbers from here on are not believed.
const HIGHEST_NUMBER: u64 = 1 << 48;

/// The epochs that a node knows, oldest first.
#[derive(Clone, Debug, Default)]
pub struct SteeringEpochs {
    epochs: Vec<SteeringEpoch>,
}

impl SteeringEpochs {
    /// The epochs, oldest first, as they are published.
    pub fn as_slice(&self) -> &[SteeringEpoch] {
        &self.epochs
    }

    /// The epoch in force; `None` before the first.
    pub fn current(&self) -> Option<&SteeringEpoch> {
        self.epochs.last()
    }

    /// Takes note of who accepts now, and of what the peers publish. Returns whether the epoch in force has
    /// changed.
    pub fn update(&mut self, accepting: &BTreeSet<NodeId>, peers: &[Facts]) -> bool {
        let mut members = SteeringEpoch { number: 0, members: [0; 4] };
        for &node in accepting {
            members.insert(node);
        }
        if self.epochs.is_empty() {
            self.adopt_history(peers);
        }
        // A number that no cluster reaches by itself is a peer's mistake or malice.
        let known =
            peers.iter().flat_map(|facts| &facts.steering).filter(|epoch| epoch.number < HIGHEST_NUMBER);
        let highest = known.clone().chain(&self.epochs).map(|epoch| epoch.number).max().unwrap_or(0);
        // A peer that saw the same change first has given it its number.
        let theirs = known.filter(|epoch| epoch.members == members.members).map(|epoch| epoch.number).max();
        if let Some(current) = self.epochs.last_mut()
            && current.members == members.members
        {
            let number = theirs.unwrap_or(0).max(current.number);
            let changed = number != current.number;
            current.number = number;
            return changed;
        }
        let number = theirs.filter(|&number| number >= highest).unwrap_or(highest.saturating_add(1));
        self.epochs.push(SteeringEpoch { number, ..members });
        let excess = self.epochs.len().saturating_sub(Facts::MAX_EPOCHS);
        self.epochs.drain(..excess);
        true
    }

    /// A joiner starts from the history of the peer that knows most of it.
    fn adopt_history(&mut self, peers: &[Facts]) {
        let newest = |facts: &&Facts| facts.steering.last().map_or(0, |epoch| epoch.number);
        let credible = |facts: &&Facts| facts.steering.iter().all(|epoch| epoch.number < HIGHEST_NUMBER);
        if let Some(facts) = peers.iter().filter(credible).max_by_key(newest) {
            self.epochs.clone_from(&facts.steering);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nodes(ids: &[u8]) -> BTreeSet<NodeId> {
        ids.iter().filter_map(|&id| NodeId::new(id)).collect()
    }

    fn publishing(epochs: &SteeringEpochs) -> Facts {
        Facts { steering: epochs.as_slice().to_vec(), ..Facts::default() }
    }

    #[test]
    fn a_change_of_members_is_a_new_epoch_and_no_change_is_none() {
        let mut epochs = SteeringEpochs::default();
        assert!(epochs.update(&nodes(&[1]), &[]));
        assert!(!epochs.update(&nodes(&[1]), &[]));
        assert!(epochs.update(&nodes(&[1, 2]), &[]));
        assert_eq!(epochs.current().map(|epoch| epoch.number), Some(2));
    }

    #[test]
    fn nodes_that_see_the_same_change_agree_on_its_number() {
        let (mut left, mut right) = (SteeringEpochs::default(), SteeringEpochs::default());
        left.update(&nodes(&[1]), &[]);
        left.update(&nodes(&[1, 3]), &[]);
        right.update(&nodes(&[1, 3]), &[]);
        for _ in 0..2 {
            left.update(&nodes(&[1, 3]), &[publishing(&right)]);
            right.update(&nodes(&[1, 3]), &[publishing(&left)]);
        }
        assert_eq!(left.current(), right.current());
    }

    #[test]
    fn a_joiner_adopts_the_history_of_its_peers() {
        let mut elder = SteeringEpochs::default();
        elder.update(&nodes(&[1]), &[]);
        elder.update(&nodes(&[1, 2]), &[]);
        let mut joiner = SteeringEpochs::default();
        joiner.update(&nodes(&[1, 2, 3]), &[publishing(&elder)]);
        assert_eq!(joiner.as_slice().len(), 3);
        assert_eq!(joiner.current().map(|epoch| epoch.number), Some(3));
    }

    #[test]
    fn a_number_that_is_not_credible_is_not_believed() {
        let forged = SteeringEpoch { number: u64::MAX, members: [1 << 1; 4] };
        let peer = Facts { steering: vec![forged], ..Facts::default() };
        let mut epochs = SteeringEpochs::default();
        assert!(epochs.update(&nodes(&[1, 2]), &[peer]));
        assert_eq!(epochs.current().map(|epoch| epoch.number), Some(1));
    }

    #[test]
    fn no_more_epochs_are_kept_than_an_arena_holds() {
        let mut epochs = SteeringEpochs::default();
        for round in 0..20u8 {
            epochs.update(&nodes(&[1, 2 + round]), &[]);
        }
        assert_eq!(epochs.as_slice().len(), Facts::MAX_EPOCHS);
        assert_eq!(epochs.current().map(|epoch| epoch.number), Some(20));
    }
}
