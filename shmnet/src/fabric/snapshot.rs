//! A picture of the segment as this node sees it, for people and for metrics.

use std::time::Duration;

use crate::config::{MappingCost, Timing};
use crate::facts::Facts;
use crate::group::GroupGeometry;
use crate::layout::ABI_VERSION;
use crate::membership::active::NodeState;
use crate::multicast::MulticastFilter;
use crate::node::{Cast, Network, NodeId};
use crate::quarantine::{Quarantine, QuarantineCause};
use crate::ring::{CopyRoutine, Geometry};

/// Everything at one moment. Values written by peers are what the peers say.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// The kind of memory: `file`, `memfd`, `inherited`, `single-file`, `pci`, `dax` or `distributed`.
    pub facility: &'static str,
    /// The backing: its path or name.
    pub place: String,
    /// Version of the segment's layout.
    pub abi_version: u32,
    /// This node.
    pub node: NodeId,
    /// This node's incarnation; 0 while it is not a member.
    pub incarnation: u64,
    /// How writes reach the other nodes: `hardware`, `flush` or `reflected`; empty while this node is not a member.
    pub coherence: &'static str,
    /// How many node ids the segment has room for.
    pub max_nodes: u16,
    /// How many queues each network of a pair has.
    pub queues: u8,
    /// The first ring of a pair on the LSM and on the GSM.
    pub geometry: Option<[Geometry; 2]>,
    /// Heartbeat and timeouts in force.
    pub timing: Timing,
    /// A CPU quota limits this process, and the failure timeout was raised for it.
    pub cpu_quota: bool,
    /// The most bytes that this node's arena may take.
    pub bytes_budget: u64,
    /// Bytes of this node's arena in use.
    pub bytes_used: u64,
    /// Bytes free in the backing.
    pub bytes_free: u64,
    /// What an access to the memory takes, where the backing had it measured.
    pub mapping_cost: Option<MappingCost>,
    /// This node's own doorbells, one for each queue.
    pub bells: Vec<BellSnapshot>,
    /// All members, this node included.
    pub nodes: Vec<NodeSnapshot>,
    /// The rings to and from this node.
    pub rings: Vec<RingSnapshot>,
    /// The broadcast and multicast rings.
    pub groups: Vec<GroupSnapshot>,
    /// The last peers' incarnations that were not believed any more, the oldest first.
    pub quarantines: Vec<Quarantine>,
    /// How many there were since this node's start, for every cause.
    pub quarantine_counts: Vec<(QuarantineCause, u64)>,
}

impl Snapshot {
    /// Of a node that is in no segment.
    pub(crate) fn empty(node: NodeId) -> Self {
        Self {
            facility: "",
            place: String::new(),
            abi_version: ABI_VERSION,
            node,
            incarnation: 0,
            max_nodes: 0,
            queues: 0,
            geometry: None,
            timing: Timing::default(),
            cpu_quota: false,
            bytes_budget: 0,
            bytes_used: 0,
            bytes_free: 0,
            mapping_cost: None,
            coherence: "",
            bells: Vec::new(),
            nodes: Vec::new(),
            rings: Vec::new(),
            groups: Vec::new(),
            quarantines: Vec::new(),
            quarantine_counts: Vec::new(),
        }
    }
}

/// A doorbell of this node, which wakes the data thread of a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BellSnapshot {
    /// How often the thread awoke and it had been rung.
    pub heard: u64,
    /// How often the thread found nothing to do and was going to wait for it.
    pub waits: u64,
}

/// A peer's doorbell, as this node has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DoorbellSnapshot {
    /// By what the peer is woken.
    pub kind: DoorbellKind,
    /// How often this node rang it.
    pub rung: u64,
}

/// By what a node wakes another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DoorbellKind {
    /// A file descriptor that becomes readable, on one host.
    Eventfd,
    /// A line of shared memory, at which the sleeper looks with growing pauses.
    Activity,
}

impl DoorbellKind {
    /// The word for it: `eventfd` or `activity`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Eventfd => "eventfd",
            Self::Activity => "activity",
        }
    }
}

