//! The frames of the load: each says who sent it, in which life, and the how-manieth of its kind it is, and can be checked bit by bit.

use isthmus_shmnet::Cast;

use super::support::pattern;

/// The words of a frame before its filling.
const HEADER: usize = 11 * 8;

/// What a frame says. Numbers of frames begin with 1; 0 is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Frame {
    /// The sender's node id and incarnation.
    pub from: u16,
    pub incarnation: u64,
    /// 0 for unicast, 1 for broadcast, 2 for multicast.
    pub kind: u16,
    /// Of frames between these two ids on this network; of group frames, of this sender's.
    pub number: u64,
    /// The incarnation that the sender took its receiver for; 0 for all.
    pub to: u64,
    /// The same for the frame before this one, if the receiver was still taken for it after it was sent; else 0. Then it
    /// has gone into a ring of that incarnation and no other.
    pub to_before: u64,
    /// The last broadcast and multicast frame that the sender had of the receiver, in the incarnation `heard`.
    pub heard: u64,
    pub heard_numbers: [u64; 2],
    /// The sender's last broadcast and multicast frame.
    pub cast_numbers: [u64; 2],
}

pub fn kind(cast: Cast) -> u16 {
    match cast {
        Cast::Unicast => 0,
        Cast::Broadcast => 1,
        Cast::Multicast => 2,
    }
}

impl Frame {
    /// The frame as bytes, with a filling of a length that depends on it.
    pub fn encode(&self, filling: usize) -> Vec<u8> {
        let [[broadcast, multicast], [own_broadcast, own_multicast]] =
            [self.heard_numbers, self.cast_numbers];
        let who = u64::from(self.from) << 16 | u64::from(self.kind);
        let words = [
            who,
            self.incarnation,
            self.number,
            self.to,
            self.to_before,
            self.heard,
            broadcast,
            multicast,
            own_broadcast,
            own_multicast,
        ];
        let mut bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        let rest = pattern(self.number ^ self.incarnation << 32 ^ who << 48, filling);
        let check = hash(bytes.iter().chain(&rest));
        bytes.extend(check.to_le_bytes());
        bytes.extend(rest);
        bytes
    }

    /// What the bytes say; `None` if any bit of them is wrong.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let word = |index: usize| {
            let word = bytes.get(8 * index..8 * index + 8)?;
            Some(u64::from_le_bytes(word.try_into().ok()?))
        };
        let rest = bytes.get(HEADER..)?;
        if hash(bytes[..HEADER - 8].iter().chain(rest)) != word(10)? {
            return None;
        }
        Some(Self {
            from: (word(0)? >> 16) as u16,
            kind: word(0)? as u16,
            incarnation: word(1)?,
            number: word(2)?,
            to: word(3)?,
            to_before: word(4)?,
            heard: word(5)?,
            heard_numbers: [word(6)?, word(7)?],
            cast_numbers: [word(8)?, word(9)?],
        })
    }
}

/// FNV-1a.
fn hash<'a>(bytes: impl Iterator<Item = &'a u8>) -> u64 {
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

#[test]
fn a_frame_is_what_was_written_and_every_bit_of_it_counts() {
    let frame = Frame { from: 3, incarnation: 1 << 40, kind: 2, number: 77, to: 5, ..Frame::default() };
    let mut bytes = frame.encode(33);
    assert_eq!(Frame::decode(&bytes), Some(frame));
    for bit in 0..8 * bytes.len() {
        bytes[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(Frame::decode(&bytes), None, "bit {bit}");
        bytes[bit / 8] ^= 1 << (bit % 8);
    }
    assert_eq!(Frame::decode(&bytes[..bytes.len() - 1]), None);
}
