//! What an access to the mapping takes, measured when an arena is made.
//!
//! A PCI BAR that is mapped uncached takes a round trip over the bus for every load. Nothing can be done about it here, but
//! it can be said, and what to do instead.

use std::sync::Arc;
use std::time::Instant;

use crate::config::MappingCost;
use crate::memory::{LINE, Mapping};
use crate::sync::{Ordering, fence};

/// Measures on the last lines of the first `allocated` bytes of an arena that no peer looks at yet.
pub(super) fn measure(arena: &Arc<Mapping>, allocated: u64, place: &str) -> Option<MappingCost> {
    let bytes = LINES * LINE;
    let begin = usize::try_from(allocated).ok()?.min(arena.len()).checked_sub(bytes)? / LINE * LINE;
    let own = arena.own().ok()?.sub(begin, bytes).ok()?;
    // The first round pays for page faults and fills the caches, if there are any.
    for round in 0..2_u64 {
        for line in 0..LINES {
            own.store_u64(line * LINE, round, Ordering::Relaxed);
        }
    }
    let started = Instant::now();
    for line in 0..LINES {
        own.store_u64(line * LINE, 2, Ordering::Relaxed);
    }
    fence(Ordering::SeqCst);
    let write = started.elapsed();
    let started = Instant::now();
    let mut sum = 0_u64;
    for line in 0..LINES {
        sum = sum.wrapping_add(std::hint::black_box(own.load_u64(line * LINE, Ordering::Acquire)));
    }
    std::hint::black_box(sum);
    let read = started.elapsed();
    let each = |time: std::time::Duration| u32::try_from(time.as_nanos() / LINES as u128).unwrap_or(u32::MAX);
    let cost = MappingCost { read_ns: each(read), write_ns: each(write) };
    tracing::info!(place, read_ns = cost.read_ns, write_ns = cost.write_ns, "measured an access to a line");
    if cost.is_uncached() {
        tracing::warn!(
            place,
            read_ns = cost.read_ns,
            write_ns = cost.write_ns,
            "the memory is mapped without a cache, and every packet pays for it: give the machines the same memory \
             backend as an nvdimm (-device nvdimm), and use the facility dax on its device"
        );
    }
    Some(cost)
}

/// 32 KiB of them: they fit any first cache.
const LINES: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_memory_has_a_cache() {
        let (own, _) = Mapping::anonymous(1 << 20).unwrap();
        // A busy machine may interrupt one measurement, not all of them.
        assert!((0..100).any(|_| measure(&own, 1 << 20, "test").is_some_and(|cost| !cost.is_uncached())));
        assert_eq!(measure(&own, 4096, "test"), None);
    }
}
