//! A node: the real binary, in a namespace.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::rc::Rc;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::{Value, json};

use super::Lab;
use super::namespace::Namespace;
use super::process::Process;
use super::wait::wait;
use crate::http;

/// What a node is told beyond the defaults.
#[derive(Clone, Debug)]
pub struct NodeConfig {
    /// Its id; its addresses are 10.77.0.N and 10.77.1.N. Zero: a router without shared memory.
    pub id: u8,
    /// YAML after `node-id`, `segment` and `management`.
    pub yaml: String,
    /// Keys of `management` beside the socket, in YAML's flow form: `listen: 127.0.0.1:9300`.
    pub management: Vec<String>,
    /// The value of `segment`, in YAML's flow form; by default the lab's directory.
    pub segment: Option<String>,
    /// Whether its OSPF is recorded, from each of its starts.
    pub recorded: bool,
}

impl NodeConfig {
    /// A node without a NIC.
    pub fn inside(id: u8) -> Self {
        Self { id, yaml: String::new(), management: Vec::new(), segment: None, recorded: false }
    }

    /// A plain router without shared memory. Its other resources are those of a node.
    pub fn router(yaml: String) -> Self {
        Self { id: 0, yaml, management: Vec::new(), segment: None, recorded: false }
    }

    /// A node with a NIC in area 0, hello 1 and dead 4.
    pub fn border(id: u8, device: &str, address: &str) -> Self {
        let yaml = format!(
            "interfaces:\n  - name: {device}\n    address: {address}\n    ospf: {{hello-interval: 1, dead-interval: 4}}\n"
        );
        Self { id, yaml, management: Vec::new(), segment: None, recorded: false }
    }

    /// The same with another segment than the lab's.
    pub fn on_segment(mut self, segment: &str) -> Self {
        self.segment = Some(segment.to_owned());
        self
    }

    /// The same with a recording of its OSPF: see [`Node::replay`].
    pub fn recorded(mut self) -> Self {
        self.recorded = true;
        self
    }

    /// The same with a further key of `management`.
    pub fn managed(mut self, key: &str) -> Self {
        self.management.push(key.to_owned());
        self
    }
}

/// A node, running or not.
pub struct Node {
    id: u8,
    namespace: Rc<Namespace>,
    config: PathBuf,
    socket: PathBuf,
    /// What every configuration of it begins with.
    head: String,
    /// What starts it.
    command: Vec<String>,
    process: RefCell<Option<Process>>,
}

/// The binary under test: `ISTHMUS_BIN`, or the release build of this workspace.
///
/// # Panics
/// If it was not built.
pub fn binary() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new("/")).join("target"),
        PathBuf::from,
    );
    let path = std::env::var_os("ISTHMUS_BIN").map_or_else(|| target.join("release/isthmus"), PathBuf::from);
    assert!(path.exists(), "{} is missing: cargo build --release", path.display());
    path
}

/// A link state advertisement as a database names it: type, id, originator, sequence number, checksum.
pub type DatabaseKey = (String, String, String, u64, String);

impl Node {
    pub(super) fn new(lab: &Lab, namespace: &Rc<Namespace>, config: NodeConfig) -> Self {
        let socket = lab.directory().join(format!("{}.sock", namespace.name()));
        let file = lab.directory().join(format!("{}.yaml", namespace.name()));
        let NodeConfig { id, yaml, management, segment, recorded } = config;
        let segment = segment.unwrap_or_else(|| lab.segment().display().to_string());
        let management: String = management.iter().map(|key| format!(", {key}")).collect();
        let fabric = match id {
            0 => String::new(),
            id => format!("node-id: {id}\nsegment: {segment}\n"),
        };
        let head = format!(
            "hostname: {}\n{fabric}management: {{unix-socket: {}, state-directory: {}{management}}}\n",
            namespace.name(),
            socket.display(),
            lab.directory().join(format!("{}.state", namespace.name())).display()
        );
        let mut command = vec![
            binary().display().to_string(),
            "run".to_owned(),
            "-c".to_owned(),
            file.display().to_string(),
        ];
        if recorded {
            let recording = lab.directory().join(format!("{}.jsonl", namespace.name()));
            command.extend(["--record-ospf".to_owned(), recording.display().to_string()]);
        }
        let node = Self { head, ..Self::by_command(namespace, id, file, socket, command) };
        node.configure(&yaml);
        node
    }

