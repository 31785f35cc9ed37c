//! Refusals as problem documents (RFC 9457).

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::ConfigurationDiagnostic;

/// The media type of a problem document.
pub const PROBLEM_JSON: &str = "application/problem+json";

/// Why a request was refused, with what to do about it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct ApiError {
    /// Which kind of refusal.
    pub kind: ProblemKind,
    /// What was wrong with this request, as a sentence.
    pub detail: String,
    /// What to do about it, as a sentence.
    pub remedy: String,
    /// Everything that is wrong with a configuration; empty for all other refusals.
    pub diagnostics: Vec<ConfigurationDiagnostic>,
}

impl ApiError {
    /// A refusal.
    pub fn new(kind: ProblemKind, detail: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { kind, detail: detail.into(), remedy: remedy.into(), diagnostics: Vec::new() }
    }

    /// The refusal with what is wrong in detail.
    #[must_use]
    pub fn with_diagnostics(self, diagnostics: Vec<ConfigurationDiagnostic>) -> Self {
        Self { diagnostics, ..self }
    }
}

macro_rules! problems {
    ($($(#[$doc:meta])* $variant:ident = $slug:literal, $status:ident, $title:literal;)*) => {
        /// The kinds of refusal; each has its own URI.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum ProblemKind { $($(#[$doc])* $variant,)* }

        impl ProblemKind {
            /// All kinds.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The URI that names the kind.
            pub const fn uri(self) -> &'static str {
                match self { $(Self::$variant => concat!("urn:isthmus:problem:", $slug),)* }
            }

            /// The status of the response.
            pub const fn status(self) -> StatusCode {
                match self { $(Self::$variant => StatusCode::$status,)* }
            }

            /// The kind for people.
            pub const fn title(self) -> &'static str {
                match self { $(Self::$variant => $title,)* }
            }
        }
    };
}

problems! {
    /// A parameter or the body does not parse, or is out of range.
    BadRequest = "bad-request", BAD_REQUEST, "The request cannot be understood";
    /// The request carries no token, or an unknown one.
    Unauthorized = "unauthorized", UNAUTHORIZED, "The request needs a token";
    /// The caller is known, and may not do this.
    Forbidden = "forbidden", FORBIDDEN, "The caller may not do this";
    /// The request was addressed to another host, or made by a page of one.
    ForeignOrigin = "foreign-origin", FORBIDDEN, "This surface is for this host";
    /// Nothing has this name.
    NotFound = "not-found", NOT_FOUND, "There is no such resource";
    /// The resource has other methods.
    MethodNotAllowed = "method-not-allowed", METHOD_NOT_ALLOWED, "The resource does not have this method";
    /// What was asked contradicts the state of the node.
    Conflict = "conflict", CONFLICT, "The state of the node does not permit this";
    /// The body is too long.
    TooLarge = "too-large", PAYLOAD_TOO_LARGE, "The body is too long";
    /// The body is of another media type.
    UnsupportedMediaType = "unsupported-media-type", UNSUPPORTED_MEDIA_TYPE, "The body is of the wrong type";
    /// The configuration does not pass its checks; `diagnostics` says why.
    Invalid = "invalid", UNPROCESSABLE_ENTITY, "The configuration is refused";
    /// The resource has changed since the client read it.
    PreconditionFailed = "precondition-failed", PRECONDITION_FAILED, "The resource is not as expected";
    /// The client must say which state of the resource it means to change.
    PreconditionRequired = "precondition-required", PRECONDITION_REQUIRED, "The request must be conditional";
    /// Understood, and not something that can be changed this way.
    NotChangeable = "not-changeable", UNPROCESSABLE_ENTITY, "This cannot be changed at run time";
    /// Too many at once.
    Busy = "busy", TOO_MANY_REQUESTS, "Too many requests of this kind are under way";
    /// The node could not do it.
    Internal = "internal", INTERNAL_SERVER_ERROR, "The node failed to do this";
    /// The part of the node that would answer does not run.
    Unavailable = "unavailable", SERVICE_UNAVAILABLE, "This part of the node does not run";
    /// No answer in time.
    Timeout = "timeout", GATEWAY_TIMEOUT, "The node did not answer in time";
}

/// The document itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Problem {
    /// The URI of the kind.
    #[serde(rename = "type")]
    pub problem_type: String,
    /// The kind for people.
    pub title: String,
    /// The status of the response.
    pub status: u16,
    /// What was wrong.
    pub detail: String,
    /// What to do about it.
    pub remedy: String,
    /// Everything that is wrong with a configuration.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub diagnostics: Vec<ConfigurationDiagnostic>,
}

impl From<&ApiError> for Problem {
    fn from(error: &ApiError) -> Self {
        Self {
            problem_type: error.kind.uri().to_owned(),
            title: error.kind.title().to_owned(),
            status: error.kind.status().as_u16(),
            detail: error.detail.clone(),
            remedy: error.remedy.clone(),
            diagnostics: error.diagnostics.clone(),
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = (self.kind.status(), Json(Problem::from(&self))).into_response();
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
        response
    }
}
