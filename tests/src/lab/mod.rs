//! A laboratory on this machine: network namespaces joined by virtual cables, real FRR and BIRD routers, kernel hosts, nodes.
//!
//! A test describes its network with a [`Lab`] and waits for conditions in it. Labs run one at a time on a machine (a
//! lock), and whatever happens everything is removed: by `Drop`, with the state of all routers printed if the test
//! failed; and by the next lab, if the process of the test was killed. Processes are ended by their own ids only.

mod bird;
mod capture;
mod command;
mod frr;
mod huge_pages;
mod inject;
mod lan;
mod leftovers;
mod mismatch;
mod namespace;
mod node;
mod peer;
mod process;
mod prometheus;
mod protection;
mod topology;
mod traffic;
mod wait;

use std::cell::{Cell, RefCell};
use std::fs::{self, File};
use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::rc::Rc;

pub use bird::Bird;
pub use capture::{Capture, Direction, Packets};
pub use command::{Output, run as run_command, try_run};
pub use frr::Frr;
pub use huge_pages::HugePages;
pub use lan::Lan;
pub use mismatch::{await_mismatch, await_no_mismatch};
pub use namespace::Namespace;
pub use node::{DatabaseKey, Node, NodeConfig, binary};
pub use peer::{Peer, PeerAuthentication, PeerConfig, PeerInterface, PeerNetwork, PeerVirtualLink};
pub use process::{Process, processor_time};
pub use prometheus::{Prometheus, PrometheusConfig, Sample};
pub use protection::{Protection, ROLES};
pub use topology::{ANYCAST, COMMON, OneExit, Outside, TwoExits, await_cluster, await_same_database};
pub use traffic::{BackgroundIperf, HttpServer, Iperf, Ping, Pinger};
pub use wait::wait;

/// One laboratory.
pub struct Lab {
    directory: PathBuf,
    segment: PathBuf,
    namespaces: RefCell<Vec<Rc<Namespace>>>,
    frrs: RefCell<Vec<Rc<Frr>>>,
    birds: RefCell<Vec<Rc<Bird>>>,
    nodes: RefCell<Vec<Rc<Node>>>,
    /// For names of files that may not repeat.
    counter: Cell<u32>,
    /// Held while the lab stands.
    _lock: File,
}

/// Where labs keep their files. Below `/tmp`, because a socket's path is short and FRR's own user must get there.
const HOME: &str = "/tmp/isthmus-lab";

/// Runs a test in a lab of its own. Without root it says so and does nothing, unless `ISTHMUS_LAB=required`.
///
/// # Panics
/// If the test does, or if the lab cannot be set up.
pub fn run(name: &str, test: impl FnOnce(&Lab)) {
    if !rustix::process::geteuid().is_root() {
        let required = std::env::var_os("ISTHMUS_LAB").is_some_and(|value| value == "required");
        assert!(!required, "{name}: the lab is required and needs root");
        // Past the test runner's capture, so that it is seen.
        let _ = writeln!(
            std::io::stderr(),
            "SKIPPED {name}: the lab needs root, for network namespaces (sudo -E ./tests/run.sh)"
        );
        return;
    }
    let lab = Lab::new(name);
    let result = catch_unwind(AssertUnwindSafe(|| test(&lab)));
    if let Err(panic) = result {
        // The state of the routers while they are still there.
        let _ = writeln!(std::io::stderr(), "{}", lab.dump());
        std::panic::resume_unwind(panic);
    }
}

impl Lab {
    fn new(name: &str) -> Self {
        fs::create_dir_all(HOME).expect("a directory for labs");
        let lock = File::create(Path::new(HOME).join("lock")).expect("the lock of the labs");
        lock.lock().expect("the lock of the labs");
        leftovers::sweep(Path::new(HOME), leftovers::NAMESPACE_PREFIX);
        let id = format!("{}-{name}", std::process::id());
        let directory = Path::new(HOME).join(&id);
        let segment = Path::new("/dev/shm").join(format!("isthmus-lab-{id}"));
        for path in [&directory, &segment] {
            fs::create_dir_all(path).expect("a directory of the lab");
        }
        leftovers::note_segment(&directory, &segment);
        Self {
            directory,
            segment,
            namespaces: RefCell::default(),
            frrs: RefCell::default(),
            birds: RefCell::default(),
            nodes: RefCell::default(),
            counter: Cell::new(0),
            _lock: lock,
        }
    }

