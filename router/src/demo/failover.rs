//! Steps of the tour around the death of a border router: how long the outside host hears nothing of the inner node
//! while the router between them is killed, and the return of that router.

use std::io;
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use super::outside::OutsideHost;
use super::topology::{self, CLUSTER_NETWORKS, INNER, NODES, PREFERRED};
use super::tour::Tour;
use crate::host::EchoOutcome;

/// From one echo request to the next.
const INTERVAL: Duration = Duration::from_millis(1);
/// An answer later than this is lost.
const TIMEOUT: Duration = Duration::from_millis(800);
/// Requests before the kill.
const BEFORE: u32 = 300;
/// Requests after it, at least.
const AFTER: u32 = 1500;

impl Tour {
    /// Kills the border router that carries the traffic.
    pub(super) async fn failover(&mut self) -> bool {
        let Some(mut victim) = self.processes.remove(&PREFERRED) else { return false };
        let pid = victim.id();
        self.say
            .line("failover", &format!("SIGKILL to node-{PREFERRED} (pid {pid}), which carries the traffic"));
        let measured = measure(&self.outside, topology::local_address(INNER), || victim.kill()).await;
        let result = measured.and_then(|measured| {
            let lost = format!("{} of {} echo requests lost", measured.lost, measured.sent);
            if !measured.recovered {
                return Err(io::Error::other(format!("node-{INNER} was not heard again; {lost}")));
            }
            self.report.failover_interruption_ms = measured.longest_gap.as_secs_f64() * 1000.0;
            let gap = self.report.failover_interruption_ms;
            Ok(format!("the outside host heard nothing of node-{INNER} for {gap:.1} ms; {lost}"))
        });
        self.step("failover", result)
    }

    /// Starts the border router again with the same id, and waits until the cluster is whole.
    pub(super) async fn comeback(&mut self) -> bool {
        let result = self.return_of_the_preferred().await;
        self.step("comeback", result)
    }

    async fn return_of_the_preferred(&mut self) -> io::Result<String> {
        let pid = self.restart(PREFERRED)?;
        let started = Instant::now();
        for node in NODES {
            self.meets_all(node).await?;
        }
        let met = started.elapsed().as_millis();
        self.all_full().await?;
        let full = started.elapsed().as_millis();
        for node in NODES {
            self.route_to_the_outside(node).await?;
        }
        for destination in CLUSTER_NETWORKS {
            self.route_to_the_cluster(destination).await?;
        }
        self.path_to_the_outside().await?;
        let carries = started.elapsed().as_millis();
        Ok(format!(
            "node-{PREFERRED} again, pid {pid}: met by all after {met} ms, its adjacencies Full after {full} ms, \
             carries the traffic again after {carries} ms"
        ))
    }
}

/// What was measured.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interruption {
    /// The longest time between two answers of which the later came after the kill.
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
            killed = Instant::now();
            kill()?;
        }
        let host = host.clone();
        requests.spawn(async move {
            let asked = Instant::now();
            match host.echo(destination, TIMEOUT).await {
                Ok(EchoOutcome::Reply { round_trip, .. }) => Some(asked + round_trip),
                _ => None,
            }
        });
    }
    let mut answers = Vec::new();
    let mut lost = 0;
    while let Some(result) = requests.join_next().await {
        match result {
            Ok(Some(answered)) => answers.push(answered),
            Ok(None) => lost += 1,
            Err(error) => return Err(io::Error::other(error)),
        }
    }
    Ok(summarize(answers, lost, killed))
}

fn summarize(mut answers: Vec<Instant>, lost: usize, killed: Instant) -> Interruption {
    answers.sort_unstable();
    let longest_gap =
        answers.windows(2).filter(|pair| pair[1] > killed).map(|pair| pair[1].duration_since(pair[0])).max();
    Interruption {
        longest_gap: longest_gap.unwrap_or(Duration::MAX),
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
