//! Parameters and bodies of requests: axum's extractors, with problem documents for what does not parse.

use std::borrow::Cow;
use std::convert::Infallible;

use axum::Json;
use axum::extract::rejection::{JsonRejection, PathRejection, QueryRejection};
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};

use crate::access::Caller;
use crate::error::{ApiError, ProblemKind};

/// The query of a request.
pub(crate) struct ApiQuery<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for ApiQuery<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let result: Result<Query<T>, QueryRejection> = Query::from_request_parts(parts, state).await;
        result.map(|Query(value)| Self(value)).map_err(|rejection| {
            ApiError::new(
                ProblemKind::BadRequest,
                rejection.body_text(),
                "correct the query; /docs shows the parameters of each resource",
            )
        })
    }
}

/// The variable segments of the path.
pub(crate) struct ApiPath<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for ApiPath<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let result: Result<Path<T>, PathRejection> = Path::from_request_parts(parts, state).await;
        result.map(|Path(value)| Self(value)).map_err(|rejection| {
            ApiError::new(
                ProblemKind::BadRequest,
                rejection.body_text(),
                "correct the path; areas are written as dotted quads, 0.0.0.0 for the backbone",
            )
        })
    }
}

/// A body in JSON.
pub(crate) struct ApiJson<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for ApiJson<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let result: Result<Json<T>, JsonRejection> = Json::from_request(request, state).await;
        result.map(|Json(value)| Self(value)).map_err(|rejection| {
            let (kind, remedy) = match rejection.status() {
                StatusCode::UNSUPPORTED_MEDIA_TYPE => {
                    (ProblemKind::UnsupportedMediaType, "send the header content-type: application/json")
                }
                _ => (ProblemKind::BadRequest, "correct the body; /docs shows the members of each"),
            };
            ApiError::new(kind, rejection.body_text(), remedy)
        })
    }
}

/// Who changes the configuration: the name of the token, or the user of the host.
pub(crate) struct Author(pub(crate) String);

impl<S: Send + Sync> FromRequestParts<S> for Author {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        // Every operation that changes something needs a role, so there is a caller.
        let caller = parts.extensions.get::<Caller>();
        Ok(Self(caller.map_or_else(|| "rest".to_owned(), |caller| caller.name.clone())))
    }
}

/// What [`flag`] takes.
pub(crate) struct Flag;

impl JsonSchema for Flag {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Flag".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "anyOf": [{ "type": "boolean" }, { "type": "string", "enum": ["", "1", "0"] }] })
    }
}

/// A flag in a query: `?explain` and `?explain=true` are the same.
pub(crate) fn flag<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    match String::deserialize(deserializer)?.as_str() {
        "" | "true" | "1" => Ok(true),
        "false" | "0" => Ok(false),
        other => Err(serde::de::Error::custom(format!("`{other}` is not a flag: true or false"))),
    }
}
