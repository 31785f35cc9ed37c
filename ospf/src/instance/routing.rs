//! When routes are calculated, and what follows from them: changes for the caller, summaries, the role.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use ipnet::Ipv4Net;

use crate::Instance;
use crate::event::{Notification, Output};
use crate::interface::Interface;
use crate::lsdb::{Lsdb, Scope};
use crate::originate::interface_prefixes;
use crate::route::{RouteChange, RouteTable};
use crate::spf::{self, Adjacency, Affected, AreaInput, Graphs, LocalPrefix, TransitLink, Trees};
use crate::timer::TimerId;
use crate::types::{AreaId, Instant, InterfaceId, RouterId};
use crate::view::{LsaIdView, SpfType};
use crate::wire::{LsType, Lsa, LsaBody, LsaKey};

/// While databases are exchanged every packet brings a part of the truth: what advertisements change is then
/// calculated no more often than this, and once more when the exchange is over.
const PACE_DURING_EXCHANGE: Duration = Duration::from_millis(50);

/// The routes to some networks are calculated by themselves if they are fewer than one in this many of all, or few.
const WORTH_ALL: usize = 4;
const FEW: usize = 400;

/// Counters of the instance.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct InstanceStatistics {
    /// Instances of our own advertisements.
    pub(crate) originated_lsas: u64,
    /// New instances received.
    pub(crate) received_lsas: u64,
    /// The same by the name of their type.
    pub(crate) received_lsas_by_type: BTreeMap<&'static str, u64>,
    /// Calculations of all routes, with their shortest path trees.
    pub(crate) spf_runs: u64,
    /// Calculations of routes, of all or of some.
    pub(crate) route_calculations: u64,
}

/// A calculation of routes that has been asked for.
#[derive(Clone, Debug)]
pub(crate) struct SpfRequest {
    /// When.
    at: Instant,
    /// By which advertisement's change, if by one.
    trigger: Option<(Scope, LsaKey)>,
    /// How long it waits.
    delay: Duration,
    /// Whether something here has changed: an adjacency, an interface, the configuration.
    urgent: bool,
    /// What is to be calculated, unless it is everything.
    affected: Option<Affected>,
}

impl Instance {
    /// How often all routes were calculated, with their shortest path trees.
    pub fn spf_runs(&self) -> u64 {
        self.statistics.spf_runs
    }

    /// How often routes were calculated, all or some.
    pub fn route_calculations(&self) -> u64 {
        self.statistics.route_calculations
    }

    /// When the last calculation of routes was asked for: when the change came to be known that it follows. `None`
    /// before the first.
    pub fn last_spf_requested(&self) -> Option<Instant> {
        self.spf_log.last().map(|run| run.schedule_timestamp)
    }

    /// Asks for a calculation of all routes: at the end of this call, or after the delay that the back-off has. The `trigger` is the
    /// advertisement that has changed, if it was one.
    pub(crate) fn request_spf(&mut self, now: Instant, trigger: Option<(Scope, LsaKey)>) {
        self.request(now, trigger, None);
    }

    /// Asks for a calculation of the routes that an advertisement affects, or of all if that is `None`.
    pub(crate) fn request_routes(
        &mut self,
        now: Instant,
        trigger: (Scope, LsaKey),
        affected: Option<Affected>,
    ) {
        if let (Scope::Area(area), name) = trigger
            && matches!(name.ls_type, LsType::ROUTER | LsType::NETWORK)
        {
            self.topology_changes.entry(area).or_default().insert(name);
        }
        self.request(now, Some(trigger), affected);
    }

    fn request(&mut self, now: Instant, trigger: Option<(Scope, LsaKey)>, affected: Option<Affected>) {
        let delay = self.back_off.event(now, &self.config.spf_delay);
        let nothing =
            || SpfRequest { at: now, trigger, delay, urgent: false, affected: Some(Affected::default()) };
        let request = self.spf_request.get_or_insert_with(nothing);
        request.trigger = request.trigger.or(trigger);
        request.urgent |= trigger.is_none();
        if request.urgent {
            // Packets are lost until what changes here is known: it does not wait for the rest of the network (a deviation from
            // RFC 8405, which knows one kind of event).
            request.delay = request.delay.min(self.config.spf_delay.initial);
        }
        request.affected = match (request.affected.take(), affected) {
            (Some(mut before), Some(more)) => {
                before.merge(more);
                Some(before)
            }
            _ => None,
        };
    }

