//! What is for this node, and what comes from it: embedded stack, kernel, OSPF engine.

use super::*;
use crate::forward::DropReason;
use crate::forward::icmp::IcmpError;

const ALL_OSPF: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 5);
const ALL_OSPF_MAC: [u8; 6] = [1, 0, 0x5e, 0, 0, 5];

#[test]
fn own_addresses_go_to_the_stack_that_has_them_as_they_came() {
    let mut lab = Lab::with_neighbors();
    for (destination, network) in [
        (Ipv4Addr::new(192, 0, 2, 1), Network::Gsm),
        (Ipv4Addr::new(10, 77, 0, 1), Network::Lsm),
        (LOOPBACK, Network::Lsm),
    ] {
        // Delivery is no hop: the last TTL is enough.
        let packet = Packet { ttl: 1, ..Packet::udp(HOST, destination) };
        assert!(lab.put_and_run(ETH0, &packet.frame_to(ETH0)).is_empty());
        assert_eq!(lab.delivered(), [(network, packet.datagram())]);
    }
    let packet = Packet { ttl: 1, ..Packet::udp(HOST, KERNEL_ADDRESS) };
    let sent = lab.put_and_run(ETH0, &packet.frame_to(ETH0));
    assert_eq!(sent, [(KERNEL, packet.frame(KERNEL_MAC, port_mac(KERNEL)))]);
    assert_eq!((lab.counts().delivered_host, lab.counts().delivered_kernel), (3, 1));
}

#[test]
fn a_kernel_that_was_never_heard_is_asked_for_its_address() {
    let mut lab = Lab::new();
    let packet = Packet::udp(HOST, KERNEL_ADDRESS);
    let probe = arp(ArpOperation::Request, port_mac(KERNEL), Ipv4Addr::UNSPECIFIED, KERNEL_ADDRESS);
    assert_eq!(lab.only(ETH0, &packet.frame_to(ETH0)), (KERNEL, probe.to_frame([0xff; 6]).to_vec()));
    let reply = arp(ArpOperation::Reply, KERNEL_MAC, KERNEL_ADDRESS, Ipv4Addr::UNSPECIFIED);
    let sent = lab.put_and_run(KERNEL, &reply.to_frame(port_mac(KERNEL)));
    assert_eq!(sent, [(KERNEL, packet.frame(KERNEL_MAC, port_mac(KERNEL)))]);
}

#[test]
fn own_packets_keep_their_ttl_and_are_counted_as_captured() {
    let mut lab = Lab::with_neighbors();
    let to_node = Packet { ttl: 1, ..Packet::udp(KERNEL_ADDRESS, Ipv4Addr::new(10, 77, 0, 2)) };
    let sent = lab.put_and_run(KERNEL, &to_node.frame(port_mac(KERNEL), KERNEL_MAC));
    assert_eq!(sent, [(LSM, to_node.frame(node_mac(Network::Lsm, 2), node_mac(Network::Lsm, 1)))]);
    let outside = Packet::udp(COMMON, REMOTE);
    let sent = lab.send_from_host(Network::Gsm, &outside.datagram());
    assert_eq!(sent, [(ETH1, outside.frame(GATEWAY_MAC, port_mac(ETH1)))]);
    assert_eq!((lab.counts().lsm_captured, lab.counts().gsm_captured), (1, 1));
    assert_eq!(lab.counts().forwarded, 0);
    // What stays inside the node is not captured.
    lab.send_from_host(Network::Lsm, &Packet::udp(LOOPBACK, KERNEL_ADDRESS).datagram());
    lab.send_from_host(Network::Lsm, &Packet::udp(LOOPBACK, COMMON).datagram());
    assert_eq!(lab.delivered().len(), 1);
    assert_eq!((lab.counts().lsm_captured, lab.counts().gsm_captured), (1, 1));
}

