//! A network's endpoint: what the data thread sends and receives frames with.
//!
//! Nothing here allocates, locks or waits while packets flow; what the control thread has prepared is taken over at a
//! flag.

mod receive;

use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::time::Duration;

use self::receive::Turn;
use super::ends::{Ends, GroupEnds};
use super::handover::{Beginning, Handover, Reply, Taker};
use super::reservation::FrameReservation;
use crate::channel::Channel;
use crate::doorbell::Bell;
use crate::doorbell::activity::Lookout;
use crate::doorbell::attention::{self, Sleeper};
use crate::error::TransmitError;
use crate::facility::Claim;
use crate::liveness::heartbeat::BeatClock;
use crate::membership::notice::{Notice, Notifier};
use crate::multicast::MulticastFilter;
use crate::node::{Network, NodeId, mac_address};
use crate::quarantine::QuarantineCause;
use crate::ring::Metadata;

/// Where a frame goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Destination {
    /// To one node.
    Node(NodeId),
    /// To all nodes, by the broadcast ring: on queue 0 only.
    Broadcast,
    /// To all nodes, by the multicast ring: on queue 0 only.
    Multicast,
}

/// The adapter to one network, or to one of its queues, for one thread.
///
/// A worker's loop: [`receive_burst`](Self::receive_burst), [`transmit`](Self::transmit), then
/// [`flush`](Self::flush) once per turn. When there was nothing to do for a while: [`prepare_sleep`](Self::prepare_sleep) on
/// every endpoint that shares the [doorbell](Self::doorbell); if all return `true`, wait for it to be
/// readable; then [`wake`](Self::wake).
#[derive(Debug)]
#[repr(align(128))]
pub struct Endpoint {
    channel: Channel,
    me: NodeId,
    taker: Taker,
    notifier: Notifier,
    clock: Arc<BeatClock>,
    bell: Arc<Bell>,
    lookout: Option<Arc<Lookout>>,
    /// Frames were received or sent since the lookout was told the last time.
    moved: bool,
    /// The lookout was told that this endpoint sleeps.
    looked_for: bool,
    claim: Option<Claim>,
    /// It was looked at in this turn, or there is none.
    is_claim_checked: bool,
    late: Duration,
    /// 0 while this node is not a member.
    incarnation: u64,
    sleeper: Option<Sleeper>,
    /// Of the queue that has them.
    groups: Option<Box<[GroupEnds; 2]>>,
    members: Vec<u16>,
    /// The multicast frames that this node takes, in every incarnation.
    takes: MulticastFilter,
    peers: Vec<Option<Box<Ends>>>,
    /// Whose frames are received next.
    turn: Turn,
    /// Peers that were sent to since the last flush.
    dirty: Vec<usize>,
    turns: u32,
}

/// What an endpoint is made of.
pub(crate) struct Parts {
    pub(crate) channel: Channel,
    pub(crate) me: NodeId,
    pub(crate) max_nodes: usize,
    pub(crate) taker: Taker,
    pub(crate) notifier: Notifier,
    pub(crate) clock: Arc<BeatClock>,
    pub(crate) bell: Arc<Bell>,
    pub(crate) lookout: Option<Arc<Lookout>>,
    pub(crate) failed: Duration,
}

impl Endpoint {
    pub(crate) fn new(parts: Parts) -> Self {
        Self {
            channel: parts.channel,
            me: parts.me,
            taker: parts.taker,
            notifier: parts.notifier,
            clock: parts.clock,
            bell: parts.bell,
            lookout: parts.lookout,
            moved: true,
            looked_for: false,
            claim: None,
            is_claim_checked: true,
            late: parts.failed / 2,
            incarnation: 0,
            sleeper: None,
            groups: None,
            members: Vec::with_capacity(parts.max_nodes),
            takes: MulticastFilter::all(),
            peers: (0..parts.max_nodes).map(|_| None).collect(),
            turn: Turn::new(parts.max_nodes),
            dirty: Vec::with_capacity(parts.max_nodes),
            turns: 0,
        }
    }

    /// Which network this is.
    pub fn network(&self) -> Network {
        self.channel.network
    }

    /// Which of the network's queues this is, from 0. What one node sends by a queue, others receive by the same one.
    pub fn queue(&self) -> u8 {
        self.channel.queue
    }

