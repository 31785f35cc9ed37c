//! The steps of the demo, each of which must hold.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddrV4;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::client::{Api, wait_for};
use super::failover;
use super::outside::OutsideHost;
use super::place::Place;
use super::process::{self, Process};
use super::report::{NodeReport, Report};
use super::say::Say;
use super::topology::{
    self, BORDER_NODES, COMMON_ADDRESS, IN_BAND_PORT, INNER, NODES, OUTSIDE_HOST, OUTSIDE_NETWORK, PREFERRED,
};
use crate::forward::worker::WorkerHandle;

/// For a step that is done in milliseconds on an idle machine.
const PATIENCE: Duration = Duration::from_secs(30);
/// Connections from outside to the common address.
const CONNECTIONS: usize = 12;
/// Each of the two throughput tests.
const THROUGHPUT_TIME: f64 = 1.0;
/// Adjacencies in state Full, each end counted: three pairs of nodes on two networks, one backbone adjacency between
/// the border routers, two uplinks.
const ADJACENCIES: u32 = 2 * (3 * 2 + 1 + 2);
/// The outside router among the processes.
const OUTSIDE: u8 = 0;

/// A running demo. Ends its processes when dropped.
pub struct Tour {
    place: Place,
    processes: BTreeMap<u8, Process>,
    outside: OutsideHost,
    outside_worker: WorkerHandle,
    say: Say,
    /// What was found out.
    pub report: Report,
    failed: Vec<String>,
}

impl Tour {
    /// Starts all processes.
    ///
    /// # Errors
    /// There is no place for the segment, or a process does not start.
    pub fn start(say: Say) -> io::Result<Self> {
        let place = Place::find(NODES.len() as u8)?;
        for swept in &place.swept {
            say.line("swept", &format!("{}: a killed earlier run left it", swept.display()));
        }
        say.line("segment", &place.describe());
        let mut processes = BTreeMap::new();
        let directory = place.directory().to_owned();
        let router = Process::start(&directory, "outside", &topology::outside_router_config(&place))?;
        say.line("outside", &format!("router, pid {}; host {OUTSIDE_HOST} in this process", router.id()));
        processes.insert(OUTSIDE, router);
        for node in NODES {
            let name = format!("node-{node}");
            let process = Process::start(&directory, &name, &topology::node_config(&place, node))?;
            let nic = if BORDER_NODES.contains(&node) { "one NIC" } else { "no NIC" };
            say.line(&name, &format!("pid {}, {nic}, {}", process.id(), topology::local_address(node)));
            processes.insert(node, process);
        }
        let (outside, outside_worker) = OutsideHost::start(&topology::host_wire(&directory))?;
        Ok(Self {
            place,
            processes,
            outside,
            outside_worker,
            say,
            report: Report::default(),
            failed: Vec::new(),
        })
    }

    /// Takes all steps. A step that does not hold is said, and those that do not depend on it go on.
    pub async fn run(&mut self) {
        let started = Instant::now();
        let ready = self.joins().await && self.adjacencies(started).await && self.roles().await;
        if ready && self.routes().await {
            self.ping().await;
            self.traceroute().await;
            self.common_address().await;
            self.throughput().await;
            self.failover().await;
        }
        self.addresses();
        self.report.ok = self.failed.is_empty();
    }

    /// The steps that did not hold.
    pub fn failed(&self) -> &[String] {
        &self.failed
    }

    /// Ends all processes and removes everything.
    pub fn end(self) {
        let Self { place, processes, outside_worker, .. } = self;
        process::end_all(processes.into_values().collect());
        drop(outside_worker);
        drop(place);
    }

    fn api(&self, node: u8) -> Api {
        Api::new(&topology::management_socket(self.place.directory(), node))
    }

    /// Says what came of a step. Returns whether it held.
    fn step(&mut self, name: &str, result: io::Result<String>) -> bool {
        match result {
            Ok(what) => {
                self.say.line(name, &what);
                true
            }
            Err(error) => {
                self.say.failure(name, &error.to_string());
                for process in self.processes.values_mut() {
                    if !process.is_running() {
                        self.say.failure(process.name(), &format!("has ended:\n{}", process.log_tail()));
                    }
                }
                self.failed.push(name.to_owned());
                false
            }
        }
    }

    async fn joins(&mut self) -> bool {
        for node in NODES {
            let api = self.api(node);
            let joined = wait_for(PATIENCE, alive(&mut self.processes), || {
                let shm = api.get("/api/v1/shm/nodes").map_err(|error| error.to_string())?;
                let active = shm["active"].as_array().map_or(0, Vec::len);
                if active == NODES.len() {
                    Ok(shm["active"].clone())
                } else {
                    Err(format!("{active} nodes active"))
                }
            });
            let result = joined.await.map(|active| format!("node-{node} sees nodes {active} active"));
            if !self.step("join", result) {
                return false;
            }
        }
        true
    }

