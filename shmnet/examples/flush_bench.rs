//! What the fabric's ring reaches in `flush` mode, beside two bare rings on the same memory: one that writes back and invalidates the
//! same lines, in bursts too, and one that does so line by line with a fence each.
//!
//! `cargo run --release -p isthmus-shmnet --example flush_bench [rounds [milliseconds per sample]]` prints JSON.
//!
//! Samples alternate between two pinned threads, and each is bracketed by an 8-byte ping-pong: a sample whose brackets tell of different
//! places of the virtual cores is dropped, and medians are taken for each place ("near", "far") by itself.

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use isthmus_shmnet::memory::{Coherence, LINE, Mapping, OwnSpan, PeerSpan};
use isthmus_shmnet::ring::{Geometry, Limits, Metadata, Receiver, RingKey, Transmitter};

type Failure = Box<dyn Error + Send + Sync>;

/// Slots of every ring.
const SLOTS: u64 = 1024;
/// Bytes of a slot's buffer.
const BUFFER: u32 = 2048;
/// Frames of a burst, slots between two read pointers.
const BURST: u64 = 32;
/// A ping-pong of more nanoseconds is between cores that share no cache.
const FAR: f64 = 300.0;

fn main() -> Result<(), Failure> {
    let mut arguments = std::env::args().skip(1).map(|text| text.parse::<u64>());
    let rounds = arguments.next().unwrap_or(Ok(9))?;
    let run = Duration::from_millis(arguments.next().unwrap_or(Ok(200))?);
    let mut rows = Vec::new();
    for len in [64, 1500] {
        let mut samples: [Vec<(bool, f64)>; 3] = Default::default();
        for _ in 0..rounds {
            for (kind, samples) in [Kind::Ours, Kind::SameLines, Kind::EachLine].into_iter().zip(&mut samples)
            {
                let before = ping_pong() > FAR;
                let rate = one_way(kind, len, run)?;
                if before == (ping_pong() > FAR) {
                    samples.push((before, rate));
                }
            }
        }
        for (state, far) in [("near", false), ("far", true)] {
            let [ours, same, each] = samples.each_ref().map(|samples| median(samples, far));
            for (peer, theirs, target) in [("flush-same-lines", same, 0.8), ("flush-each-line", each, 2.0)] {
                let (Some((ours, n)), Some((theirs, _))) = (ours, theirs) else { continue };
                let ratio = ours / theirs;
                rows.push(format!(
                    "{{\"name\": \"flush-{len}\", \"state\": \"{state}\", \"unit\": \"Mpps\", \"ours\": {ours:.3}, \"peer\": \"{peer}\", \
                     \"theirs\": {theirs:.3}, \"ratio\": {ratio:.3}, \"op\": \">=\", \"target\": {target}, \"met\": {}, \"n\": {n}}}",
                    ratio >= target
                ));
            }
        }
    }
    println!("{{\"rows\": [\n  {}\n]}}", rows.join(",\n  "));
    Ok(())
}

/// The median in a state, and of how many samples.
fn median(samples: &[(bool, f64)], far: bool) -> Option<(f64, usize)> {
    let mut rates: Vec<f64> =
        samples.iter().filter(|sample| sample.0 == far).map(|sample| sample.1).collect();
    rates.sort_unstable_by(f64::total_cmp);
    Some((*rates.get(rates.len() / 2)?, rates.len()))
}

#[derive(Clone, Copy)]
enum Kind {
    Ours,
    SameLines,
    EachLine,
}

/// Takes a frame, or not if there is no room.
type Send1 = Box<dyn FnMut(&[u8]) -> bool + Send>;
/// Copies a frame out, and says whether there was one.
type Receive1 = Box<dyn FnMut(&mut [u8]) -> bool>;

/// Frames a microsecond from one pinned thread to another.
fn one_way(kind: Kind, len: usize, run: Duration) -> Result<f64, Failure> {
    let (mut send, mut receive) = ends(kind, len)?;
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = Arc::clone(&stop);
    let sender = thread::spawn(move || -> Result<(), Failure> {
        pin(0)?;
        let frame = vec![0x5a; len];
        while !stopped.load(Ordering::Relaxed) {
            if !send(&frame) {
                std::hint::spin_loop();
            }
        }
        Ok(())
    });
    pin(1)?;
    let mut into = vec![0; 4096];
    let (mut frames, mut start) = (0u64, Instant::now());
    // The first laps touch every page; they are not timed.
    let warm = 4 * SLOTS;
    while frames <= warm || frames % 256 != 0 || start.elapsed() < run {
        if receive(&mut into) {
            frames += 1;
            if frames == warm {
                start = Instant::now();
            }
        }
    }
    let took = start.elapsed();
    stop.store(true, Ordering::Relaxed);
    sender.join().map_err(|_| "the sender failed")??;
    Ok((frames - warm) as f64 / took.as_secs_f64() / 1e6)
}

