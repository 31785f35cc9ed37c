//! A real FRR router: zebra and ospfd of the distribution's package, in a namespace.

use std::cell::RefCell;
use std::fs;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use serde_json::Value;

use super::Lab;
use super::command::{Output, run, try_run};
use super::namespace::Namespace;
use super::node::DatabaseKey;
use super::peer::{Peer, PeerAuthentication, PeerConfig, PeerInterface, PeerNetwork, PeerVirtualLink};
use super::process::Process;
use super::wait::wait;

/// Where the package puts its daemons.
const DAEMONS: &str = "/usr/lib/frr";

/// A running router.
pub struct Frr {
    namespace: Rc<Namespace>,
    directory: PathBuf,
    zebra: RefCell<Option<Process>>,
    ospfd: RefCell<Option<Process>>,
}

impl Frr {
    pub(super) fn start(lab: &Lab, namespace: &Rc<Namespace>, config: &PeerConfig) -> Self {
        let directory = lab.directory().join(format!("frr-{}", namespace.name()));
        fs::create_dir_all(&directory).expect("a directory of the router");
        let configuration =
            text(config).replace("ospfd.log", &directory.join("ospfd.log").display().to_string());
        fs::write(directory.join("ospfd.conf"), configuration).expect("the router's configuration");
        fs::write(directory.join("zebra.conf"), "ip forwarding\n").expect("the router's configuration");
        // The daemons drop root for their own user and write their sockets here.
        run(&["chown", "-R", "frr:frr", &directory.display().to_string()]);
        namespace.sysctl("net.ipv4.ip_forward", "1");
        let frr = Self {
            namespace: Rc::clone(namespace),
            directory,
            zebra: RefCell::default(),
            ospfd: RefCell::default(),
        };
        *frr.zebra.borrow_mut() = Some(frr.daemon("zebra"));
        frr.await_socket("zebra.vty");
        frr.start_daemon();
        frr
    }

    /// The ids of its processes.
    pub fn processes(&self) -> Vec<u32> {
        let daemons = [&self.zebra, &self.ospfd];
        daemons.iter().filter_map(|daemon| daemon.borrow().as_ref().and_then(Process::pid)).collect()
    }

    /// The output of a `show` command.
    pub fn show(&self, command: &str) -> String {
        self.vtysh(command).stdout
    }

    /// The output of a `show` command that has JSON.
    ///
    /// # Errors
    /// If the router does not answer, or not in JSON.
    pub fn json(&self, command: &str) -> Result<Value, String> {
        let output = self.vtysh(&format!("{command} json"));
        serde_json::from_str(&output.stdout).map_err(|error| format!("{command}: {error}: {}", output.text()))
    }

    /// Runs commands in configuration mode.
    pub fn configure(&self, commands: &[&str]) {
        let mut words = self.vtysh_words();
        words.extend(["-c".to_owned(), "configure terminal".to_owned()]);
        words.extend(commands.iter().flat_map(|command| ["-c".to_owned(), (*command).to_owned()]));
        run(&words.iter().map(String::as_str).collect::<Vec<_>>());
    }

    /// Adds lines to the configuration that ospfd reads at its next start.
    pub fn configure_next_start(&self, lines: &str) {
        let path = self.directory.join("ospfd.conf");
        let before = fs::read_to_string(&path).expect("the router's configuration");
        fs::write(path, format!("{before}{lines}")).expect("the router's configuration");
    }

    /// OSPF's route to a prefix: `N`, `N IA`, ...
    ///
    /// # Errors
    /// If there is none.
    pub fn route_type(&self, prefix: &str) -> Result<String, String> {
        let routes = self.json("show ip ospf route")?;
        let route = routes.get(prefix).and_then(|route| route.get("routeType")).and_then(Value::as_str);
        route.map(|kind| kind.trim().to_owned()).ok_or_else(|| format!("no route to {prefix}: {routes}"))
    }

    fn vtysh(&self, command: &str) -> Output {
        let mut words = self.vtysh_words();
        words.extend(["-c".to_owned(), command.to_owned()]);
        try_run(&words.iter().map(String::as_str).collect::<Vec<_>>())
    }

