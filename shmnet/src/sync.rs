//! The atomic types that the protocols are written with, so that the same source runs under `std` and under the
//! `loom` model checker (`RUSTFLAGS="--cfg loom"`).
//!
//! Words in shared memory do not come from here: they are reached through [`crate::memory`], whose spans are backed by
//! a mapping or, under loom, by modelled words. The reference count of a mapping is never part of a protocol, so [`Arc`] is
//! always that of `std`.

#[cfg(loom)]
pub use loom::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering, fence};
pub use std::sync::Arc;
#[cfg(not(loom))]
pub use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering, fence};
