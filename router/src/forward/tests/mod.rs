//! The packet path, from frame to frame, on memory ports and on time that the tests set.

mod arp;
mod common_address;
mod forwarding;
mod fragments;
mod icmp;
mod local;
mod malformed;
mod reassembly;
mod worker;

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use etherparse::{IpFragOffset, IpNumber, Ipv4Header};
use isthmus_shmnet::{Network, NodeId, mac_address};

use super::InterfaceIndex;
use super::counters::{Counts, InterfaceCounts};
use super::fib::{Fib, FibEntry, NextHop};
use super::link::{Bell, LinkEnd, link};
use super::state::{ForwardingState, Interface, InterfaceKind, LocalOwner};
use super::steering;
use super::wire::{Arp, ArpOperation, Ethernet};
use super::worker::{Worker, WorkerHandle, WorkerSetup};
use crate::packet::{PacketBuffer, Pool};
use crate::port::Port;
use crate::port::mem::MemPort;

/// Position of each port, and of its far end.
const ETH0: usize = 0;
const ETH1: usize = 1;
const LSM: usize = 2;
const GSM: usize = 3;
const KERNEL: usize = 4;

const COMMON: Ipv4Addr = Ipv4Addr::new(10, 78, 255, 1);
const LOOPBACK: Ipv4Addr = Ipv4Addr::new(10, 79, 0, 1);
const KERNEL_ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 79, 0, 101);
/// Stations on eth0 and eth1.
const HOST: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 9);
const GATEWAY: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 2);
const OTHER_GATEWAY: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 3);
const HOST_MAC: [u8; 6] = [2, 0xaa, 0, 0, 0, 9];
const GATEWAY_MAC: [u8; 6] = [2, 0xbb, 0, 0, 0, 2];
const KERNEL_MAC: [u8; 6] = [2, 0xcc, 0, 0, 0, 1];
/// Behind the gateway; behind both; nowhere.
const REMOTE: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 7);
const REMOTE_TWO_WAYS: Ipv4Addr = Ipv4Addr::new(203, 0, 114, 7);
const DISCARDED: Ipv4Addr = Ipv4Addr::new(203, 0, 115, 7);
const UNKNOWN: Ipv4Addr = Ipv4Addr::new(8, 8, 8, 8);

fn index(position: usize) -> InterfaceIndex {
    InterfaceIndex(u16::try_from(position).unwrap())
}

fn node_mac(network: Network, node: u16) -> [u8; 6] {
    mac_address(network, NodeId::new(node).unwrap())
}

/// A router's own Ethernet address on each port.
fn port_mac(position: usize) -> [u8; 6] {
    match position {
        LSM => node_mac(Network::Lsm, 1),
        GSM => node_mac(Network::Gsm, 1),
        other => [2, 0, 0, 0, 0, u8::try_from(other).unwrap()],
    }
}

