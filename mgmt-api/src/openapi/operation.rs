//! One operation: a handler, and what it takes and answers.

use std::collections::BTreeMap;

use axum::handler::Handler;
use axum::http::StatusCode;
use axum::routing::{self, MethodRouter};
use schemars::JsonSchema;
use serde_json::Value;
use utoipa::openapi::extensions::Extensions;
use utoipa::openapi::path::{OperationBuilder, Parameter};
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::response::ResponseBuilder;
use utoipa::openapi::schema::AnyOfBuilder;
use utoipa::openapi::{
    ContentBuilder, Header as OpenApiHeader, HttpMethod, Ref, RefOr, Required, Schema, Type,
};

use crate::access::roles;
use crate::error::ProblemKind;

use super::parameters::{Header, of_path, of_query};
use super::schemas::{SchemaSource, Schemas};

/// One operation of a resource.
pub(crate) struct Operation<S> {
    method: HttpMethod,
    route: MethodRouter<S>,
    summary: &'static str,
    description: Option<&'static str>,
    parameters: Vec<Parameter>,
    body: Option<Body>,
    answers: Vec<Answer>,
    problems: Vec<ProblemKind>,
    etag: bool,
}

struct Body {
    media: &'static [&'static str],
    schema: SchemaSource,
    example: Value,
}

