//! The fabric beside its peers, in one run: DPDK's memif, iceoryx2, the kernel's veth, and a bare ring as the limit.
//!
//! All contestants stay for the whole run and are asked in turn, with a probe of the machine's state before, between and
//! after; samples are compared only within a round whose probes agree.
//!
//! | module | subject |
//! |---|---|
//! | [`probe`] | how far apart the two cores are at the moment |
//! | [`others`] | what other processes take of the cores |
//! | [`contestant`] | a pair of processes that answers commands, restarted when it fails |
//! | [`worker`], [`fabric`], [`udp`] | those of us and of the kernel |
//! | [`testpmd`] | DPDK's own test program, twice |
//! | [`rounds`] | turns, brackets, pairs, rows |
//! | [`segment`] | directories of shared memory, and who sweeps them |
//! | [`mesh`], [`mesh_node`] | 2 to 64 nodes |
//! | [`examples`] | rows that examples of the fabric's crate measure |
//! | [`profile`] | where the instructions go |
//! | [`report`], [`plot`] | the page under `docs/performance`, and its pictures |
//!
//! The peers' programs are built by `tests/perf/shm/prepare.sh` from `tests/perf/peers`.

mod asleep;
mod contestant;
mod examples;
mod fabric;
mod mesh;
mod mesh_node;
mod others;
mod plot;
mod probe;
mod profile;
mod report;
mod rounds;
mod segment;
mod testpmd;
mod udp;
mod worker;

use std::env;
use std::error::Error;
use std::fs;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};
use std::process::{Command, id};

use isthmus_tests::lab::{Iperf, Lab, Namespace, Ping};
use serde_json::{Value, json};

use crate::row::{Row, Target, median};
use contestant::{Contestant, Program};
use probe::{CORES, State};
use rounds::{Entry, Rounds};
pub(crate) use segment::{KEEPER, Segment, keep};
use segment::{Keeper, sweep};
use testpmd::Testpmd;

/// Why something could not be measured.
pub(crate) type Failure = Box<dyn Error + Send + Sync>;

/// Milliseconds of a sample.
const SAMPLE: u32 = 250;
/// Pairs of samples of each comparison, unless the command says otherwise.
pub(crate) const RUNS: usize = 9;
/// Frames per second to millions of them.
const MEGA: (&str, f64) = ("Mpps", 1e-6);
const NANOSECONDS: (&str, f64) = ("ns", 1.0);
const MICROSECONDS: (&str, f64) = ("us", 1e-3);

/// Where the peers' programs are, and whether huge pages were set aside.
const PEERS: &str = "ISTHMUS_PEERS";
const HUGE_PAGES: &str = "ISTHMUS_HUGE_PAGES";

/// A process of a contestant of ours: `measure shm-worker ...`.
pub(crate) fn worker(words: &[String]) -> Result<(), Failure> {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match &words[..] {
        ["asleep", rest @ ..] => asleep::run(rest),
        ["fabric", rest @ ..] => fabric::run(rest),
        ["mesh", rest @ ..] => mesh_node::run(rest),
        ["udp", rest @ ..] => udp::run(rest),
        ["profile", segment, bursts] => fabric::profile(Path::new(segment), bursts.parse()?),
        _ => Err("not a worker's arguments".into()),
    }
}

/// A part of the measurement, to measure it alone.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Part {
    /// One way, 64 bytes.
    Oneway64,
    /// One way, 1500 bytes.
    Oneway1500,
    /// Round trip, 64 bytes.
    Rtt,
    /// Memory without coherent caches.
    Flush,
    /// A far end that sleeps.
    Wake,
    /// 2 to 64 nodes.
    Nodes,
    /// Instructions of a frame.
    Profile,
    /// What examples of the fabric's crate measure.
    Examples,
    /// Processor time of an idle node, and of members of each kind of memory.
    Idle,
}

