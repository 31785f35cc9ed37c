//! What the tests of the rings share: a seeded generator of numbers, and a ring over memory without a name.

#![allow(dead_code, unreachable_pub, reason = "each test program uses its own part")]
#![allow(clippy::unwrap_used, reason = "a test helper fails by panicking")]

use isthmus_shmnet::memory::{Mapping, OwnSpan, PeerSpan};
use isthmus_shmnet::ring::{Geometry, Limits, Receiver, RingKey, Transmitter};

/// SplitMix64: small, seeded, and good enough to choose with.
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    pub fn chance(&mut self, one_in: u64) -> bool {
        self.below(one_in) == 0
    }
}

/// The memory of one ring: the transmitter's and the receiver's arena, each seen from both sides.
pub struct Arenas {
    pub tx_own: OwnSpan,
    pub tx_peer: PeerSpan,
    pub rx_own: OwnSpan,
    pub rx_peer: PeerSpan,
}

impl Arenas {
    pub fn new(geometry: Geometry) -> Self {
        let (tx, tx_view) = Mapping::anonymous(geometry.bytes()).unwrap();
        let (rx, rx_view) = Mapping::anonymous(128).unwrap();
        Self {
            tx_own: tx.own().unwrap(),
            tx_peer: tx_view.peer(),
            rx_own: rx.own().unwrap(),
            rx_peer: rx_view.peer(),
        }
    }

    pub fn ring(&self, geometry: Geometry, key: RingKey) -> (Transmitter, Receiver) {
        let transmitter = Transmitter::new(self.tx_own.clone(), self.rx_peer.clone(), key, geometry).unwrap();
        let receiver =
            Receiver::new(self.tx_peer.clone(), self.rx_own.clone(), key, Limits::default()).unwrap();
        (transmitter, receiver)
    }
}

pub const KEY: RingKey = RingKey { tx_incarnation: 3, rx_incarnation: 5, epoch: 1 };

/// Bytes that tell a frame from every other one.
pub fn pattern(seed: u64, len: usize) -> Vec<u8> {
    let mut random = Random(seed);
    let mut bytes: Vec<u8> =
        std::iter::repeat_with(|| random.next().to_le_bytes()).take(len.div_ceil(8)).flatten().collect();
    bytes.truncate(len);
    bytes
}
