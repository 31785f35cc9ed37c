//! The outside host of the demo: the embedded stack behind a socket port, in the demo's own process.

use std::collections::HashMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use ipnet::Ipv4Net;
use isthmus_shmnet::Network;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::credentials::Credentials;
use super::topology::{OUTSIDE_GATEWAY, OUTSIDE_HOST};
use crate::forward::InterfaceIndex;
use crate::forward::fib::{Fib, FibEntry, NextHop};
use crate::forward::link::{Bell, link};
use crate::forward::state::{ForwardingState, Interface, InterfaceKind, LocalOwner};
use crate::forward::worker::{Worker, WorkerHandle, WorkerSetup};
use crate::host::{EchoOutcome, EchoRequest, HostConfig, HostHandle};
use crate::port::socket::{SocketConfig, SocketPort};

/// Frames of the wire to the outside router.
const MTU: u16 = 1500;
/// Buffers in flight between the stack and its worker.
const LINK_CAPACITY: usize = 1024;

/// The outside host.
#[derive(Clone)]
pub struct OutsideHost {
    host: HostHandle,
    credentials: Arc<Credentials>,
}

impl OutsideHost {
    /// A host at the end of `wire` with a default route to the outside router. It stops when its worker is dropped.
    ///
    /// # Errors
    /// The socket or a thread could not be made.
    pub fn start(wire: &Path, credentials: Arc<Credentials>) -> io::Result<(Self, OutsideWorker)> {
        let config = SocketConfig { name: "host0".into(), path: wire.to_owned(), mac: None, mtu: MTU };
        let port = SocketPort::open(config).map_err(io::Error::other)?;
        let (worker_end, host_end) = link(LINK_CAPACITY, Bell::new()?, Bell::new()?);
        let (worker, handle) = Worker::new(WorkerSetup {
            ports: vec![Box::new(port)],
            state: forwarding_state(),
            host: Some(worker_end),
            ospf: None,
            buffers: 4 * LINK_CAPACITY,
        })?;
        let thread = std::thread::Builder::new().name("outside-host".into()).spawn(move || {
            if let Err(error) = worker.run() {
                tracing::error!(%error, "the outside host has ended");
            }
        })?;
        let config =
            HostConfig { source: OUTSIDE_HOST, local_network: None, discard_from: Vec::new(), mtu: MTU };
        let (host, _) = crate::host::start(config, host_end)?;
        Ok((Self { host, credentials }, OutsideWorker { handle: Some(handle), thread: Some(thread) }))
    }

    /// Sends one echo request.
    ///
    /// # Errors
    /// The stack has ended.
    pub async fn echo(&self, destination: Ipv4Addr, timeout: Duration) -> io::Result<EchoOutcome> {
        self.host.echo(EchoRequest { destination, source: None, ttl: 64, payload_len: 56, timeout }).await
    }

    /// Fetches a document over HTTP in TLS, on a connection of its own.
    ///
    /// # Errors
    /// No connection, or the answer is not a success with a JSON body.
    pub async fn fetch(&self, server: SocketAddrV4, path: &str) -> io::Result<serde_json::Value> {
        const PATIENCE: Duration = Duration::from_secs(5);
        let exchange = async {
            let mut stream = self.credentials.connect(self.host.connect(server).await?).await?;
            let request = format!(
                "GET {path} HTTP/1.1\r\nHost: {}\r\nAuthorization: {}\r\nConnection: close\r\n\r\n",
                server.ip(),
                self.credentials.authorization()
            );
            stream.write_all(request.as_bytes()).await?;
            let mut answer = Vec::new();
            stream.read_to_end(&mut answer).await?;
            parse_answer(&answer)
        };
        tokio::time::timeout(PATIENCE, exchange).await?
    }
}

/// The thread that moves the outside host's packets. Dropping it ends it: then nobody opens the wire again.
pub struct OutsideWorker {
    handle: Option<WorkerHandle>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for OutsideWorker {
    fn drop(&mut self) {
        drop(self.handle.take());
        if let Some(thread) = self.thread.take() {
            // Should it have panicked it has ended, too.
            let _ = thread.join();
        }
    }
}

fn parse_answer(answer: &[u8]) -> io::Result<serde_json::Value> {
    let malformed = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what.to_owned());
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n");
    let (head, body) =
        answer.split_at(end.ok_or_else(|| malformed("the answer has no end of its header"))? + 4);
    let success = head.starts_with(b"HTTP/1.1 200");
    if !success {
        let line = head.split(|&byte| byte == b'\r').next().unwrap_or_default();
        return Err(malformed(&String::from_utf8_lossy(line)));
    }
    serde_json::from_slice(body).map_err(|error| malformed(&error.to_string()))
}

fn forwarding_state() -> ForwardingState {
    let interface = InterfaceIndex(0);
    let address = Ipv4Net::new_assert(OUTSIDE_HOST, 24);
    let on_link = FibEntry::Forward(vec![NextHop { interface, gateway: None }]);
    let gateway = FibEntry::Forward(vec![NextHop { interface, gateway: Some(OUTSIDE_GATEWAY) }]);
    ForwardingState {
        interfaces: vec![Interface {
            name: "host0".into(),
            kind: InterfaceKind::Nic,
            address: Some(address),
            mtu: MTU,
            enabled: true,
            ospf: false,
        }],
        fib: Arc::new(Fib::new([(address.trunc(), on_link), (Ipv4Net::default(), gateway)])),
        local: HashMap::from([(OUTSIDE_HOST, LocalOwner::Host(Network::Gsm))]),
        router_address: Some(OUTSIDE_HOST),
        ..ForwardingState::default()
    }
}
