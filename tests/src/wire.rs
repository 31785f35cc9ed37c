//! Packets made by hand, right and wrong.
//!
//! The builders make a right packet; a test then damages one field of it and, where the damage shall be found behind a
//! checksum, sets that again.

use std::net::Ipv4Addr;

/// Sets the checksum of the IPv4 header at the start of a packet, as far as there is one.
pub fn fix_ip(packet: &mut [u8]) {
    let length = packet.first().map_or(0, |byte| usize::from(byte & 15) * 4).clamp(20, 60).min(packet.len());
    if length >= 20 {
        packet[10..12].fill(0);
        let sum = internet_checksum(&packet[..length]);
        packet[10..12].copy_from_slice(&sum.to_be_bytes());
    }
}

/// The checksum of RFC 1071.
pub fn internet_checksum(bytes: &[u8]) -> u16 {
    let mut sum: u64 = 0;
    for pair in bytes.chunks(2) {
        sum += u64::from(pair[0]) << 8 | u64::from(pair.get(1).copied().unwrap_or(0));
    }
    while sum > 0xffff {
        sum = (sum >> 16) + (sum & 0xffff);
    }
    !u16::try_from(sum).unwrap_or(0)
}

/// A frame.
pub fn ethernet(destination: [u8; 6], source: [u8; 6], ethertype: u16, payload: &[u8]) -> Vec<u8> {
    let mut frame = Vec::with_capacity(14 + payload.len());
    frame.extend(destination);
    frame.extend(source);
    frame.extend(ethertype.to_be_bytes());
    frame.extend(payload);
    frame
}

/// An IPv4 packet without options.
pub fn ipv4(source: Ipv4Addr, destination: Ipv4Addr, protocol: u8, ttl: u8, payload: &[u8]) -> Vec<u8> {
    ipv4_with_options(source, destination, protocol, ttl, &[], payload)
}

/// An IPv4 packet with options, whose length must be a multiple of four.
pub fn ipv4_with_options(
    source: Ipv4Addr,
    destination: Ipv4Addr,
    protocol: u8,
    ttl: u8,
    options: &[u8],
    payload: &[u8],
) -> Vec<u8> {
    let header = 20 + options.len();
    let total = u16::try_from(header + payload.len()).expect("a packet of 64 KiB at most");
    let words = u8::try_from(header / 4).expect("a header of 60 bytes at most");
    let mut packet = vec![0x40 | words, 0];
    packet.extend(total.to_be_bytes());
    packet.extend([0x12, 0x34, 0, 0, ttl, protocol, 0, 0]);
    packet.extend(source.octets());
    packet.extend(destination.octets());
    packet.extend(options);
    packet.extend(payload);
    fix_ip(&mut packet);
    packet
}

/// A UDP datagram without a checksum.
pub fn udp(source: u16, destination: u16, payload: &[u8]) -> Vec<u8> {
    let mut datagram = Vec::new();
    datagram.extend(source.to_be_bytes());
    datagram.extend(destination.to_be_bytes());
    datagram.extend(u16::try_from(8 + payload.len()).expect("a short datagram").to_be_bytes());
    datagram.extend([0, 0]);
    datagram.extend(payload);
    datagram
}

/// An ARP request.
pub fn arp_request(source: [u8; 6], sender: Ipv4Addr, target: Ipv4Addr) -> Vec<u8> {
    let mut packet = vec![0, 1, 8, 0, 6, 4, 0, 1];
    packet.extend(source);
    packet.extend(sender.octets());
    packet.extend([0; 6]);
    packet.extend(target.octets());
    packet
}

/// The types of OSPF packets (RFC 2328 appendix A.3.1).
pub mod ospf_type {
    /// Hello.
    pub const HELLO: u8 = 1;
    /// Database description.
    pub const DESCRIPTION: u8 = 2;
    /// Link state request.
    pub const REQUEST: u8 = 3;
    /// Link state update.
    pub const UPDATE: u8 = 4;
    /// Link state acknowledgment.
    pub const ACKNOWLEDGMENT: u8 = 5;
}

