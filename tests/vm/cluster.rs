//! Three virtual machines that share one stretch of memory, each as its ivshmem device, and their host as a fourth node on
//! the file behind it.

use std::fs;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use isthmus_tests::lab::{
    self, Lab, Namespace, Node, NodeConfig, Peer, Protection, binary, run_command, wait,
};
use serde_json::Value;

use super::{Image, Machine, PATIENCE};

/// Where the machines are managed in band: at the loopback addresses of their routers.
const PORT: u16 = 9443;

/// Emulated machines on a busy host are late by seconds, and are not dead.
const TIMING: &str = "{heartbeat: 100, suspect: 1000, failed: 8000}";

/// What all nodes have in common. Their areas' adjacencies last as long as the fabric says that a node lives.
fn fabric() -> String {
    let network = "{ospf: {dead-interval: 40}}";
    format!("fabric: {{max-nodes: 8, timing: {TIMING}, lsm: {network}, gsm: {network}}}\n")
}

/// How a machine sees the memory that it shares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Device {
    /// An ivshmem device.
    Ivshmem,
    /// An nvdimm.
    Nvdimm,
}

impl Device {
    fn segment(self) -> &'static str {
        match self {
            Self::Ivshmem => "{facility: pci}",
            Self::Nvdimm => "{facility: dax, path: /dev/dax0.0, coherence: hardware}",
        }
    }

    /// For QEMU's command line; the memory backend is `region`.
    fn words(self) -> &'static [&'static str] {
        match self {
            Self::Ivshmem => &["-device", "ivshmem-plain,memdev=region"],
            Self::Nvdimm => {
                &["-machine", "nvdimm=on", "-m", "384,slots=1,maxmem=2G", "-device", "nvdimm,memdev=region"]
            }
        }
    }
}

/// What is needed to start a machine, at first and again.
pub(super) struct Rack<'l> {
    pub(super) lab: &'l Lab,
    pub(super) namespace: Rc<Namespace>,
    pub(super) image: Image,
    pub(super) protection: Protection,
    pub(super) memory: PathBuf,
    pub(super) device: Device,
}

impl Rack<'_> {
    /// Starts machine 1, 2 or 3. The first has a NIC.
    pub(super) fn start(&self, id: u8) -> Machine {
        let disk = self.disk(id);
        let memory = self.memory.display();
        let (kernel, initrd) = (self.image.file("vmlinuz"), self.image.file("initrd.gz"));
        let drive = format!("file={disk},format=raw,if=none,id=configuration");
        let backend = format!("memory-backend-file,id=region,size=128M,share=on,mem-path={memory}");
        let boot = [
            "-kernel",
            &kernel,
            "-initrd",
            &initrd,
            "-append",
            "console=ttyS0 panic=10 loglevel=4",
            "-drive",
            &drive,
            "-device",
            "virtio-blk-pci,drive=configuration",
            "-object",
            &backend,
        ];
        let boot = [&boot[..], self.device.words()].concat();
        match id {
            1 => Machine::start(self.lab, &self.namespace, &boot),
            _ => Machine::start_without_nic(self.lab, &self.namespace, "384", &boot),
        }
    }

    /// A disk with the machine's configuration, its certificate and key.
    fn disk(&self, id: u8) -> String {
        let (tree, disk) = (self.lab.file("tree"), self.lab.file("disk").display().to_string());
        fs::create_dir(&tree).unwrap();
        let managed =
            self.protection.protect(NodeConfig::inside(id).managed(&format!("in-band-port: {PORT}")));
        let certificate = self.protection.certificate();
        let here = certificate.parent().unwrap().display().to_string();
        for name in ["tls.crt", "tls.key"] {
            fs::copy(certificate.with_file_name(name), tree.join(name)).unwrap();
        }
        let nic = match id {
            1 => {
                "interfaces:\n  - name: eth0\n    address: 10.1.0.1/30\n    ospf: {hello-interval: 1, dead-interval: 40}\n"
            }
            _ => "",
        };
        let management = managed.management.join(", ").replace(&here, "/etc/isthmus");
        let text = format!(
            "hostname: machine-{id}\nnode-id: {id}\nsegment: {}\n{}management: {{{management}}}\n{nic}",
            self.device.segment(),
            fabric()
        );
        fs::write(tree.join("isthmus.yaml"), text).unwrap();
        run_command(&[
            "mke2fs",
            "-q",
            "-t",
            "ext4",
            "-L",
            "isthmus",
            "-d",
            tree.to_str().unwrap(),
            &disk,
            "16M",
        ]);
        disk
    }

    /// Runs a command of a machine's command line, in band, from a host behind the outside router.
    pub(super) fn in_band(&self, from: &Namespace, id: u8, words: &[&str]) -> Result<String, String> {
        let server = format!("https://10.77.3.{id}:{PORT}");
        let (program, token) =
            (binary().display().to_string(), self.protection.token("operator").display().to_string());
        let certificate = self.protection.certificate().display().to_string();
        let mut all =
            vec![program.as_str(), "--api", &server, "--token-file", &token, "--ca-file", &certificate];
        all.extend(words);
        let output = from.try_run(&all);
        if output.ok() { Ok(output.stdout.clone()) } else { Err(output.text()) }
    }

    /// The host as node 4, on the file of which the machines see a device.
    fn host(&self, namespace: &Rc<Namespace>) -> Rc<Node> {
        let (file, socket) = (self.lab.file("host.yaml"), self.lab.file("host.sock"));
        let text = format!(
            "hostname: host\nnode-id: 4\nsegment: {{facility: single-file, path: {}, other-kernels: true}}\n{}management: {{unix-socket: {}, state-directory: {}}}\n",
            self.memory.display(),
            fabric(),
            socket.display(),
            self.lab.file("host.state").display(),
        );
        fs::write(&file, text).unwrap();
        let command =
            [binary().display().to_string(), "run".to_owned(), "-c".to_owned(), file.display().to_string()];
        self.lab.node_by_command(namespace, 4, &file, &socket, command.to_vec())
    }
}

