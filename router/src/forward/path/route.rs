//! Sending on by a route, and the ICMP errors about what cannot be sent on.

use std::net::Ipv4Addr;

use super::ipv4::interface;
use super::{Arrival, Path, Toward};
use crate::forward::fib::{self, FibEntry, NextHop};
use crate::forward::fragment::Fragments;
use crate::forward::hash::Flow;
use crate::forward::icmp::{IcmpError, may_answer, write_error};
use crate::forward::state::ForwardingState;
use crate::forward::wire::{Ipv4Header, decrement_ttl};
use crate::forward::{DropReason, InterfaceIndex};
use crate::packet::PacketBuffer;

impl Path {
    /// Sends a datagram on by the longest matching route.
    pub(super) fn route(
        &mut self,
        state: &ForwardingState,
        arrival: Arrival,
        header: &Ipv4Header,
        buffer: PacketBuffer,
    ) {
        let next_hop = match state.fib.lookup(header.destination) {
            None => Err(DropReason::NoRoute),
            Some((_, FibEntry::Discard)) => Err(DropReason::Discard),
            Some((_, FibEntry::Forward(next_hops))) => {
                let hash = || Flow::for_forwarding(header, buffer.bytes()).hash() ^ state.path_salt();
                fib::choose(next_hops, hash, |next_hop| self.is_usable(state, next_hop.interface).is_ok())
                    .ok_or_else(|| self.why_unusable(state, next_hops))
            }
        };
        match next_hop {
            Ok(NextHop { interface, gateway }) => {
                let toward = Toward::Address(gateway.unwrap_or(header.destination));
                self.send(state, arrival, header, interface, toward, buffer);
            }
            Err(reason) => {
                if reason != DropReason::Discard {
                    self.answer(state, arrival, IcmpError::NetworkUnreachable, header, buffer.bytes());
                }
                self.discard(arrival.interface, reason, buffer);
            }
        }
    }

    /// Whether an interface can send.
    pub(super) fn is_usable(&self, state: &ForwardingState, index: InterfaceIndex) -> Result<(), DropReason> {
        let enabled = interface(state, index).is_some_and(|interface| interface.enabled);
        match self.slot(index) {
            Some(slot) if enabled && slot.carrier => Ok(()),
            Some(_) if enabled => Err(DropReason::NoCarrier),
            _ => Err(DropReason::InterfaceDown),
        }
    }

    fn why_unusable(&self, state: &ForwardingState, next_hops: &[NextHop]) -> DropReason {
        let reasons = next_hops.iter().filter_map(|next_hop| self.is_usable(state, next_hop.interface).err());
        // Of an interface that was switched off and one that lost its carrier, the second is the surprise.
        reasons.max_by_key(|reason| *reason == DropReason::NoCarrier).unwrap_or(DropReason::InterfaceDown)
    }

    /// Sends a datagram out of an interface: time to live, then length.
    pub(super) fn send(
        &mut self,
        state: &ForwardingState,
        arrival: Arrival,
        header: &Ipv4Header,
        egress: InterfaceIndex,
        toward: Toward,
        mut buffer: PacketBuffer,
    ) {
        let own = arrival.is_own();
        if !own && header.ttl <= 1 {
            self.answer(state, arrival, IcmpError::TimeExceeded, header, buffer.bytes());
            return self.discard(arrival.interface, DropReason::TtlExpired, buffer);
        }
        let mtu = self.mtu(state, egress);
        let fits = header.total_length <= usize::from(mtu);
        if !fits && header.dont_fragment {
            self.answer(state, arrival, IcmpError::FragmentationNeeded(mtu), header, buffer.bytes());
            return self.discard(arrival.interface, DropReason::FragmentationNeeded, buffer);
        }
        if !own {
            decrement_ttl(buffer.bytes_mut());
            self.counters.forwarded.add(1);
        }
        if fits {
            return self.output(state, arrival, egress, toward, buffer);
        }
        self.send_fragments(state, arrival, header, egress, toward, mtu, buffer);
    }

