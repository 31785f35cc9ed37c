//! The node's control loop: one task that owns the OSPF driver, the routing table and the worker's command side.
//!
//! Whatever happens (a packet for the engine, a timer, an event of the fabric or of a link, a request of management)
//! is handled to its end in one turn, and at most one new forwarding snapshot is published for it.

mod apply;

pub use apply::{Change, layout_of};

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ipnet::Ipv4Net;
use isthmus_mgmt_api::model::EventType;
use isthmus_ospf::config::{ExternalRoute, InstanceConfig};
use isthmus_ospf::event::Notification;
use isthmus_ospf::types::{InterfaceId, RouterId};
use isthmus_shmnet::{Event as FabricEvent, EventKind, Facts, NodeId, NodeState};
use serde_json::json;
use tokio::sync::{mpsc, oneshot, watch};

use super::boot_count;
use super::condition::condition;
use super::kernel_side::KernelRouting;
use super::layout::Layout;
use super::membership::SteeringEpochs;
use super::neighbors::FabricNeighbors;
use super::ports::NicHold;
use super::redistribution;
use super::roles;
use super::route_changes::RouteChanges;
use super::routes;
use super::shared::Shared;
use super::snapshot::{self, Dynamic};
use crate::config::Config;
use crate::forward::InterfaceIndex;
use crate::forward::link::AsyncBell;
use crate::forward::state::InterfaceKind;
use crate::forward::worker::WorkerHandle;
use crate::kernel::monitor::LinkEvent;
use crate::ospf_driver::plan::{self, BackboneLink, Situation};
use crate::ospf_driver::{OspfDriver, Outcome};
use crate::service::Manager;

/// How often the carriers of ports without a link monitor, and the neighbors' facts, are looked at again. Both also
/// ring a bell when they change; this bounds the harm of a bell that was lost.
const REFRESH: Duration = Duration::from_secs(1);

/// Places of the kernel's devices.
const LSM_DEVICE: usize = 0;
const GSM_DEVICE: usize = 1;

/// What management asks of control.
pub enum Request {
    /// Run another configuration, for which everything has been made ready.
    Apply {
        /// What is to run.
        change: Box<Change>,
        /// Told when it does.
        done: oneshot::Sender<()>,
    },
}

/// What control hears from other threads.
pub struct Inbox {
    /// Events of the fabric.
    pub fabric: mpsc::UnboundedReceiver<FabricEvent>,
    /// Changes of the kernel's links.
    pub links: mpsc::UnboundedReceiver<LinkEvent>,
    /// Requests of management.
    pub requests: mpsc::Receiver<Request>,
}

/// The control loop and what it owns.
pub struct Control {
    shared: Arc<Shared>,
    config: Arc<Config>,
    layout: Layout,
    /// What goes with the open NICs.
    holds: Vec<NicHold>,
    /// The names of the engine's interfaces before the last change: it speaks of those that have gone once more.
    former_names: BTreeMap<InterfaceId, String>,
    driver: OspfDriver,
    worker: WorkerHandle,
    situation: Situation,
    started: Instant,
    /// How long after the start the node is a stub router.
    stub_after_start: Duration,
    dynamic: Dynamic,
    nic_is_up: Vec<bool>,
    fabric_neighbors: FabricNeighbors,
    epochs: SteeringEpochs,
    router_ids: BTreeMap<NodeId, RouterId>,
    facts: Option<Facts>,
    /// The state of the kernel's devices on the local and the global network, as the operator left it.
    device_is_up: [bool; 2],
    /// When the first change came to be known whose routes are not in the worker's table yet.
    routes_changed_at: Option<Instant>,
    /// Changes of the forwarding table that nobody was told of yet.
    route_changes: RouteChanges,
    /// The routes from outside OSPF that the engine announces.
    announced: BTreeMap<Ipv4Net, ExternalRoute>,
    /// What the published forwarding table was made from.
    published_generation: Option<u64>,
    /// The prefixes that the kernel shall route by `gsm0`; `None` with the embedded stack.
    kernel_routes: Option<watch::Sender<KernelRouting>>,
    /// Who started the node, and wants to know how it is.
    manager: Manager,
}