    async fn adjacencies(&mut self, started: Instant) -> bool {
        let apis: Vec<Api> = self.processes.keys().map(|&node| self.api(node)).collect();
        let full = wait_for(PATIENCE, alive(&mut self.processes), || {
            let mut full = 0;
            for api in &apis {
                let neighbors = api.get("/api/v1/ospf/neighbors").map_err(|error| error.to_string())?;
                full += count(&neighbors["neighbor"], |neighbor| neighbor["state"] == "full");
            }
            if full == ADJACENCIES {
                Ok(full)
            } else {
                Err(format!("{full} of {ADJACENCIES} adjacencies are Full"))
            }
        });
        let result = full.await.map(|full| {
            self.report.adjacencies_full = full;
            format!("{full} OSPF adjacencies Full, {} ms after the start", started.elapsed().as_millis())
        });
        self.step("adjacencies", result)
    }

    async fn roles(&mut self) -> bool {
        for node in NODES {
            let api = self.api(node);
            let expected = if BORDER_NODES.contains(&node) { "abr" } else { "internal" };
            let role = wait_for(PATIENCE, alive(&mut self.processes), || {
                let system = api.get("/api/v1/system").map_err(|error| error.to_string())?;
                let (role, reason) = (&system["role"], &system["role-reason"]);
                let text = format!("node-{node} is {}: {}", text(role), text(reason));
                if role == expected { Ok(text) } else { Err(text) }
            });
            let result = role.await;
            if !self.step("role", result) {
                return false;
            }
        }
        let api = self.api(OUTSIDE);
        let abrs = wait_for(PATIENCE, alive(&mut self.processes), || {
            let routers = api.get("/api/v1/ospf/border-routers").map_err(|error| error.to_string())?;
            let abrs: Vec<u8> = NODES.into_iter().filter(|&node| lists_as_abr(&routers, node)).collect();
            if abrs == BORDER_NODES {
                Ok(abrs)
            } else {
                Err(format!("the outside router sees {abrs:?} as border routers"))
            }
        });
        let result = abrs.await.map(|abrs| {
            self.report.abrs.clone_from(&abrs);
            format!("the outside router sees nodes {abrs:?} as area border routers")
        });
        self.step("role", result)
    }

    async fn routes(&mut self) -> bool {
        let inner = self.api(INNER);
        let via = topology::local_address(PREFERRED).to_string();
        let result = wait_for(PATIENCE, alive(&mut self.processes), || {
            let hops = next_hops(&inner, OUTSIDE_NETWORK)?;
            if hops == [("lsm0".to_owned(), via.clone())] {
                Ok(format!("node-{INNER}: {OUTSIDE_NETWORK} via {via} on lsm0"))
            } else {
                Err(format!("node-{INNER} reaches {OUTSIDE_NETWORK} by {hops:?}"))
            }
        });
        let result = result.await;
        if !self.step("route", result) {
            return false;
        }
        let outside = self.api(OUTSIDE);
        let prefix = format!("{COMMON_ADDRESS}/32");
        let result = wait_for(PATIENCE, alive(&mut self.processes), || {
            let hops = next_hops(&outside, &prefix)?;
            match hops.as_slice() {
                [] => Err(format!("the outside router has no route to {prefix}")),
                hops => Ok(format!("outside: {prefix} via {}", list(hops))),
            }
        });
        let result = result.await;
        self.step("route", result)
    }

