//! The route calculation on a copy of what it depends on, with changes that are only supposed.
//!
//! The copy are the router- and network-LSAs of the attached areas and this router's own links; nothing of the instance
//! changes. What other areas would announce after the change is not known here and stays as it is announced now.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

use crate::Instance;
use crate::config::InterfaceType;
use crate::instance::views::count;
use crate::route::{Route, RouteTable};
use crate::spf::{self, AreaInput, Input};
use crate::types::{AreaId, Instant, InterfaceId, RouterId};
use crate::view::{RouteDifferenceView, RouteView, WhatIfView};
use crate::what_if::{Change, CostChange, LinkEnd, WhatIfError};
use crate::wire::{LinkType, LsType, Lsa, LsaBody, LsaKey, NetworkLsa, RouterLink, RouterLsa};

impl Instance {
    /// Which routes would be others if the network changed so.
    ///
    /// # Errors
    /// A change names something that is not there.
    pub fn what_if(&self, now: Instant, changes: &[Change]) -> Result<WhatIfView, WhatIfError> {
        if changes.is_empty() {
            return Err(WhatIfError::Nothing);
        }
        let input = self.spf_input(now);
        let before = spf::calculate(&input);
        let mut supposed = Supposed::new(self, &input);
        for change in changes {
            supposed.apply(change)?;
        }
        Ok(self.differences(&before, &supposed.calculate()))
    }

    fn differences(&self, before: &RouteTable, after: &RouteTable) -> WhatIfView {
        let prefixes: BTreeSet<Ipv4Net> =
            before.networks.keys().chain(after.networks.keys()).copied().collect();
        let all = prefixes.len();
        let view = |prefix: Ipv4Net, table: &RouteTable| -> Option<RouteView> {
            table.networks.get(&prefix).map(|route: &Route| self.route_view(prefix, route))
        };
        let differ =
            prefixes.into_iter().filter(|prefix| before.networks.get(prefix) != after.networks.get(prefix));
        let route: Vec<_> = differ
            .map(|prefix| RouteDifferenceView {
                prefix,
                before: view(prefix, before),
                after: view(prefix, after),
            })
            .collect();
        WhatIfView { unchanged: count(all - route.len()), route }
    }
}

/// The input of the calculation with the changes so far.
struct Supposed<'a> {
    instance: &'a Instance,
    input: &'a Input<'a>,
    routers: BTreeMap<(AreaId, RouterId), RouterLsa>,
    networks: BTreeMap<(AreaId, LsaKey), NetworkLsa>,
    gone: BTreeSet<RouterId>,
    /// Own interfaces that would be down.
    down: BTreeSet<InterfaceId>,
    /// Own adjacencies that would be gone.
    lost: BTreeSet<RouterId>,
    /// Own interfaces whose cost would be another.
    costs: BTreeMap<InterfaceId, u16>,
}

impl<'a> Supposed<'a> {
    fn new(instance: &'a Instance, input: &'a Input<'a>) -> Self {
        let mut supposed = Self {
            instance,
            input,
            routers: BTreeMap::new(),
            networks: BTreeMap::new(),
            gone: BTreeSet::new(),
            down: BTreeSet::new(),
            lost: BTreeSet::new(),
            costs: BTreeMap::new(),
        };
        for area in &input.areas {
            for lsa in &area.lsas {
                let key = lsa.header.key;
                match lsa.body() {
                    Ok(LsaBody::Router(body)) => {
                        supposed.routers.insert((area.area, key.advertising_router), body);
                    }
                    Ok(LsaBody::Network(body)) => {
                        supposed.networks.insert((area.area, key), body);
                    }
                    _ => {}
                }
            }
        }
        supposed
    }

    fn apply(&mut self, change: &Change) -> Result<(), WhatIfError> {
        match change {
            Change::NodeDown(node) => self.node_down(node.router),
            Change::LinkDown(end) => self.link_down(end),
            Change::Cost(change) => self.cost(change),
        }
    }