    pub(super) fn by_command(
        namespace: &Rc<Namespace>,
        id: u8,
        config: PathBuf,
        socket: PathBuf,
        command: Vec<String>,
    ) -> Self {
        let (namespace, head) = (Rc::clone(namespace), String::new());
        Self { id, namespace, config, socket, head, command, process: RefCell::default() }
    }

    /// Gives it another configuration, from its next start on: the YAML of [`NodeConfig`].
    pub fn configure(&self, yaml: &str) {
        fs::write(&self.config, format!("{}{yaml}", self.head)).expect("the node's configuration");
    }

    /// Starts it, at first and after [`Self::kill`].
    pub fn start(&self) {
        let words: Vec<&str> = self.command.iter().map(String::as_str).collect();
        *self.process.borrow_mut() = Some(self.namespace.spawn(&words));
    }

    /// The recording of its last life, and what `isthmus replay` says of it: its exit code and its JSON.
    ///
    /// # Panics
    /// If it was not recorded.
    pub fn replay(&self) -> (PathBuf, Option<i32>, Value) {
        let recording = self.config.with_extension("jsonl");
        let answer =
            std::process::Command::new(binary()).args(["replay", "-o", "json"]).arg(&recording).output();
        let answer = answer.expect("the binary runs");
        let said = serde_json::from_slice(&answer.stdout).unwrap_or_else(|error| {
            panic!("{error}: {}", String::from_utf8_lossy(&answer.stderr));
        });
        (recording, answer.status.code(), said)
    }

    /// How the command that started it has ended, once it has by itself.
    pub fn status(&self) -> Option<ExitStatus> {
        self.process.borrow().as_ref().and_then(Process::status)
    }

    /// Ends it with SIGKILL.
    pub fn kill(&self) {
        if let Some(process) = self.process.borrow_mut().take() {
            process.kill();
        }
    }

    /// Sends it SIGHUP: it reads its configuration file again.
    pub fn hang_up(&self) {
        if let Some(process) = self.process.borrow().as_ref() {
            process.signal(Signal::HUP);
        }
    }

    /// Ends it with SIGTERM; whether it ended well.
    pub fn terminate(&self) -> bool {
        self.process.borrow_mut().take().is_some_and(|process| process.terminate())
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        if let Some(process) = self.process.borrow().as_ref() {
            process.signal(signal);
        }
    }

    /// Its id.
    pub fn id(&self) -> u8 {
        self.id
    }

    /// Its router id, which is its address on the local network.
    pub fn router_id(&self) -> String {
        format!("10.77.0.{}", self.id)
    }

    /// Its namespace, where its kernel is.
    pub fn namespace(&self) -> &Namespace {
        &self.namespace
    }

    /// Its namespace, for others that live in it.
    pub fn shared_namespace(&self) -> &Rc<Namespace> {
        &self.namespace
    }

    /// Its configuration file.
    pub fn config(&self) -> &Path {
        &self.config
    }

    /// Its management socket.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// What it logged.
    pub fn log(&self) -> String {
        self.process.borrow().as_ref().map(Process::output).unwrap_or_default()
    }

    /// Its process id, while it runs.
    pub fn pid(&self) -> Option<u32> {
        self.process.borrow().as_ref().and_then(Process::pid)
    }

    /// Runs the command line against it; its standard output.
    pub fn cli(&self, words: &[&str]) -> String {
        let (binary, socket) = (binary().display().to_string(), format!("unix:{}", self.socket.display()));
        let mut all = vec![binary.as_str(), "--api", &socket];
        all.extend(words);
        self.namespace.run(&all)
    }

