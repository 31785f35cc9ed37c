//! ARP on NICs and towards the kernel.

use super::*;
use crate::forward::DropReason;
use crate::forward::neighbor::{NeighborState, NeighborTable};
use crate::forward::worker::Command;

const NEW_STATION: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 50);
const NEW_MAC: [u8; 6] = [2, 0xdd, 0, 0, 0, 50];

fn request_for(station: Ipv4Addr) -> Vec<u8> {
    arp(ArpOperation::Request, port_mac(ETH0), Ipv4Addr::new(192, 0, 2, 1), station)
        .to_frame([0xff; 6])
        .to_vec()
}

fn reply_from(station: Ipv4Addr, mac: [u8; 6]) -> Vec<u8> {
    let mut reply = arp(ArpOperation::Reply, mac, station, Ipv4Addr::new(192, 0, 2, 1));
    reply.target_mac = port_mac(ETH0);
    reply.to_frame(port_mac(ETH0)).to_vec()
}

#[test]
fn an_interface_that_comes_up_says_who_is_there() {
    let state = state();
    let (near, mut far) = MemPort::pair(
        MemPort::describe("eth0", port_mac(ETH0), 1500),
        MemPort::describe("far", [2, 0xff, 0, 0, 0, 0], 1500),
        8,
    )
    .unwrap();
    let setup = WorkerSetup { ports: vec![Box::new(near)], state, host: None, ospf: None, buffers: 64 };
    let (mut worker, _handle) = Worker::new(setup).unwrap();
    let own = Ipv4Addr::new(192, 0, 2, 1);
    let hello = arp(ArpOperation::Request, port_mac(ETH0), own, own).to_frame([0xff; 6]).to_vec();
    let take = |far: &mut MemPort| {
        let mut batch = Vec::new();
        far.receive(&mut batch, &mut Pool::new(8), 8);
        batch.iter().map(|buffer| buffer.bytes().to_vec()).collect::<Vec<_>>()
    };
    worker.step(Duration::from_millis(1));
    assert_eq!(take(&mut far), std::slice::from_ref(&hello));
    worker.step(Duration::from_secs(10));
    assert!(take(&mut far).is_empty(), "once is enough");
    far.cable().set(false);
    worker.step(Duration::from_secs(20));
    far.cable().set(true);
    worker.step(Duration::from_secs(30));
    assert_eq!(take(&mut far), [hello]);
}

#[test]
fn the_router_answers_for_its_own_address_and_no_other() {
    let mut lab = Lab::new();
    let ask = |target| arp(ArpOperation::Request, HOST_MAC, HOST, target).to_frame([0xff; 6]);
    let (position, answer) = lab.only(ETH0, &ask(Ipv4Addr::new(192, 0, 2, 1)));
    assert_eq!(position, ETH0);
    let answer = Arp::parse(&answer[14..]).unwrap();
    assert_eq!(answer.operation, ArpOperation::Reply);
    assert_eq!((answer.sender, answer.sender_mac), (Ipv4Addr::new(192, 0, 2, 1), port_mac(ETH0)));
    assert_eq!((answer.target, answer.target_mac), (HOST, HOST_MAC));
    for other in [NEW_STATION, COMMON, LOOPBACK, Ipv4Addr::new(198, 51, 100, 1)] {
        assert!(lab.put_and_run(ETH0, &ask(other)).is_empty(), "{other}");
    }
    assert_eq!(lab.dropped(DropReason::NotForUs), 4);
}

#[test]
fn a_probe_is_answered_and_not_learned_from() {
    let mut lab = Lab::new();
    let probe = arp(ArpOperation::Request, HOST_MAC, Ipv4Addr::UNSPECIFIED, Ipv4Addr::new(192, 0, 2, 1));
    assert_eq!(lab.put_and_run(ETH0, &probe.to_frame([0xff; 6])).len(), 1);
    lab.advance(Duration::from_secs(1));
    assert!(lab.handle.view().neighbors.load().is_empty());
}

#[test]
fn packets_wait_for_the_answer_in_their_order() {
    let mut lab = Lab::with_neighbors();
    let packets: Vec<_> = (0..NeighborTable::<()>::QUEUE as u16 + 4)
        .map(|identification| Packet { identification, ..Packet::udp(GATEWAY, NEW_STATION) })
        .collect();
    for (at, packet) in packets.iter().enumerate() {
        let sent = lab.put_and_run(ETH1, &packet.frame_to(ETH1));
        let expected = if at == 0 { vec![(ETH0, request_for(NEW_STATION))] } else { vec![] };
        assert_eq!(sent, expected, "one request for all");
    }
    assert_eq!(lab.interface_counts(ETH0).drops.count(DropReason::ResolutionQueueFull), 4);
    let sent = lab.put_and_run(ETH0, &reply_from(NEW_STATION, NEW_MAC));
    let expected: Vec<_> = packets[..16]
        .iter()
        .map(|packet| (ETH0, Packet { ttl: 63, ..packet.clone() }.frame(NEW_MAC, port_mac(ETH0))))
        .collect();
    assert_eq!(sent, expected);
}

