//! Drives the OSPF engine: the engine has no clock and no sockets, this module has.
//!
//! Packets come from the worker as IPv4 datagrams over a link and go back the same way; [`plan`] makes the engine's
//! configuration; [`datagram`] the IPv4 headers; `demultiplex` finds the interface of what comes in. The engine is shared with management, which reads its state
//! under the same lock; nobody holds it across a wait.

mod clock;
pub mod datagram;
mod demultiplex;
mod drops;
pub mod plan;
mod recording;

pub use drops::{DropCounters, DropReason};
pub use recording::Recording;

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ipnet::Ipv4Net;
use isthmus_ospf::Instance;
use isthmus_ospf::config::{ExternalRoute, InstanceConfig};
use isthmus_ospf::event::{Notification, Output, Transmit};
use isthmus_ospf::record::Recorder;
use isthmus_ospf::route::RouteChange;
use isthmus_ospf::types::{AreaId, Instant, InterfaceId, RouterId};

use crate::forward::InterfaceIndex;
use crate::forward::link::{Bell, LinkEnd};
use crate::packet::Pool;
use clock::WallClock;
use demultiplex::Demultiplexer;

/// Datagrams in flight to the worker. A database exchange of thousands of advertisements fits several times.
const BUFFERS: usize = 1024;
/// Packets given to the engine in one turn.
const TURN: usize = 256;

/// How the engine's interfaces map to the worker's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InterfaceMap {
    /// The local network's port.
    pub lsm: Option<InterfaceIndex>,
    /// The global network's port.
    pub gsm: Option<InterfaceIndex>,
    /// The NICs' ports, in the order of the configuration.
    pub nics: Vec<InterfaceIndex>,
    /// The engine's interfaces on the NICs, in the same order.
    pub nic_interfaces: Vec<InterfaceId>,
}

impl InterfaceMap {
    /// The engine's interface on a port; a backbone adjacency shares the port of a fabric network.
    pub fn engine_interface(&self, index: InterfaceIndex) -> Option<InterfaceId> {
        if self.lsm == Some(index) {
            return Some(plan::LSM);
        }
        if self.gsm == Some(index) {
            return Some(plan::GSM);
        }
        let position = self.nics.iter().position(|&nic| nic == index)?;
        self.nic_interfaces.get(position).copied()
    }

    /// The port that an engine's interface sends by; `None` for backbone adjacencies, whose port follows from
    /// the neighbor's address.
    pub fn port(&self, interface: InterfaceId) -> Option<InterfaceIndex> {
        match interface {
            plan::LSM => self.lsm,
            plan::GSM => self.gsm,
            other => {
                let position = self.nic_interfaces.iter().position(|&nic| nic == other)?;
                self.nics.get(position).copied()
            }
        }
    }
}

/// Which nodes the addresses of the fabric belong to, as far as the driver needs it.
pub trait FabricAddresses {
    /// The node that has `address` on the local or global network.
    fn node(&self, address: Ipv4Addr) -> Option<u16>;
    /// The port of the network that `address` is on.
    fn port(&self, address: Ipv4Addr) -> Option<InterfaceIndex>;
}

/// What came out of the engine beside packets.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Changes of routes, in order.
    pub routes: Vec<RouteChange>,
    /// Events, in order.
    pub notifications: Vec<Notification>,
    /// How long each call took in which routes were calculated: the engine itself has no clock to measure with.
    pub calculations: Vec<Duration>,
    /// When the changes came to be known that the first of these calculations follows; `None` without one.
    pub changed_at: Option<std::time::Instant>,
}

/// The engine, its clock and its link to the worker.
pub struct OspfDriver {
    engine: Arc<Mutex<Instance>>,
    origin: std::time::Instant,
    clock: WallClock,
    link: LinkEnd,
    pool: Pool,
    demultiplexer: Demultiplexer,
    identification: u16,
    drops: Arc<DropCounters>,
    route_calculations: u64,
    calculations: Vec<Duration>,
    changed_at: Option<std::time::Instant>,
}

/// Reads the engine's state. A thread that panicked while it held the lock cannot have left the engine in a state
/// that is unsafe to read, so poisoning is ignored.
pub fn lock(engine: &Mutex<Instance>) -> MutexGuard<'_, Instance> {
    engine.lock().unwrap_or_else(PoisonError::into_inner)
}