/// Node 1 of a cluster of three: two NICs, both networks, a kernel.
fn state() -> ForwardingState {
    let interface = |name: &str, kind, address: Option<&str>, mtu, ospf| Interface {
        name: name.to_owned(),
        kind,
        address: address.map(|address| address.parse().unwrap()),
        mtu,
        enabled: true,
        ospf,
    };
    let via = |position, gateway: Option<Ipv4Addr>| NextHop { interface: index(position), gateway };
    let connected = |position| FibEntry::Forward(vec![via(position, None)]);
    let fib = Fib::new([
        ("192.0.2.0/24".parse().unwrap(), connected(ETH0)),
        ("198.51.100.0/24".parse().unwrap(), connected(ETH1)),
        ("10.77.0.0/24".parse().unwrap(), connected(LSM)),
        ("10.78.0.0/24".parse().unwrap(), connected(GSM)),
        ("203.0.113.0/24".parse().unwrap(), FibEntry::Forward(vec![via(ETH1, Some(GATEWAY))])),
        (
            "203.0.114.0/24".parse().unwrap(),
            FibEntry::Forward(vec![via(ETH1, Some(GATEWAY)), via(LSM, Some(Ipv4Addr::new(10, 77, 0, 2)))]),
        ),
        ("203.0.115.0/24".parse().unwrap(), FibEntry::Discard),
    ]);
    ForwardingState {
        interfaces: vec![
            interface("eth0", InterfaceKind::Nic, Some("192.0.2.1/24"), 1500, true),
            interface("eth1", InterfaceKind::Nic, Some("198.51.100.1/24"), 1500, false),
            interface("lsm0", InterfaceKind::Fabric(Network::Lsm), Some("10.77.0.1/24"), 9000, true),
            interface("gsm0", InterfaceKind::Fabric(Network::Gsm), Some("10.78.0.1/24"), 9000, true),
            interface("lsm0k", InterfaceKind::Kernel(Network::Lsm), None, 9000, false),
        ],
        fib: Arc::new(fib),
        local: [
            (Ipv4Addr::new(192, 0, 2, 1), LocalOwner::Host(Network::Gsm)),
            (Ipv4Addr::new(198, 51, 100, 1), LocalOwner::Host(Network::Gsm)),
            (Ipv4Addr::new(10, 77, 0, 1), LocalOwner::Host(Network::Lsm)),
            (Ipv4Addr::new(10, 78, 0, 1), LocalOwner::Host(Network::Gsm)),
            (LOOPBACK, LocalOwner::Host(Network::Lsm)),
            (KERNEL_ADDRESS, LocalOwner::Kernel(index(KERNEL))),
        ]
        .into(),
        common: [(COMMON, LocalOwner::Host(Network::Gsm))].into(),
        steering: steering::build(1, &[(1, 1), (2, 1), (3, 1)]),
        node_id: 1,
        router_address: Some(LOOPBACK),
    }
}

/// A worker with the far end of everything that it is joined to.
struct Lab {
    worker: Worker,
    handle: WorkerHandle,
    far: Vec<MemPort>,
    host: LinkEnd,
    ospf: LinkEnd,
    pool: Pool,
    now: Duration,
}

impl Lab {
    fn new() -> Self {
        Self::with(state())
    }

    /// A lab that has said its gratuitous ARPs, which are forgotten.
    fn with(state: ForwardingState) -> Self {
        let (mut ports, mut far): (Vec<Box<dyn Port>>, Vec<_>) = (Vec::new(), Vec::new());
        for (position, interface) in state.interfaces.iter().enumerate() {
            let near = MemPort::describe(&interface.name, port_mac(position), interface.mtu);
            let other = MemPort::describe("far", [2, 0xff, 0, 0, 0, 0], 9000);
            let (near, other) = MemPort::pair(near, other, 512).unwrap();
            ports.push(Box::new(near));
            far.push(other);
        }
        let bell = Bell::new().unwrap();
        let (host_near, host) = link(64, bell.clone(), Bell::new().unwrap());
        let (ospf_near, ospf) = link(64, bell, Bell::new().unwrap());
        let (worker, handle) = Worker::new(WorkerSetup {
            ports,
            state,
            host: Some(host_near),
            ospf: Some(ospf_near),
            buffers: 1024,
        })
        .unwrap();
        let mut lab =
            Self { worker, handle, far, host, ospf, pool: Pool::new(512), now: Duration::from_secs(1) };
        lab.run();
        for position in 0..lab.far.len() {
            lab.sent(position);
        }
        lab
    }

    /// A lab that knows the stations on its NICs and its kernel.
    fn with_neighbors() -> Self {
        Self::new().knowing_neighbors()
    }

    fn knowing_neighbors(mut self) -> Self {
        self.teach(ETH0, HOST, HOST_MAC);
        self.teach(ETH1, GATEWAY, GATEWAY_MAC);
        self.teach(ETH1, OTHER_GATEWAY, [2, 0xbb, 0, 0, 0, 3]);
        self.teach(KERNEL, KERNEL_ADDRESS, KERNEL_MAC);
        self
    }

