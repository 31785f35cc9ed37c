//! What the control thread does about one peer: meeting it, connecting to its rings, allocating rings for it, closing it.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Instant;

use super::agree;
use super::control::{Control, Unforgotten, Unproven};
use super::notice::Notice;
use super::peer::{Peer, RingFrom, RingTo};
use super::room::larger;
use crate::channel::{Channel, PerChannel};
use crate::doorbell::activity::{Line, Watched};
use crate::doorbell::attention::Waker;
use crate::doorbell::link::{Link, Speaker};
use crate::doorbell::{Bell, PeerBell};
use crate::error::JoinError;
use crate::event::{EventKind, FailureReason};
use crate::fabric::handover::{Handover, Meeting, RingGauge};
use crate::facility::{Liveness, PeerFile, Wakes};
use crate::facts::Facts;
use crate::group::{Start, next_sequence};
use crate::layout::{DirectoryEntry, Identity, PeerArena, State, plausible};
use crate::liveness::word_is_dead;
use crate::memory::{PeerSpan, SpanError};
use crate::multicast::MulticastFilter;
use crate::node::{Network, NodeId};
use crate::quarantine::QuarantineCause;
use crate::ring::{Geometry, Limits, Receiver, RingKey, Transmitter};
use crate::sigbus;

impl Control {
    /// Looks at a node's arena and does whatever it calls for.
    pub(super) fn look(&mut self, node: NodeId) {
        let Some(peer) = self.peers.get(&node) else {
            self.meet(node);
            return;
        };
        // It is perhaps this load that finds the memory gone: what it gives then says nothing of the peer's doing.
        let state = peer.arena.state();
        if sigbus::is_lost(peer.arena.mapping()) {
            let why = "its file was cut short, or its memory has failed or could not be had";
            self.quarantine(node, QuarantineCause::MemoryLost, why.to_owned());
            return;
        }
        if state.incarnation != peer.incarnation {
            self.replaced(node);
            return;
        }
        match state.state {
            State::Left => self.part(node, EventKind::Left),
            State::Joining | State::Active => self.attend(node),
            // Its next incarnation prepares the same memory.
            State::Empty if self.setup.facility.reuses_memory() => self.replaced(node),
            State::Empty => {
                let why = "its state word means nothing".to_owned();
                self.quarantine(node, QuarantineCause::State, why);
            }
        }
    }

    /// Another incarnation of a node is there, whose end nobody told of.
    pub(super) fn replaced(&mut self, node: NodeId) {
        if let Some(why) = self.impossible_successor(node) {
            self.quarantine(node, QuarantineCause::State, why);
            return;
        }
        let left = self.peers.get(&node).is_some_and(|peer| peer.arena.state().state == State::Left);
        if left {
            self.part(node, EventKind::Left);
        } else {
            self.fail(node, FailureReason::Replaced);
        }
        self.meet(node);
    }

    /// Meets a node that is not known, if it is a living member.
    pub(super) fn meet(&mut self, node: NodeId) {
        if node == self.setup.me || node.index() >= self.setup.layout.max_nodes || self.life.is_none() {
            return;
        }
        let file = match self.setup.facility.open(node) {
            Ok(Some(file)) => file,
            Ok(None) => return,
            Err(error) => {
                tracing::warn!(node = node.get(), %error, "cannot open an arena");
                return;
            }
        };
        if let Err(error) = sigbus::guard(&file.mapping) {
            tracing::warn!(node = node.get(), %error, "cannot guard an arena");
            return;
        }
        let span = file.mapping.peer();
        let (Some(word), Some(liveness)) = (PeerArena::state_of(&span), PeerArena::liveness_of(&span)) else {
            return;
        };
        let takes_part = matches!(word.state, State::Joining | State::Active);
        let closed = self.closed.get(&node).copied().unwrap_or(0);
        if plausible(word.incarnation) == 0 {
            return;
        }
        if word.incarnation <= closed {
            // Where both have closed the other, as after a cut between hosts, both have to begin anew.
            if takes_part && self.setup.facility.liveness() == Liveness::Heartbeat {
                self.has_closed_us(node, &span);
            }
            return;
        }
        if !takes_part || !self.setup.may_live(liveness) {
            self.close_unmet(node, word.incarnation, &span);
            return;
        }
        if self.setup.facility.liveness() == Liveness::Heartbeat
            && !self.is_seen_to_beat(node, word.incarnation, &span)
        {
            return;
        }
        if self.has_closed_us(node, &span) || !self.refutations.may_be_met(Instant::now(), node) {
            return;
        }
        let identity = PeerArena::identity_of(&span);
        match agree::check(node, &identity, &self.setup.requirements, self.setup.coherence_of(span.mapping()))
        {
            Ok(true) => {}
            Ok(false) => return,
            Err(error) => {
                if self.refused.insert(node, word.incarnation) != Some(word.incarnation) {
                    self.log(node, word.incarnation, EventKind::Refused { why: error.to_string() });
                }
                return;
            }
        }
        let Ok(identity) = identity else { return };
        // The header is written before the state word.
        if identity.incarnation == word.incarnation
            && let Err(error) = self.greet(node, file, identity)
        {
            tracing::warn!(node = node.get(), %error, "cannot use an arena");
        }
    }

