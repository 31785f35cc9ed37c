//! Memory in huge pages: a directory on hugetlbfs, with a mount of its own for each test, and sealed memory.
//!
//! A test puts pages into the kernel's pool, starts itself once more in a mount namespace of its own, and takes the pages out
//! again. It needs root, and as much memory; else it says so.

#![cfg(not(loom))]
#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

mod common;

use std::fs::{File, OpenOptions};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use common::{Node, Segment, await_that};
use rustix::fs::{FallocateFlags, FlockOperation, fallocate, flock};
use rustix::process::Signal;

/// Not a test: the body of each node's process.
#[test]
#[ignore = "started by the other tests"]
fn child() {
    common::child();
}

const POOL: &str = "/proc/sys/vm/nr_hugepages";

/// Says how many pages a test had added that was killed.
const NOTE: &str = "/run/isthmus-test-huge-pages";

/// Pages for the length of a test, beside what others have set aside.
struct Pages {
    added: u64,
    _lock: File,
}

impl Pages {
    fn add(count: u64) -> Option<Self> {
        // The directory, since a file for it would stay behind.
        let lock = File::open("/run").ok()?;
        flock(&lock, FlockOperation::LockExclusive).ok()?;
        if let Some(left) = std::fs::read_to_string(NOTE).ok().and_then(|text| text.parse().ok()) {
            Self::take(left);
        }
        let before = Self::present();
        std::fs::write(NOTE, count.to_string()).ok()?;
        std::fs::write(POOL, (before + count).to_string()).ok()?;
        let added = Self { added: Self::present().saturating_sub(before), _lock: lock };
        (added.added == count).then_some(added)
    }

    fn present() -> u64 {
        std::fs::read_to_string(POOL).unwrap().trim().parse().unwrap()
    }

    fn take(count: u64) {
        let _ = std::fs::write(POOL, Self::present().saturating_sub(count).to_string());
        let _ = std::fs::remove_file(NOTE);
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        Self::take(self.added);
    }
}

/// What a test needs that is about huge pages; `None`, and a word about it, where it is not there.
fn pages(count: u64) -> Option<Pages> {
    let page_size = "/sys/kernel/mm/hugepages/hugepages-2048kB";
    if !rustix::process::geteuid().is_root() || !Path::new(page_size).exists() {
        eprintln!("SKIPPED: it takes root, and huge pages of 2 MiB");
        return None;
    }
    let pages = Pages::add(count);
    if pages.is_none() {
        eprintln!("SKIPPED: there is no memory for {count} huge pages");
    }
    pages
}

/// Runs the test `name` of this program where `directory` is a hugetlbfs of 2 MiB pages, with these options more.
fn on_huge_pages(name: &str, pages: u64, options: &str) {
    let Some(_pages) = self::pages(pages) else { return };
    let segment = Segment::new();
    let mount = format!(
        "mount -t hugetlbfs -o pagesize=2M{options} none {} && exec \"$0\" \"$@\"",
        segment.path().display()
    );
    let status = Command::new("unshare")
        .args(["--mount", "--propagation", "private", "sh", "-c", &mount])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture", "--ignored", "--test-threads=1"])
        .env(DIRECTORY, segment.path())
        .status()
        .unwrap();
    assert!(status.success());
}

const DIRECTORY: &str = "ISTHMUS_TEST_HUGE_PAGES";

/// The mounted directory, in the inner test.
fn mounted() -> Segment {
    let path = PathBuf::from(std::env::var_os(DIRECTORY).unwrap());
    assert_eq!(rustix::fs::statfs(&path).unwrap().f_bsize, 2 << 20);
    Segment::at(path)
}

fn exchange(first: &mut Node, second: &mut Node, text: &str) {
    let ids = (first.id, second.id);
    first.say(&format!("send lsm {} {text}", ids.1));
    second.await_line("receive", |line| line == format!("rx lsm unicast {} {text}", ids.0));
    second.say(&format!("broadcast gsm {} 1", text.len()));
    first.await_line("receive", |line| line == format!("rx gsm broadcast {} n{}", ids.1, text.len()));
}

/// Bytes that a file has, not those that it could have.
fn allocated(path: &Path) -> u64 {
    std::fs::metadata(path).unwrap().blocks() * 512
}

#[test]
fn nodes_meet_exchange_frames_grow_die_and_return() {
    on_huge_pages("meet", 48, "");
}

/// 16 MiB, of which one page is enough for two nodes at first.
const GROWING: &str = "budget=16000000 slots=512";

