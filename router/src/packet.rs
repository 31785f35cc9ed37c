//! Packet buffers and the pool that they come from.
//!
//! A worker owns its pool; buffers are taken and returned without allocation while packets flow (I4).
//! A buffer that travels to another thread (host stack, OSPF driver) comes back over the same link.
//!
//! The buffers of a pool are parts of one allocation of zeroed memory, which the system maps page by page as they are first
//! written; and a pool gives the buffer first that came back last. What a router needs in a burst costs it memory from the
//! first such burst on, and not before.

use bytes::BytesMut;
use isthmus_shmnet::Network;

use crate::forward::InterfaceIndex;

/// The largest Ethernet frame that a buffer holds: a 9000-byte datagram with its 14-byte header and a
/// VLAN tag, rounded up to a multiple of a cache line pair.
pub const FRAME_CAPACITY: usize = 9088;
/// Room in front of the frame, for headers that are put before it.
pub const HEADROOM: usize = 128;
/// What a buffer takes of its pool's memory.
const BUFFER_LEN: usize = HEADROOM + FRAME_CAPACITY;

/// One frame or datagram with room in front of it.
pub struct PacketBuffer {
    storage: BytesMut,
    start: usize,
    end: usize,
    /// The interface that it came in on, or that it goes out on.
    pub interface: InterfaceIndex,
    /// On the way between the worker and the embedded stack: by which of the node's adapters.
    pub network: Network,
}

impl PacketBuffer {
    /// An empty buffer in its part of the pool's memory.
    fn new(storage: BytesMut) -> Self {
        Self {
            storage,
            start: HEADROOM,
            end: HEADROOM,
            interface: InterfaceIndex::NONE,
            network: Network::Lsm,
        }
    }

    /// The bytes of the packet.
    pub fn bytes(&self) -> &[u8] {
        &self.storage[self.start..self.end]
    }

    /// The bytes of the packet, to change in place.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.storage[self.start..self.end]
    }

    /// Number of bytes in the packet.
    pub fn len(&self) -> usize {
        self.end - self.start
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// Empties the buffer and offers all of its frame space for writing; call [`Self::set_len`] afterwards.
    pub fn space_mut(&mut self) -> &mut [u8] {
        self.start = HEADROOM;
        self.end = HEADROOM;
        &mut self.storage[HEADROOM..]
    }

    /// Declares the first `len` bytes after the start to be the packet. A length beyond the storage is cut.
    pub fn set_len(&mut self, len: usize) {
        self.end = (self.start + len).min(self.storage.len());
    }

    /// Replaces the packet by a copy of `bytes`. Returns `false`, with the buffer emptied, if they do not fit.
    pub fn fill(&mut self, bytes: &[u8]) -> bool {
        let space = self.space_mut();
        let Some(space) = space.get_mut(..bytes.len()) else { return false };
        space.copy_from_slice(bytes);
        self.set_len(bytes.len());
        true
    }

    /// Removes `count` bytes from the front (fewer if the packet is shorter).
    pub fn trim_front(&mut self, count: usize) {
        self.start = (self.start + count).min(self.end);
    }

    /// Puts `count` bytes of room in front, to be written by the caller through [`Self::bytes_mut`].
    /// Returns `false` and changes nothing if the headroom is used up.
    pub fn grow_front(&mut self, count: usize) -> bool {
        let Some(start) = self.start.checked_sub(count) else { return false };
        self.start = start;
        true
    }

    /// Keeps the first `len` bytes.
    pub fn truncate(&mut self, len: usize) {
        self.end = self.end.min(self.start + len);
    }
}

/// A bounded store of free buffers.
pub struct Pool {
    free: Vec<PacketBuffer>,
}

impl Pool {
    /// A pool that holds `count` buffers, all allocated now.
    pub fn new(count: usize) -> Self {
        let mut memory = BytesMut::zeroed(count * BUFFER_LEN);
        let mut free = Vec::with_capacity(count);
        free.extend((0..count).map(|_| PacketBuffer::new(memory.split_to(BUFFER_LEN))));
        // The first buffers of the memory are given first.
        free.reverse();
        Self { free }
    }

    /// Takes a buffer, or `None` while all are in flight.
    pub fn take(&mut self) -> Option<PacketBuffer> {
        self.free.pop()
    }

    /// Returns a buffer. A buffer beyond the pool's capacity is freed.
    pub fn give(&mut self, mut buffer: PacketBuffer) {
        if self.free.len() < self.free.capacity() {
            buffer.space_mut();
            buffer.interface = InterfaceIndex::NONE;
            self.free.push(buffer);
        }
    }

    /// Number of free buffers.
    pub fn available(&self) -> usize {
        self.free.len()
    }
}
