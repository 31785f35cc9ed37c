//! The instance: all state of one router, its entry points, and what happens at the end of each of them.
//!
//! Every entry point first does what its input asks for, and then settles ([`Instance::settle`]): router-LSAs
//! that should say something else are originated, routes are calculated once for all changes of the call,
//! summaries follow the routes, and what is to be flooded leaves in as few packets as possible.

mod back_off;
mod bfd;
mod config;
mod outputs;
mod packet;
mod random;
mod routing;
mod routing_views;
mod shutdown;
mod views;
mod virtual_links;
mod what_if;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

use crate::area::Area;
use crate::config::{ExternalRoute, InstanceConfig};
use crate::error::Refusal;
use crate::event::Output;
use crate::interface::{Destination, Interface, SequenceClock};
use crate::log::{LsaLog, SpfLog};
use crate::lsdb::{Lsdb, Scope};
use crate::neighbor::{Event, NeighborKey};
use crate::originate::Origination;
use crate::record::{Input, Recorder};
use crate::route::RouteTable;
use crate::spf::Trees;
use crate::timer::{TimerId, Timers};
use crate::types::{AreaId, Instant, InterfaceId, RouterId};
use crate::wire::LsaKey;
use outputs::Outputs;

pub(crate) use back_off::BackOff;
pub use bfd::BfdNeighbor;
pub(crate) use random::Random;
pub(crate) use routing::{InstanceStatistics, SpfRequest};

/// One OSPFv2 instance: a function of what its entry points are given.
///
/// After every call the caller takes all outputs with [`Instance::poll_output`], and then asks
/// [`Instance::poll_timeout`] when to call [`Instance::handle_timeout`].
#[derive(Debug)]
pub struct Instance {
    pub(crate) config: InstanceConfig,
    pub(crate) areas: BTreeMap<AreaId, Area>,
    /// AS-external advertisements.
    pub(crate) as_scope: Area,
    /// What is to be announced from outside OSPF.
    pub(crate) externals: BTreeMap<Ipv4Net, ExternalRoute>,
    pub(crate) interfaces: BTreeMap<InterfaceId, Interface>,
    pub(crate) timers: Timers,
    pub(crate) random: Random,
    pub(crate) sequence: SequenceClock,
    pub(crate) outputs: Outputs,
    pub(crate) pending: Pending,
    /// A calculation of routes that is due at the end of the call, or when its timer fires.
    pub(crate) spf_request: Option<SpfRequest>,
    /// How long requests wait.
    pub(crate) back_off: BackOff,
    /// Routers that the caller has declared dead and that have not been heard since.
    pub(crate) dead: BTreeSet<RouterId>,
    pub(crate) routes: RouteTable,
    /// What the last calculation of all routes has left for those of some.
    pub(crate) trees: Option<Trees>,
    /// Router-LSAs and network-LSAs that have changed since.
    pub(crate) topology_changes: BTreeMap<AreaId, BTreeSet<LsaKey>>,
    pub(crate) spf_log: SpfLog,
    pub(crate) lsa_log: LsaLog,
    pub(crate) statistics: InstanceStatistics,
    /// Whether router-LSAs said last that this is a border router of a not-so-stubby area.
    pub(crate) was_nssa_border: bool,
    /// The role that was announced last.
    pub(crate) was_border_router: bool,
    pub(crate) stopped: bool,
}

/// What a call has left to do when it settles.
#[derive(Debug, Default)]
pub(crate) struct Pending {
    /// Interfaces on which a designated router may have to be elected.
    pub(crate) elections: BTreeSet<InterfaceId>,
    /// Areas whose router- and network-LSAs may have to say something else.
    pub(crate) router_lsas: BTreeSet<AreaId>,
    /// Neighbors whose request list has become shorter, or whose state has changed.
    pub(crate) requests: BTreeSet<NeighborKey>,
    /// Something that is being flushed may leave the database.
    pub(crate) flushed: bool,
    /// Advertisements of an earlier life may be flushed.
    pub(crate) stale: bool,
}

