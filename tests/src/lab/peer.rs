//! What a test says to a real router of another make, and asks of it.

use std::time::Duration;

use super::namespace::Namespace;
use super::node::DatabaseKey;
use super::wait::wait;

/// What a router is told.
#[derive(Clone, Debug)]
pub struct PeerConfig {
    /// Its router id.
    pub router_id: &'static str,
    /// Its interfaces.
    pub interfaces: Vec<PeerInterface>,
    /// Those of its areas that are stub areas.
    pub stub_areas: Vec<&'static str>,
    /// Those that are not-so-stubby areas, with what each is told about them.
    pub nssas: Vec<(&'static str, &'static str)>,
    /// Further statements of BIRD's configuration.
    pub bird: &'static str,
    /// Its virtual links. Hellos every second, dead after four.
    pub virtual_links: Vec<PeerVirtualLink>,
}

/// A virtual link of a router.
#[derive(Clone, Debug)]
pub struct PeerVirtualLink {
    /// The area that it leads through.
    pub transit_area: &'static str,
    /// The router that it leads to.
    pub router_id: &'static str,
    /// How its packets are authenticated: not at all, or with an MD5 digest.
    pub authentication: PeerAuthentication,
}

/// An interface of a router. Device and address exist already.
#[derive(Clone, Debug)]
pub struct PeerInterface {
    /// The device.
    pub name: &'static str,
    /// Its area.
    pub area: &'static str,
    /// Its output cost.
    pub cost: u16,
    /// What OSPF does on it.
    pub network: PeerNetwork,
    /// Seconds between hellos.
    pub hello_interval: u16,
    /// Seconds without a hello after which a neighbor is down.
    pub dead_interval: u16,
    /// How its packets are authenticated.
    pub authentication: PeerAuthentication,
    /// Whether it sends with TTL 255 and refuses less (RFC 5082), which FRR cannot.
    pub ttl_security: bool,
}

/// What OSPF does on an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PeerNetwork {
    /// Advertised without hellos.
    Passive,
    /// Two routers.
    PointToPoint,
    /// A network with a designated router.
    Broadcast {
        /// The router's priority in the election.
        priority: u8,
    },
    /// A network with a designated router and without multicast. Who is down is polled every two seconds.
    NonBroadcast {
        /// The router's priority in the election.
        priority: u8,
        /// The others, with their priorities.
        neighbors: &'static [(&'static str, u8)],
    },
    /// A network of which each pair of routers is a link.
    PointToMultipoint {
        /// The others; FRR finds them by multicast.
        neighbors: &'static [&'static str],
    },
}

/// How packets are authenticated (RFC 2328 appendix D).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PeerAuthentication {
    /// Not at all.
    None,
    /// By a password that stands in them.
    Simple(&'static str),
    /// By a keyed MD5 digest behind them.
    Md5 {
        /// The key's number.
        id: u8,
        /// The key.
        key: &'static str,
    },
    /// By digests with the keys of these `password` statements, which are BIRD's alone.
    BirdKeys(&'static str),
}

impl PeerConfig {
    /// A router without stub areas and not-so-stubby areas.
    pub fn new(router_id: &'static str, interfaces: Vec<PeerInterface>) -> Self {
        Self {
            router_id,
            interfaces,
            stub_areas: Vec::new(),
            nssas: Vec::new(),
            bird: "",
            virtual_links: Vec::new(),
        }
    }
}

impl PeerInterface {
    /// In area 0 with hello 1, dead 4.
    fn new(name: &'static str, cost: u16, network: PeerNetwork) -> Self {
        Self {
            name,
            area: "0.0.0.0",
            cost,
            network,
            hello_interval: 1,
            dead_interval: 4,
            authentication: PeerAuthentication::None,
            ttl_security: false,
        }
    }

    /// Advertised without hellos.
    pub fn passive(name: &'static str, cost: u16) -> Self {
        Self::new(name, cost, PeerNetwork::Passive)
    }

    /// A cable to one other router.
    pub fn point_to_point(name: &'static str, cost: u16) -> Self {
        Self::new(name, cost, PeerNetwork::PointToPoint)
    }

    /// On a network of many routers.
    pub fn broadcast(name: &'static str, cost: u16, priority: u8) -> Self {
        Self::new(name, cost, PeerNetwork::Broadcast { priority })
    }

    /// On a network of many routers without multicast.
    pub fn non_broadcast(
        name: &'static str,
        cost: u16,
        priority: u8,
        neighbors: &'static [(&'static str, u8)],
    ) -> Self {
        Self::new(name, cost, PeerNetwork::NonBroadcast { priority, neighbors })
    }

    /// On a network of which each pair of routers is a link.
    pub fn point_to_multipoint(name: &'static str, cost: u16, neighbors: &'static [&'static str]) -> Self {
        Self::new(name, cost, PeerNetwork::PointToMultipoint { neighbors })
    }

    /// The same in another area.
    pub fn in_area(self, area: &'static str) -> Self {
        Self { area, ..self }
    }

    /// The same with TTL security.
    pub fn ttl_secured(self) -> Self {
        Self { ttl_security: true, ..self }
    }

    /// The same with authentication.
    pub fn authenticated(self, authentication: PeerAuthentication) -> Self {
        Self { authentication, ..self }
    }
}

/// A running router of another make.
pub trait Peer {
    /// Its namespace.
    fn namespace(&self) -> &Namespace;

    /// The state of the adjacency with a router id and the neighbor's part in the network, as `Full/DR`.
    ///
    /// # Errors
    /// If there is no such neighbor.
    fn neighbor_state(&self, router_id: &str) -> Result<String, String>;

    /// Its link state database of an area, in the form of [`super::Node::database`].
    ///
    /// # Errors
    /// If the router does not answer.
    fn database(&self, area: &str) -> Result<Vec<DatabaseKey>, String>;

    /// What it knows, for messages.
    fn state(&self) -> String;

    /// Its routing daemon killed with SIGKILL. Carrier, addresses and kernel routes stay.
    fn kill_daemon(&self);

    /// Its routing daemon started again.
    fn start_daemon(&self);

    /// The routes of a protocol to a prefix in the kernel, as `ip route` prints them.
    fn kernel_routes(&self, prefix: &str) -> String;

    /// Waits for the adjacency with a router id.
    fn await_full(&self, router_id: &str) {
        wait(&format!("{}: Full with {router_id}", self.namespace().name()), Duration::from_secs(60), || {
            let state = self.neighbor_state(router_id)?;
            if state.starts_with("Full") { Ok(()) } else { Err(state) }
        });
    }

    /// Waits for OSPF's route to a prefix to be in the kernel.
    fn await_route(&self, prefix: &str) {
        wait(&format!("{}: route to {prefix}", self.namespace().name()), Duration::from_secs(60), || {
            if self.kernel_routes(prefix).is_empty() { Err(self.state()) } else { Ok(()) }
        });
    }

    /// Waits for OSPF's route to a prefix to be gone from the kernel.
    fn await_no_route(&self, prefix: &str) {
        wait(&format!("{}: no route to {prefix}", self.namespace().name()), Duration::from_secs(60), || {
            let routes = self.kernel_routes(prefix);
            if routes.is_empty() { Ok(()) } else { Err(routes) }
        });
    }
}
