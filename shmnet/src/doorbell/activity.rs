//! Waking without a doorbell: a line of shared memory for each pair, that a transmitter raises and a sleeper looks at. It has a word
//! for each queue.
//!
//! Where nodes share nothing but memory, nobody can be woken. A transmitter that finds its receiver asleep (by the protocol of
//! [`attention`](super::attention), so that no wake-up is lost) raises the receiver's [`Line`] in its own arena. While a node's data
//! threads sleep, one thread of it, the [`Lookout`], looks at the lines of all peers, after traffic often and then less and less, and
//! rings the local bell of the queue when a word was raised: whoever waits for the bell does not see the difference, but for the time that it
//! takes until the lookout looks.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::thread::{Builder, JoinHandle};

use arc_swap::ArcSwap;
use crossbeam_utils::sync::{Parker, Unparker};

use super::Bell;
use crate::config::BackOff;
use crate::memory::{OwnSpan, PeerSpan, SpanError};

/// The transmitter's side: a queue's word of the line for one receiver, in this node's arena.
#[derive(Debug)]
pub(crate) struct Line {
    word: OwnSpan,
    /// Both networks' endpoints raise the word. Each store has a number of its own, so that in whatever order they arrive
    /// the word differs from all that the receiver has seen.
    count: AtomicU64,
}

impl Line {
    /// The word of a queue in a line.
    pub(crate) fn new(line: &OwnSpan, queue: u8) -> Result<Self, SpanError> {
        Ok(Self { word: line.sub_aligned(8 * usize::from(queue), 8, 8)?, count: AtomicU64::new(0) })
    }

    /// Wakes the receiver.
    pub(crate) fn raise(&self) {
        let count = self.count.fetch_add(1, Ordering::Relaxed).wrapping_add(1);
        // Release: pairs with the lookout's acquire. What it then wakes reads the frames by their own words.
        self.word.store_u64(0, count, Ordering::Release);
        self.word.write_back(0, 8);
        self.word.write_back_fence();
    }
}

/// The receiver's side of one line: a peer's, in one incarnation.
#[derive(Debug)]
pub(crate) struct Watched {
    line: PeerSpan,
    /// Of each queue.
    seen: Box<[AtomicU64]>,
}

impl Watched {
    /// A line with words for so many queues. A word is taken for raised if the peer has ever raised it.
    pub(crate) fn new(line: PeerSpan, queues: u8) -> Self {
        Self { line, seen: (0..queues).map(|_| AtomicU64::new(0)).collect() }
    }

    /// The queues whose words were raised since the last look, as a bitmap.
    fn raised(&self) -> u8 {
        self.line.invalidate(0, 8 * self.seen.len());
        self.seen.iter().enumerate().fold(0, |raised, (queue, seen)| {
            let count = self.line.load_u64(8 * queue, Ordering::Acquire);
            // Only the lookout touches it.
            raised | u8::from(seen.swap(count, Ordering::Relaxed) != count) << queue
        })
    }
}

/// What the lookout and those for whom it looks have in common.
#[derive(Debug)]
pub(crate) struct Lookout {
    lines: ArcSwap<Vec<Arc<Watched>>>,
    /// Data threads that sleep.
    sleepers: AtomicU32,
    /// Somebody has lain down after traffic since the last look.
    fresh: AtomicBool,
    /// The thread waits until somebody lies down.
    resting: AtomicBool,
    stop: AtomicBool,
    unparker: Unparker,
}

impl Lookout {
    /// A data thread sleeps from now on. Its rings were looked at since it said so in its arena. `after_traffic`: it has received or
    /// sent since the last time, so that more is likely to come soon; else it is looked for no more often than before it woke.
    pub(crate) fn lie_down(&self, after_traffic: bool) {
        // In one order with the thread's own: it sees the sleeper before it rests, or is seen resting here.
        self.sleepers.fetch_add(1, Ordering::SeqCst);
        if after_traffic {
            // Release: pairs with the acquire of the lookout, which then sees the sleeper too.
            self.fresh.store(true, Ordering::Release);
        }
        if after_traffic || self.resting.load(Ordering::SeqCst) {
            self.unparker.unpark();
        }
    }

    /// A data thread is awake again.
    pub(crate) fn get_up(&self) {
        self.sleepers.fetch_sub(1, Ordering::Relaxed);
    }

    /// The lines to look at.
    pub(crate) fn watch(&self, lines: Vec<Arc<Watched>>) {
        self.lines.store(Arc::new(lines));
    }
}

/// The thread; it ends when this is dropped.
#[derive(Debug)]
pub(crate) struct LookoutThread {
    lookout: Arc<Lookout>,
    thread: Option<JoinHandle<()>>,
}

impl LookoutThread {
    /// Starts the thread, which rings the bells of the queues.
    pub(crate) fn start(bells: Vec<Arc<Bell>>, policy: BackOff) -> io::Result<Self> {
        let parker = Parker::new();
        let lookout = Arc::new(Lookout {
            lines: ArcSwap::default(),
            sleepers: AtomicU32::new(0),
            fresh: AtomicBool::new(false),
            resting: AtomicBool::new(false),
            stop: AtomicBool::new(false),
            unparker: parker.unparker().clone(),
        });
        let shared = Arc::clone(&lookout);
        let thread = Builder::new().name("shm-lookout".into()).stack_size(STACK).spawn(move || {
            look(&shared, &parker, &bells, policy);
        })?;
        Ok(Self { lookout, thread: Some(thread) })
    }

