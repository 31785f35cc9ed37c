//! The checked configuration: every default filled in, every cross-check passed.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::os::fd::RawFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ipnet::Ipv4Net;
use isthmus_mgmt_api::access::Token;
use isthmus_ospf::config::{
    AreaRange, AreaType, Authentication, ExternalRoute, GracefulRestart, InterfaceType, NssaRange,
    RouteRules, SpfDelay, StaticNeighbor,
};
use isthmus_ospf::types::{AreaId, RouterId};
use isthmus_shmnet::{BackOff, CoherenceMode, HugePageSize, Region, Timing};

/// A node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The node's name for people; the host name by default.
    pub hostname: String,
    /// Its part in the shared memory; `None`: a router without a fabric.
    pub fabric: Option<FabricConfig>,
    /// Its NICs.
    pub interfaces: Vec<NicConfig>,
    /// OSPF of the whole router.
    pub ospf: OspfConfig,
    /// Where the management plane listens.
    pub management: ManagementConfig,
    /// Routes by hand.
    pub static_routes: Vec<StaticRoute>,
}

/// The node's part in the shared memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FabricConfig {
    /// 1 to 256, unique in the segment.
    pub node_id: u16,
    /// Where the arenas are.
    pub segment: SegmentConfig,
    /// Whether caches are coherent on the memory.
    pub coherence: CoherenceMode,
    /// Heartbeat and timeouts.
    pub timing: Timing,
    /// The largest number of nodes, the same on all.
    pub max_nodes: u16,
    /// Rings of each pair, network and direction, the same on all nodes.
    pub queues: u8,
    /// Takes the id over from a holder that does not answer.
    pub takeover: bool,
    /// The local network.
    pub lsm: NetworkConfig,
    /// The global network.
    pub gsm: NetworkConfig,
    /// Addresses to which all nodes answer.
    pub common_addresses: Vec<Ipv4Addr>,
    /// Cost at which area border routers advertise the cluster's ranges and common addresses.
    pub advertised_cost: u32,
    /// Whether area border routers also advertise the address of each node.
    pub advertise_hosts: bool,
    /// Whether area border routers keep the backbone together over the fabric.
    pub transit: bool,
    /// Share of the flows to the common address, relative to the other nodes.
    pub weight: u16,
    /// Which stack shall answer for the node's addresses; [`resolve_stack`](super::resolve_stack) decides at start.
    pub stack: StackMode,
    /// What the kernel's stack is told when it is the one.
    pub kernel_stack: KernelStackConfig,
}

/// Where the arenas are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SegmentConfig {
    /// One file per arena in a directory.
    Directory(PathBuf),
    /// A sealed memory file for each arena.
    SealedMemory {
        /// The directory of the sockets over which they are passed.
        directory: PathBuf,
        /// The huge pages that this node's is made of, if any.
        huge_pages: Option<HugePageSize>,
    },
    /// Descriptors of memory files that the process inherited, by node id, and the segment's name.
    Inherited {
        /// Names the segment among others on this host.
        name: String,
        /// Descriptor of each node's arena.
        arenas: Vec<(u16, RawFd)>,
    },
    /// Memory that is carried between hosts.
    Reflected(ReflectedConfig),
    /// One file, ivshmem device or DAX device for all nodes; and how often a node that sleeps looks there.
    Region(Region, BackOff),
}

/// Memory that libfabric carries between hosts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReflectedConfig {
    /// The libfabric provider.
    pub provider: String,
    /// Where the other nodes call this host.
    pub listen: SocketAddr,
    /// Where they listen, by node id.
    pub peers: Vec<(u16, SocketAddr)>,
    /// Bytes of each peer's window.
    pub window: u32,
}

/// LSM or GSM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetworkConfig {
    /// The network's prefix; node `n` has the `n`-th address of it.
    pub prefix: Ipv4Net,
    /// This node's address with the prefix length.
    pub address: Ipv4Net,
    /// Administrative state at start.
    pub enabled: bool,
    /// Largest IP datagram.
    pub mtu: u16,
    /// Slots of the first ring of each pair, and bytes of a slot's buffer.
    pub ring: RingConfig,
    /// OSPF on it.
    pub ospf: OspfInterfaceConfig,
}

