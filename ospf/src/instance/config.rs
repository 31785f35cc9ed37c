//! Reconfiguration. An adjacency survives every change that does not concern it (DESIGN I8); each change
//! costs the least that RFC 2328 lets it cost:
//!
//! | what has changed | what happens |
//! |---|---|
//! | name, timers, transmit delay, authentication, TTL security | nothing but the new value |
//! | priority | an election on a broadcast or NBMA network; adjacencies that the result does not end stay |
//! | listed neighbors | who is not heard is asked, or not any more; who is heard stays |
//! | cost, stub prefixes, unnumbered, address of a point-to-point interface, where its packets go | routes and advertisements |
//! | stub router, prefix suppression, host name | advertisements |
//! | help for neighbors that restart | those that are helped, if they are not to be any more |
//! | rules of the calculation of routes | routes |
//! | ranges, default cost, default route and summaries of a stub or not-so-stubby area, its translator | summaries, type 5 and type 7 advertisements |
//! | MTU or its check | exchanges that are not Full yet start again |
//! | area, type of network, ends of a virtual link, passive, address of an interface that is not point-to-point | the interface goes down and up |
//! | type of an area | the interfaces of that area go down and up |
//! | router id | everything starts again |

use std::borrow::Cow;

use crate::Instance;
use crate::area::{Area, options_of};
use crate::config::{InstanceConfig, InterfaceConfig, InterfaceType};
use crate::interface::{Destination, Interface};
use crate::lsdb::Scope;
use crate::neighbor::{Event, NeighborKey};
use crate::record::Input;
use crate::timer::TimerId;
use crate::types::{AreaId, Instant, InterfaceId};
use crate::view::NeighborState;

impl Instance {
    /// Takes a new configuration and applies what differs.
    pub fn handle_config(&mut self, now: Instant, config: InstanceConfig) {
        if !self.begin(now, &Input::Config(Cow::Borrowed(&config))) || config == self.config {
            return;
        }
        if config.router_id != self.config.router_id {
            self.restart(now, config);
        } else {
            self.reconfigure(now, config);
        }
        self.follow_keys();
        // Another router id has none in the database yet, and the first normal area takes what a stub area does not.
        self.originate_externals(now);
        self.pending.router_lsas.extend(self.areas.keys().copied());
        self.request_spf(now, None);
        self.settle(now);
    }

    /// Another router id is another router (section 5): this one says farewell, and the next begins with
    /// nothing but the links.
    fn restart(&mut self, now: Instant, config: InstanceConfig) {
        let up: Vec<_> = self.interfaces.iter().filter(|(_, i)| i.link_up).map(|(id, _)| *id).collect();
        self.farewell(now);
        for id in self.interfaces.keys().copied().collect::<Vec<_>>() {
            self.interface_down(now, id);
        }
        self.timers.clear();
        self.areas = config.areas.keys().map(|id| (*id, Area::default())).collect();
        self.as_scope = Area::default();
        self.trees = None;
        self.interfaces =
            config.interfaces.iter().map(|(id, config)| (*id, Interface::new(now, config.clone()))).collect();
        self.config = config;
        for id in up {
            self.link_comes_back(now, id);
        }
    }

    fn reconfigure(&mut self, now: Instant, config: InstanceConfig) {
        let gone: Vec<_> =
            self.interfaces.keys().filter(|id| !config.interfaces.contains_key(id)).copied().collect();
        let areas_gone: Vec<_> =
            self.areas.keys().filter(|id| !config.areas.contains_key(id)).copied().collect();
        for id in &areas_gone {
            // Section 14.1: what we say into an area is taken back before we leave it.
            self.withdraw_all(now, Scope::Area(*id));
        }
        self.send_flood_queues(now);
        for id in gone {
            // As at shutdown: neighbors need not wait for RouterDeadInterval.
            self.send_hello(id, Destination::AllRouters, true);
            self.interface_down(now, id);
            self.forget_link_scope(id);
            self.interfaces.remove(&id);
        }
        for id in config.areas.keys() {
            self.areas.entry(*id).or_default();
        }
        let retyped = self.leave_retyped_areas(now, &config);
        if !config.graceful_restart.helper_enabled {
            self.stop_helping_all(now);
        }
        let previous = std::mem::replace(&mut self.config, config);
        self.forget_former_nssas(&previous);
        for (id, config) in self.config.interfaces.clone() {
            match previous.interfaces.get(&id) {
                Some(old) if *old == config => {}
                Some(old) => self.change_interface(now, id, old, config),
                None => {
                    self.interfaces.insert(id, Interface::new(now, config));
                }
            }
        }
        for id in retyped {
            if self.interfaces.get(&id).is_some_and(|interface| interface.link_up) {
                self.interface_up(now, id);
            }
        }
        for id in areas_gone {
            self.remove_area(id);
        }
        if !self.config.areas.keys().any(|id| self.config.area_type(*id).takes_externals()) {
            // Nobody keeps them up to date any more.
            let externals = std::mem::take(&mut self.as_scope);
            self.forget_timers(Scope::As, &externals);
        }
    }