    pub(crate) fn lookout(&self) -> &Arc<Lookout> {
        &self.lookout
    }
}

impl Drop for LookoutThread {
    fn drop(&mut self) {
        self.lookout.stop.store(true, Ordering::SeqCst);
        self.lookout.unparker.unpark();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn look(lookout: &Lookout, parker: &Parker, bells: &[Arc<Bell>], policy: BackOff) {
    let mut pause = policy.shortest;
    while !lookout.stop.load(Ordering::SeqCst) {
        if lookout.fresh.swap(false, Ordering::Acquire) {
            pause = policy.shortest;
        } else if lookout.sleepers.load(Ordering::SeqCst) == 0 {
            // Nobody sleeps: whoever lies down next unparks.
            lookout.resting.store(true, Ordering::SeqCst);
            if lookout.sleepers.load(Ordering::SeqCst) == 0 {
                parker.park();
            }
            lookout.resting.store(false, Ordering::SeqCst);
            continue;
        }
        // All are looked at, so that a line raised before the last sleep does not wake the next one.
        let raised = lookout.lines.load().iter().fold(0, |raised, line| raised | line.raised());
        for (queue, bell) in bells.iter().enumerate() {
            if raised >> queue & 1 == 1 {
                bell.ring();
                pause = policy.shortest;
            }
        }
        parker.park_timeout(pause);
        pause = (2 * pause).min(policy.longest.max(policy.shortest));
    }
}

const STACK: usize = 128 << 10;

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use rustix::event::{PollFd, PollFlags, Timespec, poll};

    use super::*;
    use crate::memory::Mapping;

    fn rings(bell: &Bell, within: Duration) -> bool {
        let timeout = Timespec { tv_sec: within.as_secs() as i64, tv_nsec: within.subsec_nanos().into() };
        poll(&mut [PollFd::new(bell, PollFlags::IN)], Some(&timeout)).unwrap() == 1
    }

    fn pair() -> (Line, Arc<Watched>) {
        let (own, peer) = Mapping::anonymous(4096).unwrap();
        (Line::new(&own.own().unwrap(), 0).unwrap(), Arc::new(Watched::new(peer.peer(), 1)))
    }

    /// However often and whenever a line is raised while somebody sleeps, the bell rings after the last time.
    #[test]
    fn a_sleeper_hears_every_line_that_is_raised() {
        let bell = Arc::new(Bell::new().unwrap());
        let thread = LookoutThread::start(vec![Arc::clone(&bell)], BackOff::default()).unwrap();
        let lookout = thread.lookout();
        let (lines, watched): (Vec<_>, Vec<_>) = (0..3).map(|_| pair()).unzip();
        lookout.watch(watched);
        for round in 0..200 {
            lookout.lie_down(round % 3 == 0);
            if round % 20 == 0 {
                // Up to the longest pause.
                std::thread::sleep(Duration::from_millis(12));
            }
            lines[round % 3].raise();
            assert!(rings(&bell, Duration::from_secs(40)), "round {round}");
            lookout.get_up();
            bell.silence();
        }
    }

    #[test]
    fn a_line_that_was_raised_before_it_was_watched_rings() {
        let bell = Arc::new(Bell::new().unwrap());
        let thread = LookoutThread::start(vec![Arc::clone(&bell)], BackOff::default()).unwrap();
        let (line, watched) = pair();
        line.raise();
        thread.lookout().lie_down(false);
        thread.lookout().watch(vec![watched]);
        assert!(rings(&bell, Duration::from_secs(40)));
    }

    /// What it costs to sleep without a doorbell, and how late a sleeper wakes: printed, for there is no telling what else the
    /// machine does. `cargo test -p isthmus-shmnet --release --lib activity::tests::the_price -- --ignored --nocapture`
    #[test]
    #[ignore = "a measurement"]
    fn the_price_of_a_look_out() {
        let bell = Arc::new(Bell::new().unwrap());
        let thread = LookoutThread::start(vec![Arc::clone(&bell)], BackOff::default()).unwrap();
        let lookout = thread.lookout();
        let (lines, watched): (Vec<_>, Vec<_>) = (0..63).map(|_| pair()).unzip();
        lookout.watch(watched);
        let cpu = || {
            let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
            Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
        };
        let (started, used) = (Instant::now(), cpu());
        for _ in 0..30 {
            // As a worker does that wakes ten times a second by itself.
            lookout.lie_down(false);
            std::thread::sleep(Duration::from_millis(100));
            lookout.get_up();
        }
        let share = (cpu() - used).as_secs_f64() / started.elapsed().as_secs_f64();
        println!("63 peers, idle: {:.3} % of a core", 100.0 * share);
        for idle in [Duration::ZERO, Duration::from_millis(1), Duration::from_millis(50)] {
            let mut late = Vec::new();
            for round in 0..200 {
                lookout.lie_down(true);
                std::thread::sleep(idle);
                let raised = Instant::now();
                lines[round % 63].raise();
                assert!(rings(&bell, Duration::from_secs(40)));
                late.push(raised.elapsed());
                lookout.get_up();
                bell.silence();
            }
            late.sort_unstable();
            println!("asleep for {idle:?}: woken after {:?} (median), {:?} (99 %)", late[100], late[197]);
        }
    }
}
