//! Rows that the examples of the fabric's crate measure: what needs its inner parts is measured beside them.

use std::env;
use std::process::Command;

use serde_json::Value;

use super::Outcome;

/// Runs those that were built beside this program, for at most two minutes each. They print a document with `rows`.
pub(crate) fn run(outcome: &mut Outcome, runs: usize) {
    let runs = runs.to_string();
    let examples: [(&str, &[&str]); 3] = [
        ("adaptive_bench", &["--ms", "100", "--rounds", &runs]),
        ("flush_bench", &[&runs, "100"]),
        ("death_latency", &[&runs]),
    ];
    for (name, arguments) in examples {
        match rows_of(name, arguments) {
            Ok(rows) => rows.into_iter().for_each(|row| outcome.take_row(row)),
            Err(why) => outcome.leave_out(format!("{name}: {why}")),
        }
    }
}

impl Outcome {
    /// Of a comparison that was made with whole fabrics too, this is the one with rings alone.
    fn take_row(&mut self, mut row: Value) {
        let name = row["name"].as_str().unwrap_or_default().to_owned();
        if self.rows.iter().any(|other| other.name == name) {
            row["name"] = Value::from(format!("{name}-ring-alone"));
        }
        self.given_rows.push(row);
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
