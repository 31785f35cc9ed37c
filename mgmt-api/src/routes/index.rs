//! `/` and `/openapi.json`: what there is.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::Serialize;

use crate::app::AppState;
use crate::backend::Backend;
use crate::openapi::{Resource, resources};
use crate::ui;

/// `/`.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Index")]
pub(crate) struct Index {
    /// The program.
    name: &'static str,
    /// Its version.
    version: &'static str,
    /// Everything that is served.
    resource: Vec<Resource>,
}

pub(crate) async fn index<B: Backend>(State(state): State<AppState<B>>, headers: HeaderMap) -> Response {
    if ui::is_wanted(&headers) {
        return ui::page();
    }
    let resource = resources(&state.openapi.document);
    Json(Index { name: "isthmus", version: env!("CARGO_PKG_VERSION"), resource }).into_response()
}

pub(crate) async fn document<B: Backend>(State(state): State<AppState<B>>) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], state.openapi.text.clone()).into_response()
}
