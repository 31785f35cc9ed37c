//! What the HTTP surface asks of the node: the one seam between this crate and the router.

use std::net::Ipv4Addr;

use axum::body::Bytes;
use futures_util::stream::BoxStream;
use isthmus_ospf::view::{DatabaseEntryView, WhatIfView};
use isthmus_ospf::what_if::{Change, WhatIfError};

use crate::access::AuthenticationFailure;
use crate::error::ApiError;
use crate::model::{
    CaptureQuery, Configuration, ConfigurationChange, ConfigurationHistory, ConfigurationOutcome, Counters,
    Drops, Event, Events, Fib, FibLookup, HistoricConfiguration, Interfaces, Measurements, Neighbors,
    OspfSnapshot, PingReply, PingRequest, Readiness, Routes, Shm, ShmRings, Steering, System,
    ThroughputReport, ThroughputRequest, TracerouteHop, TracerouteRequest,
};

/// The node behind the API.
///
/// The snapshots are taken at once and without waiting: they are called from the threads that serve requests. What
/// takes time is a future or a stream; dropping it ends the work behind it.
pub trait Backend: Send + Sync + 'static {
    /// Who the node is, its role, its checks.
    fn system(&self) -> System;

    /// Whether it has joined, formed its adjacencies and published its routes.
    fn readiness(&self) -> Readiness;

    /// The running configuration, in the vocabulary of the file, with the defaults of its keys filled in; secrets are
    /// masked.
    fn config(&self) -> serde_json::Value;

    /// The running configuration as it was written, with its revision.
    fn configuration(&self) -> Configuration;

    /// Changes the configuration as one transaction: all of it is checked, then applied or refused whole. One at a time;
    /// others wait for their turn.
    ///
    /// # Errors
    /// [`Invalid`](crate::ProblemKind::Invalid) with the findings of the checks and of this machine;
    /// [`PreconditionFailed`](crate::ProblemKind::PreconditionFailed) if another revision runs than the one named;
    /// [`NotChangeable`](crate::ProblemKind::NotChangeable) if a key takes effect at a start only;
    /// [`Conflict`](crate::ProblemKind::Conflict) while another change waits to be confirmed, or if the file was edited.
    fn configure(
        &self,
        change: ConfigurationChange,
    ) -> impl Future<Output = Result<ConfigurationOutcome, ApiError>> + Send;

    /// Keeps the configuration that waits to be confirmed, and writes it to the file.
    ///
    /// # Errors
    /// [`Conflict`](crate::ProblemKind::Conflict) if none waits; the file cannot be written.
    fn confirm_configuration(
        &self,
        author: String,
    ) -> impl Future<Output = Result<Configuration, ApiError>> + Send;

    /// Applies a configuration of the history again. One that waits to be confirmed is given up.
    ///
    /// # Errors
    /// [`NotFound`](crate::ProblemKind::NotFound) if the history has no such number; else as [`Self::configure`].
    fn rollback_configuration(
        &self,
        number: u64,
        author: String,
        dry_run: bool,
    ) -> impl Future<Output = Result<ConfigurationOutcome, ApiError>> + Send;

    /// The configurations that were committed, the newest first.
    fn configuration_history(&self) -> ConfigurationHistory;

    /// One of them; `None`: the history has no such number.
    fn configuration_at(&self, number: u64) -> Option<HistoricConfiguration>;

    /// The JSON schema of the configuration.
    fn configuration_schema(&self) -> serde_json::Value;

    /// All interfaces with their counters.
    fn interfaces(&self) -> Interfaces;

    /// The stations known on an interface; `None`: there is no such interface.
    fn neighbors(&self, interface: &str) -> Option<Neighbors>;

    /// All routes of all sources, chosen or not.
    fn routes(&self) -> Routes;

    /// The forwarding table in force.
    fn fib(&self) -> Fib;

    /// What becomes of a packet to `destination`; with `explain`, step by step.
    fn fib_lookup(&self, destination: Ipv4Addr, explain: bool) -> FibLookup;

    /// The engine but for its database; `None`: OSPF does not run.
    fn ospf(&self) -> Option<OspfSnapshot>;

    /// The database of all areas, in the order of area, type, originator, id; `None`: OSPF does not run.
    fn ospf_database(&self) -> Option<Vec<DatabaseEntryView>>;

    /// Which routes would be others if the network changed so; `None`: OSPF does not run.
    ///
    /// # Errors
    /// A change names something that is not there.
    fn ospf_what_if(&self, changes: &[Change]) -> Option<Result<WhatIfView, WhatIfError>>;

    /// The shared memory, its nodes and links; `None`: the node has no fabric.
    fn shm(&self) -> Option<Shm>;

    /// The rings of the shared memory; `None`: the node has no fabric.
    fn shm_rings(&self) -> Option<ShmRings>;

    /// Who serves the common address; `None`: the node has no fabric.
    fn steering(&self) -> Option<Steering>;

    /// All counters that are not shown with an interface or a ring.
    fn counters(&self) -> Counters;

    /// All drops, by interface and reason.
    fn drops(&self) -> Drops;

    /// What is measured and is no resource of its own.
    fn measurements(&self) -> Measurements;

    /// The events that are still remembered, the oldest first.
    fn events(&self) -> Events;

    /// The events after the one with the sequence number `after`, as they happen; `None`: those that happen from now
    /// on. A reader that is too slow for the log is told by an event of type `gap`, and one whose `after` is beyond
    /// the last event, which is of an earlier life of the node, by a `gap` with `restarted`. Ends when the node does.
    fn event_stream(&self, after: Option<u64>) -> BoxStream<'static, Event>;

    /// Takes note of a request that was refused for who has sent it. There may be many of them.
    fn authentication_failed(&self, failure: &AuthenticationFailure);

    /// Sends echo requests from the embedded stack; one item for each, when it is answered or given up.
    /// The request has been checked against the limits of its fields.
    ///
    /// # Errors
    /// The stack does not run, has too much to do, or has no such source address.
    fn ping(
        &self,
        request: PingRequest,
    ) -> impl Future<Output = Result<BoxStream<'static, PingReply>, ApiError>> + Send;

    /// Finds the routers on the way; one item for each hop, until the destination answers.
    /// The request has been checked against the limits of its fields.
    ///
    /// # Errors
    /// The stack does not run, has too much to do, or has no such source address.
    fn traceroute(
        &self,
        request: TracerouteRequest,
    ) -> impl Future<Output = Result<BoxStream<'static, TracerouteHop>, ApiError>> + Send;

    /// Sends datagrams from the embedded stack as fast as they go.
    /// The request has been checked against the limits of its fields.
    ///
    /// # Errors
    /// The stack does not run, or has too much to do.
    fn throughput(
        &self,
        request: ThroughputRequest,
    ) -> impl Future<Output = Result<ThroughputReport, ApiError>> + Send;

    /// Copies the frames of an interface: a pcapng file in pieces of whole blocks, the section and interface headers
    /// first. The stream ends after `count` frames; the caller drops it after `duration`.
    ///
    /// # Errors
    /// There is no such interface, or a capture is under way already.
    fn capture(
        &self,
        query: CaptureQuery,
    ) -> impl Future<Output = Result<BoxStream<'static, Bytes>, ApiError>> + Send;
}
