//! The records of an arena as bytes, and what they mean once they are checked.
//!
//! The `...Wire` types are the bytes; their sizes and offsets are asserted at compile time. Parsing never fails on
//! content that means nothing: it refuses it, or clamps it to what the type can say.

use std::mem::{offset_of, size_of};
use std::net::Ipv4Addr;
use std::time::Duration;

use zerocopy::byteorder::little_endian::{U16, U32, U64};
use zerocopy::{FromBytes, FromZeros, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::{ABI_VERSION, Layout, MAGIC, at};
use crate::config::{NetworkParameters, Timing};
use crate::facts::{Facts, SteeringEpoch};
use crate::memory::LINE;
use crate::multicast::MulticastFilter;
use crate::node::NodeId;
use crate::ring::Geometry;

/// What a node is doing, as it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// No node has ever been here, or the bytes mean nothing.
    Empty,
    /// The node prepares its arena and has allocated rings for those it sees; it is not yet announced.
    Joining,
    /// The node is a member.
    Active,
    /// The node left by its own will.
    Left,
}

/// Incarnation (upper 56 bits) and state (lower 8 bits): one word, so that they are never read apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StateWord {
    pub(crate) incarnation: u64,
    pub(crate) state: State,
}

impl StateWord {
    pub(crate) fn from_word(word: u64) -> Self {
        let state = match word & 0xff {
            1 => State::Joining,
            2 => State::Active,
            3 => State::Left,
            _ => State::Empty,
        };
        Self { incarnation: word >> 8, state }
    }

    pub(crate) fn to_word(self) -> u64 {
        let state = match self.state {
            State::Empty => 0,
            State::Joining => 1,
            State::Active => 2,
            State::Left => 3,
        };
        self.incarnation << 8 | state
    }
}

/// The owner's identity and requirements, at offset 0.
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(super) struct IdentityWire {
    pub(super) magic: U64,
    pub(super) abi_version: U32,
    pub(super) node_id: U16,
    pub(super) max_nodes: U16,
    pub(super) incarnation: U64,
    pub(super) arena_len: U64,
    pub(super) pid: U32,
    pub(super) heartbeat_us: U32,
    pub(super) suspect_us: U32,
    pub(super) failed_us: U32,
    pub(super) nonce: U64,
    pub(super) reserved_1: [u8; 2],
    /// As [`Coherence::code`](crate::memory::Coherence::code).
    pub(super) coherence: u8,
    pub(super) reserved_4: [u8; 5],
    pub(super) hostname: [u8; 32],
    pub(super) reserved: [u8; 32],
    /// Second line: the geometry that all nodes share, one word for each of [`GEOMETRY_FIELDS`], and their hash.
    pub(super) geometry: [U64; 15],
    pub(super) geometry_hash: U64,
    /// Third line: what the nodes must agree on for each network.
    pub(super) parameters: [ParametersWire; 2],
    pub(super) reserved_2: [u8; 64],
    /// Fourth line.
    pub(super) reserved_3: [u8; 128],
}

#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(super) struct ParametersWire {
    pub(super) area_id: U32,
    pub(super) dead_interval: U32,
    pub(super) hello_interval: U16,
    pub(super) cost: U16,
    pub(super) mtu: U16,
    pub(super) network_type: u8,
    pub(super) prefix_len: u8,
    pub(super) prefix: [u8; 4],
    pub(super) reserved: [u8; 12],
}

#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(super) struct FactsWire {
    pub(super) lsm_address: [u8; 4],
    pub(super) gsm_address: [u8; 4],
    pub(super) router_id: [u8; 4],
    /// Bits: 0 area border router, 1 transit, 2 accepting, 3 draining.
    pub(super) flags: U32,
    pub(super) weight: U16,
    pub(super) hostname_len: u8,
    pub(super) reserved: [u8; 5],
    pub(super) hostname: [u8; Facts::MAX_HOSTNAME],
}

