//! Resources that are configured: edits of one document, under conditions.

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Request, StatusCode, header};
use isthmus_mgmt_api::{Access, app};
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::fake::FakeNode;
use crate::{node, send_json};

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Value,
}

impl Answer {
    fn etag(&self) -> String {
        self.headers[header::ETAG].to_str().unwrap().to_owned()
    }

    fn problem(&self) -> &str {
        let uri = self.body["type"].as_str().unwrap_or_else(|| panic!("no problem: {}", self.body));
        uri.strip_prefix("urn:isthmus:problem:").unwrap()
    }
}

/// Sends a request; `headers` as `name: value`.
async fn ask(
    app: &Router,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: Option<Value>,
) -> Answer {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let body = match body {
        Some(body) => {
            request = request.header(header::CONTENT_TYPE, "application/json");
            Body::from(body.to_string())
        }
        None => Body::empty(),
    };
    let response = app.clone().oneshot(request.body(body).unwrap()).await.unwrap();
    let (parts, body) = response.into_parts();
    let body = to_bytes(body, usize::MAX).await.unwrap();
    let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
    Answer { status: parts.status, headers: parts.headers, body }
}

async fn document(app: &Router) -> Value {
    ask(app, "GET", "/api/v1/config", &[], None).await.body
}

#[tokio::test]
async fn every_part_is_put_patched_and_removed_in_its_place() {
    let app = node();
    let steps = [
        (
            "PUT",
            "/interfaces/eth1",
            json!({ "address": "192.0.2.1/30" }),
            201,
            json!([{ "name": "eth1", "address": "192.0.2.1/30" }]),
            "/interfaces",
        ),
        (
            "PATCH",
            "/interfaces/eth1",
            json!({ "mtu": 1400 }),
            200,
            json!([{ "name": "eth1", "address": "192.0.2.1/30", "mtu": 1400 }]),
            "/interfaces",
        ),
        (
            "PATCH",
            "/interfaces/lsm0",
            json!({ "enabled": false }),
            200,
            json!({ "enabled": false }),
            "/fabric/lsm",
        ),
        (
            "PUT",
            "/ospf/areas/0.0.0.0/interfaces/eth1",
            json!({ "cost": 5 }),
            200,
            json!({ "cost": 5 }),
            "/interfaces/0/ospf",
        ),
        (
            "PUT",
            "/ospf/areas/0.0.0.2/interfaces/eth1",
            json!({ "cost": 6 }),
            201,
            json!({ "area-id": "0.0.0.2", "cost": 6 }),
            "/interfaces/0/ospf",
        ),
        (
            "PATCH",
            "/ospf/areas/0.0.0.2/interfaces/eth1",
            json!({ "cost": null, "passive": true }),
            200,
            json!({ "area-id": "0.0.0.2", "passive": true }),
            "/interfaces/0/ospf",
        ),
        (
            "DELETE",
            "/ospf/areas/0.0.0.2/interfaces/eth1",
            Value::Null,
            200,
            json!({ "enabled": false }),
            "/interfaces/0/ospf",
        ),
        (
            "PATCH",
            "/ospf/areas/0.0.0.1/interfaces/gsm0",
            json!({ "cost": 7 }),
            200,
            json!({ "cost": 7 }),
            "/fabric/gsm/ospf",
        ),
        (
            "PUT",
            "/ospf/areas/0.0.0.1/ranges/10.1.0.0%2F16",
            json!({ "cost": 1 }),
            201,
            json!({ "prefix": "10.1.0.0/16", "cost": 1 }),
            "/ospf/areas/0/ranges/0",
        ),
        (
            "PATCH",
            "/ospf/areas/0.0.0.1/ranges/10.1.0.0%2F16",
            json!({ "advertise": false }),
            200,
            json!({ "prefix": "10.1.0.0/16", "cost": 1, "advertise": false }),
            "/ospf/areas/0/ranges/0",
        ),
        (
            "PATCH",
            "/ospf/areas/0.0.0.1",
            json!({ "area-type": "stub-area" }),
            200,
            json!("stub-area"),
            "/ospf/areas/0/area-type",
        ),
        (
            "DELETE",
            "/ospf/areas/0.0.0.1/ranges/10.1.0.0%2F16",
            Value::Null,
            200,
            json!([]),
            "/ospf/areas/0/ranges",
        ),
        ("DELETE", "/ospf/areas/0.0.0.1", Value::Null, 200, json!([]), "/ospf/areas"),
        (
            "PATCH",
            "/ospf/areas/0.0.0.3",
            json!({ "summary": false }),
            200,
            json!({ "area-id": "0.0.0.3", "summary": false }),
            "/ospf/areas/0",
        ),
        ("PATCH", "/ospf", json!({ "maximum-paths": 4 }), 200, json!(4), "/ospf/maximum-paths"),
        ("PATCH", "/fabric", json!({ "weight": 7 }), 200, json!(7), "/fabric/weight"),
        (
            "PUT",
            "/fabric/common-addresses/10.80.0.2",
            Value::Null,
            201,
            json!(["10.80.0.1", "10.80.0.2"]),
            "/fabric/common-addresses",
        ),
        (
            "PUT",
            "/fabric/common-addresses/10.80.0.2",
            Value::Null,
            200,
            json!(["10.80.0.1", "10.80.0.2"]),
            "/fabric/common-addresses",
        ),
        (
            "DELETE",
            "/fabric/common-addresses/10.80.0.1",
            Value::Null,
            200,
            json!(["10.80.0.2"]),
            "/fabric/common-addresses",
        ),
        (
            "PUT",
            "/routing/static-routes/198.51.100.0%2F24",
            json!({ "static-route": [{ "next-hop": "192.0.2.2" }, { "next-hop": "blackhole", "distance": 250 }] }),
            201,
            json!([{ "destination-prefix": "198.51.100.0/24", "next-hop": "192.0.2.2" },
                { "destination-prefix": "198.51.100.0/24", "next-hop": "blackhole", "distance": 250 }]),
            "/static-routes",
        ),
        (
            "PUT",
            "/routing/static-routes/198.51.100.0%2F24",
            json!({ "static-route": [{ "next-hop": "blackhole" }] }),
            200,
            json!([{ "destination-prefix": "198.51.100.0/24", "next-hop": "blackhole" }]),
            "/static-routes",
        ),
        ("DELETE", "/routing/static-routes/198.51.100.0%2F24", Value::Null, 200, json!([]), "/static-routes"),
        ("DELETE", "/interfaces/eth1", Value::Null, 200, json!([]), "/interfaces"),
        ("PATCH", "/config", json!({ "ospf": null, "fabric": null }), 200, Value::Null, "/ospf"),
    ];
    for (method, path, body, status, expected, pointer) in steps {
        let body = (!body.is_null()).then_some(body);
        let answer = ask(&app, method, &format!("/api/v1{path}"), &[], body).await;
        assert_eq!(answer.status.as_u16(), status, "{method} {path}: {}", answer.body);
        let document = document(&app).await;
        assert_eq!(
            document.pointer(pointer).unwrap_or(&Value::Null),
            &expected,
            "{method} {path}: {document}"
        );
        let running = ask(&app, "GET", "/api/v1/config/status", &[], None).await;
        assert_eq!(running.etag(), answer.etag(), "{method} {path}");
    }
    assert_eq!(document(&app).await["hostname"], "node1");
}