    /// What depends on an advertisement whose contents become `new`, `None` being that it is flushed; `None` if that may be
    /// every route.
    pub(crate) fn affected_by(
        &self,
        now: Instant,
        scope: Scope,
        name: &LsaKey,
        new: Option<&LsaBody>,
    ) -> Option<Affected> {
        let old = self.lsdb(scope)?.get(name);
        // The tree begins here, and is another one without a router.
        let is_router = name.ls_type == LsType::ROUTER;
        let is_own = name.advertising_router == self.config.router_id;
        if is_router && (is_own || old.is_none_or(|old| old.is_max_age(now))) {
            return None;
        }
        let area = match scope {
            Scope::Area(area) => area,
            // No route depends on what stays on a link.
            Scope::As | Scope::Link(_) => AreaId::BACKBONE,
        };
        let contents = [old.map(|entry| &entry.body), new];
        Affected::between(area, name.advertising_router, name.ls_type, name.id, contents)
    }

    /// Calculates routes if that is due, else sees to it that the timer wakes us when it is.
    pub(super) fn schedule_spf(&mut self, now: Instant) {
        let Some(at) = self.spf_due_at(now) else { return };
        if at <= now {
            self.calculate_routes(now);
        } else {
            self.timers.arm(TimerId::Spf, at);
        }
    }

    /// When routes are to be calculated, if that was asked for.
    pub(super) fn spf_due_at(&self, now: Instant) -> Option<Instant> {
        let request = self.spf_request.as_ref()?;
        let delayed = request.at + request.delay;
        let paced = match self.spf_log.last() {
            Some(last) if !request.urgent && self.is_any_neighbor_exchanging() => {
                last.start_timestamp + PACE_DURING_EXCHANGE
            }
            _ => now,
        };
        Some(delayed.max(paced))
    }

    /// Calculates routes, reports what differs, and brings the summaries in line.
    fn calculate_routes(&mut self, now: Instant) {
        let Some(request) = self.spf_request.take() else { return };
        self.timers.cancel(TimerId::Spf);
        self.statistics.route_calculations += 1;
        let some = request.affected.and_then(|affected| self.calculate_some(now, &affected));
        let (spf_type, changes) = some.unwrap_or_else(|| (SpfType::Full, self.calculate_all(now)));
        let trigger = request.trigger.and_then(|(scope, name)| self.trigger_view(scope, &name));
        self.spf_log.push(spf_type, request.at, now, trigger);
        if !changes.is_empty() {
            self.outputs.push_back(Output::Routes(changes));
        }
        self.follow_virtual_links(now);
        self.originate_summaries(now);
        self.follow_nssas(now);
    }

    fn calculate_all(&mut self, now: Instant) -> Vec<RouteChange> {
        let mut graphs = self.trees.take().map(Trees::into_graphs).unwrap_or_default();
        let topology_changes = std::mem::take(&mut self.topology_changes);
        let known: BTreeSet<AreaId> = self
            .attached_areas()
            .into_iter()
            .filter(|area| self.follow_topology(now, *area, topology_changes.get(area), &mut graphs))
            .collect();
        let (routes, trees) = spf::calculate_and_keep(&self.spf_input_without(now, &known), graphs);
        debug_assert!(
            known.is_empty() || self.is_time_over(now) || routes == spf::calculate(&self.spf_input(now))
        );
        for area in self.attached_areas() {
            if let Some(area) = self.areas.get_mut(&area) {
                area.spf_runs += 1;
            }
        }
        self.statistics.spf_runs += 1;
        let changes = RouteTable::diff(&self.routes, &routes);
        self.routes = routes;
        self.trees = Some(trees);
        changes
    }

    /// Has the graph of an area follow what has changed in it. Says whether there is one then.
    fn follow_topology(
        &self,
        now: Instant,
        area: AreaId,
        changed: Option<&BTreeSet<LsaKey>>,
        graphs: &mut Graphs,
    ) -> bool {
        let lsdb = self.areas.get(&area).map(|area| &area.lsdb);
        let contents = |name: &LsaKey| Some(&lsdb?.get(name).filter(|entry| !entry.is_max_age(now))?.body);
        let changes: Vec<_> = changed.into_iter().flatten().map(|name| (*name, contents(name))).collect();
        graphs.follow(area, self.config.router_id, &self.dead, &changes)
    }

    /// Whether something is due that is still to be done, as to flush an advertisement that has aged.
    fn is_time_over(&self, now: Instant) -> bool {
        self.timers.next().is_some_and(|at| at <= now)
    }

