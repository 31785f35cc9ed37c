//! What a member has delivered of every source, and how it finds what comes next.

use crate::memory::OwnSpan;
use crate::sync::Ordering::Release;

use super::GroupGeometry;
use super::flaw::{self, Flaw};
use super::lane::{Fetched, LaneView};
use super::layout::{ACKS, tagged};
use super::order::{Claim, OrderView, Ordered, Reference};

/// A frame was copied out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delivered {
    /// Who sent it.
    pub source: u16,
    /// Its length in bytes.
    pub len: usize,
}

/// What a reader has done since the endpoint was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReaderCounters {
    /// Frames delivered.
    pub frames: u64,
    /// Bytes of these frames.
    pub bytes: u64,
    /// Frames dropped since they were longer than the room that the caller gave.
    pub too_long: u64,
    /// References to frames that were delivered before.
    pub duplicates: u64,
    /// References to sources or incarnations that are not attached, or that contradict themselves.
    pub unknown: u64,
    /// References that were ahead of the source's next frame, so that the lane was read itself.
    pub gaps: u64,
    /// How often the order ring went round before it was read.
    pub laps: u64,
    /// Lane slots that were overwritten before they were read.
    pub lost: u64,
    /// Frames delivered from the lanes without regard to the order, since the order ring went round, passed over them, or was
    /// withheld.
    pub unordered: u64,
}

/// A source as its reader sees it.
#[derive(Debug)]
struct Source {
    lane: LaneView,
    incarnation: u64,
    attached: bool,
    /// Sequence of the next frame to deliver.
    next: u64,
    /// Where the lane ended when it was last looked whether frames are overdue.
    marked: u64,
}

/// The reading state of a group's member.
#[derive(Debug)]
pub(super) struct GroupReader {
    area: OwnSpan,
    geometry: GroupGeometry,
    sources: Vec<Option<Source>>,
    /// The sources of references that were passed over since the source was not attached.
    missed: Vec<bool>,
    order: Option<OrderView>,
    /// A source whose lane is being read, up to a sequence.
    catching_up: Option<(u16, u64)>,
    /// Whether what is being read is what the order has next.
    in_order: bool,
    /// The next source whose lane is to be read as a whole.
    sweeping: Option<u16>,
    counters: ReaderCounters,
}

impl GroupReader {
    pub(super) fn new(area: OwnSpan, geometry: GroupGeometry) -> Self {
        for id in 0..usize::from(geometry.nodes()) {
            area.store_u64(ACKS + id * 8, 0, Release);
        }
        area.store_u64(geometry.reader_position(), 0, Release);
        let sources = (0..geometry.nodes()).map(|_| None).collect();
        Self {
            area,
            geometry,
            sources,
            missed: vec![false; usize::from(geometry.nodes())],
            order: None,
            catching_up: None,
            in_order: false,
            sweeping: None,
            counters: ReaderCounters::default(),
        }
    }

    pub(super) fn counters(&self) -> ReaderCounters {
        self.counters
    }

    /// Begins to read a source at `next`; one that was read before goes on where it was left.
    pub(super) fn attach(&mut self, id: u16, incarnation: u64, lane: LaneView, next: u64) {
        let slot = &mut self.sources[usize::from(id)];
        let next = match slot {
            Some(known) if known.incarnation == incarnation => known.next,
            _ => next,
        };
        *slot = Some(Source { lane, incarnation, attached: true, next, marked: next });
        self.catching_up.take_if(|(source, _)| *source == id);
        if std::mem::take(&mut self.missed[usize::from(id)]) {
            // The order does not come back to them.
            self.sweep();
        }
        self.acknowledge(id, incarnation, next);
    }

    /// Reads a source no more, but remembers how far it was read.
    pub(super) fn detach(&mut self, id: u16) {
        if let Some(source) = &mut self.sources[usize::from(id)] {
            source.attached = false;
        }
    }

    /// Follows an owner's order from its first reference on.
    pub(super) fn follow(&mut self, order: OrderView) {
        self.order = Some(order);
    }

    /// Follows nobody any more if it was this owner.
    pub(super) fn forget_order_of(&mut self, owner: u16) {
        self.order.take_if(|order| order.claim().owner == owner);
    }

    /// The claim that is followed.
    pub(super) fn following(&self) -> Option<Claim> {
        self.order.as_ref().map(OrderView::claim)
    }

    /// Only for [`Flaw::OwnerGoesOnWhereTheLastOneWas`]: brings cursors to what was delivered of each source.
    pub(super) fn raise_to_next(&self, cursors: &mut [u64]) {
        for (cursor, source) in cursors.iter_mut().zip(&self.sources) {
            *cursor = source.as_ref().map_or(*cursor, |source| source.next.max(*cursor));
        }
    }

    /// Reads all lanes up to their heads, without regard to the order.
    pub(super) fn sweep(&mut self) {
        self.sweeping = Some(0);
    }

    /// Whether [`receive`](Self::receive) has something to do.
    pub(super) fn is_ready(&self) -> bool {
        self.catching_up.is_some()
            || self.sweeping.is_some()
            || self.order.as_ref().is_some_and(OrderView::is_ready)
    }

    /// Whether a lane holds frames that were not delivered, ordered or not.
    pub(super) fn has_unread(&self) -> bool {
        let attached = self.sources.iter().flatten().filter(|source| source.attached);
        attached.into_iter().any(|source| source.lane.bounds().1 > source.next)
    }

