//! The routes to some networks again, where no path to a router has changed (RFC 2328 sections 16.5 and 16.6).
//!
//! Stub networks are leaves of the shortest path tree, summaries and external routes hang on its border routers: what
//! such an advertisement changes is looked at by itself, with the tree that the last full calculation has left.

use std::collections::{BTreeMap, BTreeSet};

use ipnet::Ipv4Net;

use crate::route::{Route, RouteChange, RouteTable};
use crate::types::{AreaId, RouterId};
use crate::wire::{LsType, LsaBody, LsaKey, RouterLsa};

use super::graph::{Graph, stub_prefix};
use super::intra::{self, AreaTree};
use super::{Input, Translatable, external, inter, merge_intra};

/// What a calculation of all routes leaves behind.
#[derive(Debug, Default)]
pub struct Trees {
    pub(super) areas: BTreeMap<AreaId, AreaTree>,
    /// Networks outside that are reached by a forwarding address.
    pub(super) forwarded: BTreeSet<Ipv4Net>,
    /// External routes of not-so-stubby areas that border routers may translate.
    pub(crate) translatable: BTreeMap<Ipv4Net, Translatable>,
}

/// The graphs of a former calculation, to calculate on.
#[derive(Debug, Default)]
pub(crate) struct Graphs(BTreeMap<AreaId, Graph>);

impl Graphs {
    /// Brings the graph of an area up to date: of each router-LSA and network-LSA that has changed since it was made the contents now,
    /// `None` for what is gone. Says whether there is one now; if not, the area has to be read as a whole.
    pub(crate) fn follow(
        &mut self,
        area: AreaId,
        router_id: RouterId,
        excluded: &BTreeSet<RouterId>,
        changes: &[(LsaKey, Option<&LsaBody>)],
    ) -> bool {
        let follows = self.0.get_mut(&area).is_some_and(|graph| graph.follow(router_id, excluded, changes));
        if !follows {
            self.0.remove(&area);
        }
        follows
    }

    pub(super) fn take(&mut self, area: AreaId) -> Option<Graph> {
        self.0.remove(&area)
    }
}

/// What has changed since the last calculation, if that is the routes to some networks only.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Affected {
    /// The networks.
    pub prefixes: BTreeSet<Ipv4Net>,
    /// Routers that announce other stub networks among these, or at other costs.
    pub routers: BTreeSet<(AreaId, RouterId)>,
    /// Whether routes inside the autonomous system may change, on which forwarding addresses depend.
    pub inside: bool,
}

impl Affected {
    /// What differs between two contents of an advertisement, `None` being one that is not there or not any more.
    /// `None` if more than the routes to some networks may depend on it: then everything has to be calculated.
    pub fn between(
        area: AreaId,
        router: RouterId,
        ls_type: LsType,
        id: std::net::Ipv4Addr,
        contents: [Option<&LsaBody>; 2],
    ) -> Option<Self> {
        let mut affected = Self { inside: !is_external(ls_type), ..Self::default() };
        match (ls_type, contents) {
            (LsType::AS_EXTERNAL | LsType::NSSA_EXTERNAL | LsType::SUMMARY_NETWORK, contents) => {
                for body in contents.into_iter().flatten() {
                    affected.prefixes.extend(match body {
                        LsaBody::AsExternal(external) => external.prefix(id),
                        LsaBody::Summary(summary) => summary.prefix(id),
                        _ => None,
                    });
                }
            }
            (LsType::ROUTER, [Some(LsaBody::Router(old)), Some(LsaBody::Router(new))]) => {
                affected.prefixes = changed_stubs(old, new)?;
                affected.routers.insert((area, router));
            }
            _ => return None,
        }
        Some(affected)
    }

    /// Adds what has changed as well.
    pub fn merge(&mut self, other: Self) {
        // One by one: `append` would walk through all that are there, for each advertisement of an exchange.
        self.prefixes.extend(other.prefixes);
        self.routers.extend(other.routers);
        self.inside |= other.inside;
    }
}