    #[allow(clippy::too_many_arguments, reason = "the arguments of `send` and the MTU that it found")]
    fn send_fragments(
        &mut self,
        state: &ForwardingState,
        arrival: Arrival,
        header: &Ipv4Header,
        egress: InterfaceIndex,
        toward: Toward,
        mtu: u16,
        buffer: PacketBuffer,
    ) {
        let Some(mut fragments) = Fragments::new(*header, buffer.bytes(), usize::from(mtu)) else {
            return self.discard(egress, DropReason::TooLong, buffer);
        };
        self.counters.fragmented.add(1);
        loop {
            let Some(mut fragment) = self.pool.take() else {
                self.counters.count_drop(egress, DropReason::NoBuffer);
                break;
            };
            if !fragments.next_into(&mut fragment) {
                self.pool.give(fragment);
                break;
            }
            self.output(state, arrival, egress, toward, fragment);
        }
        self.pool.give(buffer);
    }

    pub(super) fn mtu(&self, state: &ForwardingState, egress: InterfaceIndex) -> u16 {
        let configured = interface(state, egress).map_or(u16::MAX, |interface| interface.mtu);
        self.slot(egress).map_or(configured, |slot| slot.mtu.min(configured))
    }

    /// Answers a datagram that was checked before.
    pub(super) fn answer_datagram(
        &mut self,
        state: &ForwardingState,
        arrival: Arrival,
        error: IcmpError,
        datagram: &[u8],
    ) {
        if let Ok(header) = Ipv4Header::parse(datagram) {
            self.answer(state, arrival, error, &header, datagram);
        }
    }

    /// Sends an ICMP error about a datagram to its source, where that is allowed and not too much.
    pub(super) fn answer(
        &mut self,
        state: &ForwardingState,
        arrival: Arrival,
        error: IcmpError,
        header: &Ipv4Header,
        datagram: &[u8],
    ) {
        // The router does not complain to itself, about an OSPF packet to a node that is gone.
        if arrival.group || arrival == Arrival::ROUTER || !may_answer(header, datagram) {
            return;
        }
        let Some(source) = error_source(state, arrival) else { return };
        if !self.errors.allow(self.now) {
            return self.counters.icmp_suppressed.add(1);
        }
        let Some(mut buffer) = self.pool.take() else {
            return self.counters.count_drop(InterfaceIndex::NONE, DropReason::NoBuffer);
        };
        self.identification = self.identification.wrapping_add(1);
        write_error(&mut buffer, error, source, self.identification, header, datagram);
        self.counters.icmp_sent[error.index()].add(1);
        self.send_error(state, arrival, buffer);
    }

    /// Routes an error of the router's own. An error for a common address goes where the flow that it quotes
    /// goes; if the flow is of this node's own stack, it stays.
    fn send_error(&mut self, state: &ForwardingState, about: Arrival, buffer: PacketBuffer) {
        let Ok(header) = Ipv4Header::parse(buffer.bytes()) else {
            return self.discard(InterfaceIndex::NONE, DropReason::BadIpHeader, buffer);
        };
        if let Some(owner) = self.local_owner(state, header.destination) {
            return self.deliver(state, Arrival::ROUTER, owner, &header, buffer);
        }
        match self.common_owner(state, header.destination) {
            Some(owner) if about.is_own() => {
                self.deliver(state, Arrival::ROUTER, owner, &header, buffer);
            }
            Some(owner) => self.steer(state, Arrival::ROUTER, owner, &header, buffer),
            None => self.route(state, Arrival::ROUTER, &header, buffer),
        }
    }
}

/// The address of the interface that the packet came in on (RFC 1812 section 4.3.2.4), else the router's.
fn error_source(state: &ForwardingState, arrival: Arrival) -> Option<Ipv4Addr> {
    let incoming = interface(state, arrival.interface).and_then(|interface| interface.address);
    let any = || state.interfaces.iter().find_map(|interface| interface.address);
    incoming.map(|address| address.addr()).or(state.router_address).or_else(|| any().map(|own| own.addr()))
}
