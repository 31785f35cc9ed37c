//! Parameters of the path, the query and the header.

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::{Value, json};
use utoipa::openapi::Required;
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};

use super::schemas::convert;

/// A header that an operation heeds.
#[derive(Clone, Copy)]
pub(crate) enum Header {
    /// RFC 9110 section 13.1.1, required or not.
    IfMatch { required: bool },
    /// RFC 9110 section 13.1.2.
    IfNoneMatch,
}

impl Header {
    pub(super) fn parameter(self) -> Parameter {
        let (name, required, description) = match self {
            Self::IfMatch { required } => (
                "If-Match",
                required,
                "The `ETag` that was read, or `*`: the change is refused with 412 if the configuration is another by now.",
            ),
            Self::IfNoneMatch => (
                "If-None-Match",
                false,
                "The `ETag` that was read: the answer is 304 if it is still the same.",
            ),
        };
        build(ParameterIn::Header, name, required, description, json!({ "type": "string" }), Some(json!("*")))
    }
}

/// The variable segments of a path, in their order.
pub(super) fn of_path(path: &str) -> Vec<Parameter> {
    let names = path.split('{').skip(1).filter_map(|rest| rest.split('}').next());
    names
        .map(|name| {
            let (description, schema, example) = segment(name);
            build(ParameterIn::Path, name, true, description, schema, Some(example))
        })
        .collect()
}

/// What a variable segment is: it has the same name wherever it is the same.
fn segment(name: &str) -> (&'static str, Value, Value) {
    match name {
        "name" => ("Name of the interface.", json!({ "type": "string", "minLength": 1 }), json!("lsm0")),
        "rib" => (
            "Name of the table. There is one.",
            json!({ "type": "string", "enum": ["ipv4-default"] }),
            json!("ipv4-default"),
        ),
        "area" => {
            ("The area as a dotted quad.", json!({ "type": "string", "format": "ipv4" }), json!("0.0.0.1"))
        }
        "prefix" => (
            "The network with the length of its prefix; in a URL the slash is written `%2F`.",
            json!({ "type": "string", "pattern": "^[0-9]{1,3}(\\.[0-9]{1,3}){3}/[0-9]{1,2}$" }),
            json!("203.0.113.0/24"),
        ),
        "address" => ("The address.", json!({ "type": "string", "format": "ipv4" }), json!("10.77.2.1")),
        "number" => (
            "Number of the revision, from the history.",
            json!({ "type": "integer", "format": "int64", "minimum": 0 }),
            json!(1),
        ),
        _ => ("", json!({ "type": "string" }), json!("x")),
    }
}

/// The members of a query's structure.
pub(super) fn of_query<T: JsonSchema>() -> Vec<Parameter> {
    let settings = SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
    let schema = settings.for_deserialize().into_generator().into_root_schema_for::<T>().to_value();
    let required = |name: &str| {
        let required = schema.get("required").and_then(Value::as_array);
        required.is_some_and(|required| required.iter().any(|other| other == name))
    };
    let properties = schema.get("properties").and_then(Value::as_object);
    properties
        .into_iter()
        .flatten()
        .map(|(name, property)| {
            let mut property = property.clone();
            let description = take_text(&mut property, "description");
            let example = take(&mut property, "examples").and_then(|examples| examples.get(0).cloned());
            build(ParameterIn::Query, name, required(name), &description, present(property), example)
        })
        .collect()
}

/// The schema of a member that is there: a query has no `null`.
fn present(mut schema: Value) -> Value {
    if let Some(types) = schema.get_mut("type").filter(|types| types.is_array()) {
        let name = types.as_array().and_then(|types| types.iter().find(|name| *name != "null")).cloned();
        *types = name.unwrap_or_default();
    }
    if let Some(values) = schema.get_mut("enum").and_then(Value::as_array_mut) {
        values.retain(|value| !value.is_null());
    }
    if schema.get("default").is_some_and(Value::is_null) {
        take(&mut schema, "default");
    }
    schema
}

fn take(schema: &mut Value, member: &str) -> Option<Value> {
    schema.as_object_mut()?.remove(member)
}

fn take_text(schema: &mut Value, member: &str) -> String {
    take(schema, member).and_then(|text| text.as_str().map(str::to_owned)).unwrap_or_default()
}

fn build(
    place: ParameterIn,
    name: &str,
    required: bool,
    description: &str,
    schema: Value,
    example: Option<Value>,
) -> Parameter {
    ParameterBuilder::new()
        .name(name)
        .parameter_in(place)
        .required(if required { Required::True } else { Required::False })
        .description(Some(description))
        .schema(Some(convert(schema)))
        .example(example)
        .build()
}
