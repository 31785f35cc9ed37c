//! The link state database of one flooding scope (RFC 2328 section 12).
//!
//! Age is never ticked. An entry stores the age that its advertisement had when it was installed and when
//! that was; the age of today is calculated when somebody asks (section 12.1.1). A database without traffic
//! therefore costs nothing but one timer per advertisement.

mod gone;

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::ops::RangeInclusive;
use std::time::Duration;

use crate::config::AreaType;
use crate::types::{AreaId, Instant, InterfaceId, MAX_AGE, RouterId};
use crate::wire::{LsType, Lsa, LsaBody, LsaHeader, LsaKey};
pub(crate) use gone::Gone;

/// How far advertisements travel (section 13.3, RFC 5250 section 3).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Scope {
    /// To the neighbors on one interface.
    Link(InterfaceId),
    /// Through one area.
    Area(AreaId),
    /// Through the autonomous system.
    As,
}

impl Scope {
    /// The scope of an advertisement that came in, or leaves, through an interface in `area`.
    pub(crate) fn of(ls_type: LsType, interface: InterfaceId, area: AreaId) -> Self {
        match ls_type {
            LsType::OPAQUE_LINK => Self::Link(interface),
            _ if ls_type.is_as_wide() => Self::As,
            _ => Self::Area(area),
        }
    }

    /// Whether advertisements of that scope are flooded through an interface in an area of that type (section 13.3).
    pub(crate) fn reaches(self, interface: InterfaceId, area: AreaId, area_type: AreaType) -> bool {
        match self {
            Self::Link(id) => id == interface,
            Self::Area(id) => id == area,
            Self::As => area_type.takes_externals(),
        }
    }
}

/// Where an instance came from. MinLSArrival (section 13 step 5a) only binds what was received by flooding:
/// neither what we have made nor what a database exchange has brought.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Provenance {
    /// Originated here.
    Own,
    /// Asked for in a link state request.
    Exchanged,
    /// Received by flooding.
    Flooded,
}

/// One advertisement of the database.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    /// Header and bytes; the header's age is the age at `installed`.
    pub(crate) lsa: Lsa,
    /// What it says.
    pub(crate) body: LsaBody,
    /// How it came here.
    pub(crate) provenance: Provenance,
    /// When it was last sent in an update (section 13 step 8).
    pub(crate) last_sent: Option<Instant>,
    installed: Instant,
}

impl Entry {
    /// The age in seconds (section 12.1.1).
    pub(crate) fn age(&self, now: Instant) -> u16 {
        let elapsed = now.since(self.installed).as_secs();
        let age = u64::from(self.lsa.header.age).saturating_add(elapsed);
        u16::try_from(age).map_or(MAX_AGE, |age| age.min(MAX_AGE))
    }

    /// Whether it is being flushed.
    pub(crate) fn is_max_age(&self, now: Instant) -> bool {
        self.age(now) == MAX_AGE
    }

    /// When it reaches MaxAge.
    pub(crate) fn max_age_at(&self) -> Instant {
        self.installed + Duration::from_secs(u64::from(MAX_AGE.saturating_sub(self.lsa.header.age)))
    }

    /// Its header with the age of now.
    pub(crate) fn header(&self, now: Instant) -> LsaHeader {
        LsaHeader { age: self.age(now), ..self.lsa.header }
    }

    /// When it was installed.
    pub(crate) fn installed(&self) -> Instant {
        self.installed
    }

    /// It as it travels: with its age and the time that it takes to cross the interface (section 13.3).
    pub(crate) fn to_send(&self, now: Instant, transmit_delay: u16) -> Lsa {
        self.lsa.with_age(self.age(now).saturating_add(transmit_delay).min(MAX_AGE))
    }
}

/// The advertisements of one scope.
#[derive(Debug, Default)]
pub(crate) struct Lsdb {
    entries: BTreeMap<LsaKey, Entry>,
    max_age: BTreeSet<LsaKey>,
    /// Those that were originated here.
    own: BTreeSet<LsaKey>,
    /// What was here, or was refused, at MaxAge a moment ago.
    pub(crate) gone: Gone,
}

impl Lsdb {
    /// The advertisement of that name.
    pub(crate) fn get(&self, key: &LsaKey) -> Option<&Entry> {
        self.entries.get(key)
    }

    /// The advertisement of that name.
    pub(crate) fn get_mut(&mut self, key: &LsaKey) -> Option<&mut Entry> {
        self.entries.get_mut(key)
    }

    /// All advertisements, ordered by name.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&LsaKey, &Entry)> {
        self.entries.iter()
    }

    /// Those of a type with link state ids in a range.
    pub(crate) fn of_ids(
        &self,
        ls_type: LsType,
        ids: RangeInclusive<Ipv4Addr>,
    ) -> impl Iterator<Item = (&LsaKey, &Entry)> {
        let key = |id, router| LsaKey { ls_type, id, advertising_router: RouterId(router) };
        let first = key(*ids.start(), Ipv4Addr::UNSPECIFIED);
        let last = key(*ids.end(), Ipv4Addr::BROADCAST);
        self.entries.range(first..=last)
    }

    /// Those of a type and of higher ones.
    pub(crate) fn of_type_and_above(&self, first: LsType) -> impl Iterator<Item = (&LsaKey, &Entry)> {
        let lowest = Ipv4Addr::UNSPECIFIED;
        self.entries.range(LsaKey { ls_type: first, id: lowest, advertising_router: RouterId(lowest) }..)
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Installs an instance in place of the one before (section 13.2). Says whether its contents differ from
    /// what was there, so that routes must be calculated again.
    pub(crate) fn install(&mut self, now: Instant, lsa: Lsa, body: LsaBody, provenance: Provenance) -> bool {
        let key = lsa.header.key;
        let is_max_age = lsa.header.age >= MAX_AGE;
        let changed = self.entries.get(&key).is_none_or(|old| {
            old.lsa.header.options != lsa.header.options
                || old.is_max_age(now) != is_max_age
                || old.lsa.header.length != lsa.header.length
                || old.body != body
        });
        if is_max_age {
            self.max_age.insert(key);
        } else {
            self.max_age.remove(&key);
        }
        if provenance == Provenance::Own {
            self.own.insert(key);
        } else {
            self.own.remove(&key);
        }
        self.entries.insert(key, Entry { lsa, body, provenance, last_sent: None, installed: now });
        changed
    }

    /// Gives an advertisement the age MaxAge before its time (section 14.1) or at it (section 14). Says whether
    /// there was one to age.
    pub(crate) fn set_max_age(&mut self, now: Instant, key: &LsaKey) -> bool {
        let Some(entry) = self.entries.get_mut(key) else { return false };
        if !self.max_age.insert(*key) {
            return false;
        }
        entry.lsa = entry.lsa.with_age(MAX_AGE);
        entry.installed = now;
        true
    }

    /// The advertisements that are being flushed.
    pub(crate) fn flushing(&self) -> impl Iterator<Item = &LsaKey> {
        self.max_age.iter()
    }

    /// The advertisements that were originated here and are not being flushed.
    pub(crate) fn own(&self) -> impl Iterator<Item = &LsaKey> {
        self.own.difference(&self.max_age)
    }

    /// Takes an advertisement out.
    pub(crate) fn remove(&mut self, key: &LsaKey) -> Option<Entry> {
        self.max_age.remove(key);
        self.own.remove(key);
        self.entries.remove(key)
    }
}
