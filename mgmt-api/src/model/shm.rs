//! The shared memory: arenas and the nodes that own them, rings, links.

use std::net::Ipv4Addr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::system::Role;

/// `/shm`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Shm {
    /// Where the arenas are: a directory, or the name of inherited memory.
    pub segment: String,
    /// What kind of memory it is: `file`, `memfd`, `inherited`, `single-file`, `pci`, `dax` or `distributed`.
    pub facility: String,
    /// How writes reach the other nodes: `hardware`, `flush` or `reflected`; empty while this node is not a member.
    #[serde(default)]
    pub coherence: String,
    /// What one access to the memory takes; absent where the facility does not measure it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mapping_cost: Option<ShmMappingCost>,
    /// Version of the layout in memory.
    pub layout_version: u32,
    /// Slots of the first ring of a pair on the local network; the same on all nodes.
    pub ring_slots: u32,
    /// Octets of one buffer of such a ring.
    pub ring_buffer_size: u32,
    /// The first ring of a pair, for each network.
    #[serde(default)]
    pub first_ring: Vec<ShmFirstRing>,
    /// Largest number of nodes.
    pub max_nodes: u16,
    /// Rings of each pair, network and direction.
    #[serde(default)]
    pub queues: u8,
    /// This node.
    pub node_id: u16,
    /// How many lives this node's id has had.
    pub incarnation: u64,
    /// Octets of this node's arena.
    pub arena_size: u64,
    /// Of them, octets not cut into rings yet.
    pub arena_free: u64,
    /// The active table: ids of the nodes that this node takes for active now, itself included.
    pub active: Vec<u16>,
    /// This node's own doorbells, one for each queue.
    #[serde(default)]
    pub doorbell: Vec<ShmDoorbell>,
    /// All nodes that ever had an arena here.
    pub node: Vec<ShmNode>,
    /// What this node has to each other node on each network.
    pub link: Vec<ShmLink>,
    /// The last nodes that were not believed any more, the oldest first.
    #[serde(default)]
    pub quarantine: Vec<ShmQuarantine>,
    /// How many there were since the start, for each cause that there was.
    #[serde(default)]
    pub quarantine_count: Vec<ShmQuarantineCount>,
}

/// What one access to the memory takes, as measured when it was mapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct ShmMappingCost {
    /// Nanoseconds to load from a line; above 100 the memory is mapped without a cache.
    pub read_ns: u32,
    /// Nanoseconds to store to a line.
    pub write_ns: u32,
}

/// The ring with which a pair of nodes begins on a network; the same on all nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct ShmFirstRing {
    /// The network.
    pub network: Network,
    /// Slots and scribble buffers.
    pub geometry: RingGeometry,
}

/// A doorbell of this node, which wakes the worker of a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct ShmDoorbell {
    /// The queue, from 0.
    pub queue: u8,
    /// How often the worker awoke and it had been rung.
    pub heard: u64,
    /// How often the worker found nothing to do and went to wait for it.
    pub waits: u64,
}

/// A peer's doorbell, as this node has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct ShmPeerDoorbell {
    /// By what the peer is woken: `eventfd` on one host; `activity`, a line of memory that the sleeper looks at with growing
    /// pauses, elsewhere.
    pub kind: String,
    /// How often this node rang it.
    pub rung: u64,
}

/// A node's incarnation that was cut off because of what it wrote. A higher one is met like any other node's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct ShmQuarantine {
    /// The node.
    pub node_id: u16,
    /// Its incarnation.
    pub incarnation: u64,
    /// The kind of evidence: `memory-lost`, `state`, `identity`, `record`, `directory`, `ring-header`, `slot`,
    /// `read-pointer`, `group` or `accusation`.
    pub cause: String,
    /// What exactly was found.
    pub reason: String,
    /// Seconds since it was found.
    pub age: f64,
}

/// How many incarnations of nodes were cut off for a cause.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct ShmQuarantineCount {
    /// The kind of evidence.
    pub cause: String,
    /// How many.
    pub count: u64,
}

