//! Nodes as real processes: each is this very test program, started again as the test `child`.
//!
//! A node reads commands from its standard input and writes what it sees to its standard output, one line each, with a
//! mark in front. Tests wait for lines, up to a deadline, and never for a time.

#![allow(dead_code, missing_docs, unreachable_pub, reason = "each test program uses a part of this module")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "what fails here fails the test")]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Write};
use std::net::Ipv4Addr;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use isthmus_shmnet::{
    BackOff, Backing, Cast, CoherenceMode, DEFAULT_GEOMETRY, Destination, Endpoint, Fabric, FabricConfig,
    Facts, HugePageSize, Metadata, MulticastFilter, Network, NetworkParameters, NodeId, Received, Region,
    Timing,
};
use rustix::event::{PollFd, PollFlags, poll};

pub fn node(id: u16) -> NodeId {
    NodeId::new(id).unwrap()
}

/// A directory on tmpfs that is removed at the end.
pub struct Segment {
    path: PathBuf,
}

impl Segment {
    pub fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let base =
            if Path::new("/dev/shm").is_dir() { PathBuf::from("/dev/shm") } else { std::env::temp_dir() };
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        if count == 0 {
            sweep(&base);
        }
        let path = base.join(format!("{PREFIX}{}-{count}", std::process::id()));
        std::fs::create_dir(&path).unwrap();
        Self { path }
    }

    /// One that is there already; what is in it is removed at the end.
    pub fn at(path: PathBuf) -> Self {
        Self { path }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn arena(&self, id: u16) -> PathBuf {
        self.path.join(format!("node-{id:03}.arena"))
    }
}

const PREFIX: &str = "isthmus-test-";

/// Removes the segments of test programs that were killed.
pub fn sweep(base: &Path) {
    for entry in std::fs::read_dir(base).unwrap().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let process = name.strip_prefix(PREFIX).and_then(|rest| rest.split('-').next());
        if process.is_some_and(|process| !Path::new("/proc").join(process).exists()) {
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}

impl Drop for Segment {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.path);
    }
}

/// Prints what a node takes of a core, and each of its threads with how often it wakes, over a time after as long to come to rest.
pub fn print_idle(what: &str, node: &Node, time: Duration) {
    std::thread::sleep(time);
    let (began, before) = (Instant::now(), threads(node.pid()));
    std::thread::sleep(time);
    let passed = began.elapsed().as_secs_f64();
    let mut whole = 0.0;
    let mut lines = String::new();
    for (thread, (name, used, woken)) in threads(node.pid()) {
        let (_, used_before, woken_before) = before.get(&thread).cloned().unwrap_or_default();
        let share = 100.0 * (used - used_before) / passed;
        whole += share;
        let _ = writeln!(
            lines,
            "  {name}: {share:.2} %, woken {:.0} times a second",
            (woken - woken_before) / passed
        );
    }
    println!("idle over {what}: {whole:.2} % of a core\n{lines}");
}

/// The threads of a process, with their names, processor time in seconds and how often they were scheduled.
fn threads(pid: i32) -> BTreeMap<String, (String, f64, f64)> {
    let mut threads = BTreeMap::new();
    for task in std::fs::read_dir(format!("/proc/{pid}/task")).unwrap().flatten() {
        let read = |file| std::fs::read_to_string(task.path().join(file)).unwrap_or_default();
        let statistics = read("schedstat");
        let mut words = statistics.split_whitespace().map(|word| word.parse::<f64>().unwrap());
        let (used, _, woken) = (words.next(), words.next(), words.next());
        let entry = (read("comm").trim().to_owned(), used.unwrap_or(0.0) / 1e9, woken.unwrap_or(0.0));
        threads.insert(task.file_name().to_string_lossy().into_owned(), entry);
    }
    threads
}