#[tokio::test]
async fn a_part_is_read_as_it_is_written() {
    let app = node();
    ask(&app, "PUT", "/api/v1/interfaces/eth1", &[], Some(json!({ "address": "192.0.2.1/30" }))).await;
    for (path, expected) in [
        ("/interfaces/eth1?content=config", json!({ "name": "eth1", "address": "192.0.2.1/30" })),
        ("/interfaces/lsm0?content=config", json!({})),
        ("/ospf?content=config", json!({})),
        ("/ospf/areas/0.0.0.0/interfaces/eth1?content=config", json!({})),
        ("/ospf/areas/0.0.0.1/interfaces/lsm0?content=config", json!({})),
        ("/fabric", json!({})),
        ("/fabric/common-addresses", json!({ "common-address": ["10.80.0.1"] })),
        ("/routing/static-routes", json!({ "static-route": [] })),
    ] {
        let answer = ask(&app, "GET", &format!("/api/v1{path}"), &[], None).await;
        assert_eq!((answer.status, &answer.body), (StatusCode::OK, &expected), "{path}");
        assert!(answer.etag().starts_with('"'), "{path}");
    }
    for path in [
        "/interfaces/eth2?content=config",
        "/ospf/areas/0.0.0.7?content=config",
        "/ospf/areas/0.0.0.7/interfaces/eth1?content=config",
        "/ospf/areas/0.0.0.0/interfaces/lsm0?content=config",
        "/ospf/areas/0.0.0.0/ranges/10.0.0.0%2F8",
        "/routing/static-routes/10.0.0.0%2F8",
    ] {
        assert_eq!(
            ask(&app, "GET", &format!("/api/v1{path}"), &[], None).await.problem(),
            "not-found",
            "{path}"
        );
    }
    let state = ask(&app, "GET", "/api/v1/interfaces/eth1?content=nonconfig", &[], None).await;
    assert_eq!(state.body["driver"], "packet");
    let wrong = ask(&app, "GET", "/api/v1/interfaces/eth1?content=all", &[], None).await;
    assert_eq!(wrong.problem(), "bad-request");
}

