//! What a worker counts. One thread writes, any thread reads; nothing is shared on the packet path beyond
//! the cache lines of a reader that looks.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use isthmus_shmnet::{Network, NodeId};

use crate::forward::icmp::IcmpError;
use crate::forward::{DropReason, InterfaceIndex};
use crate::port::PortStatistics;

/// Interfaces that a worker has at most.
pub const MAX_INTERFACES: usize = 64;

/// Number of reasons to drop a packet.
pub const DROP_REASONS: usize = DropReason::ALL.len();

/// A number that one thread raises.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Raises it. Only the worker does: a load and a store, no read-modify-write.
    pub(super) fn add(&self, amount: u64) {
        self.set(self.read().wrapping_add(amount));
    }

    pub(super) fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }

    /// Its value.
    pub fn read(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Frames one way, by how many stations they are for.
#[derive(Debug, Default)]
struct CastCounters {
    packets: Counter,
    broadcast: Counter,
    multicast: Counter,
    bytes: Counter,
}

impl CastCounters {
    fn note(&self, frame: &[u8]) {
        self.packets.add(1);
        self.bytes.add(frame.len() as u64);
        match frame {
            [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, ..] => self.broadcast.add(1),
            [first, ..] if first & 1 == 1 => self.multicast.add(1),
            _ => {}
        }
    }

    fn reset(&self) {
        for counter in [&self.packets, &self.broadcast, &self.multicast, &self.bytes] {
            counter.set(0);
        }
    }
}

/// What is counted for each interface.
#[derive(Debug)]
pub(super) struct InterfaceCounters {
    received: CastCounters,
    sent: CastCounters,
    pub(super) drops: [Counter; DROP_REASONS],
    receive_drops: Counter,
    receive_errors: Counter,
    segmented: Counter,
    checksums_completed: Counter,
    carrier: AtomicBool,
}

impl InterfaceCounters {
    fn new() -> Self {
        Self {
            received: CastCounters::default(),
            sent: CastCounters::default(),
            drops: [const { Counter(AtomicU64::new(0)) }; DROP_REASONS],
            receive_drops: Counter::default(),
            receive_errors: Counter::default(),
            segmented: Counter::default(),
            checksums_completed: Counter::default(),
            carrier: AtomicBool::new(false),
        }
    }

    /// Counts a frame that came in.
    pub(super) fn note_received(&self, frame: &[u8]) {
        self.received.note(frame);
    }

    /// Counts a frame that went out.
    pub(super) fn note_sent(&self, frame: &[u8]) {
        self.sent.note(frame);
    }

    pub(super) fn note_port(&self, carrier: bool, statistics: PortStatistics) {
        self.carrier.store(carrier, Ordering::Relaxed);
        self.receive_drops.set(statistics.receive_drops);
        self.receive_errors.set(statistics.receive_errors);
        self.segmented.set(statistics.segmented);
        self.checksums_completed.set(statistics.checksums_completed);
    }

    /// Starts anew, for another port in the same place.
    fn reset(&self) {
        self.received.reset();
        self.sent.reset();
        for counter in &self.drops {
            counter.set(0);
        }
        self.note_port(false, PortStatistics::default());
    }

    fn snapshot(&self) -> InterfaceCounts {
        InterfaceCounts {
            received: self.received.packets.read(),
            received_broadcast: self.received.broadcast.read(),
            received_multicast: self.received.multicast.read(),
            received_bytes: self.received.bytes.read(),
            sent: self.sent.packets.read(),
            sent_broadcast: self.sent.broadcast.read(),
            sent_multicast: self.sent.multicast.read(),
            sent_bytes: self.sent.bytes.read(),
            drops: DropCounts(std::array::from_fn(|index| self.drops[index].read())),
            port: PortStatistics {
                receive_drops: self.receive_drops.read(),
                receive_errors: self.receive_errors.read(),
                segmented: self.segmented.read(),
                checksums_completed: self.checksums_completed.read(),
            },
            carrier: self.carrier.load(Ordering::Relaxed),
        }
    }
}

/// Everything that a worker counts.
#[derive(Debug)]
pub struct Counters {
    /// By interface; the last one stands for packets without an interface, those of the node itself.
    interfaces: Box<[InterfaceCounters]>,
    /// Drops of ports that are gone: they stay in the sum of all, which never goes back.
    retired_drops: [Counter; DROP_REASONS],
    pub(super) forwarded: Counter,
    pub(super) delivered_host: Counter,
    pub(super) delivered_kernel: Counter,
    pub(super) punted: Counter,
    pub(super) fragmented: Counter,
    pub(super) reassembled: Counter,
    pub(super) icmp_sent: [Counter; IcmpError::KINDS],
    pub(super) icmp_suppressed: Counter,
    pub(super) arp_received: Counter,
    pub(super) arp_sent: Counter,
    steered: Box<[(Counter, Counter)]>,
    pub(super) captured: [Counter; 2],
    pub(super) wakeups: Counter,
    pub(super) load: LoadCounters,
}

/// How much of its time the worker has something to do.
#[derive(Debug, Default)]
pub(super) struct LoadCounters {
    /// Nanoseconds of the turns that found work.
    pub(super) busy: Counter,
    /// Their part of the last window, in millionths.
    pub(super) recent: Counter,
    /// When the last turn began, in nanoseconds since the worker did.
    pub(super) turned_at: Counter,
}

impl Counters {
    pub(super) fn new() -> Self {
        Self {
            interfaces: (0..=MAX_INTERFACES).map(|_| InterfaceCounters::new()).collect(),
            retired_drops: [const { Counter(AtomicU64::new(0)) }; DROP_REASONS],
            forwarded: Counter::default(),
            delivered_host: Counter::default(),
            delivered_kernel: Counter::default(),
            punted: Counter::default(),
            fragmented: Counter::default(),
            reassembled: Counter::default(),
            icmp_sent: Default::default(),
            icmp_suppressed: Counter::default(),
            arp_received: Counter::default(),
            arp_sent: Counter::default(),
            steered: (0..NodeId::MAX).map(|_| Default::default()).collect(),
            captured: Default::default(),
            wakeups: Counter::default(),
            load: LoadCounters::default(),
        }
    }

    pub(super) fn interface(&self, index: InterfaceIndex) -> &InterfaceCounters {
        &self.interfaces[usize::from(index.0).min(MAX_INTERFACES)]
    }

    /// The port of an interface is gone, or another takes its place: its counts begin anew, the sums go on.
    pub(super) fn retire(&self, index: InterfaceIndex) {
        let interface = self.interface(index);
        for (retired, counter) in self.retired_drops.iter().zip(&interface.drops) {
            retired.add(counter.read());
        }
        interface.reset();
    }

    /// Counts a packet that the steering table has handed to a node.
    pub(super) fn count_steered(&self, node: u16, bytes: usize) {
        let Some((packets, octets)) = NodeId::new(node).and_then(|node| self.steered.get(node.index()))
        else {
            return;
        };
        packets.add(1);
        octets.add(bytes as u64);
    }

    pub(super) fn count_drop(&self, index: InterfaceIndex, reason: DropReason) {
        self.count_drops(index, reason, 1);
    }

    pub(super) fn count_drops(&self, index: InterfaceIndex, reason: DropReason, packets: u32) {
        self.interface(index).drops[reason as usize].add(packets.into());
    }

    /// How busy the worker is.
    pub fn load(&self) -> Load {
        Load {
            busy: Duration::from_nanos(self.load.busy.read()),
            recent: self.load.recent.read() as f64 / 1e6,
            turned_at: Duration::from_nanos(self.load.turned_at.read()),
        }
    }

    /// Whether the port of an interface had its carrier when the worker last looked.
    pub fn carrier(&self, index: InterfaceIndex) -> bool {
        self.interface(index).carrier.load(Ordering::Relaxed)
    }

    /// The counts of one interface; [`InterfaceIndex::NONE`] for packets of the node itself.
    pub fn interface_counts(&self, index: InterfaceIndex) -> InterfaceCounts {
        self.interface(index).snapshot()
    }

    /// Copies all counts. Each is right by itself; they are not taken at one instant.
    pub fn snapshot(&self) -> Counts {
        let mut drops = DropCounts::default();
        for interface in &self.interfaces {
            for (total, counter) in drops.0.iter_mut().zip(&interface.drops) {
                *total += counter.read();
            }
        }
        for (total, counter) in drops.0.iter_mut().zip(&self.retired_drops) {
            *total += counter.read();
        }
        Counts {
            drops,
            forwarded: self.forwarded.read(),
            delivered_host: self.delivered_host.read(),
            delivered_kernel: self.delivered_kernel.read(),
            punted: self.punted.read(),
            fragmented: self.fragmented.read(),
            reassembled: self.reassembled.read(),
            icmp_sent: std::array::from_fn(|kind| self.icmp_sent[kind].read()),
            icmp_suppressed: self.icmp_suppressed.read(),
            arp_received: self.arp_received.read(),
            arp_sent: self.arp_sent.read(),
            steered: (1..)
                .zip(&self.steered)
                .map(|(node, (packets, bytes))| Steered {
                    node,
                    packets: packets.read(),
                    bytes: bytes.read(),
                })
                .filter(|steered| steered.packets > 0)
                .collect(),
            lsm_captured: self.captured[Network::Lsm.index()].read(),
            gsm_captured: self.captured[Network::Gsm.index()].read(),
            wakeups: self.wakeups.read(),
        }
    }
}

/// How busy a worker is.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Load {
    /// Time spent on turns that found work.
    pub busy: Duration,
    /// Their part of the last second that was measured, 0 to 1.
    pub recent: f64,
    /// When the last turn began, since the worker did.
    pub turned_at: Duration,
}

