//! Type 7 LSAs (RFC 3101 section 2.4), and whether this router translates those of others (section 3).

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::Duration;

use ipnet::Ipv4Net;

use crate::Instance;
use crate::config::{InstanceConfig, NssaConfig, NssaRange, TranslatorRole};
use crate::interface::Interface;
use crate::lsdb::Scope;
use crate::nssa::{is_elected, translations};
use crate::timer::TimerId;
use crate::types::{AreaId, Instant};
use crate::wire::{AsExternalLsa, LsType, LsaBody, LsaKey, Options};

use super::external::{body_of, named};

/// TranslatorStabilityInterval (appendix D): how long a translator goes on that is not elected any more.
const TRANSLATOR_STABILITY_INTERVAL: Duration = Duration::from_secs(40);

impl Instance {
    /// Whether this is a border router of a not-so-stubby area.
    pub(crate) fn is_nssa_border_router(&self) -> bool {
        let is_nssa = |area: &AreaId| self.config.area_type(*area).nssa().is_some();
        self.is_area_border_router() && self.attached_areas().iter().any(is_nssa)
    }

    /// Bit Nt (appendix B).
    pub(super) fn always_translates(&self, area: AreaId) -> bool {
        let role = self.config.area_type(area).nssa().map(|nssa| nssa.translator_role);
        role == Some(TranslatorRole::Always) && self.is_area_border_router()
    }

    /// What this router condenses external routes of an area into, as long as it translates them.
    pub(crate) fn translated_ranges(&self, area: AreaId) -> &[NssaRange] {
        let is_translated = self.areas.get(&area).is_some_and(|area| area.is_translated);
        let config = self.config.areas.get(&area).filter(|_| is_translated);
        config.map_or(&[], |config| &config.nssa_ranges)
    }

    /// Brings translation and type 7 advertisements in line with the routes.
    pub(crate) fn follow_nssas(&mut self, now: Instant) {
        let is_border = self.is_nssa_border_router();
        if std::mem::replace(&mut self.was_nssa_border, is_border) != is_border {
            // Bit E may have changed.
            self.pending.router_lsas.extend(self.areas.keys().copied());
        }
        let nssas = self.nssas();
        for (area, nssa) in &nssas {
            self.elect_translator(now, *area, *nssa);
        }
        if !nssas.is_empty() {
            self.originate_externals(now);
        }
    }

    fn nssas(&self) -> Vec<(AreaId, NssaConfig)> {
        let areas = self.areas.keys();
        areas.filter_map(|area| Some((*area, self.config.area_type(*area).nssa()?))).collect()
    }

    /// Section 3.1.
    fn elect_translator(&mut self, now: Instant, id: AreaId, nssa: NssaConfig) {
        let is_border = self.is_area_border_router() && self.attached_areas().contains(&id);
        let elected = is_border && is_elected(self.config.router_id, nssa.translator_role, id, &self.routes);
        let Some(area) = self.areas.get_mut(&id) else { return };
        let timer = TimerId::Translator(id);
        if is_border && !elected && area.is_translated {
            // Its translations stay until those of the other have surely arrived.
            self.timers.arm_no_later(timer, now + TRANSLATOR_STABILITY_INTERVAL);
            return;
        }
        self.timers.cancel(timer);
        let changed = std::mem::replace(&mut area.is_translated, elected) != elected;
        let has_ranges = self.config.areas.get(&id).is_some_and(|area| !area.nssa_ranges.is_empty());
        if changed && has_ranges {
            // What ranges stand for is discarded here, or not any more.
            self.request_spf(now, None);
        }
    }

    /// Another border router has translated for long enough.
    pub(crate) fn translator_timer(&mut self, now: Instant, id: AreaId) {
        if let Some(area) = self.areas.get_mut(&id) {
            area.is_translated = false;
            self.originate_externals(now);
            self.request_spf(now, None);
        }
    }

    /// What type 5 advertisements say of the external routes of the not-so-stubby areas that this router translates.
    pub(super) fn translations(&self) -> BTreeMap<Ipv4Net, AsExternalLsa> {
        let Some(trees) = &self.trees else { return BTreeMap::new() };
        let mut all = BTreeMap::new();
        for (id, _) in self.areas.iter().filter(|(_, area)| area.is_translated) {
            let routes = trees.translatable.iter().filter(|(_, route)| route.area == *id);
            all.extend(translations(
                self.translated_ranges(*id),
                routes.map(|(prefix, route)| (*prefix, route)),
            ));
        }
        all.retain(|prefix, body| !self.is_translated_elsewhere(*prefix, body));
        all
    }

    /// Section 3.2 step 2: whether a reachable router with a larger router id says the very same.
    fn is_translated_elsewhere(&self, prefix: Ipv4Net, body: &AsExternalLsa) -> bool {
        if body.forwarding_address.is_unspecified() {
            return false;
        }
        let takes = |area| self.config.area_type(area).takes_externals();
        let ids = prefix.network()..=prefix.broadcast();
        self.as_scope.lsdb.of_ids(LsType::AS_EXTERNAL, ids).any(|(name, entry)| {
            let same = |theirs: &AsExternalLsa| AsExternalLsa { tag: body.tag, ..*theirs } == *body;
            let rules = self.config.route_rules;
            let router = name.advertising_router;
            router > self.config.router_id
                && entry.lsa.header.age < crate::types::MAX_AGE
                && matches!(&entry.body, LsaBody::AsExternal(theirs) if same(theirs))
                && self.routes.boundary_router_through(router, rules, takes).is_some()
        })
    }

