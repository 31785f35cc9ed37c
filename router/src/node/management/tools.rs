//! Ping, traceroute, throughput and capture.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream::{self, BoxStream};
use isthmus_mgmt_api::model::{
    CaptureQuery, PingOutcome, PingReply, PingRequest, ThroughputReport, ThroughputRequest, TracerouteHop,
    TracerouteProbe, TracerouteRequest,
};
use isthmus_mgmt_api::{ApiError, ProblemKind};
use tokio::sync::mpsc;

use super::super::shared::Shared;
use crate::forward::link::AsyncBell;
use crate::host::{EchoOutcome, GeneratorRequest, tools};
use crate::port::pcap::{Capture, CaptureOptions, file};

/// Replies that may wait for a slow client.
const QUEUE: usize = 16;

fn from_channel<T: Send + 'static>(receiver: mpsc::Receiver<T>) -> BoxStream<'static, T> {
    stream::unfold(receiver, async |mut receiver| receiver.recv().await.map(|item| (item, receiver))).boxed()
}

fn check_source(shared: &Shared, source: Option<std::net::Ipv4Addr>) -> Result<(), ApiError> {
    match source {
        Some(source) if !shared.is_own_address(source) => Err(ApiError::new(
            ProblemKind::BadRequest,
            format!("{source} is not an address of this node"),
            "GET /api/v1/system lists the node's addresses",
        )),
        _ => Ok(()),
    }
}

/// Sends echo requests; one item for each.
pub(super) async fn ping(
    shared: Arc<Shared>,
    request: PingRequest,
) -> Result<BoxStream<'static, PingReply>, ApiError> {
    check_source(&shared, request.source)?;
    let (sender, receiver) = mpsc::channel(QUEUE);
    let asked = tools::PingRequest {
        destination: request.destination,
        source: request.source,
        count: request.count,
        interval: Duration::from_secs_f64(request.interval),
        timeout: Duration::from_secs_f64(request.timeout),
        payload_len: request.size as usize,
        ttl: request.ttl,
    };
    tokio::spawn(async move {
        if let Err(error) = tools::ping(&shared.host, asked, sender).await {
            tracing::warn!(%error, "ping ended");
        }
    });
    Ok(from_channel(receiver).map(|(number, outcome)| reply(number, &outcome)).boxed())
}

fn reply(sequence: u32, outcome: &EchoOutcome) -> PingReply {
    let blank =
        PingReply { sequence, outcome: PingOutcome::Timeout, from: None, size: None, ttl: None, time: None };
    let TracerouteProbe { outcome: kind, from, time } = probe(outcome);
    let (size, ttl) = match outcome {
        EchoOutcome::Reply { ttl, payload_len, .. } => (Some(*payload_len as u32), Some(*ttl)),
        _ => (None, None),
    };
    PingReply { outcome: kind, from, time, size, ttl, ..blank }
}

fn probe(outcome: &EchoOutcome) -> TracerouteProbe {
    let (outcome, from, time) = match outcome {
        EchoOutcome::Reply { from, round_trip, .. } => (PingOutcome::Reply, Some(*from), Some(*round_trip)),
        EchoOutcome::TimeExceeded { from, round_trip } => {
            (PingOutcome::TimeExceeded, Some(*from), Some(*round_trip))
        }
        EchoOutcome::Unreachable { from, round_trip, .. } => {
            (PingOutcome::Unreachable, Some(*from), Some(*round_trip))
        }
        EchoOutcome::Timeout => (PingOutcome::Timeout, None, None),
        EchoOutcome::NotSent => (PingOutcome::NotSent, None, None),
    };
    TracerouteProbe { outcome, from, time: time.map(|time| time.as_secs_f64()) }
}

