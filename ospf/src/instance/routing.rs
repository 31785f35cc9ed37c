//! When routes are calculated, and what follows from them: changes for the caller, summaries, the role.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::Instance;
use crate::event::{Notification, Output};
use crate::interface::Interface;
use crate::lsdb::{Lsdb, Scope};
use crate::originate::interface_prefixes;
use crate::route::RouteTable;
use crate::spf::{self, Adjacency, AreaInput, LocalPrefix, TransitLink};
use crate::timer::TimerId;
use crate::types::{AreaId, Instant, InterfaceId, RouterId};
use crate::view::LsaIdView;
use crate::wire::{LsType, Lsa, LsaBody, LsaKey};

/// While databases are exchanged every packet brings a part of the truth: what advertisements change is then
/// calculated no more often than this, and once more when the exchange is over.
const PACE_DURING_EXCHANGE: Duration = Duration::from_millis(50);

/// Counters of the instance.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct InstanceStatistics {
    /// Instances of our own advertisements.
    pub(crate) originated_lsas: u64,
    /// New instances received.
    pub(crate) received_lsas: u64,
    /// The same by the name of their type.
    pub(crate) received_lsas_by_type: BTreeMap<&'static str, u64>,
    /// Calculations of routes.
    pub(crate) spf_runs: u64,
}

/// A calculation of routes that has been asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SpfRequest {
    /// When.
    at: Instant,
    /// By which advertisement's change, if by one.
    trigger: Option<(Scope, LsaKey)>,
    /// Whether something here has changed: an adjacency, an interface, the configuration.
    urgent: bool,
}

impl Instance {
    /// How often routes were calculated.
    pub fn spf_runs(&self) -> u64 {
        self.statistics.spf_runs
    }

    /// When the last calculation of routes was asked for: when the change came to be known that it follows. `None`
    /// before the first.
    pub fn last_spf_requested(&self) -> Option<Instant> {
        self.spf_log.last().map(|run| run.schedule_timestamp)
    }

    /// Asks for a calculation of routes: at the end of this call, or after the configured delay. The `trigger` is the
    /// advertisement that has changed, if it was one.
    pub(crate) fn request_spf(&mut self, now: Instant, trigger: Option<(Scope, LsaKey)>) {
        let request = self.spf_request.get_or_insert(SpfRequest { at: now, trigger, urgent: false });
        request.trigger = request.trigger.or(trigger);
        request.urgent |= trigger.is_none();
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
        let request = self.spf_request?;
        let delayed = request.at + self.config.spf_delay;
        let paced = match self.spf_log.last() {
            Some(last) if !request.urgent && self.is_any_neighbor_exchanging() => {
                last.start_timestamp + PACE_DURING_EXCHANGE
            }
            _ => now,
        };
        Some(delayed.max(paced))
    }

    /// Calculates all routes, reports what differs, and brings the summaries in line.
    fn calculate_routes(&mut self, now: Instant) {
        let Some(request) = self.spf_request.take() else { return };
        self.timers.cancel(TimerId::Spf);
        let routes = spf::calculate(&self.spf_input(now));
        for area in self.attached_areas() {
            if let Some(area) = self.areas.get_mut(&area) {
                area.spf_runs += 1;
            }
        }
        self.statistics.spf_runs += 1;
        let trigger = request.trigger.and_then(|(scope, name)| self.trigger_view(scope, &name));
        self.spf_log.push(request.at, now, trigger);
        let changes = RouteTable::diff(&self.routes, &routes);
        self.routes = routes;
        if !changes.is_empty() {
            self.outputs.push_back(Output::Routes(changes));
        }
        self.originate_summaries(now);
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
        spf::Input {
            router_id: self.config.router_id,
            area_border_router: self.is_area_border_router(),
            maximum_paths: self.config.maximum_paths,
            areas: self.attached_areas().into_iter().map(|area| self.area_input(now, area)).collect(),
            externals: match self
                .attached_areas()
                .iter()
                .any(|id| self.config.area_type(*id).takes_externals())
            {
                true => live(now, &self.as_scope.lsdb),
                false => Vec::new(),
            },
        }
    }

    fn area_input(&self, now: Instant, area: AreaId) -> AreaInput<'_> {
        let interfaces = || self.interfaces.iter().filter(move |(_, i)| i.config.area == area && i.is_up());
        AreaInput {
            area,
            lsas: self.area_lsas(now, area),
            adjacencies: interfaces().flat_map(|(id, i)| adjacencies(*id, i, &self.dead)).collect(),
            transits: interfaces().filter_map(|(id, i)| transit(*id, i)).collect(),
            local: interfaces().flat_map(|(id, i)| local_prefixes(*id, i)).collect(),
            excluded: &self.dead,
            ranges: self.config.areas.get(&area).map_or(&[], |area| &area.ranges),
        }
    }

    /// The advertisements of an area that are an input of routes. A stub area's border router does not follow the default
    /// route of another one: it announces one itself, whatever routes it has, so that packets would come back.
    fn area_lsas(&self, now: Instant, id: AreaId) -> Vec<&Lsa> {
        let Some(area) = self.areas.get(&id) else { return Vec::new() };
        let mut lsas = live(now, &area.lsdb);
        if self.is_area_border_router() && !self.config.area_type(id).takes_externals() {
            lsas.retain(|lsa| !is_default_summary(lsa));
        }
        lsas
    }

    fn trigger_view(&self, scope: Scope, name: &LsaKey) -> Option<LsaIdView> {
        let area = match scope {
            Scope::Area(area) => Some(area),
            Scope::As => None,
        };
        Some(LsaIdView::new(area, &self.lsdb(scope)?.get(name)?.lsa.header))
    }
}

/// The advertisements that are not being flushed.
fn live(now: Instant, lsdb: &Lsdb) -> Vec<&Lsa> {
    lsdb.iter().filter(|(_, entry)| !entry.is_max_age(now)).map(|(_, entry)| &entry.lsa).collect()
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
    // On a broadcast network the way to a neighbor is the way through the network.
    let full = interface.full_neighbors().filter(|_| !interface.is_broadcast());
    full.filter(|neighbor| !dead.contains(&neighbor.router_id)).map(move |neighbor| Adjacency {
        interface: id,
        neighbor: neighbor.router_id,
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
