//! The description of the API (OpenAPI 3.1), made from the code that serves it.
//!
//! Routes are added to an [`Api`] as operations: a handler with a summary, its parameters, its body and its answers. The
//! router and the document come out of the same operations, so neither has what the other lacks. Schemas are those of the
//! models (`schemars`); the configuration's schema is the node's own.
//!
//! | module | subject |
//! |---|---|
//! | [`operation`] | one operation, with what it takes and answers |
//! | [`parameters`] | parameters of the path, the query and the header |
//! | [`schemas`] | the schemas of what is sent and answered |
//! | [`document`] | from the router's part to the whole document, and the list of resources |
//! | [`ui`] | the page that shows it |

mod document;
mod operation;
mod parameters;
mod schemas;
pub(crate) mod ui;

use axum::Router;
use serde_json::Value;
use utoipa::openapi::path::Paths;
use utoipa_axum::router::OpenApiRouter;

pub use document::Resource;
pub(crate) use document::resources;
pub(crate) use operation::{Operation, delete, get, patch, post, put};
pub(crate) use parameters::Header;
pub(crate) use schemas::SchemaSource;
use schemas::Schemas;

/// Routes that describe themselves.
pub(crate) struct Api<S> {
    base: &'static str,
    tag: &'static str,
    tags: Vec<(&'static str, &'static str)>,
    router: OpenApiRouter<S>,
    schemas: Schemas,
}

impl<S: Clone + Send + Sync + 'static> Api<S> {
    /// Without routes.
    pub(crate) fn new() -> Self {
        Self {
            base: "",
            tag: "",
            tags: Vec::new(),
            router: OpenApiRouter::default(),
            schemas: Schemas::new(),
        }
    }

    /// What is added from here on is below `base`.
    pub(crate) fn below(mut self, base: &'static str) -> Self {
        self.base = base;
        self
    }

    /// What is added from here on belongs together under this name.
    pub(crate) fn tag(mut self, name: &'static str, description: &'static str) -> Self {
        self.tag = name;
        self.tags.push((name, description));
        self
    }

    /// Adds an operation of the resource at `path`, whose variable segments are in braces.
    pub(crate) fn at(mut self, path: &str, operation: Operation<S>) -> Self {
        let path = format!("{}{path}", self.base);
        let (method, description, route) = operation.describe(&path, self.tag, &mut self.schemas);
        let mut paths = Paths::new();
        paths.add_path_operation(&path, vec![method], description);
        self.router = self.router.routes((Vec::new(), paths, route));
        self
    }

    /// The router, and its description with the schema of the node's configuration.
    pub(crate) fn finish(self, configuration_schema: &Value) -> (Router<S>, Value) {
        let (router, openapi) = self.router.split_for_parts();
        let document = document::complete(openapi, &self.tags, self.schemas, configuration_schema);
        (router, document)
    }
}
