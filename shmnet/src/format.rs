//! Preparing an empty segment: making the place, and clearing what former nodes left there.
//!
//! Zeroed memory is an empty segment, so there is nothing to write but zeros.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::facility::Directory;
use crate::inspect::{self, InspectError, Inspection};
use crate::layout::{MAGIC, PAGE, PeerArena};
use crate::memory::{Coherence, Mapping, huge_page_of};

/// What was prepared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Formatted {
    /// A directory, with a file for each node; so many arenas of former nodes were removed.
    Directory {
        /// Arenas removed.
        removed: usize,
    },
    /// One file or device of so many bytes for all nodes.
    Region {
        /// Its length.
        bytes: u64,
    },
}

/// Why a segment was not prepared.
#[derive(Debug, thiserror::Error)]
pub enum FormatError {
    /// A node lives there.
    #[error("node {node} lives in {}", place.display())]
    InUse {
        /// The segment.
        place: PathBuf,
        /// The node.
        node: u16,
    },
    /// There is something else.
    #[error("{} is no segment: {what}", place.display())]
    NoSegment {
        /// The path.
        place: PathBuf,
        /// What is there.
        what: &'static str,
    },
    /// The system refused.
    #[error("{} cannot be prepared: {error}", place.display())]
    System {
        /// The path.
        place: PathBuf,
        /// What the system said.
        error: io::Error,
    },
}

