//! The node behind the HTTP surface: each resource read from what the threads share, and the surfaces themselves.

mod interfaces;
mod ospf;
mod routing;
mod shm;
mod system;
mod tools;

use std::future::Future;
use std::net::Ipv4Addr;
use std::sync::Arc;

use axum::body::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream::BoxStream;
use isthmus_mgmt_api::model::{
    CaptureQuery, Configuration, ConfigurationChange, ConfigurationHistory, ConfigurationOutcome, Counter,
    Counters, Drop, Drops, Event, Events, Fib, FibLookup, HistoricConfiguration, Interfaces, Measurements,
    Neighbors, OspfSnapshot, PingReply, PingRequest, Readiness, Routes, Shm, ShmRings, Steering, System,
    ThroughputReport, ThroughputRequest, TracerouteHop, TracerouteRequest, Worker,
};
use isthmus_mgmt_api::{Access, ApiError, Backend, UnixSocket, app, bind_tcp};
use isthmus_ospf::view::DatabaseEntryView;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::NodeError;
use super::process::process;
use super::shared::Shared;
use super::transactions;
use crate::config::{Code, Diagnostic};
use crate::forward::icmp::IcmpError;
use crate::host::HostHandle;
use crate::transaction::secrets;

/// The node as the HTTP surface sees it.
pub struct NodeBackend {
    shared: Arc<Shared>,
    stopped: watch::Receiver<bool>,
}

/// Whether the node is ready, and if not, what for it waits.
pub(super) fn readiness(shared: &Shared) -> Readiness {
    system::readiness(shared)
}

/// What the node is and how it is, as `status` shows it.
pub(super) fn overview(shared: &Shared) -> System {
    system::system(shared)
}

/// Opens the surfaces of the configuration. Each ends when `stopped` turns true.
///
/// # Errors
/// An address or a path cannot be listened on.
pub async fn serve(
    shared: &Arc<Shared>,
    host: &HostHandle,
    stopped: &watch::Receiver<bool>,
) -> Result<Vec<JoinHandle<()>>, NodeError> {
    let backend = Arc::new(NodeBackend { shared: Arc::clone(shared), stopped: stopped.clone() });
    let config = shared.config();
    let settings = &config.management;
    let refused = |key: &str, error: &dyn std::fmt::Display| {
        let text = error.to_string();
        let (reason, remedy) = text.split_once(": ").unwrap_or((&text, "choose another"));
        NodeError::Refused(vec![Diagnostic::error(
            Code::BadListen,
            key,
            reason.to_owned(),
            remedy.to_owned(),
        )])
    };
    let mut tasks = Vec::new();
    if let Some(path) = &settings.unix_socket {
        let socket =
            UnixSocket::bind(path).await.map_err(|error| refused("management.unix-socket", &error))?;
        shared.listen().push(format!("unix:{}", path.display()));
        tasks.push(spawn(socket, app(Arc::clone(&backend), Access::Full), stopped.clone()));
    }
    if let Some(address) = settings.listen {
        let listener = bind_tcp(address).await.map_err(|error| refused("management.listen", &error))?;
        let address = listener.local_addr().map_err(NodeError::system("read the address of a socket"))?;
        shared.listen().push(format!("http://{address}"));
        tasks.push(spawn(listener, app(Arc::clone(&backend), Access::Loopback), stopped.clone()));
    }
    if let Some(port) = settings.in_band_port {
        let listener = host.listen(port).await.map_err(NodeError::system("listen in the routed network"))?;
        shared.listen().push(format!("in-band:{port}"));
        tasks.push(spawn(listener, app(backend, Access::ReadOnly), stopped.clone()));
    }
    Ok(tasks)
}

/// The description of the API (OpenAPI 3.1), as every node serves it.
pub fn openapi() -> serde_json::Value {
    isthmus_mgmt_api::openapi::<NodeBackend>(&crate::config::schema::schema())
}

fn spawn<L>(listener: L, app: axum::Router, mut stopped: watch::Receiver<bool>) -> JoinHandle<()>
where
    L: axum::serve::Listener,
    L::Addr: std::fmt::Debug,
{
    tokio::spawn(async move {
        let shutdown = async move {
            // A sender that is gone means the same as its last word.
            let _ = stopped.wait_for(|stopped| *stopped).await;
        };
        if let Err(error) = isthmus_mgmt_api::serve(listener, app, shutdown).await {
            tracing::error!(%error, "a management surface has failed");
        }
    })
}

impl Backend for NodeBackend {
    fn system(&self) -> System {
        system::system(&self.shared)
    }

    fn readiness(&self) -> Readiness {
        system::readiness(&self.shared)
    }

    fn config(&self) -> serde_json::Value {
        secrets::masked(self.shared.current().document.clone())
    }

    fn configuration(&self) -> Configuration {
        transactions::configuration(&self.shared)
    }

    async fn configure(&self, change: ConfigurationChange) -> Result<ConfigurationOutcome, ApiError> {
        transactions::configure(&self.shared, change).await
    }

    async fn confirm_configuration(&self, author: String) -> Result<Configuration, ApiError> {
        transactions::confirm(&self.shared, author).await
    }

    async fn rollback_configuration(
        &self,
        number: u64,
        author: String,
        dry_run: bool,
    ) -> Result<ConfigurationOutcome, ApiError> {
        transactions::rollback(&self.shared, number, author, dry_run).await
    }

    fn configuration_history(&self) -> ConfigurationHistory {
        transactions::history(&self.shared)
    }

