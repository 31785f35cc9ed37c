//! The client before a real server on a real unix socket.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use axum::routing::{get, post};
use axum::{Json, Router};
use isthmus_mgmt_api::{ApiError, ProblemKind, UnixSocket};
use serde_json::json;
use tokio::sync::oneshot;

use super::*;
use crate::cli::error::Exit;

/// A server in its own thread, ended when dropped.
struct Server {
    path: PathBuf,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Server {
    fn start() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("isthmus-client-{}-{}.sock", std::process::id(), NEXT.fetch_add(1, Relaxed));
        let path = std::env::temp_dir().join(name);
        let (stop, stopped) = oneshot::channel::<()>();
        let (ready, listening) = std::sync::mpsc::channel();
        let socket_path = path.clone();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let socket = UnixSocket::bind(&socket_path).await.unwrap();
                ready.send(()).unwrap();
                isthmus_mgmt_api::serve(socket, app(), async { drop(stopped.await) }).await.unwrap();
            });
        });
        listening.recv().unwrap();
        Self { path, stop: Some(stop), thread: Some(thread) }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

fn app() -> Router {
    let refuse = || async { ApiError::new(ProblemKind::NotFound, "there is no x", "try y") };
    Router::new()
        .route("/document", get(|| async { Json(json!({"a": 1})) }).patch(|body: Json<Value>| async { body }))
        .route("/unwell", get(|| async { (axum::http::StatusCode::SERVICE_UNAVAILABLE, Json(json!(false))) }))
        .route("/refusal", get(refuse).post(refuse))
        .route("/nonsense", get(|| async { "<html>" }))
        .route("/lines", post(|body: Json<Value>| async move { format!("{}\n{}\n", body.0, body.0) }))
        .route("/stream", post(|| async { vec![7u8; 300_000] }))
}

#[test]
fn documents_lines_and_streams_come_whole() {
    let server = Server::start();
    let client = Client::unix(&server.path);
    for _ in 0..3 {
        assert_eq!(client.get("/document").unwrap(), json!({"a": 1}));
        assert_eq!(client.patch("/document", &json!({"b": 2})).unwrap(), json!({"b": 2}));
        assert_eq!(client.get("/unwell").unwrap(), json!(false));
        assert_eq!(
            client.post_lines("/lines", &json!({"c": 3})).unwrap(),
            [json!({"c": 3}), json!({"c": 3})]
        );
        let mut stream = Vec::new();
        client.post_stream("/stream").unwrap().read_to_end(&mut stream).unwrap();
        assert_eq!(stream, vec![7; 300_000]);
    }
}

#[test]
fn a_loopback_address_answers_as_a_socket_does() {
    let (stop, stopped) = oneshot::channel::<()>();
    let (ready, listening) = std::sync::mpsc::channel();
    let server = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = isthmus_mgmt_api::bind_tcp("127.0.0.1:0".parse().unwrap()).await.unwrap();
            ready.send(listener.local_addr().unwrap()).unwrap();
            isthmus_mgmt_api::serve(listener, app(), async { drop(stopped.await) }).await.unwrap();
        });
    });
    let target: Target = format!("http://{}", listening.recv().unwrap()).parse().unwrap();
    assert_eq!(Client::new(target.clone()).unwrap().get("/document").unwrap(), json!({"a": 1}));
    drop(stop);
    server.join().unwrap();
    let gone = Client::new(target).unwrap().get("/document").unwrap_err();
    assert!(matches!(gone, CliError::Unreachable { .. }), "{gone}");
}

#[test]
fn a_refusal_says_what_the_node_says() {
    let server = Server::start();
    let client = Client::unix(&server.path);
    for error in [client.get("/refusal").unwrap_err(), client.post_lines("/refusal", &json!({})).unwrap_err()]
    {
        assert_eq!((error.to_string().as_str(), error.remedy().as_str()), ("there is no x", "try y"));
        assert_eq!(error.exit(), Exit::Refused);
    }
    assert!(matches!(client.get("/nonsense"), Err(CliError::BadAnswer { .. })));
    assert!(matches!(client.get("/nowhere"), Err(CliError::BadAnswer { .. })));
}

#[test]
fn a_node_that_is_gone_is_told_from_one_that_never_was() {
    let server = Server::start();
    let path = server.path.clone();
    let client = Client::unix(&path);
    assert!(client.get("/document").is_ok());
    drop(server);
    let gone = client.get("/document").unwrap_err();
    assert_eq!(gone.exit(), Exit::Unreachable);
    assert!(gone.to_string().contains(path.to_str().unwrap()), "{gone}");
    assert!(gone.remedy().contains("is the node running?"));
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    let killed = client.get("/document").unwrap_err();
    std::fs::remove_file(&path).unwrap();
    assert!(killed.remedy().contains("nothing listens there"), "{}", killed.remedy());
}

#[test]
fn what_could_end_a_segment_is_escaped() {
    assert_eq!(escaped("eth1.20"), "eth1.20");
    assert_eq!(escaped("a/b?c d%é"), "a%2Fb%3Fc%20d%25%C3%A9");
}
