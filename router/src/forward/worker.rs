//! A worker: the thread that moves packets between its ports.
//!
//! It owns its ports, buffers, neighbors and counters; what control wants of it comes as a snapshot
//! ([`ForwardingState`]) or over a ring of [`Command`]s. Nothing is shared on the packet path, so that more
//! workers are more threads and no locks.
//!
//! While there is work the worker polls. When there is none it spins for a moment, then arms all wake-ups, looks
//! once more, and sleeps until a descriptor, a bell or a timer calls.

use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use rtrb::{Consumer, Producer, RingBuffer};

use crate::forward::InterfaceIndex;
use crate::forward::counters::{Counters, MAX_INTERFACES};
use crate::forward::link::{Bell, LinkEnd};
use crate::forward::load::LoadMeter;
use crate::forward::neighbor::Neighbor;
use crate::forward::path::{Path, PortSlot};
use crate::forward::state::ForwardingState;
use crate::packet::PacketBuffer;
use crate::port::Port;
use crate::port::sys_poll::PollSet;

/// What a worker is made of.
pub struct WorkerSetup {
    /// Ports; the position is the [`InterfaceIndex`].
    pub ports: Vec<Box<dyn Port>>,
    /// The first snapshot.
    pub state: ForwardingState,
    /// To the embedded stack, if there is one.
    pub host: Option<LinkEnd>,
    /// To the OSPF engine, if there is one.
    pub ospf: Option<LinkEnd>,
    /// Packet buffers. More than can wait on both links and in the queues of unresolved neighbors (256).
    pub buffers: usize,
}

/// What control tells a worker beside the snapshot.
pub enum Command {
    /// Take over a port as this interface. A port that was there is retired.
    AddPort {
        /// The interface.
        index: InterfaceIndex,
        /// The port.
        port: Box<dyn Port>,
    },
    /// Let go of the port of this interface; it comes back by [`WorkerHandle::retired_port`].
    RemovePort {
        /// The interface.
        index: InterfaceIndex,
    },
    /// Forget the neighbors on an interface, or all.
    ClearNeighbors {
        /// The interface.
        index: Option<InterfaceIndex>,
    },
    /// End [`Worker::run`].
    Stop,
}

/// Control's side of a worker. When it is dropped, the worker ends.
pub struct WorkerHandle {
    commands: Producer<Command>,
    retired_ports: Consumer<Box<dyn Port>>,
    bell: Bell,
    retired_states: Vec<Arc<ForwardingState>>,
    view: WorkerView,
}

/// What management may read of a worker at any time, without disturbing it.
#[derive(Clone)]
pub struct WorkerView {
    /// What it counts.
    pub counters: Arc<Counters>,
    /// Its neighbors, at most [`SNAPSHOT_INTERVAL`] old.
    pub neighbors: Arc<ArcSwap<Vec<Neighbor>>>,
    /// The snapshot that it works with.
    pub state: Arc<ArcSwap<ForwardingState>>,
    /// The origin of its clock.
    pub began: Instant,
}

impl WorkerView {
    /// How long ago its last turn began. One that sleeps has a turn every [`LONGEST_SLEEP`] at least.
    pub fn silence(&self) -> Duration {
        self.began.elapsed().saturating_sub(self.counters.load().turned_at)
    }
}

impl WorkerHandle {
    /// Gives the worker a new snapshot. It takes effect at the worker's next burst.
    pub fn publish(&mut self, state: ForwardingState) {
        let old = self.view.state.swap(Arc::new(state));
        // The old table is freed here, once the worker has let go of it: never by the worker.
        self.retired_states.push(old);
        self.retired_states.retain(|state| Arc::strong_count(state) > 1);
        self.bell.ring();
    }

    /// Makes the worker look at its ports' carriers at once.
    pub fn wake(&self) {
        self.bell.ring();
    }

