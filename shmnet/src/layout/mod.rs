//! The arena's layout: which byte of a node's shared memory means what.
//!
//! An arena is a header of fixed lines, then tables with one entry per possible node, then the areas of the
//! broadcast and multicast rings, then the heap that pair rings are cut from. `docs/architecture/segment.md` has the
//! same table in prose; a test holds the two together.
//!
//! Everything is little-endian. A word that readers poll is an aligned 32- or 64-bit word, stored and loaded atomically;
//! a record of several words is guarded by a sequence word that is odd while the owner writes ([`guarded`]).

mod guarded;
mod heap;
mod own;
mod peer;
mod wire;

#[cfg(all(test, not(loom)))]
#[allow(clippy::unwrap_used, reason = "a test helper fails by panicking")]
mod crash;
#[cfg(test)]
mod tests;

use crate::channel::Channel;
use crate::config::MAX_QUEUES;
use crate::group::GroupGeometry;
use crate::memory::LINE;
use crate::node::{Network, NodeId};
use crate::ring::Geometry;

pub(crate) use self::heap::{Chunk, Heap};
pub(crate) use self::own::OwnArena;
pub(crate) use self::peer::PeerArena;
pub(crate) use self::wire::{DirectoryEntry, GEOMETRY_FIELDS, Identity, Malformed, State, StateWord};

/// The version of the layout; nodes of different versions do not share a segment.
pub const ABI_VERSION: u32 = 4;

/// The first eight bytes of an arena: `ISTHMUS` and a zero byte.
pub(crate) const MAGIC: u64 = u64::from_le_bytes(*b"ISTHMUS\0");

/// Offsets of the fixed part of an arena, in bytes from its beginning.
pub(crate) mod at {
    /// Who the owner is, and what it requires of its peers; written once per incarnation.
    pub(crate) const IDENTITY: usize = 0x000;
    /// The nonce of the process that is the node, where no lock says who that is.
    pub(crate) const NONCE: usize = 0x030;
    /// The state word: incarnation and state in one.
    pub(crate) const STATE: usize = 0x200;
    /// The heartbeat.
    pub(crate) const HEARTBEAT: usize = 0x280;
    /// The robust futex word.
    pub(crate) const LIVENESS: usize = 0x300;
    /// Which group rings the node reads.
    pub(crate) const SUBSCRIPTIONS: usize = 0x480;
    /// The count of changes to what peers read: not with the heartbeat, which another thread writes.
    pub(crate) const CHANGES: usize = 0x500;
    /// One guarded record per network: the multicast addresses that the node takes.
    pub(crate) const MULTICAST: usize = 0x580;
    /// The guarded facts.
    pub(crate) const FACTS: usize = 0x800;
    /// One 64-bit word per possible node, 256 of them: the last incarnation of that node that this node closed.
    pub(crate) const CLOSED: usize = 0x1000;
    /// The guarded steering epochs.
    pub(crate) const STEERING: usize = 0x1800;
    /// The first table.
    pub(crate) const TABLES: usize = 0x2c00;
}

/// Bytes of a network's multicast filter: two lines.
pub(crate) const MULTICAST_STRIDE: usize = 2 * LINE;
/// Bytes of a directory entry: one line.
pub(crate) const DIRECTORY_STRIDE: usize = LINE;
/// Bytes of a read pointer's line.
pub(crate) const POINTER_STRIDE: usize = LINE;
/// Bytes of an activity line, which has a word for each queue.
pub(crate) const ACTIVITY_STRIDE: usize = LINE;
/// Bytes of an attention line.
pub(crate) const ATTENTION_STRIDE: usize = LINE;

/// Slots of a group's lane, their bytes, and the references of its order ring: frames of up to 32 KiB.
const LANE_SLOTS: u32 = 32;
const LANE_SLOT_BYTES: u32 = 2048;
const ORDER_SLOTS: u32 = 512;

/// Where the variable part of an arena lies, for a number of nodes and of queues.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Layout {
    pub(crate) max_nodes: usize,
    /// Queues of each network.
    pub(crate) queues: u8,
    /// Ring directory: entry `(node.index() * 2 + network) * queues + queue`.
    pub(crate) directory: usize,
    /// Read pointers: line `(node.index() * 2 + network) * queues + queue`.
    pub(crate) pointers: usize,
    /// Activity lines: line `node.index()`, word `queue`.
    pub(crate) activity: usize,
    /// Attention lines: line `network * queues + queue`.
    pub(crate) attention: usize,
    /// Areas of the group rings: area `network * 2 + (0 broadcast, 1 multicast)`.
    pub(crate) groups: usize,
    pub(crate) group_len: usize,
    pub(crate) group: GroupGeometry,
    /// The heap; it ends with the file.
    pub(crate) heap: usize,
}

