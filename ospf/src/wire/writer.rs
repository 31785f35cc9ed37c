//! Appends big-endian fields to a buffer.

use std::net::Ipv4Addr;

/// A growing buffer.
pub(super) struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    pub(super) fn with_capacity(capacity: usize) -> Self {
        Self { bytes: Vec::with_capacity(capacity) }
    }

    pub(super) fn u8(&mut self, value: u8) {
        self.bytes.push(value);
    }

    pub(super) fn u16(&mut self, value: u16) {
        self.bytes.extend_from_slice(&value.to_be_bytes());
    }

    /// The low 24 bits of `value`: metrics are that wide.
    pub(super) fn u24(&mut self, value: u32) {
        self.bytes.extend_from_slice(&value.to_be_bytes()[1..]);
    }

    pub(super) fn u32(&mut self, value: u32) {
        self.bytes.extend_from_slice(&value.to_be_bytes());
    }

    pub(super) fn ipv4(&mut self, address: Ipv4Addr) {
        self.bytes.extend_from_slice(&address.octets());
    }

    pub(super) fn slice(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}
