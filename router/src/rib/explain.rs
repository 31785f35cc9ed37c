//! How one destination fares: every question that the packet path asks about a packet, in its order, with the
//! answer that it gets; and of the routes that were not asked, why not.
//!
//! The decisions are made by the same functions and from the same snapshot as the packet path's.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use isthmus_ospf::route::PathType;
use isthmus_shmnet::{Network, NodeId, mac_address};
use serde::Serialize;

use super::{Action, Rib, Route, Source};
use crate::forward::InterfaceIndex;
use crate::forward::fib::{FibEntry, NextHop, choose};
use crate::forward::hash::Flow;
use crate::forward::neighbor::{Neighbor, NeighborState};
use crate::forward::state::{ForwardingState, InterfaceKind, LocalOwner};

/// The packet that is asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Query {
    /// Its flow. Ports matter where flows are shared by paths or nodes.
    pub flow: Flow,
    /// The NIC that it comes in on; `None`: the node itself sends it.
    pub arrival: Option<InterfaceIndex>,
}

impl Query {
    /// A packet of the node itself to `destination`, with nothing else known of it.
    pub const fn to(destination: Ipv4Addr) -> Self {
        let source = Ipv4Addr::UNSPECIFIED;
        Self { flow: Flow { source, destination, protocol: 0, first: 0, second: 0 }, arrival: None }
    }
}

/// What is known of the outside of the tables.
#[derive(Clone, Copy)]
pub struct Surroundings<'a> {
    /// Neighbors on links with ARP.
    pub neighbors: &'a [Neighbor],
    /// Whether an interface has its carrier.
    pub carrier: &'a dyn Fn(InterfaceIndex) -> bool,
}

/// What becomes of the packet, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Explanation {
    /// Where the packet is for.
    pub destination: Ipv4Addr,
    /// What becomes of it.
    pub verdict: Verdict,
    /// The longest prefix that holds the destination, if the forwarding table was asked.
    pub prefix: Option<Ipv4Net>,
    /// Where the route to that prefix comes from.
    #[serde(skip)]
    pub source: Option<Source>,
    /// Where the packet goes next.
    #[serde(skip)]
    pub next_hop: Option<NextHop>,
    /// The node that a steered packet goes to.
    pub node: Option<u16>,
    /// Questions and answers, in their order.
    pub steps: Vec<Step>,
}

/// What becomes of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Handed to a next hop.
    Forward,
    /// Taken by the node itself.
    Local,
    /// Handed to a node by the steering table.
    Steer,
    /// Dropped by a discard route.
    Discard,
    /// Dropped, because no route holds the destination.
    NoRoute,
    /// Dropped, because no next hop of the route, or no node, can take it.
    Unreachable,
}

/// One question with its answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Step {
    /// What was asked: `local-address`, `common-address`, `steering`, `longest-prefix`, `route`, `alternative`,
    /// `next-hop`, `interface`, `neighbor`.
    pub step: &'static str,
    /// The answer.
    pub detail: String,
}

/// Explains what becomes of a packet.
pub fn route_explain(
    query: &Query,
    state: &ForwardingState,
    rib: &Rib,
    around: Surroundings<'_>,
) -> Explanation {
    let mut explainer = Explainer { query, state, rib, around, steps: Vec::new() };
    let decision = explainer.decide();
    Explanation {
        destination: query.flow.destination,
        verdict: decision.verdict,
        prefix: decision.prefix,
        source: decision.source,
        next_hop: decision.next_hop,
        node: decision.node,
        steps: explainer.steps,
    }
}

struct Decision {
    verdict: Verdict,
    prefix: Option<Ipv4Net>,
    source: Option<Source>,
    next_hop: Option<NextHop>,
    node: Option<u16>,
}

impl Decision {
    const fn simple(verdict: Verdict) -> Self {
        Self { verdict, prefix: None, source: None, next_hop: None, node: None }
    }
}

struct Explainer<'a> {
    query: &'a Query,
    state: &'a ForwardingState,
    rib: &'a Rib,
    around: Surroundings<'a>,
    steps: Vec<Step>,
}

