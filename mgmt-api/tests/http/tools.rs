//! Ping, traceroute and capture: limits and streams.

use axum::http::StatusCode;
use isthmus_mgmt_api::model::{PingLine, TracerouteLine};

use crate::{node, send_json};

#[tokio::test]
async fn a_ping_answers_line_by_line_and_sums_up() {
    let body = r#"{"destination":"192.0.2.1","count":3}"#;
    let answer = send_json(node(), "POST", "/api/v1/tools/ping", body).await;
    assert_eq!((answer.status, answer.content_type.as_str()), (StatusCode::OK, "application/x-ndjson"));
    let lines: Vec<PingLine> =
        answer.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 4);
    assert!(matches!(&lines[2], PingLine::Reply(reply) if reply.sequence == 3));
    assert!(matches!(&lines[3], PingLine::Summary(summary) if summary.received == 3 && summary.loss == 0.0));
}

#[tokio::test]
async fn a_traceroute_answers_hop_by_hop_and_sums_up() {
    let answer =
        send_json(node(), "POST", "/api/v1/tools/traceroute", r#"{"destination":"192.0.2.1"}"#).await;
    let lines: Vec<TracerouteLine> =
        answer.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(matches!(&lines[0], TracerouteLine::Hop(hop) if hop.ttl == 1 && !hop.reached));
    assert!(matches!(&lines[1], TracerouteLine::Summary(summary) if !summary.reached && summary.hops == 1));
}

#[tokio::test]
async fn a_throughput_test_says_what_was_sent() {
    let body = r#"{"destination":"192.0.2.1","datagram-length":64}"#;
    let answer = send_json(node(), "POST", "/api/v1/tools/throughput", body).await;
    assert_eq!(answer.json(), serde_json::json!({ "packets": 2, "octets": 128, "time": 1.0 }));
}

#[tokio::test]
async fn values_beyond_the_limits_are_refused() {
    for (path, body) in [
        ("/ping", r#"{"destination":"192.0.2.1","count":0}"#),
        ("/ping", r#"{"destination":"192.0.2.1","count":1001}"#),
        ("/ping", r#"{"destination":"192.0.2.1","interval":0}"#),
        ("/ping", r#"{"destination":"192.0.2.1","timeout":1e9}"#),
        ("/ping", r#"{"destination":"192.0.2.1","size":8001}"#),
        ("/ping", r#"{"destination":"192.0.2.1","ttl":0}"#),
        ("/ping", r#"{"destination":"example.org"}"#),
        ("/traceroute", r#"{"destination":"192.0.2.1","max-hops":65}"#),
        ("/traceroute", r#"{"destination":"192.0.2.1","probes":0}"#),
        ("/traceroute", r#"{"destination":"192.0.2.1","timeout":0.001}"#),
        ("/throughput", r#"{"destination":"192.0.2.1","datagram-length":27}"#),
        ("/throughput", r#"{"destination":"192.0.2.1","duration":11}"#),
        ("/capture?interface=lsm0&count=0", ""),
        ("/capture?interface=lsm0&duration=0", ""),
        ("/capture?interface=lsm0&duration=1e300", ""),
        ("/capture?count=1", ""),
    ] {
        let answer = send_json(node(), "POST", &format!("/api/v1/tools{path}"), body).await;
        assert_eq!(answer.problem(), "bad-request", "{path} {body}");
    }
}

#[tokio::test]
async fn the_backends_refusal_is_handed_through() {
    let body = r#"{"destination":"192.0.2.1","source":"192.0.2.9"}"#;
    let answer = send_json(node(), "POST", "/api/v1/tools/traceroute", body).await;
    assert_eq!(answer.problem(), "conflict");
}

#[tokio::test]
async fn a_capture_is_handed_through_and_ends_with_its_time() {
    for query in ["interface=lsm0&count=1", "interface=lsm0&duration=0.02"] {
        let answer = send_json(node(), "POST", &format!("/api/v1/tools/capture?{query}"), "").await;
        assert_eq!(answer.content_type, "application/x-pcapng");
        assert_eq!(answer.body, b"headerframe", "{query}");
    }
}
