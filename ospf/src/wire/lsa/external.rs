//! AS-external-LSAs (RFC 2328 section A.4.5) and those of not-so-stubby areas (RFC 3101 appendix C), which have the same
//! format: a destination outside the autonomous system.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

use crate::wire::error::{DecodeError, Part};
use crate::wire::reader::Reader;
use crate::wire::writer::Writer;

/// AS-external-LSA (section A.4.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AsExternalLsa {
    /// The network's mask.
    pub network_mask: Ipv4Addr,
    /// Type 2 metric.
    pub e2: bool,
    /// Cost, 24 bits.
    pub metric: u32,
    /// Forwarding address or 0.0.0.0.
    pub forwarding_address: Ipv4Addr,
    /// External route tag.
    pub tag: u32,
}

/// Length without TOS routes.
pub(super) const LEN: usize = 16;
/// The E bit in the byte before the metric.
const E_BIT: u32 = 0x8000_0000;

impl AsExternalLsa {
    /// The destination, given the advertisement's link state id. `None` if the mask's ones are not
    /// contiguous.
    pub fn prefix(&self, id: Ipv4Addr) -> Option<Ipv4Net> {
        super::network(id, self.network_mask)
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes, Part::AsExternalLsa);
        let network_mask = reader.ipv4()?;
        let bits_and_metric = reader.u32()?;
        let forwarding_address = reader.ipv4()?;
        let tag = reader.u32()?;
        // TOS routes may follow (RFC 2328 section A.4.5); nobody uses them.
        let e2 = bits_and_metric & E_BIT != 0;
        Ok(Self { network_mask, e2, metric: bits_and_metric & 0x00ff_ffff, forwarding_address, tag })
    }

    pub(super) fn write(&self, writer: &mut Writer) {
        writer.ipv4(self.network_mask);
        writer.u8(if self.e2 { 0x80 } else { 0 });
        writer.u24(self.metric);
        writer.ipv4(self.forwarding_address);
        writer.u32(self.tag);
    }
}
