//! Everything that is counted and has no interface, ring or neighbor to be shown with; and all drops in one list.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `/counters`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Counters {
    /// By group, then name.
    pub counter: Vec<Counter>,
}

/// A counter since the start of the node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Counter {
    /// What counts: `icmp`, `arp`, `host`, `fabric`. Three groups are metrics of their own: `forward` counts packets by
    /// what became of them, `lsm` and `gsm` have `captured-packets`, those taken from the node's own stacks.
    pub group: String,
    /// What is counted, kebab-case.
    pub name: String,
    /// How many.
    pub value: u64,
}

/// `/counters/drops`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Drops {
    /// All packets that the node has dropped.
    pub total: u64,
    /// By interface and reason, only those that occurred.
    pub drop: Vec<Drop>,
}

/// Packets dropped for one reason on one interface.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Drop {
    /// The reason, also a metric label.
    pub reason: String,
    /// The interface; absent where the packet had none, as one made by the node itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interface: Option<String>,
    /// How many.
    pub packets: u64,
}
