//! Large networks: cold start in virtual time, and what it costs.

#![expect(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "what it costs is wall time, which decides nothing"
)]

use std::time::{Duration, Instant};

use super::scenario::Scenario;
use super::variable;
use crate::random::Random;

/// Starts all routers of a network at once, and lets time pass until everybody knows the truth. Virtual and wall time until
/// then, and packets; the wall time of the oracle is left out.
fn cold_start(routers: usize) -> (Duration, Duration, u64) {
    let mut scenario = Scenario::topology(1, routers, &mut Random::new(1));
    scenario.areas.iter_mut().for_each(|area| area.signed = false);
    let mut network = scenario.build();
    let start = Instant::now();
    network.start_all();
    let (began, mut wall) = (network.now, start.elapsed());
    loop {
        let start = Instant::now();
        network.run_for(Duration::from_secs(2));
        wall += start.elapsed();
        match network.check() {
            Ok(()) => return (network.now.since(began), wall, network.packets),
            Err(what) => assert!(network.now.since(began) < Duration::from_secs(120), "{what}"),
        }
    }
}

#[test]
fn a_hundred_routers_start_at_once() {
    let (virtual_time, _, packets) = cold_start(100);
    println!("100 routers: {virtual_time:?}, {packets} packets");
}

/// `ISTHMUS_SIM_SCALE=5000` starts so many at once, `ISTHMUS_SIM_SCALE=curve` the numbers from 10 to 5,000. Build with `--release`.
#[test]
fn larger_networks_by_command() {
    let sizes = match variable("ISTHMUS_SIM_SCALE").as_deref() {
        None => return,
        Some("curve") => vec![10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000],
        Some(size) => vec![size.parse().expect("a number of routers")],
    };
    println!("| routers | right after, virtual | wall time | packets |\n|---|---|---|---|");
    for size in sizes {
        let (virtual_time, wall, packets) = cold_start(size);
        println!("| {size} | {} s | {:.2} s | {packets} |", virtual_time.as_secs(), wall.as_secs_f64());
    }
}
