//! Flooding (RFC 2328 section 13): receiving updates, deciding which instance is newer, passing on, and
//! acknowledging.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::Instance;
use crate::area::DEFAULT_MIN_LS_ARRIVAL;
use crate::error::Refusal;
use crate::interface::{Destination, Interface};
use crate::lsdb::{Provenance, Scope};
use crate::neighbor::{Event, NeighborKey, is_known_type};
use crate::timer::TimerId;
use crate::types::{AreaId, Instant, InterfaceId, MAX_AGE, SeqNum};
use crate::view::{InterfaceState, LsaLogReason, NeighborState, lsa_type_name};
use crate::wire::{LsType, Lsa, LsaBody, LsaHeader, LsaKey};

/// The longest that an acknowledgment waits for company (section 13.5 asks for less than RxmtInterval).
pub(crate) const LONGEST_ACK_DELAY: Duration = Duration::from_millis(100);

/// What becomes of a received advertisement.
enum Verdict {
    /// Nothing more.
    Done,
    /// It is acknowledged at once (table 19).
    AcknowledgeNow,
    /// It is acknowledged together with others (table 19).
    AcknowledgeLater,
}

/// Leaves out what a newer instance in the same update replaces: taken one after the other, the newer one would fall into
/// MinLSArrival of the older. Its sender waits for the acknowledgment of the newer one only.
fn without_superseded(mut lsas: Vec<Lsa>) -> Vec<Lsa> {
    let names: BTreeSet<_> = lsas.iter().map(|lsa| lsa.header.key).collect();
    if names.len() == lsas.len() {
        return lsas;
    }
    let mut newest: BTreeMap<LsaKey, LsaHeader> = BTreeMap::new();
    // A damaged one replaces nothing.
    for Lsa { header, .. } in lsas.iter().filter(|lsa| lsa.checksum_is_valid()) {
        let kept = newest.entry(header.key).or_insert(*header);
        if header.compare(kept).is_gt() {
            *kept = *header;
        }
    }
    lsas.retain(|lsa| newest.get(&lsa.header.key).is_none_or(|newest| lsa.header.compare(newest).is_ge()));
    lsas
}

impl Instance {
    /// Receives an update of a neighbor (section 13).
    pub(crate) fn receive_update(
        &mut self,
        now: Instant,
        key: NeighborKey,
        lsas: Vec<Lsa>,
    ) -> Result<(), Refusal> {
        let Some(area) = self.interfaces.get(&key.interface).map(|interface| interface.config.area) else {
            return Err(Refusal::InterfaceDown);
        };
        if self.neighbor(key).is_none_or(|neighbor| neighbor.state < NeighborState::Exchange) {
            return Err(Refusal::NeighborState);
        }
        let mut direct = Vec::new();
        let mut result = Ok(());
        for lsa in without_superseded(lsas) {
            let header = lsa.header;
            match self.receive_lsa(now, key, area, lsa) {
                Ok(Verdict::Done) => {}
                Ok(Verdict::AcknowledgeNow) => direct.push(header),
                Ok(Verdict::AcknowledgeLater) => self.acknowledge_later(now, key.interface, header),
                Err(Refusal::BadUpdate) => {
                    // Section 13 step 6: the exchange starts again, the rest of the packet is not looked at.
                    self.neighbor_event(now, key, Event::BadLsReq);
                    result = Err(Refusal::BadUpdate);
                    break;
                }
                // The rest of the packet is processed (steps 1 and 2).
                Err(refusal) => self.refuse(key.interface, refusal),
            }
        }
        self.send_acks(key.interface, Destination::Neighbor(key.router), &direct);
        self.pending.requests.insert(key);
        result
    }

