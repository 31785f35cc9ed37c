//! Link state advertisements: header, identity, which of two instances is newer, and the bytes
//! (RFC 2328 sections 12.1, 13.1, A.4).

mod external;
mod network;
pub mod opaque;
mod router;
mod summary;

pub use external::AsExternalLsa;
pub use network::NetworkLsa;
pub use router::{LinkType, RouterFlags, RouterLink, RouterLsa};
pub use summary::SummaryLsa;

use std::cmp::Ordering;
use std::net::Ipv4Addr;
use std::sync::Arc;

use ipnet::Ipv4Net;

use crate::types::{MAX_AGE, MAX_AGE_DIFF, RouterId, SeqNum};

use super::checksum::{fletcher, fletcher_is_valid};
use super::error::{DecodeError, Part};
use super::reader::Reader;
use super::writer::Writer;
use super::{LSA_HEADER_LEN, Options};

/// Link state types. Values without a name keep their number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct LsType(pub u8);

impl LsType {
    /// Router-LSA.
    pub const ROUTER: Self = Self(1);
    /// Network-LSA.
    pub const NETWORK: Self = Self(2);
    /// Summary-LSA for a network.
    pub const SUMMARY_NETWORK: Self = Self(3);
    /// Summary-LSA for an AS boundary router.
    pub const SUMMARY_ASBR: Self = Self(4);
    /// AS-external-LSA.
    pub const AS_EXTERNAL: Self = Self(5);
    /// External LSA of a not-so-stubby area (RFC 3101).
    pub const NSSA_EXTERNAL: Self = Self(7);
    /// Opaque LSA for one link (RFC 5250).
    pub const OPAQUE_LINK: Self = Self(9);
    /// Opaque LSA for an area (RFC 5250).
    pub const OPAQUE_AREA: Self = Self(10);
    /// Opaque LSA for the autonomous system (RFC 5250).
    pub const OPAQUE_AS: Self = Self(11);

    /// Whether it is one of the three opaque types (RFC 5250 section 3).
    pub fn is_opaque(self) -> bool {
        (Self::OPAQUE_LINK..=Self::OPAQUE_AS).contains(&self)
    }

    /// Whether advertisements of it travel through the autonomous system, but not into stub areas (RFC 2328 section 13.3, RFC 5250
    /// section 3).
    pub fn is_as_wide(self) -> bool {
        matches!(self, Self::AS_EXTERNAL | Self::OPAQUE_AS)
    }
}

/// What names an advertisement (section 12.1): type, link state id, advertising router.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct LsaKey {
    /// Link state type.
    pub ls_type: LsType,
    /// Link state id.
    pub id: Ipv4Addr,
    /// Who originated it.
    pub advertising_router: RouterId,
}

/// The 20-byte header of an advertisement (section A.4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LsaHeader {
    /// Age in seconds. The DoNotAge bit is not interpreted.
    pub age: u16,
    /// The originator's options.
    pub options: Options,
    /// Its name.
    pub key: LsaKey,
    /// Sequence number.
    pub sequence: SeqNum,
    /// Fletcher checksum over everything but the age.
    pub checksum: u16,
    /// Length in bytes, this header included.
    pub length: u16,
}

impl LsaHeader {
    /// Which of two instances of one advertisement is newer (section 13.1): `Greater` if `self` is,
    /// `Equal` if they are the same instance.
    pub fn compare(&self, other: &Self) -> Ordering {
        self.sequence
            .cmp(&other.sequence)
            .then(self.checksum.cmp(&other.checksum))
            .then_with(|| compare_ages(self.age, other.age))
    }

