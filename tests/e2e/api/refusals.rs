//! What a live node refuses, and how.

use serde_json::{Value, json};

use crate::live::{Answer, Live};

const JSON: &str = "Content-Type: application/json";

/// Checks that the answer is a refusal of this kind that says why and what to do.
fn assert_refused(answer: &Answer, kind: &str, what: &str) {
    let body = &answer.body;
    assert_eq!(body["type"], format!("urn:isthmus:problem:{kind}"), "{what}: {body}");
    assert_eq!(body["status"], answer.status, "{what}");
    for member in ["detail", "remedy"] {
        assert!(body[member].as_str().is_some_and(|text| !text.is_empty()), "{what}: {body}");
    }
}

#[test]
fn bad_requests_are_refused_with_reason_and_remedy() {
    let node = Live::start("requests");
    let long = format!("# {}\n", "x".repeat(256 * 1024));
    for (method, path, headers, body, status, kind) in [
        (
            "PUT",
            "/api/v1/config",
            vec!["Content-Type: application/yaml", "If-Match: *"],
            long.as_str(),
            413,
            "too-large",
        ),
        (
            "PUT",
            "/api/v1/config",
            vec!["Content-Type: text/plain", "If-Match: *"],
            "x",
            415,
            "unsupported-media-type",
        ),
        ("PUT", "/api/v1/config", vec![JSON, "If-Match: *"], "{", 400, "bad-request"),
        ("PUT", "/api/v1/config", vec![JSON], "{}", 428, "precondition-required"),
        ("PUT", "/api/v1/config", vec![JSON, "If-Match: \"old\""], "{}", 412, "precondition-failed"),
        ("POST", "/api/v1/config", vec![JSON], "{}", 405, "method-not-allowed"),
        ("DELETE", "/api/v1/interfaces/eth9", vec![], "", 404, "not-found"),
        ("GET", "/api/v1/nothing", vec![], "", 404, "not-found"),
        ("PATCH", "/api/v1/interfaces/up0", vec![JSON], "[]", 400, "bad-request"),
        ("PATCH", "/api/v1/interfaces/up0?dry-run=perhaps", vec![JSON], "{}", 400, "bad-request"),
        ("POST", "/api/v1/config/confirm", vec![], "", 409, "conflict"),
    ] {
        let answer = node.request(method, path, &headers, body);
        assert_eq!(answer.status, status, "{method} {path}: {}", answer.body);
        assert_refused(&answer, kind, &format!("{method} {path}"));
    }
}

/// Input: tools are asked for addresses that no host can have. Output: each is refused, and the stack still answers.
#[test]
fn what_is_no_host_is_not_sent_to() {
    let node = Live::start("hosts");
    for tool in ["ping", "traceroute", "throughput"] {
        for destination in ["0.0.0.0", "224.0.0.5", "240.0.0.1", "255.255.255.255"] {
            let path = format!("/api/v1/tools/{tool}");
            let answer = node.json("POST", &path, &[], &json!({ "destination": destination }));
            assert_refused(&answer, "bad-request", &format!("{tool} {destination}"));
        }
    }
    let body = json!({ "destination": "10.77.0.1", "count": 1 });
    let answer = node.json("POST", "/api/v1/tools/ping", &[], &body);
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert!(!node.log().contains("panicked"), "{}", node.log());
}

#[test]
fn a_configuration_with_faults_is_refused_with_a_finding_for_each() {
    let node = Live::start("findings");
    let before = node.request("GET", "/api/v1/config", &[], "").body;
    for (path, body, code, place) in [
        ("/interfaces/up0", json!({ "mtu": "large" }), "wrong-type", "interfaces[0].mtu"),
        ("/interfaces/up0", json!({ "path": 3 }), "wrong-type", "interfaces[0].path"),
        ("/interfaces/up0", json!({ "adress": "192.0.2.1/30" }), "unknown-key", "interfaces[0].adress"),
        ("/interfaces/up0", json!({ "ospf": { "cost": 0 } }), "out-of-range", "interfaces[0].ospf.cost"),
        ("/ospf/areas/0.0.0.1/interfaces/lsm0", json!({ "hello-interval": 9 }), "", "fabric.lsm.ospf"),
    ] {
        let answer = node.json("PATCH", &format!("/api/v1{path}"), &[], &body);
        assert_eq!(answer.status, 422, "{body}: {}", answer.body);
        assert_refused(&answer, "invalid", &body.to_string());
        let finding = &answer.body["diagnostics"][0];
        assert!(code.is_empty() || finding["code"] == code, "{body}: {finding}");
        assert!(finding["path"].as_str().unwrap().starts_with(place), "{body}: {finding}");
        for member in ["message", "remedy"] {
            assert!(finding[member].as_str().is_some_and(|text| !text.is_empty()), "{body}: {finding}");
        }
    }
    // Of a text the finding names the line.
    let text = "hostname: api\nnode-id: 1\nsegmnt: /dev/shm\n";
    let headers = ["Content-Type: application/yaml", "If-Match: *"];
    let answer = node.request("PUT", "/api/v1/config", &headers, text);
    assert_eq!((answer.status, &answer.body["diagnostics"][0]["line"]), (422, &json!(3)), "{}", answer.body);
    // What only a start brings is refused too, and nothing has changed.
    let answer = node.json("PATCH", "/api/v1/fabric", &[], &json!({ "max-nodes": 8 }));
    assert_refused(&answer, "not-changeable", "max-nodes");
    assert_eq!(node.request("GET", "/api/v1/config", &[], "").body, before);
}