struct Answer {
    status: StatusCode,
    description: &'static str,
    /// Media types and schemas; none: the answer has no body.
    content: Vec<(&'static str, SchemaSource)>,
}

macro_rules! methods {
    ($($method:ident $variant:ident $doc:literal;)*) => {$(
        #[doc = $doc]
        pub(crate) fn $method<H, T, S>(handler: H, summary: &'static str) -> Operation<S>
        where
            H: Handler<T, S>,
            T: 'static,
            S: Clone + Send + Sync + 'static,
        {
            Operation::new(HttpMethod::$variant, routing::$method(handler), summary)
        }
    )*};
}

methods! {
    get Get "Reads.";
    put Put "Creates or replaces.";
    patch Patch "Changes a part.";
    delete Delete "Removes.";
    post Post "Acts.";
}

impl<S> Operation<S> {
    fn new(method: HttpMethod, route: MethodRouter<S>, summary: &'static str) -> Self {
        Self {
            method,
            route,
            summary,
            description: None,
            parameters: Vec::new(),
            body: None,
            answers: Vec::new(),
            problems: vec![
                ProblemKind::Unauthorized,
                ProblemKind::Forbidden,
                ProblemKind::TooLarge,
                ProblemKind::Internal,
                ProblemKind::Timeout,
            ],
            etag: false,
        }
    }

    /// More than the summary says.
    pub(crate) fn says(mut self, description: &'static str) -> Self {
        self.description = Some(description);
        self
    }

    /// Takes the members of `T` as parameters of the query.
    pub(crate) fn query<T: JsonSchema>(mut self) -> Self {
        self.parameters.extend(of_query::<T>());
        self.refuses(&[ProblemKind::BadRequest])
    }

    /// Heeds a header.
    pub(crate) fn header(mut self, header: Header) -> Self {
        self.parameters.push(header.parameter());
        self
    }

    /// Takes a body of one of the media types.
    pub(crate) fn body(
        mut self,
        media: &'static [&'static str],
        schema: SchemaSource,
        example: Value,
    ) -> Self {
        self.body = Some(Body { media, schema, example });
        self.refuses(&[ProblemKind::BadRequest, ProblemKind::UnsupportedMediaType])
    }

    /// Answers with `T` in JSON.
    pub(crate) fn answers<T: JsonSchema>(self, description: &'static str) -> Self {
        self.answers_with(StatusCode::OK, description, "application/json", SchemaSource::of::<T>())
    }

    /// Answers with a body of a media type.
    pub(crate) fn answers_with(
        mut self,
        status: StatusCode,
        description: &'static str,
        media: &'static str,
        schema: SchemaSource,
    ) -> Self {
        // One status may have several media types.
        match self.answers.iter_mut().find(|answer| answer.status == status) {
            Some(answer) => answer.content.push((media, schema)),
            None => self.answers.push(Answer { status, description, content: vec![(media, schema)] }),
        }
        self
    }

    /// May answer with another body of the same media type instead: the schema is any of both.
    pub(crate) fn answers_either(
        mut self,
        status: StatusCode,
        media: &'static str,
        schema: SchemaSource,
    ) -> Self {
        let answers = self.answers.iter_mut().filter(|answer| answer.status == status);
        answers.for_each(|answer| answer.content.push((media, schema)));
        self
    }

    /// Answers without a body.
    pub(crate) fn answers_empty(mut self, status: StatusCode, description: &'static str) -> Self {
        self.answers.push(Answer { status, description, content: Vec::new() });
        self
    }

    /// Successful answers carry the revision of the configuration as `ETag`.
    pub(crate) fn etag(mut self) -> Self {
        self.etag = true;
        self
    }

    /// May refuse for these reasons.
    pub(crate) fn refuses(mut self, problems: &[ProblemKind]) -> Self {
        self.problems.extend(problems);
        self
    }

    pub(super) fn describe(
        mut self,
        path: &str,
        tag: &str,
        schemas: &mut Schemas,
    ) -> (HttpMethod, utoipa::openapi::path::Operation, MethodRouter<S>) {
        let segments = of_path(path);
        if !segments.is_empty() {
            self.problems.push(ProblemKind::BadRequest);
        }
        let mut operation = OperationBuilder::new()
            .tag(tag)
            .operation_id(Some(operation_id(&self.method, path)))
            .summary(Some(self.summary))
            .description(self.description);
        if let Some(role) = roles::listed(method_name(&self.method), path) {
            operation = operation.extensions(Some(Extensions::builder().add("x-role", role.name()).build()));
        }
        for parameter in segments.into_iter().chain(self.parameters) {
            operation = operation.parameter(parameter);
        }
        if let Some(body) = self.body {
            operation = operation.request_body(Some(body.describe(schemas)));
        }
        for answer in self.answers {
            let status = answer.status.as_str().to_owned();
            operation = operation.response(status, RefOr::T(answer.describe(self.etag, schemas)));
        }
        for problem in self.problems {
            let status = problem.status().as_u16();
            operation =
                operation.response(status.to_string(), RefOr::Ref(Ref::new(problem_reference(status))));
        }
        (self.method, operation.build(), self.route)
    }
}

impl Body {
    fn describe(self, schemas: &mut Schemas) -> utoipa::openapi::request_body::RequestBody {
        let mut body = RequestBodyBuilder::new().required(Some(Required::True));
        for media in self.media {
            let content = ContentBuilder::new().schema(Some(schemas.sent(self.schema)));
            body = body.content(*media, content.example(Some(self.example.clone())).build());
        }
        body.build()
    }
}

impl Answer {
    fn describe(self, etag: bool, schemas: &mut Schemas) -> utoipa::openapi::response::Response {
        let mut response = ResponseBuilder::new().description(self.description);
        let mut content: BTreeMap<&str, Vec<RefOr<Schema>>> = BTreeMap::new();
        for (media, schema) in self.content {
            content.entry(media).or_default().push(schemas.answered(schema));
        }
        for (media, schemas) in content {
            let schema =
                schemas.into_iter().reduce(|one, other| AnyOfBuilder::new().item(one).item(other).into());
            response = response.content(media, ContentBuilder::new().schema(schema).build());
        }
        if etag {
            let mut header = OpenApiHeader::new(utoipa::openapi::Object::with_type(Type::String));
            header.description = Some("Revision of the configuration, for `If-Match`.".to_owned());
            response = response.header("ETag", header);
        }
        response.build()
    }
}

/// Where the answer for all problems with a status is in the document.
fn problem_reference(status: u16) -> String {
    format!("#/components/responses/{}", problem_name(status))
}

/// The component's name.
pub(super) fn problem_name(status: u16) -> String {
    format!("Problem{status}")
}

/// `GET /api/v1/ospf/areas/{area}` is `get-ospf-areas-area`.
fn operation_id(method: &HttpMethod, path: &str) -> String {
    let method = method_name(method).to_ascii_lowercase();
    let path = path.trim_start_matches("/api/v1");
    let words = path.split(['/', '{', '}', '.']).filter(|word| !word.is_empty());
    std::iter::once(method.as_str()).chain(words).collect::<Vec<_>>().join("-")
}

fn method_name(method: &HttpMethod) -> &'static str {
    match method {
        HttpMethod::Get => "GET",
        HttpMethod::Put => "PUT",
        HttpMethod::Patch => "PATCH",
        HttpMethod::Delete => "DELETE",
        HttpMethod::Post => "POST",
        _ => "OTHER",
    }
}