    /// Sends a command.
    ///
    /// # Errors
    /// Gives it back if 64 commands wait already.
    pub fn send(&mut self, command: Command) -> Result<(), Command> {
        let result = self.commands.push(command).map_err(|rtrb::PushError::Full(command)| command);
        self.bell.ring();
        result
    }

    /// The next port that the worker let go of.
    pub fn retired_port(&mut self) -> Option<Box<dyn Port>> {
        self.retired_ports.pop().ok()
    }

    /// What management may read.
    pub fn view(&self) -> WorkerView {
        self.view.clone()
    }
}

impl Drop for WorkerHandle {
    fn drop(&mut self) {
        // A full ring ends the worker too: it sees that the other side of the ring is gone.
        drop(self.send(Command::Stop));
    }
}

/// The thread that moves packets.
pub struct Worker {
    path: Path,
    state: Arc<ArcSwap<ForwardingState>>,
    /// The snapshot in use.
    current: Arc<ForwardingState>,
    began: Instant,
    neighbors: Arc<ArcSwap<Vec<Neighbor>>>,
    commands: Consumer<Command>,
    retired_ports: Producer<Box<dyn Port>>,
    bell: Bell,
    batch: Vec<PacketBuffer>,
    ports_looked_at: Option<Duration>,
    neighbors_published: Duration,
    stopping: bool,
}

