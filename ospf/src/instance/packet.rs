//! Receiving packets: the checks that every packet passes (RFC 2328 section 8.2), then the part of the engine that
//! its type belongs to.

use std::net::Ipv4Addr;

use crate::Instance;
use crate::error::Refusal;
use crate::event::{Notification, Output};
use crate::interface::{Interface, Proof};
use crate::neighbor::NeighborKey;
use crate::types::{Instant, InterfaceId, RouterId};
use crate::view::NeighborState;
use crate::wire::{ALL_D_ROUTERS, ALL_SPF_ROUTERS, Frame, Header, Packet, PacketBody};

impl Instance {
    /// Takes a packet, or counts why not.
    pub(super) fn receive(
        &mut self,
        now: Instant,
        id: InterfaceId,
        source: Ipv4Addr,
        destination: Ipv4Addr,
        payload: &[u8],
    ) {
        // Section 8.2: a packet of the backbone that comes in through a virtual link's transit area.
        let id = self.virtual_link_at(id, payload).unwrap_or(id);
        let Err(refusal) = self.try_receive(now, id, source, destination, payload) else { return };
        self.refuse(id, refusal);
        if matches!(refusal, Refusal::Malformed(_)) {
            let bad = Notification::InterfaceRxBadPacket { interface: id, source, error: refusal };
            self.outputs.push_back(Output::Notification(bad));
        }
        let packet_type = payload.get(1).copied().unwrap_or_default();
        self.note_mismatch(now, id, source, packet_type, refusal);
    }

    /// Notes a difference of configurations, and tells of it if that is due.
    pub(crate) fn note_mismatch(
        &mut self,
        now: Instant,
        interface: InterfaceId,
        source: Ipv4Addr,
        packet_type: u8,
        error: Refusal,
    ) {
        let Some(state) = self.interfaces.get_mut(&interface) else { return };
        if state.mismatches.note(now, source, error) {
            let difference = Notification::InterfaceConfigError { interface, source, packet_type, error };
            self.outputs.push_back(Output::Notification(difference));
        }
    }

    fn try_receive(
        &mut self,
        now: Instant,
        id: InterfaceId,
        source: Ipv4Addr,
        destination: Ipv4Addr,
        payload: &[u8],
    ) -> Result<(), Refusal> {
        let Some(interface) = self.interfaces.get(&id) else { return Err(Refusal::InterfaceDown) };
        match interface.config.interface_type.virtual_link() {
            Some(_) if !interface.is_up() => return Err(Refusal::InterfaceDown),
            Some((transit_area, _)) => self.check_virtual_addresses(transit_area, source, destination)?,
            None => check_addresses(interface, source, destination)?,
        }
        let frame = Frame::decode(payload).map_err(Refusal::Malformed)?;
        check_header(interface, self.config.router_id, &frame.header)?;
        let router = frame.header.router_id;
        let key = NeighborKey { interface: id, router };
        let time = self.sequence.time();
        let proof = interface.authenticate(&frame, source, time)?;
        let packet = Packet::from_frame(&frame).map_err(Refusal::Malformed)?;
        match packet.body {
            PacketBody::Hello(_) => self.check_claim(key, source)?,
            _ => self.check_neighbor(key, source)?,
        }
        if let Some(interface) = self.interfaces.get_mut(&id) {
            interface.statistics.received.count(packet.type_number());
            if let Proof::Extended { key, packet_type, sequence } = proof {
                interface.replay.note(router, key, packet_type, sequence);
            }
        }
        let result = match packet.body {
            PacketBody::Hello(hello) => self.receive_hello(now, id, source, router, &hello),
            PacketBody::DatabaseDescription(description) => self.receive_description(now, key, &description),
            PacketBody::LinkStateRequest(names) => self.receive_request(now, key, &names),
            PacketBody::LinkStateUpdate(lsas) => self.receive_update(now, key, lsas),
            PacketBody::LinkStateAck(headers) => self.receive_acks(now, key, &headers),
        };
        if let Proof::Sequence(sequence) = proof
            && let Some(neighbor) = self.neighbor_mut(key)
        {
            neighbor.cryptographic_sequence = sequence;
        }
        result
    }

    /// Where more than two routers can be, a neighbor that is there keeps its router id: nobody else on the network pushes
    /// it out by claiming that, with a hello of its own or a recorded one. It moves to another address after it has taken
    /// leave, or was not heard for RouterDeadInterval.
    fn check_claim(&self, key: NeighborKey, source: Ipv4Addr) -> Result<(), Refusal> {
        let Some(neighbor) = self.neighbor(key) else { return Ok(()) };
        let is_shared = self.interfaces.get(&key.interface).is_some_and(Interface::is_shared);
        let (router_id, address) = (key.router, neighbor.address);
        if is_shared && address != source && neighbor.state >= NeighborState::TwoWay {
            return Err(Refusal::DuplicateNeighborId { router_id, address, source_address: source });
        }
        Ok(())
    }

    /// Section 8.2, end: everything but a hello comes from a neighbor. Section 10: where more than two routers can be, a
    /// neighbor is who has its address.
    fn check_neighbor(&self, key: NeighborKey, source: Ipv4Addr) -> Result<(), Refusal> {
        let neighbor = self.neighbor(key).ok_or(Refusal::UnknownNeighbor)?;
        let is_shared = self.interfaces.get(&key.interface).is_some_and(Interface::is_shared);
        if is_shared && neighbor.address != source {
            return Err(Refusal::UnknownNeighbor);
        }
        Ok(())
    }
}

/// The checks of the IP header that need the interface (section 8.2).
fn check_addresses(interface: &Interface, source: Ipv4Addr, destination: Ipv4Addr) -> Result<(), Refusal> {
    if !interface.is_up() {
        return Err(Refusal::InterfaceDown);
    }
    if interface.config.passive {
        return Err(Refusal::InterfacePassive);
    }
    match destination {
        ALL_D_ROUTERS if interface.has_designated_router() && !interface.is_designated() => {
            return Err(Refusal::NotDesignated);
        }
        ALL_D_ROUTERS if interface.has_designated_router() => {}
        ALL_SPF_ROUTERS => {}
        own if own == interface.address() => {}
        _ => return Err(Refusal::WrongDestination),
    }
    if source == interface.address() {
        return Err(Refusal::OwnAddress);
    }
    // Not checked on point-to-point networks, whose ends may be numbered apart.
    if interface.is_shared() && !interface.config.address.contains(&source) {
        let network = interface.config.address.trunc();
        return Err(Refusal::ForeignSource { network, source_address: source });
    }
    Ok(())
}

/// The checks of the OSPF header (section 8.2).
fn check_header(interface: &Interface, own: RouterId, header: &Header) -> Result<(), Refusal> {
    if header.area_id != interface.config.area {
        return Err(Refusal::AreaMismatch { own: interface.config.area, theirs: header.area_id });
    }
    if header.router_id == own {
        return Err(Refusal::DuplicateRouterId { router_id: own });
    }
    if header.router_id.0.is_unspecified() {
        return Err(Refusal::ZeroRouterId);
    }
    Ok(())
}