    /// Whether the age is MaxAge: the advertisement is being flushed (section 14).
    pub fn is_max_age(&self) -> bool {
        self.age >= MAX_AGE
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let age = reader.u16()?;
        let options = Options::from_bits_retain(reader.u8()?);
        let ls_type = LsType(reader.u8()?);
        let id = reader.ipv4()?;
        let advertising_router = RouterId(reader.ipv4()?);
        let sequence = SeqNum(reader.u32()?.cast_signed());
        let checksum = reader.u16()?;
        let length = reader.u16()?;
        let key = LsaKey { ls_type, id, advertising_router };
        Ok(Self { age, options, key, sequence, checksum, length })
    }

    pub(super) fn write(&self, writer: &mut Writer) {
        writer.u16(self.age);
        writer.u8(self.options.bits());
        writer.u8(self.key.ls_type.0);
        writer.ipv4(self.key.id);
        writer.ipv4(self.key.advertising_router.0);
        writer.u32(self.sequence.0.cast_unsigned());
        writer.u16(self.checksum);
        writer.u16(self.length);
    }
}

/// The last two steps of section 13.1. An age beyond MaxAge, which no correct router sends, is MaxAge.
fn compare_ages(ours: u16, theirs: u16) -> Ordering {
    let (ours, theirs) = (ours.min(MAX_AGE), theirs.min(MAX_AGE));
    match (ours == MAX_AGE, theirs == MAX_AGE) {
        (true, false) => Ordering::Greater,
        (false, true) => Ordering::Less,
        _ if ours.abs_diff(theirs) > MAX_AGE_DIFF => theirs.cmp(&ours),
        _ => Ordering::Equal,
    }
}

/// An advertisement: its decoded header and its bytes as they travel (the header's 20 bytes included).
/// The body is decoded on demand with [`Lsa::body`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lsa {
    /// The decoded header; the age here is authoritative, the one in `bytes` is the one received.
    pub header: LsaHeader,
    /// Header and body as received or as built.
    pub bytes: Arc<[u8]>,
}

/// The decoded body of an advertisement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LsaBody {
    /// Type 1.
    Router(RouterLsa),
    /// Type 2.
    Network(NetworkLsa),
    /// Types 3 and 4.
    Summary(SummaryLsa),
    /// Types 5 and 7: they have the same format (RFC 3101 appendix C).
    AsExternal(AsExternalLsa),
    /// Types 9 to 11, with the bytes after the header: the first octet of the link state id says what they mean
    /// ([`opaque::id`](super::opaque::id)).
    Opaque(Vec<u8>),
    /// Any other type, with the bytes after the header.
    Unknown(Vec<u8>),
}

/// Offset of the checksum in an advertisement.
const CHECKSUM_AT: usize = 16;
/// The age, which the checksum leaves out so that it can grow in flight.
const AGE_LEN: usize = 2;

