//! Opens the ports of a node, in the order of its layout: fabric networks, NICs, kernel devices.

use ipnet::Ipv4Net;
use isthmus_shmnet::Network;
use tokio::sync::mpsc;

use super::NodeError;
use super::fabric::Joined;
use crate::config::model::{Driver, NicConfig, StackConfig};
use crate::config::{Code, Config, Diagnostic};
use crate::kernel::guard::{Guard, GuardKind};
use crate::kernel::monitor::{LinkEvent, LinkMonitor, Watch};
use crate::kernel::{Kernel, KernelError};
use crate::port::packet::PacketPort;
use crate::port::pcap::{CaptureControl, capturable};
use crate::port::shm::ShmPort;
use crate::port::socket::{DEFAULT_MTU, MAX_MTU, SocketConfig, SocketPort};
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
    /// What goes with each NIC.
    pub holds: Vec<NicHold>,
    /// Starts and ends captures, in the order of the ports.
    pub captures: Vec<CaptureControl>,
    /// Changes of the kernel's links.
    pub links: mpsc::UnboundedReceiver<LinkEvent>,
    /// For those who watch more links.
    pub link_sender: mpsc::UnboundedSender<LinkEvent>,
}

/// What goes with an open NIC beside its port, and ends when it is dropped.
pub struct NicHold {
    /// The interface.
    pub name: String,
    guard: Option<Guard>,
    _watch: Option<Watching>,
}

impl NicHold {
    /// How the kernel is kept off the NIC's frames; `None`: it is not.
    pub fn guard_kind(&self) -> Option<GuardKind> {
        self.guard.as_ref().map(Guard::kind)
    }
}

/// A NIC that was opened.
pub struct OpenedNic {
    /// Its port.
    pub port: Box<dyn Port>,
    /// Starts and ends captures on it.
    pub capture: CaptureControl,
    /// What goes with it.
    pub hold: NicHold,
}

/// Watches links of the kernel until it is dropped.
pub struct Watching(tokio::task::JoinHandle<()>);

impl Drop for Watching {
    fn drop(&mut self) {
        self.0.abort();
    }
}

struct Opening {
    open: OpenPorts,
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
        holds: Vec::new(),
        captures: Vec::new(),
        links,
        link_sender: sender,
    };
    let mut opening = Opening { open };
    if let Some(joined) = joined {
        opening.fabric(config, joined)?;
    }
    let mut findings = Vec::new();
    for (position, nic) in config.interfaces.iter().enumerate() {
        match open_nic(nic, position, &opening.open.link_sender).await {
            Ok(opened) => opening.nic(nic, opened),
            Err(NodeError::Refused(found)) => findings.extend(found),
            Err(error) => return Err(error),
        }
    }
    if !findings.is_empty() {
        return Err(NodeError::Refused(findings));
    }
    if let (Some(fabric), Some(StackConfig::Kernel(kernel))) = (&config.fabric, stack) {
        opening.tap(&kernel.lsm_device, fabric.node_id, fabric.lsm.mtu)?;
        opening.tap(&kernel.gsm_device, fabric.node_id, fabric.gsm.mtu)?;
    }
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

    fn nic(&mut self, nic: &NicConfig, opened: OpenedNic) {
        let info = opened.port.info().clone();
        self.open.nic_mtus.push(mtu(nic, info.mtu));
        self.open.infos.push(info);
        self.open.ports.push(opened.port);
        self.open.captures.push(opened.capture);
        self.open.holds.push(opened.hold);
    }

    fn tap(&mut self, device: &str, node: u16, mtu: u16) -> Result<(), NodeError> {
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
}

/// Opens a NIC: the one at `position` of the configuration. A NIC of the kernel is brought up first, and guarded.
///
/// # Errors
/// There is no such interface, or it is not permitted.
pub async fn open_nic(
    nic: &NicConfig,
    position: usize,
    links: &mpsc::UnboundedSender<LinkEvent>,
) -> Result<OpenedNic, NodeError> {
    let refused = |error: OpenError| NodeError::Refused(vec![finding(position, nic, &error)]);
    match &nic.driver {
        Driver::Packet => {
            let addresses = ask_kernel(nic).await;
            let carrier = CarrierFlag::new(false);
            let port = PacketPort::open(&nic.name, carrier.clone()).map_err(refused)?;
            let index = Some(port.interface_index());
            let watched = Watch { name: nic.name.clone(), index, carrier: Some(carrier) };
            let watching = watch(vec![watched], links.clone())?;
            let guard = addresses.and_then(|addresses| Guard::unless_used(&nic.name, &addresses));
            let guard = guard.inspect_err(|error| {
                tracing::warn!(
                    interface = nic.name, %error,
                    "the kernel also sees the frames of this NIC; give it no address there"
                );
            });
            Ok(opened(nic, port, guard.ok(), Some(watching)))
        }
        Driver::Socket { path } => {
            // The port takes whatever the configuration permits at any time: its MTU is not the interface's.
            let config = SocketConfig { name: nic.name.clone(), path: path.clone(), mac: None, mtu: MAX_MTU };
            Ok(opened(nic, SocketPort::open(config).map_err(refused)?, None, None))
        }
    }
}

fn opened(
    nic: &NicConfig,
    port: impl Port + 'static,
    guard: Option<Guard>,
    watching: Option<Watching>,
) -> OpenedNic {
    let (port, capture) = capturable(port);
    OpenedNic {
        port: Box::new(port),
        capture,
        hold: NicHold { name: nic.name.clone(), guard, _watch: watching },
    }
}

/// The largest IP datagram on a NIC whose port takes up to `port`.
pub fn mtu(nic: &NicConfig, port: u16) -> u16 {
    let usual = match nic.driver {
        Driver::Packet => port,
        Driver::Socket { .. } => DEFAULT_MTU,
    };
    nic.mtu.unwrap_or(usual).min(port)
}

/// Watches links of the kernel for as long as somebody listens, and what is returned is kept.
///
/// # Errors
/// The process is out of descriptors.
pub fn watch(watches: Vec<Watch>, sender: mpsc::UnboundedSender<LinkEvent>) -> Result<Watching, NodeError> {
    let mut monitor = LinkMonitor::start(watches).map_err(|error| NodeError::System {
        what: "watch the kernel's links",
        source: std::io::Error::other(error),
    })?;
    Ok(Watching(tokio::spawn(async move {
        while let Some(event) = monitor.next().await {
            if sender.send(event).is_err() {
                return;
            }
        }
    })))
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
