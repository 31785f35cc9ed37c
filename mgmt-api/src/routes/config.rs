//! `/config`: the whole document, its schema, its history.

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::app::AppState;
use crate::backend::Backend;
use crate::configure::conditions::{IfMatch, etag, is_known};
use crate::configure::part::Whole;
use crate::configure::transaction::WriteQuery;
use crate::error::{ApiError, ProblemKind};
use crate::extract::{ApiPath, ApiQuery, Author, Flag, flag};
use crate::model::{
    Configuration, ConfigurationHistory, ConfigurationOutcome, ConfigurationSource, DateTime,
    HistoricConfiguration,
};
use crate::openapi::{Api, SchemaSource, get, patch, post, put};

use super::write::{self, done};

/// Adds the resources.
pub(super) fn add<B: Backend>(api: Api<AppState<B>>) -> Api<AppState<B>> {
    let document = SchemaSource::Configuration("ConfigurationDocument");
    let api = api
        .tag(
            "configuration",
            "What the node is told to be: as a whole here, in parts with the resources concerned.",
        )
        .at(
            "/config",
            get(whole::<B>, "The running configuration, in the vocabulary of the file; secrets are masked.")
                .query::<DefaultsQuery>()
                .answers_configured(document),
        )
        .at(
            "/config",
            put(replace::<B>, "Replaces the whole configuration.")
                .says("A document in JSON, or the text of a file in YAML, which is kept with its comments.")
                .body(&["application/json", "application/yaml"], document, json!({ "hostname": "edge-1" }))
                .changes_if_matched(),
        )
        .at(
            "/config",
            patch(write::patch::<B, Whole>, "Merges a patch into the whole configuration.").patches(
                SchemaSource::Configuration("ConfigurationDocumentPatch"),
                json!({ "hostname": "edge-1" }),
            ),
        )
        .at(
            "/config/schema",
            get(schema::<B>, "The JSON schema of the configuration.").answers_with(
                StatusCode::OK,
                "A JSON schema.",
                "application/schema+json",
                SchemaSource::Any,
            ),
        )
        .at(
            "/config/status",
            get(
                status::<B>,
                "Which revision runs, whether it is saved, and until when it must be confirmed.",
            )
            .answers::<ConfigurationStatus>("As it is now.")
            .etag(),
        );
    add_history(api)
}

fn add_history<B: Backend>(api: Api<AppState<B>>) -> Api<AppState<B>> {
    api.at(
        "/config/confirm",
        post(confirm::<B>, "Keeps the configuration that waits to be confirmed.")
            .answers::<ConfigurationStatus>("It is kept.")
            .refuses(&[ProblemKind::Conflict])
            .etag(),
    )
    .at(
        "/config/history",
        get(history::<B>, "The configurations that were committed, the newest first.")
            .answers::<ConfigurationHistory>("The list."),
    )
    .at(
        "/config/history/{number}",
        get(historic::<B>, "A configuration of the history.")
            .answers::<HistoricConfiguration>("The configuration, with when, by whom and why.")
            .refuses(&[ProblemKind::NotFound]),
    )
    .at(
        "/config/rollback/{number}",
        post(rollback::<B>, "Applies a configuration of the history again.")
            .query::<RollbackQuery>()
            .answers::<ConfigurationOutcome>("What has changed, and what that led to.")
            .refuses(write::CHANGE_REFUSALS)
            .etag(),
    )
}

/// How the configuration is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum Defaults {
    /// As it was written.
    #[default]
    Explicit,
    /// With the defaults of its keys.
    ReportAll,
}

/// What `GET /config` is asked (RFC 8040 section 4.8.9).
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
#[derive(Default)]
struct DefaultsQuery {
    /// `explicit`: as it was written; `report-all`: with the defaults of its keys.
    with_defaults: Defaults,
}

/// `/config/status`.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
struct ConfigurationStatus {
    /// Names the configuration that runs: the `ETag` of everything that is read from it.
    revision: String,
    /// Whether the node would start with it: it is what the file says.
    saved: bool,
    /// Until when it must be confirmed, or else the one before is applied again.
    #[serde(skip_serializing_if = "Option::is_none")]
    confirm_deadline: Option<DateTime>,
}