    /// Closes an incarnation that this node has never met, of a node that is dead or has left: the next one writes to the same
    /// memory, and waits for every live member to say that it reads nothing of the one before.
    fn close_unmet(&mut self, node: NodeId, incarnation: u64, span: &PeerSpan) {
        let is_arena = PeerArena::identity_of(span).is_ok_and(|identity| identity.node == node);
        if !self.setup.facility.reuses_memory() || !is_arena {
            return;
        }
        if let Some(life) = &self.life {
            self.closed.insert(node, incarnation);
            life.arena.close(node, incarnation);
        }
    }

    /// Whether a heart that nothing else vouches for has beaten while this node looked. One that is silent for the failure
    /// timeout is dead.
    fn is_seen_to_beat(&mut self, node: NodeId, incarnation: u64, span: &PeerSpan) -> bool {
        let beats = PeerArena::heartbeat_of(span).unwrap_or(0);
        let now = Instant::now();
        let first = self.unproven.entry(node).or_insert(Unproven { incarnation, beats, since: now });
        if first.incarnation != incarnation {
            *first = Unproven { incarnation, beats, since: now };
        }
        let (beaten, silent) = (first.beats != beats, now.duration_since(first.since));
        if beaten {
            self.unproven.remove(&node);
        } else if silent >= self.setup.timing.failed {
            self.close_unmet(node, incarnation, span);
        }
        beaten
    }

    /// Whether a node has closed this incarnation of ours: then it reads nothing of it, and can only be met in the next one.
    fn has_closed_us(&self, node: NodeId, span: &PeerSpan) -> bool {
        let incarnation = self.life.as_ref().map_or(0, |life| life.incarnation);
        let closed = PeerArena::closed_of(span, self.setup.me).unwrap_or(u64::MAX);
        if closed == incarnation && !self.accusers.contains(&node) {
            // This may be in the midst of joining: whether to begin anew is decided later.
            self.seams.notifier.tell(Notice::Accused(node));
        }
        closed >= incarnation
    }

    /// Makes a peer of a node whose arena was checked.
    fn greet(&mut self, node: NodeId, file: PeerFile, identity: Identity) -> Result<(), SpanError> {
        let arena = PeerArena::new(file.mapping.peer(), self.setup.layout)?;
        let incarnation = identity.incarnation;
        for channel in self.setup.layout.channels() {
            let groups = [arena.group(channel.network, 0)?, arena.group(channel.network, 1)?];
            let meeting = Meeting {
                node,
                incarnation,
                waker: Waker::new(arena.attention(channel)?),
                closed: arena.closed_word(self.setup.me)?,
                starts: groups.each_ref().map(|area| self.start_with(&arena, area)),
                groups,
            };
            self.seams.givers[channel].give(Handover::Meet(Box::new(meeting)));
        }
        // Before what they guard: what is written meanwhile is looked at once more.
        let sequences = arena.sequences();
        let (facts_sequence, facts) = arena.facts().unwrap_or(([0; 2], Facts::default()));
        let subscribed = Network::ALL.map(|network| arena.is_subscribed(network));
        let multicast =
            Network::ALL.map(|network| arena.multicast(network).unwrap_or_else(MulticastFilter::all));
        let by_lines = self.setup.facility.wakes() == Wakes::Activity;
        let line = by_lines.then(|| arena.activity(self.setup.me)).transpose()?;
        let ours =
            self.life.as_ref().filter(|_| by_lines).map(|life| life.arena.activity(node)).transpose()?;
        let queues = self.setup.layout.queues;
        let peer = Peer {
            node,
            incarnation,
            arena,
            mapping: file.mapping,
            stamp: file.stamp,
            identity,
            silence: Arc::new(AtomicU64::new(0)),
            suspect: false,
            facts,
            facts_sequence,
            sequences,
            subscribed,
            multicast,
            to: PerChannel::new(queues, |_| None),
            from: PerChannel::new(queues, |_| None),
            link: None,
            bells: Vec::new(),
            line: line.map(|line| Arc::new(Watched::new(line, queues))),
            complained: false,
            unreadable: 0,
        };
        self.peers.insert(node, peer);
        if let Some(ours) = ours {
            let words = (0..queues).map(|queue| Line::new(&ours, queue).map(PeerBell::line));
            self.have_bells(node, words.collect::<Result<_, _>>()?);
        }
        self.accusers.remove(&node);
        self.stale.members = true;
        if self.life.as_ref().is_some_and(|life| life.shown) {
            // At once: what is sent from now on is kept until this one has read it, too.
            self.publish_members();
        }
        // After that, for whoever sends to the groups and waits for all members.
        self.stale.active = true;
        self.publish_peers_soon();
        self.log(node, incarnation, EventKind::Announced);
        self.attend(node);
        Ok(())
    }

