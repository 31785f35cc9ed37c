//! `/shm` and `/steering`.

use axum::Json;
use axum::extract::State;

use crate::app::AppState;
use crate::backend::Backend;
use crate::error::{ApiError, ProblemKind};
use crate::model::{Shm, ShmNodes, ShmRings, Steering};

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
