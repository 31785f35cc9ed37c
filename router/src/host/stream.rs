//! TCP connections of the embedded stack as asynchronous byte streams.
//!
//! A connection is one half of an in-process pipe; the loop moves bytes between the other half and the
//! smoltcp socket. Either side's fullness holds the other back.

use std::collections::VecDeque;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use isthmus_mgmt_api::access::Peer;
use isthmus_mgmt_api::connection::Surface;
use isthmus_shmnet::Network;
use smoltcp::iface::{SocketHandle, SocketSet};
use smoltcp::socket::tcp;
use smoltcp::wire::{IpAddress, IpEndpoint};
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};
use tokio::sync::{mpsc, oneshot};

/// Bytes that wait on each side of a connection.
const BUFFER: usize = 128 * 1024;
/// Sockets that wait for connections on each port and adapter.
const BACKLOG: usize = 8;
/// Accepted connections that wait for their service.
const ACCEPT_QUEUE: usize = 64;
/// Connections that a service has at a time; who comes later is turned away.
const SERVICE_CONNECTIONS: usize = 64;
/// A service's connection over which nothing has moved for this long is ended. The sockets' own timeout ends only
/// those whose peer has died: one that lives answers keep-alives for ever.
const IDLE: Duration = Duration::from_secs(120);
/// Connections that are over and whose sockets still answer the peer's last segments.
const LINGERING: usize = 64;

/// Connections to a port of this node's addresses.
pub struct HostListener {
    accepted: mpsc::Receiver<(DuplexStream, SocketAddr)>,
    port: u16,
}

impl axum::serve::Listener for HostListener {
    type Io = DuplexStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (DuplexStream, SocketAddr) {
        match self.accepted.recv().await {
            Some(connection) => connection,
            // The stack has ended: no connection will ever come.
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(SocketAddr::from((Ipv4Addr::UNSPECIFIED, self.port)))
    }
}

impl Surface for HostListener {
    fn peer(_: &DuplexStream, address: &SocketAddr) -> Peer {
        Peer::Address(*address)
    }
}

/// A port that takes connections.
struct Service {
    port: u16,
    accept: mpsc::Sender<(DuplexStream, SocketAddr)>,
    waiting: Vec<(Network, SocketHandle)>,
}

/// A connection under way.
struct Connection {
    network: Network,
    handle: SocketHandle,
    pipe: DuplexStream,
    /// The peer has said that it sends no more, and the service knows it.
    read_closed: bool,
    /// The port of the service that took it; `None`: this node opened it.
    service: Option<u16>,
    /// When bytes last moved.
    moved: Instant,
}

/// A connection that the peer has not answered yet.
struct Opening {
    network: Network,
    handle: SocketHandle,
    reply: oneshot::Sender<io::Result<DuplexStream>>,
}

/// All TCP of the stack, over both adapters.
#[derive(Default)]
pub struct Streams {
    services: Vec<Service>,
    connections: Vec<Connection>,
    openings: Vec<Opening>,
    /// Sockets of connections that are over, the oldest first.
    lingering: VecDeque<(Network, SocketHandle)>,
    next_port: u16,
}

/// The socket sets of the two adapters.
pub struct Sockets {
    /// Of the local adapter.
    pub local: SocketSet<'static>,
    /// Of the global adapter.
    pub global: SocketSet<'static>,
}

impl Sockets {
    /// The set of the adapter for `network`.
    pub fn of(&mut self, network: Network) -> &mut SocketSet<'static> {
        match network {
            Network::Lsm => &mut self.local,
            Network::Gsm => &mut self.global,
        }
    }
}

impl Streams {
    /// Starts to take connections on `port`.
    ///
    /// # Errors
    /// The port is zero or taken.
    pub fn listen(&mut self, port: u16, sockets: &mut Sockets) -> io::Result<HostListener> {
        if port == 0 || self.services.iter().any(|service| service.port == port) {
            return Err(io::Error::new(
                io::ErrorKind::AddrInUse,
                format!("TCP port {port} is taken or zero"),
            ));
        }
        let (accept, accepted) = mpsc::channel(ACCEPT_QUEUE);
        let mut service = Service { port, accept, waiting: Vec::new() };
        service.replenish(sockets);
        self.services.push(service);
        Ok(HostListener { accepted, port })
    }

