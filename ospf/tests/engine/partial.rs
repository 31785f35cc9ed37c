//! Calculations of the routes that an advertisement affects (RFC 2328 sections 16.5 and 16.6): the same routes as a router
//! has that calculates them all, without a shortest path tree.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::Duration;

use isthmus_ospf::types::{LS_INFINITY, MAX_AGE, RouterId};
use isthmus_ospf::view::{RouteView, SpfType};
use isthmus_ospf::wire::{
    AsExternalLsa, LinkType, LsType, Lsa, LsaBody, LsaKey, Options, RouterFlags, RouterLink, RouterLsa,
    SummaryLsa,
};

use crate::bench::{Bench, OWN, PEER, seq};

/// The neighbor has a link to each of these, and announces networks outside itself.
const BEHIND: [RouterId; 3] = [
    RouterId(Ipv4Addr::new(10, 0, 1, 1)),
    RouterId(Ipv4Addr::new(10, 0, 1, 2)),
    RouterId(Ipv4Addr::new(10, 0, 1, 3)),
];

/// Numbers that look random and are the same in every run.
struct Draw(u64);

impl Draw {
    fn below(&mut self, end: u32) -> u32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) % u64::from(end)) as u32
    }
}

/// What the routers of the area say.
struct World {
    draw: Draw,
    bodies: BTreeMap<LsaKey, LsaBody>,
    sequences: BTreeMap<LsaKey, i32>,
}

fn key(ls_type: LsType, id: Ipv4Addr, advertising_router: RouterId) -> LsaKey {
    LsaKey { ls_type, id, advertising_router }
}

fn point_to_point(to: RouterId, metric: u16) -> RouterLink {
    RouterLink { id: to.0, data: Ipv4Addr::new(0, 0, 0, 1), link_type: LinkType::PointToPoint, metric }
}

impl World {
    fn new(seed: u64) -> Self {
        let mut world = Self { draw: Draw(seed), bodies: BTreeMap::new(), sequences: BTreeMap::new() };
        let mut links = vec![point_to_point(OWN, 10)];
        links.extend(BEHIND.map(|router| point_to_point(router, 10)));
        let flags = RouterFlags::B | RouterFlags::E;
        world.set(key(LsType::ROUTER, PEER.0, PEER), LsaBody::Router(RouterLsa { flags, links }));
        for router in BEHIND {
            let links = vec![point_to_point(PEER, 10)];
            world.set(key(LsType::ROUTER, router.0, router), LsaBody::Router(RouterLsa { flags, links }));
        }
        for _ in 0..30 {
            world.change();
        }
        world
    }

    fn set(&mut self, key: LsaKey, body: LsaBody) -> LsaKey {
        self.bodies.insert(key, body);
        key
    }

    /// Something else than a link changes. Networks are few, so that routers, summaries and the outside compete for them.
    fn change(&mut self) -> LsaKey {
        let network = Ipv4Addr::new(192, 168, self.draw.below(6) as u8, 0);
        let mask = Ipv4Addr::new(255, 255, [255, 255, 254][self.draw.below(3) as usize], 0);
        let router = BEHIND[self.draw.below(3) as usize];
        let metric = 1 + self.draw.below(4);
        match self.draw.below(3) {
            0 => self.change_stub(router, network, metric as u16),
            1 => {
                let metric = if self.draw.below(5) == 0 { LS_INFINITY } else { metric };
                let summary = SummaryLsa { network_mask: mask, metric };
                self.set(key(LsType::SUMMARY_NETWORK, network, router), LsaBody::Summary(summary))
            }
            _ => {
                // Through a network that may be inside, outside or nowhere.
                let through = Ipv4Addr::new(192, 168, self.draw.below(6) as u8, 9);
                let external = AsExternalLsa {
                    network_mask: mask,
                    e2: self.draw.below(2) == 0,
                    metric,
                    forwarding_address: [Ipv4Addr::UNSPECIFIED, through][self.draw.below(2) as usize],
                    tag: self.draw.below(2),
                };
                self.set(key(LsType::AS_EXTERNAL, network, router), LsaBody::AsExternal(external))
            }
        }
    }

