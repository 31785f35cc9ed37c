//! What happened lately.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::time::DateTime;

/// `/events/recent`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Events {
    /// Events that were forgotten since the start, because the log holds only so many.
    pub forgotten: u64,
    /// The oldest first.
    pub event: Vec<Event>,
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Event {
    /// Counts up from 1 since the start, without gaps.
    pub sequence: u64,
    /// When.
    pub time: DateTime,
    /// What: the notifications of RFC 9129 (`nbr-state-change`, `if-state-change`) and the router's own
    /// (`route-change`, `role-change`, `shm-failed`); [`EventType`](super::EventType) lists those of this version.
    #[serde(rename = "type")]
    pub event_type: String,
    /// One line for people.
    pub message: String,
    /// The same for programs: leaf names with their values.
    #[serde(default, skip_serializing_if = "serde_json::Map::is_empty")]
    pub detail: serde_json::Map<String, serde_json::Value>,
}
