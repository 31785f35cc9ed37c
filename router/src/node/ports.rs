//! Opens the ports of a node, in the order of its layout: fabric networks, NICs, kernel devices.

use ipnet::Ipv4Net;
use isthmus_shmnet::Network;
use tokio::sync::mpsc;

use super::NodeError;
use super::fabric::Joined;
use crate::config::model::{Driver, NicConfig, StackConfig};
use crate::config::{Code, Config, Diagnostic};
use crate::kernel::guard::Guard;
use crate::kernel::monitor::{LinkEvent, LinkMonitor, Watch};
use crate::kernel::{Kernel, KernelError};
use crate::port::packet::PacketPort;
use crate::port::pcap::{CaptureControl, capturable};
use crate::port::shm::ShmPort;
use crate::port::socket::{DEFAULT_MTU, SocketConfig, SocketPort};
use crate::port::tap::{TapConfig, TapPort};
use crate::port::{CarrierFlag, OpenError, Port, PortInfo};

/// The opened ports and what goes with them.
pub struct OpenPorts {
    /// Ports in the order of the layout.
    pub ports: Vec<Box<dyn Port>>,
    /// What each port is.
    pub infos: Vec<PortInfo>,
    /// The MTU of each NIC, in the order of the configuration.
    pub nic_mtus: Vec<u16>,
    /// What keeps the kernel off the frames of each NIC.
    pub guards: Vec<(String, Guard)>,
    /// Starts and ends captures, in the order of the ports.
    pub captures: Vec<CaptureControl>,
    /// Changes of the kernel's links.
    pub links: mpsc::UnboundedReceiver<LinkEvent>,
    /// For those who watch more links.
    pub link_sender: mpsc::UnboundedSender<LinkEvent>,
}

struct Opening {
    open: OpenPorts,
    watches: Vec<Watch>,
}

/// Opens all ports.
///
/// # Errors
/// An interface does not exist or is not permitted; every NIC that cannot be opened is named at once.
pub async fn open(
    config: &Config,
    stack: Option<&StackConfig>,
    joined: Option<&Joined>,
) -> Result<OpenPorts, NodeError> {
    let (sender, links) = mpsc::unbounded_channel();
    let open = OpenPorts {
        ports: Vec::new(),
        infos: Vec::new(),
        nic_mtus: Vec::new(),
        guards: Vec::new(),
        captures: Vec::new(),
        links,
        link_sender: sender,
    };
    let mut opening = Opening { open, watches: Vec::new() };
    if let Some(joined) = joined {
        opening.fabric(config, joined)?;
    }
    let mut findings = Vec::new();
    for (position, nic) in config.interfaces.iter().enumerate() {
        let addresses = ask_kernel(nic).await;
        if let Err(error) = opening.nic(nic, addresses) {
            findings.push(finding(position, nic, &error));
        }
    }
    if !findings.is_empty() {
        return Err(NodeError::Refused(findings));
    }
    if let (Some(fabric), Some(StackConfig::Kernel(kernel))) = (&config.fabric, stack) {
        opening.tap(&kernel.lsm_device, fabric.node_id, fabric.lsm.mtu)?;
        opening.tap(&kernel.gsm_device, fabric.node_id, fabric.gsm.mtu)?;
    }
    opening.watch()?;
    Ok(opening.open)
}

impl Opening {
    fn push(&mut self, port: impl Port + 'static) {
        let (port, capture) = capturable(port);
        self.open.infos.push(port.info().clone());
        self.open.ports.push(Box::new(port));
        self.open.captures.push(capture);
    }

    fn fabric(&mut self, config: &Config, joined: &Joined) -> Result<(), NodeError> {
        let Some(settings) = &config.fabric else { return Ok(()) };
        for (network, name, mtu) in
            [(Network::Lsm, "lsm0", settings.lsm.mtu), (Network::Gsm, "gsm0", settings.gsm.mtu)]
        {
            let port = ShmPort::open(&joined.fabric, network, name, mtu).ok_or_else(|| {
                let source = std::io::Error::other("the fabric has given this network away already");
                NodeError::System { what: "open a network of the fabric", source }
            })?;
            self.push(port);
        }
        Ok(())
    }