#[test]
#[ignore = "started by the test above, where there are huge pages"]
fn meet() {
    let segment = mounted();
    let mut first = Node::join_with(&segment, 1, GROWING);
    let mut second = Node::join_with(&segment, 2, GROWING);
    for node in [&first, &second] {
        node.await_members(&[1, 2]);
    }
    exchange(&mut first, &mut second, "hello");
    let arena = segment.arena(1);
    assert_eq!(std::fs::metadata(&arena).unwrap().len(), 16 << 20, "in whole pages");
    assert_eq!(allocated(&arena), 2 << 20, "one page is enough for two nodes");

    // While the receiver sleeps its ring stays full: the next one is four times as large, and needs more pages.
    second.signal(Signal::STOP);
    first.say("flood lsm 2 3000");
    await_that("the arena has more pages", || allocated(&arena) > 2 << 20);
    second.signal(Signal::CONT);
    second.await_lines("receive all", |_| second.received("lsm", "unicast").len() >= 3001);
    for (number, (_, text)) in second.received("lsm", "unicast").iter().skip(1).enumerate() {
        assert!(text.starts_with(&format!("{number} ")), "{number}: {text}");
    }
    first.await_snapshot("have a larger ring", |line| {
        line.starts_with("ring lsm 1>2") && line.contains(" slots 1024 ")
    });
    assert!(allocated(&arena).is_multiple_of(2 << 20));

    // Refused by name, though a lock file cannot be written here.
    let other = Node::start(&segment, 2, GROWING);
    let expected = format!("refused node id 2 is in use by process {} on ", second.pid());
    other.await_line("be refused", |line| line.starts_with(&expected) && line.contains("(incarnation 1)"));

    second.kill();
    first.await_line("notice", |line| line.contains(" 2/1 Failed { reason: ProcessDeath }"));
    let mut second = Node::join_with(&segment, 2, GROWING);
    first.await_members(&[1, 2]);
    second.await_members(&[1, 2]);
    assert_eq!(first.incarnation_of(2), 2);
    exchange(&mut first, &mut second, "again");
    let mut names: Vec<_> = std::fs::read_dir(segment.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.contains(".holder "))
        .collect();
    names.sort();
    assert!(
        names.len() == 2 && names[0].contains(" 1 ") && names[1].contains(&format!(" {} 2 ", second.pid())),
        "{names:?}"
    );
}

#[test]
fn too_few_pages_are_an_error_that_says_so() {
    on_huge_pages("too_few", 16, ",size=4M");
}

#[test]
#[ignore = "started by the test above, where there are few huge pages"]
fn too_few() {
    let segment = mounted();
    // Of the first node alone, rings of 9 MB: five pages. The mount has two.
    let third = Node::start(&segment, 3, "budget=16000000 slots=4096");
    let line = third.await_line("be refused", |line| line.starts_with("refused"));
    let has =
        format!("refused {} has 2 huge pages of 2 MiB free and 5 are needed; ", segment.path().display());
    assert!(line.starts_with(&has) && line.ends_with("mount it with a larger `size`"), "{line}");
    assert!(!segment.arena(3).exists() && !segment.path().join("node-003.arena.new").exists());
    // What it was given of that was given back, so that others find room.
    let mut first = Node::join_with(&segment, 1, "budget=4000000");
    let mut second = Node::join_with(&segment, 2, "budget=4000000");
    first.await_members(&[1, 2]);
    second.await_members(&[1, 2]);
    // A ring that stays full does not grow then, and nothing is lost, and nobody dies of it.
    first.say("flood lsm 2 6000");
    second.await_lines("receive all", |_| second.received("lsm", "unicast").len() >= 6000);
    exchange(&mut first, &mut second, "alive");
    assert_eq!(allocated(&segment.arena(1)), 2 << 20);
}

#[test]
fn one_file_is_allocated_whole() {
    on_huge_pages("one_file", 16, ",size=16M");
}

#[test]
#[ignore = "started by the test above, where there are huge pages"]
fn one_file() {
    let segment = mounted();
    // Of two nodes, in whole pages: 4 MiB each.
    let options = "patient max-nodes=2 one-kernel=9000000";
    let mut first = Node::join_with(&segment, 1, options);
    let mut second = Node::join_with(&segment, 2, options);
    first.await_members(&[1, 2]);
    second.await_members(&[1, 2]);
    exchange(&mut first, &mut second, "hello");
    let region = segment.path().join("region");
    assert_eq!(allocated(&region), 10 << 20);
    let shown = isthmus_shmnet::inspect::inspect(&region).unwrap();
    let arenas: Vec<_> = shown.arenas.iter().map(|arena| (arena.node, arena.bytes)).collect();
    assert_eq!(arenas, [(1, 4 << 20), (2, 4 << 20)]);
    drop((first, second));
    std::fs::remove_file(&region).unwrap();
    let refused = Node::start(&segment, 1, "patient max-nodes=2 one-kernel=30000000");
    refused.await_line("be refused", |line| line.contains(" huge pages of 2 MiB free and 15 are needed"));
}

