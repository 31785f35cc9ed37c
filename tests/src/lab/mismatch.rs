//! What a node says about routers that are configured differently: by REST, by the command line, in an event.

use std::time::Duration;

use serde_json::Value;

use super::node::Node;
use super::wait::wait;

impl Node {
    /// OSPF's view of an interface.
    ///
    /// # Errors
    /// If the node does not answer, or has no such interface.
    pub fn ospf_interface(&self, name: &str) -> Result<Value, String> {
        let all = self.list("/ospf/interfaces", "interface")?;
        all.iter().find(|interface| interface["name"] == name).cloned().ok_or_else(|| format!("{all:?}"))
    }
}

/// Waits for a difference of configuration to be named with both values at the interface, then looks for it in `show ospf
/// interface` and among the events.
pub fn await_mismatch(node: &Node, name: &str, source: &str, error: &str, own: &str, theirs: &str) {
    let is_it = |found: &Value| {
        [("packet-source", source), ("error", error), ("own", own), ("theirs", theirs)]
            .iter()
            .all(|(key, value)| found[key] == *value)
    };
    wait(&format!("{name} names {error} of {source}: {own}, {theirs}"), Duration::from_secs(60), || {
        let shown = node.ospf_interface(name)?;
        let found = shown["mismatch"].as_array().is_some_and(|list| list.iter().any(is_it));
        if found { Ok(()) } else { Err(shown.to_string()) }
    });
    let shown = node.cli(&["show", "ospf", "interface", name]);
    let line = format!("{source} {error}: {own} here, {theirs} there");
    assert!(shown.lines().any(|shown| shown.starts_with("Differs") && shown.contains(&line)), "{shown}");
    let events = node.list("/events/recent", "event").expect("the node answers");
    let told = events.iter().any(|event| event["type"] == "if-config-error" && is_it(&event["detail"]));
    assert!(told, "{events:?}");
}

/// Waits until no difference is named at an interface.
pub fn await_no_mismatch(node: &Node, name: &str) {
    wait(&format!("{name} names no difference"), Duration::from_secs(60), || {
        let shown = node.ospf_interface(name)?;
        if shown.get("mismatch").is_none() { Ok(()) } else { Err(shown.to_string()) }
    });
}
