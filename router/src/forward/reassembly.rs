//! Putting fragments together (RFC 791 section 3.2), in memory that is taken once.
//!
//! Fragments are hostile until shown otherwise:
//!
//! * A datagram of which two fragments overlap is given up, and so is whatever else arrives of it (as RFC 5722 has it
//!   for IPv6). A fragment that arrives twice, with the same octets, is dropped and harms nothing.
//! * A fragment that is empty, reaches beyond the longest datagram, is not the last and no multiple of 8 octets long, or splits a
//!   TCP header (RFC 1858 section 3.2.2) is dropped.
//! * There are [`DATAGRAMS`] places. One source has at most [`PER_SOURCE`] of those that one feeder uses: another one replaces its oldest. If
//!   all are taken, the oldest of the feeder that has the most is replaced, so that no node's flood takes the places of
//!   what the others bring. A datagram that is not complete after [`TIMEOUT`] is given up.
//!
//! There is no clock in here, and nothing is allocated after the beginning.

use std::net::Ipv4Addr;
use std::time::Duration;

use crate::forward::DropReason;
use crate::forward::wire::{IPV4_HEADER, Ipv4Header, protocol, write_header_checksum};

/// Datagrams that can be in the making.
pub const DATAGRAMS: usize = 128;
/// Of these, from one source by one feeder.
pub const PER_SOURCE: usize = 16;
/// The time that the fragments of a datagram have, from the first that arrives. Linux waits as long.
pub const TIMEOUT: Duration = Duration::from_secs(30);
/// Who can bring fragments: the nodes, by their ids, and the router itself as 0.
const FEEDERS: usize = isthmus_shmnet::NodeId::MAX as usize + 1;

/// Where fragments are put together. `C` is what the caller wants to know again of a datagram's first fragment.
pub struct Reassembler<C> {
    /// What is looked through for each fragment; the place in it is that in `datagrams` and `storage`.
    places: Box<[Place]>,
    datagrams: Box<[Gathering<C>]>,
    storage: Box<[u8]>,
    /// Not later than the first timeout.
    deadline: Option<Duration>,
}

/// What tells the fragments of one datagram from those of others.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Key {
    source: Ipv4Addr,
    destination: Ipv4Addr,
    protocol: u8,
    identification: u16,
}

#[derive(Clone, Copy)]
struct Place {
    /// `None`: free.
    key: Option<Key>,
    /// Who brought its first fragment.
    feeder: u16,
    began: Duration,
}

/// A datagram in the making.
#[derive(Clone)]
struct Gathering<C> {
    context: C,
    /// An overlap was seen: nothing of it is wanted any more.
    spoiled: bool,
    /// One bit for each 8 octets of payload that are there.
    blocks: [u64; BLOCK_WORDS],
    /// Octets of payload that are there, the end of the last of them, and their number once the last fragment has told.
    received: usize,
    end: usize,
    total: Option<usize>,
    /// Length of the header that the fragment with offset 0 had, and of its payload; 0 before it came.
    header_length: usize,
    first_length: usize,
    fragments: u32,
}

/// A complete datagram, or of one that will not be, the fragment with offset 0 if there is any: lent by the reassembler until it is [given back](Reassembler::give_back).
pub struct Whole<C> {
    storage: Box<[u8]>,
    start: usize,
    end: usize,
    /// What was given with the fragment with offset 0.
    pub context: C,
    /// The fragments that it was made of, or that there were.
    pub fragments: u32,
}

impl<C> Whole<C> {
    /// Its octets.
    pub fn bytes(&self) -> &[u8] {
        &self.storage[self.start..self.end]
    }

    /// Its octets, to change in place.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.storage[self.start..self.end]
    }
}

impl<C: Copy> Reassembler<C> {
    /// Takes all memory; pages that were never written cost nothing. `context` stands for none.
    pub fn new(context: C) -> Self {
        let place = Place { key: None, feeder: 0, began: Duration::ZERO };
        Self {
            places: vec![place; DATAGRAMS].into_boxed_slice(),
            datagrams: vec![Gathering::new(context); DATAGRAMS].into_boxed_slice(),
            storage: vec![0; DATAGRAMS * STRIDE].into_boxed_slice(),
            deadline: None,
        }
    }

