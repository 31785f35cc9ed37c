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
}

impl SequenceClock {
    /// The clock shows `start` seconds at `now`.
    pub(crate) fn set(&mut self, now: Instant, start: u32) {
        *self = Self { origin: now, start, time: start, current: self.current.max(start) };
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

    /// Seconds since 1970, by which lifetimes of keys are measured. Unlike the number it goes back when the clock of the
    /// world is set back.
    pub(crate) fn time(&self) -> u32 {
        self.time
    }
}

impl Interface {
    /// What packets that leave here prove themselves with.
    pub(crate) fn seal(&self, clock: &SequenceClock) -> Seal<'_> {
        match &self.config.authentication {
            Authentication::Null => Seal::Null,
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
        match &self.config.authentication {
            Authentication::Null | Authentication::Simple(_) => 0,
            Authentication::Cryptographic(keys) => {
                keys.iter().map(|key| key.algorithm.digest_len()).max().unwrap_or_default()
            }
        }
    }

    /// The cryptographic sequence number that a packet must not be below: that of the neighbor that sends it, and of the one
    /// that it would replace at its address. Without the latter, what any router has ever sent here could be played back to
    /// push out the neighbor.
    pub(crate) fn last_sequence(&self, router: RouterId, source: Ipv4Addr) -> u32 {
        let concerned =
            self.neighbors.values().filter(|known| known.router_id == router || known.address == source);
        concerned.map(|neighbor| neighbor.cryptographic_sequence).max().unwrap_or_default()
    }

    /// Section D.5: whether a packet comes from where it says. `last` is the sequence number that it must not be below;
    /// the one of this packet is returned. `time` is that of the world.
    pub(crate) fn authenticate(&self, frame: &Frame<'_>, last: u32, time: u32) -> Result<u32, Refusal> {
        let own = match &self.config.authentication {
            Authentication::Null => auth_type::NULL,
            Authentication::Simple(_) => auth_type::SIMPLE,
            Authentication::Cryptographic(_) => auth_type::CRYPTOGRAPHIC,
        };
        let theirs = frame.auth.auth_type;
        if own != theirs {
            return Err(Refusal::AuthenticationTypeMismatch { own, theirs });
        }
        match &self.config.authentication {
            Authentication::Null => Ok(last),
            Authentication::Simple(password) if frame.has_password(password) => Ok(last),
            Authentication::Simple(_) => Err(Refusal::AuthenticationFailure),
            Authentication::Cryptographic(keys) => {
                // The digest goes before the sequence number: nobody else can learn what number is next.
                check_digest(frame, keys, time)?;
                let sequence = frame.cryptographic().sequence;
                if sequence < last {
                    return Err(Refusal::AuthenticationSequence);
                }
                Ok(sequence)
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
            Authentication::Cryptographic(keys) => {
                ("cryptographic", keys.iter().map(|key| view(keys, key)).collect())
            }
        };
        AuthenticationView { auth_type: auth_type.to_owned(), keys }
    }
}

/// Whether one of the keys that are believed at `time` has signed a packet.
fn check_digest(frame: &Frame<'_>, keys: &[Key], time: u32) -> Result<(), Refusal> {
    let theirs = u32::from(frame.cryptographic().key_id);
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
    match accepted.any(|key| frame.has_digest(key.algorithm, &key.secret)) {
        true => Ok(()),
        false => Err(Refusal::AuthenticationFailure),
    }
}

impl Instance {
    /// Another second of the world has begun, or the keys are others: tells of interfaces that go on with a key whose
    /// lifetime is over (RFC 5709 section 3.2), once for each key.
    pub(crate) fn follow_keys(&mut self) {
        let time = self.sequence.time();
        for (id, interface) in &mut self.interfaces {
            let Authentication::Cryptographic(keys) = &interface.config.authentication else {
                interface.expired_key = None;
                continue;
            };
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