    /// Readable when a peer rang for this queue, or when one of its endpoints has something new to take over. Both networks'
    /// endpoints of a queue have the same doorbell, and so must be in one thread.
    pub fn doorbell(&self) -> BorrowedFd<'_> {
        self.bell.as_fd()
    }

    /// This node's Ethernet address on the network.
    pub fn mac(&self) -> [u8; 6] {
        mac_address(self.network(), self.me)
    }

    /// Sends one frame. It is visible to its receiver when this returns, but a receiver that sleeps is only woken by the
    /// next [`flush`](Self::flush).
    ///
    /// # Errors
    /// The reason to drop the frame and count it.
    #[inline]
    pub fn transmit(
        &mut self,
        to: Destination,
        frame: &[u8],
        metadata: Metadata,
    ) -> Result<(), TransmitError> {
        self.look_around()?;
        match to {
            Destination::Node(node) => self.ends_toward(node)?.send(frame, metadata),
            Destination::Broadcast => self.cast(0, frame),
            Destination::Multicast => self.cast(1, frame),
        }
    }

    /// Sends frames without metadata to one node, in their order, until one is refused. Returns how many were sent.
    ///
    /// As [`transmit`](Self::transmit) of each, but what it looks after is looked after once for all of them.
    ///
    /// # Errors
    /// The reason for which the first frame was refused. A later refusal shows by the number; sending the rest tells its reason.
    #[inline]
    pub fn transmit_burst<'a>(
        &mut self,
        to: NodeId,
        frames: impl IntoIterator<Item = &'a [u8]>,
    ) -> Result<usize, TransmitError> {
        self.look_around()?;
        let ends = self.ends_toward(to)?;
        let mut sent = 0;
        for frame in frames {
            match ends.send(frame, Metadata::default()) {
                Ok(()) => sent += 1,
                Err(error) if sent == 0 => return Err(error),
                Err(_) => break,
            }
        }
        Ok(sent)
    }

    /// Reserves room for one frame of up to `len` bytes in the ring to a node, so that whoever makes the frame writes it where the
    /// receiver reads it, and [`transmit`](Self::transmit)'s copy is saved: worth it for frames that are made rather than passed on.
    ///
    /// # Errors
    /// The reason why the frame has to be dropped or tried again later; as with `transmit`, one that is too long makes the ring grow.
    pub fn reserve(&mut self, to: NodeId, len: usize) -> Result<FrameReservation<'_>, TransmitError> {
        self.look_around()?;
        self.ends_toward(to)?.reserve(len)
    }

    /// Takes news, and says whether this node can send.
    #[inline(always)]
    fn look_around(&mut self) -> Result<(), TransmitError> {
        if self.taker.has_news() {
            self.take_handovers();
        }
        if !self.is_claim_checked {
            self.look_whether_replaced();
        }
        if self.incarnation == 0 { Err(TransmitError::NotMember) } else { Ok(()) }
    }

    /// The ends toward a node that is going to be sent to.
    #[inline(always)]
    fn ends_toward(&mut self, node: NodeId) -> Result<&mut Ends, TransmitError> {
        let index = node.index();
        let ends = self.peers.get_mut(index).and_then(Option::as_mut).ok_or(TransmitError::NoSuchNode)?;
        if !ends.dirty {
            ends.dirty = true;
            self.dirty.push(index);
        }
        Ok(ends)
    }

    fn cast(&mut self, kind: usize, frame: &[u8]) -> Result<(), TransmitError> {
        let groups = self.groups.as_mut().ok_or(TransmitError::NoGroupQueue)?;
        groups[kind].send(frame)
    }

    /// Ends a turn: publishes pointers, orders broadcast and multicast frames where that is this node's duty, and rings the
    /// doorbells of receivers that sleep.
    pub fn flush(&mut self) {
        if self.taker.has_news() {
            self.take_handovers();
        }
        self.turns = self.turns.wrapping_add(1);
        if self.claim.is_some() {
            self.look_whether_replaced();
            self.is_claim_checked = self.claim.is_none();
        }
        if self.incarnation != 0 && self.clock.age() > self.late {
            self.look_whether_closed();
        }
        let wake_all = self.group_duties(self.turns.is_multiple_of(DUTY_TURNS));
        if self.dirty.is_empty() && wake_all.is_none() {
            return;
        }
        self.moved = true;
        for index in &self.dirty {
            if let Some(ends) = &mut self.peers[*index] {
                ends.publish(self.channel, &self.notifier);
            }
        }
        attention::published();
        for index in self.dirty.drain(..) {
            if let Some(ends) = &mut self.peers[index] {
                ends.dirty = false;
                ends.ring_if_asleep();
            }
        }
        match wake_all {
            Some(Wake::All) => {
                for ends in self.peers.iter_mut().flatten() {
                    ends.ring_if_asleep();
                }
            }
            Some(Wake::Node(node)) => {
                if let Some(ends) = self.peers.get_mut(node.index()).and_then(Option::as_mut) {
                    ends.ring_if_asleep();
                }
            }
            None => {}
        }
    }

    /// Orders frames if this node owns a group ring; says who has to know. With `whole`, looks also whether it should own
    /// one, and whether the owner does its duty.
    fn group_duties(&mut self, whole: bool) -> Option<Wake> {
        let groups = self.groups.as_mut()?;
        let mut wake = None;
        for (kind, ends) in groups.iter_mut().enumerate() {
            // Where every look is a trip to memory, an owner that has nothing of its own to order looks at others' frames less often.
            let looks = ends.is_coherent() || self.turns.is_multiple_of(DUTY_TURNS / 4);
            if whole {
                ends.pass_over_an_idle_owner();
            } else if !(ends.is_owner() && looks || ends.has_sent()) {
                continue;
            }
            let duties = ends.duties(whole);
            if let Some((owner, generation)) = duties.new_owner {
                self.notifier.reply(self.channel, Reply::Owner { kind, owner, generation });
            }
            if duties.ordered {
                wake = Some(Wake::All);
            } else if duties.sent {
                // The owner has to order it. Two owners: both networks' groups usually have the same one.
                wake = match (wake, ends.owner()) {
                    (None, Some(owner)) if owner != self.me => Some(Wake::Node(owner)),
                    (Some(Wake::Node(first)), Some(owner)) if first == owner => wake,
                    _ => Some(Wake::All),
                };
            }
        }
        wake
    }

    /// Says "asleep" and looks once more at everything. `false` if there is work: then do not sleep.
    ///
    /// Do not sleep for longer than about 100 ms: nobody rings when a group's owner withholds the order, and its members
    /// find out by themselves.
    pub fn prepare_sleep(&mut self) -> bool {
        self.flush();
        for ends in self.peers.iter_mut().flatten() {
            ends.publish(self.channel, &self.notifier);
        }
        let Some(sleeper) = &mut self.sleeper else { return !self.taker.has_news() };
        sleeper.lie_down();
        if self.has_work() {
            self.get_up();
            return false;
        }
        if let Some(lookout) = &self.lookout
            && !std::mem::replace(&mut self.looked_for, true)
        {
            lookout.lie_down(std::mem::take(&mut self.moved));
        }
        self.bell.expect();
        true
    }

    fn has_work(&mut self) -> bool {
        if self.taker.has_news() || self.peers.iter().flatten().any(|ends| ends.is_ready()) {
            return true;
        }
        // Whatever a source published before it looked whether this node sleeps is ordered or found here.
        if let Some(wake) = self.group_duties(true) {
            attention::published();
            match wake {
                Wake::All => self.peers.iter_mut().flatten().for_each(|ends| ends.ring_if_asleep()),
                Wake::Node(node) => {
                    if let Some(ends) = self.peers.get_mut(node.index()).and_then(Option::as_mut) {
                        ends.ring_if_asleep();
                    }
                }
            }
        }
        self.groups.as_mut().is_some_and(|groups| groups.iter_mut().any(GroupEnds::is_ready))
    }

    /// Says "awake" and silences the doorbell. Receive before the next sleep: what was rung for is not rung for again.
    pub fn wake(&mut self) {
        self.look_whether_replaced();
        self.get_up();
        self.bell.silence();
    }

    fn get_up(&mut self) {
        if std::mem::take(&mut self.looked_for)
            && let Some(lookout) = &self.lookout
        {
            lookout.get_up();
        }
        if let Some(sleeper) = &mut self.sleeper {
            sleeper.get_up();
        }
    }

    /// This node was stopped for a while: peers may have closed it meanwhile, and get no more frames of this incarnation.
    /// Whether it ends for all of them is for the control thread to say.
    #[cold]
    fn look_whether_closed(&mut self) {
        for ends in self.peers.iter_mut().flatten() {
            if ends.has_closed(self.incarnation) && ends.give_up() {
                let reply = Reply::ClosedUs { by: ends.node, incarnation: self.incarnation };
                self.notifier.reply(self.channel, reply);
            }
        }
    }

    /// Another process may have become this node while this one was stopped, in the same memory: then nothing more is written.
    /// The heartbeat's thread finds it too, and tells the control thread.
    fn look_whether_replaced(&mut self) {
        self.is_claim_checked = true;
        if self.claim.as_ref().is_some_and(|claim| !claim.is_held()) {
            self.end();
        }
    }

    fn report_broken(&mut self, index: usize, cause: QuarantineCause, why: String) {
        if let Some(ends) = &self.peers[index] {
            let (node, incarnation) = (ends.node, ends.incarnation);
            let reply = Reply::Broken { node, incarnation, cause, why };
            self.notifier.reply(self.channel, reply);
        }
    }

    /// A peer announces rings faster than it can use them up.
    #[cold]
    fn report_excess(&self, node: NodeId, incarnation: u64) {
        let why = "it replaces rings that were never used".to_owned();
        let cause = QuarantineCause::Directory;
        self.notifier.reply(self.channel, Reply::Broken { node, incarnation, cause, why });
    }

    /// Takes what the control thread has handed over, in order.
    #[cold]
    fn take_handovers(&mut self) {
        self.taker.begin();
        while let Some(handover) = self.taker.take() {
            match handover {
                Handover::Begin(beginning) => self.begin(*beginning),
                Handover::End => self.end(),
                Handover::Meet(meeting) => {
                    let index = meeting.node.index();
                    if let Some(groups) = &mut self.groups {
                        for (kind, ends) in groups.iter_mut().enumerate() {
                            ends.attach(&meeting, kind);
                        }
                    }
                    if let Some(place) = self.peers.get_mut(index) {
                        *place = Some(Box::new(Ends::new(*meeting)));
                    }
                }
                Handover::Transmitter { node, incarnation, epoch, ring, gauge } => {
                    if let Some(ends) = self.ends(node, incarnation) {
                        ends.set_transmitter(epoch, *ring, gauge);
                    }
                }
                Handover::Receiver { node, incarnation, ring, gauge } => {
                    if let Some(ends) = self.ends(node, incarnation) {
                        if !ends.add_receiver(*ring, gauge) {
                            self.report_excess(node, incarnation);
                            continue;
                        }
                        if !self.turn.order.contains(&node.index()) {
                            self.turn.order.push(node.index());
                        }
                    }
                }
                Handover::Bell { node, incarnation, bell } => {
                    if let Some(ends) = self.ends(node, incarnation) {
                        ends.set_bell(bell);
                    }
                }
                Handover::Members { members, wanted } => {
                    self.set_members(members);
                    if let Some([_, multicast]) = self.groups.as_deref_mut() {
                        multicast.set_wanted(wanted);
                    }
                }
                Handover::Takes(filter) => {
                    if let Some([_, multicast]) = self.groups.as_deref_mut() {
                        multicast.set_taken(filter.clone());
                    }
                    self.takes = filter;
                }
                Handover::Forget { node, incarnation } => self.forget(node, incarnation),
            }
        }
        // Frames of a member that was gone, or an owner's duty that is now ours, wait for nobody's bell.
        self.turns = DUTY_TURNS - 1;
    }

    fn begin(&mut self, beginning: Beginning) {
        self.end();
        self.incarnation = beginning.incarnation;
        self.sleeper = Some(beginning.sleeper);
        self.claim = beginning.claim;
        self.is_claim_checked = self.claim.is_none();
        self.groups = beginning.groups.map(|groups| {
            let [broadcast, mut multicast] = groups.map(|(group, gauge)| GroupEnds::new(group, gauge));
            multicast.set_taken(self.takes.clone());
            // Nobody is met yet.
            multicast.set_wanted(MulticastFilter::none());
            Box::new([broadcast, multicast])
        });
    }

    fn end(&mut self) {
        self.incarnation = 0;
        self.sleeper = None;
        self.claim = None;
        self.is_claim_checked = true;
        self.groups = None;
        self.peers.fill_with(|| None);
        self.turn.order.clear();
        self.dirty.clear();
        self.members.clear();
    }

    fn ends(&mut self, node: NodeId, incarnation: u64) -> Option<&mut Ends> {
        let ends = self.peers.get_mut(node.index())?.as_mut()?;
        (ends.incarnation == incarnation).then_some(ends)
    }

    fn set_members(&mut self, members: Vec<u16>) {
        if let Some(groups) = &mut self.groups {
            for ends in groups.iter_mut() {
                ends.set_members(&members);
            }
        }
        self.members = members;
    }

    fn forget(&mut self, node: NodeId, incarnation: u64) {
        if self.ends(node, incarnation).is_some() {
            let index = node.index();
            self.peers[index] = None;
            self.turn.order.retain(|other| *other != index);
            self.dirty.retain(|other| *other != index);
            self.members.retain(|member| *member != node.group_number());
            if let Some(groups) = &mut self.groups {
                for ends in groups.iter_mut() {
                    ends.detach(node);
                    ends.set_members(&self.members);
                }
            }
        }
        self.notifier.reply(self.channel, Reply::Forgotten { node, incarnation });
    }
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        self.notifier.tell(Notice::EndpointDropped(self.channel));
    }
}

/// Who must be woken after group frames were sent or ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wake {
    All,
    Node(NodeId),
}

/// How often, in turns, a node looks whether it should own a group ring, and whether the owner does its duty.
const DUTY_TURNS: u32 = 16;
