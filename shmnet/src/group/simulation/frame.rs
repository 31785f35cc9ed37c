//! Frames that tell where they are from and whether they are whole, and the numbers that a seed gives.

/// A node in one of its lives.
pub(super) type Life = (u16, u64);

/// A frame that tells where it is from, and whether it arrived as it was sent.
pub(super) fn frame((source, incarnation): Life, number: u64, len: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(len);
    bytes.extend_from_slice(&source.to_le_bytes());
    bytes.extend_from_slice(&incarnation.to_le_bytes());
    bytes.extend_from_slice(&number.to_le_bytes());
    while bytes.len() < len {
        bytes.push((number as usize * 31 + bytes.len()) as u8);
    }
    bytes
}

pub(super) fn parse(bytes: &[u8]) -> (Life, u64) {
    let source = u16::from_le_bytes(bytes[..2].try_into().unwrap());
    let incarnation = u64::from_le_bytes(bytes[2..10].try_into().unwrap());
    let number = u64::from_le_bytes(bytes[10..18].try_into().unwrap());
    assert_eq!(bytes, frame((source, incarnation), number, bytes.len()), "a frame arrives as it was sent");
    ((source, incarnation), number)
}

/// SplitMix64.
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(super) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    pub(super) fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }
}
