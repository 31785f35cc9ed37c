//! Whole networks of several areas. Input: random areas whose border routers announce to each other what
//! `desired_summaries` says until nothing changes. Output: packets from every router to every prefix arrive,
//! whichever of the equal next hops is taken anywhere, or are discarded by a range; they never go round.

use std::collections::{BTreeMap, BTreeSet};

use ipnet::Ipv4Net;
use isthmus_ospf::abr::{Summaries, SummaryTarget, desired_summaries};
use isthmus_ospf::config::RouteRules;
use isthmus_ospf::config::{AreaConfig, InstanceConfig};
use isthmus_ospf::route::{PathType, RouteTable};
use isthmus_ospf::spf::{self, Input};
use isthmus_ospf::types::AreaId;
use isthmus_ospf::wire::RouterFlags;
use proptest::collection::vec;
use proptest::prelude::*;

use crate::summaries::interface;
use crate::topology::{Seen, Topology, rid};

const AREAS: u32 = 3;

/// Numbers are taken modulo what exists.
#[derive(Clone, Debug)]
struct Recipe {
    routers: u32,
    /// Area, two routers, and the cost of each direction.
    links: Vec<(u32, u32, u32, u16, u16)>,
    /// Area, router, prefix and cost.
    stubs: Vec<(u32, u32, u32, u16)>,
    /// Area, first prefix, whether announced, fixed cost.
    ranges: Vec<(u32, u32, bool, Option<u32>)>,
}

fn recipe() -> impl Strategy<Value = Recipe> {
    (
        3u32..9,
        vec((any::<u32>(), any::<u32>(), any::<u32>(), 1u16..6, 1u16..6), 2..20),
        vec((any::<u32>(), any::<u32>(), 0u32..16, 0u16..4), 1..10),
        vec((any::<u32>(), 0u32..16, any::<bool>(), prop::option::of(1u32..50)), 0..3),
    )
        .prop_map(|(routers, links, stubs, ranges)| Recipe { routers, links, stubs, ranges })
}

struct Network {
    areas: Vec<Topology>,
    routers: u32,
    prefixes: BTreeSet<Ipv4Net>,
}

fn prefix(number: u32) -> Ipv4Net {
    Ipv4Net::new((0x0a00_0000 + (number << 8)).into(), 24).unwrap()
}

fn build(recipe: &Recipe, with_ranges: bool) -> Network {
    let router = |number: u32| number % recipe.routers + 1;
    let mut network = Network {
        areas: (0..AREAS).map(Topology::new).collect(),
        routers: recipe.routers,
        prefixes: BTreeSet::new(),
    };
    for (area, a, b, there, back) in &recipe.links {
        let (a, b) = (router(*a), router(*b));
        if a != b {
            network.areas[(area % AREAS) as usize].link(a, b, *there, *back);
        }
    }
    for (area, number, prefix_number, cost) in &recipe.stubs {
        let prefix = prefix(*prefix_number);
        network.areas[(area % AREAS) as usize].stub(router(*number), &prefix.to_string(), *cost);
        network.prefixes.insert(prefix);
    }
    network.join_backbone();
    for (area, first, advertise, cost) in recipe.ranges.iter().filter(|_| with_ranges) {
        let range = Ipv4Net::new(prefix(*first).addr(), 22).unwrap().trunc();
        network.areas[(area % AREAS) as usize].range(&range.to_string(), *advertise, *cost);
    }
    for number in 1..=network.routers {
        if network.is_border(number) {
            for area in network.areas_of(number) {
                network.areas[area].flags(number, RouterFlags::B);
            }
        }
    }
    network
}

impl Network {
    /// Packets cannot cross a backbone in pieces, by design (section 3.2): its members are linked in a row.
    fn join_backbone(&mut self) {
        let members: Vec<u32> = self.areas[0].routers.keys().copied().collect();
        for pair in members.windows(2) {
            self.areas[0].link(pair[0], pair[1], 7, 7);
        }
    }

    fn areas_of(&self, number: u32) -> Vec<usize> {
        (0..self.areas.len()).filter(|area| self.areas[*area].routers.contains_key(&number)).collect()
    }

    fn is_border(&self, number: u32) -> bool {
        let areas = self.areas_of(number);
        areas.contains(&0) && areas.len() > 1
    }

    fn seen_by(&self, number: u32) -> Vec<Seen> {
        self.areas_of(number).into_iter().map(|area| self.areas[area].seen_by(number)).collect()
    }

    fn table(&self, number: u32, seen: &[Seen]) -> RouteTable {
        spf::calculate(&Input {
            router_id: rid(number),
            area_border_router: self.is_border(number),
            maximum_paths: 16,
            rules: RouteRules::default(),
            virtual_links: Vec::new(),
            areas: seen.iter().map(Seen::input).collect(),
            externals: Vec::new(),
        })
    }

