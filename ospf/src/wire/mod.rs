//! Packets and link state advertisements (RFC 2328 appendix A), decoded into types that cannot
//! express nonsense and encoded back to the same bytes.
//!
//! Decoding never panics and never allocates more than the input's length warrants. Unknown link state
//! types keep their bytes. Checksums are verified here: the packet's (section D.4), and each
//! advertisement's Fletcher checksum (section 12.1.7) on request.
//!
//! ```text
//!  bytes ──► Frame::decode ──► Packet::from_frame       Packet::encode_sealed ──► bytes
//!                                  │ LinkStateUpdate
//!                                  └─► Lsa { header, bytes } ── checksum_is_valid(), body() ──► LsaBody
//! ```
//!
//! An advertisement inside an update is only framed, by its length field; one with a bad checksum or a
//! malformed body costs that advertisement and not its neighbors in the packet (section 13 step 1).

mod auth;
pub mod checksum;
mod dd;
mod error;
mod header;
mod hello;
mod lsa;
mod lsack;
mod lsr;
mod lsu;
mod reader;
mod writer;

pub use auth::{Algorithm, Cryptographic, Extended, MD5_LEN, Seal};
pub use dd::{DatabaseDescription, DdFlags};
pub use error::{DecodeError, Part};
pub use header::{AuthInfo, Frame, Header, VERSION, auth_type};
pub use hello::Hello;
pub use lsa::opaque;
pub use lsa::{
    AsExternalLsa, LinkType, LsType, Lsa, LsaBody, LsaHeader, LsaKey, NetworkLsa, RouterFlags, RouterLink,
    RouterLsa, SummaryLsa,
};

use std::net::Ipv4Addr;

pub(crate) use header::PacketType;
use reader::Reader;
use writer::Writer;

/// AllSPFRouters.
pub const ALL_SPF_ROUTERS: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 5);
/// AllDRouters.
pub const ALL_D_ROUTERS: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 6);

/// Length of the common header in bytes (section A.3.1).
pub const HEADER_LEN: usize = 24;
/// Length of a hello before its neighbors, without the common header (section A.3.2).
pub const HELLO_FIXED_LEN: usize = 20;
/// Length of a database description before its headers, without the common header (section A.3.3).
pub const DD_FIXED_LEN: usize = 8;
/// Length of one request of a link state request (section A.3.4).
pub const REQUEST_LEN: usize = 12;
/// Length of a link state update before its advertisements, without the common header (section A.3.5).
pub const LSU_FIXED_LEN: usize = 4;
/// Length of the header of an advertisement (section A.4.1).
pub const LSA_HEADER_LEN: usize = 20;

bitflags::bitflags! {
    /// Optional capabilities (RFC 2328 section A.2).
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
    pub struct Options: u8 {
        /// The area takes AS-external advertisements.
        const E = 0x02;
        /// Multicast forwarding (unused today).
        const MC = 0x04;
        /// In hellos: the area is not so stubby (N). In a type 7 advertisement: it is to be translated (P). RFC 3101 appendix A.
        const NP = 0x08;
        /// Link-local signalling (RFC 5613).
        const L = 0x10;
        /// Demand circuits (RFC 1793).
        const DC = 0x20;
        /// Opaque advertisements (RFC 5250).
        const O = 0x40;
        /// Down bit (RFC 4576).
        const DN = 0x80;
        const _ = !0;
    }
}

/// A decoded packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    /// Sender and area.
    pub header: Header,
    /// What it says.
    pub body: PacketBody,
}

/// The five packet types.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PacketBody {
    /// Type 1.
    Hello(Hello),
    /// Type 2.
    DatabaseDescription(DatabaseDescription),
    /// Type 3.
    LinkStateRequest(Vec<LsaKey>),
    /// Type 4: each advertisement with its bytes.
    LinkStateUpdate(Vec<Lsa>),
    /// Type 5.
    LinkStateAck(Vec<LsaHeader>),
}

