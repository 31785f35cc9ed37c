//! Routes, TTL, equal paths, interfaces that are down.

use super::*;
use crate::forward::DropReason;

#[test]
fn a_forwarded_frame_differs_in_addresses_ttl_and_checksum_alone() {
    let mut lab = Lab::with_neighbors();
    let packet = Packet::udp(HOST, REMOTE);
    let (position, sent) = lab.only(ETH0, &packet.frame_to(ETH0));
    assert_eq!(position, ETH1);
    let expected = Packet { ttl: 63, ..packet }.frame(GATEWAY_MAC, port_mac(ETH1));
    assert_eq!(sent, expected);
    assert_eq!(lab.counts().forwarded, 1);
    assert_eq!(lab.counts().drops.total(), 0);
    let (received, sent) = (lab.interface_counts(ETH0), lab.interface_counts(ETH1));
    // The teaching ARP is the first frame each way; eth1 also said who it is, and knows two gateways.
    assert_eq!((received.received, received.received_bytes), (2, 42 + expected.len() as u64));
    assert_eq!((sent.sent, sent.sent_bytes), (4, 3 * 42 + expected.len() as u64));
}

#[test]
fn padding_of_the_link_is_not_forwarded() {
    let mut lab = Lab::with_neighbors();
    let packet = Packet { payload: vec![1, 2], ..Packet::udp(HOST, REMOTE) };
    let mut padded = packet.frame_to(ETH0);
    padded.resize(60, 0xee);
    let (_, sent) = lab.only(ETH0, &padded);
    assert_eq!(sent.len(), 14 + 22);
    read(&sent);
}

#[test]
fn every_ttl_is_forwarded_with_a_right_checksum() {
    let mut lab = Lab::with_neighbors();
    for ttl in 2..=255 {
        let packet = Packet { ttl, identification: u16::from(ttl) * 257, ..Packet::udp(HOST, REMOTE) };
        let (_, sent) = lab.only(ETH0, &packet.frame_to(ETH0));
        assert_eq!(sent, Packet { ttl: ttl - 1, ..packet }.frame(GATEWAY_MAC, port_mac(ETH1)));
    }
}

#[test]
fn options_are_forwarded_untouched() {
    let mut lab = Lab::with_neighbors();
    // Router alert, record route, filler.
    let options = vec![148, 4, 0, 0, 7, 7, 4, 0, 0, 0, 0, 1];
    let packet = Packet { options, ..Packet::udp(HOST, REMOTE) };
    let (_, sent) = lab.only(ETH0, &packet.frame_to(ETH0));
    assert_eq!(sent, Packet { ttl: 63, ..packet }.frame(GATEWAY_MAC, port_mac(ETH1)));
}

#[test]
fn the_fabric_reaches_nodes_by_their_number_without_arp() {
    let mut lab = Lab::with_neighbors();
    for (network, position, destination) in
        [(Network::Lsm, LSM, Ipv4Addr::new(10, 77, 0, 3)), (Network::Gsm, GSM, Ipv4Addr::new(10, 78, 0, 3))]
    {
        let packet = Packet::udp(HOST, destination);
        let (out, sent) = lab.only(ETH0, &packet.frame_to(ETH0));
        assert_eq!(out, position);
        assert_eq!(sent, Packet { ttl: 63, ..packet }.frame(node_mac(network, 3), node_mac(network, 1)));
    }
}

#[test]
fn a_packet_may_leave_where_it_came_in_and_there_is_no_redirect() {
    let mut lab = Lab::with_neighbors();
    let packet = Packet::udp(Ipv4Addr::new(192, 0, 2, 8), HOST);
    let (out, sent) = lab.only(ETH0, &packet.frame_to(ETH0));
    assert_eq!(out, ETH0);
    assert_eq!(sent[..6], HOST_MAC);
}

#[test]
fn a_discard_route_drops_silently() {
    let mut lab = Lab::with_neighbors();
    assert!(lab.put_and_run(ETH0, &Packet::udp(HOST, DISCARDED).frame_to(ETH0)).is_empty());
    assert_eq!(lab.dropped(DropReason::Discard), 1);
    assert_eq!(lab.interface_counts(ETH0).drops.count(DropReason::Discard), 1);
}

