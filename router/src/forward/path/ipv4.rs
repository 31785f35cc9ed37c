//! IPv4 datagrams: validation, and which of the ways through the router they take.

use std::net::Ipv4Addr;

use isthmus_shmnet::Network;

use super::{Arrival, Path, Source, Toward};
use crate::forward::hash::Flow;
use crate::forward::state::{ForwardingState, Interface, InterfaceKind, LocalOwner};
use crate::forward::wire::{Ipv4Header, protocol};
use crate::forward::{DropReason, InterfaceIndex};
use crate::packet::PacketBuffer;

impl Path {
    /// A datagram from a port or from the embedded stack.
    pub(super) fn ipv4_input(&mut self, state: &ForwardingState, arrival: Arrival, mut buffer: PacketBuffer) {
        let header = match Ipv4Header::parse(buffer.bytes()) {
            Ok(header) => header,
            Err(reason) => return self.discard(arrival.interface, reason, buffer),
        };
        buffer.truncate(header.total_length);
        if self.is_martian(state, arrival, &header) {
            return self.discard(arrival.interface, DropReason::Martian, buffer);
        }
        if header.destination.is_multicast() || self.is_broadcast(state, header.destination) {
            return self.group_input(state, arrival, &header, buffer);
        }
        // RFC 1812 section 5.3.4: what the link carried to all stations is not for one host.
        if arrival.group {
            return self.discard(arrival.interface, DropReason::UnwantedMulticast, buffer);
        }
        self.unicast_input(state, arrival, &header, buffer);
    }

    fn unicast_input(
        &mut self,
        state: &ForwardingState,
        arrival: Arrival,
        header: &Ipv4Header,
        buffer: PacketBuffer,
    ) {
        if let Some(owner) = self.local_owner(state, header.destination) {
            if header.protocol == protocol::OSPF {
                return self.punt_ospf(state, arrival, buffer);
            }
            return self.deliver(state, arrival, owner, header, buffer);
        }
        if let Some(owner) = self.common_owner(state, header.destination) {
            return match arrival.source {
                Source::Nic if header.is_fragment() => self.gather(state, arrival, header, buffer),
                Source::Nic => self.steer(state, arrival, owner, header, buffer),
                // What another node handed over stays here; what is our own never left.
                Source::Fabric | Source::Kernel(_) | Source::Host(_) | Source::Router => {
                    self.deliver(state, arrival, owner, header, buffer)
                }
            };
        }
        if let Some(network) = arrival.adapter() {
            self.counters.captured[network.index()].add(1);
        }
        self.route(state, arrival, header, buffer);
    }

    /// Gives a datagram to the stack of this node that answers for its destination.
    pub(super) fn deliver(
        &mut self,
        state: &ForwardingState,
        arrival: Arrival,
        owner: LocalOwner,
        header: &Ipv4Header,
        mut buffer: PacketBuffer,
    ) {
        match owner {
            LocalOwner::Host(network) => {
                buffer.network = network;
                buffer.interface = arrival.interface;
                let Some(host) = &mut self.host else {
                    return self.discard(arrival.interface, DropReason::UnknownProtocol, buffer);
                };
                match host.push(buffer) {
                    Ok(()) => {
                        self.host_pushed = true;
                        self.counters.delivered_host.add(1);
                    }
                    Err(buffer) => self.discard(arrival.interface, DropReason::HostQueueFull, buffer),
                }
            }
            LocalOwner::Kernel(index) => {
                self.counters.delivered_kernel.add(1);
                self.output(state, arrival, index, Toward::Address(header.destination), buffer);
            }
        }
    }

    /// Gives a datagram of protocol 89 to the OSPF engine, if OSPF runs where it came in.
    fn punt_ospf(&mut self, state: &ForwardingState, arrival: Arrival, mut buffer: PacketBuffer) {
        let runs = interface(state, arrival.interface).is_some_and(|interface| interface.ospf);
        let Some(ospf) = self.ospf.as_mut().filter(|_| runs) else {
            return self.discard(arrival.interface, DropReason::UnexpectedOspf, buffer);
        };
        buffer.interface = arrival.interface;
        match ospf.push(buffer) {
            Ok(()) => {
                self.ospf_pushed = true;
                self.counters.punted.add(1);
            }
            Err(buffer) => self.discard(arrival.interface, DropReason::ControlQueueFull, buffer),
        }
    }

