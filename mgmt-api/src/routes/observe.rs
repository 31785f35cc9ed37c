//! Counters, events and metrics.

use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::app::AppState;
use crate::backend::Backend;
use crate::error::{ApiError, ProblemKind};
use crate::extract::ApiQuery;
use crate::model::{Counters, Drops, Event, Events};
use crate::openapi::{Api, get};

/// Adds the resources.
pub(super) fn add<B: Backend>(api: Api<AppState<B>>) -> Api<AppState<B>> {
    api.tag("observation", "Counters and events.")
        .at("/counters", get(counters, "Counters of the node.").answers::<Counters>("The list."))
        .at(
            "/counters/drops",
            get(drops, "Dropped packets by interface and reason.").answers::<Drops>("The list."),
        )
        .at(
            "/events/recent",
            get(events, "What happened lately.")
                .query::<EventsQuery>()
                .answers::<Events>("The oldest first."),
        )
}

pub(crate) async fn counters<B: Backend>(State(state): State<AppState<B>>) -> Json<Counters> {
    Json(state.backend.counters())
}

pub(crate) async fn drops<B: Backend>(State(state): State<AppState<B>>) -> Json<Drops> {
    Json(state.backend.drops())
}

/// Which events are asked for.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct EventsQuery {
    /// The last so many of them.
    limit: Option<usize>,
    /// Only those of this type.
    #[serde(rename = "type")]
    event_type: Option<String>,
}

/// The last `limit` of the events of the type asked for, still with the oldest first.
pub(crate) async fn events<B: Backend>(
    State(state): State<AppState<B>>,
    ApiQuery(query): ApiQuery<EventsQuery>,
) -> Json<Events> {
    let wanted = |event: &Event| query.event_type.as_ref().is_none_or(|wanted| event.event_type == *wanted);
    Json(newest(state.backend.events(), query.limit, wanted))
}

/// The newest `limit` events of those wanted, still with the oldest first.
pub(super) fn newest(mut events: Events, limit: Option<usize>, wanted: impl Fn(&Event) -> bool) -> Events {
    events.event.retain(wanted);
    let surplus = events.event.len().saturating_sub(limit.unwrap_or(usize::MAX));
    events.event.drain(..surplus);
    events
}

pub(crate) async fn metrics<B: Backend>(State(state): State<AppState<B>>) -> Result<Response, ApiError> {
    let text = state.metrics.exposition().map_err(|error| {
        ApiError::new(
            ProblemKind::Internal,
            format!("the metrics cannot be written: {error}"),
            "report this with the output of `isthmus version`",
        )
    })?;
    Ok(([(header::CONTENT_TYPE, prometheus::TEXT_FORMAT)], text).into_response())
}
