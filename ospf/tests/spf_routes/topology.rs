//! Builds the database of an area and the view that one of its routers has of it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use isthmus_ospf::config::{AreaRange, AreaType, NssaRange, RouteRules};
use isthmus_ospf::route::{NextHop, Route, RouteTable};
use isthmus_ospf::spf::{self, Adjacency, AreaInput, Input, LocalPrefix, TransitLink};
use isthmus_ospf::types::{AreaId, InterfaceId, RouterId, SeqNum};
use isthmus_ospf::wire::{
    AsExternalLsa, LinkType, LsType, Lsa, LsaBody, LsaKey, NetworkLsa, Options, RouterFlags, RouterLink,
    RouterLsa, SummaryLsa,
};

/// Router `n` is 0.0.0.n.
pub(crate) fn rid(n: u32) -> RouterId {
    RouterId(Ipv4Addr::from(n))
}

pub(crate) fn area(n: u32) -> AreaId {
    AreaId(Ipv4Addr::from(n))
}

pub(crate) fn net(text: &str) -> Ipv4Net {
    text.parse().unwrap()
}

pub(crate) fn ip(text: &str) -> Ipv4Addr {
    text.parse().unwrap()
}

/// The address by which router `n` is seen over its neighbor's interface.
pub(crate) fn peer_address(neighbor: u32, interface: InterfaceId) -> Ipv4Addr {
    Ipv4Addr::from(0xac10_0000 | neighbor << 8 | interface.0 & 0xff)
}

/// The database of an area.
#[derive(Clone)]
pub(crate) struct Topology {
    pub(crate) area: AreaId,
    pub(crate) routers: BTreeMap<u32, RouterLsa>,
    pub(crate) others: Vec<Lsa>,
    pub(crate) excluded: BTreeSet<RouterId>,
    pub(crate) ranges: Vec<AreaRange>,
    pub(crate) area_type: AreaType,
    pub(crate) nssa_ranges: Vec<NssaRange>,
}

impl Topology {
    pub(crate) fn new(area_number: u32) -> Self {
        Self {
            area: area(area_number),
            routers: BTreeMap::new(),
            others: Vec::new(),
            excluded: BTreeSet::new(),
            ranges: Vec::new(),
            area_type: AreaType::Normal,
            nssa_ranges: Vec::new(),
        }
    }

    pub(crate) fn router(&mut self, n: u32) -> &mut RouterLsa {
        self.routers.entry(n).or_default()
    }

    pub(crate) fn flags(&mut self, n: u32, flags: RouterFlags) -> &mut Self {
        self.router(n).flags |= flags;
        self
    }

    /// A link in one direction only.
    pub(crate) fn half_link(&mut self, from: u32, to: u32, metric: u16) -> &mut Self {
        let data = Ipv4Addr::from(0x0a00_0000 | from << 8 | to);
        let link = RouterLink { id: rid(to).0, data, link_type: LinkType::PointToPoint, metric };
        self.router(from).links.push(link);
        self
    }

    pub(crate) fn link(&mut self, a: u32, b: u32, there: u16, back: u16) -> &mut Self {
        self.half_link(a, b, there).half_link(b, a, back)
    }

    pub(crate) fn stub(&mut self, n: u32, prefix: &str, metric: u16) -> &mut Self {
        let prefix = net(prefix);
        let link =
            RouterLink { id: prefix.addr(), data: prefix.netmask(), link_type: LinkType::Stub, metric };
        self.router(n).links.push(link);
        self
    }

    /// A transit network: (router, its address, its cost); the first is the designated router.
    pub(crate) fn transit(&mut self, prefix: &str, members: &[(u32, &str, u16)]) -> &mut Self {
        let designated = ip(members[0].1);
        for (n, address, metric) in members {
            let link = RouterLink {
                id: designated,
                data: ip(address),
                link_type: LinkType::Transit,
                metric: *metric,
            };
            self.router(*n).links.push(link);
        }
        let body = LsaBody::Network(NetworkLsa {
            network_mask: net(prefix).netmask(),
            attached_routers: members.iter().map(|(n, ..)| rid(*n)).collect(),
        });
        self.add(LsType::NETWORK, designated, members[0].0, &body)
    }

    pub(crate) fn summary(&mut self, from: u32, prefix: &str, metric: u32) -> &mut Self {
        let prefix = net(prefix);
        let body = LsaBody::Summary(SummaryLsa { network_mask: prefix.netmask(), metric });
        self.add(LsType::SUMMARY_NETWORK, prefix.addr(), from, &body)
    }

    pub(crate) fn boundary_summary(&mut self, from: u32, asbr: u32, metric: u32) -> &mut Self {
        let body = LsaBody::Summary(SummaryLsa { network_mask: Ipv4Addr::UNSPECIFIED, metric });
        self.add(LsType::SUMMARY_ASBR, rid(asbr).0, from, &body)
    }

    pub(crate) fn range(&mut self, prefix: &str, advertise: bool, cost: Option<u32>) -> &mut Self {
        self.ranges.push(AreaRange { prefix: net(prefix), advertise, cost });
        self
    }

