//! The logs for management, of the last few entries each: calculations of routes, and instances of advertisements.

use std::collections::VecDeque;

use crate::types::{AreaId, Instant};
use crate::view::{LsaIdView, LsaLogReason, LsaLogView, SpfLogView, SpfType};
use crate::wire::LsaHeader;

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

/// How many instances are kept.
const LSAS: usize = 256;

/// The last instances of advertisements that were installed: received, or made here.
#[derive(Debug, Default)]
pub(crate) struct LsaLog {
    entries: VecDeque<LsaEntry>,
    count: u32,
}

/// What is kept of one. Its view is made when somebody asks: there may be many.
#[derive(Debug)]
struct LsaEntry {
    id: u32,
    at: Instant,
    area: Option<AreaId>,
    header: LsaHeader,
    reason: LsaLogReason,
}

impl LsaLog {
    /// Notes an instance of an area, or of the autonomous system.
    pub(crate) fn push(
        &mut self,
        at: Instant,
        area: Option<AreaId>,
        header: LsaHeader,
        reason: LsaLogReason,
    ) {
        self.count = self.count.wrapping_add(1);
        if self.entries.len() == LSAS {
            self.entries.pop_front();
        }
        self.entries.push_back(LsaEntry { id: self.count, at, area, header, reason });
    }

    /// The instances, the oldest first.
    pub(crate) fn views(&self) -> impl Iterator<Item = LsaLogView> {
        self.entries.iter().map(|entry| LsaLogView {
            id: entry.id,
            lsa: LsaIdView::new(entry.area, &entry.header),
            received_timestamp: entry.at,
            reason: entry.reason,
        })
    }
}
