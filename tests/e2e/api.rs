//! The API of a live node: what it refuses, what its description promises, and the examples of its guide.
//!
//! The node is the program itself, without privileges and without the kernel's network: embedded stack, and a NIC that is
//! a socket. A test run by root gives them up for it, so that no request of a test can touch this machine.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "helpers of tests, whose way to fail it is"
)]

#[path = "api/guide.rs"]
mod guide;
#[path = "api/live.rs"]
mod live;
#[path = "api/refusals.rs"]
mod refusals;

use std::process::Command;

use live::Live;

/// Input: thousands of requests made from the description, right ones and wrong ones. Output: no error of the server, no
/// status, media type, header or body that the description does not have, nothing wrong accepted.
#[test]
fn the_node_keeps_what_its_description_promises() {
    let node = Live::start("schemathesis");
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/api/run.sh");
    let output = Command::new(script).arg(node.url()).output().expect("bash runs");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}\n{}", String::from_utf8_lossy(&output.stderr));
    let summary = text.lines().find(|line| line.contains(" generated, ")).unwrap_or_default();
    println!("{}", summary.trim());
    assert!(!node.log().contains("panicked"), "{}", node.log());
    assert_eq!(node.request("GET", "/healthz", &[], "").status, 200);
}
