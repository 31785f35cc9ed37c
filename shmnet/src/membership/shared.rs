//! What the control thread shows to the rest of the process.

use arc_swap::ArcSwap;

use super::active::ActiveNodes;
use super::log::EventLog;

/// Written by the control thread, read by anyone.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    pub(crate) active: ArcSwap<ActiveNodes>,
    pub(crate) log: EventLog,
}