    /// The directory of the lab's files.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The directory of the shared memory, on a memory file system.
    pub fn segment(&self) -> &Path {
        &self.segment
    }

    /// A path in the lab's directory that no other file has.
    pub fn file(&self, name: &str) -> PathBuf {
        self.counter.set(self.counter.get() + 1);
        self.directory.join(format!("{:03}-{name}", self.counter.get()))
    }

    /// A network namespace with its loopback device up, forwarding nothing.
    pub fn namespace(&self, name: &str) -> Rc<Namespace> {
        let namespace = Rc::new(Namespace::new(&self.directory, name));
        self.namespaces.borrow_mut().push(Rc::clone(&namespace));
        namespace
    }

    /// A virtual cable between two devices that it makes. Offloads stay on, as on real machines.
    pub fn cable(&self, a: (&Namespace, &str), b: (&Namespace, &str)) {
        run_command(&[
            "ip",
            "link",
            "add",
            a.1,
            "netns",
            a.0.id(),
            "type",
            "veth",
            "peer",
            "name",
            b.1,
            "netns",
            b.0.id(),
        ]);
        for (namespace, device) in [a, b] {
            namespace.ip(&["link", "set", "dev", device, "up"]);
        }
    }

    /// A bridge of a namespace with the given devices in it.
    pub fn bridge(&self, namespace: &Namespace, name: &str, devices: &[&str]) {
        namespace.ip(&["link", "add", name, "type", "bridge", "stp_state", "0", "forward_delay", "0"]);
        for device in devices {
            namespace.ip(&["link", "set", device, "master", name]);
        }
        namespace.ip(&["link", "set", name, "up"]);
    }

    /// A running FRR router (zebra and ospfd) in a namespace.
    pub fn frr(&self, namespace: &Rc<Namespace>, config: &PeerConfig) -> Rc<Frr> {
        let frr = Rc::new(Frr::start(self, namespace, config));
        self.frrs.borrow_mut().push(Rc::clone(&frr));
        frr
    }

    /// A running BIRD router in a namespace.
    pub fn bird(&self, namespace: &Rc<Namespace>, config: &PeerConfig) -> Rc<Bird> {
        let bird = Rc::new(Bird::start(self, namespace, config));
        self.birds.borrow_mut().push(Rc::clone(&bird));
        bird
    }

    /// A running node in a namespace. It need not be ready yet.
    pub fn node(&self, namespace: &Rc<Namespace>, config: NodeConfig) -> Rc<Node> {
        let node = Rc::new(Node::new(self, namespace, config));
        self.nodes.borrow_mut().push(Rc::clone(&node));
        node.start();
        node
    }

    /// A node that a command of its own starts, such as one in a container. It listens on `socket`.
    pub fn node_by_command(
        &self,
        namespace: &Rc<Namespace>,
        id: u8,
        config: &Path,
        socket: &Path,
        command: Vec<String>,
    ) -> Rc<Node> {
        let node = Node::by_command(namespace, id, config.to_owned(), socket.to_owned(), command);
        let node = Rc::new(node);
        self.nodes.borrow_mut().push(Rc::clone(&node));
        node.start();
        node
    }

    /// The state of everything, for a failed test.
    pub fn dump(&self) -> String {
        let mut text = String::from("======== state of the lab ========\n");
        for namespace in self.namespaces.borrow().iter() {
            text.push_str(&namespace.dump());
        }
        for frr in self.frrs.borrow().iter() {
            text.push_str(&frr.dump());
        }
        for bird in self.birds.borrow().iter() {
            text.push_str(&bird.dump());
        }
        for node in self.nodes.borrow().iter() {
            text.push_str(&node.dump());
        }
        text
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        for node in self.nodes.borrow().iter() {
            node.kill();
        }
        for frr in self.frrs.borrow().iter() {
            frr.kill();
        }
        for bird in self.birds.borrow().iter() {
            bird.kill_daemon();
        }
        for namespace in self.namespaces.borrow().iter() {
            namespace.remove();
        }
        if std::env::var_os("ISTHMUS_LAB_KEEP").is_none() {
            let _ = fs::remove_dir_all(&self.directory);
        }
        let _ = fs::remove_dir_all(&self.segment);
    }
}
