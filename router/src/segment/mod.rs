//! The commands about the shared memory itself: reading it, preparing it, measuring it. They work in this process and ask
//! no node, so that they work where all nodes are dead.

mod bench;
mod dump;
mod format;

use std::process::ExitCode;

use crate::cli::args::{BenchAction, Format, ShmAction};
use crate::cli::ended;
use crate::cli::output::Output;

/// Reads or prepares a segment. What goes wrong is said on standard error.
pub fn shm(form: Format, action: &ShmAction) -> ExitCode {
    let mut output = Output::stdout(form);
    ended(match action {
        ShmAction::Dump(options) => dump::dump(options, &mut output),
        ShmAction::Format(options) => format::format(options, &mut output),
    })
}

/// Measures this machine. What goes wrong is said on standard error.
pub fn bench(form: Format, action: &BenchAction) -> ExitCode {
    let mut output = Output::stdout(form);
    ended(match action {
        BenchAction::Shm(options) => bench::shm(options, &mut output),
    })
}
