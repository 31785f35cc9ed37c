//! The engine beside FRR and BIRD, on the same database: one scripted neighbor describes a network that does not exist to
//! each of them in turn, and then changes it.
//!
//! | module | subject |
//! |---|---|
//! | [`database`] | the network: a grid of routers, each with a host, and networks outside |
//! | [`injector`] | the neighbor, a process of its own at the other end of the cable |
//! | [`socket`] | its raw socket |
//! | [`contestant`] | the routers that are measured: processor time, memory, routes |
//! | [`engine`] | our engine alone, in this process: heap and calculations |
//! | [`report`] | the page |
//!
//! A change costs a router the processor time of all its threads from the change until 1.2 s after its
//! acknowledgment, which is longer than the tick of one second that BIRD calculates routes at, less what the same router
//! takes in that time when nothing happens.

mod contestant;
mod database;
mod engine;
mod injector;
mod report;
mod socket;

use std::env;
use std::io::{BufRead, BufReader, Write};
use std::net::Ipv4Addr;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use isthmus_tests::lab::{Lab, Namespace};
use serde_json::{Value, json};

use crate::in_lab;
use crate::row::{Row, Target, median};
use crate::shm::Failure;
use contestant::{Contestant, Make};

pub(crate) use injector::run as injector;

/// The injector's end of the cable, and the other one.
const INJECTOR_ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 1);
const ROUTER_ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 2);
const NETWORK_MASK: Ipv4Addr = Ipv4Addr::new(255, 255, 255, 252);
/// The injector is the higher one, so that it is the master of the exchange.
const INJECTOR_ID: Ipv4Addr = Ipv4Addr::new(10, 250, 0, 1);
const ROUTER_ID: Ipv4Addr = Ipv4Addr::new(10, 1, 0, 1);

/// How many leaf changes there are by default; the other changes are a fifth.
pub(crate) const CHANGES: usize = 50;
/// After the acknowledgment of a change, until its cost is read: longer than BIRD's tick of a second.
const SETTLE: Duration = Duration::from_millis(1200);
/// How long a router is watched that has nothing to do.
const IDLE: Duration = Duration::from_secs(8);

/// A network to describe.
#[derive(Clone, Copy)]
pub(crate) struct Size {
    name: &'static str,
    routers: u32,
    outside: u32,
    /// The changes that are measured on it, and how many of each for a hundred leaf changes.
    changes: &'static [(&'static str, usize)],
}

const SIZES: [Size; 2] = [
    Size {
        name: "routers",
        routers: 10_000,
        outside: 0,
        changes: &[("host", 100), ("entry", 20), ("link", 40)],
    },
    Size { name: "externals", routers: 100, outside: 100_000, changes: &[("outside", 20)] },
];

