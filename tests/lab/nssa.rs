//! Not-so-stubby areas (RFC 3101) with real routers: the node as border router, and as a router inside.

use std::time::Duration;

use isthmus_tests::lab::{self, Frr, Node, NodeConfig, Peer, PeerConfig, PeerInterface, Ping, wait};
use serde_json::Value;

const NODE: &str = "10.255.0.9";
const NSSA: &str = "0.0.0.7";
const OTHER_NSSA: &str = "0.0.0.8";
/// BIRD announces it, with this tag.
const BIRD_STATIC: &str = "protocol static { ipv4; route 172.30.3.0/24 via 192.168.3.9 { ospf_metric1 = 17; ospf_tag = 4711; }; }\n";

const BORDER: &str = "ospf:
  router-id: 10.255.0.9
  areas:
    - { area-id: 0.0.0.7, area-type: nssa-area, default-cost: 9 }
    - { area-id: 0.0.0.8, area-type: nssa-area, summary: false, default-cost: 5 }
interfaces:
  - { name: up1, address: 10.1.0.1/30, ospf: { hello-interval: 1, dead-interval: 4 } }
  - { name: up2, address: 10.2.0.1/30, ospf: { area-id: 0.0.0.7, hello-interval: 1, dead-interval: 4 } }
  - { name: up3, address: 10.3.0.1/30, ospf: { area-id: 0.0.0.8, hello-interval: 1, dead-interval: 4 } }
";

/// The node inside a not-so-stubby area, with routes by hand to announce.
fn inside(routes: &str) -> String {
    format!(
        "ospf: {{ router-id: {NODE}, redistribute: {{ static: {{ metric: 6, tag: 99, filter: [{{ ip-prefix: 172.20.0.0/16, mask-length-upper: 24 }}] }} }},
  areas: [{{ area-id: {NSSA}, area-type: nssa-area }}] }}
interfaces:
  - {{ name: up1, address: 10.1.0.1/30, ospf: {{ area-id: {NSSA}, hello-interval: 1, dead-interval: 4 }} }}
  - {{ name: up2, address: 10.2.0.1/30, ospf: {{ area-id: {NSSA}, hello-interval: 1, dead-interval: 4 }} }}
  - {{ name: shop, address: 172.16.9.1/24, ospf: {{ enabled: false }} }}
static-routes: [{routes}]
"
    )
}

/// A router whose cable to the node is in one area, and whose network is in another.
fn peer(router_id: &'static str, core: &'static str, lan: &'static str) -> PeerConfig {
    let interfaces = vec![
        PeerInterface::point_to_point("core", 10).in_area(core),
        PeerInterface::passive("lan", 10).in_area(lan),
    ];
    PeerConfig::new(router_id, interfaces)
}

fn await_frr(frr: &Frr, prefix: &str, kind: &str, metric: u64, tag: u64) {
    wait(&format!("FRR has {prefix}"), Duration::from_secs(60), || {
        let routes = frr.json("show ip ospf route")?;
        let route = &routes[prefix];
        let metrics = [&route["cost"], &route["type2cost"]].map(Value::as_u64);
        let found = route["routeType"] == *kind && metrics.contains(&Some(metric)) && route["tag"] == tag;
        if found { Ok(()) } else { Err(routes.to_string()) }
    });
}

/// The node's route of that type.
fn await_node(node: &Node, prefix: &str, kind: &str) {
    wait(&format!("the node has {prefix}"), Duration::from_secs(60), || {
        let routes = node.ospf_routes()?;
        let route = routes.get(prefix).ok_or_else(|| format!("{routes:?}"))?;
        if route["route-type"] == *kind { Ok(()) } else { Err(route.to_string()) }
    });
}

fn await_shown(what: &str, shown: impl Fn() -> String, wanted: &str, is_there: bool) {
    wait(what, Duration::from_secs(60), || match shown() {
        text if text.contains(wanted) == is_there => Ok(()),
        text => Err(text),
    });
}

