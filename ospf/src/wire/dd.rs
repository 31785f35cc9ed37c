//! Database description packets (RFC 2328 section A.3.3).

use super::error::DecodeError;
use super::lsa::LsaHeader;
use super::reader::Reader;
use super::writer::Writer;
use super::{DD_FIXED_LEN, LSA_HEADER_LEN, Options, lsack};

bitflags::bitflags! {
    /// Bits of a database description packet (section A.3.3).
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
    pub struct DdFlags: u8 {
        /// Master.
        const MS = 0x01;
        /// More.
        const M = 0x02;
        /// Init.
        const I = 0x04;
    }
}

/// Database description (section A.3.3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DatabaseDescription {
    /// The sender's interface MTU; 0 on virtual links.
    pub interface_mtu: u16,
    /// The sender's options.
    pub options: Options,
    /// Init, More, Master. Bits without a meaning here are dropped when decoding.
    pub flags: DdFlags,
    /// DD sequence number.
    pub sequence: u32,
    /// Headers of a part of the sender's database.
    pub headers: Vec<LsaHeader>,
}

impl DatabaseDescription {
    /// Length in bytes, without the common header.
    pub fn encoded_len(&self) -> usize {
        DD_FIXED_LEN + LSA_HEADER_LEN * self.headers.len()
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            interface_mtu: reader.u16()?,
            options: Options::from_bits_retain(reader.u8()?),
            flags: DdFlags::from_bits_truncate(reader.u8()?),
            sequence: reader.u32()?,
            headers: lsack::read(reader)?,
        })
    }

    pub(super) fn write(&self, writer: &mut Writer) {
        writer.u16(self.interface_mtu);
        writer.u8(self.options.bits());
        writer.u8(self.flags.bits());
        writer.u32(self.sequence);
        lsack::write(&self.headers, writer);
    }
}