pub fn config(directory: &Path, id: u16) -> FabricConfig {
    let parameters = |third, cost| NetworkParameters {
        area_id: 1,
        network_type: 3,
        hello_interval: 1,
        dead_interval: 4,
        cost,
        mtu: 9000,
        prefix: Ipv4Addr::new(10, 77, third, 0),
        prefix_len: 24,
    };
    FabricConfig {
        node_id: node(id),
        backing: Backing::Directory(directory.to_owned()),
        coherence: CoherenceMode::Hardware,
        max_nodes: 64,
        queues: 1,
        geometry: [DEFAULT_GEOMETRY; 2],
        // The machine that runs the tests may be busy: only the tests about lateness are about lateness.
        timing: Timing { failed: Duration::from_secs(5), ..Timing::default() },
        parameters: [parameters(1, 2), parameters(2, 3)],
        facts: Facts { lsm_address: Ipv4Addr::from(0x0a4d_0100 + u32::from(id)), ..Facts::default() },
        takeover: false,
        budget: None,
    }
}

/// A node in a process of its own.
pub struct Node {
    pub id: u16,
    child: Child,
    stdin: Option<ChildStdin>,
    lines: Arc<Lines>,
}

#[derive(Default)]
struct Lines {
    seen: Mutex<(Vec<String>, bool)>,
    changed: Condvar,
}

