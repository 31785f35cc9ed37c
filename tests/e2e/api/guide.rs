//! The examples of docs/rest-guide.md, in their order, before a live node.
//!
//! A block of `sh` is run with `$API` set to the node's address. The block of `json` or `text` behind it is what is shown
//! of its output: members and elements that are not shown may be there, `".."` stands for any value.

use std::fs;
use std::process::Command;

use serde_json::Value;

use crate::live::Live;

#[test]
fn every_example_of_the_guide_works_as_shown() {
    let node = Live::start("guide");
    let text = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/rest-guide.md")).unwrap();
    let mut output = String::new();
    let (mut commands, mut compared) = (0, 0);
    for (language, block) in blocks(&text) {
        match language.as_str() {
            "sh" => {
                output = run(&block, &node);
                commands += 1;
            }
            "json" => {
                let shown: Value =
                    serde_json::from_str(&block).unwrap_or_else(|error| panic!("{error}\n{block}"));
                let actual: Value =
                    serde_json::from_str(&output).unwrap_or_else(|error| panic!("{error}\n{output}"));
                assert!(shows(&shown, &actual), "shown:\n{block}\nanswered:\n{output}");
                compared += 1;
            }
            "text" => {
                let shown = block.lines().filter(|line| !line.trim().is_empty());
                shown.for_each(|line| assert!(output.contains(line.trim()), "`{line}` is not in\n{output}"));
                compared += 1;
            }
            other => panic!("a block of `{other}` is neither run nor compared"),
        }
    }
    assert!(commands > 20 && compared > 10, "{commands} commands, {compared} compared");
}

fn run(block: &str, node: &Live) -> String {
    let script = format!("set -eu -o pipefail\n{block}");
    let result = Command::new("bash").args(["-c", &script]).env("API", node.url()).output().unwrap();
    let (output, error) = (String::from_utf8_lossy(&result.stdout), String::from_utf8_lossy(&result.stderr));
    assert!(result.status.success(), "{block}\n{output}\n{error}\n{}", node.log());
    output.into_owned()
}

/// The fenced blocks with their languages.
fn blocks(text: &str) -> Vec<(String, String)> {
    let mut blocks = Vec::new();
    let mut open: Option<(String, String)> = None;
    for line in text.lines() {
        match (line.strip_prefix("```"), open.take()) {
            (Some(_), Some(block)) => blocks.push(block),
            (Some(language), None) => open = Some((language.to_owned(), String::new())),
            (None, Some((language, block))) => open = Some((language, format!("{block}{line}\n"))),
            (None, None) => {}
        }
    }
    blocks
}

/// Whether everything that is shown was answered.
fn shows(shown: &Value, actual: &Value) -> bool {
    match (shown, actual) {
        (Value::String(text), _) if text == ".." => true,
        (Value::Object(shown), Value::Object(actual)) => {
            shown.iter().all(|(name, value)| actual.get(name).is_some_and(|other| shows(value, other)))
        }
        (Value::Array(shown), Value::Array(actual)) => {
            shown.iter().all(|value| actual.iter().any(|other| shows(value, other)))
        }
        _ => shown == actual,
    }
}
