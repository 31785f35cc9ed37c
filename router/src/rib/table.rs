//! The table.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::net::Ipv4Addr;
use std::time::SystemTime;

use ipnet::Ipv4Net;

use crate::forward::fib::{Fib, FibEntry, NextHop};

/// Where a route comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Source {
    /// The network of an interface.
    Connected,
    /// The configuration.
    Static,
    /// OSPF.
    Ospf,
}

impl Source {
    /// The preference of the source's routes unless they say otherwise; lower wins.
    pub const fn preference(self) -> u8 {
        match self {
            Self::Connected => 0,
            Self::Static => 1,
            Self::Ospf => 110,
        }
    }
}

/// What is done with packets to a prefix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// One of the next hops takes it. Never empty.
    Forward(Vec<NextHop>),
    /// A router takes it; which interface leads there follows from the connected networks.
    Via(Ipv4Addr),
    /// Dropped.
    Discard,
}

/// A route of one source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// Lower wins among sources.
    pub preference: u8,
    /// The source's own measure.
    pub metric: u32,
    /// What is done with packets.
    pub action: Action,
    /// OSPF's path type, area and tag.
    pub ospf: Option<OspfAttributes>,
    /// When the route was set.
    pub updated: SystemTime,
}

impl Route {
    /// Whether it is the same but for the time.
    fn is_same(&self, other: &Self) -> bool {
        let Self { preference, metric, action, ospf, updated: _ } = self;
        (preference, metric, action, ospf) == (&other.preference, &other.metric, &other.action, &other.ospf)
    }
}

/// What OSPF says of a route beside its next hops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OspfAttributes {
    /// Kind of path.
    pub path_type: isthmus_ospf::route::PathType,
    /// The area that it was learned in.
    pub area: Option<isthmus_ospf::types::AreaId>,
    /// Route tag.
    pub tag: u32,
}

/// Routes of all sources.
#[derive(Clone, Debug, Default)]
pub struct Rib {
    /// By source, so that the few routes of one can be replaced without a look at the many of another.
    routes: [BTreeMap<Ipv4Net, Route>; SOURCES.len()],
    /// Counts the changes on which the forwarding table depends.
    forwarding_generation: u64,
}

/// All sources, each at its own number.
const SOURCES: [Source; 3] = [Source::Connected, Source::Static, Source::Ospf];

impl Rib {
    /// Sets the route of a source to a prefix, in place of the one it had. Returns whether that is a change.
    pub fn set(&mut self, prefix: Ipv4Net, source: Source, route: Route) -> bool {
        match self.of_mut(source).entry(prefix.trunc()) {
            Entry::Vacant(vacant) => {
                vacant.insert(route);
            }
            Entry::Occupied(mut occupied) => {
                let old = occupied.get_mut();
                if old.is_same(&route) {
                    return false;
                }
                // Metric, kind and tag are for people.
                let forwards_alike = (old.preference, &old.action) == (route.preference, &route.action);
                *old = route;
                if forwards_alike {
                    return true;
                }
            }
        }
        self.forwarding_generation += 1;
        true
    }

    /// Removes the route of a source to a prefix. Returns whether there was one.
    pub fn remove(&mut self, prefix: Ipv4Net, source: Source) -> bool {
        let removed = self.of_mut(source).remove(&prefix.trunc()).is_some();
        self.forwarding_generation += u64::from(removed);
        removed
    }

    /// Another number when [`Self::publish`] may give another table than before.
    pub fn forwarding_generation(&self) -> u64 {
        self.forwarding_generation
    }

    /// Replaces all routes of a source. Returns whether that is a change.
    pub fn replace(&mut self, source: Source, routes: BTreeMap<Ipv4Net, Route>) -> bool {
        let present = self.of(source).keys();
        let gone: Vec<Ipv4Net> = present.filter(|prefix| !routes.contains_key(prefix)).copied().collect();
        let mut changed = !gone.is_empty();
        for prefix in gone {
            self.remove(prefix, source);
        }
        for (prefix, route) in routes {
            changed |= self.set(prefix, source, route);
        }
        changed
    }