#[test]
fn the_kernel_hears_of_a_smaller_mtu_on_the_way() {
    let mut lab = Lab::with_neighbors();
    let packet =
        Packet { dont_fragment: true, payload: vec![1; 3000], ..Packet::udp(KERNEL_ADDRESS, REMOTE) };
    let (back, error) = lab.only(KERNEL, &packet.frame(port_mac(KERNEL), KERNEL_MAC));
    let (header, message) = read(&error);
    assert_eq!((back, header.destination), (KERNEL, KERNEL_ADDRESS.octets()));
    assert_eq!((&message[..2], &message[6..8]), (&[3, 4][..], &1500u16.to_be_bytes()[..]));
}

#[test]
fn buffers_go_round_and_none_is_lost() {
    let mut lab = Lab::with_neighbors();
    let packet = Packet::udp(HOST, LOOPBACK);
    for _ in 0..3000 {
        lab.put_and_run(ETH0, &packet.frame_to(ETH0));
        assert_eq!(lab.delivered().len(), 1);
        lab.send_from_host(Network::Gsm, &Packet::udp(LOOPBACK, REMOTE).datagram());
    }
    assert_eq!(lab.counts().drops.total(), 0);
}

#[test]
fn a_full_queue_is_a_counted_drop() {
    let mut lab = Lab::with_neighbors();
    for _ in 0..70 {
        lab.put_and_run(ETH0, &Packet::udp(HOST, LOOPBACK).frame_to(ETH0));
        let hello = Packet { protocol: 89, ttl: 1, ..Packet::udp(HOST, ALL_OSPF) };
        lab.put_and_run(ETH0, &hello.frame(ALL_OSPF_MAC, HOST_MAC));
    }
    assert_eq!(lab.dropped(DropReason::HostQueueFull), 6);
    assert_eq!(lab.dropped(DropReason::ControlQueueFull), 6);
    assert_eq!((lab.delivered().len(), lab.punted().len()), (64, 64));
}

#[test]
fn ospf_goes_to_the_engine_where_it_runs() {
    let mut lab = Lab::with_neighbors();
    let hello = Packet { protocol: 89, ttl: 1, ..Packet::udp(HOST, ALL_OSPF) };
    assert!(lab.put_and_run(ETH0, &hello.frame(ALL_OSPF_MAC, HOST_MAC)).is_empty());
    let unicast = Packet { protocol: 89, ttl: 1, ..Packet::udp(HOST, Ipv4Addr::new(192, 0, 2, 1)) };
    assert!(lab.put_and_run(ETH0, &unicast.frame_to(ETH0)).is_empty());
    let node = Packet { protocol: 89, ttl: 1, ..Packet::udp(Ipv4Addr::new(10, 77, 0, 2), ALL_OSPF) };
    lab.put_and_run(LSM, &node.frame(ALL_OSPF_MAC, node_mac(Network::Lsm, 2)));
    assert_eq!(
        lab.punted(),
        [(index(ETH0), hello.datagram()), (index(ETH0), unicast.datagram()), (index(LSM), node.datagram())]
    );
    assert_eq!(lab.counts().punted, 3);
    // Not on eth1, where OSPF does not run.
    let stranger = Packet { protocol: 89, ttl: 1, ..Packet::udp(GATEWAY, ALL_OSPF) };
    lab.put_and_run(ETH1, &stranger.frame(ALL_OSPF_MAC, GATEWAY_MAC));
    let unicast = Packet { protocol: 89, ..Packet::udp(GATEWAY, Ipv4Addr::new(198, 51, 100, 1)) };
    lab.put_and_run(ETH1, &unicast.frame_to(ETH1));
    assert!(lab.punted().is_empty());
    assert_eq!(lab.dropped(DropReason::UnexpectedOspf), 2);
    // OSPF between others is forwarded as anything is.
    let transit = Packet { protocol: 89, ..Packet::udp(HOST, REMOTE) };
    assert_eq!(lab.only(ETH0, &transit.frame_to(ETH0)).0, ETH1);
}

