//! The description of the API, and the page that shows it.

use std::io::Read;

use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use serde_json::Value;
use tower::ServiceExt;

use crate::{get, node};

async fn document() -> Value {
    get("/openapi.json").await.json()
}

/// Every operation with its path and method.
fn operations(document: &Value) -> Vec<(String, &Value)> {
    let paths = document["paths"].as_object().unwrap();
    let named = |path: &str, method: &str| format!("{} {path}", method.to_uppercase());
    paths
        .iter()
        .flat_map(|(path, item)| {
            item.as_object().unwrap().iter().map(move |(method, operation)| (named(path, method), operation))
        })
        .collect()
}

#[tokio::test]
async fn every_operation_is_described_whole() {
    let document = document().await;
    assert_eq!(document["openapi"], "3.1.0");
    let mut ids = Vec::new();
    for (name, operation) in operations(&document) {
        assert!(operation["summary"].as_str().is_some_and(|text| text.ends_with('.')), "{name}: {operation}");
        ids.push(operation["operationId"].as_str().unwrap());
        for parameter in operation["parameters"].as_array().into_iter().flatten() {
            assert!(!parameter["description"].as_str().unwrap().is_empty(), "{name}: {parameter}");
            assert!(
                parameter["schema"].as_object().is_some_and(|schema| !schema.is_empty()),
                "{name}: {parameter}"
            );
            let required = parameter["in"] == "path" || parameter["required"] == true;
            assert!(!required || !parameter["example"].is_null(), "{name}: {parameter}");
        }
        let responses = operation["responses"].as_object().unwrap();
        assert!(responses.keys().any(|status| status.starts_with('2')), "{name}");
        for (status, response) in responses.iter().filter(|(status, _)| !status.starts_with(['2', '3'])) {
            let plain = response["content"].is_object();
            let reference = format!("#/components/responses/Problem{status}");
            assert!(plain || response["$ref"] == reference, "{name} {status}: {response}");
        }
        for content in
            operation["requestBody"]["content"].as_object().into_iter().flat_map(|all| all.values())
        {
            assert!(!content["example"].is_null(), "{name}");
        }
    }
    let count = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), count, "operation ids are unique");
}

#[tokio::test]
async fn ranges_and_defaults_of_the_model_are_in_the_document() {
    let document = document().await;
    let ping = &document["components"]["schemas"]["PingRequest"];
    assert_eq!(ping["properties"]["count"]["maximum"], 1000);
    assert_eq!(ping["properties"]["count"]["default"], 5);
    assert_eq!(ping["required"], serde_json::json!(["destination"]));
    let database = &document["paths"]["/api/v1/ospf/database"]["get"]["parameters"];
    let adv_router = database.as_array().unwrap().iter().find(|one| one["name"] == "adv-router").unwrap();
    assert_eq!((&adv_router["schema"]["format"], &adv_router["required"]), (&"ipv4".into(), &false.into()));
}

/// A file of the page; most are kept compressed.
async fn read(path: &str) -> String {
    let body = get(path).await.body;
    let mut text = String::new();
    match flate2::read::GzDecoder::new(body.as_slice()).read_to_string(&mut text) {
        Ok(_) => text,
        Err(_) => String::from_utf8(body).unwrap(),
    }
}

#[tokio::test]
async fn the_page_comes_whole_from_this_node() {
    let request = Request::get("/docs/").body(Body::empty()).unwrap();
    let response = node().oneshot(request).await.unwrap();
    let policy = response.headers()[header::CONTENT_SECURITY_POLICY].to_str().unwrap();
    assert!(policy.contains("default-src 'self'"), "{policy}");
    let page = read("/docs/index.html").await;
    // Attributes that make a browser load something.
    let loaded: Vec<&str> = ["src=\"", "href=\""]
        .iter()
        .flat_map(|attribute| page.split(attribute).skip(1))
        .map(|rest| rest.split('"').next().unwrap())
        .collect();
    assert!(loaded.len() >= 5, "{loaded:?}");
    for path in loaded {
        let answer = get(&format!("/docs/{}", path.trim_start_matches("./"))).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}");
    }
    let settings = read("/docs/swagger-initializer.js").await;
    assert!(settings.contains("\"/openapi.json\""), "{settings}");
    assert!(settings.contains("\"validatorUrl\": \"none\""), "{settings}");
    assert!(!settings.contains("http"), "{settings}");
}
