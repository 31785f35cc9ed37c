//! Fragments to the common address: they meet, are put together, and the whole goes where its flow goes.

use super::*;
use crate::forward::DropReason;
use crate::forward::hash::Flow;
use crate::forward::icmp::IcmpError;
use crate::forward::reassembly::TIMEOUT;
use crate::forward::wire::ETHERTYPE_REASSEMBLY;

/// A UDP datagram to the common address from a port of the host.
fn datagram(port: u16, identification: u16, length: usize) -> Packet {
    let mut packet = Packet::with_ports(HOST, COMMON, 17, port, 4000);
    packet.payload.extend((packet.payload.len()..length).map(|at| (at % 253) as u8));
    Packet { identification, ..packet }
}

/// The fragments of a datagram as a host with an MTU of 1500 sends them.
fn fragments(packet: &Packet) -> Vec<Packet> {
    let count = packet.payload.len().div_ceil(1480);
    let cut = |(index, part): (usize, &[u8])| Packet {
        offset: (index * 185) as u16,
        more_fragments: index + 1 < count,
        payload: part.to_vec(),
        ..packet.clone()
    };
    packet.payload.chunks(1480).enumerate().map(cut).collect()
}

/// The node where all fragments of a datagram meet.
fn meeting_place(packet: &Packet) -> u16 {
    let (protocol, first) = (Flow::FRAGMENT + 17, packet.identification);
    let flow = Flow { source: packet.source, destination: COMMON, protocol, first, second: 0 };
    state().steering.node_for(flow.hash()).unwrap()
}

/// The node that serves the flow of a port.
fn server(port: u16) -> u16 {
    let flow = Flow { source: HOST, destination: COMMON, protocol: 17, first: port, second: 4000 };
    state().steering.node_for(flow.hash()).unwrap()
}

/// A port and an identification, so that fragments meet at one node and another serves the flow.
fn choose(meeting: u16, serving: u16) -> (u16, u16) {
    let port = (1000..).find(|&port| server(port) == serving).unwrap();
    let met = |id: &u16| meeting_place(&datagram(port, *id, 100)) == meeting;
    (port, (1..).find(met).unwrap())
}

fn ethertype(frame: &[u8]) -> u16 {
    u16::from_be_bytes([frame[12], frame[13]])
}

/// As another node hands a fragment over.
fn handed_over(fragment: &Packet, by: u16, position: usize) -> Vec<u8> {
    let network = if position == GSM { Network::Gsm } else { Network::Lsm };
    let addresses = (port_mac(position), node_mac(network, by));
    let header = Ethernet { destination: addresses.0, source: addresses.1, ethertype: ETHERTYPE_REASSEMBLY };
    [&header.to_bytes(), &fragment.datagram()[..]].concat()
}

#[test]
fn all_fragments_of_a_packet_meet_at_one_node() {
    let mut lab = Lab::with_neighbors();
    let mut met = [0; 4];
    for identification in 0..60 {
        let packet = datagram(5000, identification, 4000);
        let node = meeting_place(&packet);
        met[usize::from(node)] += 1;
        for (at, fragment) in fragments(&packet).iter().enumerate().rev() {
            let position = [ETH0, ETH1][at % 2];
            let sent = lab.put_and_run(position, &fragment.frame_to(position));
            if node == 1 {
                assert!(sent.is_empty() || at == 0, "nothing goes on before all are there");
                continue;
            }
            // As it is, but for the hop, in a frame that says what to do with it.
            let expected =
                Packet { ttl: 63, ..fragment.clone() }.frame(node_mac(Network::Gsm, node), port_mac(GSM));
            let [(GSM, frame)] = &sent[..] else { panic!("{sent:?}") };
            assert_eq!(ethertype(frame), ETHERTYPE_REASSEMBLY);
            assert_eq!((&frame[..12], &frame[14..]), (&expected[..12], &expected[14..]));
        }
    }
    assert!(met[1..].iter().all(|&count| count > 5), "packets are shared: {met:?}");
    assert_eq!(lab.counts().reassembled, met[1]);
}

#[test]
fn the_whole_goes_where_the_flow_goes() {
    let mut lab = Lab::with_neighbors();
    for length in [1481, 4000, 8980] {
        for port in 1000..1040 {
            // The small packet of the flow, from the NIC.
            let small = datagram(port, 0, 24);
            let sent = lab.put_and_run(ETH0, &small.frame_to(ETH0));
            let node = sent.first().map_or(1, |(_, frame)| u16::from(frame[5]));
            lab.delivered();
            // The long one, which another border router hands over.
            let packet = datagram(port, port, length);
            let mut sent = Vec::new();
            for fragment in fragments(&packet) {
                assert!(sent.is_empty());
                sent = lab.put_and_run(GSM, &handed_over(&fragment, 2, GSM));
            }
            if node == 1 {
                assert!(sent.is_empty());
                assert_eq!(lab.delivered(), [(Network::Gsm, packet.datagram())]);
            } else {
                // The hop was counted where it came in.
                let expected = packet.frame(node_mac(Network::Gsm, node), port_mac(GSM));
                assert_eq!(sent, [(GSM, expected)]);
                assert!(lab.delivered().is_empty());
            }
        }
    }
    assert_eq!(lab.counts().reassembled, 3 * 40);
    assert_eq!(lab.counts().drops.total(), 0);
}

