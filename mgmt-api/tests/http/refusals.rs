//! Every refusal is a problem document of the right kind.

use std::sync::Arc;

use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use isthmus_mgmt_api::{Access, app};

use crate::fake::FakeNode;
use crate::{get, node, send, send_json};

#[tokio::test]
async fn reading_what_is_not_there_or_does_not_parse() {
    for (path, kind) in [
        ("/api/v1/nothing", "not-found"),
        ("/nothing", "not-found"),
        ("/api/v1/interfaces/eth9", "not-found"),
        ("/api/v1/interfaces/eth9/statistics", "not-found"),
        ("/api/v1/interfaces/eth9/neighbors", "not-found"),
        ("/api/v1/routing/ribs/ipv6-default/routes", "not-found"),
        ("/api/v1/routing/fib/lookup", "bad-request"),
        ("/api/v1/routing/fib/lookup?dst=nowhere", "bad-request"),
        ("/api/v1/routing/fib/lookup?dst=192.0.2.1&explain=perhaps", "bad-request"),
        ("/api/v1/routing/fib/lookup?dst=192.0.2.1&source=1", "bad-request"),
        ("/api/v1/ospf/areas/zero", "bad-request"),
        ("/api/v1/ospf/areas/0.0.0.9", "not-found"),
        ("/api/v1/ospf/areas/0.0.0.9/interfaces", "not-found"),
        ("/api/v1/ospf/areas/0.0.0.9/database", "not-found"),
        ("/api/v1/ospf/areas/0.0.0.1/interfaces/eth9/neighbors", "not-found"),
        ("/api/v1/ospf/database?lsa-type=strange", "bad-request"),
        ("/api/v1/ospf/database?adv-router=me", "bad-request"),
        ("/api/v1/ospf/database?area=1", "bad-request"),
        ("/api/v1/events/recent?limit=-1", "bad-request"),
    ] {
        assert_eq!(get(path).await.problem(), kind, "{path}");
    }
}

#[tokio::test]
async fn a_remedy_names_what_there_is() {
    let interfaces = get("/api/v1/interfaces/eth9").await.json();
    assert_eq!(interfaces["remedy"], "the interfaces are: lsm0, gsm0, eth1");
    let areas = get("/api/v1/ospf/areas/0.0.0.9").await.json();
    assert_eq!(areas["remedy"], "its areas are: 0.0.0.0, 0.0.0.1");
}

#[tokio::test]
async fn methods_that_a_resource_does_not_have() {
    for (method, path) in [
        ("DELETE", "/api/v1/system"),
        ("POST", "/api/v1/interfaces/lsm0"),
        ("DELETE", "/api/v1/config"),
        ("GET", "/api/v1/tools/ping"),
        ("POST", "/metrics"),
    ] {
        let answer = send_json(node(), method, path, "{}").await;
        assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED, "{method} {path}");
        assert_eq!(answer.problem(), "method-not-allowed");
    }
}

#[tokio::test]
async fn bodies_of_another_type_or_too_long() {
    let plain =
        Request::post("/api/v1/tools/ping").body(Body::from(r#"{"destination":"192.0.2.1"}"#)).unwrap();
    assert_eq!(send(node(), plain).await.problem(), "unsupported-media-type");
    let long = format!(r#"{{"destination":"192.0.2.1","padding":"{}"}}"#, "x".repeat(100_000));
    assert_eq!(send_json(node(), "POST", "/api/v1/tools/ping", &long).await.problem(), "too-large");
}

#[tokio::test]
async fn suppositions_that_name_nothing() {
    let path = "/api/v1/ospf/what-if";
    let good = r#"{"change":[{"link-down":{"router":"10.77.0.1","neighbor":"10.77.0.3"}}]}"#;
    let answer = send_json(node(), "POST", path, good).await;
    assert_eq!(answer.status, StatusCode::OK);
    for wrong in [
        r#"{"change":[]}"#,
        r#"{"change":[{"node-up":{"router":"10.77.0.1"}}]}"#,
        r#"{"change":[{"cost":{"router":"10.77.0.1","neighbor":"10.77.0.3","cost":65536}}]}"#,
    ] {
        assert_eq!(send_json(node(), "POST", path, wrong).await.problem(), "bad-request", "{wrong}");
    }
    let many = format!(r#"{{"change":[{}]}}"#, [r#"{"node-down":{"router":"1.1.1.1"}}"#; 1001].join(","));
    assert_eq!(send_json(node(), "POST", path, &many).await.problem(), "bad-request");
}

#[tokio::test]
async fn parts_that_do_not_run() {
    let bare = || app(Arc::new(FakeNode { fabric: false, ospf: false, ..FakeNode::default() }), Access::Full);
    for path in ["/shm", "/shm/nodes", "/shm/rings", "/steering", "/ospf", "/ospf/database", "/ospf/spf-log"]
    {
        let request = Request::get(format!("/api/v1{path}")).body(Body::empty()).unwrap();
        let answer = send(bare(), request).await;
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{path}");
        assert_eq!(answer.problem(), "unavailable");
    }
}

#[tokio::test]
async fn a_web_page_cannot_use_the_browser_of_this_host() {
    let surface = || app(Arc::new(FakeNode::default()), Access::Loopback(Arc::default()));
    for (name, value, status) in [
        (header::HOST, "localhost", StatusCode::OK),
        (header::HOST, "127.0.0.1:8080", StatusCode::OK),
        (header::HOST, "rebound.example.org:8080", StatusCode::FORBIDDEN),
        (header::ORIGIN, "http://127.0.0.1:8080", StatusCode::OK),
        (header::ORIGIN, "https://example.org", StatusCode::FORBIDDEN),
        (header::ORIGIN, "null", StatusCode::FORBIDDEN),
    ] {
        let request = Request::get("/api/v1/system").header(&name, value).body(Body::empty()).unwrap();
        let answer = send(surface(), request).await;
        assert_eq!(answer.status, status, "{name}: {value}");
        assert!(answer.status == StatusCode::OK || answer.problem() == "foreign-origin");
    }
    // On a unix socket the node has no name.
    let request = Request::get("/metrics").header(header::HOST, "10.80.0.1").body(Body::empty()).unwrap();
    assert_eq!(send(node(), request).await.status, StatusCode::OK);
}

#[tokio::test]
async fn responses_are_neither_stored_nor_sniffed() {
    use tower::ServiceExt;
    let request = Request::get("/api/v1/system").body(Body::empty()).unwrap();
    let response = node().oneshot(request).await.unwrap();
    assert_eq!(response.headers()[header::CACHE_CONTROL], "no-store");
    assert_eq!(response.headers()[header::X_CONTENT_TYPE_OPTIONS], "nosniff");
}
