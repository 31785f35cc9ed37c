//! The way of one packet through a worker, run to completion.
//!
//! ```text
//!  port ─► ethernet ─► arp
//!             └──────► ipv4: validate, martians
//!                        ├─► OSPF engine        (protocol 89 on an OSPF interface)
//!                        ├─► deliver            (own address: embedded stack or kernel)
//!                        ├─► steer              (common address, from a NIC)
//!                        ├─► gather ─► reassemble ─► steer   (the same, a fragment)
//!                        ├─► group              (multicast between the fabric and the node's own stack)
//!  embedded stack ──────►└─► route ─► send ─► output ─► port
//! ```
//!
//! Every function that takes a buffer by value is where the buffer's way ends or goes on: it is handed to
//! another function, to a link, to the queue of a neighbor, or back to the pool.

mod arp;
mod ethernet;
mod filter;
mod ipv4;
mod output;
mod reassemble;
mod route;

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use isthmus_shmnet::Network;

use self::filter::AddressFilter;
use crate::forward::counters::{Counters, MAX_INTERFACES};
use crate::forward::icmp::RateLimit;
use crate::forward::link::LinkEnd;
use crate::forward::neighbor::{NeighborAction, NeighborTable, Waiting};
use crate::forward::reassembly::Reassembler;
use crate::forward::state::{ForwardingState, InterfaceKind, LocalOwner};
use crate::forward::{DropReason, InterfaceIndex};
use crate::packet::{PacketBuffer, Pool};
use crate::port::Port;

/// What a worker holds to move packets.
pub(super) struct Path {
    /// Ports by interface index.
    pub(super) slots: Vec<Option<PortSlot>>,
    /// To the embedded stack.
    pub(super) host: Option<LinkEnd>,
    /// To the OSPF engine.
    pub(super) ospf: Option<LinkEnd>,
    /// Whether the other side of a link must be told of what was pushed.
    host_pushed: bool,
    ospf_pushed: bool,
    pub(super) pool: Pool,
    pub(super) neighbors: NeighborTable<Arrival>,
    actions: Vec<NeighborAction<Waiting<Arrival>>>,
    pub(super) reassembly: Reassembler<Arrival>,
    errors: RateLimit,
    /// Of the snapshot in use: see [`Self::use_state`].
    own: AddressFilter,
    pub(super) counters: Arc<Counters>,
    identification: u16,
    /// The time of this burst, since the worker began.
    pub(super) now: Duration,
}

/// A port with what the worker knows about it.
pub(super) struct PortSlot {
    pub(super) port: Box<dyn Port>,
    pub(super) mac: [u8; 6],
    pub(super) mtu: u16,
    pub(super) carrier: bool,
    /// Something was queued since the last flush.
    pub(super) queued: bool,
    /// On a kernel interface: the kernel's own Ethernet address, once it has sent.
    kernel_mac: Option<[u8; 6]>,
    /// The address that the link was told about by a gratuitous ARP.
    announced: Option<Ipv4Addr>,
}

impl PortSlot {
    pub(super) fn new(port: Box<dyn Port>) -> Self {
        let info = port.info();
        let (mac, mtu) = (info.mac, info.mtu);
        Self { port, mac, mtu, carrier: false, queued: false, kernel_mac: None, announced: None }
    }
}

/// Where a packet came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Arrival {
    /// The interface; [`InterfaceIndex::NONE`] for packets of the process itself.
    interface: InterfaceIndex,
    source: Source,
    /// The link carried it to a group of stations.
    group: bool,
}

/// Who sent a packet, as far as the path cares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    /// Somebody outside.
    Nic,
    /// Another node.
    Fabric,
    /// This node's kernel, by its adapter for this network.
    Kernel(Network),
    /// The embedded stack, by its adapter for this network.
    Host(Network),
    /// The router itself: an ICMP error, an OSPF packet.
    Router,
}

impl Arrival {
    /// Kernel, embedded stack and router of a node are one IP hop: no TTL is taken between them.
    fn is_own(self) -> bool {
        !matches!(self.source, Source::Nic | Source::Fabric)
    }

    /// The adapter that captured the packet from one of this node's own stacks.
    fn adapter(self) -> Option<Network> {
        match self.source {
            Source::Kernel(network) | Source::Host(network) => Some(network),
            Source::Nic | Source::Fabric | Source::Router => None,
        }
    }

    fn on(interface: InterfaceIndex, kind: InterfaceKind, group: bool) -> Self {
        let source = match kind {
            InterfaceKind::Nic => Source::Nic,
            InterfaceKind::Fabric(_) => Source::Fabric,
            InterfaceKind::Kernel(network) => Source::Kernel(network),
        };
        Self { interface, source, group }
    }

    const fn from_host(network: Network) -> Self {
        Self { interface: InterfaceIndex::NONE, source: Source::Host(network), group: false }
    }