/// The first ring of each pair of nodes on a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RingConfig {
    /// Slots, a power of two.
    pub slots: u32,
    /// Bytes of a slot's buffer, a multiple of 128.
    pub buffer_size: u32,
}

/// Which stack shall answer for the node's LSM, GSM and common addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StackMode {
    /// The kernel's where it is permitted, else the embedded one.
    Auto,
    /// The kernel's, or the node does not start.
    Kernel,
    /// The embedded one.
    Embedded,
}

/// Which stack answers for the node's LSM, GSM and common addresses, as decided at start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StackConfig {
    /// The embedded stack owns them all.
    Embedded,
    /// The node's kernel, through two TAP devices; the embedded stack owns a loopback address of the router.
    Kernel(KernelStackConfig),
}

/// What the kernel's stack is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KernelStackConfig {
    /// Name of the device on the LSM.
    pub lsm_device: String,
    /// Name of the device on the GSM.
    pub gsm_device: String,
    /// The router's own address.
    pub loopback: Ipv4Addr,
    /// The network that the loopback addresses of all nodes come from.
    pub loopback_prefix: Ipv4Net,
}

/// A NIC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NicConfig {
    /// The interface's name; with driver `packet` the kernel's name of the device.
    pub name: String,
    /// How frames get in and out.
    pub driver: Driver,
    /// The router's address on it.
    pub address: Ipv4Net,
    /// Administrative state at start.
    pub enabled: bool,
    /// Largest IP datagram; `None`: the device's.
    pub mtu: Option<u16>,
    /// OSPF on it; `None`: none.
    pub ospf: Option<OspfInterfaceConfig>,
}

/// How frames get in and out of a NIC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Driver {
    /// A packet socket on a device of the kernel.
    Packet,
    /// A local socket to another process on this host.
    Socket {
        /// Path of the socket; the first of the two processes listens, the other connects.
        path: PathBuf,
    },
}

/// OSPF on an interface (RFC 2328 appendix C.3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OspfInterfaceConfig {
    /// The area that its network belongs to.
    pub area: AreaId,
    /// Output cost.
    pub cost: u16,
    /// HelloInterval, whole seconds.
    pub hello_interval: Duration,
    /// RouterDeadInterval, whole seconds.
    pub dead_interval: Duration,
    /// RxmtInterval.
    pub retransmit_interval: Duration,
    /// InfTransDelay, in seconds.
    pub transmit_delay: u16,
    /// The type of its network.
    pub interface_type: InterfaceType,
    /// The routers on a network without multicast, by address.
    pub static_neighbors: BTreeMap<Ipv4Addr, StaticNeighbor>,
    /// Router priority.
    pub priority: u8,
    /// How packets prove where they come from.
    pub authentication: Authentication,
    /// Hops that packets may come over with TTL security; `None`: it is off.
    pub ttl_security: Option<u8>,
    /// Advertised, but without hellos.
    pub passive: bool,
    /// The network itself is not advertised.
    pub prefix_suppression: bool,
    /// Skips the check of the neighbor's MTU.
    pub mtu_ignore: bool,
}

/// OSPF of the whole router.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OspfConfig {
    /// The router's name; the LSM address by default.
    pub router_id: RouterId,
    /// Areas with what is set for them beyond the defaults.
    pub areas: Vec<AreaSettings>,
    /// Equal-cost next hops kept.
    pub maximum_paths: usize,
    /// How long the calculation of routes waits.
    pub spf_delay: SpfDelay,
    /// Which rules the calculation of routes goes by.
    pub route_rules: RouteRules,
    /// When other routers' traffic shall go around this one.
    pub stub_router: StubRouter,
    /// What is done for neighbors that restart.
    pub graceful_restart: GracefulRestart,
    /// Which routes from outside OSPF are announced in it.
    pub redistribute: Redistribute,
    /// How the default route is announced; `None`: not at all.
    pub default_information: Option<DefaultInformation>,
}