impl Lsa {
    /// Frames the advertisement at the start of `bytes` by its length field. What follows it is left alone;
    /// the checksum is not verified ([`Lsa::checksum_is_valid`]), the body not decoded ([`Lsa::body`]).
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let header = LsaHeader::read(&mut Reader::new(bytes, Part::LsaHeader))?;
        let length = usize::from(header.length);
        if length < LSA_HEADER_LEN {
            return Err(DecodeError::LsaLengthTooSmall { found: header.length });
        }
        let Some(bytes) = bytes.get(..length) else {
            return Err(DecodeError::LsaLengthTooLarge { found: header.length, available: bytes.len() });
        };
        Ok(Self { header, bytes: bytes.into() })
    }

    /// A new instance with its length and checksum filled in. `key.ls_type` must be the type of `body`.
    ///
    /// A body beyond the 65,535 bytes that the length field can express loses its last elements (links of a
    /// router-LSA, routers of a network-LSA).
    pub fn build(age: u16, options: Options, key: LsaKey, sequence: SeqNum, body: &LsaBody) -> Self {
        let mut writer = Writer::with_capacity(LSA_HEADER_LEN + body.encoded_len());
        let mut header = LsaHeader { age, options, key, sequence, checksum: 0, length: 0 };
        header.write(&mut writer);
        body.write(&mut writer);
        let mut bytes = writer.into_bytes();
        bytes.truncate(usize::from(u16::MAX));
        // The line above bounds the length, so the conversion keeps its value.
        header.length = bytes.len() as u16;
        bytes[CHECKSUM_AT + 2..LSA_HEADER_LEN].copy_from_slice(&header.length.to_be_bytes());
        header.checksum = fletcher(&bytes[AGE_LEN..], CHECKSUM_AT - AGE_LEN);
        bytes[CHECKSUM_AT..CHECKSUM_AT + 2].copy_from_slice(&header.checksum.to_be_bytes());
        Self { header, bytes: bytes.into() }
    }

    /// Whether the Fletcher checksum verifies; a zero checksum never does (section 12.1.7).
    pub fn checksum_is_valid(&self) -> bool {
        self.header.checksum != 0 && fletcher_is_valid(&self.bytes[AGE_LEN..])
    }

    /// Decodes the body, liberally: links of undefined types are left out, bytes after the last field are
    /// passed over. Errors are bodies that end early.
    pub fn body(&self) -> Result<LsaBody, DecodeError> {
        LsaBody::decode(self.header.key.ls_type, self.body_bytes())
    }

    /// The bytes after the header.
    pub fn body_bytes(&self) -> &[u8] {
        &self.bytes[LSA_HEADER_LEN..]
    }

    /// The same instance at another age, in seconds. Shares the bytes.
    pub fn with_age(&self, age: u16) -> Self {
        Self { header: LsaHeader { age, ..self.header }, bytes: Arc::clone(&self.bytes) }
    }

    /// Length in bytes, header included.
    pub fn encoded_len(&self) -> usize {
        self.bytes.len()
    }

    /// The bytes to send, with the header's age in place of the one received.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut writer = Writer::with_capacity(self.encoded_len());
        self.write(&mut writer);
        writer.into_bytes()
    }

    pub(super) fn write(&self, writer: &mut Writer) {
        writer.u16(self.header.age);
        writer.slice(&self.bytes[AGE_LEN..]);
    }
}

impl LsaBody {
    /// Length in bytes, without the header.
    pub fn encoded_len(&self) -> usize {
        match self {
            Self::Router(router) => router.encoded_len(),
            Self::Network(network) => network.encoded_len(),
            Self::Summary(_) => summary::LEN,
            Self::AsExternal(_) => external::LEN,
            Self::Opaque(bytes) | Self::Unknown(bytes) => bytes.len(),
        }
    }

    fn decode(ls_type: LsType, bytes: &[u8]) -> Result<Self, DecodeError> {
        Ok(match ls_type {
            LsType::ROUTER => Self::Router(RouterLsa::decode(bytes)?),
            LsType::NETWORK => Self::Network(NetworkLsa::decode(bytes)?),
            LsType::SUMMARY_NETWORK | LsType::SUMMARY_ASBR => Self::Summary(SummaryLsa::decode(bytes)?),
            LsType::AS_EXTERNAL | LsType::NSSA_EXTERNAL => Self::AsExternal(AsExternalLsa::decode(bytes)?),
            _ if ls_type.is_opaque() => Self::Opaque(bytes.to_vec()),
            _ => Self::Unknown(bytes.to_vec()),
        })
    }

    fn write(&self, writer: &mut Writer) {
        match self {
            Self::Router(router) => router.write(writer),
            Self::Network(network) => network.write(writer),
            Self::Summary(summary) => summary.write(writer),
            Self::AsExternal(external) => external.write(writer),
            Self::Opaque(bytes) | Self::Unknown(bytes) => writer.slice(bytes),
        }
    }
}

/// The network that a link state id and a mask describe: host bits of the id are ignored (appendix E uses
/// them to tell apart prefixes of one number). `None` if the mask's ones are not contiguous.
fn network(id: Ipv4Addr, mask: Ipv4Addr) -> Option<Ipv4Net> {
    Ipv4Net::with_netmask(id, mask).ok().map(|net| net.trunc())
}
