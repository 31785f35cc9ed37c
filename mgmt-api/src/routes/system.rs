//! `/system` and the probes.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;

use crate::app::AppState;
use crate::backend::Backend;
use crate::model::{CheckStatus, Health, Readiness, System};
use crate::openapi::{Api, SchemaSource, get};

/// Adds the resources.
pub(super) fn add<B: Backend>(api: Api<AppState<B>>) -> Api<AppState<B>> {
    let health_schema = SchemaSource::of::<Health>();
    let readiness_schema = SchemaSource::of::<Readiness>();
    api.tag("system", "The node itself.")
        .at(
            "/system",
            get(system, "The node, its role and why, its addresses, its checks.")
                .answers::<System>("The node."),
        )
        .at(
            "/system/health",
            get(health, "The checks of the node.").answers::<Health>("None has failed.").answers_with(
                StatusCode::SERVICE_UNAVAILABLE,
                "One has failed.",
                "application/json",
                health_schema,
            ),
        )
        .at(
            "/system/ready",
            get(ready, "Whether the node has joined, formed its adjacencies and published its routes.")
                .answers::<Readiness>("It has.")
                .answers_with(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "Something is waited for.",
                    "application/json",
                    readiness_schema,
                ),
        )
}

pub(crate) async fn system<B: Backend>(State(state): State<AppState<B>>) -> Json<System> {
    Json(state.backend.system())
}

pub(crate) async fn health<B: Backend>(State(state): State<AppState<B>>) -> (StatusCode, Json<Health>) {
    let health = Health::of(state.backend.system().check);
    (health_status(&health), Json(health))
}

pub(crate) async fn ready<B: Backend>(State(state): State<AppState<B>>) -> (StatusCode, Json<Readiness>) {
    let readiness = state.backend.readiness();
    (ready_status(&readiness), Json(readiness))
}

pub(crate) async fn healthz<B: Backend>(State(state): State<AppState<B>>) -> (StatusCode, String) {
    let health = Health::of(state.backend.system().check);
    let failed = health.check.iter().filter(|check| check.status == CheckStatus::Failed);
    let lines: Vec<String> = failed.map(|check| format!("{}: {}\n", check.name, check.detail)).collect();
    (health_status(&health), if lines.is_empty() { "ok\n".to_owned() } else { lines.concat() })
}

pub(crate) async fn readyz<B: Backend>(State(state): State<AppState<B>>) -> (StatusCode, String) {
    let readiness = state.backend.readiness();
    let lines: Vec<String> =
        readiness.waiting_for.iter().map(|what| format!("waiting for {what}\n")).collect();
    (ready_status(&readiness), if readiness.ready { "ok\n".to_owned() } else { lines.concat() })
}

fn health_status(health: &Health) -> StatusCode {
    if health.status == CheckStatus::Failed { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK }
}

fn ready_status(readiness: &Readiness) -> StatusCode {
    if readiness.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }
}
