//! The page of examples of the command line (`docs/cli-guide.md`), run as it stands against the cluster of the demo.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "all of it is part of tests, whose way to fail it is"
)]

#[path = "../e2e/support.rs"]
#[allow(dead_code, reason = "shared with the tests of the demo")]
mod support;

use std::path::Path;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;

use support::{Demo, Runtime, binary};

/// Every command prints what the page shows.
#[test]
fn every_example_prints_what_the_page_shows() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let runtime = Runtime::new("cli");
    let mut demo = Demo::start(&runtime, &["--json"]);
    demo.await_line("the cluster stays up", 1, LIMIT);
    let document: Value = serde_json::from_str(demo.output().trim_end()).unwrap();
    let api = document["nodes"].as_array().unwrap().iter().find(|node| node["id"] == 3).unwrap()["api"]
        .as_str()
        .unwrap();
    trycmd::TestCases::new()
        .default_bin_path(binary())
        .env("ISTHMUS_API", api)
        .case(root.join("docs/cli-guide.md"))
        .run();
    demo.signal(Signal::INT);
    assert!(demo.wait(LIMIT).success(), "{}", demo.progress());
    runtime.assert_nothing_left();
}

/// Longest tour of the demo, and longest end.
const LIMIT: Duration = Duration::from_secs(120);
