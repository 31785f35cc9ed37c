//! Differences of configuration between this router and others on its networks: what differs, with both values, told in
//! good measure (RFC 9129 section 2.9, `if-config-error`) and kept for who looks at the interface.
//!
//! Whoever can send a packet can claim any value, so the list is short and what is told is limited in time.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::Duration;

use crate::error::{Refusal, area_type_of};
use crate::types::Instant;
use crate::view::MismatchView;
use crate::wire::auth_type;

/// A difference that goes on is told again no sooner than this.
const TELL_AGAIN: Duration = Duration::from_secs(10);
/// Differences kept for an interface. Within [`TELL_AGAIN`] no more than that many are told of.
const KEPT: usize = 16;

/// The spelling of `error` in RFC 9129 for a larger MTU there, which only the database exchange shows.
const MTU: &str = "mtu-mismatch";

/// What differs between this router and another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch {
    /// `error` of the notification `if-config-error`.
    pub error: &'static str,
    /// The value here.
    pub own: String,
    /// The value there.
    pub theirs: String,
}

impl Refusal {
    /// The `error` of RFC 9129 that a difference of configurations has; `None` if this is none.
    pub fn mismatch_error(&self) -> Option<&'static str> {
        Some(match self {
            Self::AuthenticationTypeMismatch { .. } => "auth-type-mismatch",
            Self::AuthenticationKeyUnknown { .. }
            | Self::AuthenticationKeyLifetime { .. }
            | Self::AuthenticationFailure => "auth-failure",
            Self::AreaMismatch { .. } => "area-mismatch",
            Self::DuplicateRouterId { .. } | Self::DuplicateNeighborId { .. } => "duplicate-router-id",
            Self::ForeignSource { .. } | Self::NetworkMaskMismatch { .. } => "net-mask-mismatch",
            Self::HelloIntervalMismatch { .. } => "hello-interval-mismatch",
            Self::DeadIntervalMismatch { .. } => "dead-interval-mismatch",
            Self::OptionsMismatch { .. } => "option-mismatch",
            Self::MtuMismatch { .. } => MTU,
            _ => return None,
        })
    }

    /// What differs, with both values; `None` if this is no difference of configurations. Secrets are not in it.
    pub fn mismatch(&self) -> Option<Mismatch> {
        let error = self.mismatch_error()?;
        let (own, theirs) = match self {
            Self::AuthenticationTypeMismatch { own, theirs } => {
                (authentication_name(*own), authentication_name(*theirs))
            }
            Self::AuthenticationKeyUnknown { own, theirs } => {
                (format!("key id {own}"), format!("key id {theirs}"))
            }
            Self::AuthenticationKeyLifetime { own, theirs } => {
                (format!("key id {own}"), format!("key id {theirs}, which is not valid now"))
            }
            Self::AuthenticationFailure => ("this password or key".to_owned(), "another one".to_owned()),
            Self::AreaMismatch { own, theirs } => (own.to_string(), theirs.to_string()),
            Self::DuplicateRouterId { router_id } => (router_id.to_string(), router_id.to_string()),
            Self::DuplicateNeighborId { router_id, address, source_address } => {
                (format!("{router_id} at {address}"), format!("{router_id} at {source_address}"))
            }
            Self::ForeignSource { network, source_address } => {
                (network.to_string(), source_address.to_string())
            }
            Self::NetworkMaskMismatch { own, theirs } => (own.to_string(), theirs.to_string()),
            Self::HelloIntervalMismatch { own, theirs } | Self::DeadIntervalMismatch { own, theirs } => {
                (own.to_string(), theirs.to_string())
            }
            Self::OptionsMismatch { own, theirs } => {
                (area_type_of(*own).to_owned(), area_type_of(*theirs).to_owned())
            }
            Self::MtuMismatch { own, theirs } => (own.to_string(), theirs.to_string()),
            _ => return None,
        };
        Some(Mismatch { error, own, theirs })
    }
}

fn authentication_name(auth_type: u16) -> String {
    match auth_type {
        auth_type::NULL => "none".to_owned(),
        auth_type::SIMPLE => "simple".to_owned(),
        auth_type::CRYPTOGRAPHIC => "cryptographic".to_owned(),
        auth_type::EXTENDED => "extended".to_owned(),
        other => format!("type {other}"),
    }
}

/// The differences that an interface has seen.
#[derive(Debug, Default)]
pub(crate) struct Mismatches(BTreeMap<(Ipv4Addr, &'static str), Seen>);

#[derive(Debug)]
struct Seen {
    refusal: Refusal,
    count: u64,
    last: Instant,
    told: Instant,
}

impl Mismatches {
    /// Notes that a packet of `source` was refused. Says whether that should be told.
    pub(crate) fn note(&mut self, now: Instant, source: Ipv4Addr, refusal: Refusal) -> bool {
        let Some(error) = refusal.mismatch_error() else { return false };
        let key = (source, error);
        if let Some(seen) = self.0.get_mut(&key) {
            seen.refusal = refusal;
            seen.count += 1;
            seen.last = now;
            let again = now.since(seen.told) >= TELL_AGAIN;
            if again {
                seen.told = now;
            }
            return again;
        }
        if !self.has_room(now) {
            return false;
        }
        self.0.insert(key, Seen { refusal, count: 1, last: now, told: now });
        true
    }

    /// Makes room for one more, if there is one that was not seen lately.
    fn has_room(&mut self, now: Instant) -> bool {
        if self.0.len() < KEPT {
            return true;
        }
        let oldest = self.0.iter().min_by_key(|(_, seen)| seen.last).map(|(key, seen)| (*key, seen.last));
        match oldest {
            Some((key, last)) if now.since(last) >= TELL_AGAIN => self.0.remove(&key).is_some(),
            _ => false,
        }
    }

    /// A hello of `source` was accepted: nothing that hellos show differs any more.
    pub(crate) fn accepted_hello(&mut self, source: Ipv4Addr) {
        self.0.retain(|(from, error), _| *from != source || *error == MTU);
    }

    /// A database description of `source` was accepted: neither does the MTU.
    pub(crate) fn accepted_description(&mut self, source: Ipv4Addr) {
        self.0.remove(&(source, MTU));
    }

    /// Another configuration here: what differs from it is to be seen.
    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    /// For management, ordered by source.
    pub(crate) fn views(&self) -> Vec<MismatchView> {
        let view = |(source, seen): (Ipv4Addr, &Seen)| {
            let Mismatch { error, own, theirs } = seen.refusal.mismatch()?;
            let error = error.to_owned();
            Some(MismatchView {
                packet_source: source,
                error,
                own,
                theirs,
                count: seen.count,
                last: seen.last,
            })
        };
        self.0.iter().filter_map(|((source, _), seen)| view((*source, seen))).collect()
    }
}