    fn vtysh_words(&self) -> Vec<String> {
        let directory = self.directory.display().to_string();
        ["vtysh", "--vty_socket", &directory, "--config_dir", &directory].map(str::to_owned).to_vec()
    }

    fn daemon(&self, name: &str) -> Process {
        let path = |file: &str| self.directory.join(file).display().to_string();
        let program = Path::new(DAEMONS).join(name).display().to_string();
        assert!(
            Path::new(&program).exists(),
            "{program} is missing: install the package frr (./tests/run.sh does)"
        );
        self.namespace.spawn(&[
            &program,
            "-f",
            &path(&format!("{name}.conf")),
            "-i",
            &path(&format!("{name}.pid")),
            "-z",
            &path("zserv.api"),
            "--vty_socket",
            &self.directory.display().to_string(),
            "-A",
            "127.0.0.1",
            "-P",
            "0",
        ])
    }

    fn await_socket(&self, name: &str) {
        let path = self.directory.join(name);
        wait(&format!("{} of {}", name, self.namespace.name()), Duration::from_secs(30), || {
            if path.exists() { Ok(()) } else { Err(self.logs()) }
        });
    }

    fn logs(&self) -> String {
        let daemons = [self.zebra.borrow(), self.ospfd.borrow()];
        daemons.iter().filter_map(|daemon| daemon.as_ref().map(|daemon| daemon.dump(20))).collect()
    }

    pub(super) fn kill(&self) {
        self.kill_daemon();
        if let Some(process) = self.zebra.borrow_mut().take() {
            process.kill();
        }
    }

    pub(super) fn dump(&self) -> String {
        let mut text = format!("---- FRR of {}\n{}{}", self.namespace.name(), self.logs(), self.state());
        let log = fs::read_to_string(self.directory.join("ospfd.log")).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        text.push_str(&lines[lines.len().saturating_sub(30)..].join("\n"));
        text.push('\n');
        text
    }
}

impl Peer for Frr {
    fn namespace(&self) -> &Namespace {
        &self.namespace
    }

    fn neighbor_state(&self, router_id: &str) -> Result<String, String> {
        let all = self.json("show ip ospf neighbor")?;
        let found = all
            .pointer("/neighbors")
            .and_then(|neighbors| neighbors.get(router_id))
            .or_else(|| all.get(router_id));
        let first = found.and_then(|list| list.get(0));
        let state = first.and_then(|neighbor| neighbor.get("nbrState").or_else(|| neighbor.get("state")));
        state
            .and_then(Value::as_str)
            .map(str::to_owned)
            .ok_or_else(|| format!("no neighbor {router_id}: {all}"))
    }

    fn database(&self, area: &str) -> Result<Vec<DatabaseKey>, String> {
        let all = self.json("show ip ospf database")?;
        let area = all
            .get("areas")
            .and_then(|areas| areas.get(area))
            .ok_or_else(|| format!("no area {area}: {all}"))?;
        let mut keys = Vec::new();
        for (list, kind) in [
            ("routerLinkStates", "ospfv2-router-lsa"),
            ("networkLinkStates", "ospfv2-network-lsa"),
            ("summaryLinkStates", "ospfv2-network-summary-lsa"),
            ("asbrSummaryLinkStates", "ospfv2-asbr-summary-lsa"),
        ] {
            for lsa in area.get(list).and_then(Value::as_array).into_iter().flatten() {
                let text = |key: &str| lsa[key].as_str().unwrap_or_default().to_owned();
                let number = |key: &str| u64::from_str_radix(&text(key), 16).unwrap_or_default();
                if lsa["lsaAge"].as_u64() != Some(3600) {
                    let checksum = format!("{:#06x}", number("checksum"));
                    keys.push((
                        kind.to_owned(),
                        text("lsId"),
                        text("advertisedRouter"),
                        number("sequenceNumber"),
                        checksum,
                    ));
                }
            }
        }
        keys.sort();
        Ok(keys)
    }

