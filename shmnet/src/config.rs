//! Configuration: what a node brings to a segment, and what it wants of it.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::time::Duration;

use crate::facility::{region_bytes, region_unit};
use crate::facts::Facts;
use crate::node::NodeId;
use crate::ring::Geometry;

/// Where the shared memory is.
#[derive(Debug)]
pub enum Backing {
    /// A directory, best on a memory-backed file system; one arena file per node.
    Directory(PathBuf),
    /// Memory files without names, which each node makes, seals and passes to the others itself: nobody can write or cut them but
    /// their owner.
    SealedMemory {
        /// Where the nodes meet: on any file system, for it holds only locks and sockets.
        directory: PathBuf,
        /// The huge pages that this node's memory is made of; `None` for ordinary ones. Each node may choose for itself.
        huge_pages: Option<HugePageSize>,
    },
    /// Files passed by a parent process, one per node id that may join.
    Inherited {
        /// One file per node, usually a memfd; each is read and written by its node and read by all.
        arenas: Vec<(NodeId, OwnedFd)>,
        /// Distinguishes this segment from others in the names of its doorbell sockets.
        name: String,
    },
    /// No shared memory at all: what each node writes is carried to the others' copies of it. Takes the feature `libfabric`.
    Reflected(ReflectedMemory),
    /// One stretch of memory that is divided among all nodes.
    Region(Region, BackOff),
}

/// The size of huge pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HugePageSize(u64);

impl HugePageSize {
    /// Of so many bytes; `None` for what no kernel has: they are powers of two from 64 KiB to 16 GiB.
    #[must_use]
    pub const fn new(bytes: u64) -> Option<Self> {
        let is_one = bytes.is_power_of_two() && bytes >= 64 << 10 && bytes <= 16 << 30;
        if is_one { Some(Self(bytes)) } else { None }
    }

    /// Bytes of one page.
    #[must_use]
    pub const fn bytes(self) -> u64 {
        self.0
    }
}

/// One stretch of memory with the arenas of all nodes. Whoever may map it may write all of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Region {
    /// A file, best on a memory-backed file system.
    File {
        /// The file.
        path: PathBuf,
        /// Its length in bytes. The first node makes it; without a size it must be there.
        size: Option<u64>,
        /// Whether nodes run on other kernels too, such as virtual machines to which the file is a PCI device. They then have
        /// nothing in common but the memory: no doorbells, and no word of the kernel about the death of a process.
        other_kernels: bool,
    },
    /// The memory of an ivshmem device (PCI id 1af4:1110).
    Pci {
        /// Its address, such as `0000:00:04.0`; without one it must be the only one.
        address: Option<String>,
    },
    /// The character device of a DAX region, such as `/dev/dax0.0`, or a file that is mapped with its alignment.
    Dax {
        /// The device or file.
        path: PathBuf,
        /// The length to make a file with, in bytes.
        size: Option<u64>,
    },
}

impl Region {
    /// The length in bytes: as configured, else as the file or device has it on this machine; `None` if it is not there.
    #[must_use]
    pub fn bytes(&self) -> Option<u64> {
        region_bytes(self)
    }

    /// The length of each arena when `bytes` are divided among so many nodes.
    #[must_use]
    pub fn arena_of(&self, bytes: u64, max_nodes: u16) -> u64 {
        let unit = region_unit(self);
        bytes / u64::from(max_nodes.max(1)) / unit * unit
    }

    /// The length that gives each of so many nodes an arena of `arena` bytes.
    #[must_use]
    pub fn bytes_for(&self, arena: u64, max_nodes: u16) -> u64 {
        arena.next_multiple_of(region_unit(self)).saturating_mul(u64::from(max_nodes))
    }
}

/// How often a node that sleeps looks whether it was woken, where nothing but memory can wake it: at first after the
/// shortest pause, then after one that doubles up to the longest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BackOff {
    /// The first pause.
    pub shortest: Duration,
    /// The longest pause, and so the longest that a frame waits for a sleeper.
    pub longest: Duration,
}

impl Default for BackOff {
    fn default() -> Self {
        Self { shortest: Duration::from_micros(50), longest: Duration::from_millis(5) }
    }
}

/// What an access to the mapped memory takes, as measured when the node joined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MappingCost {
    /// Nanoseconds to load from a line.
    pub read_ns: u32,
    /// Nanoseconds to store to a line.
    pub write_ns: u32,
}

impl MappingCost {
    /// Whether the memory is mapped without a cache, as a PCI BAR of real hardware is.
    #[must_use]
    pub fn is_uncached(self) -> bool {
        self.read_ns > 100
    }
}

