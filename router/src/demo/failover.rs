//! How long the outside host hears nothing of the inner node while the border router between them is killed.

use std::io;
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use super::outside::OutsideHost;
use crate::host::EchoOutcome;

/// From one echo request to the next.
const INTERVAL: Duration = Duration::from_millis(1);
/// An answer later than this is lost.
const TIMEOUT: Duration = Duration::from_millis(800);
/// Requests before the kill.
const BEFORE: u32 = 300;
/// Requests after it, at least.
const AFTER: u32 = 1500;

/// What was measured.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interruption {
    /// The longest time between two answers.
    pub longest_gap: Duration,
    /// Requests sent.
    pub sent: usize,
    /// Requests without an answer.
    pub lost: usize,
    /// Answers came after the kill.
    pub recovered: bool,
}

/// Sends echo requests to `destination` and calls `kill` in the middle.
///
/// # Errors
/// The stack has ended, or the kill failed.
pub async fn measure(
    host: &OutsideHost,
    destination: Ipv4Addr,
    kill: impl FnOnce() -> io::Result<()>,
) -> io::Result<Interruption> {
    let mut kill = Some(kill);
    let mut requests = JoinSet::new();
    let mut ticks = tokio::time::interval(INTERVAL);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    let mut killed = Instant::now();
    for number in 0..BEFORE + AFTER {
        ticks.tick().await;
        if number == BEFORE
            && let Some(kill) = kill.take()
        {
            kill()?;
            killed = Instant::now();
        }
        let host = host.clone();
        requests.spawn(async move {
            let outcome = host.echo(destination, TIMEOUT).await;
            (outcome.is_ok_and(|outcome| matches!(outcome, EchoOutcome::Reply { .. })), Instant::now())
        });
    }
    let mut answers = Vec::new();
    let mut lost = 0;
    while let Some(result) = requests.join_next().await {
        match result {
            Ok((true, at)) => answers.push(at),
            Ok((false, _)) => lost += 1,
            Err(error) => return Err(io::Error::other(error)),
        }
    }
    Ok(summarize(answers, lost, killed))
}

fn summarize(mut answers: Vec<Instant>, lost: usize, killed: Instant) -> Interruption {
    answers.sort_unstable();
    let longest_gap =
        answers.windows(2).map(|pair| pair[1].duration_since(pair[0])).max().unwrap_or(Duration::MAX);
    Interruption {
        longest_gap,
        sent: answers.len() + lost,
        lost,
        recovered: answers.last().is_some_and(|&last| last > killed + TIMEOUT),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_gap_between_answers_counts_whatever_their_order() {
        let start = Instant::now();
        let at = |milliseconds| start + Duration::from_millis(milliseconds);
        let measured = summarize(vec![at(0), at(1500), at(1), at(40), at(41)], 3, at(2));
        assert_eq!(measured.longest_gap, Duration::from_millis(1459));
        assert_eq!((measured.sent, measured.lost, measured.recovered), (8, 3, true));
    }

    #[test]
    fn without_answers_after_the_kill_nothing_has_recovered() {
        let start = Instant::now();
        let measured = summarize(vec![start, start + Duration::from_millis(1)], 9, start);
        assert!(!measured.recovered);
    }
}