    /// Starts to open a connection; `reply` learns what comes of it.
    pub fn connect(
        &mut self,
        network: Network,
        context: &mut smoltcp::iface::Context,
        sockets: &mut Sockets,
        (source, remote): (Ipv4Addr, SocketAddrV4),
        reply: oneshot::Sender<io::Result<DuplexStream>>,
    ) {
        const EPHEMERAL: std::ops::Range<u16> = 49_152..65_535;
        self.next_port =
            if EPHEMERAL.contains(&self.next_port) { self.next_port + 1 } else { EPHEMERAL.start };
        let mut socket = new_socket();
        let target = IpEndpoint::new(IpAddress::Ipv4(*remote.ip()), remote.port());
        let from = IpEndpoint::new(IpAddress::Ipv4(source), self.next_port);
        match socket.connect(context, target, from) {
            Ok(()) => {
                let handle = sockets.of(network).add(socket);
                self.openings.push(Opening { network, handle, reply });
            }
            // Nobody waits any more if a reply fails.
            Err(error) => drop(reply.send(Err(io::Error::other(error.to_string())))),
        }
    }

    /// Moves bytes and connections along. `waker` is woken when a pipe can go on.
    pub fn pump(&mut self, now: Instant, sockets: &mut Sockets, waker: &mut Context<'_>) {
        for service in &mut self.services {
            service.accept_established(now, sockets, &mut self.connections, &mut self.lingering);
            service.replenish(sockets);
        }
        self.services.retain(|service| !service.accept.is_closed() || !service.waiting.is_empty());
        for index in (0..self.openings.len()).rev() {
            self.settle_opening(now, index, sockets);
        }
        self.connections.retain_mut(|connection| {
            let keep = connection.pump(now, sockets, waker);
            if !keep {
                self.lingering.push_back((connection.network, connection.handle));
            }
            keep
        });
        self.end_lingering(sockets);
    }

    /// Removes sockets that have no more to say. A socket that goes before its last acknowledgment has arrived would
    /// answer the peer's repeated FIN with a reset, and one that was aborted has its reset still to send.
    fn end_lingering(&mut self, sockets: &mut Sockets) {
        while self.lingering.len() > LINGERING
            && let Some((network, handle)) = self.lingering.pop_front()
        {
            sockets.of(network).remove(handle);
        }
        self.lingering.retain(|&(network, handle)| {
            let socket = sockets.of(network).get::<tcp::Socket<'_>>(handle);
            // smoltcp forgets the peer of a closed socket when it has told it.
            let keep = socket.state() != tcp::State::Closed || socket.remote_endpoint().is_some();
            if !keep {
                sockets.of(network).remove(handle);
            }
            keep
        });
    }

    fn settle_opening(&mut self, now: Instant, index: usize, sockets: &mut Sockets) {
        let opening = &self.openings[index];
        let socket = sockets.of(opening.network).get_mut::<tcp::Socket<'_>>(opening.handle);
        match socket.state() {
            tcp::State::SynSent | tcp::State::SynReceived if !opening.reply.is_closed() => {}
            tcp::State::Closed | tcp::State::SynSent | tcp::State::SynReceived => {
                let opening = self.openings.swap_remove(index);
                sockets.of(opening.network).remove(opening.handle);
                let refused = io::Error::new(io::ErrorKind::ConnectionRefused, "refused, or no answer");
                let _ = opening.reply.send(Err(refused));
            }
            _ => {
                let Opening { network, handle, reply } = self.openings.swap_remove(index);
                let (pipe, other) = tokio::io::duplex(BUFFER);
                // If nobody waits any more, the pipe is closed and the connection ends in the next pump.
                let _ = reply.send(Ok(other));
                self.connections.push(Connection::new((network, handle), pipe, None, now));
            }
        }
    }
}

impl Service {
    /// Keeps the backlog of waiting sockets full while there is a service behind it.
    fn replenish(&mut self, sockets: &mut Sockets) {
        if self.accept.is_closed() {
            for (network, handle) in self.waiting.drain(..) {
                sockets.of(network).remove(handle);
            }
            return;
        }
        for network in [Network::Lsm, Network::Gsm] {
            let waiting = self.waiting.iter().filter(|(of, _)| *of == network).count();
            for _ in waiting..BACKLOG {
                let mut socket = new_socket();
                // A new socket and a port that is not zero: listening cannot fail.
                if socket.listen(self.port).is_ok() {
                    self.waiting.push((network, sockets.of(network).add(socket)));
                }
            }
        }
    }