/// Input: the fabric, of which nothing is written, is changed in one key. Output: that key is all that changes.
#[test]
fn what_is_not_written_is_changed_from_its_defaults() {
    let node = Live::start("implied");
    let down = json!({ "enabled": false });
    let answer = node.json("PATCH", "/api/v1/interfaces/lsm0", &[], &down);
    assert_eq!(answer.status, 200, "{}", answer.body);
    let paths: Vec<&Value> =
        answer.body["changes"].as_array().unwrap().iter().map(|one| &one["path"]).collect();
    assert_eq!(paths, [&json!("fabric.lsm.enabled")], "{}", answer.body);
    let shown = node.request("GET", "/api/v1/interfaces/lsm0", &[], "").body;
    assert_eq!(shown["admin-status"], "down", "{shown}");
}

/// Input: two clients read the configuration, then both change it. Output: the second is refused and told the new tag;
/// with that, its change is made, and the first one's is still there.
#[test]
fn no_update_is_lost() {
    let node = Live::start("conflict");
    let read = node.request("GET", "/api/v1/ospf?content=config", &[], "");
    let condition = format!("If-Match: {}", read.etag);
    let first = node.json("PATCH", "/api/v1/ospf", &[&condition], &json!({ "maximum-paths": 4 }));
    assert_eq!(first.status, 200, "{}", first.body);
    let second = node.json("PATCH", "/api/v1/fabric", &[&condition], &json!({ "weight": 7 }));
    assert_refused(&second, "precondition-failed", "the second change");
    let again = node.request("GET", "/api/v1/fabric", &[], "");
    assert!(second.body["detail"].as_str().unwrap().contains(&again.etag), "{}", second.body);
    let condition = format!("If-Match: {}", again.etag);
    let second = node.json("PATCH", "/api/v1/fabric", &[&condition], &json!({ "weight": 7 }));
    assert_eq!(second.status, 200, "{}", second.body);
    let whole = node.request("GET", "/api/v1/config", &[], "").body;
    assert_eq!((&whole["ospf"]["maximum-paths"], &whole["fabric"]["weight"]), (&json!(4), &json!(7)));
}

/// Input: eight clients that each add a route at the same time, without a condition. Output: all eight routes, in the
/// configuration and in the routing table.
#[test]
fn changes_of_different_resources_at_the_same_time_are_all_made() {
    let node = Live::start("concurrent");
    std::thread::scope(|scope| {
        for number in 0..8 {
            let node = &node;
            scope.spawn(move || {
                let path = format!("/api/v1/routing/static-routes/198.51.{number}.0%2F24");
                let body = json!({ "static-route": [{ "next-hop": "blackhole" }] });
                let answer = node.json("PUT", &path, &[], &body);
                assert_eq!(answer.status, 201, "{}", answer.body);
            });
        }
    });
    let listed = node.request("GET", "/api/v1/routing/static-routes", &[], "").body;
    assert_eq!(listed["static-route"].as_array().unwrap().len(), 8, "{listed}");
    let routes = node.request("GET", "/api/v1/routing/ribs/ipv4-default/routes", &[], "").body;
    let of_static = |route: &&Value| route["source-protocol"] == "static" && route["active"] == true;
    assert_eq!(routes["route"].as_array().unwrap().iter().filter(of_static).count(), 8, "{routes}");
}