    fn state(&self) -> String {
        ["neighbor", "interface", "route", "database", "border-routers"]
            .map(|subject| {
                format!("-- show ip ospf {subject}\n{}", self.show(&format!("show ip ospf {subject}")))
            })
            .concat()
    }

    fn kill_daemon(&self) {
        if let Some(process) = self.ospfd.borrow_mut().take() {
            process.kill();
        }
        let _ = fs::remove_file(self.directory.join("ospfd.vty"));
    }

    fn start_daemon(&self) {
        *self.ospfd.borrow_mut() = Some(self.daemon("ospfd"));
        self.await_socket("ospfd.vty");
    }

    fn kernel_routes(&self, prefix: &str) -> String {
        self.namespace.ip(&["route", "show", prefix.trim_end_matches("/32"), "proto", "ospf"])
    }
}

/// The configuration file of ospfd.
fn text(config: &PeerConfig) -> String {
    let mut text = String::from("frr defaults traditional\nlog file ospfd.log informational\n");
    text.extend(config.interfaces.iter().map(interface));
    text.push_str(&format!(
        "router ospf\n ospf router-id {}\n log-adjacency-changes detail\n",
        config.router_id
    ));
    text.extend(config.interfaces.iter().map(static_neighbors));
    text.extend(config.virtual_links.iter().map(virtual_link));
    text.extend(config.stub_areas.iter().map(|area| format!(" area {area} stub\n")));
    text.extend(config.nssas.iter().map(|(area, options)| format!(" area {area} nssa {options}\n")));
    text.push_str("exit\n");
    text
}

fn virtual_link(link: &PeerVirtualLink) -> String {
    let command = format!(" area {} virtual-link {}", link.transit_area, link.router_id);
    let timers = "hello-interval 1 retransmit-interval 2 transmit-delay 1 dead-interval 4";
    let authentication = match link.authentication {
        PeerAuthentication::Md5 { id, key } => {
            format!("{command} authentication message-digest message-digest-key {id} md5 {key}\n")
        }
        _ => String::new(),
    };
    format!("{command} {timers}\n{authentication}")
}

/// The neighbors on a network without multicast.
fn static_neighbors(interface: &PeerInterface) -> String {
    let PeerNetwork::NonBroadcast { neighbors, .. } = interface.network else { return String::new() };
    let line = |(address, priority): &(&str, u8)| {
        format!(" neighbor {address} priority {priority} poll-interval 2\n")
    };
    neighbors.iter().map(line).collect()
}

fn interface(interface: &PeerInterface) -> String {
    let mut text = format!(
        "interface {}\n ip ospf area {}\n ip ospf cost {}\n",
        interface.name, interface.area, interface.cost
    );
    let timers = format!(
        " ip ospf hello-interval {}\n ip ospf dead-interval {}\n",
        interface.hello_interval, interface.dead_interval
    );
    text.push_str(&match interface.network {
        PeerNetwork::Passive => " ip ospf passive\n".to_owned(),
        PeerNetwork::PointToPoint => format!(" ip ospf network point-to-point\n{timers}"),
        PeerNetwork::Broadcast { priority } => {
            format!(" ip ospf network broadcast\n ip ospf priority {priority}\n{timers}")
        }
        PeerNetwork::NonBroadcast { priority, .. } => {
            format!(" ip ospf network non-broadcast\n ip ospf priority {priority}\n{timers}")
        }
        PeerNetwork::PointToMultipoint { .. } => format!(" ip ospf network point-to-multipoint\n{timers}"),
    });
    text.push_str(&match interface.authentication {
        PeerAuthentication::None => String::new(),
        PeerAuthentication::BirdKeys(_) => panic!("FRR has no such keys"),
        PeerAuthentication::Simple(password) => {
            format!(" ip ospf authentication\n ip ospf authentication-key {password}\n")
        }
        PeerAuthentication::Md5 { id, key } => {
            format!(" ip ospf authentication message-digest\n ip ospf message-digest-key {id} md5 {key}\n")
        }
    });
    text.push_str("exit\n");
    text
}
