//! `/interfaces` and `/neighbors`.

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use serde_json::json;

use crate::app::AppState;
use crate::backend::Backend;
use crate::configure::part::InterfacePart;
use crate::error::{ApiError, ProblemKind};
use crate::extract::{ApiPath, ApiQuery};
use crate::model::{Interface, InterfaceStatistics, Interfaces, Neighbors};
use crate::openapi::{Api, SchemaSource, delete, get, patch, put};

use super::write::{self, ContentQuery};

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
                .answers::<Interface>("The interface, or its configuration.")
                .or_configured(INTERFACE),
        )
        .at(
            "/interfaces/{name}",
            put(write::replace::<B, InterfacePart>, "Creates a NIC, or replaces its configuration.")
                .says(NETWORKS)
                .replaces(
                    INTERFACE_PUT,
                    json!({ "driver": "packet", "address": "192.0.2.1/30", "enabled": true }),
                )
                .creates(),
        )
        .at(
            "/interfaces/{name}",
            patch(write::patch::<B, InterfacePart>, "Changes the configuration of an interface.")
                .says(NETWORKS)
                .patches(INTERFACE_PATCH, json!({ "enabled": true })),
        )
        .at(
            "/interfaces/{name}",
            delete(write::remove::<B, InterfacePart>, "Removes a NIC from the router.").changes(),
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
    ApiQuery(query): ApiQuery<ContentQuery>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let part = InterfacePart { name };
    query.answer(&*state.backend, &headers, &part, || find(&*state.backend, &part.name).map(Json))
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

/// What stands in `interfaces` of the configuration, and what in `fabric`.
const NETWORKS: &str = "A NIC's configuration is its element of `interfaces`. That of `lsm0` and `gsm0`, the networks \
                        over the memory, is `fabric.lsm` and `fabric.gsm`: these are there with the node.";
const INTERFACE: SchemaSource =
    SchemaSource::AnyConfiguration(&["InterfaceConfiguration", "NetworkConfiguration"]);
const INTERFACE_PUT: SchemaSource =
    SchemaSource::AnyConfiguration(&["InterfaceConfigurationPut", "NetworkConfiguration"]);
const INTERFACE_PATCH: SchemaSource =
    SchemaSource::AnyConfiguration(&["InterfaceConfigurationPatch", "NetworkConfigurationPatch"]);
