//! Neighbors that are listed, where no multicast finds them (RFC 2328 appendices C.5 and C.6).

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What is known of a router on a network without multicast before it was heard. Its address is the key that it is
/// listed under.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct StaticNeighbor {
    /// Its router priority, until its hellos say it: 0 never becomes designated router. Only counts on a network that
    /// has one.
    pub priority: u8,
    /// PollInterval: the time between hellos to it while it is Down. Only counts on a network that has a designated
    /// router; elsewhere hellos leave every HelloInterval (section 9.5).
    pub poll_interval: Duration,
}

impl Default for StaticNeighbor {
    /// Eligible, and polled every two minutes (section C.5).
    fn default() -> Self {
        Self { priority: 1, poll_interval: Duration::from_secs(120) }
    }
}