    /// Hands established connections to the service, as many as it may have.
    fn accept_established(
        &mut self,
        now: Instant,
        sockets: &mut Sockets,
        connections: &mut Vec<Connection>,
        lingering: &mut VecDeque<(Network, SocketHandle)>,
    ) {
        let mut count = connections.iter().filter(|connection| connection.service == Some(self.port)).count();
        self.waiting.retain(|&(network, handle)| {
            let socket = sockets.of(network).get_mut::<tcp::Socket<'_>>(handle);
            if matches!(socket.state(), tcp::State::Listen | tcp::State::SynReceived) {
                return true;
            }
            if socket.state() != tcp::State::Closed
                && count < SERVICE_CONNECTIONS
                && let Some(remote) = socket.remote_endpoint()
            {
                let (pipe, other) = tokio::io::duplex(BUFFER);
                let remote = SocketAddr::from((remote.addr, remote.port));
                if self.accept.try_send((other, remote)).is_ok() {
                    count += 1;
                    connections.push(Connection::new((network, handle), pipe, Some(self.port), now));
                    return false;
                }
            }
            socket.abort();
            lingering.push_back((network, handle));
            false
        });
    }
}

impl Connection {
    fn new(
        (network, handle): (Network, SocketHandle),
        pipe: DuplexStream,
        service: Option<u16>,
        now: Instant,
    ) -> Self {
        Self { network, handle, pipe, read_closed: false, service, moved: now }
    }

    /// Moves bytes both ways. `false`: the connection is over.
    fn pump(&mut self, now: Instant, sockets: &mut Sockets, waker: &mut Context<'_>) -> bool {
        let socket = sockets.of(self.network).get_mut::<tcp::Socket<'_>>(self.handle);
        self.deliver(now, socket, waker);
        self.collect(now, socket, waker);
        if self.service.is_some() && now.saturating_duration_since(self.moved) > IDLE {
            socket.abort();
        }
        match socket.state() {
            tcp::State::Closed => false,
            // The service may be slow to take the last of what the peer sent.
            tcp::State::TimeWait => socket.can_recv(),
            _ => true,
        }
    }

    /// From the peer to the service.
    fn deliver(&mut self, now: Instant, socket: &mut tcp::Socket<'_>, waker: &mut Context<'_>) {
        while socket.can_recv() {
            let taken = socket.recv(|bytes| match Pin::new(&mut self.pipe).poll_write(waker, bytes) {
                Poll::Ready(Ok(count)) => (count, Some(count)),
                Poll::Ready(Err(_)) => (0, None),
                Poll::Pending => (0, Some(0)),
            });
            match taken {
                Ok(Some(0)) => break,
                Ok(Some(_)) => self.moved = now,
                // The service is gone, and so is the meaning of what the peer sends.
                Ok(None) | Err(_) => {
                    socket.abort();
                    return;
                }
            }
        }
        let peer_is_done =
            !socket.may_recv() && !socket.can_recv() && socket.state() != tcp::State::SynReceived;
        if peer_is_done && !self.read_closed {
            self.read_closed = true;
            // The in-process pipe shuts down at once and cannot fail.
            let _ = Pin::new(&mut self.pipe).poll_shutdown(waker);
        }
    }

    /// From the service to the peer.
    fn collect(&mut self, now: Instant, socket: &mut tcp::Socket<'_>, waker: &mut Context<'_>) {
        while socket.can_send() {
            let given = socket.send(|space| {
                let mut space = ReadBuf::new(space);
                match Pin::new(&mut self.pipe).poll_read(waker, &mut space) {
                    Poll::Ready(Ok(())) => (space.filled().len(), Some(space.filled().len())),
                    Poll::Ready(Err(_)) => (0, Some(0)),
                    Poll::Pending => (0, None),
                }
            });
            match given {
                // The service has closed its side; what is queued is still sent.
                Ok(Some(0)) => {
                    socket.close();
                    return;
                }
                Ok(Some(_)) => self.moved = now,
                Ok(None) | Err(_) => return,
            }
        }
    }
}

fn new_socket() -> tcp::Socket<'static> {
    let mut socket =
        tcp::Socket::new(tcp::SocketBuffer::new(vec![0; BUFFER]), tcp::SocketBuffer::new(vec![0; BUFFER]));
    socket.set_nagle_enabled(false);
    // A peer that died must not hold its buffers for ever.
    socket.set_timeout(Some(smoltcp::time::Duration::from_secs(30)));
    socket.set_keep_alive(Some(smoltcp::time::Duration::from_secs(10)));
    socket
}
