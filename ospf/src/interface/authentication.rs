//! Authentication of an interface's packets (RFC 2328 appendix D): with what they are sealed, and whom to believe.

use std::net::Ipv4Addr;

use crate::Instance;
use crate::config::{Authentication, Key, expired_key, is_accepted, sending_key};
use crate::error::Refusal;
use crate::event::{Notification, Output};
use crate::interface::Interface;
use crate::types::{Instant, RouterId};
use crate::view::{AuthenticationKeyView, AuthenticationView};
use crate::wire::{Frame, Seal, auth_type};

/// The time of the world, and the cryptographic sequence number that follows it (section D.3): seconds, so that it
/// never decreases and that a router that has restarted continues above its earlier life. Packets within one second share a
/// number, as section D.4.3 allows.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct SequenceClock {
    origin: Instant,
    start: u32,
    time: u32,
    current: u32,
    /// The boot count above the number of the packet that was sent last (RFC 7474 section 2).
    extended: u64,
}

impl SequenceClock {
    /// The clock shows `start` seconds at `now`.
    pub(crate) fn set(&mut self, now: Instant, start: u32) {
        let current = self.current.max(start);
        *self = Self { origin: now, start, time: start, current, ..*self };
    }

    /// Lets time pass. Says whether another second has begun.
    pub(crate) fn advance(&mut self, now: Instant) -> bool {
        let elapsed = u32::try_from(now.since(self.origin).as_secs()).unwrap_or(u32::MAX);
        let time = self.start.saturating_add(elapsed);
        let is_another = time != self.time;
        self.time = time;
        self.current = self.current.max(time);
        is_another
    }

    /// The number of what is sent now.
    pub(crate) fn current(&self) -> u32 {
        self.current
    }

    /// This is life number `boots` of the router.
    pub(crate) fn set_boot_count(&mut self, boots: u32) {
        self.extended = self.extended.max(u64::from(boots) << 32);
    }

    /// The extended number of the packet that is sent now. The boot count after it, if the packets of a whole one are
    /// sent: it must outlive this life.
    fn next_extended(&mut self) -> (u64, Option<u32>) {
        self.extended = self.extended.saturating_add(1);
        let has_wrapped = self.extended.trailing_zeros() >= 32;
        (self.extended, has_wrapped.then_some((self.extended >> 32) as u32))
    }

    /// Seconds since 1970, by which lifetimes of keys are measured. Unlike the number it goes back when the clock of the
    /// world is set back.
    pub(crate) fn time(&self) -> u32 {
        self.time
    }
}

impl Interface {
    /// What a packet that leaves here now proves itself with, and the boot count that has to be remembered from now on, if it
    /// has changed.
    pub(crate) fn seal(&self, clock: &mut SequenceClock) -> (Seal<'_>, Option<u32>) {
        let Authentication::Extended(keys) = &self.config.authentication else {
            return (self.plain_seal(clock), None);
        };
        let Some(key) = sending_key(keys, clock.time()) else { return (Seal::Null, None) };
        let (sequence, boots) = clock.next_extended();
        let (key_id, source) = (u32::from(key.id), self.address());
        (Seal::Extended { key_id, algorithm: key.algorithm, key: &key.secret, sequence, source }, boots)
    }

