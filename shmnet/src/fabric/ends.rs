//! The ends of rings that an endpoint has: those toward one peer, and those of one group.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use super::handover::{GroupGauge, Meeting, Reply, RingGauge};
use super::reservation::{FrameReservation, transmit_error};
use super::sink::{Ended, FrameSink, Received};
use crate::channel::Channel;
use crate::doorbell::PeerBell;
use crate::doorbell::attention::Waker;
use crate::error::TransmitError;
use crate::group::{Delivered, GroupEndpoint, GroupRole, GroupSendError};
use crate::membership::notice::Notifier;
use crate::memory::PeerSpan;
use crate::multicast::MulticastFilter;
use crate::node::{Cast, NodeId};
use crate::quarantine::QuarantineCause;
use crate::ring::{self, CopyRoutine, Metadata, Receiver, RingFault, SendError, Transmitter};
use crate::sync::Ordering;

/// The rings to and from one peer on one channel.
#[derive(Debug)]
pub(super) struct Ends {
    pub(super) node: NodeId,
    pub(super) incarnation: u64,
    /// Sent to since the last flush.
    pub(super) dirty: bool,
    waker: Waker,
    closed: PeerSpan,
    bell: Option<Arc<PeerBell>>,
    transmitter: Option<Transmitting>,
    /// The ring before, until the peer has read it to its end.
    retiring: Option<Transmitting>,
    receiver: Option<(Receiver, Arc<RingGauge>)>,
    /// Rings that take over when those before them have run dry.
    next_receivers: VecDeque<(Receiver, Arc<RingGauge>)>,
}

#[derive(Debug)]
struct Transmitting {
    ring: Transmitter,
    epoch: u32,
    gauge: Arc<RingGauge>,
    /// Rises with each turn in which the ring was full, and falls slowly.
    pressure: u32,
    turns: u32,
    was_full: bool,
    asked: bool,
    broken: bool,
}

impl Ends {
    pub(super) fn new(meeting: Meeting) -> Self {
        Self {
            node: meeting.node,
            incarnation: meeting.incarnation,
            dirty: false,
            waker: meeting.waker,
            closed: meeting.closed,
            bell: None,
            transmitter: None,
            retiring: None,
            receiver: None,
            next_receivers: VecDeque::new(),
        }
    }

    pub(super) fn set_transmitter(&mut self, epoch: u32, ring: Transmitter, gauge: Arc<RingGauge>) {
        let new = Transmitting {
            ring,
            epoch,
            gauge,
            pressure: 0,
            turns: 0,
            was_full: false,
            asked: false,
            broken: false,
        };
        if let Some(old) = &mut self.transmitter {
            // What is not visible yet would never be: nobody publishes in a ring that was replaced.
            old.ring.publish();
        }
        // The control thread makes a third ring only after the first was drained.
        self.retiring = self.transmitter.replace(new);
    }

    /// `false` if the peer has announced more rings than an honest one does, which makes a third only when the first is
    /// read to its end.
    pub(super) fn add_receiver(&mut self, ring: Receiver, gauge: Arc<RingGauge>) -> bool {
        if self.receiver.is_none() {
            self.receiver = Some((ring, gauge));
        } else if self.next_receivers.len() < NEXT_RECEIVERS {
            self.next_receivers.push_back((ring, gauge));
        } else {
            return false;
        }
        true
    }

    pub(super) fn set_bell(&mut self, bell: Arc<PeerBell>) {
        // What was rung before was perhaps not heard: better once too often.
        bell.ring();
        self.bell = Some(bell);
    }

    #[inline(always)]
    pub(super) fn send(&mut self, frame: &[u8], metadata: Metadata) -> Result<(), TransmitError> {
        let end = self.transmitter.as_mut().ok_or(TransmitError::NoSuchNode)?;
        let Transmitting { ring, was_full, pressure, .. } = end;
        ring.send(&[frame], metadata).map_err(|error| refused(error, was_full, pressure))
    }