impl ConfigurationStatus {
    fn answer(configuration: Configuration) -> Response {
        let tag = etag(&configuration.revision);
        let Configuration { revision, saved, confirm_deadline, document: _ } = configuration;
        ([(header::ETAG, tag)], Json(Self { revision, saved, confirm_deadline })).into_response()
    }
}

/// What a rollback takes.
#[derive(Deserialize, JsonSchema, Default)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
struct RollbackQuery {
    /// Only say what the rollback would do.
    #[serde(deserialize_with = "flag")]
    #[schemars(with = "Flag")]
    dry_run: bool,
}

async fn whole<B: Backend>(
    State(state): State<AppState<B>>,
    ApiQuery(query): ApiQuery<DefaultsQuery>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    if query.with_defaults == Defaults::Explicit {
        return write::configured(&*state.backend, &headers, &Whole {});
    }
    let revision = state.backend.configuration().revision;
    let tag = etag(&revision);
    if is_known(&headers, &revision)? {
        return Ok((StatusCode::NOT_MODIFIED, [(header::ETAG, tag)]).into_response());
    }
    Ok(([(header::ETAG, tag)], Json(state.backend.config())).into_response())
}

async fn replace<B: Backend>(
    State(state): State<AppState<B>>,
    ApiQuery(query): ApiQuery<WriteQuery>,
    Author(author): Author,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, ApiError> {
    let source = source(&headers, &body)?;
    let condition = IfMatch::of(&headers)?;
    condition.require()?;
    let revision = state.backend.configuration().revision;
    condition.check(&revision)?;
    let mut change = query.change(source, author)?;
    change.if_revision = matches!(condition, IfMatch::Revisions(_)).then_some(revision);
    let outcome = state.backend.configure(change).await?;
    Ok(done(StatusCode::OK, outcome))
}

/// The body by its media type.
fn source(headers: &HeaderMap, body: &Bytes) -> Result<ConfigurationSource, ApiError> {
    let media = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media = media.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match media.as_str() {
        "application/json" => {
            let document: Value = serde_json::from_slice(body).map_err(|error| {
                ApiError::new(
                    ProblemKind::BadRequest,
                    format!("the body is not JSON: {error}"),
                    "correct it, or send YAML as application/yaml",
                )
            })?;
            Ok(ConfigurationSource::Document(document))
        }
        "application/yaml" | "application/x-yaml" | "text/yaml" => {
            let text = std::str::from_utf8(body).map_err(|error| {
                ApiError::new(
                    ProblemKind::BadRequest,
                    format!("the body is not UTF-8: {error}"),
                    "save the file in UTF-8 and send it again",
                )
            })?;
            Ok(ConfigurationSource::Yaml(text.to_owned()))
        }
        other => Err(ApiError::new(
            ProblemKind::UnsupportedMediaType,
            format!("the body is of type `{other}`"),
            "send the header content-type: application/json, or application/yaml",
        )),
    }
}

async fn schema<B: Backend>(State(state): State<AppState<B>>) -> Response {
    ([(header::CONTENT_TYPE, "application/schema+json")], state.backend.configuration_schema().to_string())
        .into_response()
}

async fn status<B: Backend>(State(state): State<AppState<B>>) -> Response {
    ConfigurationStatus::answer(state.backend.configuration())
}

async fn confirm<B: Backend>(
    State(state): State<AppState<B>>,
    Author(author): Author,
) -> Result<Response, ApiError> {
    state.backend.confirm_configuration(author).await.map(ConfigurationStatus::answer)
}

async fn history<B: Backend>(State(state): State<AppState<B>>) -> Json<ConfigurationHistory> {
    Json(state.backend.configuration_history())
}

async fn historic<B: Backend>(
    State(state): State<AppState<B>>,
    ApiPath(number): ApiPath<u64>,
) -> Result<Json<HistoricConfiguration>, ApiError> {
    state.backend.configuration_at(number).map(Json).ok_or_else(|| {
        ApiError::new(
            ProblemKind::NotFound,
            format!("the history has no number {number}"),
            "GET /api/v1/config/history lists those that are kept",
        )
    })
}

async fn rollback<B: Backend>(
    State(state): State<AppState<B>>,
    ApiPath(number): ApiPath<u64>,
    ApiQuery(query): ApiQuery<RollbackQuery>,
    Author(author): Author,
) -> Result<Response, ApiError> {
    let outcome = state.backend.rollback_configuration(number, author, query.dry_run).await?;
    Ok(done(StatusCode::OK, outcome))
}
