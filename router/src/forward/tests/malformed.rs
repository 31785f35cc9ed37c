//! Frames that must not get through: each is dropped under its reason, and nothing else happens.

use super::*;
use crate::forward::DropReason;
use crate::forward::wire::write_header_checksum;

/// A good datagram, changed, with a right checksum.
fn changed(change: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut bytes = Packet::udp(HOST, REMOTE).datagram();
    change(&mut bytes);
    let length = usize::from(bytes.first().map_or(0, |first| first & 15)) * 4;
    write_header_checksum(&mut bytes, length);
    bytes
}

/// A good datagram, changed, with whatever checksum it had.
fn spoilt(change: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut bytes = Packet::udp(HOST, REMOTE).datagram();
    change(&mut bytes);
    bytes
}

fn with_options(options: &[u8]) -> Vec<u8> {
    Packet { options: options.to_vec(), ..Packet::udp(HOST, REMOTE) }.datagram()
}

fn between(source: [u8; 4], destination: [u8; 4]) -> Vec<u8> {
    Packet::udp(source.into(), destination.into()).datagram()
}

fn arp_changed(change: impl FnOnce(&mut [u8])) -> Vec<u8> {
    let mut frame =
        arp(ArpOperation::Request, HOST_MAC, HOST, Ipv4Addr::new(192, 0, 2, 1)).to_frame([0xff; 6]);
    change(&mut frame);
    frame.to_vec()
}

fn ethernet(destination: [u8; 6], ethertype: u16) -> Vec<u8> {
    let mut frame = Packet::udp(HOST, REMOTE).frame(destination, HOST_MAC);
    frame[12..14].copy_from_slice(&ethertype.to_be_bytes());
    frame
}