#[test]
fn who_does_not_answer_is_an_unreachable_host() {
    let mut lab = Lab::with_neighbors();
    let packet = Packet::udp(GATEWAY, NEW_STATION);
    assert_eq!(lab.only(ETH1, &packet.frame_to(ETH1)), (ETH0, request_for(NEW_STATION)));
    for _ in 0..2 {
        lab.advance(Duration::from_millis(999));
        assert!(lab.all_sent().is_empty());
        lab.advance(Duration::from_millis(1));
        assert_eq!(lab.all_sent(), [(ETH0, request_for(NEW_STATION))]);
    }
    lab.advance(Duration::from_secs(1));
    let sent = lab.all_sent();
    assert_eq!(sent.len(), 1);
    let (header, message) = read(&sent[0].1);
    assert_eq!((sent[0].0, header.destination), (ETH1, GATEWAY.octets()));
    assert_eq!(message[..2], [3, 1]);
    assert_eq!(lab.interface_counts(ETH0).drops.count(DropReason::UnresolvedNextHop), 1);
    // For a moment it is not asked again, and the answer comes at once.
    assert_eq!(read(&lab.only(ETH1, &packet.frame_to(ETH1)).1).1[..2], [3, 1]);
    lab.advance(NeighborTable::<()>::HOLD);
    assert_eq!(lab.only(ETH1, &packet.frame_to(ETH1)), (ETH0, request_for(NEW_STATION)));
}

#[test]
fn a_neighbor_in_use_is_asked_again_and_forgotten_if_it_is_gone() {
    let mut lab = Lab::with_neighbors();
    let packet = Packet::udp(GATEWAY, HOST).frame_to(ETH1);
    lab.only(ETH1, &packet);
    lab.advance(NeighborTable::<()>::REACHABLE);
    let question =
        arp(ArpOperation::Request, port_mac(ETH0), Ipv4Addr::new(192, 0, 2, 1), HOST).to_frame(HOST_MAC);
    assert_eq!(lab.all_sent(), [(ETH0, question.to_vec())], "asked by itself, not by broadcast");
    assert_eq!(lab.only(ETH1, &packet).1[..6], HOST_MAC, "it serves meanwhile");
    lab.put_and_run(ETH0, &reply_from(HOST, NEW_MAC));
    assert_eq!(lab.only(ETH1, &packet).1[..6], NEW_MAC, "and it may have moved");
    lab.advance(NeighborTable::<()>::REACHABLE);
    for _ in 0..3 {
        assert_eq!(lab.all_sent().len(), 1);
        lab.advance(NeighborTable::<()>::RETRY);
    }
    assert_eq!(lab.only(ETH1, &packet), (ETH0, request_for(HOST)), "forgotten, asked anew");
}

#[test]
fn an_answer_that_was_not_asked_for_adds_nobody() {
    let mut lab = Lab::with_neighbors();
    assert!(lab.put_and_run(ETH0, &reply_from(NEW_STATION, NEW_MAC)).is_empty());
    let sent = lab.put_and_run(ETH1, &Packet::udp(GATEWAY, NEW_STATION).frame_to(ETH1));
    assert_eq!(sent, [(ETH0, request_for(NEW_STATION))]);
}

#[test]
fn a_station_that_announces_itself_is_updated_and_none_is_added() {
    let mut lab = Lab::with_neighbors();
    let announce = |station, mac| arp(ArpOperation::Request, mac, station, station).to_frame([0xff; 6]);
    assert!(lab.put_and_run(ETH0, &announce(HOST, NEW_MAC)).is_empty());
    assert!(lab.put_and_run(ETH0, &announce(NEW_STATION, NEW_MAC)).is_empty());
    assert_eq!(lab.only(ETH1, &Packet::udp(GATEWAY, HOST).frame_to(ETH1)).1[..6], NEW_MAC);
    let sent = lab.put_and_run(ETH1, &Packet::udp(GATEWAY, NEW_STATION).frame_to(ETH1));
    assert_eq!(sent, [(ETH0, request_for(NEW_STATION))]);
}

