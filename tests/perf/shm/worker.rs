//! Two processes on two cores, one of which takes commands: what every contestant of ours is measured with.
//!
//! ```text
//! rate SIZE MS    ->  frames per second, one way, as the far end counted them
//! rtt SIZE MS     ->  median and 99th percentile of a round trip, in nanoseconds, both ends polling
//! wake SIZE MS    ->  the same with a far end that slept before each frame
//! ```
//!
//! Commands come on standard input, one answer to a line goes to standard output; the peers under `tests/perf/peers` do the
//! same. Between commands both ends wait for input. At its end the near end ends, and the far end with it.

use std::io::{self, BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::Failure;

/// Frames between two ends of turns, as a node's worker has them.
const BURST: usize = 32;
/// Bursts between two looks at the clock, which takes as long as a frame or two.
const LOOK_AFTER: usize = 16;
/// Before the count begins, and after it has ended.
const WARM: Duration = Duration::from_millis(50);
const MARGIN: Duration = Duration::from_millis(100);
/// An end that hears nothing for so long gives up.
const PATIENCE: Duration = Duration::from_secs(3);
/// Round trips that are not counted, while the far end wakes up.
const WAKING: usize = 100;
/// How long the far end is left alone, so that it sleeps.
const LEAVE_ALONE: Duration = Duration::from_millis(2);
/// Length of the last frame of a measurement.
const LAST: usize = 60;

/// What carries frames between the two ends.
pub(crate) trait Wire {
    /// Sends a frame; whether there was room for it.
    fn send(&mut self, frame: &[u8]) -> bool;
    /// Length of the next frame, if there is one.
    fn receive(&mut self) -> Option<usize>;
    /// Sends the frame up to `times` times; how often there was room.
    #[inline]
    fn send_burst(&mut self, frame: &[u8], times: usize) -> usize {
        (0..times).take_while(|_| self.send(frame)).count()
    }
    /// Receives up to `limit` frames; how many, and the length of the last one.
    #[inline]
    fn receive_burst(&mut self, limit: usize) -> (usize, usize) {
        let mut last = 0;
        let frames = (0..limit).take_while(|_| self.receive().inspect(|len| last = *len).is_some()).count();
        (frames, last)
    }
    /// Ends a turn of at most [`BURST`] frames.
    fn turn(&mut self);
    /// Sleeps until something may have come.
    fn sleep(&mut self);
}

/// The near end: starts the far one, and obeys.
pub(crate) fn near(wire: &mut impl Wire, far: &mut Command) -> Result<(), Failure> {
    let mut far = FarEnd::start(far)?;
    for line in io::stdin().lock().lines() {
        let line = line?;
        let order = Order::parse(&line)?;
        far.order(&line)?;
        match order.what {
            What::Rate => {
                flood(wire, order)?;
                println!("{}", far.answer()?);
            }
            What::Rtt | What::Wake => {
                let (median, tail) = round_trips(wire, order)?;
                far.answer()?;
                println!("{median} {tail}");
            }
        }
        io::stdout().flush()?;
    }
    far.end()
}

/// The far end, once its wire is there.
pub(crate) fn far(wire: &mut impl Wire) -> Result<(), Failure> {
    println!("ready");
    io::stdout().flush()?;
    for line in io::stdin().lock().lines() {
        let order = Order::parse(&line?)?;
        let rate = match order.what {
            What::Rate => count(wire, order)?,
            What::Rtt | What::Wake => echo(wire, order)?,
        };
        println!("{rate:.0}");
        io::stdout().flush()?;
    }
    Ok(())
}

#[derive(Clone, Copy, PartialEq)]
enum What {
    Rate,
    Rtt,
    Wake,
}

#[derive(Clone, Copy)]
struct Order {
    what: What,
    size: usize,
    time: Duration,
}

impl Order {
    fn parse(line: &str) -> Result<Self, Failure> {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [what, size, time] = words[..] else { return Err(format!("not a command: {line}").into()) };
        let what = match what {
            "rate" => What::Rate,
            "rtt" => What::Rtt,
            "wake" => What::Wake,
            _ => return Err(format!("not a command: {line}").into()),
        };
        Ok(Self { what, size: size.parse()?, time: Duration::from_millis(time.parse()?) })
    }
}

/// The far end's process, as the near end has it.
struct FarEnd {
    child: Child,
    orders: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl FarEnd {
    fn start(command: &mut Command) -> Result<Self, Failure> {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let (orders, answers) = (child.stdin.take(), child.stdout.take());
        let mut far = Self {
            child,
            orders: orders.ok_or("no pipe to the far end")?,
            answers: BufReader::new(answers.ok_or("no pipe from the far end")?),
        };
        match far.answer()?.as_str() {
            "ready" => Ok(far),
            other => Err(format!("the far end said {other:?}").into()),
        }
    }

    fn order(&mut self, line: &str) -> Result<(), Failure> {
        writeln!(self.orders, "{line}")?;
        Ok(())
    }

    fn answer(&mut self) -> Result<String, Failure> {
        let mut line = String::new();
        if self.answers.read_line(&mut line)? == 0 {
            return Err("the far end is gone".into());
        }
        Ok(line.trim().to_owned())
    }

    fn end(self) -> Result<(), Failure> {
        let Self { mut child, orders, .. } = self;
        drop(orders);
        child.wait()?;
        Ok(())
    }
}

fn flood(wire: &mut impl Wire, order: Order) -> Result<(), Failure> {
    let frame = vec![0x5a; order.size];
    let end = Instant::now() + order.time + WARM + MARGIN;
    while Instant::now() < end {
        for _ in 0..LOOK_AFTER {
            if wire.send_burst(&frame, BURST) < BURST {
                std::hint::spin_loop();
            }
            wire.turn();
        }
    }
    insist(wire, &[0; LAST], end + PATIENCE)
}

/// Sends a frame, waiting for room.
fn insist(wire: &mut impl Wire, frame: &[u8], limit: Instant) -> Result<(), Failure> {
    while !wire.send(frame) {
        wire.turn();
        if Instant::now() > limit {
            return Err("no room for a frame".into());
        }
    }
    wire.turn();
    Ok(())
}

/// Frames per second over a window that begins some time after the first one.
fn count(wire: &mut impl Wire, order: Order) -> Result<f64, Failure> {
    let limit = Instant::now() + order.time + PATIENCE;
    let mut last = false;
    let mut burst = |wire: &mut _| receive_burst(wire, &mut last);
    while burst(wire) == 0 {
        if Instant::now() > limit {
            return Err("no frame came".into());
        }
    }
    let warm = Instant::now() + WARM;
    while Instant::now() < warm {
        burst(wire);
    }
    let (begin, mut frames, mut passed) = (Instant::now(), 0, Duration::ZERO);
    while passed < order.time {
        frames += (0..LOOK_AFTER).map(|_| burst(wire)).sum::<u64>();
        passed = begin.elapsed();
    }
    while !last && Instant::now() < limit {
        receive_burst(wire, &mut last);
    }
    Ok(frames as f64 / passed.as_secs_f64())
}

/// A turn of the receiving end; whether its last frame was the last of all.
#[inline]
fn receive_burst(wire: &mut impl Wire, last: &mut bool) -> u64 {
    let (frames, len) = wire.receive_burst(BURST);
    if frames == 0 {
        std::hint::spin_loop();
    }
    *last = frames > 0 && len == LAST;
    wire.turn();
    frames as u64
}

fn round_trips(wire: &mut impl Wire, order: Order) -> Result<(u64, u64), Failure> {
    let frame = vec![0x5a; order.size];
    let mut samples = Vec::with_capacity(1 << 20);
    let mut begun = Instant::now();
    let (end, limit) = (begun + order.time, begun + order.time + PATIENCE);
    let mut number = 0;
    while begun < end && samples.len() < samples.capacity() {
        insist(wire, &frame, limit)?;
        await_one(wire, limit)?;
        let now = Instant::now();
        if order.what == What::Wake {
            samples.push((now - begun).as_nanos() as u64);
            thread::sleep(LEAVE_ALONE);
            begun = Instant::now();
        } else {
            if number > WAKING {
                samples.push((now - begun).as_nanos() as u64);
            }
            begun = now;
        }
        number += 1;
    }
    insist(wire, &[0; LAST], limit)?;
    await_one(wire, limit)?;
    samples.sort_unstable();
    let quantile = |percent| samples.get(samples.len() * percent / 100).copied().unwrap_or(0);
    Ok((quantile(50), quantile(99)))
}

fn await_one(wire: &mut impl Wire, limit: Instant) -> Result<usize, Failure> {
    for polls in 1_u64.. {
        if let Some(len) = wire.receive() {
            return Ok(len);
        }
        if polls.is_multiple_of(4096) {
            wire.turn();
            if Instant::now() > limit {
                break;
            }
        }
    }
    Err("no answer".into())
}

/// Sends every frame back.
fn echo(wire: &mut impl Wire, order: Order) -> Result<f64, Failure> {
    let limit = Instant::now() + order.time + PATIENCE;
    let frame = vec![0x5a; order.size.max(LAST)];
    loop {
        let len = if order.what == What::Wake { await_asleep(wire, limit)? } else { await_one(wire, limit)? };
        insist(wire, &frame[..len], limit)?;
        if len == LAST {
            return Ok(0.0);
        }
    }
}

fn await_asleep(wire: &mut impl Wire, limit: Instant) -> Result<usize, Failure> {
    while Instant::now() < limit {
        if let Some(len) = wire.receive() {
            return Ok(len);
        }
        wire.sleep();
    }
    Err("no frame came".into())
}
