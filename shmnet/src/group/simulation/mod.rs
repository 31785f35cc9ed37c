//! A seeded simulation of a group: nodes die between any two accesses to memory, are suspected wrongly, sleep and wake as owners
//! that were replaced, read slowly, join, leave and return in new memory or in the old, fill their lanes, and lie about
//! generations and references, while each has its own view of who lives.
//!
//! What has to hold ([`oracle`]): per source in order and at most once, always; exactly once for a source and a reader that live, know
//! each other as members, and of which the reader was not overtaken by the source's lane (which the source then has counted);
//! and one order for all readers within a generation, for what they deliver by that order. Nobody reads what it has closed.
//!
//! `ISTHMUS_GROUP_SEEDS=n` runs that many seeds instead of 2,000; `ISTHMUS_GROUP_SEED=s` runs one and tells all that happens, with
//! `ISTHMUS_GROUP_STEPS=n` only so many steps of it.

mod coverage;
mod crash;
mod frame;
mod oracle;
mod world;

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

use self::coverage::Coverage;
use self::world::{NODES, World, heal, start, step};
use super::flaw::{self, Flaw};
use crate::memory::simulated::{Simulation, Skip, seeds, sensitive_kinds};

const STEPS: u64 = 400;

/// One run. Panics if anything does not hold.
fn run(seed: u64, steps: u64, trace: bool) -> Coverage {
    run_in(seed, steps, trace, None)
}

/// One run, perhaps in memory that is not coherent.
fn run_in(seed: u64, steps: u64, trace: bool, memory: Option<Simulation>) -> Coverage {
    let world = Rc::new(RefCell::new(World::new(seed, trace, memory)));
    for id in 0..NODES {
        start(&world, id);
    }
    for _ in 0..steps {
        step(&world, None);
    }
    heal(&world);
    let w = world.borrow();
    w.oracle.assert_settled();
    let claims: BTreeSet<_> = w
        .nodes
        .iter()
        .map(|node| node.endpoint.as_ref().map(|endpoint| (endpoint.generation(), endpoint.owner())))
        .collect();
    assert!(claims.len() == 1, "all follow one owner: {claims:?}");
    let compared = w.oracle.assert_one_order();
    let generations = claims.into_iter().flatten().map(|(generation, _)| generation % 1000).sum();
    Coverage { compared, generations, ..w.coverage }
}

fn holds(seed: u64, steps: u64) -> bool {
    catch_unwind(AssertUnwindSafe(|| run(seed, steps, false))).is_ok()
}

/// The fewest steps after which a seed that fails still fails, as far as halving finds them.
fn fewest_steps(seed: u64) -> u64 {
    let (mut low, mut high) = (0, STEPS);
    while low < high {
        let middle = low.midpoint(high);
        if holds(seed, middle) { low = middle + 1 } else { high = middle }
    }
    high
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[test]
fn the_guarantee_holds_whatever_happens() {
    if let Some(seed) = number("ISTHMUS_GROUP_SEED") {
        eprintln!("{:?}", run(seed, number("ISTHMUS_GROUP_STEPS").unwrap_or(STEPS), true));
        return;
    }
    let mut all = Coverage::default();
    for seed in 0..number("ISTHMUS_GROUP_SEEDS").unwrap_or(2000) {
        let Ok(coverage) = catch_unwind(|| run(seed, STEPS, false)) else {
            let steps = fewest_steps(seed);
            panic!("seed {seed} fails: ISTHMUS_GROUP_SEED={seed} ISTHMUS_GROUP_STEPS={steps} shows how");
        };
        all.add(&coverage);
    }
    assert_eq!(all.missing(), [""; 0], "everything happens: {all:?}");
    eprintln!("{all:?}");
}

/// The simulation finds each way in which the protocol could be wrong.
#[test]
fn a_protocol_with_a_flaw_fails() {
    for flaw in [
        Flaw::OwnerGoesOnWhereTheLastOneWas,
        Flaw::ReaderTrustsReferences,
        Flaw::ReaderLeavesGaps,
        Flaw::ReaderForgetsWhatLappedIt,
        Flaw::ReaderDoesNotLookTwice,
        Flaw::ReaderTakesAnyIncarnation,
        Flaw::SourceDoesNotWait,
        Flaw::ReaderStaysWithTheDead,
    ] {
        flaw::set(Some(flaw));
        let found = (0..20_000).find(|seed| !holds(*seed, STEPS));
        flaw::set(None);
        eprintln!("{flaw:?}: found by seed {found:?}");
        assert!(found.is_some(), "{flaw:?} is not found");
    }
}

fn run_without_coherence(seed: u64, skip: Option<Skip>, memory: &Simulation) -> Result<(), String> {
    memory.skip(skip);
    let outcome = catch_unwind(AssertUnwindSafe(|| run_in(seed, STEPS, false, Some(memory.clone()))));
    outcome.map(drop).map_err(|_| "the guarantee does not hold".into())
}

#[test]
fn the_guarantee_holds_without_coherence() {
    for seed in seeds(300) {
        let outcome = run_without_coherence(seed, None, &Simulation::new(seed));
        outcome.unwrap_or_else(|why| panic!("seed {seed}: {why}; FLUSH_SEED={seed} runs it alone"));
    }
}

#[test]
fn writing_back_and_invalidating_are_needed() {
    sensitive_kinds(200, run_without_coherence);
}
