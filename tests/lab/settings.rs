//! What differs between a node and a real router on a cable is named, with both values, until it is mended.

use std::rc::Rc;
use std::time::Duration;

use isthmus_tests::lab::{
    self, Lab, Namespace, Node, NodeConfig, Peer, PeerConfig, PeerInterface, await_mismatch,
    await_no_mismatch, wait,
};

const NODE: &str = "10.255.0.9";
const FRR: &str = "10.255.0.1";
const BIRD: &str = "10.255.0.2";

/// A plain router between FRR and BIRD.
struct Between {
    node: Rc<Node>,
    frr: Rc<lab::Frr>,
    frr_space: Rc<Namespace>,
    bird: Rc<lab::Bird>,
}

fn node_yaml(more: &str) -> String {
    let mut yaml = format!("ospf: {{router-id: {NODE}}}\ninterfaces:\n");
    for number in [1, 2] {
        yaml.push_str(&format!(
            "  - name: up{number}\n    address: 10.{number}.0.1/30\n    ospf: {{hello-interval: 1, dead-interval: 4{more}}}\n"
        ));
    }
    yaml
}

fn bird_config(hello_interval: u16, dead_interval: u16) -> PeerConfig {
    let interface =
        PeerInterface { hello_interval, dead_interval, ..PeerInterface::point_to_point("core", 10) };
    PeerConfig::new(BIRD, vec![interface])
}

impl Between {
    fn build(lab: &Lab, prepare: impl FnOnce(&Namespace), frr: PeerInterface, bird: &PeerConfig) -> Self {
        let [space, f, b] = ["n9", "r1", "r2"].map(|name| lab.namespace(name));
        for (router, number) in [(&f, 1), (&b, 2)] {
            lab.cable((&space, &format!("up{number}")), (router, "core"));
            router.address("core", &format!("10.{number}.0.2/30"));
        }
        prepare(&f);
        let frr = lab.frr(&f, &PeerConfig::new(FRR, vec![frr]));
        let bird = lab.bird(&b, bird);
        let node = lab.node(&space, NodeConfig::router(node_yaml("")));
        node.await_ready();
        Self { node, frr, frr_space: f, bird }
    }

    fn await_full_with_frr(&self) {
        self.node.await_full("up1", FRR);
        self.frr.await_full(NODE);
        await_no_mismatch(&self.node, "up1");
    }
}

/// Input: FRR on a device of a larger MTU, then of a smaller one, then of the same. Output: no adjacency, and both MTUs
/// named, each time; Full with `mtu-ignore` here against the larger, and without it with the same MTU.
#[test]
fn another_mtu_is_named_and_healed() {
    lab::run("mtu", |lab| {
        let mtu = |space: &Namespace, mtu: &str| drop(space.ip(&["link", "set", "core", "mtu", mtu]));
        let larger = |space: &Namespace| mtu(space, "2000");
        let interface = PeerInterface::point_to_point("core", 10);
        let between = Between::build(lab, larger, interface, &bird_config(1, 4));
        let (node, frr) = (&between.node, &between.frr);
        await_mismatch(node, "up1", "10.1.0.2", "mtu-mismatch", "1500", "2000");
        assert!(!frr.neighbor_state(NODE).unwrap_or_default().starts_with("Full"));
        node.await_full("up2", BIRD);

        node.kill();
        node.configure(&node_yaml(", mtu-ignore: true"));
        node.start();
        // FRR takes the smaller MTU of the node; the node now takes the larger one.
        between.await_full_with_frr();

        node.kill();
        node.configure(&node_yaml(""));
        mtu(&between.frr_space, "1400");
        frr.kill_daemon();
        frr.start_daemon();
        node.start();
        await_mismatch(node, "up1", "10.1.0.2", "mtu-mismatch", "1500", "1400");
        mtu(&between.frr_space, "1500");
        frr.kill_daemon();
        frr.start_daemon();
        between.await_full_with_frr();
    });
}

/// Input: FRR and BIRD with other hello intervals, then other dead intervals, then the same. Output: no neighbor, and
/// both values named; Full, and nothing named any more.
#[test]
fn other_timers_are_named_and_healed() {
    lab::run("timers", |lab| {
        let interface = PeerInterface {
            hello_interval: 2,
            dead_interval: 8,
            ..PeerInterface::point_to_point("core", 10)
        };
        let between = Between::build(lab, |_| {}, interface, &bird_config(3, 9));
        let (node, frr) = (&between.node, &between.frr);
        await_mismatch(node, "up1", "10.1.0.2", "hello-interval-mismatch", "1", "2");
        await_mismatch(node, "up2", "10.2.0.2", "hello-interval-mismatch", "1", "3");
        assert_eq!(node.full().unwrap(), []);

        frr.configure(&["interface core", "ip ospf hello-interval 1"]);
        between.bird.configure(&bird_config(1, 9));
        await_mismatch(node, "up1", "10.1.0.2", "dead-interval-mismatch", "4", "8");
        await_mismatch(node, "up2", "10.2.0.2", "dead-interval-mismatch", "4", "9");

        frr.configure(&["interface core", "ip ospf dead-interval 4"]);
        between.bird.configure(&bird_config(1, 4));
        between.await_full_with_frr();
        node.await_full("up2", BIRD);
        await_no_mismatch(node, "up2");
        wait("the events are remembered", Duration::from_secs(20), || {
            let events = node.cli(&["show", "events"]);
            let told = [
                "HelloInterval differs: 1 s here, 2 s there",
                "RouterDeadInterval differs: 4 s here, 9 s there",
            ];
            if told.iter().all(|words| events.contains(words)) { Ok(()) } else { Err(events) }
        });
    });
}
