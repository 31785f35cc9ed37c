//! An area's router-LSAs and network-LSAs as a graph of dense vertices and two-way edges.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

use crate::types::RouterId;
use crate::wire::{LinkType, LsType, Lsa, LsaBody, LsaKey, NetworkLsa, RouterFlags, RouterLink, RouterLsa};

use super::AreaInput;

/// The index of a vertex. Networks come before routers, so that ordering by index takes networks first
/// where section 16.1 step 3 asks for it.
pub(super) type Vertex = usize;

/// The graph, without the edges out of this router: those are the adjacencies.
#[derive(Debug)]
pub(super) struct Graph {
    networks: Vec<NetworkVertex>,
    routers: Vec<RouterVertex>,
    /// What each vertex says of its links, sorted by where they lead; of parallel ones the cheapest.
    links: Vec<Box<[Edge]>>,
    /// Addresses of routers on transit networks, sorted.
    attachments: Vec<Attachment>,
    /// Stub networks of all routers but this one, sorted.
    pub(super) stubs: Vec<Stub>,
    /// This router.
    pub(super) root: Vertex,
    /// Routers whose advertisements are left out.
    excluded: BTreeSet<RouterId>,
    /// Whether several routers announce one network, so that a router's links decide which of them counts.
    has_rivals: bool,
}

/// A transit network, named by the address of its designated router.
#[derive(Debug)]
pub(super) struct NetworkVertex {
    id: Ipv4Addr,
    pub(super) prefix: Option<Ipv4Net>,
}

/// A router.
#[derive(Debug)]
pub(super) struct RouterVertex {
    pub(super) id: RouterId,
    pub(super) flags: RouterFlags,
}

/// The cheapest link to a vertex.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Edge {
    to: u32,
    cost: u16,
    /// Section 16.1 step 2b: a link counts only if its other end has a link back.
    is_two_way: bool,
}

impl Edge {
    fn new(to: Vertex, cost: u16) -> Self {
        Self { to: to as u32, cost, is_two_way: false }
    }

    /// Where it leads.
    pub(super) fn to(&self) -> Vertex {
        self.to as Vertex
    }

    pub(super) fn cost(&self) -> u32 {
        u32::from(self.cost)
    }
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Attachment {
    network: Vertex,
    router: Vertex,
    address: Ipv4Addr,
}

/// A stub network of a router (section 16.1 step 6).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Stub {
    pub(super) prefix: Ipv4Net,
    pub(super) router: Vertex,
    pub(super) cost: u32,
}

impl Stub {
    /// `None` if the link is to something else, or has a mask with holes: that describes no network that a routing table
    /// can hold.
    fn new(router: Vertex, link: &RouterLink) -> Option<Self> {
        let prefix = stub_prefix(link)?;
        Some(Self { prefix, router, cost: u32::from(link.metric) })
    }
}

/// RFC 6860 section 2.3: the mask of a host says that the network is not to be reached.
fn advertised(id: Ipv4Addr, network: &NetworkLsa) -> Option<Ipv4Net> {
    network.prefix(id).filter(|prefix| prefix.prefix_len() < 32)
}

/// The network of a link to a stub network.
pub(super) fn stub_prefix(link: &RouterLink) -> Option<Ipv4Net> {
    let is_stub = link.link_type == LinkType::Stub;
    let prefix = is_stub.then(|| Ipv4Net::with_netmask(link.id, link.data).ok()).flatten();
    prefix.map(|prefix| prefix.trunc())
}

