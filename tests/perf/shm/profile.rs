//! Where the instructions of a frame go: callgrind counts them, on any machine.

use std::env;
use std::path::PathBuf;
use std::process::Command;

use serde_json::{Value, json};

use super::{Failure, Segment};

/// Bursts of 32 frames.
const BURSTS: &str = "400";
/// Functions that are listed.
const LISTED: usize = 14;

/// Instructions of a frame of 64 bytes, one way: sent and received.
pub(crate) struct Profile {
    /// All of them.
    pub(crate) total: f64,
    /// Function, and its own instructions for a frame.
    pub(crate) functions: Vec<(String, f64)>,
}

impl Profile {
    pub(crate) fn to_json(&self) -> Value {
        let functions: Vec<Value> = self
            .functions
            .iter()
            .map(|(name, count)| json!({ "function": name, "instructions": (count * 10.0).round() / 10.0 }))
            .collect();
        json!({ "instructions-per-frame": (self.total * 10.0).round() / 10.0, "functions": functions })
    }
}

/// Counts them.
pub(crate) fn measure() -> Result<Profile, Failure> {
    let segment = Segment::new("profile")?;
    let counts: PathBuf = segment.path().join("callgrind.out");
    let done = Command::new("timeout")
        .args(["--kill-after=1", "120", "valgrind", "--tool=callgrind", "--toggle-collect=*profiled_bursts*"])
        .arg(format!("--callgrind-out-file={}", counts.display()))
        .arg(env::current_exe()?)
        .args(["shm-worker", "profile"])
        .arg(segment.path())
        .arg(BURSTS)
        .output()?;
    if !done.status.success() {
        return Err(String::from_utf8_lossy(&done.stderr).lines().last().unwrap_or("it failed").into());
    }
    // The ten bursts before it are counted too.
    let frames: f64 = String::from_utf8_lossy(&done.stdout).trim().parse::<f64>()? + 320.0;
    let text =
        Command::new("callgrind_annotate").args(["--auto=no", "--threshold=100"]).arg(&counts).output()?;
    let text = String::from_utf8_lossy(&text.stdout).into_owned();
    let mut functions = Vec::new();
    let mut total = 0.0;
    for line in text.lines() {
        let Some((count, rest)) = count_of(line) else { continue };
        if rest.contains("PROGRAM TOTALS") {
            total = count / frames;
        } else if let Some(name) = function_of(rest) {
            add(&mut functions, name, count / frames);
        }
    }
    functions.sort_by(|a, b| b.1.total_cmp(&a.1));
    functions.truncate(LISTED);
    if functions.is_empty() {
        return Err("callgrind counted nothing".into());
    }
    Ok(Profile { total, functions })
}

/// `1,234 (5.6%)  rest`.
fn count_of(line: &str) -> Option<(f64, &str)> {
    let line = line.trim_start();
    let (count, rest) = line.split_once(' ')?;
    let count = count.replace(',', "").parse().ok()?;
    Some((count, rest))
}

/// `(5.6%)  file:function [object]`, without the generic parameters' hash.
fn function_of(rest: &str) -> Option<String> {
    let rest = rest.split_once(')').map_or(rest, |(_, rest)| rest).trim();
    let (_, name) = rest.split_once(':')?;
    let name = name.rsplit_once(" [").map_or(name, |(name, _)| name);
    // A cycle's or a recursion's mark.
    let name = name.split('\'').next().unwrap_or(name);
    Some(
        name.rsplit_once("::h")
            .filter(|(_, hash)| hash.len() == 16)
            .map_or(name, |(name, _)| name)
            .to_owned(),
    )
}

/// A function has a line for each file that was inlined into it.
fn add(functions: &mut Vec<(String, f64)>, name: String, count: f64) {
    match functions.iter_mut().find(|(other, _)| *other == name) {
        Some((_, sum)) => *sum += count,
        None => functions.push((name, count)),
    }
}
