//! From the router's configuration and its situation to the configuration of the OSPF engine.
//!
//! Nothing in the file says that a node is an area border router: the interfaces that exist say it (see
//! [`crate::node::roles`]). What this module adds by itself: the two fabric interfaces with the node's own
//! addresses as stubs, the cluster's ranges at one fixed cost, and an area-0 adjacency to every other area
//! border router of the cluster over the fabric (RFC 5185).

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::Duration;

use ipnet::Ipv4Net;
use isthmus_ospf::config::{AreaConfig, AreaRange, InstanceConfig, InterfaceConfig, InterfaceType};
use isthmus_ospf::types::{AreaId, InterfaceId};
use isthmus_shmnet::Network;

use crate::config::Config;
use crate::config::model::{
    FabricConfig, KernelStackConfig, NetworkConfig, NicConfig, OspfInterfaceConfig, VirtualLinkConfig,
};

/// The engine's interface on the local network.
pub const LSM: InterfaceId = InterfaceId(1);
/// The engine's interface on the global network.
pub const GSM: InterfaceId = InterfaceId(2);
/// The engine's interface on the first NIC; the others follow.
const FIRST_NIC: u32 = 16;
/// The engine's backbone adjacency to node 0, which does not exist; the others follow.
const FIRST_BACKBONE_LINK: u32 = 0x1000;
/// The engine's virtual links have this bit.
const VIRTUAL_LINKS: u32 = 1 << 31;
/// MinLSInterval where all neighbors are nodes of the cluster, which take new instances at once.
const CLUSTER_MIN_LS_INTERVAL: Duration = Duration::from_millis(5);

/// What the configuration of the engine depends on beside the file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Situation {
    /// The adjacencies that keep the backbone together over the fabric, by node id.
    pub backbone_links: BTreeMap<u16, BackboneLink>,
    /// The node has just started, or is about to end: other routers' traffic shall go around it.
    pub stub_router: bool,
    /// This node answers to the common addresses.
    pub accepting: bool,
    /// Where the kernel answers for the node's addresses: the router's own address and the network of all of these.
    pub kernel_stack: Option<KernelStackConfig>,
    /// The MTU of each NIC, in the order of the configuration.
    pub nic_mtus: Vec<u16>,
    /// The engine's interface on each NIC, in the same order; those that are not here are numbered by their position.
    pub nic_interfaces: Vec<InterfaceId>,
}

/// A backbone adjacency to another area border router over the fabric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BackboneLink {
    /// Over which network.
    pub network: Network,
    /// The other's address on it.
    pub address: Ipv4Addr,
}

/// The engine's interface on the NIC at a position of the configuration that a node starts with. A NIC keeps its interface
/// for as long as it is there, whatever is added and removed beside it.
pub fn nic_interface(position: usize) -> InterfaceId {
    InterfaceId(FIRST_NIC + position as u32)
}

/// An interface for one more NIC, the next after all that were ever used: `last` is the newest of them.
pub fn next_nic_interface(last: InterfaceId, used: &[InterfaceId]) -> InterfaceId {
    let after = |id: u32| if id + 1 < FIRST_BACKBONE_LINK { id + 1 } else { FIRST_NIC };
    let mut id = after(last.0.max(FIRST_NIC - 1));
    // There are many more numbers than ports.
    while used.contains(&InterfaceId(id)) {
        id = after(id);
    }
    InterfaceId(id)
}

/// The engine's interface for the backbone adjacency to a node.
pub fn backbone_interface(node: u16) -> InterfaceId {
    InterfaceId(FIRST_BACKBONE_LINK + u32::from(node))
}

/// The node that an engine's interface is a backbone adjacency to.
pub fn backbone_node(interface: InterfaceId) -> Option<u16> {
    interface.0.checked_sub(FIRST_BACKBONE_LINK).and_then(|node| u16::try_from(node).ok())
}

/// Whether an engine's interface is a virtual link, whose packets are routed.
pub fn is_virtual_link(interface: InterfaceId) -> bool {
    interface.0 & VIRTUAL_LINKS != 0
}

