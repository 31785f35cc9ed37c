//! The command line. Everything about a running node is asked over its REST API, so that whatever a command can do,
//! a program can do.
//!
//! | module | subject |
//! |---|---|
//! | [`args`] | the commands, their options and their help |
//! | [`client`] | requests to a node, over HTTP or its unix socket |
//! | [`error`] | what can go wrong, and the exit codes |
//! | `output` | the forms of output: table, wide, JSON, YAML |
//! | `table`, `text` | columns, and how values are written in them |
//! | `render` | each resource for people |
//! | [`mod@reference`] | the page of the documentation made from the help |
//! | `show`, `status`, `tools` | what the commands do |

pub mod args;
pub mod client;
pub mod error;
mod output;
pub mod reference;
mod render;
mod show;
mod status;
mod table;
mod text;
mod tools;

use std::process::ExitCode;

use clap::Parser;

use args::{Args, Command, DemoArgs, RunArgs};
use client::{Client, Target};
use error::CliError;
use output::Output;

use crate::demo::DemoOptions;

/// Runs the command that the process was started with.
pub fn run() -> ExitCode {
    let args = Args::parse();
    match dispatch(args) {
        Ok(exit) => exit,
        Err(error) => {
            error.report();
            error.exit().into()
        }
    }
}

fn dispatch(args: Args) -> Result<ExitCode, CliError> {
    let Args { global, command } = args;
    let mut output = Output::stdout(global.output);
    let connect = || Target::find(global.api.as_deref(), global.node).map(Client::new);
    let exit = match command {
        Command::Demo(DemoArgs { once, json }) => {
            return logged(|| crate::demo::run(DemoOptions { once, json }));
        }
        Command::Run(RunArgs { config }) => return logged(|| crate::node::run(&config)),
        Command::Check(check) => tools::check(&check, &mut output),
        Command::Schema => tools::schema(&mut output),
        Command::Version => tools::version(&mut output),
        Command::Status(options) => {
            status::status(|| Target::find(global.api.as_deref(), global.node), &options, &mut output)
        }
        Command::Show { what } => show::show(&connect()?, &what, &mut output),
        Command::Route { what } => show::route(&connect()?, &what, &mut output),
        Command::Interface { what } => tools::interface(&connect()?, &what, &mut output),
        Command::Ping(options) => tools::ping(&connect()?, &options, &mut output),
        Command::Traceroute(options) => tools::traceroute(&connect()?, &options, &mut output),
        Command::Capture(options) => tools::capture(&connect()?, &options, &mut output),
    };
    exit.map(ExitCode::from)
}

/// What runs in this process logs; what asks another one does not.
fn logged(run: impl FnOnce() -> ExitCode) -> Result<ExitCode, CliError> {
    crate::logging::init()?;
    Ok(run())
}