impl Explainer<'_> {
    fn say(&mut self, step: &'static str, detail: String) {
        self.steps.push(Step { step, detail });
    }

    fn decide(&mut self) -> Decision {
        let destination = self.query.flow.destination;
        if let Some(&owner) = self.state.local.get(&destination) {
            self.say("local-address", format!("{destination} is an address of {}", self.owner(owner)));
            return Decision::simple(Verdict::Local);
        }
        self.say("local-address", format!("{destination} is no address of this node"));
        if let Some(&owner) = self.state.common.get(&destination) {
            return self.steer(owner);
        }
        self.look_up()
    }

    fn steer(&mut self, owner: LocalOwner) -> Decision {
        let destination = self.query.flow.destination;
        let owner = self.owner(owner);
        let Some(arrival) = self.query.arrival else {
            let detail =
                format!("{destination} is a common address; this node's own packets to it stay with {owner}");
            self.say("common-address", detail);
            return Decision::simple(Verdict::Local);
        };
        let detail = format!(
            "{destination} is a common address; what comes in on {} is steered before the routes are asked",
            self.name(arrival)
        );
        self.say("common-address", detail);
        let table = &self.state.steering;
        let hash = self.query.flow.hash();
        let Some(node) = table.node_for(hash) else {
            self.say("steering", format!("epoch {} has no active node: dropped", table.epoch));
            return Decision::simple(Verdict::Unreachable);
        };
        let slot = hash % table.nodes().len() as u64;
        let detail = format!(
            "flow hash {hash:016x} is slot {slot} of {} in epoch {}: node {node}",
            table.nodes().len(),
            table.epoch
        );
        self.say("steering", detail);
        let verdict = if node == self.state.node_id { Verdict::Local } else { Verdict::Steer };
        let detail = match verdict {
            Verdict::Local => format!("node {node} is this node: {owner} takes it"),
            _ => format!("over the GSM to {}", mac_text(Network::Gsm, node)),
        };
        self.say("neighbor", detail);
        Decision { node: Some(node), ..Decision::simple(verdict) }
    }

    fn look_up(&mut self) -> Decision {
        let destination = self.query.flow.destination;
        let state = self.state;
        let Some((prefix, entry)) = state.fib.lookup(destination) else {
            let detail = format!("none of the {} prefixes holds {destination}: dropped", state.fib.len());
            self.say("longest-prefix", detail);
            return Decision::simple(Verdict::NoRoute);
        };
        self.say("longest-prefix", format!("{prefix} is the longest of {} that holds it", state.fib.len()));
        let source = self.explain_route(prefix);
        let decision = Decision { prefix: Some(prefix), source, ..Decision::simple(Verdict::Discard) };
        match entry {
            FibEntry::Discard => decision,
            FibEntry::Forward(next_hops) => self.choose(next_hops, decision),
        }
    }

    /// Says which source's route is active, which others there are, and which shorter prefixes would do.
    fn explain_route(&mut self, prefix: Ipv4Net) -> Option<Source> {
        let active = self.rib.active(prefix).map(|(source, _)| source);
        let mut routes: Vec<_> = self
            .rib
            .iter()
            .filter(|(candidate, ..)| candidate.contains(&prefix))
            .map(|(candidate, source, route, active)| {
                (candidate, source, active, self.describe(source, route))
            })
            .collect();
        routes.sort_by_key(|(candidate, source, active, _)| {
            (u8::MAX - candidate.prefix_len(), !*active, *source)
        });
        for (candidate, source, is_active, description) in routes {
            let chosen = candidate == prefix && active == Some(source);
            let why = match (chosen, candidate == prefix, is_active) {
                (true, ..) => "",
                (false, true, _) => ": not used, another source is preferred, or it has no next hop",
                (false, false, true) => ": not used, the prefix is shorter",
                (false, false, false) => continue,
            };
            let step = if chosen { "route" } else { "alternative" };
            self.say(step, format!("{candidate} {description}{why}"));
        }
        active
    }

    fn choose(&mut self, next_hops: &[NextHop], decision: Decision) -> Decision {
        for next_hop in next_hops {
            let usable = match self.usable(next_hop.interface) {
                Ok(()) => "usable".to_owned(),
                Err(why) => format!("not usable, {why}"),
            };
            self.say("next-hop", format!("{}: {usable}", self.hop(next_hop)));
        }
        let hash = self.query.flow.hash() ^ self.state.path_salt();
        let chosen = choose(next_hops, || hash, |next_hop| self.usable(next_hop.interface).is_ok());
        let Some(chosen) = chosen else {
            self.say("next-hop", "no next hop is usable: dropped".to_owned());
            return Decision { verdict: Verdict::Unreachable, ..decision };
        };
        if next_hops.len() > 1 {
            let detail = format!("path hash {hash:016x} of this flow chooses {}", self.hop(&chosen));
            self.say("next-hop", detail);
        }
        self.explain_egress(&chosen);
        Decision { verdict: Verdict::Forward, next_hop: Some(chosen), ..decision }
    }

    fn explain_egress(&mut self, next_hop: &NextHop) {
        let Some(interface) = self.state.interfaces.get(usize::from(next_hop.interface.0)) else { return };
        let kind = match interface.kind {
            InterfaceKind::Fabric(network) => format!("the {network} over the shared memory"),
            InterfaceKind::Nic => "a NIC".to_owned(),
            InterfaceKind::Kernel(network) => format!("the kernel's {network} device"),
        };
        let mtu = interface.mtu;
        let address = next_hop.gateway.unwrap_or(self.query.flow.destination);
        let neighbor = match interface.kind {
            InterfaceKind::Fabric(network) => match interface.node_of(address) {
                Some(node) => {
                    format!("{address} is node {node}, {} by its number", mac_text(network, node))
                }
                None => format!("{address} is no node of the network: dropped"),
            },
            InterfaceKind::Nic | InterfaceKind::Kernel(_) => self.neighbor(next_hop.interface, address),
        };
        self.say("interface", format!("leaves by {}, {kind}, MTU {mtu}", interface.name));
        self.say("neighbor", neighbor);
    }

    fn neighbor(&self, interface: InterfaceIndex, address: Ipv4Addr) -> String {
        let known = |neighbor: &&Neighbor| neighbor.interface == interface && neighbor.address == address;
        match self.around.neighbors.iter().find(known) {
            Some(Neighbor { mac: Some(mac), .. }) => format!("{address} is at {}", format_mac(*mac)),
            Some(Neighbor { state: NeighborState::Failed, .. }) => {
                format!("{address} does not answer ARP: host unreachable")
            }
            Some(_) => format!("{address} was asked for by ARP and has not answered yet"),
            None => format!("{address} is not known yet and will be asked for by ARP"),
        }
    }

    fn usable(&self, index: InterfaceIndex) -> Result<(), &'static str> {
        match self.state.interfaces.get(usize::from(index.0)) {
            None => Err("there is no such interface"),
            Some(interface) if !interface.enabled => Err("the interface is administratively down"),
            Some(_) if !(self.around.carrier)(index) => Err("the interface has no carrier"),
            Some(_) => Ok(()),
        }
    }

    fn describe(&self, source: Source, route: &Route) -> String {
        let origin = match (source, route.ospf) {
            (Source::Connected, _) => "connected".to_owned(),
            (Source::Static, _) => "static".to_owned(),
            (Source::Ospf, None) => "ospf".to_owned(),
            (Source::Ospf, Some(attributes)) => match (path_type(attributes.path_type), attributes.area) {
                (path_type, Some(area)) => format!("ospf {path_type}, area {area}"),
                (path_type, None) => format!("ospf {path_type}"),
            },
        };
        let next_hops = self.rib.next_hops(route);
        let action = match &route.action {
            Action::Discard => "discard".to_owned(),
            Action::Via(gateway) if next_hops.is_empty() => {
                format!("via {gateway}, which is on no connected network")
            }
            Action::Via(_) | Action::Forward(_) => {
                next_hops.iter().map(|next_hop| self.hop(next_hop)).collect::<Vec<_>>().join(", ")
            }
        };
        format!("{origin}, preference {}, metric {}, {action}", route.preference, route.metric)
    }

    fn hop(&self, next_hop: &NextHop) -> String {
        let name = self.name(next_hop.interface);
        match next_hop.gateway {
            Some(gateway) => format!("via {gateway} on {name}"),
            None => format!("directly on {name}"),
        }
    }

    fn name(&self, index: InterfaceIndex) -> String {
        match self.state.interfaces.get(usize::from(index.0)) {
            Some(interface) => interface.name.clone(),
            None => format!("interface {}", index.0),
        }
    }

    fn owner(&self, owner: LocalOwner) -> String {
        match owner {
            LocalOwner::Host(network) => format!("the embedded stack, by its {network} adapter"),
            LocalOwner::Kernel(index) => format!("this node's kernel, behind {}", self.name(index)),
        }
    }
}

