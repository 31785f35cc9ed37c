//! How long after the SIGKILL of a node's process the other nodes' event comes, with 512 MiB mapped by the process that dies.
//!
//! `cargo run --release -p isthmus-shmnet --example death_latency [runs]`
//!
//! Once on the machine as it is, and once while six processes keep its cores busy. Beside it stands what a pidfd says of the same
//! deaths: the kernel makes it readable when the process is gone, and so after it has torn down its memory. Prints a table, and a
//! document of rows for `tests/perf`.

use std::error::Error;
use std::fmt::Write as _;
use std::io::{BufRead, BufReader};
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::Receiver;
use std::thread;
use std::time::{Duration, Instant};

use isthmus_shmnet::{
    Backing, CoherenceMode, DEFAULT_GEOMETRY, Event, EventKind, Fabric, FabricConfig, Facts, FailureReason,
    NetworkParameters, NodeId, Timing,
};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

type Failure = Box<dyn Error + Send + Sync>;

/// What the process maps, and touches, before it is killed.
const MAPPED: usize = 512 << 20;
/// Processes that keep the cores busy.
const BUSY: usize = 6;
/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(30);

fn main() -> Result<(), Failure> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["victim", directory] => victim(Path::new(directory)),
        ["busy"] => loop {
            std::hint::spin_loop();
        },
        [] => measure(15),
        [runs] => measure(runs.parse()?),
        _ => Err("death_latency [runs]".into()),
    }
}

/// Joins, maps, says so, and waits for its end.
fn victim(directory: &Path) -> Result<(), Failure> {
    let _fabric = join(directory, 2)?;
    let memory = vec![1_u8; MAPPED];
    println!("ready");
    loop {
        thread::park();
        std::hint::black_box(&memory);
    }
}

fn measure(runs: usize) -> Result<(), Failure> {
    let directory = Directory::new()?;
    let fabric = join(&directory.0, 1)?;
    let events = fabric.events();
    let idle = series(&directory.0, &events, runs)?;
    let busy = {
        let _busy = (0..BUSY).map(|_| Killed::start(&["busy"])).collect::<Result<Vec<_>, _>>()?;
        series(&directory.0, &events, runs)?
    };
    println!(
        "| machine | event, ms: median | most | pidfd, ms: median | most | by |\n|---|---|---|---|---|---|"
    );
    for (machine, deaths) in [("as it is", &idle), ("six busy processes", &busy)] {
        let [event, pidfd] = [sorted(deaths, |death| death.event), sorted(deaths, |death| death.pidfd)];
        println!(
            "| {machine} | {:.3} | {:.3} | {:.3} | {:.3} | {} |",
            median(&event),
            most(&event),
            median(&pidfd),
            most(&pidfd),
            reasons(deaths)
        );
    }
    let rows = [
        row("death-latency", &idle, "target", |_| 1.0, 2.0),
        row("death-latency-vs-pidfd", &idle, "pidfd", |death| death.pidfd, 0.5),
        row("death-latency-busy", &busy, "pidfd", |death| death.pidfd, 0.5),
    ];
    println!("{{\"rows\": [\n  {}\n]}}", rows.join(",\n  "));
    Ok(())
}

/// One death: milliseconds until the event, and until the pidfd was readable.
struct Death {
    event: f64,
    pidfd: f64,
    reason: FailureReason,
}

fn series(directory: &Path, events: &Receiver<Event>, runs: usize) -> Result<Vec<Death>, Failure> {
    (0..runs).map(|_| death(directory, events)).collect()
}

fn death(directory: &Path, events: &Receiver<Event>) -> Result<Death, Failure> {
    let path = directory.to_str().ok_or("the directory has a strange name")?;
    let mut victim = Killed::start(&["victim", path])?;
    let output = victim.0.stdout.take().ok_or("no pipe")?;
    if BufReader::new(output).lines().next().transpose()?.as_deref() != Some("ready") {
        return Err("the node that is to die did not join".into());
    }
    let connected = |event: &Event| matches!(event.kind, EventKind::Connected { .. }).then_some(());
    // On both networks.
    await_event(events, connected)?;
    await_event(events, connected)?;
    let pidfd = pidfd_open(Pid::from_child(&victim.0), PidfdFlags::empty())?;

    let killed = Instant::now();
    victim.0.kill()?;
    let gone = thread::spawn(move || {
        let mut fds = [PollFd::new(&pidfd, PollFlags::IN)];
        poll(&mut fds, None).map(|_| killed.elapsed())
    });
    let reason = await_event(events, |event| match &event.kind {
        EventKind::Failed { reason } if event.node.get() == 2 => Some(*reason),
        _ => None,
    })?;
    let event = killed.elapsed();
    let pidfd = gone.join().map_err(|_| "the thread that waits for the pidfd has ended")??;
    Ok(Death { event: milliseconds(event), pidfd: milliseconds(pidfd), reason })
}

