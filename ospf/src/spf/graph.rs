//! An area's router-LSAs and network-LSAs as a graph of dense vertices and two-way edges.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

use crate::types::RouterId;
use crate::wire::{LinkType, LsType, Lsa, LsaBody, NetworkLsa, RouterFlags, RouterLink, RouterLsa};

use super::AreaInput;

/// The index of a vertex. Networks come before routers, so that ordering by index takes networks first
/// where section 16.1 step 3 asks for it.
pub(super) type Vertex = usize;

/// The graph, without the edges out of this router: those are the adjacencies.
#[derive(Debug)]
pub(super) struct Graph {
    networks: Vec<NetworkVertex>,
    routers: Vec<RouterVertex>,
    /// Where the edges of each vertex start in `edges`; one more entry than vertices.
    offsets: Vec<usize>,
    edges: Vec<Edge>,
    /// Addresses of routers on transit networks, sorted.
    attachments: Vec<Attachment>,
    /// Stub networks of all routers but this one, sorted.
    pub(super) stubs: Vec<Stub>,
    /// This router.
    pub(super) root: Vertex,
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

/// The cheapest link from one vertex to another that has a link back.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Edge {
    from: Vertex,
    pub(super) to: Vertex,
    pub(super) cost: u32,
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
            offsets: Vec::new(),
            edges: Vec::new(),
            attachments: Vec::new(),
            stubs: Vec::new(),
            root: 0,
        };
        graph.root = graph.router(router_id).unwrap_or_default();
        let edges = graph.one_way_edges(&routers, &networks);
        graph.keep_two_way_edges(edges);
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

    /// Edges out of a vertex, sorted by where they lead.
    pub(super) fn edges(&self, vertex: Vertex) -> &[Edge] {
        &self.edges[self.offsets[vertex]..self.offsets[vertex + 1]]
    }

    /// Whether there is a two-way edge from one vertex to another.
    pub(super) fn has_edge(&self, from: Vertex, to: Vertex) -> bool {
        self.edges(from).binary_search_by_key(&to, |edge| edge.to).is_ok()
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

    /// Links of all other routers and of the networks; collects stubs and addresses on the way.
    fn one_way_edges(&mut self, routers: &[Router], networks: &[Network]) -> Vec<Edge> {
        let mut edges = Vec::new();
        for (from, (_, router)) in (networks.len()..).zip(routers) {
            for link in &router.links {
                let cost = u32::from(link.metric);
                match link.link_type {
                    LinkType::PointToPoint | LinkType::Virtual => {
                        edges.extend(self.router(RouterId(link.id)).map(|to| Edge { from, to, cost }));
                    }
                    LinkType::Transit => {
                        let Some(network) = self.network(link.id) else { continue };
                        edges.push(Edge { from, to: network, cost });
                        self.attachments.push(Attachment { network, router: from, address: link.data });
                    }
                    LinkType::Stub => self.stubs.extend(Stub::new(from, link)),
                }
            }
        }
        for (from, (_, _, network)) in networks.iter().enumerate() {
            let attached = network.attached_routers.iter().filter_map(|id| self.router(*id));
            edges.extend(attached.map(|to| Edge { from, to, cost: 0 }));
        }
        self.attachments.sort_unstable();
        self.stubs.sort_unstable();
        edges
    }

    /// Section 16.1 step 2b: a link counts only if its other end has a link back. Of parallel links the
    /// cheapest is kept.
    fn keep_two_way_edges(&mut self, mut edges: Vec<Edge>) {
        edges.sort_unstable();
        edges.dedup_by_key(|edge| (edge.from, edge.to));
        let starts = |edges: &[Edge], vertices: usize| {
            let mut offsets = vec![0; vertices + 1];
            for edge in edges {
                offsets[edge.from + 1] += 1;
            }
            for vertex in 0..vertices {
                offsets[vertex + 1] += offsets[vertex];
            }
            offsets
        };
        let offsets = starts(&edges, self.len());
        let back = |edge: &Edge| {
            let links = &edges[offsets[edge.to]..offsets[edge.to + 1]];
            links.binary_search_by_key(&edge.from, |link| link.to).is_ok()
        };
        // The links of this router are its adjacencies, which its router-LSA may not show yet: an edge to
        // this router needs no link back, and edges from it are not taken from here.
        self.edges = edges
            .iter()
            .filter(|edge| edge.from != self.root && (edge.to == self.root || back(edge)))
            .copied()
            .collect();
        self.offsets = starts(&self.edges, self.len());
    }
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
