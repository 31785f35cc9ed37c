//! One sample: frames one way between two pinned threads, and the ping-pong that tells how far apart these are.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::Failure;

/// Where the sender and the receiver run.
#[derive(Clone, Copy)]
pub(crate) struct Cpus(pub(crate) usize, pub(crate) usize);

/// How far apart the two processors were.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Near,
    Far,
}

/// The state that two ping-pongs of so many nanoseconds agree on.
pub(crate) fn state(before: f64, after: f64) -> Option<State> {
    if before.max(after) < 300.0 {
        Some(State::Near)
    } else if before.min(after) > 500.0 && before.max(after) < 2000.0 {
        Some(State::Far)
    } else {
        None
    }
}

/// What sends: `false` if there is no room.
pub(crate) trait Source: Send {
    fn send(&mut self, frame: &[u8]) -> bool;
    /// Sends the frame up to `times` times; how often there was room.
    #[inline(always)]
    fn send_burst(&mut self, frame: &[u8], times: usize) -> usize {
        (0..times).take_while(|_| self.send(frame)).count()
    }
    /// After a batch, or when there is no room.
    fn flush(&mut self);
}

/// What receives: the length of a frame.
pub(crate) trait Sink: Send {
    fn receive(&mut self, into: &mut [u8]) -> Option<usize>;
    /// Receives up to `limit` frames, each into the same room; how many.
    #[inline(always)]
    fn receive_burst(&mut self, into: &mut [u8], limit: usize) -> usize {
        (0..limit).take_while(|_| self.receive(into).is_some()).count()
    }
    /// When nothing was there.
    fn flush(&mut self);
}

/// Sends frames of `len` bytes for a time, `batch` before each flush; gives the millions received in a second.
pub(crate) fn one_way(
    source: &mut impl Source,
    sink: &mut impl Sink,
    (len, batch): (usize, usize),
    run: Duration,
    cpus: Cpus,
) -> Result<f64, Failure> {
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let sender = scope.spawn(|| {
            let pinned = pin(cpus.0);
            let frame = vec![0x5a; len];
            while !done.load(Ordering::Relaxed) {
                if source.send_burst(&frame, batch) < batch {
                    std::hint::spin_loop();
                }
                source.flush();
            }
            pinned
        });
        let pinned = pin(cpus.1);
        let mut into = vec![0; 16 << 10];
        let (mut frames, mut bursts, mut start) = (0u64, 0u64, Instant::now());
        let mut warm = false;
        loop {
            let received = sink.receive_burst(&mut into, batch);
            frames += received as u64;
            bursts += 1;
            if received == 0 {
                sink.flush();
                std::hint::spin_loop();
            } else if !bursts.is_multiple_of(32) {
                continue;
            }
            let elapsed = start.elapsed();
            if !warm && elapsed >= run / 8 {
                (warm, frames, start) = (true, 0, Instant::now());
            } else if elapsed >= run {
                done.store(true, Ordering::Relaxed);
                break;
            }
        }
        let took = start.elapsed();
        while !sender.is_finished() {
            sink.receive(&mut into);
        }
        while sink.receive(&mut into).is_some() {}
        sink.flush();
        sender.join().map_err(|_| "the sender failed")??;
        pinned?;
        Ok(frames as f64 / took.as_secs_f64() / 1e6)
    })
}

/// Nanoseconds for a word to go to the other processor and back: the best of several tries, as a thread that loses its processor
/// meanwhile tells nothing about the distance.
pub(crate) fn ping_pong(cpus: Cpus) -> f64 {
    const TRIES: u64 = 100;
    const ROUNDS: u64 = 200;
    let words: Arc<[crossbeam_utils::CachePadded<AtomicU64>; 2]> = Arc::default();
    let other = Arc::clone(&words);
    let echo = std::thread::spawn(move || {
        let _ = pin(cpus.0);
        for round in 1..=TRIES * ROUNDS {
            while other[0].load(Ordering::Acquire) != round {}
            other[1].store(round, Ordering::Release);
        }
    });
    let _ = pin(cpus.1);
    let mut best = f64::INFINITY;
    for first in (1..=TRIES * ROUNDS).step_by(ROUNDS as usize) {
        let start = Instant::now();
        for round in first..first + ROUNDS {
            words[0].store(round, Ordering::Release);
            while words[1].load(Ordering::Acquire) != round {}
        }
        best = best.min(start.elapsed().as_nanos() as f64 / ROUNDS as f64);
    }
    let _ = echo.join();
    best
}

fn pin(cpu: usize) -> Result<(), Failure> {
    let mut set = rustix::thread::CpuSet::new();
    set.set(cpu);
    Ok(rustix::thread::sched_setaffinity(None, &set)?)
}
