//! What an instance says to its caller: packets to send, changes of routes, and notifications.

use std::net::Ipv4Addr;

use serde::Serialize;

use crate::error::Refusal;
use crate::route::RouteChange;
use crate::types::{InterfaceId, RouterId};
use crate::view::{InterfaceState, NeighborState, RestartExitReason};

/// One thing for the caller to do, in the order in which [`crate::Instance::poll_output`] gives them.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Output {
    /// Send a packet.
    Transmit(Transmit),
    /// Routes have changed: what to add, replace and withdraw.
    Routes(Vec<RouteChange>),
    /// Something that an operator may want to know.
    Notification(Notification),
}

/// A packet to send: protocol 89, precedence internetwork control (RFC 2328 section A.1).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Transmit {
    /// Where it leaves. On a virtual link it is routed like any other datagram.
    pub interface: InterfaceId,
    /// The interface's own address.
    pub source: Ipv4Addr,
    /// AllSPFRouters or a neighbor.
    pub destination: Ipv4Addr,
    /// Time to live: 1, or 255 with TTL security (RFC 5082 section 3) and on virtual links.
    pub ttl: u8,
    /// The payload of the IP datagram.
    #[serde(serialize_with = "crate::record::text::hex::serialize")]
    pub payload: Vec<u8>,
}

/// Events with the names and contents of RFC 9129 section 2.9, and the change of role.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", rename_all_fields = "kebab-case")]
pub enum Notification {
    /// `if-state-change`.
    InterfaceStateChange {
        /// Which one.
        interface: InterfaceId,
        /// Its configured name.
        name: String,
        /// Its state now.
        state: InterfaceState,
    },
    /// `nbr-state-change`.
    NeighborStateChange {
        /// Where it was heard.
        interface: InterfaceId,
        /// Its router id.
        router_id: RouterId,
        /// Its address on the link.
        address: Ipv4Addr,
        /// Its state now.
        state: NeighborState,
    },
    /// BFD has found that packets to and from a neighbor do not pass (RFC 5882 section 4.2): it is down. The change of its state
    /// follows.
    NeighborBfdDown {
        /// Where it was heard.
        interface: InterfaceId,
        /// Its router id.
        router_id: RouterId,
        /// Its address on the link.
        address: Ipv4Addr,
    },
    /// `nbr-restart-helper-status-change`: a neighbor restarts and is helped (RFC 3623), or is not helped any more.
    NeighborRestartHelperStatusChange {
        /// Where it was heard.
        interface: InterfaceId,
        /// Its router id.
        router_id: RouterId,
        /// Its address on the link.
        address: Ipv4Addr,
        /// Seconds for which it is helped at most; `None`: no more.
        age: Option<u64>,
        /// How it has ended, if it has.
        exit_reason: RestartExitReason,
    },
    /// `if-config-error`: a packet shows that two ends are configured differently. While that goes on it is told again
    /// every 10 s at most.
    InterfaceConfigError {
        /// Where it came in.
        interface: InterfaceId,
        /// Who sent it.
        source: Ipv4Addr,
        /// The type of the packet, 1 to 5.
        packet_type: u8,
        /// What does not agree, with both values: see [`Refusal::mismatch`].
        #[serde(serialize_with = "crate::record::text::refusal")]
        error: Refusal,
    },
    /// `if-rx-bad-packet`: a packet that cannot be parsed.
    InterfaceRxBadPacket {
        /// Where it came in.
        interface: InterfaceId,
        /// Who sent it.
        source: Ipv4Addr,
        /// What is wrong with it.
        #[serde(serialize_with = "crate::record::text::refusal")]
        error: Refusal,
    },
    /// The last key of an interface has expired: it goes on to sign and to be believed (RFC 5709 section 3.2) until another
    /// one is valid.
    KeyExpired {
        /// Whose keys.
        interface: InterfaceId,
        /// The number of the key.
        key_id: u32,
    },
    /// So many packets were sent that the boot count in their sequence numbers has risen (RFC 7474 section 2): the next life must
    /// begin above it.
    BootCount {
        /// The boot count now.
        boot_count: u32,
    },
    /// This router has become an area border router, or is none any more.
    RoleChange {
        /// Whether it is one now.
        area_border_router: bool,
    },
}
