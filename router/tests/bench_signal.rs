//! `isthmus bench shm`, asked to end or killed in the midst of it: nothing of it stays in `/dev/shm`.

#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

fn bench() -> (Child, PathBuf) {
    let child = Command::new(env!("CARGO_BIN_EXE_isthmus"))
        .args(["bench", "shm", "--sizes", "64", "--seconds", "60"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let place = Path::new("/dev/shm").join(format!("isthmus-bench-{}", child.id()));
    (child, place)
}

fn await_that(what: &str, is_so: impl Fn() -> bool) {
    let give_up = Instant::now() + Duration::from_secs(60);
    while !is_so() {
        assert!(Instant::now() < give_up, "in vain: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Both have joined, and it measures.
fn await_members(place: &Path) {
    await_that("both are members", || {
        [1, 2].iter().all(|id| place.join(format!("node-{id:03}.arena")).exists())
    });
}

#[test]
fn a_measurement_that_ends_before_its_time_leaves_nothing_in_the_memory() {
    for (signal, code) in [(Signal::TERM, 143), (Signal::INT, 130)] {
        let (mut child, place) = bench();
        await_members(&place);
        kill_process(Pid::from_child(&child), signal).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(code));
        assert!(!place.exists(), "left behind after {signal:?}");
    }
    // Killed it can remove nothing: the next one does.
    let (mut child, killed) = bench();
    await_members(&killed);
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(killed.exists());
    let (mut child, place) = bench();
    await_members(&place);
    assert!(!killed.exists(), "not swept");
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    child.wait().unwrap();
}
