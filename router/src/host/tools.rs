//! Ping and traceroute, made of single echo requests.

use std::net::Ipv4Addr;
use std::time::Duration;

use tokio::sync::mpsc;

use super::{EchoOutcome, EchoRequest, HostHandle};

/// What ping is asked to do.
#[derive(Clone, Debug)]
pub struct PingRequest {
    /// Where to.
    pub destination: Ipv4Addr,
    /// From which of the node's addresses; `None`: the usual one.
    pub source: Option<Ipv4Addr>,
    /// How many requests.
    pub count: u32,
    /// From one to the next.
    pub interval: Duration,
    /// How long to wait for each.
    pub timeout: Duration,
    /// Bytes after the ICMP header.
    pub payload_len: usize,
    /// Time to live.
    pub ttl: u8,
}

/// Sends the requests one after the other and tells `report` of each outcome, with its number from 1.
/// Stops early when nobody listens any more.
///
/// # Errors
/// The stack has ended.
pub async fn ping(
    host: &HostHandle,
    request: PingRequest,
    report: mpsc::Sender<(u32, EchoOutcome)>,
) -> std::io::Result<()> {
    for number in 1..=request.count {
        let started = tokio::time::Instant::now();
        let outcome = host
            .echo(EchoRequest {
                destination: request.destination,
                source: request.source,
                ttl: request.ttl,
                payload_len: request.payload_len,
                timeout: request.timeout,
            })
            .await?;
        if report.send((number, outcome)).await.is_err() {
            return Ok(());
        }
        if number < request.count {
            tokio::time::sleep_until(started + request.interval).await;
        }
    }
    Ok(())
}

/// What traceroute is asked to do.
#[derive(Clone, Debug)]
pub struct TracerouteRequest {
    /// Where to.
    pub destination: Ipv4Addr,
    /// From which of the node's addresses; `None`: the usual one.
    pub source: Option<Ipv4Addr>,
    /// The largest time to live tried.
    pub max_hops: u8,
    /// Requests for each time to live.
    pub probes: u8,
    /// How long to wait for each.
    pub timeout: Duration,
}

/// Raises the time to live until the destination answers or refuses, and tells `report` of each hop's
/// outcomes. Stops early when nobody listens any more.
///
/// # Errors
/// The stack has ended.
pub async fn traceroute(
    host: &HostHandle,
    request: TracerouteRequest,
    report: mpsc::Sender<(u8, Vec<EchoOutcome>)>,
) -> std::io::Result<()> {
    for ttl in 1..=request.max_hops {
        let mut outcomes = Vec::with_capacity(usize::from(request.probes));
        for _ in 0..request.probes {
            outcomes.push(
                host.echo(EchoRequest {
                    destination: request.destination,
                    source: request.source,
                    ttl,
                    payload_len: 32,
                    timeout: request.timeout,
                })
                .await?,
            );
        }
        let ended = outcomes
            .iter()
            .any(|outcome| matches!(outcome, EchoOutcome::Reply { .. } | EchoOutcome::Unreachable { .. }));
        if report.send((ttl, outcomes)).await.is_err() || ended {
            return Ok(());
        }
    }
    Ok(())
}