fn ends(kind: Kind, len: usize) -> Result<(Send1, Receive1), Failure> {
    let geometry = Geometry::new(SLOTS as u32, BUFFER)?;
    let (tx, tx_view) = Mapping::anonymous_with(geometry.bytes(), Coherence::Flush)?;
    let (rx, rx_view) = Mapping::anonymous_with(4096, Coherence::Flush)?;
    if matches!(kind, Kind::Ours) {
        let key = RingKey { tx_incarnation: 1, rx_incarnation: 1, epoch: 1 };
        let mut transmitter = Transmitter::new(tx.own()?, rx_view.peer(), key, geometry)?;
        let mut receiver = Receiver::new(tx_view.peer(), rx.own()?, key, Limits::default())?;
        let send = move |frame: &[u8]| transmitter.send(&[frame], Metadata::default()).is_ok();
        let receive = move |into: &mut [u8]| matches!(receiver.receive(into), Ok(Some(_)));
        return Ok((Box::new(send), Box::new(receive)));
    }
    let each_line = matches!(kind, Kind::EachLine);
    let mut transmitter = BareTransmitter {
        ring: tx.own()?,
        pointer: rx_view.peer(),
        written: 0,
        published: 0,
        read: 0,
        each_line,
    };
    let mut receiver =
        BareReceiver { ring: tx_view.peer(), pointer: rx.own()?, read: 0, seen: 0, width: 1, len, each_line };
    Ok((Box::new(move |frame| transmitter.send(frame)), Box::new(move |into| receiver.receive(into))))
}

/// A slot is a line: the lap in its first word, and up to 120 bytes of payload; a longer frame lies in the slot's buffer. Nothing is
/// checked, all frames have one length, and nothing is counted.
struct BareTransmitter {
    ring: OwnSpan,
    pointer: PeerSpan,
    written: u64,
    published: u64,
    read: u64,
    each_line: bool,
}

struct BareReceiver {
    ring: PeerSpan,
    pointer: OwnSpan,
    read: u64,
    /// Slots before this position can be read.
    seen: u64,
    width: u64,
    len: usize,
    each_line: bool,
}

fn slot(position: u64) -> usize {
    (position % SLOTS) as usize * LINE
}

/// Where a frame of so many bytes lies.
fn payload(position: u64, len: usize) -> usize {
    if len <= LINE - 8 {
        return slot(position) + 8;
    }
    SLOTS as usize * LINE + (position % SLOTS) as usize * BUFFER as usize
}

/// The lines of a range, each by its offset.
fn cache_lines(offset: usize, len: usize) -> impl Iterator<Item = usize> {
    (offset / 64 * 64..offset + len).step_by(64)
}

impl BareTransmitter {
    fn send(&mut self, frame: &[u8]) -> bool {
        if self.written - self.read == SLOTS {
            self.pointer.invalidate(0, 8);
            self.read = self.pointer.load_u64(0, Ordering::Acquire);
            if self.written - self.read == SLOTS {
                return false;
            }
        }
        let at = payload(self.written, frame.len());
        self.ring.copy_in(at, frame);
        self.written += 1;
        if self.each_line {
            for line in cache_lines(at, frame.len()) {
                self.ring.write_back(line, 8);
                self.ring.write_back_fence();
            }
            self.publish();
            self.ring.write_back_fence();
        } else {
            self.ring.write_back(at, frame.len());
            if self.written - self.published == BURST {
                self.ring.write_back_fence();
                self.publish();
            }
        }
        true
    }

    fn publish(&mut self) {
        for position in self.published..self.written {
            self.ring.store_u64(slot(position), position / SLOTS + 1, Ordering::Release);
            self.ring.write_back(slot(position), 8);
        }
        self.published = self.written;
    }
}

impl BareReceiver {
    fn receive(&mut self, into: &mut [u8]) -> bool {
        if self.read == self.seen && !self.look() {
            return false;
        }
        let at = payload(self.read, self.len);
        self.ring.copy_out(at, &mut into[..self.len]);
        self.read += 1;
        if self.read.is_multiple_of(BURST) {
            self.pointer.store_u64(0, self.read, Ordering::Release);
            self.pointer.write_back(0, 8);
        }
        true
    }

    /// Looks at the next slots, as the fabric's ring does: one while nothing is there, and up to a burst.
    fn look(&mut self) -> bool {
        let width = if self.each_line { 1 } else { self.width };
        for position in self.read..self.read + width {
            self.ring.invalidate_unfenced(slot(position), 8);
        }
        self.ring.invalidate_fence();
        for position in self.read..self.read + width {
            self.ring.prefetch(slot(position));
        }
        while self.seen < self.read + width
            && self.ring.load_u64(slot(self.seen), Ordering::Acquire) == self.seen / SLOTS + 1
        {
            self.seen += 1;
        }
        let count = self.seen - self.read;
        self.width = if count < width { count.max(1) } else { (width * 2).min(BURST) };
        if count == 0 {
            return false;
        }
        self.ring.invalidate_fence();
        for position in self.read..self.seen {
            let at = payload(position, self.len);
            if self.each_line {
                cache_lines(at, self.len).for_each(|line| self.ring.invalidate(line, 8));
            } else {
                self.ring.invalidate_unfenced(at, self.len);
            }
        }
        self.ring.invalidate_fence();
        true
    }
}

/// Nanoseconds for a word to go to the other core and back.
fn ping_pong() -> f64 {
    const ROUNDS: u64 = 20_000;
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
