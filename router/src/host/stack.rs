//! The loop that drives both adapters of the embedded stack.

use std::io;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::task::{Context, Wake, Waker};
use std::time::{Duration, Instant};

use isthmus_shmnet::Network;
use smoltcp::iface::{Config, Interface, SocketHandle, SocketSet};
use smoltcp::phy::Device;
use smoltcp::socket::raw;
use smoltcp::wire::{HardwareAddress, IpCidr, IpProtocol, IpVersion, Ipv4Packet};
use tokio::sync::{Notify, mpsc};

use super::adapter::Adapter;
use super::echo::EchoTable;
use super::generator::{Generator, is_discard};
use super::stream::{Sockets, Streams};
use super::{Command, HostConfig};
use crate::forward::link::{AsyncBell, LinkEnd};
use crate::packet::{PacketBuffer, Pool};

/// Datagrams in flight from each adapter to the worker.
const ADAPTER_BUFFERS: usize = 256;
/// Datagrams of the throughput test in flight to the worker.
const GENERATOR_BUFFERS: usize = 256;
/// Datagrams taken from the worker in one turn.
const TURN: usize = 256;
/// Datagrams that wait for an adapter. They are buffers of the worker, which it needs for all its ports: beyond
/// this they stay in the link, which fills up, and the worker drops and counts.
const WAITING: usize = 64;

/// An adapter with smoltcp's interface on it.
struct Attached {
    adapter: Adapter,
    interface: Interface,
    icmp: SocketHandle,
}

/// The embedded stack.
pub struct Stack {
    config: HostConfig,
    link: LinkEnd,
    epoch: Instant,
    local: Attached,
    global: Attached,
    sockets: Sockets,
    streams: Streams,
    echoes: EchoTable,
    generators: Vec<Generator>,
    /// Empty buffers for everything that the stack sends; the worker gives them back.
    pool: Pool,
}

/// Wakes the loop when a service has written or read its side of a connection.
struct LoopWaker(Notify);

impl Wake for LoopWaker {
    fn wake(self: Arc<Self>) {
        self.0.notify_one();
    }
}

impl Stack {
    /// A stack on one end of a link to the worker.
    ///
    /// # Errors
    /// The address of the configuration could not be given to an adapter.
    pub fn new(config: HostConfig, link: LinkEnd) -> io::Result<Self> {
        let mut sockets = Sockets { local: SocketSet::new(Vec::new()), global: SocketSet::new(Vec::new()) };
        let local = Attached::new(Network::Lsm, &config, &mut sockets)?;
        let global = Attached::new(Network::Gsm, &config, &mut sockets)?;
        Ok(Self {
            link,
            epoch: Instant::now(),
            local,
            global,
            sockets,
            streams: Streams::default(),
            echoes: EchoTable::new(std::process::id() as u16),
            generators: Vec::new(),
            pool: Pool::new(2 * ADAPTER_BUFFERS + GENERATOR_BUFFERS),
            config,
        })
    }

