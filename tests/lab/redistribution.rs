//! Routes from outside OSPF that a node announces: what real routers make of them.

use std::time::Duration;

use isthmus_tests::lab::{self, Frr, Node, NodeConfig, Peer, PeerConfig, PeerInterface, Ping, wait};
use serde_json::{Value, json};

const NODE: &str = "10.255.0.9";
const FRR: &str = "10.255.0.1";
const BIRD: &str = "10.255.0.2";

/// Two cables to routers; `shop`, on which OSPF does not run, with a network behind its host.
fn yaml(ospf: &str, routes: &str) -> String {
    format!(
        "ospf: {{ router-id: {NODE}, {ospf} }}
interfaces:
  - {{ name: up1, address: 10.1.0.1/30, ospf: {{ hello-interval: 1, dead-interval: 4 }} }}
  - {{ name: up2, address: 10.2.0.1/30, ospf: {{ hello-interval: 1, dead-interval: 4 }} }}
  - {{ name: shop, address: 172.16.9.1/24, ospf: {{ enabled: false }} }}
static-routes: [{routes}]
"
    )
}

const EVERYTHING: &str = "redistribute: {
    connected: { metric: 30, metric-type: 1, tag: 77 },
    static: { tag: 4000000000, filter: [{ ip-prefix: 172.20.0.0/16, mask-length-upper: 24 }] } },
  default-information-originate: { metric: 5 }";
const ROUTES: &str = "{ destination-prefix: 172.20.1.0/24, next-hop: 172.16.9.2 },
  { destination-prefix: 172.21.1.0/24, next-hop: 172.16.9.2 },
  { destination-prefix: 0.0.0.0/0, next-hop: 172.16.9.2 }";
const WITHOUT_DEFAULT: &str = "{ destination-prefix: 172.20.1.0/24, next-hop: 172.16.9.2 },
  { destination-prefix: 172.21.1.0/24, next-hop: 172.16.9.2 }";

/// FRR's route to a prefix: type, costs and tag.
fn frr_route(frr: &Frr, prefix: &str) -> Result<Value, String> {
    let routes = frr.json("show ip ospf route")?;
    let route = routes.get(prefix).ok_or_else(|| format!("{prefix}: {routes}"))?;
    Ok(json!([route["routeType"], route["cost"], route["type2cost"], route["tag"]]))
}

fn await_frr(frr: &Frr, prefix: &str, wanted: &Value) {
    wait(&format!("FRR has {prefix} as {wanted}"), Duration::from_secs(60), || {
        let route = frr_route(frr, prefix)?;
        if route == *wanted { Ok(()) } else { Err(route.to_string()) }
    });
}

fn await_gone(peer: &dyn Peer, prefix: &str) {
    wait(&format!("{prefix} is gone"), Duration::from_secs(60), || match peer.kernel_routes(prefix) {
        routes if routes.is_empty() => Ok(()),
        routes => Err(routes),
    });
}

/// How often adjacencies of the node have changed their state.
fn neighbor_changes(node: &Node) -> usize {
    node.list("/events/recent?type=nbr-state-change", "event").unwrap().len()
}

/// Input: a node between FRR and BIRD, with a network without OSPF, two routes by hand of which a filter lets one pass,
/// and a default route by hand. Output: FRR and BIRD have the network as type 1, the route as type 2 with its tag, the
/// default route, and not the other one; both reach the host. The default route by hand goes, then everything: the routes
/// go at both, and no adjacency changes its state; `always` brings the default route without one by hand.
#[test]
fn frr_and_bird_learn_what_a_node_redistributes() {
    lab::run("redistribution", |lab| {
        let [space, r1, r2, shop] = ["n9", "r1", "r2", "shop"].map(|name| lab.namespace(name));
        for (router, number) in [(&r1, 1), (&r2, 2)] {
            lab.cable((&space, &format!("up{number}")), (router, "core"));
            router.address("core", &format!("10.{number}.0.2/30"));
        }
        lab.cable((&space, "shop"), (&shop, "eth0"));
        shop.address("eth0", "172.16.9.2/24");
        shop.address("lo", "172.20.1.1/32");
        shop.ip(&["route", "add", "10.0.0.0/8", "via", "172.16.9.1"]);
        let router = |id| PeerConfig::new(id, vec![PeerInterface::point_to_point("core", 10)]);
        let frr = lab.frr(&r1, &router(FRR));
        let bird = lab.bird(&r2, &router(BIRD));
        let node = lab.node(&space, NodeConfig::router(yaml(EVERYTHING, ROUTES)));
        node.await_ready();
        node.await_full("up1", FRR);
        node.await_full("up2", BIRD);

        await_frr(&frr, "172.16.9.0/24", &json!(["N E1", 40, Value::Null, 77]));
        await_frr(&frr, "172.20.1.0/24", &json!(["N E2", 10, 20, 4_000_000_000_u32]));
        await_frr(&frr, "0.0.0.0/0", &json!(["N E2", 10, 5, 0]));
        for prefix in ["172.16.9.0/24", "172.20.1.0/24", "default"] {
            bird.await_route(prefix);
        }
        let shown = bird.show("route for 172.20.1.1 all");
        assert!(shown.contains("OSPF-E2") && shown.contains("OSPF.tag: 0xee6b2800"), "{shown}");
        let shown = bird.show("route for 172.16.9.2 all");
        assert!(shown.contains("OSPF-E1") && shown.contains("OSPF.metric1: 40"), "{shown}");
        for peer in [&*frr as &dyn Peer, &*bird] {
            assert_eq!(peer.kernel_routes("172.21.1.0/24"), "", "the filter lets it not pass");
        }
        for router in [&r1, &r2] {
            Ping::await_answer(router, "172.20.1.1");
        }
        let instance = node.get("/ospf").unwrap();
        assert_eq!(instance["as-boundary-router"], true, "{instance}");
        let routes = node.ospf_routes().unwrap();
        assert!(!routes.contains_key("172.20.1.0/24"), "its own come not back: {routes:?}");

        let changes = neighbor_changes(&node);
        node.configure(&yaml(EVERYTHING, WITHOUT_DEFAULT));
        node.hang_up();
        for peer in [&*frr as &dyn Peer, &*bird] {
            await_gone(peer, "default");
            peer.await_route("172.20.1.0/24");
        }
        shop.ip(&["link", "set", "eth0", "down"]);
        for peer in [&*frr as &dyn Peer, &*bird] {
            await_gone(peer, "172.16.9.0/24");
            await_gone(peer, "172.20.1.0/24");
        }
        shop.ip(&["link", "set", "eth0", "up"]);
        for peer in [&*frr as &dyn Peer, &*bird] {
            peer.await_route("172.20.1.0/24");
        }
        let always = "default-information-originate: { always: true, metric-type: 1, metric: 9 }";
        node.configure(&yaml(always, WITHOUT_DEFAULT));
        node.hang_up();
        await_frr(&frr, "0.0.0.0/0", &json!(["N E1", 19, Value::Null, 0]));
        for peer in [&*frr as &dyn Peer, &*bird] {
            await_gone(peer, "172.20.1.0/24");
        }
        node.configure(&yaml("", WITHOUT_DEFAULT));
        node.hang_up();
        for peer in [&*frr as &dyn Peer, &*bird] {
            await_gone(peer, "default");
        }
        wait("it is no AS boundary router any more", Duration::from_secs(10), || {
            let instance = node.get("/ospf")?;
            if instance["as-boundary-router"] == false { Ok(()) } else { Err(instance.to_string()) }
        });
        assert_eq!(neighbor_changes(&node), changes, "adjacencies stayed");
    });
}
