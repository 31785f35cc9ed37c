//! The configuration as a resource: what runs, what a change would do, what it did, what was there before.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::time::DateTime;

/// What is shown in place of a secret. Sent back in the same place, it leaves the secret as it is.
pub const MASK: &str = "********";

/// The running configuration.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Configuration {
    /// Names this very configuration: the entity tag of everything that is read from it (RFC 9110 section 8.8.3).
    pub revision: String,
    /// As it was written, without the defaults of its keys; secrets are shown as [`MASK`].
    pub document: Value,
    /// Whether the node would start with it: it is what the file says.
    pub saved: bool,
    /// Until when it must be confirmed, or else the one before is applied again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirm_deadline: Option<DateTime>,
}

/// Where a new configuration comes from.
#[derive(Clone, Debug, PartialEq)]
pub enum ConfigurationSource {
    /// A document in the vocabulary of the file; it is written to the file as YAML, without comments.
    Document(Value),
    /// The text of a file, which is written as it is.
    Yaml(String),
}

/// A change of the configuration: always of the whole of it.
#[derive(Clone, Debug, PartialEq)]
pub struct ConfigurationChange {
    /// The whole new configuration.
    pub source: ConfigurationSource,
    /// Refuse unless this is the revision that runs.
    pub if_revision: Option<String>,
    /// Only say what would happen.
    pub dry_run: bool,
    /// Apply the previous configuration again unless the change is confirmed within this time. Until then the file stays
    /// as it is.
    pub confirm: Option<Duration>,
    /// Overwrite a file that was edited since the node read or wrote it.
    pub force: bool,
    /// Who asks.
    pub author: String,
    /// Why.
    pub comment: Option<String>,
}

impl ConfigurationChange {
    /// A change at once and for good, by whoever `author` is.
    pub fn new(source: ConfigurationSource, author: impl Into<String>) -> Self {
        Self {
            source,
            if_revision: None,
            dry_run: false,
            confirm: None,
            force: false,
            author: author.into(),
            comment: None,
        }
    }
}

/// What a change does, or would do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct ConfigurationOutcome {
    /// The revision of the new configuration.
    pub revision: String,
    /// The revision of the one before.
    pub previous_revision: String,
    /// The keys whose values differ, defaults filled in, in the order of the document.
    pub changes: Vec<FieldChange>,
    /// What the changes lead to, the worst first.
    pub effects: Vec<ChangeEffect>,
    /// What is odd about the new configuration, and what could not be kept.
    pub warnings: Vec<ConfigurationDiagnostic>,
    /// Whether it runs now; `false` after a dry run.
    pub applied: bool,
    /// Until when it must be confirmed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirm_deadline: Option<DateTime>,
}

/// A key whose value changes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct FieldChange {
    /// The key, with elements of lists by their names: `interfaces[eth1].ospf.cost`.
    pub path: String,
    /// The value before; absent: there was none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub old: Option<Value>,
    /// The value after; absent: there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub new: Option<Value>,
}

/// What the change of a key leads to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct ChangeEffect {
    /// The key, as in [`FieldChange::path`].
    pub path: String,
    /// How far it reaches.
    pub effect: Effect,
    /// What happens, as a sentence.
    pub what: String,
}

/// How far the change of a key reaches. In each case everything else goes on undisturbed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Effect {
    /// In force at once; no adjacency is lost.
    Immediate,
    /// The adjacencies concerned are formed anew.
    AdjacencyRestart,
    /// The interface is closed and opened again.
    InterfaceRestart,
    /// Only the next start of the node brings it; a running node refuses it.
    NodeRestart,
}

impl Effect {
    /// All, the least first.
    pub const ALL: [Self; 4] =
        [Self::Immediate, Self::AdjacencyRestart, Self::InterfaceRestart, Self::NodeRestart];

    /// The word for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Immediate => "immediate",
            Self::AdjacencyRestart => "adjacency-restart",
            Self::InterfaceRestart => "interface-restart",
            Self::NodeRestart => "node-restart",
        }
    }
}

/// A finding about a configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct ConfigurationDiagnostic {
    /// `error`: the configuration is refused for it; `warning`.
    pub severity: String,
    /// A stable name for programs; the reference of the configuration lists them.
    pub code: String,
    /// The key, with elements of lists by their position: `interfaces[0].ospf.cost`; empty for the whole.
    pub path: String,
    /// Line in the text, from 1, if the source was a text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<usize>,
    /// Column in the line, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<usize>,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub remedy: String,
}

/// The configurations that were committed, the newest first.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct ConfigurationHistory {
    /// The entries that are kept.
    pub entry: Vec<HistoryEntry>,
}

/// A configuration that was committed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct HistoryEntry {
    /// Counts up; what a rollback names.
    pub number: u64,
    /// Its revision.
    pub revision: String,
    /// When it was committed.
    pub time: DateTime,
    /// By whom.
    pub author: String,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// Whether it is the one that runs.
    pub running: bool,
}

/// A configuration of the history with its document.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct HistoricConfiguration {
    /// When, by whom, why.
    #[serde(flatten)]
    pub entry: HistoryEntry,
    /// As it was written; secrets are shown as [`MASK`].
    pub document: Value,
}