#[test]
fn ospf_is_sent_as_the_engine_built_it() {
    let mut lab = Lab::with_neighbors();
    let group = Packet { protocol: 89, ttl: 1, ..Packet::udp(Ipv4Addr::new(192, 0, 2, 1), ALL_OSPF) };
    for position in [ETH0, LSM] {
        let sent = lab.send_from_ospf(position, &group.datagram());
        assert_eq!(sent, [(position, group.frame(ALL_OSPF_MAC, port_mac(position)))]);
    }
    let neighbor = Packet { destination: HOST, ..group.clone() };
    assert_eq!(
        lab.send_from_ospf(ETH0, &neighbor.datagram()),
        [(ETH0, neighbor.frame(HOST_MAC, port_mac(ETH0)))]
    );
    let node = Packet { destination: Ipv4Addr::new(10, 77, 0, 3), ..group };
    assert_eq!(
        lab.send_from_ospf(LSM, &node.datagram()),
        [(LSM, node.frame(node_mac(Network::Lsm, 3), node_mac(Network::Lsm, 1)))]
    );
}

#[test]
fn an_ospf_packet_that_cannot_be_sent_is_dropped_without_a_word() {
    let mut lab = Lab::with_neighbors();
    let from = Ipv4Addr::new(192, 0, 2, 1);
    let lost = Packet { protocol: 89, ..Packet::udp(from, Ipv4Addr::new(192, 0, 2, 60)) };
    assert_eq!(lab.send_from_ospf(ETH0, &lost.datagram()).len(), 1, "the ARP request");
    for _ in 0..3 {
        lab.advance(Duration::from_secs(1));
    }
    let own_node = Packet { protocol: 89, ..Packet::udp(from, Ipv4Addr::new(10, 77, 0, 1)) };
    assert!(lab.send_from_ospf(LSM, &own_node.datagram()).iter().all(|(_, frame)| frame.len() == 42));
    assert!(lab.delivered().is_empty());
    assert_eq!(lab.counts().icmp_sent, [0; IcmpError::KINDS]);
    assert_eq!(lab.dropped(DropReason::UnresolvedNextHop), 1);
    assert_eq!(lab.dropped(DropReason::NoSuchNode), 1);
}

#[test]
fn groups_of_the_kernels_cross_the_fabric_and_no_router() {
    let mut lab = Lab::with_neighbors();
    let mdns = Ipv4Addr::new(224, 0, 0, 251);
    let mdns_mac = [1, 0, 0x5e, 0, 0, 251];
    let out = Packet { ttl: 1, ..Packet::udp(KERNEL_ADDRESS, mdns) };
    let sent = lab.put_and_run(KERNEL, &out.frame(mdns_mac, KERNEL_MAC));
    assert_eq!(sent, [(LSM, out.frame(mdns_mac, node_mac(Network::Lsm, 1)))]);
    let inward = Packet { ttl: 1, ..Packet::udp(Ipv4Addr::new(10, 77, 0, 2), mdns) };
    let sent = lab.put_and_run(LSM, &inward.frame(mdns_mac, node_mac(Network::Lsm, 2)));
    assert_eq!(sent, [(KERNEL, inward.frame(mdns_mac, port_mac(KERNEL)))]);
    let all = Packet::udp(Ipv4Addr::new(10, 77, 0, 2), Ipv4Addr::new(10, 77, 0, 255));
    let sent = lab.put_and_run(LSM, &all.frame([0xff; 6], node_mac(Network::Lsm, 2)));
    assert_eq!(sent, [(KERNEL, all.frame([0xff; 6], port_mac(KERNEL)))]);
    // The global network has no kernel device here, and a NIC's groups stay on its link.
    assert!(lab.put_and_run(GSM, &inward.frame(mdns_mac, node_mac(Network::Gsm, 2))).is_empty());
    let all_systems = Packet::udp(HOST, Ipv4Addr::new(224, 0, 0, 1));
    assert!(lab.put_and_run(ETH0, &all_systems.frame([1, 0, 0x5e, 0, 0, 1], HOST_MAC)).is_empty());
    assert_eq!(lab.dropped(DropReason::UnwantedMulticast), 2);
}