    fn node_down(&mut self, router: RouterId) -> Result<(), WhatIfError> {
        if router == self.instance.config.router_id {
            return Err(WhatIfError::OwnRouter(router));
        }
        self.known(router)?;
        self.gone.insert(router);
        // The network of a designated router that is gone lives on with the next one.
        let theirs: Vec<_> =
            self.networks.keys().filter(|(_, key)| key.advertising_router == router).copied().collect();
        for (area, key) in theirs {
            let Some(network) = self.networks.remove(&(area, key)) else { continue };
            let heir = network.attached_routers.iter().find(|other| !self.gone.contains(other));
            if let Some(&advertising_router) = heir {
                self.networks.insert((area, LsaKey { advertising_router, ..key }), network);
            }
        }
        Ok(())
    }

    fn link_down(&mut self, end: &LinkEnd) -> Result<(), WhatIfError> {
        let own = self.instance.config.router_id;
        match self.far_end(end)? {
            FarEnd::Neighbor(neighbor) => {
                let pair = [(end.router, neighbor), (neighbor, end.router)];
                self.remove_subnets_between(end.router, neighbor);
                for (router, other) in pair {
                    self.for_links(router, |link| !leads_to(link, other));
                    if router == own {
                        self.own_link_down(other);
                    }
                }
            }
            FarEnd::Network(ids) => {
                let attached =
                    |link: &RouterLink| link.link_type == LinkType::Transit && ids.contains(&link.id);
                self.for_links(end.router, |link| !attached(link));
                if end.router == own {
                    let transits = self.input.areas.iter().flat_map(|area| &area.transits);
                    let left = transits.filter(|transit| ids.contains(&transit.designated_router));
                    self.down.extend(left.map(|transit| transit.interface));
                }
            }
        }
        Ok(())
    }

    fn cost(&mut self, change: &CostChange) -> Result<(), WhatIfError> {
        if change.cost == 0 {
            return Err(WhatIfError::BadCost);
        }
        let end = change.end();
        let far = self.far_end(&end)?;
        let is_meant = |link: &RouterLink| match &far {
            FarEnd::Neighbor(neighbor) => leads_to(link, *neighbor),
            FarEnd::Network(ids) => link.link_type == LinkType::Transit && ids.contains(&link.id),
        };
        for ((_, router), lsa) in &mut self.routers {
            if *router == end.router {
                set_cost(lsa, is_meant, change.cost);
            }
        }
        if end.router == self.instance.config.router_id {
            let interfaces = self.input.areas.iter().flat_map(|area| match &far {
                FarEnd::Neighbor(neighbor) => area
                    .adjacencies
                    .iter()
                    .filter(|adjacency| adjacency.neighbor == *neighbor)
                    .map(|adjacency| adjacency.interface)
                    .collect::<Vec<_>>(),
                FarEnd::Network(ids) => area
                    .transits
                    .iter()
                    .filter(|transit| ids.contains(&transit.designated_router))
                    .map(|transit| transit.interface)
                    .collect(),
            });
            self.costs.extend(interfaces.map(|interface| (interface, change.cost)));
        }
        Ok(())
    }

    /// What the link leads to, if there is such a link.
    fn far_end(&self, end: &LinkEnd) -> Result<FarEnd, WhatIfError> {
        let router = end.router;
        self.known(router)?;
        let links =
            || self.routers.iter().filter(|((_, id), _)| *id == router).flat_map(|(_, lsa)| &lsa.links);
        match (end.neighbor, end.network) {
            (Some(neighbor), None) if links().any(|link| leads_to(link, neighbor)) => {
                Ok(FarEnd::Neighbor(neighbor))
            }
            (Some(neighbor), None) => {
                let to_routers = links().filter(|link| link.link_type == LinkType::PointToPoint);
                let has: BTreeSet<_> = to_routers.map(|link| link.id).collect();
                Err(WhatIfError::NoSuchNeighbor { router, neighbor, has: has.into_iter().collect() })
            }
            (None, Some(network)) => {
                let attached: BTreeSet<Ipv4Addr> =
                    links().filter(|link| link.link_type == LinkType::Transit).map(|link| link.id).collect();
                let known = self.networks.iter().filter(|((_, key), _)| attached.contains(&key.id));
                let prefixes: BTreeSet<_> =
                    known.filter_map(|((_, key), lsa)| Some((lsa.prefix(key.id)?, key.id))).collect();
                let named = prefixes.iter().filter(|(prefix, _)| *prefix == network.trunc());
                let ids: BTreeSet<_> = named.map(|(_, id)| *id).collect();
                if ids.is_empty() {
                    let has = prefixes.into_iter().map(|(prefix, _)| prefix).collect();
                    return Err(WhatIfError::NoSuchNetwork { router, network, has });
                }
                Ok(FarEnd::Network(ids))
            }
            _ => Err(WhatIfError::NotOneEnd { router }),
        }
    }

