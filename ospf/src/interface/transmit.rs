//! Sending packets: where they go (RFC 2328 section 8.1) and how much fits into one.

use std::net::Ipv4Addr;

use crate::Instance;
use crate::event::{Notification, Output, Transmit};
use crate::interface::Interface;
use crate::lsdb::Scope;
use crate::types::{Instant, InterfaceId, RouterId};
use crate::view::NeighborState;
use crate::wire::{
    ALL_D_ROUTERS, ALL_SPF_ROUTERS, DD_FIXED_LEN, HEADER_LEN, HELLO_FIXED_LEN, Header, LSA_HEADER_LEN,
    LSU_FIXED_LEN, Lsa, LsaHeader, LsaKey, Packet, PacketBody, REQUEST_LEN,
};

/// Whom a packet is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Destination {
    /// Every router on the network that hellos leave to.
    AllRouters,
    /// Every router that was heard.
    Heard,
    /// Every router that is adjacent, with what is flooded and with delayed acknowledgments.
    Adjacent,
    /// One neighbor.
    Neighbor(RouterId),
    /// Somebody who was not heard yet, on a network without multicast.
    Address(Ipv4Addr),
}

/// What every network carries in one piece, or every host puts together (section A.1).
const VIRTUAL_LINK_MTU: u16 = 576;
/// Length of an IP header without options.
const IP_HEADER_LEN: usize = 20;
/// Length of a neighbor in a hello.
const NEIGHBOR_LEN: usize = 4;

impl Interface {
    /// What fits into a packet after the common header and before what authentication adds.
    fn body_capacity(&self) -> usize {
        let around = IP_HEADER_LEN + HEADER_LEN + self.trailer_len();
        // Section A.1: nobody has discovered the MTU of the path that a virtual link takes.
        let mtu = if self.is_virtual() { VIRTUAL_LINK_MTU } else { self.config.mtu };
        usize::from(mtu).saturating_sub(around)
    }

    /// Section A.1: 1, but not on virtual links, whose packets are routed. RFC 5082 section 3: 255.
    fn time_to_live(&self) -> u8 {
        if self.is_virtual() || self.config.ttl_security.is_some() { u8::MAX } else { 1 }
    }

    /// Neighbors that fit into a hello.
    pub(crate) fn hello_capacity(&self) -> usize {
        self.body_capacity().saturating_sub(HELLO_FIXED_LEN) / NEIGHBOR_LEN
    }

    /// Bytes of advertisements that fit into an update.
    fn update_capacity(&self) -> usize {
        self.body_capacity().saturating_sub(LSU_FIXED_LEN)
    }

    /// Headers that fit into a database description packet.
    pub(crate) fn description_capacity(&self) -> usize {
        (self.body_capacity().saturating_sub(DD_FIXED_LEN) / LSA_HEADER_LEN).max(1)
    }

    /// Requests that fit into a link state request.
    pub(crate) fn request_capacity(&self) -> usize {
        (self.body_capacity() / REQUEST_LEN).max(1)
    }

    /// Headers that fit into an acknowledgment.
    fn acknowledgment_capacity(&self) -> usize {
        (self.body_capacity() / LSA_HEADER_LEN).max(1)
    }

    /// Section 8.1: everything goes to AllSPFRouters on a point-to-point network. On a broadcast network what is for one
    /// neighbor goes to its address, and what is flooded goes to the designated routers, unless one of these sends it
    /// (sections 13.3 step 5, 13.5). On a point-to-multipoint network what is for one neighbor goes to its address; hellos and flooding are multicast (a deviation:
    /// the network inside the cluster can, and neighbors then find each other), unless neighbors are listed. The neighbor of a multi-area
    /// adjacency shares its network with others, so everything goes to its address (RFC 5185 section 2.2), and so does what
    /// takes a virtual link.
    fn destination(&self, destination: Destination) -> Ipv4Addr {
        if let Some(address) = self.virtual_ends.map(|ends| ends.destination).or(self.config.unicast_to) {
            return address;
        }
        match destination {
            Destination::Adjacent if self.has_designated_router() && !self.is_designated() => ALL_D_ROUTERS,
            Destination::Neighbor(router) if self.is_shared() => {
                self.neighbors.get(&router).map_or(ALL_SPF_ROUTERS, |neighbor| neighbor.address)
            }
            Destination::Address(address) => address,
            Destination::AllRouters
            | Destination::Heard
            | Destination::Adjacent
            | Destination::Neighbor(_) => ALL_SPF_ROUTERS,
        }
    }

