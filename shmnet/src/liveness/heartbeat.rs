//! The thread that beats for this node, and counts how long each peer has been silent.
//!
//! Silence is counted in this thread's own ticks: if it was stopped itself (by a debugger, a pause of the machine, a CPU
//! quota), the time that it missed is not held against the peers.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use super::roster::{Roster, Watched};
use super::scheduling::become_real_time;
use crate::config::Timing;
use crate::facility::Claim;
use crate::layout::OwnArena;
use crate::node::NodeId;

/// What the thread tells about a peer, in an incarnation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pulse {
    /// Silent for longer than the suspicion timeout.
    Late,
    /// Not silent any more.
    Back,
    /// Silent for longer than the failure timeout.
    Lost,
    /// Something that the peer publishes has changed.
    Changed,
    /// The peer has closed this node's incarnation.
    ClosedUs,
    /// Another process is this node now; told about this node itself.
    IdLost,
}

/// Runs until dropped.
#[derive(Debug)]
pub(crate) struct Heartbeat {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// What the thread needs.
pub(crate) struct Beating {
    pub(crate) me: NodeId,
    pub(crate) incarnation: u64,
    pub(crate) arena: OwnArena,
    /// By which this process is the node, where no lock says so.
    pub(crate) claim: Option<Claim>,
    pub(crate) timing: Timing,
    pub(crate) roster: Arc<Roster>,
    pub(crate) clock: Arc<BeatClock>,
}

/// When this node last beat, for those who must know whether they were stopped.
#[derive(Debug)]
pub(crate) struct BeatClock {
    origin: Instant,
    /// All in nanoseconds since the origin: the last beat, the longest pause of late, and when that ended.
    last: AtomicU64,
    pause: AtomicU64,
    pause_ended: AtomicU64,
}

impl BeatClock {
    pub(crate) fn new() -> Self {
        Self {
            origin: Instant::now(),
            last: AtomicU64::new(0),
            pause: AtomicU64::new(0),
            pause_ended: AtomicU64::new(0),
        }
    }

    /// The heart begins to beat, after a time for which it was not expected to.
    fn begin(&self) {
        self.pause.store(0, Ordering::Relaxed);
        self.last.store(self.now(), Ordering::Relaxed);
    }

    /// How long ago the last heartbeat was.
    pub(crate) fn age(&self) -> Duration {
        self.origin.elapsed().saturating_sub(Duration::from_nanos(self.last.load(Ordering::Relaxed)))
    }

    /// The longest time without a heartbeat in the last seconds, that up to now included.
    pub(crate) fn longest_silence(&self) -> Duration {
        let ended = self.pause_ended.load(Ordering::Acquire);
        let pause = if self.is_late(ended) { self.pause.load(Ordering::Relaxed) } else { 0 };
        self.age().max(Duration::from_nanos(pause))
    }

    /// Called by the heartbeat's thread alone.
    fn beat(&self) {
        let now = self.now();
        let pause = now.saturating_sub(self.last.swap(now, Ordering::Relaxed));
        let kept = self.pause.load(Ordering::Relaxed);
        if pause >= kept || !self.is_late(self.pause_ended.load(Ordering::Relaxed)) {
            self.pause.store(pause, Ordering::Relaxed);
            self.pause_ended.store(now, Ordering::Release);
        }
    }

    /// Whether a moment is not long ago: a peer that has taken this node for dead says so within that time.
    fn is_late(&self, moment: u64) -> bool {
        self.now().saturating_sub(moment) <= OF_LATE
    }

    fn now(&self) -> u64 {
        u64::try_from(self.origin.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }
}

impl Heartbeat {
    /// Starts the thread; `tell` is called for each news of a peer.
    pub(crate) fn start(
        beating: Beating,
        tell: impl Fn(NodeId, u64, Pulse) + Send + 'static,
    ) -> io::Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        // Before the arena is shown: a peer that finds it finds a beating heart.
        beating.arena.beat();
        beating.clock.begin();
        let thread = Builder::new().name("shm-beat".into()).stack_size(STACK).spawn(move || {
            if !become_real_time() {
                tracing::debug!("no permission for real-time threads: the heartbeat is late where others keep the cores busy");
            }
            let mut memories = Memories::default();
            let mut last = Instant::now();
            while !stopped.load(Ordering::Relaxed) {
                std::thread::park_timeout(beating.timing.heartbeat);
                let now = Instant::now();
                let passed = now.duration_since(last).min(2 * beating.timing.heartbeat);
                last = now;
                if beating.claim.as_ref().is_some_and(|claim| !claim.is_held()) {
                    // Not one beat more: the arena is another's.
                    tell(beating.me, beating.incarnation, Pulse::IdLost);
                    return;
                }
                beating.arena.beat();
                beating.clock.beat();
                memories.follow(&beating.roster);
                memories.tick(&beating, passed, &tell);
            }
        })?;
        Ok(Self { stop, thread: Some(thread) })
    }
}

impl Drop for Heartbeat {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            let _ = thread.join();
        }
    }
}

