//! A distribution of durations, counted in fixed buckets.

use std::time::Duration;

/// How many durations fell into which bucket, since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Histogram {
    counts: [u64; Self::BOUNDS.len()],
    /// Durations counted, those above the last bound included.
    count: u64,
    /// Their sum in seconds.
    sum: f64,
}

impl Histogram {
    /// The upper bounds of the buckets in seconds: from a calculation on a few routers to a convergence that hurts.
    pub const BOUNDS: [f64; 14] =
        [1e-5, 2.5e-5, 5e-5, 1e-4, 2.5e-4, 5e-4, 1e-3, 2.5e-3, 1e-2, 5e-2, 0.25, 1.0, 5.0, 30.0];

    /// Counts a duration.
    pub fn observe(&mut self, duration: Duration) {
        let seconds = duration.as_secs_f64();
        self.count += 1;
        self.sum += seconds;
        let bucket = Self::BOUNDS.iter().position(|bound| seconds <= *bound);
        if let Some(count) = bucket.and_then(|bucket| self.counts.get_mut(bucket)) {
            *count += 1;
        }
    }

    /// Durations counted.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The sum of the durations in seconds.
    pub fn sum(&self) -> f64 {
        self.sum
    }

    /// Each bound with the number of durations that do not exceed it.
    pub fn cumulative(&self) -> impl Iterator<Item = (f64, u64)> {
        let running = self.counts.iter().scan(0, |sum, count| {
            *sum += count;
            Some(*sum)
        });
        Self::BOUNDS.into_iter().zip(running)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_cumulative_and_the_largest_durations_are_only_in_the_count() {
        let mut histogram = Histogram::default();
        for micros in [10, 11, 900, 50_000_000] {
            histogram.observe(Duration::from_micros(micros));
        }
        let cumulative: Vec<u64> = histogram.cumulative().map(|(_, count)| count).collect();
        assert_eq!(cumulative, [1, 2, 2, 2, 2, 2, 3, 3, 3, 3, 3, 3, 3, 3]);
        assert_eq!(histogram.count(), 4);
        assert!((histogram.sum() - 50.000_921).abs() < 1e-9);
    }
}