impl OspfDriver {
    /// A driver for a new engine. `fabric_area` is the area of the fabric's networks; the recorder, if there is one, hears of
    /// everything until the shutdown.
    pub fn new(
        config: InstanceConfig,
        seed: u64,
        link: LinkEnd,
        map: InterfaceMap,
        fabric_area: Option<AreaId>,
        recorder: Option<Box<dyn Recorder>>,
    ) -> Self {
        let demultiplexer = Demultiplexer::new(map, fabric_area, &config);
        let mut engine = match recorder {
            Some(recorder) => Instance::recorded(Instant(0), config, seed, recorder),
            None => Instance::new(Instant(0), config, seed),
        };
        // Cryptographic sequence numbers continue where the last life of this router has ended.
        let clock = WallClock::read(Duration::ZERO);
        engine.set_wall_clock(Instant(0), clock.seconds(Duration::ZERO));
        Self {
            engine: Arc::new(Mutex::new(engine)),
            origin: std::time::Instant::now(),
            clock,
            link,
            pool: Pool::new(BUFFERS),
            demultiplexer,
            identification: seed as u16,
            drops: Arc::default(),
            route_calculations: 0,
            calculations: Vec::new(),
            changed_at: None,
        }
    }

    /// Tells the engine how often this router has started.
    pub fn set_boot_count(&self, boots: u32) {
        lock(&self.engine).set_boot_count(self.now(), boots);
    }

    /// The engine, to read its state.
    pub fn engine(&self) -> Arc<Mutex<Instance>> {
        Arc::clone(&self.engine)
    }

    /// The origin of the engine's clock.
    pub fn origin(&self) -> std::time::Instant {
        self.origin
    }

    /// The bell that rings when packets wait.
    pub fn bell(&self) -> &Bell {
        self.link.bell()
    }

    /// What was lost between the worker and the engine.
    pub fn drops(&self) -> Arc<DropCounters> {
        Arc::clone(&self.drops)
    }

    /// How long until [`Self::timeout`] must be called.
    pub fn time_to_wait(&self) -> Option<Duration> {
        let now = self.now();
        lock(&self.engine).poll_timeout().map(|at| at.since(now))
    }

    /// Gives the engine every packet that waits.
    pub fn receive(&mut self, fabric: &impl FabricAddresses) -> Outcome {
        let now = self.now();
        let engine = Arc::clone(&self.engine);
        let mut engine = lock(&engine);
        for _ in 0..TURN {
            let Some(buffer) = self.link.pop() else { break };
            match self.demultiplexer.interface(buffer.interface, buffer.bytes(), fabric) {
                Ok((interface, packet)) => {
                    let started = std::time::Instant::now();
                    if engine.accepts_ttl(interface, packet.time_to_live, packet.payload) {
                        engine.handle_packet(
                            now,
                            interface,
                            packet.source,
                            packet.destination,
                            packet.payload,
                        );
                    }
                    self.note_spf(&engine, started);
                }
                Err(reason) => self.drops.count(reason),
            }
            self.link.give_back(buffer);
        }
        if self.link.has_incoming() {
            // The rest has its turn after timers and events: a flood of packets must not hold these up.
            self.link.bell().ring();
        }
        self.collect(&mut engine, fabric)
    }

    /// Waits, no longer than a moment, until the worker has taken the packets that were sent: before an interface
    /// is closed to them.
    pub fn drain(&self) {
        const MOMENT: Duration = Duration::from_millis(10);
        const LOOK: Duration = Duration::from_micros(100);
        let deadline = std::time::Instant::now() + MOMENT;
        while !self.link.is_drained() && std::time::Instant::now() < deadline {
            std::thread::sleep(LOOK);
        }
    }

    /// Lets the engine do what is due.
    pub fn timeout(&mut self, fabric: &impl FabricAddresses) -> Outcome {
        self.follow_clock();
        self.apply(fabric, |engine, now| engine.handle_timeout(now))
    }

    /// Tells the engine that an interface has come up or gone down.
    pub fn link_state(&mut self, fabric: &impl FabricAddresses, interface: InterfaceId, up: bool) -> Outcome {
        self.apply(fabric, |engine, now| engine.handle_link(now, interface, up))
    }

    /// From now on the engine's interfaces are on other ports.
    pub fn use_ports(&mut self, map: InterfaceMap) {
        self.demultiplexer.use_ports(map);
    }