/// The names of the virtual links that are configured.
pub fn virtual_link_names(config: &Config) -> BTreeMap<InterfaceId, String> {
    virtual_links(config).into_iter().map(|(interface, link)| (interface, link.name)).collect()
}

/// The engine's interfaces on virtual links. The numbers follow from where the links lead, so that a link keeps its own
/// whatever is added and removed beside it.
fn virtual_links(config: &Config) -> BTreeMap<InterfaceId, InterfaceConfig> {
    let mut interfaces = BTreeMap::new();
    for settings in &config.ospf.areas {
        for link in &settings.virtual_links {
            let place = u64::from(u32::from(settings.area.0)) << 32 | u64::from(u32::from(link.router_id.0));
            // The finalizer of a multiplicative hash: 31 bits of 64.
            let mut number = (place.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 33) as u32;
            while interfaces.contains_key(&InterfaceId(VIRTUAL_LINKS | number)) {
                number = (number + 1) & !VIRTUAL_LINKS;
            }
            interfaces.insert(InterfaceId(VIRTUAL_LINKS | number), virtual_link(settings.area, link));
        }
    }
    interfaces
}

fn virtual_link(transit_area: AreaId, link: &VirtualLinkConfig) -> InterfaceConfig {
    let router_id = link.router_id;
    InterfaceConfig {
        name: format!("virtual-{transit_area}-{router_id}"),
        area: AreaId::BACKBONE,
        interface_type: InterfaceType::VirtualLink { transit_area, router_id },
        hello_interval: link.hello_interval,
        dead_interval: link.dead_interval,
        retransmit_interval: link.retransmit_interval,
        transmit_delay: link.transmit_delay,
        mtu: 576,
        authentication: link.authentication.clone(),
        ..InterfaceConfig::default()
    }
}

/// The configuration of the engine.
pub fn instance_config(config: &Config, situation: &Situation) -> InstanceConfig {
    let mut interfaces = BTreeMap::new();
    if let Some(fabric) = &config.fabric {
        interfaces.insert(LSM, fabric_interface(fabric, Network::Lsm, situation));
        interfaces.insert(GSM, fabric_interface(fabric, Network::Gsm, situation));
        for (&node, link) in &situation.backbone_links {
            interfaces.insert(backbone_interface(node), backbone_link(fabric, node, link));
        }
    }
    for (position, nic) in config.interfaces.iter().enumerate() {
        let mtu = situation.nic_mtus.get(position).copied().or(nic.mtu).unwrap_or(1500);
        if let Some(ospf) = &nic.ospf {
            let id = situation.nic_interfaces.get(position).copied();
            interfaces.insert(id.unwrap_or_else(|| nic_interface(position)), nic_config(nic, ospf, mtu));
        }
    }
    interfaces.extend(virtual_links(config));
    InstanceConfig {
        router_id: config.ospf.router_id,
        areas: areas(config, &interfaces),
        interfaces,
        maximum_paths: config.ospf.maximum_paths,
        spf_delay: config.ospf.spf_delay,
        route_rules: config.ospf.route_rules,
        stub_router: config.ospf.stub_router.always || situation.stub_router,
        hostname: Some(config.hostname.clone()),
        graceful_restart: config.ospf.graceful_restart,
    }
}

fn areas(
    config: &Config,
    interfaces: &BTreeMap<InterfaceId, InterfaceConfig>,
) -> BTreeMap<AreaId, AreaConfig> {
    let mut areas: BTreeMap<AreaId, AreaConfig> =
        interfaces.values().map(|interface| (interface.area, AreaConfig::default())).collect();
    for settings in &config.ospf.areas {
        let area = areas.entry(settings.area).or_default();
        area.area_type = settings.area_type;
        area.ranges.extend(settings.ranges.iter().cloned());
        area.nssa_ranges.clone_from(&settings.nssa_ranges);
    }
    if let Some(fabric) = &config.fabric {
        let id = fabric.lsm.ospf.area;
        let only_ours = !id.is_backbone()
            && !config.interfaces.iter().any(|nic| nic.ospf.as_ref().is_some_and(|ospf| ospf.area == id));
        let area = areas.entry(id).or_default();
        area.ranges.extend(cluster_ranges(fabric));
        if only_ours {
            area.min_ls_interval = Some(CLUSTER_MIN_LS_INTERVAL);
            area.min_ls_arrival = Some(Duration::ZERO);
        }
    }
    areas
}