impl Control {
    /// A control loop whose interfaces are all down.
    pub fn new(
        shared: Arc<Shared>,
        layout: Layout,
        driver: OspfDriver,
        worker: WorkerHandle,
        situation: Situation,
        holds: Vec<NicHold>,
        kernel_routes: Option<watch::Sender<KernelRouting>>,
    ) -> Self {
        let enabled = layout.interfaces.iter().map(|interface| interface.enabled).collect();
        let nic_is_up = vec![false; layout.map.nics.len()];
        Self {
            stub_after_start: shared.config().ospf.stub_router.on_startup,
            started: Instant::now(),
            config: shared.config(),
            shared,
            holds,
            former_names: BTreeMap::new(),
            driver,
            worker,
            situation,
            dynamic: Dynamic { enabled, ..Dynamic::default() },
            nic_is_up,
            fabric_neighbors: FabricNeighbors::default(),
            epochs: SteeringEpochs::default(),
            router_ids: BTreeMap::new(),
            facts: None,
            device_is_up: [true; 2],
            routes_changed_at: None,
            route_changes: RouteChanges::default(),
            announced: BTreeMap::new(),
            published_generation: None,
            kernel_routes,
            manager: Manager::none(),
            layout,
        }
    }

    /// Lets it tell a service manager how the node is.
    pub fn reporting_to(self, manager: Manager) -> Self {
        Self { manager, ..self }
    }

    /// Runs until `stop` says so, then takes leave of the neighbors: at once, or, if it says so only once and the configuration asks for
    /// it, after a time as a stub router.
    ///
    /// # Errors
    /// The engine's bell could not be watched.
    pub async fn run(mut self, mut inbox: Inbox, mut stop: mpsc::Receiver<()>) -> std::io::Result<()> {
        let bell = AsyncBell::new(self.driver.bell())?;
        let mut refresh = tokio::time::interval(REFRESH);
        let mut leaves_at: Option<tokio::time::Instant> = None;
        self.start();
        loop {
            let wait = self.driver.time_to_wait().unwrap_or(REFRESH);
            tokio::select! {
                Some(()) = stop.recv() => {
                    let now = tokio::time::Instant::now();
                    // Who says so once more does not want to wait.
                    leaves_at = Some(if leaves_at.is_some() { now } else { now + self.be_gone_around() });
                }
                () = tokio::time::sleep_until(leaves_at.unwrap_or_else(tokio::time::Instant::now)), if leaves_at.is_some() => break,
                () = bell.rung() => {
                    self.look_at_carriers();
                    let outcome = self.driver.receive(&self.layout);
                    self.absorb(outcome);
                }
                () = tokio::time::sleep(wait) => {
                    let outcome = self.driver.timeout(&self.layout);
                    self.absorb(outcome);
                }
                Some(event) = inbox.fabric.recv() => {
                    self.fabric_event(&event);
                    while let Ok(event) = inbox.fabric.try_recv() {
                        self.fabric_event(&event);
                    }
                    self.look_at_members();
                }
                Some(event) = inbox.links.recv() => self.link_event(&event),
                Some(request) = inbox.requests.recv() => self.request(request),
                _ = refresh.tick() => {
                    self.close_retired_ports();
                    self.end_stub_router(leaves_at.is_some());
                    self.look_at_carriers();
                    self.look_at_members();
                    self.route_changes.tell(&self.shared.events);
                    if self.manager.is_there() {
                        self.manager.look(&condition(&self.shared));
                    }
                }
            }
        }
        self.leave().await;
        Ok(())
    }

    /// The node is told to stop. Returns how long it goes on as a stub router, so that the others find other ways before it
    /// is gone.
    fn be_gone_around(&mut self) -> Duration {
        let time = self.config.ospf.stub_router.on_shutdown;
        self.manager.stopping(time);
        if !time.is_zero() {
            tracing::info!(seconds = time.as_secs(), "told to stop: a stub router until then");
            self.set_stub_router(true);
        }
        time
    }

    /// A node that has just started takes other routers' traffic once the time for that has come.
    fn end_stub_router(&mut self, is_leaving: bool) {
        if self.situation.stub_router && !is_leaving && self.started.elapsed() >= self.stub_after_start {
            self.set_stub_router(false);
        }
    }

    fn set_stub_router(&mut self, stub_router: bool) {
        self.situation.stub_router = stub_router;
        if self.reconfigure() {
            self.publish();
        }
    }

    /// Brings up what is enabled.
    fn start(&mut self) {
        self.look_at_members();
        for (interface, index) in [(plan::LSM, self.layout.map.lsm), (plan::GSM, self.layout.map.gsm)] {
            if let Some(index) = index
                && self.is_enabled(index)
            {
                let outcome = self.driver.link_state(&self.layout, interface, true);
                self.absorb(outcome);
            }
        }
        self.look_at_carriers();
        self.publish();
    }

