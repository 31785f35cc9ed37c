//! Epochs of the steering table: which nodes share the common address, and in which parts.
//!
//! Every node derives the table from the list of accepting nodes and their weights alone, so that all border routers
//! pick the same node without telling each other. An epoch is such a list, and its table is computed from the epoch and nothing
//! else, so nodes that speak of the same epoch mean the same table, also while a weight changes. The number orders
//! epochs in time: nodes that publish the same list adopt each other's number, and where two lists have the same number, as two
//! nodes saw two changes in different order, one of them takes the next.

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

    /// Takes note of who accepts now, with which weight, and of what the peers publish. Returns whether the epoch in force
    /// has changed.
    pub fn update(&mut self, accepting: impl IntoIterator<Item = (NodeId, u16)>, peers: &[Facts]) -> bool {
        let present = SteeringEpoch::new(0, accepting);
        let is_first = self.epochs.is_empty();
        if is_first {
            self.adopt_history(peers);
        }
        // A number that no cluster reaches by itself is a peer's mistake or malice.
        let known: Vec<&SteeringEpoch> = peers
            .iter()
            .flat_map(|facts| &facts.steering)
            .filter(|epoch| epoch.number < HIGHEST_NUMBER)
            .collect();
        let own = self.epochs.last().map_or(0, |epoch| epoch.number);
        let highest = known.iter().map(|epoch| epoch.number).fold(own, u64::max);
        let next = highest.saturating_add(1);
        // A peer that saw the same change first has given it its number.
        let same = known.iter().filter(|epoch| epoch.members() == present.members());
        let theirs = same.map(|epoch| epoch.number).max();
        // Of two lists with one number, that which is the greater in the order of ids and weights keeps it.
        let is_taken = |number: u64| {
            known.iter().any(|epoch| epoch.number == number && epoch.members() > present.members())
        };
        let free = |number: u64| if is_taken(number) { next } else { number };
        if let Some(current) = self.epochs.last_mut()
            && current.members() == present.members()
        {
            let number = free(theirs.unwrap_or(0).max(current.number));
            let changed = number != current.number;
            current.number = number;
            return changed || is_first;
        }
        let number = theirs.filter(|&number| number > own && number == highest).map_or(next, free);
        self.epochs.push(SteeringEpoch::new(number, present.members().iter().copied()));
        let excess = self.epochs.len().saturating_sub(Facts::MAX_EPOCHS);
        self.epochs.drain(..excess);
        true
    }

    /// A joiner starts from the history that most of its peers have, and of two, from that which knows most.
    fn adopt_history(&mut self, peers: &[Facts]) {
        let credible = |facts: &&Facts| facts.steering.iter().all(|epoch| epoch.number < HIGHEST_NUMBER);
        let newest = |facts: &Facts| facts.steering.last().cloned();
        let support = |facts: &&Facts| {
            let others = peers.iter().filter(|other| newest(other) == newest(facts)).count();
            (others, newest(facts).map_or(0, |epoch| epoch.number), facts.steering.len())
        };
        if let Some(facts) =
            peers.iter().filter(credible).filter(|f| !f.steering.is_empty()).max_by_key(support)
        {
            self.epochs.clone_from(&facts.steering);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::node::snapshot::steering_table;

    fn node(id: u16) -> NodeId {
        NodeId::new(id).unwrap()
    }

    /// Nodes of weight 100.
    fn nodes(ids: &[u16]) -> Vec<(NodeId, u16)> {
        ids.iter().map(|&id| (node(id), 100)).collect()
    }

    fn publishing(epochs: &SteeringEpochs) -> Facts {
        Facts { steering: epochs.as_slice().to_vec(), ..Facts::default() }
    }

    fn number(epochs: &SteeringEpochs) -> u64 {
        epochs.current().unwrap().number
    }

    #[test]
    fn a_change_of_members_or_weights_is_a_new_epoch_and_no_change_is_none() {
        let mut epochs = SteeringEpochs::default();
        assert!(epochs.update(nodes(&[1]), &[]));
        assert!(!epochs.update(nodes(&[1]), &[]));
        assert!(epochs.update(nodes(&[1, 2]), &[]));
        assert!(epochs.update([(node(1), 100), (node(2), 50)], &[]));
        assert!(!epochs.update([(node(1), 100), (node(2), 50)], &[]));
        assert_eq!(number(&epochs), 3);
        assert_eq!(epochs.as_slice()[1].members(), nodes(&[1, 2]));
    }

    #[test]
    fn nodes_that_see_the_same_change_agree_on_its_number() {
        let (mut left, mut right) = (SteeringEpochs::default(), SteeringEpochs::default());
        left.update(nodes(&[1]), &[]);
        left.update(nodes(&[1, 3]), &[]);
        right.update(nodes(&[1, 3]), &[]);
        for _ in 0..2 {
            left.update(nodes(&[1, 3]), &[publishing(&right)]);
            right.update(nodes(&[1, 3]), &[publishing(&left)]);
        }
        assert_eq!(left.current(), right.current());
    }

    #[test]
    fn a_weight_that_changes_midway_gives_both_border_routers_the_same_tables() {
        let before = [(node(1), 100), (node(2), 100), (node(3), 100)];
        let after = [(node(1), 100), (node(2), 100), (node(3), 25)];
        let (mut left, mut right) = (SteeringEpochs::default(), SteeringEpochs::default());
        left.update(before, &[]);
        right.update(before, &[publishing(&left)]);
        // The left one has read the new weight, the right one has not yet.
        left.update(after, &[publishing(&right)]);
        right.update(before, &[publishing(&left)]);
        assert_eq!((number(&left), number(&right)), (2, 1));
        assert_eq!(steering_table(&left.as_slice()[0]), steering_table(right.current().unwrap()));
        right.update(after, &[publishing(&left)]);
        assert_eq!(left.as_slice(), right.as_slice());
        let table = steering_table(right.current().unwrap());
        assert_eq!(table, steering_table(left.current().unwrap()));
        let share = table.nodes().filter(|node| *node == 3).count() as f64 / table.nodes().len() as f64;
        assert!((share - 1.0 / 9.0).abs() < 0.005, "{share}");
    }

    #[test]
    fn two_changes_seen_in_different_order_do_not_share_a_number() {
        let (mut left, mut right) = (SteeringEpochs::default(), SteeringEpochs::default());
        left.update(nodes(&[1, 2]), &[]);
        right.update(nodes(&[1, 2]), &[publishing(&left)]);
        let (weight, joined) = ([(node(1), 7), (node(2), 100)], nodes(&[1, 2, 3]));
        left.update(weight, &[publishing(&right)]);
        right.update(joined.clone(), &[]);
        assert_eq!(number(&left), number(&right));
        // Each has seen what the other publishes, but not yet its change.
        let (l, r) = (publishing(&left), publishing(&right));
        left.update(weight, &[r]);
        right.update(joined, &[l]);
        assert_eq!([number(&left), number(&right)], [3, 2]);
        let both = [(node(1), 7), (node(2), 100), (node(3), 100)];
        left.update(both, &[publishing(&right)]);
        right.update(both, &[publishing(&left)]);
        left.update(both, &[publishing(&right)]);
        assert_eq!(left.current(), right.current());
    }

    #[test]
    fn a_joiner_adopts_the_last_eight_epochs_with_their_weights() {
        let mut elder = SteeringEpochs::default();
        for weight in 1..=10 {
            elder.update([(node(1), 100), (node(2), weight)], &[]);
        }
        let mut joiner = SteeringEpochs::default();
        assert!(joiner.update([(node(1), 100), (node(2), 10)], &[publishing(&elder)]), "a table to be built");
        assert_eq!(joiner.as_slice(), elder.as_slice());
        let weights: Vec<_> = joiner.as_slice().iter().map(|epoch| epoch.weight(node(2)).unwrap()).collect();
        assert_eq!(weights, (3..=10).collect::<Vec<u16>>());
        joiner.update(nodes(&[1, 2, 3]), &[publishing(&elder)]);
        assert_eq!(number(&joiner), 11);
    }

    #[test]
    fn a_joiner_believes_the_many_rather_than_the_one() {
        let mut elder = SteeringEpochs::default();
        elder.update(nodes(&[1]), &[]);
        elder.update(nodes(&[1, 2]), &[]);
        let forged =
            Facts { steering: vec![SteeringEpoch::new(1 << 47, [(node(66), 1000)])], ..Facts::default() };
        let mut joiner = SteeringEpochs::default();
        joiner.update(nodes(&[1, 2]), &[publishing(&elder), forged, publishing(&elder)]);
        assert_eq!(joiner.as_slice(), elder.as_slice());
    }

    #[test]
    fn hostile_epochs_change_nobodys_table() {
        let forged = |number, members: &[u16]| Facts {
            steering: vec![SteeringEpoch::new(number, members.iter().map(|&id| (node(id), 1000)))],
            ..Facts::default()
        };
        let mut epochs = SteeringEpochs::default();
        assert!(epochs.update(nodes(&[1, 2]), &[forged(u64::MAX, &[64, 128])]));
        assert_eq!(number(&epochs), 1, "a number that is not credible is not believed");
        // A greater list under each number that is taken: the number moves on, the table does not.
        for round in 0..20 {
            epochs.update(nodes(&[1, 2]), &[forged(number(&epochs), &[250])]);
            assert_eq!(epochs.current().unwrap().members(), nodes(&[1, 2]), "{round}");
        }
        assert_eq!(epochs.as_slice().len(), 1);
        assert!(number(&epochs) < 100);
        // Numbers that go back are no news.
        let before = epochs.clone();
        assert!(!epochs.update(nodes(&[1, 2]), &[forged(1, &[9])]));
        assert_eq!(epochs.as_slice(), before.as_slice());
    }

    #[test]
    fn no_more_epochs_are_kept_than_an_arena_holds() {
        let mut epochs = SteeringEpochs::default();
        for round in 0..20u16 {
            epochs.update(nodes(&[1, 2 + round]), &[]);
        }
        assert_eq!(epochs.as_slice().len(), Facts::MAX_EPOCHS);
        assert_eq!(number(&epochs), 20);
    }

    proptest! {
        /// Three nodes see a sequence of changes, each at its own time, and read each other's arenas whenever.
        #[test]
        fn nodes_agree_once_they_have_seen_the_same(
            steps in proptest::collection::vec((0usize..3, 0usize..4), 1..60),
            lists in proptest::collection::vec(proptest::collection::btree_map(1u16..6, 1u16..4, 0..4), 1..12),
        ) {
            let lists: Vec<Vec<(NodeId, u16)>> = lists
                .into_iter()
                .map(|list| list.into_iter().map(|(id, weight)| (node(id), weight)).collect())
                .collect();
            let mut nodes = vec![SteeringEpochs::default(); 3];
            let mut seen = [0usize; 3];
            let step = |nodes: &mut Vec<SteeringEpochs>, who: usize, list: &Vec<(NodeId, u16)>| {
                let peers: Vec<Facts> =
                    (0..3).filter(|&other| other != who).map(|other| publishing(&nodes[other])).collect();
                nodes[who].update(list.iter().copied(), &peers)
            };
            for (who, ahead) in steps {
                seen[who] = (seen[who] + ahead / 2).min(lists.len() - 1);
                step(&mut nodes, who, &lists[seen[who]]);
                let own = nodes[who].as_slice();
                prop_assert!(own.windows(2).all(|pair| pair[0].number < pair[1].number));
            }
            let last = lists.last().unwrap();
            for _ in 0..4 {
                for who in 0..3 {
                    step(&mut nodes, who, last);
                }
            }
            prop_assert_eq!(nodes[0].current(), nodes[1].current());
            prop_assert_eq!(nodes[0].current(), nodes[2].current());
            for who in 0..3 {
                prop_assert!(!step(&mut nodes, who, last), "and it rests");
            }
        }
    }
}
