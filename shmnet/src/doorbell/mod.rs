//! Doorbells: waking a node that sleeps.
//!
//! A data thread, which has one queue of each network, sleeps on an eventfd ([`Bell`]), so a node has one bell for each queue: who
//! silences a bell must not silence it for another thread. Peers get copies over a unix socket ([`link`]), and write
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
    /// Its word of the line that the peer looks at.
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
