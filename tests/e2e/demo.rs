//! `isthmus demo` as its user meets it: the document, the addresses, signals at any moment, what a killed run left, and
//! the places for its memory.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "all of it is part of tests, whose way to fail it is"
)]

mod support;

use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;

use support::{Demo, Runtime, http_get};

/// The document is the whole of standard output, every value is plausible, and nothing is left.
#[test]
fn the_tour_ends_well_with_a_document() {
    let runtime = Runtime::new("once");
    let mut demo = Demo::start(&runtime, &["--once", "--json"]);
    let status = demo.wait(TOUR);
    assert!(status.success(), "{status}\n{}", demo.progress());
    check_document(&serde_json::from_str(&demo.output()).unwrap());
    assert!(demo.progress().contains("every step held"), "{}", demo.progress());
    runtime.assert_nothing_left();
}

/// Without `--once` the document is one line, and the nodes that it names live and answer until the demo is told to
/// end.
#[test]
fn the_cluster_stays_up_whole_until_it_is_told_to_end() {
    let runtime = Runtime::new("stay");
    let mut demo = Demo::start(&runtime, &["--json"]);
    demo.await_line("the cluster stays up", 1, TOUR);
    let document: Value = serde_json::from_str(demo.output().trim_end()).unwrap();
    assert_eq!(demo.output().lines().count(), 1);
    check_document(&document);
    for node in document["nodes"].as_array().unwrap() {
        let command = std::fs::read_to_string(format!("/proc/{}/cmdline", node["pid"])).unwrap();
        assert!(command.contains(&format!("node-{}.yaml", node["id"])), "{command}");
        let address = node["api"].as_str().unwrap().strip_prefix("http://").unwrap();
        let system: Value = serde_json::from_str(&http_get(address, "/api/v1/system")).unwrap();
        assert_eq!(system["node-id"], node["id"]);
        let metrics = http_get(address, "/metrics");
        assert!(metrics.contains("isthmus_interface_receive_packets_total"), "{metrics}");
    }
    demo.signal(Signal::INT);
    let status = demo.wait(END);
    assert!(status.success(), "{status}\n{}", demo.progress());
    runtime.assert_nothing_left();
}

/// SIGINT, SIGTERM or SIGHUP at any moment of the tour: it ends soon, says by which signal, and nothing is left.
#[test]
fn a_signal_at_any_moment_leaves_nothing() {
    let next = std::sync::atomic::AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while let Some(&moment) = MOMENTS.get(next.fetch_add(1, std::sync::atomic::Ordering::Relaxed))
                {
                    interrupt(moment);
                }
            });
        }
    });
}