impl Packet {
    /// Decodes the payload of an IP datagram of protocol 89: the packet checks of section 8.2 that need
    /// nothing but the packet, then the body.
    ///
    /// Bytes after the header's length field are tolerated: a cryptographic digest (section D.4.3) and
    /// link-local signalling (RFC 5613) live there. The authentication fields come back unverified; with
    /// cryptographic authentication the packet checksum is not defined and is not looked at.
    pub fn decode(bytes: &[u8]) -> Result<(Self, AuthInfo), DecodeError> {
        let frame = Frame::decode(bytes)?;
        Ok((Self::from_frame(&frame)?, frame.auth))
    }

    /// Decodes the body of a packet whose header was read, and which its receiver may have authenticated by it.
    ///
    /// # Errors
    ///
    /// What is wrong with the body.
    pub fn from_frame(frame: &Frame<'_>) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(frame.body(), frame.packet_type.part());
        let body = match frame.packet_type {
            PacketType::Hello => PacketBody::Hello(Hello::read(&mut reader)?),
            PacketType::DatabaseDescription => {
                PacketBody::DatabaseDescription(DatabaseDescription::read(&mut reader)?)
            }
            PacketType::LinkStateRequest => PacketBody::LinkStateRequest(lsr::read(&mut reader)?),
            PacketType::LinkStateUpdate => PacketBody::LinkStateUpdate(lsu::read(&mut reader)?),
            PacketType::LinkStateAck => PacketBody::LinkStateAck(lsack::read(&mut reader)?),
        };
        reader.finish()?;
        Ok(Self { header: frame.header.clone(), body })
    }

    /// The packet's bytes with null authentication and the checksum filled in.
    ///
    /// The caller packs to the interface's MTU (see [`Packet::encoded_len`]); a packet longer than the
    /// 65,535 bytes that the length field can express would carry that maximum there.
    pub fn encode(&self) -> Vec<u8> {
        self.encode_sealed(&Seal::Null)
    }

    /// The packet's bytes with its authentication, and with what follows the packet on account of it.
    pub fn encode_sealed(&self, seal: &Seal<'_>) -> Vec<u8> {
        let mut writer = Writer::with_capacity(self.encoded_len() + seal.trailer_len());
        header::write(&mut writer, &self.header, self.packet_type(), self.encoded_len());
        match &self.body {
            PacketBody::Hello(hello) => hello.write(&mut writer),
            PacketBody::DatabaseDescription(dd) => dd.write(&mut writer),
            PacketBody::LinkStateRequest(keys) => lsr::write(keys, &mut writer),
            PacketBody::LinkStateUpdate(lsas) => lsu::write(lsas, &mut writer),
            PacketBody::LinkStateAck(headers) => lsack::write(headers, &mut writer),
        }
        let mut bytes = writer.into_bytes();
        seal.apply(&mut bytes);
        bytes
    }

    /// Length of [`Packet::encode`]'s result in bytes, the common header included.
    pub fn encoded_len(&self) -> usize {
        HEADER_LEN
            + match &self.body {
                PacketBody::Hello(hello) => hello.encoded_len(),
                PacketBody::DatabaseDescription(dd) => dd.encoded_len(),
                PacketBody::LinkStateRequest(keys) => keys.len() * REQUEST_LEN,
                PacketBody::LinkStateUpdate(lsas) => {
                    LSU_FIXED_LEN + lsas.iter().map(Lsa::encoded_len).sum::<usize>()
                }
                PacketBody::LinkStateAck(headers) => headers.len() * LSA_HEADER_LEN,
            }
    }

    /// The packet type's number on the wire, 1 to 5.
    pub fn type_number(&self) -> u8 {
        self.packet_type() as u8
    }

    fn packet_type(&self) -> PacketType {
        match &self.body {
            PacketBody::Hello(_) => PacketType::Hello,
            PacketBody::DatabaseDescription(_) => PacketType::DatabaseDescription,
            PacketBody::LinkStateRequest(_) => PacketType::LinkStateRequest,
            PacketBody::LinkStateUpdate(_) => PacketType::LinkStateUpdate,
            PacketBody::LinkStateAck(_) => PacketType::LinkStateAck,
        }
    }
}