/// Measures everything, or one part; with `busy` also while other processes use the cores. The page is written into `directory`, if one is given.
pub(crate) fn measure(
    machine: Value,
    runs: usize,
    (only, busy): (Option<Part>, bool),
    directory: Option<&Path>,
) -> Result<Value, Failure> {
    sweep();
    let _keeper = Keeper::start()?;
    let wanted = |part| only.is_none_or(|only| only == part);
    let mut outcome = Outcome { versions: versions(), ..Outcome::default() };
    if [Part::Oneway64, Part::Oneway1500, Part::Rtt, Part::Flush, Part::Wake].into_iter().any(wanted) {
        crate::in_lab("m-shm", |lab| Suite::new(lab, busy)?.play(runs, &wanted, &mut outcome))?;
    }
    if wanted(Part::Nodes) {
        match mesh::measure(runs) {
            Ok(mut mesh) => {
                outcome.rows.append(&mut mesh.rows);
                outcome.mesh = Some(mesh);
            }
            Err(error) => outcome.leave_out(format!("2 to 64 nodes: {error}")),
        }
    }
    if wanted(Part::Profile) {
        match profile::measure() {
            Ok(profile) => outcome.profile = Some(profile),
            Err(error) => outcome.leave_out(format!("the profile: {error}")),
        }
    }
    if wanted(Part::Examples) {
        examples::run(&mut outcome, runs);
    }
    if wanted(Part::Idle) {
        // It ends by a panic if a node does not come up; what was measured before shall not be lost with it.
        match catch_unwind(|| crate::idle::measure(1)) {
            Ok(rows) => outcome.rows.extend(rows),
            Err(_) => outcome.leave_out("the idle cost: it needs FRR and this tree's program".into()),
        }
        match asleep::measure(runs.min(3)) {
            Ok(rows) => outcome.rows.extend(rows),
            Err(error) => outcome.leave_out(format!("the idle cost of each kind of memory: {error}")),
        }
    }
    let document = outcome.to_json(machine);
    if let Some(directory) = directory {
        report::write(directory, &outcome, &document)?;
    }
    Ok(document)
}

/// All that was measured.
#[derive(Default)]
pub(crate) struct Outcome {
    rows: Vec<Row>,
    /// Rows that examples measured, as they gave them.
    given_rows: Vec<Value>,
    /// Title, unit and its scale, samples.
    tables: Vec<(&'static str, (&'static str, f64), Rounds)>,
    mesh: Option<mesh::Mesh>,
    profile: Option<profile::Profile>,
    /// What could not be measured, and why.
    left_out: Vec<String>,
    versions: Value,
}

impl Outcome {
    /// Notes what could not be measured, and why.
    fn leave_out(&mut self, what: String) {
        eprintln!("left out: {what}");
        self.left_out.push(what);
    }

    fn to_json(&self, mut machine: Value) -> Value {
        let probes: Vec<f64> = self.tables.iter().flat_map(|(_, _, rounds)| rounds.probes()).collect();
        let near = probes.iter().filter(|probe| State::of(**probe) == State::Near).count();
        machine["processor"] = json!(processor());
        machine["versions"] = self.versions.clone();
        machine["ping-pong-ns"] = json!({
            "median": median(&probes).round(),
            "least": probes.iter().copied().fold(f64::INFINITY, f64::min).round(),
            "most": probes.iter().copied().fold(0.0, f64::max).round(),
            "near": near, "far": probes.len() - near,
        });
        let rows = self.rows.iter().map(Row::to_json).chain(self.given_rows.iter().cloned());
        json!({
            "machine": machine,
            "rows": rows.collect::<Vec<_>>(),
            "all-to-all": self.mesh.as_ref().map(mesh::Mesh::to_json),
            "profile": self.profile.as_ref().map(profile::Profile::to_json),
            "left-out": self.left_out,
        })
    }
}

/// Everybody who is compared.
struct Suite {
    contestants: Vec<Contestant>,
    left_out: Vec<String>,
    /// Samples that other processes disturb are kept.
    busy: bool,
    // Removed at the end.
    _segments: [Segment; 4],
}

