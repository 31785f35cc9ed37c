//! The configuration file as it is written, and the defaults of its keys.
//!
//! Keys are the leaf names of RFC 9129, RFC 8349 and RFC 8343 where these have one. Values are taken as written,
//! numbers in any range and addresses as text, so that the checks can name everything that is wrong with a file
//! at once. The comments here are the descriptions in the JSON schema and in the reference.

mod key_chain;
mod management;
mod ospf;
mod redistribution;
mod reflected;
mod secret;
mod segment;
mod static_neighbor;
mod virtual_link;

use std::collections::BTreeMap;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

pub use key_chain::{RawCryptoAlgorithm, RawKeyChain, RawKeyChainKey, RawLifetime};
pub use management::{RawRole, RawTls, RawToken};
pub use ospf::{
    RawArea, RawAreaType, RawGracefulRestart, RawNssaRange, RawOspf, RawRange, RawSpfDelay, RawStubRouter,
    RawTranslatorRole,
};
pub use redistribution::{
    RawDefaultInformation, RawFilterAction, RawFilterRule, RawRedistribute, RawRedistributeSource,
};
pub use reflected::{RawReflected, RawReflectedFacility};
pub use secret::RawSecret;
pub use segment::{RawCoherence, RawFacility, RawHugePages, RawMemory, RawTiming};
pub use static_neighbor::RawStaticNeighbor;
pub use virtual_link::RawVirtualLink;

/// The configuration of a node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
#[schemars(title = "Isthmus configuration")]
pub struct RawConfig {
    /// The node's name for people. Default: the host's name.
    pub hostname: Option<String>,
    /// The node's number in the segment. With `segment` it makes the router a node of a cluster; without both
    /// it is a plain router. At most `fabric.max-nodes`.
    #[schemars(range(min = 1, max = 256))]
    pub node_id: Option<i64>,
    /// The shared memory: the absolute path of a directory that all nodes see, on a memory file system; or a mapping that
    /// says which other memory it is.
    pub segment: Option<RawSegment>,
    /// The NICs.
    pub interfaces: Vec<RawInterface>,
    /// The node's part in the shared memory. Everything in it has a default.
    pub fabric: Option<RawFabric>,
    /// OSPF of the whole router.
    pub ospf: RawOspf,
    /// Where the management plane listens, and whom it takes.
    pub management: RawManagement,
    /// Routes by hand.
    pub static_routes: Vec<RawStaticRoute>,
    /// Keys with algorithms and lifetimes, for the authentication of interfaces (RFC 8177).
    pub key_chains: Vec<RawKeyChain>,
}

/// Where the arenas are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged, rename_all = "kebab-case")]
pub enum RawSegment {
    /// A directory with one file per node.
    Directory(String),
    /// Memory files that the process inherited.
    Inherited {
        /// The only key of the mapping.
        inherited: RawInherited,
    },
    /// Memory between hosts.
    Reflected(RawReflected),
    /// Any memory, in full.
    Memory(RawMemory),
}

/// Memory files that the process inherited from the one that started it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct RawInherited {
    /// Names the segment among others on this host.
    pub name: String,
    /// File descriptor of each node's arena, by node id.
    pub arenas: BTreeMap<String, i64>,
}

/// A NIC.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct RawInterface {
    /// The interface's name; with driver `packet` the kernel's name of the device.
    pub name: String,
    /// How frames get in and out.
    #[serde(default)]
    pub driver: RawDriver,
    /// The router's address on it, with the length of the network's prefix: `192.0.2.1/30`.
    pub address: String,
    /// Path of the socket, for driver `socket`: the first of the two processes listens, the other connects.
    pub path: Option<String>,
    /// Administrative state at start.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// Largest IP datagram, in bytes. Default: the device's; 1500 for driver `socket`.
    #[schemars(range(min = 576, max = 9000))]
    pub mtu: Option<i64>,
    /// OSPF on it.
    #[serde(default)]
    pub ospf: RawInterfaceOspf,
}

/// How frames get in and out of a NIC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RawDriver {
    /// A packet socket on a device of the kernel.
    #[default]
    Packet,
    /// A local socket to another process on this host.
    Socket,
}

