//! What can fail about a change, done beside what runs: it is taken over by the control loop, or dropped.

use ipnet::Ipv4Net;
use isthmus_mgmt_api::ApiError;

use super::candidate::invalid;
use crate::config::model::{Driver, NicConfig, StackConfig};
use crate::config::{Code, Config, Diagnostic};
use crate::kernel::{Kernel, KernelError};
use crate::node::NodeError;
use crate::node::control::layout_of;
use crate::node::current::Current;
use crate::node::kernel_side::gsm_addresses;
use crate::node::layout::Layout;
use crate::node::management::access::Successor;
use crate::node::ports::{self, OpenedNic};
use crate::node::shared::Shared;

/// Everything that a change needs from the machine.
pub struct Prepared {
    /// The NICs that the node has not, or has otherwise.
    pub opened: Vec<OpenedNic>,
    /// The layout with them.
    pub layout: Layout,
    /// The addresses of the kernel's device.
    pub kernel: KernelAddresses,
    /// Whom management takes.
    pub access: Successor,
}

impl Prepared {
    /// Opens ports and gives the kernel further addresses.
    ///
    /// # Errors
    /// The machine refuses something; then it is as it was.
    pub async fn new(shared: &Shared, current: &Current, config: &Config) -> Result<Self, ApiError> {
        let refused = |findings: Vec<Diagnostic>| invalid(&findings, false);
        let busy: Vec<Diagnostic> = sockets_in_use(current, config).collect();
        if !busy.is_empty() {
            return Err(refused(busy));
        }
        let access = shared.access.prepare(&config.management).map_err(|finding| refused(vec![finding]))?;
        let (mut opened, mut findings) = (Vec::new(), Vec::new());
        for (position, nic) in to_open(current, config) {
            match ports::open_nic(nic, position, &shared.transactions.links).await {
                Ok(nic) => opened.push(nic),
                Err(NodeError::Refused(found)) => findings.extend(found),
                Err(error) => findings.push(failure(&format!("interfaces[{position}]"), &error)),
            }
        }
        if !findings.is_empty() {
            return Err(refused(findings));
        }
        let Some(layout) = layout_of(current, config, &opened) else {
            let reason = "the node has no room for so many interfaces";
            let finding = Diagnostic::error(Code::OutOfRange, "interfaces", reason, "remove some");
            return Err(refused(vec![finding]));
        };
        let kernel = KernelAddresses::of(shared, current);
        if let Err(error) = kernel.begin(config).await {
            return Err(refused(vec![failure("fabric.common-addresses", &error)]));
        }
        Ok(Self { opened, layout, kernel, access })
    }

    /// Leaves the machine as it was.
    pub async fn abandon(self) {
        drop(self.opened);
        self.kernel.abandon().await;
    }
}

/// Looks whether the machine has what a change needs, without touching anything.
///
/// # Errors
/// It has not.
pub async fn look(current: &Current, config: &Config) -> Result<(), ApiError> {
    let mut findings: Vec<Diagnostic> = sockets_in_use(current, config).collect();
    for (position, nic) in to_open(current, config).filter(|(_, nic)| nic.driver == Driver::Packet) {
        let found = match Kernel::connect() {
            Ok(kernel) => kernel.interface_index(&nic.name).await,
            Err(error) => Err(error),
        };
        if let Err(error @ KernelError::UnknownInterface { .. }) = found {
            findings.push(Diagnostic::error(
                Code::UnknownInterface,
                format!("interfaces[{position}].name"),
                error.to_string(),
                "name an interface of this network namespace, or remove the entry",
            ));
        }
    }
    if findings.is_empty() { Ok(()) } else { Err(invalid(&findings, false)) }
}

/// The NICs that need another port than there is, with their places in the configuration.
fn to_open<'a>(
    current: &'a Current,
    config: &'a Config,
) -> impl Iterator<Item = (usize, &'a NicConfig)> + 'a {
    config.interfaces.iter().enumerate().filter(|(_, nic)| {
        let before = current.config.interfaces.iter().find(|other| other.name == nic.name);
        before.is_none_or(|before| before.driver != nic.driver)
    })
}

/// A socket that another interface still has cannot be opened beside it: the port would meet itself.
fn sockets_in_use<'a>(current: &'a Current, config: &'a Config) -> impl Iterator<Item = Diagnostic> + 'a {
    to_open(current, config).filter_map(|(position, nic)| {
        let Driver::Socket { path } = &nic.driver else { return None };
        let other = current.config.interfaces.iter().find(|other| other.driver == nic.driver)?;
        Some(Diagnostic::error(
            Code::DuplicatePath,
            format!("interfaces[{position}].path"),
            format!("{} is still the socket of `{}`", path.display(), other.name),
            "remove that interface in a change of its own first",
        ))
    })
}

fn failure(path: &str, error: &dyn std::fmt::Display) -> Diagnostic {
    Diagnostic::error(
        Code::DeviceFailure,
        path,
        error.to_string(),
        "mend what the reason names, then try again",
    )
}

/// The common addresses on the kernel's device: new ones are added before the change and old ones removed after it, so
/// that it can be refused in between.
pub struct KernelAddresses {
    device: Option<String>,
    before: Vec<Ipv4Net>,
}

impl KernelAddresses {
    fn of(shared: &Shared, current: &Current) -> Self {
        let device = shared.stack.as_ref().and_then(|stack| match &stack.stack {
            StackConfig::Kernel(kernel) => Some(kernel.gsm_device.clone()),
            StackConfig::Embedded => None,
        });
        Self { device, before: addresses(&current.config) }
    }

    async fn begin(&self, config: &Config) -> Result<(), KernelError> {
        let mut both = self.before.clone();
        both.extend(addresses(config).into_iter().filter(|address| !self.before.contains(address)));
        if both.len() == self.before.len() {
            return Ok(());
        }
        let result = self.set(&both).await;
        if result.is_err() {
            self.abandon().await;
        }
        result
    }

    /// The old addresses go.
    pub async fn finish(&self, config: &Config) {
        let wanted = addresses(config);
        if wanted != self.before
            && let Err(error) = self.set(&wanted).await
        {
            tracing::warn!(%error, "the kernel keeps an address that the node no longer answers to");
        }
    }

    async fn abandon(&self) {
        if let Err(error) = self.set(&self.before).await {
            tracing::warn!(%error, "the kernel keeps an address of a change that was refused");
        }
    }

    async fn set(&self, wanted: &[Ipv4Net]) -> Result<(), KernelError> {
        let Some(device) = &self.device else { return Ok(()) };
        Kernel::connect()?.set_addresses(device, wanted).await
    }
}

fn addresses(config: &Config) -> Vec<Ipv4Net> {
    config.fabric.as_ref().map_or_else(Vec::new, |fabric| gsm_addresses(fabric, &fabric.common_addresses))
}
