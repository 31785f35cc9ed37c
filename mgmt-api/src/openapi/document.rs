//! From the router's part to the whole document, and the list of resources.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use utoipa::openapi::{InfoBuilder, LicenseBuilder, OpenApi};

use crate::error::{PROBLEM_JSON, Problem, ProblemKind};

use super::operation::problem_name;
use super::schemas::{SchemaSource, Schemas};

/// A resource, as `/` lists it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Resource {
    /// Its path; segments in braces vary.
    pub path: String,
    /// Its methods.
    pub methods: Vec<String>,
    /// What it is.
    pub description: String,
}

/// The resources that a document describes.
pub(crate) fn resources(document: &Value) -> Vec<Resource> {
    let paths = document.get("paths").and_then(Value::as_object).into_iter().flatten();
    paths
        .map(|(path, operations)| {
            let operations = operations.as_object().into_iter().flatten();
            let methods = operations.clone().map(|(method, _)| method.to_ascii_uppercase()).collect();
            let mut summaries = operations.filter_map(|(_, operation)| operation.get("summary")?.as_str());
            let description = summaries.next().unwrap_or_default().to_owned();
            Resource { path: path.clone(), methods, description }
        })
        .collect()
}

/// Adds to the paths what all of them share.
pub(super) fn complete(
    mut openapi: OpenApi,
    tags: &[(&str, &str)],
    mut schemas: Schemas,
    configuration_schema: &Value,
) -> Value {
    openapi.info = InfoBuilder::new()
        .title("Isthmus")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(DESCRIPTION))
        .license(Some(LicenseBuilder::new().name("Apache-2.0").identifier(Some("Apache-2.0")).build()))
        .build();
    schemas.answered(SchemaSource::of::<Problem>());
    let components = schemas.into_components(configuration_schema);
    let mut document = serde_json::to_value(openapi).unwrap_or_default();
    if let Some(members) = document.as_object_mut() {
        let tags = tags.iter().map(|(name, description)| json!({ "name": name, "description": description }));
        members.insert("tags".to_owned(), tags.collect());
        members.insert("servers".to_owned(), json!([{ "url": "/", "description": "this node" }]));
        members.insert(
            "components".to_owned(),
            json!({
                "schemas": sorted(components),
                "responses": problems(),
                "securitySchemes": { "token": { "type": "http", "scheme": "bearer", "description": TOKEN } },
            }),
        );
        members.insert("security".to_owned(), json!([{ "token": [] }, {}]));
    }
    document
}

/// One answer for each status that a problem may have.
fn problems() -> Map<String, Value> {
    let mut responses = Map::new();
    for kind in ProblemKind::ALL {
        let status = kind.status().as_u16();
        let same = ProblemKind::ALL.iter().filter(|other| other.status().as_u16() == status);
        let titles: Vec<String> = same.map(|kind| format!("`{}`: {}", kind.uri(), kind.title())).collect();
        let content = json!({ PROBLEM_JSON: { "schema": { "$ref": "#/components/schemas/Problem" } } });
        let response = json!({ "description": titles.join("; "), "content": content });
        responses.insert(problem_name(status), response);
    }
    responses
}

fn sorted(map: Map<String, Value>) -> Map<String, Value> {
    let mut entries: Vec<_> = map.into_iter().collect();
    entries.sort_by(|(one, _), (other, _)| one.cmp(other));
    entries.into_iter().collect()
}

const TOKEN: &str = "\
The secret of a token of `management.tokens`. A unix socket knows its callers as users of the host instead. `x-role` of an \
operation is the role that it needs: viewer, operator or admin; `none` is served to everybody.";

const DESCRIPTION: &str = "\
The management of a node: what it knows, what it does, and its configuration.\n\n\
Names are the leaf names of RFC 8343, 8344, 8349 and 9129 in kebab-case. A refusal is a problem document (RFC 9457) with \
`detail`, what was wrong, and `remedy`, what to do about it. Everything that can be configured carries the configuration's \
revision as `ETag`; a change with `If-Match` is refused if somebody else's came in between.";
