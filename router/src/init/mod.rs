//! The first process: of a container, where it collects orphans, and of a virtual machine, where it is all there is.
//!
//! | module | subject |
//! |---|---|
//! | [`reap`] | children that have ended, orphans among them |
//! | [`command_line`] | the kernel's command line |
//! | [`mounts`] | the file systems that the kernel does not mount |
//! | [`modules`] | the kernel's modules |
//! | [`disk`] | file systems on disks, and the one with the configuration |
//! | [`source`](mod@source) | where the configuration comes from |
//! | [`power`] | the power button, and the end of the machine |
//! | [`supervisor`] | the node as a child that is watched and started again |
//!
//! In a container `isthmus run` is the first process itself. A virtual machine's kernel starts the binary as `/init`
//! ([`run`]): the node is a child of it, so that a node that fails is started again and the kernel does not fall.

pub mod command_line;
pub mod disk;
pub mod modules;
pub mod mounts;
pub mod power;
pub mod reap;
pub mod source;
pub mod supervisor;

use std::path::PathBuf;
use std::process::ExitCode;

use tokio::sync::mpsc;

use crate::config::load::Loaded;
use crate::config::{Environment, report};
use crate::kernel::Kernel;
use command_line::CommandLine;
use power::Order;

/// Why a machine does not come up.
#[derive(Debug, thiserror::Error)]
pub enum InitError {
    /// The system refused something.
    #[error("{what}: {cause}")]
    System {
        /// What was attempted.
        what: String,
        /// What the system says.
        cause: std::io::Error,
    },
    /// There is no configuration.
    #[error("{problem}\n  {remedy}")]
    NoConfiguration {
        /// What was looked for and not found, or not understood.
        problem: String,
        /// What to do.
        remedy: &'static str,
    },
    /// The configuration is refused; the findings were written already.
    #[error("the configuration is refused\n  correct what is named above, and start the machine again")]
    Refused,
}

impl InitError {
    fn system<E: Into<std::io::Error>>(what: impl Into<String>) -> impl FnOnce(E) -> Self {
        move |cause| Self::System { what: what.into(), cause: cause.into() }
    }
}

/// Whether the kernel has started this process as the first one of a machine: under the name `init`.
pub fn is_init() -> bool {
    let name = std::env::args_os().next().map(PathBuf::from);
    std::process::id() == 1 && name.is_some_and(|name| name.file_name() == Some("init".as_ref()))
}

/// Is the first process of a machine until it is powered off or started again. Returns only if there is no machine.
pub fn run() -> ExitCode {
    // A kernel whose first process ends falls: whatever happens, this goes on to the end of the machine.
    let order = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime.block_on(machine()),
        Err(error) => {
            tracing::error!(%error, "cannot make a runtime");
            Order::PowerOff
        }
    };
    power::obey(order);
    ExitCode::FAILURE
}

async fn machine() -> Order {
    for error in mounts::mount_all() {
        tracing::error!("{error}");
    }
    let command_line = CommandLine::of_kernel();
    for error in modules::load_all() {
        tracing::warn!("{error}");
    }
    let mut orders = match power::orders() {
        Ok(orders) => orders,
        Err(error) => {
            tracing::error!(%error, "the power button and signals are not heard");
            return Order::PowerOff;
        }
    };
    match prepare(&command_line).await {
        Ok((config, loaded)) => serve(config, loaded, &mut orders).await,
        Err(error) => {
            tracing::error!("{error}");
            tracing::error!("no node runs on this machine; the power button turns it off");
            orders.recv().await.unwrap_or(Order::PowerOff)
        }
    }
}

/// The machine as a node needs it: a name, a loopback device, a configuration.
async fn prepare(command_line: &CommandLine) -> Result<(PathBuf, Loaded), InitError> {
    let name = command_line.value("isthmus.hostname").unwrap_or("isthmus");
    set_hostname(name)?;
    let kernel =
        Kernel::connect().map_err(|error| InitError::system("netlink")(std::io::Error::other(error)))?;
    if let Err(error) = kernel.bring_up("lo").await {
        tracing::warn!(%error, "the loopback device is down");
    }
    let path = source::find(command_line).await?;
    match crate::config::load::load(&path, &Environment::current()) {
        Ok(loaded) => {
            set_hostname(&loaded.config.hostname)?;
            Ok((path, loaded))
        }
        Err(findings) => {
            // Without a console there is nobody to tell.
            let _ = report::write_findings(&path, &findings, &mut std::io::stderr().lock());
            Err(InitError::Refused)
        }
    }
}

fn set_hostname(name: &str) -> Result<(), InitError> {
    rustix::system::sethostname(name.as_bytes())
        .map_err(InitError::system(format!("set the host name `{name}`")))
}

async fn serve(config: PathBuf, loaded: Loaded, orders: &mut mpsc::UnboundedReceiver<Order>) -> Order {
    match supervisor::Supervisor::new(config, loaded.config.management.unix_socket) {
        Ok(supervisor) => supervisor.run(orders).await,
        Err(error) => {
            tracing::error!("{error}");
            orders.recv().await.unwrap_or(Order::PowerOff)
        }
    }
}