/// A member.
#[derive(Clone, Debug)]
pub struct NodeSnapshot {
    /// Its number.
    pub id: NodeId,
    /// Its incarnation.
    pub incarnation: u64,
    /// How it does.
    pub state: NodeState,
    /// This node itself.
    pub is_self: bool,
    /// Rings in both directions exist on both networks.
    pub connected: bool,
    /// Its process id, as it sees it.
    pub pid: u32,
    /// The name of its host.
    pub hostname: String,
    /// Length of its arena in bytes.
    pub arena_bytes: u64,
    /// How long its heart has been silent.
    pub silence: Duration,
    /// Its doorbell; `None` of this node itself, and of a peer that cannot be woken yet.
    pub doorbell: Option<DoorbellSnapshot>,
    /// The multicast addresses that it takes, on the LSM and on the GSM.
    pub multicast: [MulticastFilter; 2],
    /// What it says about itself.
    pub facts: Facts,
}

/// A ring of a pair.
#[derive(Clone, Debug)]
pub struct RingSnapshot {
    /// The network.
    pub network: Network,
    /// Its queue, from 0.
    pub queue: u8,
    /// Who sends.
    pub transmitter: NodeId,
    /// Who receives.
    pub receiver: NodeId,
    /// Counts the rings of this pair of incarnations.
    pub epoch: u32,
    /// Bytes of memory.
    pub bytes: u64,
    /// Slots.
    pub slots: u32,
    /// Bytes of a slot's scribble buffer.
    pub buffer: u32,
    /// The write pointer as last published by the transmitter, in slots.
    pub write_pointer: u64,
    /// The read pointer as last published by the receiver, in slots.
    pub read_pointer: u64,
    /// Slots between the two.
    pub occupancy: u64,
    /// Frames that this node sent or received by it.
    pub frames: u64,
    /// Bytes of these frames.
    pub frame_bytes: u64,
    /// Frames refused since it was full.
    pub full: u64,
    /// Frames refused or dropped since they were too long.
    pub too_long: u64,
    /// Violations of the protocol: 0 or 1.
    pub faults: u64,
    /// Nanoseconds that a cache line takes from the receiver's processor, as last measured; `None` if this node is not the transmitter, or
    /// has not yet sent enough to know.
    pub distance_ns: Option<u32>,
    /// How this node copies frames into the ring; `None` if it is not the transmitter.
    pub copy: Option<CopyRoutine>,
}

/// One of the broadcast and multicast rings.
#[derive(Clone, Debug)]
pub struct GroupSnapshot {
    /// The network.
    pub network: Network,
    /// Broadcast or multicast.
    pub cast: Cast,
    /// Sizes of its area.
    pub geometry: GroupGeometry,
    /// The node whose ring it is at the moment.
    pub owner: Option<NodeId>,
    /// Counts the owners.
    pub generation: u64,
    /// References that the owner has written in this generation.
    pub position: u64,
    /// Frames that this node has ordered as an owner, in all generations.
    pub ordered: u64,
    /// Frames that this node sent.
    pub sent: u64,
    /// Frames that this node received.
    pub received: u64,
    /// Frames that were overwritten before this node read them.
    pub lost: u64,
    /// Frames of this node that were overwritten before every member had read them.
    pub overwritten: u64,
    /// Frames that came to an address that this node does not take.
    pub filtered: u64,
    /// Frames that this node did not send since no member takes them.
    pub unwanted: u64,
    /// Frames that this node received without regard to the owner's order, which was withheld or went past it.
    pub unordered: u64,
    /// How far each of the other members is behind.
    pub lag: Vec<GroupLag>,
}

/// How far a reader of a group ring is behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GroupLag {
    /// The reader.
    pub reader: NodeId,
    /// Slots of this node's lane that it has not read.
    pub lane_slots: u64,
    /// References of the owner that it has not taken; `None` while it follows another owner than this node does.
    pub references: Option<u64>,
    /// Frames of this node that were overwritten before it read them.
    pub lost_frames: u64,
}