    /// Withdraws from the network in the order that loses least: no new flows, no OSPF, then the fabric.
    async fn leave(mut self) {
        /// What has been flooded must be on the wire before the ports close.
        const SETTLE: Duration = Duration::from_millis(50);
        if let (Some(fabric), Some(facts)) = (&self.shared.fabric, &self.facts) {
            fabric.publish_facts(Facts { accepting: false, draining: true, ..facts.clone() });
        }
        let outcome = self.driver.shutdown(&self.layout);
        self.absorb_quietly(outcome);
        tokio::time::sleep(SETTLE).await;
    }

    fn is_enabled(&self, index: InterfaceIndex) -> bool {
        self.dynamic.enabled.get(usize::from(index.0)).copied().unwrap_or(false)
    }

    /// Takes in what came out of the engine, and everything that follows from it.
    fn absorb(&mut self, outcome: Outcome) {
        let mut changed = self.absorb_quietly(outcome);
        // A change of adjacencies may move a backbone adjacency, which is a change of configuration, which may
        // change adjacencies. Each round uses up a change of the situation, so the rounds end.
        while self.update_situation() {
            let configured = self.reconfigure();
            changed |= configured;
        }
        if changed {
            self.publish();
        }
    }

    /// Applies route changes and notifications. Returns whether routes have changed.
    fn absorb_quietly(&mut self, outcome: Outcome) -> bool {
        for duration in &outcome.calculations {
            self.shared.spf_durations().observe(*duration);
        }
        if !outcome.routes.is_empty() {
            self.routes_changed_at = self.routes_changed_at.or(outcome.changed_at);
        }
        for notification in &outcome.notifications {
            if let Notification::BootCount { boot_count } = notification {
                let config = self.shared.config();
                boot_count::remember(&config.management.state_directory, *boot_count, true);
            }
            self.fabric_neighbors.note(notification);
            self.shared.events.notification(notification, |interface| self.interface_name(interface));
        }
        if outcome.routes.is_empty() {
            return false;
        }
        let mut rib = self.shared.rib();
        for change in &outcome.routes {
            routes::apply(&mut rib, change, &self.layout);
        }
        true
    }

    /// Derives the backbone adjacencies anew. Returns whether anything has changed.
    fn update_situation(&mut self) -> bool {
        let links = self.backbone_links();
        if links == self.situation.backbone_links {
            return false;
        }
        self.situation.backbone_links = links;
        true
    }

    /// Every pair of border routers on the backbone keeps one adjacency over the fabric, on the best network on
    /// which the two are fully adjacent.
    fn backbone_links(&self) -> BTreeMap<u16, BackboneLink> {
        let (Some(fabric), Some(config)) = (&self.shared.fabric, &self.config.fabric) else {
            return BTreeMap::new();
        };
        if !config.transit || !roles::role(&self.config, &self.nic_is_up).on_backbone {
            return BTreeMap::new();
        }
        let active = fabric.active_nodes();
        let peers = active.nodes.iter().filter(|peer| !peer.is_self && peer.facts.abr && peer.facts.transit);
        peers
            .filter_map(|peer| {
                let network = self.fabric_neighbors.network(RouterId(peer.facts.router_id))?;
                let address = match network {
                    isthmus_shmnet::Network::Lsm => peer.facts.lsm_address,
                    isthmus_shmnet::Network::Gsm => peer.facts.gsm_address,
                };
                Some((peer.id.get(), BackboneLink { network, address }))
            })
            .collect()
    }

    /// Gives the engine the configuration that the situation asks for. Returns whether routes have changed.
    fn reconfigure(&mut self) -> bool {
        let config: InstanceConfig = plan::instance_config(&self.config, &self.situation);
        let outcome = self.driver.configure(&self.layout, config);
        let mut changed = self.absorb_quietly(outcome);
        for node in self.situation.backbone_links.keys().copied().collect::<Vec<_>>() {
            let outcome = self.driver.link_state(&self.layout, plan::backbone_interface(node), true);
            changed |= self.absorb_quietly(outcome);
        }
        changed
    }