/// The steering epochs, oldest first; those after the last have the number 0.
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(super) struct SteeringWire {
    pub(super) epochs: [EpochWire; Facts::MAX_EPOCHS],
}

#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(super) struct EpochWire {
    pub(super) number: U64,
    /// Bitmap: the node of index `i` is bit `i % 64` of word `i / 64`.
    pub(super) members: [U64; 4],
    /// By index of the node; 0 for those that are no members.
    pub(super) weights: [U16; NODES],
}

/// The multicast addresses that the node takes on a network, sorted.
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(super) struct MulticastWire {
    /// 1: all of them.
    pub(super) all: u8,
    pub(super) count: u8,
    pub(super) reserved: [u8; 6],
    pub(super) groups: [[u8; 6]; MulticastFilter::MAX_PUBLISHED],
}

#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(super) struct DirectoryWire {
    pub(super) tx_incarnation: U64,
    pub(super) rx_incarnation: U64,
    pub(super) offset: U64,
    pub(super) len: U64,
    pub(super) epoch: U32,
    pub(super) reserved: U32,
}

/// Node ids that there can be: entries of the tables of fixed length.
const NODES: usize = NodeId::MAX as usize;

/// The names of the words of the geometry line; the words after them are zero.
///
/// What is chosen comes first, what follows from it after that: of two nodes that differ, the first difference is told.
pub(crate) const GEOMETRY_FIELDS: [&str; 14] = [
    "max-nodes",
    "queues",
    "LSM ring slots",
    "LSM ring buffer bytes",
    "GSM ring slots",
    "GSM ring buffer bytes",
    "steering offset",
    "directory offset",
    "read-pointer offset",
    "activity offset",
    "attention offset",
    "group-area offset",
    "group-area bytes",
    "heap offset",
];

/// Who owns an arena and what it requires, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) node: NodeId,
    pub(crate) incarnation: u64,
    /// 0 where a lock says who is the node.
    pub(crate) nonce: u64,
    /// How the owner's writes reach its peers.
    pub(crate) coherence: u8,
    pub(crate) arena_len: u64,
    pub(crate) pid: u32,
    pub(crate) timing: Timing,
    pub(crate) hostname: String,
    pub(crate) geometry: [u64; GEOMETRY_FIELDS.len()],
    pub(crate) parameters: [NetworkParameters; 2],
}

/// Why an arena's identity cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Malformed {
    /// It does not begin as an arena does, or contradicts itself.
    NotAnArena,
    /// It is an arena of another version.
    Version(u32),
}

impl IdentityWire {
    /// Where the parameters are.
    pub(super) const PARAMETERS: usize = offset_of!(Self, parameters);
}

impl Identity {
    /// The layout by which the owner has written its tables, if it is one that this program makes.
    pub(crate) fn layout(&self) -> Option<Layout> {
        let [max_nodes, queues, lsm_slots, lsm_buffer, gsm_slots, gsm_buffer, ..] = self.geometry;
        let layout = Layout::new(u16::try_from(max_nodes).ok()?, u8::try_from(queues).ok()?)?;
        let ring = |slots, buffer| Geometry::new(slots as u32, buffer as u32).ok();
        let geometry = [ring(lsm_slots, lsm_buffer)?, ring(gsm_slots, gsm_buffer)?];
        (layout.geometry_words(geometry) == self.geometry).then_some(layout)
    }

