//! The networks that most tests use.
//!
//! ```text
//!   h1 ── 192.168.1.0/24 ── r1 (FRR) ── 10.1.0.0/30 ── n1 ─┐
//!                            203.0.113.1/32                 │  segment     n3 (no NIC)
//!   h2 ── 192.168.2.0/24 ── r2 (FRR) ── 10.2.0.0/30 ── n2 ─┘
//!                            203.0.113.1/32
//! ```
//!
//! [`OneExit`] is without `r2` and `h2`: there `n2` has no NIC either. The two outside routers have no cable between
//! them. Both announce 203.0.113.1, `r1` at cost 1 and `r2` at cost 50: from inside, `n1` is the cheaper way to it.

use std::rc::Rc;
use std::time::Duration;

use super::Lab;
use super::bird::Bird;
use super::frr::Frr;
use super::namespace::Namespace;
use super::node::{DatabaseKey, Node, NodeConfig};
use super::peer::{Peer, PeerConfig, PeerInterface};
use super::wait::wait;

/// The address that both outside routers announce.
pub const ANYCAST: &str = "203.0.113.1";

/// The common address of the cluster.
pub const COMMON: &str = "10.77.2.1";

/// The address of the cable between a node and its outside router, on the node's side.
fn node_address(number: u8) -> String {
    format!("10.{number}.0.1/30")
}

/// An outside router with a host behind it, on a cable to a node.
pub struct Outside<R = Frr> {
    /// The router.
    pub router: Rc<R>,
    /// The host.
    pub host: Rc<Namespace>,
    /// The host's address.
    pub host_address: String,
    /// The router's address on the cable to the node.
    pub router_address: String,
    /// The router's address on the host's network.
    pub host_gateway: String,
    /// The router's id.
    pub router_id: &'static str,
    /// The host's network.
    pub host_prefix: String,
    /// The node's device.
    pub node_device: String,
    /// The router's device on the cable.
    pub router_device: &'static str,
}

impl Outside {
    /// Builds number 1 or 2 beside a node's namespace, with FRR as its router.
    pub fn build(lab: &Lab, number: u8, node: &Namespace, anycast_cost: u16) -> Self {
        Self::with(lab, number, node, anycast_cost, Lab::frr)
    }
}

impl Outside<Bird> {
    /// Builds number 1 or 2 beside a node's namespace, with BIRD as its router. BIRD announces the addresses of hosts,
    /// such as [`ANYCAST`], at cost 0 whatever it is told.
    pub fn build_bird(lab: &Lab, number: u8, node: &Namespace) -> Self {
        Self::with(lab, number, node, 1, Lab::bird)
    }
}

impl<R> Outside<R> {
    fn with(
        lab: &Lab,
        number: u8,
        node: &Namespace,
        anycast_cost: u16,
        start: impl FnOnce(&Lab, &Rc<Namespace>, &PeerConfig) -> Rc<R>,
    ) -> Self {
        let router = lab.namespace(&format!("r{number}"));
        let host = lab.namespace(&format!("h{number}"));
        let node_device = format!("up{number}");
        lab.cable((node, &node_device), (&router, "core"));
        lab.cable((&router, "lan"), (&host, "eth0"));
        router.address("core", &format!("10.{number}.0.2/30"));
        router.address("lan", &format!("192.168.{number}.1/24"));
        router.address("lo", &format!("{ANYCAST}/32"));
        host.address("eth0", &format!("192.168.{number}.2/24"));
        let host_gateway = format!("192.168.{number}.1");
        host.ip(&["route", "add", "default", "via", &host_gateway]);
        let router_id = if number == 1 { "10.255.0.1" } else { "10.255.0.2" };
        let interfaces = vec![
            PeerInterface::point_to_point("core", 10),
            PeerInterface::passive("lan", 10),
            PeerInterface::passive("lo", anycast_cost),
        ];
        Self {
            router: start(lab, &router, &PeerConfig::new(router_id, interfaces)),
            host,
            host_address: format!("192.168.{number}.2"),
            router_address: format!("10.{number}.0.2"),
            host_gateway,
            router_id,
            host_prefix: format!("192.168.{number}.0/24"),
            node_device,
            router_device: "core",
        }
    }
}

/// Three nodes, one of them with an outside router.
pub struct OneExit {
    /// The node with the NIC.
    pub n1: Rc<Node>,
    /// A node without.
    pub n2: Rc<Node>,
    /// A node without.
    pub n3: Rc<Node>,
    /// What is outside.
    pub outside: Outside,
}

impl OneExit {
    /// Builds it and waits until all adjacencies stand and the host behind the router reaches every node.
    pub fn build(lab: &Lab) -> Self {
        Self::build_with(lab, |config| config)
    }

