use std::collections::BTreeSet;

use serde_json::Value;

use super::*;
use crate::config::schema;

/// The keys that name an element of a list: another name is another element.
const NAMES: [&str; 11] = [
    "interfaces[].name",
    "ospf.areas[].area-id",
    "ospf.areas[].ranges[].prefix",
    "ospf.areas[].virtual-links[].router-id",
    "ospf.areas[].virtual-links[].authentication.keys[].key-id",
    "ospf.areas[].nssa-ranges[].prefix",
    "static-routes[].destination-prefix",
    "interfaces[].ospf.authentication.keys[].key-id",
    "interfaces[].ospf.static-neighbors[].identifier",
    "key-chains[].name",
    "key-chains[].keys[].key-id",
];

/// Every key of the schema that holds a value, and every list of mappings as its element.
fn keys(schema: &Value, here: &Value, path: &str, found: &mut BTreeSet<String>) {
    let here = schema::resolve(schema, here);
    if let Some(options) = here.get("anyOf").and_then(Value::as_array) {
        options.iter().for_each(|option| keys(schema, option, path, found));
        return;
    }
    if let Some(properties) = here.get("properties").and_then(Value::as_object) {
        for (key, property) in properties {
            keys(schema, property, &crate::transaction::diff::join(path, key), found);
        }
        return;
    }
    match here.get("items").map(|items| schema::resolve(schema, items)) {
        Some(items) if items.get("properties").is_some() => {
            let element = format!("{path}[]");
            found.insert(element.clone());
            keys(schema, items, &element, found);
        }
        _ => {
            found.insert(path.to_owned());
        }
    }
}

#[test]
fn the_table_has_every_key_of_the_schema_and_no_other() {
    let schema = schema::schema();
    let mut wanted = BTreeSet::new();
    keys(&schema, &schema, "", &mut wanted);
    wanted.retain(|key| !NAMES.contains(&key.as_str()));
    let there: BTreeSet<String> = RULES.iter().map(|rule| rule.key.to_owned()).collect();
    assert_eq!(there.len(), RULES.len(), "a key stands twice");
    let missing: Vec<_> = wanted.difference(&there).collect();
    let stale: Vec<_> = there.difference(&wanted).collect();
    assert!(
        missing.is_empty() && stale.is_empty(),
        "say in router/src/transaction/effects.rs what a change of these keys leads to: {missing:?}; \
         and remove these, which the configuration does not have: {stale:?}"
    );
}

fn change(path: &str) -> FieldChange {
    FieldChange { path: path.to_owned(), old: None, new: None }
}

#[test]
fn a_list_that_changes_as_one_value_is_its_elements() {
    let found = effects(&[change("static-routes")]);
    assert_eq!(found[0].effect, Effect::Immediate);
    assert!(rule("static").is_none());
}

#[test]
fn the_worst_comes_first_and_names_of_elements_do_not_matter() {
    let changes = ["hostname", "interfaces[eth1].address", "node-id", "interfaces[a.b]"].map(change);
    let found: Vec<_> = effects(&changes).into_iter().map(|effect| (effect.effect, effect.path)).collect();
    assert_eq!(
        found,
        [
            (Effect::NodeRestart, "node-id".to_owned()),
            (Effect::AdjacencyRestart, "interfaces[eth1].address".to_owned()),
            (Effect::Immediate, "hostname".to_owned()),
            (Effect::Immediate, "interfaces[a.b]".to_owned()),
        ]
    );
}

#[test]
fn what_the_table_does_not_know_is_not_changed_under_a_running_node() {
    assert_eq!(effects(&[change("novelty")])[0].effect, Effect::NodeRestart);
    assert_eq!(effects(&[change("interfaces[eth1].novelty")])[0].effect, Effect::NodeRestart);
    assert_eq!(effects(&[change("segment.inherited.arenas.3")])[0].effect, Effect::NodeRestart);
}

#[test]
fn the_page_of_the_documentation_has_the_table() {
    const BEGIN: &str = "<!-- table: begin -->\n";
    const END: &str = "<!-- table: end -->";
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/configuration-changes.md");
    let page = std::fs::read_to_string(path).unwrap();
    let (head, rest) = page.split_once(BEGIN).unwrap();
    let (there, tail) = rest.split_once(END).unwrap();
    let mut table = "| Key | Effect | What happens |\n|---|---|---|\n".to_owned();
    for rule in RULES {
        table.push_str(&format!("| `{}` | {} | {} |\n", rule.key, rule.effect.name(), rule.what));
    }
    if there != table && std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(path, format!("{head}{BEGIN}{table}{END}{tail}")).unwrap();
        return;
    }
    assert_eq!(there, table, "run this test again with UPDATE_DOCS=1, and commit the page");
}