/// The words of RFC 9129 for the kinds of OSPF paths.
const fn path_type(path_type: PathType) -> &'static str {
    match path_type {
        PathType::IntraArea => "intra-area",
        PathType::InterArea => "inter-area",
        PathType::Discard => "range",
        PathType::External1 => "external-1",
        PathType::External2 => "external-2",
    }
}

fn mac_text(network: Network, node: u16) -> String {
    match NodeId::new(node) {
        Some(node) => format_mac(mac_address(network, node)),
        None => format!("node {node}"),
    }
}

fn format_mac([a, b, c, d, e, f]: [u8; 6]) -> String {
    format!("{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{f:02x}")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::SystemTime;

    use super::*;
    use crate::forward::state::Interface;
    use crate::forward::steering;

    const COMMON: Ipv4Addr = Ipv4Addr::new(10, 78, 255, 1);
    const ETH0: InterfaceIndex = InterfaceIndex(0);
    const LSM: InterfaceIndex = InterfaceIndex(1);

    fn route(preference: u8, metric: u32, action: Action) -> Route {
        Route { preference, metric, action, ospf: None, updated: SystemTime::UNIX_EPOCH }
    }

    fn hop(interface: InterfaceIndex, gateway: Option<[u8; 4]>) -> NextHop {
        NextHop { interface, gateway: gateway.map(Ipv4Addr::from) }
    }

    fn tables() -> (ForwardingState, Rib) {
        let mut rib = Rib::default();
        let mut set = |prefix: &str, source: Source, metric, action| {
            rib.set(prefix.parse().unwrap(), source, route(source.preference(), metric, action));
        };
        set("192.0.2.0/24", Source::Connected, 0, Action::Forward(vec![hop(ETH0, None)]));
        set("10.77.0.0/24", Source::Connected, 0, Action::Forward(vec![hop(LSM, None)]));
        let both = vec![hop(ETH0, Some([192, 0, 2, 2])), hop(LSM, Some([10, 77, 0, 2]))];
        set("203.0.113.0/24", Source::Ospf, 12, Action::Forward(both));
        set("203.0.0.0/16", Source::Static, 0, Action::Via(Ipv4Addr::new(192, 0, 2, 3)));
        set("203.0.113.0/24", Source::Static, 0, Action::Via(Ipv4Addr::new(8, 8, 8, 8)));
        set("10.66.0.0/16", Source::Static, 0, Action::Discard);
        let interface = |name: &str, kind, address: &str| Interface {
            name: name.to_owned(),
            kind,
            address: Some(address.parse().unwrap()),
            mtu: 1500,
            enabled: true,
            ospf: true,
        };
        let state = ForwardingState {
            interfaces: vec![
                interface("eth0", InterfaceKind::Nic, "192.0.2.1/24"),
                interface("lsm0", InterfaceKind::Fabric(Network::Lsm), "10.77.0.1/24"),
            ],
            fib: Arc::new(rib.publish()),
            local: [(Ipv4Addr::new(10, 77, 0, 1), LocalOwner::Host(Network::Lsm))].into(),
            common: [(COMMON, LocalOwner::Host(Network::Gsm))].into(),
            steering: steering::build(4, &[(1, 1), (2, 1)]),
            node_id: 1,
            router_address: None,
        };
        (state, rib)
    }

    fn explain_with(query: &Query, carrier: fn(InterfaceIndex) -> bool) -> Explanation {
        let (state, rib) = tables();
        let neighbors = [Neighbor {
            interface: ETH0,
            address: Ipv4Addr::new(192, 0, 2, 2),
            mac: Some([2, 0, 0, 0, 0, 2]),
            state: NeighborState::Reachable,
        }];
        route_explain(query, &state, &rib, Surroundings { neighbors: &neighbors, carrier: &carrier })
    }

    fn explain(destination: [u8; 4]) -> Explanation {
        explain_with(&Query::to(destination.into()), |_| true)
    }

    fn names(explanation: &Explanation) -> Vec<&'static str> {
        explanation.steps.iter().map(|step| step.step).collect()
    }

    #[test]
    fn an_own_address_is_local() {
        let explanation = explain([10, 77, 0, 1]);
        assert_eq!(explanation.verdict, Verdict::Local);
        assert_eq!(names(&explanation), ["local-address"]);
    }

    #[test]
    fn a_node_is_reached_by_its_number() {
        let explanation = explain([10, 77, 0, 7]);
        assert_eq!((explanation.verdict, explanation.source), (Verdict::Forward, Some(Source::Connected)));
        assert_eq!(explanation.next_hop, Some(hop(LSM, None)));
        let last = &explanation.steps.last().unwrap().detail;
        assert_eq!(last, "10.77.0.7 is node 7, 02:49:53:00:00:07 by its number");
    }

    #[test]
    fn an_ospf_route_is_explained_with_its_alternatives_and_paths() {
        let explanation = explain([203, 0, 113, 7]);
        assert_eq!((explanation.verdict, explanation.source), (Verdict::Forward, Some(Source::Ospf)));
        assert_eq!(explanation.prefix, Some("203.0.113.0/24".parse().unwrap()));
        assert_eq!(
            names(&explanation),
            [
                "local-address",
                "longest-prefix",
                "route",
                "alternative",
                "alternative",
                "next-hop",
                "next-hop",
                "next-hop",
                "interface",
                "neighbor"
            ]
        );
        assert!(
            explanation.steps[2].detail.contains("ospf, preference 110, metric 12, via 192.0.2.2 on eth0")
        );
        assert!(explanation.steps[3].detail.contains("8.8.8.8, which is on no connected network"));
        assert!(explanation.steps[4].detail.contains("203.0.0.0/16 static"));
    }

    #[test]
    fn a_path_without_carrier_is_not_chosen() {
        for port in 0..16 {
            let flow = Flow { protocol: 6, first: port, ..Query::to([203, 0, 113, 7].into()).flow };
            let explanation = explain_with(&Query { flow, arrival: None }, |index| index == ETH0);
            assert_eq!(explanation.next_hop, Some(hop(ETH0, Some([192, 0, 2, 2]))));
            assert_eq!(explanation.steps.last().unwrap().detail, "192.0.2.2 is at 02:00:00:00:00:02");
        }
        let explanation = explain_with(&Query::to([203, 0, 113, 7].into()), |_| false);
        assert_eq!((explanation.verdict, explanation.next_hop), (Verdict::Unreachable, None));
    }

    #[test]
    fn discard_and_no_route_are_told_apart() {
        assert_eq!(explain([10, 66, 1, 1]).verdict, Verdict::Discard);
        assert_eq!(explain([8, 8, 8, 8]).verdict, Verdict::NoRoute);
    }

    #[test]
    fn the_common_address_is_steered_from_a_nic_and_local_from_here() {
        assert_eq!(explain(COMMON.octets()).verdict, Verdict::Local);
        let (state, _) = tables();
        let mut verdicts = Vec::new();
        for port in 0..16 {
            let source = Ipv4Addr::new(198, 51, 100, 9);
            let flow = Flow { source, destination: COMMON, protocol: 6, first: port, second: 80 };
            let explanation = explain_with(&Query { flow, arrival: Some(ETH0) }, |_| true);
            assert_eq!(explanation.node, state.steering.node_for(flow.hash()));
            verdicts.push(explanation.verdict);
        }
        assert!(verdicts.contains(&Verdict::Local) && verdicts.contains(&Verdict::Steer));
    }

    #[test]
    fn it_serializes_in_the_vocabulary() {
        let json = serde_json::to_value(explain([8, 8, 8, 8])).unwrap();
        assert_eq!(json["verdict"], "no-route");
        assert_eq!(json["steps"][0]["step"], "local-address");
    }
}