    /// All routers of an area agree whether it takes AS-external advertisements or is not so stubby (section 10.5): where that changes,
    /// adjacencies start again. Takes leave while hellos still say what the neighbors expect. Returns the interfaces.
    fn leave_retyped_areas(&mut self, now: Instant, config: &InstanceConfig) -> Vec<InterfaceId> {
        let options = |config: &InstanceConfig, area| options_of(config.area_type(area));
        let is_retyped = |area: AreaId| options(&self.config, area) != options(config, area);
        let interfaces = self.interfaces.iter().filter(|(_, interface)| is_retyped(interface.config.area));
        let ids: Vec<_> = interfaces.map(|(id, _)| *id).collect();
        for id in &ids {
            self.send_hello(*id, Destination::AllRouters, true);
            self.interface_down(now, *id);
        }
        ids
    }

    /// What was said on a link is gone with it.
    pub(crate) fn forget_link_scope(&mut self, id: InterfaceId) {
        let Some(interface) = self.interfaces.get_mut(&id) else { return };
        let link = std::mem::take(&mut interface.link_scope);
        self.forget_timers(Scope::Link(id), &link);
    }

    fn remove_area(&mut self, id: AreaId) {
        if let Some(area) = self.areas.remove(&id) {
            self.forget_timers(Scope::Area(id), &area);
        }
        if let Some(trees) = &mut self.trees {
            trees.forget(id);
        }
        self.timers.cancel(TimerId::FirstRouterLsa(id));
        self.timers.cancel(TimerId::Translator(id));
    }

    /// Forgets what was due for the advertisements of a scope that is no more.
    fn forget_timers(&mut self, scope: Scope, area: &Area) {
        for (name, _) in area.lsdb.iter() {
            self.timers.cancel(TimerId::LsaAge(scope, *name));
        }
        for name in area.originations.keys() {
            self.timers.cancel(TimerId::Originate(scope, *name));
        }
        self.timers.cancel(TimerId::Stale(scope));
    }

    fn change_interface(
        &mut self,
        now: Instant,
        id: InterfaceId,
        old: &InterfaceConfig,
        new: InterfaceConfig,
    ) {
        let restarts = needs_restart(old, &new);
        let renegotiates = old.mtu != new.mtu || old.mtu_ignore != new.mtu_ignore;
        // A hello tells of the new value at once.
        let hello_changed = old.hello_interval != new.hello_interval || old.priority != new.priority;
        let relisted = old.static_neighbors != new.static_neighbors || old.priority != new.priority;
        let elects = matches!(new.interface_type, InterfaceType::Broadcast | InterfaceType::NonBroadcast);
        if elects && old.priority != new.priority {
            self.pending.elections.insert(id);
        }
        if restarts {
            self.send_hello(id, Destination::AllRouters, true);
            self.interface_down(now, id);
        }
        let Some(interface) = self.interfaces.get_mut(&id) else { return };
        interface.replay.keep(&old.authentication, &new.authentication);
        interface.config = new;
        interface.mismatches.clear();
        if restarts && (old.interface_type.virtual_link().is_some() || interface.is_virtual()) {
            // The next calculation of routes finds its path.
            interface.virtual_ends = None;
            interface.link_up = false;
        }
        let link_up = interface.link_up;
        if restarts && link_up {
            return self.interface_up(now, id);
        }
        if relisted {
            self.follow_static_neighbors(now, id);
        }
        if hello_changed || relisted {
            self.hello_timer(now, id);
        }
        if renegotiates {
            self.restart_exchanges(now, id);
        }
    }

    /// Section 10.6: an exchange that a difference of MTUs has stopped, or that was begun with another MTU.
    fn restart_exchanges(&mut self, now: Instant, id: InterfaceId) {
        let Some(interface) = self.interfaces.get(&id) else { return };
        let unfinished: Vec<_> = interface
            .neighbors
            .values()
            .filter(|neighbor| neighbor.is_exchanging() || neighbor.state == NeighborState::ExStart)
            .map(|neighbor| NeighborKey { interface: id, router: neighbor.router_id })
            .collect();
        for key in unfinished {
            self.neighbor_event(now, key, Event::OneWayReceived);
            self.neighbor_event(now, key, Event::TwoWayReceived);
        }
    }

    fn link_comes_back(&mut self, now: Instant, id: InterfaceId) {
        // A virtual link comes with its path.
        if let Some(interface) = self.interfaces.get_mut(&id).filter(|interface| !interface.is_virtual()) {
            interface.link_up = true;
            self.interface_up(now, id);
        }
    }
}

/// Whether neighbors know the interface by something that has changed.
fn needs_restart(old: &InterfaceConfig, new: &InterfaceConfig) -> bool {
    old.area != new.area
        || old.interface_type != new.interface_type
        || old.passive != new.passive
        || (new.interface_type != InterfaceType::PointToPoint && old.address != new.address)
}
