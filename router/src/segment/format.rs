//! `shm format`.

use isthmus_shmnet::format::{self, FormatError, Formatted};
use serde_json::json;

use crate::cli::args::FormatArgs;
use crate::cli::error::{CliError, Exit};
use crate::cli::output::Output;
use crate::cli::text::octets;

pub(super) fn format(options: &FormatArgs, output: &mut Output) -> Result<Exit, CliError> {
    let formatted = format::format(&options.path, options.size, options.force).map_err(failed)?;
    let place = options.path.display().to_string();
    if !output.is_table() {
        output.document(&match formatted {
            Formatted::Directory { removed } => {
                json!({ "segment": place, "kind": "directory", "arenas-removed": removed })
            }
            Formatted::Region { bytes } => json!({ "segment": place, "kind": "region", "size": bytes }),
        })?;
        return Ok(Exit::Success);
    }
    output.text(&match formatted {
        Formatted::Directory { removed: 0 } => std::format!("{place} is an empty segment: a file for each node\n"),
        Formatted::Directory { removed } => {
            std::format!("{place} is an empty segment: a file for each node; {removed} arenas of former nodes removed\n")
        }
        Formatted::Region { bytes } => std::format!("{place} is an empty segment: {} for all nodes\n", octets(bytes)),
    })?;
    Ok(Exit::Success)
}

fn failed(error: FormatError) -> CliError {
    let (remedy, exit) = match &error {
        FormatError::InUse { .. } => ("end the node first, or use --force if it is none", Exit::Negative),
        FormatError::NoSegment { .. } => ("name another path", Exit::Negative),
        FormatError::System { .. } => ("check the path, its permissions and the free space", Exit::Local),
    };
    CliError::Failed { message: error.to_string(), remedy: remedy.to_owned(), exit }
}
