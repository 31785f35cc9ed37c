//! What the injector says about a network that does not exist: a grid of routers behind it, and networks outside.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use isthmus_ospf::types::{RouterId, SeqNum};
use isthmus_ospf::wire::{
    AsExternalLsa, LinkType, LsType, Lsa, LsaBody, LsaKey, Options, RouterFlags, RouterLink, RouterLsa,
};

use super::{INJECTOR_ADDRESS, INJECTOR_ID, NETWORK_MASK, ROUTER_ID};

/// The first router of the grid; the others count up.
const FIRST_ROUTER: u32 = u32::from_be_bytes([10, 100, 0, 0]);
/// The host that the first router of the grid is; the others count up.
const FIRST_HOST: u32 = u32::from_be_bytes([172, 16, 0, 0]);
/// The first network outside; the others follow, 256 addresses each.
const FIRST_OUTSIDE: u32 = u32::from_be_bytes([20, 0, 0, 0]);
/// This many routers of the grid share the networks outside.
const BOUNDARY_ROUTERS: u32 = 10;
/// Cost of a link of the grid, before what tells it from the others.
const LINK_COST: u16 = 10;

/// All advertisements in their newest instance.
pub(super) struct Database {
    routers: u32,
    width: u32,
    outside: u32,
    /// What differs from the beginning: the cost of each changed host, link (by its two ends) and network outside.
    hosts: BTreeMap<u32, u16>,
    links: BTreeMap<(u32, u32), u16>,
    networks: BTreeMap<u32, u32>,
    /// The cost from the injector into the grid.
    entry: u16,
    lsas: BTreeMap<LsaKey, Lsa>,
}

impl Database {
    /// A square grid of that many routers, and that many networks outside.
    pub(super) fn new(routers: u32, outside: u32) -> Self {
        let width = (1..).find(|width| width * width >= routers).unwrap_or(1);
        let mut database = Self {
            routers,
            width,
            outside,
            hosts: BTreeMap::new(),
            links: BTreeMap::new(),
            networks: BTreeMap::new(),
            entry: LINK_COST,
            lsas: BTreeMap::new(),
        };
        database.originate_injector();
        for router in 0..routers {
            database.originate_router(router);
        }
        for network in 0..outside {
            database.originate_outside(network);
        }
        database
    }

    /// All of them, by name.
    pub(super) fn lsas(&self) -> &BTreeMap<LsaKey, Lsa> {
        &self.lsas
    }

    /// Routes that a router calculates from it: hosts and networks outside.
    pub(super) fn routes(&self) -> u32 {
        self.routers + self.outside
    }

    /// Another cost of a router's host: nothing but a leaf of the tree.
    pub(super) fn change_host(&mut self, router: u32) -> Vec<LsaKey> {
        let router = router % self.routers;
        let cost = self.hosts.entry(router).or_insert(0);
        *cost = *cost % 100 + 1;
        vec![self.originate_router(router)]
    }

    /// Another cost of a link inside the grid, in both directions: two advertisements.
    pub(super) fn change_link(&mut self, router: u32) -> Vec<LsaKey> {
        let router = router % self.routers;
        let Some(other) = self.neighbors(router).into_iter().next() else { return Vec::new() };
        let ends = (router.min(other), router.max(other));
        let cost = self.link_cost(router, other);
        self.links.insert(ends, if cost > 2 * LINK_COST { LINK_COST } else { 3 * LINK_COST });
        vec![self.originate_router(router), self.originate_router(other)]
    }

    /// Another cost from the injector into the grid: every distance changes.
    pub(super) fn change_entry(&mut self) -> Vec<LsaKey> {
        self.entry = self.entry % 100 + 1;
        vec![self.originate_injector()]
    }

    /// Another metric of a network outside.
    pub(super) fn change_outside(&mut self, network: u32) -> Vec<LsaKey> {
        let network = network % self.outside.max(1);
        let metric = self.networks.entry(network).or_insert(20);
        *metric = *metric % 100 + 1;
        vec![self.originate_outside(network)]
    }

