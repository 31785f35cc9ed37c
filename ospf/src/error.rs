//! Why a packet, or something in it, changes nothing. The labels are metric labels: one word for each reason, counted
//! per interface, and nothing is dropped without one.
//!
//! Some reasons are part of a healthy network: what RFC 2328 says to pass over without a word, since two routers start
//! at different times and packets cross. They are counted apart, as ignored ([`Refusal::is_normal`]).

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

use crate::types::{AreaId, RouterId};
use crate::wire::{DecodeError, Options};

/// A reason for which a received packet or advertisement changes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The bytes are not a packet (RFC 2328 appendix A), or its checksum is wrong (section D.4).
    #[error("malformed packet: {}", .0.reason())]
    Malformed(DecodeError),
    /// Its authentication type is not the interface's (section D.5).
    #[error("the authentication type differs: {own} here, {theirs} there")]
    AuthenticationTypeMismatch {
        /// AuType of the interface.
        own: u16,
        /// AuType of the packet.
        theirs: u16,
    },
    /// It was signed with a key that the interface does not have (section D.5.3).
    #[error("signed with an unknown key: key id {theirs} there, {own} here")]
    AuthenticationKeyUnknown {
        /// Id of the key that signs here.
        own: u32,
        /// Id of the key that has signed the packet.
        theirs: u32,
    },
    /// It was signed with a key whose lifetime has not begun here, or is over (RFC 5709 section 3.2).
    #[error("signed with a key that is not valid now: key id {theirs} there, {own} here")]
    AuthenticationKeyLifetime {
        /// Id of the key that signs here.
        own: u32,
        /// Id of the key that has signed the packet.
        theirs: u32,
    },
    /// The password is another, or the digest is not what the key makes of the packet (section D.5).
    #[error("authentication has failed: another password or key")]
    AuthenticationFailure,
    /// Its cryptographic sequence number is below the neighbor's last: it was recorded and played back, or the
    /// neighbor has restarted with its clock set back (section D.5.3).
    #[error("the cryptographic sequence number is below the last")]
    AuthenticationSequence,
    /// It has come over more hops than TTL security allows (RFC 5082 section 3).
    #[error("the time to live is {found}, and less than {least} is not taken here")]
    TtlTooLow {
        /// The least that is taken.
        least: u8,
        /// That of the packet.
        found: u8,
    },
    /// The interface is down.
    #[error("the interface is down")]
    InterfaceDown,
    /// The interface is passive.
    #[error("the interface is passive")]
    InterfacePassive,
    /// The area id is not the interface's (section 8.2).
    #[error("the area differs: {own} here, {theirs} there")]
    AreaMismatch {
        /// The interface's.
        own: AreaId,
        /// The packet's.
        theirs: AreaId,
    },
    /// It carries our own router id: a loop, or two routers with one id (section 8.2).
    #[error("the packet carries our own router id {router_id}")]
    DuplicateRouterId {
        /// Which.
        router_id: RouterId,
    },
    /// A hello with the router id of a neighbor that is there, from another address of the network: two routers with one
    /// id, or a recorded packet (section 10.5).
    #[error("the router id {router_id} of the neighbor at {address} comes from {source_address} as well")]
    DuplicateNeighborId {
        /// Which.
        router_id: RouterId,
        /// The neighbor's address.
        address: Ipv4Addr,
        /// The packet's source.
        source_address: Ipv4Addr,
    },
    /// The router id is 0.0.0.0.
    #[error("the router id is zero")]
    ZeroRouterId,
    /// Its IP source is our own address (section 8.2).
    #[error("the source is our own address")]
    OwnAddress,
    /// Its IP source is not in the network of the interface (section 8.2).
    #[error("the source {source_address} is not in the interface's network {network}")]
    ForeignSource {
        /// The interface's.
        network: Ipv4Net,
        /// The packet's source.
        source_address: Ipv4Addr,
    },
    /// Its IP destination is neither AllSPFRouters nor our address (section 8.2).
    #[error("the destination is neither AllSPFRouters nor this interface")]
    WrongDestination,
    /// It is for the designated router and its backup, and this router is neither (section 8.2).
    #[error("sent to the designated routers, and this is none")]
    NotDesignated,
    /// The network mask differs, and many routers share the network (section 10.5).
    #[error("the network mask differs: {own} here, {theirs} there")]
    NetworkMaskMismatch {
        /// The interface's.
        own: Ipv4Addr,
        /// The hello's.
        theirs: Ipv4Addr,
    },
    /// HelloInterval differs (section 10.5).
    #[error("HelloInterval differs: {own} s here, {theirs} s there")]
    HelloIntervalMismatch {
        /// Seconds here.
        own: u32,
        /// Seconds there.
        theirs: u32,
    },
    /// RouterDeadInterval differs (section 10.5).
    #[error("RouterDeadInterval differs: {own} s here, {theirs} s there")]
    DeadIntervalMismatch {
        /// Seconds here.
        own: u32,
        /// Seconds there.
        theirs: u32,
    },
    /// The options do not fit the type of the area (section 10.5).
    #[error("the type of the area differs: {} here, {} there", area_type_of(*.own), area_type_of(*.theirs))]
    OptionsMismatch {
        /// What hellos carry here.
        own: Options,
        /// What the hello carries.
        theirs: Options,
    },
    /// A hello of one more router than our hellos can list (section 9.5).
    #[error("more neighbors than a hello can list")]
    TooManyNeighbors,
    /// Not a hello, and from nobody whom we have heard a hello from (section 8.2).
    #[error("not from a neighbor")]
    UnknownNeighbor,
    /// The neighbor is not far enough for this type of packet (sections 10.6, 10.7, 13, 13.7).
    #[error("the neighbor's state does not take this type of packet")]
    NeighborState,
    /// The neighbor's MTU is larger than ours (section 10.6).
    #[error("the interface MTU differs: {own} here, {theirs} there")]
    MtuMismatch {
        /// Bytes here.
        own: u16,
        /// Bytes there.
        theirs: u16,
    },
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
    /// An AS-external advertisement in a stub area (sections 10.6 and 13 step 3).
    #[error("AS-external advertisement in a stub area")]
    LsaExternalInStub,
    /// A type 7 advertisement in an area that is not a not-so-stubby one (RFC 3101 section 2.3).
    #[error("type 7 advertisement outside of a not-so-stubby area")]
    LsaNssaElsewhere,
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
            Self::AuthenticationTypeMismatch { .. } => "authentication_mismatch",
            Self::AuthenticationKeyUnknown { .. } => "authentication_key",
            Self::AuthenticationKeyLifetime { .. } => "authentication_key_lifetime",
            Self::AuthenticationFailure => "authentication_failure",
            Self::AuthenticationSequence => "authentication_sequence",
            Self::TtlTooLow { .. } => "ttl_security",
            Self::InterfaceDown => "interface_down",
            Self::InterfacePassive => "interface_passive",
            Self::AreaMismatch { .. } => "area_mismatch",
            Self::DuplicateRouterId { .. } | Self::DuplicateNeighborId { .. } => "duplicate_router_id",
            Self::ZeroRouterId => "zero_router_id",
            Self::OwnAddress => "own_address",
            Self::ForeignSource { .. } => "foreign_source",
            Self::WrongDestination => "wrong_destination",
            Self::NotDesignated => "not_designated",
            Self::NetworkMaskMismatch { .. } => "network_mask_mismatch",
            Self::HelloIntervalMismatch { .. } => "hello_interval_mismatch",
            Self::DeadIntervalMismatch { .. } => "dead_interval_mismatch",
            Self::OptionsMismatch { .. } => "options_mismatch",
            Self::TooManyNeighbors => "too_many_neighbors",
            Self::UnknownNeighbor => "unknown_neighbor",
            Self::NeighborState => "neighbor_state",
            Self::MtuMismatch { .. } => "mtu_mismatch",
            Self::DdNegotiation => "dd_negotiation",
            Self::DdSequence => "dd_sequence",
            Self::DdDuplicate => "dd_duplicate",
            Self::BadRequest => "bad_request",
            Self::BadUpdate => "bad_update",
            Self::LsaChecksum => "lsa_checksum",
            Self::LsaUnknownType => "lsa_unknown_type",
            Self::LsaExternalInStub => "lsa_external_in_stub",
            Self::LsaNssaElsewhere => "lsa_nssa_elsewhere",
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
                | Self::NotDesignated
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
}

/// What the options of a hello say about the type of the area: normal areas have the E bit, not-so-stubby ones the N
/// bit (section 10.5, RFC 3101 section 2.4).
pub(crate) fn area_type_of(options: Options) -> &'static str {
    match (options.contains(Options::E), options.contains(Options::NP)) {
        (true, false) => "normal (E-bit)",
        (false, false) => "stub (no E-bit)",
        (false, true) => "not-so-stubby (N-bit)",
        (true, true) => "undefined (E-bit and N-bit)",
    }
}
