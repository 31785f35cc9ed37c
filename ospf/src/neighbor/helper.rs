//! Helping a neighbor that restarts (RFC 3623 section 3): for the grace period that it has asked for it is announced, and used, as if
//! it had gone on, although its adjacency is made anew meanwhile.

use std::time::Duration;

use crate::Instance;
use crate::event::{Notification, Output};
use crate::lsdb::Scope;
use crate::neighbor::{Event, NeighborKey};
use crate::timer::TimerId;
use crate::types::{Instant, InterfaceId};
use crate::view::{NeighborState, RestartExitReason};
use crate::wire::opaque::{self, GRACE, Grace};
use crate::wire::{LsType, LsaBody, LsaKey};

impl Instance {
    /// A neighbor's grace-LSA has come, or was flushed (section 3.1, and 3.2 (1)).
    pub(crate) fn receive_grace(&mut self, now: Instant, id: InterfaceId, name: &LsaKey) {
        if name.ls_type != LsType::OPAQUE_LINK || opaque::parts(name.id).0 != GRACE {
            return;
        }
        let Some(entry) = self.lsdb(Scope::Link(id)).and_then(|lsdb| lsdb.get(name)) else { return };
        let LsaBody::Opaque(body) = &entry.body else { return };
        let Ok(Some(grace)) = Grace::decode(body) else { return };
        let (age, is_flushed) = (entry.age(now), entry.is_max_age(now));
        let Some(key) = self.restarting(id, name, &grace) else { return };
        if is_flushed {
            return self.stop_helping(now, key, RestartExitReason::Completed);
        }
        let left = u64::from(grace.period).saturating_sub(age.into());
        if left > 0 && self.may_help(key) {
            self.help(now, key, Duration::from_secs(left.min(LONGEST)));
        }
    }

    /// Whom a grace-LSA is about: its originator; where neighbors are known by their addresses, who has the one that it names.
    fn restarting(&self, id: InterfaceId, name: &LsaKey, grace: &Grace) -> Option<NeighborKey> {
        let interface = self.interfaces.get(&id)?;
        let neighbor = interface.neighbors.get(&name.advertising_router)?;
        let is_it = !interface.is_shared() || grace.address.is_none_or(|address| address == neighbor.address);
        is_it.then_some(NeighborKey { interface: id, router: neighbor.router_id })
    }

    /// Section 3.1: the neighbor is Full, or helped already, and nothing has changed that it does not know of.
    fn may_help(&self, key: NeighborKey) -> bool {
        let policy = self.config.graceful_restart;
        let Some(neighbor) = self.neighbor(key) else { return false };
        if neighbor.helped_until.is_some() {
            return true;
        }
        let knows_all = || !neighbor.retransmissions.keys().any(|name| is_topology(name.ls_type));
        policy.helper_enabled
            && neighbor.state == NeighborState::Full
            && (!policy.helper_strict_lsa_checking || knows_all())
    }

    fn help(&mut self, now: Instant, key: NeighborKey, time: Duration) {
        let until = now + time;
        let Some(neighbor) = self.neighbor_mut(key) else { return };
        neighbor.restart_exit_reason = RestartExitReason::InProgress;
        let is_new = neighbor.helped_until.replace(until).is_none();
        self.timers.arm(TimerId::GracePeriod(key), until);
        if is_new {
            self.notify_helping(now, key);
        }
    }

    /// The grace period is over (section 3.2 (2)).
    pub(crate) fn grace_timer(&mut self, now: Instant, key: NeighborKey) {
        self.stop_helping(now, key, RestartExitReason::TimedOut);
    }

    /// What is installed says something else than before: with strict checking those are helped no more to whom it would be flooded
    /// (section 3.2 (3)), since packets could loop through a router that does not know of it.
    pub(crate) fn topology_changed(&mut self, now: Instant, scope: Scope, name: &LsaKey) {
        if !self.config.graceful_restart.helper_strict_lsa_checking || !is_topology(name.ls_type) {
            return;
        }
        let helped: Vec<_> = self
            .interfaces
            .iter()
            .filter(|(id, interface)| self.is_flooded_through(scope, **id, interface))
            .flat_map(|(id, interface)| {
                let helped = interface.neighbors.values().filter(|neighbor| neighbor.helped_until.is_some());
                helped.map(|neighbor| NeighborKey { interface: *id, router: neighbor.router_id })
            })
            .collect();
        for key in helped {
            // What it announces itself ends its restart: it knows of that.
            if name.advertising_router != key.router {
                self.stop_helping(now, key, RestartExitReason::TopologyChanged);
            }
        }
    }

    /// Section 3.2, end: from now on the neighbor is what its state says.
    pub(crate) fn stop_helping(&mut self, now: Instant, key: NeighborKey, reason: RestartExitReason) {
        let Some(interface) = self.interfaces.get_mut(&key.interface) else { return };
        let area = interface.config.area;
        let Some(neighbor) = interface.neighbors.get_mut(&key.router) else { return };
        if neighbor.helped_until.take().is_none() {
            return;
        }
        neighbor.restart_exit_reason = reason;
        self.timers.cancel(TimerId::GracePeriod(key));
        self.notify_helping(now, key);
        self.pending.router_lsas.insert(area);
        self.pending.elections.insert(key.interface);
        self.request_spf(now, None);
        if self.timers.at(TimerId::Inactivity(key)).is_none() {
            // It was not heard for RouterDeadInterval, which did not count until now.
            self.neighbor_event(now, key, Event::InactivityTimer);
        }
    }

    /// An operator does not want it any more.
    pub(crate) fn stop_helping_all(&mut self, now: Instant) {
        let neighbors = self.interfaces.iter().flat_map(|(id, interface)| {
            interface.neighbors.keys().map(|router| NeighborKey { interface: *id, router: *router })
        });
        for key in neighbors.collect::<Vec<_>>() {
            self.stop_helping(now, key, RestartExitReason::None);
        }
    }

    fn notify_helping(&mut self, now: Instant, key: NeighborKey) {
        let Some(neighbor) = self.neighbor(key) else { return };
        let notification = Notification::NeighborRestartHelperStatusChange {
            interface: key.interface,
            router_id: key.router,
            address: neighbor.address,
            age: neighbor.helped_until.map(|until| until.since(now).as_secs()),
            exit_reason: neighbor.restart_exit_reason,
        };
        self.outputs.push_back(Output::Notification(notification));
    }

    /// Whether somebody on a network is helped, whose part in the network's roles then stays as it was.
    pub(crate) fn helps_on(&self, id: InterfaceId) -> bool {
        let interface = self.interfaces.get(&id);
        interface.is_some_and(|i| i.neighbors.values().any(|neighbor| neighbor.helped_until.is_some()))
    }
}

/// The types whose changes routes depend on (section 3.2 (3)).
fn is_topology(ls_type: LsType) -> bool {
    (LsType::ROUTER..=LsType::AS_EXTERNAL).contains(&ls_type) || ls_type == LsType::NSSA_EXTERNAL
}

/// The longest grace period that makes sense (appendix B.1: it should not exceed LSRefreshTime), in seconds.
const LONGEST: u64 = 1800;
