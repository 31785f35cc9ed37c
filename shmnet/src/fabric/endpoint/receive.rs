//! Receiving: round robin over the peers' rings, and the group rings among them.

use super::Endpoint;
use crate::fabric::ends::fault_cause;
use crate::fabric::sink::{Ended, FrameSink, One, Received};
use crate::node::Cast;
use crate::ring::Metadata;

/// How many frames of one ring are received before it is another's turn.
const BURST: u32 = 32;

/// By what factor the groups are looked at less often in memory that is not coherent.
const INCOHERENT_LOOKS: u32 = 8;

/// Whose turn it is.
#[derive(Debug, Default)]
pub(super) struct Turn {
    /// Indices of the peers that have a ring to receive from.
    pub(super) order: Vec<usize>,
    cursor: usize,
    /// Frames that the peer at the cursor gave in its turn.
    burst: u32,
    /// Frames that the peers' rings may still give before it is the groups' turn.
    until_groups: u32,
    /// Frames that the groups may still give before it is the peers' turn.
    groups: u32,
    /// Counts receptions that found the peers' rings dry.
    dry: u32,
    /// The group that is looked at first: that which did not give the last frame.
    first_group: usize,
}

impl Turn {
    pub(super) fn new(max_nodes: usize) -> Self {
        Self { order: Vec::with_capacity(max_nodes), until_groups: BURST, ..Self::default() }
    }

    #[inline]
    fn next_peer(&mut self) {
        self.burst = 0;
        self.cursor += 1;
    }

    /// Counts what the peer at the cursor gave, and ends its turn or that of all peers.
    #[inline]
    fn count(&mut self, frames: u32) {
        self.burst += frames;
        if self.burst >= BURST {
            self.next_peer();
        }
        self.until_groups -= frames;
    }
}

impl Endpoint {
    /// Copies the next frame to the beginning of `into`: round robin over the peers, and the group rings among them, so that
    /// no peer's load keeps another's broadcast and multicast frames waiting.
    ///
    /// A frame longer than `into` is dropped and counted. Whoever takes many frames takes them by
    /// [`receive_burst`](Self::receive_burst), which looks after the rest once for all of them.
    #[inline]
    pub fn receive(&mut self, into: &mut [u8]) -> Option<Received> {
        let mut one = One { into, received: None };
        self.receive_burst(1, &mut one);
        one.received
    }

    /// Copies up to `limit` frames to where `sink` has room for them, in the order of [`receive`](Self::receive); returns how many.
    /// Less than `limit`: there are no more, or the sink had no room.
    pub fn receive_burst<S: FrameSink>(&mut self, limit: usize, sink: &mut S) -> usize {
        if self.taker.has_news() {
            self.take_handovers();
        }
        if !self.is_claim_checked {
            self.look_whether_replaced();
        }
        let limit = u32::try_from(limit).unwrap_or(u32::MAX);
        let mut taken = 0;
        // Each round ends a turn of the peers or of the groups; two without a frame are the end.
        while taken < limit {
            if self.turn.groups > 0 {
                let (frames, ended) = self.receive_casts((limit - taken).min(self.turn.groups), sink);
                taken += frames;
                match ended {
                    Ended::Enough => self.turn.groups -= frames,
                    Ended::Dry => self.turn.groups = 0,
                    Ended::NoRoom => break,
                }
                continue;
            }
            let (frames, ended) = self.receive_from_peers(limit - taken, sink);
            taken += frames;
            match ended {
                Ended::Enough => {}
                Ended::NoRoom => break,
                // The groups have their turn after some frames of the peers, or when the next burst begins with none.
                Ended::Dry if taken > 0 || !self.looks_at_groups() => break,
                Ended::Dry => {
                    let (frames, ended) = self.receive_casts(limit - taken, sink);
                    taken += frames;
                    if ended != Ended::Enough {
                        break;
                    }
                }
            }
        }
        self.moved |= taken > 0;
        taken as usize
    }

    /// Whether to look at the groups although the peers' rings are dry. Where every look is a trip to memory, not each time: a frame
    /// to a group waits for its order anyway.
    #[inline(always)]
    fn looks_at_groups(&mut self) -> bool {
        self.turn.dry = self.turn.dry.wrapping_add(1);
        self.is_coherent() || self.turn.dry.is_multiple_of(INCOHERENT_LOOKS)
    }

    /// Whether a look at a peer's memory costs no more than a load.
    #[inline(always)]
    fn is_coherent(&self) -> bool {
        self.groups.as_ref().is_some_and(|groups| groups[0].is_coherent())
    }

    /// Frames of the peers' rings, until all are dry or it is the groups' turn.
    #[inline(always)]
    fn receive_from_peers<S: FrameSink>(&mut self, limit: u32, sink: &mut S) -> (u32, Ended) {
        let mut taken = 0;
        let mut dry = 0;
        while dry < self.turn.order.len() {
            if self.turn.cursor >= self.turn.order.len() {
                self.turn.cursor = 0;
            }
            let index = self.turn.order[self.turn.cursor];
            let budget = (limit - taken).min(BURST - self.turn.burst).min(self.turn.until_groups);
            let Some(ends) = self.peers.get_mut(index).and_then(Option::as_mut) else {
                self.turn.next_peer();
                dry += 1;
                continue;
            };
            let (frames, ended) = ends.receive(budget, sink);
            taken += frames;
            self.turn.count(frames);
            if self.turn.until_groups == 0 {
                self.turn.groups = BURST;
                self.turn.until_groups = if self.is_coherent() { BURST } else { BURST * INCOHERENT_LOOKS };
            }
            match ended {
                Ok(Ended::Enough) if taken == limit || self.turn.groups > 0 => return (taken, Ended::Enough),
                Ok(Ended::Enough) => dry = 0,
                Ok(Ended::NoRoom) => return (taken, Ended::NoRoom),
                Ok(Ended::Dry) => {
                    self.turn.next_peer();
                    dry = if frames > 0 { 0 } else { dry + 1 };
                }
                Err(fault) => {
                    self.report_broken(index, fault_cause(fault), fault.to_string());
                    self.turn.order.retain(|other| *other != index);
                }
            }
        }
        (taken, Ended::Dry)
    }

    /// Frames of the group rings: one of each in turn.
    #[inline(never)]
    fn receive_casts<S: FrameSink>(&mut self, limit: u32, sink: &mut S) -> (u32, Ended) {
        let Some(groups) = self.groups.as_mut() else { return (0, Ended::Dry) };
        let mut taken = 0;
        'frames: while taken < limit {
            let Some(room) = sink.room() else { return (taken, Ended::NoRoom) };
            for kind in [self.turn.first_group, 1 - self.turn.first_group] {
                if let Some((len, from)) = groups[kind].receive(room) {
                    self.turn.first_group = 1 - kind;
                    let cast = [Cast::Broadcast, Cast::Multicast][kind];
                    sink.received(Received { len, from, cast, metadata: Metadata::default() });
                    taken += 1;
                    continue 'frames;
                }
            }
            return (taken, Ended::Dry);
        }
        (taken, Ended::Enough)
    }
}
