//! The database exchange: database description packets, sent (RFC 2328 section 10.8) and received (section 10.6).

use crate::Instance;
use crate::area::options_of;
use crate::error::Refusal;
use crate::interface::{Destination, Interface};
use crate::lsdb::Scope;
use crate::neighbor::{DdFingerprint, Event, NeighborKey};
use crate::timer::TimerId;
use crate::types::{AreaId, Instant, InterfaceId};
use crate::view::NeighborState;
use crate::wire::{DatabaseDescription, DdFlags, LsType, LsaHeader, Options, PacketBody, PacketType};

impl Instance {
    /// Enters ExStart: asserts mastership with an empty packet until the neighbor answers (section 10.8).
    pub(super) fn start_exchange(&mut self, now: Instant, key: NeighborKey) {
        let fresh = self.random.next_u32();
        let Some(neighbor) = self.neighbor_mut(key) else { return };
        // Section 10.3: the first sequence number is one that this neighbor has not seen lately; then it grows.
        neighbor.dd_sequence = match neighbor.dd_sequence {
            0 => fresh,
            sequence => sequence.wrapping_add(1),
        };
        neighbor.master = true;
        neighbor.exchange_done = None;
        let sequence = neighbor.dd_sequence;
        self.set_neighbor_state(now, key, NeighborState::ExStart);
        let flags = DdFlags::I | DdFlags::M | DdFlags::MS;
        self.send_description(now, key, flags, sequence, Vec::new());
    }

    /// Receives a database description packet of a neighbor (section 10.6).
    pub(crate) fn receive_description(
        &mut self,
        now: Instant,
        key: NeighborKey,
        packet: &DatabaseDescription,
    ) -> Result<(), Refusal> {
        let interface = self.interfaces.get_mut(&key.interface).ok_or(Refusal::InterfaceDown)?;
        let neighbor = interface.neighbors.get(&key.router).ok_or(Refusal::UnknownNeighbor)?;
        let (own, theirs, source) = (interface.config.mtu, packet.interface_mtu, neighbor.address);
        if interface.config.mtu_ignore || interface.is_virtual() || theirs == own || theirs == 0 {
            interface.mismatches.accepted_description(source);
        } else {
            let difference = Refusal::MtuMismatch { own, theirs };
            // Section 10.6: a larger MTU than ours would not get through.
            if theirs > own {
                return Err(difference);
            }
            // With a smaller one it is the neighbor that refuses ours, which nobody would see here.
            let packet_type = PacketType::DatabaseDescription as u8;
            self.note_mismatch(now, key.interface, source, packet_type, difference);
        }
        if self.neighbor(key).is_some_and(|neighbor| neighbor.state == NeighborState::Init) {
            // It can only describe its database to us after it has heard us.
            self.heard_alive(now, key.router);
            self.neighbor_event(now, key, Event::TwoWayReceived);
        }
        match self.neighbor(key).map(|neighbor| neighbor.state) {
            Some(NeighborState::ExStart) => self.negotiate(now, key, packet),
            Some(NeighborState::Exchange) => self.receive_in_exchange(now, key, packet),
            Some(NeighborState::Loading | NeighborState::Full) => {
                self.receive_after_exchange(now, key, packet)
            }
            _ => Err(Refusal::NeighborState),
        }
    }

    /// ExStart: finds out who is master.
    fn negotiate(
        &mut self,
        now: Instant,
        key: NeighborKey,
        packet: &DatabaseDescription,
    ) -> Result<(), Refusal> {
        let own = self.config.router_id;
        let Some(neighbor) = self.neighbor_mut(key) else { return Err(Refusal::UnknownNeighbor) };
        let is_opaque_capable = packet.options.contains(Options::O);
        let initial = DdFlags::I | DdFlags::M | DdFlags::MS;
        if packet.flags == initial && packet.headers.is_empty() && neighbor.router_id > own {
            neighbor.master = false;
            neighbor.dd_sequence = packet.sequence;
        } else if !packet.flags.intersects(DdFlags::I | DdFlags::MS)
            && packet.sequence == neighbor.dd_sequence
            && neighbor.router_id < own
        {
            neighbor.master = true;
        } else {
            return Err(Refusal::DdNegotiation);
        }
        neighbor.is_opaque_capable = is_opaque_capable;
        self.neighbor_event(now, key, Event::NegotiationDone);
        self.process_description(now, key, packet)
    }

