//! The two checksums of OSPF: the Internet checksum over packets (RFC 2328 section D.4, RFC 1071) and
//! the Fletcher checksum over advertisements (section 12.1.7, RFC 905 annex B).

/// The Internet checksum of `slices` laid end to end: the complement of the one's complement sum of 16-bit
/// words. Every slice but the last must have an even length.
pub fn internet(slices: &[&[u8]]) -> u16 {
    let mut sum = 0u64;
    for slice in slices {
        let mut words = slice.chunks_exact(2);
        for word in &mut words {
            if let &[high, low] = word {
                sum += u64::from(u16::from_be_bytes([high, low]));
            }
        }
        if let &[last] = words.remainder() {
            sum += u64::from(u16::from_be_bytes([last, 0]));
        }
    }
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

/// The Fletcher checksum to be written at `position` (and `position + 1`) of `bytes`, computed as if those
/// two bytes were zero. Both of its bytes are from 1 to 255: zero means "no checksum" (section 12.1.7).
pub fn fletcher(bytes: &[u8], position: usize) -> u16 {
    let skipped = position..position + 2;
    let (c0, c1) =
        sums(bytes.iter().enumerate().map(|(at, byte)| if skipped.contains(&at) { 0 } else { *byte }));
    let after = bytes.len() as i64 - position as i64 - 1;
    let x = (after * i64::from(c0) - i64::from(c1)).rem_euclid(255);
    let y = (-i64::from(c0) - x).rem_euclid(255);
    let nonzero = |value: i64| if value == 0 { 255 } else { value as u16 };
    nonzero(x) << 8 | nonzero(y)
}

/// Whether the Fletcher checksum inside `bytes` verifies, wherever it stands.
pub fn fletcher_is_valid(bytes: &[u8]) -> bool {
    sums(bytes.iter().copied()) == (0, 0)
}

/// Both Fletcher sums modulo 255.
fn sums(bytes: impl Iterator<Item = u8>) -> (u32, u32) {
    // 4096 steps from values below 255 stay below 2^32: 254 + 4096 * 254 + 255 * 4096 * 4097 / 2.
    const STEPS: u32 = 4096;
    let (mut c0, mut c1, mut steps) = (0u32, 0u32, 0u32);
    for byte in bytes {
        c0 += u32::from(byte);
        c1 += c0;
        steps += 1;
        if steps == STEPS {
            (c0, c1, steps) = (c0 % 255, c1 % 255, 0);
        }
    }
    (c0 % 255, c1 % 255)
}
