//! Nodes that die and come back, leave and return.

use std::time::Instant;

use isthmus_tests::lab::{self, Capture, Direction, OneExit, Peer, Ping, await_cluster, await_same_database};

/// Input: SIGKILL of node 2 and of node 3, one after the other, each started again with the same id. Output: each is
/// met by all as a new incarnation, and reached; the databases agree at the end.
#[test]
fn a_killed_node_that_returns_is_met_by_all() {
    lab::run("restart", |lab| {
        let exit = OneExit::build(lab);
        let incarnation = |id: u8| -> u64 {
            let nodes = exit.n1.list("/shm/nodes", "node").unwrap();
            let node = nodes.iter().find(|node| node["node-id"] == id).expect("the node");
            node["incarnation"].as_u64().expect("an incarnation")
        };
        for node in [&exit.n2, &exit.n3] {
            let before = incarnation(node.id());
            node.kill();
            let others: Vec<u64> = [1, 2, 3].into_iter().filter(|id| *id != u64::from(node.id())).collect();
            exit.n1.await_active(&others);
            node.start();
            await_cluster(&exit.nodes());
            for met in exit.nodes() {
                met.await_active(&[1, 2, 3]);
            }
            assert!(incarnation(node.id()) > before);
            Ping::await_answer(&exit.outside.host, &node.router_id());
        }
        exit.await_converged();
        await_same_database("0.0.0.1", &exit.nodes(), &[]);
    });
}

/// Input: SIGTERM to node 2. Output: it ends well and at once for the others, its kernel devices and socket are gone.
#[test]
fn a_node_that_is_told_to_end_leaves_nothing() {
    lab::run("leave", |lab| {
        let exit = OneExit::build(lab);
        assert!(exit.n2.terminate(), "{}", exit.n2.log());
        for node in [&exit.n1, &exit.n3] {
            node.await_active(&[1, 3]);
        }
        let devices = exit.n2.namespace().ip(&["-brief", "link"]);
        assert!(!devices.contains("lsm0") && !devices.contains("gsm0"), "{devices}");
        assert!(!exit.n2.socket().exists());
        await_same_database("0.0.0.1", &[&exit.n1, &exit.n3], &[]);
    });
}

/// Input: SIGKILL and start of the outside router's ospfd, then of the border router, all under a capture at the outside
/// router. Output: each time Full and routes at both ends return, and tshark has nothing to say about any packet of
/// OSPF, nor has any node. The times are printed.
#[test]
fn the_adjacency_with_frr_returns_after_a_restart_of_either_side() {
    lab::run("interop", |lab| {
        let exit = OneExit::build(lab);
        let (router, node) = (&exit.outside.router, &exit.n1);
        let capture = Capture::with(lab, router.namespace(), "core", "proto 89", Direction::Both);
        let report = |what: &str, start: Instant| {
            node.await_full(&exit.outside.node_device, exit.outside.router_id);
            router.await_full(&node.router_id());
            let full = start.elapsed();
            exit.n3.await_way(&exit.outside.host_address, "lsm0", "10.77.0.1");
            let inside = start.elapsed();
            router.await_route("10.77.0.0/24");
            eprintln!(
                "{what}: Full {full:.2?}, route inside {inside:.2?}, route at FRR {:.2?}",
                start.elapsed()
            );
        };
        router.kill_daemon();
        router.await_no_route("10.77.0.0/24");
        let start = Instant::now();
        router.start_daemon();
        report("ospfd restarted", start);
        await_same_database("0.0.0.0", &[node], &[&**router]);

        node.kill();
        let start = Instant::now();
        node.start();
        report("node restarted", start);
        exit.await_converged();
        await_same_database("0.0.0.0", &[node], &[&**router]);

        let packets = capture.stop();
        assert_eq!(packets.wrong(), Vec::<String>::new());
        assert_eq!(packets.matching("ospf && _ws.expert.severity >= 0x400000"), Vec::<String>::new());
        for node in exit.nodes() {
            for interface in node.list("/ospf/interfaces", "interface").unwrap() {
                let bad = interface.pointer("/statistics/bad-packets").expect("counters");
                assert_eq!(bad, &serde_json::json!({}), "node {} {}", node.id(), interface["name"]);
            }
        }
        assert!(!packets.matching("ospf.msg.lsupdate && ip.src == 10.1.0.1").is_empty());
    });
}
