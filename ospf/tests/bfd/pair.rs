//! Two routers with a link between them, in virtual time.

use std::collections::{BTreeMap, VecDeque};
use std::net::Ipv4Addr;
use std::time::Duration;

use isthmus_ospf::bfd::packet::ControlPacket;
use isthmus_ospf::bfd::view::{Diagnostic, SessionState, SessionView};
use isthmus_ospf::bfd::{Output, Parameters, SessionKey, Sessions, Transmit};
use isthmus_ospf::types::Instant;

pub(crate) const LINK: u32 = 7;
pub(crate) const ADDRESSES: [Ipv4Addr; 2] = [Ipv4Addr::new(192, 0, 2, 1), Ipv4Addr::new(192, 0, 2, 2)];

/// A change of a session's state, as it was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) at: Instant,
    pub(crate) to: SessionState,
    pub(crate) diagnostic: Diagnostic,
    pub(crate) is_failure: bool,
}

/// Both ends. Packets take a millisecond.
pub(crate) struct Pair {
    pub(crate) now: Instant,
    pub(crate) ends: [Sessions; 2],
    pub(crate) changes: [Vec<Change>; 2],
    /// Everything that an end has sent, and when.
    pub(crate) sent: [Vec<(Instant, ControlPacket)>; 2],
    /// Whether what an end sends arrives.
    pub(crate) passes: [bool; 2],
    flying: VecDeque<(Instant, usize, Transmit)>,
}

pub(crate) fn parameters(min_tx: u64, min_rx: u64, multiplier: u8) -> Parameters {
    Parameters { min_tx: Duration::from_millis(min_tx), min_rx: Duration::from_millis(min_rx), multiplier }
}

pub(crate) fn wanted(end: usize, parameters: Parameters) -> BTreeMap<SessionKey, (Ipv4Addr, Parameters)> {
    let key = SessionKey { link: LINK, peer: ADDRESSES[1 - end] };
    [(key, (ADDRESSES[end], parameters))].into()
}

impl Pair {
    pub(crate) fn new(left: Parameters, right: Parameters) -> Self {
        let mut pair = Self {
            now: Instant(0),
            ends: [Sessions::new(1), Sessions::new(2)],
            changes: Default::default(),
            sent: Default::default(),
            passes: [true; 2],
            flying: VecDeque::new(),
        };
        pair.configure(0, left);
        pair.configure(1, right);
        pair
    }

    /// Two that are up at the configured intervals.
    pub(crate) fn up(left: Parameters, right: Parameters) -> Self {
        let mut pair = Self::new(left, right);
        pair.run(Duration::from_secs(5));
        assert_eq!([pair.state(0), pair.state(1)], [SessionState::Up; 2]);
        pair.changes = Default::default();
        pair.sent = Default::default();
        pair
    }

    pub(crate) fn configure(&mut self, end: usize, parameters: Parameters) {
        self.ends[end].configure(self.now, &wanted(end, parameters));
        self.collect(end);
    }

    pub(crate) fn remove(&mut self, end: usize) {
        self.ends[end].configure(self.now, &BTreeMap::new());
        self.collect(end);
    }

    pub(crate) fn view(&self, end: usize) -> SessionView {
        self.ends[end].views(self.now, |_| "eth1".to_owned()).remove(0)
    }

    pub(crate) fn state(&self, end: usize) -> SessionState {
        self.view(end).local_state
    }

    /// Lets the time pass.
    pub(crate) fn run(&mut self, time: Duration) {
        let end = self.now + time;
        loop {
            let timers = self.ends.iter().filter_map(Sessions::poll_timeout);
            let next = timers.chain(self.flying.front().map(|(at, ..)| *at)).min();
            let Some(next) = next.filter(|next| *next <= end) else { break };
            self.now = self.now.max(next);
            while self.flying.front().is_some_and(|(at, ..)| *at <= next) {
                let Some((_, to, packet)) = self.flying.pop_front() else { break };
                let taken = self.ends[to].handle_packet(self.now, LINK, packet.source, 255, &packet.payload);
                // What comes after the session was removed belongs to none.
                let _ = taken;
                self.collect(to);
            }
            for end in 0..2 {
                self.ends[end].handle_timeout(self.now);
                self.collect(end);
            }
        }
        self.now = end;
    }

    pub(crate) fn collect(&mut self, end: usize) {
        while let Some(output) = self.ends[end].poll_output() {
            match output {
                Output::Transmit(packet) => {
                    self.sent[end].push((self.now, ControlPacket::decode(&packet.payload).unwrap()));
                    if self.passes[end] {
                        self.flying.push_back((self.now + Duration::from_millis(1), 1 - end, packet));
                    }
                }
                Output::StateChange { to, diagnostic, is_failure, .. } => {
                    self.changes[end].push(Change { at: self.now, to, diagnostic, is_failure });
                }
            }
        }
    }
}
