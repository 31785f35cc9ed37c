//! Frames from ports: whose are they, and what is in them.

use super::{Arrival, Path};
use crate::forward::state::{ForwardingState, InterfaceKind};
use crate::forward::wire::{
    BROADCAST_MAC, ETHERNET_HEADER, ETHERTYPE_ARP, ETHERTYPE_IPV4, ETHERTYPE_REASSEMBLY, Ethernet,
    is_group_mac, multicast_mac,
};
use crate::forward::{DropReason, InterfaceIndex};
use crate::packet::PacketBuffer;

use std::net::Ipv4Addr;

use isthmus_shmnet::node_of_mac;

impl Path {
    /// A frame that came in on `buffer.interface`.
    pub(in crate::forward) fn frame_input(&mut self, state: &ForwardingState, mut buffer: PacketBuffer) {
        let index = buffer.interface;
        self.counters.interface(index).note_received(buffer.bytes());
        let Some(interface) = state.interfaces.get(usize::from(index.0)).filter(|i| i.enabled) else {
            return self.discard(index, DropReason::InterfaceDown, buffer);
        };
        let kind = interface.kind;
        let header = match Ethernet::parse(buffer.bytes()) {
            Ok(header) => header,
            Err(reason) => return self.discard(index, reason, buffer),
        };
        // No station is a group.
        if is_group_mac(header.source) {
            return self.discard(index, DropReason::BadFrame, buffer);
        }
        if let Err(reason) = self.accept_station(index, kind, &header) {
            return self.discard(index, reason, buffer);
        }
        let group = is_group_mac(header.destination);
        match header.ethertype {
            ETHERTYPE_IPV4 => {
                buffer.trim_front(ETHERNET_HEADER);
                self.ipv4_input(state, Arrival::on(index, kind, group), buffer);
            }
            ETHERTYPE_REASSEMBLY if matches!(kind, InterfaceKind::Fabric(_)) && !group => {
                buffer.trim_front(ETHERNET_HEADER);
                // The port has checked that the sender's address is that of the node whose ring it came by.
                let feeder = node_of_mac(header.source).map_or(0, |(_, node)| node.get());
                self.fragment_input(state, Arrival::on(index, kind, group), feeder, buffer);
            }
            ETHERTYPE_ARP => self.arp_input(state, index, interface, buffer),
            _ => self.discard(index, DropReason::UnknownEtherType, buffer),
        }
    }

    /// Whether a frame to this station is taken.
    fn accept_station(
        &mut self,
        index: InterfaceIndex,
        kind: InterfaceKind,
        header: &Ethernet,
    ) -> Result<(), DropReason> {
        let Some(slot) = self.slot_mut(index) else { return Err(DropReason::InterfaceDown) };
        if let InterfaceKind::Kernel(_) = kind {
            // The device is a wire to one kernel: whatever it sends is for the router.
            if header.source != [0; 6] {
                slot.kernel_mac = Some(header.source);
            }
            return Ok(());
        }
        if header.destination == slot.mac || header.destination == BROADCAST_MAC {
            return Ok(());
        }
        if !is_group_mac(header.destination) {
            return Err(DropReason::NotForUs);
        }
        // The fabric also carries the groups of the nodes' kernels; a NIC's are those of routers.
        let wanted = matches!(kind, InterfaceKind::Fabric(_))
            || ROUTER_GROUPS.iter().any(|&group| multicast_mac(group) == header.destination);
        if wanted { Ok(()) } else { Err(DropReason::UnwantedMulticast) }
    }
}

/// All systems; all OSPF routers; all OSPF designated routers.
const ROUTER_GROUPS: [Ipv4Addr; 3] =
    [Ipv4Addr::new(224, 0, 0, 1), Ipv4Addr::new(224, 0, 0, 5), Ipv4Addr::new(224, 0, 0, 6)];