    /// A joiner begins with the next frame of each lane, that is, with the next one as it is now, before the joiner is announced,
    /// and not when its data thread comes to look. A member hears a joiner from its first frame on.
    fn start_with(&self, peer: &PeerArena, area: &PeerSpan) -> Start {
        let joining = self.life.as_ref().is_some_and(|life| !life.shown);
        match joining && peer.state().state == State::Active {
            true => Start::At(next_sequence(area, self.setup.layout.group)),
            false => Start::Oldest,
        }
    }

    /// Connects to what the peer allocated, allocates what it lacks, and takes note of what it says.
    fn attend(&mut self, node: NodeId) {
        let mut changed = false;
        for channel in self.setup.layout.channels() {
            changed |= self.connect(node, channel);
        }
        let mut allocated = false;
        for channel in self.setup.layout.channels() {
            allocated |= self.allocate(node, channel);
        }
        let shown = self.life.as_ref().is_some_and(|life| life.shown);
        // A call makes it look, too.
        let called = shown && self.call(node);
        if shown && allocated && !called {
            self.tell_peer(node);
        }
        let noted = self.take_note(node);
        if noted {
            self.stale.members = true;
        }
        if changed || allocated || noted {
            self.publish_peers_soon();
        }
    }

    /// Attaches to the peer's ring, or to the one that replaces it.
    fn connect(&mut self, node: NodeId, channel: Channel) -> bool {
        let (Some(life), Some(peer)) = (&self.life, self.peers.get_mut(&node)) else { return false };
        let Some(entry) = peer.arena.directory(self.setup.me, channel) else { return false };
        let known = peer.from[channel].as_ref().map_or(0, |from| from.entry.epoch);
        let ours = entry.tx_incarnation == peer.incarnation && entry.rx_incarnation == life.incarnation;
        if !ours || entry.epoch <= known {
            return false;
        }
        let key = RingKey {
            tx_incarnation: entry.tx_incarnation,
            rx_incarnation: entry.rx_incarnation,
            epoch: entry.epoch,
        };
        let Some(memory) = peer.arena.heap(&entry) else {
            let why = format!("a ring that does not lie in its heap: {entry:?}");
            self.quarantine(node, QuarantineCause::Directory, why);
            return true;
        };
        let Ok(pointer) = life.arena.read_pointer(node, channel) else { return false };
        let ring = match Receiver::new(memory, pointer, key, Limits::default()) {
            Ok(ring) => ring,
            Err(error) => {
                self.quarantine(node, QuarantineCause::RingHeader, error.to_string());
                return true;
            }
        };
        let incarnation = peer.incarnation;
        let gauge = Arc::new(RingGauge::default());
        let geometry = ring.geometry();
        peer.from[channel] = Some(RingFrom { entry, geometry, gauge: Arc::clone(&gauge) });
        self.seams.givers[channel].give(Handover::Receiver {
            node,
            incarnation,
            ring: Box::new(ring),
            gauge,
        });
        self.log(node, incarnation, EventKind::Connected { network: channel.network, queue: channel.queue });
        true
    }

    /// Allocates our first ring for a peer.
    fn allocate(&mut self, node: NodeId, channel: Channel) -> bool {
        let Some(peer) = self.peers.get(&node) else { return false };
        if peer.to[channel].is_some() {
            return false;
        }
        let Some(life) = &self.life else { return false };
        let geometry = life.first_ring(&self.setup, channel);
        match self.make_ring(node, channel, 1, geometry) {
            Ok(()) => true,
            Err(error) => {
                if let Some(peer) = self.peers.get_mut(&node)
                    && !std::mem::replace(&mut peer.complained, true)
                {
                    let incarnation = peer.incarnation;
                    self.log(node, incarnation, EventKind::Refused { why: error.to_string() });
                }
                false
            }
        }
    }

