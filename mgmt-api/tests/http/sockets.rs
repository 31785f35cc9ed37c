//! Listeners: a real unix socket and a real loopback address.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use isthmus_mgmt_api::{Access, BindError, UnixSocket, app, bind_tcp, serve};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::oneshot;

use crate::fake::FakeNode;
use crate::node;

/// A directory that goes with the test.
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("isthmus-mgmt-{}-{}", std::process::id(), NEXT.fetch_add(1, Relaxed));
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    fn socket(&self) -> PathBuf {
        self.0.join("api.sock")
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}

async fn ask(mut stream: impl AsyncRead + AsyncWrite + Unpin) -> String {
    let request = b"GET /healthz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    stream.write_all(request).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

fn names_in(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[tokio::test]
async fn a_unix_socket_answers_its_owner_and_goes_with_the_node() {
    let scratch = Scratch::new();
    let socket = UnixSocket::bind(&scratch.socket()).await.unwrap();
    assert_eq!(fs::metadata(scratch.socket()).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(names_in(&scratch.0), ["api.sock"]);
    let (stop, stopped) = oneshot::channel::<()>();
    let server = tokio::spawn(serve(socket, node(), async { stopped.await.unwrap() }));
    let answer = ask(UnixStream::connect(scratch.socket()).await.unwrap()).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("ok\n"), "{answer}");
    stop.send(()).unwrap();
    server.await.unwrap().unwrap();
    assert_eq!(names_in(&scratch.0), Vec::<String>::new());
}

#[tokio::test]
async fn the_directory_of_a_socket_is_made() {
    let scratch = Scratch::new();
    let path = scratch.0.join("run/isthmus/1.sock");
    let socket = UnixSocket::bind(&path).await.unwrap();
    assert_eq!(socket.path(), path);
    assert_eq!(fs::metadata(path.parent().unwrap()).unwrap().permissions().mode() & 0o777, 0o700);
}

#[tokio::test]
async fn a_shutdown_does_not_wait_for_an_idle_client() {
    let scratch = Scratch::new();
    let socket = UnixSocket::bind(&scratch.socket()).await.unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let server = tokio::spawn(serve(socket, node(), async { stopped.await.unwrap() }));
    let mut half = UnixStream::connect(scratch.socket()).await.unwrap();
    half.write_all(b"GET /healthz HTTP/1.1\r\n").await.unwrap();
    stop.send(()).unwrap();
    server.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_socket_left_by_a_dead_process_is_replaced() {
    let scratch = Scratch::new();
    drop(std::os::unix::net::UnixListener::bind(scratch.socket()).unwrap());
    assert!(scratch.socket().exists());
    let socket = UnixSocket::bind(&scratch.socket()).await.unwrap();
    assert!(UnixStream::connect(socket.path()).await.is_ok());
}

#[tokio::test]
async fn a_socket_in_use_and_another_file_are_left_alone() {
    let scratch = Scratch::new();
    let first = UnixSocket::bind(&scratch.socket()).await.unwrap();
    let second = UnixSocket::bind(&scratch.socket()).await;
    assert!(matches!(second, Err(BindError::InUse(_))), "{second:?}");
    assert!(UnixStream::connect(first.path()).await.is_ok());
    let file = scratch.0.join("file");
    fs::write(&file, "precious").unwrap();
    assert!(matches!(UnixSocket::bind(&file).await, Err(BindError::NotASocket(_))));
    assert_eq!(fs::read_to_string(&file).unwrap(), "precious");
}

#[tokio::test]
async fn a_socket_that_was_replaced_is_not_removed_by_its_former_owner() {
    let scratch = Scratch::new();
    let first = UnixSocket::bind(&scratch.socket()).await.unwrap();
    fs::remove_file(scratch.socket()).unwrap();
    let second = UnixSocket::bind(&scratch.socket()).await.unwrap();
    drop(first);
    assert!(UnixStream::connect(second.path()).await.is_ok());
}

#[tokio::test]
async fn only_loopback_is_listened_on() {
    for address in ["0.0.0.0:0", "[::]:0", "192.0.2.1:8080"] {
        let refused = bind_tcp(address.parse().unwrap()).await.unwrap_err();
        assert!(matches!(refused, BindError::NotLoopback(_)), "{address}: {refused}");
        assert!(refused.to_string().contains("tokens and TLS"), "{refused}");
    }
    let listener = bind_tcp("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let surface = app(Arc::new(FakeNode::default()), Access::Loopback(Arc::default()));
    let server = tokio::spawn(serve(listener, surface, async { stopped.await.unwrap() }));
    assert!(ask(TcpStream::connect(address).await.unwrap()).await.ends_with("ok\n"));
    stop.send(()).unwrap();
    server.await.unwrap().unwrap();
}