/// `/shm/nodes`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct ShmNodes {
    /// Where the arenas are, as in `/shm`.
    pub segment: String,
    /// What kind of memory it is, as in `/shm`.
    pub facility: String,
    /// Ids of the active nodes.
    pub active: Vec<u16>,
    /// In the order of their ids.
    pub node: Vec<ShmNode>,
}

/// An arena and the node that owns it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct ShmNode {
    /// Its id.
    pub node_id: u16,
    /// Whether it is the node that answers.
    pub local: bool,
    /// How many lives the id has had.
    pub incarnation: u64,
    /// How this node sees it.
    pub state: NodeState,
    /// Seconds since its heartbeat was last seen to move.
    pub heartbeat_age: f64,
    /// Its doorbell; absent of the node that answers, and of a node that cannot be woken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub doorbell: Option<ShmPeerDoorbell>,
    /// What it publishes about itself; absent until it was read once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub facts: Option<ShmFacts>,
    /// Why it is quarantined; absent unless it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quarantined: Option<String>,
}

/// How a node is seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum NodeState {
    /// Announced, and not connected in both directions yet.
    Joining,
    /// Alive.
    Active,
    /// Late: avoided, nothing closed.
    Suspect,
    /// Taken for dead; its incarnation is closed.
    Failed,
    /// Gone by its own will.
    Left,
    /// Refused or cut off, because what it wrote made no sense.
    Quarantined,
}

impl NodeState {
    /// All states, in the order of the metric's series.
    pub const ALL: [Self; 6] =
        [Self::Joining, Self::Active, Self::Suspect, Self::Failed, Self::Left, Self::Quarantined];

    /// The word in JSON and in metrics.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Joining => "joining",
            Self::Active => "active",
            Self::Suspect => "suspect",
            Self::Failed => "failed",
            Self::Left => "left",
            Self::Quarantined => "quarantined",
        }
    }
}

/// What a node publishes about itself in its arena.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct ShmFacts {
    /// Its address on the local network.
    pub lsm_address: Ipv4Addr,
    /// Its address on the global network.
    pub gsm_address: Ipv4Addr,
    /// Its name in OSPF.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub router_id: Option<Ipv4Addr>,
    /// What it is to OSPF.
    pub role: Role,
    /// Its share of the flows to the common address, relative to the others.
    pub weight: u32,
    /// Whether it takes flows to the common address.
    pub healthy: bool,
    /// Whether it takes no new ones.
    pub draining: bool,
    /// The newest steering epoch that it publishes.
    pub steering_epoch: u64,
}

/// What this node has to another node on a network: a ring each way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct ShmLink {
    /// The network.
    pub network: Network,
    /// The other node.
    pub peer: u16,
    /// Its incarnation.
    pub peer_incarnation: u64,
    /// How far it is.
    pub state: LinkState,
}

/// How far a link is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum LinkState {
    /// Neither ring is in use.
    Down,
    /// This node has allocated its ring; the peer has not connected.
    Allocated,
    /// This node reads the peer's ring; the peer does not read ours yet.
    Connected,
    /// Both rings are in use.
    Up,
}

/// One of the two networks over the memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Network {
    /// The local one.
    Lsm,
    /// The global one.
    Gsm,
}

impl Network {
    /// The word in JSON and in metrics.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Lsm => "lsm",
            Self::Gsm => "gsm",
        }
    }
}

/// `/shm/rings`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct ShmRings {
    /// The rings of this node's links, both directions.
    pub ring: Vec<ShmRing>,
    /// The broadcast and multicast rings, one of each on each network.
    pub group_ring: Vec<ShmGroupRing>,
}

