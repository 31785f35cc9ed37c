//! The schemas of what is sent and answered: those of the models, gathered as components.

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::{Map, Value, json};
use utoipa::openapi::schema::{AnyOfBuilder, Ref, Schema as OpenApiSchema};
use utoipa::openapi::{KnownFormat, ObjectBuilder, RefOr, SchemaFormat, Type};

/// Where components are in the document.
const COMPONENTS: &str = "#/components/schemas/";

/// Where the schema of a body comes from.
#[derive(Clone, Copy)]
pub(crate) enum SchemaSource {
    /// A structure of the model.
    Model(fn(&mut SchemaGenerator) -> Schema),
    /// A part of the configuration, by the component's name.
    Configuration(&'static str),
    /// One of several parts of the configuration.
    AnyConfiguration(&'static [&'static str]),
    /// Text.
    Text,
    /// Octets.
    Binary,
    /// Any JSON.
    Any,
}

impl SchemaSource {
    /// The schema of a structure.
    pub(crate) fn of<T: JsonSchema>() -> Self {
        Self::Model(|generator| generator.subschema_for::<T>())
    }
}

/// All schemas, as far as operations have asked for them. What a structure is when it is sent may differ from what it is
/// when it is answered: members with a default need not be sent, and are always answered.
pub(super) struct Schemas {
    sent: SchemaGenerator,
    answered: SchemaGenerator,
}

impl Schemas {
    pub(super) fn new() -> Self {
        let settings =
            || SchemaSettings::draft2020_12().with(|s| s.definitions_path = "/components/schemas".into());
        Self {
            sent: settings().for_deserialize().into_generator(),
            answered: settings().for_serialize().into_generator(),
        }
    }

    /// The schema of a request's body.
    pub(super) fn sent(&mut self, source: SchemaSource) -> RefOr<OpenApiSchema> {
        schema(source, &mut self.sent)
    }

    /// The schema of an answer's body.
    pub(super) fn answered(&mut self, source: SchemaSource) -> RefOr<OpenApiSchema> {
        schema(source, &mut self.answered)
    }

    /// The components by name: those of the models, then those of the configuration.
    pub(super) fn into_components(mut self, configuration_schema: &Value) -> Map<String, Value> {
        let mut components = self.sent.take_definitions(true);
        components.extend(self.answered.take_definitions(true));
        components.extend(configuration_components(configuration_schema));
        components
    }
}

fn schema(source: SchemaSource, generator: &mut SchemaGenerator) -> RefOr<OpenApiSchema> {
    match source {
        SchemaSource::Model(schema) => convert(schema(generator).to_value()),
        SchemaSource::Configuration(name) => Ref::new(format!("{COMPONENTS}{name}")).into(),
        SchemaSource::AnyConfiguration(names) => {
            let parts = names.iter().map(|name| Ref::new(format!("{COMPONENTS}{name}")));
            parts.fold(AnyOfBuilder::new(), |any, part| any.item(part)).into()
        }
        SchemaSource::Text => ObjectBuilder::new().schema_type(Type::String).into(),
        SchemaSource::Binary => ObjectBuilder::new()
            .schema_type(Type::String)
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::Binary)))
            .into(),
        SchemaSource::Any => OpenApiSchema::default().into(),
    }
}

/// A simple schema or a reference in the types of the document.
pub(super) fn convert(schema: Value) -> RefOr<OpenApiSchema> {
    if let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
        return Ref::new(reference).into();
    }
    serde_json::from_value(schema).unwrap_or_default()
}

