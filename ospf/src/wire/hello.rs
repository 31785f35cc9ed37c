//! Hello packets (RFC 2328 section A.3.2).

use std::net::Ipv4Addr;

use crate::types::RouterId;

use super::error::DecodeError;
use super::reader::Reader;
use super::writer::Writer;
use super::{HELLO_FIXED_LEN, Options};

/// Hello (section A.3.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hello {
    /// Mask of the sender's interface; ignored on point-to-point and point-to-multipoint networks.
    pub network_mask: Ipv4Addr,
    /// HelloInterval in seconds.
    pub hello_interval: u16,
    /// The sender's options.
    pub options: Options,
    /// The sender's router priority.
    pub priority: u8,
    /// RouterDeadInterval in seconds.
    pub dead_interval: u32,
    /// Designated router by its interface address, or 0.0.0.0.
    pub designated_router: Ipv4Addr,
    /// Backup designated router by its interface address, or 0.0.0.0.
    pub backup_designated_router: Ipv4Addr,
    /// Routers heard within RouterDeadInterval.
    pub neighbors: Vec<RouterId>,
}

impl Hello {
    /// Length in bytes, without the common header.
    pub fn encoded_len(&self) -> usize {
        HELLO_FIXED_LEN + 4 * self.neighbors.len()
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            network_mask: reader.ipv4()?,
            hello_interval: reader.u16()?,
            options: Options::from_bits_retain(reader.u8()?),
            priority: reader.u8()?,
            dead_interval: reader.u32()?,
            designated_router: reader.ipv4()?,
            backup_designated_router: reader.ipv4()?,
            neighbors: read_neighbors(reader)?,
        })
    }

    pub(super) fn write(&self, writer: &mut Writer) {
        writer.ipv4(self.network_mask);
        writer.u16(self.hello_interval);
        writer.u8(self.options.bits());
        writer.u8(self.priority);
        writer.u32(self.dead_interval);
        writer.ipv4(self.designated_router);
        writer.ipv4(self.backup_designated_router);
        for neighbor in &self.neighbors {
            writer.ipv4(neighbor.0);
        }
    }
}

fn read_neighbors(reader: &mut Reader<'_>) -> Result<Vec<RouterId>, DecodeError> {
    let mut neighbors = Vec::with_capacity(reader.remaining() / 4);
    while reader.remaining() >= 4 {
        neighbors.push(RouterId(reader.ipv4()?));
    }
    Ok(neighbors)
}
