//! The table.

use std::collections::BTreeMap;
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
    routes: BTreeMap<(Ipv4Net, Source), Route>,
    /// Counts the changes on which the forwarding table depends.
    forwarding_generation: u64,
}

impl Rib {
    /// Sets the route of a source to a prefix, in place of the one it had. Returns whether that is a change.
    pub fn set(&mut self, prefix: Ipv4Net, source: Source, route: Route) -> bool {
        let prefix = prefix.trunc();
        let same = |old: &Route| Route { updated: route.updated, ..old.clone() } == route;
        let old = self.routes.get(&(prefix, source));
        if old.is_some_and(same) {
            return false;
        }
        // Metric, kind and tag are for people.
        let forwards_alike = |old: &Route| (old.preference, &old.action) == (route.preference, &route.action);
        if !old.is_some_and(forwards_alike) {
            self.forwarding_generation += 1;
        }
        self.routes.insert((prefix, source), route);
        true
    }

    /// Removes the route of a source to a prefix. Returns whether there was one.
    pub fn remove(&mut self, prefix: Ipv4Net, source: Source) -> bool {
        let removed = self.routes.remove(&(prefix.trunc(), source)).is_some();
        self.forwarding_generation += u64::from(removed);
        removed
    }

    /// Another number when [`Self::publish`] may give another table than before.
    pub fn forwarding_generation(&self) -> u64 {
        self.forwarding_generation
    }

    /// Replaces all routes of a source. Returns whether that is a change.
    pub fn replace(&mut self, source: Source, routes: BTreeMap<Ipv4Net, Route>) -> bool {
        let gone: Vec<Ipv4Net> = self
            .routes
            .keys()
            .filter(|(prefix, of)| *of == source && !routes.contains_key(prefix))
            .map(|(prefix, _)| *prefix)
            .collect();
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
        self.routes.iter().map(|(&(prefix, source), route)| {
            (prefix, source, route, self.active_source(prefix) == Some(source))
        })
    }

    /// The active route to a prefix.
    pub fn active(&self, prefix: Ipv4Net) -> Option<(Source, &Route)> {
        let prefix = prefix.trunc();
        let source = self.active_source(prefix)?;
        Some((source, self.routes.get(&(prefix, source))?))
    }

    /// The forwarding table of the active routes.
    pub fn publish(&self) -> Fib {
        Fib::new(self.iter().filter(|(.., active)| *active).filter_map(|(prefix, _, route, _)| {
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

    fn active_source(&self, prefix: Ipv4Net) -> Option<Source> {
        self.routes
            .range((prefix, Source::Connected)..=(prefix, Source::Ospf))
            .filter(|(_, route)| match route.action {
                Action::Via(gateway) => self.resolve(gateway).is_some(),
                Action::Forward(_) | Action::Discard => true,
            })
            .min_by_key(|((_, source), route)| (route.preference, *source))
            .map(|((_, source), _)| *source)
    }

    /// The connected network that a gateway is on, longest prefix first.
    fn resolve(&self, gateway: Ipv4Addr) -> Option<NextHop> {
        (0..=32).rev().find_map(|length| {
            let prefix = Ipv4Net::new(gateway, length).ok()?.trunc();
            let route = self.routes.get(&(prefix, Source::Connected))?;
            let Action::Forward(next_hops) = &route.action else { return None };
            next_hops.first().map(|hop| NextHop { interface: hop.interface, gateway: Some(gateway) })
        })
    }
}
