//! Fragments to a common address: all of a datagram meet at one node, which puts it together and steers it as a whole.
//!
//! Only the first fragment has the ports that name a flow. So the border router hands each fragment to the node that the
//! steering table names for {source, destination, protocol, identification}, in a frame of the EtherType
//! [`ETHERTYPE_REASSEMBLY`]. That node steers the datagram by its flow. If the datagram is too long for the fabric it is cut again, in frames
//! of the usual EtherType, which say that it stays where it arrives: nothing is steered twice.

use super::{Arrival, Path, Source, Toward};
use crate::forward::fragment::Fragments;
use crate::forward::hash::Flow;
use crate::forward::icmp::IcmpError;
use crate::forward::reassembly::Whole;
use crate::forward::state::{ForwardingState, LocalOwner};
use crate::forward::wire::{Ipv4Header, decrement_ttl};
use crate::forward::{DropReason, InterfaceIndex};
use crate::packet::PacketBuffer;

/// Where a datagram that was put together goes.
#[derive(Clone, Copy)]
enum Goal {
    Stack(LocalOwner),
    Node(InterfaceIndex, u16),
}

impl Path {
    /// A fragment to a common address that came in on a NIC: to the node where all of its datagram meet.
    pub(super) fn gather(
        &mut self,
        state: &ForwardingState,
        arrival: Arrival,
        header: &Ipv4Header,
        buffer: PacketBuffer,
    ) {
        let flow = Flow::for_steering(header, buffer.bytes());
        match state.steering.node_for(flow.hash()) {
            None => self.discard(arrival.interface, DropReason::NoActiveNode, buffer),
            Some(node) if node == state.node_id => self.reassemble(state, arrival, 0, header, buffer),
            Some(node) => match self.way_to_nodes(state) {
                Some(egress) => {
                    self.send(state, arrival, header, egress, Toward::Reassembler(node), buffer);
                }
                None => self.discard(arrival.interface, DropReason::NoActiveNode, buffer),
            },
        }
    }

    /// A datagram that another node hands over to be put together with others.
    pub(super) fn fragment_input(
        &mut self,
        state: &ForwardingState,
        arrival: Arrival,
        feeder: u16,
        mut buffer: PacketBuffer,
    ) {
        let header = match Ipv4Header::parse(buffer.bytes()) {
            Ok(header) => header,
            Err(reason) => return self.discard(arrival.interface, reason, buffer),
        };
        buffer.truncate(header.total_length);
        if self.is_martian(state, arrival, &header) {
            return self.discard(arrival.interface, DropReason::Martian, buffer);
        }
        if !header.is_fragment() || self.common_owner(state, header.destination).is_none() {
            return self.discard(arrival.interface, DropReason::BadFragment, buffer);
        }
        self.reassemble(state, arrival, feeder, &header, buffer);
    }

    fn reassemble(
        &mut self,
        state: &ForwardingState,
        arrival: Arrival,
        feeder: u16,
        header: &Ipv4Header,
        buffer: PacketBuffer,
    ) {
        let counters = &self.counters;
        let lost = |of: Arrival, reason, packets| counters.count_drops(of.interface, reason, packets);
        let whole = self.reassembly.insert(self.now, header, buffer.bytes(), (feeder, arrival), lost);
        self.pool.give(buffer);
        if let Some(mut whole) = whole {
            self.counters.reassembled.add(1);
            if let Err(reason) = self.steer_whole(state, &mut whole) {
                self.counters.count_drop(whole.context.interface, reason);
            }
            self.reassembly.give_back(whole);
        }
    }

    /// Hands a datagram that was put together to the node that serves its flow.
    fn steer_whole(&mut self, state: &ForwardingState, whole: &mut Whole<Arrival>) -> Result<(), DropReason> {
        let arrival = whole.context;
        let header = Ipv4Header::parse(whole.bytes())?;
        let owner = self.common_owner(state, header.destination).ok_or(DropReason::NoRoute)?;
        let flow = Flow::for_steering(&header, whole.bytes());
        let node = state.steering.node_for(flow.hash()).ok_or(DropReason::NoActiveNode)?;
        self.counters.count_steered(node, whole.bytes().len());
        if node == state.node_id {
            return self.send_pieces(state, arrival, whole.bytes(), Goal::Stack(owner));
        }
        let egress = self.way_to_nodes(state).ok_or(DropReason::NoActiveNode)?;
        // From the NIC to the node that serves it is one hop, whichever node has put it together.
        if arrival.source == Source::Nic {
            if header.ttl <= 1 {
                self.answer(state, arrival, IcmpError::TimeExceeded, &header, whole.bytes());
                return Err(DropReason::TtlExpired);
            }
            decrement_ttl(whole.bytes_mut());
            self.counters.forwarded.add(1);
        }
        self.send_pieces(state, arrival, whole.bytes(), Goal::Node(egress, node))
    }

    /// Sends a datagram in as few pieces as the way to its goal allows.
    fn send_pieces(
        &mut self,
        state: &ForwardingState,
        arrival: Arrival,
        datagram: &[u8],
        goal: Goal,
    ) -> Result<(), DropReason> {
        let mtu = match goal {
            Goal::Stack(LocalOwner::Host(_)) => LONGEST_PIECE,
            Goal::Stack(LocalOwner::Kernel(index)) | Goal::Node(index, _) => {
                usize::from(self.mtu(state, index)).min(LONGEST_PIECE)
            }
        };
        let header = Ipv4Header::parse(datagram)?;
        let mut pieces = Fragments::new(header, datagram, mtu).ok_or(DropReason::TooLong)?;
        loop {
            let mut piece = self.pool.take().ok_or(DropReason::NoBuffer)?;
            if !pieces.next_into(&mut piece) {
                self.pool.give(piece);
                return Ok(());
            }
            match goal {
                Goal::Stack(owner) => self.deliver(state, arrival, owner, &header, piece),
                Goal::Node(egress, node) => self.output(state, arrival, egress, Toward::Node(node), piece),
            }
        }
    }

    /// Gives up datagrams whose fragments do not come, and tells their sources (RFC 792, RFC 1122 section 3.3.2).
    pub(in crate::forward) fn service_reassembly(&mut self, state: &ForwardingState) {
        while let Some(expired) = self.reassembly.expire(self.now) {
            let arrival = expired.context;
            let reason = DropReason::ReassemblyTimeout;
            self.counters.count_drops(arrival.interface, reason, expired.fragments);
            if let Ok(header) = Ipv4Header::parse(expired.bytes()) {
                self.answer(state, arrival, IcmpError::ReassemblyTimeExceeded, &header, expired.bytes());
            }
            self.reassembly.give_back(expired);
        }
    }
}

/// The longest datagram that one buffer holds, and that every interface of this node takes.
const LONGEST_PIECE: usize = 9000;
