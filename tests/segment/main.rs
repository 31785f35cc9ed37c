//! The segment of a running cluster, seen from outside: by a reader in another language, which was written from the pages
//! of the architecture, and by the commands that ask no node. The real binary, without the kernel's network.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "helpers of tests, whose way to fail it is"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output};
use std::time::{Duration, Instant};

use isthmus_tests::http;
use isthmus_tests::lab::binary;
use serde_json::Value;

/// Longer than anything takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// Nodes of one segment in a directory, which is removed at the end.
struct Cluster {
    directory: PathBuf,
    nodes: Vec<Child>,
}

impl Cluster {
    /// Starts nodes 1 to `count` with so many queues, and waits until all of them see each other.
    fn start(name: &str, count: u16, queues: u8) -> Self {
        let directory = PathBuf::from(format!("/dev/shm/isthmus-segment-{}-{name}", std::process::id()));
        // Of an earlier process with this id.
        let _ = fs::remove_dir_all(&directory);
        fs::create_dir_all(directory.join("segment")).unwrap();
        let at = directory.display();
        let mut nodes = Vec::new();
        for id in 1..=count {
            let config = directory.join(format!("{id}.yaml"));
            let yaml = format!(
                "node-id: {id}\nsegment: {at}/segment\nfabric: {{stack: embedded, queues: {queues}}}\n\
                 management: {{unix-socket: {at}/{id}.sock, state-directory: {at}/state-{id}}}\n"
            );
            fs::write(&config, yaml).unwrap();
            let log = fs::File::create(directory.join(format!("{id}.log"))).unwrap();
            nodes.push(Command::new(binary()).args(["run", "-c"]).arg(&config).stderr(log).spawn().unwrap());
        }
        let cluster = Self { directory, nodes };
        for id in 1..=count {
            cluster.await_that("all rings are there", || {
                let rings = cluster.ask(id, "/api/v1/shm/rings")?;
                let wanted = usize::from(count - 1) * 4 * usize::from(queues);
                (rings["ring"].as_array()?.len() == wanted).then_some(())
            });
        }
        cluster
    }

    fn segment(&self) -> PathBuf {
        self.directory.join("segment")
    }

    /// The answer of a node, if it gives one.
    fn ask(&self, id: u16, path: &str) -> Option<Value> {
        let socket = self.directory.join(format!("{id}.sock"));
        let response = http::request(&socket, "GET", path, None).ok()?;
        (response.status == 200).then(|| response.json().unwrap())
    }

