//! The log of route calculations: the last few, for management.

use std::collections::VecDeque;

use crate::types::Instant;
use crate::view::{LsaIdView, SpfLogView, SpfType};

/// How many calculations are kept.
const LENGTH: usize = 64;

/// The last calculations of routes.
#[derive(Debug, Default)]
pub(crate) struct SpfLog {
    entries: VecDeque<SpfLogView>,
    runs: u32,
}

impl SpfLog {
    /// Notes a calculation of a type that was asked for at `scheduled`, by `trigger` if by an advertisement. The engine has
    /// no clock, so that a calculation takes no time here.
    pub(crate) fn push(
        &mut self,
        spf_type: SpfType,
        scheduled: Instant,
        now: Instant,
        trigger: Option<LsaIdView>,
    ) {
        self.runs = self.runs.wrapping_add(1);
        if self.entries.len() == LENGTH {
            self.entries.pop_front();
        }
        self.entries.push_back(SpfLogView {
            id: self.runs,
            spf_type,
            schedule_timestamp: scheduled,
            start_timestamp: now,
            end_timestamp: now,
            trigger_lsa: trigger.into_iter().collect(),
        });
    }

    /// The calculations, the oldest first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &SpfLogView> {
        self.entries.iter()
    }

    /// The last calculation.
    pub(crate) fn last(&self) -> Option<&SpfLogView> {
        self.entries.back()
    }
}
