//! Times of a few nanoseconds, by the processor's own counter: how long a load took.

#![allow(unsafe_code)]

use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// A time of the processor's counter, or a span of it, in its own unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ticks(u64);

/// How the counter runs.
#[derive(Debug)]
struct Counter {
    /// Nanoseconds in 1024 ticks.
    scale: u64,
    /// What two looks at the counter take, in ticks.
    overhead: u64,
}

/// A counter whose look takes longer than this, as where a hypervisor intercepts it, tells nothing about a load.
const USELESS: Duration = Duration::from_nanos(200);

/// For how long the counter is compared with the system's clock, and how often: a comparison may be interrupted.
const CALIBRATION: Duration = Duration::from_micros(200);
const CALIBRATIONS: usize = 5;

impl Ticks {
    /// The present time; `None` where there is no counter that would do. The first call takes a millisecond.
    #[inline]
    #[must_use]
    pub fn now() -> Option<Self> {
        Counter::this()?;
        Some(Self(read()))
    }

    /// How long ago this was, without what looking at the counter takes.
    #[inline]
    #[must_use]
    pub fn elapsed(self) -> Option<Self> {
        let now = read();
        let overhead = Counter::this()?.overhead;
        Some(Self(now.saturating_sub(self.0).saturating_sub(overhead)))
    }

    /// A span in nanoseconds.
    #[must_use]
    pub fn as_nanos(self) -> u64 {
        Counter::this().map_or(0, |counter| counter.nanos(self.0))
    }
}

impl Counter {
    #[inline]
    fn this() -> Option<&'static Self> {
        static COUNTER: OnceLock<Option<Counter>> = OnceLock::new();
        COUNTER.get_or_init(Self::calibrate).as_ref()
    }

    fn calibrate() -> Option<Self> {
        if !IS_THERE {
            return None;
        }
        let mut scales: Vec<u64> = (0..CALIBRATIONS).filter_map(|_| compare()).collect();
        scales.sort_unstable();
        let scale = *scales.get(scales.len() / 2)?;
        let overhead = (0..64).map(|_| look_twice()).min()?;
        let counter = Self { scale, overhead };
        let useful = scale > 0 && counter.nanos(overhead) < USELESS.as_nanos() as u64;
        useful.then_some(counter)
    }

    fn nanos(&self, ticks: u64) -> u64 {
        ticks.saturating_mul(self.scale) / 1024
    }
}

/// Nanoseconds in 1024 ticks, by one comparison with the system's clock.
fn compare() -> Option<u64> {
    let (begin, start) = (Instant::now(), read());
    while begin.elapsed() < CALIBRATION {
        std::hint::spin_loop();
    }
    let (ticks, took) = (read().saturating_sub(start), begin.elapsed());
    u64::try_from(took.as_nanos()).ok()?.checked_mul(1024)?.checked_div(ticks)
}

fn look_twice() -> u64 {
    let start = read();
    read().saturating_sub(start)
}

const IS_THERE: bool = cfg!(all(any(target_arch = "x86_64", target_arch = "aarch64"), not(loom), not(miri)));

/// The counter, after all loads before it are done and before any that follow.
#[inline(always)]
fn read() -> u64 {
    #[cfg(all(target_arch = "x86_64", not(loom), not(miri)))]
    // SAFETY: the instructions are there on every processor of this kind and touch no memory.
    unsafe {
        use std::arch::x86_64::{_mm_lfence, _rdtsc};
        _mm_lfence();
        let ticks = _rdtsc();
        _mm_lfence();
        ticks
    }
    #[cfg(all(target_arch = "aarch64", not(loom), not(miri)))]
    {
        let ticks: u64;
        // SAFETY: the counter is readable by every process, and nothing else is touched.
        unsafe {
            std::arch::asm!("isb", "mrs {0}, cntvct_el0", "isb", out(reg) ticks, options(nostack));
        }
        ticks
    }
    #[cfg(not(all(any(target_arch = "x86_64", target_arch = "aarch64"), not(loom), not(miri))))]
    0
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_span_of_time_is_measured() {
        let Some(start) = Ticks::now() else { return };
        let begin = Instant::now();
        while begin.elapsed() < Duration::from_millis(5) {
            std::hint::spin_loop();
        }
        let span = start.elapsed().unwrap();
        assert!(span > Ticks(0) && span.as_nanos() > 0);
        assert!(span.as_nanos() <= start.elapsed().unwrap().as_nanos(), "time goes on");
    }
}
