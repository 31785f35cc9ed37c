//! `isthmus demo`: a cluster of three nodes, an outside router and an outside host on this machine, without root.
//!
//! Every node is a process of its own over one real segment; two of them have a NIC, which is a local socket to the
//! outside router. The tour shows what the product is for, measures it, and fails if a step does not hold.
//!
//! | module | subject |
//! |---|---|
//! | [`place`] | where the segment is |
//! | [`topology`] | the network and its configuration files |
//! | [`process`] | the node processes |
//! | [`outside`] | the outside host |
//! | [`tour`] | the steps |
//! | [`failover`] | the interruption when a border router dies |
//! | [`report`] | the JSON document |

pub mod client;
pub mod failover;
pub mod outside;
pub mod place;
pub mod process;
pub mod report;
pub mod say;
pub mod topology;
pub mod tour;

use std::io::{self, Write};
use std::process::ExitCode;

use tokio::signal::unix::{SignalKind, signal};

use report::Report;
use say::Say;
use tour::Tour;

/// How the demo is run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DemoOptions {
    /// End after the tour.
    pub once: bool,
    /// Print one JSON document on standard output; progress goes to standard error.
    pub json: bool,
}

/// Runs the demo. The exit code says whether every step held.
pub fn run(options: DemoOptions) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&error),
    };
    match runtime.block_on(demo(options)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => failed(&error),
    }
}

fn failed(error: &io::Error) -> ExitCode {
    Say::new(true).print(&format!("isthmus demo: {error}"));
    ExitCode::FAILURE
}

async fn demo(options: DemoOptions) -> io::Result<bool> {
    // The signals are caught before anything is started, so that nothing is left behind at any point.
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hang_up = signal(SignalKind::hangup())?;
    let stopped = async {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hang_up.recv() => {}
        }
    };
    tokio::pin!(stopped);
    let say = Say::new(options.json);
    let mut tour = Tour::start(say.clone())?;
    let interrupted = tokio::select! {
        () = tour.run() => false,
        () = &mut stopped => true,
    };
    let held = !interrupted && tour.report.ok;
    if !interrupted {
        conclude(options, &say, &tour)?;
        if !options.once {
            say.print("the cluster stays up until Ctrl-C");
            stopped.await;
        }
    }
    tour.end();
    Ok(held || (interrupted && !options.once))
}

fn conclude(options: DemoOptions, say: &Say, tour: &Tour) -> io::Result<()> {
    match tour.failed() {
        [] => say.print("every step held"),
        failed => say.print(&format!("steps that did not hold: {}", failed.join(", "))),
    }
    if options.json { print_report(&tour.report, options.once) } else { Ok(()) }
}

/// One line while the demo stays up, so that a reader knows where the document ends; else indented for people.
fn print_report(report: &Report, once: bool) -> io::Result<()> {
    let document = if once { serde_json::to_string_pretty(report) } else { serde_json::to_string(report) };
    let mut out = io::stdout().lock();
    writeln!(out, "{}", document.map_err(io::Error::other)?)?;
    out.flush()
}
