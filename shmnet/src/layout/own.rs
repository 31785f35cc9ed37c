//! This node's own arena: the only memory of the segment that it writes.

use zerocopy::{FromZeros, IntoBytes};

use super::wire::{FactsWire, IdentityWire, MulticastWire, SteeringWire};
use super::{DirectoryEntry, Identity, Layout, PeerArena, State, StateWord, at, guarded, plausible};
use crate::channel::Channel;
use crate::facts::Facts;
use crate::memory::{LINE, OwnSpan, SpanError};
use crate::multicast::MulticastFilter;
use crate::node::{Network, NodeId};
use crate::sync::Ordering;

/// The header of this node's arena.
///
/// Each line has one writing thread: the heartbeat thread writes [`beat`](Self::beat), an endpoint its attention line and read
/// pointers, the liveness thread its word, and the control thread all the rest. Only an activity line is raised by all endpoints,
/// those of one queue in one word.
#[derive(Clone, Debug)]
pub(crate) struct OwnArena {
    span: OwnSpan,
    layout: Layout,
}

impl OwnArena {
    /// Takes a span that begins with the arena and is at least as long as its header.
    pub(crate) fn new(span: OwnSpan, layout: Layout) -> Result<Self, SpanError> {
        span.sub_aligned(0, layout.heap, LINE)?;
        Ok(Self { span, layout })
    }

    /// Clears what a former incarnation left, then writes the identity. The state is left empty: in memory that serves all
    /// incarnations peers see it, and use what they find once it says [`State::Joining`].
    pub(crate) fn initialise(&self, identity: &Identity, facts: &Facts) {
        // Another machine may have been this node before, and this one may have read its arena.
        self.span.as_peer().invalidate(0, self.layout.heap);
        let former = StateWord { incarnation: self.former(identity.node), state: State::Empty };
        self.store(at::STATE, former.to_word(), Ordering::SeqCst);
        self.span.zero(at::HEARTBEAT, at::MULTICAST - at::HEARTBEAT);
        // The guards of multicast, facts and steering go on rising, so that no reader mixes two incarnations' records.
        self.span.zero(at::CLOSED, at::STEERING - at::CLOSED);
        self.span.zero(at::TABLES, self.layout.heap - at::TABLES);
        self.span.copy_in(at::IDENTITY, identity.to_wire().as_bytes());
        self.span.write_back(0, self.layout.heap);
        self.publish_facts(facts);
        for network in Network::ALL {
            self.publish_multicast(network, &MulticastFilter::all());
        }
    }

    /// The last incarnation of a node in this memory; 0 if it is not known to have been there. Who has met it, or finds it here
    /// later, can close it, and the next one need not wait for those in vain that never knew it.
    fn former(&self, node: NodeId) -> u64 {
        let span = self.span.as_peer();
        let is_ours = PeerArena::identity_of(&span).is_ok_and(|identity| identity.node == node);
        let word = PeerArena::state_of(&span).filter(|_| is_ours);
        word.map_or(0, |word| plausible(word.incarnation))
    }

    /// Stores a word that peers read, after all that was stored before.
    fn store(&self, offset: usize, value: u64, order: Ordering) {
        self.span.write_back_fence();
        self.span.store_u64(offset, value, order);
        self.span.write_back(offset, 8);
        self.span.write_back_fence();
    }

    pub(crate) fn set_state(&self, incarnation: u64, state: State) {
        self.store(at::STATE, StateWord { incarnation, state }.to_word(), Ordering::SeqCst);
    }

    /// One more heartbeat.
    pub(crate) fn beat(&self) {
        let count = self.span.load_u64(at::HEARTBEAT, Ordering::Relaxed);
        self.store(at::HEARTBEAT, count.wrapping_add(1), Ordering::Release);
    }

    /// Tells peers that something they read has changed: to be called after the change.
    pub(crate) fn changed(&self) {
        let count = self.span.load_u64(at::CHANGES, Ordering::Relaxed);
        self.store(at::CHANGES, count.wrapping_add(1), Ordering::Release);
    }

