//! Why a packet, or something in it, changes nothing. The labels are metric labels: one word for each reason, counted
//! per interface, and nothing is dropped without one.
//!
//! Some reasons are part of a healthy network: what RFC 2328 says to pass over without a word, since two routers start
//! at different times and packets cross. They are counted apart, as ignored ([`Refusal::is_normal`]).

use crate::wire::DecodeError;

/// A reason for which a received packet or advertisement changes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The bytes are not a packet (RFC 2328 appendix A), or its checksum is wrong (section D.4).
    #[error("malformed packet: {}", .0.reason())]
    Malformed(DecodeError),
    /// It carries authentication and the interface has none configured (section 8.2).
    #[error("the packet's authentication type is not the interface's")]
    AuthenticationMismatch,
    /// The interface is down.
    #[error("the interface is down")]
    InterfaceDown,
    /// The interface is passive.
    #[error("the interface is passive")]
    InterfacePassive,
    /// The area id is not the interface's (section 8.2).
    #[error("the packet's area is not the interface's")]
    AreaMismatch,
    /// It carries our own router id: a loop, or two routers with one id (section 8.2).
    #[error("the packet carries our own router id")]
    DuplicateRouterId,
    /// The router id is 0.0.0.0.
    #[error("the router id is zero")]
    ZeroRouterId,
    /// Its IP source is our own address (section 8.2).
    #[error("the source is our own address")]
    OwnAddress,
    /// Its IP source is not in the network of the interface (section 8.2).
    #[error("the source is not in the interface's network")]
    ForeignSource,
    /// Its IP destination is neither AllSPFRouters nor our address (section 8.2).
    #[error("the destination is neither AllSPFRouters nor this interface")]
    WrongDestination,
    /// The network mask differs, and many routers share the network (section 10.5).
    #[error("the network mask differs")]
    NetworkMaskMismatch,
    /// HelloInterval differs (section 10.5).
    #[error("HelloInterval differs")]
    HelloIntervalMismatch,
    /// RouterDeadInterval differs (section 10.5).
    #[error("RouterDeadInterval differs")]
    DeadIntervalMismatch,
    /// The options do not fit the type of the area (section 10.5).
    #[error("the options do not fit the area's type")]
    OptionsMismatch,
    /// Not a hello, and from nobody whom we have heard a hello from (section 8.2).
    #[error("not from a neighbor")]
    UnknownNeighbor,
    /// The neighbor is not far enough for this type of packet (sections 10.6, 10.7, 13, 13.7).
    #[error("the neighbor's state does not take this type of packet")]
    NeighborState,
    /// The neighbor's MTU is larger than ours (section 10.6).
    #[error("the neighbor's interface MTU is larger than ours")]
    MtuMismatch,
    /// A database description packet that does not settle who is master: mostly the slave's own claim, which the
    /// master passes over (section 10.6, ExStart).
    #[error("database description packet that settles nothing")]
    DdNegotiation,
    /// A database description packet out of sequence (section 10.6).
    #[error("database description packet out of sequence")]
    DdSequence,
    /// A database description packet that repeats the last one (section 10.6).
    #[error("duplicate database description packet")]
    DdDuplicate,
    /// A request for an advertisement that we do not have (section 10.7).
    #[error("request for an unknown advertisement")]
    BadRequest,
    /// An update with an older instance than the one that its sender had described (section 13 step 6).
    #[error("update with an older instance than described")]
    BadUpdate,
    /// An advertisement whose Fletcher checksum is wrong (section 13 step 1).
    #[error("the advertisement's checksum is wrong")]
    LsaChecksum,
    /// An advertisement of a type that we do not know (section 13 step 2).
    #[error("the advertisement's type is unknown")]
    LsaUnknownType,
    /// An advertisement whose body cannot be read: it is stored and flooded, but is no input of routes.
    #[error("the advertisement's body cannot be read")]
    LsaMalformed,
    /// A newer instance before MinLSArrival is over (section 13 step 5a).
    #[error("newer instance before MinLSArrival")]
    LsaTooSoon,
    /// An older instance than ours (section 13 step 8).
    #[error("older instance than the database's")]
    LsaOlder,
    /// An acknowledgment of another instance than the one that was sent last (section 13.7): they have crossed.
    #[error("acknowledgment of another instance")]
    BadAck,
}

impl Refusal {
    /// The metric label.
    pub fn label(self) -> &'static str {
        match self {
            Self::Malformed(error) => error.reason(),
            Self::AuthenticationMismatch => "authentication_mismatch",
            Self::InterfaceDown => "interface_down",
            Self::InterfacePassive => "interface_passive",
            Self::AreaMismatch => "area_mismatch",
            Self::DuplicateRouterId => "duplicate_router_id",
            Self::ZeroRouterId => "zero_router_id",
            Self::OwnAddress => "own_address",
            Self::ForeignSource => "foreign_source",
            Self::WrongDestination => "wrong_destination",
            Self::NetworkMaskMismatch => "network_mask_mismatch",
            Self::HelloIntervalMismatch => "hello_interval_mismatch",
            Self::DeadIntervalMismatch => "dead_interval_mismatch",
            Self::OptionsMismatch => "options_mismatch",
            Self::UnknownNeighbor => "unknown_neighbor",
            Self::NeighborState => "neighbor_state",
            Self::MtuMismatch => "mtu_mismatch",
            Self::DdNegotiation => "dd_negotiation",
            Self::DdSequence => "dd_sequence",
            Self::DdDuplicate => "dd_duplicate",
            Self::BadRequest => "bad_request",
            Self::BadUpdate => "bad_update",
            Self::LsaChecksum => "lsa_checksum",
            Self::LsaUnknownType => "lsa_unknown_type",
            Self::LsaMalformed => "lsa_malformed",
            Self::LsaTooSoon => "lsa_too_soon",
            Self::LsaOlder => "lsa_older",
            Self::BadAck => "bad_ack",
        }
    }

    /// Whether it is part of a healthy network, and counted as ignored instead of bad.
    pub fn is_normal(self) -> bool {
        matches!(
            self,
            Self::InterfaceDown
                | Self::InterfacePassive
                | Self::UnknownNeighbor
                | Self::NeighborState
                | Self::DdNegotiation
                | Self::DdDuplicate
                | Self::LsaMalformed
                | Self::LsaTooSoon
                | Self::LsaOlder
                | Self::BadAck
        )
    }

    /// Whether two ends are configured differently, which RFC 9129 reports as `if-config-error`.
    pub(crate) fn is_configuration(self) -> bool {
        matches!(
            self,
            Self::AuthenticationMismatch
                | Self::AreaMismatch
                | Self::DuplicateRouterId
                | Self::ForeignSource
                | Self::NetworkMaskMismatch
                | Self::HelloIntervalMismatch
                | Self::DeadIntervalMismatch
                | Self::OptionsMismatch
                | Self::MtuMismatch
        )
    }
}
