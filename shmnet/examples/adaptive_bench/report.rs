//! Medians for each state, and the rows that `tests/perf` collects.

use crate::measure::State;

/// The samples of one contender.
pub(crate) struct Samples {
    pub(crate) name: String,
    rates: Vec<(State, f64)>,
}

impl Samples {
    pub(crate) fn of(name: &str) -> Self {
        Self { name: name.to_owned(), rates: Vec::new() }
    }

    pub(crate) fn take(&mut self, state: State, rate: f64) {
        self.rates.push((state, rate));
    }

    /// The median of a state, and of how many samples it is.
    pub(crate) fn median(&self, state: State) -> Option<(f64, usize)> {
        let mut rates: Vec<f64> =
            self.rates.iter().filter(|(of, _)| *of == state).map(|(_, rate)| *rate).collect();
        rates.sort_unstable_by(f64::total_cmp);
        rates.get(rates.len() / 2).map(|median| (*median, rates.len()))
    }
}

/// The first contender is ours.
pub(crate) struct Comparison {
    pub(crate) name: String,
    pub(crate) target: f64,
    pub(crate) samples: Vec<Samples>,
}

impl Comparison {
    fn row(&self, state: State) -> Option<String> {
        let (ours, others) = self.samples.split_first()?;
        let (ours, mut n) = ours.median(state)?;
        let others = others.iter().filter_map(|one| Some((one, one.median(state)?)));
        let (best, (theirs, count)) = others.max_by(|(_, a), (_, b)| a.0.total_cmp(&b.0))?;
        n = n.min(count);
        let ratio = ours / theirs;
        let Self { name, target, .. } = self;
        let (state, met, peer) =
            (if state == State::Near { "near" } else { "far" }, ratio >= *target, &best.name);
        Some(format!(
            r#"{{"name": "{name}", "state": "{state}", "unit": "Mpps", "ours": {ours:.3}, "peer": "{peer}", "theirs": {theirs:.3}, "ratio": {ratio:.3}, "op": ">=", "target": {target}, "met": {met}, "n": {n}}}"#
        ))
    }
}

/// Prints the rows as one JSON object.
pub(crate) fn print(comparisons: &[Comparison]) {
    let rows: Vec<String> = comparisons
        .iter()
        .flat_map(|comparison| [State::Near, State::Far].map(|state| comparison.row(state)))
        .flatten()
        .collect();
    println!("{{\"rows\": [\n  {}\n]}}", rows.join(",\n  "));
}
