//! Every alert fires for what it is about, on running nodes, and clears when that is over.
//!
//! The rules are the shipped ones with minutes made seconds (`dashboards::hastened`), and a lower threshold for a busy worker. Prometheus runs on node 2 and scrapes
//! it on the loopback address, the others in band over the local network: so it sees a border router whose NIC is dead.

use std::collections::BTreeSet;
use std::fs;
use std::net::Ipv4Addr;
use std::process::Command;
use std::time::Duration;

use isthmus_tests::dashboards::{alert_names, hastened, rules};
use isthmus_tests::http;
use isthmus_tests::lab::{
    self, Lab, Namespace, Node, OneExit, Peer, Process, Prometheus, PrometheusConfig, Protection, wait,
};
use isthmus_tests::wire::{ethernet, fix_ospf, hello, ipv4, ospf};

use crate::prometheus::{PORT, in_band, managed, protection};

/// What makes alerts of OSPF fire.
const OF_OSPF: &[&str] = &[
    "IsthmusAdjacencyStuck",
    "IsthmusDuplicateRouterId",
    "IsthmusInterfaceDown",
    "IsthmusMtuMismatch",
    "IsthmusNeighborDown",
    "IsthmusNoBackboneAdjacency",
    "IsthmusOspfAuthenticationErrors",
    "IsthmusOspfPacketErrors",
    "IsthmusSlowConvergence",
    "IsthmusSpfStorm",
];

/// What makes alerts of nodes fire.
const OF_NODES: &[&str] = &[
    "IsthmusConfigNotSaved",
    "IsthmusConfigRolledBack",
    "IsthmusDescriptorsRunOut",
    "IsthmusMemberFailed",
    "IsthmusNoServerForCommonAddress",
    "IsthmusNoTargets",
    "IsthmusNodeDown",
    "IsthmusNodeNotReady",
    "IsthmusNodeRestarting",
];

/// What makes alerts of the data plane fire.
const OF_PACKETS: &[&str] =
    &["IsthmusDrops", "IsthmusMemberFlapping", "IsthmusRingFull", "IsthmusWorkerBusy", "IsthmusWorkerStuck"];

#[test]
fn every_alert_is_in_one_of_the_tests() {
    let named: BTreeSet<String> =
        [OF_OSPF, OF_NODES, OF_PACKETS].concat().into_iter().map(str::to_owned).collect();
    let shipped = fs::read_to_string(rules()).unwrap();
    assert_eq!(named, alert_names(&shipped).into_iter().collect());
}

/// How the rule about a busy worker reads with minutes made seconds.
const BUSY: &str = "isthmus_worker_busy_ratio[10s]) > 0.9";

/// The alerts of a lab, and which of them have fired.
struct Alerts {
    prometheus: Prometheus,
    fired: BTreeSet<&'static str>,
}

impl Alerts {
    /// Starts Prometheus, and waits until all nodes are scraped and nothing fires.
    fn watch(lab: &Lab, exit: &OneExit, protection: &Protection) -> Self {
        let rules = hastened(&fs::read_to_string(rules()).unwrap());
        // How much of the time a flood keeps a worker busy is the machine's matter: those who send it share the processors.
        assert!(rules.contains(BUSY), "the rule has another threshold than {BUSY}");
        let rules = rules.replace(BUSY, "isthmus_worker_busy_ratio[10s]) > 0.1");
        let config = PrometheusConfig::in_band(vec![in_band(1), in_band(3)], rules, protection);
        let config = PrometheusConfig { loopback: vec![format!("127.0.0.1:{PORT}")], ..config };
        let prometheus = Prometheus::start(lab, exit.n2.shared_namespace(), &config);
        prometheus.await_some("count(up{job=\"isthmus\"} == 1) == 3");
        let alerts = Self { prometheus, fired: BTreeSet::new() };
        alerts.prometheus.await_none("ALERTS{alertstate=\"firing\"}");
        alerts
    }

    /// Waits until an alert fires whose labels match.
    fn fires(&mut self, name: &'static str, labels: &str) {
        self.prometheus.await_some(&Self::firing(name, labels));
        self.fired.insert(name);
    }

    fn is_firing(&self, name: &str) -> bool {
        self.prometheus.query(&Self::firing(name, "")).is_ok_and(|samples| !samples.is_empty())
    }

    /// Waits until none of these fires.
    fn clear(&self, names: &[&str]) {
        let names = names.join("|");
        self.prometheus.await_none(&format!("ALERTS{{alertname=~\"{names}\", alertstate=\"firing\"}}"));
    }

