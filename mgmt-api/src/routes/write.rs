//! Handlers of everything that is configured: read, replace, patch and remove a part of the document.
//!
//! The path of a request is read into a [`Part`]; which one decides what the handler does where. Resources that have a
//! state of their own besides answer with that, and with their configuration to `?content=config` (RFC 8040 section
//! 4.8.1).

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::app::AppState;
use crate::backend::Backend;
use crate::configure::conditions::{IfMatch, etag, is_known};
use crate::configure::part::{Documents, Part};
use crate::configure::transaction::{WriteQuery, edit};
use crate::error::{ApiError, ProblemKind};
use crate::extract::{ApiJson, ApiPath, ApiQuery, Author};
use crate::model::ConfigurationOutcome;
use crate::openapi::{Header, Operation, SchemaSource};

/// What a resource is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Content {
    /// What is written in the configuration.
    Config,
    /// What is.
    #[default]
    Nonconfig,
}

/// What the resources take that have both state and configuration.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub(crate) struct ContentQuery {
    /// `config`: what is written in the configuration; `nonconfig`: what is.
    pub(crate) content: Content,
}

impl ContentQuery {
    /// The resource's configuration if it is asked for, else `state`; either with the revision.
    pub(crate) fn answer<B: Backend, T: IntoResponse>(
        self,
        backend: &B,
        headers: &HeaderMap,
        part: &impl Part,
        state: impl FnOnce() -> Result<T, ApiError>,
    ) -> Result<Response, ApiError> {
        match self.content {
            Content::Config => configured(backend, headers, part),
            Content::Nonconfig => {
                let revision = backend.configuration().revision;
                Ok(([(header::ETAG, etag(&revision))], state()?).into_response())
            }
        }
    }
}

/// What is configured of a part; 304 if the client has it already.
pub(crate) fn configured<B: Backend>(
    backend: &B,
    headers: &HeaderMap,
    part: &impl Part,
) -> Result<Response, ApiError> {
    let running = backend.configuration();
    let tag = etag(&running.revision);
    let known = is_known(headers, &running.revision)?;
    let documents = Documents { written: running.document, effective: backend.config() };
    let value = part.read(&documents).ok_or_else(|| part.missing())?;
    if known {
        return Ok((StatusCode::NOT_MODIFIED, [(header::ETAG, tag)]).into_response());
    }
    Ok(([(header::ETAG, tag)], Json(value)).into_response())
}

/// Reads a part that has no state besides.
pub(crate) async fn read<B: Backend, P: Part + DeserializeOwned>(
    State(state): State<AppState<B>>,
    ApiPath(part): ApiPath<P>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    configured(&*state.backend, &headers, &part)
}

/// Makes a part what the body says.
pub(crate) async fn replace<B: Backend, P: Part + DeserializeOwned>(
    State(state): State<AppState<B>>,
    ApiPath(part): ApiPath<P>,
    ApiQuery(query): ApiQuery<WriteQuery>,
    author: Author,
    headers: HeaderMap,
    ApiJson(body): ApiJson<Value>,
) -> Result<Response, ApiError> {
    put(&*state.backend, &part, &query, &author, &headers, body).await
}

/// Makes a part of which the path says everything.
pub(crate) async fn create<B: Backend, P: Part + DeserializeOwned>(
    State(state): State<AppState<B>>,
    ApiPath(part): ApiPath<P>,
    ApiQuery(query): ApiQuery<WriteQuery>,
    author: Author,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    put(&*state.backend, &part, &query, &author, &headers, json!({})).await
}

async fn put<B: Backend>(
    backend: &B,
    part: &impl Part,
    query: &WriteQuery,
    author: &Author,
    headers: &HeaderMap,
    body: Value,
) -> Result<Response, ApiError> {
    let condition = IfMatch::of(headers)?;
    let replace = |documents: &mut Documents| part.replace(documents, body.clone());
    let (is_new, outcome) = edit(backend, &condition, query, &author.0, replace).await?;
    let created = is_new && !query.is_dry_run();
    Ok(done(if created { StatusCode::CREATED } else { StatusCode::OK }, outcome))
}

