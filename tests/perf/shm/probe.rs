//! The machine's state: how far apart the two cores are at the moment.
//!
//! A hypervisor moves virtual cores between physical ones every few seconds, and every figure with them. An 8-byte
//! ping-pong before and after each sample tells where they were.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustix::thread::{CpuSet, sched_setaffinity};

use super::Failure;

/// The two cores that everything runs on.
pub(crate) const CORES: [usize; 2] = [0, 1];

/// Round trips of a probe.
const ROUNDS: u64 = 30_000;
/// So many rounds make a part; the probe is the median of the parts, so that a part that was interrupted does not count.
const PART: u64 = 1000;
/// Without an end after so long the probe says so: somebody else runs on one of the cores.
const PATIENCE: Duration = Duration::from_secs(5);
/// Cores whose round trip takes longer share no cache.
const FAR: f64 = 400.0;
/// Brackets that differ by more than this disagree.
const TOLERANCE: f64 = 1.4;

/// Where the two cores are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// They share a cache.
    Near,
    /// They do not.
    Far,
}

impl State {
    /// As the rows say it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Near => "near",
            Self::Far => "far",
        }
    }

    /// The state that a probe tells.
    pub(crate) fn of(probe: f64) -> Self {
        if probe < FAR { Self::Near } else { Self::Far }
    }
}

/// The state while samples were taken, if all probes around them agree.
pub(crate) fn agreed(probes: &[f64]) -> Option<State> {
    let least = probes.iter().copied().fold(f64::INFINITY, f64::min);
    let most = probes.iter().copied().fold(0.0, f64::max);
    let same = most <= least * TOLERANCE && State::of(least) == State::of(most);
    (!probes.is_empty() && same).then(|| State::of(most))
}

/// Words of the two ends, each in a line of its own.
#[derive(Default)]
#[repr(align(128))]
struct Line(AtomicU64);

/// Nanoseconds for a word to go to the other core and back; `None` if somebody else had one of the cores.
pub(crate) fn probe() -> Option<f64> {
    let words: Arc<[Line; 2]> = Arc::default();
    let other = Arc::clone(&words);
    let limit = Instant::now() + PATIENCE;
    let echo = thread::spawn(move || {
        let _ = pin(CORES[1]);
        for round in 1..=ROUNDS {
            if !await_word(&other[0].0, round, limit) {
                return;
            }
            other[1].0.store(round, Ordering::Release);
        }
    });
    // A thread of its own, so that the caller's affinity stays what it was.
    let asked = thread::spawn(move || {
        let _ = pin(CORES[0]);
        let mut parts = Vec::new();
        let mut begun = Instant::now();
        for round in 1..=ROUNDS {
            words[0].0.store(round, Ordering::Release);
            if !await_word(&words[1].0, round, limit) {
                return None;
            }
            if round.is_multiple_of(PART) {
                parts.push(begun.elapsed().as_nanos() as f64 / PART as f64);
                begun = Instant::now();
            }
        }
        parts.sort_by(f64::total_cmp);
        parts.get(parts.len() / 2).copied()
    });
    let result = asked.join().ok().flatten();
    let _ = echo.join();
    result
}

/// Waits for a word, without an end only until `limit`.
fn await_word(word: &AtomicU64, value: u64, limit: Instant) -> bool {
    for polls in 1_u64.. {
        // Pairs with the other end's release store.
        if word.load(Ordering::Acquire) == value {
            return true;
        }
        if polls.is_multiple_of(1 << 16) && Instant::now() > limit {
            return false;
        }
    }
    false
}

/// Lets this thread run on one core only.
pub(crate) fn pin(core: usize) -> Result<(), Failure> {
    let mut set = CpuSet::new();
    set.set(core);
    Ok(sched_setaffinity(None, &set)?)
}

/// Lets this thread, and those that it starts, run on both cores again.
pub(crate) fn unpin() -> Result<(), Failure> {
    let mut set = CpuSet::new();
    CORES.into_iter().for_each(|core| set.set(core));
    Ok(sched_setaffinity(None, &set)?)
}