    /// Gives the engine a new configuration.
    pub fn configure(&mut self, fabric: &impl FabricAddresses, config: InstanceConfig) -> Outcome {
        self.demultiplexer.configure(&config);
        self.apply(fabric, |engine, now| engine.handle_config(now, config))
    }

    /// Gives the engine all routes from outside OSPF that it is to announce, in place of those of the last call.
    pub fn redistribute(
        &mut self,
        fabric: &impl FabricAddresses,
        routes: BTreeMap<Ipv4Net, ExternalRoute>,
    ) -> Outcome {
        self.apply(fabric, |engine, now| engine.handle_redistribution(now, routes))
    }

    /// Tells the engine that a router's process is dead.
    pub fn neighbor_dead(&mut self, fabric: &impl FabricAddresses, router: RouterId) -> Outcome {
        self.apply(fabric, |engine, now| engine.handle_neighbor_dead(now, router))
    }

    /// Withdraws what this router has originated and takes leave of its neighbors.
    pub fn shutdown(&mut self, fabric: &impl FabricAddresses) -> Outcome {
        self.apply(fabric, |engine, now| {
            engine.shutdown(now);
            engine.stop_recording();
        })
    }

    /// Tells the engine when the clock of the machine was set: lifetimes of keys go by it.
    fn follow_clock(&mut self) {
        let elapsed = self.origin.elapsed();
        let clock = WallClock::read(elapsed);
        if clock.differs(self.clock) {
            tracing::info!("the clock of the machine was set: lifetimes of keys follow it");
            self.clock = clock;
            let now = self.now();
            lock(&self.engine).set_wall_clock(now, clock.seconds(elapsed));
        }
    }

    fn apply(&mut self, fabric: &impl FabricAddresses, act: impl FnOnce(&mut Instance, Instant)) -> Outcome {
        let now = self.now();
        let engine = Arc::clone(&self.engine);
        let mut engine = lock(&engine);
        let started = std::time::Instant::now();
        act(&mut engine, now);
        self.note_spf(&engine, started);
        self.collect(&mut engine, fabric)
    }

    fn note_spf(&mut self, engine: &Instance, started: std::time::Instant) {
        let runs = engine.route_calculations();
        if runs != self.route_calculations {
            self.route_calculations = runs;
            self.calculations.push(started.elapsed());
            let asked = engine.last_spf_requested().map(|at| self.origin + Duration::from_micros(at.0));
            self.changed_at = self.changed_at.or(asked);
        }
    }

    fn collect(&mut self, engine: &mut Instance, fabric: &impl FabricAddresses) -> Outcome {
        let mut outcome = Outcome {
            calculations: std::mem::take(&mut self.calculations),
            changed_at: self.changed_at.take(),
            ..Outcome::default()
        };
        self.link.reclaim(&mut self.pool);
        let mut sent = false;
        while let Some(output) = engine.poll_output() {
            match output {
                Output::Transmit(packet) => {
                    self.transmit(&packet, fabric);
                    sent = true;
                }
                Output::Routes(changes) => outcome.routes.extend(changes),
                Output::Notification(notification) => outcome.notifications.push(notification),
            }
        }
        if sent {
            self.link.notify();
        }
        outcome
    }

    fn transmit(&mut self, packet: &Transmit, fabric: &impl FabricAddresses) {
        let port =
            self.demultiplexer.map().port(packet.interface).or_else(|| fabric.port(packet.destination));
        // The worker finds the way of what takes a virtual link.
        let routed = plan::is_virtual_link(packet.interface).then_some(InterfaceIndex::NONE);
        let port = routed.or(port);
        let Some(port) = port else { return self.drops.count(DropReason::NoPort) };
        self.link.reclaim(&mut self.pool);
        let Some(mut buffer) = self.pool.take() else { return self.drops.count(DropReason::NoBuffer) };
        self.identification = self.identification.wrapping_add(1);
        let written = datagram::write(
            buffer.space_mut(),
            self.identification,
            packet.ttl,
            packet.source,
            packet.destination,
            &packet.payload,
        );
        let Some(length) = written else {
            self.drops.count(DropReason::TooLong);
            return self.pool.give(buffer);
        };
        buffer.set_len(length);
        buffer.interface = port;
        if let Err(buffer) = self.link.push(buffer) {
            self.drops.count(DropReason::QueueFull);
            self.pool.give(buffer);
        }
    }

    fn now(&self) -> Instant {
        Instant(u64::try_from(self.origin.elapsed().as_micros()).unwrap_or(u64::MAX))
    }
}
