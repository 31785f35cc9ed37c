//! What the tools are asked and what they answer: ping, traceroute, capture.

use std::net::Ipv4Addr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What `POST /tools/ping` takes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct PingRequest {
    /// Whom to ask.
    pub destination: Ipv4Addr,
    /// Echo requests to send, 1 to 1000.
    #[serde(default = "PingRequest::default_count")]
    #[schemars(range(min = 1, max = 1000))]
    pub count: u32,
    /// Seconds between two requests, 0.01 to 60.
    #[serde(default = "PingRequest::default_interval")]
    #[schemars(range(min = 0.01, max = 60.0))]
    pub interval: f64,
    /// Seconds to wait for an answer, 0.01 to 60.
    #[serde(default = "PingRequest::default_timeout")]
    #[schemars(range(min = 0.01, max = 60.0))]
    pub timeout: f64,
    /// Octets of ICMP payload, at most 8000.
    #[serde(default = "PingRequest::default_size")]
    #[schemars(range(min = 0, max = 8000))]
    pub size: u32,
    /// Time to live, 1 to 255.
    #[serde(default = "PingRequest::default_ttl")]
    #[schemars(range(min = 1, max = 255))]
    pub ttl: u8,
    /// The address to ask from; one of the embedded stack's, chosen by the route if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<Ipv4Addr>,
}

impl PingRequest {
    /// A request with all defaults.
    pub fn to(destination: Ipv4Addr) -> Self {
        Self {
            destination,
            count: Self::default_count(),
            interval: Self::default_interval(),
            timeout: Self::default_timeout(),
            size: Self::default_size(),
            ttl: Self::default_ttl(),
            source: None,
        }
    }

    fn default_count() -> u32 {
        5
    }

    fn default_interval() -> f64 {
        1.0
    }

    fn default_timeout() -> f64 {
        2.0
    }

    fn default_size() -> u32 {
        56
    }

    fn default_ttl() -> u8 {
        64
    }
}

/// What became of one echo request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct PingReply {
    /// Which request, from 1.
    pub sequence: u32,
    /// What became of it.
    pub outcome: PingOutcome,
    /// Who answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Ipv4Addr>,
    /// Octets of ICMP payload in the answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u32>,
    /// Time to live that the answer had left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl: Option<u8>,
    /// Seconds from request to answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<f64>,
}

/// What became of an echo request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum PingOutcome {
    /// Answered.
    Reply,
    /// Not answered in time.
    Timeout,
    /// A router on the way had no route, or the host no such protocol.
    Unreachable,
    /// The time to live ran out on the way.
    TimeExceeded,
    /// It could not be sent.
    NotSent,
}

/// What became of all echo requests.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct PingSummary {
    /// Requests sent.
    pub transmitted: u32,
    /// Of them answered.
    pub received: u32,
    /// Share of requests without an answer, 0 to 1.
    pub loss: f64,
    /// Shortest time in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub minimum: Option<f64>,
    /// Mean time in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub average: Option<f64>,
    /// Longest time in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub maximum: Option<f64>,
}

impl PingSummary {
    /// The summary of the replies so far.
    pub fn of<'a>(replies: impl IntoIterator<Item = &'a PingReply>) -> Self {
        let (mut transmitted, mut received, mut sum) = (0u32, 0u32, 0.0);
        let (mut minimum, mut maximum) = (f64::INFINITY, 0.0f64);
        for reply in replies {
            transmitted += u32::from(reply.outcome != PingOutcome::NotSent);
            if let (PingOutcome::Reply, Some(time)) = (reply.outcome, reply.time) {
                received += 1;
                sum += time;
                minimum = minimum.min(time);
                maximum = maximum.max(time);
            }
        }
        let answered = received > 0;
        Self {
            transmitted,
            received,
            loss: 1.0 - f64::from(received) / f64::from(transmitted.max(1)),
            minimum: answered.then_some(minimum),
            average: answered.then(|| sum / f64::from(received)),
            maximum: answered.then_some(maximum),
        }
    }
}

/// What `POST /tools/traceroute` takes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct TracerouteRequest {
    /// Whither.
    pub destination: Ipv4Addr,
    /// The largest time to live tried, 1 to 64.
    #[serde(default = "TracerouteRequest::default_max_hops")]
    #[schemars(range(min = 1, max = 64))]
    pub max_hops: u8,
    /// Probes for each hop, 1 to 10.
    #[serde(default = "TracerouteRequest::default_probes")]
    #[schemars(range(min = 1, max = 10))]
    pub probes: u8,
    /// Seconds to wait for an answer, 0.01 to 60.
    #[serde(default = "TracerouteRequest::default_timeout")]
    #[schemars(range(min = 0.01, max = 60.0))]
    pub timeout: f64,
    /// The address to ask from; one of the embedded stack's, chosen by the route if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<Ipv4Addr>,
}