impl Graph {
    pub(super) fn new(router_id: RouterId, area: &AreaInput<'_>) -> Self {
        let (mut routers, mut networks) = parse(router_id, area);
        routers.sort_unstable_by_key(|(id, _)| *id);
        routers.dedup_by_key(|(id, _)| *id);
        let announced = networks.len();
        choose_networks(&mut networks, &routers);

        let mut graph = Self {
            networks: networks
                .iter()
                .map(|(id, _, network)| NetworkVertex { id: *id, prefix: advertised(*id, network) })
                .collect(),
            routers: routers
                .iter()
                .map(|(id, router)| RouterVertex { id: *id, flags: router.flags })
                .collect(),
            links: Vec::with_capacity(networks.len() + routers.len()),
            attachments: Vec::new(),
            stubs: Vec::new(),
            root: 0,
            excluded: area.excluded.clone(),
            has_rivals: networks.len() < announced,
        };
        graph.root = graph.router(router_id).unwrap_or_default();
        for (_, _, network) in &networks {
            let attached = network.attached_routers.iter().filter_map(|id| graph.router(*id));
            let links = cheapest(attached.map(|to| Edge::new(to, 0)).collect());
            graph.links.push(links);
        }
        let mut leaves = Leaves::default();
        for (from, (_, router)) in (networks.len()..).zip(&routers) {
            let links = graph.read_links(from, router, &mut leaves);
            graph.links.push(links);
        }
        leaves.attachments.sort_unstable();
        leaves.stubs.sort_unstable();
        (graph.stubs, graph.attachments) = (leaves.stubs, leaves.attachments);
        for vertex in 0..graph.len() {
            graph.look_back(vertex);
        }
        graph
    }

    /// Number of vertices.
    pub(super) fn len(&self) -> usize {
        self.networks.len() + self.routers.len()
    }

    /// The vertex of a router.
    pub(super) fn router(&self, id: RouterId) -> Option<Vertex> {
        let index = self.routers.binary_search_by_key(&id, |router| router.id).ok()?;
        Some(self.networks.len() + index)
    }

    /// The vertex of the transit network with this designated router.
    pub(super) fn network(&self, designated_router: Ipv4Addr) -> Option<Vertex> {
        self.networks.binary_search_by_key(&designated_router, |network| network.id).ok()
    }

    /// All routers.
    pub(super) fn routers(&self) -> impl Iterator<Item = (Vertex, &RouterVertex)> {
        (self.networks.len()..).zip(&self.routers)
    }

    /// All transit networks.
    pub(super) fn networks(&self) -> impl Iterator<Item = (Vertex, &NetworkVertex)> {
        self.networks.iter().enumerate()
    }

    /// The id of a router's vertex; `None` for networks.
    pub(super) fn router_id(&self, vertex: Vertex) -> Option<RouterId> {
        Some(self.routers.get(vertex.checked_sub(self.networks.len())?)?.id)
    }

    /// Edges out of a vertex, sorted by where they lead. The links of this router are its adjacencies, which its router-LSA may not
    /// show yet: edges from it are not taken from here, and an edge to it needs no link back.
    pub(super) fn edges(&self, vertex: Vertex) -> impl Iterator<Item = &Edge> {
        let links: &[Edge] = if vertex == self.root { &[] } else { &self.links[vertex] };
        links.iter().filter(|edge| edge.is_two_way)
    }

    /// Whether there is a two-way edge from one vertex to another.
    pub(super) fn has_edge(&self, from: Vertex, to: Vertex) -> bool {
        from != self.root && self.link(from, to).is_some_and(|edge| edge.is_two_way)
    }

    fn link(&self, from: Vertex, to: Vertex) -> Option<&Edge> {
        let links = &self.links[from];
        links.binary_search_by_key(&(to as u32), |edge| edge.to).ok().map(|at| &links[at])
    }

    fn link_mut(&mut self, from: Vertex, to: Vertex) -> Option<&mut Edge> {
        let links = &mut self.links[from];
        links.binary_search_by_key(&(to as u32), |edge| edge.to).ok().map(|at| &mut links[at])
    }

    /// The routers on a transit network with their addresses there.
    pub(super) fn attached(&self, network: Vertex) -> impl Iterator<Item = (Vertex, Ipv4Addr)> {
        let start = self.attachments.partition_point(|attachment| attachment.network < network);
        let all = self.attachments[start..].iter();
        all.take_while(move |attachment| attachment.network == network)
            .map(|attachment| (attachment.router, attachment.address))
    }

