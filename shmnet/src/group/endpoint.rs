//! One member of a group: its lane, its reader, and its part in choosing and being the owner.

use crate::memory::{LINE, OwnSpan, PeerSpan};
use crate::sync::Ordering::{Acquire, Relaxed, Release};

use super::flaw::{self, Flaw};
use super::lane::{Lane, LaneView};
use super::layout::{ACKS, HEADER_GEOMETRY, HEADER_INCARNATION, MAGIC, ORDER_HEAD, untag};
use super::order::{Claim, GENERATIONS, LEAP, OrderRing, OrderView, Reference};
use super::reader::{Delivered, GroupReader, ReaderCounters};
use super::{GroupError, GroupGeometry, GroupSendError};

/// Where a reader begins in the lane of a source that it attaches to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// With the next frame that the source sends: for a joiner, which was not a member before.
    Next,
    /// With the frame of this sequence, or with what the source still keeps after it: for a joiner that has looked at
    /// [`next_sequence`] before it was announced, so that it gets every frame that is sent once it is.
    At(u64),
    /// With the oldest frame that the source keeps: for a member, when a joiner has announced itself.
    Oldest,
}

/// The sequence of the next frame that the owner of a group area sends.
#[must_use]
pub fn next_sequence(area: &PeerSpan, geometry: GroupGeometry) -> u64 {
    LaneView::new(area.clone(), geometry, 0).bounds().1
}

/// Whether a node orders the group's frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GroupRole {
    /// This node is the owner.
    Owner,
    /// Another node is, or nobody.
    Member,
}

/// What an endpoint has done since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GroupCounters {
    /// Frames sent.
    pub sent: u64,
    /// Bytes of these frames.
    pub sent_bytes: u64,
    /// Frames refused for being empty or longer than half of the lane.
    pub refused: u64,
    /// Frames overwritten before every active member had acknowledged them.
    pub overwritten: u64,
    /// References written as an owner.
    pub ordered: u64,
    /// How often this node became the owner.
    pub claims: u64,
    /// What was received.
    pub received: ReaderCounters,
}

/// How far a reader is behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lag {
    /// The reader.
    pub reader: u16,
    /// Lane slots of this node that the reader has not acknowledged.
    pub lane_slots: u64,
    /// References of the current owner that the reader has not taken; `None` if it follows another owner.
    pub references: Option<u64>,
    /// Frames of this node that were overwritten before this reader had them.
    pub lost_frames: u64,
}

/// A member of a group.
#[derive(Debug)]
pub struct GroupEndpoint {
    id: u16,
    incarnation: u64,
    geometry: GroupGeometry,
    area: OwnSpan,
    lane: Lane,
    own_lane: LaneView,
    order: OrderRing,
    reader: GroupReader,
    peers: Vec<Option<Peer>>,
    active: Vec<bool>,
    /// The best claim ever seen, its owner dead or alive.
    claim: Option<Claim>,
    /// For each source, the sequence that this node as an owner orders next.
    cursors: Vec<u64>,
    /// For each reader, the frames that it lost to overwriting.
    lost: Vec<u64>,
    counters: GroupCounters,
}

#[derive(Debug)]
struct Peer {
    area: PeerSpan,
    incarnation: u64,
    lane: LaneView,
}

