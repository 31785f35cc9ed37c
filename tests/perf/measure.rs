//! Measurements in the lab, as one JSON document. No test asserts them: they depend on the machine, and so each stands
//! beside a measure of the machine itself where there is one.
//!
//! ```text
//! cargo build --release && cargo run --release -p isthmus-tests --example measure -- [RUNS]
//! ```
//!
//! Needs root. `RUNS` is how often the interruption is measured, 20 if not given.

#![allow(clippy::expect_used, clippy::unwrap_used, clippy::print_stdout, reason = "a program for developers")]

use std::rc::Rc;
use std::time::{Duration, Instant};

use isthmus_tests::lab::{
    self, Iperf, Lab, Namespace, Node, NodeConfig, OneExit, Peer, PeerConfig, PeerInterface, Ping,
    await_cluster, await_same_database, wait,
};
use serde_json::{Value, json};

fn main() {
    let runs = std::env::args().nth(1).and_then(|runs| runs.parse().ok()).unwrap_or(20);
    let mut report = serde_json::Map::new();
    lab::run("m-start", |lab| drop(report.insert("start".to_owned(), start(lab))));
    lab::run("m-tcp", |lab| drop(report.insert("tcp".to_owned(), tcp(lab))));
    lab::run("m-idle", |lab| drop(report.insert("idle".to_owned(), idle(lab))));
    let mut outward = Vec::new();
    let mut inward = Vec::new();
    for _ in 0..runs {
        lab::run("m-kill", |lab| {
            let (out, back) = interruption(lab);
            outward.push(out);
            inward.push(back);
        });
    }
    let interruption = json!({ "node-to-host-ms": spread(outward), "host-to-node-ms": spread(inward) });
    report.insert("interruption".to_owned(), interruption);
    println!("{:#}", Value::Object(report));
}

fn millis(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e4).round() / 10.0
}

fn spread(mut values: Vec<f64>) -> Value {
    values.sort_by(f64::total_cmp);
    let at = |share: usize| values.get((values.len().saturating_sub(1)) * share / 100).copied();
    json!({ "runs": values.len(), "least": at(0), "median": at(50), "most": at(100), "all": values })
}

/// From the start of a node to Full with an FRR that runs already (hello 1, dead 4), and to its first route at FRR.
fn start(lab: &Lab) -> Value {
    let exit = OneExit::build(lab);
    exit.n1.terminate();
    exit.outside.router.await_no_route("10.77.0.0/24");
    wait("FRR forgets the neighbor", Duration::from_secs(30), || {
        exit.outside.router.neighbor_state("10.77.0.1").map_or(Ok(()), Err)
    });
    let begin = Instant::now();
    exit.n1.start();
    let await_now = |condition: &dyn Fn() -> bool| {
        while !condition() {
            assert!(begin.elapsed() < Duration::from_secs(60), "not within a minute");
            std::thread::sleep(Duration::from_millis(2));
        }
        millis(begin.elapsed())
    };
    let full =
        await_now(&|| exit.n1.full().is_ok_and(|full| full.iter().any(|(interface, _)| interface == "up1")));
    let router = exit.outside.router.namespace();
    let route = await_now(&|| !router.ip(&["route", "show", "10.77.0.0/24", "proto", "ospf"]).is_empty());
    json!({ "full-with-frr-ms": full, "first-route-at-frr-ms": route })
}

/// One TCP connection between the kernels of two nodes, and the same between two namespaces on a virtual cable.
fn tcp(lab: &Lab) -> Value {
    let [a, b, c, d] = ["n1", "n2", "c", "d"].map(|name| lab.namespace(name));
    let nodes = [lab.node(&a, NodeConfig::inside(1)), lab.node(&b, NodeConfig::inside(2))];
    await_cluster(&[&nodes[0], &nodes[1]]);
    lab.cable((&c, "x"), (&d, "x"));
    c.address("x", "10.8.0.1/24");
    d.address("x", "10.8.0.2/24");
    Ping::await_answer(&a, "10.77.0.2");
    let gigabits = |iperf: Iperf| (iperf.bits_per_second / 1e7).round() / 100.0;
    let options = ["--time", "5"];
    let fabric = gigabits(Iperf::run(&a, &b, "10.77.0.2", &options));
    let cable = gigabits(Iperf::run(&c, &d, "10.8.0.2", &options));
    json!({ "fabric-gbit-s": fabric, "virtual-cable-gbit-s": cable, "ratio": (fabric / cable * 100.0).round() / 100.0 })
}

/// The share of a core that a node without traffic takes, over ten seconds.
fn idle(lab: &Lab) -> Value {
    let exit = OneExit::build(lab);
    std::thread::sleep(Duration::from_secs(3));
    let ticks = |node: &Rc<Node>| -> u64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", node.pid().expect("it runs"))).unwrap();
        let fields: Vec<&str> = stat.rsplit_once(") ").unwrap().1.split(' ').collect();
        fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
    };
    let before = exit.nodes().map(ticks);
    std::thread::sleep(Duration::from_secs(10));
    let after = exit.nodes().map(ticks);
    // A tick is 10 ms: over ten seconds, a tenth of a percent.
    let percent: Vec<f64> = before
        .iter()
        .zip(after)
        .map(|(before, after)| f64::from(u32::try_from(after - before).unwrap()) / 10.0)
        .collect();
    json!({ "percent-of-a-core": { "n1-with-nic": percent[0], "n2": percent[1], "n3": percent[2] } })
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