    fn firing(name: &str, labels: &str) -> String {
        format!("ALERTS{{alertname=\"{name}\", alertstate=\"firing\", {labels}}}")
    }

    /// All of `names` have fired, and nothing does now.
    fn end(&self, names: &[&str]) {
        assert_eq!(self.fired.iter().copied().collect::<Vec<_>>(), names);
        self.prometheus.await_none("ALERTS{alertstate=\"firing\"}");
    }
}

fn of(id: u8) -> String {
    let instance = if id == 2 { format!("127.0.0.1:{PORT}") } else { in_band(id) };
    format!("instance=\"{instance}\"")
}

/// Input, one after the other: the outside router's cable, its ospfd, its MTU, its interval of hellos, its authentication; a
/// packet with the node's own router id; changes without end; node 3 with a delay before its calculations. Output: the alerts
/// of each, and their end.
#[test]
fn alerts_of_ospf_fire_and_clear() {
    lab::run("alerts-ospf", |lab| {
        let protection = protection(lab);
        let exit = OneExit::build_with(lab, |config| {
            let mut config = managed(&protection, config);
            if config.id == 3 {
                config.yaml.push_str(
                    "ospf: {ietf-spf-delay: {initial-delay: 1500, short-delay: 1500, long-delay: 1500}}\n",
                );
            }
            config
        });
        let mut alerts = Alerts::watch(lab, &exit, &protection);
        let (router, n1) = (&exit.outside.router, of(1));

        router.namespace().ip(&["link", "set", "core", "down"]);
        alerts.fires("IsthmusInterfaceDown", &format!("{n1}, interface=\"up1\""));
        alerts.fires("IsthmusNeighborDown", &format!("{n1}, neighbor=\"10.255.0.1\""));
        alerts.fires("IsthmusSlowConvergence", &of(3));
        router.namespace().ip(&["link", "set", "core", "up"]);
        alerts.clear(&["IsthmusInterfaceDown", "IsthmusNeighborDown"]);

        router.kill_daemon();
        alerts.fires("IsthmusNoBackboneAdjacency", &n1);
        router.namespace().ip(&["link", "set", "core", "mtu", "2000"]);
        router.start_daemon();
        alerts.fires("IsthmusMtuMismatch", &format!("{n1}, interface=\"up1\""));
        alerts.fires("IsthmusAdjacencyStuck", &format!("{n1}, neighbor=\"10.255.0.1\""));
        router.kill_daemon();
        router.namespace().ip(&["link", "set", "core", "mtu", "1500"]);
        router.start_daemon();
        alerts.clear(&["IsthmusMtuMismatch", "IsthmusAdjacencyStuck", "IsthmusNoBackboneAdjacency"]);

        let on_core = |command: &str| router.configure(&["interface core", command]);
        on_core("ip ospf hello-interval 2");
        alerts.fires("IsthmusOspfPacketErrors", "reason=\"hello_interval_mismatch\"");
        on_core("ip ospf hello-interval 1");
        on_core("ip ospf authentication");
        alerts.fires("IsthmusOspfAuthenticationErrors", &n1);
        on_core("no ip ospf authentication");
        inject_own_router_id(&exit);
        alerts.fires("IsthmusDuplicateRouterId", &n1);
        alerts.clear(&[
            "IsthmusOspfPacketErrors",
            "IsthmusOspfAuthenticationErrors",
            "IsthmusDuplicateRouterId",
        ]);

        exit.await_converged();
        wait("the storm is seen", Duration::from_secs(60), || {
            for enabled in [false, true] {
                exit.n3.set_enabled("gsm0", enabled);
                std::thread::sleep(Duration::from_millis(300));
            }
            if alerts.is_firing("IsthmusSpfStorm") { Ok(()) } else { Err("no storm".to_owned()) }
        });
        alerts.fires("IsthmusSpfStorm", "area=\"0.0.0.1\"");
        exit.await_converged();
        alerts.clear(&["IsthmusSpfStorm", "IsthmusNeighborDown", "IsthmusSlowConvergence"]);
        alerts.end(OF_OSPF);
    });
}

/// A hello that says that it is of node 1, from the outside router's place.
fn inject_own_router_id(exit: &OneExit) {
    let (router, node) = (exit.outside.router.namespace(), exit.n1.namespace());
    let body = hello(Ipv4Addr::new(255, 255, 255, 252), 1, 4, &[]);
    let mut packet = ospf(1, Ipv4Addr::new(10, 77, 0, 1), Ipv4Addr::UNSPECIFIED, &body);
    fix_ospf(&mut packet);
    let packet = ipv4(Ipv4Addr::new(10, 1, 0, 2), Ipv4Addr::new(224, 0, 0, 5), 89, 1, &packet);
    router.inject("core", &[ethernet(node.mac("up1"), router.mac("core"), 0x0800, &packet)]);
}

