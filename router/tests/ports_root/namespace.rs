//! Network namespaces that go away with their guard, and veth pairs between them.

use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

static NEXT: AtomicU32 = AtomicU32::new(0);

/// Whether the tests can run; says why not.
pub(crate) fn can_run() -> bool {
    if !rustix::process::geteuid().is_root() {
        println!("skipped: network namespaces need root");
        return false;
    }
    let name = format!("isthmus-probe-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    let probe = Command::new("ip").args(["netns", "add", &name]).output();
    let possible = probe.is_ok_and(|output| output.status.success());
    if possible {
        ip(&["netns", "del", &name]);
    } else {
        println!("skipped: `ip netns add` does not work here");
    }
    possible
}

/// A network namespace, deleted when dropped.
pub(crate) struct Namespace {
    name: String,
}

impl Namespace {
    pub(crate) fn new() -> Self {
        let name = format!("isthmus-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        ip(&["netns", "add", &name]);
        let namespace = Self { name };
        namespace.ip("link set lo up");
        namespace
    }

    /// Runs `ip` in it, and returns what it prints.
    pub(crate) fn ip(&self, arguments: &str) -> String {
        let mut all = vec!["-n", &self.name];
        all.extend(arguments.split(' '));
        ip(&all)
    }

    /// Runs `ip` in it, whether it succeeds or not.
    pub(crate) fn try_ip(&self, arguments: &str) {
        let output = Command::new("ip").args(["-n", &self.name]).args(arguments.split(' ')).output();
        assert!(output.is_ok());
    }

    /// Runs a command in it. Returns whether it succeeded, and what it printed.
    pub(crate) fn run(&self, command: &str) -> (bool, String) {
        let mut all = vec!["netns", "exec", &self.name];
        all.extend(command.split(' '));
        let output = Command::new("ip").args(&all).output().unwrap();
        (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Whether the address answers; patient, since the machine may be busy.
    pub(crate) fn pings(&self, address: &str) -> bool {
        self.run(&format!("ping -n -c 1 -W 10 {address}")).0
    }

    /// Whether the address does not answer for a second.
    pub(crate) fn pings_in_vain(&self, address: &str) -> bool {
        !self.run(&format!("ping -n -c 1 -W 1 {address}")).0
    }

    /// Runs `work` on a thread of its own inside the namespace.
    pub(crate) fn inside<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        thread::scope(|scope| {
            let worker = scope.spawn(|| {
                self.enter();
                work()
            });
            worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }

    /// Moves the calling thread into the namespace.
    pub(crate) fn enter(&self) {
        let file = std::fs::File::open(format!("/run/netns/{}", self.name)).unwrap();
        move_into_link_name_space(std::os::fd::AsFd::as_fd(&file), Some(LinkNameSpaceType::Network)).unwrap();
    }

    /// A veth pair, both ends up: `mine` here, `theirs` in `other`.
    pub(crate) fn join(&self, mine: &str, other: &Self, theirs: &str) {
        ip(&[
            "link",
            "add",
            mine,
            "netns",
            &self.name,
            "type",
            "veth",
            "peer",
            "name",
            theirs,
            "netns",
            &other.name,
        ]);
        self.ip(&format!("link set {mine} up"));
        other.ip(&format!("link set {theirs} up"));
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let _ = Command::new("ip").args(["netns", "del", &self.name]).status();
    }
}

fn ip(arguments: &[&str]) -> String {
    let output = Command::new("ip").args(arguments).output().unwrap();
    assert!(output.status.success(), "ip {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}
