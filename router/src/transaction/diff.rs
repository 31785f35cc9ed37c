//! The keys whose values differ between two documents.

use isthmus_mgmt_api::model::FieldChange;
use serde_json::Value;

/// The members that name an element of a list, the first that is there.
const NAMES: [&str; 7] =
    ["name", "area-id", "destination-prefix", "prefix", "key-id", "router-id", "identifier"];

/// The keys whose values differ, in the order of the new document; what is only in the old one comes last in its mapping.
/// Elements of a list are compared by their names, so that their order is none of the differences. A key that is absent
/// and one that is `null` are the same.
pub fn changes(old: &Value, new: &Value) -> Vec<FieldChange> {
    let mut changes = Vec::new();
    walk(&mut changes, String::new(), Some(old), Some(new));
    changes
}

fn walk(changes: &mut Vec<FieldChange>, path: String, old: Option<&Value>, new: Option<&Value>) {
    let (old, new) = (old.filter(|value| !value.is_null()), new.filter(|value| !value.is_null()));
    if old == new {
        return;
    }
    match (old, new) {
        (None | Some(Value::Object(_)), None | Some(Value::Object(_))) => {
            let (old, new) = (old.and_then(Value::as_object), new.and_then(Value::as_object));
            let keys = new.into_iter().flat_map(|members| members.keys());
            let gone = old.into_iter().flat_map(|members| members.keys());
            let gone = gone.filter(|key| !new.is_some_and(|members| members.contains_key(*key)));
            for key in keys.chain(gone) {
                let of = |members: Option<&'_ serde_json::Map<String, Value>>| {
                    members.and_then(|members| members.get(key)).cloned()
                };
                walk(changes, join(&path, key), of(old).as_ref(), of(new).as_ref());
            }
        }
        _ => match (names(old), names(new)) {
            (Some(old_names), Some(new_names)) => {
                list(changes, &path, (elements(old), &old_names), (elements(new), &new_names));
            }
            _ => changes.push(FieldChange { path, old: old.cloned(), new: new.cloned() }),
        },
    }
}

/// A list of named elements: those of both sides are compared member by member, the others are there or not.
fn list(
    changes: &mut Vec<FieldChange>,
    path: &str,
    (old, old_names): (&[Value], &[String]),
    (new, new_names): (&[Value], &[String]),
) {
    for (name, element) in new_names.iter().zip(new) {
        let path = format!("{path}[{name}]");
        match old_names.iter().position(|other| other == name) {
            Some(at) => walk(changes, path, old.get(at), Some(element)),
            None => changes.push(FieldChange { path, old: None, new: Some(element.clone()) }),
        }
    }
    // Of the keys of an interface the first one signs: their order says something.
    if let (Some(first), Some(element)) = (new_names.first(), new.first())
        && element.get("key-id").is_some()
        && let Some(at) = old_names.iter().position(|name| name == first).filter(|&at| at > 0)
    {
        let place = |at: usize| Some(serde_json::json!({ "place": at + 1 }));
        changes.push(FieldChange { path: format!("{path}[{first}]"), old: place(at), new: place(0) });
    }
    for (name, element) in old_names.iter().zip(old).filter(|(name, _)| !new_names.contains(name)) {
        changes.push(FieldChange { path: format!("{path}[{name}]"), old: Some(element.clone()), new: None });
    }
}

fn elements(list: Option<&Value>) -> &[Value] {
    list.and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// The names of a list's elements; `None`: it is no list, or they are not all named, or not differently.
fn names(list: Option<&Value>) -> Option<Vec<String>> {
    let Some(list) = list else { return Some(Vec::new()) };
    let names: Vec<String> = list.as_array()?.iter().map(name).collect::<Option<_>>()?;
    let unique: std::collections::BTreeSet<&String> = names.iter().collect();
    (unique.len() == names.len()).then_some(names)
}

/// What names an element of a list among the others.
pub fn name(element: &Value) -> Option<String> {
    NAMES.iter().find_map(|key| match element.get(key)? {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    })
}

/// `a` and `b` are `a.b`; the whole is the empty path.
pub fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn told(old: &Value, new: &Value) -> Vec<String> {
        let shown = |value: &Option<Value>| value.as_ref().map_or("-".to_owned(), Value::to_string);
        changes(old, new)
            .iter()
            .map(|change| format!("{}: {} -> {}", change.path, shown(&change.old), shown(&change.new)))
            .collect()
    }

    #[test]
    fn values_are_compared_key_by_key_and_absent_is_null() {
        let old = json!({ "hostname": "a", "ospf": { "spf-delay": 0, "router-id": null } });
        let new = json!({ "hostname": "b", "ospf": { "spf-delay": 0, "maximum-paths": 4 } });
        assert_eq!(told(&old, &new), ["hostname: \"a\" -> \"b\"", "ospf.maximum-paths: - -> 4"]);
        assert_eq!(told(&new, &old), ["hostname: \"b\" -> \"a\"", "ospf.maximum-paths: 4 -> -"]);
        assert!(told(&old, &old).is_empty());
    }

    #[test]
    fn elements_are_known_by_their_names_wherever_they_stand() {
        let old = json!({ "interfaces": [{ "name": "eth1", "mtu": 1500 }, { "name": "eth2" }] });
        let new = json!({ "interfaces": [{ "name": "eth2" }, { "name": "eth1", "mtu": 1400 }, { "name": "eth3" }] });
        assert_eq!(
            told(&old, &new),
            ["interfaces[eth1].mtu: 1500 -> 1400", "interfaces[eth3]: - -> {\"name\":\"eth3\"}"]
        );
        assert_eq!(
            told(&new, &old),
            ["interfaces[eth1].mtu: 1400 -> 1500", "interfaces[eth3]: {\"name\":\"eth3\"} -> -"]
        );
        assert!(told(&json!({ "interfaces": [] }), &json!({})).is_empty(), "no element is no list");
    }

    #[test]
    fn the_order_of_keys_is_one_of_the_differences() {
        let old = json!({ "keys": [{ "key-id": 1, "key": "a" }, { "key-id": 2, "key": "b" }] });
        let new = json!({ "keys": [{ "key-id": 2, "key": "b" }, { "key-id": 1, "key": "a" }] });
        assert_eq!(told(&old, &new), ["keys[2]: {\"place\":2} -> {\"place\":1}"]);
    }

    #[test]
    fn a_list_of_values_is_one_value_and_so_is_one_whose_names_repeat() {
        let old = json!({ "fabric": { "common-addresses": ["10.0.0.1"] } });
        let new = json!({ "fabric": { "common-addresses": ["10.0.0.1", "10.0.0.2"] } });
        assert_eq!(
            told(&old, &new),
            ["fabric.common-addresses: [\"10.0.0.1\"] -> [\"10.0.0.1\",\"10.0.0.2\"]"]
        );
        let twice = json!({ "a": [{ "name": "x" }, { "name": "x" }] });
        assert_eq!(told(&twice, &json!({ "a": [{ "name": "x" }] })).len(), 1);
    }
}
