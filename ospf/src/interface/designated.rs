//! Networks with a designated router: when one is elected (RFC 2328 sections 9.2 and 9.3), what the result means for
//! this router, and who is adjacent to whom (section 10.4).

use std::net::Ipv4Addr;

use crate::Instance;
use crate::interface::election::{Candidate, Elected, elect};
use crate::interface::{Destination, Interface};
use crate::neighbor::{Event, Neighbor, NeighborKey};
use crate::timer::TimerId;
use crate::types::{Instant, InterfaceId, RouterId};
use crate::view::{InterfaceState, NeighborState};
use crate::wire::Hello;

/// What of a neighbor's hello an election depends on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Declaration {
    priority: u8,
    is_designated: bool,
    is_backup: bool,
}

impl Declaration {
    pub(super) fn of(neighbor: &Neighbor) -> Self {
        Self {
            priority: neighbor.priority,
            is_designated: neighbor.designated == neighbor.address,
            is_backup: neighbor.backup == neighbor.address,
        }
    }
}

impl Interface {
    /// Section 10.4: whether a neighbor should become adjacent.
    pub(crate) fn is_adjacent_to(&self, neighbor: &Neighbor) -> bool {
        !self.has_designated_router()
            || self.is_designated()
            || neighbor.address == self.designated
            || neighbor.address == self.backup
    }

    /// The network's designated router, if this router is connected to the network by it: a neighbor that it is fully
    /// adjacent to, or itself and somebody is fully adjacent to it (section 12.4.1.2).
    pub(crate) fn transit(&self) -> Option<Ipv4Addr> {
        let connected = match self.state {
            InterfaceState::Dr => self.full_neighbors().next().is_some(),
            InterfaceState::Bdr | InterfaceState::DrOther => {
                self.full_neighbors().any(|neighbor| neighbor.address == self.designated)
            }
            _ => false,
        };
        (self.has_designated_router() && connected).then_some(self.designated)
    }

    /// The router that has an address of the network, as far as it was heard of.
    pub(crate) fn router_at(&self, own: RouterId, address: Ipv4Addr) -> Option<RouterId> {
        if address == self.address() {
            return Some(own);
        }
        self.neighbors.values().find(|neighbor| neighbor.address == address).map(|n| n.router_id)
    }

    fn elected(&self) -> Elected {
        Elected { designated: self.designated, backup: self.backup }
    }

    /// Who takes part in the election.
    fn candidates(&self, own: RouterId) -> (Candidate, Vec<Candidate>) {
        let own = Candidate {
            router: own,
            address: self.address(),
            priority: self.config.priority,
            declares: self.elected(),
        };
        let heard = self.neighbors.values().filter(|neighbor| neighbor.state >= NeighborState::TwoWay);
        let others = heard.map(|neighbor| Candidate {
            router: neighbor.router_id,
            address: neighbor.address,
            priority: neighbor.priority,
            declares: Elected { designated: neighbor.designated, backup: neighbor.backup },
        });
        (own, others.collect())
    }
}

impl Instance {
    /// WaitTimer: nobody has said who the designated router is.
    pub(crate) fn wait_timer(&mut self, now: Instant, id: InterfaceId) {
        if self.interfaces.get(&id).is_some_and(|interface| interface.state == InterfaceState::Waiting) {
            self.elect(now, id);
        }
    }

    /// What a hello of a neighbor that hears us says about roles (section 10.5, end): BackupSeen ends the waiting, and
    /// another declaration than `before` is a NeighborChange.
    pub(super) fn declared(
        &mut self,
        now: Instant,
        key: NeighborKey,
        before: Option<Declaration>,
        hello: &Hello,
    ) {
        let Some(interface) = self.interfaces.get(&key.interface).filter(|i| i.has_designated_router())
        else {
            return;
        };
        let Some(after) = interface.neighbors.get(&key.router).map(Declaration::of) else { return };
        let is_alone = hello.backup_designated_router.is_unspecified();
        if interface.state == InterfaceState::Waiting {
            if after.is_backup || (after.is_designated && is_alone) {
                self.elect(now, key.interface);
            }
        } else if before != Some(after) {
            self.pending.elections.insert(key.interface);
        }
    }

    /// NeighborChange: the set of routers on the network, or what they declare, is another (section 9.2).
    pub(crate) fn neighbor_change(&mut self, now: Instant, id: InterfaceId) {
        let Some(interface) = self.interfaces.get(&id).filter(|interface| !interface.config.passive) else {
            return;
        };
        let takes_part = interface.is_designated() || interface.state == InterfaceState::DrOther;
        // RFC 3623 section 3: who restarts keeps its role meanwhile.
        if takes_part && !self.helps_on(id) {
            self.elect(now, id);
        }
    }

    /// Elects, and takes the role that this router has now (section 9.4).
    fn elect(&mut self, now: Instant, id: InterfaceId) {
        let Some(interface) = self.interfaces.get_mut(&id) else { return };
        let (own, others) = interface.candidates(self.config.router_id);
        let before = interface.elected();
        let elected = elect(own, &others);
        let state = match own.address {
            address if address == elected.designated => InterfaceState::Dr,
            address if address == elected.backup => InterfaceState::Bdr,
            _ => InterfaceState::DrOther,
        };
        (interface.designated, interface.backup) = (elected.designated, elected.backup);
        let (area, has_new_role) = (interface.config.area, interface.state != state);
        self.timers.cancel(TimerId::Wait(id));
        if has_new_role {
            self.set_interface_state(now, id, state);
        }
        if elected != before {
            // Step 7; and section 12.4 (3): the link to the network is another.
            self.pending.router_lsas.insert(area);
            self.request_spf(now, None);
            self.reconsider_adjacencies(now, id);
        }
        if has_new_role {
            if matches!(state, InterfaceState::Dr | InterfaceState::Bdr) {
                // Step 6: who is not eligible is asked from now on.
                self.start_silent_neighbors(now, id, |priority| priority == 0);
            }
            self.send_hello(id, Destination::AllRouters, false);
        }
    }

    /// AdjOK? for every neighbor that hears us.
    fn reconsider_adjacencies(&mut self, now: Instant, id: InterfaceId) {
        let Some(interface) = self.interfaces.get(&id) else { return };
        let routers: Vec<_> = interface.neighbors.keys().copied().collect();
        for router in routers {
            self.neighbor_event(now, NeighborKey { interface: id, router }, Event::AdjOk);
        }
    }
}