/// Merges the body into a part (RFC 7396).
pub(crate) async fn patch<B: Backend, P: Part + DeserializeOwned>(
    State(state): State<AppState<B>>,
    ApiPath(part): ApiPath<P>,
    ApiQuery(query): ApiQuery<WriteQuery>,
    author: Author,
    headers: HeaderMap,
    ApiJson(body): ApiJson<Value>,
) -> Result<Response, ApiError> {
    if !body.is_object() {
        return Err(ApiError::new(
            ProblemKind::BadRequest,
            format!("a merge patch of {} is an object, and the body is not", part.what()),
            "send the members that are to change; null removes one",
        ));
    }
    let condition = IfMatch::of(&headers)?;
    let merge = |documents: &mut Documents| part.patch(documents, body.clone());
    let ((), outcome) = edit(&*state.backend, &condition, &query, &author.0, merge).await?;
    Ok(done(StatusCode::OK, outcome))
}

/// Removes a part.
pub(crate) async fn remove<B: Backend, P: Part + DeserializeOwned>(
    State(state): State<AppState<B>>,
    ApiPath(part): ApiPath<P>,
    ApiQuery(query): ApiQuery<WriteQuery>,
    author: Author,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let condition = IfMatch::of(&headers)?;
    let remove = |documents: &mut Documents| match part.remove(documents)? {
        true => Ok(()),
        false => Err(part.missing()),
    };
    let ((), outcome) = edit(&*state.backend, &condition, &query, &author.0, remove).await?;
    Ok(done(StatusCode::OK, outcome))
}

/// What has come of a change, with the revision that runs now.
pub(crate) fn done(status: StatusCode, outcome: ConfigurationOutcome) -> Response {
    let running = if outcome.applied { &outcome.revision } else { &outcome.previous_revision };
    (status, [(header::ETAG, etag(running))], Json(outcome)).into_response()
}

/// The media types of a merge patch.
const PATCHES: &[&str] = &["application/merge-patch+json", "application/json"];
/// The media type of a part.
const JSON: &[&str] = &["application/json"];

/// What operations on configured resources have in common.
impl<S> Operation<S> {
    /// Answers with a part of the configuration.
    pub(crate) fn answers_configured(self, schema: SchemaSource) -> Self {
        self.header(Header::IfNoneMatch)
            .answers_with(StatusCode::OK, "What is configured.", "application/json", schema)
            .answers_empty(StatusCode::NOT_MODIFIED, "It is what `If-None-Match` names.")
            .refuses(&[ProblemKind::BadRequest])
            .etag()
    }

    /// Answers with a part of the configuration instead of its state if it is asked to.
    pub(crate) fn or_configured(self, schema: SchemaSource) -> Self {
        self.query::<ContentQuery>()
            .header(Header::IfNoneMatch)
            .answers_either(StatusCode::OK, "application/json", schema)
            .answers_empty(StatusCode::NOT_MODIFIED, "The configuration is what `If-None-Match` names.")
            .refuses(&[ProblemKind::NotFound])
            .etag()
    }

    /// Takes a part of the configuration.
    pub(crate) fn replaces(self, schema: SchemaSource, example: Value) -> Self {
        self.body(JSON, schema, example).changes()
    }

    /// Takes a merge patch of a part of the configuration.
    pub(crate) fn patches(self, schema: SchemaSource, example: Value) -> Self {
        self.body(PATCHES, schema, example).changes()
    }

    /// Changes the configuration.
    pub(crate) fn changes(self) -> Self {
        self.query::<WriteQuery>()
            .header(Header::IfMatch { required: false })
            .answers::<ConfigurationOutcome>(
                "What has changed, and what that led to; with `dry-run`, what would.",
            )
            .refuses(CHANGE_REFUSALS)
            .etag()
    }

    /// Changes the whole configuration, under a condition.
    pub(crate) fn changes_if_matched(self) -> Self {
        self.query::<WriteQuery>()
            .header(Header::IfMatch { required: true })
            .answers::<ConfigurationOutcome>(
                "What has changed, and what that led to; with `dry-run`, what would.",
            )
            .refuses(CHANGE_REFUSALS)
            .refuses(&[ProblemKind::PreconditionRequired])
            .etag()
    }

    /// May make what was not there.
    pub(crate) fn creates(self) -> Self {
        self.answers_with(
            StatusCode::CREATED,
            "The same, of something that was not there before.",
            "application/json",
            SchemaSource::of::<ConfigurationOutcome>(),
        )
    }
}

/// Why a change of the configuration may be refused.
pub(crate) const CHANGE_REFUSALS: &[ProblemKind] = &[
    ProblemKind::NotFound,
    ProblemKind::Conflict,
    ProblemKind::PreconditionFailed,
    ProblemKind::Invalid,
    ProblemKind::Unavailable,
];