    /// Sections 16.5 and 16.6: calculates the routes to the networks that are affected. `None`: all have to be, since there
    /// are no trees yet, since that would be no less work, or since this is an area border router, whose ranges depend
    /// on all routes.
    fn calculate_some(&mut self, now: Instant, affected: &Affected) -> Option<(SpfType, Vec<RouteChange>)> {
        if self.is_area_border_router() {
            return None;
        }
        let prefixes = self.trees.as_ref()?.networks(affected);
        if prefixes.len() * WORTH_ALL > self.routes.networks.len() + FEW {
            return None;
        }
        let mut trees = self.trees.take()?;
        // Its stub networks are all that has changed, or everything would have to be calculated.
        self.topology_changes.clear();
        let mut routes = std::mem::take(&mut self.routes);
        let changes =
            trees.recalculate(&self.some_input(now, affected, &prefixes), affected, &prefixes, &mut routes);
        self.routes = routes;
        self.trees = Some(trees);
        debug_assert!(
            self.is_time_over(now) || self.routes == spf::calculate(&self.spf_input(now)),
            "{affected:?}"
        );
        let spf_type = match affected {
            Affected { routers, .. } if !routers.is_empty() => SpfType::Intra,
            Affected { inside: true, .. } => SpfType::Inter,
            Affected { .. } => SpfType::External,
        };
        Some((spf_type, changes))
    }

    /// The part of [`Self::spf_input`] that the routes to some networks depend on.
    fn some_input(&self, now: Instant, affected: &Affected, prefixes: &BTreeSet<Ipv4Net>) -> spf::Input<'_> {
        let areas = self.attached_areas().into_iter().map(|area| {
            let routers = affected.routers.iter().filter(|(of, _)| *of == area).map(|(_, router)| *router);
            let lsdb = self.areas.get(&area).map(|area| &area.lsdb);
            let routers = routers.filter_map(|router| {
                let key = LsaKey { ls_type: LsType::ROUTER, id: router.0, advertising_router: router };
                Some(&lsdb?.get(&key)?.lsa)
            });
            let summaries =
                lsdb.into_iter().flat_map(|lsdb| about(now, lsdb, LsType::SUMMARY_NETWORK, prefixes));
            let externals =
                lsdb.into_iter().flat_map(|lsdb| about(now, lsdb, LsType::NSSA_EXTERNAL, prefixes));
            let lsas = routers.chain(summaries).chain(externals).collect();
            AreaInput { lsas, ..self.area_frame(area) }
        });
        let takes_externals = self.takes_externals();
        let externals =
            takes_externals.then(|| about(now, &self.as_scope.lsdb, LsType::AS_EXTERNAL, prefixes));
        spf::Input {
            router_id: self.config.router_id,
            area_border_router: false,
            maximum_paths: self.config.maximum_paths,
            rules: self.config.route_rules,
            areas: areas.collect(),
            virtual_links: Vec::new(),
            externals: externals.into_iter().flatten().collect(),
        }
    }

    /// Announces a change of the role, and lets advertisements and routes follow it.
    pub(super) fn follow_role(&mut self, now: Instant) {
        let area_border_router = self.is_area_border_router();
        if std::mem::replace(&mut self.was_border_router, area_border_router) != area_border_router {
            self.outputs.push_back(Output::Notification(Notification::RoleChange { area_border_router }));
            self.pending.router_lsas.extend(self.areas.keys().copied());
            self.request_spf(now, None);
        }
    }

    /// The areas in which an interface is up.
    pub(crate) fn attached_areas(&self) -> BTreeSet<AreaId> {
        self.interfaces.values().filter(|interface| interface.is_up()).map(|i| i.config.area).collect()
    }

    pub(super) fn spf_input(&self, now: Instant) -> spf::Input<'_> {
        self.spf_input_without(now, &BTreeSet::new())
    }

    /// Everything that routes depend on but for the router-LSAs and network-LSAs of areas whose graph is `known`.
    fn spf_input_without(&self, now: Instant, known: &BTreeSet<AreaId>) -> spf::Input<'_> {
        let areas = self.attached_areas().into_iter();
        spf::Input {
            router_id: self.config.router_id,
            area_border_router: self.is_area_border_router(),
            maximum_paths: self.config.maximum_paths,
            rules: self.config.route_rules,
            areas: areas.map(|area| self.area_input(now, area, known.contains(&area))).collect(),
            virtual_links: self.full_virtual_links().collect(),
            externals: match self.takes_externals() {
                true => live(now, &self.as_scope.lsdb),
                false => Vec::new(),
            },
        }
    }

    /// Whether any area that this router is attached to takes AS-external advertisements.
    fn takes_externals(&self) -> bool {
        self.attached_areas().iter().any(|id| self.config.area_type(*id).takes_externals())
    }

    fn area_input(&self, now: Instant, area: AreaId, is_graph_known: bool) -> AreaInput<'_> {
        AreaInput { lsas: self.area_lsas(now, area, is_graph_known), ..self.area_frame(area) }
    }

    /// What routes depend on in an area beside its advertisements.
    fn area_frame(&self, area: AreaId) -> AreaInput<'_> {
        let interfaces = || self.interfaces.iter().filter(move |(_, i)| i.config.area == area && i.is_up());
        AreaInput {
            area,
            lsas: Vec::new(),
            adjacencies: interfaces().flat_map(|(id, i)| adjacencies(*id, i, &self.dead)).collect(),
            transits: interfaces().filter_map(|(id, i)| transit(*id, i)).collect(),
            local: interfaces().flat_map(|(id, i)| local_prefixes(*id, i)).collect(),
            excluded: &self.dead,
            ranges: self.config.areas.get(&area).map_or(&[], |area| &area.ranges),
            area_type: self.config.area_type(area),
            nssa_ranges: self.translated_ranges(area),
        }
    }

    /// The advertisements of an area that are an input of routes. A stub area's border router does not follow the default
    /// route of another one: it announces one itself, whatever routes it has, so that packets would come back.
    fn area_lsas(&self, now: Instant, id: AreaId, is_graph_known: bool) -> Vec<&Lsa> {
        let Some(area) = self.areas.get(&id) else { return Vec::new() };
        let first = if is_graph_known { LsType::SUMMARY_NETWORK } else { LsType::ROUTER };
        let mut lsas = live_from(now, &area.lsdb, first);
        if self.is_area_border_router() && !self.config.area_type(id).takes_externals() {
            lsas.retain(|lsa| !is_default_summary(lsa));
        }
        lsas
    }

    fn trigger_view(&self, scope: Scope, name: &LsaKey) -> Option<LsaIdView> {
        let area = match scope {
            Scope::Area(area) => Some(area),
            Scope::As | Scope::Link(_) => None,
        };
        Some(LsaIdView::new(area, &self.lsdb(scope)?.get(name)?.lsa.header))
    }
}

