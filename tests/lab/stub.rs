//! Stub areas behind a node: what real routers learn in them, and what they do not.

use std::time::Duration;

use isthmus_tests::lab::{
    self, Frr, NodeConfig, Peer, PeerConfig, PeerInterface, Ping, await_mismatch, await_same_database, wait,
};
use serde_json::Value;

const NODE: &str = "10.255.0.9";
/// What the backbone's router announces from outside OSPF.
const EXTERNAL: &str = "198.18.0.1";

const YAML: &str = "ospf:
  router-id: 10.255.0.9
  areas:
    - {area-id: 0.0.0.7, area-type: stub-area, summary: false, default-cost: 9}
    - {area-id: 0.0.0.8, area-type: stub-area}
interfaces:
  - {name: up1, address: 10.1.0.1/30, ospf: {hello-interval: 1, dead-interval: 4}}
  - {name: up2, address: 10.2.0.1/30, ospf: {area-id: 0.0.0.7, hello-interval: 1, dead-interval: 4}}
  - {name: up3, address: 10.3.0.1/30, ospf: {area-id: 0.0.0.8, hello-interval: 1, dead-interval: 4}}
";

fn config(number: u8, area: &'static str, stub: bool) -> PeerConfig {
    let interfaces = vec![
        PeerInterface::point_to_point("core", 10).in_area(area),
        PeerInterface::passive("lan", 10).in_area(area),
    ];
    let stub_areas = if stub { vec![area] } else { Vec::new() };
    let router_id = ["10.255.0.1", "10.255.0.2", "10.255.0.3"][usize::from(number) - 1];
    PeerConfig { stub_areas, ..PeerConfig::new(router_id, interfaces) }
}

/// The summaries in FRR's database of an area, by link state id.
fn summaries(frr: &Frr, area: &str) -> Result<Vec<String>, String> {
    let database = frr.database(area)?;
    Ok(database.into_iter().filter(|key| key.0 == "ospfv2-network-summary-lsa").map(|key| key.1).collect())
}

/// Input: FRR in the backbone with a network of its own and one from outside OSPF; FRR in a totally stubby area; BIRD in
/// a stub area. Output: the totally stubby FRR has the default route of cost 9 and no other from the node; BIRD has the
/// default and the backbone's network; neither has anything of the outside, both reach it; a router that takes the area
/// for a normal one is no neighbor, and the node says why.
#[test]
fn routers_in_stub_areas_have_the_default_route_for_the_outside() {
    lab::run("stub", |lab| {
        let [space, r1, r2, r3] = ["n9", "r1", "r2", "r3"].map(|name| lab.namespace(name));
        for (router, number) in [(&r1, 1), (&r2, 2), (&r3, 3)] {
            lab.cable((&space, &format!("up{number}")), (router, "core"));
            lab.cable((router, "lan"), (router, "lan-end"));
            router.address("core", &format!("10.{number}.0.2/30"));
            router.address("lan", &format!("192.168.{number}.1/24"));
        }
        r1.address("lo", &format!("{EXTERNAL}/32"));
        let backbone = lab.frr(&r1, &config(1, "0.0.0.0", false));
        backbone.configure(&["router ospf", "redistribute connected"]);
        let totally = lab.frr(&r2, &config(2, "0.0.0.7", true));
        let stub = lab.bird(&r3, &config(3, "0.0.0.8", true));
        let node = lab.node(&space, NodeConfig::router(YAML.to_owned()));
        node.await_ready();
        for (interface, id) in [("up1", "10.255.0.1"), ("up2", "10.255.0.2"), ("up3", "10.255.0.3")] {
            node.await_full(interface, id);
        }
        for peer in [&*backbone as &dyn Peer, &*totally, &*stub] {
            peer.await_full(NODE);
        }
        wait("the node has the route from outside", Duration::from_secs(60), || {
            let routes = node.ospf_routes()?;
            let route = routes.get(&format!("{EXTERNAL}/32")).ok_or_else(|| format!("{routes:?}"))?;
            if route["route-type"] == "external-2" { Ok(()) } else { Err(route.to_string()) }
        });

        totally.await_route("default");
        stub.await_route("default");
        stub.await_route("192.168.1.0/24");
        assert_eq!(summaries(&totally, "0.0.0.7").unwrap(), ["0.0.0.0"]);
        let route = totally.json("show ip ospf route").unwrap();
        // To the border router at cost 10, from there at its default cost.
        assert_eq!(route["0.0.0.0/0"]["cost"], 19, "{route}");
        assert!(totally.route_type("192.168.1.0/24").is_err());
        for (peer, prefix) in
            [(&*totally as &dyn Peer, "192.168.1.0/24"), (&*totally, EXTERNAL), (&*stub, EXTERNAL)]
        {
            assert_eq!(peer.kernel_routes(prefix), "", "{prefix}");
        }
        for router in [&r2, &r3] {
            Ping::await_answer(router, "192.168.1.1");
            Ping::await_answer(router, EXTERNAL);
        }
        backbone.await_route("192.168.2.0/24");
        backbone.await_route("192.168.3.0/24");
        await_same_database("0.0.0.7", &[&node], &[&*totally]);
        await_same_database("0.0.0.8", &[&node], &[&*stub]);
        await_same_database("0.0.0.0", &[&node], &[&*backbone]);
        let areas = node.list("/ospf/areas", "area").unwrap();
        let types: Vec<&Value> = areas.iter().map(|area| &area["area-type"]).collect();
        assert_eq!(types, ["normal-area", "stub-area", "stub-area"]);

        stub.configure(&config(3, "0.0.0.8", false));
        await_mismatch(&node, "up3", "10.3.0.2", "option-mismatch", "stub (no E-bit)", "normal (E-bit)");
        wait("BIRD is no neighbor any more", Duration::from_secs(60), || {
            let full = node.full()?;
            if full.iter().all(|(interface, _)| interface != "up3") {
                Ok(())
            } else {
                Err(format!("{full:?}"))
            }
        });
        stub.configure(&config(3, "0.0.0.8", true));
        node.await_full("up3", "10.255.0.3");
        stub.await_route("default");
    });
}
