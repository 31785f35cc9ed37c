//! Putting peers into quarantine, and looking for what calls for it where no thread would stumble over it.

use std::ops::Bound;

use super::control::Control;
use super::peer::Peer;
use crate::event::{EventKind, FailureReason};
use crate::group::{Onlooker, contradiction};
use crate::layout::{HIGHEST_INCARNATION, Identity, PeerArena, State};
use crate::node::{Network, NodeId};
use crate::quarantine::QuarantineCause;

/// What was found, and the details in words.
type Finding = (QuarantineCause, String);

impl Control {
    /// Closes a peer's incarnation for what it wrote; its next one can be met like any other node's.
    pub(super) fn quarantine(&mut self, node: NodeId, cause: QuarantineCause, why: String) {
        let Some(peer) = self.peers.get(&node) else { return };
        let incarnation = peer.incarnation;
        self.remember_quarantine(node, incarnation, cause, why);
        self.fail(node, FailureReason::Quarantined);
    }

    /// Takes down why an incarnation is not believed any more.
    pub(super) fn remember_quarantine(
        &mut self,
        node: NodeId,
        incarnation: u64,
        cause: QuarantineCause,
        why: String,
    ) {
        tracing::warn!(node = node.get(), incarnation, cause = cause.name(), why, "a peer is quarantined");
        self.quarantines.add(node, incarnation, cause, why.clone());
        self.log(node, incarnation, EventKind::Quarantined { cause, why });
    }

    /// Why a state word of another incarnation than that known cannot be an honest successor's.
    pub(super) fn impossible_successor(&self, node: NodeId) -> Option<String> {
        let peer = self.peers.get(&node)?;
        let (known, word) = (peer.incarnation, peer.arena.state());
        let honest = if self.setup.facility.reuses_memory() {
            // Between two incarnations the whole word is zero.
            let between = word.incarnation == 0 && word.state == State::Empty;
            between || (known..HIGHEST_INCARNATION).contains(&word.incarnation)
        } else {
            word.incarnation == known
        };
        (!honest).then(|| format!("its incarnation went from {known} to {}", word.incarnation))
    }

    /// Looks through the arenas of some peers, each time of the next ones, for what no honest node writes.
    pub(super) fn inspect_peers(&mut self) {
        let after = self.inspected.map_or(Bound::Unbounded, Bound::Excluded);
        let rest = self.peers.range((after, Bound::Unbounded)).map(|(node, _)| *node);
        let nodes: Vec<NodeId> = rest.take(INSPECTED_AT_ONCE).collect();
        // Those in front of them have their turn when all were inspected.
        self.inspected = nodes.last().copied().filter(|last| self.peers.keys().next_back() != Some(last));
        for node in nodes {
            if let Some((cause, why)) = self.inspect(node) {
                self.quarantine(node, cause, why);
            }
        }
    }

    fn inspect(&mut self, node: NodeId) -> Option<Finding> {
        let peer = self.peers.get(&node)?;
        // What is being written by a node that joins, or by its next incarnation in the same memory, is not yet anything.
        let is_settled = |peer: &Peer| {
            let word = peer.arena.state();
            word.incarnation == peer.incarnation && word.state == State::Active
        };
        if !is_settled(peer) {
            return None;
        }
        let found = self.identity(peer).or_else(|| self.directory(peer)).or_else(|| self.groups(peer));
        let readable = self.is_readable(peer);
        let peer = self.peers.get_mut(&node)?;
        peer.unreadable = if readable { 0 } else { peer.unreadable + 1 };
        let stuck = peer.unreadable >= UNREADABLE;
        let found = found.or_else(|| {
            let why =
                || format!("a guarded record was unreadable {UNREADABLE} times, a second or more apart");
            stuck.then(|| (QuarantineCause::Record, why()))
        });
        found.filter(|_| is_settled(peer))
    }

    /// The identity is written once, but for the parameters, which may change.
    fn identity(&self, peer: &Peer) -> Option<Finding> {
        let told = match PeerArena::identity_of(&peer.mapping.peer()) {
            Ok(identity) => {
                // A process that claims the arena of this one, dead or not, writes its nonce while all else stays.
                let Identity { parameters, nonce, .. } = identity;
                let known = Identity { parameters, nonce, ..peer.identity.clone() };
                if identity == known {
                    return None;
                }
                format!("it was {known:?} and is {identity:?}")
            }
            Err(error) => format!("it is not one any more: {error:?}"),
        };
        Some((QuarantineCause::Identity, told))
    }

    /// A ring that was announced stays where it is until a newer one replaces it, or its owner closes this node.
    fn directory(&self, peer: &Peer) -> Option<Finding> {
        let (me, life) = (self.setup.me, self.life.as_ref()?);
        let moved = self.setup.layout.channels().find_map(|channel| {
            let known = &peer.from[channel].as_ref()?.entry;
            let found = peer.arena.directory(me, channel)?;
            let same_pair =
                found.tx_incarnation == known.tx_incarnation && found.rx_incarnation == known.rx_incarnation;
            let fine = same_pair && (found == *known || found.epoch > known.epoch);
            (!fine).then(|| format!("its ring on the {channel} was {known:?} and is {found:?}"))
        })?;
        // An entry is cleared only after the closing was published.
        (peer.arena.closed(me) < life.incarnation).then_some((QuarantineCause::Directory, moved))
    }

    fn groups(&self, peer: &Peer) -> Option<Finding> {
        let life = self.life.as_ref()?;
        let own = life.file.mapping.peer();
        for network in Network::ALL {
            for (kind, name) in ["broadcast", "multicast"].into_iter().enumerate() {
                let at = self.setup.layout.group(network, kind);
                let area = own.sub(at, self.setup.layout.group_len).ok()?;
                let onlooker =
                    Onlooker { id: self.setup.me.group_number(), incarnation: life.incarnation, area: &area };
                let theirs = peer.arena.group(network, kind).ok()?;
                let found = contradiction(&theirs, peer.incarnation, self.setup.layout.group, onlooker);
                if let Some(why) = found {
                    return Some((QuarantineCause::Group, format!("{network} {name}: {why}")));
                }
            }
        }
        None
    }

    fn is_readable(&self, peer: &Peer) -> bool {
        let directory = |channel| peer.arena.directory(self.setup.me, channel).is_some();
        peer.arena.facts().is_some() && self.setup.layout.channels().all(directory)
    }
}

/// As many as there are in a segment of the default size.
const INSPECTED_AT_ONCE: usize = 64;

/// How often in a row, once per look at its arena, a guarded record may be found unreadable. Writing one takes
/// microseconds, however long its writer may have to wait for a processor in the midst of it.
const UNREADABLE: u32 = 5;