/// Waits until a machine answers another, by the first one's own ping.
pub(super) fn await_ping(rack: &Rack<'_>, from: &Namespace, id: u8, to: &str) {
    wait(&format!("machine {id} pings {to}"), PATIENCE, || {
        let text = rack.in_band(from, id, &["ping", to, "--count", "2"])?;
        if text.contains(" octets from ") { Ok(()) } else { Err(text) }
    });
}

pub(super) fn await_pong(from: &Namespace, to: &str) {
    wait(&format!("{} pings {to}", from.name()), PATIENCE, || {
        let output = from.try_run(&["ping", "-n", "-c", "1", "-W", "5", to]);
        if output.ok() { Ok(()) } else { Err(output.text()) }
    });
}

fn await_members(host: &Node, machines: &[&Machine], nodes: &[u64]) {
    wait(&format!("active {nodes:?}"), PATIENCE, || {
        let active = host.active()?;
        if active == nodes {
            return Ok(());
        }
        let consoles: String = machines.iter().map(|machine| machine.console()).collect();
        Err(format!("{active:?}\n{consoles}"))
    });
}

/// The neighbors of the host's node that are Full, by router id.
fn await_full(host: &Node, routers: &[&str]) {
    wait(&format!("Full with {routers:?}"), PATIENCE, || {
        let full = host.full()?;
        let all = routers.iter().all(|router| full.iter().any(|(_, id)| id == router));
        if all { Ok(()) } else { Err(format!("{full:?}")) }
    });
}

/// Input: three machines with one memory, the first of them with a NIC toward FRR; their host as a fourth node on the same
/// memory. Output: they meet and are OSPF neighbors over it; those without a NIC ping each other and a host behind FRR, as they say
/// themselves in band; the host pings them; one QEMU is killed and the others go on; it comes back as its next incarnation.
#[test]
fn machines_and_their_host_are_one_cluster_over_a_pci_device() {
    lab::run("vm-cluster", |lab| {
        let image = Image::build();
        let (namespace, outside) = super::place(lab);
        // An emulated machine may be late with its hellos by seconds, too.
        outside.router.configure(&["interface core", "ip ospf dead-interval 40"]);
        let memory = lab.segment().join("region");
        let protection = Protection::new(lab, &["10.77.3.1", "10.77.3.2", "10.77.3.3"]);
        let rack = Rack { lab, namespace, image, protection, memory, device: Device::Ivshmem };
        let first = rack.start(1);
        let second = rack.start(2);
        let third = rack.start(3);
        for machine in [&first, &second, &third] {
            machine.await_console("ready: ");
        }
        let on_host = lab.namespace("host4");
        let host = rack.host(&on_host);
        await_members(&host, &[&first, &second, &third], &[1, 2, 3, 4]);
        await_full(&host, &["10.77.0.1", "10.77.0.2", "10.77.0.3"]);
        for address in ["10.77.0.1", "10.77.0.2", "10.77.0.3"] {
            await_pong(&on_host, address);
        }

        outside.router.await_full("10.77.0.1");
        outside.router.await_route("10.77.0.0/24");
        await_pong(&outside.host, "10.77.0.2");
        await_ping(&rack, &outside.host, 2, "10.77.0.3");
        await_ping(&rack, &outside.host, 3, &outside.host_address);
        await_ping(&rack, &outside.host, 3, "10.77.0.4");

        second.qemu.kill();
        await_members(&host, &[&first, &third], &[1, 3, 4]);
        await_ping(&rack, &outside.host, 3, &outside.host_address);
        await_pong(&on_host, "10.77.0.3");
        let before = incarnation(&host, 2);

        let again = rack.start(2);
        again.await_console("ready: ");
        await_members(&host, &[&first, &again, &third], &[1, 2, 3, 4]);
        await_full(&host, &["10.77.0.1", "10.77.0.2", "10.77.0.3"]);
        assert!(incarnation(&host, 2) > before, "a new life in the same memory");
        await_ping(&rack, &outside.host, 2, &outside.host_address);
        for machine in [&first, &again, &third] {
            assert!(!machine.console().contains("panicked"), "{}", machine.console());
        }
    });
}

/// The incarnation of a node that is or was, as the host's node knows it.
fn incarnation(host: &Node, id: u64) -> u64 {
    let nodes = wait("the nodes", Duration::from_secs(60), || host.list("/shm/nodes", "node"));
    let of =
        |node: &Value| (node["node-id"].as_u64() == Some(id)).then(|| node["incarnation"].as_u64()).flatten();
    nodes.iter().filter_map(of).max().unwrap_or(0)
}