fn table() -> Vec<(&'static str, DropReason, Vec<u8>)> {
    use DropReason::*;
    let own = port_mac(ETH0);
    let ip = |datagram: Vec<u8>| frame(own, HOST_MAC, &datagram);
    let mut truncated_arp = arp_changed(|_| ());
    truncated_arp.truncate(41);
    vec![
        ("another station", NotForUs, ethernet([2, 9, 9, 9, 9, 9], 0x0800)),
        ("from a group", BadFrame, Packet::udp(HOST, REMOTE).frame(own, [3, 0, 0, 0, 0, 1])),
        ("no station", NotForUs, ethernet([0; 6], 0x0800)),
        ("multicast group of others", UnwantedMulticast, ethernet([1, 0, 0x5e, 0, 0, 9], 0x0800)),
        ("spanning tree", UnwantedMulticast, ethernet([1, 0x80, 0xc2, 0, 0, 0], 0x0026)),
        ("IPv6 multicast", UnwantedMulticast, ethernet([0x33, 0x33, 0, 0, 0, 1], 0x86dd)),
        ("IPv6", UnknownEtherType, ethernet(own, 0x86dd)),
        ("a VLAN tag", UnknownEtherType, ethernet(own, 0x8100)),
        ("an 802.3 length", UnknownEtherType, ethernet(own, 46)),
        ("LLDP to us", UnknownEtherType, ethernet(own, 0x88cc)),
        ("broadcast of an unknown type", UnknownEtherType, ethernet([0xff; 6], 0x1234)),
        ("no datagram", BadIpHeader, ip(vec![])),
        ("one byte", BadIpHeader, ip(vec![0x45])),
        ("nineteen bytes", BadIpHeader, ip(spoilt(|b| b.truncate(19)))),
        ("version 0", BadIpHeader, ip(changed(|b| b[0] = 0x05))),
        ("version 6", BadIpHeader, ip(changed(|b| b[0] = 0x65))),
        ("header length 0", BadIpHeader, ip(spoilt(|b| b[0] = 0x40))),
        ("header length 4", BadIpHeader, ip(changed(|b| b[0] = 0x44))),
        (
            "header beyond the frame",
            BadIpHeader,
            ip(spoilt(|b| {
                b[0] = 0x4f;
                b.truncate(40);
            })),
        ),
        (
            "header beyond the datagram",
            BadIpHeader,
            ip(changed(|b| {
                b[0] = 0x46;
                b[3] = 20;
            })),
        ),
        ("total length 0", BadIpHeader, ip(changed(|b| b[2..4].fill(0)))),
        ("total length 19", BadIpHeader, ip(changed(|b| b[2..4].copy_from_slice(&[0, 19])))),
        ("total length beyond the frame", BadIpHeader, ip(changed(|b| b[3] += 1))),
        ("total length 65535", BadIpHeader, ip(changed(|b| b[2..4].fill(0xff)))),
        (
            "cut short",
            BadIpHeader,
            ip(spoilt(|b| {
                b.pop();
            })),
        ),
        ("checksum off by one", BadIpChecksum, ip(spoilt(|b| b[11] ^= 1))),
        ("checksum zero", BadIpChecksum, ip(spoilt(|b| b[10..12].fill(0)))),
        ("checksum all ones", BadIpChecksum, ip(spoilt(|b| b[10..12].fill(0xff)))),
        ("a flipped address bit", BadIpChecksum, ip(spoilt(|b| b[19] ^= 0x40))),
        ("option of length 0", BadIpHeader, ip(with_options(&[7, 0, 0, 0]))),
        ("option of length 1", BadIpHeader, ip(with_options(&[7, 1, 0, 0]))),
        ("option beyond the header", BadIpHeader, ip(with_options(&[7, 5, 4, 0]))),
        ("option without a length", BadIpHeader, ip(with_options(&[1, 1, 1, 148]))),
        ("loose source route", SourceRouted, ip(with_options(&[131, 7, 4, 10, 0, 0, 1, 0]))),
        ("strict source route", SourceRouted, ip(with_options(&[137, 7, 4, 10, 0, 0, 1, 0]))),
        ("source route after others", SourceRouted, ip(with_options(&[1, 148, 4, 0, 0, 131, 3, 4]))),
        ("source 0.0.0.0", Martian, ip(between([0; 4], [203, 0, 113, 7]))),
        ("source in 0/8", Martian, ip(between([0, 1, 2, 3], [203, 0, 113, 7]))),
        ("source loopback", Martian, ip(between([127, 0, 0, 1], [203, 0, 113, 7]))),
        ("source multicast", Martian, ip(between([224, 0, 0, 5], [203, 0, 113, 7]))),
        ("source class E", Martian, ip(between([240, 0, 0, 1], [203, 0, 113, 7]))),
        ("source limited broadcast", Martian, ip(between([255; 4], [203, 0, 113, 7]))),
        ("source link-local", Martian, ip(between([169, 254, 1, 1], [203, 0, 113, 7]))),
        ("source our own address", Martian, ip(between([192, 0, 2, 1], [203, 0, 113, 7]))),
        ("source our loopback", Martian, ip(between(LOOPBACK.octets(), [203, 0, 113, 7]))),
        ("source broadcast of the link", Martian, ip(between([192, 0, 2, 255], [203, 0, 113, 7]))),
        ("source network of the link", Martian, ip(between([192, 0, 2, 0], [203, 0, 113, 7]))),
        ("land: source and destination ours", Martian, ip(between([192, 0, 2, 1], [192, 0, 2, 1]))),
        ("destination 0.0.0.0", Martian, ip(between([192, 0, 2, 9], [0; 4]))),
        ("destination loopback", Martian, ip(between([192, 0, 2, 9], [127, 0, 0, 1]))),
        ("destination class E", Martian, ip(between([192, 0, 2, 9], [250, 1, 2, 3]))),
        ("destination link-local", Martian, ip(between([192, 0, 2, 9], [169, 254, 7, 7]))),
        ("directed broadcast", UnwantedMulticast, ip(between([192, 0, 2, 9], [198, 51, 100, 255]))),
        ("all-zeroes broadcast", UnwantedMulticast, ip(between([192, 0, 2, 9], [198, 51, 100, 0]))),
        (
            "limited broadcast",
            UnwantedMulticast,
            frame([0xff; 6], HOST_MAC, &between([192, 0, 2, 9], [255; 4])),
        ),
        ("unicast datagram in a broadcast", UnwantedMulticast, ethernet([0xff; 6], 0x0800)),
        ("multicast beyond the link", UnwantedMulticast, ip(between([192, 0, 2, 9], [239, 1, 2, 3]))),
        ("ARP cut short", BadArp, truncated_arp),
        ("ARP without a body", BadArp, arp_changed(|_| ())[..14].to_vec()),
        ("ARP for another hardware", BadArp, arp_changed(|f| f[15] = 6)),
        ("ARP for another protocol", BadArp, arp_changed(|f| f[16..18].copy_from_slice(&[0x86, 0xdd]))),
        ("ARP hardware length 8", BadArp, arp_changed(|f| f[18] = 8)),
        ("ARP protocol length 16", BadArp, arp_changed(|f| f[19] = 16)),
        ("ARP operation 0", BadArp, arp_changed(|f| f[21] = 0)),
        ("ARP operation 3", BadArp, arp_changed(|f| f[21] = 3)),
        ("ARP operation 258", BadArp, arp_changed(|f| f[20..22].copy_from_slice(&[1, 2]))),
        ("ARP from a group", BadArp, arp_changed(|f| f[22] = 1)),
        ("ARP from all", BadArp, arp_changed(|f| f[22..28].fill(0xff))),
        ("ARP from no station", BadArp, arp_changed(|f| f[22..28].fill(0))),
        ("ARP from another network", Martian, arp_changed(|f| f[28..32].copy_from_slice(&[10, 1, 1, 1]))),
        ("ARP from our address", Martian, arp_changed(|f| f[31] = 1)),
        ("ARP for another station", NotForUs, arp_changed(|f| f[41] = 77)),
        ("RARP", UnknownEtherType, arp_changed(|f| f[12..14].copy_from_slice(&[0x80, 0x35]))),
    ]
}