/// What area border routers tell the outside of the cluster, all at the same cost, so that outside routers
/// see equal paths whichever of them they use.
fn cluster_ranges(fabric: &FabricConfig) -> Vec<AreaRange> {
    let hosts = |prefix: Ipv4Net| (!fabric.advertise_hosts).then_some(prefix);
    let loopbacks = hosts(fabric.kernel_stack.loopback_prefix);
    [hosts(fabric.lsm.prefix), hosts(fabric.gsm.prefix), loopbacks]
        .into_iter()
        .flatten()
        .chain(fabric.common_addresses.iter().map(|&address| Ipv4Net::from(address)))
        .map(|prefix| AreaRange { prefix, advertise: true, cost: Some(fabric.advertised_cost) })
        .collect()
}

fn fabric_interface(fabric: &FabricConfig, network: Network, situation: &Situation) -> InterfaceConfig {
    let (name, settings) = match network {
        Network::Lsm => ("lsm0", &fabric.lsm),
        Network::Gsm => ("gsm0", &fabric.gsm),
    };
    // The LSM address names the node and must stay reachable while either network is up.
    let mut stubs = vec![(Ipv4Net::from(fabric.lsm.address.addr()), 0)];
    if let Some(kernel) = &situation.kernel_stack {
        stubs.push((Ipv4Net::from(kernel.loopback), 0));
    }
    if network == Network::Gsm && situation.accepting {
        stubs.extend(fabric.common_addresses.iter().map(|&address| (Ipv4Net::from(address), 0)));
    }
    InterfaceConfig { stub_prefixes: stubs, ..base(name, settings.address, settings.mtu, &settings.ospf) }
}

/// An unnumbered point-to-point link of the backbone, whose packets travel on one of the fabric's networks.
fn backbone_link(fabric: &FabricConfig, node: u16, link: &BackboneLink) -> InterfaceConfig {
    let settings: &NetworkConfig = match link.network {
        Network::Lsm => &fabric.lsm,
        Network::Gsm => &fabric.gsm,
    };
    InterfaceConfig {
        area: AreaId::BACKBONE,
        interface_type: InterfaceType::PointToPoint,
        unnumbered: true,
        unicast_to: Some(link.address),
        ..base(&format!("backbone-{node}"), settings.address, settings.mtu, &settings.ospf)
    }
}

fn nic_config(nic: &NicConfig, ospf: &OspfInterfaceConfig, mtu: u16) -> InterfaceConfig {
    base(&nic.name, nic.address, mtu, ospf)
}

fn base(name: &str, address: Ipv4Net, mtu: u16, ospf: &OspfInterfaceConfig) -> InterfaceConfig {
    InterfaceConfig {
        name: name.to_owned(),
        area: ospf.area,
        interface_type: ospf.interface_type,
        static_neighbors: ospf.static_neighbors.clone(),
        address,
        cost: ospf.cost,
        hello_interval: ospf.hello_interval,
        dead_interval: ospf.dead_interval,
        retransmit_interval: ospf.retransmit_interval,
        transmit_delay: ospf.transmit_delay,
        mtu,
        mtu_ignore: ospf.mtu_ignore,
        passive: ospf.passive,
        prefix_suppression: ospf.prefix_suppression,
        priority: ospf.priority,
        authentication: ospf.authentication.clone(),
        ttl_security: ospf.ttl_security,
        ..InterfaceConfig::default()
    }
}