#[test]
fn who_speaks_for_our_addresses_is_not_believed() {
    let mut lab = Lab::with_neighbors();
    for stolen in [Ipv4Addr::new(192, 0, 2, 1), LOOPBACK, COMMON, Ipv4Addr::new(10, 77, 0, 2)] {
        let lie =
            arp(ArpOperation::Reply, NEW_MAC, stolen, Ipv4Addr::new(192, 0, 2, 1)).to_frame(port_mac(ETH0));
        assert!(lab.put_and_run(ETH0, &lie).is_empty());
    }
    assert_eq!(lab.dropped(DropReason::Martian), 4);
}

#[test]
fn the_kernel_is_answered_for_everything_but_its_own() {
    let mut lab = Lab::new();
    let ask = |target| arp(ArpOperation::Request, KERNEL_MAC, KERNEL_ADDRESS, target).to_frame([0xff; 6]);
    for target in [Ipv4Addr::new(10, 77, 0, 2), UNKNOWN, COMMON] {
        let (position, answer) = lab.only(KERNEL, &ask(target));
        let answer = Arp::parse(&answer[14..]).unwrap();
        assert_eq!(position, KERNEL);
        assert_eq!((answer.sender, answer.sender_mac), (target, port_mac(KERNEL)));
    }
    assert!(lab.put_and_run(KERNEL, &ask(KERNEL_ADDRESS)).is_empty());
    let mut owned = state();
    owned.common.insert(COMMON, LocalOwner::Kernel(index(KERNEL)));
    lab.handle.publish(owned);
    assert!(lab.put_and_run(KERNEL, &ask(COMMON)).is_empty(), "it has the common address itself");
}

#[test]
fn no_arp_goes_over_the_fabric() {
    let mut lab = Lab::new();
    for position in [LSM, GSM] {
        for target in [COMMON, Ipv4Addr::new(10, 77, 0, 1), Ipv4Addr::new(10, 78, 0, 1)] {
            let ask =
                arp(ArpOperation::Request, node_mac(Network::Lsm, 2), Ipv4Addr::new(10, 77, 0, 2), target);
            assert!(lab.put_and_run(position, &ask.to_frame([0xff; 6])).is_empty());
        }
    }
    assert_eq!(lab.dropped(DropReason::NotForUs), 6);
}

#[test]
fn a_lost_carrier_forgets_the_neighbors_and_management_sees_it() {
    let mut lab = Lab::with_neighbors();
    lab.advance(Duration::from_secs(1));
    let seen = lab.handle.view().neighbors.load_full();
    let on_eth0: Vec<_> = seen.iter().filter(|neighbor| neighbor.interface == index(ETH0)).collect();
    assert_eq!(on_eth0.len(), 1);
    assert_eq!((on_eth0[0].address, on_eth0[0].mac), (HOST, Some(HOST_MAC)));
    assert_eq!(on_eth0[0].state, NeighborState::Reachable);
    lab.far[ETH0].cable().set(false);
    lab.advance(Duration::from_secs(1));
    assert!(lab.handle.view().neighbors.load().iter().all(|neighbor| neighbor.interface != index(ETH0)));
    assert!(lab.handle.send(Command::ClearNeighbors { index: None }).is_ok());
    lab.advance(Duration::from_secs(1));
    assert!(lab.handle.view().neighbors.load().is_empty());
}

#[test]
fn a_scan_fills_no_more_than_the_table() {
    let mut lab = Lab::with_neighbors();
    let mut wide = state();
    wide.interfaces[ETH0].address = Some("192.0.0.1/16".parse().unwrap());
    wide.fib = Arc::new(Fib::new([(
        "192.0.0.0/16".parse().unwrap(),
        FibEntry::Forward(vec![NextHop { interface: index(ETH0), gateway: None }]),
    )]));
    lab.handle.publish(wide);
    for low in 0..6000u16 {
        let [high, low] = low.to_be_bytes();
        let packet = Packet::udp(GATEWAY, Ipv4Addr::new(192, 0, 10 + high, low));
        lab.put(ETH1, &packet.frame_to(ETH1));
        if low.is_multiple_of(16) {
            lab.run();
            lab.all_sent();
        }
    }
    lab.run();
    lab.advance(Duration::from_millis(500));
    assert_eq!(lab.handle.view().neighbors.load().len(), NeighborTable::<()>::CAPACITY);
    // Three announcements, four answers, and a request for each place that the three known ones left.
    assert_eq!(lab.counts().arp_sent as usize, 3 + 4 + NeighborTable::<()>::CAPACITY - 3);
    assert_eq!(
        lab.dropped(DropReason::ResolutionQueueFull) + lab.dropped(DropReason::UnresolvedNextHop),
        (6000 - NeighborTable::<()>::QUEUES) as u64
    );
}