/// Prepares an empty segment at a path: a directory, or with `size` (or at a file or device that is there) one stretch of
/// memory for all nodes. Takes up to a third of a second, in which it looks whether a node lives there.
///
/// # Errors
/// [`FormatError`]; with `force` a living node is no reason.
pub fn format(place: &Path, size: Option<u64>, force: bool) -> Result<Formatted, FormatError> {
    let system = |error| FormatError::System { place: place.to_owned(), error };
    match fs::metadata(place) {
        Ok(metadata) if metadata.is_dir() => {
            if size.is_some() {
                let what = "a directory has no size of its own";
                return Err(FormatError::NoSegment { place: place.to_owned(), what });
            }
            clear_directory(place, force)
        }
        Ok(metadata) if metadata.is_file() => clear_file(place, size.unwrap_or(metadata.len()), force),
        Ok(metadata) if metadata.file_type().is_char_device() => clear_device(place, force),
        Ok(_) => Err(FormatError::NoSegment {
            place: place.to_owned(),
            what: "neither a directory, nor a file, nor a memory device",
        }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => match size {
            Some(size) => make_file(place, size),
            None => {
                DirBuilder::new().mode(0o770).create(place).map_err(system)?;
                Ok(Formatted::Directory { removed: 0 })
            }
        },
        Err(error) => Err(system(error)),
    }
}

/// Removes the arenas of nodes that do not live. The lock files stay: they know the last incarnations.
fn clear_directory(place: &Path, force: bool) -> Result<Formatted, FormatError> {
    let system = |error| FormatError::System { place: place.to_owned(), error };
    let directory = Directory::open(place.to_owned(), Coherence::Hardware)
        .map_err(|error| system(io::Error::other(error.to_string())))?;
    if !force && let Some(node) = directory.held_ids().map_err(system)?.first() {
        return Err(FormatError::InUse { place: place.to_owned(), node: node.get() });
    }
    Ok(Formatted::Directory { removed: directory.clear().map_err(system)? })
}

fn make_file(place: &Path, size: u64) -> Result<Formatted, FormatError> {
    let system = |error| FormatError::System { place: place.to_owned(), error };
    let mut options = OpenOptions::new();
    options.read(true).write(true).create_new(true).mode(0o660);
    let file = options.open(place).map_err(system)?;
    let bytes = whole_pages(&file, size);
    file.set_len(bytes).map_err(system)?;
    Ok(Formatted::Region { bytes })
}

fn clear_file(place: &Path, size: u64, force: bool) -> Result<Formatted, FormatError> {
    let system = |error| FormatError::System { place: place.to_owned(), error };
    if size == 0 {
        return Err(FormatError::NoSegment {
            place: place.to_owned(),
            what: "the file is empty: give it a size",
        });
    }
    refuse_what_lives(place, force)?;
    let file = OpenOptions::new().write(true).open(place).map_err(system)?;
    let bytes = whole_pages(&file, size);
    // Whoever still has it mapped sees zeros, not a shorter file: the same inode, emptied in place.
    let emptied = rustix::fs::fallocate(
        &file,
        rustix::fs::FallocateFlags::PUNCH_HOLE | rustix::fs::FallocateFlags::KEEP_SIZE,
        0,
        bytes,
    );
    match emptied {
        Ok(()) => {}
        Err(rustix::io::Errno::OPNOTSUPP) => zero(&file, bytes).map_err(system)?,
        Err(errno) => return Err(system(errno.into())),
    }
    file.set_len(bytes).map_err(system)?;
    Ok(Formatted::Region { bytes })
}

/// The length in pages of an arena, or of the file if they are larger.
fn whole_pages(file: &File, size: u64) -> u64 {
    size.next_multiple_of(huge_page_of(file).unwrap_or(PAGE as u64))
}

fn clear_device(place: &Path, force: bool) -> Result<Formatted, FormatError> {
    let system = |error| FormatError::System { place: place.to_owned(), error };
    refuse_what_lives(place, force)?;
    let bytes = inspect::device_bytes(place).map_err(system)?;
    let file = OpenOptions::new().read(true).write(true).open(place).map_err(system)?;
    zero(&file, bytes).map_err(system)?;
    Ok(Formatted::Region { bytes })
}

fn zero(file: &File, bytes: u64) -> io::Result<()> {
    let len = usize::try_from(bytes).map_err(io::Error::other)?;
    let mapping = Mapping::read_write(file, 0, len)?;
    let memory = mapping.own().map_err(io::Error::other)?;
    memory.zero(0, len);
    memory.write_back(0, len);
    memory.write_back_fence();
    Ok(())
}

/// Looks for a beating heart. A file that holds no arena, but is not empty either, is somebody's, and not a segment.
fn refuse_what_lives(place: &Path, force: bool) -> Result<(), FormatError> {
    if force {
        return Ok(());
    }
    let first = match inspect::inspect(place) {
        Ok(first) => first,
        Err(InspectError::NoArena(_)) => return refuse_what_is_not_ours(place),
        Err(InspectError::Unreadable { error, .. }) => {
            return Err(FormatError::System { place: place.to_owned(), error });
        }
    };
    let give_up = Instant::now() + WATCH;
    while Instant::now() < give_up {
        std::thread::sleep(WATCH / 10);
        let Ok(now) = inspect::inspect(place) else { break };
        if let Some(node) = beating(&first, &now) {
            return Err(FormatError::InUse { place: place.to_owned(), node });
        }
    }
    Ok(())
}

fn refuse_what_is_not_ours(place: &Path) -> Result<(), FormatError> {
    let mapping =
        inspect::map(place).map_err(|error| FormatError::System { place: place.to_owned(), error })?;
    let begins = mapping.peer();
    let word = begins.load_u64(0, crate::sync::Ordering::Acquire);
    if word == 0 || word == MAGIC || PeerArena::identity_of(&begins).is_ok() {
        return Ok(());
    }
    Err(FormatError::NoSegment {
        place: place.to_owned(),
        what: "it holds something else; --force overwrites it",
    })
}

/// A node whose count of heartbeats differs.
fn beating(first: &Inspection, now: &Inspection) -> Option<u16> {
    first.arenas.iter().find_map(|before| {
        let after = now.arenas.iter().find(|arena| arena.place == before.place)?;
        (before.heartbeats() != after.heartbeats()).then_some(after.node)
    })
}

/// Many heartbeats long.
const WATCH: Duration = Duration::from_millis(300);
