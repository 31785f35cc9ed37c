//! What management reads of the transactions at any time, without waiting for one that is under way.

use isthmus_mgmt_api::model::{
    Configuration, ConfigurationHistory, DateTime, HistoricConfiguration, HistoryEntry,
};

use crate::node::shared::Shared;
use crate::transaction::history::{Entry, History};
use crate::transaction::{document, secrets};

/// What management reads.
pub(super) struct Published {
    saved: bool,
    confirm_deadline: Option<DateTime>,
    /// The newest first.
    history: Vec<Entry>,
}

impl Published {
    pub(super) fn new(history: &History) -> Self {
        Self { saved: true, confirm_deadline: None, history: history.entries().cloned().collect() }
    }

    pub(super) fn update(&mut self, history: &History, saved: bool, confirm_deadline: Option<DateTime>) {
        *self = Self { saved, confirm_deadline, ..Self::new(history) };
    }
}

/// The running configuration.
pub fn configuration(shared: &Shared) -> Configuration {
    let current = shared.current();
    let published = shared.transactions.published();
    Configuration {
        revision: document::revision(&current.written),
        document: secrets::masked(current.written.clone()),
        saved: published.saved,
        confirm_deadline: published.confirm_deadline,
    }
}

/// The configurations that were committed.
pub fn history(shared: &Shared) -> ConfigurationHistory {
    let running = document::revision(&shared.current().written);
    let published = shared.transactions.published();
    let mut entry: Vec<HistoryEntry> = published.history.iter().map(|found| shown(found, &running)).collect();
    // The same document may have been committed before: it is the last of them that runs.
    let older = entry.iter_mut().skip_while(|entry| !entry.running).skip(1);
    older.for_each(|entry| entry.running = false);
    ConfigurationHistory { entry }
}

/// One of them.
pub fn at(shared: &Shared, number: u64) -> Option<HistoricConfiguration> {
    let entry = history(shared).entry.into_iter().find(|entry| entry.number == number)?;
    let published = shared.transactions.published();
    let found = published.history.iter().find(|entry| entry.number == number)?;
    Some(HistoricConfiguration { entry, document: secrets::masked(found.document.clone()) })
}

fn shown(entry: &Entry, running: &str) -> HistoryEntry {
    let revision = document::revision(&entry.document);
    HistoryEntry {
        number: entry.number,
        running: revision == running,
        revision,
        time: entry.time,
        author: entry.author.clone(),
        comment: entry.comment.clone(),
    }
}