    fn nic(
        &mut self,
        nic: &NicConfig,
        addresses: Result<Vec<Ipv4Net>, KernelError>,
    ) -> Result<(), OpenError> {
        let mtu = match &nic.driver {
            Driver::Packet => {
                let carrier = CarrierFlag::new(false);
                let port = PacketPort::open(&nic.name, carrier.clone())?;
                let mtu = port.info().mtu;
                let index = Some(port.interface_index());
                self.push(port);
                self.watches.push(Watch { name: nic.name.clone(), index, carrier: Some(carrier) });
                match addresses.and_then(|addresses| Guard::unless_used(&nic.name, &addresses)) {
                    Ok(guard) => self.open.guards.push((nic.name.clone(), guard)),
                    Err(error) => tracing::warn!(
                        interface = nic.name, %error,
                        "the kernel also sees the frames of this NIC; give it no address there"
                    ),
                }
                mtu
            }
            Driver::Socket { path } => {
                let mtu = nic.mtu.unwrap_or(DEFAULT_MTU);
                let config = SocketConfig { name: nic.name.clone(), path: path.clone(), mac: None, mtu };
                self.push(SocketPort::open(config)?);
                mtu
            }
        };
        self.open.nic_mtus.push(nic.mtu.map_or(mtu, |configured| configured.min(mtu)));
        Ok(())
    }

    fn tap(&mut self, device: &str, node: u8, mtu: u16) -> Result<(), NodeError> {
        let port = TapPort::open(&TapConfig::new(device, node, mtu)).map_err(|error| {
            NodeError::Refused(vec![Diagnostic::error(
                Code::DeviceFailure,
                "fabric.stack",
                error.to_string(),
                "remove what is in the way, choose other device names, or set `stack: embedded`",
            )])
        })?;
        self.push(port);
        Ok(())
    }

    /// Link events go to control for as long as it listens.
    fn watch(&mut self) -> Result<(), NodeError> {
        if self.watches.is_empty() {
            return Ok(());
        }
        watch(std::mem::take(&mut self.watches), self.open.link_sender.clone())
    }
}

/// Watches links of the kernel for as long as somebody listens.
///
/// # Errors
/// The process is out of descriptors.
pub fn watch(watches: Vec<Watch>, sender: mpsc::UnboundedSender<LinkEvent>) -> Result<(), NodeError> {
    let mut monitor = LinkMonitor::start(watches).map_err(|error| NodeError::System {
        what: "watch the kernel's links",
        source: std::io::Error::other(error),
    })?;
    tokio::spawn(async move {
        while let Some(event) = monitor.next().await {
            if sender.send(event).is_err() {
                return;
            }
        }
    });
    Ok(())
}

/// Brings a NIC up, and looks which addresses the kernel has on it. A NIC that does not exist is left to the port,
/// which says so.
async fn ask_kernel(nic: &NicConfig) -> Result<Vec<Ipv4Net>, KernelError> {
    if nic.driver != Driver::Packet {
        return Ok(Vec::new());
    }
    let kernel = Kernel::connect()?;
    // A NIC that is configured and enabled shall run: the router brings it up itself where it may.
    if nic.enabled
        && let Err(error) = kernel.bring_up(&nic.name).await
        && !matches!(error, KernelError::UnknownInterface { .. })
    {
        tracing::warn!(
            interface = nic.name, %error,
            "the NIC is down and could not be brought up; use `ip link set {} up`", nic.name
        );
    }
    kernel.addresses_of(&nic.name).await
}

fn finding(position: usize, nic: &NicConfig, error: &OpenError) -> Diagnostic {
    let (code, remedy) = match error {
        OpenError::UnknownInterface { .. } => {
            (Code::UnknownInterface, "name an interface of this network namespace, or remove the entry")
        }
        OpenError::NotPermitted { .. } => {
            (Code::NotPermitted, "run as root or with the capability, or use `driver: socket`")
        }
        _ => (Code::DeviceFailure, "mend what the reason names, or remove the entry"),
    };
    let path = format!(
        "interfaces[{position}].{}",
        if matches!(nic.driver, Driver::Packet) { "name" } else { "path" }
    );
    Diagnostic::error(code, path, error.to_string(), remedy)
}
