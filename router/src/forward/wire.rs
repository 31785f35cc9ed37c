//! Bytes of the headers that the packet path reads and writes: Ethernet, IPv4, ARP.
//!
//! Reading never panics: a short or wrong packet is a [`DropReason`].

use std::net::Ipv4Addr;

use crate::forward::DropReason;

/// Length of an Ethernet header without tags.
pub const ETHERNET_HEADER: usize = 14;
/// EtherType of IPv4.
pub const ETHERTYPE_IPV4: u16 = 0x0800;
/// EtherType of ARP.
pub const ETHERTYPE_ARP: u16 = 0x0806;
/// Between nodes only: an IPv4 fragment to a common address, for the node that puts its datagram together. The first of
/// IEEE's two EtherTypes for local use.
pub const ETHERTYPE_REASSEMBLY: u16 = 0x88b5;
/// The Ethernet address of all stations.
pub const BROADCAST_MAC: [u8; 6] = [0xff; 6];
/// Length of an IPv4 header without options.
pub const IPV4_HEADER: usize = 20;
/// Length of an ARP packet for IPv4 over Ethernet (RFC 826).
pub const ARP_LENGTH: usize = 28;

/// IP protocol numbers that the packet path looks at.
pub mod protocol {
    /// ICMP (RFC 792).
    pub const ICMP: u8 = 1;
    /// TCP.
    pub const TCP: u8 = 6;
    /// UDP.
    pub const UDP: u8 = 17;
    /// DCCP.
    pub const DCCP: u8 = 33;
    /// OSPF (RFC 2328 appendix A).
    pub const OSPF: u8 = 89;
    /// SCTP.
    pub const SCTP: u8 = 132;
    /// UDP-Lite.
    pub const UDP_LITE: u8 = 136;
}

/// The Ethernet address that an IPv4 multicast group uses (RFC 1112 section 6.4).
pub const fn multicast_mac(group: Ipv4Addr) -> [u8; 6] {
    let octets = group.octets();
    [0x01, 0x00, 0x5e, octets[1] & 0x7f, octets[2], octets[3]]
}

/// Whether an Ethernet address names a group of stations.
pub const fn is_group_mac(mac: [u8; 6]) -> bool {
    mac[0] & 1 != 0
}

/// The three fields of an Ethernet header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ethernet {
    /// Who it is for.
    pub destination: [u8; 6],
    /// Who sent it.
    pub source: [u8; 6],
    /// What is in it.
    pub ethertype: u16,
}

impl Ethernet {
    /// Reads the header in front of a frame.
    ///
    /// # Errors
    /// The frame is shorter than a header.
    pub fn parse(frame: &[u8]) -> Result<Self, DropReason> {
        let header: &[u8; ETHERNET_HEADER] = frame.first_chunk().ok_or(DropReason::BadFrame)?;
        let [d0, d1, d2, d3, d4, d5, s0, s1, s2, s3, s4, s5, t0, t1] = *header;
        Ok(Self {
            destination: [d0, d1, d2, d3, d4, d5],
            source: [s0, s1, s2, s3, s4, s5],
            ethertype: u16::from_be_bytes([t0, t1]),
        })
    }

    /// The header as bytes.
    pub fn to_bytes(self) -> [u8; ETHERNET_HEADER] {
        let mut bytes = [0; ETHERNET_HEADER];
        bytes[..6].copy_from_slice(&self.destination);
        bytes[6..12].copy_from_slice(&self.source);
        bytes[12..].copy_from_slice(&self.ethertype.to_be_bytes());
        bytes
    }
}

/// What a checked IPv4 header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ipv4Header {
    /// Length of the header with its options.
    pub header_length: usize,
    /// Length of the datagram.
    pub total_length: usize,
    /// Names the datagram that a fragment belongs to.
    pub identification: u16,
    /// Must not be fragmented.
    pub dont_fragment: bool,
    /// Not the last fragment.
    pub more_fragments: bool,
    /// Where the fragment belongs, in units of 8 bytes.
    pub fragment_offset: u16,
    /// Time to live.
    pub ttl: u8,
    /// What the payload is.
    pub protocol: u8,
    /// Who sent it.
    pub source: Ipv4Addr,
    /// Who it is for.
    pub destination: Ipv4Addr,
}

