//! Network-LSAs (RFC 2328 section A.4.3): a transit network and the routers on it.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

use crate::types::RouterId;
use crate::wire::LSA_HEADER_LEN;
use crate::wire::error::{DecodeError, Part};
use crate::wire::reader::Reader;
use crate::wire::writer::Writer;

/// Network-LSA (section A.4.3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetworkLsa {
    /// The network's mask.
    pub network_mask: Ipv4Addr,
    /// Routers fully adjacent to the designated router, itself included.
    pub attached_routers: Vec<RouterId>,
}

/// Length before the routers.
const FIXED_LEN: usize = 4;
/// Routers that the length field of an advertisement can express.
const MAX_ROUTERS: usize = (u16::MAX as usize - LSA_HEADER_LEN - FIXED_LEN) / 4;

impl NetworkLsa {
    /// The network, given the advertisement's link state id (the designated router's address on it).
    /// `None` if the mask's ones are not contiguous.
    pub fn prefix(&self, id: Ipv4Addr) -> Option<Ipv4Net> {
        super::network(id, self.network_mask)
    }

    pub(super) fn encoded_len(&self) -> usize {
        FIXED_LEN + 4 * self.attached_routers.len().min(MAX_ROUTERS)
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes, Part::NetworkLsa);
        let network_mask = reader.ipv4()?;
        let mut attached_routers = Vec::with_capacity(reader.remaining() / 4);
        while reader.remaining() >= 4 {
            attached_routers.push(RouterId(reader.ipv4()?));
        }
        Ok(Self { network_mask, attached_routers })
    }

    pub(super) fn write(&self, writer: &mut Writer) {
        writer.ipv4(self.network_mask);
        for router in self.attached_routers.iter().take(MAX_ROUTERS) {
            writer.ipv4(router.0);
        }
    }
}
