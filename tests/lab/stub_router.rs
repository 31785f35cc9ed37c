//! A node that other routers' traffic shall go around (RFC 6987), and comes back to.

use std::time::Duration;

use isthmus_tests::lab::{
    self, Bird, Frr, Lab, Namespace, Node, NodeConfig, Peer, PeerConfig, PeerInterface, Ping, wait,
};
use std::rc::Rc;

/// FRR and BIRD have two ways to each other: by node A at cost 20, by node B at cost 60.
const LAN: [&str; 2] = ["192.168.1.0/24", "192.168.2.0/24"];

struct Square {
    frr: Rc<Frr>,
    bird: Rc<Bird>,
    r1: Rc<Namespace>,
    a: Rc<Node>,
}

fn yaml(side: u8, cost: u8, further: &str) -> String {
    format!(
        "ospf: {{ router-id: 10.255.0.{side}9{further} }}
interfaces:
  - {{ name: up1, address: 10.{side}.1.1/30, ospf: {{ cost: {cost}, hello-interval: 1, dead-interval: 4 }} }}
  - {{ name: up2, address: 10.{side}.2.1/30, ospf: {{ cost: {cost}, hello-interval: 1, dead-interval: 4 }} }}
  - {{ name: lan, address: 172.16.{side}.1/24, ospf: {{ passive: true }} }}
"
    )
}

fn build(lab: &Lab, further: &str) -> Square {
    let [space_a, space_b, r1, r2] = ["na", "nb", "r1", "r2"].map(|name| lab.namespace(name));
    for (side, node) in [(1, &space_a), (2, &space_b)] {
        for (number, router) in [(1, &r1), (2, &r2)] {
            lab.cable((node, &format!("up{number}")), (router, &format!("core{side}")));
            router.address(&format!("core{side}"), &format!("10.{side}.{number}.2/30"));
        }
        lab.cable((node, "lan"), (node, "lan-end"));
    }
    for (number, router) in [(1, &r1), (2, &r2)] {
        lab.cable((router, "lan"), (router, "lan-end"));
        router.address("lan", &format!("192.168.{number}.1/24"));
    }
    let config = |id| {
        let interfaces = vec![
            PeerInterface::point_to_point("core1", 10),
            PeerInterface::point_to_point("core2", 50),
            PeerInterface::passive("lan", 10),
        ];
        PeerConfig::new(id, interfaces)
    };
    let frr = lab.frr(&r1, &config("10.255.0.1"));
    let bird = lab.bird(&r2, &config("10.255.0.2"));
    let a = lab.node(&space_a, NodeConfig::router(yaml(1, 10, further)));
    let b = lab.node(&space_b, NodeConfig::router(yaml(2, 10, "")));
    for node in [&a, &b] {
        node.await_ready();
        node.await_full("up1", "10.255.0.1");
        node.await_full("up2", "10.255.0.2");
    }
    Square { frr, bird, r1, a }
}

/// The next hops of FRR and BIRD to each other's network are on this side.
fn await_side(square: &Square, side: u8) {
    let peers = [(&*square.frr as &dyn Peer, LAN[1], 1), (&*square.bird, LAN[0], 2)];
    for (peer, prefix, number) in peers {
        let wanted = format!("via 10.{side}.{number}.1 ");
        wait(&format!("{prefix} {wanted}"), Duration::from_secs(60), || {
            let routes = peer.kernel_routes(prefix);
            if routes.contains(&wanted) { Ok(()) } else { Err(format!("{routes}\n{}", peer.state())) }
        });
    }
}

/// Input: two ways between FRR and BIRD, the cheaper by node A; A is made a stub router by command, and none again.
/// Output: traffic goes by B, and by A again; A's own network is reached by A all the time; no adjacency is lost.
#[test]
fn traffic_goes_around_a_stub_router_and_to_it() {
    lab::run("stub-router", |lab| {
        let square = build(lab, "");
        await_side(&square, 1);
        let changes = || square.a.list("/events/recent?type=nbr-state-change", "event").unwrap().len();
        let before = changes();
        let answer = square.a.cli(&["ospf", "stub-router", "on"]);
        assert!(answer.contains("ospf.stub-router.always"), "{answer}");
        await_side(&square, 2);
        square.frr.await_route("172.16.1.0/24");
        Ping::await_answer(&square.r1, "172.16.1.1");
        assert!(square.a.cli(&["show", "ospf"]).contains("stub router"));
        square.a.cli(&["ospf", "stub-router", "off"]);
        await_side(&square, 1);
        assert_eq!(changes(), before, "adjacencies stayed");
    });
}

/// Input: node A with `on-startup` and `on-shutdown`. Output: traffic goes by B while A is young, then by A; by B again
/// when A is told to stop, before its adjacencies are gone; then A ends by itself.
#[test]
fn a_node_is_a_stub_router_after_its_start_and_before_its_end() {
    lab::run("stub-router-times", |lab| {
        let square = build(lab, ", stub-router: { on-startup: 12, on-shutdown: 8 }");
        await_side(&square, 2);
        await_side(&square, 1);
        square.a.signal(rustix::process::Signal::TERM);
        await_side(&square, 2);
        for peer in [&*square.frr as &dyn Peer, &*square.bird] {
            let state = peer.neighbor_state("10.255.0.19").unwrap();
            assert!(state.starts_with("Full"), "{state}");
        }
        wait("the node ends", Duration::from_secs(30), || match square.a.status() {
            Some(status) if status.success() => Ok(()),
            other => Err(format!("{other:?}")),
        });
        let state = square.frr.neighbor_state("10.255.0.19").unwrap_or_default();
        assert!(!state.starts_with("Full"), "it has taken leave: {state}");
    });
}

/// Input: a node with a long `on-shutdown` is told to stop, and once more. Output: it takes leave and ends at once.
#[test]
fn a_node_that_is_told_twice_does_not_wait() {
    lab::run("stub-router-twice", |lab| {
        let square = build(lab, ", stub-router: { on-shutdown: 3600 }");
        await_side(&square, 1);
        square.a.signal(rustix::process::Signal::TERM);
        await_side(&square, 2);
        assert!(square.a.status().is_none(), "it goes on as a stub router");
        square.a.signal(rustix::process::Signal::TERM);
        wait("the node ends", Duration::from_secs(30), || match square.a.status() {
            Some(status) if status.success() => Ok(()),
            other => Err(format!("{other:?}")),
        });
        let state = square.frr.neighbor_state("10.255.0.19").unwrap_or_default();
        assert!(!state.starts_with("Full"), "it has taken leave: {state}");
    });
}