/// OSPF on a NIC (RFC 2328 appendix C.3).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct RawInterfaceOspf {
    /// Whether OSPF runs on it and advertises its network.
    pub enabled: bool,
    /// The area of its network: `0.0.0.0`, or the cluster's own area.
    pub area_id: String,
    /// Output cost.
    #[schemars(range(min = 1, max = 65535))]
    pub cost: i64,
    /// Seconds between hellos.
    #[schemars(range(min = 1, max = 65535))]
    pub hello_interval: i64,
    /// Seconds without a hello after which a neighbor is down; more than `hello-interval`.
    #[schemars(range(min = 2, max = 65535))]
    pub dead_interval: i64,
    /// Seconds between retransmissions.
    #[schemars(range(min = 1, max = 3600))]
    pub retransmit_interval: i64,
    /// Seconds added to the age of an advertisement that is sent here.
    #[schemars(range(min = 1, max = 3600))]
    pub transmit_delay: i64,
    /// The type of its network: how many routers are on it, and how they reach each other. The same on all of them.
    pub interface_type: RawInterfaceType,
    /// The routers on a network without multicast. Others that are heard there become neighbors as well.
    pub static_neighbors: Vec<RawStaticNeighbor>,
    /// Router priority in the election of the designated router: the highest wins, 0 takes no part.
    #[schemars(range(min = 0, max = 255))]
    pub priority: i64,
    /// Advertised, but without hellos.
    pub passive: bool,
    /// Advertises who is on the network, and not the network: nobody needs to reach what only routers are on (RFC 6860). With
    /// `passive` it says nothing.
    pub prefix_suppression: bool,
    /// How packets prove where they come from.
    pub authentication: RawAuthentication,
    /// Skips the check of the neighbor's MTU (RFC 2328 section 10.6).
    pub mtu_ignore: bool,
    /// Refuses packets that have come over more hops (RFC 5082).
    pub ttl_security: RawTtlSecurity,
}

/// The type of a NIC's network (RFC 2328 section 1.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RawInterfaceType {
    /// Two routers.
    #[default]
    PointToPoint,
    /// Any number of routers that hear each other, such as an Ethernet LAN: they elect a designated router, which
    /// speaks for the network.
    Broadcast,
    /// Any number of routers that reach each other, but only one by one (NBMA): `static-neighbors` says where they are. They
    /// elect a designated router.
    NonBroadcast,
    /// Any number of routers of which each pair is a link of its own, without a designated router; not all need to reach each
    /// other. They find each other by multicast, or, where `static-neighbors` has any, every packet goes to one of these.
    PointToMultipoint,
}

/// The generalized TTL security mechanism (RFC 5082), on all routers of the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct RawTtlSecurity {
    /// Whether packets leave with TTL 255, which no packet from afar can have, and others are refused.
    pub enabled: bool,
    /// Hops over which packets may come: 1 for neighbors on the network.
    #[schemars(range(min = 1, max = 254))]
    pub hops: i64,
}

impl Default for RawTtlSecurity {
    fn default() -> Self {
        Self { enabled: false, hops: 1 }
    }
}

/// How OSPF packets prove where they come from (RFC 2328 appendix D). The same on all routers of a network.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct RawAuthentication {
    /// The way.
    #[serde(rename = "type")]
    pub kind: RawAuthenticationType,
    /// The password of type `simple`, 1 to 8 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<RawSecret>,
    /// The keys of type `md5`: the first signs what is sent, what any of them has signed is taken. To change a key
    /// without a gap, add the new one behind the old on every router, then make it the first everywhere, then remove
    /// the old.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<RawAuthenticationKey>,
    /// The key chain of type `key-chain`: the name of one of `key-chains`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_chain: Option<String>,
    /// What follows the packet with type `key-chain`: the form of RFC 5709, or that of RFC 7474.
    pub auth_trailer_rfc: RawAuthenticationTrailer,
}

/// Ways to authenticate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RawAuthenticationType {
    /// Not at all.
    #[default]
    None,
    /// A password that stands in every packet for all to read: against mistakes, not against attackers.
    Simple,
    /// A digest of packet and key behind every packet, with a number that only rises.
    Md5,
    /// The same with the keys of a chain, which have algorithms (HMAC-SHA, RFC 5709) and lifetimes.
    KeyChain,
}

/// Forms of cryptographic authentication.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RawAuthenticationTrailer {
    /// What all routers know: sequence numbers are seconds of the clock.
    #[default]
    Rfc5709,
    /// With sequence numbers that never come again, also after a restart, and with the source's address under the digest: no packet
    /// can be played back. The keys are HMAC-SHA. Between routers of this make: few others know it.
    Rfc7474,
}