    const ROUTER: Self = Self { interface: InterfaceIndex::NONE, source: Source::Router, group: false };
}

/// Whom on the link a datagram is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Toward {
    /// The station with this address.
    Address(Ipv4Addr),
    /// The node with this id.
    Node(u16),
    /// The node with this id, for a fragment that is to be put together there.
    Reassembler(u16),
    /// All stations that listen to this group, or all.
    Group(Ipv4Addr),
}

impl Path {
    pub(super) fn new(host: Option<LinkEnd>, ospf: Option<LinkEnd>, buffers: usize) -> Self {
        let mut slots = Vec::with_capacity(MAX_INTERFACES);
        slots.resize_with(MAX_INTERFACES, || None);
        Self {
            slots,
            host,
            ospf,
            host_pushed: false,
            ospf_pushed: false,
            pool: Pool::new(buffers),
            neighbors: NeighborTable::new(),
            actions: Vec::with_capacity(2 * NeighborTable::<Arrival>::QUEUES),
            reassembly: Reassembler::new(Arrival::ROUTER),
            errors: RateLimit::new(),
            own: AddressFilter::new(),
            counters: Arc::new(Counters::new()),
            identification: 0,
            now: Duration::ZERO,
        }
    }

    /// Called with each new snapshot, before any packet is handled by it.
    pub(super) fn use_state(&mut self, state: &ForwardingState) {
        self.own.refresh(state);
    }

    /// Who answers for an address of this node alone.
    fn local_owner(&self, state: &ForwardingState, address: Ipv4Addr) -> Option<LocalOwner> {
        if self.own.may_hold(address) { state.local.get(&address).copied() } else { None }
    }

    /// Who answers on this node for an address of all nodes.
    fn common_owner(&self, state: &ForwardingState, address: Ipv4Addr) -> Option<LocalOwner> {
        if self.own.may_hold(address) { state.common.get(&address).copied() } else { None }
    }

    pub(super) fn slot(&self, index: InterfaceIndex) -> Option<&PortSlot> {
        self.slots.get(usize::from(index.0))?.as_ref()
    }

    fn slot_mut(&mut self, index: InterfaceIndex) -> Option<&mut PortSlot> {
        self.slots.get_mut(usize::from(index.0))?.as_mut()
    }

    /// Counts a packet as dropped and returns its buffer.
    fn discard(&mut self, interface: InterfaceIndex, reason: DropReason, buffer: PacketBuffer) {
        self.counters.count_drop(interface, reason);
        self.pool.give(buffer);
    }

    /// Takes at most `limit` datagrams from the embedded stack. Returns how many.
    pub(super) fn drain_host(&mut self, state: &ForwardingState, limit: usize) -> usize {
        let mut taken = 0;
        while taken < limit {
            let Some(buffer) = exchange(self.host.as_mut(), &mut self.pool) else { break };
            taken += 1;
            self.ipv4_input(state, Arrival::from_host(buffer.network), buffer);
        }
        taken
    }

    /// Takes at most `limit` datagrams from the OSPF engine. Returns how many.
    pub(super) fn drain_ospf(&mut self, state: &ForwardingState, limit: usize) -> usize {
        let mut taken = 0;
        while taken < limit {
            let Some(buffer) = exchange(self.ospf.as_mut(), &mut self.pool) else { break };
            taken += 1;
            self.send_ospf(state, buffer);
        }
        taken
    }

    /// Puts back the buffers that the other threads have used up.
    pub(super) fn reclaim(&mut self) {
        for link in [&mut self.host, &mut self.ospf].into_iter().flatten() {
            link.reclaim(&mut self.pool);
        }
    }

    /// Hands everything that was queued to the media and to the other threads.
    pub(super) fn flush(&mut self) {
        for slot in self.slots.iter_mut().flatten().filter(|slot| slot.queued) {
            slot.queued = false;
            slot.port.flush();
        }
        if let Some(host) = self.host.as_ref().filter(|_| self.host_pushed) {
            self.host_pushed = false;
            host.notify();
        }
        if let Some(ospf) = self.ospf.as_ref().filter(|_| self.ospf_pushed) {
            self.ospf_pushed = false;
            ospf.notify();
        }
    }
}

/// Takes a buffer from the other side of a link, and gives it a free one of this side in return: all buffers
/// are alike, and nothing is copied. Without a free one, what waits on the link goes on waiting.
fn exchange(link: Option<&mut LinkEnd>, pool: &mut Pool) -> Option<PacketBuffer> {
    let link = link.filter(|link| link.has_incoming())?;
    let free = pool.take()?;
    match link.pop() {
        Some(buffer) => {
            link.give_back(free);
            Some(buffer)
        }
        None => {
            pool.give(free);
            None
        }
    }
}
