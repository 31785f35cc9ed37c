//! TCP between two kernels: through the TAPs and the fabric, in turn with a veth pair.

use isthmus_tests::lab::{Iperf, Lab, NodeConfig, Ping, await_cluster};

use crate::in_lab;
use crate::row::{Row, Target};

pub(crate) fn measure(runs: usize) -> Vec<Row> {
    let (ours, theirs) = in_lab("m-tcp", |lab| alternate(lab, runs));
    vec![Row {
        name: "tap-tcp",
        state: "all",
        unit: "Gbit/s",
        ours,
        peer: "veth",
        theirs,
        target: Target::AtLeast(0.8),
        dropped: 0,
    }]
}

fn alternate(lab: &Lab, runs: usize) -> (Vec<f64>, Vec<f64>) {
    let [a, b, c, d] = ["n1", "n2", "c", "d"].map(|name| lab.namespace(name));
    let nodes = [lab.node(&a, NodeConfig::inside(1)), lab.node(&b, NodeConfig::inside(2))];
    await_cluster(&[&nodes[0], &nodes[1]]);
    lab.cable((&c, "x"), (&d, "x"));
    c.address("x", "10.8.0.1/24");
    d.address("x", "10.8.0.2/24");
    Ping::await_answer(&a, "10.77.0.2");
    Ping::await_answer(&c, "10.8.0.2");
    let gigabits = |iperf: Iperf| iperf.bits_per_second / 1e9;
    let options = ["--time", "5"];
    (0..runs)
        .map(|_| {
            let fabric = gigabits(Iperf::run(&a, &b, "10.77.0.2", &options));
            (fabric, gigabits(Iperf::run(&c, &d, "10.8.0.2", &options)))
        })
        .unzip()
}
