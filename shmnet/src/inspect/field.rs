//! A value with its place and its name.

use std::net::Ipv4Addr;

use crate::memory::PeerSpan;
use crate::sync::Ordering::Acquire;

/// A part of an arena.
#[derive(Clone, Debug, PartialEq)]
pub struct Section {
    /// Bytes from the beginning of the arena.
    pub offset: u64,
    /// Its name in the description of the layout.
    pub name: String,
    /// Its fields, in the order of their offsets.
    pub fields: Vec<Field>,
}

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub struct Field {
    /// Bytes from the beginning of the section.
    pub offset: u64,
    /// Its name in the description of the layout.
    pub name: String,
    /// What it says.
    pub value: Value,
}

/// What a field says.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A number.
    Number(u64),
    /// A number that is read bit by bit.
    Bits(u64),
    /// Words.
    Text(String),
    /// An IPv4 address.
    Address(Ipv4Addr),
}

impl Section {
    pub(super) fn new(offset: usize, name: impl Into<String>) -> Self {
        Self { offset: offset as u64, name: name.into(), fields: Vec::new() }
    }

    /// Adds a field.
    pub(super) fn add(&mut self, offset: usize, name: impl Into<String>, value: Value) {
        self.fields.push(Field { offset: offset as u64, name: name.into(), value });
    }

    /// Adds a number.
    pub(super) fn number(&mut self, offset: usize, name: impl Into<String>, value: u64) {
        self.add(offset, name, Value::Number(value));
    }

    /// Adds words.
    pub(super) fn text(&mut self, offset: usize, name: impl Into<String>, value: impl Into<String>) {
        self.add(offset, name, Value::Text(value.into()));
    }
}

/// The 64-bit word at an offset, if it lies in the span.
pub(super) fn word(span: &PeerSpan, offset: usize) -> Option<u64> {
    let word = span.sub_aligned(offset, 8, 8).ok()?;
    word.invalidate(0, 8);
    Some(word.load_u64(0, Acquire))
}
