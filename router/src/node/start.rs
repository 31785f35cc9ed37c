//! Builds a node in order: stack decision, fabric, ports, worker, embedded stack, engine, kernel side, management.
//! What fails undoes what was made before it, by being dropped.

use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};
use std::time::{Instant, SystemTime};

use arc_swap::ArcSwap;
use isthmus_ospf::config::Authentication;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use super::NodeError;
use super::boot_count;
use super::control::{Control, Inbox};
use super::current::Current;
use super::events::EventLog;
use super::fabric;
use super::fabric_record::FabricRecord;
use super::kernel_side::KernelSide;
use super::layout::Layout;
use super::management::{self, access::ManagementAccess};
use super::ports::{self, OpenPorts};
use super::roles;
use super::shared::Shared;
use super::snapshot::{self, Dynamic};
use super::transactions::Transactions;
use crate::config::load::Loaded;
use crate::config::model::StackConfig;
use crate::config::{Config, resolve_stack};
use crate::forward::link::{Bell, link};
use crate::forward::worker::{Worker, WorkerSetup};
use crate::host::HostConfig;
use crate::ospf_driver::plan::{self, Situation};
use crate::ospf_driver::{OspfDriver, Recording};
use crate::port::tap;
use crate::rib::Rib;

/// Datagrams in flight between the worker and the embedded stack, each way.
const HOST_LINK: usize = 1024;
/// OSPF packets in flight between the worker and the engine, each way.
const OSPF_LINK: usize = 1024;
/// The worker's packet buffers: both links full, the resolution queues full, and bursts in hand.
const BUFFERS: usize = HOST_LINK + OSPF_LINK + 256 + 1024;

/// A node that has been built, and not yet run.
pub struct Running {
    /// What the threads share.
    pub shared: Arc<Shared>,
    /// The control loop.
    pub control: Control,
    /// What it hears.
    pub inbox: Inbox,
    /// What runs beside it.
    pub services: Services,
}

/// What runs beside the control loop, and is ended after it.
pub struct Services {
    tasks: Vec<JoinHandle<()>>,
    kernel: Option<KernelSide>,
    worker: std::thread::JoinHandle<()>,
}

impl Services {
    /// Ends management, takes the kernel's addresses and routes away, and leaves the fabric.
    pub async fn end(self, shared: &Shared) {
        for task in self.tasks {
            // Each service ends by itself when it is told to stop; one that failed has said so.
            let _ = task.await;
        }
        if let Some(kernel) = self.kernel {
            kernel.end().await;
        }
        if let Some(fabric) = &shared.fabric {
            fabric.leave();
        }
        // Control has dropped the worker's handle: the worker ends.
        if tokio::task::spawn_blocking(move || self.worker.join()).await.is_err() {
            tracing::warn!("the worker did not end in order");
        }
    }
}

