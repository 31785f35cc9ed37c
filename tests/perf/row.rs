//! A row of figures: ours, the peer's, and how far the two are from the target.

use serde_json::{Value, json};

/// How ours shall stand to the peer's.
#[derive(Clone, Copy)]
pub(crate) enum Target {
    /// At least this many times the peer's.
    AtLeast(f64),
    /// At most this many times the peer's.
    AtMost(f64),
}

/// What was measured, several times.
pub(crate) struct Row {
    /// Its name.
    pub(crate) name: &'static str,
    /// State of the machine that it holds for: `near`, `far` or `all`.
    pub(crate) state: &'static str,
    /// Unit of all figures.
    pub(crate) unit: &'static str,
    /// What we did, in the order of the runs.
    pub(crate) ours: Vec<f64>,
    /// Who did the same.
    pub(crate) peer: &'static str,
    /// What the peer did, in the order of the runs.
    pub(crate) theirs: Vec<f64>,
    /// What is aimed at.
    pub(crate) target: Target,
    /// Samples that were dropped, since the machine changed meanwhile.
    pub(crate) dropped: usize,
}

impl Row {
    /// The row as JSON: medians, their ratio, least and most, and whether the target is met.
    pub(crate) fn to_json(&self) -> Value {
        let (ours, theirs) = (median(&self.ours), median(&self.theirs));
        let ratio = ours / theirs;
        let (operator, target, met) = match self.target {
            Target::AtLeast(target) => (">=", target, ratio >= target),
            Target::AtMost(target) => ("<=", target, ratio <= target),
        };
        json!({
            "name": self.name, "state": self.state, "unit": self.unit, "ours": round(ours), "peer": self.peer, "theirs": round(theirs),
            "ratio": round(ratio), "op": operator, "target": target, "met": met, "n": self.ours.len(),
            "dropped": self.dropped,
            "least": round(self.ours.iter().copied().fold(f64::INFINITY, f64::min)),
            "most": round(self.ours.iter().copied().fold(f64::NEG_INFINITY, f64::max)),
            "all": self.ours.iter().copied().map(round).collect::<Vec<_>>(),
        })
    }
}

/// The middle value; of an even number the mean of the two in the middle.
pub(crate) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => f64::NAN,
        odd if odd % 2 == 1 => sorted[middle],
        _ => f64::midpoint(sorted[middle - 1], sorted[middle]),
    }
}

pub(crate) fn round(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}
