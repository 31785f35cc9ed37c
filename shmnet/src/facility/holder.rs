//! Who holds a node id in a directory, in words: for those who are refused, and for the next holder, who goes on counting
//! incarnations from there.

use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;

use rustix::fs::{AtFlags, Dir, Mode, OFlags, openat, unlinkat};

use crate::node::NodeId;

/// Process, incarnation and host of a holder.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Holder {
    pub(super) pid: u32,
    pub(super) hostname: String,
    pub(super) incarnation: u64,
}

/// Where a directory keeps it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Records {
    /// In the lock file: `PID INCARNATION HOSTNAME`.
    Content,
    /// In the name of an empty file, where files cannot be written: `node-001.holder PID INCARNATION HOSTNAME`.
    Name,
}

impl Records {
    pub(super) fn read(self, directory: &OwnedFd, node: NodeId, lock: &File) -> Holder {
        match self {
            Self::Content => Holder::in_file(lock),
            Self::Name => names(directory, node)
                .into_iter()
                .map(|(_, holder)| holder)
                .max_by_key(|holder| holder.incarnation)
                .unwrap_or_else(Holder::unknown),
        }
    }

    /// Only a diagnostic and a hint depend on it, so that what cannot be written is let be.
    pub(super) fn write(self, directory: &OwnedFd, node: NodeId, lock: &File, holder: &Holder) {
        let text = holder.text();
        match self {
            Self::Content => {
                let _ = lock.write_all_at(format!("{text}\n").as_bytes(), 0);
                let _ = lock.set_len(text.len() as u64 + 1);
            }
            Self::Name => {
                let former = names(directory, node);
                let name = format!("{}{text}", prefix(node));
                let flags = OFlags::RDONLY | OFlags::CREATE | OFlags::CLOEXEC | OFlags::NOFOLLOW;
                // The new one first: at no time is there none.
                if openat(directory, &name, flags, Mode::RUSR | Mode::RGRP).is_ok() {
                    for (other, _) in former.iter().filter(|(other, _)| *other != name) {
                        let _ = unlinkat(directory, other, AtFlags::empty());
                    }
                }
            }
        }
    }
}

impl Holder {
    /// The holder of a lock that has not yet written who it is.
    fn unknown() -> Self {
        Self { hostname: "an unknown host".to_owned(), ..Self::default() }
    }

    fn in_file(mut file: &File) -> Self {
        let mut text = String::new();
        // A lock file that cannot be read or says nothing belongs to a holder that has not yet written it.
        let _ = file.by_ref().take(256).read_to_string(&mut text);
        Self::parse(&text)
    }

    fn parse(text: &str) -> Self {
        let mut words = text.split_whitespace();
        let mut number = || words.next().and_then(|word| word.parse().ok()).unwrap_or(0);
        let pid = u32::try_from(number()).unwrap_or(0);
        let incarnation = number();
        let unknown = Self::unknown().hostname;
        Self { pid, incarnation, hostname: words.next().map_or(unknown, str::to_owned) }
    }

    fn text(&self) -> String {
        let Self { pid, hostname, incarnation } = self;
        let hostname = if hostname.is_empty() { "-" } else { hostname };
        format!("{pid} {incarnation} {hostname}")
    }
}

/// The records of a node that are names, with what they say.
fn names(directory: &OwnedFd, node: NodeId) -> Vec<(String, Holder)> {
    let Ok(entries) = Dir::read_from(directory) else { return Vec::new() };
    let prefix = prefix(node);
    let named = entries.flatten().filter_map(|entry| {
        let name = entry.file_name().to_str().ok()?.to_owned();
        let holder = Holder::parse(name.strip_prefix(&prefix)?);
        Some((name, holder))
    });
    named.collect()
}

fn prefix(node: NodeId) -> String {
    format!("node-{:03}.holder ", node.get())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_kinds_of_records_say_who_it_was_last() {
        let path = std::env::temp_dir().join(format!("isthmus-holder-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        let directory: OwnedFd = File::open(&path).unwrap().into();
        let node = NodeId::new(7).unwrap();
        for records in [Records::Content, Records::Name] {
            let lock = path.join("lock");
            let open =
                || File::options().read(true).write(true).create(true).truncate(false).open(&lock).unwrap();
            assert_eq!(records.read(&directory, node, &open()), Holder::unknown());
            for incarnation in 1..4 {
                let holder = Holder { pid: 4711, hostname: "here".into(), incarnation };
                records.write(&directory, node, &open(), &holder);
                assert_eq!(records.read(&directory, node, &open()), holder);
            }
            let nameless = Holder { pid: 1, hostname: String::new(), incarnation: 4 };
            records.write(&directory, node, &open(), &nameless);
            assert_eq!(records.read(&directory, node, &open()).hostname, "-");
        }
        assert_eq!(names(&directory, node).len(), 1);
        // What a process that died between the two steps leaves: the later one counts.
        std::fs::write(path.join("node-007.holder 2 9 there"), "").unwrap();
        std::fs::write(path.join("node-007.holder nonsense"), "").unwrap();
        std::fs::write(path.join("node-008.holder 2 99 there"), "").unwrap();
        assert_eq!(Records::Name.read(&directory, node, &File::open(&path).unwrap()).incarnation, 9);
        std::fs::remove_dir_all(&path).unwrap();
    }
}
