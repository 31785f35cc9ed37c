//! What nodes without traffic take of a core: one with a NIC and an FRR neighbor, two without.

use std::fs;
use std::time::{Duration, Instant};

use isthmus_tests::lab::{Lab, Node, OneExit};

use crate::in_lab;
use crate::row::{Row, Target};

/// Past the exchange of the databases, and the exchange after the rings were grown for it.
const SETTLE: Duration = Duration::from_secs(5);
const WINDOW: Duration = Duration::from_secs(30);

pub(crate) fn measure(runs: usize) -> Vec<Row> {
    let ours = in_lab("m-idle", |lab| samples(lab, runs));
    vec![Row {
        name: "idle",
        state: "all",
        unit: "% of a core",
        ours,
        peer: "target",
        theirs: vec![1.0],
        target: Target::AtMost(1.0),
        dropped: 0,
    }]
}

/// A sample for each node and run.
fn samples(lab: &Lab, runs: usize) -> Vec<f64> {
    let exit = OneExit::build(lab);
    std::thread::sleep(SETTLE);
    let mut samples = Vec::new();
    for _ in 0..runs {
        let (began, before) = (Instant::now(), exit.nodes().map(|node| processor_time(node)));
        std::thread::sleep(WINDOW);
        let passed = began.elapsed();
        let used = exit.nodes().map(|node| processor_time(node)).into_iter().zip(before);
        samples.extend(
            used.map(|(after, before)| 100.0 * (after - before).as_secs_f64() / passed.as_secs_f64()),
        );
    }
    samples
}

/// Processor time that a node has used, to the nanosecond: its clock ticks are too coarse.
fn processor_time(node: &Node) -> Duration {
    let tasks = fs::read_dir(format!("/proc/{}/task", node.pid().expect("it runs"))).unwrap();
    let nanoseconds = tasks.flatten().map(|task| {
        let statistics = fs::read_to_string(task.path().join("schedstat")).unwrap_or_default();
        statistics.split(' ').next().and_then(|used| used.parse::<u64>().ok()).unwrap_or_default()
    });
    Duration::from_nanos(nanoseconds.sum())
}
