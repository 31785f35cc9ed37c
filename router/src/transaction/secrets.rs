//! Secrets in a document: shown as a mask, and kept when the mask comes back in their place.

use isthmus_mgmt_api::model::MASK;
use serde_json::Value;

use super::diff::{join, name};

/// The keys that hold secrets, by the end of their paths.
const SECRETS: [&str; 4] =
    ["authentication.key", "authentication.keys[].key", "key-chains[].keys[].key-string", "tokens[].sha256"];

/// Whether the value at a key, written with `[]` for elements of lists, is a secret.
pub fn is_secret(key: &str) -> bool {
    SECRETS.iter().any(|end| key == *end || key.ends_with(&format!(".{end}")))
}

/// The document with every secret masked.
#[must_use]
pub fn masked(mut document: Value) -> Value {
    each(&mut document, String::new(), &mut |secret| *secret = Value::String(MASK.to_owned()));
    document
}

/// The value at a key, masked if it is a secret or holds some.
#[must_use]
pub fn masked_at(key: &str, mut value: Value) -> Value {
    each(&mut value, key.to_owned(), &mut |secret| *secret = Value::String(MASK.to_owned()));
    value
}

/// Whether the document holds any secret.
pub fn any(document: &Value) -> bool {
    let mut found = false;
    each(&mut document.clone(), String::new(), &mut |_| found = true);
    found
}

/// Whether the document holds a mask in the place of a secret.
pub fn any_mask(document: &Value) -> bool {
    let mut found = false;
    each(&mut document.clone(), String::new(), &mut |secret| found |= secret == MASK);
    found
}

/// Puts the secrets of `old` where `document` holds a mask.
///
/// # Errors
/// The keys of masks for which `old` has no secret.
pub fn unmask(document: &mut Value, old: &Value) -> Result<(), Vec<String>> {
    let mut missing = Vec::new();
    restore(document, Some(old), String::new(), String::new(), &mut missing);
    if missing.is_empty() { Ok(()) } else { Err(missing) }
}

fn restore(value: &mut Value, old: Option<&Value>, key: String, path: String, missing: &mut Vec<String>) {
    if is_secret(&key) && value == MASK {
        match old.filter(|old| !old.is_null()) {
            Some(old) => *value = old.clone(),
            None => missing.push(path),
        }
        return;
    }
    match value {
        Value::Object(members) => {
            for (member, value) in members {
                let old = old.and_then(|old| old.get(member));
                restore(value, old, join(&key, member), join(&path, member), missing);
            }
        }
        Value::Array(elements) => {
            for (position, element) in elements.iter_mut().enumerate() {
                let old = old.and_then(Value::as_array).and_then(|old| match name(element) {
                    Some(wanted) => old.iter().find(|other| name(other).as_ref() == Some(&wanted)),
                    None => old.get(position),
                });
                restore(element, old, format!("{key}[]"), format!("{path}[{position}]"), missing);
            }
        }
        _ => {}
    }
}

fn each(value: &mut Value, key: String, act: &mut impl FnMut(&mut Value)) {
    if is_secret(&key) && !value.is_null() {
        return act(value);
    }
    match value {
        Value::Object(members) => {
            members.iter_mut().for_each(|(member, value)| each(value, join(&key, member), act));
        }
        Value::Array(elements) => {
            elements.iter_mut().for_each(|element| each(element, format!("{key}[]"), act));
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn document(key: &str, first: &str) -> Value {
        json!({
            "interfaces": [
                { "name": "eth1", "ospf": { "authentication": { "type": "simple", "key": key } } },
                { "name": "eth2", "ospf": { "authentication": { "keys": [{ "key-id": 1, "key": first }] } } },
            ],
            "key-chains": [{ "name": "core", "keys": [{ "key-id": 1, "key-string": "chained" }] }],
            "management": { "tokens": [{ "name": "ops", "sha256": "ab12" }] },
        })
    }

    #[test]
    fn the_mask_is_what_the_checks_refuse_as_a_secret() {
        assert_eq!(MASK, crate::config::MASK);
    }

    #[test]
    fn every_secret_is_masked_and_nothing_else() {
        let shown = masked(document("hidden", "first"));
        let text = shown.to_string();
        for secret in ["hidden", "first", "chained", "ab12"] {
            assert!(!text.contains(secret), "{text}");
        }
        assert_eq!(shown["interfaces"][1]["ospf"]["authentication"]["keys"][0]["key-id"], 1);
        assert_eq!(text.matches(MASK).count(), 4);
        assert!(any(&shown) && any_mask(&shown) && !any_mask(&document("a", "b")));
        assert!(!any(&json!({ "key": "no secret here" })));
        assert_eq!(masked_at("a.authentication.key", json!("x")), MASK);
    }

    #[test]
    fn a_mask_that_comes_back_keeps_the_secret_wherever_its_element_stands() {
        let old = document("hidden", "first");
        let mut new = masked(old.clone());
        new["interfaces"].as_array_mut().unwrap().reverse();
        unmask(&mut new, &old).unwrap();
        assert_eq!(new["interfaces"][1]["ospf"]["authentication"]["key"], "hidden");
        assert_eq!(new["interfaces"][0]["ospf"]["authentication"]["keys"][0]["key"], "first");
        assert_eq!(new["key-chains"][0]["keys"][0]["key-string"], "chained");
    }

    #[test]
    fn a_mask_without_a_secret_is_named() {
        let mut new = masked(document("hidden", "first"));
        new["interfaces"][0]["name"] = json!("eth7");
        let missing = unmask(&mut new, &document("hidden", "first")).unwrap_err();
        assert_eq!(missing, ["interfaces[0].ospf.authentication.key"]);
    }
}
