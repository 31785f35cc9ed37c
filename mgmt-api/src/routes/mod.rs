//! The resources: handlers, and beside them what they are to the [`Api`].

mod config;
mod events;
mod index;
mod interfaces;
mod observe;
mod ospf;
mod routing;
mod shm;
mod system;
mod tools;
mod write;

use axum::http::StatusCode;

use crate::app::AppState;
use crate::backend::Backend;
use crate::openapi::{Api, SchemaSource, get, ui};

/// Everything that is served.
pub(crate) fn api<B: Backend>() -> Api<AppState<B>> {
    let api = probes(Api::new()).below("/api/v1");
    let api = config::add(system::add(api));
    let api = interfaces::add(api);
    let api = routing::add(api);
    let api = ospf::add(api);
    let api = shm::add(api);
    let api = events::add(observe::add(api));
    tools::add(api)
}

/// What is outside of `/api/v1`, where probes and scrapers look.
fn probes<B: Backend>(api: Api<AppState<B>>) -> Api<AppState<B>> {
    let text = SchemaSource::Text;
    api.tag("probes", "For probes, scrapers and browsers.")
        .at(
            "/",
            get(
                index::index,
                "All resources with their methods; to a browser the web page, whose files are below `/ui`.",
            )
            .answers::<index::Index>("The list.")
            .answers_with(StatusCode::OK, "The page.", "text/html", text),
        )
        .at(
            "/healthz",
            get(system::healthz, "Whether the node does its work, as text.")
                .answers_with(StatusCode::OK, "It does.", "text/plain", text)
                .answers_with(StatusCode::SERVICE_UNAVAILABLE, "What has failed.", "text/plain", text),
        )
        .at(
            "/readyz",
            get(system::readyz, "Whether the node has its adjacencies and routes, as text.")
                .answers_with(StatusCode::OK, "It has.", "text/plain", text)
                .answers_with(StatusCode::SERVICE_UNAVAILABLE, "What is waited for.", "text/plain", text),
        )
        .at(
            "/metrics",
            get(observe::metrics, "Metrics in the text format of Prometheus.").answers_with(
                StatusCode::OK,
                "The values now.",
                "text/plain",
                text,
            ),
        )
        .at(
            ui::DOCUMENT,
            get(index::document, "This description of the API.").answers_with(
                StatusCode::OK,
                "An OpenAPI document.",
                "application/json",
                SchemaSource::Any,
            ),
        )
}