    fn originate_injector(&mut self) -> LsaKey {
        let point_to_point =
            |id, data, metric| RouterLink { id, data, link_type: LinkType::PointToPoint, metric };
        let network = Ipv4Addr::from(u32::from(INJECTOR_ADDRESS) & u32::from(NETWORK_MASK));
        let mut links = vec![
            point_to_point(ROUTER_ID, INJECTOR_ADDRESS, LINK_COST),
            RouterLink { id: network, data: NETWORK_MASK, link_type: LinkType::Stub, metric: LINK_COST },
        ];
        if self.routers > 0 {
            links.push(point_to_point(router_id(0), link_data(u32::MAX), self.entry));
        }
        self.originate(LsType::ROUTER, INJECTOR_ID, INJECTOR_ID, router_body(links, RouterFlags::empty()))
    }

    fn originate_router(&mut self, router: u32) -> LsaKey {
        let mut links: Vec<_> = self
            .neighbors(router)
            .into_iter()
            .map(|other| RouterLink {
                id: router_id(other),
                data: link_data(router),
                link_type: LinkType::PointToPoint,
                metric: self.link_cost(router, other),
            })
            .collect();
        if router == 0 {
            links.push(RouterLink {
                id: INJECTOR_ID,
                data: link_data(router),
                link_type: LinkType::PointToPoint,
                metric: LINK_COST,
            });
        }
        links.push(RouterLink {
            id: Ipv4Addr::from(FIRST_HOST + router),
            data: Ipv4Addr::BROADCAST,
            link_type: LinkType::Stub,
            metric: self.hosts.get(&router).copied().unwrap_or(0),
        });
        let is_boundary = self.outside > 0 && router < BOUNDARY_ROUTERS.min(self.routers);
        let flags = if is_boundary { RouterFlags::E } else { RouterFlags::empty() };
        self.originate(LsType::ROUTER, router_id(router), router_id(router), router_body(links, flags))
    }

    fn originate_outside(&mut self, network: u32) -> LsaKey {
        let body = LsaBody::AsExternal(AsExternalLsa {
            network_mask: Ipv4Addr::new(255, 255, 255, 0),
            e2: true,
            metric: self.networks.get(&network).copied().unwrap_or(20),
            forwarding_address: Ipv4Addr::UNSPECIFIED,
            tag: 0,
        });
        let boundary = router_id(network % BOUNDARY_ROUTERS.min(self.routers.max(1)));
        self.originate(LsType::AS_EXTERNAL, Ipv4Addr::from(FIRST_OUTSIDE + (network << 8)), boundary, body)
    }

    fn originate(&mut self, ls_type: LsType, id: Ipv4Addr, router: Ipv4Addr, body: LsaBody) -> LsaKey {
        let key = LsaKey { ls_type, id, advertising_router: RouterId(router) };
        let before = self.lsas.get(&key).map(|lsa| lsa.header.sequence);
        let sequence = before.map_or(SeqNum::INITIAL, |SeqNum(number)| SeqNum(number + 1));
        self.lsas.insert(key, Lsa::build(1, Options::E, key, sequence, &body));
        key
    }

    /// Those to the right, below, to the left and above.
    fn neighbors(&self, router: u32) -> Vec<u32> {
        let (row, column) = (router / self.width, router % self.width);
        let mut neighbors = Vec::with_capacity(4);
        if column + 1 < self.width {
            neighbors.push(router + 1);
        }
        neighbors.push(router + self.width);
        if column > 0 {
            neighbors.push(router - 1);
        }
        if row > 0 {
            neighbors.push(router - self.width);
        }
        neighbors.retain(|&other| other < self.routers);
        neighbors
    }

    /// Links cost differently, so that few paths are equal: as between routers that are not a chessboard.
    fn link_cost(&self, router: u32, other: u32) -> u16 {
        let ends = (router.min(other), router.max(other));
        let scattered = ends.0.wrapping_mul(2_654_435_761).wrapping_add(ends.1.wrapping_mul(40_503)) >> 16;
        let usual = LINK_COST + (scattered % 8) as u16;
        self.links.get(&ends).copied().unwrap_or(usual)
    }
}

fn router_body(links: Vec<RouterLink>, flags: RouterFlags) -> LsaBody {
    LsaBody::Router(RouterLsa { flags, links })
}

fn router_id(router: u32) -> Ipv4Addr {
    Ipv4Addr::from(FIRST_ROUTER + router)
}

/// Unnumbered: an interface's number instead of an address.
fn link_data(router: u32) -> Ipv4Addr {
    Ipv4Addr::from(router & 0xff | 1)
}
