//! Authentication of an interface's packets (RFC 2328 appendix D): with what they are sealed, and whom to believe.

use std::net::Ipv4Addr;

use crate::config::Authentication;
use crate::error::Refusal;
use crate::interface::Interface;
use crate::types::{Instant, RouterId};
use crate::wire::{Frame, Seal, auth_type};

/// The cryptographic sequence number (section D.3): seconds, so that it never decreases and that a router that has
/// restarted continues above its earlier life. Packets within one second share a number, as section D.4.3 allows.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct SequenceClock {
    origin: Instant,
    start: u32,
    current: u32,
}

impl SequenceClock {
    /// The clock shows `start` seconds at `now`.
    pub(crate) fn set(&mut self, now: Instant, start: u32) {
        *self = Self { origin: now, start, current: self.current.max(start) };
    }

    /// Lets time pass.
    pub(crate) fn advance(&mut self, now: Instant) {
        let elapsed = u32::try_from(now.since(self.origin).as_secs()).unwrap_or(u32::MAX);
        self.current = self.current.max(self.start.saturating_add(elapsed));
    }

    /// The number of what is sent now.
    pub(crate) fn current(&self) -> u32 {
        self.current
    }
}

impl Interface {
    /// What packets that leave here prove themselves with.
    pub(crate) fn seal(&self, sequence: u32) -> Seal<'_> {
        match &self.config.authentication {
            Authentication::Null => Seal::Null,
            Authentication::Simple(password) => Seal::Simple(password),
            Authentication::Md5(keys) => {
                keys.first().map_or(Seal::Null, |key| Seal::Md5 { key_id: key.id, key: &key.key, sequence })
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
    /// the one of this packet is returned.
    pub(crate) fn authenticate(&self, frame: &Frame<'_>, last: u32) -> Result<u32, Refusal> {
        let own = match &self.config.authentication {
            Authentication::Null => auth_type::NULL,
            Authentication::Simple(_) => auth_type::SIMPLE,
            Authentication::Md5(_) => auth_type::CRYPTOGRAPHIC,
        };
        let theirs = frame.auth.auth_type;
        if own != theirs {
            return Err(Refusal::AuthenticationTypeMismatch { own, theirs });
        }
        match &self.config.authentication {
            Authentication::Null => Ok(last),
            Authentication::Simple(password) if frame.has_password(password) => Ok(last),
            Authentication::Simple(_) => Err(Refusal::AuthenticationFailure),
            Authentication::Md5(keys) => {
                let fields = frame.cryptographic();
                // Several keys may share a number while one replaces the other.
                let mut named = keys.iter().filter(|key| key.id == fields.key_id).peekable();
                if named.peek().is_none() {
                    let own = keys.first().map_or(0, |key| key.id);
                    return Err(Refusal::AuthenticationKeyUnknown { own, theirs: fields.key_id });
                }
                // The digest goes before the sequence number: nobody else can learn what number is next.
                if !named.any(|key| frame.has_md5_digest(&key.key)) {
                    return Err(Refusal::AuthenticationFailure);
                }
                if fields.sequence < last {
                    return Err(Refusal::AuthenticationSequence);
                }
                Ok(fields.sequence)
            }
        }
    }
}