impl Instance {
    /// An instance whose interfaces are all down. The `seed` feeds jitter and nothing else.
    pub fn new(now: Instant, config: InstanceConfig, seed: u64) -> Self {
        Self::build(now, config, seed, None)
    }

    /// Like [`Instance::new`], with a recorder that hears of this and of all that follows (see [`crate::record`]).
    pub fn recorded(now: Instant, config: InstanceConfig, seed: u64, recorder: Box<dyn Recorder>) -> Self {
        Self::build(now, config, seed, Some(recorder))
    }

    fn build(now: Instant, config: InstanceConfig, seed: u64, recorder: Option<Box<dyn Recorder>>) -> Self {
        let mut outputs = Outputs::recorded(recorder);
        outputs.begin(now, &Input::Start { config: Cow::Borrowed(&config), seed });
        let interfaces =
            config.interfaces.iter().map(|(id, config)| (*id, Interface::new(now, config.clone()))).collect();
        let areas = config.areas.keys().map(|id| (*id, Area::default())).collect();
        Self {
            config,
            areas,
            as_scope: Area::default(),
            externals: BTreeMap::new(),
            interfaces,
            timers: Timers::default(),
            random: Random::new(seed),
            sequence: SequenceClock::default(),
            outputs,
            pending: Pending::default(),
            spf_request: None,
            back_off: BackOff::default(),
            dead: BTreeSet::new(),
            routes: RouteTable::default(),
            trees: None,
            topology_changes: BTreeMap::new(),
            spf_log: SpfLog::default(),
            lsa_log: LsaLog::default(),
            statistics: InstanceStatistics::default(),
            was_nssa_border: false,
            was_border_router: false,
            stopped: false,
        }
    }

    /// Tells the time of the world: seconds since 1970. Cryptographic sequence numbers start there (RFC 2328 section D.3),
    /// so that neighbors believe a router that has restarted, and lifetimes of keys are measured by it. To be told again
    /// when the clock of the world is set; sequence numbers then still do not decrease. Without it the time of the engine's own
    /// clock counts.
    pub fn set_wall_clock(&mut self, now: Instant, seconds: u32) {
        self.outputs.begin(now, &Input::WallClock { seconds });
        self.sequence.set(now, seconds);
        self.follow_keys();
    }

    /// Tells how often the router has started (RFC 7474 section 2): more than in any earlier life. Extended sequence numbers begin
    /// there. To be told before the first packet leaves.
    pub fn set_boot_count(&mut self, now: Instant, boots: u32) {
        self.outputs.begin(now, &Input::BootCount { boots });
        self.sequence.set_boot_count(boots);
    }

    /// Whether a datagram with this time to live and payload may be given to [`Instance::handle_packet`] (RFC 5082 section 3). One that may
    /// not is counted. No entry point: it changes nothing but the counter.
    pub fn accepts_ttl(&mut self, interface: InterfaceId, ttl: u8, payload: &[u8]) -> bool {
        // What takes a virtual link comes from afar, whatever its last hop was.
        let interface = self.virtual_link_at(interface, payload).unwrap_or(interface);
        let hops = self.interfaces.get(&interface).and_then(|interface| interface.config.ttl_security);
        let least = hops.map_or(0, |hops| u8::MAX - hops.saturating_sub(1));
        if ttl < least {
            self.refuse(interface, Refusal::TtlTooLow { least, found: ttl });
        }
        ttl >= least
    }

    /// Takes a received packet: the payload of an IP datagram of protocol 89. The caller has checked the IP
    /// header. A packet that is refused is counted by its reason and changes nothing.
    pub fn handle_packet(
        &mut self,
        now: Instant,
        interface: InterfaceId,
        source: Ipv4Addr,
        destination: Ipv4Addr,
        payload: &[u8],
    ) {
        let packet = Input::Packet { interface, source, destination, payload: Cow::Borrowed(payload) };
        if !self.begin(now, &packet) {
            return;
        }
        self.receive(now, interface, source, destination, payload);
        self.settle(now);
    }

