//! Random networks of several areas, and everything that can befall them: after quiet every database of an area is the same,
//! every route is the oracle's, and no packet goes in circles.
//!
//! A failure is made smaller and printed as a recipe, one line of JSON; `ISTHMUS_SIM_RECIPE=FILE` plays one again.
//! `ISTHMUS_SIM_FACTOR=20` tries twenty times as many seeds, `ISTHMUS_SIM_SEED=N` one.
//!
//! | module | subject |
//! |---|---|
//! | `scenario` | a network and what befalls it, as data |
//! | `run` | playing it |
//! | `loops` | loops of the forwarding tables, while they last |
//! | `minimise` | a failure made smaller |

mod loops;
mod minimise;
mod run;
mod scale;
mod scenario;

use std::time::Duration;

use crate::network::seeds;
use run::Report;
use scenario::{Event, Scenario};

/// Plays a scenario; if it fails, fails with its smallest version.
fn play(scenario: &Scenario) -> Report {
    match scenario.run() {
        Ok(report) => report,
        Err(failure) => {
            // Every candidate that panics would print where.
            std::panic::set_hook(Box::new(|_| {}));
            let (smallest, smaller) = minimise::minimise(scenario, |scenario| scenario.run().err());
            drop(std::panic::take_hook());
            let recipe = serde_json::to_string(&smallest).expect("a scenario is JSON");
            panic!(
                "seed {} with {} routers: {failure}\nmade smaller: {smaller}\nrecipe for ISTHMUS_SIM_RECIPE:\n{recipe}",
                scenario.seed,
                scenario.routers.len()
            );
        }
    }
}

/// Seeds with 10 to 50 routers each, and what they have shown.
fn play_seeds(seeds: impl Iterator<Item = u64>) {
    let mut loops: Vec<Duration> = Vec::new();
    let (mut count, mut packets, mut slowest) = (0, 0, Duration::ZERO);
    for seed in seeds {
        let report = play(&Scenario::draw(seed, 10 + (seed * 7 % 41) as usize, 6 + (seed % 10) as usize));
        count += 1;
        packets += report.packets;
        slowest = slowest.max(report.quiet_after);
        loops.extend(report.loops);
    }
    loops.sort_unstable();
    let at =
        |share: usize| loops.get(loops.len().saturating_sub(1) * share / 100).copied().unwrap_or_default();
    println!(
        "{count} seeds, {packets} packets; right {slowest:?} after the last event at the latest; {} transient loops, \
         median {:?}, longest {:?}",
        loops.len(),
        at(50),
        at(100)
    );
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

#[test]
fn whatever_befalls_networks_of_several_areas_they_become_right_part_1() {
    play_seeds(seeds(60).map(|seed| seed * 2));
}

#[test]
fn whatever_befalls_networks_of_several_areas_they_become_right_part_2() {
    play_seeds(seeds(60).map(|seed| seed * 2 + 1));
}

#[test]
fn a_seed_or_recipe_by_command() {
    if let Some(seed) = variable("ISTHMUS_SIM_SEED").and_then(|seed| seed.parse().ok()) {
        play_seeds(std::iter::once(seed));
    }
    if let Some(file) = variable("ISTHMUS_SIM_RECIPE") {
        let text = std::fs::read_to_string(file).expect("the recipe");
        let scenario: Scenario = serde_json::from_str(&text).expect("a recipe");
        if let Err(failure) = scenario.run() {
            panic!("{failure}");
        }
    }
}

/// A failure that needs two of many events and two of many routers is left with these.
#[test]
fn a_failure_is_made_small() {
    let mut scenario = Scenario::draw(5, 30, 40);
    scenario.events.insert(7, (10, Event::Kill(3)));
    scenario.events.insert(31, (10, Event::Jump(9, 77)));
    let fails = |scenario: &Scenario| {
        let kills = scenario.events.iter().position(|(_, event)| matches!(event, Event::Kill(3)));
        let jumps = scenario.events.iter().position(|(_, event)| matches!(event, Event::Jump(9, 77)));
        let there = scenario.routers[3].present && scenario.routers[9].present;
        (there && kills? < jumps?).then(|| "both".to_owned())
    };
    let (smallest, failure) = minimise::minimise(&scenario, fails);
    assert_eq!((smallest.events.len(), failure.as_str()), (2, "both"));
    assert_eq!(smallest.routers.iter().filter(|router| router.present).count(), 2);
    assert!(smallest.segments.iter().all(|segment| segment.members.is_empty()) && !smallest.bad);
    let written = serde_json::to_string(&smallest).expect("JSON");
    let read: Scenario = serde_json::from_str(&written).expect("a scenario");
    assert_eq!(serde_json::to_string(&read).expect("JSON"), written);
}
