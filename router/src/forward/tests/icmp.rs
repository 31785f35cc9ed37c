//! ICMP errors: contents, source, and when there must be none (RFC 1812 section 4.3.2).

use super::*;
use crate::forward::DropReason;
use crate::forward::icmp::RateLimit;

/// Checks an error against the datagram that it is about, and returns its type and code.
fn check_error(error: &[u8], from: Ipv4Addr, about: &[u8]) -> (u8, u8) {
    let (header, message) = read(error);
    assert_eq!(header.protocol.0, 1);
    assert_eq!(header.source, from.octets());
    assert_eq!(header.destination, about[12..16]);
    assert_eq!((header.dscp.value(), header.time_to_live), (48, 64));
    let (icmp, _) = etherparse::Icmpv4Header::from_slice(&message).unwrap();
    let mut again = icmp.clone();
    again.update_checksum(&message[icmp.header_len()..]);
    assert_eq!(icmp.checksum, again.checksum);
    let quote = &about[..about.len().min(576 - 28)];
    assert_eq!(&message[8..], quote, "header and as much payload as 576 bytes hold, as it was received");
    (message[0], message[1])
}

#[test]
fn time_exceeded_quotes_what_came() {
    for length in [0, 8, 500, 1400] {
        let mut lab = Lab::with_neighbors();
        for ttl in [0, 1] {
            let packet = Packet { ttl, payload: vec![7; length], ..Packet::udp(HOST, REMOTE) };
            let (back, error) = lab.only(ETH0, &packet.frame_to(ETH0));
            assert_eq!(back, ETH0);
            assert_eq!(error[..6], HOST_MAC);
            let kind = check_error(&error, Ipv4Addr::new(192, 0, 2, 1), &packet.datagram());
            assert_eq!(kind, (11, 0));
        }
        assert_eq!(lab.dropped(DropReason::TtlExpired), 2);
        assert_eq!(lab.counts().icmp_sent[3], 2);
    }
}

#[test]
fn without_a_route_the_network_is_unreachable() {
    let mut lab = Lab::with_neighbors();
    let packet = Packet::udp(HOST, UNKNOWN);
    let (back, error) = lab.only(ETH0, &packet.frame_to(ETH0));
    assert_eq!(back, ETH0);
    assert_eq!(check_error(&error, Ipv4Addr::new(192, 0, 2, 1), &packet.datagram()), (3, 0));
    assert_eq!(lab.dropped(DropReason::NoRoute), 1);
}

#[test]
fn a_node_that_cannot_be_is_an_unreachable_host() {
    let mut lab = Lab::with_neighbors();
    let mut wide = state();
    wide.interfaces[LSM].address = Some("10.77.0.1/16".parse().unwrap());
    wide.fib = Arc::new(Fib::new([
        (
            "10.77.0.0/16".parse().unwrap(),
            FibEntry::Forward(vec![NextHop { interface: index(LSM), gateway: None }]),
        ),
        (
            "192.0.2.0/24".parse().unwrap(),
            FibEntry::Forward(vec![NextHop { interface: index(ETH0), gateway: None }]),
        ),
    ]));
    lab.handle.publish(wide);
    let packet = Packet::udp(HOST, Ipv4Addr::new(10, 77, 3, 1));
    let (_, error) = lab.only(ETH0, &packet.frame_to(ETH0));
    let (_, message) = read(&error);
    assert_eq!(message[..2], [3, 1]);
    assert_eq!(lab.interface_counts(LSM).drops.count(DropReason::NoSuchNode), 1);
}

#[test]
fn an_interface_without_an_address_lets_the_router_answer() {
    let mut lab = Lab::with_neighbors();
    let packet = Packet::udp(KERNEL_ADDRESS, UNKNOWN);
    let (back, error) = lab.only(KERNEL, &packet.frame(port_mac(KERNEL), KERNEL_MAC));
    assert_eq!(back, KERNEL);
    assert_eq!(error[..6], KERNEL_MAC);
    assert_eq!(check_error(&error, LOOPBACK, &packet.datagram()), (3, 0));
}

#[test]
fn nothing_is_said_about_what_must_not_be_answered() {
    let mut lab = Lab::with_neighbors();
    let expiring = |packet: Packet| Packet { ttl: 1, ..packet };
    let errors = [3, 4, 5, 11, 12, 99].map(|kind| Packet::icmp(HOST, REMOTE, &[kind, 0, 0, 0, 0, 0, 0, 0]));
    let mut silent: Vec<Packet> = errors.into_iter().map(expiring).collect();
    silent.push(expiring(Packet { offset: 8, ..Packet::udp(HOST, REMOTE) }));
    silent.push(expiring(Packet::icmp(HOST, REMOTE, &[])));
    for packet in &silent {
        assert!(
            lab.put_and_run(ETH0, &packet.frame_to(ETH0)).is_empty(),
            "type {:?}",
            packet.payload.first()
        );
    }
    assert_eq!(lab.dropped(DropReason::TtlExpired), silent.len() as u64);
    // An echo request and a first fragment are answered.
    let echo = expiring(Packet::icmp(HOST, REMOTE, &[8, 0, 0, 0, 0, 1, 0, 1]));
    assert_eq!(read(&lab.only(ETH0, &echo.frame_to(ETH0)).1).1[0], 11);
    let first = expiring(Packet { more_fragments: true, ..Packet::udp(HOST, REMOTE) });
    assert_eq!(read(&lab.only(ETH0, &first.frame_to(ETH0)).1).1[0], 11);
    // Neither is what the link carried to all, or what is for all.
    for packet in [Packet::udp(HOST, REMOTE), Packet::udp(HOST, Ipv4Addr::new(192, 0, 2, 255))] {
        let broadcast = expiring(packet).frame([0xff; 6], HOST_MAC);
        assert!(lab.put_and_run(ETH0, &broadcast).is_empty());
    }
    assert_eq!(lab.dropped(DropReason::UnwantedMulticast), 2);
}

#[test]
fn errors_are_limited_and_the_rest_is_counted() {
    let mut lab = Lab::with_neighbors();
    lab.advance(Duration::from_secs(1));
    let frame = Packet::udp(HOST, UNKNOWN).frame_to(ETH0);
    let mut answers = 0;
    for _ in 0..300 {
        answers += lab.put_and_run(ETH0, &frame).len();
    }
    assert_eq!(answers, RateLimit::BURST as usize);
    assert_eq!(lab.counts().icmp_suppressed, 200);
    assert_eq!(lab.dropped(DropReason::NoRoute), 300);
    lab.now += RateLimit::INTERVAL * 3;
    for _ in 0..10 {
        answers += lab.put_and_run(ETH0, &frame).len();
    }
    assert_eq!(answers, RateLimit::BURST as usize + 3);
}
