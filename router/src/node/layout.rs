//! Which port is which: the interfaces of a node in the order of its worker's ports.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use isthmus_ospf::types::InterfaceId;
use isthmus_shmnet::Network;

use crate::config::Config;
use crate::config::model::{NicConfig, StackConfig};
use crate::forward::InterfaceIndex;
use crate::forward::counters::MAX_INTERFACES;
use crate::forward::state::{Interface, InterfaceKind};
use crate::ospf_driver::{FabricAddresses, InterfaceMap, plan};

/// The interfaces of a node. Those of the fabric and the kernel's devices are fixed while it runs; NICs come and go, and
/// each keeps its place and its number in the OSPF engine for as long as it is there.
#[derive(Clone, Debug)]
pub struct Layout {
    /// Interfaces in the order of the ports. The place of a NIC that has gone is [vacant](Interface::vacant).
    pub interfaces: Vec<Interface>,
    /// The fabric's and the NICs' ports, as the OSPF driver knows them.
    pub map: InterfaceMap,
    /// The kernel's devices on the local and the global network.
    pub kernel: Option<(InterfaceIndex, InterfaceIndex)>,
    /// The newest number of a NIC in the OSPF engine.
    newest_nic: InterfaceId,
}

impl Layout {
    /// The layout of a node: fabric networks, NICs in the order of the configuration, kernel devices.
    /// `nic_mtus` in the order of the configuration.
    pub fn new(config: &Config, stack: Option<&StackConfig>, nic_mtus: &[u16]) -> Self {
        let mut layout = Self {
            interfaces: Vec::new(),
            map: InterfaceMap::default(),
            kernel: None,
            newest_nic: InterfaceId(0),
        };
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
            let index = layout.push(nic_interface(nic, mtu));
            layout.map.nics.push(index);
            layout.number();
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

    /// The layout after a change of the NICs. `mtu` is that of each; those in `reopened` have another port than before,
    /// those in `renumbered` start anew for the OSPF engine. `None`: there are more NICs than the worker takes.
    pub fn changed(
        &self,
        config: &Config,
        mtu: impl Fn(&NicConfig) -> u16,
        reopened: &BTreeSet<String>,
        renumbered: &BTreeSet<String>,
    ) -> Option<Self> {
        let mut next = self.clone();
        for &index in &self.map.nics {
            if let Some(place) = next.interfaces.get_mut(usize::from(index.0)) {
                *place = Interface::vacant();
            }
        }
        next.map.nics.clear();
        next.map.nic_interfaces.clear();
        let (mut fresh, mut numbers) = (Vec::new(), Vec::new());
        for nic in &config.interfaces {
            let position = self.map.nics.iter().position(|&index| self.name(index) == nic.name);
            let kept = position.filter(|_| !reopened.contains(&nic.name));
            let index = kept.and_then(|position| self.map.nics.get(position).copied());
            let number = kept.filter(|_| !renumbered.contains(&nic.name));
            numbers.push(number.and_then(|position| self.map.nic_interfaces.get(position).copied()));
            match index {
                Some(index) => next.put(index, nic_interface(nic, mtu(nic))),
                None => fresh.push((next.map.nics.len(), nic)),
            }
            next.map.nics.push(index.unwrap_or(InterfaceIndex::NONE));
        }
        // Those that stay have their places; the new ones take what was never used, then what has become free.
        for (position, nic) in fresh {
            let index = next.free_place(self)?;
            next.put(index, nic_interface(nic, mtu(nic)));
            next.map.nics[position] = index;
        }
        let kept: Vec<InterfaceId> = numbers.iter().flatten().copied().collect();
        for number in numbers {
            match number {
                Some(number) => next.map.nic_interfaces.push(number),
                None => next.number_beside(&kept),
            }
        }
        Some(next)
    }

    /// A place for one more NIC: a new one; else one that was vacant before, so that nothing of the one that has it now is
    /// on its way any more; else one that has just become vacant.
    fn free_place(&self, before: &Self) -> Option<InterfaceIndex> {
        if self.interfaces.len() < MAX_INTERFACES {
            return Some(InterfaceIndex(self.interfaces.len() as u16));
        }
        let vacant =
            |interfaces: &[Interface], at: usize| interfaces.get(at).is_some_and(Interface::is_vacant);
        let free = || (0..self.interfaces.len()).filter(|&at| vacant(&self.interfaces, at));
        let found = free().find(|&at| vacant(&before.interfaces, at)).or_else(|| free().next());
        found.map(|at| InterfaceIndex(at as u16))
    }

    fn put(&mut self, index: InterfaceIndex, interface: Interface) {
        match self.interfaces.get_mut(usize::from(index.0)) {
            Some(place) => *place = interface,
            None => self.interfaces.push(interface),
        }
    }

    /// Gives the next NIC its number.
    fn number(&mut self) {
        self.number_beside(&[]);
    }

    fn number_beside(&mut self, kept: &[InterfaceId]) {
        let used: Vec<InterfaceId> = kept.iter().chain(&self.map.nic_interfaces).copied().collect();
        self.newest_nic = plan::next_nic_interface(self.newest_nic, &used);
        self.map.nic_interfaces.push(self.newest_nic);
    }

    /// The engine's interfaces and their ports of both layouts, for the moment in which one gives way to the other.
    #[must_use]
    pub fn ports_of_both(&self, next: &Self) -> InterfaceMap {
        let mut map = next.map.clone();
        for (&index, &number) in self.map.nics.iter().zip(&self.map.nic_interfaces) {
            if !map.nic_interfaces.contains(&number) {
                map.nics.push(index);
                map.nic_interfaces.push(number);
            }
        }
        map
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
    fn node(&self, address: Ipv4Addr) -> Option<u16> {
        self.fabric_interface(address)?.1.node_of(address)
    }

    fn port(&self, address: Ipv4Addr) -> Option<InterfaceIndex> {
        self.fabric_interface(address).map(|(index, _)| index)
    }
}

fn nic_interface(nic: &NicConfig, mtu: u16) -> Interface {
    Interface {
        name: nic.name.clone(),
        kind: InterfaceKind::Nic,
        address: Some(nic.address),
        mtu,
        enabled: nic.enabled,
        ospf: nic.ospf.as_ref().is_some_and(|ospf| !ospf.passive),
    }
}

/// The fabric's own interface and the kernel's device on it share a name for the operator (`lsm0`); in the tables
/// of the router the device's side is told apart.
fn kernel_interface_name(device: &str) -> String {
    format!("{device}-kernel")
}
