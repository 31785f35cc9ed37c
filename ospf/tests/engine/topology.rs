//! Calculations on a graph that follows what routers and networks say: the same routes as a router has that reads them all at once.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::Duration;

use isthmus_ospf::types::{MAX_AGE, RouterId};
use isthmus_ospf::view::RouteView;
use isthmus_ospf::wire::{
    LinkType, LsType, Lsa, LsaBody, LsaKey, NetworkLsa, Options, RouterFlags, RouterLink, RouterLsa,
    SummaryLsa,
};

use crate::bench::{Bench, OWN, PEER, router_key, seq};

/// Routers behind the neighbor. They have links to each other and to networks that one of them is the designated router of.
const ROUTERS: u32 = 7;
const NETWORKS: u32 = 2;

struct World {
    /// The state of a generator: the same numbers in every run.
    state: u64,
    /// Links between two routers, with what each end says of it; `None` if it says nothing.
    links: BTreeMap<(u32, u32), [Option<u16>; 2]>,
    /// The routers that have a link to a network, and those that its designated router lists.
    networks: BTreeMap<u32, (Vec<u32>, Vec<u32>)>,
    /// Cost of a stub network, bits of a router.
    stubs: BTreeMap<u32, (u16, RouterFlags)>,
    /// What was said last, and how often something was said.
    said: BTreeMap<LsaKey, LsaBody>,
    sequences: BTreeMap<LsaKey, i32>,
}

fn router(number: u32) -> RouterId {
    match number {
        0 => PEER,
        _ => RouterId(Ipv4Addr::from(u32::from(Ipv4Addr::new(10, 0, 1, 0)) + number)),
    }
}

/// Address of a router on a network; that of the first is the network's link state id.
fn address(network: u32, number: u32) -> Ipv4Addr {
    Ipv4Addr::new(10, 50, network as u8, number as u8 + 1)
}

impl World {
    fn new(seed: u64) -> Self {
        let mut world = Self {
            state: seed,
            links: BTreeMap::new(),
            networks: (0..NETWORKS).map(|network| (network, (vec![network], vec![network]))).collect(),
            stubs: BTreeMap::new(),
            said: BTreeMap::new(),
            sequences: BTreeMap::new(),
        };
        for number in 0..ROUTERS {
            world.links.insert((number, (number + 1) % ROUTERS), [Some(3), Some(3)]);
        }
        for _ in 0..20 {
            world.change();
        }
        world
    }