/// Builds a node.
///
/// # Errors
/// The machine is not what the configuration says, or the system refuses something.
pub async fn start(
    path: &Path,
    loaded: Loaded,
    stopped: watch::Receiver<bool>,
    recording: Option<&Recording>,
) -> Result<Running, NodeError> {
    let config = loaded.config.clone();
    let stack = match &config.fabric {
        Some(fabric) => Some(
            resolve_stack(fabric, tap::is_permitted).map_err(|finding| NodeError::Refused(vec![finding]))?,
        ),
        None => None,
    };
    if let Some(stack) = &stack {
        tracing::info!("{}", stack.reason);
    }
    // Before anything is made: a certificate that is not there is the file's matter.
    let access = ManagementAccess::new(&config.management)?;
    let (requests, request_inbox) = mpsc::channel(64);
    let joined = fabric::join(&config)?;
    let OpenPorts { ports, infos, nic_mtus, holds, captures, links, link_sender } =
        ports::open(&config, stack.as_ref().map(|stack| &stack.stack), joined.as_ref()).await?;
    let layout = Layout::new(&config, stack.as_ref().map(|stack| &stack.stack), &nic_mtus);

    let bell = || Bell::new().map_err(NodeError::system("make an event descriptor"));
    let (worker_to_host, host_end) = link(HOST_LINK, bell()?, bell()?);
    let (worker_to_ospf, ospf_end) = link(OSPF_LINK, bell()?, bell()?);
    let dynamic = Dynamic {
        enabled: layout.interfaces.iter().map(|interface| interface.enabled).collect(),
        ..Dynamic::default()
    };
    let (worker, worker_handle) = Worker::new(WorkerSetup {
        ports,
        state: snapshot::forwarding_state(&config, &layout, &dynamic),
        host: Some(worker_to_host),
        ospf: Some(worker_to_ospf),
        buffers: BUFFERS,
    })
    .map_err(NodeError::system("make the worker"))?;
    let worker_thread = std::thread::Builder::new()
        .name("worker".into())
        .spawn(move || {
            if let Err(error) = worker.run() {
                tracing::error!(%error, "the worker has ended");
            }
        })
        .map_err(NodeError::system("start the worker"))?;
    let (host, _) =
        crate::host::start(host_config(&config, stack.as_ref().map(|stack| &stack.stack)), host_end)
            .map_err(NodeError::system("start the embedded stack"))?;

    let situation = Situation {
        kernel_stack: kernel_stack(stack.as_ref().map(|stack| &stack.stack)),
        nic_mtus,
        nic_interfaces: layout.map.nic_interfaces.clone(),
        stub_router: !config.ospf.stub_router.on_startup.is_zero(),
        ..Situation::default()
    };
    let fabric_area = config.fabric.as_ref().map(|fabric| fabric.lsm.ospf.area);
    let recorder = match recording {
        Some(recording) => {
            Some(recording.start().map_err(NodeError::system("make the file of the recording"))?)
        }
        None => None,
    };
    let engine_origin = SystemTime::now();
    let driver = OspfDriver::new(
        plan::instance_config(&config, &situation),
        seed(),
        ospf_end,
        layout.map.clone(),
        fabric_area,
        recorder,
    );

    let mut ospf = config.interfaces.iter().filter_map(|nic| nic.ospf.as_ref());
    let matters = ospf.any(|ospf| matches!(ospf.authentication, Authentication::Extended(_)));
    driver.set_boot_count(boot_count::next(&config.management.state_directory, matters));

    let role = roles::role(&config, &vec![false; layout.map.nics.len()]);
    let (fabric, fabric_events) = joined
        .map_or_else(|| (None, mpsc::unbounded_channel().1), |joined| (Some(joined.fabric), joined.events));
    let guards = holds.iter().filter_map(|hold| hold.guard_kind().map(|kind| (hold.name.clone(), kind)));
    let guards = guards.collect();
    let transactions = Transactions::new(path, &loaded, link_sender.clone());
    let current = Current::new(loaded, layout.clone(), infos, captures, guards);
    let shared = Arc::new(Shared {
        current: ArcSwap::from_pointee(current),
        transactions,
        config_file: Some(path.to_owned()),
        stack,
        started: SystemTime::now(),
        started_at: Instant::now(),
        engine: driver.engine(),
        engine_origin,
        engine_clock: driver.origin(),
        spf_durations: Mutex::default(),
        convergence: Mutex::default(),
        fabric_record: FabricRecord::default(),
        rib: Mutex::new(Rib::default()),
        worker: worker_handle.view(),
        fabric,
        host: host.clone(),
        events: Arc::new(EventLog::default()),
        role: Mutex::new(role),
        epochs: Mutex::default(),
        access,
        listen: Mutex::default(),
        generation: AtomicU64::new(0),
        ospf_drops: driver.drops(),
        requests,
    });
    let (kernel, kernel_routes) = KernelSide::start(&shared, link_sender).await?.unzip();
    let tasks = management::serve(&shared, &host, &stopped).await?;
    let control =
        Control::new(Arc::clone(&shared), layout, driver, worker_handle, situation, holds, kernel_routes);
    let inbox = Inbox { fabric: fabric_events, links, requests: request_inbox };
    Ok(Running { shared, control, inbox, services: Services { tasks, kernel, worker: worker_thread } })
}

fn kernel_stack(stack: Option<&StackConfig>) -> Option<crate::config::model::KernelStackConfig> {
    match stack {
        Some(StackConfig::Kernel(kernel)) => Some(kernel.clone()),
        _ => None,
    }
}

/// The embedded stack speaks with the node's own address; where the kernel has that, with the router's loopback.
fn host_config(config: &Config, stack: Option<&StackConfig>) -> HostConfig {
    const LARGEST_WITHOUT_FABRIC: u16 = 9000;
    let source: Ipv4Addr = match stack {
        Some(StackConfig::Kernel(kernel)) => kernel.loopback,
        _ => snapshot::router_address(config),
    };
    let fabric = config.fabric.as_ref();
    HostConfig {
        source,
        local_network: fabric.map(|fabric| fabric.lsm.prefix),
        discard_from: fabric.iter().flat_map(|fabric| [fabric.lsm.prefix, fabric.gsm.prefix]).collect(),
        mtu: fabric.map_or(LARGEST_WITHOUT_FABRIC, |fabric| fabric.lsm.mtu.min(fabric.gsm.mtu)),
    }
}

/// Feeds jitter and sequence starts: different in every life and on every node.
fn seed() -> u64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    (now.as_nanos() as u64) ^ (u64::from(std::process::id()) << 32)
}
