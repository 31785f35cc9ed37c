//! `/shm` and `/steering`.

use axum::Json;
use axum::extract::State;

use crate::app::AppState;
use crate::backend::Backend;
use crate::error::{ApiError, ProblemKind};
use crate::model::{Shm, ShmNodes, ShmRings, Steering};
use crate::openapi::{Api, get};

/// Adds the resources.
pub(super) fn add<B: Backend>(api: Api<AppState<B>>) -> Api<AppState<B>> {
    let absent = &[ProblemKind::Unavailable];
    api.tag("shared-memory", "The memory that the nodes share, and the common address.")
        .at(
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
            "/steering",
            get(steering, "Who serves the common address.")
                .answers::<Steering>("The epoch in force.")
                .refuses(absent),
        )
}

pub(crate) async fn shm<B: Backend>(State(state): State<AppState<B>>) -> Result<Json<Shm>, ApiError> {
    state.backend.shm().map(Json).ok_or_else(no_fabric)
}

pub(crate) async fn nodes<B: Backend>(State(state): State<AppState<B>>) -> Result<Json<ShmNodes>, ApiError> {
    let shm = state.backend.shm().ok_or_else(no_fabric)?;
    Ok(Json(ShmNodes { active: shm.active, node: shm.node }))
}

pub(crate) async fn rings<B: Backend>(State(state): State<AppState<B>>) -> Result<Json<ShmRings>, ApiError> {
    state.backend.shm_rings().map(Json).ok_or_else(no_fabric)
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