    pub(super) fn to_wire(&self) -> IdentityWire {
        let mut geometry = [U64::ZERO; 15];
        for (word, value) in geometry.iter_mut().zip(self.geometry) {
            *word = U64::new(value);
        }
        let mut hostname = [0; 32];
        let name = clip(&self.hostname, hostname.len());
        hostname[..name.len()].copy_from_slice(name.as_bytes());
        IdentityWire {
            magic: U64::new(MAGIC),
            abi_version: U32::new(ABI_VERSION),
            node_id: U16::new(self.node.get()),
            max_nodes: U16::new(self.geometry[0] as u16),
            incarnation: U64::new(self.incarnation),
            arena_len: U64::new(self.arena_len),
            pid: U32::new(self.pid),
            heartbeat_us: U32::new(micros(self.timing.heartbeat)),
            suspect_us: U32::new(micros(self.timing.suspect)),
            failed_us: U32::new(micros(self.timing.failed)),
            nonce: U64::new(self.nonce),
            reserved_1: [0; 2],
            coherence: self.coherence,
            reserved_4: [0; 5],
            hostname,
            reserved: [0; 32],
            geometry_hash: U64::new(hash(&geometry)),
            geometry,
            parameters: self.parameters.each_ref().map(ParametersWire::from_parameters),
            reserved_2: [0; 64],
            reserved_3: [0; 128],
        }
    }

    pub(super) fn from_wire(wire: &IdentityWire) -> Result<Self, Malformed> {
        if wire.magic.get() != MAGIC {
            return Err(Malformed::NotAnArena);
        }
        if wire.abi_version.get() != ABI_VERSION {
            return Err(Malformed::Version(wire.abi_version.get()));
        }
        let node = NodeId::new(wire.node_id.get()).ok_or(Malformed::NotAnArena)?;
        if hash(&wire.geometry) != wire.geometry_hash.get() {
            return Err(Malformed::NotAnArena);
        }
        let mut geometry = [0; GEOMETRY_FIELDS.len()];
        for (value, word) in geometry.iter_mut().zip(wire.geometry) {
            *value = word.get();
        }
        let name_len = wire.hostname.iter().position(|byte| *byte == 0).unwrap_or(wire.hostname.len());
        Ok(Self {
            node,
            incarnation: wire.incarnation.get(),
            nonce: wire.nonce.get(),
            coherence: wire.coherence,
            arena_len: wire.arena_len.get(),
            pid: wire.pid.get(),
            timing: Timing {
                heartbeat: Duration::from_micros(wire.heartbeat_us.get().into()),
                suspect: Duration::from_micros(wire.suspect_us.get().into()),
                failed: Duration::from_micros(wire.failed_us.get().into()),
            },
            hostname: printable(&wire.hostname[..name_len]),
            geometry,
            parameters: wire.parameters.map(ParametersWire::to_parameters),
        })
    }
}

impl ParametersWire {
    fn from_parameters(parameters: &NetworkParameters) -> Self {
        Self {
            area_id: U32::new(parameters.area_id),
            dead_interval: U32::new(parameters.dead_interval),
            hello_interval: U16::new(parameters.hello_interval),
            cost: U16::new(parameters.cost),
            mtu: U16::new(parameters.mtu),
            network_type: parameters.network_type,
            prefix_len: parameters.prefix_len,
            prefix: parameters.prefix.octets(),
            reserved: [0; 12],
        }
    }

    fn to_parameters(self) -> NetworkParameters {
        NetworkParameters {
            area_id: self.area_id.get(),
            network_type: self.network_type,
            hello_interval: self.hello_interval.get(),
            dead_interval: self.dead_interval.get(),
            cost: self.cost.get(),
            mtu: self.mtu.get(),
            prefix: Ipv4Addr::from(self.prefix),
            prefix_len: self.prefix_len,
        }
    }
}

const FLAG_ABR: u32 = 1;
const FLAG_TRANSIT: u32 = 2;
const FLAG_ACCEPTING: u32 = 4;
const FLAG_DRAINING: u32 = 8;

