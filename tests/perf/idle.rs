//! What nodes without traffic take of a core: one with a NIC and an FRR neighbor, two without.

use std::time::{Duration, Instant};

use isthmus_tests::lab::{Lab, Node, OneExit, processor_time};

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
        let (began, before) = (Instant::now(), exit.nodes().map(|node| used_by(node)));
        std::thread::sleep(WINDOW);
        let passed = began.elapsed();
        let used = exit.nodes().map(|node| used_by(node)).into_iter().zip(before);
        samples.extend(
            used.map(|(after, before)| 100.0 * (after - before).as_secs_f64() / passed.as_secs_f64()),
        );
    }
    samples
}

fn used_by(node: &Node) -> Duration {
    processor_time(node.pid().expect("it runs"))
}
