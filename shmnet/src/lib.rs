//! A packet fabric in shared memory.

/// One of the two networks over the memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Network {
    /// The local network: each node has its own address.
    Lsm,
    /// The global network: all nodes answer to a common address.
    Gsm,
}
