//! Drives the OSPF engine: the engine has no clock and no sockets, this module has.
//!
//! Packets come from the worker as IPv4 datagrams over a link and go back the same way; [`plan`] makes the engine's
//! configuration; [`datagram`] the IPv4 headers. The engine is shared with management, which reads its state
//! under the same lock; nobody holds it across a wait.

pub mod datagram;
pub mod plan;

use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use isthmus_ospf::Instance;
use isthmus_ospf::config::InstanceConfig;
use isthmus_ospf::event::{Notification, Output, Transmit};
use isthmus_ospf::route::RouteChange;
use isthmus_ospf::types::{AreaId, Instant, InterfaceId, RouterId};

use crate::forward::InterfaceIndex;
use crate::forward::link::{Bell, LinkEnd};
use crate::packet::Pool;

/// Datagrams in flight to the worker. A database exchange of thousands of advertisements fits several times.
const BUFFERS: usize = 1024;
/// Where the area id stands in the OSPF header (RFC 2328 section A.3.1).
const AREA_ID: std::ops::Range<usize> = 8..12;

/// How the engine's interfaces map to the worker's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InterfaceMap {
    /// The local network's port.
    pub lsm: Option<InterfaceIndex>,
    /// The global network's port.
    pub gsm: Option<InterfaceIndex>,
    /// The NICs' ports, in the order of the configuration.
    pub nics: Vec<InterfaceIndex>,
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
        self.nics.iter().position(|&nic| nic == index).map(plan::nic_interface)
    }

    /// The port that an engine's interface sends by; `None` for backbone adjacencies, whose port follows from
    /// the neighbor's address.
    pub fn port(&self, interface: InterfaceId) -> Option<InterfaceIndex> {
        match interface {
            plan::LSM => self.lsm,
            plan::GSM => self.gsm,
            other => self.nics.get(plan::nic_position(other)?).copied(),
        }
    }
}

/// Which nodes the addresses of the fabric belong to, as far as the driver needs it.
pub trait FabricAddresses {
    /// The node that has `address` on the local or global network.
    fn node(&self, address: Ipv4Addr) -> Option<u8>;
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
}

/// The engine, its clock and its link to the worker.
pub struct OspfDriver {
    engine: Arc<Mutex<Instance>>,
    origin: std::time::Instant,
    link: LinkEnd,
    pool: Pool,
    map: InterfaceMap,
    fabric_area: Option<AreaId>,
    identification: u16,
    dropped: u64,
    spf_runs: u64,
    calculations: Vec<Duration>,
}

/// Reads the engine's state. A thread that panicked while it held the lock cannot have left the engine in a state
/// that is unsafe to read, so poisoning is ignored.
pub fn lock(engine: &Mutex<Instance>) -> MutexGuard<'_, Instance> {
    engine.lock().unwrap_or_else(PoisonError::into_inner)
}

impl OspfDriver {
    /// A driver for a new engine. `fabric_area` is the area of the fabric's networks.
    pub fn new(
        config: InstanceConfig,
        seed: u64,
        link: LinkEnd,
        map: InterfaceMap,
        fabric_area: Option<AreaId>,
    ) -> Self {
        Self {
            engine: Arc::new(Mutex::new(Instance::new(Instant(0), config, seed))),
            origin: std::time::Instant::now(),
            link,
            pool: Pool::new(BUFFERS),
            map,
            fabric_area,
            identification: seed as u16,
            dropped: 0,
            spf_runs: 0,
            calculations: Vec::new(),
        }
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

    /// Packets that were lost because the worker did not take them, or that belonged to no interface.
    pub fn dropped(&self) -> u64 {
        self.dropped
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
        while let Some(buffer) = self.link.pop() {
            match self.demultiplex(buffer.interface, buffer.bytes(), fabric) {
                Some((interface, packet)) => {
                    let started = std::time::Instant::now();
                    engine.handle_packet(now, interface, packet.source, packet.destination, packet.payload);
                    self.note_spf(&engine, started);
                }
                None => self.dropped += 1,
            }
            self.link.give_back(buffer);
        }
        self.collect(&mut engine, fabric)
    }

    /// Lets the engine do what is due.
    pub fn timeout(&mut self, fabric: &impl FabricAddresses) -> Outcome {
        self.apply(fabric, |engine, now| engine.handle_timeout(now))
    }

    /// Tells the engine that an interface has come up or gone down.
    pub fn link_state(&mut self, fabric: &impl FabricAddresses, interface: InterfaceId, up: bool) -> Outcome {
        self.apply(fabric, |engine, now| engine.handle_link(now, interface, up))
    }

    /// Gives the engine a new configuration.
    pub fn configure(&mut self, fabric: &impl FabricAddresses, config: InstanceConfig) -> Outcome {
        self.apply(fabric, |engine, now| engine.handle_config(now, config))
    }

    /// Tells the engine that a router's process is dead.
    pub fn neighbor_dead(&mut self, fabric: &impl FabricAddresses, router: RouterId) -> Outcome {
        self.apply(fabric, |engine, now| engine.handle_neighbor_dead(now, router))
    }

    /// Withdraws what this router has originated and takes leave of its neighbors.
    pub fn shutdown(&mut self, fabric: &impl FabricAddresses) -> Outcome {
        self.apply(fabric, Instance::shutdown)
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
        let runs = engine.spf_runs();
        if runs != self.spf_runs {
            self.spf_runs = runs;
            self.calculations.push(started.elapsed());
        }
    }

    fn collect(&mut self, engine: &mut Instance, fabric: &impl FabricAddresses) -> Outcome {
        let mut outcome =
            Outcome { calculations: std::mem::take(&mut self.calculations), ..Outcome::default() };
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
        let port = self.map.port(packet.interface).or_else(|| fabric.port(packet.destination));
        self.link.reclaim(&mut self.pool);
        let (Some(port), Some(mut buffer)) = (port, self.pool.take()) else {
            self.dropped += 1;
            return;
        };
        self.identification = self.identification.wrapping_add(1);
        let written = datagram::write(
            buffer.space_mut(),
            self.identification,
            packet.source,
            packet.destination,
            &packet.payload,
        );
        let Some(length) = written else {
            self.dropped += 1;
            self.pool.give(buffer);
            return;
        };
        buffer.set_len(length);
        buffer.interface = port;
        if let Err(buffer) = self.link.push(buffer) {
            self.dropped += 1;
            self.pool.give(buffer);
        }
    }

    /// The engine's interface that a datagram belongs to. On the fabric, packets of the backbone travel
    /// beside those of the fabric's own area (RFC 5185 section 2.4); the area and the sender tell them apart.
    fn demultiplex<'a>(
        &self,
        port: InterfaceIndex,
        datagram: &'a [u8],
        fabric: &impl FabricAddresses,
    ) -> Option<(InterfaceId, datagram::Received<'a>)> {
        let packet = datagram::parse(datagram)?;
        let interface = self.map.engine_interface(port)?;
        let on_fabric = interface == plan::LSM || interface == plan::GSM;
        let area: Option<[u8; 4]> = packet.payload.get(AREA_ID).and_then(|bytes| bytes.try_into().ok());
        let is_backbone = area == Some([0; 4]) && self.fabric_area != Some(AreaId::BACKBONE);
        if on_fabric && is_backbone {
            return Some((plan::backbone_interface(fabric.node(packet.source)?), packet));
        }
        Some((interface, packet))
    }

    fn now(&self) -> Instant {
        Instant(u64::try_from(self.origin.elapsed().as_micros()).unwrap_or(u64::MAX))
    }
}
