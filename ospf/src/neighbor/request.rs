//! Link state requests: sent while a neighbor has something newer (RFC 2328 section 10.9), and answered
//! (section 10.7).

use crate::Instance;
use crate::error::Refusal;
use crate::interface::Destination;
use crate::lsdb::Scope;
use crate::neighbor::{Event, NeighborKey};
use crate::timer::TimerId;
use crate::types::Instant;
use crate::view::NeighborState;
use crate::wire::{LsaKey, PacketBody};

impl Instance {
    /// Goes on with the requests to a neighbor: the next ones leave as soon as the last ones are answered, in
    /// Exchange as well as in Loading, and an empty list ends Loading.
    pub(crate) fn advance_requests(&mut self, now: Instant, key: NeighborKey) {
        let Some(neighbor) = self.neighbor_mut(key).filter(|neighbor| neighbor.is_exchanging()) else {
            return;
        };
        let requests = &neighbor.requests;
        neighbor.requested.retain(|name| requests.contains_key(name));
        if !neighbor.requested.is_empty() {
            return;
        }
        if !neighbor.requests.is_empty() {
            return self.send_request(now, key);
        }
        self.timers.cancel(TimerId::RequestRetransmit(key));
        self.neighbor_event(now, key, Event::LoadingDone);
    }

    /// Asks for the first part of the list. Again after RxmtInterval, if that is not answered.
    pub(crate) fn send_request(&mut self, now: Instant, key: NeighborKey) {
        let Some(interface) = self.interfaces.get_mut(&key.interface) else { return };
        let capacity = interface.request_capacity();
        let again = now + interface.config.retransmit_interval;
        let Some(neighbor) = interface.neighbors.get_mut(&key.router) else { return };
        let names: Vec<_> = neighbor.requests.keys().take(capacity).copied().collect();
        neighbor.requested = names.iter().copied().collect();
        self.timers.arm(TimerId::RequestRetransmit(key), again);
        self.send(key.interface, Destination::Neighbor(key.router), PacketBody::LinkStateRequest(names));
    }

    /// Answers a request (section 10.7): with what we have, unless something is not there.
    pub(crate) fn receive_request(
        &mut self,
        now: Instant,
        key: NeighborKey,
        names: &[LsaKey],
    ) -> Result<(), Refusal> {
        let Some(area) = self.interfaces.get(&key.interface).map(|interface| interface.config.area) else {
            return Err(Refusal::InterfaceDown);
        };
        if self.neighbor(key).is_none_or(|neighbor| neighbor.state < NeighborState::Exchange) {
            return Err(Refusal::NeighborState);
        }
        let area_type = self.config.area_type(area);
        let have = |name: &LsaKey| {
            let scope = Scope::of(name.ls_type, key.interface, area);
            scope.reaches(key.interface, area, area_type)
                && self.lsdb(scope).is_some_and(|lsdb| lsdb.get(name).is_some())
        };
        if !names.iter().all(have) {
            self.neighbor_event(now, key, Event::BadLsReq);
            return Err(Refusal::BadRequest);
        }
        let lsas = names.iter().filter_map(|name| self.lsa_to_send(now, key.interface, name)).collect();
        self.send_updates(key.interface, Destination::Neighbor(key.router), lsas);
        // A neighbor that has restarted asks for its own instance of an earlier life, and drops it within MinLSArrival
        // of the one that it has just made (section 13 step 5a). It would ask again only after RxmtInterval.
        for name in names.iter().filter(|name| name.advertising_router == key.router) {
            self.add_retransmission(now, key, *name);
        }
        Ok(())
    }
}