#[test]
fn a_flow_keeps_its_path_and_flows_share_the_paths() {
    let mut lab = Lab::with_neighbors();
    let mut by_lsm = 0;
    for port in 0..400 {
        let packet = Packet::with_ports(HOST, REMOTE_TWO_WAYS, 6, 30000 + port, 80);
        let (first, _) = lab.only(ETH0, &packet.frame_to(ETH0));
        let later = Packet { ttl: 9, identification: port, ..packet };
        let (second, _) = lab.only(ETH0, &later.frame_to(ETH0));
        assert_eq!(first, second);
        by_lsm += usize::from(first == LSM);
    }
    assert!((140..260).contains(&by_lsm), "{by_lsm} of 400 by the first path");
}

#[test]
fn when_a_path_fails_only_its_flows_move() {
    let mut lab = Lab::with_neighbors();
    let path_of = |lab: &mut Lab, port| {
        lab.only(ETH0, &Packet::with_ports(HOST, REMOTE_TWO_WAYS, 6, port, 80).frame_to(ETH0)).0
    };
    let before: Vec<_> = (0..64).map(|port| path_of(&mut lab, port)).collect();
    let cable = lab.far[LSM].cable();
    cable.set(false);
    lab.advance(Duration::from_millis(2));
    assert!((0..64).all(|port| path_of(&mut lab, port) == ETH1));
    cable.set(true);
    lab.advance(Duration::from_millis(2));
    let after: Vec<_> = (0..64).map(|port| path_of(&mut lab, port)).collect();
    assert_eq!(before, after);
    assert!(before.contains(&LSM) && before.contains(&ETH1));

    let mut down = state();
    down.interfaces[ETH1].enabled = false;
    lab.handle.publish(down);
    assert!((0..64).all(|port| path_of(&mut lab, port) == LSM));
}

#[test]
fn an_interface_that_is_down_neither_receives_nor_sends() {
    let mut lab = Lab::with_neighbors();
    let mut down = state();
    down.interfaces[ETH1].enabled = false;
    lab.handle.publish(down);
    let sent = lab.put_and_run(ETH1, &Packet::udp(GATEWAY, HOST).frame_to(ETH1));
    assert!(sent.is_empty());
    assert_eq!(lab.interface_counts(ETH1).drops.count(DropReason::InterfaceDown), 1);
    let (back, error) = lab.only(ETH0, &Packet::udp(HOST, REMOTE).frame_to(ETH0));
    assert_eq!(back, ETH0);
    assert_eq!(read(&error).1[..2], [3, 0]);
    assert_eq!(lab.interface_counts(ETH0).drops.count(DropReason::InterfaceDown), 1);
}

#[test]
fn without_a_carrier_nothing_is_sent() {
    let mut lab = Lab::with_neighbors();
    lab.far[ETH1].cable().set(false);
    lab.advance(Duration::from_millis(2));
    lab.put(ETH0, &Packet::udp(HOST, REMOTE).frame_to(ETH0));
    lab.run();
    assert_eq!(lab.dropped(DropReason::NoCarrier), 1);
    assert!(!lab.interface_counts(ETH1).carrier);
    assert!(lab.interface_counts(ETH0).carrier);
}

#[test]
fn random_bytes_are_survived() {
    use proptest::prelude::*;
    use proptest::test_runner::{Config, TestRunner};

    let lab = std::cell::RefCell::new(Lab::with_neighbors());
    let mut runner = TestRunner::new(Config::with_cases(4000));
    let strategy = (0usize..5, 0usize..3, proptest::collection::vec(any::<u8>(), 14..200));
    runner
        .run(&strategy, |(position, shape, mut bytes)| {
            // Random bytes seldom get past the first checks: some are given a right beginning.
            if shape > 0 {
                bytes[..6].copy_from_slice(&port_mac(position));
                let low = if bytes[12] < 40 { 6 } else { 0 };
                bytes[12..14].copy_from_slice(&[8, low]);
            }
            if shape > 1 && bytes.len() >= 34 {
                let length = u16::try_from(bytes.len() - 14).unwrap();
                bytes[14] = 0x45;
                bytes[16..18].copy_from_slice(&length.to_be_bytes());
                crate::forward::wire::write_header_checksum(&mut bytes[14..], 20);
            }
            let mut lab = lab.borrow_mut();
            lab.put(position, &bytes);
            lab.run();
            lab.all_sent();
            lab.delivered();
            lab.punted();
            Ok(())
        })
        .unwrap();
    // It still works, and has its buffers.
    let mut lab = lab.into_inner();
    lab.far[ETH1].cable().set(true);
    let (out, _) = lab.only(ETH0, &Packet::udp(HOST, REMOTE).frame_to(ETH0));
    assert_eq!(out, ETH1);
}