    /// Brings our type 7 advertisements in line with what is to be announced.
    pub(super) fn originate_nssa_externals(&mut self, now: Instant) {
        let attached = self.attached_areas();
        for id in self.areas.keys().copied().collect::<Vec<_>>() {
            let nssa = self.config.area_type(id).nssa();
            let (options, bodies) = nssa.map(|nssa| self.nssa_externals(id, nssa)).unwrap_or_default();
            let scope = Scope::Area(id);
            let advertisements = named(LsType::NSSA_EXTERNAL, self.config.router_id, &bodies);
            for name in self.own_advertisements(scope, &[LsType::NSSA_EXTERNAL]) {
                if !advertisements.contains_key(&name) {
                    self.withdraw(now, scope, name);
                }
            }
            // Without an interface there is no forwarding address yet.
            if attached.contains(&id) {
                for (name, body) in advertisements {
                    let is_default = body.network_mask.is_unspecified();
                    let options =
                        if is_default && self.announces_default(nssa) { Options::empty() } else { options };
                    self.originate(now, scope, name, options, LsaBody::AsExternal(body));
                }
            }
        }
    }

    /// What type 7 advertisements say in an area, and whether they have bit P (section 2.4): not if others know of the same from a
    /// type 5 advertisement of ours, and not without a forwarding address.
    fn nssa_externals(&self, area: AreaId, nssa: NssaConfig) -> (Options, BTreeMap<Ipv4Net, AsExternalLsa>) {
        let takes_externals = |area: &AreaId| self.config.area_type(*area).takes_externals();
        let announces_type_5 = self.attached_areas().iter().any(takes_externals);
        let address = self.forwarding_address(area).filter(|_| !announces_type_5);
        let body = |prefix: Ipv4Net, route| {
            let mut body = body_of(prefix, route);
            // Routers of the area follow no forwarding address that is elsewhere.
            if !self.is_in_area(area, body.forwarding_address) {
                body.forwarding_address = address.unwrap_or(Ipv4Addr::UNSPECIFIED);
            }
            (prefix, body)
        };
        let mut bodies: BTreeMap<_, _> =
            self.externals.iter().map(|(prefix, route)| body(*prefix, route)).collect();
        if self.announces_default(Some(nssa)) {
            bodies.insert(Ipv4Net::default(), default_route(nssa));
        }
        (if address.is_some() { Options::NP } else { Options::empty() }, bodies)
    }

    /// Section 2.7: a border router announces a default route in a type 7 advertisement where it announces summaries.
    fn announces_default(&self, nssa: Option<NssaConfig>) -> bool {
        nssa.is_some_and(|nssa| nssa.summary && nssa.default_route) && self.is_area_border_router()
    }

    /// Whether an address is on a network that we have in an area.
    fn is_in_area(&self, area: AreaId, address: Ipv4Addr) -> bool {
        let mut networks = self.interfaces.values().filter(|i| i.config.area == area && i.is_up());
        networks.any(|interface| !interface.config.unnumbered && interface.config.address.contains(&address))
    }

    /// Where packets for what we announce in a not-so-stubby area are to go (section 2.3): to an address of ours inside it, that of a
    /// host if there is one, since it is up as long as any interface is.
    fn forwarding_address(&self, area: AreaId) -> Option<Ipv4Addr> {
        let interfaces = || self.interfaces.values().filter(move |i| i.config.area == area && i.is_up());
        let hosts = interfaces().flat_map(|interface| &interface.config.stub_prefixes);
        let hosts = hosts.filter(|(prefix, _)| prefix.prefix_len() == 32).map(|(prefix, _)| prefix.addr());
        let is_numbered = |interface: &&Interface| !interface.config.unnumbered;
        let addresses = || interfaces().filter(is_numbered);
        let passive = addresses().filter(|interface| interface.config.passive).map(Interface::address);
        hosts.min().or(passive.min()).or(addresses().map(Interface::address).min())
    }

    /// Type 7 advertisements have no place in an area that is not a not-so-stubby one any more. Its adjacencies are down.
    pub(crate) fn forget_former_nssas(&mut self, previous: &InstanceConfig) {
        for (id, area) in &mut self.areas {
            let is_nssa = |config: &InstanceConfig| config.area_type(*id).nssa().is_some();
            if !is_nssa(previous) || is_nssa(&self.config) {
                continue;
            }
            let is_external = |name: &&LsaKey| name.ls_type == LsType::NSSA_EXTERNAL;
            let stored = area.lsdb.iter().map(|(name, _)| name);
            let names: Vec<_> = stored.chain(area.originations.keys()).filter(is_external).copied().collect();
            for name in names {
                area.lsdb.remove(&name);
                area.originations.remove(&name);
                self.timers.cancel(TimerId::LsaAge(Scope::Area(*id), name));
                self.timers.cancel(TimerId::Originate(Scope::Area(*id), name));
            }
            area.is_translated = false;
            self.timers.cancel(TimerId::Translator(*id));
        }
    }
}

/// Of type 1, so that the nearest border router is taken.
fn default_route(nssa: NssaConfig) -> AsExternalLsa {
    AsExternalLsa {
        network_mask: Ipv4Addr::UNSPECIFIED,
        e2: false,
        metric: nssa.default_cost,
        forwarding_address: Ipv4Addr::UNSPECIFIED,
        tag: 0,
    }
}
