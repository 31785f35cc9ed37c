//! This node's own arena, and how what is written there gets to the progress thread.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};

use super::staging::{LONGEST, Range, Route, Staging};
use crate::layout::PAGE;
use crate::memory::{PeerSpan, Reflector};
use crate::node::NodeId;

/// One of this node's arenas: each incarnation has its own.
#[derive(Debug)]
pub(super) struct Arena {
    /// Counted from 1.
    pub(super) number: u32,
    /// Its memory, to be read from.
    pub(super) memory: PeerSpan,
    /// Whom each page is for.
    routes: Box<[AtomicU16]>,
}

impl Arena {
    pub(super) fn new(number: u32, memory: PeerSpan) -> Self {
        let pages = memory.len().div_ceil(PAGE);
        Self { number, memory, routes: (0..pages).map(|_| AtomicU16::new(NOBODY)).collect() }
    }

    /// Says whom a range of whole pages is for.
    pub(super) fn reserve(&self, offset: u64, len: u64, route: Route) {
        let first = (offset as usize / PAGE).min(self.routes.len());
        let end = (offset.saturating_add(len) as usize).div_ceil(PAGE).min(self.routes.len());
        for page in &self.routes[first..end.max(first)] {
            // The range is written to after this, by this thread or those it hands it to.
            page.store(route.to_word(), Ordering::Relaxed);
        }
    }

    /// Whether a range was never for anybody.
    pub(super) fn is_fresh(&self, offset: u64, len: u64) -> bool {
        let first = offset as usize / PAGE;
        let pages = (len as usize).div_ceil(PAGE);
        self.routes.iter().skip(first).take(pages).all(|page| page.load(Ordering::Relaxed) == NOBODY)
    }

    /// The parts of the arena that a peer gets a copy of, as (offset, length), in whole pages.
    pub(super) fn parts_for(&self, node: NodeId) -> VecDeque<(u64, u64)> {
        let mut parts: VecDeque<(u64, u64)> = VecDeque::new();
        let id = node.get();
        for (index, page) in self.routes.iter().enumerate() {
            let word = page.load(Ordering::Relaxed);
            if word != Route::All.to_word() && word != id {
                continue;
            }
            let offset = (index * PAGE) as u64;
            let len = (self.memory.len() - index * PAGE).min(PAGE) as u64;
            match parts.back_mut() {
                Some((begin, whole)) if *begin + *whole == offset => *whole += len,
                _ => parts.push_back((offset, len)),
            }
        }
        parts
    }

    fn route(&self, offset: usize) -> Option<Route> {
        let word = self.routes.get(offset / PAGE)?.load(Ordering::Relaxed);
        (word != NOBODY).then(|| Route::from_word(word))
    }
}

/// What the mapping of an arena calls when something was written.
#[derive(Debug)]
pub(super) struct Publisher {
    pub(super) arena: Arc<Arena>,
    pub(super) staging: Arc<Staging>,
    /// Where this node says whether its data threads sleep. Nobody rings over reflected memory, so that nobody waits for this word: it goes
    /// out with the next heartbeat, or whatever else goes first.
    pub(super) unhurried: std::ops::Range<usize>,
}

impl Reflector for Publisher {
    fn publish(&self, offset: usize, len: usize) {
        let limit = self.arena.memory.len();
        let begin = offset & !7;
        let end = offset.saturating_add(len).min(limit).next_multiple_of(8);
        // From the end to the beginning: whatever makes a range known is the first word of its line.
        let mut end = end.min(limit);
        while end > begin {
            let from = begin.max((end - 1) / LONGEST * LONGEST);
            if let Some(route) = self.arena.route(from) {
                let range = Range { arena: self.arena.number, route, offset: from as u64, len: end - from };
                self.staging.push(range, &self.arena.memory);
                if !self.unhurried.contains(&from) {
                    self.staging.wake();
                }
            }
            end = from;
        }
    }
}

/// The route of a page that is for nobody.
const NOBODY: u16 = u16::MAX;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doorbell::Bell;
    use crate::memory::Mapping;

    fn drained(staging: &Staging) -> Vec<(u64, usize, Route)> {
        let mut ranges = Vec::new();
        while let Some(range) = staging.peek() {
            ranges.push((range.offset, range.len, range.route));
            staging.pop(range);
        }
        ranges
    }

    #[test]
    fn a_range_goes_to_those_whom_it_is_for() {
        let (_own, peer) = Mapping::anonymous(16 * PAGE).unwrap();
        let arena = Arc::new(Arena::new(1, peer.peer()));
        let staging = Arc::new(Staging::new(Bell::new().unwrap()));
        let publisher =
            Publisher { arena: Arc::clone(&arena), staging: Arc::clone(&staging), unhurried: 0..0 };
        let (page, two) = (PAGE as u64, NodeId::new(2).unwrap());
        arena.reserve(0, 8 * page, Route::All);
        arena.reserve(10 * page, 2 * page, Route::Peer(2));

        publisher.publish(13, 2);
        publisher.publish(10 * PAGE + 128, 64);
        publisher.publish(9 * PAGE, 64);
        assert_eq!(drained(&staging), [(8, 8, Route::All), (10 * page + 128, 64, Route::Peer(2))]);
        // Long ones in pieces, the last first; what is beyond the end does not exist.
        publisher.publish(0, LONGEST + 8);
        publisher.publish(16 * PAGE, 64);
        publisher.publish(usize::MAX - 3, 64);
        assert_eq!(drained(&staging), [(LONGEST as u64, 8, Route::All), (0, LONGEST, Route::All)]);

        assert_eq!(arena.parts_for(two), [(0, 8 * page), (10 * page, 2 * page)]);
        assert_eq!(arena.parts_for(NodeId::new(3).unwrap()), [(0, 8 * page)]);
    }
}
