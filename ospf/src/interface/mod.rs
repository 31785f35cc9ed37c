//! The data structure of an interface (RFC 2328 section 9).

mod hello;
mod ism;
mod statistics;
mod transmit;

pub(crate) use statistics::InterfaceStatistics;
pub(crate) use transmit::{Destination, description_capacity, request_capacity};

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use crate::config::{InterfaceConfig, InterfaceType};
use crate::neighbor::Neighbor;
use crate::types::{Instant, RouterId};
use crate::view::{InterfaceState, NeighborState};
use crate::wire::{LsaHeader, LsaKey};

/// One interface.
#[derive(Debug)]
pub(crate) struct Interface {
    pub(crate) config: InterfaceConfig,
    pub(crate) state: InterfaceState,
    /// What the lower layer says.
    pub(crate) link_up: bool,
    pub(crate) neighbors: BTreeMap<RouterId, Neighbor>,
    /// What leaves in updates when the call at hand ends, so that one change makes one packet.
    pub(crate) flood_queue: BTreeSet<LsaKey>,
    /// Acknowledgments that wait for company (section 13.5).
    pub(crate) delayed_acks: BTreeMap<LsaKey, LsaHeader>,
    pub(crate) statistics: InterfaceStatistics,
    /// When the state changed last.
    pub(crate) changed: Instant,
}

impl Interface {
    pub(crate) fn new(now: Instant, config: InterfaceConfig) -> Self {
        Self {
            config,
            state: InterfaceState::Down,
            link_up: false,
            neighbors: BTreeMap::new(),
            flood_queue: BTreeSet::new(),
            delayed_acks: BTreeMap::new(),
            statistics: InterfaceStatistics::default(),
            changed: now,
        }
    }

    pub(crate) fn is_up(&self) -> bool {
        self.state != InterfaceState::Down
    }

    /// Whether packets are exchanged here.
    pub(crate) fn speaks(&self) -> bool {
        self.is_up() && !self.config.passive
    }

    pub(crate) fn address(&self) -> Ipv4Addr {
        self.config.address.addr()
    }

    pub(crate) fn is_multipoint(&self) -> bool {
        self.config.interface_type == InterfaceType::PointToMultipoint
    }

    /// The neighbors whose adjacency is Full, by router id.
    pub(crate) fn full_neighbors(&self) -> impl Iterator<Item = &Neighbor> {
        self.neighbors.values().filter(|neighbor| neighbor.state == NeighborState::Full)
    }

    /// Where a neighbor is reached as a next hop. The configured peer of a multi-area adjacency goes before the
    /// address that its last hello came from, so that a change of the path takes effect at once.
    pub(crate) fn next_hop_of(&self, neighbor: &Neighbor) -> Ipv4Addr {
        self.config.unicast_to.unwrap_or(neighbor.address)
    }
}