impl TracerouteRequest {
    /// A request with all defaults.
    pub fn to(destination: Ipv4Addr) -> Self {
        Self {
            destination,
            max_hops: Self::default_max_hops(),
            probes: Self::default_probes(),
            timeout: Self::default_timeout(),
            source: None,
        }
    }

    fn default_max_hops() -> u8 {
        30
    }

    fn default_probes() -> u8 {
        3
    }

    fn default_timeout() -> f64 {
        1.0
    }
}

/// The routers at one distance.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct TracerouteHop {
    /// The time to live of the probes.
    pub ttl: u8,
    /// What became of each probe.
    pub probe: Vec<TracerouteProbe>,
    /// Whether the destination itself answered.
    pub reached: bool,
}

/// What became of a probe.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct TracerouteProbe {
    /// What became of it.
    pub outcome: PingOutcome,
    /// Who answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Ipv4Addr>,
    /// Seconds from probe to answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<f64>,
}

/// How a traceroute ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct TracerouteSummary {
    /// Whether the destination answered.
    pub reached: bool,
    /// Hops tried.
    pub hops: u8,
}

impl TracerouteSummary {
    /// The summary of the hops so far.
    pub fn of(hops: &[TracerouteHop]) -> Self {
        Self {
            reached: hops.iter().any(|hop| hop.reached),
            hops: hops.iter().map(|hop| hop.ttl).max().unwrap_or(0),
        }
    }
}

/// A line of the answer of `POST /tools/ping`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum PingLine {
    /// What became of a request.
    Reply(PingReply),
    /// The last line.
    Summary(PingSummary),
}

/// A line of the answer of `POST /tools/traceroute`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum TracerouteLine {
    /// A hop.
    Hop(TracerouteHop),
    /// The last line.
    Summary(TracerouteSummary),
}

/// What `POST /tools/throughput` takes: datagrams to the discard port (RFC 863) of another node, as fast as they go.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ThroughputRequest {
    /// Whither.
    pub destination: Ipv4Addr,
    /// Octets of each IP datagram, 28 to 9000.
    #[serde(default = "ThroughputRequest::default_datagram_length")]
    #[schemars(range(min = 28, max = 9000))]
    pub datagram_length: u32,
    /// Seconds, 0.01 to 10.
    #[serde(default = "ThroughputRequest::default_duration")]
    #[schemars(range(min = 0.01, max = 10.0))]
    pub duration: f64,
}

impl ThroughputRequest {
    fn default_datagram_length() -> u32 {
        1500
    }

    fn default_duration() -> f64 {
        1.0
    }
}

/// What was sent. What has arrived, the counters of the receiver tell.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct ThroughputReport {
    /// Datagrams.
    pub packets: u64,
    /// Octets of them.
    pub octets: u64,
    /// The time that it took in seconds.
    pub time: f64,
}

/// The query of `POST /tools/capture`, whose answer is a pcapng file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct CaptureQuery {
    /// The interface to listen at.
    #[schemars(example = &"lsm0")]
    pub interface: String,
    /// Ends after so many frames.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1), example = 1)]
    pub count: Option<u64>,
    /// Ends after so many seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.01, max = 86400.0), example = 0.1)]
    pub duration: Option<f64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(sequence: u32, outcome: PingOutcome, time: Option<f64>) -> PingReply {
        PingReply { sequence, outcome, from: None, size: None, ttl: None, time }
    }

    #[test]
    fn a_summary_counts_only_answers() {
        let replies = [
            reply(1, PingOutcome::Reply, Some(0.25)),
            reply(2, PingOutcome::Timeout, None),
            reply(3, PingOutcome::Reply, Some(0.75)),
            reply(4, PingOutcome::Unreachable, Some(0.1)),
        ];
        let summary = PingSummary::of(&replies);
        assert_eq!((summary.transmitted, summary.received, summary.loss), (4, 2, 0.5));
        assert_eq!((summary.minimum, summary.average, summary.maximum), (Some(0.25), Some(0.5), Some(0.75)));
    }

    #[test]
    fn a_summary_of_nothing_is_a_total_loss_without_times() {
        let summary = PingSummary::of(&[]);
        assert_eq!((summary.transmitted, summary.received, summary.loss), (0, 0, 1.0));
        assert_eq!(summary.average, None);
    }

    #[test]
    fn an_unknown_member_of_a_request_is_refused() {
        assert!(serde_json::from_str::<PingRequest>(r#"{"destination":"10.0.0.1","cout":3}"#).is_err());
        let request: PingRequest = serde_json::from_str(r#"{"destination":"10.0.0.1"}"#).unwrap();
        assert_eq!(request, PingRequest::to(Ipv4Addr::new(10, 0, 0, 1)));
    }
}
