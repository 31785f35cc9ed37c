//! The data structure of an interface (RFC 2328 section 9).

mod authentication;
mod designated;
mod election;
mod hello;
mod ism;
mod replay;
mod static_neighbors;
mod statistics;
mod transmit;
mod virtual_link;

pub(crate) use authentication::{Proof, SequenceClock};
pub(crate) use replay::ReplayWindows;
pub(crate) use static_neighbors::SilentNeighbor;
pub(crate) use statistics::InterfaceStatistics;
pub(crate) use transmit::Destination;
pub(crate) use virtual_link::VirtualEnds;

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use crate::area::Area;
use crate::config::{InterfaceConfig, InterfaceType};
use crate::mismatch::Mismatches;
use crate::neighbor::Neighbor;
use crate::types::{Instant, RouterId};
use crate::view::InterfaceState;
use crate::wire::{LsaHeader, LsaKey};

/// One interface.
#[derive(Debug)]
pub(crate) struct Interface {
    pub(crate) config: InterfaceConfig,
    pub(crate) state: InterfaceState,
    /// What the lower layer says.
    pub(crate) link_up: bool,
    pub(crate) neighbors: BTreeMap<RouterId, Neighbor>,
    /// Neighbors that are listed and not heard, by address.
    pub(crate) silent: BTreeMap<Ipv4Addr, SilentNeighbor>,
    /// Address of the designated router; 0.0.0.0 while there is none.
    pub(crate) designated: Ipv4Addr,
    /// Address of the backup designated router; 0.0.0.0 while there is none.
    pub(crate) backup: Ipv4Addr,
    /// What leaves in updates when the call at hand ends, so that one change makes one packet.
    pub(crate) flood_queue: BTreeSet<LsaKey>,
    /// Acknowledgments that wait for company (section 13.5).
    pub(crate) delayed_acks: BTreeMap<LsaKey, LsaHeader>,
    pub(crate) statistics: InterfaceStatistics,
    /// What a packet with an extended sequence number must exceed.
    pub(crate) replay: ReplayWindows,
    /// The number of the key that signs although its lifetime is over, once that was told.
    pub(crate) expired_key: Option<u8>,
    /// What other routers on the network are configured differently.
    pub(crate) mismatches: Mismatches,
    /// When the state changed last.
    pub(crate) changed: Instant,
    /// Of a virtual link: from where to where its packets go, while there is a path.
    pub(crate) virtual_ends: Option<VirtualEnds>,
    /// What is said on this link alone: opaque advertisements of type 9 (RFC 5250 section 3).
    pub(crate) link_scope: Area,
}

impl Interface {
    pub(crate) fn new(now: Instant, config: InterfaceConfig) -> Self {
        Self {
            config,
            state: InterfaceState::Down,
            link_up: false,
            neighbors: BTreeMap::new(),
            silent: BTreeMap::new(),
            designated: Ipv4Addr::UNSPECIFIED,
            backup: Ipv4Addr::UNSPECIFIED,
            flood_queue: BTreeSet::new(),
            delayed_acks: BTreeMap::new(),
            statistics: InterfaceStatistics::default(),
            replay: ReplayWindows::default(),
            expired_key: None,
            mismatches: Mismatches::default(),
            changed: now,
            virtual_ends: None,
            link_scope: Area::default(),
        }
    }

    pub(crate) fn is_up(&self) -> bool {
        self.state != InterfaceState::Down
    }

    /// Whether packets are exchanged here.
    pub(crate) fn speaks(&self) -> bool {
        self.is_up() && !self.config.passive
    }

    /// Its address; that of a virtual link is where the path to its other end begins (section 16.1).
    pub(crate) fn address(&self) -> Ipv4Addr {
        self.virtual_ends.map_or(self.config.address.addr(), |ends| ends.source)
    }

    /// The output cost: of a virtual link that of its path (section 15).
    pub(crate) fn cost(&self) -> u16 {
        self.virtual_ends.map_or(self.config.cost, |ends| ends.cost)
    }

    /// Whether it is a virtual link.
    pub(crate) fn is_virtual(&self) -> bool {
        self.config.interface_type.virtual_link().is_some()
    }

    /// Whether more than two routers can be on the network, so that a neighbor is who has its address.
    pub(crate) fn is_shared(&self) -> bool {
        match self.config.interface_type {
            InterfaceType::PointToPoint | InterfaceType::VirtualLink { .. } => false,
            InterfaceType::PointToMultipoint | InterfaceType::Broadcast | InterfaceType::NonBroadcast => true,
        }
    }

    /// Whether the network has a designated router.
    pub(crate) fn has_designated_router(&self) -> bool {
        match self.config.interface_type {
            InterfaceType::Broadcast | InterfaceType::NonBroadcast => true,
            InterfaceType::PointToPoint
            | InterfaceType::PointToMultipoint
            | InterfaceType::VirtualLink { .. } => false,
        }
    }

    /// Whether this router is the designated router of the network or its backup.
    pub(crate) fn is_designated(&self) -> bool {
        matches!(self.state, InterfaceState::Dr | InterfaceState::Bdr)
    }

    /// The neighbors whose adjacency is Full, by router id.
    pub(crate) fn full_neighbors(&self) -> impl Iterator<Item = &Neighbor> {
        self.neighbors.values().filter(|neighbor| neighbor.is_full())
    }

    /// Where a neighbor is reached as a next hop. The configured peer of a multi-area adjacency goes before the
    /// address that its last hello came from, so that a change of the path takes effect at once.
    pub(crate) fn next_hop_of(&self, neighbor: &Neighbor) -> Ipv4Addr {
        self.config.unicast_to.unwrap_or(neighbor.address)
    }
}
