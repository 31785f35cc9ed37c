//! The OSPF engine's views.

use isthmus_mgmt_api::model::{DateTime, OspfSnapshot};
use isthmus_ospf::types::Instant;
use isthmus_ospf::view::{DatabaseEntryView, WhatIfView};
use isthmus_ospf::what_if::{Change, WhatIfError};

use super::super::shared::Shared;
use crate::ospf_driver::lock;

/// The engine's time now.
pub(super) fn now(shared: &Shared) -> Instant {
    Instant(u64::try_from(shared.engine_clock.elapsed().as_micros()).unwrap_or(u64::MAX))
}

/// The engine but for its database.
pub(super) fn snapshot(shared: &Shared) -> OspfSnapshot {
    let now = now(shared);
    let engine = lock(&shared.engine);
    OspfSnapshot {
        instance: engine.view_instance(now),
        areas: engine.view_areas(now),
        interfaces: engine.view_interfaces(now),
        neighbors: engine.view_neighbors(now),
        local_rib: engine.view_local_rib(),
        border_routers: engine.view_border_routers(),
        spf_log: engine.view_spf_log(),
        lsa_log: engine.view_lsa_log(),
        spf_durations: *shared.spf_durations(),
        time_origin: DateTime::from(shared.engine_origin),
    }
}

/// The database of all areas.
pub(super) fn database(shared: &Shared) -> Vec<DatabaseEntryView> {
    let now = now(shared);
    let engine = lock(&shared.engine);
    let areas: Vec<_> = engine.view_areas(now).into_iter().map(|area| area.area_id).collect();
    let of_areas = areas.into_iter().flat_map(|area| engine.view_database(now, Some(area)));
    let mut entries: Vec<DatabaseEntryView> = of_areas.collect();
    entries.extend(engine.view_database(now, None));
    entries.extend(engine.view_link_databases(now));
    entries
}

/// Which routes would be others.
pub(super) fn what_if(shared: &Shared, changes: &[Change]) -> Result<WhatIfView, WhatIfError> {
    lock(&shared.engine).what_if(now(shared), changes)
}
