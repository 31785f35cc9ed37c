//! How long the calculation of routes waits (RFC 8405).

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The parameters of the SPF back-off algorithm (RFC 8405 section 4). By default nothing waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct SpfDelay {
    /// INITIAL_SPF_DELAY: from the first change after a quiet time.
    pub initial: Duration,
    /// SHORT_SPF_DELAY: from a change that follows, while it may belong to the same failure.
    pub short: Duration,
    /// LONG_SPF_DELAY: from a change while they do not end.
    pub long: Duration,
    /// TIME_TO_LEARN_INTERVAL: for so long after the first change others may belong to the same failure.
    pub time_to_learn: Duration,
    /// HOLDDOWN_INTERVAL: after so long without a change the network is quiet.
    pub hold_down: Duration,
}
