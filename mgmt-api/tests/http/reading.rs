//! Every resource answers with the structure that the model names.

use std::sync::Arc;

use axum::body::Body;
use axum::http::{Request, StatusCode};
use isthmus_mgmt_api::model::*;
use isthmus_mgmt_api::{Access, Resource, app};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;
use tower::ServiceExt;

use crate::fake::FakeNode;
use crate::{get, listed, node, send, send_json};

/// Reads the resource into its structure and checks that nothing is lost on the way.
async fn read<T: DeserializeOwned + Serialize>(path: &str) -> T {
    let answer = get(&format!("/api/v1{path}")).await;
    assert_eq!(answer.status, StatusCode::OK, "{path}: {}", answer.text());
    assert_eq!(answer.content_type, "application/json");
    let document: T = serde_json::from_slice(&answer.body).expect(path);
    assert_eq!(serde_json::to_value(&document).unwrap(), answer.json(), "{path}");
    document
}

#[tokio::test]
async fn every_resource_that_is_listed_answers() {
    let listed = listed().await;
    assert!(listed.len() > 30, "{listed:?}");
    let has = |resource: &&Resource, method: &str| resource.methods.iter().any(|other| other == method);
    for resource in listed.iter().filter(|resource| has(resource, "GET")) {
        let path = resource.path.replace("{area}", "0.0.0.1").replace("{name}", "lsm0");
        let path = path.replace("{rib}", "ipv4-default").replace("{number}", "1");
        if path.contains('{') {
            // What must be configured first: see the tests of the configuration.
            continue;
        }
        let path = if path.ends_with("lookup") { format!("{path}?dst=192.0.2.1") } else { path };
        // Not the body: that of a stream has no end.
        let request = Request::get(&path).body(Body::empty()).unwrap();
        assert_eq!(node().oneshot(request).await.unwrap().status(), StatusCode::OK, "{path}");
    }
    for resource in &listed {
        for method in
            resource.methods.iter().filter(|method| ["PATCH", "PUT", "POST"].contains(&method.as_str()))
        {
            let path = resource.path.replace("{name}", "lsm0").replace("{area}", "0.0.0.1");
            let path = path.replace("{prefix}", "192.0.2.0%2F24").replace("{address}", "here");
            let path = path.replace("{number}", "none");
            let answer = send_json(node(), method, &path, "[").await;
            let expected = if path.ends_with("confirm") { "conflict" } else { "bad-request" };
            assert_eq!(answer.problem(), expected, "{method} {path}");
        }
    }
}

#[tokio::test]
async fn every_resource_reads_back_into_its_structure() {
    let system: System = read("/system").await;
    assert_eq!((system.role, system.node_id), (Role::Abr, Some(1)));
    assert_eq!(read::<Health>("/system/health").await.status, CheckStatus::Ok);
    assert!(read::<Readiness>("/system/ready").await.ready);
    assert_eq!(read::<Interfaces>("/interfaces").await.interface.len(), 3);
    assert_eq!(read::<Interface>("/interfaces/eth1").await.driver, "packet");
    assert_eq!(read::<InterfaceStatistics>("/interfaces/eth1/statistics").await.drops["no-route"], 4);
    assert_eq!(read::<Neighbors>("/interfaces/eth1/neighbors").await.neighbor.len(), 1);
    assert_eq!(read::<Neighbors>("/neighbors").await.neighbor.len(), 1);
    assert_eq!(read::<Routes>("/routing/ribs/ipv4-default/routes").await.route.len(), 1);
    assert_eq!(read::<Fib>("/routing/fib").await.generation, 5);
    assert_eq!(read::<Ospf>("/ospf").await.last_spf, Some(DateTime(1_000_005)));
    assert_eq!(read::<OspfAreas>("/ospf/areas").await.area.len(), 2);
    assert_eq!(read::<OspfInterfaces>("/ospf/interfaces").await.interface.len(), 2);
    assert_eq!(read::<OspfNeighbors>("/ospf/neighbors").await.neighbor.len(), 2);
    assert_eq!(read::<OspfLocalRib>("/ospf/local-rib").await.route.len(), 1);
    assert_eq!(read::<OspfBorderRouters>("/ospf/border-routers").await.border_router.len(), 1);
    assert_eq!(read::<OspfSpfLog>("/ospf/spf-log").await.event[0].start_timestamp, DateTime(1_000_005));
    assert_eq!(read::<Shm>("/shm").await.active, [1, 3]);
    assert_eq!(read::<ShmNodes>("/shm/nodes").await.node[0].state, NodeState::Active);
    assert_eq!(read::<ShmRings>("/shm/rings").await.group_ring[0].reader[0].lag, Some(1));
    assert_eq!(read::<Steering>("/steering").await.member[0].node_id, 3);
    assert_eq!(read::<Counters>("/counters").await.counter.len(), 12);
    assert_eq!(read::<Drops>("/counters/drops").await.total, 8);
}