    /// Does what is due at `now`. Calling it early is harmless.
    pub fn handle_timeout(&mut self, now: Instant) {
        if !self.begin(now, &Input::Timeout) {
            return;
        }
        while let Some(timer) = self.timers.take_due(now) {
            self.timer_fired(now, timer);
        }
        self.settle(now);
    }

    /// Takes the state of an interface's link. Interfaces start down.
    pub fn handle_link(&mut self, now: Instant, interface: InterfaceId, up: bool) {
        if !self.begin(now, &Input::Link { interface, up }) {
            return;
        }
        // Virtual links come up and go down with their paths.
        if let Some(state) = self.interfaces.get_mut(&interface).filter(|state| !state.is_virtual()) {
            state.link_up = up;
            if up {
                self.interface_up(now, interface);
            } else {
                // A link that an operator takes down still carries this: neighbors need not wait for RouterDeadInterval.
                self.send_hello(interface, Destination::AllRouters, true);
                self.interface_down(now, interface);
            }
        }
        self.settle(now);
    }

    /// The caller knows that a router's process is dead: its adjacencies end now instead of after
    /// RouterDeadInterval, and no route leads through it, although other routers still list it, until a hello
    /// shows that it hears us again.
    pub fn handle_neighbor_dead(&mut self, now: Instant, router: RouterId) {
        if !self.begin(now, &Input::NeighborDead { router }) {
            return;
        }
        let ids: Vec<_> = self.interfaces.keys().copied().collect();
        for interface in ids {
            self.neighbor_event(now, NeighborKey { interface, router }, Event::KillNbr);
        }
        if self.dead.insert(router) {
            self.request_spf(now, None);
        }
        self.settle(now);
    }

