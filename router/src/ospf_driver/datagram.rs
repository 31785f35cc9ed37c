//! The IPv4 datagrams that OSPF packets travel in (RFC 2328 section A.1).

use std::net::Ipv4Addr;

use smoltcp::wire::{IpProtocol, Ipv4Packet};

use super::drops::DropReason;

/// Precedence internetwork control, as RFC 2328 section A.1 asks. The embedded stack would clear it, which is
/// why these headers are built here.
const TYPE_OF_SERVICE: u8 = 0xc0;
/// The protocol number of OSPF.
pub const OSPF: u8 = 89;
/// Bytes of a header without options.
pub const HEADER_LEN: usize = 20;

/// Writes header and payload to the start of `space`. Returns the datagram's length, or `None` if there is
/// no room for it.
pub fn write(
    space: &mut [u8],
    identification: u16,
    time_to_live: u8,
    source: Ipv4Addr,
    destination: Ipv4Addr,
    payload: &[u8],
) -> Option<usize> {
    let length = HEADER_LEN + payload.len();
    let space = space.get_mut(..length)?;
    let total = u16::try_from(length).ok()?;
    space[HEADER_LEN..].copy_from_slice(payload);
    let mut packet = Ipv4Packet::new_unchecked(space);
    packet.set_version(4);
    packet.set_header_len(HEADER_LEN as u8);
    packet.set_dscp(TYPE_OF_SERVICE >> 2);
    packet.set_ecn(TYPE_OF_SERVICE & 3);
    packet.set_total_len(total);
    packet.set_ident(identification);
    packet.clear_flags();
    packet.set_dont_frag(false);
    packet.set_more_frags(false);
    packet.set_frag_offset(0);
    packet.set_hop_limit(time_to_live);
    packet.set_next_header(IpProtocol::from(OSPF));
    packet.set_src_addr(source);
    packet.set_dst_addr(destination);
    packet.fill_checksum();
    Some(length)
}

/// A received OSPF datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Received<'a> {
    /// Who sent it.
    pub source: Ipv4Addr,
    /// To whom.
    pub destination: Ipv4Addr,
    /// What is left of its time to live.
    pub time_to_live: u8,
    /// The OSPF packet.
    pub payload: &'a [u8],
}

/// Takes a datagram apart.
///
/// # Errors
/// It is a fragment, or damaged, or not OSPF.
pub fn parse(datagram: &[u8]) -> Result<Received<'_>, DropReason> {
    let packet = Ipv4Packet::new_checked(datagram).map_err(|_| DropReason::BadDatagram)?;
    if packet.more_frags() || packet.frag_offset() != 0 {
        return Err(DropReason::Fragment);
    }
    if packet.next_header() != IpProtocol::from(OSPF) {
        return Err(DropReason::BadDatagram);
    }
    Ok(Received {
        source: packet.src_addr(),
        destination: packet.dst_addr(),
        time_to_live: packet.hop_limit(),
        payload: packet.payload(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_datagram_has_the_header_that_rfc_2328_asks_for() {
        let mut space = [0u8; 64];
        let (source, destination) = (Ipv4Addr::new(10, 0, 0, 1), Ipv4Addr::new(224, 0, 0, 5));
        let length = write(&mut space, 0x1234, 1, source, destination, b"payload").unwrap();
        let expected = [0x45, 0xc0, 0, 27, 0x12, 0x34, 0, 0, 1, 89, 0, 0, 10, 0, 0, 1, 224, 0, 0, 5];
        let checksum = !expected.chunks(2).fold(0u32, |sum, pair| {
            let sum = sum + u32::from(u16::from_be_bytes([pair[0], pair[1]]));
            (sum & 0xffff) + (sum >> 16)
        }) as u16;
        let mut expected = expected.to_vec();
        expected[10..12].copy_from_slice(&checksum.to_be_bytes());
        assert_eq!(&space[..20], &expected[..]);
        let received = parse(&space[..length]).unwrap();
        assert_eq!(received, Received { source, destination, time_to_live: 1, payload: b"payload" });
    }

    #[test]
    fn a_payload_without_room_is_not_written() {
        assert_eq!(write(&mut [0; 26], 0, 1, Ipv4Addr::LOCALHOST, Ipv4Addr::LOCALHOST, b"payload"), None);
    }

    #[test]
    fn fragments_and_other_protocols_are_not_taken() {
        let mut space = [0u8; 27];
        write(&mut space, 1, 1, Ipv4Addr::LOCALHOST, Ipv4Addr::LOCALHOST, b"payload").unwrap();
        let mut fragment = space;
        fragment[6] = 0x20;
        assert_eq!(parse(&fragment), Err(DropReason::Fragment));
        fragment[6..8].copy_from_slice(&[0, 7]);
        assert_eq!(parse(&fragment), Err(DropReason::Fragment));
        let mut other = space;
        other[9] = 17;
        assert_eq!(parse(&other), Err(DropReason::BadDatagram));
        assert_eq!(parse(&space[..19]), Err(DropReason::BadDatagram));
    }
}
