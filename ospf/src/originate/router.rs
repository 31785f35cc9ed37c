//! Router-LSAs (RFC 2328 section 12.4.1).

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

use crate::Instance;
use crate::area::advertisement_options_of;
use crate::config::InterfaceType;
use crate::interface::Interface;
use crate::lsdb::Scope;
use crate::neighbor::Neighbor;
use crate::timer::TimerId;
use crate::types::{AreaId, Instant, InterfaceId};
use crate::wire::{LinkType, LsType, LsaBody, LsaKey, RouterFlags, RouterLink, RouterLsa};

/// MaxLinkMetric (RFC 6987 section 2): the dearest that a link can be.
const MAX_LINK_METRIC: u16 = u16::MAX;

impl Instance {
    /// Originates the router-LSA of an area if it should say something new.
    pub(crate) fn originate_router_lsa(&mut self, now: Instant, id: AreaId) {
        if !self.areas.get(&id).is_some_and(|area| area.router_lsa_started) {
            return;
        }
        let area_type = self.config.area_type(id);
        let body = LsaBody::Router(self.router_lsa(id));
        self.originate(
            now,
            Scope::Area(id),
            self.router_lsa_key(),
            advertisement_options_of(area_type),
            body,
        );
    }

    /// No neighbor has become Full in time.
    pub(crate) fn first_router_lsa_timer(&mut self, id: AreaId) {
        if let Some(area) = self.areas.get_mut(&id) {
            area.router_lsa_started = true;
            self.pending.router_lsas.insert(id);
            self.timers.cancel(TimerId::FirstRouterLsa(id));
        }
    }

    /// The name of our router-LSA, the same in every area.
    pub(crate) fn router_lsa_key(&self) -> LsaKey {
        let router = self.config.router_id;
        LsaKey { ls_type: LsType::ROUTER, id: router.0, advertising_router: router }
    }

    /// Section 3.3: whether we border: interfaces are up in the backbone and in another area.
    pub(crate) fn is_area_border_router(&self) -> bool {
        let is_up =
            |backbone| self.interfaces.values().any(|i| i.is_up() && i.config.area.is_backbone() == backbone);
        is_up(true) && is_up(false)
    }

    fn router_lsa(&self, area: AreaId) -> RouterLsa {
        let mut flags = RouterFlags::empty();
        flags.set(RouterFlags::B, self.is_area_border_router());
        flags.set(RouterFlags::E, self.is_as_boundary_router(area));
        // Section 12.4.1: an end of a virtual link that leads through the area.
        flags.set(RouterFlags::V, self.full_virtual_links().any(|link| link.transit_area == area));
        flags.set(RouterFlags::NT, self.always_translates(area));
        let interfaces = self.interfaces.iter().filter(|(_, i)| i.config.area == area && i.is_up());
        let mut links: Vec<_> = interfaces.flat_map(|(id, interface)| links(*id, interface)).collect();
        keep_cheapest_stubs(&mut links);
        if self.config.stub_router {
            // RFC 6987 section 2: what leads through, and not what ends here.
            let through = links.iter_mut().filter(|link| link.link_type != LinkType::Stub);
            through.for_each(|link| link.metric = MAX_LINK_METRIC);
        }
        RouterLsa { flags, links }
    }
}

/// The links that an interface which is up contributes: to its Full neighbors or its transit network, and to its
/// prefixes.
fn links(id: InterfaceId, interface: &Interface) -> Vec<RouterLink> {
    let config = &interface.config;
    // Section 12.4.1.1: the link data of an unnumbered interface is its MIB-II ifIndex.
    let data = if config.unnumbered { Ipv4Addr::from(id.0) } else { interface.address() };
    let to_neighbor = |neighbor: &Neighbor| RouterLink {
        id: neighbor.router_id.0,
        data,
        // Section 12.4.1.3.
        link_type: if interface.is_virtual() { LinkType::Virtual } else { LinkType::PointToPoint },
        metric: interface.cost(),
    };
    let stub = |(prefix, metric): (Ipv4Net, u16)| RouterLink {
        id: prefix.network(),
        data: prefix.netmask(),
        link_type: LinkType::Stub,
        metric,
    };
    // Section 12.4.1.2: without a designated router that speaks for it the network is a stub.
    if let Some(id) = interface.transit() {
        let to_network = RouterLink { id, data, link_type: LinkType::Transit, metric: config.cost };
        return std::iter::once(to_network).chain(further_prefixes(interface).map(stub)).collect();
    }
    let to_neighbors =
        interface.full_neighbors().filter(|_| !interface.has_designated_router()).map(to_neighbor);
    to_neighbors.chain(interface_prefixes(interface).into_iter().map(stub)).collect()
}

/// A prefix that several interfaces announce is announced once, at its lowest cost.
fn keep_cheapest_stubs(links: &mut Vec<RouterLink>) {
    let mut cheapest: BTreeMap<(Ipv4Addr, Ipv4Addr), u16> = BTreeMap::new();
    for link in links.iter().filter(|link| link.link_type == LinkType::Stub) {
        let cost = cheapest.entry((link.id, link.data)).or_insert(link.metric);
        *cost = link.metric.min(*cost);
    }
    links.retain(|link| {
        let prefix = (link.id, link.data);
        let is_cheapest = link.link_type != LinkType::Stub || cheapest.get(&prefix) == Some(&link.metric);
        if is_cheapest && link.link_type == LinkType::Stub {
            cheapest.remove(&prefix);
        }
        is_cheapest
    });
}

/// The prefixes of an interface which is up, with their costs.
pub(crate) fn interface_prefixes(interface: &Interface) -> Vec<(Ipv4Net, u16)> {
    network_prefix(interface).into_iter().chain(further_prefixes(interface)).collect()
}

/// What is announced with an interface beside its own network.
fn further_prefixes(interface: &Interface) -> impl Iterator<Item = (Ipv4Net, u16)> {
    interface.config.stub_prefixes.iter().map(|(prefix, cost)| (prefix.trunc(), *cost))
}

/// What an interface says of its own network.
fn network_prefix(interface: &Interface) -> Option<(Ipv4Net, u16)> {
    let config = &interface.config;
    match config.interface_type {
        // RFC 6860 section 2: nobody needs to reach what only routers are on. A passive interface has hosts.
        _ if config.prefix_suppression && !config.passive => None,
        InterfaceType::VirtualLink { .. } => None,
        InterfaceType::PointToPoint if config.unnumbered => None,
        // Section 12.4.1.4: the own address as a host.
        InterfaceType::PointToMultipoint if !config.passive => Some((Ipv4Net::from(interface.address()), 0)),
        // Section 12.4.1.1, option 2: the subnet is known. A passive interface has nothing but its subnet.
        InterfaceType::PointToPoint
        | InterfaceType::PointToMultipoint
        | InterfaceType::Broadcast
        | InterfaceType::NonBroadcast => Some((config.address.trunc(), config.cost)),
    }
}