impl Suite {
    fn new(lab: &Lab, busy: bool) -> Result<Self, Failure> {
        let huge = env::var_os(HUGE_PAGES).is_some_and(|value| value == "1");
        let segments = [
            Segment::new("hardware")?,
            Segment::new("flush")?,
            Segment::new("activity")?,
            Segment::new("reserve")?,
        ];
        let (a, b) = (lab.namespace("a"), lab.namespace("b"));
        lab.cable((&a, "x"), (&b, "x"));
        a.address("x", "10.8.0.1/24");
        b.address("x", "10.8.0.2/24");
        Ping::await_answer(&a, "10.8.0.2");
        let mut suite = Self { contestants: Vec::new(), left_out: Vec::new(), busy, _segments: segments };
        let [near, far] = CORES.map(|core| core.to_string());
        let member = |segment: &Segment, coherence: &str| -> Result<Program, Failure> {
            let mut command = Command::new(env::current_exe()?);
            command.args(["shm-worker", "fabric", "near", &near, &far]).arg(segment.path()).arg(coherence);
            Ok(Program::new(command))
        };
        let ours = member(&suite._segments[0], "hardware")?;
        let flushing = member(&suite._segments[1], "flush")?;
        let by_memory = member(&suite._segments[2], "activity")?;
        let reserving = member(&suite._segments[3], "reserve")?;
        suite.add(Contestant::new("isthmus", ours));
        suite.add(Contestant::new("isthmus-reserve", reserving));
        suite.add(Contestant::new("isthmus-flush", flushing));
        suite.add(Contestant::new("isthmus-activity", by_memory));
        let socket = |name: &str| suite_socket(lab, name);
        if Path::new("/usr/bin/dpdk-testpmd").exists() {
            suite.add(Contestant::new("memif", Testpmd::new(socket("testpmd"), huge, false)));
            if huge {
                suite.add(Contestant::new("memif-zero-copy", Testpmd::new(socket("zero"), huge, true)));
            }
        } else {
            suite.left_out.push("memif by testpmd: the package dpdk is not installed".into());
        }
        if !huge {
            suite.left_out.push("memif with zero copy: no huge pages could be set aside".into());
        }
        let memif = socket("memif").display().to_string();
        let pages = if huge { "huge" } else { "small" };
        suite.add_peer("memif-loops", "memif", &[&near, &far, &memif, pages]);
        suite.add_peer("bare", "bare", &[&near, &far]);
        suite.add_peer("iceoryx2", "iceoryx2-peer", &[&near, &far, &format!("isthmus-perf-{}", id())]);
        let mut kernel = Command::new("ip");
        kernel.args(["netns", "exec", a.id()]).arg(env::current_exe()?);
        kernel.args(["shm-worker", "udp", "near", &near, &far, b.id(), "10.8.0.1", "10.8.0.2"]);
        suite.add(Contestant::new("veth-udp", Program::new(kernel)));
        suite.add(Contestant::new("veth-iperf3", IperfPair { a, b }));
        Ok(suite)
    }

    fn add(&mut self, contestant: Contestant) {
        self.contestants.push(contestant);
    }

    /// A program of `tests/perf/peers`, if it was built.
    fn add_peer(&mut self, name: &'static str, program: &str, arguments: &[&str]) {
        let path = env::var_os(PEERS).map(|peers| PathBuf::from(peers).join(program));
        match path.filter(|path| path.exists()) {
            Some(path) => {
                let mut command = Command::new(path);
                command.args(arguments);
                self.add(Contestant::new(name, Program::new(command)));
            }
            None => self.left_out.push(format!("{name}: its program was not built")),
        }
    }