    fn configuration_at(&self, number: u64) -> Option<HistoricConfiguration> {
        transactions::at(&self.shared, number)
    }

    fn configuration_schema(&self) -> serde_json::Value {
        crate::config::schema::schema()
    }

    fn interfaces(&self) -> Interfaces {
        interfaces::interfaces(&self.shared)
    }

    fn neighbors(&self, interface: &str) -> Option<Neighbors> {
        interfaces::neighbors(&self.shared, interface)
    }

    fn routes(&self) -> Routes {
        routing::routes(&self.shared)
    }

    fn fib(&self) -> Fib {
        routing::fib(&self.shared)
    }

    fn fib_lookup(&self, destination: Ipv4Addr, explain: bool) -> FibLookup {
        routing::lookup(&self.shared, destination, explain)
    }

    fn ospf(&self) -> Option<OspfSnapshot> {
        Some(ospf::snapshot(&self.shared))
    }

    fn ospf_database(&self) -> Option<Vec<DatabaseEntryView>> {
        Some(ospf::database(&self.shared))
    }

    fn shm(&self) -> Option<Shm> {
        shm::shm(&self.shared)
    }

    fn shm_rings(&self) -> Option<ShmRings> {
        shm::rings(&self.shared)
    }

    fn steering(&self) -> Option<Steering> {
        shm::steering(&self.shared)
    }

    fn counters(&self) -> Counters {
        counters(&self.shared)
    }

    fn drops(&self) -> Drops {
        drops(&self.shared)
    }

    fn measurements(&self) -> Measurements {
        measurements(&self.shared)
    }

    fn events(&self) -> Events {
        self.shared.events.recent()
    }

    fn event_stream(&self, after: Option<u64>) -> BoxStream<'static, Event> {
        self.shared.events.stream(after, self.stopped.clone()).boxed()
    }

    fn ping(
        &self,
        request: PingRequest,
    ) -> impl Future<Output = Result<BoxStream<'static, PingReply>, ApiError>> + Send {
        tools::ping(Arc::clone(&self.shared), request)
    }

    fn traceroute(
        &self,
        request: TracerouteRequest,
    ) -> impl Future<Output = Result<BoxStream<'static, TracerouteHop>, ApiError>> + Send {
        tools::traceroute(Arc::clone(&self.shared), request)
    }

    fn throughput(
        &self,
        request: ThroughputRequest,
    ) -> impl Future<Output = Result<ThroughputReport, ApiError>> + Send {
        tools::throughput(Arc::clone(&self.shared), request)
    }

    fn capture(
        &self,
        query: CaptureQuery,
    ) -> impl Future<Output = Result<BoxStream<'static, Bytes>, ApiError>> + Send {
        tools::capture(Arc::clone(&self.shared), query)
    }
}

fn counters(shared: &Shared) -> Counters {
    let counts = shared.worker.counters.snapshot();
    let counter =
        |group: &str, name: &str, value: u64| Counter { group: group.into(), name: name.into(), value };
    let mut counter_list = vec![
        counter("forward", "forwarded", counts.forwarded),
        counter("forward", "delivered-to-host", counts.delivered_host),
        counter("forward", "delivered-to-kernel", counts.delivered_kernel),
        counter("forward", "handed-to-ospf", counts.punted),
        counter("forward", "dropped", counts.drops.total()),
        counter("fragments", "fragmented", counts.fragmented),
        counter("fragments", "reassembled", counts.reassembled),
        counter("lsm", "captured-packets", counts.lsm_captured),
        counter("gsm", "captured-packets", counts.gsm_captured),
        counter("arp", "received", counts.arp_received),
        counter("arp", "sent", counts.arp_sent),
        counter("icmp", "suppressed", counts.icmp_suppressed),
        counter("worker", "wakeups", counts.wakeups),
    ];
    counter_list
        .extend(shared.ospf_drops.iter().map(|(reason, count)| counter("ospf", reason.label(), count)));
    for (kind, value) in IcmpError::LABELS.iter().zip(counts.icmp_sent) {
        counter_list.push(counter("icmp", &format!("sent-{kind}"), value));
    }
    Counters { counter: counter_list }
}

fn measurements(shared: &Shared) -> Measurements {
    let load = shared.worker.counters.load();
    let mut measurements = Measurements {
        process: process(),
        worker: vec![Worker {
            name: "worker".to_owned(),
            busy: load.busy.as_secs_f64(),
            busy_ratio: load.recent,
            silence: shared.worker.silence().as_secs_f64(),
            wakeups: shared.worker.counters.snapshot().wakeups,
        }],
        convergence: *shared.convergence(),
        log: crate::logging::counts().to_vec(),
        events: shared.events.counts(),
        ..Measurements::default()
    };
    shared.fabric_record.measure(&mut measurements);
    measurements
}

fn drops(shared: &Shared) -> Drops {
    let mut drop = Vec::new();
    for (index, interface) in interfaces::indexed(shared) {
        let counts = shared.worker.counters.interface_counts(index);
        for (reason, packets) in counts.drops.iter().filter(|(_, packets)| *packets > 0) {
            drop.push(Drop {
                reason: reason.label().to_owned(),
                interface: Some(interface.name.clone()),
                packets,
            });
        }
    }
    let unassigned = shared.worker.counters.interface_counts(crate::forward::InterfaceIndex::NONE);
    for (reason, packets) in unassigned.drops.iter().filter(|(_, packets)| *packets > 0) {
        drop.push(Drop { reason: reason.label().to_owned(), interface: None, packets });
    }
    Drops { total: drop.iter().map(|drop| drop.packets).sum(), drop }
}