impl Ipv4Header {
    /// Reads and checks the header of a datagram (RFC 1812 section 5.2.2), its options included. Bytes after
    /// the datagram (padding of the link) are allowed.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(datagram: &[u8]) -> Result<Self, DropReason> {
        let fixed: &[u8; IPV4_HEADER] = datagram.first_chunk().ok_or(DropReason::BadIpHeader)?;
        let header_length = usize::from(fixed[0] & 0x0f) * 4;
        let total_length = usize::from(u16::from_be_bytes([fixed[2], fixed[3]]));
        if fixed[0] >> 4 != 4 || header_length < IPV4_HEADER || total_length < header_length {
            return Err(DropReason::BadIpHeader);
        }
        let header = datagram.get(..header_length).ok_or(DropReason::BadIpHeader)?;
        if total_length > datagram.len() {
            return Err(DropReason::BadIpHeader);
        }
        if checksum(header) != 0 {
            return Err(DropReason::BadIpChecksum);
        }
        check_options(&header[IPV4_HEADER..])?;
        let flags = u16::from_be_bytes([fixed[6], fixed[7]]);
        Ok(Self {
            header_length,
            total_length,
            identification: u16::from_be_bytes([fixed[4], fixed[5]]),
            dont_fragment: flags & 0x4000 != 0,
            more_fragments: flags & 0x2000 != 0,
            fragment_offset: flags & 0x1fff,
            ttl: fixed[8],
            protocol: fixed[9],
            source: Ipv4Addr::new(fixed[12], fixed[13], fixed[14], fixed[15]),
            destination: Ipv4Addr::new(fixed[16], fixed[17], fixed[18], fixed[19]),
        })
    }

    /// Whether it is a part of a larger datagram.
    pub const fn is_fragment(&self) -> bool {
        self.more_fragments || self.fragment_offset != 0
    }
}

/// One option, as [`Options`] walks over them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IpOption<'a> {
    /// Its type, with the "copied" bit 0x80.
    pub kind: u8,
    /// All its bytes, the type included.
    pub bytes: &'a [u8],
}

/// Walks over the options of an IPv4 header (RFC 791 section 3.1). Stops at the end-of-options option; an
/// option that does not fit is an error, and the last item.
pub struct Options<'a>(&'a [u8]);

impl<'a> Options<'a> {
    /// The options in the bytes that follow the fixed header.
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }
}

impl<'a> Iterator for Options<'a> {
    type Item = Result<IpOption<'a>, DropReason>;

    fn next(&mut self) -> Option<Self::Item> {
        let kind = *self.0.first()?;
        let length = match kind {
            option::END => return None,
            option::NO_OPERATION => 1,
            _ => self.0.get(1).map_or(0, |&length| usize::from(length)),
        };
        if length == 0 || (length == 1 && kind != option::NO_OPERATION) || length > self.0.len() {
            self.0 = &[];
            return Some(Err(DropReason::BadIpHeader));
        }
        let (bytes, rest) = self.0.split_at(length);
        self.0 = rest;
        Some(Ok(IpOption { kind, bytes }))
    }
}

/// Option types (RFC 791 section 3.1).
pub mod option {
    /// End of the options.
    pub const END: u8 = 0;
    /// Filler.
    pub const NO_OPERATION: u8 = 1;
    /// Loose source route.
    pub const LOOSE_SOURCE_ROUTE: u8 = 131;
    /// Strict source route.
    pub const STRICT_SOURCE_ROUTE: u8 = 137;
    /// The bit of an option that every fragment carries.
    pub const COPIED: u8 = 0x80;
}

fn check_options(options: &[u8]) -> Result<(), DropReason> {
    if options.is_empty() {
        return Ok(());
    }
    for item in Options::new(options) {
        // RFC 1812 section 5.2.4.1 allows a router to refuse source routes, and prudence asks for it.
        if matches!(item?.kind, option::LOOSE_SOURCE_ROUTE | option::STRICT_SOURCE_ROUTE) {
            return Err(DropReason::SourceRouted);
        }
    }
    Ok(())
}

