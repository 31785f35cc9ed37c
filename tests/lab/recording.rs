//! Recordings of OSPF: what a node has lived through, replayed by the command line.

use std::fs;

use isthmus_tests::lab::{self, NodeConfig, OneExit, Peer};
use serde_json::Value;

/// Input: a cluster and FRR, ospfd killed and started again, a NIC's cable out and in; every node
/// recorded, then told to end. Output: each recording replays to the same outputs, bit for bit; with one digit of a
/// packet changed the replay fails, and names the line.
#[test]
fn a_node_beside_frr_replays_to_the_same_outputs() {
    lab::run("record", |lab| {
        let exit = OneExit::build_with(lab, NodeConfig::recorded);
        let router = &exit.outside.router;
        router.kill_daemon();
        router.await_no_route("10.77.0.0/24");
        router.start_daemon();
        exit.await_converged();
        exit.n1.set_enabled(&exit.outside.node_device, false);
        router.await_no_route("10.77.0.0/24");
        exit.n1.set_enabled(&exit.outside.node_device, true);
        exit.await_converged();
        for node in exit.nodes() {
            assert!(node.terminate(), "{}", node.log());
        }
        for node in exit.nodes() {
            let (_, exit, said) = node.replay();
            assert_eq!((exit, &said["difference"]), (Some(0), &Value::Null), "node {}: {said:#}", node.id());
            assert_eq!(said["end"], "the recorder has ended");
            eprintln!("node {}: {said}", node.id());
            assert!(said["inputs"].as_u64() > Some(50) && said["outputs"].as_u64() > Some(50), "{said:#}");
        }
        let (file, _, _) = exit.n1.replay();
        let text = fs::read_to_string(&file).expect("the recording");
        let lines: Vec<&str> = text.lines().collect();
        let line = lines.iter().rposition(|line| line.contains(r#""output":{"transmit""#)).expect("packets");
        let changed = lines[line].replace(r#""payload":"02"#, r#""payload":"03"#);
        assert_ne!(changed, lines[line]);
        fs::write(&file, text.replace(lines[line], &changed)).expect("the recording");
        let (_, code, said) = exit.n1.replay();
        let first = lines.iter().position(|other| *other == lines[line]).map(|index| index + 1);
        assert_eq!((code, said["difference"]["line"].as_u64()), (Some(1), first.map(|line| line as u64)));
    });
}