/// The definitions of the configuration's schema as components, and beside each a form for merge patches.
///
/// `RawInterface` becomes `InterfaceConfiguration`, the whole `ConfigurationDocument`.
fn configuration_components(schema: &Value) -> Map<String, Value> {
    let mut root = schema.clone();
    let definitions = root.as_object_mut().and_then(|root| root.remove("$defs"));
    if let Some(root) = root.as_object_mut() {
        root.remove("$schema");
    }
    let mut components = Map::from_iter([("ConfigurationDocument".to_owned(), root)]);
    for (name, definition) in definitions.as_ref().and_then(Value::as_object).into_iter().flatten() {
        components.insert(component_name(name), definition.clone());
    }
    components.values_mut().for_each(rename_references);
    let patches: Vec<_> = components
        .iter()
        .filter(|(_, schema)| schema.get("properties").is_some())
        .map(|(name, schema)| (format!("{name}Patch"), patch_of(schema, &components)))
        .collect();
    let unnamed: Vec<_> = NAMED
        .iter()
        .filter_map(|(name, key)| Some((format!("{name}Put"), without_name(components.get(*name)?, key))))
        .collect();
    components.extend(patches);
    components.extend(unnamed);
    components.extend(lists());
    components
}

/// Elements of lists, and the member that names one. In a request the path names it too.
const NAMED: &[(&str, &str)] = &[
    ("InterfaceConfiguration", "name"),
    ("AreaConfiguration", "area-id"),
    ("RangeConfiguration", "prefix"),
    ("StaticRouteConfiguration", "destination-prefix"),
];

/// A structure whose name need not be in it.
fn without_name(schema: &Value, key: &str) -> Value {
    let mut schema = schema.clone();
    if let Some(required) = schema.get_mut("required").and_then(Value::as_array_mut) {
        required.retain(|name| name != key);
    }
    schema
}

/// The resources that are lists of the configuration.
fn lists() -> [(String, Value); 3] {
    let list = |name: &str, member: &str, items: Value| {
        let schema = json!({
            "type": "object",
            "properties": { member: { "type": "array", "items": items } },
            "required": [member],
            "additionalProperties": false,
        });
        (name.to_owned(), schema)
    };
    let reference = |name: &str| json!({ "$ref": format!("{COMPONENTS}{name}") });
    [
        list("StaticRoutes", "static-route", reference("StaticRouteConfiguration")),
        list("StaticRoutesPut", "static-route", reference("StaticRouteConfigurationPut")),
        list("CommonAddresses", "common-address", json!({ "type": "string", "format": "ipv4" })),
    ]
}

fn component_name(definition: &str) -> String {
    format!("{}Configuration", definition.strip_prefix("Raw").unwrap_or(definition))
}

fn rename_references(schema: &mut Value) {
    match schema {
        Value::Object(members) => {
            for (name, member) in members {
                match member {
                    Value::String(reference) if name == "$ref" => {
                        let definition = reference.trim_start_matches("#/$defs/");
                        *reference = format!("{COMPONENTS}{}", component_name(definition));
                    }
                    member => rename_references(member),
                }
            }
        }
        Value::Array(elements) => elements.iter_mut().for_each(rename_references),
        _ => {}
    }
}

/// Structures within a structure are patched too; those in lists are not.
fn patch_below(property: &mut Value, components: &Map<String, Value>) {
    if let Some(reference) = property.get_mut("$ref") {
        let name = reference.as_str().unwrap_or_default().trim_start_matches(COMPONENTS).to_owned();
        if components.get(&name).is_some_and(|schema| schema.get("properties").is_some()) {
            *reference = Value::from(format!("{COMPONENTS}{name}Patch"));
        }
    }
    let options = property.get_mut("anyOf").and_then(Value::as_array_mut).into_iter().flatten();
    options.for_each(|option| patch_below(option, components));
}

/// What a merge patch (RFC 7396) of a structure may have: each member, or `null` to have its default again.
fn patch_of(schema: &Value, components: &Map<String, Value>) -> Value {
    let mut properties = schema.get("properties").cloned().unwrap_or_default();
    for property in properties.as_object_mut().into_iter().flat_map(Map::values_mut) {
        if let Some(members) = property.as_object_mut() {
            members.remove("default");
        }
        patch_below(property, components);
        let value = property.take();
        *property = json!({ "anyOf": [value, { "type": "null" }] });
    }
    json!({
        "type": "object",
        "description": "A merge patch: members that are absent stay as they are, `null` removes one.",
        "properties": properties,
        "additionalProperties": false,
    })
}