/// Dropped packets by reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DropCounts([u64; DROP_REASONS]);

impl DropCounts {
    /// Packets dropped for one reason.
    pub fn count(&self, reason: DropReason) -> u64 {
        self.0[reason as usize]
    }

    /// Packets dropped for any reason.
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }

    /// All reasons with their counts.
    pub fn iter(&self) -> impl Iterator<Item = (DropReason, u64)> {
        DropReason::ALL.iter().map(|&reason| (reason, self.count(reason)))
    }
}

impl Default for DropCounts {
    fn default() -> Self {
        Self([0; DROP_REASONS])
    }
}

/// What an interface has counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct InterfaceCounts {
    /// Frames taken from the port.
    pub received: u64,
    /// Of these, for all stations.
    pub received_broadcast: u64,
    /// Of these, for a group of stations.
    pub received_multicast: u64,
    /// Their bytes, Ethernet headers included.
    pub received_bytes: u64,
    /// Frames handed to the port.
    pub sent: u64,
    /// Of these, for all stations.
    pub sent_broadcast: u64,
    /// Of these, for a group of stations.
    pub sent_multicast: u64,
    /// Their bytes, Ethernet headers included.
    pub sent_bytes: u64,
    /// Packets dropped: those that came in here, and those that could not leave here.
    pub drops: DropCounts,
    /// What the port counts by itself.
    pub port: PortStatistics,
    /// Whether the medium has its carrier.
    pub carrier: bool,
}

