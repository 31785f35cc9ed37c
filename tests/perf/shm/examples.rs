//! Rows that the examples of the fabric's crate measure: what needs its inner parts is measured beside them.

use std::env;
use std::process::Command;

use serde_json::Value;

use super::Outcome;

/// Examples of isthmus-shmnet that print a document with `rows`, and their arguments.
const EXAMPLES: &[(&str, &[&str])] = &[];

/// Runs those that were built beside this program, for at most two minutes each.
pub(crate) fn run(outcome: &mut Outcome) {
    for (name, arguments) in EXAMPLES {
        match rows_of(name, arguments) {
            Ok(rows) => outcome.given_rows.extend(rows),
            Err(why) => outcome.left_out.push(format!("{name}: {why}")),
        }
    }
}

fn rows_of(name: &str, arguments: &[&str]) -> Result<Vec<Value>, String> {
    let program = env::current_exe().map_err(|error| error.to_string())?.with_file_name(name);
    let output = Command::new("timeout")
        .args(["--kill-after=1", "120"])
        .arg(program)
        .args(arguments)
        .output()
        .map_err(|error| error.to_string())?;
    if !output.status.success() {
        return Err(format!("{}: {}", output.status, String::from_utf8_lossy(&output.stderr).trim()));
    }
    // Tables for people may stand before the document.
    let text = String::from_utf8_lossy(&output.stdout);
    let json = text.find('{').map_or("", |start| &text[start..]);
    let document: Value = serde_json::from_str(json).map_err(|error| error.to_string())?;
    document["rows"].as_array().cloned().ok_or_else(|| "no rows".to_owned())
}