/// A key of type `md5`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct RawAuthenticationKey {
    /// Its number, which packets carry.
    #[schemars(range(min = 0, max = 255))]
    pub key_id: i64,
    /// The secret, 1 to 16 characters.
    pub key: RawSecret,
}

/// The node's part in the shared memory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct RawFabric {
    /// The largest number of nodes, the same on all.
    #[schemars(range(min = 2, max = 256))]
    pub max_nodes: i64,
    /// Rings of each pair of nodes, network and direction, the same on all nodes: with several, a program that uses the fabric can
    /// have a worker for each. The router's one worker sends by the first and receives by all.
    #[schemars(range(min = 1, max = 8))]
    pub queues: i64,
    /// Takes the node id over from a holder that does not answer.
    pub takeover: bool,
    /// How soon a silent node is noticed.
    pub timing: RawTiming,
    /// The cluster's area.
    pub area_id: String,
    /// The local network. Its defaults: prefix `10.77.0.0/24`, cost 2, device `lsm0`.
    pub lsm: RawNetwork,
    /// The global network. Its defaults: prefix `10.77.1.0/24`, cost one more than the local network's,
    /// device `gsm0`.
    pub gsm: RawNetwork,
    /// Addresses to which all nodes answer.
    pub common_addresses: Vec<String>,
    /// Where the routers' own addresses come from when the kernel's stack holds the others: node `n` has the
    /// `n`-th address.
    pub loopback_prefix: String,
    /// Which stack answers for the node's addresses.
    pub stack: RawStack,
    /// Cost at which area border routers advertise the cluster's ranges and common addresses.
    #[schemars(range(min = 0, max = 16777214))]
    pub advertised_cost: i64,
    /// Whether area border routers also advertise the address of each node.
    pub advertise_hosts: bool,
    /// Whether area border routers keep the backbone together over the shared memory.
    pub transit: bool,
    /// Share of the flows to the common addresses, relative to the other nodes.
    #[schemars(range(min = 1, max = 1000))]
    pub weight: i64,
}

/// Which stack answers for the node's addresses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RawStack {
    /// The kernel's where the process may create devices, else the embedded one; the log and `status` say which
    /// and why.
    #[default]
    Auto,
    /// The node's kernel, through the devices `lsm0` and `gsm0`.
    Kernel,
    /// The router's embedded stack.
    Embedded,
}

/// A network over the shared memory.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct RawNetwork {
    /// The network's prefix; node `n` has the `n`-th address of it.
    pub prefix: Option<String>,
    /// Administrative state at start. Default: `true`.
    pub enabled: Option<bool>,
    /// Largest IP datagram, in bytes. Default: 9000.
    #[schemars(range(min = 576, max = 9000))]
    pub mtu: Option<i64>,
    /// Slots of the first ring of each pair of nodes, a power of two; the same on all nodes. A ring that stays full is replaced by one
    /// with four times as many, up to 1024. Default: 64.
    #[schemars(range(min = 4, max = 65536))]
    pub ring_slots: Option<i64>,
    /// Bytes of the buffer of a ring's slot, a multiple of 128; the same on all nodes. A longer frame takes several slots, at most half
    /// of the ring. Default: 2048.
    #[schemars(range(min = 128, max = 65408))]
    pub buffer_size: Option<i64>,
    /// Name of the kernel's device, when the kernel's stack is used.
    pub device: Option<String>,
    /// OSPF on it.
    pub ospf: RawNetworkOspf,
}

/// OSPF on a network over the shared memory; the same on all nodes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct RawNetworkOspf {
    /// Output cost. The local network's must be less than the global one's, and that less than twice the local
    /// one's.
    #[schemars(range(min = 1, max = 65535))]
    pub cost: Option<i64>,
    /// Seconds between hellos. Default: 1.
    #[schemars(range(min = 1, max = 65535))]
    pub hello_interval: Option<i64>,
    /// Seconds without a hello after which a neighbor is down; more than `hello-interval`. Default: 4.
    #[schemars(range(min = 2, max = 65535))]
    pub dead_interval: Option<i64>,
    /// Seconds between retransmissions. Default: 1.
    #[schemars(range(min = 1, max = 3600))]
    pub retransmit_interval: Option<i64>,
    /// Seconds added to the age of an advertisement that is sent here. Default: 1.
    #[schemars(range(min = 1, max = 3600))]
    pub transmit_delay: Option<i64>,
    /// Router priority, carried in hellos. Default: 1.
    #[schemars(range(min = 0, max = 255))]
    pub priority: Option<i64>,
}