/// A ring between two nodes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct ShmRing {
    /// The network.
    pub network: Network,
    /// Who writes it: the owner of the arena that it lies in.
    pub transmitter: u16,
    /// Who reads it.
    pub receiver: u16,
    /// Which of the network's queues it belongs to, from 0.
    #[serde(default)]
    pub queue: u8,
    /// Incarnation of the transmitter.
    pub transmitter_incarnation: u64,
    /// Incarnation of the receiver.
    pub receiver_incarnation: u64,
    /// Which ring of this pair it is; larger ones replace smaller ones.
    pub epoch: u32,
    /// Slots and scribble buffers.
    pub geometry: RingGeometry,
    /// Frames ever written; only the transmitter moves it.
    pub write_pointer: u64,
    /// Frames ever read, as the receiver last published it; only the receiver moves it.
    pub read_pointer: u64,
    /// Slots written and not known to be read.
    pub occupancy: u64,
    /// Frames through this ring as this node counted them.
    pub frames: u64,
    /// Octets of them.
    pub octets: u64,
    /// Frames dropped because it was full, counted by the transmitter.
    pub full: u64,
    /// Frames dropped because they were longer than the ring or the receiver's buffer.
    #[serde(default)]
    pub too_long: u64,
    /// Entries that made no sense and were not used.
    pub invalid: u64,
    /// Nanoseconds that a cache line takes from the receiver's processor, as last measured; absent unless this node is the
    /// transmitter and has sent enough to know.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub distance_ns: Option<u32>,
    /// How this node copies frames into the ring; absent unless it is the transmitter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub copy_routine: Option<CopyRoutine>,
}

/// How payload gets into a ring's buffers. It is chosen by the measured distance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CopyRoutine {
    /// Through the cache: best for a receiver that is near.
    Cached,
    /// Past the caches: best for a receiver that is far.
    Streaming,
}

impl CopyRoutine {
    /// The word in JSON and in tables.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Cached => "cached",
            Self::Streaming => "streaming",
        }
    }
}

/// Slots and scribble buffers of a ring, fixed while it exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct RingGeometry {
    /// Number of slots, each with its buffer.
    pub slots: u32,
    /// Octets of a buffer.
    pub buffer_size: u32,
    /// Octets of the whole ring in the arena.
    pub size: u64,
}

/// A broadcast or multicast ring.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct ShmGroupRing {
    /// The network.
    pub network: Network,
    /// Which of the two.
    pub kind: GroupKind,
    /// The node whose arena it lies in; absent while none has claimed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<u16>,
    /// How often it has changed hands.
    pub generation: u64,
    /// References ever written by the owner in this generation.
    pub position: u64,
    /// Slots and the payload that a submission lane holds for each.
    pub geometry: RingGeometry,
    /// Frames that this node submitted.
    pub submitted: u64,
    /// Frames that this node delivered.
    pub delivered: u64,
    /// Frames that this node lost because it was too slow.
    pub lost: u64,
    /// Frames of this node that were overwritten before every reader had them.
    #[serde(default)]
    pub overwritten: u64,
    /// Frames to groups that this node has not joined, which it passed over.
    #[serde(default)]
    pub filtered: u64,
    /// Frames to groups that no other node has joined, which this node did not send.
    #[serde(default)]
    pub unwanted: u64,
    /// Frames that this node delivered without the owner's order, which was withheld or went past it.
    #[serde(default)]
    pub unordered: u64,
    /// How far each of the other nodes is.
    pub reader: Vec<ShmGroupReader>,
}

/// Broadcast or multicast.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum GroupKind {
    /// To all.
    Broadcast,
    /// To a group.
    Multicast,
}

impl GroupKind {
    /// The word in JSON and in metrics.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Broadcast => "broadcast",
            Self::Multicast => "multicast",
        }
    }
}

/// How far a reader of a group ring is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct ShmGroupReader {
    /// The reader.
    pub node_id: u16,
    /// References of the owner that it has taken; absent while it follows another owner than this node does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position: Option<u64>,
    /// References behind the owner; absent with the position.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lag: Option<u64>,
    /// Slots of this node's lane that it has not read.
    #[serde(default)]
    pub unread_slots: u64,
    /// Frames of this node that were overwritten before it read them.
    #[serde(default)]
    pub lost: u64,
}
