//! A quick look at the speed of a pair ring between two pinned threads: frames one way, and a round trip.
//!
//! `cargo run --release -p isthmus-shmnet --example ring_bench [milliseconds per row]`
//!
//! Each row is bracketed by an 8-byte ping-pong, since virtual cores that move between physical ones change every figure.

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use isthmus_shmnet::memory::Mapping;
use isthmus_shmnet::ring::{Geometry, Limits, Metadata, Receiver, RingKey, Transmitter};

type Failure = Box<dyn Error + Send + Sync>;

/// A frame of this length ends a run.
const END: usize = 1;

fn main() -> Result<(), Failure> {
    let run = Duration::from_millis(std::env::args().nth(1).map_or(Ok(500), |text| text.parse())?);
    println!("| frame | ring | ping-pong before/after ns | Mpps | Gbit/s |");
    println!("|---|---|---|---|---|");
    for (len, ring) in
        [(64, 256 << 10), (64, 2 << 20), (1500, 2 << 20), (1500, 8 << 20), (9000, 2 << 20), (9000, 8 << 20)]
    {
        let geometry = Geometry::fitting(ring, 2048)?;
        let before = ping_pong();
        let (frames, took) = one_way(geometry, len, run)?;
        let rate = frames as f64 / took.as_secs_f64();
        println!(
            "| {len} | {} x {} | {before:.0}/{:.0} | {:.2} | {:.1} |",
            geometry.slots(),
            geometry.buffer(),
            ping_pong(),
            rate / 1e6,
            rate * len as f64 * 8.0 / 1e9
        );
    }
    println!();
    for len in [64, 1500, 9000] {
        println!("one thread, {len} B, 16 at a time: {:.1} ns a frame", one_thread(len)?);
    }
    let (before, (median, tail)) = (ping_pong(), round_trip(run)?);
    println!(
        "\nround trip of 64 B: p50 {median} ns, p99 {tail} ns (ping-pong {before:.0}/{:.0} ns)",
        ping_pong()
    );
    Ok(())
}

fn ring(geometry: Geometry) -> Result<(Transmitter, Receiver), Failure> {
    let (tx, tx_view) = Mapping::anonymous(geometry.bytes())?;
    let (rx, rx_view) = Mapping::anonymous(4096)?;
    let key = RingKey { tx_incarnation: 1, rx_incarnation: 1, epoch: 1 };
    let transmitter = Transmitter::new(tx.own()?, rx_view.peer(), key, geometry)?;
    let receiver = Receiver::new(tx_view.peer(), rx.own()?, key, Limits::default())?;
    Ok((transmitter, receiver))
}

fn one_way(geometry: Geometry, len: usize, run: Duration) -> Result<(u64, Duration), Failure> {
    let (mut transmitter, mut receiver) = ring(geometry)?;
    let sender = thread::spawn(move || -> Result<(), Failure> {
        pin(0)?;
        let frame = vec![0x5a; len];
        // The first lap touches every page of the ring; it is not timed.
        let warm = u64::from(geometry.slots()) * 4;
        let mut sent = 0;
        let mut start = Instant::now();
        loop {
            if transmitter.send(&[&frame], Metadata::default()).is_err() {
                transmitter.refresh()?;
                std::hint::spin_loop();
                continue;
            }
            sent += 1;
            if sent == warm {
                start = Instant::now();
            }
            if sent > warm && sent % 4096 == 0 && start.elapsed() >= run {
                break;
            }
        }
        while transmitter.send(&[&[0; END]], Metadata::default()).is_err() {
            transmitter.refresh()?;
        }
        Ok(())
    });
    pin(1)?;
    let mut into = vec![0; 16 << 10];
    let warm = u64::from(geometry.slots()) * 4;
    let (mut frames, mut start) = (0u64, Instant::now());
    loop {
        match receiver.receive(&mut into)? {
            Some(received) if received.len == END => break,
            Some(_) => {
                frames += 1;
                if frames == warm {
                    start = Instant::now();
                }
            }
            None => std::hint::spin_loop(),
        }
    }
    let took = start.elapsed();
    sender.join().map_err(|_| "the sender failed")??;
    Ok((frames - warm, took))
}

/// The cost of sending and receiving without a second core: what the checks and copies take.
fn one_thread(len: usize) -> Result<f64, Failure> {
    const ROUNDS: u32 = 20_000;
    let (mut transmitter, mut receiver) = ring(Geometry::fitting(512 << 10, 2048)?)?;
    let (frame, mut into) = (vec![0x5a; len], vec![0; 16 << 10]);
    let start = Instant::now();
    for _ in 0..ROUNDS {
        for _ in 0..16 {
            transmitter.send(&[&frame], Metadata::default())?;
        }
        while receiver.receive(&mut into)?.is_some() {}
    }
    Ok(start.elapsed().as_nanos() as f64 / f64::from(ROUNDS * 16))
}

fn round_trip(run: Duration) -> Result<(u128, u128), Failure> {
    let geometry = Geometry::fitting(256 << 10, 2048)?;
    let ((mut there, mut far), (mut back, mut near)) = (ring(geometry)?, ring(geometry)?);
    let echo = thread::spawn(move || -> Result<(), Failure> {
        pin(0)?;
        let mut into = [0; 128];
        loop {
            if let Some(received) = far.receive(&mut into)? {
                back.send(&[&into[..received.len]], Metadata::default())?;
                if received.len == END {
                    return Ok(());
                }
            }
        }
    });
    pin(1)?;
    let (mut into, frame) = ([0; 128], [0x5a; 64]);
    let mut samples = Vec::with_capacity(1 << 22);
    let begin = Instant::now();
    while begin.elapsed() < run && samples.len() < samples.capacity() {
        let start = Instant::now();
        there.send(&[&frame], Metadata::default())?;
        while near.receive(&mut into)?.is_none() {}
        samples.push(start.elapsed().as_nanos());
    }
    there.send(&[&[0; END]], Metadata::default())?;
    echo.join().map_err(|_| "the echo failed")??;
    samples.sort_unstable();
    Ok((samples[samples.len() / 2], samples[samples.len() * 99 / 100]))
}

/// Nanoseconds for a word to go to the other core and back.
fn ping_pong() -> f64 {
    const ROUNDS: u64 = 50_000;
    let words: Arc<[crossbeam_utils::CachePadded<AtomicU64>; 2]> = Arc::default();
    let other = Arc::clone(&words);
    let echo = thread::spawn(move || {
        let _ = pin(0);
        for round in 1..=ROUNDS {
            while other[0].load(Ordering::Acquire) != round {}
            other[1].store(round, Ordering::Release);
        }
    });
    let _ = pin(1);
    let start = Instant::now();
    for round in 1..=ROUNDS {
        words[0].store(round, Ordering::Release);
        while words[1].load(Ordering::Acquire) != round {}
    }
    let took = start.elapsed();
    let _ = echo.join();
    took.as_nanos() as f64 / ROUNDS as f64
}

fn pin(core: usize) -> Result<(), Failure> {
    let mut set = rustix::thread::CpuSet::new();
    set.set(core);
    Ok(rustix::thread::sched_setaffinity(None, &set)?)
}
