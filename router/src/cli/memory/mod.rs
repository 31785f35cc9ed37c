//! The shared memory itself: reading it, preparing it, measuring it. None of these asks a node.

mod bench;
mod dump;
mod format;

use super::args::{BenchAction, ShmAction};
use super::error::{CliError, Exit};
use super::output::Output;

pub(super) fn shm(action: &ShmAction, output: &mut Output) -> Result<Exit, CliError> {
    match action {
        ShmAction::Dump(options) => dump::dump(options, output),
        ShmAction::Format(options) => format::format(options, output),
    }
}

pub(super) fn bench(action: &BenchAction, output: &mut Output) -> Result<Exit, CliError> {
    match action {
        BenchAction::Shm(options) => bench::shm(options, output),
    }
}