    /// Lets a station ask for the router's address, so that the router knows it.
    fn teach(&mut self, position: usize, station: Ipv4Addr, mac: [u8; 6]) {
        let own = state().interfaces[position].address.map_or(LOOPBACK, |address| address.addr());
        let ask = arp(ArpOperation::Request, mac, station, own);
        let answer = self.put_and_run(position, &ask.to_frame([0xff; 6]));
        assert_eq!(answer.len(), 1);
        assert_eq!(answer[0].0, position);
    }

    /// Lets the worker do all that there is to do.
    fn run(&mut self) {
        self.worker.step(self.now);
        for _ in 0..64 {
            if !self.worker.step(self.now) {
                return;
            }
        }
        panic!("the worker finds no end");
    }

    fn advance(&mut self, time: Duration) {
        self.now += time;
        self.run();
    }

    fn put(&mut self, position: usize, frame: &[u8]) {
        self.far[position].transmit(frame).unwrap();
        self.far[position].flush();
    }

    /// The frames that the router sent out of a port.
    fn sent(&mut self, position: usize) -> Vec<Vec<u8>> {
        let mut batch = Vec::new();
        self.far[position].receive(&mut batch, &mut self.pool, 512);
        batch
            .into_iter()
            .map(|buffer| {
                let bytes = buffer.bytes().to_vec();
                self.pool.give(buffer);
                bytes
            })
            .collect()
    }

    /// Everything that the router sent out of any port.
    fn all_sent(&mut self) -> Vec<(usize, Vec<u8>)> {
        let mut all = Vec::new();
        for position in 0..self.far.len() {
            all.extend(self.sent(position).into_iter().map(|frame| (position, frame)));
        }
        all
    }

    fn put_and_run(&mut self, position: usize, frame: &[u8]) -> Vec<(usize, Vec<u8>)> {
        self.put(position, frame);
        self.run();
        self.all_sent()
    }

    /// The only frame that comes of a frame.
    fn only(&mut self, position: usize, frame: &[u8]) -> (usize, Vec<u8>) {
        let mut all = self.put_and_run(position, frame);
        assert_eq!(all.len(), 1, "{all:?}");
        all.remove(0)
    }

    /// The datagrams that the router gave to the embedded stack, each with its adapter.
    fn delivered(&mut self) -> Vec<(Network, Vec<u8>)> {
        drain(&mut self.host).into_iter().map(|(buffer, bytes)| (buffer.1, bytes)).collect()
    }

    /// The datagrams that the router gave to the OSPF engine, each with where it came in.
    fn punted(&mut self) -> Vec<(InterfaceIndex, Vec<u8>)> {
        drain(&mut self.ospf).into_iter().map(|(buffer, bytes)| (buffer.0, bytes)).collect()
    }

    fn send_from_host(&mut self, network: Network, datagram: &[u8]) -> Vec<(usize, Vec<u8>)> {
        self.host.reclaim(&mut self.pool);
        let mut buffer = self.buffer(datagram);
        buffer.network = network;
        assert!(self.host.push(buffer).is_ok());
        self.run();
        self.all_sent()
    }

    fn send_from_ospf(&mut self, position: usize, datagram: &[u8]) -> Vec<(usize, Vec<u8>)> {
        self.ospf.reclaim(&mut self.pool);
        let mut buffer = self.buffer(datagram);
        buffer.interface = index(position);
        assert!(self.ospf.push(buffer).is_ok());
        self.run();
        self.all_sent()
    }

    fn buffer(&mut self, datagram: &[u8]) -> PacketBuffer {
        let mut buffer = self.pool.take().unwrap();
        assert!(buffer.fill(datagram));
        buffer
    }

    fn counts(&self) -> Counts {
        self.handle.view().counters.snapshot()
    }

