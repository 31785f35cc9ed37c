//! Two stacks with a wire between their links.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::serve::Listener;
use rustix::event::{PollFd, PollFlags, poll};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;
use crate::forward::link::{Bell, LinkEnd, link};
use crate::packet::Pool;

const LEFT: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 1);
const RIGHT: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 2);

/// What ends connections, of a TCP segment on the wire.
#[derive(Clone, Copy, Debug)]
struct Segment {
    source: Ipv4Addr,
    fin: bool,
    rst: bool,
    /// The sequence number after it.
    end: u32,
    acknowledged: u32,
}

impl Segment {
    fn parse(datagram: &[u8]) -> Option<Self> {
        let packet = etherparse::SlicedPacket::from_ip(datagram).ok()?;
        let (Some(etherparse::NetSlice::Ipv4(ip)), Some(etherparse::TransportSlice::Tcp(tcp))) =
            (&packet.net, &packet.transport)
        else {
            return None;
        };
        let len = tcp.payload().len() as u32 + u32::from(tcp.fin());
        Some(Self {
            source: ip.header().source_addr(),
            fin: tcp.fin(),
            rst: tcp.rst(),
            end: tcp.sequence_number().wrapping_add(len),
            acknowledged: tcp.acknowledgment_number(),
        })
    }
}

