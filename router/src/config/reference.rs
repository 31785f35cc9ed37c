//! The configuration reference of the documentation, made from the JSON schema.

use std::fmt::Write;

use serde_json::Value;

use super::Code;
use super::schema::{resolve, schema};

/// The page, in Markdown.
pub fn reference() -> String {
    let schema = schema();
    let mut page = String::from(INTRODUCTION);
    let mut open = vec![Open { path: String::new(), title: String::new(), mapping: &schema }];
    while !open.is_empty() {
        let next = open.remove(0);
        section(&mut page, &schema, &next, &mut open);
    }
    codes(&mut page);
    page
}

const INTRODUCTION: &str = "\
<!-- Made from the schema: cargo run -p isthmus --example config-reference > docs/reference/configuration.md -->

# Configuration reference

A node is configured by one YAML file. `isthmus check FILE` says whether it is right, and if not, where, why and
what to do; `isthmus schema` prints the JSON schema that this page is made from, for editors
(`# yaml-language-server: $schema=...`). Keys are the leaf names of RFC 9129, RFC 8349 and RFC 8343 where these have
one.

The whole file of a node that has one NIC:

```yaml
node-id: 1
segment: /dev/shm/isthmus
interfaces:
  - name: eth1
    address: 192.0.2.1/30
```

Everything else has a default. Node `n` has the `n`-th address of every prefix of the fabric: with the defaults node 1
is 10.77.0.1 on the local network, 10.77.1.1 on the global one, and all nodes answer to 10.77.2.1. Without `node-id`
and `segment` it is a plain router without a fabric. `configs/` has a commented file for each role.

Values are checked against each other too: no two networks of the router may have addresses in common, the common
addresses lie outside all of them, and the cost of the global network is more than the local one's and less than twice
it. A file has at most 256 KiB, and 50,000 values with its YAML aliases expanded.
";

/// A mapping that is to have a section.
struct Open<'s> {
    path: String,
    /// Behind the path.
    title: String,
    mapping: &'s Value,
}

/// One mapping: its keys in a table; the mappings inside it are queued.
fn section<'s>(
    page: &mut String,
    schema: &'s Value,
    Open { path, title, mapping: here }: &Open<'s>,
    open: &mut Vec<Open<'s>>,
) {
    let mapping = resolve(schema, here);
    let Some(properties) = mapping.get("properties").and_then(Value::as_object) else { return };
    let quoted = if path.is_empty() { "The file".to_owned() } else { format!("`{path}`{title}") };
    // Writing to a string cannot fail, here and below.
    let _ = writeln!(page, "\n## {quoted}\n");
    if let Some(text) = description(schema, here).filter(|_| !path.is_empty()) {
        let _ = writeln!(page, "{text}\n");
    }
    let _ = writeln!(page, "| key | value | default | meaning |\n|---|---|---|---|");
    for (key, property) in properties {
        let full = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        let required = mapping
            .get("required")
            .and_then(Value::as_array)
            .is_some_and(|required| required.iter().any(|name| name.as_str() == Some(key)));
        let default = default(property, required);
        let meaning = meaning(schema, property);
        let _ = writeln!(page, "| `{key}` | {} | {default} | {meaning} |", kind(schema, property));
        queue(schema, &full, property, open);
    }
}

fn queue<'s>(schema: &'s Value, path: &str, property: &'s Value, open: &mut Vec<Open<'s>>) {
    let value = resolve(schema, property);
    let mut push = |path: String, title: String, mapping| open.push(Open { path, title, mapping });
    if value.get("properties").is_some() {
        push(path.to_owned(), String::new(), property);
    }
    if let Some(items) = value.get("items")
        && resolve(schema, items).get("properties").is_some()
    {
        push(format!("{path}[]"), String::new(), items);
    }
    for option in value.get("anyOf").and_then(Value::as_array).into_iter().flatten() {
        for (key, inner) in option.get("properties").and_then(Value::as_object).into_iter().flatten() {
            push(format!("{path}.{key}"), String::new(), inner);
        }
        let whole = resolve(schema, option);
        if option.get("$ref").is_some() && whole.get("properties").is_some() {
            push(path.to_owned(), variant(schema, whole), option);
        }
    }
}

