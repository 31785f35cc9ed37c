//! ARP (RFC 826): answering, asking, learning, and what waits for it.
//!
//! On a NIC the router answers for its own address and learns its neighbors. Towards its own kernel it answers
//! every question but those about the kernel's own addresses. The fabric needs no ARP: its members'
//! Ethernet addresses follow from their ids, and the common address would mean every node at once.

use std::net::Ipv4Addr;

use super::{Arrival, Path};
use crate::forward::icmp::IcmpError;
use crate::forward::neighbor::{NeighborAction, NeighborKey};
use crate::forward::state::{ForwardingState, Interface, InterfaceKind, LocalOwner};
use crate::forward::wire::{Arp, ArpOperation, BROADCAST_MAC, ETHERNET_HEADER};
use crate::forward::{DropReason, InterfaceIndex};
use crate::packet::PacketBuffer;

impl Path {
    /// An ARP packet, still in its frame.
    pub(super) fn arp_input(
        &mut self,
        state: &ForwardingState,
        index: InterfaceIndex,
        interface: &Interface,
        buffer: PacketBuffer,
    ) {
        let arp = Arp::parse(buffer.bytes().get(ETHERNET_HEADER..).unwrap_or_default());
        let result = arp.and_then(|arp| {
            self.counters.arp_received.add(1);
            match interface.kind {
                InterfaceKind::Nic => self.arp_from_nic(state, index, interface, &arp),
                InterfaceKind::Kernel(_) => self.arp_from_kernel(state, index, &arp),
                InterfaceKind::Fabric(_) => Err(DropReason::NotForUs),
            }
        });
        match result {
            Ok(()) => self.pool.give(buffer),
            Err(reason) => self.discard(index, reason, buffer),
        }
    }

    fn arp_from_nic(
        &mut self,
        state: &ForwardingState,
        index: InterfaceIndex,
        interface: &Interface,
        arp: &Arp,
    ) -> Result<(), DropReason> {
        let Some(own) = interface.address else { return Err(DropReason::NotForUs) };
        let mine = arp.target == own.addr();
        if !arp.sender.is_unspecified() {
            // A station that speaks for us, or from another network, is not learned from.
            let foreign = !own.contains(&arp.sender) || state.local.contains_key(&arp.sender);
            if foreign || arp.sender == own.addr() || state.common.contains_key(&arp.sender) {
                return Err(DropReason::Martian);
            }
            // Whoever asks for us is about to talk to us; an answer that was not asked for adds nobody.
            let create = mine && arp.operation == ArpOperation::Request;
            self.learn(state, (index, arp.sender), arp.sender_mac, create);
        }
        match arp.operation {
            ArpOperation::Request if mine => {
                self.send_arp_reply(index, arp);
                Ok(())
            }
            ArpOperation::Reply if mine => Ok(()),
            // A station that tells all about itself has been listened to.
            _ if arp.sender == arp.target => Ok(()),
            _ => Err(DropReason::NotForUs),
        }
    }

    fn arp_from_kernel(
        &mut self,
        state: &ForwardingState,
        index: InterfaceIndex,
        arp: &Arp,
    ) -> Result<(), DropReason> {
        let owned = |address: &Ipv4Addr| {
            let owner = state.local.get(address).or_else(|| state.common.get(address));
            matches!(owner, Some(LocalOwner::Kernel(owner)) if *owner == index)
        };
        if owned(&arp.sender) {
            self.learn(state, (index, arp.sender), arp.sender_mac, false);
        }
        if arp.operation == ArpOperation::Request && arp.sender != arp.target && !owned(&arp.target) {
            self.send_arp_reply(index, arp);
        }
        Ok(())
    }

    fn learn(&mut self, state: &ForwardingState, key: NeighborKey, mac: [u8; 6], create: bool) {
        if !self.neighbors.learn(self.now, key, mac, create) {
            return;
        }
        while let Some(waiting) = self.neighbors.take_waiting(key) {
            self.transmit(state, waiting.context, key.0, mac, waiting.buffer);
        }
    }