    /// One advertisement of an update, by the steps of section 13.
    fn receive_lsa(
        &mut self,
        now: Instant,
        key: NeighborKey,
        area: AreaId,
        mut lsa: Lsa,
    ) -> Result<Verdict, Refusal> {
        // Step 1.
        if !lsa.checksum_is_valid() {
            return Err(Refusal::LsaChecksum);
        }
        // Step 2.
        let name = lsa.header.key;
        if !is_known_type(name.ls_type) {
            return Err(Refusal::LsaUnknownType);
        }
        // What its originator means is its own and other routers' affair: a body that cannot be read is stored and
        // flooded like any other, and is no input of routes. The exchange with a neighbor never hangs on it.
        let body = lsa.body().unwrap_or_else(|_| {
            self.refuse(key.interface, Refusal::LsaMalformed);
            LsaBody::Unknown(lsa.body_bytes().to_vec())
        });
        // Step 3.
        if name.ls_type.is_as_wide() && !self.config.area_type(area).takes_externals() {
            return Err(Refusal::LsaExternalInStub);
        }
        // RFC 3101 section 2.3.
        if name.ls_type == LsType::NSSA_EXTERNAL && self.config.area_type(area).nssa().is_none() {
            return Err(Refusal::LsaNssaElsewhere);
        }
        // An age beyond MaxAge, or with the DoNotAge bit that nobody has been told we
        // understand, counts as MaxAge (section 12.1.1).
        lsa.header.age = lsa.header.age.min(MAX_AGE);
        let header = lsa.header;
        let scope = Scope::of(name.ls_type, key.interface, area);

        let ours = self.lsdb(scope).and_then(|lsdb| lsdb.get(&name));
        let Some(entry) = ours else {
            // Step 4.
            if header.age == MAX_AGE && !self.is_any_neighbor_exchanging() {
                self.remember_flushed(now, scope, header);
                return Ok(Verdict::AcknowledgeNow);
            }
            // A copy that its own flush has overtaken is not new, unless it was asked for.
            let requested = self.neighbor(key).is_some_and(|neighbor| neighbor.requests.contains_key(&name));
            if !requested && self.lsdb(scope).is_some_and(|lsdb| lsdb.gone.has_overtaken(now, &header)) {
                return Err(Refusal::LsaOlder);
            }
            return Ok(self.accept(now, key, scope, lsa, body));
        };
        let own_header = entry.header(now);
        match header.compare(&own_header) {
            std::cmp::Ordering::Greater => {
                // Step 5a. What a request has brought was not received by flooding.
                let young = entry.provenance == Provenance::Flooded
                    && now.since(entry.installed()) < self.min_ls_arrival(area)
                    && self.neighbor(key).is_none_or(|neighbor| !neighbor.requests.contains_key(&name));
                if young {
                    return Err(Refusal::LsaTooSoon);
                }
                Ok(self.accept(now, key, scope, lsa, body))
            }
            // Step 6.
            _ if self.neighbor(key).is_some_and(|neighbor| neighbor.requests.contains_key(&name)) => {
                Err(Refusal::BadUpdate)
            }
            // Step 7, and the lines of table 19 about duplicates.
            std::cmp::Ordering::Equal if self.remove_retransmission(key, &name) => {
                // An implied acknowledgment. The backup lets the designated router know all the same.
                let by_backup = self.is_from_designated(key) && self.is_backup(key.interface);
                Ok(if by_backup { Verdict::AcknowledgeLater } else { Verdict::Done })
            }
            std::cmp::Ordering::Equal => Ok(Verdict::AcknowledgeNow),
            // Step 8.
            std::cmp::Ordering::Less => {
                self.answer_older(now, key, area, &own_header);
                Err(Refusal::LsaOlder)
            }
        }
    }

