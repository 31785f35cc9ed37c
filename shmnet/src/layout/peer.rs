//! A peer's arena: read only, and not trusted in any way.

use zerocopy::{FromBytes, FromZeros, IntoBytes};

use super::wire::{DirectoryWire, FactsWire, IdentityWire, MulticastWire, SteeringWire};
use super::{DirectoryEntry, Identity, Layout, Malformed, StateWord, at, guarded};
use crate::channel::Channel;
use crate::facts::Facts;
use crate::memory::{LINE, Mapping, PeerSpan, SpanError};
use crate::multicast::MulticastFilter;
use crate::node::{Network, NodeId};
use crate::sync::Ordering;

/// The header of a peer's arena.
#[derive(Clone, Debug)]
pub(crate) struct PeerArena {
    span: PeerSpan,
    layout: Layout,
}

impl PeerArena {
    /// Takes a span that begins with the arena and is at least as long as a header in our own layout.
    pub(crate) fn new(span: PeerSpan, layout: Layout) -> Result<Self, SpanError> {
        span.sub_aligned(0, layout.heap, LINE)?;
        Ok(Self { span, layout })
    }

    /// The identity alone, from an arena whose layout may be another than ours.
    pub(crate) fn identity_of(span: &PeerSpan) -> Result<Identity, Malformed> {
        let mut wire = IdentityWire::new_zeroed();
        if span.len() < at::STATE {
            return Err(Malformed::NotAnArena);
        }
        span.invalidate(at::IDENTITY, size_of::<IdentityWire>());
        span.copy_out(at::IDENTITY, wire.as_mut_bytes());
        Identity::from_wire(&wire)
    }

    /// The state word alone, from an arena whose layout may be another than ours.
    pub(crate) fn state_of(span: &PeerSpan) -> Option<StateWord> {
        let line = span.sub_aligned(at::STATE, LINE, LINE).ok()?;
        line.invalidate(0, 8);
        Some(StateWord::from_word(line.load_u64(0, Ordering::SeqCst)))
    }

    /// The liveness word alone, from an arena whose layout may be another than ours.
    pub(crate) fn liveness_of(span: &PeerSpan) -> Option<u32> {
        let line = span.sub_aligned(at::LIVENESS, LINE, LINE).ok()?;
        line.invalidate(0, 4);
        Some(line.load_u32(0, Ordering::SeqCst))
    }

    /// The heartbeat alone, from an arena whose layout may be another than ours.
    pub(crate) fn heartbeat_of(span: &PeerSpan) -> Option<u64> {
        let line = span.sub_aligned(at::HEARTBEAT, LINE, LINE).ok()?;
        line.invalidate(0, 8);
        Some(line.load_u64(0, Ordering::Acquire))
    }

    /// The last incarnation of a node that the owner has closed, from an arena whose layout may be another than ours.
    pub(crate) fn closed_of(span: &PeerSpan, node: NodeId) -> Option<u64> {
        let word = span.sub_aligned(Layout::closed(node), 8, 8).ok()?;
        word.invalidate(0, 8);
        Some(word.load_u64(0, Ordering::SeqCst))
    }

    /// Loads a word that the peer stored.
    fn load(&self, offset: usize, order: Ordering) -> u64 {
        self.span.invalidate(offset, 8);
        self.span.load_u64(offset, order)
    }

    pub(crate) fn state(&self) -> StateWord {
        StateWord::from_word(self.load(at::STATE, Ordering::SeqCst))
    }

    pub(crate) fn heartbeat(&self) -> u64 {
        self.load(at::HEARTBEAT, Ordering::Acquire)
    }

    pub(crate) fn changes(&self) -> u64 {
        self.load(at::CHANGES, Ordering::Acquire)
    }

    /// Whether the peer reads a network's group rings.
    pub(crate) fn is_subscribed(&self, network: Network) -> bool {
        self.load(at::SUBSCRIPTIONS, Ordering::Acquire) >> network.index() & 1 == 1
    }

