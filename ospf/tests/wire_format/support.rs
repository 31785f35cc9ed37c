//! What the tests of the wire format share: hex, and checksums computed by another method than the crate's.

/// The bytes of a text of hexadecimal digits and white space.
pub(crate) fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> =
        text.chars().filter(|c| !c.is_whitespace()).map(|c| c.to_digit(16).unwrap() as u8).collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

/// The packet checksum, the slow way: words are added one at a time and the carry is folded in at once.
pub(crate) fn packet_checksum(packet: &[u8]) -> u16 {
    let mut sum = 0u16;
    for (index, word) in packet.chunks(2).enumerate() {
        if index == 6 || (8..12).contains(&index) {
            continue;
        }
        let word = u16::from(word[0]) << 8 | u16::from(*word.get(1).unwrap_or(&0));
        let (low, carry) = sum.overflowing_add(word);
        sum = low + u16::from(carry);
    }
    !sum
}

/// Puts a packet's checksum and length right.
pub(crate) fn seal(mut packet: Vec<u8>) -> Vec<u8> {
    let length = packet.len() as u16;
    packet[2..4].copy_from_slice(&length.to_be_bytes());
    reseal(packet)
}

/// Puts a packet's checksum right over the bytes that its length field covers.
pub(crate) fn reseal(mut packet: Vec<u8>) -> Vec<u8> {
    let length = usize::from(u16::from_be_bytes([packet[2], packet[3]])).clamp(24, packet.len());
    let checksum = packet_checksum(&packet[..length]);
    packet[12..14].copy_from_slice(&checksum.to_be_bytes());
    packet
}

/// The Fletcher checksum of an advertisement by trial: the pair of bytes for which both sums, taken byte by
/// byte modulo 255, are zero.
pub(crate) fn lsa_checksum(lsa: &[u8]) -> u16 {
    let mut bytes = lsa[2..].to_vec();
    for high in 1..=255u8 {
        // The first sum fixes the low byte once the high byte is chosen.
        bytes[14] = high;
        bytes[15] = 0;
        let first = bytes.iter().fold(0u32, |sum, byte| (sum + u32::from(*byte)) % 255);
        let low = match (255 - first) % 255 {
            0 => 255,
            low => low as u8,
        };
        bytes[15] = low;
        let (mut c0, mut c1) = (0u32, 0u32);
        for byte in &bytes {
            c0 = (c0 + u32::from(*byte)) % 255;
            c1 = (c1 + c0) % 255;
        }
        if (c0, c1) == (0, 0) {
            return u16::from(high) << 8 | u16::from(low);
        }
    }
    unreachable!("one of the 255 high bytes solves the second sum")
}
