//! Copies a port's frames to captures.
//!
//! The wrapper goes around any port. A capture is a bounded ring of bytes between the worker and whoever writes
//! the file: the worker never waits for it, and counts the frames that the ring has no room for. A capture comes
//! to the worker by a ring that the wrapper looks at once per burst, and goes back by another, so that neither
//! attaching nor ending one locks, allocates or frees anything on the packet path. To end a capture, drop it.

pub mod file;

use std::collections::VecDeque;
use std::os::fd::{AsFd, BorrowedFd, RawFd};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use rtrb::{Consumer, Producer, RingBuffer};

use super::{Port, PortInfo, PortStatistics};
use crate::forward::DropReason;
use crate::forward::link::Bell;
use crate::packet::{PacketBuffer, Pool};

/// Captures of one port at one time.
pub const MAX_CAPTURES: usize = 4;

/// Time of capture (nanoseconds, 8), length on the wire (4), bytes kept (4), direction (1).
const RECORD_HEADER: usize = 17;

/// Which way a frame went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the medium to the router.
    Received,
    /// From the router to the medium.
    Sent,
}

/// What a capture keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CaptureOptions {
    /// Bytes that may wait in the ring, record headers included.
    pub ring_bytes: usize,
    /// Bytes that are kept of a frame.
    pub snap_length: usize,
}

impl Default for CaptureOptions {
    fn default() -> Self {
        Self { ring_bytes: 4 << 20, snap_length: 65_535 }
    }
}

/// Why there is no capture.
#[derive(Debug, thiserror::Error)]
pub enum CaptureError {
    /// The port has as many as it can take.
    #[error("the port has {MAX_CAPTURES} captures already")]
    TooMany,
    /// The process is out of descriptors.
    #[error("cannot make an event descriptor: {0}")]
    System(#[from] std::io::Error),
}

/// A port whose frames can be captured.
pub struct CapturePort<P> {
    inner: P,
    sinks: VecDeque<Sink>,
    new: Consumer<Sink>,
    retired: Producer<Sink>,
}

/// Attaches captures to a port, from any thread that is not its worker.
#[derive(Clone)]
pub struct CaptureControl(Arc<Mutex<ControlEnd>>);

struct ControlEnd {
    new: Producer<Sink>,
    retired: Consumer<Sink>,
    /// Captures that were handed over and did not come back.
    in_use: usize,
}

/// Wraps a port. The worker gets the port, control the other.
pub fn capturable<P: Port>(inner: P) -> (CapturePort<P>, CaptureControl) {
    let (new, incoming) = RingBuffer::new(MAX_CAPTURES);
    let (outgoing, retired) = RingBuffer::new(MAX_CAPTURES);
    let port =
        CapturePort { inner, sinks: VecDeque::with_capacity(MAX_CAPTURES), new: incoming, retired: outgoing };
    (port, CaptureControl(Arc::new(Mutex::new(ControlEnd { new, retired, in_use: 0 }))))
}

impl CaptureControl {
    /// Begins a capture; frames come with the port's next burst.
    ///
    /// # Errors
    /// The port has [`MAX_CAPTURES`] already, or the process is out of descriptors.
    pub fn attach(&self, options: CaptureOptions) -> Result<Capture, CaptureError> {
        let mut end = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        while let Ok(sink) = end.retired.pop() {
            end.in_use -= 1;
            drop(sink);
        }
        if end.in_use == MAX_CAPTURES {
            return Err(CaptureError::TooMany);
        }
        let (producer, consumer) = RingBuffer::new(options.ring_bytes.max(RECORD_HEADER));
        let (bell, lost) = (Bell::new()?, Arc::new(AtomicU64::new(0)));
        let sink = Sink {
            ring: producer,
            bell: bell.clone(),
            lost: Arc::clone(&lost),
            snap_length: options.snap_length,
            written: false,
        };
        end.new.push(sink).map_err(|_| CaptureError::TooMany)?;
        end.in_use += 1;
        Ok(Capture { ring: consumer, bell, lost, frame: Vec::new() })
    }
}

/// The worker's end of a capture.
struct Sink {
    ring: Producer<u8>,
    bell: Bell,
    lost: Arc<AtomicU64>,
    snap_length: usize,
    /// Since the bell was rung.
    written: bool,
}

impl Sink {
    fn write(&mut self, direction: Direction, time: u64, frame: &[u8]) {
        let kept = &frame[..frame.len().min(self.snap_length)];
        if self.ring.slots() < RECORD_HEADER + kept.len() {
            self.lost.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let sent = direction == Direction::Sent;
        let record = Record { time, length: frame.len(), kept: kept.len(), sent };
        // There is room for both, and only this side takes it.
        let _ = self.ring.push_entire_slice(&record.bytes());
        let _ = self.ring.push_entire_slice(kept);
        self.written = true;
    }

    fn notify(&mut self) {
        if std::mem::take(&mut self.written) {
            self.bell.ring();
        }
    }
}

/// What the ring says in front of a frame's bytes.
struct Record {
    time: u64,
    length: usize,
    kept: usize,
    sent: bool,
}

impl Record {
    fn bytes(&self) -> [u8; RECORD_HEADER] {
        let mut header = [0; RECORD_HEADER];
        header[..8].copy_from_slice(&self.time.to_ne_bytes());
        // A frame fits in a packet buffer, which is far below 4 GiB.
        header[8..12].copy_from_slice(&(self.length as u32).to_ne_bytes());
        header[12..16].copy_from_slice(&(self.kept as u32).to_ne_bytes());
        header[16] = u8::from(self.sent);
        header
    }