    fn plain_seal(&self, clock: &SequenceClock) -> Seal<'_> {
        match &self.config.authentication {
            Authentication::Null | Authentication::Extended(_) => Seal::Null,
            Authentication::Simple(password) => Seal::Simple(password),
            Authentication::Cryptographic(keys) => {
                sending_key(keys, clock.time()).map_or(Seal::Null, |key| Seal::Cryptographic {
                    key_id: key.id,
                    algorithm: key.algorithm,
                    key: &key.secret,
                    sequence: clock.current(),
                })
            }
        }
    }

    /// The most that any of its keys adds after a packet.
    pub(crate) fn trailer_len(&self) -> usize {
        let authentication = &self.config.authentication;
        let digest =
            authentication.keys().iter().map(|key| key.algorithm.digest_len()).max().unwrap_or_default();
        let sequence = if matches!(authentication, Authentication::Extended(_)) { 8 } else { 0 };
        digest + sequence
    }

    /// The cryptographic sequence number that a packet must not be below: that of the neighbor that sends it, and of the one
    /// that it would replace at its address. Without the latter, what any router has ever sent here could be played back to
    /// push out the neighbor.
    pub(crate) fn last_sequence(&self, router: RouterId, source: Ipv4Addr) -> u32 {
        let concerned =
            self.neighbors.values().filter(|known| known.router_id == router || known.address == source);
        concerned.map(|neighbor| neighbor.cryptographic_sequence).max().unwrap_or_default()
    }

    /// Section D.5: whether a packet comes from where it says. `time` is that of the world.
    pub(crate) fn authenticate(
        &self,
        frame: &Frame<'_>,
        source: Ipv4Addr,
        time: u32,
    ) -> Result<Proof, Refusal> {
        let own = match &self.config.authentication {
            Authentication::Null => auth_type::NULL,
            Authentication::Simple(_) => auth_type::SIMPLE,
            Authentication::Cryptographic(_) => auth_type::CRYPTOGRAPHIC,
            Authentication::Extended(_) => auth_type::EXTENDED,
        };
        let theirs = frame.auth.auth_type;
        if own != theirs {
            return Err(Refusal::AuthenticationTypeMismatch { own, theirs });
        }
        match &self.config.authentication {
            Authentication::Null => Ok(Proof::None),
            Authentication::Simple(password) if frame.has_password(password) => Ok(Proof::None),
            Authentication::Simple(_) => Err(Refusal::AuthenticationFailure),
            Authentication::Cryptographic(keys) => {
                // The digest goes before the sequence number: nobody else can learn what number is next.
                let fields = frame.cryptographic();
                check_digest(keys, u32::from(fields.key_id), time, |key| {
                    frame.has_digest(key.algorithm, &key.secret)
                })?;
                if fields.sequence < self.last_sequence(frame.header.router_id, source) {
                    return Err(Refusal::AuthenticationSequence);
                }
                Ok(Proof::Sequence(fields.sequence))
            }
            Authentication::Extended(keys) => {
                let fields = frame.extended().ok_or(Refusal::AuthenticationFailure)?;
                let key = check_digest(keys, fields.key_id, time, |key| {
                    frame.has_extended_digest(key.algorithm, &key.secret, source)
                })?;
                let (router, packet_type) = (frame.header.router_id, frame.type_number());
                if !self.replay.is_new(router, key, packet_type, fields.sequence) {
                    return Err(Refusal::AuthenticationSequence);
                }
                Ok(Proof::Extended { key, packet_type, sequence: fields.sequence })
            }
        }
    }

    /// How packets are authenticated, without any secret.
    pub(crate) fn view_authentication(&self, time: u32) -> AuthenticationView {
        let view = |keys: &[Key], key: &Key| AuthenticationKeyView {
            key_id: u32::from(key.id),
            crypto_algorithm: key.algorithm.name().to_owned(),
            sending: sending_key(keys, time) == Some(key),
            accepted: is_accepted(keys, key, time),
            expired: key.send.is_over(time),
        };
        let (auth_type, keys) = match &self.config.authentication {
            Authentication::Null => ("none", Vec::new()),
            Authentication::Simple(_) => ("simple", Vec::new()),
            Authentication::Extended(keys) => ("extended", keys.iter().map(|key| view(keys, key)).collect()),
            Authentication::Cryptographic(keys) => {
                ("cryptographic", keys.iter().map(|key| view(keys, key)).collect())
            }
        };
        AuthenticationView { auth_type: auth_type.to_owned(), keys }
    }
}

/// What an authenticated packet has shown, to be remembered once it is accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Proof {
    /// Nothing that counts up.
    None,
    /// A cryptographic sequence number (section D.5.3).
    Sequence(u32),
    /// An extended one (RFC 7474).
    Extended {
        /// The number of the key.
        key: u8,
        /// The type of the packet, 1 to 5.
        packet_type: u8,
        /// The number.
        sequence: u64,
    },
}

/// The number of the key, of those that are believed at `time`, that has signed a packet.
fn check_digest(
    keys: &[Key],
    theirs: u32,
    time: u32,
    has_signed: impl Fn(&Key) -> bool,
) -> Result<u8, Refusal> {
    let own = sending_key(keys, time).map_or(0, |key| u32::from(key.id));
    // Several keys may share a number while one replaces the other.
    let named = || keys.iter().filter(|key| u32::from(key.id) == theirs);
    if named().next().is_none() {
        return Err(Refusal::AuthenticationKeyUnknown { own, theirs });
    }
    let mut accepted = named().filter(|key| is_accepted(keys, key, time)).peekable();
    if accepted.peek().is_none() {
        return Err(Refusal::AuthenticationKeyLifetime { own, theirs });
    }
    accepted.find(|key| has_signed(key)).map(|key| key.id).ok_or(Refusal::AuthenticationFailure)
}

impl Instance {
    /// Another second of the world has begun, or the keys are others: tells of interfaces that go on with a key whose
    /// lifetime is over (RFC 5709 section 3.2), once for each key.
    pub(crate) fn follow_keys(&mut self) {
        let time = self.sequence.time();
        for (id, interface) in &mut self.interfaces {
            let keys = interface.config.authentication.keys();
            let expired = expired_key(keys, time).map(|key| key.id);
            if expired != interface.expired_key
                && let Some(key) = expired
            {
                let told = Notification::KeyExpired { interface: *id, key_id: u32::from(key) };
                self.outputs.push_back(Output::Notification(told));
            }
            interface.expired_key = expired;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_boot_count_rises_with_the_last_packet_that_32_bits_count() {
        let mut clock = SequenceClock::default();
        clock.set_boot_count(7);
        clock.extended += u64::from(u32::MAX) - 1;
        assert_eq!(clock.next_extended(), (0x7_ffff_ffff, None));
        assert_eq!(clock.next_extended(), (0x8_0000_0000, Some(8)));
        assert_eq!(clock.next_extended(), (0x8_0000_0001, None));
        // Setting the clock touches none of it.
        clock.set(Instant(5), 1_800_000_000);
        assert_eq!(clock.next_extended().0, 0x8_0000_0002);
    }
}
