//! A LAN: a bridge in a namespace of its own, with a cable to each router.

use std::cell::Cell;
use std::rc::Rc;

use super::Lab;
use super::namespace::Namespace;

/// A LAN.
pub struct Lan {
    switch: Rc<Namespace>,
    ports: Cell<u8>,
    has_multicast: bool,
}

/// The bridge's name.
const BRIDGE: &str = "lan";

impl Lan {
    /// A LAN that nobody is on. It carries multicast to everybody: without a querier on it a bridge that snoops on IGMP
    /// forgets who listens, and packet sockets report no membership by IGMP at all.
    pub fn new(lab: &Lab) -> Self {
        let switch = lab.namespace("lan");
        lab.bridge(&switch, BRIDGE, &[]);
        switch.ip(&["link", "set", BRIDGE, "type", "bridge", "mcast_snooping", "0"]);
        Self { switch, ports: Cell::new(0), has_multicast: true }
    }

    /// A LAN that carries no multicast: broadcasts, which addresses are found by, and what is for one station.
    pub fn without_multicast(lab: &Lab) -> Self {
        Self { has_multicast: false, ..Self::new(lab) }
    }

    /// Puts a device that it makes in a namespace on the LAN.
    pub fn attach(&self, lab: &Lab, namespace: &Namespace, device: &str) {
        self.ports.set(self.ports.get() + 1);
        let port = format!("port{}", self.ports.get());
        lab.cable((namespace, device), (&self.switch, &port));
        self.switch.ip(&["link", "set", &port, "master", BRIDGE]);
        if !self.has_multicast {
            self.switch.ip(&["link", "set", &port, "type", "bridge_slave", "mcast_flood", "off"]);
        }
    }
}