/// What one router did with one network.
#[derive(Debug)]
pub(crate) struct Session {
    make: Make,
    size: &'static str,
    /// From the first description to the last advertisement asked for, in milliseconds.
    synchronised: f64,
    /// From the first hello to the last advertisement asked for, in milliseconds.
    full: f64,
    /// From the first hello to all routes in the forwarding table, in milliseconds.
    forwarding: f64,
    /// Resident memory of the whole router with everything in place, in MiB.
    memory: f64,
    /// Processor time until then, in milliseconds.
    exchange: f64,
    /// Processor time of an idle second, in milliseconds.
    idle: f64,
    /// Processor time of each change of a kind, in milliseconds.
    changes: Vec<(&'static str, Vec<f64>)>,
}

/// Measures all routers on all networks, or one of either.
pub(crate) fn measure(
    machine: Value,
    changes: usize,
    (only, router): (Option<&str>, Option<&str>),
    directory: Option<&Path>,
) -> Result<Value, Failure> {
    let sizes = || SIZES.into_iter().filter(|size| only.is_none_or(|only| only == size.name));
    let mut sessions = Vec::new();
    for size in sizes() {
        let makes = [Make::Isthmus, Make::Bird, Make::Frr];
        for make in makes.into_iter().filter(|make| router.is_none_or(|only| only == make.name())) {
            eprintln!("{} of {}", size.name, make.name());
            let session = in_lab("m-ospf", |lab| one(lab, make, size, changes))?;
            eprintln!("{session:?}");
            sessions.push(session);
        }
    }
    let engines: Vec<_> = sizes().map(|size| engine::measure(size, changes)).collect();
    eprintln!("{engines:?}");
    let mut rows = rows(&sessions);
    rows.extend(engine::rows(&engines));
    let document = json!({
        "machine": machine,
        "versions": contestant::versions(),
        "rows": rows.iter().map(Row::to_json).collect::<Vec<_>>(),
        "sessions": sessions.iter().map(Session::to_json).collect::<Vec<_>>(),
        "engines": engines.iter().map(engine::Figures::to_json).collect::<Vec<_>>(),
    });
    if let Some(directory) = directory {
        report::write(directory, &document)?;
    }
    Ok(document)
}

/// One router, one network.
fn one(lab: &Lab, make: Make, size: Size, changes: usize) -> Result<Session, Failure> {
    let [near, far] = ["injector", "router"].map(|name| lab.namespace(name));
    lab.cable((&near, "wire"), (&far, "wire"));
    near.address("wire", &format!("{INJECTOR_ADDRESS}/30"));
    far.address("wire", &format!("{ROUTER_ADDRESS}/30"));
    let router = Contestant::start(lab, &far, make);
    let mut injector = Injector::start(&near, size)?;

    let (began, before) = (Instant::now(), router.processor_time());
    let words = injector.ask("exchange")?;
    let seconds = |index: usize| -> Result<f64, Failure> {
        Ok(words.get(index).ok_or("no figure from the injector")?.parse::<f64>()? * 1e3)
    };
    let (synchronised, full) = (seconds(0)?, seconds(1)?);
    router.await_routes(injector.routes);
    let forwarding = began.elapsed().as_secs_f64() * 1e3;
    sleep(Duration::from_secs(3));
    let exchange = milliseconds(router.processor_time() - before);
    let memory = router.resident_memory();
    let idle = idle(&router);

    let mut measured = Vec::new();
    for &(kind, percent) in size.changes {
        let count = (changes * percent / 100).max(1);
        measured.push((kind, costs(&router, &mut injector, kind, count, idle)?));
    }
    let (make, size) = (router.make(), size.name);
    Ok(Session { make, size, synchronised, full, forwarding, memory, exchange, idle, changes: measured })
}

/// Processor time of an idle second, in milliseconds.
fn idle(router: &Contestant) -> f64 {
    let (began, before) = (Instant::now(), router.processor_time());
    sleep(IDLE);
    milliseconds(router.processor_time() - before) / began.elapsed().as_secs_f64()
}

/// Processor time of each of some changes of a kind, in milliseconds.
fn costs(
    router: &Contestant,
    injector: &mut Injector,
    kind: &str,
    count: usize,
    idle: f64,
) -> Result<Vec<f64>, Failure> {
    (0..count)
        .map(|number| {
            // Scattered over the network.
            let place = number * 7919 + 17;
            let (began, before) = (Instant::now(), router.processor_time());
            injector.ask(&format!("{kind} {place}"))?;
            sleep(SETTLE);
            let used = milliseconds(router.processor_time() - before);
            Ok((used - idle * began.elapsed().as_secs_f64()).max(0.0))
        })
        .collect()
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// The injector's process.
struct Injector {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    /// Routes that follow from its network.
    routes: u64,
}

impl Injector {
    fn start(namespace: &Namespace, size: Size) -> Result<Self, Failure> {
        let mut child = Command::new("ip")
            .args(["netns", "exec", namespace.id()])
            .arg(env::current_exe()?)
            .arg("ospf-injector")
            .args([size.routers, size.outside].map(|count| count.to_string()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let input = child.stdin.take().ok_or("no standard input")?;
        let output = BufReader::new(child.stdout.take().ok_or("no standard output")?);
        let mut injector = Self { child, input, output, routes: 0 };
        injector.routes = injector.answer()?.first().ok_or("no number of routes")?.parse()?;
        Ok(injector)
    }

    /// Has something done; the words of the answer after the first.
    fn ask(&mut self, line: &str) -> Result<Vec<String>, Failure> {
        writeln!(self.input, "{line}")?;
        self.input.flush()?;
        self.answer()
    }

    fn answer(&mut self) -> Result<Vec<String>, Failure> {
        let mut line = String::new();
        if self.output.read_line(&mut line)? == 0 {
            return Err("the injector has ended".into());
        }
        Ok(line.split_whitespace().skip(1).map(str::to_owned).collect())
    }
}

impl Drop for Injector {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Session {
    fn changes(&self, kind: &str) -> Vec<f64> {
        let found = self.changes.iter().find(|(name, _)| *name == kind);
        found.map(|(_, costs)| costs.clone()).unwrap_or_default()
    }

    fn to_json(&self) -> Value {
        let changes: serde_json::Map<String, Value> = self
            .changes
            .iter()
            .map(|(kind, costs)| ((*kind).to_owned(), json!({ "median-ms": median(costs), "all-ms": costs })))
            .collect();
        json!({
            "router": self.make.name(), "network": self.size, "synchronised-ms": self.synchronised, "full-ms": self.full,
            "forwarding-ms": self.forwarding, "resident-mib": self.memory, "exchange-cpu-ms": self.exchange,
            "idle-ms-per-s": self.idle, "changes": changes,
        })
    }
}

/// What a row compares: its name, the peer, the target, the network, and the figures of a session.
type Comparison = (&'static str, Make, Target, &'static str, &'static str, fn(&Session) -> Vec<f64>);

const COMPARISONS: [Comparison; 12] = [
    ("leaf-change", Make::Bird, Target::AtMost(0.1), "routers", "ms of CPU", |s| s.changes("host")),
    ("leaf-change-vs-frr", Make::Frr, Target::AtMost(0.02), "routers", "ms of CPU", |s| s.changes("host")),
    ("full-calculation", Make::Bird, Target::AtMost(0.25), "routers", "ms of CPU", |s| s.changes("entry")),
    ("full-calculation-vs-frr", Make::Frr, Target::AtMost(0.25), "routers", "ms of CPU", |s| {
        s.changes("entry")
    }),
    ("link-change", Make::Bird, Target::AtMost(0.25), "routers", "ms of CPU", |s| s.changes("link")),
    ("external-change", Make::Bird, Target::AtMost(0.1), "externals", "ms of CPU", |s| s.changes("outside")),
    ("external-change-vs-frr", Make::Frr, Target::AtMost(1.0), "externals", "ms of CPU", |s| {
        s.changes("outside")
    }),
    ("synchronise-routers", Make::Bird, Target::AtMost(1.0), "routers", "ms", |s| vec![s.synchronised]),
    ("synchronise-externals", Make::Bird, Target::AtMost(1.0), "externals", "ms", |s| vec![s.synchronised]),
    ("resident-routers", Make::Bird, Target::AtMost(1.0), "routers", "MiB", |s| vec![s.memory]),
    ("resident-externals", Make::Bird, Target::AtMost(1.0), "externals", "MiB", |s| vec![s.memory]),
    ("routes-in-place", Make::Bird, Target::AtMost(1.0), "routers", "ms", |s| vec![s.forwarding]),
];

fn rows(sessions: &[Session]) -> Vec<Row> {
    let of = |make, size| sessions.iter().find(|session| session.make == make && session.size == size);
    COMPARISONS
        .into_iter()
        .filter_map(|(name, peer, target, size, unit, figures)| {
            let (ours, theirs) = (of(Make::Isthmus, size)?, of(peer, size)?);
            let (ours, theirs) = (figures(ours), figures(theirs));
            Some(Row { name, state: "all", unit, ours, peer: peer.name(), theirs, target, dropped: 0 })
        })
        .collect()
}
