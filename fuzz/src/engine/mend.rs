//! Lengths and checksums of a packet made right, so that the rest of it is looked at.

use isthmus_ospf::wire::checksum;

/// Length of a packet's header.
const HEADER: usize = 24;
/// Length of an advertisement's header.
const ADVERTISEMENT: usize = 20;

/// Makes version, length and checksums of a packet right, those of the advertisements of an update as well. A number of
/// advertisements that the packet does not hold stays wrong, and so does a length inside of it.
pub fn mend(packet: &mut [u8]) {
    if packet.len() < HEADER || packet.len() > usize::from(u16::MAX) {
        return;
    }
    packet[0] = 2;
    let length = packet.len() as u16;
    packet[2..4].copy_from_slice(&length.to_be_bytes());
    if packet[1] == 4 {
        mend_advertisements(&mut packet[HEADER..]);
    }
    packet[12..14].fill(0);
    // The eight bytes of authentication are left out (RFC 2328 section D.4).
    let sum = checksum::internet(&[&packet[..16], &packet[HEADER..]]);
    packet[12..14].copy_from_slice(&sum.to_be_bytes());
}

fn mend_advertisements(update: &mut [u8]) {
    let mut rest = update.get_mut(4..).unwrap_or_default();
    while rest.len() >= ADVERTISEMENT {
        let length = usize::from(u16::from_be_bytes([rest[18], rest[19]]));
        if length < ADVERTISEMENT || length > rest.len() {
            return;
        }
        let (advertisement, after) = rest.split_at_mut(length);
        // The age is outside of the checksum, whose place is 14 bytes after it (section 12.1.7).
        let sum = checksum::fletcher(&advertisement[2..], 14);
        advertisement[16..18].copy_from_slice(&sum.to_be_bytes());
        rest = after;
    }
}