    /// Writes the parameters of an identity that is there already.
    pub(crate) fn require(&self, identity: &Identity) {
        let wire = identity.to_wire();
        self.span.copy_in(at::IDENTITY + IdentityWire::PARAMETERS, wire.parameters.as_bytes());
        self.span.write_back(at::IDENTITY + IdentityWire::PARAMETERS, wire.parameters.as_bytes().len());
        self.changed();
    }

    pub(crate) fn publish_facts(&self, facts: &Facts) {
        guarded::write(&self.span, at::FACTS, FactsWire::from_facts(facts).as_bytes());
        guarded::write(&self.span, at::STEERING, SteeringWire::from_epochs(&facts.steering).as_bytes());
    }

    /// Says which multicast addresses this node takes on a network.
    pub(crate) fn publish_multicast(&self, network: Network, filter: &MulticastFilter) {
        guarded::write(&self.span, Layout::multicast(network), MulticastWire::from_filter(filter).as_bytes());
    }

    pub(crate) fn close(&self, node: NodeId, incarnation: u64) {
        self.store(Layout::closed(node), incarnation, Ordering::SeqCst);
    }

    /// Which networks' group rings this node reads: bit 0 for the LSM, bit 1 for the GSM.
    pub(crate) fn set_subscriptions(&self, bitmap: u64) {
        self.store(at::SUBSCRIPTIONS, bitmap, Ordering::Release);
    }

    pub(crate) fn set_directory(&self, node: NodeId, channel: Channel, entry: DirectoryEntry) {
        guarded::write(&self.span, self.layout.directory_entry(node, channel), entry.to_wire().as_bytes());
    }

    pub(crate) fn clear_directory(&self, node: NodeId) {
        for channel in self.layout.channels() {
            let empty = super::wire::DirectoryWire::new_zeroed();
            guarded::write(&self.span, self.layout.directory_entry(node, channel), empty.as_bytes());
        }
    }

    /// What a hostile owner would do.
    #[cfg(test)]
    pub(super) fn scribble(&self, offset: usize, bytes: &[u8]) {
        self.span.copy_in(offset, bytes);
    }

    /// The line that says whether this node's data thread of a channel sleeps.
    pub(crate) fn attention(&self, channel: Channel) -> Result<OwnSpan, SpanError> {
        self.span.sub_aligned(self.layout.attention_line(channel), LINE, LINE)
    }

    /// The line of the read pointer for the ring from a node.
    pub(crate) fn read_pointer(&self, node: NodeId, channel: Channel) -> Result<OwnSpan, SpanError> {
        self.span.sub_aligned(self.layout.read_pointer(node, channel), LINE, LINE)
    }

    /// The line of the liveness word.
    pub(crate) fn liveness(&self) -> Result<OwnSpan, SpanError> {
        self.span.sub_aligned(at::LIVENESS, LINE, LINE)
    }

    /// The line that wakes a receiver where there are no doorbells.
    pub(crate) fn activity(&self, node: NodeId) -> Result<OwnSpan, SpanError> {
        self.span.sub_aligned(self.layout.activity_line(node), LINE, LINE)
    }

    /// A ring's memory.
    pub(crate) fn heap(&self, offset: u64, len: u64) -> Result<OwnSpan, SpanError> {
        let offset = usize::try_from(offset).unwrap_or(usize::MAX);
        let len = usize::try_from(len).unwrap_or(usize::MAX);
        self.span.sub_aligned(offset, len, LINE)
    }

    /// The area of one of the four group rings; `kind` is 0 for broadcast and 1 for multicast.
    pub(crate) fn group(&self, network: Network, kind: usize) -> Result<OwnSpan, SpanError> {
        self.span.sub_aligned(self.layout.group(network, kind), self.layout.group_len, LINE)
    }
}