    fn known(&self, router: RouterId) -> Result<(), WhatIfError> {
        if !self.gone.contains(&router) && self.routers.keys().any(|(_, id)| *id == router) {
            return Ok(());
        }
        let areas = self.input.areas.iter().map(|area| area.area).collect();
        Err(WhatIfError::UnknownRouter { router, areas })
    }

    fn for_links(&mut self, router: RouterId, keep: impl Fn(&RouterLink) -> bool) {
        for ((_, id), lsa) in &mut self.routers {
            if *id == router {
                lsa.links.retain(&keep);
            }
        }
    }

    /// The subnet of a point-to-point link goes with it. A host is an end of a point-to-multipoint network, and stays.
    fn remove_subnets_between(&mut self, a: RouterId, b: RouterId) {
        let mut addresses = BTreeSet::new();
        for ((_, id), lsa) in &self.routers {
            let other = if *id == a { b } else { a };
            if *id == a || *id == b {
                addresses.extend(lsa.links.iter().filter(|link| leads_to(link, other)).map(|link| link.data));
            }
        }
        let is_subnet = |link: &RouterLink| {
            let prefix = Ipv4Net::with_netmask(link.id, link.data).ok();
            link.link_type == LinkType::Stub
                && prefix.is_some_and(|prefix| {
                    (1..32).contains(&prefix.prefix_len())
                        && addresses.iter().filter(|address| prefix.contains(*address)).count() > 1
                })
        };
        for router in [a, b] {
            self.for_links(router, |link| !is_subnet(link));
        }
    }

    /// An own point-to-point interface goes down with its link; a point-to-multipoint one stays up for others.
    fn own_link_down(&mut self, neighbor: RouterId) {
        self.lost.insert(neighbor);
        let adjacencies = self.input.areas.iter().flat_map(|area| &area.adjacencies);
        let interfaces = adjacencies.filter(|adjacency| adjacency.neighbor == neighbor);
        let configured = &self.instance.config.interfaces;
        self.down.extend(interfaces.map(|adjacency| adjacency.interface).filter(|id| {
            configured.get(id).is_some_and(|config| config.interface_type == InterfaceType::PointToPoint)
        }));
    }

    fn calculate(&self) -> RouteTable {
        let lsas: Vec<Vec<Lsa>> = self.input.areas.iter().map(|area| self.lsas(area)).collect();
        let mut excluded: BTreeSet<RouterId> = self.gone.clone();
        excluded.extend(self.instance.dead.iter().copied());
        let areas = self.input.areas.iter().zip(&lsas);
        let areas = areas.filter(|(area, _)| self.is_attached(area.area));
        let areas: Vec<AreaInput<'_>> =
            areas.map(|(area, lsas)| self.area_input(area, lsas, &excluded)).collect();
        let has_backbone = areas.iter().any(|area| area.area.is_backbone());
        spf::calculate(&Input {
            area_border_router: self.input.area_border_router && has_backbone && areas.len() > 1,
            areas,
            ..self.input.clone()
        })
    }

