//! A configuration as text and as a document, and the revision that names it.

use std::fmt::Write;
use std::sync::OnceLock;

use isthmus_mgmt_api::model::DateTime;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::secrets;

/// Octets of the hash that a revision is made of.
const REVISION: usize = 8;

/// Names a document: the same for equal documents, whatever the order of their keys. The revision of a document with
/// secrets is another one in each life of the process: whoever sees a revision must not be able to try out secrets on it.
pub fn revision(document: &Value) -> String {
    let mut hash = Sha256::new();
    if secrets::any(document) {
        hash.update(salt());
    }
    hash.update(canonical(document));
    let digest = hash.finalize();
    digest.iter().take(REVISION).fold(String::new(), |mut text, byte| {
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// A document as JSON with the keys of every mapping in order.
fn canonical(document: &Value) -> String {
    match document {
        Value::Object(members) => {
            let mut keys: Vec<&String> = members.keys().collect();
            keys.sort_unstable();
            let members: Vec<String> = keys
                .into_iter()
                .filter_map(|key| Some((key, members.get(key)?)))
                .map(|(key, value)| format!("{}:{}", Value::String(key.clone()), canonical(value)))
                .collect();
            format!("{{{}}}", members.join(","))
        }
        Value::Array(elements) => {
            format!("[{}]", elements.iter().map(canonical).collect::<Vec<_>>().join(","))
        }
        value => value.to_string(),
    }
}

fn salt() -> &'static [u8; 32] {
    static SALT: OnceLock<[u8; 32]> = OnceLock::new();
    SALT.get_or_init(|| {
        let mut salt = [0; 32];
        if rustix::rand::getrandom(&mut salt, rustix::rand::GetRandomFlags::empty()) != Ok(salt.len()) {
            // A kernel too old for the call: the time of the start is better than nothing.
            let now = DateTime::now().0 ^ (u64::from(std::process::id()) << 40);
            salt[..8].copy_from_slice(&now.to_ne_bytes());
        }
        salt
    })
}

/// The text of a file that says what the document does.
pub fn render(document: &Value, author: &str) -> String {
    let by: String = author.chars().filter(|c| !c.is_control()).take(64).collect();
    let yaml = serde_yaml::to_string(document).unwrap_or_default();
    format!("# Written by isthmus for {by} on {}; comments are not kept.\n{yaml}", DateTime::now())
}

/// The document that a text says, as it is written: no defaults, keys as text.
///
/// # Errors
/// The text is not YAML, or says something that JSON cannot.
pub fn parse(text: &str) -> Result<Value, serde_yaml::Error> {
    serde_yaml::from_str::<serde_yaml::Value>(text).map(from_yaml)
}

fn from_yaml(value: serde_yaml::Value) -> Value {
    match value {
        serde_yaml::Value::Null => Value::Null,
        serde_yaml::Value::Bool(value) => Value::Bool(value),
        serde_yaml::Value::Number(number) => match (number.as_i64(), number.as_u64(), number.as_f64()) {
            (Some(number), _, _) => number.into(),
            (_, Some(number), _) => number.into(),
            (_, _, number) => number.map_or(Value::Null, Value::from),
        },
        serde_yaml::Value::String(text) => Value::String(text),
        serde_yaml::Value::Sequence(elements) => elements.into_iter().map(from_yaml).collect(),
        serde_yaml::Value::Mapping(members) => members
            .into_iter()
            .map(|(key, value)| {
                let key = match from_yaml(key) {
                    Value::String(key) => key,
                    key => key.to_string(),
                };
                (key, from_yaml(value))
            })
            .collect(),
        serde_yaml::Value::Tagged(tagged) => from_yaml(tagged.value),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_revision_names_the_document_and_not_the_order_of_its_keys() {
        let one = json!({ "a": 1, "b": { "c": [1, 2], "d": "x" } });
        let other = json!({ "b": { "d": "x", "c": [1, 2] }, "a": 1 });
        assert_eq!(revision(&one), revision(&other));
        assert_eq!(revision(&one).len(), 2 * REVISION);
        for different in [json!({ "a": 1 }), json!({ "a": 1, "b": { "c": [2, 1], "d": "x" } })] {
            assert_ne!(revision(&one), revision(&different));
        }
    }

    #[test]
    fn a_revision_cannot_be_used_to_try_out_secrets() {
        let document = json!({ "authentication": { "key": "hidden" } });
        assert_eq!(revision(&document), revision(&document), "the same in one life of the process");
        let plain = Sha256::digest(canonical(&document));
        assert!(
            !revision(&document).starts_with(&format!("{:02x}{:02x}{:02x}", plain[0], plain[1], plain[2]))
        );
    }

    #[test]
    fn what_is_rendered_says_the_same() {
        let document = json!({
            "hostname": "no: \"1\"", "node-id": 3, "interfaces": [{ "name": "eth1", "address": "192.0.2.1/30" }],
            "segment": { "inherited": { "name": "s", "arenas": { "1": 5, "2": 6 } } },
        });
        let text = render(&document, "uid 0\n- evil: true");
        assert_eq!(parse(&text).unwrap(), document, "{text}");
        assert!(text.starts_with("# Written by isthmus for uid 0- evil: true on "), "{text}");
        assert_eq!(parse("arenas: {1: 5}").unwrap(), json!({ "arenas": { "1": 5 } }));
    }
}
