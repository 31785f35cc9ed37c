//! `/events`: what happens, as server-sent events.
//!
//! The id of an event is its sequence number and the life of the node in which it happened, so that a client that
//! comes back after the node was started anew is told so, rather than being given the wrong half of a new log.

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::sse::{self, KeepAlive, Sse};
use futures_util::stream::{self, Stream, StreamExt};
use schemars::JsonSchema;

use crate::app::AppState;
use crate::backend::Backend;
use crate::error::{ApiError, ProblemKind};
use crate::extract::ApiQuery;
use crate::model::{DateTime, Event, EventType, Events};
use crate::openapi::{Api, SchemaSource, get};

/// Adds the resource.
pub(super) fn add<B: Backend>(api: Api<AppState<B>>) -> Api<AppState<B>> {
    api.at(
        "/events",
        get(stream, "What happens, as server-sent events.")
            .query::<StreamParameters>()
            .answers_with(
                StatusCode::OK,
                "A stream without end: `id`, `event` and `data` (an `Event` in JSON) of each.",
                "text/event-stream",
                SchemaSource::Text,
            )
            .refuses(&[ProblemKind::Busy]),
    )
}

/// The query, as its reader below takes it.
#[derive(JsonSchema)]
#[schemars(rename_all = "kebab-case")]
#[allow(dead_code, reason = "describes; the reader takes a repeated parameter, which serde does not")]
struct StreamParameters {
    /// The id of the event after which to begin; 0 for everything that is remembered. Default: only what is new.
    after: Option<String>,
    /// Only these types; may be repeated.
    #[schemars(rename = "type")]
    event_type: Option<Vec<String>>,
}

pub(crate) async fn stream<B: Backend>(
    State(state): State<AppState<B>>,
    headers: HeaderMap,
    ApiQuery(query): ApiQuery<Vec<(String, String)>>,
) -> Result<Sse<impl Stream<Item = Result<sse::Event, Infallible>>>, ApiError> {
    let life = Life::of(state.backend.system().started);
    let StreamQuery { after, types } = StreamQuery::read(&query, &headers, life)?;
    let permit = state.streams.try_acquire_owned().map_err(|_| {
        ApiError::new(
            ProblemKind::Busy,
            "as many streams of events are open as this surface has",
            "close one, or poll /api/v1/events/recent",
        )
    })?;
    let wanted = move |event: &Event| {
        types.is_empty()
            || event.event_type == EventType::Gap.name()
            || types.iter().any(|wanted| wanted.name() == event.event_type)
    };
    let after = after.unwrap_or_else(|| last_sequence(&state.backend.events()));
    let events =
        state.backend.event_stream(Some(after)).filter(move |event| std::future::ready(wanted(event)));
    let messages = events.map(move |event| {
        // The permit lives as long as the stream does.
        let _ = &permit;
        Ok(life.message(&event))
    });
    // An id without data: a stream that breaks before its first event goes on where it began.
    let beginning = sse::Event::default().id(life.id(after.min(last_sequence(&state.backend.events()))));
    Ok(Sse::new(stream::once(std::future::ready(Ok(beginning))).chain(messages))
        .keep_alive(KeepAlive::new().interval(KEEP_ALIVE)))
}

fn last_sequence(events: &Events) -> u64 {
    events.event.last().map_or(events.forgotten, |event| event.sequence)
}

/// Where to begin, and what to leave out.
struct StreamQuery {
    after: Option<u64>,
    types: Vec<EventType>,
}

impl StreamQuery {
    /// What the client has seen last counts more than where it once began: a browser repeats the query with the
    /// header added.
    fn read(query: &[(String, String)], headers: &HeaderMap, life: Life) -> Result<Self, ApiError> {
        let mut read = Self { after: None, types: Vec::new() };
        for (name, value) in query {
            match name.as_str() {
                "after" => read.after = Some(life.position(value)?),
                "type" => {
                    read.types.push(value.parse().map_err(|error: crate::model::UnknownEventType| {
                        ApiError::new(
                            ProblemKind::BadRequest,
                            error.to_string(),
                            "docs/reference/events.md lists the types",
                        )
                    })?)
                }
                _ => {
                    return Err(ApiError::new(
                        ProblemKind::BadRequest,
                        "the only parameters are `after` and `type`",
                        "leave the others out",
                    ));
                }
            }
        }
        if let Some(last) = headers.get(LAST_EVENT_ID) {
            read.after = Some(life.position(last.to_str().unwrap_or_default())?);
        }
        Ok(read)
    }
}

/// A life of the node, from one start to the next: when it began, in milliseconds.
#[derive(Clone, Copy)]
struct Life(u64);

impl Life {
    fn of(started: DateTime) -> Self {
        Self(started.0 / 1000)
    }

    fn id(self, sequence: u64) -> String {
        format!("{sequence}.{}", self.0)
    }

    fn message(self, event: &Event) -> sse::Event {
        let message = sse::Event::default().id(self.id(event.sequence)).event(&event.event_type);
        // An event is text and numbers: it always has a form in JSON.
        message.json_data(event).unwrap_or_default()
    }

    /// The sequence number in an id, with or without the life; beyond all numbers if that was another one.
    fn position(self, id: &str) -> Result<u64, ApiError> {
        let (sequence, life) = id.split_once('.').map_or((id, None), |(id, life)| (id, Some(life)));
        let sequence = sequence.parse::<u64>();
        let life = life.map(str::parse::<u64>).transpose();
        match (sequence, life) {
            (Ok(_), Ok(Some(life))) if life != self.0 => Ok(u64::MAX),
            (Ok(sequence), Ok(_)) => Ok(sequence),
            _ => Err(ApiError::new(
                ProblemKind::BadRequest,
                "the event after which to begin is not an id of an event, nor a sequence number",
                "give the id as it came, or 0 for everything that is remembered, or leave it out",
            )),
        }
    }
}

/// The header in which a client that reconnects names the last event that it has seen (WHATWG HTML, section 9.2.4).
const LAST_EVENT_ID: &str = "last-event-id";
/// A comment is sent after so long without an event, so that neither side takes the other for dead.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
