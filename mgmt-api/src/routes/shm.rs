//! `/shm` and `/steering`.

use axum::Json;
use axum::extract::State;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use crate::app::AppState;
use crate::backend::Backend;
use crate::configure::part::{CommonAddressPart, CommonAddresses, FabricPart};
use crate::error::{ApiError, ProblemKind};
use crate::extract::ApiQuery;
use crate::model::{Events, Shm, ShmNodes, ShmRings, Steering};
use crate::openapi::{Api, SchemaSource, delete, get, patch, put};

use super::observe::newest;
use super::write;

/// Adds the resources.
pub(super) fn add<B: Backend>(api: Api<AppState<B>>) -> Api<AppState<B>> {
    let absent = &[ProblemKind::Unavailable];
    let api =
        add_fabric(api.tag("shared-memory", "The memory that the nodes share, and the common address."));
    api.at(
        "/shm",
        get(shm, "The shared memory: arenas, nodes, links, the active table.")
            .answers::<Shm>("As this node sees it.")
            .refuses(absent),
    )
    .at(
        "/shm/nodes",
        get(nodes, "The nodes of the shared memory.").answers::<ShmNodes>("The list.").refuses(absent),
    )
    .at(
        "/shm/rings",
        get(rings, "The rings with both pointers, and the broadcast and multicast rings.")
            .answers::<ShmRings>("The list.")
            .refuses(absent),
    )
    .at(
        "/shm/events",
        get(events, "What happened in the shared memory lately.")
            .query::<ShmEventsQuery>()
            .answers::<Events>("The oldest first."),
    )
    .at(
        "/steering",
        get(steering, "Who serves the common address.")
            .answers::<Steering>("The epoch in force.")
            .refuses(absent),
    )
}

fn add_fabric<B: Backend>(api: Api<AppState<B>>) -> Api<AppState<B>> {
    let list = SchemaSource::Configuration("CommonAddresses");
    let addresses = json!({ "common-address": ["10.77.2.1"] });
    api.at(
        "/fabric",
        get(write::read::<B, FabricPart>, "The node's part in the shared memory, as it is configured.")
            .answers_configured(SchemaSource::Configuration("FabricConfiguration"))
            .refuses(&[ProblemKind::NotFound]),
    )
    .at(
        "/fabric",
        patch(write::patch::<B, FabricPart>, "Changes the node's part in the shared memory.")
            .patches(SchemaSource::Configuration("FabricConfigurationPatch"), json!({ "weight": 50 })),
    )
    .at(
        "/fabric/common-addresses",
        get(write::read::<B, CommonAddresses>, "The addresses to which all nodes answer.")
            .answers_configured(list)
            .refuses(&[ProblemKind::NotFound]),
    )
    .at(
        "/fabric/common-addresses",
        put(write::replace::<B, CommonAddresses>, "Replaces the addresses to which all nodes answer.")
            .replaces(list, addresses),
    )
    .at(
        "/fabric/common-addresses/{address}",
        put(write::create::<B, CommonAddressPart>, "Makes all nodes answer to an address. Without a body.")
            .changes()
            .creates(),
    )
    .at(
        "/fabric/common-addresses/{address}",
        delete(write::remove::<B, CommonAddressPart>, "Takes an address from the common ones.").changes(),
    )
}

pub(crate) async fn shm<B: Backend>(State(state): State<AppState<B>>) -> Result<Json<Shm>, ApiError> {
    state.backend.shm().map(Json).ok_or_else(no_fabric)
}

pub(crate) async fn nodes<B: Backend>(State(state): State<AppState<B>>) -> Result<Json<ShmNodes>, ApiError> {
    let shm = state.backend.shm().ok_or_else(no_fabric)?;
    let Shm { segment, facility, active, node, .. } = shm;
    Ok(Json(ShmNodes { segment, facility, active, node }))
}

pub(crate) async fn rings<B: Backend>(State(state): State<AppState<B>>) -> Result<Json<ShmRings>, ApiError> {
    state.backend.shm_rings().map(Json).ok_or_else(no_fabric)
}

/// How many are asked for.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct ShmEventsQuery {
    /// The last so many of them.
    limit: Option<usize>,
}

pub(crate) async fn events<B: Backend>(
    State(state): State<AppState<B>>,
    ApiQuery(query): ApiQuery<ShmEventsQuery>,
) -> Json<Events> {
    Json(newest(state.backend.events(), query.limit, |event| event.event_type.starts_with("shm-")))
}

pub(crate) async fn steering<B: Backend>(
    State(state): State<AppState<B>>,
) -> Result<Json<Steering>, ApiError> {
    state.backend.steering().map(Json).ok_or_else(no_fabric)
}

fn no_fabric() -> ApiError {
    ApiError::new(
        ProblemKind::Unavailable,
        "this node has no part in a shared memory",
        "set `fabric` in its configuration to give it one",
    )
}