impl FactsWire {
    pub(super) fn from_facts(facts: &Facts) -> Self {
        let flag = |set: bool, bit: u32| if set { bit } else { 0 };
        let flags = flag(facts.abr, FLAG_ABR)
            | flag(facts.transit, FLAG_TRANSIT)
            | flag(facts.accepting, FLAG_ACCEPTING)
            | flag(facts.draining, FLAG_DRAINING);
        let mut hostname = [0; Facts::MAX_HOSTNAME];
        let name = clip(&facts.hostname, Facts::MAX_HOSTNAME);
        hostname[..name.len()].copy_from_slice(name.as_bytes());
        Self {
            lsm_address: facts.lsm_address.octets(),
            gsm_address: facts.gsm_address.octets(),
            router_id: facts.router_id.octets(),
            flags: U32::new(flags),
            weight: U16::new(facts.weight),
            hostname_len: name.len() as u8,
            reserved: [0; 5],
            hostname,
        }
    }

    /// What the bytes say, without the steering epochs; counts that are too large are clamped.
    pub(super) fn to_facts(self) -> Facts {
        let flags = self.flags.get();
        let name_len = usize::from(self.hostname_len).min(Facts::MAX_HOSTNAME);
        Facts {
            lsm_address: Ipv4Addr::from(self.lsm_address),
            gsm_address: Ipv4Addr::from(self.gsm_address),
            router_id: Ipv4Addr::from(self.router_id),
            abr: flags & FLAG_ABR != 0,
            transit: flags & FLAG_TRANSIT != 0,
            accepting: flags & FLAG_ACCEPTING != 0,
            draining: flags & FLAG_DRAINING != 0,
            weight: self.weight.get(),
            steering: Vec::new(),
            hostname: printable(&self.hostname[..name_len]),
        }
    }
}

impl MulticastWire {
    /// More addresses than there is room for are published as all.
    pub(super) fn from_filter(filter: &MulticastFilter) -> Self {
        let mut wire = Self::new_zeroed();
        let groups = filter.groups();
        if filter.takes_all() || groups.len() > wire.groups.len() {
            wire.all = 1;
        } else {
            wire.count = groups.len() as u8;
            wire.groups[..groups.len()].copy_from_slice(groups);
        }
        wire
    }

    /// What the bytes say. If they contradict themselves the node gets everything: that harms nobody else.
    pub(super) fn to_filter(self) -> MulticastFilter {
        match self.groups.get(..self.count.into()) {
            Some(groups) if self.all == 0 => MulticastFilter::of(groups.iter().copied()),
            _ => MulticastFilter::all(),
        }
    }
}

impl SteeringWire {
    pub(super) fn from_epochs(epochs: &[SteeringEpoch]) -> Self {
        let mut wire = Self::new_zeroed();
        let newest = &epochs[epochs.len().saturating_sub(Facts::MAX_EPOCHS)..];
        for (wire, epoch) in wire.epochs.iter_mut().zip(newest) {
            wire.number = U64::new(epoch.number);
            for (node, weight) in epoch.members() {
                let place = node.index();
                wire.members[place / 64] = U64::new(wire.members[place / 64].get() | 1 << (place % 64));
                wire.weights[place] = U16::new(*weight);
            }
        }
        wire
    }

    /// What the bytes say. If any of it contradicts itself, nothing of it is believed.
    pub(super) fn epochs(&self) -> Vec<SteeringEpoch> {
        let mut epochs: Vec<SteeringEpoch> = Vec::with_capacity(Facts::MAX_EPOCHS);
        for wire in self.epochs.iter().take_while(|wire| wire.number.get() != 0) {
            let Some(epoch) = wire.to_epoch() else { return Vec::new() };
            if epochs.last().is_some_and(|last| last.number >= epoch.number) {
                return Vec::new();
            }
            epochs.push(epoch);
        }
        epochs
    }
}

impl EpochWire {
    /// `None` for members without weight, weights without a member, and weights beyond the limit.
    fn to_epoch(self) -> Option<SteeringEpoch> {
        let mut members = Vec::new();
        for (place, weight) in self.weights.into_iter().enumerate() {
            let is_member = self.members[place / 64].get() >> (place % 64) & 1 == 1;
            match (is_member, weight.get()) {
                (false, 0) => {}
                (true, weight @ 1..=SteeringEpoch::MAX_WEIGHT) => {
                    members.push((NodeId::from_index(place)?, weight))
                }
                _ => return None,
            }
        }
        Some(SteeringEpoch::new(self.number.get(), members))
    }
}