    /// Room for a frame of up to `len` bytes in the ring to the peer.
    pub(super) fn reserve(&mut self, len: usize) -> Result<FrameReservation<'_>, TransmitError> {
        let Transmitting { ring, was_full, pressure, .. } =
            self.transmitter.as_mut().ok_or(TransmitError::NoSuchNode)?;
        match ring.reserve(len) {
            Ok(room) => Ok(FrameReservation::new(room)),
            Err(error) => Err(refused(error, was_full, pressure)),
        }
    }

    /// Copies up to `limit` frames to where the sink has room for them; says how many, and what ended it. A fault is the end of
    /// the ring.
    #[inline]
    pub(super) fn receive<S: FrameSink>(
        &mut self,
        limit: u32,
        sink: &mut S,
    ) -> (u32, Result<Ended, RingFault>) {
        let mut taken = 0;
        while let Some((ring, gauge)) = &mut self.receiver {
            ring.fetch_burst(limit - taken);
            loop {
                if taken == limit {
                    return (taken, Ok(Ended::Enough));
                }
                let Some(room) = sink.room() else { return (taken, Ok(Ended::NoRoom)) };
                match ring.receive(room) {
                    Ok(Some(ring::Received { len, metadata })) => {
                        taken += 1;
                        sink.received(Received { len, from: self.node, cast: Cast::Unicast, metadata });
                    }
                    Ok(None) => break,
                    Err(fault) => {
                        gauge.faults.store(1, Relaxed);
                        self.receiver = None;
                        return (taken, Err(fault));
                    }
                }
            }
            if !self.next_receiver() {
                break;
            }
        }
        (taken, Ok(Ended::Dry))
    }

    /// The ring is dry: publishes what was received, and takes the next ring if there is one that has frames.
    #[inline(never)]
    fn next_receiver(&mut self) -> bool {
        let Some((ring, gauge)) = &mut self.receiver else { return false };
        publish_receiver(ring, gauge);
        // The transmitter has ceased to use a ring before it uses the next one: once that has a frame, this
        // one has all that it will ever have, but perhaps more than it had when it was found dry.
        let next_ready = self.next_receivers.front().is_some_and(|(next, _)| next.is_ready());
        if !next_ready || ring.is_ready() {
            return false;
        }
        self.receiver = self.next_receivers.pop_front();
        true
    }

    /// Whether there is something to receive.
    pub(super) fn is_ready(&self) -> bool {
        self.receiver.as_ref().is_some_and(|(ring, _)| ring.is_ready())
            || self.next_receivers.iter().any(|(ring, _)| ring.is_ready())
    }

    /// Publishes pointers and counters, and tells the control thread what it must know.
    pub(super) fn publish(&mut self, channel: Channel, notifier: &Notifier) {
        let (node, incarnation) = (self.node, self.incarnation);
        if let Some((ring, gauge)) = &mut self.receiver {
            ring.publish();
            publish_receiver(ring, gauge);
        }
        if let Some(end) = &mut self.transmitter {
            end.publish();
            if !end.broken
                && let Some(fault) = end.ring.fault()
            {
                end.broken = true;
                let (cause, why) = (QuarantineCause::ReadPointer, fault.to_string());
                notifier.reply(channel, Reply::Broken { node, incarnation, cause, why });
            }
            let in_use = end.is_read();
            if end.pressure >= PRESSURE && !end.asked && self.retiring.is_none() && in_use {
                end.asked = true;
                notifier.reply(channel, Reply::Full { node, incarnation, epoch: end.epoch });
            }
            if in_use && let Some(old) = self.retiring.take() {
                notifier.reply(channel, Reply::Drained { node, incarnation, epoch: old.epoch });
            }
        }
    }

    /// Rings the peer's bell if it sleeps and was not yet rung. To be called after [`crate::doorbell::attention::published`].
    pub(super) fn ring_if_asleep(&mut self) {
        if let Some(bell) = &self.bell
            && self.waker.must_ring()
        {
            bell.ring();
        }
    }

    /// Sends nothing more to the peer. `false` if that was so already.
    pub(super) fn give_up(&mut self) -> bool {
        self.retiring = None;
        self.transmitter.take().is_some()
    }

    /// Whether the peer has closed this node's incarnation.
    pub(super) fn has_closed(&self, incarnation: u64) -> bool {
        self.closed.invalidate(0, 8);
        self.closed.load_u64(0, Ordering::SeqCst) >= incarnation
    }
}

impl Transmitting {
    fn publish(&mut self) {
        self.ring.publish();
        self.turns = self.turns.wrapping_add(1);
        if self.was_full {
            self.pressure = (self.pressure + 1).min(PRESSURE);
        } else if self.turns.is_multiple_of(RELIEF_TURNS) {
            self.pressure = self.pressure.saturating_sub(1);
        }
        self.was_full = false;
        let counters = self.ring.counters();
        self.gauge.frames.store(counters.frames, Relaxed);
        self.gauge.bytes.store(counters.bytes, Relaxed);
        self.gauge.full.store(counters.full, Relaxed);
        self.gauge.too_long.store(counters.too_long, Relaxed);
        self.gauge.faults.store(counters.faults, Relaxed);
        self.gauge.distance.store(self.ring.distance().unwrap_or(0), Relaxed);
        self.gauge.streaming.store(self.ring.copy_routine() == CopyRoutine::Streaming, Relaxed);
    }

