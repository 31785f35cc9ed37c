//! `/tools`: ping, traceroute and capture, whose answers are streams.

use std::net::Ipv4Addr;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::stream::{self, BoxStream, Stream, StreamExt};
use serde::Serialize;
use serde_json::json;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::app::AppState;
use crate::backend::Backend;
use crate::error::{ApiError, ProblemKind};
use crate::extract::{ApiJson, ApiQuery};
use crate::model::{
    CaptureQuery, PingLine, PingReply, PingRequest, PingSummary, ThroughputReport, ThroughputRequest,
    TracerouteHop, TracerouteLine, TracerouteRequest, TracerouteSummary,
};
use crate::openapi::{Api, SchemaSource, post};

/// Adds the resources.
pub(super) fn add<B: Backend>(api: Api<AppState<B>>) -> Api<AppState<B>> {
    const JSON: &[&str] = &["application/json"];
    const LINES: &str = "application/x-ndjson";
    let refusals = &[ProblemKind::Conflict, ProblemKind::Busy, ProblemKind::Unavailable];
    api.tag("tools", "Sixteen of these may run at the same time on each surface.")
        .at(
            "/tools/ping",
            post(ping, "Sends echo requests from the node's own stack.")
                .body(
                    JSON,
                    SchemaSource::of::<PingRequest>(),
                    json!({ "destination": "10.77.0.1", "count": 1, "timeout": 0.5 }),
                )
                .answers_with(
                    StatusCode::OK,
                    "A line for each reply as it comes, then a line with the summary.",
                    LINES,
                    SchemaSource::of::<PingLine>(),
                )
                .refuses(refusals),
        )
        .at(
            "/tools/traceroute",
            post(traceroute, "Finds the routers on the way.")
                .body(
                    JSON,
                    SchemaSource::of::<TracerouteRequest>(),
                    json!({ "destination": "10.77.0.1", "max-hops": 2, "probes": 1, "timeout": 0.5 }),
                )
                .answers_with(
                    StatusCode::OK,
                    "A line for each hop as it is known, then a line with the summary.",
                    LINES,
                    SchemaSource::of::<TracerouteLine>(),
                )
                .refuses(refusals),
        )
        .at(
            "/tools/throughput",
            post(throughput, "Sends datagrams as fast as they go, and says how many.")
                .body(
                    JSON,
                    SchemaSource::of::<ThroughputRequest>(),
                    json!({ "destination": "10.77.0.1", "duration": 0.1 }),
                )
                .answers::<ThroughputReport>("What was sent.")
                .refuses(refusals),
        )
        .at(
            "/tools/capture",
            post(capture, "Copies the frames of an interface.")
                .query::<CaptureQuery>()
                .answers_with(
                    StatusCode::OK,
                    "A pcapng file, as the frames come.",
                    "application/x-pcapng",
                    SchemaSource::Binary,
                )
                .refuses(&[ProblemKind::NotFound, ProblemKind::Conflict, ProblemKind::Busy]),
        )
}

pub(crate) async fn ping<B: Backend>(
    State(state): State<AppState<B>>,
    ApiJson(request): ApiJson<PingRequest>,
) -> Result<Response, ApiError> {
    one_host("destination", request.destination)?;
    within("count", request.count, 1..=1000)?;
    within("interval", request.interval, 0.01..=60.0)?;
    within("timeout", request.timeout, 0.01..=60.0)?;
    within("size", request.size, 0..=8000)?;
    within("ttl", request.ttl, 1..=255)?;
    let permit = permit(&state.tools)?;
    let replies = state.backend.ping(request).await?;
    Ok(lines(with_summary(replies, permit, PingLine::Reply, |replies: &[PingReply]| {
        PingLine::Summary(PingSummary::of(replies))
    })))
}

pub(crate) async fn traceroute<B: Backend>(
    State(state): State<AppState<B>>,
    ApiJson(request): ApiJson<TracerouteRequest>,
) -> Result<Response, ApiError> {
    one_host("destination", request.destination)?;
    within("max-hops", request.max_hops, 1..=64)?;
    within("probes", request.probes, 1..=10)?;
    within("timeout", request.timeout, 0.01..=60.0)?;
    let permit = permit(&state.tools)?;
    let hops = state.backend.traceroute(request).await?;
    Ok(lines(with_summary(hops, permit, TracerouteLine::Hop, |hops: &[TracerouteHop]| {
        TracerouteLine::Summary(TracerouteSummary::of(hops))
    })))
}

