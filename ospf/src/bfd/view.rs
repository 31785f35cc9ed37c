//! Snapshots of sessions for management, with the leaf names of RFC 9127 and RFC 9314 (`ietf-bfd-types`,
//! `ietf-bfd-ip-sh`, `iana-bfd-types`).

use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

use crate::view::yang_enum;

yang_enum! {
    /// State of a session (RFC 5880 section 4.1; `state`).
    pub enum SessionState {
        /// An operator holds it down.
        AdminDown = 0 "adminDown",
        /// Nothing heard, or no more.
        Down = 1 "down",
        /// The peer is heard, but it does not say that it hears us.
        Init = 2 "init",
        /// Packets pass both ways.
        Up = 3 "up",
    }
}

yang_enum! {
    /// Why a session left state Up last (RFC 5880 section 4.1; `diagnostic`).
    pub enum Diagnostic {
        /// It has not.
        None = 0 "none",
        /// The detection time has passed without a packet.
        ControlExpiry = 1 "controlExpiry",
        /// Echo packets do not come back.
        EchoFailed = 2 "echoFailed",
        /// The peer said that it is down.
        NeighborDown = 3 "neighborDown",
        /// The forwarding plane was reset.
        ForwardingReset = 4 "forwardingReset",
        /// The path is down.
        PathDown = 5 "pathDown",
        /// A path that this one is a part of is down.
        ConcatenatedPathDown = 6 "concatenatedPathDown",
        /// An operator took it down.
        AdminDown = 7 "adminDown",
        /// The same as `ConcatenatedPathDown` in the other direction.
        ReverseConcatenatedPathDown = 8 "reverseConcatenatedPathDown",
        /// A number that RFC 5880 reserves.
        Reserved = 31 "reserved",
    }
}

impl SessionState {
    /// The state with a number; of a larger one the lowest two bits count.
    pub(super) fn of(number: u8) -> Self {
        match number & 3 {
            0 => Self::AdminDown,
            1 => Self::Down,
            2 => Self::Init,
            _ => Self::Up,
        }
    }
}

impl Diagnostic {
    /// The diagnostic code with a number.
    pub(super) fn of(number: u8) -> Self {
        Self::ALL.iter().copied().find(|code| code.number() == number).unwrap_or(Self::Reserved)
    }
}

/// A session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub struct SessionView {
    /// Name of the interface.
    pub interface: String,
    /// The peer's address.
    pub dest_addr: Ipv4Addr,
    /// Our address.
    pub source_addr: Ipv4Addr,
    /// The UDP port that our packets come from.
    pub source_port: u16,
    /// Our name of the session.
    pub local_discriminator: u32,
    /// The peer's; absent while it is not known.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub remote_discriminator: Option<u32>,
    /// DetectMult of ours.
    pub local_multiplier: u8,
    /// DetectMult of the peer; absent while it is not known.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub remote_multiplier: Option<u8>,
    /// Our state.
    pub local_state: SessionState,
    /// The peer's, as it said last.
    pub remote_state: SessionState,
    /// Why the session left state Up last.
    pub local_diagnostic: Diagnostic,
    /// The same as the peer says it.
    pub remote_diagnostic: Diagnostic,
    /// Whether the peer has asked for Demand mode.
    pub remote_demand: bool,
    /// The interval at which we send, before jitter, in microseconds; absent if the peer wants no periodic packets.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub negotiated_tx_interval: Option<u32>,
    /// The interval at which the peer sends, before jitter, in microseconds.
    pub negotiated_rx_interval: u32,
    /// After how long without a packet the session is down, in microseconds; absent while nothing was heard.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub detection_time: Option<u64>,
    /// Seconds since the state changed last.
    pub state_age: u64,
    /// Counters.
    pub session_statistics: SessionStatisticsView,
}

/// Counters of a session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub struct SessionStatisticsView {
    /// How often it went from Up to Down.
    pub down_count: u64,
    /// How often it went administratively down, here or at the peer.
    pub admin_down_count: u64,
    /// Packets taken.
    pub receive_packet_count: u64,
    /// Packets sent.
    pub send_packet_count: u64,
    /// Packets of the peer that were discarded.
    pub receive_invalid_packet_count: u64,
}
