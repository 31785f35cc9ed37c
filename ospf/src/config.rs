//! What an instance is told. Values are valid by construction of the caller: the engine does not
//! re-check what the configuration parser of the router has refused.

mod authentication;
mod external;
mod graceful_restart;
mod nssa;
mod rules;
mod spf_delay;
mod static_neighbor;

pub use authentication::{Authentication, Key, Lifetime};
pub(crate) use authentication::{expired_key, is_accepted, sending_key};
pub use external::ExternalRoute;
pub use graceful_restart::GracefulRestart;
pub use nssa::{NssaConfig, NssaRange, TranslatorRole};
pub use rules::RouteRules;
pub use spf_delay::SpfDelay;
pub use static_neighbor::StaticNeighbor;

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::Duration;

use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};

use crate::types::{AreaId, InterfaceId, RouterId};

/// One OSPFv2 instance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct InstanceConfig {
    /// This router's name in the autonomous system.
    pub router_id: RouterId,
    /// Areas by id. Every interface's area must be here.
    pub areas: BTreeMap<AreaId, AreaConfig>,
    /// Interfaces by id.
    pub interfaces: BTreeMap<InterfaceId, InterfaceConfig>,
    /// The largest number of equal-cost next hops kept for a route (RFC 2328 section 16.8).
    pub maximum_paths: usize,
    /// How long the calculation of routes waits.
    pub spf_delay: SpfDelay,
    /// Which rules that calculation goes by.
    pub route_rules: RouteRules,
    /// A stub router (RFC 6987): its links are advertised with MaxLinkMetric, so that no other router's traffic goes through it
    /// where there is another way. Its own networks are reached as before.
    pub stub_router: bool,
    /// What people call this router: announced in router information (RFC 7770, RFC 5642), which is left out without a name. 1 to 255
    /// characters of ASCII without spaces; another name is not announced.
    pub hostname: Option<String>,
    /// What is done for neighbors that restart (RFC 3623).
    pub graceful_restart: GracefulRestart,
}

impl Default for InstanceConfig {
    /// A router without a name, areas or interfaces; 16 equal paths, routes calculated at once.
    fn default() -> Self {
        Self {
            router_id: RouterId(Ipv4Addr::UNSPECIFIED),
            areas: BTreeMap::new(),
            interfaces: BTreeMap::new(),
            maximum_paths: 16,
            spf_delay: SpfDelay::default(),
            route_rules: RouteRules::default(),
            stub_router: false,
            hostname: None,
            graceful_restart: GracefulRestart::default(),
        }
    }
}

impl AreaType {
    /// Whether AS-external advertisements are flooded through the area.
    pub fn takes_externals(self) -> bool {
        match self {
            Self::Normal => true,
            Self::Stub { .. } | Self::Nssa(_) => false,
        }
    }

    /// What is configured for a not-so-stubby area; `None` for others.
    pub fn nssa(self) -> Option<NssaConfig> {
        match self {
            Self::Nssa(nssa) => Some(nssa),
            Self::Normal | Self::Stub { .. } => None,
        }
    }
}

impl InstanceConfig {
    /// The type of an area. The backbone is always normal (RFC 2328 section 3.6).
    pub fn area_type(&self, id: AreaId) -> AreaType {
        match self.areas.get(&id) {
            Some(area) if !id.is_backbone() => area.area_type,
            _ => AreaType::Normal,
        }
    }
}

/// Whether an area takes external routes (RFC 2328 section 3.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AreaType {
    /// Carries everything.
    #[default]
    Normal,
    /// Takes no AS-external advertisements: its border routers announce a default route instead. Never the backbone.
    #[serde(rename_all = "kebab-case")]
    Stub {
        /// What a border router announces the default route with (StubDefaultCost), 0 to 16777215.
        default_cost: u32,
        /// Whether a border router announces the networks of other areas as well (ImportSummaries): without them the
        /// area is totally stubby.
        summary: bool,
    },
    /// Not so stubby (RFC 3101): takes no AS-external advertisements, but its routers may announce routes from outside in
    /// advertisements of its own, which its border routers translate. Never the backbone.
    Nssa(NssaConfig),
}

/// An area (RFC 2328 appendix C.2).
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct AreaConfig {
    /// Normal, stub or not so stubby.
    pub area_type: AreaType,
    /// Address ranges that an area border router condenses toward the other areas.
    pub ranges: Vec<AreaRange>,
    /// Ranges of a not-so-stubby area's external routes, which a translator condenses (RFC 3101 section 2.2).
    pub nssa_ranges: Vec<NssaRange>,
    /// MinLSInterval of the area's advertisements: the least time between two originations of one of them.
    /// `None`: the first at once, the next not before 1.05 s (just past the peers' MinLSArrival).
    pub min_ls_interval: Option<Duration>,
    /// MinLSArrival of the area's advertisements; `None`: 1 s (appendix B).
    pub min_ls_arrival: Option<Duration>,
}

/// An address range of an area (RFC 2328 section 12.4.3).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct AreaRange {
    /// Networks inside this prefix are condensed into it.
    pub prefix: Ipv4Net,
    /// `false` hides the range and everything inside it.
    pub advertise: bool,
    /// A fixed cost; `None` takes the largest cost of the components.
    pub cost: Option<u32>,
}