#[test]
fn from_the_nic_it_is_one_hop_as_for_any_packet() {
    let mut lab = Lab::with_neighbors();
    let (port, identification) = choose(1, 3);
    let packet = Packet { ttl: 9, ..datagram(port, identification, 3000) };
    let mut sent = Vec::new();
    for fragment in fragments(&packet) {
        sent = lab.put_and_run(ETH0, &fragment.frame_to(ETH0));
    }
    let expected = Packet { ttl: 8, ..packet.clone() }.frame(node_mac(Network::Gsm, 3), port_mac(GSM));
    assert_eq!(sent, [(GSM, expected)]);
    assert_eq!(
        lab.counts().steered.iter().map(|steered| (steered.node, steered.packets)).collect::<Vec<_>>(),
        [(3, 1)]
    );
    // The last hop of its life.
    let last = Packet { ttl: 1, ..packet };
    for fragment in fragments(&last) {
        sent = lab.put_and_run(ETH0, &fragment.frame_to(ETH0));
    }
    assert_eq!((sent.len(), sent[0].0, &read(&sent[0].1).1[..2]), (1, ETH0, &[11, 0][..]));
    assert_eq!(lab.dropped(DropReason::TtlExpired), 1);
}

#[test]
fn what_is_too_long_for_the_fabric_is_cut_once_more_and_stays_where_it_arrives() {
    let mut lab = Lab::with_neighbors();
    for length in [9001, 12_000, 60_000] {
        let (port, identification) = choose(1, 2);
        let packet = Packet { dont_fragment: length == 9001, ..datagram(port, identification, length) };
        let mut sent = Vec::new();
        for fragment in fragments(&packet) {
            assert!(sent.is_empty());
            sent = lab.put_and_run(ETH0, &fragment.frame_to(ETH0));
        }
        assert_eq!(sent.len(), length.div_ceil(8976), "{length}");
        let mut payload = Vec::new();
        for (position, frame) in &sent {
            assert_eq!((*position, ethertype(frame), frame[5]), (GSM, 0x0800, 2));
            let (header, part) = read(frame);
            assert_eq!(usize::from(header.fragment_offset.value()) * 8, payload.len());
            assert!(frame.len() <= 9014 && header.identification == identification);
            payload.extend(part);
        }
        assert!(payload == packet.payload);

        // On the node that serves the flow they go to the stack, which puts them together: none is handed on.
        let mut serving = Lab::with_neighbors();
        for (_, frame) in &sent {
            let mut frame = frame.clone();
            frame[..6].copy_from_slice(&port_mac(GSM));
            frame[6..12].copy_from_slice(&node_mac(Network::Gsm, 2));
            assert!(serving.put_and_run(GSM, &frame).is_empty());
        }
        assert_eq!(serving.delivered().len(), sent.len());
        assert_eq!(serving.counts().reassembled, 0);
    }
    // To this node's own stack in pieces that a buffer holds.
    let (port, identification) = choose(1, 1);
    for fragment in fragments(&datagram(port, identification, 12_000)) {
        assert!(lab.put_and_run(ETH0, &fragment.frame_to(ETH0)).is_empty());
    }
    let pieces = lab.delivered();
    assert_eq!(pieces.iter().map(|(_, piece)| piece.len()).collect::<Vec<_>>(), [8996, 3044]);
}

#[test]
fn the_kernel_gets_pieces_of_its_devices_mtu() {
    let mut with_kernel = state();
    with_kernel.common = [(COMMON, LocalOwner::Kernel(index(KERNEL)))].into();
    with_kernel.interfaces[KERNEL].mtu = 1500;
    let mut lab = Lab::with(with_kernel).knowing_neighbors();
    let (port, identification) = choose(1, 1);
    let mut sent = Vec::new();
    for fragment in fragments(&datagram(port, identification, 4000)) {
        sent = lab.put_and_run(ETH0, &fragment.frame_to(ETH0));
    }
    assert_eq!(sent.len(), 3);
    assert!(sent.iter().all(|(position, frame)| *position == KERNEL && frame.len() <= 1514));
}