/// The Internet checksum (RFC 1071): 0 over bytes that contain their right checksum.
pub fn checksum(bytes: &[u8]) -> u16 {
    // Words of 32 bits: their sum folds to the same 16 bits.
    let (words, rest) = bytes.as_chunks::<4>();
    let mut sum: u64 = words.iter().map(|word| u64::from(u32::from_be_bytes(*word))).sum();
    let mut last = [0; 4];
    last[..rest.len()].copy_from_slice(rest);
    sum += u64::from(u32::from_be_bytes(last));
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

/// A checksum after one 16-bit word under it went from `old` to `new` (RFC 1624 equation 3).
pub const fn updated_checksum(checksum: u16, old: u16, new: u16) -> u16 {
    let mut sum = (!checksum) as u32 + (!old) as u32 + new as u32;
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    !(sum as u16)
}

/// Takes one from the time to live of a checked datagram, and keeps its checksum right.
pub fn decrement_ttl(datagram: &mut [u8]) {
    let Some(header) = datagram.first_chunk_mut::<IPV4_HEADER>() else { return };
    let old = u16::from_be_bytes([header[8], header[9]]);
    header[8] = header[8].saturating_sub(1);
    let new = u16::from_be_bytes([header[8], header[9]]);
    let updated = updated_checksum(u16::from_be_bytes([header[10], header[11]]), old, new);
    header[10..12].copy_from_slice(&updated.to_be_bytes());
}

/// Computes the checksum of the header in front of `datagram` anew.
pub fn write_header_checksum(datagram: &mut [u8], header_length: usize) {
    let Some(header) = datagram.get_mut(..header_length) else { return };
    if header.len() >= IPV4_HEADER {
        header[10..12].fill(0);
        let sum = checksum(header);
        header[10..12].copy_from_slice(&sum.to_be_bytes());
    }
}

/// What an ARP packet asks or tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ArpOperation {
    /// Who has the target address?
    Request,
    /// The sender has the sender address.
    Reply,
}

/// An ARP packet for IPv4 over Ethernet (RFC 826).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arp {
    /// What it asks or tells.
    pub operation: ArpOperation,
    /// Ethernet address of the sender.
    pub sender_mac: [u8; 6],
    /// IPv4 address of the sender; unspecified in a probe (RFC 5227).
    pub sender: Ipv4Addr,
    /// Ethernet address of the target; meaningless in a request.
    pub target_mac: [u8; 6],
    /// IPv4 address of the target.
    pub target: Ipv4Addr,
}

impl Arp {
    /// Reads a packet; bytes after it are padding.
    ///
    /// # Errors
    /// It is short, not for IPv4 over Ethernet, an unknown operation, or sent by a group of stations.
    pub fn parse(bytes: &[u8]) -> Result<Self, DropReason> {
        let packet: &[u8; ARP_LENGTH] = bytes.first_chunk().ok_or(DropReason::BadArp)?;
        if packet[..6] != [0, 1, 0x08, 0, 6, 4] {
            return Err(DropReason::BadArp);
        }
        let operation = match packet[6..8] {
            [0, 1] => ArpOperation::Request,
            [0, 2] => ArpOperation::Reply,
            _ => return Err(DropReason::BadArp),
        };
        let mac = |at: usize| {
            [packet[at], packet[at + 1], packet[at + 2], packet[at + 3], packet[at + 4], packet[at + 5]]
        };
        let address = |at: usize| Ipv4Addr::new(packet[at], packet[at + 1], packet[at + 2], packet[at + 3]);
        let arp = Self {
            operation,
            sender_mac: mac(8),
            sender: address(14),
            target_mac: mac(18),
            target: address(24),
        };
        if is_group_mac(arp.sender_mac) || arp.sender_mac == [0; 6] {
            return Err(DropReason::BadArp);
        }
        Ok(arp)
    }

