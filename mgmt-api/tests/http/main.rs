//! The HTTP surface before a node made of fixed answers: paths, methods, shapes, refusals, metrics, listeners.
//! What a real node answers is tested where real nodes run.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod access;
mod configuration;
mod documents;
mod events;
mod fake;
mod fake_config;
mod metrics;
mod openapi;
mod reading;
mod refusals;
mod sockets;
mod tls;
mod tools;

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode, header};
use isthmus_mgmt_api::{Access, Resource, app};
use serde_json::Value;
use tower::ServiceExt;

use fake::FakeNode;

/// A response, read whole.
struct Answer {
    status: StatusCode,
    content_type: String,
    body: Vec<u8>,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("a body in JSON")
    }

    fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("a body in UTF-8")
    }

    /// Checks that this is a whole problem document and returns the last part of its type.
    fn problem(&self) -> String {
        assert_eq!(self.content_type, "application/problem+json");
        let document = self.json();
        assert_eq!(document["status"], self.status.as_u16());
        for member in ["title", "detail", "remedy"] {
            assert!(document[member].as_str().is_some_and(|text| !text.is_empty()), "{member} in {document}");
        }
        let uri = document["type"].as_str().expect("a type");
        uri.strip_prefix("urn:isthmus:problem:").expect("a known URI").to_owned()
    }
}

fn node() -> Router {
    app(Arc::new(FakeNode::default()), Access::Full)
}

async fn send(app: Router, request: Request<Body>) -> Answer {
    let response = app.oneshot(request).await.expect("infallible");
    let status = response.status();
    let content_type = response.headers().get(header::CONTENT_TYPE);
    let content_type =
        content_type.map(|value| value.to_str().expect("ASCII").to_owned()).unwrap_or_default();
    let body = to_bytes(response.into_body(), usize::MAX).await.expect("a whole body").to_vec();
    Answer { status, content_type, body }
}

async fn get(path: &str) -> Answer {
    send(node(), Request::get(path).body(Body::empty()).expect("a request")).await
}

/// What `/` lists.
async fn listed() -> Vec<Resource> {
    serde_json::from_value(get("/").await.json()["resource"].take()).expect("a list of resources")
}

async fn send_json(app: Router, method: &str, path: &str, body: &str) -> Answer {
    let request =
        Request::builder().method(method).uri(path).header(header::CONTENT_TYPE, "application/json");
    send(app, request.body(Body::from(body.to_owned())).expect("a request")).await
}
