//! Why bytes are not a packet or an advertisement.

use std::fmt;

/// The piece of a packet in which decoding stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Part {
    /// The common header.
    Header,
    /// Hello.
    Hello,
    /// Database description.
    DatabaseDescription,
    /// Link state request.
    LinkStateRequest,
    /// Link state update, outside its advertisements.
    LinkStateUpdate,
    /// Link state acknowledgment.
    LinkStateAck,
    /// The header of an advertisement.
    LsaHeader,
    /// The body of a router-LSA.
    RouterLsa,
    /// The body of a network-LSA.
    NetworkLsa,
    /// The body of a summary-LSA.
    SummaryLsa,
    /// The body of an AS-external-LSA.
    AsExternalLsa,
    /// The body of an opaque LSA that this engine reads.
    OpaqueLsa,
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Header => "packet header",
            Self::Hello => "hello",
            Self::DatabaseDescription => "database description",
            Self::LinkStateRequest => "link state request",
            Self::LinkStateUpdate => "link state update",
            Self::LinkStateAck => "link state acknowledgment",
            Self::LsaHeader => "LSA header",
            Self::RouterLsa => "router-LSA",
            Self::NetworkLsa => "network-LSA",
            Self::SummaryLsa => "summary-LSA",
            Self::AsExternalLsa => "AS-external-LSA",
            Self::OpaqueLsa => "opaque LSA",
        })
    }
}

/// Why bytes were refused. Every packet so refused is dropped and counted under [`DecodeError::reason`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// A field lies beyond the end.
    #[error("{part} ends early: the next field takes {needed} bytes, {available} are left")]
    Truncated {
        /// Where.
        part: Part,
        /// Bytes that the next field takes.
        needed: usize,
        /// Bytes left.
        available: usize,
    },
    /// Bytes are left that belong to no field.
    #[error("{part} has {count} bytes after its last field")]
    TrailingBytes {
        /// Where.
        part: Part,
        /// How many.
        count: usize,
    },
    /// Not version 2.
    #[error("version {found} instead of 2")]
    Version {
        /// The version field.
        found: u8,
    },
    /// Not a type from 1 to 5.
    #[error("packet type {found} is none of 1 to 5")]
    PacketType {
        /// The type field.
        found: u8,
    },
    /// The length field is below the header's own length.
    #[error("packet length {found} is less than the header's 24 bytes")]
    PacketLengthTooSmall {
        /// The length field.
        found: u16,
    },
    /// The length field says more than was received.
    #[error("packet length {found} exceeds the {received} bytes received")]
    PacketLengthTooLarge {
        /// The length field.
        found: u16,
        /// Bytes received.
        received: usize,
    },
    /// The IP-style checksum does not verify.
    #[error("packet checksum {found:#06x} instead of {expected:#06x}")]
    PacketChecksum {
        /// The checksum field.
        found: u16,
        /// What it should be.
        expected: u16,
    },
    /// A request for a link state type that does not fit a link state type's 8 bits.
    #[error("link state type {found} in a request exceeds 255")]
    RequestLsType {
        /// The type field.
        found: u32,
    },
    /// An advertisement's length field is below its header's own length.
    #[error("LSA length {found} is less than the header's 20 bytes")]
    LsaLengthTooSmall {
        /// The length field.
        found: u16,
    },
    /// An advertisement's length field leads beyond the packet.
    #[error("LSA length {found} exceeds the {available} bytes left in the packet")]
    LsaLengthTooLarge {
        /// The length field.
        found: u16,
        /// Bytes left.
        available: usize,
    },
    /// A router-LSA announces more links than its length can hold.
    #[error("router-LSA announces {announced} links in {available} bytes")]
    RouterLinkCount {
        /// The count field.
        announced: u16,
        /// Bytes left for them.
        available: usize,
    },
    /// A link state update announces more advertisements than its length can hold.
    #[error("link state update announces {announced} advertisements in {available} bytes")]
    UpdateCount {
        /// The count field.
        announced: u32,
        /// Bytes left for them.
        available: usize,
    },
}

impl DecodeError {
    /// A stable label for counters, in snake case.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Truncated { part, .. } => match part {
                Part::Header => "truncated_header",
                Part::Hello => "truncated_hello",
                Part::DatabaseDescription => "truncated_dd",
                Part::LinkStateRequest => "truncated_lsr",
                Part::LinkStateUpdate => "truncated_lsu",
                Part::LinkStateAck => "truncated_lsack",
                Part::LsaHeader => "truncated_lsa_header",
                Part::RouterLsa => "truncated_router_lsa",
                Part::NetworkLsa => "truncated_network_lsa",
                Part::SummaryLsa => "truncated_summary_lsa",
                Part::AsExternalLsa => "truncated_external_lsa",
                Part::OpaqueLsa => "truncated_opaque_lsa",
            },
            Self::TrailingBytes { part, .. } => match part {
                Part::Header => "trailing_header",
                Part::Hello => "trailing_hello",
                Part::DatabaseDescription => "trailing_dd",
                Part::LinkStateRequest => "trailing_lsr",
                Part::LinkStateUpdate => "trailing_lsu",
                Part::LinkStateAck => "trailing_lsack",
                Part::LsaHeader => "trailing_lsa_header",
                // Not refused: bodies are read liberally.
                Part::RouterLsa
                | Part::NetworkLsa
                | Part::SummaryLsa
                | Part::AsExternalLsa
                | Part::OpaqueLsa => "trailing_lsa",
            },
            Self::Version { .. } => "version",
            Self::PacketType { .. } => "packet_type",
            Self::PacketLengthTooSmall { .. } => "packet_length_too_small",
            Self::PacketLengthTooLarge { .. } => "packet_length_too_large",
            Self::PacketChecksum { .. } => "packet_checksum",
            Self::RequestLsType { .. } => "request_ls_type",
            Self::LsaLengthTooSmall { .. } => "lsa_length_too_small",
            Self::LsaLengthTooLarge { .. } => "lsa_length_too_large",
            Self::RouterLinkCount { .. } => "router_link_count",
            Self::UpdateCount { .. } => "lsu_count",
        }
    }
}