    /// All routes, in order of prefix and source, each with whether it is the active one.
    pub fn iter(&self) -> impl Iterator<Item = (Ipv4Net, Source, &Route, bool)> {
        self.prefixes().flat_map(|(prefix, routes)| {
            let active = self.active_among(&routes);
            let routes = SOURCES.into_iter().zip(routes);
            routes.filter_map(move |(source, route)| Some((prefix, source, route?, active == Some(source))))
        })
    }

    /// The active route to a prefix.
    pub fn active(&self, prefix: Ipv4Net) -> Option<(Source, &Route)> {
        let prefix = prefix.trunc();
        let routes = SOURCES.map(|source| self.of(source).get(&prefix));
        let source = self.active_among(&routes)?;
        Some((source, routes[source as usize]?))
    }

    /// The forwarding table of the active routes.
    pub fn publish(&self) -> Fib {
        Fib::new(self.prefixes().filter_map(|(prefix, routes)| {
            let route = routes[self.active_among(&routes)? as usize]?;
            let entry = match &route.action {
                Action::Forward(next_hops) => FibEntry::Forward(next_hops.clone()),
                Action::Via(gateway) => FibEntry::Forward(vec![self.resolve(*gateway)?]),
                Action::Discard => FibEntry::Discard,
            };
            Some((prefix, entry))
        }))
    }

    /// The next hops that a route comes down to; empty while it has none.
    pub fn next_hops(&self, route: &Route) -> Vec<NextHop> {
        match &route.action {
            Action::Forward(next_hops) => next_hops.clone(),
            Action::Via(gateway) => self.resolve(*gateway).into_iter().collect(),
            Action::Discard => Vec::new(),
        }
    }

    fn of(&self, source: Source) -> &BTreeMap<Ipv4Net, Route> {
        &self.routes[source as usize]
    }

    fn of_mut(&mut self, source: Source) -> &mut BTreeMap<Ipv4Net, Route> {
        &mut self.routes[source as usize]
    }

    /// All prefixes in order, each with its route of every source: one walk through all sources side by side.
    fn prefixes(&self) -> impl Iterator<Item = (Ipv4Net, OfSources<'_>)> {
        let mut sources = SOURCES.map(|source| self.of(source).iter().peekable());
        std::iter::from_fn(move || {
            let next =
                sources.iter_mut().filter_map(|routes| routes.peek().map(|(prefix, _)| **prefix)).min()?;
            let routes = sources.each_mut().map(|routes| routes.next_if(|(prefix, _)| **prefix == next));
            Some((next, routes.map(|found| found.map(|(_, route)| route))))
        })
    }

    /// The source whose route to a prefix is active.
    fn active_among(&self, routes: &OfSources<'_>) -> Option<Source> {
        let candidates =
            SOURCES.into_iter().zip(routes).filter_map(|(source, route)| Some((source, (*route)?)));
        candidates
            .filter(|(_, route)| match route.action {
                Action::Via(gateway) => self.resolve(gateway).is_some(),
                Action::Forward(_) | Action::Discard => true,
            })
            .min_by_key(|(source, route)| (route.preference, *source))
            .map(|(source, _)| source)
    }

    /// The connected network that a gateway is on, longest prefix first.
    fn resolve(&self, gateway: Ipv4Addr) -> Option<NextHop> {
        (0..=32).rev().find_map(|length| {
            let prefix = Ipv4Net::new(gateway, length).ok()?.trunc();
            let Action::Forward(next_hops) = &self.of(Source::Connected).get(&prefix)?.action else {
                return None;
            };
            next_hops.first().map(|hop| NextHop { interface: hop.interface, gateway: Some(gateway) })
        })
    }
}

/// The routes of all sources to one prefix.
type OfSources<'a> = [Option<&'a Route>; SOURCES.len()];
