//! The figures, for people and for programs.

use serde::Serialize;

/// All of it.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Report {
    /// The processors of the two processes.
    #[serde(rename = "cpus")]
    pub processors: [usize; 2],
    /// One for each length.
    pub rows: Vec<Row>,
}

/// The figures of one length.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Row {
    /// Octets of a frame.
    pub size: usize,
    /// Frames in a second, one way.
    pub frames_per_second: f64,
    /// The same in Gbit/s.
    pub gbit_per_second: f64,
    /// Median of a round trip in nanoseconds, both ends polling.
    pub rtt_p50_ns: u32,
    /// A hundredth of the round trips took longer.
    pub rtt_p99_ns: u32,
    /// Median of a round trip in nanoseconds with an end that slept.
    pub wake_p50_ns: u32,
}

impl Row {
    pub(super) fn new(
        size: usize,
        frames: u64,
        nanoseconds: u64,
        trips: &mut [u32],
        wakes: &mut [u32],
    ) -> Self {
        let rate = if nanoseconds == 0 { 0.0 } else { frames as f64 * 1e9 / nanoseconds as f64 };
        Self {
            size,
            frames_per_second: rate.round(),
            gbit_per_second: (rate * size as f64 * 8.0 / 1e6).round() / 1e3,
            rtt_p50_ns: quantile(trips, 50),
            rtt_p99_ns: quantile(trips, 99),
            wake_p50_ns: quantile(wakes, 50),
        }
    }
}

fn quantile(samples: &mut [u32], percent: usize) -> u32 {
    samples.sort_unstable();
    let index = samples.len() * percent / 100;
    samples.get(index.min(samples.len().saturating_sub(1))).copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_made_of_its_samples() {
        let mut trips: Vec<u32> = (1..=100).rev().collect();
        let row = Row::new(1500, 2_000_000, 1_000_000_000, &mut trips, &mut [9, 7, 8]);
        assert_eq!(row.frames_per_second, 2e6);
        assert_eq!(row.gbit_per_second, 24.0);
        assert_eq!((row.rtt_p50_ns, row.rtt_p99_ns, row.wake_p50_ns), (51, 100, 8));
        let nothing = Row::new(64, 0, 0, &mut [], &mut []);
        assert_eq!((nothing.frames_per_second, nothing.rtt_p50_ns), (0.0, 0));
    }
}