    /// Whether the receiver is known to read this ring: it has then left the one before for good, and sees the one after.
    fn is_read(&mut self) -> bool {
        let frames = self.ring.counters().frames;
        // Each frame takes a slot, so more frames than slots have been sent only if some were read.
        frames > self.ring.geometry().slots().into()
            || frames > 0 && self.ring.refresh().is_ok_and(|free| free == self.ring.geometry().slots())
    }
}

/// What a ring's refusal is to those who send; a ring that is too small notes it.
#[cold]
fn refused(error: SendError, was_full: &mut bool, pressure: &mut u32) -> TransmitError {
    match error {
        SendError::Full => *was_full = true,
        SendError::TooLong { .. } => {
            *was_full = true;
            *pressure = PRESSURE;
        }
        _ => {}
    }
    transmit_error(error)
}

fn publish_receiver(ring: &Receiver, gauge: &RingGauge) {
    let counters = ring.counters();
    gauge.frames.store(counters.frames, Relaxed);
    gauge.bytes.store(counters.bytes, Relaxed);
    gauge.too_long.store(counters.too_long, Relaxed);
    gauge.faults.store(counters.faults, Relaxed);
}

/// Why a ring with a fault puts its transmitter in quarantine.
pub(super) fn fault_cause(fault: RingFault) -> QuarantineCause {
    match fault {
        RingFault::Quarantined => QuarantineCause::MemoryLost,
        _ => QuarantineCause::Slot,
    }
}

/// How many rings may wait to take over. One would do; the others are for news that are taken late.
const NEXT_RECEIVERS: usize = 8;

/// In how many turns a ring must have been full before a larger one is asked for.
const PRESSURE: u32 = 16;

/// One of these turns is forgotten for so many turns in which frames were sent and the ring was not full.
const RELIEF_TURNS: u32 = 64;

/// One of a network's two groups.
#[derive(Debug)]
pub(super) struct GroupEnds {
    group: GroupEndpoint,
    gauge: Arc<GroupGauge>,
    role: GroupRole,
    sent: bool,
    seen: (Option<NodeId>, u64),
    ordered: u64,
    /// When it was last looked for frames that nobody orders.
    looked: Instant,
    /// A frame that was found when this node was about to sleep, and its length and source.
    stash: Vec<u8>,
    stashed: Option<(usize, NodeId)>,
    /// What this node takes, and what any other member takes.
    taken: MulticastFilter,
    wanted: MulticastFilter,
    filtered: u64,
    unwanted: u64,
}

/// How long a frame waits for the owner's order. An owner that works needs microseconds.
const PATIENCE: Duration = Duration::from_millis(20);

/// How many frames that this node does not take are passed over in one call.
const FILTERED_AT_ONCE: u32 = 64;

/// What a turn of duties brought.
pub(super) struct Duties {
    /// This node has ordered frames: all must be told.
    pub(super) ordered: bool,
    /// This node has sent frames that the owner must order.
    pub(super) sent: bool,
    pub(super) new_owner: Option<(NodeId, u64)>,
}

impl GroupEnds {
    pub(super) fn new(group: GroupEndpoint, gauge: Arc<GroupGauge>) -> Self {
        let stash = vec![0; group.geometry().max_frame()];
        Self {
            group,
            gauge,
            role: GroupRole::Member,
            sent: false,
            seen: (None, 0),
            ordered: 0,
            looked: Instant::now(),
            stash,
            stashed: None,
            taken: MulticastFilter::all(),
            wanted: MulticastFilter::all(),
            filtered: 0,
            unwanted: 0,
        }
    }

    /// `kind` is 0 for broadcast and 1 for multicast.
    pub(super) fn attach(&mut self, meeting: &Meeting, kind: usize) {
        let number = meeting.node.group_number();
        let (area, start) = (meeting.groups[kind].clone(), meeting.starts[kind]);
        if let Err(error) = self.group.attach_peer(number, meeting.incarnation, area, start) {
            // The peer's frames to the group are lost to us, and nothing else.
            tracing::warn!(node = meeting.node.get(), %error, "cannot attach to a group area");
        }
    }

    pub(super) fn detach(&mut self, node: NodeId) {
        self.group.detach_peer(node.group_number());
        if let Some(lag) = self.gauge.lag.get(node.index()) {
            lag.lane_slots.store(0, Relaxed);
        }
    }

    /// This node takes only these frames.
    pub(super) fn set_taken(&mut self, filter: MulticastFilter) {
        self.taken = filter;
    }

    /// Only these frames are taken by anybody else.
    pub(super) fn set_wanted(&mut self, filter: MulticastFilter) {
        self.wanted = filter;
    }

