//! The tour: the steps of the demo in order, each of which must hold.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::client::Api;
use super::credentials::Credentials;
use super::outside::{OutsideHost, OutsideWorker};
use super::place::{NEEDED, Place};
use super::process::{self, Process};
use super::report::{NodeReport, Report};
use super::say::Say;
use super::topology::{self, BORDER_NODES, NODES, OUTSIDE_HOST};

/// For a step that is done in milliseconds on an idle machine.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);
/// The outside router among the processes.
pub(super) const OUTSIDE: u8 = 0;

/// A running demo. Dropped, it ends its processes, and then removes everything: fields are dropped in this order.
pub struct Tour {
    pub(super) processes: BTreeMap<u8, Process>,
    _outside_worker: OutsideWorker,
    pub(super) outside: OutsideHost,
    pub(super) say: Say,
    /// What was found out.
    pub report: Report,
    failed: Vec<String>,
    /// Processes whose log has been shown.
    shown: BTreeSet<u32>,
    credentials: Arc<Credentials>,
    place: Place,
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
        let credentials = Arc::new(Credentials::new(&directory)?);
        let router = Process::start(&directory, "outside", &topology::outside_router_config(&place))?;
        say.line("outside", &format!("router, pid {}; host {OUTSIDE_HOST} in this process", router.id()));
        processes.insert(OUTSIDE, router);
        for node in NODES {
            let process = start_node(&place, &credentials, node)?;
            let nic = if BORDER_NODES.contains(&node) { "one NIC" } else { "no NIC" };
            say.line(
                process.name(),
                &format!("pid {}, {nic}, {}", process.id(), topology::local_address(node)),
            );
            processes.insert(node, process);
        }
        let (outside, outside_worker) =
            OutsideHost::start(&topology::host_wire(&directory), Arc::clone(&credentials))?;
        Ok(Self {
            processes,
            _outside_worker: outside_worker,
            outside,
            say,
            report: Report::default(),
            failed: Vec::new(),
            shown: BTreeSet::new(),
            credentials,
            place,
        })
    }

    /// Takes all steps. A step that does not hold is said, and those that do not depend on it go on.
    pub async fn run(&mut self) {
        let started = Instant::now();
        if self.joins().await
            && self.adjacencies(started).await
            && self.roles().await
            && self.border_routers().await
            && self.routes().await
        {
            self.ping().await;
            self.traceroute().await;
            self.common_address().await;
            self.throughput().await;
            if self.failover().await {
                self.comeback().await;
            }
        }
        self.memory();
        self.addresses().await;
        self.report.ok = self.failed.is_empty();
    }

    /// The steps that did not hold.
    pub fn failed(&self) -> &[String] {
        &self.failed
    }

    /// Asks all processes to end, waits for them, and removes everything.
    pub fn end(mut self) {
        process::end_all(std::mem::take(&mut self.processes).into_values().collect());
    }

    /// Starts a node again that has died, as what it was.
    pub(super) fn restart(&mut self, node: u8) -> io::Result<u32> {
        let process = start_node(&self.place, &self.credentials, node)?;
        let pid = process.id();
        self.processes.insert(node, process);
        Ok(pid)
    }

    pub(super) fn api(&self, node: u8) -> Api {
        Api::unix(&topology::management_socket(self.place.directory(), node))
    }

    /// Says what came of a step. Returns whether it held.
    pub(super) fn step(&mut self, name: &str, result: io::Result<String>) -> bool {
        match result {
            Ok(what) => {
                self.say.line(name, &what);
                true
            }
            Err(error) => {
                self.say.failure(name, &error.to_string());
                self.show_logs();
                self.failed.push(name.to_owned());
                false
            }
        }
    }

    /// What the processes said last, each once: of those that have ended if there are any, else of all.
    fn show_logs(&mut self) {
        let mut ended: Vec<u8> = Vec::new();
        for (&node, process) in &mut self.processes {
            if let Some(how) = process.ended() {
                self.say.failure(process.name(), &how);
                ended.push(node);
            }
        }
        for (&node, process) in &self.processes {
            if (ended.is_empty() || ended.contains(&node)) && self.shown.insert(process.id()) {
                self.say.print(&format!(
                    "--- the end of the log of {}\n{}",
                    process.name(),
                    process.log_tail()
                ));
            }
        }
    }

    fn memory(&mut self) {
        let result = self.place.used().and_then(|used| {
            let text =
                format!("{:.1} MiB used, of {} MiB at most", used as f64 / f64::from(1 << 20), NEEDED >> 20);
            if used <= NEEDED { Ok(text) } else { Err(io::Error::other(text)) }
        });
        self.step("memory", result);
    }

    /// Says where each node that lives listens, once it has answered there.
    async fn addresses(&mut self) {
        let mut processes = Vec::new();
        for (&node, process) in &mut self.processes {
            if process.ended().is_none() {
                processes.push((node, process.name().to_owned(), process.id()));
            }
        }
        for (node, name, pid) in processes {
            let found = address(&self.api(node)).await;
            if let Ok(api) = &found
                && node != OUTSIDE
            {
                self.report.nodes.push(NodeReport { id: node, pid, api: api.clone() });
            }
            self.step(
                &name,
                found.map(|api| format!("page {api}/   REST {api}/api/v1   metrics {api}/metrics")),
            );
        }
    }
}

fn start_node(place: &Place, credentials: &Credentials, node: u8) -> io::Result<Process> {
    Process::start(
        place.directory(),
        &format!("node-{node}"),
        &topology::node_config(place, credentials, node),
    )
}

/// The address of a node's API on TCP, tried out.
async fn address(api: &Api) -> io::Result<String> {
    let system = api.get("/api/v1/system").await?;
    let mut listen = system["listen"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let address = listen.find(|address| address.starts_with("http"));
    let address = address.ok_or_else(|| io::Error::other("the node does not listen on TCP"))?;
    let there = Api::http(address)?.get("/api/v1/system").await?;
    if there["hostname"] == system["hostname"] {
        Ok(address.to_owned())
    } else {
        Err(io::Error::other(format!("somebody else answers at {address}")))
    }
}
