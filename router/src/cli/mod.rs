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
//! | `show`, `status`, `config`, `tools`, `monitor`, `ospf`, `replay` | what the commands do |

pub mod args;
pub mod client;
mod config;
pub mod error;
mod monitor;
mod ospf;
pub(crate) mod output;
pub mod reference;
mod render;
mod replay;
mod show;
mod status;
pub(crate) mod table;
pub(crate) mod text;
mod token;
mod tools;

use std::process::ExitCode;

use clap::Parser;

use args::{Args, BenchAction, Command, DemoArgs, Format, GlobalArgs, Question, RunArgs, ShmAction};
use client::{Client, Credentials, Target};
use error::{CliError, Exit};
use output::Output;

/// What a command line asks for.
#[derive(Debug)]
pub enum Request {
    /// To be a node.
    Run(RunArgs),
    /// To show a cluster.
    Demo(DemoArgs),
    /// To look at shared memory, or to prepare it.
    Shm(Format, ShmAction),
    /// To measure this machine.
    Bench(Format, BenchAction),
    /// To ask a node that runs, or to work on a file: [`ask`] does.
    Ask(GlobalArgs, Question),
}

/// Reads the command line that the process was started with. Ends the process if it makes no sense.
pub fn read() -> Request {
    let Args { global, command } = Args::parse();
    match command {
        Command::Run(options) => Request::Run(options),
        Command::Demo(options) => Request::Demo(options),
        Command::Shm { action } => Request::Shm(global.output, action),
        Command::Bench { action } => Request::Bench(global.output, action),
        Command::Ask(question) => Request::Ask(global, question),
    }
}

/// Asks a node, or works on a file. What goes wrong is said on standard error.
pub fn ask(global: GlobalArgs, question: Question) -> ExitCode {
    ended(dispatch(global, question))
}

/// How a command ended, for whoever started it; what went wrong is said on standard error.
pub(crate) fn ended(result: Result<Exit, CliError>) -> ExitCode {
    match result {
        Ok(exit) => exit.into(),
        Err(error) => {
            error.report();
            error.exit().into()
        }
    }
}

fn dispatch(global: GlobalArgs, question: Question) -> Result<Exit, CliError> {
    let mut output = Output::stdout(global.output);
    let connect = || {
        let target = Target::find(global.api.as_deref(), global.node)?;
        Client::with(target, Credentials::read(&global.access)?)
    };
    match question {
        Question::Check(check) => tools::check(&check, &mut output),
        Question::Replay(options) => replay::replay(&options, &mut output),
        Question::Schema => tools::schema(&mut output),
        Question::Token { action } => token::token(&action, &mut output),
        Question::Version => tools::version(&mut output),
        Question::Status(options) => status::status(connect, &options, &mut output),
        Question::Show { what } => show::show(&connect()?, &what, &mut output),
        Question::Route { what } => show::route(&connect()?, &what, &mut output),
        Question::Ospf { what } => ospf::ospf(&connect()?, &what, &mut output),
        Question::Interface { what } => tools::interface(&connect()?, &what, &mut output),
        Question::Monitor(options) => monitor::monitor(&connect()?, &options, &mut output),
        Question::Config { what } => config::config(&connect()?, &what, &mut output),
        Question::Ping(options) => tools::ping(&connect()?, &options, &mut output),
        Question::Traceroute(options) => tools::traceroute(&connect()?, &options, &mut output),
        Question::Capture(options) => tools::capture(&connect()?, &options, &mut output),
    }
}