/// A line of progress, the how many-th, milliseconds after it, the signal.
type Moment = (&'static str, usize, u64, Signal);

const MOMENTS: &[Moment] = &[
    ("", 0, 0, Signal::TERM),
    ("", 0, 5, Signal::INT),
    ("", 0, 20, Signal::TERM),
    ("segment", 1, 0, Signal::INT),
    ("outside", 1, 0, Signal::TERM),
    ("node-1", 1, 0, Signal::INT),
    ("node-3", 1, 0, Signal::TERM),
    ("node-3", 1, 100, Signal::INT),
    ("join", 1, 0, Signal::TERM),
    ("adjacencies", 1, 0, Signal::HUP),
    ("role", 4, 0, Signal::TERM),
    ("route", 1, 500, Signal::INT),
    ("ping", 1, 0, Signal::TERM),
    ("traceroute", 1, 10, Signal::INT),
    ("common address", 1, 500, Signal::TERM),
    ("throughput", 1, 0, Signal::INT),
    ("failover", 1, 290, Signal::TERM),
    ("failover", 1, 310, Signal::INT),
    ("failover", 2, 0, Signal::TERM),
    ("failover", 2, 100, Signal::INT),
    ("failover", 2, 1000, Signal::TERM),
];

fn interrupt((line, count, delay, signal): Moment) {
    let runtime = Runtime::new(&format!("signal-{}-{count}-{delay}", line.replace(' ', "-")));
    let mut demo = Demo::start(&runtime, &["--once", "--json"]);
    demo.await_line(line, count, TOUR);
    // The moments are between two lines: there is no condition to wait for.
    std::thread::sleep(Duration::from_millis(delay));
    demo.signal(signal);
    let status = demo.wait(END);
    // At first the signal is not caught yet, and nothing has been made.
    let told = status.code() == Some(128 + signal.as_raw()) || status.signal() == Some(signal.as_raw());
    assert!(told, "{signal:?} {delay} ms after {line}: {status}\n{}", demo.progress());
    assert_eq!(demo.output(), "");
    runtime.assert_nothing_left();
}

/// SIGKILL of the demo takes its processes along, and the next run removes what it could not.
#[test]
fn what_a_killed_demo_left_is_swept_by_the_next() {
    let runtime = Runtime::new("sweep");
    let mut killed = Demo::start(&runtime, &["--once"]);
    killed.await_line("adjacencies", 1, TOUR);
    killed.signal(Signal::KILL);
    assert_eq!(killed.wait(END).signal(), Some(Signal::KILL.as_raw()));
    runtime.await_no_processes();
    let left = runtime.entries();
    assert_eq!(left.len(), 1, "{left:?}");

    let mut next = Demo::start(&runtime, &["--once"]);
    next.await_line("swept", 1, TOUR);
    next.await_line("segment", 1, TOUR);
    assert!(!left[0].exists() && next.progress().contains(&left[0].display().to_string()));
    next.signal(Signal::TERM);
    next.wait(END);
    runtime.assert_nothing_left();
}

/// A node that dies unasked fails the demo, soon: it says which step, why, and what the node said last.
#[test]
fn a_node_that_dies_fails_the_demo() {
    let runtime = Runtime::new("death");
    let mut demo = Demo::start(&runtime, &["--once", "--json"]);
    demo.await_line("node-3", 1, TOUR);
    let pid = demo.pid_of("node-2");
    rustix::process::kill_process(pid, Signal::KILL).unwrap();
    let status = demo.wait(TOUR);
    assert_eq!(status.code(), Some(1), "{}", demo.progress());
    let progress = demo.progress();
    assert!(progress.contains("FAILED: node-2: has ended: signal: 9"), "{progress}");
    assert!(progress.contains("the end of the log of node-2"), "{progress}");
    assert!(progress.contains("steps that did not hold: join"), "{progress}");
    let document: Value = serde_json::from_str(&demo.output()).unwrap();
    assert_eq!((&document["ok"], &document["ping_ok"]), (&Value::Bool(false), &Value::Bool(false)));
    runtime.assert_nothing_left();
}

/// On a tmpfs of 33 MiB there is room.
#[test]
fn a_small_tmpfs_is_enough() {
    in_a_mount_namespace("size=33m", |demo| {
        let status = demo.wait(TOUR);
        assert!(status.success(), "{status}\n{}", demo.progress());
        assert!(demo.progress().contains("in /dev/shm/isthmus-demo-"), "{}", demo.progress());
        check_document(&serde_json::from_str(&demo.output()).unwrap());
    });
}

/// Where no tmpfs has room the nodes inherit memory files; it says so, and why; everything works, the restart too.
#[test]
fn without_a_tmpfs_the_nodes_inherit_their_memory() {
    for options in ["size=8m", "size=64m,ro"] {
        in_a_mount_namespace(options, |demo| {
            let status = demo.wait(TOUR);
            let progress = demo.progress();
            assert!(status.success(), "{options}: {status}\n{progress}");
            let reason = if options.ends_with("ro") { "Read-only" } else { "8 MiB free, 32 MiB needed" };
            assert!(
                progress.contains("memory files that the nodes inherit") && progress.contains(reason),
                "{progress}"
            );
            check_document(&serde_json::from_str(&demo.output()).unwrap());
        });
    }
}

/// A tmpfs that somebody else fills up under the running demo: traffic goes on, and what needs more room says so.
#[test]
fn a_tmpfs_that_fills_up_kills_no_node() {
    in_a_mount_namespace("size=33m", |demo| {
        demo.await_line("join", 3, TOUR);
        let shm = demo.root().join("dev/shm/fill");
        let filled = std::fs::write(shm, vec![1_u8; 40 << 20]);
        assert_eq!(filled.unwrap_err().kind(), std::io::ErrorKind::StorageFull);
        let status = demo.wait(TOUR);
        let progress = demo.progress();
        assert_eq!(status.code(), Some(1), "{progress}");
        assert!(progress.contains("error[no-room]"), "{progress}");
        assert!(progress.contains("steps that did not hold: comeback\n"), "{progress}");
        assert!(!progress.contains("has ended: signal"), "{progress}");
    });
}

/// Runs the demo where `/dev/shm` is a new tmpfs with these mount options, and no other tmpfs is to be had.
fn in_a_mount_namespace(options: &str, examine: impl FnOnce(&mut Demo)) {
    let root = rustix::process::geteuid().is_root();
    let namespace: &[&str] = if root { &["-m"] } else { &["-U", "-r", "-m"] };
    let mut attempt = Command::new("unshare");
    attempt.args(namespace).args(["mount", "-t", "tmpfs", "t", "/dev/shm"]);
    if !attempt.status().is_ok_and(|status| status.success()) {
        assert!(std::env::var_os("ISTHMUS_LAB").is_none_or(|wanted| wanted != "required"));
        eprintln!("skipped: mount namespaces are not to be had here");
        return;
    }
    let runtime = Runtime::in_directory(Path::new("/var/tmp"), "mount");
    let script =
        format!("mount -t tmpfs -o mode=1777,{options} t /dev/shm && exec \"$0\" demo --once --json");
    let mut command = Command::new("unshare");
    command.args(namespace).args(["sh", "-c", &script]).arg(support::binary());
    let mut demo = Demo::start_as(&runtime, command);
    examine(&mut demo);
    demo.wait(TOUR);
    runtime.assert_nothing_left();
}

/// The shape that is promised, and values that can be.
fn check_document(document: &Value) {
    let keys: Vec<&str> = document.as_object().unwrap().keys().map(String::as_str).collect();
    let mut promised = vec![
        "nodes",
        "adjacencies_full",
        "abrs",
        "ping_ok",
        "common_address_served_by",
        "throughput_gbps",
        "throughput_mpps",
        "failover_interruption_ms",
        "ok",
    ];
    promised.sort_unstable();
    let mut found = keys.clone();
    found.sort_unstable();
    assert_eq!(found, promised);
    let nodes = document["nodes"].as_array().unwrap();
    let ids: Vec<u64> = nodes.iter().map(|node| node["id"].as_u64().unwrap()).collect();
    assert_eq!(ids, [1, 2, 3]);
    for node in nodes {
        assert_eq!(node.as_object().unwrap().len(), 3);
        assert!(node["pid"].as_u64().unwrap() > 1);
        assert!(node["api"].as_str().unwrap().starts_with("http://127.0.0.1:"), "{node}");
    }
    assert_eq!(document["adjacencies_full"], 18);
    assert_eq!(document["abrs"], serde_json::json!([1, 2]));
    assert_eq!(document["ping_ok"], true);
    let served = document["common_address_served_by"].as_array().unwrap();
    let served: Vec<u64> = served.iter().map(|node| node.as_u64().unwrap()).collect();
    assert_eq!(served.len(), 12);
    assert!(served.iter().all(|node| (1..=3).contains(node)), "{served:?}");
    assert!(served.iter().any(|node| *node != served[0]), "{served:?}");
    for number in ["throughput_gbps", "throughput_mpps", "failover_interruption_ms"] {
        assert!(document[number].as_f64().unwrap() > 0.0, "{number}");
    }
    assert_eq!(document["ok"], true);
}

/// For anything that the tour does, on a busy machine.
const TOUR: Duration = Duration::from_secs(90);
/// From a signal to the end.
const END: Duration = Duration::from_secs(5);