    /// Adds a fragment, whose `header` was parsed from its `bytes` and whose length is that of the header. `feeder` is the
    /// node that handed it over, or 0. Returns the datagram if this was its last missing piece. `lost` is told of each loss:
    /// the context, why, and how many packets.
    pub fn insert(
        &mut self,
        now: Duration,
        header: &Ipv4Header,
        bytes: &[u8],
        (feeder, context): (u16, C),
        mut lost: impl FnMut(C, DropReason, u32),
    ) -> Option<Whole<C>> {
        let payload = bytes.get(header.header_length..).unwrap_or_default();
        if !is_sound(header, payload) {
            lost(context, DropReason::BadFragment, 1);
            return None;
        }
        let key = Key::of(header);
        let found = self.places.iter().position(|place| place.key == Some(key));
        let index = match found {
            Some(index) => index,
            None => self.begin(now, key, (feeder, context), &mut lost),
        };
        let gathering = &mut self.datagrams[index];
        let memory = &mut self.storage[index * STRIDE..][..STRIDE];
        match gathering.add(header, bytes, memory) {
            Ok(()) if header.fragment_offset == 0 => gathering.context = context,
            Ok(()) => {}
            Err(DropReason::FragmentOverlap) => {
                let fragments = std::mem::take(&mut gathering.fragments);
                gathering.spoiled = true;
                lost(context, DropReason::FragmentOverlap, fragments + 1);
            }
            Err(reason) => lost(context, reason, 1),
        }
        if gathering.is_complete() { self.lend(index, lost) } else { None }
    }

    /// Takes the datagram's storage back.
    pub fn give_back(&mut self, whole: Whole<C>) {
        self.storage = whole.storage;
    }

    /// When [`Self::expire`] is to be called next.
    pub fn deadline(&self) -> Option<Duration> {
        self.deadline
    }

    /// Gives up a datagram that has waited too long; `None`: there is no other. To be called until there is none.
    pub fn expire(&mut self, now: Duration) -> Option<Whole<C>> {
        let due = |place: &Place| place.key.is_some() && place.began + TIMEOUT <= now;
        let Some(index) = self.places.iter().position(due) else {
            let waiting = self.places.iter().filter(|place| place.key.is_some());
            self.deadline = waiting.map(|place| place.began + TIMEOUT).min();
            return None;
        };
        self.places[index].key = None;
        let gathering = &self.datagrams[index];
        let payload = index * STRIDE + HEADER_ROOM;
        let (start, end) = match gathering.spoiled {
            true => (payload, payload),
            false => (payload - gathering.header_length, payload + gathering.first_length),
        };
        let (context, fragments) = (gathering.context, gathering.fragments);
        // An empty box needs no memory.
        Some(Whole { storage: std::mem::take(&mut self.storage), start, end, context, fragments })
    }

    /// Finds a place for a new datagram.
    fn begin(
        &mut self,
        now: Duration,
        key: Key,
        (feeder, context): (u16, C),
        lost: &mut impl FnMut(C, DropReason, u32),
    ) -> usize {
        let index = self.place_for(key.source, feeder);
        if self.places[index].key.is_some() {
            let replaced = &self.datagrams[index];
            if replaced.fragments > 0 {
                lost(replaced.context, DropReason::ReassemblyLimit, replaced.fragments);
            }
        }
        self.places[index] = Place { key: Some(key), feeder, began: now };
        self.datagrams[index] = Gathering::new(context);
        let deadline = now + TIMEOUT;
        self.deadline = Some(self.deadline.map_or(deadline, |first| first.min(deadline)));
        index
    }

    /// The place of the source's oldest datagram if it has its share, else a free one, else that of the oldest of the
    /// feeder that has the most.
    fn place_for(&self, source: Ipv4Addr, feeder: u16) -> usize {
        let of_source =
            |place: &Place| place.feeder == feeder && place.key.is_some_and(|key| key.source == source);
        if self.places.iter().filter(|place| of_source(place)).count() >= PER_SOURCE {
            return self.oldest(of_source);
        }
        if let Some(free) = self.places.iter().position(|place| place.key.is_none()) {
            return free;
        }
        let mut shares = [0u8; FEEDERS];
        for place in &self.places {
            shares[usize::from(place.feeder)] += 1;
        }
        let most = (0..FEEDERS).max_by_key(|feeder| shares[*feeder]).unwrap_or(0);
        self.oldest(|place| usize::from(place.feeder) == most)
    }

    fn oldest(&self, among: impl Fn(&Place) -> bool) -> usize {
        let places = self.places.iter().enumerate().filter(|(_, place)| among(place));
        places.min_by_key(|(_, place)| place.began).map_or(0, |(index, _)| index)
    }

