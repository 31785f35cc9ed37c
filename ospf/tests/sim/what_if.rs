//! What is predicted of a change, and what then really happens.

use std::collections::BTreeMap;

use ipnet::Ipv4Net;
use isthmus_ospf::types::RouterId;
use isthmus_ospf::view::RouteView;
use isthmus_ospf::what_if::{Change, CostChange, LinkEnd, NodeDown, WhatIfError};

use crate::network::{BACKBONE, Network, NodeId, SegmentId, seconds, seeds};
use crate::random::Random;

type Table = BTreeMap<Ipv4Net, RouteView>;

/// Point-to-point links at random between routers in a ring, a LAN of some of them, and a network behind each.
struct Topology {
    network: Network,
    links: Vec<(NodeId, NodeId, SegmentId)>,
    lan: (SegmentId, Vec<NodeId>),
    random: Random,
}

impl Topology {
    fn new(seed: u64) -> Self {
        let mut random = Random::new(seed ^ 0x5eed);
        let mut network = Network::new(seed);
        let nodes = network.routers(4 + random.below(6) as usize);
        let mut links = Vec::new();
        for (index, &a) in nodes.iter().enumerate() {
            let b = nodes[(index + 1) % nodes.len()];
            links.push((a, b, network.link(a, b, BACKBONE, 1 + random.below(20) as u16)));
            network.stub(a, BACKBONE, &format!("172.20.{a}.0/24"), 1 + random.below(5) as u16);
        }
        for _ in 0..random.below(nodes.len() as u64) {
            let (a, b) =
                (random.below(nodes.len() as u64) as usize, random.below(nodes.len() as u64) as usize);
            let known = links.iter().any(|&(x, y, _)| (x, y) == (a, b) || (y, x) == (a, b));
            if a != b && !known {
                links.push((a, b, network.link(a, b, BACKBONE, 1 + random.below(20) as u16)));
            }
        }
        let members: Vec<NodeId> = nodes.iter().copied().take(3 + random.below(2) as usize).collect();
        let lan = network.lan(&members, BACKBONE, 3 + random.below(10) as u16);
        network.start_all();
        // Routes may be right before the LAN's last adjacency is, which other links then hide.
        network.run_for(seconds(60));
        network.converge(seconds(120));
        Self { network, links, lan: (lan, members), random }
    }

    fn below(&mut self, bound: usize) -> usize {
        self.random.below(bound as u64) as usize
    }

    fn id(&self, node: NodeId) -> RouterId {
        self.network.router_id(node)
    }

    fn lan_prefix(&mut self) -> Ipv4Net {
        let (segment, node) = (self.lan.0, self.lan.1[0]);
        self.network.interface_on(segment, node).address.trunc()
    }

    /// A change at random, and the deed that makes it true.
    fn draw(&mut self) -> (Change, Deed) {
        let (a, b, link) = self.links[self.random.below(self.links.len() as u64) as usize];
        let (router, neighbor) = (self.id(a), Some(self.id(b)));
        let cost = 1 + self.below(60) as u16;
        match self.below(5) {
            0 => {
                let node = self.below(self.network.nodes.len());
                (Change::NodeDown(NodeDown { router: self.id(node) }), Deed::Kill(node))
            }
            1 => (Change::LinkDown(LinkEnd { router, neighbor, network: None }), Deed::Cut(link)),
            2 => {
                let change = CostChange { router, neighbor, network: None, cost };
                (Change::Cost(change), Deed::Cost(a, link, cost))
            }
            3 => {
                let member = self.lan.1[self.random.below(self.lan.1.len() as u64) as usize];
                let (router, network) = (self.id(member), Some(self.lan_prefix()));
                let change = CostChange { router, neighbor: None, network, cost };
                (Change::Cost(change), Deed::Cost(member, self.lan.0, cost))
            }
            _ => {
                let member = self.lan.1[self.random.below(self.lan.1.len() as u64) as usize];
                let (router, network) = (self.id(member), Some(self.lan_prefix()));
                (
                    Change::LinkDown(LinkEnd { router, neighbor: None, network }),
                    Deed::Leave(member, self.lan.0),
                )
            }
        }
    }

    fn perform(&mut self, deed: Deed) {
        let network = &mut self.network;
        match deed {
            Deed::Kill(node) => network.kill(node),
            Deed::Cut(segment) => network.set_link(segment, false),
            Deed::Cost(node, segment, cost) => {
                let id = network.interface_id_on(segment, node);
                network.reconfigure(node, |config| {
                    config.interfaces.get_mut(&id).expect("an interface").cost = cost;
                });
            }
            Deed::Leave(node, segment) => {
                let id = network.interface_id_on(segment, node);
                network.remove_interface(node, id);
            }
        }
        network.run_for(seconds(60));
        network.converge(seconds(120));
    }

