//! Reads big-endian fields from a slice, every step bounds-checked.

use std::net::Ipv4Addr;

use super::error::{DecodeError, Part};

/// A position in a slice, and the name of what is being read for errors.
pub(super) struct Reader<'a> {
    rest: &'a [u8],
    part: Part,
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8], part: Part) -> Self {
        Self { rest: bytes, part }
    }

    /// Bytes not read yet.
    pub(super) fn remaining(&self) -> usize {
        self.rest.len()
    }

    /// All bytes not read yet, without reading them.
    pub(super) fn peek(&self) -> &'a [u8] {
        self.rest
    }

    pub(super) fn take(&mut self, count: usize) -> Result<&'a [u8], DecodeError> {
        let Some((taken, rest)) = self.rest.split_at_checked(count) else {
            return Err(DecodeError::Truncated {
                part: self.part,
                needed: count,
                available: self.rest.len(),
            });
        };
        self.rest = rest;
        Ok(taken)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let Some((taken, rest)) = self.rest.split_first_chunk::<N>() else {
            return Err(DecodeError::Truncated { part: self.part, needed: N, available: self.rest.len() });
        };
        self.rest = rest;
        Ok(*taken)
    }

    pub(super) fn u8(&mut self) -> Result<u8, DecodeError> {
        self.array::<1>().map(|[byte]| byte)
    }

    pub(super) fn u16(&mut self) -> Result<u16, DecodeError> {
        self.array().map(u16::from_be_bytes)
    }

    pub(super) fn u32(&mut self) -> Result<u32, DecodeError> {
        self.array().map(u32::from_be_bytes)
    }

    pub(super) fn ipv4(&mut self) -> Result<Ipv4Addr, DecodeError> {
        self.array::<4>().map(Ipv4Addr::from)
    }

    /// Refuses bytes that belong to no field.
    pub(super) fn finish(self) -> Result<(), DecodeError> {
        if self.rest.is_empty() {
            return Ok(());
        }
        Err(DecodeError::TrailingBytes { part: self.part, count: self.rest.len() })
    }
}