impl Layout {
    /// `None` if there can be no such number of nodes or of queues.
    pub(crate) fn new(max_nodes: u16, queues: u8) -> Option<Self> {
        if !(1..=MAX_QUEUES).contains(&queues) {
            return None;
        }
        let max_nodes = max_nodes.min(NodeId::MAX);
        let group = GroupGeometry::new(max_nodes, LANE_SLOTS, LANE_SLOT_BYTES, ORDER_SLOTS).ok()?;
        let max_nodes = usize::from(max_nodes);
        let directory = at::TABLES;
        let channels = Channel::all(queues).count();
        let pointers = directory + max_nodes * channels * DIRECTORY_STRIDE;
        let activity = pointers + max_nodes * channels * POINTER_STRIDE;
        let attention = activity + max_nodes * ACTIVITY_STRIDE;
        let groups = (attention + channels * ATTENTION_STRIDE).next_multiple_of(PAGE);
        let group_len = group.bytes().next_multiple_of(PAGE);
        let heap = groups + 4 * group_len;
        Some(Self {
            max_nodes,
            queues,
            directory,
            pointers,
            activity,
            attention,
            groups,
            group_len,
            group,
            heap,
        })
    }

    /// The words of the geometry line, in the order of [`GEOMETRY_FIELDS`].
    pub(crate) fn geometry_words(&self, [lsm, gsm]: [Geometry; 2]) -> [u64; GEOMETRY_FIELDS.len()] {
        [
            self.max_nodes as u64,
            self.queues.into(),
            lsm.slots().into(),
            lsm.buffer().into(),
            gsm.slots().into(),
            gsm.buffer().into(),
            at::STEERING as u64,
            self.directory as u64,
            self.pointers as u64,
            self.activity as u64,
            self.attention as u64,
            self.groups as u64,
            self.group_len as u64,
            self.heap as u64,
        ]
    }

    /// All channels, in the order of their index.
    pub(crate) fn channels(&self) -> impl Iterator<Item = Channel> + Clone + use<> {
        Channel::all(self.queues)
    }

    pub(crate) fn directory_entry(&self, node: NodeId, channel: Channel) -> usize {
        self.directory + self.pair(node, channel) * DIRECTORY_STRIDE
    }

    pub(crate) fn read_pointer(&self, node: NodeId, channel: Channel) -> usize {
        self.pointers + self.pair(node, channel) * POINTER_STRIDE
    }

    /// The place of a node's channel in the tables that have one entry for each.
    fn pair(&self, node: NodeId, channel: Channel) -> usize {
        node.index() * self.channels().count() + channel.index(self.queues)
    }

    /// The line that says whether the data thread of a channel sleeps.
    pub(crate) fn attention_line(&self, channel: Channel) -> usize {
        self.attention + channel.index(self.queues) * ATTENTION_STRIDE
    }

    /// The line that a transmitter raises for a receiver: a word for each queue.
    pub(crate) fn activity_line(&self, node: NodeId) -> usize {
        self.activity + node.index() * ACTIVITY_STRIDE
    }

    pub(crate) fn closed(node: NodeId) -> usize {
        at::CLOSED + node.index() * 8
    }

    pub(crate) fn multicast(network: Network) -> usize {
        at::MULTICAST + network.index() * MULTICAST_STRIDE
    }

    /// `kind` is 0 for broadcast and 1 for multicast.
    pub(crate) fn group(&self, network: Network, kind: usize) -> usize {
        self.groups + (network.index() * 2 + kind) * self.group_len
    }
}

/// An incarnation that an honest history can have reached, else 0: any other would leave no room for the next one.
pub(crate) fn plausible(incarnation: u64) -> u64 {
    if incarnation < HIGHEST_INCARNATION { incarnation } else { 0 }
}

/// Incarnations stay below this; whoever says another is not believed.
pub(crate) const HIGHEST_INCARNATION: u64 = 1 << 48;

/// Areas and the heap begin at a multiple of this.
pub(crate) const PAGE: usize = 4096;
