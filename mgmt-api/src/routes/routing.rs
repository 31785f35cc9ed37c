//! `/routing`.

use std::net::Ipv4Addr;

use axum::Json;
use axum::extract::State;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use crate::app::AppState;
use crate::backend::Backend;
use crate::configure::part::{AllStaticRoutes, StaticRoutesPart};
use crate::error::{ApiError, ProblemKind};
use crate::extract::{ApiPath, ApiQuery, Flag, flag};
use crate::model::{Fib, FibLookup, Routes};
use crate::openapi::{Api, SchemaSource, delete, get, put};

use super::write;

fn add_static_routes<B: Backend>(api: Api<AppState<B>>) -> Api<AppState<B>> {
    let list = SchemaSource::Configuration("StaticRoutes");
    let some = SchemaSource::Configuration("StaticRoutesPut");
    let route = json!({ "next-hop": "blackhole", "distance": 250 });
    let whole = json!({ "destination-prefix": "203.0.113.0/24", "next-hop": "blackhole" });
    api.at(
        "/routing/static-routes",
        get(write::read::<B, AllStaticRoutes>, "The routes by hand.").answers_configured(list),
    )
    .at(
        "/routing/static-routes",
        put(write::replace::<B, AllStaticRoutes>, "Replaces the routes by hand.")
            .replaces(list, json!({ "static-route": [whole] })),
    )
    .at(
        "/routing/static-routes/{prefix}",
        get(write::read::<B, StaticRoutesPart>, "The routes by hand to a prefix.")
            .answers_configured(list)
            .refuses(&[ProblemKind::NotFound]),
    )
    .at(
        "/routing/static-routes/{prefix}",
        put(
            write::replace::<B, StaticRoutesPart>,
            "Sets the routes by hand to a prefix: one for each next hop.",
        )
        .replaces(some, json!({ "static-route": [route] }))
        .creates(),
    )
    .at(
        "/routing/static-routes/{prefix}",
        delete(write::remove::<B, StaticRoutesPart>, "Removes the routes by hand to a prefix.").changes(),
    )
}

/// The name of the only table, after RFC 8349 appendix D.
pub(crate) const DEFAULT_RIB: &str = "ipv4-default";

/// Adds the resources.
pub(super) fn add<B: Backend>(api: Api<AppState<B>>) -> Api<AppState<B>> {
    let api = add_static_routes(api.tag("routing", "Routes and forwarding (RFC 8349)."));
    api.at(
        "/routing/ribs/{rib}/routes",
        get(routes, "All routes of all sources; those in use are active.")
            .answers::<Routes>("The list.")
            .refuses(&[ProblemKind::NotFound]),
    )
    .at("/routing/fib", get(fib, "The forwarding table.").answers::<Fib>("The table."))
    .at(
        "/routing/fib/lookup",
        get(lookup, "What becomes of a packet, with `explain` step by step.")
            .query::<LookupQuery>()
            .answers::<FibLookup>("The verdict and what led to it."),
    )
}

pub(crate) async fn routes<B: Backend>(
    State(state): State<AppState<B>>,
    ApiPath(rib): ApiPath<String>,
) -> Result<Json<Routes>, ApiError> {
    if rib != DEFAULT_RIB {
        return Err(ApiError::new(
            ProblemKind::NotFound,
            format!("there is no routing table `{rib}`"),
            format!("the only one is {DEFAULT_RIB}"),
        ));
    }
    Ok(Json(state.backend.routes()))
}

pub(crate) async fn fib<B: Backend>(State(state): State<AppState<B>>) -> Json<Fib> {
    Json(state.backend.fib())
}

/// What `/routing/fib/lookup` is asked.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct LookupQuery {
    /// The packet's destination.
    #[schemars(example = &"192.0.2.1")]
    dst: Ipv4Addr,
    /// Whether to say each step.
    #[serde(default, deserialize_with = "flag")]
    #[schemars(with = "Flag")]
    explain: bool,
}

pub(crate) async fn lookup<B: Backend>(
    State(state): State<AppState<B>>,
    ApiQuery(query): ApiQuery<LookupQuery>,
) -> Json<FibLookup> {
    Json(state.backend.fib_lookup(query.dst, query.explain))
}
