//! Nodes that die and come back, leave and return.

use isthmus_tests::lab::{self, OneExit, Ping, await_cluster, await_same_database};

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
