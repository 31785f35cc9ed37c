//! Rounds: all contestants of a question in turn, a probe between every two, and what can be compared of them.

use super::contestant::Contestant;
use super::others::Others;
use super::probe::{State, agreed, probe};
use crate::row::{Row, Target};

/// Rounds are repeated at most so many times as often as was asked for, while samples are dropped.
const REPEATS: usize = 2;
/// So many rounds in a row without one good sample end the run.
const DISTURBED: usize = 5;

/// Who is asked what.
pub(crate) struct Entry {
    /// The contestant's place among all.
    pub(crate) contestant: usize,
    /// The name of these samples.
    pub(crate) name: &'static str,
    /// The command.
    pub(crate) question: String,
}

/// One sample of each entry, with the probes before, between and after.
struct Round {
    /// In the order of their turns.
    order: Vec<usize>,
    /// One more than turns; 0 where the probe failed.
    probes: Vec<f64>,
    /// For each entry.
    figures: Vec<Option<Vec<f64>>>,
}

/// All rounds of a question.
pub(crate) struct Rounds {
    names: Vec<&'static str>,
    rounds: Vec<Round>,
}

/// Samples of two entries that may be compared.
#[derive(Default)]
pub(crate) struct Pairs {
    pub(crate) near: Vec<(f64, f64)>,
    pub(crate) far: Vec<(f64, f64)>,
    /// Rounds whose samples failed, or whose probes disagreed.
    pub(crate) dropped: usize,
}

impl Pairs {
    pub(crate) fn of(&self, state: State) -> &[(f64, f64)] {
        match state {
            State::Near => &self.near,
            State::Far => &self.far,
        }
    }
}

/// Asks all entries in turn, `wanted` times and more if samples are dropped. With `busy`, samples that other processes
/// disturb are kept.
pub(crate) fn play(
    title: &str,
    contestants: &mut [Contestant],
    entries: &[Entry],
    (wanted, busy): (usize, bool),
) -> Result<Rounds, super::Failure> {
    let mut all = Rounds { names: entries.iter().map(|entry| entry.name).collect(), rounds: Vec::new() };
    // Rings grow, pages are touched: this round does not count.
    for entry in entries {
        contestants[entry.contestant].ask(&entry.question);
    }
    let mut disturbed = 0;
    for number in 0..wanted * REPEATS {
        let round = one_round(number, contestants, entries, busy);
        disturbed = if round.figures.iter().all(Option::is_none) { disturbed + 1 } else { 0 };
        if disturbed >= DISTURBED {
            return Err(format!(
                "{title}: no good sample in {DISTURBED} rounds. If other processes use the cores, measure on a quiet \
                 machine, or keep what they disturb with --busy"
            )
            .into());
        }
        all.rounds.push(round);
        let present = |peer: &usize| contestants[entries[*peer].contestant].given_up.is_none();
        let pairs: Vec<Pairs> =
            (1..entries.len()).filter(present).map(|peer| all.pairs(0, &[peer])).collect();
        eprintln!(
            "{title}: round {}, pairs near {}, far {}, dropped {}",
            number + 1,
            pairs.iter().map(|pairs| pairs.near.len()).min().unwrap_or(0),
            pairs.iter().map(|pairs| pairs.far.len()).min().unwrap_or(0),
            pairs.iter().map(|pairs| pairs.dropped).max().unwrap_or(0),
        );
        if pairs.iter().all(|pairs| pairs.near.len() >= wanted || pairs.far.len() >= wanted) {
            break;
        }
    }
    Ok(all)
}

