//! Graceful restart (RFC 3623), as RFC 9129 names its settings.

use serde::{Deserialize, Serialize};

/// What is done for neighbors that restart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct GracefulRestart {
    /// They are announced and used as before for as long as they ask for.
    pub helper_enabled: bool,
    /// That ends when the topology changes, since they may not know of it.
    pub helper_strict_lsa_checking: bool,
}

impl Default for GracefulRestart {
    /// They are helped, strictly.
    fn default() -> Self {
        Self { helper_enabled: true, helper_strict_lsa_checking: true }
    }
}