impl GroupEndpoint {
    /// Sets up this node's group area in `area`, which must be aligned to a line and hold [`GroupGeometry::bytes`].
    ///
    /// # Errors
    /// [`GroupError::Span`] or [`GroupError::Node`].
    pub fn new(
        area: OwnSpan,
        id: u16,
        incarnation: u64,
        geometry: GroupGeometry,
    ) -> Result<Self, GroupError> {
        if id >= geometry.nodes() {
            return Err(GroupError::Node { id, nodes: geometry.nodes() });
        }
        let area = area.sub_aligned(0, geometry.bytes(), LINE)?;
        let lane = Lane::new(area.clone(), geometry, incarnation);
        let own_lane = LaneView::new(area.as_peer(), geometry, incarnation);
        let order = OrderRing::new(area.clone(), geometry);
        let reader = GroupReader::new(area.clone(), geometry);
        area.store_u64(HEADER_GEOMETRY, geometry.hash(), Relaxed);
        // What the parts wrote before is written back here, too.
        area.write_back(0, geometry.bytes());
        area.write_back_fence();
        // In memory of a former life the magic number is there already: whoever sees this incarnation sees its area set up. Pairs
        // with the acquiring load in `check_header`.
        area.store_u64(HEADER_INCARNATION, incarnation, Release);
        area.write_back(HEADER_INCARNATION, 8);
        area.write_back_fence();
        area.store_u64(0, MAGIC, Release);
        area.write_back(0, 8);
        area.write_back_fence();
        let nodes = usize::from(geometry.nodes());
        let mut endpoint = Self {
            id,
            incarnation,
            geometry,
            area,
            lane,
            own_lane,
            order,
            reader,
            peers: (0..nodes).map(|_| None).collect(),
            active: vec![false; nodes],
            claim: None,
            cursors: vec![0; nodes],
            lost: vec![0; nodes],
            counters: GroupCounters::default(),
        };
        endpoint.active[usize::from(id)] = true;
        Ok(endpoint)
    }

    /// Attaches to the group area of a peer, or to that of its next incarnation.
    ///
    /// # Errors
    /// [`GroupError`] for an area that is not the one expected; a former attachment to that peer then stays.
    pub fn attach_peer(
        &mut self,
        id: u16,
        incarnation: u64,
        area: PeerSpan,
        start: Start,
    ) -> Result<(), GroupError> {
        if id >= self.geometry.nodes() {
            return Err(GroupError::Node { id, nodes: self.geometry.nodes() });
        }
        if id == self.id {
            return Err(GroupError::Own(id));
        }
        let area = area.sub_aligned(0, self.geometry.bytes(), LINE)?;
        self.check_header(&area, incarnation)?;
        let lane = LaneView::new(area.clone(), self.geometry, incarnation);
        let (tail, head) = lane.bounds();
        let next = match start {
            Start::Next => head,
            Start::At(seq) => seq.clamp(tail, head),
            Start::Oldest => tail,
        };
        self.reader.attach(id, incarnation, lane.clone(), next);
        self.cursors[usize::from(id)] = tail;
        self.peers[usize::from(id)] = Some(Peer { area, incarnation, lane });
        self.lost[usize::from(id)] = 0;
        // The ring of an earlier incarnation is not the one that the same claim means now.
        self.reader.forget_order_of(id);
        self.look_at_claims();
        Ok(())
    }

    /// Reads nothing of a peer any more, whose incarnation was closed.
    pub fn detach_peer(&mut self, id: u16) {
        if let Some(peer) = self.peers.get_mut(usize::from(id)) {
            *peer = None;
            self.active[usize::from(id)] = id == self.id;
            self.reader.detach(id);
            if !flaw::has(Flaw::ReaderStaysWithTheDead) {
                self.reader.forget_order_of(id);
            }
        }
    }

    /// Sets the members: those whose acknowledgement a frame waits for, and among whom the next owner is chosen.
    ///
    /// This node is always one of them; ids that are not attached count for nothing.
    pub fn set_active(&mut self, ids: &[u16]) {
        self.active.fill(false);
        for id in ids.iter().chain(std::iter::once(&self.id)) {
            if let Some(active) = self.active.get_mut(usize::from(*id)) {
                *active = true;
            }
        }
    }

    /// Sends a frame to all members. It is in the lane when this returns; the owner orders it.
    ///
    /// # Errors
    /// [`GroupSendError`] for an empty frame or one longer than half of the lane; both are counted.
    pub fn send(&mut self, frame: &[u8]) -> Result<(), GroupSendError> {
        let pieces = self.lane.pieces_for(frame.len()).inspect_err(|_| self.counters.refused += 1)?;
        if !self.lane.has_room(pieces) {
            self.retire();
            while !self.lane.has_room(pieces) {
                let end = self.lane.oldest_end();
                self.count_laggards(end);
                self.lane.retire(end);
            }
        }
        self.lane.write(frame, pieces);
        self.counters.sent += 1;
        self.counters.sent_bytes += frame.len() as u64;
        Ok(())
    }

