//! Steps of the tour with traffic: ping, traceroute, connections to the common address, throughput.

use std::collections::BTreeSet;
use std::io;
use std::net::SocketAddrV4;
use std::time::Instant;

use serde_json::json;

use super::client::Api;
use super::topology::{self, BORDER_NODES, COMMON_ADDRESS, IN_BAND_PORT, INNER, OUTSIDE_HOST, PREFERRED};
use super::tour::Tour;

/// Connections from outside to the common address.
const CONNECTIONS: usize = 12;
/// Each of the two throughput tests, in seconds.
const THROUGHPUT_TIME: f64 = 1.0;

impl Tour {
    pub(super) async fn ping(&mut self) {
        let request = json!({ "destination": OUTSIDE_HOST, "count": 5, "interval": 0.05, "timeout": 2.0 });
        let lines = self.api(INNER).tool("/api/v1/tools/ping", request).await;
        let result = lines.and_then(|lines| {
            let summary = lines.iter().find_map(|line| line.get("summary")).cloned().unwrap_or_default();
            self.report.ping_ok = summary["received"] == 5;
            let text = format!(
                "node-{INNER} to {OUTSIDE_HOST}: {} of {} answered, {:.2} ms on average",
                summary["received"],
                summary["transmitted"],
                summary["average"].as_f64().unwrap_or(0.0) * 1000.0
            );
            if self.report.ping_ok { Ok(text) } else { Err(io::Error::other(text)) }
        });
        self.step("ping", result);
    }

    pub(super) async fn traceroute(&mut self) {
        let result = self.path_to_the_outside().await;
        self.step("traceroute", result);
    }

    /// Traces the way from the inner node to the outside host: by the preferred border router, or it is an error.
    pub(super) async fn path_to_the_outside(&self) -> io::Result<String> {
        let request = json!({ "destination": OUTSIDE_HOST, "probes": 1, "timeout": 2.0, "max-hops": 8 });
        let lines = self.api(INNER).tool("/api/v1/tools/traceroute", request).await?;
        let hops: Vec<&str> = lines
            .iter()
            .filter_map(|line| line.get("hop"))
            .map(|hop| hop["probe"][0]["from"].as_str().unwrap_or("?"))
            .collect();
        let text = format!("node-{INNER} to {OUTSIDE_HOST}: {}", hops.join(" -> "));
        let through = hops.first() == Some(&topology::local_address(PREFERRED).to_string().as_str());
        let reached = hops.len() == 3 && hops.last() == Some(&OUTSIDE_HOST.to_string().as_str());
        if through && reached { Ok(text) } else { Err(io::Error::other(text)) }
    }

    pub(super) async fn common_address(&mut self) {
        let server = SocketAddrV4::new(COMMON_ADDRESS, IN_BAND_PORT);
        let started = Instant::now();
        let mut served = Vec::new();
        let mut failure = None;
        for _ in 0..CONNECTIONS {
            match self.outside.fetch(server, "/api/v1/system").await {
                Ok(system) => served.extend(system["node-id"].as_u64().and_then(|id| u8::try_from(id).ok())),
                Err(error) => {
                    failure = Some(error);
                    break;
                }
            }
        }
        let text = format!(
            "{CONNECTIONS} TCP connections from outside to {server} in {} ms, served by nodes {served:?}",
            started.elapsed().as_millis()
        );
        let nodes: BTreeSet<u8> = served.iter().copied().collect();
        let held = served.len() == CONNECTIONS && nodes.len() > 1;
        self.report.common_address_served_by = served;
        let result = match failure {
            Some(error) => Err(io::Error::new(error.kind(), format!("{text}; then: {error}"))),
            None if held => Ok(text),
            None => Err(io::Error::other(text)),
        };
        self.step("common address", result);
    }

    pub(super) async fn throughput(&mut self) {
        let (from, to) = (BORDER_NODES[1], INNER);
        let result = match self.stream(from, to, 8900).await {
            Ok(large) => self.stream(from, to, 64).await.map(|small| (large, small)),
            Err(error) => Err(error),
        };
        let result = result.and_then(|(large, small)| {
            self.report.throughput_gbps = large.octets as f64 * 8.0 / large.seconds / 1e9;
            self.report.throughput_mpps = small.packets as f64 / small.seconds / 1e6;
            let text = format!(
                "node-{from} to node-{to} over the memory: {:.2} Gbit/s (8900-byte datagrams), {:.3} M packets/s (64 bytes)",
                self.report.throughput_gbps, self.report.throughput_mpps
            );
            if large.packets > 0 && small.packets > 0 { Ok(text) } else { Err(io::Error::other(text)) }
        });
        self.step("throughput", result);
    }

    /// Sends datagrams for a while, and counts what the receiver's local network has taken in.
    async fn stream(&self, from: u8, to: u8, length: u32) -> io::Result<Received> {
        let (sender, receiver) = (self.api(from), self.api(to));
        let before = received(&receiver).await?;
        let started = Instant::now();
        let request = json!({
            "destination": topology::local_address(to), "datagram-length": length, "duration": THROUGHPUT_TIME,
        });
        sender.tool("/api/v1/tools/throughput", request).await?;
        let seconds = started.elapsed().as_secs_f64();
        let after = received(&receiver).await?;
        let grown = |before: u64, after: u64| {
            after.checked_sub(before).ok_or_else(|| invalid("the counters went back".to_owned()))
        };
        Ok(Received { packets: grown(before.0, after.0)?, octets: grown(before.1, after.1)?, seconds })
    }
}

struct Received {
    packets: u64,
    octets: u64,
    seconds: f64,
}

/// Packets and octets that a node's local network has taken in and not dropped.
async fn received(api: &Api) -> io::Result<(u64, u64)> {
    let statistics = api.get("/api/v1/interfaces/lsm0/statistics").await?;
    let number = |key: &str| statistics[key].as_u64().ok_or_else(|| invalid(format!("no {key}")));
    Ok((number("in-unicast-pkts")?, number("in-octets")?))
}

fn invalid(what: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}
