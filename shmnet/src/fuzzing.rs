//! For fuzzers: an arena as a peer sees it, which can be written at will, and all that a node ever reads of it.
#![allow(clippy::expect_used, reason = "what is made here is made of constants")]

use std::net::Ipv4Addr;
use std::sync::Arc;

use crate::config::{DEFAULT_GEOMETRY, NetworkParameters, Timing};
use crate::facts::Facts;
use crate::group::{Onlooker, contradiction};
use crate::layout::{Identity, Layout, OwnArena, PeerArena, State};
use crate::membership::agree::{self, Requirements};
use crate::memory::{Mapping, OwnSpan, PeerSpan};
use crate::node::{Network, NodeId};
use crate::ring::{Limits, Receiver, RingKey};
use crate::sync::Ordering::Relaxed;

const MAX_NODES: u16 = 4;
/// Its queues.
const QUEUES: u8 = 2;
const INCARNATION: u64 = 3;

/// An arena of a segment for four nodes, laid out as an honest node would.
#[derive(Debug)]
pub struct ArenaUnderTest {
    layout: Layout,
    own: OwnSpan,
    seen: Arc<Mapping>,
    onlooker: PeerSpan,
    pointer: OwnSpan,
    requirements: Requirements,
}

impl Default for ArenaUnderTest {
    fn default() -> Self {
        Self::new()
    }
}

impl ArenaUnderTest {
    /// Lays it out.
    #[must_use]
    pub fn new() -> Self {
        let layout = Layout::new(MAX_NODES, QUEUES).expect("four nodes");
        let len = layout.heap + DEFAULT_GEOMETRY.bytes().next_multiple_of(crate::layout::PAGE);
        let (own, seen) = Mapping::anonymous(len).expect("memory");
        let (pointer, _) = Mapping::anonymous(crate::memory::LINE).expect("memory");
        let own = own.own().expect("writable");
        let parameters = NetworkParameters {
            area_id: 1,
            network_type: 3,
            hello_interval: 1,
            dead_interval: 4,
            cost: 2,
            mtu: 9000,
            prefix: Ipv4Addr::new(10, 77, 0, 0),
            prefix_len: 24,
        };
        let requirements = Requirements {
            geometry: layout.geometry_words([DEFAULT_GEOMETRY; 2]),
            parameters: [parameters; 2],
        };
        let identity = Identity {
            node: peer(),
            incarnation: INCARNATION,
            nonce: 0,
            coherence: 0,
            arena_len: len as u64,
            pid: 1,
            timing: Timing::default(),
            hostname: "host".to_owned(),
            geometry: requirements.geometry,
            parameters: requirements.parameters,
        };
        let arena = OwnArena::new(own.clone(), layout).expect("long enough");
        arena.initialise(&identity, &Facts::default());
        arena.set_state(INCARNATION, State::Joining);
        let onlooker = seen.peer();
        let pointer = pointer.own().expect("writable");
        Self { layout, own, seen, onlooker, pointer, requirements }
    }

    /// Bytes of the part in front of the tables.
    #[must_use]
    pub fn tables(&self) -> usize {
        self.layout.directory
    }

    /// Writes a word, at a place that is made to lie in the arena.
    pub fn write(&self, at: usize, word: u64) {
        self.own.store_u64(at % (self.own.len() / 8) * 8, word, Relaxed);
    }

    /// Reads all that a node reads of a peer.
    pub fn read_everything(&self) {
        let span = self.seen.peer();
        let identity = PeerArena::identity_of(&span);
        let _ =
            agree::check(peer(), &identity, &self.requirements, crate::memory::Coherence::Hardware.code());
        let _ = (PeerArena::state_of(&span), PeerArena::liveness_of(&span), PeerArena::heartbeat_of(&span));
        let _ = PeerArena::closed_of(&span, me());
        let arena = PeerArena::new(span, self.layout).expect("long enough");
        if let Some((_, facts)) = arena.facts() {
            for epoch in &facts.steering {
                assert!(epoch.members().iter().all(|(_, weight)| *weight > 0));
            }
        }
        for channel in self.layout.channels() {
            let _ = (arena.attention(channel), arena.read_pointer(me(), channel));
            if let Some(entry) = arena.directory(me(), channel)
                && let Some(memory) = arena.heap(&entry)
            {
                let key = RingKey {
                    tx_incarnation: entry.tx_incarnation,
                    rx_incarnation: entry.rx_incarnation,
                    epoch: entry.epoch,
                };
                let _ = crate::ring::write_pointer(&memory);
                if let Ok(mut ring) = Receiver::new(memory, self.pointer.clone(), key, Limits::default()) {
                    let mut into = [0; 1 << 16];
                    for _ in 0..3 {
                        let _ = ring.receive(&mut into);
                    }
                }
            }
        }
        for network in Network::ALL {
            let _ = arena.is_subscribed(network);
            for kind in 0..2 {
                let area = arena.group(network, kind).expect("in the header");
                let at = self.layout.group(network, kind);
                let own = self.onlooker.sub(at, self.layout.group_len).expect("in the header");
                let onlooker = Onlooker { id: me().get().into(), incarnation: 1, area: &own };
                let _ = contradiction(&area, INCARNATION, self.layout.group, onlooker);
            }
        }
    }
}

fn peer() -> NodeId {
    NodeId::new(2).expect("in range")
}

fn me() -> NodeId {
    NodeId::new(1).expect("in range")
}