    /// Copies the next frame of any source to the beginning of `into`.
    pub fn receive(&mut self, into: &mut [u8]) -> Option<Delivered> {
        self.reader.receive(self.id, into)
    }

    /// Whether peers have sent what was not received yet, ordered or not. Looks at every lane.
    #[must_use]
    pub fn has_unread(&self) -> bool {
        self.reader.has_unread()
    }

    /// Whether any frame that was unread at the last call still is. To be called at intervals that are long for an owner,
    /// between which [`receive`](Self::receive) was called until it gave `None`.
    pub fn is_overdue(&mut self) -> bool {
        self.reader.is_overdue()
    }

    /// Delivers what lies in the lanes without waiting for the owner's order, at the next calls of [`receive`](Self::receive).
    ///
    /// For a member whose frames are [overdue](Self::is_overdue), since the owner does not order them. Exactly once
    /// and the order of each source still hold.
    pub fn sweep(&mut self) {
        self.reader.sweep();
    }

    /// Follows the best claim; claims, steps down, or orders new frames, as it falls to this node. Returns its role.
    pub fn poll_owner_duties(&mut self) -> GroupRole {
        self.look_at_claims();
        if self.is_heir() {
            self.become_owner();
        }
        self.retire();
        if self.order.claim().is_none() {
            return GroupRole::Member;
        }
        for source in 0..self.geometry.nodes() {
            self.order_lane(source);
        }
        GroupRole::Owner
    }