    /// Replaces a ring that stays full by a larger one, as far as the budget goes.
    pub(super) fn grow(&mut self, node: NodeId, channel: Channel, epoch: u32) {
        let Some(to) = self.peers.get(&node).and_then(|peer| peer.to[channel].as_ref()) else {
            return;
        };
        if to.epoch != epoch || to.former.is_some() {
            return;
        }
        let (Some(life), Some(geometry)) = (&self.life, larger(to.geometry)) else { return };
        if !life.has_room_to_grow(&self.setup, geometry.bytes(), self.peers.len()) {
            tracing::info!(node = node.get(), %channel, "a full ring is not enlarged: others need the room");
            return;
        }
        // The backing's last room is left to others.
        let free = self.setup.facility.free().unwrap_or(0);
        if free < 4 * geometry.bytes() as u64 {
            tracing::info!(node = node.get(), %channel, free, "a full ring is not enlarged: too little room");
            return;
        }
        match self.make_ring(node, channel, epoch.wrapping_add(1), geometry) {
            Ok(()) => self.tell_peer(node),
            Err(error) => tracing::info!(node = node.get(), %channel, %error, "a full ring is not enlarged"),
        }
    }

    /// Allocates a ring, announces it in the directory and hands it to the endpoint.
    fn make_ring(
        &mut self,
        node: NodeId,
        channel: Channel,
        epoch: u32,
        geometry: Geometry,
    ) -> Result<(), JoinError> {
        let (Some(life), Some(peer)) = (&mut self.life, self.peers.get_mut(&node)) else { return Ok(()) };
        let (chunk, memory) = life.take(&self.setup, geometry.bytes(), node)?;
        let key = RingKey { tx_incarnation: life.incarnation, rx_incarnation: peer.incarnation, epoch };
        let made = peer.arena.read_pointer(self.setup.me, channel).map_err(std::io::Error::other).and_then(
            |pointer| Transmitter::new(memory, pointer, key, geometry).map_err(std::io::Error::other),
        );
        let ring = match made {
            Ok(ring) => ring,
            Err(error) => {
                life.give(chunk);
                return Err(JoinError::System { what: "laying out a ring", error });
            }
        };
        let incarnation = peer.incarnation;
        let gauge = Arc::new(RingGauge::default());
        let former = peer.to[channel].take().map(|former| (former.epoch, former.chunk));
        peer.to[channel] = Some(RingTo { epoch, chunk, geometry, gauge: Arc::clone(&gauge), former });
        let entry = DirectoryEntry {
            tx_incarnation: key.tx_incarnation,
            rx_incarnation: key.rx_incarnation,
            offset: chunk.offset,
            len: chunk.len,
            epoch,
        };
        life.arena.set_directory(node, channel, entry);
        self.seams.givers[channel].give(Handover::Transmitter {
            node,
            incarnation,
            epoch,
            ring: Box::new(ring),
            gauge,
        });
        let bytes = geometry.bytes() as u64;
        self.log(
            node,
            incarnation,
            EventKind::Allocated { network: channel.network, queue: channel.queue, epoch, bytes },
        );
        Ok(())
    }

    /// A replaced ring was read to its end.
    pub(super) fn drained(&mut self, node: NodeId, channel: Channel, epoch: u32) {
        let (Some(life), Some(peer)) = (&mut self.life, self.peers.get_mut(&node)) else { return };
        let Some(to) = &mut peer.to[channel] else { return };
        if let Some((former, chunk)) = to.former
            && former == epoch
        {
            to.former = None;
            life.give(chunk);
        }
    }

    /// Connects to the peer's doorbell, which is also how it learns of this node; whether it was called just now.
    fn call(&mut self, node: NodeId) -> bool {
        let (Some(life), Some(peer)) = (&self.life, self.peers.get_mut(&node)) else { return false };
        if peer.link.is_some() || self.setup.facility.wakes() != Wakes::Sockets {
            return false;
        }
        let ears = &self.ears;
        let called = self.setup.facility.doorbell(node).and_then(|address| Link::connect(&address));
        match called.and_then(|link| ears.hear_peer(node, &link).map(|()| link)) {
            Ok(link) => {
                link.hello(Speaker { node: self.setup.me, incarnation: life.incarnation });
                peer.link = Some(link);
                true
            }
            // It is tried again at the next survey; until then the peer polls and looks around by itself.
            Err(error) => {
                tracing::debug!(node = node.get(), %error, "cannot reach a doorbell");
                false
            }
        }
    }

