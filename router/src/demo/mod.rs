//! `isthmus demo`: a cluster of three nodes, an outside router and an outside host on this machine, without root.
//!
//! Every node is a process of its own over one real segment; two of them have a NIC, which is a local socket to the
//! outside router. The tour shows what the product is for, measures it, and fails if a step does not hold.
//!
//! | module | subject |
//! |---|---|
//! | [`place`] | where the segment is |
//! | [`sweep`] | what a killed demo left |
//! | [`topology`] | the network and its configuration files |
//! | [`process`] | the node processes |
//! | [`outside`] | the outside host |
//! | [`client`] | questions to the nodes |
//! | [`tour`] | the steps, one after the other |
//! | [`convergence`] | steps: the nodes meet, routers become neighbors, routes appear |
//! | [`traffic`] | steps: ping, traceroute, the common address, throughput |
//! | [`failover`] | steps: a border router dies, and returns |
//! | [`report`] | the JSON document |
//! | [`say`] | progress, line by line |

pub mod client;
pub mod convergence;
pub mod credentials;
pub mod failover;
pub mod outside;
pub mod place;
pub mod process;
pub mod report;
pub mod say;
pub mod sweep;
pub mod topology;
pub mod tour;
pub mod traffic;

use std::io::{self, Write};
use std::process::ExitCode;

use tokio::signal::unix::{Signal, SignalKind, signal};

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

/// Runs the demo. The exit code is 0 if every step held, 1 if not, and 128 and the signal's number if a signal ended
/// the demo before the tour was over.
pub fn run(options: DemoOptions) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&error),
    };
    let result = runtime.block_on(demo(options));
    // A question to a node may still be under way on a thread of its own: nobody wants the answer.
    runtime.shutdown_background();
    match result {
        Ok(Outcome::Held) => ExitCode::SUCCESS,
        Ok(Outcome::Failed) => ExitCode::FAILURE,
        Ok(Outcome::Interrupted(signal)) => ExitCode::from(128 + signal),
        Err(error) => failed(&error),
    }
}

fn failed(error: &io::Error) -> ExitCode {
    Say::new(true).print(&format!("isthmus demo: {error}"));
    ExitCode::FAILURE
}

enum Outcome {
    Held,
    Failed,
    /// By the signal of this number.
    Interrupted(u8),
}

/// The signals that end the demo.
struct Stop {
    hang_up: Signal,
    interrupt: Signal,
    terminate: Signal,
}

impl Stop {
    fn new() -> io::Result<Self> {
        Ok(Self {
            hang_up: signal(SignalKind::hangup())?,
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    /// The number of the first that comes.
    async fn signal(&mut self) -> u8 {
        let kind = tokio::select! {
            _ = self.hang_up.recv() => SignalKind::hangup(),
            _ = self.interrupt.recv() => SignalKind::interrupt(),
            _ = self.terminate.recv() => SignalKind::terminate(),
        };
        kind.as_raw_value() as u8
    }
}

async fn demo(options: DemoOptions) -> io::Result<Outcome> {
    // The signals are caught before anything is started, so that nothing is left behind at any point.
    let mut stop = Stop::new()?;
    let say = Say::new(options.json);
    let mut tour = Tour::start(say.clone())?;
    let interrupted = tokio::select! {
        () = tour.run() => None,
        signal = stop.signal() => Some(signal),
    };
    if let Some(signal) = interrupted {
        tour.end();
        return Ok(Outcome::Interrupted(signal));
    }
    let concluded = conclude(options, &say, &tour);
    if concluded.is_ok() && !options.once {
        say.print("the cluster stays up until Ctrl-C");
        stop.signal().await;
    }
    let held = tour.report.ok;
    tour.end();
    concluded.map(|()| if held { Outcome::Held } else { Outcome::Failed })
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
