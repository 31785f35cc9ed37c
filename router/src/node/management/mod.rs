//! The node behind the HTTP surface: each resource read from what the threads share, and the surfaces themselves.

pub mod access;
mod interfaces;
mod ospf;
mod routing;
mod serve;
mod shm;
mod system;
mod tools;

use std::future::Future;
use std::net::Ipv4Addr;
use std::sync::Arc;

use axum::body::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream::BoxStream;
use isthmus_mgmt_api::access::AuthenticationFailure;
use isthmus_mgmt_api::model::{
    CaptureQuery, Configuration, ConfigurationChange, ConfigurationHistory, ConfigurationOutcome, Counter,
    Counters, Drop, Drops, Event, Events, Fib, FibLookup, HistoricConfiguration, Interfaces, Measurements,
    Neighbors, OspfSnapshot, PingReply, PingRequest, Readiness, Routes, Shm, ShmRings, Steering, System,
    ThroughputReport, ThroughputRequest, TracerouteHop, TracerouteRequest, Worker,
};
use isthmus_mgmt_api::{ApiError, Backend};
use isthmus_ospf::view::{DatabaseEntryView, WhatIfView};
use isthmus_ospf::what_if::{Change, WhatIfError};
use tokio::sync::watch;

use super::process::process;
use super::shared::Shared;
use super::transactions;
use crate::forward::icmp::IcmpError;
use crate::transaction::secrets;

pub use serve::serve;

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

/// The description of the API (OpenAPI 3.1), as every node serves it.
pub fn openapi() -> serde_json::Value {
    isthmus_mgmt_api::openapi::<NodeBackend>(&crate::config::schema::schema())
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

    fn ospf_what_if(&self, changes: &[Change]) -> Option<Result<WhatIfView, WhatIfError>> {
        Some(ospf::what_if(&self.shared, changes))
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

    fn authentication_failed(&self, failure: &AuthenticationFailure) {
        self.shared.access.failures.count(failure.reason);
        self.shared.events.authentication_failure(failure);
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
    counter_list.extend(
        shared
            .access
            .failures
            .iter()
            .map(|(reason, count)| counter("authentication", &format!("refused-{}", reason.name()), count)),
    );
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