    /// A resource below `/api/v1`.
    ///
    /// # Errors
    /// If the node does not answer with 200 and JSON.
    pub fn get(&self, path: &str) -> Result<Value, String> {
        let path = format!("/api/v1{path}");
        let answer =
            http::request(&self.socket, "GET", &path, None).map_err(|error| format!("{path}: {error}"))?;
        if answer.status != 200 {
            return Err(format!("{path}: {} {}", answer.status, answer.body));
        }
        answer.json().map_err(|error| format!("{path}: {error}"))
    }

    /// The elements of the only list of a resource.
    ///
    /// # Errors
    /// As [`Self::get`], or if there is no such list.
    pub fn list(&self, path: &str, name: &str) -> Result<Vec<Value>, String> {
        let whole = self.get(path)?;
        whole
            .get(name)
            .and_then(Value::as_array)
            .cloned()
            .ok_or_else(|| format!("{path} has no list {name}: {whole}"))
    }

    /// Sets the administrative state of an interface.
    ///
    /// # Panics
    /// If the node refuses.
    pub fn set_enabled(&self, interface: &str, enabled: bool) {
        let body = json!({ "enabled": enabled });
        let path = format!("/api/v1/interfaces/{interface}");
        let answer = http::request(&self.socket, "PATCH", &path, Some(&body)).expect("the node answers");
        assert!(answer.status < 300, "{path}: {} {}", answer.status, answer.body);
    }

    /// Waits until it says that it is ready.
    pub fn await_ready(&self) {
        wait(&format!("node {} is ready", self.id), Duration::from_secs(60), || {
            if !self.process.borrow().as_ref().is_some_and(Process::is_running) {
                return Err(format!("it does not run\n{}", self.log()));
            }
            let answer =
                http::request(&self.socket, "GET", "/readyz", None).map_err(|error| error.to_string())?;
            if answer.status == 200 { Ok(()) } else { Err(answer.body) }
        });
    }