pub(crate) async fn throughput<B: Backend>(
    State(state): State<AppState<B>>,
    ApiJson(request): ApiJson<ThroughputRequest>,
) -> Result<Json<ThroughputReport>, ApiError> {
    one_host("destination", request.destination)?;
    within("datagram-length", request.datagram_length, 28..=9000)?;
    within("duration", request.duration, 0.01..=10.0)?;
    let _permit = permit(&state.tools)?;
    state.backend.throughput(request).await.map(Json)
}

pub(crate) async fn capture<B: Backend>(
    State(state): State<AppState<B>>,
    ApiQuery(query): ApiQuery<CaptureQuery>,
) -> Result<Response, ApiError> {
    let duration = query.duration.unwrap_or(CAPTURE_LONGEST);
    within("duration", duration, 0.01..=CAPTURE_LONGEST)?;
    within("count", query.count.unwrap_or(1), 1..=u64::MAX)?;
    let permit = permit(&state.tools)?;
    let end = tokio::time::sleep(Duration::from_secs_f64(duration));
    let blocks = state.backend.capture(query).await?;
    // The permit lives as long as the stream does.
    let blocks = blocks.take_until(end).map(move |block| {
        let _ = &permit;
        Ok::<_, std::convert::Infallible>(block)
    });
    Ok(([(header::CONTENT_TYPE, "application/x-pcapng")], Body::from_stream(blocks)).into_response())
}

/// The items as they come, each in its wrapper, then the summary of all of them.
fn with_summary<T, L>(
    items: BoxStream<'static, T>,
    permit: OwnedSemaphorePermit,
    line: fn(T) -> L,
    summary: fn(&[T]) -> L,
) -> impl Stream<Item = L> + Send + 'static
where
    T: Clone + Send + Sync + 'static,
    L: Send + 'static,
{
    stream::unfold(Some((items, permit, Vec::new())), move |progress| async move {
        let (mut items, permit, mut seen) = progress?;
        match items.next().await {
            Some(item) => {
                seen.push(item.clone());
                Some((line(item), Some((items, permit, seen))))
            }
            None => Some((summary(&seen), None)),
        }
    })
}

/// One JSON document for each line.
fn lines<L: Serialize + Send + 'static>(documents: impl Stream<Item = L> + Send + 'static) -> Response {
    let lines = documents.map(|document| {
        let mut line = serde_json::to_vec(&document)?;
        line.push(b'\n');
        Ok::<_, serde_json::Error>(Bytes::from(line))
    });
    ([(header::CONTENT_TYPE, "application/x-ndjson")], Body::from_stream(lines)).into_response()
}

/// The stack sends to hosts only; what no host can have it does not take.
fn one_host(name: &str, address: Ipv4Addr) -> Result<(), ApiError> {
    if !address.is_unspecified() && !address.is_multicast() && address.octets()[0] < 240 {
        return Ok(());
    }
    Err(ApiError::new(
        ProblemKind::BadRequest,
        format!("`{name}` is {address}, which is no host's address"),
        "name the address of one host",
    ))
}

fn within<T>(name: &str, value: T, range: RangeInclusive<T>) -> Result<(), ApiError>
where
    T: PartialOrd + std::fmt::Display,
{
    if range.contains(&value) {
        return Ok(());
    }
    Err(ApiError::new(
        ProblemKind::BadRequest,
        format!("`{name}` is {value}"),
        format!("it must be from {} to {}", range.start(), range.end()),
    ))
}

fn permit(tools: &Arc<Semaphore>) -> Result<OwnedSemaphorePermit, ApiError> {
    Arc::clone(tools).try_acquire_owned().map_err(|_| {
        ApiError::new(
            ProblemKind::Busy,
            "too many pings, traceroutes and captures are under way",
            "wait for one to end",
        )
    })
}

/// Seconds that a capture may take: a day.
const CAPTURE_LONGEST: f64 = 86_400.0;