/// An OSPF packet without authentication.
pub fn ospf(kind: u8, router_id: Ipv4Addr, area: Ipv4Addr, body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(24 + body.len()).expect("a short packet");
    let mut packet = vec![2, kind];
    packet.extend(length.to_be_bytes());
    packet.extend(router_id.octets());
    packet.extend(area.octets());
    packet.extend([0; 12]);
    packet.extend(body);
    fix_ospf(&mut packet);
    packet
}

/// Sets the checksum of an OSPF packet: without the authentication field (appendix D.4).
pub fn fix_ospf(packet: &mut [u8]) {
    packet[12..14].fill(0);
    let covered: Vec<u8> = packet[..16].iter().chain(&packet[24..]).copied().collect();
    let sum = internet_checksum(&covered);
    packet[12..14].copy_from_slice(&sum.to_be_bytes());
}

/// The body of a hello (appendix A.3.2), with the options of a router in a normal area.
pub fn hello(mask: Ipv4Addr, interval: u16, dead: u32, neighbors: &[Ipv4Addr]) -> Vec<u8> {
    let mut body = mask.octets().to_vec();
    body.extend(interval.to_be_bytes());
    body.extend([0x02, 1]);
    body.extend(dead.to_be_bytes());
    body.extend([0; 8]);
    body.extend(neighbors.iter().flat_map(|neighbor| neighbor.octets()));
    body
}

/// A router-LSA without links (appendix A.4.2), and with any type and age.
pub fn lsa(age: u16, kind: u8, router_id: Ipv4Addr, body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(20 + body.len()).expect("a short advertisement");
    let mut lsa = age.to_be_bytes().to_vec();
    lsa.extend([0x02, kind]);
    lsa.extend(router_id.octets());
    lsa.extend(router_id.octets());
    lsa.extend(0x8000_0001_u32.to_be_bytes());
    lsa.extend([0, 0]);
    lsa.extend(length.to_be_bytes());
    lsa.extend(body);
    fix_lsa(&mut lsa);
    lsa
}

/// Sets the checksum of an advertisement: Fletcher's of RFC 905 annex B, without the age.
pub fn fix_lsa(lsa: &mut [u8]) {
    lsa[16..18].fill(0);
    let (mut c0, mut c1) = (0_i64, 0_i64);
    for byte in &lsa[2..] {
        c0 = (c0 + i64::from(*byte)) % 255;
        c1 = (c1 + c0) % 255;
    }
    // The check bytes stand at offset 14 of what is covered.
    let behind = i64::try_from(lsa.len() - 2 - 14).expect("a short advertisement") - 1;
    let place = |value: i64| match value.rem_euclid(255) {
        0 => 255,
        value => u8::try_from(value).unwrap_or(255),
    };
    lsa[16] = place(behind * c0 - c1);
    lsa[17] = place(c1 - (behind + 1) * c0);
}

/// A link state update with the given advertisements.
pub fn update(advertisements: &[Vec<u8>]) -> Vec<u8> {
    let count = u32::try_from(advertisements.len()).expect("a short list");
    let mut body = count.to_be_bytes().to_vec();
    body.extend(advertisements.concat());
    body
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_right_header_sums_to_zero() {
        let source = Ipv4Addr::new(10, 0, 0, 1);
        let packet = ipv4(source, Ipv4Addr::new(224, 0, 0, 5), 89, 1, &[1, 2, 3]);
        assert_eq!(internet_checksum(&packet[..20]), 0);
        let packet = ospf(ospf_type::HELLO, source, Ipv4Addr::UNSPECIFIED, &hello(source, 1, 4, &[]));
        assert_eq!(internet_checksum(&packet), 0);
    }

    /// Both of Fletcher's sums over what is covered are zero (RFC 905 annex B.4).
    #[test]
    fn a_right_advertisement_has_fletchers_sums_of_zero() {
        let lsa = lsa(1, 1, Ipv4Addr::new(1, 1, 1, 1), &[0, 0, 0, 0]);
        let (mut c0, mut c1) = (0_u32, 0_u32);
        for byte in &lsa[2..] {
            c0 = (c0 + u32::from(*byte)) % 255;
            c1 = (c1 + c0) % 255;
        }
        assert_eq!((c0, c1), (0, 0));
    }
}
