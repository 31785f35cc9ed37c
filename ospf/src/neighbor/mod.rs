//! The data structure of a neighbor (RFC 2328 section 10).

mod exchange;
mod helper;
mod nsm;
mod request;
mod retransmit;

pub(crate) use exchange::is_known_type;
pub(crate) use nsm::Event;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::Ipv4Addr;

use crate::Instance;
use crate::types::{Instant, InterfaceId, RouterId};
use crate::view::{NeighborState, RestartExitReason};
use crate::wire::{DatabaseDescription, DdFlags, LsaHeader, LsaKey, Options};

/// What names a neighbor in an instance.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct NeighborKey {
    pub(crate) interface: InterfaceId,
    pub(crate) router: RouterId,
}

/// What makes a database description packet a duplicate of the one before (section 10.6).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct DdFingerprint {
    pub(crate) flags: DdFlags,
    pub(crate) options: Options,
    pub(crate) sequence: u32,
}

impl DdFingerprint {
    pub(crate) fn of(packet: &DatabaseDescription) -> Self {
        Self { flags: packet.flags, options: packet.options, sequence: packet.sequence }
    }
}

/// One neighbor.
#[derive(Debug)]
pub(crate) struct Neighbor {
    pub(crate) router_id: RouterId,
    /// Where its last hello came from.
    pub(crate) address: Ipv4Addr,
    pub(crate) priority: u8,
    /// Address of the router that it takes for the designated one; 0.0.0.0 for nobody.
    pub(crate) designated: Ipv4Addr,
    /// The same for the backup.
    pub(crate) backup: Ipv4Addr,
    /// The cryptographic sequence number of its last packet (section D.5.3).
    pub(crate) cryptographic_sequence: u32,
    pub(crate) state: NeighborState,
    /// When the state changed last.
    pub(crate) changed: Instant,
    /// State changes so far.
    pub(crate) events: u64,
    /// Whether it takes opaque advertisements: bit O of its database descriptions (RFC 5250 section 3.1).
    pub(crate) is_opaque_capable: bool,
    /// Until when it is announced and used as if it were Full, since it restarts (RFC 3623 section 3).
    pub(crate) helped_until: Option<Instant>,
    /// How the last restart with our help has ended.
    pub(crate) restart_exit_reason: RestartExitReason,
    /// Whether we are the master of the exchange.
    pub(crate) master: bool,
    pub(crate) dd_sequence: u32,
    /// The last database description packet taken from it.
    pub(crate) last_received: Option<DdFingerprint>,
    /// The last one sent to it, kept for repetition.
    pub(crate) last_sent: Option<DatabaseDescription>,
    /// When the exchange ended: a slave repeats its last packet for RouterDeadInterval (section 10.8).
    pub(crate) exchange_done: Option<Instant>,
    /// Names of what is still to be described to it: the database summary list.
    pub(crate) summaries: VecDeque<LsaKey>,
    /// What it has newer: the link state request list.
    pub(crate) requests: BTreeMap<LsaKey, LsaHeader>,
    /// The part of `requests` that the last link state request asked for.
    pub(crate) requested: BTreeSet<LsaKey>,
    /// What it has not acknowledged, and when it is sent again: the link state retransmission list.
    pub(crate) retransmissions: BTreeMap<LsaKey, Instant>,
}

impl Neighbor {
    pub(crate) fn new(now: Instant, router_id: RouterId, address: Ipv4Addr, priority: u8) -> Self {
        Self {
            router_id,
            address,
            priority,
            designated: Ipv4Addr::UNSPECIFIED,
            backup: Ipv4Addr::UNSPECIFIED,
            cryptographic_sequence: 0,
            state: NeighborState::Down,
            changed: now,
            events: 0,
            is_opaque_capable: false,
            helped_until: None,
            restart_exit_reason: RestartExitReason::None,
            master: false,
            dd_sequence: 0,
            last_received: None,
            last_sent: None,
            exchange_done: None,
            summaries: VecDeque::new(),
            requests: BTreeMap::new(),
            requested: BTreeSet::new(),
            retransmissions: BTreeMap::new(),
        }
    }

    /// Whether it counts as fully adjacent: it is Full, or was when it began to restart (RFC 3623 section 3).
    pub(crate) fn is_full(&self) -> bool {
        self.state == NeighborState::Full || self.helped_until.is_some()
    }

    /// Whether a database exchange is under way: MaxAge advertisements then stay (section 14).
    pub(crate) fn is_exchanging(&self) -> bool {
        matches!(self.state, NeighborState::Exchange | NeighborState::Loading)
    }
}

impl Instance {
    pub(crate) fn neighbor(&self, key: NeighborKey) -> Option<&Neighbor> {
        self.interfaces.get(&key.interface)?.neighbors.get(&key.router)
    }

    pub(crate) fn neighbor_mut(&mut self, key: NeighborKey) -> Option<&mut Neighbor> {
        self.interfaces.get_mut(&key.interface)?.neighbors.get_mut(&key.router)
    }
}