/// One ring of the directory: which two incarnations it connects, and where it lies in the arena.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct DirectoryEntry {
    pub(crate) tx_incarnation: u64,
    pub(crate) rx_incarnation: u64,
    pub(crate) offset: u64,
    pub(crate) len: u64,
    pub(crate) epoch: u32,
}

impl DirectoryEntry {
    pub(super) fn to_wire(self) -> DirectoryWire {
        DirectoryWire {
            tx_incarnation: U64::new(self.tx_incarnation),
            rx_incarnation: U64::new(self.rx_incarnation),
            offset: U64::new(self.offset),
            len: U64::new(self.len),
            epoch: U32::new(self.epoch),
            reserved: U32::ZERO,
        }
    }

    pub(super) fn from_wire(wire: &DirectoryWire) -> Self {
        Self {
            tx_incarnation: wire.tx_incarnation.get(),
            rx_incarnation: wire.rx_incarnation.get(),
            offset: wire.offset.get(),
            len: wire.len.get(),
            epoch: wire.epoch.get(),
        }
    }
}

/// The beginning of a text that fits `limit` bytes, cut between characters.
fn clip(text: &str, limit: usize) -> &str {
    let mut end = text.len().min(limit);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// A peer's text, harmless on a terminal.
fn printable(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).chars().map(|c| if c.is_control() { '?' } else { c }).collect()
}

fn micros(duration: Duration) -> u32 {
    u32::try_from(duration.as_micros()).unwrap_or(u32::MAX)
}

/// FNV-1a over the bytes of the words.
fn hash(words: &[U64]) -> u64 {
    words.as_bytes().iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

const _: () = {
    assert!(size_of::<IdentityWire>() == 512);
    assert!(offset_of!(IdentityWire, incarnation) == 16);
    assert!(offset_of!(IdentityWire, pid) == 32);
    assert!(offset_of!(IdentityWire, nonce) == at::NONCE);
    assert!(offset_of!(IdentityWire, coherence) == 58);
    assert!(offset_of!(IdentityWire, hostname) == 64);
    assert!(offset_of!(IdentityWire, geometry) == 128);
    assert!(offset_of!(IdentityWire, geometry_hash) == 248);
    assert!(offset_of!(IdentityWire, parameters) == 256);
    assert!(size_of::<ParametersWire>() == 32);
    assert!(size_of::<FactsWire>() == 56);
    assert!(size_of::<EpochWire>() == 552);
    assert!(offset_of!(EpochWire, members) == 8);
    assert!(offset_of!(EpochWire, weights) == 40);
    assert!(size_of::<SteeringWire>() == Facts::MAX_EPOCHS * size_of::<EpochWire>());
    assert!(size_of::<DirectoryWire>() == 40);
    assert!(at::IDENTITY + size_of::<IdentityWire>() <= at::STATE);
    assert!(size_of::<MulticastWire>() == 248);
    assert!(super::guarded::GUARD + size_of::<MulticastWire>() <= super::MULTICAST_STRIDE);
    assert!(at::MULTICAST + 2 * super::MULTICAST_STRIDE <= at::FACTS);
    assert!(at::FACTS + super::guarded::GUARD + size_of::<FactsWire>() <= at::CLOSED);
    assert!(at::CLOSED + NODES * 8 <= at::STEERING);
    assert!(at::STEERING.is_multiple_of(LINE));
    assert!(at::STEERING + super::guarded::GUARD + size_of::<SteeringWire>() <= at::TABLES);
    assert!(at::TABLES.is_multiple_of(LINE));
    assert!(super::guarded::GUARD + size_of::<DirectoryWire>() <= super::DIRECTORY_STRIDE);
};
