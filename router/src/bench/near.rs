//! This process: it starts the other one, and measures.

use std::io;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use isthmus_shmnet::NodeId;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use super::frame::{HEADER, Header, Kind};
use super::member::Member;
use super::place::Place;
use super::report::{Report, Row};
use super::{BenchError, ShmBench};

/// Without an answer for so long nothing is measured.
const PATIENCE: Duration = Duration::from_secs(10);
/// Frames between two flushes, as a worker's bursts are.
const BURST: usize = 32;
/// Round trips with a peer that sleeps: each takes some milliseconds.
const WAKES: usize = 100;
/// How long the peer is left alone, so that it sleeps.
const LEAVE_ALONE: Duration = Duration::from_millis(2);
/// The most round trips that are remembered.
const SAMPLES: usize = 1 << 20;

/// Measures, telling `progress` what comes next.
///
/// # Errors
/// Why nothing was measured.
pub fn measure(bench: &ShmBench, mut progress: impl FnMut(&str)) -> Result<Report, BenchError> {
    let place = Place::make(bench.segment.as_deref())?;
    let processors = match bench.processors {
        Some(processors) => processors,
        None => first_two()?,
    };
    let (near, far) = (node(1), node(2));
    let mut other = FarEnd::start(place.path(), processors[1])?;
    let mut member = Member::join(place.path(), near, far)?;
    pin(processors[0])?;
    meet(&mut member, &mut other)?;
    let mut rows = Vec::new();
    for size in &bench.sizes {
        progress(&format!("frames of {size} octets"));
        // Rings grow under load: what is measured are those that they have grown to.
        rate(&mut member, *size, Duration::from_millis(200))?;
        let (frames, nanoseconds) = rate(&mut member, *size, bench.time)?;
        let mut trips = round_trips(&mut member, *size, bench.time)?;
        let mut wakes = wake_ups(&mut member, *size)?;
        rows.push(Row::new(*size, frames, nanoseconds, &mut trips, &mut wakes));
    }
    let quit = Header { kind: Kind::Quit, first: 0, second: 0 };
    member.send(quit, HEADER, Instant::now() + PATIENCE);
    member.flush();
    drop(other);
    Ok(Report { processors, rows })
}

/// Waits for the other process to be ready, or to have ended.
fn meet(member: &mut Member, other: &mut FarEnd) -> Result<(), BenchError> {
    let give_up = Instant::now() + PATIENCE;
    while Instant::now() < give_up {
        let soon = Instant::now() + Duration::from_millis(50);
        if member.await_kind(Kind::Ready, soon).is_some() {
            return Ok(());
        }
        let ended =
            other.process.try_wait().map_err(|cause| BenchError::FarEnd { what: "is lost", cause })?;
        if let Some(status) = ended {
            let cause = io::Error::other(status.to_string());
            return Err(BenchError::FarEnd { what: "ended before anything was measured", cause });
        }
    }
    Err(BenchError::Silence(PATIENCE))
}

/// Sends as many frames as the other end takes; the frames that it counted, and the nanoseconds.
fn rate(member: &mut Member, size: usize, time: Duration) -> Result<(u64, u64), BenchError> {
    let end = Instant::now() + time;
    let mut sequence = 0;
    while Instant::now() < end {
        for _ in 0..BURST {
            let header = Header { kind: Kind::Load, first: sequence, second: 0 };
            if !member.send(header, size, end + PATIENCE) {
                return Err(BenchError::Silence(PATIENCE));
            }
            sequence += 1;
        }
        member.flush();
    }
    let header = Header { kind: Kind::Count, first: sequence, second: 0 };
    member.send(header, HEADER, end + PATIENCE);
    member.flush();
    let counted = member.await_kind(Kind::Count, end + PATIENCE).ok_or(BenchError::Silence(PATIENCE))?;
    Ok((counted.first, counted.second))
}

