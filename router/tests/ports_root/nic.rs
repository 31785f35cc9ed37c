//! The packet port between two kernels that leave checksums and segmentation to the hardware.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use etherparse::{NetSlice, SlicedPacket, TransportSlice};
use isthmus::forward::DropReason;
use isthmus::packet::Pool;
use isthmus::port::packet::PacketPort;
use isthmus::port::{CarrierFlag, OpenError, Port};

use crate::namespace::{Namespace, can_run};

fn open(name: &str) -> PacketPort {
    PacketPort::open(name, CarrierFlag::new(true)).unwrap()
}

fn receive(port: &mut dyn Port, pool: &mut Pool) -> Vec<Vec<u8>> {
    let mut batch = Vec::new();
    port.receive(&mut batch, pool, 32);
    batch
        .into_iter()
        .map(|buffer| {
            let frame = buffer.bytes().to_vec();
            pool.give(buffer);
            frame
        })
        .collect()
}

/// Header and transport checksums of an IPv4 frame, recomputed. Says what is wrong.
fn judge(frame: &[u8], mtu: usize) -> Result<(), String> {
    if frame.len() > mtu + 14 {
        return Err(format!("{} bytes long", frame.len()));
    }
    let packet = SlicedPacket::from_ethernet(frame).map_err(|error| error.to_string())?;
    let Some(NetSlice::Ipv4(ip)) = &packet.net else { return Ok(()) };
    let header = ip.header().to_header();
    if header.header_checksum != header.calc_header_checksum() {
        return Err("header checksum".to_owned());
    }
    match &packet.transport {
        Some(TransportSlice::Tcp(tcp)) => {
            let computed = tcp.calc_checksum_ipv4(header.source, header.destination).unwrap();
            (tcp.checksum() == computed).then_some(()).ok_or_else(|| "TCP checksum".to_owned())
        }
        Some(TransportSlice::Udp(udp)) => {
            let computed =
                udp.to_header().calc_checksum_ipv4_raw(header.source, header.destination, udp.payload());
            (udp.checksum() == computed.unwrap()).then_some(()).ok_or_else(|| "UDP checksum".to_owned())
        }
        _ => Ok(()),
    }
}

/// What a relay of two ports saw.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) faults: Vec<String>,
    pub(crate) frames: usize,
    pub(crate) segmented: u64,
    pub(crate) completed: u64,
    pub(crate) errors: u64,
}

/// Hands every frame of one port to the other, both ways, until told to stop.
pub(crate) fn relay(mut left: impl Port, mut right: impl Port, mtu: usize, stop: &AtomicBool) -> Seen {
    let (mut seen, mut pool) = (Seen::default(), Pool::new(64));
    while !stop.load(Ordering::Relaxed) {
        let mut idle = true;
        for (from, to) in [(0, 1), (1, 0)] {
            let frames = receive(side(&mut left, &mut right, from), &mut pool);
            idle &= frames.is_empty();
            for frame in &frames {
                seen.faults.extend(judge(frame, mtu).err());
                seen.frames += 1;
                // A full queue costs a frame, as on any wire: TCP sends it again.
                let _ = side(&mut left, &mut right, to).transmit(frame);
            }
        }
        if idle && left.prepare_sleep() && right.prepare_sleep() {
            thread::yield_now();
        }
    }
    for statistics in [left.statistics(), right.statistics()] {
        seen.segmented += statistics.segmented;
        seen.completed += statistics.checksums_completed;
        seen.errors += statistics.receive_errors;
    }
    seen
}

fn side<'a>(left: &'a mut dyn Port, right: &'a mut dyn Port, number: usize) -> &'a mut dyn Port {
    if number == 0 { left } else { right }
}

const SIZE: usize = 8 << 20;

/// Stops a relay, also when the test that it serves fails.
pub(crate) struct Stop<'a>(pub(crate) &'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Sends a lot from one kernel to the other, and checks that it arrives as it was.
pub(crate) fn transfer(client: &Namespace, server: &Namespace, address: &str) {
    let listener = server.inside(|| TcpListener::bind(address).unwrap());
    thread::scope(|scope| {
        let receiving = scope.spawn(move || {
            let mut received = Vec::with_capacity(SIZE);
            listener.accept().unwrap().0.read_to_end(&mut received).unwrap();
            received
        });
        client.inside(|| {
            let bytes: Vec<u8> = (0..SIZE).map(pattern).collect();
            TcpStream::connect(address).unwrap().write_all(&bytes).unwrap();
        });
        let received = receiving.join().unwrap();
        assert_eq!(received.len(), SIZE);
        assert!(received.iter().enumerate().all(|(index, byte)| *byte == pattern(index)));
    });
}