    /// Multicast and broadcast: OSPF's own goes to the engine. What this node's stack sends goes to the
    /// other nodes of its network, what they send goes to this node's kernel: the two are one link. Nothing is
    /// forwarded between links.
    fn group_input(
        &mut self,
        state: &ForwardingState,
        arrival: Arrival,
        header: &Ipv4Header,
        buffer: PacketBuffer,
    ) {
        if header.protocol == protocol::OSPF {
            return self.punt_ospf(state, arrival, buffer);
        }
        let other_side = match arrival.source {
            Source::Kernel(network) | Source::Host(network) => {
                self.counters.captured[network.index()].add(1);
                find(state, InterfaceKind::Fabric(network))
            }
            Source::Fabric => match interface(state, arrival.interface).map(|interface| interface.kind) {
                Some(InterfaceKind::Fabric(network)) => find(state, InterfaceKind::Kernel(network)),
                _ => None,
            },
            Source::Nic | Source::Router => None,
        };
        match other_side {
            Some(index) => self.output(state, arrival, index, Toward::Group(header.destination), buffer),
            None => self.discard(arrival.interface, DropReason::UnwantedMulticast, buffer),
        }
    }

    /// Hands a datagram for a common address to the node that serves its flow.
    pub(super) fn steer(
        &mut self,
        state: &ForwardingState,
        arrival: Arrival,
        owner: LocalOwner,
        header: &Ipv4Header,
        buffer: PacketBuffer,
    ) {
        let flow = Flow::for_steering(header, buffer.bytes());
        let Some(node) = state.steering.node_for(flow.hash()) else {
            return self.discard(arrival.interface, DropReason::NoActiveNode, buffer);
        };
        self.counters.count_steered(node, buffer.len());
        if node == state.node_id {
            return self.deliver(state, arrival, owner, header, buffer);
        }
        match self.way_to_nodes(state) {
            Some(egress) => self.send(state, arrival, header, egress, Toward::Node(node), buffer),
            None => self.discard(arrival.interface, DropReason::NoActiveNode, buffer),
        }
    }

    /// The interface by which to hand packets to other nodes. They take them from either network; the global one is the
    /// usual way.
    pub(super) fn way_to_nodes(&self, state: &ForwardingState) -> Option<InterfaceIndex> {
        let enabled =
            |index: &InterfaceIndex| interface(state, *index).is_some_and(|interface| interface.enabled);
        let networks =
            [Network::Gsm, Network::Lsm].map(|network| find(state, InterfaceKind::Fabric(network)));
        networks.into_iter().flatten().find(enabled)
    }

    /// Addresses that must not be on the wire (RFC 1812 sections 4.2.2.11, 5.3.7).
    pub(super) fn is_martian(&self, state: &ForwardingState, arrival: Arrival, header: &Ipv4Header) -> bool {
        let (source, destination) = (header.source, header.destination);
        if is_never_valid(source) || source.is_multicast() || source == Ipv4Addr::BROADCAST {
            return true;
        }
        if is_never_valid(destination) {
            return true;
        }
        // Link-local addresses do not leave their link (RFC 3927 section 2.7), and no link of ours uses them.
        if (source.is_link_local() || destination.is_link_local()) && !destination.is_multicast() {
            return true;
        }
        if arrival.is_own() {
            return false;
        }
        // Nobody else sends from this node's addresses, nor from the cluster's outside of it.
        self.local_owner(state, source).is_some()
            || (arrival.source == Source::Nic && self.common_owner(state, source).is_some())
            || self.is_broadcast(state, source)
    }

    /// Whether an address is the limited broadcast, or the broadcast of an attached network, in today's or in the
    /// all-zeroes form (RFC 1812 section 4.2.3.1).
    fn is_broadcast(&self, state: &ForwardingState, address: Ipv4Addr) -> bool {
        self.own.may_hold(address)
            && (address == Ipv4Addr::BROADCAST
                || state.interfaces.iter().filter_map(|interface| interface.address).any(|own| {
                    own.prefix_len() < 31 && (address == own.broadcast() || address == own.network())
                }))
    }
}

/// The interface with this index.
pub(super) fn interface(state: &ForwardingState, index: InterfaceIndex) -> Option<&Interface> {
    state.interfaces.get(usize::from(index.0))
}

/// The first interface of this kind.
fn find(state: &ForwardingState, kind: InterfaceKind) -> Option<InterfaceIndex> {
    let position = state.interfaces.iter().position(|interface| interface.kind == kind)?;
    u16::try_from(position).ok().map(InterfaceIndex)
}

/// "This network", loopback and class E.
fn is_never_valid(address: Ipv4Addr) -> bool {
    let first = address.octets()[0];
    first == 0 || first == 127 || (first >= 240 && address != Ipv4Addr::BROADCAST)
}
