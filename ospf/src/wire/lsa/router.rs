//! Router-LSAs (RFC 2328 section A.4.2): a router and its links into one area.

use std::net::Ipv4Addr;

use crate::wire::LSA_HEADER_LEN;
use crate::wire::error::{DecodeError, Part};
use crate::wire::reader::Reader;
use crate::wire::writer::Writer;

bitflags::bitflags! {
    /// Bits of a router-LSA (section A.4.2).
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
    pub struct RouterFlags: u8 {
        /// Area border router.
        const B = 0x01;
        /// AS boundary router.
        const E = 0x02;
        /// Endpoint of a virtual link.
        const V = 0x04;
        /// Always translates type 7 advertisements into type 5 (RFC 3101 appendix B).
        const NT = 0x10;
        const _ = !0;
    }
}

/// Router-LSA (section A.4.2).
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct RouterLsa {
    /// B, E, V, Nt.
    pub flags: RouterFlags,
    /// The router's links into the area.
    pub links: Vec<RouterLink>,
}

/// The type of a link in a router-LSA.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum LinkType {
    /// To another router.
    PointToPoint = 1,
    /// To a transit network.
    Transit = 2,
    /// To a stub network.
    Stub = 3,
    /// Virtual link.
    Virtual = 4,
}

/// One link of a router-LSA. TOS metrics are skipped when decoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RouterLink {
    /// Link id: neighbor's router id, DR's address, or network number, by type.
    pub id: Ipv4Addr,
    /// Link data: interface address, ifIndex, or mask, by type.
    pub data: Ipv4Addr,
    /// Its type.
    pub link_type: LinkType,
    /// Its cost.
    pub metric: u16,
}

/// Length before the links.
const FIXED_LEN: usize = 4;
/// Length of a link without TOS metrics.
const LINK_LEN: usize = 12;
/// Length of one TOS metric.
const TOS_LEN: usize = 4;
/// Links that the length field of an advertisement can express.
const MAX_LINKS: usize = (u16::MAX as usize - LSA_HEADER_LEN - FIXED_LEN) / LINK_LEN;

impl RouterLsa {
    pub(super) fn encoded_len(&self) -> usize {
        FIXED_LEN + LINK_LEN * self.links.len().min(MAX_LINKS)
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes, Part::RouterLsa);
        let flags = RouterFlags::from_bits_retain(reader.u8()?);
        reader.u8()?;
        let announced = reader.u16()?;
        let available = reader.remaining();
        if usize::from(announced) > available / LINK_LEN {
            return Err(DecodeError::RouterLinkCount { announced, available });
        }
        let mut links = Vec::with_capacity(announced.into());
        for _ in 0..announced {
            links.extend(RouterLink::read(&mut reader)?);
        }
        Ok(Self { flags, links })
    }

    pub(super) fn write(&self, writer: &mut Writer) {
        let count = self.links.len().min(MAX_LINKS);
        writer.u8(self.flags.bits());
        writer.u8(0);
        writer.u16(count as u16);
        for link in &self.links[..count] {
            link.write(writer);
        }
    }
}

impl RouterLink {
    /// `None` is a link of an undefined type: it has the length of any other and leads nowhere.
    fn read(reader: &mut Reader<'_>) -> Result<Option<Self>, DecodeError> {
        let id = reader.ipv4()?;
        let data = reader.ipv4()?;
        let link_type = LinkType::from_wire(reader.u8()?);
        let tos_count = usize::from(reader.u8()?);
        let metric = reader.u16()?;
        // TOS routing is gone since RFC 2178; its metrics may still be on the wire (section A.4.2).
        reader.take(tos_count * TOS_LEN)?;
        Ok(link_type.map(|link_type| Self { id, data, link_type, metric }))
    }

    fn write(&self, writer: &mut Writer) {
        writer.ipv4(self.id);
        writer.ipv4(self.data);
        writer.u8(self.link_type as u8);
        writer.u8(0);
        writer.u16(self.metric);
    }
}

impl LinkType {
    fn from_wire(value: u8) -> Option<Self> {
        Some(match value {
            1 => Self::PointToPoint,
            2 => Self::Transit,
            3 => Self::Stub,
            4 => Self::Virtual,
            _ => return None,
        })
    }
}
