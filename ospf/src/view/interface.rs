//! Interfaces and their packet counters.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};

use crate::types::{AreaId, Instant, InterfaceId, RouterId};

use super::yang_enum;

yang_enum! {
    /// State of an interface (RFC 2328 section 9.1; `if-state-type`, ospfIfState).
    pub enum InterfaceState {
        /// The lower layer says that it cannot be used.
        Down = 1 "down",
        /// Looped back; announced as a host.
        Loopback = 2 "loopback",
        /// Learning who the designated router is.
        Waiting = 3 "waiting",
        /// In use, on a network without a designated router.
        PointToPoint = 4 "point-to-point",
        /// The designated router.
        Dr = 5 "dr",
        /// The backup designated router.
        Bdr = 6 "bdr",
        /// Neither of both.
        DrOther = 7 "dr-other",
    }
}

yang_enum! {
    /// Type of the network of an interface (`interface-type`, ospfIfType).
    pub enum InterfaceTypeView {
        /// Many routers, with multicast.
        Broadcast = 1 "broadcast",
        /// Many routers, without multicast.
        NonBroadcast = 2 "non-broadcast",
        /// Two routers.
        PointToPoint = 3 "point-to-point",
        /// Many routers, each pair its own link.
        PointToMultipoint = 5 "point-to-multipoint",
        /// Broadcast for flooding, point-to-multipoint for routes (RFC 6845).
        Hybrid = 6 "hybrid",
        /// Another border router behind an area: the backbone is joined through it.
        VirtualLink = 7 "virtual-link",
    }
}

/// An interface.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub struct InterfaceView {
    /// Its name in the router.
    pub name: String,
    /// Its number in the engine; link data of an unnumbered link.
    pub interface_id: InterfaceId,
    /// The area of its network.
    pub area_id: AreaId,
    /// The type of its network.
    pub interface_type: InterfaceTypeView,
    /// The area that a virtual link leads through; absent on other interfaces.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub transit_area_id: Option<AreaId>,
    /// The router that a virtual link leads to; absent on other interfaces.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub virtual_router_id: Option<RouterId>,
    /// State of its state machine.
    pub state: InterfaceState,
    /// Address and prefix length. Of a virtual link: where its path begins, 0.0.0.0/0 without one.
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    pub address: Ipv4Net,
    /// Whether the link is announced without a prefix.
    pub unnumbered: bool,
    /// Largest IP datagram in bytes.
    pub mtu: u16,
    /// Whether the neighbor's MTU is not checked.
    pub mtu_ignore: bool,
    /// Announced, but without hellos.
    pub passive: bool,
    /// Router priority.
    pub priority: u8,
    /// Output cost.
    pub cost: u16,
    /// Seconds between hellos.
    pub hello_interval: u32,
    /// Seconds without a hello after which a neighbor is down.
    pub dead_interval: u32,
    /// Seconds between retransmissions.
    pub retransmit_interval: u32,
    /// Seconds by which advertisements age when sent here.
    pub transmit_delay: u16,
    /// Seconds to the next hello; absent if none is due.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub hello_timer: Option<u32>,
    /// The designated router; absent where there is none.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub dr_router_id: Option<RouterId>,
    /// The designated router's address; absent where there is none.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub dr_ip_addr: Option<Ipv4Addr>,
    /// The backup designated router; absent where there is none.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub bdr_router_id: Option<RouterId>,
    /// The backup designated router's address; absent where there is none.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub bdr_ip_addr: Option<Ipv4Addr>,
    /// Seconds to the end of waiting for a designated router to be heard of; absent outside that state.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub wait_timer: Option<u32>,
    /// What routers on the network are configured differently, by what was heard of them last.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub mismatches: Vec<MismatchView>,
    /// Neighbors in any state.
    pub neighbor_count: u32,
    /// Neighbors in state full.
    pub adjacency_count: u32,
    /// Hops that packets may come over with TTL security (`ttl-security` of RFC 9129); absent without it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub ttl_security_hops: Option<u8>,
    /// How its packets are authenticated.
    #[serde(default)]
    pub authentication: AuthenticationView,
    /// Counters.
    pub statistics: InterfaceStatisticsView,
}