/// Memory that is reflected between hosts over libfabric.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReflectedMemory {
    /// The provider, by its libfabric name: `tcp`, `verbs`, ...
    pub provider: String,
    /// The address of this host that the peers call, and that data goes by.
    pub listen: SocketAddr,
    /// Where the other nodes listen. This node may be among them.
    pub peers: BTreeMap<NodeId, SocketAddr>,
    /// Bytes of the window that each peer writes to: a power of two. [`DEFAULT_WINDOW`] suits most.
    pub window: u32,
}

/// The usual window of a peer: more than the rings from it hold when they have not grown, so that they are what limits it.
pub const DEFAULT_WINDOW: u32 = 4 << 20;

/// Whether the processors of the nodes keep their caches coherent on the shared memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CoherenceMode {
    /// They do, as on one host.
    #[default]
    Hardware,
    /// They do not, as on memory of a pool that several hosts map: lines are written back after they were written, and
    /// invalidated before they are read.
    Flush,
}

/// How soon a silent node is noticed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// The time between two heartbeats.
    pub heartbeat: Duration,
    /// Silence after which packets are steered away from a node; reversible.
    pub suspect: Duration,
    /// Silence after which a node is dead and its incarnation closed.
    pub failed: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            heartbeat: Duration::from_millis(10),
            suspect: Duration::from_millis(20),
            failed: Duration::from_millis(100),
        }
    }
}

impl Timing {
    /// For memory that is carried between hosts, where each heartbeat is a packet of its own: 50, 100 and 500 ms.
    #[must_use]
    pub const fn between_hosts() -> Self {
        Self {
            heartbeat: Duration::from_millis(50),
            suspect: Duration::from_millis(100),
            failed: Duration::from_millis(500),
        }
    }
}

/// What all nodes must agree on for a network, so that OSPF forms adjacencies on it.
///
/// It is published in every arena; a joiner that disagrees with a live peer is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NetworkParameters {
    /// OSPF area of the network.
    pub area_id: u32,
    /// OSPF network type, as the number that the engine uses for it.
    pub network_type: u8,
    /// OSPF hello interval in seconds.
    pub hello_interval: u16,
    /// OSPF dead interval in seconds.
    pub dead_interval: u32,
    /// OSPF cost of the network.
    pub cost: u16,
    /// Largest IP packet in bytes.
    pub mtu: u16,
    /// The network's prefix, from which its nodes have their addresses.
    pub prefix: Ipv4Addr,
    /// Length of the prefix in bits.
    pub prefix_len: u8,
}

/// All that [`Fabric::join`](crate::Fabric::join) needs.
#[derive(Debug)]
pub struct FabricConfig {
    /// This node's number, at most `max_nodes`.
    pub node_id: NodeId,
    /// The shared memory.
    pub backing: Backing,
    /// Whether the memory is coherent; the same on all nodes.
    pub coherence: CoherenceMode,
    /// How many node ids the segment has room for; the same on all nodes.
    pub max_nodes: u16,
    /// Independent rings of each pair, network and direction, 1 to [`MAX_QUEUES`]; the same on all nodes. Each is a queue with
    /// endpoints of its own, so that several threads of a node can send and receive without a lock.
    pub queues: u8,
    /// Size of the first ring of each pair on the LSM and on the GSM, in slots and buffers; the same on all nodes.
    /// [`DEFAULT_GEOMETRY`] suits most. Unless it is larger than that, the rings to the eighth peer and those after it, and those of all queues
    /// but the first, start with fewer slots, as many as frames of the MTU need.
    pub geometry: [Geometry; 2],
    /// Heartbeat and timeouts.
    pub timing: Timing,
    /// What all nodes must agree on, for the LSM and the GSM.
    pub parameters: [NetworkParameters; 2],
    /// What this node says about itself at first.
    pub facts: Facts,
    /// Take the place of a process that holds this node id.
    pub takeover: bool,
    /// The most bytes that this node's arena may ever take; by default an eighth of what the backing has free, and at most
    /// 64 MiB.
    pub budget: Option<u64>,
}

/// The first ring of a pair: 64 slots with buffers of 2 KiB, 139,520 bytes. A frame of 9000 bytes takes five of its slots, and
/// the longest frame is 64 KiB. A ring that stays full is replaced by one with four times the slots, up to
/// [`MAX_RING_SLOTS`] (2.2 MiB, which lives in a processor's last cache).
pub const DEFAULT_GEOMETRY: Geometry = match Geometry::new(64, 2048) {
    Ok(geometry) => geometry,
    Err(_) => unreachable!(),
};

/// The most queues that a network of a pair can have.
pub const MAX_QUEUES: u8 = 8;

/// The most slots that a ring grows to.
pub const MAX_RING_SLOTS: u32 = 1024;
