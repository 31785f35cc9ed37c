//! The kernel's side of a node while it runs: adapters configured once, routes kept in step.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use super::NodeError;
use super::groups;
use super::ports::{self, Watching};
use super::shared::Shared;
use crate::config::model::{FabricConfig, StackConfig};
use crate::kernel::adapter::Adapter;
use crate::kernel::monitor::{LinkEvent, Watch};
use crate::kernel::routes::{KernelRoutes, RoutePath};
use crate::kernel::{Kernel, KernelError};

/// What the kernel's routing table shall be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KernelRouting {
    /// The prefixes that lead to the router by `gsm0`.
    pub prefixes: Vec<Ipv4Net>,
    /// How often `gsm0` has come up: the kernel forgets the routes of a device that goes down.
    pub device_ups: u64,
}

/// Holds what the kernel was given; [`KernelSide::end`] takes it back.
pub struct KernelSide {
    _watch: Watching,
    routes: JoinHandle<()>,
    groups: Option<JoinHandle<()>>,
}

impl KernelSide {
    /// Configures the kernel's adapters if the kernel's stack is the one that answers, and keeps its routes equal to
    /// what is sent. `None`: it is another one.
    ///
    /// # Errors
    /// The kernel refuses an address.
    pub async fn start(
        shared: &Shared,
        links: mpsc::UnboundedSender<LinkEvent>,
    ) -> Result<Option<(Self, watch::Sender<KernelRouting>)>, NodeError> {
        let config = shared.config();
        let (Some(stack), Some(fabric)) = (&shared.stack, &config.fabric) else { return Ok(None) };
        let StackConfig::Kernel(stack) = &stack.stack else { return Ok(None) };
        let refused = |error: KernelError| NodeError::System {
            what: "configure the kernel's adapters",
            source: std::io::Error::other(error),
        };
        let kernel = Kernel::connect().map_err(refused)?;
        kernel
            .configure(&Adapter::lsm(&stack.lsm_device, fabric.lsm.mtu, fabric.lsm.address))
            .await
            .map_err(refused)?;
        let gsm = Adapter {
            name: stack.gsm_device.clone(),
            mtu: fabric.gsm.mtu,
            addresses: gsm_addresses(fabric, &fabric.common_addresses),
        };
        kernel.configure(&gsm).await.map_err(refused)?;
        // From here on, and not before, a device that is down is so by the operator's will.
        let devices = [&stack.lsm_device, &stack.gsm_device];
        let watch = ports::watch(
            devices.map(|name| Watch { name: name.clone(), index: None, carrier: None }).into(),
            links,
        )?;
        let path = RoutePath {
            adapter: stack.gsm_device.clone(),
            gateway: stack.loopback,
            source: fabric.lsm.address.addr(),
        };
        let routes = KernelRoutes::new(&kernel, path).await.map_err(refused)?;
        let (sender, wanted) = watch::channel(KernelRouting::default());
        let task = tokio::spawn(keep_routes(kernel, routes, wanted));
        let devices = [stack.lsm_device.clone(), stack.gsm_device.clone()];
        let groups = shared.fabric.clone().map(|fabric| tokio::spawn(groups::follow(fabric, devices)));
        Ok(Some((Self { _watch: watch, routes: task, groups }, sender)))
    }

    /// Takes the routes away. The addresses go with the devices, which close with the worker.
    pub async fn end(self) {
        if let Some(groups) = self.groups {
            groups.abort();
        }
        // The task ends when control, which holds the sender, is gone; one that failed has said so.
        let _ = self.routes.await;
    }
}

/// The kernel's addresses on the global network: the node's own, then the common ones.
pub fn gsm_addresses(fabric: &FabricConfig, common: &[Ipv4Addr]) -> Vec<Ipv4Net> {
    std::iter::once(fabric.gsm.address).chain(common.iter().map(|&address| address.into())).collect()
}

async fn keep_routes(kernel: Kernel, mut routes: KernelRoutes, mut wanted: watch::Receiver<KernelRouting>) {
    let mut device_ups = 0;
    while wanted.changed().await.is_ok() {
        let routing = wanted.borrow_and_update().clone();
        if routing.device_ups != device_ups {
            device_ups = routing.device_ups;
            routes.forget();
        }
        match routes.sync(&kernel, &routing.prefixes).await {
            Ok((0, 0)) => {}
            Ok((added, removed)) => tracing::debug!(added, removed, "the kernel's routes follow"),
            Err(error) => tracing::warn!(%error, "the kernel refused a route"),
        }
    }
    if let Err(error) = routes.sync(&kernel, &[]).await {
        tracing::debug!(%error, "the kernel's routes went with their device");
    }
}