/// How packets travel on an interface's network (RFC 2328 section 1.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum InterfaceType {
    /// Two routers.
    #[default]
    PointToPoint,
    /// Many routers, each pair its own link. Where no neighbors are listed, hellos and flooding are multicast on it (a
    /// written deviation), so neighbors are found by themselves; where some are, every packet goes to single addresses.
    PointToMultipoint,
    /// Many routers that hear each other; a designated router speaks for the network (section 9.4).
    Broadcast,
    /// Many routers that reach each other, but only one by one (NBMA): neighbors are listed, and a designated router speaks
    /// for the network (section 9.5.1).
    NonBroadcast,
    /// No network of its own: another area border router, with which the backbone is joined through an area
    /// (section 15). Address, MTU check, cost and TTL security of the interface do not count, and the interface comes up and
    /// goes down with the path to the other router. Its area is the backbone.
    #[serde(rename_all = "kebab-case")]
    VirtualLink {
        /// Through which area.
        transit_area: AreaId,
        /// To whom.
        router_id: RouterId,
    },
}

impl InterfaceType {
    /// The area that a virtual link leads through, and the router that it leads to.
    pub fn virtual_link(self) -> Option<(AreaId, RouterId)> {
        match self {
            Self::VirtualLink { transit_area, router_id } => Some((transit_area, router_id)),
            Self::PointToPoint | Self::PointToMultipoint | Self::Broadcast | Self::NonBroadcast => None,
        }
    }
}

/// An interface (RFC 2328 appendix C.3).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct InterfaceConfig {
    /// Its name in the router, for views and events.
    pub name: String,
    /// The area that its network belongs to.
    pub area: AreaId,
    /// The type of its network.
    pub interface_type: InterfaceType,
    /// Address and prefix length. On an unnumbered interface: the address that its packets carry as source.
    pub address: Ipv4Net,
    /// Advertised with the interface id as link data and without a prefix (RFC 2328 section 12.4.1.1).
    pub unnumbered: bool,
    /// Who is on a network without multicast, by address: see [`InterfaceType::NonBroadcast`] and
    /// [`InterfaceType::PointToMultipoint`]. Others that are heard there become neighbors as well.
    pub static_neighbors: BTreeMap<Ipv4Addr, StaticNeighbor>,
    /// Where packets go instead of AllSPFRouters: the neighbor of a multi-area adjacency (RFC 5185 section 2.2).
    pub unicast_to: Option<Ipv4Addr>,
    /// Output cost, 1 to 65535.
    pub cost: u16,
    /// HelloInterval. The wire carries whole seconds.
    pub hello_interval: Duration,
    /// RouterDeadInterval. The wire carries whole seconds.
    pub dead_interval: Duration,
    /// RxmtInterval.
    pub retransmit_interval: Duration,
    /// InfTransDelay, in seconds.
    pub transmit_delay: u16,
    /// Interface MTU: the largest IP datagram sent here, and the value in database description packets.
    pub mtu: u16,
    /// Skips the check of the neighbor's MTU (RFC 2328 section 10.6).
    pub mtu_ignore: bool,
    /// Advertised, but without hellos.
    pub passive: bool,
    /// The network itself is not advertised, only who is on it (RFC 6860); a passive interface's is.
    pub prefix_suppression: bool,
    /// Router priority, carried in hellos: 0 never becomes designated router.
    pub priority: u8,
    /// How packets on this interface prove where they come from.
    pub authentication: Authentication,
    /// Over how many hops packets may come, 1 to 254 (RFC 5082): they leave with TTL 255, and below 256 less the hops they
    /// are refused. `None`: they leave with TTL 1, and any is taken.
    pub ttl_security: Option<u8>,
    /// The caller watches neighbors by BFD at these intervals, and tells when one fails (RFC 5882): see
    /// [`crate::Instance::bfd_neighbors`].
    pub bfd: Option<crate::bfd::Parameters>,
    /// Further stub prefixes announced with this interface while it is up, with their cost:
    /// secondary addresses, the common address.
    pub stub_prefixes: Vec<(Ipv4Net, u16)>,
}

impl InterfaceConfig {
    /// Whether every packet goes to the address of one router, because the network has no multicast.
    pub fn is_non_broadcast(&self) -> bool {
        match self.interface_type {
            InterfaceType::NonBroadcast => true,
            InterfaceType::PointToMultipoint => !self.static_neighbors.is_empty(),
            InterfaceType::PointToPoint | InterfaceType::Broadcast | InterfaceType::VirtualLink { .. } => {
                false
            }
        }
    }
}

impl Default for InterfaceConfig {
    /// A point-to-point interface of the backbone without an address, with the timers of appendix C.3, cost 10 and an
    /// Ethernet's MTU.
    fn default() -> Self {
        Self {
            name: String::new(),
            area: AreaId::BACKBONE,
            interface_type: InterfaceType::PointToPoint,
            address: Ipv4Net::default(),
            unnumbered: false,
            static_neighbors: BTreeMap::new(),
            unicast_to: None,
            cost: 10,
            hello_interval: Duration::from_secs(10),
            dead_interval: Duration::from_secs(40),
            retransmit_interval: Duration::from_secs(5),
            transmit_delay: 1,
            mtu: 1500,
            mtu_ignore: false,
            passive: false,
            prefix_suppression: false,
            priority: 1,
            authentication: Authentication::Null,
            ttl_security: None,
            bfd: None,
            stub_prefixes: Vec::new(),
        }
    }
}