    fn below(&mut self, end: u32) -> u32 {
        self.state =
            self.state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.state >> 33) % u64::from(end)) as u32
    }

    /// Costs are few, so that many paths are equal. Now and then one end alone knows of a link.
    fn change(&mut self) {
        let (a, b) = (self.below(ROUTERS), self.below(ROUTERS));
        match self.below(4) {
            0 | 1 if a != b => {
                let ends = [self.below(4), self.below(4)].map(|cost| (cost > 0).then_some(cost as u16));
                self.links.insert((a.min(b), a.max(b)), ends);
            }
            2 => {
                let network = self.below(NETWORKS);
                let both = self.below(3);
                let (linked, listed) = self.networks.get_mut(&network).expect("a network");
                let turn = |members: &mut Vec<u32>| match members.iter().position(|member| *member == a) {
                    Some(place) if a != network => {
                        members.remove(place);
                    }
                    Some(_) => {}
                    None => members.push(a),
                };
                if both != 1 {
                    turn(linked);
                }
                if both != 2 {
                    turn(listed);
                }
            }
            _ => {
                let flags = [RouterFlags::empty(), RouterFlags::B, RouterFlags::B | RouterFlags::E];
                let flags = flags[self.below(3) as usize];
                let cost = self.below(3) as u16;
                self.stubs.insert(a, (cost, flags));
            }
        }
    }

    /// What everybody says now. A router without any link says nothing.
    fn says(&self) -> BTreeMap<LsaKey, LsaBody> {
        let mut says = BTreeMap::new();
        for number in 0..ROUTERS {
            let links = self.router_links(number);
            let (cost, flags) = self.stubs.get(&number).copied().unwrap_or((1, RouterFlags::empty()));
            if links.is_empty() {
                continue;
            }
            // One that all share, and one of its own.
            let stub = |third, cost| RouterLink {
                id: Ipv4Addr::new(192, 168, third, 0),
                data: Ipv4Addr::new(255, 255, 255, 0),
                link_type: LinkType::Stub,
                metric: cost,
            };
            let links = links.into_iter().chain([stub(200, cost), stub(number as u8, cost)]).collect();
            says.insert(router_key(router(number)), LsaBody::Router(RouterLsa { flags, links }));
            let summary = SummaryLsa { network_mask: Ipv4Addr::new(255, 255, 0, 0), metric: u32::from(cost) };
            let name = LsaKey {
                ls_type: LsType::SUMMARY_NETWORK,
                id: Ipv4Addr::new(172, 30, 0, 0),
                advertising_router: router(number),
            };
            says.insert(name, LsaBody::Summary(summary));
        }
        for (network, (_, listed)) in &self.networks {
            let attached_routers = listed.iter().map(|number| router(*number)).collect();
            let network_mask = Ipv4Addr::new(255, 255, 255, 0);
            let name = LsaKey {
                ls_type: LsType::NETWORK,
                id: address(*network, *network),
                advertising_router: router(*network),
            };
            says.insert(name, LsaBody::Network(NetworkLsa { network_mask, attached_routers }));
        }
        says
    }

    fn router_links(&self, number: u32) -> Vec<RouterLink> {
        let link = |link_type, id, data, metric| RouterLink { id, data, link_type, metric };
        let unnumbered = Ipv4Addr::new(0, 0, 0, 1);
        let to_us = (number == 0).then(|| link(LinkType::PointToPoint, OWN.0, unnumbered, 10));
        let between = self.links.iter().flat_map(|((a, b), [from_a, from_b])| {
            let one = from_a.filter(|_| *a == number).map(|cost| (*b, cost));
            let other = from_b.filter(|_| *b == number).map(|cost| (*a, cost));
            [one, other].into_iter().flatten()
        });
        let between =
            between.map(|(other, cost)| link(LinkType::PointToPoint, router(other).0, unnumbered, cost));
        let on = self.networks.iter().filter(|(_, (linked, _))| linked.contains(&number));
        let on = on.map(|(network, _)| {
            link(LinkType::Transit, address(*network, *network), address(*network, number), 2)
        });
        to_us.into_iter().chain(between).chain(on).collect()
    }

    /// Everything that is said otherwise than before, as instances to flood; with MaxAge what nobody says any more.
    fn instances(&mut self) -> Vec<Lsa> {
        let says = self.says();
        let mut instances = Vec::new();
        let names: Vec<LsaKey> = says.keys().chain(self.said.keys()).copied().collect();
        for name in names {
            let (body, age) = match (says.get(&name), self.said.get(&name)) {
                (Some(new), old) if old != Some(new) => (new, 1),
                (None, Some(old)) => (old, MAX_AGE),
                _ => continue,
            };
            let sequence = self.sequences.entry(name).or_insert(0);
            *sequence += 1;
            instances.push(Lsa::build(age, Options::E, name, seq(*sequence), body));
            match age {
                MAX_AGE => self.said.remove(&name),
                _ => self.said.insert(name, body.clone()),
            };
        }
        instances
    }
}

/// The routes of a router that learns all of this at once.
fn calculated_at_once(world: &World) -> Vec<RouteView> {
    let lsas: Vec<Lsa> =
        world.said.iter().map(|(name, body)| Lsa::build(1, Options::E, *name, seq(1), body)).collect();
    Bench::full(&lsas).engine.view_local_rib()
}

#[test]
fn a_graph_that_follows_changes_gives_the_routes_of_one_that_is_made_anew() {
    for seed in 0..12 {
        let mut world = World::new(seed);
        let first = world.instances();
        let mut bench = Bench::full(&first);
        assert_eq!(bench.engine.view_local_rib(), calculated_at_once(&world), "seed {seed}");
        for step in 0..60 {
            bench.advance_alive(Duration::from_secs(12));
            for _ in 0..=world.below(3) {
                world.change();
            }
            let changed = world.instances();
            if !changed.is_empty() {
                bench.update(&changed);
            }
            let expected = calculated_at_once(&world);
            assert_eq!(bench.engine.view_local_rib(), expected, "seed {seed}, step {step}: {changed:?}");
        }
    }
}
