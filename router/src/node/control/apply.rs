//! Another configuration under the running node: what changes is made so in one turn, what does not is not touched.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Control;
use crate::config::Config;
use crate::config::load::Loaded;
use crate::config::model::NicConfig;
use crate::forward::InterfaceIndex;
use crate::forward::worker::Command;
use crate::node::current::Current;
use crate::node::fabric;
use crate::node::layout::Layout;
use crate::node::ports::{self, OpenedNic};
use crate::node::snapshot;
use crate::ospf_driver::{Outcome, plan};

/// How long control waits for the worker, which takes commands between two bursts.
const MOMENT: Duration = Duration::from_millis(100);
const LOOK: Duration = Duration::from_micros(100);

/// A configuration that is to run, with the NICs that were opened for it. Whatever could refuse it has been done.
pub struct Change {
    /// The configuration.
    pub loaded: Loaded,
    /// The layout with it.
    pub layout: Layout,
    /// The NICs that it has and the node has not, or has otherwise.
    pub opened: Vec<OpenedNic>,
}

/// The layout of a node whose NICs are those of `config`. `opened` have other ports than before. `None`: there are more
/// than the worker takes.
pub fn layout_of(current: &Current, config: &Config, opened: &[OpenedNic]) -> Option<Layout> {
    let reopened: BTreeSet<String> = opened.iter().map(|nic| nic.hold.name.clone()).collect();
    let port_mtu = |nic: &NicConfig| {
        let opened = opened.iter().find(|opened| opened.hold.name == nic.name);
        let index = current.layout.find(&nic.name).map(|index| usize::from(index.0));
        let before = index.and_then(|index| current.ports.get(index)).map(|port| port.mtu);
        opened.map(|nic| nic.port.info().mtu).or(before).unwrap_or(u16::MAX)
    };
    // What neighbors know the interface by has changed: it is another one to OSPF.
    let moved = |nic: &NicConfig| {
        let before = current.config.interfaces.iter().find(|other| other.name == nic.name);
        before.is_some_and(|before| before.address != nic.address)
    };
    let renumbered = config.interfaces.iter().filter(|nic| moved(nic)).map(|nic| nic.name.clone()).collect();
    current.layout.changed(config, |nic| ports::mtu(nic, port_mtu(nic)), &reopened, &renumbered)
}

impl Control {
    /// Runs another configuration. The farewells of interfaces that go leave by the ports that they had; then the worker
    /// has the new snapshot, then the new ports.
    pub(super) fn apply(&mut self, change: Change) {
        let Change { loaded, layout, opened } = change;
        let next = self.shared.current().changed(loaded, layout, &opened);
        let before = Arc::clone(&self.config);
        let old_layout = std::mem::replace(&mut self.layout, next.layout.clone());
        let former_links = plan::virtual_link_names(&self.config);
        self.config = Arc::clone(&next.config);
        let numbers = old_layout.map.nic_interfaces.iter().zip(&old_layout.map.nics);
        self.former_names =
            numbers.map(|(&number, &index)| (number, old_layout.name(index).to_owned())).collect();
        self.former_names.extend(former_links);
        self.take_over_nics(&old_layout, &before);
        self.situation.nic_interfaces.clone_from(&self.layout.map.nic_interfaces);
        self.situation.nic_mtus = self.layout.map.nics.iter().map(|&index| self.mtu(index)).collect();

        self.driver.use_ports(old_layout.ports_of_both(&self.layout));
        let config = plan::instance_config(&self.config, &self.situation);
        let outcome = self.driver.configure(&self.layout, config);
        self.driver.drain();
        self.driver.use_ports(self.layout.map.clone());
        self.absorb_quietly(outcome);
        self.shared.current.store(Arc::new(next));
        self.publish();

        self.use_host_source(&before);
        self.change_ports(&old_layout, opened);
        self.links_of_new_interfaces();
        self.look_at_role();
        self.look_at_carriers();
        self.switch_networks(&before);
        self.look_at_members();
        self.absorb(Outcome::default());
        self.publish();
    }

    fn mtu(&self, index: InterfaceIndex) -> u16 {
        self.layout.interfaces.get(usize::from(index.0)).map_or(0, |interface| interface.mtu)
    }

