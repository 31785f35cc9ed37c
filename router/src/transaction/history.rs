//! The configurations that were committed: kept in memory, and in a directory where that can be written.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use isthmus_mgmt_api::model::DateTime;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::file::{RealDisk, stage};

/// Entries that are kept.
pub const KEPT: usize = 50;

/// A configuration that was committed, with all that is needed to apply it again. It holds the secrets.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Entry {
    /// Counts up from 1.
    pub number: u64,
    /// When it was committed.
    pub time: DateTime,
    /// By whom.
    pub author: String,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// The text of the file.
    pub text: String,
    /// As it was written, without the defaults of its keys.
    pub document: Value,
}

/// The configurations that were committed.
#[derive(Debug, Default)]
pub struct History {
    entries: BTreeMap<u64, Entry>,
    directory: Option<PathBuf>,
}

impl History {
    /// The history in a directory, which need not exist yet. What is no entry there is passed over.
    pub fn open(directory: Option<PathBuf>) -> Self {
        let mut entries = BTreeMap::new();
        for path in directory.iter().flat_map(|directory| files(directory)) {
            match read(&path) {
                Ok(entry) => drop(entries.insert(entry.number, entry)),
                Err(error) => {
                    tracing::warn!(path = %path.display(), %error, "an entry of the history cannot be read");
                }
            }
        }
        Self { entries, directory }
    }

    /// The entries, the newest first.
    pub fn entries(&self) -> impl DoubleEndedIterator<Item = &Entry> {
        self.entries.values().rev()
    }

    /// The newest entry.
    pub fn newest(&self) -> Option<&Entry> {
        self.entries.values().next_back()
    }

    /// An entry by its number.
    pub fn get(&self, number: u64) -> Option<&Entry> {
        self.entries.get(&number)
    }

    /// Adds an entry under the next number; the oldest beyond [`KEPT`] go. Returns why it is only in memory, if it is.
    ///
    /// # Errors
    /// The directory cannot be written. The entry is there all the same, for as long as the process lives.
    pub fn add(&mut self, entry: Entry) -> io::Result<u64> {
        let number = self.newest().map_or(0, |newest| newest.number).saturating_add(1);
        let entry = Entry { number, ..entry };
        let written = self.directory.as_deref().map_or(Ok(()), |directory| write(directory, &entry));
        self.entries.insert(number, entry);
        while self.entries.len() > KEPT {
            if let (Some((number, _)), Some(directory)) = (self.entries.pop_first(), &self.directory) {
                // One that cannot be removed is passed over by nobody; it only takes room.
                let _ = fs::remove_file(directory.join(name(number)));
            }
        }
        written.map(|()| number)
    }
}

fn name(number: u64) -> String {
    format!("{number:08}.json")
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let Ok(files) = fs::read_dir(directory) else { return Vec::new() };
    let mut files: Vec<PathBuf> = files
        .flatten()
        .map(|file| file.path())
        .filter(|path| path.extension().is_some_and(|end| end == "json"))
        .collect();
    files.sort();
    // More than are ever kept were put there by somebody else.
    files.split_off(files.len().saturating_sub(KEPT))
}

fn read(path: &Path) -> io::Result<Entry> {
    const LARGEST: u64 = 4 * 1024 * 1024;
    if fs::metadata(path)?.len() > LARGEST {
        return Err(io::Error::other("it is larger than any configuration"));
    }
    let entry: Entry = serde_json::from_slice(&fs::read(path)?).map_err(io::Error::other)?;
    if path.file_name().is_none_or(|file| file != name(entry.number).as_str()) {
        return Err(io::Error::other("its number is not that of its name"));
    }
    Ok(entry)
}

/// The entries hold secrets: nobody but the owner reads them.
fn write(directory: &Path, entry: &Entry) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    let text = serde_json::to_vec_pretty(entry).map_err(io::Error::other)?;
    stage(&mut RealDisk, &directory.join(name(entry.number)), &text)?.commit(&mut RealDisk)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn entry(author: &str) -> Entry {
        let (text, document) = ("hostname: a\n".to_owned(), serde_json::json!({ "hostname": "a" }));
        Entry { number: 0, time: DateTime(5), author: author.to_owned(), comment: None, text, document }
    }

    #[test]
    fn entries_outlive_the_process_and_are_bounded() {
        let directory = std::env::temp_dir().join(format!("isthmus-history-{}", std::process::id()));
        let mut history = History::open(Some(directory.clone()));
        for _ in 0..KEPT + 3 {
            history.add(entry("first")).unwrap();
        }
        fs::write(directory.join("00000099.json"), "{}").unwrap();
        fs::write(directory.join("notes.txt"), "not an entry").unwrap();
        let mode = fs::metadata(directory.join(name(4))).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "it holds secrets");
        let mut again = History::open(Some(directory.clone()));
        assert_eq!(again.newest(), history.newest());
        assert!(again.get(3).is_none() && again.get(5).is_some());
        assert_eq!(again.add(entry("second")).unwrap(), KEPT as u64 + 4);
        assert_eq!(again.entries().next().map(|entry| entry.author.as_str()), Some("second"));
        fs::remove_dir_all(directory).unwrap();
    }

    #[test]
    fn a_directory_that_cannot_be_written_leaves_the_history_in_memory() {
        let mut history = History::open(Some(PathBuf::from("/proc/no-history-here")));
        assert!(history.add(entry("somebody")).is_err());
        assert_eq!(history.newest().map(|entry| entry.number), Some(1));
    }
}