    /// Runs until every handle is gone.
    pub(crate) async fn run(mut self, mut commands: mpsc::Receiver<Command>) {
        let bell = match AsyncBell::new(self.link.bell()) {
            Ok(bell) => bell,
            Err(error) => {
                tracing::error!(%error, "the embedded stack cannot wait for packets");
                return;
            }
        };
        let loop_waker = Arc::new(LoopWaker(Notify::new()));
        let waker = Waker::from(Arc::clone(&loop_waker));
        loop {
            let more = self.turn(&mut Context::from_waker(&waker));
            if more {
                // The peer of this loop is another thread; only the tasks of this one need a turn.
                while let Ok(command) = commands.try_recv() {
                    self.command(command);
                }
                tokio::task::yield_now().await;
                continue;
            }
            let wait = self.time_to_wait();
            tokio::select! {
                command = commands.recv() => match command {
                    Some(command) => self.command(command),
                    None => return,
                },
                () = loop_waker.0.notified() => {}
                () = bell.rung() => {}
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    /// One turn of the loop. `true`: there is more to do at once.
    fn turn(&mut self, waker: &mut Context<'_>) -> bool {
        let now = Instant::now();
        self.link.reclaim(&mut self.pool);
        self.local.adapter.refill(&mut self.pool);
        self.global.adapter.refill(&mut self.pool);
        let mut progress = self.receive();
        for network in [Network::Lsm, Network::Gsm] {
            progress |= self.poll(network, now);
        }
        self.echoes.expire(now);
        self.streams.pump(now, &mut self.sockets, waker);
        for network in [Network::Lsm, Network::Gsm] {
            progress |= self.poll(network, now);
        }
        let generated = self.generate(now);
        let sent = self.send();
        if sent || generated {
            self.link.notify();
        }
        // What could not be read for lack of buffers waits until the worker has given some back.
        (progress && self.is_input_left()) || generated || !self.generators.is_empty()
    }

    /// Whether the worker has handed over what no adapter has read.
    fn is_input_left(&self) -> bool {
        self.link.has_incoming()
            || !self.local.adapter.received.is_empty()
            || !self.global.adapter.received.is_empty()
    }

    /// Takes datagrams from the worker, as long as neither adapter has too many waiting, and sorts them by the network
    /// that their sender is on. Returns whether it took any.
    fn receive(&mut self) -> bool {
        let mut count = 0;
        while count < TURN
            && self.local.adapter.received.len() < WAITING
            && self.global.adapter.received.len() < WAITING
            && let Some(buffer) = self.link.pop()
        {
            count += 1;
            let Ok(packet) = Ipv4Packet::new_checked(buffer.bytes()) else {
                self.link.give_back(buffer);
                continue;
            };
            let peer = packet.src_addr();
            if self.config.discard_from.iter().any(|network| network.contains(&peer))
                && is_discard(buffer.bytes())
            {
                self.link.give_back(buffer);
                continue;
            }
            let network = self.network_of(peer);
            self.attached(network).adapter.received.push_back(buffer);
        }
        count > 0
    }

    /// Returns whether a datagram was read.
    fn poll(&mut self, network: Network, now: Instant) -> bool {
        let timestamp = self.timestamp(now);
        let attached = match network {
            Network::Lsm => &mut self.local,
            Network::Gsm => &mut self.global,
        };
        let sockets = self.sockets.of(network);
        attached.interface.poll(timestamp, &mut attached.adapter, sockets);
        self.echoes.receive(now, sockets.get_mut::<raw::Socket<'_>>(attached.icmp));
        let any = !attached.adapter.spent.is_empty();
        for buffer in attached.adapter.spent.drain(..) {
            self.link.give_back(buffer);
        }
        any
    }

    /// Hands what the adapters have to send to the worker.
    fn send(&mut self) -> bool {
        let mut any = false;
        for attached in [&mut self.local, &mut self.global] {
            while let Some(buffer) = attached.adapter.to_send.pop_front() {
                any = true;
                if let Err(buffer) = self.link.push(buffer) {
                    attached.adapter.to_send.push_front(buffer);
                    break;
                }
            }
        }
        any
    }

    /// Sends datagrams of the throughput tests until the link or the pool is full.
    fn generate(&mut self, now: Instant) -> bool {
        let mut any = false;
        for index in (0..self.generators.len()).rev() {
            if self.generators[index].is_over(now) {
                self.generators.swap_remove(index).finish(now);
                continue;
            }
            let network = self.network_of(self.generators[index].destination);
            while let Some(mut buffer) = self.pool.take() {
                let generator = &mut self.generators[index];
                buffer.network = network;
                if !generator.fill(&mut buffer) {
                    self.pool.give(buffer);
                    break;
                }
                match self.link.push(buffer) {
                    Ok(()) => generator.sent(),
                    Err(buffer) => {
                        self.pool.give(buffer);
                        break;
                    }
                }
                any = true;
            }
        }
        any
    }

    fn command(&mut self, command: Command) {
        match command {
            Command::Echo(request, reply) => {
                let network = self.network_of(request.destination);
                let source = request.source.unwrap_or(self.config.source);
                let icmp = self.attached(network).icmp;
                let socket = self.sockets.of(network).get_mut::<raw::Socket<'_>>(icmp);
                self.echoes.send(Instant::now(), socket, source, &request, reply);
            }
            Command::Source(source) => {
                self.config.source = source;
                for attached in [&mut self.local, &mut self.global] {
                    if let Err(error) = attached.use_source(source) {
                        tracing::error!(%error, "the embedded stack keeps its address");
                    }
                }
            }
            Command::Listen(port, reply) => {
                // Nobody waits any more if a reply fails.
                let _ = reply.send(self.streams.listen(port, &mut self.sockets));
            }
            Command::Connect { remote, source, reply } => {
                let network = self.network_of(*remote.ip());
                let attached = match network {
                    Network::Lsm => &mut self.local,
                    Network::Gsm => &mut self.global,
                };
                let context = attached.interface.context();
                self.streams.connect(network, context, &mut self.sockets, (source, remote), reply);
            }
            Command::Generate(request, reply) => {
                self.generators.push(Generator::new(Instant::now(), self.config.source, &request, reply));
            }
        }
    }

    fn time_to_wait(&mut self) -> Duration {
        const LONGEST: Duration = Duration::from_secs(60);
        let now = Instant::now();
        let timestamp = self.timestamp(now);
        let local = self.local.interface.poll_delay(timestamp, &self.sockets.local);
        let global = self.global.interface.poll_delay(timestamp, &self.sockets.global);
        let echo = self.echoes.next_deadline().map(|deadline| deadline.saturating_duration_since(now));
        let stack = [local, global].into_iter().flatten().map(Duration::from).min();
        // A datagram that the link had no room for is offered again soon, and one that no buffer was left to answer is
        // read soon: nothing rings when the worker gives buffers back.
        let held_back = !self.local.adapter.to_send.is_empty()
            || !self.global.adapter.to_send.is_empty()
            || self.is_input_left();
        let retry = held_back.then_some(Duration::from_millis(1));
        [stack, echo, retry].into_iter().flatten().min().unwrap_or(LONGEST).min(LONGEST)
    }

    fn network_of(&self, peer: Ipv4Addr) -> Network {
        match self.config.local_network {
            Some(prefix) if prefix.contains(&peer) => Network::Lsm,
            _ => Network::Gsm,
        }
    }

    fn attached(&mut self, network: Network) -> &mut Attached {
        match network {
            Network::Lsm => &mut self.local,
            Network::Gsm => &mut self.global,
        }
    }

    fn timestamp(&self, now: Instant) -> smoltcp::time::Instant {
        let elapsed = now.saturating_duration_since(self.epoch).as_micros();
        smoltcp::time::Instant::from_micros(i64::try_from(elapsed).unwrap_or(i64::MAX))
    }
}

impl Attached {
    fn new(network: Network, config: &HostConfig, sockets: &mut Sockets) -> io::Result<Self> {
        let mut adapter = Adapter::new(network, config.mtu, ADAPTER_BUFFERS);
        let mut settings = Config::new(HardwareAddress::Ip);
        // Initial sequence numbers must not be the same in every life of the process.
        settings.random_seed = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .map_or(0, |since| since.as_nanos() as u64)
            ^ u64::from(std::process::id()) << 32;
        let mut interface = Interface::new(settings, &mut adapter, smoltcp::time::Instant::ZERO);
        // The worker hands over only what is for this node, so every destination is taken: smoltcp does so
        // when the route to it leads by an address of its own.
        interface.set_any_ip(true);
        let storage = || raw::PacketBuffer::new(vec![raw::PacketMetadata::EMPTY; 64], vec![0; 256 * 1024]);
        let socket = raw::Socket::new(Some(IpVersion::Ipv4), Some(IpProtocol::Icmp), storage(), storage());
        let icmp = sockets.of(network).add(socket);
        debug_assert_eq!(adapter.capabilities().medium, smoltcp::phy::Medium::Ip);
        let mut attached = Self { adapter, interface, icmp };
        attached.use_source(config.source)?;
        Ok(attached)
    }

    /// Gives the adapter this address and no other.
    fn use_source(&mut self, source: Ipv4Addr) -> io::Result<()> {
        let full = |_| io::Error::other("the adapter takes no address");
        let mut added = Ok(());
        self.interface.update_ip_addrs(|addresses| {
            addresses.clear();
            added = addresses.push(IpCidr::new(source.into(), 32));
        });
        added.map_err(full)?;
        let route = self.interface.routes_mut().add_default_ipv4_route(source);
        route.map(drop).map_err(|_| full(IpCidr::new(source.into(), 32)))
    }
}

/// Buffers are moved between rings and queues, never between pools of different sides.
const _: () = assert!(std::mem::size_of::<PacketBuffer>() <= 64);

#[cfg(test)]
mod tests;
