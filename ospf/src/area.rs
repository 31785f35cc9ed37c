//! The data structure of an area (RFC 2328 section 6).

use std::collections::BTreeMap;
use std::time::Duration;

use crate::config::AreaType;
use crate::lsdb::Lsdb;
use crate::originate::Origination;
use crate::wire::{LsaKey, Options};

/// MinLSArrival (appendix B).
pub(crate) const DEFAULT_MIN_LS_ARRIVAL: Duration = Duration::from_secs(1);

/// One area.
#[derive(Debug, Default)]
pub(crate) struct Area {
    /// Its database.
    pub(crate) lsdb: Lsdb,
    /// What we originate in it.
    pub(crate) originations: BTreeMap<LsaKey, Origination>,
    /// Whether our router-LSA of this area may be originated: see `originate::FIRST_ROUTER_LSA_DELAY`.
    pub(crate) router_lsa_started: bool,
    /// Whether we translate its type 7 advertisements (RFC 3101 section 3.1).
    pub(crate) is_translated: bool,
    /// How often routes were calculated with it.
    pub(crate) spf_runs: u64,
}

/// The options that hellos and database descriptions carry in an area of that type (section 9.5).
pub(crate) fn options_of(area_type: AreaType) -> Options {
    match area_type {
        AreaType::Normal => Options::E,
        // Section 3.6: all routers of the area agree that it takes no AS-external advertisements.
        AreaType::Stub { .. } => Options::empty(),
        // RFC 3101 section 2.1: all routers of the area agree that it is not so stubby.
        AreaType::Nssa(_) => Options::NP,
    }
}

/// The options that advertisements carry in an area of that type (section 12.1.2). Bit N is for hellos, and bit P, which is the
/// same, for type 7 advertisements only (RFC 3101 appendix A).
pub(crate) fn advertisement_options_of(area_type: AreaType) -> Options {
    options_of(area_type) & Options::E
}
