//! The `isthmus` command: a node, the demo, or a client of a node.

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use isthmus::cli::args::{DemoArgs, RunArgs};
use isthmus::cli::error::Exit;
use isthmus::cli::{self, Request};
use isthmus::demo::{self, DemoOptions};
use isthmus::node::{self, RunOptions};
use isthmus::ospf_driver::Recording;
use isthmus::{init, logging, segment};

fn main() -> ExitCode {
    // The kernel of a virtual machine gives its first process words that are no commands.
    if init::is_init() {
        return logged(init::run);
    }
    match cli::read() {
        Request::Ask(global, question) => cli::ask(global, question),
        Request::Shm(form, action) => segment::shm(form, &action),
        Request::Bench(form, action) => segment::bench(form, &action),
        Request::Run(options) => logged(|| run(options)),
        Request::Demo(DemoArgs { once, json }) => logged(|| demo::run(DemoOptions { once, json })),
    }
}

fn run(options: RunArgs) -> ExitCode {
    let RunArgs { config, wait_interfaces, record_ospf, record_limit } = options;
    let wait = Duration::try_from_secs_f64(wait_interfaces).unwrap_or(Duration::MAX);
    let recording = record_ospf.map(|file| Recording { file, limit: record_limit });
    node::run(&config, &RunOptions { wait, recording })
}

/// What runs in this process logs; what asks another one does not.
fn logged(run: impl FnOnce() -> ExitCode) -> ExitCode {
    match logging::init() {
        Ok(()) => run(),
        Err(error) => {
            // Without a standard error there is nobody to tell.
            let _ = writeln!(std::io::stderr(), "isthmus: {error}\n  correct the variable, or unset it");
            Exit::Usage.into()
        }
    }
}