/// What is remembered of a peer between two ticks.
#[derive(Clone, Copy, Debug, Default)]
struct Memory {
    beats: u64,
    changes: u64,
    silence: Duration,
    late: bool,
    lost: bool,
    closed_us: bool,
}

/// The peers, each with what is remembered of it. They are looked through at every tick, by as many nodes as there are: nothing is
/// searched for there.
#[derive(Default)]
struct Memories {
    /// The roster that `of` was made for.
    roster: Arc<Vec<Watched>>,
    of: Vec<Memory>,
}

impl Memories {
    /// Takes over the roster, if it is another one, and what is remembered of those who are in both.
    fn follow(&mut self, roster: &Roster) {
        let roster = roster.peers();
        if Arc::ptr_eq(&roster, &self.roster) {
            return;
        }
        let known: HashMap<(NodeId, u64), Memory> = self
            .roster
            .iter()
            .zip(self.of.drain(..))
            .map(|(peer, memory)| ((peer.node, peer.incarnation), memory))
            .collect();
        let memory = |peer: &Watched| known.get(&(peer.node, peer.incarnation)).copied().unwrap_or_default();
        self.of = roster.iter().map(memory).collect();
        self.roster = roster;
    }

    fn tick(&mut self, beating: &Beating, passed: Duration, tell: &dyn Fn(NodeId, u64, Pulse)) {
        for (peer, memory) in self.roster.iter().zip(&mut self.of) {
            listen(peer, beating, passed, memory, &|pulse| tell(peer.node, peer.incarnation, pulse));
        }
    }
}

fn listen(peer: &Watched, beating: &Beating, passed: Duration, memory: &mut Memory, tell: &dyn Fn(Pulse)) {
    let beats = peer.arena.heartbeat();
    if beats == memory.beats {
        memory.silence = memory.silence.saturating_add(passed);
    } else {
        memory.beats = beats;
        memory.silence = Duration::ZERO;
        if std::mem::take(&mut memory.late) {
            tell(Pulse::Back);
        }
    }
    let micros = u64::try_from(memory.silence.as_micros()).unwrap_or(u64::MAX);
    peer.silence.store(micros, Ordering::Relaxed);
    if memory.silence >= beating.timing.suspect && !memory.late {
        memory.late = true;
        tell(Pulse::Late);
    }
    if memory.silence >= beating.timing.failed && !memory.lost {
        memory.lost = true;
        tell(Pulse::Lost);
    }
    let changes = peer.arena.changes();
    if changes != memory.changes {
        memory.changes = changes;
        tell(Pulse::Changed);
    }
    if !memory.closed_us && peer.arena.closed(beating.me) >= beating.incarnation {
        memory.closed_us = true;
        tell(Pulse::ClosedUs);
    }
}

const STACK: usize = 128 << 10;

/// In nanoseconds: 10 s.
const OF_LATE: u64 = 10_000_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_remembers_its_longest_pause_until_it_begins_anew() {
        let clock = BeatClock::new();
        clock.begin();
        std::thread::sleep(Duration::from_millis(30));
        assert!(clock.longest_silence() >= Duration::from_millis(30));
        clock.beat();
        clock.beat();
        assert!(clock.longest_silence() >= Duration::from_millis(30));
        assert!(clock.age() < clock.longest_silence());
        // A node that was no member was not silent.
        let before = clock.last.load(Ordering::Relaxed);
        clock.begin();
        assert!(clock.last.load(Ordering::Relaxed) > before);
        assert_eq!(clock.pause.load(Ordering::Relaxed), 0);
    }
}