#[test]
fn each_is_dropped_under_its_reason_and_nothing_else_happens() {
    let table = table();
    assert!(table.len() >= 60);
    let mut lab = Lab::with_neighbors();
    lab.advance(Duration::from_secs(1));
    let neighbors = lab.handle.view().neighbors.load_full();
    for (name, reason, frame) in &table {
        let before = lab.counts();
        let sent = lab.put_and_run(ETH0, frame);
        assert!(sent.is_empty() && lab.delivered().is_empty() && lab.punted().is_empty(), "{name}: {sent:?}");
        let after = lab.counts();
        assert_eq!(after.drops.count(*reason), before.drops.count(*reason) + 1, "{name}");
        assert_eq!(after.drops.total(), before.drops.total() + 1, "{name}");
        assert_eq!((after.forwarded, after.icmp_sent), (before.forwarded, before.icmp_sent), "{name}");
    }
    assert_eq!(lab.interface_counts(ETH0).drops.total(), table.len() as u64);
    lab.advance(Duration::from_secs(1));
    assert_eq!(lab.handle.view().neighbors.load_full(), neighbors);
}

#[test]
fn a_frame_shorter_than_its_header_is_dropped() {
    // A memory port does not carry one: the path is handed it directly.
    let mut lab = Lab::new();
    for length in 0..14 {
        let mut buffer = lab.buffer(&vec![0xff; length]);
        buffer.interface = index(ETH0);
        lab.worker.inject(buffer);
    }
    assert_eq!(lab.dropped(DropReason::BadFrame), 14);
}

#[test]
fn a_datagram_of_our_own_stacks_is_checked_too() {
    let mut lab = Lab::with_neighbors();
    let bad = spoilt(|bytes| bytes[11] ^= 1);
    assert!(lab.send_from_host(Network::Gsm, &bad).is_empty());
    assert!(lab.send_from_ospf(ETH0, &bad).is_empty());
    assert!(lab.put_and_run(KERNEL, &frame(port_mac(KERNEL), KERNEL_MAC, &bad)).is_empty());
    assert_eq!(lab.dropped(DropReason::BadIpChecksum), 3);
}