fn pattern(index: usize) -> u8 {
    (index % 251) as u8
}

#[test]
fn bulk_tcp_arrives_as_correct_frames_of_the_mtu() {
    if !can_run() {
        return;
    }
    let (client, middle, server) = (Namespace::new(), Namespace::new(), Namespace::new());
    client.join("eth0", &middle, "left");
    server.join("eth0", &middle, "right");
    client.ip("addr add 10.99.0.1/24 dev eth0");
    server.ip("addr add 10.99.0.2/24 dev eth0");
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let relaying = scope.spawn(|| middle.inside(|| relay(open("left"), open("right"), 1500, &stop)));
        let running = Stop(&stop);
        transfer(&client, &server, "10.99.0.2:7000");
        let datagram = server.inside(|| UdpSocket::bind("10.99.0.2:7001").unwrap());
        datagram.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        client.inside(|| {
            UdpSocket::bind("10.99.0.1:0").unwrap().send_to(&[7; 1000], "10.99.0.2:7001").unwrap()
        });
        let mut into = [0; 2000];
        let udp = datagram.recv(&mut into);
        drop(running);
        let seen = relaying.join().unwrap();
        println!("{} frames, {} super-frames, {} checksums", seen.frames, seen.segmented, seen.completed);
        assert_eq!(udp.unwrap(), 1000);
        assert!(seen.faults.is_empty(), "{:?}", &seen.faults[..seen.faults.len().min(5)]);
        assert!(seen.segmented > 0 && seen.completed > 0, "{seen:?}");
        assert_eq!(seen.errors, 0);
    });
    let (_, counters) = server.run("nstat -asz TcpInCsumErrors UdpInCsumErrors");
    for counter in ["TcpInCsumErrors", "UdpInCsumErrors"] {
        let line = counters.lines().find(|line| line.starts_with(counter)).unwrap();
        assert_eq!(line.split_whitespace().nth(1), Some("0"), "{counters}");
    }
}

#[test]
fn frames_of_vlans_and_of_this_host_do_not_reach_the_port() {
    if !can_run() {
        return;
    }
    let (host, router) = (Namespace::new(), Namespace::new());
    host.join("eth0", &router, "nic");
    host.ip("addr add 10.98.0.1/24 dev eth0");
    router.ip("addr add 10.98.0.2/24 dev nic");
    let mut sender = host.inside(|| open("eth0"));
    router.inside(|| {
        let mut port = open("nic");
        let mut pool = Pool::new(64);
        for vlan in [5, 0] {
            sender.transmit(&tagged_frame(vlan)).unwrap();
        }
        sender.flush();
        assert!(host.pings("10.98.0.2"));
        let frames = wait_for(&mut port, &mut pool, |frame| frame.get(23) == Some(&1));
        let own = port.info().mac;
        assert!(frames.iter().all(|frame| frame[6..12] != own), "the host's own frames came back");
        let tagged: Vec<_> = frames.iter().filter(|frame| frame.ends_with(MARK)).collect();
        assert_eq!(
            tagged.len(),
            1,
            "the frame of VLAN 5 belongs to another interface, that of VLAN 0 to this one"
        );
        assert_eq!(tagged[0][12..14], [0x88, 0xb5]);
        assert_eq!(tagged[0][14], 0);
    });
}

const MARK: &[u8] = b"a frame with a tag";

/// A broadcast with an 802.1Q tag, of the type for local experiments; its first byte is the VLAN.
fn tagged_frame(vlan: u8) -> Vec<u8> {
    let mut frame = vec![0xff; 6];
    frame.extend([2, 0, 0, 0, 0, 9, 0x81, 0x00, 0xa0, vlan, 0x88, 0xb5, vlan]);
    frame.extend([0; 50]);
    frame.extend(MARK);
    frame
}

/// Receives until a frame is as wanted, and returns all that came so far.
pub(crate) fn wait_for(
    port: &mut PacketPort,
    pool: &mut Pool,
    wanted: impl Fn(&[u8]) -> bool,
) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    for _ in 0..50 {
        all.extend(receive(port, pool));
        if all.iter().any(|frame| wanted(frame)) {
            return all;
        }
        thread::sleep(Duration::from_millis(20));
    }
    panic!("the frame did not come; there came {} others", all.len());
}

