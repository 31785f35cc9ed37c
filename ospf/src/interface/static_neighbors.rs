//! Listed neighbors on networks without multicast (RFC 2328 sections 9.5 and 9.5.1): whom hellos go to, and what becomes of
//! neighbors that are not heard (states Down and Attempt of section 10.1, event Start). A neighbor that is heard is one
//! like any other: [`crate::neighbor`].

use std::net::Ipv4Addr;

use crate::Instance;
use crate::config::InterfaceType;
use crate::event::{Notification, Output};
use crate::interface::{Destination, Interface};
use crate::timer::TimerId;
use crate::types::{Instant, InterfaceId, RouterId};
use crate::view::NeighborState;
use crate::wire::Hello;

/// A neighbor that is listed and not heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SilentNeighbor {
    /// Whether it is asked as often as one that is heard, in state Attempt, and not only polled.
    pub(crate) is_attempted: bool,
    /// Changes of its state so far.
    pub(crate) events: u64,
}

impl SilentNeighbor {
    /// Its state (section 10.1).
    pub(crate) fn state(self) -> NeighborState {
        if self.is_attempted { NeighborState::Attempt } else { NeighborState::Down }
    }
}

impl Interface {
    /// Whether hellos leave to a router regularly. Section 9.5: on a point-to-multipoint network to everybody. Section
    /// 9.5.1: those who may become designated router send to each other, the designated router and its backup to
    /// everybody, and everybody to these two.
    fn is_greeted(&self, address: Ipv4Addr, priority: u8) -> bool {
        if !self.has_designated_router() {
            return true;
        }
        if self.config.priority == 0 {
            return address == self.designated || address == self.backup;
        }
        priority > 0 || self.is_designated()
    }

    /// Whom a periodic hello goes to, on a network without multicast. Neighbors in state Down are polled on their own where
    /// there is a designated router, and asked like all others where there is none.
    pub(super) fn greeted(&self) -> impl Iterator<Item = Ipv4Addr> {
        let heard = self.neighbors.values().map(|neighbor| (neighbor.address, neighbor.priority));
        let silent =
            self.silent.iter().filter(|(_, neighbor)| neighbor.is_attempted || !self.has_designated_router());
        let silent = silent.map(|(address, _)| (*address, self.listed_priority(*address)));
        let all = heard.chain(silent).filter(|(address, priority)| self.is_greeted(*address, *priority));
        all.map(|(address, _)| address)
    }

    /// The priority that a listed neighbor has before it was heard.
    pub(crate) fn listed_priority(&self, address: Ipv4Addr) -> u8 {
        self.config.static_neighbors.get(&address).copied().unwrap_or_default().priority
    }

    /// Section 9.5.1: who cannot become designated router sends to the present two, and answers whoever may become one.
    pub(super) fn owes_answer(&self, source: Ipv4Addr, hello: &Hello) -> bool {
        self.config.interface_type == InterfaceType::NonBroadcast
            && self.config.priority == 0
            && hello.priority > 0
            && source != self.designated
            && source != self.backup
    }

    fn is_heard(&self, address: Ipv4Addr) -> bool {
        self.neighbors.values().any(|neighbor| neighbor.address == address)
    }
}

impl Instance {
    /// The interface has come up, or the list is another: who is not heard is asked, if a hello goes there at all (section
    /// 9.3, InterfaceUp: of those who may become designated router each asks the others). The next hello does it.
    pub(crate) fn follow_static_neighbors(&mut self, now: Instant, id: InterfaceId) {
        let Some(interface) = self.interfaces.get_mut(&id).filter(|interface| interface.speaks()) else {
            return;
        };
        let listed = |address: &Ipv4Addr| interface.config.static_neighbors.contains_key(address);
        let gone: Vec<_> = interface.silent.keys().filter(|address| !listed(address)).copied().collect();
        for address in gone {
            interface.silent.remove(&address);
            self.timers.cancel(TimerId::SilentNeighbor(id, address));
        }
        if !interface.config.is_non_broadcast() {
            return;
        }
        let own = interface.address();
        let listed: Vec<_> = interface.config.static_neighbors.keys().copied().collect();
        for address in listed.into_iter().filter(|address| *address != own) {
            self.fell_silent(now, id, address);
        }
        self.start_silent_neighbors(now, id, |_| true);
    }

