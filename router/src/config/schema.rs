//! The JSON schema of the configuration file.

use serde_json::Value;

use super::raw::RawConfig;

/// The schema, for editors, forms and the reference.
pub fn schema() -> Value {
    schemars::schema_for!(RawConfig).to_value()
}

/// The part of `schema` that describes the value at a path such as `interfaces[0].ospf.cost`.
pub fn at<'s>(schema: &'s Value, path: &str) -> Option<&'s Value> {
    let mut here = schema;
    for part in path.split('.').filter(|part| !part.is_empty()) {
        let (key, element) = match part.split_once('[') {
            Some((key, _)) => (key, true),
            None => (part, false),
        };
        here = resolve(schema, here).get("properties")?.get(key)?;
        if element {
            here = resolve(schema, here).get("items")?;
        }
    }
    Some(here)
}

/// Follows a reference into the definitions, also through `anyOf: [reference, null]` of an optional key.
pub fn resolve<'s>(schema: &'s Value, mut here: &'s Value) -> &'s Value {
    loop {
        let optional =
            here.get("anyOf").and_then(Value::as_array).and_then(|options| match options.as_slice() {
                [one, null] if null.get("type").and_then(Value::as_str) == Some("null") => Some(one),
                _ => None,
            });
        let reference = here.get("$ref").and_then(Value::as_str);
        let target = reference.and_then(|reference| schema.pointer(reference.trim_start_matches('#')));
        match optional.or(target) {
            Some(next) => here = next,
            None => return here,
        }
    }
}

/// The keys of the mapping at a path.
pub fn keys(schema: &Value, path: &str) -> Vec<String> {
    let properties = at(schema, path).and_then(|here| resolve(schema, here).get("properties"));
    properties
        .and_then(Value::as_object)
        .map(|properties| properties.keys().cloned().collect())
        .unwrap_or_default()
}