/// Finds the routers on the way; one item for each hop.
pub(super) async fn traceroute(
    shared: Arc<Shared>,
    request: TracerouteRequest,
) -> Result<BoxStream<'static, TracerouteHop>, ApiError> {
    check_source(&shared, request.source)?;
    let (sender, receiver) = mpsc::channel(QUEUE);
    let asked = tools::TracerouteRequest {
        destination: request.destination,
        source: request.source,
        max_hops: request.max_hops,
        probes: request.probes,
        timeout: Duration::from_secs_f64(request.timeout),
    };
    tokio::spawn(async move {
        if let Err(error) = tools::traceroute(&shared.host, asked, sender).await {
            tracing::warn!(%error, "traceroute ended");
        }
    });
    let hop = |(ttl, outcomes): (u8, Vec<EchoOutcome>)| TracerouteHop {
        ttl,
        probe: outcomes.iter().map(probe).collect(),
        reached: outcomes.iter().any(|outcome| matches!(outcome, EchoOutcome::Reply { .. })),
    };
    Ok(from_channel(receiver).map(hop).boxed())
}

/// Sends datagrams to the discard port of another node.
pub(super) async fn throughput(
    shared: Arc<Shared>,
    request: ThroughputRequest,
) -> Result<ThroughputReport, ApiError> {
    let member = shared.config().fabric.as_ref().is_some_and(|fabric| {
        [fabric.lsm.prefix, fabric.gsm.prefix].iter().any(|network| network.contains(&request.destination))
    });
    if !member {
        return Err(ApiError::new(
            ProblemKind::BadRequest,
            format!("{} is not an address of a node of this cluster", request.destination),
            "name the LSM or GSM address of a node: only nodes have a discard service for this",
        ));
    }
    let asked = GeneratorRequest {
        destination: request.destination,
        datagram_len: request.datagram_length as usize,
        duration: Duration::from_secs_f64(request.duration),
    };
    let report = shared.host.generate(asked).await.map_err(|error| {
        ApiError::new(ProblemKind::Unavailable, error.to_string(), "the node is ending; start it again")
    })?;
    Ok(ThroughputReport {
        packets: report.datagrams,
        octets: report.bytes,
        time: report.elapsed.as_secs_f64(),
    })
}

/// Copies the frames of an interface as a pcapng file.
pub(super) async fn capture(
    shared: Arc<Shared>,
    query: CaptureQuery,
) -> Result<BoxStream<'static, Bytes>, ApiError> {
    let options = CaptureOptions::default();
    let current = shared.current();
    let control =
        current.layout.find(&query.interface).and_then(|index| current.captures.get(usize::from(index.0)));
    let control = control.ok_or_else(|| {
        let detail = format!("there is no interface `{}`", query.interface);
        ApiError::new(ProblemKind::NotFound, detail, "GET /api/v1/interfaces lists them")
    })?;
    let unavailable = |error: &dyn std::fmt::Display| {
        ApiError::new(ProblemKind::Busy, error.to_string(), "end another capture on this interface first")
    };
    let capture = control.attach(options).map_err(|error| unavailable(&error))?;
    let bell = AsyncBell::new(capture.bell()).map_err(|error| unavailable(&error))?;
    let mut head = Vec::new();
    file::section_header(&mut head);
    file::interface(&mut head, &query.interface, options.snap_length);
    let frames = Frames { capture, bell, left: query.count.unwrap_or(u64::MAX) };
    let blocks = stream::unfold(frames, async |mut frames| frames.next().await.map(|block| (block, frames)));
    Ok(stream::once(async move { Bytes::from(head) }).chain(blocks).boxed())
}

struct Frames {
    capture: Capture,
    bell: AsyncBell,
    left: u64,
}

impl Frames {
    /// The blocks of the frames that wait; `None` after the last.
    async fn next(&mut self) -> Option<Bytes> {
        /// A piece for the client is not longer than this by more than a frame.
        const PIECE: usize = 64 * 1024;
        let mut blocks = Vec::new();
        loop {
            while self.left > 0
                && blocks.len() < PIECE
                && let Some(frame) = self.capture.next_frame()
            {
                file::packet(&mut blocks, 0, &frame);
                self.left -= 1;
            }
            if !blocks.is_empty() {
                return Some(Bytes::from(blocks));
            }
            if self.left == 0 || self.capture.is_ended() {
                return None;
            }
            self.bell.rung().await;
        }
    }
}
