//! Router information (RFC 7770): what this router can do, and what people call it (RFC 5642).

use crate::Instance;
use crate::area::advertisement_options_of;
use crate::lsdb::Scope;
use crate::types::{AreaId, Instant, RouterId};
use crate::wire::opaque::{self, Capabilities, ROUTER_INFORMATION, RouterInformation};
use crate::wire::{LsType, LsaBody, LsaKey};

impl Instance {
    /// Originates the router information of an area, if the router has a name and has begun to speak there.
    pub(crate) fn originate_router_information(&mut self, now: Instant, id: AreaId) {
        let (scope, name) = (Scope::Area(id), router_information_key(self.config.router_id));
        let Some(area) = self.areas.get(&id) else { return };
        if self.config.hostname.is_none() {
            if area.originations.contains_key(&name) {
                self.withdraw(now, scope, name);
            }
            return;
        }
        if !area.router_lsa_started {
            return;
        }
        let mut capabilities = Capabilities::STUB_ROUTER;
        capabilities.set(Capabilities::GRACEFUL_RESTART_HELPER, self.config.graceful_restart.helper_enabled);
        let information =
            RouterInformation { capabilities: Some(capabilities), hostname: self.config.hostname.clone() };
        let options = advertisement_options_of(self.config.area_type(id));
        self.originate(now, scope, name, options, LsaBody::Opaque(information.encode()));
    }

    /// What people call a router, as it says itself in any of our areas.
    pub(crate) fn hostname_of(&self, now: Instant, router: RouterId) -> Option<String> {
        let name = router_information_key(router);
        self.areas.values().find_map(|area| {
            let entry = area.lsdb.get(&name).filter(|entry| !entry.is_max_age(now))?;
            let LsaBody::Opaque(body) = &entry.body else { return None };
            RouterInformation::decode(body).ok()?.hostname
        })
    }
}

/// The first instance of a router's information for an area: what fits it is said there (RFC 7770 section 2.1).
fn router_information_key(router: RouterId) -> LsaKey {
    let id = opaque::id(ROUTER_INFORMATION, 0);
    LsaKey { ls_type: LsType::OPAQUE_AREA, id, advertising_router: router }
}