    pub(super) fn set_members(&mut self, members: &[u16]) {
        self.group.set_active(members);
    }

    pub(super) fn send(&mut self, frame: &[u8]) -> Result<(), TransmitError> {
        if !self.wanted.takes(frame) {
            self.unwanted += 1;
            return Err(TransmitError::NoListener);
        }
        self.group.send(frame).map_err(|error| match error {
            GroupSendError::Empty => TransmitError::Empty,
            GroupSendError::TooLong { .. } => TransmitError::TooLong,
        })?;
        self.sent = true;
        Ok(())
    }

    /// The next frame's length and source.
    pub(super) fn receive(&mut self, into: &mut [u8]) -> Option<(usize, NodeId)> {
        if let Some((len, source)) = self.stashed.take()
            && let Some(room) = into.get_mut(..len)
        {
            room.copy_from_slice(&self.stash[..len]);
            return Some((len, source));
        }
        for _ in 0..FILTERED_AT_ONCE {
            let delivered = self.group.receive(into)?;
            if self.taken.takes(&into[..delivered.len]) {
                return delivery(&delivered);
            }
            self.filtered += 1;
        }
        None
    }

    /// Whether a frame can be received. It is copied here: only receiving tells for sure.
    pub(super) fn is_ready(&mut self) -> bool {
        for _ in 0..FILTERED_AT_ONCE {
            if self.stashed.is_some() {
                return true;
            }
            let Some(delivered) = self.group.receive(&mut self.stash) else { return false };
            if self.taken.takes(&self.stash[..delivered.len]) {
                self.stashed = delivery(&delivered);
            } else {
                self.filtered += 1;
            }
        }
        true
    }

    /// Whether a look at another node's part of the group costs no more than a load.
    pub(super) fn is_coherent(&self) -> bool {
        self.group.is_coherent()
    }

    pub(super) fn is_owner(&self) -> bool {
        self.role == GroupRole::Owner
    }

    pub(super) fn has_sent(&self) -> bool {
        self.sent
    }

    pub(super) fn owner(&self) -> Option<NodeId> {
        NodeId::from_group_number(self.group.owner()?)
    }

    /// Receives without their order the frames that have waited for it too long: the owner hangs, or is none.
    pub(super) fn pass_over_an_idle_owner(&mut self) {
        let now = Instant::now();
        if now.duration_since(self.looked) >= PATIENCE {
            self.looked = now;
            if self.group.is_overdue() {
                self.group.sweep();
            }
        }
    }

    /// Orders what there is to order, if this node owns the group. With `whole`, looks also how far the readers are behind, each of
    /// which takes a look at the reader's memory.
    pub(super) fn duties(&mut self, whole: bool) -> Duties {
        self.role = self.group.poll_owner_duties();
        let counters = self.group.counters();
        let ordered = counters.ordered != std::mem::replace(&mut self.ordered, counters.ordered);
        let seen = (self.owner(), self.group.generation());
        let new_owner =
            (seen != std::mem::replace(&mut self.seen, seen)).then(|| Some((seen.0?, seen.1))).flatten();
        self.gauge.owner.store(seen.0.map_or(0, |owner| owner.get().into()), Relaxed);
        self.gauge.generation.store(seen.1, Relaxed);
        self.gauge.sent.store(counters.sent, Relaxed);
        self.gauge.received.store(counters.received.frames, Relaxed);
        self.gauge.ordered.store(counters.ordered, Relaxed);
        self.gauge.position.store(self.group.position(), Relaxed);
        self.gauge.unordered.store(counters.received.unordered, Relaxed);
        self.gauge.lost.store(counters.received.lost, Relaxed);
        self.gauge.overwritten.store(counters.overwritten, Relaxed);
        self.gauge.filtered.store(self.filtered, Relaxed);
        self.gauge.unwanted.store(self.unwanted, Relaxed);
        for lag in whole.then(|| self.group.lag()).into_iter().flatten() {
            if let Some(place) =
                NodeId::from_group_number(lag.reader).and_then(|node| self.gauge.lag.get(node.index()))
            {
                place.references.store(lag.references.map_or(0, |references| references + 1), Relaxed);
                place.lost_frames.store(lag.lost_frames, Relaxed);
                place.lane_slots.store(lag.lane_slots + 1, Relaxed);
            }
        }
        Duties { ordered, sent: std::mem::take(&mut self.sent), new_owner }
    }
}

/// Length and source of a frame. Attached are nodes only.
fn delivery(delivered: &Delivered) -> Option<(usize, NodeId)> {
    Some((delivered.len, NodeId::from_group_number(delivered.source)?))
}
