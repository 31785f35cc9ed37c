//! What a member without traffic takes of a core, on each kind of memory: its worker sleeps, its heart beats.

use std::io::{self, BufRead, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};
use std::{env, fs};

use isthmus_shmnet::{BackOff, Backing, CoherenceMode, Endpoint, Fabric, Network, Region, Timing};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{MemfdFlags, memfd_create};

use super::contestant::Process;
use super::fabric::{config, node};
use super::{Failure, Segment};
use crate::row::{Row, Target};

/// Kind of memory, and the row's name.
const KINDS: [(&str, &str); 5] = [
    ("file", "idle-file"),
    ("memfd", "idle-memfd"),
    ("inherited", "idle-inherited"),
    ("region", "idle-region"),
    ("flush", "idle-flush"),
];
/// How long members may take to meet.
const PATIENCE: Duration = Duration::from_secs(20);
const SETTLE: Duration = Duration::from_secs(1);
const WINDOW: Duration = Duration::from_secs(5);
/// The longest sleep: nobody rings when a group's owner withholds the order.
const LONGEST_SLEEP: Timespec = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };
/// Room for two arenas.
const REGION: u64 = 64 << 20;

/// A row for each kind of memory: the more of two members.
pub(crate) fn measure(runs: usize) -> Result<Vec<Row>, Failure> {
    let mut rows = Vec::new();
    for (kind, name) in KINDS {
        let segment = Segment::new("asleep")?;
        let arenas = [inheritable()?, inheritable()?];
        let mut members = Vec::new();
        for me in [1, 2] {
            members.push(Process::start(&mut command(segment.path(), kind, me, &arenas)?)?);
        }
        for member in &members {
            member.await_line(PATIENCE, |line| (line == "met").then_some(()))?;
        }
        thread::sleep(SETTLE);
        let mut ours = Vec::new();
        for _ in 0..runs {
            let (began, before) = (Instant::now(), processor_times(&members));
            thread::sleep(WINDOW);
            let passed = began.elapsed().as_secs_f64();
            let used =
                processor_times(&members).into_iter().zip(before).map(|(after, before)| after - before);
            ours.push(used.fold(0.0, f64::max) / passed * 100.0);
        }
        eprintln!("asleep, {kind}: {:.3} % of a core", crate::row::median(&ours));
        rows.push(Row {
            name,
            state: "all",
            unit: "% of a core",
            ours,
            peer: "target",
            theirs: vec![1.0],
            target: Target::AtMost(1.0),
            dropped: 0,
        });
    }
    Ok(rows)
}

fn command(segment: &Path, kind: &str, me: usize, arenas: &[OwnedFd; 2]) -> Result<Command, Failure> {
    let mut command = Command::new(env::current_exe()?);
    command.args(["shm-worker", "asleep"]).arg(segment).args([kind, &me.to_string()]);
    command.args(arenas.iter().map(|arena| arena.as_raw_fd().to_string()));
    Ok(command)
}

/// Empty memory that the processes started from here have open, too.
fn inheritable() -> Result<OwnedFd, Failure> {
    Ok(memfd_create("isthmus-perf", MemfdFlags::empty())?)
}

/// Processor time of each, in seconds. In clock ticks it would be too coarse.
fn processor_times(members: &[Process]) -> Vec<f64> {
    let of_task = |task: fs::DirEntry| {
        let statistics = fs::read_to_string(task.path().join("schedstat")).unwrap_or_default();
        statistics.split(' ').next().and_then(|used| used.parse::<f64>().ok()).unwrap_or_default()
    };
    let of_process = |member: &Process| {
        let tasks = fs::read_dir(format!("/proc/{}/task", member.id()));
        tasks.map_or(0.0, |tasks| tasks.flatten().map(of_task).sum::<f64>()) / 1e9
    };
    members.iter().map(of_process).collect()
}

/// `SEGMENT KIND NODE ARENA ARENA`: a member that says `met` when it has met the other one, and sleeps until its input ends.
pub(crate) fn run(words: &[&str]) -> Result<(), Failure> {
    let [segment, kind, me, arenas @ ..] = words else { return Err("not a sleeper's arguments".into()) };
    let segment = Path::new(segment);
    let coherence = if *kind == "flush" { CoherenceMode::Flush } else { CoherenceMode::Hardware };
    let mut config = config(segment, me.parse()?, 2, coherence)?;
    config.timing = Timing::default();
    match *kind {
        "memfd" => config.backing = Backing::SealedMemory { directory: segment.to_owned(), huge_pages: None },
        "inherited" => config.backing = inherited(arenas)?,
        "region" => {
            let file =
                Region::File { path: segment.join("region"), size: Some(2 * REGION), other_kernels: true };
            config.backing = Backing::Region(file, BackOff::default());
            config.budget = None;
        }
        _ => {}
    }
    let fabric = Fabric::join(config)?;
    let mut endpoints = [Network::Lsm, Network::Gsm].map(|network| fabric.endpoint(network));
    thread::spawn(|| {
        for line in io::stdin().lock().lines() {
            if line.is_err() {
                break;
            }
        }
        std::process::exit(0);
    });
    let mut has_met = false;
    let mut room = [0; 2048];
    loop {
        for endpoint in endpoints.iter_mut().flatten() {
            while endpoint.receive(&mut room).is_some() {}
            endpoint.flush();
        }
        if !has_met && fabric.active_nodes().nodes.iter().any(|node| node.connected && !node.is_self) {
            has_met = true;
            println!("met");
            io::stdout().flush()?;
        }
        sleep(&fabric, &mut endpoints);
    }
}

fn inherited(arenas: &[&str]) -> Result<Backing, Failure> {
    let open = |fd: &str| -> Result<OwnedFd, Failure> {
        let path = format!("/proc/self/fd/{fd}");
        Ok(fs::OpenOptions::new().read(true).write(true).open(path)?.into())
    };
    let arenas =
        (1..).zip(arenas).map(|(id, fd)| Ok((node(id)?, open(fd)?))).collect::<Result<_, Failure>>()?;
    Ok(Backing::Inherited { arenas, name: format!("perf-{}", std::os::unix::process::parent_id()) })
}

fn sleep(fabric: &Fabric, endpoints: &mut [Option<Endpoint>; 2]) {
    let mut may_sleep = true;
    for endpoint in endpoints.iter_mut().flatten() {
        may_sleep &= endpoint.prepare_sleep();
    }
    if may_sleep {
        let mut doorbell = [PollFd::from_borrowed_fd(fabric.doorbell(), PollFlags::IN)];
        // Interrupted or timed out: the caller looks again in any case.
        let _ = poll(&mut doorbell, Some(&LONGEST_SLEEP));
    }
    endpoints.iter_mut().flatten().for_each(Endpoint::wake);
}
