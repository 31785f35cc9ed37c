//! Measurements in the lab, as one JSON document of rows. No test asserts them: they depend on the machine, and so each
//! stands beside a peer that is measured in the same run where there is one, else beside its target.
//!
//! | module | rows |
//! |---|---|
//! | [`tcp`] | `tap-tcp` |
//! | [`idle`] | `idle` |
//! | [`start`] | `full-at-frr`, `route-at-frr` |
//! | [`shm`] | the shared memory beside DPDK's memif, iceoryx2, veth and a bare ring |
//! | [`ospf`] | the OSPF engine beside FRR and BIRD on the same database |
//! | [`failover`] | `killed-outward`, `killed-inward` |
//! | [`row`] | what a row says |

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a program for developers, whose way to fail is to end"
)]

mod failover;
mod idle;
mod ospf;
mod row;
mod shm;
mod start;
mod tcp;

use std::alloc::System;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, exit};
use std::thread::available_parallelism;

use cap::Cap;
use clap::{Parser, ValueEnum};
use isthmus_tests::lab::{self, Lab};
use serde_json::{Value, json};

use row::Row;

/// Counts what an engine in this process keeps.
#[global_allocator]
static ALLOCATOR: Cap<System> = Cap::new(System, usize::MAX);

/// Measures a node beside its peer. Needs root: it makes network namespaces.
#[derive(Parser)]
struct Arguments {
    /// What is measured.
    name: Name,
    /// Writes the document into this file too.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// How often; each measurement has its own default.
    #[arg(long)]
    runs: Option<usize>,
    /// Writes the page about it below `docs/performance`. `shm` and `ospf` have one.
    #[arg(long)]
    report: bool,
    /// Measures one part only. Only `shm` has parts.
    #[arg(long)]
    only: Option<shm::Part>,
    /// Measures on one network only, `routers` or `externals`. Only `ospf` has them.
    #[arg(long)]
    network: Option<String>,
    /// Measures one router only, `isthmus`, `bird` or `frr`. Only `ospf` has them.
    #[arg(long)]
    router: Option<String>,
    /// Keeps samples that other processes have disturbed. Only `shm` drops them.
    #[arg(long)]
    busy: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum Name {
    /// TCP between two kernels through the fabric, in turn with the same over a veth pair.
    TapTcp,
    /// Processor time of each node of a fabric without traffic.
    Idle,
    /// From the start of a node to Full at FRR, and to the first route in FRR's kernel.
    RouteAtFrr,
    /// The longest silence around the SIGKILL of the border router in use, in both directions.
    FailoverKilled,
    /// The shared memory beside DPDK's memif, iceoryx2, veth and a bare ring.
    Shm,
    /// The OSPF engine beside FRR and BIRD, on the same injected database.
    Ospf,
    /// The document of `isthmus demo --once --json`.
    Demo,
}

/// Where pages about measurements are, from the root of the repository.
const PAGES: &str = "docs/performance";

fn main() {
    // A process that a measurement starts.
    let words: Vec<String> = env::args().skip(1).collect();
    if let Some(("shm-worker", words)) = words.split_first().map(|(first, rest)| (first.as_str(), rest)) {
        return end_on(shm::worker(words));
    }
    if let Some(("ospf-injector", words)) = words.split_first().map(|(first, rest)| (first.as_str(), rest)) {
        return end_on(ospf::injector(words));
    }
    if let [shm::KEEPER, process] = words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        return shm::keep(std::io::stdin().lock(), process);
    }
    let arguments = Arguments::parse();
    let runs = |default: usize| arguments.runs.unwrap_or(default);
    let machine = machine();
    let document = match arguments.name {
        Name::Demo => json!({ "machine": machine, "rows": [], "demo": demo() }),
        Name::Shm => {
            let page = arguments.report.then_some(Path::new(PAGES));
            end_on(shm::measure(machine, runs(shm::RUNS), (arguments.only, arguments.busy), page))
        }
        Name::Ospf => {
            let page = arguments.report.then_some(Path::new(PAGES));
            let (network, router) = (arguments.network.as_deref(), arguments.router.as_deref());
            end_on(ospf::measure(machine, runs(ospf::CHANGES), (network, router), page))
        }
        Name::TapTcp => rows(machine, tcp::measure(runs(9))),
        Name::Idle => rows(machine, idle::measure(runs(1))),
        Name::RouteAtFrr => rows(machine, start::measure(runs(5))),
        Name::FailoverKilled => rows(machine, failover::measure(runs(20))),
    };
    let text = format!("{document:#}\n");
    if let Some(path) = &arguments.json {
        fs::write(path, &text).unwrap_or_else(|error| panic_on(path, &error));
    }
    print!("{text}");
}

/// The result, or the end of the program with the error said.
fn end_on<T>(result: Result<T, shm::Failure>) -> T {
    result.unwrap_or_else(|error| {
        eprintln!("{error}");
        exit(1)
    })
}

fn rows(machine: Value, rows: Vec<Row>) -> Value {
    json!({ "machine": machine, "rows": rows.iter().map(Row::to_json).collect::<Vec<_>>() })
}

#[allow(clippy::panic, reason = "a program for developers, whose way to fail is to end")]
fn panic_on(path: &Path, error: &std::io::Error) {
    panic!("cannot write {}: {error}", path.display());
}

/// What the figures depend on.
fn machine() -> Value {
    let read = |path| fs::read_to_string(path).unwrap_or_default();
    let load = read("/proc/loadavg").split(' ').next().and_then(|load| load.parse::<f64>().ok());
    json!({
        "kernel": read("/proc/sys/kernel/osrelease").trim(),
        "cores": available_parallelism().map_or(1, usize::from),
        "load": load,
    })
}

fn demo() -> Value {
    let done =
        Command::new(lab::binary()).args(["demo", "--once", "--json"]).output().expect("the demo starts");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    serde_json::from_slice(&done.stdout).expect("a JSON document")
}

/// Runs a measurement in a lab of its own, and gives what it measured.
fn in_lab<T>(name: &str, measure: impl FnOnce(&Lab) -> T) -> T {
    let mut result = None;
    lab::run(name, |lab| result = Some(measure(lab)));
    result.expect("the lab needs root")
}
