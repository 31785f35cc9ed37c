//! A running node: from its configuration to ready, and back down in order.
//!
//! | module | subject |
//! |---|---|
//! | [`start`] | builds everything in order: fabric, ports, worker, stack, engine, kernel side |
//! | [`fabric`] | joins the segment |
//! | [`interfaces`] | waits for NICs that are plugged in late |
//! | [`ports`] | opens the ports |
//! | [`kernel_side`] | the kernel's adapters and routes |
//! | `condition` | how the node is, for a service manager |
//! | [`control`] | the loop that owns the OSPF driver and the routing table |
//! | [`transactions`] | changes of the configuration of the running node |
//! | [`current`] | what runs now, replaced as a whole by a transaction |
//! | [`layout`] | which port is which |
//! | [`snapshot`] | what the workers are told |
//! | [`route_changes`] | what has changed in the forwarding table, summed up for the events |
//! | [`routes`] | routes into the table and to the kernel |
//! | [`redistribution`] | routes of other sources that OSPF is told of |
//! | [`roles`] | what the node is to OSPF, and why |
//! | [`neighbors`] | which routers are fully adjacent over the fabric |
//! | [`membership`] | epochs of the steering table |
//! | [`events`] | what happened lately |
//! | [`shared`] | what the threads share |
//! | [`management`] | what the HTTP surface reads and asks |
//!
//! Threads: one worker (packets), `host` (the embedded stack), those of the fabric, and this one, on which control and
//! management run.

pub mod boot_count;
mod condition;
pub mod control;
pub mod current;
pub mod events;
pub mod fabric;
pub mod fabric_record;
mod groups;
pub mod interfaces;
pub mod kernel_side;
pub mod layout;
pub mod management;
pub mod membership;
pub mod neighbors;
pub mod ports;
mod process;
pub mod redistribution;
pub mod roles;
pub mod route_changes;
pub mod routes;
pub mod shared;
pub mod snapshot;
pub mod start;
pub mod transactions;

use std::io;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

use crate::config::load::Loaded;
use crate::config::{Diagnostic, Environment, report};
use crate::init::reap;
use crate::ospf_driver::Recording;
use crate::service::{Manager, Teller};

use shared::Shared;
use start::Running;

/// Why a node did not start, or ended.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// The configuration, or the machine that it was written for, is not right.
    #[error("the configuration is refused")]
    Refused(Vec<Diagnostic>),
    /// The system refused something.
    #[error("{what}: {source}")]
    System {
        /// What was attempted.
        what: &'static str,
        /// What the system says.
        source: io::Error,
    },
}

impl NodeError {
    /// Wraps what the system says.
    pub fn system(what: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::System { what, source }
    }
}

/// How a node is run, beside its configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunOptions {
    /// How long the interfaces of the configuration may take to appear.
    pub wait: Duration,
    /// Where OSPF is recorded, if it is.
    pub recording: Option<Recording>,
}

/// Runs a node on the configuration in `path` until SIGTERM or SIGINT. What is wrong is written to standard error.
pub fn run(path: &Path, options: &RunOptions) -> ExitCode {
    if let Err(error) = end_with_parent() {
        tracing::error!(%error, "cannot tie this process to the one that started it");
        return ExitCode::FAILURE;
    }
    let loaded = match crate::config::load::load(path, &Environment::current()) {
        Ok(loaded) => loaded,
        Err(findings) => return refuse(path, &findings),
    };
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            tracing::error!(%error, "cannot make a runtime");
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(run_loaded(path, loaded, options)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(NodeError::Refused(findings)) => refuse(path, &findings),
        Err(error) => {
            tracing::error!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// The exit code of a node whose configuration is refused, as of `isthmus check`.
const REFUSED: u8 = 1;

fn refuse(path: &Path, findings: &[Diagnostic]) -> ExitCode {
    // Without a standard error there is nobody to tell.
    let _ = report::write_findings(path, findings, &mut io::stderr().lock());
    ExitCode::from(REFUSED)
}

async fn run_loaded(path: &Path, loaded: Loaded, options: &RunOptions) -> Result<(), NodeError> {
    // Signals are caught before anything is made, so that a node that is told to stop while it starts cleans up.
    let signals = |kind| signal(kind).map_err(NodeError::system("catch signals"));
    let mut terminate = signals(SignalKind::terminate())?;
    let mut interrupt = signals(SignalKind::interrupt())?;
    let hangup = signals(SignalKind::hangup())?;
    reap::collect_orphans().map_err(NodeError::system("catch signals"))?;
    let (stop, stopped) = watch::channel(false);
    tokio::select! {
        () = interfaces::appear(&loaded.config, options.wait) => {}
        _ = terminate.recv() => return Ok(()),
        _ = interrupt.recv() => return Ok(()),
    }
    let manager = Manager::of_environment().map_err(NodeError::system("start a thread"))?;
    let Running { shared, control, inbox, services } =
        start::start(path, loaded, stopped.clone(), options.recording.as_ref()).await?;
    let (tell, told) = tokio::sync::mpsc::channel(4);
    let listening = tokio::spawn(stop_on(terminate, interrupt, stopped.clone(), tell));
    let reloading = tokio::spawn(reload_on(hangup, Arc::clone(&shared), manager.teller()));
    let control = control.reporting_to(manager);
    let result = control.run(inbox, told).await.map_err(NodeError::system("run the control loop"));
    reloading.abort();
    listening.abort();
    stop.send_replace(true);
    services.end(&shared).await;
    result
}

/// Tells control each time that the node is told to stop: once it may go on for a while as a stub router, the second time not.
async fn stop_on(
    mut terminate: Signal,
    mut interrupt: Signal,
    mut stopped: watch::Receiver<bool>,
    tell: tokio::sync::mpsc::Sender<()>,
) {
    loop {
        tokio::select! {
            _ = terminate.recv() => tracing::info!("SIGTERM: leaving"),
            _ = interrupt.recv() => tracing::info!("SIGINT: leaving"),
            // The sender lives as long as the node.
            _ = stopped.changed() => {}
        }
        if tell.send(()).await.is_err() {
            return;
        }
    }
}

/// SIGHUP: the configuration file is read again, as a transaction. One that is refused leaves the node as it is.
async fn reload_on(mut hangup: Signal, shared: Arc<Shared>, manager: Teller) {
    while hangup.recv().await.is_some() {
        manager.reloading();
        tracing::info!("SIGHUP: reading the configuration file again");
        if let Err(error) = transactions::reload(&shared, "SIGHUP").await {
            let findings = error.diagnostics.iter().filter(|finding| finding.severity == "error");
            for finding in findings {
                tracing::warn!(
                    path = finding.path,
                    line = finding.line,
                    remedy = finding.remedy,
                    "{}",
                    finding.message
                );
            }
            tracing::warn!(
                remedy = error.remedy,
                "the configuration file is refused, and the node goes on: {error}"
            );
        }
        manager.reloaded();
    }
}

/// Names, in the environment of `isthmus run`, the process that the node ends with.
pub const EXIT_WITH_PARENT: &str = "ISTHMUS_EXIT_WITH_PARENT";

/// A node that the demo starts ends with it, whatever happens to the demo.
fn end_with_parent() -> io::Result<()> {
    let Some(parent) = std::env::var(EXIT_WITH_PARENT).ok().and_then(|pid| pid.parse::<i32>().ok()) else {
        return Ok(());
    };
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))?;
    // The parent may have died before the call.
    if rustix::process::getppid().map(|pid| pid.as_raw_nonzero().get()) != Some(parent) {
        return Err(io::Error::other("the process that started this one has ended"));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
