//! Which port is which: the interfaces of a node in the order of its worker's ports.

use std::net::Ipv4Addr;

use isthmus_shmnet::Network;

use crate::config::Config;
use crate::config::model::StackConfig;
use crate::forward::InterfaceIndex;
use crate::forward::state::{Interface, InterfaceKind};
use crate::ospf_driver::{FabricAddresses, InterfaceMap};

/// The interfaces of a node. Fixed while it runs.
#[derive(Clone, Debug)]
pub struct Layout {
    /// Interfaces in the order of the ports.
    pub interfaces: Vec<Interface>,
    /// The fabric's and the NICs' ports, as the OSPF driver knows them.
    pub map: InterfaceMap,
    /// The kernel's devices on the local and the global network.
    pub kernel: Option<(InterfaceIndex, InterfaceIndex)>,
}

impl Layout {
    /// The layout of a node: fabric networks, NICs in the order of the configuration, kernel devices.
    /// `nic_mtus` in the order of the configuration.
    pub fn new(config: &Config, stack: Option<&StackConfig>, nic_mtus: &[u16]) -> Self {
        let mut layout = Self { interfaces: Vec::new(), map: InterfaceMap::default(), kernel: None };
        if let Some(fabric) = &config.fabric {
            let networks = [(Network::Lsm, "lsm0", &fabric.lsm), (Network::Gsm, "gsm0", &fabric.gsm)];
            let [lsm, gsm] = networks.map(|(network, name, settings)| {
                layout.push(Interface {
                    name: name.to_owned(),
                    kind: InterfaceKind::Fabric(network),
                    address: Some(settings.address),
                    mtu: settings.mtu,
                    enabled: settings.enabled,
                    ospf: true,
                })
            });
            (layout.map.lsm, layout.map.gsm) = (Some(lsm), Some(gsm));
        }
        for (nic, &mtu) in config.interfaces.iter().zip(nic_mtus) {
            let index = layout.push(Interface {
                name: nic.name.clone(),
                kind: InterfaceKind::Nic,
                address: Some(nic.address),
                mtu,
                enabled: nic.enabled,
                ospf: nic.ospf.as_ref().is_some_and(|ospf| !ospf.passive),
            });
            layout.map.nics.push(index);
        }
        if let (Some(fabric), Some(StackConfig::Kernel(kernel))) = (&config.fabric, stack) {
            let devices = [
                (Network::Lsm, &kernel.lsm_device, fabric.lsm.mtu),
                (Network::Gsm, &kernel.gsm_device, fabric.gsm.mtu),
            ];
            let [lsm, gsm] = devices.map(|(network, device, mtu)| {
                layout.push(Interface {
                    name: kernel_interface_name(device),
                    kind: InterfaceKind::Kernel(network),
                    address: None,
                    mtu,
                    enabled: true,
                    ospf: false,
                })
            });
            layout.kernel = Some((lsm, gsm));
        }
        layout
    }

    fn push(&mut self, interface: Interface) -> InterfaceIndex {
        // The configuration's checks limit the interfaces far below the index's range.
        let index = InterfaceIndex(self.interfaces.len() as u16);
        self.interfaces.push(interface);
        index
    }

    /// The interface with a name.
    pub fn find(&self, name: &str) -> Option<InterfaceIndex> {
        self.interfaces
            .iter()
            .position(|interface| interface.name == name)
            .map(|at| InterfaceIndex(at as u16))
    }

    /// The name of an interface.
    pub fn name(&self, index: InterfaceIndex) -> &str {
        self.interfaces.get(usize::from(index.0)).map_or("-", |interface| &interface.name)
    }

    /// The fabric network that an address is on.
    fn fabric_interface(&self, address: Ipv4Addr) -> Option<(InterfaceIndex, &Interface)> {
        [self.map.lsm, self.map.gsm].into_iter().flatten().find_map(|index| {
            let interface = self.interfaces.get(usize::from(index.0))?;
            interface.address?.contains(&address).then_some((index, interface))
        })
    }
}

impl FabricAddresses for Layout {
    fn node(&self, address: Ipv4Addr) -> Option<u8> {
        self.fabric_interface(address)?.1.node_of(address)
    }

    fn port(&self, address: Ipv4Addr) -> Option<InterfaceIndex> {
        self.fabric_interface(address).map(|(index, _)| index)
    }
}

/// The fabric's own interface and the kernel's device on it share a name for the operator (`lsm0`); in the tables
/// of the router the device's side is told apart.
fn kernel_interface_name(device: &str) -> String {
    format!("{device}-kernel")
}