fn is_external(ls_type: LsType) -> bool {
    matches!(ls_type, LsType::AS_EXTERNAL | LsType::NSSA_EXTERNAL)
}

/// The stub networks that differ; `None` if anything else does.
fn changed_stubs(old: &RouterLsa, new: &RouterLsa) -> Option<BTreeSet<Ipv4Net>> {
    let others = |lsa: &RouterLsa| {
        lsa.links.iter().filter(|link| stub_prefix(link).is_none()).copied().collect::<Vec<_>>()
    };
    if old.flags != new.flags || others(old) != others(new) {
        return None;
    }
    let stubs = |lsa: &RouterLsa| -> BTreeSet<(Ipv4Net, u16)> {
        lsa.links.iter().filter_map(|link| Some((stub_prefix(link)?, link.metric))).collect()
    };
    Some(stubs(old).symmetric_difference(&stubs(new)).map(|(prefix, _)| *prefix).collect())
}

impl Trees {
    /// What of them a calculation of all routes can go on with.
    pub(crate) fn into_graphs(self) -> Graphs {
        Graphs(self.areas.into_iter().map(|(area, tree)| (area, tree.graph)).collect())
    }

    /// Forgets an area that is no more: another one of the same id may come.
    pub(crate) fn forget(&mut self, area: AreaId) {
        self.areas.remove(&area);
    }

    /// The networks whose routes have to be looked at again.
    pub fn networks(&self, affected: &Affected) -> BTreeSet<Ipv4Net> {
        let mut prefixes = affected.prefixes.clone();
        if affected.inside {
            prefixes.extend(&self.forwarded);
        }
        prefixes
    }

    /// Calculates the routes to the networks that [`Trees::networks`] has named, and puts them into the table. Returns
    /// what has changed, in the order of networks.
    ///
    /// Of the input only this has to be there: the router-LSAs of the affected routers, the summary-LSAs,
    /// AS-external-LSAs and type 7 LSAs about the networks, and all local prefixes. Not for an area border router with address ranges:
    /// what its ranges hold depends on all routes.
    pub fn recalculate(
        &mut self,
        input: &Input<'_>,
        affected: &Affected,
        prefixes: &BTreeSet<Ipv4Net>,
        table: &mut RouteTable,
    ) -> Vec<RouteChange> {
        self.take_stubs(input, affected);
        let before: Vec<(Ipv4Net, Option<Route>)> =
            prefixes.iter().map(|prefix| (*prefix, table.networks.remove(prefix))).collect();
        for area in &input.areas {
            let Some(tree) = self.areas.get(&area.area) else { continue };
            for (prefix, route) in
                intra::routes_to(prefixes, input.router_id, area, tree, input.maximum_paths)
            {
                merge_intra(&mut table.networks, prefix, route);
            }
        }
        inter::calculate(input, &BTreeMap::new(), table);
        self.forwarded.extend(external::calculate(input, table).forwarded);
        before.into_iter().filter_map(|(prefix, old)| change(prefix, old.as_ref(), table)).collect()
    }

    fn take_stubs(&mut self, input: &Input<'_>, affected: &Affected) {
        for area in &input.areas {
            let Some(tree) = self.areas.get_mut(&area.area) else { continue };
            for lsa in area.lsas.iter().filter(|lsa| lsa.header.key.ls_type == LsType::ROUTER) {
                let router = lsa.header.key.advertising_router;
                if affected.routers.contains(&(area.area, router))
                    && let Ok(LsaBody::Router(body)) = lsa.body()
                {
                    tree.graph.replace_stubs(router, &body, &affected.prefixes);
                }
            }
        }
    }
}

fn change(prefix: Ipv4Net, old: Option<&Route>, table: &RouteTable) -> Option<RouteChange> {
    match (old, table.networks.get(&prefix)) {
        (old, Some(new)) if old != Some(new) => Some(RouteChange::Install { prefix, route: new.clone() }),
        (Some(_), None) => Some(RouteChange::Withdraw { prefix }),
        _ => None,
    }
}