/// Input, one after the other: a change that nobody confirms; a node killed, twice; no targets; the common address without a server, a node without an
/// adjacency; few descriptors. Output: the alerts of each, and their end.
#[test]
fn alerts_of_nodes_fire_and_clear() {
    lab::run("alerts-nodes", |lab| {
        let protection = protection(lab);
        let exit = OneExit::build_with(lab, |config| managed(&protection, config));
        let mut alerts = Alerts::watch(lab, &exit, &protection);
        unconfirmed_change(&exit.n2, &mut alerts);
        exit.n3.kill();
        alerts.fires("IsthmusMemberFailed", &format!("{}, node=\"3\", state=\"failed\"", of(1)));
        alerts.fires("IsthmusNodeDown", &of(3));
        restart(&exit.n3, &alerts);
        exit.n3.kill();
        restart(&exit.n3, &alerts);
        alerts.fires("IsthmusNodeRestarting", &of(3));
        exit.await_converged();
        alerts.clear(&["IsthmusMemberFailed", "IsthmusNodeDown", "IsthmusNeighborDown"]);

        no_server_and_not_ready(&exit, &mut alerts);
        few_descriptors(&exit.n2, &mut alerts);
        no_targets(&mut alerts);
        alerts.end(OF_NODES);
    });
}

/// Input, one after the other: a worker that is held; packets to nobody; a node that is stopped again and again in a flood.
/// Output: the alerts of each, and their end.
#[test]
fn alerts_of_the_data_plane_fire_and_clear() {
    lab::run("alerts-packets", |lab| {
        let protection = protection(lab);
        let exit = OneExit::build_with(lab, |config| managed(&protection, config));
        let mut alerts = Alerts::watch(lab, &exit, &protection);
        held_worker(&exit.n2, &mut alerts);
        packets_to_nobody(&exit, &mut alerts);
        flood_a_node_that_is_stopped(&exit, &mut alerts);
        exit.await_converged();
        alerts.end(OF_PACKETS);
    });
}

/// A change that is taken back, since nobody confirms it. That it was is told for an hour: a minute here.
fn unconfirmed_change(node: &Node, alerts: &mut Alerts) {
    let body = serde_json::json!({ "ietf-spf-delay": { "initial-delay": 10 } });
    let path = "/api/v1/ospf?confirm=25";
    let answer = http::request(node.socket(), "PATCH", path, Some(&body)).expect("the node answers");
    assert_eq!(answer.status, 200, "{}", answer.body);
    alerts.fires("IsthmusConfigNotSaved", &of(node.id()));
    alerts.fires("IsthmusConfigRolledBack", &of(node.id()));
    alerts.clear(&["IsthmusConfigNotSaved"]);
}

fn restart(node: &Node, alerts: &Alerts) {
    node.start();
    node.await_ready();
    alerts.prometheus.await_some(&format!("up{{{}}} == 1", of(node.id())));
}

fn no_targets(alerts: &mut Alerts) {
    // The loopback target has to go too: Prometheus takes its configuration anew.
    alerts.prometheus.set_targets(&[]);
    alerts.prometheus.set_loopback(&[]);
    alerts.fires("IsthmusNoTargets", "");
    alerts.prometheus.set_targets(&[in_band(1), in_band(3)]);
    alerts.prometheus.set_loopback(&[format!("127.0.0.1:{PORT}")]);
    alerts.clear(&["IsthmusNoTargets"]);
}

fn no_server_and_not_ready(exit: &OneExit, alerts: &mut Alerts) {
    for node in exit.nodes() {
        node.set_enabled("gsm0", false);
    }
    alerts.fires("IsthmusNoServerForCommonAddress", &of(1));
    exit.n3.set_enabled("lsm0", false);
    alerts.fires("IsthmusNodeNotReady", &of(1));
    exit.n3.set_enabled("lsm0", true);
    for node in exit.nodes() {
        node.set_enabled("gsm0", true);
    }
    exit.await_converged();
    alerts.clear(&["IsthmusNoServerForCommonAddress", "IsthmusNodeNotReady"]);
}