    /// NegotiationDone: lists the area's database for the neighbor (section 10.3).
    pub(super) fn negotiation_done(&mut self, now: Instant, key: NeighborKey) {
        let Some(area) = self.interfaces.get(&key.interface).map(|interface| interface.config.area) else {
            return;
        };
        let area_type = self.config.area_type(area);
        let is_virtual = self.interfaces.get(&key.interface).is_some_and(Interface::is_virtual);
        // RFC 5250 section 3.1.
        let takes_opaque = self.neighbor(key).is_some_and(|neighbor| neighbor.is_opaque_capable);
        let scopes = [Scope::Link(key.interface), Scope::Area(area), Scope::As];
        let (flushing, described): (Vec<_>, Vec<_>) = scopes
            .into_iter()
            // Section 10.3: AS-external advertisements are not described into stub areas, nor over virtual links.
            .filter(|scope| {
                scope.reaches(key.interface, area, area_type) && !(is_virtual && *scope == Scope::As)
            })
            .filter_map(|scope| self.lsdb(scope))
            .flat_map(|lsdb| lsdb.iter().map(|(name, entry)| (*name, entry.is_max_age(now))))
            .filter(|(name, _)| takes_opaque || !name.ls_type.is_opaque())
            .partition(|(_, is_max_age)| *is_max_age);
        if let Some(neighbor) = self.neighbor_mut(key) {
            neighbor.summaries = described.into_iter().map(|(name, _)| name).collect();
        }
        self.set_neighbor_state(now, key, NeighborState::Exchange);
        // Section 10.3: what is being flushed goes to the retransmission list instead.
        for (name, _) in flushing {
            self.add_retransmission(now, key, name);
        }
    }

    /// Exchange: repetitions first, then what breaks the sequence, then the next packet.
    fn receive_in_exchange(
        &mut self,
        now: Instant,
        key: NeighborKey,
        packet: &DatabaseDescription,
    ) -> Result<(), Refusal> {
        let Some(neighbor) = self.neighbor(key) else { return Err(Refusal::UnknownNeighbor) };
        if neighbor.last_received == Some(DdFingerprint::of(packet)) {
            // The master discards a repetition, the slave repeats its answer.
            if !neighbor.master {
                self.repeat_description(key);
            }
            return Err(Refusal::DdDuplicate);
        }
        let expected = neighbor.dd_sequence.wrapping_add(u32::from(!neighbor.master));
        let master_agrees = packet.flags.contains(DdFlags::MS) != neighbor.master;
        let options_agree = neighbor.last_received.is_none_or(|last| last.options == packet.options);
        if !master_agrees
            || packet.flags.contains(DdFlags::I)
            || !options_agree
            || packet.sequence != expected
        {
            self.neighbor_event(now, key, Event::SeqNumberMismatch);
            return Err(Refusal::DdSequence);
        }
        self.process_description(now, key, packet)
    }

    /// Loading and Full: only repetitions of the last packet are proper. The slave can answer them for
    /// RouterDeadInterval (section 10.8).
    fn receive_after_exchange(
        &mut self,
        now: Instant,
        key: NeighborKey,
        packet: &DatabaseDescription,
    ) -> Result<(), Refusal> {
        let Some(interface) = self.interfaces.get(&key.interface) else { return Err(Refusal::InterfaceDown) };
        let Some(neighbor) = interface.neighbors.get(&key.router) else {
            return Err(Refusal::UnknownNeighbor);
        };
        let kept =
            neighbor.exchange_done.is_some_and(|done| now.since(done) <= interface.config.dead_interval);
        if neighbor.last_received == Some(DdFingerprint::of(packet)) && (neighbor.master || kept) {
            if !neighbor.master {
                self.repeat_description(key);
            }
            return Err(Refusal::DdDuplicate);
        }
        self.neighbor_event(now, key, Event::SeqNumberMismatch);
        Err(Refusal::DdSequence)
    }

    /// The packet is the next in sequence: takes its headers and goes on (section 10.6, end).
    fn process_description(
        &mut self,
        now: Instant,
        key: NeighborKey,
        packet: &DatabaseDescription,
    ) -> Result<(), Refusal> {
        let Some(area) = self.interfaces.get(&key.interface).map(|interface| interface.config.area) else {
            return Err(Refusal::InterfaceDown);
        };
        // Checked before anything is taken, so that a bad packet leaves no trace but the mismatch.
        if packet.headers.iter().any(|header| !is_known_type(header.key.ls_type)) {
            self.neighbor_event(now, key, Event::SeqNumberMismatch);
            return Err(Refusal::LsaUnknownType);
        }
        let takes_externals = self.config.area_type(area).takes_externals();
        if !takes_externals && packet.headers.iter().any(|header| header.key.ls_type.is_as_wide()) {
            self.neighbor_event(now, key, Event::SeqNumberMismatch);
            return Err(Refusal::LsaExternalInStub);
        }
        let describes = |ls_type| packet.headers.iter().any(|header| header.key.ls_type == ls_type);
        if self.config.area_type(area).nssa().is_none() && describes(LsType::NSSA_EXTERNAL) {
            self.neighbor_event(now, key, Event::SeqNumberMismatch);
            return Err(Refusal::LsaNssaElsewhere);
        }
        let wanted: Vec<_> = packet
            .headers
            .iter()
            .filter(|header| self.is_newer_than_ours(now, key.interface, area, header))
            .copied()
            .collect();
        let Some(neighbor) = self.neighbor_mut(key) else { return Err(Refusal::UnknownNeighbor) };
        neighbor.last_received = Some(DdFingerprint::of(packet));
        neighbor.requests.extend(wanted.into_iter().map(|header| (header.key, header)));

        let they_have_more = packet.flags.contains(DdFlags::M);
        if neighbor.master {
            let we_had_more = neighbor.last_sent.as_ref().is_some_and(|sent| sent.flags.contains(DdFlags::M));
            neighbor.dd_sequence = neighbor.dd_sequence.wrapping_add(1);
            if !they_have_more && !we_had_more {
                self.neighbor_event(now, key, Event::ExchangeDone);
            } else {
                self.send_next_description(now, key);
            }
        } else {
            neighbor.dd_sequence = packet.sequence;
            self.send_next_description(now, key);
            let we_have_more = self
                .neighbor(key)
                .and_then(|neighbor| neighbor.last_sent.as_ref())
                .is_some_and(|sent| sent.flags.contains(DdFlags::M));
            if !they_have_more && !we_have_more {
                self.neighbor_event(now, key, Event::ExchangeDone);
            }
        }
        self.pending.requests.insert(key);
        Ok(())
    }