    fn interface_counts(&self, position: usize) -> InterfaceCounts {
        self.handle.view().counters.interface_counts(index(position))
    }

    fn dropped(&self, reason: super::DropReason) -> u64 {
        self.counts().drops.count(reason)
    }
}

type Meta = (InterfaceIndex, Network);

fn drain(link: &mut LinkEnd) -> Vec<(Meta, Vec<u8>)> {
    let mut all = Vec::new();
    while let Some(buffer) = link.pop() {
        all.push(((buffer.interface, buffer.network), buffer.bytes().to_vec()));
        link.give_back(buffer);
    }
    all
}

fn arp(operation: ArpOperation, sender_mac: [u8; 6], sender: Ipv4Addr, target: Ipv4Addr) -> Arp {
    Arp { operation, sender_mac, sender, target_mac: [0; 6], target }
}

/// A datagram to be, with a checksum computed by another implementation than the one under test.
#[derive(Clone)]
struct Packet {
    source: Ipv4Addr,
    destination: Ipv4Addr,
    ttl: u8,
    protocol: u8,
    identification: u16,
    dont_fragment: bool,
    more_fragments: bool,
    offset: u16,
    options: Vec<u8>,
    payload: Vec<u8>,
}

impl Packet {
    fn udp(source: Ipv4Addr, destination: Ipv4Addr) -> Self {
        Self::with_ports(source, destination, 17, 40000, 4000)
    }

    fn with_ports(source: Ipv4Addr, destination: Ipv4Addr, protocol: u8, from: u16, to: u16) -> Self {
        let mut payload = [from.to_be_bytes(), to.to_be_bytes(), [0, 24], [0, 0]].concat();
        payload.extend(*b"sixteen bytes of");
        Self {
            source,
            destination,
            ttl: 64,
            protocol,
            identification: 0x1234,
            dont_fragment: false,
            more_fragments: false,
            offset: 0,
            options: Vec::new(),
            payload,
        }
    }

    fn icmp(source: Ipv4Addr, destination: Ipv4Addr, message: &[u8]) -> Self {
        Self { protocol: 1, payload: message.to_vec(), ..Self::udp(source, destination) }
    }

    fn datagram(&self) -> Vec<u8> {
        let mut header = Ipv4Header::new(
            u16::try_from(self.payload.len()).unwrap(),
            self.ttl,
            IpNumber(self.protocol),
            self.source.octets(),
            self.destination.octets(),
        )
        .unwrap();
        header.identification = self.identification;
        header.dont_fragment = self.dont_fragment;
        header.more_fragments = self.more_fragments;
        header.fragment_offset = IpFragOffset::try_new(self.offset).unwrap();
        header.options = self.options[..].try_into().unwrap();
        header.total_len = u16::try_from(header.header_len() + self.payload.len()).unwrap();
        header.header_checksum = header.calc_header_checksum();
        [header.to_bytes().to_vec(), self.payload.clone()].concat()
    }

    /// In a frame to the router, as it comes in on a port.
    fn frame_to(&self, position: usize) -> Vec<u8> {
        self.frame(port_mac(position), HOST_MAC)
    }

    fn frame(&self, destination: [u8; 6], source: [u8; 6]) -> Vec<u8> {
        frame(destination, source, &self.datagram())
    }
}

fn frame(destination: [u8; 6], source: [u8; 6], datagram: &[u8]) -> Vec<u8> {
    [&Ethernet { destination, source, ethertype: 0x0800 }.to_bytes(), datagram].concat()
}

/// Reads a frame that the router sent with another implementation, which checks lengths; checks the checksum.
fn read(frame: &[u8]) -> (Ipv4Header, Vec<u8>) {
    let (header, payload) = Ipv4Header::from_slice(&frame[14..]).unwrap();
    assert_eq!(header.header_checksum, header.calc_header_checksum(), "checksum of {header:?}");
    assert_eq!(usize::from(header.total_len), frame.len() - 14);
    (header, payload.to_vec())
}
