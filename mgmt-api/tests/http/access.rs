//! Who may do what.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use isthmus_mgmt_api::access::{Peer, Role, Secret, Token, Tokens};
use isthmus_mgmt_api::{Access, app};
use tower::ServiceExt;

use crate::fake::FakeNode;
use crate::{Answer, get, send};

/// A surface with a token of each role.
struct Surface {
    node: Arc<FakeNode>,
    app: Router,
    secrets: [Secret; 3],
}

impl Surface {
    fn new(access: fn(Arc<Tokens>) -> Access) -> Self {
        let secrets = [(); 3].map(|()| Secret::generate().unwrap());
        let tokens = secrets.iter().zip(Role::ALL).map(|(secret, role)| Token {
            name: format!("the-{role}"),
            role,
            hash: secret.hash(),
        });
        let node = Arc::new(FakeNode::default());
        let app = app(Arc::clone(&node), access(Arc::new(Tokens::new(tokens))));
        Self { node, app, secrets }
    }

    fn secret(&self, role: Role) -> &str {
        self.secrets[role as usize].expose()
    }

    async fn send(&self, method: &str, path: &str, authorization: Option<&str>) -> Answer {
        let request =
            Request::builder().method(method).uri(path).header(header::CONTENT_TYPE, "application/json");
        let request = match authorization {
            Some(value) => request.header(header::AUTHORIZATION, value),
            None => request,
        };
        send(self.app.clone(), request.body(Body::from(r#"{"enabled":false}"#)).unwrap()).await
    }

    async fn status(&self, method: &str, path: &str, role: Role) -> StatusCode {
        self.send(method, path, Some(&format!("Bearer {}", self.secret(role)))).await.status
    }

    /// What the node was told of refused requests.
    fn refused(&self) -> Vec<(&'static str, Option<String>)> {
        let refused = std::mem::take(&mut *self.node.refused.lock().unwrap());
        refused.into_iter().map(|failure| (failure.reason.name(), failure.caller)).collect()
    }
}

#[tokio::test]
async fn without_a_token_nobody_is_told_anything() {
    let surface = Surface::new(Access::Remote);
    for path in ["/api/v1/system", "/metrics", "/healthz", "/nothing", "/api/v1/interfaces/lsm0"] {
        let answer = surface.send("GET", path, None).await;
        assert_eq!((answer.status, answer.problem().as_str()), (StatusCode::UNAUTHORIZED, "unauthorized"));
        assert_eq!(surface.refused(), [("missing-token", None)]);
    }
    let other = Secret::generate().unwrap();
    let admin = surface.secret(Role::Admin).to_owned();
    for (authorization, reason) in [
        (format!("Bearer {}", other.expose()), "unknown-token"),
        (format!("Bearer {}", &admin[..admin.len() - 1]), "unknown-token"),
        (format!("Bearer {admin}x"), "unknown-token"),
        ("Bearer ".to_owned(), "unknown-token"),
        (format!("Basic {admin}"), "missing-token"),
        (admin.clone(), "missing-token"),
    ] {
        let answer = surface.send("GET", "/api/v1/system", Some(&authorization)).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{authorization}");
        assert!(!answer.text().contains(&admin), "a token is not repeated");
        assert_eq!(surface.refused(), [(reason, None)], "{authorization}");
    }
    let request = Request::get("/api/v1/system").body(Body::empty()).unwrap();
    let response = surface.app.clone().oneshot(request).await.unwrap();
    assert_eq!(response.headers()[header::WWW_AUTHENTICATE], "Bearer realm=\"isthmus\"");
}

#[tokio::test]
async fn a_role_may_what_a_smaller_one_may_and_its_own() {
    let surface = Surface::new(Access::Remote);
    let (ok, forbidden) = (StatusCode::OK, StatusCode::FORBIDDEN);
    for (method, path, expected) in [
        ("GET", "/api/v1/system", [ok, ok, ok]),
        ("HEAD", "/metrics", [ok, ok, ok]),
        ("POST", "/api/v1/tools/capture?interface=lsm0&count=1", [forbidden, ok, ok]),
        ("PATCH", "/api/v1/interfaces/lsm0", [forbidden, forbidden, ok]),
        ("GET", "/api/v1/config", [ok, ok, ok]),
    ] {
        for (role, expected) in Role::ALL.into_iter().zip(expected) {
            assert_eq!(surface.status(method, path, role).await, expected, "{method} {path} {role}");
        }
    }
    surface.refused();
    let viewer = format!("bearer {}", surface.secret(Role::Viewer));
    let refused = surface.send("PATCH", "/api/v1/interfaces/lsm0", Some(&viewer)).await;
    let document = refused.json();
    assert_eq!(refused.problem(), "forbidden");
    assert_eq!(
        document["detail"],
        "PATCH /api/v1/interfaces/lsm0 needs the role admin; `the-viewer` is viewer"
    );
    assert_eq!(surface.refused(), [("role", Some("the-viewer".to_owned()))]);
    assert_eq!(surface.status("GET", "/nothing", Role::Viewer).await, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn the_page_and_the_description_need_no_token() {
    let surface = Surface::new(Access::Remote);
    for path in ["/", "/ui/app.js", "/openapi.json", "/docs/"] {
        let answer = surface.send("GET", path, None).await;
        assert!(answer.status.is_success() || answer.status.is_redirection(), "{path}: {}", answer.status);
    }
}

#[tokio::test]
async fn loopback_asks_for_tokens_once_there_are_some() {
    let surface = Surface::new(Access::Loopback);
    assert_eq!(surface.send("GET", "/metrics", None).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(surface.status("GET", "/metrics", Role::Viewer).await, StatusCode::OK);
    let tokens = Arc::new(Tokens::default());
    let open = app(Arc::new(FakeNode::default()), Access::Loopback(Arc::clone(&tokens)));
    let request = || Request::get("/metrics").body(Body::empty()).unwrap();
    assert_eq!(send(open.clone(), request()).await.status, StatusCode::OK);
    let hash = Secret::generate().unwrap().hash();
    tokens.replace([Token { name: "new".to_owned(), role: Role::Viewer, hash }]);
    assert_eq!(send(open, request()).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_unix_socket_serves_root_and_the_nodes_user() {
    let node = Arc::new(FakeNode::default());
    let surface = app(Arc::clone(&node), Access::Full);
    let own = rustix::process::geteuid().as_raw();
    for (user, status) in [
        (Some(0), StatusCode::OK),
        (Some(own), StatusCode::OK),
        (Some(own + 1), StatusCode::FORBIDDEN),
        (None, StatusCode::FORBIDDEN),
    ] {
        let mut request = Request::get("/metrics").body(Body::empty()).unwrap();
        request.extensions_mut().insert(Peer::User(user));
        assert_eq!(send(surface.clone(), request).await.status, status, "{user:?}");
    }
    assert_eq!(node.refused.lock().unwrap().len(), 2);
}

/// An operation that nobody has thought of a role for needs the largest one; this finds it.
#[tokio::test]
async fn every_operation_has_a_role() {
    let document = get("/openapi.json").await.json();
    let mut roles = std::collections::BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let role = operation["x-role"].as_str();
            let role = role.unwrap_or_else(|| panic!("{method} {path} is not in access/roles.rs"));
            assert!(
                method == "get" || role != "viewer",
                "{method} {path} changes something: not for viewers"
            );
            roles.insert(role.to_owned());
        }
    }
    assert!(roles.len() > 2, "{roles:?}");
}