    /// Whether a frame that was in a lane at the last call was not delivered yet.
    pub(super) fn is_overdue(&mut self) -> bool {
        let mut overdue = false;
        for source in self.sources.iter_mut().flatten().filter(|source| source.attached) {
            overdue |= source.next < source.marked;
            source.marked = source.lane.bounds().1;
        }
        overdue
    }

    /// Copies the next frame to the beginning of `into`.
    pub(super) fn receive(&mut self, own_id: u16, into: &mut [u8]) -> Option<Delivered> {
        // Enough for the whole order ring and every lane, and an end if a peer keeps feeding references to nothing.
        let budget =
            self.geometry.order_slots() + self.geometry.lane_slots() + u64::from(self.geometry.nodes());
        for _ in 0..budget {
            if let Some((id, until)) = self.catching_up {
                match self.fetch(id, until, into) {
                    Step::Delivered(len) => return Some(self.delivered(id, len)),
                    Step::Skipped => {}
                    Step::Done => self.catching_up = None,
                }
            } else if let Some(id) = self.sweeping {
                self.sweep_source(id);
            } else if !self.take_reference(own_id) {
                self.publish_position();
                return None;
            }
        }
        None
    }

    /// Takes the next reference, if there is one; `false` if there is nothing to do.
    fn take_reference(&mut self, own_id: u16) -> bool {
        match self.order.as_mut().map_or(Ordered::Nothing, OrderView::next) {
            Ordered::Nothing => return false,
            Ordered::Lapped => {
                self.counters.laps += 1;
                // Nobody knows whose references these were.
                self.missed.fill(true);
                if !flaw::has(Flaw::ReaderForgetsWhatLappedIt) {
                    self.sweep();
                }
            }
            Ordered::Reference(reference) if reference.source == own_id => {}
            Ordered::Reference(reference) => self.consider(reference),
        }
        true
    }

    fn consider(&mut self, reference: Reference) {
        let source = self.sources.get_mut(usize::from(reference.source)).and_then(Option::as_mut);
        let Some(source) =
            source.filter(|source| source.attached && source.incarnation == reference.incarnation)
        else {
            self.counters.unknown += 1;
            if let Some(missed) = self.missed.get_mut(usize::from(reference.source)) {
                *missed = true;
            }
            return;
        };
        let (_, head) = source.lane.bounds();
        if flaw::has(Flaw::ReaderTrustsReferences)
            || flaw::has(Flaw::ReaderLeavesGaps) && reference.seq > source.next
        {
            source.next = reference.seq;
        }
        if reference.seq < source.next {
            self.counters.duplicates += 1;
        } else if reference.seq >= head || reference.lane_index != self.geometry.lane_index(reference.seq) {
            self.counters.unknown += 1;
        } else {
            self.in_order = reference.seq == source.next;
            self.counters.gaps += u64::from(!self.in_order);
            self.catching_up = Some((reference.source, reference.seq + 1));
        }
    }

    /// Begins to read one lane up to its head.
    fn sweep_source(&mut self, id: u16) {
        self.sweeping = (id + 1 < self.geometry.nodes()).then_some(id + 1);
        if let Some(source) = self.sources[usize::from(id)].as_ref().filter(|source| source.attached) {
            self.catching_up = Some((id, source.lane.bounds().1));
            self.in_order = false;
        }
    }

    /// Reads a source's next frame if it is below `until`. Every call but the last moves on.
    fn fetch(&mut self, id: u16, until: u64, into: &mut [u8]) -> Step {
        let Some(source) = self.sources[usize::from(id)].as_mut() else { return Step::Done };
        if !source.attached || source.next >= until {
            return Step::Done;
        }
        let step = match source.lane.copy(source.next, into) {
            Fetched::Frame { len, pieces } => {
                source.next += u64::from(pieces);
                Step::Delivered(len)
            }
            Fetched::TooLong { pieces } => {
                source.next += u64::from(pieces);
                self.counters.too_long += 1;
                Step::Skipped
            }
            Fetched::Gone => {
                let (tail, head) = source.lane.bounds();
                if source.next >= head {
                    return Step::Done;
                }
                let next = tail.max(source.next + 1);
                self.counters.lost += next - source.next;
                source.next = next;
                Step::Skipped
            }
        };
        let (incarnation, next) = (source.incarnation, source.next);
        self.acknowledge(id, incarnation, next);
        step
    }

    fn delivered(&mut self, source: u16, len: usize) -> Delivered {
        self.counters.frames += 1;
        self.counters.unordered += u64::from(!self.in_order);
        self.counters.bytes += len as u64;
        Delivered { source, len }
    }

    fn acknowledge(&self, id: u16, incarnation: u64, next: u64) {
        // Pairs with the source's acquiring load: the copies out of the slots before `next` are done.
        self.area.store_u64(ACKS + usize::from(id) * 8, tagged(incarnation, next), Release);
        self.area.write_back(ACKS + usize::from(id) * 8, 8);
    }

    fn publish_position(&self) {
        if let Some(order) = &self.order {
            let word = tagged(order.claim().generation, order.position());
            self.area.store_u64(self.geometry.reader_position(), word, Release);
            self.area.write_back(self.geometry.reader_position(), 8);
        }
    }
}

enum Step {
    /// A frame of so many bytes was copied.
    Delivered(usize),
    /// Something was passed over.
    Skipped,
    /// There is nothing left below the limit.
    Done,
}