    /// Steps 5b to 5f: a newer instance is flooded, installed and acknowledged.
    fn accept(&mut self, now: Instant, key: NeighborKey, scope: Scope, lsa: Lsa, body: LsaBody) -> Verdict {
        let name = lsa.header.key;
        let requested = self.neighbor(key).is_some_and(|neighbor| neighbor.requests.contains_key(&name));
        let provenance = if requested { Provenance::Exchanged } else { Provenance::Flooded };
        self.statistics.received_lsas += 1;
        *self.statistics.received_lsas_by_type.entry(lsa_type_name(name.ls_type)).or_default() += 1;
        // The steps are 5c, 5d, 5b: packets leave when the call ends, so that the order is not visible.
        self.install(now, scope, lsa, body, provenance);
        let flooded_back = self.flood(now, scope, name, Some(key));
        self.receive_grace(now, key.interface, &name);
        // Step 5f.
        if self.is_self_originated(&name) {
            self.received_self_originated(now, scope, name);
        }
        // Table 19: flooding it back out of the interface is an implied acknowledgment. The backup waits for the
        // designated router to flood what others have sent to both.
        let left_to_designated = self.is_backup(key.interface) && !self.is_from_designated(key);
        if flooded_back || left_to_designated { Verdict::Done } else { Verdict::AcknowledgeLater }
    }

    /// Whether this router is the backup designated router there.
    fn is_backup(&self, id: InterfaceId) -> bool {
        self.interfaces.get(&id).is_some_and(|interface| interface.state == InterfaceState::Bdr)
    }

    /// Whether a neighbor is the designated router of its network.
    fn is_from_designated(&self, key: NeighborKey) -> bool {
        let Some(interface) = self.interfaces.get(&key.interface).filter(|i| i.has_designated_router())
        else {
            return false;
        };
        interface.neighbors.get(&key.router).is_some_and(|n| n.address == interface.designated)
    }

    /// Section 13.3 steps 3 and 4: whether what came from a neighbor leaves through the interface that it came in by.
    /// On a broadcast network all routers have it if a designated router has sent it, and the designated router sends it
    /// if the backup has got it.
    fn floods_back(&self, from: NeighborKey) -> bool {
        let Some(interface) = self.interfaces.get(&from.interface) else { return false };
        let Some(neighbor) = interface.neighbors.get(&from.router) else { return true };
        let from_either = neighbor.address == interface.designated || neighbor.address == interface.backup;
        !interface.has_designated_router() || (!from_either && interface.state != InterfaceState::Bdr)
    }

    /// Step 8: the sender has an older instance, and gets ours, unless it had it just now.
    fn answer_older(&mut self, now: Instant, key: NeighborKey, area: AreaId, own: &LsaHeader) {
        // A sequence number that is about to wrap: the old instance must leave first (section 12.1.6).
        if own.age == MAX_AGE && own.sequence == SeqNum::MAX {
            return;
        }
        let last_sent = self
            .lsdb(Scope::of(own.key.ls_type, key.interface, area))
            .and_then(|lsdb| lsdb.get(&own.key))
            .and_then(|entry| entry.last_sent);
        if last_sent.is_some_and(|sent| now.since(sent) < self.min_ls_arrival(area)) {
            return;
        }
        if let Some(lsa) = self.lsa_to_send(now, key.interface, &own.key) {
            self.send_updates(key.interface, Destination::Neighbor(key.router), vec![lsa]);
        }
    }

    /// Installs an instance (section 13.2): the one before is on no retransmission list any more, a timer
    /// waits for its MaxAge, and routes are calculated again if it says something new.
    pub(crate) fn install(
        &mut self,
        now: Instant,
        scope: Scope,
        lsa: Lsa,
        body: LsaBody,
        provenance: Provenance,
    ) {
        let name = lsa.header.key;
        let own = provenance == Provenance::Own;
        self.remove_retransmissions(scope, &name);
        let new = (!lsa.header.is_max_age()).then_some(&body);
        let affected = self.affected_by(now, scope, &name, new);
        let Some(lsdb) = self.lsdb_mut(scope) else { return };
        let changed = lsdb.install(now, lsa, body, provenance);
        let Some(entry) = lsdb.get(&name) else { return };
        let (max_age_at, is_max_age) = (entry.max_age_at(), entry.is_max_age(now));
        let reason = match (is_max_age, changed) {
            (true, _) => LsaLogReason::Purge,
            (false, true) => LsaLogReason::ContentChange,
            (false, false) => LsaLogReason::Refresh,
        };
        let header = entry.lsa.header;
        self.lsa_log.push(now, self.area_id_of(scope), header, reason);
        let timer = TimerId::LsaAge(scope, name);
        if is_max_age {
            self.timers.cancel(timer);
            self.pending.flushed = true;
        } else if own {
            let at = now + self.refresh_interval();
            self.timers.arm(timer, at);
        } else {
            self.timers.arm(timer, max_age_at);
        }
        if changed {
            self.topology_changed(now, scope, &name);
        }
        if changed && self.is_route_input(&name) {
            self.request_routes(now, (scope, name), affected);
        }
    }

