//! Summary-LSAs (RFC 2328 section 12.4.3): what [`crate::abr`] says should be announced becomes advertisements, and
//! what it no longer says is flushed.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

use crate::Instance;
use crate::abr::{Summaries, SummaryTarget, desired_summaries, link_state_ids};
use crate::area::advertisement_options_of;
use crate::lsdb::Scope;
use crate::types::{AreaId, Instant, RouterId};
use crate::wire::{LsType, LsaBody, LsaKey, SummaryLsa};

/// The types of summaries.
const SUMMARIES: [LsType; 2] = [LsType::SUMMARY_NETWORK, LsType::SUMMARY_ASBR];

impl Instance {
    /// Brings the summaries of all areas in line with the routes. Only an area border router has any.
    pub(crate) fn originate_summaries(&mut self, now: Instant) {
        let attached = self.attached_areas();
        let mut desired = match self.is_area_border_router() {
            true => desired_summaries(&self.config, &attached, &self.routes),
            false => BTreeMap::new(),
        };
        for area in self.areas.keys().copied().collect::<Vec<_>>() {
            self.originate_area_summaries(now, area, desired.remove(&area).unwrap_or_default());
        }
    }

    fn originate_area_summaries(&mut self, now: Instant, area: AreaId, desired: Summaries) {
        let scope = Scope::Area(area);
        let advertisements = advertisements(self.config.router_id, &desired);
        for name in self.own_advertisements(scope, &SUMMARIES) {
            if !advertisements.contains_key(&name) {
                self.withdraw(now, scope, name);
            }
        }
        let area_type = self.config.area_type(area);
        for (name, summary) in advertisements {
            self.originate(now, scope, name, advertisement_options_of(area_type), LsaBody::Summary(summary));
        }
    }
}

/// The advertisements that say it, by name. Networks that differ only in their masks share no link state id
/// (appendix E).
fn advertisements(router: RouterId, summaries: &Summaries) -> BTreeMap<LsaKey, SummaryLsa> {
    let networks = summaries.keys().filter_map(|target| match target {
        SummaryTarget::Network(network) => Some(*network),
        SummaryTarget::BoundaryRouter(_) => None,
    });
    let ids: BTreeMap<Ipv4Net, Ipv4Addr> = link_state_ids(networks);
    summaries
        .iter()
        .filter_map(|(target, metric)| {
            let (id, network_mask) = match target {
                SummaryTarget::Network(network) => (*ids.get(network)?, network.netmask()),
                SummaryTarget::BoundaryRouter(router) => (router.0, Ipv4Addr::UNSPECIFIED),
            };
            let name = LsaKey { ls_type: target.ls_type(), id, advertising_router: router };
            Some((name, SummaryLsa { network_mask, metric: *metric }))
        })
        .collect()
}