    /// The routing table of every router that runs.
    fn tables(&self) -> BTreeMap<NodeId, Table> {
        let table = |routes: Vec<RouteView>| routes.into_iter().map(|route| (route.prefix, route)).collect();
        self.network.alive().map(|(id, _, instance)| (id, table(instance.view_local_rib()))).collect()
    }

    /// What every router predicts that its table would be.
    fn predictions(&self, change: &Change) -> BTreeMap<NodeId, Table> {
        let mut tables = self.tables();
        tables.retain(|&node, table| {
            let instance = self.network.nodes[node].instance.as_ref().expect("it runs");
            let answer = match instance.what_if(self.network.now, std::slice::from_ref(change)) {
                Ok(answer) => answer,
                Err(WhatIfError::OwnRouter(router)) if router == self.id(node) => return false,
                Err(error) => panic!("{change:?} at {node}: {error}"),
            };
            for route in answer.route {
                assert_eq!(table.get(&route.prefix), route.before.as_ref());
                match route.after {
                    Some(after) => table.insert(route.prefix, after),
                    None => table.remove(&route.prefix),
                };
            }
            assert!(answer.unchanged as usize <= table.len());
            true
        });
        tables
    }
}

enum Deed {
    Kill(NodeId),
    Cut(SegmentId),
    Cost(NodeId, SegmentId, u16),
    Leave(NodeId, SegmentId),
}

#[test]
fn what_is_predicted_is_what_happens() {
    let mut changed = 0;
    for seed in seeds(40) {
        let mut topology = Topology::new(seed);
        let (change, deed) = topology.draw();
        let before = topology.tables();
        let predicted = topology.predictions(&change);
        assert_eq!(topology.tables(), before, "asking changes nothing");
        topology.perform(deed);
        let happened = topology.tables();
        for (node, table) in predicted {
            changed += usize::from(before[&node] != table);
            let wrong: Vec<_> = table
                .keys()
                .chain(happened[&node].keys())
                .filter(|prefix| table.get(prefix) != happened[&node].get(prefix))
                .map(|prefix| (table.get(prefix), happened[&node].get(prefix)))
                .collect();
            assert!(wrong.is_empty(), "seed {seed}, router {node}, {change:?}: predicted, real: {wrong:#?}");
        }
    }
    assert!(changed > 40, "{changed} tables would have changed");
}

#[test]
fn several_changes_at_once_are_predicted() {
    for seed in seeds(10) {
        let mut topology = Topology::new(seed);
        let (a, b, first) = topology.links[0];
        let (c, d, second) = topology.links[2];
        let down = |topology: &Topology, a, b| {
            let (router, neighbor) = (topology.id(a), Some(topology.id(b)));
            Change::LinkDown(LinkEnd { router, neighbor, network: None })
        };
        let changes = [down(&topology, a, b), down(&topology, c, d)];
        let instance = topology.network.nodes[a].instance.as_ref().expect("it runs");
        let answer = instance.what_if(topology.network.now, &changes).expect("an answer");
        topology.network.set_link(first, false);
        topology.perform(Deed::Cut(second));
        let table = &topology.tables()[&a];
        for route in answer.route {
            assert_eq!(table.get(&route.prefix), route.after.as_ref(), "seed {seed}");
        }
    }
}

#[test]
fn what_is_not_there_is_named_with_what_is() {
    let topology = Topology::new(1);
    let instance = topology.network.nodes[0].instance.as_ref().expect("it runs");
    let ask = |change: Change| instance.what_if(topology.network.now, &[change]).expect_err("refused");
    let (own, other, nobody) = (topology.id(0), topology.id(1), RouterId([9; 4].into()));
    let end = |router, neighbor, network| LinkEnd { router, neighbor, network };
    assert_eq!(instance.what_if(topology.network.now, &[]), Err(WhatIfError::Nothing));
    assert_eq!(ask(Change::NodeDown(NodeDown { router: own })), WhatIfError::OwnRouter(own));
    let unknown = ask(Change::NodeDown(NodeDown { router: nobody }));
    assert_eq!(unknown.to_string(), "no router 9.9.9.9 in the areas of this router: 0.0.0.0");
    let no_end = ask(Change::LinkDown(end(own, None, None)));
    assert_eq!(no_end, WhatIfError::NotOneEnd { router: own });
    let error = ask(Change::LinkDown(end(own, Some(nobody), None)));
    assert!(matches!(&error, WhatIfError::NoSuchNeighbor { has, .. } if has.contains(&other.0)), "{error}");
    let network = Some("198.51.100.0/24".parse().expect("a prefix"));
    let error = ask(Change::LinkDown(end(own, None, network)));
    assert!(matches!(&error, WhatIfError::NoSuchNetwork { has, .. } if has.len() == 1), "{error}");
    let cost = CostChange { router: own, neighbor: Some(other), network: None, cost: 0 };
    assert_eq!(ask(Change::Cost(cost)), WhatIfError::BadCost);
}
