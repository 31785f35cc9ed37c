//! What an access to the mapping takes, measured when an arena is made.
//!
//! A PCI BAR that is mapped uncached takes a round trip over the bus for every load. Nothing can be done about it here, but
//! it can be said, and what to do instead.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::config::MappingCost;
use crate::memory::{LINE, Mapping, OwnSpan};
use crate::sync::{Ordering, fence};

/// Measures on the last lines of the first `allocated` bytes of an arena that no peer looks at yet. `facility` is the kind of memory.
pub(super) fn measure(
    arena: &Arc<Mapping>,
    allocated: u64,
    facility: &'static str,
    place: &str,
) -> Option<MappingCost> {
    let bytes = LINES * LINE;
    let begin = usize::try_from(allocated).ok()?.min(arena.len()).checked_sub(bytes)? / LINE * LINE;
    let own = arena.own().ok()?.sub(begin, bytes).ok()?;
    // The first round pays for page faults and fills the caches, if there are any.
    store(&own);
    // The best of several: an interruption, or another machine's turn, says nothing about the memory.
    let rounds = (0..ROUNDS).map(|_| (load(&own), store(&own)));
    let best = rounds.reduce(|best, round| (best.0.min(round.0), best.1.min(round.1)))?;
    let each = |time: Duration| u32::try_from(time.as_nanos() / LINES as u128).unwrap_or(u32::MAX);
    let cost = MappingCost { read_ns: each(best.0), write_ns: each(best.1) };
    report(cost, facility, place);
    Some(cost)
}

fn store(own: &OwnSpan) -> Duration {
    let started = Instant::now();
    for line in 0..LINES {
        own.store_u64(line * LINE, 2, Ordering::Relaxed);
    }
    fence(Ordering::SeqCst);
    started.elapsed()
}

fn load(own: &OwnSpan) -> Duration {
    let started = Instant::now();
    let mut sum = 0_u64;
    for line in 0..LINES {
        sum = sum.wrapping_add(std::hint::black_box(own.load_u64(line * LINE, Ordering::Acquire)));
    }
    std::hint::black_box(sum);
    started.elapsed()
}

/// Says what was measured, and warns of memory that has no cache.
fn report(cost: MappingCost, facility: &'static str, place: &str) {
    let MappingCost { read_ns, write_ns } = cost;
    tracing::info!(place, read_ns, write_ns, "measured an access to a line");
    if cost.is_uncached() {
        let remedy = remedy(facility);
        tracing::warn!(
            place,
            read_ns,
            write_ns,
            "an access takes as long as without a cache, and every packet pays for it: {remedy}"
        );
    }
}

fn remedy(facility: &'static str) -> &'static str {
    match facility {
        "pci" => {
            "a PCI BAR may be mapped uncached; give the machines the same memory backend as an nvdimm (-device nvdimm), and use \
             the facility dax on its device"
        }
        _ => {
            "an emulated processor, or one that has to be shared with others, is as slow; else the memory is"
        }
    }
}

/// 32 KiB of them: they fit any first cache.
const LINES: usize = 256;

const ROUNDS: usize = 8;

#[cfg(test)]
mod tests {
    use std::fmt::Debug;
    use std::sync::Mutex;

    use tracing::field::{Field, Visit};
    use tracing::{Event, Level, Metadata, Subscriber, span};

    use super::*;

    #[test]
    fn ordinary_memory_has_a_cache() {
        let (own, _) = Mapping::anonymous(1 << 20).unwrap();
        // A busy machine may interrupt one measurement, not all of them.
        assert!(
            (0..100).any(|_| measure(&own, 1 << 20, "pci", "test").is_some_and(|cost| !cost.is_uncached()))
        );
        assert_eq!(measure(&own, 4096, "pci", "test"), None);
    }

    /// Keeps the warnings.
    #[derive(Clone, Default)]
    struct Warnings(Arc<Mutex<Vec<String>>>);

    impl Subscriber for Warnings {
        fn enabled(&self, metadata: &Metadata<'_>) -> bool {
            *metadata.level() == Level::WARN
        }

        fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
            span::Id::from_u64(1)
        }

        fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

        fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

        fn event(&self, event: &Event<'_>) {
            let mut text = Text::default();
            event.record(&mut text);
            self.0.lock().unwrap().push(text.0);
        }

        fn enter(&self, _: &span::Id) {}

        fn exit(&self, _: &span::Id) {}
    }

    #[derive(Default)]
    struct Text(String);

    impl Visit for Text {
        fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
            self.0.push_str(&format!("{}={value:?} ", field.name()));
        }
    }

    /// Input: costs around the threshold. Output: a warning with the numbers and the remedy above it, nothing else.
    #[test]
    fn memory_without_a_cache_is_warned_of() {
        let warned = |read_ns, facility| {
            let warnings = Warnings::default();
            let cost = MappingCost { read_ns, write_ns: 7 };
            tracing::subscriber::with_default(warnings.clone(), || report(cost, facility, "PCI device 4"));
            warnings.0.lock().unwrap().join("\n")
        };
        for cached in [0, 1, 80, 100] {
            assert_eq!(warned(cached, "pci"), "", "{cached} ns");
        }
        for uncached in [101, 900, u32::MAX] {
            let text = warned(uncached, "pci");
            assert!(
                text.contains("PCI device 4") && text.contains(&format!("read_ns={uncached} write_ns=7")),
                "{text}"
            );
            assert!(text.contains("-device nvdimm"), "{text}");
        }
        let text = warned(900, "dax");
        assert!(text.contains("emulated") && !text.contains("nvdimm"), "{text}");
    }
}
