//! How packets prove where they come from, and the keys with their lifetimes: which one signs, and which are believed.
//!
//! Lifetimes are in the time of the world, seconds since 1970, which the caller tells the engine
//! ([`crate::Instance::set_wall_clock`]).

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::wire::Algorithm;

/// How packets prove where they come from (RFC 2328 appendix D).
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Authentication {
    /// Not at all.
    #[default]
    Null,
    /// A password that every packet carries in clear; shorter ones are padded with zeros.
    Simple([u8; 8]),
    /// A digest of packet and key behind every packet (section D.3, RFC 5709). At least one key.
    Cryptographic(Vec<Key>),
    /// The same with sequence numbers that no restart repeats, and with the IP source in the digest (RFC 7474). At least one
    /// key, none of them MD5.
    Extended(Vec<Key>),
}

impl Authentication {
    /// The keys; none where packets are not signed.
    pub fn keys(&self) -> &[Key] {
        match self {
            Self::Null | Self::Simple(_) => &[],
            Self::Cryptographic(keys) | Self::Extended(keys) => keys,
        }
    }
}

/// A key of cryptographic authentication (RFC 2328 section D.3, RFC 5709 section 3.2).
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Key {
    /// Its number, which packets carry. Several keys may share one while one replaces the other.
    pub id: u8,
    /// How it signs.
    pub algorithm: Algorithm,
    /// The secret, not empty, at most as long as a digest of the algorithm.
    pub secret: Vec<u8>,
    /// When it may sign what is sent (KeyStartGenerate, KeyStopGenerate).
    pub send: Lifetime,
    /// When what it has signed is believed (KeyStartAccept, KeyStopAccept).
    pub accept: Lifetime,
}

impl Key {
    /// A key that is valid at any time.
    pub fn always(id: u8, algorithm: Algorithm, secret: &[u8]) -> Self {
        let secret = secret.to_vec();
        Self { id, algorithm, secret, send: Lifetime::ALWAYS, accept: Lifetime::ALWAYS }
    }
}

/// From when until when a key is valid, in seconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Lifetime {
    /// The first second in which it is.
    pub start: u32,
    /// The first second in which it is not any more; `None`: it has no end.
    pub end: Option<u32>,
}

impl Lifetime {
    /// At any time.
    pub const ALWAYS: Self = Self { start: 0, end: None };

    /// Whether it holds at `now`.
    pub fn contains(self, now: u32) -> bool {
        self.start <= now && !self.is_over(now)
    }

    /// Whether it has held and does not any more.
    pub fn is_over(self, now: u32) -> bool {
        self.end.is_some_and(|end| end <= now)
    }
}

/// The key that signs at `now`. Of several the one whose lifetime began last (RFC 7474 section 4.1), and of several of
/// these the first, so that a list of keys without lifetimes is a list of preference. Once all have expired the last of
/// them goes on (RFC 5709 section 3.2: to send without authentication, or nothing, would be worse); before any has begun, the one
/// that begins first.
pub(crate) fn sending_key(keys: &[Key], now: u32) -> Option<&Key> {
    let valid = keys.iter().filter(|key| key.send.contains(now));
    // The last of equals wins, so from the back.
    let newest = valid.rev().max_by_key(|key| key.send.start);
    let last = || keys.iter().rev().filter(|key| key.send.is_over(now)).max_by_key(|key| key.send.end);
    newest.or_else(last).or_else(|| keys.iter().min_by_key(|key| key.send.start))
}

/// Whether what a key of the list has signed is believed at `now`: within its lifetime, and the last key beyond that for as
/// long as no other is valid (RFC 5709 section 3.2).
pub(crate) fn is_accepted(keys: &[Key], key: &Key, now: u32) -> bool {
    let any_is_valid = || keys.iter().any(|other| other.accept.contains(now));
    let last_end = || keys.iter().filter_map(|other| other.accept.end.filter(|end| *end <= now)).max();
    key.accept.contains(now) || (key.accept.is_over(now) && !any_is_valid() && key.accept.end == last_end())
}

/// The last key, if it signs although its lifetime is over (RFC 5709 section 3.2).
pub(crate) fn expired_key(keys: &[Key], now: u32) -> Option<&Key> {
    sending_key(keys, now).filter(|key| key.send.is_over(now))
}

impl fmt::Debug for Authentication {
    /// Secrets do not get into logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("Null"),
            Self::Simple(_) => f.write_str("Simple(..)"),
            Self::Cryptographic(keys) => f.debug_tuple("Cryptographic").field(keys).finish(),
            Self::Extended(keys) => f.debug_tuple("Extended").field(keys).finish(),
        }
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key")
            .field("id", &self.id)
            .field("algorithm", &self.algorithm)
            .field("send", &self.send)
            .field("accept", &self.accept)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(id: u8, start: u32, end: Option<u32>) -> Key {
        let lifetime = Lifetime { start, end };
        Key { send: lifetime, accept: lifetime, ..Key::always(id, Algorithm::HmacSha256, b"k") }
    }

    fn signs(keys: &[Key], now: u32) -> u8 {
        sending_key(keys, now).unwrap().id
    }

    fn believed(keys: &[Key], now: u32) -> Vec<u8> {
        keys.iter().filter(|key| is_accepted(keys, key, now)).map(|key| key.id).collect()
    }

    #[test]
    fn the_first_of_keys_without_lifetimes_signs_and_all_are_believed() {
        let keys = [key(9, 0, None), key(1, 0, None)];
        assert_eq!((signs(&keys, 0), believed(&keys, u32::MAX)), (9, vec![9, 1]));
    }

    #[test]
    fn the_key_that_began_last_signs_and_those_that_are_valid_are_believed() {
        let keys = [key(1, 0, Some(200)), key(2, 100, Some(300)), key(3, 150, None)];
        let at = [99, 100, 149, 150, 199, 200, 300];
        assert_eq!(at.map(|now| signs(&keys, now)), [1, 2, 2, 3, 3, 3, 3]);
        let expected: [&[u8]; 7] = [&[1], &[1, 2], &[1, 2], &[1, 2, 3], &[1, 2, 3], &[2, 3], &[3]];
        assert_eq!(at.map(|now| believed(&keys, now)), expected.map(<[u8]>::to_vec));
        assert!(at.iter().all(|now| expired_key(&keys, *now).is_none()));
    }

    #[test]
    fn the_last_key_goes_on_when_all_have_expired() {
        let keys = [key(1, 0, Some(300)), key(2, 0, Some(200))];
        assert_eq!((signs(&keys, 300), believed(&keys, 300)), (1, vec![1]));
        assert_eq!(expired_key(&keys, 299), None);
        assert_eq!(expired_key(&keys, 300).map(|key| key.id), Some(1));
        // One that begins after a gap takes over, and the expired one is no longer believed.
        let keys = [key(1, 0, Some(300)), key(2, 400, None)];
        assert_eq!(
            [399, 400].map(|now| (signs(&keys, now), believed(&keys, now))),
            [(1, vec![1]), (2, vec![2])]
        );
    }

    #[test]
    fn before_the_first_key_begins_nothing_is_believed() {
        let keys = [key(1, 500, None), key(2, 400, None)];
        assert_eq!((signs(&keys, 399), believed(&keys, 399)), (2, vec![]));
        assert_eq!((expired_key(&keys, 399), sending_key(&[], 0)), (None, None));
    }
}
