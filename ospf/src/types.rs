//! Identifiers, time and costs: the small types that every other module speaks.

use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The 32-bit name of a router in the autonomous system (RFC 2328 section 1.2), written as a dotted quad.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(transparent)]
pub struct RouterId(pub Ipv4Addr);

/// The 32-bit name of an area (RFC 2328 section 3), written as a dotted quad.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(transparent)]
pub struct AreaId(pub Ipv4Addr);

impl AreaId {
    /// The backbone, area 0.0.0.0.
    pub const BACKBONE: Self = Self(Ipv4Addr::UNSPECIFIED);

    /// Whether this is the backbone.
    pub fn is_backbone(self) -> bool {
        self == Self::BACKBONE
    }
}

macro_rules! dotted_quad {
    ($($name:ident),*) => {$(
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { self.0.fmt(f) }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { self.0.fmt(f) }
        }
        impl From<Ipv4Addr> for $name {
            fn from(address: Ipv4Addr) -> Self { Self(address) }
        }
        impl FromStr for $name {
            type Err = std::net::AddrParseError;
            fn from_str(text: &str) -> Result<Self, Self::Err> { text.parse().map(Self) }
        }
    )*};
}
dotted_quad!(RouterId, AreaId);

/// An OSPF interface of this router. Chosen by the caller, unique in the instance, stable while the
/// interface exists. Also the ifIndex that an unnumbered point-to-point link carries as link data.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(transparent)]
pub struct InterfaceId(pub u32);

/// A point in time in microseconds since an origin of the caller's choice. Never read from a clock here.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(transparent)]
pub struct Instant(pub u64);

impl Instant {
    /// The time from `earlier` to `self`, zero if `earlier` is later.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }
}

impl std::ops::Add<Duration> for Instant {
    type Output = Self;
    fn add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)))
    }
}

/// A link state sequence number (RFC 2328 section 12.1.6): signed, from [`SeqNum::INITIAL`] to [`SeqNum::MAX`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(transparent)]
pub struct SeqNum(pub i32);

impl SeqNum {
    /// The first sequence number of an advertisement, 0x80000001.
    pub const INITIAL: Self = Self(i32::MIN + 1);
    /// The last one, 0x7fffffff; the advertisement must be flushed before it can go on.
    pub const MAX: Self = Self(i32::MAX);
}

/// The link state age at which an advertisement is flushed, in seconds (RFC 2328 appendix B).
pub const MAX_AGE: u16 = 3600;
/// Ages of two instances that differ by more than this, in seconds, are different instances (appendix B).
pub const MAX_AGE_DIFF: u16 = 900;
/// The age at which a self-originated advertisement is refreshed, in seconds (appendix B).
pub const LS_REFRESH_TIME: u16 = 1800;
/// A metric that means unreachable in summary and external advertisements (appendix B).
pub const LS_INFINITY: u32 = 0x00ff_ffff;