#[test]
fn an_echo_request_is_answered_by_the_node_of_the_small_ones() {
    let mut lab = Lab::with_neighbors();
    for identifier in 0..30 {
        let echo = |length: usize| {
            let head = [8, 0, 0, 0, 0, identifier, 0, 1];
            Packet::icmp(HOST, COMMON, &[&head[..], &vec![7; length]].concat())
        };
        let small = lab
            .put_and_run(ETH0, &echo(56).frame_to(ETH0))
            .first()
            .map_or(1, |(_, frame)| u16::from(frame[5]));
        lab.delivered();
        let long = Packet { identification: identifier.into(), ..echo(4000) };
        let mut sent = Vec::new();
        for fragment in fragments(&long) {
            sent = lab.put_and_run(LSM, &handed_over(&fragment, 3, LSM));
        }
        assert_eq!(sent.first().map_or(1, |(_, frame)| frame[5].into()), small);
        assert_eq!(lab.delivered().len(), usize::from(small == 1));
    }
}

#[test]
fn what_never_ends_is_answered_if_its_first_fragment_is_there() {
    let mut lab = Lab::with_neighbors();
    let (port, identification) = choose(1, 1);
    let packet = datagram(port, identification, 4000);
    let pieces = fragments(&packet);
    lab.put_and_run(ETH0, &pieces[0].frame_to(ETH0));
    lab.put_and_run(ETH0, &pieces[2].frame_to(ETH0));
    let other = Packet { source: GATEWAY, ..datagram(port, 0, 4000) };
    lab.put_and_run(GSM, &handed_over(&fragments(&other)[1], 2, GSM));
    lab.advance(TIMEOUT);
    let sent = lab.all_sent();
    let errors: Vec<_> = sent.iter().filter(|(_, frame)| ethertype(frame) == 0x0800).collect();
    assert_eq!(errors.len(), 1, "{sent:?}");
    let (header, message) = read(&errors[0].1);
    assert_eq!((errors[0].0, header.destination), (ETH0, HOST.octets()));
    assert_eq!(message[..2], [11, 1]);
    assert_eq!(message[8..], pieces[0].datagram()[..message.len() - 8]);
    assert_eq!(lab.dropped(DropReason::ReassemblyTimeout), 3);
    assert_eq!(lab.counts().icmp_sent[IcmpError::ReassemblyTimeExceeded.index()], 1);
}

#[test]
fn hostile_fragments_are_counted_and_nothing_comes_of_them() {
    let mut lab = Lab::with_neighbors();
    let (port, identification) = choose(1, 1);
    let pieces = fragments(&datagram(port, identification, 4000));
    let overlapping = Packet { offset: pieces[1].offset - 1, ..pieces[1].clone() };
    let tiny = Packet { protocol: 6, offset: 1, payload: vec![0; 8], ..pieces[0].clone() };
    for fragment in [&pieces[0], &pieces[0], &overlapping, &pieces[1], &pieces[2]] {
        assert!(lab.put_and_run(GSM, &handed_over(fragment, 2, GSM)).is_empty());
    }
    assert!(lab.put_and_run(GSM, &handed_over(&tiny, 2, GSM)).is_empty());
    assert!(lab.delivered().is_empty());
    assert_eq!(lab.dropped(DropReason::DuplicateFragment), 1);
    assert_eq!(lab.dropped(DropReason::FragmentOverlap), 4);
    assert_eq!(lab.dropped(DropReason::BadFragment), 1);
    // Whole datagrams, and those to other addresses, are not put together here; outside nobody speaks of it.
    let whole = datagram(port, 1, 100);
    let elsewhere = Packet { destination: REMOTE, ..pieces[0].clone() };
    for refused in [&whole, &elsewhere] {
        assert!(lab.put_and_run(GSM, &handed_over(refused, 2, GSM)).is_empty());
    }
    assert_eq!(lab.dropped(DropReason::BadFragment), 3);
    let mut outside = handed_over(&pieces[0], 2, GSM);
    outside[..6].copy_from_slice(&port_mac(ETH0));
    assert!(lab.put_and_run(ETH0, &outside).is_empty());
    assert_eq!(lab.dropped(DropReason::UnknownEtherType), 1);
    assert!(lab.put_and_run(GSM, &handed_over(&pieces[0], 2, GSM)[..40]).is_empty());
    assert_eq!(lab.dropped(DropReason::BadIpHeader), 1);
}

#[test]
fn a_flood_of_one_node_leaves_the_fragments_of_another() {
    let mut lab = Lab::with_neighbors();
    let (port, identification) = choose(1, 1);
    let packet = datagram(port, identification, 4000);
    let pieces = fragments(&packet);
    lab.put_and_run(GSM, &handed_over(&pieces[0], 2, GSM));
    for flood in 0..2000u32 {
        let source = Ipv4Addr::from_bits(0xcb00_7100 + flood);
        lab.put_and_run(GSM, &handed_over(&Packet { source, ..pieces[1].clone() }, 3, GSM));
    }
    assert!(lab.dropped(DropReason::ReassemblyLimit) > 1000);
    for piece in &pieces[1..] {
        lab.put_and_run(GSM, &handed_over(piece, 2, GSM));
    }
    assert_eq!(lab.delivered(), [(Network::Gsm, packet.datagram())]);
}