/// Input: FRR in the backbone; FRR in a not-so-stubby area, announcing what it has at hand; BIRD in one without summaries,
/// announcing a route with metric and tag. Output: the node has both as routes of those areas and translates them, FRR in the
/// backbone has them with metric and tag and reaches the hosts; the FRR inside has the summaries, and the default route as
/// type 7, and nothing from outside; BIRD the default route alone; what goes inside goes in the backbone. A router that takes
/// the area for a stub area is no neighbor.
#[test]
fn a_node_translates_what_frr_and_bird_announce_in_not_so_stubby_areas() {
    lab::run("nssa-border", |lab| {
        let [space, r1, r2, r3] = ["n9", "r1", "r2", "r3"].map(|name| lab.namespace(name));
        for (router, number) in [(&r1, 1), (&r2, 2), (&r3, 3)] {
            lab.cable((&space, &format!("up{number}")), (router, "core"));
            lab.cable((router, "lan"), (router, "lan-end"));
            router.address("core", &format!("10.{number}.0.2/30"));
            router.address("lan", &format!("192.168.{number}.1/24"));
        }
        r1.address("lo", "198.18.0.1/32");
        r2.address("lo", "172.30.2.1/32");
        r3.address("lo", "172.30.3.1/32");
        let backbone = lab.frr(&r1, &peer("10.255.0.1", "0.0.0.0", "0.0.0.0"));
        backbone.configure(&["router ospf", "redistribute connected"]);
        let nssas = vec![(NSSA, "")];
        let frr = lab.frr(&r2, &PeerConfig { nssas, ..peer("10.255.0.2", NSSA, NSSA) });
        frr.configure(&["router ospf", "redistribute connected metric 33 metric-type 1"]);
        let nssas = vec![(OTHER_NSSA, "")];
        let bird_config =
            PeerConfig { nssas, bird: BIRD_STATIC, ..peer("10.255.0.3", OTHER_NSSA, OTHER_NSSA) };
        let bird = lab.bird(&r3, &bird_config);
        let node = lab.node(&space, NodeConfig::router(BORDER.to_owned()));
        node.await_ready();
        for (interface, id) in [("up1", "10.255.0.1"), ("up2", "10.255.0.2"), ("up3", "10.255.0.3")] {
            node.await_full(interface, id);
        }

        await_node(&node, "172.30.2.1/32", "nssa-1");
        await_node(&node, "172.30.3.0/24", "nssa-1");
        // Over the node at cost 10, from there to the forwarding address.
        await_frr(&backbone, "172.30.2.1/32", "N E1", 10 + 10 + 33, 0);
        wait("FRR in the backbone has BIRD's", Duration::from_secs(60), || {
            let routes = backbone.json("show ip ospf route")?;
            let route = &routes["172.30.3.0/24"];
            let found = route["routeType"] == "N E1" && route["tag"] == 4711;
            if found { Ok(()) } else { Err(routes.to_string()) }
        });
        let type_5 = backbone.show("show ip ospf database external 172.30.3.0");
        assert!(type_5.contains(&format!("Advertising Router: {NODE}")), "{type_5}");
        for host in ["172.30.2.1", "172.30.3.1"] {
            Ping::await_answer(&r1, host);
        }
        await_frr(&frr, "0.0.0.0/0", "N E1", 10 + 9, 0);
        frr.await_route("192.168.1.0/24");
        bird.await_route("default");
        for (peer, prefix) in
            [(&*frr as &dyn Peer, "198.18.0.1"), (&*bird, "192.168.1.0/24"), (&*bird, "198.18.0.1")]
        {
            assert_eq!(peer.kernel_routes(prefix), "", "{prefix}");
        }
        for router in [&r2, &r3] {
            Ping::await_answer(router, "198.18.0.1");
        }
        let areas = node.list("/ospf/areas", "area").unwrap();
        let shown: Vec<_> = areas.iter().map(|area| (&area["area-type"], &area["nssa-translator"])).collect();
        assert_eq!(shown[1], (&Value::from("nssa-area"), &Value::from(true)), "{areas:?}");

        r2.ip(&["address", "del", "172.30.2.1/32", "dev", "lo"]);
        backbone.await_no_route("172.30.2.1");
        bird.configure(&PeerConfig { nssas: vec![], stub_areas: vec![OTHER_NSSA], bird: "", ..bird_config });
        lab::await_mismatch(
            &node,
            "up3",
            "10.3.0.2",
            "option-mismatch",
            "not-so-stubby (N-bit)",
            "stub (no E-bit)",
        );
        backbone.await_no_route("172.30.3.0/24");
        node.await_full("up2", "10.255.0.2");
    });
}