    /// The multicast addresses that the peer takes on a network; `None` while they cannot be read whole.
    pub(crate) fn multicast(&self, network: Network) -> Option<MulticastFilter> {
        let mut wire = MulticastWire::new_zeroed();
        guarded::read(&self.span, Layout::multicast(network), wire.as_mut_bytes())?;
        Some(wire.to_filter())
    }

    /// The sequences of the multicast filters and of the facts with the steering epochs: while they are the same nobody has written.
    pub(crate) fn sequences(&self) -> [u64; 4] {
        let [lsm, gsm] = Network::ALL.map(Layout::multicast);
        [lsm, gsm, at::FACTS, at::STEERING].map(|guard| self.load(guard, Ordering::Acquire))
    }

    /// The word of the last incarnation of a node that this peer has closed.
    pub(crate) fn closed_word(&self, node: NodeId) -> Result<PeerSpan, SpanError> {
        self.span.sub_aligned(Layout::closed(node), 8, 8)
    }

    /// The facts with the steering epochs, and the sequences of both; `None` while they cannot be read whole.
    pub(crate) fn facts(&self) -> Option<([u64; 2], Facts)> {
        let mut wire = FactsWire::new_zeroed();
        let facts = guarded::read(&self.span, at::FACTS, wire.as_mut_bytes())?;
        let mut epochs = SteeringWire::new_zeroed();
        let steering = guarded::read(&self.span, at::STEERING, epochs.as_mut_bytes())?;
        Some(([facts, steering], Facts { steering: epochs.epochs(), ..wire.to_facts() }))
    }

    /// The last incarnation of a node that this peer has closed.
    pub(crate) fn closed(&self, node: NodeId) -> u64 {
        self.load(Layout::closed(node), Ordering::SeqCst)
    }

    pub(crate) fn directory(&self, node: NodeId, channel: Channel) -> Option<DirectoryEntry> {
        let mut bytes = [0; size_of::<DirectoryWire>()];
        guarded::read(&self.span, self.layout.directory_entry(node, channel), &mut bytes)?;
        let wire = DirectoryWire::read_from_bytes(&bytes).ok()?;
        Some(DirectoryEntry::from_wire(&wire))
    }

    /// The line that says whether the peer's data thread of a channel sleeps.
    pub(crate) fn attention(&self, channel: Channel) -> Result<PeerSpan, SpanError> {
        self.span.sub_aligned(self.layout.attention_line(channel), LINE, LINE)
    }

    /// The line of the peer's read pointer for the ring from a node.
    pub(crate) fn read_pointer(&self, node: NodeId, channel: Channel) -> Result<PeerSpan, SpanError> {
        self.span.sub_aligned(self.layout.read_pointer(node, channel), LINE, LINE)
    }

    /// The line by which the peer wakes a receiver.
    pub(crate) fn activity(&self, node: NodeId) -> Result<PeerSpan, SpanError> {
        self.span.sub_aligned(self.layout.activity_line(node), LINE, LINE)
    }

    /// The liveness word.
    pub(crate) fn liveness_word(&self) -> u32 {
        self.span.invalidate(at::LIVENESS, 4);
        self.span.load_u32(at::LIVENESS, Ordering::SeqCst)
    }

    /// A ring's memory, at the place that the peer's directory gives: it must lie in the peer's heap.
    pub(crate) fn heap(&self, entry: &DirectoryEntry) -> Option<PeerSpan> {
        let offset = usize::try_from(entry.offset).ok()?;
        let len = usize::try_from(entry.len).ok()?;
        if offset < self.layout.heap {
            return None;
        }
        self.span.sub_aligned(offset, len, LINE).ok()
    }

    /// The area of one of the four group rings; `kind` is 0 for broadcast and 1 for multicast.
    pub(crate) fn group(&self, network: Network, kind: usize) -> Result<PeerSpan, SpanError> {
        self.span.sub_aligned(self.layout.group(network, kind), self.layout.group_len, LINE)
    }

    /// What it lies in.
    pub(crate) fn mapping(&self) -> &Mapping {
        self.span.mapping()
    }

    pub(crate) fn bytes(&self) -> usize {
        self.span.len()
    }
}
