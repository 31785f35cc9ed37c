//! Two hosts that share no memory, which are two network namespaces joined by a cable: the real binary, built with the feature
//! `libfabric`, on each.
//!
//! Needs root, and `ISTHMUS_FEATURES=libfabric` to say that `ISTHMUS_BIN` was built so; `tests/run.sh` does both.

#![allow(clippy::expect_used, reason = "what fails here fails the test")]

use std::io::Write;
use std::thread::sleep;
use std::time::{Duration, Instant};

use isthmus_tests::lab::{self, Iperf, NodeConfig, Ping, processor_time};

/// How long a node is watched that has nothing to do, after as long to come to rest.
const IDLE: Duration = Duration::from_secs(3);

/// Input: two nodes whose segment is reflected over TCP. Output: they become neighbors on both networks, and their kernels reach
/// each other over the fabric; one is killed and comes back. Prints what iperf3 gets over the fabric, and beside it over the cable, and
/// what a node without traffic takes of a core.
#[test]
fn two_hosts_become_neighbors_and_ping_each_other_over_reflected_memory() {
    if std::env::var_os("ISTHMUS_FEATURES").is_none_or(|features| features != "libfabric") {
        let _ =
            writeln!(std::io::stderr(), "SKIPPED: needs a binary with the feature libfabric (tests/run.sh)");
        return;
    }
    lab::run("distributed", |lab| {
        let hosts = [1, 2].map(|id| lab.namespace(&format!("host{id}")));
        lab.cable((&hosts[0], "cable"), (&hosts[1], "cable"));
        let address = |id: u8| format!("192.0.2.{id}");
        let nodes = [1, 2].map(|id| {
            let host = &hosts[usize::from(id) - 1];
            host.address("cable", &format!("{}/24", address(id)));
            let listen = format!("'{}:7471'", address(id));
            let peers = [1, 2].map(|id| format!("{id}: '{}:7471'", address(id))).join(", ");
            let segment = format!("{{facility: distributed, listen: {listen}, peers: {{{peers}}}}}");
            lab.node(host, NodeConfig::inside(id).on_segment(&segment))
        });
        nodes.iter().for_each(|node| node.await_ready());
        for (node, other) in [(&nodes[0], &nodes[1]), (&nodes[1], &nodes[0])] {
            node.await_active(&[1, 2]);
            for network in ["lsm0", "gsm0"] {
                node.await_full(network, &other.router_id());
            }
            Ping::await_answer(node.namespace(), &other.router_id());
        }
        let ping = Ping::run(nodes[0].namespace(), "10.77.0.2", &["-s", "8000"]);
        assert!(ping.all(), "{}", ping.output);

        let gigabits = |to: &str| {
            let iperf = Iperf::run(nodes[0].namespace(), nodes[1].namespace(), to, &["-t", "3"]);
            iperf.bits_per_second / 1e9
        };
        let (fabric, cable) = (gigabits("10.77.0.2"), gigabits(&address(2)));
        // Not asserted: the machine decides.
        println!("iperf3: {fabric:.2} Gbit/s over reflected memory, {cable:.2} Gbit/s over the cable itself");

        let used = || nodes.iter().map(|node| processor_time(node.pid().expect("it runs"))).sum::<Duration>();
        sleep(IDLE);
        let (began, before) = (Instant::now(), used());
        sleep(IDLE);
        let idle = (used() - before).as_secs_f64() / 2.0 / began.elapsed().as_secs_f64();
        println!("idle: {:.2} % of a core for each of the two nodes", 100.0 * idle);

        nodes[1].kill();
        nodes[0].await_active(&[1]);
        nodes[1].start();
        nodes[1].await_ready();
        nodes[0].await_full("lsm0", "10.77.0.2");
        Ping::await_answer(nodes[1].namespace(), "10.77.0.1");
    });
}