    /// Floods the database's instance out of every interface of its scope (section 13.3). Says whether it leaves
    /// through the interface that it came in by.
    pub(crate) fn flood(
        &mut self,
        now: Instant,
        scope: Scope,
        name: LsaKey,
        from: Option<NeighborKey>,
    ) -> bool {
        let Some(header) = self.lsdb(scope).and_then(|lsdb| lsdb.get(&name)).map(|entry| entry.header(now))
        else {
            return false;
        };
        let interfaces: Vec<_> = self
            .interfaces
            .iter()
            .filter(|(id, interface)| interface.speaks() && self.is_flooded_through(scope, **id, interface))
            .map(|(id, _)| *id)
            .collect();
        let mut flooded_back = false;
        for id in interfaces {
            // Steps 1 and 2, then 3 and 4.
            if self.await_acks(now, id, &header, from)
                && from.is_none_or(|from| from.interface != id || self.floods_back(from))
                && let Some(interface) = self.interfaces.get_mut(&id)
            {
                interface.flood_queue.insert(name);
                flooded_back |= from.is_some_and(|from| from.interface == id);
            }
        }
        flooded_back
    }

    /// Whether advertisements of a scope leave through an interface.
    pub(crate) fn is_flooded_through(&self, scope: Scope, id: InterfaceId, interface: &Interface) -> bool {
        let area = interface.config.area;
        // Section 13.3: AS-external advertisements reach the other end through the transit area.
        let over_virtual = scope == Scope::As && interface.is_virtual();
        scope.reaches(id, area, self.config.area_type(area)) && !over_virtual
    }

    /// Section 13.3 step 1: puts the advertisement on the retransmission lists of an interface's neighbors that
    /// need it. Says whether there are any.
    fn await_acks(
        &mut self,
        now: Instant,
        id: InterfaceId,
        header: &LsaHeader,
        from: Option<NeighborKey>,
    ) -> bool {
        let Some(interface) = self.interfaces.get_mut(&id) else { return false };
        let mut needing = Vec::new();
        for (router, neighbor) in &mut interface.neighbors {
            let key = NeighborKey { interface: id, router: *router };
            // Step 1a.
            if neighbor.state < NeighborState::Exchange {
                continue;
            }
            // RFC 5250 section 3.1: who does not know them would neither keep nor acknowledge them.
            if header.key.ls_type.is_opaque() && !neighbor.is_opaque_capable {
                continue;
            }
            // Step 1b. The list is empty in state Full.
            if let Some(described) = neighbor.requests.get(&header.key) {
                match header.compare(described) {
                    std::cmp::Ordering::Less => continue,
                    order => {
                        neighbor.requests.remove(&header.key);
                        self.pending.requests.insert(key);
                        if order.is_eq() {
                            continue;
                        }
                    }
                }
            }
            // Steps 1c and 1d.
            if from != Some(key) {
                needing.push(key);
            }
        }
        for key in &needing {
            self.add_retransmission(now, *key, header.key);
        }
        !needing.is_empty()
    }

