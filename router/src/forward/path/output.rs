//! Out of an interface: the Ethernet address of the next station, the frame, the port.

use std::net::Ipv4Addr;

use isthmus_shmnet::{Network, NodeId, mac_address};

use super::ipv4::interface;
use super::{Arrival, Path, Toward};
use crate::forward::icmp::IcmpError;
use crate::forward::neighbor::{Resolution, Waiting};
use crate::forward::state::{ForwardingState, Interface, InterfaceKind};
use crate::forward::wire::{
    BROADCAST_MAC, ETHERNET_HEADER, ETHERTYPE_IPV4, ETHERTYPE_REASSEMBLY, Ethernet, Ipv4Header, multicast_mac,
};
use crate::forward::{DropReason, InterfaceIndex};
use crate::packet::PacketBuffer;

impl Path {
    /// Sends a datagram of the OSPF engine, as it is, out of `buffer.interface`; without one where its route leads.
    pub(super) fn send_ospf(&mut self, state: &ForwardingState, buffer: PacketBuffer) {
        let egress = buffer.interface;
        let header = match Ipv4Header::parse(buffer.bytes()) {
            Ok(header) => header,
            Err(reason) => return self.discard(egress, reason, buffer),
        };
        if egress == InterfaceIndex::NONE {
            return self.route(state, Arrival::ROUTER, &header, buffer);
        }
        let toward = match header.destination.is_multicast() {
            true => Toward::Group(header.destination),
            false => Toward::Address(header.destination),
        };
        self.send(state, Arrival::ROUTER, &header, egress, toward, buffer);
    }

    /// Resolves the next station and transmits; a datagram for a neighbor that is not known yet waits.
    pub(super) fn output(
        &mut self,
        state: &ForwardingState,
        arrival: Arrival,
        egress: InterfaceIndex,
        toward: Toward,
        buffer: PacketBuffer,
    ) {
        if let Err(reason) = self.is_usable(state, egress) {
            return self.discard(egress, reason, buffer);
        }
        let Some(interface) = interface(state, egress) else {
            return self.discard(egress, DropReason::InterfaceDown, buffer);
        };
        match (interface.kind, toward) {
            (_, Toward::Group(group)) => {
                let mac = if group.is_multicast() { multicast_mac(group) } else { BROADCAST_MAC };
                self.transmit(state, arrival, egress, mac, buffer);
            }
            (InterfaceKind::Fabric(network), _) => match node_mac(state, network, interface, toward) {
                Some(mac) => {
                    let ethertype = match toward {
                        Toward::Reassembler(_) => ETHERTYPE_REASSEMBLY,
                        _ => ETHERTYPE_IPV4,
                    };
                    self.transmit_as(state, arrival, egress, (mac, ethertype), buffer);
                }
                None => self.unreachable(state, arrival, egress, DropReason::NoSuchNode, buffer),
            },
            (InterfaceKind::Kernel(_), Toward::Address(address)) => {
                match self.slot(egress).and_then(|slot| slot.kernel_mac) {
                    Some(mac) => self.transmit(state, arrival, egress, mac, buffer),
                    None => self.resolve(state, arrival, egress, address, buffer),
                }
            }
            (InterfaceKind::Nic, Toward::Address(address)) => {
                self.resolve(state, arrival, egress, address, buffer);
            }
            (InterfaceKind::Kernel(_) | InterfaceKind::Nic, Toward::Node(_) | Toward::Reassembler(_)) => {
                self.discard(egress, DropReason::NoSuchNode, buffer);
            }
        }
    }

    fn resolve(
        &mut self,
        state: &ForwardingState,
        arrival: Arrival,
        egress: InterfaceIndex,
        address: Ipv4Addr,
        buffer: PacketBuffer,
    ) {
        let key = (egress, address);
        match self.neighbors.resolve(self.now, key) {
            Resolution::Known(mac) => self.transmit(state, arrival, egress, mac, buffer),
            Resolution::Wait { ask } => {
                if let Err(waiting) = self.neighbors.wait(Waiting { key, buffer, context: arrival }) {
                    self.discard(egress, DropReason::ResolutionQueueFull, waiting.buffer);
                }
                if ask {
                    self.ask(state, key, None);
                }
            }
            Resolution::Failed => {
                self.unreachable(state, arrival, egress, DropReason::UnresolvedNextHop, buffer);
            }
        }
    }

    /// Puts the Ethernet header in front of a datagram and hands the frame to the port.
    pub(super) fn transmit(
        &mut self,
        state: &ForwardingState,
        arrival: Arrival,
        egress: InterfaceIndex,
        destination: [u8; 6],
        buffer: PacketBuffer,
    ) {
        self.transmit_as(state, arrival, egress, (destination, ETHERTYPE_IPV4), buffer);
    }

    fn transmit_as(
        &mut self,
        state: &ForwardingState,
        arrival: Arrival,
        egress: InterfaceIndex,
        (destination, ethertype): ([u8; 6], u16),
        mut buffer: PacketBuffer,
    ) {
        let Some(source) = self.slot(egress).map(|slot| slot.mac) else {
            return self.discard(egress, DropReason::InterfaceDown, buffer);
        };
        if !buffer.grow_front(ETHERNET_HEADER) {
            return self.discard(egress, DropReason::TooLong, buffer);
        }
        let header = Ethernet { destination, source, ethertype };
        buffer.bytes_mut()[..ETHERNET_HEADER].copy_from_slice(&header.to_bytes());
        let refused = self.transmit_frame(egress, buffer.bytes());
        if refused == Some(DropReason::NoSuchNode) {
            let datagram = &buffer.bytes()[ETHERNET_HEADER..];
            self.answer_datagram(state, arrival, IcmpError::HostUnreachable, datagram);
        }
        self.pool.give(buffer);
    }

    /// Hands a frame to a port and counts it, as sent or as dropped. Returns why the port refused it.
    pub(super) fn transmit_frame(&mut self, egress: InterfaceIndex, frame: &[u8]) -> Option<DropReason> {
        let Some(slot) = self.slot_mut(egress) else {
            self.counters.count_drop(egress, DropReason::InterfaceDown);
            return Some(DropReason::InterfaceDown);
        };
        match slot.port.transmit(frame) {
            Ok(()) => {
                slot.queued = true;
                self.counters.interface(egress).note_sent(frame);
                None
            }
            Err(reason) => {
                self.counters.count_drop(egress, reason);
                Some(reason)
            }
        }
    }

    fn unreachable(
        &mut self,
        state: &ForwardingState,
        arrival: Arrival,
        egress: InterfaceIndex,
        reason: DropReason,
        buffer: PacketBuffer,
    ) {
        self.answer_datagram(state, arrival, IcmpError::HostUnreachable, buffer.bytes());
        self.discard(egress, reason, buffer);
    }
}

/// The Ethernet address of a node, named by its id or by its address on the network: the node's id is the host
/// part of the address. There is none for this node itself.
fn node_mac(
    state: &ForwardingState,
    network: Network,
    interface: &Interface,
    toward: Toward,
) -> Option<[u8; 6]> {
    let id = match toward {
        Toward::Node(id) | Toward::Reassembler(id) => id,
        Toward::Address(address) => interface.node_of(address)?,
        Toward::Group(_) => return None,
    };
    NodeId::new(id).filter(|_| id != state.node_id).map(|node| mac_address(network, node))
}