/// Carries datagrams between the far ends of two links until dropped.
struct Wire {
    stop: Arc<AtomicBool>,
    carried: Arc<AtomicU64>,
    segments: Arc<Mutex<Vec<Segment>>>,
    bell: Bell,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Wire {
    fn new() -> (Self, LinkEnd, LinkEnd) {
        let bell = Bell::new().unwrap();
        let (left, far_left) = link(512, Bell::new().unwrap(), bell.clone());
        let (right, far_right) = link(512, Bell::new().unwrap(), bell.clone());
        let (stop, carried) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let segments = Arc::new(Mutex::new(Vec::new()));
        let thread = std::thread::spawn({
            let (stop, carried, bell) = (Arc::clone(&stop), Arc::clone(&carried), bell.clone());
            let segments = Arc::clone(&segments);
            move || carry(&stop, (&carried, &segments), &bell, far_left, far_right)
        });
        (Self { stop, carried, segments, bell, thread: Some(thread) }, left, right)
    }
}

/// What a wire counts and keeps.
type Seen<'a> = (&'a AtomicU64, &'a Mutex<Vec<Segment>>);

fn carry(stop: &AtomicBool, seen: Seen<'_>, bell: &Bell, mut a: LinkEnd, mut b: LinkEnd) {
    let (mut pool_a, mut pool_b) = (Pool::new(512), Pool::new(512));
    while !stop.load(Ordering::Relaxed) {
        poll(&mut [PollFd::new(bell, PollFlags::IN)], None).unwrap();
        bell.silence();
        forward(seen, &mut a, &mut b, &mut pool_b);
        forward(seen, &mut b, &mut a, &mut pool_a);
    }
}

fn forward((carried, segments): Seen<'_>, from: &mut LinkEnd, to: &mut LinkEnd, pool: &mut Pool) {
    to.reclaim(pool);
    while let Some(buffer) = from.pop() {
        if let Some(mut copy) = pool.take() {
            assert!(copy.fill(buffer.bytes()));
            if let Err(copy) = to.push(copy) {
                pool.give(copy);
            }
            carried.fetch_add(1, Ordering::Relaxed);
            segments.lock().unwrap().extend(Segment::parse(buffer.bytes()));
        }
        from.give_back(buffer);
    }
    to.notify();
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.bell.ring();
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

fn config(source: Ipv4Addr) -> HostConfig {
    HostConfig {
        source,
        local_network: Some("10.77.0.0/24".parse().unwrap()),
        discard_from: vec!["10.77.0.0/24".parse().unwrap()],
        mtu: 1500,
    }
}

fn pair() -> (Wire, HostHandle, HostHandle) {
    let (wire, left, right) = Wire::new();
    let (left, _) = start(config(LEFT), left).unwrap();
    let (right, _) = start(config(RIGHT), right).unwrap();
    (wire, left, right)
}

fn echo(destination: Ipv4Addr, payload_len: usize, timeout: Duration) -> EchoRequest {
    EchoRequest { destination, source: None, ttl: 64, payload_len, timeout }
}

#[tokio::test]
async fn an_echo_request_is_answered_by_the_other_stack() {
    let (_wire, left, _right) = pair();
    let outcome = left.echo(echo(RIGHT, 56, Duration::from_secs(10))).await.unwrap();
    let EchoOutcome::Reply { from, payload_len, .. } = outcome else { panic!("{outcome:?}") };
    assert_eq!((from, payload_len), (RIGHT, 56));
}

#[tokio::test]
async fn a_large_echo_is_fragmented_and_reassembled_by_the_stacks() {
    let (wire, left, _right) = pair();
    let outcome = left.echo(echo(RIGHT, 4000, Duration::from_secs(10))).await.unwrap();
    assert!(matches!(outcome, EchoOutcome::Reply { payload_len: 4000, .. }), "{outcome:?}");
    assert!(wire.carried.load(Ordering::Relaxed) >= 6, "three fragments each way at an MTU of 1500");
}

#[tokio::test]
async fn an_echo_request_to_nobody_times_out() {
    let (_wire, left, right) = pair();
    drop(right);
    let outcome = left.echo(echo(Ipv4Addr::new(224, 0, 0, 99), 8, Duration::from_millis(50))).await.unwrap();
    assert_eq!(outcome, EchoOutcome::Timeout);
}

#[tokio::test]
async fn a_connection_carries_bytes_both_ways_and_closes_in_order() {
    let (_wire, left, right) = pair();
    let mut listener = right.listen(80).await.unwrap();
    let service = tokio::spawn(async move {
        let (mut stream, peer) = listener.accept().await;
        let mut received = Vec::new();
        stream.read_to_end(&mut received).await.unwrap();
        stream.write_all(&received).await.unwrap();
        (received.len(), peer.ip())
    });
    let mut stream = left.connect(SocketAddrV4::new(RIGHT, 80)).await.unwrap();
    let sent: Vec<u8> = (0..1_000_000u32).map(|index| (index % 251) as u8).collect();
    stream.write_all(&sent).await.unwrap();
    stream.shutdown().await.unwrap();
    let mut echoed = Vec::new();
    stream.read_to_end(&mut echoed).await.unwrap();
    assert!(echoed == sent, "what came back differs from what was sent");
    assert_eq!(service.await.unwrap(), (sent.len(), std::net::IpAddr::V4(LEFT)));
}

#[tokio::test]
async fn the_last_fin_is_acknowledged_and_not_reset() {
    let (wire, left, right) = pair();
    let mut listener = right.listen(80).await.unwrap();
    let stream = left.connect(SocketAddrV4::new(RIGHT, 80)).await.unwrap();
    let (mut accepted, _) = listener.accept().await;
    drop(stream);
    assert_eq!(accepted.read(&mut [0; 8]).await.unwrap(), 0);
    drop(accepted);
    let is_over = |segments: &[Segment]| {
        let answered = |fin: &Segment| {
            segments.iter().any(|other| other.source != fin.source && other.acknowledged == fin.end)
        };
        let fins = segments.iter().filter(|segment| segment.fin);
        let of = |address| fins.clone().any(|fin| fin.source == address && answered(fin));
        (of(LEFT) && of(RIGHT)) || segments.iter().any(|segment| segment.rst)
    };
    let over = async {
        while !is_over(&wire.segments.lock().unwrap()) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), over).await.unwrap();
    let segments = wire.segments.lock().unwrap();
    assert!(!segments.iter().any(|segment| segment.rst), "{segments:?}");
}

#[tokio::test]
async fn a_service_has_a_bounded_number_of_connections() {
    let (_wire, left, right) = pair();
    let mut listener = right.listen(80).await.unwrap();
    let mut held = Vec::new();
    for _ in 0..64 {
        let stream = left.connect(SocketAddrV4::new(RIGHT, 80)).await.unwrap();
        held.push((stream, listener.accept().await));
    }
    let mut turned_away = left.connect(SocketAddrV4::new(RIGHT, 80)).await.unwrap();
    let read = async |stream: &mut DuplexStream| {
        let mut into = [0; 8];
        tokio::time::timeout(Duration::from_secs(10), stream.read(&mut into)).await.unwrap().unwrap()
    };
    assert_eq!(read(&mut turned_away).await, 0, "the connection beyond the limit is reset");

    drop(held.swap_remove(0));
    let mut next = loop {
        let mut stream = left.connect(SocketAddrV4::new(RIGHT, 80)).await.unwrap();
        tokio::select! {
            (mut accepted, _) = listener.accept() => {
                accepted.write_all(b"welcome").await.unwrap();
                break stream;
            }
            // The end of the first connection has not arrived yet.
            _ = read(&mut stream) => {}
        }
    };
    assert_eq!(read(&mut next).await, 7);
}

#[tokio::test]
async fn a_connection_to_a_closed_port_is_refused() {
    let (_wire, left, _right) = pair();
    let error = left.connect(SocketAddrV4::new(RIGHT, 81)).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
}

#[tokio::test]
async fn a_port_is_taken_once() {
    let (_wire, left, _right) = pair();
    let _listener = left.listen(80).await.unwrap();
    assert_eq!(left.listen(80).await.err().map(|error| error.kind()), Some(io::ErrorKind::AddrInUse));
}

#[tokio::test]
async fn generated_datagrams_are_counted_and_end_in_the_discard_service() {
    let (wire, left, _right) = pair();
    let duration = Duration::from_millis(50);
    let request = || GeneratorRequest { destination: RIGHT, datagram_len: 1000, duration };
    // On a busy machine the stack's thread may not run at all for so long.
    let report = tokio::time::timeout(Duration::from_secs(20), async {
        loop {
            let report = left.generate(request()).await.unwrap();
            if report.datagrams > 0 {
                break report;
            }
        }
    })
    .await
    .unwrap();
    assert_eq!(report.bytes, report.datagrams * 1000);
    // An answer means that the datagrams before it were taken and none was refused by ICMP.
    // The first requests may find the queue full of them, and are lost as any packet is.
    let mut answered = false;
    for _ in 0..20 {
        let outcome = left.echo(echo(RIGHT, 8, Duration::from_secs(1))).await.unwrap();
        assert!(matches!(outcome, EchoOutcome::Reply { .. } | EchoOutcome::Timeout));
        answered |= matches!(outcome, EchoOutcome::Reply { .. });
        if answered {
            break;
        }
    }
    assert!(answered);
    assert!(wire.carried.load(Ordering::Relaxed) > 0);
}