    fn acknowledge_later(&mut self, now: Instant, id: InterfaceId, header: LsaHeader) {
        let Some(interface) = self.interfaces.get_mut(&id) else { return };
        interface.delayed_acks.insert(header.key, header);
        let delay = (interface.config.retransmit_interval / 8).min(LONGEST_ACK_DELAY);
        self.timers.arm_no_later(TimerId::DelayedAck(id), now + delay);
    }

    /// MinLSArrival of an area, for our own check and as what neighbors in it are taken to have.
    pub(crate) fn min_ls_arrival(&self, area: AreaId) -> Duration {
        let configured = self.config.areas.get(&area).and_then(|area| area.min_ls_arrival);
        configured.unwrap_or(DEFAULT_MIN_LS_ARRIVAL)
    }

    /// Sections 13 step 4 and 14 ask for any neighbor of the router.
    pub(crate) fn is_any_neighbor_exchanging(&self) -> bool {
        self.interfaces.values().flat_map(|interface| interface.neighbors.values()).any(|n| n.is_exchanging())
    }

    /// An advertisement has reached its age: one of ours is originated anew (section 12.4 (1)), one of another
    /// router is flushed (section 14).
    pub(crate) fn lsa_age_timer(&mut self, now: Instant, scope: Scope, name: LsaKey) {
        let own = self
            .lsdb(scope)
            .and_then(|lsdb| lsdb.get(&name))
            .is_some_and(|entry| entry.provenance == Provenance::Own);
        if own { self.refresh(now, scope, name) } else { self.flush(now, scope, name) }
    }

    /// Floods an advertisement with age MaxAge, so that everybody removes it (sections 14 and 14.1).
    pub(crate) fn flush(&mut self, now: Instant, scope: Scope, name: LsaKey) {
        let affected = self.affected_by(now, scope, &name, None);
        if !self.lsdb_mut(scope).is_some_and(|lsdb| lsdb.set_max_age(now, &name)) {
            return;
        }
        if let Some(header) = self.lsdb(scope).and_then(|lsdb| lsdb.get(&name)).map(|entry| entry.lsa.header)
        {
            self.lsa_log.push(now, self.area_id_of(scope), header, LsaLogReason::Purge);
        }
        self.timers.cancel(TimerId::LsaAge(scope, name));
        self.remove_retransmissions(scope, &name);
        self.flood(now, scope, name, None);
        self.pending.flushed = true;
        self.topology_changed(now, scope, &name);
        if self.is_route_input(&name) {
            self.request_routes(now, (scope, name), affected);
        }
    }

    /// Whether routes depend on an advertisement: not on our own summaries (section 16.2 step 2), nor on opaque ones.
    fn is_route_input(&self, name: &LsaKey) -> bool {
        if name.ls_type.is_opaque() {
            return false;
        }
        let is_summary = matches!(name.ls_type, LsType::SUMMARY_NETWORK | LsType::SUMMARY_ASBR);
        !(is_summary && name.advertising_router == self.config.router_id)
    }

    fn remember_flushed(&mut self, now: Instant, scope: Scope, header: LsaHeader) {
        if let Some(lsdb) = self.lsdb_mut(scope) {
            lsdb.gone.add(now, header);
        }
    }

    /// Section 14: what is flushed leaves the database when no neighbor has to acknowledge it any more and no
    /// exchange is under way. A sequence number at its end can then start again (section 12.1.6).
    pub(crate) fn remove_flushed(&mut self, now: Instant) {
        self.pending.flushed = false;
        if self.is_any_neighbor_exchanging() {
            return;
        }
        for scope in self.scopes() {
            let names: Vec<_> =
                self.lsdb(scope).into_iter().flat_map(|lsdb| lsdb.flushing().copied()).collect();
            for name in names {
                if self.is_awaiting_ack(scope, &name) {
                    continue;
                }
                if let Some(entry) = self.lsdb_mut(scope).and_then(|lsdb| lsdb.remove(&name)) {
                    self.remember_flushed(now, scope, entry.header(now));
                }
                self.advance_origination(now, scope, name);
            }
        }
    }
}