/// What tells one of several mappings from the others: the words that its facility may be.
fn variant(schema: &Value, mapping: &Value) -> String {
    let facility = mapping.get("properties").and_then(|properties| properties.get("facility"));
    let words = facility.into_iter().flat_map(|facility| words(schema, facility));
    let names: Vec<_> =
        words.filter_map(|word| word.get("const")?.as_str()).map(|name| format!("`{name}`")).collect();
    format!(" with `facility` {}", names.join(", "))
}

fn description<'s>(schema: &'s Value, here: &'s Value) -> Option<String> {
    let own = here.get("description").or_else(|| resolve(schema, here).get("description"));
    own.and_then(Value::as_str).map(|text| text.replace('\n', " ").replace('|', "\\|"))
}

/// The description of a key, and of the words that it takes.
fn meaning(schema: &Value, property: &Value) -> String {
    let mut text = description(schema, property).unwrap_or_default();
    for word in words(schema, property) {
        if let (Some(name), Some(meaning)) =
            (word.get("const").and_then(Value::as_str), word.get("description").and_then(Value::as_str))
        {
            let _ = write!(text, " `{name}`: {}", meaning.replace('\n', " "));
        }
    }
    text
}

fn words<'s>(schema: &'s Value, property: &'s Value) -> impl Iterator<Item = &'s Value> {
    resolve(schema, property).get("oneOf").and_then(Value::as_array).into_iter().flatten()
}

/// What a key takes, in words.
fn kind(schema: &Value, property: &Value) -> String {
    let value = resolve(schema, property);
    let names: Vec<String> = words(schema, property)
        .filter_map(|word| word.get("const").and_then(Value::as_str))
        .map(|word| format!("`{word}`"))
        .collect();
    if !names.is_empty() {
        return names.join(", ");
    }
    if value.get("anyOf").is_some() {
        return "text or mapping".to_owned();
    }
    let types = match value.get("type") {
        Some(Value::String(one)) => vec![one.as_str()],
        Some(Value::Array(several)) => several.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    let of = |what: &str| match value.get("items").map(|items| resolve(schema, items)) {
        Some(items) if items.get("properties").is_some() => "list of mappings".to_owned(),
        Some(_) => "list of text".to_owned(),
        None => what.to_owned(),
    };
    match types.iter().find(|name| **name != "null") {
        Some(&"integer") => {
            let bound = |key| value.get(key).and_then(Value::as_i64);
            match (bound("minimum"), bound("maximum")) {
                (Some(low), Some(high)) => format!("{low} to {high}"),
                _ => "whole number".to_owned(),
            }
        }
        Some(&"string") => "text".to_owned(),
        Some(&"boolean") => "`true`, `false`".to_owned(),
        Some(&"array") => of("list"),
        Some(&"object") => "mapping".to_owned(),
        _ => String::new(),
    }
}

fn default(property: &Value, required: bool) -> String {
    if required {
        return "required".to_owned();
    }
    match property.get("default") {
        None | Some(Value::Null | Value::Object(_)) => String::new(),
        Some(Value::Array(list)) if list.is_empty() => "none".to_owned(),
        Some(Value::Array(list)) => {
            list.iter().map(|item| format!("`{}`", plain(item))).collect::<Vec<_>>().join(", ")
        }
        Some(value) => format!("`{}`", plain(value)),
    }
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn codes(page: &mut String) {
    let _ = writeln!(
        page,
        "\n## Findings\n\n`isthmus check -o json` and a refused start name the kind of each finding by one of these codes.\n\n| code | meaning |\n|---|---|"
    );
    for code in Code::ALL {
        let _ = writeln!(page, "| `{code}` | {} |", code.meaning());
    }
}
