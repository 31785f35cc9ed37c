//! Doorbells: waking a node that sleeps.
//!
//! A data thread, which has one queue of each network, sleeps on an eventfd ([`Bell`]), so a node has one bell for each queue: who
//! silences a bell must not silence it for another thread. Peers get copies over a unix socket ([`link`]), and write
//! to it when they have something for a node whose arena says that it sleeps ([`attention`]). The same socket carries
//! the words "look at my arena", so that announcements are seen at once, and its hang-up tells of a death where
//! nothing else does. Where there are no sockets, lines of shared memory stand in for them ([`activity`]).

#[cfg(not(loom))]
use std::sync::atomic::{AtomicU64, Ordering};

#[cfg(not(loom))]
use crate::fabric::snapshot::DoorbellKind;

#[cfg(not(loom))]
pub(crate) mod activity;
pub(crate) mod attention;
#[cfg(not(loom))]
mod bell;
#[cfg(not(loom))]
pub(crate) mod link;

#[cfg(not(loom))]
pub(crate) use self::bell::Bell;

/// What wakes a peer's queue.
#[cfg(not(loom))]
#[derive(Debug)]
pub(crate) struct PeerBell {
    means: Means,
    rung: AtomicU64,
}

#[cfg(not(loom))]
#[derive(Debug)]
enum Means {
    /// Its bell, on the same host.
    Bell(Bell),
    /// Its word of the line that the peer looks at.
    Line(activity::Line),
}

#[cfg(not(loom))]
impl PeerBell {
    /// A copy of the peer's bell.
    pub(crate) fn bell(bell: Bell) -> Self {
        Self { means: Means::Bell(bell), rung: AtomicU64::new(0) }
    }

    /// A word of the line in this node's arena that the peer looks at.
    pub(crate) fn line(line: activity::Line) -> Self {
        Self { means: Means::Line(line), rung: AtomicU64::new(0) }
    }

    /// Wakes the peer.
    pub(crate) fn ring(&self) {
        // It orders nothing: for those who look at it only.
        self.rung.fetch_add(1, Ordering::Relaxed);
        match &self.means {
            Means::Bell(bell) => bell.ring(),
            Means::Line(line) => line.raise(),
        }
    }

    /// How often the peer was rung.
    pub(crate) fn rung(&self) -> u64 {
        self.rung.load(Ordering::Relaxed)
    }

    /// By what the peer is woken.
    pub(crate) fn kind(&self) -> DoorbellKind {
        match self.means {
            Means::Bell(_) => DoorbellKind::Eventfd,
            Means::Line(_) => DoorbellKind::Activity,
        }
    }
}
