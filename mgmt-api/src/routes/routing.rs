//! `/routing`.

use std::net::Ipv4Addr;

use axum::Json;
use axum::extract::State;
use serde::Deserialize;

use crate::app::AppState;
use crate::backend::Backend;
use crate::error::{ApiError, ProblemKind};
use crate::extract::{ApiPath, ApiQuery, flag};
use crate::model::{Fib, FibLookup, Routes};

/// The name of the only table, after RFC 8349 appendix D.
pub(crate) const DEFAULT_RIB: &str = "ipv4-default";

pub(crate) async fn routes<B: Backend>(
    State(state): State<AppState<B>>,
    ApiPath(name): ApiPath<String>,
) -> Result<Json<Routes>, ApiError> {
    if name != DEFAULT_RIB {
        return Err(ApiError::new(
            ProblemKind::NotFound,
            format!("there is no routing table `{name}`"),
            format!("the only one is {DEFAULT_RIB}"),
        ));
    }
    Ok(Json(state.backend.routes()))
}

pub(crate) async fn fib<B: Backend>(State(state): State<AppState<B>>) -> Json<Fib> {
    Json(state.backend.fib())
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct LookupQuery {
    dst: Ipv4Addr,
    #[serde(default, deserialize_with = "flag")]
    explain: bool,
}

pub(crate) async fn lookup<B: Backend>(
    State(state): State<AppState<B>>,
    ApiQuery(query): ApiQuery<LookupQuery>,
) -> Json<FibLookup> {
    Json(state.backend.fib_lookup(query.dst, query.explain))
}
