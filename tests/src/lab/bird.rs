//! A real BIRD router: the daemon of the distribution's package, in a namespace.

use std::cell::RefCell;
use std::fs;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use super::Lab;
use super::command::{Output, try_run};
use super::namespace::Namespace;
use super::node::DatabaseKey;
use super::peer::{Peer, PeerAuthentication, PeerConfig, PeerInterface, PeerNetwork};
use super::process::Process;
use super::wait::wait;

/// Where the package puts its daemon and its command line.
const DAEMON: &str = "/usr/sbin/bird";
const CLIENT: &str = "/usr/sbin/birdc";

/// A running router.
pub struct Bird {
    namespace: Rc<Namespace>,
    directory: PathBuf,
    daemon: RefCell<Option<Process>>,
}

impl Bird {
    pub(super) fn start(lab: &Lab, namespace: &Rc<Namespace>, config: &PeerConfig) -> Self {
        let directory = lab.directory().join(format!("bird-{}", namespace.name()));
        fs::create_dir_all(&directory).expect("a directory of the router");
        namespace.sysctl("net.ipv4.ip_forward", "1");
        let bird = Self { namespace: Rc::clone(namespace), directory, daemon: RefCell::default() };
        bird.write(config);
        bird.start_daemon();
        bird
    }

    /// Gives it another configuration while it runs.
    ///
    /// # Panics
    /// If it refuses.
    pub fn configure(&self, config: &PeerConfig) {
        self.write(config);
        let answer = self.client("configure");
        assert!(answer.stdout.contains("Reconfigur"), "{}", answer.text());
    }

    /// The ids of its processes.
    pub fn processes(&self) -> Vec<u32> {
        let daemons = [&self.daemon];
        daemons.iter().filter_map(|daemon| daemon.borrow().as_ref().and_then(Process::pid)).collect()
    }

    /// The output of a `show` command.
    pub fn show(&self, command: &str) -> String {
        self.client(&format!("show {command}")).stdout
    }

    fn write(&self, config: &PeerConfig) {
        fs::write(self.file("bird.conf"), text(config)).expect("the router's configuration");
    }

    fn file(&self, name: &str) -> String {
        self.directory.join(name).display().to_string()
    }

    fn client(&self, command: &str) -> Output {
        let mut words = vec![CLIENT, "-s"];
        let socket = self.file("bird.ctl");
        words.push(&socket);
        words.extend(command.split(' '));
        try_run(&words)
    }

    fn log(&self) -> String {
        self.daemon.borrow().as_ref().map(|daemon| daemon.dump(30)).unwrap_or_default()
    }

    pub(super) fn dump(&self) -> String {
        format!("---- BIRD of {}\n{}{}", self.namespace.name(), self.log(), self.state())
    }
}

impl Peer for Bird {
    fn namespace(&self) -> &Namespace {
        &self.namespace
    }

    fn neighbor_state(&self, router_id: &str) -> Result<String, String> {
        let shown = self.show("ospf neighbors");
        let line = shown.lines().find(|line| line.split_whitespace().next() == Some(router_id));
        line.and_then(|line| line.split_whitespace().nth(2))
            .map(str::to_owned)
            .ok_or_else(|| format!("no neighbor {router_id}: {shown}"))
    }

    fn database(&self, area: &str) -> Result<Vec<DatabaseKey>, String> {
        parse_database(&self.show("ospf lsadb"), area)
    }

    fn state(&self) -> String {
        ["ospf neighbors", "ospf interface", "ospf state", "route", "ospf lsadb"]
            .map(|command| format!("-- {command}\n{}", self.show(command)))
            .concat()
    }

    fn kill_daemon(&self) {
        if let Some(process) = self.daemon.borrow_mut().take() {
            process.kill();
        }
        let _ = fs::remove_file(self.directory.join("bird.ctl"));
    }

    fn start_daemon(&self) {
        assert!(
            Path::new(DAEMON).exists(),
            "{DAEMON} is missing: install the package bird2 (./tests/run.sh does)"
        );
        let [config, socket, pid] = ["bird.conf", "bird.ctl", "bird.pid"].map(|name| self.file(name));
        let words = [DAEMON, "-f", "-c", &config, "-s", &socket, "-P", &pid];
        *self.daemon.borrow_mut() = Some(self.namespace.spawn(&words));
        wait(&format!("BIRD of {} answers", self.namespace.name()), Duration::from_secs(30), || {
            let answer = self.client("show status");
            if answer.ok() && answer.stdout.contains("Daemon is up") {
                Ok(())
            } else {
                Err(format!("{}{}", answer.text(), self.log()))
            }
        });
    }

    fn kernel_routes(&self, prefix: &str) -> String {
        self.namespace.ip(&["route", "show", prefix.trim_end_matches("/32"), "proto", "bird"])
    }
}

