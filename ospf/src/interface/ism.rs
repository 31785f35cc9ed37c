//! The interface state machine (RFC 2328 section 9.3): up and down. What goes on between the routers of a network with a
//! designated router is in [`super::designated`].

use std::net::Ipv4Addr;

use crate::Instance;
use crate::config::InterfaceType;
use crate::event::{Notification, Output};
use crate::neighbor::{Event, NeighborKey};
use crate::originate::FIRST_ROUTER_LSA_DELAY;
use crate::timer::TimerId;
use crate::types::{Instant, InterfaceId};
use crate::view::InterfaceState;

impl Instance {
    /// InterfaceUp: point-to-point and point-to-multipoint interfaces go to Point-to-Point at once; on a broadcast or NBMA
    /// network whoever may become designated router first waits to hear of one. A hello leaves now instead of a
    /// HelloInterval later.
    pub(crate) fn interface_up(&mut self, now: Instant, id: InterfaceId) {
        let Some(interface) = self.interfaces.get_mut(&id).filter(|interface| !interface.is_up()) else {
            return;
        };
        let area = interface.config.area;
        let eligible = interface.config.priority > 0 && !interface.config.passive;
        let state = match interface.config.interface_type {
            InterfaceType::PointToPoint
            | InterfaceType::PointToMultipoint
            | InterfaceType::VirtualLink { .. } => InterfaceState::PointToPoint,
            InterfaceType::Broadcast | InterfaceType::NonBroadcast if eligible => InterfaceState::Waiting,
            InterfaceType::Broadcast | InterfaceType::NonBroadcast => InterfaceState::DrOther,
        };
        let wait_until = now + interface.config.dead_interval;
        self.set_interface_state(now, id, state);
        if state == InterfaceState::Waiting {
            self.timers.arm(TimerId::Wait(id), wait_until);
        }
        if self.areas.get(&area).is_some_and(|area| !area.router_lsa_started) {
            let at = now + FIRST_ROUTER_LSA_DELAY;
            self.timers.arm_no_later(TimerId::FirstRouterLsa(area), at);
        }
        self.follow_static_neighbors(now, id);
        self.hello_timer(now, id);
    }

    /// InterfaceDown: all variables are reset, all neighbors killed.
    pub(crate) fn interface_down(&mut self, now: Instant, id: InterfaceId) {
        let Some(interface) = self.interfaces.get_mut(&id).filter(|interface| interface.is_up()) else {
            return;
        };
        interface.flood_queue.clear();
        interface.delayed_acks.clear();
        let neighbors: Vec<_> = interface.neighbors.keys().copied().collect();
        for router in neighbors {
            self.neighbor_event(now, NeighborKey { interface: id, router }, Event::LinkLayerDown);
        }
        self.forget_silent_neighbors(id);
        self.forget_link_scope(id);
        self.timers.cancel(TimerId::Hello(id));
        self.timers.cancel(TimerId::DelayedAck(id));
        self.timers.cancel(TimerId::Wait(id));
        if let Some(interface) = self.interfaces.get_mut(&id) {
            interface.designated = Ipv4Addr::UNSPECIFIED;
            interface.backup = Ipv4Addr::UNSPECIFIED;
            interface.mismatches.clear();
        }
        self.set_interface_state(now, id, InterfaceState::Down);
    }

    pub(super) fn set_interface_state(&mut self, now: Instant, id: InterfaceId, state: InterfaceState) {
        let Some(interface) = self.interfaces.get_mut(&id) else { return };
        interface.state = state;
        interface.statistics.events += 1;
        interface.changed = now;
        let name = interface.config.name.clone();
        // Section 12.4 (2): the router-LSA of the area says what is up; of the others, whether we border.
        self.pending.router_lsas.extend(self.areas.keys().copied());
        // Its own prefixes come and go with it, whatever MinLSInterval makes of the router-LSA.
        self.request_spf(now, None);
        let notification = Notification::InterfaceStateChange { interface: id, name, state };
        self.outputs.push_back(Output::Notification(notification));
    }
}
