//! How long nothing arrives, out of the cluster and into it, when the border router in use is killed under load.

use std::time::Duration;

use isthmus_tests::lab::{
    Lab, Namespace, NodeConfig, Peer, PeerConfig, PeerInterface, Ping, await_cluster, await_same_database,
    wait,
};

use crate::in_lab;
use crate::row::{Row, Target};

pub(crate) fn measure(runs: usize) -> Vec<Row> {
    let (outward, inward) = (0..runs).map(|_| in_lab("m-kill", interruption)).unzip();
    let row = |name, ours, target| Row {
        name,
        state: "all",
        unit: "ms",
        ours,
        peer: "target",
        theirs: vec![1.0],
        target: Target::AtMost(target),
        dropped: 0,
    };
    // Inward it is FRR's dead interval of 4 s that counts: the cable keeps its carrier when a process dies.
    vec![row("killed-outward", outward, 20.0), row("killed-inward", inward, 4000.0)]
}

/// A datagram each millisecond; prints the longest time between two arrivals in milliseconds.
const SENDER: &str = "\
import socket, sys, time
link = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
while True:
    try: link.sendto(b'x', (sys.argv[1], 7000))
    except OSError: pass
    time.sleep(0.001)
";
const RECEIVER: &str = "\
import socket, sys, time
link = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
link.bind(('', 7000))
link.recv(9)
last, longest, count = time.monotonic(), 0.0, 0
while True:
    link.recv(9)
    now = time.monotonic()
    longest, last, count = max(longest, now - last), now, count + 1
    if count % 50 == 0: print(count, round(longest * 1000, 1), flush=True)
";

/// The longest silence, out of the cluster and into it, when the border router in use is killed under load. FRR has a
/// cable to each of two border routers and prefers the first; inward it is FRR's dead interval of 4 s that counts.
fn interruption(lab: &Lab) -> (f64, f64) {
    let [a, b, c, router, host] = ["n1", "n2", "n3", "r", "h"].map(|name| lab.namespace(name));
    lab.cable((&a, "up1"), (&router, "core1"));
    lab.cable((&b, "up2"), (&router, "core2"));
    lab.cable((&router, "lan"), (&host, "eth0"));
    router.address("core1", "10.1.0.2/30");
    router.address("core2", "10.2.0.2/30");
    router.address("lan", "192.168.1.1/24");
    host.address("eth0", "192.168.1.2/24");
    host.ip(&["route", "add", "default", "via", "192.168.1.1"]);
    let interfaces = vec![
        PeerInterface::point_to_point("core1", 10),
        PeerInterface::point_to_point("core2", 20),
        PeerInterface::passive("lan", 10),
    ];
    let frr = lab.frr(&router, &PeerConfig::new("10.255.0.1", interfaces));
    let mut second = NodeConfig::border(2, "up2", "10.2.0.1/30");
    second.yaml = second.yaml.replace("{hello", "{cost: 20, hello");
    let n1 = lab.node(&a, NodeConfig::border(1, "up1", "10.1.0.1/30"));
    let n2 = lab.node(&b, second);
    let n3 = lab.node(&c, NodeConfig::inside(3));
    await_cluster(&[&n1, &n2, &n3]);
    frr.await_full("10.77.0.1");
    frr.await_full("10.77.0.2");
    n3.await_way("192.168.1.2", "lsm0", "10.77.0.1");
    await_cable(&router, "core1");
    // FRR's last word of the start may come with its retransmission, five seconds later.
    await_same_database("0.0.0.0", &[&n1, &n2], &[&*frr]);
    Ping::await_answer(&c, "192.168.1.2");

    let receivers = [&host, &c].map(|end| end.spawn(&["python3", "-c", RECEIVER]));
    let senders = [(&c, "192.168.1.2"), (&host, "10.77.0.3")]
        .map(|(end, to)| end.spawn(&["python3", "-c", SENDER, to]));
    // The load: TCP as fast as it goes, which the kill interrupts too.
    let server = host.spawn(&["iperf3", "--server"]);
    let load = c.spawn(&["iperf3", "--client", "192.168.1.2", "--time", "60"]);
    let last = |index: usize| -> (u64, f64) {
        let output = receivers[index].output();
        let line = output.lines().last().unwrap_or_default().split_once(' ').unwrap_or_default();
        (line.0.parse().unwrap_or_default(), line.1.parse().unwrap_or_default())
    };
    let await_more = |index: usize| {
        let wanted = last(index).0 + 1000;
        wait("datagrams arrive", Duration::from_secs(60), || {
            if last(index).0 >= wanted {
                Ok(())
            } else {
                Err(receivers[index].output().lines().last().unwrap_or_default().to_owned())
            }
        });
    };
    await_more(0);
    await_more(1);
    n1.kill();
    // Both directions are there again before the longest silence is read.
    n3.await_way("192.168.1.2", "lsm0", "10.77.0.2");
    await_more(0);
    await_cable(&router, "core2");
    await_more(1);
    drop((senders, server, load));
    (last(0).1, last(1).1)
}

/// Waits until the router's kernel sends packets for node 3 by a cable.
fn await_cable(router: &Namespace, cable: &str) {
    wait(&format!("the router goes by {cable}"), Duration::from_secs(60), || {
        let route = router.try_run(&["ip", "route", "get", "10.77.0.3"]);
        if route.stdout.contains(cable) { Ok(()) } else { Err(route.text()) }
    });
}