#[test]
fn a_peer_whose_pages_are_taken_away_is_quarantined_and_others_live_on() {
    on_huge_pages("taken", 32, "");
}

#[test]
#[ignore = "started by the test above, where there are huge pages"]
fn taken() {
    let segment = mounted();
    let mut first = Node::join(&segment, 1);
    let mut second = Node::join(&segment, 2);
    let third = Node::join(&segment, 3);
    for node in [&first, &second, &third] {
        node.await_members(&[1, 2, 3]);
    }
    // Cut short: a fault for whoever touches it.
    OpenOptions::new().write(true).open(segment.arena(3)).unwrap().set_len(0).unwrap();
    for node in [&first, &second] {
        node.await_line("quarantine it", |line| line.contains(" 3/1 Quarantined { cause: MemoryLost"));
        node.await_line("close it", |line| line.contains(" 3/1 Failed { reason: Quarantined }"));
    }
    third.await_line("rejoin", |line| line.contains("Rejoined"));
    for node in [&first, &second, &third] {
        node.await_members(&[1, 2, 3]);
    }
    exchange(&mut first, &mut second, "cut");

    // Punched: zeros for whoever reads it.
    let arena = OpenOptions::new().write(true).open(segment.arena(3)).unwrap();
    let len = arena.metadata().unwrap().len();
    fallocate(&arena, FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE, 0, len).unwrap();
    for node in [&first, &second] {
        node.await_line("close it", |line| line.contains(" 3/2 Failed"));
    }
    for node in [&first, &second, &third] {
        node.await_members(&[1, 2, 3]);
    }
    exchange(&mut first, &mut second, "punched");
}

/// The page size of a process's own arena: the one that it may write. The others' stand beside it, in any order.
fn page_size_of_sealed(node: &Node) -> u64 {
    of_sealed(node, "KernelPageSize:")
}

/// What the kernel tells of a process's own arena, in KiB.
fn of_sealed(node: &Node, what: &str) -> u64 {
    let maps = std::fs::read_to_string(format!("/proc/{}/smaps", node.pid())).unwrap();
    let is_own = |line: &&str| line.contains(" rw-s ") && line.contains("/memfd:isthmus-arena");
    let mut lines = maps.lines().skip_while(|line| !is_own(line));
    let line = lines.find(|line| line.starts_with(what)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[test]
fn sealed_memory_in_huge_pages_is_met_grows_and_returns() {
    let Some(_pages) = pages(48) else { return };
    let segment = Segment::new();
    // Nodes of a segment need not agree about it.
    let options = format!("memfd=2097152 {GROWING}");
    let mut first = Node::join_with(&segment, 1, &options);
    let mut second = Node::join_with(&segment, 2, &format!("memfd {GROWING}"));
    for node in [&first, &second] {
        node.await_members(&[1, 2]);
    }
    assert_eq!((page_size_of_sealed(&first), page_size_of_sealed(&second)), (2048, 4));
    // Others map it too, or will.
    let taken = |node: &Node| of_sealed(node, "Shared_Hugetlb:") + of_sealed(node, "Private_Hugetlb:");
    assert_eq!(taken(&first), 2048);
    exchange(&mut first, &mut second, "hello");
    // While the receiver sleeps its ring stays full: the next one is larger, and needs more pages.
    second.signal(Signal::STOP);
    first.say("flood lsm 2 3000");
    await_that("the arena has more pages", || taken(&first) > 2048);
    second.signal(Signal::CONT);
    second.await_lines("receive all", |_| second.received("lsm", "unicast").len() >= 3001);

    first.kill();
    second.await_line("notice", |line| line.contains(" 1/1 Failed { reason: ProcessDeath }"));
    let mut first = Node::join_with(&segment, 1, &options);
    for node in [&first, &second] {
        node.await_members(&[1, 2]);
    }
    exchange(&mut first, &mut second, "again");
}

#[test]
fn sealed_memory_says_which_huge_pages_are_lacking() {
    let Some(_pages) = pages(0) else { return };
    let segment = Segment::new();
    // A kernel has one size or another of 64 KiB and 1 GiB, and here no page of it; or has not even the size.
    for (bytes, shown) in [(64 << 10, "64 KiB"), (16_u64 << 30, "16 GiB")] {
        let refused = Node::start(&segment, 1, &format!("memfd={bytes} budget=16000000"));
        let line = refused.await_line("be refused", |line| line.starts_with("refused"));
        let place = format!("sealed memory, met in {}", segment.path().display());
        assert!(
            line.starts_with(&format!("refused {place} has 0 huge pages of {shown} free and ")),
            "{line}"
        );
    }
}
