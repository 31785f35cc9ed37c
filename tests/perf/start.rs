//! From the start of a node to Full with an FRR that runs already (hello 1, dead 4), and to its first route at FRR.

use std::time::{Duration, Instant};

use isthmus_tests::lab::{Lab, OneExit, Peer, wait};

use crate::in_lab;
use crate::row::{Row, Target};

pub(crate) fn measure(runs: usize) -> Vec<Row> {
    let (full, route) = (0..runs).map(|_| in_lab("m-start", once)).unzip();
    let row = |name, ours| Row {
        name,
        state: "all",
        unit: "s",
        ours,
        peer: "target",
        theirs: vec![1.0],
        target: Target::AtMost(6.0),
        dropped: 0,
    };
    vec![row("full-at-frr", full), row("route-at-frr", route)]
}

/// Seconds to each of the two.
fn once(lab: &Lab) -> (f64, f64) {
    let exit = OneExit::build(lab);
    exit.n1.terminate();
    exit.outside.router.await_no_route("10.77.0.0/24");
    wait("FRR forgets the neighbor", Duration::from_secs(30), || {
        exit.outside.router.neighbor_state("10.77.0.1").map_or(Ok(()), Err)
    });
    let begin = Instant::now();
    exit.n1.start();
    let await_now = |condition: &dyn Fn() -> bool| {
        while !condition() {
            assert!(begin.elapsed() < Duration::from_secs(60), "not within a minute");
            std::thread::sleep(Duration::from_millis(2));
        }
        begin.elapsed().as_secs_f64()
    };
    let full =
        await_now(&|| exit.n1.full().is_ok_and(|full| full.iter().any(|(interface, _)| interface == "up1")));
    let router = exit.outside.router.namespace();
    let route = await_now(&|| !router.ip(&["route", "show", "10.77.0.0/24", "proto", "ospf"]).is_empty());
    (full, route)
}