/// When other routers' traffic shall go around this one (RFC 6987).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StubRouter {
    /// As long as this is set.
    pub always: bool,
    /// So long after the start.
    pub on_startup: Duration,
    /// So long before the end.
    pub on_shutdown: Duration,
}

/// Which routes from outside OSPF are announced in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Redistribute {
    /// The networks of interfaces without OSPF; `None`: none of them.
    pub connected: Option<RedistributeSource>,
    /// The static routes in use; `None`: none of them.
    pub by_hand: Option<RedistributeSource>,
}

/// How routes of a source are announced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedistributeSource {
    /// Metric, type and tag.
    pub route: ExternalRoute,
    /// Which of them; without rules all.
    pub filter: Vec<PrefixRule>,
}

impl RedistributeSource {
    /// Whether the filter lets a prefix pass: the first rule that fits decides.
    pub fn permits(&self, prefix: Ipv4Net) -> bool {
        let fits =
            |rule: &&PrefixRule| rule.prefix.contains(&prefix) && rule.lengths.contains(&prefix.prefix_len());
        self.filter.is_empty() || self.filter.iter().find(fits).is_some_and(|rule| rule.permit)
    }
}

/// A rule of a filter of prefixes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PrefixRule {
    /// It fits prefixes inside of this one.
    pub prefix: Ipv4Net,
    /// That have one of these lengths.
    pub lengths: RangeInclusive<u8>,
    /// Whether they pass.
    pub permit: bool,
}

/// How the default route is announced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DefaultInformation {
    /// Also without a static default route in use.
    pub always: bool,
    /// Metric, type and tag.
    pub route: ExternalRoute,
}

/// What is set for an area.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AreaSettings {
    /// Which area.
    pub area: AreaId,
    /// Whether it takes external routes.
    pub area_type: AreaType,
    /// Its ranges. Those of the cluster are added by the router itself.
    pub ranges: Vec<AreaRange>,
    /// Ranges of the external routes of a not-so-stubby area.
    pub nssa_ranges: Vec<NssaRange>,
    /// Virtual links that lead through it.
    pub virtual_links: Vec<VirtualLinkConfig>,
}

/// A virtual link through an area.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VirtualLinkConfig {
    /// The router at the other end.
    pub router_id: RouterId,
    /// HelloInterval.
    pub hello_interval: Duration,
    /// RouterDeadInterval.
    pub dead_interval: Duration,
    /// RxmtInterval.
    pub retransmit_interval: Duration,
    /// InfTransDelay, in seconds.
    pub transmit_delay: u16,
    /// How packets prove where they come from.
    pub authentication: Authentication,
}

/// Where the management plane listens, and whom it takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ManagementConfig {
    /// A unix socket; `None`: none.
    pub unix_socket: Option<PathBuf>,
    /// An address and port; `None`: none. Without tokens and TLS it is loopback.
    pub listen: Option<SocketAddr>,
    /// Port inside the routed network, carried by the embedded stack; `None`: none. There are tokens and TLS then.
    pub in_band_port: Option<u16>,
    /// Where the node keeps what it remembers over restarts.
    pub state_directory: PathBuf,
    /// Who may use it.
    pub tokens: Vec<Token>,
    /// Whether the loopback address asks for tokens.
    pub loopback_tokens: bool,
    /// TLS of what is not loopback.
    pub tls: Option<TlsConfig>,
}

/// A certificate and its key, PEM files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsConfig {
    /// The certificate, followed by those that it was signed with.
    pub certificate: PathBuf,
    /// Its private key.
    pub private_key: PathBuf,
}

impl TlsConfig {
    /// The key of the configuration that names a file.
    pub fn key_of(&self, path: &Path) -> &'static str {
        if path == self.certificate { "management.tls.certificate" } else { "management.tls.private-key" }
    }
}

/// A route by hand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StaticRoute {
    /// Where to.
    pub prefix: Ipv4Net,
    /// By which router; `None`: dropped.
    pub next_hop: Option<Ipv4Addr>,
    /// Preference among sources; lower wins.
    pub distance: u8,
}
