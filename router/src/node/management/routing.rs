//! Routes, the forwarding table, and how one destination fares in it.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use isthmus_mgmt_api::model::{
    DateTime, ExplainStep, Fib, FibEntry, FibLookup, LookupVerdict, NextHop, Route, Routes, SourceProtocol,
    SpecialNextHop,
};
use isthmus_ospf::route::PathType;

use super::super::shared::Shared;
use crate::forward::fib;
use crate::rib::explain::{Query, Surroundings, Verdict, route_explain};
use crate::rib::{self, Action, Rib, Source};

/// All routes of all sources.
pub(super) fn routes(shared: &Shared) -> Routes {
    let rib = shared.rib();
    let route = rib
        .iter()
        .map(|(prefix, source, route, active)| one(shared, &rib, prefix, source, route, active))
        .collect();
    Routes { route }
}

fn one(
    shared: &Shared,
    rib: &Rib,
    prefix: Ipv4Net,
    source: Source,
    route: &rib::Route,
    active: bool,
) -> Route {
    let next_hops = rib.next_hops(route).iter().map(|hop| next_hop(shared, hop)).collect();
    Route {
        destination_prefix: prefix,
        source_protocol: match source {
            Source::Connected => SourceProtocol::Direct,
            Source::Static => SourceProtocol::Static,
            Source::Ospf => SourceProtocol::Ospf,
        },
        route_preference: u32::from(route.preference),
        active,
        metric: route.metric,
        route_type: route.ospf.and_then(|ospf| route_type(ospf.path_type)),
        tag: route.ospf.map(|ospf| ospf.tag).filter(|tag| *tag != 0),
        area_id: route.ospf.and_then(|ospf| ospf.area).map(|area| area.0),
        next_hops,
        special_next_hop: (route.action == Action::Discard).then_some(SpecialNextHop::Blackhole),
        last_updated: Some(DateTime::from(route.updated)),
    }
}

fn route_type(path: PathType) -> Option<isthmus_ospf::view::RouteType> {
    use isthmus_ospf::view::RouteType;
    match path {
        PathType::IntraArea => Some(RouteType::IntraArea),
        PathType::InterArea => Some(RouteType::InterArea),
        PathType::External1 => Some(RouteType::External1),
        PathType::External2 => Some(RouteType::External2),
        PathType::Discard => None,
    }
}

fn next_hop(shared: &Shared, hop: &fib::NextHop) -> NextHop {
    NextHop {
        outgoing_interface: shared.current().layout.name(hop.interface).to_owned(),
        next_hop: hop.gateway,
    }
}

/// The forwarding table in force.
pub(super) fn fib(shared: &Shared) -> Fib {
    let state = shared.worker.state.load();
    Fib {
        generation: shared.generation.load(std::sync::atomic::Ordering::Relaxed),
        entry: state.fib.iter().map(|(prefix, entry)| fib_entry(shared, prefix, entry)).collect(),
    }
}

fn fib_entry(shared: &Shared, prefix: Ipv4Net, entry: &fib::FibEntry) -> FibEntry {
    let (next_hops, special_next_hop) = match entry {
        fib::FibEntry::Forward(hops) => (hops.iter().map(|hop| next_hop(shared, hop)).collect(), None),
        fib::FibEntry::Discard => (Vec::new(), Some(SpecialNextHop::Blackhole)),
    };
    FibEntry { destination_prefix: prefix, next_hops, special_next_hop }
}

/// How a packet of this node to `destination` fares.
pub(super) fn lookup(shared: &Shared, destination: Ipv4Addr, explained: bool) -> FibLookup {
    let state = shared.worker.state.load();
    let neighbors = shared.worker.neighbors.load();
    let carrier = |index| shared.worker.counters.carrier(index);
    let surroundings = Surroundings { neighbors: &neighbors, carrier: &carrier };
    let rib = shared.rib();
    let explanation = route_explain(&Query::to(destination), &state, &rib, surroundings);
    let matched = state.fib.lookup(destination);
    let route = matched.and_then(|(prefix, _)| {
        rib.active(prefix).map(|(source, route)| one(shared, &rib, prefix, source, route, true))
    });
    let steps = explanation.steps.iter();
    let steps = steps.map(|step| ExplainStep { step: step.step.to_owned(), detail: step.detail.clone() });
    FibLookup {
        destination,
        verdict: match explanation.verdict {
            Verdict::Forward => LookupVerdict::Forward,
            Verdict::Local => LookupVerdict::Local,
            Verdict::Steer => LookupVerdict::Steer,
            Verdict::Discard => LookupVerdict::Discard,
            Verdict::NoRoute => LookupVerdict::NoRoute,
            Verdict::Unreachable => LookupVerdict::Unreachable,
        },
        entry: matched.map(|(prefix, entry)| fib_entry(shared, prefix, entry)),
        route,
        explanation: if explained { steps.collect() } else { Vec::new() },
    }
}
