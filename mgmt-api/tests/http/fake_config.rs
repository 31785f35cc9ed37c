//! The configuration of the fake node: a document under compare-and-swap, with a history, and no checks but one.

use std::sync::Mutex;

use isthmus_mgmt_api::model::*;
use isthmus_mgmt_api::{ApiError, ProblemKind};
use serde_json::{Value, json};

pub(crate) struct FakeConfiguration(Mutex<State>);

struct State {
    /// Committed, the oldest first.
    committed: Vec<(Value, String)>,
    /// Applied, and waiting to be confirmed.
    pending: Option<Value>,
}

impl Default for FakeConfiguration {
    fn default() -> Self {
        let committed = vec![(json!({ "hostname": "node1" }), "file".to_owned())];
        Self(Mutex::new(State { committed, pending: None }))
    }
}

impl State {
    fn running(&self) -> &Value {
        self.pending.as_ref().unwrap_or(&self.committed.last().unwrap().0)
    }

    fn configuration(&self) -> Configuration {
        Configuration {
            revision: revision(self.running()),
            document: self.running().clone(),
            saved: self.pending.is_none(),
            confirm_deadline: self.pending.as_ref().map(|_| DEADLINE),
        }
    }
}

fn revision(document: &Value) -> String {
    let text = document.to_string();
    format!("{:016x}", text.bytes().fold(7u64, |hash, byte| hash.wrapping_mul(31) ^ u64::from(byte)))
}

impl FakeConfiguration {
    pub(crate) fn get(&self) -> Configuration {
        self.0.lock().unwrap().configuration()
    }

    pub(crate) fn configure(&self, change: ConfigurationChange) -> Result<ConfigurationOutcome, ApiError> {
        let mut state = self.0.lock().unwrap();
        let previous_revision = revision(state.running());
        if change.if_revision.as_ref().is_some_and(|wanted| *wanted != previous_revision) {
            return Err(ApiError::new(
                ProblemKind::PreconditionFailed,
                "another revision runs",
                "read it again",
            ));
        }
        if state.pending.is_some() && !change.dry_run {
            return Err(ApiError::new(ProblemKind::Conflict, "a change waits", "confirm it"));
        }
        let document = match change.source {
            ConfigurationSource::Document(document) => document,
            ConfigurationSource::Yaml(text) => {
                json!({ "hostname": text.trim_start_matches("hostname: ").trim() })
            }
        };
        if document["hostname"] == "" {
            let finding = ConfigurationDiagnostic {
                severity: "error".to_owned(),
                code: "bad-name".to_owned(),
                path: "hostname".to_owned(),
                line: None,
                column: None,
                message: "the name is empty".to_owned(),
                remedy: "name it".to_owned(),
            };
            return Err(ApiError::new(ProblemKind::Invalid, "the name is empty", "name it")
                .with_diagnostics(vec![finding]));
        }
        let change_of = |path: &str| FieldChange {
            path: path.to_owned(),
            old: state.running().get(path).cloned(),
            new: document.get(path).cloned(),
        };
        let changes = vec![change_of("hostname")];
        let effects = vec![ChangeEffect {
            path: "hostname".to_owned(),
            effect: Effect::Immediate,
            what: "the node is called so".to_owned(),
        }];
        let outcome = ConfigurationOutcome {
            revision: revision(&document),
            previous_revision,
            changes,
            effects,
            warnings: Vec::new(),
            applied: !change.dry_run,
            confirm_deadline: change.confirm.filter(|_| !change.dry_run).map(|_| DEADLINE),
        };
        match (change.dry_run, change.confirm) {
            (true, _) => {}
            (false, Some(_)) => state.pending = Some(document),
            (false, None) => state.committed.push((document, change.author)),
        }
        Ok(outcome)
    }

    pub(crate) fn confirm(&self, author: String) -> Result<Configuration, ApiError> {
        let mut state = self.0.lock().unwrap();
        let Some(document) = state.pending.take() else {
            return Err(ApiError::new(ProblemKind::Conflict, "no change waits", "apply one"));
        };
        state.committed.push((document, author));
        Ok(state.configuration())
    }

    pub(crate) fn rollback(
        &self,
        number: u64,
        author: String,
        dry_run: bool,
    ) -> Result<ConfigurationOutcome, ApiError> {
        let found = self.at(number).ok_or_else(|| {
            ApiError::new(ProblemKind::NotFound, format!("there is no number {number}"), "see the history")
        })?;
        if !dry_run {
            self.0.lock().unwrap().pending = None;
        }
        let source = ConfigurationSource::Document(found.document);
        self.configure(ConfigurationChange { dry_run, ..ConfigurationChange::new(source, author) })
    }

    pub(crate) fn history(&self) -> ConfigurationHistory {
        let state = self.0.lock().unwrap();
        let running = revision(state.running());
        let entries = state.committed.iter().enumerate().map(|(at, (document, author))| HistoryEntry {
            number: at as u64 + 1,
            revision: revision(document),
            time: DateTime(1_000_000),
            author: author.clone(),
            comment: None,
            running: revision(document) == running,
        });
        ConfigurationHistory { entry: entries.rev().collect() }
    }

    pub(crate) fn at(&self, number: u64) -> Option<HistoricConfiguration> {
        let entry = self.history().entry.into_iter().find(|entry| entry.number == number)?;
        let document = self.0.lock().unwrap().committed.get(number as usize - 1)?.0.clone();
        Some(HistoricConfiguration { entry, document })
    }
}

/// Until when a change of the fake node waits.
pub(crate) const DEADLINE: DateTime = DateTime(2_000_000_000_000_000);