    /// Whether a described instance is worth asking for.
    fn is_newer_than_ours(&self, now: Instant, id: InterfaceId, area: AreaId, header: &LsaHeader) -> bool {
        let ours = self.lsdb(Scope::of(header.key.ls_type, id, area)).and_then(|lsdb| lsdb.get(&header.key));
        ours.is_none_or(|ours| header.compare(&ours.header(now)).is_gt())
    }

    /// ExchangeDone: what is still missing is loaded, else the adjacency is Full (section 10.3).
    pub(super) fn exchange_done(&mut self, now: Instant, key: NeighborKey) {
        self.timers.cancel(TimerId::DdRetransmit(key));
        let Some(neighbor) = self.neighbor_mut(key) else { return };
        neighbor.exchange_done = Some(now);
        let next = if neighbor.requests.is_empty() { NeighborState::Full } else { NeighborState::Loading };
        self.set_neighbor_state(now, key, next);
        self.pending.requests.insert(key);
    }

    /// Describes the next part of the database.
    fn send_next_description(&mut self, now: Instant, key: NeighborKey) {
        let Some(interface) = self.interfaces.get_mut(&key.interface) else { return };
        let area = interface.config.area;
        let capacity = interface.description_capacity();
        let Some(neighbor) = interface.neighbors.get_mut(&key.router) else { return };
        let mut names = Vec::new();
        while names.len() < capacity
            && let Some(name) = neighbor.summaries.pop_front()
        {
            names.push(name);
        }
        let mut flags = DdFlags::empty();
        flags.set(DdFlags::MS, neighbor.master);
        flags.set(DdFlags::M, !neighbor.summaries.is_empty());
        let sequence = neighbor.dd_sequence;
        // What has left the database since the list was made needs no description any more; what has changed is
        // described as it is now.
        let headers = names
            .iter()
            .filter_map(|name| {
                Some(self.lsdb(Scope::of(name.ls_type, key.interface, area))?.get(name)?.header(now))
            })
            .collect();
        self.send_description(now, key, flags, sequence, headers);
    }

    fn send_description(
        &mut self,
        now: Instant,
        key: NeighborKey,
        flags: DdFlags,
        sequence: u32,
        headers: Vec<LsaHeader>,
    ) {
        let Some(interface) = self.interfaces.get_mut(&key.interface) else { return };
        let config = &interface.config;
        let area_type = self.config.area_type(config.area);
        let packet = DatabaseDescription {
            // Section A.3.3: 0 on virtual links.
            interface_mtu: if interface.is_virtual() { 0 } else { config.mtu },
            // RFC 5250 section 3.1: bit O is for these packets alone.
            options: options_of(area_type) | Options::O,
            flags,
            sequence,
            headers,
        };
        let again = now + config.retransmit_interval;
        let Some(neighbor) = interface.neighbors.get_mut(&key.router) else { return };
        neighbor.last_sent = Some(packet.clone());
        // Section 10.8: in ExStart, and as master, packets are repeated until they are answered.
        if neighbor.master {
            self.timers.arm(TimerId::DdRetransmit(key), again);
        } else {
            self.timers.cancel(TimerId::DdRetransmit(key));
        }
        self.send(key.interface, Destination::Neighbor(key.router), PacketBody::DatabaseDescription(packet));
    }

    fn repeat_description(&mut self, key: NeighborKey) {
        let Some(packet) = self.neighbor(key).and_then(|neighbor| neighbor.last_sent.clone()) else { return };
        self.send(key.interface, Destination::Neighbor(key.router), PacketBody::DatabaseDescription(packet));
    }

    /// The neighbor has not answered for RxmtInterval.
    pub(crate) fn description_timer(&mut self, now: Instant, key: NeighborKey) {
        let Some(interface) = self.interfaces.get(&key.interface) else { return };
        let again = now + interface.config.retransmit_interval;
        self.timers.arm(TimerId::DdRetransmit(key), again);
        self.repeat_description(key);
    }
}

/// Whether this engine stores and floods advertisements of that type (section 13 step 2).
pub(crate) fn is_known_type(ls_type: LsType) -> bool {
    (LsType::ROUTER..=LsType::AS_EXTERNAL).contains(&ls_type)
        || ls_type == LsType::NSSA_EXTERNAL
        || ls_type.is_opaque()
}
