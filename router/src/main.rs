//! The `isthmus` command: a node, the demo, or a client of a node.

use std::io::Write;
use std::process::ExitCode;

use isthmus::cli::args::DemoArgs;
use isthmus::cli::error::Exit;
use isthmus::cli::{self, Request};
use isthmus::demo::{self, DemoOptions};
use isthmus::{init, logging, node, segment};

fn main() -> ExitCode {
    // The kernel of a virtual machine gives its first process words that are no commands.
    if init::is_init() {
        return logged(init::run);
    }
    match cli::read() {
        Request::Ask(global, question) => cli::ask(global, question),
        Request::Shm(form, action) => segment::shm(form, &action),
        Request::Bench(form, action) => segment::bench(form, &action),
        Request::Run(config, options) => logged(|| node::run(&config, &options)),
        Request::Demo(DemoArgs { once, json }) => logged(|| demo::run(DemoOptions { once, json })),
    }
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
