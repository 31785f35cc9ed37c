//! Where the bytes are.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{InspectedArena, Inspection, arena};
use crate::layout::{PAGE, PeerArena};
use crate::memory::{Mapping, PeerSpan};
use crate::sigbus;

/// Why nothing could be read.
#[derive(Debug, thiserror::Error)]
pub enum InspectError {
    /// The path cannot be opened, or not mapped.
    #[error("{} cannot be read: {error}", path.display())]
    Unreadable {
        /// The path.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// There is no arena.
    #[error("{} has no arena of a node in it", .0.display())]
    NoArena(PathBuf),
}

/// Reads a directory of arenas, one arena, or one file or device with all of them. Nothing is written, and the nodes, if there
/// are any, do not notice.
///
/// # Errors
/// [`InspectError`] if there is nothing to read. An arena that cannot be understood is no error, but a
/// [problem](InspectedArena::problems) of that arena.
pub fn inspect(path: &Path) -> Result<Inspection, InspectError> {
    let unreadable = |error| InspectError::Unreadable { path: path.to_owned(), error };
    if fs::metadata(path).map_err(unreadable)?.is_dir() {
        return directory(path);
    }
    let mapping = map(path).map_err(unreadable)?;
    let whole = mapping.peer();
    let begins =
        Beginnings::find(&whole, mapping.page()).ok_or_else(|| InspectError::NoArena(path.to_owned()))?;
    let arenas: Vec<InspectedArena> = begins
        .offsets
        .iter()
        .filter_map(|offset| {
            let len = begins.stride.unwrap_or(whole.len()).min(whole.len() - offset);
            let place = match begins.stride {
                None => path.display().to_string(),
                Some(_) => format!("{} at {offset:#x}", path.display()),
            };
            Some(arena::read(place, &whole.sub(*offset, len).ok()?))
        })
        .collect();
    Ok(Inspection { kind: if begins.stride.is_some() { "region" } else { "arena" }, arenas })
}

fn directory(path: &Path) -> Result<Inspection, InspectError> {
    let unreadable = |error| InspectError::Unreadable { path: path.to_owned(), error };
    let mut names = Vec::new();
    for entry in fs::read_dir(path).map_err(unreadable)? {
        let name = entry.map_err(unreadable)?.file_name();
        if Path::new(&name).extension().is_some_and(|extension| extension == "arena") {
            names.push(name);
        }
    }
    names.sort();
    let arenas = names.iter().map(|name| path.join(name)).map(|file| {
        let place = file.display().to_string();
        match map(&file) {
            Ok(mapping) => arena::read(place, &mapping.peer()),
            Err(error) => InspectedArena {
                place,
                node: 0,
                bytes: 0,
                problems: vec![format!("cannot be read: {error}")],
                sections: Vec::new(),
            },
        }
    });
    let arenas: Vec<InspectedArena> = arenas.collect();
    if arenas.is_empty() {
        return Err(InspectError::NoArena(path.to_owned()));
    }
    Ok(Inspection { kind: "directory", arenas })
}

/// Maps a file or a device for reading. Only what the arenas' own words lead to is touched.
pub(crate) fn map(path: &Path) -> io::Result<Arc<Mapping>> {
    let file = File::open(path)?;
    let metadata = file.metadata()?;
    let kind = metadata.file_type();
    if !kind.is_file() && !kind.is_char_device() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "neither a file nor a memory device"));
    }
    let len = if kind.is_file() { metadata.len() } else { device_bytes(path)? };
    let len = usize::try_from(len).map_err(io::Error::other)?;
    let mapping = Mapping::read_only(&file, 0, len)?;
    sigbus::guard(&mapping)?;
    Ok(mapping)
}

/// The length of a memory device as the kernel tells it: a device file has none.
pub(crate) fn device_bytes(path: &Path) -> io::Result<u64> {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let text = fs::read_to_string(format!("/sys/bus/dax/devices/{name}/size"))?;
    text.trim().parse().map_err(io::Error::other)
}

/// Where arenas begin in one stretch of memory.
struct Beginnings {
    offsets: Vec<usize>,
    /// The distance between two; `None` for an arena alone.
    stride: Option<usize>,
}

impl Beginnings {
    /// Looks at every page of the file for an identity; the first one tells where the others are.
    fn find(whole: &PeerSpan, page: usize) -> Option<Self> {
        let page = page.max(PAGE);
        let (first, identity) = (0..whole.len()).step_by(page).find_map(|offset| {
            let here = whole.sub(offset, whole.len() - offset).ok()?;
            Some((offset, PeerArena::identity_of(&here).ok()?))
        })?;
        if first == 0 && identity.arena_len == whole.len() as u64 {
            return Some(Self { offsets: vec![0], stride: None });
        }
        let max_nodes = usize::try_from(identity.geometry[0]).ok().filter(|nodes| *nodes > 0)?;
        let stride = whole.len() / max_nodes / page * page;
        if stride == 0 || first != identity.node.index() * stride {
            // An arena of a node that makes no sense where it is: alone, as far as can be told.
            return Some(Self { offsets: vec![first], stride: None });
        }
        let offsets = (0..max_nodes).map(|index| index * stride);
        let offsets = offsets.filter(|offset| {
            let here = whole.sub(*offset, stride).ok();
            here.is_some_and(|here| super::field::word(&here, 0) != Some(0))
        });
        Some(Self { offsets: offsets.collect(), stride: Some(stride) })
    }
}