    fn summaries(&self, number: u32) -> BTreeMap<AreaId, Summaries> {
        let seen = self.seen_by(number);
        let mut config = InstanceConfig { router_id: rid(number), ..InstanceConfig::default() };
        for (area, seen) in self.areas_of(number).into_iter().zip(&seen) {
            let topology = &self.areas[area];
            let settings = AreaConfig { ranges: topology.ranges.clone(), ..AreaConfig::default() };
            config.areas.insert(topology.area, settings);
            let ids = seen.adjacencies.iter().map(|adjacency| adjacency.interface);
            config.interfaces.extend(ids.map(|id| (id, interface(topology.area))));
        }
        let attached = config.areas.keys().copied().collect();
        desired_summaries(&config, &attached, &self.table(number, &seen))
    }

    /// Lets all border routers announce, again and again; says after how many rounds nothing changed.
    fn converge(&mut self) -> usize {
        let mut before = BTreeMap::new();
        for round in 0..32 {
            let borders = (1..=self.routers).filter(|number| self.is_border(*number));
            let announced: BTreeMap<u32, _> =
                borders.map(|number| (number, self.summaries(number))).collect();
            if announced == before {
                return round;
            }
            for topology in &mut self.areas {
                topology.others.clear();
            }
            for (number, areas) in &announced {
                for (area, summaries) in areas {
                    let topology = &mut self.areas[u32::from(area.0) as usize];
                    for (target, metric) in summaries {
                        let SummaryTarget::Network(prefix) = target else { continue };
                        topology.summary(*number, &prefix.to_string(), *metric);
                    }
                }
            }
            before = announced;
        }
        panic!("the border routers never agree");
    }

    fn tables(&self) -> BTreeMap<u32, RouteTable> {
        let routers = (1..=self.routers).filter(|number| !self.areas_of(*number).is_empty());
        routers.map(|number| (number, self.table(number, &self.seen_by(number)))).collect()
    }
}

/// What can become of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Fate {
    Arrives,
    Discarded,
    NoRoute,
    Loops,
}

/// Follows all ways that a packet can take.
fn fates(tables: &BTreeMap<u32, RouteTable>, at: u32, prefix: Ipv4Net, way: &mut Vec<u32>) -> BTreeSet<Fate> {
    if way.contains(&at) {
        return BTreeSet::from([Fate::Loops]);
    }
    let Some((_, route)) = tables[&at].lookup(prefix.addr()) else { return BTreeSet::from([Fate::NoRoute]) };
    if route.path_type == PathType::Discard {
        return BTreeSet::from([Fate::Discarded]);
    }
    way.push(at);
    let ends = route.next_hops.iter().flat_map(|hop| match hop.address {
        None => BTreeSet::from([Fate::Arrives]),
        Some(_) => fates(tables, u32::from(hop.router.0), prefix, way),
    });
    let ends = ends.collect();
    way.pop();
    ends
}

/// A route leads to its prefix, and without one there is nothing to find.
fn every_route_is_true(network: &Network) -> Result<(), TestCaseError> {
    let tables = network.tables();
    for (number, table) in &tables {
        for prefix in &network.prefixes {
            let expected = match table.networks.contains_key(prefix) {
                true => Fate::Arrives,
                false => Fate::NoRoute,
            };
            let fates = fates(&tables, *number, *prefix, &mut Vec::new());
            prop_assert_eq!(fates, BTreeSet::from([expected]), "from {} to {}", number, prefix);
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn whoever_has_a_route_reaches_its_end(recipe in recipe()) {
        let mut network = build(&recipe, false);
        network.converge();
        every_route_is_true(&network)?;
    }

    /// What the border routers still announce of something that is gone must not keep it alive among them.
    #[test]
    fn what_is_gone_is_forgotten(recipe in recipe(), links in 1usize..4, stubs in 0usize..3) {
        let mut before = build(&recipe, false);
        before.converge();
        let mut less = recipe;
        less.links.truncate(less.links.len().saturating_sub(links));
        less.stubs.truncate(less.stubs.len().saturating_sub(stubs));
        let mut after = build(&less, false);
        for (area, old) in after.areas.iter_mut().zip(before.areas) {
            area.others = old.others;
        }
        after.prefixes = before.prefixes;
        after.converge();
        every_route_is_true(&after)?;
    }

    #[test]
    fn ranges_make_no_loops(recipe in recipe()) {
        let mut network = build(&recipe, true);
        network.converge();
        let tables = network.tables();
        for number in tables.keys() {
            for prefix in &network.prefixes {
                let fates = fates(&tables, *number, *prefix, &mut Vec::new());
                prop_assert!(!fates.contains(&Fate::Loops), "from {} to {}", number, prefix);
            }
        }
    }
}