impl Worker {
    /// A worker and control's side of it.
    ///
    /// # Errors
    /// The process is out of descriptors, or there are more ports than [`MAX_INTERFACES`].
    pub fn new(setup: WorkerSetup) -> io::Result<(Self, WorkerHandle)> {
        if setup.ports.len() > MAX_INTERFACES {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "too many ports for one worker"));
        }
        let bell = Bell::new()?;
        let (commands, commands_in) = RingBuffer::new(COMMANDS);
        let (retired_out, retired_ports) = RingBuffer::new(COMMANDS);
        let mut path = Path::new(setup.host, setup.ospf, setup.buffers);
        for (slot, port) in path.slots.iter_mut().zip(setup.ports) {
            *slot = Some(PortSlot::new(port));
        }
        let view = WorkerView {
            counters: path.counters.clone(),
            neighbors: Arc::default(),
            state: Arc::new(ArcSwap::from_pointee(setup.state)),
            began: Instant::now(),
        };
        let current = view.state.load_full();
        path.use_state(&current);
        let worker = Self {
            path,
            state: view.state.clone(),
            current,
            began: view.began,
            neighbors: view.neighbors.clone(),
            commands: commands_in,
            retired_ports: retired_out,
            bell: bell.clone(),
            batch: Vec::with_capacity(BURST),
            ports_looked_at: None,
            neighbors_published: Duration::ZERO,
            stopping: false,
        };
        let handle = WorkerHandle { commands, retired_ports, bell, retired_states: Vec::new(), view };
        Ok((worker, handle))
    }

    /// Moves packets until [`Command::Stop`], or until the handle is dropped.
    ///
    /// # Errors
    /// The thread cannot sleep: the system refuses to wait on the descriptors.
    pub fn run(mut self) -> io::Result<()> {
        let mut sleeper = Sleeper::default();
        let mut spin = Spin::default();
        let mut load = LoadMeter::default();
        while !self.stopping {
            let now = self.began.elapsed();
            load.turn(now, &self.path.counters);
            if self.step(now) {
                spin.worked(now);
                load.worked(now);
            } else if spin.goes_on(now) {
                std::hint::spin_loop();
            } else {
                self.sleep(now, &mut sleeper)?;
                spin.slept(self.began.elapsed());
            }
        }
        Ok(())
    }

    /// One turn: a burst from every port and link, commands, timers. `now` is the time since the worker began,
    /// and does not go back. Returns whether there was anything to do.
    pub fn step(&mut self, now: Duration) -> bool {
        self.path.now = now;
        let state = self.current_state();
        let mut worked = self.obey(&state);
        if self.ports_looked_at.is_none_or(|at| now >= at + LOOK_AT_PORTS) {
            self.ports_looked_at = Some(now);
            self.path.service_ports(&state);
        }
        self.path.reclaim();
        for position in 0..self.path.slots.len() {
            worked |= self.receive_burst(&state, InterfaceIndex(position as u16));
        }
        worked |= self.path.drain_host(&state, 2 * BURST) > 0;
        worked |= self.path.drain_ospf(&state, 2 * BURST) > 0;
        if self.path.neighbors.deadline().is_some_and(|deadline| deadline <= now) {
            self.path.service_neighbors(&state);
        }
        if self.path.reassembly.deadline().is_some_and(|deadline| deadline <= now) {
            self.path.service_reassembly(&state);
        }
        self.path.flush();
        self.publish_neighbors(now);
        worked
    }

    /// The latest snapshot. The one before is not freed here: control still holds it.
    fn current_state(&mut self) -> Arc<ForwardingState> {
        if !Arc::ptr_eq(&self.current, &self.state.load()) {
            self.current = self.state.load_full();
            self.path.use_state(&self.current);
        }
        self.current.clone()
    }

    /// Handles one frame as if it had come from the port of `buffer.interface`.
    #[cfg(test)]
    pub(super) fn inject(&mut self, buffer: PacketBuffer) {
        let state = self.current_state();
        self.path.frame_input(&state, buffer);
    }

    fn receive_burst(&mut self, state: &ForwardingState, index: InterfaceIndex) -> bool {
        let Some(Some(slot)) = self.path.slots.get_mut(usize::from(index.0)) else { return false };
        let count = slot.port.receive(&mut self.batch, &mut self.path.pool, BURST);
        for mut buffer in self.batch.drain(..) {
            buffer.interface = index;
            self.path.frame_input(state, buffer);
        }
        count > 0
    }

    /// Does what control wants. Returns whether it wanted anything.
    fn obey(&mut self, state: &ForwardingState) -> bool {
        let mut obeyed = false;
        while let Ok(command) = self.commands.pop() {
            obeyed = true;
            match command {
                Command::AddPort { index, port } => self.replace_port(state, index, Some(port)),
                Command::RemovePort { index } => self.replace_port(state, index, None),
                Command::ClearNeighbors { index } => self.path.clear_neighbors(state, index),
                Command::Stop => self.stopping = true,
            }
        }
        obeyed
    }

    fn replace_port(&mut self, state: &ForwardingState, index: InterfaceIndex, port: Option<Box<dyn Port>>) {
        let retired = match self.path.slots.get_mut(usize::from(index.0)) {
            Some(slot) => std::mem::replace(slot, port.map(PortSlot::new)).map(|slot| slot.port),
            // Beyond the table: it goes back unused.
            None => port,
        };
        self.path.clear_neighbors(state, Some(index));
        if usize::from(index.0) < MAX_INTERFACES {
            self.path.counters.retire(index);
        }
        self.ports_looked_at = None;
        if let Some(retired) = retired {
            // Nobody fetches the retired ones: then it is closed here.
            drop(self.retired_ports.push(retired));
        }
    }

    /// Tells management about changed neighbors. This allocates; it is no part of the packet path, and rare.
    fn publish_neighbors(&mut self, now: Duration) {
        if self.path.neighbors.has_changed() && now >= self.neighbors_published + SNAPSHOT_INTERVAL {
            self.neighbors_published = now;
            self.neighbors.store(Arc::new(self.path.neighbors.snapshot()));
        }
    }

    /// Arms every wake-up, looks once more, sleeps.
    fn sleep(&mut self, now: Duration, sleeper: &mut Sleeper) -> io::Result<()> {
        if self.commands.is_abandoned() {
            self.stopping = true;
            return Ok(());
        }
        if self.arm(sleeper) {
            let timeout = self.time_to_sleep(now);
            sleeper.set.wait(timeout)?;
            self.path.counters.wakeups.add(1);
        }
        self.disarm();
        Ok(())
    }

    /// Undoes [`Self::arm`]. What rings from now on is seen by the next turn, or keeps the next sleep from beginning.
    fn disarm(&mut self) {
        for slot in self.path.slots.iter_mut().flatten() {
            slot.port.wake();
        }
        self.bell.silence();
        for link in [&self.path.host, &self.path.ospf].into_iter().flatten() {
            link.bell().silence();
        }
        self.ports_looked_at = None;
    }

    /// Tells every port that the worker is about to sleep and collects what wakes it. `false`: there is work.
    fn arm(&mut self, sleeper: &mut Sleeper) -> bool {
        sleeper.set.clear();
        sleeper.descriptors.clear();
        let mut idle = true;
        for slot in self.path.slots.iter_mut().flatten() {
            idle &= slot.port.prepare_sleep();
            slot.port.poll_descriptors(&mut sleeper.descriptors);
        }
        sleeper.descriptors.push(self.bell.as_raw_fd());
        for link in [&self.path.host, &self.path.ospf].into_iter().flatten() {
            idle &= !link.has_incoming();
            sleeper.descriptors.push(link.bell().as_raw_fd());
        }
        for &descriptor in &sleeper.descriptors {
            sleeper.set.add(descriptor);
        }
        idle && self.commands.is_empty()
    }

    /// What the worker would sleep on now; `None`: it would not sleep.
    #[cfg(test)]
    pub(super) fn would_sleep_on(&mut self) -> Option<PollSet> {
        self.disarm();
        let mut sleeper = Sleeper::default();
        self.arm(&mut sleeper).then_some(sleeper.set)
    }

    fn time_to_sleep(&self, now: Duration) -> Duration {
        let mut wake = now + LONGEST_SLEEP;
        for deadline in
            [self.path.neighbors.deadline(), self.path.reassembly.deadline()].into_iter().flatten()
        {
            wake = wake.min(deadline);
        }
        if self.path.neighbors.has_changed() {
            wake = wake.min(self.neighbors_published + SNAPSHOT_INTERVAL);
        }
        wake.saturating_sub(now)
    }
}

