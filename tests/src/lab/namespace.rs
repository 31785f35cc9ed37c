//! A network namespace: a machine of its own to the network.

use std::cell::Cell;
use std::path::{Path, PathBuf};

use super::command::{Output, run, try_run};
use super::leftovers::NAMESPACE_PREFIX;
use super::process::Process;

/// A network namespace.
pub struct Namespace {
    name: String,
    id: String,
    directory: PathBuf,
    processes: Cell<u32>,
}

impl Namespace {
    pub(super) fn new(directory: &Path, name: &str) -> Self {
        let id = format!("{NAMESPACE_PREFIX}{}-{name}", std::process::id());
        run(&["ip", "netns", "add", &id]);
        let namespace =
            Self { name: name.to_owned(), id, directory: directory.to_owned(), processes: Cell::new(0) };
        namespace.ip(&["link", "set", "lo", "up"]);
        // No router advertisements and neighbor discovery in the captures.
        namespace.sysctl("net.ipv6.conf.all.disable_ipv6", "1");
        namespace.sysctl("net.ipv6.conf.default.disable_ipv6", "1");
        namespace
    }

    /// Its name in the lab.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its name on the machine.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Runs a command in it that must end well; its standard output.
    pub fn run(&self, words: &[&str]) -> String {
        run(&self.words(words))
    }

    /// Runs a command in it.
    pub fn try_run(&self, words: &[&str]) -> Output {
        try_run(&self.words(words))
    }

    /// Starts a command in it, in the background.
    pub fn spawn(&self, words: &[&str]) -> Process {
        self.processes.set(self.processes.get() + 1);
        let program = words.first().map_or("process", |word| word.rsplit('/').next().unwrap_or(word));
        let name = format!("{}-{program}-{}", self.name, self.processes.get());
        let log = self.directory.join(format!("{name}.log"));
        Process::start(&self.directory, &name, &self.words(words), log)
    }

    /// `ip` in it.
    pub fn ip(&self, words: &[&str]) -> String {
        let mut all = vec!["ip", "-n", &self.id];
        all.extend(words);
        run(&all)
    }

    /// Adds an address to a device and sets it up.
    pub fn address(&self, device: &str, address: &str) {
        self.ip(&["address", "add", address, "dev", device]);
        self.ip(&["link", "set", "dev", device, "up"]);
    }

    /// Sets a kernel parameter.
    pub fn sysctl(&self, name: &str, value: &str) {
        self.run(&["sysctl", "-q", "-w", &format!("{name}={value}")]);
    }

    /// The Ethernet address of a device.
    pub fn mac(&self, device: &str) -> [u8; 6] {
        let text = self.run(&["cat", &format!("/sys/class/net/{device}/address")]);
        let mut mac = [0; 6];
        for (byte, part) in mac.iter_mut().zip(text.trim().split(':')) {
            *byte = u8::from_str_radix(part, 16).expect("an Ethernet address");
        }
        mac
    }

    fn words<'w>(&'w self, words: &[&'w str]) -> Vec<&'w str> {
        let mut all = vec!["ip", "netns", "exec", &self.id];
        all.extend(words);
        all
    }

    pub(super) fn dump(&self) -> String {
        let addresses = try_run(&["ip", "-n", &self.id, "-brief", "address"]).stdout;
        let routes = try_run(&["ip", "-n", &self.id, "route"]).stdout;
        format!("---- kernel of {}\n{addresses}{routes}", self.name)
    }

    pub(super) fn remove(&self) {
        try_run(&["ip", "netns", "delete", &self.id]);
    }
}
