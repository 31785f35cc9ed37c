//! AS-external-LSAs (RFC 2328 section 12.4.4): what the caller brings from outside OSPF, and what this router translates for
//! not-so-stubby areas.

use std::borrow::Cow;
use std::collections::BTreeMap;

use ipnet::Ipv4Net;

use crate::Instance;
use crate::abr::link_state_ids;
use crate::area::options_of;
use crate::config::{AreaType, ExternalRoute};
use crate::lsdb::Scope;
use crate::record::Input;
use crate::types::{AreaId, Instant, LS_INFINITY, RouterId};
use crate::wire::{AsExternalLsa, LsType, LsaBody, LsaKey};

impl Instance {
    /// Takes all routes from outside OSPF that are to be announced, in place of those of the last call. What is new or
    /// differs is originated, what is not there any more is flushed. While there is any, this is an AS boundary router.
    pub fn handle_redistribution(&mut self, now: Instant, routes: BTreeMap<Ipv4Net, ExternalRoute>) {
        if !self.begin(now, &Input::Redistribution(Cow::Borrowed(&routes))) {
            return;
        }
        self.externals = routes.into_iter().map(|(prefix, route)| (prefix.trunc(), route)).collect();
        self.originate_externals(now);
        // Section 12.4.1: bit E may have changed.
        self.pending.router_lsas.extend(self.areas.keys().copied());
        self.settle(now);
    }

    /// Brings our AS-external and type 7 advertisements in line with what is to be announced.
    pub(crate) fn originate_externals(&mut self, now: Instant) {
        let advertisements = self.external_advertisements();
        for name in self.own_advertisements(Scope::As, &[LsType::AS_EXTERNAL]) {
            if !advertisements.contains_key(&name) {
                // Section 14.1: premature aging.
                self.withdraw(now, Scope::As, name);
            }
        }
        for (name, body) in advertisements {
            let options = options_of(AreaType::Normal);
            self.originate(now, Scope::As, name, options, LsaBody::AsExternal(body));
        }
        self.originate_nssa_externals(now);
    }

    /// Whether this is an AS boundary router as an area sees it. A stub area has none (section 12.4.1). Every border router of a
    /// not-so-stubby area is one, whether it translates or not (RFC 3101 section 3.1).
    pub(crate) fn is_as_boundary_router(&self, area: AreaId) -> bool {
        let is_stub = matches!(self.config.area_type(area), AreaType::Stub { .. });
        !is_stub && (!self.externals.is_empty() || self.is_nssa_border_router())
    }

    /// The advertisements by name. Where no area takes any there are none: nobody would hear them.
    fn external_advertisements(&self) -> BTreeMap<LsaKey, AsExternalLsa> {
        if !self.config.areas.keys().any(|id| self.config.area_type(*id).takes_externals()) {
            return BTreeMap::new();
        }
        let mut bodies = self.translations();
        // What we know of outside ourselves comes before what we have heard.
        bodies.extend(self.externals.iter().map(|(prefix, route)| (*prefix, body_of(*prefix, route))));
        named(LsType::AS_EXTERNAL, self.config.router_id, &bodies)
    }
}

/// Advertisements of networks by name. Networks that differ only in their masks share no link state id (appendix E).
pub(super) fn named(
    ls_type: LsType,
    advertising_router: RouterId,
    bodies: &BTreeMap<Ipv4Net, AsExternalLsa>,
) -> BTreeMap<LsaKey, AsExternalLsa> {
    let ids = link_state_ids(bodies.keys().copied());
    let advertisement =
        |(prefix, id)| Some((LsaKey { ls_type, id, advertising_router }, *bodies.get(&prefix)?));
    ids.into_iter().filter_map(advertisement).collect()
}

pub(super) fn body_of(prefix: Ipv4Net, route: &ExternalRoute) -> AsExternalLsa {
    AsExternalLsa {
        network_mask: prefix.netmask(),
        e2: route.e2,
        metric: route.metric.min(LS_INFINITY),
        forwarding_address: route.forwarding_address,
        tag: route.tag,
    }
}