/// The advertisements that are not being flushed.
fn live(now: Instant, lsdb: &Lsdb) -> Vec<&Lsa> {
    live_from(now, lsdb, LsType::ROUTER)
}

/// Those of a type and of higher ones.
fn live_from(now: Instant, lsdb: &Lsdb, first: LsType) -> Vec<&Lsa> {
    lsdb.of_type_and_above(first)
        .filter(|(_, entry)| !entry.is_max_age(now))
        .map(|(_, entry)| &entry.lsa)
        .collect()
}

/// The advertisements of a type about some networks. Appendix E: bits of a host may be set in a link state id.
fn about<'a, 'b>(
    now: Instant,
    lsdb: &'a Lsdb,
    ls_type: LsType,
    prefixes: &'b BTreeSet<Ipv4Net>,
) -> impl Iterator<Item = &'a Lsa> + use<'a, 'b> {
    prefixes.iter().flat_map(move |prefix| {
        let candidates = lsdb.of_ids(ls_type, prefix.network()..=prefix.broadcast());
        let about = candidates.filter(move |(name, entry)| {
            let described = match &entry.body {
                LsaBody::AsExternal(external) => external.prefix(name.id),
                LsaBody::Summary(summary) => summary.prefix(name.id),
                _ => None,
            };
            described == Some(*prefix) && !entry.is_max_age(now)
        });
        about.map(|(_, entry)| &entry.lsa)
    })
}

fn is_default_summary(lsa: &Lsa) -> bool {
    let is_default =
        |body| matches!(body, LsaBody::Summary(summary) if summary.network_mask.is_unspecified());
    lsa.header.key.ls_type == LsType::SUMMARY_NETWORK && lsa.body().is_ok_and(is_default)
}

fn adjacencies(
    id: InterfaceId,
    interface: &Interface,
    dead: &BTreeSet<RouterId>,
) -> impl Iterator<Item = Adjacency> {
    // On a broadcast network the way to a neighbor is the way through the network, on a virtual link that through its
    // transit area.
    let full =
        interface.full_neighbors().filter(|_| !interface.has_designated_router() && !interface.is_virtual());
    full.filter(|neighbor| !dead.contains(&neighbor.router_id)).map(move |neighbor| Adjacency {
        interface: id,
        neighbor: neighbor.router_id,
        via: neighbor.router_id,
        address: interface.next_hop_of(neighbor),
        cost: interface.config.cost,
    })
}

/// The network that an interface has a designated router on.
fn transit(id: InterfaceId, interface: &Interface) -> Option<TransitLink> {
    let designated_router = interface.transit()?;
    Some(TransitLink { interface: id, designated_router, cost: interface.config.cost })
}

fn local_prefixes(id: InterfaceId, interface: &Interface) -> impl Iterator<Item = LocalPrefix> {
    interface_prefixes(interface).into_iter().map(move |(prefix, cost)| LocalPrefix {
        interface: id,
        prefix,
        cost,
    })
}
