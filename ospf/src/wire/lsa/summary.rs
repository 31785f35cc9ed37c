//! Summary-LSAs (RFC 2328 section A.4.4): an inter-area network (type 3) or boundary router (type 4).

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

use crate::wire::error::{DecodeError, Part};
use crate::wire::reader::Reader;
use crate::wire::writer::Writer;

/// Summary-LSA (section A.4.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SummaryLsa {
    /// The network's mask; 0 for type 4.
    pub network_mask: Ipv4Addr,
    /// Cost, 24 bits.
    pub metric: u32,
}

/// Length without TOS metrics.
pub(super) const LEN: usize = 8;

impl SummaryLsa {
    /// The network of a type 3 advertisement, given its link state id. `None` if the mask's ones are not
    /// contiguous.
    pub fn prefix(&self, id: Ipv4Addr) -> Option<Ipv4Net> {
        super::network(id, self.network_mask)
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes, Part::SummaryLsa);
        let network_mask = reader.ipv4()?;
        let metric = reader.u32()? & 0x00ff_ffff;
        // TOS metrics may follow (RFC 2328 section A.4.4); nobody uses them.
        Ok(Self { network_mask, metric })
    }

    pub(super) fn write(&self, writer: &mut Writer) {
        writer.ipv4(self.network_mask);
        writer.u8(0);
        writer.u24(self.metric);
    }
}