/// The configuration file.
fn text(config: &PeerConfig) -> String {
    let mut areas: Vec<&str> = config.interfaces.iter().map(|interface| interface.area).collect();
    areas.sort_unstable();
    areas.dedup();
    let areas: String = areas
        .into_iter()
        .map(|area| {
            let stub = if config.stub_areas.contains(&area) { "yes" } else { "no" };
            let nssa = config.nssas.iter().find(|(id, _)| *id == area);
            let kind = match nssa {
                Some((_, options)) => format!("nssa; {options}"),
                None => format!("stub {stub};"),
            };
            let interfaces = config.interfaces.iter().filter(|interface| interface.area == area);
            let interfaces: String = interfaces.map(interface).collect();
            let links = config.virtual_links.iter().filter(|link| link.transit_area == area);
            let links: String = links
                .map(|link| {
                    let authentication = authentication(link.authentication);
                    format!(
                        "    virtual link {} {{ hello 1; dead 4; retransmit 2; {authentication} }};\n",
                        link.router_id
                    )
                })
                .collect();
            format!("  area {area} {{\n    {kind}\n{interfaces}{links}  }};\n")
        })
        .collect();
    format!(
        "log stderr all;\ndebug protocols {{ states, events }};\nrouter id {};\n\
         protocol device {{ scan time 1; }}\n\
         protocol kernel {{ merge paths yes; ipv4 {{ import none; export where proto = \"core\"; }}; }}\n\
         protocol ospf v2 core {{\n  ecmp yes;\n  ipv4 {{ import all; export {}; }};\n{areas}}}\n{}",
        config.router_id,
        if config.bird.is_empty() { "none" } else { "where source = RTS_STATIC" },
        config.bird,
    )
}

fn interface(interface: &PeerInterface) -> String {
    let kind = match interface.network {
        PeerNetwork::Passive => "stub yes;".to_owned(),
        PeerNetwork::PointToPoint => "type ptp;".to_owned(),
        PeerNetwork::Broadcast { priority } => format!("type broadcast; priority {priority};"),
        PeerNetwork::NonBroadcast { priority, neighbors } => {
            let listed: String = neighbors
                .iter()
                .map(|(address, priority)| {
                    format!("{address}{};", if *priority > 0 { " eligible" } else { "" })
                })
                .collect();
            format!("type nbma; priority {priority}; poll 2; neighbors {{ {listed} }};")
        }
        PeerNetwork::PointToMultipoint { neighbors } => {
            let listed: String = neighbors.iter().map(|address| format!("{address};")).collect();
            format!("type ptmp; neighbors {{ {listed} }};")
        }
    };
    let authentication = authentication(interface.authentication);
    let ttl = if interface.ttl_security { "ttl security yes;" } else { "" };
    format!(
        "    interface \"{}\" {{ cost {}; hello {}; dead {}; retransmit 2; {kind} {authentication} {ttl} }};\n",
        interface.name, interface.cost, interface.hello_interval, interface.dead_interval
    )
}

fn authentication(authentication: PeerAuthentication) -> String {
    match authentication {
        PeerAuthentication::None => String::new(),
        PeerAuthentication::Simple(password) => {
            format!("authentication simple; password \"{password}\";")
        }
        PeerAuthentication::BirdKeys(statements) => format!("authentication cryptographic; {statements}"),
        PeerAuthentication::Md5 { id, key } => {
            format!("authentication cryptographic; password \"{key}\" {{ id {id}; algorithm keyed md5; }};")
        }
    }
}

/// What `show ospf lsadb` lists of an area, without what has reached MaxAge.
fn parse_database(shown: &str, area: &str) -> Result<Vec<DatabaseKey>, String> {
    let heading = format!("Area {area}");
    let mut lines = shown.lines().skip_while(|line| line.trim() != heading).skip(1);
    let mut keys = Vec::new();
    let mut found = false;
    for line in lines.by_ref().take_while(|line| !line.starts_with("Area ") && !line.starts_with("Global")) {
        found = true;
        let words: Vec<&str> = line.split_whitespace().collect();
        let [kind, id, router, sequence, age, checksum] = words[..] else { continue };
        let kind = match kind {
            "0001" => "ospfv2-router-lsa",
            "0002" => "ospfv2-network-lsa",
            "0003" => "ospfv2-network-summary-lsa",
            "0004" => "ospfv2-asbr-summary-lsa",
            _ => continue,
        };
        if age == "3600" {
            continue;
        }
        let number = |text: &str| u64::from_str_radix(text, 16).map_err(|error| format!("{line}: {error}"));
        keys.push((
            kind.to_owned(),
            id.to_owned(),
            router.to_owned(),
            number(sequence)?,
            format!("{:#06x}", number(checksum)?),
        ));
    }
    if !found {
        return Err(format!("no area {area}: {shown}"));
    }
    keys.sort();
    Ok(keys)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Input: what BIRD 2.0.12 prints. Output: the advertisements of the area that was asked for.
    #[test]
    fn a_database_is_read_from_what_bird_prints() {
        let shown = "BIRD 2.0.12 ready.\n\nArea 0.0.0.0\n\n Type   LS ID           Router          Sequence   Age  Checksum\n 0001  10.255.0.2      10.255.0.2       80000003    12    b1a2\n 0003  10.77.0.0       10.77.0.2        80000001  3600    0c1d\n\nArea 0.0.0.1\n\n Type   LS ID           Router          Sequence   Age  Checksum\n 0002  10.1.0.1        10.1.0.1         80000001     1    00ff\n";
        let key = |kind: &str, id: &str, sequence, checksum: &str| {
            (kind.to_owned(), id.to_owned(), id.to_owned(), sequence, checksum.to_owned())
        };
        assert_eq!(
            parse_database(shown, "0.0.0.0").unwrap(),
            [key("ospfv2-router-lsa", "10.255.0.2", 0x8000_0003, "0xb1a2")]
        );
        assert_eq!(
            parse_database(shown, "0.0.0.1").unwrap(),
            [key("ospfv2-network-lsa", "10.1.0.1", 0x8000_0001, "0x00ff")]
        );
        assert!(parse_database(shown, "0.0.0.2").is_err());
    }
}
