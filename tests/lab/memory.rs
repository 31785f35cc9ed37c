//! Other memory than a directory of files.

use std::io::Write;
use std::os::unix::fs::MetadataExt;

use isthmus_tests::lab::{self, HugePages, NodeConfig, Ping, run_command};

/// Input: two nodes with `facility: memfd`. Output: `check` takes the file; they become neighbors on both networks and their
/// kernels reach each other; the directory has no memory in it, and `show shm nodes` tells the facility. One is killed and
/// comes back.
#[test]
fn two_nodes_ping_each_other_over_sealed_memory() {
    lab::run("memfd", |lab| {
        let meeting = lab.segment().display().to_string();
        let segment = format!("{{facility: memfd, path: {meeting}}}");
        let nodes = [1, 2].map(|id| {
            let host = lab.namespace(&format!("host{id}"));
            lab.node(&host, NodeConfig::inside(id).on_segment(&segment))
        });
        let binary = lab::binary().display().to_string();
        run_command(&[&binary, "check", &nodes[0].config().display().to_string()]);
        nodes.iter().for_each(|node| node.await_ready());
        for (node, other) in [(&nodes[0], &nodes[1]), (&nodes[1], &nodes[0])] {
            node.await_active(&[1, 2]);
            for network in ["lsm0", "gsm0"] {
                node.await_full(network, &other.router_id());
            }
            Ping::await_answer(node.namespace(), &other.router_id());
        }
        let ping = Ping::run(nodes[0].namespace(), "10.77.1.2", &["-s", "8000"]);
        assert!(ping.all(), "{}", ping.output);

        let shown = nodes[0].cli(&["show", "shm", "nodes"]);
        assert!(shown.contains(&format!("segment: sealed memory, met in {meeting} (memfd)")), "{shown}");
        let mut kinds: Vec<_> = std::fs::read_dir(&meeting)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().to_string_lossy().rsplit('.').next().unwrap().to_owned())
            .collect();
        kinds.sort();
        kinds.dedup();
        assert_eq!(kinds, ["lock", "memory", "sock"]);

        nodes[1].kill();
        nodes[0].await_active(&[1]);
        nodes[1].start();
        nodes[1].await_ready();
        nodes[0].await_full("lsm0", "10.77.0.2");
        Ping::await_answer(nodes[1].namespace(), "10.77.0.1");
    });
}

/// Input: two nodes whose segment is a directory on hugetlbfs, with pages of 2 MiB that the test adds to the pool. Output: each arena
/// is in whole huge pages; they become neighbors on both networks and their kernels reach each other; one is killed and comes back.
/// Skipped only where the kernel has no such pages to give.
#[test]
fn two_nodes_ping_each_other_in_huge_pages() {
    lab::run("hugetlbfs", |lab| {
        let Some(pages) = HugePages::add(lab, 24) else {
            let _ = writeln!(std::io::stderr(), "SKIPPED: the kernel does not give 24 huge pages of 2 MiB");
            return;
        };
        let directory = pages.directory();
        let segment = directory.display().to_string();
        let nodes = [1, 2].map(|id| {
            let host = lab.namespace(&format!("host{id}"));
            lab.node(&host, NodeConfig::inside(id).on_segment(&segment))
        });
        nodes.iter().for_each(|node| node.await_ready());
        for (node, other) in [(&nodes[0], &nodes[1]), (&nodes[1], &nodes[0])] {
            node.await_active(&[1, 2]);
            for network in ["lsm0", "gsm0"] {
                node.await_full(network, &other.router_id());
            }
            Ping::await_answer(node.namespace(), &other.router_id());
        }
        for address in ["10.77.0.2", "10.77.1.2"] {
            let ping = Ping::run(nodes[0].namespace(), address, &["-s", "8000"]);
            assert!(ping.all(), "{}", ping.output);
        }
        for id in [1, 2] {
            let arena = std::fs::metadata(directory.join(format!("node-{id:03}.arena"))).unwrap();
            assert_eq!((arena.blksize(), arena.blocks() * 512 % HugePages::SIZE), (HugePages::SIZE, 0));
            assert!(arena.blocks() > 0);
        }

        nodes[1].kill();
        nodes[0].await_active(&[1]);
        nodes[1].start();
        nodes[1].await_ready();
        nodes[0].await_full("lsm0", "10.77.0.2");
        Ping::await_answer(nodes[1].namespace(), "10.77.0.1");
        // The pages go back when nobody has a file open.
        assert!(nodes.iter().all(|node| node.terminate()));
    });
}
