//! The neighbor state machine (RFC 2328 section 10.3).

use crate::Instance;
use crate::event::{Notification, Output};
use crate::neighbor::NeighborKey;
use crate::timer::TimerId;
use crate::types::Instant;
use crate::view::NeighborState;

/// What happens to a neighbor (section 10.2).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Event {
    HelloReceived,
    TwoWayReceived,
    NegotiationDone,
    ExchangeDone,
    AdjOk,
    BadLsReq,
    LoadingDone,
    SeqNumberMismatch,
    OneWayReceived,
    KillNbr,
    InactivityTimer,
    /// BFD has found that packets do not pass (RFC 5882 section 4.2).
    BfdDown,
    LinkLayerDown,
}

impl Instance {
    /// Takes a neighbor one step further. A neighbor that goes Down is forgotten.
    pub(crate) fn neighbor_event(&mut self, now: Instant, key: NeighborKey, event: Event) {
        use NeighborState as State;

        let Some(neighbor) = self.neighbor(key) else { return };
        // RFC 3623 section 3: its silence is expected. RFC 5882 section 4.3.2: so is that of its BFD.
        if neighbor.helped_until.is_some() && matches!(event, Event::InactivityTimer | Event::BfdDown) {
            return;
        }
        match (neighbor.state, event) {
            (state, Event::HelloReceived) => {
                self.restart_inactivity_timer(now, key);
                if state == State::Down {
                    self.set_neighbor_state(now, key, State::Init);
                }
            }
            (State::Init, Event::TwoWayReceived) if self.should_be_adjacent(key) => {
                self.start_exchange(now, key);
            }
            (State::Init, Event::TwoWayReceived) => self.set_neighbor_state(now, key, State::TwoWay),
            (State::TwoWay, Event::AdjOk) if self.should_be_adjacent(key) => self.start_exchange(now, key),
            (state, Event::AdjOk) if state >= State::ExStart && !self.should_be_adjacent(key) => {
                self.forget_exchange(key);
                self.set_neighbor_state(now, key, State::TwoWay);
            }
            (State::ExStart, Event::NegotiationDone) => self.negotiation_done(now, key),
            (State::Exchange, Event::ExchangeDone) => self.exchange_done(now, key),
            (State::Loading, Event::LoadingDone) => self.set_neighbor_state(now, key, State::Full),
            (state, Event::SeqNumberMismatch | Event::BadLsReq) if state >= State::Exchange => {
                self.forget_exchange(key);
                self.start_exchange(now, key);
            }
            (state, Event::OneWayReceived) if state >= State::TwoWay => {
                self.forget_exchange(key);
                self.set_neighbor_state(now, key, State::Init);
            }
            (_, Event::KillNbr | Event::InactivityTimer | Event::BfdDown | Event::LinkLayerDown) => {
                self.forget_exchange(key);
                self.timers.cancel(TimerId::Inactivity(key));
                self.timers.cancel(TimerId::GracePeriod(key));
                if let Some(neighbor) = self.neighbor_mut(key) {
                    neighbor.helped_until = None;
                }
                self.set_neighbor_state(now, key, State::Down);
                let interface = self.interfaces.get_mut(&key.interface);
                if let Some(gone) = interface.and_then(|interface| interface.neighbors.remove(&key.router)) {
                    self.fell_silent(now, key.interface, gone.address);
                }
            }
            // Every other pair changes nothing: either the table says so or the event cannot arise there.
            _ => {}
        }
    }

    /// Section 10.4.
    fn should_be_adjacent(&self, key: NeighborKey) -> bool {
        let Some(interface) = self.interfaces.get(&key.interface) else { return false };
        interface.neighbors.get(&key.router).is_some_and(|neighbor| interface.is_adjacent_to(neighbor))
    }

    /// The data that synchronisation has built up goes: sections 10.3 and 10.6.
    fn forget_exchange(&mut self, key: NeighborKey) {
        if let Some(neighbor) = self.neighbor_mut(key) {
            neighbor.summaries.clear();
            neighbor.requests.clear();
            neighbor.requested.clear();
            neighbor.retransmissions.clear();
            neighbor.last_received = None;
            neighbor.last_sent = None;
            neighbor.exchange_done = None;
        }
        self.timers.cancel(TimerId::DdRetransmit(key));
        self.timers.cancel(TimerId::RequestRetransmit(key));
        self.timers.cancel(TimerId::UpdateRetransmit(key));
        self.pending.flushed = true;
    }

    /// Changes the state, and does what depends on whether the neighbor is, or was, Full.
    pub(crate) fn set_neighbor_state(&mut self, now: Instant, key: NeighborKey, state: NeighborState) {
        let Some(interface) = self.interfaces.get_mut(&key.interface) else { return };
        let (area_id, has_designated_router) = (interface.config.area, interface.has_designated_router());
        let transit_area =
            interface.config.interface_type.virtual_link().map(|(transit_area, _)| transit_area);
        let Some(neighbor) = interface.neighbors.get_mut(&key.router) else { return };
        let before = std::mem::replace(&mut neighbor.state, state);
        neighbor.changed = now;
        neighbor.events += 1;
        let address = neighbor.address;
        if (before == NeighborState::Full) != (state == NeighborState::Full) {
            // Section 12.4 (4): the router-LSA lists Full neighbors. The first one of an area is originated
            // now, when nobody can hold a young copy of it (a deviation, see FIRST_ROUTER_LSA_DELAY).
            if let Some(area) = self.areas.get_mut(&area_id).filter(|_| state == NeighborState::Full) {
                area.router_lsa_started = true;
                self.timers.cancel(TimerId::FirstRouterLsa(area_id));
            }
            self.pending.router_lsas.insert(area_id);
            // Section 12.4.1: the transit area of a virtual link is told with bit V.
            self.pending.router_lsas.extend(transit_area);
            self.request_spf(now, None);
        }
        // Section 9.2: NeighborChange.
        let hears_us = |state| state >= NeighborState::TwoWay;
        if has_designated_router && hears_us(before) != hears_us(state) {
            self.pending.elections.insert(key.interface);
        }
        // Section 14: MaxAge advertisements wait for exchanges to end; so do those of an earlier life.
        self.pending.flushed = true;
        self.pending.stale = true;
        self.outputs.push_back(Output::Notification(Notification::NeighborStateChange {
            interface: key.interface,
            router_id: key.router,
            address,
            state,
        }));
    }

    fn restart_inactivity_timer(&mut self, now: Instant, key: NeighborKey) {
        let Some(interface) = self.interfaces.get(&key.interface) else { return };
        let at = now + interface.config.dead_interval;
        self.timers.arm(TimerId::Inactivity(key), at);
    }
}