    /// Sets the routes of other sources than OSPF, and tells OSPF of those that it is to announce.
    fn redistribute(&mut self) {
        let announced = {
            let mut rib = self.shared.rib();
            let config = &*self.config;
            routes::set_connected(&mut rib, config, &self.layout, &self.dynamic.enabled, &self.nic_is_up);
            redistribution::routes(&rib, config)
        };
        if announced != self.announced {
            self.announced.clone_from(&announced);
            let outcome = self.driver.redistribute(&self.layout, announced);
            self.absorb_quietly(outcome);
        }
    }

    /// Publishes routes, steering and states to the worker, and the routed prefixes to the kernel.
    fn publish(&mut self) {
        self.redistribute();
        let config = &*self.config;
        let fib = {
            let rib = self.shared.rib();
            let generation = rib.forwarding_generation();
            // Thousands of routes may have another metric and lead where they led.
            let is_another = self.published_generation.replace(generation) != Some(generation);
            is_another.then(|| Arc::new(rib.publish()))
        };
        if let Some(fib) = fib {
            self.route_changes.note(&self.dynamic.fib, &fib);
            self.dynamic.fib = fib;
        }
        if let Some(kernel_routes) = &self.kernel_routes {
            let routed = routes::routed_prefixes(&self.dynamic.fib, config, self.dynamic.lsm_device_is_down);
            kernel_routes.send_if_modified(|current| {
                let changed = current.prefixes != routed;
                current.prefixes = routed;
                changed
            });
        }
        self.route_changes.tell(&self.shared.events);
        self.worker.publish(snapshot::forwarding_state(config, &self.layout, &self.dynamic));
        self.shared.generation.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        if let Some(changed_at) = self.routes_changed_at.take() {
            self.shared.convergence().observe(changed_at.elapsed());
        }
    }

    fn fabric_event(&mut self, event: &FabricEvent) {
        self.shared.events.fabric(event);
        self.shared.fabric_record.note(event);
        if matches!(event.kind, EventKind::Failed { .. } | EventKind::Left)
            && let Some(router) = self.router_of(event.node)
        {
            let outcome = self.driver.neighbor_dead(&self.layout, router);
            self.absorb(outcome);
        }
    }

    /// The router id of a node, unless another node, or this one, claims the same: nobody's death is believed on the
    /// word of another.
    fn router_of(&self, node: NodeId) -> Option<RouterId> {
        let router = *self.router_ids.get(&node)?;
        let claims = self.router_ids.values().filter(|other| **other == router).count();
        (claims == 1 && router != self.config.ospf.router_id).then_some(router)
    }

    /// Reads the membership table: who accepts, who is a border router; publishes what follows from it.
    fn look_at_members(&mut self) {
        let Some(fabric) = self.shared.fabric.clone() else { return };
        let whole = Arc::clone(&self.config);
        let Some(config) = &whole.fabric else { return };
        let role = roles::role(&whole, &self.nic_is_up);
        let active = fabric.active_nodes();
        let mut accepting = Vec::new();
        let own = active.nodes.iter().find(|node| node.is_self).map(|node| node.id);
        let gsm_is_up = own.is_some() && self.layout.map.gsm.is_some_and(|index| self.is_enabled(index));
        if let Some(own) = own
            && gsm_is_up
        {
            accepting.push((own, config.weight));
        }
        let mut peers = Vec::new();
        for peer in active.nodes.iter().filter(|peer| !peer.is_self) {
            self.router_ids.insert(peer.id, RouterId(peer.facts.router_id));
            if peer.state == NodeState::Active && peer.facts.accepting && !peer.facts.draining {
                accepting.push((peer.id, peer.facts.weight));
            }
            peers.push(peer.facts.clone());
        }
        let steering_changed = self.epochs.update(accepting, &peers);
        let facts = Facts {
            lsm_address: config.lsm.address.addr(),
            gsm_address: config.gsm.address.addr(),
            router_id: whole.ospf.router_id.0,
            abr: role.area_border_router,
            transit: config.transit,
            accepting: gsm_is_up,
            draining: false,
            weight: config.weight,
            steering: self.epochs.as_slice().to_vec(),
            hostname: whole.hostname.clone(),
        };
        if self.facts.as_ref() != Some(&facts) {
            fabric.publish_facts(facts.clone());
            self.facts = Some(facts);
        }
        let accepting_changed = self.situation.accepting != gsm_is_up;
        self.situation.accepting = gsm_is_up;
        if steering_changed && let Some(epoch) = self.epochs.current() {
            self.dynamic.steering = snapshot::steering_table(epoch);
            self.shared.events.steering(epoch);
            *self.shared.epochs() = self.epochs.as_slice().to_vec();
        }
        let mut changed = steering_changed;
        if self.update_situation() || accepting_changed {
            changed |= self.reconfigure();
            // What follows from the new configuration is taken in with an empty outcome.
            self.absorb(Outcome::default());
        }
        if changed {
            self.publish();
        }
    }