impl Node {
    /// Starts a process that joins; `options` are words of [`child`].
    pub fn start(segment: &Segment, id: u16, options: &str) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "child", "--nocapture", "--ignored", "--test-threads=1"]);
        Self::spawn(command, segment.path(), id, options)
    }

    /// The same through another program that starts ours.
    pub fn start_under(program: &mut Command, directory: &Path, id: u16, options: &str) -> Self {
        let mut command = Command::new(program.get_program());
        command.args(program.get_args());
        Self::spawn(command, directory, id, options)
    }

    fn spawn(mut command: Command, directory: &Path, id: u16, options: &str) -> Self {
        let mut child = command
            .env("ISTHMUS_TEST_DIRECTORY", directory)
            .env("ISTHMUS_TEST_NODE", id.to_string())
            .env("ISTHMUS_TEST_OPTIONS", options)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let lines = Arc::new(Lines::default());
        let reader = Arc::clone(&lines);
        std::thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                if let Some((_, line)) = line.split_once("@ ") {
                    reader.seen.lock().unwrap().0.push(line.to_owned());
                    reader.changed.notify_all();
                }
            }
            reader.seen.lock().unwrap().1 = true;
            reader.changed.notify_all();
        });
        let stdin = child.stdin.take();
        Self { id, child, stdin, lines }
    }

    /// Starts a node and waits until it is a member.
    pub fn join(segment: &Segment, id: u16) -> Self {
        Self::join_with(segment, id, "")
    }

    pub fn join_with(segment: &Segment, id: u16, options: &str) -> Self {
        let node = Self::start(segment, id, options);
        node.await_line("to join", |line| line.starts_with("joined"));
        node
    }

    pub fn pid(&self) -> i32 {
        self.child.id() as i32
    }

    pub fn say(&mut self, command: &str) {
        let stdin = self.stdin.as_mut().unwrap();
        writeln!(stdin, "{command}").unwrap();
        stdin.flush().unwrap();
    }

    pub fn signal(&self, signal: rustix::process::Signal) {
        rustix::process::kill_process(rustix::process::Pid::from_child(&self.child), signal).unwrap();
    }

    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Kills it; gives how it ended, and all that it ever said.
    pub fn end(&mut self) -> (ExitStatus, Vec<String>) {
        let _ = self.child.kill();
        let status = self.child.wait().unwrap();
        let mut seen = self.lines.seen.lock().unwrap();
        while !seen.1 {
            seen = self.lines.changed.wait(seen).unwrap();
        }
        (status, seen.0.clone())
    }

    /// All lines so far.
    pub fn lines(&self) -> Vec<String> {
        self.lines.seen.lock().unwrap().0.clone()
    }

    /// How many lines there are now: to look only at later ones.
    pub fn mark(&self) -> usize {
        self.lines.seen.lock().unwrap().0.len()
    }

    pub fn await_line(&self, what: &str, wanted: impl Fn(&str) -> bool) -> String {
        self.await_line_after(0, what, wanted)
    }

    pub fn await_line_after(&self, mark: usize, what: &str, wanted: impl Fn(&str) -> bool) -> String {
        let mut found = None;
        self.await_lines(what, |lines| {
            found = lines.iter().skip(mark).find(|line| wanted(line)).cloned();
            found.is_some()
        });
        found.unwrap()
    }

    /// Waits until the lines are as wanted.
    pub fn await_lines(&self, what: &str, mut wanted: impl FnMut(&[String]) -> bool) {
        let give_up = Instant::now() + DEADLINE;
        let mut known = usize::MAX;
        loop {
            let (lines, ended) = {
                let mut seen = self.lines.seen.lock().unwrap();
                while seen.0.len() == known && !seen.1 && Instant::now() < give_up {
                    seen = self.lines.changed.wait_timeout(seen, Duration::from_millis(100)).unwrap().0;
                }
                seen.clone()
            };
            known = lines.len();
            if wanted(&lines) {
                return;
            }
            assert!(
                !ended && Instant::now() < give_up,
                "node {} was to {what}; {} its lines:\n{}",
                self.id,
                if ended { "it ended;" } else { "" },
                lines[lines.len().saturating_sub(60)..].join("\n")
            );
        }
    }

    /// Waits until the node's table lists exactly these nodes, all active and connected.
    pub fn await_members(&self, members: &[u16]) {
        let mut table = String::from("table");
        for member in members {
            let _ = write!(table, " {member}");
        }
        self.await_lines(&format!("see {members:?}"), |lines| {
            let last = lines.iter().rev().find(|line| line.starts_with("table"));
            last.is_some_and(|last| {
                let words: Vec<&str> = last.split(' ').skip(1).collect();
                words.len() == members.len()
                    && words
                        .iter()
                        .zip(members)
                        .all(|(word, id)| word.starts_with(&format!("{id}/")) && word.ends_with("+"))
            })
        });
    }

    /// Asks for snapshots until one has a line as wanted.
    pub fn await_snapshot(&mut self, what: &str, wanted: impl Fn(&str) -> bool) {
        let give_up = Instant::now() + DEADLINE;
        loop {
            let mark = self.mark();
            self.say("snapshot");
            self.await_line_after(mark, "show a snapshot", |line| line.starts_with("snapshot"));
            let lines = self.lines();
            if lines[mark..].iter().any(|line| wanted(line)) {
                return;
            }
            assert!(
                Instant::now() < give_up,
                "node {} was to {what}:\n{}",
                self.id,
                lines[mark..].join("\n")
            );
        }
    }

    /// The incarnation of a node in the last table.
    pub fn incarnation_of(&self, id: u16) -> u64 {
        let lines = self.lines();
        let last = lines.iter().rev().find(|line| line.starts_with("table")).unwrap();
        let word = last.split(' ').find(|word| word.starts_with(&format!("{id}/"))).unwrap();
        word.trim_end_matches(['+', '-', '?']).split_once('/').unwrap().1.parse().unwrap()
    }

    /// The texts of all frames received by a network and kind, with their senders.
    pub fn received(&self, network: &str, cast: &str) -> Vec<(u16, String)> {
        let prefix = format!("rx {network} {cast} ");
        self.lines()
            .iter()
            .filter_map(|line| line.strip_prefix(&prefix))
            .map(|rest| {
                let (from, text) = rest.split_once(' ').unwrap();
                (from.parse().unwrap(), text.to_owned())
            })
            .collect()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Long enough for any machine that works at all.
const DEADLINE: Duration = Duration::from_secs(40);

/// Waits until something is so.
pub fn await_that(what: &str, mut is_so: impl FnMut() -> bool) {
    let give_up = Instant::now() + DEADLINE;
    while !is_so() {
        assert!(Instant::now() < give_up, "in vain: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The body of the test `child`: a node that does as it is told.
///
/// Options: `one-kernel=SIZE`, `other-kernels=SIZE` and `dax=SIZE` (regions in the directory), `flush`, `reflected=...` (see [`reflected`]), `max-nodes=N`, `queues=N`, `inherited=...` (see [`inherited`]), `memfd` and `memfd=BYTES` (of a huge page), `takeover`, `fast` (default timing), `patient` (0.8 s), `cost=N` (of the LSM), `budget=N`, `slots=N` (of the LSM's rings),
/// `gsm=NxN` (slots and buffer of the GSM's).
/// Commands: `send NET NODE TEXT`, `flood NET NODE COUNT`, `broadcast NET FIRST COUNT`, `multicast NET FIRST COUNT`,
/// `takes NET MAC...` (each of six letters), `group NET MAC FIRST COUNT`, `big NET NODE BYTES`, `accept` (facts), `leave`, `snapshot`, `picture`.
pub fn child() {
    let Some((config, is_tallying)) = child_config() else { return };
    match Fabric::join(config) {
        Ok(fabric) => {
            Driver { tally: is_tallying.then(BTreeMap::new), ..Driver::new(fabric) }.run();
        }
        Err(error) => println!("@ refused {error}"),
    }
}

/// What a child is to be, and whether it counts frames instead of telling of each; `None` in no child.
pub fn child_config() -> Option<(FabricConfig, bool)> {
    let directory = std::env::var("ISTHMUS_TEST_DIRECTORY").ok()?;
    let id: u16 = std::env::var("ISTHMUS_TEST_NODE").unwrap().parse().unwrap();
    let options = std::env::var("ISTHMUS_TEST_OPTIONS").unwrap();
    let mut config = config(Path::new(&directory), id);
    let mut is_tallying = false;
    for option in options.split_whitespace() {
        match option.split_once('=').unwrap_or((option, "")) {
            ("takeover", _) => config.takeover = true,
            ("memfd", page) => {
                let huge_pages = page.parse().ok().map(|bytes| HugePageSize::new(bytes).unwrap());
                config.backing = Backing::SealedMemory { directory: PathBuf::from(&directory), huge_pages };
            }
            ("tally", _) => is_tallying = true,
            ("inherited", value) => config.backing = inherited(value),
            ("failed", value) => config.timing.failed = Duration::from_secs(value.parse().unwrap()),
            ("fast", _) => config.timing = Timing::default(),
            // Heartbeats alone decide, and the machine may be busy.
            ("patient", _) => {
                config.timing = Timing { failed: Duration::from_millis(800), ..Timing::default() };
            }
            ("heartbeat", value) => {
                let heartbeat = Duration::from_millis(value.parse().unwrap());
                config.timing = Timing { heartbeat, suspect: 2 * heartbeat, failed: 10 * heartbeat };
            }
            ("reflected", value) => config.backing = reflected(value),
            ("cost", value) => config.parameters[0].cost = value.parse().unwrap(),
            ("budget", value) => config.budget = Some(value.parse().unwrap()),
            ("one-kernel" | "other-kernels", size) => {
                let region = Region::File {
                    path: Path::new(&directory).join("region"),
                    size: size.parse().ok(),
                    other_kernels: option.starts_with("other"),
                };
                config.backing = Backing::Region(region, BackOff::default());
            }
            ("dax", size) => {
                let path = Path::new(&directory).join("region");
                config.backing =
                    Backing::Region(Region::Dax { path, size: size.parse().ok() }, BackOff::default());
            }
            ("flush", _) => config.coherence = CoherenceMode::Flush,
            ("queues", value) => config.queues = value.parse().unwrap(),
            ("max-nodes", value) => config.max_nodes = value.parse().unwrap(),
            ("slots", value) => {
                config.geometry[0] = isthmus_shmnet::Geometry::new(value.parse().unwrap(), 2048).unwrap();
            }
            ("gsm", value) => {
                let (slots, buffer) = value.split_once('x').unwrap();
                let geometry = isthmus_shmnet::Geometry::new(slots.parse().unwrap(), buffer.parse().unwrap());
                config.geometry[1] = geometry.unwrap();
            }
            other => panic!("unknown option {other:?}"),
        }
    }
    Some((config, is_tallying))
}

/// `NAME:FD:FD...`: a name for the segment, and the descriptors of the files of the nodes 1, 2 and so on.
fn inherited(value: &str) -> Backing {
    let (name, fds) = value.split_once(':').unwrap();
    let open = |fd: &str| {
        let path = format!("/proc/self/fd/{fd}");
        std::fs::OpenOptions::new().read(true).write(true).open(path).unwrap().into()
    };
    let arenas = fds.split(':').zip(1..).map(|(fd, id)| (node(id), open(fd))).collect();
    Backing::Inherited { arenas, name: name.to_owned() }
}

/// `ID,ID@ADDRESS:PORT,...`: which of these this node is, and where they all listen.
fn reflected(value: &str) -> Backing {
    let (me, peers) = value.split_once(',').unwrap();
    let peers: std::collections::BTreeMap<_, std::net::SocketAddr> = peers
        .split(',')
        .map(|peer| peer.split_once('@').unwrap())
        .map(|(id, address)| (node(id.parse().unwrap()), address.parse().unwrap()))
        .collect();
    let listen = peers[&node(me.parse().unwrap())];
    let window = isthmus_shmnet::DEFAULT_WINDOW;
    Backing::Reflected(isthmus_shmnet::ReflectedMemory { provider: "tcp".into(), listen, peers, window })
}

/// Takes note of a numbered frame, and tells if another number was due.
fn count(
    tally: &mut BTreeMap<(Network, String, u16), u64>,
    network: Network,
    received: &Received,
    text: &str,
) {
    let from = received.from.get();
    let Some(number) = text.strip_prefix('s').and_then(|rest| rest.split(' ').next()) else { return };
    let due = tally.entry((network, format!("{:?}", received.cast), from)).or_default();
    if number != due.to_string() {
        println!("@ disorder on {network}, {due} was due and {number} came, from {from}");
    }
    *due += 1;
}

struct Driver {
    endpoints: [Endpoint; 2],
    events: std::sync::mpsc::Receiver<isthmus_shmnet::Event>,
    fabric: Fabric,
    table: String,
    input: Vec<u8>,
    /// Instead of a line for each frame: how many numbered frames came, by network, cast and sender.
    tally: Option<BTreeMap<(Network, String, u16), u64>>,
    /// The numbers of the next frames of streams, by network and destination.
    streams: BTreeMap<(String, String), u64>,
}

impl Driver {
    fn new(fabric: Fabric) -> Self {
        println!("@ joined");
        let endpoints = Network::ALL.map(|network| fabric.endpoint(network).unwrap());
        Self {
            endpoints,
            events: fabric.events(),
            fabric,
            table: String::new(),
            input: Vec::new(),
            tally: None,
            streams: BTreeMap::new(),
        }
    }

    fn run(mut self) {
        let mut frame = vec![0; 1 << 16];
        loop {
            self.receive(&mut frame);
            self.report();
            let both = self.endpoints[0].prepare_sleep() & self.endpoints[1].prepare_sleep();
            if both {
                // The table is shown without a ring of the doorbell where only a state changed.
                let timeout = rustix::event::Timespec { tv_sec: 0, tv_nsec: 50_000_000 };
                let stdin = std::io::stdin();
                let mut fds = [
                    PollFd::from_borrowed_fd(self.fabric.doorbell(), PollFlags::IN),
                    PollFd::from_borrowed_fd(stdin.as_fd(), PollFlags::IN),
                ];
                let _ = poll(&mut fds, Some(&timeout));
                let readable = !fds[1].revents().is_empty();
                if readable && !self.read_commands() {
                    return;
                }
            }
            self.endpoints.iter_mut().for_each(Endpoint::wake);
        }
    }

    fn receive(&mut self, frame: &mut [u8]) {
        for endpoint in &mut self.endpoints {
            let network = endpoint.network();
            while let Some(received) = endpoint.receive(frame) {
                let cast = match received.cast {
                    Cast::Unicast => "unicast",
                    Cast::Broadcast => "broadcast",
                    Cast::Multicast => "multicast",
                };
                let text = String::from_utf8_lossy(&frame[..received.len]);
                if let Some(tally) = &mut self.tally {
                    count(tally, network, &received, &text);
                    continue;
                }
                println!("@ rx {network} {cast} {} {text}", received.from);
            }
            endpoint.flush();
        }
    }

    /// Sends the next frames of a stream; says which were not sent.
    fn stream(&mut self, network: &str, to: &str, frames: u32) {
        let destination = match to {
            "broadcast" => Destination::Broadcast,
            "multicast" => Destination::Multicast,
            id => Destination::Node(node(id.parse().unwrap())),
        };
        let key = (network.to_owned(), to.to_owned());
        let mut number = self.streams.get(&key).copied().unwrap_or(0);
        for _ in 0..frames {
            // Of all lengths: in the slot, in a buffer, and in several.
            let text = format!("s{number} {}", "-".repeat((number as usize * 97) % 5000));
            match self.endpoint(network).transmit(destination, text.as_bytes(), Metadata::default()) {
                Ok(()) => number += 1,
                Err(error) => println!("@ not sent, {error}, to {to}"),
            }
        }
        self.endpoint(network).flush();
        self.streams.insert(key, number);
    }

    fn report(&mut self) {
        // What they tell of is in the table that is taken after them; and in the last one that is printed before them, so that whoever
        // has read of an event does not take an older table for the one of its time.
        let events: Vec<_> = self.events.try_iter().collect();
        let mut table = String::from("table");
        for node in &self.fabric.active_nodes().nodes {
            let connected = if node.connected { "+" } else { "-" };
            let sign = if node.state == isthmus_shmnet::NodeState::Suspect { "?" } else { connected };
            let _ = write!(table, " {}/{}{sign}", node.id, node.incarnation);
        }
        if table != self.table {
            println!("@ {table}");
            self.table = table;
        }
        for event in events {
            println!("@ event {} {}/{} {:?}", event.number, event.node, event.incarnation, event.kind);
        }
    }

    /// `false` at the end of the input.
    fn read_commands(&mut self) -> bool {
        let mut chunk = [0; 4096];
        match rustix::io::read(std::io::stdin().as_fd(), &mut chunk) {
            Ok(0) => return false,
            Ok(len) => self.input.extend_from_slice(&chunk[..len]),
            Err(_) => {}
        }
        while let Some(end) = self.input.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.input.drain(..=end).collect();
            let line = String::from_utf8(line).unwrap();
            let words: Vec<&str> = line.split_whitespace().collect();
            self.command(&words);
        }
        true
    }

    fn command(&mut self, words: &[&str]) {
        match words {
            ["send", network, to, text] => {
                let to = Destination::Node(node(to.parse().unwrap()));
                let sent = self.endpoint(network).transmit(to, text.as_bytes(), Metadata::default());
                println!("@ sent {sent:?}");
            }
            ["flood", network, to, count] => self.flood(network, to.parse().unwrap(), count.parse().unwrap()),
            ["big", network, to, len] => {
                let frame = vec![b'x'; len.parse().unwrap()];
                let to = Destination::Node(node(to.parse().unwrap()));
                let sent = self.endpoint(network).transmit(to, &frame, Metadata::default());
                println!("@ sent {sent:?}");
            }
            ["load", network, count] => self.load(network, count.parse().unwrap()),
            [kind @ ("broadcast" | "multicast"), network, first, count] => {
                let to = if *kind == "broadcast" { Destination::Broadcast } else { Destination::Multicast };
                let first: u32 = first.parse().unwrap();
                for number in first..first + count.parse::<u32>().unwrap() {
                    let text = format!("n{number}");
                    let endpoint = self.endpoint(network);
                    if let Err(error) = endpoint.transmit(to, text.as_bytes(), Metadata::default()) {
                        println!("@ not sent: {error}");
                    }
                    endpoint.flush();
                }
                println!("@ sent {kind}");
            }
            ["takes", network, groups @ ..] => {
                let groups = groups.iter().map(|mac| mac.as_bytes().try_into().unwrap());
                let network = self.endpoint(network).network();
                self.fabric.subscribe(network, MulticastFilter::of(groups));
            }
            ["group", network, mac, first, count] => {
                let first: u32 = first.parse().unwrap();
                for number in first..first + count.parse::<u32>().unwrap() {
                    let frame = format!("{mac} n{number}");
                    let endpoint = self.endpoint(network);
                    let sent =
                        endpoint.transmit(Destination::Multicast, frame.as_bytes(), Metadata::default());
                    println!("@ sent {sent:?} to {mac}");
                    endpoint.flush();
                }
            }
            ["stream" | "try", network, to, count] => self.stream(network, to, count.parse().unwrap()),
            ["tally"] => {
                let tally = self.tally.iter().flatten();
                let words =
                    tally.map(|((network, cast, from), count)| format!(" {network}/{cast}/{from}={count}"));
                println!("@ tally{}", words.collect::<String>());
            }
            ["resources"] => {
                let fds = std::fs::read_dir("/proc/self/fd").unwrap().count();
                let status = std::fs::read_to_string("/proc/self/status").unwrap();
                let anonymous = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
                println!("@ resources {fds} {}", anonymous.trim().trim_end_matches(" kB"));
            }
            ["accept"] => {
                self.fabric.publish_facts(Facts { accepting: true, weight: 7, ..Facts::default() });
            }
            ["cost", cost] => {
                let mut parameters = config(Path::new("/"), 1).parameters;
                parameters[0].cost = cost.parse().unwrap();
                self.fabric.publish_parameters(parameters);
            }
            ["leave"] => {
                self.fabric.leave();
                println!("@ left");
            }
            ["picture"] => {
                let picture = self.fabric.picture();
                let members: Vec<u16> = picture.nodes.iter().map(|node| node.id.get()).collect();
                println!("@ picture {members:?} rings {}", picture.rings.len());
            }
            ["snapshot"] => {
                let snapshot = self.fabric.snapshot();
                for ring in &snapshot.rings {
                    println!(
                        "@ ring {} {}>{} epoch {} slots {} w {} r {} frames {}",
                        ring.network,
                        ring.transmitter,
                        ring.receiver,
                        ring.epoch,
                        ring.slots,
                        ring.write_pointer,
                        ring.read_pointer,
                        ring.frames
                    );
                }
                for group in &snapshot.groups {
                    println!(
                        "@ group {} {:?} owner {:?} lag {:?} lost {} filtered {} unwanted {}",
                        group.network,
                        group.cast,
                        group.owner,
                        group.lag,
                        group.lost,
                        group.filtered,
                        group.unwanted
                    );
                }
                for node in &snapshot.nodes {
                    let names = |network: usize| {
                        let groups = node.multicast[network].groups().iter();
                        let names: Vec<_> = groups.map(|mac| String::from_utf8_lossy(mac)).collect();
                        if node.multicast[network].takes_all() { "all".into() } else { names.join(" ") }
                    };
                    println!("@ takes {} lsm [{}] gsm [{}]", node.id, names(0), names(1));
                }
                for quarantine in &snapshot.quarantines {
                    let (node, incarnation) = (quarantine.node, quarantine.incarnation);
                    println!(
                        "@ quarantine {node}/{incarnation} {} {}",
                        quarantine.cause.name(),
                        quarantine.why
                    );
                }
                println!("@ snapshot used {} budget {}", snapshot.bytes_used, snapshot.bytes_budget);
            }
            other => panic!("unknown command {other:?}"),
        }
    }

    /// Broadcasts numbered frames, as fast as the members read them: never more than half a lane ahead of any. Receives meanwhile.
    fn load(&mut self, network: &str, count: u32) {
        let index = usize::from(network == "gsm");
        let give_up = Instant::now() + DEADLINE;
        let mut frame = vec![0; 1 << 16];
        for number in 0..count {
            let text = format!("n{number}");
            let endpoint = &mut self.endpoints[index];
            endpoint.transmit(Destination::Broadcast, text.as_bytes(), Metadata::default()).unwrap();
            endpoint.flush();
            if number % 8 != 7 {
                continue;
            }
            // The lag is that of the last look at the group, of which a turn in sixteen has one.
            loop {
                self.receive(&mut frame);
                let snapshot = self.fabric.snapshot();
                let group = snapshot.groups.iter().find(|group| {
                    group.network.index() == index
                        && group.cast == Cast::Broadcast
                        && group.sent > number.into()
                });
                if group.is_some_and(|group| group.lag.iter().all(|lag| lag.lane_slots < 8)) {
                    break;
                }
                assert!(Instant::now() < give_up, "{:?}", snapshot.groups);
                std::thread::yield_now();
            }
        }
        println!("@ loaded");
    }

    /// Sends numbered frames, waiting for room where the ring is full.
    fn flood(&mut self, network: &str, to: u16, count: u32) {
        let mut full = 0;
        for number in 0..count {
            let text = format!("{number} {}", "-".repeat(1000));
            let give_up = Instant::now() + DEADLINE;
            loop {
                let to = Destination::Node(node(to));
                let sent = self.endpoint(network).transmit(to, text.as_bytes(), Metadata::default());
                self.endpoint(network).flush();
                if sent.is_ok() {
                    break;
                }
                assert!(Instant::now() < give_up, "{sent:?}");
                full += 1;
                std::thread::yield_now();
            }
        }
        println!("@ flooded full {full}");
    }

    fn endpoint(&mut self, network: &str) -> &mut Endpoint {
        &mut self.endpoints[usize::from(network == "gsm")]
    }
}
