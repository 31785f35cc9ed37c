//! The Internet checksum (RFC 1071).

/// Adds `bytes`, as big-endian 16-bit words with a zero byte after an odd end, to a sum. Sums of pieces may
/// be added if all pieces but the last have an even length. It does not overflow below 128 KiB.
pub(super) fn add(sum: u64, bytes: &[u8]) -> u64 {
    let mut words = bytes.chunks_exact(4);
    let mut total = sum;
    for word in &mut words {
        total += u64::from(u32::from_be_bytes([word[0], word[1], word[2], word[3]]));
    }
    match *words.remainder() {
        [] => total,
        [a] => total + (u64::from(a) << 24),
        [a, b] => total + (u64::from(u16::from_be_bytes([a, b])) << 16),
        [a, b, c, ..] => total + (u64::from(u16::from_be_bytes([a, b])) << 16) + (u64::from(c) << 8),
    }
}

/// Folds a sum to 16 bits and inverts it.
pub(super) fn finish(sum: u64) -> u16 {
    let mut sum = (sum >> 32) + (sum & 0xffff_ffff);
    while sum > 0xffff {
        sum = (sum >> 16) + (sum & 0xffff);
    }
    !(sum as u16)
}

/// The sum over the pseudo-header of TCP and UDP (RFC 9293 section 3.1): `addresses` are source and destination.
pub(super) fn pseudo_header(addresses: &[u8], protocol: u8, len: usize) -> u64 {
    add(0, addresses) + u64::from(protocol) + len as u64
}
