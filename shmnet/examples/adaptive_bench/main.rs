//! Compares what the fabric chooses by itself with each fixed choice, and its whole path with a bare ring of the same design.
//!
//! `cargo run --release -p isthmus-shmnet --example adaptive_bench [-- [--ms N] [--rounds N] [--cpus A,B] [NAME...]]`
//!
//! Names: `bare` (the limit), `copy`, `batch`, `slots`; all without any. The contenders of a comparison take turns, each sample
//! between two ping-pongs of a word: a sample whose two ping-pongs are not of one state, near or far, is dropped, as the machine
//! has moved a thread to another processor meanwhile. One JSON object with a row for each comparison and state is printed to
//! the standard output, and the samples' medians to the standard error.

mod bare;
mod contender;
mod measure;
mod report;

use std::error::Error;
use std::time::Duration;

use isthmus_shmnet::CopyRoutine;
use isthmus_shmnet::ring::Geometry;

use contender::{Bare, Contender, Full, Pair};
use measure::{Cpus, State, state};
use report::{Comparison, Samples, print};

type Failure = Box<dyn Error + Send + Sync>;

fn main() -> Result<(), Failure> {
    let options = Options::parse()?;
    let mut comparisons = Vec::new();
    for name in &options.names {
        for len in [64, 1500] {
            comparisons.push(compare(&options, name, len)?);
        }
    }
    print(&comparisons);
    Ok(())
}

struct Options {
    run: Duration,
    rounds: usize,
    cpus: Cpus,
    names: Vec<String>,
}

impl Options {
    fn parse() -> Result<Self, Failure> {
        let mut options =
            Self { run: Duration::from_millis(200), rounds: 9, cpus: Cpus(0, 1), names: Vec::new() };
        let mut words = std::env::args().skip(1);
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or(format!("{word} needs a value"));
            match word.as_str() {
                "--ms" => options.run = Duration::from_millis(value()?.parse()?),
                "--rounds" => options.rounds = value()?.parse()?,
                "--cpus" => {
                    let value = value()?;
                    let (a, b) = value.split_once(',').ok_or("--cpus A,B")?;
                    options.cpus = Cpus(a.parse()?, b.parse()?);
                }
                name if NAMES.contains(&name) => options.names.push(word),
                other => return Err(format!("unknown word {other}").into()),
            }
        }
        if options.names.is_empty() {
            options.names = NAMES.map(str::to_owned).to_vec();
        }
        Ok(options)
    }
}

const NAMES: [&str; 4] = ["bare", "copy", "batch", "slots"];

/// The contender whose figures are ours, and those that it is compared with: the best of them counts.
fn contenders(name: &str) -> Result<Vec<Box<dyn Contender>>, Failure> {
    let large = Geometry::new(1024, 2048)?;
    Ok(match name {
        "bare" => vec![Box::new(Full::new("fabric", None, 32)?), Box::new(Bare::new(large))],
        "copy" => vec![
            Box::new(Pair::new("adaptive", large, None)?),
            Box::new(Pair::new("cached", large, Some(CopyRoutine::Cached))?),
            Box::new(Pair::new("streaming", large, Some(CopyRoutine::Streaming))?),
        ],
        "batch" => vec![
            Box::new(Full::new("32 a turn", None, 32)?),
            Box::new(Full::new("1 a turn", None, 1)?),
            Box::new(Full::new("8 a turn", None, 8)?),
            Box::new(Full::new("64 a turn", None, 64)?),
        ],
        _ => vec![
            Box::new(Full::new("growing", None, 32)?),
            Box::new(Full::new("64 slots", Some(Geometry::new(64, 2048)?), 32)?),
            Box::new(Full::new("256 slots", Some(Geometry::new(256, 2048)?), 32)?),
            Box::new(Full::new("1024 slots", Some(large), 32)?),
        ],
    })
}

fn compare(options: &Options, name: &str, len: usize) -> Result<Comparison, Failure> {
    let mut contenders = contenders(name)?;
    let mut samples: Vec<Samples> = contenders.iter().map(|one| Samples::of(one.name())).collect();
    for contender in &mut contenders {
        // Rings grow, distances are measured, pages are touched.
        contender.sample(len, options.run, options.cpus)?;
    }
    for _ in 0..options.rounds {
        for (contender, samples) in contenders.iter_mut().zip(&mut samples) {
            let before = measure::ping_pong(options.cpus);
            let rate = contender.sample(len, options.run, options.cpus)?;
            let state = state(before, measure::ping_pong(options.cpus));
            if let Some(state) = state {
                samples.take(state, rate);
            }
        }
    }
    let target = if name == "bare" { 0.8 } else { 0.9 };
    let comparison = Comparison { name: format!("{name}-{len}"), target, samples };
    for state in [State::Near, State::Far] {
        for samples in &comparison.samples {
            if let Some((rate, n)) = samples.median(state) {
                eprintln!("{:10} {state:?} {:12} {rate:8.2} Mpps (n {n})", comparison.name, samples.name);
            }
        }
    }
    Ok(comparison)
}
