//! A packet fabric in shared memory.
//!
//! [`memory`] is the only door to memory that other processes write; everything above it is safe code.

pub mod memory;
pub mod sync;

/// One of the two networks over the memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Network {
    /// The local network: each node has its own address.
    Lsm,
    /// The global network: all nodes answer to a common address.
    Gsm,
}