#[tokio::test]
async fn an_unchanged_configuration_is_not_sent_again() {
    let app = node();
    for path in ["/api/v1/config", "/api/v1/config?with-defaults=report-all", "/api/v1/ospf?content=config"] {
        let first = ask(&app, "GET", path, &[], None).await;
        let etag = first.etag();
        let again = ask(&app, "GET", path, &[("if-none-match", &etag)], None).await;
        assert_eq!((again.status, again.etag()), (StatusCode::NOT_MODIFIED, etag), "{path}");
        let other = ask(&app, "GET", path, &[("if-none-match", "\"another\"")], None).await;
        assert_eq!(other.status, StatusCode::OK);
    }
}

#[tokio::test]
async fn of_two_changes_from_one_reading_the_second_is_refused() {
    let app = node();
    let etag = ask(&app, "GET", "/api/v1/config", &[], None).await.etag();
    let condition = [("if-match", etag.as_str())];
    let first = ask(&app, "PATCH", "/api/v1/ospf", &condition, Some(json!({ "maximum-paths": 4 }))).await;
    assert_eq!(first.status, StatusCode::OK);
    for (method, path, body) in [
        ("PATCH", "/api/v1/ospf", json!({ "maximum-paths": 1 })),
        ("PUT", "/api/v1/config", json!({ "hostname": "other" })),
        ("DELETE", "/api/v1/interfaces/eth1", Value::Null),
    ] {
        let second = ask(&app, method, path, &condition, Some(body)).await;
        assert_eq!(second.status, StatusCode::PRECONDITION_FAILED, "{method} {path}");
        assert_eq!(second.problem(), "precondition-failed");
        assert!(second.body["detail"].as_str().unwrap().contains(&first.etag()), "{}", second.body);
    }
    assert_eq!(document(&app).await["ospf"], json!({ "maximum-paths": 4 }));
}

/// Input: sixteen clients that each add a route, all at once and without a condition. Output: all sixteen are there.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_change_of_a_part_is_lost_to_another() {
    let app = node();
    let clients: Vec<_> = (0..16)
        .map(|number| {
            let app = app.clone();
            tokio::spawn(async move {
                let path = format!("/api/v1/routing/static-routes/10.{number}.0.0%2F16");
                let body = json!({ "static-route": [{ "next-hop": "blackhole" }] });
                ask(&app, "PUT", &path, &[], Some(body)).await.status
            })
        })
        .collect();
    for client in clients {
        assert_eq!(client.await.unwrap(), StatusCode::CREATED);
    }
    assert_eq!(document(&app).await["static-routes"].as_array().unwrap().len(), 16);
}

