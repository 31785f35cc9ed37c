//! From what control knows to what the workers ask: the forwarding snapshot.

use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::sync::Arc;

use isthmus_shmnet::{Network, SteeringEpoch};

use super::layout::Layout;
use crate::config::Config;
use crate::forward::fib::Fib;
use crate::forward::state::{ForwardingState, LocalOwner, SteeringTable};
use crate::forward::steering;

/// The parts of the snapshot that change while a node runs.
#[derive(Clone, Default)]
pub struct Dynamic {
    /// Routes.
    pub fib: Arc<Fib>,
    /// Administrative state by interface, in the order of the layout.
    pub enabled: Vec<bool>,
    /// Who serves the common addresses.
    pub steering: SteeringTable,
    /// The operator has taken the kernel's device on the local network down; the kernel still answers for its
    /// address, by the other device.
    pub lsm_device_is_down: bool,
}

/// The snapshot of a node.
pub fn forwarding_state(config: &Config, layout: &Layout, dynamic: &Dynamic) -> ForwardingState {
    let mut interfaces = layout.interfaces.clone();
    for (interface, &enabled) in interfaces.iter_mut().zip(&dynamic.enabled) {
        interface.enabled = enabled;
    }
    ForwardingState {
        interfaces,
        fib: Arc::clone(&dynamic.fib),
        local: local_addresses(config, layout, dynamic.lsm_device_is_down),
        common: common_addresses(config, layout),
        steering: dynamic.steering.clone(),
        node_id: config.fabric.as_ref().map_or(0, |fabric| fabric.node_id),
        router_address: Some(error_source(config, layout)),
    }
}

/// The address that names this router when an interface has none: that of the local network, or of the first NIC.
pub fn router_address(config: &Config) -> Ipv4Addr {
    match (&config.fabric, config.interfaces.first()) {
        (Some(fabric), _) => fabric.lsm.address.addr(),
        (None, Some(nic)) => nic.address.addr(),
        (None, None) => config.ospf.router_id.0,
    }
}

/// The source of ICMP errors where an interface has no address of the router's. Never one of the kernel's own: the
/// kernel takes no packet from itself.
fn error_source(config: &Config, layout: &Layout) -> Ipv4Addr {
    match (&config.fabric, layout.kernel) {
        (Some(fabric), Some(_)) => fabric.kernel_stack.loopback,
        _ => router_address(config),
    }
}

/// The steering table of an epoch: it follows from the epoch alone, so that every node has the same one.
pub fn steering_table(epoch: &SteeringEpoch) -> SteeringTable {
    let members: Vec<(u16, u16)> =
        epoch.members().iter().map(|&(node, weight)| (node.get(), weight)).collect();
    steering::build(epoch.number, &members)
}

fn local_addresses(
    config: &Config,
    layout: &Layout,
    lsm_device_is_down: bool,
) -> HashMap<Ipv4Addr, LocalOwner> {
    let mut local = HashMap::new();
    for nic in &config.interfaces {
        local.insert(nic.address.addr(), LocalOwner::Host(Network::Gsm));
    }
    let Some(fabric) = &config.fabric else { return local };
    let (lsm, gsm) = match layout.kernel {
        Some((lsm, gsm)) => {
            local.insert(fabric.kernel_stack.loopback, LocalOwner::Host(Network::Gsm));
            let by_lsm = if lsm_device_is_down { gsm } else { lsm };
            (LocalOwner::Kernel(by_lsm), LocalOwner::Kernel(gsm))
        }
        None => (LocalOwner::Host(Network::Lsm), LocalOwner::Host(Network::Gsm)),
    };
    local.insert(fabric.lsm.address.addr(), lsm);
    local.insert(fabric.gsm.address.addr(), gsm);
    local
}

fn common_addresses(config: &Config, layout: &Layout) -> HashMap<Ipv4Addr, LocalOwner> {
    let owner = match layout.kernel {
        Some((_, gsm)) => LocalOwner::Kernel(gsm),
        None => LocalOwner::Host(Network::Gsm),
    };
    let addresses = config.fabric.iter().flat_map(|fabric| &fabric.common_addresses);
    addresses.map(|&address| (address, owner)).collect()
}
