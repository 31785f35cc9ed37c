//! `/interfaces` and `/neighbors`.

use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};

use crate::app::AppState;
use crate::backend::Backend;
use crate::error::{ApiError, ProblemKind};
use crate::extract::{ApiJson, ApiPath};
use crate::model::{Interface, InterfacePatch, InterfaceStatistics, Interfaces, Neighbors};
use crate::openapi::{Api, SchemaSource, get, patch};

/// Adds the resources.
pub(super) fn add<B: Backend>(api: Api<AppState<B>>) -> Api<AppState<B>> {
    api.tag("interfaces", "Interfaces, their addresses and neighbors (RFC 8343, RFC 8344).")
        .at(
            "/interfaces",
            get(list, "All interfaces with their counters.").answers::<Interfaces>("The list."),
        )
        .at(
            "/interfaces/{name}",
            get(one, "An interface.")
                .answers::<Interface>("The interface.")
                .refuses(&[ProblemKind::NotFound]),
        )
        .at(
            "/interfaces/{name}",
            patch(set, "Sets the administrative state of an interface until the next start.")
                .body(&["application/json"], SchemaSource::of::<InterfacePatch>(), json!({ "enabled": true }))
                .answers::<Interface>("The interface as it is then.")
                .refuses(&[ProblemKind::NotFound, ProblemKind::NotChangeable, ProblemKind::Conflict]),
        )
        .at(
            "/interfaces/{name}/statistics",
            get(statistics, "The counters of an interface.")
                .answers::<InterfaceStatistics>("The counters.")
                .refuses(&[ProblemKind::NotFound]),
        )
        .at(
            "/interfaces/{name}/neighbors",
            get(neighbors, "The stations known on an interface.")
                .answers::<Neighbors>("The list.")
                .refuses(&[ProblemKind::NotFound]),
        )
        .at(
            "/neighbors",
            get(all_neighbors, "The stations known on all interfaces.").answers::<Neighbors>("The list."),
        )
}

pub(crate) async fn list<B: Backend>(State(state): State<AppState<B>>) -> Json<Interfaces> {
    Json(state.backend.interfaces())
}

pub(crate) async fn one<B: Backend>(
    State(state): State<AppState<B>>,
    ApiPath(name): ApiPath<String>,
) -> Result<Json<Interface>, ApiError> {
    find(&*state.backend, &name).map(Json)
}

pub(crate) async fn statistics<B: Backend>(
    State(state): State<AppState<B>>,
    ApiPath(name): ApiPath<String>,
) -> Result<Json<InterfaceStatistics>, ApiError> {
    find(&*state.backend, &name).map(|interface| Json(interface.statistics))
}

pub(crate) async fn neighbors<B: Backend>(
    State(state): State<AppState<B>>,
    ApiPath(name): ApiPath<String>,
) -> Result<Json<Neighbors>, ApiError> {
    state.backend.neighbors(&name).map(Json).ok_or_else(|| unknown(&*state.backend, &name))
}

pub(crate) async fn all_neighbors<B: Backend>(State(state): State<AppState<B>>) -> Json<Neighbors> {
    let interfaces = state.backend.interfaces().interface;
    let tables = interfaces.iter().filter_map(|interface| state.backend.neighbors(&interface.name));
    Json(Neighbors { neighbor: tables.flat_map(|table| table.neighbor).collect() })
}

/// Administrative state, and nothing else: everything that outlives the process is configuration.
pub(crate) async fn set<B: Backend>(
    State(state): State<AppState<B>>,
    ApiPath(name): ApiPath<String>,
    ApiJson(body): ApiJson<Value>,
) -> Result<Json<Interface>, ApiError> {
    find(&*state.backend, &name)?;
    let patch = parse_patch(body)?;
    state.backend.set_interface_enabled(&name, patch.enabled).await.map(Json)
}

fn parse_patch(body: Value) -> Result<InterfacePatch, ApiError> {
    let refuse = |kind, detail: String| {
        ApiError::new(
            kind,
            detail,
            "send {\"enabled\": true} or {\"enabled\": false}; everything else is set in the configuration file and \
             read at the next start",
        )
    };
    let Value::Object(members) = &body else {
        return Err(refuse(ProblemKind::BadRequest, "the body is not an object".to_owned()));
    };
    if let Some(other) = members.keys().find(|member| *member != "enabled") {
        return Err(refuse(ProblemKind::NotChangeable, format!("`{other}` cannot be changed at run time")));
    }
    serde_json::from_value(body).map_err(|error| refuse(ProblemKind::BadRequest, error.to_string()))
}

fn find<B: Backend>(backend: &B, name: &str) -> Result<Interface, ApiError> {
    let mut interfaces = backend.interfaces().interface.into_iter();
    interfaces.find(|interface| interface.name == name).ok_or_else(|| unknown(backend, name))
}

fn unknown<B: Backend>(backend: &B, name: &str) -> ApiError {
    let names: Vec<String> =
        backend.interfaces().interface.into_iter().map(|interface| interface.name).collect();
    ApiError::new(
        ProblemKind::NotFound,
        format!("there is no interface `{name}`"),
        format!("the interfaces are: {}", names.join(", ")),
    )
}