#[tokio::test]
async fn the_whole_is_replaced_only_under_a_condition() {
    let app = node();
    let body = || Some(json!({ "hostname": "two" }));
    let without = ask(&app, "PUT", "/api/v1/config", &[], body()).await;
    assert_eq!((without.status.as_u16(), without.problem()), (428, "precondition-required"));
    let star = ask(&app, "PUT", "/api/v1/config", &[("if-match", "*")], body()).await;
    assert_eq!(star.status, StatusCode::OK);
    let etag = star.etag();
    let body = Some(json!({ "hostname": "three" }));
    assert_eq!(ask(&app, "PUT", "/api/v1/config", &[("if-match", &etag)], body).await.status, StatusCode::OK);
    let malformed = ask(&app, "PUT", "/api/v1/config", &[("if-match", "three")], Some(json!({}))).await;
    assert_eq!(malformed.problem(), "bad-request");
    let yaml = Request::put("/api/v1/config")
        .header(header::CONTENT_TYPE, "application/yaml; charset=utf-8")
        .header(header::IF_MATCH, "*")
        .body(Body::from("hostname: four\n"))
        .unwrap();
    assert_eq!(app.clone().oneshot(yaml).await.unwrap().status(), StatusCode::OK);
    assert_eq!(document(&app).await, json!({ "hostname": "four" }));
}

#[tokio::test]
async fn a_dry_run_says_what_would_change_and_changes_nothing() {
    let app = node();
    let before = ask(&app, "GET", "/api/v1/config", &[], None).await;
    let path = "/api/v1/interfaces/eth1?dry-run=true";
    let answer = ask(&app, "PUT", path, &[], Some(json!({ "address": "192.0.2.1/30" }))).await;
    assert_eq!((answer.status, &answer.body["applied"]), (StatusCode::OK, &json!(false)));
    assert_eq!(answer.etag(), before.etag());
    assert_eq!(document(&app).await, before.body);
}

#[tokio::test]
async fn a_change_waits_to_be_confirmed_and_is_rolled_back() {
    let app = node();
    let nothing = ask(&app, "POST", "/api/v1/config/confirm", &[], None).await;
    assert_eq!(nothing.problem(), "conflict");
    let path = "/api/v1/config?confirm=60&comment=a%20try";
    let applied = ask(&app, "PATCH", path, &[], Some(json!({ "hostname": "two" }))).await;
    assert!(applied.body["confirm-deadline"].is_string(), "{}", applied.body);
    let status = ask(&app, "GET", "/api/v1/config/status", &[], None).await.body;
    assert_eq!((&status["saved"], status["confirm-deadline"].is_string()), (&json!(false), true));
    let second = ask(&app, "PATCH", "/api/v1/config", &[], Some(json!({ "hostname": "three" }))).await;
    assert_eq!(second.problem(), "conflict");
    let confirmed = ask(&app, "POST", "/api/v1/config/confirm", &[], None).await;
    assert_eq!((confirmed.status, &confirmed.body["saved"]), (StatusCode::OK, &json!(true)));
    let history = ask(&app, "GET", "/api/v1/config/history", &[], None).await.body;
    assert_eq!(history["entry"].as_array().unwrap().len(), 2, "{history}");
    assert_eq!(
        ask(&app, "GET", "/api/v1/config/history/1", &[], None).await.body["document"]["hostname"],
        "node1"
    );
    for (path, kind) in [("/config/history/9", "not-found"), ("/config/history/x", "bad-request")] {
        assert_eq!(ask(&app, "GET", &format!("/api/v1{path}"), &[], None).await.problem(), kind);
    }
    assert_eq!(ask(&app, "POST", "/api/v1/config/rollback/9", &[], None).await.problem(), "not-found");
    let back = ask(&app, "POST", "/api/v1/config/rollback/1", &[], None).await;
    assert_eq!(back.status, StatusCode::OK);
    assert_eq!(document(&app).await["hostname"], "node1");
}

