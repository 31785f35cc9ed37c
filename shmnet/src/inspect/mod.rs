//! Reading a segment without being in it: every field of every arena, with its offset, for diagnosis and for the record.
//!
//! ```text
//! source    where the bytes are: a directory of arenas, one arena, one file or device with all of them
//! arena     the fixed part and the tables of one arena
//! rings     its pair rings and its group areas
//! field     a value with its place and its name
//! ```
//! Nothing is written, no lock is taken, and nothing that is read is trusted: what makes no sense is reported as that.
//! `docs/architecture/segment.md` describes what is read here.

mod arena;
mod field;
mod rings;
mod source;

pub use self::field::{Field, Section, Value};
pub use self::source::{InspectError, inspect};
pub(crate) use self::source::{device_bytes, map};

/// A segment, or what is left of one.
#[derive(Clone, Debug, PartialEq)]
pub struct Inspection {
    /// What was read: `directory`, `arena` or `region`.
    pub kind: &'static str,
    /// The arenas, in the order of their nodes.
    pub arenas: Vec<InspectedArena>,
}

/// One arena.
#[derive(Clone, Debug, PartialEq)]
pub struct InspectedArena {
    /// Where it is: a path, with an offset if it does not begin there.
    pub place: String,
    /// The node that it says it belongs to; 0 if it says nothing.
    pub node: u16,
    /// Bytes that were there to be read.
    pub bytes: u64,
    /// What is wrong with it: why nothing or not all could be read.
    pub problems: Vec<String>,
    /// Its parts, in the order of their offsets.
    pub sections: Vec<Section>,
}

impl InspectedArena {
    /// How often its node's heart has beaten; `None` if that could not be read.
    #[must_use]
    pub fn heartbeats(&self) -> Option<u64> {
        let section = self.sections.iter().find(|section| section.name == "heartbeat")?;
        match section.fields.first()?.value {
            Value::Number(beats) => Some(beats),
            _ => None,
        }
    }
}