    /// When to call [`Instance::handle_timeout`] next, if nothing else happens before.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.timers.next()
    }

    /// Takes the next output.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// Ends the recording of an instance that was made with a recorder.
    pub fn stop_recording(&mut self) {
        self.outputs.stop_recording();
    }

    /// Every entry point begins here, and names what it was given, so that it can be recorded and replayed. Says whether
    /// there is anything to do: not after a shutdown.
    pub(crate) fn begin(&mut self, now: Instant, input: &Input<'_>) -> bool {
        self.outputs.begin(now, input);
        if self.sequence.advance(now) && !self.stopped {
            self.follow_keys();
        }
        !self.stopped
    }

    /// A router that was declared dead hears us.
    pub(crate) fn heard_alive(&mut self, now: Instant, router: RouterId) {
        if self.dead.remove(&router) {
            self.request_spf(now, None);
        }
    }

    pub(crate) fn refuse(&mut self, interface: InterfaceId, reason: Refusal) {
        if let Some(interface) = self.interfaces.get_mut(&interface) {
            interface.statistics.refuse(reason);
        }
    }

    pub(crate) fn lsdb(&self, scope: Scope) -> Option<&Lsdb> {
        Some(&self.area_of(scope)?.lsdb)
    }

    pub(crate) fn lsdb_mut(&mut self, scope: Scope) -> Option<&mut Lsdb> {
        Some(&mut self.area_of_mut(scope)?.lsdb)
    }

    pub(crate) fn originations_mut(&mut self, scope: Scope) -> Option<&mut BTreeMap<LsaKey, Origination>> {
        Some(&mut self.area_of_mut(scope)?.originations)
    }

    pub(crate) fn area_of(&self, scope: Scope) -> Option<&Area> {
        match scope {
            Scope::Link(id) => self.interfaces.get(&id).map(|interface| &interface.link_scope),
            Scope::Area(id) => self.areas.get(&id),
            Scope::As => Some(&self.as_scope),
        }
    }

    fn area_of_mut(&mut self, scope: Scope) -> Option<&mut Area> {
        match scope {
            Scope::Link(id) => self.interfaces.get_mut(&id).map(|interface| &mut interface.link_scope),
            Scope::Area(id) => self.areas.get_mut(&id),
            Scope::As => Some(&mut self.as_scope),
        }
    }

    /// The area of a scope; `None` for the autonomous system.
    pub(crate) fn area_id_of(&self, scope: Scope) -> Option<AreaId> {
        match scope {
            Scope::Link(id) => self.interfaces.get(&id).map(|interface| interface.config.area),
            Scope::Area(id) => Some(id),
            Scope::As => None,
        }
    }

    /// All flooding scopes.
    pub(crate) fn scopes(&self) -> Vec<Scope> {
        let links = self.interfaces.keys().map(|id| Scope::Link(*id));
        links.chain(self.areas.keys().map(|area| Scope::Area(*area))).chain([Scope::As]).collect()
    }

    fn timer_fired(&mut self, now: Instant, timer: TimerId) {
        match timer {
            TimerId::Hello(id) => self.hello_timer(now, id),
            TimerId::Wait(id) => self.wait_timer(now, id),
            TimerId::SilentNeighbor(id, address) => self.silent_neighbor_timer(now, id, address),
            TimerId::DelayedAck(id) => self.send_delayed_acks(now, id),
            TimerId::Inactivity(key) => self.neighbor_event(now, key, Event::InactivityTimer),
            TimerId::DdRetransmit(key) => self.description_timer(now, key),
            TimerId::RequestRetransmit(key) => self.send_request(now, key),
            TimerId::UpdateRetransmit(key) => self.retransmission_timer(now, key),
            TimerId::LsaAge(scope, name) => self.lsa_age_timer(now, scope, name),
            TimerId::Originate(scope, name) => self.advance_origination(now, scope, name),
            TimerId::FirstRouterLsa(area) => self.first_router_lsa_timer(area),
            TimerId::Stale(scope) => self.flush_stale(now, scope, true),
            TimerId::GracePeriod(key) => self.grace_timer(now, key),
            TimerId::Translator(area) => self.translator_timer(now, area),
            // What it waits for is looked at when the call settles.
            TimerId::Spf => {}
        }
    }

    /// Does what the call has left to do, until nothing is left. Each round can only make fewer new instances
    /// than the one before: roles depend on who is there, adjacencies on roles, router- and network-LSAs on both,
    /// summaries on routes, and routes on none of what follows from them.
    pub(crate) fn settle(&mut self, now: Instant) {
        loop {
            for id in std::mem::take(&mut self.pending.elections) {
                self.neighbor_change(now, id);
            }
            for key in std::mem::take(&mut self.pending.requests) {
                self.advance_requests(now, key);
            }
            for area in std::mem::take(&mut self.pending.router_lsas) {
                self.originate_router_lsa(now, area);
                self.originate_network_lsas(now, area);
                self.originate_router_information(now, area);
            }
            self.follow_role(now);
            self.schedule_spf(now);
            if std::mem::take(&mut self.pending.stale) {
                for scope in self.scopes() {
                    self.flush_stale(now, scope, false);
                }
            }
            self.send_flood_queues(now);
            if self.pending.flushed {
                self.remove_flushed(now);
            }
            if self.is_settled(now) {
                return;
            }
        }
    }

    fn is_settled(&self, now: Instant) -> bool {
        let pending = &self.pending;
        let queues_empty = self.interfaces.values().all(|interface| interface.flood_queue.is_empty());
        pending.elections.is_empty()
            && pending.requests.is_empty()
            && pending.router_lsas.is_empty()
            && self.spf_due_at(now).is_none_or(|at| at > now)
            && !pending.stale
            && !pending.flushed
            && queues_empty
    }
}