    fn is_attached(&self, area: AreaId) -> bool {
        let mut interfaces = self.instance.interfaces.iter();
        interfaces.any(|(id, interface)| {
            interface.config.area == area && interface.is_up() && !self.down.contains(id)
        })
    }

    fn area_input<'b>(
        &'b self,
        area: &AreaInput<'b>,
        lsas: &'b [Lsa],
        excluded: &'b BTreeSet<RouterId>,
    ) -> AreaInput<'b> {
        let mut supposed = AreaInput { lsas: lsas.iter().collect(), excluded, ..area.clone() };
        let cost = |interface: InterfaceId| self.costs.get(&interface).copied();
        supposed.adjacencies.retain(|adjacency| {
            !self.lost.contains(&adjacency.neighbor)
                && !self.gone.contains(&adjacency.neighbor)
                && !self.down.contains(&adjacency.interface)
        });
        supposed.transits.retain(|transit| !self.down.contains(&transit.interface));
        supposed.local.retain(|local| !self.down.contains(&local.interface));
        for adjacency in &mut supposed.adjacencies {
            adjacency.cost = cost(adjacency.interface).unwrap_or(adjacency.cost);
        }
        for transit in &mut supposed.transits {
            transit.cost = cost(transit.interface).unwrap_or(transit.cost);
        }
        for local in &mut supposed.local {
            let config = self.instance.config.interfaces.get(&local.interface);
            // What is announced beside the interface's own network keeps its own cost.
            let is_network = config.is_some_and(|config| local.prefix == config.address.trunc());
            if let Some(cost) = cost(local.interface).filter(|_| is_network) {
                local.cost = cost;
            }
        }
        supposed
    }

    /// The advertisements of an area as they would be.
    fn lsas(&self, area: &AreaInput<'_>) -> Vec<Lsa> {
        let others = area.lsas.iter().filter(|lsa| {
            !matches!(lsa.header.key.ls_type, LsType::ROUTER | LsType::NETWORK) || lsa.body().is_err()
        });
        let mut lsas: Vec<Lsa> = others.map(|lsa| (*lsa).clone()).collect();
        let names = area.lsas.iter().map(|lsa| ((lsa.header.key.ls_type, lsa.header.key.id), lsa.header));
        let headers: BTreeMap<_, _> = names.collect();
        let like = |key: LsaKey, body: &LsaBody| {
            headers
                .get(&(key.ls_type, key.id))
                .map(|header| Lsa::build(header.age, header.options, key, header.sequence, body))
        };
        for ((of, router), body) in &self.routers {
            if *of == area.area {
                let key = LsaKey { ls_type: LsType::ROUTER, id: router.0, advertising_router: *router };
                lsas.extend(like(key, &LsaBody::Router(body.clone())));
            }
        }
        for ((of, key), body) in &self.networks {
            if *of == area.area {
                lsas.extend(like(*key, &LsaBody::Network(body.clone())));
            }
        }
        lsas
    }
}

/// What a link leads to.
enum FarEnd {
    Neighbor(RouterId),
    /// The networks of that prefix, by the addresses of their designated routers.
    Network(BTreeSet<Ipv4Addr>),
}

fn leads_to(link: &RouterLink, neighbor: RouterId) -> bool {
    link.link_type == LinkType::PointToPoint && link.id == neighbor.0
}

/// The links that are meant get the cost, and the subnets that are announced with them at the same cost.
fn set_cost(lsa: &mut RouterLsa, is_meant: impl Fn(&RouterLink) -> bool, cost: u16) {
    let meant: Vec<RouterLink> = lsa.links.iter().filter(|link| is_meant(link)).copied().collect();
    for link in &mut lsa.links {
        let prefix = Ipv4Net::with_netmask(link.id, link.data).ok();
        let is_subnet = link.link_type == LinkType::Stub
            && prefix.is_some_and(|prefix| {
                (1..32).contains(&prefix.prefix_len())
                    && meant.iter().any(|of| of.metric == link.metric && prefix.contains(&of.data))
            });
        if is_meant(link) || is_subnet {
            link.metric = cost;
        }
    }
}