/// What sleeping needs, kept so that it does not allocate each time.
#[derive(Default)]
struct Sleeper {
    set: PollSet,
    descriptors: Vec<RawFd>,
}

/// How long to go on looking for work before sleeping: as long as that has paid off lately.
struct Spin {
    budget: Duration,
    idle_since: Duration,
    /// The last spell of idleness ended by work, found by spinning.
    spinning: bool,
}

impl Spin {
    const LONGEST: Duration = Duration::from_micros(50);
    const SHORTEST: Duration = Duration::from_micros(2);

    fn worked(&mut self, now: Duration) {
        if std::mem::take(&mut self.spinning) {
            self.budget = (self.budget * 2).min(Self::LONGEST);
        }
        self.idle_since = now;
    }

    fn goes_on(&mut self, now: Duration) -> bool {
        self.spinning = now.saturating_sub(self.idle_since) < self.budget;
        self.spinning
    }

    fn slept(&mut self, now: Duration) {
        self.budget = (self.budget / 2).max(Self::SHORTEST);
        self.spinning = false;
        self.idle_since = now;
    }
}

impl Default for Spin {
    fn default() -> Self {
        Self { budget: Self::LONGEST, idle_since: Duration::ZERO, spinning: false }
    }
}

/// Frames taken from a port in one turn.
const BURST: usize = 32;
/// Commands that can wait.
const COMMANDS: usize = 64;
/// Time between looks at the carriers and counters of the ports.
const LOOK_AT_PORTS: Duration = Duration::from_millis(1);
/// A worker looks around at least this often, for carriers that change without waking it.
pub const LONGEST_SLEEP: Duration = Duration::from_millis(100);
/// Time between two publications of the neighbors, at least.
pub const SNAPSHOT_INTERVAL: Duration = Duration::from_millis(200);
