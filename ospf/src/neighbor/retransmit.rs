//! The link state retransmission list (RFC 2328 section 13.6) and the acknowledgments that empty it
//! (section 13.7).

use std::time::Duration;

use crate::Instance;
use crate::error::Refusal;
use crate::flood::LONGEST_ACK_DELAY;
use crate::interface::Destination;
use crate::lsdb::{Provenance, Scope};
use crate::neighbor::NeighborKey;
use crate::timer::TimerId;
use crate::types::Instant;
use crate::view::NeighborState;
use crate::wire::{LsaHeader, LsaKey};

/// A neighbor that has taken an instance of ours less than MinLSArrival ago drops the next one without a word
/// (section 13 step 5a). It is sent again this long after that, not only after RxmtInterval.
const AFTER_MIN_LS_ARRIVAL: Duration = Duration::from_millis(50);
/// Advertisements sent again at one time to one neighbor; more of them wait for [`PACE`].
const BURST: usize = 256;
/// The pause between two bursts.
const PACE: Duration = Duration::from_millis(10);

impl Instance {
    /// Puts an advertisement on the retransmission list of a neighbor.
    pub(crate) fn add_retransmission(&mut self, now: Instant, key: NeighborKey, name: LsaKey) {
        let Some(interface) = self.interfaces.get(&key.interface) else { return };
        let mut after = interface.config.retransmit_interval;
        let area = interface.config.area;
        let own = self
            .lsdb(Scope::of(name.ls_type, key.interface, area))
            .and_then(|lsdb| lsdb.get(&name))
            .is_some_and(|entry| entry.provenance == Provenance::Own);
        // A neighbor that has restarted does the same with its own instance of an earlier life.
        if own || name.advertising_router == key.router {
            // A shorter MinLSArrival than acknowledgments may take must not make everything travel twice.
            after = after.min(self.min_ls_arrival(area).max(LONGEST_ACK_DELAY) + AFTER_MIN_LS_ARRIVAL);
        }
        let at = now + after;
        if let Some(neighbor) = self.neighbor_mut(key) {
            neighbor.retransmissions.insert(name, at);
            self.timers.arm_no_later(TimerId::UpdateRetransmit(key), at);
        }
    }

    /// Takes an advertisement off the retransmission list of a neighbor. Says whether it was there.
    pub(crate) fn remove_retransmission(&mut self, key: NeighborKey, name: &LsaKey) -> bool {
        let Some(neighbor) = self.neighbor_mut(key) else { return false };
        let was_there = neighbor.retransmissions.remove(name).is_some();
        if neighbor.retransmissions.is_empty() {
            self.timers.cancel(TimerId::UpdateRetransmit(key));
        }
        self.pending.flushed |= was_there;
        was_there
    }

    /// Section 13 step 5c: no neighbor needs to acknowledge the instance that is replaced.
    pub(crate) fn remove_retransmissions(&mut self, scope: Scope, name: &LsaKey) {
        let keys: Vec<_> = self.neighbors_in(scope).collect();
        for key in keys {
            self.remove_retransmission(key, name);
        }
    }

    /// Whether any neighbor has still to acknowledge an advertisement.
    pub(crate) fn is_awaiting_ack(&self, scope: Scope, name: &LsaKey) -> bool {
        self.neighbors_in(scope)
            .filter_map(|key| self.neighbor(key))
            .any(|neighbor| neighbor.retransmissions.contains_key(name))
    }

    /// The neighbors that an advertisement of that scope may be flooded to.
    fn neighbors_in(&self, scope: Scope) -> impl Iterator<Item = NeighborKey> {
        self.interfaces
            .iter()
            .filter(move |(id, interface)| self.is_flooded_through(scope, **id, interface))
            .flat_map(|(id, interface)| {
                interface.neighbors.keys().map(|router| NeighborKey { interface: *id, router: *router })
            })
    }

    /// Sends again what is due, to this neighbor alone (section 13.6).
    pub(crate) fn retransmission_timer(&mut self, now: Instant, key: NeighborKey) {
        let Some(interface) = self.interfaces.get_mut(&key.interface) else { return };
        let again = now + interface.config.retransmit_interval;
        let Some(neighbor) = interface.neighbors.get_mut(&key.router) else { return };
        let mut due: Vec<_> =
            neighbor.retransmissions.iter().filter(|(_, at)| **at <= now).map(|(name, _)| *name).collect();
        due.truncate(BURST);
        for name in &due {
            neighbor.retransmissions.insert(*name, again);
        }
        interface.statistics.retransmissions += due.len() as u64;
        if let Some(next) = neighbor.retransmissions.values().min() {
            let at = (*next).max(now + PACE);
            self.timers.arm(TimerId::UpdateRetransmit(key), at);
        }
        let lsas = due.iter().filter_map(|name| self.lsa_to_send(now, key.interface, name)).collect();
        self.send_updates(key.interface, Destination::Neighbor(key.router), lsas);
    }

    /// Receives acknowledgments (section 13.7).
    pub(crate) fn receive_acks(
        &mut self,
        now: Instant,
        key: NeighborKey,
        headers: &[LsaHeader],
    ) -> Result<(), Refusal> {
        let Some(area) = self.interfaces.get(&key.interface).map(|interface| interface.config.area) else {
            return Err(Refusal::InterfaceDown);
        };
        if self.neighbor(key).is_none_or(|neighbor| neighbor.state < NeighborState::Exchange) {
            return Err(Refusal::NeighborState);
        }
        for header in headers {
            // What is not on the list is acknowledged to somebody else, or once more.
            let expected = self.neighbor(key).is_some_and(|n| n.retransmissions.contains_key(&header.key));
            if !expected {
                continue;
            }
            let same = self
                .lsdb(Scope::of(header.key.ls_type, key.interface, area))
                .and_then(|lsdb| lsdb.get(&header.key))
                .is_some_and(|entry| header.compare(&entry.header(now)).is_eq());
            if same {
                self.remove_retransmission(key, &header.key);
            } else {
                self.refuse(key.interface, Refusal::BadAck);
            }
        }
        Ok(())
    }
}
