//! A node's arena file in the hands of somebody who may write to it, by the page `docs/architecture/segment.md`.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;

use super::common::Segment;

pub const STATE: u64 = 0x200;
pub const HEARTBEAT: u64 = 0x280;
pub const LIVENESS: u64 = 0x300;
pub const SUBSCRIPTIONS: u64 = 0x480;
pub const CHANGES: u64 = 0x500;
pub const FACTS: u64 = 0x800;
pub const CLOSED: std::ops::Range<u64> = 0x1000..0x1800;
pub const STEERING: u64 = 0x1800;

/// Words of the identity's geometry.
const QUEUES: u64 = 136;
const DIRECTORY: u64 = 184;
const POINTERS: u64 = 192;
const ATTENTION: u64 = 208;
const GROUPS: u64 = 216;
const GROUP_BYTES: u64 = 224;
const HEAP: u64 = 232;

/// An open arena.
pub struct Arena {
    pub id: u16,
    pub file: File,
}

impl Arena {
    pub fn open(segment: &Segment, id: u16) -> Self {
        let file = OpenOptions::new().read(true).write(true).open(segment.arena(id)).unwrap();
        Self { id, file }
    }

    pub fn len(&self) -> u64 {
        self.file.metadata().unwrap().len()
    }

    pub fn get(&self, at: u64) -> u64 {
        let mut word = [0; 8];
        self.file.read_exact_at(&mut word, at).unwrap();
        u64::from_le_bytes(word)
    }

    pub fn put(&self, at: u64, word: u64) {
        self.file.write_all_at(&word.to_le_bytes(), at).unwrap();
    }

    pub fn put_bytes(&self, at: u64, bytes: &[u8]) {
        self.file.write_all_at(bytes, at).unwrap();
    }

    pub fn incarnation(&self) -> u64 {
        self.get(16)
    }

    /// A table's entry for another node on the LSM.
    fn entry(&self, table: u64, other: u16) -> u64 {
        self.get(table) + (u64::from(other) - 1) * 2 * self.get(QUEUES) * 128
    }

    /// The lines that say which data threads sleep, and their length.
    pub fn attention(&self) -> (u64, usize) {
        (self.get(ATTENTION), 2 * 128 * self.get(QUEUES) as usize)
    }

    pub fn directory(&self, other: u16) -> u64 {
        self.entry(DIRECTORY, other)
    }

    pub fn read_pointer(&self, from: u16) -> u64 {
        self.entry(POINTERS, from)
    }

    /// The area of the LSM's broadcast group.
    pub fn group(&self) -> u64 {
        self.get(GROUPS)
    }

    /// The acknowledgement that this node has for another's lane in that group.
    pub fn acknowledgement(&self, other: u16) -> u64 {
        self.group() + 384 + 8 * (u64::from(other) - 1)
    }

    pub fn groups_end(&self) -> u64 {
        self.get(GROUPS) + 4 * self.get(GROUP_BYTES)
    }

    pub fn heap(&self) -> u64 {
        self.get(HEAP)
    }

    /// Where this node's ring to another on the LSM lies.
    pub fn ring(&self, to: u16) -> u64 {
        self.get(self.directory(to) + 24)
    }

    /// Rewrites words of a directory entry as its owner would: {tx incarnation, rx incarnation, offset, length, epoch}.
    pub fn redirect(&self, to: u16, change: impl FnOnce(&mut [u64; 5])) {
        let at = self.directory(to);
        let mut words = [0, 1, 2, 3, 4].map(|index| self.get(at + 8 + 8 * index));
        change(&mut words);
        let sequence = self.get(at);
        self.put(at, sequence | 1);
        for (index, word) in (0..).zip(words) {
            self.put(at + 8 + 8 * index, word);
        }
        self.put(at, (sequence | 1) + 1);
        // Makes the others look at once.
        self.put(CHANGES, self.get(CHANGES) + 1);
    }

    /// Writes the publication words of slots of the ring to `to`, from the one that it reads next.
    pub fn publish(&self, to: &Self, words: impl Fn(u32) -> Vec<u64>) {
        let ring = self.ring(to.id);
        let slots = self.get(ring + 8) >> 32;
        let position = to.get(to.read_pointer(self.id)) & ((1 << 40) - 1);
        for (position, word) in (position..).zip(words(u32::try_from(slots).unwrap())) {
            let lap = position / slots + 1;
            // Words are given for the lap that is expected.
            self.put(ring + 256 + position % slots * 128, word.wrapping_add(lap << 32));
        }
    }

    /// Writes the header of the ring to `to` anew, with its hash, and announces it as a replacement.
    pub fn replace_ring(&self, to: u16, geometry: u64) {
        let ring = self.ring(to);
        let mut words = [0, 8, 16, 24, 32].map(|at| self.get(ring + at));
        words[1] = geometry;
        words[4] += 1;
        let bytes = words.iter().flat_map(|word| word.to_le_bytes());
        let hash = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        });
        for (index, word) in (0..).zip(words) {
            self.put(ring + 8 * index, word);
        }
        self.put(ring + 40, hash);
        self.redirect(to, |entry| entry[4] = words[4]);
    }
}