    /// The same with nodes that are configured further.
    pub fn build_with(lab: &Lab, further: impl Fn(NodeConfig) -> NodeConfig) -> Self {
        let spaces = [1, 2, 3].map(|number| lab.namespace(&format!("n{number}")));
        let outside = Outside::build(lab, 1, &spaces[0], 1);
        let n1 = lab.node(&spaces[0], further(NodeConfig::border(1, "up1", &node_address(1))));
        let n2 = lab.node(&spaces[1], further(NodeConfig::inside(2)));
        let n3 = lab.node(&spaces[2], further(NodeConfig::inside(3)));
        let exit = Self { n1, n2, n3, outside };
        exit.await_converged();
        exit
    }

    /// All nodes, by id.
    pub fn nodes(&self) -> [&Rc<Node>; 3] {
        [&self.n1, &self.n2, &self.n3]
    }

    /// Waits until all adjacencies stand and routes are at both ends.
    pub fn await_converged(&self) {
        await_cluster(&self.nodes());
        self.n1.await_full(&self.outside.node_device, self.outside.router_id);
        self.outside.router.await_full(&self.n1.router_id());
        self.outside.router.await_route("10.77.0.0/24");
        self.outside.router.await_route("10.77.1.0/24");
        self.outside.router.await_route(&format!("{COMMON}/32"));
        self.n3.await_way(&self.outside.host_address, "lsm0", "10.77.0.1");
        self.n2.await_way(&self.outside.host_address, "lsm0", "10.77.0.1");
    }
}

/// Three nodes, two of them with an outside router each.
pub struct TwoExits {
    /// The cheaper exit.
    pub n1: Rc<Node>,
    /// The dearer exit.
    pub n2: Rc<Node>,
    /// The node without a NIC.
    pub n3: Rc<Node>,
    /// Outside of `n1`.
    pub first: Outside,
    /// Outside of `n2`.
    pub second: Outside,
}

impl TwoExits {
    /// Builds it and waits until all adjacencies stand and each outside router knows the other's networks.
    pub fn build(lab: &Lab) -> Self {
        let spaces = [1, 2, 3].map(|number| lab.namespace(&format!("n{number}")));
        let first = Outside::build(lab, 1, &spaces[0], 1);
        let second = Outside::build(lab, 2, &spaces[1], 50);
        let n1 = lab.node(&spaces[0], NodeConfig::border(1, "up1", &node_address(1)));
        let n2 = lab.node(&spaces[1], NodeConfig::border(2, "up2", &node_address(2)));
        let n3 = lab.node(&spaces[2], NodeConfig::inside(3));
        let exits = Self { n1, n2, n3, first, second };
        exits.await_converged();
        exits
    }

    /// All nodes, by id.
    pub fn nodes(&self) -> [&Rc<Node>; 3] {
        [&self.n1, &self.n2, &self.n3]
    }

    /// Waits until all adjacencies stand and routes are at both ends.
    pub fn await_converged(&self) {
        await_cluster(&self.nodes());
        for (node, outside, other) in
            [(&self.n1, &self.first, &self.second), (&self.n2, &self.second, &self.first)]
        {
            node.await_full(&outside.node_device, outside.router_id);
            outside.router.await_full(&node.router_id());
            outside.router.await_route("10.77.0.0/24");
            outside.router.await_route(&format!("{COMMON}/32"));
            outside.router.await_route(&other.host_prefix);
        }
        self.n3.await_way(&self.first.host_address, "lsm0", "10.77.0.1");
        self.n3.await_way(&self.second.host_address, "lsm0", "10.77.0.2");
        self.n3.await_way(ANYCAST, "lsm0", "10.77.0.1");
    }
}

/// Waits until every node is ready and Full with every other one on both networks.
pub fn await_cluster(nodes: &[&Rc<Node>]) {
    for node in nodes {
        node.await_ready();
    }
    for node in nodes {
        for other in nodes.iter().filter(|other| other.id() != node.id()) {
            for network in ["lsm0", "gsm0"] {
                node.await_full(network, &other.router_id());
            }
        }
    }
}

/// Waits until all hold the same database of an area: the nodes, and the outside routers if it is theirs.
pub fn await_same_database(area: &str, nodes: &[&Rc<Node>], routers: &[&dyn Peer]) {
    wait(&format!("one database of area {area}"), Duration::from_secs(60), || {
        let mut databases = Vec::new();
        for node in nodes {
            databases.push((format!("node {}", node.id()), node.database(area)?));
        }
        for router in routers {
            databases.push((router.namespace().name().to_owned(), router.database(area)?));
        }
        let Some((first_name, first)) = databases.first() else { return Ok(()) };
        if first.is_empty() {
            return Err(format!("{first_name} holds nothing"));
        }
        for (name, database) in &databases[1..] {
            let only = |a: &[DatabaseKey], b: &[DatabaseKey]| -> Vec<DatabaseKey> {
                a.iter().filter(|key| !b.contains(key)).cloned().collect()
            };
            let (left, right) = (only(first, database), only(database, first));
            if !left.is_empty() || !right.is_empty() {
                return Err(format!("only {first_name}: {left:#?}\nonly {name}: {right:#?}"));
            }
        }
        Ok(())
    });
}
