//! The common address: steering, and staying where one is.

use std::collections::HashMap;

use super::*;
use crate::forward::DropReason;
use crate::forward::hash::Flow;

/// Where a packet to the common address went: to this node's stack, or over the GSM to another.
fn served_by(lab: &mut Lab, position: usize, frame: &[u8]) -> u16 {
    let sent = lab.put_and_run(position, frame);
    let delivered = lab.delivered();
    match (sent.as_slice(), delivered.as_slice()) {
        ([], [(Network::Gsm, _)]) => 1,
        ([(GSM, frame)], []) => {
            let node = u16::from_be_bytes([frame[3], frame[5]]);
            assert_eq!(frame[..6], node_mac(Network::Gsm, node));
            node
        }
        other => panic!("{other:?}"),
    }
}

fn tcp(source: Ipv4Addr, port: u16) -> Packet {
    Packet::with_ports(source, COMMON, 6, port, 80)
}

#[test]
fn flows_are_shared_by_the_nodes_and_stay_on_them() {
    let mut lab = Lab::with_neighbors();
    let mut shares: HashMap<u16, u64> = HashMap::new();
    let table = state().steering;
    for port in 0..300 {
        let packet = tcp(HOST, 20000 + port);
        let node = served_by(&mut lab, ETH0, &packet.frame_to(ETH0));
        let flow = Flow { source: HOST, destination: COMMON, protocol: 6, first: 20000 + port, second: 80 };
        assert_eq!(Some(node), table.node_for(flow.hash()), "as every other node would say");
        let again = Packet { ttl: 5, payload: [&packet.payload[..], b"more"].concat(), ..packet };
        assert_eq!(node, served_by(&mut lab, ETH1, &again.frame_to(ETH1)), "whatever NIC it comes in on");
        *shares.entry(node).or_default() += 2;
    }
    assert!((1..=3).all(|node| shares[&node] > 120), "{shares:?}");
    let counted: HashMap<_, _> =
        lab.counts().steered.into_iter().map(|steered| (steered.node, steered.packets)).collect();
    assert_eq!(counted, shares);
}

#[test]
fn steering_to_another_node_is_a_hop_and_to_this_one_is_not() {
    let mut lab = Lab::with_neighbors();
    let of = |node| (0..).find(|&port| state().steering.node_for(flow_hash(port)) == Some(node)).unwrap();
    fn flow_hash(port: u16) -> u64 {
        Flow { source: HOST, destination: COMMON, protocol: 6, first: port, second: 80 }.hash()
    }
    let other = Packet { ttl: 9, ..tcp(HOST, of(2)) };
    let sent = lab.put_and_run(ETH0, &other.frame_to(ETH0));
    let expected = Packet { ttl: 8, ..other }.frame(node_mac(Network::Gsm, 2), node_mac(Network::Gsm, 1));
    assert_eq!(sent, [(GSM, expected)]);
    let own = Packet { ttl: 1, ..tcp(HOST, of(1)) };
    assert!(lab.put_and_run(ETH0, &own.frame_to(ETH0)).is_empty());
    assert_eq!(lab.delivered(), [(Network::Gsm, own.datagram())]);
    let last = Packet { ttl: 1, ..tcp(HOST, of(3)) };
    let (back, error) = lab.only(ETH0, &last.frame_to(ETH0));
    assert_eq!((back, read(&error).1[0]), (ETH0, 11));
}

#[test]
fn what_comes_over_the_fabric_stays() {
    let mut lab = Lab::with_neighbors();
    for port in 0..60 {
        for position in [GSM, LSM] {
            let frame = tcp(HOST, port).frame_to(position);
            assert_eq!(served_by(&mut lab, position, &frame), 1);
        }
    }
    assert!(lab.counts().steered.is_empty());
    let own = lab.put_and_run(KERNEL, &tcp(KERNEL_ADDRESS, 1).frame(port_mac(KERNEL), KERNEL_MAC));
    assert!(own.is_empty());
    assert_eq!(lab.delivered().len(), 1);
}

#[test]
fn an_icmp_error_follows_the_flow_that_it_quotes() {
    let mut lab = Lab::with_neighbors();
    for port in 0..100 {
        let node = served_by(&mut lab, ETH0, &tcp(REMOTE, port).frame_to(ETH0));
        // The answer of the node that serves the flow met an error at a router far away.
        let answer = Packet::with_ports(COMMON, REMOTE, 6, 80, port).datagram();
        for kind in [3, 11] {
            let message = [&[kind, 1, 0, 0, 0, 0, 0, 0], &answer[..28]].concat();
            let error = Packet::icmp(Ipv4Addr::new(203, 0, 113, 254), COMMON, &message);
            assert_eq!(node, served_by(&mut lab, ETH1, &error.frame_to(ETH1)));
        }
        let ping = Packet::icmp(REMOTE, COMMON, &[8, 0, 0, 0, 0, port as u8, 0, 1]);
        let node = served_by(&mut lab, ETH0, &ping.frame_to(ETH0));
        let next = Packet::icmp(REMOTE, COMMON, &[8, 0, 9, 9, 0, port as u8, 0, 2]);
        assert_eq!(node, served_by(&mut lab, ETH0, &next.frame_to(ETH0)), "a ping stays on its node");
        let reply = Packet::icmp(COMMON, REMOTE, &[0, 0, 0, 0, 0, port as u8, 0, 1]).datagram();
        let error = Packet::icmp(GATEWAY, COMMON, &[&[3, 1, 0, 0, 0, 0, 0, 0], &reply[..]].concat());
        assert_eq!(node, served_by(&mut lab, ETH1, &error.frame_to(ETH1)));
    }
}

#[test]
fn an_error_of_the_router_about_a_steered_flow_goes_to_its_node() {
    let mut lab = Lab::with_neighbors();
    for port in 0..40 {
        let node = served_by(&mut lab, ETH0, &tcp(UNKNOWN, port).frame_to(ETH0));
        // The node answers, and this router has no way back.
        let answer = Packet::with_ports(COMMON, UNKNOWN, 6, 80, port);
        let frame = answer.frame_to(GSM);
        if node == 1 {
            // Its own stack sent it: the error stays.
            assert!(lab.send_from_host(Network::Gsm, &answer.datagram()).is_empty());
            assert_eq!(lab.delivered().len(), 1);
        } else {
            assert_eq!(node, served_by(&mut lab, GSM, &frame));
        }
        lab.now += Duration::from_millis(5);
    }
}

#[test]
fn without_an_active_node_the_packet_is_dropped() {
    let mut lab = Lab::with_neighbors();
    let mut nobody = state();
    nobody.steering = steering::build(2, &[]);
    lab.handle.publish(nobody);
    assert!(lab.put_and_run(ETH0, &tcp(HOST, 1).frame_to(ETH0)).is_empty());
    assert_eq!(lab.dropped(DropReason::NoActiveNode), 1);
}

#[test]
fn nobody_outside_sends_from_the_common_address() {
    let mut lab = Lab::with_neighbors();
    assert!(lab.put_and_run(ETH0, &Packet::udp(COMMON, REMOTE).frame_to(ETH0)).is_empty());
    assert_eq!(lab.dropped(DropReason::Martian), 1);
    // Another node does.
    assert_eq!(lab.only(GSM, &Packet::udp(COMMON, REMOTE).frame_to(GSM)).0, ETH1);
}