    fn lend(&mut self, index: usize, mut lost: impl FnMut(C, DropReason, u32)) -> Option<Whole<C>> {
        self.places[index].key = None;
        let gathering = &self.datagrams[index];
        let payload = gathering.total.unwrap_or(0);
        let length = gathering.header_length + payload;
        let Ok(total_length) = u16::try_from(length) else {
            lost(gathering.context, DropReason::BadFragment, gathering.fragments);
            return None;
        };
        let start = index * STRIDE + HEADER_ROOM - gathering.header_length;
        let header = &mut self.storage[start..start + length];
        header[2..4].copy_from_slice(&total_length.to_be_bytes());
        // Neither "more fragments" nor an offset; and it may be cut again on its way.
        header[6..8].fill(0);
        write_header_checksum(header, gathering.header_length);
        let (context, fragments) = (gathering.context, gathering.fragments);
        let storage = std::mem::take(&mut self.storage);
        Some(Whole { storage, start, end: start + length, context, fragments })
    }
}

impl Key {
    fn of(header: &Ipv4Header) -> Self {
        Self {
            source: header.source,
            destination: header.destination,
            protocol: header.protocol,
            identification: header.identification,
        }
    }
}

impl<C> Gathering<C> {
    fn new(context: C) -> Self {
        Self {
            context,
            spoiled: false,
            blocks: [0; BLOCK_WORDS],
            received: 0,
            end: 0,
            total: None,
            header_length: 0,
            first_length: 0,
            fragments: 0,
        }
    }

    /// Copies a sound fragment to its place.
    fn add(&mut self, header: &Ipv4Header, bytes: &[u8], memory: &mut [u8]) -> Result<(), DropReason> {
        if self.spoiled {
            return Err(DropReason::FragmentOverlap);
        }
        let (head, payload) = bytes.split_at(header.header_length);
        let start = usize::from(header.fragment_offset) * 8;
        let end = start + payload.len();
        let contradicts = match (self.total, header.more_fragments) {
            (Some(total), true) => end > total,
            (Some(total), false) => end != total,
            (None, true) => false,
            (None, false) => end < self.end,
        };
        if contradicts {
            return Err(DropReason::FragmentOverlap);
        }
        let blocks = start / 8..end.div_ceil(8);
        let there = blocks.clone().filter(|block| self.has(*block)).count();
        let place = &mut memory[HEADER_ROOM + start..HEADER_ROOM + end];
        if there == blocks.len() && place == payload {
            return Err(DropReason::DuplicateFragment);
        }
        if there > 0 {
            return Err(DropReason::FragmentOverlap);
        }
        place.copy_from_slice(payload);
        for block in blocks {
            self.blocks[block / 64] |= 1 << (block % 64);
        }
        if start == 0 {
            memory[HEADER_ROOM - head.len()..HEADER_ROOM].copy_from_slice(head);
            self.header_length = head.len();
            self.first_length = payload.len();
        }
        if !header.more_fragments {
            self.total = Some(end);
        }
        self.received += payload.len();
        self.end = self.end.max(end);
        self.fragments += 1;
        Ok(())
    }

    fn has(&self, block: usize) -> bool {
        self.blocks[block / 64] >> (block % 64) & 1 == 1
    }

    fn is_complete(&self) -> bool {
        !self.spoiled && self.header_length > 0 && self.total == Some(self.received)
    }
}

/// Whether a fragment can belong to a datagram.
fn is_sound(header: &Ipv4Header, payload: &[u8]) -> bool {
    let end = usize::from(header.fragment_offset) * 8 + payload.len();
    let fits = !payload.is_empty() && end <= LONGEST_PAYLOAD;
    let aligned = !header.more_fragments || payload.len().is_multiple_of(8);
    let splits_tcp = header.protocol == protocol::TCP && header.fragment_offset == 1;
    fits && aligned && !splits_tcp
}

/// The most that a header leaves of the longest datagram.
const LONGEST_PAYLOAD: usize = 65_535 - IPV4_HEADER;

const BLOCK_WORDS: usize = LONGEST_PAYLOAD.div_ceil(8).div_ceil(64);

/// Room for the longest header in front of the payload.
const HEADER_ROOM: usize = 60;

/// Octets of storage for a datagram.
const STRIDE: usize = (HEADER_ROOM + LONGEST_PAYLOAD).next_multiple_of(128);

#[cfg(test)]
mod tests;
