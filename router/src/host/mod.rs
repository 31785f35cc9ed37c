//! The node's own embedded stack.
//!
//! smoltcp does not forward: it sits behind a link to the worker, which hands it the datagrams for this node's
//! addresses and routes what it sends. It has two network adapters, as every node of the cluster has: the local
//! one carries packets to and from nodes of the local network, the global one everything else.
//! Ping, traceroute, in-band management and the discard service of the throughput test live here.
//!
//! The stack runs on a thread of its own, with a runtime of its own, so that a slow management client never
//! delays routing. [`HostHandle`] is how the rest of the process speaks to it.
//!
//! | module | subject |
//! |---|---|
//! | [`adapter`] | a network adapter as smoltcp sees it |
//! | [`stack`] | the loop that drives both adapters |
//! | [`stream`] | TCP connections as asynchronous byte streams |
//! | [`echo`] | ICMP echo requests in flight, for ping and traceroute |
//! | [`generator`] | datagrams for the throughput test |
//! | [`tools`] | ping and traceroute |

pub mod adapter;
pub mod echo;
pub mod generator;
pub mod stack;
pub mod stream;
pub mod tools;

use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use ipnet::Ipv4Net;
use tokio::io::DuplexStream;
use tokio::sync::{mpsc, oneshot};

use crate::forward::link::LinkEnd;

pub use echo::{EchoOutcome, EchoRequest};
pub use generator::{GeneratorReport, GeneratorRequest};
pub use stream::HostListener;

/// What the stack is told at start.
#[derive(Clone, Debug)]
pub struct HostConfig {
    /// The address that the node's own requests carry as source.
    pub source: Ipv4Addr,
    /// Networks whose members are reached by the local adapter; all else goes by the global one.
    pub local_network: Option<Ipv4Net>,
    /// Networks from which the discard service takes datagrams (RFC 863).
    pub discard_from: Vec<Ipv4Net>,
    /// Largest IP datagram.
    pub mtu: u16,
}

/// Speaks to the stack's thread. Cheap to clone.
#[derive(Clone)]
pub struct HostHandle {
    commands: mpsc::Sender<Command>,
    source: Arc<AtomicU32>,
}

/// What the stack's thread is asked to do.
pub(crate) enum Command {
    Echo(EchoRequest, oneshot::Sender<EchoOutcome>),
    Listen(u16, oneshot::Sender<io::Result<HostListener>>),
    Connect { remote: SocketAddrV4, source: Ipv4Addr, reply: oneshot::Sender<io::Result<DuplexStream>> },
    Source(Ipv4Addr),
    Generate(GeneratorRequest, oneshot::Sender<GeneratorReport>),
}

/// smoltcp keeps its reassembly buffers inside its interfaces, which are moved when they are made.
const STACK_SIZE: usize = 16 << 20;

/// Starts the stack's thread on one end of a link to the worker. It ends when the last handle is dropped.
///
/// # Errors
/// The thread or its runtime could not be made.
pub fn start(config: HostConfig, link: LinkEnd) -> io::Result<(HostHandle, std::thread::JoinHandle<()>)> {
    let (commands, inbox) = mpsc::channel(64);
    let source = Arc::new(AtomicU32::new(config.source.to_bits()));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let thread = std::thread::Builder::new().name("host".into()).stack_size(STACK_SIZE).spawn(move || {
        runtime.block_on(async move {
            match stack::Stack::new(config, link) {
                Ok(stack) => stack.run(inbox).await,
                Err(error) => tracing::error!(%error, "the embedded stack could not start"),
            }
        });
    })?;
    Ok((HostHandle { commands, source }, thread))
}

impl HostHandle {
    /// The address that the node's own requests carry as source.
    pub fn source(&self) -> Ipv4Addr {
        Ipv4Addr::from_bits(self.source.load(Ordering::Relaxed))
    }

    /// From now on the node's own requests carry another source. Connections that stand keep theirs.
    ///
    /// # Errors
    /// The stack has ended, or has too much to do.
    pub fn use_source(&self, source: Ipv4Addr) -> io::Result<()> {
        self.commands.try_send(Command::Source(source)).map_err(io::Error::other)?;
        self.source.store(source.to_bits(), Ordering::Relaxed);
        Ok(())
    }

    /// Sends one ICMP echo request and waits for what comes of it.
    ///
    /// # Errors
    /// The stack has ended.
    pub async fn echo(&self, request: EchoRequest) -> io::Result<EchoOutcome> {
        let (reply, answer) = oneshot::channel();
        self.ask(Command::Echo(request, reply), answer).await
    }

    /// Takes TCP connections to `port` on any address of this node that the stack answers for.
    ///
    /// # Errors
    /// The port is taken, or the stack has ended.
    pub async fn listen(&self, port: u16) -> io::Result<HostListener> {
        let (reply, answer) = oneshot::channel();
        self.ask(Command::Listen(port, reply), answer).await?
    }

    /// Opens a TCP connection.
    ///
    /// # Errors
    /// The peer refused or did not answer, or the stack has ended.
    pub async fn connect(&self, remote: SocketAddrV4) -> io::Result<DuplexStream> {
        let (reply, answer) = oneshot::channel();
        self.ask(Command::Connect { remote, source: self.source(), reply }, answer).await?
    }

    /// Sends datagrams to the discard port of another node, as fast as they are taken.
    ///
    /// # Errors
    /// The stack has ended.
    pub async fn generate(&self, request: GeneratorRequest) -> io::Result<GeneratorReport> {
        let (reply, answer) = oneshot::channel();
        self.ask(Command::Generate(request, reply), answer).await
    }

    async fn ask<T>(&self, command: Command, answer: oneshot::Receiver<T>) -> io::Result<T> {
        let ended = || io::Error::new(io::ErrorKind::BrokenPipe, "the embedded stack has ended");
        self.commands.send(command).await.map_err(|_| ended())?;
        answer.await.map_err(|_| ended())
    }
}

#[cfg(test)]
mod tests;
