//! Scripts: what the fuzzer's bytes make a hostile peer and its honest neighbours do, one step after the other.
//!
//! A step is one byte and what that byte asks for. A script that ends in the midst of a step ends before it, so that every
//! string of bytes is a script.

pub mod engine;

use isthmus_shmnet::memory::OwnSpan;
use std::sync::atomic::Ordering::Relaxed;

/// The rest of a script.
pub struct Script<'a>(pub &'a [u8]);

impl Script<'_> {
    /// The next byte.
    pub fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    /// The next two bytes.
    pub fn short(&mut self) -> Option<u16> {
        Some(u16::from_le_bytes([self.byte()?, self.byte()?]))
    }

    /// The next four bytes.
    pub fn int(&mut self) -> Option<u32> {
        Some(u32::from(self.short()?) | u32::from(self.short()?) << 16)
    }

    /// The next eight bytes.
    pub fn word(&mut self) -> Option<u64> {
        Some(u64::from(self.int()?) | u64::from(self.int()?) << 32)
    }

    /// So many bytes as they are, or the rest if there are not so many.
    pub fn bytes(&mut self, length: usize) -> Option<&[u8]> {
        let (bytes, rest) = self.0.split_at(length.min(self.0.len()));
        self.0 = rest;
        Some(bytes)
    }
}

/// Writes the words of a script's step.
#[derive(Default)]
pub struct Steps(pub Vec<u8>);

impl Steps {
    /// One step of the given kind with its operands, least significant byte first.
    pub fn step(&mut self, kind: u8, operands: &[&[u8]]) {
        self.0.push(kind);
        operands.iter().for_each(|operand| self.0.extend_from_slice(operand));
    }

    /// A step for each word of a span that is not zero: kind, offset / 8 in four bytes, the word.
    pub fn copy_of(&mut self, kind: u8, span: &OwnSpan) {
        for at in (0..span.len()).step_by(8) {
            let word = span.load_u64(at, Relaxed);
            if word != 0 {
                self.step(kind, &[&((at / 8) as u32).to_le_bytes(), &word.to_le_bytes()]);
            }
        }
    }
}
