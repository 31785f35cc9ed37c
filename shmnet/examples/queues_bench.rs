//! What more queues bring: frames per second through one, two and more queues of two nodes, with a core for each queue.
//!
//! `cargo run --release -p isthmus-shmnet --example queues_bench [most queues] [bytes] [runs]`
//!
//! Both nodes are in this process. Each queue has one thread, pinned to a core, that sends bursts of 32 frames from the one and
//! receives them at the other, so that one core does all the work of one queue: what the queues share would show as less
//! than so many times the rate of one. The rate is by the time that the thread had on its core, so that whatever else runs there
//! counts little. A run of each number of queues follows one of each other; prints the medians as JSON rows.

use std::error::Error;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::Barrier;
use std::time::{Duration, Instant};

use isthmus_shmnet::{
    Backing, CoherenceMode, DEFAULT_GEOMETRY, Destination, Endpoint, Fabric, FabricConfig, Facts, Metadata,
    Network, NetworkParameters, NodeId, Timing,
};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use rustix::time::{ClockId, clock_gettime};

type Failure = Box<dyn Error + Send + Sync>;

fn main() -> Result<(), Failure> {
    let mut arguments = std::env::args().skip(1);
    let most: u8 = arguments.next().map_or(Ok(2), |text| text.parse())?;
    let bytes: usize = arguments.next().map_or(Ok(64), |text| text.parse())?;
    let runs: usize = arguments.next().map_or(Ok(9), |text| text.parse())?;
    let mut rates = vec![Vec::new(); usize::from(most)];
    for _ in 0..runs {
        for queues in 1..=most {
            rates[usize::from(queues) - 1].push(run(queues, bytes)?);
        }
    }
    let medians: Vec<f64> = rates.iter_mut().map(|rates| median(rates)).collect();
    for (queues, rate) in (1..).zip(&medians) {
        println!(
            "{{\"name\":\"queues-{queues}-{bytes}-bytes\",\"unit\":\"frames/s\",\"ours\":{rate:.0},\"to-one-queue\":{:.2}}}",
            rate / medians[0]
        );
    }
    Ok(())
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Frames per second through all queues together.
fn run(queues: u8, bytes: usize) -> Result<f64, Failure> {
    let directory = PathBuf::from(format!("/dev/shm/isthmus-queues-{}", std::process::id()));
    std::fs::create_dir(&directory)?;
    let rate = measure(&directory, queues, bytes);
    std::fs::remove_dir_all(&directory)?;
    rate
}

fn measure(directory: &Path, queues: u8, bytes: usize) -> Result<f64, Failure> {
    let [from, to] = [1, 2].map(|id| join(directory, id, queues));
    let (from, to) = (from?, to?);
    let cores = cores()?;
    let mut pairs = Vec::new();
    for queue in 0..queues {
        let ends = |fabric: &Fabric| fabric.queue(Network::Lsm, queue).ok_or("no endpoint");
        pairs.push((ends(&from)?, ends(&to)?));
    }
    let barrier = Barrier::new(pairs.len());
    let barrier = &barrier;
    std::thread::scope(|scope| {
        let workers: Vec<_> = pairs
            .into_iter()
            .enumerate()
            .map(|(index, (from, to))| {
                let core = cores[index % cores.len()];
                scope.spawn(move || work(from, to, core, bytes, barrier))
            })
            .collect();
        let rates = workers.into_iter().map(|worker| worker.join().map_err(|_| "a worker panicked")?);
        rates.sum()
    })
}

/// The rate of one queue.
fn work(
    mut from: Endpoint,
    mut to: Endpoint,
    core: usize,
    bytes: usize,
    barrier: &Barrier,
) -> Result<f64, Failure> {
    let mut set = CpuSet::new();
    set.set(core);
    sched_setaffinity(None, &set)?;
    let frame = vec![0x5a; bytes];
    let mut buffer = vec![0; 1 << 16];
    let to_node = Destination::Node(node(2)?);
    let met = Instant::now();
    let mut turn = |count: usize| {
        let sent = (0..count).filter(|_| from.transmit(to_node, &frame, Metadata::default()).is_ok()).count();
        from.flush();
        let received = std::iter::from_fn(|| to.receive(&mut buffer)).count();
        to.flush();
        (sent, received)
    };
    while turn(1).1 == 0 {
        if met.elapsed() > Duration::from_secs(20) {
            return Err("the nodes do not meet".into());
        }
        std::thread::yield_now();
    }
    barrier.wait();
    let (started, used) = (Instant::now(), time_on_core());
    let mut frames = 0;
    while started.elapsed() < RUN {
        for _ in 0..64 {
            frames += turn(32).1;
        }
    }
    Ok(frames as f64 / (time_on_core() - used).as_secs_f64())
}

/// How long this thread has run.
fn time_on_core() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

fn cores() -> Result<Vec<usize>, Failure> {
    let allowed = sched_getaffinity(None)?;
    Ok((0..CpuSet::MAX_CPU).filter(|core| allowed.is_set(*core)).collect())
}

fn node(id: u16) -> Result<NodeId, &'static str> {
    NodeId::new(id).ok_or("no such node")
}

fn join(directory: &Path, id: u16, queues: u8) -> Result<Fabric, Failure> {
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
        node_id: node(id)?,
        backing: Backing::Directory(directory.to_owned()),
        coherence: CoherenceMode::Hardware,
        max_nodes: 2,
        queues,
        geometry: [DEFAULT_GEOMETRY; 2],
        timing: Timing { failed: Duration::from_secs(20), ..Timing::default() },
        parameters: [parameters(2), parameters(3)],
        facts: Facts::default(),
        takeover: false,
        budget: Some(64 << 20),
    })?)
}

/// How long a run lasts, once the nodes have met.
const RUN: Duration = Duration::from_millis(500);