    /// The routers that have a stub network.
    pub(super) fn stubs_of(&self, prefix: Ipv4Net) -> &[Stub] {
        let start = self.stubs.partition_point(|stub| stub.prefix < prefix);
        let end = self.stubs.partition_point(|stub| stub.prefix <= prefix);
        &self.stubs[start..end]
    }

    /// Takes what a router says now about some of its stub networks. Nothing else of it has changed.
    pub(super) fn replace_stubs(&mut self, id: RouterId, lsa: &RouterLsa, prefixes: &BTreeSet<Ipv4Net>) {
        let Some(router) = self.router(id).filter(|router| *router != self.root) else { return };
        for prefix in prefixes {
            let start = self.stubs.partition_point(|stub| (stub.prefix, stub.router) < (*prefix, router));
            let end = self.stubs.partition_point(|stub| (stub.prefix, stub.router) <= (*prefix, router));
            self.stubs.drain(start..end);
        }
        for stub in lsa.links.iter().filter_map(|link| Stub::new(router, link)) {
            if prefixes.contains(&stub.prefix) {
                let at = self.stubs.partition_point(|other| *other < stub);
                self.stubs.insert(at, stub);
            }
        }
    }

    /// The links of a router to other vertices; its stub networks and addresses are added to the lists.
    fn read_links(&self, from: Vertex, router: &RouterLsa, leaves: &mut Leaves) -> Box<[Edge]> {
        let mut edges = Vec::with_capacity(router.links.len());
        for link in &router.links {
            match link.link_type {
                LinkType::PointToPoint | LinkType::Virtual => {
                    edges.extend(self.router(RouterId(link.id)).map(|to| Edge::new(to, link.metric)));
                }
                LinkType::Transit => {
                    let Some(network) = self.network(link.id) else { continue };
                    edges.push(Edge::new(network, link.metric));
                    leaves.attachments.push(Attachment { network, router: from, address: link.data });
                }
                LinkType::Stub => leaves.stubs.extend(Stub::new(from, link)),
            }
        }
        cheapest(edges)
    }

    /// Finds out which links of a vertex have a link back.
    fn look_back(&mut self, from: Vertex) {
        for place in 0..self.links[from].len() {
            let to = self.links[from][place].to();
            let is_two_way = to == self.root || self.link(to, from).is_some();
            self.links[from][place].is_two_way = is_two_way;
        }
    }

    /// Follows changes of advertisements: each with its contents now, `None` if it is gone. `false` if the graph has to be made anew:
    /// there is a new vertex, a network has changed, or it is more work than that.
    pub(super) fn follow(
        &mut self,
        router_id: RouterId,
        excluded: &BTreeSet<RouterId>,
        changes: &[(LsaKey, Option<&LsaBody>)],
    ) -> bool {
        let is_this = self.router_id(self.root) == Some(router_id) && self.excluded == *excluded;
        // Each change moves what is sorted.
        if !is_this || self.has_rivals || changes.len() > FEW + self.len() / WORTH_ALL {
            return false;
        }
        changes.iter().all(|(name, body)| {
            let router = name.advertising_router;
            let contents = match body {
                None => Some(RouterLsa::default()),
                Some(LsaBody::Router(contents)) => Some(contents.clone()),
                Some(_) => None,
            };
            match (name.ls_type, contents) {
                (LsType::ROUTER, _) if excluded.contains(&router) || name.id != router.0 => true,
                (LsType::ROUTER, Some(contents)) => self.replace_router(router, contents),
                _ => false,
            }
        })
    }

