//! Receiving packets: the checks that every packet passes (RFC 2328 section 8.2), then the part of the engine that
//! its type belongs to.

use std::net::Ipv4Addr;

use crate::Instance;
use crate::error::Refusal;
use crate::event::{Notification, Output};
use crate::interface::Interface;
use crate::neighbor::NeighborKey;
use crate::types::{Instant, InterfaceId, RouterId};
use crate::wire::{ALL_SPF_ROUTERS, Header, Packet, PacketBody, auth_type};

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
        let Err(refusal) = self.try_receive(now, id, source, destination, payload) else { return };
        self.refuse(id, refusal);
        let notification = if matches!(refusal, Refusal::Malformed(_)) {
            Notification::InterfaceRxBadPacket { interface: id, source, error: refusal }
        } else if refusal.is_configuration() {
            Notification::InterfaceConfigError { interface: id, source, error: refusal }
        } else {
            return;
        };
        self.outputs.push_back(Output::Notification(notification));
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
        check_addresses(interface, source, destination)?;
        let (packet, authentication) = Packet::decode(payload).map_err(Refusal::Malformed)?;
        check_header(interface, self.config.router_id, &packet.header)?;
        if authentication.auth_type != auth_type::NULL {
            return Err(Refusal::AuthenticationMismatch);
        }
        let router = packet.header.router_id;
        let key = NeighborKey { interface: id, router };
        if !matches!(packet.body, PacketBody::Hello(_)) {
            self.check_neighbor(key, source)?;
        }
        if let Some(interface) = self.interfaces.get_mut(&id) {
            interface.statistics.received.count(packet.type_number());
        }
        match packet.body {
            PacketBody::Hello(hello) => self.receive_hello(now, id, source, router, &hello),
            PacketBody::DatabaseDescription(description) => self.receive_description(now, key, &description),
            PacketBody::LinkStateRequest(names) => self.receive_request(now, key, &names),
            PacketBody::LinkStateUpdate(lsas) => self.receive_update(now, key, lsas),
            PacketBody::LinkStateAck(headers) => self.receive_acks(now, key, &headers),
        }
    }

    /// Section 8.2, end: everything but a hello comes from a neighbor. Section 10: on a point-to-multipoint network
    /// a neighbor is who has its address.
    fn check_neighbor(&self, key: NeighborKey, source: Ipv4Addr) -> Result<(), Refusal> {
        let neighbor = self.neighbor(key).ok_or(Refusal::UnknownNeighbor)?;
        let multipoint = self.interfaces.get(&key.interface).is_some_and(Interface::is_multipoint);
        if multipoint && neighbor.address != source {
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
    // AllDRouters is for designated routers, which no network here has.
    if destination != ALL_SPF_ROUTERS && destination != interface.address() {
        return Err(Refusal::WrongDestination);
    }
    if source == interface.address() {
        return Err(Refusal::OwnAddress);
    }
    // Not checked on point-to-point networks, whose ends may be numbered apart.
    if interface.is_multipoint() && !interface.config.address.contains(&source) {
        return Err(Refusal::ForeignSource);
    }
    Ok(())
}

/// The checks of the OSPF header (section 8.2).
fn check_header(interface: &Interface, own: RouterId, header: &Header) -> Result<(), Refusal> {
    if header.area_id != interface.config.area {
        return Err(Refusal::AreaMismatch);
    }
    if header.router_id == own {
        return Err(Refusal::DuplicateRouterId);
    }
    if header.router_id.0.is_unspecified() {
        return Err(Refusal::ZeroRouterId);
    }
    Ok(())
}