#[test]
fn interfaces_that_cannot_be_opened_are_explained() {
    if !can_run() {
        return;
    }
    let (host, router) = (Namespace::new(), Namespace::new());
    host.join("eth0", &router, "nic");
    router.inside(|| {
        let refused = |name| PacketPort::open(name, CarrierFlag::new(true)).err().unwrap();
        let error = refused("nci");
        assert!(matches!(&error, OpenError::UnknownInterface { .. }));
        assert!(error.to_string().contains("nic"), "{error}");
        assert!(matches!(refused("lo"), OpenError::NotEthernet { .. }));
        router.ip("link set nic mtu 1400");
        let port = open("nic");
        assert_eq!(port.info().mtu, 1400);
        let shown = router.ip("link show nic");
        let mac = port.info().mac.map(|byte| format!("{byte:02x}")).join(":");
        assert!(shown.contains(&mac), "{shown}");
        let groups = router.ip("maddr show dev nic");
        assert!(groups.contains("01:00:5e:00:00:05") && groups.contains("01:00:5e:00:00:06"), "{groups}");
        assert!(router.ip("-d link show nic").contains("promiscuity 0"));
    });
}

#[test]
fn the_port_goes_on_after_its_link_was_down() {
    if !can_run() {
        return;
    }
    let (host, router) = (Namespace::new(), Namespace::new());
    host.join("eth0", &router, "nic");
    host.ip("addr add 10.95.0.1/24 dev eth0");
    router.inside(|| {
        let mut port = open("nic");
        let mut pool = Pool::new(64);
        let frame = tagged_frame(0);
        router.ip("link set nic down");
        assert_eq!(port.transmit(&frame), Err(DropReason::InterfaceDown));
        // What came before, and then nothing.
        while !receive(&mut port, &mut pool).is_empty() {}
        router.ip("link set nic up");
        assert_eq!(port.transmit(&frame), Ok(()));
        assert!(host.pings_in_vain("10.95.0.9"));
        wait_for(&mut port, &mut pool, |frame| frame.get(12..14) == Some(&[0x08, 0x06]));
        port.carrier_flag().set(false);
        assert_eq!(port.transmit(&frame), Err(DropReason::NoCarrier));
        assert_eq!(port.statistics().receive_errors, 0);
    });
}

#[test]
fn a_port_that_was_opened_while_its_link_was_down_works_once_it_is_up() {
    if !can_run() {
        return;
    }
    let (host, router) = (Namespace::new(), Namespace::new());
    host.join("eth0", &router, "nic");
    host.ip("addr add 10.94.0.1/24 dev eth0");
    router.inside(|| {
        router.ip("link set nic down");
        let mut port = open("nic");
        let mut pool = Pool::new(64);
        let frame = tagged_frame(0);
        assert!(receive(&mut port, &mut pool).is_empty());
        assert_eq!(port.transmit(&frame), Err(DropReason::InterfaceDown));
        router.ip("link set nic up");
        assert!(host.pings_in_vain("10.94.0.9"));
        wait_for(&mut port, &mut pool, |frame| frame.get(12..14) == Some(&[0x08, 0x06]));
        assert_eq!(port.transmit(&frame), Ok(()));
        assert_eq!(port.statistics().receive_errors, 0);
    });
}

#[test]
fn a_queue_that_runs_over_is_counted() {
    if !can_run() {
        return;
    }
    let (host, router) = (Namespace::new(), Namespace::new());
    host.join("eth0", &router, "nic");
    let mut sender = host.inside(|| open("eth0"));
    router.inside(|| {
        let mut port = open("nic");
        let frame = [0xff; 1514];
        let mut sent = 0_u64;
        // The queue holds some thousand frames of this size; the kernel counts what it has no room for.
        while port.statistics().receive_drops == 0 && sent < 100_000 {
            for _ in 0..100 {
                sent += u64::from(sender.transmit(&frame).is_ok());
            }
        }
        let mut received = 0;
        let mut pool = Pool::new(64);
        // The last frames may be on their way still: the cable hands them over from another processor's queue.
        let deadline = Instant::now() + Duration::from_secs(10);
        while received + port.statistics().receive_drops < sent && Instant::now() < deadline {
            let frames = receive(&mut port, &mut pool);
            received += frames.iter().filter(|received| received[..] == frame).count() as u64;
        }
        assert!(received > 1000 && received < sent, "{received} of {sent}");
        assert_eq!(received + port.statistics().receive_drops, sent);
    });
}