    async fn ping(&mut self) {
        let api = self.api(INNER);
        let request = json!({ "destination": OUTSIDE_HOST, "count": 5, "interval": 0.05, "timeout": 2.0 });
        let lines = api.tool("/api/v1/tools/ping", &request);
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

    async fn traceroute(&mut self) {
        let api = self.api(INNER);
        let request = json!({ "destination": OUTSIDE_HOST, "probes": 1, "timeout": 2.0, "max-hops": 8 });
        let result = api.tool("/api/v1/tools/traceroute", &request).and_then(|lines| {
            let hops: Vec<String> = lines
                .iter()
                .filter_map(|line| line.get("hop"))
                .map(|hop| text(&hop["probe"][0]["from"]).to_owned())
                .collect();
            let text = format!("node-{INNER} to {OUTSIDE_HOST}: {}", hops.join(" -> "));
            let through = hops.first() == Some(&topology::local_address(PREFERRED).to_string());
            let reached = hops.len() == 3 && hops.last() == Some(&OUTSIDE_HOST.to_string());
            if through && reached { Ok(text) } else { Err(io::Error::other(text)) }
        });
        self.step("traceroute", result);
    }

    async fn common_address(&mut self) {
        let server = SocketAddrV4::new(COMMON_ADDRESS, IN_BAND_PORT);
        let mut served = Vec::new();
        let mut error = None;
        for _ in 0..CONNECTIONS {
            match self.outside.fetch(server, "/api/v1/system").await {
                Ok(system) => served.extend(system["node-id"].as_u64().and_then(|id| u8::try_from(id).ok())),
                Err(failure) => error = Some(failure),
            }
        }
        let nodes: std::collections::BTreeSet<u8> = served.iter().copied().collect();
        let text =
            format!("{CONNECTIONS} TCP connections from outside to {server}, served by nodes {served:?}");
        self.report.common_address_served_by.clone_from(&served);
        let result = match error {
            None if served.len() == CONNECTIONS && nodes.len() > 1 => Ok(text),
            None => Err(io::Error::other(text)),
            Some(error) => Err(io::Error::new(error.kind(), format!("{text}; one failed: {error}"))),
        };
        self.step("common address", result);
    }

    async fn throughput(&mut self) {
        let (from, to) = (BORDER_NODES[1], INNER);
        let large = self.stream(from, to, 8900).await;
        let small = self.stream(from, to, 64).await;
        let result = large.and_then(|large| {
            let small = small?;
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
        let before = received(&receiver)?;
        let started = Instant::now();
        let request = json!({
            "destination": topology::local_address(to), "datagram-length": length, "duration": THROUGHPUT_TIME,
        });
        let sending = tokio::task::spawn_blocking(move || sender.tool("/api/v1/tools/throughput", &request));
        sending.await.map_err(io::Error::other)??;
        let seconds = started.elapsed().as_secs_f64();
        let after = received(&receiver)?;
        Ok(Received { packets: after.0 - before.0, octets: after.1 - before.1, seconds })
    }

    async fn failover(&mut self) {
        let Some(mut victim) = self.processes.remove(&PREFERRED) else { return };
        let pid = victim.id();
        self.say
            .line("failover", &format!("SIGKILL to node-{PREFERRED} (pid {pid}), which carries the traffic"));
        let measured =
            failover::measure(&self.outside, topology::local_address(INNER), || victim.kill()).await;
        let result = measured.and_then(|measured| {
            self.report.failover_interruption_ms = measured.longest_gap.as_secs_f64() * 1000.0;
            let text = format!(
                "the outside host heard nothing of node-{INNER} for {:.1} ms; {} of {} echo requests lost",
                self.report.failover_interruption_ms, measured.lost, measured.sent
            );
            if measured.recovered { Ok(text) } else { Err(io::Error::other(text)) }
        });
        self.step("failover", result);
    }

    /// Says where each node listens.
    fn addresses(&mut self) {
        let processes: Vec<(u8, u32)> =
            self.processes.iter().map(|(&node, process)| (node, process.id())).collect();
        for (node, pid) in processes {
            let system = self.api(node).get("/api/v1/system").unwrap_or_default();
            let listen = system["listen"].as_array().into_iter().flatten().filter_map(Value::as_str);
            let api =
                listen.clone().find(|address| address.starts_with("http")).unwrap_or_default().to_owned();
            let name = if node == OUTSIDE { "outside".to_owned() } else { format!("node-{node}") };
            self.say.line(&name, &format!("REST {api}/api/v1   metrics {api}/metrics"));
            if node != OUTSIDE {
                self.report.nodes.push(NodeReport { id: node, pid, api });
            }
        }
    }
}

/// Says which process has ended, if one has.
fn alive(processes: &mut BTreeMap<u8, Process>) -> impl FnMut() -> Result<(), String> + '_ {
    || match processes
        .values_mut()
        .find_map(|process| (!process.is_running()).then(|| process.name().to_owned()))
    {
        Some(name) => Err(format!("{name} has ended")),
        None => Ok(()),
    }
}

struct Received {
    packets: u64,
    octets: u64,
    seconds: f64,
}

/// Packets and octets that a node's local network has taken in.
fn received(api: &Api) -> io::Result<(u64, u64)> {
    let statistics = api.get("/api/v1/interfaces/lsm0/statistics")?;
    let number = |key: &str| {
        statistics[key]
            .as_u64()
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, format!("no {key}")))
    };
    Ok((number("in-unicast-pkts")?, number("in-octets")?))
}

fn count(list: &Value, wanted: impl Fn(&Value) -> bool) -> u32 {
    list.as_array().into_iter().flatten().filter(|item| wanted(item)).count() as u32
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or("?")
}

fn list(hops: &[(String, String)]) -> String {
    let hops: Vec<String> = hops.iter().map(|(interface, hop)| format!("{hop} on {interface}")).collect();
    hops.join(" and ")
}

fn lists_as_abr(routers: &Value, node: u8) -> bool {
    let id = topology::local_address(node).to_string();
    let abr = |router: &Value| router["router-id"] == id.as_str() && router["abr"] == true;
    routers["border-router"].as_array().is_some_and(|routers| routers.iter().any(abr))
}

/// Interface and address of the next hops of a router to a prefix.
fn next_hops(api: &Api, prefix: &str) -> Result<Vec<(String, String)>, String> {
    let routes = api.get("/api/v1/routing/ribs/ipv4-default/routes").map_err(|error| error.to_string())?;
    let route = |route: &&Value| route["destination-prefix"] == prefix && route["active"] == true;
    let route = routes["route"].as_array().into_iter().flatten().find(route);
    let hops = route.and_then(|route| route["next-hops"].as_array()).into_iter().flatten();
    Ok(hops
        .map(|hop| (text(&hop["outgoing-interface"]).to_owned(), text(&hop["next-hop"]).to_owned()))
        .collect())
}