    /// The router ids of its neighbors in state Full, by interface.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub fn full(&self) -> Result<Vec<(String, String)>, String> {
        let text = |neighbor: &Value, key: &str| neighbor[key].as_str().unwrap_or_default().to_owned();
        let mut full: Vec<_> = self
            .list("/ospf/neighbors", "neighbor")?
            .iter()
            .filter(|neighbor| neighbor["state"] == "full")
            .map(|neighbor| (text(neighbor, "interface"), text(neighbor, "neighbor-router-id")))
            .collect();
        full.sort();
        Ok(full)
    }

    /// Waits for an adjacency on an interface.
    pub fn await_full(&self, interface: &str, router_id: &str) {
        wait(
            &format!("node {}: Full with {router_id} on {interface}", self.id),
            Duration::from_secs(60),
            || {
                let full = self.full()?;
                let wanted = (interface.to_owned(), router_id.to_owned());
                if full.contains(&wanted) { Ok(()) } else { Err(format!("{full:?}")) }
            },
        );
    }

    /// What it does with a packet to a destination.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub fn lookup(&self, destination: &str) -> Result<Value, String> {
        self.get(&format!("/routing/fib/lookup?dst={destination}"))
    }

    /// The interface and next hop of the one way that it forwards a destination by.
    ///
    /// # Errors
    /// If there is no way, or more than one.
    pub fn way(&self, destination: &str) -> Result<(String, String), String> {
        let lookup = self.lookup(destination)?;
        let hops = lookup.pointer("/entry/next-hops").and_then(Value::as_array);
        match hops.map(Vec::as_slice) {
            Some([hop]) => {
                let text = |key: &str| hop[key].as_str().unwrap_or_default().to_owned();
                Ok((text("outgoing-interface"), text("next-hop")))
            }
            _ => Err(lookup.to_string()),
        }
    }

    /// Waits until a destination goes by an interface and a next hop.
    pub fn await_way(&self, destination: &str, interface: &str, next_hop: &str) {
        let what = format!("node {}: {destination} by {interface} to {next_hop}", self.id);
        wait(&what, Duration::from_secs(60), || {
            let way = self.way(destination)?;
            if way == (interface.to_owned(), next_hop.to_owned()) { Ok(()) } else { Err(format!("{way:?}")) }
        });
    }

    /// OSPF's routes by prefix.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub fn ospf_routes(&self) -> Result<BTreeMap<String, Value>, String> {
        let routes = self.list("/ospf/local-rib", "route")?;
        Ok(routes
            .into_iter()
            .map(|route| (route["prefix"].as_str().unwrap_or_default().to_owned(), route))
            .collect())
    }

    /// Its link state database of an area, without what is on its way out with MaxAge, and without opaque advertisements, which others
    /// have only as far as they want them.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub fn database(&self, area: &str) -> Result<Vec<DatabaseKey>, String> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let mut keys: Vec<_> = self
            .list(&format!("/ospf/areas/{area}/database"), "lsa")?
            .iter()
            .filter(|lsa| lsa["header"]["age"].as_u64() != Some(3600))
            .filter(|lsa| !text(&lsa["header"]["type"]).contains("opaque"))
            .map(|lsa| {
                let header = &lsa["header"];
                (
                    text(&header["type"]),
                    text(&header["lsa-id"]),
                    text(&header["adv-router"]),
                    header["seq-num"].as_u64().unwrap_or_default(),
                    text(&header["checksum"]),
                )
            })
            .collect();
        keys.sort();
        Ok(keys)
    }

    /// How many packets it has refused, by interface and reason: drops of the data plane, and packets that OSPF has
    /// refused or ignored.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub fn refused_packets(&self) -> Result<BTreeMap<String, u64>, String> {
        let mut refused = BTreeMap::new();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        for drop in self.list("/counters/drops", "drop")? {
            let name = format!("{} {}", text(&drop["interface"]), text(&drop["reason"]));
            refused.insert(name, drop["packets"].as_u64().unwrap_or_default());
        }
        for interface in self.list("/ospf/interfaces", "interface")? {
            let reasons = ["/statistics/bad-packets", "/statistics/ignored-packets"]
                .into_iter()
                .filter_map(|counters| interface.pointer(counters).and_then(Value::as_object));
            for (reason, count) in reasons.flatten() {
                let name = format!("{} ospf {reason}", text(&interface["name"]));
                refused.insert(name, count.as_u64().unwrap_or_default());
            }
        }
        Ok(refused)
    }

    /// The nodes that it takes for active.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub fn active(&self) -> Result<Vec<u64>, String> {
        let active = self.list("/shm/nodes", "active")?;
        let mut active: Vec<u64> = active.iter().filter_map(Value::as_u64).collect();
        active.sort_unstable();
        Ok(active)
    }

    /// Waits until it takes exactly these nodes for active.
    pub fn await_active(&self, nodes: &[u64]) {
        wait(&format!("node {}: active {nodes:?}", self.id), Duration::from_secs(60), || {
            let active = self.active()?;
            if active == nodes { Ok(()) } else { Err(format!("{active:?}")) }
        });
    }

    pub(super) fn dump(&self) -> String {
        let mut text = format!("---- node {}\n", self.id);
        for path in [
            "/ospf/neighbors",
            "/ospf/interfaces",
            "/ospf/local-rib",
            "/routing/fib",
            "/shm/nodes",
            "/counters/drops",
            "/neighbors",
        ] {
            let shown = self.get(path).map_or_else(|error| error, |value| value.to_string());
            text.push_str(&format!("-- {path}\n{shown}\n"));
        }
        if let Some(process) = self.process.borrow().as_ref() {
            text.push_str(&process.dump(60));
        }
        text
    }
}
