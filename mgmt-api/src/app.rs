//! The application: every resource at its path, behind the limits that hold for all.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::Request;
use axum::http::{HeaderValue, Method, Uri, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use serde_json::Value;
use tokio::sync::Semaphore;
use tower_http::trace::TraceLayer;

use crate::access::Access;
use crate::access::gate::{self, Gate};
use crate::backend::Backend;
use crate::error::{ApiError, ProblemKind};
use crate::guard;
use crate::metrics::Metrics;
use crate::openapi::ui as reference;
use crate::routes;
use crate::ui;

/// The application for one surface.
pub fn app<B: Backend>(backend: Arc<B>, access: Access) -> Router {
    let (described, document) = routes::api().finish(&backend.configuration_schema());
    let state = AppState {
        metrics: Arc::new(Metrics::new(Arc::clone(&backend))),
        tools: Arc::new(Semaphore::new(TOOLS_AT_ONCE)),
        streams: Arc::new(Semaphore::new(STREAMS_AT_ONCE)),
        openapi: Arc::new(OpenApi::new(document)),
        backend,
    };
    let app = described
        .merge(reference::routes())
        .merge(ui::routes())
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed);
    let loopback = matches!(access, Access::Loopback(_));
    let gate = Arc::new(Gate::new(access, Arc::clone(&state.backend)));
    let app = app.layer(middleware::from_fn_with_state(gate, gate::ask::<B>));
    let app = if loopback { app.layer(middleware::from_fn(guard::this_host_only)) } else { app };
    app.layer(middleware::from_fn(limits)).layer(TraceLayer::new_for_http()).with_state(state)
}

/// The description of the API (OpenAPI 3.1) that the surfaces of a node serve at `/openapi.json`. It depends on the node
/// by nothing but the schema of its configuration.
pub fn openapi<B: Backend>(configuration_schema: &Value) -> Value {
    routes::api::<B>().finish(configuration_schema).1
}

/// What every handler is given.
pub(crate) struct AppState<B> {
    /// The node.
    pub(crate) backend: Arc<B>,
    /// Its metrics.
    pub(crate) metrics: Arc<Metrics>,
    /// How many more pings, traceroutes and captures may start.
    pub(crate) tools: Arc<Semaphore>,
    /// How many more streams of events may be opened.
    pub(crate) streams: Arc<Semaphore>,
    /// The description of the API.
    pub(crate) openapi: Arc<OpenApi>,
}

/// The description of the API, ready to be sent.
pub(crate) struct OpenApi {
    /// The document.
    pub(crate) document: Value,
    /// The same as text.
    pub(crate) text: Bytes,
}

impl OpenApi {
    fn new(document: Value) -> Self {
        let text = Bytes::from(document.to_string());
        Self { document, text }
    }
}

impl<B> Clone for AppState<B> {
    fn clone(&self) -> Self {
        Self {
            backend: Arc::clone(&self.backend),
            metrics: Arc::clone(&self.metrics),
            tools: Arc::clone(&self.tools),
            streams: Arc::clone(&self.streams),
            openapi: Arc::clone(&self.openapi),
        }
    }
}

/// The time that a response may take to begin, and the headers that all responses carry.
async fn limits(request: Request, next: Next) -> Response {
    let mut response = match tokio::time::timeout(RESPONSE_TIMEOUT, with_whole_body(request, next)).await {
        Ok(response) => response,
        Err(_) => ApiError::new(
            ProblemKind::Timeout,
            format!("no response within {} s", RESPONSE_TIMEOUT.as_secs()),
            "see `isthmus status` for what holds the node up, then try again",
        )
        .into_response(),
    };
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// Reads the body before anything is decided. All bodies are small, and a connection that is closed over one that
/// nobody has read takes the refusal with it.
async fn with_whole_body(request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let limit = match parts.method {
        Method::PUT | Method::PATCH => CONFIGURATION_LIMIT,
        _ => BODY_LIMIT,
    };
    match to_bytes(body, limit).await {
        Ok(body) => next.run(Request::from_parts(parts, Body::from(body))).await,
        Err(_) => ApiError::new(
            ProblemKind::TooLarge,
            format!("the body is longer than {limit} octets, or broke off"),
            "no resource takes so much: look for what was sent by mistake",
        )
        .into_response(),
    }
}

async fn not_found(uri: Uri) -> ApiError {
    ApiError::new(ProblemKind::NotFound, format!("nothing is at {}", uri.path()), "GET / lists all resources")
}

async fn method_not_allowed(method: Method, uri: Uri) -> ApiError {
    ApiError::new(
        ProblemKind::MethodNotAllowed,
        format!("{} has no method {method}", uri.path()),
        "GET / lists all resources with their methods",
    )
}

/// Octets of the longest body that a request may have.
const BODY_LIMIT: usize = 64 * 1024;
/// The same where the body is configuration: as much as the file may have.
const CONFIGURATION_LIMIT: usize = 256 * 1024;
/// Longest time until a response begins. Streams may then take as long as they need.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(15);
/// Pings, traceroutes and captures that run at the same time.
const TOOLS_AT_ONCE: usize = 16;
/// Streams of events that are open at the same time.
const STREAMS_AT_ONCE: usize = 32;