/// What was handed to one node by the steering table, this node itself included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Steered {
    /// The node.
    pub node: u16,
    /// Packets.
    pub packets: u64,
    /// Their bytes, from the IP header on.
    pub bytes: u64,
}

/// What a worker has counted, for all interfaces together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Packets dropped, for each reason.
    pub drops: DropCounts,
    /// Packets sent on by a route.
    pub forwarded: u64,
    /// Packets given to the embedded stack.
    pub delivered_host: u64,
    /// Packets given to the node's kernel.
    pub delivered_kernel: u64,
    /// Packets given to the OSPF engine.
    pub punted: u64,
    /// Packets that were cut into fragments.
    pub fragmented: u64,
    /// Packets to a common address that were put together from fragments here.
    pub reassembled: u64,
    /// ICMP errors sent, in the order of [`IcmpError::LABELS`].
    pub icmp_sent: [u64; IcmpError::KINDS],
    /// ICMP errors that the rate limit held back.
    pub icmp_suppressed: u64,
    /// ARP packets received.
    pub arp_received: u64,
    /// ARP packets sent.
    pub arp_sent: u64,
    /// Packets to a common address that came in on a NIC, or were put together here, by the node that they went to.
    pub steered: Vec<Steered>,
    /// Packets that this node's own stacks sent by their local adapter.
    pub lsm_captured: u64,
    /// Packets that this node's own stacks sent by their global adapter.
    pub gsm_captured: u64,
    /// Times that the worker slept and woke.
    pub wakeups: u64,
}