    /// The states of the NICs move to their new places. What management has set by hand stays, unless the configuration
    /// changes it.
    fn take_over_nics(&mut self, old: &Layout, before: &Config) {
        let was_up = |index: &InterfaceIndex| {
            let position = old.map.nics.iter().position(|other| other == index);
            position.and_then(|position| self.nic_is_up.get(position).copied()).unwrap_or(false)
        };
        let nic_is_up: Vec<bool> = self.layout.map.nics.iter().map(was_up).collect();
        self.dynamic.enabled.resize(self.layout.interfaces.len(), false);
        for (nic, &index) in self.config.interfaces.iter().zip(&self.layout.map.nics) {
            let other = before.interfaces.iter().find(|other| other.name == nic.name);
            let kept =
                old.map.nics.contains(&index) && other.is_some_and(|other| other.enabled == nic.enabled);
            if !kept && let Some(enabled) = self.dynamic.enabled.get_mut(usize::from(index.0)) {
                *enabled = nic.enabled;
            }
        }
        self.nic_is_up = nic_is_up;
    }

    /// The engine learns of the links of interfaces that it did not have; of others it knows.
    fn links_of_new_interfaces(&mut self) {
        for position in 0..self.layout.map.nics.len() {
            if self.nic_is_up[position] {
                let interface = self.layout.map.nic_interfaces[position];
                let outcome = self.driver.link_state(&self.layout, interface, true);
                self.absorb_quietly(outcome);
            }
        }
    }

    /// A network over the shared memory is taken up or down if the configuration says something new about it, and what this
    /// node requires of others that join is published.
    fn switch_networks(&mut self, before: &Config) {
        let config = Arc::clone(&self.config);
        let (Some(old), Some(new)) = (&before.fabric, &config.fabric) else { return };
        let (required, requires) = (fabric::requirements(old), fabric::requirements(new));
        if let Some(joined) = self.shared.fabric.as_ref().filter(|_| required != requires) {
            joined.publish_parameters(requires);
        }
        let networks = [(&old.lsm, &new.lsm, self.layout.map.lsm), (&old.gsm, &new.gsm, self.layout.map.gsm)];
        for (old, new, index) in networks {
            if let Some(index) = index.filter(|_| old.enabled != new.enabled) {
                self.set_enabled(index, new.enabled);
            }
        }
    }

    /// Without a fabric the embedded stack speaks with the address of the first NIC.
    fn use_host_source(&self, before: &Config) {
        let source = snapshot::router_address(&self.config);
        if self.config.fabric.is_none()
            && source != snapshot::router_address(before)
            && let Err(error) = self.shared.host.use_source(source)
        {
            tracing::error!(%error, "the embedded stack keeps its address");
        }
    }

    /// Takes the ports of NICs that have gone from the worker, and gives it those that were opened.
    fn change_ports(&mut self, old: &Layout, opened: Vec<OpenedNic>) {
        let gone: Vec<InterfaceIndex> =
            old.map.nics.iter().filter(|index| !self.layout.map.nics.contains(index)).copied().collect();
        for &index in &gone {
            self.command(Command::RemovePort { index });
        }
        self.await_retired_ports(gone.len());
        for &index in &gone {
            self.holds.retain(|hold| hold.name != old.name(index));
        }
        for OpenedNic { port, capture: _, hold } in opened {
            let Some(index) = self.layout.find(&hold.name) else { continue };
            self.command(Command::AddPort { index, port });
            self.holds.push(hold);
        }
    }

    /// Gives the worker a command; it takes them between two bursts, so that there is room in a moment.
    fn command(&mut self, mut command: Command) {
        let deadline = Instant::now() + MOMENT;
        while let Err(back) = self.worker.send(command) {
            if Instant::now() >= deadline {
                tracing::error!(
                    "the worker takes no commands: a port stays as it is until the node is restarted"
                );
                return;
            }
            command = back;
            std::thread::sleep(LOOK);
        }
    }

    /// Closes the ports that the worker has let go of, which it does at once, so that their devices and sockets are free
    /// when the change is done.
    fn await_retired_ports(&mut self, mut count: usize) {
        let deadline = Instant::now() + MOMENT;
        while count > 0 && Instant::now() < deadline {
            match self.worker.retired_port() {
                Some(port) => {
                    drop(port);
                    count -= 1;
                }
                None => std::thread::sleep(LOOK),
            }
        }
    }

    /// Closes the ports that the worker has let go of later than expected.
    pub(super) fn close_retired_ports(&mut self) {
        while let Some(port) = self.worker.retired_port() {
            drop(port);
        }
    }
}