    fn add(&mut self, ls_type: LsType, id: Ipv4Addr, from: u32, body: &LsaBody) -> &mut Self {
        self.others.push(lsa(ls_type, id, from, body));
        self
    }

    /// What router `root` knows and has.
    pub(crate) fn seen_by(&self, root: u32) -> Seen {
        let mut seen = Seen {
            topology: self.clone(),
            lsas: self.others.clone(),
            adjacencies: Vec::new(),
            transits: Vec::new(),
            local: Vec::new(),
        };
        for (n, router) in &self.routers {
            seen.lsas.push(lsa(LsType::ROUTER, rid(*n).0, *n, &LsaBody::Router(router.clone())));
        }
        let links = self.routers.get(&root).map_or(&[][..], |router| &router.links);
        let base = u32::from(self.area.0) * 100;
        for (interface, link) in (base + 1..).map(InterfaceId).zip(links) {
            match link.link_type {
                LinkType::PointToPoint | LinkType::Virtual => {
                    let neighbor = u32::from(link.id);
                    seen.adjacencies.push(Adjacency {
                        interface,
                        neighbor: rid(neighbor),
                        via: rid(neighbor),
                        address: peer_address(neighbor, interface),
                        cost: link.metric,
                    });
                }
                LinkType::Transit => seen.transits.push(TransitLink {
                    interface,
                    designated_router: link.id,
                    cost: link.metric,
                }),
                LinkType::Stub => seen.local.push(LocalPrefix {
                    interface,
                    prefix: Ipv4Net::with_netmask(link.id, link.data).unwrap(),
                    cost: link.metric,
                }),
            }
        }
        seen
    }

    /// The routes of a router whose only area this is.
    pub(crate) fn routes_of(&self, root: u32) -> RouteTable {
        calculate(root, &[&self.seen_by(root)], &[])
    }
}

/// One router's view of an area.
pub(crate) struct Seen {
    topology: Topology,
    pub(crate) lsas: Vec<Lsa>,
    pub(crate) adjacencies: Vec<Adjacency>,
    pub(crate) transits: Vec<TransitLink>,
    pub(crate) local: Vec<LocalPrefix>,
}

impl Seen {
    pub(crate) fn input(&self) -> AreaInput<'_> {
        AreaInput {
            area: self.topology.area,
            lsas: self.lsas.iter().collect(),
            adjacencies: self.adjacencies.clone(),
            transits: self.transits.clone(),
            local: self.local.clone(),
            excluded: &self.topology.excluded,
            ranges: &self.topology.ranges,
            area_type: self.topology.area_type,
            nssa_ranges: &self.topology.nssa_ranges,
        }
    }
}

/// Routes with at most 64 equal paths; a router with several areas is an area border router.
pub(crate) fn calculate(root: u32, areas: &[&Seen], externals: &[Lsa]) -> RouteTable {
    calculate_limited(root, areas, externals, 64)
}

pub(crate) fn calculate_limited(
    root: u32,
    areas: &[&Seen],
    externals: &[Lsa],
    maximum_paths: usize,
) -> RouteTable {
    spf::calculate(&Input {
        router_id: rid(root),
        area_border_router: areas.len() > 1,
        maximum_paths,
        rules: RouteRules::default(),
        virtual_links: Vec::new(),
        areas: areas.iter().map(|seen| seen.input()).collect(),
        externals: externals.iter().collect(),
    })
}

/// Routes by other rules than the default ones.
pub(crate) fn calculate_by(root: u32, areas: &[&Seen], externals: &[Lsa], rules: RouteRules) -> RouteTable {
    spf::calculate(&Input {
        router_id: rid(root),
        area_border_router: areas.len() > 1,
        maximum_paths: 64,
        rules,
        virtual_links: Vec::new(),
        areas: areas.iter().map(|seen| seen.input()).collect(),
        externals: externals.iter().collect(),
    })
}

pub(crate) fn lsa(ls_type: LsType, id: Ipv4Addr, from: u32, body: &LsaBody) -> Lsa {
    let key = LsaKey { ls_type, id, advertising_router: rid(from) };
    Lsa::build(1, Options::E, key, SeqNum::INITIAL, body)
}

pub(crate) fn external(from: u32, prefix: &str, e2: bool, metric: u32, forwarding: &str, tag: u32) -> Lsa {
    let prefix = net(prefix);
    let body = LsaBody::AsExternal(AsExternalLsa {
        network_mask: prefix.netmask(),
        e2,
        metric,
        forwarding_address: ip(forwarding),
        tag,
    });
    lsa(LsType::AS_EXTERNAL, prefix.addr(), from, &body)
}

/// The route to a network, which must exist.
pub(crate) fn route<'a>(table: &'a RouteTable, prefix: &str) -> &'a Route {
    table.networks.get(&net(prefix)).unwrap_or_else(|| panic!("no route to {prefix}"))
}

/// The next routers, as numbers.
pub(crate) fn hops(next_hops: &[NextHop]) -> Vec<u32> {
    next_hops.iter().map(|hop| u32::from(hop.router.0)).collect()
}

/// Interfaces of the next hops.
pub(crate) fn interfaces(next_hops: &[NextHop]) -> Vec<u32> {
    next_hops.iter().map(|hop| hop.interface.0).collect()
}
