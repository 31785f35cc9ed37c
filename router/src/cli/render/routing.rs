//! Routes and the forwarding table.

use isthmus_mgmt_api::model::{
    DateTime, Fib, FibEntry, FibLookup, LookupVerdict, NextHop, Route, Routes, SourceProtocol, SpecialNextHop,
};
use isthmus_ospf::view::RouteType;

use super::Render;
use crate::cli::output::Style;
use crate::cli::table::Table;
use crate::cli::text::{duration, or_dash};

impl Render for Routes {
    fn render(&self, style: Style) -> String {
        let now = DateTime::now();
        let mut table = if style.wide {
            Table::new(&[
                "Code",
                "Destination",
                ">Pref",
                ">Metric",
                "Next hop",
                "Interface",
                ">Age",
                "Area",
                ">Tag",
            ])
        } else {
            Table::new(&["Code", "Destination", ">Pref", ">Metric", "Next hop", "Interface", ">Age"])
        };
        for route in &self.route {
            let age = or_dash(route.last_updated.map(|time| duration(now.since(time).as_secs_f64())));
            for (position, (next_hop, interface)) in
                hops(&route.next_hops, route.special_next_hop).into_iter().enumerate()
            {
                // Further next hops of a route stand below the first, without repeating what they share.
                let first = |text: String| if position == 0 { text } else { String::new() };
                let [code, prefix, preference, metric, age] = [
                    code(route),
                    route.destination_prefix.to_string(),
                    route.route_preference.to_string(),
                    route.metric.to_string(),
                    age.clone(),
                ]
                .map(first);
                if style.wide {
                    let (area, tag) = (or_dash(route.area_id), or_dash(route.tag));
                    table.row([
                        code,
                        prefix,
                        preference,
                        metric,
                        next_hop,
                        interface,
                        age,
                        first(area),
                        first(tag),
                    ]);
                } else {
                    table.row([code, prefix, preference, metric, next_hop, interface, age]);
                }
            }
        }
        format!("{CODES}\n{}", table.finish("no routes"))
    }
}

impl Render for Fib {
    fn render(&self, _style: Style) -> String {
        let mut table = Table::new(&["Destination", "Next hop", "Interface"]);
        for entry in &self.entry {
            let hops = hops(&entry.next_hops, entry.special_next_hop);
            for (position, (next_hop, interface)) in hops.into_iter().enumerate() {
                let prefix = if position == 0 { entry.destination_prefix.to_string() } else { String::new() };
                table.row([prefix, next_hop, interface]);
            }
        }
        format!("generation {}\n\n{}", self.generation, table.finish("no entries"))
    }
}

impl Render for FibLookup {
    fn render(&self, _style: Style) -> String {
        let verdict = match (self.verdict, &self.entry) {
            (LookupVerdict::Forward, Some(entry)) => {
                format!("via {}, by {}", ways(entry), entry.destination_prefix)
            }
            (LookupVerdict::Forward, None) => "forwarded".to_owned(),
            (LookupVerdict::Local, _) => "this node itself".to_owned(),
            (LookupVerdict::Steer, _) => "common address: a node by the steering table".to_owned(),
            (LookupVerdict::Discard, _) => "dropped by a discard route".to_owned(),
            (LookupVerdict::NoRoute, _) => "dropped: no route".to_owned(),
            (LookupVerdict::Unreachable, _) => "dropped: no next hop of the route can take it".to_owned(),
        };
        let route = self.route.as_ref().map(|route| {
            let kind = route.route_type.map(|kind| format!(" {kind}")).unwrap_or_default();
            format!(
                "  from {}{kind}, preference {}, metric {}\n",
                route.source_protocol.label(),
                route.route_preference,
                route.metric
            )
        });
        let steps = self.explanation.iter().enumerate();
        let steps = steps.map(|(index, step)| format!("  {}. {}: {}\n", index + 1, step.step, step.detail));
        format!("{}: {verdict}\n{}{}", self.destination, route.unwrap_or_default(), steps.collect::<String>())
    }
}

/// Codes of routes as routers have written them for thirty years.
fn code(route: &Route) -> String {
    let source = match (route.source_protocol, route.route_type) {
        (SourceProtocol::Direct, _) => "C",
        (SourceProtocol::Static, _) => "S",
        (SourceProtocol::Ospf, Some(RouteType::InterArea)) => "O IA",
        (SourceProtocol::Ospf, Some(RouteType::External1)) => "O E1",
        (SourceProtocol::Ospf, Some(RouteType::External2)) => "O E2",
        (SourceProtocol::Ospf, _) => "O",
    };
    if route.active { format!("{source} *>") } else { source.to_owned() }
}

fn hops(next_hops: &[NextHop], special: Option<SpecialNextHop>) -> Vec<(String, String)> {
    match special {
        Some(SpecialNextHop::Blackhole) => vec![("blackhole".to_owned(), "-".to_owned())],
        Some(SpecialNextHop::Receive) => vec![("receive".to_owned(), "-".to_owned())],
        None => next_hops.iter().map(|hop| (gateway(hop), hop.outgoing_interface.clone())).collect(),
    }
}

fn gateway(hop: &NextHop) -> String {
    hop.next_hop.map_or_else(|| "direct".to_owned(), |gateway| gateway.to_string())
}

fn ways(entry: &FibEntry) -> String {
    let ways = entry.next_hops.iter().map(|hop| format!("{} on {}", gateway(hop), hop.outgoing_interface));
    ways.collect::<Vec<_>>().join(" or ")
}

const CODES: &str = "\
Codes: C connected, S static, O OSPF, IA inter-area, E1 E2 external, *> in use
";