    /// The packet as an Ethernet frame to `destination`.
    pub fn to_frame(self, destination: [u8; 6]) -> [u8; ETHERNET_HEADER + ARP_LENGTH] {
        let mut frame = [0; ETHERNET_HEADER + ARP_LENGTH];
        let header = Ethernet { destination, source: self.sender_mac, ethertype: ETHERTYPE_ARP };
        frame[..ETHERNET_HEADER].copy_from_slice(&header.to_bytes());
        let operation = match self.operation {
            ArpOperation::Request => 1,
            ArpOperation::Reply => 2,
        };
        frame[14..22].copy_from_slice(&[0, 1, 0x08, 0, 6, 4, 0, operation]);
        frame[22..28].copy_from_slice(&self.sender_mac);
        frame[28..32].copy_from_slice(&self.sender.octets());
        frame[32..38].copy_from_slice(&self.target_mac);
        frame[38..42].copy_from_slice(&self.target.octets());
        frame
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn incremental_checksum_equals_a_full_one_for_every_ttl_and_protocol() {
        for ttl in 1..=255u8 {
            for protocol in [0, 1, 6, 17, 89, 255] {
                let mut header =
                    *b"\x45\x00\x00\x14\xff\xff\x00\x00\x00\x00\x00\x00\x0a\x00\x00\x01\x0a\x00\x00\x02";
                header[8] = ttl;
                header[9] = protocol;
                write_header_checksum(&mut header, 20);
                assert_eq!(checksum(&header), 0);
                decrement_ttl(&mut header);
                assert_eq!(header[8], ttl - 1);
                assert_eq!(checksum(&header), 0, "ttl {ttl} protocol {protocol}");
            }
        }
    }

    #[test]
    fn checksums_of_every_length_are_those_of_16_bit_words() {
        let bytes: Vec<u8> = (0..300u32).map(|at| (at * 167 % 251) as u8).collect();
        for length in 0..bytes.len() {
            let mut sum = 0u32;
            for pair in bytes[..length].chunks(2) {
                sum += u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0));
            }
            let folded = (sum & 0xffff) + (sum >> 16);
            let folded = (folded & 0xffff) + (folded >> 16);
            assert_eq!(checksum(&bytes[..length]), !(folded as u16), "{length} bytes");
        }
    }

    #[test]
    fn options_are_walked_and_wrong_ones_refused() {
        let kinds = |bytes: &[u8]| {
            Options::new(bytes).map(|item| item.map(|o| o.kind)).collect::<Result<Vec<_>, _>>()
        };
        assert_eq!(kinds(&[1, 148, 4, 0, 0, 7, 3, 4]), Ok(vec![1, 148, 7]));
        assert_eq!(kinds(&[0, 99, 99, 99]), Ok(vec![]));
        assert_eq!(kinds(&[7, 0, 0, 0]), Err(DropReason::BadIpHeader));
        assert_eq!(kinds(&[7, 1, 0, 0]), Err(DropReason::BadIpHeader));
        assert_eq!(kinds(&[7, 5, 0, 0]), Err(DropReason::BadIpHeader));
        assert_eq!(kinds(&[1, 1, 1, 7]), Err(DropReason::BadIpHeader));
    }

    #[test]
    fn arp_survives_its_own_frame() {
        let arp = Arp {
            operation: ArpOperation::Reply,
            sender_mac: [2, 0, 0, 0, 0, 1],
            sender: Ipv4Addr::new(10, 0, 0, 1),
            target_mac: [2, 0, 0, 0, 0, 2],
            target: Ipv4Addr::new(10, 0, 0, 2),
        };
        let frame = arp.to_frame(arp.target_mac);
        assert_eq!(Ethernet::parse(&frame).unwrap().ethertype, ETHERTYPE_ARP);
        assert_eq!(Arp::parse(&frame[14..]), Ok(arp));
    }

    #[test]
    fn groups_map_to_their_ethernet_addresses() {
        assert_eq!(multicast_mac(Ipv4Addr::new(224, 0, 0, 5)), [1, 0, 0x5e, 0, 0, 5]);
        assert_eq!(multicast_mac(Ipv4Addr::new(239, 129, 2, 3)), [1, 0, 0x5e, 1, 2, 3]);
    }
}