    /// Whether there is something to receive, or to order as the owner. To be asked before a worker goes to sleep.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.reader.is_ready() || self.order.claim().is_some() && self.has_unordered()
    }

    /// The owner that this node follows, dead or alive.
    #[must_use]
    pub fn owner(&self) -> Option<u16> {
        self.claim.map(|claim| claim.owner)
    }

    /// The generation that this node follows; 0 before the first owner.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.claim.map_or(0, |claim| claim.generation)
    }

    /// The position of the next reference in the order of the owner that this node follows; 0 before the first one.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.order_head().unwrap_or(0)
    }

    /// How far each attached reader is behind.
    pub fn lag(&self) -> impl Iterator<Item = Lag> + '_ {
        let head = self.order_head();
        self.peers.iter().enumerate().filter_map(move |(id, peer)| {
            let peer = peer.as_ref()?;
            peer.area.invalidate(self.geometry.reader_position(), 8);
            let position = self.claim.and_then(|claim| {
                untag(claim.generation, peer.area.load_u64(self.geometry.reader_position(), Relaxed))
            });
            Some(Lag {
                reader: id as u16,
                lane_slots: self.lane.head() - self.acknowledged(peer),
                references: position.zip(head).map(|(position, head)| head.saturating_sub(position)),
                lost_frames: self.lost[id],
            })
        })
    }

    /// What was sent, received and lost.
    #[must_use]
    pub fn counters(&self) -> GroupCounters {
        GroupCounters { received: self.reader.counters(), ..self.counters }
    }

    /// The incarnation of this node.
    #[must_use]
    pub fn incarnation(&self) -> u64 {
        self.incarnation
    }

    /// Whether the hardware keeps the group's memory coherent.
    #[must_use]
    pub fn is_coherent(&self) -> bool {
        self.area.is_coherent()
    }

    /// The sizes of the group's areas.
    #[must_use]
    pub fn geometry(&self) -> GroupGeometry {
        self.geometry
    }

    /// The claim whose order is read.
    #[cfg(test)]
    pub(super) fn following(&self) -> Option<Claim> {
        self.reader.following()
    }

    /// Whether this node takes itself for the owner.
    #[cfg(test)]
    pub(super) fn is_owner(&self) -> bool {
        self.order.claim().is_some()
    }

    /// Where the lane's oldest frame begins.
    #[cfg(test)]
    pub(super) fn lane_tail(&self) -> u64 {
        self.lane.tail()
    }

    fn check_header(&self, area: &PeerSpan, incarnation: u64) -> Result<(), GroupError> {
        area.invalidate(0, 8);
        let magic = area.load_u64(0, Acquire);
        if magic != MAGIC {
            return Err(GroupError::Magic(magic));
        }
        area.invalidate(HEADER_GEOMETRY, 16);
        let (found, expected) = (area.load_u64(HEADER_GEOMETRY, Relaxed), self.geometry.hash());
        if found != expected {
            return Err(GroupError::Geometry { found, expected });
        }
        let found = area.load_u64(HEADER_INCARNATION, Acquire);
        if found != incarnation {
            return Err(GroupError::Incarnation { found, expected: incarnation });
        }
        Ok(())
    }

    /// Follows the best claim that any attached peer makes or follows, and that is not [far ahead](LEAP) of all others.
    fn look_at_claims(&mut self) {
        let (mut least, mut best) = (self.generation(), self.claim);
        for claim in self.told() {
            // Of each peer the better one: what it claimed once it may follow no more.
            if least == 0 || claim.generation < least {
                least = claim.generation;
            }
            if claim.beats(best) {
                best = Some(claim);
            }
        }
        let plausible = |claim: &Claim| claim.generation <= least.saturating_add(LEAP);
        if best.as_ref().is_some_and(plausible) {
            self.claim = best;
        } else {
            self.follow_plausible(least);
        }
        self.follow_claim();
    }

    /// The best claim that each attached peer makes or follows.
    fn told(&self) -> impl Iterator<Item = Claim> + '_ {
        self.peers.iter().enumerate().filter_map(|(id, peer)| {
            let peer = peer.as_ref()?;
            let claimed = Claim::load(&peer.area, id as u16);
            match Claim::hearsay(&peer.area, self.geometry) {
                Some(followed) if followed.beats(claimed) => Some(followed),
                _ => claimed,
            }
        })
    }

    /// Somebody tells of a generation that no honest history has reached. It can be what this node follows itself, as long as
    /// nobody told it better.
    #[cold]
    fn follow_plausible(&mut self, least: u64) {
        let known = self.claim.take();
        let plausible = |claim: &Claim| claim.generation <= least.saturating_add(LEAP);
        let mut best = known.filter(plausible);
        for claim in self.told().filter(plausible) {
            if claim.beats(best) {
                best = Some(claim);
            }
        }
        self.claim = best;
    }

    fn follow_claim(&mut self) {
        let Some(claim) = self.claim else { return };
        if self.order.claim().is_some_and(|own| own != claim) {
            self.order.step_down();
        }
        if self.reader.following() == Some(claim) {
            return;
        }
        self.order.publish_known(claim);
        let area = match &self.peers[usize::from(claim.owner)] {
            Some(peer) => peer.area.clone(),
            None if claim.owner == self.id => self.area.as_peer(),
            None => return,
        };
        self.reader.follow(OrderView::new(area, self.geometry, claim));
    }

    /// Whether it falls to this node to be the next owner.
    fn is_heir(&self) -> bool {
        let is_active = |id: u16| id == self.id || self.is_member(id);
        match self.claim {
            // Others follow this node, by the word of an earlier incarnation or of a liar: only this node can help it.
            Some(claim) if claim.owner == self.id => self.order.claim() != Some(claim),
            Some(claim) if is_active(claim.owner) => false,
            _ => !(0..self.id).any(is_active),
        }
    }

    fn become_owner(&mut self) {
        // After the last one, which somebody lied about, come the first ones: those that follow the last take it for a lie then.
        let next = Some(self.generation() + 1).filter(|next| *next < GENERATIONS);
        let claim = Claim { generation: next.unwrap_or(1), owner: self.id };
        for (cursor, peer) in self.cursors.iter_mut().zip(&self.peers) {
            *cursor = peer.as_ref().map_or(0, |peer| peer.lane.bounds().0);
        }
        self.cursors[usize::from(self.id)] = self.lane.tail();
        if flaw::has(Flaw::OwnerGoesOnWhereTheLastOneWas) {
            self.reader.raise_to_next(&mut self.cursors);
        }
        self.order.claim_as(claim);
        self.counters.claims += 1;
        self.claim = Some(claim);
        self.follow_claim();
    }

    /// Writes references to all frames of a lane that have none yet.
    fn order_lane(&mut self, source: u16) {
        let index = usize::from(source);
        let (lane, incarnation) = match &self.peers[index] {
            Some(peer) => (&peer.lane, peer.incarnation),
            None if source == self.id => (&self.own_lane, self.incarnation),
            None => return,
        };
        let (tail, head) = lane.bounds();
        let mut cursor = self.cursors[index].max(tail);
        while cursor < head {
            let Some(pieces) = lane.pieces(cursor) else {
                cursor = lane.bounds().0.max(cursor + 1);
                continue;
            };
            let lane_index = self.geometry.lane_index(cursor);
            self.order.append(Reference { source, lane_index, incarnation, seq: cursor });
            self.counters.ordered += 1;
            cursor += u64::from(pieces);
        }
        self.cursors[index] = cursor;
    }

    fn has_unordered(&self) -> bool {
        let own = self.lane.head() > self.cursors[usize::from(self.id)];
        own || self
            .peers
            .iter()
            .zip(&self.cursors)
            .any(|(peer, cursor)| peer.as_ref().is_some_and(|peer| peer.lane.bounds().1 > *cursor))
    }

    /// Gives up the frames that every active member has acknowledged.
    fn retire(&mut self) {
        if self.lane.tail() == self.lane.head() {
            return;
        }
        let members = (0..self.geometry.nodes()).filter(|id| self.is_member(*id));
        let acknowledged = members
            .filter_map(|id| self.peers[usize::from(id)].as_ref())
            .map(|peer| self.acknowledged(peer))
            .min()
            .filter(|_| !flaw::has(Flaw::SourceDoesNotWait))
            .unwrap_or(self.lane.head());
        self.lane.retire(acknowledged);
    }

    /// Counts the oldest frame, which ends at `end`, against the members that still want it.
    fn count_laggards(&mut self, end: u64) {
        self.counters.overwritten += 1;
        for id in 0..self.peers.len() {
            if let Some(peer) = &self.peers[id]
                && self.active[id]
                && self.acknowledged(peer) < end
            {
                self.lost[id] += 1;
            }
        }
    }

    fn is_member(&self, id: u16) -> bool {
        self.active[usize::from(id)] && self.peers[usize::from(id)].is_some()
    }

    /// The sequence that a reader wants next of this node: between the lane's tail and its head, whatever the word says.
    fn acknowledged(&self, peer: &Peer) -> u64 {
        // Pairs with the reader's release: its copies out of the slots before are done.
        peer.area.invalidate(ACKS + usize::from(self.id) * 8, 8);
        let word = peer.area.load_u64(ACKS + usize::from(self.id) * 8, Acquire);
        untag(self.incarnation, word).unwrap_or(0).clamp(self.lane.tail(), self.lane.head())
    }

    /// The position of the next reference of the owner that is followed.
    fn order_head(&self) -> Option<u64> {
        let claim = self.claim?;
        let word = match &self.peers[usize::from(claim.owner)] {
            Some(peer) => {
                peer.area.invalidate(ORDER_HEAD, 8);
                peer.area.load_u64(ORDER_HEAD, Relaxed)
            }
            None if claim.owner == self.id => self.area.load_u64(ORDER_HEAD, Relaxed),
            None => return None,
        };
        untag(claim.generation, word)
    }
}
