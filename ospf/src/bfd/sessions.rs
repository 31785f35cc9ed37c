//! All sessions of a router: which of them a packet belongs to (RFC 5880 section 6.3), and what is due when.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::Ipv4Addr;

use super::packet::{ControlPacket, DiscardReason, LENGTH};
use super::session::{Session, Transition};
use super::view::{Diagnostic, SessionState, SessionView};
use super::{Parameters, TIME_TO_LIVE};
use crate::instance::Random;
use crate::types::Instant;

/// Source ports of control packets (RFC 5881 section 4): 49152 to 65535.
const FIRST_SOURCE_PORT: u16 = 49152;

/// What names a session: there is one for each pair of systems and link, however many protocols use it (RFC 5881 section 2).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct SessionKey {
    /// The link, by a number of the caller's choice.
    pub link: u32,
    /// The peer's address on it.
    pub peer: Ipv4Addr,
}

/// A packet to send: UDP to [`super::PORT`] with [`super::TIME_TO_LIVE`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transmit {
    /// By which link, and to whom.
    pub key: SessionKey,
    /// Our address.
    pub source: Ipv4Addr,
    /// The UDP port that it comes from, the same for all packets of a session.
    pub source_port: u16,
    /// The payload of the datagram.
    pub payload: [u8; LENGTH],
}

/// One thing for the caller to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// Send a packet.
    Transmit(Transmit),
    /// A session has changed its state.
    StateChange {
        /// Which one.
        key: SessionKey,
        /// From here.
        from: SessionState,
        /// To here.
        to: SessionState,
        /// The session's diagnostic code.
        diagnostic: Diagnostic,
        /// Packets do not pass any more, and nobody wanted that: protocols shall act (RFC 5882 section 4.2).
        is_failure: bool,
    },
}

/// The sessions of a router, which a caller drives like an [`crate::Instance`].
#[derive(Debug)]
pub struct Sessions {
    random: Random,
    sessions: BTreeMap<u32, Entry>,
    discriminators: BTreeMap<SessionKey, u32>,
    due: BTreeSet<(Instant, u32)>,
    outputs: VecDeque<Output>,
    next_port: u16,
}

#[derive(Debug)]
struct Entry {
    key: SessionKey,
    session: Session,
    due: Option<Instant>,
}

impl Sessions {
    /// No sessions. The `seed` feeds jitter and discriminators.
    pub fn new(seed: u64) -> Self {
        Self {
            random: Random::new(seed),
            sessions: BTreeMap::new(),
            discriminators: BTreeMap::new(),
            due: BTreeSet::new(),
            outputs: VecDeque::new(),
            next_port: 0,
        }
    }

    /// The sessions that shall be, with our address and the intervals: all of them, in place of those of the last call. One that
    /// is not here any more tells its peer that it is administratively down, or that it has failed if it has, and is forgotten 3 s
    /// later.
    pub fn configure(&mut self, now: Instant, wanted: &BTreeMap<SessionKey, (Ipv4Addr, Parameters)>) {
        let gone: Vec<u32> = self
            .discriminators
            .iter()
            .filter(|(key, _)| !wanted.contains_key(key))
            .map(|(_, &discriminator)| discriminator)
            .collect();
        for discriminator in gone {
            self.with(discriminator, |session, _| session.leave(now));
        }
        for (&key, &(local, parameters)) in wanted {
            let known = self.discriminators.get(&key).copied();
            let discriminator = known.unwrap_or_else(|| self.add(now, key, local, parameters));
            self.with(discriminator, |session, random| {
                session.local_address = local;
                let transition = session.stay(now);
                session.configure(now, parameters, random);
                transition
            });
        }
    }

