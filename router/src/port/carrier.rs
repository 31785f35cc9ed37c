//! A carrier state that one thread keeps up to date and others read.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Whether a medium has its carrier; clones share the state.
#[derive(Clone, Debug)]
pub struct CarrierFlag(Arc<AtomicBool>);

impl CarrierFlag {
    /// A flag with this initial state.
    pub fn new(up: bool) -> Self {
        Self(Arc::new(AtomicBool::new(up)))
    }

    /// The current state.
    pub fn is_up(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// Changes the state. Returns whether it was different before.
    pub fn set(&self, up: bool) -> bool {
        self.0.swap(up, Ordering::Relaxed) != up
    }
}