    fn parse(header: &[u8; RECORD_HEADER]) -> Self {
        let [t0, t1, t2, t3, t4, t5, t6, t7, l0, l1, l2, l3, k0, k1, k2, k3, sent] = *header;
        Self {
            time: u64::from_ne_bytes([t0, t1, t2, t3, t4, t5, t6, t7]),
            length: u32::from_ne_bytes([l0, l1, l2, l3]) as usize,
            kept: u32::from_ne_bytes([k0, k1, k2, k3]) as usize,
            sent: sent != 0,
        }
    }
}

/// A captured frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CapturedFrame<'a> {
    /// Since the epoch of Unix.
    pub time: Duration,
    /// Which way it went.
    pub direction: Direction,
    /// Its length on the wire.
    pub length: usize,
    /// Its first bytes.
    pub bytes: &'a [u8],
}

/// A running capture. It ends when it is dropped.
pub struct Capture {
    ring: Consumer<u8>,
    bell: Bell,
    lost: Arc<AtomicU64>,
    frame: Vec<u8>,
}

impl Capture {
    /// The next frame. `None`: there is none yet; the descriptor of [`AsFd`] becomes readable when there is.
    pub fn next_frame(&mut self) -> Option<CapturedFrame<'_>> {
        let record = match self.peek_record() {
            Some(record) => record,
            None => {
                self.bell.silence();
                // A frame may have come just before the bell was silenced.
                self.peek_record()?
            }
        };
        let chunk = self.ring.read_chunk(RECORD_HEADER + record.kept).ok()?;
        let (first, second) = chunk.as_slices();
        self.frame.clear();
        self.frame.extend(first.iter().chain(second).skip(RECORD_HEADER));
        chunk.commit_all();
        Some(CapturedFrame {
            time: Duration::from_nanos(record.time),
            direction: if record.sent { Direction::Sent } else { Direction::Received },
            length: record.length,
            bytes: &self.frame,
        })
    }

    /// The bell that rings when a frame has come.
    pub fn bell(&self) -> &Bell {
        &self.bell
    }

    /// The header of a record that is in the ring as a whole.
    fn peek_record(&mut self) -> Option<Record> {
        let chunk = self.ring.read_chunk(RECORD_HEADER).ok()?;
        let (first, second) = chunk.as_slices();
        let mut header = [0; RECORD_HEADER];
        for (to, from) in header.iter_mut().zip(first.iter().chain(second)) {
            *to = *from;
        }
        // The chunk is not committed: a record whose bytes are not there yet stays whole.
        let record = Record::parse(&header);
        (self.ring.slots() >= RECORD_HEADER + record.kept).then_some(record)
    }

    /// Frames that the ring had no room for.
    pub fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    /// Whether the port is gone: what is in the ring is all that will come.
    pub fn is_ended(&self) -> bool {
        self.ring.is_abandoned()
    }
}

impl AsFd for Capture {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.bell.as_fd()
    }
}

impl<P: Port> CapturePort<P> {
    /// Takes over new captures, and sends back those that nobody reads any more. Once per burst.
    fn change_captures(&mut self) {
        while let Ok(sink) = self.new.pop() {
            self.sinks.push_back(sink);
        }
        for _ in 0..self.sinks.len() {
            let Some(sink) = self.sinks.pop_front() else { return };
            if sink.ring.is_abandoned() {
                // Control hands over no more than this ring has room for.
                drop(self.retired.push(sink));
            } else {
                self.sinks.push_back(sink);
            }
        }
    }

    fn notify(&mut self) {
        self.sinks.iter_mut().for_each(Sink::notify);
    }
}

impl<P: Port> Port for CapturePort<P> {
    fn info(&self) -> &PortInfo {
        self.inner.info()
    }

    fn receive(&mut self, batch: &mut Vec<PacketBuffer>, pool: &mut Pool, limit: usize) -> usize {
        self.change_captures();
        let before = batch.len();
        let count = self.inner.receive(batch, pool, limit);
        if !self.sinks.is_empty() && count > 0 {
            let time = now();
            for sink in &mut self.sinks {
                for buffer in &batch[before..] {
                    sink.write(Direction::Received, time, buffer.bytes());
                }
            }
            self.notify();
        }
        count
    }

    fn transmit(&mut self, frame: &[u8]) -> Result<(), DropReason> {
        self.inner.transmit(frame)?;
        if !self.sinks.is_empty() {
            let time = now();
            for sink in &mut self.sinks {
                sink.write(Direction::Sent, time, frame);
            }
        }
        Ok(())
    }

    fn flush(&mut self) {
        self.inner.flush();
        self.notify();
    }

    fn carrier(&self) -> bool {
        self.inner.carrier()
    }

    fn poll_descriptors(&self, out: &mut Vec<RawFd>) {
        self.inner.poll_descriptors(out);
    }

    fn prepare_sleep(&mut self) -> bool {
        self.inner.prepare_sleep()
    }

    fn wake(&mut self) {
        self.inner.wake();
    }

    fn statistics(&self) -> PortStatistics {
        self.inner.statistics()
    }
}

/// Nanoseconds since the epoch of Unix; they fit until the year 2554.
fn now() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |time| time.as_nanos() as u64)
}

#[cfg(test)]
mod tests;
