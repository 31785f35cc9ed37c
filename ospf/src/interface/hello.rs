//! Hellos: sending them (RFC 2328 section 9.5) and receiving them (section 10.5).

use std::net::Ipv4Addr;
use std::time::Duration;

use crate::Instance;
use crate::area::options_of;
use crate::config::AreaType;
use crate::error::Refusal;
use crate::interface::designated::Declaration;
use crate::interface::{Destination, Interface};
use crate::neighbor::{Event, Neighbor, NeighborKey};
use crate::timer::TimerId;
use crate::types::{Instant, InterfaceId, RouterId};
use crate::view::NeighborState;
use crate::wire::{Hello, Options, PacketBody};

impl Instance {
    /// Sends the periodic hello and arms the timer of the next.
    pub(crate) fn hello_timer(&mut self, now: Instant, id: InterfaceId) {
        let Some(interface) = self.interfaces.get(&id).filter(|interface| interface.speaks()) else { return };
        let next = now + interface.config.hello_interval;
        self.timers.arm(TimerId::Hello(id), next);
        self.send_hello(id, Destination::AllRouters, false);
    }

    /// Sends one hello. An `empty` one lists nobody, which makes every neighbor drop us at once.
    /// That is for all who were heard, whoever else is greeted.
    pub(crate) fn send_hello(&mut self, id: InterfaceId, destination: Destination, empty: bool) {
        let Some(interface) = self.interfaces.get(&id) else { return };
        let config = &interface.config;
        let hello = Hello {
            // Section 9.5: unnumbered point-to-point links and virtual links send a mask of zero.
            network_mask: if config.unnumbered || interface.is_virtual() {
                Ipv4Addr::UNSPECIFIED
            } else {
                config.address.netmask()
            },
            hello_interval: u16::try_from(whole_seconds(config.hello_interval)).unwrap_or(u16::MAX),
            options: options_of(self.config.area_type(config.area)),
            priority: config.priority,
            dead_interval: whole_seconds(config.dead_interval),
            designated_router: interface.designated,
            backup_designated_router: interface.backup,
            neighbors: if empty { Vec::new() } else { interface.neighbors.keys().copied().collect() },
        };
        let destination = if empty { Destination::Heard } else { destination };
        self.send(id, destination, PacketBody::Hello(hello));
    }

    /// A hello has passed the checks of every packet: those of section 10.5, then the neighbor.
    pub(crate) fn receive_hello(
        &mut self,
        now: Instant,
        id: InterfaceId,
        source: Ipv4Addr,
        router: RouterId,
        hello: &Hello,
    ) -> Result<(), Refusal> {
        let Some(interface) = self.interfaces.get_mut(&id) else { return Err(Refusal::InterfaceDown) };
        check_hello(interface, self.config.area_type(interface.config.area), hello)?;
        interface.mismatches.accepted_hello(source);
        self.forget_replaced_neighbors(now, id, source, router);

        let key = NeighborKey { interface: id, router };
        let declared = self.neighbor(key).map(Declaration::of);
        let is_new = declared.is_none();
        // Whoever claims to be a thousand routers must not push those that are here out of our hellos.
        if is_new && self.interfaces.get(&id).is_some_and(|i| i.neighbors.len() >= i.hello_capacity()) {
            return Err(Refusal::TooManyNeighbors);
        }
        if is_new && let Some(interface) = self.interfaces.get_mut(&id) {
            interface.neighbors.insert(router, Neighbor::new(now, router, source, hello.priority));
            self.no_longer_silent(id, source);
        }
        self.update_neighbor(now, id, router, source, hello);
        self.neighbor_event(now, key, Event::HelloReceived);

        let listed = hello.neighbors.contains(&self.config.router_id);
        let knew_us = self.neighbor(key).is_some_and(|neighbor| neighbor.state > NeighborState::Init);
        // Whoever does not know us yet is told at once, and so is whoever has forgotten us: Full then takes
        // a few round trips instead of a HelloInterval.
        let owes_answer = self.interfaces.get(&id).is_some_and(|i| i.owes_answer(source, hello));
        if is_new || (knew_us && !listed) || owes_answer {
            self.send_hello(id, Destination::Neighbor(router), false);
        }
        if listed {
            self.heard_alive(now, router);
            self.neighbor_event(now, key, Event::TwoWayReceived);
            self.declared(now, key, declared, hello);
        } else if self.neighbor(key).is_none_or(|neighbor| neighbor.helped_until.is_none()) {
            self.neighbor_event(now, key, Event::OneWayReceived);
        }
        Ok(())
    }

    /// What a hello says about its sender. A point-to-point neighbor may change its address; routes through it
    /// then follow.
    fn update_neighbor(
        &mut self,
        now: Instant,
        id: InterfaceId,
        router: RouterId,
        source: Ipv4Addr,
        hello: &Hello,
    ) {
        let Some(interface) = self.interfaces.get_mut(&id) else { return };
        let Some(neighbor) = interface.neighbors.get_mut(&router) else { return };
        neighbor.priority = hello.priority;
        neighbor.designated = hello.designated_router;
        neighbor.backup = hello.backup_designated_router;
        if neighbor.address != source {
            neighbor.address = source;
            self.request_spf(now, None);
        }
    }

    /// Section 10.5: on a point-to-point network the neighbor is who has the router id, elsewhere who has the address.
    /// A router that comes back under another id, or elsewhere at another address, is another neighbor, and the old one
    /// is gone. (While the old one hears us, the hello from elsewhere was refused.)
    fn forget_replaced_neighbors(
        &mut self,
        now: Instant,
        id: InterfaceId,
        source: Ipv4Addr,
        router: RouterId,
    ) {
        let Some(interface) = self.interfaces.get(&id) else { return };
        let is_shared = interface.is_shared();
        let replaced: Vec<_> = interface
            .neighbors
            .values()
            .filter(|old| match old.router_id == router {
                true => is_shared && old.address != source,
                false => old.address == source,
            })
            .map(|old| NeighborKey { interface: id, router: old.router_id })
            .collect();
        for key in replaced {
            self.neighbor_event(now, key, Event::KillNbr);
        }
    }
}

/// The checks of section 10.5. The network mask counts wherever many routers share the network.
fn check_hello(interface: &Interface, area_type: AreaType, hello: &Hello) -> Result<(), Refusal> {
    let (own, theirs) = (interface.config.address.netmask(), hello.network_mask);
    if interface.is_shared() && own != theirs {
        return Err(Refusal::NetworkMaskMismatch { own, theirs });
    }
    let (own, theirs) = (whole_seconds(interface.config.hello_interval), u32::from(hello.hello_interval));
    if own != theirs {
        return Err(Refusal::HelloIntervalMismatch { own, theirs });
    }
    let (own, theirs) = (whole_seconds(interface.config.dead_interval), hello.dead_interval);
    if own != theirs {
        return Err(Refusal::DeadIntervalMismatch { own, theirs });
    }
    // Whether the area takes AS-external advertisements, and whether it is not so stubby (RFC 3101 section 2.4).
    let (own, theirs) = (options_of(area_type), hello.options & (Options::E | Options::NP));
    if own != theirs {
        return Err(Refusal::OptionsMismatch { own, theirs });
    }
    Ok(())
}

/// The wire carries whole seconds: a part of one counts as one.
fn whole_seconds(duration: Duration) -> u32 {
    let seconds = duration.as_secs() + u64::from(duration.subsec_nanos() > 0);
    u32::try_from(seconds).unwrap_or(u32::MAX)
}