fn await_event<T>(events: &Receiver<Event>, wanted: impl Fn(&Event) -> Option<T>) -> Result<T, Failure> {
    let give_up = Instant::now() + PATIENCE;
    loop {
        let event = events.recv_timeout(give_up.saturating_duration_since(Instant::now()))?;
        if let Some(found) = wanted(&event) {
            return Ok(found);
        }
    }
}

/// A process of this program that is killed at the end.
struct Killed(Child);

impl Killed {
    fn start(words: &[&str]) -> Result<Self, Failure> {
        let program = std::env::current_exe()?;
        Ok(Self(Command::new(program).args(words).stdout(Stdio::piped()).spawn()?))
    }
}

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Removed at the end.
struct Directory(PathBuf);

impl Directory {
    fn new() -> Result<Self, Failure> {
        let path = PathBuf::from(format!("/dev/shm/isthmus-death-{}", std::process::id()));
        std::fs::create_dir(&path)?;
        Ok(Self(path))
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn join(directory: &Path, id: u16) -> Result<Fabric, Failure> {
    let parameters = |third| NetworkParameters {
        area_id: 1,
        network_type: 0,
        hello_interval: 1,
        dead_interval: 4,
        cost: 1,
        mtu: 9000,
        prefix: Ipv4Addr::new(192, 0, third, 0),
        prefix_len: 24,
    };
    Ok(Fabric::join(FabricConfig {
        node_id: NodeId::new(id).ok_or("no node id")?,
        backing: Backing::Directory(directory.to_owned()),
        coherence: CoherenceMode::Hardware,
        max_nodes: 64,
        queues: 1,
        geometry: [DEFAULT_GEOMETRY; 2],
        // A heart that is late among busy processes is not what is measured here.
        timing: Timing { failed: Duration::from_secs(2), ..Timing::default() },
        parameters: [parameters(2), parameters(3)],
        facts: Facts::default(),
        takeover: false,
        budget: None,
    })?)
}

/// A row of `tests/perf`: at most `target` times the peer's median.
fn row(name: &str, deaths: &[Death], peer: &str, theirs: impl Fn(&Death) -> f64, target: f64) -> String {
    let (ours, theirs) = (sorted(deaths, |death| death.event), median(&sorted(deaths, theirs)));
    let ratio = median(&ours) / theirs;
    let mut all = String::new();
    for (index, value) in ours.iter().enumerate() {
        let _ = write!(all, "{}{value:.3}", if index == 0 { "" } else { ", " });
    }
    format!(
        r#"{{"name": "{name}", "state": "all", "unit": "ms", "ours": {:.3}, "peer": "{peer}", "theirs": {theirs:.3}, "ratio": {ratio:.3}, "op": "<=", "target": {target}, "met": {}, "n": {}, "dropped": 0, "least": {:.3}, "most": {:.3}, "all": [{all}]}}"#,
        median(&ours),
        ratio <= target,
        ours.len(),
        ours.first().copied().unwrap_or(f64::NAN),
        most(&ours),
    )
}

/// How the deaths were found, and how many of each.
fn reasons(deaths: &[Death]) -> String {
    let mut found: Vec<(String, usize)> = Vec::new();
    for death in deaths {
        let reason = format!("{:?}", death.reason);
        match found.iter_mut().find(|(known, _)| *known == reason) {
            Some((_, count)) => *count += 1,
            None => found.push((reason, 1)),
        }
    }
    found.iter().map(|(reason, count)| format!("{count} {reason}")).collect::<Vec<_>>().join(", ")
}

fn sorted(deaths: &[Death], value: impl Fn(&Death) -> f64) -> Vec<f64> {
    let mut values: Vec<f64> = deaths.iter().map(value).collect();
    values.sort_unstable_by(f64::total_cmp);
    values
}

fn median(sorted: &[f64]) -> f64 {
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
}

fn most(sorted: &[f64]) -> f64 {
    sorted.last().copied().unwrap_or(f64::NAN)
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