/// The process may have hardly more descriptors than it has.
fn few_descriptors(node: &Node, alerts: &mut Alerts) {
    let open = alerts.prometheus.value(&format!("process_open_fds{{{}}}", of(node.id()))).unwrap();
    let set = |soft: &str| {
        let pid = node.pid().expect("a running node").to_string();
        lab::run_command(&["prlimit", "--pid", &pid, &format!("--nofile={soft}:")]);
    };
    let most = lab::run_command(&[
        "prlimit",
        "--pid",
        &node.pid().unwrap().to_string(),
        "--nofile",
        "--noheadings",
        "--raw",
        "--output",
        "SOFT",
    ]);
    // Room for the connections of the scrape.
    set(&format!("{}", open as u64 + 6));
    alerts.fires("IsthmusDescriptorsRunOut", &of(node.id()));
    set(most.trim());
    alerts.clear(&["IsthmusDescriptorsRunOut"]);
}

/// Holds one thread of a process for as long as its input is open, as a debugger does.
const HOLD: &str = "\
import ctypes, sys, time
libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
SEIZE, INTERRUPT = 0x4206, 0x4207
if libc.ptrace(SEIZE, int(sys.argv[1]), None, None) or libc.ptrace(INTERRUPT, int(sys.argv[1]), None, None):
    sys.exit('ptrace: errno %d' % ctypes.get_errno())
print('held', flush=True)
time.sleep(300)
";

/// Only the worker's thread stands still: the node's heart and its management go on.
fn held_worker(node: &Node, alerts: &mut Alerts) {
    let tasks = format!("/proc/{}/task", node.pid().expect("a running node"));
    let thread = fs::read_dir(&tasks)
        .unwrap()
        .map(|task| task.unwrap().path())
        .find(|task| fs::read_to_string(task.join("comm")).is_ok_and(|name| name.trim() == "worker"))
        .expect("the worker's thread");
    let thread = thread.file_name().unwrap().to_string_lossy().into_owned();
    let debugger: Process = node.namespace().spawn(&["python3", "-c", HOLD, &thread]);
    wait("the worker is held", Duration::from_secs(20), || {
        if debugger.output().contains("held") { Ok(()) } else { Err(debugger.dump(5)) }
    });
    alerts.fires("IsthmusWorkerStuck", &of(node.id()));
    // The kernel lets go of a thread whose tracer has ended.
    debugger.kill();
    alerts.clear(&["IsthmusWorkerStuck"]);
}

/// A hundred packets in a second to a node that does not exist.
fn packets_to_nobody(exit: &OneExit, alerts: &mut Alerts) {
    let scan = exit.outside.host.spawn(&["ping", "-n", "-q", "-i", "0.01", "10.77.0.99"]);
    alerts.fires("IsthmusDrops", &of(1));
    scan.kill();
    alerts.clear(&["IsthmusDrops"]);
}

/// As many packets as the kernel of node 1 sends to node 3, which is stopped most of the time, but never for so long that
/// its peers take it for dead for good.
fn flood_a_node_that_is_stopped(exit: &OneExit, alerts: &mut Alerts) {
    let flood = flood(exit.n1.namespace(), "10.77.0.3");
    alerts.fires("IsthmusWorkerBusy", &of(1));
    let pid = exit.n3.pid().expect("a running node").to_string();
    let signal = |name: &str| {
        assert!(Command::new("kill").args([name, &pid]).status().unwrap().success());
    };
    wait("full rings and a member that flaps", Duration::from_secs(60), || {
        for _ in 0..10 {
            signal("-STOP");
            std::thread::sleep(Duration::from_millis(60));
            signal("-CONT");
            std::thread::sleep(Duration::from_millis(40));
        }
        let missing: Vec<&str> = ["IsthmusRingFull", "IsthmusMemberFlapping"]
            .into_iter()
            .filter(|name| !alerts.is_firing(name) && !alerts.fired.contains(name))
            .collect();
        for name in ["IsthmusRingFull", "IsthmusMemberFlapping"] {
            if !missing.contains(&name) {
                alerts.fired.insert(name);
            }
        }
        if missing.is_empty() { Ok(()) } else { Err(format!("{missing:?}")) }
    });
    flood.kill();
    alerts.clear(&["IsthmusWorkerBusy", "IsthmusRingFull", "IsthmusMemberFlapping"]);
}

/// Datagrams without a pause.
const FLOOD: &str = "\
import socket, sys
out = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
out.connect((sys.argv[1], 4000))
data = bytes(1000)
while True:
    try:
        out.send(data)
    except OSError:
        pass
";

fn flood(from: &Namespace, to: &str) -> Process {
    from.spawn(&["python3", "-c", FLOOD, to])
}
