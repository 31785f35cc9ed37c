//! What the threads of a node share: read by management, written by control.

use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Instant, SystemTime};

use arc_swap::ArcSwap;
use isthmus_mgmt_api::model::Histogram;
use isthmus_ospf::Instance;
use isthmus_shmnet::{Fabric, SteeringEpoch};
use tokio::sync::mpsc;

use super::control::Request;
use super::current::Current;
use super::events::EventLog;
use super::fabric_record::FabricRecord;
use super::management::access::ManagementAccess;
use super::roles::Role;
use super::transactions::Transactions;
use crate::config::Config;
use crate::config::stack::ResolvedStack;
use crate::forward::worker::WorkerView;
use crate::host::HostHandle;
use crate::ospf_driver::DropCounters;
use crate::rib::Rib;

/// What the threads of a node share.
pub struct Shared {
    /// The configuration that the node runs, and what was made of it.
    pub current: ArcSwap<Current>,
    /// Changes of it.
    pub transactions: Transactions,
    /// The file that it came from.
    pub config_file: Option<PathBuf>,
    /// Which stack answers for the node's addresses, and why; `None`: a router without a fabric.
    pub stack: Option<ResolvedStack>,
    /// When the node started.
    pub started: SystemTime,
    /// The same moment on the clock that does not jump.
    pub started_at: Instant,
    /// The OSPF engine.
    pub engine: Arc<Mutex<Instance>>,
    /// The origin of the engine's clock.
    pub engine_origin: SystemTime,
    /// The same moment on the clock that does not jump.
    pub engine_clock: Instant,
    /// How long the route calculations took.
    pub spf_durations: Mutex<Histogram>,
    /// How long it took from a change in the network to the forwarding table that follows it.
    pub convergence: Mutex<Histogram>,
    /// What was seen of the nodes of the fabric.
    pub fabric_record: FabricRecord,
    /// Routes of all sources.
    pub rib: Mutex<Rib>,
    /// What may be read of the worker.
    pub worker: WorkerView,
    /// The fabric; `None`: a router without one.
    pub fabric: Option<Fabric>,
    /// The embedded stack.
    pub host: HostHandle,
    /// What happened lately.
    pub events: Arc<EventLog>,
    /// The role and its reason.
    pub role: Mutex<Role>,
    /// The epochs of the steering table, oldest first.
    pub epochs: Mutex<Vec<SteeringEpoch>>,
    /// Whom management takes.
    pub access: ManagementAccess,
    /// Where management listens.
    pub listen: Mutex<Vec<String>>,
    /// Counts published forwarding snapshots.
    pub generation: AtomicU64,
    /// OSPF packets lost between the engine and the worker.
    pub ospf_drops: Arc<DropCounters>,
    /// To control.
    pub requests: mpsc::Sender<Request>,
}

impl Shared {
    /// What the node runs now.
    pub fn current(&self) -> Arc<Current> {
        self.current.load_full()
    }

    /// The configuration that it runs now.
    pub fn config(&self) -> Arc<Config> {
        Arc::clone(&self.current.load().config)
    }

    /// The routing table. A thread that panicked while it held the lock leaves a table that can be read.
    pub fn rib(&self) -> MutexGuard<'_, Rib> {
        lock(&self.rib)
    }

    /// The role and its reason.
    pub fn role(&self) -> MutexGuard<'_, Role> {
        lock(&self.role)
    }

    /// The epochs of the steering table.
    pub fn epochs(&self) -> MutexGuard<'_, Vec<SteeringEpoch>> {
        lock(&self.epochs)
    }

    /// How long the route calculations took.
    pub fn spf_durations(&self) -> MutexGuard<'_, Histogram> {
        lock(&self.spf_durations)
    }

    /// How long it took from a change to the forwarding table.
    pub fn convergence(&self) -> MutexGuard<'_, Histogram> {
        lock(&self.convergence)
    }

    /// Where management listens.
    pub fn listen(&self) -> MutexGuard<'_, Vec<String>> {
        lock(&self.listen)
    }

    /// Whether an address is one that the embedded stack may use as source.
    pub fn is_own_address(&self, address: Ipv4Addr) -> bool {
        let state = self.worker.state.load();
        state.local.contains_key(&address) || state.common.contains_key(&address)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