    /// Compares the ports' carriers with what the engine was told.
    fn look_at_carriers(&mut self) {
        let mut changed = false;
        for position in 0..self.layout.map.nics.len() {
            let index = self.layout.map.nics[position];
            let up = self.is_enabled(index) && self.shared.worker.counters.carrier(index);
            if self.nic_is_up[position] == up {
                continue;
            }
            self.nic_is_up[position] = up;
            changed = true;
            let name = self.layout.name(index).to_owned();
            self.shared.events.record(
                EventType::LinkChange,
                format!("interface {name} is {}", if up { "up" } else { "down" }),
                json!({ "interface": name, "up": up }),
            );
            let interface = self.layout.map.nic_interfaces[position];
            let outcome = self.driver.link_state(&self.layout, interface, up);
            self.absorb(outcome);
        }
        if changed {
            self.look_at_role();
            self.look_at_members();
            self.publish();
        }
    }

    fn look_at_role(&mut self) {
        *self.shared.role() = roles::role(&self.config, &self.nic_is_up);
    }

    /// The operator's `ip link set lsm0 down` on the kernel's device takes the network down on this node; only a
    /// change of the device does, so that what management has set stays.
    fn link_event(&mut self, event: &LinkEvent) {
        if let Some((position, network)) = self.network_of_device(&event.name)
            && self.device_is_up[position] != event.admin_up
        {
            self.device_is_up[position] = event.admin_up;
            self.dynamic.lsm_device_is_down = !self.device_is_up[LSM_DEVICE];
            if event.admin_up
                && let Some(kernel_routes) = &self.kernel_routes
            {
                kernel_routes.send_modify(|current| current.device_ups += 1);
            }
            self.set_enabled(network, event.admin_up);
            self.publish();
        }
        // The worker reads the carrier now, and rings when it has changed.
        self.worker.wake();
    }

    /// The network whose device in the kernel has this name, and the device's place among the two.
    fn network_of_device(&self, device: &str) -> Option<(usize, InterfaceIndex)> {
        self.layout.kernel?;
        let kernel = &self.config.fabric.as_ref()?.kernel_stack;
        if device == kernel.lsm_device {
            self.layout.map.lsm.map(|network| (LSM_DEVICE, network))
        } else if device == kernel.gsm_device {
            self.layout.map.gsm.map(|network| (GSM_DEVICE, network))
        } else {
            None
        }
    }

    fn request(&mut self, request: Request) {
        match request {
            Request::Apply { change, done } => {
                self.apply(*change);
                let _ = done.send(());
            }
        }
    }

    fn set_enabled(&mut self, index: InterfaceIndex, enabled: bool) {
        let Some(state) = self.dynamic.enabled.get_mut(usize::from(index.0)) else { return };
        if *state == enabled {
            return;
        }
        *state = enabled;
        let name = self.layout.name(index).to_owned();
        self.shared.events.record(
            EventType::AdminStatusChange,
            format!("interface {name} is administratively {}", if enabled { "up" } else { "down" }),
            json!({ "interface": name, "enabled": enabled }),
        );
        let kind = self.layout.interfaces.get(usize::from(index.0)).map(|interface| interface.kind);
        if let (Some(InterfaceKind::Fabric(_)), Some(interface)) =
            (kind, self.layout.map.engine_interface(index))
        {
            let outcome = self.driver.link_state(&self.layout, interface, enabled);
            // The farewell to the neighbors leaves before the worker closes the interface.
            self.driver.drain();
            self.absorb(outcome);
        }
        self.look_at_carriers();
        self.look_at_members();
        self.publish();
    }

    fn interface_name(&self, interface: InterfaceId) -> String {
        match (self.layout.map.port(interface), plan::backbone_node(interface)) {
            (Some(index), _) => self.layout.name(index).to_owned(),
            (None, Some(node)) => format!("backbone-{node}"),
            (None, None) => {
                let former = self.former_names.get(&interface);
                let virtual_link = || plan::virtual_link_names(&self.config).remove(&interface);
                former.cloned().or_else(virtual_link).unwrap_or_else(|| interface.0.to_string())
            }
        }
    }
}
