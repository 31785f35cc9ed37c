//! How what one node writes reaches the others: by the processors' coherence, by explicit write-back and invalidation, or
//! by an engine that copies it to the others' memory.
//!
//! The writer of a range calls [`OwnSpan::write_back`](super::OwnSpan::write_back) after it has stored there and before it
//! stores a word that makes the range known; a reader calls [`PeerSpan::invalidate`](super::PeerSpan::invalidate) before
//! it reads. Both cost nothing where the hardware is coherent.

use std::fmt::Debug;
use std::sync::Arc;

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