    fn send_arp_reply(&mut self, index: InterfaceIndex, request: &Arp) {
        let Some(slot) = self.slot(index) else { return };
        let reply = Arp {
            operation: ArpOperation::Reply,
            sender_mac: slot.mac,
            sender: request.target,
            target_mac: request.sender_mac,
            target: request.sender,
        };
        self.send_arp(index, reply, request.sender_mac);
    }

    /// Asks who has an address: the station that had it, or all.
    pub(super) fn ask(&mut self, state: &ForwardingState, key: NeighborKey, station: Option<[u8; 6]>) {
        let (index, target) = key;
        let Some(slot) = self.slot(index) else { return };
        // A kernel interface has no address of the router: the question is a probe (RFC 5227).
        let own = state.interfaces.get(usize::from(index.0)).and_then(|interface| interface.address);
        let request = Arp {
            operation: ArpOperation::Request,
            sender_mac: slot.mac,
            sender: own.map_or(Ipv4Addr::UNSPECIFIED, |own| own.addr()),
            target_mac: [0; 6],
            target,
        };
        self.send_arp(index, request, station.unwrap_or(BROADCAST_MAC));
    }

    fn send_arp(&mut self, index: InterfaceIndex, arp: Arp, destination: [u8; 6]) {
        self.counters.arp_sent.add(1);
        self.transmit_frame(index, &arp.to_frame(destination));
    }

    /// Looks at the ports' carriers and counters; lets the fabric's ports do their duties; tells the stations on a NIC that has come up who is here
    /// (RFC 5227 section 3), and forgets those on one that has gone down.
    pub(in crate::forward) fn service_ports(&mut self, state: &ForwardingState) {
        for position in 0..self.slots.len() {
            let index = InterfaceIndex(position as u16);
            let Some(slot) = self.slot_mut(index) else { continue };
            let (had, has) = (slot.carrier, slot.port.carrier());
            slot.carrier = has;
            let statistics = slot.port.statistics();
            let interface = state.interfaces.get(position);
            // The owner of a group ring orders the others' frames when it flushes, which must not wait until it sends
            // or sleeps itself.
            slot.queued |=
                interface.is_some_and(|interface| matches!(interface.kind, InterfaceKind::Fabric(_)));
            let address = interface
                .filter(|interface| has && interface.enabled && interface.kind == InterfaceKind::Nic)
                .and_then(|interface| interface.address)
                .map(|address| address.addr());
            let announce = address.filter(|_| slot.announced != address);
            slot.announced = address;
            let mac = slot.mac;
            self.counters.interface(index).note_port(has, statistics);
            if had && !has {
                self.clear_neighbors(state, Some(index));
            }
            if had != has
                && let Some(ospf) = &self.ospf
            {
                // Control reads the carriers whenever its bell rings.
                ospf.notify();
            }
            if let Some(own) = announce {
                let gratuitous = Arp {
                    operation: ArpOperation::Request,
                    sender_mac: mac,
                    sender: own,
                    target_mac: [0; 6],
                    target: own,
                };
                self.send_arp(index, gratuitous, BROADCAST_MAC);
            }
        }
    }

    /// Forgets the neighbors on one interface, or on all.
    pub(in crate::forward) fn clear_neighbors(
        &mut self,
        state: &ForwardingState,
        index: Option<InterfaceIndex>,
    ) {
        let mut actions = std::mem::take(&mut self.actions);
        self.neighbors.clear(index, &mut actions);
        self.act(state, actions);
    }

    /// Asks again, and gives up, where it is time.
    pub(in crate::forward) fn service_neighbors(&mut self, state: &ForwardingState) {
        let mut actions = std::mem::take(&mut self.actions);
        self.neighbors.service(self.now, &mut actions);
        self.act(state, actions);
    }

    fn act(&mut self, state: &ForwardingState, mut actions: Vec<NeighborAction<super::Waiting<Arrival>>>) {
        for action in actions.drain(..) {
            match action {
                NeighborAction::Ask(key, station) => self.ask(state, key, station),
                NeighborAction::GiveUp(waiting) => {
                    let error = IcmpError::HostUnreachable;
                    self.answer_datagram(state, waiting.context, error, waiting.buffer.bytes());
                    self.discard(waiting.key.0, DropReason::UnresolvedNextHop, waiting.buffer);
                }
            }
        }
        self.actions = actions;
    }
}