    pub(super) fn take_bells(&mut self, node: NodeId, speaker: Speaker, bells: Vec<Bell>) {
        let Some(peer) = self.peers.get_mut(&node) else { return };
        let own = speaker == Speaker { node, incarnation: peer.incarnation };
        if !own || bells.len() != usize::from(self.setup.layout.queues) {
            // It answered for another incarnation, which will be met on its own; or it contradicts its own arena.
            peer.link = None;
            return;
        }
        self.have_bells(node, bells.into_iter().map(PeerBell::bell).collect());
    }

    /// From now on the peer's queues are woken by these.
    fn have_bells(&mut self, node: NodeId, bells: Vec<PeerBell>) {
        let Some(peer) = self.peers.get_mut(&node) else { return };
        let incarnation = peer.incarnation;
        let bells: Vec<Arc<PeerBell>> = bells.into_iter().map(Arc::new).collect();
        peer.bells.clone_from(&bells);
        for (channel, giver) in self.seams.givers.iter() {
            if let Some(bell) = bells.get(usize::from(channel.queue)) {
                giver.give(Handover::Bell { node, incarnation, bell: Arc::clone(bell) });
            }
        }
    }

    /// The peer's doorbell connection ended.
    pub(super) fn hung_up(&mut self, node: NodeId) {
        let Some(peer) = self.peers.get_mut(&node) else { return };
        peer.link = None;
        let (incarnation, word) = (peer.incarnation, peer.arena.liveness_word());
        self.look(node);
        if !self.setup.may_live(word) && self.is_current(node, incarnation) {
            let marked = word_is_dead(word);
            self.fail(node, if marked { FailureReason::ProcessDeath } else { FailureReason::HungUp });
        }
    }

    /// Takes over facts and subscriptions; whether there was anything new.
    fn take_note(&mut self, node: NodeId) -> bool {
        let Some(peer) = self.peers.get_mut(&node) else { return false };
        let subscribed = Network::ALL.map(|network| peer.arena.is_subscribed(network));
        let mut news = std::mem::replace(&mut peer.subscribed, subscribed) != subscribed;
        let sequences = peer.arena.sequences();
        if sequences == peer.sequences {
            return news;
        }
        // What is being written is looked at again the next time.
        if sequences.iter().all(|sequence| sequence & 1 == 0) {
            peer.sequences = sequences;
        }
        for network in Network::ALL {
            if let Some(filter) = peer.arena.multicast(network)
                && filter != peer.multicast[network.index()]
            {
                peer.multicast[network.index()] = filter;
                news = true;
            }
        }
        if let Some((sequence, facts)) = peer.arena.facts()
            && sequence != peer.facts_sequence
        {
            peer.facts_sequence = sequence;
            if facts != peer.facts {
                peer.facts = facts;
                news = true;
                let incarnation = peer.incarnation;
                self.stale.active = true;
                self.log(node, incarnation, EventKind::FactsChanged);
            }
        }
        news
    }

    /// Closes a peer's incarnation since it is dead, or as good as dead.
    pub(super) fn fail(&mut self, node: NodeId, reason: FailureReason) {
        self.part(node, EventKind::Failed { reason });
    }

    /// Closes a peer's incarnation: its rings are never read again.
    pub(super) fn part(&mut self, node: NodeId, why: EventKind) {
        let Some(peer) = self.peers.remove(&node) else { return };
        let incarnation = peer.incarnation;
        self.closed.insert(node, incarnation);
        if let Some(life) = &mut self.life {
            life.arena.close(node, incarnation);
            life.arena.clear_directory(node);
        }
        for (channel, to) in peer.to.into_iter() {
            let chunks = to.map_or(Vec::new(), |to| {
                to.former.map(|(_, chunk)| chunk).into_iter().chain([to.chunk]).collect()
            });
            self.unforgotten.push(Unforgotten { node, incarnation, channel, chunks });
            self.seams.givers[channel].give(Handover::Forget { node, incarnation });
        }
        self.stale.members = true;
        self.stale.peers = true;
        self.log(node, incarnation, why);
    }

    /// An endpoint has let go of a closed incarnation: its rings' memory is free.
    pub(super) fn forgotten(&mut self, node: NodeId, incarnation: u64, channel: Channel) {
        let Some(life) = &mut self.life else { return };
        self.unforgotten.retain(|part| {
            let done = part.node == node && part.incarnation == incarnation && part.channel == channel;
            if done {
                part.chunks.iter().for_each(|chunk| life.give(*chunk));
            }
            !done
        });
    }
}