    /// Takes the payload of a UDP datagram for port 3784 that came in by a link.
    ///
    /// # Errors
    /// The packet was discarded (RFC 5880 section 6.8.6).
    pub fn handle_packet(
        &mut self,
        now: Instant,
        link: u32,
        source: Ipv4Addr,
        time_to_live: u8,
        payload: &[u8],
    ) -> Result<(), DiscardReason> {
        // RFC 5881 section 5.
        if time_to_live != TIME_TO_LIVE {
            return Err(DiscardReason::TimeToLive(time_to_live));
        }
        let packet = ControlPacket::decode(payload);
        let key = SessionKey { link, peer: source };
        let discriminator = match &packet {
            Ok(packet) if packet.your_discriminator != 0 => Some(packet.your_discriminator),
            _ => self.discriminators.get(&key).copied(),
        };
        let Some((discriminator, entry)) =
            discriminator.and_then(|name| Some((name, self.sessions.get_mut(&name)?)))
        else {
            return Err(packet.err().unwrap_or(DiscardReason::NoSession));
        };
        // What came another way does not show that this one is open.
        let packet =
            packet.and_then(
                |packet| {
                    if entry.key.link == link { Ok(packet) } else { Err(DiscardReason::NoSession) }
                },
            );
        let packet = packet.inspect_err(|_| entry.session.statistics.receive_invalid_packet_count += 1)?;
        let mut answer = None;
        self.with(discriminator, |session, random| {
            let (transition, final_) = session.receive(now, &packet, random);
            answer = final_;
            transition
        });
        if let Some(answer) = answer {
            self.transmit(discriminator, answer);
        }
        Ok(())
    }

    /// Does what is due at `now`. Calling it early is harmless.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some(&(_, discriminator)) = self.due.first().filter(|(at, _)| *at <= now) {
            let is_over = self
                .sessions
                .get(&discriminator)
                .is_some_and(|entry| entry.session.leaves_at.is_some_and(|at| at <= now));
            if is_over {
                self.forget(discriminator);
                continue;
            }
            let mut packet = None;
            self.with(discriminator, |session, random| {
                let transition = session.detect(now);
                packet = session.transmit(now, random);
                transition
            });
            if let Some(packet) = packet {
                self.transmit(discriminator, packet);
            }
        }
    }

    /// When to call [`Sessions::handle_timeout`] next, if nothing else happens before.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.due.first().map(|(at, _)| *at)
    }

    /// Takes the next output.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// All sessions that were not removed, by their keys; `name` knows the names of the links.
    pub fn views(&self, now: Instant, name: impl Fn(SessionKey) -> String) -> Vec<SessionView> {
        let entries = self.discriminators.values().filter_map(|name| self.sessions.get(name));
        let present = entries.filter(|entry| entry.session.leaves_at.is_none());
        present.map(|entry| entry.session.view(now, name(entry.key), entry.key.peer)).collect()
    }

    fn add(&mut self, now: Instant, key: SessionKey, local: Ipv4Addr, parameters: Parameters) -> u32 {
        let mut discriminator = 0;
        while discriminator == 0 || self.sessions.contains_key(&discriminator) {
            discriminator = self.random.next_u32();
        }
        let port = FIRST_SOURCE_PORT + self.next_port;
        self.next_port = (self.next_port + 1) % (u16::MAX - FIRST_SOURCE_PORT + 1);
        let session = Session::new(now, local, parameters, discriminator, port);
        self.sessions.insert(discriminator, Entry { key, session, due: None });
        self.discriminators.insert(key, discriminator);
        discriminator
    }

    fn forget(&mut self, discriminator: u32) {
        if let Some(entry) = self.sessions.remove(&discriminator) {
            self.discriminators.remove(&entry.key);
            if let Some(at) = entry.due {
                self.due.remove(&(at, discriminator));
            }
        }
    }

    /// Does something with a session, tells what changed, and notes when it is due next.
    fn with(
        &mut self,
        discriminator: u32,
        act: impl FnOnce(&mut Session, &mut Random) -> Option<Transition>,
    ) {
        let Some(entry) = self.sessions.get_mut(&discriminator) else { return };
        if let Some(Transition { from, to, is_failure }) = act(&mut entry.session, &mut self.random) {
            let diagnostic = entry.session.diagnostic;
            self.outputs.push_back(Output::StateChange { key: entry.key, from, to, diagnostic, is_failure });
        }
        let due = entry.session.poll_timeout();
        if due != entry.due {
            if let Some(at) = entry.due {
                self.due.remove(&(at, discriminator));
            }
            self.due.extend(due.map(|at| (at, discriminator)));
            entry.due = due;
        }
    }

    fn transmit(&mut self, discriminator: u32, packet: ControlPacket) {
        let Some(entry) = self.sessions.get(&discriminator) else { return };
        self.outputs.push_back(Output::Transmit(Transmit {
            key: entry.key,
            source: entry.session.local_address,
            source_port: entry.session.source_port,
            payload: packet.encode(),
        }));
    }
}
