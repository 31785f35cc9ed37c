//! The stream of events.

use std::pin::pin;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use futures_util::StreamExt;
use tower::ServiceExt;

use crate::{get, node, send};

/// Opens the stream and returns its first blocks; the stream does not end by itself.
async fn blocks(app: Router, path: &str, last: Option<&str>, count: usize) -> Vec<String> {
    let request = Request::get(path);
    let request = match last {
        Some(last) => request.header("last-event-id", last),
        None => request,
    };
    let response = app.oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.headers()[header::CONTENT_TYPE], "text/event-stream");
    let mut pieces = pin!(response.into_body().into_data_stream());
    let mut text = String::new();
    while text.matches("\n\n").count() < count {
        text.push_str(std::str::from_utf8(&pieces.next().await.unwrap().unwrap()).unwrap());
    }
    text.split_terminator("\n\n").map(str::to_owned).collect()
}

fn ids(blocks: &[String]) -> Vec<String> {
    let lines = blocks.iter().flat_map(|block| block.lines());
    lines.filter_map(|line| line.strip_prefix("id: ")).map(str::to_owned).collect()
}

/// When the node of the tests has started, in milliseconds.
async fn life() -> String {
    let blocks = blocks(node(), "/api/v1/events", None, 1).await;
    ids(&blocks)[0].split_once('.').unwrap().1.to_owned()
}

#[tokio::test]
async fn an_event_has_its_id_its_type_and_its_document() {
    let seen = blocks(node(), "/api/v1/events?after=1", None, 3).await;
    let life = life().await;
    assert_eq!(ids(&seen), [format!("1.{life}"), format!("2.{life}"), format!("3.{life}")]);
    assert_eq!(seen[0], format!("id: 1.{life}"), "where the stream begins");
    let lines: Vec<&str> = seen[1].lines().collect();
    assert!(lines.contains(&"event: shm-connected"), "{lines:?}");
    let data = lines.iter().find_map(|line| line.strip_prefix("data: ")).unwrap();
    let event: serde_json::Value = serde_json::from_str(data).unwrap();
    assert_eq!((&event["sequence"], &event["type"]), (&2.into(), &"shm-connected".into()));
}

#[tokio::test]
async fn a_client_that_comes_back_goes_on_where_it_was() {
    let life = life().await;
    for last in ["2".to_owned(), format!("2.{life}")] {
        let seen = blocks(node(), "/api/v1/events?after=0", Some(&last), 2).await;
        assert_eq!(ids(&seen)[1], format!("3.{life}"), "{last}");
    }
}

#[tokio::test]
async fn types_are_chosen_and_unknown_ones_refused() {
    let path = "/api/v1/events?after=0&type=shm-announced&type=shm-allocated";
    let seen = blocks(node(), path, None, 3).await;
    let life = life().await;
    assert_eq!(ids(&seen)[1..], [format!("1.{life}"), format!("3.{life}")]);
    for query in ["type=shm", "after=x", "after=1.x", "after=-1", "limit=1"] {
        let answer = get(&format!("/api/v1/events?{query}")).await;
        assert_eq!(answer.problem(), "bad-request", "{query}");
    }
    let request = Request::get("/api/v1/events").header("last-event-id", "x").body(Body::empty()).unwrap();
    assert_eq!(send(node(), request).await.problem(), "bad-request");
}

#[tokio::test]
async fn only_so_many_streams_are_open_at_a_time() {
    let app = node();
    let open = || app.clone().oneshot(Request::get("/api/v1/events").body(Body::empty()).unwrap());
    let mut streams = Vec::new();
    for _ in 0..32 {
        let response = open().await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        streams.push(response);
    }
    let request = Request::get("/api/v1/events").body(Body::empty()).unwrap();
    assert_eq!(send(app.clone(), request).await.problem(), "busy");
    streams.pop();
    assert_eq!(open().await.unwrap().status(), StatusCode::OK, "one that was closed makes room");
}
