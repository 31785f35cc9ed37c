//! Snapshots of areas and routes for management.

use std::collections::BTreeSet;

use ipnet::Ipv4Net;

use crate::Instance;
use crate::abr::active_ranges;
use crate::config::AreaType;
use crate::instance::views::{checksum_sum, count};
use crate::route::{NextHop, PathType, Route, RouterRoute};
use crate::types::{AreaId, Instant, RouterId};
use crate::view::{
    AreaStatisticsView, AreaView, BorderRouterView, NextHopView, RangeView, RouteType, RouteView,
};

impl Instance {
    /// All areas, ordered by id.
    pub fn view_areas(&self, now: Instant) -> Vec<AreaView> {
        self.areas.keys().filter_map(|id| self.view_area(now, *id)).collect()
    }

    /// The routing table, ordered by prefix.
    pub fn view_local_rib(&self) -> Vec<RouteView> {
        let networks = self.routes.networks.iter();
        networks.map(|(prefix, route)| self.route_view(*prefix, route)).collect()
    }

    pub(super) fn route_view(&self, prefix: Ipv4Net, route: &Route) -> RouteView {
        RouteView {
            prefix,
            next_hops: self.next_hop_views(&route.next_hops),
            metric: route.metric(),
            route_type: match (route_type(route.path_type), route.area) {
                (RouteType::External1, Some(_)) => RouteType::Nssa1,
                (RouteType::External2, Some(_)) => RouteType::Nssa2,
                (route_type, _) => route_type,
            },
            area_id: route.area,
            route_tag: route.tag,
        }
    }

    /// The reachable area border routers and AS boundary routers, ordered by area and router id.
    pub fn view_border_routers(&self) -> Vec<BorderRouterView> {
        let routers = self.routes.routers.iter();
        routers
            .flat_map(|(area, routers)| routers.iter().map(move |(router, route)| (*area, *router, route)))
            .filter(|(_, _, route)| route.abr || route.asbr)
            .map(|(area, router, route)| self.border_router_view(area, router, route))
            .collect()
    }

    fn view_area(&self, now: Instant, id: AreaId) -> Option<AreaView> {
        let (area, config) = (self.areas.get(&id)?, self.config.areas.get(&id)?);
        let interfaces = || self.interfaces.values().filter(move |interface| interface.config.area == id);
        let active = active_ranges(id, &config.ranges, &self.routes);
        let active: BTreeSet<_> = active.into_iter().map(|active| active.range.prefix).collect();
        let border_routers = || self.routes.routers.get(&id).into_iter().flat_map(|routers| routers.values());
        let (area_type, summary, default_cost) = match self.config.area_type(id) {
            AreaType::Normal => ("normal-area", None, None),
            AreaType::Stub { default_cost, summary } => ("stub-area", Some(summary), Some(default_cost)),
            AreaType::Nssa(nssa) => {
                let has_default = nssa.default_route || !nssa.summary;
                ("nssa-area", Some(nssa.summary), has_default.then_some(nssa.default_cost))
            }
        };
        Some(AreaView {
            area_id: id,
            area_type: area_type.to_owned(),
            summary,
            default_cost,
            nssa_translator: self.config.area_type(id).nssa().map(|_| area.is_translated),
            interface_count: count(interfaces().count()),
            active_interface_count: count(interfaces().filter(|interface| interface.is_up()).count()),
            adjacency_count: count(interfaces().map(|interface| interface.full_neighbors().count()).sum()),
            ranges: config
                .ranges
                .iter()
                .map(|range| RangeView {
                    prefix: range.prefix,
                    advertise: range.advertise,
                    cost: range.cost,
                    active: active.contains(&range.prefix),
                })
                .collect(),
            statistics: AreaStatisticsView {
                spf_runs_count: area.spf_runs,
                abr_count: count(border_routers().filter(|route| route.abr).count()),
                asbr_count: count(border_routers().filter(|route| route.asbr).count()),
                area_scope_lsa_count: count(area.lsdb.len()),
                area_scope_lsa_cksum_sum: checksum_sum(now, &area.lsdb),
            },
        })
    }

    fn border_router_view(&self, area: AreaId, router: RouterId, route: &RouterRoute) -> BorderRouterView {
        BorderRouterView {
            router_id: router,
            abr: route.abr,
            asbr: route.asbr,
            route_type: route_type(route.path_type),
            area_id: area,
            metric: route.cost,
            next_hops: self.next_hop_views(&route.next_hops),
        }
    }

    fn next_hop_views(&self, next_hops: &[NextHop]) -> Vec<NextHopView> {
        let name = |hop: &NextHop| self.interfaces.get(&hop.interface).map(|i| i.config.name.clone());
        next_hops
            .iter()
            .map(|hop| NextHopView {
                outgoing_interface: name(hop).unwrap_or_default(),
                next_hop: hop.address,
                neighbor_router_id: Some(hop.router).filter(|router| *router != self.config.router_id),
            })
            .collect()
    }
}

fn route_type(path_type: PathType) -> RouteType {
    match path_type {
        PathType::IntraArea => RouteType::IntraArea,
        PathType::InterArea => RouteType::InterArea,
        PathType::Discard => RouteType::Discard,
        PathType::External1 => RouteType::External1,
        PathType::External2 => RouteType::External2,
    }
}
