//! Doorbells: waking a node that sleeps.
//!
//! A node's data thread sleeps on an eventfd ([`Bell`]). Peers get a copy of it over a unix socket ([`link`]), and write
//! to it when they have something for a node whose arena says that it sleeps ([`attention`]). The same socket carries
//! the words "look at my arena", so that announcements are seen at once, and its hang-up tells of a death where
//! nothing else does. Where there are no sockets, lines of shared memory stand in for them ([`activity`]).

#[cfg(not(loom))]
pub(crate) mod activity;
pub(crate) mod attention;
#[cfg(not(loom))]
mod bell;
#[cfg(not(loom))]
pub(crate) mod link;

#[cfg(not(loom))]
pub(crate) use self::bell::Bell;

/// What wakes a peer.
#[cfg(not(loom))]
#[derive(Debug)]
pub(crate) enum PeerBell {
    /// Its bell, on the same host.
    Bell(Bell),
    /// The line that it looks at.
    Line(activity::Line),
}

#[cfg(not(loom))]
impl PeerBell {
    /// Wakes the peer.
    pub(crate) fn ring(&self) {
        match self {
            Self::Bell(bell) => bell.ring(),
            Self::Line(line) => line.raise(),
        }
    }
}
