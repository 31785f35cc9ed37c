//! The schemas of what is sent and answered: those of the models, gathered as components.

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::{Map, Value, json};
use utoipa::openapi::schema::{Ref, Schema as OpenApiSchema};
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
        .map(|(name, schema)| (format!("{name}Patch"), patch_of(schema)))
        .collect();
    components.extend(patches);
    components
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

/// What a merge patch (RFC 7396) of a structure may have: each member, or `null` to have its default again.
fn patch_of(schema: &Value) -> Value {
    let mut properties = schema.get("properties").cloned().unwrap_or_default();
    for property in properties.as_object_mut().into_iter().flat_map(Map::values_mut) {
        if let Some(members) = property.as_object_mut() {
            members.remove("default");
        }
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