/// How an interface's packets are authenticated, without any secret (`authentication` of RFC 9129).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub struct AuthenticationView {
    /// `none`, `simple`, `cryptographic` (RFC 2328, RFC 5709) or `extended` (RFC 7474).
    pub auth_type: String,
    /// The keys of cryptographic authentication, in the order of the configuration.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub keys: Vec<AuthenticationKeyView>,
}

/// A key of cryptographic authentication (RFC 8177).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub struct AuthenticationKeyView {
    /// Its number.
    pub key_id: u32,
    /// How it signs.
    pub crypto_algorithm: String,
    /// Whether it signs what is sent now.
    pub sending: bool,
    /// Whether what it has signed is accepted now.
    pub accepted: bool,
    /// Whether its lifetime for sending is over. The last key goes on nevertheless (RFC 5709 section 3.2).
    pub expired: bool,
}

/// Another router on the network is configured differently than this one, so that its packets are refused. Gone when
/// it is heard without that difference.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub struct MismatchView {
    /// The source of its packets.
    pub packet_source: Ipv4Addr,
    /// What differs, as `error` of the notification `if-config-error` spells it: `hello-interval-mismatch` and such.
    pub error: String,
    /// The value here.
    pub own: String,
    /// The value there.
    pub theirs: String,
    /// Packets that have shown it.
    pub count: u64,
    /// When the last of them came, in microseconds of the engine's time.
    pub last: Instant,
}

/// Counters of an interface.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub struct InterfaceStatisticsView {
    /// Changes of state and errors.
    pub if_event_count: u64,
    /// Advertisements sent again because no acknowledgment came.
    pub retransmission_count: u64,
    /// Packets by type.
    pub packets: PacketCountersView,
    /// Packets refused, by reason: something is wrong with them or with the configuration of an end. Reasons are
    /// `DecodeError::reason()` and those of the engine's checks.
    pub bad_packets: BTreeMap<String, u64>,
    /// What was passed over, by reason: part of a healthy network, such as duplicates and packets that have crossed.
    #[serde(default)]
    pub ignored_packets: BTreeMap<String, u64>,
}

/// Packets by direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub struct PacketCountersView {
    /// Received and accepted.
    #[serde(rename = "in")]
    pub received: PacketTypeCountersView,
    /// Sent.
    #[serde(rename = "out")]
    pub sent: PacketTypeCountersView,
}

/// Packets by type.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub struct PacketTypeCountersView {
    /// Type 1.
    pub hello: u64,
    /// Type 2.
    pub database_description: u64,
    /// Type 3.
    pub link_state_request: u64,
    /// Type 4.
    pub link_state_update: u64,
    /// Type 5.
    pub link_state_ack: u64,
}

impl PacketTypeCountersView {
    /// Counts a packet by its type's number; other numbers than 1 to 5 are ignored.
    pub fn count(&mut self, type_number: u8) {
        match type_number {
            1 => self.hello += 1,
            2 => self.database_description += 1,
            3 => self.link_state_request += 1,
            4 => self.link_state_update += 1,
            5 => self.link_state_ack += 1,
            _ => {}
        }
    }

    /// All types together.
    pub fn total(&self) -> u64 {
        self.by_type().iter().map(|(_, count)| count).sum()
    }

    /// Each type's name and count.
    pub fn by_type(&self) -> [(&'static str, u64); 5] {
        [
            ("hello", self.hello),
            ("database-description", self.database_description),
            ("link-state-request", self.link_state_request),
            ("link-state-update", self.link_state_update),
            ("link-state-ack", self.link_state_ack),
        ]
    }
}