/// Where the management plane listens, and whom it takes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct RawManagement {
    /// Path of a unix socket, or `none`. Default: `/run/isthmus/node-N.sock` for root,
    /// `$XDG_RUNTIME_DIR/isthmus/node-N.sock` for others; `router.sock` without a fabric.
    pub unix_socket: Option<String>,
    /// An address and a port. A loopback address, `127.0.0.1:8080` or `[::1]:8080`, speaks plain HTTP and asks for a
    /// token only if there are `tokens`; any other speaks TLS and needs `tokens` and `tls`. Default: none.
    pub listen: Option<String>,
    /// Port inside the routed network, carried by the embedded stack. It speaks TLS and needs `tokens` and `tls`.
    /// Default: none.
    #[schemars(range(min = 1, max = 65535))]
    pub in_band_port: Option<i64>,
    /// Directory of what the node remembers over restarts: the history of its configurations, secrets included. Default:
    /// `/var/lib/isthmus/node-N` for root, `$XDG_STATE_HOME/isthmus/node-N` for others; `router` without a fabric.
    pub state_directory: Option<String>,
    /// Who may use the addresses that other hosts can reach, and what for. With tokens the loopback address asks for
    /// them, too; the unix socket knows its callers as users of the host.
    pub tokens: Vec<RawToken>,
    /// Whether the loopback address asks for tokens, where there are some. `false` leaves it to every user of the host.
    pub loopback_tokens: Option<bool>,
    /// TLS of the addresses that other hosts can reach.
    pub tls: Option<RawTls>,
}

/// A route by hand.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct RawStaticRoute {
    /// Where to.
    pub destination_prefix: String,
    /// By which router, or `blackhole`: dropped.
    pub next_hop: String,
    /// Preference among sources; the lower one wins.
    #[serde(default = "static_distance")]
    #[schemars(range(min = 1, max = 255))]
    pub distance: i64,
}

impl Default for RawInterfaceOspf {
    fn default() -> Self {
        Self {
            enabled: true,
            area_id: "0.0.0.0".to_owned(),
            cost: 10,
            hello_interval: 10,
            dead_interval: 40,
            retransmit_interval: 5,
            transmit_delay: 1,
            interface_type: RawInterfaceType::default(),
            static_neighbors: Vec::new(),
            priority: 1,
            passive: false,
            prefix_suppression: false,
            authentication: RawAuthentication::default(),
            mtu_ignore: false,
            ttl_security: RawTtlSecurity::default(),
        }
    }
}

impl Default for RawFabric {
    fn default() -> Self {
        Self {
            max_nodes: 64,
            queues: 1,
            takeover: false,
            timing: RawTiming::default(),
            area_id: "0.0.0.1".to_owned(),
            lsm: RawNetwork::default(),
            gsm: RawNetwork::default(),
            common_addresses: vec!["10.77.2.1".to_owned()],
            loopback_prefix: "10.77.3.0/24".to_owned(),
            stack: RawStack::default(),
            advertised_cost: 10,
            advertise_hosts: false,
            transit: true,
            weight: 100,
        }
    }
}

fn yes() -> bool {
    true
}

fn static_distance() -> i64 {
    1
}

impl<'de> Deserialize<'de> for RawSegment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;

        impl<'de> Visitor<'de> for Either {
            type Value = RawSegment;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a path, or a mapping with the key `facility` or `inherited`")
            }

            fn visit_str<E: Error>(self, path: &str) -> Result<RawSegment, E> {
                Ok(RawSegment::Directory(path.to_owned()))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<RawSegment, A::Error> {
                segment::Mapping::deserialize(MapAccessDeserializer::new(map))?.into_segment()
            }
        }

        deserializer.deserialize_any(Either)
    }
}

impl JsonSchema for RawSegment {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "RawSegment".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let inherited = generator.subschema_for::<RawInherited>();
        let reflected = generator.subschema_for::<RawReflected>();
        let memory = generator.subschema_for::<RawMemory>();
        json_schema!({
            "anyOf": [
                { "type": "string" },
                {
                    "type": "object",
                    "properties": { "inherited": inherited },
                    "required": ["inherited"],
                    "additionalProperties": false
                },
                reflected,
                memory
            ]
        })
    }
}