/// Input: the node inside a not-so-stubby area with FRR and BIRD as border routers, which always translate; a route by hand.
/// Output: both have it with metric and tag as a route of the area, both announce it as type 5 with the node's address as
/// forwarding address; the node has their default routes; the route goes, and theirs go.
#[test]
fn frr_and_bird_translate_what_a_node_announces_in_a_not_so_stubby_area() {
    lab::run("nssa-inside", |lab| {
        let [space, r1, r2, shop] = ["n9", "r1", "r2", "shop"].map(|name| lab.namespace(name));
        for (router, number) in [(&r1, 1), (&r2, 2)] {
            lab.cable((&space, &format!("up{number}")), (router, "core"));
            lab.cable((router, "lan"), (router, "lan-end"));
            router.address("core", &format!("10.{number}.0.2/30"));
            router.address("lan", &format!("192.168.{number}.1/24"));
        }
        lab.cable((&space, "shop"), (&shop, "eth0"));
        shop.address("eth0", "172.16.9.2/24");
        shop.address("lo", "172.20.1.1/32");
        shop.ip(&["route", "add", "10.0.0.0/8", "via", "172.16.9.1"]);
        let nssas = vec![(NSSA, "translate-always")];
        let frr = lab.frr(&r1, &PeerConfig { nssas, ..peer("10.255.0.1", NSSA, "0.0.0.0") });
        let nssas = vec![(NSSA, "translator yes; summary yes; default nssa yes; default cost 3;")];
        let bird = lab.bird(&r2, &PeerConfig { nssas, ..peer("10.255.0.2", NSSA, "0.0.0.0") });
        let route = "{ destination-prefix: 172.20.1.0/24, next-hop: 172.16.9.2 }";
        let node = lab.node(&space, NodeConfig::router(inside(route)));
        node.await_ready();
        node.await_full("up1", "10.255.0.1");
        node.await_full("up2", "10.255.0.2");

        await_frr(&frr, "172.20.1.0/24", "N E2", 6, 99);
        bird.await_route("172.20.1.0/24");
        let shown = bird.show("route for 172.20.1.1 all");
        assert!(shown.contains("OSPF-E2") && shown.contains("OSPF.tag: 0x00000063"), "{shown}");
        let type_5 = || frr.show("show ip ospf database external 172.20.1.0 self-originate");
        await_shown("FRR translates", type_5, "Forward Address: 10.1.0.1", true);
        let translated = || bird.show("ospf lsadb global self");
        await_shown("BIRD translates", translated, "172.20.1", true);
        for router in [&r1, &r2] {
            Ping::await_answer(router, "172.20.1.1");
        }
        // FRR announces its default route in a summary also beside the others.
        await_node(&node, "0.0.0.0/0", "inter-area");
        await_node(&node, "192.168.1.0/24", "inter-area");

        node.configure(&inside(""));
        node.hang_up();
        for peer in [&*frr as &dyn Peer, &*bird] {
            peer.await_no_route("172.20.1.0/24");
        }
        await_shown("FRR translates no more", type_5, "Forward Address", false);
        await_shown("BIRD translates no more", translated, "172.20.1", false);
        node.await_full("up1", "10.255.0.1");
        node.await_full("up2", "10.255.0.2");
        r1.ip(&["link", "set", "core", "down"]);
        await_node(&node, "0.0.0.0/0", "nssa-1");
    });
}