#[tokio::test]
async fn what_cannot_be_done_to_a_part_is_refused() {
    for (method, path, body, kind) in [
        ("PATCH", "/interfaces/eth9", json!({ "enabled": true }), "not-found"),
        ("DELETE", "/interfaces/eth9", json!({}), "not-found"),
        ("DELETE", "/interfaces/lsm0", json!({}), "not-changeable"),
        ("PUT", "/interfaces/eth1", json!({ "name": "eth2" }), "bad-request"),
        ("PUT", "/interfaces/eth1", json!({ "name": 3 }), "bad-request"),
        ("PUT", "/interfaces/eth1", json!([]), "bad-request"),
        ("PATCH", "/interfaces/lsm0", json!("down"), "bad-request"),
        ("PUT", "/interfaces/eth1?confirm=0", json!({}), "bad-request"),
        ("PUT", "/interfaces/eth1?confirm=3601", json!({}), "bad-request"),
        ("PUT", "/interfaces/eth1?dryrun=true", json!({}), "bad-request"),
        ("PUT", "/ospf/areas/0.0.0.0/interfaces/eth9", json!({}), "not-found"),
        ("PUT", "/ospf/areas/0.0.0.0/interfaces/lsm0", json!({}), "not-found"),
        ("DELETE", "/ospf/areas/0.0.0.1/interfaces/lsm0", json!({}), "not-changeable"),
        ("PUT", "/ospf/areas/one", json!({}), "bad-request"),
        ("PUT", "/ospf/areas/0.0.0.1/ranges/10.0.0.0", json!({}), "bad-request"),
        ("DELETE", "/ospf/areas/0.0.0.1/ranges/10.0.0.0%2F8", json!({}), "not-found"),
        ("PUT", "/routing/static-routes", json!([]), "bad-request"),
        ("PUT", "/routing/static-routes", json!({ "route": [] }), "bad-request"),
        ("PUT", "/routing/static-routes", json!({ "static-route": {} }), "bad-request"),
        ("PUT", "/fabric/common-addresses/10.0.0.0%2F8", json!({}), "bad-request"),
        ("DELETE", "/fabric/common-addresses/10.0.0.1", json!({}), "not-found"),
        ("PATCH", "/config", json!({ "hostname": "" }), "invalid"),
    ] {
        let answer = ask(&node(), method, &format!("/api/v1{path}"), &[], Some(body)).await;
        assert_eq!(answer.problem(), kind, "{method} {path}: {}", answer.body);
        assert!(answer.body["remedy"].as_str().is_some_and(|remedy| !remedy.is_empty()), "{method} {path}");
    }
    let bare = app(Arc::new(FakeNode::default()), Access::Full);
    let invalid = ask(&bare, "PATCH", "/api/v1/config", &[], Some(json!({ "hostname": "" }))).await;
    assert_eq!(invalid.status, StatusCode::UNPROCESSABLE_ENTITY);
    let finding = &invalid.body["diagnostics"][0];
    assert_eq!((&finding["path"], &finding["remedy"]), (&json!("hostname"), &json!("name it")));
}

#[tokio::test]
async fn bodies_that_are_not_taken() {
    let path = "/api/v1/config";
    let put = |media: &str, body: Vec<u8>| {
        Request::put(path)
            .header(header::CONTENT_TYPE, media)
            .header(header::IF_MATCH, "*")
            .body(Body::from(body))
            .unwrap()
    };
    for (media, body, kind) in [
        ("text/plain", b"hostname: n".to_vec(), "unsupported-media-type"),
        ("application/json", b"hostname: n".to_vec(), "bad-request"),
        ("application/yaml", b"hostname: \xff".to_vec(), "bad-request"),
        ("application/yaml", vec![b'#'; 256 * 1024 + 1], "too-large"),
    ] {
        assert_eq!(crate::send(node(), put(media, body)).await.problem(), kind, "{media}");
    }
    // As much as the file may have is taken.
    assert_eq!(
        crate::send(node(), put("application/yaml", vec![b'x'; 256 * 1024])).await.status,
        StatusCode::OK
    );
    let patch = Request::patch("/api/v1/ospf").header(header::CONTENT_TYPE, "application/merge-patch+json");
    let patch = patch.body(Body::from(r#"{"maximum-paths":2}"#)).unwrap();
    assert_eq!(crate::send(node(), patch).await.status, StatusCode::OK);
    let plain = Request::patch("/api/v1/ospf").body(Body::from("{}")).unwrap();
    assert_eq!(crate::send(node(), plain).await.problem(), "unsupported-media-type");
    assert_eq!(send_json(node(), "PATCH", "/api/v1/ospf", "{").await.problem(), "bad-request");
}
