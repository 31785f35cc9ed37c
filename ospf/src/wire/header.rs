//! The common header of 24 bytes (RFC 2328 section A.3.1) and the packet checksum.

use crate::types::{AreaId, RouterId};

use super::HEADER_LEN;
use super::checksum::internet;
use super::error::{DecodeError, Part};
use super::reader::Reader;
use super::writer::Writer;

/// The version that this engine speaks.
pub const VERSION: u8 = 2;

/// Authentication types (RFC 2328 section D).
pub mod auth_type {
    /// Null authentication.
    pub const NULL: u16 = 0;
    /// Simple password.
    pub const SIMPLE: u16 = 1;
    /// Cryptographic authentication.
    pub const CRYPTOGRAPHIC: u16 = 2;
    /// Cryptographic authentication with extended sequence numbers (RFC 7474).
    pub const EXTENDED: u16 = 3;
}

/// The fields of the common 24-byte header that are not implied by the body (section A.3.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// Who sent it.
    pub router_id: RouterId,
    /// The area that it belongs to.
    pub area_id: AreaId,
}

/// The authentication fields of the common header, not verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AuthInfo {
    /// AuType; see [`auth_type`].
    pub auth_type: u16,
    /// The 8 bytes whose meaning depends on the type.
    pub data: [u8; 8],
}

/// What a packet is about: the type field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum PacketType {
    Hello = 1,
    DatabaseDescription = 2,
    LinkStateRequest = 3,
    LinkStateUpdate = 4,
    LinkStateAck = 5,
}

impl PacketType {
    fn from_wire(value: u8) -> Result<Self, DecodeError> {
        Ok(match value {
            1 => Self::Hello,
            2 => Self::DatabaseDescription,
            3 => Self::LinkStateRequest,
            4 => Self::LinkStateUpdate,
            5 => Self::LinkStateAck,
            found => return Err(DecodeError::PacketType { found }),
        })
    }

    /// Its name in errors.
    pub(super) fn part(self) -> Part {
        match self {
            Self::Hello => Part::Hello,
            Self::DatabaseDescription => Part::DatabaseDescription,
            Self::LinkStateRequest => Part::LinkStateRequest,
            Self::LinkStateUpdate => Part::LinkStateUpdate,
            Self::LinkStateAck => Part::LinkStateAck,
        }
    }
}

/// A packet whose header was read: framed, its checksum verified where there is one, and neither authenticated nor
/// decoded.
#[derive(Clone, Debug)]
pub struct Frame<'a> {
    /// Who sent it, and the area that it belongs to.
    pub header: Header,
    /// How it says to be authenticated.
    pub auth: AuthInfo,
    pub(super) packet_type: PacketType,
    /// The bytes that the length field covers.
    pub(super) packet: &'a [u8],
    /// The bytes after them: a cryptographic digest, link-local signalling.
    pub(super) trailer: &'a [u8],
}

/// Offset of the checksum in the header.
pub(super) const CHECKSUM_AT: usize = 12;
/// Offset of the authentication type.
pub(super) const AUTH_TYPE_AT: usize = 14;
/// The 8 bytes of authentication data, which the checksum leaves out.
pub(super) const AUTH_DATA_AT: usize = 16;

impl<'a> Frame<'a> {
    /// Reads the header: the packet checks of section 8.2 that need nothing but the packet.
    ///
    /// # Errors
    ///
    /// What is wrong with the header or the checksum.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes, Part::Header);
        let version = reader.u8()?;
        let packet_type = reader.u8()?;
        let length = reader.u16()?;
        let router_id = RouterId(reader.ipv4()?);
        let area_id = AreaId(reader.ipv4()?);
        let checksum = reader.u16()?;
        let auth = AuthInfo { auth_type: reader.u16()?, data: reader.array()? };

        // Section 8.2, in its order: version, then the checksum, which needs the length.
        if version != VERSION {
            return Err(DecodeError::Version { found: version });
        }
        if usize::from(length) < HEADER_LEN {
            return Err(DecodeError::PacketLengthTooSmall { found: length });
        }
        let Some((packet, trailer)) = bytes.split_at_checked(usize::from(length)) else {
            return Err(DecodeError::PacketLengthTooLarge { found: length, received: bytes.len() });
        };
        // Section D.4.3 (1): with cryptographic authentication the checksum is not computed. Types
        // that this code does not know are the authentication check's business, not the checksum's.
        if matches!(auth.auth_type, auth_type::NULL | auth_type::SIMPLE) {
            verify_checksum(packet, checksum)?;
        }
        let packet_type = PacketType::from_wire(packet_type)?;
        Ok(Self { header: Header { router_id, area_id }, auth, packet_type, packet, trailer })
    }

    /// The packet type's number, 1 to 5.
    pub fn type_number(&self) -> u8 {
        self.packet_type as u8
    }

    /// The bytes after the header.
    pub(super) fn body(&self) -> &'a [u8] {
        &self.packet[HEADER_LEN..]
    }
}

fn verify_checksum(packet: &[u8], found: u16) -> Result<(), DecodeError> {
    let expected = packet_checksum(packet);
    // 0x0000 and 0xffff are the same number in one's complement.
    if found == expected || (found == 0xffff && expected == 0) {
        return Ok(());
    }
    Err(DecodeError::PacketChecksum { found, expected })
}

/// The packet's checksum, computed without the checksum field and the authentication data.
fn packet_checksum(packet: &[u8]) -> u16 {
    internet(&[&packet[..CHECKSUM_AT], &packet[CHECKSUM_AT + 2..AUTH_DATA_AT], &packet[HEADER_LEN..]])
}

/// Appends a header with null authentication and a zero checksum.
pub(super) fn write(writer: &mut Writer, header: &Header, packet_type: PacketType, length: usize) {
    writer.u8(VERSION);
    writer.u8(packet_type as u8);
    writer.u16(u16::try_from(length).unwrap_or(u16::MAX));
    writer.ipv4(header.router_id.0);
    writer.ipv4(header.area_id.0);
    writer.u16(0);
    writer.u16(auth_type::NULL);
    writer.slice(&[0; 8]);
}

/// Computes the checksum of a whole packet and puts it in its place.
pub(super) fn fill_checksum(packet: &mut [u8]) {
    let checksum = packet_checksum(packet);
    packet[CHECKSUM_AT..CHECKSUM_AT + 2].copy_from_slice(&checksum.to_be_bytes());
}