    /// Where a packet goes: once to the destination that all hear it at, or, on a network without multicast, to each router by
    /// itself. There what is flooded and delayed acknowledgments go to all with whom databases are exchanged, or were
    /// (sections 13.3 step 5, 13.5).
    fn destinations(&self, destination: Destination) -> Vec<Ipv4Addr> {
        let heard = || self.neighbors.values();
        match destination {
            _ if !self.config.is_non_broadcast() => vec![self.destination(destination)],
            Destination::AllRouters => self.greeted().collect(),
            Destination::Heard => heard().map(|neighbor| neighbor.address).collect(),
            Destination::Adjacent => {
                let adjacent = heard().filter(|neighbor| neighbor.state >= NeighborState::Exchange);
                adjacent.map(|neighbor| neighbor.address).collect()
            }
            Destination::Neighbor(router) => {
                self.neighbors.get(&router).map(|neighbor| neighbor.address).into_iter().collect()
            }
            Destination::Address(address) => vec![address],
        }
    }
}

impl Instance {
    /// Sends a packet, to everybody with a seal of its own.
    pub(crate) fn send(&mut self, id: InterfaceId, destination: Destination, body: PacketBody) {
        let Some(interface) = self.interfaces.get_mut(&id).filter(|interface| interface.speaks()) else {
            return;
        };
        let header = Header { router_id: self.config.router_id, area_id: interface.config.area };
        let packet = Packet { header, body };
        for destination in interface.destinations(destination) {
            interface.statistics.sent.count(packet.type_number());
            let (seal, boots) = interface.seal(&mut self.sequence);
            self.outputs.push_back(Output::Transmit(Transmit {
                interface: id,
                source: interface.address(),
                destination,
                ttl: interface.time_to_live(),
                payload: packet.encode_sealed(&seal),
            }));
            if let Some(boot_count) = boots {
                self.outputs.push_back(Output::Notification(Notification::BootCount { boot_count }));
            }
        }
    }

    /// Sends advertisements in as few updates as the MTU allows. One that is larger than that travels alone,
    /// and IP fragments it (section A.1).
    pub(crate) fn send_updates(&mut self, id: InterfaceId, destination: Destination, lsas: Vec<Lsa>) {
        let Some(interface) = self.interfaces.get(&id) else { return };
        let capacity = interface.update_capacity();
        let mut packet = Vec::new();
        let mut length = 0;
        for lsa in lsas {
            if !packet.is_empty() && length + lsa.encoded_len() > capacity {
                self.send(id, destination, PacketBody::LinkStateUpdate(std::mem::take(&mut packet)));
                length = 0;
            }
            length += lsa.encoded_len();
            packet.push(lsa);
        }
        if !packet.is_empty() {
            self.send(id, destination, PacketBody::LinkStateUpdate(packet));
        }
    }

    /// Sends acknowledgments in as few packets as the MTU allows.
    pub(crate) fn send_acks(&mut self, id: InterfaceId, destination: Destination, headers: &[LsaHeader]) {
        let Some(interface) = self.interfaces.get(&id) else { return };
        let capacity = interface.acknowledgment_capacity();
        for chunk in headers.chunks(capacity) {
            self.send(id, destination, PacketBody::LinkStateAck(chunk.to_vec()));
        }
    }

    /// Delayed acknowledgments leave together (section 13.5), but for those of instances that a newer one has replaced
    /// meanwhile: they could pass for acknowledgments of what was sent again since, which was dropped as older.
    pub(crate) fn send_delayed_acks(&mut self, now: Instant, id: InterfaceId) {
        let Some(interface) = self.interfaces.get_mut(&id) else { return };
        let area = interface.config.area;
        let mut headers: Vec<_> = std::mem::take(&mut interface.delayed_acks).into_values().collect();
        headers.retain(|header| {
            let lsdb = self.lsdb(Scope::of(header.key.ls_type, id, area));
            let ours = lsdb.and_then(|lsdb| lsdb.get(&header.key)).map(|entry| entry.header(now));
            ours.is_none_or(|ours| header.compare(&ours).is_ge())
        });
        self.send_acks(id, Destination::Adjacent, &headers);
    }

    /// Sends what the call at hand has queued for flooding. Everything that one call changes travels
    /// together, in its newest instance.
    pub(crate) fn send_flood_queues(&mut self, now: Instant) {
        let queued: Vec<_> = self
            .interfaces
            .iter_mut()
            .filter(|(_, interface)| !interface.flood_queue.is_empty())
            .map(|(id, interface)| (*id, std::mem::take(&mut interface.flood_queue)))
            .collect();
        for (id, keys) in queued {
            let lsas = keys.iter().filter_map(|key| self.lsa_to_send(now, id, key)).collect();
            self.send_updates(id, Destination::Adjacent, lsas);
        }
    }

    /// The database's instance as it travels out of an interface, noted as sent now.
    pub(crate) fn lsa_to_send(&mut self, now: Instant, id: InterfaceId, key: &LsaKey) -> Option<Lsa> {
        let config = &self.interfaces.get(&id)?.config;
        let (area, delay) = (config.area, config.transmit_delay);
        let entry = self.lsdb_mut(Scope::of(key.ls_type, id, area))?.get_mut(key)?;
        entry.last_sent = Some(now);
        Some(entry.to_send(now, delay))
    }
}