    /// Takes what a router says now in place of what it has said. `false` if it is new.
    fn replace_router(&mut self, id: RouterId, mut contents: RouterLsa) -> bool {
        let Some(router) = self.router(id) else { return false };
        if router == self.root {
            contents.links = only_transit(contents.links);
        }
        self.routers[router - self.networks.len()].flags = contents.flags;
        for former in std::mem::take(&mut self.links[router]) {
            if router != self.root
                && let Some(back) = self.link_mut(former.to(), router)
            {
                back.is_two_way = false;
            }
        }
        let mut leaves = Leaves::default();
        self.links[router] = self.read_links(router, &contents, &mut leaves);
        replace_of(&mut self.stubs, |stub| stub.router == router, leaves.stubs);
        replace_of(&mut self.attachments, |attachment| attachment.router == router, leaves.attachments);
        self.look_back(router);
        for place in 0..self.links[router].len() {
            let to = self.links[router][place].to();
            if let Some(back) = self.link_mut(to, router) {
                back.is_two_way = true;
            }
        }
        true
    }
}

/// The graph follows changes of fewer advertisements than one in this many of all, or of a few.
const WORTH_ALL: usize = 64;
const FEW: usize = 4;

/// What hangs on routers.
#[derive(Default)]
struct Leaves {
    stubs: Vec<Stub>,
    attachments: Vec<Attachment>,
}

/// Replaces those of a sorted list that are of one router, which are few.
fn replace_of<T: Ord>(all: &mut Vec<T>, is_of_router: impl Fn(&T) -> bool, mut new: Vec<T>) {
    new.sort_unstable();
    if all.iter().filter(|item| is_of_router(item)).eq(&new) {
        return;
    }
    all.retain(|item| !is_of_router(item));
    all.append(&mut new);
    // Not the unstable one: this one merges what is sorted already.
    all.sort();
}

/// Sorted by where they lead, of parallel links the cheapest.
fn cheapest(mut edges: Vec<Edge>) -> Box<[Edge]> {
    edges.sort_unstable();
    edges.dedup_by_key(|edge| edge.to);
    edges.into_boxed_slice()
}

type Router = (RouterId, RouterLsa);
type Network = (Ipv4Addr, RouterId, NetworkLsa);

/// Decodes the area's topology. This router is a vertex without links; excluded ones are none at all.
fn parse(router_id: RouterId, area: &AreaInput<'_>) -> (Vec<Router>, Vec<Network>) {
    let mut routers = vec![(router_id, RouterLsa::default())];
    let mut networks = Vec::new();
    for lsa in area.lsas.iter().filter(|lsa| is_topology(lsa)) {
        let key = lsa.header.key;
        if area.excluded.contains(&key.advertising_router) {
            continue;
        }
        match lsa.body() {
            Ok(LsaBody::Router(router)) if key.id == key.advertising_router.0 => {
                let own = key.advertising_router == router_id;
                // Own links to transit networks tell which of them this router is the designated router of.
                let links = router.links;
                let links = if own { only_transit(links) } else { links };
                let router = RouterLsa { flags: router.flags, links };
                if own {
                    routers[0].1 = router;
                } else {
                    routers.push((key.advertising_router, router));
                }
            }
            Ok(LsaBody::Network(network)) => networks.push((key.id, key.advertising_router, network)),
            _ => {}
        }
    }
    (routers, networks)
}

fn only_transit(links: Vec<RouterLink>) -> Vec<RouterLink> {
    links.into_iter().filter(|link| link.link_type == LinkType::Transit).collect()
}

fn is_topology(lsa: &Lsa) -> bool {
    matches!(lsa.header.key.ls_type, LsType::ROUTER | LsType::NETWORK) && !lsa.header.is_max_age()
}

/// Links name a network by its designated router's address only (section 16.1 step 2b). If two routers have
/// announced a network under one address, the one that has this address counts: the other is a leftover
/// of the address's previous owner. Sorted by address afterwards.
fn choose_networks(networks: &mut Vec<Network>, routers: &[Router]) {
    let owns = |id: Ipv4Addr, router: RouterId| {
        let index = routers.binary_search_by_key(&router, |(id, _)| *id);
        index.is_ok_and(|index| {
            let links = &routers[index].1.links;
            links.iter().any(|link| link.link_type == LinkType::Transit && link.id == id && link.data == id)
        })
    };
    networks.sort_by_key(|(id, router, _)| (*id, !owns(*id, *router), *router));
    networks.dedup_by_key(|(id, _, _)| *id);
}