    fn change_stub(&mut self, router: RouterId, network: Ipv4Addr, metric: u16) -> LsaKey {
        let key = key(LsType::ROUTER, router.0, router);
        let Some(LsaBody::Router(lsa)) = self.bodies.get_mut(&key) else { panic!("no router {router}") };
        let before = lsa.links.len();
        lsa.links.retain(|link| link.id != network);
        if lsa.links.len() == before {
            let data = Ipv4Addr::new(255, 255, 255, 0);
            lsa.links.push(RouterLink { id: network, data, link_type: LinkType::Stub, metric });
        }
        key
    }

    fn instance(&mut self, key: LsaKey, age: u16) -> Lsa {
        let sequence = self.sequences.entry(key).or_insert(0);
        *sequence += 1;
        Lsa::build(age, Options::E, key, seq(*sequence), &self.bodies[&key])
    }

    fn all(&mut self) -> Vec<Lsa> {
        let keys: Vec<_> = self.bodies.keys().copied().collect();
        keys.into_iter().map(|key| self.instance(key, 1)).collect()
    }
}

/// The routes of a router that learns all of this at once.
fn calculated_at_once(world: &World) -> Vec<RouteView> {
    let lsas: Vec<Lsa> =
        world.bodies.iter().map(|(key, body)| Lsa::build(1, Options::E, *key, seq(1), body)).collect();
    Bench::full(&lsas).engine.view_local_rib()
}

#[test]
fn the_affected_routes_are_those_that_a_whole_calculation_gives() {
    for seed in 0..8 {
        let mut world = World::new(seed);
        let mut bench = Bench::full(&world.all());
        assert_eq!(bench.engine.view_local_rib(), calculated_at_once(&world), "seed {seed}");
        for step in 0..60 {
            bench.advance_alive(Duration::from_secs(2));
            let runs = bench.engine.spf_runs();
            let changed = world.change();
            // Now and then it goes for good.
            let is_router = changed.ls_type == LsType::ROUTER;
            let age = if !is_router && world.draw.below(4) == 0 { MAX_AGE } else { 1 };
            let lsa = world.instance(changed, age);
            if age == MAX_AGE {
                world.bodies.remove(&changed);
            }
            bench.update(&[lsa]);
            let expected = calculated_at_once(&world);
            assert_eq!(bench.engine.view_local_rib(), expected, "seed {seed}, step {step}: {changed:?}");
            assert_eq!(bench.engine.spf_runs(), runs, "seed {seed}, step {step}: no shortest path tree");
        }
    }
}

#[test]
fn the_log_says_what_was_calculated() {
    let mut world = World::new(1);
    let mut bench = Bench::full(&world.all());
    let outside = Ipv4Addr::new(198, 51, 100, 0);
    let mask = Ipv4Addr::new(255, 255, 255, 0);
    let external = AsExternalLsa {
        network_mask: mask,
        e2: true,
        metric: 1,
        forwarding_address: Ipv4Addr::UNSPECIFIED,
        tag: 0,
    };
    let summary = SummaryLsa { network_mask: mask, metric: 1 };
    let last = |bench: &Bench| bench.engine.view_spf_log().last().map(|run| run.spf_type);

    let name = world.set(key(LsType::AS_EXTERNAL, outside, PEER), LsaBody::AsExternal(external));
    bench.update(&[world.instance(name, 1)]);
    assert_eq!(last(&bench), Some(SpfType::External));
    let name = world.set(key(LsType::SUMMARY_NETWORK, outside, PEER), LsaBody::Summary(summary));
    bench.update(&[world.instance(name, 1)]);
    assert_eq!(last(&bench), Some(SpfType::Inter));
    let name = world.change_stub(BEHIND[0], outside, 1);
    bench.advance_alive(Duration::from_secs(2));
    bench.update(&[world.instance(name, 1)]);
    assert_eq!(last(&bench), Some(SpfType::Intra));

    // A link is more than a leaf.
    let Some(LsaBody::Router(lsa)) = world.bodies.get_mut(&name) else { panic!("no router") };
    lsa.links[0].metric += 1;
    bench.advance_alive(Duration::from_secs(2));
    bench.update(&[world.instance(name, 1)]);
    assert_eq!(last(&bench), Some(SpfType::Full));
}