    /// A listed neighbor is not heard, or not any more: it is Down, and polled (section 9.5.1).
    pub(crate) fn fell_silent(&mut self, now: Instant, id: InterfaceId, address: Ipv4Addr) {
        let Some(interface) = self.interfaces.get_mut(&id).filter(|interface| interface.speaks()) else {
            return;
        };
        let Some(listed) = interface.config.static_neighbors.get(&address).copied() else { return };
        if !interface.config.is_non_broadcast() || interface.is_heard(address) {
            return;
        }
        let down = SilentNeighbor { is_attempted: false, events: 0 };
        let silent = *interface.silent.entry(address).or_insert(down);
        if !silent.is_attempted && interface.has_designated_router() {
            self.timers.arm_no_later(TimerId::SilentNeighbor(id, address), now + listed.poll_interval);
        }
    }

    /// Event Start (section 10.2) for neighbors in state Down that hellos go to and whose priority is meant: until
    /// RouterDeadInterval is over they are asked as often as who is heard.
    pub(super) fn start_silent_neighbors(
        &mut self,
        now: Instant,
        id: InterfaceId,
        is_meant: impl Fn(u8) -> bool,
    ) {
        let Some(interface) = self.interfaces.get(&id).filter(|i| i.speaks() && i.has_designated_router())
        else {
            return;
        };
        let until = now + interface.config.dead_interval;
        let down = interface.silent.iter().filter(|(_, neighbor)| !neighbor.is_attempted);
        let started = down.map(|(address, _)| (*address, interface.listed_priority(*address)));
        let started: Vec<_> = started
            .filter(|(address, priority)| is_meant(*priority) && interface.is_greeted(*address, *priority))
            .map(|(address, _)| address)
            .collect();
        for address in started {
            self.set_silent_state(id, address, true);
            self.timers.arm(TimerId::SilentNeighbor(id, address), until);
        }
    }

    /// InactivityTimer in state Attempt, and the time for another poll in state Down.
    pub(crate) fn silent_neighbor_timer(&mut self, now: Instant, id: InterfaceId, address: Ipv4Addr) {
        let Some(interface) = self.interfaces.get(&id) else { return };
        let Some(silent) = interface.silent.get(&address) else { return };
        let is_greeted = interface.is_greeted(address, interface.listed_priority(address));
        if silent.is_attempted {
            self.set_silent_state(id, address, false);
        } else if is_greeted {
            self.send_hello(id, Destination::Address(address), false);
        }
        self.fell_silent(now, id, address);
    }

    /// A hello has come from there.
    pub(super) fn no_longer_silent(&mut self, id: InterfaceId, address: Ipv4Addr) {
        let Some(interface) = self.interfaces.get_mut(&id) else { return };
        if interface.silent.remove(&address).is_some() {
            self.timers.cancel(TimerId::SilentNeighbor(id, address));
        }
    }

    /// InterfaceDown: nobody is asked any more.
    pub(super) fn forget_silent_neighbors(&mut self, id: InterfaceId) {
        let Some(interface) = self.interfaces.get_mut(&id) else { return };
        for address in std::mem::take(&mut interface.silent).into_keys() {
            self.timers.cancel(TimerId::SilentNeighbor(id, address));
        }
    }

    fn set_silent_state(&mut self, id: InterfaceId, address: Ipv4Addr, is_attempted: bool) {
        let Some(interface) = self.interfaces.get_mut(&id) else { return };
        let Some(silent) = interface.silent.get_mut(&address) else { return };
        *silent = SilentNeighbor { is_attempted, events: silent.events + 1 };
        self.outputs.push_back(Output::Notification(Notification::NeighborStateChange {
            interface: id,
            router_id: RouterId(Ipv4Addr::UNSPECIFIED),
            address,
            state: silent.state(),
        }));
    }
}
