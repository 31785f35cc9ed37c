//! What the control thread shows to the rest of the process.

use arc_swap::{ArcSwap, ArcSwapOption};

use super::active::ActiveNodes;
use super::log::EventLog;
use crate::fabric::snapshot::Snapshot;

/// Written by the control thread, read by anyone.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    pub(crate) active: ArcSwap<ActiveNodes>,
    pub(crate) log: EventLog,
    /// The last snapshot, taken anew every [`super::control::PICTURE`] and with every change of the active nodes.
    pub(crate) picture: ArcSwapOption<Snapshot>,
}