fn one_round(number: usize, contestants: &mut [Contestant], entries: &[Entry], busy: bool) -> Round {
    let mut order: Vec<usize> = (0..entries.len()).collect();
    order.rotate_left(number % entries.len());
    if number % 2 == 1 {
        order.reverse();
    }
    let mut round = Round {
        order: order.clone(),
        probes: vec![probe().unwrap_or(0.0)],
        figures: entries.iter().map(|_| None).collect(),
    };
    for entry in order {
        let Entry { contestant, question, .. } = &entries[entry];
        let others = Others::now();
        let figures = contestants[*contestant].ask(question);
        match others.disturbed() {
            Some(share) if !busy => {
                eprintln!("{question}: others took {share:.1} of a core, the sample is dropped");
            }
            _ => round.figures[entry] = figures,
        }
        round.probes.push(probe().unwrap_or(0.0));
    }
    round
}

impl Rounds {
    fn place(&self, name: &str) -> Option<usize> {
        self.names.iter().position(|other| *other == name)
    }

    /// Samples of entry `ours` beside the best of `peers`, where all probes from the first of them to the last agree.
    fn pairs(&self, ours: usize, peers: &[usize]) -> Pairs {
        let mut pairs = Pairs::default();
        for round in &self.rounds {
            let turns = || {
                let all = peers.iter().chain([&ours]);
                all.filter_map(|entry| round.order.iter().position(|turn| turn == entry))
            };
            let (first, last) = (turns().min().unwrap_or(0), turns().max().unwrap_or(0));
            let figure =
                |entry: usize| round.figures[entry].as_ref().and_then(|figures| figures.first()).copied();
            let theirs = peers.iter().map(|peer| figure(*peer)).collect::<Option<Vec<f64>>>();
            let theirs = theirs.map(|all| all.into_iter().fold(f64::NEG_INFINITY, f64::max));
            match (agreed(&round.probes[first..=last + 1]), figure(ours), theirs) {
                (Some(State::Near), Some(ours), Some(theirs)) => pairs.near.push((ours, theirs)),
                (Some(State::Far), Some(ours), Some(theirs)) => pairs.far.push((ours, theirs)),
                _ => pairs.dropped += 1,
            }
        }
        pairs
    }

    /// Rows that set `ours` beside the best of `peers` in each state that was seen.
    pub(crate) fn rows(
        &self,
        name: &'static str,
        (ours, peer): (&str, &'static str),
        peers: &[&str],
        (unit, scale): (&'static str, f64),
        target: impl Fn(State) -> Target,
    ) -> Vec<Row> {
        let Some(ours) = self.place(ours) else { return Vec::new() };
        let places: Vec<usize> = peers.iter().filter_map(|peer| self.place(peer)).collect();
        if places.is_empty() {
            return Vec::new();
        }
        let pairs = self.pairs(ours, &places);
        [State::Near, State::Far]
            .into_iter()
            .filter(|state| !pairs.of(*state).is_empty())
            .map(|state| Row {
                name,
                state: state.name(),
                unit,
                ours: pairs.of(state).iter().map(|(ours, _)| ours * scale).collect(),
                peer,
                theirs: pairs.of(state).iter().map(|(_, theirs)| theirs * scale).collect(),
                target: target(state),
                dropped: pairs.dropped,
            })
            .collect()
    }

    /// Median of each entry's figure number `index`, of the samples whose own brackets agree, in a state.
    pub(crate) fn medians(&self, state: State, index: usize) -> Vec<(&'static str, f64, usize)> {
        let of = |entry: usize| {
            let figures = self.rounds.iter().filter_map(|round| {
                let turn = round.order.iter().position(|turn| *turn == entry)?;
                let figures = round.figures[entry].as_ref()?;
                let agreed = agreed(&round.probes[turn..=turn + 1]) == Some(state);
                if agreed { figures.get(index).copied() } else { None }
            });
            let figures: Vec<f64> = figures.collect();
            (self.names[entry], crate::row::median(&figures), figures.len())
        };
        (0..self.names.len()).map(of).filter(|(_, _, n)| *n > 0).collect()
    }

    /// All probes that did not fail.
    pub(crate) fn probes(&self) -> impl Iterator<Item = f64> {
        self.rounds.iter().flat_map(|round| round.probes.iter().copied()).filter(|probe| *probe > 0.0)
    }
}