    fn await_that<T>(&self, what: &str, mut look: impl FnMut() -> Option<T>) -> T {
        let begun = Instant::now();
        loop {
            if let Some(found) = look() {
                return found;
            }
            let log = || fs::read_to_string(self.directory.join("1.log")).unwrap_or_default();
            assert!(begun.elapsed() < PATIENCE, "in vain: {what}\n{}", log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for node in &mut self.nodes {
            let _ = node.kill();
            let _ = node.wait();
        }
        let _ = fs::remove_dir_all(&self.directory);
    }
}

fn successful(output: Output) -> String {
    let (text, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{}\n{text}\n{errors}", output.status);
    text.into_owned()
}

fn json(output: Output) -> Value {
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = successful(output);
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

fn reader(segment: &Path, options: &[&str]) -> Output {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/segment/reader.py");
    Command::new("python3").arg(script).arg(segment).args(options).output().expect("python3")
}

fn isthmus(arguments: &[&str]) -> Output {
    Command::new(binary()).args(arguments).output().unwrap()
}

/// The ring of a list from one node to another on a network.
fn ring<'a>(rings: &'a Value, like: &Value) -> &'a Value {
    let same = |ring: &&Value| {
        ["network", "transmitter", "receiver"].iter().all(|key| ring[key] == like[key])
            && ring.get("queue").and_then(Value::as_u64).unwrap_or(0)
                == like.get("queue").and_then(Value::as_u64).unwrap_or(0)
    };
    let mut found = rings["ring"].as_array().unwrap().iter().filter(same);
    let ring = found.next().unwrap_or_else(|| panic!("no ring like {like} in {rings}"));
    assert!(found.next().is_none(), "two rings like {like}");
    ring
}

/// Whether no pointer of the rings that a node shows is behind what was read of the same ring.
fn is_no_older(shown: &Value, read: &Value) -> bool {
    shown["ring"].as_array().unwrap().iter().all(|shown| {
        let read = ring(read, shown);
        ["write-pointer", "read-pointer"].iter().all(|key| shown[key].as_u64() >= read[key].as_u64())
    })
}

/// Input: a cluster of three, with two queues. Output: a program in another language, written from the description of the layout, reads the same
/// nodes, rings and pointers from the memory that the nodes tell of.
#[test]
fn another_language_reads_what_the_nodes_show() {
    let cluster = Cluster::start("reader", 3, 2);
    let before = cluster.ask(1, "/api/v1/shm/rings").unwrap();
    let read = json(reader(&cluster.segment(), &["--json"]));
    // What a node shows may be a moment older than what the reader has just read.
    let after = cluster.await_that("the node shows at least what was read", || {
        cluster.ask(1, "/api/v1/shm/rings").filter(|after| is_no_older(after, &read))
    });
    let nodes = cluster.ask(1, "/api/v1/shm/nodes").unwrap();
    assert_eq!(read["node"].as_array().unwrap().len(), 3);
    for node in read["node"].as_array().unwrap() {
        let shown =
            nodes["node"].as_array().unwrap().iter().find(|shown| shown["node-id"] == node["node-id"]);
        let shown = shown.unwrap();
        assert_eq!(node["incarnation"], shown["incarnation"]);
        for key in ["lsm-address", "gsm-address", "router-id", "role", "healthy", "draining", "weight"] {
            assert_eq!(node[key], shown["facts"][key], "{key}");
        }
    }
    // Node 1 shows its own rings; the reader sees those between the others as well.
    assert_eq!(read["ring"].as_array().unwrap().len(), 3 * 2 * 2 * 2);
    for shown in before["ring"].as_array().unwrap() {
        let found = ring(&read, shown);
        assert_eq!(found["epoch"], shown["epoch"]);
        assert_eq!(found["slots"], shown["geometry"]["slots"]);
        assert_eq!(found["buffer-size"], shown["geometry"]["buffer-size"]);
        for key in ["transmitter-incarnation", "receiver-incarnation"] {
            assert_eq!(found[key], shown[key], "{key}");
        }
        for key in ["write-pointer", "read-pointer"] {
            let [least, value, most] =
                [shown, found, ring(&after, shown)].map(|ring| ring[key].as_u64().unwrap());
            assert!((least..=most).contains(&value), "{key}: {least} <= {value} <= {most} in {shown}");
        }
    }
    let text = successful(reader(&cluster.segment(), &[]));
    assert!(text.starts_with("active: 1, 2, 3\n"), "{text}");
    assert_eq!(text.lines().filter(|line| line.starts_with("gsm ")).count(), 6 * 2, "{text}");
}

/// Input: the segment of two nodes that live. Output: every field by `shm dump`, a refusal by `shm format`; and of two that
/// were killed the same dump, and an empty segment.
#[test]
fn a_segment_is_dumped_and_formatted_without_a_node() {
    let mut cluster = Cluster::start("dump", 2, 1);
    let segment = cluster.segment();
    let segment = segment.to_str().unwrap();
    let state = |document: &Value, node: usize| {
        let arena = &document["arena"][node];
        assert_eq!(arena["problem"], Value::Array(Vec::new()));
        let sections = arena["section"].as_array().unwrap();
        let field = |section: &str, name: &str| {
            let section = sections.iter().find(|found| found["name"] == section).unwrap();
            let field = section["field"].as_array().unwrap().iter().find(|field| field["name"] == name);
            field.unwrap()["value"].clone()
        };
        (field("state", "state"), field("liveness", "meaning"))
    };
    let alive = json(isthmus(&["shm", "dump", segment, "-o", "json"]));
    assert_eq!(state(&alive, 0), ("active".into(), "held".into()));
    let text = successful(isthmus(&["shm", "dump", segment, "--id", "2"]));
    assert!(text.contains("node 2") && text.contains("ring gsm to node 1"), "{text}");
    let refused = isthmus(&["shm", "format", segment]);
    assert_eq!(refused.status.code(), Some(1));
    let errors = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(errors.contains("node 1 lives in") && errors.contains("end the node first"), "{errors}");
    for node in &mut cluster.nodes {
        node.kill().unwrap();
        node.wait().unwrap();
    }
    let dead = json(isthmus(&["shm", "dump", segment, "-o", "json"]));
    assert_eq!(state(&dead, 1), ("active".into(), "its holder died".into()));
    let cleared = json(isthmus(&["shm", "format", segment, "-o", "json"]));
    assert_eq!(cleared["arenas-removed"], 2);
    let nothing = isthmus(&["shm", "dump", segment]);
    assert_eq!(nothing.status.code(), Some(1));
}

/// Input: two lengths of frames. Output: a figure of each kind, and nothing left behind.
#[test]
fn the_memory_is_measured() {
    let report = json(isthmus(&["bench", "shm", "--sizes", "64,65536", "--seconds", "0.05", "-o", "json"]));
    let rows = report["rows"].as_array().unwrap();
    assert_eq!(rows.iter().map(|row| row["size"].as_u64().unwrap()).collect::<Vec<_>>(), [64, 65536]);
    for row in rows {
        for key in ["frames-per-second", "gbit-per-second", "rtt-p50-ns", "rtt-p99-ns", "wake-p50-ns"] {
            assert!(row[key].as_f64().unwrap() > 0.0, "{key} in {row}");
        }
        assert!(row["rtt-p50-ns"].as_u64() <= row["rtt-p99-ns"].as_u64());
    }
    let left = fs::read_dir("/dev/shm").unwrap().flatten().map(|entry| entry.file_name());
    let left: Vec<_> = left.filter(|name| name.to_string_lossy().starts_with("isthmus-bench-")).collect();
    assert!(left.is_empty(), "{left:?}");
}
