//! How what one node writes reaches the others: by the processors' coherence, by explicit write-back and invalidation, or
//! by an engine that copies it to the others' memory.
//!
//! The writer of a range calls [`OwnSpan::write_back`](super::OwnSpan::write_back) after it has stored there and before it
//! stores a word that makes the range known; a reader calls [`PeerSpan::invalidate`](super::PeerSpan::invalidate) before
//! it reads. Both cost nothing where the hardware is coherent.
//!
//! ```text
//! writer                              reader
//!   store the record                    invalidate the word
//!   write the record back               load the word: news?
//!   fence                               invalidate the record: it may have been fetched at any time before,
//!   store the word                        by a prefetch, with the word's own line too
//!   write the word back                 load the record
//! ```
//! The unit is the aligned 8-byte word, even within a line: nothing rests on a line's going to memory, or coming from there, as a
//! whole. So the fence stands between a record and its word although one line may hold both.
//!
//! It is proved on simulated memory, in which each node has a cache of its own (`simulated.rs`).

use std::fmt::Debug;
use std::sync::Arc;

use super::flush::Flusher;

/// How the writes of one node become visible to the others.
#[derive(Clone, Debug, Default)]
pub enum Coherence {
    /// The processors keep their caches coherent: nothing has to be done.
    #[default]
    Hardware,
    /// They do not: lines are written back after they were written, and invalidated before they are read.
    Flush,
    /// Every node has a copy of the arenas, and an engine carries what an owner wrote to the copies of the others.
    Reflected(Arc<dyn Reflector>),
}

/// Carries ranges of this node's arena to the copies that other nodes have of it.
pub trait Reflector: Debug + Send + Sync {
    /// Copies `len` bytes at `offset` of the mapping to the other nodes, after all that was given before. Returns at once.
    ///
    /// A reader relies on no more than this: an aligned 8-byte word arrives whole, and after what was given before it.
    fn publish(&self, offset: usize, len: usize);
}

/// The processor has no instructions by which a program can keep memory coherent itself, or none that are known here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "coherence `flush` needs cache lines of 64 bytes or more and instructions that write them back and drop them (clflush or better on \
     x86_64, dc cvac and dc civac on aarch64): this processor has none"
)]
pub struct NoFlush;

impl Coherence {
    /// The name, as in the configuration.
    #[must_use]
    pub fn name(&self) -> &'static str {
        Self::name_of(self.code())
    }

    /// The number by which an arena's identity tells of it.
    #[must_use]
    pub(crate) fn code(&self) -> u8 {
        match self {
            Self::Hardware => 0,
            Self::Flush => 1,
            Self::Reflected(_) => Self::REFLECTED,
        }
    }

    /// The code of memory of which every node has a copy.
    pub(crate) const REFLECTED: u8 = 2;

    /// The name for such a number.
    #[must_use]
    pub(crate) fn name_of(code: u8) -> &'static str {
        match code {
            0 => "hardware",
            1 => "flush",
            Self::REFLECTED => "reflected",
            _ => "unknown",
        }
    }

    /// What has to be done at each access, on this processor.
    pub(super) fn upkeep(&self) -> Result<Upkeep, NoFlush> {
        Ok(match self {
            Self::Hardware => Upkeep::None,
            Self::Flush => Upkeep::Flush(Flusher::detect().ok_or(NoFlush)?),
            Self::Reflected(_) => Upkeep::Reflect,
        })
    }
}

/// What has to be done for a mapping's content to reach the other nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Upkeep {
    /// Nothing.
    None,
    /// Lines are written back and dropped.
    Flush(Flusher),
    /// Ranges are given to a [`Reflector`].
    Reflect,
    /// Lines are written back and dropped in the simulation.
    #[cfg(test)]
    Simulate,
}