/// Nanoseconds of round trips, both ends polling.
fn round_trips(member: &mut Member, size: usize, time: Duration) -> Result<Vec<u32>, BenchError> {
    let mut samples = Vec::with_capacity(SAMPLES);
    let end = Instant::now() + time;
    let mut begun = Instant::now();
    while begun < end && samples.len() < SAMPLES {
        let header = Header { kind: Kind::Echo, first: samples.len() as u64, second: 0 };
        member.send(header, size, end + PATIENCE);
        member.flush();
        member.await_kind(Kind::Echo, end + PATIENCE).ok_or(BenchError::Silence(PATIENCE))?;
        // One look at the clock for each round trip: it takes a tenth of one.
        let now = Instant::now();
        samples.push((now - begun).as_nanos().min(u32::MAX.into()) as u32);
        begun = now;
    }
    Ok(samples)
}

/// Nanoseconds of round trips whose far end sleeps when the frame comes.
fn wake_ups(member: &mut Member, size: usize) -> Result<Vec<u32>, BenchError> {
    let mut samples = Vec::with_capacity(WAKES);
    for number in 0..=WAKES {
        let begun = Instant::now();
        let header = Header { kind: Kind::EchoAsleep, first: number as u64, second: 0 };
        member.send(header, size, begun + PATIENCE);
        member.flush();
        member.await_kind(Kind::EchoAsleep, begun + PATIENCE).ok_or(BenchError::Silence(PATIENCE))?;
        // The first tells the far end that it may sleep.
        if number > 0 {
            samples.push(begun.elapsed().as_nanos().min(u32::MAX.into()) as u32);
        }
        std::thread::sleep(LEAVE_ALONE);
    }
    // Awake again.
    let header = Header { kind: Kind::Echo, first: 0, second: 0 };
    member.send(header, size, Instant::now() + PATIENCE);
    member.flush();
    member.await_kind(Kind::Echo, Instant::now() + PATIENCE).ok_or(BenchError::Silence(PATIENCE))?;
    Ok(samples)
}

/// Keeps the calling thread on one processor.
///
/// # Errors
/// [`BenchError::Processor`] if there is none with that number for this process.
pub fn pin(processor: usize) -> Result<(), BenchError> {
    let error = |cause: io::Error| BenchError::Processor { processor, cause };
    if processor >= CpuSet::MAX_CPU {
        return Err(error(io::ErrorKind::InvalidInput.into()));
    }
    let mut set = CpuSet::new();
    set.set(processor);
    sched_setaffinity(None, &set).map_err(|errno| error(errno.into()))
}

/// The first two processors that this process may use; the same twice where there is only one.
fn first_two() -> Result<[usize; 2], BenchError> {
    let set = sched_getaffinity(None)
        .map_err(|errno| BenchError::Processor { processor: 0, cause: errno.into() })?;
    let mut allowed = (0..CpuSet::MAX_CPU).filter(|processor| set.is_set(*processor));
    let first = allowed.next().unwrap_or(0);
    Ok([first, allowed.next().unwrap_or(first)])
}

fn node(id: u16) -> NodeId {
    NodeId::new(id).unwrap_or_else(|| unreachable!("ids from 1 on are valid"))
}

/// The other process; it ends with this value.
struct FarEnd {
    process: Child,
}

impl FarEnd {
    fn start(directory: &Path, processor: usize) -> Result<Self, BenchError> {
        let error = |cause| BenchError::FarEnd { what: "could not be started", cause };
        let program = std::env::current_exe().map_err(error)?;
        let process = Command::new(program)
            .args(["bench", "shm", "--far-end", "--cpus", &format!("{processor},{processor}")])
            .arg("--segment")
            .arg(directory)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .map_err(error)?;
        Ok(Self { process })
    }
}

impl Drop for FarEnd {
    fn drop(&mut self) {
        // It ends by itself when it was told to quit, or when its standard input is closed.
        drop(self.process.stdin.take());
        let _ = self.process.wait();
    }
}