    /// Entries of those contestants that are there; each a name, a contestant and a command.
    fn entries(&self, wanted: &[(&'static str, &str, String)]) -> Vec<Entry> {
        let place = |name: &str| self.contestants.iter().position(|contestant| contestant.name == name);
        let entry = |(name, contestant, question): &(&'static str, &str, String)| {
            Some(Entry { name, contestant: place(contestant)?, question: question.clone() })
        };
        wanted.iter().filter_map(entry).collect()
    }

    fn rounds(
        &mut self,
        title: &str,
        runs: usize,
        wanted: &[(&'static str, &str, String)],
    ) -> Result<Rounds, Failure> {
        let entries = self.entries(wanted);
        rounds::play(title, &mut self.contestants, &entries, (runs, self.busy))
    }

    fn play(
        mut self,
        runs: usize,
        wanted: &impl Fn(Part) -> bool,
        outcome: &mut Outcome,
    ) -> Result<(), Failure> {
        type Measure = fn(&mut Suite, usize, &mut Vec<Row>) -> Result<Rounds, Failure>;
        let parts: [(Part, &'static str, (&'static str, f64), Measure); 5] = [
            (Part::Oneway64, "One way, 64 B", MEGA, Self::one_way_64),
            (Part::Oneway1500, "One way, 1500 B", MEGA, Self::one_way_1500),
            (Part::Rtt, "Round trip, 64 B, median", NANOSECONDS, Self::round_trip),
            (Part::Flush, "One way, 64 B, memory without coherent caches", MEGA, Self::flush),
            (Part::Wake, "Round trip, 64 B, with an end that sleeps, median", MICROSECONDS, Self::wake),
        ];
        for (_, title, unit, measure) in parts.into_iter().filter(|(part, ..)| wanted(*part)) {
            let rounds = measure(&mut self, runs, &mut outcome.rows)?;
            outcome.tables.push((title, unit, rounds));
        }
        for contestant in &self.contestants {
            if let Some(why) = &contestant.given_up {
                self.left_out.push(format!("{}: {why}", contestant.name));
            }
        }
        self.left_out.into_iter().for_each(|what| outcome.leave_out(what));
        Ok(())
    }

    fn one_way_64(&mut self, runs: usize, rows: &mut Vec<Row>) -> Result<Rounds, Failure> {
        let rate = || format!("rate 64 {SAMPLE}");
        let rounds = self.rounds(
            "one way, 64 B",
            runs,
            &[
                ("isthmus", "isthmus", rate()),
                ("isthmus-reserve", "isthmus-reserve", rate()),
                ("memif", "memif", rate()),
                ("memif-zero-copy", "memif-zero-copy", rate()),
                ("memif-loops", "memif-loops", rate()),
                ("bare", "bare", rate()),
                ("iceoryx2", "iceoryx2", rate()),
                ("veth-udp", "veth-udp", rate()),
            ],
        )?;
        let memif = by_state(Target::AtLeast(2.5), Target::AtLeast(5.0));
        let slower = |_| Target::AtLeast(1.0);
        rows.extend(rounds.rows("oneway-64", ("isthmus", "memif"), &["memif"], MEGA, &memif));
        let (peer, peers) = (("isthmus-reserve", "memif"), ["memif"]);
        rows.extend(rounds.rows("oneway-64-reserve", peer, &peers, MEGA, &memif));
        for (name, peer) in [
            ("oneway-64-vs-zero-copy", "memif-zero-copy"),
            ("oneway-64-vs-memif-loops", "memif-loops"),
            ("oneway-64-vs-iceoryx2", "iceoryx2"),
            ("oneway-64-vs-veth", "veth-udp"),
        ] {
            rows.extend(rounds.rows(name, ("isthmus", peer), &[peer], MEGA, slower));
        }
        let limit = |_| Target::AtLeast(0.8);
        rows.extend(rounds.rows("oneway-64-vs-bare", ("isthmus", "bare"), &["bare"], MEGA, limit));
        Ok(rounds)
    }

    fn one_way_1500(&mut self, runs: usize, rows: &mut Vec<Row>) -> Result<Rounds, Failure> {
        let rate = |mode: &str| format!("rate 1500 {SAMPLE}{mode}");
        let rounds = self.rounds(
            "one way, 1500 B",
            runs,
            &[
                ("isthmus", "isthmus", rate("")),
                ("isthmus-reserve", "isthmus-reserve", rate("")),
                ("memif", "memif", rate("")),
                ("memif-zero-copy", "memif-zero-copy", rate("")),
                ("memif-loops", "memif-loops", rate("")),
                ("bare", "bare", rate(" cached")),
                ("bare-nt", "bare", rate(" nt")),
                ("veth-iperf3", "veth-iperf3", rate("")),
            ],
        )?;
        let memif = by_state(Target::AtLeast(1.4), Target::AtLeast(4.0));
        rows.extend(rounds.rows("oneway-1500", ("isthmus", "memif"), &["memif"], MEGA, &memif));
        let (peer, peers) = (("isthmus-reserve", "memif"), ["memif"]);
        rows.extend(rounds.rows("oneway-1500-reserve", peer, &peers, MEGA, &memif));
        let slower = |_| Target::AtLeast(1.0);
        for (name, peer) in
            [("oneway-1500-vs-zero-copy", "memif-zero-copy"), ("oneway-1500-vs-memif-loops", "memif-loops")]
        {
            rows.extend(rounds.rows(name, ("isthmus", peer), &[peer], MEGA, slower));
        }
        let gigabits = ("Gbit/s", 1500.0 * 8.0 / 1e9);
        let peer = ("isthmus", "veth-iperf3");
        rows.extend(rounds.rows("oneway-1500-vs-veth", peer, &["veth-iperf3"], gigabits, slower));
        // The better of the two copies: which one it is depends on where the cores are.
        let limit = |_| Target::AtLeast(0.8);
        let (peer, best) = (("isthmus", "bare"), ["bare", "bare-nt"]);
        rows.extend(rounds.rows("oneway-1500-vs-bare", peer, &best, MEGA, limit));
        Ok(rounds)
    }

    fn round_trip(&mut self, runs: usize, rows: &mut Vec<Row>) -> Result<Rounds, Failure> {
        let trip = || format!("rtt 64 {SAMPLE}");
        let rounds = self.rounds(
            "round trip, 64 B",
            runs,
            &[
                ("isthmus", "isthmus", trip()),
                ("memif", "memif-loops", trip()),
                ("iceoryx2", "iceoryx2", trip()),
                ("bare", "bare", trip()),
                ("veth-udp", "veth-udp", trip()),
            ],
        )?;
        for (name, peer, target) in [
            ("rtt-64", "memif", 0.6),
            ("rtt-64-vs-iceoryx2", "iceoryx2", 1.0 / 3.0),
            ("rtt-64-vs-bare", "bare", 1.25),
            ("rtt-64-vs-veth", "veth-udp", 1.0),
        ] {
            rows.extend(
                rounds.rows(name, ("isthmus", peer), &[peer], NANOSECONDS, |_| Target::AtMost(target)),
            );
        }
        Ok(rounds)
    }

    fn flush(&mut self, runs: usize, rows: &mut Vec<Row>) -> Result<Rounds, Failure> {
        let rate = |mode: &str| format!("rate 64 {SAMPLE}{mode}");
        let rounds = self.rounds(
            "without coherence, 64 B",
            runs,
            &[
                ("isthmus-flush", "isthmus-flush", rate("")),
                ("bare-flush", "bare", rate(" flush")),
                ("bare-each-line", "bare", rate(" each")),
            ],
        )?;
        for (name, peer, target) in
            [("flush-64", "bare-flush", 0.8), ("flush-64-vs-each-line", "bare-each-line", 2.0)]
        {
            rows.extend(
                rounds.rows(name, ("isthmus-flush", peer), &[peer], MEGA, |_| Target::AtLeast(target)),
            );
        }
        Ok(rounds)
    }

    fn wake(&mut self, runs: usize, rows: &mut Vec<Row>) -> Result<Rounds, Failure> {
        let wake = || format!("wake 64 {SAMPLE}");
        let rounds = self.rounds(
            "with an end that sleeps",
            runs.min(RUNS),
            &[
                ("isthmus", "isthmus", wake()),
                ("isthmus-activity", "isthmus-activity", wake()),
                ("veth-udp", "veth-udp", wake()),
            ],
        )?;
        let (peer, peers) = (("isthmus", "veth-udp"), ["veth-udp"]);
        rows.extend(rounds.rows("wake-64", peer, &peers, MICROSECONDS, |_| Target::AtMost(1.0)));
        // A sleeper that only memory can wake looks after a pause; a hundred times a doorbell's time is its longest one.
        let (peer, peers) = (("isthmus-activity", "isthmus"), ["isthmus"]);
        rows.extend(rounds.rows("wake-64-activity", peer, &peers, MICROSECONDS, |_| Target::AtMost(100.0)));
        Ok(rounds)
    }
}

fn by_state(near: Target, far: Target) -> impl Fn(State) -> Target {
    move |state| match state {
        State::Near => near,
        State::Far => far,
    }
}

fn suite_socket(lab: &Lab, name: &str) -> PathBuf {
    lab.file(&format!("{name}.sock"))
}

/// iperf3 between two namespaces, asked as the others are: frames of 1500 bytes that its bytes would fill.
struct IperfPair {
    a: std::rc::Rc<Namespace>,
    b: std::rc::Rc<Namespace>,
}

impl contestant::Answers for IperfPair {
    fn start(&mut self) -> Result<(), Failure> {
        Ok(())
    }

    fn ask(&mut self, _question: &str) -> Result<Vec<f64>, Failure> {
        let iperf = Iperf::run(&self.a, &self.b, "10.8.0.2", &["--time", "1"]);
        Ok(vec![iperf.bits_per_second / (1500.0 * 8.0)])
    }

    fn stop(&mut self) {}
}

fn processor() -> String {
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let field = |name: &str| {
        let line = text.lines().find(|line| line.starts_with(name))?;
        line.split_once(": ").map(|(_, value)| value.to_owned())
    };
    let part = |name| field(name).unwrap_or_default();
    format!("{} (family {}, model {})", part("model name"), part("cpu family"), part("model\t"))
}

/// Versions of the peers.
fn versions() -> Value {
    let first_line = |program: &str, arguments: &[&str]| {
        let output = Command::new(program).args(arguments).output().ok()?;
        Some(String::from_utf8_lossy(&output.stdout).lines().next()?.trim().to_owned())
    };
    let iceoryx2 = include_str!("../peers/iceoryx2/Cargo.lock")
        .split_once("name = \"iceoryx2\"\nversion = \"")
        .and_then(|(_, rest)| rest.split('"').next());
    json!({
        "dpdk": first_line("pkg-config", &["--modversion", "libdpdk"]),
        "iceoryx2": iceoryx2,
        "iperf3": first_line("iperf3", &["--version"]),
    })
}