#[tokio::test]
async fn names_are_those_of_the_yang_modules() {
    let interface = get("/api/v1/interfaces/lsm0").await.json();
    assert_eq!(interface["type"], "lsm");
    assert_eq!(interface["admin-status"], "up");
    assert_eq!(interface["address"][0]["prefix-length"], 24);
    assert_eq!(interface["statistics"]["in-unicast-pkts"], 7);
    let route = &get("/api/v1/routing/ribs/ipv4-default/routes").await.json()["route"][0];
    assert_eq!(route["destination-prefix"], "192.0.2.0/24");
    assert_eq!(route["source-protocol"], "ospf");
    assert_eq!(route["next-hops"], json!([{ "outgoing-interface": "lsm0", "next-hop": "10.71.0.3" }]));
    let ospf = get("/api/v1/ospf").await.json();
    assert_eq!((&ospf["router-id"], &ospf["area"][1]["area-id"]), (&json!("10.71.0.1"), &json!("0.0.0.1")));
}

#[tokio::test]
async fn an_area_has_only_its_own() {
    let interfaces: OspfInterfaces = read("/ospf/areas/0.0.0.1/interfaces").await;
    assert_eq!(interfaces.interface.iter().map(|i| i.view.name.as_str()).collect::<Vec<_>>(), ["lsm0"]);
    let neighbors: OspfNeighbors = read("/ospf/areas/0.0.0.0/interfaces/eth1/neighbors").await;
    assert_eq!(neighbors.neighbor.len(), 1);
    assert_eq!(neighbors.neighbor[0].interface, "eth1");
    assert_eq!(get("/api/v1/ospf/areas/0.0.0.1/interfaces/eth1").await.problem(), "not-found");
}

/// Input: an interface that has seen two differences of configuration. Output: both values, and the time by the calendar.
#[tokio::test]
async fn an_interface_names_what_another_router_is_configured_differently() {
    let one = get("/api/v1/ospf/areas/0.0.0.0/interfaces/eth1").await.json();
    let expected = json!([{
        "packet-source": "192.0.2.9", "error": "hello-interval-mismatch", "own": "10", "theirs": "5", "count": 3,
        "last": DateTime(7_000_000),
    }]);
    assert_eq!(one["mismatch"], expected);
    assert_eq!(one.get("mismatches"), None, "the engine's own list, with its own clock");
    let all = get("/api/v1/ospf/interfaces").await.json();
    assert_eq!(all["interface"][1].get("mismatch"), None);
    assert_eq!(all["interface"][0]["mismatch"], expected);
    let area = get("/api/v1/ospf/areas/0.0.0.0/interfaces").await.json();
    assert_eq!(area["interface"][0], one);
}

#[tokio::test]
async fn the_database_is_searched_by_area_type_and_originator() {
    for (query, found) in [
        ("/ospf/database", 4),
        ("/ospf/areas/0.0.0.1/database", 2),
        ("/ospf/database?lsa-type=router", 3),
        ("/ospf/database?lsa-type=3", 1),
        ("/ospf/database?lsa-type=ospfv2-network-summary-lsa", 1),
        ("/ospf/database?adv-router=10.71.0.3", 1),
        ("/ospf/areas/0.0.0.0/database?adv-router=10.71.0.3", 0),
        ("/ospf/database?lsa-type=router&adv-router=10.71.0.1&lsa-id=10.71.0.1", 2),
    ] {
        assert_eq!(read::<OspfDatabase>(query).await.lsa.len(), found, "{query}");
    }
}

#[tokio::test]
async fn a_lookup_explains_itself_when_asked() {
    let plain: FibLookup = read("/routing/fib/lookup?dst=192.0.2.7").await;
    assert!(plain.explanation.is_empty());
    for flag in ["explain", "explain=true"] {
        let explained: FibLookup = read(&format!("/routing/fib/lookup?dst=192.0.2.7&{flag}")).await;
        assert_eq!(explained.explanation.len(), 1);
    }
}

#[tokio::test]
async fn events_are_limited_to_the_newest_and_to_one_type() {
    let last: Events = read("/events/recent?limit=2").await;
    assert_eq!(last.event.iter().map(|event| event.sequence).collect::<Vec<_>>(), [2, 3]);
    let typed: Events = read("/events/recent?type=shm-connected").await;
    assert_eq!(typed.event.iter().map(|event| event.sequence).collect::<Vec<_>>(), [2]);
}

#[tokio::test]
async fn probes_tell_a_well_node_from_one_that_has_failed() {
    for path in ["/healthz", "/readyz"] {
        let answer = get(path).await;
        assert_eq!((answer.status, answer.text()), (StatusCode::OK, "ok\n"));
    }
    for (path, text) in
        [("/healthz", "fabric: 3 of 3 nodes are active\n"), ("/readyz", "waiting for the fabric\n")]
    {
        let failed = app(Arc::new(FakeNode { failed: true, ..FakeNode::default() }), Access::Full);
        let answer = send(failed, Request::get(path).body(Body::empty()).unwrap()).await;
        assert_eq!((answer.status, answer.text()), (StatusCode::SERVICE_UNAVAILABLE, text));
    }
    let failed = app(Arc::new(FakeNode { failed: true, ..FakeNode::default() }), Access::Full);
    let answer = send(failed, Request::get("/api/v1/system/health").body(Body::empty()).unwrap()).await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answer.json()["check"][0]["status"], "failed");
}
